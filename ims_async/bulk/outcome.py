"""What became of every decision of a run: by taxpayer, and in total."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import NamedTuple

import attrs

from ..errors import RecordsRejected
from ..gstn import JOB_RUNNING
from ..job import ImsJob
from ..reconcile import Reconciliation
from ..records import Decision
from ..report import JobReport, Record, RecordFailure
from ..rules import Finding
from ..status import ErrorEntry, JobKind, JobState, JobToken


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _how_many(things: Collection[object]) -> str:
    return f"<{len(things):,}>"


@attrs.frozen(kw_only=True)
class TaxpayerReport:
    """One GSTIN's part: `handed_in` is the sum of all the other counts.

    `failed`: the gateway refused them, each with its reason. `unaccounted`: their job has ended, and nobody
    told of them. `changed`: edited by the supplier, or gone, for a person to decide on. `not_sent`: nothing
    was done with them, for the reason in `error`. `pending_count`: their jobs, named in `pending`, had not
    ended when the run did, or nobody could be asked whether they were sent. `failed_jobs` names those that
    the gateway refused as a whole.
    """

    gstin: str
    handed_in: int = 0
    succeeded: int = 0
    failed: tuple[RecordFailure, ...] = attrs.field(default=(), repr=_how_many)
    unaccounted: tuple[Record, ...] = attrs.field(default=(), repr=_how_many)
    changed: tuple[Record, ...] = attrs.field(default=(), repr=_how_many)
    not_sent: tuple[Record, ...] = attrs.field(default=(), repr=_how_many)
    unmatched: tuple[ErrorEntry, ...] = attrs.field(default=(), repr=_how_many)
    """What the gateway complained of, and fits nothing that was sent."""
    pending_count: int = 0
    warnings: Mapping[str, int] = attrs.field(factory=dict)
    """What the offline checks only warned about, by code; `rules.check(decisions)` names each."""
    jobs: int = 0
    pending: tuple[JobToken, ...] = ()
    failed_jobs: tuple[JobToken, ...] = ()
    error: Exception | None = None
    batches: tuple[str, ...] = attrs.field(default=(), repr=_how_many)
    """The journal's names for what was sent."""

    @property
    def ok(self) -> bool:
        """True if every decision was applied."""
        return self.succeeded == self.handed_in and self.error is None and not self.unmatched


@attrs.frozen(kw_only=True)
class BulkReport:
    """A run as a whole: its name, each taxpayer's part by GSTIN, and the sums.

    `report["29AAACQ3770E1ZF"].failed` are the records that the gateway refused, with its reasons.
    """

    run: str
    taxpayers: Mapping[str, TaxpayerReport] = attrs.field(factory=dict, repr=_how_many)

    def __getitem__(self, gstin: str) -> TaxpayerReport:
        return self.taxpayers[gstin]

    def __iter__(self) -> Iterator[TaxpayerReport]:
        return iter(self.taxpayers.values())

    def __len__(self) -> int:
        return len(self.taxpayers)

    def __bool__(self) -> bool:
        return True  # also of a run with nothing to do

    def _sum(self, count: Callable[[TaxpayerReport], int]) -> int:
        return sum(map(count, self.taxpayers.values()))

    @property
    def handed_in(self) -> int:
        """How many decisions the run was given: the sum of the six counts below."""
        return self._sum(lambda one: one.handed_in)

    @property
    def succeeded(self) -> int:
        """How many were applied."""
        return self._sum(lambda one: one.succeeded)

    @property
    def failed(self) -> int:
        """How many the gateway refused."""
        return self._sum(lambda one: len(one.failed))

    @property
    def unaccounted(self) -> int:
        """How many the gateway said nothing of."""
        return self._sum(lambda one: len(one.unaccounted))

    @property
    def changed(self) -> int:
        """How many are for a person to decide on anew."""
        return self._sum(lambda one: len(one.changed))

    @property
    def not_sent(self) -> int:
        """How many were not sent."""
        return self._sum(lambda one: len(one.not_sent))

    @property
    def pending_count(self) -> int:
        """How many belong to jobs that had not ended."""
        return self._sum(lambda one: one.pending_count)

    @property
    def jobs(self) -> int:
        """How many saves and resets were sent."""
        return self._sum(lambda one: one.jobs)

    @property
    def pending(self) -> tuple[JobToken, ...]:
        """The jobs that had not ended: `bulk.resume` waits for them, from any process."""
        return tuple(token for one in self for token in one.pending)

    @property
    def failed_jobs(self) -> tuple[JobToken, ...]:
        """The jobs that the gateway refused as a whole."""
        return tuple(token for one in self for token in one.failed_jobs)

    @property
    def errors(self) -> dict[str, Exception]:
        """What stopped a taxpayer's part, by GSTIN."""
        return {one.gstin: one.error for one in self if one.error is not None}

    @property
    def ok(self) -> bool:
        """True if every decision of every taxpayer was applied."""
        return all(one.ok for one in self)

    def __str__(self) -> str:
        counts = (
            (self.succeeded, "applied"),
            (self.failed, "refused"),
            (self.unaccounted, "unaccounted for"),
            (self.changed, "changed by the supplier"),
            (self.not_sent, "not sent"),
            (self.pending_count, "pending"),
        )
        told = ", ".join(f"{count:,} {what}" for count, what in counts if count)
        stopped = f"{_counted(len(self.errors), 'taxpayer')} with an error" if self.errors else ""
        facts = "; ".join(filter(None, (told, stopped))) or "nothing to do"
        whole = f"{_counted(self.handed_in, 'decision')} of {_counted(len(self), 'taxpayer')}"
        return f"run {self.run}: {whole}: {facts}"

    def raise_for_failures(self) -> None:
        """Raise `RecordsRejected` unless `ok`, with the first reasons."""
        if self.ok:
            return
        errors = [f"{gstin}: {error}" for gstin, error in self.errors.items()]
        reasons = errors + [f"{one.gstin}: {failure}" for one in self for failure in one.failed[:1]]
        raise RecordsRejected("; ".join([str(self), *reasons[:3]]), report=self)


