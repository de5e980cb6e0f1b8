"""What docs/gstr2b.md shows of the shell, and of the example, is what they print."""

from __future__ import annotations

import datetime as dt
import functools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from ims_async.cli.commands import jobs
from ims_async.rules import india_date
from ims_async.simulator import Simulator

from ..support.documents import DOCUMENTS
from .cli_shell import QUICK, Shell, fill_in, opened
from .test_accountants_month import example

DOCUMENT = DOCUMENTS["docs/gstr2b.md"]
DAY = "16-02-2025"
"""The day on which the document was recorded, so to speak."""


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    """A shell of three taxpayers, in the month after January 2025."""
    with opened(tmp_path, monkeypatch, capsys, taxpayers=3, invoices=80) as found:
        monkeypatch.setattr(jobs, "last_drafted", lambda _: "012025")
        monkeypatch.setenv("COLUMNS", "120")
        found.log_in_all()
        found.file_earlier(*found.sim.gstins)
        yield found


def recorded(text: str) -> list[tuple[str, str]]:
    """The commands in the blocks of a document, each with what it printed."""
    found: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output.strip("\n")))
    return found


def printed(shell: Shell, command: str) -> str:
    """Give a command, and return what it prints, on the day of the document."""
    program, *words = shlex.split(command)
    assert program == "ims-async"
    quick = QUICK if words[0] == "push" or words[1] == "regenerate" else ()
    ended = shell.run(*words, *quick)
    assert ended.code == 0, ended.err
    today = f"{india_date(dt.datetime.now(dt.UTC)):%d-%m-%Y}"
    lines = (line.rstrip() for line in ended.out.replace(today, DAY).splitlines())
    return "\n".join(lines).strip("\n")


def decided(shell: Shell) -> None:
    """Make what the document begins with: a list of clients, and two folders that were decided."""
    (shell.here / "clients.txt").write_text("\n".join(shell.sim.gstins))
    for name, section in (("january", "b2bdn"), ("late", "ecom")):
        for file in sorted(shell.pulled_all(f"{name}/").iterdir()):
            fill_in(file, functools.partial(_reject, section))


def _reject(section: str, row: dict[str, str]) -> str:
    return "R" if row["section"] == section and row["action when pulled"] == "N" else ""


def test_the_document_shows_what_the_commands_print(shell: Shell) -> None:
    """All of them, in order; a later one sees what an earlier one did."""
    decided(shell)
    found = [(command, printed(shell, command)) for command, _ in recorded(DOCUMENT)]
    assert found == recorded(DOCUMENT)
    assert {command.split()[1] for command, _ in found} == {"gstr2b", "push"}


async def test_the_document_shows_the_story_of_the_example(capsys: pytest.CaptureFixture[str]) -> None:
    """Line by line; and the portal's truth is what it ends with."""
    month_end = example("month_end")
    sim: Simulator = month_end.simulator()
    await month_end.month(sim)
    told = capsys.readouterr().out.strip()
    assert f"```text\n{told}\n```" in DOCUMENT
    assert [one.refused for one in sim.returns.regenerations] == ["", "IMS2B007"]
    assert sim.returns.overlaps == []
    left = [one for one in sim.records(sim.gstins[0]) if one.period == month_end.PERIOD]
    assert f"{len(left)} records of {month_end.PERIOD} are left in IMS" in told
    assert all(one.action == "P" or not one.filed for one in left)
