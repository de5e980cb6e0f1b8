"""The formats of files besides CSV, by suffix: another one is a line here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import attrs

from .arrow import library, parquet
from .problems import Problem
from .source import Sheet
from .xlsx import opening, workbook

Write = Callable[[Iterable[Iterable[object]]], int]
"""Writes rows, and returns how many."""


@attrs.frozen(kw_only=True)
class Format:
    """How files of a format are written and read; each raises `InvalidInput` where its extra is missing."""

    check: Callable[[Any], object]
    """Raises if the library that writes it is not installed."""
    writing_rows: Callable[..., AbstractContextManager[Write]]
    """Opens a file for rows in portions: `writing_rows(path, columns, overwrite=True)`."""
    sheets: Callable[[Any], Iterator[Sheet]]
    """Yields the sheets of a file."""
    is_pulled: Callable[[Any], bool]
    """Returns True for a file that has a mark of `pull`, whatever its columns are."""
    problems_of_rewriting: Callable[[Any], Iterator[Problem]]
    """Yields what would be lost if a file were written again from its cells."""
    rewriting: Callable[..., AbstractContextManager[Callable[..., None]]] | None = None
    """Opens a file to be written again: `rewriting(path, read, overwrite=…, as_read=…)`; None if none is."""


def _rewriting_workbook(
    target: str | os.PathLike[str], read: str | os.PathLike[str], **options: Any
) -> AbstractContextManager[Callable[..., None]]:
    return workbook.rewriting(target, opening.how_to_of(read), **options)


FORMATS: Final[Mapping[str, Format]] = {
    ".xlsx": Format(
        check=workbook.library,
        writing_rows=workbook.writing_rows,
        sheets=opening.sheets_of,
        is_pulled=opening.is_pulled,
        problems_of_rewriting=opening.problems_of_rewriting,
        rewriting=_rewriting_workbook,
    ),
    ".parquet": Format(
        check=library.pyarrow,
        writing_rows=parquet.writing_rows,
        sheets=parquet.sheets_of,
        is_pulled=lambda _: False,
        problems_of_rewriting=parquet.problems_of_rewriting,
    ),
}
"""What has none of these suffixes is CSV."""

SUFFIXES: Final = (".csv", *FORMATS)
NAMES: Final = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
"""The suffixes, as a sentence names them."""


def format_of(target: object) -> Format | None:
    """Return the format that the suffix of a path names; None for CSV, and for what is not a path."""
    return FORMATS.get(Path(target).suffix.lower()) if isinstance(target, str | os.PathLike) else None
