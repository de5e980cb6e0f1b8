"""Write what a policy decides into the sheets of a pull: action, reason, book entry and difference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from ..model.records import Decision
from ..model.vocabulary import Action
from ..tables import SheetRow
from ..tables.columns import to_cell
from .deciding import Decided, Judged
from .kinds import MatchKind
from .matching import Match
from .policy import Outcome

AMENDED: Final = "changed since"
"""The outcome of a row whose record has changed since a person decided it, by the column `earlier action`."""
TYPED: Final = "typed"
"""The outcome of a row whose action a person has typed, which is kept."""
ACTED_ON: Final = "acted on"
"""The outcome of a row whose record has that action already at the gateway, or was accepted or rejected."""

_ANY_ENTRY: Final = 3  # entries that a cell names
_ACTIONS: Final = {Action.ACCEPT: "accepted", Action.REJECT: "rejected", Action.PENDING: "kept pending"}
_WANTED: Final = {
    Outcome.ACCEPT: Action.ACCEPT,
    Outcome.REJECT: Action.REJECT,
    Outcome.PENDING: Action.PENDING,
}


@attrs.frozen
class FilledIn:
    """What became of one row: an `Outcome`, `TYPED`, `AMENDED` or `ACTED_ON`."""

    row: SheetRow
    judged: Judged
    outcome: str


def fill_in(rows: Iterable[SheetRow], decided: Decided, *, overwrite: bool = False) -> Iterator[FilledIn]:
    """Write what was decided on the records of rows, in their order, into the cells; nothing is saved.

    An action that a person has typed is kept, unless `overwrite`; remarks and an ITC reduction always. Where
    a pull has set one aside, since its record has changed, the row is left to the person too.
    """
    decisions = iter(decided.decisions)
    for row, judged in zip(rows, decided.judged, strict=True):
        decision = None if judged.outcome is Outcome.LEAVE else next(decisions)
        outcome = _outcome(row, judged, overwrite=overwrite)
        if outcome not in (TYPED, AMENDED, ACTED_ON):
            _write(row, decision)
        row["match"] = judged.match.kind
        row["reason"] = _reason(row, judged, outcome)
        row["book entry"] = _entries(judged.match)
        row["difference"] = differences_of(judged.match)
        yield FilledIn(row, judged, outcome)


def _outcome(row: SheetRow, judged: Judged, *, overwrite: bool) -> str:
    before, outcome = row.invoice.action, judged.outcome
    acted_on = before in (Action.ACCEPT, Action.REJECT) or before is _WANTED.get(outcome)
    if row["action"] and (acted_on or not overwrite):
        return TYPED
    if acted_on:
        return ACTED_ON
    if row.waits and not overwrite:
        return AMENDED
    # An ITC reduction goes with accepting only: somebody wants the record accepted.
    if row["ITC reduction"] and outcome in (Outcome.REJECT, Outcome.PENDING) and not overwrite:
        return TYPED
    return outcome


def _write(row: SheetRow, decision: Decision | None) -> None:
    row["action"] = None if decision is None else decision.action.value
    if decision is None:
        return
    if decision.remarks and not row["remarks"]:
        row["remarks"] = decision.remarks
    if decision.action is not Action.ACCEPT:
        row["ITC reduction"] = None
    elif decision.itc_reduction is not None and not row["ITC reduction"]:
        row["ITC reduction"] = decision.itc_reduction


def _reason(row: SheetRow, judged: Judged, outcome: str) -> str:
    reason = judged.reason
    if outcome == ACTED_ON:
        return f"It is {_ACTIONS[row.invoice.action]} already; {reason[:1].lower()}{reason[1:]}"
    return reason


def _entries(match: Match) -> str:
    named = "; ".join(
        f"{entry} ({entry.reference})" if entry.reference else str(entry)
        for entry in match.entries[:_ANY_ENTRY]
    )
    more = len(match.entries) - _ANY_ENTRY
    return f"{named}; and {more:,} more" if more > 0 else named


def differences_of(match: Match) -> str:
    """Say how much more the books have under each head, in rupees."""
    if match.kind is MatchKind.AMBIGUOUS:
        return ""
    names = {"igst": "IGST", "cgst": "CGST", "sgst": "SGST"}
    return "; ".join(
        f"{names.get(head, head.replace('_', ' '))} {'+' if rupees > 0 else ''}{to_cell(rupees)}"
        for head, rupees in match.differences.items()
    )
