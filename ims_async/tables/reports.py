"""Write the outcome of each record to a file, for one job or for all jobs of many taxpayers; and problems."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import attrs

from ..model.records import Decision, RecordKey
from ..model.report import JobReport
from ..model.status import ErrorEntry
from .columns import GSTIN_COLUMN
from .problems import Problem
from .writing import Target, write_rows, writing_rows

_REPORT_COLUMNS: Final = (
    *("outcome", "section", "supplier", "number", "date", "return period", "action", "code", "message"),
)


@attrs.frozen(kw_only=True)
class Outcome:
    """The outcome of one record: a line of a report. Without a `key`, `message` has the number of records."""

    outcome: str
    key: RecordKey | None = None
    action: object = ""
    code: str = ""
    message: str = ""

    @property
    def cells(self) -> tuple[object, ...]:
        """The values of the line."""
        return (self.outcome, *(self.key or [None] * 5), self.action, self.code, self.message)


def write_report(
    target: Target, report: JobReport, *, gstin: str | None = None, overwrite: bool = True
) -> int:
    """Write the outcome of each record of a job, one line each; return the number of lines.

    `outcome` is `failed`, `unmatched` (an error that matches no record that was sent), `unaccounted` or
    `applied`. Records that the report counts but cannot name share a line with their number. With `gstin`
    it is the first column. An existing file is replaced, or with `overwrite=False` refused, as by
    `write_invoices`.
    """
    outcomes = _outcomes_of(report)
    if gstin is not None:
        with writing_outcomes(target, overwrite=overwrite) as add:
            return add(gstin, outcomes)
    rows = (outcome.cells for outcome in outcomes)
    return write_rows(target, _REPORT_COLUMNS, rows, overwrite=overwrite)


@contextmanager
def writing_outcomes(
    target: Target, *, overwrite: bool = True
) -> Iterator[Callable[[str, Iterable[Outcome]], int]]:
    """Write the outcomes of many taxpayers' records: yields `add(gstin, outcomes)`, which returns how many.

    The file is replaced in one step, when the block is left without an error. Raises `InvalidInput`.
    """
    with writing_rows(target, (GSTIN_COLUMN, *_REPORT_COLUMNS), overwrite=overwrite) as write:
        yield lambda gstin, outcomes: write((gstin, *outcome.cells) for outcome in outcomes)


def _outcomes_of(report: JobReport) -> Iterator[Outcome]:
    for failure in report.failed:
        decided = decided_action(failure.record)
        yield Outcome(
            outcome="failed", key=failure.key, action=decided, code=failure.code, message=failure.message
        )
    for entry in report.unmatched:
        yield unmatched(entry)
    for outcome, records in (("unaccounted", report.unaccounted), ("applied", report.succeeded)):
        for record in records:
            yield Outcome(outcome=outcome, key=record.key, action=decided_action(record))
    nameless = (
        ("failed", report.failed_count, len(report.failed)),
        ("unaccounted", report.unaccounted_count, len(report.unaccounted)),
        ("applied", report.applied_count, len(report.succeeded)),
    )
    for outcome, known, named in nameless:
        if (rest := (known or 0) - named) > 0:
            why = f": {report.reason}" if outcome == "failed" and report.reason else ""
            yield Outcome(outcome=outcome, code=report.error_code, message=not_by_name(rest) + why)


def unmatched(entry: ErrorEntry) -> Outcome:
    """Return the line of an error that matches no record that was sent."""
    return Outcome(outcome="unmatched", key=key_of(entry), code=entry.code, message=entry.message)


def key_of(entry: ErrorEntry) -> RecordKey:
    """Return the key of the record that an error names."""
    return RecordKey(entry.section, entry.supplier, entry.number or "", None, entry.return_period)


def not_by_name(count: int) -> str:
    """Return the message for records that are counted and cannot be named."""
    return f"{count} records, not known here by name"


def decided_action(record: object) -> object:
    """Return the action decided on a record, an empty string for one that is reset."""
    return record.action if isinstance(record, Decision) else ""


def applied_count(report: JobReport) -> int | None:
    """Return `report.applied_count`."""
    return report.applied_count


def write_problems(target: Target, problems: Iterable[tuple[str, Problem]], *, overwrite: bool = True) -> int:
    """Write problems, one line each, with the outcome of each (`refused`, `warn`, `left out`, …).

    Returns how many. An existing file is replaced, or with `overwrite=False` refused, as by `write_invoices`.
    """
    columns = ("outcome", GSTIN_COLUMN, "file", "row", "column", "kind", "message")
    rows = (
        (outcome, one.gstin, one.file, one.row, one.column, one.kind, one.message)
        for outcome, one in problems
    )
    return write_rows(target, columns, rows, overwrite=overwrite)
