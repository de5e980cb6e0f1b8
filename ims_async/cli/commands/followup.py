"""`followup`: what to send to each supplier, a line for each, ready for a mail merge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from ... import decide, tables
from ...decide.followup import Followup, Followups, Topic, counts
from ...decide.sheets import differences_of
from ...tables import SheetRow
from ...tables.columns import unshielded
from ...tables.row import any_action
from ...tables.writing import write_rows
from .. import options
from ..command import command
from ..inputs.settings import checked_gstin
from ..inputs.sheets import Books, read_books, read_sheets
from ..output import tables as show
from ..output.console import OK, Console
from ..output.tables import counted


@command()
def followup(
    console: Console,
    files: options.MatchedFiles,
    out: Annotated[
        Path,
        options.option(
            "--out FILE", "The .csv or .xlsx file to write: a line for each supplier.", "followup.csv"
        ),
    ],
    register: Annotated[
        Path | None,
        options.option(
            "--register FILE_OR_FOLDER",
            "The purchase register, for what differs from it, and what is only in it; without it, what match "
            "has written into the files.",
            "purchases.csv",
        ),
    ] = None,
    columns: options.RegisterColumns = None,
    overwrite: options.Overwrite = False,
    gstin: options.OwnGstin = None,
    no_check: options.NoCheck = False,
) -> int:
    """Write what is to be asked of each supplier: rejected, pending, different, not filed, only in books.

    The action of a record is that of its column 'action', else the one when pulled. Each line has a supplier,
    the number, tax in rupees and list of documents of each kind, and a message. It works offline.
    """
    tables.check_writable(out, overwrite=overwrite)
    own = checked_gstin(gstin, check=not no_check)
    named = own if gstin else None
    besides = [out, *([] if register is None else [register])]
    _, rows = read_sheets(files, *besides, gstin=named, otherwise=own, check=not no_check)
    found = Followups()
    if register is None:
        for taxpayer, records in rows.items():
            for row in records:
                _add(found, taxpayer, row, row["match"], row["difference"])
    else:
        _from_books(console, found, read_books(console, register, columns, rows), rows)
    everything = found.sorted()
    write_rows(out, _HEADINGS, map(_cells, everything), overwrite=overwrite)
    return _tell(console, out, everything)


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


_HEADINGS = (
    *("GSTIN", "supplier", "supplier name"),
    *(heading for topic in Topic for heading in (topic.value, f"{topic} tax", f"{topic} documents")),
    "message",
)


def _cells(one: Followup) -> tuple[object, ...]:
    cells: list[object] = [one.gstin, one.supplier, one.supplier_name]
    for topic in Topic:
        cells += (str(len(one.of(topic))), one.tax(topic), one.named(topic))
    return (*cells, one.message)


def _tell(console: Console, out: Path, found: Sequence[Followup]) -> int:
    totals = counts(found)
    rows = [(topic.value, count, show.rupees(tax)) for topic, (count, tax) in totals.items()]
    console.show(show.table("to be followed up", ("what", "documents", "tax"), rows))
    console.say()
    console.say(f"{counted(len(found), 'supplier')} in {out}, with a message for each.")
    topics: dict[str, Any] = {
        topic.value: {"documents": count, "tax": tax} for topic, (count, tax) in totals.items()
    }
    console.document({"ok": True, "file": str(out), "suppliers": len(found), "topics": topics})
    return OK
