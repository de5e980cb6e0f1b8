"""Derive the outcome of each record from a final status."""

from __future__ import annotations

import itertools
import operator
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from ..errors import RecordsRejected, bounded
from .plain import Plain, counted
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
class JobReport(Plain):
    """The outcome of each record of a finished job: `succeeded + failed + unaccounted` is what was sent.

    `unaccounted` has the records whose outcome does not follow from the gateway's counts;
    `taxpayer.reconcile(job)` reads them again. `unmatched` has error entries that match no record that was
    sent. For a job resumed without its records `succeeded` is empty; `submitted` and `unaccounted_count`
    have the numbers.
    """

    state: JobState
    submitted: int | None
    # Shown as counts: otherwise a report of 100,000 records would be 65 MB of text.
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
    """The id of the batch in the journal, if there is one."""
    canned: bool = False
    """True for a test host that answers examples: its counts do not refer to what was sent."""
    found: Found | None = attrs.field(default=None, repr=False)
    """The result of reading the records again, for a job that could not be polled: `failed` then has the
    records that were not applied, or changed, without codes. None if the gateway reported the outcome."""
    gstr2b: str | None = None
    """The period (`MMYYYY`) of a GSTR-2B that was to be computed anew, empty if unknown; None for records."""
    unchanged: bool = False
    """True if it was not, since no action had changed since it was made."""

    @property
    def ok(self) -> bool:
        """Whether every record is known to be applied; never for a job of unknown size or a canned report."""
        return (
            not self.canned
            and self.state is JobState.SUCCEEDED
            and self.submitted is not None
            and not self.failed
            and not self.unmatched
            and not self.unaccounted_count
        )

    @property
    def failed_count(self) -> int:
        """How many records were not applied, also where `failed` cannot name them."""
        whole = self.state is JobState.FAILED and not self.unaccounted_count
        return self.submitted if whole and self.submitted is not None else len(self.failed)

    @property
    def applied_count(self) -> int | None:
        """How many records were applied, also where `succeeded` cannot name them; None if unknown."""
        if self.submitted is None:
            return None
        return max(self.submitted - self.failed_count - self.unaccounted_count, 0)

    def __str__(self) -> str:
        if self.gstr2b is not None:
            return self._of_gstr2b
        numbers = self.applied_count, self.failed_count, self.unaccounted_count
        counts = zip(numbers, ("applied", "refused", "unaccounted for"), strict=True)
        facts = [", ".join(f"{count:,} {what}" for count, what in counts if count)]
        if self.found is not None:
            facts.append("as a second look showed")
        if self.unmatched:
            facts.append(
                counted(len(self.unmatched), "error that fits no record", "errors that fit no record")
            )
        if not self.ok:
            facts += [f"{self.error_code} {self.reason}".strip(), *([CANNED] if self.canned else [])]
        size = "a job of unknown size" if self.submitted is None else counted(self.submitted, "record")
        return bounded(f"{size}: {'; '.join(filter(None, facts)) or self.state}")

    @property
    def _of_gstr2b(self) -> str:
        said = f"was not computed anew: {self.error_code} {self.reason}".rstrip(": ")
        if self.state is JobState.SUCCEEDED:
            said = "is up to date: nothing changed" if self.unchanged else "was computed anew"
        return bounded(f"GSTR-2B {f'of {self.gstr2b} ' if self.gstr2b else ''}{said}")

    @property
    def reason(self) -> str:
        """The gateway's reason for the whole job; if there is none, the reasons of single records."""
        of_records = dict.fromkeys(failure.message for failure in self.failed if failure.message)
        return self.error_message or "; ".join(itertools.islice(of_records, 3))

    def raise_for_failures(self) -> None:
        """Raise `RecordsRejected` unless `ok`."""
        if self.ok:
            return
        if self.gstr2b is not None:
            raise RecordsRejected(str(self), report=self)
        shown = "; ".join([*map(str, self.failed[:3]), *([CANNED] if self.canned else [])])
        raise RecordsRejected(
            f"{len(self.failed)} of {self.submitted if self.submitted is not None else '?'} records failed, "
            f"{self.unaccounted_count} unaccounted for: {shown or 'see report'}",
            report=self,
        )


