"""One file and several processes: opened at once, hammered, killed, forked, out of room."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from ims_async.journal import Change, ChangeState, SqliteJournal

from ..conftest import HANGS
from ..support.journals import DONE, add, claim, connection, decisions, move, python

START: Final = """
import asyncio, os, sys
from ims_async import JournalError
from ims_async.journal import SqliteJournal
from tests.support.journals import add, claim, decisions, ended, move, names, token

journal = SqliteJournal(sys.argv[1])
name = sys.argv[2]
print("ready", flush=True)
input()
"""

HAMMER: Final = """
from tests.support.journals import DONE

def all_done(change):
    return change.accepted(change.token).heard(DONE)

async def main():
    for turn in range(25):
        for gstin in ("27AAACQ3770E1ZJ", "29AAACQ3770E1ZF"):
            batch = f"{name}-{turn}-{gstin}"
            await add(journal, batch, gstin=gstin)
            while not (await claim(journal, batch)).taken:
                await asyncio.sleep(0)
            os.close(os.open(f"{sys.argv[1]}.{gstin}", os.O_CREAT | os.O_EXCL))  # nobody else has the turn
            if turn % 2:
                await move(journal, batch, lambda change: change.accepted(change.token))
            os.unlink(f"{sys.argv[1]}.{gstin}")
            await move(journal, batch, all_done)
    await journal.aclose()

asyncio.run(main())
"""

ADD: Final = """
from ims_async.journal import Change

async def main():
    async def write(side):
        for place in range(100_000):
            change = Change(id=f"{side}-{place}", token=token(submitted=40))
            await journal.add(change, decisions(40, first=place))
            print(f"{side}-{place}", flush=True)
    await asyncio.gather(*(write(side) for side in range(8)))

asyncio.run(main())
"""

FULL: Final = """
import resource, signal

async def main():
    await add(journal, "before")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    for attempt in range(2):
        try:
            await add(journal, "big", 5000)
        except JournalError as error:
            print(error)
    print(await names(journal), await journal.records("before") == decisions())
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await add(journal, "after")
    print(await names(journal))
    await journal.aclose()

asyncio.run(main())
"""

FORK: Final = """
from ims_async.journal import writer

writer._IDLE_SECONDS = 3600.0  # however slow this machine is, it is open when it is forked

async def main(child):
    try:
        async with asyncio.timeout(60):
            if child:
                await journal.find()
    except JournalError as error:
        print(error, flush=True)
    async with asyncio.timeout(60):
        await journal.aclose()

asyncio.run(add(journal, "it"))
pid = os.fork()
if pid:
    assert os.waitpid(pid, 0)[1] == 0, "the child broke off"
asyncio.run(main(child=not pid))
if pid:
    print(asyncio.run(names(journal)), flush=True)
