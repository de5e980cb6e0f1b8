"""Open XLSX workbooks, and read their sheets, with python-calamine."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..problems import InvalidFile, Problem, unusable
from ..source import Sheet
from .kind import HOW_TO, MARKER, VERSION, not_installed
from .looking import first_number, letters_of, look_through

if TYPE_CHECKING:
    from python_calamine import CalamineWorkbook

LONGEST_FILE: Final = 400_000_000  # bytes, packed
LONGEST_UNPACKED: Final = 3_000_000_000  # bytes; 1,048,575 rows of a pull are 1.3
_OLE: Final = b"\xd0\xcf\x11\xe0"  # an encrypted workbook, or one of Excel 97
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
_DAMAGED: Final = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)
"""What `zipfile` raises for a damaged file, or for one packed in a way that it does not know."""
_DRAWING: Final = "xl/drawings/drawing"
_BESIDE: Final = {
    "comments": ("xl/comments", "xl/threadedComments"),
    "pictures or charts": (_DRAWING, "xl/media/", "xl/charts/"),
    "pivot tables": ("xl/pivotTables/",),
}
"""The parts of a workbook that are no cells, by how their names begin."""


def sheets_of(path: str | os.PathLike[str]) -> Iterator[Sheet]:
    """Yield the sheets of a workbook, but for those that `pull` adds to the records.

    Raises `InvalidFile`, a sentence for each fault.
    """
    book = _opened(path)
    for name in _names_of(book, path):
        if name not in (MARKER, HOW_TO):
            yield _sheet(path, book, name)


def how_to_of(path: str | os.PathLike[str]) -> list[Sequence[Any]]:
    """Return the rows of the sheet that says how to decide: a person may have noted something there."""
    book = _opened(path)
    return list(_sheet(path, book, HOW_TO).rows) if HOW_TO in _names_of(book, path) else []


def is_pulled(path: str | os.PathLike[str]) -> bool:
    """Return True for a workbook that holds records to be decided on: it has the hidden sheet."""
    return MARKER in _opened(path).sheet_names


def problems_of_rewriting(path: str | os.PathLike[str]) -> Iterator[Problem]:
    """Yield what would be lost if the workbook were written again from its cells."""
    name = os.fspath(path)
    for what in _parts_beside_cells(path):
        message = f"{name} holds {what}, which would be lost: take them out, or keep them in another workbook"
        yield Problem(message, kind="workbook", file=name)
    for sheet in sheets_of(path):
        for place, row in sorted(sheet.formulas.items()):
            what = "it holds a formula, which would be lost: copy the column, and paste it as values"
            where = f"{name} [{sheet.name}]"
            yield Problem(what, kind="formula", file=where, row=row + 1, column=letters_of(place))


def _parts_beside_cells(path: str | os.PathLike[str]) -> list[str]:
    """Return what a workbook holds beside cells, in words."""
    try:
        with zipfile.ZipFile(path) as packed:
            names = [
                name
                for name in packed.namelist()
                if not name.startswith(_DRAWING)
                or b"Anchor" in packed.read(name)  # LibreOffice writes empty ones
            ]
    except _DAMAGED as error:
        raise _damaged(path, error) from None
    return [what for what, starts in _BESIDE.items() if any(name.startswith(starts) for name in names)]


def _opened(path: str | os.PathLike[str]) -> CalamineWorkbook:
    try:
        import python_calamine
    except ImportError:
        raise not_installed(path) from None
    _check_kind(path)
    try:
        return python_calamine.CalamineWorkbook.from_path(os.fspath(path))
    except (python_calamine.CalamineError, OSError, ValueError) as error:
        raise _damaged(path, error) from None


def _names_of(book: CalamineWorkbook, path: str | os.PathLike[str]) -> list[str]:
    """Return the names of the sheets. Raises `InvalidFile` for a workbook of a newer release."""
    if MARKER in book.sheet_names:
        with zipfile.ZipFile(path) as packed:
            try:
                version = first_number(packed, MARKER)
            except _DAMAGED as error:
                raise _damaged(path, error) from None
        if version is not None and version > VERSION:
            raise unusable(path, "was written by a newer release: update ims_async to read it")
    return book.sheet_names


def _sheet(path: str | os.PathLike[str], book: CalamineWorkbook, name: str) -> Sheet:
    import python_calamine

    try:
        with zipfile.ZipFile(path) as packed:
            look = look_through(packed, name)
        if look.too_large:
            far = f"the last of {look.rows:,} rows" if not look.furthest else f"cell {look.furthest}"
            what = f"has something in {far} of sheet {name!r}, far from the rest"
            raise unusable(path, f"{what}: delete the rows and columns there that look empty, and save it")
        loaded = book.get_sheet_by_name(name)
    except (python_calamine.CalamineError, *_DAMAGED) as error:
        raise _damaged(path, error) from None
    seen = python_calamine.SheetVisibleEnum.Visible
    hidden = any(one.name == name and one.visible != seen for one in book.sheets_metadata)
    before = [""] * loaded.start[1] if loaded.start else []
    # Empty rows at the top are among the rows, columns are not; no start: there is no cell in it.
    rows = ([*before, *row] if before else row for row in (loaded.iter_rows() if loaded.start else ()))
    return Sheet(name, rows, hidden, MARKER not in book.sheet_names, look.formulas, look.without_result)


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
    try:
        with zipfile.ZipFile(path) as packed:
            unpacked = sum(part.file_size for part in packed.infolist())
    except zipfile.BadZipFile:
        what = "is no XLSX workbook: save it as .xlsx, or name it .csv if it is text"
        raise unusable(path, what) from None
    if unpacked > LONGEST_UNPACKED:
        raise unusable(path, f"unpacks to more than {LONGEST_UNPACKED:,} bytes: split it")


def _damaged(path: object, error: Exception) -> InvalidFile:
    return unusable(path, f"cannot be read as XLSX ({error}): open it, and save it as .xlsx again")
