"""Workbooks: what is written comes back, also after LibreOffice has saved it; each fault is a sentence."""

from __future__ import annotations

import datetime as dt
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import python_calamine
import xlsxwriter

from ims_async import Action, InvalidInput, Invoice, ItcReduction, JobReport, JobState, Section, tables
from ims_async.tables.xlsx import opening, workbook

from ..support.missing import take_away
from ..support.soffice import LOCALES, saved_by_libreoffice
from .test_tables import GOOD, make_invoice
from .test_tables_rewritten import two_hundred

ACME = "29AAACQ3770E1ZF"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a test writes its workbook."""
    return tmp_path / "acme.xlsx"


def grid_of(file: Path, sheet: str = "Records") -> list[list[Any]]:
    """Return the cells of a sheet."""
    return python_calamine.CalamineWorkbook.from_path(str(file)).get_sheet_by_name(sheet).to_python()


def made(file: Path, *rows: dict[str, Any], sheet: str = "Sheet1", above: int = 0) -> Path:
    """Write a workbook of one's own, with the columns of a pull."""
    book = xlsxwriter.Workbook(str(file))
    page = book.add_worksheet(sheet)
    page.write_row(above, 0, list(GOOD))
    for place, row in enumerate(rows, start=above + 1):
        page.write_row(place, 0, list({**GOOD, **row}.values()))
    book.close()
    return file


def parts_of(file: Path) -> dict[str, bytes]:
    """Return the files that are packed into a workbook."""
    with zipfile.ZipFile(file) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def pack(file: Path, parts: dict[str, bytes]) -> Path:
    """Write a workbook of these files."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in parts.items():
            out.writestr(name, content)
    return file


def decided(file: Path, action: str = "Accept") -> Path:
    """Fill in the column `action` of each row, as a person does: the cells' text in the packed sheet."""
    parts = parts_of(file)
    header = grid_of(file)[0]
    letter = chr(ord("A") + header.index("action"))
    after = chr(ord(letter) + 1)
    sheet, rows = parts["xl/worksheets/sheet1.xml"].decode(), len(grid_of(file))
    for row in range(2, rows + 1):
        cell = f'<c r="{letter}{row}" t="inlineStr"><is><t>{action}</t></is></c>'
        sheet = sheet.replace(f'<c r="{after}{row}"', f'{cell}<c r="{after}{row}"')
    parts["xl/worksheets/sheet1.xml"] = sheet.encode()
    return pack(file, parts)


def test_a_workbook_has_text_ids_real_dates_and_rupees_as_numbers(file: Path) -> None:
    """The first sheet is to be decided in; a second explains, a third is hidden."""
    invoice = make_invoice(number="000013", supplier_name="=1+1", remarks="-x")
    assert tables.write_invoices(file, [invoice], gstin=ACME) == 1
    header, row = grid_of(file)
    cells = dict(zip(header, row, strict=True))
    assert header == [tables.GSTIN_COLUMN, *tables.READ_COLUMNS, *tables.INFORMATION_COLUMNS]
    assert (cells["number"], cells["return period"], cells["place of supply"]) == ("000013", "102024", "07")
    assert (cells["date"], cells["taxable value"]) == (dt.date(2024, 10, 5), 1000.1)
    assert (cells["supplier name"], cells["remarks"], cells["action"]) == ("=1+1", "-x", "")
    book = python_calamine.CalamineWorkbook.from_path(str(file))
    assert book.sheet_names == ["Records", "How to", "ims_async"]
    assert ["Hidden" in str(sheet.visible) for sheet in book.sheets_metadata] == [False, False, True]
    assert grid_of(file, "ims_async") == [["format", 1.0], [invoice.hash, ""]]
    text = zipfile.ZipFile(file).read("xl/worksheets/sheet1.xml").decode()
    assert 'sort="0"' not in text  # it would be allowed: of the decisions only, away from their records
    for part in ("<sheetProtection", "<dataValidation ", "<autoFilter", "<pane ", "conditionalFormatting"):
        assert part in text
    assert r"##\,##\,##\,##0.00" in zipfile.ZipFile(file).read("xl/styles.xml").decode()


