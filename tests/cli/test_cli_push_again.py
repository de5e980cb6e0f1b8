"""The same files pushed or reset again, without the run's name, before what was sent before has ended."""

from __future__ import annotations

import dataclasses
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

from ims_async import Invoice
from ims_async.bulk.from_files import Matcher
from ims_async.cli.inputs import environment
from ims_async.cli.output.console import Console
from ims_async.simulator import Fault
from ims_async.tables import Row
from tests.cli.cli_shell import QUICK, Ended, Shell, accept, opened, read_rows, write_rows
from tests.cli.test_cli_going_on import command_in, start, until
from tests.cli.test_cli_jobs_journal import some_time_ago

from ..conftest import HANGS

SLOW = 3600.0  # seconds of the simulator's clock
WAITED_FOR = "1 job with 12 records of before has not ended: it is waited for, and the files are compared"
STANDS = "There is nothing to send: 12 rows stand already as decided."


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    """A shell of two taxpayers, whose first job takes an hour, and all others no time."""
    seconds = iter([SLOW])
    facts: dict[str, Any] = {"invoices": 12, "sections": ["b2b"], "job_seconds": lambda _: next(seconds, 0.0)}
    with opened(tmp_path, monkeypatch, capsys, **facts) as found:
        found.log_in_all()
        yield found


@pytest.fixture
def file(shell: Shell) -> Path:
    """Twelve decisions of one taxpayer."""
    return shell.decided(accept)[0]


def broken_off(shell: Shell, command: str, file: Path) -> None:
    """Stop a command while its job runs."""
    ended = shell.run_until("Submitted as job", command, file, "--yes", "--first-poll", 1)
    assert ended.code == 130, ended.err


def again(shell: Shell, command: str, *arguments: object) -> Ended:
    """Run a command; each job ends once it is said that it is waited for."""
    tell = Console.tell

    def tell_and_end(console: Console, said: str) -> None:
        tell(console, said)
        if "waited for" in said or "Submitted as job" in said:
            shell.sim.advance(SLOW)

    with shell.monkeypatch.context() as patched:
        patched.setattr(Console, "tell", tell_and_end)
        return shell.run(command, *arguments, *QUICK, "--report", "outcome.csv", "--overwrite")


def change(file: Path, **cells: str) -> None:
    """Decide otherwise on the first record of a file."""
    first, *rest = read_rows(file)
    write_rows(file, [first | cells, *rest])


def actions(shell: Shell) -> Counter[str]:
    """Count the taxpayer's records by action."""
    return Counter(record.action for record in shell.sim.records(shell.gstin))


def accept_elsewhere(shell: Shell, file: Path, remarks: str) -> None:
    """Accept the first record of a file as a colleague at the portal."""
    row = read_rows(file)[0]
    record = shell.sim.record(
        *(row[name] for name in ("GSTIN", "section", "supplier", "number", "return period"))
    )
    shell.sim._world._put(shell.gstin, dataclasses.replace(record, action="A", remarks=remarks))


def show_remarks(shell: Shell) -> None:
    """Let the gateway show the remarks that records have, which it need not."""
    pull = Matcher._pull

    async def pull_with_remarks(matcher: Matcher, gstin: str, rows: Sequence[Row]) -> list[Invoice]:
        shown: dict[str | None, str | None] = {one.hash: one.remarks for one in shell.sim.records(gstin)}
        return [attrs.evolve(one, remarks=shown[one.hash]) for one in await pull(matcher, gstin, rows)]

    shell.monkeypatch.setattr(Matcher, "_pull", pull_with_remarks)


def check_that_the_first_is_refused(shell: Shell, file: Path, ended: Ended) -> None:
    """Check that nothing was sent after the first job, and that it is said why."""
    row = read_rows(file)[0]
    what = "its action at the gateway was N when pulled and is A now"
    assert f"{row['number']} from {row['supplier']}: {what}" in ended.err
    assert (ended.code, len(shell.sim.jobs), actions(shell)) == (2, 1, {"A": 12})


