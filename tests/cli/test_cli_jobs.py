"""Jobs shown from elsewhere, and what is left of one whose terminal is gone."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from ims_async import JobToken
from tests.cli.cli_shell import QUICK, Shell, accept, commands_in, opened

from ..conftest import HANGS

pytestmark = pytest.mark.both_gsps


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gsp_name: str
) -> Iterator[Shell]:
    """A shell with a session."""
    with opened(tmp_path, monkeypatch, capsys, gsp_name) as found:
        found.with_token()
        yield found


def test_a_job_shown_by_its_reference_does_not_claim_what_it_cannot_know(shell: Shell) -> None:
    """How many records were sent stands in the token only."""
    file, _ = shell.decided(accept)
    pushed = shell.run("push", file, "--yes", "--json", *QUICK)
    reference = json.loads(pushed.out)["reference_id"]
    shell.on_another_machine()
    shell.sim.script_status(reference, {"status_cd": "S", "proc_cnt": "7", "transTypCd": "SAV"})
    ended = shell.run("jobs", "show", reference, *QUICK)
    assert ended.code == 1
    assert "How many were sent is not known here" in ended.out
    assert "Every record was applied" not in ended.out


def test_a_job_is_shown_from_its_token_and_from_its_reference(shell: Shell) -> None:
    """Push, then look at the job as another machine would."""
    file, decided = shell.decided(accept)
    pushed = shell.run("push", file, "--yes", "--json", *QUICK).json()
    shell.on_another_machine()
    ended = shell.run("jobs", "show", pushed["token"])
    assert ended.code == 0
    assert "Every record was applied." in ended.out
    shell.monkeypatch.delenv("IMS_GSTIN")
    assert shell.run("jobs", "show", pushed["token"], "--wait", *QUICK).code == 0
    shell.monkeypatch.setenv("IMS_GSTIN", shell.gstin)
    found = shell.run("jobs", "show", pushed["reference_id"], "--json").json()
    assert (found["raw_code"], found["processed_count"], found["submitted"]) == ("P", decided, None)
    found = shell.run("jobs", "show", pushed["token"], "--json", "--report", "o.csv").json()
    assert (found["submitted"], found["applied"], found["ok"]) == (decided, decided, True)
    assert f"{decided} records, not known here by name" in (shell.here / "o.csv").read_text()


@pytest.mark.only_gsp("sandbox", "the other keeps the session on its side")
def test_a_token_of_another_taxpayer_is_not_used_for_a_job(shell: Shell) -> None:
    """Show a job while IMS_GSTIN, and so IMS_TOKEN, is somebody else's."""
    file, _ = shell.decided(accept)
    pushed = shell.run("push", file, "--yes", "--json", *QUICK).json()
    shell.on_another_machine()
    shell.monkeypatch.setenv("IMS_GSTIN", shell.sim.gstins[1])
    assert "there is no session" in shell.run("jobs", "show", pushed["token"]).err


@pytest.mark.only_gsp("vayana", "the other has no tasks")
def test_a_job_is_shown_by_gstns_own_reference_too(shell: Shell) -> None:
    """Push, then ask GSTN instead of the task."""
    file, decided = shell.decided(accept)
    pushed = shell.run("push", file, "--yes", "--json", *QUICK).json()
    reference = shell.sim.jobs[0].reference
    assert reference != pushed["reference_id"]
    assert shell.run("jobs", "show", reference, "--json").json()["processed_count"] == decided


@pytest.mark.only_gsp("vayana", "the other has no tasks")
def test_a_task_that_broke_off_leaves_a_job_of_unknown_outcome(shell: Shell) -> None:
    """Nobody is told that its records were refused, or to send them again."""
    file, _ = shell.decided(accept, "--section", "b2b")
    shell.sim.script_task(None, "completed")  # the rows of the second look
    shell.sim.script_task(None, "failed")
    pushed = shell.lose_answer(file)
    reference = pushed.err.split("Submitted as job ")[1].split(". If this")[0]
    shell.sim.script_task(reference, "failed")
    ended = shell.run("jobs", "show", reference)
    assert ended.code == 1
    assert "The task that carried the job broke off: failed. It is not known whether" in ended.out
    assert "Do not push the file again." in ended.out
    assert "No record was applied" not in ended.out


def test_what_is_no_job_is_refused(shell: Shell) -> None:
    """Show a broken token, a token of another host, and nothing."""
    assert "not a job token" in shell.run("jobs", "show", '{"v":1').err
    token = {"v": 1, "gsp": shell.gsp, "host": "api.example.com", "gstin": shell.gstin, "kind": "SAVE"}
    ended = shell.run("jobs", "show", json.dumps({**token, "ref": "x", "n": 1, "at": None}))
    assert (ended.code, f"was submitted to {shell.gsp} at api.example.com" in ended.err) == (2, True)
    assert shell.run("jobs", "show", " ").code == 2


