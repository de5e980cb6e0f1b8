"""Rules that compare the records of a batch with one another, and rules on the batch as a whole."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ..model.records import Decision
from ..model.vocabulary import Section
from .context import CREDIT_NOTES, Batch, Case
from .document import is_amount
from .finding import Problem
from .periods import DRAFT_DAY, day_in, month_of, period_of

_Document = tuple[Section, str, Any, dt.date]
_MOST_NAMED: Final = 3  # periods
_PER_STEP: Final = 500  # records between two turns of an event loop
_AMENDED: Final = {
    Section.B2BA: Section.B2B,
    Section.B2BDNA: Section.B2BDN,
    Section.B2BCNA: Section.B2BCN,
    Section.ECOMA: Section.ECOM,
}


def duplicate(case: Case) -> Iterator[Problem]:
    """A record is in the batch once."""
    if case.first != case.place:
        yield Problem(f"the same record is in the batch already, as record {case.first + 1}")


def amendment_order(batch: Batch) -> Iterator[Problem | None]:
    """An amendment and its original are not in the same batch."""
    sought: dict[_Document, list[tuple[int, Decision]]] = {}
    for count, (place, decision) in enumerate(batch.amendments, start=1):
        if count % _PER_STEP == 0:
            yield None
        if (document := _amended_by(decision)) is not None:
            sought.setdefault(document, []).append((place, decision))
    for document, first in _found(batch.places, sought):
        where = f"is in the same batch, as record {first + 1}"
        for place, decision in sought[document]:
            yield Problem(f"what it amends {where}: act on that one first", place=place, record=decision)


def _amended_by(decision: Decision) -> _Document | None:
    """Return the ids of the document that an amendment amends, without the return period: no field has it."""
    invoice = decision.invoice
    section = _AMENDED.get(invoice.section) if isinstance(invoice.section, Section) else None
    ids = (invoice.supplier, invoice.original_number)
    if section is None or not all(isinstance(text, str) for text in ids):
        return None
    day = invoice.original_date
    return (section, *ids, day) if isinstance(day, dt.date) else None


def _found(
    places: Mapping[Section, Mapping[tuple[Any, ...], int]], sought: Mapping[_Document, object]
) -> Iterator[tuple[_Document, int]]:
    """Find documents among all records; the numbers are compared first, which excludes nearly all of them."""
    for section in _AMENDED.values():
        numbers = {number for named, _, number, _ in sought if named is section}
        if not numbers:
            continue
        for (supplier, number, day, _), place in places[section].items():
            if number in numbers and (section, supplier, number, day) in sought:
                yield (section, supplier, number, day), place


def credit_note_and_invoice(batch: Batch) -> Iterator[Problem | None]:
    """A credit note and its invoice are not both rejected.

    No field links the two: the same supplier and amounts do.
    """
    notes: list[tuple[int, Decision, tuple[object, ...]]] = []
    for count, (place, decision) in enumerate(batch.rejected, start=1):
        if count % _PER_STEP == 0:
            yield None
        if decision.invoice.section in CREDIT_NOTES and (key := _supplier_and_amounts(decision)) is not None:
            notes.append((place, decision, key))
    if not notes:
        return  # as mostly: the other rejections, which may be many, are not looked at
    suppliers = {decision.supplier for _, decision, _ in notes}
    invoices: dict[tuple[object, ...], int] = {}
    for count, (place, decision) in enumerate(batch.rejected, start=1):
        if count % _PER_STEP == 0:
            yield None
        supplier = decision.supplier
        if decision.section in CREDIT_NOTES or not isinstance(supplier, str) or supplier not in suppliers:
            continue
        if (key := _supplier_and_amounts(decision)) is not None:
            invoices.setdefault(key, place)
    for place, decision, amounts_of_note in notes:
        if (first := invoices.get(amounts_of_note)) is not None:
            yield Problem(
                f"record {first + 1}, of the same supplier and amounts, is rejected too: if the note cancels "
                "it, the supplier's liability is added back for a supply whose credit is not taken",
                place=place,
                record=decision,
            )


def stale_read(batch: Batch) -> Iterator[Problem]:
    """The records were read a short time ago."""
    facts = batch.facts
    if facts.read_at is None or facts.now is None:
        return
    age = (facts.now - facts.read_at).total_seconds()
    if age > facts.stale_after:
        yield Problem(
            f"the records were read {age / 60:,.0f} minutes ago; suppliers may have edited them since "
            "(IMSSAV0010): read them again"
        )


def recompute(batch: Batch) -> Iterator[Problem]:
    """After the 14th of the next month a change counts once GSTR-2B is recomputed."""
    today = batch.facts.today
    if today is None:
        return
    months = {month_of(period) for period in batch.periods if isinstance(period, str)}
    drafted = sorted(month for month in months if month is not None and today > day_in(month + 1, DRAFT_DAY))
    if drafted:
        yield Problem(
            f"GSTR-2B of {_some(drafted)} was drafted on the {DRAFT_DAY}th of the month after: "
            "recompute it, before GSTR-3B is filed, for these changes to count"
        )


def _some(months: Sequence[int]) -> str:
    named = ", ".join(map(period_of, months[:_MOST_NAMED]))
    more = len(months) - _MOST_NAMED
    return f"{named} and {more} more period{'s' if more > 1 else ''}" if more > 0 else named


def _supplier_and_amounts(decision: Decision) -> tuple[object, ...] | None:
    """Return what a credit note has in common with its invoice; None if that cannot be compared."""
    record = decision.invoice
    amounts = (record.taxable_value, record.igst, record.cgst, record.sgst, record.cess)
    if not isinstance(record.supplier, str) or not all(map(is_amount, amounts)):
        return None
    return (record.supplier, *amounts)
