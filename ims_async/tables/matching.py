"""Rows of a file set against what the gateway shows now: who changed what in between is told, not sent."""

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
    "action": "action",
    "no-change": "action",
    "pending-blocked": "action",
    "pending-limit": "action",
    "remarks-too-long": "remarks",
    "remarks-blocked": "remarks",
    "remarks-on-accept": "remarks",
    "remarks-missing": "remarks",
    "itc-reduction": "ITC reduction",
    "itc-reduction-missing": "ITC reduction",
    "itc-reduction-unsaid": "ITC reduction",
    "itc-reduction-none": "ITC reduction",
    "itc-reduction-amounts": "ITC reduction",
}


def match(
    rows: Iterable[Row], current: Iterable[Invoice], *, policy: rules.RulePolicy | None = None
) -> list[Decision]:
    """Join decided rows to invoices pulled just now, and return the decisions in the rows' order.

    Raises `InvalidInput` with every row whose record is gone, was edited by the supplier, or was acted on
    since the file was pulled, and with what the offline checks refuse by `policy`. What they only warn of
    is no problem here.
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
        if finding.level is rules.Level.REFUSE:
            if finding.place is None:
                problems.append(Problem(f"the file: {finding.message}", kind=finding.code))
            else:
                problem = _problem(decided[finding.place], finding.code, finding.message)
                problems.append(problem)
    raise_all(problems)
    return decisions


def without_standing(rows: Iterable[Row], current: Iterable[Invoice]) -> tuple[list[Row], list[Row]]:
    """Part the rows that are still to be sent from those whose record stands exactly as they decide."""
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
    """Return the column in which a person mends what a rule finds, None where it is none of his."""
    return _COLUMN_OF_FINDING.get(code)


def match_records(rows: Iterable[Row], current: Iterable[Invoice]) -> list[Invoice]:
    """Join rows to invoices pulled just now, for a reset, and return the invoices in the rows' order.

    A record may stand as it was pulled or as the row decided. Raises `InvalidInput` as `match` does.
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
    """Invoices by key and recipient, and by number without what a spreadsheet may have taken off it."""

    def __init__(self, current: Iterable[Invoice]) -> None:
        self._exact: dict[RecordKey, dict[str | None, Invoice]] = {}
        self._near: dict[tuple[str, ...], Invoice] = {}
        for invoice in current:
            key = invoice.key._replace(supplier=invoice.supplier.upper())
            self._exact.setdefault(key, {})[invoice.recipient] = invoice
            self._near[_near_key(invoice)] = invoice

    def get(self, row: Row) -> Invoice | None:
        """Return the row's record: of the row's own taxpayer, as far as row and record name one."""
        found = self._exact.get(row.key._replace(supplier=row.supplier.upper()), {})
        if row.gstin is None:
            return next(iter(found.values()), None) if len(found) < 2 else None
        return found.get(row.gstin) or found.get(None)

    def missing(self, row: Row) -> tuple[str, str]:
        """Say of which kind it is that a row's record is not there, and in words."""
        near = self._near.get(_near_key(row))
        owners = self._exact.get(row.key._replace(supplier=row.supplier.upper()), {})
        if owners:
            whose = (
                "several taxpayers, and the row names none" if len(owners) > 1 else f"{next(iter(owners))}"
            )
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
    """Say what happened to a record since its row was pulled, of which kind and in words; or None."""
    if invoice.hash is not None and row.hash is None:
        what = "its hash cell is empty, so nobody can tell whether the supplier edited it: pull again"
        return "no-hash", what
    if invoice.hash is not None and row.hash != invoice.hash:
        what = "the supplier has edited it since it was pulled (its hash is another)"
        return "edited", f"{what}: pull again, decide again"
    if invoice.action not in expected:
        what = f"its action at the gateway is {invoice.action} now and was {row.pulled_action} when pulled"
        return "acted-on", f"{what}: pull again, decide again"
    return None
