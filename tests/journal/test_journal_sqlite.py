"""The journal's file: how durable it is, whose it is, how it comes of age, and what it forgets."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from ims_async import InvalidInput, JournalError
from ims_async.journal import Cause, ChangeState, SqliteJournal, schema
from ims_async.journal.testing_samples import in_state
from ims_async.journal.writer import Writer

from ..support.journals import add, ask, connection, decisions, files, mode, names

NEWEST: Final = len(schema.MIGRATIONS)
SECOND: Final = "ALTER TABLE jobs ADD COLUMN note TEXT NOT NULL DEFAULT 'new'; CREATE TABLE more (x)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is to be."""
    return tmp_path / "jobs.db"


@pytest.fixture
async def journal(path: Path) -> AsyncIterator[SqliteJournal]:
    """An empty journal, closed at the end."""
    async with SqliteJournal(path, busy_seconds=0.05) as made:
        yield made


def content(path: Path) -> bytes:
    """Return all that is in the file."""
    return path.read_bytes()


def number(path: Path, pragma: str) -> int:
    """Ask the file itself."""
    with connection(path) as other:
        return int(other.execute(f"PRAGMA {pragma}").fetchone()[0])


# -- what it is ----------------------------------------------------------------------------------------


async def test_what_is_written_is_on_the_disk(journal: SqliteJournal) -> None:
    """A write-ahead log, synced at each commit (2 is FULL), on a Mac down to the platter."""
    assert await ask(journal, "PRAGMA journal_mode") == ["wal"]
    assert await ask(journal, "PRAGMA synchronous") == [2]
    assert await ask(journal, "PRAGMA fullfsync") == [1]
    assert await ask(journal, "PRAGMA foreign_keys") == [1]


async def test_only_the_owner_can_read_it_from_the_first_moment_on(
    journal: SqliteJournal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file and the two beside it, also where a process gives everything to everybody."""
    modes: list[int] = []
    connect = sqlite3.connect

    def looking(*arguments: Any, **settings: Any) -> Any:
        modes.append(mode(path))
        return connect(*arguments, **settings)

    monkeypatch.setattr(sqlite3, "connect", looking)
    before = os.umask(0)
    try:
        await add(journal, "it")
    finally:
        os.umask(before)
    there = files(path)
    assert there == ["jobs.db", "jobs.db-shm", "jobs.db-wal"]
    assert [mode(path.parent / name) for name in there] == [0o600] * 3
    assert modes == [0o600]


async def test_a_closed_journal_is_one_file_that_says_what_it_is(journal: SqliteJournal, path: Path) -> None:
    """Version and kind are in its head; a tool need not guess."""
    await add(journal, "it")
    await journal.aclose()
    assert files(path) == ["jobs.db"]
    assert (number(path, "user_version"), number(path, "application_id")) == (NEWEST, int.from_bytes(b"IMS1"))


async def test_the_columns_are_those_that_were_weighed(journal: SqliteJournal) -> None:
    """Whoever adds one says here that no secret can get into it."""
    await journal.find()
    tables = await ask(journal, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    assert tables == ["jobs", "parts", "revisions"]
    assert await ask(journal, "SELECT name FROM pragma_table_info('jobs')") == [
        "place", "id", "state", "gsp", "host", "gstin", "kind", "reference", "submitted", "submitted_at",
        "results_until", "status", "reason", "changed_at", "run", "retried", "cause", "found", "route",
        "revision", "period",
    ]  # fmt: skip
    assert await ask(journal, "SELECT name FROM pragma_table_info('parts')") == [
        "job", "part", "rows", "checksum",
    ]  # fmt: skip
    assert await ask(journal, "SELECT name FROM pragma_table_info('revisions')") == ["last"]


@pytest.mark.parametrize("name", ["", ":memory:", "file:x?mode=memory", "a\0b", b"bytes"])
def test_what_is_no_path_is_refused(name: Any) -> None:
    """A journal in memory would lose what it promises to keep."""
    with pytest.raises(InvalidInput, match="is no path of a journal"):
        SqliteJournal(name)


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_a_wait_that_is_none_is_refused(seconds: float, path: Path) -> None:
    """Of SQLite's own numbers an endless one is none at all."""
    with pytest.raises(InvalidInput, match="busy_seconds"):
        SqliteJournal(path, busy_seconds=seconds)
    with pytest.raises(InvalidInput, match="keep"):
        SqliteJournal(path, keep=dt.timedelta(seconds=-1))
    assert not path.exists()


# -- versions, and files of others ---------------------------------------------------------------------


async def test_a_file_is_brought_up_to_the_next_version(journal: SqliteJournal, path: Path) -> None:
    """What it held is there, and so is what is new; the journal of the next release reads it."""
    await add(journal, "it")
    await journal.aclose()
    newer = Writer(path, busy_seconds=0.05, migrations=(*schema.MIGRATIONS, SECOND))
    rows = await newer.run(lambda c: c.execute("SELECT id, note FROM jobs").fetchall())
    await newer.aclose()
    assert rows == [("it", "new")]
    assert number(path, "user_version") == NEWEST + 1
    told = rf"newer release \(version {NEWEST + 1}; this one reads {NEWEST}\): upgrade"
    with pytest.raises(JournalError, match=told):
        await journal.find()


@pytest.mark.parametrize(
    "bad", ["CREATE TABLE more (x); THIS IS NO SQL", "CREATE TABLE more (x); CREATE TABLE jobs (x)"]
)
async def test_a_migration_that_fails_leaves_the_file_as_it_was(
    journal: SqliteJournal, path: Path, bad: str
) -> None:
    """All of it or nothing: the old release goes on with it."""
    await add(journal, "it")
    await journal.aclose()
    newer = Writer(path, busy_seconds=0.05, migrations=(*schema.MIGRATIONS, bad))
    with pytest.raises(JournalError, match=str(path)):
        await newer.run(lambda c: c.execute("SELECT 1"))
    await newer.aclose()
    assert number(path, "user_version") == NEWEST
    assert await journal.records("it") == decisions()
    assert "more" not in await ask(journal, "SELECT name FROM sqlite_master")


def foreign(path: Path) -> None:
    """Make a database of another program."""
    with connection(path) as other:
        other.execute("CREATE TABLE theirs (x)")


def numbered(path: Path) -> None:
    """Make one that has no table yet, and a number of its own."""
    with connection(path) as other:
        other.execute("PRAGMA application_id = 7")


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (foreign, "another program: name another file"),
        (numbered, "another program: name another file"),
        (lambda path: path.write_text("dear diary, " * 1000), "not a database; name another file"),
        (lambda path: path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000), "journal"),
    ],
)
async def test_a_file_of_somebody_else_is_refused_and_not_touched(
    journal: SqliteJournal, path: Path, make: Callable[[Path], object], what: str
) -> None:
    """Not a bit of it, its kind of log included; nothing is left lying beside it."""
    make(path)
    before = content(path)
    for _ in range(2):
        with pytest.raises(JournalError, match=what) as caught:
            await add(journal, "it")
        assert str(path) in str(caught.value)
    await journal.aclose()
    assert content(path) == before
    assert files(path) == ["jobs.db"]


