"""Match the rows of a file with the records that the gateway shows now.

A row is the record that its hash names, whatever a spreadsheet has made of its other cells. A record that
changed since the file was pulled is reported as a problem, and not sent.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Final

import attrs

from .. import rules
from ..model.records import Decision, Invoice, RecordKey
from ..model.vocabulary import Action, Section, gstin_problem
from .checking import HASH_REWRITTEN, NO_HASH, column_of
from .columns import to_cell
from .problems import Problem, raise_all
from .rewriting import is_scientific, marks, may_show
from .row import AS_TEXT, Row, folded_hash

_EDITED: Final = "the supplier has edited it since, or its hash cell was changed: pull again, decide again"


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
    """Return the rows that are still to be sent, and those whose record is already as they decide.

    A row that `match` would refuse beside another of its record, or for its ids, is still to be sent.
    """
    index = _Index(current)
    found = [(row, index.get(row)) for row in rows]
    times = Counter(id(invoice) for _, invoice in found)
    left: list[Row] = []
    standing: list[Row] = []
    for row, invoice in found:
        stands = (
            invoice is not None
            and times[id(invoice)] == 1
            and _stands(row, invoice)
            and index.contradiction(row, invoice) is None
        )
        (standing if stands else left).append(row)
    return left, standing


def _stands(row: Row, invoice: Invoice) -> bool:
    return (
        row.action is not None
        and invoice.action is row.action
        and (invoice.hash is None or folded_hash(invoice.hash) == folded_hash(row.hash))
        and (invoice.remarks or None) == row.remarks
        and invoice.itc_reduction == row.itc_reduction
    )


def match_records(rows: Iterable[Row], current: Iterable[Invoice]) -> list[Invoice]:
    """Join rows to invoices pulled just now, for a reset; return the invoices in the order of the rows.

    A record's action may be that of the pull or that of the row. Raises `InvalidInput` as `match` does.
    """
    found, problems = _join(rows, current, lambda row: {row.pulled_action, row.action})
    raise_all(problems)
    return [invoice for _, invoice in found]


def recognised(rows: Iterable[Row], current: Iterable[Invoice], *, likely: bool = False) -> list[Row]:
    """Return the rows, those that a spreadsheet has rewritten with the ids of the record of their hash.

    A row whose ids are those of another record stays as it is, so that `match` refuses it. With `likely` only
    where a spreadsheet may have made the row's ids of the record's.
    """
    index = _Index(current)
    return [_restored(row, index.get(row), index, likely=likely) for row in rows]


def records_of(
    rows: Sequence[Row], current: Iterable[Invoice], *, sections: Container[Section]
) -> list[Invoice | None]:
    """Return the record that each row is about, as a new read has it; None if it has none.

    It is the one of the row's hash, else of its ids, else one that no other row is about: with another date,
    or, in the `sections` of which all was read, with ids that a spreadsheet may have rewritten. Raises
    `InvalidInput` for rows whose hash and ids are of two records.
    """
    index = _Index(current)
    found = [index.get(row) for row in rows]
    problems: list[Problem] = []
    for row, invoice in zip(rows, found, strict=True):
        if invoice is not None and (mixed := index.contradiction(row, invoice)):
            problems.append(_problem(row, mixed[0], f"{row.section} {row.number}: {mixed[1]}"))
    raise_all(problems)
    taken = {id(invoice) for invoice in found}
    left = [
        None if invoice else index.alone(row, taken, rewritten=row.section in sections)
        for row, invoice in zip(rows, found, strict=True)
    ]
    times = Counter(map(id, left))
    return [had or (one if times[id(one)] == 1 else None) for had, one in zip(found, left, strict=True)]


def _restored(row: Row, invoice: Invoice | None, index: _Index, *, likely: bool) -> Row:
    if invoice is None or row.hash is None or folded_hash(row.hash) != folded_hash(invoice.hash):
        return row
    key = invoice.key._replace(supplier=invoice.supplier.upper())
    if key == row.key or (likely and not _may_be(row, invoice)) or index.contradiction(row, invoice):
        return row
    return attrs.evolve(
        row,
        section=invoice.section,
        supplier=invoice.supplier.upper(),
        number=invoice.number,
        date=invoice.date,
        return_period=invoice.return_period,
        doubts=(),
        rewritten=True,
    )


def _join(
    rows: Iterable[Row], current: Iterable[Invoice], expected: Callable[[Row], set[Action | None]]
) -> tuple[list[tuple[Row, Invoice]], list[Problem]]:
    index = _Index(current)
    found: list[tuple[Row, Invoice]] = []
    taken: dict[int, Row] = {}
    problems: list[Problem] = []
    for row in rows:
        invoice = index.get(row)
        if invoice is None:
            changed: tuple[str, str] | None = index.missing(row)
        elif (first := taken.setdefault(id(invoice), row)) is not row:
            changed = "twice", f"{first.where()} is of the same record already: keep one of them"
        else:
            changed = index.contradiction(row, invoice) or _change(row, invoice, expected(row))
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
    """Invoices by hash, and by key and recipient."""

    def __init__(self, current: Iterable[Invoice]) -> None:
        self._exact: dict[RecordKey, dict[str | None, Invoice]] = {}
        self._of_hash: dict[str, list[Invoice]] = {}
        for invoice in current:
            key = invoice.key._replace(supplier=invoice.supplier.upper())
            self._exact.setdefault(key, {})[invoice.recipient] = invoice
            if text := folded_hash(invoice.hash):
                self._of_hash.setdefault(text, []).append(invoice)

    def get(self, row: Row) -> Invoice | None:
        """Return the row's record: the one of its hash, else of its ids.

        Where row and record name a taxpayer, it must be the same one. Records with one hash are kept apart by
        what remains of the row's ids.
        """
        named = [one for one in self._named(row) if _same_taxpayer(row, one)]
        if len(named) > 1:
            named = [invoice for invoice in named if _may_be(row, invoice)]
        if len(named) == 1:
            return named[0]
        found = self._owners(row)
        if row.gstin is None:
            return next(iter(found.values()), None) if len(found) < 2 else None
        return found.get(row.gstin) or found.get(None)

    def _named(self, row: Row) -> list[Invoice]:
        """Return the records of the row's section that its hash names."""
        found = self._of_hash.get(folded_hash(row.hash) or "", ())
        return [invoice for invoice in found if invoice.section == row.section]

    def _owners(self, row: Row) -> dict[str | None, Invoice]:
        """Return the records of the row's key, by recipient."""
        return self._exact.get(row.key._replace(supplier=row.supplier.upper()), {})

    def contradiction(self, row: Row, invoice: Invoice) -> tuple[str, str] | None:
        """Return the kind of problem and the message where hash and ids are those of two records.

        Either the gateway shows the other one, or no spreadsheet makes such ids of this one's.
        """
        if row.key == invoice.key or _may_be(row, invoice):
            return None
        others: list[Invoice | None] = [*self._owners(row).values()] or [self.near(row)]
        if invoice in others or (others == [None] and not _is_anothers(row, invoice)):
            return None
        what = f"its hash is that of {invoice.key}, its other cells are those of another record"
        return "mixed-up", f"{what}: has a part of the sheet been sorted by itself? pull again, decide again"

    def missing(self, row: Row) -> tuple[str, str]:
        """Return the kind of problem and the message for a row whose record was not found."""
        if owners := self._owners(row):
            whose = "several taxpayers, and the row names none" if len(owners) > 1 else str(*owners)
            return "recipient", f"it is a record of {whose}: match each taxpayer's rows with its own records"
        if len(self._named(row)) > 1:
            what = "several records have its hash, and its other cells fit no one of them"
            return "several", f"{what}: pull again, decide again"
        near = self.near(row)
        if near is not None and near.hash is not None and row.hash is not None:
            return _other_hash(row.hash, near.hash)
        if near is not None and not _same_number(row, near):
            what = f"a spreadsheet has rewritten {near.number}, which is here {row.number}"
            return "other-number", f"{what}: {AS_TEXT}"
        if near is not None:
            return "other-date", f"the gateway shows it with the date {to_cell(near.date)}: pull again"
        if row.doubts:
            faults = "; ".join(f"{column}: {what}" for column, what in row.doubts)
            what = f"no record has its hash (any more), and a spreadsheet has rewritten it ({faults})"
            return "rewritten", f"{what}: pull again"
        whose = f" of {row.gstin}" if row.gstin else ""
        other = ", or is it another taxpayer's?" if row.gstin else ""
        return "gone", f"the gateway does not show this record{whose} (any more): pull again{other}"

    def near(self, row: Row) -> Invoice | None:
        """Return a record that the row may be about: with another date, or as a spreadsheet shows its ids."""
        near: Invoice | None = None
        for near in self._near(row):
            if _same_number(row, near):
                return near
        return near

    def alone(self, row: Row, taken: Container[int], *, rewritten: bool) -> Invoice | None:
        """Return the only record, but for those `taken` by their `id`, that the row may be about.

        Its number is the row's; or if it may be `rewritten`, a spreadsheet has made all of the row's ids.
        """
        found = {id(one): one for one in self._near(row) if id(one) not in taken}.values()
        same = [one for one in found if _same_number(row, one)]
        if not same and rewritten:
            same = [one for one in found if _may_be(row, one)]
        return same[0] if len(same) == 1 else None

    def _near(self, row: Row) -> Iterator[Invoice]:
        """Yield the records of the row's taxpayer, supplier and period whose number it may show."""
        # Its own text first: of the others there may be thousands, where numbers look like dates.
        for mark in sorted(marks(row.number), key=lambda mark: mark[0] != "text"):
            for invoice in self._by_mark.get((row.section, row.supplier.upper(), mark), ()):
                if (
                    _same_taxpayer(row, invoice)
                    and _same_period(row, invoice)
                    and (_same_number(row, invoice) or may_show(row.number, invoice.number))
                ):
                    yield invoice

    @functools.cached_property
    def _by_mark(self) -> dict[tuple[object, ...], list[Invoice]]:
        found: dict[tuple[object, ...], list[Invoice]] = {}
        for owners in self._exact.values():
            for invoice in owners.values():
                for mark in marks(invoice.number):
                    found.setdefault((invoice.section, invoice.supplier.upper(), mark), []).append(invoice)
        return found


