"""Rules on whose record it is and which form it came by: what many records of a batch have in common.

Patterns: GST API documentation, the schemas of "IMS - Save IMS Action" and "Reset IMS Action".
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Final

from ..model.vocabulary import gstin_problem, period_problem
from .context import Case
from .finding import Problem, shown, writable_text
from .periods import GST_BEGAN, month_of

_PLACE_OF_SUPPLY: Final = re.compile(r"3[0-8]|[12][0-9]|0[1-9]|96|97", re.ASCII)
_SOURCE_FORMS: Final = frozenset({"R1", "R1A", "IFF", "R5"})
_TYPES: Final = frozenset({"R", "DE", "SEWP", "SEWOP", "CBW"})

_gstin_problem = functools.lru_cache(maxsize=10_000)(gstin_problem)


def _or_nothing(value: object) -> bool:
    """True for text and nothing; a number in its place was put there by a person, not by the gateway."""
    return value is None or writable_text(value)


def supplier(case: Case) -> Iterator[Problem]:
    """See a supplier's GSTIN of a wrong pattern or check digit."""
    found = case.invoice.supplier
    if not isinstance(found, str):
        yield Problem(f"supplier: {shown(found)} is not a GSTIN as text", in_kind=True)
    elif problem := _gstin_problem(found[:60]):
        told = writable_text(found)
        yield Problem(f"supplier: {problem}", typed_only=told, in_kind=not told)


def own_supplier(case: Case) -> Iterator[Problem]:
    """See a taxpayer who is his own supplier."""
    found, own = case.invoice.supplier, case.facts.gstin
    if own is not None and isinstance(found, str) and found.upper() == own.upper():
        yield Problem(f"its supplier is the taxpayer itself, {own}: is it the right file?")


def recipient(case: Case) -> Iterator[Problem]:
    """See a record that was read for another taxpayer."""
    found, own = case.invoice.recipient, case.facts.gstin
    if isinstance(found, str) and own is not None and found.upper() != own.upper():
        yield Problem(f"it was read for {found[:60]}, and this is {own}: save it under that taxpayer")


def return_period(case: Case) -> Iterator[Problem]:
    """See a return period that is none."""
    found = case.invoice.return_period
    if not isinstance(found, str):
        yield Problem(f'return period {shown(found)} is not text: write MMYYYY, "102024"', in_kind=True)
    elif problem := period_problem(found):
        told = writable_text(found)
        yield Problem(problem, typed_only=told, in_kind=not told)


def period_range(case: Case) -> Iterator[Problem]:
    """See a return period before GST began, or one that has not begun."""
    found, today = case.invoice.return_period, case.facts.today
    month = month_of(found) if isinstance(found, str) else None
    if month is None:
        return
    if month < (month_of(GST_BEGAN) or 0):
        yield Problem(f"return period {found} is before GST began in July 2017", typed_only=True)
    elif today is not None and month > today.year * 12 + today.month - 1:
        yield Problem(f"return period {found} has not begun: today is {today:%d-%m-%Y}", typed_only=True)


def place_of_supply(case: Case) -> Iterator[Problem]:
    """See a place of supply that is no state code."""
    found = case.invoice.place_of_supply
    if not (isinstance(found, str) and _PLACE_OF_SUPPLY.fullmatch(found)):
        told = _or_nothing(found)
        message = f"place of supply {shown(found)} is not a two-digit state code as text"
        yield Problem(message, typed_only=told, in_kind=not told)


def source_form(case: Case) -> Iterator[Problem]:
    """See a source form that is none."""
    found = case.invoice.source_form
    if not (isinstance(found, str) and found in _SOURCE_FORMS):
        told = _or_nothing(found)
        message = f"source form {shown(found)} is not one of {', '.join(sorted(_SOURCE_FORMS))}"
        yield Problem(message, typed_only=told, in_kind=not told)


def invoice_type(case: Case) -> Iterator[Problem]:
    """See an invoice type that is none, where the section has one."""
    found = case.invoice.type
    if case.section is None or case.section.is_ecommerce:
        return
    if not (isinstance(found, str) and found in _TYPES):
        told = _or_nothing(found)
        message = f"invoice type {shown(found)} is not one of {', '.join(sorted(_TYPES))}"
        yield Problem(message, typed_only=told, in_kind=not told)
