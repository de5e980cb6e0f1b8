"""Read files of decisions: columns and rows; every fault is reported by file, row and column."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, NoReturn

import attrs

from .. import files
from ..model.vocabulary import Action
from .columns import (
    GONE,
    GSTIN_COLUMN,
    INFORMATION_COLUMNS,
    LONGEST_CELL,
    OUR_COLUMNS,
    READ_COLUMNS,
    field_of,
    folded,
    unshielded,
)
from .formats import format_of
from .problems import FILE_KIND, Problem, raise_all
from .row import IDS, REPORTED, Row, first_of, parsers_of, plain_rows, unread_id
from .source import MOST_TITLES, Source, Table, cell_text, head_of, lines_of, names_in, tables_of, text_of

_MOST_COLUMNS: Final = 256
_MOST_MISSING: Final = len(READ_COLUMNS) // 2  # with more the file is not a file of decisions
_FIELDS: Final = {
    **{column: field_of(column) for column in (GSTIN_COLUMN, *READ_COLUMNS)},
    "action when pulled": "pulled_action",
}
"""The attributes of a `Row`, by column."""
_NAMING: Final = ("section", "supplier", "number", "date", "return period", "action", "hash")
_Parse = Callable[[str], Any]
Keep = Callable[[Row, Sequence[str], Sequence[str]], None]  # the columns beside a row, and their texts
_Placed = Sequence[tuple[str, str, int, _Parse]]
_LONGEST_PROBLEM: Final = 1000  # characters; a problem may quote a cell


def read_decisions(source: Source, *, check_suppliers: bool = True, may_be_empty: bool = False) -> list[Row]:
    """Read the decided rows of a CSV, XLSX or Parquet file; rows with an empty `action` are left out.

    A `sep=;` line and up to 20 rows of titles may precede the header. A row with a hash is read whatever a
    spreadsheet has made of its ids: `match` recognises it by the hash. Raises `InvalidInput`; its `problems`
    name every fault by file, row (as a spreadsheet counts them) and column; a file without decisions is one,
    unless it `may_be_empty`. With `check_suppliers=False` no GSTIN is checked: test hosts mask them.
    """
    return _read(source, deciding=True, check_suppliers=check_suppliers, may_be_empty=may_be_empty)


def read_records(source: Source, *, check_suppliers: bool = True, may_be_empty: bool = False) -> list[Row]:
    """Read every row of a file, decided or not, for a reset; an invalid action is ignored.

    Rows that a further pull has marked as gone in the column `change` are left out.
    Raises `InvalidInput` as `read_decisions` does.
    """
    return _read(source, deciding=False, check_suppliers=check_suppliers, may_be_empty=may_be_empty)


def read_with_information(
    source: Source, *, check_suppliers: bool = True, may_be_empty: bool = False
) -> list[tuple[Row, dict[str, str]]]:
    """Read decided rows as `read_decisions` does, each with its information cells by column."""
    return _pairs(source, deciding=True, check_suppliers=check_suppliers, may_be_empty=may_be_empty)


def read_records_with_information(
    source: Source, *, check_suppliers: bool = True, may_be_empty: bool = False, gone: bool = False
) -> list[tuple[Row, dict[str, str]]]:
    """Read every row as `read_records` does, each with its information cells; with those that are `gone`."""
    return _pairs(
        source, deciding=False, check_suppliers=check_suppliers, may_be_empty=may_be_empty, gone=gone
    )


def _pairs(source: Source, **options: bool) -> list[tuple[Row, dict[str, str]]]:
    rows: list[tuple[Row, dict[str, str]]] = []
    _read(source, keep=lambda row, *cells: rows.append((row, dict(zip(*cells, strict=True)))), **options)
    return rows


def read_keeping(
    source: Source, keep: Keep, *, check_suppliers: bool = True, may_be_empty: bool = False
) -> list[Row]:
    """Read decided rows as `read_decisions` does; `keep` gets each with its information cells."""
    return _read(source, deciding=True, check_suppliers=check_suppliers, may_be_empty=may_be_empty, keep=keep)


def read_table(table: Table) -> list[Row]:
    """Read the decided rows of a table that is no file: none is fine, and no GSTIN is checked.

    Raises `InvalidInput` as `read_decisions` does.
    """
    return _read(table, deciding=True, check_suppliers=False, may_be_empty=True)


def is_report(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is a report of outcomes, and not a file of decisions.

    A report has a column `outcome`, and none `action when pulled`. A pipe, or a file that cannot be read, is
    not a report.
    """
    try:
        if not files.is_file(path):
            return False
        if (packed := format_of(path)) is not None:
            if packed.is_pulled(path):
                return False
            found = tables_of(path, packed.sheets(path))
            return _is_report(folded(name) for table in found for name in table.header)
        with Path(path).open(encoding="utf-8-sig", errors="replace") as file:
            top = "".join(file.readline(LONGEST_CELL) for _ in range(MOST_TITLES + 2))
    except (OSError, ValueError):
        return False
    head = head_of(top)
    return _is_report(names_in(head.line, head.delimiter))


