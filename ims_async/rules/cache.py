"""Shortcuts for large batches: a fast test for well-formed records, and a cache of the rules that report.

Neither replaces a rule: where the fast test fails or the cache has no entry, the rules themselves run.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Hashable, Sequence
from decimal import Decimal
from types import NoneType
from typing import Final, TypeVar

from ..model.records import Decision, Invoice, ItcReduction
from ..model.vocabulary import Action, Section
from .catalogue import DECISION_RULES, FORM_RULES, ID_RULES, OWN_RULES, RECIPIENT_RULES, SUPPLIER_RULES
from .context import Facts, Rule, case_of
from .decision import LONGEST_REMARKS, garbling
from .document import AMOUNT_LIMIT, NUMBER, OTHER_FIELDS, PAISE
from .finding import Problem, Record

_MOST_CACHED: Final = 50_000  # keys, a few hundred bytes each
_ZERO, _TENTHS = Decimal(0), Decimal("0.1")

Suspects = tuple[tuple[Rule, ...], tuple[tuple[Rule, Problem], ...]]
"""Rules to be asked about a record, and what is known to be reported, in the order of the rules."""
ALL_SUSPECTED: Final[Suspects] = OWN_RULES, ()
_ALL_ON_DECISIONS: Final[Suspects] = DECISION_RULES, ()
_T = TypeVar("_T")


def plainly_formed(invoice: Invoice) -> bool:
    """Return True if no rule on form can report the invoice; False if the rules have to be run."""
    number = invoice.number
    if _kinds_of(invoice) not in _PLAIN_KINDS or NUMBER.fullmatch(number) is None:
        return False
    igst, cgst, sgst = invoice.igst, invoice.cgst, invoice.sgst
    # Zero, paise, tenths or whole rupees: this excludes NaN and amounts with more than two decimals.
    for rupees in (invoice.value, invoice.taxable_value, igst, cgst, sgst, invoice.cess):
        if rupees and (
            rupees.is_signed()
            or not (rupees.same_quantum(PAISE) or rupees.same_quantum(_ZERO) or rupees.same_quantum(_TENTHS))
            or rupees.adjusted() > _HIGHEST
        ):
            return False
    if (cgst or sgst) if igst else cgst != sgst:
        return False
    if invoice.extra and not _plainly_added(invoice.extra):
        return False
    return invoice.section not in _AMENDMENTS or _plainly_amending(invoice)


_PLAIN: Final[dict[str, tuple[type, ...]]] = {
    **{name: kinds for name, (kinds, _) in OTHER_FIELDS.items()},
    "itc_reduction": (NoneType,),
    "extra": (dict,),
    "section": (Section,),
    "action": (Action,),
    "number": (str,),
    "date": (dt.date,),
    **dict.fromkeys(("value", "taxable_value", "igst", "cgst", "sgst", "cess"), (Decimal,)),
}
"""The types of the fields of a record as a gateway sends it, but for its other ids."""


def _kinds_of(one: Invoice) -> tuple[type, ...]:
    """Return the types of the fields in `_PLAIN`, in its order; written out, it takes half the time."""
    return (
        type(one.hash), type(one.supplier_name), type(one.recipient), type(one.remarks),
        type(one.pending_allowed), type(one.supplier_filed), type(one.remarks_allowed),
        type(one.itc_reduction_allowed), type(one.itc_reduction), type(one.read_from_gateway),
        type(one.type), type(one.original_number), type(one.original_date), type(one.extra),
        type(one.section), type(one.action), type(one.number), type(one.date),
        type(one.value), type(one.taxable_value), type(one.igst), type(one.cgst), type(one.sgst),
        type(one.cess),
    )  # fmt: skip


_PLAIN_KINDS: Final = frozenset(itertools.product(*_PLAIN.values()))
_PLAIN_VALUES: Final = frozenset({str, bool, NoneType})
_AMENDMENTS: Final = frozenset(section for section in Section if section.is_amendment)
_HIGHEST: Final = AMOUNT_LIMIT.adjusted()  # as it is all nines


def _plainly_added(extra: dict[str, object]) -> bool:
    return all(type(key) is str and type(value) in _PLAIN_VALUES for key, value in extra.items())


def _plainly_amending(invoice: Invoice) -> bool:
    original = invoice.original_number
    if type(original) is not str or NUMBER.fullmatch(original) is None:
        return False
    return type(invoice.original_date) is dt.date


def _wording(decision: Decision, invoice: Invoice) -> object:
    """Return a cache key for ordinary remarks and ITC reductions; None if the rules have to be run."""
    remarks, reduction = decision.remarks, decision.itc_reduction
    if remarks is not None and (
        type(remarks) is not str
        or not remarks.isprintable()  # excludes lone surrogates and control characters
        or not 0 < len(remarks) <= LONGEST_REMARKS
        or remarks == invoice.remarks
        or garbling(remarks) is not None
    ):
        return None
    said = remarks is not None
    if reduction is None:
        return said, None
    if type(reduction) is not ItcReduction or type(reduction.required) is not bool:
        return None
    declared = (reduction.igst, reduction.cgst, reduction.sgst, reduction.cess)
    if declared != (None, None, None, None) or invoice.itc_reduction is not None:
        return None
    return said, reduction.required


_NOTHING_SAID: Final[object] = ()


class RuleCache:
    """Remember, for one batch, what is found in records with the same fields."""

    def __init__(self, facts: Facts) -> None:
        self._facts, self._gstin = facts, facts.gstin
        self._by_supplier: dict[Hashable, tuple[Rule, ...]] = {}
        self._by_ids: dict[Hashable, tuple[Rule, ...]] = {}
        self._by_decision: dict[Hashable, Suspects] = {}

    def suspects(self, record: Record, invoice: Invoice) -> Suspects:
        """Return the rules on the record itself that may report it, and what others report; mostly nothing.

        Raises `TypeError` if a field is not hashable.
        """
        wording, action = _NOTHING_SAID, None
        if record is not invoice:
            action = record.action
            if type(action) is not Action:
                return ALL_SUSPECTED
            if record.remarks is not None or record.itc_reduction is not None:
                wording = _wording(record, invoice)  # type: ignore[arg-type] # it is a decision
        plain = plainly_formed(invoice)
        section, previous, supplier = invoice.section, invoice.action, invoice.supplier
        if not plain and (type(section) is not Section or type(previous) is not Action):
            return ALL_SUSPECTED
        period, form = invoice.return_period, invoice.source_form
        ids = (section, period, form, invoice.place_of_supply, invoice.type)
        decided = (
            section, period, form, action, previous, wording,
            invoice.pending_allowed is False, invoice.supplier_filed is False,
            invoice.remarks_allowed is False, invoice.itc_reduction_allowed is False,
        )  # fmt: skip
        by_supplier, by_ids = self._by_supplier.get(supplier), self._by_ids.get(ids)
        if by_supplier is None:
            by_supplier = _kept(self._by_supplier, supplier, self._reporting(SUPPLIER_RULES, record))
        if by_ids is None:
            by_ids = _kept(self._by_ids, ids, self._reporting(ID_RULES, record))
        by_decision = _ALL_ON_DECISIONS if wording is None else self._by_decision.get(decided)
        if by_decision is None:
            by_decision = _kept(self._by_decision, decided, self._reported(DECISION_RULES, record))
        own = invoice.recipient is None or invoice.recipient == self._gstin
        if plain and own and not by_supplier and not by_ids:
            return by_decision  # as nearly always
        rules, known = by_decision
        rules = (
            (() if plain else FORM_RULES) + (() if own else RECIPIENT_RULES) + by_supplier + by_ids + rules
        )
        return rules, known

    def _reporting(self, rules: Sequence[Rule], record: Record) -> tuple[Rule, ...]:
        """Return the rules that report a record; they quote its ids, and so are asked about each."""
        case = case_of(record, 0, 0, self._facts)
        return tuple(rule for rule in rules if any(True for _ in rule.look(case)))

    def _reported(self, rules: Sequence[Rule], record: Record) -> Suspects:
        """Return what rules report: the same of all records with the same fields."""
        case = case_of(record, 0, 0, self._facts)
        return (), tuple(
            (rule, problem) for rule in rules for problem in rule.look(case) if problem is not None
        )


def _kept(cache: dict[Hashable, _T], key: Hashable, found: _T) -> _T:
    if len(cache) >= _MOST_CACHED:
        cache.clear()
    cache[key] = found
    return found
