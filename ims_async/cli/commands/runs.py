"""A run carried out: watched to its end, or broken off with the command that goes on with it."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import attrs

from ...bulk import BulkEvent, BulkReport, BulkRun, EventKind
from ...client import ImsClient, services_of
from ...errors import JournalError
from ...jobs.job import ImsJob
from ...journal import Change, Query, SqliteJournal
from ...model.tokens import JobToken
from ..inputs.settings import Settings, journal
from ..output.console import Console, Unfinished
from ..output.progress import run_board, words_of_status
from ..output.tables import counted


@attrs.define(kw_only=True)
class Carrier:
    """Carries a run out. `batches` is what the journal knows of it in the end.

    Of one taxpayer each job is named as it is sent; `ended` keeps those that have ended, by their reference.
    """

    console: Console
    settings: Settings
    journal: Path | None
    first_poll: float
    batches: Sequence[Change] = ()
    only: Sequence[str] | None = None
    """The batches that it is about, where it goes on with what any run has left."""
    hear: Callable[[BulkEvent], None] = lambda event: None
    """Hears each event beside the board."""
    ended: dict[str | None, ImsJob] = attrs.field(factory=dict)

    def carry_out(self, begin: Callable[[ImsClient], BulkRun], sizes: Mapping[str, int]) -> BulkReport:
        """Begin it, and watch it to its end; `sizes` says how many decisions each GSTIN has."""
        return self.console.wait_for(self._carry_out(begin, sizes))

    async def _carry_out(self, begin: Callable[[ImsClient], BulkRun], sizes: Mapping[str, int]) -> BulkReport:
        kept = journal(self.journal)
        client = self.settings.client(first_poll=self.first_poll, journal=kept)
        run = begin(client)
        name = run.run if self.only is None else ""
        command = the_same_again(name)
        self.console.unfinished = Unfinished(run=name, command=command)
        if name:
            self.console.tell(f"This is run {name}. If it breaks off, go on with:")
            self.console.tell(f"  {command}")
        try:
            async with client:
                self.settings.hand_in_token(client)
                async with (
                    run_board(self.console, sizes) as board,
                    contextlib.aclosing(run.__aiter__()) as events,
                ):
                    async for event in events:
                        board.hear(event)
                        self.hear(event)
                        if len(sizes) == 1 and event.job is not None:
                            self._hear_of_job(event.kind, event.job)
        except JournalError as error:
            if self.only is None:
                raise
            self.console.tell(f"Some of the journal cannot be read: {error}")  # all the rest is done
        finally:  # after the client has closed: a change that was being sent has its answer by then
            with contextlib.suppress(JournalError):
                self.batches = await self._batches(client, kept, run.run)
            await kept.aclose()
            report = attrs.evolve(run.report, run=name)
            self.console.unfinished = self._how_far(report, command, sum(sizes.values()))
        if not any(entry.open for entry in self.batches):
            self.console.unfinished = None
        return report

    async def _batches(self, client: ImsClient, kept: SqliteJournal, run: str) -> Sequence[Change]:
        if self.only is None:
            return await services_of(client).find(run=run)
        return await kept.find(Query(ids=self.only))

    def _hear_of_job(self, kind: EventKind, job: ImsJob) -> None:
        name = job.reference_id
        if kind is EventKind.SUBMITTED and name is not None:
            self.console.tell(f"Submitted as job {name}. If this terminal is lost, go on with:")
            self.console.tell(f"  {self.console.commands.show(job.token)}")
        elif kind is EventKind.ENDED:
            self.console.tell(
                f"{job.kind.value.lower()} {name or 'without a reference'}: {words_of_status(job.status)}"
            )
            self.ended[name] = job

    def _how_far(self, report: BulkReport, command: str, total: int) -> Unfinished:
        known, total = report.handed_in - report.pending_count, max(total, report.handed_in)
        left = [entry.token for entry in self.batches if entry.open]
        running = [token for token in left if token.reference_id]
        said = f"It is known what became of {known:,} of {counted(total, 'decision')}."
        if running:
            records = counted(_records_of(running), "record")
            go = "runs" if len(running) == 1 else "run"
            said += f" {counted(len(running), 'job').capitalize()} with {records} {go} on at the gateway."
        if unknown := len(left) - len(running):
            said += f" Of {counted(unknown, 'job')} it is not known whether the gateway took it."
        if known + _records_of(left) < total:
            said += " The rest was not sent."
        return Unfinished(run=report.run, command=command, how_far=said, jobs=left)


def _records_of(tokens: Iterable[JobToken]) -> int:
    return sum(token.submitted or 0 for token in tokens)


def the_same_again(run: str = "", *, report: Path | None = None) -> str:
    """Return the command that this process was called by, naming its run, as a shell takes it.

    A `report` that was written by now is replaced by it.
    """
    command, *rest = sys.argv[1:] or [""]
    named = any(word == "--run" or word.startswith("--run=") for word in rest)
    if run and not named and command != "jobs":
        rest = ["--run", run, *rest]
    options = [word.partition("=")[0] for word in rest]
    if report is not None and "--report" in options and "--overwrite" not in rest:
        rest.insert(options.index("--report"), "--overwrite")
    return shlex.join(["ims-async", command, *rest])
