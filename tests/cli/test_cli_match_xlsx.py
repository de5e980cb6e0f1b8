"""`match` and `followup` with workbooks: what stood in them stays, what was decided is chosen and pushed."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from tests.cli.cli_shell import QUICK, Shell, read_rows
from tests.cli.test_cli_match import write_register
from tests.support.soffice import saved_by_libreoffice
from tests.support.workbooks import grid_of, part_of, rows_of, set_part, type_into

MOMENT = dt.datetime(2026, 11, 3, 9, 30)  # noqa: DTZ001 # a spreadsheet knows no zones
NOTES = [["Call Ravi", 12.5, True], [MOMENT.date(), MOMENT, MOMENT.time()]]


def texts(row: dict[str, Any]) -> dict[str, str]:
    """Return the cells of a row as a CSV file has them."""
    return {
        name: f"{cell:%d-%m-%Y}" if isinstance(cell, dt.date) else str(cell) for name, cell in row.items()
    }


def resaved(file: Path) -> None:
    """Write a workbook anew, as a person has made it: titles, notes beside the rows, a sheet of their own."""
    grid = grid_of(file)
    book = xlsxwriter.Workbook(str(file))
    day = book.add_format({"num_format": "dd-mm-yyyy"})
    moment, hour = (
        book.add_format({"num_format": "dd-mm-yyyy hh:mm"}),
        book.add_format({"num_format": "hh:mm"}),
    )
    formats = {dt.date: day, dt.datetime: moment, dt.time: hour}
    mine: list[list[Any]] = [
        [*row, note] for row, note in zip(grid, ["my notes", *[True] * len(grid)], strict=False)
    ]
    sheets: dict[str, list[list[Any]]] = {"November": [["Our firm"], ["", dt.date(2026, 11, 1)], *mine]}
    for name, cells in (sheets | {"Notes": NOTES}).items():
        sheet = book.add_worksheet(name)
        for number, row in enumerate(cells):
            for place, value in enumerate(row):
                if isinstance(value, dt.date | dt.time):
                    sheet.write_datetime(number, place, value, formats[type(value)])
                else:
                    sheet.write(number, place, value)
    book.close()


@pytest.mark.parametrize("by_libreoffice", [False, True])
def test_a_folder_of_workbooks_is_matched_checked_and_pushed(shell: Shell, by_libreoffice: bool) -> None:
    """Beside the action, with the lists and locks; also after a spreadsheet has saved them."""
    folder = shell.pulled_all("november/", "--format", "xlsx")
    files = sorted(folder.iterdir())
    for file in files:
        type_into(file, lambda row: {"my notes": f"00{row['number']}"})
        if by_libreoffice:
            file.write_bytes(saved_by_libreoffice(file, "en-IN").read_bytes())
    before = {file: rows_of(file) for file in files}
    rows = [texts(row) for own in before.values() for row in own]
    register = write_register(shell.here / "purchases.csv", rows[::2])
    ended = shell.run("match", folder, "--register", register)
    assert ended.code == 0, ended.err
    decided = [row for file in files for row in rows_of(file) if row["action"]]
    assert {(row["action"], row["match"]) for row in decided} == {("A", "matched")}
    for file in files:
        after = rows_of(file)
        assert list(after[0])[6:11] == ["action", "match", "reason", "book entry", "difference"]
        assert [row["my notes"] for row in after] == [row["my notes"] for row in before[file]]
        assert [{**row, "action": "", "ITC reduction": ""} for row in before[file]] == [
            {name: "" if name in ("action", "ITC reduction") else row[name] for name in before[file][0]}
            for row in after
        ]
        sheet = part_of(file)
        for part in (
            "<sheetProtection",
            "<dataValidation ",
            "<autoFilter",
            "<pane ",
            "conditionalFormatting",
        ):
            assert part in sheet
    ended = shell.run("check", folder, "--report", "found.xlsx")
    assert (ended.code, Path("found.xlsx").exists()) == (0, True)
    ended = shell.run("push", folder, "--yes", "--report", "outcome.xlsx", *QUICK)
    assert ended.code == 0, ended.err
    outcomes = rows_of(Path("outcome.xlsx"), "Report")
    assert [row["outcome"] for row in outcomes] == ["applied"] * len(decided)


def test_titles_and_sheets_of_ones_own_stay(shell: Shell) -> None:
    """With the kinds of their cells; a second match keeps them too."""
    file = shell.pulled("nov.xlsx")
    rows = rows_of(file)
    resaved(file)
    register = write_register(shell.here / "purchases.csv", [texts(row) for row in rows])
    for _ in range(2):
        ended = shell.run("match", file, "--register", register)
        assert ended.code == 0, ended.err
        title, day, header, *lines = grid_of(file, "November")
        assert (title[0], day[1]) == ("Our firm", dt.date(2026, 11, 1))
        assert [line[header.index("number")] for line in lines] == [row["number"] for row in rows]
        assert {line[header.index("my notes")] for line in lines} == {True}
        assert grid_of(file, "Notes") == NOTES
    assert shell.run("check", file).code == 0
    assert "How to decide" in str(grid_of(file, "How to"))


def test_a_csv_file_that_was_saved_as_a_workbook_is_matched(shell: Shell) -> None:
    """The apostrophes with which CSV keeps texts from being formulas are taken off."""
    rows = read_rows(shell.pulled("nov.csv"))
    file = shell.here / "saved.xlsx"
    book = xlsxwriter.Workbook(str(file))
    sheet = book.add_worksheet("nov")
    sheet.write_row(0, 0, list(rows[0]))
    for number, row in enumerate(rows, start=1):
        for place, text in enumerate(row.values()):
            is_money = text[-3:-2] == "." and text.replace(".", "").isdigit()
            sheet.write(number, place, float(text) if is_money else text)
        sheet.write_string(number, list(row).index("remarks"), "'-5% agreed")
    book.close()
    register = write_register(shell.here / "purchases.csv", rows)
    ended = shell.run("match", file, "--register", register)
    assert ended.code == 0, ended.err
    after = rows_of(file, "nov")
    assert {row["remarks"] for row in after} == {"-5% agreed"}
    assert [row["number"] for row in after] == [row["number"] for row in rows]
    assert shell.run("check", file).code == 0


def test_the_copy_has_the_format_of_the_file(shell: Shell) -> None:
    """A folder of copies; a single copy of the same suffix only."""
    file = shell.pulled("nov.xlsx")
    rows, content = rows_of(file), file.read_bytes()
    register = ("--register", write_register(shell.here / "purchases.csv", [texts(row) for row in rows]))
    assert shell.run("match", file, *register, "--out", "decided/").code == 0
    assert shell.run("match", file, *register, "--out", "other.xlsx").code == 0
    assert file.read_bytes() == content
    assert rows_of(Path("decided", "nov.xlsx")) == rows_of(Path("other.xlsx"))
    ended = shell.run("match", file, *register, "--out", "other.csv")
    assert (ended.code, "name a .xlsx file" in ended.err, Path("other.csv").exists()) == (2, True, False)


@pytest.mark.parametrize("what", ["formula", "comments", "charts"])
def test_what_would_be_lost_is_refused_before_anything_is_written(shell: Shell, what: str) -> None:
    """A formula of one's own by its cell, comments and charts by name; what only reads does not mind."""
    file = shell.pulled("nov.xlsx")
    rows = rows_of(file)
    register = ("--register", write_register(shell.here / "purchases.csv", [texts(row) for row in rows]))
    if what == "formula":
        type_into(file, lambda row: {"my check": "=N2+1" if row["number"] == rows[3]["number"] else 1})
        place = next(number for number, row in enumerate(rows, start=2) if row["number"] == rows[3]["number"])
        said = f"row {place}, column AA: it holds a formula"
    else:
        name = {"comments": "xl/comments1.xml", "charts": "xl/charts/chart1.xml"}[what]
        set_part(file, "<x/>", name)
        said = "holds comments" if what == "comments" else "holds pictures or charts"
    content = file.read_bytes()
    for words in (("match", file, *register), ("match", file, *register, "--out", "decided/")):
        ended = shell.run(*words)
        assert (ended.code, said in ended.err) == (2, True), ended.err
    asked = len(shell.sim.requests)
    ended = shell.run("pull", "--keep", file, *QUICK)
    assert (ended.code, said in ended.err, len(shell.sim.requests)) == (2, True, asked)
    assert file.read_bytes() == content
    assert shell.run("match", file, *register, "--dry-run").code == 0
    assert shell.run("followup", file, "--out", "followup.xlsx").code == 0


