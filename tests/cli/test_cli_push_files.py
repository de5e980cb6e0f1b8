"""Which files a push means, and whose the rows in them are."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.cli.cli_shell import QUICK, Shell, accept, fill_in, read_rows, shell_of, write_rows

shell = shell_of(taxpayers=3, invoices=12)


def applied_once(shell: Shell) -> Counter[str]:
    """Count the simulator's effects by GSTIN; no record has two."""
    records = [(e.gstin, e.section, e.supplier, e.number, e.period) for e in shell.sim.effects]
    assert max(Counter(records).values(), default=1) == 1
    return Counter(gstin for gstin, *_ in records)


def test_a_folder_is_its_csv_files_without_reports_and_what_is_not_decided(shell: Shell) -> None:
    """Pull into a folder, decide on two of three; a report, a hidden file and a folder are in it too."""
    folder = shell.pulled_all("november/")
    for gstin in shell.sim.gstins[:2]:
        assert fill_in(folder / f"{gstin}.csv", accept)
    (folder / "done").mkdir()
    (folder / "done" / "a.csv").write_text("no file of decisions")
    (folder / ".b.csv").write_text("no file of decisions")
    (folder / "notes.txt").write_text("no file of decisions")
    (folder / "old outcome.csv").write_text("\ufeffoutcome;section;action\napplied;b2b;A\n", "utf-8")
    ended = shell.run("push", folder, "--yes", *QUICK, "--report", folder / "outcome.csv")
    assert ended.code == 0, ended.err
    assert f"1 report passed over: {folder / 'old outcome.csv'}" in ended.err
    assert f"1 file with no decision passed over: {folder / shell.sim.gstins[2]}.csv" in ended.err
    assert set(applied_once(shell)) == set(shell.sim.gstins[:2])
    ended = shell.run("push", folder, "--yes", *QUICK)  # with the report of the first in it
    assert "2 reports passed over" in ended.err


def without_gstin(file: Path, *names: Path) -> None:
    """Write a file's rows as releases before the column GSTIN did, under these names."""
    rows = [{key: value for key, value in row.items() if key != "GSTIN"} for row in read_rows(file)]
    for name in names:
        write_rows(name, rows)


@pytest.mark.parametrize("way", ["variable", "option", "name"])
def test_files_without_the_column_are_whose_they_are_said_to_be(way: str, shell: Shell) -> None:
    """By IMS_GSTIN, by --gstin, or by the name of the file."""
    own, other, _ = shell.sim.gstins
    file, decided = shell.decided(accept)
    name = shell.here / (f"{own.lower()}.csv" if way == "name" else "old.csv")
    without_gstin(file, name)
    if way != "variable":
        shell.monkeypatch.setenv("IMS_GSTIN", other)
    options = ("--gstin", own) if way == "option" else ()
    ended = shell.run("push", name, "--yes", *QUICK, *options)
    assert ended.code == 0, ended.err
    assert applied_once(shell) == {own: decided}


def test_a_folder_of_files_named_after_their_taxpayers_needs_no_column(shell: Shell) -> None:
    """As a script of one's own may have written them."""
    folder = shell.pulled_all("november/")
    shell.monkeypatch.delenv("IMS_GSTIN")
    for gstin in shell.sim.gstins:
        file = folder / f"{gstin}.csv"
        fill_in(file, accept)
        without_gstin(file, file)
    assert shell.run("push", folder, "--yes", *QUICK).code == 0
    assert set(applied_once(shell)) == set(shell.sim.gstins)


def test_what_a_file_says_goes_before_the_variable_and_its_token(shell: Shell) -> None:
    """A file of one taxpayer, while IMS_GSTIN and IMS_TOKEN are another's."""
    own, other, _ = shell.sim.gstins
    file, decided = shell.decided(accept)
    shell.monkeypatch.setenv("IMS_GSTIN", other)
    shell.monkeypatch.setenv("IMS_TOKEN", shell.sim.token(other))
    ended = shell.run("push", file, "--yes", *QUICK, "--json")
    assert ended.code == 0, ended.err
    assert ended.json()["gstin"] == own
    assert applied_once(shell) == {own: decided}


