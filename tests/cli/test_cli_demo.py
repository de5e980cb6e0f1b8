"""The demo and the simulator: all is explained, or the exit code says that it is not."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from ims_async import Action, Invoice, ItcReduction, JobReport, JobState, RecordFailure, Section
from ims_async.cli.demo import Account, count_differences, decide, decided_again, to_be_edited
from ims_async.cli.inputs.accounts import chosen
from ims_async.simulator import Simulator
from tests.cli.cli_shell import Shell, opened

from ..conftest import HANGS


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gsp_name: str
) -> Iterator[Shell]:
    """A shell; the demo brings its own simulator."""
    with opened(tmp_path, monkeypatch, capsys, gsp_name) as found:
        yield found


def make_invoice(**changes: Any) -> Invoice:
    """Return an invoice that the demo's rules accept."""
    facts: dict[str, Any] = {
        "section": Section.B2B,
        "supplier": "29AAACQ3770E1ZF",
        "number": "1",
        "date": dt.date(2024, 10, 5),
        "return_period": "102024",
        "value": Decimal(118_000),
        "taxable_value": Decimal(100_000),
        "igst": Decimal("18000.01"),
        "cgst": Decimal(0),
        "sgst": Decimal(0),
        "cess": Decimal(0),
        "supplier_filed": True,
        "pending_allowed": True,
    }
    return Invoice(**{**facts, **changes})


@pytest.mark.both_gsps
def test_the_demo_accounts_for_every_record(shell: Shell) -> None:
    """Run it with jobs that take no time, in a terminal of 100 columns."""
    shell.monkeypatch.setenv("COLUMNS", "100")
    ended = shell.run("demo", "--taxpayers", 3, "--invoices", 120, "--job-seconds", 0)
    assert ended.code == 0, ended.out
    for part in (
        f"A simulated gateway ({chosen(shell.gsp).title}) listens",
        "3 taxpayers log in at once",
        "9 records were refused",
        "IMSSAV0010: Either previous action is incorrect",
        "read again, decided again, and saved again",
        "The gateway's own books were compared for all 360 records: 0 differences.",
        "nothing left unexplained",
    ):
        assert part in ended.out
    assert max(map(len, ended.out.splitlines())) <= 110
    assert "Traceback" not in ended.err


@pytest.mark.both_gsps
def test_the_demos_json_adds_up(shell: Shell) -> None:
    """Check the sums of its one document."""
    found = shell.run("demo", "--taxpayers", 2, "--invoices", 60, "--job-seconds", 0, "--json").json()
    assert (found["ok"], found["gsp"]) == (True, shell.gsp)
    for account in found["taxpayers"]:
        assert account["submitted"] == account["applied"] + account["refused"] + account["unaccounted"]
        assert account["refused"] == account["sent_again"] == account["applied_again"] == 3
        assert account["differences"] == 0
    assert len(found["refused"]) == 6
    assert all(refusal["code"] == "IMSSAV0010" for refusal in found["refused"])


def test_the_demo_fails_where_something_is_not_explained(shell: Shell) -> None:
    """Let the gateway forget what it was told."""

    def forgetful(self: Simulator, gstin: str, section: str | None = None) -> list[Any]:
        return []

    shell.monkeypatch.setattr(Simulator, "records", forgetful)
    ended = shell.run("demo", "--taxpayers", 1, "--invoices", 60, "--job-seconds", 0)
    assert ended.code == 1
    assert "60 differences" in ended.out
    assert "NOT everything is explained" in ended.out


@pytest.mark.parametrize(
    ("change", "action"),
    [
        ({}, Action.ACCEPT),
        ({"action": Action.REJECT}, None),
        ({"taxable_value": Decimal(200_001)}, Action.PENDING),
        ({"taxable_value": Decimal(200_001), "pending_allowed": False}, Action.ACCEPT),
        ({"taxable_value": Decimal(1), "supplier_filed": False}, Action.REJECT),
        ({"taxable_value": Decimal(1)}, Action.ACCEPT),
    ],
)
def test_the_demos_rules_decide(change: dict[str, Any], action: Action | None) -> None:
    """Put one record to each rule."""
    decision = decide(make_invoice(**change))
    assert (decision and decision.action) == action


def test_credit_notes_give_up_half_the_credit_or_none() -> None:
    """Accept a large one and a small one."""
    large = decide(make_invoice(section=Section.B2BCN))
    small = decide(make_invoice(section=Section.B2BCN, taxable_value=Decimal(1)))
    assert large is not None
    assert small is not None
    assert large.itc_reduction == ItcReduction.partial(igst=Decimal("9000.00"))
    assert small.itc_reduction == ItcReduction.none()