Fingerprint = tuple[object, ...]


def fingerprint(kind: JobKind, record: Record) -> Fingerprint:
    """Return what makes a decision the same one, whenever its record was read."""
    if isinstance(record, Decision):
        return kind, *record.key, record.action, record.remarks, record.itc_reduction
    return kind, *record.key


def without_frames(error: Exception) -> Exception:
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
        self.error: Exception | None = None
        self._changed: list[Record] = []
        self._not_sent: list[Record] = []
        self._in_doubt = 0
        self._failed: list[tuple[JobKind, RecordFailure]] = []
        self._unaccounted: list[tuple[JobKind, Record]] = []
        self._unmatched: list[ErrorEntry] = []
        self._pending: dict[int, tuple[ImsJob, int]] = {}
        """Jobs, and how many decisions are pending with each."""
        self._through_jobs = 0
        self._failed_jobs: list[JobToken] = []
        self._batches: list[str] = []
        self._warnings: Counter[str] = Counter()

    @property
    def known(self) -> int:
        """Of how many decisions it is known what became of them."""
        told = len(self._failed) + len(self._unaccounted) + len(self._changed) + len(self._not_sent)
        return self.succeeded + told

    def sent(self, job: ImsJob, *, fresh: bool = False) -> None:
        """Note a job that is not known to have ended; `fresh` is one of what was never sent before."""
        self.jobs += 1
        self._pending[id(job)] = job, job.submitted or 0
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
        self._pending, self._failed_jobs, self._batches = {}, [], []
        states: dict[int, _State] = {}
        uncounted = 0
        for job, prints in jobs:
            if not prints:  # its records cannot be read: only numbers are known
                uncounted += job.submitted or 0
                self._pending[id(job)] = job, job.submitted or 0
                if job.report is not None and not job.open:
                    self.ended(job, job.report)
                continue
            for one, state in zip(prints, self._states_of(job), strict=True):
                if one not in states or states[one].what is not _What.APPLIED:
                    states[one] = state
        for record in self._changed:
            states.pop(hash(fingerprint(JobKind.SAVE, record)), None)
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
            self._unmatched += report.unmatched
            self._failed_jobs += [job.token] * (report.state is JobState.FAILED)
            self._batches += [] if report.batch is None else [report.batch]
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
            _, count = self._pending.get(id(state.job), (state.job, 0))
            self._pending[id(state.job)] = state.job, count + 1
        elif state.failure is not None:
            self._failed.append((state.job.kind, state.failure))
        else:
            self._unaccounted.append((state.job.kind, state.record))

    def ended(self, job: ImsJob, report: JobReport) -> None:
        """Count what became of a job's records."""
        self._pending.pop(id(job), None)
        if report.state is JobState.FAILED:
            self._failed_jobs.append(job.token)
        if report.batch is not None:
            self._batches.append(report.batch)
        self.succeeded += (report.submitted or 0) - len(report.failed) - report.unaccounted_count
        self._failed += [(job.kind, failure) for failure in report.failed]
        self._unaccounted += [(job.kind, record) for record in report.unaccounted]
        self._in_doubt += report.unaccounted_count - len(report.unaccounted)
        self._unmatched += report.unmatched

    def warned(self, findings: Iterable[Finding]) -> None:
        """Count what was found before anything was sent."""
        self._warnings.update(finding.code for finding in findings)

    def let_go(self, job: ImsJob) -> None:
        """Count a job of which a person said that it need not be known."""
        self._pending.pop(id(job), None)
        records = job.records or ()
        self._unaccounted += [(job.kind, record) for record in records]
        self._in_doubt += (job.submitted or 0) - len(records)

    def without_effect(self, job: ImsJob) -> list[Record]:
        """Return which of a job's records are known to stand as they stood, and are not on their way again.

        A failure without a code of the gateway's is what a look has found.
        """
        own = {id(record) for record in job.records or ()}
        found = [f.record for _, f in self._failed if f.code in ("", JOB_RUNNING) and id(f.record) in own]
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

    def broken_off(self, not_sent: Sequence[Record], *, in_doubt: int) -> None:
        """Note with what nothing was done, and of how many nobody can say whether they were sent."""
        self._not_sent += not_sent
        self._in_doubt += in_doubt

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
            pending_count=self._in_doubt + sum(count for _, count in self._pending.values()),
            warnings=dict(self._warnings),
            jobs=self.jobs,
            pending=tuple(job.token for job, _ in self._pending.values()),
            failed_jobs=tuple(self._failed_jobs),
            error=self.error,
            batches=tuple(self._batches),
        )
