"""Rules on the fields of a record: its section, number, dates and amounts.

Patterns and limits: GST API documentation, the schemas of "IMS - Save IMS Action" and "Reset IMS Action".
A value that a gateway reported is at most warned about, never refused for its form: it goes back unchanged.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from decimal import Decimal
from types import NoneType
from typing import Final

from ..gsp.codec.json import json_text
from ..model.records import Decision, Invoice, ItcReduction
from ..model.vocabulary import Action
from .context import Case
from .finding import Problem, shown, writable_text

NUMBER: Final = re.compile(r"(?=.{1,16}\Z)[/\-0]*[a-zA-Z0-9/\-]*[a-zA-Z1-9]+[a-zA-Z0-9/\-]*", re.ASCII)
VALUE_LIMIT: Final = Decimal("9999999999999.99")
AMOUNT_LIMIT: Final = Decimal("99999999999.99")
PAISE: Final = Decimal("0.01")
HEADS: Final = ("igst", "cgst", "sgst", "cess")

# GSTN advisory of 30-10-2025: the sections of imports; the documented API takes no actions on them.
_IMPORTS: Final = frozenset({"impg", "impga", "impgsez", "impgseza"})


def number_problem(text: object) -> str | None:
    """Return what is wrong with a document's number, or None."""
    if not isinstance(text, str) or not text:
        return f"number {shown(text)} is missing or not text"
    if len(text) > 16:
        return f"number {shown(text)} has {len(text)} characters; a GST document number has at most 16"
    if not NUMBER.fullmatch(text):
        return f"number {text!r} may hold letters, digits, - and / only, and not zeros alone"
    return None


def amount_problem(name: str, amount: object, limit: Decimal = AMOUNT_LIMIT) -> str | None:
    """Return what is wrong with an amount in rupees, or None."""
    if not isinstance(amount, Decimal):
        return f"{name} {shown(amount)} is not a Decimal; money is exact: use Decimal('10.50')"
    if not amount.is_finite():
        why = "is not an amount"
    elif amount < 0:
        why = "is negative; IMS takes amounts of notes as positive figures too"
    elif amount > limit:
        why = f"is more than the {limit} that the gateway takes"
    elif _splits_paise(amount):
        why = "has more than two decimals; round it to paise"
    else:
        return None
    return f"{name} {str(amount)[:60]} {why}"


def _splits_paise(amount: Decimal) -> bool:
    """Return True if a decimal beyond the second is not zero.

    Uses no arithmetic: its precision depends on the caller's decimal context.
    """
    if amount.same_quantum(PAISE):
        return False
    _, digits, exponent = amount.as_tuple()
    return isinstance(exponent, int) and exponent < -2 and any(digits[exponent + 2 :])


def writable(amount: object) -> bool:
    """Return True if an amount can be written out in digits; `1E+999999` cannot."""
    if not isinstance(amount, Decimal) or not amount.is_finite():
        return False
    exponent = amount.as_tuple().exponent
    return isinstance(exponent, int) and exponent > -20 and amount.adjusted() < 20


def is_amount(amount: object) -> bool:
    """Return True for a finite `Decimal`, which can be compared with another."""
    return isinstance(amount, Decimal) and amount.is_finite()


def record(case: Case) -> Iterator[Problem]:
    """It is a decision on an invoice, or for a reset an invoice."""
    if not isinstance(case.invoice, Invoice):
        what = (
            f"a decision on {shown(case.invoice)}"
            if isinstance(case.record, Decision)
            else shown(case.record)
        )
        yield Problem(f"it is {what}, not a decision on an invoice or an invoice", in_kind=True)


def section(case: Case) -> Iterator[Problem]:
    """Its section is one of the eight; imports are not among them."""
    named = case.invoice.section
    if case.section is not None:
        return
    if isinstance(named, str) and named.lower() in _IMPORTS:
        message = f"section {named!r} is of imports, which no documented interface takes: act on the portal"
    else:
        message = f"section {shown(named)} is not a Section; use Section.parse(…)"
    yield Problem(message, in_kind=True)


def previous_action(case: Case) -> Iterator[Problem]:
    """It has an action as last read (IMSSAV0010).

    GSTN compares it.
    """
    if not isinstance(case.invoice.action, Action):
        yield Problem(f"the record's action {shown(case.invoice.action)} is not an Action", in_kind=True)


def date(case: Case) -> Iterator[Problem]:
    """Its date is a `datetime.date`."""
    if type(case.invoice.date) is not dt.date:
        yield Problem(f"date {shown(case.invoice.date)} is not a datetime.date", in_kind=True)


