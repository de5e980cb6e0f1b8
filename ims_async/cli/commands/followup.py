"""`followup`: what to send to each supplier, or customer, a line for each, ready for a mail merge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import attrs

from ... import decide, tables
from ...decide.followup import CUSTOMER_TOPICS, SUPPLIER_TOPICS, Followup, Followups, Topic, counts
from ...decide.sheets import differences_of
from ...decide.tolerance import amount_of
from ...errors import InvalidInput
from ...tables import Problem, SheetRow, problems_of
from ...tables.columns import unshielded
from ...tables.formats import NAMES
from ...tables.problems import raise_all
from ...tables.row import any_action
from ...tables.writing import write_rows
from .. import options
from ..command import command
from ..inputs.lists import decision_files
from ..inputs.settings import checked_gstin
from ..inputs.sheets import Books, check_report, read_books, read_sheets, tell_skipped
from ..output import tables as show
from ..output.console import NOT_ALL_WELL, OK, Console
from ..output.tables import counted


@attrs.frozen(kw_only=True)
class Asked:
    """Whose side it is, and where it is to be written."""

    out: Annotated[
        Path,
        options.option(
            "--out FILE",
            f"The file to write ({NAMES}): a line for each supplier, or customer.",
            "followup.csv",
        ),
    ]
    register: Annotated[
        Path | None,
        options.option(
            "--register FILE_OR_FOLDER",
            "The purchase register, for what differs from it, and what is only in it; without it, what match "
            "has written into the files.",
            "purchases.csv",
        ),
    ] = None
    columns: options.RegisterColumns = None
    sales: Annotated[
        list[Path] | None,
        options.option(
            "--sales FILE_OR_FOLDER",
            "Files that sales wrote: a line for each customer, in place of the suppliers.",
            "sales.csv",
        ),
    ] = None
    above: Annotated[
        str,
        options.option(
            "--above RUPEES",
            "With --sales: of the documents without an action only those with a larger value.",
            "100000",
        ),
    ] = "0"
    gstin: options.OwnGstin = None
    no_check: options.NoCheck = False


@command(report=options.ProblemsReport)
def followup(console: Console, asked: Asked, files: options.FollowedFiles = None) -> int:
    """Write what is to be asked of each supplier: rejected, pending, different, not filed, only in books.

    The action of a record is that of its column 'action', else the one when pulled. Each line has a supplier,
    the number, tax in rupees and list of documents of each kind, and a message. With --sales it is what is to
    be asked of each customer about your own documents: rejected, kept pending, without an action. It works
    offline.
    """
    if bool(files) == bool(asked.sales):
        raise InvalidInput(
            "name files that pull wrote, for the suppliers; or --sales FILE, for the customers"
        )
    tables.check_writable(asked.out, overwrite=console.overwrite)
    found = Followups()
    if asked.sales:
        check_report(console, [*asked.sales, asked.out])
        _from_sales(found, asked)
        return _tell(console, asked.out, found.sorted(), "customer")
    own = checked_gstin(asked.gstin, check=not asked.no_check)
    named = own if asked.gstin else None
    besides = [asked.out, *([] if asked.register is None else [asked.register])]
    check = not asked.no_check
    _, rows = read_sheets(console, files or [], *besides, gstin=named, otherwise=own, check=check)
    skipped: Sequence[Problem] = ()
    if asked.register is None:
        for taxpayer, records in rows.items():
            for row in records:
                _add(found, taxpayer, row, row["match"], row["difference"])
    else:
        books, skipped = read_books(console, asked.register, asked.columns, rows)
        _from_books(console, found, books, rows)
    return _tell(console, asked.out, found.sorted(), "supplier", skipped)


def _from_sales(found: Followups, asked: Asked) -> None:
    """Read the files of sales; what is wrong with any of them is raised at once."""
    own = checked_gstin(asked.gstin, check=not asked.no_check)
    try:
        above = amount_of(asked.above)
    except InvalidInput as error:
        raise InvalidInput(f"--above: {error}") from None
    files, _, problems = decision_files(asked.sales or [], sales=True)
    sales: dict[str, list[Any]] = {}
    for file in files:
        if file.resolve() == asked.out.resolve():
            continue
        try:
            for gstin, those in tables.read_sales(file).items():
                sales.setdefault(gstin or own, []).extend(those)
        except InvalidInput as error:
            problems += problems_of(error)
    raise_all(problems)
    if asked.gstin and (others := sorted(sales.keys() - {own})):
        raise InvalidInput(f"there are documents of {others[0]} in the files: leave out --gstin {own}")
    for gstin, those in sales.items():
        found.add_sales(gstin, those, above=above)


def _from_books(
    console: Console, found: Followups, books: Sequence[Books], rows: dict[str, list[SheetRow]]
) -> None:
    owners = {id(row): gstin for gstin, own in rows.items() for row in own}
    for one in books:
        matching = console.wait_for(decide.match_async((row.invoice for row in one.rows), one.register))
        for row, match in zip(one.rows, matching, strict=True):
            _add(found, owners[id(row)], row, match.kind, differences_of(match))
        whose = {owners[id(row)] for row in one.rows}
        for entry in matching.only_in_books:
            found.add_entry(next(iter(whose)) if len(whose) == 1 else "", entry)


def _add(found: Followups, gstin: str, row: SheetRow, kind: str, difference: str) -> None:
    action = any_action(row["action"]) or row.invoice.action
    cells = {"difference": difference, "remarks": unshielded(row["remarks"])}
    found.add_record(gstin, row.invoice, action, kind=kind.lower(), **cells)


def _cells(one: Followup, topics: Sequence[Topic]) -> tuple[object, ...]:
    cells: list[object] = [one.gstin, one.party]
    if topics is SUPPLIER_TOPICS:  # sales name no customer
        cells.append(one.name)
    for topic in topics:
        cells += (str(len(one.of(topic))), one.tax(topic), one.named(topic))
    return (*cells, one.message)


def _tell(
    console: Console, out: Path, found: Sequence[Followup], whom: str, skipped: Sequence[Problem] = ()
) -> int:
    """Write a line for each supplier or customer, and show the sums."""
    topics = CUSTOMER_TOPICS if whom == "customer" else SUPPLIER_TOPICS
    of_topics = (
        heading for topic in topics for heading in (topic.value, f"{topic} tax", f"{topic} documents")
    )
    named = ("supplier name",) if topics is SUPPLIER_TOPICS else ()
    headings = ("GSTIN", whom, *named, *of_topics, "message")
    write_rows(out, headings, (_cells(one, topics) for one in found), overwrite=console.overwrite)
    totals = counts(found, topics)
    rows = [(topic.value, count, show.rupees(tax)) for topic, (count, tax) in totals.items()]
    console.show(show.table("to be followed up", ("what", "documents", "tax"), rows))
    console.say()
    console.say(f"{counted(len(found), whom)} in {out}, with a message for each.")
    facts: dict[str, Any] = {
        topic.value: {"documents": count, "tax": tax} for topic, (count, tax) in totals.items()
    }
    said = tell_skipped(console, skipped)
    console.document({**said, "file": str(out), f"{whom}s": len(found), "topics": facts})
    return NOT_ALL_WELL if skipped else OK
