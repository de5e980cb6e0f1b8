"""Values as plain dictionaries, for JSON and for other programs, and back; amounts and counts as text."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from types import GenericAlias, NoneType, UnionType
from typing import Any, Final, Self, get_args

from cattrs import Converter
from cattrs.cols import list_structure_factory, namedtuple_dict_structure_factory

from .. import errors
from ..errors import ImsError, InvalidInput

_LONGEST_AMOUNT: Final = 100  # digits before or after the point
_DECIMAL: Final = "$numberDecimal"
"""The one key of an exact number in `extra`, as in MongoDB's Extended JSON; a number elsewhere is a text."""
_DEEPEST: Final = 100  # levels of `extra`


class Plain:
    """A value that can be written as a plain dictionary, and made of one."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes by name as JSON values: rupees as text, dates as `2026-10-05`.

        In `extra` an exact number is `{"$numberDecimal": "1.10"}`. Raises `InvalidInput` for a value that is
        not of its attribute's type, such as a float for rupees, or no JSON in `extra`.
        """
        what = _named(self)
        try:
            return dict(_converter().unstructure(self))
        except (TypeError, ValueError, AttributeError, RecursionError) as error:
            raise InvalidInput(f"{what} cannot be written: {error}") from None

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Self:
        """Read what `to_dict` returned. Raises `InvalidInput` with each unknown key and each wrong value.

        Attributes that are missing have their defaults.
        """
        from .stored import UNREADABLE, in_words

        try:
            if not isinstance(facts, Mapping):
                raise TypeError(f"{facts!r:.40} is no mapping of attributes")
            return _converter().structure(facts, cls)
        except UNREADABLE as error:
            words = in_words(error, _named(facts, cls))
            raise InvalidInput(words, advice=f"pass what {cls.__name__}.to_dict() returned") from None


def _named(value: Any, cls: type | None = None) -> str:
    """Return the class of a value or of its facts, and the number of its document if it has one."""
    facts = value if isinstance(value, Mapping) else {"number": getattr(value, "number", None)}
    within = facts.get("invoice")
    number = facts.get("number") or (within.get("number") if isinstance(within, Mapping) else None)
    name = (cls or type(value)).__name__
    return f"{name} {number:.40}" if isinstance(number, str) else name


def counted(count: int, noun: str, nouns: str = "") -> str:
    """Return "1 record", "2 records" and so on."""
    return f"{count:,} {noun if count == 1 else nouns or f'{noun}s'}"


def money_text(amount: Decimal) -> str:
    """Write rupees as a plain JSON number: `10883.91`, `1000`; with an exponent only to save 100 zeros."""
    text = str(amount)
    if "E" not in text or not -_LONGEST_AMOUNT < amount.adjusted() < _LONGEST_AMOUNT:
        return text  # without an exponent 1E+999999999 would be a gigabyte
    return format(amount, "f")


@functools.cache
def _converter() -> Converter:
    """Return a strict converter that also knows rupees, dates, `extra`, records and errors."""
    from .records import Decision, Invoice, RecordKey  # which are made of this module's class
    from .stored import strict_converter

    made = strict_converter(unstruct_collection_overrides={tuple: list})
    made.register_unstructure_hook(StrEnum, str)
    made.register_structure_hook(Decimal, _amount)
    made.register_unstructure_hook(Decimal, _amount_text)
    made.register_structure_hook(dt.date, _date)
    made.register_unstructure_hook(dt.date, dt.date.isoformat)
    made.register_structure_hook_func(_is_extra, lambda value, _: _read_extra(value))
    made.register_unstructure_hook_func(_is_extra, _extra_of)
    made.register_structure_hook(RecordKey, namedtuple_dict_structure_factory(RecordKey, made))
    made.register_unstructure_hook(
        RecordKey,
        lambda key: {**key._asdict(), "section": str(key.section), "date": key.date and str(key.date)},
    )

    def record(value: Any, wanted: Any) -> Any:
        if value is None and NoneType in get_args(wanted):
            return None
        return made.structure(
            value, Decision if isinstance(value, Mapping) and "invoice" in value else Invoice
        )

    made.register_structure_hook_func(lambda type_: _is_union_with(type_, Decision), record)
    made.register_structure_hook_func(
        lambda type_: _is_union_with(type_, Exception), lambda value, _: _error(value)
    )
    made.register_unstructure_hook(Exception, _error_facts)
    made.register_structure_hook_factory(
        lambda type_: getattr(type_, "__origin__", None) is tuple, lambda type_: _tuple_reader(type_, made)
    )
    return made


