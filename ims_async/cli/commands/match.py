"""`match`: the sheets of a pull against the purchase register, decided by a firm's policy, offline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

import attrs
from rich.progress import TaskID

from ... import decide
from ...decide import Decided, Entry, Outcome, Policy
from ...decide.sheets import ACTED_ON, AMENDED, TYPED, FilledIn, fill_in
from ...tables import Problem, Sheet
from ...tables.columns import MATCH_COLUMNS
from ...tables.formats import NAMES
from .. import options
from ..command import command
from ..inputs.settings import checked_gstin
from ..inputs.sheets import Books, check_report, read_books, read_sheets, targets_of, tell_skipped
from ..output import tables as show
from ..output.console import NOT_ALL_WELL, OK, Console
from ..output.progress import bars_of
from ..output.tables import counted

_LARGEST: Final = 10  # suppliers
_ORDER: Final = (*map(str, Outcome), TYPED, AMENDED, ACTED_ON)
_DECIDED: Final = (Outcome.ACCEPT, Outcome.REJECT, Outcome.PENDING)
_REST: Final = {
    Outcome.LEAVE: "left to you",
    TYPED: "as you typed",
    AMENDED: "changed since you decided",
    ACTED_ON: "acted on already",
}


@attrs.frozen(kw_only=True)
class Asked:
    """How it is to be matched, and where it is to be written."""

    register: Annotated[
        Path,
        options.option(
            "--register FILE_OR_FOLDER",
            f"The purchase register ({NAMES}); or a folder with a file GSTIN.csv, or of another of these "
            "formats, for each taxpayer.",
            "purchases.csv",
        ),
    ]
    policy: Annotated[
        Path | None,
        options.option(
            "--policy FILE",
            "The firm's policy; without it what matches is accepted, and the rest is left to you. "
            "`ims-async policy init` writes one.",
            "firm.toml",
        ),
    ] = None
    columns: options.RegisterColumns = None
    out: Annotated[
        str | None,
        options.option(
            "--out FILE_OR_FOLDER",
            "Write the sheets here (a name with a slash at its end is a folder), and leave the files alone.",
            "decided/",
        ),
    ] = None
    dry_run: Annotated[
        bool, options.option("--dry-run", "Show what would be decided, and write nothing.")
    ] = False
    overwrite_actions: Annotated[
        bool,
        options.option(
            "--overwrite-actions", "Decide anew where the column 'action' is filled in, also where you did."
        ),
    ] = False
    gstin: options.OwnGstin = None
    no_check: options.NoCheck = False


@command(report=options.ProblemsReport)
def match(
    console: Console,
    files: options.MatchedFiles,
    asked: Asked,
) -> int:
    """Match the records of files with the purchase register, and fill in what a policy decides.

    It works offline, from the files alone: action, kind of match, reason, book entry and difference (the
    books less the gateway, in rupees) are written into them, and ITC reduction and remarks where they are
    empty. An action that you typed is kept. What was accepted or rejected at the gateway already stands.
    Nothing is sent: look at the files, then check and push them.
    """
    policy, check = Policy() if asked.policy is None else Policy.load(asked.policy), not asked.no_check
    own = checked_gstin(asked.gstin, check=check)
    named = own if asked.gstin else None
    console.tell(f"Reading {', '.join(map(str, files))} and {asked.register}.")
    sheets, rows = read_sheets(console, files, asked.register, gstin=named, otherwise=own, check=check)
    targets = {} if asked.dry_run else targets_of(sheets, asked.out, overwrite=console.overwrite)
    books, skipped = read_books(console, asked.register, asked.columns, rows)
    check_report(console, [*targets])
    matched = {id(row) for some in books for row in some.rows}
    sheets = [one for one in sheets if not one.records or any(id(row) in matched for row in one.records)]
    targets = {file: sheet for file, sheet in targets.items() if any(sheet is one for one in sheets)}
    for sheet in sheets:
        sheet.add_columns(MATCH_COLUMNS, after="action")
    found, only_in_books = _decide(console, books, policy, overwrite=asked.overwrite_actions)
    for file, sheet in targets.items():
        sheet.write(file, overwrite=console.overwrite or file.resolve() == sheet.file.resolve())
    outcome = _Matched(console, sheets, found, only_in_books, list(targets), skipped)
    return outcome.tell(_where(files, asked.out))


def _where(files: Sequence[Path], out: str | None) -> str:
    """Return what the next command is to be given; empty if that is more than one name."""
    return out or (str(files[0]) if len(files) == 1 else "")


def _decide(
    console: Console, books: Sequence[Books], policy: Policy, *, overwrite: bool
) -> tuple[list[FilledIn], list[Entry]]:
    """Match and decide, and fill in the rows; return what became of each, and the entries that are left."""

    async def work(done: Callable[[], None]) -> list[Decided]:
        found: list[Decided] = []
        for one in books:
            invoices = (row.invoice for row in one.rows)
            found.append(await decide.decide_async(invoices, policy, one.register))
            done()
        return found

    records, entries = sum(len(one.rows) for one in books), sum(len(one.register) for one in books)
    console.tell(f"Matching {counted(records, 'record')} with {entries:,} entries of the books.")
    live = bars_of(console)
    with live or nullcontext():
        line = live.add_task("matching", total=len(books), state="") if live else TaskID(0)
        decided = console.wait_for(work(lambda: live.advance(line) if live else None))
    filled = [
        row
        for one, own in zip(books, decided, strict=True)
        for row in fill_in(one.rows, own, overwrite=overwrite)
    ]
    return filled, [entry for own in decided for entry in own.matching.only_in_books]


@attrs.define
class _Sum:
    """Records of one kind, in rupees: credit notes lower the credit."""

    records: int = 0
    taxable_value: Decimal = Decimal(0)
    itc: Decimal = Decimal(0)

    def add(self, one: FilledIn) -> None:
        """Add one record."""
        self.records += 1
        self.taxable_value += show.signed(one.row.invoice, one.row.invoice.taxable_value)
        self.itc += show.itc_of(one.row.invoice)


@attrs.frozen
class _Matched:
    """What the matching found, to be shown."""

    console: Console
    sheets: Sequence[Sheet]
    found: Sequence[FilledIn]
    only_in_books: Sequence[Entry]
    written: Sequence[Path]
    skipped: Sequence[Problem]

    def tell(self, where: str) -> int:
        """Show the figures, and return the exit code."""
        console, sums = self.console, self._sums("outcome", "kind", "section")
        suppliers = self._largest_suppliers()
        for title, headings, rows in (
            ("decisions by kind", ("outcome", "kind"), self._sums("outcome", "kind")),
            ("decisions by section", ("outcome", "section"), self._sums("outcome", "section")),
            ("the largest suppliers", ("supplier", "name"), suppliers),
        ):
            cells = [
                (*names, total.records, show.rupees(total.taxable_value), show.rupees(total.itc))
                for names, total in rows.items()
            ]
            title = f"{title}, in rupees; credit notes are negative"
            console.show(show.table(title, (*headings, "records", "taxable value", "ITC"), cells))
            console.say()
        console.say(self._sentence())
        if self.written:
            command = console.commands.push(where or "FILES", verb="check")
            written = counted(len(self.written), "file")
            console.say(f"Written: {written}. Look at what is left, then `{command}`.")
        else:
            console.say("Nothing was written.")
        facts = {**tell_skipped(console, self.skipped), "files": [str(sheet.file) for sheet in self.sheets]}
        facts |= {"written": [str(file) for file in self.written], "records": len(self.found)}
        facts["outcomes"] = _facts(("outcome", "kind", "section"), sums)
        facts["largest_suppliers"] = _facts(("supplier", "name"), suppliers)
        facts["only_in_books"] = [show.facts_of(entry) for entry in self.only_in_books]
        console.document(facts)
        return NOT_ALL_WELL if self.skipped else OK

    def _sums(self, *by: str) -> dict[tuple[str, ...], _Sum]:
        """Add up the records that have the same outcome, kind, section or supplier, in an order."""
        found: dict[tuple[str, ...], _Sum] = {}
        for one in self.found:
            record = one.row.invoice
            names = {"outcome": one.outcome, "kind": str(one.judged.match.kind)}
            names |= {"section": str(record.section), "supplier": record.supplier}
            found.setdefault(tuple(names[name] for name in by), _Sum()).add(one)
        order = {word: place for place, word in enumerate(_ORDER)}
        return {key: found[key] for key in sorted(found, key=lambda key: (order.get(key[0], 0), key))}

    def _largest_suppliers(self) -> dict[tuple[str, ...], _Sum]:
        names = {one.row.invoice.supplier: one.row.invoice.supplier_name or "" for one in self.found}
        sums = self._sums("supplier").items()
        largest = sorted(sums, key=lambda one: (-abs(one[1].itc), one[0]))[:_LARGEST]
        return {(supplier, names[supplier]): total for (supplier,), total in largest}

    def _sentence(self) -> str:
        counts = {word: sum(one.outcome == word for one in self.found) for word in _ORDER}
        decided = {word: counts[word] for word in _DECIDED if counts[word]}
        total = sum(decided.values())
        what = ", ".join(f"{word} {count:,}" for word, count in decided.items())
        said = [f"{total:,} of {counted(len(self.found), 'record')} {show.are(total)} decided"]
        said[0] += f" ({what})" if decided else ""
        for word, words in _REST.items():
            if counts[word]:
                said.append(f"{counts[word]:,} {show.are(counts[word])} {words}")
        left = len(self.only_in_books)
        if left:
            tax = sum((entry.tax for entry in self.only_in_books), Decimal(0))
            entries = f"{left:,} {'entry' if left == 1 else 'entries'} with tax of {tax:,.2f} rupees"
            said.append(f"{entries} {show.are(left)} only in the books")
        return f"{', '.join(said)}."


def _facts(names: Sequence[str], sums: dict[tuple[str, ...], _Sum]) -> list[dict[str, Any]]:
    return [{**dict(zip(names, key, strict=True)), **attrs.asdict(total)} for key, total in sums.items()]
