"""The commands that change something: what is sent, what is refused before, how each ending is told."""

from __future__ import annotations

import csv
import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ims_async import InvalidInput, JobToken, Sandbox, Vayana, tables
from ims_async.cli.inputs import environment
from ims_async.simulator import Record
from tests.cli.cli_shell import QUICK, Shell, accept, opened, read_rows, write_rows

pytestmark = pytest.mark.both_gsps


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gsp_name: str
) -> Iterator[Shell]:
    """A shell with a session."""
    with opened(tmp_path, monkeypatch, capsys, gsp_name) as found:
        found.with_token()
        yield found


def edit_one(shell: Shell, file: Path) -> dict[str, str]:
    """Let the supplier edit the first decided record of a file; return its row."""
    rows = csv.DictReader(file.read_text("utf-8-sig").splitlines())
    row = next(row for row in rows if row["action"])
    edit(shell, row)
    return row


def edit(shell: Shell, row: dict[str, str]) -> None:
    """Let the supplier edit the record of a row."""
    shell.sim.edit(
        shell.gstin, row["section"], row["number"], supplier=row["supplier"], period=row["return period"]
    )


def actions(shell: Shell) -> list[str]:
    """How the simulator's records stand."""
    return [record.action for record in shell.sim.records(shell.gstin)]


# -- push ----------------------------------------------------------------------------------------------


def test_push_sends_the_decisions_and_accounts_for_each(shell: Shell) -> None:
    """Accept, reject and keep pending in one file."""

    def decide(row: dict[str, str]) -> str:
        if row["action when pulled"] != "N" or row["section"] == "b2bcn":
            return ""
        return "P" if row["section"] == "ecom" and row["pending allowed"] == "yes" else "reject"

    file, decided = shell.decided(decide)
    ended = shell.run("push", file, "--yes", *QUICK, "--report", "outcome.csv")
    assert ended.code == 0, ended.err
    assert "Every record was applied." in ended.out
    assert "decisions for" in ended.out
    (job,) = shell.sim.jobs
    assert (job.records, job.succeeded) == (decided, decided)
    reference = ended.err.split("Submitted as job ")[1].split(". If this terminal is lost, go on with:")[0]
    assert shell.sim.job(reference) is job
    assert f"ims-async jobs show {reference} --wait --gstin {shell.gstin}" in ended.err
    outcomes = [
        row["outcome"] for row in csv.DictReader(Path("outcome.csv").read_text("utf-8-sig").splitlines())
    ]
    assert outcomes == ["applied"] * decided


def test_push_as_json_is_one_document(shell: Shell) -> None:
    """Push for a machine; progress goes to stderr."""
    file, decided = shell.decided(accept)
    ended = shell.run("push", file, "--yes", "--json", *QUICK)
    found = ended.json()
    assert (ended.code, found["ok"], found["state"]) == (0, True, "succeeded")
    assert (found["submitted"], found["applied"], found["failed"]) == (decided, decided, [])
    assert JobToken.loads(found["token"]).reference_id == found["reference_id"]
    assert shell.sim.job(found["reference_id"]) is shell.sim.jobs[0]
    assert "succeeded (P)" in ended.err


def test_a_record_edited_since_the_pull_is_refused_before_anything_is_sent(shell: Shell) -> None:
    """Let the supplier edit one between pull and push."""
    file, _ = shell.decided(accept)
    row = edit_one(shell, file)
    ended = shell.run("push", file, "--yes", *QUICK)
    assert ended.code == 2
    assert f"{row['section']} {row['number']} from {row['supplier']}: the supplier has edited it" in ended.err
    assert "pull again" in ended.err
    assert shell.sim.jobs == []