def outcomes() -> Counter[str]:
    """Count the lines of the report."""
    return Counter(row["outcome"] for row in read_rows(Path("outcome.csv")))


@pytest.mark.parametrize("command", ["push", "reset"])
def test_the_same_file_again_sends_nothing_twice(shell: Shell, file: Path, command: str) -> None:
    """What the job of before did counts: GSTN refused all of a second push as stale."""
    broken_off(shell, command, file)
    saves = len(shell.sim.jobs)
    ended = again(shell, command, file, "--yes")
    assert ended.code == 0, ended.err
    assert WAITED_FOR in ended.err
    assert (STANDS in ended.out, len(shell.sim.jobs)) == (True, saves)
    assert actions(shell) == {"A" if command == "push" else "N": 12}
    assert outcomes() == {"unchanged": 12}
    assert shell.run("jobs", "list", "--json").json()["jobs"] == []


@pytest.mark.parametrize(
    ("cells", "stands"),
    [
        ({"action": "R", "remarks": "not ours"}, {"A": 11, "R": 1}),
        ({"remarks": "looked at"}, {"A": 12}),
        ({"action": "P"}, {"A": 11, "P": 1}),
    ],
    ids=["another action", "other remarks", "pending"],
)
def test_a_row_that_was_decided_otherwise_meanwhile_is_sent(
    shell: Shell, file: Path, cells: dict[str, str], stands: dict[str, int]
) -> None:
    """It alone, for the record as the job of before has left it."""
    broken_off(shell, "push", file)
    change(file, **cells)
    ended = again(shell, "push", file, "--yes")
    assert ended.code == 0, ended.err
    assert [job.records for job in shell.sim.jobs] == [12, 1]
    assert (actions(shell), outcomes()) == (stands, {"unchanged": 11, "applied": 1})
    remarks = [record.remarks for record in shell.sim.records(shell.gstin) if record.remarks]
    assert remarks == [cells[name] for name in ("remarks",) if name in cells]


def test_a_row_that_was_decided_only_since_is_sent(shell: Shell, file: Path) -> None:
    """The job of before did not have it."""
    change(file, action="")
    broken_off(shell, "push", file)
    change(file, action="A")
    ended = again(shell, "push", file, "--yes")
    assert ended.code == 0, ended.err
    assert [job.records for job in shell.sim.jobs] == [11, 1]
    assert (actions(shell), outcomes()) == ({"A": 12}, {"unchanged": 11, "applied": 1})


@pytest.mark.parametrize(("first", "then", "action"), [("push", "reset", "N"), ("reset", "push", "A")])
def test_what_takes_back_the_job_of_before_is_sent_after_it(
    shell: Shell, file: Path, first: str, then: str, action: str
) -> None:
    """Of a reset behind a push all is sent, and the other way round."""
    broken_off(shell, first, file)
    ended = again(shell, then, file, "--yes")
    assert ended.code == 0, ended.err
    assert [job.records for job in shell.sim.jobs] == [12, 12]
    assert (actions(shell), outcomes()) == ({action: 12}, {"applied": 12})


def test_a_record_that_its_supplier_edited_meanwhile_is_refused_by_name(shell: Shell, file: Path) -> None:
    """Also if the job of before has decided on it: it is another record by now."""
    broken_off(shell, "push", file)
    row = read_rows(file)[0]
    shell.sim.advance(SLOW)
    shell.sim.edit(
        row["GSTIN"], row["section"], row["number"], supplier=row["supplier"], period=row["return period"]
    )
    ended = again(shell, "push", file, "--yes")
    assert ended.code == 2
    assert f"{row['number']} from {row['supplier']}: the supplier has edited it" in ended.err
    assert len(shell.sim.jobs) == 1


