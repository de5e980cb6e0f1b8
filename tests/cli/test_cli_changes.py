"""The commands that change something: what is sent, what is refused before, how each ending is told."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ims_async import InvalidInput, JobToken, Sandbox, tables
from ims_async.cli import settings
from ims_async.simulator import Record
from tests.cli.cli_shell import Shell, accept, opened

QUICK = ("--first-poll", "0")


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    """A shell with a session."""
    with opened(tmp_path, monkeypatch, capsys) as found:
        found.with_token()
        yield found


def edit_one(shell: Shell, file: Path) -> dict[str, str]:
    """Let the supplier edit the first decided record of a file; return its row."""
    rows = csv.DictReader(file.read_text("utf-8").splitlines())
    row = next(row for row in rows if row["action"])
    shell.sim.edit(
        shell.gstin, row["section"], row["number"], supplier=row["supplier"], period=row["return period"]
    )
    return row


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
    assert f"Submitted as job {job.reference}. If this terminal is lost, go on with:" in ended.err
    assert 'ims-async jobs show \'{"v":1' in ended.err
    outcomes = [row["outcome"] for row in csv.DictReader(Path("outcome.csv").read_text("utf-8").splitlines())]
    assert outcomes == ["applied"] * decided


def test_push_as_json_is_one_document(shell: Shell) -> None:
    """Push for a machine; progress goes to stderr."""
    file, decided = shell.decided(accept)
    ended = shell.run("push", file, "--yes", "--json", *QUICK)
    found = ended.json()
    assert (ended.code, found["ok"], found["state"]) == (0, True, "succeeded")
    assert (found["submitted"], found["applied"], found["failed"]) == (decided, decided, [])
    assert JobToken.loads(found["token"]).reference_id == found["reference_id"] == shell.sim.jobs[0].reference
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

    shell.monkeypatch.setattr(settings, "_at_terminal", lambda: True)
    shell.monkeypatch.setattr("typer.confirm", confirm)
    ended = shell.run("push", file, *QUICK, "--report", "outcome.csv")
    assert ended.code == 1
    (row,) = edited
    for part in (row["number"], row["supplier"], "IMSSAV0010", "edited by supplier", "decide again"):
        assert part in ended.out
    first = next(csv.DictReader(Path("outcome.csv").read_text("utf-8").splitlines()))
    assert (first["outcome"], first["number"], first["code"]) == ("failed", row["number"], "IMSSAV0010")


def test_every_problem_of_a_file_is_printed_and_nothing_is_sent(shell: Shell) -> None:
    """Put two faults into a file; a machine gets them as a list."""
    file, _ = shell.decided(accept)
    header, *rows = file.read_text("utf-8").splitlines()
    bad = [rows[0].replace("2024,", "2024,", 1), *rows]
    fields = list(csv.reader(bad))
    fields[1][3], fields[1][5] = "31-02-2024", "A"
    fields[2][4], fields[2][5] = "132024", "A"
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
    ended = shell.run("push", file, "--yes")
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

    def full(*_: object) -> None:
        raise InvalidInput("r.csv cannot be written: no space left on device")

    file, count = shell.decided(accept)
    shell.monkeypatch.setattr(tables, "write_report", full)
    ended = shell.run("push", file, "--yes", "--report", shell.here / "r.csv", *QUICK)
    assert ended.code == 1
    assert "do not send it again" in ended.err
    assert len(shell.sim.effects) == count


def test_a_body_over_the_limit_is_bad_input(shell: Shell) -> None:
    """Code 2, nothing sent, and what to do."""
    file, _ = shell.decided(accept)

    def small(*arguments: object, **options: object) -> Sandbox:
        return Sandbox(*arguments, **options, save_bytes=1000)  # type: ignore[arg-type]

    shell.monkeypatch.setattr(settings, "Sandbox", small)
    ended = shell.run("push", file, "--yes", *QUICK)
    assert ended.code == 2
    assert "split the file" in ended.err
    assert shell.sim.count("save") == 0


def test_a_credit_note_without_its_reduction_is_explained(shell: Shell) -> None:
    """GSTN's code alone does not say which column to fill in."""
    file, count = shell.decided(lambda row: "A" if row["section"] == "b2bcn" else "", "--section", "cn")
    ended = shell.run("push", file, "--yes", *QUICK)
    assert count
    assert ended.code == 1
    assert "IMSSAV0054" in ended.out
    assert "column 'ITC reduction'" in ended.out


