"""`--fail-if-due`: an exit code of its own where a GSTR-2B is due to be computed anew, for schedulers."""

from __future__ import annotations

import datetime as dt
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ims_async.cli.inputs import environment
from ims_async.errors import InvalidInput, JournalError
from tests.cli.cli_shell import QUICK, Ended, Shell, accept, opened, read_rows

FAIL = "--fail-if-due"
SAID = "is due to be computed anew for "


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gsp_name: str
) -> Iterator[Shell]:
    """A shell of two taxpayers, each with a session."""
    with opened(tmp_path, monkeypatch, capsys, gsp_name, invoices=12) as found:
        found.log_in_all()
        yield found


def pushed(shell: Shell, run: str = "november") -> Path:
    """A file that was sent: since then GSTR-2B is due to be computed anew."""
    file, decided = shell.decided(accept)
    assert decided > 0
    assert shell.run("push", file, "--yes", "--run", run, *QUICK).code == 0
    return file


def computed_anew(shell: Shell) -> None:
    """Have it computed anew, for whom it is due."""
    done: dict[str, Any] = {"data": {"status_cd": "P", "err_cd": "", "err_msg": ""}, "status_cd": "1"}
    answer = {"code": 200, "data": {"data": {"reference_id": "R"}, "status_cd": "1"}}
    shell.sim.script_answer("regenerate", 200, answer)
    shell.sim.script_answer("regeneration", 200, {"code": 200, "data": done})
    period = shell.run("jobs", "list", "--json").json()["recompute_due"]["period"]
    ended = shell.run("gstr2b", "regenerate", "--period", period, "--due", "--yes", FAIL, *QUICK)
    assert (ended.code, SAID in ended.out) == (0, False), ended.err


def both(shell: Shell, words: str) -> tuple[Ended, Ended]:
    """Run a command without the option, and with it."""
    return shell.run(*shlex.split(words), *_quick(words)), shell.run(
        *shlex.split(words), FAIL, *_quick(words)
    )


def _quick(words: str) -> tuple[str, ...]:
    return () if "list" in words else QUICK


@pytest.mark.both_gsps
def test_a_push_after_the_draft_ends_with_3_only_if_that_is_wanted(shell: Shell) -> None:
    """All was applied, and it is said in either case; `ok` says what became of the records."""
    file, _ = shell.decided(accept)
    ended = shell.run("push", file, "--yes", "--json", FAIL, *QUICK)
    facts = ended.json()
    assert (ended.code, facts["ok"], facts["recompute_due"]["gstins"]) == (3, True, [shell.gstin])
    assert len(shell.sim.effects) > 0


@pytest.mark.both_gsps
@pytest.mark.parametrize("words", ["push acme.csv --yes", "jobs list", "jobs resume november"])
def test_it_is_due_until_it_is_computed_anew(shell: Shell, words: str) -> None:
    """A push that has nothing more to send says it, too: the one before may have broken off."""
    pushed(shell)
    plain, failing = both(shell, words)
    assert (plain.code, failing.code) == (0, 3), failing.err
    assert plain.out.count(SAID) == failing.out.count(SAID) == 1
    if shell.gsp == "sandbox":
        computed_anew(shell)
        after = shell.run(*shlex.split(words), FAIL, *_quick(words))
        assert (after.code, SAID in after.out) == (0, False), after.err


def test_a_reset_makes_it_due(shell: Shell) -> None:
    """It changes an action, as a push does."""
    file = pushed(shell)
    computed_anew(shell)
    ended = shell.run("reset", file, "--decided", "--yes", FAIL, *QUICK)
    assert (ended.code, SAID in ended.out) == (3, True), ended.err


def test_where_nothing_is_due_the_exit_code_is_0(shell: Shell) -> None:
    """Without a journal, and with one in which nothing was sent since the draft."""
    for words in ("jobs list", "jobs resume"):
        ended = shell.run(*words.split(), FAIL)
        assert (ended.code, SAID in ended.out) == (0, False)
    pushed(shell)
    computed_anew(shell)
    assert shell.run("jobs", "list", "--all", FAIL).code == 0
    assert shell.run("jobs", "resume", FAIL).code == 0


def test_it_is_due_for_the_taxpayers_of_a_command_only(shell: Shell) -> None:
    """The list is about all of the journal."""
    pushed(shell)
    other = shell.sim.gstins[1]
    file = shell.pulled("beta.csv", "--gstin", other)
    rows = [row["action when pulled"] for row in read_rows(file)]
    assert set(rows) != {"N"}
    shell.decided(lambda row: row["action when pulled"].strip("N"), "--gstin", other, name="same.csv")
    ended = shell.run("push", "same.csv", "--gstin", other, "--yes", FAIL, *QUICK)
    assert (ended.code, "There is nothing to send" in ended.out, SAID in ended.out) == (0, True, False)
    assert shell.run("jobs", "list", FAIL).code == 3


# -- what comes before it --------------------------------------------------------------------------------


