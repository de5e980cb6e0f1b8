"""Progress on stderr, of jobs and of many taxpayers: bars at a terminal, a few lines elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import Final

import attrs
from rich import progress as bars
from rich.progress import Progress, TaskID
from rich.table import Column

from ... import tables
from ...errors import ImsError, InvalidInput
from ...jobs.job import ImsJob
from ...model.status import JobStatus
from ...model.vocabulary import Section
from .console import Console, printable
from .grouping import Grouped, kind_of
from .tables import counted

MIN_INTERVAL: Final = 10.0
"""Seconds between lines that say how far it all is."""

Tick = Callable[[], None]


def now() -> float:
    """Return the event loop's time in seconds."""
    return asyncio.get_running_loop().time()


class _Bars(Progress):
    """Bars that are drawn ten times a second, and not also for each one that is added."""

    def refresh(self) -> None:
        """Leave it to the clock."""


def bars_of(console: Console) -> Progress | None:
    """Return bars, or None where stderr is no terminal."""
    screen = console.error_screen()
    if not screen.is_terminal:
        return None
    return _Bars(
        bars.SpinnerColumn(finished_text="✓"),
        bars.TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, min_width=15)),
        bars.BarColumn(bar_width=10, table_column=Column(no_wrap=True, min_width=10)),
        # What a narrow terminal has no space for is cut off here.
        bars.TextColumn(
            "{task.fields[state]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")
        ),
        bars.TimeElapsedColumn(table_column=Column(no_wrap=True)),
        bars.TimeRemainingColumn(table_column=Column(no_wrap=True)),
        console=screen,
    )


@contextmanager
def ticking(console: Console, what: str, total: int) -> Iterator[Tick]:
    """Count taxpayers as they are done with: `tick()` for each."""
    done, said_at = 0, now()
    live = bars_of(console) if total else None
    with live or nullcontext():
        line = live.add_task(what, total=total, state="") if live else TaskID(0)

        def tick() -> None:
            nonlocal done, said_at
            done += 1
            state = f"{done:,} of {counted(total, 'taxpayer')}"
            if live:
                live.update(line, completed=done, state=state)
            elif now() - said_at >= MIN_INTERVAL and done < total:
                said_at = now()
                console.tell(f"{what}: {state}")

        yield tick


@attrs.frozen
class MatchProgress:
    """Says what is found; of like things the first three, and how many more there are."""

    console: Console
    matched: Tick
    grouped: Grouped

    def unreadable(self, gstin: str, section: Section, problem: str) -> None:
        """Say which row of the gateway's cannot be read."""
        what = f"{gstin} {section}: a row cannot be read and is left out: {problem}"
        self.grouped.add(f"{section} row unreadable", what)

    def standing(self, gstin: str, count: int) -> None:
        """Say how many rows need no sending."""
        stand = "stands" if count == 1 else "stand"
        self.console.tell(f"{gstin}: {counted(count, 'row')} {stand} already as decided")

    def skipped(self, gstin: str, error: ImsError) -> None:
        """Say why nothing is sent for a taxpayer."""
        if not isinstance(error, InvalidInput):
            what = f"{gstin} is skipped: {self.console.reason(gstin, error)}"
            self.grouped.add(f"skipped, {kind_of(error)}", what)
            return
        problems = tables.problems_of(error)
        many = len(problems) > 1
        what = f"{len(problems):,} of its rows do not match:" if many else str(error)
        self.grouped.add("skipped, rows do not match", f"{gstin} is skipped: {what}")
        for problem in problems if many else ():
            self.grouped.add(problem.kind, f"  {problem}")


@contextmanager
def match_progress(console: Console, taxpayers: int) -> Iterator[MatchProgress]:
    """Say what is found, and how far it is, for so long as rows are matched."""
    with ticking(console, "pulling again", taxpayers) as tick:
        grouped = Grouped(console.tell)
        yield MatchProgress(console, tick, grouped)
    grouped.end()


# -- jobs ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def watching(console: Console, labels: Mapping[ImsJob, str]) -> AsyncIterator[None]:
    """Show each change of jobs until they end; a caller that leaves early leaves no task behind."""
    live = bars_of(console)
    with live or nullcontext():
        tasks = [asyncio.create_task(_watch(console, live, job, label)) for job, label in labels.items()]
        try:
            yield
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)  # none prints any more


async def _watch(console: Console, live: Progress | None, job: ImsJob, label: str) -> None:
    began = time.monotonic()
    line = live.add_task(printable(label), total=None, state="submitted") if live else TaskID(0)
    async for status in job.events():
        state = words_of_status(status)
        if live is None:
            console.tell(f"{label}: {state}, {time.monotonic() - began:.0f} s")
            continue
        known = (status.processed or 0) + (status.errors or 0)
        total = job.submitted or known
        if status.done:
            live.update(line, total=total or 1, completed=total or 1, state=state)
            live.stop_task(line)
        else:
            live.update(line, total=total if known else None, completed=known, state=state)


def words_of_status(status: JobStatus) -> str:
    """Say in a few words how a job stands."""
    says_more = status.raw_code.strip().lower() not in ("", status.state.value)
    code = f" ({printable(status.raw_code)})" if says_more else ""
    counts = "" if status.processed is None else f", {status.processed:,} processed"
    errors = f", {status.errors:,} refused" if status.errors else ""
    return f"{status.state}{code}{counts}{errors}"
