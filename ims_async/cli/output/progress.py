"""Jobs watched while they run: live lines at a terminal, plain ones elsewhere; always on stderr."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

import attrs
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from ...jobs.job import ImsJob
from ...model.status import JobStatus
from .console import Console, printable


@attrs.define
class Board:
    """Where jobs show how they stand. `live` is None where stderr is no terminal."""

    console: Console
    live: Progress | None

    async def follow(self, job: ImsJob, label: str) -> None:
        """Show each change of a job until its end."""
        began = time.monotonic()
        line = (
            None if self.live is None else self.live.add_task(printable(label), total=None, state="submitted")
        )
        async for status in job.events():
            if self.live is None or line is None:
                self.console.tell(f"{label}: {words_of_status(status)}, {time.monotonic() - began:.0f} s")
            else:
                _update(self.live, line, job, status)

    @asynccontextmanager
    async def following(self, labels: Mapping[ImsJob, str]) -> AsyncIterator[None]:
        """Show each change of several jobs until they end; who leaves early leaves no task behind."""
        following = [asyncio.create_task(self.follow(job, label)) for job, label in labels.items()]
        try:
            yield
            await asyncio.gather(*following)
        finally:
            for one in following:
                one.cancel()
            await asyncio.gather(*following, return_exceptions=True)  # none prints any more


def _update(live: Progress, line: TaskID, job: ImsJob, status: JobStatus) -> None:
    known = (status.processed or 0) + (status.errors or 0)
    total = job.submitted or known
    if status.done:
        live.update(line, total=total or 1, completed=total or 1, state=words_of_status(status))
        live.stop_task(line)
    else:
        live.update(line, total=total if known else None, completed=known, state=words_of_status(status))


def words_of_status(status: JobStatus) -> str:
    """Say in a few words how a job stands."""
    code = f" ({printable(status.raw_code)})" if status.raw_code else ""
    counts = "" if status.processed is None else f", {status.processed:,} processed"
    errors = f", {status.errors:,} refused" if status.errors else ""
    return f"{status.state}{code}{counts}{errors}"


@contextmanager
def board(console: Console) -> Iterator[Board]:
    """Open a board for as long as jobs are watched."""
    screen = console.error_screen()
    if not screen.is_terminal:
        yield Board(console, None)
        return
    columns = (
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=16),
        TimeElapsedColumn(),
        TextColumn("{task.fields[state]}", markup=False),
    )
    with Progress(*columns, console=screen) as live:
        yield Board(console, live)
