"""Read a purchase register: a file of the taxpayer's accounting program, or rows of one."""

from __future__ import annotations

import csv
import datetime as dt
import io
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from ...errors import InvalidInput
from ...model.vocabulary import gstin_problem, is_other_gstin
from ...tables.formats import NAMES, Format, format_of
from ...tables.problems import FILE_KIND, Problem, raise_all
from ...tables.source import text_of
from ..entry import HEADS, Entry
from .cells import Dates, day_of, kind_of, rupees_of
from .columns import Columns, Given, Row, given_of, header_of, known_in
from .headings import folded

_NO_RESULT: Final = "its formula has no result: open the file, mend what is an error, and save it again"
_MOST_TITLES: Final = 30  # rows above the header: a firm's name, its address, a period
_MOST_PROBLEMS: Final = 1000
_NO_GSTIN: Final = frozenset(
    ("", "-", "--", "na", "n/a", "n.a.", "nil", "none", "urp", "urd", "unregistered", "not registered")
)


class Register(list[Entry]):
    """The entries of a purchase register; `left_out` counts the rows that are none, by the reason."""

    def __init__(self, entries: Iterable[Entry] = (), left_out: Mapping[str, int] | None = None) -> None:
        super().__init__(entries)
        self.left_out = dict(left_out or {})

    def __repr__(self) -> str:
        return f"<Register of {len(self):,} entries, {sum(self.left_out.values()):,} rows left out>"


def read_register(path: str | os.PathLike[str], columns: Columns | None = None) -> Register:
    """Read a purchase register from CSV (`.csv`, `.txt`, `.tsv`), XLSX (extra `xlsx`) or Parquet (`arrow`).

    Columns are found by the headings that Tally, Zoho Books, Busy, SAP and Marg write; `columns` maps fields
    of `Entry` to other headings, as a mapping or a TOML file; several headings of one amount, such as
    `["Input CGST 9%", "Input CGST 14%"]`, are added up. Totals and rows without a supplier's GSTIN are left
    out and counted in `left_out`. Raises `InvalidInput` for a field whose column is not found, and
    `tables.InvalidFile`, with all `problems` by row, for cells that cannot be read.
    """
    name, given, packed = os.fspath(path), given_of(columns), format_of(path)
    if packed is None and Path(path).suffix.lower() not in _CSV:
        raise InvalidInput(f"{name}: a register is a {NAMES} file; save it as CSV UTF-8 (.csv) or as .xlsx")
    rows = _csv_rows(path, given) if packed is None else _packed_rows(name, packed, given)
    return _entries_of(rows, given, name)


def entries_of(
    rows: Iterable[Row | Mapping[str, Any]], columns: Columns | None = None, *, name: str = "the rows"
) -> Register:
    """Read a purchase register from rows of cells, the headings among the first of them, or from mappings.

    `name` is what errors call it. Otherwise as `read_register`.
    """
    return _entries_of(_cells(rows, name), given_of(columns), name)


def _entries_of(rows: Iterable[Row], given: Given, name: str) -> Register:
    numbered = enumerate(rows, 1)
    top = [*islice(numbered, _MOST_TITLES)]
    if not top:
        raise InvalidInput(f"{name}: there is no row in it")
    line, headings, places = header_of(name, [row for _, row in top], given)
    entries, problems, left_out, dates = list[Entry](), list[Problem](), Counter[str](), Dates()
    for number, row in chain(top[line:], numbered):
        cells = {
            field: [row[place] for place in those if place < len(row)] for field, those in places.items()
        }
        if why := _not_an_entry(row, cells, str(headings[places["supplier"][0]])):
            left_out[why] += 1
            continue
        try:
            entries.append(_entry(cells))
            dates.see(number, _cell(cells, "date"))
        except _CellError as error:
            column = str(headings[places[error.field][error.place]])
            problems.append(Problem(str(error), kind=error.field, file=name, row=number, column=column))
            if len(problems) >= _MOST_PROBLEMS:
                break
    if dates.exchanged:
        number, text = dates.exchanged
        what = (
            f"{text!r} is a text among dates that all have a day up to 12: a spreadsheet has taken days for "
            "months; save the register anew as CSV from the accounting program, and do not open it before"
        )
        column = str(headings[places["date"][0]])
        problems.append(Problem(what, kind="date", file=name, row=number, column=column))
    raise_all(problems)
    del left_out["empty"]
    return Register(entries, left_out)


# -- rows ---------------------------------------------------------------------------------------------------


class _CellError(ValueError):
    """A cell that cannot be read, by its field, and its place among the field's columns."""

    def __init__(self, field: str, message: str, place: int = 0) -> None:
        super().__init__(message)
        self.field, self.place = field, place


Cells = Mapping[str, Sequence[Any]]


