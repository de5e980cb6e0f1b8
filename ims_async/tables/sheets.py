"""A file of records that is written again: some cells are other ones, all else in it stays as it is."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import attrs

from .. import files
from ..model.records import Invoice
from .checking import facts_of
from .columns import field_of, to_cell
from .problems import Problem, raise_all
from .reading import read_records_with_information
from .row import Row
from .source import folded, head_of, text_of

_AMOUNTS: Final = ("value", "taxable value", "IGST", "CGST", "SGST", "cess")


@attrs.define
class SheetRow:
    """One record of a sheet, with the cells of its line; `sheet` writes what is set."""

    row: Row
    invoice: Invoice
    sheet: Sheet = attrs.field(repr=False)
    cells: list[str] = attrs.field(repr=False)

    def __getitem__(self, column: str) -> str:
        """Return a cell's text without the blanks around it."""
        return self.cells[self.sheet.places[column]].strip()

    def __setitem__(self, column: str, value: object) -> None:
        self.cells[self.sheet.places[column]] = to_cell(value)


@attrs.define
class Sheet:
    """A file of records, decided or not, as it is to be written again.

    What stands above the header, the delimiter, other columns and rows without a record are kept.
    """

    file: Path
    above: str
    delimiter: str
    header: list[str]
    lines: list[list[str]] = attrs.field(repr=False)
    records: list[SheetRow] = attrs.field(factory=list, repr=False)
    places: dict[str, int] = attrs.field(factory=dict, repr=False)

    def add_columns(self, columns: tuple[str, ...], *, after: str) -> None:
        """Add empty columns to the right of one; those that are there stay where they are."""
        known = {folded(heading): place for place, heading in enumerate(self.header)}
        missing = [column for column in columns if folded(column) not in known]
        place = known[folded(after)] + 1
        for line in (self.header, *self.lines):
            line += [""] * (len(self.header) - len(line))  # spreadsheets drop empty cells at the end
        for line in self.lines:
            line[place:place] = [""] * len(missing)
        self.header[place:place] = missing
        found = {folded(heading): place for place, heading in enumerate(self.header)}
        wanted = (*columns, after, "remarks", "ITC reduction")
        self.places = {column: found[folded(column)] for column in wanted}

    def write(self, file: str | os.PathLike[str], *, overwrite: bool = True) -> None:
        """Write the sheet as UTF-8 with a byte order mark; a file is replaced in one step, at the end.

        Raises `InvalidInput` if it cannot be written.
        """
        with files.replacing(file, overwrite=overwrite, encoding="utf-8-sig") as out:
            writer = csv.writer(out, delimiter=self.delimiter)
            try:
                out.write(self.above)
                writer.writerow(self.header)
                writer.writerows(self.lines)
            except OSError as error:
                raise files.unwritable(file, error) from None


def read_sheet(file: str | os.PathLike[str], *, check_suppliers: bool = True) -> Sheet:
    """Read every record of a file, decided or not, from the file alone.

    Raises `InvalidInput` as `read_records` does, also for amounts that are missing or cannot be read.
    """
    found = read_records_with_information(file, check_suppliers=check_suppliers, may_be_empty=True)
    _, text = text_of(file)
    head = head_of(text)
    header, *lines = csv.reader(io.StringIO(text[head.offset :], newline=""), delimiter=head.delimiter)
    sheet = Sheet(Path(file), text[: head.offset], head.delimiter, header, lines)
    problems: list[Problem] = []
    for row, information in found:
        facts = facts_of(information)
        if faults := [*_unread(row, facts)]:
            problems += faults
        else:
            line = lines[row.line - head.row - 1]
            sheet.records.append(SheetRow(row, _invoice(row, facts), sheet, line))
    raise_all(problems)
    return sheet


def _unread(row: Row, facts: Mapping[str, object]) -> Iterator[Problem]:
    for column, fault in row.doubts:
        what = f"{fault}; the books cannot be compared without it: pull again"
        kind = column.replace(" ", "-")
        yield Problem(what, kind=kind, file=row.file, row=row.line, column=column, gstin=row.gstin)
    for column in _AMOUNTS:
        if column not in facts:
            what = "there is no amount in it that can be read, such as 1250.50: pull again"
            kind = column.replace(" ", "-").lower()
            yield Problem(what, kind=kind, file=row.file, row=row.line, column=column, gstin=row.gstin)


def _invoice(row: Row, facts: Mapping[str, object]) -> Invoice:
    """Return the record of a row as the pull wrote it."""
    values: dict[str, object] = {field_of(column): value for column, value in facts.items()}
    return Invoice(
        section=row.section,
        supplier=row.supplier,
        number=row.number,
        date=row.date,  # type: ignore[arg-type] # one that cannot be read is a problem above
        return_period=row.return_period,
        action=row.pulled_action,
        hash=row.hash,
        recipient=row.gstin,
        read_from_gateway=True,
        **values,  # type: ignore[arg-type] # each as its parser reads it
    )
