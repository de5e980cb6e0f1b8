"""One GSTIN's changes, one at a time: the line of those who wait, and the one on its way."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final, TypeVar

import attrs

from .. import rules
from ..errors import (
    GatewayError,
    GatewayUnavailable,
    ImsError,
    InvalidInput,
    JobInFlight,
    JobTimeout,
    JournalError,
    NotAuthorized,
    NotSupported,
    OutcomeUnknown,
    PayloadTooLarge,
    QuotaExhausted,
    RateLimited,
    bounded,
)
from ..gsp.base import Accepted
from ..gsp.codec import PackedBody
from ..journal import Cause, Entry, Phase
from ..model.records import Decision, Invoice, Record
from ..model.status import JobKind
from ..model.times import LANDING, SENDER_IS_DEAD, in_minutes
from ..model.tokens import JobToken
from ..net.credentials import Credentials
from ..net.exchange import Leaving
from .context import Services
from .fifo import Line
from .job import ImsJob
from .journaled import Page, may_be_leaving
from .registry import Handles

T = TypeVar("T")

_log = logging.getLogger("ims_async")

_CHECKS_PER_TURN: Final = 500

_SEEN_SINCE: Final = 300.0  # seconds before a look; much more than two clocks of one machine differ

_Seen = tuple[dt.datetime, frozenset[tuple[str, dt.datetime]]]


class _TurnTakenError(JobInFlight):
    """The journal says that another process has the turn, or has settled this very batch."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(
            f"another change of {entry.token.gstin} has the turn: batch {entry.id}, {entry.phase}"
        )
        self.entry = entry


class _StaleLookError(JobInFlight):
    """Another process has sent a batch since the records were looked at."""


@attrs.define(eq=False)
class Fate:
    """What has become of a batch by now, for whoever is broken off while it is handed in.

    `left`: some of it may be at the gateway. `job`: it was sent, and this is its handle. `called_off` names
    what was called off before these records are handed in once more: the later batch takes its place.
    """

    left: bool = False
    job: ImsJob | None = None
    called_off: str = ""


@attrs.frozen(kw_only=True)
class Batch:
    """What goes out in one request. `run` is the bulk run that it is a part of.

    `body` is what the records make, where they were written already; `checked` ones are not checked again.
    """

    fate: Fate = attrs.field(factory=Fate)

    kind: JobKind
    records: Sequence[Record]
    run: str = ""
    body: PackedBody | None = None
    checked: bool = False


