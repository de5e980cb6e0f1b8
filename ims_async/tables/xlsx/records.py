"""Find the headers in a workbook, and read its cells as the text that a CSV file would hold."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import chain, islice
from typing import Any

import attrs

from ..columns import folded, to_text
from ..problems import Problem
from ..source import MOST_TITLES, known_among
from .opening import is_pulled, parts_beside_cells, sheets_of, unusable


@attrs.frozen
class Table:
    """A sheet with a header: what errors call it, the header's row from 1 and texts, and the rows below.

    One that was not `pulled` into a workbook may be of a CSV file, which has apostrophes before formulas.
    `above` are the rows above the header, as they were read.
    """

    name: str
    row: int
    header: list[str]
    rows: Iterator[list[Any]]
    pulled: bool
    first_formulas: Mapping[int, int]
    above: list[list[Any]]
    sheet: str

    def formulas(self, columns: dict[str, int]) -> list[tuple[str, int]]:
        """Return the first formula in each of these columns: the column, and the row from 1."""
        found = self.first_formulas
        there = [(found[place] + 1, column) for column, place in columns.items() if place in found]
        return [(column, row) for row, column in sorted(there)]


def tables_of(path: str | os.PathLike[str]) -> Iterator[Table]:
    """Yield the sheets that have our columns, else the first sheet. Raises `InvalidFile`.

    The first is called by the file's name, a further one `FILE [SHEET]`. One that is hidden is refused:
    nobody sees what would be sent.
    """
    name, count = os.fspath(path), 0
    first: Table | None = None
    for sheet in sheets_of(path):
        top = list(islice(sheet.rows, MOST_TITLES + 1))
        known = [known_among(map(folded, _texts(row))) for row in top]
        if not top:
            continue
        place = known.index(max(known))
        rows = chain(top[place + 1 :], sheet.rows)
        called = f"{name} [{sheet.name}]" if count else name
        header = _texts(top[place])
        while header and not header[-1]:
            header.pop()
        table = Table(called, place + 1, header, rows, sheet.pulled, sheet.formulas, top[:place], sheet.name)
        first = first or table
        if known[place] > _FEW:
            if sheet.hidden:
                what = f"has records in the hidden sheet {sheet.name!r}"
                raise unusable(path, f"{what}: show that sheet (Unhide) and look at it, or delete it")
            count += 1
            yield table
    if first is None:
        raise unusable(path, "has no rows: pull the records into it first")
    if not count:
        yield first


def problems_of_rewriting(path: str | os.PathLike[str]) -> Iterator[Problem]:
    """Yield what would be lost if the workbook were written again from its cells."""
    name = os.fspath(path)
    for what in parts_beside_cells(path):
        message = f"{name} holds {what}, which would be lost: take them out, or keep them in another workbook"
        yield Problem(message, kind="workbook", file=name)
    for sheet in sheets_of(path):
        for place, row in sorted(sheet.formulas.items()):
            what = "it holds a formula, which would be lost: copy the column, and paste it as values"
            where = f"{name} [{sheet.name}]"
            yield Problem(what, kind="formula", file=where, row=row + 1, column=_letters(place))


def _letters(place: int) -> str:
    """Return a column as a spreadsheet calls it: 0 is A, 26 is AA."""
    found, number = "", place + 1
    while number:
        number, rest = divmod(number - 1, 26)
        found = chr(ord("A") + rest) + found
    return found


_FEW = 4  # columns with our names; a sheet with no more is another one


def is_report(path: str | os.PathLike[str]) -> bool:
    """Return whether a workbook is a report of outcomes: it has a column `outcome`, and was not pulled."""
    if is_pulled(path):
        return False
    return any("outcome" in map(folded, table.header) for table in tables_of(path))


def _texts(row: list[Any]) -> list[str]:
    return [cell if type(cell) is str else text_of(cell) for cell in row]


def text_of(cell: Any) -> str:
    """Return a cell as the text that a CSV file has: dates DD-MM-YYYY, whole numbers without decimals."""
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, dt.date):
        return _text_of_day(cell.date() if isinstance(cell, dt.datetime) else cell)
    return to_text(cell)


_text_of_day = lru_cache(maxsize=10_000)(to_text)
