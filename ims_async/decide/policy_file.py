"""A policy's file in words: one to begin with, and sentences on what a policy would do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from .entry import HEADS
from .kinds import MatchKind
from .policy import Outcome, Policy
from .tolerance import Tolerance

TEMPLATE: Final = """\
# What is done with records. A line that begins with # and a blank explains; one that begins with # alone
# is an example: remove its # to use it. Outcomes: accept, reject, pending, leave (to a person).

#leave_above = 500000           # rupees of the record's value: larger ones are left; without it none is
not_filed = "leave"             # instead of accepting what the supplier has not filed
pending_not_allowed = "leave"   # where the gateway refuses pending: accept, reject or leave
itc_reduction = "full"          # of accepted credit notes: full, none, or leave (to a person)
allow = []                      # GSTINs or PANs, as ["AAACQ3770E"]: accepted although the books have nothing,
                                # unless [suppliers] has "not in books" of them
block = []                      # nothing of these is accepted

[kinds]
matched = "accept"
"within tolerance" = "accept"
"value differs" = "leave"
"tax head differs" = "leave"
"booked twice" = "leave"
"not in books" = "leave"
# These three are for a person: whatever is written here, they are neither accepted nor rejected.
"other registration" = "leave"
probable = "leave"
ambiguous = "leave"

[suppliers]                     # kinds of one GSTIN, or of one PAN; a GSTIN goes before its PAN
#[suppliers.29AAACQ3770E1ZF]
#"value differs" = "pending"

[tolerance]                     # the larger of the two, for each amount
rupees = 1
percent = 0
days = 60                       # between the two dates
#below = {rupees = 10}          # the same for books that claim less: below the gateway, credit notes above

#[tolerance.cess]               # of one amount: taxable_value, igst, cgst, sgst, cess
#rupees = 0
"""
"""A file that loads as the default policy, with every key and its default."""

_DOES: Final = {
    Outcome.ACCEPT: "is accepted",
    Outcome.REJECT: "is rejected",
    Outcome.PENDING: "is kept pending",
    Outcome.LEAVE: "is left to a person",
}
_FOR_A_PERSON: Final = (MatchKind.OTHER_REGISTRATION, MatchKind.PROBABLE, MatchKind.AMBIGUOUS)


def sentences_of(policy: Policy) -> list[str]:
    """Say in sentences what a policy does, in the order in which it is looked at."""
    return [
        *_by_kind(policy.kinds),
        *(
            f"From {name}, {sentence[:1].lower()}{sentence[1:]}"
            for name, kinds in policy.suppliers.items()
            for sentence in _by_kind(kinds)
        ),
        *_limits(policy),
        _reduction(policy.itc_reduction),
        *_tolerances(policy),
    ]


def _by_kind(kinds: Mapping[MatchKind, Outcome]) -> Iterator[str]:
    for outcome, does in _DOES.items():
        if named := [str(kind) for kind, one in kinds.items() if _effect(kind, one) is outcome]:
            yield f"{does[3:].capitalize()}: {', '.join(named)}."
    for kind, outcome in kinds.items():
        if _effect(kind, outcome) is not outcome:
            yield f"{outcome} of what is {kind} has no effect: only a person can {outcome} it.".capitalize()


def _effect(kind: MatchKind, outcome: Outcome) -> Outcome:
    """Return what is done with a kind: some are never accepted or rejected."""
    limited = kind in _FOR_A_PERSON and outcome in (Outcome.ACCEPT, Outcome.REJECT)
    return Outcome.LEAVE if limited else outcome


def _limits(policy: Policy) -> Iterator[str]:
    if policy.allow:
        yield f"What is not in the books is accepted from {_or(sorted(policy.allow))}."
    if policy.block:
        yield f"Nothing from {_or(sorted(policy.block))} is accepted: it is left to a person."
    if policy.leave_above is not None:
        yield f"A record with a value above ₹{policy.leave_above:,.2f} is left to a person."
    if policy.not_filed is Outcome.ACCEPT:
        yield "What the supplier has not filed is accepted like the rest."
    else:
        yield f"What would be accepted and its supplier has not filed {_DOES[policy.not_filed]}."
    yield (
        "What would be kept pending where the gateway does not allow that "
        f"{_DOES[policy.pending_not_allowed]}."
    )


def _reduction(word: str) -> str:
    if word == "leave":
        return (
            "Credit notes that would be accepted are left to a person, who says how much credit they reverse."
        )
    return f"A credit note that is accepted reverses {'its whole credit' if word == 'full' else 'no credit'}."


def _tolerances(policy: Policy) -> Iterator[str]:
    found: dict[Tolerance, list[str]] = {}
    for head in HEADS:
        found.setdefault(getattr(policy.tolerances, head), []).append(head.replace("_", " "))
    for tolerance, heads in found.items():
        which = "Amounts" if len(found) == 1 else f"In {_or(heads)}, books and gateway"
        said = f"{which} may differ by {_allowed(tolerance)}"
        if tolerance.below is not None:
            said += f"; by {_allowed(tolerance.below)} where the books claim less than the gateway shows"
        yield f"{said}."
    yield f"A document is booked at most {policy.tolerances.days} days before or after its date."


def _allowed(tolerance: Tolerance) -> str:
    percent = f" or {tolerance.percent:f} %, the larger of the two" if tolerance.percent else ""
    return f"₹{tolerance.rupees:,.2f}{percent}"


def _or(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
