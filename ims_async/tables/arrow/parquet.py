"""Write and read Parquet files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final

from ... import files
from ..problems import FILE_KIND, Problem, unusable
from ..source import Sheet
from .batches import ROWS, Batches
from .cells import reason_of, rows_of
from .library import pyarrow as library

LONGEST_FILE: Final = 400_000_000  # bytes, packed
MOST_ROWS: Final = 5_000_000  # a few packed bytes may stand for any number of rows
_BATCHES: Final = 8  # of a row group


@contextmanager
def writing_rows(
    target: str | os.PathLike[str], columns: Sequence[str], *, overwrite: bool = True
) -> Iterator[Any]:
    """Open a Parquet file for rows in portions; it is replaced in one step at the end of the block."""
    pyarrow = library(target)
    batches = Batches(pyarrow, columns)
    with files.replacing(target, overwrite=overwrite) as text:
        packed = getattr(text, "buffer")  # noqa: B009 # the bytes below the text
        writer = pyarrow.parquet.ParquetWriter(packed, batches.schema, compression="zstd")
        file = _File(target, batches, writer)
        try:
            yield file.write
            file.close()
        finally:
            file.drop()


class _File:
    """A Parquet file that is written: rows wait until they are a batch, batches until they are a group."""

    def __init__(self, target: object, batches: Batches, writer: Any) -> None:
        self._target, self._batches, self._writer = target, batches, writer
        self._rows: list[Iterable[object]] = []
        self._group: list[Any] = []

    def write(self, rows: Iterable[Iterable[object]]) -> int:
        """Write rows; return how many. Raises `InvalidInput` where the disk is full."""
        count = 0
        for row in rows:
            count += 1
            self._rows.append(tuple(row))
            if len(self._rows) == ROWS:
                self._pack()
                if len(self._group) == _BATCHES:
                    self._write_group()
        return count

    def _pack(self) -> None:
        self._group += self._batches.of(self._rows)
        self._rows.clear()

    def _write_group(self) -> None:
        table = library(self._target).Table.from_batches(self._group, schema=self._batches.schema)
        self._group.clear()
        self._closing(lambda: self._writer.write_table(table))

    def close(self) -> None:
        """Write what waits, and the end of the file."""
        self._pack()
        if self._group:
            self._write_group()
        self._closing(self._writer.close)

    def _closing(self, work: Any) -> None:
        try:
            work()
        except OSError as error:  # of this file; an error of the iterable `rows` is not caught
            raise files.unwritable(self._target, error) from None

    def drop(self) -> None:
        """Close the writer if the block was left by an error: it would do so itself at any later time."""
        with contextlib.suppress(Exception):
            self._writer.close()


def sheets_of(path: str | os.PathLike[str]) -> Iterator[Sheet]:
    """Yield the one table of a Parquet file. Raises `InvalidFile`, also while its rows are read."""
    pyarrow = library(path)
    _check_size(path)
    try:
        file = pyarrow.parquet.ParquetFile(os.fspath(path))
        names = file.schema_arrow.names
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise _broken(path, error) from None
    if file.metadata.num_rows > MOST_ROWS:
        raise unusable(path, f"has more than {MOST_ROWS:,} rows: split it")
    rows = rows_of(pyarrow, file.iter_batches(batch_size=ROWS), partial(_broken, path))
    yield Sheet("", chain([names], rows))


def problems_of_rewriting(path: str | os.PathLike[str]) -> Iterator[Problem]:
    """Yield why no cell of the file is changed: a program decides in it, and its columns have its types."""
    what = (
        f"{os.fspath(path)}: a Parquet file is written, and read, but not changed: use a .csv or .xlsx file"
    )
    yield Problem(what, kind=FILE_KIND, file=os.fspath(path))


def _broken(path: object, error: Exception) -> Exception:
    return unusable(path, f"cannot be read as Parquet ({reason_of(error)}): write it again")


def _check_size(path: str | os.PathLike[str]) -> None:
    try:
        size = Path(path).stat().st_size
    except OSError as error:
        raise unusable(path, f"cannot be read: {(error.strerror or str(error)).lower()}") from None
    except ValueError as error:  # a NUL in the name
        raise unusable(repr(path), f"cannot be read: {error}") from None
    if size == 0:
        raise unusable(path, "is empty: pull the records into it first")
    if size > LONGEST_FILE:
        raise unusable(path, f"is larger than {LONGEST_FILE:,} bytes: split it")
