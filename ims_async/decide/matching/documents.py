"""Both sides of a comparison in one form: whole paise, days as numbers, numbers of documents as runs.

A side is kept in columns of plain values. 100,000 objects would be four times the memory, and each collection
of garbage would visit all of them; of numbers in arrays it visits none.
"""

from __future__ import annotations

import datetime as dt
from array import array
from collections.abc import Iterable, Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, NamedTuple

from ...model.records import Invoice
from ...model.vocabulary import Section
from ...steps import free
from ..entry import Entry
from .numbers import runs_of

Amounts = tuple[int, int, int, int, int]
"""Paise, in the order of `HEADS`."""
CREDIT_NOTES: Final = frozenset({Section.B2BCN, Section.B2BCNA})
STEP: Final = 128  # documents that are looked at before the caller's event loop may run
FEW: Final = STEP // 16  # of those that may have many lines or candidates each


class Original(NamedTuple):
    """The document that a record amends; its day is the record's if the gateway names none."""

    number: str
    runs: str
    fiscal: int
    day: int


class Side:
    """The records of the gateway, or the documents of the books, of one PAN: one column for each fact.

    `places` are those of the record or of the entries. `lowers` is 1 for credit notes, whose amounts are
    positive too. `fiscal` is the financial year that the number names (-1: none).
    """

    def __init__(self) -> None:
        self.places: list[tuple[int, ...]] = []
        self.suppliers: list[str] = []
        self.lowers = bytearray()
        self.amounts: list[Amounts] = []
        self.days = array("q")
        self.numbers: list[str] = []
        self.runs: list[str] = []
        self.fiscal = array("q")
        self.originals: dict[int, Original] = {}

    def __len__(self) -> int:
        return len(self.places)

    def add(self, documents: Sequence[Invoice] | Sequence[Entry], places: Sequence[int]) -> None:
        """Add documents; whether they lower the credit is for the caller to say."""
        self.places += [(place,) for place in places]
        self.suppliers += [supplier_of(one) for one in documents]
        self.lowers += bytes(len(places))
        self.amounts += [paise_of(one) for one in documents]
        self.days.extend([one.date.toordinal() for one in documents])
        self.numbers += [one.number for one in documents]
        for runs, fiscal in [runs_of(one.number, _year_of(one.date)) for one in documents]:
            self.runs.append(runs)
            self.fiscal.append(fiscal)

    def take(self, lines: Side, places: Sequence[int]) -> None:
        """Add the lines of one document, added up; a negative sum lowers the credit."""
        line = places[0]
        its, amounts, number = lines.places[line], lines.amounts[line], lines.numbers[line]
        if len(places) > 1:
            its = tuple(sorted(place for one in places for place in lines.places[one]))
            amounts = summed(lines.amounts[one] for one in places)
            number = min(lines.numbers[one] for one in places)
        negative = is_negative(amounts)
        self.places.append(its)
        self.suppliers.append(lines.suppliers[line])
        self.lowers.append(lines.lowers[line] or negative)
        self.amounts.append(negated(amounts) if negative else amounts)
        self.days.append(lines.days[line])
        self.numbers.append(number)
        self.runs.append(lines.runs[line])
        self.fiscal.append(lines.fiscal[line])

    def clear(self) -> Iterator[None]:
        """Free the memory of the columns; yield between the steps."""
        yield from free(self.places, self.suppliers, self.amounts, self.numbers, self.runs, self.originals)


def financial_year(day: int) -> int:
    """Return the year in which the financial year of a day began: April to March."""
    return _year_of(dt.date.fromordinal(day))


def _year_of(date: dt.date) -> int:
    return date.year - (date.month < 4)


def supplier_of(document: Invoice | Entry) -> str:
    """Return the supplier's GSTIN, in upper case."""
    return document.supplier.strip().upper()


def pan_of(supplier: str) -> str:
    """Return the PAN within a GSTIN: the registrations of one person share it."""
    return supplier[2:12] if len(supplier) == 15 else supplier


def paise_of(one: Entry | Invoice) -> Amounts:
    """Return the amounts in paise, in the order of `HEADS`."""
    return _whole(one.taxable_value), _whole(one.igst), _whole(one.cgst), _whole(one.sgst), _whole(one.cess)


def _whole(rupees: Decimal) -> int:
    """Return paise, rounded half up: books may have fractions of a paisa."""
    if not rupees:
        return 0
    exact = rupees * 100
    paise = int(exact)
    return paise if paise == exact else int(Decimal(exact).to_integral_value(ROUND_HALF_UP))


def summed(amounts: Iterable[Amounts]) -> Amounts:
    """Return the sum of each amount."""
    taxable, igst, cgst, sgst, cess = map(sum, zip(*amounts, strict=True))
    return taxable, igst, cgst, sgst, cess


def is_negative(amounts: Amounts) -> bool:
    """Whether amounts lower the credit: by their taxable value, or if it is zero by their tax."""
    return amounts[0] < 0 or (not amounts[0] and sum(amounts) < 0)


def negated(amounts: Amounts) -> Amounts:
    """Return amounts with the other sign."""
    taxable, igst, cgst, sgst, cess = amounts
    return -taxable, -igst, -cgst, -sgst, -cess


def of_gateway(records: Sequence[Invoice], places: Sequence[int], side: Side) -> Iterator[None]:
    """Fill a side with records of the gateway; yield between the steps."""
    for start in range(0, len(places), STEP):
        yield
        some = places[start : start + STEP]
        side.add([records[place] for place in some], some)
        for index, place in enumerate(some, start):
            record = records[place]
            if record.section in CREDIT_NOTES:
                side.lowers[index] = True
            if number := record.original_number:
                date = record.original_date or record.date
                side.originals[index] = Original(number, *runs_of(number, _year_of(date)), date.toordinal())


def of_books(entries: Sequence[Entry], places: Sequence[int], side: Side) -> Iterator[None]:
    """Fill a side with documents of the books, the lines of each added up; yield between the steps.

    Lines have supplier, number, date, kind and `reference` in common. Without a reference they are added up
    unless they are all alike: then only the gateway's amounts can tell whether they are lines of one
    document, or one that is booked twice. Entries without a number and a reference are no lines.
    """
    lines = Side()
    documents: dict[tuple[object, ...], int | list[int]] = {}
    for start in range(0, len(places), STEP):
        yield
        some = places[start : start + STEP]
        lines.add([entries[place] for place in some], some)
        for line, place in enumerate(some, start):
            entry = entries[place]
            lines.lowers[line] = entry.kind == "credit note"
            runs, reference = lines.runs[line], entry.reference
            own = None if runs or reference else place
            key: tuple[object, ...] = (
                lines.suppliers[line], lines.lowers[line], runs, lines.fiscal[line], lines.days[line],
                reference, own,
            )  # fmt: skip
            there = documents.setdefault(key, line)
            if isinstance(there, list):
                there.append(line)
            elif there != line:
                documents[key] = [there, line]
    while documents:
        if not len(documents) % FEW:
            yield
        _, found = documents.popitem()
        if not isinstance(found, list):
            side.take(lines, (found,))
        elif (
            not entries[lines.places[found[0]][0]].reference
            and len({lines.amounts[line] for line in found}) == 1
        ):
            for line in found:
                side.take(lines, (line,))
        else:
            side.take(lines, found)
    yield from lines.clear()
