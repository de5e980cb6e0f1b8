"""What the demo decides, and how it checks the outcome: pure functions over records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from random import Random
from typing import Final

import attrs

from ...model.records import Decision, Invoice, ItcReduction, RecordKey
from ...model.report import JobReport
from ...model.vocabulary import Action, Section

LARGE: Final = Decimal(200_000)  # rupees of taxable value
SMALL: Final = Decimal(50_000)

RULES: Final = (
    "Credit notes are accepted, and say how much input tax credit is given up: none of it, or half.",
    f"Records above ₹{LARGE:,} are kept pending where the gateway allows that.",
    f"Records below ₹{SMALL:,} that the supplier has not filed are rejected.",
    "Everything else is accepted. Records that somebody has acted on already are left alone.",
)


def decide(invoice: Invoice) -> Decision | None:
    """Decide on one record by the demo's rules; None leaves it alone."""
    if invoice.action is not Action.NO_ACTION:
        return None
    if invoice.section in (Section.B2BCN, Section.B2BCNA):
        return invoice.accept(itc_reduction=_given_up(invoice))
    if invoice.taxable_value > LARGE and invoice.pending_allowed:
        return invoice.keep_pending()
    if invoice.taxable_value < SMALL and invoice.supplier_filed is False:
        return invoice.reject("Not filed, and not in our books")
    return invoice.accept()


def _given_up(note: Invoice) -> ItcReduction:
    if note.taxable_value <= SMALL:
        return ItcReduction.none()
    half = {head: round(getattr(note, head) / 2, 2) for head in ("igst", "cgst", "sgst", "cess")}
    return ItcReduction.partial(**half)


def to_be_edited(decisions: Iterable[Decision], how_many: int, seed: str) -> list[Decision]:
    """Choose the records that their suppliers will edit behind our back."""
    ours = list(decisions)
    return Random(seed).sample(ours, min(how_many, len(ours)))  # noqa: S311 # the same each time, on purpose


def decided_again(report: JobReport, current: Iterable[Invoice]) -> list[Decision]:
    """Take the same decision on the refused records as they stand now."""
    now = {invoice.key: invoice for invoice in current}
    return [
        attrs.evolve(failure.record, invoice=now[failure.key])
        for failure in report.failed
        if isinstance(failure.record, Decision) and failure.key in now
    ]


@attrs.define
class Account:
    """One taxpayer's story in numbers: what was sent, and what became of it."""

    gstin: str
    name: str
    records: int = 0
    submitted: int = 0
    applied: int = 0
    refused: int = 0
    unaccounted: int = 0
    sent_again: int = 0
    applied_again: int = 0
    taken_back: int = 0
    applied_back: int = 0
    differences: int = 0
    """How many records stand otherwise in the gateway's books than they should."""

    def take(self, report: JobReport) -> None:
        """Book the report of the first save."""
        self.applied, self.refused = len(report.succeeded), len(report.failed)
        self.unaccounted = report.unaccounted_count

    @property
    def balanced(self) -> bool:
        """True if every record that was sent is accounted for, and the books agree."""
        return (
            self.submitted == self.applied + self.refused
            and self.unaccounted == 0
            and self.sent_again == self.applied_again == self.refused
            and self.taken_back == self.applied_back
            and self.differences == 0
        )


def count_differences(expected: Mapping[RecordKey, Action], actual: Mapping[RecordKey, Action]) -> int:
    """Count the records that do not stand at the action they should stand at."""
    return sum(expected.get(key) != actual.get(key) for key in expected.keys() | actual.keys())
