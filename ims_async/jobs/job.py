"""A job's handle: waiting for its end, and hearing of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Sequence
from typing import Any

import attrs

from ..errors import JobFailed, JobTimeout, JournalError, OutcomeUnknown
from ..journal import Entry, Phase
from ..loop_owner import LoopOwner, on_one_loop
from ..model.change import facts_of
from ..model.records import Record
from ..model.report import JobReport
from ..model.status import JobState, JobStatus
from ..model.tokens import JobToken
from ..net.policies import PollPolicy
from .alarms import Alarms
from .facts import SUBMITTED, JobFacts
from .journaled import Page
from .poller import Poll, Poller

_log = logging.getLogger("ims_async")


@on_one_loop
class ImsJob(JobFacts):
    """A save or reset that the gateway has accepted for processing. Await it for its `JobReport`.

    It polls only while somebody waits or listens, since every poll is billed; ten waiters make the polls
    of one. Cancelling a waiter, even the last, loses nothing.
    """

    __slots__ = ("_ended", "_poller")

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
        super().__init__(token, records, page or Page(), canned=canned, loop_owner=loop_owner)
        self._poller = Poller(poll, policy, alarms=alarms or Alarms(), canned=canned, closed=closed)
        self._ended = ended

    @property
    def watched(self) -> bool:
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

    async def result_in_outage(self, longest: float) -> JobReport:
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
        told = 0
        while True:
            while told < len(self._history):
                told += 1
                yield self._history[told - 1]
            if self.done:
                return
            await self._poller.news(self)

    async def refresh(self) -> JobStatus:
        """Poll once, now, and return the status. Raises what the poll raises; the job is not harmed."""
        if not self.done:
            await self._poller.poll_now(self)
        return self.status

    @property
    def unanswered(self) -> bool:
        """True if the gateway did not answer the last poll."""
        return self._poller.unanswered

    # -- for its poller ----------------------------------------------------------------------------------

    def check_reference(self) -> None:
        """Raise `OutcomeUnknown` where the gateway cannot be asked, since there is no name to ask by."""
        if self.reference_id is None:
            raise _without_reference(self, self._page.stands)

    async def look_up(self) -> bool:
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

    async def hear(self, status: JobStatus) -> None:
        """Take an answer of the gateway; what is new is in the journal first, so that no crash loses it."""
        if status.route:
            self._token = attrs.evolve(self._token, route=status.route)
        if not self.done and facts_of(status) != facts_of(self.status):
            await self._page.heard(status, self._token if status.route else None)
            if status.done:
                await self._load_quietly()
        self._note(status)

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
        self._poller.wake()

    # -- for the client --------------------------------------------------------------------------------

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
                self._note(SUBMITTED)
        status = entry.status
        if status is None or (self.done and not self.status.carrier_failed):
            return
        if status.done:
            await self._load_quietly()
        if status.done or (status.polled_at or 0.0) > (self.status.polled_at or 0.0):
            self._note(status)

    async def aclose(self) -> None:
        """Stop polling; those who wait get `ClientClosed` with the token."""
        await self._poller.aclose(self)


def _report_of(job: ImsJob) -> JobReport:
    """Return the report of a job that has ended. Raises `JobFailed` where it failed as a whole."""
    status, report = job.status, job.report
    assert report is not None  # noqa: S101 # a final status makes the report
    if status.state is not JobState.FAILED:
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


def _without_reference(job: ImsJob, stands: Phase) -> OutcomeUnknown:
    """Return the error of a job that the gateway gave no name; `stands` is how far it got."""
    what, advice = "the change was sent and no reference came back", "call taxpayer.reconcile(job)"
    match stands:
        case Phase.QUEUED:
            what = "its process ended while it waited for its turn, and nothing of it was sent"
            advice = "call taxpayer.reconcile(job), then taxpayer.retry(job.report)"
        case Phase.CALLED_OFF:
            what = f"nothing of it was sent ({job.reason or 'called off'})"
            advice = "taxpayer.retry(job) sends what still stands"
        case Phase.SENDING:
            what = "another process was sending it when the journal was read"
            advice = "ask client.unfinished() again later; taxpayer.reconcile(job) looks what took effect"
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
