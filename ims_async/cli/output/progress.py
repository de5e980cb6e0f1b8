"""Progress on stderr, of jobs and of many taxpayers: bars at a terminal, a few lines elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext
from datetime import timedelta
from typing import Final

import attrs
from rich import progress as bars
from rich.progress import Progress, TaskID
from rich.table import Column

from ... import bulk, tables
from ...bulk import BulkEvent, EventKind, TaxpayerReport
from ...bulk.report import counts_in_words
from ...errors import ImsError, InvalidInput, PayloadTooLarge
from ...jobs.job import ImsJob
from ...model.status import JobStatus
from ...model.times import QUIET, in_minutes
from ...model.vocabulary import Section
from .console import Console, printable
from .grouping import Grouped, kind_of
from .tables import counted

_MAX_LINES: Final = 40
"""Lines that a terminal shows at once, and often fewer."""
_OTHER_LINES: Final = 8
"""Lines that are left for what else is said."""
_MIN_INTERVAL: Final = 10.0
_MAX_INTERVAL: Final = 60.0
"""Seconds between lines that say how far it all is: not sooner, not later."""
_NOTHING_YET: Final = bulk.Progress(taxpayers=0, finished=0, handed_in=0, known=0)

Tick = Callable[[], None]


def _now() -> float:
    """Return the event loop's time in seconds."""
    return asyncio.get_running_loop().time()


def time_left(elapsed: float, known: float, total: float | None) -> str:
    """Say how long it may still take, as H:MM:SS; nothing where nobody can tell."""
    if not total or not known or known >= total:
        return ""
    return str(timedelta(seconds=round(elapsed * (total - known) / known)))


