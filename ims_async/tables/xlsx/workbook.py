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
from ..columns import LONGEST_CELL, to_text
from .kind import HOW_TO, MARKER, VERSION, extra_missing

MOST_ROWS: Final = 1_048_575  # of a sheet, below its header

_MONEY: Final = r"[>=10000000]##\,##\,##\,##0.00;[>=100000]##\,##\,##0.00;##,##0.00"
_FREE: Final = ("action", "remarks", "ITC reduction")  # the columns that a person fills in
_WIDTHS: Final = {
    "GSTIN": 18, "supplier": 18, "number": 18, "date": 11, "action": 13, "hash": 12, "remarks": 30,
    "ITC reduction": 16, "supplier name": 28, "original number": 16, "message": 60, "file": 24,
}  # fmt: skip
_COLOURS: Final = (("A", "#D9EAD3"), ("R", "#F4CCCC"), ("P", "#FFF2CC"))
_ACTIONS: Final = ("Accept", "Reject", "Pending")

_HELP: Final = """How to decide in this workbook
1. In the sheet "Records" choose Accept, Reject or Pending in the column "action". A row without an action stays undecided.
2. A credit note that is accepted also needs the column "ITC reduction": none, full, or rupees such as igst=10.50;cgst=0;sgst=0;cess=0.
3. "remarks" say why a record is rejected or kept pending (250 characters at most).
4. Save the workbook, and close it. Then:  ims-async check FILE  looks for mistakes,  ims-async push FILE  sends the decisions.
5. The other columns are locked, because they only inform. To sort or to add columns, take the protection off (Review, Unprotect Sheet): it has no password. Sort all columns together, never one of them by itself.
6. Leave the column "hash" alone: it says which record a row is, whatever becomes of the other cells.
7. A record that its supplier edits after this workbook was pulled is refused on push: pull again, and decide again.
"""  # noqa: E501 # a line of it is a cell


def library(target: object) -> Any:
    """Import XlsxWriter. Raises `InvalidInput` where the extra is not installed."""
    try:
        import xlsxwriter
    except ImportError:
        raise extra_missing(target) from None
    return xlsxwriter


@contextmanager
def writing_rows(
    target: str | os.PathLike[str], columns: Sequence[str], *, overwrite: bool = True, most: int = MOST_ROWS
) -> Iterator[Callable[[Iterable[Iterable[object]]], int]]:
    """Open a workbook for rows in portions; it is replaced in one step at the end of the block.

    A further sheet begins after `most` rows.
    """
    xlsxwriter = library(target)
    # The rows go through files of XlsxWriter's own: in a folder that is gone afterwards, whatever happens.
    with files.replacing(target, overwrite=overwrite) as text, tempfile.TemporaryDirectory() as folder:
        options = {"constant_memory": True, "tmpdir": folder}
        packed = getattr(text, "buffer")  # noqa: B009 # the bytes below the text
        book = _Book(xlsxwriter.Workbook(packed, options), columns, most)
        try:
            yield lambda rows: book.write(target, rows)
            book.close()
        except xlsxwriter.exceptions.FileCreateError as error:
            raise files.unwritable(target, error.args[0]) from None
        finally:
            book.drop()