def test_a_failure_comes_before_it(shell: Shell) -> None:
    """Some records were applied and a taxpayer was skipped: exit code 1."""
    file, _ = shell.decided_all(accept)
    shell.sim.end_session(shell.sim.gstins[1])
    ended = shell.run("push", file, "--yes", "--json", FAIL, *QUICK)
    assert (ended.code, ended.json()["recompute_due"]["gstins"]) == (1, [shell.gstin]), ended.err


def test_a_lost_report_comes_before_it(shell: Shell) -> None:
    """Whatever ends with 1 without the option does so with it."""
    file, _ = shell.decided(accept)

    def full(*_: object, **__: object) -> None:
        raise InvalidInput("r.csv cannot be written: the disk is full")

    shell.monkeypatch.setattr("ims_async.cli.commands.runs.write_outcomes", full)
    ended = shell.run("push", file, "--yes", "--report", "r.csv", FAIL, *QUICK)
    assert (ended.code, "the report is lost" in ended.err, SAID in ended.out) == (1, True, True)


def test_bad_input_and_a_stop_come_before_it(shell: Shell) -> None:
    """Exit codes 2 and 130; and where a person says no it is 1."""
    file = pushed(shell)
    assert shell.run("jobs", "list", "--run", "nobody's", FAIL).code == 2
    assert shell.run("push", "nowhere.csv", FAIL).code == 2
    again, _ = shell.decided(lambda row: "R" if row["action when pulled"] == "A" else "", name="again.csv")
    shell.monkeypatch.setattr(environment, "at_terminal", lambda: True)
    shell.monkeypatch.setattr("typer.confirm", lambda question, err: False)
    assert shell.run("push", again, FAIL, *QUICK).code == 1
    stopped = shell.run_until("Submitted as job", "push", again, "--yes", FAIL, "--first-poll", "60")
    assert stopped.code == 130
    assert file.exists()


@pytest.mark.parametrize("words", ["jobs list", "push acme.csv --yes", "jobs resume november"])
def test_what_the_journal_cannot_tell_is_no_0(shell: Shell, words: str) -> None:
    """A scheduler is not told that nothing is due where that is not known; otherwise nothing changes."""
    pushed(shell)

    async def unreadable(*_: object, **__: object) -> None:
        raise JournalError("row 7 cannot be read")

    shell.monkeypatch.setattr("ims_async.cli.commands.jobs.changes_since", unreadable)
    shell.monkeypatch.setattr("ims_async.bulk.recompute_due", unreadable)
    plain, failing = both(shell, words)
    assert (plain.code, failing.code) == (0, 1), failing.err
    assert "Error: whether a GSTR-2B is due is not known: the journal cannot be read" in failing.err
    assert "is not known" not in plain.err


# -- the other commands that say it ----------------------------------------------------------------------


def test_for_whom_it_would_be_asked_for_can_be_asked_beforehand(shell: Shell) -> None:
    """`--due --dry-run`: also without those who have filed GSTR-3B, which the journal does not know."""
    pushed(shell)
    period = shell.run("jobs", "list", "--json").json()["recompute_due"]["period"]
    words = f"gstr2b regenerate --period {period} --due --dry-run"
    assert [ended.code for ended in both(shell, words)] == [0, 3]
    shell.sim.returns.filings.add(shell.gstin, "GSTR3B", period, dt.date.today())  # noqa: DTZ011 # any day
    assert [ended.code for ended in both(shell, f"{words} --ask-filing")] == [0, 0]
    named = f"gstr2b regenerate --period {period} --gstin {shell.gstin} --dry-run"
    assert [ended.code for ended in both(shell, named)] == [0, 0]  # nobody said that it is due


def test_compare_says_it_by_the_statement_too(shell: Shell) -> None:
    """What was decided after the draft is in it as it was."""
    file, _ = shell.decided(lambda row: "R" if row["action when pulled"] != "R" else "")
    shell.on_another_machine()
    assert shell.run("push", file, "--yes", *QUICK).code == 0
    shell.monkeypatch.setenv("IMS_JOURNAL", str(shell.here / "empty.db"))
    words = "gstr2b compare --period 012025"
    plain, failing = both(shell, words)
    assert (plain.code, failing.code, SAID in failing.out) == (0, 3, True), failing.err


def test_what_a_simulator_left_in_the_journal_is_shown_and_not_counted(shell: Shell) -> None:
    """Once the environment names another gateway: as long as it names the simulator, that is asked."""
    pushed(shell)
    host = urlsplit(os.environ["IMS_BASE_URL"]).netloc
    due = shell.run("jobs", "list", FAIL, "--json")
    assert due.code == 3
    assert {"gstins": [shell.gstin], "not_counted": []}.items() <= due.json()["recompute_due"].items()
    for elsewhere in ("https://api.example.com", ""):
        shell.monkeypatch.setenv("IMS_BASE_URL", elsewhere)
        ended = shell.run("jobs", "list", FAIL)
        assert (ended.code, f"{SAID}{shell.gstin} at {host}, unless" in ended.out) == (0, True), ended.err
        assert f"{host} is on this machine, as simulators are: --fail-if-due does not count it" in ended.out
        found = shell.run("jobs", "list", FAIL, "--json")
        due = found.json()["recompute_due"]
        assert (found.code, due["gstins"], due["not_counted"]) == (0, [], [shell.gstin])
