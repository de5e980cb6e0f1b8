"""Read a purchase register: a file of the taxpayer's accounting program, or rows of one."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from ...errors import InvalidInput
from ...model.vocabulary import gstin_problem, is_other_gstin
from ...tables.problems import Problem, raise_all
from ...tables.source import text_of
from ...tables.xlsx.opening import sheets_of
from ..entry import HEADS, Entry
from ..policy import read_toml
from .cells import day_of, kind_of, rupees_of
from .headings import FIELDS, REQUIRED, TAXES, columns_of, known_in

_MOST_TITLES: Final = 30  # rows above the header: a firm's name, its address, a period
_MOST_PROBLEMS: Final = 1000
_NO_GSTIN: Final = frozenset(
    ("", "-", "--", "na", "n/a", "n.a.", "nil", "none", "urp", "urd", "unregistered", "not registered")
)
_READ: Final = {"date": day_of, **dict.fromkeys(HEADS, rupees_of)}

Row = Sequence[Any]
Columns = Mapping[str, str] | str | os.PathLike[str]


class Register(list[Entry]):
    """The entries of a purchase register; `left_out` counts the rows that are none, by the reason."""

    def __init__(self, entries: Iterable[Entry] = (), left_out: Mapping[str, int] | None = None) -> None:
        super().__init__(entries)
        self.left_out = dict(left_out or {})

    def __repr__(self) -> str:
        return f"<Register of {len(self):,} entries, {sum(self.left_out.values()):,} rows left out>"


def read_register(path: str | os.PathLike[str], columns: Columns | None = None) -> Register:
    """Read a purchase register from a CSV file (`.csv`, `.txt`, `.tsv`), or with the extra `xlsx` from XLSX.

    Columns are found by the headings that Tally, Zoho Books, Busy, SAP and Marg write; `columns` maps fields
    of `Entry` to other headings, as a mapping or a TOML file. Totals and rows without a supplier's GSTIN are
    left out and counted in `left_out`. Raises `InvalidInput` for a field whose column is not found, and
    `tables.InvalidFile`, with all `problems` by row, for cells that cannot be read.
    """
    read = _FORMATS.get(Path(path).suffix.lower())
    if read is None:
        raise InvalidInput(
            f"{os.fspath(path)}: a register is a CSV or an XLSX file; save it as CSV UTF-8 (.csv) or as .xlsx"
        )
    return entries_of(read(path), columns, name=os.fspath(path))


def entries_of(
    rows: Iterable[Row | Mapping[str, Any]], columns: Columns | None = None, *, name: str = "the rows"
) -> Register:
    """Read a purchase register from rows of cells, the headings among the first of them, or from mappings.

    `name` is what errors call it. Otherwise as `read_register`.
    """
    given = _given(columns)
    numbered = enumerate(_cells(rows), 1)
    top = [*islice(numbered, _MOST_TITLES)]
    if not top:
        raise InvalidInput(f"{name}: there is no row in it")
    line, headings = max(top, key=lambda row: (known_in(row[1], given), -row[0]))
    places = _places(name, headings, given)
    entries, problems, left_out = list[Entry](), list[Problem](), Counter[str]()
    for number, row in chain(top[line:], numbered):
        cells = {field: row[place] for field, place in places.items() if place < len(row)}
        if why := _not_an_entry(row, cells):
            left_out[why] += 1
            continue
        try:
            entries.append(_entry(cells))
        except _CellError as error:
            column = str(headings[places[error.field]])
            problems.append(Problem(str(error), kind=error.field, file=name, row=number, column=column))
            if len(problems) >= _MOST_PROBLEMS:
                break
    raise_all(problems)
    del left_out["empty"]
    return Register(entries, left_out)


# -- rows ---------------------------------------------------------------------------------------------------


class _CellError(ValueError):
    """A cell that cannot be read, by its field."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def _cells(rows: Iterable[Row | Mapping[str, Any]]) -> Iterator[Row]:
    """Yield rows as sequences; before mappings their keys, which are the headings."""
    headings: list[str] | None = None
    for row in rows:
        if isinstance(row, Mapping):
            if headings is None:
                headings = [*row]
                yield headings
            yield [row.get(heading) for heading in headings]
        else:
            yield row


