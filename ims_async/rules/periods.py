"""Return periods, tax periods and due dates, counted in whole months. No clock is read here.

GST uses Indian dates: IST is UTC+5:30, without daylight saving. `india_date` converts a moment to one.
"""

from __future__ import annotations

import datetime as dt
import functools
from typing import Final

from ..errors import InvalidInput
from ..model.vocabulary import SourceForm, period_problem, year_and_month

IST: Final = dt.timezone(dt.timedelta(hours=5, minutes=30), "IST")

GST_BEGAN: Final = "072017"
IMS_BEGAN: Final = "102024"
DRAFT_DAY: Final = 14
"""GSTR-2B is drafted on this day of the month after the return period. GSTN FAQ of 23-09-2024."""
DUE_DAY: Final = 20
"""GSTR-3B of a monthly filer is due on this day of the month after the tax period. GSTN FAQ of 17-10-2025,
whose example keeps a credit note of the GSTR-2B of October 2025 pending until 20-12-2025."""


def india_date(moment: dt.datetime) -> dt.date:
    """Return the date in India at an aware moment."""
    return moment.astimezone(IST).date()


@functools.lru_cache(maxsize=4096)
def month_of(period: str) -> int | None:
    """Return a period `MMYYYY` as a number of months, to compare and to add to; None if it is invalid."""
    if period_problem(period) is not None:
        return None
    return int(period[2:]) * 12 + int(period[:2]) - 1


def month_of_ims(period: str) -> int:
    """Return a period `MMYYYY` that IMS has as a number of months. Raises `InvalidInput` for any other."""
    year, month = year_and_month(period)
    if is_before_ims(period):
        raise InvalidInput(
            f"period {period} is before IMS, which began with that of October 2024 ({IMS_BEGAN})"
        )
    return year * 12 + month - 1


def is_before_ims(period: str) -> bool:
    """Say whether a valid period `MMYYYY` is before the first of IMS."""
    return (period[2:], period[:2]) < (IMS_BEGAN[2:], IMS_BEGAN[:2])


def period_of(month: int) -> str:
    """Return a number of months as `MMYYYY`."""
    year, index = divmod(month, 12)
    return f"{index + 1:02d}{year:04d}"


def day_in(month: int, day: int) -> dt.date:
    """Return a day of a month."""
    year, index = divmod(month, 12)
    return dt.date(year, index + 1, day)


def last_drafted(today: dt.date) -> str:
    """Return the last period whose GSTR-2B is drafted on a day in India, if no notification moved it."""
    return period_of(today.year * 12 + today.month - 2 - (today.day < DRAFT_DAY))


def earliest_gstr2b(return_period: object, source_form: object) -> int | None:
    """Return the earliest GSTR-2B period, in months, that a record can belong to; None if it is not known.

    If the supplier files late the period is a later one; no field of the record shows that. A record from
    GSTR-1A goes to the next month's GSTR-2B. GSTN FAQ of 17-10-2025.
    """
    month = month_of(return_period) if isinstance(return_period, str) else None
    return None if month is None else month + (source_form == SourceForm.GSTR1A)