def account(status: JobStatus, records: Sequence[Record] | None, submitted: int | None) -> JobReport:
    """Return the outcome of each record, from a final status."""
    if status.found is not None:
        return _account_found(status, status.found, records, submitted)
    if records is None:
        return _account_without_records(status, submitted)
    failed, unmatched = _join(status.error_report, records)
    refused = _refused_whole(status)
    if refused:
        status = _with_reasons(status, unmatched)
        failed = {at: _refused_with_all(one, status, failed.get(at)) for at, one in enumerate(records)}
    rest = tuple(record for place, record in enumerate(records) if place not in failed)
    complete = refused or _accounts_for_all(status, len(records), len(failed), len(unmatched))
    return _report(
        status,
        submitted=len(records),
        succeeded=rest if complete else (),
        failed=tuple(failed[place] for place in sorted(failed)),
        unaccounted=() if complete else rest,
        unmatched=tuple(unmatched),
        unaccounted_count=0 if complete else len(rest),
    )


def _account_found(
    status: JobStatus, found: Found, records: Sequence[Record] | None, submitted: int | None
) -> JobReport:
    """Return the outcome of each record, from reading the records again."""
    reasons = {
        **dict.fromkeys(found.not_applied, FOUND_NOT_APPLIED),
        **dict.fromkeys(found.changed, FOUND_CHANGED),
    }
    if records is None:
        failed = [RecordFailure(record=None, key=key, code="", message=why) for key, why in reasons.items()]
        return _report(status, submitted=submitted, failed=tuple(failed))
    failed, succeeded, unknown = [], list[Record](), list[Record]()
    dateless = Counter(record.key._replace(date=None) for record in records)
    for record in records:
        key = record.key
        old = key._replace(date=None)  # the form of keys in older journals
        reason = reasons.get(key) or reasons.get(old)
        if reason is None:
            succeeded.append(record)
        elif key not in reasons and dateless[old] > 1:
            unknown.append(record)
        else:
            failed.append(RecordFailure(record=record, key=key, code="", message=reason))
    return _report(
        status,
        submitted=len(records),
        succeeded=tuple(succeeded),
        failed=tuple(failed),
        unaccounted=tuple(unknown),
        unaccounted_count=len(unknown),
    )


def _refused_whole(status: JobStatus) -> bool:
    """Return True if GSTN refused the job; a task that broke off does not show that."""
    return status.state is JobState.FAILED and not status.carrier_failed


def _with_reasons(status: JobStatus, unmatched: Sequence[ErrorEntry]) -> JobStatus:
    """Return a refused job's status with code and message; if it has none, those of unmatched entries.

    All records are refused with the job: each has that reason, and so has the error.
    """
    if status.error_code and status.error_message:
        return status
    named = together(Reason(entry.code, entry.message) for entry in unmatched[:_REASONS])
    reason = completed(Reason(status.error_code, status.error_message), named)
    return attrs.evolve(status, error_code=reason.code, error_message=reason.words)


_REASONS: Final = 5  # the most that are reported for a job


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
    complete = not rest or _accounts_for_all(status, submitted or 0, len(failed), len(unmatched))
    return _report(
        status,
        submitted=submitted,
        failed=failed,
        unmatched=tuple(unmatched),
        unaccounted_count=0 if complete else rest,
    )


def _accounts_for_all(status: JobStatus, sent: int, failed: int, unmatched: int) -> bool:
    """Return True if every record that is not listed as failed is known to have succeeded.

    It is not documented whether `proc_cnt` includes failures, so both readings are consistent. The list of
    errors must be as long as their count, and a partial job must list at least one failure. An entry that
    matches no record may refer to any of the rest.
    """
    processed, errors = status.processed, status.errors
    if unmatched or status.carrier_failed or (status.state is JobState.PARTIAL and not failed):
        return False
    if status.state is JobState.SUCCEEDED and processed is None:
        return not failed and not errors  # the code says so, and nothing contradicts it
    if processed is None:
        return False
    if errors is None:
        return processed + failed == sent
    return errors == failed and (processed == sent or processed + errors == sent)


