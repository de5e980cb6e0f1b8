"""What a comparison with the purchase register says of each record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, overload

import attrs

from ...model.plain import counted
from ...model.records import Invoice
from ..entry import HEADS, Entry
from ..kinds import MatchKind
from .documents import Amounts, is_negative, negated, paise_of, summed
from .pairing import Findings
from .shelves import MANY

_FOR_A_PERSON: Final = frozenset({MatchKind.OTHER_REGISTRATION, MatchKind.PROBABLE, MatchKind.AMBIGUOUS})
_LAST_AUTOMATIC: Final = 3  # the stage
_LABELS: Final = dict(zip(HEADS, ("taxable value", "IGST", "CGST", "SGST", "cess"), strict=True))
_STAGES: Final = {
    1: "The number and the amounts agree with",
    3: "The last or the longest digits of the number, and the amounts, agree with",
    4: "The amounts agree, and but for errors of typing the number, with",
    5: "The number and the amounts agree with those of another registration:",
    6: "The amounts and the date agree, and no other document of this supplier has them, with",
}
_NAMED: Final = 3  # entries that a reason names


@attrs.frozen(weakref_slot=False)
class Match:
    """What the books say of one record.

    `entries` are those of the register: the lines of the document, each time that it is booked, or each
    candidate where it is ambiguous; ordered by date and number. `stage` is 1 (strictest) to 6, or 0 if
    nothing in the books is like the record.
    """

    invoice: Invoice
    kind: MatchKind
    entries: tuple[Entry, ...] = ()
    stage: int = 0

    @property
    def entry(self) -> Entry | None:
        """The entry, if there is one and no question which: the first of several lines."""
        return self.entries[0] if self.entries and self.kind is not MatchKind.AMBIGUOUS else None

    @property
    def automatic(self) -> bool:
        """Whether a policy may accept or reject it without a person: never below stage 3."""
        return self.stage <= _LAST_AUTOMATIC and self.kind not in _FOR_A_PERSON

    @property
    def differences(self) -> dict[str, Decimal]:
        """All entries less the gateway, in rupees, for each amount that differs; empty if it is ambiguous."""
        if not self.entries or self.kind is MatchKind.AMBIGUOUS:
            return {}
        pairs = zip(HEADS, self._booked, paise_of(self.invoice), strict=True)
        return {head: _rupees(books - gateway) for head, books, gateway in pairs if books != gateway}

    @property
    def reason(self) -> str:
        """One sentence with figures."""
        if self.kind is MatchKind.NOT_IN_BOOKS:
            return f"Nothing in the books is like {self.invoice.key}, {self._figures}."
        if self.kind is MatchKind.AMBIGUOUS:
            return f"It may be any of {len(self.entries):,} entries, {self._figures}: {self._named}."
        if self.kind is MatchKind.BOOKED_TWICE:
            return f"The books have it more than once, as {self._named}: {self._differing or self._figures}."
        if self.kind in (MatchKind.VALUE_DIFFERS, MatchKind.TAX_HEAD_DIFFERS):
            return f"The number agrees with {self._named}, but {self._differing}."
        if self.kind is MatchKind.PROBABLE and self.stage == 1:
            return (
                f"{_STAGES[1]} {self._named}, but another record has that date and these amounts: "
                f"{self._figures}."
            )
        return f"{_STAGES[self.stage]} {self._named}: {self._differing or self._figures}."

    @property
    def _booked(self) -> Amounts:
        amounts = summed(map(paise_of, self.entries))
        return negated(amounts) if is_negative(amounts) else amounts

    @property
    def _named(self) -> str:
        named = ", ".join(map(str, self.entries[:_NAMED]))
        more = len(self.entries) - _NAMED
        return f"{named} and {more:,} more" if more > 0 else named

    @property
    def _figures(self) -> str:
        taxable, *taxes = paise_of(self.invoice)
        return f"taxable value ₹{_rupees(taxable):,.2f}, tax ₹{_rupees(sum(taxes)):,.2f}"

    @property
    def _differing(self) -> str:
        gateway = dict(zip(HEADS, paise_of(self.invoice), strict=True))
        return ", ".join(
            f"{_LABELS[head]} is ₹{_rupees(gateway[head]) + by:,.2f} in the books and "
            f"₹{_rupees(gateway[head]):,.2f} at the gateway"
            for head, by in self.differences.items()
        )


def _rupees(paise: int) -> Decimal:
    return Decimal(paise).scaleb(-2)


class Matching(Sequence[Match]):
    """One `Match` for each record, in the order of the records; `only_in_books` has the entries left.

    A match is made when it is asked for: of 100,000 records only what was found is kept.
    """

    def __init__(
        self, records: list[Invoice], books: list[Entry], found: Findings, only_in_books: list[Entry]
    ) -> None:
        self._records, self._books, self._found = records, books, found
        self._shared: dict[int, tuple[Entry, ...]] = {}
        self._ranks: list[int] = []
        self.only_in_books = only_in_books

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, place: int) -> Match: ...
    @overload
    def __getitem__(self, place: slice) -> list[Match]: ...
    def __getitem__(self, place: int | slice) -> Match | list[Match]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        found = self._found
        entries = self._entries(found.entries[place])
        return Match(self._records[place], found.kinds[place], entries, found.stages[place])

    def __repr__(self) -> str:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in self.counts.items() if count)
        return f"<Matching of {len(self):,} records: {counts}; {len(self.only_in_books):,} only in books>"

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in self.counts.items() if count)
        whole = counted(len(self), "record") + (f": {counts}" if counts else "")
        return f"{whole}; {counted(len(self.only_in_books), 'entry', 'entries')} only in the books"

    @property
    def counts(self) -> Mapping[MatchKind, int]:
        """The number of records of each kind."""
        return {kind: self._found.kinds.count(kind) for kind in MatchKind}

    def _entries(self, places: tuple[int, ...]) -> tuple[Entry, ...]:
        """Return entries in an order that is not that of the register; many, as one tuple for all."""
        if len(places) == 1:
            return (self._books[places[0]],)
        if (shared := self._shared.get(id(places))) is not None:
            return shared
        if len(places) <= MANY:
            return tuple(sorted((self._books[place] for place in places), key=_order))
        entries = tuple(self._books[place] for place in sorted(places, key=self._rank))
        self._shared[id(places)] = entries
        return entries

    def _rank(self, place: int) -> int:
        """Return the position of an entry in that order among all of them."""
        if not self._ranks:
            self._ranks = [0] * len(self._books)
            in_order = sorted(range(len(self._books)), key=lambda one: _order(self._books[one]))
            for rank, one in enumerate(in_order):
                self._ranks[one] = rank
        return self._ranks[place]


def _order(entry: Entry) -> tuple[object, ...]:
    return entry.date, entry.supplier, entry.number, entry.reference, entry.kind, paise_of(entry)
