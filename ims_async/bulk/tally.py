"""What became of one taxpayer's decisions, counted while its part of a run is worked on."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from ..jobs.job import ImsJob
from ..jobs.reconcile import Reconciliation, decided
from ..model.records import Decision, Invoice, Record
from ..model.report import JobReport, RecordFailure
from ..model.status import ErrorEntry, JobKind, JobState
from ..model.tokens import JobToken
from ..steps import Steps, free, run_async, sliced
from .gstr2b import StatementTally
from .report import TaxpayerReport

E = TypeVar("E", bound=Exception)
_Hashed = Sequence[tuple[ImsJob, Sequence[int]]]
"""Jobs, each with the hash of every decision in it."""
_PER_STEP: Final = 500  # decisions, of which each is hashed in two microseconds


def hashes_of(records: Sequence[Record]) -> Steps[list[int]]:
    """Return the hash of what each decides."""
    found: list[int] = []
    for few in sliced(records, _PER_STEP):
        found += [hash(decided(record)) for record in few]
        yield
    return found


def _not_carried(
    waiting: dict[int, Record], hashes: Sequence[int], carried: Collection[int]
) -> Steps[dict[int, Record]]:
    """Return what waits without those whose hash is among those that are carried."""
    left: dict[int, Record] = {}
    pairs = list(zip(waiting.items(), hashes, strict=True))
    yield
    for few in sliced(pairs):
        left.update(named for named, one in few if one not in carried)
        yield
    yield from free(pairs)
    return left


def _take_out(piles: Iterable[dict[int, Any]], names: Sequence[int]) -> None:
    for pile in filter(None, piles):
        for name in names:
            pile.pop(name, None)
        if not pile:
            pile.clear()  # its table would stay: a stream has a tally for each GSTIN


def without_effect(tally: Tally, job: ImsJob) -> Steps[list[Record]]:
    """Return which of a job's records are known to stand as they stood, and are not sent again yet."""
    found: list[Record] = []
    for few in sliced(job.report.failed if job.change.without_effect and job.report else ()):
        found += tally.not_sent_again(few)
        yield
    return found


def without_frames(error: E) -> E:
    """Return an error that keeps no frame alive: what it happened to can be megabytes of records."""
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error