def test_a_job_shown_by_its_reference_does_not_claim_what_it_cannot_know(shell: Shell) -> None:
    """How many records were sent stands in the token only."""
    file, _ = shell.decided(accept)
    pushed = shell.run("push", file, "--yes", "--json", *QUICK)
    reference = json.loads(pushed.out)["reference_id"]
    shell.sim.script_status(reference, {"status_cd": "S", "proc_cnt": "7", "transTypCd": "SAV"})
    ended = shell.run("jobs", "show", reference, *QUICK)
    assert ended.code == 1
    assert "How many were sent is not known here" in ended.out
    assert "Every record was applied" not in ended.out


def test_push_asks_before_it_sends(shell: Shell) -> None:
    """Say no; then push where nobody can be asked."""
    file, _ = shell.decided(accept)
    ended = shell.run("push", file)
    assert (ended.code, "pass --yes" in ended.err) == (2, True)
    shell.monkeypatch.setattr(settings, "_at_terminal", lambda: True)
    shell.monkeypatch.setattr("typer.confirm", lambda *_, **__: False)
    ended = shell.run("push", file)
    assert (ended.code, ended.err.splitlines()[-1]) == (1, "Nothing was sent.")
    assert shell.sim.jobs == []


def test_a_change_of_unknown_outcome_says_not_to_push_again(shell: Shell) -> None:
    """Drop the gateway's answer to a save that took effect."""
    file, _ = shell.decided(accept)
    shell.sim.script_answer("save", 502, b"<html>bad gateway</html>", after=True)
    ended = shell.run("push", file, "--yes", *QUICK, "--json")
    assert ended.code == 1
    for part in (
        "not known whether the gateway took it",
        "Do not push the file again",
        "30 minutes",
    ):
        assert part in ended.err
    assert ended.json()["error"]["type"] == "OutcomeUnknown"
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
    rows = list(csv.reader(file.read_text("utf-8").splitlines()))
    for row in rows[1:]:
        row[9] = "igst=1.50"
    with file.open("w", newline="") as out:
        csv.writer(out).writerows(rows)
    assert shell.run("push", file, "--yes", *QUICK).code == 0
    noted = [r for r in shell.sim.records(shell.gstin, "b2bcn") if r.itc_reduction == "Y"]
    assert noted
    assert {str(record.declared_igst) for record in noted} == {"1.50"}


# -- check, reset --------------------------------------------------------------------------------------


def test_check_needs_no_credentials_and_sends_nothing(shell: Shell) -> None:
    """Check a good file and a bad one, without an API key."""
    file, decided = shell.decided(accept)
    shell.monkeypatch.delenv("IMS_API_KEY")
    before = len(shell.sim.requests)
    ended = shell.run("check", file)
    assert (ended.code, "No fault was found" in ended.out) == (0, True)
    found = shell.run("check", file, "--json").json()["decisions"]
    assert sum(count for actions in found.values() for count in actions.values()) == decided
    (shell.here / "bad.csv").write_text("a,b\n1,2\n")
    ended = shell.run("check", "bad.csv")
    assert (ended.code, "column section: this column is missing; the file has: a, b" in ended.err) == (
        2,
        True,
    )
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
    ended = shell.run("reset", file, "--yes")
    assert (ended.code, row["number"] in ended.err, "pull again" in ended.err) == (2, True, True)


# -- jobs ----------------------------------------------------------------------------------------------


def test_a_job_is_shown_from_its_token_and_from_its_reference(shell: Shell) -> None:
    """Push, then look at the job as another terminal would."""
    file, decided = shell.decided(accept)
    pushed = shell.run("push", file, "--yes", "--json", *QUICK).json()
    ended = shell.run("jobs", "show", pushed["token"])
    assert ended.code == 0
    assert "Every record was applied." in ended.out
    shell.monkeypatch.delenv("IMS_GSTIN")
    assert shell.run("jobs", "show", pushed["token"], "--wait", *QUICK).code == 0
    shell.monkeypatch.setenv("IMS_GSTIN", shell.sim.gstins[1])  # whose IMS_TOKEN is then not this job's
    assert "there is no session" in shell.run("jobs", "show", pushed["token"]).err
    shell.monkeypatch.setenv("IMS_GSTIN", shell.gstin)
    found = shell.run("jobs", "show", pushed["reference_id"], "--json").json()
    assert (found["raw_code"], found["processed_count"], found["submitted"]) == ("P", decided, None)
    found = shell.run("jobs", "show", pushed["token"], "--json", "--report", "o.csv").json()
    assert (found["submitted"], found["applied"], found["ok"]) == (decided, decided, True)
    assert f"{decided} records, not known here by name" in (shell.here / "o.csv").read_text()


