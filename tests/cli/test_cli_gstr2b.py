"""GSTR-2B in the shell: computed anew, and where it is due."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import shlex
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import attrs
import pytest

from ims_async import JobKind, JobToken, rules, tables
from ims_async.bulk import TaxpayerReport
from ims_async.cli.inputs import environment
from ims_async.cli.output import statements
from ims_async.journal import Change, SqliteJournal
from ims_async.rules.periods import last_drafted
from ims_async.simulator import Fault
from tests.cli.cli_shell import (
    QUICK,
    Shell,
    accept,
    commands_in,
    read_rows,
    reject,
    shell_of,
)

PERIOD = "012025"
WHOM = ("--period", PERIOD)


shell = shell_of(taxpayers=3, invoices=12)


vayana = shell_of("vayana", invoices=12)


def of_the_period(shell: Shell) -> list[str]:
    """Whose GSTR-2B changes when the records of its period are rejected."""
    before = {gstin: shell.sim.returns.documents(gstin, PERIOD) for gstin in shell.sim.gstins}
    return [
        gstin for gstin, documents in before.items() if any(one.fields.get("imsStatus") for one in documents)
    ]


# -- computed anew ---------------------------------------------------------------------------------------


def test_it_is_computed_anew_for_one_and_its_job_is_named(shell: Shell) -> None:
    """The taxpayer of IMS_GSTIN, asked once; a table, a sentence, exit code 0."""
    shell.sim.returns.regenerations.clear()
    file, _ = shell.decided(reject)
    assert shell.run("push", file, "--yes", *QUICK).code == 0
    ended = shell.run("gstr2b", "regenerate", *WHOM, "--yes", *QUICK)
    assert ended.code == 0, ended.err
    assert shell.recomputed == [shell.gstin]
    assert f"GSTR-2B of {PERIOD} for 1 taxpayer: 1 " in ended.out
    assert shell.run("gstr2b", "regenerate", *WHOM, "--yes", "--json", *QUICK).json()["taxpayers"] == {
        shell.gstin: {
            "ok": True, "outcome": "nothing changed", "not_before": None, "code": "", "reason": "",
            "unchanged": True,
        }
    }  # fmt: skip


@pytest.mark.parametrize("how", ["options", "list", "file", "folder"])
def test_many_are_named_as_everywhere(shell: Shell, how: str) -> None:
    """By options, a list, or files of a pull; each is asked for once, in one run that the journal has."""
    match how:
        case "options":
            words = shell.named()
        case "list":
            (shell.here / "clients.txt").write_text("\n".join(shell.sim.gstins))
            words = ["--gstins", "clients.txt"]
        case "file":
            words = [str(shell.pulled_all())]
        case _:
            words = [str(shell.pulled_all("all/"))]
    ended = shell.run(
        "gstr2b", "regenerate", *WHOM, *words, "--yes", "--run", "x", "--report", "r.csv", *QUICK
    )
    assert ended.code == 0, ended.err
    assert sorted(shell.recomputed) == sorted(shell.sim.gstins)
    rows = read_rows(shell.here / "r.csv")
    assert {row["GSTIN"]: row["outcome"] for row in rows} == dict.fromkeys(
        shell.sim.gstins, "nothing changed"
    )
    assert "What came of each is in r.csv." in ended.out
    again = shell.run("gstr2b", "regenerate", *WHOM, *words, "--yes", "--run", "x", "--json", *QUICK)
    assert (again.code, len(shell.recomputed), len(again.json()["taxpayers"])) == (0, 3, 3)
    found = shell.run("jobs", "list", "--run", "x", "--json").json()
    assert {job["period"] for job in found["jobs"]} == {PERIOD}
    assert shell.run("jobs", "resume", "x", *QUICK).out.count("nothing changed") == 4  # a line each, the sum
    assert len(shell.recomputed) == 3


def test_of_one_that_is_refused_the_date_is_told_and_the_others_go_on(shell: Shell) -> None:
    """Exit code 1; the date in the table, the JSON and the file."""
    acme, *others = shell.sim.gstins
    answer = {"error": {"error_cd": "IMS2B009", "message": "Kindly generate 2b after 14/02/2025"}}
    answer["status_cd"] = "0"  # type: ignore[assignment]
    shell.sim.script_answer("regenerate", 200, {"code": 200, "data": answer})
    words = (*WHOM, "--gstin", acme, "--gstin", others[0], "--concurrency", 1, "--yes", *QUICK)
    ended = shell.run("gstr2b", "regenerate", *words, "--report", "r.csv")
    assert ended.code == 1
    assert f"{acme}  not before 14-02-2025  IMS2B009: Kindly generate 2b after 14/02/2025" in ended.out
    assert "1 not before 14-02-2025, 1 nothing changed." in ended.out
    line = read_rows(shell.here / "r.csv")[0]
    assert (line["GSTIN"], line["not before"], line["code"]) == (acme, "14-02-2025", "IMS2B009")
    shell.sim.script_answer("regenerate", 200, {"code": 200, "data": answer})
    moved = shell.run("gstr2b", "regenerate", *WHOM, "--yes", "--json", *QUICK)
    facts = moved.json()["taxpayers"][acme]
    assert (moved.code, facts["ok"], facts["not_before"]) == (1, False, "2025-02-14")


@pytest.mark.parametrize("words", ["gstr2b regenerate --yes --period", "push a.csv --yes --regenerate"])
@pytest.mark.parametrize(
    ("today", "period", "told"),
    [
        (dt.date(2025, 2, 14), "092024", "period 092024 is before IMS, which began with that of October"),
        (dt.date(2025, 2, 13), PERIOD, f"GSTR-2B of {PERIOD} is drafted on 14-02-2025: until then"),
        (dt.date(2025, 2, 14), PERIOD, ""),
    ],
)
def test_a_period_that_can_only_be_refused_is_refused_before_anything_is_sent(
    shell: Shell, words: str, today: dt.date, period: str, told: str
) -> None:
    """Exit code 2, and no request; the decisions are not sent either. From the 14th on it is asked for."""
    shell.decided(accept, name="a.csv")
    shell.monkeypatch.setattr(rules, "india_date", lambda _: today)
    before = len(shell.sim.requests)
    ended = shell.run(*words.split(), period, *QUICK)
    if told:
        assert (ended.code, told in ended.err, ended.err.count("\n")) == (2, True, 1), ended.err
        assert len(shell.sim.requests) == before
    else:
        assert (ended.code, shell.recomputed) == (0, [shell.gstin]), ended.err


def test_what_goes_wrong_is_told_by_taxpayer(shell: Shell) -> None:
    """A session that has ended, and an answer that is lost: the rest is done."""
    acme, beta, gamma = shell.sim.gstins
    assert of_the_period(shell)
    for person in (acme, beta, gamma):
        file, _ = shell.decided(reject, "--gstin", person, name=f"{person}.csv")
        assert shell.run("push", file, "--yes", *QUICK).code == 0
    shell.sim.script_fault("regenerate", Fault.drop_after(), gstin=gamma)
    shell.sim.end_session(acme)
    ended = shell.run("gstr2b", "regenerate", *WHOM, *shell.named(), "--yes", "--json", *QUICK)
    assert ended.code == 1
    found = {gstin: facts["outcome"] for gstin, facts in ended.json()["taxpayers"].items()}
    assert found.pop(acme) == "error"
    assert set(found.values()) <= {"computed anew", "nothing changed"}
    assert "ims-async login" in ended.json()["taxpayers"][acme]["reason"]


def test_of_a_computation_that_fails_the_reason_is_told(shell: Shell) -> None:
    """GSTN's code and words, in the table, the JSON and the file; it may be asked for again."""
    refusal = {"status_cd": "ER", "err_cd": "RET12501", "err_msg": "System failure"}
    file, _ = shell.decided_all(reject)
    assert shell.run("push", file, "--yes", *QUICK).code == 0
    acme, beta = (gstin for gstin in shell.sim.gstins if gstin in of_the_period(shell))
    words = ("gstr2b", "regenerate", *WHOM, "--gstin", acme, "--gstin", beta, "--concurrency", 1, "--yes")
    shell.sim.script_status(None, refusal)
    ended = shell.run(*words, "--report", "r.csv", *QUICK)
    assert (ended.code, f"{acme}  failed         RET12501 System failure" in ended.out) == (1, True), (
        ended.out
    )
    assert f"GSTR-2B of {PERIOD} is due to be computed anew for {acme}," in ended.out
    line = read_rows(shell.here / "r.csv")[0]
    assert (line["GSTIN"], line["outcome"], line["code"]) == (acme, "failed", "RET12501")
    facts = shell.run(*words, "--json", *QUICK).json()
    assert (facts["ok"], facts["recompute_due"]["gstins"]) == (True, [])


