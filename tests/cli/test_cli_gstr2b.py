"""GSTR-2B in the shell: computed anew, where it is due, what changed; and written to files."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import shlex
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import pytest

from ims_async import InvalidInput, JobKind, JobToken, rules, tables
from ims_async.bulk import Gstr2bProof, TaxpayerReport
from ims_async.cli.inputs import environment
from ims_async.cli.output import statements
from ims_async.cli.output.next_commands import Commands
from ims_async.journal import Change, SqliteJournal
from ims_async.model.gstr2b import Gstr2b, TaxAmounts
from ims_async.rules.periods import last_drafted
from ims_async.simulator import Fault
from ims_async.simulator.http import write
from tests.cli.cli_shell import (
    QUICK,
    Shell,
    accept,
    commands_in,
    fill_in,
    opened,
    read_rows,
    reject,
    shell_of,
    write_rows,
)

PERIOD = "012025"
WHOM = ("--period", PERIOD)


shell = shell_of(taxpayers=3, invoices=12)


vayana = shell_of("vayana", invoices=12)


def asked(shell: Shell) -> list[str]:
    """Whose GSTR-2B the portal was asked to compute anew, in order."""
    return [one.gstin for one in shell.sim.returns.regenerations]


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
    assert asked(shell) == [shell.gstin]
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
    assert sorted(asked(shell)) == sorted(shell.sim.gstins)
    rows = read_rows(shell.here / "r.csv")
    assert {row["GSTIN"]: row["outcome"] for row in rows} == dict.fromkeys(
        shell.sim.gstins, "nothing changed"
    )
    assert "What came of each is in r.csv." in ended.out
    again = shell.run("gstr2b", "regenerate", *WHOM, *words, "--yes", "--run", "x", "--json", *QUICK)
    assert (again.code, len(asked(shell)), len(again.json()["taxpayers"])) == (0, 3, 3)
    found = shell.run("jobs", "list", "--run", "x", "--json").json()
    assert {job["period"] for job in found["jobs"]} == {PERIOD}
    assert shell.run("jobs", "resume", "x", *QUICK).out.count("nothing changed") == 4  # a line each, the sum
    assert len(asked(shell)) == 3


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
        assert (ended.code, asked(shell)) == (0, [shell.gstin]), ended.err


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
    assert (shown.code, shown.json()["would_ask"], asked(shell)) == (0, [acme, beta], [])
    assert beta in shell.run("gstr2b", "regenerate", *WHOM, "--due", "--dry-run").out
    only = shell.run("gstr2b", "regenerate", *WHOM, "--due", *shell.named(beta), "--dry-run", "--json")
    assert only.json()["would_ask"] == [acme]
    assert shell.run("gstr2b", "regenerate", *WHOM, "--due", "--yes", *QUICK).code == 0
    assert sorted(asked(shell)) == sorted([acme, beta])
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
    assert sorted(asked(shell)[-2:]) == sorted(others)
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
    assert asked(shell) == []


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
    assert sorted(asked(shell)) == sorted(shell.sim.gstins)


def test_a_person_is_asked_before_it(shell: Shell) -> None:
    """It is billed: no is no, and without a terminal nothing is asked for."""
    ended = shell.run("gstr2b", "regenerate", *WHOM, *shell.named())
    assert (ended.code, "pass --yes" in ended.err) == (2, True)
    questions: list[str] = []
    shell.monkeypatch.setattr(environment, "at_terminal", lambda: True)
    shell.monkeypatch.setattr("typer.confirm", lambda question, err: questions.append(question))
    ended = shell.run("gstr2b", "regenerate", *WHOM, *shell.named())
    assert questions == [f"Have GSTR-2B of {PERIOD} computed anew for 3 taxpayers?"]
    assert (ended.code, ended.err, asked(shell)) == (1, "Nothing was asked for.\n", [])


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
    assert (ended.code, asked(shell)) == (0, [shell.gstin]), ended.err


# -- the month end of many in one command ----------------------------------------------------------------


def test_a_push_ends_with_it_and_shows_what_changed_in_the_credit(shell: Shell) -> None:
    """By GSTIN and head, with a sum; and nothing is due then."""
    file, _ = shell.decided_all(reject)
    before = {gstin: shell.sim.returns.documents(gstin, PERIOD) for gstin in shell.sim.gstins}
    ended = shell.run("push", file, "--yes", "--regenerate", PERIOD, "--json", *QUICK)
    assert ended.code == 0, ended.err
    found = ended.json()
    assert sorted(asked(shell)) == sorted(shell.sim.gstins)
    assert found["recompute_due"] == {"period": PERIOD, "gstins": []}
    changed = {gstin for gstin, facts in found["taxpayers"].items() if facts["gstr2b"]["changed"]}
    assert changed == {
        gstin for gstin in before if before[gstin] != shell.sim.returns.documents(gstin, PERIOD)
    }
    assert changed
    for gstin in changed:
        assert any(map(Decimal, found["taxpayers"][gstin]["gstr2b"]["credit_change"].values()))
    table = shell.run(
        "push", shell.decided_all(accept_rejected, "b.csv")[0], "--yes", "--regenerate", PERIOD, *QUICK
    )
    assert table.code == 0, table.err
    assert f"Credit by GSTR-2B of {PERIOD} in rupees, and what changed" in table.out
    assert "all 3" in table.out.partition("Credit by")[2]


def test_what_changed_in_the_credit_is_shown_of_everybody() -> None:
    """Hundreds, too: those of which something changed first, and the sum."""
    gained = TaxAmounts(igst=Decimal(1))
    parts = [
        TaxpayerReport(
            gstin=f"{place:015d}",
            gstr2b_proof=Gstr2bProof(
                credit_before=TaxAmounts(), credit=gained if place % 2 else TaxAmounts()
            ),
        )
        for place in range(300)
    ]
    shown = statements.credit_table(PERIOD, parts)
    assert shown is not None
    (whose, *_, change) = ([*column.cells] for column in shown.columns)
    assert sorted(map(str, whose)) == sorted([*(one.gstin for one in parts), "all 300"])
    assert [*map(str, change)] == ["1.00"] * 150 + ["0.00"] * 150 + ["150.00"]


def test_the_report_of_a_push_names_where_the_credit_is(shell: Shell) -> None:
    """It has the records; the credit is in `--json`."""
    file, _ = shell.decided(reject)
    words = ("push", file, "--yes", "--report", "r.csv", *QUICK)
    ended = shell.run(*words, "--regenerate", PERIOD)
    assert (ended.code, ended.out.splitlines()[-1]) == (
        0, "The credit by GSTR-2B is not in r.csv: --json has it, of each taxpayer."
    ), ended.err  # fmt: skip
    assert "credit" not in shell.run(*words, "--overwrite").out


def test_of_a_run_that_is_called_again_the_credit_is_that_of_after(shell: Shell) -> None:
    """What it was before is not known any more, which is said, with the command that compares it."""
    draft = shell.run("gstr2b", "pull", *WHOM, *shell.named(), "--out", "draft/", "--format", "json")
    assert draft.code == 0, draft.err
    file, _ = shell.decided_all(reject)
    words = ("push", file, "--yes", "--regenerate", PERIOD, "--run", "y", *QUICK)
    first = shell.run(*words)
    assert (first.code, "is not known" in first.out) == (0, False), first.err
    again = shell.run(*words)
    assert again.code == 0, again.err
    assert "what changed" not in again.out
    assert f"Credit by GSTR-2B of {PERIOD} in rupees, as it is now" in again.out
    assert "What the credit was before is not known for 3 taxpayers: an earlier part of the run" in again.out
    (total,) = [line.split()[-1] for line in again.out.splitlines() if line.startswith("all 3 ")][-1:]
    (line,) = [line for line in first.out.partition("Credit by")[2].splitlines() if line.startswith("all 3 ")]
    assert total == line.split()[3]  # after "all", "3" and what was before
    found = shell.run(*words, "--json").json()["taxpayers"]
    assert {one["gstr2b"]["credit_change"] for one in found.values()} == {None}
    assert all(one["gstr2b"]["credit"] and one["gstr2b"]["checksum"] for one in found.values())
    (command,) = [words for words in commands_in(again.out) if words[:2] == ["gstr2b", "compare"]]
    compared = shell.run(*["draft/" if word == "FILE_OR_FOLDER" else word for word in command])
    assert (compared.code, "before" in compared.out) == (0, True), compared.err


def test_a_statement_that_cannot_be_read_once_it_was_computed_is_said(shell: Shell) -> None:
    """With the command that reads it; the run called again shows it."""
    file, _ = shell.decided(reject)
    answer = {"error": {"error_cd": "RET2B1023", "message": "No."}, "status_cd": "0"}
    for _ in range(2):  # before, and after
        shell.sim.script_answer("gstr2b", 200, {"code": 200, "data": answer})
    words = ("push", file, "--yes", "--regenerate", PERIOD, "--run", "y", *QUICK)
    ended, again = shell.run(*words), shell.run(*words)
    told = f"Once computed, GSTR-2B of {PERIOD} could not be read for 1 taxpayer: try `ims-async gstr2b pull"
    for one, unread in ((ended, True), (again, False)):
        assert (one.code, told in one.out, "as it is now" in one.out) == (0, unread, not unread), one.err
    (command,) = [found for found in commands_in(ended.out) if found[:2] == ["gstr2b", "pull"]]
    assert shell.run(*command).code == 0


def test_of_very_many_whose_credit_before_is_not_known_each_is_shown() -> None:
    """And the sum; the command that compares names a file."""
    credit = {f"{place:015}": TaxAmounts(igst=Decimal(place)) for place in range(300)}
    cells = [*statements.credit_now_table(PERIOD, credit).columns[-1].cells]
    assert (len(cells), str(cells[-1])) == (301, f"{sum(range(300)):,}.00")
    assert "--gstins FILE --before FILE_OR_FOLDER" in Commands().compare_with_before(PERIOD, *credit)


def accept_rejected(row: dict[str, str]) -> str:
    """Accept what was rejected, but for notes, which need more words."""
    return "A" if row["action when pulled"] == "R" and "cn" not in row["section"] else ""


def test_what_is_wrong_with_it_is_told_beside_the_records(shell: Shell) -> None:
    """All records are applied; the exit code is 1, and it stays due."""
    file, _ = shell.decided(accept)
    shell.sim.returns.file_gstr3b(shell.gstin, "122024")
    file = shell.pulled("again.csv")
    assert fill_in(file, accept)
    ended = shell.run("push", file, "--yes", "--regenerate", "122024", *QUICK)
    assert ended.code == 1
    assert "Every record was applied." in ended.out
    assert "GSTR-2B of 122024 for 1 taxpayer: 1 refused." in ended.out
    assert f"is due to be computed anew for {shell.gstin}, unless GSTR-3B of it is filed" in ended.out


def test_a_push_takes_one_period_only(shell: Shell) -> None:
    """Two are refused before anything is asked: not the first of them, silently."""
    shell.decided(accept, name="a.csv")
    before = len(shell.sim.requests)
    ended = shell.run("push", "a.csv", "--regenerate", "122024", "--regenerate", PERIOD, "--yes", *QUICK)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "--regenerate is given more than once: a push has GSTR-2B of one period" in ended.err
    assert len(shell.sim.requests) == before


def test_it_is_asked_for_in_the_question(shell: Shell) -> None:
    """A person says yes to both, or no to both."""
    file, _ = shell.decided(accept)
    questions: list[str] = []
    shell.monkeypatch.setattr(environment, "at_terminal", lambda: True)
    shell.monkeypatch.setattr("typer.confirm", lambda question, err: questions.append(question))
    assert shell.run("push", file, "--regenerate", PERIOD, *QUICK).code == 1
    assert questions[0].endswith(f" for {shell.gstin}, and have GSTR-2B of {PERIOD} computed anew?")
    assert (asked(shell), shell.sim.count("save")) == ([], 0)


def test_where_all_stands_already_it_is_said_that_it_was_not_asked_for(shell: Shell) -> None:
    """With the command that asks for it; while it is due, by the journal, that is not well."""
    file, _ = shell.decided(accept)
    assert shell.run("push", file, "--yes", *QUICK).code == 0
    words = ("push", file, "--yes", "--regenerate", PERIOD, *QUICK)
    due = {"period": PERIOD, "gstins": [shell.gstin]}
    found = shell.run(*words, "--json")
    assert (found.code, found.json()["ok"], found.json()["recompute_due"]) == (1, False, due)
    ended = shell.run(*words)
    assert (ended.code, asked(shell)) == (1, [])
    assert f"GSTR-2B of {PERIOD} is due to be computed anew for {shell.gstin}" in ended.out
    (command,) = [words for words in commands_in(ended.out) if words[0] == "gstr2b"]
    assert shell.run(*command, "--yes", *QUICK).code == 0
    ended = shell.run(*words)
    assert (ended.code, len(asked(shell))) == (0, 1)
    assert f"GSTR-2B of {PERIOD} was not asked for: `ims-async gstr2b regenerate " in ended.out


def test_of_many_those_that_stand_already_are_said_to_be_due(shell: Shell) -> None:
    """A push that is repeated, since GSTR-2B of one was not computed: that is not lost."""
    file, _ = shell.decided_all(reject)
    acme = shell.gstin
    write_rows(shell.here / "acme.csv", [row for row in read_rows(file) if row["GSTIN"] == acme])
    assert shell.run("push", "acme.csv", "--yes", *QUICK).code == 0
    ended = shell.run("push", file, "--yes", "--regenerate", PERIOD, "--json", *QUICK)
    assert (ended.code, acme in asked(shell), len(asked(shell))) == (1, False, 2)
    assert ended.json()["recompute_due"] == {"period": PERIOD, "gstins": [acme]}


def test_the_command_for_many_names_their_files() -> None:
    """Or a list of them that a person makes; of a few it names each."""
    few, many = ["27AAPFU0939F1ZV"] * 5, ["27AAPFU0939F1ZV"] * 6
    command = "ims-async gstr2b regenerate --period 012025"
    assert Commands().regenerate(PERIOD, *many, files=[Path("a.csv"), Path("b")]) == f"{command} a.csv b"
    assert Commands().regenerate(PERIOD, *many) == f"{command} --gstins FILE"
    assert Commands().regenerate(PERIOD, *few, files=[Path("a.csv")]).count("--gstin ") == 5


def test_one_without_a_session_is_said_once(shell: Shell) -> None:
    """And not that there was nothing to do."""
    other = "29AAACQ3770E1ZF"
    ended = shell.run("gstr2b", "regenerate", *WHOM, "--gstin", other, "--yes", *QUICK)
    assert (ended.code, ended.err.count(f"{other}: there is no session for this taxpayer")) == (1, 1)
    assert "nothing to do" not in ended.err


def test_one_that_was_computed_before_the_last_push_is_not_called_up_to_date(shell: Shell) -> None:
    """A run that goes on with more decisions: what came of it before them does not hold any more."""
    file, _ = shell.decided(reject)
    rows = read_rows(file)
    for name, part in (("a.csv", rows[:6]), ("b.csv", rows[6:])):
        write_rows(shell.here / name, part)
    words = ("--yes", "--run", "x", *QUICK)
    first = shell.run("push", "a.csv", *words, "--regenerate", PERIOD, "--json")
    assert first.json()["taxpayers"][shell.gstin]["gstr2b"]["ok"]
    ended = shell.run("push", "b.csv", *words)
    assert (ended.code, "1 changed since." in ended.out) == (0, True), ended.out
    facts = shell.run("jobs", "resume", "x", "--json", *QUICK).json()["taxpayers"][shell.gstin]["gstr2b"]
    assert (facts["ok"], facts["outcome"]) == (False, "changed since")
    last = shell.run("push", "b.csv", *words, "--regenerate", PERIOD, "--json").json()
    assert last["taxpayers"][shell.gstin]["gstr2b"]["ok"]


def test_a_computation_is_judged_apart_from_the_decisions_of_its_run(shell: Shell) -> None:
    """Of the run of a push in which records were refused: it is up to date all the same."""
    file, _ = shell.decided(accept)
    refusal = {"proc_cnt": "0", "err_cnt": "1", "status_cd": "PE", "transTypCd": "SAV"}
    shell.sim.script_status(None, {**refusal, "err_cd": "", "err_msg": ""})
    assert shell.run("push", file, "--yes", "--run", "x", *QUICK).code == 1
    ended = shell.run("gstr2b", "regenerate", *WHOM, "--yes", "--run", "x", *QUICK)
    assert (ended.code, "1 nothing changed." in ended.out) == (0, True), ended.err


@pytest.mark.parametrize("words", ["gstr2b regenerate --period", "push acme.csv --regenerate"])
def test_a_run_is_of_one_gstr_2b(shell: Shell, words: str) -> None:
    """Its name for another period is refused, or what came of one would be taken for the other's."""
    shell.decided(accept)
    assert shell.run("gstr2b", "regenerate", *WHOM, "--yes", "--run", "x", *QUICK).code == 0
    before = len(shell.sim.requests)
    ended = shell.run(*shlex.split(words), "122024", "--yes", "--run", "x", *QUICK)
    assert (ended.code, len(shell.sim.requests)) == (2, before)
    assert "run 'x' is of GSTR-2B of 012025: name another run for that of 122024" in ended.err


