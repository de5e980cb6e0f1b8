"""Match what a gateway shows with the purchase register: one to one, in stages, and never by a guess.

Each stage looks at what the stages before it have left, and pairs two documents only if neither could be
paired with another; what could is ambiguous, and its candidates are named. The order of the rows is of no
consequence. Only documents of one PAN are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

from ...steps import Steps, free
from ..kinds import MatchKind
from ..tolerance import Tolerances
from . import keys
from .agreement import Agreement
from .documents import STEP, Side, summed
from .numbers import cut_alike, is_close
from .pairing import Candidates, Findings, Pairing, wanted_in
from .shelves import Crowd, Shelves, Values

Keys = Callable[[Side, int], Iterable[Hashable]]
"""What two documents must have in common: the keys of one."""
Fits = Callable[[int, int], bool]
"""Whether a record and a document of the books may be the same, by their places."""


class Group:
    """The documents of one PAN, on both sides, and the stages that match them."""

    def __init__(self, records: Side, books: Side, tolerances: Tolerances, found: Findings) -> None:
        self._records, self._books = records, books
        self._agree = Agreement(records, books, tolerances)
        self._pairing = Pairing(records, books, self._agree, found)

    def stages(self) -> Iterator[None]:
        """Run one stage after the other; yield between their steps."""
        yield from self._pairing.begin()
        for stage in (
            self._by_number,
            self._by_number_written_otherwise,
            self._by_number_alone,
            self._by_digits,
            self._by_letters_for_digits,
            self._by_typing_errors,
            self._by_other_registration,
            self._by_value_and_date,
        ):
            if not (self._pairing.open and self._pairing.unused):
                return
            yield from stage()

    def clear(self) -> Iterator[None]:
        """Free the memory of the group; yield between the steps."""
        yield from self._pairing.clear()
        yield from self._records.clear()
        yield from self._books.clear()

    @property
    def unused(self) -> Iterator[int]:
        """The places of the entries that no record was matched with, and that are no candidates."""
        return (place for book in self._pairing.unused for place in self._books.places[book])

    # -- the stages ------------------------------------------------------------------------------------

    def _by_number(self) -> Iterator[None]:
        """1: number and amounts agree."""
        agree = self._agree
        found = yield from self._candidates(
            1, keys.numbers, lambda record, book: agree.fits(record, book) and agree.years_agree(record, book)
        )
        yield from self._pairing.pair_off(found, 1)

    def _by_number_written_otherwise(self) -> Iterator[None]:
        """1 too: the number run together, or with a wrong financial year, and the amounts agree."""
        agree = self._agree
        found = yield from self._candidates(
            1,
            keys.all_numbers,
            lambda record, book: agree.fits(record, book) and agree.same_number(record, book),
        )
        yield from self._pairing.pair_off(found, 1)

    def _by_number_alone(self) -> Iterator[None]:
        """2: the number agrees. Documents of the books that only together have the amounts are its lines.

        Several that do not even have them together are no lines: which one is meant is not known.
        """
        agree = self._agree
        found = yield from self._candidates(
            2,
            keys.all_numbers,
            lambda record, book: (
                agree.in_time(record, book)
                and agree.years_agree(record, book)
                and agree.same_number(record, book)
            ),
        )
        wanted = yield from wanted_in(found)
        for count, (record, books) in enumerate(found.items()):
            if not count % STEP:
                yield
            kind, stage = self._agreement_in_number(record, books)
            if any(wanted[book] > 1 for book in books):
                kind, stage = MatchKind.AMBIGUOUS, 2
            self._pairing.settle(record, kind, stage, books)
        yield from free(found)

    def _agreement_in_number(self, record: int, books: Sequence[int]) -> tuple[MatchKind, int]:
        amounts = self._records.amounts[record]
        whole = summed(self._books.amounts[book] for book in books)
        if amounts == whole:
            return MatchKind.MATCHED, 1
        if self._agree.amounts_fit(record, whole):
            return MatchKind.WITHIN_TOLERANCE, 1
        if len(books) > 1:
            return MatchKind.AMBIGUOUS, 2
        if self._agree.sums_fit(record, whole):
            return MatchKind.TAX_HEAD_DIFFERS, 2
        return MatchKind.VALUE_DIFFERS, 2

    def _by_digits(self) -> Iterator[None]:
        """3: the last or the longest digits and the amounts agree."""
        found = yield from self._candidates(3, keys.digits, self._agree.fits)
        yield from self._pairing.pair_off(found, 3)

    def _by_letters_for_digits(self) -> Iterator[None]:
        """4: the amounts agree, and the number but for O and 0, I and 1 and their like."""
        mine, theirs = self._records.numbers, self._books.numbers
        found = yield from self._candidates(
            4,
            keys.alike_numbers,
            lambda record, book: self._agree.fits(record, book) and cut_alike(mine[record], theirs[book]),
        )
        yield from self._pairing.pair_off(found, 4)

    def _by_typing_errors(self) -> Iterator[None]:
        """4 too: one or two typing errors; no other document of the supplier has the value."""
        records, books = self._records, self._books
        found = yield from self._only_ones(
            keys.supplier,
            lambda record, book: (
                self._agree.fits(record, book)
                and (
                    is_close(records.numbers[record], books.numbers[book])
                    or is_close(records.runs[record], books.runs[book])
                )
            ),
        )
        yield from self._pairing.pair_off(found, 4)

    def _by_other_registration(self) -> Iterator[None]:
        """5: number and amounts agree with those of another registration of the same PAN."""
        agree, mine, theirs = self._agree, self._records.suppliers, self._books.suppliers
        found = yield from self._candidates(
            5,
            keys.numbers_of_the_pan,
            lambda record, book: (
                mine[record] != theirs[book]
                and agree.fits(record, book)
                and agree.years_agree(record, book)
                and agree.same_number(record, book)
            ),
        )
        yield from self._pairing.pair_off(found, 5)

    def _by_value_and_date(self) -> Iterator[None]:
        """6: amounts and date agree, and no other document of the supplier, matched or not, has them."""
        found = yield from self._only_ones(keys.supplier_and_day, self._agree.fits)
        yield from self._pairing.pair_off(found, 6)

    # -- candidates ------------------------------------------------------------------------------------

    def _candidates(self, stage: int, keys_of: Keys, fits: Fits) -> Steps[Candidates]:
        """Return which records and documents of the books have a key in common, and fit.

        Records with too many to look at are ambiguous at once: with all of about their value, or their date,
        and of about those of each other.
        """
        books, amounts, by_day = self._books, self._books.amounts, stage == 2
        shelves = Shelves(books.days.__getitem__ if by_day else lambda place: amounts[place][0])
        for count, place in enumerate(self._pairing.unused):
            if not count % STEP:
                yield
            for key in keys_of(books, place):
                shelves.put(key, place)
        yield from shelves.ready()
        reach = self._agree.days if by_day else self._agree.values
        found: Candidates = {}
        crowds: dict[int, list[Crowd]] = {}
        looked_at = STEP
        for record in self._pairing.open:
            if looked_at >= STEP:
                looked_at = 0
                yield
            if stage > 2 and not any(self._records.amounts[record]):
                continue  # documents without a value are all alike
            looked_at += 1
            for key in keys_of(self._records, record):
                near = shelves.near(key, *reach(record))
                looked_at += len(near)
                if isinstance(near, Crowd):
                    crowds.setdefault(record, []).append(near)
                elif fitting := [book for book in near if fits(record, book)]:
                    found[record] = tuple({*found.get(record, ()), *fitting})
        if crowds:
            together = yield from shelves.together(crowds)
            yield from self._pairing.leave_crowds(together, found, stage)
        yield from shelves.clear()
        return found

    def _only_ones(self, key: Callable[[Side, int], Hashable], fits: Fits) -> Steps[Candidates]:
        """Return the records that are the only ones of a key and a value on both sides, and fit."""
        unused: dict[tuple[Hashable, int], int] = {}
        for count, book in enumerate(self._pairing.unused):
            if not count % STEP:
                yield
            unused[key(self._books, book), self._books.amounts[book][0]] = book
        there, shared = {one[0] for one in unused}, set[Hashable]()
        for count, record in enumerate(self._pairing.open):
            if not count % STEP:
                yield
            if (its := key(self._records, record)) in there and any(self._records.amounts[record]):
                shared.add(its)
        values = Values(), Values()
        for side, those in zip((self._records, self._books), values, strict=True):
            yield from self._fill(those, side, key, shared)
        found: Candidates = {}
        for count, record in enumerate(self._pairing.open):
            if not count % STEP:
                yield
            its, reach = key(self._records, record), self._agree.values(record)
            value = values[1].only(its, *reach)
            if value is not None and values[0].only(its, *reach) is not None:
                book = unused.get((its, value), -1)
                if book >= 0 and any(self._records.amounts[record]) and fits(record, book):
                    found[record] = (book,)
        return found

    def _fill(
        self, values: Values, side: Side, key: Callable[[Side, int], Hashable], wanted: set[Hashable]
    ) -> Iterator[None]:
        """Put the values of all documents of these keys, also of those that are matched."""
        for place in range(len(side) if wanted else 0):
            if not place % STEP:
                yield
            if (its := key(side, place)) in wanted:
                values.put(its, side.amounts[place][0])
        yield from values.ready()
