"""One taxpayer's part of a run while it is worked on: every decision is in one pile, or pending."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum, auto
from typing import NamedTuple, TypeVar

from ..jobs.job import ImsJob
from ..jobs.reconcile import Reconciliation
from ..model.records import Decision, Record
from ..model.report import JobReport, RecordFailure
from ..model.status import ErrorEntry, JobKind, JobState
from ..model.tokens import JobToken
from ..rules import Finding
from .report import TaxpayerReport

Fingerprint = tuple[object, ...]
E = TypeVar("E", bound=Exception)


def fingerprint(kind: JobKind, record: Record) -> Fingerprint:
    """Return what makes a decision the same one, whenever its record was read."""
    if isinstance(record, Decision):
        return kind, *record.key, record.action, record.remarks, record.itc_reduction
    return kind, *record.key


def without_frames(error: E) -> E:
    """Return an error that keeps no frame alive: what it happened to can be megabytes of records."""
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error


class _What(Enum):
    APPLIED = auto()
    FAILED = auto()
    UNACCOUNTED = auto()
    PENDING = auto()


class _State(NamedTuple):
    """What is known of one decision in one job."""

    what: _What
    job: ImsJob
    record: Record
    failure: RecordFailure | None


class Tally:
    """One taxpayer's part while it is being worked on."""

    def __init__(self, gstin: str) -> None:
        self.gstin = gstin
        self.handed_in = self.succeeded = self.jobs = 0
        self.refused_sizes: list[int] = []
        self.error: Exception | None = None
        self._changed: list[Record] = []
        self._not_sent: list[Record] = []
        self._failed: list[tuple[JobKind, RecordFailure]] = []
        self._unaccounted: list[tuple[JobKind, Record]] = []
        self._unmatched: list[ErrorEntry] = []
        self._canned = False
        self._pending: dict[int, ImsJob] = {}
        self._through_jobs = 0
        self._failed_jobs: list[JobToken] = []
        self._doubtful_jobs: list[JobToken] = []
        self._batches: list[str] = []
        self._warnings: Counter[str] = Counter()

    @property
    def known(self) -> int:
        """Of how many decisions it is known what became of them."""
        known = len(self._failed) + len(self._unaccounted) + len(self._changed) + len(self._not_sent)
        return self.succeeded + known

    def sent(self, job: ImsJob, *, fresh: bool = False) -> None:
        """Note a job that is not known to have ended; `fresh` is one of what was never sent before."""
        self.jobs += 1
        self._pending[id(job)] = job
        self._through_jobs += (job.submitted or 0) * fresh

    def is_pending(self, job: ImsJob) -> bool:
        """Say whether its end is not counted yet."""
        return id(job) in self._pending

    def recount(self, jobs: Sequence[tuple[ImsJob, Sequence[int]]]) -> None:
        """Count anew all jobs of this run, with the hash of each decision in them; the last one tells.

        What was applied once stays so: another job that carries it can only be refused as stale.
        """
        self.jobs = len(jobs)
        self.succeeded, self._failed, self._unaccounted, self._unmatched = 0, [], [], []
        self._pending, self._failed_jobs, self._doubtful_jobs, self._batches = {}, [], [], []
        states: dict[int, _State] = {}
        uncounted = 0
        for job, prints in jobs:
            if not prints:  # its records cannot be read: only numbers are known
                uncounted += job.submitted or 0
                self._pending[id(job)] = job
                if job.report is not None and not job.open:
                    self.ended(job, job.report)
                continue
            for one, state in zip(prints, self._states_of(job), strict=True):
                if one not in states or states[one].what is not _What.APPLIED:
                    states[one] = state
        for record in self._changed:
            kind = JobKind.SAVE if isinstance(record, Decision) else JobKind.RESET
            states.pop(hash(fingerprint(kind, record)), None)
        for state in states.values():
            self._put(state)
        through_jobs = len(states) + uncounted + len(self._changed)
        self.handed_in += through_jobs - self._through_jobs
        self._through_jobs = through_jobs

    def _states_of(self, job: ImsJob) -> Iterator[_State]:
        """Say what is known of each of a job's records."""
        report = None if job.open else job.report
        failed = {id(failure.record): failure for failure in report.failed} if report else {}
        silent = {id(record) for record in report.unaccounted} if report else set()
        if report is not None:
            self._note_state(job, report)
        for record in job.records or ():
            what = _What.APPLIED
            if report is None:
                what = _What.PENDING if job.open else _What.UNACCOUNTED
            elif id(record) in failed:
                what = _What.FAILED
            elif id(record) in silent:
                what = _What.UNACCOUNTED
            yield _State(what, job, record, failed.get(id(record)))

    def _put(self, state: _State) -> None:
        if state.what is _What.APPLIED:
            self.succeeded += 1
        elif state.what is _What.PENDING:
            self._pending[id(state.job)] = state.job
        elif state.failure is not None:
            self._failed.append((state.job.kind, state.failure))
        else:
            self._unaccounted.append((state.job.kind, state.record))

    def ended(self, job: ImsJob, report: JobReport) -> None:
        """Count what became of a job's records."""
        self._pending.pop(id(job), None)
        self._note_state(job, report)
        self.succeeded += (report.submitted or 0) - len(report.failed) - report.unaccounted_count
        self._failed += [(job.kind, failure) for failure in report.failed]
        self._unaccounted += [(job.kind, record) for record in report.unaccounted]

    def _note_state(self, job: ImsJob, report: JobReport) -> None:
        """Note how a job ended as a whole."""
        self._unmatched += report.unmatched
        self._canned |= report.canned
        self._failed_jobs += [job.token] * (report.state is JobState.FAILED)
        unnamed = not (report.failed or report.unmatched or report.unaccounted_count)
        self._doubtful_jobs += [job.token] * (report.state is not JobState.SUCCEEDED and unnamed)
        self._batches += [] if report.batch is None else [report.batch]

    def warned(self, findings: Iterable[Finding]) -> None:
        """Count what was found before anything was sent."""
        self._warnings.update(finding.code for finding in findings)

    def let_go(self, job: ImsJob) -> None:
        """Count a job of which a person said that it need not be known."""
        self._pending.pop(id(job), None)
        self._unaccounted += [(job.kind, record) for record in job.records or ()]

    def without_effect(self, job: ImsJob) -> list[Record]:
        """Return which of a job's records are known to stand as they stood, and are not sent again yet."""
        own = {id(record) for record in job.without_effect}
        found = [failure.record for _, failure in self._failed if id(failure.record) in own]
        return [record for record in found if record is not None]

    def sent_again(self, kind: JobKind, records: Iterable[Record]) -> None:
        """Forget what was said of these before: another look, or another job, tells of them."""
        names = Counter(fingerprint(kind, record) for record in records)
        if not names:
            return

        def stays(of: JobKind, record: Record | None) -> bool:
            name = None if record is None else fingerprint(of, record)
            if name is None or not names[name]:
                return True
            names[name] -= 1
            return False

        self._failed = [(of, failure) for of, failure in self._failed if stays(of, failure.record)]
        self._unaccounted = [(of, record) for of, record in self._unaccounted if stays(of, record)]

    def looked(self, kind: JobKind, found: Reconciliation) -> None:
        """Count what another look has found; what was not applied is on its way again, and pending."""
        self.sent_again(kind, [*found.applied, *found.changed, *found.not_applied, *found.cannot_tell_yet])
        self.succeeded += len(found.applied)
        self._changed += found.changed
        self._unaccounted += [(kind, record) for record in found.cannot_tell_yet]

    def stopped(self, error: Exception | None, not_sent: Sequence[Record] = ()) -> None:
        """Note why it did not go on, and with what nothing was done. The first reason is kept."""
        bare = None if error is None else without_frames(error)
        self.error = self.error or bare
        self._not_sent += not_sent

    def broken_off(self, not_sent: Sequence[Record]) -> None:
        """Note with what nothing was done; whatever else is in no pile may have been sent, and is pending."""
        self._not_sent += not_sent

    def report(self) -> TaxpayerReport:
        """Return it as it stands."""
        return TaxpayerReport(
            gstin=self.gstin,
            handed_in=self.handed_in,
            succeeded=self.succeeded,
            failed=tuple(failure for _, failure in self._failed),
            unaccounted=tuple(record for _, record in self._unaccounted),
            changed=tuple(self._changed),
            not_sent=tuple(self._not_sent),
            unmatched=tuple(self._unmatched),
            pending_count=self.handed_in - self.known,
            warnings=dict(self._warnings),
            jobs=self.jobs,
            pending=tuple(job.token for job in self._pending.values()),
            failed_jobs=tuple(self._failed_jobs),
            doubtful_jobs=tuple(self._doubtful_jobs),
            refused_sizes=tuple(self.refused_sizes),
            error=self.error,
            canned=self._canned,
            batches=tuple(self._batches),
        )