def _bars(console: Console) -> Progress | None:
    """Return bars, or None where stderr is no terminal."""
    screen = console.error_screen()
    if not screen.is_terminal:
        return None
    return Progress(
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
    done, said_at = 0, _now()
    live = _bars(console) if total else None
    with live or nullcontext():
        line = live.add_task(what, total=total, state="") if live else TaskID(0)

        def tick() -> None:
            nonlocal done, said_at
            done += 1
            state = f"{done:,} of {counted(total, 'taxpayer')}"
            if live:
                live.update(line, completed=done, state=state)
            elif _now() - said_at >= _MIN_INTERVAL and done < total:
                said_at = _now()
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
    live = _bars(console)
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
    code = f" ({printable(status.raw_code)})" if status.raw_code else ""
    counts = "" if status.processed is None else f", {status.processed:,} processed"
    errors = f", {status.errors:,} refused" if status.errors else ""
    return f"{status.state}{code}{counts}{errors}"


# -- a run ---------------------------------------------------------------------------------------------


@attrs.define
class _Line:
    """The bar of a taxpayer under way."""

    task: TaskID
    total: int
    known: int = 0
    state: str = "begun"


@attrs.define
class RunBoard:
    """Where a run shows how far it is: bars at a terminal, elsewhere a few lines for each taxpayer.

    There is a bar for all, and one for each taxpayer under way, as many as there is space for.
    """

    console: Console
    sizes: Mapping[str, int]
    live: Progress | None = None
    lines: dict[str, _Line] = attrs.field(factory=dict)
    now: bulk.Progress = _NOTHING_YET
    began: float = attrs.field(factory=_now)
    said_at: float = attrs.field(factory=_now)
    looking: set[str] = attrs.field(factory=set)
    ends: dict[str, str] = attrs.field(factory=dict)
    decisions: int = 0
    total: TaskID = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.decisions = sum(self.sizes.values())
        self.total = self.live.add_task("all", total=None, state=self._so_far()) if self.live else TaskID(0)

    def hear(self, event: BulkEvent) -> None:
        """Show what an event changes."""
        self.now = event.progress
        # A run that is gone on with may know of more than the files do.
        self.decisions = max(self.decisions, self.now.handed_in)
        self._say_trouble(event)
        if event.outcome is not None and (self.live is None or not event.outcome.ok):
            self._say_end(event.outcome)
        if self.live is None:
            self.say_all(_MIN_INTERVAL)
        else:
            self._draw(self.live, event)

    def say_all(self, not_before: float) -> None:
        """Say how far it all is, unless that was said so many seconds ago."""
        now, elapsed, under_way = self.now, _now() - self.began, self.now.taxpayers - self.now.finished
        if _now() - self.said_at < not_before or not under_way:
            return
        self.said_at = _now()
        known = f"{now.known:,} of {counted(self.decisions, 'decision')}"
        ended = f"{now.finished:,} of {counted(self._taxpayers, 'taxpayer')}, {under_way:,} under way"
        left = time_left(elapsed, now.known, self.decisions)
        about = f", about {left} left" if left else ""
        self.console.tell(f"all: {known}, {ended}, {timedelta(seconds=int(elapsed))}{about}")

    @property
    def _taxpayers(self) -> int:
        return max(len(self.sizes), self.now.taxpayers)

    def _so_far(self) -> str:
        """Say how far it all is where there is little space."""
        known, finished = self.now.known, self.now.finished
        return f"{known:,} of {self.decisions:,}, {finished:,} of {self._taxpayers:,} GSTINs"

    def _draw(self, live: Progress, event: BulkEvent) -> None:
        if event.kind is not EventKind.FINISHED:
            self._move(live, event)
        elif line := self.lines.pop(event.gstin, None):
            live.remove_task(line.task)
        hidden = [task for task in live.tasks if not task.visible]
        space = max(min(live.console.height, _MAX_LINES) - _OTHER_LINES, 1)
        free = max(space - (len(self.lines) - len(hidden)), 0)
        for task in hidden[:free]:
            live.update(task.id, visible=True)
        more = f", {len(hidden) - free:,} more under way" if len(hidden) > free else ""
        total, state = self.decisions or None, self._so_far() + more
        live.update(self.total, total=total, completed=self.now.known, state=state)

    def _move(self, live: Progress, event: BulkEvent) -> None:
        line = self.lines.get(event.gstin)
        if line is None:
            size = self.sizes.get(event.gstin, 0)
            task = live.add_task(event.gstin, total=size or None, visible=False, state="")
            line = self.lines[event.gstin] = _Line(task, size)
        if event.kind is EventKind.SUBMITTED and event.job is not None:
            line.state = f"{counted(event.job.submitted or 0, 'record')} sent"
        elif event.kind is EventKind.ENDED and event.report is not None:
            line.known += event.report.submitted or 0
            line.state = str(event.report.state)
        elif event.kind is EventKind.LOOKING:
            line.state = "looking what became of a lost answer"
        known = min(line.known, line.total)
        live.update(line.task, completed=known, state=f"{known:,} of {line.total:,}, {line.state}")

    def _say_end(self, outcome: TaxpayerReport) -> None:
        """Say what became of a taxpayer's part; a part that ends again with no news is not said again."""
        words = counts_in_words(outcome.counts) or "nothing to do"
        if self.ends.get(outcome.gstin) != words:
            self.ends[outcome.gstin] = words
            self.console.tell(f"{outcome.gstin}: {words}")

    def _say_trouble(self, event: BulkEvent) -> None:
        """Say what a person may want to do something about, once for each taxpayer."""
        gstin, error = event.gstin, event.error
        if event.kind is EventKind.SESSION_ENDED and error is not None:
            self.console.tell(f"{gstin}: {self.console.reason(gstin, error)}")
        elif event.kind is EventKind.CUT_SMALLER and isinstance(error, PayloadTooLarge):
            what = f"a request of {error.size:,} bytes was refused for its size"
            self.console.tell(f"{gstin}: {what}; its records go in smaller ones.")
        elif event.kind is EventKind.LOOKING and gstin not in self.looking:
            self.looking.add(gstin)
            self.console.tell(
                f"{gstin}: the answer to a change was lost; its records are read again until it is known "
                f"what became of it, which may take {in_minutes(QUIET)}."
            )


@asynccontextmanager
async def run_board(console: Console, sizes: Mapping[str, int]) -> AsyncIterator[RunBoard]:
    """Open a board for a run; `sizes` says how many decisions each GSTIN has."""
    live = _bars(console)
    with live or nullcontext():
        board = RunBoard(console, sizes, live)
        speaking = asyncio.create_task(_say_regularly(board))
        try:
            yield board
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)


async def _say_regularly(board: RunBoard) -> None:
    """Say how far it is also while nothing happens, where no bars do."""
    while board.live is None:
        await asyncio.sleep(_MAX_INTERVAL)
        board.say_all(_MAX_INTERVAL)
