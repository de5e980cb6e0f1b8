"""Decide on records: by the purchase register, a policy, changes since the last read; compare with a GSTR-2B.

Nothing here sends anything: `decide` returns decisions, each with its reason, which `taxpayer.save` or
`bulk.save_all` take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import names_of
from .changes import ChangeKind, Changes, RecordChange, changes
from .deadlines import Deadline, Deadlines, deadlines

if TYPE_CHECKING:
    from . import testing as testing
    from .comparison import (
        Compared,
        ComparedKind,
        ComparedTotal,
        Comparison,
        DocumentChange,
        DocumentChangeKind,
        compare,
        compare_async,
        write_comparison,
    )
    from .deciding import Decided, Judged, Total, decide, decide_async
    from .entry import Entry
    from .followup import Followup, Followups, Topic
    from .kinds import MatchKind
    from .matching import Match, Matching, match, match_async, matching_steps
    from .policy import Outcome, Policy
    from .register import Register, entries_of, read_register
    from .tolerance import Tolerance, Tolerances
else:  # `changes` and `deadlines` are modules, too, which an import would put in their place
    __getattr__ = names_of(
        __name__,
        {
            "comparison": (
                "Compared ComparedKind ComparedTotal Comparison DocumentChange DocumentChangeKind compare "
                "compare_async write_comparison"
            ),
            "deciding": "Decided Judged Total decide decide_async",
            "entry": "Entry",
            "followup": "Followup Followups Topic",
            "kinds": "MatchKind",
            "matching": "Match Matching match match_async matching_steps",
            "policy": "Outcome Policy",
            "register": "Register entries_of read_register",
            "testing": "",
            "tolerance": "Tolerance Tolerances",
        },
    )

__all__ = [
    "ChangeKind",
    "Changes",
    "Compared",
    "ComparedKind",
    "ComparedTotal",
    "Comparison",
    "Deadline",
    "Deadlines",
    "Decided",
    "DocumentChange",
    "DocumentChangeKind",
    "Entry",
    "Followup",
    "Followups",
    "Judged",
    "Match",
    "MatchKind",
    "Matching",
    "Outcome",
    "Policy",
    "RecordChange",
    "Register",
    "Tolerance",
    "Tolerances",
    "Topic",
    "Total",
    "changes",
    "compare",
    "compare_async",
    "deadlines",
    "decide",
    "decide_async",
    "entries_of",
    "match",
    "match_async",
    "matching_steps",
    "read_register",
    "write_comparison",
]
