"""A job's handle: one driver however many wait, polls spaced by policy, states told as they change."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import attrs

from ..errors import (
    OUTAGE,
    ClientClosed,
    GatewayError,
    ImsError,
    InvalidInput,
    JobFailed,
    JobTimeout,
    JournalError,
    NotAuthorized,
    NotSupported,
    OutcomeUnknown,
    QuotaExhausted,
    RateLimited,
)
from ..journal import Cause, Entry, Phase
from ..loop_owner import LoopOwner, on_one_loop
from ..model.change import facts_of
from ..model.report import Evidence, JobReport, PReading, Record, account, settle
from ..model.status import JobKind, JobState, JobStatus, JobToken
from ..net.policies import PollPolicy
from .alarms import Alarm, Alarms
from .journaled import Page, may_be_leaving

_log = logging.getLogger("ims_async")

Poll = Callable[[JobToken], Awaitable[JobStatus]]


@attrs.define
class _Watch:
    """The polling of one job so far, in seconds of the event loop's clock."""

    delays: Iterator[float]
    next_at: float
    deadline: float | None = None
    polls: int = 0
    evidence: Evidence = attrs.field(factory=Evidence)
    refusals: int = 0
    denials: int = 0
    trouble: ImsError | None = None
    unanswered_since: float | None = None
    """When the first of the latest polls began, none of which the gateway has answered."""

    def polled(self, began: float, *, answered: bool) -> None:
        """Note that a poll which began then was answered, or was not."""
        if answered:
            self.unanswered_since = None
        elif self.unanswered_since is None:
            self.unanswered_since = began


