"""Where the journal is by default: one file for all programs of a user."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import JournalError
from ..paths import state_directory

if TYPE_CHECKING:
    from .sqlite import SqliteJournal


def default_file() -> Path:
    """Return `journal.db` in `~/.local/state/ims-async` (or `$XDG_STATE_HOME/ims-async`).

    On Windows that is `%LOCALAPPDATA%`.
    """
    return state_directory() / "journal.db"


def default_journal() -> SqliteJournal:
    """Return the journal of runs whose client has none, its folder made: see `default_file`."""
    from .sqlite import SqliteJournal

    file = default_file()
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise JournalError(
            f"{file.parent} cannot be made: {error}; pass journal=SqliteJournal(path)"
        ) from error
    return SqliteJournal(file)