def test_at_the_test_host_it_is_said_that_its_answers_are_examples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has failed for no other reason."""
    with opened(tmp_path, monkeypatch, capsys, canned=True) as shell:
        monkeypatch.setenv("IMS_TEST", "1")
        shell.with_token()
        ended = shell.run("gstr2b", "regenerate", *WHOM, "--yes", "--json", *QUICK)
    facts = ended.json()["taxpayers"][shell.gstin]
    assert (ended.code, facts["ok"], "figures are canned" in facts["reason"]) == (1, False, True)


def test_it_does_not_go_with_a_file_for_the_portal(shell: Shell) -> None:
    """Nothing is sent then."""
    ended = shell.run("push", "a.csv", "--from", "p.json", "--to", "u.json", "--regenerate", PERIOD)
    assert (ended.code, "--to sends nothing" in ended.err) == (2, True)


# -- where it is due -------------------------------------------------------------------------------------


def test_after_a_push_it_is_said_to_be_due_until_it_is_done(shell: Shell) -> None:
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
    assert due == {"period": words[words.index("--period") + 1], "gstins": [shell.gstin]}
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


# -- files -----------------------------------------------------------------------------------------------


def test_a_statement_is_written_by_the_suffix(shell: Shell) -> None:
    """A line for each document, whose credit adds up to the statement's; JSON has all of it."""
    for name in ("a.csv", "a.json"):
        ended = shell.run("gstr2b", "pull", *WHOM, "--out", name)
        assert ended.code == 0, ended.err
    whole = tables.read_gstr2b(shell.here / "a.json")
    assert Gstr2b.from_dict(whole.to_dict()) == whole
    assert (whole.gstin, whole.period) == (shell.gstin, PERIOD)
    documents = shell.sim.returns.documents(shell.gstin, PERIOD)
    rows = read_rows(shell.here / "a.csv")
    assert len(rows) == len(whole.documents) == len(documents) > 0
    sums = {
        head: sum(Decimal(row[f"credit {head}"]) for row in rows) for head in ("IGST", "CGST", "SGST", "cess")
    }
    heads = {head.lower(): Decimal(amount) for head, amount in sums.items()}
    assert TaxAmounts(**heads) == whole.credit
    assert f"{len(rows)} documents of 1 taxpayer are in a.json." in ended.out
    refused = shell.run("gstr2b", "pull", *WHOM, "--out", "a.json")
    assert (refused.code, "pass --overwrite" in refused.err) == (2, True)
    assert shell.run("gstr2b", "pull", *WHOM, "--out", "a.json", "--overwrite").code == 0


