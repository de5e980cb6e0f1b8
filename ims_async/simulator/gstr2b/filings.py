"""The returns that taxpayers have filed, and whether they file monthly or quarterly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ..rules import NOTHING_FILED, GstnError
from .periods import quarter_end, written

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

Form = Literal["GSTR1", "GSTR3B"]


class Filings:
    """What each taxpayer has filed, and when."""

    def __init__(self) -> None:
        self.quarterly: set[str] = set()
        """The taxpayers under QRMP."""
        self._filed: dict[str, dict[tuple[Form, str], date]] = {}

    def add(self, gstin: str, form: Form, period: str, on: date) -> None:
        """File a return; raises `ValueError` for a month that has none."""
        if self.has_none(gstin, period):
            raise ValueError(f"{gstin} files quarterly: name the last month of the quarter, not {period}.")
        self._filed.setdefault(gstin, {})[form, period] = on

    def has_none(self, gstin: str, period: str) -> bool:
        """Return whether this is one of the first two months of a quarter of a quarterly taxpayer."""
        return gstin in self.quarterly and period != quarter_end(period)

    def step(self, gstin: str) -> int:
        """Return the months from one return to the next."""
        return 3 if gstin in self.quarterly else 1

    def closed(self, gstin: str) -> frozenset[str]:
        """Return the periods whose GSTR-3B is filed."""
        return frozenset(period for form, period in self._filed.get(gstin, {}) if form == "GSTR3B")

    def track(
        self, gstin: str, wanted: Callable[[str, date], bool], form: str | None = None
    ) -> dict[str, Any]:
        """Return the returns that a taxpayer filed, by period and day, of one form or of all."""
        rows = [
            {
                "arn": f"AA{gstin[:2]}{period[:2]}{period[4:]}{index:06d}X",
                "ret_prd": period,
                "mof": "ONLINE",
                "dof": written(day),
                "rtntype": filed,
                "status": "Filed",
                "valid": "Y",
            }
            for index, ((filed, period), day) in enumerate(self._filed.get(gstin, {}).items(), 1)
            if wanted(period, day) and form in {None, filed}
        ]
        if not rows:
            raise GstnError(*NOTHING_FILED)
        return {"EFiledlist": rows}

    def preference(self, gstin: str) -> dict[str, Any]:
        """Return for each quarter of a year whether the taxpayer files monthly or quarterly."""
        letter = "Q" if gstin in self.quarterly else "M"
        return {"response": [{"quarter": f"Q{number}", "preference": letter} for number in range(1, 5)]}
