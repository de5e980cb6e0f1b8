"""One GSTIN's jobs in this process: one handle for each, and which of them hold the turn."""

from __future__ import annotations

import datetime as dt
import logging
import weakref
from collections.abc import Sequence

import attrs

from ..errors import ON_THE_WAY, GatewayError, InvalidInput, JournalError, OutcomeUnknown
from ..gsp.gstn import NOT_KNOWN_YET
from ..journal.base import Query
from ..model.change import Change
from ..model.records import Record
from ..model.status import JobKind, JobState, JobStatus
from ..model.times import QUIET, in_minutes
from ..model.tokens import JobToken
from ..net.credentials import Credentials
from .context import Services
from .facts import SEND_AGAIN, records_of
from .job import ImsJob
from .journaled import JournaledChange

_log = logging.getLogger("ims_async")

_Name = tuple[str, dt.datetime | None]


class JobRegistry:
    """The jobs of a taxpayer that this process knows. One that is open holds the turn until it ends."""

    def __init__(self, gstin: str, services: Services, credentials: Credentials) -> None:
        self._gstin, self._services, self._credentials = gstin, services, credentials
        self._canned = services.limits.canned
        # Open ones are held until they end, though nobody else holds them. There may be thousands of each.
        self._sent: dict[ImsJob, None] = {}
        self._waiting: dict[ImsJob, None] = {}
        self._all: weakref.WeakSet[ImsJob] = weakref.WeakSet()
        # By the id of its change and by its name; by its token where it was resumed without a reference.
        self._by: weakref.WeakValueDictionary[str | _Name | JobToken, ImsJob] = weakref.WeakValueDictionary()
        self.references: set[str] = set()
        """The references of all jobs that there ever was a handle on."""

    def token(
        self, kind: JobKind, reference_id: str | None, submitted: int | None, period: str = ""
    ) -> JobToken:
        """Return the token of a job that is submitted now."""
        services = self._services
        now, kept = services.now(), services.limits.results_kept
        return JobToken(
            gsp=services.kind,
            host=services.host,
            gstin=self._gstin,
            kind=kind,
            reference_id=reference_id,
            submitted=submitted,
            submitted_at=now,
            results_until=None if kept is None else now + dt.timedelta(seconds=kept),
            period=period,
        )

    # -- handles: one for each job ---------------------------------------------------------------------

    def handle(self, token: JobToken) -> ImsJob:
        """Return the one handle on a job in this process, so that it is polled once for all."""
        name = self._name(token)
        if name is not None and (known := self._by.get(name)) is not None:
            known._learn(token)
            self._moved(known)
            return known
        return self._made(JournaledChange(self._services.journal, Change.of_token(token)))

    def opened(self, journaled: JournaledChange, records: Sequence[Record]) -> ImsJob:
        """Return the handle of a job that was sent, and holds this GSTIN's turn until it ends."""
        return self._hold(self._made(journaled, records))

    def resume(self, token: JobToken) -> ImsJob:
        """Return a handle on the job of a token, which holds this GSTIN's turn until it ends. No I/O."""
        self.check(token)
        job = self._hold(self.handle(token))
        if token.reference_id is None and self._known(job.change) is None:
            self._by[token] = job
        return job

    def check(self, token: JobToken) -> None:
        """Raise `InvalidInput` for a job of another taxpayer."""
        if token.gstin != self._gstin:
            raise InvalidInput(f"this is a job of {token.gstin}, not of {self._gstin}")

    async def adopt(self, change: Change) -> ImsJob:
        """Return the handle on a change of the journal; while that is open, it is in `unfinished`."""
        job, journal = self._known(change), self._services.journal
        if job is None:
            journaled = JournaledChange(journal, change)
            records = await records_of(journaled) if change.done else None
            job = self._known(change) or self._made(journaled, records)
        if not job.change.id:
            job._journaled.found_late(journal, change)
        await job._hear_from_journal(change)
        self._index(job)
        await job._note_dead_sender()
        return self._hold(job)

    async def recall(self, change: Change) -> ImsJob:
        """Return the handle on a change of the journal, with its records. Raises `JournalError`."""
        job = await self.adopt(change)
        await job.load()
        await job._make_report()
        return job

    def _made(self, journaled: JournaledChange, records: Sequence[Record] | None = None) -> ImsJob:
        services = self._services
        job = ImsJob(
            journaled,
            poll=self._poll,
            times=services.times,
            records=records,
            moved=self._moved,
            canned=self._canned,
            closed=services.exchange.closed,  # those made before hear it from `aclose`
            loop_owner=services.loop_owner,
            alarms=services.alarms,
            clock=services.clock,
        )
        self._all.add(job)
        self._index(job)
        return job

    def _index(self, job: ImsJob) -> None:
        """Let it be found by all that is known of it by now."""
        change = job.change
        if change.id:
            self._by[change.id] = job
        self._index_name(job, change.token)

    def _index_name(self, job: ImsJob, token: JobToken) -> None:
        if (name := self._name(token)) is not None:
            self._by.setdefault(name, job)
            self.references.add(name[0])

    def _name(self, token: JobToken) -> _Name | None:
        """Return what tells a job from others: its reference, and where those repeat the time of sending."""
        if token.reference_id is None:
            return None
        return token.reference_id, token.submitted_at if self._canned else None

    def _known(self, change: Change) -> ImsJob | None:
        """Return the handle on a change, also one that was made of its token and does not know it yet."""
        if (job := self._by.get(change.id)) is not None:
            return job
        if (name := self._name(change.token)) is not None:
            job = self._by.get(name)
            return job if job is not None and not job.change.id else None
        job = self._by.get(change.token)
        return job if job is not None and job.open and not job.change.id else None

    def _hold(self, job: ImsJob) -> ImsJob:
        change = job.change
        if change.open and job not in self._sent and job not in self._waiting:
            (self._sent if change.sent else self._waiting)[job] = None
        return job

    def _moved(self, job: ImsJob) -> None:
        """Take what became known of a job: another process may have been given its reference."""
        change = job.change
        self._index_name(job, change.token)
        if not change.open:
            self._drop(job)
        elif job in (other := self._waiting if change.sent else self._sent):
            del other[job]
            self._hold(job)

    def _drop(self, job: ImsJob) -> None:
        """Hold a job that is not open any more, and all its records, no longer than its caller does."""
        self._sent.pop(job, None)
        self._waiting.pop(job, None)

    # -- which jobs there are --------------------------------------------------------------------------

    def unfinished(self, *, watched: bool = False) -> list[ImsJob]:
        """The jobs that this process sent, resumed or found, and of which it is not known what became.

        `watched` adds those that are only being waited for, by their reference.
        """
        jobs = [*self._sent]
        if watched:
            known = dict.fromkeys(self._by.values())
            jobs += [
                job for job in known if job.reference_id and job._poller.watched and job not in self._sent
            ]
        return jobs

    def is_unfinished(self, job: ImsJob) -> bool:
        """Say whether `unfinished` has it."""
        return job in self._sent

    def waiting(self) -> list[ImsJob]:
        """The batches that were found in the journal and of which nothing was sent."""
        return [*self._waiting]

    @property
    def idle(self) -> bool:
        """True where no job is open, and nobody has a handle on one."""
        return not self._all

    async def knows(self, reference_id: str) -> bool:
        """Say whether a job of this name was sent before: an answer that names it is not a new one's.

        A GSP whose references repeat by its own description is believed all the same.
        """
        if self._canned:
            return False
        if reference_id in self.references:
            return True
        try:
            return bool(await self._services.find(gstin=self._gstin, reference=reference_id))
        except JournalError as error:
            _log.warning("job %s could not be looked for: %s", reference_id, error)
            return False

    # -- what becomes of them --------------------------------------------------------------------------

    async def sync(self, changes: Sequence[Change]) -> None:
        """Take what the journal holds open, and what others have ended meanwhile. Raises `JournalError`."""
        new = {change.id for change in changes if self._known(change) is None}
        found = {await self.adopt(change) for change in changes}
        # What moved on after it was listed, and before there was a handle to hear of it, is seen now.
        for change in await self._services.journal.find(Query(ids=new)) if new else ():
            await self.adopt(change)
        for job in [job for job in (*self._sent, *self._waiting) if job not in found]:
            await job._hear_from_journal()
            if not job.sent:
                self._drop(job)

    async def mark_retried(self, change_id: str) -> None:
        """Mark a change of the journal as retried; if that cannot be written, it is only logged."""
        job, journal = self._by.get(change_id), self._services.journal
        if job is not None:
            await job._apply(Change.marked_retried)
            return
        try:
            for change in await journal.find(Query(ids=[change_id])):
                await JournaledChange(journal, change).apply(Change.marked_retried)
        except JournalError as error:
            _log.warning("change %s was retried, which could not be written down: %s", change_id, error)

    async def _poll(self, token: JobToken) -> JobStatus:
        reference_id, until = token.reference_id or "", token.results_until
        conversation = self._services.gsp.status(self._gstin, reference_id, token.kind, token.route)
        now = self._services.clock
        try:
            status = await self._services.exchange.run(conversation, self._credentials, retry=False)
        except ON_THE_WAY:
            raise
        except GatewayError as error:
            if until is None or now() < until.timestamp():
                raise
            raise OutcomeUnknown(
                f"the gateway kept the result of job {reference_id} until {until:%Y-%m-%d %H:%M} UTC, and no "
                f"longer tells it ({error})",
                advice=SEND_AGAIN if token.kind.repeatable else "call taxpayer.reconcile(job, decisions)",
                job=None if (name := self._name(token)) is None else self._by.get(name),
            ) from error
        if status.raw_code != NOT_KNOWN_YET:
            return status
        age = 0.0 if token.submitted_at is None else now() - token.submitted_at.timestamp()
        if age < QUIET:
            return status
        # It may have been computed, which is not known; but it has a reference, and is not sent again.
        why = f"{in_minutes(QUIET)} after it was asked for the gateway knows no such job"
        return attrs.evolve(status, state=JobState.FAILED, error_message=why)

    async def aclose(self) -> None:
        """Stop polling."""
        for job in list(self._all):
            await job._poller.aclose(job)
