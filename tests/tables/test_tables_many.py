"""Files of many taxpayers: the taxpayer of each row, files written in portions, reports of many jobs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from ims_async import Action, ErrorEntry, InvalidInput, Invoice, JobReport, JobState, tables
from ims_async.tables import Outcome, Row
from tests.tables.test_tables import GOOD, lines, make_invoice, rows_of

ACME, ZED, OTHER = "29AAACQ3770E1ZF", "27AAPFU0939F1ZV", "19ATLCT2383L1ZL"
COLUMNS = ["GSTIN", *GOOD]


def not_called() -> str:
    """Fail where the taxpayer is known without it."""
    raise AssertionError("it was asked whose they are")


def rows(folder: Path, name: str, *changes: dict[str, str], column: bool = True) -> list[Row]:
    """Write a file and read it."""
    file = folder / name
    file.write_text(lines(*changes, columns=COLUMNS if column else list(GOOD)))
    return tables.read_decisions(file)


# -- writing and reading -------------------------------------------------------------------------------


def test_a_file_names_its_taxpayer_in_the_first_column_and_reads_back(tmp_path: Path) -> None:
    """Write for one, decide, read."""
    file = tmp_path / "acme.csv"
    assert tables.write_invoices(file, [make_invoice()], gstin=ACME) == 1
    (written,) = rows_of(file)
    assert next(iter(written.items())) == ("GSTIN", ACME)
    file.write_text(file.read_text().replace(",102024,,", ",102024,A,"))
    (row,) = tables.read_decisions(file)
    assert (row.gstin, row.number) == (ACME, "INV/24/001")
    assert len(tables.match([row], [make_invoice()])) == 1


def test_invoices_of_many_are_written_as_they_come_or_not_at_all(tmp_path: Path) -> None:
    """Two taxpayers in turns; then an error in the middle, which leaves the file as it was."""
    file = tmp_path / "all.csv"
    with tables.writing_invoices(file) as add:
        assert not file.exists()
        assert add(ACME, [make_invoice(), make_invoice(number="2")]) == 2
        assert add(ZED, [make_invoice()]) == 1
        assert add(OTHER, []) == 0
    assert [row["GSTIN"] for row in rows_of(file)] == [ACME, ACME, ZED]
    before = file.read_bytes()

    def failing() -> Iterator[Invoice]:
        yield make_invoice()
        raise TimeoutError("the gateway went away")  # an OSError, and none of the file's

    with pytest.raises(TimeoutError, match="the gateway"), tables.writing_invoices(file) as add:
        add(OTHER, failing())
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_a_full_disk_is_reported_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The device takes nothing: neither while it is written nor when it is closed."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no such device")
    with pytest.raises(InvalidInput, match=r"/dev/full cannot be written: no space left"):
        tables.write_invoices("/dev/full", [make_invoice(number=str(n)) for n in range(1000)], gstin=ACME)
    with pytest.raises(InvalidInput, match=r"/dev/full cannot be written: no space left"):
        tables.write_invoices("/dev/full", [make_invoice()], gstin=ACME)


def test_a_wrong_gstin_is_refused_unless_checks_are_off(tmp_path: Path) -> None:
    """By row and column."""
    text = lines({"GSTIN": "29XXXXX0000X1ZX"}, columns=COLUMNS)
    with pytest.raises(InvalidInput, match=r"row 2, column GSTIN: '29XXXXX0000X1ZX'"):
        tables.read_decisions(io.StringIO(text))
    (row,) = tables.read_decisions(io.StringIO(text), check_suppliers=False)
    assert row.gstin == "29XXXXX0000X1ZX"
    (row,) = tables.read_decisions(io.StringIO(lines({"GSTIN": f" {ACME.lower()} "}, columns=COLUMNS)))
    assert row.gstin == ACME
    (row,) = tables.read_decisions(io.StringIO(lines({})))
    assert row.gstin is None


def test_a_record_may_be_of_two_taxpayers_but_not_twice_of_one(tmp_path: Path) -> None:
    """The same supplier, number and date."""
    assert len(rows(tmp_path, "a.csv", {"GSTIN": ACME}, {"GSTIN": ZED})) == 2
    with pytest.raises(InvalidInput, match=r"row 4: the same record .* stands in row 2 already"):
        rows(tmp_path, "b.csv", {"GSTIN": ACME}, {"GSTIN": ZED}, {"GSTIN": ACME})


def test_a_file_may_be_empty_where_that_is_said(tmp_path: Path) -> None:
    """One of many in which nothing is decided."""
    undecided = lines({"action": ""})
    assert tables.read_decisions(io.StringIO(undecided), may_be_empty=True) == []
    assert tables.read_records(io.StringIO(lines()), may_be_empty=True) == []
    with pytest.raises(InvalidInput, match="no row is decided"):
        tables.read_decisions(io.StringIO(undecided))


# -- the taxpayer of a row -----------------------------------------------------------------------------


@pytest.mark.parametrize("gstin", [None, ACME])
def test_what_the_column_says_counts(tmp_path: Path, gstin: str | None) -> None:
    """Whatever the file is called, where that does not contradict what was asked for."""
    found = tables.by_taxpayer(
        rows(tmp_path, f"{ZED}.csv", {"GSTIN": ACME}), gstin=gstin, otherwise=not_called
    )
    assert [(name, [row.gstin for row in own]) for name, own in found.items()] == [(ACME, [ACME])]


def test_a_file_without_the_column_has_the_taxpayer_asked_for_or_named_or_supplied(tmp_path: Path) -> None:
    """In this order."""
    plain = rows(tmp_path, "plain.csv", {}, {"number": "2"}, column=False)
    named = rows(tmp_path, f"{ZED.lower()}.csv", {}, column=False)
    assert list(tables.by_taxpayer(plain, gstin=ACME, otherwise=not_called)) == [ACME]
    assert list(tables.by_taxpayer(named, otherwise=not_called)) == [ZED]
    found = tables.by_taxpayer([*plain, *named], otherwise=lambda: OTHER)
    assert {name: len(own) for name, own in found.items()} == {OTHER: 2, ZED: 1}
    assert all(row.gstin == name for name, own in found.items() for row in own)


def test_an_empty_column_is_as_none(tmp_path: Path) -> None:
    """Where no row fills it."""
    found = tables.by_taxpayer(rows(tmp_path, "a.csv", {}, {"number": "2"}), otherwise=lambda: ACME)
    assert [row.gstin for row in found[ACME]] == [ACME, ACME]


def problems(found: list[Row], **options: Any) -> tuple[str, ...]:
    """Return the problems of rows."""
    with pytest.raises(InvalidInput) as caught:
        tables.by_taxpayer(found, otherwise=not_called, **options)
    return caught.value.problems


def test_rows_of_another_taxpayer_than_asked_for_are_named_together(tmp_path: Path) -> None:
    """Three of one, one of another: each row is a problem of its own, by which they are counted."""
    others: list[dict[str, str]] = [{"GSTIN": ZED, "number": str(n)} for n in range(3)]
    found = rows(tmp_path, "a.csv", *others, {"GSTIN": ACME}, {"GSTIN": OTHER})
    *first, last = problems(found, gstin=ACME)
    name = tmp_path / "a.csv"
    for row, problem in enumerate(first, 2):
        assert problem.startswith(f"{name} row {row}, column GSTIN: {ZED}, which is not {ACME}")
    assert last.startswith(f"{name} row 6, column GSTIN: {OTHER}, which is not {ACME}")


def test_a_hole_in_the_column_and_a_record_in_two_files_are_reported(tmp_path: Path) -> None:
    """All at once."""
    first = rows(tmp_path, "a.csv", {"GSTIN": ACME}, {"GSTIN": "", "number": "2"})
    second = rows(tmp_path, "b.csv", {"GSTIN": ACME})
    hole, twice = problems([*first, *second])
    empty = "column GSTIN: empty: write whose record it is, as in the other rows"
    assert hole == f"{tmp_path / 'a.csv'} row 3, {empty}"
    assert twice.startswith(f"{tmp_path / 'b.csv'} row 2: the same record")
    assert f"stands in {tmp_path / 'a.csv'} row 2 already" in twice


def test_a_file_named_after_another_than_asked_for_is_refused(tmp_path: Path) -> None:
    """Its rows would be matched with another taxpayer's records."""
    (problem,) = problems(rows(tmp_path, f"{ZED}.csv", {}, column=False), gstin=ACME)
    assert "is named after another taxpayer than" in problem


