"""Open and save a workbook with LibreOffice, as a person of some country does."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

_SECONDS = 180
_LOCALE = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Setup/L10N"><prop oor:name="ooSetupSystemLocale" oor:op="fuse">
<value>{locale}</value></prop></item></oor:items>
"""


def saved_by_libreoffice(file: Path, locale: str, *, to: str = "xlsx") -> Path:
    """Return the file as LibreOffice has saved it in the locale; skip the test where it is not installed."""
    soffice = shutil.which("soffice")
    if soffice is None:
        pytest.skip("LibreOffice (soffice) is not installed")
    profile, out = file.parent / f"profile-{locale}", file.parent / f"saved-{locale}"
    (profile / "user").mkdir(parents=True, exist_ok=True)
    (profile / "user" / "registrymodifications.xcu").write_text(_LOCALE.format(locale=locale))
    words = [soffice, f"-env:UserInstallation={profile.as_uri()}", "--headless", "--convert-to", to]
    ended = subprocess.run(
        [*words, "--outdir", str(out), str(file)],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    found = out / re.sub(r"\.\w+$", f".{to.partition(':')[0]}", file.name)
    assert found.exists(), ended.stderr
    return found