@pytest.mark.parametrize("ending", ["csv", "json", "xlsx", "parquet"])
def test_many_go_into_a_folder_or_into_one_table(shell: Shell, ending: str) -> None:
    """A file GSTIN.csv each; one that has none is named and skipped."""
    pytest.importorskip({"xlsx": "xlsxwriter", "parquet": "pyarrow"}.get(ending, "csv"))
    acme, *others = shell.sim.gstins
    shell.sim.returns.set_quarterly(acme)
    words = ("--period", "112024", *shell.named(), "--report", "left.csv")
    ended = shell.run("gstr2b", "pull", *words, "--out", "s/", "--format", ending)
    assert (ended.code, f"1 taxpayer skipped: {acme}." in ended.out) == (1, True), ended.err
    assert sorted(file.name for file in (shell.here / "s").iterdir()) == sorted(
        f"{one}.{ending}" for one in others
    )
    assert [row["GSTIN"] for row in read_rows(shell.here / "left.csv")] == [acme]
    one = shell.run("gstr2b", "pull", "--period", "112024", *shell.named(acme), "--out", f"all.{ending}")
    if ending == "json":
        assert (one.code, "can hold one statement" in one.err) == (2, True)
    else:
        assert (one.code, (shell.here / f"all.{ending}").exists()) == (0, True)


