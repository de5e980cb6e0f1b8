"""What a run reports: events while it goes on, and what became of each decision, by taxpayer and in all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Final

import attrs

from ..errors import RecordsRejected
from ..jobs.job import ImsJob
from ..model.plain import Plain, counted
from ..model.records import Record
from ..model.report import CANNED, JobReport, RecordFailure
from ..model.status import ErrorEntry
from ..model.tokens import JobToken
from ..rules.periods import is_before_ims
from .concurrency import TO_BEGIN
from .gstr2b import Gstr2bProof, draft_of

_OUTCOMES: Final = (
    *("applied", "refused", "unaccounted for", "changed by the supplier", "not sent", "pending"),
)


def counts_in_words(counts: Iterable[int]) -> str:
    """Return `TaxpayerReport.counts` in words, those that are not zero."""
    return ", ".join(f"{count:,} {what}" for count, what in zip(counts, _OUTCOMES, strict=True) if count)


def _how_many(things: Collection[object]) -> str:
    return f"<{len(things):,}>"


@attrs.frozen(kw_only=True)
class TaxpayerReport(Plain):
    """One GSTIN's part: `handed_in` is the sum of all the other counts.

    `failed`: the gateway refused them, each with its reason. `unaccounted`: their job has ended, and the
    gateway said nothing of them. `changed`: edited by the supplier, or gone, for a person to decide on.
    `not_sent`: nothing was done with them, for the reason in `error`. `pending_count`: all others. Their
    jobs, named in `pending`, have not ended, or it is not known whether they were sent; while the run goes
    on, also those that are still to be sent. `failed_jobs` names those that the gateway refused as a whole.
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
    doubtful_jobs: tuple[JobToken, ...] = ()
    """Jobs that have not succeeded by their state, though no record of theirs is named: see `ok`."""
    refused_sizes: tuple[int, ...] = ()
    """Bytes of each request that the gateway refused for its size; the records went in smaller ones."""
    error: Exception | None = None
    canned: bool = False
    """True of a test host that answers examples: then the counts are not of what was sent."""
    batches: tuple[str, ...] = attrs.field(default=(), repr=_how_many)
    """The journal's names for what was sent."""
    gstr2b: JobReport | None = None
    """What came of the GSTR-2B that was to be computed anew, once that has ended."""
    gstr2b_error: Exception | None = None
    """Why it was not, though it was asked for: refused, or lost. It says nothing of the decisions."""
    gstr2b_proof: Gstr2bProof | None = None
    """How it differs from the one before, where that was asked for (`regenerate_all(…, confirm=True)`).

    What was before is None where an earlier call of the run has asked for it: only that one has read it.
    """
    changed_at: dt.datetime | None = None
    """Until when a save or reset of this run was applied, or may have been; None if none was."""
    gstr2b_is_current: bool = False
    """True if `gstr2b` was computed anew from a request that was sent after that."""

    @property
    def counts(self) -> tuple[int, ...]:
        """How many were applied, refused, unaccounted for, changed, not sent, and are pending."""
        named = (self.failed, self.unaccounted, self.changed, self.not_sent)
        return self.succeeded, *map(len, named), self.pending_count

    @property
    def ok(self) -> bool:
        """True if every decision was applied, no job's state says otherwise, and GSTR-2B is as was asked."""
        whole = self.succeeded == self.handed_in and not self.unmatched and not self.doubtful_jobs
        computed = self.gstr2b_error is None and (self.gstr2b is None or self.gstr2b.ok)
        return whole and computed and not self.canned and self.error is None

    def __str__(self) -> str:
        facts = [counts_in_words(self.counts) or "nothing to do", *([CANNED] if self.canned else [])]
        if self.doubtful_jobs:
            facts.append(f"{counted(len(self.doubtful_jobs), 'job')} with errors that are not named")
        said = self._of_gstr2b
        if self.handed_in or not said:
            said = [f"{counted(self.handed_in, 'decision')}: {'; '.join(facts)}", *said]
        said += [str(self.error)] if self.error is not None else []
        return f"{self.gstin}: {'; '.join(said)}"

    def _is_due(self, period: str, draft: dt.datetime) -> bool:
        if self.pending_count:  # it may be applied yet
            return True
        current = self.gstr2b_is_current and self.gstr2b is not None and self.gstr2b.gstr2b == period
        return self.changed_at is not None and self.changed_at >= draft and not current

    @property
    def _of_gstr2b(self) -> list[str]:
        if self.gstr2b_error is not None:
            return [f"GSTR-2B was not computed anew: {self.gstr2b_error}"]
        return [] if self.gstr2b is None else [str(self.gstr2b)]


