"""What a person names: files and folders of decisions, and lists of taxpayers."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from ...errors import InvalidInput
from ...files import is_file, is_folder
from ...tables import Problem, is_report
from ...tables.columns import LONGEST_CELL, folded
from ...tables.formats import NAMES, SUFFIXES, format_of
from ...tables.problems import FILE_KIND
from ...tables.row import where
from ...tables.source import MOST_TITLES, SEPARATOR_LINE, head_of, names_in, text_of


def listed_gstins(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the first cell of each line, with its number; comments and a heading are left out.

    Raises `InvalidInput` for a file that cannot be read.
    """
    _, text = text_of(file, may_be_empty=True)
    separator = SEPARATOR_LINE.match(text)
    lines = text[separator.end() if separator else 0 :].splitlines()
    headings = (
        line for line in lines[: MOST_TITLES + 1] if line.strip(" '\"").casefold().startswith("gstin")
    )
    others = (line for line in lines if line.strip() and not line.lstrip().startswith("#"))
    first = next(itertools.chain(headings, others), "")
    delimiter = separator["sign"] if separator else next((sign for sign in ",;\t" if sign in first), ",")
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        names = [
            (reader.line_num, cells[0].partition("#")[0].strip().lstrip("'") if cells else "")
            for cells in reader
        ]
    except csv.Error as error:
        raise InvalidInput(f"{where(str(file), reader.line_num)}: it cannot be read: {error}") from None
    top = [name.casefold() for _, name in names[: MOST_TITLES + 1]]
    for line, name in names[top.index("gstin") + 1 if "gstin" in top else 0 :]:  # titles are above a heading
        if name:
            yield line, name


def decision_files(
    paths: Sequence[Path], *, sales: bool = False
) -> tuple[list[Path], list[Path], list[Problem]]:
    """Return the files that are meant, each once; the reports among them, which hold no decisions; and
    what is wrong with the folders. Of a folder all files with the suffix of a format are meant, but for what
    `sales`, `followup` and `gstr2b` wrote, which counts as a report there, unless files of `sales` are meant.
    """
    files: dict[Path, Path] = {}
    problems: list[Problem] = []
    reports: list[Path] = []
    for path in paths:
        inside = sorted(_files_in(path)) if is_folder(path) else [path]
        listings = is_folder(path) and not sales
        own = [file for file in inside if is_report(file) or (listings and _is_listing(file))]
        if is_folder(path) and len(own) == len(inside):
            what = f"{path} holds no {NAMES} file of decisions"
            problems.append(Problem(what, kind=FILE_KIND, file=str(path)))
        elif own == paths:
            what = "tells what became of records (it has a column 'outcome')"
            what = f"{path} {what}: name the file of decisions"
            problems.append(Problem(what, kind=FILE_KIND, file=str(path)))
        for file in inside:
            files.setdefault(file.resolve(), file)
        reports += own
    return [file for file in files.values() if file not in reports], reports, problems


def _is_listing(file: Path) -> bool:
    """Return True for a file that holds records, but none to decide: its headings are the first row."""
    try:
        if (packed := format_of(file)) is not None:
            if packed.is_pulled(file):
                return False
            rows = itertools.chain.from_iterable(sheet.rows for sheet in packed.sheets(file))
            names = {folded(str(cell)) for cell in next(rows, ())}
        else:
            with file.open(encoding="utf-8-sig", errors="replace") as text:
                head = head_of(text.readline(LONGEST_CELL))
            names = set(names_in(head.line, head.delimiter))
    except (OSError, ValueError):
        return False
    return "hash" not in names and any(names >= columns for columns in _LISTINGS)


_LISTINGS: Final = (
    {"list", "recipient"},
    {"message", "rejecteddocuments", "onlyinbooksdocuments"},
    {"message", "rejectedbycustomerdocuments", "noactiondocuments"},
    {"kind", "needsaperson", "gstr-2bsection"},
    {"part", "itcreason", "imsaction"},
)
"""Columns by which files of sales, lines for suppliers or customers, comparisons, and GSTR-2B are known."""


def _files_in(folder: Path) -> Iterator[Path]:
    for file in folder.iterdir():  # what begins so is a program's own, half written or forgotten
        if file.suffix.lower() in SUFFIXES and not file.name.startswith((".", "~$")) and is_file(file):
            yield file