def _tuple_reader(type_: Any, converter: Converter) -> Callable[[Any, Any], tuple[Any, ...]]:
    of_list: Any = GenericAlias(list, get_args(type_)[:1])
    read = list_structure_factory(of_list, converter)

    def structure(value: Any, _: object) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):  # the letters of a text are no list
            raise TypeError(f"{value!r:.40} is no list")
        return tuple(read(value, of_list))

    return structure


def _is_union_with(type_: Any, member: type) -> bool:
    return isinstance(type_, UnionType) and member in get_args(type_)


# -- rupees and dates --------------------------------------------------------------------------------------


def _amount(value: Any, _: object) -> Decimal:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no amount as text, such as '1250.50'")
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"{value!r:.40} is not an amount, such as '1250.50'") from None
    if not amount.is_finite():
        raise ValueError(f"{value!r:.40} is not an amount, such as '1250.50'")
    return amount


def _amount_text(value: Any) -> str:
    if not isinstance(value, Decimal) or not value.is_finite():
        raise TypeError(f"{value!r:.40} is no exact amount: use Decimal('1250.50')")
    return money_text(value)


def _date(value: Any, _: object) -> dt.date:
    try:
        if isinstance(value, str) and len(value) == len("2026-10-05"):
            return dt.date.fromisoformat(value)
    except ValueError:
        pass
    raise ValueError(f"{value!r:.40} is not a date, such as '2026-10-05'")


# -- what a gateway adds -----------------------------------------------------------------------------------


def _is_extra(type_: object) -> bool:
    return type_ == dict[str, Any]


def _extra_of(value: Any, depth: int = 0) -> Any:
    """Return a JSON value in which exact numbers are tagged; what looks like a tag is put into one."""
    if depth > _DEEPEST:  # also a value that contains itself
        raise ValueError(f"extra has more than {_DEEPEST} levels")
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Decimal):
        return {_DECIMAL: str(value)}
    if isinstance(value, list | tuple):
        return [_extra_of(one, depth + 1) for one in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        plain = {key: _extra_of(one, depth + 1) for key, one in value.items()}
        return {_DECIMAL: plain} if [*value] == [_DECIMAL] else plain
    raise TypeError(f"{value!r:.60} in extra is not a JSON value with exact numbers")


def _read_extra(value: Any) -> dict[str, Any]:
    found = _untagged(value)
    if not isinstance(found, dict):
        raise TypeError(f"{value!r:.40} is no mapping")
    return found


def _untagged(value: Any, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        raise ValueError(f"it has more than {_DEEPEST} levels")
    if isinstance(value, Mapping):
        if [*value] != [_DECIMAL]:
            return {_text(key): _untagged(one, depth + 1) for key, one in value.items()}
        tagged = value[_DECIMAL]
        if isinstance(tagged, Mapping) and [*tagged] == [_DECIMAL]:
            return {_DECIMAL: _untagged(tagged[_DECIMAL], depth + 1)}
        return _amount(tagged, Decimal)
    if isinstance(value, list | tuple):
        return [_untagged(one, depth + 1) for one in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    raise TypeError(f"{value!r:.40} is not a JSON value with exact numbers")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"the key {value!r:.40} is not text")
    return value


# -- errors ------------------------------------------------------------------------------------------------

_PLAIN: Final = (str, bool, int, float)


def _error_facts(error: Any) -> dict[str, Any]:
    """Return the class of an error, its text, and of its attributes those that are plain values."""
    plain = {name: value for name, value in vars(error).items() if isinstance(value, _PLAIN)}
    return {"type": type(error).__name__, "text": str(error.args[0] if error.args else error), **plain}


def _error(facts: Any) -> ImsError | None:
    """Return an error of ours with what is plain of it, another one as an `ImsError` that names it."""
    if facts is None:
        return None
    name, text = _text(facts["type"]), _text(facts["text"])
    kind = getattr(errors, name, None)
    if not (isinstance(kind, type) and issubclass(kind, ImsError)):
        return ImsError(f"{name}: {text}")
    made = kind(text)
    for key in facts.keys() - {"type", "text"}:
        if key not in vars(made) or not isinstance(facts[key], _PLAIN):
            raise ValueError(f"{key!r:.40} is no plain attribute of {name}")
        setattr(made, key, facts[key])
    return made
