"""`gstr2b compare`: the records of IMS with GSTR-2B, each from files or read now."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import attrs

from .... import decide, tables
from ....bulk.gstr2b import by_gateway, changes_since, draft_of, gstins_due, recompute_due
from ....decide import Comparison
from ....decide.comparison.writing import COLUMNS, comparison_rows
from ....errors import ImsError, InvalidInput, JournalError
from ....files import is_folder
from ....model.gstr2b import Gstr2b
from ....model.records import Invoice
from ....model.vocabulary import Action, year_and_month
from ....tables import SheetRow
from ....tables.formats import NAMES
from ....tables.row import PARSERS, any_action
from ....tables.writing import writing_rows
from ....taxpayer import Taxpayer
from ... import options
from ...command import command
from ...inputs.files import taxpayers_of
from ...inputs.settings import Settings, checked_gstin, gather_for, journal_if_any
from ...inputs.sheets import read_sheets, taxpayers_without
from ...output import statements
from ...output.comparisons import ComparedTally
from ...output.console import NOT_ALL_WELL, OK, Console
from ...output.grouping import Grouped, kind_of
from ...output.tables import are, counted
from .asking import ask_each
from .stopped import not_asked_for

_STATEMENT = "a .json file of gstr2b pull, or GSTN's own; or a folder with a file GSTIN.json of each taxpayer"


@attrs.frozen(kw_only=True)
class Asked:
    """What is compared, and where it is written."""

    period: Annotated[
        str | None, options.option("--period MMYYYY", "The GSTR-2B period, if it is read now.", "102026")
    ] = None
    statement: Annotated[
        Path | None,
        options.option(
            "--statement FILE_OR_FOLDER",
            f"The GSTR-2B: {_STATEMENT}. Without it, it is read now.",
            "statements/",
        ),
    ] = None
    before: Annotated[
        Path | None,
        options.option(
            "--before FILE_OR_FOLDER", f"An earlier GSTR-2B of the period, likewise: {_STATEMENT}.", "draft/"
        ),
    ] = None
    out: Annotated[
        Path | None,
        options.option(
            "--out FILE",
            f"Write to this file ({NAMES}) a line for each record and document, with the amounts of both.",
            "compared.xlsx",
        ),
    ] = None
    ask_filing: options.AskFiling = False
    gstin: options.ManyGstins = None
    gstins: options.GstinsFile = None
    gsp: options.GspName = None
    concurrency: options.Concurrency = options.READ_AT_ONCE
    rate: options.Rate = None
    journal: options.JournalFile = None
    no_check: options.NoCheck = False
    overwrite: options.Overwrite = False
    first_poll: options.FirstPoll = options.FIRST_POLL


@command()
def compare(console: Console, asked: Asked, files: options.ComparedFiles = None) -> int:
    """Compare the records of IMS with GSTR-2B, and say what differs, in rupees.

    The records are those of files that pull wrote, as they stood then, or are read now; so is the GSTR-2B.
    With both from files no gateway is asked. What needs a person comes first: missing, rejected but counted,
    amounts that differ, and so on, each with its reason.

    What is found does not change the exit code: 0, or 1 where a taxpayer was skipped.
    """
    if asked.out is not None:
        tables.check_writable(asked.out, overwrite=asked.overwrite)
    check = not asked.no_check
    records = _records_of(console, files, asked, check=check) if files else None
    own = _statements_of(asked.statement)
    earlier = _statements_of(asked.before)
    if records is not None:
        names = list(records)
    elif not asked.gstin and asked.gstins is None and own:
        names = list(own)
    else:
        names = taxpayers_of(console, [], asked.gstin or [], asked.gstins, check=check)
    period, settings = _period_of(asked, own, names), None
    if records is None or asked.statement is None or asked.ask_filing:
        settings = gather_for(asked.gsp, names, named=bool(asked.gstin), check=check, rate=asked.rate)
        console.asks(settings)
    return _Compare(console, asked, names, period, records, own, earlier, settings).carry_out()


def _records_of(
    console: Console, files: Sequence[Path], asked: Asked, *, check: bool
) -> dict[str, list[Invoice]]:
    """Return the records of files, as they stood when they were pulled."""
    named = asked.gstin or []
    if len(named) > 1 or asked.gstins is not None:
        raise InvalidInput("the files say whose the records are: name one --gstin at most, and no --gstins")
    own = checked_gstin(named[0] if named else None, check=check)
    sheets, rows = read_sheets(console, files, gstin=own if named else None, otherwise=own, check=check)
    if "" in rows:
        raise InvalidInput(f"{rows[''][0].row.file} names no taxpayer: pass --gstin")
    unsent = sum(_is_unsent(row) for those in rows.values() for row in those)
    if unsent:
        console.tell(
            f"{counted(unsent, 'row')} {are(unsent)} decided otherwise than when pulled: what counts here is "
            "how they stood. Push them and pull again (pull --keep), or name no files."
        )
    records = {gstin: list(map(_as_pulled, those)) for gstin, those in rows.items()}
    return {gstin: [] for gstin in taxpayers_without(sheets)} | records


def _is_unsent(row: SheetRow) -> bool:
    typed = any_action(row["action"])
    return typed is not None and typed is not row.invoice.action


def _as_pulled(row: SheetRow) -> Invoice:
    """Return the record with the ITC reduction that it was accepted with, if the gateway showed one."""
    if row.invoice.action is not Action.ACCEPT:
        return row.invoice
    try:
        return attrs.evolve(row.invoice, itc_reduction=PARSERS["ITC reduction"](row["ITC reduction"]))
    except ValueError as error:
        raise InvalidInput(f"{row.row.where('ITC reduction')}: {error}") from None


def _statements_of(given: Path | None) -> Mapping[str, Path]:
    """Return the files of statements by GSTIN. Raises `InvalidInput`."""
    if given is None:
        return {}
    if not is_folder(given):
        return {tables.read_gstr2b(given).gstin.upper(): given}
    found = {file.stem.upper(): file for file in sorted(given.glob("*.json"))}
    if not found:
        raise InvalidInput(f"{given} holds no .json file: gstr2b pull --out {given}/ --format json writes it")
    return found


def _period_of(asked: Asked, own: Mapping[str, Path], names: Sequence[str]) -> str:
    """Return the period that is meant: the statements of these have it, too. Raises `InvalidInput`."""
    if asked.period is not None:
        year_and_month(asked.period)
        return asked.period
    if not own:
        raise InvalidInput("name the period, --period 102026, or a file of GSTR-2B, --statement FILE")
    files = [own[gstin] for gstin in names if gstin in own] or list(own.values())
    return tables.read_gstr2b(files[0]).period


class _NothingComparedError(Exception):
    """Nobody's could be compared: the file that was there is better than an empty one."""


