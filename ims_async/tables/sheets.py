"""A file of records that is written again: some cells are other ones, all else in it stays as it is."""

from __future__ import annotations

import csv
import datetime as dt
import io
import os
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs

from .. import files
from ..errors import InvalidInput
from ..model.records import Invoice
from ..model.vocabulary import period_problem
from .checking import facts_of
from .columns import MONEY_COLUMNS, field_of, folded, to_cell, to_text, unshielded
from .formats import Format, format_of
from .problems import Problem, raise_all
from .reading import read_records_with_information
from .row import Row, any_action
from .source import cell_text, head_of, tables_of, text_of


@attrs.define
class Part:
    """The rows of a CSV file, or of one sheet of a workbook: its cells as they were read.

    `top` is the row of the header, from 1; `above` what stands above it: a text, or the rows of a workbook.
    """

    name: str
    top: int
    header: list[str]
    lines: list[list[Any]] = attrs.field(repr=False)
    above: Any = attrs.field(default="", repr=False)
    is_text: bool = True
    delimiter: str = ","
    places: dict[str, int] = attrs.field(init=False, repr=False)
    changed: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._place()

    def _place(self) -> None:
        self.places = {}
        for place, heading in enumerate(self.header):
            self.places.setdefault(folded(heading), place)

    def add_columns(self, columns: tuple[str, ...], *, after: str) -> None:
        """Add empty columns to the right of one; those that are there stay where they are."""
        missing = [column for column in columns if folded(column) not in self.places]
        place = self.places[folded(after)] + 1
        for line in (self.header, *self.lines):
            line += [""] * (len(self.header) - len(line))  # spreadsheets drop empty cells at the end
        for line in self.lines if missing else ():
            line[place:place] = [""] * len(missing)
        self.header[place:place] = missing
        self.changed = self.changed or bool(missing)
        self._place()

    def put(self, line: list[Any], column: str, value: object) -> None:
        """Write a value into a cell, if the column is there, and the cell does not show it already."""
        place = self.places.get(folded(column))
        if place is None:
            return
        line += [""] * (place + 1 - len(line))
        cell = to_cell(value) if self.is_text else _typed(value)
        if line[place] != cell and (self.is_text or not _same(line[place], cell)):
            line[place], self.changed = cell, True


def _typed(value: object) -> object:
    """Return a value as a cell of a workbook."""
    return value if isinstance(value, Decimal) or type(value) is dt.date else to_text(value)


def _same(cell: object, new: object) -> bool:
    if isinstance(new, Decimal) and isinstance(cell, float):
        return float(new) == cell
    return cell_text(cell) == cell_text(new)


@attrs.define
class SheetRow:
    """One record of a sheet, with the cells of its line; `sheet` writes what is set."""

    row: Row
    invoice: Invoice
    part: Part = attrs.field(repr=False)
    cells: list[Any] = attrs.field(repr=False)

    def __getitem__(self, column: str) -> str:
        """Return a cell's text without the blanks around it; empty if there is no such column."""
        place = self.part.places.get(folded(column))
        return "" if place is None or place >= len(self.cells) else cell_text(self.cells[place]).strip()

    @property
    def waits(self) -> bool:
        """Whether an action was set aside that the record does not have: a person is to decide again."""
        earlier = self["earlier action"]
        done = any_action(earlier) is any_action(self["action when pulled"])
        return bool(earlier) and not self["action"] and not done

    def __setitem__(self, column: str, value: object) -> None:
        self.part.put(self.cells, column, value)


