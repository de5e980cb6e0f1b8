"""`pull`: the records of one taxpayer or of many, in files to be decided on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs

from ... import bulk, tables
from ...bulk import Pulled
from ...bulk.outage import is_everybodys
from ...client import ImsClient
from ...errors import DownloadQueued, ImsError, InvalidInput
from ...files import is_file
from ...model.records import InvoiceList
from ...model.vocabulary import Action, Section
from ...tables import Problem
from ...tables.source import LONGEST_FILE
from .. import options
from ..command import command
from ..inputs.files import check_targets, folder_of
from ..inputs.pulled import PulledFiles, Where
from ..inputs.settings import Settings, gather_for, gstins_of
from ..output.changes import tell_changes
from ..output.console import NOT_ALL_WELL, OK, Console
from ..output.errors import words_of
from ..output.grouping import Grouped, kind_of
from ..output.progress import ticking
from ..output.tables import are, counted
from .offline import records_of


@command(report=options.LeftOutReport)
def pull(
    console: Console,
    where: Where,
    source: options.PortalFile = None,
    section: options.Sections = None,
    status: options.Status = None,
    gsp: options.GspName = None,
    gstin: options.ManyGstins = None,
    gstins: options.GstinsFile = None,
    concurrency: options.Concurrency = options.READ_AT_ONCE,
    rate: options.Rate = None,
    no_check: options.NoCheck = False,
    first_poll: options.FirstPoll = options.FIRST_POLL,
) -> int:
    """Write records to a CSV, an XLSX or a Parquet file, to be decided on.

    Fill in its column 'action' with A (accept), R (reject) or P (keep pending), in any spreadsheet; rows left
    empty stay undecided; a .xlsx workbook has lists to choose from. A credit note that is accepted also needs
    its column 'ITC reduction': none, full, or rupees such as igst=10.50. Then push the file.

    Many taxpayers go into one file, or into a folder with a file for each. One whose session has ended is
    named and skipped. No file that is there already is replaced without --overwrite; --keep brings it up to
    date, and keeps what you typed. An action on a record that has changed since is moved to the column
    'earlier action': look at the row, and decide it again.

    Without access to an API, --from takes the records of the portal's own download, and asks no gateway.
    """
    wanted = None if section is None else [Section.parse(name) for name in section]
    action, check = None if status is None else Action.parse(status), not no_check
    names = gstins_of(gstin or [], gstins, check=check)
    found = None if source is None else records_of(console, source, names, wanted, action, check=check)
    folder, target = folder_of(where.target), Path(where.target)
    files = where.files(names if found is None else [found.gstin], check=check)
    _check_targets(console, files, folder)
    names = list(files.of)
    only = names[0] if len(names) == 1 and folder is None else None
    if found is not None:
        asked = Pull(
            console, found, files, wanted, action, only, ("--from", str(source), "--to", "upload.json")
        )
    else:
        settings = gather_for(gsp, names, named=bool(gstin), check=check, rate=rate)
        console.asks(settings)
        asked = Pull(console, Gateway(settings, concurrency, first_poll), files, wanted, action, only)
    return asked.into(target, folder)


def _check_targets(console: Console, files: PulledFiles, folder: Path | None) -> None:
    """Refuse what would be replaced, or cannot be written, before anything is asked."""
    if console.report and console.report.resolve() in {file.resolve() for file in files.each}:
        raise InvalidInput(f"{console.report} is to hold the records: name another file for --report")
    new = [file for file in files.each if file not in files.there]
    check_targets(new, folder, overwrite=console.overwrite)
    check_targets([file for file in files.each if file in files.there], folder, overwrite=True)


class _NothingReadError(Exception):
    """Nobody's records could be read: the file that was there is better than an empty one."""


@attrs.frozen
class Gateway:
    """Who is asked, and how."""

    settings: Settings
    concurrency: int
    first_poll: float


