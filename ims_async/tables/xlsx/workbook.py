"""Write XLSX workbooks with XlsxWriter, a row at a time: ids as text, real dates, rupees as numbers."""

from __future__ import annotations

import datetime as dt
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final

from ... import files
from ..columns import LONGEST_CELL, MONEY_COLUMNS, OUR_COLUMNS, folded, to_text
from .kind import HOW_TO, MARKER, VERSION, not_installed

MOST_ROWS: Final = 1_048_575  # of a sheet, below its header

_MONEY: Final = r"[>=10000000]##\,##\,##\,##0.00;[>=100000]##\,##\,##0.00;##,##0.00"
_FREE: Final = ("action", "remarks", "ITC reduction")  # the columns that a person fills in
_WIDTHS: Final = {
    "GSTIN": 18, "supplier": 18, "number": 18, "date": 11, "action": 13, "hash": 12, "remarks": 30,
    "change": 14, "ITC reduction": 16, "supplier name": 28, "original number": 16, "message": 60, "file": 24,
}  # fmt: skip
_COLOURS: Final = {
    "action": {"A": "#D9EAD3", "R": "#F4CCCC", "P": "#FFF2CC"},
    "change": {
        "new": "#D9EAD3",
        "amended": "#FCE5CD",
        "action": "#FFF2CC",
        "now": "#CFE2F3",
        "gone": "#D9D9D9",
    },
}
"""The colours of cells that begin with these texts, by column."""
_MOMENTS: Final = {
    dt.date: "dd-mm-yyyy", dt.datetime: "dd-mm-yyyy hh:mm:ss",
    dt.time: "hh:mm:ss", dt.timedelta: "[hh]:mm:ss",
}  # fmt: skip
_OURS: Final = {folded(column): column for column in OUR_COLUMNS}
_VALIDATIONS: Final[dict[str, dict[str, object]]] = {
    "action": {
        "validate": "list", "source": ["Accept", "Reject", "Pending"], "error_type": "warning",
        "input_title": "Your decision", "input_message": "Accept, Reject or Pending; empty: undecided.",
        "error_title": "Not an action", "error_message": "Write Accept, Reject or Pending.",
    },
    "ITC reduction": {
        "validate": "list", "source": ["none", "full"], "error_type": "information",
        "input_title": "ITC reduction",
        "input_message": "Of a credit note that is accepted: none, full, or rupees such as "
        "igst=10.50;cgst=0;sgst=0;cess=0",
        "error_title": "ITC reduction", "error_message": "none, full, or igst=10.50;cgst=0;sgst=0;cess=0",
    },
}  # fmt: skip
"""The lists to choose from, and what a spreadsheet says beside them, by column."""
Grid = Sequence[Sequence[object]]
"""The cells of some rows, as they were read."""

_HELP: Final = """How to decide in this workbook
1. In the sheet "Records" choose Accept, Reject or Pending in the column "action". A row without an action stays undecided.
2. A credit note that is accepted also needs the column "ITC reduction": none, full, or rupees such as igst=10.50;cgst=0;sgst=0;cess=0.
3. "remarks" say why a record is rejected or kept pending (250 characters at most).
4. Save the workbook, and close it. Then:  ims-async check FILE  looks for mistakes,  ims-async push FILE  sends the decisions.
5. The other columns are locked, because they only inform. To sort or to add columns, take the protection off (Review, Unprotect Sheet): it has no password. Sort all columns together, never one of them by itself.
6. Leave the column "hash" alone: it says which record a row is, whatever becomes of the other cells.
7. A record that its supplier edits after this workbook was pulled is refused on push. Then:  ims-async pull --keep FILE  brings the new state, keeps what you typed, and says in the column "change" what is new, amended or gone. The action that you typed on a record that has changed since is in "earlier action": look at the row, and decide it again.
"""  # noqa: E501 # a line of it is a cell


def library(target: object) -> Any:
    """Import XlsxWriter. Raises `InvalidInput` where the extra is not installed."""
    try:
        import xlsxwriter
    except ImportError:
        raise not_installed(target) from None
    return xlsxwriter


@contextmanager
def writing_rows(
    target: str | os.PathLike[str], columns: Sequence[str], *, overwrite: bool = True, most: int = MOST_ROWS
) -> Iterator[Callable[[Iterable[Iterable[object]]], int]]:
    """Open a workbook for rows in portions; it is replaced in one step at the end of the block.

    A further sheet begins after `most` rows.
    """
    with _writing(target, overwrite=overwrite) as book:
        rows = Rows(book, columns, most=most)
        yield lambda some: rows.write(target, some)


