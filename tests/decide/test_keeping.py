"""A new read is merged into the rows of an earlier one: which record each row is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from ims_async import Action, Invoice, Section
from ims_async.decide import ChangeKind, Policy, decide
from ims_async.decide.keeping import Kept, keep
from ims_async.decide.sheets import AMENDED, fill_in
from ims_async.tables import InvalidFile, Sheet, read_decisions, read_records, read_sheet, write_invoices
from ims_async.tables.xlsx.workbook import rewriting
from tests.support.workbooks import grid_of

from .books import entry, record

GSTIN = "27AAPFU0939F1ZV"
EVERYTHING = frozenset(Section)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The sheet of the earlier pull."""
    return tmp_path / "nov.csv"


def opened(file: Path) -> Sheet:
    """Read a sheet; its rows are of one taxpayer."""
    return read_sheet(file, check_suppliers=False, lenient=True)


def pulled(file: Path, records: Iterable[Invoice], actions: Mapping[str, str]) -> None:
    """Write records, and let a person decide those of some hashes; each row has its hash as remarks."""
    write_invoices(file, records, gstin=GSTIN)
    sheet = opened(file)
    for row in sheet.records:
        row["action"], row["remarks"] = actions.get(row["hash"]), row["hash"]
    sheet.write(file)


def kept(file: Path, now: Iterable[Invoice], sections: frozenset[Section] = EVERYTHING) -> Kept:
    """Merge a new read into the file."""
    sheet = opened(file)
    rows = [attrs.evolve(one, row=attrs.evolve(one.row, gstin=GSTIN)) for one in sheet.records]
    found = keep(sheet, rows, list(now), gstin=GSTIN, sections=sections)
    sheet.write(file)
    return found


def cells(file: Path, *columns: str) -> list[tuple[str, ...]]:
    """The cells of some columns, row by row."""
    return [tuple(row[column] for column in columns) for row in opened(file).records]


def seen(number: str, hash_: str | None, **facts: Any) -> Invoice:
    """A record as the gateway shows it."""
    return record(number, hash=hash_, recipient=GSTIN, supplier_filed=True, **facts)


SHOWN = ("number", "action", "earlier action", "change", "remarks")


def test_a_row_that_was_not_read_is_not_taken_for_a_record_whose_number_looks_alike(file: Path) -> None:
    """It would be gone, or move to the other record with all that was typed in it."""
    pulled(file, [seen("13", "a", action=Action.ACCEPT), seen("0013", "b")], {"a": "R"})
    found = kept(file, [seen("0013", "b")], frozenset())
    assert (found.unread, found.set_aside, found.changes[ChangeKind.GONE]) == (1, 0, 0)
    assert cells(file, *SHOWN) == [("13", "R", "", "", "a"), ("0013", "", "", "unchanged", "b")]
    pulled(file, [seen("13", "a", action=Action.ACCEPT)], {"a": "R"})
    assert kept(file, [seen("0013", "b")], frozenset()).unread == 1
    assert cells(file, *SHOWN) == [("13", "R", "", "", "a"), ("0013", "", "", "new", "")]


def test_a_record_that_another_row_is_about_is_nobody_elses(file: Path) -> None:
    """What was typed at the one that is gone stays there."""
    pulled(file, [seen("13", "a"), seen("0013", "b")], {"a": "R", "b": "A"})
    assert kept(file, [seen("0013", "c", amounts="1200+216")]).set_aside == 2
    assert cells(file, *SHOWN) == [("13", "", "R", "gone", "a"), ("0013", "", "A", "amended", "b")]


def test_two_rows_that_may_be_about_one_record_are_gone(file: Path) -> None:
    """It is new: nobody knows which of them it was."""
    pulled(file, [seen("7", "a"), seen("7", "b", date="06-05-26")], {"a": "R"})
    assert kept(file, [seen("7", "c", date="09-05-26")]).changes[ChangeKind.NEW] == 1
    assert cells(file, *SHOWN) == [
        ("7", "", "R", "gone", "a"),
        ("7", "", "", "gone", "b"),
        ("7", "", "", "new", ""),
    ]


def test_a_rewritten_number_of_another_date_is_another_document(file: Path) -> None:
    """Only what a spreadsheet has rewritten is recognised; the same number may have another date."""
    pulled(file, [seen("13", "a"), seen("14", "b")], {})
    found = kept(file, [seen("0013", "c", date="09-05-26"), seen("14", "d", date="09-05-26")])
    assert [row[3] for row in cells(file, *SHOWN)] == ["gone", "amended", "new"]
    assert (found.changes[ChangeKind.GONE], found.changes[ChangeKind.AMENDED]) == (1, 1)


def test_a_record_that_comes_back_is_no_longer_gone(file: Path) -> None:
    """Else match, followup and reset would pass it over for ever; what was set aside still waits."""
    pulled(file, [seen("13", "a"), seen("14", "b")], {"a": "R"})
    kept(file, [seen("14", "b")])
    assert [row.row.number for row in read_sheet(file, check_suppliers=False).records] == ["14"]
    kept(file, [seen("13", "a"), seen("14", "b")])
    assert cells(file, *SHOWN)[0] == ("13", "", "R", "unchanged", "a")
    assert len(read_sheet(file, check_suppliers=False).records) == 2
    content = file.read_bytes()
    kept(file, [seen("13", "a"), seen("14", "b")])
    assert file.read_bytes() == content


