"""One document of the purchase register: what the taxpayer's own books say."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Final, Literal

import attrs

from ..errors import InvalidInput

Kind = Literal["invoice", "credit note", "debit note"]
KINDS: Final[tuple[Kind, ...]] = ("invoice", "credit note", "debit note")
_ZERO: Final = Decimal(0)
MOST: Final = Decimal(10) ** 13
"""Rupees that no amount reaches: those of records are Decimal(15, 2)."""
HEADS: Final = ("taxable_value", "igst", "cgst", "sgst", "cess")
"""The amounts of an entry and of a record that are compared."""


def _rupees(amount: Decimal | int) -> Decimal:
    return Decimal(amount) if isinstance(amount, int) else amount


def _check_rupees(_: object, field: attrs.Attribute[Decimal], amount: object) -> None:
    if not isinstance(amount, Decimal) or not amount.is_finite():
        raise InvalidInput(
            f"{field.name} {amount!r:.40} is no exact amount: use Decimal('1250.50') or an int"
        )
    if abs(amount) >= MOST:
        raise InvalidInput(f"{field.name} {amount!s:.40} is too large: GSTN takes 13 digits before the point")


def _check_text(_: object, field: attrs.Attribute[str], text: object) -> None:
    if not isinstance(text, str):
        raise InvalidInput(f"{field.name} {text!r:.40} is no text: write it in quotes")


def _check_date(_: object, field: attrs.Attribute[dt.date], date: object) -> None:
    if not isinstance(date, dt.date):
        raise InvalidInput(f"{field.name} {date!r:.40} is no date: use datetime.date(2026, 10, 5)")


def _check_kind(_: object, field: attrs.Attribute[Kind], kind: object) -> None:
    if kind not in KINDS:
        raise InvalidInput(f"{field.name} {kind!r:.40} is unknown; use one of: {', '.join(KINDS)}")


def _date(day: dt.date) -> dt.date:
    return day.date() if isinstance(day, dt.datetime) else day


@attrs.frozen(weakref_slot=False)
class Entry:
    """A document as the books have it; money in rupees, exact.

    `kind` is that of the supplier's document: a `credit note` lowers the credit. Negative amounts of an
    `invoice` mean a credit note as well, since registers show returns that way. `reference` is the books' own
    number of the voucher; entries of one document with one reference are its lines, and are added up.
    Raises `InvalidInput` for amounts that are not exact, or of more than 13 digits before the point, for what
    is no text or date, and for an unknown kind.
    """

    supplier: str = attrs.field(validator=_check_text)
    number: str = attrs.field(validator=_check_text)
    date: dt.date = attrs.field(converter=_date, validator=_check_date)
    taxable_value: Decimal = attrs.field(converter=_rupees, validator=_check_rupees)
    igst: Decimal = attrs.field(default=_ZERO, converter=_rupees, validator=_check_rupees)
    cgst: Decimal = attrs.field(default=_ZERO, converter=_rupees, validator=_check_rupees)
    sgst: Decimal = attrs.field(default=_ZERO, converter=_rupees, validator=_check_rupees)
    cess: Decimal = attrs.field(default=_ZERO, converter=_rupees, validator=_check_rupees)
    kind: Kind = attrs.field(default="invoice", validator=_check_kind)
    reference: str = attrs.field(default="", validator=_check_text)

    @property
    def tax(self) -> Decimal:
        """The sum of its tax heads, in rupees."""
        return self.igst + self.cgst + self.sgst + self.cess

    def __str__(self) -> str:
        return f"{self.number or 'no number'} of {self.date:%d-%m-%Y} from {self.supplier}"
