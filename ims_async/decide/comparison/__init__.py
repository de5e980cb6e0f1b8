"""The comparison of IMS records with a GSTR-2B."""

from __future__ import annotations

from .changes import DocumentChange, DocumentChangeKind
from .comparing import compare, compare_async
from .kinds import ComparedKind
from .result import Compared, ComparedTotal, Comparison
from .writing import write_comparison

__all__ = [
    "Compared",
    "ComparedKind",
    "ComparedTotal",
    "Comparison",
    "DocumentChange",
    "DocumentChangeKind",
    "compare",
    "compare_async",
    "write_comparison",
]
