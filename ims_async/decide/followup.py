"""What is to be asked of each supplier: about documents that are rejected, pending, other or missing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Final

import attrs

from ..model.records import Invoice
from ..model.vocabulary import Action
from .entry import Entry
from .kinds import MatchKind

_MOST_NAMED: Final = 50  # documents of a topic: a cell holds 32,767 characters
_DIFFERENT: Final = frozenset({MatchKind.VALUE_DIFFERS, MatchKind.TAX_HEAD_DIFFERS})


class Topic(StrEnum):
    """Why a supplier is asked about a document; a document has the first that fits."""

    REJECTED = "rejected"
    PENDING = "pending"
    DIFFERS = "differs"
    NOT_FILED = "not filed"
    ONLY_IN_BOOKS = "only in books"


_SENTENCES: Final = {
    Topic.REJECTED: "We have rejected these documents in IMS; please correct or amend them",
    Topic.PENDING: "We keep these documents pending in IMS until they are clear",
    Topic.DIFFERS: "These documents differ from our books; please compare them with yours",
    Topic.NOT_FILED: "You have saved these documents and not filed them; please file your return",
    Topic.ONLY_IN_BOOKS: "We have booked these documents and do not find them in IMS; please report them",
}


@attrs.frozen
class Document:
    """One document that a supplier is asked about, in rupees; `note` says what is wrong with it."""

    topic: Topic
    number: str
    date: dt.date
    taxable_value: Decimal
    tax: Decimal
    note: str = ""

    def __str__(self) -> str:
        amounts = f"taxable value {self.taxable_value:,.2f}, tax {self.tax:,.2f} rupees"
        note = f": {self.note}" if self.note else ""
        return f"{self.number or 'no number'} of {self.date:%d-%m-%Y} ({amounts}){note}"


@attrs.define
class Followup:
    """What one taxpayer asks of one supplier."""

    gstin: str
    supplier: str
    supplier_name: str = ""
    documents: list[Document] = attrs.field(factory=list)

    def of(self, topic: Topic) -> list[Document]:
        """Return the documents of one topic."""
        return [one for one in self.documents if one.topic is topic]

    def tax(self, topic: Topic) -> Decimal:
        """Return the tax of the documents of one topic, in rupees."""
        return sum((one.tax for one in self.of(topic)), Decimal(0))

    def named(self, topic: Topic) -> str:
        """Name the documents of one topic, one in each line."""
        found = self.of(topic)
        more = len(found) - _MOST_NAMED
        lines = [str(one) for one in found[:_MOST_NAMED]]
        return "\n".join([*lines, f"and {more:,} more"] if more > 0 else lines)

    @property
    def message(self) -> str:
        """A text for the supplier: a sentence on each topic, and its documents."""
        return "\n\n".join(
            f"{sentence}:\n{self.named(topic)}" for topic, sentence in _SENTENCES.items() if self.of(topic)
        )


class Followups:
    """Collect documents by taxpayer and supplier."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Followup] = {}

    def add_record(
        self,
        gstin: str,
        record: Invoice,
        action: Action,
        *,
        kind: str = "",
        difference: str = "",
        remarks: str = "",
    ) -> None:
        """Add a record with its action, if there is something to ask about it; `kind` is its `MatchKind`."""
        topic = _topic(record, action, kind)
        if topic is None:
            return
        said = remarks if topic in (Topic.REJECTED, Topic.PENDING) else ""
        note = "; ".join(filter(None, (said, difference)))
        tax = record.igst + record.cgst + record.sgst + record.cess
        one = Document(topic, record.number, record.date, record.taxable_value, tax, note)
        own = self._of(gstin, record.supplier)
        own.supplier_name = own.supplier_name or record.supplier_name or ""
        own.documents.append(one)

    def add_entry(self, gstin: str, entry: Entry) -> None:
        """Add an entry of the books that no record belongs to."""
        one = Document(Topic.ONLY_IN_BOOKS, entry.number, entry.date, entry.taxable_value, entry.tax)
        self._of(gstin, entry.supplier).documents.append(one)

    def sorted(self) -> list[Followup]:
        """Return what was collected: by taxpayer, then by supplier."""
        return [self._found[key] for key in sorted(self._found)]

    def _of(self, gstin: str, supplier: str) -> Followup:
        return self._found.setdefault((gstin, supplier), Followup(gstin, supplier))


def counts(found: Iterable[Followup]) -> dict[Topic, tuple[int, Decimal]]:
    """Return how many documents there are of each topic, and their tax in rupees."""
    everything = list(found)
    return {
        topic: (
            sum(len(one.of(topic)) for one in everything),
            sum((one.tax(topic) for one in everything), Decimal(0)),
        )
        for topic in Topic
    }


def _topic(record: Invoice, action: Action, kind: str) -> Topic | None:
    if action is Action.REJECT:
        return Topic.REJECTED
    if action is Action.PENDING:
        return Topic.PENDING
    if kind in _DIFFERENT and action is not Action.ACCEPT:
        return Topic.DIFFERS
    return Topic.NOT_FILED if record.supplier_filed is False else None