@attrs.frozen
class Pull:
    """What is to be pulled, and how. One of many taxpayers that cannot be read is named and skipped."""

    console: Console
    source: Gateway | Pulled
    """A gateway, or what was read from the portal's own file."""
    files: PulledFiles
    sections: Sequence[Section] | None
    status: Action | None
    only: str | None
    """The taxpayer, if one file is to hold those of one: what is wrong with it is raised."""
    then: tuple[str, ...] = ()
    """The options of the push that takes what is pulled."""
    facts: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    """The facts of each GSTIN, for `--json`."""
    left_out: list[Problem] = attrs.field(factory=list)
    """The rows that cannot be read, and the taxpayers that are skipped."""
    said: Grouped = attrs.field(
        default=attrs.Factory(lambda self: Grouped(self.console.tell), takes_self=True), init=False
    )

    def into(self, target: Path, folder: Path | None) -> int:
        """Write what is pulled; return the exit code."""
        if folder is None and not self.files.there:
            return self._into_file(target)
        return self._into_files(target, {"file" if folder is None else "folder": str(folder or target)})

    def _into_file(self, out: Path) -> int:
        """Write all into one file, which is replaced when all of it is written."""
        try:
            with tables.writing_invoices(out, overwrite=self.console.overwrite) as add:
                self.console.wait_for(self._pull(lambda found: add(found.gstin, found.invoices)))
                if not self._any_read:
                    raise _NothingReadError
        except _NothingReadError:
            return self._end(None, {"file": None})
        if is_file(out) and out.stat().st_size > LONGEST_FILE:
            self.console.tell(f"{out} is larger than push reads: pull into a folder, --out {out.stem}/")
        return self._end(out, {"file": str(out)})

    def _into_files(self, target: Path, facts: dict[str, Any]) -> int:
        """Write each taxpayer's file, as its records come; one that is there is brought up to date."""

        def write(found: Pulled) -> None:
            file, overwrite = self.files.of[found.gstin], self.console.overwrite
            if file not in self.files.there:
                tables.write_invoices(file, found.invoices, gstin=found.gstin, overwrite=overwrite)
                self.facts[found.gstin]["file"] = str(file)
            elif self.files.add(found):
                self._merge(file)

        self.console.wait_for(self._pull(write))
        for file in self.files.left():
            self._merge(file)
        return self._end(target if self._any_read else None, facts)

    def _merge(self, file: Path) -> None:
        """Bring a file up to date. What is wrong with it leaves it as it is, and is its taxpayers' error."""
        own = [gstin for gstin, other in self.files.of.items() if other == file]
        try:
            kept = self.files.write(file, self._complete)
        except InvalidInput as error:
            if self.only:
                raise
            for gstin in own:
                if "records" in self.facts.get(gstin, ()):
                    self._skip(gstin, words_of(error), "file")
            return
        for gstin, one in kept.items():
            self.facts[gstin] |= {"file": str(file), **attrs.asdict(one)}

    def _complete(self, found: Pulled) -> set[Section]:
        """Return the sections of which every record was read: what is not among them is gone."""
        if self.status is not None:
            return set()
        partly = {section for section, rows in found.sections.items() if rows.problems}
        wanted = set(self.sections or Section)
        if isinstance(self.source, Pulled):  # whether the portal's download has every section is not known
            wanted &= {section for section, rows in found.sections.items() if rows}
        return wanted - partly - set(found.queued)

    @property
    def _any_read(self) -> bool:
        return any("records" in facts for facts in self.facts.values())

    async def _pull(self, write: Callable[[Pulled], object]) -> None:
        asked, gstins = self.source, list(self.files.of)
        if isinstance(asked, Pulled):
            self._take(asked, write)
            return
        async with asked.settings.client(first_poll=asked.first_poll) as client:
            if self.only is not None:
                self._take(await self._of_one(client, asked), write)
                return
            asked.settings.hand_in_token(client)
            wanted: dict[str, Any] = {"sections": self.sections, "status": self.status}
            limits: dict[str, Any] = {"concurrency": asked.concurrency, "check": asked.settings.check}
            run = bulk.pull_all(client, gstins, **wanted, **limits)
            with ticking(self.console, "pulled", len(gstins)) as tick:
                async with contextlib.aclosing(run.__aiter__()) as all_found:
                    async for found in all_found:
                        if isinstance(found.error, ImsError) and is_everybodys(found.error):
                            self._stop(found.error, gstins)
                            return
                        self._take(found, write)
                        tick()
                        del found

    async def _of_one(self, client: ImsClient, asked: Gateway) -> Pulled:
        """Ask for all sections at once: the gateway prepares their rows together, where it has to."""
        taxpayer = asked.settings.taxpayer(client)
        queued: dict[Section, DownloadQueued] = {}

        async def read(section: Section) -> InvoiceList:
            try:
                rows = await taxpayer.invoices(section, self.status, strict=False)
            except DownloadQueued as error:
                queued[section] = error
                return InvoiceList()
            self.console.tell(f"{section}: {counted(len(rows), 'record')}")
            return rows

        wanted = self.sections or list(Section)
        answers = zip(wanted, await asyncio.gather(*map(read, wanted)), strict=True)
        found = {section: rows for section, rows in answers if section not in queued}
        error, count = next(iter(queued.values()), None), sum(map(len, found.values()))
        return Pulled(gstin=self.only or "", sections=found, queued=queued, error=error, count=count)

    def _take(self, found: Pulled, write: Callable[[Pulled], object]) -> None:
        """Write a taxpayer's records, and say what is wrong with them, or why there are none."""
        console, whose = self.console, "" if self.only else f"{found.gstin}: "
        facts = self.facts[found.gstin] = {}
        missing = [self._missing(found.gstin, name, error) for name, error in found.queued.items()]
        if found.error is not None and not found.count:
            why = "; ".join(map(str, missing)) or console.reason(found.gstin, found.error)
            if self.only:
                raise DownloadQueued(why)
            self._skip(found.gstin, why, kind_of(found.error))
            return
        facts["records"] = found.count
        facts["sections"] = {name.value: len(rows) for name, rows in found.sections.items()}
        facts["problems"] = [*found.problems, *map(str, missing)]
        facts["missing"] = list(found.queued)
        for one in missing:
            self.said.add(one.kind, f"{whose}{one}")
        if not self.only and not console.error_screen().is_terminal:
            console.tell(f"{found.gstin}: {counted(found.count, 'record')}")
        for section, rows in found.sections.items():
            for text in rows.problems:
                kind = f"unreadable-{section}"
                self.left_out.append(Problem(text, kind=kind, gstin=found.gstin))
                self.said.add(kind, f"{whose}a row cannot be read and is left out: {text}")
            for name in rows.other:
                unknown = f"the answer also holds {name!r}, which this release does not know"
                console.tell(f"{whose}{section}: {unknown}")
        self.left_out.extend(missing)
        write(found)

    def _skip(self, gstin: str, why: str, kind: str) -> None:
        self.facts[gstin] = {"error": why}
        self.said.add(f"skipped, {kind}", f"{gstin} is skipped: {why}")
        self.left_out.append(Problem(why, kind=kind, gstin=gstin))

    def _missing(self, gstin: str, section: Section, error: DownloadQueued) -> Problem:
        """Say why a section's records are not in the file, and how they can be had."""
        why = self.console.sentence(error)
        if error.download is None and isinstance(self.source, Gateway) and self.status is None:
            command = attrs.evolve(self.console.commands, gstin=gstin).pull(section, "no_action")
            why += f"; the records at one action may come at once: `{command}`"
        return Problem(f"{section}: {why}", kind="section-missing", gstin=gstin)

    def _stop(self, error: ImsError, gstins: Sequence[str]) -> None:
        """Ask no more, and keep what was read; where nothing was, the error says all there is to say."""
        if not self._any_read:
            raise error
        for gstin in gstins:
            self.facts.setdefault(gstin, {"error": self.console.reason(gstin, error)})
        self.console.tell(f"{self.console.sentence(error)}: the others were not asked for.")

    def _end(self, out: Path | None, facts: dict[str, Any]) -> int:
        console, left_out = self.console, self.left_out
        self.said.end()
        file = facts["report_file"] = console.report_file
        if file is not None:
            lines = (("left out", problem) for problem in left_out)
            tables.write_problems(file, lines, overwrite=console.overwrite)
            console.say(f"What was left out is in {file}: {counted(len(left_out), 'line')}.")
        skipped = [gstin for gstin, own in self.facts.items() if "error" in own]
        lacking = {
            gstin: f" without {', '.join(own['missing'])}"
            for gstin, own in self.facts.items()
            if own.get("missing")
        }
        records = sum(own.get("records", 0) for own in self.facts.values())
        if self.files.there:
            facts |= tell_changes(console, self.facts)
        if out is None:
            console.say("Nothing was written: no taxpayer's records could be read.")
        else:
            of_all = f" of {counted(len(self.facts) - len(skipped), 'taxpayer')}"
            whose, lacks = ("", lacking.pop(self.only, "")) if self.only else (of_all, "")
            where = f"{counted(records, 'record')}{whose} {are(records)} in {out}{lacks}"
            console.say(
                f"{where}. Fill in the column 'action', then: {console.commands.push(out, *self.then)}"
            )
        if lacking:
            names = "; ".join(gstin + lacks for gstin, lacks in lacking.items())
            console.say(f"{counted(len(lacking), 'taxpayer')} {are(len(lacking))} incomplete: {names}.")
        if skipped:
            console.say(f"{counted(len(skipped), 'taxpayer')} skipped: {', '.join(skipped)}.")
        ok = not skipped and not any(own["problems"] for own in self.facts.values())
        facts["findings"] = [one.facts for one in left_out]
        facts |= {"gstin": self.only, **self.facts[self.only]} if self.only else {"taxpayers": self.facts}
        console.document({"ok": ok, "records": records, **facts})
        return OK if ok else NOT_ALL_WELL
