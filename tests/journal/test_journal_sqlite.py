"""The journal's file: how durable it is, whose it is, how it comes of age, and what it forgets."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from ims_async import InvalidInput, JournalError, RecordKey, Section
from ims_async.journal import Phase, SqliteJournal, schema
from ims_async.journal.writer import Writer
from ims_async.model.status import Found

from ..support.journals import ask, connection, decisions, files, mode, token

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
        await journal.intend("it", token(), decisions())
    finally:
        os.umask(before)
    names = files(path)
    assert names == ["jobs.db", "jobs.db-shm", "jobs.db-wal"]
    assert [mode(path.parent / name) for name in names] == [0o600] * 3
    assert modes == [0o600]


async def test_a_closed_journal_is_one_file_that_says_what_it_is(journal: SqliteJournal, path: Path) -> None:
    """Version and kind are in its head; a tool need not guess."""
    await journal.intend("it", token(), decisions())
    await journal.aclose()
    assert files(path) == ["jobs.db"]
    assert (number(path, "user_version"), number(path, "application_id")) == (NEWEST, int.from_bytes(b"IMS1"))


async def test_the_columns_are_those_that_were_weighed(journal: SqliteJournal) -> None:
    """Whoever adds one says here that no secret can get into it."""
    await journal.entries()
    tables = await ask(journal, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    assert tables == ["jobs", "parts"]
    assert await ask(journal, "SELECT name FROM pragma_table_info('jobs')") == [
        "place", "id", "phase", "gsp", "host", "gstin", "kind", "reference", "submitted", "submitted_at",
        "results_until", "status", "reason", "changed_at", "run", "retried", "cause", "found", "route",
    ]  # fmt: skip
    assert await ask(journal, "SELECT name FROM pragma_table_info('parts')") == [
        "job", "part", "rows", "checksum",
    ]  # fmt: skip


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


async def test_a_file_of_the_first_version_is_brought_up_to_date(journal: SqliteJournal, path: Path) -> None:
    """Its batches are there, and belong to no run."""
    older = Writer(path, busy_seconds=0.05, migrations=schema.MIGRATIONS[:1])
    await older.run(
        lambda c: c.execute(
            "INSERT INTO jobs (id, phase, gsp, host, gstin, kind, submitted, submitted_at, changed_at) "
            "VALUES ('it', 'queued', 'gsp', 'host', '29AAACQ3770E1ZF', 'SAVE', 1, '', 0)"
        )
    )
    await older.aclose()
    assert number(path, "user_version") == 1
    (entry,) = await journal.entries(run="")
    assert (entry.id, entry.phase, entry.run) == ("it", Phase.QUEUED, "")
    assert await journal.entries(run="november") == []
    assert number(path, "user_version") == NEWEST


LOOKED_AT: Final = (
    '{"state":"partial","raw_code":"","processed":1,"errors":2,"error_code":"","error_message":"",'
    '"polled_at":null,"carrier_done":false,"carrier_failed":false,"documented":true,"error_report":'
    '[["b2b","S","A/0","102026","","not applied, as a second look showed"],'
    '["b2b","S","A/1","102026","","changed by the supplier, or gone, as a second look showed"]]}'
)
"""As the release before wrote down what a look had shown."""
REFUSED: Final = (
    '{"state":"failed","raw_code":"ER","processed":0,"errors":null,"error_code":"IMSSAV0015",'
    '"error_message":"busy","polled_at":1.0,"carrier_done":false,"carrier_failed":false,"documented":true,'
    '"error_report":[["b2b","S","A/0","102026","","no code"]]}'
)


async def test_the_marks_of_an_older_file_are_read_as_what_they_meant(
    journal: SqliteJournal, path: Path
) -> None:
    """A reason was the mark of a retry, and a status without a code that of a look."""
    older = Writer(path, busy_seconds=0.05, migrations=schema.MIGRATIONS[:2])
    rows = [
        ("retried", "ended", REFUSED, "retried"),
        ("looked at", "ended", LOOKED_AT, ""),
        ("called off", "called off", None, "retried"),
    ]
    statement = (
        "INSERT INTO jobs (id, phase, status, reason, gsp, host, gstin, kind, submitted, submitted_at, "
        "changed_at) VALUES (?, ?, ?, ?, 'gsp', 'host', '29AAACQ3770E1ZF', 'SAVE', 3, '', 0)"
    )
    await older.run(lambda c: c.executemany(statement, rows).rowcount)
    await older.aclose()
    retried, looked_at, called_off = await journal.entries()
    assert [entry.retried for entry in (retried, looked_at, called_off)] == [True, False, False]
    assert [entry.reason for entry in (retried, looked_at, called_off)] == ["", "", "retried"]
    assert {entry.cause for entry in (retried, looked_at, called_off)} == {None}
    assert retried.status is not None
    assert (retried.status.in_the_way, retried.status.found) == (True, None)
    assert [entry.code for entry in retried.status.error_report] == [""]
    assert looked_at.status is not None
    keys = [RecordKey(Section.B2B, "S", number, None, "102026") for number in ("A/0", "A/1")]
    assert looked_at.status.found == Found(applied=1, not_applied=(keys[0],), changed=(keys[1],))
    assert (looked_at.status.error_report, looked_at.status.in_the_way) == ((), False)


async def test_a_file_is_brought_up_to_the_next_version(journal: SqliteJournal, path: Path) -> None:
    """What it held is there, and so is what is new; the journal of the next release reads it."""
    await journal.intend("it", token(), decisions())
    await journal.aclose()
    newer = Writer(path, busy_seconds=0.05, migrations=(*schema.MIGRATIONS, SECOND))
    rows = await newer.run(lambda c: c.execute("SELECT id, note FROM jobs").fetchall())
    await newer.aclose()
    assert rows == [("it", "new")]
    assert number(path, "user_version") == NEWEST + 1
    told = rf"newer release \(version {NEWEST + 1}; this one reads {NEWEST}\): upgrade"
    with pytest.raises(JournalError, match=told):
        await journal.entries()


@pytest.mark.parametrize(
    "bad", ["CREATE TABLE more (x); THIS IS NO SQL", "CREATE TABLE more (x); CREATE TABLE jobs (x)"]
)
async def test_a_migration_that_fails_leaves_the_file_as_it_was(
    journal: SqliteJournal, path: Path, bad: str
) -> None:
    """All of it or nothing: the old release goes on with it."""
    await journal.intend("it", token(), decisions())
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
            await journal.intend("it", token(), decisions())
        assert str(path) in str(caught.value)
    await journal.aclose()
    assert content(path) == before
    assert files(path) == ["jobs.db"]


async def test_an_empty_file_is_taken(journal: SqliteJournal, path: Path) -> None:
    """As a deployment makes it, with a mode of its choice, which is left to it."""
    os.close(os.open(path, os.O_CREAT, 0o640))
    await journal.intend("it", token(), decisions())
    assert await journal.records("it") == decisions()
    assert mode(path) == 0o640


# -- forgetting ----------------------------------------------------------------------------------------


async def test_what_ended_long_ago_is_forgotten_and_the_file_shrinks(path: Path) -> None:
    """Open batches stay however old; who is told how many went sees the room come back, unclosed."""
    now = [1_800_000_000.0]
    journal = SqliteJournal(path, keep=dt.timedelta(days=30), clock=lambda: now[0])
    for phase in Phase:
        await journal.intend(phase, token(), decisions(1000))
        await journal.advance(phase, Phase.UNKNOWN if phase is Phase.SENDING else phase)
    now[0] += 29 * 86_400
    await journal.intend("new", token(), decisions())
    await journal.advance("new", Phase.CALLED_OFF)
    assert await journal.vacuum() == 0
    before = len(content(path))
    now[0] += 2 * 86_400
    assert await journal.vacuum() == 3
    assert len(content(path)) < before * 0.7
    assert [entry.id for entry in await journal.entries()] == [
        "queued", "sending", "unknown", "running", "new",
    ]  # fmt: skip
    assert await ask(journal, "SELECT DISTINCT job FROM parts ORDER BY job") == [
        "new", "queued", "running", "sending", "unknown",
    ]  # fmt: skip
    assert await journal.records("queued") == decisions(1000)
    assert await journal.vacuum(keep=dt.timedelta(0)) == 1
    await journal.aclose()


@pytest.mark.parametrize("keep", [400, "400 days", dt.timedelta(days=-1), None])
def test_how_long_to_keep_is_a_timedelta(keep: Any, tmp_path: Path) -> None:
    """Days as a number would be taken for seconds by one reader and for years by another."""
    with pytest.raises(InvalidInput, match=r"timedelta\(days=400\)"):
        SqliteJournal(tmp_path / "jobs.db", keep=keep)