def test_with_confirm_it_is_read_before_and_after(shell: Shell) -> None:
    """The day, the checksum, and what changed in the credit, by head."""
    acme = of_the_period(shell)[0]
    file, _ = shell.decided(reject, "--gstin", acme)
    assert shell.run("push", file, "--yes", *QUICK).code == 0
    before = shell.sim.count("gstr2b")
    ended = shell.run("gstr2b", "regenerate", *WHOM, "--gstin", acme, "--yes", "--confirm", "--json", *QUICK)
    facts = ended.json()["taxpayers"][acme]
    assert (facts["outcome"], facts["changed"]) == ("computed anew", True)
    assert shell.sim.count("gstr2b") - before == 2
    change = {
        head: Decimal(facts["credit"][head]) - Decimal(facts["credit_before"][head])
        for head in facts["credit"]
    }
    assert {head: Decimal(amount) for head, amount in facts["credit_change"].items()} == change
    assert any(change.values())


def test_those_for_whom_it_is_due_are_known_by_the_journal(shell: Shell) -> None:
    """After a push since the draft, until it is computed anew; `--dry-run` asks for nothing."""
    none = shell.run("gstr2b", "regenerate", *WHOM, "--due", "--yes")
    assert (none.code, none.out) == (0, f"No GSTR-2B of {PERIOD} is due to be computed anew.\n")
    acme, beta, _ = shell.sim.gstins
    for gstin in (acme, beta):
        file, _ = shell.decided(accept, "--gstin", gstin, name=f"{gstin}.csv")
        assert shell.run("push", file, "--yes", *QUICK).code == 0
    shown = shell.run("gstr2b", "regenerate", *WHOM, "--due", "--dry-run", "--json")
    assert (shown.code, shown.json()["would_ask"], shell.recomputed) == (0, [acme, beta], [])
    assert beta in shell.run("gstr2b", "regenerate", *WHOM, "--due", "--dry-run").out
    only = shell.run("gstr2b", "regenerate", *WHOM, "--due", *shell.named(beta), "--dry-run", "--json")
    assert only.json()["would_ask"] == [acme]
    assert shell.run("gstr2b", "regenerate", *WHOM, "--due", "--yes", *QUICK).code == 0
    assert sorted(shell.recomputed) == sorted([acme, beta])
    assert shell.run("gstr2b", "regenerate", *WHOM, "--due", "--dry-run", "--json").json()["would_ask"] == []


