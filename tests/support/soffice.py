"""Open and save a file with LibreOffice, as a person of some country does."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from .sweeps import sample

# The first, with a decimal comma and days before months, is the one that differs most.
LOCALES: Final = sample(["de-DE", "en-IN", "en-US"], 3)
MISSING: Final = "LibreOffice (soffice) is not installed"
_SECONDS = 180
# https://wiki.documentfoundation.org/Documentation/DevGuide/Spreadsheet_Documents, "Filter Options for CSV"
_LANGUAGES: Final = {"en-IN": 16393, "en-US": 1033, "de-DE": 1031}
_LOCALE = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Setup/L10N"><prop oor:name="ooSetupSystemLocale" oor:op="fuse">
<value>{locale}</value></prop></item></oor:items>
"""


def version() -> str | None:
    """Return LibreOffice's version, such as `LibreOffice 7.4.7.2`; None where it is not installed."""
    soffice = shutil.which("soffice")
    if soffice is None:
        return None
    said = _run(soffice, "--version").stdout
    return " ".join(said.split()[:2])


def save(file: Path, locale: str, *, to: str = "xlsx", detect: bool = False) -> Path:
    """Return the file as LibreOffice has saved it in the locale. Raises `FileNotFoundError` without it.

    With `detect` a CSV file is opened as with "Detect special numbers".
    """
    soffice = shutil.which("soffice")
    if soffice is None:
        raise FileNotFoundError(MISSING)
    profile, out = file.parent / f"profile-{locale}", file.parent / f"saved-{locale}"
    (profile / "user").mkdir(parents=True, exist_ok=True)
    (profile / "user" / "registrymodifications.xcu").write_text(_LOCALE.format(locale=locale))
    words = [f"-env:UserInstallation={profile.as_uri()}", "--headless", "--convert-to", to]
    if detect:
        words.append(f"--infilter=CSV:44,34,76,1,,{_LANGUAGES[locale]},false,true")
    ended = _run(soffice, *words, "--outdir", str(out), str(file))
    found = out / re.sub(r"\.\w+$", f".{to.partition(':')[0]}", file.name)
    assert found.exists(), ended.stderr
    return found


def edit(files: Sequence[Path], macro: str) -> None:
    """Let a Basic macro edit files in LibreOffice: its `Sub Edit(names)` gets their names, with | between.

    Raises `FileNotFoundError` without LibreOffice.
    """
    soffice = shutil.which("soffice")
    if soffice is None:
        raise FileNotFoundError(MISSING)
    with tempfile.TemporaryDirectory() as profile:
        options = (f"-env:UserInstallation={Path(profile).as_uri()}", "--headless", "--norestore")
        _run(soffice, *options, "--terminate_after_init")  # it makes a profile with an empty module
        module = Path(profile, "user", "basic", "Standard", "Module1.xba")
        text = module.read_text(encoding="utf-8")
        module.write_text(re.sub(r"(?s)REM .*(?=</script:module>)", lambda _: html.escape(macro), text))
        names = "|".join(str(file.resolve()) for file in files)
        _run(soffice, *options, f'macro:///Standard.Module1.Edit("{names}")')


def saved_by_libreoffice(file: Path, locale: str, *, to: str = "xlsx") -> Path:
    """Return the file as LibreOffice has saved it in the locale; skip the test where it is not installed."""
    if shutil.which("soffice") is None:
        pytest.skip(MISSING)
    return save(file, locale, to=to)


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=_SECONDS, check=False)
