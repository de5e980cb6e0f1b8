"""What is known of a job, without asking the gateway."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

import attrs

from ..errors import JournalError
from ..journal import Cause, Phase
from ..loop_owner import LoopOwner, on_one_loop
from ..model.records import Record
from ..model.report import JobReport, account
from ..model.status import JobKind, JobState, JobStatus
from ..model.tokens import JobToken
from .journaled import Page, may_be_leaving

SUBMITTED: Final = JobStatus(state=JobState.PROCESSING)
_UNKNOWN: Final = JobStatus(state=JobState.UNKNOWN)


@on_one_loop
class JobFacts:
    """A job's token, records and readings, and where it stands in the journal."""

    __slots__ = (
        "__weakref__",
        "_canned",
        "_history",
        "_looked_at",
        "_loop_owner",
        "_page",
        "_records",
        "_report",
        "_token",
    )  # fmt: skip

    def __init__(
        self,
        token: JobToken,
        records: Sequence[Record] | None,
        page: Page,
        *,
        canned: bool,
        loop_owner: LoopOwner | None,
    ) -> None:
        self._loop_owner = loop_owner or LoopOwner("job")
        self._token, self._page, self._canned = token, page, canned
        self._records = None if records is None else tuple(records)
        self._history = [_UNKNOWN if token.reference_id is None else SUBMITTED]
        self._report: JobReport | None = None
        self._looked_at = False

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
        return self.reference_id is not None or self._page.stands.sent

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