def test_whose_gstr_3b_is_filed_is_left_out_if_that_is_asked(shell: Shell) -> None:
    """Two requests each, only then; without it the gateway refuses."""
    acme, *others = shell.sim.gstins
    shell.sim.returns.file_gstr3b(acme, PERIOD)
    told = shell.run("gstr2b", "regenerate", *WHOM, *shell.named(), "--yes", "--json", *QUICK)
    assert (told.code, told.json()["taxpayers"][acme]["code"]) == (1, "IMS2B007")
    assert shell.sim.count("track") == 0
    words = (*WHOM, *shell.named(), "--ask-filing", "--yes", "--report", "r.csv", *QUICK)
    ended = shell.run("gstr2b", "regenerate", *words)
    assert (ended.code, shell.sim.count("track")) == (0, 3)
    assert f"{acme} is left out: GSTR-3B of {PERIOD} was filed on " in ended.err
    assert sorted(shell.recomputed[-2:]) == sorted(others)
    left = [row for row in read_rows(shell.here / "r.csv") if row["outcome"] == "left out"]
    assert [row["GSTIN"] for row in left] == [acme]


def test_the_report_is_written_where_nothing_is_asked_for(shell: Shell) -> None:
    """Nobody is left, or it is a rehearsal: whoever reads the file finds each taxpayer in it."""
    for gstin in shell.sim.gstins:
        shell.sim.returns.file_gstr3b(gstin, PERIOD)
    words = ("gstr2b", "regenerate", *WHOM, *shell.named(), "--report", "r.csv", "--overwrite")
    for more, outcome in ((("--ask-filing", "--yes"), "left out"), (("--dry-run",), "not asked for")):
        ended = shell.run(*words, *more)
        assert (ended.code, "What came of each is in r.csv." in ended.out) == (0, True), ended.err
        rows = {row["GSTIN"]: row["outcome"] for row in read_rows(shell.here / "r.csv")}
        assert rows == dict.fromkeys(shell.sim.gstins, outcome)
    assert shell.recomputed == []


