"""Which record of IMS is which document of a GSTR-2B: by section, supplier, number and date, nothing else."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

import attrs

from ...errors import InvalidInput
from ...model.gstr2b import Gstr2bDocument, Gstr2bPlace, Gstr2bSection, TaxAmounts
from ...model.records import Invoice
from ...model.vocabulary import Action, Section
from ...steps import Steps

_LONGEST: Final = 40  # characters of a number; the law allows 16
_MOST_DIGITS: Final = 15  # before the point, and behind it: amounts at the gateway have 13 and 2
_PAISA: Final = Decimal("0.01")
_ZERO: Final = Decimal(0)
STEP: Final = 256  # records or documents that are looked at before the caller's event loop may run
_IMPORTS: Final = frozenset({Gstr2bSection.IMPG, Gstr2bSection.IMPGSEZ})
_UNPAIRED: Final = object()  # the section of a document that IMS has no records of

Key = tuple[object, str, str, dt.date]
"""Section of IMS, supplier, number and date."""
_Folded = dict[Key, list[tuple[int, ...]]]
Sides = tuple[tuple[int, ...], tuple[int, ...]]
"""Places of records, and of documents."""


@attrs.define
class Pairs:
    """What belongs together, by the places of records and documents; each place is in one of these."""

    both: list[tuple[int, int]] = attrs.field(factory=list)
    records: list[int] = attrs.field(factory=list)
    documents: list[int] = attrs.field(factory=list)
    several: list[Sides] = attrs.field(factory=list)
    """What has one key, and of which a side has more than one."""


class _Places:
    """Places by their keys; most keys have one place, which needs no list of its own.

    They are taken out one by one: to free all at once would take long.
    """

    def __init__(self) -> None:
        self._first: dict[Key, int] = {}
        self._more: dict[Key, list[int]] = {}

    def put(self, key: Key, place: int) -> None:
        """Add a place."""
        if self._first.setdefault(key, place) != place:
            self._more.setdefault(key, []).append(place)

    def take(self, key: Key) -> tuple[int, ...]:
        """Take all places of a key."""
        first = self._first.pop(key, None)
        return () if first is None else (first, *self._more.pop(key, ()))

    def all(self) -> Iterator[tuple[Key, tuple[int, ...]]]:
        """Take the places of one key after the other."""
        while self._first:
            key, first = self._first.popitem()
            yield key, (first, *self._more.pop(key, ()))


def pairing_steps(records: Sequence[Invoice], documents: Sequence[Gstr2bDocument]) -> Steps[Pairs]:
    """Pair records and documents in short steps: by the number exactly, then without its case and blanks.

    Raises `InvalidInput` for amounts, dates, numbers and suppliers that are none.
    """
    found, mine, theirs = Pairs(), _Places(), _Places()
    for place, record in enumerate(records):
        if not place % STEP:
            yield
        mine.put(_key_of(record), place)
    for place, document in enumerate(documents):
        if not place % STEP:
            yield
        key = _key_of_document(document)
        if key is None:
            found.documents.append(place)
        else:
            theirs.put(key, place)
    my_rest, their_rest = _Folded(), _Folded()
    for count, (key, places) in enumerate(mine.all()):
        if not count % STEP:
            yield
        if others := theirs.take(key):
            _add(places, others, found)
        else:
            _fold(key, places, my_rest)
    for count, (key, places) in enumerate(theirs.all()):
        if not count % STEP:
            yield
        _fold(key, places, their_rest)
    yield from _join(my_rest, their_rest, found)
    return found


def _fold(key: Key, places: tuple[int, ...], rest: _Folded) -> None:
    """Add places by the number without case and blanks; those of one number exactly stay together."""
    section, supplier, number, date = key
    rest.setdefault((section, supplier, _folded(number), date), []).append(places)


def _folded(number: str) -> str:
    return "".join(number.split()).casefold()


def alike_key(one: Invoice | Gstr2bDocument) -> tuple[str, str, int]:
    """Return what one and the same have in common if their section or date differs: its year is the same."""
    year = one.date.year - (one.date.month < 4)  # the financial one: each has the numbers anew
    return one.supplier.strip().upper(), _folded(one.number), year


def _join(mine: _Folded, theirs: _Folded, found: Pairs) -> Steps[None]:
    count = 0
    while mine:
        if not (count := count + 1) % STEP:
            yield
        key, those = mine.popitem()
        if others := theirs.pop(key, None):
            _add(_flat(those), _flat(others), found)
            continue
        for same in those:
            _add(same, (), found)
    while theirs:
        if not (count := count + 1) % STEP:
            yield
        for same in theirs.popitem()[1]:
            _add((), same, found)


def _flat(those: list[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(place for same in those for place in same)


def _add(records: tuple[int, ...], documents: tuple[int, ...], found: Pairs) -> None:
    if len(records) > 1 or len(documents) > 1:
        found.several.append((records, documents))
    elif not documents:
        found.records += records
    elif not records:
        found.documents += documents
    else:
        found.both.append((records[0], documents[0]))


def _key_of(record: Invoice) -> Key:
    if not isinstance(record.section, Section) or not isinstance(record.action, Action):
        what = f"section {record.section!r:.40} and action {record.action!r:.40} are no Section and no Action"
        raise InvalidInput(f"{named(record)}: {what}")
    if not isinstance(record.return_period, str):
        raise InvalidInput(f"{named(record)}: return period {record.return_period!r:.40} is no text")
    igst, cgst, sgst, cess = record.igst, record.cgst, record.sgst, record.cess
    _check(record, (igst, cgst, sgst, cess, record.taxable_value, record.value))
    return record.section, record.supplier.strip().upper(), record.number, record.date


def _key_of_document(document: Gstr2bDocument) -> Key | None:
    """Return its key; None for one that stands for itself, whatever else the GSTR-2B has."""
    check_document(document)
    if document.section in _IMPORTS:
        place = (_UNPAIRED, document.section, document.amended)
        return place, f"{document.port_code} {document.supplier}", document.number, document.date
    if document.ims_section is None or document.place is Gstr2bPlace.REVERSAL:
        return None
    return document.ims_section, document.supplier.strip().upper(), document.number, document.date


def check_document(document: Gstr2bDocument) -> None:
    """Raise `InvalidInput` for a document without exact amounts, a date, a number or a supplier."""
    if not isinstance(document.section, Gstr2bSection) or not isinstance(document.place, Gstr2bPlace):
        what = f"section {document.section!r:.40}, place {document.place!r:.40} are none of a GSTR-2B"
        raise InvalidInput(f"{named(document)}: {what}")
    if not isinstance(document.supplier_period, str | None):
        raise InvalidInput(f"{named(document)}: return period {document.supplier_period!r:.40} is no text")
    tax = document.tax
    if not isinstance(tax, TaxAmounts):
        raise InvalidInput(f"{named(document)}: {tax!r:.40} is no TaxAmounts")
    taxable, value = document.taxable_value, document.value
    if taxable is None or value is None:
        taxable, value = taxable or _ZERO, value or _ZERO
    _check(document, (tax.igst, tax.cgst, tax.sgst, tax.cess, taxable, value))


def _check(one: Invoice | Gstr2bDocument, amounts: tuple[Decimal, ...]) -> None:
    """Raise `InvalidInput` for one without exact amounts, a date, a number or a supplier."""
    if not _are_exact(amounts):
        wrong = next(amount for amount in amounts if not _are_exact((amount,)))
        what = f"{wrong!r:.40} is no exact amount of rupees"
        raise InvalidInput(f"{named(one)}: {what}", advice="use Decimal('1250.50')")
    date, number, supplier = one.date, one.number, one.supplier
    if not isinstance(date, dt.date) or isinstance(date, dt.datetime):
        what = f"{date!r:.40} is no date"
        raise InvalidInput(f"{named(one)}: {what}", advice="use datetime.date(2026, 10, 5)")
    if not isinstance(number, str):
        raise InvalidInput(f"{named(one)}: number {number!r:.40} is no text")
    if not isinstance(supplier, str):
        raise InvalidInput(f"{named(one)}: supplier {supplier!r:.40} is no text")


def _are_exact(amounts: tuple[Decimal, ...]) -> bool:
    for amount in amounts:
        if amount.__class__ is not Decimal or (amount and not _is_rupees(amount)):
            return False
    return True


def _is_rupees(amount: Decimal) -> bool:
    if not amount.is_finite() or amount.adjusted() > _MOST_DIGITS:
        return False
    return amount.same_quantum(_PAISA) or int(amount.as_tuple().exponent) >= -_MOST_DIGITS


def named(one: Invoice | Gstr2bDocument) -> str:
    """Name a record or a document in one line."""
    day = f"{one.date:%d-%m-%Y}" if isinstance(one.date, dt.date) else "?"
    side = "IMS" if isinstance(one, Invoice) else "GSTR-2B"
    return f"{side} {one.section} {short(one.number)} of {day} from {one.supplier or 'abroad'}"


def short(number: object) -> str:
    """Return a number in one line, however long it is."""
    return " ".join(f"{number}".split())[:_LONGEST]