def _cells(rows: Iterable[Row | Mapping[str, Any]], name: str) -> Iterator[Row]:
    """Return rows as sequences; of mappings the keys, which are the headings, and then the values.

    A mapping may lack what another one has. Raises `InvalidInput` for what is no row.
    """
    if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Iterable):
        raise InvalidInput(f"{name}: {rows!r:.40} is no list of rows")
    everything = list(rows)
    for number, row in enumerate(everything, 1):
        if isinstance(row, str | bytes) or not isinstance(row, Mapping | Sequence):
            raise InvalidInput(f"{name}: row {number}, {row!r:.40}, is neither a list of cells nor a mapping")
    headings = list(dict.fromkeys(key for row in everything if isinstance(row, Mapping) for key in row))
    if headings:
        yield headings
    for row in everything:
        yield [row.get(heading) for heading in headings] if isinstance(row, Mapping) else row


def _entry(cells: Cells) -> Entry:
    supplier = _text(cells, "supplier").upper()
    if (problem := gstin_problem(supplier)) and not is_other_gstin(supplier):
        raise _CellError("supplier", f"{problem}; check it for a typing error")
    if isinstance(_cell(cells, "number"), dt.date):
        raise _CellError("number", "a spreadsheet has made a date of this number: write it as text")
    try:
        date = day_of(_cell(cells, "date"))
    except ValueError as error:
        raise _CellError("date", str(error)) from None
    return Entry(
        supplier=supplier,
        number=_text(cells, "number"),
        date=date,
        kind=kind_of(_cell(cells, "kind")),
        reference=_text(cells, "reference"),
        **{head: _amount(cells, head) for head in HEADS},
    )


def _amount(cells: Cells, head: str) -> Decimal:
    """Return the sum of a head's cells."""
    amount = Decimal(0)
    for place, cell in enumerate(cells.get(head, ())):
        try:
            amount += rupees_of(cell)
        except ValueError as error:
            raise _CellError(head, str(error), place) from None
    return amount


def _not_an_entry(row: Row, cells: Cells, heading: str) -> str:
    """Say why a row is no entry of the register, or return an empty text."""
    if not any(cell is not None and str(cell).strip() for cell in row):
        return "empty"
    supplier, *facts = (_text(cells, field).lower() for field in ("supplier", "number", "date"))
    totals = any(isinstance(cell, str) and "total" in cell.lower() for cell in row)
    without_gstin = supplier in _NO_GSTIN or "total" in supplier
    if totals and (without_gstin or all(not fact or "total" in fact for fact in facts)):
        return "totals"
    if folded(supplier) == folded(heading):
        return "headings"  # at the top of each page
    if not any((supplier, *facts, _text(cells, "reference"))) and any(_text(cells, head) for head in HEADS):
        return "amounts alone"  # an unnamed total, or a line below merged cells
    return "without a GSTIN" if without_gstin else ""


def _cell(cells: Cells, field: str) -> Any:
    return next(iter(cells.get(field, ())), None)


def _text(cells: Cells, field: str) -> str:
    cell = _cell(cells, field)
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))  # a spreadsheet keeps the number 12 as 12.0
    return "" if cell is None else " ".join(str(cell).split())


# -- files --------------------------------------------------------------------------------------------------

_CSV: Final = frozenset({".csv", ".txt", ".tsv", ""})


def _csv_rows(path: str | os.PathLike[str], given: Given) -> Iterator[Row]:
    name = os.fspath(path)
    _, text = text_of(path)
    lines = text[:8192].splitlines()
    sign = max(",;\t|", key=lambda one: max((known_in(line.split(one), given) for line in lines), default=0))
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=sign)
    except csv.Error as error:
        raise InvalidInput(f"{name}: not CSV: {error}") from error


def _packed_rows(name: str, packed: Format, given: Given) -> Iterator[Row]:
    """Return the rows of the sheet in which the most headings are known. Refuses two that are registers."""
    best: tuple[int, Iterator[Row]] = -1, iter(())
    registers: list[str] = []
    for sheet in packed.sheets(name):
        top = [*islice(sheet.rows, _MOST_TITLES)]
        known = max((known_in(row, given) for row in top), default=-1)
        if known > best[0]:
            best = known, chain(top, sheet.rows)
        try:
            line, headings, places = header_of("", top or [[]], given)
        except InvalidInput:
            continue
        registers.append(sheet.name)
        columns = {column for some in places.values() for column in some}
        raise_all(
            [
                Problem(
                    _NO_RESULT,
                    kind=FILE_KIND,
                    file=name,
                    row=row + 1,
                    column=str(headings[column]),
                )
                for column, row in sheet.without_result.items()
                if column in columns and row >= line  # an amount would be zero, a row without GSTIN left out
            ]
        )
    if len(registers) > 1:
        names = ", ".join(map(repr, registers[:6]))
        raise InvalidInput(
            f"{name}: {len(registers):,} sheets are purchase registers ({names}): put their rows "
            "into one sheet, or save each as a file"
        )
    return best[1]