def test_what_is_no_job_is_refused(shell: Shell) -> None:
    """Show a broken token, a token of another host, and nothing."""
    assert "not a job token" in shell.run("jobs", "show", '{"v":1').err
    token = {"v": 1, "gsp": "sandbox", "host": "api.example.com", "gstin": shell.gstin, "kind": "SAVE"}
    ended = shell.run("jobs", "show", json.dumps({**token, "ref": "x", "n": 1, "at": None}))
    assert (ended.code, "was submitted to sandbox at api.example.com" in ended.err) == (2, True)
    assert shell.run("jobs", "show", " ").code == 2


@pytest.fixture
def slow_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    """A shell with a session, whose jobs take an hour of the simulator's clock."""
    with opened(tmp_path, monkeypatch, capsys, job_seconds=3600) as found:
        found.with_token()
        yield found


def start_push(file: Path) -> subprocess.Popen[str]:
    """Push in a process of its own, which will wait for a minute before its first poll."""
    return subprocess.Popen(
        [sys.executable, "-m", "ims_async", "push", str(file), "--yes", "--first-poll", "60"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ,
        text=True,
    )


def submitted(process: subprocess.Popen[str]) -> str:
    """Read what a process says until it names its job; return that line."""
    assert process.stderr is not None
    said: list[str] = [""]
    while "jobs show" not in said[-1]:
        said.append(process.stderr.readline())
        assert said[-1], "".join(said)
    return said[-1]


def test_ctrl_c_while_waiting_names_the_job_and_how_to_go_on(slow_shell: Shell) -> None:
    """Interrupt a real process; then go on from the token that it printed."""
    shell = slow_shell
    file, decided = shell.decided(accept)
    process = start_push(file)
    submitted(process)
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=20)
    (job,) = shell.sim.jobs
    assert process.returncode == 130, rest
    assert f"Job {job.reference} runs on at the gateway; do not send its records again." in rest
    assert "Go on with: ims-async jobs show '{" in rest
    assert "Traceback" not in rest
    token = rest.split("jobs show '")[1].split("'")[0]
    ended = shell.run("jobs", "show", token)
    assert (ended.code, "The gateway is still at work (code IP)." in ended.out) == (1, True)
    assert "Wait for it with: ims-async jobs show" in ended.err
    shell.sim.advance(3600)
    found = shell.run("jobs", "show", token, "--wait", "--json", *QUICK).json()
    assert (found["ok"], found["applied"]) == (True, decided)


def test_a_process_that_dies_right_after_submitting_has_printed_the_token(slow_shell: Shell) -> None:
    """Kill it without mercy: what it said is enough to find the job again."""
    shell = slow_shell
    file, _ = shell.decided(accept)
    process = start_push(file)
    line = submitted(process)
    process.kill()
    process.communicate(timeout=20)
    token = JobToken.loads(line.split("'")[1])
    assert token.reference_id == shell.sim.jobs[0].reference


def test_an_interrupted_prompt_leaves_no_job(shell: Shell) -> None:
    """Press Ctrl-C when asked."""
    import typer

    def stop(*_: Any, **__: Any) -> bool:
        raise typer.Abort

    file, _ = shell.decided(accept)
    shell.monkeypatch.setattr(settings, "_at_terminal", lambda: True)
    shell.monkeypatch.setattr("typer.confirm", stop)
    ended = shell.run("push", file)
    assert (ended.code, ended.err.splitlines()[-1]) == (130, "Stopped; no job was left running.")


def test_the_simulators_records_are_what_the_tests_take_them_for(shell: Shell) -> None:
    """Check that there is something to accept, so that no test above is empty."""
    found: list[Record] = shell.sim.records(shell.gstin)
    assert sum(record.action == "N" and record.section != "b2bcn" for record in found) > 20
