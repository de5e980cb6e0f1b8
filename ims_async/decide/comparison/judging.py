"""What a record of IMS and a document of a GSTR-2B say of each other: kind, reason, and credit due."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from ...model.gstr2b import Gstr2bDocument, Gstr2bPlace, Gstr2bSection, ItcAvailable, TaxAmounts
from ...model.plain import counted
from ...model.records import Invoice, ItcReduction
from ...model.vocabulary import Action, Section
from .circumstances import Circumstances
from .kinds import ComparedKind
from .pairing import named, short

Word = tuple[ComparedKind, str, TaxAmounts]
"""A kind, a reason in one sentence, and the credit that there should be."""
NOTHING: Final = TaxAmounts()
CREDIT_NOTES: Final = frozenset({Section.B2BCN, Section.B2BCNA})
_ACCEPTED: Final = frozenset({Action.ACCEPT, Action.NO_ACTION})
_IS: Final = {
    Action.ACCEPT: "It is accepted",
    Action.NO_ACTION: "It has no action, which counts as accepted",
    Action.REJECT: "It is rejected",
    Action.PENDING: "It is pending",
}
WORDS: Final = {
    Action.ACCEPT: "accepted",
    Action.NO_ACTION: "without an action",
    Action.REJECT: "rejected",
    Action.PENDING: "pending",
}
# GSTN's `rsn`: rule on the place of supply; section 16(4) of the CGST Act.
_BLOCKED: Final = {
    "P": "supplier and place of supply are in one State, and the recipient in another",
    "C": "its supplier filed after the last day for the credit of that year, section 16(4)",
    "": "the GSTR-2B does not say why",
}
_HEADS: Final = (("IGST", "igst"), ("CGST", "cgst"), ("SGST", "sgst"), ("cess", "cess"))


def tax_of(record: Invoice) -> TaxAmounts:
    """Return the tax of a record, positive for a credit note too."""
    return TaxAmounts(igst=record.igst, cgst=record.cgst, sgst=record.sgst, cess=record.cess)


def rupees(amount: Decimal) -> str:
    """Write rupees, the sign first."""
    return f"{'-' if amount < 0 else ''}₹{abs(amount):,.2f}"


def of_both(
    record: Invoice, document: Gstr2bDocument, amounts: TaxAmounts, credit: TaxAmounts, known: Circumstances
) -> Word:
    """Judge a record and the document that it is, by the tax of the one and the credit of the other."""
    tax, is_ = rupees(amounts.total), _IS[record.action]
    rejected = document.place is Gstr2bPlace.REJECTED
    if record.action is Action.PENDING:
        part = " in its rejected part" if rejected else ""
        why = f"{is_}, but the GSTR-2B has it{part}, with {tax} of tax: {known.what_to_do}."
        return ComparedKind.PENDING_LISTED, why, NOTHING
    if record.action is Action.REJECT:
        if rejected:
            why = f"{is_}, and so it is in the rejected part of the GSTR-2B: its {tax} of tax do not count."
            return ComparedKind.REJECTED, why, NOTHING
        counts = f"the GSTR-2B counts its {tax} of tax"
        if document.itc_available is ItcAvailable.NO:
            counts = f"in the GSTR-2B its {tax} of tax are not rejected, only no available credit"
        return ComparedKind.REJECTED_COUNTED, f"{is_}, but {counts}: {known.what_to_do}.", NOTHING
    theirs = None if rejected else document.itc_reduction
    due = credit_of(record, amounts, whole=not rejected and theirs is None, unsaid=theirs)
    if rejected:
        why = f"{is_}, but it is in the rejected part of the GSTR-2B, with {tax} of tax: {known.what_to_do}."
        return ComparedKind.ACCEPTED_REJECTED, why, due
    if document.itc_available is ItcAvailable.NO:
        why = f"{is_}, but its {tax} of tax are no available credit: {_why_blocked(document)}."
        return ComparedKind.CREDIT_BLOCKED, why, NOTHING
    return _of_counted(record, document, credit, due, known)


def _of_counted(
    record: Invoice, document: Gstr2bDocument, credit: TaxAmounts, due: TaxAmounts, known: Circumstances
) -> Word:
    """Judge what is accepted, or has no action, and counts."""
    is_, amounts = _IS[record.action], _differences(record, document, credit, due)
    status, period = document.ims_status, document.supplier_period
    other = amounts
    if period is not None and period != record.return_period:
        periods = f"{short(period)}, not of {short(record.return_period)}"
        other = [*amounts, f"it is of its supplier's return of {periods}"]
    if status is not None and status is not record.action:
        also = f", and by it {', '.join(other)}"
        if not other:
            also = f"; its credit of {rupees(credit.total)} stays the same"
        why = f"{is_}, but the GSTR-2B was made when it was {WORDS[status]}{also}: {known.what_to_do}."
        return ComparedKind.ACTION_DIFFERS, why, due
    differs = f"{is_}, but by the GSTR-2B {', '.join(other)}"
    if amounts:
        return ComparedKind.AMOUNTS_DIFFER, f"{differs}.", due
    if other:
        return ComparedKind.PERIOD_DIFFERS, f"{differs}; its credit is {rupees(due.total)}.", due
    return ComparedKind.COUNTED, f"{is_}, and {_adds(credit.total)}{_unsaid(record, document)}.", due


def _unsaid(record: Invoice, document: Gstr2bDocument) -> str:
    """Say what a credit note declares in IMS where the GSTR-2B does not say what was declared."""
    declared = -credit_of(record, document.tax)
    if record.section not in CREDIT_NOTES or document.itc_reduction is not None or declared == document.tax:
        return ""
    return f"; IMS has an ITC reduction of {rupees(declared.total)}, and the GSTR-2B has none"


def _adds(credit: Decimal) -> str:
    if not credit:
        return "does not change the credit"
    takes = credit < 0
    return f"{'takes' if takes else 'adds'} {rupees(abs(credit))} {'from' if takes else 'to'} the credit"


def _differences(record: Invoice, document: Gstr2bDocument, credit: TaxAmounts, due: TaxAmounts) -> list[str]:
    """Say each amount that differs; of an ITC reduction where the tax is the same."""
    tax = document.tax
    pairs = [
        ("taxable value", record.taxable_value, document.taxable_value),
        ("value", record.value, document.value),
        ("IGST", record.igst, tax.igst),
        ("CGST", record.cgst, tax.cgst),
        ("SGST", record.sgst, tax.sgst),
        ("cess", record.cess, tax.cess),
    ]
    found = [
        f"{label} is {rupees(theirs)} and not {rupees(mine)}"
        for label, mine, theirs in pairs
        if theirs is not None and theirs != mine
    ]
    if not found:
        theirs, mine = -credit, -due
        if record.section not in CREDIT_NOTES:  # of other documents the credit does not show it
            theirs, mine = (tax.given_up(one.itc_reduction) for one in (document, record))
            if document.itc_reduction is None or record.itc_reduction is None:
                return []
        if theirs != mine:
            found = [f"its ITC reduction is {_by_head(theirs)} and not {_by_head(mine)}"]
    return found


def _by_head(amounts: TaxAmounts) -> str:
    heads = heads_of(amounts)
    return f"{rupees(amounts.total)} ({heads})" if heads else rupees(amounts.total)


def of_record(
    record: Invoice, amounts: TaxAmounts, known: Circumstances, alike: Gstr2bDocument | None = None
) -> Word:
    """Judge a record of this tax that the GSTR-2B does not have; `alike` may be it with another date."""
    tax, is_ = rupees(amounts.total), _IS[record.action]
    if record.action is Action.PENDING:
        why = f"{is_}, and the GSTR-2B does not have it: its {tax} of tax are carried over."
        return ComparedKind.CARRIED_OVER, why, NOTHING
    if record.action is Action.REJECT:
        why = f"{is_}, and the GSTR-2B has it in no part: its {tax} of tax do not count."
        return ComparedKind.NOT_LISTED, why, NOTHING
    if known.not_filed(record):
        why = f"{is_}, but its supplier has not filed: its {tax} of tax are not in the GSTR-2B."
        return ComparedKind.NOT_FILED, why, NOTHING
    if later := known.why_later(record):
        why = f"{is_}, and a later GSTR-2B has its {tax} of tax: {later}."
        return ComparedKind.LATER_PERIOD, why, NOTHING
    if earlier := known.earlier(record):
        periods, unfiled = earlier
        why = f"{is_}, and the GSTR-2B of {periods} may have its {tax} of tax"
        why = f"{why}: GSTR-3B of {unfiled} is not filed."
        return ComparedKind.EARLIER_PERIOD, why, NOTHING
    due = credit_of(record, amounts)
    missing = f"{is_}, but the GSTR-2B does not have its {tax} of tax"
    if known.unread:
        unread = f"it may be in what could not be read of it ({counted(known.unread, 'problem')})"
        return ComparedKind.MISSING, f"{missing}: {unread}.", due
    if alike is not None:
        return ComparedKind.MISSING, f"{missing}: it may be {named(alike)}, which IMS does not have.", due
    in_time = known.why_in_time(record)
    if known.recompute_due or (in_time and known.recompute_due is None):
        since = in_time or "actions have changed since it was made"
        return ComparedKind.RECOMPUTE_DUE, f"{missing}: {since}, so {known.what_to_do}.", due
    return ComparedKind.MISSING, f"{missing}: {_why_missing(record, known, in_time)}.", due


def _why_missing(record: Invoice, known: Circumstances, in_time: str | None) -> str:
    if in_time is not None:
        return f"{in_time}, and no action has changed since it was made"
    if known.recompute_due is None:
        late = f"its supplier filed after {known.cut_off:%d-%m-%Y}"
        why = f"{late}, or its action has changed since the GSTR-2B was made"
    else:
        why = f"its supplier may have filed after {known.cut_off:%d-%m-%Y}"
    if earlier := known.maybe_earlier(record):
        why = f"the GSTR-2B of {earlier} may have it; else {why}"
    return why if record.supplier_filed else f"{why}; whether its supplier has filed is not known"


def of_document(document: Gstr2bDocument, credit: TaxAmounts, known: Circumstances) -> Word:
    """Judge a document that IMS has no record of; what does not pass through IMS is as it is."""
    tax = rupees(document.tax.total)
    if (outside := _outside_ims(document, tax)) is not None:
        return *outside, credit
    if known.filed_on is not None:
        left = f"what was accepted or rejected left IMS when GSTR-3B was filed on {known.filed_on:%d-%m-%Y}"
        return ComparedKind.PERIOD_FILED, f"The GSTR-2B has it, with {tax} of tax: {left}.", credit
    part = " in its rejected part" if document.place is Gstr2bPlace.REJECTED else ""
    what = f"The GSTR-2B has it{part}, with {tax} of tax, and IMS does not"
    if document.section in (Gstr2bSection.CDNR, Gstr2bSection.CDNRA) and document.ims_section is None:
        what += ": whether it is a credit note or a debit note is not said"
    elif not known.filing_known:
        what += "; if GSTR-3B of the period is filed, its record has left IMS"
    return ComparedKind.NOT_IN_IMS, f"{what}.", NOTHING


def _outside_ims(document: Gstr2bDocument, tax: str) -> tuple[ComparedKind, str] | None:
    """Return why IMS has no record of a document, if that is known."""
    section = document.section
    if document.place is Gstr2bPlace.REVERSAL:
        note = "come back of a credit note" if document.credit_note else "are to be reversed"
        return ComparedKind.REVERSAL, f"{tax} of credit {note}: the supplier's tax stays unpaid (rule 37A)."
    if section in (Gstr2bSection.ISD, Gstr2bSection.ISDA):
        blocked = ", which are no available credit" if document.itc_available is ItcAvailable.NO else ""
        why = f"It is of an input service distributor, with {tax} of tax{blocked}: IMS has none of those."
        return ComparedKind.ISD, why
    if section in (Gstr2bSection.IMPG, Gstr2bSection.IMPGSEZ):
        why = f"It is a bill of entry, with {tax} of tax: no records of imports can be read."
        return ComparedKind.IMPORT, why
    if document.reverse_charge:
        why = f"It is under reverse charge, with {tax} of tax, and does not pass through IMS."
        return ComparedKind.REVERSE_CHARGE, why
    if document.itc_available is ItcAvailable.NO:
        blocked = f"its {tax} of tax are no available credit, {_why_blocked(document)}"
        why = f"It does not pass through IMS: {blocked}."
        return ComparedKind.CREDIT_BLOCKED, why
    return None


def _why_blocked(document: Gstr2bDocument) -> str:
    return _BLOCKED.get(document.reason, f"the reason is {short(document.reason)}")


def credit_of(
    record: Invoice, tax: TaxAmounts, *, whole: bool = False, unsaid: ItcReduction | None = None
) -> TaxAmounts:
    """Return the credit that an action gives; a credit note takes what it declares, or the whole.

    A gateway need not show what was declared: then `unsaid` is taken for it.
    """
    if record.action not in _ACCEPTED:
        return NOTHING
    if record.section not in CREDIT_NOTES:
        return tax
    declared = unsaid if record.itc_reduction is None else record.itc_reduction
    return -(tax if whole or record.action is not Action.ACCEPT else tax.given_up(declared))


def signed(record: Invoice, tax: TaxAmounts) -> TaxAmounts:
    """Return the tax of a record, negative for a credit note."""
    return -tax if record.section in CREDIT_NOTES else tax


def heads_of(amounts: TaxAmounts) -> str:
    """Name the heads that are not zero, with their rupees."""
    heads = [(label, getattr(amounts, head)) for label, head in _HEADS]
    return ", ".join(f"{label} {rupees(amount)}" for label, amount in heads if amount)
