"""What is known of a job, without asking the gateway."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from ..errors import ImsError, JobFailed, JournalError, OutcomeUnknown, RateLimited
from ..gsp.gstn import NOTHING_CHANGED
from ..loop_owner import LoopOwner, on_one_loop
from ..model.change import Change
from ..model.moves import Cause, ChangeState
from ..model.records import Record
from ..model.report import JobReport, accounting_steps
from ..model.status import JobKind, JobState, JobStatus
from ..model.tokens import JobToken
from ..steps import Steps, run, run_async
from .journaled import JournaledChange

if TYPE_CHECKING:
    from .job import ImsJob

E = TypeVar("E", bound=ImsError)
SEND_AGAIN: Final = "call taxpayer.regenerate_gstr2b(period), or reconcile(job): it is asked for again"
_SUBMITTED: Final = JobStatus(state=JobState.PROCESSING)
_UNKNOWN: Final = JobStatus(state=JobState.UNKNOWN)


def status_of(change: Change) -> JobStatus:
    """Return the status that the holder of a job sees."""
    if change.status is not None and (change.done or change.pollable):
        return change.status
    return _SUBMITTED if change.pollable else _UNKNOWN


@on_one_loop
class JobFacts:
    """A job's change as it is shown, its records and its readings. Properties do no I/O."""

    __slots__ = (
        "__weakref__",
        "_canned",
        "_change",
        "_history",
        "_journaled",
        "_loop_owner",
        "_polled_at",
        "_records",
        "_report",
    )  # fmt: skip

    def __init__(
        self,
        journaled: JournaledChange,
        records: Sequence[Record] | None,
        *,
        canned: bool,
        loop_owner: LoopOwner | None,
    ) -> None:
        self._loop_owner = loop_owner or LoopOwner("job")
        self._journaled, self._canned = journaled, canned
        self._change = journaled.change
        self._records = None if records is None else tuple(records)
        self._history = [status_of(self._change)]
        self._polled_at: float | None = None  # when it was polled last, where that is all that is new
        self._report: JobReport | None = None

    @property
    def change(self) -> Change:
        """Where it stands, as one value."""
        return self._change

    @property
    def token(self) -> JobToken:
        """What finds the job again, in any process; holds no secret."""
        return self._change.token

    @property
    def reference_id(self) -> str | None:
        """The gateway's name for the job; None where no answer to the change came back."""
        return self._change.token.reference_id

    @property
    def gstin(self) -> str:
        """The taxpayer."""
        return self._change.token.gstin

    @property
    def kind(self) -> JobKind:
        """Save, reset, or the computation of GSTR-2B."""
        return self._change.token.kind

    @property
    def period(self) -> str:
        """The period (`MMYYYY`) of a GSTR-2B that is computed anew; empty for others, or if not known."""
        return self._change.token.period

    @property
    def submitted_at(self) -> dt.datetime | None:
        """When it was sent, in UTC; if nothing of it was sent, when it was handed in."""
        return self._change.token.submitted_at

    @property
    def submitted(self) -> int | None:
        """How many records it carries, where that is known."""
        return self._change.token.submitted

    @property
    def records(self) -> tuple[Record, ...] | None:
        """The very objects that were submitted; None for a job resumed without them (see `load`)."""
        return self._records

    @property
    def batch(self) -> str | None:
        """The journal's name for what was sent, where there is a journal."""
        return self._journaled.name

    @property
    def run(self) -> str:
        """The name of the bulk run that it is a part of; empty where it is of none."""
        return self._change.run

    @property
    def sent(self) -> bool:
        """False for a batch that waits for its turn, or was called off: nothing of it is at the gateway."""
        return self._change.sent

    @property
    def reason(self) -> str:
        """Why nothing was done with a batch that was called off, in words for a person; empty otherwise."""
        return self._change.reason

    @property
    def cause(self) -> Cause | None:
        """The kind of that reason; None where there is none, or an older release did not keep it."""
        return self._change.cause

    @property
    def retried(self) -> bool:
        """True once `taxpayer.retry` has looked at what was not applied, and sent what still stood."""
        return self._change.retried

    @property
    def pollable(self) -> bool:
        """True if the gateway can be asked how it stands, and has not given its final word."""
        return self._change.pollable

    @property
    def needs_a_look(self) -> bool:
        """True if what became of it is not known, and nobody can be asked: `taxpayer.reconcile` it."""
        return self._change.needs_a_look

    @property
    def open(self) -> bool:
        """True until what became of the records is known: a job that nobody can ask any more stays open."""
        return self._change.open

    @property
    def done(self) -> bool:
        """True once the gateway has given its final word, and we have heard it."""
        return self._change.done

    @property
    def journal_error(self) -> JournalError | None:
        """Why the journal does not have all that is known of it; the next news will be written again."""
        return self._journaled.trouble

    @property
    def status(self) -> JobStatus:
        """The last reading."""
        # Most polls of a job that runs say the same again: then the time alone is kept, not a whole reading.
        if self._polled_at is not None:
            self._read(self._history[-1].at(self._polled_at))
        return self._history[-1]

    def _read(self, status: JobStatus) -> None:
        """Put a reading in place of the last one, from which it differs in nothing that is news."""
        self._history[-1], self._polled_at = status, None

    @property
    def report(self) -> JobReport | None:
        """The report of a finished job, or None. Whoever awaits the job has it made in short steps before."""
        if self._report is None and self.done:
            self._report = run(self._report_steps(self._change))
        return self._report

    def _report_steps(self, change: Change) -> Steps[JobReport]:
        status, token = status_of(change), change.token
        report = yield from accounting_steps(status, self._records, token.submitted)
        if token.kind is JobKind.REGENERATE:
            unchanged = status.raw_code == NOTHING_CHANGED
            report = attrs.evolve(report, gstr2b=token.period, unchanged=unchanged)
        return attrs.evolve(report, batch=self.batch, canned=self._canned)

    async def _reported(self, change: Change) -> JobReport | None:
        """Return the report of a change that is done, made in short steps: the property has none.

        None if the records came meanwhile: it was begun without them.
        """
        if self._report is not None and change.status is self._change.status:
            return self._report
        records = self._records
        report = await run_async(self._report_steps(change))
        return report if self._records is records else None

    async def _make_report(self) -> None:
        if not (change := self._change).done:
            return
        report = await self._reported(change)
        if self._report is None and change.status is self._change.status:
            self._report = report

    def _outcome(self) -> JobReport:
        """Return the report of a job that has ended. Raises `JobFailed` where it failed as a whole."""
        status, report = self.status, self.report
        assert report is not None  # noqa: S101 # a final status makes the report
        if not (status.state is JobState.FAILED or self._change.needs_a_look):
            return report
        code = report.error_code or status.raw_code
        reason = f"{code} {report.reason}".rstrip()
        name, advice = self.reference_id, ""
        what = f"the gateway refused job {name} as a whole: {reason}"
        if status.carrier_failed:
            what = f"the task that carried job {name} broke off, and what was applied is not known: {reason}"
            advice = "call taxpayer.reconcile(job)"
        raise JobFailed(what, code=code, words=report.reason, report=report, job=self, advice=advice)

    @property
    def without_effect(self) -> tuple[Record, ...]:
        """The records that this job is known to have left as they were.

        All of them where another job was in the way, and those that a look showed so, or changed.
        """
        failed = self.report.failed if self._change.without_effect and self.report else ()
        return tuple(failure.record for failure in failed if failure.record is not None)

    def __repr__(self) -> str:
        name = self.reference_id or "without reference"
        stands = self.status.state if self.sent else self._change.state
        kind = f"{self.kind.value} {self.period}".strip()
        return f"<ImsJob {kind} {name} of {self.gstin}: {stands}>"

    async def load(self) -> tuple[Record, ...] | None:
        """Return the records, from the journal where they are not at hand; None where nobody has them.

        Awaiting a job, or reconciling it, does that by itself. Raises `JournalError`.
        """
        if self._records is None:
            self._keep(await self._journaled.records())
        return self._records

    def _keep(self, records: Sequence[Record] | None) -> None:
        """Take the records, unless there are any, or a report was made without them."""
        if self._records is None and self._report is None and records is not None:
            self._records = tuple(records)


