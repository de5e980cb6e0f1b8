"""Whether a record and a document of the books agree: in amounts, time and number."""

from __future__ import annotations

from typing import Final

from ..tolerance import Tolerances
from .documents import Amounts, Side, financial_year
from .numbers import cut_alike, digits_of, is_part, joined

_WEEK: Final = 7  # days
_LONG: Final = 6  # letters and digits of a number: longer ones are hardly alike by chance


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
        booked = self._books.days[book]
        return any(day == booked or self._near(day, booked) for day in self._days_of(record))

    def _near(self, day: int, booked: int) -> bool:
        return abs(booked - day) <= self._days and 0 <= self._year(booked) - self._year(day) <= 1

    def _year(self, day: int) -> int:
        year = self._years.get(day)
        if year is None:
            year = self._years[day] = financial_year(day)
        return year

    def same_date(self, record: int, book: int) -> bool:
        """Whether the books have a record's date, or its original's."""
        return self._books.days[book] in self._days_of(record)

    def days(self, record: int) -> tuple[int, int]:
        """Return the first and the last day on which a record may be booked."""
        days = self._days_of(record)
        return min(days) - self._days, max(days) + self._days

    # -- amounts ---------------------------------------------------------------------------------------

    def fits(self, record: int, book: int) -> bool:
        """Whether time and amounts agree."""
        return self.amounts_fit(record, self._books.amounts[book]) and self.in_time(record, book)

    def amounts_fit(self, record: int, books: Amounts) -> bool:
        """Whether all amounts are within the tolerance."""
        gateway, lowers = self._records.amounts[record], self._records.lowers[record]
        return gateway == books or all(
            self._within(head, lowers, *pair) for head, pair in enumerate(zip(gateway, books, strict=True))
        )

    def sums_fit(self, record: int, books: Amounts) -> bool:
        """Whether taxable value and total tax are, whatever the tax heads."""
        gateway, lowers = self._records.amounts[record], self._records.lowers[record]
        return self._within(0, lowers, gateway[0], books[0]) and self._within(
            1, lowers, sum(gateway[1:]), sum(books[1:])
        )

    def values(self, record: int) -> tuple[int, int]:
        """Return the least and the most that the books may have as a record's taxable value, in paise."""
        return self._range(0, self._records.lowers[record], self._records.amounts[record][0])

    def _within(self, head: int, lowers: int, gateway: int, books: int) -> bool:
        least, most = self._range(head, lowers, gateway)
        return least <= books <= most

    def _range(self, head: int, lowers: int, gateway: int) -> tuple[int, int]:
        above, percent_above, below, percent_below = self._limits[head]
        if lowers:  # a smaller credit note in the books claims more
            above, percent_above, below, percent_below = below, percent_below, above, percent_above
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
        """Whether the numbers agree, but for a wrong year or run together: `INV/26-27/12` is `INV262712`.

        `INV/25-26/12` and `INV/26-27/12` of one financial year are one document, of two they are two. Short
        numbers that are run together, `6/3` and `63`, are one only if the dates are near each other.
        """
        if self._same_runs(record, book):
            year = self._year(self._books.days[book])
            return self.years_agree(record, book) or (
                any(map(str.isdigit, self._books.runs[book]))
                and any(self._year(day) == year for day in self._days_of(record))
            )
        return self._same_together(record, book) and (
            len(joined(self._books.numbers[book])) >= _LONG or self._in_one_week(record, book)
        )

    def is_shortened(self, record: int, book: int) -> bool:
        """Whether one number is a part of the other, and no other document is likely to have that part too.

        Somebody who pays the same sum every week or month has `4/7`, `5/7` and a `7` of his own; and of
        `24/GST1` the `1` says nothing, but on the very day.
        """
        mine, theirs = self._records.runs[record], self._books.runs[book]
        if not (is_part(mine, theirs) or is_part(theirs, mine)) or not self.years_agree(record, book):
            return False
        if self.same_date(record, book):
            return True
        return self._in_one_week(record, book) and len(digits_of(mine)) == len(digits_of(theirs)) == 1

    def _in_one_week(self, record: int, book: int) -> bool:
        booked = self._books.days[book]
        return any(abs(booked - day) < _WEEK for day in self._days_of(record))

    def _days_of(self, record: int) -> tuple[int, ...]:
        """Return the date of a record, and of an amendment its original's."""
        day, original = self._records.days[record], self._records.originals.get(record)
        return (day, original.day) if original else (day,)

    def _same_runs(self, record: int, book: int) -> bool:
        runs, original = self._books.runs[book], self._records.originals.get(record)
        return self._records.runs[record] == runs or (original is not None and original.runs == runs)

    def _same_together(self, record: int, book: int) -> bool:
        number, mine = self._books.numbers[book], [self._records.numbers[record]]
        if original := self._records.originals.get(record):
            mine.append(original.number)
        return any(joined(text) == joined(number) and cut_alike(text, number) for text in mine)
