"""The converters of values that are kept as JSON text, and of those that become plain dictionaries.

Only this module of the model imports cattrs, and it is imported when a value is first converted.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from types import GenericAlias, NoneType, UnionType
from typing import Any, Final, get_args

import attrs
from cattrs import BaseValidationError, Converter, ForbiddenExtraKeysError, transform_error
from cattrs.cols import (
    is_mapping,
    list_structure_factory,
    namedtuple_dict_structure_factory,
    namedtuple_dict_unstructure_factory,
)
from cattrs.gen import make_dict_structure_fn, make_mapping_structure_fn

from .. import errors
from ..errors import ImsError
from ..lazy import pattern
from .plain import money_text
from .records import Decision, Invoice, RecordKey
from .status import JobKind, JobState
from .vocabulary import Action, GoodsType, Section, SupplierSection

UNREADABLE: Final = (BaseValidationError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What reading a text raises that was not written so; see `in_words`."""


def in_words(error: BaseException, what: str) -> str:
    """Return what is wrong with a text, and with which attributes of `what`."""
    if isinstance(error, BaseValidationError):
        told = transform_error(error, what, format_exception=lambda cause, _: in_words(cause, ""))
        return "; ".join(f"{place}: {words}" for words, _, place in (line.rpartition(" @ ") for line in told))
    if isinstance(error, ForbiddenExtraKeysError):
        return f"unknown keys: {', '.join(f'{key:.40}' for key in sorted(error.extra_fields)[:10])}"
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


_NUMBERS: Final[dict[type, str]] = {bool: "true or false", int: "a count", float: "a number of seconds"}
_SECTIONS: Final[dict[object, Section]] = {str(section): section for section in Section}


def _number(value: Any, wanted: type) -> Any:
    fits = type(value) is wanted or (wanted is float and type(value) is int)  # `True` is no count
    if not (fits and 0 <= value < math.inf):
        raise TypeError(f"{value!r:.40} is not {_NUMBERS[wanted]}")
    return value


def _text(value: Any, wanted: object) -> Any:
    if type(value) is not str and (value is not None or wanted is str):
        raise TypeError(f"{value!r:.40} is not text")
    return value


def _section(value: Any, _: object) -> Section | str:
    return _SECTIONS.get(value) or str(_text(value, str))  # one that this release does not know stays text


def _record_key(row: Sequence[Any], _: object) -> RecordKey:
    section, supplier, number, date, period = row
    day = None if date is None else dt.date.fromisoformat(date)
    known = _section(section, str)
    return RecordKey(known, _text(supplier, str), _text(number, str), day, _text(period, None))


def strict_converter(**options: Any) -> Converter:
    """Return a converter that takes no value of another type, and no unknown attribute."""
    made = Converter(forbid_extra_keys=True, **options)
    for kind in _NUMBERS:
        made.register_structure_hook(kind, _number)
    made.register_structure_hook(str, _text)
    made.register_structure_hook(str | None, _text)
    made.register_structure_hook(StrEnum, lambda value, members: members(value))
    made.register_structure_hook(Section | str, _section)
    made.register_structure_hook(RecordKey, _record_key)
    made.register_structure_hook(dt.datetime, lambda text, _: dt.datetime.fromisoformat(text))
    made.register_unstructure_hook(dt.datetime, dt.datetime.isoformat)
    return made


CONVERTER: Final = strict_converter()
"""The one converter of tokens, and of what a journal keeps: this release or a later one reads it again."""

# -- plain dictionaries ------------------------------------------------------------------------------------

_DECIMAL: Final = "$numberDecimal"
"""The one key of an exact number in `extra`, as in MongoDB's Extended JSON; a number elsewhere is a text."""
_DEEPEST: Final = 100  # levels of `extra`


