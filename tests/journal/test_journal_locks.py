"""SQLite's locks and its file: nothing that this process does beside a connection may take them away."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from ims_async import JournalError
from ims_async.journal import SqliteJournal

from ..conftest import HANGS
from ..support.journals import add, claim, files, journal_at_once, move, python, token

LOOK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
for row in connection.execute("SELECT id, state FROM jobs ORDER BY place"):
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
    await add(one, "a")
    await two.find()
    assert await seen_elsewhere(path) == ["a queued"]
    assert (await claim(one, "a")).taken
    assert await seen_elsewhere(path) == ["a sending"]
    await two.aclose()
    await move(one, "a", lambda change: change.accepted(token(reference_id="r")))
    assert await seen_elsewhere(path) == ["a accepted"]
    await one.aclose()


async def test_opening_a_file_while_it_is_being_closed_leaves_the_locks(path: Path) -> None:
    """Of two clients that share a journal one closes it while the other writes."""
    journal, go_on = SqliteJournal(path), threading.Event()
    await add(journal, "a")
    slow = asyncio.create_task(journal._writer.run(lambda _: go_on.wait(HANGS), writes=False))
    await asyncio.sleep(0)
    closing = asyncio.create_task(journal.aclose())
    await asyncio.sleep(0)
    writing = asyncio.create_task(add(journal, "b"))
    await asyncio.sleep(0)
    go_on.set()
    assert await slow
    await closing
    await writing
    assert await seen_elsewhere(path) == ["a queued", "b queued"]
    assert (await claim(journal, "b")).taken
    assert await seen_elsewhere(path) == ["a queued", "b sending"]
    await journal.aclose()


async def test_a_file_that_cannot_be_looked_for_is_closed(tmp_path: Path) -> None:
    """Its folder has become a file: whoever is told has no connection left open behind it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    journal, writer = journal_at_once(folder / "jobs.db")
    await add(journal, "a")
    connection = writer._connection
    assert connection
    folder.rename(tmp_path / "elsewhere")
    folder.touch()
    with pytest.raises(JournalError, match="does its folder exist"):
        await journal.find()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


async def test_a_long_list_lets_others_have_their_turn(path: Path) -> None:
    """Reading many changes does not stop the event loop until the last of them is made."""
    async with SqliteJournal(path) as all_at_once:
        await asyncio.gather(*(add(all_at_once, f"b{n}") for n in range(250)))
    journal, writer = journal_at_once(path)
    reading, turns = asyncio.create_task(journal.find()), 0
    while not reading.done():
        await asyncio.sleep(0)
        turns += 1
    assert len(await reading) == 250
    assert turns >= 4
    writer.close()
