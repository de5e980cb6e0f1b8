"""Derive the outcome of each record from a final status.

All of it is in short steps: 100,000 records take a tenth of a second.
"""

from __future__ import annotations

import itertools
import operator
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from ...steps import STEP, Steps, free, run, sliced
from ..change import Change
from ..moves import ChangeState
from ..reasons import Reason, completed, together
from ..records import Record, RecordKey
from ..status import ErrorEntry, Found, JobState, JobStatus
from .outcome import JobReport, RecordFailure

FOUND_NOT_APPLIED: Final = "not applied, as a second look showed"
FOUND_CHANGED: Final = "changed by the supplier, or gone, as a second look showed"
_FAILURES_PER_STEP: Final = STEP // 4  # of four microseconds each


def account(status: JobStatus, records: Sequence[Record] | None, submitted: int | None) -> JobReport:
    """Return the outcome of each record, from a final status."""
    return run(accounting_steps(status, records, submitted))


def accounting_steps(
    status: JobStatus, records: Sequence[Record] | None, submitted: int | None
) -> Steps[JobReport]:
    """Do what `account` does in short steps; the generator returns the report."""
    if status.found is not None:
        return (yield from _account_found(status, status.found, records, submitted))
    if records is None:
        return (yield from _account_without_records(status, submitted))
    failed, unmatched = dict[int, RecordFailure](), list[ErrorEntry]()
    if status.error_report:
        failed, unmatched = yield from _join(status.error_report, records)
    refused = _refused_whole(status)
    if refused:
        status = _with_reasons(status, unmatched)
        yield from _refuse_all(records, status, failed)
    listed, rest = yield from _parted(records, failed)
    complete = refused or _accounts_for_all(status, len(records), len(failed), len(unmatched))
    if failed:
        yield from free(failed)
    return _report(
        status,
        submitted=len(records),
        succeeded=rest if complete else (),
        failed=listed,
        unaccounted=() if complete else rest,
        unmatched=tuple(unmatched),
        unaccounted_count=0 if complete else len(rest),
    )


def applied_steps(change: Change, records: Sequence[Record]) -> Steps[Sequence[Record]]:
    """Return those of a change's records that it is known to have applied."""
    if change.state is not ChangeState.ENDED or change.status is None:
        return ()
    report = yield from accounting_steps(change.status, records, change.token.submitted)
    return report.succeeded


def _parted(
    records: Sequence[Record], failed: Mapping[int, RecordFailure]
) -> Steps[tuple[tuple[RecordFailure, ...], tuple[Record, ...]]]:
    """Return the failures in the order of their records, and the records that have none."""
    if not failed:
        return (), tuple(records)
    listed, rest = list[RecordFailure](), list[Record]()
    for places in sliced(range(len(records))):
        for place in places:
            if (failure := failed.get(place)) is None:
                rest.append(records[place])
            else:
                listed.append(failure)
        yield
    return tuple(listed), tuple(rest)


def _account_found(
    status: JobStatus, found: Found, records: Sequence[Record] | None, submitted: int | None
) -> Steps[JobReport]:
    """Return the outcome of each record, from reading the records again."""
    reasons: dict[RecordKey, str] = {}
    undated = False  # as keys in older journals
    for keys, why in ((found.not_applied, FOUND_NOT_APPLIED), (found.changed, FOUND_CHANGED)):
        for part in sliced(keys):
            reasons.update(dict.fromkeys(part, why))
            undated = undated or any(key.date is None for key in part)
            yield
    failed, succeeded, unknown = list[RecordFailure](), list[Record](), list[Record]()
    if records is None:
        for named in sliced(list(reasons.items()), _FAILURES_PER_STEP):
            failed += [RecordFailure(record=None, key=key, code="", message=why) for key, why in named]
            yield
        return _report(status, submitted=submitted, failed=tuple(failed))
    dateless = (yield from _dateless(records)) if undated else Counter[RecordKey]()
    for few in sliced(records, _FAILURES_PER_STEP):
        for record in few:
            key = record.key
            reason = reasons.get(key)
            unclear = False
            if reason is None and undated:
                reason, unclear = reasons.get(old := key._replace(date=None)), dateless[old] > 1
            if reason is None:
                succeeded.append(record)
            elif unclear:
                unknown.append(record)
            else:
                failed.append(RecordFailure(record=record, key=key, code="", message=reason))
        yield
    yield from free(reasons, dateless)
    return _report(
        status,
        submitted=len(records),
        succeeded=tuple(succeeded),
        failed=tuple(failed),
        unaccounted=tuple(unknown),
        unaccounted_count=len(unknown),
    )


def _dateless(records: Sequence[Record]) -> Steps[Counter[RecordKey]]:
    """Count the records that have the same key but for the date."""
    found = Counter[RecordKey]()
    for few in sliced(records, _FAILURES_PER_STEP):
        found.update(record.key._replace(date=None) for record in few)
        yield
    return found


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


