"""The files that commands read and write: which ones are meant, what is in them, and whose it is."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from ... import tables
from ...errors import InvalidInput
from ...files import is_file, is_folder
from ...model.status import JobKind
from ...model.vocabulary import Action
from ...tables import Problem, Row, problems_of
from ...tables.formats import SUFFIXES
from ...tables.problems import FILE_KIND, raise_all
from ..output.console import Console
from ..output.errors import words_of
from ..output.tables import counted
from .lists import decision_files
from .settings import ask_gstin, checked_gstin, gstins_of

_DECISIONS: Final = frozenset({Action.ACCEPT, Action.REJECT, Action.PENDING})


_WANTED: Final = {
    JobKind.SAVE: "is decided: write A, R or P into column 'action'",
    JobKind.RESET: "is there to reset",
}


def read_all(
    console: Console,
    paths: Sequence[Path],
    kind: JobKind,
    *,
    gstin: str | None,
    check: bool,
    reader: Callable[..., list[Row]] | None = None,
    otherwise: Callable[[], str] | None = None,
    also_empty: bool = False,
) -> tuple[list[Path], dict[str, list[Row]]]:
    """Read files, and the files of folders; return the files, and their rows by taxpayer.

    `reader` reads a file, `otherwise` returns the taxpayer of files that name none: the person is asked
    otherwise. Where there are several files, those in which nothing is decided are passed over, unless they
    are `also_empty` those of a taxpayer, GSTIN.csv. Raises `InvalidInput` with every fault of every file.
    """
    saving, rows = kind is JobKind.SAVE, list[Row]()
    reader = reader or (tables.read_decisions if saving else tables.read_records)
    files, problems = files_of(console, paths)
    # Of several, one may have no decision in it.
    alone = len(paths) == 1 and not is_folder(paths[0]) and not (also_empty and is_gstin(paths[0].stem))
    for file in files:
        try:
            rows += reader(file, check_suppliers=check, may_be_empty=not alone)
        except InvalidInput as error:
            problems += problems_of(error)
    try:
        given = checked_gstin(gstin, check=check) if gstin else None
        asked = otherwise or functools.cache(lambda: ask_gstin(gstin, check=check))
        found = tables.by_taxpayer(rows, gstin=given, otherwise=asked)
    except InvalidInput as error:
        problems += problems_of(error)
    raise_all(problems)
    empty = _without_rows(files, rows)
    if also_empty:
        found |= {name: [] for file in empty if is_gstin(name := file.stem.upper()) and name not in found}
        empty = [file for file in empty if not is_gstin(file.stem)]
    if not found:
        what = f"nothing {'there names a taxpayer' if also_empty else _WANTED[kind]}"
        raise InvalidInput(f"{what} ({counted(len(files), 'file')} read)")
    if empty:
        nothing = "no decision" if saving else "no record"
        console.tell(f"{counted(len(empty), 'file')} with {nothing} passed over: {_some(empty)}")
    return files, found


def _without_rows(files: Sequence[Path], rows: Sequence[Row]) -> list[Path]:
    read = {row.file for row in rows}
    return [file for file in files if not any(_is_of(name, file) for name in read)]


def _is_of(name: str, file: Path) -> bool:
    """Return True if rows of this name are from the file: a further sheet is called `FILE [SHEET]`."""
    return name == str(file) or name.startswith(f"{file} [")


def taxpayers_of(
    console: Console,
    paths: Sequence[Path],
    given: Sequence[str],
    listed: Path | None,
    *,
    check: bool,
    may_be_none: bool = False,
) -> list[str]:
    """Return who is meant, each once: of `--gstin`, `--gstins` and files of a pull, else of IMS_GSTIN.

    Who is asked for where nobody is named, unless there `may_be_none`. Raises `InvalidInput`.
    """
    found = dict.fromkeys(gstins_of(given, listed, check=check))
    if paths:
        _, rows = read_all(console, paths, JobKind.RESET, gstin=None, check=check, also_empty=True)
        found |= dict.fromkeys(rows)
    return list(found) if found or may_be_none else [ask_gstin(None, check=check)]


def of_which_decided(console: Console, rows: dict[str, list[Row]], *, only: bool) -> dict[str, list[Row]]:
    """Say how many rows of a reset are decided; return those `only`, or all. Raises `InvalidInput`."""
    decided = {gstin: [row for row in own if row.action in _DECISIONS] for gstin, own in rows.items()}
    count, total = sum(map(len, decided.values())), sum(map(len, rows.values()))
    if not only:
        if 0 < count < total:
            rest = counted(total - count, "other")
            console.tell(f"{count:,} decided here, {rest}: all are reset; --decided limits it to the former.")
        return rows
    if not count:
        raise InvalidInput(f"none of {counted(total, 'row')} is decided: leave out --decided")
    return {gstin: own for gstin, own in decided.items() if own}


def files_of(console: Console, paths: Sequence[Path]) -> tuple[list[Path], list[Problem]]:
    """Return the files that are meant, each once, and what is wrong with the folders.

    Raises `InvalidInput` where the report would take the place of one of them.
    """
    taken, reports, problems = decision_files(paths)
    if console.report is not None and console.report.resolve() in {file.resolve() for file in taken}:
        raise InvalidInput(f"{console.report} holds the decisions: name another file for --report")
    if taken and reports:
        console.tell(f"{counted(len(reports), 'report')} passed over: {_some(reports)}")
    return taken, problems


def _some(files: Sequence[Path]) -> str:
    named = ", ".join(str(file) for file in files[:5])
    return named if len(files) <= 5 else f"{named} and {len(files) - 5:,} more"


# -- the files of a pull -------------------------------------------------------------------------------


def folder_of(out: str) -> Path | None:
    """Return the folder that `--out` means: one that is there, or a name that ends with a slash."""
    ends = tuple(filter(None, ("/", os.sep, os.altsep)))
    return Path(out) if out.endswith(ends) or is_folder(out) else None


def is_gstin(name: str) -> bool:
    """Return True for a name that a pull gives to the file of one taxpayer, whatever its check digit."""
    return len(name) == _GSTIN_LENGTH and name.isascii() and name.isalnum()


_GSTIN_LENGTH: Final = 15


def suffix_in(folder: Path | None, suffixes: Sequence[str] = SUFFIXES) -> str:
    """Return the suffix of the taxpayers' files in a folder: that of those which are there, else `.csv`."""
    inside = folder.iterdir() if folder is not None and is_folder(folder) else ()
    found = {file.suffix.lower() for file in inside if is_gstin(file.stem)}.intersection(suffixes)
    return found.pop() if len(found) == 1 else SUFFIXES[0]


def check_targets(
    files: Iterable[Path],
    folder: Path | None,
    *,
    overwrite: bool,
    check: Callable[..., object] = tables.check_writable,
) -> None:
    """Make the folder; refuse what cannot be written, and without `overwrite` what is there.

    Raises `InvalidInput`, as `check(file, overwrite=overwrite)` does.
    """
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"{folder} cannot be made: {(error.strerror or str(error)).lower()}") from None
    problems: list[Problem] = []
    for file in files:
        try:
            if not overwrite:
                _refuse_decisions(file)
            check(file, overwrite=overwrite)
        except InvalidInput as error:
            problems.append(Problem(words_of(error), kind=FILE_KIND))
    raise_all(problems)


def _refuse_decisions(file: Path) -> None:
    """Say how much work a file holds, where it does: that it is there already would be the lesser news."""
    try:
        decided = is_file(file) and len(tables.read_decisions(file, check_suppliers=False, may_be_empty=True))
    except (InvalidInput, OSError, ValueError):  # a letter, say; or a name that no file can have
        return
    if decided:
        instead = "bring it up to date with pull --keep, choose another name, or pass --overwrite"
        raise InvalidInput(f"{file} holds {counted(decided, 'decision')}: {instead}")
