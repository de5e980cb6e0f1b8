"""The month of docs/accountant.md at small size: from pull to outcome, in the shell and in Python."""

from __future__ import annotations

import csv
import importlib.util
import shlex
import shutil
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks import accountant, spreadsheets
from ims_async import Action
from ims_async.decide import Policy, testing
from ims_async.simulator import Simulator

from ..conftest import QUICK, make_client
from ..support import soffice
from ..support.documents import DOCUMENTS, ROOT
from ..support.sweeps import LONG
from .cli_shell import check_command, read_rows

COMMANDS = ["login", "pull", "match", "check", "push", "jobs", "counts", "followup", "sales", "followup"]


def example(name: str) -> ModuleType:
    """Import one of the programs in examples/."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("xlsx", [False, True] if LONG else [True])
def test_a_month_goes_from_pull_to_outcome(tmp_path: Path, xlsx: bool) -> None:
    """Every record that the policy, or the person in LibreOffice, has decided is applied."""
    lines = accountant.go_through(tmp_path, 2, 60, xlsx=xlsx)
    grids = [spreadsheets.grid_of(file) for file in sorted((tmp_path / "november").iterdir())]
    rows = [dict(zip(grid[0], row, strict=False)) for grid in grids for row in grid[1:]]
    decided = [row for row in rows if row["action"]]
    outcomes = Counter(row["outcome"] for row in read_rows(tmp_path / "outcome.csv"))
    assert outcomes == {"applied": len(decided)}
    by_hand = [row for row in rows if row["match"] in ("probable", "tax head differs")]
    by_hand = [row for row in by_hand if row["action when pulled"] == "N"]
    assert by_hand
    if shutil.which("soffice") is not None:
        assert {row["action"] for row in by_hand} <= {"Accept", "Reject"}
    else:
        assert f"# Nothing is decided by hand: {soffice.MISSING}." in lines
    commands = [line.split()[2] for line in lines if line.startswith("$ ims-async ")]
    assert commands == COMMANDS
    assert not [line for line in lines if str(tmp_path) in line]


def test_of_a_long_output_the_ends_are_kept() -> None:
    """And how much is left out."""
    said = "\n".join(map(str, range(40)))
    assert accountant._ends(said, 10) == [*map(str, range(7)), "… (30 lines more)", "37", "38", "39"]
    assert accountant._ends(said, 40) == said.splitlines()


async def test_the_same_in_python(
    sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What matches is accepted at the gateway, what is left is printed; in less than 25 lines."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    text = (ROOT / "examples" / "month_by_books.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 25
    async with make_client(sim, poll=QUICK) as client:
        waiting = 0
        for gstin in sim.gstins:
            acme = client.taxpayer(gstin, token=sim.token(gstin))
            invoices = [row async for row in acme.all_invoices(Action.NO_ACTION)]
            waiting += len(invoices)
            with (tmp_path / f"{gstin}.csv").open("w", newline="", encoding="utf-8") as out:
                cells = map(accountant.cells_of, testing.booked(invoices).register)
                csv.writer(out).writerows([accountant.HEADINGS, *cells])
        report = await example("month_by_books").month(client, sim.gstins, tmp_path, Policy())
    assert report.ok
    accepted = sum(one.succeeded for one in report)
    left = capsys.readouterr().out.splitlines()
    assert accepted + len(left) == waiting
    assert min(accepted, len(left)) > 0
    assert all(line.split()[0] in sim.gstins for line in left)


def test_the_commands_of_the_document_are_those_of_the_record() -> None:
    """Each can be given as it stands there."""
    shown = [
        shlex.split(line)[2:]
        for line in DOCUMENTS["docs/accountant.md"].splitlines()
        if line.startswith("$ ims-async ")
    ]
    assert [words[0] for words in shown] == COMMANDS
    for words in shown:
        check_command(words)