@attrs.frozen(kw_only=True)
class BulkReport(Plain):
    """A run as a whole: its name, each taxpayer's part by GSTIN, and the sums.

    `report["29AAACQ3770E1ZF"].failed` are the records that the gateway refused, with its reasons.
    """

    run: str
    taxpayers: Mapping[str, TaxpayerReport] = attrs.field(factory=dict, repr=_how_many)
    begun: bool = True
    """False of a run that nobody has awaited or iterated over yet: nothing of it was carried out."""

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
    def doubtful_jobs(self) -> tuple[JobToken, ...]:
        """The jobs that ended with errors, none of which is named."""
        return tuple(token for one in self for token in one.doubtful_jobs)

    @property
    def refused_sizes(self) -> tuple[int, ...]:
        """Bytes of each request that the gateway refused for its size: run again with less as `max_bytes`."""
        return tuple(size for one in self for size in one.refused_sizes)

    @property
    def errors(self) -> dict[str, Exception]:
        """What stopped a taxpayer's part, by GSTIN; or why GSTR-2B was not computed anew."""
        found = {one.gstin: one.error or one.gstr2b_error for one in self}
        return {gstin: error for gstin, error in found.items() if error is not None}

    def recompute_due(self, period: str, *, draft: dt.date | None = None) -> list[str]:
        """Return the GSTINs whose GSTR-2B of a period (`MMYYYY`) is due to be computed anew.

        That is where the run has changed something, or may have, since the draft, and did not have it
        computed anew. `draft` is the day of that, if not the 14th of the next month. Raises `InvalidInput`.
        """
        since = draft_of(period, draft)
        return [] if is_before_ims(period) else [one.gstin for one in self if one._is_due(period, since)]

    @property
    def ok(self) -> bool:
        """True if it has begun, every decision of every taxpayer was applied, and no job's state says
        otherwise.
        """
        return self.begun and all(one.ok for one in self)

    def __str__(self) -> str:
        if not self.begun:
            return f"run {self.run} was not begun: {TO_BEGIN}"
        named = (self.failed, self.unaccounted, self.changed, self.not_sent)
        facts = [counts_in_words((self.succeeded, *named, self.pending_count))]
        facts += [f"{counted(len(self.errors), 'taxpayer')} with an error"] * bool(self.errors)
        if self.doubtful_jobs:
            facts.append(f"{counted(len(self.doubtful_jobs), 'job')} with errors that are not named")
        asked = [one for one in self if one.gstr2b_error is not None or one.gstr2b is not None]
        if asked:
            well = sum(one.gstr2b is not None and one.gstr2b.ok and not one.gstr2b_error for one in asked)
            facts.append(f"GSTR-2B is up to date for {well:,} of {counted(len(asked), 'taxpayer')}")
        whole = counted(len(self), "taxpayer")
        if self.handed_in or not asked:
            whole = f"{counted(self.handed_in, 'decision')} of {whole}"
        return f"run {self.run}: {whole}: {'; '.join(filter(None, facts)) or 'nothing to do'}"

    def raise_for_failures(self) -> None:
        """Raise `RecordsRejected` unless `ok`, with the first reasons."""
        if self.ok:
            return
        errors = [f"{gstin}: {error}" for gstin, error in self.errors.items()]
        reasons = errors + [f"{one.gstin}: {failure}" for one in self for failure in one.failed[:1]]
        canned = [CANNED] if any(one.canned for one in self) else []
        raise RecordsRejected("; ".join([str(self), *reasons[:3], *canned]), report=self)


class EventKind(StrEnum):
    """What has happened: a taxpayer's work starts and finishes; in between each of its jobs is submitted and
    ends.
    """

    STARTED = "started"
    """Work for a taxpayer has begun."""
    SUBMITTED = "submitted"
    """The gateway has accepted a `job`."""
    CUT_SMALLER = "cut smaller"
    """A request was refused for its size (see `error`): its records are sent in smaller ones."""
    LOOKING = "looking"
    """The answer to a change was lost: its records are read again until it is known what became of it."""
    ENDED = "ended"
    """A `job` has ended; its `report` says what became of each of its records."""
    SESSION_ENDED = "session ended"
    """There is no session, or it cannot be kept alive: a person has to log in with an OTP (see `error`)."""
    FINISHED = "finished"
    """Work for a taxpayer has ended; `outcome` accounts for each of its decisions."""


@attrs.frozen(kw_only=True)
class Progress:
    """How far a run is. Of an async iterable nobody knows the totals before its end: they are None."""

    taxpayers: int
    """Begun so far."""
    finished: int
    handed_in: int
    """Decisions taken in so far."""
    known: int
    """Decisions of which it is known what became of them, also those that were not sent."""
    total_taxpayers: int | None = None
    total_decisions: int | None = None


@attrs.frozen(kw_only=True)
class BulkEvent:
    """Something that has happened to one taxpayer, and how far the whole run is.

    `job` comes with `SUBMITTED`, `LOOKING` and `ENDED`, `report` with `ENDED`, `outcome` with `FINISHED`;
    `error` with `CUT_SMALLER` and `SESSION_ENDED`, and with `FINISHED` where something stopped the work.
    """

    kind: EventKind
    gstin: str
    progress: Progress
    job: ImsJob | None = None
    report: JobReport | None = None
    outcome: TaxpayerReport | None = None
    error: Exception | None = None
