"""Push and reset of many taxpayers: each one's trouble its own, every record accounted for."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from ims_async.cli.inputs import environment
from tests.cli.cli_shell import QUICK, Shell, accept, fill_in, read_rows, shell_of, write_rows

Row = dict[str, str]


shell = shell_of(taxpayers=3, invoices=12)


def outcomes(file: str = "outcome.csv") -> Counter[tuple[str, str]]:
    """Count a report's lines by GSTIN and outcome."""
    return Counter((row["GSTIN"], row["outcome"]) for row in read_rows(Path(file)))


def decided_by(file: Path) -> Counter[str]:
    """Count a file's decisions by GSTIN."""
    return Counter(row["GSTIN"] for row in read_rows(file) if row["action"])


def edit(shell: Shell, row: Row) -> None:
    """Let a supplier edit the record of a row."""
    shell.sim.edit(
        row["GSTIN"], row["section"], row["number"], supplier=row["supplier"], period=row["return period"]
    )


def applied_once(shell: Shell) -> Counter[str]:
    """Count the simulator's effects by GSTIN; no record has two."""
    records = [(e.gstin, e.section, e.supplier, e.number, e.period) for e in shell.sim.effects]
    assert max(Counter(records).values(), default=1) == 1
    return Counter(gstin for gstin, *_ in records)


# -- all well ------------------------------------------------------------------------------------------


@pytest.mark.both_gsps
def test_one_file_of_many_taxpayers_is_asked_for_once_and_accounted_for(shell: Shell) -> None:
    """Summary by GSTIN, one question, a job each, a report with every record."""
    file, decided = shell.decided_all(accept)
    asked: list[str] = []

    def confirm(question: str, *, err: bool) -> bool:
        asked.append(question)
        return True

    shell.monkeypatch.setattr(environment, "at_terminal", lambda: True)
    shell.monkeypatch.setattr("typer.confirm", confirm)
    ended = shell.run("push", file, *QUICK, "--report", "outcome.csv", "--run", "november")
    assert ended.code == 0, ended.err
    (question,) = asked
    assert question.startswith(f"Accept {decided} (tax of ")
    assert question.endswith(f". Send these {decided} decisions for 3 taxpayers?")
    assert "Every record of 3 taxpayers was applied." in ended.out
    assert "This is run november. If it breaks off, go on with:" in ended.err
    assert applied_once(shell) == decided_by(file)
    assert outcomes() == {(gstin, "applied"): count for gstin, count in decided_by(file).items()}
    assert all(f"{gstin}: {count} applied" in ended.err for gstin, count in decided_by(file).items())


def test_the_answer_for_machines_has_each_taxpayer(shell: Shell) -> None:
    """One document; progress goes to stderr."""
    file, decided = shell.decided_all(accept)
    ended = shell.run("push", file, "--yes", "--json", *QUICK, "--run", "r")
    found = ended.json()
    assert (ended.code, found["ok"], found["run"], found["applied"]) == (0, True, "r", decided)
    assert {gstin: part["applied"] for gstin, part in found["taxpayers"].items()} == decided_by(file)
    assert (found["pending"], found["failed_jobs"], found["go_on_with"]) == ([], [], None)


def test_a_reset_takes_many_taxpayers_files_back(shell: Shell) -> None:
    """Push a file, then reset with it."""
    file, _ = shell.decided_all(lambda row: "R" if row["action when pulled"] == "N" else "")
    write_rows(file, [row for row in read_rows(file) if row["action"]])
    assert shell.run("push", file, "--yes", *QUICK).code == 0
    ended = shell.run("reset", file, "--yes", *QUICK, "--report", "outcome.csv", "--json")
    assert ended.code == 0, ended.err
    assert ended.json()["applied"] == len(read_rows(file))
    assert {outcome for _, outcome in outcomes()} == {"applied"}
    assert {r.action for gstin in shell.sim.gstins for r in shell.sim.records(gstin)} >= {"N"}
    assert not any(r.action == "R" and r.remarks for g in shell.sim.gstins for r in shell.sim.records(g))


