"""Recognise what a spreadsheet makes of a text that it takes for a number or a date."""

from __future__ import annotations

import datetime as dt
import itertools
import re
from decimal import Decimal
from typing import Final

_PLAIN: Final = re.compile(r"[0-9]{1,40}(\.[0-9]{1,20})?(e[+-]?[0-9]{1,3})?", re.ASCII)
_SHOWN: Final = re.compile(r"[0-9]{1,40}([.,][0-9]{1,20})?(e[+-]?[0-9]{1,3})?", re.ASCII)
_SCIENTIFIC: Final = re.compile(r"\s*[0-9]([.,][0-9]+)?E\+[0-9]+\s*", re.ASCII | re.IGNORECASE)
_GROUPED: Final = re.compile(r"[0-9]{1,3}(,[0-9]{2,3})+(\.[0-9]+)?", re.ASCII)
_EXACT_DIGITS: Final = 15  # of a number in a spreadsheet; the digits after them become zeros

_BETWEEN: Final = re.compile(r"[-/. ]+")
_MONTHS: Final = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10,
    "nov": 11, "dec": 12, "mrz": 3, "mär": 3, "mai": 5, "okt": 10, "dez": 12,
}  # fmt: skip
_SERIAL: Final = re.compile(r"[1-7][0-9]{4}", re.ASCII)
_EXCEL_BEGAN: Final = dt.date(1899, 12, 30)


def is_scientific(cell: str) -> bool:
    """Return True for a number as only a program writes it: 1.00E+05."""
    return "+" in cell and _SCIENTIFIC.fullmatch(cell) is not None


def may_show(cell: str, original: str) -> bool:
    """Return True if a spreadsheet may show the text `original` as `cell`: 000013 as 13, 10-12 as 10-Dec."""
    cell, original = cell.strip().casefold(), original.strip().casefold()
    if cell == original or (cell and cell == original.lstrip("0")):
        return True
    if cell.startswith("0") and original.lstrip("0") == cell.lstrip("0"):
        return False  # no spreadsheet adds a zero
    return _same_number(cell, original) or not _days(original, typed=True).isdisjoint(_days(cell))


def marks(text: str) -> set[tuple[object, ...]]:
    """Return values of which a number and each way in which a spreadsheet shows it share at least one.

    But for a number that is shown with few of its digits, as 1.2E+05.
    """
    text = text.strip().casefold()
    found: set[tuple[object, ...]] = {("text", text.lstrip("0")), *_days(text, typed=True)}
    value = _value(text) if _PLAIN.fullmatch(text) or _GROUPED.fullmatch(text) else None
    if value is not None:
        digits = f"{value.normalize():f}"
        found.add((digits[:_EXACT_DIGITS], len(digits)))
    return found


def _same_number(cell: str, original: str) -> bool:
    value = _value(original) if _PLAIN.fullmatch(original) else None
    shown = _value(cell)
    if value is None or shown is None:
        return False
    off = abs(value - shown)
    mantissa, exponent, power = cell.partition("e")
    if exponent:
        decimals = len(re.split("[.,]", mantissa)[-1]) if re.search("[.,]", mantissa) else 0
        return off <= Decimal(1).scaleb(int(power) - decimals)
    exact = value.adjusted() < _EXACT_DIGITS
    return off == 0 if exact else off < Decimal(1).scaleb(value.adjusted() + 1 - _EXACT_DIGITS)


def _value(text: str) -> Decimal | None:
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    return Decimal(text.replace(",", ".")) if _SHOWN.fullmatch(text) else None


def _days(text: str, *, typed: bool = False) -> set[tuple[int, int]]:
    """Return the days, without their year, that a text may mean: `(day, month)`.

    What was `typed` may be a month and a year too, which a spreadsheet takes for the first day.
    """
    if _SERIAL.fullmatch(text):
        day = _EXCEL_BEGAN + dt.timedelta(days=int(text))
        return {(day.day, day.month)}
    parts = [part for part in _BETWEEN.split(text) if part]
    if len(parts) not in (2, 3):
        return set()
    numbers = [_number_of(part) for part in parts]
    if None in numbers:
        return set()
    known = [number for number in numbers if number is not None]
    pairs = itertools.permutations(known, 2)
    found = {(day, month) for day, month in pairs if 1 <= day <= 31 and 1 <= month <= 12}
    if typed and len(parts) == 2:
        found |= {(1, month) for month in known if 1 <= month <= 12}
    return found


def _number_of(part: str) -> int | None:
    if part.isascii() and part.isdigit() and len(part) <= 4:
        return int(part)
    return _MONTHS.get(part[:3]) if part.isalpha() else None
