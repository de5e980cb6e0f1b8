"""Return periods MMYYYY and the days that follow from them, in Indian time."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from functools import lru_cache

IST = timezone(timedelta(hours=5, minutes=30))
FIRST = "102024"
"""The first period of IMS."""


def months(period: str) -> int:
    """Count the months of a period since the year 0."""
    return int(period[2:]) * 12 + int(period[:2]) - 1


@lru_cache(maxsize=4096)
def later(period: str, by: int = 1) -> str:
    """Return the period so many months later."""
    year, month = divmod(months(period) + by, 12)
    return f"{month + 1:02d}{year:04d}"


def quarter_end(period: str) -> str:
    """Return the last period of the quarter."""
    return later(period, -int(period[:2]) % 3)


def period_of(day: date) -> str:
    """Return the period of a day."""
    return f"{day.month:02d}{day.year:04d}"


@lru_cache(maxsize=4096)
def starts_at(day: date) -> float:
    """Return when a day begins, in epoch seconds."""
    return datetime(day.year, day.month, day.day, tzinfo=IST).timestamp()


@lru_cache(maxsize=4096)
def day_after(period: str, day: int) -> date:
    """Return a day of the month after a period."""
    following = later(period)
    return date(int(following[2:]), int(following[:2]), day)


def day_at(seconds: float) -> date:
    """Return the day at a time in epoch seconds."""
    return datetime.fromtimestamp(seconds, IST).date()


def written(day: date) -> str:
    """Write a day as DD-MM-YYYY."""
    return f"{day:%d-%m-%Y}"


def year_of(period: str) -> str:
    """Return the financial year of a period, `2024-25` say."""
    first = int(period[2:]) - (int(period[:2]) < 4)
    return f"{first}-{(first + 1) % 100:02d}"
