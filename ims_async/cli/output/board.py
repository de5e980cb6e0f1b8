"""Where a run shows how far it is, on stderr: bars at a terminal, a few lines elsewhere; and outages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta
from typing import Final

import attrs
from rich.progress import Progress, TaskID

from ... import bulk
from ...bulk import BulkEvent, EventKind, TaxpayerReport
from ...bulk.report import counts_in_words
from ...errors import GatewayUnavailable, NotSent, PayloadTooLarge
from ...gsp.base import Gsp, Request, Response, VerdictKind
from ...model.times import QUIET, in_minutes
from ...net.aiohttp import AiohttpTransport
from .console import Console
from .progress import MIN_INTERVAL, bars_of, now
from .statements import in_words
from .tables import counted

_MAX_LINES: Final = 40
"""Lines that a terminal shows at once, and often fewer."""
_OTHER_LINES: Final = 8
"""Lines that are left for what else is said."""
_MAX_INTERVAL: Final = 60.0
"""Seconds after which it is said again how far it all is."""
_OUTAGE: Final = 10.0
"""Seconds without an answer after which that is said."""
_NOTHING_YET: Final = bulk.Progress(taxpayers=0, finished=0, handed_in=0, known=0)


class Answers(AiohttpTransport):
    """A transport that notes since when no request was answered, in seconds of the event loop's clock."""

    def __init__(self, gsp: Gsp, *, trust_env: bool = False) -> None:
        super().__init__(trust_env=trust_env)
        self._gsp = gsp
        self.silent_since: float | None = None

    async def send(self, request: Request) -> Response:
        """Send one request."""
        try:
            response = await super().send(request)
        except (NotSent, GatewayUnavailable):
            self._note(answered=False)
            raise
        # A refusal may come with HTTP 502: it is an answer.
        down = response.status >= 500 and self._gsp.judge(request, response).kind is VerdictKind.UNAVAILABLE
        self._note(answered=not down)
        return response

    def _note(self, *, answered: bool) -> None:
        if answered:
            self.silent_since = None
        elif self.silent_since is None:
            self.silent_since = now()


def time_left(elapsed: float, known: float, total: float | None) -> str:
    """Say how long it may still take, as H:MM:SS; nothing where nobody can tell."""
    if not total or not known or known >= total:
        return ""
    return str(timedelta(seconds=round(elapsed * (total - known) / known)))


@attrs.define
class _Line:
    """The bar of a taxpayer under way."""

    task: TaskID
    total: int
    known: int = 0
    state: str = "begun"


