"""The command line as the tests run it: through `main`, against a simulator on a socket of its own thread."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import re
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from ims_async.__main__ import main
from ims_async.cli.app import COMMANDS, parser
from ims_async.cli.output.console import Console
from ims_async.simulator import Simulator

from ..conftest import HANGS

ACCOUNTS: dict[str, dict[str, str]] = {
    "sandbox": {"IMS_API_KEY": "key_test_demo", "IMS_API_SECRET": "planted_api_secret"},
    "vayana": {
        "IMS_GSP": "vayana",
        "IMS_ORG_ID": "org-demo",
        "IMS_HANDLE": "demo@example.com",
        "IMS_PASSWORD": "planted_password",
    },
}
QUICK = ("--first-poll", "0")


_NAMES = [name for name in COMMANDS if " " not in name]
_COMMAND = re.compile(
    rf"`(ims-async [^`]*)`|(?<!Usage: )(?<![`'])(ims-async (?:{'|'.join(_NAMES)}|gstr2b|jobs|policy)\b.*)$",
    re.MULTILINE,
)


def commands_in(said: str) -> list[list[str]]:
    """Every command that a message names: between backticks, or to the end of its line."""
    return [shlex.split(quoted or plain)[1:] for quoted, plain in _COMMAND.findall(said)]


def check_command(words: Sequence[str]) -> None:
    """Let the app's own parser read a command; raises what it holds against it. Nothing is carried out."""
    command: Any = parser()
    context = command.make_context("ims-async", list(words))
    while hasattr(command, "resolve_command"):
        first = "_protected_args" if hasattr(context, "_protected_args") else "protected_args"  # before 8.2
        words = [*getattr(context, first), *context.args]
        name, command, rest = command.resolve_command(context, words)
        context = command.make_context(name, rest, parent=context)


@attrs.frozen
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        """The one document on stdout."""
        found: dict[str, Any] = json.loads(self.out)
        return found


@contextmanager
def serving(simulator: Simulator) -> Iterator[Simulator]:
    """Run a simulator's socket in a thread, so that a command's own event loop can talk to it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(simulator.__aenter__(), loop).result(HANGS)
        yield simulator
    finally:
        asyncio.run_coroutine_threadsafe(simulator.__aexit__(None, None, None), loop).result(HANGS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(HANGS)
        loop.close()


@attrs.frozen
class Shell:
    """Commands, the simulator they reach, and the directory they work in."""

    sim: Simulator
    here: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    gsp: str = "sandbox"

    @property
    def account(self) -> dict[str, str]:
        """The account's variables."""
        return ACCOUNTS[self.gsp]

    @property
    def gstin(self) -> str:
        """The taxpayer of IMS_GSTIN."""
        return self.sim.gstins[0]

    def run(self, *arguments: object, stdin: str = "") -> Ended:
        """Run one command to its end."""
        self.capsys.readouterr()
        self.monkeypatch.setattr(sys, "argv", ["ims-async", *map(str, arguments)])
        self.monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as ended:
            main()
        captured = self.capsys.readouterr()
        said = captured.err if "--json" in arguments else captured.err + captured.out
        if "--debug" not in arguments and "--help" not in arguments:
            for words in commands_in(said):
                check_command(words)
        code = ended.value.code
        return Ended(code if isinstance(code, int) else int(code is not None), captured.out, captured.err)

    def run_until(self, sentence: str, *arguments: object) -> Ended:
        """Run one command, and press Ctrl-C as soon as it says this."""
        tell = Console.tell

        def tell_and_stop(console: Console, said: str) -> None:
            tell(console, said)
            if sentence in said:
                signal.raise_signal(signal.SIGINT)

        with self.monkeypatch.context() as patched:
            patched.setattr(Console, "tell", tell_and_stop)
            return self.run(*arguments)

    def lose_answer(self, file: Path, *options: object) -> Ended:
        """Push a file; the answer is lost, and a person does not wait for the looks that tell."""
        ended = self.run_until("the answer to a change was lost", "push", file, "--yes", *QUICK, *options)
        assert ended.code == 130, ended.err
        return ended

    def with_token(self) -> None:
        """Hand in a token that was had elsewhere, instead of a login."""
        self.monkeypatch.setenv("IMS_TOKEN", self.sim.token(self.gstin))

    def on_another_machine(self) -> None:
        """Go where there is no journal of what was sent."""
        self.monkeypatch.setenv("IMS_JOURNAL", str(self.here / "nothing.db"))

    def pulled(self, name: str = "acme.csv", *options: str) -> Path:
        """Pull into a file."""
        file = self.here / name
        ended = self.run("pull", "--out", file, *QUICK, *options)
        assert ended.code == 0, ended.err
        return file

    def decided(
        self, decide: Callable[[dict[str, str]], str], *options: str, name: str = "acme.csv"
    ) -> tuple[Path, int]:
        """Pull, and let `decide` fill in the column `action`; return the file and how many it decided."""
        file = self.pulled(name, *options)
        return file, fill_in(file, decide)

    def named(self, *but: str) -> list[str]:
        """The options that name every taxpayer but some."""
        return [word for gstin in self.sim.gstins if gstin not in but for word in ("--gstin", gstin)]

    @property
    def recomputed(self) -> list[str]:
        """Whose GSTR-2B the portal was asked to compute anew, in order."""
        return [one.gstin for one in self.sim.returns.regenerations]

    def file_earlier(self, *gstins: str) -> None:
        """File GSTR-3B of each period before January 2025: what was accepted leaves IMS."""
        for gstin in gstins:
            for period in ("102024", "112024", "122024"):
                self.sim.returns.file_gstr3b(gstin, period)

    def log_in_all(self, *but: str) -> None:
        """Log in every taxpayer but some."""
        for person in self.sim.taxpayers:
            if person.gstin not in but:
                name = ("--gstin", person.gstin, "--username", person.username)
                ended = self.run("login", *name, stdin="575757\n")
                assert ended.code == 0, ended.err

    def pulled_all(self, name: str = "all.csv", *options: str) -> Path:
        """Pull every taxpayer into one file, or with a slash behind its name into a folder."""
        ended = self.run("pull", "--out", name, *self.named(), *QUICK, *options)
        assert ended.code == 0, ended.err
        return self.here / name

    def decided_all(self, decide: Callable[[dict[str, str]], str], name: str = "all.csv") -> tuple[Path, int]:
        """Pull every taxpayer into one file, and let `decide` fill in the column `action`."""
        file = self.pulled_all(name)
        return file, fill_in(file, decide)


