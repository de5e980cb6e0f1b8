"""One taxpayer's jobs in a run, each seen to its end."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import ClassVar, Literal

import attrs

from ..client import ImsClient, services_of
from ..errors import (
    ImsError,
    JobFailed,
    JobInFlight,
    JobTimeout,
    JournalError,
    OtpRequired,
    OutcomeUnknown,
    SessionExpired,
)
from ..jobs.context import Services
from ..jobs.facts import SEND_AGAIN
from ..jobs.job import ImsJob
from ..jobs.sending import Batch
from ..jobs.taxpayer_state import TaxpayerState
from ..journal import Journal
from ..model.gstr2b import Gstr2b
from ..model.moves import ChangeState
from ..model.status import JobKind
from ..model.times import FIRST_LOOK, LOOK_MARGIN, SENDER_IS_DEAD
from ..steps import free_async
from ..taxpayer import Taxpayer, state_of
from .concurrency import Slot
from .gstr2b import NOT_READ, Marks, Statement, marks_of, proof_of
from .inputs import Portion
from .outage import MOST_TRIES, OutageGate, Stop
from .report import EventKind
from .tally import Tally, without_frames

_log = logging.getLogger("ims_async")

Kept = Journal | Literal[False] | None
"""A journal, False for none, None for the client's own or the default one."""


Notify = Callable[..., Awaitable[None]]
"""Reports an event of a taxpayer: its `EventKind`, then those facts of `BulkEvent` that come with it."""


@attrs.define(kw_only=True)
class RunContext:
    """What all parts of a run share.

    A request has at most `limit` bytes, of several records `aim`: less than the limit once what was refused
    for its size was accepted cut to that. `quiet` and `max_outage` are in seconds.
    """

    client: ImsClient
    run: str
    named: bool = False
    """True of a run whose name was given: something of it may have been sent before."""
    journal: Kept
    limit: int
    aim: int = attrs.field(default=attrs.Factory(lambda self: self.limit, takes_self=True))
    max_records: int | None
    quiet: float
    max_outage: float
    statement: Statement | None = None
    """The GSTR-2B that each taxpayer's part ends with."""
    since: int | None = None
    """The journal's revision when the records were read, that of the run's beginning if None."""
    stop: Stop = attrs.field(factory=Stop)
    gate: OutageGate = attrs.field(init=False)
    bench: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    """Held while checking and cutting: all parts at once would make one turn of the event loop a second."""

    def __attrs_post_init__(self) -> None:
        self.gate = OutageGate(self.services, self.rest, max_outage=self.max_outage)

    @property
    def services(self) -> Services:
        """What the client's taxpayers share."""
        return services_of(self.client)

    async def rest(self, seconds: float) -> None:
        """Sleep for so many seconds, but not past the end of the run or the client."""
        async with self.stop.ending_waits():
            await self.services.rest(seconds)


