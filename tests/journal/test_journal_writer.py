"""The journal's thread: how writes share a sync, and how it opens and closes the file."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from ims_async import JobState, JobStatus, JournalError
from ims_async.journal import Change, SqliteJournal
from ims_async.journal import writer as writing

from ..conftest import HANGS
from ..support.journals import DONE, add, claim, connection, files, lost, move, names, stands, token

PROCESSING: Final = JobStatus(state=JobState.PROCESSING, raw_code="IP", polled_at=1.0)
HELD: Final = "another process holds it: is a program stopped in the middle of a write?"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is to be."""
    return tmp_path / "jobs.db"


@pytest.fixture
async def journal(path: Path) -> AsyncIterator[SqliteJournal]:
    """An empty journal, closed at the end."""
    async with SqliteJournal(path, busy_seconds=0.05) as made:
        yield made


@pytest.fixture
def idle_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Close a file that nobody uses after a moment."""
    monkeypatch.setattr(writing, "_IDLE_SECONDS", 0.001)


def threads(path: Path) -> list[threading.Thread]:
    """The threads of a journal that live."""
    return [thread for thread in threading.enumerate() if thread.name == f"journal {path}"]


async def gone(thread: threading.Thread) -> None:
    """Wait until a thread has ended."""
    await asyncio.to_thread(thread.join, HANGS)
    assert not thread.is_alive()


# -- one sync for many ---------------------------------------------------------------------------------


async def held_up(journal: SqliteJournal) -> threading.Event:
    """Keep the thread busy until the event is set: what is asked meanwhile is found waiting together."""
    go_on, begun = threading.Event(), threading.Event()

    def hold(_: sqlite3.Connection) -> None:
        begun.set()
        go_on.wait(HANGS)

    asyncio.get_running_loop().create_task(journal._writer.run(hold, writes=False))
    await asyncio.to_thread(begun.wait, HANGS)
    return go_on


async def traced(journal: SqliteJournal) -> list[str]:
    """Return the list into which every statement goes from now on."""
    statements: list[str] = []
    await journal._writer.run(lambda c: c.set_trace_callback(statements.append), writes=False)
    return statements


async def test_those_who_wait_together_pay_for_one_sync(journal: SqliteJournal) -> None:
    """A hundred batches, one commit; one alone has its own at once."""
    statements = await traced(journal)
    go_on = await held_up(journal)
    waiting = [asyncio.create_task(add(journal, f"{n}")) for n in range(100)]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(*waiting)
    assert statements.count("COMMIT") == 1
    await move(journal, "7", lost)
    assert statements.count("COMMIT") == 2
    assert len(await journal.find()) == 100


async def test_callers_of_one_turn_are_written_together_each_time(journal: SqliteJournal) -> None:
    """The thread does not begin with the first few of them: then each time there would be two commits."""
    statements = await traced(journal)

    async def call(caller: int) -> None:
        for time in range(10):
            await add(journal, f"{caller}, {time}")

    await asyncio.gather(*(call(caller) for caller in range(32)))
    assert statements.count("COMMIT") == 10


def test_calls_of_several_loops_are_carried_out_in_their_order(path: Path) -> None:
    """Also where a loop is stopped in the middle of its turn, before it has woken the thread."""
    writer, order, first = writing.Writer(path, busy_seconds=0.05), list[str](), asyncio.new_event_loop()

    async def asked(name: str) -> None:
        await writer.run(lambda _: order.append(name))

    async def and_stop() -> None:
        tasks.append(asyncio.ensure_future(asked("first")))

    tasks: list[asyncio.Future[None]] = []
    first.run_until_complete(and_stop())
    asyncio.run(asked("second"))
    assert order == ["first", "second"]
    first.run_until_complete(tasks[0])
    first.run_until_complete(and_stop())
    asyncio.run(writer.aclose())
    assert order == ["first", "second", "first"]
    first.run_until_complete(tasks[1])
    first.close()


def test_what_is_asked_at_the_end_of_a_loop_is_carried_out(path: Path, idle_at_once: None) -> None:
    """It was stopped and closed before it has woken the thread."""
    writer, done, loop = writing.Writer(path, busy_seconds=0.05), threading.Event(), asyncio.new_event_loop()

    async def ask() -> None:
        left.append(asyncio.ensure_future(writer.run(lambda _: done.set())))

    left: list[asyncio.Future[None]] = []
    loop.run_until_complete(ask())
    (waiting,) = threads(path)
    assert done.wait(HANGS)
    loop.run_until_complete(left[0])
    loop.close()
    waiting.join(HANGS)
    assert not threads(path)


async def test_closing_waits_for_what_is_asked_in_the_same_turn(journal: SqliteJournal, path: Path) -> None:
    """Also before there is a thread; what is asked after that opens the file again."""
    order: list[str] = []

    async def asked(name: str) -> None:
        await add(journal, name)
        order.append(name)

    async def closing() -> None:
        await journal.aclose()
        order.append("closed")

    await asyncio.gather(asked("a"), closing(), asked("b"))
    assert order == ["a", "closed", "b"]
    assert await names(journal) == ["a", "b"]


async def test_a_write_leaves_the_indexes_of_what_did_not_change_alone(journal: SqliteJournal) -> None:
    """One statement for each change, and one for the revisions of all that are written together."""
    await add(journal, "it")
    await claim(journal, "it")
    known = token(reference_id="R-1")
    statements = await traced(journal)
    moves: list[tuple[Callable[[Change], Change], tuple[str, ...]]] = [
        (lambda change: change.accepted(known), ("state = ", "reference = ")),
        (lambda change: change.heard(PROCESSING), ()),
        (lambda change: change.heard(DONE), ("state = ",)),
    ]
    for move_on, changed in moves:
        statements.clear()
        before = await stands(journal, "it")
        await move(journal, "it", move_on)
        begin, last, put, given, commit = statements[-5:]
        assert (begin, commit) == ("BEGIN IMMEDIATE", "COMMIT")
        assert last.startswith("SELECT last")
        assert given.removeprefix("UPDATE revisions SET last = ") == str(before.revision + 1)
        assert put.startswith("UPDATE jobs SET")
        assert tuple(name for name in ("state = ", "reference = ") if f" {name}" in put) == changed
        after = await stands(journal, "it")
        assert attrs.evolve(move_on(before), revision=after.revision, changed_at=after.changed_at) == after


async def test_one_that_cannot_be_written_costs_the_others_nothing(journal: SqliteJournal) -> None:
    """It alone is refused; those before and behind it are on the disk, each once."""
    go_on = await held_up(journal)
    calls = [add(journal, name, run=run) for name, run in (("a", ""), ("b", ""), ("a", "another"), ("c", ""))]
    gone = Change(id="gone", token=token()).claimed(token())
    waiting = asyncio.gather(*calls, journal.claim(gone), return_exceptions=True)
    await asyncio.sleep(0)
    go_on.set()
    answers = await waiting
    assert [type(answer).__name__ for answer in answers] == [
        "Change",
        "Change",
        "JournalError",
        "Change",
        "JournalError",
    ]
    assert await names(journal) == ["a", "b", "c"]


async def test_a_file_that_is_held_is_waited_for_once_and_not_once_for_each(
    journal: SqliteJournal, path: Path
) -> None:
    """Ten writes that wait together are told together, and say what may be the matter."""
    await add(journal, "before")
    statements = await traced(journal)
    with connection(path) as other:
        other.execute("BEGIN IMMEDIATE")
        go_on = await held_up(journal)
        calls = [add(journal, f"{n}") for n in range(10)]
        waiting = asyncio.gather(*calls, return_exceptions=True)
        await asyncio.sleep(0)
        go_on.set()
        answers = await waiting
        assert statements.count("BEGIN IMMEDIATE") == 1
        assert {f"{answer}" for answer in answers} == {f"journal {path}: database is locked; {HELD}"}
        assert await names(journal) == ["before"]  # it can be read meanwhile
    await add(journal, "after")
    assert await names(journal) == ["before", "after"]


async def test_what_was_asked_is_done_although_who_asked_is_gone(journal: SqliteJournal) -> None:
    """A cancelled caller does not hear it, the disk has it, and those beside it are told."""
    go_on = await held_up(journal)
    tasks = [asyncio.create_task(add(journal, name)) for name in ("a", "b")]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.sleep(0)
    go_on.set()
    await tasks[1]
    assert tasks[0].cancelled()
    assert await names(journal) == ["a", "b"]


def test_loops_in_two_threads_share_one_journal(path: Path) -> None:
    """Each is told in its own loop, and the claims of one are seen by the other."""
    journal = SqliteJournal(path)
    sent: list[str] = []
    together = threading.Barrier(2)

    async def hand_in(side: str) -> None:
        together.wait(HANGS)
        for place in range(20):
            name = f"{side}{place}"
            await add(journal, name)
            if (await claim(journal, name)).taken:
                sent.append(name)

    other = threading.Thread(target=lambda: asyncio.run(hand_in("a")))
    other.start()
    asyncio.run(hand_in("b"))
    other.join(HANGS)

    async def close() -> int:
        count = len(await journal.find())
        await journal.aclose()
        return count

    assert asyncio.run(close()) == 40
    assert len(sent) == 1


# -- opening and closing -------------------------------------------------------------------------------


async def test_a_journal_that_nobody_uses_closes_and_opens_again(
    journal: SqliteJournal, path: Path, idle_at_once: None
) -> None:
    """No thread, no file beside it, no descriptor; and everything is there when it is used again."""
    for name in ("a", "b"):
        await add(journal, name)
        for thread in threads(path):
            await gone(thread)
        assert files(path) == ["jobs.db"]
    assert await names(journal) == ["a", "b"]


async def test_a_journal_that_stops_by_itself_while_it_is_closed_does_not_hang(
    journal: SqliteJournal, path: Path, idle_at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread ends of idleness at the very moment of closing."""
    go_on = await held_up(journal)
    (thread,) = threads(path)
    make = writing._Job

    def slow(*facts: Any, **named: Any) -> Any:
        go_on.set()
        thread.join(HANGS)
        return make(*facts, **named)

    monkeypatch.setattr(writing, "_Job", slow)
    async with asyncio.timeout(HANGS):
        await journal.aclose()