@attrs.frozen
class _Compare:
    """What is compared with what. `records` is None if they are read now; `settings` if nobody is asked."""

    console: Console
    asked: Asked
    names: Sequence[str]
    period: str
    records: Mapping[str, Sequence[Invoice]] | None
    own: Mapping[str, Path]
    earlier: Mapping[str, Path]
    settings: Settings | None
    tally: ComparedTally = attrs.field(factory=ComparedTally)
    facts: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    sentences: list[str] = attrs.field(factory=list)

    def carry_out(self) -> int:
        """Compare each, write and show what was found; return the exit code."""
        due = self.console.wait_for(self._due())
        try:
            return self._tell(self._write(due))
        except _NothingComparedError as error:
            return self._tell(error.args[0])

    def _write(self, due: set[str]) -> dict[str, str]:
        """Write what is found of each as it comes; return who was skipped, and why."""
        asked = self.asked
        with contextlib.ExitStack() as opened:
            write = None
            if asked.out is not None:
                write = opened.enter_context(writing_rows(asked.out, COLUMNS, overwrite=asked.overwrite))

            def heard(gstin: str, found: Comparison) -> None:
                if write is not None:
                    write(comparison_rows(found))
                self.facts[gstin] = self.tally.add(gstin, found)
                self.sentences.append(str(found))

            try:
                skipped = self.console.wait_for(self._compare_all(due, heard))
            except ImsError as error:
                skipped = not_asked_for(self.console, error, self.names, self.facts)
            if not self.facts:
                raise _NothingComparedError(skipped)
        return skipped

    async def _due(self) -> set[str]:
        """Return whose GSTR-2B is older than the actions, as far as the journal knows.

        By what went to the gateway that is asked; where none is asked, by what went to each.
        """
        kept = journal_if_any(self.asked.journal)
        if kept is None:
            return set()
        async with contextlib.aclosing(kept):
            try:
                if self.settings is not None:
                    async with self.settings.client(journal=kept) as client:
                        return {*await recompute_due(client, self.period)}
                changes = await changes_since(kept, draft_of(self.period))
                return {gstin for own in by_gateway(changes) for gstin in gstins_due(own, self.period)}
            except JournalError as error:
                self.console.tell(f"Some of the journal cannot be read: {error}")
                return set()

    async def _compare_all(self, due: set[str], heard: Callable[[str, Comparison], object]) -> dict[str, str]:
        if self.settings is not None:
            return await ask_each(
                self.console,
                self.settings,
                self.names,
                "compared",
                ask=lambda taxpayer: self._compare(taxpayer.gstin, due, taxpayer),
                heard=heard,
                at_once=self.asked.concurrency,
                first_poll=self.asked.first_poll,
            )
        skipped: dict[str, str] = {}
        said = Grouped(self.console.tell)
        for gstin in self.names:
            try:
                found = await self._compare(gstin, due, None)
            except InvalidInput as error:
                if len(self.names) == 1:
                    raise
                skipped[gstin] = self.console.reason(gstin, error)
                said.add(f"skipped, {kind_of(error)}", f"{gstin} is skipped: {skipped[gstin]}")
            else:
                heard(gstin, found)
        said.end()
        return skipped

    async def _compare(self, gstin: str, due: set[str], taxpayer: Taxpayer | None) -> Comparison:
        """Compare one taxpayer's; what does not come from files is asked of the gateway."""
        statement = self._from_file(self.own, gstin) if self.asked.statement else None
        before = self._from_file(self.earlier, gstin) if self.asked.before else None
        records, filings = None if self.records is None else self.records[gstin], []
        if taxpayer is not None:
            if statement is None:
                statement = await taxpayer.gstr2b(self.period)
            if records is None:
                records = [record async for record in taxpayer.all_invoices()]
            if self.asked.ask_filing:
                filings = [await taxpayer.filing(self.period)]
        assert statement is not None  # noqa: S101 # or there is a taxpayer
        return await decide.compare_async(
            records or (),
            statement,
            before=before,
            filings=filings,
            recompute_due=True if gstin in due else None,
        )

    def _from_file(self, files: Mapping[str, Path], gstin: str) -> Gstr2b:
        if gstin not in files:
            option = "--statement" if files is self.own else "--before"
            raise InvalidInput(f"there is no GSTR-2B of {gstin} among the files of {option}")
        found = tables.read_gstr2b(files[gstin])
        if (found.gstin.upper(), found.period) != (gstin, self.period):
            have, want = f"of {found.gstin} for {found.period}", f"of {gstin} for {self.period}"
            if found.gstin.upper() == gstin:
                have, want = f"for {found.period}", f"for {self.period}"
            raise InvalidInput(f"{files[gstin]} is the GSTR-2B {have}, not {want} (--period says which)")
        return found

    def _tell(self, skipped: Mapping[str, str]) -> int:
        console, tally, out = self.console, self.tally, self.asked.out
        if self.facts:
            self._show()
        else:
            console.say("Nothing was compared.")
            out = None
        due = [gstin for gstin in self.names if gstin in tally.due]
        if due:
            console.say(statements.due(console.commands, self.period, due, journal=False))
        if out is not None:
            console.say(f"Each record and document is in {out}.")
        if skipped:
            console.say(f"{counted(len(skipped), 'taxpayer')} skipped: {', '.join(skipped)}.")
        facts = {gstin: {"error": why} for gstin, why in skipped.items()} | self.facts
        document = {"ok": not skipped, "period": self.period, "findings": tally.findings}
        document["recompute_due"] = {"period": self.period, "gstins": due}
        console.document({**document, "file": out and str(out), "taxpayers": facts})
        return NOT_ALL_WELL if skipped else OK

    def _show(self) -> None:
        console, tally = self.console, self.tally
        console.show(tally.by_kind())
        if len(self.facts) > 1:
            console.say()
            console.show(tally.by_taxpayer())
        if (found := tally.what_was_found()) is not None:
            console.say()
            console.show(found)
        console.say()
        if len(self.sentences) == 1:
            console.say(self.sentences[0])
        else:
            needs = "finding needs" if tally.findings == 1 else "findings need"
            said = f"{tally.findings:,} {needs} a person" if tally.findings else "Nothing needs a person"
            console.say(f"{said}, of {counted(len(self.facts), 'taxpayer')} that were compared.")
