"""Pairs of a record and a book entry that an accountant has judged, and what the matching says of them."""

from __future__ import annotations

import pytest

from ims_async import Invoice, Section
from ims_async.decide import Entry, MatchKind, match

from .books import ACME_IN_DELHI, OTHER, entry, record

MATCHED, WITHIN = MatchKind.MATCHED, MatchKind.WITHIN_TOLERANCE
VALUE, HEAD = MatchKind.VALUE_DIFFERS, MatchKind.TAX_HEAD_DIFFERS
PROBABLE, NOTHING = MatchKind.PROBABLE, MatchKind.NOT_IN_BOOKS

# Of the gateway, then of the books: number, date, taxable value + IGST (or + CGST + SGST); then the verdict.
PAIRS = [
    # How people write one number.
    ("INV/26-27/0012", "05-05-26", "1000+180", "INV/26-27/0012", "05-05-26", "1000+180", MATCHED, 1),
    ("INV/26-27/0012", "05-05-26", "1000+180", " inv/26-27/0012 ", "05-05-26", "1000+180", MATCHED, 1),
    ("INV/26-27/0012", "05-05-26", "1000+180", "INV 12", "05-05-26", "1000+180", MATCHED, 1),
    ("INV/26-27/0012", "05-05-26", "1000+180", "INV-2026-27-12", "05-05-26", "1000+180", MATCHED, 1),
    ("INV/26-27/0012", "05-05-26", "1000+180", "FY26-27/INV/012", "05-05-26", "1000+180", MATCHED, 1),
    ("INV/26-27/0012", "05-05-26", "1000+180", "INV26270012", "05-05-26", "1000+180", MATCHED, 1),
    ("14/2026-27", "05-05-26", "1000+180", "014/26-27", "05-05-26", "1000+180", MATCHED, 1),
    ("INV/26-27/12", "05-05-26", "1000+180", "INV/25-26/12", "05-05-26", "1000+180", MATCHED, 1),
    ("000013", "05-05-26", "1000+180", "13", "05-05-26", "1000+180", MATCHED, 1),
    ("१२-क", "05-05-26", "1000+180", "12/क", "05-05-26", "1000+180", MATCHED, 1),
    ("26-27", "05-05-26", "1000+180", "26/27", "05-05-26", "1000+180", MATCHED, 1),
    ("12-99", "05-05-26", "1000+180", "99", "05-05-26", "1000+180", MATCHED, 3),
    # Separators elsewhere are a typing error at best.
    ("1/23", "05-05-26", "1000+180", "12/3", "09-05-26", "1000+180", PROBABLE, 4),
    # Amounts: a rupee is nothing, a paisa more is something; each head by itself.
    ("A-7", "05-05-26", "1000+180", "A-7", "05-05-26", "1001+180", WITHIN, 1),
    ("A-7", "05-05-26", "1000+180", "A-7", "05-05-26", "999+180", WITHIN, 1),
    ("A-7", "05-05-26", "1000+180", "A-7", "05-05-26", "1001.01+180", VALUE, 2),
    ("A-7", "05-05-26", "1000+180", "A-7", "05-05-26", "1000+178.99", VALUE, 2),
    ("A-7", "05-05-26", "1000+90+90", "A-7", "05-05-26", "1000+89.5+90.5", WITHIN, 1),
    ("A-7", "05-05-26", "1000+180", "A-7", "05-05-26", "1000+90+90", HEAD, 2),
    ("A-7", "05-05-26", "1000+90+90", "A-7", "05-05-26", "1000+180", HEAD, 2),
    ("A-7", "05-05-26", "0+0", "A-7", "05-05-26", "0+0", MATCHED, 1),
    ("A-7", "05-05-26", "0+0", "B-7", "05-05-26", "0+0", NOTHING, 0),
    # Dates: 60 days, and the same financial year or the next.
    ("A-7", "05-05-26", "1000+180", "A-7", "04-07-26", "1000+180", MATCHED, 1),
    ("A-7", "05-05-26", "1000+180", "A-7", "05-07-26", "1000+180", NOTHING, 0),
    ("A-7", "05-05-26", "1000+180", "A-7", "01-04-26", "1000+180", MATCHED, 1),
    ("A-7", "31-03-26", "1000+180", "A-7", "01-04-26", "1000+180", MATCHED, 1),
    ("A-7", "01-04-26", "1000+180", "A-7", "31-03-26", "1000+180", NOTHING, 0),
    # Digits: of a number that is part of the other one it is a match, of another series a guess.
    ("ABC/INV/0012", "05-05-26", "1000+180", "12", "07-05-26", "1000+180", MATCHED, 3),
    ("12", "05-05-26", "1000+180", "ABC/12", "07-05-26", "1000.5+180", WITHIN, 3),
    ("A-12", "05-05-26", "1000+180", "B-12", "07-05-26", "1000+180", PROBABLE, 3),
    ("A-12", "05-05-26", "1000+180", "12", "07-05-26", "1002+180", NOTHING, 0),
    ("12/2026", "05-05-26", "1000+180", "9/2026", "07-05-26", "1000+180", NOTHING, 0),
    # A part of a number that other documents may have too: on its day, or in its week if it is the serial.
    ("04/7", "10-04-26", "1000+180", "7", "12-04-26", "1000+180", MATCHED, 3),
    ("04/7", "10-04-26", "1000+180", "7", "17-04-26", "1000+180", PROBABLE, 3),
    ("INV-5", "01-06-26", "1000+180", "5", "01-05-26", "1000+180", PROBABLE, 3),
    ("24/GST1", "05-05-26", "1000+180", "1", "07-05-26", "1000+180", PROBABLE, 3),
    ("24/GST1", "05-05-26", "1000+180", "24", "05-05-26", "1000+180", MATCHED, 3),
    ("4/7", "05-05-26", "1000+180", "4", "07-05-26", "1000+180", NOTHING, 0),
    # Months and serials that look like financial years, and years that are others.
    ("GST/05/06", "10-06-26", "1000+180", "GST/04/05", "10-05-26", "1000+180", PROBABLE, 4),
    ("25/26-27", "05-05-26", "1000+180", "27/26-27", "05-05-26", "1000+180", PROBABLE, 4),
    ("A/12/13", "10-06-26", "1000+180", "A/13/14", "10-06-26", "1000+180", PROBABLE, 6),
    ("RENT/25-26", "05-05-26", "1000+180", "RENT/26-27", "25-05-26", "1000+180", PROBABLE, 4),
    ("INV/25-26/1", "20-03-26", "1000+180", "INV/26-27/1", "05-04-26", "1000+180", PROBABLE, 3),
    ("INV/25-26/1", "20-03-26", "1000+180", "1/26-27", "22-03-26", "1000+180", PROBABLE, 3),
    # Run together: a short number may be another one, but not in its week.
    ("6/3", "09-05-26", "1000+180", "63", "11-05-26", "1000+180", MATCHED, 1),
    ("6/3", "09-05-26", "1000+180", "63", "15-06-26", "1000+180", PROBABLE, 4),
    ("6/3", "09-05-26", "1000+180", "63", "15-06-26", "2000+360", NOTHING, 0),
    ("INV/26-27/0012", "05-05-26", "1000+180", "INV26270012", "15-06-26", "1000+180", MATCHED, 1),
    # Typing errors: for a person, and not in short numbers.
    ("INV-103", "05-05-26", "1000+180", "1NV-1O3", "07-05-26", "1000+180", PROBABLE, 4),
    ("TI004711", "05-05-26", "1000+180", "TI004171", "07-05-26", "1000+180", PROBABLE, 4),
    ("TI004711", "05-05-26", "1000+180", "TI00471", "07-05-26", "1000+180", PROBABLE, 4),
    ("TI004711", "05-05-26", "1000+180", "TX004712", "07-05-26", "1000+180", PROBABLE, 4),
    ("TI004711", "05-05-26", "1000+180", "TX994712", "07-05-26", "1000+180", NOTHING, 0),
    ("103", "05-05-26", "1000+180", "104", "07-05-26", "1000+180", NOTHING, 0),
    # Value and date alone: for a person, on the very day only.
    ("A-12", "05-05-26", "1000+180", "Q/881", "05-05-26", "1000.4+180", PROBABLE, 6),
    ("A-12", "05-05-26", "1000+180", "", "05-05-26", "1000+180", PROBABLE, 6),
    ("A-12", "05-05-26", "1000+180", "Q/881", "06-05-26", "1000+180", NOTHING, 0),
]  # fmt: skip