# -- reports -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("GSTIN,outcome,section,action,code\n", True),
        ("outcome;section;action\n", True),
        ('\ufeff"Outcome"\t"section"\n', True),
        (lines({}), False),
        (lines({}, columns=["outcome", *GOOD]), False),
        ("", False),
        ("\0\0outcome", False),
    ],
)
def test_a_report_is_distinguished_from_a_file_of_decisions(tmp_path: Path, text: str, is_one: bool) -> None:
    """By its columns; a note of one's own beside decisions makes none of it."""
    file = tmp_path / "x.csv"
    file.write_text(text, "utf-8")
    assert tables.is_report(file) is is_one
    assert not tables.is_report(tmp_path / "nothing.csv")
    assert not tables.is_report(tmp_path)
    assert not tables.is_report("/dev/stdin")  # it would not be there any more to be read


def test_a_report_may_say_whose_it_is(tmp_path: Path) -> None:
    """In the first column of each line."""
    report = JobReport(state=JobState.SUCCEEDED, submitted=1, succeeded=(make_invoice().accept(),))
    tables.write_report(tmp_path / "r.csv", report, gstin=ACME)
    (row,) = rows_of(tmp_path / "r.csv")
    assert (next(iter(row)), row["GSTIN"], row["outcome"], row["action"]) == ("GSTIN", ACME, "applied", "A")
    assert tables.is_report(tmp_path / "r.csv")