def test_a_record_edited_at_the_last_moment_is_named_with_the_gateways_reason(shell: Shell) -> None:
    """Let the supplier edit one while the person is being asked."""
    file, decided = shell.decided(accept)
    edited: list[dict[str, str]] = []

    def confirm(question: str, *, err: bool) -> bool:
        assert f"Send these {decided} decisions for {shell.gstin}?" in question
        edited.append(edit_one(shell, file))
        return True

    shell.monkeypatch.setattr(environment, "at_terminal", lambda: True)
    shell.monkeypatch.setattr("typer.confirm", confirm)
    ended = shell.run("push", file, *QUICK, "--report", "outcome.csv")
    assert ended.code == 1
    (row,) = edited
    for part in (row["number"], row["supplier"], "IMSSAV0010", "edited by supplier", "decide again"):
        assert part in ended.out
    first = next(csv.DictReader(Path("outcome.csv").read_text("utf-8-sig").splitlines()))
    assert (first["outcome"], first["number"], first["code"]) == ("failed", row["number"], "IMSSAV0010")


def test_every_problem_of_a_file_is_printed_and_nothing_is_sent(shell: Shell) -> None:
    """Put two faults into a file; a machine gets them as a list."""
    file, _ = shell.decided(accept)
    header, *rows = file.read_text("utf-8-sig").splitlines()
    bad = [rows[0].replace("2024,", "2024,", 1), *rows]
    fields = list(csv.reader(bad))
    fields[1][4], fields[1][6] = "31-02-2024", "A"
    fields[2][5], fields[2][6] = "132024", "A"
    fields[1][8] = fields[2][8] = ""  # with a hash the rows would be recognised by it
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([next(csv.reader([header])), *fields[1:]])
    before = len(shell.sim.requests)
    ended = shell.run("push", file, "--yes", "--json")
    assert ended.code == 2
    assert len(shell.sim.requests) == before
    assert f"{file} row 2, column date: '31-02-2024' is not a date" in ended.err
    assert f"{file} row 3, column return period: '132024'" in ended.err
    assert "2 problems; nothing was sent" in ended.err
    assert len(ended.json()["error"]["problems"]) == 2


def test_what_the_offline_checks_refuse_names_the_row(shell: Shell) -> None:
    """Keep a record pending that the gateway has blocked."""
    blocked = next(r for r in shell.sim.records(shell.gstin) if r.action == "N")
    shell.sim.block_pending(
        shell.gstin, blocked.section, blocked.number, supplier=blocked.supplier, period=blocked.period
    )
    ids = (blocked.section, blocked.number, blocked.period)
    file, _ = shell.decided(lambda r: "P" if (r["section"], r["number"], r["return period"]) == ids else "")
    ended = shell.run("push", file, "--yes", *QUICK)
    assert ended.code == 2
    assert "column action: the gateway does not allow this record to be kept pending" in ended.err


def test_a_report_that_could_not_be_written_is_refused_before_anything_is_sent(shell: Shell) -> None:
    """A script that sees code 2 may believe that nothing was sent."""
    file, _ = shell.decided(accept)
    ended = shell.run("push", file, "--yes", "--report", shell.here / "nowhere" / "r.csv", *QUICK)
    assert ended.code == 2
    assert "cannot be written" in ended.err
    assert shell.sim.count("save") == 0


def test_a_report_lost_after_all_does_not_look_as_if_nothing_was_sent(shell: Shell) -> None:
    """The disk fills up meanwhile: code 1, and a warning not to send it again."""

    def full(*_: object, **__: object) -> None:
        raise InvalidInput("r.csv cannot be written: no space left on device")

    file, count = shell.decided(accept)
    shell.monkeypatch.setattr(tables, "writing_outcomes", full)
    ended = shell.run("push", file, "--yes", "--report", shell.here / "r.csv", *QUICK)
    assert ended.code == 1
    assert "do not send it again" in ended.err
    assert len(shell.sim.effects) == count