def test_contradictions_name_their_rows_and_nothing_is_sent(shell: Shell) -> None:
    """The column, or a file's name, says another than --gstin; a cell is empty; a record is there twice."""
    own, other, _ = shell.sim.gstins
    file, _ = shell.decided_all(accept)
    of_others = [n for n, row in enumerate(read_rows(file), 2) if row["GSTIN"] == other and row["action"]]
    before = len(shell.sim.requests)
    ended = shell.run("push", file, "--yes", "--gstin", own)
    assert ended.code == 2
    told = f"column GSTIN: {other}, which is not {own}, the taxpayer asked for"
    assert f"{file} row {of_others[0]}, {told}" in ended.err
    named = shell.here / f"{other}.csv"
    without_gstin(file, named)
    ended = shell.run("push", named, "--yes", "--gstin", own)
    assert (ended.code, f"{named} is named after another taxpayer than {own}" in ended.err) == (2, True)
    rows = read_rows(file)
    place = next(n for n, row in enumerate(rows) if row["action"])
    rows[place]["GSTIN"] = ""
    write_rows(shell.here / "hole.csv", rows)
    ended = shell.run("push", "hole.csv", "--yes")
    assert f"hole.csv row {place + 2}, column GSTIN: empty: write whose record it is" in ended.err
    write_rows(shell.here / "twice.csv", read_rows(file))
    ended = shell.run("push", file, "twice.csv", "--yes")
    assert f"twice.csv row {place + 2}: the same record" in ended.err
    assert f"stands in {file} row {place + 2} already" in ended.err
    assert len(shell.sim.requests) == before


def test_the_faults_of_all_files_are_told_at_once(shell: Shell) -> None:
    """A wrong date in one, a wrong GSTIN in another, and a folder with nothing in it."""
    file, _ = shell.decided_all(accept)
    rows = [row for row in read_rows(file) if row["action"]]
    write_rows(shell.here / "date.csv", [{**rows[0], "date": "31-02-2024", "hash": ""}])
    write_rows(shell.here / "whose.csv", [{**rows[1], "GSTIN": rows[1]["GSTIN"][:-1] + "?"}])
    (shell.here / "empty").mkdir()
    before = len(shell.sim.requests)
    ended = shell.run("push", "date.csv", "whose.csv", "empty", "--yes", "--json")
    assert ended.code == 2
    problems = ended.json()["error"]["problems"]
    starts = ["empty holds no .csv", "date.csv row 2, column date", "whose.csv row 2, column GSTIN"]
    assert [problem.startswith(start) for problem, start in zip(problems, starts, strict=True)] == [True] * 3
    assert len(shell.sim.requests) == before


def test_the_same_record_of_two_taxpayers_is_no_contradiction(shell: Shell) -> None:
    """A supplier's number may be in the books of two recipients."""
    own, other, _ = shell.sim.gstins
    file, _ = shell.decided(accept)
    row = next(row for row in read_rows(file) if row["action"])
    write_rows(file, [row, {**row, "GSTIN": other}])
    ended = shell.run("push", file, "--yes", *QUICK)
    assert applied_once(shell) == {own: 1}
    assert f"{other} is skipped: {file} row 3" in ended.err


def test_reports_are_never_taken_for_decisions(shell: Shell) -> None:
    """Alone one is refused; among others, as with a shell's *, it is passed over; none is written over."""
    folder = shell.pulled_all("november/")
    files = sorted(folder.iterdir())
    for file in files:
        fill_in(file, accept)
    assert shell.run("push", *files, "--yes", *QUICK, "--report", files[0]).code == 2
    assert shell.sim.jobs == []
    report = folder / "outcome.csv"
    assert shell.run("push", files[0], "--yes", *QUICK, "--report", report).code == 0
    ended = shell.run("push", report, "--yes")
    assert (ended.code, "it has a column 'outcome'" in ended.err) == (2, True)
    ended = shell.run("push", *files[1:], report, "--yes", *QUICK)
    assert (ended.code, f"1 report passed over: {report}" in ended.err) == (0, True)


def test_several_files_in_which_nothing_is_decided_are_told(shell: Shell) -> None:
    """A fresh pull of all."""
    folder = shell.pulled_all("november/")
    ended = shell.run("push", folder, "--yes")
    assert (ended.code, "nothing is decided: write A, R or P" in ended.err) == (2, True)
    assert "(3 files read)" in ended.err


def test_a_stray_file_in_a_folder_is_told_in_a_line(shell: Shell) -> None:
    """Notes that somebody keeps beside the decisions."""
    folder = shell.pulled_all("november/")
    (folder / "notes.csv").write_text("who,what\nme,called the supplier\n")
    ended = shell.run("push", folder, "--yes")
    told = f"{folder / 'notes.csv'} is not a file of pull's (no columns section, supplier, …)"
    assert (ended.code, ended.err) == (2, f"Error: {told}\n")
