"""Whether a record and a document of the books agree: in amounts, time and number."""

from __future__ import annotations

from ..tolerance import Tolerances
from .documents import Amounts, Side, financial_year
from .numbers import cut_alike, joined


class Agreement:
    """What may be the same of two sides; documents are named by their places, the record first."""

    def __init__(self, records: Side, books: Side, tolerances: Tolerances) -> None:
        self._records, self._books = records, books
        self._limits, self._days = tolerances.limits(), tolerances.days
        self._years: dict[int, int] = {}

    # -- time ------------------------------------------------------------------------------------------

    def in_time(self, record: int, book: int) -> bool:
        """Whether a document is booked near its date, in its financial year or the next.

        An amendment's date is its own or its original's: books may have either.
        """
        day, booked = self._records.days[record], self._books.days[book]
        if day == booked or self._near(day, booked):
            return True
        original = self._records.originals.get(record)
        return original is not None and self._near(original.day, booked)

    def _near(self, day: int, booked: int) -> bool:
        return abs(booked - day) <= self._days and 0 <= self._year(booked) - self._year(day) <= 1

    def _year(self, day: int) -> int:
        year = self._years.get(day)
        if year is None:
            year = self._years[day] = financial_year(day)
        return year

    def days(self, record: int) -> tuple[int, int]:
        """Return the first and the last day on which a record may be booked."""
        day, original = self._records.days[record], self._records.originals.get(record)
        other = original.day if original else day
        return min(day, other) - self._days, max(day, other) + self._days

    # -- amounts ---------------------------------------------------------------------------------------

    def fits(self, record: int, book: int) -> bool:
        """Whether time and amounts agree."""
        mine, theirs = self._records.amounts[record], self._books.amounts[book]
        return (mine == theirs or self.amounts_fit(mine, theirs)) and self.in_time(record, book)

    def amounts_fit(self, gateway: Amounts, books: Amounts) -> bool:
        """Whether all amounts are within the tolerance."""
        return all(map(self._within, range(len(gateway)), gateway, books))

    def sums_fit(self, gateway: Amounts, books: Amounts) -> bool:
        """Whether taxable value and total tax are, whatever the tax heads."""
        return self._within(0, gateway[0], books[0]) and self._within(1, sum(gateway[1:]), sum(books[1:]))

    def values(self, record: int) -> tuple[int, int]:
        """Return the least and the most that the books may have as a record's taxable value, in paise."""
        return self._range(0, self._records.amounts[record][0])

    def _within(self, head: int, gateway: int, books: int) -> bool:
        least, most = self._range(head, gateway)
        return least <= books <= most

    def _range(self, head: int, gateway: int) -> tuple[int, int]:
        above, percent_above, below, percent_below = self._limits[head]
        return (
            gateway - max(below, percent_below * gateway // 1_000_000),
            gateway + max(above, percent_above * gateway // 1_000_000),
        )

    # -- numbers ---------------------------------------------------------------------------------------

    def years_agree(self, record: int, book: int) -> bool:
        """Whether the financial years that the numbers name are the same, where both name one."""
        mine, theirs = self._records.fiscal[record], self._books.fiscal[book]
        if mine == theirs or mine < 0 or theirs < 0:
            return True
        original = self._records.originals.get(record)
        return original is not None and original.fiscal in (theirs, -1)

    def same_number(self, record: int, book: int) -> bool:
        """Whether the numbers agree, written apart or run together: `INV/26-27/12` is `INV262712`."""
        runs, number = self._books.runs[book], self._books.numbers[book]
        mine = [(self._records.runs[record], self._records.numbers[record])]
        if original := self._records.originals.get(record):
            mine.append((original.runs, original.number))
        return any(
            own == runs or (joined(text) == joined(number) and cut_alike(text, number)) for own, text in mine
        )