def test_more_than_a_request_takes_goes_in_several(shell: Shell) -> None:
    """One after the other, and each record once."""
    file, decided = shell.decided(accept)

    for kind in (Sandbox, Vayana):
        small = functools.partial(kind, save_bytes=1000)
        shell.monkeypatch.setattr(f"{kind.__module__}.{kind.__name__}", small)
    ended = shell.run("push", file, "--yes", *QUICK, "--json")
    found = ended.json()
    assert (ended.code, found["applied"], found["gstin"]) == (0, decided, shell.gstin), ended.err
    assert shell.sim.count("save") > 1
    assert len({(e.section, e.supplier, e.number, e.period) for e in shell.sim.effects}) == decided


def test_the_second_push_of_a_file_has_nothing_to_send(shell: Shell) -> None:
    """What stands as it was decided is left out, whatever it stood at when it was pulled."""
    file, decided = shell.decided(accept)
    assert shell.run("push", file, "--yes", *QUICK).code == 0
    sent = shell.sim.count("save")
    ended = shell.run("push", file, "--yes", *QUICK)
    assert (ended.code, shell.sim.count("save")) == (0, sent)
    assert f"There is nothing to send: {decided} rows stand already as decided." in ended.out


def test_a_credit_note_without_its_reduction_is_explained(shell: Shell) -> None:
    """GSTN's code alone does not say which column to fill in."""
    file, count = shell.decided(lambda row: "A" if row["section"] == "b2bcn" else "", "--section", "cn")
    ended = shell.run("push", file, "--yes", *QUICK)
    assert count
    assert ended.code == 1
    assert "IMSSAV0054" in ended.out
    assert "column 'ITC reduction'" in ended.out


def test_the_second_push_of_accepted_credit_notes_blames_nobody(shell: Shell) -> None:
    """The gateway does not show the reduction that was declared: the rows are refused, and say why."""
    file, count = shell.decided(lambda row: "A" if row["section"] == "b2bcn" else "", "--section", "cn")
    write_rows(file, [{**row, "ITC reduction": "none"} for row in read_rows(file)])
    assert shell.run("push", file, "--yes", *QUICK).code == 0
    ended = shell.run("push", file, "--yes", *QUICK)
    assert (ended.code, shell.sim.count("save")) == (2, 1)
    assert ended.err.count("as this row decides") == min(count, 3)
    assert "if you pushed it, it is done; if not, pull again, decide again" in ended.err


def test_push_asks_before_it_sends(shell: Shell) -> None:
    """Say no; then push where nobody can be asked."""
    file, _ = shell.decided(accept)
    ended = shell.run("push", file, *QUICK)
    assert (ended.code, "pass --yes" in ended.err) == (2, True)
    shell.monkeypatch.setattr(environment, "at_terminal", lambda: True)
    shell.monkeypatch.setattr("typer.confirm", lambda *_, **__: False)
    ended = shell.run("push", file, *QUICK)
    assert (ended.code, ended.err.splitlines()[-1]) == (1, "Nothing was sent.")
    assert shell.sim.jobs == []


def test_a_change_of_unknown_outcome_is_looked_after(shell: Shell) -> None:
    """Drop the gateway's answer to a save that took effect."""
    file, _ = shell.decided(accept)
    shell.sim.script_answer("save", 502, b"<html>bad gateway</html>", after=True)
    ended = shell.lose_answer(file, "--json")
    for part in (
        "its records are read again until it is known what became of it, which may take 30 minutes",
        "not known whether the gateway took it",
    ):
        assert part in ended.err
    found = ended.json()
    assert (found["error"]["type"], len(found["jobs"])) == ("Interrupted", 1)
    assert found["go_on_with"].startswith(f"ims-async push --run {found['run']} ")
    assert shell.sim.count("save") == 1