@on_one_loop
class ImsJob:
    """A save or reset that the gateway has accepted for processing. Await it for its `JobReport`.

    It polls only while somebody waits or listens, since every poll is billed; ten waiters make the polls
    of one. Cancelling a waiter, even the last, loses nothing.
    """

    __slots__ = (
        "__weakref__",
        "_alarm",
        "_canned",
        "_closed",
        "_ended",
        "_history",
        "_limit",
        "_looked_at",
        "_loop_owner",
        "_page",
        "_policy",
        "_poll",
        "_poll_task",
        "_records",
        "_report",
        "_token",
        "_waiting",
        "_watch",
    )  # fmt: skip

    def __init__(
        self,
        token: JobToken,
        *,
        poll: Poll,
        policy: PollPolicy,
        records: Sequence[Record] | None = None,
        page: Page | None = None,
        ended: Callable[[ImsJob], None] = lambda _: None,
        canned: bool = False,
        closed: bool = False,
        loop_owner: LoopOwner | None = None,
        alarms: Alarms | None = None,
    ) -> None:
        self._loop_owner = loop_owner or LoopOwner("job")
        self._token, self._poll, self._policy = token, poll, policy
        self._page, self._ended, self._canned = page or Page(), ended, canned
        self._records = None if records is None else tuple(records)
        self._history = [_UNKNOWN if token.reference_id is None else _SUBMITTED]
        self._report: JobReport | None = None
        alarms = Alarms() if alarms is None else alarms
        self._alarm, self._limit = Alarm(alarms), Alarm(alarms)
        self._poll_task: asyncio.Task[None] | None = None
        self._waiting: dict[asyncio.Future[None], float] = {}
        self._watch: _Watch | None = None
        self._closed = closed
        self._looked_at = False

    # -- what is known, without asking ---------------------------------------------------------------

    @property
    def token(self) -> JobToken:
        """What finds the job again, in any process; holds no secret."""
        return self._token

    @property
    def reference_id(self) -> str | None:
        """The gateway's name for the job; None where no answer to the change came back."""
        return self._token.reference_id

    @property
    def gstin(self) -> str:
        """The taxpayer."""
        return self._token.gstin

    @property
    def kind(self) -> JobKind:
        """Save or reset."""
        return self._token.kind

    @property
    def submitted_at(self) -> dt.datetime | None:
        """When it was handed to the gateway, in UTC."""
        return self._token.submitted_at

    @property
    def submitted(self) -> int | None:
        """How many records it carries, where that is known."""
        return self._token.submitted

    @property
    def records(self) -> tuple[Record, ...] | None:
        """The very objects that were submitted; None for a job resumed without them (see `load`)."""
        return self._records

    @property
    def batch(self) -> str | None:
        """The journal's name for what was sent, where there is a journal."""
        return self._page.name

    @property
    def run(self) -> str:
        """The name of the bulk run that it is a part of; empty where it is of none."""
        return self._page.run

    @property
    def sent(self) -> bool:
        """False for a batch that waits for its turn, or was called off: nothing of it is at the gateway."""
        waits = self._page.stands in (Phase.QUEUED, Phase.CALLED_OFF)
        return self.reference_id is not None or not waits

    @property
    def reason(self) -> str:
        """Why nothing was done with a batch that was called off, in words for a person; empty otherwise."""
        return self._page.reason

    @property
    def cause(self) -> Cause | None:
        """The kind of that reason; None where there is none, or an older release did not keep it."""
        return self._page.cause

    @property
    def retried(self) -> bool:
        """True once `taxpayer.retry` has looked at what was not applied, and sent what still stood."""
        return self._page.retried

    @property
    def pollable(self) -> bool:
        """True if the gateway can be asked how it stands, and has not given its final word."""
        return self.reference_id is not None and not self.done

    @property
    def needs_a_look(self) -> bool:
        """True if what became of it is not known, and nobody can be asked: `taxpayer.reconcile` it."""
        unknown = self.open and self.sent and not self.pollable
        return unknown and self._page.stands is not Phase.SENDING  # else it is on its way at this moment

    @property
    def journal_error(self) -> JournalError | None:
        """Why the journal does not tell of it what we know; the next news will be written again."""
        return self._page.trouble

    @property
    def status(self) -> JobStatus:
        """The last reading. No I/O."""
        return self._history[-1]

    @property
    def watched(self) -> bool:
        """True while somebody waits for it, or listens."""
        return bool(self._waiting)

    @property
    def open(self) -> bool:
        """True until what became of the records is known: a job that nobody can ask any more stays open."""
        over = self._looked_at or self._page.stands is Phase.CALLED_OFF
        return not over and (not self.done or self.status.carrier_failed)

    @property
    def done(self) -> bool:
        """True once the gateway has given its final word, and we have heard it. No I/O."""
        return self.status.done

    def __repr__(self) -> str:
        name = self.reference_id or "without reference"
        return f"<ImsJob {self.kind.value} {name} of {self.gstin}: {self.status.state}>"

    async def load(self) -> tuple[Record, ...] | None:
        """Return the records, from the journal where they are not at hand; None where nobody has them.

        Awaiting a job, or reconciling it, does that by itself. Raises `JournalError`.
        """
        if self._records is None:
            records = await self._page.records()
            if self._records is None and self._report is None:
                self._records = records
        return self._records

    # -- waiting ---------------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, JobReport]:
        return self.result().__await__()

    async def result(self, timeout: float | None = None) -> JobReport:  # noqa: ASYNC109 # public name
        """Wait for the end and return the report; all waiters get the same object. `timeout` in seconds.

        Raises `JobFailed` where the gateway refused the whole job, `JobTimeout` when waiting ended first,
        `OutcomeUnknown` for a job without a reference, `NotAuthorized` where a person has to log in.
        """
        await self.wait(timeout)
        return self._outcome()

    async def result_in_outage(self, longest: float) -> JobReport:
        """Wait as `result`; raises `JobTimeout` too once no poll was answered for `longest` seconds."""
        while not self.done:
            await self._change(longest)
        return self._outcome()

    def _outcome(self) -> JobReport:
        status, report = self.status, self.report
        assert report is not None  # noqa: S101 # a final status makes the report
        if status.state is JobState.FAILED:
            code = report.error_code or status.raw_code
            reason = f"{code} {report.reason}".rstrip()
            what = (
                f"the task that carried job {self.reference_id} broke off, and what was applied is not known "
                f"(call taxpayer.reconcile(job)): {reason}"
                if status.carrier_failed
                else f"the gateway refused job {self.reference_id} as a whole: {reason}"
            )
            raise JobFailed(
                what,
                code=code,
                words=report.reason,
                report=report,
                job=self,
            )
        return report

    @property
    def report(self) -> JobReport | None:
        """The report of a finished job, or None. No I/O."""
        if self._report is None and self.done:
            report = account(self.status, self._records, self.submitted)
            self._report = attrs.evolve(report, batch=self.batch, canned=self._canned)
        return self._report

    @property
    def without_effect(self) -> tuple[Record, ...]:
        """The records that this job is known to have left as they were.

        All of them where another job was in the way, and those that a look showed so, or changed. No I/O.
        """
        if self.open or not (self.status.in_the_way or self.status.found):
            return ()
        failed = self.report.failed if self.report else ()
        return tuple(failure.record for failure in failed if failure.record is not None)

    async def wait(self, timeout: float | None = None) -> JobStatus:  # noqa: ASYNC109 # public name
        """Wait for the final status, which may be a failure. `timeout` in seconds; see `result`."""
        if timeout is None:
            while not self.done:
                await self._change()
            return self.status
        try:
            async with asyncio.timeout(timeout) as limit:
                await self.wait()
        except TimeoutError as error:
            if isinstance(error, JobTimeout) or not limit.expired():
                raise
            raise self._timed_out(f"no final status within the {timeout:g} s asked for") from None
        return self.status

    async def events(self) -> AsyncIterator[JobStatus]:
        """Yield each change of status, from the first on, also for a late listener; ends with the job."""
        told = 0
        while True:
            while told < len(self._history):
                told += 1
                yield self._history[told - 1]
            if self.done:
                return
            await self._change()

    async def refresh(self) -> JobStatus:
        """Poll once, now, and return the status. Raises what the poll raises; the job is not harmed."""
        if not self.done:
            watch = self._ready_watch()
            watch.polls += 1
            await self._poll_once(watch)
            watch.trouble = watch.unanswered_since = None
        return self.status

    @property
    def unanswered(self) -> bool:
        """True if the gateway did not answer the last poll."""
        return self._watch is not None and self._watch.unanswered_since is not None

    def _change(self, longest: float = math.inf) -> asyncio.Future[None]:
        """Return what to await, as one of those for whom the job is polled, until something is new.

        It raises `JobTimeout` at the deadline, and once no poll was answered for `longest` seconds.
        """
        if self.reference_id is None:
            raise self._without_reference()
        if self._closed:
            raise ClientClosed(_CLOSED, token=self.token)
        if not self._waiting and self._watch is not None:
            self._watch.unanswered_since = None  # silence counts while somebody waits
        change = asyncio.get_running_loop().create_future()
        self._waiting[change] = longest
        change.add_done_callback(self._leave)
        self._set_alarms()
        return change

    def _leave(self, change: asyncio.Future[None]) -> None:
        del self._waiting[change]
        if not self._waiting:
            self._rest()

    # -- the one driver: an alarm between polls, a task only while one is under way --------------------

    def _set_alarms(self) -> None:
        """Be woken for the next poll, and at the deadline, which holds also while a poll hangs."""
        if self.done:
            return
        watch = self._ready_watch()
        if not self._alarm.is_set and self._poll_task is None:
            self._alarm.set(watch.next_at, partial(self._ring, watch))
        if not self._limit.is_set and watch.polls:
            if watch.deadline is None:
                watch.deadline = self._now() + self._policy.deadline
            self._limit.set(watch.deadline, partial(self._give_up, watch))

    def _ring(self, watch: _Watch) -> None:
        if watch.next_at > self._now() + _SHORTEST_WAIT:  # it was refreshed meanwhile
            self._set_alarms()
            return
        watch.polls += 1
        task = asyncio.get_running_loop().create_task(self._poll_and_go_on(watch))
        self._poll_task = None if task.done() else task  # an eager one may have ended already
        if not self._limit.is_set:
            self._set_alarms()

    def _give_up(self, watch: _Watch) -> None:
        self._tell_all(self._timed_out(f"the deadline of {self._policy.deadline:g} s has passed"))
        watch.deadline = None

    async def _poll_and_go_on(self, watch: _Watch) -> None:
        try:
            failure = await self._poll_quietly(watch)
        finally:
            self._poll_task = None
        if failure is not None:
            self._tell_all(failure)
            return
        self._end_waits_in_outage(watch)
        if self._waiting:
            self._set_alarms()

    def _end_waits_in_outage(self, watch: _Watch) -> None:
        if watch.unanswered_since is None:
            return
        silence = self._now() - watch.unanswered_since
        for change, longest in self._waiting.items():
            if silence >= longest and not change.done():
                change.set_exception(self._timed_out(f"the gateway answered no poll for {longest:g} s"))

    def _rest(self) -> None:
        """Stop the alarms when nobody waits any more; a poll under way is let finish: it is paid for."""
        self._alarm.cancel()
        self._limit.cancel()

    async def _poll_quietly(self, watch: _Watch) -> Exception | None:
        """Poll once; absorb what time may heal, return what a person has to hear."""
        began, answered = self._now(), True
        try:
            await self._poll_once(watch)
        except (NotAuthorized, QuotaExhausted) as error:
            watch.trouble, watch.refusals = error, watch.refusals + 1
            # A credential that is missing here, or was refused twice, will not come back by waiting.
            return error if error.http_status is None or watch.refusals > 1 else None
        except (ClientClosed, InvalidInput, NotSupported, OutcomeUnknown) as error:
            return error  # nothing that time would heal
        except ImsError as error:
            answered = not isinstance(error, OUTAGE)
            watch.trouble = error.with_traceback(None)  # kept until the next poll: without its frames
            watch.denials += type(error) is GatewayError
            if watch.denials >= _DENIALS and self._records is None and self.status.polled_at is None:
                return error
            if isinstance(error, RateLimited) and error.retry_after is not None:
                if error.retry_after > self._policy.deadline:
                    return error  # nobody waits so long: whoever awaits the job may decide what to do
                watch.next_at = max(watch.next_at, self._now() + error.retry_after)
        except Exception as error:  # noqa: BLE001 # a defect is the waiters' to see, not the event loop's
            return error
        else:
            watch.trouble, watch.refusals = None, 0
        finally:
            watch.polled(began, answered=answered)
        return None

    async def _poll_once(self, watch: _Watch) -> None:
        if self.reference_id is None:
            raise self._without_reference()
        if await self._look_up():
            return
        try:
            status = await self._poll(self._token)
        except ClientClosed:
            raise ClientClosed(_CLOSED, token=self.token) from None
        finally:
            watch.next_at = self._now() + next(watch.delays)
        if status.route:
            self._token = attrs.evolve(self._token, route=status.route)
        now, p_means = self._now(), self._policy.p_means
        if self._canned and p_means is PReading.EVIDENCE:
            # Its counts are of no job of ours: no more polls would make them fit.
            p_means = PReading.PROCESSED
        watch.evidence = watch.evidence.with_poll(status, now)
        status = settle(
            status,
            submitted=self.submitted,
            evidence=watch.evidence,
            now=now,
            p_means=p_means,
        )
        await self._write_down(status)
        self._note(status)

    async def _look_up(self) -> bool:
        """Learn from the journal of a job that is known by its token or name only; True if it has ended."""
        entry = await self._page.find()
        if entry is None:
            return False
        self.learn(entry.token, None)
        if entry.phase is not Phase.ENDED or entry.status is None:
            return False
        await self._load_quietly()
        self._note(entry.status)
        return True

    async def _write_down(self, status: JobStatus) -> None:
        """Put what is new into the journal before anybody hears it, so that a crash loses no report."""
        if self.done or facts_of(status) == facts_of(self.status):
            return
        await self._page.heard(status, self._token if status.route else None)
        if status.done:
            await self._load_quietly()

    async def _load_quietly(self) -> None:
        try:
            await self.load()
        except JournalError as error:
            self._page.failed(error, f"the report of job {self.reference_id} can name keys only")

    def _note(self, status: JobStatus) -> None:
        """Keep a reading; wake those who wait if it says anything new."""
        last = self.status
        if last.done:
            if not last.carrier_failed or status.found is None:
                return  # one job has one outcome
            self._report = None  # what its carrier left open, a look has told
        if facts_of(status) == facts_of(last):
            self._history[-1] = status
            return
        if not status.documented and status.raw_code != last.raw_code:
            _log.warning(
                "job %s: status code %r is not documented; polling on", self.reference_id, status.raw_code
            )
        self._history.append(status)
        if status.done:
            self._ended(self)
        for change in self._waiting:
            if not change.done():
                change.set_result(None)

    def _tell_all(self, error: Exception) -> None:
        for change in self._waiting:
            if not change.done():
                change.set_exception(error)

    def _timed_out(self, why: str) -> JobTimeout:
        watch, last = self._watch, self.status
        polls = watch.polls if watch else 0
        trouble = f"; the last poll failed: {watch.trouble}" if watch and watch.trouble else ""
        return JobTimeout(
            f"job {self.reference_id} of {self.gstin} runs on: {why}, {polls} polls, last status "
            f"{last.raw_code or 'none'} ({last.state}){trouble}; await it again, or resume its token",
            job=self,
        )

    def _without_reference(self) -> OutcomeUnknown:
        what = "the change was sent and no reference came back: call taxpayer.reconcile(job)"
        match self._page.stands:
            case Phase.QUEUED:
                what = (
                    "its process ended while it waited for its turn, and nothing of it was sent: call "
                    "taxpayer.reconcile(job), then taxpayer.retry(job.report)"
                )
            case Phase.CALLED_OFF:
                why = self.reason or "called off"
                what = f"nothing of it was sent ({why}): taxpayer.retry(job) sends what still stands"
            case Phase.SENDING:
                what = (
                    "another process was sending it when the journal was read: ask client.unfinished() again "
                    "later; taxpayer.reconcile(job) looks what took effect"
                )
        return OutcomeUnknown(what, job=self)

    def _ready_watch(self) -> _Watch:
        now = self._now()
        if self._watch is None:
            delays = self._policy.delays()
            self._watch = _Watch(delays, now + next(delays))
        elif self._watch.deadline is not None and now >= self._watch.deadline:
            self._watch.deadline = None  # nobody waited when it passed; a new wait starts a new one
        return self._watch

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # -- for the client --------------------------------------------------------------------------------

    def learn(self, token: JobToken, records: Sequence[Record] | None) -> None:
        """Take the facts of a token that knows more than this handle did."""
        if token.route and not self._token.route:
            self._token = attrs.evolve(self._token, route=token.route)
        poorer = self.submitted is None and token.submitted is not None
        poorer |= self.submitted_at is None and token.submitted_at is not None
        if poorer and self._report is None:
            known = self.submitted if token.submitted is None else token.submitted
            self._token = attrs.evolve(token, submitted=known, route=self._token.route)
        if self._records is None and records is not None and self._report is None:
            self._records = tuple(records)

    async def let_go(self) -> None:
        """Hold nothing up any more for the sake of this job, although nobody has heard what became of it."""
        self._looked_at = True
        await self._page.let_go()

    async def take_over(self) -> bool:
        """Make sure that a batch that waited in another process is sent by nobody; False if it was sent."""
        return self._page.stands is Phase.CALLED_OFF or await self._page.take_over()

    async def sender_died(self) -> None:
        """Note that the process that was sending it did not live to say what came of it."""
        await self._page.sender_died()

    def may_be_leaving(self, now: float) -> bool:
        """Say whether another process may be sending it at this moment; `now` in seconds since the epoch."""
        return may_be_leaving(self._page.stands, self._token, now)

    def note_retried(self) -> None:
        """Note that it was retried; the journal is told by who did it."""
        self._page.retried = True

    async def settle_by_looking(self, status: JobStatus) -> None:
        """Take what was found out by reading the records of a job that could not be asked, or no more."""
        self._looked_at = True
        if not await self._page.settled(status):
            with contextlib.suppress(JournalError):
                await self.hear_from_journal()  # one job has one report, whoever settled it first
        self._note(status)

    async def hear_from_journal(self) -> Entry | None:
        """Take what another process wrote down of this job, and return it. Raises `JournalError`."""
        entry = await self._page.entry()
        if entry is not None:
            await self.hear_of(entry)
        return entry

    async def hear_of(self, entry: Entry) -> None:
        """Take what the journal tells, and write down again what could not be written before."""
        if entry.phase.open and not self.open:
            await self._page.write_again()
            return
        self._page.catch_up(entry)
        self._looked_at |= not entry.phase.open
        if self.reference_id is None:
            self._token = entry.token  # the quiet time counts from when it was sent, not handed in
            if self.reference_id is not None:
                self._note(_SUBMITTED)
        status = entry.status
        if status is None or (self.done and not self.status.carrier_failed):
            return
        if status.done:
            await self._load_quietly()
        if status.done or (status.polled_at or 0.0) > (self.status.polled_at or 0.0):
            self._note(status)

    async def aclose(self) -> None:
        """Stop polling; those who wait get `ClientClosed` with the token."""
        self._closed = True
        self._tell_all(ClientClosed(_CLOSED, token=self.token))
        self._rest()
        if self._poll_task is not None:
            self._poll_task.cancel()
            await asyncio.wait([self._poll_task])


