"""`gstr2b pull`: the GSTR-2B of one taxpayer or of many, in files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import attrs

from .... import tables
from ....bulk.gstr2b import credit_by_sums
from ....errors import ImsError, InvalidInput, UnexpectedAnswer
from ....model.gstr2b import Gstr2b
from ....model.vocabulary import year_and_month
from ....tables import Problem
from ....tables.formats import SUFFIXES
from ....tables.gstr2b.writing import COLUMNS, FORMATS, JSON, check_gstr2b_target, gstr2b_rows, is_json
from ....tables.writing import writing_rows
from ....taxpayer import Taxpayer
from ... import options
from ...command import command
from ...inputs.asking import ask_each
from ...inputs.files import check_targets, folder_of, suffix_in, taxpayers_of
from ...inputs.settings import Settings, gather_for
from ...output import tables as show
from ...output.console import NOT_ALL_WELL, OK, Console
from ...output.statements import HEADS, heads_of
from ...output.tables import are, counted
from .stopped import not_asked_for

_SUFFIXES: Final = (*SUFFIXES, JSON)
_SUMS_ONLY: Final = "the gateway gave sums and no documents: pull it again later"


@attrs.frozen(kw_only=True)
class Asked:
    """Whose, of which period, and where they are written."""

    period: options.Period
    out: Annotated[
        str,
        options.option(
            "--out FILE_OR_FOLDER",
            f"The file to write ({FORMATS}: JSON has all of it, and is what compare reads); or a folder (one "
            "that is there, or a name with a slash at its end), for a file GSTIN.csv of each taxpayer, or of "
            "another --format.",
            "statements/",
        ),
    ]
    format: Annotated[
        str | None,
        options.option(
            "--format FORMAT",
            f"{FORMATS.replace('.', '')}, for the files in a folder; otherwise that of the taxpayers' files "
            "which are there, else csv.",
            "json",
        ),
    ] = None
    gstin: options.ManyGstins = None
    gstins: options.GstinsFile = None
    gsp: options.GspName = None
    concurrency: options.Concurrency = options.READ_AT_ONCE
    rate: options.Rate = None
    no_check: options.NoCheck = False

    def files(self, names: Sequence[str]) -> dict[str, Path]:
        """Return the file of each taxpayer. Raises `InvalidInput`."""
        folder = folder_of(self.out)
        if folder is not None:
            ending = f".{self.format.lower().lstrip('.')}" if self.format else suffix_in(folder, _SUFFIXES)
            return {name: folder / f"{name}{ending}" for name in names}
        if self.format is not None:
            raise InvalidInput("--format is for the files in a folder: the name of a file says its own")
        if is_json(self.out) and len(names) > 1:
            raise InvalidInput(f"{self.out} can hold one statement: name a folder, --out statements/")
        return dict.fromkeys(names, Path(self.out))


@command(report=options.LeftOutReport)
def pull(console: Console, asked: Asked, files: options.NamingFiles = None) -> int:
    """Write the GSTR-2B of a period to files: a line for each document, or all of it as JSON.

    One of many taxpayers that has none, or whose session has ended, is named and skipped (exit code 1). It
    takes one request for each taxpayer, and one more for each file that GSTN splits a large statement into.
    """
    year_and_month(asked.period)  # raises `InvalidInput`
    check = not asked.no_check
    names = taxpayers_of(console, files or [], asked.gstin or [], asked.gstins, check=check)
    targets = asked.files(names)
    if console.report and console.report.resolve() in {file.resolve() for file in targets.values()}:
        raise InvalidInput(f"{console.report} is to hold a statement: name another file for --report")
    of_each, folder = dict.fromkeys(targets.values()), folder_of(asked.out)
    check_targets(of_each, folder, overwrite=console.overwrite, check=check_gstr2b_target)
    settings = gather_for(asked.gsp, names, named=bool(asked.gstin), check=check, rate=asked.rate)
    console.asks(settings)
    return _Pull(console, settings, asked, targets).carry_out()


class _NothingReadError(Exception):
    """Nobody's could be read: the file that was there is better than an empty one."""