def test_a_job_refused_as_a_whole_fails_every_record(shell: Shell) -> None:
    """Answer ER."""
    file, decided = shell.decided(accept)
    shell.sim.script_status(None, {"status_cd": "ER", "err_cd": "IMSSAV005", "err_msg": "Schema failure"})
    ended = shell.run("push", file, "--yes", *QUICK, "--json")
    found = ended.json()
    assert (ended.code, found["state"], found["applied"], found["failed_count"]) == (1, "failed", 0, decided)
    shell.sim.script_status(None, {"status_cd": "ER", "err_cd": "IMSSAV005", "err_msg": "Schema failure"})
    file, _ = shell.decided(lambda row: "R" if row["section"] == "ecom" else "", name="more.csv")
    ended = shell.run("push", file, "--yes", *QUICK)
    assert "refused the whole job: IMSSAV005 Schema failure. No record was applied." in ended.out


@pytest.mark.parametrize(
    "report",
    [
        {"error_cd": "RET191106", "error_msg": "Invalid data"},
        [{"error_cd": "RET191106", "error_msg": "Invalid data"}],
        {"error": {"error_cd": "RET191106", "message": "Invalid data"}},
    ],
    ids=str,
)
def test_the_gateways_reason_reaches_the_person_wherever_it_stands(shell: Shell, report: object) -> None:
    """As the job's own, and for each record; nothing of it is told as an entry that fits nothing."""
    file, decided = shell.decided(accept)
    told = {"status_cd": "ER", "error_report": report}
    shell.sim.script_status(None, told)
    found = shell.run("push", file, "--yes", *QUICK, "--json").json()
    assert (found["error_code"], found["error_message"]) == ("RET191106", "Invalid data")
    assert {(one["code"], one["message"]) for one in found["failed"]} == {("RET191106", "Invalid data")}
    assert (found["failed_count"], found["unmatched"]) == (decided, [])
    shell.sim.script_status(None, told)
    file, _ = shell.decided(lambda row: "R" if row["section"] == "ecom" else "", name="more.csv")
    ended = shell.run("push", file, "--yes", *QUICK)
    assert "refused the whole job: RET191106 Invalid data. No record was applied." in ended.out


def test_a_partial_success_that_names_no_failure_is_none(shell: Shell) -> None:
    """Whatever it counts: nobody knows which record failed."""
    file, decided = shell.decided(accept)
    shell.sim.script_status(None, {"status_cd": "PE", "proc_cnt": str(decided), "err_cnt": "0"})
    found = shell.run("push", file, "--yes", *QUICK, "--json")
    assert (found.code, found.json()["applied"], found.json()["unaccounted_count"]) == (1, 0, decided)


def test_records_that_nobody_tells_of_are_unaccounted(shell: Shell) -> None:
    """Count three errors and name none."""
    file, decided = shell.decided(accept)
    shell.sim.script_status(None, {"status_cd": "PE", "proc_cnt": str(decided), "err_cnt": "3"})
    ended = shell.run("push", file, "--yes", *QUICK)
    assert ended.code == 1
    assert "Of the unaccounted records the gateway did not tell: pull again" in ended.out


def test_credit_notes_are_accepted_with_their_itc_reduction(shell: Shell) -> None:
    """Fill in the ITC reduction of a credit note."""
    file, _ = shell.decided(lambda row: "A" if row["action when pulled"] == "N" else "", "--section", "cn")
    rows = list(csv.reader(file.read_text("utf-8-sig").splitlines()))
    for row in rows[1:]:
        row[10] = "igst=1.50" if float(row[16]) >= 1.5 else "full"  # no more is given up than was charged
    with file.open("w", newline="") as out:
        csv.writer(out).writerows(rows)
    assert shell.run("push", file, "--yes", *QUICK).code == 0
    noted = [r for r in shell.sim.records(shell.gstin, "b2bcn") if r.itc_reduction == "Y"]
    assert noted
    assert {str(record.declared_igst) for record in noted} == {"1.50", "None"}


# -- check, reset --------------------------------------------------------------------------------------


