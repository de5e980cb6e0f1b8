"""Files of records: what is written comes back, and every fault of a file is named by row and column."""

from __future__ import annotations

import csv
import datetime as dt
import io
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ims_async import (
    Action,
    AddedBackLiability,
    ErrorEntry,
    InvalidInput,
    Invoice,
    ItcReduction,
    JobReport,
    JobState,
    LineItem,
    RecordFailure,
    RecordKey,
    SalesInvoice,
    Section,
    SupplierSection,
    tables,
)

GOOD = {
    "section": "b2b",
    "supplier": "29AAACQ3770E1ZF",
    "number": "INV/24/001",
    "date": "05-10-2024",
    "return period": "102024",
    "action": "A",
    "action when pulled": "N",
    "hash": "ab" * 32,
    "remarks": "",
    "ITC reduction": "",
}


def make_invoice(**changes: Any) -> Invoice:
    """Return an invoice as a gateway shows it; it is the one that `GOOD` decides on."""
    facts: dict[str, Any] = {
        "section": Section.B2B,
        "supplier": "29AAACQ3770E1ZF",
        "number": "INV/24/001",
        "date": dt.date(2024, 10, 5),
        "return_period": "102024",
        "value": Decimal("1180.00"),
        "taxable_value": Decimal("1000.10"),
        "igst": Decimal("180.02"),
        "cgst": Decimal(0),
        "sgst": Decimal(0),
        "cess": Decimal("0.5"),
        "type": "R",
        "source_form": "R1",
        "place_of_supply": "07",
        "pending_allowed": True,
        "supplier_filed": False,
        "supplier_name": "Acme, Tools & Co",
        "hash": "ab" * 32,
        "read_from_gateway": True,
    }
    return Invoice(**{**facts, **changes})


def lines(*rows: dict[str, str], delimiter: str = ",", columns: list[str] | None = None) -> str:
    """Return a file's text: the good columns, one line per row of changes."""
    out = io.StringIO()
    names = columns or list(GOOD)
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(names)
    writer.writerows([{**GOOD, **row}.get(name, "") for name in names] for row in rows)
    return out.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a test writes its file."""
    return tmp_path / "acme.csv"


def grid_of(file: Path) -> list[list[str]]:
    """Return a written file's cells."""
    return list(csv.reader(io.StringIO(file.read_bytes().decode("utf-8-sig"), newline="")))


def rows_of(file: Path) -> list[dict[str, str]]:
    """Return a written file's rows by column."""
    header, *rows = grid_of(file)
    return [dict(zip(header, row, strict=True)) for row in rows]


def problems_of(file: Path, content: str | bytes, **options: Any) -> tuple[str, ...]:
    """Write a file, read it, and return its problems."""
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InvalidInput) as caught:
        tables.read_decisions(file, **options)
    return caught.value.problems


# -- writing and reading back --------------------------------------------------------------------------


def test_a_pulled_file_reads_back_as_undecided_and_a_decided_one_as_decisions(file: Path) -> None:
    """Write two invoices, decide on the second, and join the row to the invoice again."""
    first, second = make_invoice(), make_invoice(number="-12/A", remarks="=cmd|' /C calc'!A0")
    assert tables.write_invoices(file, [first, second]) == 2
    assert file.read_bytes().startswith(b"\xef\xbb\xbfsection,")
    rows = grid_of(file)
    assert tuple(rows[0]) == (*tables.READ_COLUMNS, *tables.INFORMATION_COLUMNS)
    assert [row[5] for row in rows] == ["action", "", ""]
    assert rows[2][2] == "'-12/A"
    rows[2][5] = "reject"
    with file.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows(rows)
    (row,) = tables.read_decisions(file)
    assert (row.line, row.number, row.action, row.pulled_action) == (
        3,
        "-12/A",
        Action.REJECT,
        Action.NO_ACTION,
    )
    assert row.remarks == second.remarks
    (decision,) = tables.match([row], [first, second])
    assert decision.invoice is second
    assert decision == second.reject(second.remarks)


