"""The input of a rule: one record with the facts known beside it, or a batch as a whole."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from ..errors import InvalidInput
from ..model.records import Decision, Invoice, ItcReduction
from ..model.vocabulary import Action, Section
from .finding import Level, Problem, Record, shown
from .periods import earliest_gstr2b, month_of

REDUCIBLE: Final = frozenset(
    {Section.B2BA, Section.B2BDNA, Section.B2BCN, Section.B2BCNA, Section.ECOMA},
)
"""Sections that take an ITC reduction: GST API documentation, "IMS - Save IMS Action", its newest example."""

CREDIT_NOTES: Final = frozenset({Section.B2BCN, Section.B2BCNA})


def _aware(_: object, field: attrs.Attribute[Any], moment: dt.datetime | None) -> None:
    if moment is not None and (not isinstance(moment, dt.datetime) or moment.tzinfo is None):
        raise InvalidInput(f"{field.name} {shown(moment)} is not a datetime with a time zone")


def _plain_date(_: object, field: attrs.Attribute[Any], day: dt.date | None) -> None:
    if day is not None and type(day) is not dt.date:
        raise InvalidInput(f"{field.name} {shown(day)} is not a datetime.date: the date in India (IST)")


@attrs.frozen(kw_only=True)
class Facts:
    """Facts known beside the records. Rules that need one that is None are skipped."""

    gstin: str | None = None
    today: dt.date | None = attrs.field(default=None, validator=_plain_date)
    read_at: dt.datetime | None = attrs.field(default=None, validator=_aware)
    now: dt.datetime | None = attrs.field(default=None, validator=_aware)
    filed: frozenset[str] = frozenset()
    stale_after: float = 3600.0


@attrs.define(eq=False)  # frozen, it takes three times as long to make, and one is made for each finding
class Case:
    """One record and its fields. A field of a wrong type is None here; the rule on that field reports it.

    `first` is the place of the first record of the batch with the same ids. `action`, `remarks` and
    `reduction` are None in a reset; `…_given` is of any type, as it was given.
    """

    record: Record
    place: int
    first: int
    facts: Facts
    invoice: Invoice
    section: Section | None
    action: Action | None
    remarks: str | None
    remarks_given: object
    reduction: ItcReduction | None
    reduction_given: object

    @property
    def month(self) -> int | None:
        """The earliest GSTR-2B period that the record can belong to, in months."""
        invoice: object = self.invoice
        return earliest_gstr2b(getattr(invoice, "return_period", None), getattr(invoice, "source_form", None))

    @property
    def accepted(self) -> bool:
        """Whether the decision is to accept."""
        return self.action is Action.ACCEPT


def case_of(record: Record, place: int, first: int, facts: Facts) -> Case:
    """Make the `Case` of a record; fields of any type are accepted."""
    decision = record if isinstance(record, Decision) else None
    invoice = record.invoice if isinstance(record, Decision) else record
    section = getattr(invoice, "section", None)
    action = decision.action if decision else None
    remarks = decision.remarks if decision else None
    reduction = decision.itc_reduction if decision else None
    sound = isinstance(reduction, ItcReduction) and isinstance(reduction.required, bool)
    return Case(
        record,
        place,
        first,
        facts,
        invoice,
        section if isinstance(section, Section) else None,
        action if isinstance(action, Action) else None,
        remarks if isinstance(remarks, str) else None,
        remarks,
        reduction if sound else None,
        reduction,
    )


@attrs.frozen
class Batch:
    """The parts of a batch that the rules on a whole batch need.

    `places` holds, by section, the place of the first record with a supplier, number, date and return
    period; `periods` the return periods; `amendments` the decisions on records that name an original, with
    their places, and `rejected` those that reject a record.
    """

    places: Mapping[Section, Mapping[tuple[Any, ...], int]]
    periods: Collection[Any]
    amendments: Sequence[tuple[int, Decision]]
    rejected: Sequence[tuple[int, Decision]]
    facts: Facts


@attrs.frozen
class Rule:
    """One check. `see` is a pure function of a `Case`, or for a rule on a whole batch of a `Batch`.

    A rule on a whole batch yields None now and then, so that an event loop can go on in between.
    `level` is the default level, `source` the public document, `summary` one sentence that holds for a good
    record. `since` is the first GSTR-2B period, `MMYYYY`, that the rule applies to; None for all periods.
    """

    code: str
    level: Level
    source: str
    summary: str
    see: Callable[[Any], Iterable[Problem | None]]
    since: str | None = None

    def look(self, at: Case | Batch) -> Iterable[Problem | None]:
        """Return the problems found; none for a record of a period before `since`."""
        if self.since is not None and isinstance(at, Case):
            first, month = month_of(self.since), at.month
            if month is None or first is None or month < first:
                return ()
        return self.see(at)