def _is_report(headings: Iterable[str]) -> bool:
    names = set(headings)
    return "outcome" in names and folded("action when pulled") not in names


def _read(
    source: Source | Table,
    *,
    deciding: bool,
    check_suppliers: bool,
    may_be_empty: bool,
    gone: bool = False,
    keep: Keep | None = None,
) -> list[Row]:
    """Return the rows; `keep` gets each with its information cells."""
    rows: list[Row] = []
    problems: list[Problem] = []
    seen: dict[object, Row] = {}
    for reader, lines in _opened(source):
        parsers = parsers_of(reader.columns, deciding=deciding, check_suppliers=check_suppliers)
        typed, reported = reader.placed(parsers), reader.placed(parsers | REPORTED)
        plain_row = plain_rows(reader.columns, parsers, parsers | REPORTED) if reader.of_text else None
        hides = "change" in reader.columns and not (deciding or gone)
        for cells in lines:
            if hides and reader.cell(cells, "change").strip().casefold() == GONE:
                continue
            row = plain_row(reader.name, reader.line, cells) if plain_row is not None else None
            if row is None:
                if reader.is_beside(cells) or (deciding and not reader.cell(cells, "action").strip()):
                    continue
                row = reader.read_row(cells, reported if reader.cell(cells, "hash").strip() else typed)
                if row is None:
                    continue
            if (first := first_of(seen, row)) is not row:
                reader.refuse_again(row, first)
            rows.append(row)
            if keep is not None:
                keep(row, reader.beside, reader.information(cells))
        problems += reader.problems
    if not rows and not problems and not may_be_empty:
        reader.line = reader.header
        if deciding:
            reader.refuse("action", "no row is decided: write A, R or P into this column", "empty")
        else:
            reader.refuse(None, "there is no record in it", "empty")
        problems = reader.problems
    raise_all(problems)
    return rows


def _opened(source: Source | Table) -> Iterator[tuple[_Reader, Iterator[Sequence[Any]]]]:
    """Yield a reader with its rows: of a CSV file one, else one for each sheet with our columns."""
    tables: Iterable[Table]
    if isinstance(source, Table):
        tables = [source]
    elif isinstance(source, str | os.PathLike) and (packed := format_of(source)) is not None:
        tables = tables_of(source, packed.sheets(source))
    else:
        name, text = text_of(source)
        reader = _Reader(name)
        yield reader, reader.open(text)
        return
    for table in tables:
        restored = unshielded if table.sheet.shielded else str
        reader = _Reader(table.name, restored=restored, of_text=False)
        yield reader, reader.open_table(table)