def test_money_dates_and_flags_are_written_exactly(file: Path) -> None:
    """Look at each information cell of a row."""
    original = {"section": Section.B2BA, "original_number": "1", "original_date": dt.date(2024, 9, 1)}
    tables.write_invoices(file, [make_invoice(value=Decimal("1E+3"), igst=Decimal("180.020"), **original)])
    (row,) = rows_of(file)
    assert row["value"] == "1000"
    assert row["taxable value"] == "1000.10"
    assert row["IGST"] == "180.020"
    assert (row["date"], row["return period"], row["place of supply"]) == ("05-10-2024", "102024", "07")
    assert (row["supplier filed"], row["pending allowed"]) == ("no", "yes")
    assert (row["original number"], row["original date"]) == ("1", "01-09-2024")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "'=", "''+", "\uff1d"])
def test_no_text_cell_begins_as_a_formula_and_every_text_comes_back(file: Path, start: str) -> None:
    """Send a hostile remark, number and name through a file."""
    hostile = make_invoice(number=f"{start}1+1", remarks=f"{start}HYPERLINK(1)", supplier_name=f"{start}x")
    tables.write_invoices(file, [hostile])
    cells = grid_of(file)[1]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d")) for cell in cells)
    (row,) = tables.read_records(file)
    assert row.number == hostile.number


@given(st.text(max_size=60))
def test_any_remark_comes_back_as_it_was(remark: str) -> None:
    """Round-trip arbitrary text; NUL and lone surrogates, which no CSV holds, are replaced."""
    out = io.StringIO()
    tables.write_invoices(out, [make_invoice(remarks=remark)])
    out.seek(0)
    written = out.getvalue().replace(",102024,,", ",102024,A,")
    (row,) = tables.read_decisions(io.StringIO(written, newline=""))
    expected = remark.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    assert row.remarks == (expected if expected.strip() else None)


@pytest.mark.parametrize(
    "reduction",
    [None, ItcReduction.none(), ItcReduction.full(), ItcReduction.partial(igst=Decimal("10.50"), cess=1)],
)
def test_an_itc_reduction_comes_back(file: Path, reduction: ItcReduction | None) -> None:
    """Write each form of it and read it again."""
    tables.write_invoices(file, [make_invoice(section=Section.B2BCN, itc_reduction=reduction)])
    file.write_text(file.read_text("utf-8").replace(",102024,,", ",102024,A,"), "utf-8")
    assert tables.read_decisions(file)[0].itc_reduction == reduction


def test_no_reduction_stays_none_whatever_amounts_a_gateway_shows_beside_it(file: Path) -> None:
    """`itcRedReq` N with amounts: read back as amounts, accepting the note would give up that credit."""
    shown = attrs.evolve(ItcReduction.none(), igst=Decimal(18))
    tables.write_invoices(file, [make_invoice(section=Section.B2BCN, itc_reduction=shown)])
    file.write_text(file.read_text("utf-8").replace(",102024,,", ",102024,A,"), "utf-8")
    assert tables.read_decisions(file)[0].itc_reduction == ItcReduction.none()


def test_a_partial_itc_reduction_is_read_by_head(file: Path) -> None:
    """Leave heads out and spread blanks about."""
    file.write_text(lines({"section": "cn", "ITC reduction": " IGST = 10.50 ; cess=1; "}))
    (row,) = tables.read_decisions(file)
    assert row.itc_reduction == ItcReduction.partial(igst=Decimal("10.50"), cess=Decimal(1))
    assert row.section is Section.B2BCN


def test_a_file_is_replaced_in_one_step_or_not_at_all(file: Path) -> None:
    """Fail in the middle of writing: the file that was there stays."""
    file.write_text("what was there")

    def failing() -> Any:
        yield make_invoice()
        raise RuntimeError("the gateway went away")

    with pytest.raises(RuntimeError):
        tables.write_invoices(file, failing())
    assert file.read_text() == "what was there"
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """Write into a directory that is not there, and onto a directory."""
    with pytest.raises(InvalidInput, match=r"nowhere.*cannot be written"):
        tables.write_invoices(tmp_path / "nowhere" / "a.csv", [])
    with pytest.raises(InvalidInput, match="cannot be written"):
        tables.write_invoices(tmp_path, [])


# -- what is taken -------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_spreadsheets_delimiters_and_its_bom_are_taken(file: Path, delimiter: str, mark: str) -> None:
    """Save the same file as spreadsheets of other countries do."""
    partial = {"section": "b2bcn", "ITC reduction": "igst=1;cgst=0"}
    file.write_text(mark + lines(partial, delimiter=delimiter), encoding="utf-8")
    (row,) = tables.read_decisions(file)
    assert row.itc_reduction == ItcReduction.partial(igst=1)


