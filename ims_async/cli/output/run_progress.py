"""Many taxpayers watched at once: a bar for each under way and one for all; in a few lines elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Final, Protocol

import attrs
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from ...bulk import BulkEvent, EventKind, TaxpayerReport
from ...errors import PayloadTooLarge
from ...model.times import QUIET, in_minutes
from .console import Voice, reason_of
from .tables import counted

_LINES: Final = 40
"""What a terminal shows at once, and often less."""
_ROOM: Final = 8
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


def words_of(report: TaxpayerReport) -> str:
    """Say in a line what became of a taxpayer's decisions."""
    counts = (
        (report.succeeded, "applied"),
        (len(report.failed), "refused"),
        (len(report.unaccounted), "unaccounted for"),
        (len(report.changed), "changed by the supplier"),
        (len(report.not_sent), "not sent"),
        (report.pending_count, "pending"),
    )
    return ", ".join(f"{count:,} {what}" for count, what in counts if count) or "nothing to do"


def time_left(elapsed: float, known: float, total: float | None) -> str:
    """Say how long it may still take, as H:MM:SS; nothing where nobody can tell."""
    if not total or not known or known >= total:
        return ""
    return str(timedelta(seconds=round(elapsed * (total - known) / known)))


class _State(ProgressColumn):
    """How it stands; what a narrow terminal has no room for is cut off here."""

    def render(self, task: Task) -> Text:
        """Return it for one bar."""
        return Text(task.fields["state"], no_wrap=True, overflow="ellipsis")


class _Left(ProgressColumn):
    """How long it took so far, and what may be left."""

    max_refresh = 0.5

    def __init__(self) -> None:
        super().__init__(table_column=Column(no_wrap=True))

    def render(self, task: Task) -> Text:
        """Return it for one bar."""
        elapsed = task.finished_time if task.finished else task.elapsed
        took = timedelta(seconds=int(elapsed or 0))
        left = time_left(elapsed or 0.0, task.completed, task.total)
        return Text(f"{took}, {left} left" if left else f"{took}")


def _bars(voice: Voice) -> Progress:
    return Progress(
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, min_width=_GSTIN)),
        BarColumn(bar_width=_BAR, table_column=Column(no_wrap=True, min_width=_BAR)),
        _State(),
        _Left(),
        console=voice.error_console(),
    )


@contextmanager
def ticking(voice: Voice, what: str, total: int, noun: str = "taxpayer") -> Iterator[Tick]:
    """Count taxpayers, or what else there is, as they are done with: `tick()` for each."""
    done = 0
    if total == 0 or not voice.error_console().is_terminal:
        told_at = _now()

        def tick() -> None:
            nonlocal done, told_at
            done += 1
            if _now() - told_at >= _NOW_AND_THEN and done < total:
                told_at = _now()
                voice.tell(f"{what}: {done:,} of {counted(total, noun)}")

        yield tick
        return
    with _bars(voice) as live:
        line = live.add_task(what, total=total, state="")

        def advance() -> None:
            nonlocal done
            done += 1
            live.update(line, completed=done, state=f"{done:,} of {counted(total, noun)}")

        yield advance


class RunBoard(Protocol):
    """Where a run shows how far it is."""

    def hear(self, event: BulkEvent) -> None:
        """Show what an event changes."""
        ...


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
        """Say it where there is little room."""
        return f"{self.known:,} of {self.decisions:,}, {self.finished:,} of {self.taxpayers:,} GSTINs"

    def line(self) -> str:
        """Say it with the time."""
        elapsed = _now() - self.began
        left = time_left(elapsed, self.known, self.decisions)
        so_far = f"all: {self.words()}, {self.under_way:,} under way, {timedelta(seconds=int(elapsed))}"
        return f"{so_far}, about {left} left" if left else so_far


@attrs.define
class _Plain:
    """A few lines for each taxpayer, and one for all now and then."""

    voice: Voice
    whole: Whole
    told_at: float = attrs.field(factory=_now)
    looking: set[str] = attrs.field(factory=set)
    ends: dict[str, str] = attrs.field(factory=dict)

    def hear(self, event: BulkEvent) -> None:
        """Say what an event changes."""
        self.whole.hear(event)
        _tell_trouble(self.voice, event, self.looking)
        if event.kind is EventKind.FINISHED and event.outcome is not None:
            _tell_end(self.voice, event.outcome, self.ends)
        self.tell_all(_NOW_AND_THEN)

    def tell_all(self, not_before: float) -> None:
        """Say how far it all is, unless that was said so many seconds ago."""
        if _now() - self.told_at >= not_before and self.whole.under_way:
            self.told_at = _now()
            self.voice.tell(self.whole.line())


