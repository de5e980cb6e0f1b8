"""Where the library keeps its state by default: the journal is one file for all programs of a user."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import JournalError
from ..lazy import module

if TYPE_CHECKING:
    from . import sqlite
else:  # it imports SQLite
    sqlite = module("ims_async.journal.sqlite")


def state_directory(environment: Mapping[str, str] | None = None, *, platform: str = sys.platform) -> Path:
    """Return the platform's folder for the state of this library; it may not exist yet.

    It is `ims-async` in `XDG_STATE_HOME` (else `~/.local/state`), on Windows in `LOCALAPPDATA`.
    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    found = os.environ if environment is None else environment
    if platform == "win32":
        base = found.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    else:
        base = found.get("XDG_STATE_HOME") or ""
        if not Path(base).is_absolute():
            base = str(Path.home() / ".local" / "state")
    return Path(base) / "ims-async"


def default_file() -> Path:
    """Return `journal.db` in `~/.local/state/ims-async` (or `$XDG_STATE_HOME/ims-async`).

    On Windows that is `%LOCALAPPDATA%`.
    """
    return state_directory() / "journal.db"


def default_journal() -> sqlite.SqliteJournal:
    """Return the journal of runs whose client has none, its folder made: see `default_file`."""
    file = default_file()
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise JournalError(
            f"{file.parent} cannot be made: {error}; pass journal=SqliteJournal(path)"
        ) from error
    return sqlite.SqliteJournal(file)