def test_a_decided_workbook_reads_back_as_decisions(file: Path) -> None:
    """As a CSV file does; a fresh one has none."""
    invoices = [make_invoice(number="-12/A", remarks="=cmd|' /C calc'!A0"), *two_hundred()[1:]]
    tables.write_invoices(file, invoices, gstin=ACME)
    assert not tables.is_report(file)
    with pytest.raises(InvalidInput, match="row 1, column action: no row is decided"):
        tables.read_decisions(file)
    rows = tables.read_decisions(decided(file))
    assert [decision.invoice for decision in tables.match(rows, invoices)] == invoices
    assert [row.key for row in rows] == [invoice.key for invoice in invoices]
    assert {(row.gstin, row.action, row.file) for row in rows} == {(ACME, Action.ACCEPT, str(file))}
    assert rows[0].remarks == "=cmd|' /C calc'!A0"
    ((first, information), *_) = tables.read_with_information(file)
    assert (first.line, information["taxable value"], information["place of supply"]) == (2, "1000.1", "07")
    assert not [one for one in tables.check_rows([(first, information)]) if one.level == "refuse"]


@pytest.mark.parametrize("locale", LOCALES)
def test_a_workbook_that_libreoffice_has_saved_is_pushed_unchanged(file: Path, locale: str) -> None:
    """No cell that matters has changed."""
    invoices = [
        *two_hundred(),
        make_invoice(section=Section.B2BCN, hash="f" * 64, itc_reduction=ItcReduction.full(), number="=1"),
    ]
    tables.write_invoices(file, invoices, gstin=ACME)
    decided(file)
    before = tables.read_with_information(file)
    saved = saved_by_libreoffice(file, locale)
    after = tables.read_with_information(saved)
    assert [{**row[1], "file": ""} for row in after] == [{**row[1], "file": ""} for row in before]
    rows = [row for row, _ in after]
    assert [row.key for row in rows] == [invoice.key for invoice in invoices]
    assert not any(row.rewritten for row in tables.recognised(rows, invoices))
    assert tables.match(rows, invoices) == tables.match([row for row, _ in before], invoices)
    assert not tables.is_report(saved)


def test_rows_that_fit_on_no_sheet_go_on_on_another(file: Path) -> None:
    """And are read from all; each names its sheet."""
    columns = ("GSTIN", *tables.READ_COLUMNS)
    rows = [(ACME, *make_invoice(number=str(n), hash=f"{n:x}").key, "A", "N", f"{n:x}") for n in range(7)]
    with workbook.writing_rows(file, columns, most=3) as write:
        assert write(rows[:2]) == 2
        assert write(rows[2:]) == 5
    found = tables.read_decisions(file)
    assert [row.number for row in found] == list("0123456")
    assert [row.where() for row in found[2:4]] == [f"{file} row 4", f"{file} [Records 2] row 2"]
    assert tables.by_taxpayer(found, otherwise=str).keys() == {ACME}


def test_a_report_is_a_plain_sheet(file: Path) -> None:
    """It is known as one."""
    report = JobReport(state=JobState.FAILED, submitted=10, error_code="RET191106", error_message="=why")
    assert tables.write_report(file, report, gstin=ACME) == 1
    header, row = grid_of(file, "Report")
    assert dict(zip(header, row, strict=True))["message"].endswith("by name: =why")
    assert tables.is_report(file)


def test_a_workbook_of_ones_own_is_read_by_its_columns(file: Path) -> None:
    """Titles above the header, numbers for numbers, dates with a time, other sheets beside it."""
    made(file, {"number": 13, "remarks": True, "hash": ""}, above=3)
    (row,) = tables.read_decisions(file)
    assert (row.line, row.number, row.remarks) == (5, "13", "yes")


