"""What happens to a job of a run after it was sent: waited for, looked after, sent again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final, Literal, Protocol

import attrs

from ..client import ImsClient, services_of
from ..errors import JobFailed, JobTimeout, JournalError, OutcomeUnknown, PayloadTooLarge
from ..jobs.context import Services
from ..jobs.job import ImsJob
from ..jobs.reconcile import Reconciliation
from ..jobs.sending import Batch
from ..journal import Journal
from ..model.moves import ChangeState
from ..model.records import Record
from ..model.report import JobReport
from ..model.status import JobKind
from ..model.times import FIRST_LOOK, LOOK_MARGIN, SENDER_IS_DEAD
from ..taxpayer import Taxpayer, state_of
from .concurrency import Slot
from .event import EventKind
from .outage import OutageGate
from .stop import Stop
from .tally import Tally, without_frames

_MOST_AGAINS: Final = 3  # of what was lost each time

Kept = Journal | Literal[False] | None
"""A journal, False for none, None for the client's own or the default one."""


class Tell(Protocol):
    """Tells those who listen what has happened to a taxpayer."""

    async def __call__(
        self,
        kind: EventKind,
        *,
        job: ImsJob | None = None,
        report: JobReport | None = None,
        error: Exception | None = None,
    ) -> None:
        """Tell it."""
        ...


@attrs.define
class Sizes:
    """How big a request may be, in bytes: `limit` of one record, and `aim` of several.

    That is less than the limit once what was refused for its size was accepted cut to that.
    """

    limit: int
    aim: int = attrs.field(default=attrs.Factory(lambda self: self.limit, takes_self=True))


@attrs.define(kw_only=True)
class RunContext:
    """What all parts of a run share. `quiet` is in seconds."""

    client: ImsClient
    run: str
    journal: Kept
    sizes: Sizes
    max_records: int | None
    quiet: float
    gate: OutageGate
    stop: Stop
    seen: dict[str, set[str]] = attrs.field(factory=dict)
    """By GSTIN, the batches of this run that are counted already."""
    covered: dict[str, set[int]] = attrs.field(factory=dict)
    """By GSTIN, the decisions in those of other processes; as hashes, since there may be very many."""
    bench: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    """Held while checking and cutting: all parts at once would make one turn of the event loop a second."""

    @property
    def services(self) -> Services:
        """What the client's taxpayers share."""
        return services_of(self.client)

    async def rest(self, seconds: float) -> None:
        """Sleep for so many seconds, but not past the end of the run or the client."""
        await self.stop.rest(self.services, seconds)


