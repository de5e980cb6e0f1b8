"""Accounting: what became of each record, by a final status."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from ..errors import RecordsRejected, bounded
from .reasons import Reason, completed, together
from .records import Record, RecordKey
from .status import ErrorEntry, Found, JobState, JobStatus

FOUND_NOT_APPLIED: Final = "not applied, as a second look showed"
FOUND_CHANGED: Final = "changed by the supplier, or gone, as a second look showed"


CANNED: Final = "the test host's figures are canned: they say nothing of what was sent"


@attrs.frozen(kw_only=True)
class RecordFailure:
    """A record that was not applied. `record` is the very object that was submitted, None if unknown here."""

    record: Record | None
    key: RecordKey
    code: str = attrs.field(converter=bounded)
    message: str = attrs.field(converter=bounded)

    def __str__(self) -> str:
        return f"{self.key}: {self.code} {self.message}".rstrip()


def _how_many(things: tuple[object, ...]) -> str:
    return f"<{len(things):,}>"


@attrs.frozen(kw_only=True)
class JobReport:
    """What became of each record of a finished job: `succeeded + failed + unaccounted` is what was sent.

    `unaccounted` holds records of which the gateway's counts do not tell: `taxpayer.reconcile(job)` looks.
    `unmatched` holds error entries that fit nothing that was sent. A job resumed without its records has
    `succeeded` empty; `submitted` and `unaccounted_count` then say how many there are.
    """

    state: JobState
    submitted: int | None
    # Shown as counts: a report of 100,000 records is 65 MB of text otherwise.
    succeeded: tuple[Record, ...] = attrs.field(default=(), repr=_how_many)
    failed: tuple[RecordFailure, ...] = attrs.field(default=(), repr=_how_many)
    unaccounted: tuple[Record, ...] = attrs.field(default=(), repr=_how_many)
    unmatched: tuple[ErrorEntry, ...] = attrs.field(default=(), repr=_how_many)
    unaccounted_count: int = 0
    processed_count: int | None = None
    error_count: int | None = None
    error_code: str = ""
    error_message: str = ""
    batch: str | None = attrs.field(default=None, eq=False, repr=False)
    """The journal's name for what was sent, where there is a journal."""
    canned: bool = False
    """True of a test host that answers examples: none of its figures is of what was sent."""
    found: Found | None = attrs.field(default=None, repr=False)
    """What a look at the records showed, where nobody could be asked: then `failed` is what it showed to be
    not applied, or changed, without codes. None where all of this is the gateway's word."""

    @property
    def ok(self) -> bool:
        """True if every record is known to be applied; of a job of unknown size or a canned report, never."""
        return (
            not self.canned
            and self.state is JobState.SUCCEEDED
            and self.submitted is not None
            and not self.failed
            and not self.unmatched
            and not self.unaccounted_count
        )

    @property
    def reason(self) -> str:
        """What the gateway said of the whole job; where it said nothing, what it said of single records."""
        of_records = dict.fromkeys(failure.message for failure in self.failed if failure.message)
        return self.error_message or "; ".join(itertools.islice(of_records, 3))

    def raise_for_failures(self) -> None:
        """Raise `RecordsRejected` unless `ok`."""
        if self.ok:
            return
        shown = "; ".join([*map(str, self.failed[:3]), *([CANNED] if self.canned else [])])
        raise RecordsRejected(
            f"{len(self.failed)} of {self.submitted if self.submitted is not None else '?'} records failed, "
            f"{self.unaccounted_count} unaccounted for: {shown or 'see report'}",
            report=self,
        )


def account(status: JobStatus, records: Sequence[Record] | None, submitted: int | None) -> JobReport:
    """Say what became of each record, from a final status."""
    if status.found is not None:
        return _account_found(status, status.found, records, submitted)
    if records is None:
        return _account_without_records(status, submitted)
    failed, unmatched = _join(status.error_report, records)
    refused = _refused_whole(status)
    if refused:
        status = _with_reasons(status, unmatched)
        failed = {
            place: _refused_with_all(record, status, failed.get(place))
            for place, record in enumerate(records)
        }
    rest = tuple(record for place, record in enumerate(records) if place not in failed)
    told = refused or _tells_of_all(status, len(records), len(failed), len(unmatched))
    return _report(
        status,
        submitted=len(records),
        succeeded=rest if told else (),
        failed=tuple(failed[place] for place in sorted(failed)),
        unaccounted=() if told else rest,
        unmatched=tuple(unmatched),
        unaccounted_count=0 if told else len(rest),
    )


