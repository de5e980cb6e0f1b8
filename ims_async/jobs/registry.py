"""One GSTIN's jobs in this process: one handle for each, and which of them hold the turn."""

from __future__ import annotations

import datetime as dt
import logging
import weakref
from collections.abc import Sequence

from ..errors import (
    GatewayError,
    GatewayUnavailable,
    InvalidInput,
    JournalError,
    NotAuthorized,
    OutcomeUnknown,
    QuotaExhausted,
    RateLimited,
)
from ..journal import Entry, Phase
from ..model.records import Record
from ..model.status import JobKind, JobStatus
from ..model.tokens import JobToken
from ..net.credentials import Credentials
from .context import Services
from .job import ImsJob
from .journaled import Page, may_be_leaving

_log = logging.getLogger("ims_async")

_Name = tuple[str, dt.datetime | None]


class Handles:
    """The jobs of a taxpayer that this process knows. One that is open holds the turn until it ends."""

    def __init__(self, gstin: str, services: Services, credentials: Credentials) -> None:
        self._gstin, self._services, self._credentials = gstin, services, credentials
        self._open: list[ImsJob] = []
        self._names: set[str] = set()  # of all jobs that there ever was a handle on
        self._waiting: list[ImsJob] = []  # batches of processes that ended before they were sent
        self._by_name: weakref.WeakValueDictionary[_Name, ImsJob] = weakref.WeakValueDictionary()
        self._by_page: weakref.WeakValueDictionary[str, ImsJob] = weakref.WeakValueDictionary()

    def token(
        self, kind: JobKind, reference_id: str | None, submitted: int | None, route: str = ""
    ) -> JobToken:
        """Return the token of a job that is submitted now."""
        gsp = self._services.gsp
        now = dt.datetime.fromtimestamp(self._services.clock(), dt.UTC)
        kept = gsp.limits.results_kept
        return JobToken(
            gsp=gsp.kind,
            host=self._services.host,
            gstin=self._gstin,
            kind=kind,
            reference_id=reference_id,
            submitted=submitted,
            submitted_at=now,
            results_until=None if kept is None else now + dt.timedelta(seconds=kept),
            route=route,
        )

    def handle(self, token: JobToken, records: Sequence[Record] | None, page: Page | None = None) -> ImsJob:
        """Return the one handle on a job in this process, so that it has one driver."""
        name = self._name(token)
        if name is not None and (known := self._by_name.get(name)) is not None:
            known.learn(token, records)
            return known
        return self._made(token, records, page or Page(self._services.journal, of=token))

    def _made(self, token: JobToken, records: Sequence[Record] | None, page: Page) -> ImsJob:
        name = self._name(token)
        job = ImsJob(
            token,
            poll=self._poll,
            policy=self._services.poll,
            records=records,
            page=page,
            ended=self._ended,
            canned=self._services.gsp.limits.canned,
            closed=self._services.exchange.closed,  # those made before are told by `aclose`
            loop_owner=self._services.loop_owner,
            alarms=self._services.alarms,
        )
        self._by_page[page.id] = job
        if name is not None:
            self._by_name[name] = job
            self._names.add(name[0])
        return job

    def _name(self, token: JobToken) -> _Name | None:
        """Return what tells a job from others: its reference, and where those repeat the time of sending."""
        if token.reference_id is None:
            return None
        return token.reference_id, token.submitted_at if self._services.gsp.limits.canned else None

    async def knows(self, reference_id: str) -> bool:
        """Say whether a job of this name was sent before: an answer that names it is not a new one's.

        A GSP whose references repeat by its own description is believed all the same.
        """
        if self._services.gsp.limits.canned:
            return False
        if reference_id in self._names or self._services.journal is None:
            return reference_id in self._names
        token = self.token(JobKind.SAVE, reference_id, None)
        return await Page(self._services.journal, of=token).find() is not None

    def opened(self, token: JobToken, records: Sequence[Record], page: Page) -> ImsJob:
        """Return the handle of a job that was sent, and holds this GSTIN's turn until it ends."""
        job = self._made(token, records, page)
        self._open.append(job)
        return job

    def resume(self, token: JobToken) -> ImsJob:
        """Return a handle on the job of a token, which holds this GSTIN's turn until it ends. No I/O."""
        if token.gstin != self._gstin:
            raise InvalidInput(f"this is a job of {token.gstin}, not of {self._gstin}")
        job = self.handle(token, None)
        if job not in self._open and job.open:
            self._open.append(job)
        return job

    async def mark_retried(self, batch_id: str) -> None:
        """Mark a batch of the journal as retried; if that cannot be written, it is only logged."""
        for job in self._by_page.values():
            if job.batch == batch_id:
                job.note_retried()
        if self._services.journal is not None:
            try:
                await self._services.journal.mark_retried(batch_id)
            except JournalError as error:
                _log.warning("batch %s was retried, which could not be written down: %s", batch_id, error)

    async def adopt(self, entry: Entry) -> ImsJob:
        """Return the handle on the job of a journal's entry; while that is open, it is in `unfinished`."""
        job = self._by_page.get(entry.id) or self._resumed(entry)
        if job is None:
            page = Page(self._services.journal, entry)
            entry = await page.entry() or entry  # it may have moved on since it was listed
            job = self._by_page.get(entry.id) or self.handle(entry.token, None, page)
            await job.hear_of(entry)
        else:
            entry = await job.hear_from_journal() or entry
        if job.batch == entry.id:  # by now, where only its token was known
            self._by_page[entry.id] = job
        if (name := self._name(job.token)) is not None:
            self._by_name.setdefault(name, job)
        if entry.phase is Phase.SENDING and not may_be_leaving(
            entry.phase, entry.token, self._services.clock()
        ):
            await job.sender_died()
        self._waiting = [other for other in self._waiting if other is not job]
        if entry.phase is Phase.QUEUED:
            self.free(job)
            self._waiting.append(job)
        elif job.open and job not in self._open:
            self._open.append(job)
        return job

    def _resumed(self, entry: Entry) -> ImsJob | None:
        """Return the handle on a lost change that was made of its token, and does not know its entry yet."""
        lost = [job for job in self._open if job.reference_id is None and job.batch is None]
        return next((job for job in lost if job.token == entry.token), None)

    async def sync(self, entries: Sequence[Entry]) -> None:
        """Take what the journal holds open, and what others have ended meanwhile. Raises `JournalError`."""
        found = [await self.adopt(entry) for entry in entries]
        self._waiting = [job for job in self._waiting if job in found]
        for job in self.unfinished():
            if job not in found:
                await job.hear_from_journal()

    def unfinished(self) -> list[ImsJob]:
        """The jobs that this process sent, resumed or found, and of which it is not known what became."""
        self._open = [job for job in self._open if job.open]
        return list(self._open)

    def waiting(self) -> list[ImsJob]:
        """The batches that were found in the journal and of which nothing was sent."""
        self._waiting = [job for job in self._waiting if job.open]
        return list(self._waiting)

    @property
    def references(self) -> set[str]:
        """The names of all jobs that there ever was a handle on."""
        return self._names

    @property
    def idle(self) -> bool:
        """True where there is nothing to be done about a job, and nobody has a handle on one."""
        return not (self._by_page or self._open or self._waiting)

    def watched(self) -> list[ImsJob]:
        """The jobs that are only being waited for, by their reference."""
        return [job for job in self._by_name.values() if job.watched and job not in self._open]

    def _ended(self, job: ImsJob) -> None:
        """Hold an ended job, and all its records, no longer than whoever submitted it does."""
        if not job.open:
            self._open = [other for other in self._open if other is not job]

    def free(self, job: ImsJob) -> None:
        """Let the next change go although nobody has heard this job's end: its records were looked at."""
        self._open = [other for other in self._open if other is not job]
        self._waiting = [other for other in self._waiting if other is not job]

    async def _poll(self, token: JobToken) -> JobStatus:
        reference_id = token.reference_id or ""
        conversation = self._services.gsp.status(self._gstin, reference_id, token.kind, token.route)
        try:
            return await self._services.exchange.run(conversation, self._credentials, retry=False)
        except (GatewayUnavailable, NotAuthorized, QuotaExhausted, RateLimited):
            raise
        except GatewayError as error:
            until, name = token.results_until, self._name(token)
            if until is None or self._services.clock() < until.timestamp():
                raise
            raise OutcomeUnknown(
                f"the gateway kept the result of job {reference_id} until {until:%Y-%m-%d %H:%M} UTC, and no "
                f"longer tells it ({error})",
                advice="call taxpayer.reconcile(job, decisions)",
                job=None if name is None else self._by_name.get(name),
            ) from error

    async def aclose(self) -> None:
        """Stop polling."""
        for job in list(self._by_page.values()):
            await job.aclose()
