"""Decide on records by a policy, with a reason for each, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Final

import attrs

from ..model.plain import counted
from ..model.records import Decision, Invoice, ItcReduction, RecordKey
from ..model.vocabulary import Section
from ..steps import Steps, run, run_async
from .entry import Entry
from .kinds import MatchKind
from .matching import Match, Matching, matching_steps
from .policy import Outcome, Policy, Reduction, outcome_of

_STEP: Final = 64  # records that are judged before the caller's event loop may run
_CREDIT_NOTES: Final = frozenset({Section.B2BCN, Section.B2BCNA})
_REMARKS: Final = {
    MatchKind.VALUE_DIFFERS: "The value differs from our books.",
    MatchKind.TAX_HEAD_DIFFERS: "The tax heads differ from our books.",
    MatchKind.BOOKED_TWICE: "Under examination in our books.",
    MatchKind.NOT_IN_BOOKS: "Not in our books.",
}
"""What the supplier reads. The reasons have figures of the books, which are not its business."""

Function = Callable[[Match], Outcome | str | None]
"""The caller's own word on a match; None leaves it to the policy."""
Word = tuple[Outcome, str]
"""What is done, and why."""


@attrs.frozen(weakref_slot=False)
class Judged:
    """What is done with one record, and why in one sentence."""

    match: Match
    outcome: Outcome
    reason: str

    @property
    def invoice(self) -> Invoice:
        """The record."""
        return self.match.invoice


@attrs.frozen(weakref_slot=False)
class Total:
    """Records of one outcome: how many, and their taxable value and tax in rupees, as they read."""

    count: int = 0
    taxable_value: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)

    def plus(self, record: Invoice) -> Total:
        """Return the total with one record more."""
        tax = record.igst + record.cgst + record.sgst + record.cess
        return Total(self.count + 1, self.taxable_value + record.taxable_value, self.tax + tax)


class Decided:
    """The decisions of a policy: nothing has been sent.

    `decisions` are ready for `save`; `left` are the records that nothing was decided for, and `judged` has
    both, with outcome and reason, in the order of the records.
    """

    def __init__(self, matching: Matching) -> None:
        self.matching = matching
        self.judged: list[Judged] = []
        self.decisions: list[Decision] = []
        self.left: list[Invoice] = []
        self._by_key: dict[RecordKey, list[Judged]] = {}

    def _add(self, one: Judged, reduction: Reduction) -> None:
        self.judged.append(one)
        self._by_key.setdefault(one.invoice.key, []).append(one)
        if one.outcome is Outcome.LEAVE:
            self.left.append(one.invoice)
        else:
            self.decisions.append(_decision(one, reduction))

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{sum(one.outcome is outcome for one in self.judged):,} {outcome}" for outcome in Outcome
        )
        return f"<Decided on {len(self.judged):,} records: {counts}>"

    def __str__(self) -> str:
        totals = dict.fromkeys(Outcome, Total())
        for one in self.judged:
            totals[one.outcome] = totals[one.outcome].plus(one.invoice)
        facts = [
            f"{outcome} {total.count:,} (taxable value ₹{total.taxable_value:,.2f}, tax ₹{total.tax:,.2f})"
            for outcome, total in totals.items()
            if total.count
        ]
        return f"{counted(len(self.judged), 'record')}: {', '.join(facts) or 'nothing to decide'}"

    def reason(self, invoice: Invoice) -> str:
        """Return why a record was decided so, or left. Raises `KeyError` for a record that was not there."""
        those = self._by_key[invoice.key]
        return next((one for one in those if one.invoice == invoice), those[0]).reason

    def summary(self) -> Mapping[tuple[Outcome, Section, str], Total]:
        """Return counts and rupees by outcome, section and supplier."""
        totals: dict[tuple[Outcome, Section, str], Total] = {}
        for one in self.judged:
            key = (one.outcome, one.invoice.section, one.invoice.supplier)
            totals[key] = totals.get(key, Total()).plus(one.invoice)
        return totals


def decide(
    invoices: Iterable[Invoice],
    policy: Policy | None = None,
    register: Iterable[Entry] | None = None,
    function: Function | None = None,
) -> Decided:
    """Decide on records by a policy and the purchase register; nothing is sent.

    Without a register only `allow` and `function` decide, and the rest is left. `function` is asked about
    each match first; its outcome goes before the policy, and counts as a person's: it may accept what is not
    `automatic`. Every record gets a decision of its own, whatever action it has now: pass those without an
    action to keep what was decided before. Raises `InvalidInput` for an outcome that is unknown, and as
    `match` does.
    """
    return run(_steps(invoices, policy, register, function))


