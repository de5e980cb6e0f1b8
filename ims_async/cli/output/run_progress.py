"""Many taxpayers watched at once: a bar for each under way and one for all; in a few lines elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Final

import attrs
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from ...bulk import BulkEvent, EventKind, TaxpayerReport
from ...bulk.report import counts_in_words
from ...errors import PayloadTooLarge
from ...model.times import QUIET, in_minutes
from .console import Console
from .tables import counted

_LINES: Final = 40
"""What a terminal shows at once, and often less."""
_ELSE: Final = 8
"""Lines that are left for what else is said."""
_NOW_AND_THEN: Final = 10.0
_AT_LEAST: Final = 60.0
"""Seconds between lines that say how far it all is: not sooner, not later."""

_GSTIN: Final = 15  # characters
_BAR: Final = 10

Tick = Callable[[], None]


def _now() -> float:
    """Return the event loop's time in seconds."""
    return asyncio.get_running_loop().time()


def time_left(elapsed: float, known: float, total: float | None) -> str:
    """Say how long it may still take, as H:MM:SS; nothing where nobody can tell."""
    if not total or not known or known >= total:
        return ""
    return str(timedelta(seconds=round(elapsed * (total - known) / known)))


def _bars(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, min_width=_GSTIN)),
        BarColumn(bar_width=_BAR, table_column=Column(no_wrap=True, min_width=_BAR)),
        # What a narrow terminal has no space for is cut off here.
        TextColumn(
            "{task.fields[state]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")
        ),
        TimeElapsedColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        console=console.error_screen(),
    )


@contextmanager
def ticking(console: Console, what: str, total: int, noun: str = "taxpayer") -> Iterator[Tick]:
    """Count taxpayers, or what else there is, as they are done with: `tick()` for each."""
    done = 0
    if total == 0 or not console.error_screen().is_terminal:
        said_at = _now()

        def tick() -> None:
            nonlocal done, said_at
            done += 1
            if _now() - said_at >= _NOW_AND_THEN and done < total:
                said_at = _now()
                console.tell(f"{what}: {done:,} of {counted(total, noun)}")

        yield tick
        return
    with _bars(console) as live:
        line = live.add_task(what, total=total, state="")

        def advance() -> None:
            nonlocal done
            done += 1
            live.update(line, completed=done, state=f"{done:,} of {counted(total, noun)}")

        yield advance


@attrs.define
class Whole:
    """How far a run is as a whole."""

    decisions: int
    taxpayers: int
    known: int = 0
    finished: int = 0
    under_way: int = 0
    began: float = attrs.field(factory=_now)

    def hear(self, event: BulkEvent) -> None:
        """Count what an event changes."""
        self.known, self.finished = event.progress.known, event.progress.finished
        self.under_way = event.progress.taxpayers - event.progress.finished
        # A run that is gone on with may know of more than the files do.
        self.decisions = max(self.decisions, event.progress.handed_in)
        self.taxpayers = max(self.taxpayers, event.progress.taxpayers)

    def words(self) -> str:
        """Say it in a line."""
        taxpayers = f"{self.finished:,} of {counted(self.taxpayers, 'taxpayer')}"
        return f"{self.known:,} of {counted(self.decisions, 'decision')}, {taxpayers}"

    def short(self) -> str:
        """Say it where there is little space."""
        return f"{self.known:,} of {self.decisions:,}, {self.finished:,} of {self.taxpayers:,} GSTINs"

    def line(self) -> str:
        """Say it with the time."""
        elapsed = _now() - self.began
        left = time_left(elapsed, self.known, self.decisions)
        so_far = f"all: {self.words()}, {self.under_way:,} under way, {timedelta(seconds=int(elapsed))}"
        return f"{so_far}, about {left} left" if left else so_far


@attrs.define
class _Line:
    """One taxpayer under way."""

    total: int
    known: int = 0
    state: str = ""
    task: TaskID | None = None


@attrs.define
class _Bars:
    """Bars: one for all, and one for each taxpayer under way, as many as there is space for."""

    live: Progress
    sizes: Mapping[str, int]
    most: int
    total: TaskID
    lines: dict[str, _Line] = attrs.field(factory=dict)

    def draw(self, event: BulkEvent, whole: Whole) -> None:
        """Draw what an event changes."""
        if event.kind is EventKind.FINISHED:
            line = self.lines.pop(event.gstin, None)
            if line is not None and line.task is not None:
                self.live.remove_task(line.task)
        else:
            self._moved(event)
        self._show_some()
        hidden = sum(line.task is None for line in self.lines.values())
        more = f", {hidden:,} more under way" if hidden else ""
        self.live.update(
            self.total,
            total=whole.decisions or None,
            completed=whole.known,
            state=whole.short() + more,
        )

    def _moved(self, event: BulkEvent) -> None:
        line = self.lines.setdefault(event.gstin, _Line(total=self.sizes.get(event.gstin, 0)))
        if event.kind is EventKind.SUBMITTED and event.job is not None:
            line.state = f"{counted(event.job.submitted or 0, 'record')} sent"
        elif event.kind is EventKind.ENDED and event.report is not None:
            line.known += event.report.submitted or 0
            line.state = str(event.report.state)
        elif event.kind is EventKind.LOOKING:
            line.state = "looking what became of a lost answer"
        self._update(line)

    def _update(self, line: _Line) -> None:
        if line.task is not None:
            known = min(line.known, line.total)
            words = f"{known:,} of {line.total:,}, {line.state or 'begun'}"
            self.live.update(line.task, completed=known, state=words)

    def _show_some(self) -> None:
        shown = sum(line.task is not None for line in self.lines.values())
        for gstin, line in self.lines.items():
            if shown >= self.most:
                return
            if line.task is None:
                line.task = self.live.add_task(gstin, total=line.total or None, state="")
                self._update(line)
                shown += 1


@attrs.define
class RunBoard:
    """Where a run shows how far it is: bars at a terminal, elsewhere a few lines for each taxpayer."""

    console: Console
    whole: Whole
    bars: _Bars | None = None
    said_at: float = attrs.field(factory=_now)
    looking: set[str] = attrs.field(factory=set)
    ends: dict[str, str] = attrs.field(factory=dict)

    def hear(self, event: BulkEvent) -> None:
        """Show what an event changes."""
        self.whole.hear(event)
        self._say_trouble(event)
        if event.outcome is not None and (self.bars is None or not event.outcome.ok):
            self._say_end(event.outcome)
        if self.bars is None:
            self.say_all(_NOW_AND_THEN)
        else:
            self.bars.draw(event, self.whole)

    def say_all(self, not_before: float) -> None:
        """Say how far it all is, unless that was said so many seconds ago."""
        if _now() - self.said_at >= not_before and self.whole.under_way:
            self.said_at = _now()
            self.console.tell(self.whole.line())

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
    board = RunBoard(console, Whole(sum(sizes.values()), len(sizes)))
    screen = console.error_screen()
    if not screen.is_terminal:
        saying = asyncio.create_task(_now_and_then(board))
        try:
            yield board
        finally:
            saying.cancel()
            await asyncio.gather(saying, return_exceptions=True)
        return
    with _bars(console) as live:
        total = live.add_task("all", total=board.whole.decisions or None, state=board.whole.short())
        board.bars = _Bars(live, sizes, max(min(screen.height, _LINES) - _ELSE, 1), total)
        yield board


async def _now_and_then(board: RunBoard) -> None:
    """Say how far it is also while nothing happens."""
    while True:
        await asyncio.sleep(_AT_LEAST)
        board.say_all(_AT_LEAST)