@contextmanager
def rewriting(
    target: str | os.PathLike[str], how_to: Grid = (), *, overwrite: bool = True, as_read: files.Stamp = None
) -> Iterator[Callable[[str, Grid, Sequence[str], Grid], None]]:
    """Write a workbook that was read: yields `add(name, above, header, lines)`, which adds a sheet.

    Cells are as they were read, those of the sheet "How to" too. Without a header it is a sheet of the user's
    own. The workbook is replaced as by `files.replacing`.
    """
    with _writing(target, overwrite=overwrite, as_read=as_read) as book:
        book.how_to = how_to

        def add(name: str, above: Grid, header: Sequence[str], lines: Grid) -> None:
            if header:
                Rows(book, header, name=name, above=above).write(target, lines)
            else:
                book.copy(target, name, above)

        yield add


@contextmanager
def _writing(
    target: str | os.PathLike[str], *, overwrite: bool, as_read: files.Stamp = None
) -> Iterator[_Book]:
    xlsxwriter = library(target)
    # The rows go through files of XlsxWriter's own: in a folder that is gone afterwards, whatever happens.
    with (
        files.replacing(target, overwrite=overwrite, as_read=as_read) as text,
        tempfile.TemporaryDirectory() as folder,
    ):
        options = {"constant_memory": True, "tmpdir": folder}
        packed = getattr(text, "buffer")  # noqa: B009 # the bytes below the text
        book = _Book(xlsxwriter.Workbook(packed, options))
        try:
            yield book
            book.close()
        except xlsxwriter.exceptions.FileCreateError as error:
            raise files.unwritable(target, error.args[0]) from None
        finally:
            book.drop()


class _Book:
    """A workbook that is being written: its formats, and its sheets of rows."""

    def __init__(self, book: Any) -> None:
        self.file = book
        self.heading = book.add_format({"bold": True, "bg_color": "#DDEBF7", "border": 1})
        self.text = book.add_format({"num_format": "@"})
        self.free = book.add_format({"num_format": "@", "locked": False, "bg_color": "#FFFFE8"})
        self.own = book.add_format({"locked": False})
        self.money = book.add_format({"num_format": _MONEY})
        self._moments = {
            kind: book.add_format({"num_format": shown, "locked": kind is dt.date})
            for kind, shown in _MOMENTS.items()
        }
        self.rows: list[Rows] = []
        self.how_to: Grid = ()
        self._hidden: Any = None
        self._hashes = 0

    def add_hash(self, text: str) -> None:
        """Write the hash of a record into the hidden sheet."""
        self._hashes += 1
        self._hidden.write_string(self._hashes, 0, _writable(text))

    def put(self, sheet: Any, row: int, place: int, value: object, as_text: Any, as_number: Any) -> None:
        """Write a cell: amounts and moments as such, all else as text."""
        kind = type(value)
        if value is None or value == "":
            return
        if kind is Decimal and value.is_finite():  # type: ignore[attr-defined]
            sheet.write_number(row, place, float(value), self.money)  # type: ignore[arg-type]
        elif kind is int or kind is float:
            sheet.write_number(row, place, value, as_number)
        elif kind in self._moments and getattr(value, "year", 1900) >= 1900:
            sheet.write_datetime(row, place, value, self._moments[kind])
        else:
            sheet.write_string(row, place, _writable(to_text(value)), as_text)

    def copy(self, target: object, name: str, rows: Grid) -> None:
        """Add a sheet of the user's own, its cells as they are."""
        sheet = self.file.add_worksheet(name)
        self.copy_rows(target, sheet, rows)

    def copy_rows(self, target: object, sheet: Any, rows: Grid) -> None:
        """Write rows from the first one on, as they were read. Raises `InvalidInput`."""
        for number, row in enumerate(rows):
            try:
                for place, value in enumerate(row):
                    if type(value) is bool:
                        sheet.write_boolean(number, place, value, self.own)
                    else:
                        self.put(sheet, number, place, value, self.own, self.own)
            except OSError as error:
                raise files.unwritable(target, error) from None

    def close(self) -> None:
        """Finish the sheets, and write the file."""
        for rows in self.rows:
            rows.finish()
        self.file.close()

    def drop(self) -> None:
        """Close the files in which XlsxWriter keeps rows; it does so itself only where it finishes."""
        for sheet in self.file.worksheets():
            if (rows := getattr(sheet, "row_data_fh", None)) is not None:
                rows.close()

    def add_help(self) -> None:
        """Add the sheet "How to", and the hidden one, once."""
        if self._hidden is not None:
            return
        sheet = self.file.add_worksheet(HOW_TO)
        sheet.set_column(0, 0, 120)
        sheet.conditional_format(0, 0, 0, 0, {"type": "no_blanks", "format": self.heading})
        self.copy_rows(HOW_TO, sheet, self.how_to or [[line] for line in _HELP.splitlines()])
        self._hidden = self.file.add_worksheet(MARKER)
        self._hidden.write_string(0, 0, "format")
        self._hidden.write_number(0, 1, VERSION)
        self._hidden.hide()