def test_check_needs_no_credentials_and_sends_nothing(shell: Shell) -> None:
    """Check a good file and a bad one, without an account."""
    file, decided = shell.decided(accept)
    for name in shell.account:
        shell.monkeypatch.delenv(name)
    before = len(shell.sim.requests)
    ended = shell.run("check", file)
    assert (ended.code, "No fault was found" in ended.out) == (0, True)
    found = shell.run("check", file, "--json").json()["decisions"]
    assert sum(count for actions in found.values() for count in actions.values()) == decided
    (shell.here / "bad.csv").write_text("a,b\n1,2\n")
    ended = shell.run("check", "bad.csv")
    assert (ended.code, "bad.csv is not a file of pull's (no columns section, " in ended.err) == (2, True)
    header = "section,supplier,number,date,return period,action,action when pulled,hash"
    (shell.here / "bad.csv").write_text(f"{header}\n")
    ended = shell.run("check", "bad.csv")
    assert "column remarks: this column is missing; the file has: section, supplier" in ended.err
    assert ended.err.startswith("Error: 2 problems.\n")  # that nothing was sent is news from push only
    assert len(shell.sim.requests) == before


def test_reset_takes_back_what_the_same_file_has_pushed(shell: Shell) -> None:
    """Push, then reset with the same file."""
    file, _ = shell.decided(accept, "--status", "no_action")
    assert shell.run("push", file, "--yes", *QUICK).code == 0
    assert "A" in actions(shell)
    ended = shell.run("reset", file, "--yes", *QUICK, "--json")
    assert ended.code == 0, ended.err
    rows = len(file.read_text().splitlines()) - 1
    assert (ended.json()["kind"], ended.json()["submitted"], ended.json()["applied"]) == ("RESET", rows, rows)
    untouched = [record.remarks for record in shell.sim.records(shell.gstin) if record.action == "N"]
    assert len(untouched) == rows


def test_reset_refuses_a_record_that_changed_since(shell: Shell) -> None:
    """Let the supplier edit one after the pull."""
    file, _ = shell.decided(accept)
    row = edit_one(shell, file)
    ended = shell.run("reset", file, "--yes", *QUICK)
    assert (ended.code, row["number"] in ended.err, "pull again" in ended.err) == (2, True, True)


def test_an_interrupted_prompt_leaves_no_job(shell: Shell) -> None:
    """Press Ctrl-C when asked."""
    import typer

    def stop(*_: Any, **__: Any) -> bool:
        raise typer.Abort

    file, _ = shell.decided(accept)
    shell.monkeypatch.setattr(environment, "at_terminal", lambda: True)
    shell.monkeypatch.setattr("typer.confirm", stop)
    ended = shell.run("push", file, *QUICK)
    assert (ended.code, ended.err.splitlines()[-1]) == (130, "Stopped; no job was left running.")


def test_the_simulators_records_are_what_the_tests_take_them_for(shell: Shell) -> None:
    """Check that there is something to accept, so that no test above is empty."""
    found: list[Record] = shell.sim.records(shell.gstin)
    assert sum(record.action == "N" and record.section != "b2bcn" for record in found) > 20


@pytest.mark.both_gsps
@pytest.mark.parametrize(
    "ids",
    [{"supplier": "9922JPN29001OSU"}, {"supplier": "9917IRL29003OSG"}, {"number": "INV/2024-25/00017"}],
    ids=lambda ids: "".join(ids.values()),
)
def test_what_pull_has_written_is_neither_refused_by_check_nor_by_push(
    shell: Shell, ids: dict[str, Any]
) -> None:
    """A supplier abroad, and a number of 17 characters: the gateway reported them, and is asked."""
    record = next(record for record in shell.sim.records(shell.gstin, "b2b") if record.action == "N")
    shell.sim._world._put(shell.gstin, dataclasses.replace(record, **ids))
    (column, value), *_ = ids.items()
    file, decided = shell.decided(lambda row: "R" if row[column] == value else "")
    assert decided == 1
    assert shell.run("check", file).code == 0
    ended = shell.run("push", file, "--yes", *QUICK)
    assert (shell.sim.count("save"), ended.code in (0, 1)) == (1, True), ended.err
