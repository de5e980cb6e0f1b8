"""Polling a job: one driver however many wait, polls spaced by policy or by what was learned of others."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import math
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

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
from ..gsp.evidence import MANY, Course, with_known_errors
from ..model.change import Change
from ..model.status import JobKind, JobStatus
from ..model.tokens import JobToken
from ..net.policies import end_of
from ..net.poll_times import PollTimes
from ..steps import free_async, run_async
from .alarms import Alarm
from .facts import check_pollable, note_outage

if TYPE_CHECKING:
    from .job import ImsJob

Poll = Callable[[JobToken], Awaitable[JobStatus]]

# A job known by its reference only, that the gateway has never shown and has denied so many times, is not
# worth the deadline: it was mistyped, or is forgotten. One that was sent from here is polled on.
_DENIALS: Final = 5
_CROWD: Final = 256  # jobs that are waited for; of more, those due at about one time are polled together
_MOST_ANSWERS: Final = 2.0  # seconds: most polls are answered within so many

_MAX_OUTAGE: Final[contextvars.ContextVar[float]] = contextvars.ContextVar("_MAX_OUTAGE", default=math.inf)


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


class _Waiter(asyncio.Future[None]):
    """The wait of one caller for the next news of a job."""

    __slots__ = ("_poller", "began", "patience")

    def __init__(self, poller: Poller, now: float) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self._poller, self.began = poller, now
        self.patience = _MAX_OUTAGE.get()
        """For how many seconds it goes on in an outage, whether that began before it or not."""

    def cancel(self, msg: Any = None) -> bool:
        """Wait no more: called when the waiting task is cancelled."""
        self._poller.leave(self)
        return super().cancel(msg)


@attrs.define(kw_only=True, eq=False, repr=False, weakref_slot=False)
class Poller(Alarm):
    """The polling of one job, in seconds of the event loop's clock: an alarm between polls, then a task.

    It refers to its job only while somebody waits: an ended job that nobody holds is freed at once, with all
    its records. What is only waited for takes this object, one entry among the alarms, and one future for
    each who waits: there may be very many.
    """

    _ask: Poll
    _times: PollTimes
    _closed: bool
    _waiters: list[_Waiter] = attrs.field(factory=list)
    _job: ImsJob | None = None
    _context: contextvars.Context | None = None
    """Of the first who waits; the polls are made in it."""
    _task: asyncio.Task[None] | None = None
    _schedule: Iterator[float] | None = None
    """The delays of a policy that has its own."""
    _next_at: float | None = None
    _deadline: float | None = None
    _polls: int = 0
    _course: Course = attrs.field(factory=Course)
    _refusals: int = 0
    _denials: int = 0
    _trouble: ImsError | None = None
    _unanswered_since: float | None = None
    """When the first of the latest polls began, none of which the gateway has answered."""
    _not_before: float = 0.0  # the gateway wants no poll until then

    @property
    def watched(self) -> bool:
        """True while somebody waits."""
        return bool(self._waiters)

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
        now = _now()
        if not self._waiters:
            self._job, self._context = job, contextvars.copy_context()
            if self._deadline is not None and now >= self._deadline:
                self._deadline = None  # nobody waited when it passed; a new wait starts a new one
        self._waiters.append(waiter := _Waiter(self, now))
        self._set_alarm(job, now)
        return waiter

    def leave(self, waiter: _Waiter) -> None:
        """Take out one who waits no more."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)
            if not self._waiters:
                self._rest()

    def wake(self, error: Exception | None = None) -> None:
        """Let all who wait see what is new, or raise the error."""
        waiters, self._waiters = self._waiters, []
        self._rest()
        for waiter in waiters:
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)

    async def poll_now(self, job: ImsJob) -> None:
        """Poll once, whether or not anybody waits. Raises what the poll raises."""
        self._make_ready(job, _now())
        self._polls += 1
        await self._poll(job)
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
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    # -- when ------------------------------------------------------------------------------------------

    def _make_ready(self, job: ImsJob, now: float) -> float:
        """Return when to poll next."""
        if self._next_at is None:
            change = job.change
            return self._plan(change.token.kind, now, self._course.age(change, job._clock, now))
        return self._next_at

    def _plan(self, kind: JobKind, now: float, running_for: float | None) -> float:
        """Set when to poll next. What is learned of others is for one that was running when it was polled."""
        if self._times.policy.schedule is not None:
            self._schedule = self._schedule or self._times.policy.delays()
            next_at = now + next(self._schedule)
        else:
            delay = self._times.delay(kind, running_for, self._polls)
            next_at = end_of(delay, now) if self._alarms.count > _CROWD else now + delay
        self._next_at = next_at
        return next_at

    def _set_alarm(self, job: ImsJob, now: float) -> None:
        """Be woken for the next poll, and at the deadline, which holds also while a poll hangs."""
        next_at = self._make_ready(job, now)
        if not self._polls:
            self.set(next_at)
            return
        if self._deadline is None:
            self._deadline = now + self._times.policy.deadline
        if self._task is None:
            if (since := self._unanswered_since) is not None:  # a wait ends with a poll, if one may be made
                end = min(max(since, one.began) + one.patience for one in self._waiters)
                self._next_at = min(next_at, max(end, self._not_before))
                next_at = min(next_at, end)
            self.set(min(next_at, self._deadline))
        else:
            # A whole number of seconds, so that one timer is enough for all polls of that second.
            self.set(self._deadline, at_most=now // 1 + _MOST_ANSWERS)

    def ring(self, now: float) -> None:
        """Poll, or let those who wait know that the deadline has passed."""
        job, next_at = self._job, self._next_at
        assert job is not None and next_at is not None and self._context is not None  # noqa: S101, PT018 # somebody waits
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            self.wake(self.timed_out(job, f"the deadline of {self._times.policy.deadline:g} s has passed"))
            return
        if self._task is None and now >= next_at:  # otherwise it was refreshed meanwhile
            self._polls += 1
            run, loop = self._context.run, asyncio.get_running_loop()
            task = run(loop.create_task, self._poll_and_go_on(job, now))
            self._task = None if task.done() else task  # an eager one may have ended already
        elif self._task is None:
            self._end_waits_in_outage(job, now)
        if self._waiters:
            self._set_alarm(job, now)

    def _rest(self) -> None:
        """Stop the alarm when nobody waits any more; a poll under way is let finish: it is paid for."""
        self.cancel()
        self._job = self._context = None

    # -- polling ---------------------------------------------------------------------------------------

    async def _poll_and_go_on(self, job: ImsJob, began: float) -> None:
        try:
            await self._poll(job)
        except Exception as error:  # noqa: BLE001 # a defect is the waiters' to see, not the event loop's
            if self._is_final(error, job, began):
                self.wake(error)
        else:
            self._trouble, self._refusals, self._unanswered_since = None, 0, None
        finally:
            self._task = None
        now = _now()
        self._end_waits_in_outage(job, now)
        if self._waiters:
            self._set_alarm(job, now)

    def _is_final(self, error: Exception, job: ImsJob, began: float) -> bool:
        """Say whether a person has to hear of it; what time may heal is absorbed."""
        if not isinstance(error, OUTAGE):
            self._unanswered_since = None
        elif self._unanswered_since is None:
            self._unanswered_since = began
        if not isinstance(error, ImsError) or isinstance(
            error, ClientClosed | InvalidInput | NotSupported | OutcomeUnknown
        ):
            return True  # nothing that time would heal
        self._trouble = error.with_traceback(None)  # kept until the next poll: without its frames
        if isinstance(error, NotAuthorized | QuotaExhausted):
            self._refusals += 1
            # A credential that is missing here, or was refused twice, will not come back by waiting.
            return error.http_status is None or self._refusals > 1
        return not self._goes_on_after(error, job)

    def _end_waits_in_outage(self, job: ImsJob, now: float) -> None:
        if self._unanswered_since is None:
            return
        answered = "granted" if isinstance(self._trouble, RateLimited) else "answered"
        for waiter in [*self._waiters]:
            since = max(self._unanswered_since, waiter.began)
            if now >= since + waiter.patience:
                error = self.timed_out(job, f"the gateway {answered} no poll for {waiter.patience:g} s")
                waiter.set_exception(note_outage(error, job.token.host, now - since, self._trouble))
                self.leave(waiter)

    def _goes_on_after(self, error: ImsError, job: ImsJob) -> bool:
        """Say whether to poll on after this error, which then is done no sooner than it asks for."""
        self._denials += type(error) is GatewayError
        if self._denials >= _DENIALS and job.records is None and job.status.polled_at is None:
            return False
        if isinstance(error, RateLimited) and error.retry_after is not None:
            if error.retry_after > self._times.policy.deadline:
                return False  # the caller may decide what to do
            self._not_before = _now() + error.retry_after
            self._next_at = max(self._next_at or 0.0, self._not_before)
        return True

    async def _poll(self, job: ImsJob) -> None:
        change, due = job.change, self._next_at or 0.0
        now, running_for = None, None
        try:
            if job._journaled.unsought or not change.pollable:
                await job._look_up()
                change = job.change
                if change.done or job._being_sent:
                    return
                check_pollable(job)
            try:
                answer = await self._ask(change.token)
            except ClientClosed:
                raise _client_closed(job) from None
            except OutcomeUnknown:
                await job._apply(Change.forgotten)
                raise
            now = _now()
            if len(answer.error_report) > MANY:
                entries = [*answer.error_report]  # holds those that are freed in steps
                answer = await run_async(with_known_errors(answer, job.status))
                await free_async(entries)
            age = self._course.age(change, job._clock, now)
            status, span = self._course.heard(answer, change.token, now, self._times.policy.p_means)
            if not self._course.may_be_done:
                running_for = age
            # Otherwise nobody waited for it, or the poll before failed: it may have ended long ago.
            if age is not None and span is not None and now - due <= age / 2 and self._trouble is None:
                self._times.ended(change.token.kind, *span)
        finally:
            self._plan(change.token.kind, _now() if now is None else now, running_for)
        await job._hear(status)


def _client_closed(job: ImsJob) -> ClientClosed:
    return ClientClosed(
        "the client was closed; the job runs on at the gateway: resume it from its token", token=job.token
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