class Changes:
    """What a taxpayer is about to send."""

    def __init__(self, handles: Handles, gstin: str, services: Services, credentials: Credentials) -> None:
        self._jobs, self._gstin, self._services, self._credentials = handles, gstin, services, credentials
        self.line = Line()
        self._sending: asyncio.Task[ImsJob] | None = None
        self._left = self._abandoned = False
        self._being_sent = ""
        self._unwritten: list[Page] = []
        self._own: set[str] = set()  # the batches that somebody in this process waits for to be sent

    async def submit(self, batch: Batch, *, queue: bool) -> ImsJob:
        """Check, write down, wait for the turn, send, and return the job; in the order of the calls."""
        if not batch.records:
            raise InvalidInput(f"nothing to {batch.kind.value.lower()}: the batch is empty")
        if not queue:
            await self._refuse_if_busy_now()
        with self.line.join() as place:
            async with self._written_down(batch) as page:
                await place.turn()
                return await self._when_free(lambda: self._send_shielded(batch, page), queue=queue)

    async def submit_what(self, look: Callable[[], Awaitable[Batch | None]], *, queue: bool) -> ImsJob | None:
        """Wait for the turn, look what is to be sent as things stand now, and send that.

        It is looked at anew whenever another job went ahead: what was seen before it is stale.
        """
        if not queue:
            await self._refuse_if_busy_now()
        with self.line.join() as place:
            await place.turn()
            return await self._when_free(lambda: self._look_and_send(look), queue=queue)

    async def _look_and_send(self, look: Callable[[], Awaitable[Batch | None]]) -> ImsJob | None:
        since = dt.datetime.fromtimestamp(self._services.clock() - _SEEN_SINCE, dt.UTC)
        token = self._jobs.token(JobKind.SAVE, None, None)  # of the time before the look
        seen = since, await Page(self._services.journal).others(token, since)
        batch = await look()
        if batch is None or not batch.records:
            return None
        async with self._written_down(batch, token.submitted_at) as page:
            return await self._send_shielded(batch, page, seen)

    @contextlib.asynccontextmanager
    async def _written_down(self, batch: Batch, at: dt.datetime | None = None) -> AsyncIterator[Page]:
        """Check a batch and write it down; if it is not sent in the end, that is written down too.

        `at` is since when it is known how its records stood: now, unless they were looked at.
        """
        if not batch.checked:
            await self.check(batch.records)
        page = Page(self._services.journal)
        self._own.add(page.id)
        try:
            token = self._jobs.token(batch.kind, None, len(batch.records))
            if at is not None:
                token = attrs.evolve(token, submitted_at=at)
            await page.intend(token, batch.records, run=batch.run)
            if batch.fate.called_off:
                await self._jobs.mark_retried(batch.fate.called_off)
                batch.fate.called_off = ""
            yield page
        except BaseException as error:
            if page.stands is Phase.QUEUED:
                await page.call_off(_reason(error), _cause(error, batch))
            if page.stands in (Phase.CALLED_OFF, Phase.QUEUED):  # or somebody else has called it off
                batch.fate.called_off = page.name or ""
            if page.trouble:
                self._unwritten.append(page)
            raise
        finally:
            self._own.discard(page.id)

    async def _when_free(self, send: Callable[[], Awaitable[T]], *, queue: bool) -> T:
        """Send once no other job of this GSTIN is in flight, in this process or elsewhere."""
        delays, ends_at, stale = self._services.poll.delays(), None, 0
        while True:
            await self.wait_for_jobs()
            try:
                return await send()
            except JobInFlight as error:  # nothing was done with this one
                stale += isinstance(error, _StaleLookError)
                if isinstance(error, _StaleLookError) and stale == 1:
                    continue
                if isinstance(error, _TurnTakenError) and await self._make_way(error.entry, queue=queue):
                    continue
                now, delay = self._services.clock(), next(delays)
                ends_at = ends_at or now + self._services.poll.deadline
                if not queue or now + delay > ends_at:
                    raise JobInFlight(
                        f"nothing was done: a job of {self._gstin} from elsewhere is running ({error})",
                        code=error.code,
                        words=error.message if error.code else "",
                    ) from error
            await self._services.exchange.rest(delay)
            self._services.exchange.check_open()

    async def _make_way(self, entry: Entry, *, queue: bool) -> bool:
        """Take in the job that has the turn, to wait for it; False if another process is sending it now."""
        if entry.id in self._own:
            raise JobInFlight(
                f"nothing was sent: another process has dealt with batch {entry.id} meanwhile, "
                f"which is {entry.phase}"
            )
        lost = [page for page in self._unwritten if page.id == entry.id]
        for page in lost:  # it was called off, which could not be written down
            await page.write_again()
        self._unwritten = [page for page in self._unwritten if page.trouble]
        if lost and not lost[0].trouble:
            return True
        if may_be_leaving(entry.phase, entry.token, self._services.clock()):
            still_sent = self._still_sent(entry.token.submitted_at)
            if not queue:
                raise JobInFlight(f"nothing was sent: {still_sent}")
            _log.warning("waiting: %s", still_sent)
            return False
        job = await self._jobs.adopt(entry)
        if not queue and job.open:
            raise JobInFlight(f"nothing was sent: another job of {self._gstin} is running", job=job)
        return job.open

    async def _send_shielded(self, batch: Batch, page: Page, seen: _Seen | None = None) -> ImsJob:
        """Send the change. A caller cancelled before it is handed to the transport calls it off; one
        cancelled later loses no reply: the job stands in `unfinished`."""
        self._left, self._abandoned, self._being_sent = False, False, page.id
        sending = self._sending = asyncio.create_task(self._send(batch, page, seen))
        sending.add_done_callback(self._sent)
        try:
            return await asyncio.shield(sending)
        except asyncio.CancelledError:
            self._abandoned = True
            if not self._left:
                sending.cancel()
            raise

    def _is_sending(self) -> bool:
        return self._sending is not None and not self._sending.done()

    async def _refuse_if_busy_now(self) -> None:
        for job in self._jobs.unfinished():
            await self._ask_journal(job)
        self.refuse_if_busy(f"another job of {self._gstin} is running")

    def refuse_if_busy(self, why: str, *, watched: bool = False) -> None:
        """Raise `JobInFlight` if a job runs, or somebody waits to send one, or a reply is on its way.

        `watched` counts the jobs that are only being waited for, by their reference.
        """
        running = self._jobs.unfinished() + (self._jobs.watched() if watched else [])
        self._refuse_unknown(running)
        if running or self._is_sending() or self.line.busy:
            raise JobInFlight(why, job=running[0] if running else None)

    async def check(self, records: Sequence[Record]) -> list[rules.Finding]:
        """Return what the offline checks warn about; raise `InvalidDecision` if they refuse anything."""
        now = dt.datetime.fromtimestamp(self._services.clock(), dt.UTC)
        checker = rules.Checker(
            policy=self._services.rules, gstin=self._gstin, today=rules.india_date(now), now=now
        )
        findings: list[rules.Finding] = []
        for place, record in enumerate(records):
            findings += checker.one(record, place)
            if place % _CHECKS_PER_TURN == _CHECKS_PER_TURN - 1:
                await asyncio.sleep(0)
        findings += checker.end()
        rules.refuse(findings)
        if findings:
            by_code = Counter(finding.code for finding in findings)
            shown = ", ".join(f"{code} {count:,}" for code, count in by_code.most_common())
            _log.info("%s: %s records with warnings: %s", self._gstin, len(records), shown)
        return findings

    async def wait_for_jobs(self, *, watched: bool = False) -> None:
        """Wait until this GSTIN has no job in flight, driving those ahead if nobody else does."""
        if self._sending is not None and self._is_sending():
            await asyncio.wait([self._sending])  # its caller is gone, its reply is not
        for ahead in self._jobs.unfinished() + (self._jobs.watched() if watched else []):
            entry = await self._ask_journal(ahead)
            if not ahead.open or (not watched and self._may_still_move(entry)):
                continue  # the claim tells whether it is in the way
            self._refuse_unknown([ahead])
            self._services.exchange.check_open()
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
                    "nothing was sent; what became of the job ahead cannot be told: "
                    f"{error.without_advice()}",
                    job=ahead,
                    advice=_way_out(ahead),
                ) from error
            self._refuse_unknown([job for job in self._jobs.unfinished() if job is ahead])

    async def _ask_journal(self, job: ImsJob) -> Entry | None:
        """Learn whether another process has settled a job meanwhile."""
        with contextlib.suppress(JournalError):
            return await job.hear_from_journal()
        return None

    def _may_still_move(self, entry: Entry | None) -> bool:
        """Say whether another process may be about to send it, or be sending it, at this moment."""
        return entry is not None and (
            entry.phase is Phase.QUEUED or may_be_leaving(entry.phase, entry.token, self._services.clock())
        )

    def _still_sent(self, since: dt.datetime | None) -> str:
        at = "" if since is None else f" at {since.astimezone(dt.UTC):%H:%M:%S} UTC"
        return (
            f"another process began to send for {self._gstin}{at}, and may be at it still: wait "
            f"({in_minutes(SENDER_IS_DEAD)} after that it counts as dead)"
        )

    def _refuse_unknown(self, jobs: Sequence[ImsJob]) -> None:
        """Raise `JobInFlight` for a change of which nobody knows whether it was taken."""
        for job in jobs:
            if not job.pollable:  # done, and still open: its carrier broke off
                if job.may_be_leaving(self._services.clock()):  # it may yet succeed: not to be let go
                    raise JobInFlight(f"nothing was sent: {self._still_sent(job.submitted_at)}", job=job)
                raise JobInFlight(
                    f"what became of the last change of {self._gstin} is not known",
                    job=job,
                    advice=_way_out(job),
                )

    async def _send(self, batch: Batch, page: Page, seen: _Seen | None) -> ImsJob:
        """Send, and write down what came of it; `page` then says the same as what is returned or raised."""

        async def leaving(left: bool) -> None:
            if left:  # not sooner: until then it may wait for long, and others must not take it for sent
                await self._claim(page, self._jobs.token(batch.kind, None, len(batch.records)), seen)
            self._left = batch.fate.left = left

        accepted: Accepted | None = None
        try:
            answer = accepted = await self._run(batch, leaving)
            if await self._jobs.knows(answer.reference_id):
                accepted = None
                raise OutcomeUnknown(
                    f"the gateway answered with the name of an earlier job, {answer.reference_id}"
                )
        except OutcomeUnknown as error:
            job = await self._opened(batch, page, None)
            raise OutcomeUnknown(
                f"{error}; {len(batch.records)} records of {self._gstin}",
                job=job,
                advice="call taxpayer.reconcile(error.job), do not send them again",
            ) from error
        except _TurnTakenError:
            raise
        except JobInFlight as error:  # IMSSAV0015, say: nothing was done with this one
            self._left = True  # no longer to be broken off: what came of it is being written down
            await page.wait_again(str(error))
            if self._abandoned:
                await page.call_off(_reason(error), Cause.CANCELLED)
            raise
        except ImsError as error:  # the gateway, or our own rules, refused it
            self._left, batch.fate.left = True, False
            await page.call_off(_reason(error), _cause(error, batch))
            raise
        except BaseException as error:
            if self._left:  # the whole program is stopping: what is known is said in `unfinished`
                await self._opened(batch, page, accepted)
            else:
                await page.call_off(_reason(error), _cause(error, batch))
            raise
        return await self._opened(batch, page, accepted)

    async def _opened(self, batch: Batch, page: Page, accepted: Accepted | None) -> ImsJob:
        reference, route = (None, "") if accepted is None else (accepted.reference_id, accepted.route)
        token = self._jobs.token(batch.kind, reference, len(batch.records), route)
        job = batch.fate.job = self._jobs.opened(token, batch.records, page)
        await (page.unknown if accepted is None else page.ticketed)(job.token)
        return job

    async def _claim(self, page: Page, token: JobToken, seen: _Seen | None) -> None:
        """Take the turn in the journal; anew for each try, which may have had to wait in between."""
        if page.phase is Phase.SENDING and not await page.wait_again("to be tried again") and page.trouble:
            raise JournalError(f"{page.trouble}; nothing was sent")
        in_the_way = await page.claim(token)
        if in_the_way is not None:
            raise _TurnTakenError(in_the_way)
        if seen is not None and await page.others(token, seen[0]) != seen[1]:
            raise _StaleLookError("another batch was sent since the records were read")

    async def _run(self, batch: Batch, leaving: Leaving) -> Accepted:
        gsp, records = self._services.gsp, batch.records
        if batch.kind is JobKind.SAVE:
            decisions = [r for r in records if isinstance(r, Decision)]
            conversation = gsp.save(self._gstin, decisions, packed=batch.body)
        else:
            invoices = [r for r in records if isinstance(r, Invoice)]
            conversation = gsp.reset(self._gstin, invoices, packed=batch.body)
        try:
            return await self._services.exchange.run(conversation, self._credentials, leaving=leaving)
        except PayloadTooLarge as error:
            if error.limit:  # ours: it never left
                raise
            count = "1 record" if len(records) == 1 else f"{len(records):,} records"
            raise PayloadTooLarge(
                f"{error} ({count} in {error.size:,} bytes); nothing was done",
                size=error.size,
                advice="ims_async.bulk cuts them smaller, see its max_bytes",
            ) from error

    def _sent(self, sending: asyncio.Task[ImsJob]) -> None:
        if not sending.cancelled():
            sending.exception()
        if self._sending is sending:
            self._sending = None  # its result is a job with all its records

    @property
    def idle(self) -> bool:
        """True where nothing is sent or waits for its turn, and nothing is still to be written down."""
        return not (self._is_sending() or self.line.busy or self._own or self._unwritten)

    def is_own(self, entry: Entry) -> bool:
        """Say whether a batch is waiting, or being sent, in this process: no business of recovery's."""
        return entry.id in self._own or (self._is_sending() and entry.id == self._being_sent)

    async def aclose(self) -> None:
        """Let a change that is being sent be answered, stop polling, and let those in line be told."""
        if self._sending is not None and self._is_sending():
            await asyncio.wait([self._sending])
        await self._jobs.aclose()
        with self.line.join() as place, contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LANDING):  # in it is a logout, say, and no answer to that may come
                await place.turn()


def _reason(error: BaseException) -> str:
    """Say why nothing was done, in words that may be kept: the messages of our own errors only."""
    kind = next(cls.__name__ for cls in type(error).__mro__ if not cls.__name__.startswith("_"))
    return bounded(f"{kind}: {error}") if isinstance(error, ImsError) else kind


def _cause(error: BaseException, batch: Batch) -> Cause:
    """Say of what kind the reason is, for whoever goes on after this process."""
    if isinstance(error, asyncio.CancelledError):
        return Cause.CANCELLED
    if isinstance(error, JobInFlight):
        return Cause.IN_THE_WAY
    if isinstance(error, PayloadTooLarge) and len(batch.records) > 1:
        return Cause.NOT_SENT  # it goes in parts
    on_the_way = (GatewayUnavailable, NotAuthorized, QuotaExhausted, RateLimited)
    refused = isinstance(error, GatewayError | InvalidInput | NotSupported | PayloadTooLarge)
    return Cause.REFUSED if refused and not isinstance(error, on_the_way) else Cause.NOT_SENT


def _way_out(job: ImsJob) -> str:
    records = ", decisions" if job.records is None else ""
    return f"call taxpayer.reconcile(error.job{records}) first, or let_go(error.job) if you know"
