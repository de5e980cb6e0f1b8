"""Match the rows of a file with the records that the gateway shows now.

A record that changed since the file was pulled is reported as a problem, and not sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from .. import rules
from ..model.records import Decision, Invoice, RecordKey
from ..model.vocabulary import Action
from .columns import to_cell
from .problems import Problem, raise_all
from .row import AS_TEXT, Row

_COLUMN_OF_FINDING: Final = {
    **dict.fromkeys(("action", "no-change", "pending-blocked", "pending-limit"), "action"),
    **dict.fromkeys(
        ("remarks-too-long", "remarks-blocked", "remarks-on-accept", "remarks-missing"), "remarks"
    ),
    "itc-reduction": "ITC reduction",
    **{f"itc-reduction-{what}": "ITC reduction" for what in ("missing", "unsaid", "none", "amounts")},
}


def match(
    rows: Iterable[Row], current: Iterable[Invoice], *, policy: rules.RulePolicy | None = None
) -> list[Decision]:
    """Join decided rows to invoices pulled just now; return the decisions in the order of the rows.

    Raises `InvalidInput` with every row whose record is gone, was edited by the supplier, or was acted on
    since the file was pulled, and with every decision that the offline checks refuse by `policy`. Their
    warnings are not reported here.
    """
    found, problems = _join(rows, current, lambda row: {row.pulled_action})
    decided: list[Row] = []
    decisions: list[Decision] = []
    for row, invoice in found:
        if row.action is None:
            problems.append(_problem(row, "undecided", "the row is not decided", column="action"))
            continue
        decided.append(row)
        decisions.append(
            Decision(invoice=invoice, action=row.action, remarks=row.remarks, itc_reduction=row.itc_reduction)
        )
    for finding in rules.check(decisions, policy=policy):
        if finding.level is not rules.Level.REFUSE:
            continue
        if finding.place is None:
            problems.append(Problem(f"the file: {finding.message}", kind=finding.code))
        else:
            problems.append(_problem(decided[finding.place], finding.code, finding.message))
    raise_all(problems)
    return decisions


def without_standing(rows: Iterable[Row], current: Iterable[Invoice]) -> tuple[list[Row], list[Row]]:
    """Return the rows that are still to be sent, and those whose record is already as they decide."""
    index = _Index(current)
    left: list[Row] = []
    standing: list[Row] = []
    for row in rows:
        invoice = index.get(row)
        (standing if invoice is not None and _stands(row, invoice) else left).append(row)
    return left, standing


def _stands(row: Row, invoice: Invoice) -> bool:
    return (
        row.action is not None
        and invoice.action is row.action
        and (invoice.hash is None or invoice.hash == row.hash)
        and (invoice.remarks or None) == row.remarks
        and invoice.itc_reduction == row.itc_reduction
    )


def column_of(code: str) -> str | None:
    """Return the column in which a person corrects a finding of a rule; None if there is no such column."""
    return _COLUMN_OF_FINDING.get(code)


def match_records(rows: Iterable[Row], current: Iterable[Invoice]) -> list[Invoice]:
    """Join rows to invoices pulled just now, for a reset; return the invoices in the order of the rows.

    A record's action may be that of the pull or that of the row. Raises `InvalidInput` as `match` does.
    """
    found, problems = _join(rows, current, lambda row: {row.pulled_action, row.action})
    raise_all(problems)
    return [invoice for _, invoice in found]


def _join(
    rows: Iterable[Row], current: Iterable[Invoice], expected: Callable[[Row], set[Action | None]]
) -> tuple[list[tuple[Row, Invoice]], list[Problem]]:
    index = _Index(current)
    found: list[tuple[Row, Invoice]] = []
    problems: list[Problem] = []
    for row in rows:
        invoice = index.get(row)
        changed = index.missing(row) if invoice is None else _change(row, invoice, expected(row))
        if changed is not None:
            kind, what = changed
            problems.append(_problem(row, kind, f"{row.section} {row.number} from {row.supplier}: {what}"))
        elif invoice is not None:
            found.append((row, invoice))
    return found, problems


def _problem(row: Row, kind: str, message: str, *, column: str | None = None) -> Problem:
    column = column or column_of(kind)
    return Problem(message, kind=kind, file=row.file, row=row.line, column=column, gstin=row.gstin)


class _Index:
    """Invoices by key and recipient, and by number without leading zeros, which a spreadsheet may remove."""

    def __init__(self, current: Iterable[Invoice]) -> None:
        self._exact: dict[RecordKey, dict[str | None, Invoice]] = {}
        self._near: dict[tuple[str, ...], Invoice] = {}
        for invoice in current:
            key = invoice.key._replace(supplier=invoice.supplier.upper())
            self._exact.setdefault(key, {})[invoice.recipient] = invoice
            self._near[_near_key(invoice)] = invoice

    def get(self, row: Row) -> Invoice | None:
        """Return the row's record; where row and record name a taxpayer, it must be the same one."""
        found = self._exact.get(row.key._replace(supplier=row.supplier.upper()), {})
        if row.gstin is None:
            return next(iter(found.values()), None) if len(found) < 2 else None
        return found.get(row.gstin) or found.get(None)

    def missing(self, row: Row) -> tuple[str, str]:
        """Return the kind of problem and the message for a row whose record was not found."""
        near = self._near.get(_near_key(row))
        owners = self._exact.get(row.key._replace(supplier=row.supplier.upper()), {})
        if owners:
            whose = "several taxpayers, and the row names none" if len(owners) > 1 else str(*owners)
            return "recipient", f"it is a record of {whose}: match each taxpayer's rows with its own records"
        if near is None:
            return "gone", "the gateway does not show this record (any more): pull again"
        if near.number != row.number:
            what = f"the gateway shows it as number {near.number}: has a spreadsheet rewritten it? {AS_TEXT}"
            return "other-number", what
        return "other-date", f"the gateway shows it with the date {to_cell(near.date)}: pull again"


def _near_key(record: Row | Invoice) -> tuple[str, ...]:
    number = record.number.strip().lstrip("0").upper()
    return record.section, record.supplier.upper(), number, record.return_period


def _change(row: Row, invoice: Invoice, expected: set[Action | None]) -> tuple[str, str] | None:
    """Return the kind of problem and the message if a record changed since its row was pulled, else None."""
    if invoice.hash is not None and row.hash is None:
        what = "its hash cell is empty, so it is not known whether the supplier edited it: pull again"
        return "no-hash", what
    if invoice.hash is not None and row.hash != invoice.hash:
        what = "the supplier has edited it since it was pulled (its hash is another)"
        return "edited", f"{what}: pull again, decide again"
    if invoice.action not in expected:
        what = f"its action at the gateway was {row.pulled_action} when pulled and is {invoice.action} now"
        if invoice.action is row.action:
            what += ", as this row decides (the gateway need not show its remarks and ITC reduction)"
            return "acted-on", f"{what}: if you pushed it, it is done; if not, pull again, decide again"
        return "acted-on", f"{what}: pull again, decide again"
    return None