@contextmanager
def opened(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    gsp: str = "sandbox",
    **options: Any,
) -> Iterator[Shell]:
    """Open a shell with the environment of one taxpayer of a small simulator whose jobs take no time."""
    facts: dict[str, Any] = {"taxpayers": 2, "invoices": 60, "job_seconds": 0, "download_seconds": 0}
    facts |= {"regenerate_seconds": 0, "itc_reduction_required": True}
    facts["api_secret"] = ACCOUNTS["sandbox"]["IMS_API_SECRET"]
    facts["password"] = ACCOUNTS["vayana"]["IMS_PASSWORD"]
    simulator = Simulator(**{**facts, **options})
    for name in [name for name in os.environ if name.startswith("IMS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(here))
    monkeypatch.setenv("XDG_STATE_HOME", str(here / "state"))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.chdir(here)
    with serving(simulator):
        for name, value in {
            **ACCOUNTS[gsp],
            "IMS_GSTIN": simulator.gstins[0],
            "IMS_BASE_URL": simulator.url,
        }.items():
            monkeypatch.setenv(name, value)
        yield Shell(simulator, here, monkeypatch, capsys, gsp)


def shell_of(gsp: str | None = None, **options: Any) -> Any:
    """Return a fixture: a shell of such a simulator, with sessions; at the test's own GSP, or at this one."""

    @pytest.fixture
    def shell(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gsp_name: str
    ) -> Iterator[Shell]:
        """A shell, each of whose taxpayers has a session."""
        with opened(tmp_path, monkeypatch, capsys, gsp or gsp_name, **options) as found:
            found.log_in_all()
            yield found

    return shell


def read_rows(file: Path) -> list[dict[str, str]]:
    """Return a file's rows by column."""
    return list(csv.DictReader(io.StringIO(file.read_bytes().decode("utf-8-sig"), newline="")))


def write_rows(file: Path, rows: Sequence[dict[str, str]]) -> None:
    """Write a file of rows, which all have the same columns."""
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def fill_in(file: Path, decide: Callable[[dict[str, str]], str]) -> int:
    """Let `decide` fill in the column `action` of a file; return how many rows it decided."""
    rows = read_rows(file)
    for row in rows:
        row["action"] = decide(row)
    write_rows(file, rows)
    return sum(bool(row["action"]) for row in rows)


def accept(row: dict[str, str]) -> str:
    """Accept what nobody has acted on, but for credit notes, which need more words."""
    return "A" if row["action when pulled"] == "N" and row["section"] != "b2bcn" else ""


def reject(row: dict[str, str]) -> str:
    """Reject what is not rejected yet."""
    return "R" if row["action when pulled"] != "R" else ""