def _account_without_records(status: JobStatus, submitted: int | None) -> Steps[JobReport]:
    named: dict[RecordKey, list[ErrorEntry]] = defaultdict(list)
    unmatched: list[ErrorEntry] = []
    for few in sliced(status.error_report):
        for entry in few:
            if entry.number is None:
                unmatched.append(entry)  # it may mean any record of its supplier
            else:
                key = RecordKey(entry.section, entry.supplier, entry.number, None, entry.return_period)
                named[key].append(entry)
        yield
    failed: list[RecordFailure] = []
    for keys in sliced(list(named), _FAILURES_PER_STEP):
        failed += [_failure(None, key, named[key]) for key in keys]
        yield
    yield from free(named)
    if refused := _refused_whole(status):
        status = _with_reasons(status, unmatched)
    rest = 0 if submitted is None or refused else max(submitted - len(failed), 0)
    complete = not rest or _accounts_for_all(status, submitted or 0, len(failed), len(unmatched))
    return _report(
        status,
        submitted=submitted,
        failed=tuple(failed),
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
) -> Steps[tuple[dict[int, RecordFailure], list[ErrorEntry]]]:
    """Join error entries to records on section, supplier, number and return period.

    If an entry lacks some of these, the others must match one record only. An entry cannot distinguish two
    records that differ in their date only: both stay unaccounted, unless the same reason is given as often
    as there are such records. (Two different reasons may both be about one of them.)
    """
    by_given: dict[tuple[bool, ...], list[ErrorEntry]] = defaultdict(list)
    for few in sliced(entries):
        for entry in few:  # nearly always all four are given
            by_given[tuple(map(bool, _ids_of(entry)))].append(entry)
        yield
    by_target: dict[tuple[int, ...], list[ErrorEntry]] = defaultdict(list)
    unmatched: list[ErrorEntry] = []
    for given, alike in by_given.items():
        exact, folded = yield from _places(records, given, alike)
        for few in sliced(alike, _FAILURES_PER_STEP):
            for entry in few:
                ids = tuple(itertools.compress(_ids_of(entry), given))
                places = exact.get(ids) or folded.get(_fold(ids)) or ()
                if places and (all(given) or (any(given) and len(places) == 1)):
                    by_target[tuple(places)].append(entry)
                else:
                    unmatched.append(entry)
            yield
        yield from free(exact, folded)
    failed: dict[int, RecordFailure] = {}
    for several in sliced(list(by_target), _FAILURES_PER_STEP):
        for targets in several:
            found = by_target[targets]
            repeats = max(Counter((entry.code, entry.message) for entry in found).values())
            if len(targets) > 1 and repeats < len(targets):
                unmatched.extend(found)
                continue
            for place in targets:
                failed[place] = _failure(records[place], records[place].key, found)
        yield
    yield from free(by_target)
    return failed, unmatched


_Ids = tuple[str, ...]  # section, supplier, number, return period; only those that are given
_IDS: Final = ("section", "supplier", "number", "return_period")
_ids_of: Final = operator.attrgetter(*_IDS)  # of an entry or a record
_BY_VARIETY: Final = (2, 1, 3, 0)  # indexes of the ids, the most distinctive first


def _places(
    records: Sequence[Record], given: tuple[bool, ...], entries: Sequence[ErrorEntry]
) -> Steps[tuple[dict[_Ids, list[int]], dict[_Ids, list[int]]]]:
    """Index the records that an entry may refer to by those ids, exactly and case-folded."""
    # Most records of a large batch are in no entry: one id, if possible the number, shows that at once.
    first = next((place for place in _BY_VARIETY if given[place]), 0)
    telling = operator.attrgetter(_IDS[first])
    named: set[str] = set()
    for few in sliced(entries):
        named.update(telling(entry).strip().upper() for entry in few)
        yield
    exact: dict[_Ids, list[int]] = defaultdict(list)
    folded: dict[_Ids, list[int]] = defaultdict(list)
    for places in sliced(range(len(records)), _FAILURES_PER_STEP):
        for place in places:
            if telling(record := records[place]).strip().upper() in named:
                ids = tuple(itertools.compress(_ids_of(record), given))
                exact[ids].append(place)
                folded[_fold(ids)].append(place)
        yield
    yield from free(named)
    return exact, folded


def _fold(ids: _Ids) -> _Ids:
    return tuple(part.strip().upper() for part in ids)


def _refuse_all(
    records: Sequence[Record], status: JobStatus, failed: dict[int, RecordFailure]
) -> Steps[None]:
    """Give each record a failure with the job's code; a reason of its own follows the job's."""
    for places in sliced(range(len(records)), _FAILURES_PER_STEP):
        for place in places:
            failed[place] = _refused_with_all(records[place], status, failed.get(place))
        yield


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