def _same_taxpayer(row: Row, invoice: Invoice) -> bool:
    return row.gstin is None or invoice.recipient is None or invoice.recipient == row.gstin


def _is_anothers(row: Row, invoice: Invoice) -> bool:
    """Return True for another GSTIN, or a number that was one only in another cell: 1.2E+05 for INV/7."""
    supplier = row.supplier != invoice.supplier.upper() and gstin_problem(row.supplier) is None
    return supplier or (is_scientific(row.number) and not may_show(row.number, invoice.number))


def _same_number(row: Row, invoice: Invoice) -> bool:
    return row.number.strip().upper() == invoice.number.strip().upper()


def _same_period(row: Row, invoice: Invoice) -> bool:
    return row.return_period.lstrip("0") == invoice.return_period.lstrip("0")


def _may_be(row: Row, invoice: Invoice) -> bool:
    """Return True if a spreadsheet may have made the row's ids of the record's."""
    unread = {column for column, _ in row.doubts}
    return (
        row.section == invoice.section
        and ("supplier" in unread or row.supplier == invoice.supplier.upper())
        and (may_show(row.number, invoice.number) or not row.number)
        and ("return period" in unread or _same_period(row, invoice))
        and (row.date is None or may_show(to_cell(row.date), to_cell(invoice.date)))
    )


def _change(row: Row, invoice: Invoice, expected: set[Action | None]) -> tuple[str, str] | None:
    """Return the kind of problem and the message if a record changed since its row was pulled, else None."""
    if invoice.hash is not None and row.hash is None:
        return "no-hash", NO_HASH
    if invoice.hash is not None and folded_hash(row.hash) != folded_hash(invoice.hash):
        return _other_hash(row.hash or "", invoice.hash)
    if invoice.action not in expected:
        what = f"its action at the gateway was {row.pulled_action} when pulled and is {invoice.action} now"
        if invoice.action is row.action:
            what += ", as this row decides (the gateway need not show its remarks and ITC reduction)"
            return "acted-on", f"{what}: if you pushed it, it is done; if not, pull again, decide again"
        return "acted-on", f"{what}: pull again, decide again"
    return None


def _other_hash(cell: str, now: str) -> tuple[str, str]:
    """Return the kind of problem and the message for a hash that is not the one which the gateway shows."""
    if is_scientific(cell):
        return "rewritten", HASH_REWRITTEN.format(cell)
    if (folded_hash(cell) or "") in (folded_hash(now) or ""):
        return "cut-off", f"only a part of its hash is there ({cell:.80}): pull again, decide again"
    return "edited", _EDITED