def test_a_reset_says_what_is_decided_and_can_be_limited_to_it(shell: Shell) -> None:
    """Reset with the file that was pushed, in which most rows are not decided."""
    file, _ = shell.decided_all(lambda row: "R" if row["action when pulled"] == "N" else "")
    decided, rows = decided_by(file).total(), len(read_rows(file))
    assert shell.run("push", file, "--yes", *QUICK).code == 0
    ended = shell.run("reset", file)  # nobody is there to confirm it
    assert ended.code == 2
    assert f"{decided} decided here, {rows - decided} others: all are reset" in ended.err
    ended = shell.run("reset", file, "--decided", "--yes", *QUICK, "--json")
    assert (ended.code, ended.json()["applied"]) == (0, decided)
    fill_in(file, lambda _: "")
    ended = shell.run("reset", file, "--decided", "--yes")
    assert (ended.code, f"none of {rows} rows is decided" in ended.err) == (2, True)


def test_a_taxpayers_decisions_are_cut_into_jobs_of_so_many_records(shell: Shell) -> None:
    """One taxpayer, with --max-records: its jobs go one after the other."""
    file, decided = shell.decided(accept)
    ended = shell.run("push", file, "--yes", *QUICK, "--max-records", 4, "--json")
    assert ended.code == 0, ended.err
    assert [job.records for job in shell.sim.jobs] == [4] * (decided // 4) + [decided % 4] * bool(decided % 4)
    assert ended.json()["taxpayers"][shell.gstin]["jobs"] == len(shell.sim.jobs)


# -- one of them in trouble ----------------------------------------------------------------------------


@pytest.mark.both_gsps
def test_a_dead_session_and_a_stale_row_skip_their_taxpayer_only(shell: Shell) -> None:
    """The others go on; what was not sent is told with its reason, and the exit code is 1."""
    fine, dead, stale = shell.sim.gstins
    file, _ = shell.decided_all(accept)
    count = decided_by(file)
    row = next(row for row in read_rows(file) if row["GSTIN"] == stale and row["action"])
    edit(shell, row)
    shell.sim.end_session(dead)
    ended = shell.run("push", file, "--yes", *QUICK, "--report", "outcome.csv", "--json")
    assert ended.code == 1
    assert applied_once(shell) == {fine: count[fine]}
    assert outcomes() == {
        (fine, "applied"): count[fine], (dead, "not sent"): count[dead], (stale, "not sent"): count[stale],
    }  # fmt: skip
    found = ended.json()
    assert (found["ok"], found["applied"], found["not_sent_count"]) == (
        False,
        count[fine],
        count[dead] + count[stale],
    )
    parts = found["taxpayers"]
    assert f"run `ims-async login --gstin {dead}`" in parts[dead]["reason"]
    assert "IMS_TOKEN" not in ended.err + ended.out
    assert row["number"] in parts[stale]["reason"]
    assert "the supplier has edited it" in parts[stale]["reason"]
    assert list(parts) == list(dict.fromkeys(row["GSTIN"] for row in read_rows(file)))
    for part in (f"{dead} is skipped: ", f"{stale} is skipped: "):
        assert part in ended.err


def test_what_the_gateway_refuses_is_told_by_name(shell: Shell) -> None:
    """Let a supplier edit a record while the person is being asked."""
    file, decided = shell.decided_all(accept)
    row = next(row for row in read_rows(file) if row["action"])

    def confirm(question: str, *, err: bool) -> bool:
        edit(shell, row)
        return True

    shell.monkeypatch.setattr(environment, "at_terminal", lambda: True)
    shell.monkeypatch.setattr("typer.confirm", confirm)
    ended = shell.run("push", file, *QUICK, "--report", "outcome.csv")
    assert ended.code == 1
    for part in (row["number"], "IMSSAV0010", "IMSSAV0010 1", "pull again and decide again"):
        assert part in ended.out
    (failed,) = (line for line in read_rows(Path("outcome.csv")) if line["outcome"] == "failed")
    assert (failed["GSTIN"], failed["number"], failed["action"]) == (row["GSTIN"], row["number"], "A")
    assert outcomes().total() == decided


def test_where_nothing_is_left_to_send_nothing_is_asked(shell: Shell) -> None:
    """End all sessions."""
    file, _ = shell.decided_all(accept)
    for gstin in shell.sim.gstins:
        shell.sim.end_session(gstin)
    ended = shell.run("push", file, "--yes", *QUICK, "--json")
    assert (ended.code, ended.err.splitlines()[-1]) == (1, "Nothing was sent.")
    assert set(ended.json()["skipped"]) == set(shell.sim.gstins)
    assert shell.sim.jobs == []


def test_a_refused_account_is_told_once_and_stops_everything(shell: Shell) -> None:
    """Empty the wallet while the records are pulled again: nobody else is asked for."""
    file, _ = shell.decided_all(accept)
    for _ in range(10):
        shell.sim.script_answer("invoices", 403, {"code": 403, "message": "Insufficient wallet credits"})
    before = shell.sim.count("invoices")
    ended = shell.run("push", file, "--yes", *QUICK, "--concurrency", 1)
    assert (ended.code, ended.err.count("Insufficient wallet credits")) == (1, 1)
    first, *_ = decided_by(file)
    sections = {row["section"] for row in read_rows(file) if row["GSTIN"] == first and row["action"]}
    assert shell.sim.count("invoices") - before <= len(sections)  # of the first taxpayer only
    assert shell.sim.jobs == []


# -- going on ------------------------------------------------------------------------------------------


def test_a_run_that_is_gone_on_with_sends_nothing_twice(shell: Shell) -> None:
    """Push two, the third has no session; log in, and push all by the same name."""
    _, _, late = shell.sim.gstins
    file, decided = shell.decided_all(accept)
    shell.sim.end_session(late)
    assert shell.run("push", file, "--yes", *QUICK, "--run", "r").code == 1
    sent = shell.sim.count("save")
    shell.log_in_all()
    ended = shell.run("push", file, "--yes", *QUICK, "--run", "r", "--report", "outcome.csv")
    assert ended.code == 0, ended.err
    assert "rows went out with an earlier part of run r: followed up, and not sent again." in ended.err
    assert shell.sim.count("save") == sent + 1
    assert applied_once(shell) == decided_by(file)
    assert outcomes() == {(gstin, "applied"): count for gstin, count in decided_by(file).items()}
    ended = shell.run("push", file, "--yes", *QUICK, "--run", "r", "--json")
    assert (ended.code, ended.json()["applied"]) == (0, decided)
    assert shell.sim.count("save") == sent + 1


def test_another_name_is_another_run(shell: Shell) -> None:
    """What stands as the first has decided it is left out by the second, and told in a line each."""
    file, decided = shell.decided_all(accept)
    assert shell.run("push", file, "--yes", *QUICK, "--run", "r").code == 0
    sent = shell.sim.count("save")
    ended = shell.run("push", file, "--yes", *QUICK, "--run", "s", "--report", "outcome.csv")
    assert (ended.code, shell.sim.count("save")) == (0, sent)
    assert f"There is nothing to send: {decided} rows stand already as decided." in ended.out
    for gstin, count in decided_by(file).items():
        assert ended.err.count(f"{gstin}: {count} rows stand already as decided") == 1
        assert outcomes()[gstin, "unchanged"] == count
    assert shell.run("push", file, "--yes", "--run", " ").code == 2


def test_what_stands_already_is_left_out_beside_what_does_not(shell: Shell) -> None:
    """Remarks that are new are a change, as are decisions on other records."""
    file, _ = shell.decided_all(accept)
    assert shell.run("push", file, "--yes", *QUICK, "--run", "r").code == 0
    more, decided = shell.decided_all(
        lambda row: "A" if row["action when pulled"] == "A" else accept(row).replace("A", "R"), "more.csv"
    )
    rows = read_rows(more)
    first = next(row for row in rows if row["action"])
    first.update(action="R", remarks="never ordered")
    write_rows(more, rows)
    ended = shell.run("push", more, "--yes", *QUICK, "--run", "s", "--json")
    assert ended.code == 0, ended.err
    parts = ended.json()["taxpayers"].values()
    standing = sum(part["standing_count"] for part in parts)
    assert (ended.json()["applied"], standing) == (1, decided - 1)


def test_of_many_mismatches_a_few_are_shown_and_all_are_in_the_report(shell: Shell) -> None:
    """Edit all of a taxpayer's records: three lines, a count, and each row's reason in the report."""
    file, _ = shell.decided_all(accept)
    stale = shell.gstin
    rows = [row for row in read_rows(file) if row["GSTIN"] == stale and row["action"]]
    for row in rows:
        edit(shell, row)
    ended = shell.run("push", file, "--yes", *QUICK, "--report", "outcome.csv")
    assert ended.code == 1
    assert ended.err.count(f"  {file} row") == 3
    assert f"… and {len(rows) - 3} more (edited)" in ended.err
    lines = [line for line in read_rows(Path("outcome.csv")) if line["outcome"] == "not sent"]
    assert [row["number"] in line["message"] for row, line in zip(rows, lines, strict=True)] == [True] * len(
        rows
    )


def test_a_run_that_holds_more_than_the_files_says_so(shell: Shell) -> None:
    """Another file under the same name: one taxpayer is in it no more, of another half of the rows."""
    gone, half, _ = shell.sim.gstins
    file, _ = shell.decided_all(accept)
    count = decided_by(file)
    assert shell.run("push", file, "--yes", *QUICK, "--run", "tt").code == 0
    rows = [row for row in read_rows(file) if row["GSTIN"] != gone and row["action"]]
    rows.remove(next(row for row in rows if row["GSTIN"] == half))
    write_rows(file, rows)
    ended = shell.run("push", file, "--yes", *QUICK, "--run", "tt")
    assert f"run tt also holds {count[gone]} records of 1 other taxpayer\n" in ended.err
    assert "run tt also holds 1 decision of these taxpayers that the files do not hold" in ended.err
    assert all(ended.err.count(f"{gstin}: {number} applied") == 1 for gstin, number in count.items())


# -- the journal and the budget ------------------------------------------------------------------------


def test_one_taxpayers_push_is_in_the_journal_too(shell: Shell) -> None:
    """At the default place, or where IMS_JOURNAL or --journal says."""
    file, _ = shell.decided(accept, "--section", "b2b")
    assert shell.run("push", file, "--yes", *QUICK).code == 0
    kept = shell.here / "state" / "ims-async" / "journal.db"
    assert kept.stat().st_mode & 0o777 == 0o600
    file, _ = shell.decided(lambda row: "R", "--section", "ecom", name="more.csv")
    shell.monkeypatch.setenv("IMS_JOURNAL", "mine.db")
    assert shell.run("push", file, "--yes", *QUICK).code == 0
    assert (shell.here / "mine.db").exists()
    ended = shell.run("push", file, "--yes", "--journal", "nowhere/j.db", *QUICK)
    assert (ended.code, "there is no folder nowhere" in ended.err) == (2, True)


@pytest.mark.parametrize(("rate", "code"), [("600", 0), ("none", 2), ("0", 2), ("-5", 2)])
def test_the_budget_of_requests_is_a_whole_number(rate: str, code: int, shell: Shell) -> None:
    """As a variable; the option is checked by the parser."""
    shell.monkeypatch.setenv("IMS_RATE", rate)
    ended = shell.run("counts")
    assert ended.code == code
    assert ("IMS_RATE is" in ended.err) == bool(code)


def test_a_report_has_no_formula_in_it(shell: Shell) -> None:
    """Shielded as all files are."""
    file, _ = shell.decided_all(accept)
    with file.open(encoding="utf-8-sig") as opened_file:
        assert next(csv.reader(opened_file))[0] == "GSTIN"
    shell.sim.end_session(shell.gstin)
    shell.run("push", file, "--yes", *QUICK, "--report", "outcome.csv")
    text = Path("outcome.csv").read_text("utf-8-sig")
    cells = [cell for row in csv.reader(text.splitlines()) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