def _entry(cells: Mapping[str, Any]) -> Entry:
    supplier = _text(cells, "supplier").upper()
    if (problem := gstin_problem(supplier)) and not is_other_gstin(supplier):
        raise _CellError("supplier", f"{problem}; check it for a typing error")
    values: dict[str, Any] = {}
    for field, read in _READ.items():
        if field in cells or field == "date":
            try:
                values[field] = read(cells.get(field))
            except ValueError as error:
                raise _CellError(field, str(error)) from None
    return Entry(
        supplier=supplier,
        number=_text(cells, "number"),
        kind=kind_of(cells.get("kind")),
        reference=_text(cells, "reference"),
        **{"taxable_value": 0, **values},
    )


def _not_an_entry(row: Row, cells: Mapping[str, Any]) -> str:
    """Say why a row is no entry of the register, or return an empty text."""
    if not any(cell is not None and str(cell).strip() for cell in row):
        return "empty"
    without_gstin = _text(cells, "supplier").lower() in _NO_GSTIN
    if (without_gstin or not _text(cells, "number")) and any(
        isinstance(cell, str) and "total" in cell.lower() for cell in row
    ):
        return "totals"
    return "without a GSTIN" if without_gstin else ""


def _text(cells: Mapping[str, Any], field: str) -> str:
    cell = cells.get(field)
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))  # a spreadsheet keeps the number 12 as 12.0
    return "" if cell is None else str(cell).strip()


# -- columns ------------------------------------------------------------------------------------------------


def _given(columns: Columns | None) -> dict[str, str]:
    """Read a map of columns. Raises `InvalidInput` for a field that no entry has."""
    what, given = "columns", columns or {}
    if isinstance(given, str | os.PathLike):
        what, table = os.fspath(given), read_toml(given)
        given = table.get("columns", table)
    if not isinstance(given, Mapping):
        raise InvalidInput(f'{what}: write the heading of each field, such as number = "Bill No"')
    if unknown := sorted(set(given) - set(FIELDS)):
        raise InvalidInput(f"{what}: {unknown[0]!r} is unknown; the fields are: {', '.join(FIELDS)}")
    return {field: str(heading) for field, heading in given.items()}


def _places(name: str, headings: Row, given: Mapping[str, str]) -> dict[str, int]:
    """Return the columns of the fields; refuse a register without one, and name its headings."""
    try:
        places = columns_of(headings, given)
    except ValueError as error:
        raise InvalidInput(f"{name}: {error}") from None
    missing = [field for field in given if field not in places]
    missing += [field for field in REQUIRED if field not in places and field not in given]
    if not missing and not any(field in places for field in TAXES):
        missing = [*TAXES]
    if missing:
        shown = ", ".join(str(one) for one in headings if one not in (None, ""))[:400]
        raise InvalidInput(
            f"{name}: no column for {', '.join(missing)}. The headings are: {shown}",
            advice=f'Name it, for example columns={{"{missing[0]}": "Heading"}}',
        )
    return places


# -- files: a further format is a function from a path to rows, and its suffix in the table -----------------


def _csv_rows(path: str | os.PathLike[str]) -> Iterator[Row]:
    name = os.fspath(path)
    _, text = text_of(path)
    lines = text[:8192].splitlines()
    sign = max(",;\t|", key=lambda one: max((known_in(line.split(one), {}) for line in lines), default=0))
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=sign)
    except csv.Error as error:
        raise InvalidInput(f"{name}: not CSV: {error}") from error


def _xlsx_rows(path: str | os.PathLike[str]) -> Iterator[Row]:
    """Return the rows of the sheet in which the most headings are known."""
    best: tuple[int, Iterator[Row]] = -1, iter(())
    for sheet in sheets_of(path):
        top = [*islice(sheet.rows, _MOST_TITLES)]
        known = max((known_in(row, {}) for row in top), default=-1)
        if known > best[0]:
            best = known, chain(top, sheet.rows)
    return best[1]


_FORMATS: Final[Mapping[str, Callable[[str | os.PathLike[str]], Iterator[Row]]]] = {
    **dict.fromkeys((".csv", ".txt", ".tsv", ""), _csv_rows),
    ".xlsx": _xlsx_rows,
}