def test_what_goes_on_with_a_run_has_gstr_2b_computed_anew_too(shell: Shell) -> None:
    """The command that `jobs resume` names for what was not sent yet."""
    file, _ = shell.decided_all(reject)
    words = ("push", file, "--yes", "--regenerate", PERIOD, "--run", "y", "--concurrency", 1, *QUICK)
    assert shell.run_until("GSTR-2B: ", *words).code == 130
    (command,) = [
        words for words in commands_in(shell.run("jobs", "resume", "y", *QUICK).out) if "FILES" in words
    ]
    assert command == ["push", "FILES", "--run", "y", "--regenerate", PERIOD]
    assert shell.run("push", file, *command[2:], "--yes", *QUICK).code == 0
    assert sorted(shell.recomputed) == sorted(shell.sim.gstins)


def test_a_person_is_asked_before_it(shell: Shell) -> None:
    """It is billed: no is no, and without a terminal nothing is asked for."""
    ended = shell.run("gstr2b", "regenerate", *WHOM, *shell.named())
    assert (ended.code, "pass --yes" in ended.err) == (2, True)
    questions: list[str] = []
    shell.monkeypatch.setattr(environment, "at_terminal", lambda: True)
    shell.monkeypatch.setattr("typer.confirm", lambda question, err: questions.append(question))
    ended = shell.run("gstr2b", "regenerate", *WHOM, *shell.named())
    assert questions == [f"Have GSTR-2B of {PERIOD} computed anew for 3 taxpayers?"]
    assert (ended.code, ended.err, shell.recomputed) == (1, "Nothing was asked for.\n", [])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("regenerate", "--period", "2025-01", "--yes"), "2025-01"),
        (("regenerate", *WHOM, "--run", " ", "--yes"), "is no name"),
        (("pull", "--period", "132025", "--out", "a.csv"), "132025"),
        (("pull", *WHOM, "--out", "a.csv", "--format", "json"), "--format is for"),
        (("pull", *WHOM, "--out", "a.doc"), ".doc files are not supported"),
        (("pull", *WHOM, "--out", "a.csv", "--report", "a.csv"), "name another file for --report"),
    ],
)
def test_bad_input_is_refused_before_anything_is_asked(
    shell: Shell, words: tuple[str, ...], told: str
) -> None:
    """Exit code 2, and one sentence."""
    before = len(shell.sim.requests)
    ended = shell.run("gstr2b", *words)
    assert (ended.code, ended.err.count("\n"), told in ended.err) == (2, 1, True), ended.err
    assert len(shell.sim.requests) == before


def test_a_run_that_is_stopped_goes_on_by_the_command_that_it_names(shell: Shell) -> None:
    """Ctrl-C while the gateway is at work; nothing is asked for twice."""
    file, _ = shell.decided(reject)
    assert shell.run("push", file, "--yes", *QUICK).code == 0
    regenerates = shell.run_until(
        "Submitted as job", "gstr2b", "regenerate", *WHOM, "--yes", "--first-poll", "60"
    )
    assert regenerates.code == 130
    assert "Of 0 of 1 taxpayer it is known what came of GSTR-2B." in regenerates.err
    go_on = [words for words in commands_in(regenerates.err) if words[:2] == ["gstr2b", "regenerate"]][-1]
    assert go_on[2] == "--run"
    ended = shell.run("gstr2b", "regenerate", "--first-poll", "0", *go_on[2:-2])
    assert (ended.code, shell.recomputed) == (0, [shell.gstin]), ended.err


# -- where it is due -------------------------------------------------------------------------------------