def test_a_file_that_cannot_be_written_stops_no_other(shell: Shell) -> None:
    """A spreadsheet holds it, say: its taxpayer is skipped, with the reason."""
    acme, *others = shell.sim.gstins
    write_gstr2b = tables.write_gstr2b

    def locked(target: Path, found: Gstr2b, *, overwrite: bool) -> int:
        if target.stem == acme:
            raise InvalidInput(f"{target} cannot be written: permission denied")
        return write_gstr2b(target, found, overwrite=overwrite)

    shell.monkeypatch.setattr(tables, "write_gstr2b", locked)
    words = ("gstr2b", "pull", *WHOM, *shell.named(), "--out", "s/", "--report", "left.csv")
    ended = shell.run(*words, "--concurrency", 1)
    assert (ended.code, f"1 taxpayer skipped: {acme}." in ended.out) == (1, True), ended.err
    assert f"{acme} is skipped: s/{acme}.csv cannot be written: permission denied" in ended.err
    assert sorted(file.stem for file in (shell.here / "s").iterdir()) == sorted(others)
    assert [row["GSTIN"] for row in read_rows(shell.here / "left.csv")] == [acme]


def test_where_there_is_none_it_is_said_what_to_do(shell: Shell) -> None:
    """In the words of the command line; of a program's advice nothing is left."""
    refusal = {
        "GTR2B-001": "last month of the quarter only",
        "GTR2B-002": "file it, then have GSTR-2B computed",
    }
    refusal |= {"RET2B1018": "the 14th of the month after", "RET2B1023": "ask again later"}
    for code, told in refusal.items():
        answer = {"error": {"error_cd": code, "message": "No."}, "status_cd": "0"}
        shell.sim.script_answer("gstr2b", 200, {"code": 200, "data": answer})
        ended = shell.run("gstr2b", "pull", *WHOM, "--out", "x.csv")
        assert (ended.code, f"{code}: No; " in ended.err, told in ended.err) == (1, True, True), ended.err
        assert "taxpayer." not in ended.err
    shell.sim.returns.file_gstr3b(shell.gstin, PERIOD)
    refused = shell.run("gstr2b", "regenerate", *WHOM, "--yes", *QUICK)
    assert "IMS2B007: Either the entered ITC period is incorrect or it has 3B filed" in refused.out
    assert "taxpayer." not in refused.out