@functools.cache
def plain_converter() -> Converter:
    """Return a strict converter that also knows rupees, dates, `extra`, records and errors."""
    made = strict_converter(unstruct_collection_overrides={tuple: list})
    _check_types(made)
    made.register_structure_hook(Decimal, _amount)
    made.register_unstructure_hook(Decimal, _amount_text)
    made.register_structure_hook(dt.date, _date)
    made.register_unstructure_hook(dt.date, _date_text)
    made.register_structure_hook_func(_is_extra, lambda value, _: _read_extra(value))
    made.register_unstructure_hook_func(_is_extra, _extra_text)
    made.register_structure_hook(RecordKey, _of_mapping(namedtuple_dict_structure_factory(RecordKey, made)))
    made.register_unstructure_hook(RecordKey, namedtuple_dict_unstructure_factory(RecordKey, made))

    def record(value: Any, wanted: Any) -> Any:
        if value is None and NoneType in get_args(wanted):
            return None
        return made.structure(
            value, Decision if isinstance(value, Mapping) and "invoice" in value else Invoice
        )

    made.register_structure_hook_func(lambda type_: _is_union_with(type_, Decision), record)
    made.register_structure_hook_func(
        lambda type_: _is_union_with(type_, Exception),
        lambda value, _: value if value is None else _error(_mapping(value)),
    )
    made.register_unstructure_hook(Exception, _error_facts)
    made.register_structure_hook_factory(
        lambda type_: getattr(type_, "__origin__", None) is tuple, lambda type_: _tuple_reader(type_, made)
    )
    return made


def _check_types(made: Converter) -> None:
    """Let a converter take no value of another type than its attribute's, in either direction."""
    for kind, name in _NAMES.items():
        made.register_structure_hook(kind, functools.partial(_checked, name))
        made.register_unstructure_hook(kind, functools.partial(_checked, name, kind=kind))
    made.register_unstructure_hook(str, _plain_text)
    for words in (Section, SupplierSection, Action, GoodsType, JobKind, JobState):
        made.register_unstructure_hook(words, functools.partial(_word, words))
    made.register_structure_hook_factory(
        attrs.has, lambda type_: _of_mapping(make_dict_structure_fn(type_, made))
    )
    made.register_structure_hook_factory(
        is_mapping, lambda type_: _of_mapping(make_mapping_structure_fn(type_, made))
    )


def _word(words: type[StrEnum], value: Any) -> str:
    return str(words(value))