class _Book:
    """A workbook that is being written: its sheets of rows, and if they are to be decided on, how."""

    def __init__(self, book: Any, columns: Sequence[str], most: int) -> None:
        self._book, self._columns, self._most = book, columns, most
        self._decided = "action when pulled" in columns
        self._bold = book.add_format({"bold": True, "bg_color": "#DDEBF7", "border": 1})
        self._text = book.add_format({"num_format": "@"})
        self._free = book.add_format({"num_format": "@", "locked": False, "bg_color": "#FFFFE8"})
        self._money = book.add_format({"num_format": _MONEY})
        self._date = book.add_format({"num_format": "dd-mm-yyyy"})
        self._colours = {first: book.add_format({"bg_color": colour}) for first, colour in _COLOURS}
        self._formats = [self._free if name in _FREE else self._text for name in columns]
        self._sheets: list[tuple[Any, int]] = []
        self._sheet = self._add()
        self._hidden = self._add_help() if self._decided else None
        self._hash = columns.index("hash") if self._decided else -1
        self._row = self._hashes = 0

    def write(self, target: object, rows: Iterable[Iterable[object]]) -> int:
        """Write rows; return how many. Raises `InvalidInput` where the disk is full."""
        count = 0
        for row in rows:
            count += 1
            if self._row == self._most:
                self._sheets[-1] = (self._sheet, self._row)
                self._sheet, self._row = self._add(), 0
            self._row += 1
            try:
                self._write_row(row)
            except OSError as error:  # of this file; an error of the iterable `rows` is not caught
                raise files.unwritable(target, error) from None
        return count

    def _write_row(self, row: Iterable[object]) -> None:
        number, sheet, formats, hidden = self._row, self._sheet, self._formats, self._hidden
        for place, value in enumerate(row):
            if value is None or value == "":
                continue
            if type(value) is Decimal and value.is_finite():
                sheet.write_number(number, place, float(value), self._money)
            elif type(value) is dt.date and value.year >= 1900:
                sheet.write_datetime(number, place, value, self._date)
            elif type(value) is int:
                sheet.write_number(number, place, value)
            else:
                sheet.write_string(number, place, _writable(to_text(value)), formats[place])
                if place == self._hash and hidden is not None:
                    self._hashes += 1
                    hidden.write_string(self._hashes, 0, _writable(str(value)))

    def close(self) -> None:
        """Finish the sheets, and write the file."""
        self._sheets[-1] = (self._sheet, self._row)
        for sheet, rows in self._sheets:
            self._finish(sheet, rows)
        self._book.close()

    def drop(self) -> None:
        """Close the files in which XlsxWriter keeps rows; it does so itself only where it finishes."""
        for sheet in self._book.worksheets():
            if (rows := getattr(sheet, "row_data_fh", None)) is not None:
                rows.close()

    def _add(self) -> Any:
        names = "Records" if self._decided else "Report"
        sheet = self._book.add_worksheet(f"{names} {len(self._sheets) + 1}" if self._sheets else names)
        self._sheets.append((sheet, 0))
        for place, name in enumerate(self._columns):
            locked = self._decided and name not in _FREE
            sheet.set_column(place, place, _WIDTHS.get(name, 14), None if locked else self._formats[place])
            sheet.write_string(0, place, name, self._bold)
        sheet.freeze_panes(1, 0)
        return sheet

    def _finish(self, sheet: Any, rows: int) -> None:
        last = max(rows, 1)
        sheet.autofilter(0, 0, last, len(self._columns) - 1)
        if not self._decided:
            return
        action, itc = self._columns.index("action"), self._columns.index("ITC reduction")
        sheet.data_validation(1, action, last, action, {
            "validate": "list", "source": list(_ACTIONS), "error_type": "warning",
            "input_title": "Your decision", "input_message": "Accept, Reject or Pending; empty: undecided.",
            "error_title": "Not an action", "error_message": "Write Accept, Reject or Pending.",
        })  # fmt: skip
        sheet.data_validation(1, itc, last, itc, {
            "validate": "list", "source": ["none", "full"], "error_type": "information",
            "input_title": "ITC reduction",
            "input_message": "Of a credit note that is accepted: none, full, or rupees such as "
            "igst=10.50;cgst=0;sgst=0;cess=0",
            "error_title": "ITC reduction", "error_message": "none, full, or igst=10.50;cgst=0;sgst=0;cess=0",
        })  # fmt: skip
        for first, colour in self._colours.items():
            rule = {"type": "text", "criteria": "begins with", "value": first, "format": colour}
            sheet.conditional_format(1, action, last, action, rule)
        free = self._book.add_format({"locked": False})
        sheet.set_column(len(self._columns), 16_383, None, free)  # for notes of one's own
        # Without "sort": it would sort the cells that are not locked, the decisions, away from their records.
        allowed = ("format_columns", "format_rows", "autofilter", "insert_columns")
        sheet.protect("", dict.fromkeys(allowed, True))

    def _add_help(self) -> Any:
        """Add the sheet "How to", and the hidden one; return the latter."""
        sheet = self._book.add_worksheet(HOW_TO)
        sheet.set_column(0, 0, 120)
        for row, line in enumerate(_HELP.splitlines()):
            sheet.write_string(row, 0, line, self._bold if row == 0 else None)
        hidden = self._book.add_worksheet(MARKER)
        hidden.write_string(0, 0, "format")
        hidden.write_number(0, 1, VERSION)
        hidden.hide()
        return hidden


def _writable(text: str) -> str:
    """Return the text without characters that a workbook cannot hold, as long as a cell may be."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return text.replace("\0", "\ufffd")[:LONGEST_CELL]