def test_whether_it_is_filed_the_command_that_is_named_tells(shell: Shell) -> None:
    """With period and GSTIN, as it is printed."""
    for gstin in shell.sim.gstins:
        shell.sim.returns.file_gstr3b(gstin, PERIOD, dt.date(2025, 2, 17))
    refused = shell.run("gstr2b", "regenerate", *WHOM, *shell.named(), "--yes", *QUICK)
    words = [words for words in commands_in(refused.out) if words[0] == "deadlines"]
    assert sorted(words) == sorted(
        ["deadlines", PERIOD, "--ask-filing", "--gstin", gstin] for gstin in shell.sim.gstins
    )
    for command in words:
        ended = shell.run(*command)
        assert (ended.code, "GSTR-3B is filed on 17-02-2025" in ended.out) == (0, True), ended.err
    shell.decided(reject, name="a.csv")
    pushed = shell.run("push", "a.csv", "--regenerate", PERIOD, "--yes", *QUICK)
    assert f"`ims-async deadlines {PERIOD} --ask-filing --gstin {shell.gstin}`" in pushed.out


def test_where_nobody_has_one_no_file_is_replaced(shell: Shell) -> None:
    """The file that was there stays."""
    (shell.here / "all.csv").write_text("kept")
    ended = shell.run(
        "gstr2b", "pull", "--period", "122099", *shell.named(), "--out", "all.csv", "--overwrite", "--json"
    )
    assert ended.code == 1
    assert (shell.here / "all.csv").read_text() == "kept"
    assert set(ended.json()["taxpayers"]) == set(shell.sim.gstins)
    assert all("RET2B1018" in facts["error"] for facts in ended.json()["taxpayers"].values())


