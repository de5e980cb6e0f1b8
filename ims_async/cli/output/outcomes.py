"""What became of the records of a job or a run: tables and sentences for persons, facts for machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final

from rich.table import Table

from ...bulk.accounts import CHANGED, COLUMNS, COUNTS, Accounts, Part
from ...bulk.report import TaxpayerReport
from ...jobs.job import ImsJob
from ...model.records import RecordKey
from ...model.report import CANNED, JobReport, RecordFailure
from ...model.status import ErrorEntry, JobState
from ...model.tokens import JobToken
from ...tables.reports import key_of
from .errors import not_known
from .grouping import and_more, first_of_each
from .next_commands import Commands
from .tables import MOST_ROWS, counted, table

_PROBLEMS: Final = ("section", "number", "period", "supplier", "code", "reason")


# -- records -------------------------------------------------------------------------------------------


def _not_applied(report: JobReport | TaxpayerReport) -> Iterator[tuple[object, ...]]:
    """Yield the cells of each record that was not applied: see `_PROBLEMS`."""
    for failure in report.failed:
        yield *_names(failure.key), failure.code, failure.message
    for entry in report.unmatched:
        yield *_names(key_of(entry)), entry.code, f"fits nothing sent: {entry.message}"
    for record in report.unaccounted:
        yield *_names(record.key), "", "the gateway did not tell of it"
    for record in report.changed if isinstance(report, TaxpayerReport) else ():
        yield *_names(record.key), "", CHANGED


def _names(key: RecordKey) -> tuple[str, str, str, str]:
    return str(key.section), key.number or "?", key.return_period or "?", key.supplier


def _not_applied_table(columns: Sequence[str], problems: Sequence[tuple[object, ...]]) -> list[Table]:
    """Show the first of those that have code and reason, the last two columns, in common."""
    if not problems:
        return []
    rows: list[tuple[object, ...]] = []
    for own, more in first_of_each(problems, lambda row: row[-2] or row[-1]):
        rows += own
        if more:
            rows.append((*("" for _ in columns[2:]), own[0][-2], and_more(more)))
    cut = f": {len(problems):,}, the first three of each code; --report FILE and --json have all"
    return [table("not applied" + (cut if len(rows) < len(problems) else ""), columns, rows)]


def key_facts(key: RecordKey) -> dict[str, Any]:
    """Return a record's key as plain values."""
    date = f"{key.date:%d-%m-%Y}" if key.date else None
    return {**key._asdict(), "section": str(key.section), "date": date}


def error_facts(key: RecordKey, error: RecordFailure | ErrorEntry) -> dict[str, Any]:
    """Return a refused record, or an error that fits nothing, as plain values."""
    return {**key_facts(key), "code": error.code, "message": error.message}


def record_facts(report: JobReport | TaxpayerReport) -> dict[str, Any]:
    """Return the records that were not applied as plain values."""
    return {
        "failed": [error_facts(failure.key, failure) for failure in report.failed],
        "unaccounted": [key_facts(record.key) for record in report.unaccounted],
        "unmatched": [error_facts(key_of(entry), entry) for entry in report.unmatched],
    }


def _advice(codes: Collection[str], *, unaccounted: object, doubtful: object) -> list[str]:
    """Say what to do about records that were refused with these codes, or that nobody can account for."""
    said = []
    if codes:
        said.append("The refused records stand as they stood before; pull again and decide again.")
    if "IMSSAV0054" in codes:
        how = "none, full, or amounts such as igst=10.50"
        said.append(f"IMSSAV0054: to accept a credit note, fill in its column 'ITC reduction' ({how}).")
    if doubtful:
        said.append("The gateway counts errors without naming them: pull again to see.")
    if unaccounted:
        said.append("Of the unaccounted records the gateway did not tell: pull again to see how they stand.")
    return said


# -- a job ---------------------------------------------------------------------------------------------