def test_after_a_push_it_is_said_to_be_due_until_it_is_done(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the report of the push and in the list of jobs, with the command; the exit code stays 0."""
    assert "is due" not in shell.run("jobs", "list").out
    file, _ = shell.decided(accept)
    pushed = shell.run("push", file, "--yes", *QUICK)
    listed = shell.run("jobs", "list")
    for ended in (pushed, listed):
        assert ended.code == 0
        assert f"is due to be computed anew for {shell.gstin}, unless GSTR-3B of it is filed: `" in ended.out
    (words,) = [words for words in commands_in(listed.out) if words[0] == "gstr2b"]
    due = shell.run("jobs", "list", "--json").json()["recompute_due"]
    period = words[words.index("--period") + 1]
    assert due == {"period": period, "gstins": [shell.gstin], "not_counted": []}
    with monkeypatch.context() as elsewhere:  # another host would say that nothing is due
        host = urlsplit(os.environ["IMS_BASE_URL"]).netloc
        elsewhere.setenv("IMS_BASE_URL", "https://other.example")
        assert f"anew for {shell.gstin} at {host}, unless" in shell.run("jobs", "list").out
    shell.sim.script_answer(
        "regenerate", 200, {"code": 200, "data": {"data": {"reference_id": "R"}, "status_cd": "1"}}
    )
    shell.sim.script_answer(
        "regeneration",
        200,
        {"code": 200, "data": {"data": {"status_cd": "P", "err_cd": "", "err_msg": ""}, "status_cd": "1"}},
    )
    assert shell.run(*words, "--yes", *QUICK).code == 0
    assert "is due" not in shell.run("jobs", "list").out
    assert shell.run("jobs", "list", "--json").json()["recompute_due"]["gstins"] == []


# -- Vayana, which documents no such route ---------------------------------------------------------------


@pytest.mark.parametrize("words", ["gstr2b regenerate --yes --period", "push a.csv --yes --regenerate"])
def test_vayana_has_no_route_and_says_so(vayana: Shell, words: str) -> None:
    """A sentence in the shell's words, exit code 1, and no request."""
    before = len(vayana.sim.requests)
    ended = vayana.run(*shlex.split(words), PERIOD)
    assert (ended.code, ended.err.count("\n")) == (1, 1)
    assert ended.err.startswith("Error: Vayana documents no route by which GSTR-2B is computed anew: have it")
    assert len(vayana.sim.requests) == before


def test_at_vayana_it_is_due_on_the_portal_and_can_be_pulled(vayana: Shell) -> None:
    """No command is named that would be refused."""
    file, _ = vayana.decided(accept)
    pushed = vayana.run("push", file, "--yes", *QUICK)
    assert (pushed.code, "have it computed on the GST portal." in pushed.out) == (0, True)
    assert "have it computed on the GST portal." in vayana.run("jobs", "list").out
    ended = vayana.run("gstr2b", "pull", *WHOM, "--out", "a.json")
    assert ended.code == 0, ended.err
    assert len(tables.read_gstr2b("a.json").documents) == len(
        vayana.sim.returns.documents(vayana.gstin, PERIOD)
    )


# -- what is left of it, and its period ------------------------------------------------------------------


def test_one_whose_answer_was_lost_is_asked_for_again(shell: Shell) -> None:
    """`jobs resume` sends nothing, and names the command that does; nothing blocks the next push."""
    asyncio.run(lose(shell))
    listed = shell.run("jobs", "list")
    assert "ask for it again" in listed.out
    resumed = shell.run("jobs", "resume", *QUICK)
    assert (resumed.code, shell.recomputed) == (1, [])
    assert f"{shell.gstin}  unknown" in resumed.out
    words = next(words for words in commands_in(resumed.out) if words[:2] == ["gstr2b", "regenerate"])
    again = shell.run(*words, "--yes", *QUICK)
    assert (again.code, set(shell.recomputed)) == (0, {shell.gstin}), again.err
    assert "ask for it again" not in shell.run("jobs", "list").out


async def lose(shell: Shell) -> None:
    """Leave a change as a process does that sent it and died before it knew more."""
    facts: dict[str, Any] = {"gsp": shell.gsp, "host": urlsplit(shell.sim.url).netloc, "gstin": shell.gstin}
    token = JobToken(**facts, kind=JobKind.REGENERATE, reference_id=None, submitted=0, period=PERIOD)
    file = shell.here / "state" / "ims-async" / "journal.db"
    async with SqliteJournal(file) as journal:
        change = await journal.add(Change(id="lost", token=token), [])
        sent = attrs.evolve(token, submitted_at=dt.datetime.now(dt.UTC))
        assert await journal.put((await journal.claim(change.claimed(sent))).change.lost())


def test_a_computation_that_has_not_ended_is_pending() -> None:
    """It is neither well nor wrong: `jobs resume` tells more."""
    token = JobToken(gsp="g", host="h", gstin="A", kind=JobKind.REGENERATE, reference_id="r", period=PERIOD)
    report = TaxpayerReport(gstin="A", pending=(token,))
    assert (statements.asked_for(report), statements.outcome_of(report)) == (True, "pending")
    assert not statements.asked_for(TaxpayerReport(gstin="A", handed_in=1, pending_count=1))
    save = attrs.evolve(token, kind=JobKind.SAVE, period="")
    assert not statements.asked_for(TaxpayerReport(gstin="A", pending=(save,)))


@pytest.mark.parametrize(
    ("day", "period"),
    [((2026, 11, 13), "092026"), ((2026, 11, 14), "102026"), ((2026, 12, 31), "112026"),
     ((2027, 1, 1), "112026"), ((2027, 1, 14), "122026")],
)  # fmt: skip
def test_the_last_draft_is_that_of_the_14th(day: tuple[int, int, int], period: str) -> None:
    """Of the month before, from that day on."""
    assert last_drafted(dt.date(*day)) == period