def without_documents(shell: Shell) -> None:
    """Have the next statement answered as sums, without documents and files."""
    own = json.loads(write(shell.sim.returns.fetch(shell.gstin, PERIOD)))
    for part in ("docdata", "docRejdata"):
        own["data"].pop(part, None)
    answer = {"code": 200, "data": {"data": own, "status_cd": "1"}, "timestamp": 1, "transaction_id": "x"}
    shell.sim.script_answer("gstr2b", 200, answer)


def test_sums_without_documents_are_no_empty_statement(shell: Shell) -> None:
    """JSON has the sums, the credit is theirs, and not all is well; a table would be empty."""
    assert shell.run("gstr2b", "pull", *WHOM, "--out", "a.csv", "--json").code == 0
    whole = (shell.here / "a.csv").read_bytes()
    ended = shell.run("gstr2b", "pull", *WHOM, "--out", "b.json", "--json")
    credit = ended.json()["taxpayers"][shell.gstin]["credit"]
    without_documents(shell)
    ended = shell.run("gstr2b", "pull", *WHOM, "--out", "c.json", "--json")
    facts = ended.json()["taxpayers"][shell.gstin]
    assert (ended.code, ended.json()["ok"], facts["summary_only"]) == (1, False, True)
    assert facts["credit"] == credit
    assert any(map(Decimal, credit.values()))
    without_documents(shell)
    ended = shell.run("gstr2b", "pull", *WHOM, "--out", "a.csv", "--overwrite")
    assert (ended.code, "sums and no documents" in ended.err) == (1, True)
    assert (shell.here / "a.csv").read_bytes() == whole


