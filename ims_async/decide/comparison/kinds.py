"""The kinds of what the comparison of IMS records with a GSTR-2B can find."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class ComparedKind(StrEnum):
    """What is found of a record of IMS, of a document of the GSTR-2B, or of both; a person's come first."""

    MISSING = "missing"
    """Accepted or without an action, and not in the GSTR-2B, for no reason that is known."""
    RECOMPUTE_DUE = "recompute due"
    """The same; the GSTR-2B is older than the actions."""
    REJECTED_COUNTED = "rejected but counted"
    PENDING_LISTED = "pending but listed"
    ACCEPTED_REJECTED = "accepted but rejected"
    """Accepted or without an action, and in the rejected part of the GSTR-2B."""
    ACTION_DIFFERS = "action differs"
    """The GSTR-2B was made with another action; that it is older is said first, whatever else differs."""
    AMOUNTS_DIFFER = "amounts differ"
    PERIOD_DIFFERS = "period differs"
    NOT_IN_IMS = "not in IMS"
    AMBIGUOUS = "ambiguous"
    """Several records or several documents have its number and date."""
    DUPLICATE = "duplicate"
    """One side has it more than once, and the other one does not."""

    NOT_FILED = "not filed"
    LATER_PERIOD = "later period"
    EARLIER_PERIOD = "earlier period"
    """Accepted, and the GSTR-2B of an earlier period may have it, whose GSTR-3B is not filed."""
    CREDIT_BLOCKED = "credit not available"
    COUNTED = "counted"
    """Accepted or without an action, and in the GSTR-2B."""
    REJECTED = "rejected"
    """Rejected, and in the rejected part of the GSTR-2B."""
    NOT_LISTED = "rejected, not listed"
    CARRIED_OVER = "carried over"
    """Pending, and not in the GSTR-2B."""
    PERIOD_FILED = "period filed"
    """Not in IMS any more, since GSTR-3B of the period was filed."""
    REVERSE_CHARGE = "reverse charge"
    ISD = "input service distributor"
    IMPORT = "import"
    REVERSAL = "reversal"


FOR_A_PERSON: Final = frozenset({
    ComparedKind.MISSING,
    ComparedKind.RECOMPUTE_DUE,
    ComparedKind.REJECTED_COUNTED,
    ComparedKind.PENDING_LISTED,
    ComparedKind.ACCEPTED_REJECTED,
    ComparedKind.ACTION_DIFFERS,
    ComparedKind.AMOUNTS_DIFFER,
    ComparedKind.PERIOD_DIFFERS,
    ComparedKind.NOT_IN_IMS,
    ComparedKind.AMBIGUOUS,
    ComparedKind.DUPLICATE,
})  # fmt: skip
"""The kinds that need a person."""
BY_RECOMPUTING: Final = frozenset({
    ComparedKind.RECOMPUTE_DUE,
    ComparedKind.REJECTED_COUNTED,
    ComparedKind.PENDING_LISTED,
    ComparedKind.ACCEPTED_REJECTED,
    ComparedKind.ACTION_DIFFERS,
})  # fmt: skip
"""Those of them that a GSTR-2B which is computed anew settles."""
RANKS: Final = {kind: rank for rank, kind in enumerate(ComparedKind)}
