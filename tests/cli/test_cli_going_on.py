"""A run that is broken off, by Ctrl-C or by force, and gone on with: each decision is applied just once."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ims_async.simulator import Fault
from tests.cli.cli_shell import Shell, accept, opened, read_rows

from ..conftest import HANGS

SLOW = 3600.0  # seconds of the simulator's clock


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    """A shell of four taxpayers, of whose jobs the first two take an hour, and the others no time."""
    seconds = iter([SLOW, SLOW])
    facts: dict[str, Any] = {"taxpayers": 4, "invoices": 12, "job_seconds": lambda _: next(seconds, 0.0)}
    with opened(tmp_path, monkeypatch, capsys, **facts) as found:
        found.log_in_all()
        yield found


def start(*arguments: object) -> subprocess.Popen[str]:
    """Run a command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "ims_async", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ,
        text=True,
    )


def until(condition: Callable[[], bool]) -> None:
    """Wait for something in the simulator."""
    ends_at = time.monotonic() + HANGS
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def command_in(said: str) -> list[str]:
    """Return the last command that was printed, as a shell reads it, without its first word."""
    (*_, line) = (line for line in said.splitlines() if line.startswith("  ims-async "))
    return shlex.split(line)[1:]


def applied(shell: Shell) -> Counter[str]:
    """Count the effects by GSTIN; no record has two."""
    records = [(e.gstin, e.section, e.supplier, e.number, e.period) for e in shell.sim.effects]
    assert max(Counter(records).values(), default=1) == 1
    return Counter(gstin for gstin, *_ in records)


def decided_by(file: Path) -> Counter[str]:
    """Count a file's decisions by GSTIN."""
    return Counter(row["GSTIN"] for row in read_rows(file) if row["action"])


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_broken_off_goes_on_with_the_printed_command(
    shell: Shell, stop: signal.Signals
) -> None:
    """Two jobs run, two taxpayers were not begun with: each decision is applied once in the end."""
    file, decided = shell.decided_all(accept, "it's all.csv")
    options = ("--yes", "--concurrency", 2, "--first-poll", 1, "--report", "outcome.csv")
    process = start("push", file, *options)
    until(lambda: shell.sim.count("status") >= 2)
    asked = len(shell.sim.requests)
    process.send_signal(stop)
    _, said = process.communicate(timeout=HANGS)
    assert "Traceback" not in said
    if stop is signal.SIGINT:
        assert process.returncode == 130
        assert len(shell.sim.requests) - asked <= 2, "it polls on"  # what was under way of two jobs
        sent = sum(job.records for job in shell.sim.jobs)
        assert f"It is known what became of 0 of {decided} decisions." in said
        assert f"2 jobs with {sent} records run on at the gateway. The rest was not sent." in said
        assert "Stopped run 20" in said
    command = command_in(said)
    assert command[0] == "push"
    assert command[3:] == [str(word) for word in (file, *options)]
    shell.sim.advance(SLOW)
    ended = shell.run(*command, "--json")
    assert ended.code == 0, ended.err
    assert applied(shell) == decided_by(file)
    assert (ended.json()["applied"], ended.json()["ok"]) == (decided, True)
    assert len(shell.sim.jobs) == 4
    assert Counter(row["GSTIN"] for row in read_rows(Path("outcome.csv"))) == decided_by(file)


def test_what_a_stopped_run_has_not_sent_is_not_said_to_be_known(shell: Shell) -> None:
    """Stop while the first of a taxpayer's jobs runs: the others of it were never sent."""
    file, decided = shell.decided_all(accept, "all.csv")
    process = start("push", file, "--yes", "--concurrency", 1, "--max-records", 2, "--first-poll", 1)
    until(lambda: shell.sim.count("status") >= 1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=HANGS)
    assert f"It is known what became of 0 of {decided} decisions. 1 job with 2 records runs on" in said
    assert "The rest was not sent." in said


def test_a_change_that_is_on_its_way_is_heard_before_the_process_ends(shell: Shell) -> None:
    """Stop while the answers to two saves are late: their jobs are known all the same."""
    file, _ = shell.decided_all(accept)
    shell.sim.script_fault("save", Fault.delay(2.0), Fault.delay(2.0))
    process = start("push", file, "--yes", "--concurrency", 2, "--first-poll", 1)
    until(lambda: shell.sim.count("save") >= 2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=HANGS)
    assert process.returncode == 130, said
    assert "2 jobs with" in said
    assert "it is not known" not in said
    shell.sim.advance(SLOW)
    assert shell.run(*command_in(said)).code == 0
    assert applied(shell) == decided_by(file)


def test_the_jobs_of_a_stopped_run_are_listed_and_looked_after(shell: Shell) -> None:
    """`jobs list` needs no network, `jobs resume` sends nothing; what was not sent stays unsent."""
    file, _ = shell.decided_all(accept)
    process = start(
        "push", file, "--yes", "--concurrency", 2, "--first-poll", 1, "--run", "november", "--json"
    )
    until(lambda: shell.sim.count("status") >= 2)
    process.send_signal(signal.SIGINT)
    told, said = process.communicate(timeout=HANGS)
    document = json.loads(told)
    assert (document["run"], len(document["jobs"])) == ("november", 2)
    assert shlex.split(document["go_on_with"])[1:] == command_in(said)
    before = len(shell.sim.requests)
    listed = shell.run("jobs", "list", "--json").json()["jobs"]
    assert [(job["run"], job["phase"]) for job in listed] == [("november", "accepted")] * 2
    assert {job["reference_id"] for job in listed} == {job.reference for job in shell.sim.jobs}
    assert len(shell.sim.requests) == before
    shell.sim.advance(SLOW)
    ended = shell.run("jobs", "resume", "november", "--report", "outcome.csv", "--first-poll", 0)
    assert ended.code == 0, ended.err
    sent = Counter({job.gstin: job.records for job in shell.sim.jobs})
    assert applied(shell) == sent
    assert len(sent) == 2
    lines = Counter((row["GSTIN"], row["outcome"]) for row in read_rows(Path("outcome.csv")))
    assert lines == {(gstin, "applied"): count for gstin, count in sent.items()}
    told = f"Everything that run november has sent is applied: {sent.total()} records of 2 taxpayers."
    assert told in ended.out
    assert "not sent yet, this sends them: ims-async push FILES --run november" in ended.out
    assert "Every record" not in ended.out
    assert " that have not ended, or were not sent: none. --all lists" in shell.run("jobs", "list").out
    assert shell.run("jobs", "list", "--json").json()["jobs"] == []
