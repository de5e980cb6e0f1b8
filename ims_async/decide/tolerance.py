"""How far books and gateway may be apart, in rupees and days, and still mean the same document."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import attrs

from ..errors import InvalidInput
from .entry import HEADS

Rupees = Decimal | int | float | str

_RUPEE: Final = Decimal(1)


def amount_of(value: Rupees) -> Decimal:
    """Return an amount that is not negative. Raises `InvalidInput`."""
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise InvalidInput(f"{value!r:.40} is not an amount such as 50000 or 1250.50")
    return amount


def is_a(kind: type) -> Callable[[object, attrs.Attribute[Any], object], None]:
    """Return a validator. It raises `InvalidInput`."""

    def check(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, kind):
            raise InvalidInput(f"{field.name} {value!r:.40} is not: {kind.__name__}(…)")

    return check


@attrs.frozen
class Tolerance:
    """The difference that is allowed in one amount: the larger of `rupees` and `percent` of the gateway's.

    `below` is the same for books that claim less than the gateway shows, which risks nothing: lower amounts,
    of credit notes higher ones. None means that both sides are treated alike. Raises `InvalidInput` for a
    negative amount.
    """

    rupees: Decimal = attrs.field(default=_RUPEE, converter=amount_of)
    percent: Decimal = attrs.field(default=Decimal(0), converter=amount_of)
    below: Tolerance | None = attrs.field(default=None)

    @below.validator
    def _check_below(self, field: attrs.Attribute[Tolerance | None], below: object) -> None:
        if below is not None:
            is_a(Tolerance)(self, field, below)

    def limits(self) -> tuple[int, int, int, int]:
        """Return paise and millionths above, then paise and millionths below: whole numbers are quick."""
        other = self.below or self
        return (*self._limit(), *other._limit())

    def _limit(self) -> tuple[int, int]:
        return int(self.rupees * 100), int(self.percent * 10_000)


@attrs.frozen
class Tolerances:
    """What is allowed in each amount, and between two dates.

    A document is booked at most `days` before or after its date, in its financial year or the next: one of
    1 April is not the one that the books have of 31 March. Of an amendment the original's date counts too.
    """

    taxable_value: Tolerance = attrs.field(default=Tolerance(), validator=is_a(Tolerance))
    igst: Tolerance = attrs.field(default=Tolerance(), validator=is_a(Tolerance))
    cgst: Tolerance = attrs.field(default=Tolerance(), validator=is_a(Tolerance))
    sgst: Tolerance = attrs.field(default=Tolerance(), validator=is_a(Tolerance))
    cess: Tolerance = attrs.field(default=Tolerance(), validator=is_a(Tolerance))
    days: int = attrs.field(default=60)

    @days.validator
    def _check_days(self, _: object, days: object) -> None:
        if isinstance(days, bool) or not isinstance(days, int) or days < 0:
            raise InvalidInput(f"days {days!r:.40} is not a whole number of days")

    def limits(self) -> tuple[tuple[int, int, int, int], ...]:
        """Return the limits of each amount, in the order of `HEADS`."""
        return tuple(getattr(self, head).limits() for head in HEADS)
