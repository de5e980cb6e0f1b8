"""The dates of a return period: GSTR-1, the draft of GSTR-2B, the last day to act, GSTR-3B, pending.

Dates are Indian ones. The government moves single ones by notification, so each can be replaced.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Final

import attrs

from ..errors import InvalidInput
from ..model.vocabulary import parse_gstin
from ..rules.periods import DRAFT_DAY, DUE_DAY, day_in, month_of_ims

_DRAFT: Final = "rule 60(7) of the CGST Rules; GSTN advisory of 18-10-2021"
_MONTHLY: Final = "rule 61(1)(i) of the CGST Rules"
_QUARTERLY: Final = "rule 61(1)(ii) of the CGST Rules"
_ACTING: Final = "GSTN advisory of 12-11-2024: until GSTR-3B of the period is filed"
_PENDING: Final = "GSTN FAQ of 17-10-2025: the due date of GSTR-3B of the next tax period"
_PENDING_BEGAN: Final = 2025 * 12 + 9  # October 2025, as `month_of_ims` counts
_FILING: Final = "notification 83/2020 (Central Tax); rule 60(7) of the CGST Rules"
_FILING_DAYS: Final = (11, 13)
"""Until which monthly and quarterly suppliers (GSTR-1 or IFF) file what the GSTR-2B of a month has."""
_DATES: Final = ("gstr1", "gstr1_quarterly", "draft", "gstr3b", "pending_until")
_QUARTERLY_DAYS: Final = {
    **dict.fromkeys(range(22, 38), 22),
    **dict.fromkeys((*range(1, 22), 38), 24),
}
"""The day by state code, the first two digits of a GSTIN; 97 (other territory) is in neither group."""


@attrs.frozen
class Deadline:
    """One date, and the public text that sets it."""

    date: dt.date
    source: str


@attrs.frozen(kw_only=True)
class Deadlines:
    """The dates of one GSTR-2B period.

    What a supplier files until `gstr1` is in it, of quarterly suppliers (GSTR-1 or IFF) `gstr1_quarterly`.
    `draft` is the day of its draft: what is decided later needs it computed anew. `last_day` is the last on
    which an action counts for it: that on which GSTR-3B was filed, else that on which it is due, `gstr3b`. A
    credit note of the period can be kept pending until `pending_until`; None before October 2025, when none
    could be.
    """

    period: str
    gstr1: Deadline
    gstr1_quarterly: Deadline
    draft: Deadline
    gstr3b: Deadline
    last_day: Deadline
    pending_until: Deadline | None

    def days_left(self, today: dt.date) -> int:
        """Return the days until the last one on which an action counts; negative once it is over."""
        return (self.last_day.date - today).days


def deadlines(
    period: str,
    quarterly: bool = False,
    state: str | None = None,
    moved: Mapping[str, dt.date] | None = None,
    filed: Mapping[str, dt.date] | None = None,
) -> Deadlines:
    """Return the dates of a GSTR-2B period, `MMYYYY`, in India.

    A quarterly (QRMP) taxpayer has one GSTR-2B a quarter, and the day of its GSTR-3B depends on its `state`:
    a GSTIN, or its first two digits. `moved` replaces dates that a notification has moved: `gstr1`,
    `gstr1_quarterly`, `draft`, `gstr3b`, `pending_until`. `filed` has the day on which the taxpayer's GSTR-3B
    was filed by period. Raises `InvalidInput` for an invalid period or one before IMS (October 2024), for a
    state that is missing or unknown, for the name of another date, and for what is no date.
    """
    month = month_of_ims(period)
    if quarterly and (month + 1) % 3:
        raise InvalidInput(
            f"period {period} is not the end of a quarter: a quarterly taxpayer has GSTR-2B for March, June, "
            "September and December only"
        )
    changed = dict(moved or {})
    if unknown := sorted(changed.keys() - set(_DATES)):
        raise InvalidInput(f"moved: {unknown[0]!r} is unknown; use one of: {', '.join(_DATES)}")
    for name, day in changed.items():
        if not isinstance(day, dt.date) or isinstance(day, dt.datetime):
            raise InvalidInput(f"moved, {name}: {day!r:.40} is no date: use datetime.date(2026, 11, 25)")
    due = changed.get("gstr3b", _due(month, quarterly, state))
    until = changed.get("pending_until", _due(month + (3 if quarterly else 1), quarterly, state))
    can_be_pending = month >= _PENDING_BEGAN
    monthly, quarter = filing_days(month)
    return Deadlines(
        period=period,
        gstr1=Deadline(changed.get("gstr1", monthly), _FILING),
        gstr1_quarterly=Deadline(changed.get("gstr1_quarterly", quarter), _FILING),
        draft=Deadline(changed.get("draft", day_in(month + 1, DRAFT_DAY)), _DRAFT),
        gstr3b=Deadline(due, _QUARTERLY if quarterly else _MONTHLY),
        last_day=Deadline((filed or {}).get(period, due), _ACTING),
        pending_until=Deadline(until, _PENDING) if can_be_pending else None,
    )


def filing_days(month: int) -> tuple[dt.date, dt.date]:
    """Return until when monthly and quarterly suppliers file a month, as `rules.periods` numbers them."""
    monthly, quarterly = (day_in(month + 1, day) for day in _FILING_DAYS)
    return monthly, quarterly


def _due(month: int, quarterly: bool, state: str | None) -> dt.date:
    return day_in(month + 1, _quarterly_day(state) if quarterly else DUE_DAY)


def _quarterly_day(state: str | None) -> int:
    text = str(state or "").strip()
    code = parse_gstin(text)[:2] if len(text) == 15 else text
    day = _QUARTERLY_DAYS.get(int(code)) if len(code) == 2 and code.isascii() and code.isdigit() else None
    if day is None:
        raise InvalidInput(
            f"{f'state {text!r:.40}' if text else 'no state is given'}: the due date of a quarterly taxpayer "
            "depends on it; give its GSTIN, or the first two digits (01 to 38)"
        )
    return day
