"""The offline checks: what would certainly be refused is refused here, with every reason at once.

Each check is a small pure function over one record. Ids and amounts that a gateway itself reported are
never refused, only warned about: they go back as they came.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Final

import attrs

from .errors import InvalidDecision
from .records import Decision, Invoice, ItcReduction, RecordKey
from .vocabulary import Action, Section, gstin_problem, period_problem

Record = Decision | Invoice


class Level(StrEnum):
    """What a finding does: `REFUSE` keeps the batch from being sent, `WARN` only tells."""

    REFUSE = "refuse"
    WARN = "warn"


@attrs.frozen(kw_only=True)
class Finding:
    """One thing that is wrong with one record. `place` counts from 0 in the batch."""

    code: str
    level: Level
    message: str
    place: int
    key: RecordKey
    record: Record = attrs.field(repr=False)

    def __str__(self) -> str:
        return f"record {self.place + 1} ({self.key}): {self.message}"


@attrs.frozen
class _Problem:
    code: str
    message: str
    typed_only: bool = False  # refused where a person typed it, warned about where the gateway sent it


# Patterns and limits: GST API documentation, the schemas of "IMS - Save IMS Action" and "Reset IMS Action".
NUMBER: Final = re.compile(r"(?=.{1,16}\Z)[/\-0]*[a-zA-Z0-9/\-]*[a-zA-Z1-9]+[a-zA-Z0-9/\-]*", re.ASCII)
_PLACE_OF_SUPPLY: Final = re.compile(r"3[0-8]|[12][0-9]|0[1-9]|96|97", re.ASCII)
_SOURCE_FORMS: Final = frozenset({"R1", "R1A", "IFF", "R5"})
_TYPES: Final = frozenset({"R", "DE", "SEWP", "SEWOP", "CBW"})
_VALUE_LIMIT: Final = Decimal("9999999999999.99")
_AMOUNT_LIMIT: Final = Decimal("99999999999.99")
# Where the vendor's newest save example carries itcRedReq and decl*.
_REDUCIBLE: Final = frozenset({Section.B2BA, Section.B2BDNA, Section.B2BCN, Section.B2BCNA, Section.ECOMA})


def number_problem(text: object) -> str | None:
    """Say what is wrong with a document's number, or None."""
    if not isinstance(text, str) or not text:
        return f"number {text!r} is missing or not text"
    if len(text) > 16:
        return f"number {text!r} has {len(text)} characters; a GST document number has at most 16"
    if not NUMBER.fullmatch(text):
        return f"number {text!r} may hold letters, digits, - and / only, and not zeros alone"
    return None


def amount_problem(name: str, amount: object, limit: Decimal = _AMOUNT_LIMIT) -> str | None:
    """Say what is wrong with an amount in rupees, or None."""
    if not isinstance(amount, Decimal):
        return f"{name} {amount!r} is not a Decimal; money is exact: use Decimal('10.50')"
    if not amount.is_finite():
        return f"{name} {amount} is not an amount"
    if amount < 0:
        return f"{name} {amount} is negative; IMS takes amounts of notes as positive figures too"
    if amount > limit:
        return f"{name} {amount} is more than the {limit} that the gateway takes"
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -2 and amount != round(amount, 2):
        return f"{name} {amount} has more than two decimals; round it to paise"
    return None


def _writable(amount: object) -> bool:
    """True for an amount that can be written out, even if it is no sensible one: `1E+999999` cannot."""
    if not isinstance(amount, Decimal) or not amount.is_finite():
        return False
    exponent = amount.as_tuple().exponent
    return isinstance(exponent, int) and exponent > -20 and amount.adjusted() < 20


def _shape(record: Record) -> Iterator[_Problem]:
    invoice = record.invoice if isinstance(record, Decision) else record
    if not isinstance(invoice.section, Section):
        yield _Problem("section", f"section {invoice.section!r} is not a Section; use Section.parse(…)")
    if not isinstance(invoice.action, Action):
        yield _Problem("previous-action", f"the record's action {invoice.action!r} is not an Action")
    if type(invoice.date) is not dt.date:
        yield _Problem("date", f"date {invoice.date!r} is not a datetime.date")
    amounts = (
        ("value", invoice.value, _VALUE_LIMIT),
        ("taxable_value", invoice.taxable_value, _AMOUNT_LIMIT),
        ("igst", invoice.igst, _AMOUNT_LIMIT),
        ("cgst", invoice.cgst, _AMOUNT_LIMIT),
        ("sgst", invoice.sgst, _AMOUNT_LIMIT),
        ("cess", invoice.cess, _AMOUNT_LIMIT),
    )
    for name, amount, limit in amounts:
        if problem := amount_problem(name, amount, limit):
            yield _Problem("amount", problem, typed_only=_writable(amount))


def _is_text(value: object) -> bool:
    """True for text and nothing; a number in its place was put there by a person, not by the gateway."""
    return value is None or isinstance(value, str)


