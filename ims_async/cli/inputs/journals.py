"""Which file the journal is: what was sent is written down there, and found again after a crash."""

from __future__ import annotations

from pathlib import Path

from ...errors import InvalidInput
from ...files import is_file, is_folder
from ...journal import SqliteJournal
from ...journal.location import default_file
from . import environment as env


def journal_file(given: Path | None) -> Path:
    """Return where the journal is: `--journal`, else IMS_JOURNAL, else the state directory."""
    named = given or env.Variables().get("IMS_JOURNAL")
    return Path(named) if named else default_file()


def journal(given: Path | None) -> SqliteJournal:
    """Return the journal, which is made when it is first used. Raises `InvalidInput`."""
    file = journal_file(given)
    if not is_folder(file.parent):
        if file.parent != default_file().parent:
            raise InvalidInput(f"journal {file}: there is no folder {file.parent}: make it, or name another")
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise InvalidInput(
                f"journal {file} cannot be made: {why}; name another place with --journal or IMS_JOURNAL"
            ) from None
    return SqliteJournal(file)


def journal_if_any(given: Path | None) -> SqliteJournal | None:
    """Return the journal if its file is there; none is made."""
    file = journal_file(given)
    return SqliteJournal(file) if is_file(file) else None
