"""Rules on the ITC reduction: how much credit is reversed when a record that lowers it is accepted."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from ..model.vocabulary import Section
from .context import REDUCIBLE, Case
from .document import amount_problem, is_amount, writable
from .finding import Problem, shown

_CHOICES: Final = "give ITC reduction: none, full or amounts"


def itc_reduction(case: Case) -> Iterator[Problem]:
    """An ITC reduction goes with A, in sections that take one, unless the record does not."""
    if case.reduction_given is None:
        return
    if case.reduction is None:
        given = shown(case.reduction_given)
        yield Problem(f"ITC reduction {given} is no ItcReduction: {_CHOICES}", in_kind=True)
        return
    if not case.accepted:
        yield Problem("an ITC reduction goes with accepting only")
    if case.section is not None and case.section not in REDUCIBLE:
        yield Problem(f"section {case.section} documents no ITC reduction")
    if case.invoice.itc_reduction_allowed is False:
        yield Problem("the gateway takes no ITC reduction for this record")


def _says_nothing(case: Case) -> bool:
    """Return True for an acceptance without an ITC reduction although the record takes one."""
    return case.accepted and case.reduction_given is None and case.invoice.itc_reduction_allowed is not False


def itc_reduction_missing(case: Case) -> Iterator[Problem]:
    """Accepting a credit note says how much credit it gives up, unless the record takes no word on it."""
    if case.section is Section.B2BCN and _says_nothing(case):
        yield Problem(f"accepting a credit note says how much credit it gives up: {_CHOICES} (IMSSAV0054)")


def itc_reduction_unsaid(case: Case) -> Iterator[Problem]:
    """Accepting an amendment that lowers credit says by how much.

    Whether it lowers credit shows in its original only.
    """
    if case.section in REDUCIBLE and case.section is not Section.B2BCN and _says_nothing(case):
        yield Problem(f"if this amendment lowers credit, accepting it says by how much: {_CHOICES}")


def itc_reduction_none(case: Case) -> Iterator[Problem]:
    """No reversal declares no amounts; a reversal declares more than zeros."""
    declared = case.reduction.amounts if case.reduction else {}
    if case.reduction is None or not declared:
        return
    if not case.reduction.required:
        yield Problem("it says that nothing is to be reversed, and declares amounts: use one of the two")
    elif all(is_amount(rupees) and not rupees for rupees in declared.values()):
        yield Problem("it declares zero under every head: give ITC reduction: none")


def itc_reduction_amounts(case: Case) -> Iterator[Problem]:
    """Each head declared is between 0 and the record's tax; CGST equals SGST."""
    declared = case.reduction.amounts if case.reduction else {}
    for head, rupees in declared.items():
        tax = getattr(case.invoice, head)
        if problem := amount_problem(f"ITC reduction, {head}", rupees):
            yield Problem(problem, in_kind=not writable(rupees))
        elif is_amount(tax) and rupees > tax:
            yield Problem(f"ITC reduction, {head} {rupees} is more than the record's {str(tax)[:30]}")
    cgst, sgst = declared.get("cgst", Decimal(0)), declared.get("sgst", Decimal(0))
    if is_amount(cgst) and is_amount(sgst) and cgst != sgst:
        yield Problem("ITC reduction, cgst and sgst differ; GSTN takes them in equal parts")
