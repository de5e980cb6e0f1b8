"""Compare two reads of a taxpayer's records: what came, what its supplier amended, what went."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

import attrs

from ..model.plain import counted
from ..model.records import Invoice, RecordKey
from ..tables.columns import GONE


class ChangeKind(StrEnum):
    """What happened to a record between two reads."""

    NEW = "new"
    AMENDED = "amended"
    NOW_FILED = "now filed"
    ACTION_CHANGED = "action changed"
    AS_DECIDED = "as decided"
    """Its action is by now the one that was typed for it: only a sheet can say so (`pull --keep`)."""
    UNCHANGED = "unchanged"
    GONE = GONE


@attrs.frozen(weakref_slot=False)
class RecordChange:
    """One record in both reads; `before` is None for a new one, `now` for one that is gone."""

    kind: ChangeKind
    before: Invoice | None
    now: Invoice | None

    @property
    def invoice(self) -> Invoice | None:
        """The record as it is now, or as it was."""
        return self.now or self.before


class Changes:
    """The changes between two reads, in the order of the later one; what is gone comes last."""

    def __init__(self, changes: list[RecordChange]) -> None:
        self._changes = changes

    def __iter__(self) -> Iterator[RecordChange]:
        return iter(self._changes)

    def __len__(self) -> int:
        return len(self._changes)

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in self.counts.items() if count)
        return counted(len(self), "record") + (f": {counts}" if counts else "")

    def of(self, kind: ChangeKind) -> list[RecordChange]:
        """Return the changes of one kind."""
        return [one for one in self._changes if one.kind is kind]

    @property
    def counts(self) -> Mapping[ChangeKind, int]:
        """The number of records of each kind."""
        counts = dict.fromkeys(ChangeKind, 0)
        for one in self._changes:
            counts[one.kind] += 1
        return counts


def changes(before: Iterable[Invoice], now: Iterable[Invoice]) -> Changes:
    """Compare two reads; a record is the same by its key: section, supplier, number, date and period.

    It counts as amended if its hash is another one, or an amount, or its date where its number is the only
    one left of that supplier and period; the supplier's edit resets the action then. GSTN FAQ of 23-09-2024.
    """
    left: dict[RecordKey, list[Invoice]] = {}
    for record in before:
        left.setdefault(record.key, []).append(record)
    records = list(now)
    earlier = [_same_hash(record, left.get(record.key, [])) for record in records]
    earlier = [
        old or (rest.pop(0) if (rest := left.get(record.key)) else None)
        for record, old in zip(records, earlier, strict=True)
    ]
    _add_redated(records, earlier, left)
    found = [RecordChange(_kind(old, one), old, one) for one, old in zip(records, earlier, strict=True)]
    gone = [RecordChange(ChangeKind.GONE, record, None) for rest in left.values() for record in rest]
    return Changes(found + gone)


def _same_hash(record: Invoice, earlier: list[Invoice]) -> Invoice | None:
    """Take the record with the same hash, or without one with the same content, out of those with one key."""
    alike = (
        place
        for place, one in enumerate(earlier)
        if one.hash == record.hash and (record.hash or _content(one) == _content(record))
    )
    place = next(alike, None)
    return None if place is None else earlier.pop(place)


def _add_redated(
    records: list[Invoice], earlier: list[Invoice | None], left: dict[RecordKey, list[Invoice]]
) -> None:
    """Take the records that differ in their date alone out of those that are left, where they are single."""
    old: dict[tuple[object, ...], list[Invoice]] = {}
    for rest in left.values():
        for record in rest:
            old.setdefault(_undated(record), []).append(record)
    new: dict[tuple[object, ...], list[int]] = {}
    for place, record in enumerate(records):
        if earlier[place] is None and old:
            new.setdefault(_undated(record), []).append(place)
    for name, places in new.items():
        if len(places) == len(old.get(name, ())) == 1:
            (one,) = old[name]
            earlier[places[0]] = one
            left[one.key].remove(one)


def _undated(record: Invoice) -> tuple[object, ...]:
    return record.key._replace(date=None)


def _kind(before: Invoice | None, now: Invoice) -> ChangeKind:
    if before is None:
        return ChangeKind.NEW
    if (
        _content(before) != _content(now)
        or before.date != now.date
        or (before.hash and now.hash and before.hash != now.hash)
    ):
        return ChangeKind.AMENDED
    if now.supplier_filed and not before.supplier_filed:
        return ChangeKind.NOW_FILED
    return ChangeKind.UNCHANGED if before.action is now.action else ChangeKind.ACTION_CHANGED


def _content(record: Invoice) -> tuple[object, ...]:
    return (
        record.value, record.taxable_value, record.igst, record.cgst, record.sgst, record.cess,
        record.original_number, record.original_date, record.place_of_supply,
    )  # fmt: skip
