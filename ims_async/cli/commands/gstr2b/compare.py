"""`gstr2b compare`: the records of IMS with GSTR-2B, each from files or read now."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import attrs

from .... import decide, tables
from ....bulk.gstr2b import by_gateway, changes_since, draft_of, gstins_due, recompute_due
from ....decide import Comparison
from ....decide.comparison.writing import COLUMNS, comparison_rows
from ....errors import ImsError, InvalidInput, JournalError
from ....model.gstr2b import Filing, Gstr2b
from ....model.records import Invoice
from ....model.vocabulary import year_and_month
from ....tables.formats import NAMES
from ....tables.writing import writing_rows
from ....taxpayer import Taxpayer
from ... import options
from ...command import command
from ...inputs.asking import ask_each
from ...inputs.compared import records_as_pulled, statement_files, statement_from
from ...inputs.files import taxpayers_of
from ...inputs.filings import Filings
from ...inputs.settings import Settings, gather_for, journal_if_any
from ...output import statements
from ...output.comparisons import ComparedTally
from ...output.console import NOT_ALL_WELL, OK, Console
from ...output.grouping import Grouped, kind_of
from ...output.tables import counted
from .stopped import not_asked_for

_STATEMENT = (
    "a .json file that gstr2b pull wrote, or GSTN's own; or a folder with a file GSTIN.json of each taxpayer"
)


@attrs.frozen(kw_only=True)
class Asked:
    """What is compared, and where it is written."""

    period: Annotated[
        str | None,
        options.option("--period MMYYYY", "The GSTR-2B period; that of --statement otherwise.", "102026"),
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
            "--before FILE_OR_FOLDER",
            "An earlier GSTR-2B of the same period, such as the draft, to show what has changed in the "
            f"credit: {_STATEMENT}.",
            "draft/",
        ),
    ] = None
    out: Annotated[
        Path | None,
        options.option(
            "--out FILE",
            f"Write to this file ({NAMES}) a line for each record and document: its kind, the reason, and "
            "the amounts of both.",
            "compared.xlsx",
        ),
    ] = None
    ask_filing: Annotated[
        bool,
        options.option(
            "--ask-filing",
            "Ask the gateway whether GSTR-3B of the period is filed, and of the period before if what is "
            "missing depends on it: two or three requests each, all billed.",
        ),
    ] = False
    gstin: options.ManyGstins = None
    gstins: options.GstinsFile = None
    gsp: options.GspName = None
    concurrency: options.Concurrency = options.READ_AT_ONCE
    rate: options.Rate = None
    journal: Annotated[
        Path | None,
        options.option(
            "--journal FILE",
            "The journal of what was sent, which shows whether GSTR-2B is older than the actions; "
            "IMS_JOURNAL otherwise, else journal.db in ~/.local/state/ims-async.",
            "november.db",
        ),
    ] = None
    no_check: options.NoCheck = False
    overwrite: options.Overwrite = False
    first_poll: options.FirstPoll = options.FIRST_POLL


@command(says_due=True)
def compare(console: Console, asked: Asked, files: options.ComparedFiles = None) -> int:
    """Compare the records of IMS with the GSTR-2B of a period, and say what differs, in rupees.

    Both are read now, or taken from files: the records from those that pull wrote, as they stood in IMS then,
    the GSTR-2B from --statement. With both from files no gateway is asked.

    Each record and each document is in one kind. Those that need a person come first, each with its reason:
    missing in the GSTR-2B, rejected but counted, other amounts, and so on. The credit is what the GSTR-2B
    gives; expected is what it should give by the actions in IMS; the difference is what it gives too much,
    below zero too little.

    What is found does not change the exit code: 0, or 1 where a taxpayer was skipped. With --fail-if-due it
    is 3 where a GSTR-2B is due to be computed anew.
    """
    if asked.out is not None:
        tables.check_writable(asked.out, overwrite=asked.overwrite)
    check = not asked.no_check
    records = _records_of(console, files, asked, check=check) if files else None
    own = statement_files(asked.statement)
    earlier = statement_files(asked.before)
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
    named = asked.gstin or []
    if len(named) > 1 or asked.gstins is not None:
        raise InvalidInput("the files say whose the records are: name one --gstin at most, and no --gstins")
    return records_as_pulled(console, files, named[0] if named else None, check=check)


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
    without_before: dict[str, str] = attrs.field(factory=dict)
    """Whose earlier GSTR-2B could not be had, and why."""
    said: Grouped = attrs.field(init=False)
    """Which returns cannot be asked about, and whose earlier GSTR-2B is not there."""

    @said.default
    def _grouped(self) -> Grouped:
        return Grouped(self.console.tell)

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
            self.said.end()
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
                self.console.due = None
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
        statement = before = None
        if self.asked.statement:
            statement = statement_from(self.own, gstin, self.period, option="--statement")
        if self.asked.before:
            before = self._before(gstin)
        records, filings = None if self.records is None else self.records[gstin], []
        if taxpayer is not None:
            if statement is None:
                statement = await taxpayer.gstr2b(self.period)
            # Before the records: what is in IMS once GSTR-3B is filed is of a later period.
            filings = await self._filings(taxpayer, self.period)
            if records is None:
                records = [record async for record in taxpayer.all_invoices()]
        assert statement is not None  # noqa: S101 # or there is a taxpayer
        compared = functools.partial(
            decide.compare_async,
            records or (),
            statement,
            before=before,
            recompute_due=True if gstin in due else None,
        )
        found = await compared(filings=filings)
        if taxpayer is not None and found.filing_to_ask is not None:
            earlier = await self._filings(taxpayer, found.filing_to_ask)
            return await compared(filings=[*filings, *earlier]) if earlier else found
        return found

    def _before(self, gstin: str) -> Gstr2b | None:
        """Read a taxpayer's earlier GSTR-2B; one that is missing or damaged is said, and done without."""
        try:
            return statement_from(self.earlier, gstin, self.period, option="--before")
        except InvalidInput as error:
            self.without_before[gstin] = self.console.reason(gstin, error)
            self.said.add(
                "compared without", f"{gstin} is compared without --before: {self.without_before[gstin]}"
            )
            return None

    async def _filings(self, taxpayer: Taxpayer, period: str) -> list[Filing]:
        """Return what is filed of a period, if that is to be asked and can be."""
        if not self.asked.ask_filing:
            return []
        found = Filings()
        await found.ask(taxpayer, [period])
        found.warn(self.console, self.said)
        return list(found.found.values())

    def _tell(self, skipped: Mapping[str, str]) -> int:
        console, tally, out = self.console, self.tally, self.asked.out
        if self.facts:
            self._show()
        else:
            console.say("Nothing was compared.")
            out = None
        names = [gstin for gstin in self.names if gstin in tally.due]
        due = statements.tell_due(console, self.period, names, journal=False)
        if not self.asked.ask_filing:
            for period, gstins in tally.to_ask.items():
                console.say(statements.earlier_may_have_it(period, gstins))
        if out is not None:
            console.say(f"Each record and document is in {out}.")
        if skipped:
            console.say(f"{counted(len(skipped), 'taxpayer')} skipped: {', '.join(skipped)}.")
        facts = {gstin: {"error": why} for gstin, why in skipped.items()} | self.facts
        document = {"ok": not skipped, "period": self.period, "findings": tally.findings}
        document |= {"recompute_due": due, "without_before": self.without_before}
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