@attrs.define
class Sheet:
    """A file of records, decided or not, as it is to be written again.

    What stands above the header, the delimiter, other columns, other sheets and rows without a record are
    kept.
    """

    file: Path
    parts: list[Part] = attrs.field(repr=False)
    records: list[SheetRow] = attrs.field(factory=list, repr=False)
    as_read: files.Stamp = None

    @property
    def changed(self) -> bool:
        """Whether a cell is another one than in the file."""
        return any(part.changed for part in self.parts)

    def has_column(self, column: str) -> bool:
        """Whether each part of the file has this column."""
        return all(folded(column) in part.places for part in self.parts)

    def add_columns(self, columns: tuple[str, ...], *, after: str) -> None:
        """Add empty columns to the right of one; those that are there stay where they are."""
        for part in self.parts:
            part.add_columns(columns, after=after)

    @staticmethod
    def append(part: Part, cells: Mapping[str, object]) -> None:
        """Add a row at the end of a part; a column that is not there is left out."""
        line: list[Any] = [""] * len(part.header)
        part.lines.append(line)
        part.changed = True
        for column, value in cells.items():
            part.put(line, column, value)

    def check_rewritable(self) -> None:
        """Raise `InvalidFile` if the file cannot be written again, or something of it would be lost.

        That is a formula, a comment, a picture of a workbook. A Parquet file is not written again.
        """
        packed = format_of(self.file)
        if packed is not None:
            raise_all([*packed.problems_of_rewriting(self.file)])

    def write(self, file: str | os.PathLike[str], *, overwrite: bool = True) -> None:
        """Write the sheet, CSV as UTF-8 with a byte order mark; a file is replaced in one step, at the end.

        Raises `InvalidInput` if it cannot be written, has another format's suffix, or if the file that was
        read was saved by another program since.
        """
        packed = format_of(file)
        if packed is not format_of(self.file):
            other = f"name a {self.file.suffix or '.csv'} file"
            raise InvalidInput(f"{file} cannot be written: {self.file} has another format: {other}")
        as_read = self.as_read if Path(file).resolve() == self.file.resolve() else None
        if packed is not None:
            self._write_packed(packed, file, overwrite=overwrite, as_read=as_read)
            return
        (part,) = self.parts
        with files.replacing(file, overwrite=overwrite, encoding="utf-8-sig", as_read=as_read) as out:
            writer = csv.writer(out, delimiter=part.delimiter)
            try:
                out.write(part.above)
                writer.writerow(part.header)
                writer.writerows(part.lines)
            except OSError as error:
                raise files.unwritable(file, error) from None

    def _write_packed(
        self, packed: Format, file: str | os.PathLike[str], *, overwrite: bool, as_read: files.Stamp
    ) -> None:
        """Write all sheets in their order; the user's own ones as they are in the file that was read."""
        self.check_rewritable()
        assert packed.rewriting is not None  # noqa: S101 # that would be a problem
        ours = {part.name: part for part in self.parts}
        with packed.rewriting(file, self.file, overwrite=overwrite, as_read=as_read) as add:
            for sheet in packed.sheets(self.file):
                part = ours.get(sheet.name)
                if part is None:
                    add(sheet.name, list(sheet.rows), (), ())
                else:
                    add(part.name, part.above, part.header, part.lines)


def read_sheet(file: str | os.PathLike[str], *, check_suppliers: bool = True, lenient: bool = False) -> Sheet:
    """Read every record of a file, decided or not, from the file alone.

    Raises `InvalidInput` as `read_records` does, also for ids and amounts that are missing or cannot be read;
    if `lenient`, those are None and 0. The rows that a pull has marked as gone are among the records only
    then.
    """
    stamp = files.stamp_of(file)
    found = read_records_with_information(
        file, check_suppliers=check_suppliers, may_be_empty=True, gone=lenient
    )
    parts = dict(_parts_of(file))
    sheet = Sheet(Path(file), list(parts.values()), as_read=stamp)
    problems: list[Problem] = []
    for row, information in found:
        facts = facts_of(information)
        if not lenient and (faults := [*_unread(row, facts)]):
            problems += faults
        else:
            part = parts[row.file]
            sheet.records.append(
                SheetRow(row, _invoice(row, facts), part, part.lines[row.line - part.top - 1])
            )
    raise_all(problems)
    return sheet


def _parts_of(file: str | os.PathLike[str]) -> Iterator[tuple[str, Part]]:
    """Yield the sheets with records, by the name that rows have of their file."""
    if (packed := format_of(file)) is not None:
        for table in tables_of(file, packed.sheets(file)):
            lines = [[*row] for row in table.rows]
            if table.sheet.shielded:
                lines = [[unshielded(cell) if type(cell) is str else cell for cell in row] for row in lines]
            yield (
                table.name,
                Part(table.sheet.name, table.row, table.header, lines, table.above, is_text=False),
            )
        return
    name, text = text_of(file)
    head = head_of(text)
    header, *lines = csv.reader(io.StringIO(text[head.offset :], newline=""), delimiter=head.delimiter)
    yield name, Part("", head.row, header, lines, text[: head.offset], delimiter=head.delimiter)


def _unread(row: Row, facts: Mapping[str, object]) -> Iterator[Problem]:
    for column, fault in row.doubts:
        if column == "return period" and period_problem(row.return_period) is None:
            continue  # it has lost its leading zero only, and has it again
        what = f"{fault}; the books cannot be compared without it: pull again"
        kind = column.replace(" ", "-")
        yield Problem(what, kind=kind, file=row.file, row=row.line, column=column, gstin=row.gstin)
    for column in MONEY_COLUMNS:
        if column not in facts:
            what = "there is no amount in it that can be read, such as 1250.50: pull again"
            kind = column.replace(" ", "-").lower()
            yield Problem(what, kind=kind, file=row.file, row=row.line, column=column, gstin=row.gstin)


def _invoice(row: Row, facts: Mapping[str, object]) -> Invoice:
    """Return the record of a row as the pull wrote it; amounts that are missing are zero."""
    values: dict[str, object] = {field_of(column): Decimal(0) for column in MONEY_COLUMNS}
    values |= {field_of(column): value for column, value in facts.items()}
    return Invoice(
        section=row.section,
        supplier=row.supplier,
        number=row.number,
        date=row.date,  # type: ignore[arg-type] # one that cannot be read is a problem, or None if lenient
        return_period=row.return_period,
        action=row.pulled_action,
        hash=row.hash,
        recipient=row.gstin,
        read_from_gateway=True,
        **values,  # type: ignore[arg-type] # each as its parser reads it
    )