@attrs.frozen
class _Pull:
    """What is to be read, and where to."""

    console: Console
    settings: Settings
    asked: Asked
    targets: Mapping[str, Path]
    facts: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    """The facts of each GSTIN, for `--json`."""
    rows: list[tuple[object, ...]] = attrs.field(factory=list)
    """The cells of each, for the screen."""

    def carry_out(self) -> int:
        """Write each statement as it comes; return the exit code."""
        if len(set(self.targets.values())) == len(self.targets):
            skipped = self._read(self._ask_and_write, self._note)
        else:
            try:
                skipped = self._into_one(Path(self.asked.out))
            except _NothingReadError as error:
                skipped = error.args[0]
        return self._tell(skipped)

    def _into_one(self, out: Path) -> dict[str, str]:
        """Write all into one file, which is replaced when all of it is written."""
        with writing_rows(out, COLUMNS, overwrite=self.console.overwrite) as write:

            def heard(gstin: str, found: Gstr2b) -> None:
                write(gstr2b_rows(found))
                self._note(gstin, found)

            skipped = self._read(self._ask, heard)
            if not self.facts:
                raise _NothingReadError(skipped)
        return skipped

    def _read(
        self, ask: Callable[[Taxpayer], Awaitable[Gstr2b]], heard: Callable[[str, Gstr2b], object]
    ) -> dict[str, str]:
        names = list(self.targets)
        work = ask_each(
            self.console,
            self.settings,
            names,
            "pulled",
            ask=ask,
            heard=heard,
            at_once=self.asked.concurrency,
        )
        try:
            return self.console.wait_for(work)
        except ImsError as error:
            return not_asked_for(self.console, error, names, self.facts)

    async def _ask(self, taxpayer: Taxpayer) -> Gstr2b:
        found = await taxpayer.gstr2b(self.asked.period, strict=False)
        if found.summary_only and not is_json(self.targets[taxpayer.gstin]):
            raise UnexpectedAnswer(_SUMS_ONLY)  # a table would be empty
        return found

    async def _ask_and_write(self, taxpayer: Taxpayer) -> Gstr2b:
        """Write it where it is asked for: of a file that cannot be written its taxpayer alone is skipped."""
        found = await self._ask(taxpayer)
        tables.write_gstr2b(self.targets[taxpayer.gstin], found, overwrite=self.console.overwrite)
        return found

    def _note(self, gstin: str, found: Gstr2b) -> None:
        credit = credit_by_sums(found) if found.summary_only else found.credit
        count, day = len(found.documents), found.generated_on
        self.facts[gstin] = {
            "file": str(self.targets[gstin]),
            "documents": count,
            "generated_on": day and day.isoformat(),
            "checksum": found.checksum,
            "summary_only": found.summary_only,
            "credit": credit.to_dict(),
            "summary": {part: tax.to_dict() for part, tax in found.summary.items()},
            "problems": list(found.problems),
        }
        self.rows.append((gstin, day, count, *map(show.rupees, (*heads_of(credit), credit.total))))
        if found.summary_only:
            self.console.tell(f"{gstin}: {_SUMS_ONLY}.")
        for problem in found.problems:
            self.console.tell(f"{gstin}: a document cannot be read and is left out: {problem}")

    def _tell(self, skipped: Mapping[str, str]) -> int:
        console, asked, names = self.console, self.asked, list(self.targets)
        left_out = [
            *(Problem(why, kind="gstr2b", gstin=gstin) for gstin, why in skipped.items()),
            *(
                Problem(what, kind="document", gstin=gstin)
                for gstin, own in self.facts.items()
                for what in ([_SUMS_ONLY] if own["summary_only"] else own["problems"])
            ),
        ]
        if self.rows:
            ordered = sorted(self.rows, key=lambda row: names.index(str(row[0])))
            cut = f", the first {show.MOST_ROWS} of {len(ordered):,}" if len(ordered) > show.MOST_ROWS else ""
            title = f"GSTR-2B of {asked.period}, credit in rupees{cut}"
            columns = ("GSTIN", "generated on", "documents", *HEADS, "credit")
            console.show(show.table(title, columns, ordered[: show.MOST_ROWS]))
            console.say()
            count = sum(own["documents"] for own in self.facts.values())
            where = f"{counted(count, 'document')} of {counted(len(self.facts), 'taxpayer')}"
            console.say(f"{where} {are(count)} in {asked.out}.")
        else:
            console.say("Nothing was written: nobody's GSTR-2B could be read.")
        if console.report is not None:
            lines = (("left out", problem) for problem in left_out)
            tables.write_problems(console.report, lines, overwrite=console.overwrite)
            console.say(f"What was left out is in {console.report}: {counted(len(left_out), 'line')}.")
        if skipped:
            console.say(f"{counted(len(skipped), 'taxpayer')} skipped: {', '.join(skipped)}.")
        facts = {gstin: {"error": why} for gstin, why in skipped.items()} | self.facts
        document = {"ok": not left_out, "period": asked.period, "out": asked.out, "taxpayers": facts}
        console.document({**document, "report_file": console.report_file})
        return NOT_ALL_WELL if left_out else OK
