"""What changed between two GSTR-2Bs of one period: which documents came, went, or changed their place."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import attrs

from ...model.gstr2b import Gstr2bDocument, TaxAmounts
from ...steps import Steps
from .judging import rupees
from .ordering import order_of_document, sorted_steps
from .pairing import STEP, named


class DocumentChangeKind(StrEnum):
    """What happened to a document of a GSTR-2B."""

    CAME = "came"
    WENT = "went"
    MOVED = "moved"
    """It is in another part now: rejected, or no longer so."""
    CHANGED = "changed"
    """Anything else of it changed: its credit, the action that the GSTR-2B was made with, or another fact."""


@attrs.frozen(weakref_slot=False)
class DocumentChange:
    """One document in both; `before` is None for one that came, `now` for one that went."""

    kind: DocumentChangeKind
    before: Gstr2bDocument | None
    now: Gstr2bDocument | None

    @property
    def document(self) -> Gstr2bDocument:
        """The document as it is now, or as it was."""
        document = self.now or self.before
        assert document is not None  # noqa: S101 # one of the two is there
        return document

    @property
    def difference(self) -> TaxAmounts:
        """The credit that it gives now, less what it gave."""
        now, before = (TaxAmounts() if one is None else one.credit for one in (self.now, self.before))
        return now - before

    def __str__(self) -> str:
        difference = self.difference
        by = f"changed by {rupees(difference.total)}" if difference != TaxAmounts() else "stays the same"
        return f"{named(self.document)} {self.kind}: the credit {by}"

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "kind": str(self.kind),
            "before": self.before and self.before.to_dict(),
            "now": self.now and self.now.to_dict(),
            "difference": self.difference.to_dict(),
        }


def changes_steps(
    before: Sequence[Gstr2bDocument], now: Sequence[Gstr2bDocument]
) -> Steps[tuple[DocumentChange, ...]]:
    """Compare two statements in short steps.

    Equal documents are the same. What is then left of a number and date is one document that changed, if each
    side has one.
    """
    left: dict[tuple[object, ...], list[Gstr2bDocument]] = {}
    for count, document in enumerate(before):
        if not count % STEP:
            yield
        left.setdefault(_key(document), []).append(document)
    others: dict[tuple[object, ...], list[Gstr2bDocument]] = {}
    for count, document in enumerate(now):
        if not count % STEP:
            yield
        key = _key(document)
        those = left.get(key, ())
        if len(those) == 1 and those[0] == document:  # nearly all
            del left[key]
        else:
            others.setdefault(key, []).append(document)
    found: list[DocumentChange] = []
    count = 0
    while left:  # taken out one by one: to free all at once would take long
        if not (count := count + 1) % STEP:
            yield
        key, old = left.popitem()
        found += _changes_of(old, others.pop(key, []))
    while others:
        if not (count := count + 1) % STEP:
            yield
        found += _changes_of([], others.popitem()[1])
    return tuple((yield from sorted_steps(found, _order)))


def _key(document: Gstr2bDocument) -> tuple[object, ...]:
    supplier = document.supplier.strip().upper()
    which = (document.section, document.note_type, document.port_code, document.amended)
    return (*which, supplier, document.number, document.date)


def _changes_of(old: list[Gstr2bDocument], new: list[Gstr2bDocument]) -> list[DocumentChange]:
    same: dict[Gstr2bDocument, list[Gstr2bDocument]] = {}
    for one in new:
        same.setdefault(one, []).append(one)
    gone: list[Gstr2bDocument] = []
    for one in old:
        if alike := same.get(one):
            alike.pop()
        else:
            gone.append(one)
    rest = [one for those in same.values() for one in those]
    if len(gone) == len(rest) == 1:
        moved = gone[0].place is not rest[0].place
        kind = DocumentChangeKind.MOVED if moved else DocumentChangeKind.CHANGED
        return [DocumentChange(kind, gone[0], rest[0])]
    went = [DocumentChange(DocumentChangeKind.WENT, one, None) for one in gone]
    return went + [DocumentChange(DocumentChangeKind.CAME, None, one) for one in rest]


def _order(change: DocumentChange) -> tuple[object, ...]:
    return (*order_of_document(change.document), change.kind)