@attrs.define(kw_only=True, eq=False)
class JobFollower(abc.ABC):
    """One taxpayer's part of a run. What goes wrong is put down in the tally."""

    context: RunContext
    taxpayer: Taxpayer
    portion: Portion
    tally: Tally
    slot: Slot
    notify: Notify
    journal_is_read: bool = attrs.field(init=False, default=True)
    """False while an earlier process may have sent what waits."""
    sends: ClassVar[bool] = True
    _sent_again: int = attrs.field(init=False, default=0)

    @abc.abstractmethod
    async def _carry_out(self) -> None:
        """Do what is to be done."""

    async def carry_out(self) -> None:
        """Do what is to be done. Raises nothing but what stops the whole run."""
        try:
            await self._carry_out()
        except Exception as error:  # noqa: BLE001 # a defect of ours, too, is one taxpayer's trouble
            if not isinstance(error, ImsError):
                _log.exception("the part of %s in run %s broke off", self.tally.gstin, self.context.run)
            else:
                self.context.stop.failed(error)
            self._stop(error)
            if isinstance(error, OtpRequired | SessionExpired):
                await self.notify(EventKind.SESSION_ENDED, error=error)
        except BaseException:
            self._stop(None)
            raise

    def _stop(self, error: Exception | None) -> None:
        self.tally.stopped(error)
        self.tally.not_sent(self.tally.waiting(), certain=self.journal_is_read)

    async def _sent(self, sending: Awaitable[ImsJob | None]) -> ImsJob | None:
        """Return the job of what is sent; also of a change whose answer is lost: it is settled by looking."""
        try:
            job = await sending
        except OutcomeUnknown as error:
            self.context.gate.failed(self.taxpayer)
            if error.job is None:
                raise
            return error.job
        if job is not None:
            self.context.gate.answered(self.taxpayer)
        return job

    async def _check(self) -> None:
        """Count what the offline checks warn about. Raises `InvalidDecision` if they refuse anything."""
        async with self.context.bench:
            self.tally.warned(await self.context.services.warnings(self.tally.gstin, self.tally.waiting()))

    @property
    def _state(self) -> TaxpayerState:
        return state_of(self.taxpayer)

    async def see_end_of(self, job: ImsJob) -> bool:
        """Wait for the end of a job, and count what became of its records; False if a person let it go."""
        while job.open:
            if job.pollable or (job.kind.repeatable and job._being_sent):
                await self._wait_for(job)
            else:
                await self.settle(job)
        self.tally.ended(job, job.report)
        if job.report is not None:
            await self.notify(EventKind.ENDED, job=job, report=job.report)
        return job.report is not None

    async def _wait_for(self, job: ImsJob) -> None:
        """Poll a job until it has ended, or cannot be polled any more."""
        try:
            async with self.context.stop.ending_waits():
                await job.result()
        except (JobFailed, OutcomeUnknown):
            return
        except JobTimeout:
            if job._poller.unanswered:
                self.context.gate.failed(self.taxpayer)
            raise
        self.context.gate.answered(self.taxpayer)

    async def settle(self, job: ImsJob) -> None:
        """Read a job's records until it is known what became of them, or it can be polled.

        It may be one of another run. One without records is sent again instead.
        """
        if job.kind.repeatable:
            await self._send_again(job)
            return
        await self.notify(EventKind.LOOKING, job=job)
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

    async def _send_again(self, job: ImsJob) -> None:
        """Send what was lost and may be repeated once more, when the gateway answers; not what never left."""
        if not job.sent:
            await self.taxpayer.reconcile(job)  # takes it over: it is listed as called off
            return
        if not self.sends:
            raise OutcomeUnknown(
                f"GSTR-2B of {job.period} may not be computed anew", job=job, advice=SEND_AGAIN
            )
        gate = self.context.gate
        self._sent_again += 1
        if self._sent_again > MOST_TRIES:
            raise OutcomeUnknown(
                f"GSTR-2B of {job.period} was lost {MOST_TRIES + 1} times: try later",
                job=job,
                advice=SEND_AGAIN,
            )
        try:
            await gate.through(self.taxpayer, lambda: self._state.changes.send_again(job))
        except OutcomeUnknown:
            gate.failed(self.taxpayer)
        else:
            gate.answered(self.taxpayer)

    async def regenerate(self, period: str, run: str) -> None:
        """Have GSTR-2B computed anew, and see its end. What is the matter with it is put down apart."""
        batch = Batch(kind=JobKind.REGENERATE, period=period, run=run)
        wanted = self.context.statement
        before = await self._marks(period) if wanted is not None and wanted.confirm else NOT_READ
        try:
            job = await self.context.gate.through(self.taxpayer, lambda: self._asked_for(batch))
        except ImsError as error:
            await self._note_failure(error)
            return
        self.tally.sent(job)
        await self.notify(EventKind.SUBMITTED, job=job)
        await self.follow_statement(job)
        await self.confirm(job, before)

    async def confirm(self, job: ImsJob, before: Marks) -> None:
        """Read the GSTR-2B that a job has had computed anew, if that is wanted, and not done."""
        wanted, known = self.context.statement, self.tally.statement
        computed = job.report is not None and job.report.ok
        if computed and wanted is not None and wanted.confirm and known.proof is None:
            known.proof = proof_of(before, await self._marks(job.period))

    async def _marks(self, period: str) -> Marks:
        """Return what GSTR-2B says of itself; where it cannot be read, nothing is known of it."""
        services, gstin = self.context.services, self.taxpayer.gstin

        async def read() -> Gstr2b:
            return await services.exchange.run(services.gsp.gstr2b(gstin, period), self._state.credentials)

        try:
            found = await self.context.gate.through(self.taxpayer, read)
        except ImsError as error:
            _log.info("GSTR-2B of %s cannot be read: %s", gstin, error)
            return NOT_READ
        marks, held = await marks_of(found), list(found.documents)
        del found
        await free_async(held)
        return marks

    async def _asked_for(self, batch: Batch) -> ImsJob:
        """Hand it in; a change in the way, of which it is not known what became, is settled first."""
        in_the_way: ImsJob | None = None
        while True:
            try:
                job = await self._state.recovery.regenerate(batch, queue=True)
            except OutcomeUnknown as error:
                self.context.gate.failed(self.taxpayer)
                if error.job is None:
                    raise
                return error.job
            except JobInFlight as error:
                if error.job is None or error.job is in_the_way or not can_be_settled(error.job):
                    raise
                in_the_way = error.job
            else:
                self.context.gate.answered(self.taxpayer)
                return job
            await self.settle(in_the_way)

    async def follow_statement(self, job: ImsJob) -> None:
        """See the end of a GSTR-2B that is computed anew; what goes wrong says nothing of the decisions."""
        try:
            if not await self.see_end_of(job):
                why = f"what became of it is not known: it was let go ({job.change.state})"
                if job.change.state is ChangeState.CALLED_OFF:
                    why = f"nothing of it was sent ({job.reason or 'called off'})"
                raise OutcomeUnknown(why, job=job, advice=SEND_AGAIN)
        except ImsError as error:
            await self._note_failure(error)

    async def _note_failure(self, error: ImsError) -> None:
        self.tally.statement.error = without_frames(error)
        if isinstance(error, OtpRequired | SessionExpired):
            await self.notify(EventKind.SESSION_ENDED, error=error)


async def let_go(jobs: list[ImsJob]) -> None:
    """Drop jobs that are done with. What nobody else holds of their records is freed in pieces."""
    while jobs:
        # The list holds the records one moment longer than the job does, whose own tuples free all at once.
        await free_async(_held_by(jobs.pop()))


async def with_each(jobs: list[ImsJob], see: Callable[[ImsJob], Awaitable[None]]) -> None:
    """Do something with each job, and drop it then, as `let_go` does."""
    while jobs:
        await see(jobs[0])
        await let_go([jobs.pop(0)])


def _held_by(job: ImsJob) -> list[object]:
    status, report = job.status, job._report
    held: list[object] = [*(job.records or ()), *status.error_report]
    if status.found is not None:
        held += status.found.not_applied
        held += status.found.changed
    if report is not None:
        held += report.failed
    return held


def can_be_settled(job: ImsJob) -> bool:
    """Say whether a job holds the turn only since what became of it is not known: a look shows that."""
    return job.open and not job.pollable