def _join(
    entries: Sequence[ErrorEntry], records: Sequence[Record]
) -> tuple[dict[int, RecordFailure], list[ErrorEntry]]:
    """Join error entries to records on section, supplier, number and return period.

    If an entry lacks some of these, the others must match one record only. An entry cannot distinguish two
    records that differ in their date only: both stay unaccounted, unless the same reason is given as often
    as there are such records. (Two different reasons may both be about one of them.)
    """
    by_given: dict[tuple[bool, ...], list[ErrorEntry]] = defaultdict(list)
    for entry in entries:  # nearly always all four are given
        by_given[tuple(map(bool, _ids_of(entry)))].append(entry)
    by_target: dict[tuple[int, ...], list[ErrorEntry]] = defaultdict(list)
    unmatched: list[ErrorEntry] = []
    for given, alike in by_given.items():
        exact, folded = _places(records, given, alike)
        for entry in alike:
            ids = tuple(itertools.compress(_ids_of(entry), given))
            places = exact.get(ids) or folded.get(_fold(ids)) or ()
            if places and (all(given) or (any(given) and len(places) == 1)):
                by_target[tuple(places)].append(entry)
            else:
                unmatched.append(entry)
    failed: dict[int, RecordFailure] = {}
    for targets, found in by_target.items():
        repeats = max(Counter((entry.code, entry.message) for entry in found).values())
        if len(targets) > 1 and repeats < len(targets):
            unmatched.extend(found)
            continue
        for place in targets:
            failed[place] = _failure(records[place], records[place].key, found)
    return failed, unmatched


_Ids = tuple[str, ...]  # section, supplier, number, return period; only those that are given
_IDS: Final = ("section", "supplier", "number", "return_period")
_ids_of: Final = operator.attrgetter(*_IDS)  # of an entry or a record
_BY_VARIETY: Final = (2, 1, 3, 0)  # indexes of the ids, the most distinctive first


def _places(
    records: Sequence[Record], given: tuple[bool, ...], entries: Iterable[ErrorEntry]
) -> tuple[dict[_Ids, list[int]], dict[_Ids, list[int]]]:
    """Index the records that an entry may refer to by those ids, exactly and case-folded."""
    # Most records of a large batch are in no entry: one id, if possible the number, shows that at once.
    first = next((place for place in _BY_VARIETY if given[place]), 0)
    telling = operator.attrgetter(_IDS[first])
    named = {telling(entry).strip().upper() for entry in entries}
    exact: dict[_Ids, list[int]] = defaultdict(list)
    folded: dict[_Ids, list[int]] = defaultdict(list)
    for place in [at for at, one in enumerate(map(telling, records)) if one.strip().upper() in named]:
        ids = tuple(itertools.compress(_ids_of(records[place]), given))
        exact[ids].append(place)
        folded[_fold(ids)].append(place)
    return exact, folded


def _fold(ids: _Ids) -> _Ids:
    return tuple(part.strip().upper() for part in ids)


def _refused_with_all(record: Record, status: JobStatus, own: RecordFailure | None) -> RecordFailure:
    """Return a failure of a record with the job's code; a reason of its own follows the job's."""
    reasons = [status.error_message] if own is None else [status.error_message, f"{own.code}: {own.message}"]
    message = "; ".join(dict.fromkeys(filter(None, reasons)))
    return RecordFailure(record=record, key=record.key, code=status.error_code or "ER", message=message)


def _failure(record: Record | None, key: RecordKey, entries: Sequence[ErrorEntry]) -> RecordFailure:
    """Return one failure of a record, with all reasons that the gateway gives for it."""
    reasons = list(dict.fromkeys((entry.code, entry.message) for entry in entries))
    message = "; ".join(
        [reasons[0][1], *(f"{code}: {text}".removeprefix(": ") for code, text in reasons[1:])]
    )
    return RecordFailure(record=record, key=key, code=reasons[0][0], message=message)