def _account_found(
    status: JobStatus, found: Found, records: Sequence[Record] | None, submitted: int | None
) -> JobReport:
    """Say what a look at the records showed of each."""
    reasons = dict.fromkeys(found.not_applied, FOUND_NOT_APPLIED) | dict.fromkeys(
        found.changed, FOUND_CHANGED
    )
    if records is None:
        failed = [RecordFailure(record=None, key=key, code="", message=why) for key, why in reasons.items()]
        return _report(status, submitted=submitted, failed=tuple(failed))
    failed, succeeded, untold = [], list[Record](), list[Record]()
    dateless = Counter(record.key._replace(date=None) for record in records)
    for record in records:
        old = record.key._replace(date=None)  # as older journals kept keys
        reason = reasons.get(record.key) or reasons.get(old)
        if reason is None:
            succeeded.append(record)
        elif record.key not in reasons and dateless[old] > 1:
            untold.append(record)
        else:
            failed.append(RecordFailure(record=record, key=record.key, code="", message=reason))
    return _report(
        status,
        submitted=len(records),
        succeeded=tuple(succeeded),
        failed=tuple(failed),
        unaccounted=tuple(untold),
        unaccounted_count=len(untold),
    )


def _refused_whole(status: JobStatus) -> bool:
    """True where GSTN refused the job; a carrier that broke off says nothing about GSTN."""
    return status.state is JobState.FAILED and not status.carrier_failed


def _with_reasons(status: JobStatus, unmatched: Sequence[ErrorEntry]) -> JobStatus:
    """Return a refused job's status with a code and words: where it has none, of entries that fit no record.

    All records are refused with the job: why it was is told with each, and by the error.
    """
    if status.error_code and status.error_message:
        return status
    named = together(Reason(entry.code, entry.message) for entry in unmatched[:_REASONS])
    told = completed(Reason(status.error_code, status.error_message), named)
    return attrs.evolve(status, error_code=told.code, error_message=told.words)


_REASONS: Final = 5  # that are told of a job


def _report(status: JobStatus, **facts: object) -> JobReport:
    return JobReport(
        state=status.state,
        processed_count=status.processed,
        error_count=status.errors,
        error_code=status.error_code,
        error_message=status.error_message,
        found=status.found,
        **facts,  # type: ignore[arg-type] # the two callers name JobReport's own fields
    )


def _account_without_records(status: JobStatus, submitted: int | None) -> JobReport:
    named: dict[RecordKey, list[ErrorEntry]] = defaultdict(list)
    unmatched: list[ErrorEntry] = []
    for entry in status.error_report:
        if entry.number is None:
            unmatched.append(entry)  # it may mean any record of its supplier
        else:
            key = RecordKey(entry.section, entry.supplier, entry.number, None, entry.return_period)
            named[key].append(entry)
    failed = tuple(_failure(None, key, entries) for key, entries in named.items())
    if refused := _refused_whole(status):
        status = _with_reasons(status, unmatched)
    rest = 0 if submitted is None or refused else max(submitted - len(failed), 0)
    told = not rest or _tells_of_all(status, submitted or 0, len(failed), len(unmatched))
    return _report(
        status,
        submitted=submitted,
        failed=failed,
        unmatched=tuple(unmatched),
        unaccounted_count=0 if told else rest,
    )


def _tells_of_all(status: JobStatus, sent: int, failed: int, unmatched: int) -> bool:
    """True if every record that is not listed as failed is thereby known to have succeeded.

    Whether `proc_cnt` includes failures is not documented, so both readings are consistent; the list of
    errors must be as long as the count of them says, and one that is partial must list a failure at least.
    An entry that fits nothing may mean any of the rest.
    """
    processed, errors = status.processed, status.errors
    if unmatched or status.carrier_failed or (status.state is JobState.PARTIAL and not failed):
        return False
    if status.state is JobState.SUCCEEDED and processed is None:
        return not failed and not errors  # the code says so, and nothing speaks against it
    if processed is None:
        return False
    if errors is None:
        return processed + failed == sent
    return errors == failed and (processed == sent or processed + errors == sent)