class Tally:
    """One taxpayer's decisions, each in one state: so the counts add up at any moment.

    It waits, is carried by a pending job, was applied, failed, is unaccounted for, changed, or not sent.
    Those that were applied are only counted, since a stream may have any number of them. Others are kept by
    the `id` of the very object that was handed in.
    """

    def __init__(self, gstin: str) -> None:
        self.gstin = gstin
        self.error: Exception | None = None
        self.refused_sizes: list[int] = []
        self.seen: set[str] = set()
        """The changes of the journal that are counted."""
        self.revision = 0  # of the journal: what it held then is counted, or was called off
        self.known_to = 0  # what it held then besides is heeded: by `others_sent`, if it was sent
        self.others_sent = False
        self.carried: set[int] = set()
        """The decisions in those, as hashes, once another process had a part in them."""
        self._waiting: dict[int, Record] = {}
        self._changed: dict[int, Record] = {}
        self._not_sent: dict[int, Record] = {}
        self._in_doubt = 0
        """How many may have been sent, in which job is not known."""
        self._canned = False
        self._warnings: Counter[str] = Counter()
        self._forget_jobs()

    def _forget_jobs(self) -> None:
        self.succeeded = self.jobs = self._unnamed = 0
        self.statement = StatementTally()
        self._pending: dict[ImsJob, int] = {}
        self._elsewhere: dict[ImsJob, list[Record]] = {}
        """Of pending jobs, what counts as a part of another one."""
        self._unmatched: list[ErrorEntry] = []
        self._failed_jobs: list[JobToken] = []
        self._doubtful_jobs: list[JobToken] = []
        self._batches: list[str] = []
        self._failed: dict[int, RecordFailure] = {}
        self._unaccounted: dict[int, Record] = {}

    @property
    def _piles(self) -> list[dict[int, Any]]:
        return [self._failed, self._unaccounted, self._changed, self._not_sent]

    @property
    def known(self) -> int:
        """Of how many decisions it is known what became of them."""
        return self.succeeded + sum(map(len, self._piles))

    @property
    def pending_count(self) -> int:
        """Of how many it is not: they wait, or their job has not ended."""
        return len(self._waiting) + sum(self._pending.values()) + self._unnamed + self._in_doubt

    @property
    def handed_in(self) -> int:
        """How many there are."""
        return self.known + self.pending_count

    # -- what happens to decisions -------------------------------------------------------------------------

    def hand_in(self, records: Iterable[Record]) -> list[Record]:
        """Take in what is to be sent, and return it, saves first; one that is here already as a copy."""
        own = list(records)
        if any(issubclass(kind, Invoice) for kind in set(map(type, own))):
            own.sort(key=lambda one: isinstance(one, Invoice))
        names = dict(zip(map(id, own), own, strict=True))
        piles = [pile for pile in (self._waiting, *self._piles) if pile]
        if len(names) < len(own) or not all(pile.keys().isdisjoint(names) for pile in piles):
            taken = {name for pile in piles for name in pile}
            for place, record in enumerate(own):
                if id(record) in taken:
                    own[place] = copy.copy(record)
                taken.add(id(own[place]))
            names = dict(zip(map(id, own), own, strict=True))
        self._waiting |= names
        return own

    def waiting(self, kind: JobKind | None = None) -> list[Record]:
        """Return what is to be sent, of one kind or all."""
        if kind is None:
            return list(self._waiting.values())
        saves = kind is JobKind.SAVE
        return [one for one in self._waiting.values() if isinstance(one, Decision) is saves]

    def sent(self, job: ImsJob, records: Sequence[Record] | None = None) -> None:
        """Note a job that may be at the gateway; `records` are those that it carries, as handed in."""
        self.jobs += 1
        self._take(records or ())
        self._pending[job] = (job.submitted or 0) if records is None else len(records)
        if job.batch is not None:
            self.seen.add(job.batch)

    def is_pending(self, job: ImsJob) -> bool:
        """Say whether its end is not counted yet."""
        return job in self._pending

    def awaits_statement(self, period: str) -> bool:
        """Say whether GSTR-2B of a period was asked for, and its end is not known."""
        return any(job.kind.repeatable and job.period == period for job in self._pending)

    def ended(self, job: ImsJob, report: JobReport | None) -> None:
        """Count what became of a job's records; no report is there of one that a person has let go."""
        count = self._pending.pop(job, 0)
        self.statement.ended(job)
        if job.kind.repeatable:
            return
        if report is None:
            records = job.records or ()
            self._unaccounted |= {id(record): record for record in records}
            self._unnamed += max(count - len(records), 0)
        else:
            self._count(job, report)
        for record in self._elsewhere.pop(job, ()):
            self._drop(job, record)

    def _count(self, job: ImsJob, report: JobReport) -> None:
        self.succeeded += max((report.submitted or 0) - len(report.failed) - report.unaccounted_count, 0)
        self._failed |= {id(failure.record or failure): failure for failure in report.failed}
        self._unaccounted |= {id(record): record for record in report.unaccounted}
        self._unnamed += report.unaccounted_count - len(report.unaccounted)
        self._unmatched += report.unmatched
        self._canned |= report.canned
        self._failed_jobs += [job.token] * (report.state is JobState.FAILED)
        unnamed = not (report.failed or report.unmatched or report.unaccounted_count)
        self._doubtful_jobs += [job.token] * (report.state is not JobState.SUCCEEDED and unnamed)
        self._batches += [] if report.batch is None else [report.batch]

    def not_sent_again(self, failed: Iterable[RecordFailure]) -> list[Record]:
        """Return the records of these failures that count as failed, and are not sent again yet."""
        return [record for one in failed if (record := one.record) and id(record) in self._failed]

    def looked(self, found: Reconciliation) -> None:
        """Count what another look has found; what was not applied stays as it is until it is sent."""
        self.succeeded += self._take(found.applied)
        self._take((*found.changed, *found.cannot_tell_yet))
        self._changed |= {id(record): record for record in found.changed}
        self._unaccounted |= {id(record): record for record in found.cannot_tell_yet}

    def not_sent(self, records: Sequence[Record], *, certain: bool = True) -> None:
        """Note that these were not sent; unless that is `certain` they may have been, and are pending."""
        self._take(records)
        if certain:
            self._not_sent |= {id(record): record for record in records}
        else:
            self._in_doubt += len(records)

    def stopped(self, error: Exception | None) -> None:
        """Note why it did not go on; the first reason is kept."""
        if error is not None:
            self.error = self.error or without_frames(error)

    def warned(self, by_code: Mapping[str, int]) -> None:
        """Count what was found before anything was sent."""
        self._warnings.update(by_code)

    def _take(self, records: Iterable[Record]) -> int:
        """Take decisions out of the piles that they are in, and return how many were in one."""
        before = self.known + len(self._waiting)
        _take_out([self._waiting, *self._piles], list(map(id, records)))
        return before - self.known - len(self._waiting)

    # -- what the journal knows ----------------------------------------------------------------------------

    async def recount(self, jobs: _Hashed, waiting: Sequence[int], *, seen: set[str]) -> None:
        """Count anew all jobs of this run, with the hash of each decision in them, and of those that wait.

        The last job that carries a decision counts; but what was applied once stays so: another job can only
        be refused as stale. `seen` are the changes that were not counted before. It is shown all at once.
        """
        anew = copy.copy(self)
        anew.seen = self.seen | seen
        await run_async(anew._recount(jobs, waiting))
        vars(self).update(vars(anew))

    def _recount(self, jobs: _Hashed, waiting: Sequence[int]) -> Steps[None]:
        self.carried = set()
        for _, hashes in jobs:
            self.carried.update(hashes)
            yield
        self._waiting = yield from _not_carried(self._waiting, waiting, self.carried)
        self._forget_jobs()
        changed = {*(yield from hashes_of(list(self._changed.values())))}
        last: dict[int, tuple[ImsJob, Record]] = {}
        for job, hashes in jobs:
            self.sent(job)
            pairs = list(zip(hashes, job.records or (), strict=True))
            for few in sliced(pairs):
                yield
                for one, record in few:
                    if one in changed or (one in last and self._is_applied(*last[one])):
                        self._drop(job, record)
                        continue
                    if one in last:
                        self._drop(*last[one])
                    last[one] = job, record
            yield
            if not job.open:
                self.ended(job, job.report)
            yield from free(pairs)
        yield from free(last, changed)

    def _is_applied(self, job: ImsJob, record: Record) -> bool:
        name = id(record)
        return job not in self._pending and name not in self._failed and name not in self._unaccounted

    def _drop(self, job: ImsJob, record: Record) -> None:
        """Do not count a decision of a job: another one counts."""
        if job in self._pending:
            self._pending[job] -= 1
            self._elsewhere.setdefault(job, []).append(record)
        elif self._is_applied(job, record):
            self.succeeded -= 1
        else:
            self._failed.pop(id(record), None)
            self._unaccounted.pop(id(record), None)

    async def leave_out(self, waiting: Sequence[int]) -> None:
        """Forget what waits, with these hashes, and is counted as a part of a job."""
        self._waiting = await run_async(_not_carried(self._waiting, waiting, self.carried))

    def report(self) -> TaxpayerReport:
        """Return it as it stands."""
        statement = self.statement
        return TaxpayerReport(
            gstin=self.gstin,
            handed_in=self.handed_in,
            succeeded=self.succeeded,
            failed=tuple(self._failed.values()),
            unaccounted=tuple(self._unaccounted.values()),
            changed=tuple(self._changed.values()),
            not_sent=tuple(self._not_sent.values()),
            unmatched=tuple(self._unmatched),
            pending_count=self.pending_count,
            warnings=dict(self._warnings),
            jobs=self.jobs,
            pending=tuple(job.token for job in self._pending),
            failed_jobs=tuple(self._failed_jobs),
            doubtful_jobs=tuple(self._doubtful_jobs),
            refused_sizes=tuple(self.refused_sizes),
            error=self.error,
            canned=self._canned,
            batches=tuple(self._batches),
            gstr2b=None if statement.job is None else statement.job.report,
            gstr2b_error=statement.error,
            gstr2b_proof=statement.proof,
            changed_at=statement.changed.at,
            gstr2b_is_current=statement.is_current,
        )