class JobFollower:
    """Sees the jobs of one taxpayer through, and counts what became of their records."""

    def __init__(self, context: RunContext, taxpayer: Taxpayer, tally: Tally, slot: Slot, tell: Tell) -> None:
        self.context, self.taxpayer, self.tally, self.tell = context, taxpayer, tally, tell
        self.state, self.slot = state_of(taxpayer), slot
        self.batch: Batch | None = None
        """What is being handed in at this moment."""
        self.again: tuple[JobKind, Sequence[Record]] = JobKind.SAVE, ()
        """What of it was handed in before."""
        self.found_all = True
        """False once a section could not be read to its last row."""

    async def sent(self, job: ImsJob, *, fresh: bool = False) -> None:
        """Note a job of our own; `fresh` is one of decisions that were never sent before."""
        self.tally.sent(job, fresh=fresh)
        if job.batch is not None:
            self.context.seen.setdefault(job.gstin, set()).add(job.batch)
        await self.tell(EventKind.SUBMITTED, job=job)

    async def follow(self, job: ImsJob, *, tries: int = _MOST_AGAINS) -> None:
        """Wait for the end of a job, and send again what of it turns out to have had no effect."""
        if await self.see_end_of(job):
            await self.try_again(job, tries=tries)

    async def see_end_of(self, job: ImsJob) -> bool:
        """Wait for the end of a job, and count what became of its records; False if a person let it go."""
        report = job.report if not job.open else None
        if report is None:
            report = await self._awaited(job)
        if report is None:  # a person has let it go
            self.tally.let_go(job)
            return False
        self.tally.ended(job, report)
        await self.tell(EventKind.ENDED, job=job, report=report)
        return True

    async def _awaited(self, job: ImsJob) -> JobReport | None:
        while job.open:
            if not job.pollable:
                await self.settle(job)
                continue
            try:
                async with self.context.stop.ending_waits():
                    report = await job._result_in_outage(self.context.gate.max_outage)
            except JobFailed as error:
                if not job.open:
                    return error.report
            except OutcomeUnknown:
                continue  # it cannot be asked any more
            except JobTimeout:
                if job._poller.unanswered:
                    self.context.gate.failed(self.taxpayer)
                raise
            else:
                self.context.gate.answered(self.taxpayer)
                return report
        return job.report

    async def try_again(self, job: ImsJob, *, tries: int = _MOST_AGAINS) -> None:
        """Send again, where it still stands as it stood, what is known to have had no effect."""
        records = self.tally.without_effect(job)
        if not records:
            return
        if not tries:
            self.tally.sent_again(job.kind, records)
            lost = f"{_MOST_AGAINS + 1} changes of {job.gstin} were lost one after another"
            self.tally.stopped(OutcomeUnknown(f"{lost}: try later", job=job), records)
            return
        if job.status.in_the_way:  # another program's job was in the way
            await self.context.rest(FIRST_LOOK)
        await self._try_again(job.kind, records, tries=tries - 1)

    async def _try_again(self, kind: JobKind, records: Sequence[Record], *, tries: int) -> None:
        try:
            again = await self.send_again(kind, records)
        except PayloadTooLarge as error:
            whole = await self.refused(error, records)
            half = len(records) // 2
            for some in (records[:half], records[half:]):
                await self._try_again(kind, some, tries=tries)
            await self.sent_in_parts([whole])
            return
        if again is not None:
            await self.follow(again, tries=tries)

    async def refused(self, error: PayloadTooLarge, records: Sequence[Record]) -> str:
        """Note that a request was refused for its size. Raises `PayloadTooLarge` for a single record.

        Returns the journal's name for it, to be passed to `sent_in_parts` when all its records were sent.
        """
        if not error.limit:  # by the gateway
            self.tally.refused_sizes.append(error.size)
            self.context.gate.answered(self.taxpayer)
        if len(records) == 1:
            raise PayloadTooLarge(
                f"{records[0].key} alone is too large: {error.message}; nor was any record behind it sent",
                size=error.size,
                limit=error.limit,
            ) from error
        await self.tell(EventKind.CUT_SMALLER, error=without_frames(error))
        batch, self.batch = self.batch, None  # no one part takes the place of the whole
        return batch.unsent_id if batch else ""

    async def sent_in_parts(self, batches: Sequence[str]) -> None:
        """Mark what was refused for its size: every record was handed in again, or needs not to be.

        Not sooner: until then recovery proposes the whole, and sends what no part has carried.
        """
        for batch in batches if self.found_all else ():
            if batch:
                await self.state.jobs.mark_retried(batch)

    async def settle(self, job: ImsJob) -> None:
        """Read a job's records until it is known what became of them, or it can be polled.

        It may be one of another run.
        """
        await self.tell(EventKind.LOOKING, job=job)
        self.slot.lend()
        clock, quiet = self.context.services.clock, self.context.quiet
        sent_at = job.submitted_at.timestamp() if job.submitted_at else 0.0
        ages = {min(FIRST_LOOK, quiet), quiet}
        if job.change.state is ChangeState.SENDING:
            ages.add(max(SENDER_IS_DEAD, quiet))  # not before that it can be given up
        for age in sorted(ages):
            await self.context.rest(max(sent_at + age + LOOK_MARGIN - clock(), 0.0))
            with contextlib.suppress(JournalError):
                await job._hear_from_journal()
            if job.open and not job.pollable:
                await self.context.gate.through(
                    self.taxpayer, lambda: self.taxpayer.reconcile(job, quiet=quiet)
                )
                self.context.gate.answered(self.taxpayer)
            if not job.open or job.pollable:
                return
        raise OutcomeUnknown(
            f"what became of {job.submitted} records of {job.gstin} cannot be told from their rows",
            job=job,
            advice="call taxpayer.reconcile(error.job), or let_go(error.job) if you know",
        )

    async def send_again(self, kind: JobKind, records: Sequence[Record]) -> ImsJob | None:
        """Look at these again, and send those that stand as they were decided on; return their job."""
        found = Reconciliation()

        def heard(news: Reconciliation) -> None:
            nonlocal found
            found = news

        async def send() -> ImsJob | None:
            batch = self.batch = self.batch or Batch(kind=kind, run=self.context.run)
            self.again = kind, records
            try:
                retry = await self.state.recovery.retry_records(batch, records, heard=heard)
            except OutcomeUnknown as error:
                return self.lost(error)
            self.context.gate.answered(self.taxpayer)
            return retry.job

        job = await self.context.gate.through(self.taxpayer, send)
        self.batch, self.again = None, (kind, ())
        self.tally.looked(kind, found)
        self.found_all = self.found_all and found.settled
        if job is not None:
            await self.sent(job)
        return job

    def lost(self, error: OutcomeUnknown) -> ImsJob:
        """Return the job of a change whose answer was lost: it is settled by looking."""
        self.context.gate.failed(self.taxpayer)
        if error.job is None:
            raise error
        return error.job
