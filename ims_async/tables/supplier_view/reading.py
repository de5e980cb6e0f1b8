"""Read a file that `write_sales` has written, in any format."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from ...model.sales import LineItem, SalesInvoice
from ...model.vocabulary import Action, SupplierSection
from ..checking import facts_of
from ..columns import GSTIN_COLUMN, field_of, folded, unshielded
from ..formats import format_of
from ..problems import Problem, raise_all, unusable
from ..row import PARSERS
from ..source import cell_text, head_of, tables_of, text_of
from .writing import AMOUNTS, COLUMNS

Sales = dict[str, list[SalesInvoice]]
_NEEDED: Final = ("section", "recipient", "number", "date", "action", "value", *AMOUNTS, "deleted")


def read_sales(file: str | os.PathLike[str]) -> Sales:
    """Read the documents of a file by taxpayer: its column GSTIN, an empty text where there is none.

    The file has the sums of a document's rate lines: they come back as one line, whose rate is 0. Raises
    `InvalidInput`, with every fault by row and column.
    """
    found: Sales = {}
    problems: list[Problem] = []
    name, rows = os.fspath(file), _rows_of(file)
    for line, cells in rows:
        faults: dict[str, str] = {}
        gstin, sale = _read(cells, faults)
        for column, fault in faults.items():
            kind = column.replace(" ", "-").lower()
            problems.append(Problem(fault, kind=kind, file=name, row=line, column=column))
        if sale is not None:
            found.setdefault(gstin, []).append(sale)
    raise_all(problems)
    return found


def _rows_of(file: str | os.PathLike[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the rows that are not empty, by column, each with its number as a spreadsheet counts them."""
    if (packed := format_of(file)) is not None:
        for table in tables_of(file, packed.sheets(file)):
            places = _places(file, table.header)
            texts = ([cell_text(cell) for cell in row] for row in table.rows)
            yield from _numbered(texts, places, table.row + 1)
        return
    name, text = text_of(file)
    head = head_of(text)
    # strict: otherwise a quote that is never closed would include the rows below it
    reader = csv.reader(io.StringIO(text[head.offset :], newline=""), delimiter=head.delimiter, strict=True)
    try:
        places = _places(file, next(reader, []))
        for line, cells in _numbered(reader, places, head.row + 1):
            yield line, {column: unshielded(cell) for column, cell in cells.items()}
    except csv.Error as error:
        raise unusable(name, f"cannot be read as CSV: {error} (are the quotes in pairs?)") from None


def _places(file: str | os.PathLike[str], header: list[str]) -> dict[str, int]:
    there = {folded(heading): place for place, heading in reversed([*enumerate(header)])}
    if missing := [column for column in _NEEDED if folded(column) not in there]:
        raise unusable(os.fspath(file), f"is no file of sales: it has no column {', '.join(missing[:3])}")
    return {name: there[folded(name)] for name in (GSTIN_COLUMN, *COLUMNS) if folded(name) in there}


def _numbered(
    rows: Iterator[list[str]], places: Mapping[str, int], first: int
) -> Iterator[tuple[int, dict[str, str]]]:
    for line, row in enumerate(rows, start=first):
        if any(cell.strip() for cell in row):  # spreadsheets drop empty cells at the end
            yield line, {name: row[place] if place < len(row) else "" for name, place in places.items()}


def _read(cells: Mapping[str, str], faults: dict[str, str]) -> tuple[str, SalesInvoice | None]:
    """Read a row; what is wrong with its cells is put into `faults`, by column."""
    facts: dict[str, Any] = {}
    known = facts_of(cells)
    for column in COLUMNS:
        text = cells.get(column, "").strip()
        parse = _PARSERS.get(column)
        try:
            value = known.get(column) if parse is None else parse(text) if text else None
        except ValueError as error:
            faults[column] = str(error)
            continue
        if text and value is None:
            faults[column] = f"{text!r:.60} is no amount such as 1250.50, or no date DD-MM-YYYY"
        elif value is None and column in _IDS:
            faults[column] = "empty: it says which document this is"
        facts[_FIELDS.get(column) or field_of(column)] = value
    if faults:
        return "", None
    amounts = {field_of(column): facts.pop(field_of(column)) for column in AMOUNTS}
    if any(amount is not None for amount in amounts.values()):
        sums: dict[str, Any] = {head: amount or Decimal(0) for head, amount in amounts.items()}
        facts["items"] = (LineItem(number=1, rate=Decimal(0), **sums),)
    if (reverse := facts.pop("reverse_charge")) is not None:
        facts["extra"] = {"rchrg": "Y" if reverse else "N"}
    facts["deleted"] = bool(facts["deleted"])
    facts["action"] = facts["action"] or Action.NO_ACTION
    return cells.get(GSTIN_COLUMN, "").strip().upper(), SalesInvoice(**facts)


def _yes(text: str) -> bool:
    if text.casefold() not in ("yes", "no"):
        raise ValueError(f"{text!r:.60} is not yes or no")
    return text.casefold() == "yes"


_IDS: Final = frozenset({"section", "recipient", "number", "date"})
_FIELDS: Final = {"list": "list_name"}
_PARSERS: Final[dict[str, Callable[[str], Any]]] = {
    "section": SupplierSection,
    "date": PARSERS["date"],
    "action": Action.parse,
    **dict.fromkeys(("recipient", "supplier"), str.upper),
    **dict.fromkeys(("list", "number", "note type", "checksum"), str),
    **dict.fromkeys(("deleted", "reverse charge"), _yes),
}
"""Of the columns that a file of decisions has none of."""
