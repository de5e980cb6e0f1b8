"""The kinds of what a comparison can find of a record."""

from __future__ import annotations

from enum import StrEnum


class MatchKind(StrEnum):
    """What the books say of a record."""

    MATCHED = "matched"
    WITHIN_TOLERANCE = "within tolerance"
    VALUE_DIFFERS = "value differs"
    TAX_HEAD_DIFFERS = "tax head differs"
    OTHER_REGISTRATION = "other registration"
    PROBABLE = "probable"
    AMBIGUOUS = "ambiguous"
    BOOKED_TWICE = "booked twice"
    NOT_IN_BOOKS = "not in books"
