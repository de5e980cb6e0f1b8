"""Tables for persons and plain facts for machines, of everything that a command has to show."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

import attrs
from rich import box
from rich.table import Table
from rich.text import Text

from ..codec.writing import money_text
from ..job import ImsJob
from ..records import AddedBackLiability, Counts, Decision, RecordKey, SalesInvoice
from ..report import JobReport, Record, RecordFailure
from ..status import ErrorEntry, JobState
from ..tables import Row, applied_count
from ..tables.writing import failed_count
from ..vocabulary import Action, Section
from .voice import printable

_MOST_ROWS = 40

WORDS = {
    Action.ACCEPT: "accept",
    Action.REJECT: "reject",
    Action.PENDING: "keep pending",
    Action.NO_ACTION: "no action",
}


def table(
    title: str | None, columns: Sequence[str], rows: Iterable[Sequence[object]], *, total: bool = False
) -> Table:
    """Return a table; numbers stand to the right. With `total` the last row is set apart."""
    lines = [list(row) for row in rows]
    made = Table(
        title=None if title is None else Text(title, "bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        min_width=len(title or ""),
        collapse_padding=True,
    )
    for place, column in enumerate(columns):
        numeric = bool(lines) and all(isinstance(line[place], int | Decimal | None) for line in lines)
        heading = Text(printable(column))
        made.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for place, line in enumerate(lines):
        last = total and place == len(lines) - 1
        if last:
            made.add_section()
        made.add_row(*(_cell(value) for value in line), style="bold" if last else None)
    return made


def _cell(value: object) -> Text:
    if isinstance(value, Text):
        return value
    if value is None:
        return Text("")
    if isinstance(value, dt.date):
        return Text(f"{value:%d-%m-%Y}")
    if isinstance(value, Decimal):
        return Text(money_text(value))
    if isinstance(value, int):
        return Text(f"{value:,}", style="dim" if value == 0 else "")
    return Text(printable(value))


def counts_table(counts: Counts, gstin: str) -> Table:
    """Show how many records stand at each action, by section."""
    rows: list[tuple[object, ...]] = [
        (name, found.no_action, found.accepted, found.rejected, found.pending, found.total)
        for name, found in counts.sections.items()
    ]
    sums = [sum(row[place] for row in rows if isinstance(row[place], int)) for place in range(1, 6)]  # type: ignore[misc] # all are counts
    columns = ("section", "no action", "accepted", "rejected", "pending", "total")
    return table(f"{gstin}, {counts.goods_type.value}", columns, [*rows, ("all", *sums)], total=True)


def counts_facts(counts: Counts) -> dict[str, Any]:
    """Return counts as plain values."""
    return {
        "goods_type": counts.goods_type.value,
        "total": counts.total,
        "sections": {
            name: {
                "no_action": found.no_action,
                "accepted": found.accepted,
                "rejected": found.rejected,
                "pending": found.pending,
                "total": found.total,
            }
            for name, found in counts.sections.items()
        },
    }


def summary(records: Iterable[Record]) -> Counter[tuple[Section, Action | None]]:
    """Count records by section and decided action (None in a reset)."""
    return Counter((r.section, r.action if isinstance(r, Decision) else None) for r in records)


def summary_of_rows(rows: Iterable[Row]) -> Counter[tuple[Section, Action | None]]:
    """Count the rows of a file by section and action."""
    return Counter((row.section, row.action) for row in rows)


def summary_table(title: str, found: Counter[tuple[Section, Action | None]]) -> Table:
    """Show what is about to be sent, by section and action."""
    actions = [action for action in WORDS if any(key[1] is action for key in found)]
    if actions:
        columns = ["section", *(WORDS[action] for action in actions), "total"]
        rows = [
            [section, *(found[section, action] for action in actions), _sum_of(found, section)]
            for section in Section
            if _sum_of(found, section)
        ]
        sums = [sum(found[section, action] for section in Section) for action in actions]
        return table(title, columns, [*rows, ["all", *sums, found.total()]], total=True)
    rows = [[section, found[section, None]] for section in Section if found[section, None]]
    return table(title, ["section", "records"], [*rows, ["all", found.total()]], total=True)


def _sum_of(found: Counter[tuple[Section, Action | None]], section: Section) -> int:
    return sum(count for key, count in found.items() if key[0] is section)


def summary_facts(found: Counter[tuple[Section, Action | None]]) -> dict[str, dict[str, int]]:
    """Return the summary as plain values: section, then action."""
    facts: dict[str, dict[str, int]] = {}
    for (section, action), count in found.items():
        facts.setdefault(section.value, {})[action.value if action else "reset"] = count
    return facts


# -- jobs ----------------------------------------------------------------------------------------------


_FITS_NOTHING: Final = "fits nothing sent: "


def _names(key: RecordKey) -> tuple[str, str, str, str]:
    return str(key.section), key.number, key.return_period or "?", key.supplier


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
    problems = [
        *((*_names(f.key), f.code, f.message) for f in report.failed),
        *(
            (
                e.section,
                e.number or "?",
                e.return_period or "?",
                e.supplier,
                e.code,
                _FITS_NOTHING + e.message,
            )
            for e in report.unmatched
        ),
        *((*_names(r.key), "", "the gateway did not tell of it") for r in report.unaccounted),
    ]
    if problems:
        title = (
            "not applied"
            if len(problems) <= _MOST_ROWS
            else f"not applied, the first {_MOST_ROWS} of {len(problems)}"
        )
        shown.append(
            table(title, ("section", "number", "period", "supplier", "code", "reason"), problems[:_MOST_ROWS])
        )
    return shown


def job_facts(job: ImsJob) -> dict[str, Any]:
    """Return a job and, once it has ended, its accounting as plain values."""
    status, report = job.status, job.report
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
        "error_code": status.error_code,
        "error_message": status.error_message,
        "submitted": job.submitted,
        "done": job.done,
    }
    if report is not None:
        facts |= {
            "applied": applied_count(report),
            "failed_count": failed_count(report),
            "unaccounted_count": report.unaccounted_count,
            "failed": [_failure_facts(failure) for failure in report.failed],
            "unaccounted": [key_facts(record.key) for record in report.unaccounted],
            "unmatched": [_entry_facts(entry) for entry in report.unmatched],
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


def _failure_facts(failure: RecordFailure) -> dict[str, Any]:
    return {**key_facts(failure.key), "code": failure.code, "message": failure.message}


def _entry_facts(entry: ErrorEntry) -> dict[str, Any]:
    key = RecordKey(entry.section, entry.supplier, entry.number or "", None, entry.return_period)
    return {**key_facts(key), "code": entry.code, "message": entry.message}


def ending(job: ImsJob) -> str:
    """Say in a sentence how a job stands, and what to do about it."""
    report = job.report
    if report is None:
        counts = "" if job.status.processed is None else f", {job.status.processed} processed so far"
        return f"The gateway is still at work (code {job.status.raw_code or 'none'}{counts})."
    if report.ok:
        return "Every record was applied."
    if report.submitted is None and report.state is JobState.SUCCEEDED:
        counted = "?" if report.processed_count is None else report.processed_count
        return (
            f"The gateway is done and names no failure; it counts {counted} records. "
            "How many were sent is not known here: show the job by its token, as push printed it."
        )
    if report.state is JobState.FAILED:
        reason = f"{report.error_code} {report.error_message}".strip()
        return f"The gateway refused the whole job: {reason}. No record was applied."
    parts = []
    if report.failed:
        parts.append("The failed records stand as they stood before; pull again and decide again.")
    if any(failure.code == "IMSSAV0054" for failure in report.failed):
        parts.append(
            "IMSSAV0054: to accept a credit note, fill in its column 'ITC reduction' (none, full, or amounts "
            "such as igst=10.50)."
        )
    if report.unmatched or report.unaccounted_count:
        parts.append("Of the unaccounted records the gateway did not tell: pull again to see how they stand.")
    return " ".join(parts) or "The gateway counts errors without naming them: pull again to see."


# -- the supplier's view -------------------------------------------------------------------------------


def sales_table(title: str, sales: Sequence[SalesInvoice]) -> Table:
    """Show the supplier's own documents with what recipients did."""
    rows = [
        (
            s.list_name or s.section,
            s.recipient,
            s.number,
            s.date,
            s.value,
            "deleted" if s.deleted else WORDS[s.action],
        )
        for s in sales[:_MOST_ROWS]
    ]
    return table(_cut(title, len(sales)), ("list", "recipient", "number", "date", "value", "action"), rows)


def liabilities_table(title: str, debts: Sequence[AddedBackLiability]) -> Table:
    """Show documents whose rejection was added back."""
    rows = [
        (d.section, d.recipient, d.number, d.date, d.value, d.igst, d.cgst, d.sgst, d.cess)
        for d in debts[:_MOST_ROWS]
    ]
    columns = ("section", "recipient", "number", "date", "value", "IGST", "CGST", "SGST", "cess")
    return table(_cut(title, len(debts)), columns, rows)


def facts_of(value: object) -> Any:
    """Return a record, or anything in it, as plain values; money stays exact."""
    kind: Any = type(value)
    if attrs.has(kind):
        return {field.name: facts_of(getattr(value, field.name)) for field in attrs.fields(kind)}
    if isinstance(value, tuple | list):
        return [facts_of(item) for item in value]
    if isinstance(value, dt.date):
        return f"{value:%d-%m-%Y}"
    return value


def _cut(title: str, count: int) -> str:
    return (
        title if count <= _MOST_ROWS else f"{title}: the first {_MOST_ROWS} of {count:,}; --out FILE has all"
    )
