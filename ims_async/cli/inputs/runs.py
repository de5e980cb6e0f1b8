"""The name of a run that is to go on, and whether it may."""

from __future__ import annotations

from pathlib import Path

from ...bulk.run import checked_name
from ...errors import InvalidInput
from ...journal import Query, SqliteJournal
from ..output.console import Console
from .settings import journal_if_any


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
