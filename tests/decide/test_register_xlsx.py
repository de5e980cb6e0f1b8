"""A purchase register in a workbook: the sheet whose headings are known, dates and figures as they are."""

from __future__ import annotations

import datetime as dt
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest
import xlsxwriter

from ims_async import InvalidInput
from ims_async.decide import read_register
from ims_async.tables import InvalidFile


def test_a_register_is_read_from_the_sheet_with_known_headings(tmp_path: Path) -> None:
    """Below titles, behind a cover sheet; numbers that a spreadsheet keeps as figures have no decimals."""
    file = tmp_path / "purchases.xlsx"
    book = xlsxwriter.Workbook(str(file), {"default_date_format": "dd-mm-yyyy"})
    book.add_worksheet("Cover").write(0, 0, "Acme Traders")
    sheet = book.add_worksheet("Purchases")
    sheet.write_row(2, 1, ["GSTIN", "Invoice No", "Invoice Date", "Taxable Value", "IGST"])
    sheet.write_row(3, 1, ["29AAACQ3770E1ZF", 13])
    sheet.write_datetime(3, 3, dt.date(2024, 10, 5))
    sheet.write_row(3, 4, [1000.1, 180.02])
    sheet.write_row(4, 1, ["Total", "", "", 1000.1, 180.02])
    book.close()
    (entry,) = found = read_register(file)
    assert (entry.number, entry.date, entry.taxable_value, entry.igst) == (
        "13", dt.date(2024, 10, 5), Decimal("1000.1"), Decimal("180.02"),
    )  # fmt: skip
    assert found.left_out == {"totals": 1}


def test_a_register_in_another_format_is_refused_with_a_sentence(tmp_path: Path) -> None:
    """An XLS that was named .xlsx; a suffix that is none of ours."""
    file = tmp_path / "old.xlsx"
    file.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(100))
    with pytest.raises(InvalidInput, match="workbook of Excel 97"):
        read_register(file)
    with pytest.raises(InvalidInput, match=r"save it as CSV UTF-8 \(.csv\) or as .xlsx"):
        read_register(tmp_path / "old.pdf")


@pytest.mark.parametrize("months", [["Apr"], ["Apr", "May"]])
def test_two_sheets_that_are_registers_are_refused(tmp_path: Path, months: list[str]) -> None:
    """One of them would be left out without a word; a cover sheet may have a date."""
    file = tmp_path / "purchases.xlsx"
    book = xlsxwriter.Workbook(str(file))
    book.add_worksheet("Cover").write_row(0, 0, ["Date", "GSTIN"])
    for month in months:
        sheet = book.add_worksheet(month)
        sheet.write_row(0, 0, ["GSTIN", "Invoice No", "Invoice Date", "Taxable Value", "IGST"])
        sheet.write_row(1, 0, ["29AAACQ3770E1ZF", month, "05-05-2026", 1000, 180])
    book.close()
    if len(months) == 1:
        assert [one.number for one in read_register(file)] == ["Apr"]
    else:
        with pytest.raises(InvalidInput, match=r"2 sheets are purchase registers \('Apr', 'May'\): put"):
            read_register(file)


@pytest.mark.parametrize(
    ("result", "written"),
    [(180, b"<v>180</v>"), (180, b"<v></v>"), (180, b"<v/>"), (180, b""), ("#N/A", b"")],
)
def test_a_formula_without_a_result_is_refused(tmp_path: Path, result: object, written: bytes) -> None:
    """As programs write them that do not calculate, and where a look-up has found nothing."""
    drawn, file = tmp_path / "drawn.xlsx", tmp_path / "purchases.xlsx"
    book = xlsxwriter.Workbook(str(drawn))
    sheet = book.add_worksheet("Purchases")
    sheet.write_row(0, 0, ["GSTIN", "Invoice No", "Invoice Date", "Taxable Value", "IGST", "Cess", "Note"])
    sheet.write_row(1, 0, ["29AAACQ3770E1ZF", "7", "05-05-2026", 1000])
    sheet.write_formula(1, 4, "=D2*18%", None, result)
    sheet.write_formula(1, 5, '=IF(A2="","x","")', None, "")
    sheet.write_formula(1, 6, "=NA()", None, "#N/A")
    book.close()
    with zipfile.ZipFile(drawn) as read, zipfile.ZipFile(file, "w") as write:
        for name in read.namelist():
            text = read.read(name).replace(b"<v>180</v>", written)
            write.writestr(name, text.replace(b'r="F2"', b'r="F2" t="str"'))  # as Excel marks an empty text
    if written == b"<v>180</v>":
        assert read_register(file)[0].igst == 180
    else:
        with pytest.raises(InvalidFile, match="row 2, column IGST: its formula has no result: open the file"):
            read_register(file)
