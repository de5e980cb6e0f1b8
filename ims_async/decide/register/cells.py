"""Read the cells of a register: dates and rupees as people and programs write them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from ..entry import MOST, Kind

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_FIRST: Final = re.compile(r"(\d{1,2})[-/. ](\d{1,2}|[A-Za-z]{3,9})[-/. ,]+(\d{4}|\d{2})", re.ASCII)
_YEAR_FIRST: Final = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})|(20\d\d)(\d\d)(\d\d)", re.ASCII)
_TIME: Final = re.compile(r"[T ]\d{1,2}:\d{2}.*$", re.ASCII)
_SERIAL: Final = re.compile(r"[3-6]\d{4}(\.\d+)?", re.ASCII)
_EXCEL_BEGAN: Final = dt.date(1899, 12, 30)
_MONTHS_OF_A_YEAR: Final = 12
_ENOUGH_DATES: Final = 4  # to tell: that all have a day up to 12 is chance in one case of 40

_SIGNS: Final = re.compile(r"₹|rs\.?|inr|\s", re.IGNORECASE)
_SIDES: Final = re.compile(r"(dr|cr)\.?$", re.IGNORECASE)
# 1250.50, .5, or with commas as India and others group them; the last three digits stand together.
_AMOUNT: Final = re.compile(r"(?:\d+|\d{1,3}(?:,\d{2,3})*,\d{3})(?:\.\d*)?|\.\d+", re.ASCII)


def day_of(cell: object) -> dt.date:
    """Return a date. Raises `ValueError` with a sentence, also for a month first: 03/25/2026."""
    if isinstance(cell, dt.datetime):
        return cell.date()
    if isinstance(cell, dt.date):
        return cell
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)  # a workbook keeps 20261005 as 20261005.0
    text = _TIME.sub("", str("" if cell is None else cell).strip())
    try:
        if found := _YEAR_FIRST.fullmatch(text):
            year, month, day = (int(part) for part in found.groups() if part)
            return dt.date(year, month, day)
        if found := _DAY_FIRST.fullmatch(text):
            return dt.date(_year(found[3]), _month(found[2]), int(found[1]))
    except ValueError:
        if found and found[2] and found[2].isdigit() and int(found[1]) <= 12 < int(found[2]) <= 31:
            raise ValueError(
                f"{text!r} has the month first: write the day first (25-03-2026), in the whole column"
            ) from None
    if _SERIAL.fullmatch(text):  # the number of days by which a spreadsheet keeps a date
        return _EXCEL_BEGAN + dt.timedelta(days=int(float(text)))
    raise ValueError(f"{text[:40]!r} is not a date: write DD-MM-YYYY, for example 05-10-2026")


class Dates:
    """Watch a column of dates for what a spreadsheet does that expects the month first.

    It takes 05-10-2026 for the 10th of May, and leaves 25-10-2026 as a text.
    """

    def __init__(self) -> None:
        self._dates = 0
        self._text: tuple[int, str] | None = None
        self._proper = False

    def see(self, row: int, cell: object) -> None:
        """Look at one cell that was read."""
        if isinstance(cell, dt.date):
            self._dates += 1
            self._proper = self._proper or cell.day > _MONTHS_OF_A_YEAR
        elif isinstance(cell, str) and (found := _DAY_FIRST.fullmatch(cell.strip())) and found[2].isdigit():
            if int(found[1]) > _MONTHS_OF_A_YEAR:
                self._text = self._text or (row, cell.strip())
            else:
                self._proper = True

    @property
    def exchanged(self) -> tuple[int, str] | None:
        """The first row with a text among dates whose day and month have changed places, and the text."""
        return self._text if self._dates >= _ENOUGH_DATES and not self._proper else None


def _year(text: str) -> int:
    return int(text) + 2000 * (len(text) == 2)


def _month(text: str) -> int:
    return int(text) if text.isdigit() else _MONTHS.index(text[:3].lower()) + 1


def rupees_of(cell: object) -> Decimal:
    """Return an amount in rupees; empty is zero, brackets and a trailing Cr or minus make it negative.

    Raises `ValueError` with a sentence, also for a comma that groups nothing: `12,50` may be 12.50 or 1250.
    """
    if cell is None:
        return Decimal(0)
    if isinstance(cell, Decimal | int | float) and not isinstance(cell, bool):
        amount = Decimal(repr(cell)) if isinstance(cell, float) else Decimal(cell)
        if not amount.is_finite() or abs(amount) >= MOST:
            raise ValueError(f"{cell!r:.40} is not an amount: write rupees such as 1250.50")
        return round(amount, 2) if isinstance(cell, float) else amount
    text = str(cell).strip()
    bare = _SIGNS.sub("", text).removesuffix("/-")
    side = _SIDES.search(bare)
    bare = _SIDES.sub("", bare)
    negative = side is not None and side[1].lower() == "cr"
    if bare in ("", "-", "--") or bare.lower() == "nil":
        return Decimal(0)
    if bare.startswith("(") and bare.endswith(")"):
        bare, negative = bare[1:-1], True
    if bare.startswith("-") or bare.endswith("-"):
        bare, negative = bare.removeprefix("-") if bare.startswith("-") else bare.removesuffix("-"), True
    if not _AMOUNT.fullmatch(bare.removeprefix("+")):
        raise ValueError(f"{text[:40]!r} is not an amount: write rupees such as 1250.50")
    amount = Decimal(bare.replace(",", ""))
    if amount >= MOST:
        raise ValueError(f"{text[:40]!r} is not an amount: write rupees such as 1250.50")
    return -amount if negative else amount


# A "debit note" of the books is what they write for a supplier's credit note; DN and D are the supplier's
# own, as GST returns call it.
_CODES: Final[Mapping[str, Kind]] = {
    "cn": "credit note", "c": "credit note", "kg": "credit note", "dn": "debit note", "d": "debit note",
}  # fmt: skip
_SUPPLIERS_DEBIT: Final = re.compile(r"\b(supplier|vendor|party)s? ?debit ?(note|memo)")
# As part of the name that a firm gives its vouchers: "GST Debit Note", "Purchase Return 18%".
_CREDIT: Final = re.compile(
    r"\b((cr?|credit|dr?|debit) ?(notes?|memos?)|vendor ?credits?|(purchase)?returns?|purc?h? ?ret)\b"
)


def kind_of(cell: object) -> Kind:
    """Return the kind of the supplier's document by the register's word; what is unknown is an invoice."""
    word = " ".join(re.findall(r"[^\W\d_]+", str(cell or "").lower()))
    if word in _CODES:
        return _CODES[word]
    if _SUPPLIERS_DEBIT.search(word):
        return "debit note"
    return "credit note" if _CREDIT.search(word) else "invoice"