def _ids(record: Record) -> Iterator[_Problem]:
    invoice = record.invoice if isinstance(record, Decision) else record
    if problem := gstin_problem(invoice.supplier):
        yield _Problem("supplier", f"supplier: {problem}", typed_only=isinstance(invoice.supplier, str))
    if problem := number_problem(invoice.number):
        yield _Problem("number", problem, typed_only=isinstance(invoice.number, str))
    if problem := period_problem(invoice.return_period):
        yield _Problem("return-period", problem, typed_only=isinstance(invoice.return_period, str))
    place, form, kind = invoice.place_of_supply, invoice.source_form, invoice.type
    if not (isinstance(place, str) and _PLACE_OF_SUPPLY.fullmatch(place)):
        message = f"place of supply {place!r} is not a two-digit state code as text"
        yield _Problem("place-of-supply", message, typed_only=_is_text(place))
    if not (isinstance(form, str) and form in _SOURCE_FORMS):
        message = f"source form {form!r} is not one of {', '.join(sorted(_SOURCE_FORMS))}"
        yield _Problem("source-form", message, typed_only=_is_text(form))
    if not invoice.section.is_ecommerce and not (isinstance(kind, str) and kind in _TYPES):
        message = f"invoice type {kind!r} is not one of {', '.join(sorted(_TYPES))}"
        yield _Problem("type", message, typed_only=_is_text(kind))
    if invoice.section.is_amendment:
        yield from _original(invoice)


def _original(invoice: Invoice) -> Iterator[_Problem]:
    number, day = invoice.original_number, invoice.original_date
    if not number or day is None:
        message = "an amendment needs the number and date of the document it amends"
        yield _Problem("original", message, typed_only=_is_text(number))
    elif problem := number_problem(number):
        yield _Problem("original", f"original {problem}", typed_only=_is_text(number))
    if day is not None and type(day) is not dt.date:
        yield _Problem("original", f"original date {day!r} is not a datetime.date")


def _action(record: Record) -> Iterator[_Problem]:
    if not isinstance(record, Decision):
        return
    if record.action is Action.NO_ACTION:
        yield _Problem("action", "action N cannot be saved; use reset to take a decision back")
    elif not isinstance(record.action, Action):
        yield _Problem("action", f"action {record.action!r} is not an Action")
    if record.action is Action.PENDING and record.invoice.pending_allowed is False:
        yield _Problem(
            "pending-blocked",
            "the gateway does not allow this record to be kept pending; accept or reject it",
        )
    if not _is_text(record.remarks):
        yield _Problem("remarks", f"remarks {record.remarks!r} are not text")


def _itc_reduction(record: Record) -> Iterator[_Problem]:
    reduction = record.itc_reduction if isinstance(record, Decision) else None
    if reduction is None or not isinstance(record, Decision):
        return
    if not isinstance(reduction, ItcReduction):
        message = (
            f"ITC reduction {reduction!r:.60} is not one: use ItcReduction.none(), .full() or .partial(…)"
        )
        yield _Problem("itc-reduction", message)
        return
    if record.action is not Action.ACCEPT:
        yield _Problem("itc-reduction", "an ITC reduction goes with accepting only")
    if record.section not in _REDUCIBLE:
        yield _Problem("itc-reduction", f"section {record.section} documents no ITC reduction")
    if record.invoice.itc_reduction_allowed is False:
        yield _Problem("itc-reduction", "the gateway takes no ITC reduction for this record")
    for name, amount in reduction.amounts.items():
        if problem := amount_problem(f"ITC reduction, {name}", amount):
            yield _Problem("itc-reduction", problem)


_CHECKS: Final[tuple[Callable[[Record], Iterator[_Problem]], ...]] = (_shape, _ids, _action, _itc_reduction)


def check_one(record: Record, place: int, seen: dict[tuple[object, ...], int]) -> list[Finding]:
    """Return the findings on one record of a batch; `seen` remembers the keys before it."""
    problems: list[_Problem] = []
    for examine in _CHECKS:
        problems.extend(examine(record))
        if problems and examine is _shape and any(p.code == "section" for p in problems):
            break  # the other checks ask the section
    try:
        # A plain tuple: of a named one the collector would keep track, 100,000 times over.
        first = seen.setdefault(tuple(record.key), place)
    except TypeError:
        first = place  # an id that is a list, say: told above
    if first != place:
        problems.append(
            _Problem("duplicate", f"the same record is in the batch already, as record {first + 1}")
        )
    if not problems:
        return []
    invoice = record.invoice if isinstance(record, Decision) else record
    return [
        Finding(
            code=problem.code,
            level=Level.WARN if problem.typed_only and invoice.read_from_gateway else Level.REFUSE,
            message=problem.message,
            place=place,
            key=record.key,
            record=record,
        )
        for problem in problems
    ]


def check(decisions: Iterable[Record]) -> list[Finding]:
    """Return all findings on a batch of decisions (or, for a reset, invoices), in its order."""
    seen: dict[tuple[object, ...], int] = {}
    return [finding for place, record in enumerate(decisions) for finding in check_one(record, place, seen)]


def refuse(findings: Sequence[Finding]) -> None:
    """Raise `InvalidDecision` with all findings if any of them refuses."""
    refused = [finding for finding in findings if finding.level is Level.REFUSE]
    if refused:
        shown = "; ".join(str(finding) for finding in refused[:3])
        more = f"; and {len(refused) - 3} more (see .findings)" if len(refused) > 3 else ""
        raise InvalidDecision(f"nothing was sent: {shown}{more}", findings=findings)
