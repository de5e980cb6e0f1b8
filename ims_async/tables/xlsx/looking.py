"""Look through the packed XML of a sheet before it is loaded: how far it extends, and where it has formulas.

The library loads every cell between the first and the last one, empty or not: one forgotten blank in the last
column would take more memory than there is, and end the process.
"""

from __future__ import annotations

import re
import zipfile
from typing import IO, Final

import attrs

MOST_CELLS: Final = 50_000_000  # of the rectangle around all that is in a sheet; about 1.6 GB
# https://learn.microsoft.com/en-us/openspecs/office_standards/ms-oe376 : a cell with its formula
_FORMULA: Final = re.compile(rb'<c r="([A-Z]{1,3})([0-9]{1,7})"[^>]*><f[ >/]')
# A formula that was never calculated, or an error such as #N/A: it would read as if the cell were empty.
_NO_RESULT: Final = re.compile(
    rb'<c r="([A-Z]{1,3})([0-9]{1,7})"'
    rb'(?:[^>]* t="e"[^>]*>|(?![^>]* t="str")[^>]*><f(?:[^>]*/>|[ >][^<]*</f>)(?:<v ?/>|<v></v>)?</c>)'
)
_FAR: Final = re.compile(rb' r="[A-Z][A-Z]')  # right of column Z
_FILLED: Final = re.compile(
    rb' r="([A-Z]{2,3})([0-9]{1,7})"[^>/]*>'
)  # one that is only formatted has no end tag
_ROW: Final = re.compile(rb'row r="([0-9]{1,7})"')
_SHEET: Final = re.compile(rb'<sheet [^>]*?name="([^"]*)"[^>]*?r:id="([^"]*)"')
_PART: Final = re.compile(rb"<Relationship [^>]*>")
_FIRST_NUMBER: Final = re.compile(rb' r="B1"[^>]*><v>([0-9]+)')
_CHUNK: Final = 1 << 20  # bytes
_LONGEST_TAGS: Final = 400  # bytes, of a row or a cell up to its formula
_PLAIN_COLUMNS: Final = 26


@attrs.define
class Look:
    """What a sheet has in it: its last row and its last column from 1, and the cell that is furthest right.

    `formulas` has the row from 0 of the first formula of a column from 0, `without_result` that of the last
    one that has no value.
    """

    rows: int = 0
    columns: int = _PLAIN_COLUMNS
    furthest: str = ""
    formulas: dict[int, int] = attrs.field(factory=dict)
    without_result: dict[int, int] = attrs.field(factory=dict)

    @property
    def too_large(self) -> bool:
        """True if it would take too much memory to load."""
        return self.rows * self.columns > MOST_CELLS

    def add(self, text: bytes) -> None:
        """Look through a further part of the XML."""
        last = text.rfind(b"</c>")
        if last >= 0 and (row := _ROW.match(text, text.rfind(b'row r="', 0, last))):
            self.rows = max(self.rows, int(row[1]))
        if _FAR.search(text):
            for cell in _FILLED.finditer(text):
                if (column := number_of(cell[1]) + 1) > self.columns:
                    self.columns, self.furthest = column, (cell[1] + cell[2]).decode()
        if b"<f" in text:
            for cell in _FORMULA.finditer(text):
                self.formulas.setdefault(number_of(cell[1]), int(cell[2]) - 1)
        if b"<f" in text or b't="e"' in text:
            for cell in _NO_RESULT.finditer(text):
                self.without_result[number_of(cell[1])] = int(cell[2]) - 1


def look_through(packed: zipfile.ZipFile, name: str) -> Look:
    """Look through a sheet. Raises what `zipfile` and `zlib` do for a damaged file."""
    look = Look()
    if (part := _part_of(packed, name)) is not None:
        with packed.open(part) as file:
            rest = b""
            while chunk := file.read(_CHUNK):
                text = rest + chunk
                look.add(text)
                rest = text[-_LONGEST_TAGS:]
    return look


def first_number(packed: zipfile.ZipFile, name: str) -> int | None:
    """Return the number in the second cell of a sheet's first row, None if there is none."""
    part = _part_of(packed, name)
    if part is None:
        return None
    file: IO[bytes]
    with packed.open(part) as file:
        found = _FIRST_NUMBER.search(file.read(_CHUNK))
    return int(found[1]) if found else None


def _part_of(packed: zipfile.ZipFile, name: str) -> str | None:
    """Return the name of the file, within the workbook, that holds a sheet."""
    try:
        book, links = packed.read("xl/workbook.xml"), packed.read("xl/_rels/workbook.xml.rels")
    except KeyError:
        return None
    ids = {_plain(sheet[1]): sheet[2] for sheet in _SHEET.finditer(book)}
    for link in _PART.findall(links):
        if b'Id="%s"' % ids.get(name, b"?") in link and (target := re.search(rb'Target="([^"]*)"', link)):
            path = target[1].decode("utf-8", "replace").lstrip("/")
            part = path if path.startswith("xl/") else f"xl/{path}"
            return part if part in packed.namelist() else None
    return None


def _plain(text: bytes) -> str:
    plain = text.decode("utf-8", "replace")
    for name, sign in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&")):
        plain = plain.replace(name, sign)
    return plain


def number_of(letters: bytes) -> int:
    """Return a column's number from 0: A is 0, AA is 26."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1


def letters_of(number: int) -> str:
    """Return a column as a spreadsheet calls it: 0 is A, 26 is AA."""
    found, number = "", number + 1
    while number:
        number, rest = divmod(number - 1, 26)
        found = chr(ord("A") + rest) + found
    return found