def test_headers_are_matched_without_case_or_blanks_and_other_columns_are_passed_over(file: Path) -> None:
    """Shout the headers, and add a column of one's own."""
    columns = ["my notes", *GOOD]
    text = lines({}, columns=columns)
    header, rest = text.split("\r\n", 1)
    shouted = (
        header.upper().replace("RETURN PERIOD", " Return_Period ").replace("ACTION WHEN", "Action  When")
    )
    file.write_text(f"{shouted}\r\n{rest}")
    assert len(tables.read_decisions(file)) == 1


def test_rows_without_an_action_and_blank_rows_are_passed_over(file: Path) -> None:
    """Decide on one row of four; its line counts the blank ones, as a spreadsheet does."""
    file.write_text(
        lines({"action": "", "number": "1"}, {"action": " ", "date": "?"}).rstrip() + "\r\n\r\n,,\r\n"
    )
    with file.open("a") as out:
        out.write(lines({}).split("\r\n", 1)[1])
    assert [row.line for row in tables.read_decisions(file)] == [6]


def test_cells_that_a_spreadsheet_left_away_at_the_end_are_empty(file: Path) -> None:
    """Cut the last empty cells of a row."""
    file.write_text(lines({}).rstrip().rstrip(","))
    assert tables.read_decisions(file)[0].itc_reduction is None


def test_a_file_object_is_read_too() -> None:
    """Read text and bytes without a path."""
    assert len(tables.read_decisions(io.StringIO(lines({})))) == 1
    assert len(tables.read_decisions(io.BytesIO(lines({}).encode()))) == 1


def test_a_masked_supplier_is_taken_where_checks_are_off(file: Path) -> None:
    """Read a test host's GSTIN."""
    file.write_text(lines({"supplier": "29XXXXX0000X1ZX"}))
    assert tables.read_decisions(file, check_suppliers=False)[0].supplier == "29XXXXX0000X1ZX"


def test_records_for_a_reset_are_read_whatever_their_action_says(file: Path) -> None:
    """Read undecided, decided and oddly decided rows."""
    words = ["", "A", "N", "later"]
    file.write_text(lines(*({"number": f"A{n}", "action": word} for n, word in enumerate(words))))
    found = [row.action for row in tables.read_records(file)]
    assert found == [None, Action.ACCEPT, Action.NO_ACTION, None]