def test_what_was_read_before_the_account_was_used_up_is_kept(shell: Shell) -> None:
    """The others are named, and were not asked for; where nothing was read the error says all."""
    acme, beta, gamma = shell.sim.gstins
    words = ("gstr2b", "pull", *WHOM, *shell.named(), "--concurrency", 1, "--out")
    shell.sim.script_fault("gstr2b", Fault.spent(), gstin=beta)
    ended = shell.run(*words, "all.csv", "--report", "left.csv")
    assert (ended.code, f"2 taxpayers skipped: {beta}, {gamma}." in ended.out) == (1, True), ended.err
    assert ended.err.count(": the others were not asked for.") == 1
    assert {row["GSTIN"] for row in read_rows(shell.here / "all.csv")} == {acme}
    assert [row["GSTIN"] for row in read_rows(shell.here / "left.csv")] == [beta, gamma]
    shell.sim.script_fault("gstr2b", Fault.spent())
    ended = shell.run(*words, "none.csv")
    assert (ended.code, ended.err.count("\n"), (shell.here / "none.csv").exists()) == (1, 1, False)


# -- whether GSTR-3B is filed ----------------------------------------------------------------------------


@pytest.mark.parametrize("gsp", ["sandbox", "vayana"])
def test_deadlines_ask_whether_it_is_filed_only_if_that_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gsp: str
) -> None:
    """The day of GSTR-3B, and the dates of a taxpayer who files each quarter; each request is billed."""
    with opened(tmp_path, monkeypatch, capsys, gsp, invoices=0) as shell:
        shell.log_in_all()
        before = len(shell.sim.requests)
        unasked = shell.run("deadlines", "122024")
        assert (unasked.code, "unless GSTR-3B is filed late" in unasked.out) == (0, True)
        assert len(shell.sim.requests) == before
        open_one = shell.run("deadlines", "122024", "--ask-filing")
        assert "ago and is not filed: actions count until it is." in open_one.out
        shell.sim.returns.file_gstr3b(shell.gstin, "122024", dt.date(2025, 1, 18))
        ended = shell.run("deadlines", "122024", "--ask-filing")
        assert (ended.code, "GSTR-3B is filed on 18-01-2025" in ended.out) == (0, True), ended.err
        other = shell.sim.gstins[1]
        shell.sim.returns.set_quarterly(other)
        found = shell.run("deadlines", "122024", "--ask-filing", "--gstin", other, "--json").json()
        assert found["gstr3b"]["date"] in ("2025-01-22", "2025-01-24")
        assert (found["quarterly"], found["filed_on"]) == (True, None)
        found = shell.run("deadlines", "122024", "--ask-filing", "--json").json()
        assert (found["quarterly"], found["asked"], found["filed_on"]) == (False, True, "2025-01-18")
        both = shell.run("deadlines", "122024", "--ask-filing", "--filed-on", "18-01-2025")
        assert (both.code, "leave --ask-filing away" in both.err) == (2, True)