@pytest.fixture
def slow_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    """A shell with a session, whose jobs take an hour of the simulator's clock."""
    with opened(tmp_path, monkeypatch, capsys, job_seconds=3600) as found:
        found.with_token()
        yield found


def start_push(file: Path, *options: str) -> subprocess.Popen[str]:
    """Push in a process of its own, which will wait for a minute before its first poll."""
    return subprocess.Popen(
        [sys.executable, "-m", "ims_async", "push", str(file), "--yes", "--first-poll", "60", *options],
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


@pytest.mark.only_gsp("sandbox", "waiting is the same with the other, whose rows take real seconds here")
@pytest.mark.parametrize("report", [(), ("--report", "my rep.csv"), ("--report", "rep.csv", "--overwrite")])
def test_ctrl_c_while_waiting_says_how_it_stands_and_how_to_go_on(
    slow_shell: Shell, report: tuple[str, ...]
) -> None:
    """Interrupt a real process; then go on with the command that it printed."""
    shell = slow_shell
    file, decided = shell.decided(accept)
    process = start_push(file, *report)
    submitted(process)
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=HANGS)
    (job,) = shell.sim.jobs
    assert process.returncode == 130, rest
    assert f"1 job with {decided} records runs on at the gateway." in rest
    *_, command = commands_in(rest)
    assert command[:2] == ["push", "--run"]
    assert command[3:] == [str(file), "--yes", "--first-poll", "60", *report]
    assert "Traceback" not in rest
    ended = shell.run("jobs", "show", job.reference)
    assert (ended.code, "The gateway is still at work (code IP)." in ended.out) == (1, True)
    assert "Wait for it with: ims-async jobs show" in ended.err
    shell.sim.advance(3600)
    found = shell.run(*command, "--json", *QUICK).json()
    assert (found["ok"], found["applied"], len(shell.sim.jobs)) == (True, decided, 1)
    assert found["report_file"] == (report[1] if report else None)


@pytest.mark.only_gsp("sandbox", "as the last one")
def test_a_process_that_dies_right_after_submitting_has_printed_the_command(slow_shell: Shell) -> None:
    """Kill it without mercy: what it said is enough to find the job again."""
    shell = slow_shell
    file, _ = shell.decided(accept)
    process = start_push(file)
    line = submitted(process)
    process.kill()
    process.communicate(timeout=HANGS)
    assert f"ims-async jobs show {shell.sim.jobs[0].reference} --wait" in line
    words = shlex.split(line)[1:]
    shell.sim.advance(3600)
    assert shell.run(*words, *QUICK).code == 0


def test_waiting_for_a_job_does_not_stumble_over_one_failed_poll(shell: Shell) -> None:
    """The first look is taken at once; what time may heal is waited out as at every other poll."""
    file, decided = shell.decided(accept)
    pushed = shell.run("push", file, "--yes", "--json", *QUICK).json()
    shell.sim.script_answer("status", 503, b"down")
    ended = shell.run("jobs", "show", pushed["token"], "--wait", "--json", *QUICK)
    assert (ended.json()["ok"], ended.json()["applied"]) == (True, decided)


def test_a_job_that_the_gateway_denies_is_not_said_to_run_on(shell: Shell) -> None:
    """A name that was mistyped is no job at all; the error says what there is to say."""
    ended = shell.run("jobs", "show", "nosuch123", "--wait", "--json", *QUICK)
    assert (ended.code, ended.json()["jobs"]) == (1, [])
    (error,) = ended.err.splitlines()
    assert error.startswith("Error: ")
    assert "no request with this reference_id" in error or "no such task" in error


def test_a_token_that_the_gateway_denies_still_warns_not_to_send_again(shell: Shell) -> None:
    """Its job was sent once: a gateway that does not know it (yet, or any more) proves nothing."""
    file, _ = shell.decided(accept)
    pushed = shell.run("push", file, "--yes", "--json", *QUICK).json()
    token = attrs.evolve(JobToken.loads(pushed["token"]), reference_id="nosuch123")
    ended = shell.run("jobs", "show", token.dumps(), "--wait", *QUICK)
    assert ended.code == 1
    assert "What became of job nosuch123 is not known; do not send its records again." in ended.err
    assert "runs on" not in ended.err


@pytest.mark.parametrize("argument", ["{nosuch", "'nosuch123'", "'{v:1,ref:nosuch123}'", ' "nosuch123"'])
def test_what_begins_like_a_token_and_is_none_is_not_looked_up(argument: str, shell: Shell) -> None:
    """A shell that quotes otherwise passes the quotes on; no gateway is asked about them."""
    ended = shell.run("jobs", "show", argument, "--wait")
    assert (ended.code, shell.sim.requests) == (2, [])
    assert "this is not a job token: " in ended.err
    assert ended.err.endswith("; pass it whole, from { to }, as push printed it\n")
    assert "JobToken" not in ended.err