# -- what is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "column", "parts"),
    [
        ({"section": "b2c"}, "section", ["'b2c' is not one that IMS has", "b2bcn"]),
        ({"section": ""}, "section", ["is not one that IMS has"]),
        ({"action": "X"}, "action", ["'X' is unknown", "A (accept)"]),
        ({"action": "N"}, "action", ["N cannot be saved", "reset"]),
        ({"action when pulled": ""}, "action when pulled", ["pull again"]),
        ({"supplier": "29AAACQ3770E1ZX", "hash": ""}, "supplier", ["fails the GSTIN checksum", "must be F"]),
        ({"supplier": "29AAACQ3770E1Z", "hash": ""}, "supplier", ["15 characters"]),
        ({"return period": "132024", "hash": ""}, "return period", ["MMYYYY"]),
        ({"return period": "52024", "hash": ""}, "return period", ["lost its leading zero", "052024"]),
        ({"return period": "", "hash": ""}, "return period", ["MMYYYY"]),
        ({"date": "31-02-2024", "hash": ""}, "date", ["not a date that exists", "DD-MM-YYYY"]),
        ({"date": "2024-10-05", "hash": ""}, "date", ["rewritten by a spreadsheet", "DD-MM-YYYY"]),
        ({"date": "05/10/2024", "hash": ""}, "date", ["rewritten by a spreadsheet", "DD-MM-YYYY"]),
        ({"date": "5-Oct-24", "hash": ""}, "date", ["rewritten by a spreadsheet"]),
        ({"date": "45570", "hash": ""}, "date", ["rewritten by a spreadsheet"]),
        ({"date": "yesterday", "hash": ""}, "date", ["DD-MM-YYYY"]),
        ({"number": "A" * 17, "hash": ""}, "number", ["17 characters", "at most 16"]),
        ({"number": "", "hash": ""}, "number", ["missing"]),
        ({"number": "INV#1", "hash": ""}, "number", ["letters, digits, - and /"]),
        ({"section": "cn", "ITC reduction": "igst=-1"}, "ITC reduction", ["-1 is negative"]),
        ({"section": "cn", "ITC reduction": "igst=1.005"}, "ITC reduction", ["more than two decimals"]),
        ({"section": "cn", "ITC reduction": "igst=1.500"}, "ITC reduction", ["more than two decimals"]),
        ({"section": "cn", "ITC reduction": "igst=1,000"}, "ITC reduction", ["is not an amount"]),
        ({"section": "cn", "ITC reduction": "igst=NaN"}, "ITC reduction", ["is not an amount"]),
        ({"section": "cn", "ITC reduction": "igst=1;igst=2"}, "ITC reduction", ["twice"]),
        ({"section": "cn", "ITC reduction": f"igst={'9' * 12}"}, "ITC reduction", ["more than the"]),
        ({"section": "cn", "ITC reduction": "half"}, "ITC reduction", ["write none, full, or amounts"]),
        ({"section": "cn", "ITC reduction": "vat=1"}, "ITC reduction", ["write none, full, or amounts"]),
        ({"action": "R", "ITC reduction": "none"}, "ITC reduction", ["accepting only"]),
        ({"remarks": "x" * 40_000}, "remarks", ["40,000 characters"]),
    ],
)
def test_a_wrong_cell_is_refused_by_file_row_and_column(
    file: Path, change: dict[str, str], column: str, parts: list[str]
) -> None:
    """Put one fault into the second row."""
    (problem,) = problems_of(file, lines({"number": "OK1"}, change))
    assert problem.startswith(f"{file} row 3, column {column}: ")
    for part in parts:
        assert part in problem


def test_all_faults_of_a_file_are_reported_at_once(file: Path) -> None:
    """Put three faults into two rows."""
    found = problems_of(
        file,
        lines({"hash": "", "date": "x", "action": "?"}, {"hash": "", "number": "2", "return period": "1"}),
    )
    assert len(found) == 3
    assert [problem.split(":")[0].removeprefix(str(file)) for problem in found] == [
        " row 2, column date",
        " row 2, column action",
        " row 3, column return period",
    ]


def test_a_record_that_stands_there_twice_is_refused_with_both_rows(file: Path) -> None:
    """Decide on the same record in rows 2 and 4."""
    (problem,) = problems_of(file, lines({}, {"number": "OTHER"}, {"action": "R"}))
    assert "row 4" in problem
    assert "stands in row 2 already" in problem
    assert "INV/24/001" in problem


def test_a_file_in_which_nothing_is_decided_is_refused(file: Path) -> None:
    """Push a fresh pull, and a header alone."""
    for text in (lines({"action": ""}), lines()):
        (problem,) = problems_of(file, text)
        assert "row 1, column action: no row is decided: write A, R or P" in problem


def test_a_missing_column_is_named_with_what_is_there(file: Path) -> None:
    """Leave out `hash`."""
    (problem,) = problems_of(file, lines({}, columns=[name for name in GOOD if name != "hash"]))
    assert f"{file} row 1, column hash: this column is missing; the file has: section, supplier" in problem


def test_columns_of_the_same_name_are_refused(file: Path) -> None:
    """Name two columns `action`."""
    (problem,) = problems_of(file, lines({}, columns=[*GOOD, "Action"]))
    assert "row 1, column Action: two columns (the 6th and 11th) have this name" in problem


def test_a_row_with_more_cells_than_the_header_is_refused(file: Path) -> None:
    """Forget the quotes around a remark with a comma."""
    (problem,) = problems_of(file, lines({}).rstrip() + ",one more")
    assert f"{file} row 2: it has 11 cells under 10 columns" in problem
    assert "quotes" in problem


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (lines({}).encode("utf-16"), ["UTF-16", "CSV UTF-8"]),
        (lines({}).encode("utf-16-le"), ["NUL", "CSV UTF-8"]),
        (lines({"remarks": "café"}).encode("latin-1"), ["row 2", "0xe9 is not UTF-8", "CSV UTF-8"]),
        (lines({"remarks": "a\0b"}).encode(), ["row 2", "NUL bytes"]),
        (b"PK\x03\x04rest of a workbook", ["spreadsheet's own format", "CSV UTF-8"]),
        (b"", ["is empty"]),
        (b" \r\n\r\n", ["is empty"]),
    ],
)
def test_a_file_that_is_no_utf8_text_is_refused_with_what_to_do(
    file: Path, content: bytes, parts: list[str]
) -> None:
    """Save it as spreadsheets may."""
    (problem,) = problems_of(file, content)
    for part in (str(file), *parts):
        assert part in problem


