"""SQLite's locks and its file: nothing that this process does beside a connection may take them away."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from ims_async import JournalError
from ims_async.journal import Phase, SqliteJournal

from ..conftest import HANGS
from ..support.journals import decisions, files, journal_at_once, python, token

LOOK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
for row in connection.execute("SELECT id, phase FROM jobs ORDER BY place"):
    print(*row)
connection.close()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file in a folder of its own."""
    return tmp_path / "jobs.db"


async def seen_elsewhere(path: Path) -> list[str]:
    """Let another process read the batches, and close: if it thinks itself alone, it deletes the log."""
    out, _ = await asyncio.to_thread(python(LOOK, path).communicate, timeout=HANGS)
    assert files(path) == ["jobs.db", "jobs.db-shm", "jobs.db-wal"]
    return out.splitlines()


async def test_opening_a_file_a_second_time_leaves_the_first_ones_locks(path: Path) -> None:
    """Without them another process deletes the log that the first goes on writing into."""
    one, two = SqliteJournal(path), SqliteJournal(path)
    await one.intend("a", token(), decisions())
    await two.entries()
    assert await seen_elsewhere(path) == ["a queued"]
    assert await one.claim("a", token()) is None
    assert await seen_elsewhere(path) == ["a sending"]
    await two.aclose()
    await one.advance("a", Phase.RUNNING, token=token(reference_id="r"))
    assert await seen_elsewhere(path) == ["a running"]
    await one.aclose()


async def test_opening_a_file_while_it_is_being_closed_leaves_the_locks(path: Path) -> None:
    """Of two clients that share a journal one closes it while the other writes."""
    journal, go_on = SqliteJournal(path), threading.Event()
    await journal.intend("a", token(), decisions())
    slow = asyncio.create_task(journal._writer.run(lambda _: go_on.wait(HANGS), writes=False))
    await asyncio.sleep(0)
    closing = asyncio.create_task(journal.aclose())
    await asyncio.sleep(0)
    writing = asyncio.create_task(journal.intend("b", token(), decisions()))
    await asyncio.sleep(0)
    go_on.set()
    assert await slow
    await closing
    await writing
    assert await seen_elsewhere(path) == ["a queued", "b queued"]
    assert await journal.claim("b", token()) is None
    assert await seen_elsewhere(path) == ["a queued", "b sending"]
    await journal.aclose()


async def test_a_file_that_cannot_be_looked_for_is_closed(tmp_path: Path) -> None:
    """Its folder has become a file: whoever is told has no connection left open behind it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    journal, writer = journal_at_once(folder / "jobs.db")
    await journal.intend("a", token(), decisions())
    connection = writer._connection
    assert connection
    folder.rename(tmp_path / "elsewhere")
    folder.touch()
    with pytest.raises(JournalError, match="does its folder exist"):
        await journal.entries()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


async def test_a_long_list_lets_others_have_their_turn(path: Path) -> None:
    """Reading many entries does not stop the event loop until the last of them is made."""
    async with SqliteJournal(path) as all_at_once:
        await asyncio.gather(*(all_at_once.intend(f"b{n}", token(), decisions()) for n in range(250)))
    journal, writer = journal_at_once(path)
    reading, turns = asyncio.create_task(journal.entries()), 0
    while not reading.done():
        await asyncio.sleep(0)
        turns += 1
    assert len(await reading) == 250
    assert turns >= 4
    writer.close()