def test_each_taxpayer_gets_its_marks_and_its_rows(file: Path) -> None:
    """Also where the columns were added for another one, who is first."""
    other = "29AAPFU0939F1ZR"
    records = [seen("1", "a"), attrs.evolve(seen("2", "b"), recipient=other)]
    write_invoices(file, records)
    sheet = opened(file)
    for one, gstin in zip(list(sheet.records), (GSTIN, other), strict=True):
        keep(sheet, [one], [one.invoice], gstin=gstin, sections=EVERYTHING)
    sheet.write(file)
    assert cells(file, "GSTIN", "change") == [(GSTIN, "unchanged"), (other, "unchanged")]


def test_a_new_record_goes_into_the_sheet_of_its_taxpayer(file: Path) -> None:
    """The last one of the workbook may be another taxpayer's, and have no column that says so."""
    write_invoices(file, [seen("1", "a")], gstin=GSTIN)
    (part,) = opened(file).parts
    book = file.with_suffix(".xlsx")
    with rewriting(book) as add:
        add("Ours", (), part.header, part.lines)
        add("Theirs", (), part.header[1:], [line[1:] for line in part.lines])
    sheet = opened(book)
    own = [one for one in sheet.records if one.row.gstin]
    keep(sheet, own, [seen("1", "a"), seen("2", "b")], gstin=GSTIN, sections=EVERYTHING)
    sheet.write(book)
    assert [one.row.gstin for one in opened(book).records] == [GSTIN, GSTIN, None]


def test_a_row_of_ones_own_is_no_record_and_stays(file: Path) -> None:
    """A sum between the records, or a note; one with an action is refused."""
    pulled(file, [seen("1", "a"), seen("2", "b")], {"a": "R"})
    sheet = opened(file)
    (part,) = sheet.parts
    own = ["", *[" "] * 15, "Total", "2000"]
    part.lines.insert(1, own)
    sheet.write(file)
    found = kept(file, [seen("1", "a"), seen("2", "c")])
    assert (found.changes[ChangeKind.UNCHANGED], found.changes[ChangeKind.AMENDED], found.unread) == (1, 1, 0)
    lines = opened(file).parts[0].lines
    assert [cell.strip() for cell in lines[1] if cell.strip()] == ["Total", "2000"]
    assert [row.number for row in read_records(file, check_suppliers=False)] == ["1", "2"]
    sheet = opened(file)
    sheet.records[0].part.put(sheet.parts[0].lines[1], "action", "A")
    sheet.write(file)
    with pytest.raises(InvalidFile, match="row 3, column section"):
        read_decisions(file, check_suppliers=False)


def test_a_note_in_the_sheet_that_says_how_to_decide_stays(file: Path) -> None:
    """What a person has typed anywhere in the workbook stays."""
    book = file.with_suffix(".xlsx")
    write_invoices(book, [seen("1", "a")], gstin=GSTIN)
    (part,) = opened(book).parts
    said = [*grid_of(book, "How to"), ["Ravi signs", 12.5]]
    with rewriting(book, said) as add:
        add(part.name, part.above, part.header, part.lines)
    kept(book, [seen("1", "b")])
    assert grid_of(book, "How to") == [[*row, ""] for row in said[:-1]] + said[-1:]


def test_a_decision_without_a_hash_is_looked_at_again(file: Path) -> None:
    """Whether the supplier has edited the record is not known: what is edited need not be an amount."""
    pulled(file, [seen("1", "a", type="R"), seen("2", "b")], {"a": "R"})
    sheet = opened(file)
    sheet.records[0]["hash"] = None
    sheet.write(file)
    kept(file, [seen("1", "c", type="DE"), seen("2", "b")])
    assert cells(file, *SHOWN, "hash") == [
        ("1", "", "R", "amended", "a", "c"),
        ("2", "", "", "unchanged", "b", "b"),
    ]
    pulled(file, [seen("3", None)], {"": "R"})
    kept(file, [seen("3", None)])
    assert cells(file, *SHOWN) == [("3", "R", "", "unchanged", "")]


def test_what_was_pushed_and_stands_does_not_wait_for_a_person(file: Path) -> None:
    """A record that was kept pending is accepted by match once the books have it."""
    pulled(file, [seen("1", "a"), seen("2", "b")], {"a": "P", "b": "P"})
    kept(file, [seen("1", "a", action=Action.PENDING), seen("2", "c")])
    sheet = opened(file)
    records = [row.invoice for row in sheet.records]
    filled = list(fill_in(sheet.records, decide(records, Policy(), [entry("1"), entry("2")])))
    assert [one.outcome for one in filled] == ["accept", AMENDED]
    assert [(row["action"], row["earlier action"]) for row in sheet.records] == [("A", "P"), ("", "P")]
