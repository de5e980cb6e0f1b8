"""Tables for persons and plain facts for machines, of everything that a command has to show."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import attrs
from rich import box
from rich.table import Table
from rich.text import Text

from ...model.plain import counted as counted
from ...model.plain import money_text
from ...model.records import Counts, Decision, Invoice, Record
from ...model.vocabulary import Action, Section
from ...tables import Row
from .console import printable

MOST_ROWS: Final = 40
_COPIED: Final = frozenset({"GSTIN", "supplier", "recipient", "reference", "job", "run"})
"""Columns of what one copies: a line that ends in the middle of it would spoil it."""
_MOMENTS: Final = frozenset({"date", "since", "last news"})
_NARROW: Final = 7  # characters, which another column has at least
_CREDIT_NOTES: Final = frozenset({Section.B2BCN, Section.B2BCNA})

STANDINGS: Final = ("no_action", "accepted", "rejected", "pending", "total")
COUNTED: Final = tuple(name.replace("_", " ") for name in STANDINGS)
"""What is counted of a section, and its columns."""
WORDS = {
    Action.ACCEPT: "accept",
    Action.REJECT: "reject",
    Action.PENDING: "keep pending",
    Action.NO_ACTION: "no action",
}
_ITC_WORDS: Final = {Action.ACCEPT: "accept", Action.REJECT: "reject", Action.PENDING: "pending"}
ByAction = Counter[Action | None]
"""How many records get which action; None is a reset."""


def are(count: int) -> str:
    """Return the verb for so many."""
    return "is" if count == 1 else "are"


def recognised(count: int, *, later: bool = False) -> str:
    """Say how many rows a spreadsheet has rewritten, which their hash identifies all the same."""
    rows = f"{counted(count, 'row')} {'was' if count == 1 else 'were'} rewritten by the spreadsheet"
    their = "its" if count == 1 else "their"
    return f"{rows}; {'push recognises them by' if later else 'recognised by'} {their} hash."


def table(
    title: str | None,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    total: str | Sequence[object] | None = None,
) -> Table:
    """Return a table; numbers stand to the right.

    `total` is the last row, set apart; or it is the name of one that has the sums of the numbers. What one
    copies (a GSTIN, a reference) and moments are never cut by the end of a line, however narrow the terminal.
    """
    lines = [tuple(row) for row in rows]
    if isinstance(total, str):
        total = (total, *(_sum([line[place] for line in lines]) for place in range(1, len(columns))))
    if total is not None:
        lines.append(tuple(total))
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
        whole, heading = column in _COPIED | _MOMENTS, Text(printable(column))
        parts = (part for line in lines for part in _cell(line[place]).plain.splitlines())
        longest = max(map(len, parts), default=0)
        made.add_column(
            heading,
            justify="right" if numeric else "left",
            overflow="fold",
            no_wrap=whole,
            min_width=longest if whole else min(max(longest, len(heading)), _NARROW),
        )
    for line in lines:
        last = total is not None and line is lines[-1]
        if last:
            made.add_section()
        made.add_row(*map(_cell, line), style="bold" if last else None)
    return made


def _sum(values: Sequence[Any]) -> object:
    return sum(values) if all(isinstance(one, int) for one in values) else ""


def _cell(value: object) -> Text:
    match value:
        case Text():
            return value
        case None:
            return Text("")
        case dt.date():
            return Text(f"{value:%d-%m-%Y}")
        case Decimal():
            return Text(money_text(value))
        case int():
            return Text(f"{value:,}", style="dim" if value == 0 else "")
    return Text(printable(value))


def counts_facts(counts: Counts) -> dict[str, Any]:
    """Return counts as plain values."""
    sections = {
        name: {one: getattr(found, one) for one in STANDINGS} for name, found in counts.sections.items()
    }
    return {"goods_type": counts.goods_type.value, "total": counts.total, "sections": sections}


def how_much(records: Iterable[Record]) -> str:
    """Say how many records get which action, and how much tax is in them, in rupees.

    `Accept 40 (tax of 12,345.00 rupees, 99.00 of it in credit notes), reject 2 (tax of 10.00 rupees)`
    """
    invoices: dict[str, list[Invoice]] = {}
    for record in records:
        if isinstance(record, Decision):
            invoices.setdefault(WORDS[record.action], []).append(record.invoice)
        else:
            invoices.setdefault("reset", []).append(record)
    said = []
    for word, own in invoices.items():
        notes = [invoice for invoice in own if invoice.section in _CREDIT_NOTES]
        of_it = f", {_tax(notes):,.2f} of it in credit notes" if notes else ""
        said.append(f"{word} {len(own):,} (tax of {_tax(own):,.2f} rupees{of_it})")
    return ", ".join(said).capitalize()


def _tax(invoices: Iterable[Invoice]) -> Decimal:
    return sum((one.igst + one.cgst + one.sgst + one.cess for one in invoices), Decimal(0))


def signed(invoice: Invoice, amount: Decimal) -> Decimal:
    """Return an amount of a record, negative for a credit note."""
    return -amount if invoice.section in _CREDIT_NOTES else amount


def itc_of(invoice: Invoice) -> Decimal:
    """Return the input tax credit of a record in rupees, negative for a credit note."""
    return signed(invoice, invoice.igst + invoice.cgst + invoice.sgst + invoice.cess)


def itc_by_action(decisions: Iterable[Decision]) -> dict[str, Decimal]:
    """Return the rupees of input tax credit in what is accepted, rejected and kept pending.

    An accepted credit note lowers it by what is given up of it. An amendment counts whole: no field has what
    it amends.
    """
    found = dict.fromkeys(_ITC_WORDS.values(), Decimal(0))
    for decision in decisions:
        if word := _ITC_WORDS.get(decision.action):
            found[word] += _itc_of_decision(decision)
    return found


def _itc_of_decision(decision: Decision) -> Decimal:
    reduction = decision.itc_reduction
    said = decision.section in _CREDIT_NOTES and decision.action is Action.ACCEPT and reduction is not None
    if reduction is None or not said or (reduction.required and not reduction.amounts):
        return itc_of(decision.invoice)
    return -sum(reduction.amounts.values(), Decimal(0)) if reduction.required else Decimal(0)


def itc_table(decisions: Sequence[Decision]) -> Table:
    """Show the input tax credit by action, in rupees."""
    counts, itc = by_action(decisions), itc_by_action(decisions)
    rows = [
        (word, counts[action], rupees(itc[word])) for action, word in _ITC_WORDS.items() if counts[action]
    ]
    amended = any(one.section.is_amendment for one in decisions)
    title = "ITC in rupees; credit notes are negative" + (", amendments count whole" if amended else "")
    return table(title, ("action", "records", "ITC"), rows)


def rupees(amount: Decimal) -> Text:
    """Return an amount as a cell of a table."""
    return Text(f"{amount:,.2f}", justify="right")


def by_action(records: Iterable[Record | Row]) -> ByAction:
    """Count records by the action that is decided."""
    return Counter(None if isinstance(record, Invoice) else record.action for record in records)


def by_section(records: Iterable[Record | Row]) -> dict[str, ByAction]:
    """Count records by section, and by the action that is decided."""
    found: dict[Section, list[Record | Row]] = {section: [] for section in Section}
    for record in records:
        found[record.section].append(record)
    return {section.value: by_action(own) for section, own in found.items() if own}


def summary_table(title: str, heading: str, found: Mapping[str, ByAction]) -> Table:
    """Show what is about to be sent, by section or GSTIN, and by action where there are any."""
    sums: ByAction = sum(found.values(), Counter())
    actions = [action for action in WORDS if sums[action]]
    names = list(found)
    shown = {name: found[name] for name in names[:MOST_ROWS]}
    if more := names[MOST_ROWS:]:
        shown[f"{len(more):,} more"] = sum((found[name] for name in more), Counter())
    rows = [(name, *(own[action] for action in actions), own.total()) for name, own in shown.items()]
    columns = (heading, *(WORDS[action] for action in actions), "records")
    return table(title, columns, rows, total="all" if heading == "section" else f"all {len(found):,}")


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
