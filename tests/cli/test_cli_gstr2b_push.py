"""The month end of many taxpayers in one command: a push that ends with GSTR-2B computed anew."""

from __future__ import annotations

import shlex
from decimal import Decimal
from pathlib import Path

import pytest

from ims_async.bulk import Gstr2bProof, TaxpayerReport
from ims_async.cli.inputs import environment
from ims_async.cli.output import statements
from ims_async.cli.output.next_commands import Commands
from ims_async.model.gstr2b import TaxAmounts
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


def test_a_push_ends_with_it_and_shows_what_changed_in_the_credit(shell: Shell) -> None:
    """By GSTIN and head, with a sum; and nothing is due then."""
    file, _ = shell.decided_all(reject)
    before = {gstin: shell.sim.returns.documents(gstin, PERIOD) for gstin in shell.sim.gstins}
    ended = shell.run("push", file, "--yes", "--regenerate", PERIOD, "--json", *QUICK)
    assert ended.code == 0, ended.err
    found = ended.json()
    assert sorted(shell.recomputed) == sorted(shell.sim.gstins)
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
    assert (shell.recomputed, shell.sim.count("save")) == ([], 0)


def test_where_all_stands_already_it_is_said_that_it_was_not_asked_for(shell: Shell) -> None:
    """With the command that asks for it; while it is due, by the journal, that is not well."""
    file, _ = shell.decided(accept)
    assert shell.run("push", file, "--yes", *QUICK).code == 0
    words = ("push", file, "--yes", "--regenerate", PERIOD, *QUICK)
    due = {"period": PERIOD, "gstins": [shell.gstin]}
    found = shell.run(*words, "--json")
    assert (found.code, found.json()["ok"], found.json()["recompute_due"]) == (1, False, due)
    ended = shell.run(*words)
    assert (ended.code, shell.recomputed) == (1, [])
    assert f"GSTR-2B of {PERIOD} is due to be computed anew for {shell.gstin}" in ended.out
    (command,) = [words for words in commands_in(ended.out) if words[0] == "gstr2b"]
    assert shell.run(*command, "--yes", *QUICK).code == 0
    ended = shell.run(*words)
    assert (ended.code, len(shell.recomputed)) == (0, 1)
    assert f"GSTR-2B of {PERIOD} was not asked for: `ims-async gstr2b regenerate " in ended.out


def test_of_many_those_that_stand_already_are_said_to_be_due(shell: Shell) -> None:
    """A push that is repeated, since GSTR-2B of one was not computed: that is not lost."""
    file, _ = shell.decided_all(reject)
    acme = shell.gstin
    write_rows(shell.here / "acme.csv", [row for row in read_rows(file) if row["GSTIN"] == acme])
    assert shell.run("push", "acme.csv", "--yes", *QUICK).code == 0
    ended = shell.run("push", file, "--yes", "--regenerate", PERIOD, "--json", *QUICK)
    assert (ended.code, acme in shell.recomputed, len(shell.recomputed)) == (1, False, 2)
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
