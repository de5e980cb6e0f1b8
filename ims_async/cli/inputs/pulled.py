"""The files that a pull writes: which ones, whose they are, and those of an earlier pull that are kept."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import attrs

from ... import tables
from ...bulk import Pulled
from ...decide.keeping import Kept, keep
from ...errors import InvalidInput
from ...files import is_file, is_folder
from ...model.vocabulary import Section
from ...tables import Problem, Sheet, SheetRow, problems_of
from ...tables.formats import format_of
from ...tables.problems import raise_all
from .. import options
from .files import folder_of, is_gstin, suffix_in
from .lists import decision_files
from .settings import ask_gstin

Ask = Callable[[], str]


@attrs.frozen(kw_only=True)
class Where:
    """Where the records are written."""

    out: options.PullTo = None
    keep: options.Keep = None
    format: options.Format = None

    @property
    def target(self) -> str:
        """The file or folder. Raises `InvalidInput` unless there is one."""
        if (self.out is None) == (self.keep is None):
            raise InvalidInput("name the file or folder: --out for a new one, --keep for one that is there")
        return self.out or self.keep or ""

    @property
    def suffix(self) -> str | None:
        """The suffix of the files in a folder, if it was asked for. Raises `InvalidInput`."""
        if self.format is None:
            return None
        if folder_of(self.target) is None:
            raise InvalidInput("--format is for the files in a folder: the name of a file says its own")
        suffix = f".{self.format.lower().lstrip('.')}"
        tables.check_writable(Path(self.target).parent / f"records{suffix}")
        return suffix

    def files(self, names: Sequence[str], *, check: bool) -> PulledFiles:
        """Return the file of each taxpayer. Raises `InvalidInput`."""
        ask = functools.cache(lambda: ask_gstin(None, check=check))
        folder, target, suffix = folder_of(self.target), Path(self.target), self.suffix
        if self.keep is not None:
            is_folder = folder is not None
            return _kept_files(target, names, folder=is_folder, suffix=suffix, ask=ask, check=check)
        suffix = suffix or suffix_in(folder)
        files = {name: folder / f"{name}{suffix}" if folder else target for name in names or [ask()]}
        return PulledFiles(files, (), check)


@attrs.frozen
class PulledFiles:
    """The file of each taxpayer, and which of the files are there: they are brought up to date.

    Such a file is written once all of its taxpayers have been read.
    """

    of: Mapping[str, Path]
    there: Collection[Path]
    check: bool
    """Whether GSTINs are checked."""
    _waiting: dict[Path, list[Pulled]] = attrs.field(factory=dict, init=False)

    @property
    def each(self) -> list[Path]:
        """The files, each once."""
        return list(dict.fromkeys(self.of.values()))

    def add(self, found: Pulled) -> Path | None:
        """Note what was read; return its file if nobody else of it is to come."""
        file = self.of[found.gstin]
        waiting = self._waiting.setdefault(file, [])
        waiting.append(found)
        return file if len(waiting) == sum(other == file for other in self.of.values()) else None

    def left(self) -> list[Path]:
        """Return the files of which not all taxpayers could be read."""
        return list(self._waiting)

    def write(self, file: Path, complete: Callable[[Pulled], Collection[Section]]) -> dict[str, Kept]:
        """Merge what was read into a file, and write it; return what became of each taxpayer's rows.

        `complete` returns the sections of which all was read. The file is read again now: it may have been
        saved since. Raises `InvalidInput`; the file is as it was then.
        """
        found = self._waiting.pop(file)
        sheet, rows = _read(file, lambda: found[0].gstin, check=self.check)
        kept: dict[str, Kept] = {}
        for one in found:
            own, sections = rows.get(one.gstin, []), complete(one)
            kept[one.gstin] = keep(sheet, own, one.invoices, gstin=one.gstin, sections=sections)
        if sheet.changed:
            sheet.write(file)
        return kept


def _kept_files(
    target: Path, named: Sequence[str], *, folder: bool, suffix: str | None, ask: Ask, check: bool
) -> PulledFiles:
    """Return the files that `--keep` means, each read once: the taxpayers `named`, or all that are in them.

    A taxpayer without a file gets one. Raises `InvalidInput` with every fault of every file.
    """
    files, problems = _files_in(target, folder=folder)
    of: dict[str, Path] = {}
    for file in files:
        try:
            sheet, rows = _read(file, lambda: named[0] if len(named) == 1 else ask(), check=check)
            sheet.check_rewritable()
            if not folder and named:
                _check_whose(sheet, rows, named)
            for gstin in rows:
                if gstin in of:
                    what = f"there are records of {gstin} in {of[gstin]} and in {file}: keep them in one file"
                    raise InvalidInput(what)
                of[gstin] = file
        except InvalidInput as error:
            problems += problems_of(error)
    raise_all(problems)
    ending = suffix or suffix_in(target if folder else None)
    wanted = named or list(of) or [ask()]
    found = {gstin: of.get(gstin) or (target / f"{gstin}{ending}" if folder else target) for gstin in wanted}
    for file in dict.fromkeys(found.values()):
        if (packed := format_of(file)) is not None and packed.rewriting is None:  # nor could a further pull
            raise_all([*packed.problems_of_rewriting(file)])
    return PulledFiles(found, frozenset(files), check)


def _files_in(target: Path, *, folder: bool) -> tuple[list[Path], list[Problem]]:
    """Return the files that are there; a folder may have none yet."""
    if not (is_folder(target) if folder else is_file(target) and target.stat().st_size):
        return [], []
    files, _, problems = decision_files([target])
    return files, problems if files or not folder else []


def _read(file: Path, otherwise: Ask, *, check: bool) -> tuple[Sheet, dict[str, list[SheetRow]]]:
    """Read a sheet, and return its rows by taxpayer, each with its GSTIN."""
    sheet = tables.read_sheet(file, check_suppliers=check, lenient=True)
    rows = {(one.row.file, one.row.line): one for one in sheet.records}
    named = tables.by_taxpayer((one.row for one in sheet.records), otherwise=otherwise)
    found: dict[str, list[SheetRow]] = {}
    for gstin, own in named.items():
        found[gstin] = [attrs.evolve(rows[row.file, row.line], row=row) for row in own]
    if not rows and is_gstin(file.stem):  # a taxpayer who had no records so far
        found[file.stem.upper()] = []
    return sheet, found


def _check_whose(sheet: Sheet, rows: Mapping[str, object], named: Sequence[str]) -> None:
    """Refuse a file of other taxpayers, and one that cannot say whose further records are."""
    whose = f"{sheet.file} holds records of {', '.join(list(rows)[:3])}"
    if rows and not rows.keys() & set(named):
        what = f"{whose}, and of none of the taxpayers asked for: name another file, or another --gstin"
        raise InvalidInput(what)
    if rows.keys() | set(named) != rows.keys() and not sheet.has_column(tables.GSTIN_COLUMN):
        raise InvalidInput(f"{whose} and has no column GSTIN: name another file for the others")
