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

from ...gsp.codec.writing import money_text
from ...model.records import AddedBackLiability, Counts, Decision, Record, SalesInvoice
from ...model.vocabulary import Action, Section
from ...tables import Row
from .console import printable

MOST_ROWS: Final = 40
_COPIED: Final = frozenset({"GSTIN", "supplier", "recipient", "reference", "job", "run"})
"""Columns of what one copies."""
_NARROW: Final = 7  # characters, which another column has at least
_CREDIT_NOTES: Final = frozenset({Section.B2BCN, Section.B2BCNA})

_STANDINGS: Final = ("no_action", "accepted", "rejected", "pending", "total")
WORDS = {
    Action.ACCEPT: "accept",
    Action.REJECT: "reject",
    Action.PENDING: "keep pending",
    Action.NO_ACTION: "no action",
}


def counted(count: int, noun: str, *, be: bool = False) -> str:
    """Return "1 record", "2 records" and so on; with `be`, "1 record is" and "2 records are"."""
    one = count == 1
    return f"{count:,} {noun}{'' if one else 's'}" + ((" is" if one else " are") if be else "")


def table(
    title: str | None, columns: Sequence[str], rows: Iterable[Sequence[object]], *, total: bool = False
) -> Table:
    """Return a table; numbers stand to the right. With `total` the last row is set apart.

    What one copies (a GSTIN, a reference) is never cut by the end of a line, how narrow the terminal may be.
    """
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
        copied = column in _COPIED
        longest = max((len(_cell(line[place]).plain) for line in lines), default=0)
        made.add_column(
            heading,
            justify="right" if numeric else "left",
            overflow="fold",
            no_wrap=copied,
            min_width=longest if copied else min(max(longest, len(heading)), _NARROW),
        )
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
    numbers = {name: tuple(own.values()) for name, own in counts_facts(counts)["sections"].items()}
    sums = [sum(column) for column in zip(*numbers.values(), strict=True)] or [0] * len(_STANDINGS)
    rows = [*((name, *own) for name, own in numbers.items()), ("all", *sums)]
    columns = ("section", *(name.replace("_", " ") for name in _STANDINGS))
    return table(f"{gstin}, {counts.goods_type.value}", columns, rows, total=True)


def counts_facts(counts: Counts) -> dict[str, Any]:
    """Return counts as plain values."""
    sections = {
        name: {one: getattr(found, one) for one in _STANDINGS} for name, found in counts.sections.items()
    }
    return {"goods_type": counts.goods_type.value, "total": counts.total, "sections": sections}


def summary(records: Iterable[Record]) -> Counter[tuple[Section, Action | None]]:
    """Count records by section and decided action (None in a reset)."""
    return Counter((r.section, r.action if isinstance(r, Decision) else None) for r in records)


def summary_of_rows(rows: Iterable[Row]) -> Counter[tuple[Section, Action | None]]:
    """Count the rows of a file by section and action."""
    return Counter((row.section, row.action) for row in rows)


def how_much(records: Iterable[Record]) -> str:
    """Say how many records get which action, and how much tax is in them, in rupees.

    `Accept 40 (tax of 12,345.00 rupees, 99.00 of it in credit notes), reject 2 (tax of 10.00 rupees)`
    """
    counts: Counter[str] = Counter()
    taxes: dict[str, Decimal] = {}
    credit: dict[str, Decimal] = {}
    for record in records:
        decided = isinstance(record, Decision)
        word = WORDS[record.action] if decided else "reset"
        invoice = record.invoice if isinstance(record, Decision) else record
        tax = invoice.igst + invoice.cgst + invoice.sgst + invoice.cess
        counts[word] += 1
        taxes[word] = taxes.get(word, Decimal(0)) + tax
        if invoice.section in _CREDIT_NOTES:
            credit[word] = credit.get(word, Decimal(0)) + tax
    said = ", ".join(
        f"{word} {count:,} (tax of {taxes[word]:,.2f} rupees{_of_it(credit.get(word))})"
        for word, count in counts.items()
    )
    return said[:1].upper() + said[1:]


def _of_it(credit: Decimal | None) -> str:
    return "" if credit is None else f", {credit:,.2f} of it in credit notes"


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
        for s in sales[:MOST_ROWS]
    ]
    return table(_cut(title, len(sales)), ("list", "recipient", "number", "date", "value", "action"), rows)


def liabilities_table(title: str, debts: Sequence[AddedBackLiability]) -> Table:
    """Show documents whose rejection was added back."""
    rows = [
        (d.section, d.recipient, d.number, d.date, d.value, d.igst, d.cgst, d.sgst, d.cess)
        for d in debts[:MOST_ROWS]
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
    return title if count <= MOST_ROWS else f"{title}: the first {MOST_ROWS} of {count:,}; --out FILE has all"