os._exit(0)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is to be."""
    return tmp_path / "jobs.db"


def started(script: str, path: Path, count: int = 1) -> list[subprocess.Popen[str]]:
    """Start processes, and let them go on at the same moment, once all are there."""
    processes = [python(START + script, path, name) for name in range(count)]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        print(file=process.stdin, flush=True)
    return processes


def said(process: subprocess.Popen[str]) -> str:
    """Wait for the end of a process, and return what it said."""
    out, _ = process.communicate(timeout=2 * HANGS)
    assert process.returncode == 0
    return out


def sound(path: Path) -> None:
    """Have SQLite look at every page of the file."""
    with connection(path) as other:
        assert other.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert other.execute("PRAGMA foreign_key_check").fetchall() == []


async def test_processes_that_make_the_file_at_once_all_have_it(path: Path) -> None:
    """One makes the tables, none is refused, and no two of their batches are in flight at any moment."""
    processes = await asyncio.to_thread(started, HAMMER, path, 4)
    await asyncio.gather(*(asyncio.to_thread(said, process) for process in processes))
    async with SqliteJournal(path) as journal:
        changes = await journal.find()
        assert len(changes) == 200
        assert {change.state for change in changes} == {ChangeState.ENDED}
        assert len({change.revision for change in changes}) == 200
        for change in changes[::20]:
            assert await journal.records(change.id) == decisions()
    sound(path)


@pytest.mark.parametrize("after", [1, 30, 100])
async def test_whatever_was_acknowledged_outlives_a_kill(path: Path, after: int) -> None:
    """Killed in the midst of writing: the file is sound, and all that anybody was told of is in it."""
    (process,) = await asyncio.to_thread(started, ADD, path)
    assert process.stdout
    told = [(await asyncio.to_thread(process.stdout.readline)).strip() for _ in range(after)]
    process.kill()
    rest, _ = await asyncio.to_thread(process.communicate)
    told += [line for line in rest.splitlines(keepends=False) if line]
    if not rest.endswith("\n"):
        told = told[:after] if not rest else told[:-1]  # the kill may have cut a name short
    async with SqliteJournal(path) as journal:
        kept = {change.id: change for change in await journal.find()}
        assert set(told) <= set(kept)
        assert {change.state for change in kept.values()} == {ChangeState.QUEUED}
        for name in kept:
            assert await journal.records(name) == decisions(40, first=int(name.partition("-")[2]))
    sound(path)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are Unix's")
async def test_a_disk_that_is_full_for_real_is_told_and_gone_on_with(path: Path) -> None:
    """A process whose files may grow no more: what was there is there, and with room again all goes on."""
    (process,) = await asyncio.to_thread(started, FULL, path)
    first, second, then, *end = (await asyncio.to_thread(said, process)).splitlines()
    assert first == second
    assert first.startswith(f"journal {path}: ")
    assert "is the disk full" in first or "make room" in first
    assert then == "['before'] True"
    assert end == ["['before', 'after']"]
    sound(path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
async def test_a_fork_of_a_process_is_told_rather_than_left_to_wait_for_ever(path: Path) -> None:
    """The thread stayed with the parent, which goes on as before."""
    (process,) = await asyncio.to_thread(started, FORK, path)
    child, parent = (await asyncio.to_thread(said, process)).splitlines()
    assert "forked while it was open" in child
    assert parent == "['it']"
    sound(path)


async def test_a_turn_passes_from_one_process_to_another(path: Path) -> None:
    """What one has claimed is in the way of the other, until it has ended."""
    async with SqliteJournal(path) as one, SqliteJournal(path) as other:
        await add(one, "first")
        await add(other, "second")
        assert (await claim(one, "first")).taken
        behind = await claim(other, "second")
        assert behind.ahead is not None
        assert (behind.taken, behind.ahead.id) == (False, "first")
        await move(one, "first", Change.lost)
        assert not (await claim(other, "second")).taken
        await move(one, "first", lambda change: change.heard(DONE))
        assert (await claim(other, "second")).taken


COLD: Final = """
import sys
if "without" in sys.argv:
    sys.modules["sqlite3"] = None
import ims_async
from ims_async import ImsClient, Sandbox
from ims_async.journal import MemoryJournal
ImsClient(Sandbox("key", "secret"), journal=MemoryJournal())
print(sys.modules.get("sqlite3"))
try:
    from ims_async.journal import SqliteJournal
except ImportError as error:
    print(error.name)
print(*sorted(name for name in ("sqlite3", "ims_async.journal.sqlite") if sys.modules.get(name)))
"""


@pytest.mark.parametrize(
    ("how", "told"),
    [("with", ["None", "ims_async.journal.sqlite sqlite3"]), ("without", ["None", "sqlite3", ""])],
)
async def test_who_keeps_no_journal_needs_no_database(how: str, told: list[str]) -> None:
    """A Python that was built without SQLite has the client; the name is there once it is asked for."""
    process = await asyncio.to_thread(python, COLD, how)
    assert (await asyncio.to_thread(said, process)).splitlines() == told
