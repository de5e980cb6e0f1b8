"""What a run is asked for: its name, and the GSTR-2B that it is to have computed anew."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from ... import rules
from ...bulk.run import checked_name
from ...errors import InvalidInput
from ...journal import Query, SqliteJournal
from ...rules.periods import DRAFT_DAY, day_in, month_of_ims
from ..output.console import Console
from .accounts import refuse_unless_regenerated
from .settings import journal_if_any


def check_regenerated(period: str, gsp: str | None) -> None:
    """Raise what can be known beforehand against computing the GSTR-2B of a period anew, offline.

    `InvalidInput` for a period before IMS, and one whose draft is not made yet by the date in India; a
    notification can move the draft to a later day: then the gateway refuses. `NotSupported` if `--gsp` has
    no route.
    """
    draft = day_in(month_of_ims(period) + 1, DRAFT_DAY)
    if rules.india_date(dt.datetime.now(dt.UTC)) < draft:
        raise InvalidInput(
            f"GSTR-2B of {period} is drafted on {draft:%d-%m-%Y}: until then it cannot be computed anew, and "
            "what is decided before goes into the draft by itself"
        )
    refuse_unless_regenerated(gsp)


def check_run(console: Console, run: str | None, file: Path | None, period: str | None) -> None:
    """Raise `InvalidInput` for what is no name of a run, or if the run is to compute another GSTR-2B.

    `file` is what `--journal` said; of one run each taxpayer has one GSTR-2B, that of its `period`, if any.
    """
    if run is None:
        return
    checked_name(run)
    kept = journal_if_any(file)
    if period is None or kept is None:
        return
    others = console.wait_for(_other_periods(kept, run, period))
    if others:
        raise InvalidInput(
            f"run {run!r} is of GSTR-2B of {', '.join(others)}: name another run for that of {period}"
        )


async def _other_periods(kept: SqliteJournal, run: str, period: str) -> list[str]:
    async with kept:
        found = await kept.find(Query(run=run))
    return sorted({entry.token.period for entry in found if entry.token.kind.repeatable} - {period})
