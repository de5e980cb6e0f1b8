"""The list of commands: what it shows of each, without importing any."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec

import pytest

from ims_async.cli.app import COMMANDS, Listed

from ..support.documents import ROOT
from .cli_shell import Shell

_COMMANDS = ("ims_async.cli.commands", "ims_async.cli.demo")
_ABSENT = (
    "aiohttp",
    "asyncio",
    "attrs",
    "cattrs",
    "rich",
    "sqlite3",
    "ims_async.client",
    "ims_async.tables",
)


@pytest.mark.parametrize(("path", "listed"), COMMANDS.items(), ids=COMMANDS)
def test_each_is_listed_with_the_beginning_of_its_docstring(path: str, listed: Listed) -> None:
    """The list is written by hand, so that it can be shown without the command."""
    module, _, function = listed.place.partition(":")
    work = getattr(import_module(f"ims_async.cli.{module}"), function)
    first, _, _ = (inspect.getdoc(work) or "").partition("\n\n")
    assert " ".join(first.split()) == listed.summary, path


def test_every_command_of_a_module_is_listed() -> None:
    """Or it could not be invoked."""
    places = {listed.place for listed in COMMANDS.values()}
    for module in {place.partition(":")[0] for place in places}:
        found = import_module(f"ims_async.cli.{module}")
        made = {
            name
            for name, work in vars(found).items()
            if hasattr(work, "__signature__") and work.__module__ == found.__name__
        }
        assert made
        assert {f"{module}:{name}" for name in made} <= places


@pytest.mark.parametrize("path", COMMANDS)
def test_each_has_its_own_help(path: str, shell: Shell) -> None:
    """With its example, which names it."""
    ended = shell.run(*path.split(), "--help")
    said = " ".join(ended.out.split())
    assert ended.code == 0
    assert said.startswith(f"Usage: ims-async {path} [OPTIONS]")
    assert f"Example: ims-async {path}" in said
    assert "--json" in said


@pytest.mark.parametrize("words", ["--help", "--version", "", "gstr2b --help", "pul"])
def test_a_list_is_shown_without_importing_a_command(words: str) -> None:
    """Nor what commands need: those who ask for the list, or mistype a command, wait for nothing else."""
    assert [name for name in (*_COMMANDS, *_ABSENT) if find_spec(name) is None] == []
    loaded = _loaded(words)
    assert "ims_async.cli.app" in loaded
    assert [name for name in loaded if name in _ABSENT or name.startswith(_COMMANDS)] == []


def test_a_command_is_invoked_without_importing_the_others() -> None:
    """Except for those that it is made of."""
    loaded = _loaded("counts --help")
    assert [name for name in loaded if name.startswith(_COMMANDS)] == [
        "ims_async.cli.commands",
        "ims_async.cli.commands.reads",
    ]


def _loaded(words: str) -> list[str]:
    """Return what the command imports, in a fresh process."""
    script = (
        "import sys\n"
        "before = set(sys.modules)\n"
        f"sys.argv = ['ims-async', *{words.split()!r}]\n"
        "from ims_async.__main__ import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    sys.stdout = sys.__stderr__\n"
        "    print('loaded:', *sorted(set(sys.modules) - before))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT
    )
    *_, last = (line for line in ran.stderr.splitlines() if line.startswith("loaded: "))
    return last.split()[1:]
