"""Values as plain dictionaries, for JSON and for other programs, and back; amounts and counts as text."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Self

from ..errors import InvalidInput

_LONGEST_AMOUNT: Final = 100  # digits before or after the point


class Plain:
    """A value that can be written as a plain dictionary, and made of one."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes by name as JSON values: rupees as text, dates as `2026-10-05`.

        In `extra` an exact number is `{"$numberDecimal": "1.10"}`. Raises `InvalidInput` for a value that is
        not of its attribute's type, such as a float for rupees, or no JSON in `extra`.
        """
        from .converters import plain_converter

        what = _named(self)
        try:
            return dict(plain_converter().unstructure(self))
        except (TypeError, ValueError, AttributeError, RecursionError) as error:
            raise InvalidInput(f"{what} cannot be written: {error}") from None

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Self:
        """Read what `to_dict` returned. Raises `InvalidInput` with each unknown key and each wrong value.

        Attributes that are missing have their defaults.
        """
        from .converters import UNREADABLE, in_words, plain_converter

        try:
            return plain_converter().structure(facts, cls)
        except UNREADABLE as error:
            what = _named(facts, cls)
            words = in_words(error, what)
            words = words if words.startswith(what) else f"{what}: {words}"  # of the value as a whole
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
