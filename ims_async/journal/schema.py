"""The tables of a SQLite journal, and every statement that is run on them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

from ..errors import JournalError
from ..model.moves import HOLDING_THE_TURN, NOT_SENT, OPEN_STATES, ChangeState

APPLICATION_ID: Final = 0x494D5331
""""IMS1": tells a journal from any other SQLite file."""


def _listed(states: Iterable[ChangeState]) -> str:
    return ", ".join(f"'{state}'" for state in sorted(states))


# The script at place n brings a file from version n to n + 1. None uses names of this program: a released
# script is never changed.
MIGRATIONS: Final[tuple[str, ...]] = (
    """
    CREATE TABLE jobs (
        place INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        phase TEXT NOT NULL,
        gsp TEXT NOT NULL,
        host TEXT NOT NULL,
        gstin TEXT NOT NULL,
        kind TEXT NOT NULL,
        reference TEXT,
        submitted INTEGER NOT NULL,
        submitted_at TEXT NOT NULL,
        results_until TEXT,
        status TEXT,
        reason TEXT NOT NULL DEFAULT '',
        changed_at REAL NOT NULL
    );
    CREATE INDEX jobs_in_flight ON jobs (gstin) WHERE phase IN ('running', 'sending', 'unknown');
    CREATE INDEX jobs_by_reference ON jobs (reference) WHERE reference IS NOT NULL;
    CREATE TABLE parts (
        job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
        part INTEGER NOT NULL,
        rows BLOB NOT NULL,
        checksum INTEGER NOT NULL,
        PRIMARY KEY (job, part)
    );
    """,
    """
    ALTER TABLE jobs ADD COLUMN run TEXT NOT NULL DEFAULT '';
    CREATE INDEX jobs_by_run ON jobs (run, gstin);
    CREATE INDEX jobs_by_change ON jobs (gstin, changed_at);
    """,
    """
    ALTER TABLE jobs ADD COLUMN retried INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE jobs ADD COLUMN cause TEXT NOT NULL DEFAULT '';
    ALTER TABLE jobs ADD COLUMN found TEXT;
    ALTER TABLE jobs ADD COLUMN route TEXT NOT NULL DEFAULT '';
    UPDATE jobs SET retried = 1, reason = '' WHERE phase = 'ended' AND reason = 'retried';
    """,
    """
    DROP INDEX jobs_in_flight;
    DROP INDEX jobs_by_change;
    ALTER TABLE jobs RENAME COLUMN phase TO state;
    ALTER TABLE jobs ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
    UPDATE jobs SET revision = place;
    UPDATE jobs SET state = 'broken off' WHERE state = 'unknown' AND status LIKE '%"carrier_failed":true%';
    UPDATE jobs SET state = 'lost' WHERE state = 'unknown';
    UPDATE jobs SET state = 'accepted' WHERE state = 'running';
    UPDATE jobs SET state = 'abandoned' WHERE state = 'let go';
    CREATE TABLE revisions (last INTEGER NOT NULL);
    INSERT INTO revisions SELECT coalesce(max(place), 0) FROM jobs;
    CREATE INDEX jobs_in_flight ON jobs (gsp, host, gstin)
        WHERE state NOT IN ('abandoned', 'called off', 'ended', 'queued');
    CREATE INDEX jobs_by_revision ON jobs (gstin, revision);
    """,
    "ALTER TABLE jobs ADD COLUMN period TEXT NOT NULL DEFAULT ''",
    """
    DROP INDEX jobs_by_run;
    CREATE INDEX jobs_by_run ON jobs (run, gstin) WHERE run != '';
    """,
)

OF_A_RUN: Final = "run != ''"
"""The condition of the index by run, word for word: SQLite would not use it otherwise."""

COLUMNS: Final = (
    "id, state, gsp, host, gstin, kind, reference, submitted, submitted_at, results_until, "
    "status, reason, changed_at, run, retried, cause, found, route, period, revision"
)

LAST_REVISION: Final = "SELECT last FROM revisions"
GIVE_REVISIONS: Final = "UPDATE revisions SET last = ?"
# Each write has its new revision as its first parameter (`Connection.write`).
INSERT_JOB: Final = (
    "INSERT INTO jobs (revision, state, id, gsp, host, gstin, kind, reference, submitted, submitted_at, "
    "results_until, run, route, period, changed_at) "
    f"VALUES (?, '{ChangeState.QUEUED}', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
)
INSERT_PART: Final = "INSERT INTO parts (job, part, rows, checksum) VALUES (?, ?, ?, ?)"
SELECT_JOB: Final = f"SELECT {COLUMNS} FROM jobs WHERE id = ?"
SELECT_PARTS: Final = "SELECT part, rows, checksum FROM parts WHERE job = ? ORDER BY part"

# The states that do not hold the turn are listed: a change whose state is damaged may hold it. The condition
# is word for word that of the partial index, which SQLite would not use otherwise.
_HOLDS: Final = f"state NOT IN ({_listed(set(ChangeState) - HOLDING_THE_TURN)})"
_SENT: Final = f"state NOT IN ({_listed(NOT_SENT)})"
# Of the same taxpayer, but not the change itself: gsp, host, gstin, id.
_OTHERS: Final = f"SELECT {COLUMNS} FROM jobs WHERE gsp = ? AND host = ? AND gstin = ? AND id != ?"
AHEAD: Final = f"{_OTHERS} AND {_HOLDS} ORDER BY place LIMIT 1"
MOVED: Final = f"{_OTHERS} AND revision > ? AND {_SENT} LIMIT 1"
PUT: Final = {
    (
        state,
        reference,
    ): f"UPDATE jobs SET revision = ?1, {'state = ?2, ' * state}{'reference = ?3, ' * reference}"
    "submitted_at = ?4, results_until = ?5, route = ?6, status = ?7, found = ?8, reason = ?9, cause = ?10, "
    "retried = ?11, changed_at = ?12 WHERE id = ?13 AND revision = ?14"
    for state in (False, True)
    for reference in (False, True)
}
"""By whether the state and the reference are others: an index has them, and is half the work of a write."""
_OTHER: Final = (
    "SELECT 1 FROM jobs AS other WHERE other.gsp = jobs.gsp AND other.host = jobs.host "
    "AND other.gstin = jobs.gstin AND other.id != jobs.id AND other."
)
CLAIM: Final = {
    reference: f"{PUT[True, reference]} AND state = '{ChangeState.QUEUED}' AND gsp = ?16 AND host = ?17 "
    f"AND gstin = ?18 AND NOT EXISTS ({_OTHER}{_HOLDS}) "
    f"AND NOT EXISTS ({_OTHER}revision > ?15 AND other.{_SENT})"
    for reference in (False, True)
}
"""By whether the reference is another; with a revision (none is later than NULL), GSP, host and GSTIN."""

SELECT: Final = f"SELECT {COLUMNS}, place FROM jobs WHERE {{}} ORDER BY place"
_CLOSED: Final = set(ChangeState) - OPEN_STATES
FORGET: Final = f"DELETE FROM jobs WHERE state IN ({_listed(_CLOSED)}) AND changed_at < ?"
CLEAN_UP: Final = ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)")
"""The second shrinks the file now: until then the smaller one is in the write-ahead log."""


# macOS syncs to the disk only with `fullfsync`; elsewhere it changes nothing.
_PRAGMAS: Final = ("journal_mode = WAL", "synchronous = FULL", "fullfsync = ON", "foreign_keys = ON")


class Connection(sqlite3.Connection):
    """A connection whose writes have revisions: the last one is read and written once in a transaction."""

    _last: int | None = None
    _given = False

    def begin(self) -> None:
        """Begin a transaction that writes."""
        self.execute("BEGIN IMMEDIATE")
        self._last, self._given = None, False

    def write(self, statement: str, facts: Sequence[Any]) -> int:
        """Write one change; return its new revision, or 0 if nothing was written."""
        if self._last is None:
            self._last = last_revision(self)
        revision = self._last + 1
        if not self.execute(statement, (revision, *facts)).rowcount:
            return 0
        self._last, self._given = revision, True
        return revision

    def commit(self) -> None:
        """Write the last revision, and end the transaction."""
        if self._given:
            self.execute(GIVE_REVISIONS, (self._last,))
        self.execute("COMMIT")


def last_revision(connection: sqlite3.Connection) -> int:
    """Return the last revision that was given. Raises `JournalError` if it is damaged."""
    row = connection.execute(LAST_REVISION).fetchone()
    if row is None or type(row[0]) is not int:
        raise JournalError("its number of the last revision is damaged")
    return int(row[0])


def prepare(connection: sqlite3.Connection, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Make the tables, or bring an older file up to date, in one transaction.

    Raises `JournalError` for a file of another program or of a newer release.
    """
    connection.execute("BEGIN")  # one snapshot: another process may be making the tables at this moment
    try:
        up_to_date = _version(connection, newest=len(migrations)) == len(migrations)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    for pragma in _PRAGMAS:  # not before it is known to be a journal: the first changes the file for good
        _set(connection, pragma)
    if up_to_date:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection, newest=len(migrations))
        for script in migrations[version:]:
            for statement in script.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _set(connection: sqlite3.Connection, pragma: str) -> None:
    """Set a pragma; wait for others, which SQLite does not do when it switches to the write-ahead log."""
    (wait,) = connection.execute("PRAGMA busy_timeout").fetchone()
    ends_at = time.monotonic() + wait / 1000
    while True:
        try:
            connection.execute(f"PRAGMA {pragma}").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= ends_at:
                raise
            time.sleep(0.005)
        else:
            return


def _version(connection: sqlite3.Connection, *, newest: int) -> int:
    owner, version = _number(connection, "application_id"), _number(connection, "user_version")
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if owner != APPLICATION_ID and (owner or version or tables):
        raise JournalError("it is a database of another program: name another file")
    if version > newest:
        raise JournalError(
            f"it was written by a newer release (version {version}; this one reads {newest}): "
            "upgrade ims_async"
        )
    return version


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    (number,) = connection.execute(f"PRAGMA {pragma}").fetchone()
    return int(number)