def test_deadlines_without_a_period_are_those_of_the_last_quarter_of_one_who_files_so(shell: Shell) -> None:
    """Which the gateway knows; and whose state its GSTIN says."""
    shell.monkeypatch.setattr(rules, "india_date", lambda _: dt.date(2025, 3, 1))
    shell.sim.returns.set_quarterly(shell.gstin)
    shell.sim.returns.file_gstr3b(shell.gstin, "122024", dt.date(2025, 1, 22))
    ended = shell.run("deadlines", "--ask-filing", "--json")
    assert ended.code == 0, ended.err
    assert (ended.json()["period"], ended.json()["filed_on"]) == ("122024", "2025-01-22")
    other = shell.sim.gstins[1]
    monthly = shell.run("deadlines", "--quarterly", "--ask-filing", "--gstin", other, "--json")
    assert (monthly.json()["period"], monthly.json()["quarterly"]) == ("022025", False)
    assert f"{other} files each month, says the gateway: --quarterly does not count." in monthly.err
    before = len(shell.sim.requests)
    state = shell.run("deadlines", "122024", "--quarterly", "--gstin", "27AAPFU0939F1ZV", "--json").json()
    assert (state["gstr3b"]["date"], len(shell.sim.requests)) == ("2025-01-22", before)


def test_one_whose_answer_was_lost_is_asked_for_again(shell: Shell) -> None:
    """`jobs resume` sends nothing, and names the command that does; nothing blocks the next push."""
    asyncio.run(lose(shell))
    listed = shell.run("jobs", "list")
    assert "ask for it again" in listed.out
    resumed = shell.run("jobs", "resume", *QUICK)
    assert (resumed.code, asked(shell)) == (1, [])
    assert f"{shell.gstin}  unknown" in resumed.out
    words = next(words for words in commands_in(resumed.out) if words[:2] == ["gstr2b", "regenerate"])
    again = shell.run(*words, "--yes", *QUICK)
    assert (again.code, set(asked(shell))) == (0, {shell.gstin}), again.err
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