# A job known by its name only, that the gateway has never told of and has denied so many times, is not worth
# the deadline: it was mistyped, or is forgotten. One that was sent from here is polled on.
_DENIALS: Final = 5
_SHORTEST_WAIT: Final = 0.001  # seconds: a timer may be early by the clock's resolution
_SUBMITTED: Final = JobStatus(state=JobState.PROCESSING)
_UNKNOWN: Final = JobStatus(state=JobState.UNKNOWN)
_CLOSED: Final = "the client was closed; the job runs on at the gateway: resume it from its token"


async def as_completed(jobs: Iterable[ImsJob]) -> AsyncIterator[ImsJob]:
    """Yield jobs as they end, failed ones too: ask each for its `report` or `status`.

    A job that stops being waited for (deadline, lost session) is yielded as well, not `done`; no job's
    trouble drops a sibling.
    """
    jobs = list(dict.fromkeys(jobs))
    for job in jobs:
        job._loop_owner.check()
    waits = {asyncio.create_task(job.wait()): job for job in jobs}
    for wait in waits:
        wait.add_done_callback(_heard)
    try:
        pending = set(waits)
        while pending:
            finished, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for wait in finished:
                yield waits[wait]
                waits[wait]._loop_owner.check()
    finally:
        for wait in waits:
            wait.cancel()


def _heard(wait: asyncio.Task[JobStatus]) -> None:
    """Hear an error, also where nobody asks any more: the job itself tells what is the matter."""
    if not wait.cancelled():
        wait.exception()
