"""A job's handle: what is known of it, and what to wait for."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from typing import Any, Final

import attrs

from ..errors import JobTimeout, JournalError
from ..journal import Cause, Entry, Phase
from ..loop_owner import LoopOwner, on_one_loop
from ..model.records import Record
from ..model.report import JobReport, account
from ..model.status import JobKind, JobState, JobStatus
from ..model.tokens import JobToken
from ..net.policies import PollPolicy
from .alarms import Alarms
from .journaled import Page, may_be_leaving
from .outcome import report_of, without_reference
from .poller import Poll, Poller

_log = logging.getLogger("ims_async")


@on_one_loop
class ImsJob:
    """A save or reset that the gateway has accepted for processing. Await it for its `JobReport`.

    It polls only while somebody waits or listens, since every poll is billed; ten waiters make the polls
    of one. Cancelling a waiter, even the last, loses nothing.
    """

    __slots__ = (
        "__weakref__",
        "_canned",
        "_ended",
        "_history",
        "_looked_at",
        "_loop_owner",
        "_page",
        "_poller",
        "_records",
        "_report",
        "_token",
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
        self._token = token
        self._poller = Poller(poll, policy, alarms=alarms or Alarms(), canned=canned, closed=closed)
        self._page, self._ended, self._canned = page or Page(), ended, canned
        self._records = None if records is None else tuple(records)
        self._history = [_UNKNOWN if token.reference_id is None else _SUBMITTED]
        self._report: JobReport | None = None
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
        return self._poller.watched

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
        return report_of(self)

    async def result_in_outage(self, longest: float) -> JobReport:
        """Wait as `result`; raises `JobTimeout` too once no poll was answered for `longest` seconds."""
        while not self.done:
            await self._poller.change(self, longest)
        return report_of(self)

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
                await self._poller.change(self)
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
            await self._poller.change(self)

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
            raise without_reference(self, self._page.stands)

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
        if not self.done and _facts(status) != _facts(self.status):
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
        if _facts(status) == _facts(last):
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
        await self._poller.aclose(self)


_SUBMITTED: Final = JobStatus(state=JobState.PROCESSING)
_UNKNOWN: Final = JobStatus(state=JobState.UNKNOWN)


def _facts(status: JobStatus) -> tuple[object, ...]:
    """What makes two readings different to a listener."""
    return status.state, status.raw_code, status.processed, status.errors, status.error_code
