"""Group the rows of files by taxpayer: each row gets the GSTIN of its taxpayer, or is a problem."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ..model.vocabulary import gstin_problem
from .columns import GSTIN_COLUMN
from .problems import Problem, raise_all
from .row import Row


def by_taxpayer(
    rows: Iterable[Row], *, gstin: str | None = None, otherwise: Callable[[], str]
) -> dict[str, list[Row]]:
    """Group the rows of some files by taxpayer, in their order; each row of the result has its `gstin`.

    The column GSTIN comes first. The rows of a file without it belong to `gstin`, else to the GSTIN in the
    file's name, else to `otherwise()`. Raises `InvalidInput` with all rows of another taxpayer than `gstin`,
    all rows with an empty GSTIN in a file where others have one, and all records that are in two files.
    """
    files: dict[str, list[Row]] = {}
    for row in rows:
        files.setdefault(row.file, []).append(row)
    problems: list[Problem] = []
    found: dict[str, list[Row]] = {}
    for name, own in files.items():
        own, faults = _named(name, own, gstin, otherwise)
        problems += faults
        for row in own:
            found.setdefault(row.gstin or "", []).append(row)
    if len(files) > 1:
        for rows_of_one in found.values():
            problems += _twice(rows_of_one)
    raise_all(problems)
    return found


def _named(
    file: str, rows: Sequence[Row], gstin: str | None, otherwise: Callable[[], str]
) -> tuple[list[Row], list[Problem]]:
    """Return the rows of one file, each with its GSTIN, and the problems of the others."""
    if not any(row.gstin for row in rows):
        stem = Path(file).stem.strip().upper()
        own = None if gstin_problem(stem) else stem
        if own and gstin and own != gstin:
            which = f"another taxpayer than {gstin}, which was asked for"
            what = f"{file} is named after {which}: leave out --gstin, or rename it"
            return [], [Problem(what, kind="other-taxpayer", file=file)]
        name = gstin or own or otherwise()
        return [row.owned_by(name) for row in rows], []
    found: list[Row] = []
    problems: list[Problem] = []
    for row in rows:
        if not row.gstin:
            what = "empty: write whose record it is, as in the other rows"
            problems.append(_of_column(row, "no-taxpayer", what))
        elif gstin and row.gstin != gstin:
            which = f"{row.gstin}, which is not {gstin}, the taxpayer asked for"
            what = f"{which}: leave out --gstin, or these rows"
            problems.append(_of_column(row, "other-taxpayer", what))
        else:
            found.append(row)
    return found, problems


def _of_column(row: Row, kind: str, what: str) -> Problem:
    return Problem(what, kind=kind, file=row.file, row=row.line, column=GSTIN_COLUMN, gstin=row.gstin)


def _twice(rows: Iterable[Row]) -> list[Problem]:
    """Report records that are in two files; duplicates within one file were reported when it was read."""
    seen: dict[object, Row] = {}
    problems: list[Problem] = []
    for row in rows:
        first = seen.setdefault(row.identity, row)
        if first.file != row.file:
            what = f"the same record ({row.key}) stands in {first.where()} already: keep one of them"
            problems.append(Problem(what, kind="twice", file=row.file, row=row.line, gstin=row.gstin))
    return problems