def _mapping(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise TypeError(f"{value!r:.40} is no mapping")
    for key in value:
        if not isinstance(key, str):
            raise TypeError(f"the key {key!r:.40} is not text")
    return value


def _of_mapping(read: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda value, wanted: read(_mapping(value), wanted)


def _tuple_reader(type_: Any, converter: Converter) -> Callable[[Any, Any], tuple[Any, ...]]:
    of_list: Any = GenericAlias(list, get_args(type_)[:1])
    read = list_structure_factory(of_list, converter)

    def structure(value: Any, _: object) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):  # the letters of a text are no list
            raise TypeError(f"{value!r:.40} is no list")
        return tuple(read(value, of_list))

    return structure


_NAMES: Final[dict[type, str]] = {bool: "true or false", int: "a whole number"}


def _checked(name: str, value: Any, kind: type) -> Any:
    if type(value) is not kind:  # `True` is no number
        raise TypeError(f"{value!r:.40} is not {name}")
    return value


def _plain_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is not text")
    return str(value)


def _is_union_with(type_: Any, member: type) -> bool:
    return isinstance(type_, UnionType) and member in get_args(type_)


# -- rupees and dates --------------------------------------------------------------------------------------


_WRITTEN: Final = pattern(r"-?[0-9]+(\.[0-9]+)?(E[+-][0-9]+)?")  # by `str` of a finite Decimal


def _amount(value: Any, _: object) -> Decimal:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no amount as text, such as '1250.50'")
    try:
        if _WRITTEN.fullmatch(value):
            return Decimal(value)
    except InvalidOperation:  # its exponent
        pass
    raise ValueError(f"{value!r:.40} is not an amount, such as '1250.50'")


def _amount_text(value: Any) -> str:
    if not isinstance(value, Decimal) or not value.is_finite():
        raise TypeError(f"{value!r:.40} is no exact amount: use Decimal('1250.50')")
    return money_text(value)


def _date(value: Any, _: object) -> dt.date:
    try:
        if isinstance(value, str) and (day := dt.date.fromisoformat(value)).isoformat() == value:
            return day
    except ValueError:
        pass
    raise ValueError(f"{value!r:.40} is not a date, such as '2026-10-05'")


def _date_text(value: Any) -> str:
    if type(value) is not dt.date:  # the hour of a `datetime` would be lost
        raise TypeError(f"{value!r:.40} is no date: use datetime.date(2026, 10, 5)")
    return value.isoformat()


# -- what a gateway adds -----------------------------------------------------------------------------------


def _is_extra(type_: object) -> bool:
    return type_ == dict[str, Any]


def _extra_text(value: Any) -> Any:
    return _extra_of(_mapping(value))


def _extra_of(value: Any, depth: int = 0) -> Any:
    """Return a JSON value in which exact numbers are tagged; what looks like a tag is put into one."""
    if depth > _DEEPEST:  # also a value that contains itself
        raise ValueError(f"extra has more than {_DEEPEST} levels")
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Decimal) and value.is_finite():
        return {_DECIMAL: str(value)}
    if isinstance(value, list):
        return [_extra_of(one, depth + 1) for one in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        plain = {key: _extra_of(one, depth + 1) for key, one in value.items()}
        return {_DECIMAL: plain} if [*value] == [_DECIMAL] else plain
    raise TypeError(f"{value!r:.60} in extra is not a JSON value with exact numbers")


def _read_extra(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = _mapping(_untagged(value))
    return found


def _untagged(value: Any, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        raise ValueError(f"it has more than {_DEEPEST} levels")
    if isinstance(value, Mapping):
        if [*value] != [_DECIMAL]:
            return {key: _untagged(one, depth + 1) for key, one in _mapping(value).items()}
        tagged = value[_DECIMAL]
        if isinstance(tagged, Mapping) and [*tagged] == [_DECIMAL]:
            return {_DECIMAL: _untagged(tagged[_DECIMAL], depth + 1)}
        return _amount(tagged, Decimal)
    if isinstance(value, list | tuple):
        return [_untagged(one, depth + 1) for one in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    raise TypeError(f"{value!r:.40} is not a JSON value with exact numbers")


# -- errors ------------------------------------------------------------------------------------------------

_PLAIN: Final = (str, bool, int, float)


def _error_facts(error: Any) -> dict[str, Any]:
    """Return the class of an error, its text, and of its attributes those that are plain values."""
    plain = {name: value for name, value in vars(error).items() if isinstance(value, _PLAIN)}
    text = error.args[0] if isinstance(error, ImsError) else error
    return {"type": type(error).__name__, "text": str(text), **plain}


def _error(facts: Mapping[str, Any]) -> ImsError:
    """Return an error of ours with what is plain of it, another one as an `ImsError` that names it."""
    name, text = _plain_text(facts["type"]), _plain_text(facts["text"])
    kind = getattr(errors, name, None)
    if not (isinstance(kind, type) and issubclass(kind, ImsError)):
        return ImsError(f"{name}: {text}")
    made = kind(text)
    for key in facts.keys() - {"type", "text"}:
        given, default = facts[key], vars(made).get(key, _PLAIN)
        fits = isinstance(given, _PLAIN if default is None else type(default))
        if not (fits and isinstance(given, _PLAIN)):
            raise ValueError(f"{key!r:.40} is no plain attribute of {name}, or not {given!r:.40}")
        setattr(made, key, given)
    return made