@pytest.mark.parametrize(("number", "date", "amounts", "book", "booked", "sums", "kind", "stage"), PAIRS)
def test_a_pair_is_what_an_accountant_says(
    number: str, date: str, amounts: str, book: str, booked: str, sums: str, kind: MatchKind, stage: int
) -> None:
    """By number, date and amounts; what is matched with nothing stays in the books."""
    matching = match([record(number, date, amounts)], [entry(book, booked, sums)])
    assert [(one.kind, one.stage) for one in matching] == [(kind, stage)]
    assert len(matching.only_in_books) == (kind is NOTHING)


def test_there_are_forty_of_them() -> None:
    """As many as were asked for."""
    assert len(PAIRS) >= 40


CN = {"section": Section.B2BCN}
GROUPS: dict[str, tuple[list[Invoice], list[Entry], list[str]]] = {
    "lines of one bill are added up": (
        [record("7", amounts="1000+180")],
        [entry("7", amounts="600+108", reference="V1"), entry("7", amounts="400+72", reference="V1")],
        ["matched 1"],
    ),
    "lines without a voucher's number too": (
        [record("7", amounts="1000+180")],
        [entry("7", amounts="600+108"), entry("7", amounts="400+72")],
        ["matched 1"],
    ),
    "and equal ones, if only together they are the document": (
        [record("7", amounts="1000+180")],
        [entry("7", amounts="500+90"), entry("7", amounts="500+90")],
        ["matched 1"],
    ),
    "and those on several days": (
        [record("7", amounts="1000+180")],
        [entry("7", "05-05-26", "600+108"), entry("7", "06-05-26", "400.50+72")],
        ["within tolerance 1"],
    ),
    "what is not the document even together may be either": (
        [record("7", amounts="1000+180")],
        [entry("7", "05-05-26", "600+108"), entry("7", "06-05-26", "900+162")],
        ["ambiguous 2"],
    ),
    "the same bill in two vouchers is booked twice": (
        [record("7")], [entry("7", reference="V1"), entry("7", reference="V2")], ["booked twice 1"],
    ),
    "or on two days, or without any voucher": (
        [record("7"), record("8")],
        [entry("7"), entry("7", "20-05-26"), entry("8"), entry("8")],
        ["booked twice 1", "booked twice 1"],
    ),
    "numbers of two financial years are no double booking": (
        [record("7/25-26", "20-03-26"), record("7/26-27", "05-04-26")],
        [entry("7/26-27", "05-04-26"), entry("7/25-26", "20-03-26")],
        ["matched 1", "matched 1"],
    ),
    "nor where one record could be either": (
        [record("7", "25-03-26")],
        [entry("7/26-27", "05-04-26"), entry("7/25-26", "20-03-26")],
        ["ambiguous 1"],
    ),
    "two records of one number: the date tells": (
        [record("7", "05-05-26"), record("7", "20-05-26")],
        [entry("7", "20-05-26")],
        ["not in books 0", "matched 1"],
    ),
    "one number and value, but the date and value of another record: a slip, in the number or the date": (
        [record("7", "05-05-26"), record("8", "05-06-26")],
        [entry("7", "05-06-26")],
        ["probable 1", "not in books 0"],
    ),
    "unless the values differ": (
        [record("7", "05-05-26"), record("8", "05-06-26", "500+90")],
        [entry("7", "05-06-26")],
        ["matched 1", "not in books 0"],
    ),
    "and where it does not, nobody guesses": (
        [record("7", "05-05-26"), record("7", "20-05-26")],
        [entry("7", "10-05-26")],
        ["ambiguous 1", "ambiguous 1"],
    ),
    "many bills over one sum with consecutive numbers: one that is missing takes no other": (
        [record(f"INV-{number}", f"{number - 95:02d}-05-26") for number in (101, 102, 103, 105)],
        [entry(f"INV-{number}", f"{number - 95:02d}-05-26") for number in (101, 102, 104, 105)],
        ["matched 1", "matched 1", "not in books 0", "matched 1"],
    ),
    "nor do typing errors there": (
        [record(f"TI0047{number}", f"{number}-05-26") for number in (11, 12, 13)],
        [entry("TI004711", "11-05-26"), entry("TI004712", "12-05-26"), entry("TI004731", "20-05-26")],
        ["matched 1", "matched 1", "not in books 0"],
    ),
    "nor value and date that stand there twice": (
        [record("INV-101"), record("INV-102"), record("INV-103")],
        [entry("INV-101"), entry("X-1"), entry("X-2")],
        ["matched 1", "not in books 0", "not in books 0"],
    ),
    "digits that fit two are nobody's": (
        [record("A/12")], [entry("12", "06-05-26"), entry("B/12", "07-05-26")], ["ambiguous 3"],
    ),
    "a document of another registration of the PAN": (
        [record("7")], [entry("7", supplier=ACME_IN_DELHI)], ["other registration 5"],
    ),
    "but not of another PAN": ([record("7")], [entry("7", supplier=OTHER)], ["not in books 0"]),
    "a GSTIN in lower case": ([record("7")], [entry("7", supplier="29aaacq3770e1zf ")], ["matched 1"]),
    "a credit note by its kind": ([record("7", **CN)], [entry("7", kind="credit note")], ["matched 1"]),
    "by its sign": ([record("7", **CN)], [entry("7", amounts="-1000+-180")], ["matched 1"]),
    "by both": ([record("7", **CN)], [entry("7", amounts="-1000+-180", kind="credit note")], ["matched 1"]),
    "is no invoice": ([record("7", **CN)], [entry("7")], ["not in books 0"]),
    "a debit note is booked as a bill": (
        [record("7", section=Section.B2BDN)], [entry("7")], ["matched 1"],
    ),
    "an amendment by its original's number and date": (
        [record("7-R", "05-09-26", section=Section.B2BA, original_number="7",
                original_date=record("7").date)],
        [entry("7")],
        ["matched 1"],
    ),
    "the original goes before its amendment if the value tells": (
        [record("7"), record("7-R", amounts="1200+216", section=Section.B2BA, original_number="7")],
        [entry("7")],
        ["matched 1", "not in books 0"],
    ),
    "both with one value: a person says which": (
        [record("7"), record("7-R", section=Section.B2BA, original_number="7")],
        [entry("7", "07-05-26")],
        ["ambiguous 1", "ambiguous 1"],
    ),
    "empty numbers are no lines of one bill": (
        [record("A-1"), record("A-2", "06-05-26")],
        [entry("", "05-05-26"), entry("--", "06-05-26")],
        ["probable 6", "probable 6"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GROUPS)
def test_groups_of_documents_are_what_an_accountant_says(name: str) -> None:
    """One to one; and in whatever order the rows come."""
    records, entries, verdicts = GROUPS[name]
    assert [f"{one.kind} {one.stage}" for one in match(records, entries)] == verdicts
    again = match(records[::-1], entries[::-1])
    assert [f"{one.kind} {one.stage}" for one in again] == verdicts[::-1]
