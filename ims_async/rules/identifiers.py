"""Rules on the ids that many records of a batch share: taxpayers, return period, source form and type.

Patterns: GST API documentation, the schemas of "IMS - Save IMS Action" and "Reset IMS Action".
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterator
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
    """Return True for text and None, which a gateway may send; a number can come from a caller only."""
    return value is None or writable_text(value)


def supplier(case: Case) -> Iterator[Problem]:
    """The supplier's GSTIN has the pattern and the check digit of one."""
    found = case.invoice.supplier
    if not isinstance(found, str):
        yield Problem(f"supplier: {shown(found)} is not a GSTIN as text", in_kind=True)
    elif problem := _gstin_problem(found[:60]):
        yield Problem.of_form(f"supplier: {problem}", sendable=writable_text(found))


def own_supplier(case: Case) -> Iterator[Problem]:
    """The supplier is not the taxpayer itself."""
    found, own = case.invoice.supplier, case.facts.gstin
    if own is not None and isinstance(found, str) and found.upper() == own.upper():
        yield Problem(f"its supplier is the taxpayer itself, {own}: is it the right file?")


def recipient(case: Case) -> Iterator[Problem]:
    """The record was read for this taxpayer, or made by hand."""
    found, own = case.invoice.recipient, case.facts.gstin
    if isinstance(found, str) and own is not None and found.upper() != own.upper():
        yield Problem(f"it was read for {found[:60]}, and this is {own}: save it under that taxpayer")


def return_period(case: Case) -> Iterator[Problem]:
    """The return period is MMYYYY."""
    found = case.invoice.return_period
    if not isinstance(found, str):
        yield Problem(f'return period {shown(found)} is not text: write MMYYYY, "102024"', in_kind=True)
    elif problem := period_problem(found):
        yield Problem.of_form(problem, sendable=writable_text(found))


def period_range(case: Case) -> Iterator[Problem]:
    """The return period is not before 07-2017 and has begun."""
    found, today = case.invoice.return_period, case.facts.today
    month = month_of(found) if isinstance(found, str) else None
    if month is None:
        return
    if month < (month_of(GST_BEGAN) or 0):
        yield Problem(f"return period {found} is before GST began in July 2017", typed_only=True)
    elif today is not None and month > today.year * 12 + today.month - 1:
        yield Problem(f"return period {found} has not begun: today is {today:%d-%m-%Y}", typed_only=True)


def place_of_supply(case: Case) -> Iterator[Problem]:
    """The place of supply is a two-digit state code."""
    found = case.invoice.place_of_supply
    if not (isinstance(found, str) and _PLACE_OF_SUPPLY.fullmatch(found)):
        message = f"place of supply {shown(found)} is not a two-digit state code as text"
        yield Problem.of_form(message, sendable=_or_nothing(found))


def source_form(case: Case) -> Iterator[Problem]:
    """The source form is R1, R1A, IFF or R5."""
    yield from _listed("source form", case.invoice.source_form, _SOURCE_FORMS)


def invoice_type(case: Case) -> Iterator[Problem]:
    """The type is R, DE, SEWP, SEWOP or CBW, but for e-commerce."""
    if case.section is not None and not case.section.is_ecommerce:
        yield from _listed("invoice type", case.invoice.type, _TYPES)


def _listed(name: str, found: object, known: Collection[str]) -> Iterator[Problem]:
    if not (isinstance(found, str) and found in known):
        message = f"{name} {shown(found)} is not one of {', '.join(sorted(known))}"
        yield Problem.of_form(message, sendable=_or_nothing(found))
