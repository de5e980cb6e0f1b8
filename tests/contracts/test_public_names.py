"""The names that the package offers: what a type checker sees of them, and what they cost to import."""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys
import textwrap
import types
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import ims_async
from ims_async import decide, journal, rules, tables
from ims_async.gsp import codec

from ..support.documents import PROGRAMS, ROOT

FOR_ANNOTATIONS = (
    "BulkReport",
    "Finding",
    "Gsp",
    "Journal",
    "MemoryJournal",
    "Record",
    "SqliteJournal",
    "Transport",
)
MISSPELT = {
    "ims_async": "Actoin",
    "ims_async.decide": "macth",
    "ims_async.gsp.codec": "read_cuonts",
    "ims_async.journal": "SqliteJuornal",
    "ims_async.rules": "Chekcer",
    "ims_async.tables": "raed_decisions",
    "ims_async.simulator": "Simulatr",
    "ims_async.bulk": "save_al",
}
# What the documents' fragments take for granted.
PRELUDE = """\
from ims_async import Decision, Download, DownloadQueued, Gsp, ImsClient, Taxpayer, bulk


async def fragment(gsp: Gsp, client: ImsClient, acme: Taxpayer, decisions: dict[str, list[Decision]]) -> None:
"""


def test_a_type_checker_sees_every_name_and_no_other(tmp_path: Path) -> None:
    """A name that is misspelt is none: of every package with names that are fetched late, and of one without.

    And nothing is wrong with the documents' programs, as they are pasted. In one run, which shares the cache
    of `make lint`.
    """
    for place, block in enumerate(PROGRAMS):
        program = block if "async def" in block else PRELUDE + textwrap.indent(block, "    ")
        (tmp_path / f"program_{place}.py").write_text(program, encoding="utf-8")
    for place, (package, name) in enumerate(MISSPELT.items()):
        (tmp_path / f"wrong_{place}.py").write_text(f"from {package} import {name}\n", encoding="utf-8")
    names = ", ".join(ims_async.__all__)
    used = "\n".join(f"reveal_type({name})" for name in (*FOR_ANNOTATIONS, "Sandbox", "ImsClient"))
    (tmp_path / "right.py").write_text(f"from ims_async import {names}\n{used}\n", encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-color-output", "--no-error-summary"]
    command += ["--cache-dir", str(ROOT / ".mypy_cache"), *map(str, sorted(tmp_path.iterdir()))]
    ran = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    told = [line.removeprefix(str(tmp_path)).lstrip("/") for line in ran.stdout.splitlines()]
    assert told, ran.stderr
    errors = [line for line in told if ": error: " in line]
    assert PROGRAMS
    assert not [line for line in errors if line.startswith("program")], told
    assert len(errors) == len(MISSPELT), told
    for place, (package, name) in enumerate(MISSPELT.items()):
        wanted = f'Module "{package}" has no attribute "{name}"'
        assert any(wanted in line for line in errors if f"wrong_{place}.py" in line), told
    revealed = [line for line in told if "Revealed type" in line]
    assert len(revealed) == len(FOR_ANNOTATIONS) + 2
    assert not [line for line in revealed if '"Any"' in line]


@pytest.mark.parametrize("name", FOR_ANNOTATIONS)
def test_what_annotations_need_is_at_the_top(name: str) -> None:
    """It can be imported, and is listed."""
    assert name in ims_async.__all__
    assert name in dir(ims_async)
    assert getattr(ims_async, name) is not None


def test_every_name_listed_is_there() -> None:
    """And sorted, and once."""
    assert sorted(set(ims_async.__all__), key=str) == sorted(ims_async.__all__)
    for name in ims_async.__all__:
        assert getattr(ims_async, name) is not None
    with pytest.raises(AttributeError, match="Actoin"):
        getattr(ims_async, "Actoin")  # noqa: B009 # mypy would find it


@pytest.mark.parametrize(
    ("program", "absent"),
    [
        ("import ims_async", {"aiohttp", "attrs", "ims_async.client", "ims_async.errors", "sqlite3"}),
        ("import ims_async; dir(ims_async)", {"sqlite3", "ims_async.bulk", "ims_async.simulator.simulator"}),
        ("from ims_async import ImsClient, Journal, MemoryJournal", {"sqlite3", "ims_async.bulk"}),
        ("from ims_async import SqliteJournal", {"ims_async.bulk"}),
        (
            "from ims_async import ImsClient, Sandbox; ImsClient(Sandbox('key', 'secret'))",
            {
                "aiohttp",
                "backoff",
                "cattrs",
                "email",
                "html",
                "ims_async.bulk",
                "ims_async.decide",
                "ims_async.gsp.codec.rows",
                "ims_async.gsp.vayana.gsp",
                "ims_async.model.converters",
                "ims_async.model.gstr2b",
                "ims_async.model.sales",
                "ims_async.net.credential_file",
                "ims_async.rules.finding",
                "ims_async.rules.catalogue",
                "ims_async.tables",
                "secrets",
                "sqlite3",
                "urllib.request",
            },
        ),
    ],
)
def test_nothing_is_imported_before_it_is_needed(program: str, absent: set[str]) -> None:
    """A database, bulk runs, and for the bare package anything at all."""
    assert [name for name in absent if find_spec(name) is None] == []
    script = f"import sys\nbefore = set(sys.modules)\n{program}\nprint(*set(sys.modules) - before)"
    assert absent & set(_run(script).split()) == set()


def test_no_pattern_is_compiled_before_it_is_needed() -> None:
    """Nor is one for the bare client."""
    script = """
        import re, sys
        ours, original = [], re.compile
        def compile(*pattern):
            ours.append(sys._getframe(1).f_globals["__name__"].startswith("ims_async."))
            return original(*pattern)
        re.compile = compile
        from ims_async import ImsClient, Sandbox
        print(sum(ours))
        from ims_async.model.vocabulary import period_problem
        assert not period_problem("102026")
        print(sum(ours))
    """
    assert _run(textwrap.dedent(script)).split() == ["0", "1"]


def _run(script: str) -> str:
    """Run a program in a fresh process; return what it prints."""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return ran.stdout


@pytest.mark.parametrize(
    "package", [codec, decide, journal, rules, tables], ids=lambda package: package.__name__
)
def test_the_names_of_packages_are_imported_when_asked_for(package: Any) -> None:
    """Each that is listed, from the module that has it, and no other. None is hidden by a module."""
    assert package.__all__
    for module in pkgutil.iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")
    assert not [name for name in package.__all__ if isinstance(getattr(package, name), types.ModuleType)]
    for name in package.__all__:
        found = getattr(package, name)
        assert getattr(package, name) is found
        where = getattr(found, "__module__", package.__name__)  # that of a constant is not known
        assert vars(sys.modules[where]).get(name, found) is found
    with pytest.raises(AttributeError, match="misspelt"):
        package.misspelt  # noqa: B018 # being asked for is what fails