def report_tables(job: ImsJob, report: JobReport) -> list[Table]:
    """Show what became of a job's records: the accounting, and each record that was not applied."""
    applied = report.applied_count
    row = (
        job.reference_id or "?",
        str(report.state),
        "?" if report.submitted is None else report.submitted,
        "?" if applied is None else applied,
        report.failed_count,
        report.unaccounted_count,
        len(report.unmatched),
    )
    columns = ("job", "state", "submitted", "applied", "failed", "unaccounted", "unmatched")
    return [table(f"{job.kind.word} of {job.gstin}", columns, [row]), *record_tables(report)]


def record_tables(report: JobReport) -> list[Table]:
    """Show each record that was not applied."""
    return _not_applied_table(_PROBLEMS, list(_not_applied(report)))


def job_facts(job: ImsJob) -> dict[str, Any]:
    """Return a job and, once it has ended, its accounting as plain values."""
    status, report = job.status, job.report
    said = report or status
    facts: dict[str, Any] = {
        "ok": report is not None and report.ok,
        "gstin": job.gstin,
        "kind": job.kind.value,
        "period": job.period or None,
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
            "applied": report.applied_count,
            "failed_count": report.failed_count,
            "unaccounted_count": report.unaccounted_count,
            **record_facts(report),
        }
    return facts


def job_ending(job: ImsJob, commands: Commands) -> str:
    """Say in a sentence how a job stands, and what to do about it."""
    report = job.report
    if report is None:
        counts = "" if job.status.processed is None else f", {job.status.processed} processed so far"
        return f"The gateway is still at work (code {job.status.raw_code or 'none'}{counts})."
    said = _ended(job, report, commands)
    return f"{said} Mind that {CANNED}." if report.canned else said


def _ended(job: ImsJob, report: JobReport, commands: Commands) -> str:
    if report.gstr2b is not None:
        return f"{report}."
    if report.ok:
        return "Every record was applied."
    if report.canned and report.state is JobState.SUCCEEDED and not report.unaccounted_count:
        return "The job has ended."
    if report.submitted is None and report.state is JobState.SUCCEEDED:
        records = "?" if report.processed_count is None else report.processed_count
        return (
            f"The gateway is done and names no failure; it counts {records} records. "
            "How many were sent is not known here: show the job by its token, as push --json printed it."
        )
    reason = f"{report.error_code or job.status.raw_code} {report.reason}".strip()
    if job.status.carrier_failed:
        return f"The task that carried the job broke off: {reason}. {not_known(commands)}"
    if report.state is JobState.FAILED:
        return f"The gateway refused the whole job: {reason}. No record was applied."
    codes = {failure.code for failure in report.failed}
    unaccounted = report.unaccounted_count or (report.submitted is None and report.unmatched)
    return " ".join(_advice(codes, unaccounted=unaccounted, doubtful=not codes and not unaccounted))


# -- a run ---------------------------------------------------------------------------------------------


def accounts_table(accounts: Accounts) -> Table:
    """Show what became of everything: all GSTINs, or of very many those where something is the matter."""
    parts = list(accounts.parts.values())
    title = f"run {accounts.run}" if accounts.run else None
    groups = [(parts, 0)]
    if len(parts) > MOST_ROWS:
        parts = [part for part in parts if not part.ok]
        fine = len(accounts.parts) - len(parts)
        title = f"{title or ''}, without the {fine:,} taxpayers of which everything was applied".lstrip(", ")
        groups = first_of_each(parts, _alike)
    rows: list[tuple[object, ...]] = []
    for own, more in groups:
        rows += ((part.gstin, *part.counts, _reason(part)) for part in own)
        if more:
            reason = _reason(own[0]).replace(own[0].gstin, "…")
            rows.append((f"{more:,} more", *(None for _ in COLUMNS), reason))
    total = (f"all {len(accounts.parts):,}", *accounts.totals, "")
    if any(row[-1] for row in rows):
        return table(title, ("GSTIN", *COLUMNS, "reason"), rows, total=total)
    return table(title, ("GSTIN", *COLUMNS), [row[:-1] for row in rows], total=total[:-1])


def _alike(part: Part) -> object:
    """Return what parts have in common that are shown as one."""
    return part.reason.replace(part.gstin, "") or frozenset(one.code for one in part.report.failed)


