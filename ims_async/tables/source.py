"""Read the text of a file, find its header, and read cells as the text that a CSV file would hold."""

from __future__ import annotations

import datetime as dt
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, Final

import attrs

from .columns import GSTIN_COLUMN, LONGEST_CELL, READ_COLUMNS, folded, to_text
from .problems import unusable

Source = str | os.PathLike[str] | IO[str] | IO[bytes]

LONGEST_FILE: Final = 200_000_000  # bytes, about 700,000 rows
_AS_UTF8: Final = "save it as 'CSV UTF-8'"
_NOT_TEXT: Final = (
    ((b"PK\x03\x04", b"\xd0\xcf\x11\xe0"), "a spreadsheet's own format", ".xlsx", "as .xlsx"),
    ((b"PAR1",), "a Parquet file", ".parquet", "name it .parquet"),
)
"""How such files begin, what they are, their suffix, and what to do instead of saving them as text."""
MOST_TITLES: Final = 20  # lines above the header: a name, a period, a date
# The line that sets the delimiter for Excel; a spreadsheet does not show it, so it does not count as a row.
SEPARATOR_LINE: Final = re.compile(r'"?sep=(?P<sign>[,;\t|])"?[,;\t]*\r?\n?', re.IGNORECASE)


_LINES_AT_ONCE: Final = 65_536  # characters

_KNOWN: Final = frozenset(map(folded, (*READ_COLUMNS, GSTIN_COLUMN, "outcome")))


def known_among(names: Iterable[str]) -> int:
    """Return how many of our columns are among folded headings."""
    return len(_KNOWN.intersection(names))


@attrs.frozen
class Head:
    """A file's header: its text and offset, its row as a spreadsheet counts them, its delimiter."""

    line: str
    offset: int
    row: int
    delimiter: str


def head_of(text: str) -> Head:
    """Find the header: the line with the most of our columns, below a `sep=` line and some titles.

    The delimiter is that of the `sep=` line, else the one of comma, semicolon and tab that gives the most of
    our columns. If no line has any, the first one is the header, and its problem is reported.
    """
    separator = SEPARATOR_LINE.match(text)
    signs = separator["sign"] if separator else ",;\t"
    offset = separator.end() if separator else 0
    found: list[tuple[int, Head]] = []
    for row in range(1, MOST_TITLES + 2):
        end = text.find("\n", offset) + 1 or len(text)
        line = text[offset:end].rstrip("\r\n")[:LONGEST_CELL]
        heads = [Head(line, offset, row, sign) for sign in signs]
        found += [(known_among(names_in(head.line, head.delimiter)), head) for head in heads]
        offset = end
        if end == len(text):
            break
    return max(found, key=lambda one: one[0])[1]


def names_in(line: str, delimiter: str) -> list[str]:
    """Return the names of columns in a line, folded."""
    return [folded(part.strip().strip('"')) for part in line.split(delimiter)]


def lines_of(text: str, offset: int) -> Iterator[str]:
    """Yield the lines from an offset on, with their ends: a carriage return, a line feed, or both."""
    while offset < len(text):
        end = text.find("\n", offset + _LINES_AT_ONCE) + 1 or len(text)
        # A part at a time: of the whole text StringIO makes a copy with four bytes a character.
        yield from io.StringIO(text[offset:end], newline="")
        offset = end