async def test_an_empty_file_is_taken(journal: SqliteJournal, path: Path) -> None:
    """As a deployment makes it, with a mode of its choice, which is left to it."""
    os.close(os.open(path, os.O_CREAT, 0o640))
    await add(journal, "it")
    assert await journal.records("it") == decisions()
    assert mode(path) == 0o640


# -- forgetting ----------------------------------------------------------------------------------------


async def test_what_ended_long_ago_is_forgotten_and_the_file_shrinks(path: Path) -> None:
    """Open changes stay however old; the room comes back at once, with the file open."""
    now = [1_800_000_000.0]
    journal = SqliteJournal(path, keep=dt.timedelta(days=30), clock=lambda: now[0])
    for state in ChangeState:
        queued = await add(journal, state, 1000)
        assert await journal.put(in_state(queued, state))
    now[0] += 29 * 86_400
    queued = await add(journal, "new")
    assert await journal.put(queued.called_off("", Cause.CANCELLED))
    assert await journal.vacuum() == 0
    before = len(content(path))
    last = (await journal.now()).revision
    now[0] += 2 * 86_400
    assert await journal.vacuum() == 3
    assert len(content(path)) < before * 0.7
    assert await names(journal) == ["queued", "sending", "lost", "accepted", "broken off", "new"]
    assert await ask(journal, "SELECT DISTINCT job FROM parts ORDER BY job") == [
        "accepted", "broken off", "lost", "new", "queued", "sending",
    ]  # fmt: skip
    assert await journal.records("queued") == decisions(1000)
    assert await journal.vacuum(keep=dt.timedelta(0)) == 1
    assert (await journal.now()).revision == last  # none is given twice
    await journal.aclose()


@pytest.mark.parametrize("keep", [400, "400 days", dt.timedelta(days=-1), None])
def test_how_long_to_keep_is_a_timedelta(keep: Any, tmp_path: Path) -> None:
    """Days as a number would be taken for seconds by one reader and for years by another."""
    with pytest.raises(InvalidInput, match=r"timedelta\(days=400\)"):
        SqliteJournal(tmp_path / "jobs.db", keep=keep)