@attrs.define
class _Line:
    """One taxpayer under way."""

    total: int
    known: int = 0
    state: str = ""
    task: TaskID | None = None


@attrs.define
class _Live:
    """Bars: one for all, and one for each taxpayer under way, as many as there is room for."""

    voice: Voice
    whole: Whole
    live: Progress
    sizes: Mapping[str, int]
    room: int
    total: TaskID
    lines: dict[str, _Line] = attrs.field(factory=dict)
    looking: set[str] = attrs.field(factory=set)
    ends: dict[str, str] = attrs.field(factory=dict)

    def hear(self, event: BulkEvent) -> None:
        """Show what an event changes."""
        self.whole.hear(event)
        _tell_trouble(self.voice, event, self.looking)
        if event.kind is EventKind.FINISHED:
            self._finished(event)
        else:
            self._moved(event)
        self._show_some()
        hidden = sum(line.task is None for line in self.lines.values())
        more = f", {hidden:,} more under way" if hidden else ""
        self.live.update(
            self.total,
            total=self.whole.decisions or None,
            completed=self.whole.known,
            state=self.whole.short() + more,
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

    def _finished(self, event: BulkEvent) -> None:
        line = self.lines.pop(event.gstin, None)
        if line is not None and line.task is not None:
            self.live.remove_task(line.task)
        if event.outcome is not None and not event.outcome.ok:
            _tell_end(self.voice, event.outcome, self.ends)

    def _show_some(self) -> None:
        shown = sum(line.task is not None for line in self.lines.values())
        for gstin, line in self.lines.items():
            if shown >= self.room:
                return
            if line.task is None:
                line.task = self.live.add_task(gstin, total=line.total or None, state="")
                self._update(line)
                shown += 1


def _tell_end(voice: Voice, outcome: TaxpayerReport, told: dict[str, str]) -> None:
    """Say what became of a taxpayer's part; a part that ends again with no news is not told again."""
    words = words_of(outcome)
    if told.get(outcome.gstin) != words:
        told[outcome.gstin] = words
        voice.tell(f"{outcome.gstin}: {words}")


def _tell_trouble(voice: Voice, event: BulkEvent, looking: set[str]) -> None:
    """Say what a person may want to do something about, once for each taxpayer."""
    if event.kind is EventKind.SESSION_ENDED and event.error is not None:
        voice.tell(f"{event.gstin}: {reason_of(event.error, voice.gsp, event.gstin)}")
    elif event.kind is EventKind.CUT_SMALLER and isinstance(event.error, PayloadTooLarge):
        voice.tell(
            f"{event.gstin}: a request of {event.error.size:,} bytes was refused for its size; its records "
            "go in smaller ones."
        )
    elif event.kind is EventKind.LOOKING and event.gstin not in looking:
        looking.add(event.gstin)
        voice.tell(
            f"{event.gstin}: the answer to a change was lost; its records are read again until it is known "
            f"what became of it, which may take {in_minutes(QUIET)}."
        )


@asynccontextmanager
async def run_board(voice: Voice, sizes: Mapping[str, int]) -> AsyncIterator[RunBoard]:
    """Open a board for a run; `sizes` says how many decisions each GSTIN has."""
    whole = Whole(sum(sizes.values()), len(sizes))
    console = voice.error_console()
    if not console.is_terminal:
        board = _Plain(voice, whole)
        telling = asyncio.create_task(_now_and_then(board))
        try:
            yield board
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
        return
    with _bars(voice) as live:
        total = live.add_task("all", total=whole.decisions or None, state=whole.short())
        yield _Live(voice, whole, live, sizes, max(min(console.height, _LINES) - _ROOM, 1), total)


async def _now_and_then(board: _Plain) -> None:
    """Say how far it is also while nothing happens."""
    while True:
        await asyncio.sleep(_AT_LEAST)
        board.tell_all(_AT_LEAST)
