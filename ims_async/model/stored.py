"""The one converter of values that are kept as JSON text, and read again by this release or a later one."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

from cattrs import BaseValidationError, Converter, ForbiddenExtraKeysError, transform_error

from .records import RecordKey
from .vocabulary import Section

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