@attrs.define
class _Reader:
    """A file being read: the current line, the places of the columns, and the problems so far."""

    name: str
    line: int = 1
    header: int = 1
    width: int = 0
    columns: dict[str, int] = attrs.field(factory=dict)
    problems: list[Problem] = attrs.field(factory=list)
    restored: Callable[[str], str] = unshielded
    """Returns the text of a cell as it was before it was written."""
    of_text: bool = True
    """True of a file whose cells are all texts."""
    beside: tuple[str, ...] = ()
    """Its information columns."""
    _pick_beside: Callable[[Sequence[Any]], tuple[str, ...]] | None = None

    def placed(self, parsers: Mapping[str, _Parse]) -> _Placed:
        """Return each column with its attribute of a row, its place and its parser."""
        return [(column, _FIELDS[column], self.columns[column], parse) for column, parse in parsers.items()]

    def refuse(self, column: str | None, what: str, kind: str = "", gstin: str | None = None) -> None:
        """Add a problem of this line, of that taxpayer; without a `kind` it is a cell that cannot be read."""
        what = what if len(what) <= _LONGEST_PROBLEM else f"{what[:_LONGEST_PROBLEM]}…"
        kind = kind or (column or "row").replace(" ", "-").lower()
        self.problems += [Problem(what, kind=kind, file=self.name, row=self.line, column=column, gstin=gstin)]

    def refuse_again(self, row: Row, first: Row) -> None:
        """Add the problem that the record of a row stands in the `first` one already."""
        where = f"row {first.line}" if first.file == row.file else first.where()
        what = f"the same record ({row.key}) stands in {where} already: keep one of them"
        self.refuse(None, what, "twice", row.gstin)

    def open(self, text: str) -> Iterator[list[str]]:
        """Read the header, and return the rows below it; a row with too many cells is refused."""
        head = head_of(text)
        self.line = self.header = head.row
        # strict: otherwise a quote that is never closed would include the rows below it
        reader = csv.reader(lines_of(text, head.offset), delimiter=head.delimiter, strict=True)
        try:
            header = next(reader, [])
        except csv.Error as error:
            self._raise_for(error)
        self._read_header(header)
        raise_all(self.problems)
        return self._rows(reader)

    def open_table(self, table: Table) -> Iterator[Sequence[Any]]:
        """Read the header of a sheet, and return the rows below it; formulas in our columns are refused."""
        self.line = self.header = table.row
        self._read_header(table.header)
        raise_all(self.problems)
        for column, self.line in table.formulas({name: self.columns[name] for name in READ_COLUMNS}):
            what = "it holds a formula: copy the column, and paste it as values"
            self.refuse(column, what, "formula")
        raise_all(self.problems)
        return self._numbered(table.rows)

    def _numbered(self, rows: Iterator[Sequence[Any]]) -> Iterator[Sequence[Any]]:
        for line, cells in enumerate(rows, start=self.header + 1):
            self.line = line
            yield cells

    def _read_header(self, header: list[str]) -> None:
        self.width = len(header)
        if self.width > _MOST_COLUMNS:
            what = f"it has {self.width:,} columns, a file of decisions has about 25: is it the right file?"
            self.refuse(None, what, "header")
            return
        places: dict[str, int] = {}
        for place, heading in enumerate(header):
            name = folded(heading)
            if name and name in places:
                which = f"two columns (the {places[name] + 1}th and {place + 1}th) have this name"
                self.refuse(heading.strip()[:40], f"{which}: keep one", "header")
            places.setdefault(name, place)
        missing = [column for column in READ_COLUMNS if folded(column) not in places]
        if len(missing) > _MOST_MISSING:
            named = ", ".join(missing[:2])
            what = f"{self.name} is not a file of pull's (no columns {named}, …)"
            self.problems.append(Problem(what, kind=FILE_KIND, file=self.name))
        else:
            for column in missing:
                there = ", ".join(heading.strip()[:40] or "(no name)" for heading in header[:40])
                self.refuse(column, f"this column is missing; the file has: {there}", "header")
        self.columns = {column: places[folded(column)] for column in OUR_COLUMNS if folded(column) in places}
        self.beside = tuple(column for column in INFORMATION_COLUMNS if column in self.columns)
        if self.of_text and len(self.beside) > 1:  # of one column it would return the cell alone
            self._pick_beside = itemgetter(*(self.columns[column] for column in self.beside))

    def _rows(self, reader: Iterator[list[str]]) -> Iterator[list[str]]:
        try:
            for line, cells in enumerate(reader, start=self.line + 1):
                self.line = line
                if len(cells) > self.width:
                    what = f"it has {len(cells):,} cells under {self.width} columns"
                    self.refuse(None, f"{what}: put quotes around a cell with a comma in it", "csv")
                else:
                    yield cells
        except csv.Error as error:
            self.line += 1
            self._raise_for(error)

    def _raise_for(self, error: csv.Error) -> NoReturn:
        self.refuse(None, f"it cannot be read as CSV: {error} (are the quotes in pairs?)", "csv")
        raise_all(self.problems)
        raise error

    def cell(self, cells: Sequence[Any], column: str) -> str:
        place = self.columns.get(column)  # a file need not have every column
        if place is None or place >= len(cells):  # spreadsheets drop empty cells at the end
            return ""
        text = cells[place]
        return text if type(text) is str else cell_text(text)

    def is_beside(self, cells: Sequence[Any]) -> bool:
        """Return True for a row of the person's own, a sum or a note say: it names no record, nor decides."""
        for column in _NAMING:  # noqa: SIM110 # for each row: a generator costs more than its first cell
            if self.cell(cells, column).strip():
                return False
        return True

    def information(self, cells: Sequence[Any]) -> Sequence[str]:
        """Return the texts of the columns `beside`."""
        if self._pick_beside is not None and len(cells) == self.width:
            texts = self._pick_beside(cells)
            if "'" not in "".join(texts):  # none is shielded
                return texts
        return [self.restored(self.cell(cells, column)) for column in self.beside]

    def read_row(self, cells: Sequence[Any], parsers: _Placed) -> Row | None:
        """Read one row, or add all its problems and return None."""
        found: dict[str, Any] = {}
        doubts: list[tuple[str, str]] = []
        width, restored = len(cells), self.restored
        for column, field, place, parse in parsers:
            text = cells[place] if place < width else ""
            if type(text) is not str:
                text = cell_text(text)
            try:
                if len(text) > LONGEST_CELL:
                    most = f"the {LONGEST_CELL:,} a cell may hold"
                    raise ValueError(f"{len(text):,} characters are more than {most}")
                found[field] = parse(restored(text) if text else text)
            except ValueError as error:
                if column in IDS and len(text) <= LONGEST_CELL and self.cell(cells, "hash").strip():
                    found[field] = unread_id(column, restored(text))
                    doubts.append((column, str(error)))
                else:
                    self.refuse(column, str(error), "", found.get("gstin"))  # the first that is read
        if found.get("itc_reduction") is not None and found.get("action", Action.ACCEPT) is not Action.ACCEPT:
            what = "it goes with accepting only: empty this cell"
            self.refuse("ITC reduction", what, "", found.get("gstin"))
        if len(found) < len(parsers):
            return None
        found["file"], found["line"], found["doubts"] = self.name, self.line, tuple(doubts)
        return Row(**found)
