"""Pair records with documents of the books, one to one, and never by a guess."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import attrs

from ...steps import Steps, free
from ..kinds import MatchKind
from .agreement import Agreement
from .documents import FEW, STEP, Amounts, Side
from .shelves import sort

Candidates = dict[int, Sequence[int]]
"""For each record the documents of the books that it may be."""


@attrs.define(weakref_slot=False)
class Findings:
    """What was found of each record, in columns: kinds, stages, and the places of entries."""

    kinds: list[MatchKind]
    stages: bytearray
    entries: list[tuple[int, ...]]

    @classmethod
    def nothing(cls, records: int) -> Findings:
        """Return that nothing was found of a number of records."""
        return cls([MatchKind.NOT_IN_BOOKS] * records, bytearray(records), [()] * records)


class Pairing:
    """The records that are open, the documents of the books that are not used, and what was found."""

    def __init__(self, records: Side, books: Side, agree: Agreement, found: Findings) -> None:
        self._records, self._books, self._agree, self._found = records, books, agree, found
        self.open: dict[int, None] = {}
        self.unused: dict[int, None] = {}
        self._dated: dict[tuple[str, int, int, Amounts], None] = {}

    def begin(self) -> Iterator[None]:
        """Take all documents for open and unused; yield between the steps."""
        mine = self._records
        for start in range(0, len(mine), STEP * 4):
            yield
            some = range(start, min(start + STEP * 4, len(mine)))
            self._dated |= dict.fromkeys(
                (mine.suppliers[one], mine.lowers[one], mine.days[one], mine.amounts[one]) for one in some
            )
        for left, count in ((self.open, len(self._records)), (self.unused, len(self._books))):
            for start in range(0, count, STEP * 16):
                yield
                left.update(dict.fromkeys(range(start, min(start + STEP * 16, count))))

    def clear(self) -> Iterator[None]:
        """Free the memory; yield between the steps."""
        yield from free(self._dated, self.open, self.unused)

    def pair_off(self, found: Candidates, stage: int) -> Iterator[None]:
        """Match records with the one document that they may be, if no other record may be it.

        Of those that share candidates, these of the same date and amounts are taken first. Several documents
        of one number and the amounts of one record are one document, booked twice. It empties `found`.
        """
        wanted = yield from wanted_in(found)
        contested: Candidates = {}
        for count, (record, books) in enumerate(found.items()):
            if not count % STEP:
                yield
            alone = all(wanted[book] == 1 for book in books)
            if alone and len(books) == 1:
                self.settle(record, self._kind(record, books[0], stage), stage, books)
            elif alone and stage == 1 and len({self._books.fiscal[book] for book in books} - {-1}) < 2:
                self.settle(record, MatchKind.BOOKED_TWICE, stage, books)
            else:
                contested[record] = books
        yield from self._settle_single(contested, stage, exact=True)
        yield from self._settle_single(contested, stage, exact=False)
        for count, (record, books) in enumerate(contested.items()):
            if not count % FEW:
                yield
            if books:
                self.settle(record, MatchKind.AMBIGUOUS, stage, books)
        yield from free(found, contested)

    def _settle_single(self, contested: Candidates, stage: int, *, exact: bool) -> Iterator[None]:
        """Match those with a single candidate, which is no other's; take what is used from the others."""
        single: Candidates = {}
        for count, (record, books) in enumerate(contested.items()):
            if not count % FEW:
                yield
            single[record] = [book for book in books if not exact or self._is_exact(record, book)]
        wanted = yield from wanted_in(single)
        for count, (record, books) in enumerate(single.items()):
            if not count % FEW:
                yield
            if len(books) == 1 and wanted[books[0]] == 1:
                self.settle(record, self._kind(record, books[0], stage), stage, books)
                del contested[record]
        for count, (record, books) in enumerate(contested.items()):
            if not count % FEW:
                yield
            contested[record] = [book for book in books if book in self.unused]

    def leave_crowds(
        self, crowds: dict[int, tuple[int, ...]], found: Candidates, stage: int
    ) -> Iterator[None]:
        """Settle records with very many candidates as ambiguous, and those that share one of these."""
        named: dict[int, tuple[int, ...]] = {}
        taken: set[int] = set()
        for count, (record, crowd) in enumerate(crowds.items()):
            if not count % STEP:
                yield
            if id(crowd) not in named:
                named[id(crowd)] = yield from self._places(crowd)
                taken.update(crowd)
            self._note(record, MatchKind.AMBIGUOUS, stage, named[id(crowd)])
            taken.update(found.pop(record, ()))
        for count, record in enumerate([*found]):
            if not count % FEW:
                yield
            if not taken.isdisjoint(found[record]):
                self.settle(record, MatchKind.AMBIGUOUS, stage, found.pop(record))
        for count, book in enumerate(taken):
            if not count % STEP:
                yield
            self.unused.pop(book, None)

    def _places(self, crowd: Sequence[int]) -> Steps[tuple[int, ...]]:
        """Return the places of all entries of many documents."""
        places: list[int] = []
        for count, book in enumerate(crowd):
            if not count % STEP:
                yield
            places += self._books.places[book]
        yield from sort(places, int)
        return tuple(places)

    def _is_exact(self, record: int, book: int) -> bool:
        return (
            self._records.days[record] == self._books.days[book]
            and self._records.amounts[record] == self._books.amounts[book]
        )

    def _is_dated_as_another(self, record: int, book: int) -> bool:
        """Whether a document of the books has another date than its record, and another record has it.

        With the same amounts it may be that other record, with a slip in its number.
        """
        if self._agree.same_date(record, book):
            return False
        books = self._books
        its = books.suppliers[book], books.lowers[book], books.days[book], books.amounts[book]
        return its in self._dated

    def _kind(self, record: int, book: int, stage: int) -> MatchKind:
        if stage == 5:
            return MatchKind.OTHER_REGISTRATION
        if stage > 3 or (stage == 3 and not self._agree.is_shortened(record, book)):
            return MatchKind.PROBABLE
        if self._is_dated_as_another(record, book):
            return MatchKind.PROBABLE
        same = self._records.amounts[record] == self._books.amounts[book]
        return MatchKind.MATCHED if same else MatchKind.WITHIN_TOLERANCE

    def settle(self, record: int, kind: MatchKind, stage: int, books: Sequence[int]) -> None:
        """Note what was found of a record; the documents of the books are used then."""
        self._note(
            record, kind, stage, tuple(sorted(place for book in books for place in self._books.places[book]))
        )
        for book in books:
            self.unused.pop(book, None)

    def _note(self, record: int, kind: MatchKind, stage: int, entries: tuple[int, ...]) -> None:
        (place,) = self._records.places[record]
        self._found.kinds[place], self._found.stages[place] = kind, stage
        self._found.entries[place] = entries
        del self.open[record]


def wanted_in(found: Candidates) -> Steps[Counter[int]]:
    """Return how many records each document of the books may be."""
    wanted: Counter[int] = Counter()
    for count, books in enumerate(found.values()):
        if not count % STEP:
            yield
        for book in books:
            wanted[book] += 1
    return wanted
