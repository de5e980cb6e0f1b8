"""Rules on the decision: the action, what the record allows, and the remarks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from ..model.records import Decision, Invoice, ItcReduction, Record
from ..model.vocabulary import Action
from .context import CREDIT_NOTES, REDUCIBLE, Case
from .document import is_amount
from .finding import Problem, shown, writable_text
from .periods import DUE_DAY, day_in, earliest_gstr2b, period_of

LONGEST_REMARKS: Final = 250  # characters
# UTF-8 that was read as Windows-1252 (ä as Ã¤, ₹ as â‚¹, क as à¤•, த as à®¤), and characters that were lost.
# Letters that end real words, before a quote or a dash, count where two such pairs follow each other.
_CONTINUED: Final = "[\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
_GARBLED: Final = re.compile(
    f"\ufffd|[ÂÃ]{_CONTINUED}|(?:[Ä-ß]{_CONTINUED}){{2}}|â{_CONTINUED}{{2}}|à[¤-·]{_CONTINUED}|ï»¿"
)
_LOST: Final = re.compile(r"\?\?+")  # Hindi that was saved as CSV, and not as CSV UTF-8
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def action(case: Case) -> Iterator[Problem]:
    """The action saved is A, R or P; back to N is a reset."""
    if not isinstance(case.record, Decision):
        return
    if case.action is None:
        yield Problem(f"action {shown(case.record.action)} is not an Action", in_kind=True)
    elif case.action is Action.NO_ACTION:
        yield Problem("action N cannot be saved; use reset to take a decision back")


def reset_of_no_action(case: Case) -> Iterator[Problem]:
    """A record that is reset has an action."""
    if not isinstance(case.record, Decision) and case.invoice.action is Action.NO_ACTION:
        yield Problem("it has no action, so there is nothing to reset")


def no_change(case: Case) -> Iterator[Problem]:
    """A decision changes the action, the remarks or the ITC reduction."""
    if case.action in (None, Action.NO_ACTION) or case.action is not case.invoice.action:
        return
    if _same_remarks(case) and _same_reduction(case):
        yield Problem(f"it stands at {case.action} already, and nothing else is new: leave it out")


def _same_remarks(case: Case) -> bool:
    given = case.remarks_given
    return given is None or (case.remarks is not None and case.remarks == case.invoice.remarks)


def _same_reduction(case: Case) -> bool:
    before = case.invoice.itc_reduction
    if case.reduction_given is None:
        return True
    if case.reduction is None or not isinstance(before, ItcReduction):
        return False
    amounts = (*case.reduction.amounts.values(), *before.amounts.values())
    return all(map(is_amount, amounts)) and case.reduction == before


def pending_blocked(case: Case) -> Iterator[Problem]:
    """A record kept pending is one for which the gateway allows it."""
    if case.action is Action.PENDING and case.invoice.pending_allowed is False:
        yield Problem("the gateway does not allow this record to be kept pending; accept or reject it")


def pending_limit(case: Case) -> Iterator[Problem]:
    """What lowers credit is kept pending for one tax period at most.

    One month, of a monthly filer; no field shows a quarterly one.
    """
    today, month = case.facts.today, case.month
    if case.action is not Action.PENDING or case.section not in REDUCIBLE or today is None or month is None:
        return
    last = day_in(month + 2, DUE_DAY)
    if today > last:
        which = "it" if not case.section.is_amendment else "an amendment that lowers credit"
        yield Problem(
            f"{which} can be kept pending for one tax period, of the GSTR-2B of {period_of(month)} until "
            f"{last:%d-%m-%Y} (a quarterly filer one quarter): accept or reject it"
        )


def not_filed(case: Case) -> Iterator[Problem]:
    """An accepted record has been filed by its supplier."""
    if case.accepted and case.invoice.not_filed:
        yield Problem("the supplier has not filed it: accepted, it reaches GSTR-2B only once it is filed")


def period_closed(case: Case) -> Iterator[Problem]:
    """Its period is not one whose GSTR-3B is known as filed.

    Pending records stay open.
    """
    period = _closing_period(case.invoice, case.month)
    if period in case.facts.filed:
        yield Problem(
            f"GSTR-3B of {period} is filed, so its records cannot be acted on, but for pending ones and "
            "those that the supplier filed late"
        )


def _closing_period(invoice: Invoice, month: int | None) -> str | None:
    """Return the period whose GSTR-3B, once filed, closes a record; None if none does, or it is not known."""
    return None if month is None or invoice.action is Action.PENDING else period_of(month)


def closing_periods(records: Iterable[Record]) -> list[str]:
    """Return the periods whose GSTR-3B, once filed, closes any of these records; each once, the oldest first.

    These are what `taxpayer.filing` is to be asked for, so that `period-closed` knows.
    """
    months: set[int] = set()
    for record in records:
        invoice = record.invoice if isinstance(record, Decision) else record
        month = earliest_gstr2b(invoice.return_period, invoice.source_form)
        if month is not None and _closing_period(invoice, month) is not None:
            months.add(month)
    return [period_of(month) for month in sorted(months)]


def credit_note_rejected(case: Case) -> Iterator[Problem]:
    """A credit note is rejected only if its supplier is to owe that tax again."""
    if case.action is Action.REJECT and case.section in CREDIT_NOTES:
        yield Problem(
            "rejected, its tax is added back to the supplier's liability in a later GSTR-3B: reject it only "
            "if it is wrong, and agree that with the supplier"
        )


def remarks(case: Case) -> Iterator[Problem]:
    """Remarks are text of whole characters."""
    if case.remarks_given is not None and case.remarks is None:
        yield Problem(f"remarks {shown(case.remarks_given)} are not text", in_kind=True)
    elif case.remarks is not None and not writable_text(case.remarks):
        message = f"remarks {shown(case.remarks)} contain a lone surrogate, which is half a character"
        yield Problem(message, in_kind=True)


def remarks_control(case: Case) -> Iterator[Problem]:
    """Remarks hold no control characters.

    But for line breaks and tabs.
    """
    if case.remarks is not None and _CONTROL.search(case.remarks):
        yield Problem(f"remarks {shown(case.remarks)} hold control characters; write plain text")


def remarks_garbled(case: Case) -> Iterator[Problem]:
    """Remarks were read with the code page that they were written with."""
    if case.remarks is not None and (found := garbling(case.remarks)) is not None:
        what = f"remarks {shown(case.remarks)} hold {found!r}, which a wrong code page leaves"
        yield Problem(f"{what}: write them again, and save the file as CSV UTF-8")


def garbling(text: str) -> str | None:
    """Return what a wrong code page has left of characters in a text, or None."""
    found = None if text.isascii() else _GARBLED.search(text)
    if found is None and "??" in text and not any(map(str.isalpha, text)):
        found = _LOST.search(text)
    return None if found is None else found[0]


def remarks_too_long(case: Case) -> Iterator[Problem]:
    """Remarks have 250 characters at most."""
    if case.remarks is not None and len(case.remarks) > LONGEST_REMARKS:
        yield Problem(f"remarks of {len(case.remarks)} characters; IMS takes {LONGEST_REMARKS}")


def remarks_blocked(case: Case) -> Iterator[Problem]:
    """Remarks are given only for records that allow them."""
    if case.remarks is not None and case.invoice.remarks_allowed is False:
        yield Problem("the gateway takes no remarks for this record; leave them out")


def _explains_reduction(case: Case) -> bool:
    """Return True if credit is reversed in part or not at all; remarks may explain that."""
    reduction = case.reduction
    return case.accepted and reduction is not None and (not reduction.required or bool(reduction.amounts))


def remarks_on_accept(case: Case) -> Iterator[Problem]:
    """Remarks go with R and P, or with a reversal in part or none."""
    if case.remarks and case.accepted and not _explains_reduction(case):
        yield Problem("remarks go with rejecting and keeping pending; on accepting they may be refused")


def remarks_missing(case: Case) -> Iterator[Problem]:
    """A rejection, and a reversal in part or none, says why."""
    if case.remarks_given not in (None, "") or case.invoice.remarks_allowed is False:
        return
    if case.action is Action.REJECT:
        yield Problem("it is rejected without remarks; say why")
    elif _explains_reduction(case):
        yield Problem("credit is reversed in part or not at all, without remarks; GSTN may ask for them")
