"""The table of what a spreadsheet changes counts what it says, and has every column."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from benchmarks import spreadsheets
from ims_async import tables
from ims_async.tables import GSTIN_COLUMN, INFORMATION_COLUMNS, READ_COLUMNS

from ..support import soffice
from ..support.documents import DOCUMENTS
from ..support.sweeps import LONG

COLUMNS = (GSTIN_COLUMN, *READ_COLUMNS, *INFORMATION_COLUMNS)


def test_cells_that_changed_are_counted_by_column() -> None:
    """Empty cells at the end of a row may be gone."""
    before = [["a", "b", "c"], ["1", "01", ""], ["1", "2", ""]]
    assert spreadsheets.changed(before, [["a", "b", "c"], ["1", "1"], ["1", "2", "x"]]) == {
        "a": 0, "b": 1, "c": 1,
    }  # fmt: skip


@pytest.mark.skipif(not LONG, reason="nine conversions: with IMS_ENDURANCE=long")
def test_a_month_goes_through_libreoffice(tmp_path: Path) -> None:
    """In three locales and three ways; every row is recognised, XLSX stays as it was."""
    if shutil.which("soffice") is None:
        pytest.skip(soffice.MISSING)
    found = spreadsheets.report(60, tmp_path)
    rows = {line.split(" | ")[0].strip("| "): line.split(" | ")[1:] for line in found.splitlines()}
    assert [cell.strip(" |") for cell in rows["**rows that push recognises**"]] == ["60"] * 9
    assert all(cell for cell in rows["number"][:6])
    assert not any(cell.strip(" |") for name in ("number", "return period") for cell in rows[name][6:])


def test_a_row_that_is_none_of_the_records_is_not_recognised(tmp_path: Path) -> None:
    """See that the count can fall."""
    invoices = asyncio.run(spreadsheets.month(20))
    file = tmp_path / "month.csv"
    tables.write_invoices(file, invoices)
    assert spreadsheets.recognised(file, invoices) == 20
    file.write_text(file.read_text(encoding="utf-8-sig").replace(str(invoices[3].hash), "0" * 64))
    assert spreadsheets.recognised(file, invoices) == 19


def test_without_libreoffice_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And measures nothing."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr("sys.argv", ["spreadsheets"])
    spreadsheets.main()
    assert capsys.readouterr().out == "spreadsheets: skipped, LibreOffice (soffice) is not installed\n"


def test_the_document_has_every_column() -> None:
    """A new one is measured, and the table written anew: `python -m benchmarks.spreadsheets`."""
    text = DOCUMENTS["docs/accountant.md"].partition("## What a spreadsheet does to the files")[2]
    table, _, unchanged = text.partition("Unchanged in all: ")
    named = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")]
    named += " ".join(unchanged.split()).split(".")[0].split(", ")
    assert set(COLUMNS) <= set(named)
