"""A job's handle: waiting for its end, and hearing of it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Sequence
from typing import Any

import attrs

from ..errors import JobTimeout
from ..journal.base import NO_JOURNAL
from ..loop_owner import LoopOwner, checks_by_itself, on_one_loop
from ..model.change import Change, is_news
from ..model.moves import ChangeState
from ..model.records import Record
from ..model.report import JobReport
from ..model.status import JobStatus
from ..model.tokens import JobToken
from ..net.poll_times import PollTimes
from .alarms import Alarms
from .facts import JobFacts, records_of, status_of
from .journaled import JournaledChange, Move
from .poller import Poll, Poller

_log = logging.getLogger("ims_async")


@on_one_loop
class ImsJob(JobFacts):
    """A save or reset that was handed in, and where it stands. Await it for its `JobReport`.

    It polls only while somebody waits or listens, since every poll is billed; ten waiters make the polls
    of one. Cancelling a waiter, even the last, loses nothing.
    """

    __slots__ = ("_clock", "_moved", "_poller")

    def __init__(
        self,
        change: JournaledChange | JobToken,
        *,
        poll: Poll,
        times: PollTimes,
        records: Sequence[Record] | None = None,
        moved: Callable[[ImsJob], None] = lambda _: None,
        canned: bool = False,
        closed: bool = False,
        loop_owner: LoopOwner | None = None,
        alarms: Alarms | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if isinstance(change, JobToken):
            change = JournaledChange(NO_JOURNAL, Change.of_token(change))
        super().__init__(change, records, canned=canned, loop_owner=loop_owner)
        self._poller = Poller(alarms=alarms or Alarms(), ask=poll, times=times, closed=closed)
        self._moved, self._clock = moved, clock

    # -- waiting ---------------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, JobReport]:
        return self.result().__await__()

    @checks_by_itself
    async def result(self, timeout: float | None = None) -> JobReport:  # noqa: ASYNC109 # public name
        """Wait for the end and return the report; all waiters get the same object. `timeout` in seconds.

        Waits for another process that is sending it, too: until that has an answer, or counts as dead.
        Raises `JobFailed` where the gateway refused the whole job, `JobTimeout` when waiting ended first,
        `OutcomeUnknown` for a job without a reference, `NotAuthorized` where a person has to log in.
        """
        await self.wait(timeout)  # which makes the check
        if self._report is None:  # it was done before it was waited for
            await self._make_report()
        return self._outcome()

    @checks_by_itself
    async def wait(self, timeout: float | None = None) -> JobStatus:  # noqa: ASYNC109 # public name
        """Wait for the final status, which may be a failure. `timeout` in seconds; see `result`."""
        self._loop_owner.check()
        if timeout is not None:
            await self._wait_at_most(timeout)
        while not self._change.done:
            await self._poller.news(self)
        return self.status

    async def _wait_at_most(self, timeout: float) -> None:  # noqa: ASYNC109 # as in `wait`
        try:
            async with asyncio.timeout(timeout) as limit:
                await self.wait()
        except TimeoutError as error:
            if isinstance(error, JobTimeout) or not limit.expired():
                raise
            why = f"no final status within the {timeout:g} s asked for"
            raise self._poller.timed_out(self, why) from None

    async def events(self) -> AsyncIterator[JobStatus]:
        """Yield each change of status, from the first on, also for a late listener; ends with the job."""
        for place in itertools.count():
            while place == len(self._history):
                if self._change.done:
                    return
                await self._poller.news(self)
            yield self.status if place + 1 == len(self._history) else self._history[place]

    async def refresh(self) -> JobStatus:
        """Poll once, now, and return the status. Raises what the poll raises; the job is not harmed."""
        if not self.done:
            await self._poller.poll_now(self)
        return self.status

    # -- for `ims_async.jobs` and `ims_async.bulk` -----------------------------------------------------

    @property
    def _being_sent(self) -> bool:
        """Whether another process was sending it when the journal was read last."""
        return self._change.state is ChangeState.SENDING

    async def _look_up(self) -> None:
        """Learn from the journal of a job that is known by its token only, or sent by another process."""
        if await self._journaled.find():
            await self._show()
        if self._being_sent:
            await self._hear_from_journal()
            await self._note_dead_sender()

    async def _note_dead_sender(self) -> None:
        """Write down that the process that was sending it died, if nobody can be sending it any more."""
        now = self._clock()
        if self._being_sent and not self._change.may_be_leaving(now):
            await self._apply(lambda one: one if one.may_be_leaving(now) else one.sender_died())

    async def _hear(self, status: JobStatus) -> None:
        """Take an answer of the gateway; what is new is in the journal first, so that no crash loses it."""
        if self._change.done:
            return
        token = attrs.evolve(self.token, route=status.route) if status.route else None
        moved, last = token is not None and token != self.token, self._history[-1]
        if not moved and status.same_reading(last):
            self._polled_at = status.polled_at
        elif moved or is_news(status, last):
            await self._apply(lambda change: change.heard(status, token))
        else:
            self._read(status)

    async def _apply(self, move: Move, *, owed: bool = True) -> Change:
        """Write down what happened to it, and show it; return how it stands then."""
        await self._journaled.apply(move, owed=owed)
        await self._show()
        return self._change

    async def _write(self) -> None:
        """Write down what is owed to the journal."""
        await self._journaled.write()
        await self._show()

    async def _take_over(self) -> bool:
        """Make sure that a batch that waited in another process is sent by nobody; False if it was sent."""
        why = "taken over by another process while it waited for its turn"
        change = await self._apply(lambda change: change.taken_over(why), owed=False)
        return change.state is ChangeState.CALLED_OFF and self.journal_error is None

    async def _hear_from_journal(self, listed: Change | None = None) -> None:
        """Take what is in the journal, or was `listed` from there. Raises `JournalError`.

        What could not be written before is written now.
        """
        if listed is not None:
            self._journaled.take(listed)
        else:
            await self._journaled.read()
        if self._journaled.behind:
            await self._journaled.write()
        if self._journaled.change is not self._change:
            await self._show()

    async def _show(self) -> None:
        """Show how the change stands by now, all of it at once; wake the waiters if that is news."""
        change, report = self._journaled.change, None
        if not change.done:
            self._publish(change, None)
            return
        if self._records is None:
            self._keep(await records_of(self._journaled))
        try:
            report = await self._reported(change)
        finally:  # what is known by now is shown to others, though this caller is cancelled
            latest = self._journaled.change  # it may have moved on meanwhile
            self._publish(latest, report if latest.status is change.status else None)

    def _publish(self, change: Change, report: JobReport | None) -> None:
        """Show how the change stands, with the report, if that was made beforehand."""
        if change.status != self._change.status:
            self._report = None
        self._change, self._report = change, self._report or report
        last, status = self._history[-1], status_of(change)
        news = is_news(status, last)
        if news:
            if not status.documented and status.raw_code != last.raw_code:
                _log.warning(
                    "job %s: status code %r is not documented; polling on", self.reference_id, status.raw_code
                )
            self._history[-1:] = self.status, status
        elif status.polled_at is not None or status.done:
            self._read(status)
        self._moved(self)
        if news or not change.pollable:
            self._poller.wake()

    def _learn(self, token: JobToken) -> None:
        """Take the facts of a token that knows more than this handle did."""
        if self._report is None:
            self._journaled.learn(token)
            self._change = self._journaled.change


async def as_completed(jobs: Iterable[ImsJob]) -> AsyncIterator[ImsJob]:
    """Yield jobs as they end, failed ones too: ask each for its `report` or `status`.

    A job that stops being waited for (deadline, lost session) is yielded as well, not `done`; no job's
    trouble drops a sibling.
    """
    jobs = list(dict.fromkeys(jobs))
    for job in jobs:
        job._loop_owner.check()
    waits = [asyncio.create_task(_waited_for(job)) for job in jobs]
    try:
        for ended in asyncio.as_completed(waits):
            job = await ended
            yield job
            job._loop_owner.check()
    finally:
        for wait in waits:
            wait.cancel()


async def _waited_for(job: ImsJob) -> ImsJob:
    with contextlib.suppress(Exception):  # the job itself says what is the matter
        await job.wait()
    return job