def _join(
    entries: Sequence[ErrorEntry], records: Sequence[Record]
) -> tuple[dict[int, RecordFailure], list[ErrorEntry]]:
    """Join error entries to records on section, supplier, number and return period.

    Where an entry lacks some of them, those that it gives must fit one record only. Two records that differ
    in nothing but their date cannot be told apart by an entry: both stay unaccounted, unless the same
    reason is given as often as there are such records. (Two reasons may both be about one of them.)
    """
    by_target: dict[tuple[int, ...], list[ErrorEntry]] = defaultdict(list)
    unmatched: list[ErrorEntry] = []
    for given, alike in _by_what_they_give(entries).items():
        exact, folded = _places(records, given, alike)
        for entry in alike:
            ids = _given(_ids_of_entry(entry), given)
            places = exact.get(ids) or folded.get(_fold(ids)) or ()
            if places and (all(given) or (any(given) and len(places) == 1)):
                by_target[tuple(places)].append(entry)
            else:
                unmatched.append(entry)
    failed: dict[int, RecordFailure] = {}
    for targets, found in by_target.items():
        told = max(Counter((entry.code, entry.message) for entry in found).values())
        if len(targets) > 1 and told < len(targets):
            unmatched.extend(found)
            continue
        for place in targets:
            failed[place] = _failure(records[place], records[place].key, found)
    return failed, unmatched


_BY_VARIETY: Final = (2, 1, 3, 0)  # places of the ids, the one that tells most first
_Ids = tuple[str, ...]  # section, supplier, number, return period; only those that are given


def _ids_of_entry(entry: ErrorEntry) -> _Ids:
    return (entry.section, entry.supplier, entry.number or "", entry.return_period or "")


def _ids_of_record(record: Record) -> _Ids:
    return (record.section, record.supplier, record.number, record.return_period)


def _given(ids: _Ids, given: tuple[bool, ...]) -> _Ids:
    return tuple(itertools.compress(ids, given))


def _by_what_they_give(entries: Iterable[ErrorEntry]) -> dict[tuple[bool, ...], list[ErrorEntry]]:
    """Sort entries by which of the four ids they give: nearly always all of them."""
    sorted_out: dict[tuple[bool, ...], list[ErrorEntry]] = defaultdict(list)
    for entry in entries:
        sorted_out[tuple(map(bool, _ids_of_entry(entry)))].append(entry)
    return sorted_out


def _places(
    records: Sequence[Record], given: tuple[bool, ...], entries: Iterable[ErrorEntry]
) -> tuple[dict[_Ids, list[int]], dict[_Ids, list[int]]]:
    """Index where records stand by those ids, as they are and folded, if an entry may mean them."""
    # Most of a big batch is named nowhere: one id, the number where it is given, tells that at once.
    first = next((place for place in _BY_VARIETY if given[place]), 0)
    named = {_fold_one(_ids_of_entry(entry)[first]) for entry in entries}
    exact: dict[_Ids, list[int]] = defaultdict(list)
    folded: dict[_Ids, list[int]] = defaultdict(list)
    for place, record in enumerate(records):
        every = _ids_of_record(record)
        if _fold_one(every[first]) in named:
            ids = _given(every, given)
            exact[ids].append(place)
            folded[_fold(ids)].append(place)
    return exact, folded


def _fold(ids: _Ids) -> _Ids:
    return tuple(map(_fold_one, ids))


def _fold_one(part: str) -> str:
    return part.strip().upper()


def _refused_with_all(record: Record, status: JobStatus, own: RecordFailure | None) -> RecordFailure:
    """Give a record the job's code; a reason of its own is told behind the job's."""
    reasons = [status.error_message] if own is None else [status.error_message, f"{own.code}: {own.message}"]
    message = "; ".join(dict.fromkeys(filter(None, reasons)))
    return RecordFailure(record=record, key=record.key, code=status.error_code or "ER", message=message)


def _failure(record: Record | None, key: RecordKey, entries: Sequence[ErrorEntry]) -> RecordFailure:
    """One failure per record; where the gateway gives several reasons, all are told."""
    reasons = list(dict.fromkeys((entry.code, entry.message) for entry in entries))
    message = "; ".join([reasons[0][1], *(f"{code}: {text}" for code, text in reasons[1:])])
    return RecordFailure(record=record, key=key, code=reasons[0][0], message=message)
