"""One GSTIN's changes, one at a time: the line of those who wait, the one on its way, the jobs still open."""

from __future__ import annotations

import asyncio
import datetime as dt
import urllib.parse
import weakref
from collections.abc import Callable, Sequence
from typing import Final

import attrs

from . import rules
from .credentials import CredentialStore
from .errors import (
    GatewayError,
    GatewayUnavailable,
    InvalidInput,
    JobInFlight,
    JobTimeout,
    NotAuthorized,
    OutcomeUnknown,
    QuotaExhausted,
    RateLimited,
)
from .exchange import Credentials, Exchange
from .job import ImsJob
from .line import Line
from .records import Decision, Invoice
from .report import Record
from .retry import PollPolicy
from .session import AccountCredential
from .status import JobKind, JobStatus, JobToken
from .wire import Gsp

_CHECKS_PER_TURN: Final = 500


@attrs.frozen(kw_only=True)
class Services:
    """What a client's taxpayers share."""

    gsp: Gsp
    exchange: Exchange
    account: AccountCredential
    store: CredentialStore
    poll: PollPolicy
    clock: Callable[[], float]

    @property
    def host(self) -> str:
        """Where the GSP is, as tokens name it."""
        return urllib.parse.urlsplit(self.gsp.base_url).netloc


class Changes:
    """What a taxpayer has sent and is about to send. A job holds the turn until it ends."""

    def __init__(self, gstin: str, services: Services, credentials: Credentials) -> None:
        self._gstin, self._services, self._credentials = gstin, services, credentials
        self.line = Line()
        self._sending: asyncio.Task[ImsJob] | None = None
        self._left = False
        self._open: list[ImsJob] = []
        self._handles: weakref.WeakValueDictionary[str, ImsJob] = weakref.WeakValueDictionary()

    async def submit(self, kind: JobKind, records: Sequence[Record], *, queue: bool) -> ImsJob:
        """Check, wait for the turn, send, and return the job; in the order of the calls."""
        if not records:
            raise InvalidInput(f"nothing to {kind.value.lower()}: the batch is empty")
        if not queue:
            self.refuse_if_busy(f"another job of {self._gstin} is running")
        place = self.line.join()
        try:
            await self._check(records)
            await place.turn()
            await self.wait_for_jobs()
            return await self._send_until_taken(kind, records, queue=queue)
        finally:
            place.leave()

    async def _send_until_taken(self, kind: JobKind, records: Sequence[Record], *, queue: bool) -> ImsJob:
        delays, ends_at = self._services.poll.delays(), None
        while True:
            try:
                return await self._send_shielded(kind, records)
            except JobInFlight as error:  # IMSSAV0015: another job runs, nothing was done with this one
                now, delay = self._services.clock(), next(delays)
                ends_at = ends_at or now + self._services.poll.deadline
                if not queue or now + delay > ends_at:
                    raise JobInFlight(
                        f"nothing was done: a job of {self._gstin} from elsewhere is running ({error})"
                    ) from error
            await asyncio.sleep(delay)

    async def _send_shielded(self, kind: JobKind, records: Sequence[Record]) -> ImsJob:
        """Send the change. A caller cancelled before it leaves calls it off; one cancelled later loses no
        reply: the job stands in `unfinished`."""
        self._may_have_left(False)
        sending = self._sending = asyncio.create_task(self._send(kind, records))
        sending.add_done_callback(_heard)
        try:
            return await asyncio.shield(sending)
        except asyncio.CancelledError:
            if not self._left:
                sending.cancel()
            raise

    def _may_have_left(self, left: bool) -> None:
        self._left = left

    def refuse_if_busy(self, why: str, *, watched: bool = False) -> None:
        """Raise `JobInFlight` if a job runs, or somebody waits to send one, or a reply is on its way.

        `watched` counts the jobs that are only being waited for, by their reference.
        """
        running = self.unfinished() + (self._watched() if watched else [])
        self._refuse_unknown(running)
        sending = self._sending is not None and not self._sending.done()
        if running or sending or self.line.busy:
            raise JobInFlight(why, job=running[0] if running else None)

    async def _check(self, records: Sequence[Record]) -> None:
        findings: list[rules.Finding] = []
        seen: dict[tuple[object, ...], int] = {}
        for place, record in enumerate(records):
            findings.extend(rules.check_one(record, place, seen))
            if place % _CHECKS_PER_TURN == _CHECKS_PER_TURN - 1:
                await asyncio.sleep(0)
        rules.refuse(findings)

    def _watched(self) -> list[ImsJob]:
        return [job for job in self._handles.values() if job.watched and job not in self._open]

    async def wait_for_jobs(self, *, watched: bool = False) -> None:
        """Wait until this GSTIN has no job in flight, driving those ahead if nobody else does."""
        if self._sending is not None and not self._sending.done():
            await asyncio.wait([self._sending])  # its caller is gone, its reply is not
        for ahead in self.unfinished() + (self._watched() if watched else []):
            self._refuse_unknown([ahead])
            try:
                await ahead.wait()
            except JobTimeout as error:
                raise JobInFlight(
                    f"nothing was sent, the job ahead still runs: {error}", job=ahead
                ) from error
            except (GatewayUnavailable, NotAuthorized, QuotaExhausted, RateLimited):
                raise
            except (GatewayError, OutcomeUnknown) as error:
                raise JobInFlight(
                    f"nothing was sent; what became of the job ahead cannot be told: {error}; "
                    f"{_way_out(ahead)}",
                    job=ahead,
                ) from error
            self._refuse_unknown([job for job in self.unfinished() if job is ahead])

    def _refuse_unknown(self, jobs: Sequence[ImsJob]) -> None:
        """Raise `JobInFlight` for a change of which nobody knows whether it was taken."""
        for job in jobs:
            if job.reference_id is None or job.done:  # done, and still open: its carrier broke off
                raise JobInFlight(
                    f"what became of the last change of {self._gstin} is not known: {_way_out(job)}",
                    job=job,
                )

    async def _send(self, kind: JobKind, records: Sequence[Record]) -> ImsJob:
        gsp, exchange = self._services.gsp, self._services.exchange
        if kind is JobKind.SAVE:
            conversation = gsp.save(self._gstin, [r for r in records if isinstance(r, Decision)])
        else:
            conversation = gsp.reset(self._gstin, [r for r in records if isinstance(r, Invoice)])
        try:
            reference = await exchange.run(conversation, self._credentials, leaving=self._may_have_left)
        except OutcomeUnknown as error:
            raise OutcomeUnknown(
                f"{error}; {len(records)} records of {self._gstin}: call taxpayer.reconcile(error.job), "
                "do not send them again",
                job=self._opened(kind, None, records),
            ) from error
        except asyncio.CancelledError:
            if self._left:  # the whole program is stopping: what is known is said in `unfinished`
                self._opened(kind, None, records)
            raise
        return self._opened(kind, reference, records)

    def _opened(self, kind: JobKind, reference_id: str | None, records: Sequence[Record]) -> ImsJob:
        """Return the handle of a job that holds this GSTIN's turn until it ends."""
        job = self.handle(self.token(kind, reference_id, len(records)), records)
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

    def unfinished(self) -> list[ImsJob]:
        """The jobs that this process sent or resumed, and of which it is not known what became."""
        self._open = [job for job in self._open if job.open]
        return list(self._open)

    def free(self, job: ImsJob) -> None:
        """Let the next change go although nobody has heard this job's end: its records were looked at."""
        self._open = [other for other in self._open if other is not job]

    def token(self, kind: JobKind, reference_id: str | None, submitted: int | None) -> JobToken:
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
        )

    def handle(self, token: JobToken, records: Sequence[Record] | None) -> ImsJob:
        """Return the one handle on a job in this process, so that it has one driver."""
        reference = token.reference_id
        if reference is not None and (known := self._handles.get(reference)) is not None:
            known.learn(token, records)
            return known
        job = ImsJob(token, poll=self._poll, policy=self._services.poll, records=records)
        if reference is not None:
            self._handles[reference] = job
        return job

    async def _poll(self, reference_id: str, kind: JobKind) -> JobStatus:
        conversation = self._services.gsp.status(self._gstin, reference_id, kind)
        try:
            return await self._services.exchange.run(conversation, self._credentials, retry=False)
        except (GatewayUnavailable, NotAuthorized, QuotaExhausted, RateLimited):
            raise
        except GatewayError as error:
            job = self._handles.get(reference_id)
            until = job.token.results_until if job else None
            if until is None or self._services.clock() < until.timestamp():
                raise
            raise OutcomeUnknown(
                f"the gateway kept the result of job {reference_id} until {until:%Y-%m-%d %H:%M} UTC, and no "
                f"longer tells it ({error}): call taxpayer.reconcile(job, decisions)",
                job=job,
            ) from error

    async def aclose(self) -> None:
        """Let a change that is being sent be answered, and stop polling."""
        if self._sending is not None and not self._sending.done():
            await asyncio.wait([self._sending])
        for job in list(self._handles.values()):
            await job.aclose()


def _way_out(job: ImsJob) -> str:
    records = ", decisions" if job.records is None else ""
    return f"call taxpayer.reconcile(error.job{records}) first, or let_go(error.job) if you know"


def _heard(sending: asyncio.Task[ImsJob]) -> None:
    if not sending.cancelled():
        sending.exception()
