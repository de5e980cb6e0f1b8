"""The matching of records with the purchase register."""

from __future__ import annotations

from .matcher import match, match_async, matching_steps
from .result import Match, Matching

__all__ = ["Match", "Matching", "match", "match_async", "matching_steps"]