@pytest.mark.parametrize(
    "cells", [{"action": "R", "remarks": "not ours"}, {}], ids=["decided otherwise since", "as before"]
)
def test_what_a_colleague_did_and_the_job_was_refused_for_is_refused_by_name(
    shell: Shell, file: Path, cells: dict[str, str]
) -> None:
    """The job was to set the same action, with other remarks: it is the colleague's all the same."""
    change(file, remarks="mine")
    broken_off(shell, "push", file)
    accept_elsewhere(shell, file, "by a colleague")
    change(file, **cells)
    ended = again(shell, "push", file, "--yes")
    assert "11 applied, 1 refused" in ended.err
    check_that_the_first_is_refused(shell, file, ended)


@pytest.mark.parametrize("remarks", ["mine", "by a colleague"])
@pytest.mark.parametrize("action", ["A", "R"])
def test_other_remarks_than_the_job_has_set_are_not_taken_for_its_own(
    shell: Shell, file: Path, remarks: str, action: str
) -> None:
    """Where the gateway shows them: a colleague has set them after the job."""
    show_remarks(shell)
    change(file, remarks="mine")
    broken_off(shell, "push", file)
    shell.sim.advance(SLOW)
    assert actions(shell) == {"A": 12}
    accept_elsewhere(shell, file, remarks)
    change(file, action=action)
    ended = again(shell, "push", file, "--yes")
    if remarks != "mine":
        check_that_the_first_is_refused(shell, file, ended)
    elif action == "A":
        assert (ended.code, outcomes()) == (0, {"unchanged": 12})
    else:
        assert (ended.code, outcomes()) == (0, {"unchanged": 11, "applied": 1})


@pytest.mark.parametrize("status", [{"status_cd": "PE"}, {"status_cd": "ER"}], ids=["unaccounted", "refused"])
def test_what_the_job_of_before_is_not_known_to_have_applied_is_compared_as_ever(
    shell: Shell, file: Path, status: dict[str, str]
) -> None:
    """What stands as decided stands, and a row that decides otherwise is refused."""
    broken_off(shell, "push", file)
    shell.sim.advance(SLOW)
    shell.sim.script_status(shell.sim.jobs[0].reference, status)
    change(file, action="R")
    check_that_the_first_is_refused(shell, file, again(shell, "push", file, "--yes"))
    change(file, action="A")
    ended = again(shell, "push", file, "--yes")
    assert (ended.code, STANDS in ended.out, len(shell.sim.jobs)) == (0, True, 1)


def test_the_question_is_about_what_is_still_to_be_sent(shell: Shell, file: Path) -> None:
    """It comes after the wait."""
    broken_off(shell, "push", file)
    change(file, action="R")
    asked: list[str] = []

    def confirm(question: str, *, err: bool) -> bool:
        asked.append(question)
        return False

    shell.monkeypatch.setattr(environment, "at_terminal", lambda: True)
    shell.monkeypatch.setattr("typer.confirm", confirm)
    ended = again(shell, "push", file)
    assert (ended.code, len(shell.sim.jobs)) == (1, 1)
    (question,) = asked
    assert "Send this 1 decision for" in question


def test_the_wait_can_be_broken_off_and_gone_on_with(shell: Shell, file: Path) -> None:
    """The same command again, as it says."""
    broken_off(shell, "push", file)
    polls = shell.sim.count("status")
    process = start("push", file, "--yes", *QUICK)
    until(lambda: shell.sim.count("status") > polls)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=HANGS)
    assert process.returncode == 130
    assert "1 job with 12 records runs on at the gateway." in said
    assert command_in(said) == ["push", str(file), "--yes", *QUICK]
    ended = again(shell, "push", file, "--yes")
    assert (ended.code, STANDS in ended.out, len(shell.sim.jobs)) == (0, True, 1)


