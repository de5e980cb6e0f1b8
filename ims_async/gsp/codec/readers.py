"""Readers of records of an answer, with cattrs: imported when the first answer is read."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, TypeVar

import attrs
from cattrs import BaseValidationError, ClassValidationError, Converter
from cattrs.gen import make_dict_structure_fn, override

from ...model.vocabulary import Action
from .values import ACTIONS, MOST, money, parse_day

R = TypeVar("R")

MISSING: Final = object()  # the value of a key that is required although the attribute has a default


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

    @functools.cache  # made when the first row is read: a millisecond each, and a program needs few of them
    def structure() -> Callable[[Any, Any], R]:
        overrides = {
            name: override(rename=wire[name], struct_hook=hooks.get(name))
            if name in wire
            else override(rename=f"«{name}»", struct_hook=lambda value, _: value)
            for name in attrs.fields_dict(record)  # type: ignore[arg-type] # always attrs
        }
        return make_dict_structure_fn(record, CONVERTER, **overrides)  # type: ignore[arg-type]

    def read(row: object, **given: Any) -> R:
        if not isinstance(row, dict):
            raise TypeError(f"{row!r:.60} is not an object")
        given["extra"] = {**{key: row[key] for key in row if key not in known}, **given.get("extra", {})}
        facts = {key: row[key] for key in row.keys() & known}  # so no row can have a key like «hash»
        return structure()({**facts, **{f"«{name}»": value for name, value in given.items()}}, record)

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
