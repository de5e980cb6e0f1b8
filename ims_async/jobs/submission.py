"""One GSTIN's changes, one at a time: the queue of those that wait, and the one on its way."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import attrs

from ..errors import (
    ON_THE_WAY,
    GatewayError,
    ImsError,
    InvalidInput,
    JobInFlight,
    JobTimeout,
    JournalError,
    OutcomeUnknown,
)
from ..journal.base import Claim
from ..model.change import Change
from ..model.moves import ChangeState
from ..model.times import LANDING, SENDER_IS_DEAD, in_minutes
from ..net.credentials import Credentials
from .context import Services
from .job import ImsJob
from .journaled import JournaledChange, new_id
from .registry import JobRegistry
from .sending import Batch, Sender

_log = logging.getLogger("ims_async")

SendResult = ImsJob | Claim | None
"""The job of what was sent, the claim that was not taken, or None where nothing was to be sent."""


class FifoGate:
    """A queue that lets one through at a time, in order of arrival, however long each takes to get ready."""

    def __init__(self) -> None:
        self._last: asyncio.Future[None] | None = None

    @property
    def busy(self) -> bool:
        """True if the queue is not empty."""
        return self._last is not None and not self._last.done()

    @contextlib.contextmanager
    def join(self) -> Iterator[Callable[[], Awaitable[None]]]:
        """Take the last place, for the block; `await turn()` in it waits until all ahead have left.

        One that leaves before its turn gives its place up: those behind then wait for those ahead.
        """
        ahead, left = self._last, asyncio.get_running_loop().create_future()
        self._last = left

        async def turn() -> None:
            if ahead is not None and not ahead.done():
                await asyncio.wait([ahead])

        try:
            yield turn
        finally:
            if ahead is None or ahead.done():
                left.set_result(None)
            else:
                ahead.add_done_callback(lambda _: left.set_result(None))


class Changes:
    """What a taxpayer is about to send."""

    def __init__(self, gstin: str, services: Services, credentials: Credentials, jobs: JobRegistry) -> None:
        self._jobs, self._gstin, self._services = jobs, gstin, services
        self._sender = Sender(gstin, services, credentials, jobs)
        self.gate = FifoGate()
        self._unwritten: list[JournaledChange] = []
        self._own: set[str] = set()  # the changes that a caller in this process waits for to be sent

    async def submit(self, batch: Batch, *, queue: bool) -> ImsJob:
        """Check, write down, wait for the turn, send, and return the job; in the order of the calls."""
        if not batch.records and not batch.kind.repeatable:
            raise InvalidInput(f"nothing to {batch.kind.word}: the batch is empty")
        if not queue:
            await self._refuse_if_busy_now()
        with self.gate.join() as turn:
            async with self._written_down(batch) as journaled:
                await turn()
                job = await self._when_free(lambda: self._sender.send(batch, journaled), queue=queue)
                assert job is not None  # noqa: S101 # there is something to send
                return job

    async def send_again(self, job: ImsJob) -> bool:
        """Send once more a change that was lost and may be repeated; False if it has moved on meanwhile."""
        with self.gate.join() as turn:
            await turn()
            return await self._send_again(job)

    async def _send_again(self, job: ImsJob) -> bool:
        await self._sender.wait()
        await _ask_journal(job)
        await job._note_dead_sender()
        if not job.change.to_send_again:
            return False
        try:
            batch = Batch(kind=job.kind, period=job.period, job=job)
            return not isinstance(await self._sender.send(batch, job._journaled), Claim)
        finally:
            await job._show()  # it may be refused by now, or another process was quicker
            if job._journaled.behind and not job.open:
                self._unwritten.append(job._journaled)

    async def submit_what(self, look: Callable[[], Awaitable[Batch | None]], *, queue: bool) -> ImsJob | None:
        """Wait for the turn, look what is to be sent as things stand now, and send that.

        It is looked at anew whenever another job went ahead: what was seen before it is stale.
        """
        if not queue:
            await self._refuse_if_busy_now()
        with self.gate.join() as turn:
            await turn()
            return await self._when_free(lambda: self._look_and_send(look), queue=queue)

    async def _look_and_send(self, look: Callable[[], Awaitable[Batch | None]]) -> SendResult:
        at = self._services.now()
        try:
            since = (await self._services.journal.now()).revision
        except JournalError as error:
            raise JournalError(f"{error}; nothing was sent") from error
        batch = await look()
        if batch is None or not batch.records:
            return None
        async with self._written_down(batch, at) as journaled:
            sent = await self._sender.send(batch, journaled, since)
            if isinstance(sent, Claim):
                await journaled.apply(batch.calling_off(_in_the_way(sent)))
            return sent

    @contextlib.asynccontextmanager
    async def _written_down(
        self, batch: Batch, at: dt.datetime | None = None
    ) -> AsyncIterator[JournaledChange]:
        """Check a batch and write it down; if it is not sent in the end, that is written down too.

        `at` is since when it is known how its records stood: now, unless they were looked at.
        """
        if not batch.checked:
            await self._services.warnings(self._gstin, batch.records)
        token = self._jobs.token(batch.kind, None, len(batch.records), batch.period)
        batch.handed_in = token if at is None else attrs.evolve(token, submitted_at=at)
        earlier = batch.unsent_id
        await self._write_owed()
        change = Change(id=new_id(self._services.clock()), token=batch.handed_in, run=batch.run)
        journaled = JournaledChange(self._services.journal, change)
        self._own.add(change.id)
        try:
            await journaled.add(batch.records)
            batch.journaled = journaled
            if earlier:
                await self._jobs.mark_retried(earlier)
            yield journaled
        except BaseException as error:
            try:
                if journaled.change.state is ChangeState.QUEUED:
                    # A caller that is cancelled once more does not wait for that write; it goes on.
                    await asyncio.shield(journaled.apply(batch.calling_off(error)))
            finally:
                if journaled.behind:
                    self._unwritten.append(journaled)
            raise
        finally:
            self._own.discard(change.id)

    async def _write_owed(self) -> None:
        """Write down what became of batches that were not sent, where that failed or was broken off."""
        for journaled in list(self._unwritten):
            await journaled.write()
        self._unwritten = [journaled for journaled in self._unwritten if journaled.behind]

    async def _when_free(self, send: Callable[[], Awaitable[SendResult]], *, queue: bool) -> ImsJob | None:
        """Send once no other job of this GSTIN is in flight, in this process or elsewhere."""
        delays: Iterator[float] | None = None
        ends_at, stale = None, 0
        while True:
            await self.wait_for_jobs()
            try:
                sent = await send()
            except JobInFlight as error:  # by the gateway: nothing was done with this one
                in_the_way = error.with_traceback(None)  # kept while it waits: without its frames
            else:
                if not isinstance(sent, Claim):
                    return sent
                stale += sent.moved
                if (sent.moved and stale == 1) or await self._make_way(sent, queue=queue):
                    continue
                in_the_way = _in_the_way(sent)
            delays = delays or self._services.poll.delays()
            now, delay = self._services.clock(), next(delays)
            ends_at = ends_at or now + self._services.poll.deadline
            if not queue or now + delay > ends_at:
                raise JobInFlight(
                    f"nothing was done: a job of {self._gstin} from elsewhere is running ({in_the_way})",
                    code=in_the_way.code,
                    words=in_the_way.message if in_the_way.code else "",
                ) from in_the_way
            await self._services.rest(delay)

    async def _make_way(self, claim: Claim, *, queue: bool) -> bool:
        """Take in the job that has the turn, to wait for it; False if another process is sending it now."""
        ahead = claim.ahead
        if ahead is None:
            # Of `submit_what` the records are read again, and what still stands goes as another change.
            if claim.change.id in self._own:
                raise JobInFlight(f"nothing was sent: {_in_the_way(claim).message}")
            return False
        lost = [journaled for journaled in self._unwritten if journaled.change.id == ahead.id]
        await self._write_owed()  # it was called off, say, which could not be written down
        if lost and not lost[0].behind:
            return True
        if ahead.may_be_leaving(self._services.clock()):
            still_sent = self._still_sent(ahead)
            if not queue:
                raise JobInFlight(f"nothing was sent: {still_sent}")
            _log.warning("waiting: %s", still_sent)
            return False
        job = await self._jobs.adopt(ahead)
        if not queue and job.open:
            raise JobInFlight(f"nothing was sent: another job of {self._gstin} is running", job=job)
        return job.open

    async def _refuse_if_busy_now(self) -> None:
        for job in self._jobs.unfinished():
            await _ask_journal(job)
        self.refuse_if_busy(f"another job of {self._gstin} is running")

    def refuse_if_busy(self, why: str, *, watched: bool = False) -> None:
        """Raise `JobInFlight` if a job runs, or somebody waits to send one, or a reply is on its way.

        `watched` as in `JobRegistry.unfinished`.
        """
        running = self._jobs.unfinished(watched=watched)
        for job in running:
            self._refuse_unknown(job)
        if running or self._sender.busy or self.gate.busy:
            raise JobInFlight(why, job=running[0] if running else None)

    async def wait_for_jobs(self, *, watched: bool = False) -> None:
        """Wait until this GSTIN has no job in flight, driving those ahead if nobody else does."""
        await self._sender.wait()  # its caller may be gone, its answer is not
        for ahead in self._jobs.unfinished(watched=watched):
            await _ask_journal(ahead)
            # What another process sends now, or is about to: the claim says whether it is in the way.
            moving = not ahead.sent or ahead.change.may_be_leaving(self._services.clock())
            if not ahead.open or (moving and not watched):
                continue
            if ahead.kind.repeatable and not await self._asked_again(ahead):
                continue
            self._refuse_unknown(ahead)
            self._services.exchange.check_open()
            try:
                await ahead.wait()
            except JobTimeout as error:
                why = f"nothing was sent, the job ahead still runs: {error}"
                raise JobInFlight(why, job=ahead) from error
            except ON_THE_WAY:
                raise
            except (GatewayError, OutcomeUnknown) as error:
                why = f"what became of the job ahead cannot be told: {error.without_advice()}"
                raise JobInFlight(f"nothing was sent; {why}", job=ahead, advice=_way_out(ahead)) from error
            if self._jobs.is_unfinished(ahead):
                self._refuse_unknown(ahead)

    async def _asked_again(self, ahead: ImsJob) -> bool:
        """Send once more what was lost ahead; False if it is over, since the gateway refuses it by now."""
        try:
            await self._send_again(ahead)
        except OutcomeUnknown as error:
            why = f"nothing was sent: {error.without_advice()}"
            raise JobInFlight(why, job=ahead, advice=_way_out(ahead)) from error
        except ImsError as error:
            if ahead.open:
                raise
            _log.warning("%r was lost, and is refused by now: %s", ahead, error)
        return ahead.open

    def _still_sent(self, change: Change) -> str:
        since = change.token.submitted_at
        at = "" if since is None else f" at {since.astimezone(dt.UTC):%H:%M:%S} UTC"
        return (
            f"another process began to send for {self._gstin}{at}, and may be at it still: wait "
            f"({in_minutes(SENDER_IS_DEAD)} after that it counts as dead)"
        )

    def _refuse_unknown(self, job: ImsJob) -> None:
        """Raise `JobInFlight` for a change of which nobody knows whether it was taken."""
        if job.pollable:
            return
        if job.change.may_be_leaving(self._services.clock()):  # it may yet succeed: not to be let go
            raise JobInFlight(f"nothing was sent: {self._still_sent(job.change)}", job=job)
        why = f"what became of the last change of {self._gstin} is not known"
        raise JobInFlight(why, job=job, advice=_way_out(job))

    @property
    def idle(self) -> bool:
        """True where nothing is sent or waits for its turn, and nothing is still to be written down."""
        return not (self._sender.busy or self.gate.busy or self._own or self._unwritten)

    def is_own(self, change: Change) -> bool:
        """Say whether a change is waiting, or being sent, in this process: no business of recovery's."""
        return change.id in self._own or self._sender.sends(change.id)

    async def aclose(self) -> None:
        """Let a change that is being sent be answered, stop polling, and let those that wait hear of it."""
        await self._sender.wait()
        await self._write_owed()
        await self._jobs.aclose()
        with self.gate.join() as turn, contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LANDING):  # in it is a logout, say, and no answer to that may come
                await turn()


async def _ask_journal(job: ImsJob) -> None:
    """Learn whether another process has settled a job meanwhile."""
    with contextlib.suppress(JournalError):
        await job._hear_from_journal()


def _in_the_way(claim: Claim) -> JobInFlight:
    """Return the error of a claim that was not taken."""
    own, ahead = claim.change, claim.ahead
    if ahead is not None:
        what = f"another change of {own.token.gstin} has the turn: change {ahead.id}, {ahead.state}"
    elif claim.moved:
        what = f"another change of {own.token.gstin} was sent since its records were read"
    else:
        what = f"another process has dealt with change {own.id} meanwhile, which is {own.state}"
    return JobInFlight(what)


def _way_out(job: ImsJob) -> str:
    if job.kind.repeatable:
        return "call taxpayer.reconcile(error.job): it is asked for again; or let_go(error.job)"
    records = ", decisions" if job.records is None else ""
    return f"call taxpayer.reconcile(error.job{records}) first, or let_go(error.job) if you know"
