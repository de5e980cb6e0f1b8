"""The sheets of a pull that are matched with books, and the books: which file, and of which taxpayer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from ... import decide, tables
from ...decide import Register
from ...decide.register.columns import Given, MissingColumns, given_of
from ...decide.register.headings import folded, one_or_all
from ...errors import InvalidInput
from ...files import is_file, is_folder
from ...tables import Problem, Sheet, SheetRow, problems_of
from ...tables.formats import NAMES, SUFFIXES
from ...tables.problems import raise_all
from ..output.console import Console
from ..output.tables import counted
from .files import check_targets, files_of, folder_of, is_gstin


@attrs.frozen
class Books:
    """The rows that are matched with one register."""

    name: str
    register: Register
    rows: list[SheetRow]


def check_report(console: Console, files: Sequence[Path]) -> None:
    """Refuse a report that would take the place of one of the files, or lies in a folder among them."""
    report = None if console.report is None else console.report.resolve()
    if report is not None and {report, report.parent} & {file.resolve() for file in files}:
        raise InvalidInput(
            f"{console.report} would lie among the files at work: name another file for --report"
        )


def read_sheets(
    console: Console, paths: Sequence[Path], *but: Path, gstin: str | None, otherwise: str, check: bool
) -> tuple[list[Sheet], dict[str, list[SheetRow]]]:
    """Read the sheets that are meant, `but` for some files among them, and return their rows by taxpayer.

    `gstin` refuses the files of others; the rows of files that name nobody are `otherwise`'s. Raises
    `InvalidInput` with every fault of every file.
    """
    files, problems = files_of(console, paths)
    check_report(console, [*files, *but])
    others = {file.resolve() for file in but}
    sheets: list[Sheet] = []
    for file in files:
        if file.resolve() in others:
            continue
        try:
            sheets.append(tables.read_sheet(file, check_suppliers=check))
        except InvalidInput as error:
            problems += problems_of(error)
    found: dict[str, list[SheetRow]] = {}
    rows = {(one.row.file, one.row.line): one for sheet in sheets for one in sheet.records}
    try:
        named = tables.by_taxpayer(
            (one.row for one in rows.values()), gstin=gstin, otherwise=lambda: otherwise
        )
        found = {name: [rows[row.file, row.line] for row in own] for name, own in named.items()}
    except InvalidInput as error:
        problems += problems_of(error)
    raise_all(problems)
    if not rows:
        raise InvalidInput(f"there is no record to match ({counted(len(files), 'file')} read)")
    return sheets, found


def taxpayers_without(sheets: Sequence[Sheet]) -> list[str]:
    """Return the taxpayers whose own file, GSTIN.csv, has no record in it."""
    return [one.file.stem.upper() for one in sheets if not one.records and is_gstin(one.file.stem)]


def read_books(
    console: Console, register: Path, columns: Path | None, rows: dict[str, list[SheetRow]]
) -> tuple[list[Books], list[Problem]]:
    """Read the register: a file for all taxpayers, or a folder with a file GSTIN.csv (or .xlsx, …) for each.

    Returns what is matched, and the taxpayers without a file, which are named and left out. Raises
    `InvalidInput`, also where none has a file.
    """
    if not is_folder(register):
        everything = [one for own in rows.values() for one in own]
        return [Books(str(register), _register(console, register, columns), everything)], []
    problems: list[Problem] = []
    books: list[Books] = []
    skipped: list[Problem] = []
    for gstin, own in rows.items():
        named = [register / f"{gstin}{suffix}" for suffix in reversed(SUFFIXES)]
        file = next(filter(is_file, named), named[-1])
        try:
            if not gstin:
                raise InvalidInput(f"{own[0].row.file} names no taxpayer: pass --gstin")
            if not file.exists():
                what = f"{gstin} is skipped: there is no {gstin}{NAMES} in {register}"
                skipped.append(Problem(what, kind="no-register", file=str(file), gstin=gstin))
                continue
            books.append(Books(str(file), _register(console, file, columns, alone=False), own))
        except InvalidInput as error:
            problems += problems_of(error)
    raise_all(problems if books else [*problems, *skipped])
    for one in skipped:
        console.tell(one)
    return books, skipped


def tell_skipped(console: Console, skipped: Sequence[Problem]) -> dict[str, Any]:
    """Say at the end who was skipped, write the report, and return the facts for machines."""
    names = [one.gstin for one in skipped]
    if console.report is not None:
        lines = (("left out", problem) for problem in skipped)
        tables.write_problems(console.report, lines, overwrite=console.overwrite)
        console.say(f"Who was left out is in {console.report}: {counted(len(skipped), 'line')}.")
    if skipped:
        console.say(f"{counted(len(skipped), 'taxpayer')} skipped: {', '.join(map(str, names))}.")
    facts = {"ok": not skipped, "skipped": names, "findings": [one.facts for one in skipped]}
    return {**facts, "report_file": console.report_file}


def _register(console: Console, file: Path, columns: Path | None, *, alone: bool = True) -> Register:
    try:
        found = _read(console, file, columns, alone=alone)
    except MissingColumns as error:
        raise InvalidInput(error.without_advice(), advice=_advice(error)) from None
    left_out = ", ".join(f"{count:,} {why}" for why, count in found.left_out.items())
    beside = f"; left out: {left_out}" if left_out else ""
    entries = f"{len(found):,} {'entry' if len(found) == 1 else 'entries'}"
    console.tell(f"{file}: {entries}{beside}")
    return found


def _read(console: Console, file: Path, columns: Path | None, *, alone: bool) -> Register:
    """Read a register; of several, one that lacks columns of the map is read by its others."""
    try:
        return decide.read_register(file, columns)
    except MissingColumns as error:
        left = None if alone or columns is None else _without(error, given_of(columns))
        if left is None:
            raise
        try:
            found = decide.read_register(file, left)
        except MissingColumns:
            raise error from None
        for field, names in error.absent.items():
            lacks = f"{' and '.join(map(repr, names))} for {field}, which {file} does not have"
            by = "the others of the map" if field in left else "the headings that are known"
            console.tell(f"{columns} names {lacks}: it is read by {by}.")
        return found


def _without(error: MissingColumns, given: Given) -> dict[str, Sequence[str]] | None:
    """Return a map without the headings that a register lacks.

    None if of an amount that is a sum some are there, and others that may belong to it.
    """
    left = {field: [*names] for field, names in given.items()}
    for field, absent in error.absent.items():
        left[field] = [name for name in given[field] if name not in absent]
        others = {*map(folded, error.suggested.get(field, ()))} - {*map(folded, left[field])}
        if left[field] and others:
            return None
    return {field: names for field, names in left.items() if names}


def _advice(error: MissingColumns) -> str:
    """Return how the headings that may be meant are named: in TOML."""
    lines = [
        f"{field} = {json.dumps(one_or_all(names), ensure_ascii=False)}"
        for field, names in error.suggested.items()
    ] or ["number = 'Bill No'"]
    several = "a line each: " if len(lines) > 1 else ""
    example = f"for example {several}{'; '.join(lines)}"
    return f"To name it, write it into a TOML file, {example}, and pass --columns FILE"


def targets_of(sheets: Sequence[Sheet], out: str | None, *, overwrite: bool) -> dict[Path, Sheet]:
    """Return the file that each sheet is written to: its own, or one of `--out`. Raises `InvalidInput`."""
    problems: list[Problem] = []
    for sheet in sheets:
        try:
            sheet.check_rewritable()
        except InvalidInput as error:
            problems += problems_of(error)
    raise_all(problems)
    if out is None:
        return {sheet.file: sheet for sheet in sheets}
    folder = folder_of(out)
    if folder is None and len(sheets) > 1:
        raise InvalidInput(f"{counted(len(sheets), 'file')} cannot become one: name a folder, --out {out}/")
    targets: dict[Path, Sheet] = {}
    for sheet in sheets:
        target = Path(out) if folder is None else folder / sheet.file.name
        if target in targets:
            raise InvalidInput(f"{targets[target].file} and {sheet.file} would both become {target}")
        targets[target] = sheet
    others = [file for file, sheet in targets.items() if file.resolve() != sheet.file.resolve()]
    check_targets(others, folder, overwrite=overwrite)
    return targets
