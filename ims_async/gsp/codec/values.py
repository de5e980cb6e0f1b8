"""Readers of single values of an answer (money, dates, flags), and of records made of them, with cattrs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, TypeVar

import attrs
from cattrs import BaseValidationError, ClassValidationError, Converter
from cattrs.gen import make_dict_structure_fn, override

from ...errors import UnexpectedAnswer
from ...model.vocabulary import Action, period_problem

K = TypeVar("K")
V = TypeVar("V")
R = TypeVar("R")

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

MISSING: Final = object()  # the value of a key that is required although the attribute has a default
MOST: Final = 10**18  # for a count or an amount; sums of larger ones could not be written out


def money(number: object) -> Decimal:
    """Read a JSON number as exact rupees. Raises `TypeError` for anything else, text included."""
    if type(number) is Decimal:
        return number
    if type(number) is int:
        return WHOLES[number]
    raise TypeError(f"{number!r:.60} is not a number")


def _text(value: object) -> str:
    """Return JSON text unchanged. Raises `TypeError` for a number: `7` is not `"007"`."""
    if type(value) is not str:
        raise TypeError(f"{value!r:.60} is not text")
    return value


def _whole(value: object) -> int:
    if type(value) is not int or not -MOST < value < MOST:
        raise TypeError(f"{value!r:.60} is not a whole number")
    return value


def _action(value: object) -> Action:
    if value is MISSING:
        raise KeyError("action")
    if isinstance(value, str) and value in ACTIONS:
        return ACTIONS[value]
    raise ValueError(f"{value!r:.60} is not an action; it is one of A, R, P, N")


CONVERTER: Final = Converter(detailed_validation=True)
CONVERTER.register_structure_hook(Decimal, lambda value, _: money(value))
CONVERTER.register_structure_hook(str, lambda value, _: _text(value))
CONVERTER.register_structure_hook(int, lambda value, _: _whole(value))
CONVERTER.register_structure_hook(bool, lambda value, _: bool(value))
CONVERTER.register_structure_hook(dt.date, lambda value, _: parse_day(value))
CONVERTER.register_structure_hook(Action, lambda value, _: _action(value))


def reader(
    record: type[R], wire: Mapping[str, str], *, hooks: Mapping[str, Callable[[Any, Any], Any]] | None = None
) -> Callable[..., R]:
    """Make a reader of rows for the class `record`; `wire` maps its attributes to the keys of a row.

    `hooks` are cattrs' hooks for single attributes that are read in another way than by their type.

    The reader takes a row, and values of the attributes that are not in a row. Unknown keys are kept in
    `extra`. Raises cattrs' `ClassValidationError`; `problems_of` describes it.
    """
    hooks, known = hooks or {}, frozenset(wire.values())
    overrides = {
        name: override(rename=wire[name], struct_hook=hooks.get(name))
        if name in wire
        else override(rename=f"«{name}»", struct_hook=lambda value, _: value)
        for name in attrs.fields_dict(record)  # type: ignore[arg-type] # always attrs
    }
    structure = make_dict_structure_fn(record, CONVERTER, **overrides)  # type: ignore[arg-type]

    def read(row: object, **given: Any) -> R:
        if not isinstance(row, dict):
            raise TypeError(f"{row!r:.60} is not an object")
        given["extra"] = {**{key: row[key] for key in row if key not in known}, **given.get("extra", {})}
        facts = {key: row[key] for key in row.keys() & known}  # so no row can have a key like «hash»
        return structure({**facts, **{f"«{name}»": value for name, value in given.items()}}, record)

    return read


def problems_of(error: Exception, wire: Mapping[str, str], path: str) -> Iterator[str]:
    """Yield each problem of a row, in the form `data.data.b2b[3].idt: missing`."""
    if isinstance(error, ClassValidationError):
        named, others = error.group_exceptions()
        for cause, note in named:
            yield f"{path}.{wire.get(note.name, note.name)}: {_say(cause)}"
        for cause in others:
            yield f"{path}: {_say(cause)}"
    else:
        yield f"{path}: {_say(error)}"


def _say(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return "missing"
    if isinstance(error, BaseValidationError):
        return "; ".join(_say(cause) for cause in error.exceptions)
    return str(error)


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