def test_followup_reads_and_writes_workbooks(shell: Shell) -> None:
    """By what match wrote into them, or by a register for each taxpayer, a workbook too."""
    folder = shell.pulled_all("november/", "--format", "xlsx")
    books = shell.here / "books"
    books.mkdir()
    for file in folder.iterdir():
        rows = [texts(row) for row in rows_of(file)]
        for row in rows[:3]:
            row["taxable value"] = "1.00"
        table = write_register(shell.here / "one.csv", rows).read_text(encoding="utf-8").splitlines()
        book = xlsxwriter.Workbook(str(books / file.name))
        sheet = book.add_worksheet()
        for number, line in enumerate(table):
            sheet.write_row(number, 0, line.split(","))
        book.close()
    by_books = shell.run("followup", folder, "--register", books, "--out", "by-books.xlsx", "--json").json()
    assert shell.run("match", folder, "--register", books).code == 0
    by_match = shell.run("followup", folder, "--out", "by-match.xlsx", "--json").json()
    for topics in (by_books["topics"], by_match["topics"]):
        del topics["pending"]  # match accepts those that agree with the books
    assert by_books["topics"] == by_match["topics"]
    lines = rows_of(Path("by-books.xlsx"), "Report")
    assert len(lines) == by_books["suppliers"] > 0
    assert any("differ from our books" in str(line["message"]) for line in lines)