async def records_of(journaled: JournaledChange) -> Sequence[Record] | None:
    """Return the records of a change, if a journal has them; if it fails, that is only logged."""
    try:
        return await journaled.records()
    except JournalError as error:
        name = journaled.change.token.reference_id or journaled.change.id
        journaled.failed(error, f"the report of job {name} can name keys only")
        return None


def note_outage(error: E, host: str, seconds: float, last: ImsError | None = None) -> E:
    """Note in an error which host did not answer, for how long, and what came of the last request."""
    last = last or error
    but = " but 'too many requests'" if isinstance(last, RateLimited) else ""
    error.outage = f"no answer{but} from {host} for {seconds:.0f} s ({last.without_advice()})"
    error.add_note(error.outage)  # in a traceback
    return error


def check_pollable(job: ImsJob) -> None:
    """Raise `OutcomeUnknown` if the gateway cannot be asked, nor be about to accept it."""
    if job.pollable or job.done or job.change.state is ChangeState.SENDING:
        return
    what, advice = "the change was sent and no reference came back", "call taxpayer.reconcile(job)"
    match job.change.state:
        case ChangeState.QUEUED:
            what = "nothing of it was sent: it waits in another process, or did when that process ended"
            advice = "if it has ended, call taxpayer.reconcile(job), then taxpayer.retry(job.report)"
        case ChangeState.CALLED_OFF:
            what = f"nothing of it was sent ({job.reason or 'called off'})"
            advice = "taxpayer.retry(job) sends what still stands"
        case ChangeState.LOST if job.kind.repeatable:
            what = "GSTR-2B may or may not be computed anew: the answer was lost, or its result is not known"
            advice = SEND_AGAIN
        case ChangeState.LOST if job.reference_id is not None:
            until = job.token.results_until
            day = "" if until is None else f" until {until:%Y-%m-%d %H:%M} UTC"
            what = f"the gateway kept the result of job {job.reference_id}{day}, and no longer tells it"
    raise OutcomeUnknown(what, job=job, advice=advice)