def test_the_same_decision_is_taken_on_what_the_record_says_now() -> None:
    """Decide again on an edited record; one that is gone is left out."""
    before, gone = make_invoice(hash="a"), make_invoice(number="2")
    now = attrs.evolve(before, hash="b")
    failures = tuple(
        RecordFailure(record=invoice.reject("no"), key=invoice.key, code="X", message="")
        for invoice in (before, gone)
    )
    report = JobReport(state=JobState.PARTIAL, submitted=2, failed=failures)
    assert decided_again(report, [now]) == [now.reject("no")]


def test_an_account_is_balanced_only_if_every_number_fits() -> None:
    """Break one number after the other."""
    good = Account("G", "N", records=9, submitted=5, applied=4, refused=1, sent_again=1, applied_again=1)
    assert good.balanced
    changes: list[dict[str, Any]] = [{"applied": 3}, {"unaccounted": 1}, {"applied_again": 0}]
    for change in (*changes, {"taken_back": 1}, {"differences": 1}):
        assert not attrs.evolve(good, **change).balanced
    key = make_invoice().key
    assert count_differences({key: Action.ACCEPT}, {key: Action.ACCEPT}) == 0
    assert count_differences({key: Action.ACCEPT}, {}) == count_differences({}, {key: Action.REJECT}) == 1


def test_the_records_to_be_edited_are_the_same_each_time() -> None:
    """Draw twice, and more than there are."""
    decisions = [make_invoice(number=str(n)).accept() for n in range(1, 9)]
    assert to_be_edited(decisions, 3, "x") == to_be_edited(decisions, 3, "x")
    assert len(to_be_edited(decisions, 99, "x")) == 8


@pytest.mark.parametrize(("stop", "gsp"), [(signal.SIGINT, "sandbox"), (signal.SIGTERM, "vayana")])
def test_the_simulator_serves_other_commands_until_stopped(
    shell: Shell, stop: signal.Signals, gsp: str
) -> None:
    """Start it as a process, log in with what it printed, stop it."""
    options = ["--taxpayers", "2", "--invoices", "20", "--json", "--gsp", gsp]
    command = [sys.executable, "-m", "ims_async", "simulate", *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ, text=True
    )
    assert process.stdout is not None
    found = json.loads(process.stdout.readline())
    for name, value in found["environment"].items():
        shell.monkeypatch.setenv(name, value)
    ended = shell.run("login", "--username", found["taxpayers"][0]["username"], stdin=f"{found['otp']}\n")
    assert ended.code == 0, ended.err
    assert shell.run("counts", "--json").json()["total"] == 20
    process.send_signal(stop)
    _, said = process.communicate(timeout=HANGS)
    assert (process.returncode, said.splitlines()[-1]) == (0, "The simulator has stopped.")


@pytest.mark.both_gsps
def test_the_simulator_prints_lines_for_a_shell(shell: Shell) -> None:
    """Stop it as soon as it has said what it has to say."""

    async def stop_at_once(self: object) -> None:
        return None

    shell.monkeypatch.setattr("asyncio.Event.wait", stop_at_once)
    ended = shell.run("simulate", "--taxpayers", 1, "--invoices", 10)
    assert ended.code == 0
    for part in ("export IMS_BASE_URL=http://127.0.0.1:", "export IMS_GSTIN=", "of 012025", "OTP: 575757"):
        assert part in ended.out
    for name in {*shell.account, "IMS_GSP"}:
        assert f"export {name}=" in ended.out


def test_a_port_in_use_is_told_in_a_sentence(shell: Shell) -> None:
    """Ask for the port of the test's own simulator."""
    ended = shell.run("simulate", "--port", shell.sim.url.rpartition(":")[2])
    assert ended.code == 2
    assert "is in use or not allowed" in ended.err
    assert "--debug" not in ended.err


def test_ctrl_c_ends_the_demo_in_a_sentence(shell: Shell) -> None:
    """Interrupt a real process while it watches jobs that would take an hour."""
    options = ["--taxpayers", "2", "--invoices", "20", "--job-seconds", "3600"]
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "-m", "ims_async", "demo", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    while "processing" not in (line := process.stderr.readline()):
        assert line
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=HANGS)
    assert (process.returncode, said.splitlines()[-1]) == (130, "Stopped; no job was left running.")
    assert "never retrieved" not in said
