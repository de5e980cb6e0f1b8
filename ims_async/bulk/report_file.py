"""The report file of a run: a line for each record of each taxpayer, with the journal's help."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from .. import tables
from ..errors import JournalError
from ..journal import Journal
from ..model.change import Change
from ..model.moves import ChangeState
from ..model.records import Decision, Record
from ..model.status import JobKind
from ..tables import Outcome
from ..tables.reports import decided_action, not_by_name, unmatched
from .accounts import CHANGED, Accounts, Part
from .tally import Fingerprint, fingerprint

STANDING: Final = "it stood already as decided, and was not sent again"


async def write_outcomes(
    file: Path, accounts: Accounts, batches: Sequence[Change], journal: Journal, *, overwrite: bool
) -> None:
    """Write what became of each record; the names of those that were applied are in the journal.

    One batch's records are in memory at a time. Raises `InvalidInput` where it cannot be written.
    """
    sent: dict[str, list[Change]] = {}
    for entry in batches:
        if entry.sent:
            sent.setdefault(entry.token.gstin, []).append(entry)
    with tables.writing_outcomes(file, overwrite=overwrite) as add:
        for gstin, part in accounts.parts.items():
            named = {_name(record) for record in _named(part)}
            add(gstin, _lines(part))
            counts = {"applied": 0, "pending": 0}
            for entry in sent.get(gstin, ()):
                lines = await _lines_of(entry, journal, named)
                add(gstin, lines)
                for line in lines:
                    counts[line.outcome] += 1
            add(gstin, _nameless(part, counts))


def _named(part: Part) -> Iterator[Record]:
    """Yield the records that the run itself names."""
    one = part.report
    yield from (failure.record for failure in one.failed if failure.record is not None)
    yield from (*one.unaccounted, *one.changed, *one.not_sent)


def _lines(part: Part) -> Iterator[Outcome]:
    one = part.report
    for failure in one.failed:
        decided = decided_action(failure.record)
        facts = {"code": failure.code, "message": failure.message}
        yield Outcome(outcome="failed", key=failure.key, action=decided, **facts)
    yield from map(unmatched, one.unmatched)
    for outcome, records, message in (
        ("unaccounted", one.unaccounted, ""),
        ("changed", one.changed, CHANGED),
        ("not sent", one.not_sent, part.reason),
    ):
        for record in records:
            yield Outcome(outcome=outcome, key=record.key, action=decided_action(record), message=message)
    for row in part.left_out:
        why = part.problems.get(row.where(), part.reason)
        yield Outcome(outcome="not sent", key=row.key, action=row.action or "", message=why)
    for row in part.standing:
        yield Outcome(outcome="unchanged", key=row.key, action=row.action or "", message=STANDING)


async def _lines_of(entry: Change, journal: Journal, named: set[Fingerprint]) -> list[Outcome]:
    """Return the lines of those of a batch's records that have none yet."""
    if entry.state is ChangeState.ABANDONED:
        return []
    try:
        records = await journal.records(entry.id)
    except JournalError:
        return []  # how many they are is known all the same
    outcome, message = "applied", ""
    if entry.open:
        outcome, message = "pending", f"job {entry.token.reference_id or 'without a reference'}"
    lines: list[Outcome] = []
    for record in records:
        name = _name(record)
        if name not in named:
            named.add(name)
            lines.append(
                Outcome(outcome=outcome, key=record.key, action=decided_action(record), message=message)
            )
    return lines


def _nameless(part: Part, named: Mapping[str, int]) -> Iterator[Outcome]:
    known = {"applied": part.report.succeeded, "pending": part.report.pending_count}
    for outcome, count in named.items():
        if (rest := known[outcome] - count) > 0:
            yield Outcome(outcome=outcome, message=not_by_name(rest))


def _name(record: Record) -> Fingerprint:
    return fingerprint(JobKind.SAVE if isinstance(record, Decision) else JobKind.RESET, record)