@attrs.define
class RunBoard:
    """A bar for all, and one for each taxpayer under way, as many as there is space for.

    `sizes` says how many decisions each GSTIN has.
    """

    console: Console
    sizes: Mapping[str, int]
    answers: Answers | None
    max_outage: float
    live: Progress | None
    lines: dict[str, _Line] = attrs.field(factory=dict)
    so_far: bulk.Progress = _NOTHING_YET
    began: float = attrs.field(factory=now)
    said_at: float = attrs.field(factory=now)
    told: set[tuple[str, EventKind]] = attrs.field(factory=set)
    ends: dict[str, str] = attrs.field(factory=dict)
    decisions: int = 0
    outage: bool = False
    total: TaskID = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.decisions = sum(self.sizes.values())
        self.total = self.live.add_task("all", total=None, state="") if self.live else TaskID(0)

    def hear(self, event: BulkEvent) -> None:
        """Show what an event changes."""
        self.so_far = event.progress
        # A run that is gone on with may know of more than the files do.
        self.decisions = max(self.decisions, self.so_far.handed_in)
        self._say_trouble(event)
        if event.outcome is not None and (self.live is None or not event.outcome.ok):
            self._say_end(event.outcome, event.error)
        if self.live is None:
            self.say_all(MIN_INTERVAL)
        else:
            self._draw(self.live, event)

    def say_all(self, not_before: float) -> None:
        """Say how far it all is, unless that was said so many seconds ago."""
        so_far, elapsed = self.so_far, now() - self.began
        under_way = so_far.taxpayers - so_far.finished
        if now() - self.said_at < not_before or not under_way:
            return
        self.said_at = now()
        known = f"{so_far.known:,} of {counted(self.decisions, 'decision')}, " if self.decisions else ""
        ended = f"{so_far.finished:,} of {counted(self._taxpayers, 'taxpayer')}, {under_way:,} under way"
        left = time_left(elapsed, *self._how_far)
        about = f", about {left} left" if left else ""
        self.console.tell(f"all: {known}{ended}, {timedelta(seconds=int(elapsed))}{about}")

    @property
    def _taxpayers(self) -> int:
        return max(len(self.sizes), self.so_far.taxpayers)

    @property
    def _how_far(self) -> tuple[int, int]:
        """How many decisions are known, of how many; of a run without any, how many taxpayers are done."""
        return (
            (self.so_far.known, self.decisions) if self.decisions else (self.so_far.finished, self._taxpayers)
        )

    def _in_short(self) -> str:
        gstins = f"{self.so_far.finished:,} of {self._taxpayers:,} GSTINs"
        return f"{self.so_far.known:,} of {self.decisions:,}, {gstins}" if self.decisions else gstins

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
        known, total = self._how_far
        live.update(self.total, total=total or None, completed=known, state=self._in_short() + more)

    def _move(self, live: Progress, event: BulkEvent) -> None:
        line = self.lines.get(event.gstin)
        if line is None:
            size = self.sizes.get(event.gstin, 0)
            task = live.add_task(event.gstin, total=size or None, visible=False, state="")
            line = self.lines[event.gstin] = _Line(task, size)
        if event.kind is EventKind.SUBMITTED and event.job is not None:
            repeatable = event.job.kind.repeatable
            line.state = (
                f"{event.job.kind.word} asked for"
                if repeatable
                else f"{counted(event.job.submitted or 0, 'record')} sent"
            )
        elif event.kind is EventKind.ENDED and event.report is not None:
            line.known += event.report.submitted or 0
            line.state = str(event.report.state)
        elif event.kind is EventKind.LOOKING:
            line.state = "looking what became of a lost answer"
        known = min(line.known, line.total)
        of_all = f"{known:,} of {line.total:,}, " if line.total else ""
        live.update(line.task, completed=known, state=f"{of_all}{line.state}")

    def _say_end(self, outcome: TaxpayerReport, error: Exception | None) -> None:
        """Say what became of a taxpayer's part; a part that ends again with no news is not said again."""
        said = [counts_in_words(outcome.counts), in_words(self.console, outcome)]
        if error is not None and (outcome.gstin, EventKind.SESSION_ENDED) not in self.told:
            said.append(self.console.reason(outcome.gstin, error))
        words = "; ".join(filter(None, said)) or ("" if error is not None else "nothing to do")
        if not words:  # its session has ended, which is said already
            return
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
        elif event.kind is EventKind.LOOKING and (gstin, event.kind) not in self.told:
            self.console.tell(
                f"{gstin}: the answer to a change was lost; its records are read again until it is known "
                f"what became of it, which may take {in_minutes(QUIET)}."
            )
        self.told.add((gstin, event.kind))

    async def say_regularly(self) -> None:
        """Say that the gateway does not answer, and where no bars do how far it is while nothing happens."""
        while True:
            await asyncio.sleep(_OUTAGE)
            self._look_for_outage()
            if self.live is None:
                self.say_all(_MAX_INTERVAL)

    def _look_for_outage(self) -> None:
        since = self.answers.silent_since if self.answers else None
        outage = since is not None and now() - since >= _OUTAGE
        if outage and not self.outage:
            limit = f"for {self.max_outage:,.0f} seconds at most (--max-outage)"
            self.console.tell(f"The gateway does not answer: it is asked again, {limit}.")
        elif self.outage and since is None:
            self.console.tell("The gateway answers again.")
        self.outage = outage


@asynccontextmanager
async def run_board(
    console: Console,
    sizes: Mapping[str, int],
    answers: Answers | None = None,
    max_outage: float = bulk.MAX_OUTAGE,
) -> AsyncIterator[RunBoard]:
    """Open a board for a run."""
    live = bars_of(console)
    with live or nullcontext():
        board = RunBoard(console, sizes, answers, max_outage, live)
        speaking = asyncio.create_task(board.say_regularly())
        try:
            yield board
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