async def test_closing_waits_for_what_was_asked(journal: SqliteJournal, path: Path) -> None:
    """Nobody who was told to wait is left without an answer."""
    tasks = [asyncio.create_task(add(journal, f"{n}")) for n in range(5)]
    await asyncio.sleep(0)
    await asyncio.gather(journal.aclose(), journal.aclose())
    assert all(task.done() for task in tasks)
    assert files(path) == ["jobs.db"]
    assert len(await journal.find()) == 5


async def test_a_journal_that_is_dropped_leaves_nothing_behind(path: Path, idle_at_once: None) -> None:
    """Who never closes it is warned of nothing, and no thread stays."""
    await SqliteJournal(path).find()
    for thread in threads(path):
        await gone(thread)
    gc.collect()
    assert files(path) == ["jobs.db"]


async def test_a_thread_that_cannot_be_had_is_told_each_time(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at the end of a program; nobody waits for a thread that never came."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        for _ in range(2):
            with pytest.raises(JournalError, match="can't start new thread"):
                await journal.find()
    assert await journal.find() == []


async def test_a_defect_while_opening_is_told_and_nobody_waits_for_ever(
    journal: SqliteJournal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is that went wrong there."""

    def odd(*_: object, **__: object) -> None:
        raise ZeroDivisionError("an odd one")

    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", odd)
        with pytest.raises(JournalError, match=f"journal {path}: ZeroDivisionError: an odd one"):
            await journal.find()
    assert await journal.find() == []