def test_a_job_of_before_that_is_not_heard_of_stops_its_taxpayer_only(shell: Shell) -> None:
    """The other is sent; nothing is sent behind a job of which it is not known what became."""
    file, _ = shell.decided_all(accept)
    sick, well = shell.sim.gstins
    write_rows(Path("sick.csv"), [row for row in read_rows(file) if row["GSTIN"] == sick])
    broken_off(shell, "push", Path("sick.csv"))
    shell.sim.script_fault("status", *Fault.burst(2), gstin=sick)
    ended = shell.run("push", file, "--yes", *QUICK, "--json", "--max-outage", 0.1)
    parts = ended.json()["taxpayers"]
    assert ended.code == 1
    assert (parts[sick]["not_sent_count"], parts[well]["ok"]) == (12, True)
    assert "12 rows; pulling 1 section to see" in ended.err
    host = shell.sim.url.partition("//")[2]
    told = f"nothing was sent, a job of before is in the way: no answer from {host} for 0 s (503: "
    assert parts[sick]["reason"].startswith(told)
    ended = again(shell, "push", file, "--yes")
    assert (ended.code, actions(shell)) == (0, {"A": 12})
    assert len(shell.sim.jobs) == 2


def test_of_one_taxpayer_it_is_the_error_and_the_command_that_goes_on_is_named(
    shell: Shell, file: Path
) -> None:
    """No question is asked, and the file is not compared."""
    broken_off(shell, "push", file)
    shell.sim.script_fault("status", *Fault.burst(2))
    ended = shell.run("push", file, "--yes", *QUICK, "--max-outage", 0.1)
    assert ended.code == 1
    assert "Error: nothing was sent, a job of before is in the way: no answer from " in ended.err
    assert "1 job with 12 records runs on at the gateway." in ended.err
    assert "pulling" not in ended.err
    assert f"  ims-async push {file} --yes --first-poll 0 --max-outage 0.1\n" in ended.err
    assert len(shell.sim.jobs) == 1


@pytest.mark.parametrize("effect", [True, False], ids=["took effect", "had none"])
def test_an_answer_that_was_lost_is_settled_first(shell: Shell, file: Path, effect: bool) -> None:
    """By looking; what had no effect is still to be sent."""
    shell.sim.script_answer("save", 502, b"", after=effect)
    shell.lose_answer(file)
    shell.sim.advance(SLOW)
    some_time_ago(shell)
    ended = again(shell, "push", file, "--yes")
    assert ended.code == 0, ended.err
    assert WAITED_FOR in ended.err
    assert (actions(shell), len(shell.sim.jobs)) == ({"A": 12}, 1)
    assert outcomes() == {"unchanged" if effect else "applied": 12}


def test_a_run_that_is_gone_on_with_sees_to_its_own_jobs(shell: Shell, file: Path) -> None:
    """With --run nothing is waited for beforehand, and the run accounts for all of it."""
    ended = shell.run_until("Submitted as job", "push", file, "--yes", "--run", "november", "--first-poll", 1)
    assert ended.code == 130
    shell.sim.advance(SLOW)
    ended = shell.run("push", file, "--yes", "--run", "november", *QUICK, "--json")
    assert (ended.code, ended.json()["applied"], len(shell.sim.jobs)) == (0, 12, 1)
    assert "waited for" not in ended.err


@pytest.mark.parametrize("decided", ["A", "R"])
def test_what_is_pushed_elsewhere_while_a_question_is_open_is_not_sent_again(
    shell: Shell, file: Path, decided: str
) -> None:
    """Two terminals: what the other has applied is done, and what it decided otherwise is for a person."""
    theirs = file.with_name("theirs.csv")
    theirs.write_bytes(file.read_bytes())
    change(theirs, action=decided)
    asked = "ims_async.cli.commands.change.confirmed"

    def answer_late(question: str, *, yes: bool) -> bool:
        with shell.monkeypatch.context() as patched:
            patched.setattr(asked, lambda *_, **__: True)
            ended = again(shell, "push", theirs, "--yes")
        assert ended.code == 0, ended.err
        return True

    with shell.monkeypatch.context() as patched:
        patched.setattr(asked, answer_late)
        ended = shell.run("push", file, *QUICK, "--json")
    assert len(shell.sim.jobs) == 1
    assert actions(shell) == dict(Counter([decided, *["A"] * 11]))
    facts = ended.json()
    changed = int(decided == "R")
    assert (ended.code, facts["applied"], facts["changed_count"]) == (changed, 12 - changed, changed)
