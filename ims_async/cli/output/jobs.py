"""Jobs and what became of their records: tables for persons, plain facts for machines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from rich.table import Table

from ...bulk.accounts import CHANGED
from ...jobs.job import ImsJob
from ...model.records import Record, RecordKey
from ...model.report import CANNED, JobReport, RecordFailure
from ...model.status import ErrorEntry, JobState
from ...tables import applied_count
from ...tables.reports import failed_count
from .errors import not_known
from .grouping import and_more, first_of_each
from .next_commands import Commands
from .tables import table

PROBLEMS: Final = ("section", "number", "period", "supplier", "code", "reason")


def report_tables(job: ImsJob, report: JobReport) -> list[Table]:
    """Show what became of a job's records: the accounting, and each record that was not applied."""
    applied = applied_count(report)
    row = (
        job.reference_id or "?",
        str(report.state),
        "?" if report.submitted is None else report.submitted,
        "?" if applied is None else applied,
        failed_count(report),
        report.unaccounted_count,
        len(report.unmatched),
    )
    columns = ("job", "state", "submitted", "applied", "failed", "unaccounted", "unmatched")
    shown = [table(f"{job.kind.value.lower()} of {job.gstin}", columns, [row])]
    problems = list(not_applied(report.failed, report.unmatched, report.unaccounted))
    if problems:
        shown.append(not_applied_table(PROBLEMS, problems))
    return shown


def not_applied(
    failed: Iterable[RecordFailure],
    unmatched: Iterable[ErrorEntry],
    unaccounted: Iterable[Record],
    changed: Iterable[Record] = (),
) -> Iterator[tuple[object, ...]]:
    """Yield the cells of each record that was not applied: see `PROBLEMS`."""
    for failure in failed:
        yield *_names(failure.key), failure.code, failure.message
    for entry in unmatched:
        ids = (entry.section, entry.number or "?", entry.return_period or "?", entry.supplier)
        yield *ids, entry.code, f"fits nothing sent: {entry.message}"
    for record in unaccounted:
        yield *_names(record.key), "", "the gateway did not tell of it"
    for record in changed:
        yield *_names(record.key), "", CHANGED


def _names(key: RecordKey) -> tuple[str, str, str, str]:
    return str(key.section), key.number, key.return_period or "?", key.supplier


def not_applied_table(columns: Sequence[str], problems: Sequence[tuple[object, ...]]) -> Table:
    """Show the first of those that have code and reason, the last two columns, in common."""
    rows: list[tuple[object, ...]] = []
    for own, more in first_of_each(problems, lambda row: row[-2] or row[-1]):
        rows += own
        if more:
            rows.append((*("" for _ in columns[2:]), own[0][-2], and_more(more)))
    cut = len(rows) < len(problems)
    title = f"not applied: {len(problems):,}, the first three of each code; --report FILE and --json have all"
    return table(title if cut else "not applied", columns, rows)


def job_facts(job: ImsJob) -> dict[str, Any]:
    """Return a job and, once it has ended, its accounting as plain values."""
    status, report = job.status, job.report
    said = report or status
    facts: dict[str, Any] = {
        "ok": report is not None and report.ok,
        "gstin": job.gstin,
        "kind": job.kind.value,
        "reference_id": job.reference_id,
        "token": job.token.dumps(),
        "state": str(status.state),
        "raw_code": status.raw_code,
        "processed_count": status.processed,
        "error_count": status.errors,
        "error_code": said.error_code,
        "error_message": said.error_message,
        "submitted": job.submitted,
        "done": job.done,
    }
    if report is not None:
        facts |= {
            "canned": report.canned,
            "applied": applied_count(report),
            "failed_count": failed_count(report),
            "unaccounted_count": report.unaccounted_count,
            "failed": [failure_facts(failure) for failure in report.failed],
            "unaccounted": [key_facts(record.key) for record in report.unaccounted],
            "unmatched": [entry_facts(entry) for entry in report.unmatched],
        }
    return facts


def key_facts(key: RecordKey) -> dict[str, Any]:
    """Return a record's key as plain values."""
    day = f"{key.date:%d-%m-%Y}" if key.date else None
    return {
        "section": str(key.section),
        "supplier": key.supplier,
        "number": key.number,
        "date": day,
        "return_period": key.return_period,
    }


def failure_facts(failure: RecordFailure) -> dict[str, Any]:
    """Return a refused record as plain values."""
    return {**key_facts(failure.key), "code": failure.code, "message": failure.message}


def entry_facts(entry: ErrorEntry) -> dict[str, Any]:
    """Return an error that fits nothing as plain values."""
    key = RecordKey(entry.section, entry.supplier, entry.number or "", None, entry.return_period)
    return {**key_facts(key), "code": entry.code, "message": entry.message}


def ending(job: ImsJob, commands: Commands) -> str:
    """Say in a sentence how a job stands, and what to do about it."""
    report = job.report
    if report is None:
        counts = "" if job.status.processed is None else f", {job.status.processed} processed so far"
        return f"The gateway is still at work (code {job.status.raw_code or 'none'}{counts})."
    said = _ended(job, report, commands)
    return f"{said} Mind that {CANNED}." if report.canned else said


def _ended(job: ImsJob, report: JobReport, commands: Commands) -> str:
    if report.ok:
        return "Every record was applied."
    if report.canned and report.state is JobState.SUCCEEDED and not report.unaccounted_count:
        return "The job has ended."
    if report.submitted is None and report.state is JobState.SUCCEEDED:
        counted = "?" if report.processed_count is None else report.processed_count
        return (
            f"The gateway is done and names no failure; it counts {counted} records. "
            "How many were sent is not known here: show the job by its token, as push --json printed it."
        )
    if job.status.carrier_failed:
        reason = f"{report.error_code or job.status.raw_code} {report.reason}".strip()
        return f"The task that carried the job broke off: {reason}. {not_known(commands)}"
    if report.state is JobState.FAILED:
        reason = f"{report.error_code or job.status.raw_code} {report.reason}".strip()
        return f"The gateway refused the whole job: {reason}. No record was applied."
    parts = []
    if report.failed:
        parts.append("The failed records stand as they stood before; pull again and decide again.")
    if any(failure.code == "IMSSAV0054" for failure in report.failed):
        parts.append(
            "IMSSAV0054: to accept a credit note, fill in its column 'ITC reduction' (none, full, or amounts "
            "such as igst=10.50)."
        )
    if report.unaccounted_count or (report.submitted is None and report.unmatched):
        parts.append("Of the unaccounted records the gateway did not tell: pull again to see how they stand.")
    return " ".join(parts) or "The gateway counts errors without naming them: pull again to see."
