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

R = TypeVar("R")

_CACHE_LIMIT: Final = 20_000


class _Days(dict[str, dt.date]):
    """A cache from `"05-11-2024"` to dates: an answer has few distinct days, each many times."""

    def __missing__(self, text: object) -> dt.date:
        day = parse_day(text)
        if len(self) >= _CACHE_LIMIT:
            self.clear()
        self[str(text)] = day
        return day


class _Periods(dict[str, str]):
    """A cache of checked return periods, so that equal periods are one string in memory."""

    def __missing__(self, text: object) -> str:
        if problem := period_problem(text):
            raise ValueError(problem)
        if len(self) >= _CACHE_LIMIT:
            self.clear()
        self[str(text)] = str(text)
        return str(text)


class _Wholes(dict[int, Decimal]):
    """A cache from whole rupees to `Decimal`: half of all amounts are zero, and share one object."""

    def __missing__(self, number: int) -> Decimal:
        if len(self) >= _CACHE_LIMIT:
            self.clear()
        self[number] = amount = Decimal(number)
        return amount


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


def money(number: object) -> Decimal:
    """Read a JSON number as exact rupees. Raises `TypeError` for anything else, text included."""
    if type(number) is Decimal:
        return number
    if type(number) is int:
        return WHOLES[number]
    raise TypeError(f"{number!r:.60} is not a number")


def text(value: object) -> str:
    """Return JSON text unchanged. Raises `TypeError` for a number: `7` is not `"007"`."""
    if type(value) is not str:
        raise TypeError(f"{value!r:.60} is not text")
    return value


MOST: Final = 10**18  # for a count or an amount; sums of larger ones could not be written out


def _whole(value: object) -> int:
    if type(value) is not int or not -MOST < value < MOST:
        raise TypeError(f"{value!r:.60} is not a whole number")
    return value


WHOLES: Final = _Wholes()
DAYS: Final = _Days()
PERIODS: Final = _Periods()
ACTIONS: Final[dict[object, Action]] = {str(action): action for action in Action}
YES_NO: Final[dict[object, bool]] = {"Y": True, "N": False, True: True, False: False}


MISSING: Final = object()  # the value of a key that is required although the attribute has a default


def _action(value: object) -> Action:
    if value is MISSING:
        raise KeyError("action")
    if isinstance(value, str) and value in ACTIONS:
        return ACTIONS[value]
    raise ValueError(f"{value!r:.60} is not an action; it is one of A, R, P, N")


def _build_converter() -> Converter:
    converter = Converter(detailed_validation=True)
    converter.register_structure_hook(Decimal, lambda value, _: money(value))
    converter.register_structure_hook(str, lambda value, _: text(value))
    converter.register_structure_hook(int, lambda value, _: _whole(value))
    converter.register_structure_hook(bool, lambda value, _: bool(value))
    converter.register_structure_hook(dt.date, lambda value, _: parse_day(value))
    converter.register_structure_hook(Action, lambda value, _: _action(value))
    return converter


CONVERTER: Final = _build_converter()


def reader(
    record: type[R], wire: Mapping[str, str], *, hooks: Mapping[str, Callable[[Any], Any]] | None = None
) -> Callable[..., R]:
    """Make a reader of rows for the class `record`; `wire` maps its attributes to the keys of a row.

    `hooks` read single attributes in another way than by their type.

    The reader takes a row, and values of the attributes that are not in a row. Unknown keys are kept in
    `extra`. Raises cattrs' `ClassValidationError`; `problems_of` describes it.
    """
    known = frozenset(wire.values())
    fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(record)  # type: ignore[arg-type] # always attrs
    given_names = [field.name for field in fields if field.name not in wire]
    as_given = {
        name: override(rename=f"«{name}»", struct_hook=_one_argument(_as_it_is)) for name in given_names
    }
    renamed = {name: override(rename=key) for name, key in wire.items()}
    for name, hook in (hooks or {}).items():
        renamed[name] = override(rename=wire[name], struct_hook=_one_argument(hook))
    overrides: dict[str, Any] = {**renamed, **as_given}
    structure = make_dict_structure_fn(record, CONVERTER, **overrides)

    def read(row: object, **given: Any) -> R:
        if not isinstance(row, dict):
            raise TypeError(f"{row!r:.60} is not an object")
        given["extra"] = {**{key: row[key] for key in row if key not in known}, **given.get("extra", {})}
        facts = {key: row[key] for key in row.keys() & known}  # so no row can have a key like «hash»
        return structure({**facts, **{f"«{name}»": value for name, value in given.items()}}, record)

    return read


def _as_it_is(value: Any) -> Any:
    return value


def _one_argument(hook: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda value, _: hook(value)


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


def member(value: object, key: str, path: str) -> Any:
    """Return `value[key]`. Raises `UnexpectedAnswer`, which names `path.key`; the path of the body is ""."""
    if not isinstance(value, dict):
        raise UnexpectedAnswer(problems=[f"{path or '$'}: {value!r:.60} is not an object"])
    if key not in value:
        raise UnexpectedAnswer(problems=[f"{path}.{key}".lstrip(".") + ": missing"])
    return value[key]
