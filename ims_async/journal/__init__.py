"""The durable store of changes: what was handed in is written down before the first byte of it leaves."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from ..model.change import Change
from ..model.moves import Cause, ChangeState
from .base import Claim, Journal, Now, Query
from .memory import MemoryJournal

if TYPE_CHECKING:
    from .sqlite import SqliteJournal

__all__ = [
    "Cause",
    "Change",
    "ChangeState",
    "Claim",
    "Journal",
    "MemoryJournal",
    "Now",
    "Query",
    "SqliteJournal",
]

if not TYPE_CHECKING:  # a type checker that saw it would take every misspelt name for one of ours
    _OLD_NAMES = {"Entry": Change, "Phase": ChangeState}  # for one release; their members have other names

    def __getattr__(name: str) -> Any:
        if name == "SqliteJournal":  # a program without it pays for no database, and needs none
            from .sqlite import SqliteJournal

            return SqliteJournal
        if name in _OLD_NAMES:
            new = _OLD_NAMES[name]
            warnings.warn(f"{__name__}.{name} is {new.__name__} now", DeprecationWarning, stacklevel=2)
            return new
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