def test_a_hundred_thousand_columns_are_refused_quickly(file: Path) -> None:
    """Read a file that is something else altogether."""
    began = time.process_time()
    (problem,) = problems_of(file, ",".join(f"c{n}" for n in range(100_000)) + "\n1,2,3\n")
    assert "100,000 columns" in problem
    assert time.process_time() - began < 2


def test_a_field_without_end_is_refused(file: Path) -> None:
    """Write a cell of 200,000 characters, and a quote that is never closed."""
    (problem,) = problems_of(file, lines({"remarks": "x" * 200_000}))
    assert "row 2: it cannot be read as CSV" in problem
    assert "field limit" in problem
    (problem,) = problems_of(file, lines({}) + '"never closed,\r\n' * 3)
    assert "cannot be read as CSV" in problem


def test_what_is_no_readable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a directory, nothing, and a file without permission."""
    with pytest.raises(InvalidInput, match="is a directory"):
        tables.read_decisions(tmp_path)
    with pytest.raises(InvalidInput, match=r"nothing\.csv cannot be read: no such file"):
        tables.read_decisions(tmp_path / "nothing.csv")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InvalidInput, match=r"locked\.csv cannot be read: permission denied"):
        tables.read_decisions(tmp_path / "locked.csv")


# -- set against the gateway ---------------------------------------------------------------------------


def read(text: str) -> list[tables.Row]:
    """Read rows from text."""
    return tables.read_decisions(io.StringIO(text, newline=""))


@pytest.mark.parametrize(
    ("now", "part"),
    [
        ([], "does not show this record (any more): pull again"),
        ([make_invoice(hash="cd" * 32)], "the supplier has edited it"),
        ([make_invoice(action=Action.ACCEPT)], "was N when pulled and is A now"),
        ([make_invoice(date=dt.date(2024, 10, 6), hash=None)], "with the date 06-10-2024"),
        ([make_invoice(section=Section.B2BA)], "does not show this record"),
    ],
)
def test_a_row_whose_record_has_changed_since_is_refused_by_name(now: list[Invoice], part: str) -> None:
    """Change the record between the pull and the push."""
    with pytest.raises(InvalidInput) as caught:
        tables.match(read(lines({})), now)
    (problem,) = caught.value.problems
    for expected in ("row 2: b2b INV/24/001 from 29AAACQ3770E1ZF: ", part, "pull again"):
        assert expected in problem


def test_a_row_without_a_hash_is_refused_where_the_gateway_has_one() -> None:
    """Empty the hash cell; where the gateway knows no hashes, that is as it was."""
    rows = read(lines({"hash": ""}))
    with pytest.raises(InvalidInput, match="its hash cell is empty"):
        tables.match(rows, [make_invoice()])
    assert len(tables.match(rows, [make_invoice(hash=None)])) == 1


def test_a_finding_of_the_offline_checks_names_its_row() -> None:
    """Keep a record pending that may not be; reduce the credit of an invoice."""
    rows = read(lines({"action": "P"}, {"number": "2", "ITC reduction": "full"}))
    with pytest.raises(InvalidInput) as caught:
        tables.match(rows, [make_invoice(pending_allowed=False), make_invoice(number="2")])
    first, second = caught.value.problems
    assert "row 2, column action: the gateway does not allow this record to be kept pending" in first
    assert "row 3, column ITC reduction: section b2b documents no ITC reduction" in second


def test_an_undecided_row_makes_no_decision() -> None:
    """Hand the rows of a reset to a match for a save."""
    rows = [attrs.evolve(row, action=None) for row in read(lines({}))]
    with pytest.raises(InvalidInput, match="row 2, column action: the row is not decided"):
        tables.match(rows, [make_invoice()])


@pytest.mark.parametrize("stands", [Action.NO_ACTION, Action.ACCEPT])
def test_a_reset_takes_a_record_as_it_was_pulled_or_as_the_file_decided(stands: Action) -> None:
    """Reset with the file that was pushed."""
    invoice = make_invoice(action=stands)
    assert tables.match_records(read(lines({})), [invoice]) == [invoice]


def test_a_reset_refuses_a_record_that_was_changed_elsewhere() -> None:
    """Reset a record that has neither action."""
    with pytest.raises(InvalidInput, match="is R now"):
        tables.match_records(read(lines({})), [make_invoice(action=Action.REJECT)])


# -- the other files -----------------------------------------------------------------------------------


def test_sales_are_written_with_the_sums_of_their_rate_lines(file: Path) -> None:
    """Write a document of two rates, and a deleted one without amounts."""
    line = LineItem(number=1, rate=Decimal(18), taxable_value=Decimal("100.10"), igst=Decimal("18.02"))
    sale = SalesInvoice(
        section=SupplierSection.B2B,
        recipient="29AAACQ3770E1ZF",
        number="=1",
        date=dt.date(2024, 10, 5),
        action=Action.REJECT,
        value=Decimal("236.24"),
        items=(line, attrs.evolve(line, number=2)),
    )
    assert tables.write_sales(file, [sale, attrs.evolve(sale, items=(), value=None, deleted=True)]) == 2
    first, second = rows_of(file)
    assert (first["taxable value"], first["IGST"], first["CGST"]) == ("200.20", "36.04", "0")
    assert (first["number"], first["action"], first["deleted"]) == ("'=1", "R", "no")
    assert (second["value"], second["taxable value"], second["deleted"]) == ("", "", "yes")


def test_added_back_liabilities_are_written(file: Path) -> None:
    """Write one."""
    debt = AddedBackLiability(
        section=SupplierSection.CDNR,
        recipient="29AAACQ3770E1ZF",
        number="CN1",
        date=dt.date(2024, 10, 5),
        value=Decimal("118.00"),
        taxable_value=Decimal(100),
        igst=Decimal(18),
        cgst=Decimal(0),
        sgst=Decimal(0),
        cess=Decimal(0),
        supplier_period="102024",
        source_form="R1",
        remarks="@risk",
    )
    assert tables.write_added_back(file, [debt]) == 1
    (row,) = rows_of(file)
    assert (row["value"], row["supplier period"], row["remarks"]) == ("118.00", "102024", "'@risk")


def test_a_report_has_one_line_per_record(file: Path) -> None:
    """Write a report with a record of each kind."""
    ok, bad, lost = (make_invoice(number=number).accept() for number in ("1", "2", "3"))
    stray = ErrorEntry(
        section="xyz", supplier="S", number=None, return_period=None, code="E1", message="no such"
    )
    report = JobReport(
        state=JobState.PARTIAL,
        submitted=3,
        succeeded=(ok,),
        failed=(RecordFailure(record=bad, key=bad.key, code="IMSSAV0010", message="=stale"),),
        unaccounted=(lost,),
        unmatched=(stray,),
        unaccounted_count=1,
    )
    assert tables.write_report(file, report) == 4
    found = [(row["outcome"], row["number"], row["action"], row["code"]) for row in rows_of(file)]
    assert found == [
        ("failed", "2", "A", "IMSSAV0010"),
        ("unmatched", "", "", "E1"),
        ("unaccounted", "3", "A", ""),
        ("applied", "1", "A", ""),
    ]
    assert rows_of(file)[0]["message"] == "'=stale"


def test_a_report_without_records_says_how_many_there_are(file: Path) -> None:
    """Write the report of a job that was resumed from its token."""
    key = RecordKey(Section.B2B, "29AAACQ3770E1ZF", "2", None, "102024")
    failure = RecordFailure(record=None, key=key, code="X", message="y")
    report = JobReport(state=JobState.PARTIAL, submitted=10, failed=(failure,), unaccounted_count=4)
    tables.write_report(file, report)
    assert [(row["outcome"], row["message"]) for row in rows_of(file)] == [
        ("failed", "y"),
        ("unaccounted", "4 records, not known here by name"),
        ("applied", "5 records, not known here by name"),
    ]
    assert tables.applied_count(report) == 5
    assert tables.applied_count(attrs.evolve(report, submitted=None)) is None
    refused = attrs.evolve(report, state=JobState.FAILED, unaccounted_count=0)
    assert tables.applied_count(refused) == 0


def test_a_refused_job_without_records_says_why(file: Path) -> None:
    """With the gateway's code and words beside the number of records."""
    facts = {"error_code": "RET191106", "error_message": "why"}
    tables.write_report(file, JobReport(state=JobState.FAILED, submitted=10, **facts))  # type: ignore[arg-type]
    assert [(row["outcome"], row["code"], row["message"]) for row in rows_of(file)] == [
        ("failed", "RET191106", "10 records, not known here by name: why"),
    ]


