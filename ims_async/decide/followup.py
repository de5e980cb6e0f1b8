"""What is to be asked of each supplier, and of each customer, about the documents between them.

Of a supplier those that are rejected, pending, other or missing; of a customer what it did with our own.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Final

import attrs

from ..model.records import Invoice
from ..model.sales import SalesInvoice
from ..model.vocabulary import Action
from ..rules.periods import month_of
from .deadlines import filing_days
from .entry import Entry
from .kinds import MatchKind

_MOST_NAMED: Final = 50  # documents of a topic: a cell holds 32,767 characters
_DIFFERENT: Final = frozenset({MatchKind.VALUE_DIFFERS, MatchKind.TAX_HEAD_DIFFERS})


class Topic(StrEnum):
    """Why somebody is asked about a document; a document has the first that fits."""

    REJECTED = "rejected"
    PENDING = "pending"
    DIFFERS = "differs"
    NOT_FILED = "not filed"
    ONLY_IN_BOOKS = "only in books"
    REJECTED_BY_CUSTOMER = "rejected by customer"
    PENDING_AT_CUSTOMER = "pending at customer"
    NO_ACTION = "no action"


CUSTOMER_TOPICS: Final = (Topic.REJECTED_BY_CUSTOMER, Topic.PENDING_AT_CUSTOMER, Topic.NO_ACTION)
SUPPLIER_TOPICS: Final = tuple(topic for topic in Topic if topic not in CUSTOMER_TOPICS)


_SENTENCES: Final = {
    Topic.REJECTED: "We have rejected these documents in IMS; please correct or amend them",
    Topic.PENDING: "We keep these documents pending in IMS until they are clear",
    Topic.DIFFERS: "These documents differ from our books; please compare them with yours",
    Topic.NOT_FILED: "You have saved these documents and not filed them; please file your return",
    Topic.ONLY_IN_BOOKS: "We have booked these documents and do not find them in IMS; please report them",
    # GSTN FAQ of 19-06-2025: it is furnished again in GSTR-1A, or in an amendment table.
    Topic.REJECTED_BY_CUSTOMER: "You have rejected these documents of ours in IMS; please tell us what is "
    "wrong: we correct them in GSTR-1A, or amend them in a later GSTR-1",
    Topic.PENDING_AT_CUSTOMER: "You keep these documents of ours pending in IMS; please tell us what is "
    "unclear",
    Topic.NO_ACTION: "You have taken no action in IMS on these documents of ours; please accept "
    "them, or tell us what is wrong",
}
_TOPIC_OF_SALE: Final = {
    Action.REJECT: Topic.REJECTED_BY_CUSTOMER,
    Action.PENDING: Topic.PENDING_AT_CUSTOMER,
    Action.NO_ACTION: Topic.NO_ACTION,
}
_NOTES: Final = {"C": "credit note", "D": "debit note"}


@attrs.frozen
class Document:
    """One document that somebody is asked about, in rupees; `note` says what is wrong with it."""

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
    """What one taxpayer, `gstin`, asks of one supplier or customer: a GSTIN, and its name if it is known."""

    gstin: str
    party: str
    name: str = ""
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
        """A text to send: a sentence on each topic, and its documents."""
        return "\n\n".join(
            f"{sentence}:\n{self.named(topic)}" for topic, sentence in _SENTENCES.items() if self.of(topic)
        )


class Followups:
    """Collect documents by taxpayer, and by supplier or customer."""

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
        """Add a record with its action, if its supplier is to be asked of it; `kind` is its `MatchKind`."""
        topic = _topic(record, action, kind)
        if topic is None:
            return
        said = remarks if topic in (Topic.REJECTED, Topic.PENDING) else ""
        if topic is Topic.NOT_FILED:
            said = _due(record.return_period)
        note = "; ".join(filter(None, (said, difference)))
        tax = record.igst + record.cgst + record.sgst + record.cess
        one = Document(topic, record.number, record.date, record.taxable_value, tax, note)
        own = self._of(gstin, record.supplier)
        own.name = own.name or record.supplier_name or ""
        own.documents.append(one)

    def add_entry(self, gstin: str, entry: Entry) -> None:
        """Add an entry of the books that no record belongs to."""
        one = Document(Topic.ONLY_IN_BOOKS, entry.number, entry.date, entry.taxable_value, entry.tax)
        self._of(gstin, entry.supplier).documents.append(one)

    def add_sales(self, gstin: str, sales: Iterable[SalesInvoice], *, above: Decimal | int = 0) -> None:
        """Add a taxpayer's own documents that customers have rejected, keep pending, or have not acted on.

        Of the last only those with a value above so many rupees. Left out are those deleted, those on which
        nobody can act (reverse charge), and those that another one among them amends.
        """
        those = list(sales)
        amended = {
            (one.recipient, one.original_number, one.original_date)
            for one in those
            if _is_amendment(one) and not one.deleted
        }
        for sale in those:
            topic = _TOPIC_OF_SALE.get(sale.action)
            if topic is None or sale.deleted or sale.reverse_charge:
                continue
            if topic is Topic.NO_ACTION and (sale.value is None or sale.value <= above):
                continue
            if not _is_amendment(sale) and (sale.recipient, sale.number, sale.date) in amended:
                continue
            tax = sum((line.igst + line.cgst + line.sgst + line.cess for line in sale.items), Decimal(0))
            taxable = sum((line.taxable_value for line in sale.items), Decimal(0))
            note = _NOTES.get(sale.note_type or "", "")
            one = Document(topic, sale.number, sale.date, taxable, tax, note)
            self._of(gstin, sale.recipient).documents.append(one)

    def sorted(self) -> list[Followup]:
        """Return what was collected: by taxpayer, then by supplier or customer."""
        return [self._found[key] for key in sorted(self._found)]

    def _of(self, gstin: str, party: str) -> Followup:
        return self._found.setdefault((gstin, party), Followup(gstin, party))


def _is_amendment(sale: SalesInvoice) -> bool:
    return sale.section.endswith("a")


def counts(found: Iterable[Followup], topics: Iterable[Topic] = Topic) -> dict[Topic, tuple[int, Decimal]]:
    """Return how many documents there are of each topic, and their tax in rupees."""
    everything = list(found)
    return {
        topic: (
            sum(len(one.of(topic)) for one in everything),
            sum((one.tax(topic) for one in everything), Decimal(0)),
        )
        for topic in topics
    }


def _due(period: str) -> str:
    """Say until when a supplier files a return period, so that the next GSTR-2B has it."""
    month = month_of(period)
    if month is None:
        return ""
    monthly, quarterly = filing_days(month)
    return f"GSTR-1 is due on {monthly:%d-%m-%Y}, of quarterly filers on {quarterly:%d-%m-%Y}"


def _topic(record: Invoice, action: Action, kind: str) -> Topic | None:
    if action is Action.REJECT:
        return Topic.REJECTED
    if action is Action.PENDING:
        return Topic.PENDING
    if kind in _DIFFERENT and action is not Action.ACCEPT:
        return Topic.DIFFERS
    return Topic.NOT_FILED if record.not_filed else None