def test_a_csv_file_that_was_saved_as_a_workbook_loses_its_apostrophes(file: Path) -> None:
    """Those that kept its texts from being formulas; a workbook of a pull has none to lose."""
    made(
        file,
        {"remarks": "'-x", "number": "'-12", "action": "R"},
        {"number": "'A", "action": "R", "hash": "b"},
    )
    first, second = tables.read_decisions(file)
    assert (first.remarks, first.number, second.number) == ("-x", "-12", "'A")
    tables.write_invoices(file, [make_invoice(number="'-12")], gstin=ACME)
    assert tables.read_records(file)[0].number == "'-12"


def test_a_workbook_that_unpacks_to_too_much_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it is unpacked."""
    monkeypatch.setattr(opening, "LONGEST_UNPACKED", 10_000_000)
    parts = parts_of(made(file, {}))
    pack(file, {**parts, "xl/worksheets/sheet1.xml": bytes(10_000_000)})
    assert file.stat().st_size < 100_000
    with pytest.raises(InvalidInput, match="unpacks to more than 10,000,000 bytes: split it"):
        tables.read_decisions(file)


def test_a_sheet_of_many_rows_and_formats_is_not_too_large(file: Path) -> None:
    """What has no content is not loaded, and takes no memory."""
    book = xlsxwriter.Workbook(str(file))
    page = book.add_worksheet("Records")
    page.write_row(0, 0, list(GOOD))
    page.write_row(1, 0, list(GOOD.values()))
    page.write_string(1, 30, "a note")
    page.set_row(1_048_575, 20)
    page.write_blank(1_048_575, 16_383, None, book.add_format({"bold": True}))
    book.close()
    assert [row.line for row in tables.read_decisions(file)] == [2]


def encrypted(file: Path) -> None:
    file.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600) + "EncryptedPackage".encode("utf-16-le"))


def of_excel_97(file: Path) -> None:
    file.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600) + "Workbook".encode("utf-16-le"))


def foreign(file: Path) -> None:
    book = xlsxwriter.Workbook(str(file))
    book.add_worksheet().write_row(0, 0, ["Bill", "Amount"])
    book.close()


def without_rows(file: Path) -> None:
    book = xlsxwriter.Workbook(str(file))
    book.add_worksheet()
    book.close()


def with_a_formula(file: Path) -> None:
    book = xlsxwriter.Workbook(str(file))
    page = book.add_worksheet("A & B")
    page.write_row(0, 0, list(GOOD))
    page.write_row(1, 0, list(GOOD.values()))
    page.write_formula(1, 5, '=IF(1,"A","")', None, "A")
    book.close()


def newer(file: Path) -> None:
    book = xlsxwriter.Workbook(str(file))
    book.add_worksheet().write_row(0, 0, list(GOOD))
    book.add_worksheet("ims_async").write_row(0, 0, ["format", 2])
    book.close()


def with_a_hidden_sheet(file: Path) -> None:
    book = xlsxwriter.Workbook(str(file))
    for name in ("Records", "Old"):
        page = book.add_worksheet(name)
        page.write_row(0, 0, list(GOOD))
        page.write_row(1, 0, list({**GOOD, "number": name, "hash": name}.values()))
    page.hide()
    book.close()


def with_a_cell_far_off(file: Path) -> None:
    """A blank that somebody typed after Ctrl+End: loaded, it would end the process for want of memory."""
    book = xlsxwriter.Workbook(str(file))
    page = book.add_worksheet("Records")
    page.write_row(0, 0, list(GOOD))
    page.write_row(1, 0, list(GOOD.values()))
    page.write_blank(2, 16_383, None, book.add_format({"bold": True}))  # takes no room
    page.write_string(1_048_575, 9_999, " ")
    book.close()


def with_a_broken_sheet(file: Path) -> None:
    parts = parts_of(made(file, {}))
    parts["xl/worksheets/sheet1.xml"] = parts["xl/worksheets/sheet1.xml"].replace(b'r="A2"', b'r="A2')
    pack(file, parts)


def with_broken_bytes(file: Path) -> None:
    made(file, {})
    content, name = file.read_bytes(), b"xl/worksheets/sheet1.xml"
    place = content.index(name) + len(name) + 40
    file.write_bytes(content[:place] + b"\xff" * 9 + content[place + 9 :])


def broken(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as out:
        out.writestr("xl/workbook.xml", "<")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (encrypted, "is protected by a password: open it, take the password off, and save it"),
        (of_excel_97, r"is a workbook of Excel 97 \(.xls\): save it as .xlsx"),
        (foreign, r"is not a file of pull's \(no columns section, supplier"),
        (without_rows, "has no rows: pull the records into it first"),
        (with_a_formula, "row 2, column action: it holds a formula: copy the column, and paste it as values"),
        (newer, "was written by a newer release"),
        (broken, "cannot be read as XLSX"),
        (with_a_broken_sheet, "cannot be read as XLSX"),
        (with_broken_bytes, "cannot be read as XLSX"),
        (with_a_hidden_sheet, r"has records in the hidden sheet 'Old': show that sheet \(Unhide\)"),
        (
            with_a_cell_far_off,
            "has something in cell NTP1048576 of sheet 'Records', far from the rest: delete",
        ),
        (lambda file: file.write_text("a,b"), "is no XLSX workbook: save it as .xlsx"),
        (lambda file: file.write_text(""), "is empty"),
        (lambda file: None, "cannot be read: no such file"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_a_workbook_that_cannot_be_used_says_why(
    file: Path, make: Callable[[Path], object], sentence: str
) -> None:
    """One sentence that names the file, and what to do."""
    make(file)
    with pytest.raises(InvalidInput, match=sentence) as caught:
        tables.read_decisions(file)
    assert len(caught.value.problems) == 1
    assert str(file) in str(caught.value)


def test_a_fault_of_a_cell_names_its_row_and_column(file: Path) -> None:
    """As in a CSV file; a record that stands there twice does too."""
    made(file, {"action": "maybe"}, {"number": "2", "hash": "a"}, {"number": "2", "hash": "a"})
    with pytest.raises(InvalidInput) as caught:
        tables.read_decisions(file)
    first, second = caught.value.problems
    assert first.startswith(f"{file} row 2, column action: action 'maybe' is unknown")
    assert "stands in row 3 already" in second


def test_without_the_extra_the_command_that_installs_it_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On writing, before any work, and on reading."""
    made(file, {})
    take_away(monkeypatch, "xlsxwriter", "python_calamine")
    for work in (
        lambda: tables.read_decisions(file),
        lambda: tables.check_writable(file),
        lambda: tables.write_invoices(file, [make_invoice()]),
    ):
        with pytest.raises(InvalidInput, match=r"pip install 'ims-async\[xlsx\]'"):
            work()


def test_an_error_amid_the_writing_leaves_the_old_workbook(file: Path) -> None:
    """And nothing else in its folder."""
    tables.write_invoices(file, [make_invoice()])
    before = file.read_bytes()

    def failing() -> Any:
        yield make_invoice()
        raise TimeoutError("the gateway went away")  # an OSError, and none of the file's

    with pytest.raises(TimeoutError, match="the gateway"):
        tables.write_invoices(file, failing())
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]
    with pytest.raises(InvalidInput, match="is there already"):
        tables.write_invoices(file, [], overwrite=False)


def test_texts_that_no_workbook_holds_are_written_all_the_same(file: Path) -> None:
    """Half a character, control characters, and more than a cell takes."""
    odd: list[Invoice] = [
        make_invoice(number="1", remarks="a\ud800b\x00\x01\r\n", value=Decimal("99999999999999.99")),
        make_invoice(number="2", remarks="x" * 40_000, hash="b"),
    ]
    tables.write_invoices(file, odd)
    first, second = grid_of(file)[1:]
    assert first[8].startswith("a?b")
    assert len(second[8]) == 32_767