class Rows:
    """A sheet of rows under their header; if they are to be decided on, with all that helps to decide.

    What was read of it before is `above` the header; a `name` is that sheet's. After `most` rows a further
    sheet begins.
    """

    def __init__(
        self, book: _Book, columns: Sequence[str], *, name: str = "", above: Grid = (), most: int = MOST_ROWS
    ) -> None:
        self._book, self._columns, self._most, self._above = book, columns, most, above
        self._names = [_OURS.get(folded(column), column) for column in columns]
        self._decided = "action when pulled" in self._names
        self._name = name or ("Records" if self._decided else "Report")
        self._read_before = bool(name)
        self._formats = [self._format_of(name) for name in self._names]
        self._numbers = [book.money if name in MONEY_COLUMNS else self._free_of(name) for name in self._names]
        self._hash = self._names.index("hash") if self._decided else -1
        self._top, self._row, self._sheets = len(above), 0, 0
        self._sheet = self._add()
        if self._decided:
            book.add_help()

    def _format_of(self, name: str) -> Any:
        return self._book.free if name in _FREE else self._free_of(name) or self._book.text

    def _free_of(self, name: str) -> Any:
        """Return the format of a column of the user's own."""
        return self._book.own if self._decided and name not in OUR_COLUMNS else None

    def write(self, target: object, rows: Iterable[Iterable[object]]) -> int:
        """Write rows; return how many. Raises `InvalidInput` where the disk is full."""
        count = 0
        for row in rows:
            count += 1
            if self._row == self._most:
                self.finish()
                self._top, self._row, self._above = 0, 0, ()
                self._sheet = self._add()
            self._row += 1
            try:
                self._write_row(row)
            except OSError as error:  # of this file; an error of the iterable `rows` is not caught
                raise files.unwritable(target, error) from None
        return count

    def _write_row(self, row: Iterable[object]) -> None:
        number, sheet, book, own = self._top + self._row, self._sheet, self._book, self._book.own
        formats, numbers, width = self._formats, self._numbers, len(self._formats)
        for place, value in enumerate(row):
            if value is None or value == "":
                continue
            kind = type(value)
            if place >= width:  # beside the table, without a heading
                book.put(sheet, number, place, value, own, own)
            elif kind is str:  # most cells are texts and amounts
                sheet.write_string(number, place, _writable(str(value)), formats[place])
                if place == self._hash:
                    book.add_hash(str(value))
            elif kind is bool and self._read_before:
                sheet.write_boolean(number, place, value, formats[place])
            else:
                book.put(sheet, number, place, value, formats[place], numbers[place])

    def _add(self) -> Any:
        self._sheets += 1
        sheet = self._book.file.add_worksheet(
            f"{self._name} {self._sheets}" if self._sheets > 1 else self._name
        )
        if self._sheets == 1:
            self._book.rows.append(self)
        self._book.copy_rows(self._name, sheet, self._above)
        for place, name in enumerate(self._names):
            free = not self._decided or self._formats[place] is not self._book.text
            sheet.set_column(place, place, _WIDTHS.get(name, 14), self._formats[place] if free else None)
            sheet.write_string(self._top, place, self._columns[place], self._book.heading)
        sheet.freeze_panes(self._top + 1, 0)
        return sheet

    def finish(self) -> None:
        """Add what concerns all rows of the sheet: the filter; for decisions lists, colours and locks."""
        sheet, first = self._sheet, self._top + 1
        last = self._top + max(self._row, 1)
        sheet.autofilter(self._top, 0, last, len(self._columns) - 1)
        if not self._decided:
            return
        for name, validation in _VALIDATIONS.items():
            if name in self._names:
                place = self._names.index(name)
                sheet.data_validation(first, place, last, place, validation)
        for name, colours in _COLOURS.items():
            if name in self._names:
                place = self._names.index(name)
                for text, colour in colours.items():
                    shown = self._book.file.add_format({"bg_color": colour})
                    rule = {"type": "text", "criteria": "begins with", "value": text, "format": shown}
                    sheet.conditional_format(first, place, last, place, rule)
        sheet.set_column(len(self._columns), 16_383, None, self._book.own)  # for notes of one's own
        # Without "sort": it would sort the cells that are not locked, the decisions, away from their records.
        allowed = ("format_columns", "format_rows", "autofilter", "insert_columns")
        sheet.protect("", dict.fromkeys(allowed, True))


def _writable(text: str) -> str:
    """Return the text without characters that a workbook cannot hold, as long as a cell may be."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return text.replace("\0", "\ufffd")[:LONGEST_CELL]