async def decide_async(
    invoices: Iterable[Invoice],
    policy: Policy | None = None,
    register: Iterable[Entry] | None = None,
    function: Function | None = None,
) -> Decided:
    """Decide as `decide` does, and let other tasks run every few milliseconds."""
    return await run_async(_steps(invoices, policy, register, function))


def _steps(
    invoices: Iterable[Invoice],
    policy: Policy | None,
    register: Iterable[Entry] | None,
    function: Function | None,
) -> Steps[Decided]:
    policy = policy or Policy()
    decided = Decided((yield from matching_steps(invoices, () if register is None else register, policy)))
    for count, one in enumerate(decided.matching):
        if not count % _STEP:
            yield
        decided._add(_judge(one, policy, function, register is not None), policy.itc_reduction)
    return decided


def _judge(found: Match, policy: Policy, function: Function | None, has_register: bool) -> Judged:
    asked = function(found) if function else None
    if asked is not None:
        outcome = outcome_of(asked, "function")
        word = (outcome, _first(f"Your function says {outcome}", found.reason))
        if outcome is Outcome.PENDING and found.invoice.pending_allowed is False:
            word = (Outcome.LEAVE, _first("The gateway does not allow pending", word[1]))
    else:
        word = _within_limits(found, policy, _by_kind(found, policy, has_register))
    if (
        word[0] is Outcome.ACCEPT
        and found.invoice.section in _CREDIT_NOTES
        and policy.itc_reduction == "leave"
    ):
        word = (Outcome.LEAVE, _first("How much credit this note reverses is for a person to say", word[1]))
    return Judged(found, *word)


def _by_kind(found: Match, policy: Policy, has_register: bool) -> Word:
    """Return what the policy says of a kind and a supplier."""
    supplier = found.invoice.supplier.strip().upper()
    why = found.reason if has_register else "There is no purchase register to compare it with."
    if found.kind is MatchKind.NOT_IN_BOOKS and policy.allows(supplier):
        return Outcome.ACCEPT, _first(f"{supplier} is on the list of suppliers that are accepted", why)
    if not has_register:
        return Outcome.LEAVE, why
    outcome = policy.outcome(found.kind, supplier)
    if outcome in (Outcome.ACCEPT, Outcome.REJECT) and not found.automatic:
        return Outcome.LEAVE, _first(f"Only a person can {outcome} what is {found.kind}", why)
    return outcome, why


def _first(what: str, why: str) -> str:
    """Put a further cause before a reason, in one sentence."""
    return f"{what}; {why[:1].lower()}{why[1:]}"


def _within_limits(found: Match, policy: Policy, word: Word) -> Word:
    """Return what remains of it after the limits of the policy, and of the gateway."""
    record, supplier = found.invoice, found.invoice.supplier.strip().upper()
    outcome, why = word
    if outcome is Outcome.PENDING and record.pending_allowed is False:
        outcome, why = policy.pending_not_allowed, _first("The gateway does not allow pending", why)
        if not found.automatic:
            outcome = Outcome.LEAVE
    if outcome is Outcome.ACCEPT and policy.blocks(supplier):
        return Outcome.LEAVE, _first(f"{supplier} is on the list of suppliers that are not accepted", why)
    above = policy.leave_above
    if outcome is not Outcome.LEAVE and above is not None and abs(record.value) > above:
        return Outcome.LEAVE, _first(f"Its value of ₹{record.value:,.2f} is above ₹{above:,.2f}", why)
    if outcome is Outcome.ACCEPT and record.not_filed and policy.not_filed is not outcome:
        outcome, why = policy.not_filed, _first("Its supplier has not filed", why)
        if outcome is Outcome.PENDING and record.pending_allowed is False:
            return Outcome.LEAVE, _first("The gateway does not allow pending", why)
    return outcome, why


def _decision(one: Judged, reduction: Reduction) -> Decision:
    record = one.invoice
    if one.outcome is Outcome.ACCEPT:
        declared = None
        if record.section in _CREDIT_NOTES and record.itc_reduction_allowed is not False:
            declared = ItcReduction.full() if reduction == "full" else ItcReduction.none()
        return record.accept(itc_reduction=declared)
    remarks = _REMARKS.get(one.match.kind) if record.remarks_allowed is not False else None
    return record.reject(remarks) if one.outcome is Outcome.REJECT else record.keep_pending(remarks)