def test_outcomes_of_many_are_written_with_their_taxpayer(tmp_path: Path) -> None:
    """With a key and without one; no cell is a formula."""
    file = tmp_path / "r.csv"
    key = make_invoice(number="-1").key
    with tables.writing_outcomes(file) as add:
        assert add(ACME, [Outcome(outcome="failed", key=key, action="A", code="=1", message="@x")]) == 1
        assert add(ZED, [Outcome(outcome="pending", message="2 records")]) == 1
    first, second = rows_of(file)
    assert (first["GSTIN"], first["number"], first["code"], first["message"]) == (ACME, "'-1", "'=1", "'@x")
    assert (second["outcome"], second["supplier"], second["message"]) == ("pending", "", "2 records")
    with file.open(encoding="utf-8-sig") as opened:
        assert {len(row) for row in csv.reader(opened)} == {10}


def test_an_error_that_fits_nothing_has_a_line(tmp_path: Path) -> None:
    """As in the report of one job."""
    from ims_async.tables.reports import unmatched

    entry = ErrorEntry(section="x", supplier="S", number=None, return_period=None, code="E1", message="m")
    assert unmatched(entry).cells == ("unmatched", "x", "S", "", None, None, "", "E1", "m")


def test_a_file_says_whose_its_records_are_by_themselves(tmp_path: Path) -> None:
    """Records that were read name it; no other GSTIN is written beside them."""
    file = tmp_path / "rows.csv"
    own, made = make_invoice(recipient=ACME), make_invoice(number="MADE-1")
    assert tables.write_invoices(file, [own]) == 1
    (row,) = tables.read_records(file)
    assert row.gstin == ACME
    tables.write_invoices(file, [made, own], gstin=ACME)
    assert [row.gstin for row in tables.read_records(file)] == [ACME, ACME]
    before = file.read_bytes()
    with pytest.raises(InvalidInput, match=f"was read for {ACME}: it cannot be written as a record of {ZED}"):
        tables.write_invoices(file, [own], gstin=ZED)
    assert file.read_bytes() == before


def test_rows_are_matched_with_their_own_taxpayers_records(tmp_path: Path) -> None:
    """Two taxpayers may have records of one key; a row without GSTIN does not choose between them."""
    file = tmp_path / "rows.csv"
    of_acme, of_zed = make_invoice(recipient=ACME), make_invoice(recipient=ZED)
    tables.write_invoices(file, [of_zed])
    (row,) = tables.read_records(file)
    row = attrs.evolve(row, action=Action.ACCEPT)
    (decision,) = tables.match([row], [of_zed, of_acme])
    assert decision.invoice is of_zed
    with pytest.raises(InvalidInput, match=f"it is a record of {ACME}"):
        tables.match([row], [of_acme])
    with pytest.raises(InvalidInput, match="several taxpayers, and the row names none"):
        tables.match([attrs.evolve(row, gstin=None)], [of_zed, of_acme])
    (decision,) = tables.match([attrs.evolve(row, gstin=None)], [of_acme])
    assert decision.invoice is of_acme


def test_a_row_that_is_gone_names_the_taxpayer_among_whose_records_it_was_sought(tmp_path: Path) -> None:
    """A merged file may have the wrong one."""
    found = rows(tmp_path, "all.csv", {"GSTIN": ZED})
    with pytest.raises(
        InvalidInput, match=f"show this record of {ZED} .*: pull again, or is it another taxp"
    ):
        tables.match(found, [])
