"""Read the sheets of an XLSX workbook with python-calamine."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from ..problems import FILE_KIND, InvalidFile, Problem
from .kind import HOW_TO, MARKER, VERSION, extra_missing

if TYPE_CHECKING:
    from python_calamine import CalamineWorkbook

LONGEST_FILE: Final = 400_000_000  # bytes, packed
_OLE: Final = b"\xd0\xcf\x11\xe0"  # an encrypted workbook, or one of Excel 97
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
# https://learn.microsoft.com/en-us/openspecs/office_standards/ms-oe376 : a cell with its formula
_FORMULA: Final = re.compile(rb'<c r="([A-Z]{1,3})([0-9]{1,7})"[^>]*><f[ >/]')
_SHEET: Final = re.compile(rb'<sheet [^>]*?name="([^"]*)"[^>]*?r:id="([^"]*)"')
_PART: Final = re.compile(rb"<Relationship [^>]*>")
_CHUNK: Final = 1 << 20  # bytes


@attrs.frozen
class Sheet:
    """A sheet: its name, and its rows from the first on, as Python values."""

    name: str
    rows: Iterator[list[Any]]


def sheets_of(path: str | os.PathLike[str]) -> Iterator[Sheet]:
    """Yield the sheets of a workbook that a person sees. Raises `InvalidFile`, a sentence for each fault."""
    book = _opened(path)
    if MARKER in book.sheet_names:
        _check_version(path, book)
    for name in book.sheet_names:
        if name not in (MARKER, HOW_TO):
            yield Sheet(name, _rows(book, name))


def is_pulled(path: str | os.PathLike[str]) -> bool:
    """Return True for a workbook that holds records to be decided on: it has the hidden sheet."""
    return MARKER in _opened(path).sheet_names


def _opened(path: str | os.PathLike[str]) -> CalamineWorkbook:
    try:
        import python_calamine
    except ImportError:
        raise extra_missing(path) from None
    _check_kind(path)
    try:
        return python_calamine.CalamineWorkbook.from_path(os.fspath(path))
    except (python_calamine.CalamineError, OSError, ValueError) as error:
        raise unusable(
            path, f"cannot be read as XLSX ({error}): open it, and save it as .xlsx again"
        ) from None


def _check_kind(path: str | os.PathLike[str]) -> None:
    try:
        with Path(path).open("rb") as file:
            start = file.read(4)
            if start == _OLE:
                if _ENCRYPTED in start + file.read(LONGEST_FILE):
                    what = "is protected by a password: open it, take the password off, and save it"
                    raise unusable(path, what)
                raise unusable(path, "is a workbook of Excel 97 (.xls): save it as .xlsx")
            size = file.seek(0, os.SEEK_END)
    except OSError as error:
        raise unusable(path, f"cannot be read: {(error.strerror or str(error)).lower()}") from None
    except ValueError as error:  # a NUL in the name
        if isinstance(error, InvalidFile):
            raise
        raise unusable(repr(path), f"cannot be read: {error}") from None
    if size == 0:
        raise unusable(path, "is empty: pull the records into it first")
    if size > LONGEST_FILE:
        raise unusable(path, f"is larger than {LONGEST_FILE:,} bytes: split it")
    if not zipfile.is_zipfile(path):
        raise unusable(path, "is no XLSX workbook: save it as .xlsx, or name it .csv if it is text")


def _check_version(path: object, book: CalamineWorkbook) -> None:
    first = next(iter(_rows(book, MARKER)), [])
    if len(first) > 1 and isinstance(first[1], float | int) and first[1] > VERSION:
        raise unusable(path, "was written by a newer release: update ims_async to read it")


def _rows(book: CalamineWorkbook, name: str) -> Iterator[list[Any]]:
    sheet = book.get_sheet_by_name(name)
    if sheet.start is None:  # no cell in it
        return
    before = [""] * sheet.start[1]  # empty rows at the top are among the rows, columns are not
    for row in sheet.iter_rows():
        yield [*before, *row] if before else row


def formulas(path: str | os.PathLike[str], name: str, columns: Sequence[int]) -> list[tuple[int, int]]:
    """Return the place, row and column from 0, of the first formula in each of some columns of a sheet."""
    found: dict[int, tuple[int, int]] = {}
    with zipfile.ZipFile(path) as packed:
        part = _part_of(packed, name)
        if part is None:
            return []
        with packed.open(part) as file:
            rest = b""
            while chunk := file.read(_CHUNK):
                text = rest + chunk
                if b"<f" in text:
                    for cell in _FORMULA.finditer(text):
                        place = int(cell[2]) - 1, _number(cell[1])
                        if place[1] in columns:
                            found.setdefault(place[1], place)
                rest = text[-400:]
    return sorted(found.values())


def _part_of(packed: zipfile.ZipFile, name: str) -> str | None:
    """Return the name of the file, within the workbook, that holds a sheet."""
    try:
        book, links = packed.read("xl/workbook.xml"), packed.read("xl/_rels/workbook.xml.rels")
    except KeyError:
        return None
    ids = {_plain(sheet[1]): sheet[2] for sheet in _SHEET.finditer(book)}
    for link in _PART.findall(links):
        if b'Id="%s"' % ids.get(name, b"?") in link and (target := re.search(rb'Target="([^"]*)"', link)):
            path = target[1].decode().lstrip("/")
            part = path if path.startswith("xl/") else f"xl/{path}"
            return part if part in packed.namelist() else None
    return None


def _plain(text: bytes) -> str:
    plain = text.decode("utf-8", "replace")
    for name, sign in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&")):
        plain = plain.replace(name, sign)
    return plain


def _number(letters: bytes) -> int:
    """Return a column's number from 0: A is 0, AA is 26."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1


def unusable(path: object, what: str) -> InvalidFile:
    """Return the error for a workbook that cannot be used at all."""
    problem = Problem(f"{path} {what}", kind=FILE_KIND, file=str(path))
    return InvalidFile(str(problem), problems=[problem])
