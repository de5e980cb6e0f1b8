"""Readers of single values of an answer: money, dates, flags, members of objects."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, TypeVar

from ...errors import UnexpectedAnswer
from ...model.vocabulary import Action, period_problem

K = TypeVar("K")
V = TypeVar("V")

_CACHE_LIMIT: Final = 20_000


class Cache(dict[K, V]):
    """A cache of what `make` returns for each key; it is emptied when it is full.

    An answer has few distinct days, suppliers and amounts, each many times: equal ones share one object.
    """

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[K], V]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: K) -> V:
        value = self._make(key)
        if len(self) >= _CACHE_LIMIT:
            self.clear()
        self[key] = value
        return value


def parse_day(text: object) -> dt.date:
    """Read a date in the format DD-MM-YYYY. Raises `ValueError`, which names the format."""
    if isinstance(text, str) and len(text) == 10 and text[2] == text[5] == "-" and text.isascii():
        day, month, year = text[:2], text[3:5], text[6:]
        if day.isdigit() and month.isdigit() and year.isdigit():
            try:
                return dt.date(int(year), int(month), int(day))
            except ValueError:
                pass  # 31-02-2024: raised below
    raise ValueError(f"{text!r:.60} is not a date that exists; dates are DD-MM-YYYY")


def day_text(day: dt.date) -> str:
    """Write a date as JSON text in the format DD-MM-YYYY."""
    return f'"{day.day:02d}-{day.month:02d}-{day.year:04d}"'


def _period(text: str) -> str:
    if problem := period_problem(text):
        raise ValueError(problem)
    return text


WHOLES: Final = Cache[int, Decimal](Decimal)  # half of all amounts are zero
DAYS: Final = Cache[Any, dt.date](parse_day)
PERIODS: Final = Cache[str, str](_period)
ACTIONS: Final[dict[object, Action]] = {str(action): action for action in Action}

MOST: Final = 10**18  # for a count or an amount; sums of larger ones could not be written out


def money(number: object) -> Decimal:
    """Read a JSON number as exact rupees. Raises `TypeError` for anything else, text included."""
    if type(number) is Decimal:
        return number
    if type(number) is int:
        return WHOLES[number]
    raise TypeError(f"{number!r:.60} is not a number")


def as_object(value: object, path: str) -> dict[str, Any]:
    """Return a JSON object. Raises `UnexpectedAnswer`, which names `path`; that of the body is ""."""
    if not isinstance(value, dict):
        raise UnexpectedAnswer(problems=[f"{path or '$'}: {value!r:.60} is not an object"])
    return value


def member(value: object, key: str, path: str) -> Any:
    """Return `value[key]`. Raises `UnexpectedAnswer`, which names `path.key`."""
    facts = as_object(value, path)
    if key not in facts:
        raise UnexpectedAnswer(problems=[f"{path}.{key}".lstrip(".") + ": missing"])
    return facts[key]
