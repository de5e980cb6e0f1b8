"""The durable job store: what was handed in is written down before the first byte of it leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..model.change import Cause
from .entry import Entry, Journal, Phase
from .memory import MemoryJournal

if TYPE_CHECKING:
    from .sqlite import SqliteJournal

__all__ = ["Cause", "Entry", "Journal", "MemoryJournal", "Phase", "SqliteJournal"]

if not TYPE_CHECKING:  # a type checker that saw it would take every misspelt name for one of ours

    def __getattr__(name: str) -> Any:
        if name == "SqliteJournal":  # whoever keeps no journal pays for no database, and needs none
            from .sqlite import SqliteJournal

            return SqliteJournal
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
