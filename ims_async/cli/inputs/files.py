"""The files of a push or a reset: which ones are meant, what is in them, and whose it is."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from ... import tables
from ...errors import InvalidInput
from ...files import is_file, is_folder
from ...model.status import JobKind
from ...model.vocabulary import Action
from ...tables import Problem, Row, problems_of
from ...tables.problems import FILE_KIND, raise_all
from ..output import tables as show
from ..output.console import Voice
from .settings import ask_gstin, checked_gstin

_DECISIONS: Final = frozenset({Action.ACCEPT, Action.REJECT, Action.PENDING})


def rows_of(
    voice: Voice, paths: Sequence[Path], kind: JobKind, *, gstin: str | None, check: bool
) -> dict[str, list[Row]]:
    """Read files, and the CSV files of folders; return their rows by taxpayer.

    Where there are several, those in which nothing is decided are passed over. Raises `InvalidInput` with
    every fault of every file.
    """
    files, problems = files_of(voice, paths)
    alone = is_alone(paths)
    reader = tables.read_decisions if kind is JobKind.SAVE else tables.read_records
    read = functools.partial(reader, check_suppliers=check, may_be_empty=not alone)
    rows, empty = _read(files, read, problems)
    try:
        given = checked_gstin(gstin, check=check) if gstin else None
        found = tables.by_taxpayer(
            rows, gstin=given, otherwise=functools.cache(lambda: ask_gstin(gstin, check=check))
        )
    except InvalidInput as error:
        problems += problems_of(error)
    raise_all(problems)
    if not rows:
        saving = kind is JobKind.SAVE
        what = "is decided: write A, R or P into column 'action'" if saving else "is there to reset"
        raise InvalidInput(f"nothing {what} ({show.counted(len(files), 'file')} read)")
    if empty:
        undecided = "no decision" if kind is JobKind.SAVE else "no record"
        voice.tell(f"{show.counted(len(empty), 'file')} with {undecided} passed over: {_some(empty)}")
    return found


def of_which_decided(voice: Voice, rows: dict[str, list[Row]], *, only: bool) -> dict[str, list[Row]]:
    """Say how many rows of a reset are decided; return those `only`, or all. Raises `InvalidInput`."""
    decided = {gstin: [row for row in own if row.action in _DECISIONS] for gstin, own in rows.items()}
    count, total = sum(map(len, decided.values())), sum(map(len, rows.values()))
    if not only:
        if 0 < count < total:
            rest = show.counted(total - count, "other")
            voice.tell(f"{count:,} decided here, {rest}: all are reset; --decided limits it to the former.")
        return rows
    if not count:
        raise InvalidInput(f"none of {show.counted(total, 'row')} is decided: leave --decided away")
    return {gstin: own for gstin, own in decided.items() if own}


def is_alone(paths: Sequence[Path]) -> bool:
    """Say whether one file was named: of several, one may have no decision in it."""
    return len(paths) == 1 and not is_folder(paths[0])


def _read(
    files: Sequence[Path], read: Callable[[Path], list[Row]], problems: list[Problem]
) -> tuple[list[Row], list[Path]]:
    """Read all files; return their rows, and which files have none. Faults go to the problems."""
    rows: list[Row] = []
    empty: list[Path] = []
    for file in files:
        try:
            own = read(file)
        except InvalidInput as error:
            problems += problems_of(error)
            continue
        rows += own
        if not own:
            empty.append(file)
    return rows, empty


def files_of(voice: Voice, paths: Sequence[Path]) -> tuple[list[Path], list[Problem]]:
    """Return the files that are meant, each once, and what is wrong with the folders.

    Raises `InvalidInput` where the report would take the place of one of them.
    """
    files: dict[Path, Path] = {}
    problems: list[Problem] = []
    reports: list[Path] = []
    for path in paths:
        inside = sorted(_csv_files_in(path)) if is_folder(path) else [path]
        own = [file for file in inside if tables.is_report(file)]
        if is_folder(path) and len(own) == len(inside):
            what = f"{path} holds no .csv file of decisions"
            problems.append(Problem(what, kind=FILE_KIND, file=str(path)))
        elif own == paths:
            what = "tells what became of records (it has a column 'outcome')"
            what = f"{path} {what}: name the file of decisions"
            problems.append(Problem(what, kind=FILE_KIND, file=str(path)))
        for file in inside:
            files.setdefault(file.resolve(), file)
        reports += own
    taken = [file for file in files.values() if file not in reports]
    if voice.report is not None and voice.report.resolve() in {file.resolve() for file in taken}:
        raise InvalidInput(f"{voice.report} holds the decisions: name another file for --report")
    if taken and reports:
        voice.tell(f"{show.counted(len(reports), 'report')} passed over: {_some(reports)}")
    return taken, problems


def _csv_files_in(folder: Path) -> Iterator[Path]:
    for file in folder.iterdir():  # what begins with a dot is a program's own, half written or forgotten
        if file.suffix.lower() == ".csv" and not file.name.startswith(".") and is_file(file):
            yield file


def _some(files: Sequence[Path]) -> str:
    named = ", ".join(str(file) for file in files[:5])
    return named if len(files) <= 5 else f"{named} and {len(files) - 5:,} more"
