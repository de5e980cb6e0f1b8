"""A job's handle: waiting for its end, and hearing of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Sequence
from typing import Any

import attrs

from ..errors import JobFailed, JobTimeout, JournalError, OutcomeUnknown
from ..journal.base import NO_JOURNAL
from ..loop_owner import LoopOwner, on_one_loop
from ..model.change import Change, facts_of
from ..model.moves import ChangeState
from ..model.records import Record
from ..model.report import JobReport
from ..model.status import JobState, JobStatus
from ..model.tokens import JobToken
from ..net.policies import PollPolicy
from .alarms import Alarms
from .facts import JobFacts, status_of
from .journaled import JournaledChange, Move
from .poller import Poll, Poller

_log = logging.getLogger("ims_async")


@on_one_loop
class ImsJob(JobFacts):
    """A save or reset that was handed in, and where it stands. Await it for its `JobReport`.

    It polls only while somebody waits or listens, since every poll is billed; ten waiters make the polls
    of one. Cancelling a waiter, even the last, loses nothing.
    """

    __slots__ = ("_ended", "_poller")

    def __init__(
        self,
        change: JournaledChange | JobToken,
        *,
        poll: Poll,
        policy: PollPolicy,
        records: Sequence[Record] | None = None,
        ended: Callable[[ImsJob], None] = lambda _: None,
        canned: bool = False,
        closed: bool = False,
        loop_owner: LoopOwner | None = None,
        alarms: Alarms | None = None,
    ) -> None:
        if isinstance(change, JobToken):
            change = JournaledChange(NO_JOURNAL, Change.of_token(change))
        super().__init__(change, records, canned=canned, loop_owner=loop_owner)
        self._poller = Poller(poll, policy, alarms=alarms or Alarms(), canned=canned, closed=closed)
        self._ended = ended

    @property
    def _watched(self) -> bool:
        """True while somebody waits for it, or listens."""
        return self._poller.watched

    # -- waiting ---------------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, JobReport]:
        return self.result().__await__()

    async def result(self, timeout: float | None = None) -> JobReport:  # noqa: ASYNC109 # public name
        """Wait for the end and return the report; all waiters get the same object. `timeout` in seconds.

        Raises `JobFailed` where the gateway refused the whole job, `JobTimeout` when waiting ended first,
        `OutcomeUnknown` for a job without a reference, `NotAuthorized` where a person has to log in.
        """
        await self.wait(timeout)
        return _report_of(self)

    async def _result_in_outage(self, longest: float) -> JobReport:
        """Wait as `result`; raises `JobTimeout` too once no poll was answered for `longest` seconds."""
        while not self.done:
            await self._poller.news(self, longest)
        return _report_of(self)

    async def wait(self, timeout: float | None = None) -> JobStatus:  # noqa: ASYNC109 # public name
        """Wait for the final status, which may be a failure. `timeout` in seconds; see `result`."""
        if timeout is None:
            while not self.done:
                await self._poller.news(self)
            return self.status
        try:
            async with asyncio.timeout(timeout) as limit:
                await self.wait()
        except TimeoutError as error:
            if isinstance(error, JobTimeout) or not limit.expired():
                raise
            why = f"no final status within the {timeout:g} s asked for"
            raise self._poller.timed_out(self, why) from None
        return self.status

    async def events(self) -> AsyncIterator[JobStatus]:
        """Yield each change of status, from the first on, also for a late listener; ends with the job."""
        seen = 0
        while True:
            while seen < len(self._history):
                seen += 1
                yield self._history[seen - 1]
            if self.done:
                return
            await self._poller.news(self)

    async def refresh(self) -> JobStatus:
        """Poll once, now, and return the status. Raises what the poll raises; the job is not harmed."""
        if not self.done:
            await self._poller.poll_now(self)
        return self.status

    @property
    def _unanswered(self) -> bool:
        """True if the gateway did not answer the last poll."""
        return self._poller.unanswered

    # -- for its poller ----------------------------------------------------------------------------------

    def _check_pollable(self) -> None:
        """Raise `OutcomeUnknown` if the gateway cannot be asked."""
        if not (self.pollable or self.done):
            raise _cannot_be_asked(self)

    async def _look_up(self) -> None:
        """Learn from the journal of a job that is known by its token or reference only."""
        if await self._journaled.find():
            await self._show()

    async def _hear(self, status: JobStatus) -> None:
        """Take an answer of the gateway; what is new is in the journal first, so that no crash loses it."""
        token = attrs.evolve(self.token, route=status.route) if status.route else None
        new = facts_of(status) != facts_of(self.status) or (token is not None and token != self.token)
        if new and not self.done:
            await self._journaled.apply(lambda change: change.heard(status, token))
            await self._show()
        elif not self.done:
            self._history[-1] = status

    async def _forgotten(self) -> None:
        """Note that the gateway no longer keeps the result."""
        await self._apply(Change.forgotten)

    async def _show(self) -> None:
        """Show how the change stands by now, all of it at once; wake the waiters if that is news."""
        if self._journaled.change.done:
            await self._load_quietly()
        before, change = self._change, self._journaled.change
        self._change = change
        if change.status != before.status:
            self._report = None
        last, status = self.status, status_of(change)
        news = facts_of(status) != facts_of(last)
        if news:
            if not status.documented and status.raw_code != last.raw_code:
                _log.warning(
                    "job %s: status code %r is not documented; polling on", self.reference_id, status.raw_code
                )
            self._history.append(status)
        elif status.polled_at is not None or status.done:
            self._history[-1] = status
        if not change.open or change.done:
            self._ended(self)
        if news or not change.pollable:
            self._poller.wake()

    async def _load_quietly(self) -> None:
        try:
            await self.load()
        except JournalError as error:
            self._journaled.failed(error, f"the report of job {self.reference_id} can name keys only")

    # -- for `ims_async.jobs` and `ims_async.bulk` -------------------------------------------------------

    async def _apply(self, move: Move, *, owed: bool = True) -> Change:
        """Write down what happened to it, and show it; return how it stands then."""
        await self._journaled.apply(move, owed=owed)
        await self._show()
        return self._change

    async def _write(self) -> None:
        """Write down what is owed to the journal."""
        await self._journaled.write()
        await self._show()

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

    def _learn(self, token: JobToken, records: Sequence[Record] | None) -> None:
        """Take the facts of a token that knows more than this handle did."""
        if self._report is None:
            self._journaled.learn(token)
            self._change = self._journaled.change
            if self._records is None and records is not None:
                self._records = tuple(records)

    async def _take_over(self) -> bool:
        """Make sure that a batch that waited in another process is sent by nobody; False if it was sent."""
        why = "taken over by another process while it waited for its turn"
        change = await self._apply(lambda change: change.taken_over(why), owed=False)
        return change.state is ChangeState.CALLED_OFF and self.journal_error is None

    async def _aclose(self) -> None:
        """Stop polling; those who wait get `ClientClosed` with the token."""
        await self._poller.aclose(self)


def _report_of(job: ImsJob) -> JobReport:
    """Return the report of a job that has ended. Raises `JobFailed` where it failed as a whole."""
    status, report = job.status, job.report
    assert report is not None  # noqa: S101 # a final status makes the report
    if not (status.state is JobState.FAILED or job.needs_a_look):
        return report
    code = report.error_code or status.raw_code
    reason = f"{code} {report.reason}".rstrip()
    what = (
        f"the task that carried job {job.reference_id} broke off, and what was applied is not known: {reason}"
        if status.carrier_failed
        else f"the gateway refused job {job.reference_id} as a whole: {reason}"
    )
    advice = "call taxpayer.reconcile(job)" if status.carrier_failed else ""
    raise JobFailed(what, code=code, words=report.reason, report=report, job=job, advice=advice)


def _cannot_be_asked(job: ImsJob) -> OutcomeUnknown:
    """Return the error of a job about which the gateway cannot be asked, and has given no final word."""
    what, advice = "the change was sent and no reference came back", "call taxpayer.reconcile(job)"
    match job.change.state:
        case ChangeState.QUEUED:
            what = "its process ended while it waited for its turn, and nothing of it was sent"
            advice = "call taxpayer.reconcile(job), then taxpayer.retry(job.report)"
        case ChangeState.CALLED_OFF:
            what = f"nothing of it was sent ({job.reason or 'called off'})"
            advice = "taxpayer.retry(job) sends what still stands"
        case ChangeState.SENDING:
            what = "another process was sending it when the journal was read"
            advice = "ask client.unfinished() again later; taxpayer.reconcile(job) looks what took effect"
        case ChangeState.LOST if job.reference_id is not None:
            until = job.token.results_until
            day = "" if until is None else f" until {until:%Y-%m-%d %H:%M} UTC"
            what = f"the gateway kept the result of job {job.reference_id}{day}, and no longer tells it"
    return OutcomeUnknown(what, job=job, advice=advice)


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
