"""Read the text of a file, and find its header."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Final

import attrs

from .columns import GSTIN_COLUMN, LONGEST_CELL, READ_COLUMNS, folded
from .problems import FILE_KIND, InvalidFile, Problem

Source = str | os.PathLike[str] | IO[str] | IO[bytes]

LONGEST_FILE: Final = 200_000_000  # bytes, about 700,000 rows
_AS_UTF8: Final = "save it as 'CSV UTF-8'"
MOST_TITLES: Final = 20  # lines above the header: a name, a period, a date
# The line that sets the delimiter for Excel; a spreadsheet does not show it, so it does not count as a row.
SEPARATOR_LINE: Final = re.compile(r'"?sep=(?P<sign>[,;\t|])"?[,;\t]*\r?\n?', re.IGNORECASE)


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


def text_of(source: Source, *, may_be_empty: bool = False) -> tuple[str, str]:
    """Return a file's name and its text. Raises `InvalidFile`."""
    if isinstance(source, str | os.PathLike):
        name = str(source)
        try:
            with Path(source).open("rb") as file:
                content: bytes | str = file.read(LONGEST_FILE + 1)
        except OSError as error:
            raise _unusable(name, f"cannot be read: {(error.strerror or str(error)).lower()}") from None
        except ValueError as error:  # a NUL in the name
            raise _unusable(repr(name), f"cannot be read: {error}") from None
    else:
        name = str(getattr(source, "name", "the file"))
        try:
            content = source.read(LONGEST_FILE + 1)
        except UnicodeDecodeError:
            raise _unusable(name, f"is not UTF-8: {_AS_UTF8}") from None
    if len(content) > LONGEST_FILE:
        raise _unusable(name, f"is larger than {LONGEST_FILE:,} bytes: split it")
    text = content.removeprefix("\ufeff") if isinstance(content, str) else _decoded(name, content)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise _unusable(name, f"it holds NUL bytes, so it is not a text file; {_AS_UTF8}", line)
    if not may_be_empty and not text.strip():
        raise _unusable(name, "is empty: pull the records into it first")
    return name, text


def _decoded(name: str, content: bytes) -> str:
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        instead = _AS_UTF8 if name.lower().endswith(".xlsx") else f"{_AS_UTF8}, or as .xlsx"
        raise _unusable(name, f"is a spreadsheet's own format, not CSV: {instead}")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _unusable(name, f"is encoded as UTF-16: {_AS_UTF8}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        what = f"the byte {content[error.start]:#04x} is not UTF-8: {_AS_UTF8}"
        raise _unusable(name, what, line) from None


def _unusable(name: str, what: str, line: int | None = None) -> InvalidFile:
    """Return the error for a file that cannot be used at all, with the line of the problem, if known."""
    message = what if line is not None else f"{name} {what}"
    problem = Problem(message, kind=FILE_KIND, file=name, row=line)
    return InvalidFile(str(problem), problems=[problem])
