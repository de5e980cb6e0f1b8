"""Polling a job: one driver however many wait, polls spaced by policy or by what was learned of others."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

import attrs

from ..errors import (
    OUTAGE,
    ClientClosed,
    GatewayError,
    ImsError,
    InvalidInput,
    JobTimeout,
    NotAuthorized,
    NotSupported,
    OutcomeUnknown,
    QuotaExhausted,
    RateLimited,
)
from ..gsp.evidence import NO_EVIDENCE, Evidence, settle
from ..model.change import Change
from ..model.status import JobKind, JobStatus, PReading
from ..model.tokens import JobToken
from ..net.poll_times import PollTimes
from .alarms import Alarm
from .facts import check_pollable

if TYPE_CHECKING:
    from .job import ImsJob

Poll = Callable[[JobToken], Awaitable[JobStatus]]

# A job known by its reference only, that the gateway has never shown and has denied so many times, is not
# worth the deadline: it was mistyped, or is forgotten. One that was sent from here is polled on.
_DENIALS: Final = 5
_SHORTEST_WAIT: Final = 0.001  # seconds: a timer may be early by the clock's resolution

_MAX_OUTAGE: Final[ContextVar[float]] = ContextVar("_MAX_OUTAGE", default=math.inf)


@contextlib.contextmanager
def ending_in_outage(seconds: float) -> Iterator[None]:
    """Let each wait for a job raise `JobTimeout` once no poll was answered for so long.

    Those of this task and of all tasks that it begins: also of a job that is only in the way of another.
    """
    before = _MAX_OUTAGE.set(seconds)
    try:
        yield
    finally:
        _MAX_OUTAGE.reset(before)


@attrs.define(eq=False, repr=False, weakref_slot=False)
class Course:
    """What the polls of a job have shown: what it says of its records, and how long it has been running."""

    may_be_done: bool = False
    """Whether what it said last, with code P, may be the end."""
    _evidence: Evidence = NO_EVIDENCE
    _sent_at: float | None = None
    """When it was sent: of the clock of the day, which may be set, only the first reading counts."""
    _ran_at: float = 0.0

    def age(self, job: ImsJob) -> float | None:
        """Return for how many seconds it has been running, if that is known."""
        if self._sent_at is None and job.pollable and job.submitted_at is not None:
            age = job._clock() - job.submitted_at.timestamp()
            self._sent_at = _now() - round(age, 3)  # rounded to microseconds, it may have been sent just now
        return None if self._sent_at is None else _now() - self._sent_at

    def heard(self, status: JobStatus, job: ImsJob, p_means: PReading) -> JobStatus:
        """Take an answer in; return what it means."""
        before, now, age = self._evidence, _now(), self.age(job)
        if job.kind is not JobKind.REGENERATE:  # whose code P is the end
            self._evidence = before.with_poll(status, now)
            status = settle(
                status, submitted=job.submitted, evidence=self._evidence, now=now, p_means=p_means
            )
            self.may_be_done = p_means is PReading.EVIDENCE and self._evidence.may_be_end
        if age is not None and before.polls and self._evidence.since != before.since:
            self._ran_at = max(self._ran_at, age - (now - before.since))  # what it says has changed since
        if age is not None and not status.done and not self.may_be_done:
            self._ran_at = max(self._ran_at, age)
        return status

    def span(self, job: ImsJob) -> tuple[float, float]:
        """Return at which age it was last seen running (0: never), and at which it was done."""
        stood = _now() - self._evidence.since if self.may_be_done else 0.0  # saying the same
        return self._ran_at, (self.age(job) or 0.0) - stood


@attrs.define(kw_only=True, eq=False, repr=False, weakref_slot=False)
class Poller:
    """The polling of one job, in seconds of the event loop's clock: an alarm between polls, then a task.

    It keeps no reference to its job, which is passed in: an ended job that nobody holds is freed at once,
    with all its records.
    """

    _ask: Poll
    _times: PollTimes
    _alarm: Alarm
    _limit: Alarm
    _closed: bool
    _waiting: dict[asyncio.Future[None], float] = attrs.field(factory=dict)
    """How long each wait goes on in an outage."""
    _task: asyncio.Task[None] | None = None
    _schedule: Iterator[float] | None = None
    """The delays of a policy that has its own."""
    _next_at: float = 0.0
    _planned: int = 0
    _polls: int = 0
    _course: Course = attrs.field(factory=Course)
    _deadline: float | None = None
    _refusals: int = 0
    _denials: int = 0
    _trouble: ImsError | None = None
    _unanswered_since: float | None = None
    """When the first of the latest polls began, none of which the gateway has answered."""

    @property
    def watched(self) -> bool:
        """True while somebody waits."""
        return bool(self._waiting)

    @property
    def unanswered(self) -> bool:
        """True if the gateway did not answer the last poll."""
        return self._unanswered_since is not None

    def news(self, job: ImsJob) -> asyncio.Future[None]:
        """Return a future that is done at the next news of the job, which is polled until then.

        It raises `JobTimeout` at the deadline, and where `ending_in_outage` says so.
        """
        check_pollable(job)
        if self._closed:
            raise _client_closed(job)
        if not self._waiting:
            self._unanswered_since = None  # silence counts while somebody waits
        waiter = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = _MAX_OUTAGE.get()
        waiter.add_done_callback(self._leave)
        self._set_alarms(job)
        return waiter

    def _leave(self, waiter: asyncio.Future[None]) -> None:
        del self._waiting[waiter]
        if not self._waiting:
            self._rest()

    def wake(self, error: Exception | None = None) -> None:
        """Let all who wait see what is new, or raise the error."""
        for waiter in self._waiting:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)

    async def poll_now(self, job: ImsJob) -> None:
        """Poll once, whether or not anybody waits. Raises what the poll raises."""
        self._make_ready(job)
        self._polls += 1
        await self._poll_once(job)
        self._trouble = self._unanswered_since = None

    def timed_out(self, job: ImsJob, why: str) -> JobTimeout:
        """Return the error of a wait that ended before the job did."""
        last = job.status
        trouble = f"; the last poll failed: {self._trouble}" if self._trouble else ""
        name = "which another process is sending" if job._being_sent else job.reference_id
        return JobTimeout(
            f"job {name} of {job.gstin} runs on: {why}, {self._polls} polls, last status "
            f"{last.raw_code or 'none'} ({last.state}){trouble}",
            job=job,
            advice="await it again, or resume its token",
        )

    async def aclose(self, job: ImsJob) -> None:
        """Stop polling; those who wait get `ClientClosed` with the token."""
        self._closed = True
        self.wake(_client_closed(job))
        self._rest()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    # -- when ------------------------------------------------------------------------------------------

    def _make_ready(self, job: ImsJob) -> None:
        if not self._planned:
            self._plan(job)
        elif self._deadline is not None and _now() >= self._deadline:
            self._deadline = None  # nobody waited when it passed; a new wait starts a new one

    def _plan(self, job: ImsJob, *, running: bool = True) -> None:
        """Set when to poll next. What is learned of others is for one that was running when it was polled."""
        policy = self._times.policy
        if policy.schedule is not None:
            self._schedule = self._schedule or policy.delays()
            delay = next(self._schedule)
        elif running:
            delay = self._times.delay(job.kind, self._course.age(job), self._planned)
        else:
            delay = policy.delay(self._planned)
        self._planned += 1
        self._next_at = _now() + delay

    def _set_alarms(self, job: ImsJob) -> None:
        """Be woken for the next poll, and at the deadline, which holds also while a poll hangs."""
        if job.change.done:
            return
        self._make_ready(job)
        if not self._alarm.is_set and self._task is None:
            self._alarm.set(self._next_at, self._ring, job)
        if not self._limit.is_set and self._polls:
            if self._deadline is None:
                self._deadline = _now() + self._times.policy.deadline
            self._limit.set(self._deadline, self._give_up, job)

    def _ring(self, job: ImsJob) -> None:
        if self._next_at > _now() + _SHORTEST_WAIT:  # it was refreshed meanwhile
            self._set_alarms(job)
            return
        self._polls += 1
        task = asyncio.get_running_loop().create_task(self._poll_and_go_on(job))
        self._task = None if task.done() else task  # an eager one may have ended already
        if not self._limit.is_set:
            self._set_alarms(job)

    def _give_up(self, job: ImsJob) -> None:
        self.wake(self.timed_out(job, f"the deadline of {self._times.policy.deadline:g} s has passed"))
        self._deadline = None

    def _rest(self) -> None:
        """Stop the alarms when nobody waits any more; a poll under way is let finish: it is paid for."""
        self._alarm.cancel()
        self._limit.cancel()

    # -- polling ---------------------------------------------------------------------------------------

    async def _poll_and_go_on(self, job: ImsJob) -> None:
        try:
            failure = await self._poll_quietly(job)
        finally:
            self._task = None
        if failure is not None:
            self.wake(failure)
            return
        if self._unanswered_since is not None:
            self._end_waits_in_outage(job, _now() - self._unanswered_since)
        if self._waiting:
            self._set_alarms(job)

    def _end_waits_in_outage(self, job: ImsJob, silence: float) -> None:
        for waiter, longest in self._waiting.items():
            if silence >= longest and not waiter.done():
                waiter.set_exception(self.timed_out(job, f"the gateway answered no poll for {longest:g} s"))

    async def _poll_quietly(self, job: ImsJob) -> Exception | None:
        """Poll once; absorb what time may heal, return what a person has to hear."""
        began, answered = _now(), True
        try:
            await self._poll_once(job)
        except (NotAuthorized, QuotaExhausted) as error:
            self._trouble, self._refusals = error, self._refusals + 1
            # A credential that is missing here, or was refused twice, will not come back by waiting.
            return error if error.http_status is None or self._refusals > 1 else None
        except (ClientClosed, InvalidInput, NotSupported, OutcomeUnknown) as error:
            return error  # nothing that time would heal
        except ImsError as error:
            answered = not isinstance(error, OUTAGE)
            self._trouble = error.with_traceback(None)  # kept until the next poll: without its frames
            return None if self._goes_on_after(error, job) else error
        except Exception as error:  # noqa: BLE001 # a defect is the waiters' to see, not the event loop's
            return error
        else:
            self._trouble, self._refusals = None, 0
        finally:
            if answered:
                self._unanswered_since = None
            elif self._unanswered_since is None:
                self._unanswered_since = began
        return None

    def _goes_on_after(self, error: ImsError, job: ImsJob) -> bool:
        """Say whether to poll on after this error, which then is done no sooner than it asks for."""
        self._denials += type(error) is GatewayError
        if self._denials >= _DENIALS and job.records is None and job.status.polled_at is None:
            return False
        if isinstance(error, RateLimited) and error.retry_after is not None:
            if error.retry_after > self._times.policy.deadline:
                return False  # the caller may decide what to do
            self._next_at = max(self._next_at, _now() + error.retry_after)
        return True

    async def _poll_once(self, job: ImsJob) -> None:
        due, running = self._next_at, False
        try:
            if job._journaled.unsought or not job.pollable:
                await job._look_up()
                if job.done or job._being_sent:
                    return
                check_pollable(job)
            status = self._course.heard(await self._answer(job), job, self._times.policy.p_means)
            running = not self._course.may_be_done
            age = self._course.age(job)
            # Otherwise nobody waited for it, or the poll before failed: it may have ended long ago.
            waited = age is not None and _now() - due <= age / 2 and self._trouble is None
            if status.done and waited:
                self._times.ended(job.kind, *self._course.span(job))
        finally:
            self._plan(job, running=running)
        await job._hear(status)

    async def _answer(self, job: ImsJob) -> JobStatus:
        """Return the gateway's answer; that it has forgotten the job is noted."""
        try:
            return await self._ask(job.token)
        except ClientClosed:
            raise _client_closed(job) from None
        except OutcomeUnknown:
            await job._apply(Change.forgotten)
            raise


def _client_closed(job: ImsJob) -> ClientClosed:
    return ClientClosed(
        "the client was closed; the job runs on at the gateway: resume it from its token", token=job.token
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
