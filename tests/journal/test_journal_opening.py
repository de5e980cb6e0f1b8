"""Two processes that open a new journal at the same time: one makes the tables, both can use it."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from ims_async.journal.schema import prepare


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=2.0, isolation_level=None, check_same_thread=False)


def test_a_journal_that_another_process_is_making_is_not_taken_for_a_strangers(tmp_path: Path) -> None:
    """Whose file it is must be told from one snapshot: a mark, a version and tables that belong together."""
    ours, theirs = _open(tmp_path / "journal"), _open(tmp_path / "journal")
    other = threading.Thread(target=prepare, args=(theirs,))

    def meanwhile(statement: str) -> None:
        if "user_version" in statement and other.ident is None:
            other.start()
            other.join(0.1)

    ours.set_trace_callback(meanwhile)
    prepare(ours)
    other.join()
    assert ours.execute("SELECT count(*) FROM jobs").fetchone() == (0,)
    ours.close()
    theirs.close()


def test_a_new_journal_that_another_process_writes_at_this_moment_is_waited_for(tmp_path: Path) -> None:
    """SQLite itself does not wait where one switches to the write-ahead log."""
    ours, theirs = _open(tmp_path / "journal"), _open(tmp_path / "journal")
    theirs.execute("BEGIN IMMEDIATE")
    threading.Timer(0.05, theirs.execute, ("ROLLBACK",)).start()
    prepare(ours)
    ours.close()
    theirs.close()