def text_of(
    source: Source,
    *,
    may_be_empty: bool = False,
    empty: str = "pull the records into it first",
    no_text: str = _AS_UTF8,
) -> tuple[str, str]:
    """Return a file's name and its text. Raises `InvalidFile`.

    `empty` and `no_text` are what to do with a file that is empty, or no text.
    """
    if isinstance(source, str | os.PathLike):
        name = str(source)
        try:
            with Path(source).open("rb") as file:
                content: bytes | str = file.read(LONGEST_FILE + 1)
        except OSError as error:
            raise unusable(name, f"cannot be read: {(error.strerror or str(error)).lower()}") from None
        except ValueError as error:  # a NUL in the name
            raise unusable(repr(name), f"cannot be read: {error}") from None
    else:
        name = str(getattr(source, "name", "the file"))
        try:
            content = source.read(LONGEST_FILE + 1)
        except UnicodeDecodeError:
            raise unusable(name, f"is not UTF-8: {no_text}") from None
    if len(content) > LONGEST_FILE:
        raise unusable(name, f"is larger than {LONGEST_FILE:,} bytes: split it")
    text = content.removeprefix("\ufeff") if isinstance(content, str) else _decoded(name, content, no_text)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise unusable(name, f"it holds NUL bytes, so it is not a text file; {no_text}", line)
    if not may_be_empty and (not text or text.isspace()):
        raise unusable(name, f"is empty: {empty}")
    return name, text


def _decoded(name: str, content: bytes, no_text: str) -> str:
    for starts, what, suffix, other in _NOT_TEXT:
        if content.startswith(starts):
            instead = no_text if name.lower().endswith(suffix) else f"{no_text}, or {other}"
            raise unusable(name, f"is {what}, not CSV: {instead}")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise unusable(name, f"is encoded as UTF-16: {no_text}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        what = f"the byte {content[error.start]:#04x} is not UTF-8: {no_text}"
        raise unusable(name, what, line) from None


# -- sheets: the rows of a file that is not text ------------------------------------------------------------


@attrs.frozen
class Sheet:
    """The rows of a sheet from the first on, as Python values; a file without sheets counts as one.

    `hidden` if a person does not see it; `shielded` if it may come from a CSV file, which has apostrophes
    before formulas; `formulas` has the row from 0 of the first one in a column from 0, `without_result` that
    of the last one without a value.
    """

    name: str
    rows: Iterator[Sequence[Any]]
    hidden: bool = False
    shielded: bool = False
    formulas: Mapping[int, int] = attrs.field(factory=dict)
    without_result: Mapping[int, int] = attrs.field(factory=dict)


@attrs.frozen
class Table:
    """A sheet with a header: what errors call it, the header's row from 1 and texts, and the rows below.

    `above` are the rows above the header, as they were read.
    """

    name: str
    row: int
    header: list[str]
    rows: Iterator[Sequence[Any]]
    sheet: Sheet = attrs.field(factory=lambda: Sheet("", iter(())))
    above: Sequence[Sequence[Any]] = ()

    def formulas(self, columns: dict[str, int]) -> list[tuple[str, int]]:
        """Return the first formula in each of these columns: the column, and the row from 1."""
        found = self.sheet.formulas
        there = [(found[place] + 1, column) for column, place in columns.items() if place in found]
        return [(column, row) for row, column in sorted(there)]


_FEW: Final = 4  # columns with our names; a sheet with no more is another one


def tables_of(path: str | os.PathLike[str], sheets: Iterable[Sheet]) -> Iterator[Table]:
    """Yield the sheets of a file that have our columns, else the first sheet. Raises `InvalidFile`.

    The first is called by the file's name, a further one `FILE [SHEET]`. One that is hidden is refused:
    nobody sees what would be sent.
    """
    name, count = os.fspath(path), 0
    first: Table | None = None
    for sheet in sheets:
        top = list(islice(sheet.rows, MOST_TITLES + 1))
        known = [known_among(map(folded, map(cell_text, row))) for row in top]
        if not top:
            continue
        place = known.index(max(known))
        rows = chain(top[place + 1 :], sheet.rows)
        called = f"{name} [{sheet.name}]" if count else name
        header = [*map(cell_text, top[place])]
        while header and not header[-1]:
            header.pop()
        table = Table(called, place + 1, header, rows, sheet, top[:place])
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


def cell_text(cell: Any) -> str:
    """Return a cell as the text that a CSV file has: dates DD-MM-YYYY, whole numbers without decimals."""
    if type(cell) is str:
        return cell
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, dt.date):
        return _text_of_day(cell.date() if isinstance(cell, dt.datetime) else cell)
    return to_text(cell)


_text_of_day = lru_cache(maxsize=10_000)(to_text)
