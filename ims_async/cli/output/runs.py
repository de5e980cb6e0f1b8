"""What became of the decisions of a run: tables for persons, plain facts for machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table

from ...bulk.accounts import COLUMNS, COUNTS, Accounts, Part
from ...model.records import Decision, Record
from ...model.vocabulary import Action
from .grouping import first_of_each
from .jobs import PROBLEMS, entry_facts, failure_facts, key_facts, not_applied, not_applied_table
from .tables import MOST_ROWS, WORDS, table


def summary_table(title: str, records: Mapping[str, Iterable[Record]]) -> Table:
    """Show what is about to be sent: by GSTIN, and by action where there are any."""
    found = {gstin: Counter(map(_action_of, own)) for gstin, own in records.items()}
    sums: Counter[Action | None] = sum(found.values(), Counter())
    actions = [action for action in WORDS if sums[action]]
    shown, hidden = list(found)[:MOST_ROWS], list(found)[MOST_ROWS:]
    rows = [_summary_row(gstin, found[gstin], actions) for gstin in shown]
    if hidden:
        rest: Counter[Action | None] = sum((found[gstin] for gstin in hidden), Counter())
        rows.append(_summary_row(f"{len(hidden):,} more", rest, actions))
    rows.append(_summary_row(f"all {len(found):,}", sums, actions))
    return table(title, ("GSTIN", *(WORDS[action] for action in actions), "records"), rows, total=True)


def _action_of(record: Record) -> Action | None:
    return record.action if isinstance(record, Decision) else None


def _summary_row(name: str, counts: Counter[Action | None], actions: Sequence[Action]) -> tuple[object, ...]:
    return name, *(counts[action] for action in actions), counts.total()


def accounts_table(accounts: Accounts) -> Table:
    """Show what became of everything: all GSTINs, or of very many those where something is the matter."""
    parts = list(accounts.parts.values())
    title = f"run {accounts.run}" if accounts.run else None
    if len(parts) > MOST_ROWS:
        parts = [part for part in parts if not part.ok]
        fine = len(accounts.parts) - len(parts)
        title = f"{title or ''}, without the {fine:,} taxpayers of which everything was applied".lstrip(", ")
    rows: list[tuple[object, ...]] = []
    for own, more in first_of_each(parts, _alike) if len(parts) > MOST_ROWS else [(parts, 0)]:
        rows += ((part.gstin, *part.counts, _reason(part)) for part in own)
        if more:
            rows.append(
                (f"{more:,} more", *(None for _ in COLUMNS), _reason(own[0]).replace(own[0].gstin, "…"))
            )
    rows.append((f"all {len(accounts.parts):,}", *accounts.totals, ""))
    columns: tuple[str, ...] = ("GSTIN", *COLUMNS, "reason")
    if not any(row[-1] for row in rows):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    return table(title, columns, rows, total=True)


def _alike(part: Part) -> object:
    """Return what parts have in common that are shown as one."""
    return part.reason.replace(part.gstin, "") or frozenset(one.code for one in part.report.failed)


def _reason(part: Part) -> str:
    if part.reason or not part.report.failed:
        return part.reason
    codes = Counter(failure.code or "not applied" for failure in part.report.failed)
    return ", ".join(f"{code} {count:,}" for code, count in codes.most_common(3))


def problems_table(accounts: Accounts) -> Table | None:
    """Show the records that were not applied by name, the first of them; None if there are none."""
    rows = [
        (part.gstin, *row)
        for part in accounts.parts.values()
        for one in (part.report,)
        for row in not_applied(one.failed, one.unmatched, one.unaccounted, one.changed)
    ]
    return not_applied_table(("GSTIN", *PROBLEMS), rows) if rows else None


def accounts_facts(accounts: Accounts) -> dict[str, Any]:
    """Return all of it as plain values."""
    return {
        "ok": accounts.ok,
        "run": accounts.run,
        **dict(zip(COUNTS, accounts.totals, strict=True)),
        "pending": [token.dumps() for token in accounts.pending],
        "failed_jobs": [token.dumps() for token in accounts.failed_jobs],
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
        "pending": [token.dumps() for token in one.pending],
        "failed_jobs": [token.dumps() for token in one.failed_jobs],
        "doubtful_jobs": [token.dumps() for token in one.doubtful_jobs],
        "refused_sizes": list(one.refused_sizes),
        "failed": [failure_facts(failure) for failure in one.failed],
        "unaccounted": [key_facts(record.key) for record in one.unaccounted],
        "changed": [key_facts(record.key) for record in one.changed],
        "not_sent": [key_facts(record.key) for record in (*one.not_sent, *part.left_out)],
        "unmatched": [entry_facts(entry) for entry in one.unmatched],
    }
