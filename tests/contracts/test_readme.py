"""What the README shows is what works."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

import ims_async
from ims_async import ImsClient, ImsError, OutcomeUnknown
from ims_async.journal import SqliteJournal
from ims_async.simulator import Fault, Simulator

from ..conftest import QUICK, make_gsp

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_is_python_and_imports_what_there_is(program: str) -> None:
    """A name that was renamed shows here."""
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.ImportFrom) and node.module == "ims_async":
            assert [alias.name for alias in node.names if not hasattr(ims_async, alias.name)] == []


@pytest.mark.ims_simulator(seed=3, taxpayers=1, invoices=50)
@pytest.mark.parametrize("name", ["test_our_monthly_run", "test_a_lost_answer"])
async def test_the_tests_in_the_readme_pass(name: str, ims_simulator: Simulator) -> None:
    """As a user would paste them."""
    (program,) = (program for program in PROGRAMS if name in program)
    names: dict[str, Any] = {}
    exec(compile(program, "README.md", "exec"), names)  # noqa: S102 # our own text
    await names[name](ims_simulator)


@pytest.mark.both_gsps
@pytest.mark.sim(job_seconds=0.0, download_seconds=0.0)
async def test_what_the_last_run_left_is_finished_as_the_readme_shows(
    sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job runs on, and the answer to another change is lost; then the process is gone."""
    monkeypatch.chdir(tmp_path)
    gsp, tokens = make_gsp(sim), {gstin: sim.token(gstin) for gstin in sim.gstins}

    def make(*arguments: Any, **facts: Any) -> ImsClient:
        client = ImsClient(*arguments, **facts, transport=sim.transport, clock=sim.now, poll=QUICK)
        for gstin, token in tokens.items():
            client.taxpayer(gstin, token=token)
        return client

    left = make(gsp, journal=SqliteJournal("ims.db"))
    running, lost = (left.taxpayer(gstin) for gstin in sim.gstins)
    await running.save([row.accept() for row in await running.invoices("b2b", "N")])
    sim.script_fault("save", Fault.drop_before())
    with pytest.raises(OutcomeUnknown):
        await lost.save([row.reject() for row in await lost.invoices("b2b", "N")])
    sim.advance(3600)

    (program,) = (program for program in PROGRAMS if "bulk.recover" in program)
    body = "\n".join(f"    {line}" for line in program.splitlines())
    names: dict[str, Any] = {"gsp": gsp}
    monkeypatch.setattr(ims_async, "ImsClient", make)
    exec(compile(f"async def finish():\n{body}", "README.md", "exec"), names)  # noqa: S102 # our own text
    await names["finish"]()
    assert {record.action for record in sim.records(running.gstin, "b2b")} >= {"A"}
    assert not [row for gstin in sim.gstins for row in sim.records(gstin, "b2b") if row.action == "N"]
    assert sim.count("save") == 3  # the lost one was sent again once, after a look
    await left.aclose()


def test_the_program_for_many_taxpayers_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it stands there, but for the time that jobs take."""
    (program,) = (program for program in PROGRAMS if "bulk.pull_all" in program)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    at_once = {"job_seconds": 0.0}
    monkeypatch.setattr("ims_async.simulator.Simulator", lambda **facts: Simulator(**{**facts, **at_once}))
    monkeypatch.setattr(ims_async, "PollPolicy", lambda **_: QUICK)
    exec(compile(program, "README.md", "exec"), {})  # noqa: S102 # our own text
    report = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(r"run \S+: ([0-9,]+) decisions of 20 taxpayers: \1 applied", report)
    assert (tmp_path / "ims-async" / "journal.db").exists()


def test_all_tests_in_the_readme_are_run() -> None:
    """None is forgotten above."""
    assert len([program for program in PROGRAMS if "async def test_" in program]) == 2


def test_every_error_that_the_readme_names_exists() -> None:
    """In the table of what to do."""
    table = README.partition("## When something goes wrong")[2].partition("\n## ")[0]
    named = {
        name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"\w+", row)
    }
    assert named
    assert all(issubclass(getattr(ims_async, name), ImsError) for name in named)