def test_the_records_of_a_task_that_broke_off_are_reported_once(file: Path) -> None:
    """Their outcome is not known: they are unaccounted, and not failed as well."""
    tables.write_report(file, JobReport(state=JobState.FAILED, submitted=10, unaccounted_count=10))
    assert [(row["outcome"], row["message"]) for row in rows_of(file)] == [
        ("unaccounted", "10 records, not known here by name"),
    ]


# -- texts of others: suppliers and gateways -----------------------------------------------------------

SIGNS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b\u2212"
BEFORE = [
    "",
    "  ",
    "\u00a0",
    "\u3000",
    '"',
    "'",
    "''",
    "' ",
    "\u201c",
    "\u200b",
    "\ufeff",
    "\u202e",
    "\u2066",
]


def files_with(text: str) -> list[str]:
    """Return files that have this text in every column whose text comes from others."""
    key = RecordKey(Section.B2B, text, text, None, text)
    failure = RecordFailure(record=None, key=key, code=text, message=text)
    entry = ErrorEntry(section=text, supplier=text, number=text, return_period=text, code=text, message=text)
    report = JobReport(state=JobState.PARTIAL, submitted=1, failed=(failure,), unmatched=(entry,))
    names: tuple[str, ...] = (
        "number",
        "remarks",
        "hash",
        "supplier_name",
        "type",
        "place_of_supply",
        "original_number",
    )
    facts: dict[str, Any] = dict.fromkeys(names, text)
    document: dict[str, Any] = {
        "section": SupplierSection.B2B,
        "recipient": text,
        "number": text,
        "date": dt.date(2024, 10, 5),
    }
    more: dict[str, Any] = dict.fromkeys(("supplier", "type", "note_type", "original_number"), text)
    sale = SalesInvoice(**document, **more, list_name=text, checksum=text, place_of_supply=text)
    nothing: dict[str, Any] = dict.fromkeys(
        ("value", "taxable_value", "igst", "cgst", "sgst", "cess"), Decimal(0)
    )
    others: dict[str, Any] = dict.fromkeys(
        ("recipient_name", "supplier_name", "supplier_period", "source_form", "remarks"), text
    )
    debt = AddedBackLiability(**document, **more, **nothing, **others)
    outs = [io.StringIO(newline="") for _ in range(4)]
    tables.write_invoices(outs[0], [make_invoice(section=Section.B2BA, **facts)])
    tables.write_sales(outs[1], [sale])
    tables.write_added_back(outs[2], [debt])
    tables.write_report(outs[3], report)
    return [out.getvalue() for out in outs]


def test_a_formula_behind_blanks_quotes_or_nothing_visible_is_no_formula_and_comes_back() -> None:
    """In every column whose text comes from others, of every kind of file."""
    for before in BEFORE:
        for sign in SIGNS:
            hostile = f"{before}{sign}1+1"
            files = files_with(hostile)
            found = [[*csv.reader(io.StringIO(file, newline=""))][1:] for file in files]
            cells = [[cell for row in rows for cell in row] for rows in found]
            assert not any(hostile in file for file in cells)
            assert [file.count(f"'{hostile}") for file in cells] == [7, 9, 11, 11]
            (row,) = tables.read_records(io.StringIO(files[0], newline=""))
            assert row.number == hostile


def test_text_that_is_no_formula_is_left_as_it_is() -> None:
    """Signs within it, and quotes before a word, do no harm."""
    for harmless in (
        "INV/24-25/001",
        "a=b",
        "'quoted'",
        '"A" & Co',
        "05-10-2024",
        " padded ",
        "1+1",
        "\u200bx",
    ):
        assert all(f"'{harmless}" not in file for file in files_with(harmless))