def amount(case: Case) -> Iterator[Problem]:
    """Amounts are finite, not negative, in whole paise and not too large."""
    invoice = case.invoice
    amounts = (
        ("value", invoice.value, VALUE_LIMIT),
        ("taxable_value", invoice.taxable_value, AMOUNT_LIMIT),
        *((head, getattr(invoice, head), AMOUNT_LIMIT) for head in HEADS),
    )
    for name, rupees, limit in amounts:
        if problem := amount_problem(name, rupees, limit):
            yield Problem.of_form(problem, sendable=writable(rupees))


def tax_heads(case: Case) -> Iterator[Problem]:
    """It bears IGST, or CGST and SGST in equal parts."""
    igst, cgst, sgst = case.invoice.igst, case.invoice.cgst, case.invoice.sgst
    if not (is_amount(igst) and is_amount(cgst) and is_amount(sgst)):
        return
    if igst and (cgst or sgst):
        yield Problem("it bears IGST and CGST or SGST: a supply is between states or within one")
    elif cgst != sgst:
        both = f"CGST {str(cgst)[:30]} and SGST {str(sgst)[:30]}"
        yield Problem(f"{both} differ; within a state both are levied at the same rate")


def number(case: Case) -> Iterator[Problem]:
    """Its number has 1 to 16 letters, digits, - and /, not zeros alone."""
    found = case.invoice.number
    if problem := number_problem(found):
        yield Problem.of_form(problem, sendable=writable_text(found))


def original(case: Case) -> Iterator[Problem]:
    """An amendment has the number and date of what it amends."""
    if case.section is None or not case.section.is_amendment:
        return
    found, day = case.invoice.original_number, case.invoice.original_date
    if found is None or found == "" or day is None:
        message = "an amendment needs the number and date of the document it amends"
        yield Problem.of_form(message, sendable=found is None or writable_text(found))
    elif problem := number_problem(found):
        yield Problem.of_form(f"original {problem}", sendable=writable_text(found))
    if day is not None and type(day) is not dt.date:
        yield Problem(f"original date {shown(day)} is not a datetime.date", in_kind=True)


_TEXT: Final = ((str, NoneType), "text")
_FLAG: Final = ((bool, NoneType), "True, False or None")
OTHER_FIELDS: Final[dict[str, tuple[tuple[type, ...], str]]] = {
    **dict.fromkeys(("hash", "supplier_name", "recipient", "remarks"), _TEXT),
    **dict.fromkeys(("pending_allowed", "supplier_filed", "remarks_allowed", "itc_reduction_allowed"), _FLAG),
    "itc_reduction": ((ItcReduction, NoneType), "an ItcReduction with amounts that are Decimals"),
    "read_from_gateway": ((bool,), "True or False"),
    "type": _TEXT,
    "original_number": _TEXT,
    "original_date": ((dt.date, NoneType), "a datetime.date"),
}
"""The types of the fields that are kept with a record, in a journal say; some sections send the last 3."""


def other_fields(case: Case) -> Iterator[Problem]:
    """Fields that are kept and not sent have the right type; `extra` holds JSON values."""
    sent = set()
    if case.section is not None:
        sent = {"original_number", "original_date"} if case.section.is_amendment else set()
        sent |= set() if case.section.is_ecommerce else {"type"}
    for name, (kinds, what) in OTHER_FIELDS.items():
        value = getattr(case.invoice, name)
        if name not in sent and not _fits(value, kinds):
            yield Problem(f"{name} {shown(value)} is not {what}", in_kind=True)
    if problem := extra_problem(case.invoice.extra):
        yield Problem(problem, in_kind=True)


def _fits(value: object, kinds: tuple[type, ...]) -> bool:
    if isinstance(value, ItcReduction):
        heads = (value.igst, value.cgst, value.sgst, value.cess)
        sound = isinstance(value.required, bool) and all(head is None or writable(head) for head in heads)
        return ItcReduction in kinds and sound
    # A moment is a date too, and none is wanted.
    return type(value) in kinds if dt.date in kinds else isinstance(value, kinds)


def extra_problem(extra: object) -> str | None:
    """Return what is wrong with the fields that a gateway adds, or None."""
    if not isinstance(extra, dict):
        return f"extra {shown(extra)} is not a dict of JSON values"
    try:
        json_text(extra)
    except Exception as error:  # noqa: BLE001 # the `__repr__` of a caller's class may raise anything
        return f"extra cannot be kept: {error!s:.180}; numbers with a fraction are Decimals"
    return None
