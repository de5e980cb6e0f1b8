"""Merge a new read into the sheet of an earlier pull: what became of each record, and all that was typed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from typing import Final

import attrs

from ..errors import InvalidInput
from ..model.records import Invoice
from ..model.vocabulary import Section
from ..tables import Sheet, SheetRow
from ..tables.columns import CHANGE_COLUMNS, GSTIN_COLUMN
from ..tables.matching import records_of
from ..tables.row import any_action, folded_hash
from ..tables.writing import cells_of
from .changes import ChangeKind, RecordChange, changes

_TYPED: Final = ("action", "remarks", "ITC reduction")
_OTHERWISE: Final = frozenset(
    {ChangeKind.AMENDED, ChangeKind.ACTION_CHANGED, ChangeKind.AS_DECIDED, ChangeKind.GONE}
)
"""The changes after which a decision is no longer about the record as it is."""
_NO_HASH: Final = "emptied"
"""In place of the hash of a row that has lost it: whether its record was edited since is not known."""


@attrs.frozen
class Kept:
    """What became of the rows of one taxpayer: how many of each change, and of the actions typed in them.

    `set_aside` counts the actions that were moved into the column `earlier action`, but for those that the
    gateway shows by now; `unread` the rows of sections that were not read.
    """

    changes: Mapping[ChangeKind, int]
    set_aside: int = 0
    unread: int = 0


def keep(
    sheet: Sheet,
    rows: Sequence[SheetRow],
    now: Sequence[Invoice],
    *,
    gstin: str,
    sections: Container[Section],
) -> Kept:
    """Bring the rows of a taxpayer up to date, and add rows for new records; no row is taken away.

    `now` is what was read, `sections` those of which all was read: elsewhere no record is gone. What is in
    `action`, `remarks`, `ITC reduction` and the columns of the user's own stays. An action that was typed on
    a record which is amended, acted on or gone by now is moved to `earlier action`: it is not pushed before
    a person has looked. Where nothing has changed since, the marks in `change` stay too. Raises
    `InvalidInput` for rows that are of two records.
    """
    _check_marks(rows)
    unmarked = not any(one["change"] for one in rows)
    sheet.add_columns(CHANGE_COLUMNS, after="action")
    about = records_of([one.row for one in rows], now, sections=sections)
    earlier = [
        (_earlier(row, record), row)
        for row, record in zip(rows, about, strict=True)
        if record is not None or row.row.section in sections
    ]
    found = changes([one for one, _ in earlier], now)
    row_of = {id(one): row for one, row in earlier}
    pairs = [_with_row(change, row_of) for change in found]
    anything = unmarked or any(_is_news(change, row) for change, row in pairs)
    part = rows[-1].part if rows else sheet.parts[-1]  # a sheet may be one taxpayer's
    set_aside = 0
    for change, row in pairs:
        if row is not None:
            set_aside += _update(row, change, anything=anything)
        elif change.now is not None:
            sheet.append(part, {GSTIN_COLUMN: gstin, **cells_of(change.now), "change": change.kind})
    counts = Counter(change.kind for change, _ in pairs)
    return Kept({kind: counts[kind] for kind in ChangeKind}, set_aside, len(rows) - len(earlier))


def _with_row(change: RecordChange, row_of: Mapping[int, SheetRow]) -> tuple[RecordChange, SheetRow | None]:
    """Return a change with its row; what was decided in the row, and stands by now, is `AS_DECIDED`."""
    if change.before is None:
        return change, None
    row = row_of[id(change.before)]
    typed = any_action(row["action"] or row["earlier action"])
    if change.kind is ChangeKind.ACTION_CHANGED and change.now is not None and change.now.action is typed:
        change = attrs.evolve(change, kind=ChangeKind.AS_DECIDED)
    return change, row


def _check_marks(rows: Sequence[SheetRow]) -> None:
    """Raise `InvalidInput` if the column `change` is another one, which happens to have this name."""
    for one in rows:
        if (mark := one["change"]) and mark.casefold() not in set(ChangeKind):
            what = f"{mark[:40]!r} is nothing that a pull writes here: give your column another name"
            raise InvalidInput(f"{one.row.where('change')}: {what}")


def _earlier(row: SheetRow, record: Invoice | None) -> Invoice:
    """Return the record as the row has it, under the ids of the record that it is about."""
    if record is None:
        return row.invoice
    filed = row.invoice.supplier_filed
    if row.row.hash is not None and folded_hash(row.row.hash) == folded_hash(record.hash):
        # The hash says that nothing of it has changed, whatever a spreadsheet has made of the cells.
        was_filed = record.supplier_filed if filed is None else filed
        return attrs.evolve(record, action=row.row.pulled_action, supplier_filed=was_filed)
    return attrs.evolve(
        row.invoice,
        section=record.section,
        supplier=record.supplier,
        number=record.number,
        return_period=record.return_period,
        hash=row.row.hash or (_NO_HASH if record.hash else None),
    )


def _is_news(change: RecordChange, row: SheetRow | None) -> bool:
    if row is None:
        return True
    was_gone, is_gone = row["change"].casefold() == ChangeKind.GONE, change.kind is ChangeKind.GONE
    return was_gone is not is_gone or change.kind not in (ChangeKind.UNCHANGED, ChangeKind.GONE)


def _update(row: SheetRow, change: RecordChange, *, anything: bool) -> bool:
    """Write a change into its row; return whether an action was set aside for a person to look at."""
    cells = {} if change.now is None else cells_of(change.now)
    set_aside = bool(row["action"]) and change.kind in _OTHERWISE
    if set_aside:
        row["earlier action"], row["action"] = row["action"], None
    for column, value in cells.items():
        if column not in _TYPED:
            row[column] = value
    marked = row["change"] if row["change"].casefold() != ChangeKind.GONE else ""  # it may be back
    if anything and not (row.waits and change.kind is ChangeKind.UNCHANGED and marked):
        row["change"] = change.kind
    return set_aside and row.waits