def _reason(part: Part) -> str:
    if part.reason or not part.report.failed:
        return part.reason
    codes = Counter(failure.code or "not applied" for failure in part.report.failed)
    return ", ".join(f"{code} {count:,}" for code, count in codes.most_common(3))


def problems_table(accounts: Accounts) -> list[Table]:
    """Show the records that were not applied by name, the first of them."""
    parts = accounts.parts.values()
    rows = [(part.gstin, *row) for part in parts for row in _not_applied(part.report)]
    return _not_applied_table(("GSTIN", *_PROBLEMS), rows)


def accounts_facts(accounts: Accounts) -> dict[str, Any]:
    """Return all of it as plain values."""
    return {
        "ok": accounts.ok,
        "run": accounts.run,
        "rewritten": accounts.rewritten,
        **dict(zip(COUNTS, accounts.totals, strict=True)),
        "pending": _tokens(accounts.pending),
        "failed_jobs": _tokens(accounts.failed_jobs),
        "taxpayers": {part.gstin: _part_facts(part) for part in accounts.parts.values()},
    }


def _part_facts(part: Part) -> dict[str, Any]:
    one = part.report
    return {
        "ok": part.ok,
        **dict(zip(COUNTS, part.counts, strict=True)),
        "standing_count": len(part.standing),
        "reason": part.reason,
        "jobs": one.jobs,
        **{name: _tokens(getattr(one, name)) for name in ("pending", "failed_jobs", "doubtful_jobs")},
        "refused_sizes": list(one.refused_sizes),
        **record_facts(one),
        "changed": [key_facts(record.key) for record in one.changed],
        "not_sent": [key_facts(record.key) for record in (*one.not_sent, *part.left_out)],
    }


def _tokens(tokens: Iterable[JobToken]) -> list[str]:
    return [token.dumps() for token in tokens]


def run_ending(accounts: Accounts, *, unsent: str = "") -> str:
    """Say in a sentence what became of everything, and what to do about it.

    `unsent` is what to say of decisions that were perhaps never sent, where only what was sent is known.
    """
    parts = accounts.parts.values()
    if accounts.ok and unsent:
        sent = f"run {accounts.run} has sent" if accounts.run else "was sent and had not ended"
        records = counted(accounts.totals[0], "record")
        said = [f"Everything that {sent} is applied: {records} of {counted(len(parts), 'taxpayer')}."]
    elif accounts.ok:
        standing = sum(len(part.standing) for part in parts)
        whose = sum(part.report.handed_in > 0 or not part.standing for part in parts)
        said = [f"Every record of {counted(whose, 'taxpayer')} was applied."]
        said += [f"{counted(standing, 'row')} stood already as decided."] if standing else []
    else:
        reports = [part.report for part in parts]
        said = [f"{accounts}.".capitalize()]
        said += _advice(
            {failure.code for report in reports for failure in report.failed},
            unaccounted=any(report.unaccounted for report in reports),
            doubtful=any(report.doubtful_jobs for report in reports),
        )
        said += [f"Mind that {CANNED}."] if any(report.canned for report in reports) else []
    return " ".join([*said, unsent]).rstrip()


def mend_rows(accounts: Accounts, *, whole: bool) -> str:
    """Say what to do about rows that do not match, where there are any; `whole`: a report has all."""
    if not any(part.problems for part in accounts.parts.values()):
        return ""
    told = "" if whole else "; --report FILE has all that is wrong with them"
    return f"Mend the rows that do not match, or pull again{told}."


def refused_sizes(accounts: Accounts) -> str:
    """Say that the gateway takes less at once than it documents, where it does; sizes are in bytes."""
    refused = [size for part in accounts.parts.values() for size in part.report.refused_sizes]
    if not refused:
        return ""
    return (
        f"The gateway refused {counted(len(refused), 'request')} for the size, the smallest of "
        f"{min(refused):,} bytes; records went in smaller ones where there were several. --max-records sends "
        "fewer at once from the beginning."
    )
