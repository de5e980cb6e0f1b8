"""A disk that is full, a file that is gone, bytes that are wrong: told clearly, and the rest is there."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from ims_async import JournalError
from ims_async.journal import Cause, Change, ChangeState, Query, SqliteJournal

from ..support.journals import add, ask, claim, connection, decisions, ended, lost, move, names, stands, token

PAGE: Final = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is to be."""
    return tmp_path / "jobs.db"


@pytest.fixture
async def journal(path: Path) -> AsyncIterator[SqliteJournal]:
    """A journal with three changes, the second of which has ended."""
    async with SqliteJournal(path, busy_seconds=0.05) as made:
        for name in ("a", "b", "c"):
            await add(made, name, 300)
        await move(made, "b", ended)
        yield made


def damage(path: Path, statement: str, *facts: object) -> None:
    """Change the file behind the journal's back."""
    with connection(path) as other:
        other.execute("PRAGMA foreign_keys = OFF")
        assert other.execute(statement, facts).rowcount == 1


def swap(path: Path, old: bytes, new: bytes) -> None:
    """Change bytes of a closed file, once."""
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))


# -- the file ------------------------------------------------------------------------------------------


async def test_a_full_disk_refuses_what_is_new_and_keeps_what_is_old(
    journal: SqliteJournal, path: Path
) -> None:
    """A move of what is there, which takes no room, may still be written; with room again all goes on."""
    (pages,) = await ask(journal, "PRAGMA page_count")
    await ask(journal, f"PRAGMA max_page_count = {pages}")
    with pytest.raises(JournalError, match="full; make room, what was written before is intact") as caught:
        await add(journal, "d", 5000)
    assert str(caught.value).startswith(f"journal {path}: ")
    assert await names(journal) == ["a", "b", "c"]
    assert await journal.records("a") == decisions(300)
    assert (await move(journal, "a", lost)).state is ChangeState.LOST
    await ask(journal, "PRAGMA max_page_count = 100000")
    await add(journal, "d", 5000)
    assert await journal.records("d") == decisions(5000)


async def test_a_file_that_may_only_be_read_is_read(journal: SqliteJournal, path: Path) -> None:
    """Writing is refused, with what to look at."""
    await ask(journal, "PRAGMA query_only = ON")
    with pytest.raises(JournalError, match="the file or its folder may not be written") as caught:
        await move(journal, "a", lost)
    assert str(path) in str(caught.value)
    assert await names(journal) == ["a", "b", "c"]


@pytest.mark.parametrize("what", ["file", "folder"])
async def test_permissions_that_were_taken_away_are_told(
    journal: SqliteJournal, path: Path, what: str
) -> None:
    """Of the file, or of the folder that the two beside it lie in."""
    await journal.aclose()
    locked = path if what == "file" else path.parent
    locked.chmod(0o500)
    if os.access(locked, os.W_OK):
        pytest.skip("the superuser may write what nobody may")
    try:
        with pytest.raises(JournalError, match=r"may .*be written"):
            await move(journal, "a", lost)
    finally:
        locked.chmod(0o700)
    assert await names(journal) == ["a", "b", "c"]


@pytest.mark.parametrize("place", ["missing/jobs.db", "jobs.db/jobs.db", "."])
async def test_a_place_where_no_file_can_be_is_named(tmp_path: Path, place: str) -> None:
    """A folder that is not there, a file in its stead, a folder in the file's."""
    (tmp_path / "jobs.db").touch()
    journal = SqliteJournal(tmp_path / place)
    with pytest.raises(JournalError, match="does its folder exist, and may it be written") as caught:
        await add(journal, "it")
    assert str(tmp_path) in str(caught.value)


def delete(path: Path) -> None:
    """Delete the file with the two beside it."""
    for name in ("jobs.db", "jobs.db-wal", "jobs.db-shm"):
        (path.parent / name).unlink()


def move_away(path: Path) -> None:
    """Move the file away."""
    path.rename(path.with_name("elsewhere.db"))


def replace(path: Path) -> None:
    """Put another in its place, as a careless backup does."""
    other = path.with_name("other.db")
    other.touch()
    other.replace(path)


@pytest.mark.parametrize("lose", [delete, move_away, replace])
async def test_nothing_is_said_to_be_written_to_a_file_that_is_gone(
    journal: SqliteJournal, path: Path, lose: Callable[[Path], None]
) -> None:
    """SQLite itself would go on, into a file that nobody will find; the next call begins a new one."""
    change = await stands(journal, "a")
    lose(path)
    with pytest.raises(JournalError, match="moved, deleted or replaced while in use") as caught:
        await add(journal, "lost")
    assert str(path) in str(caught.value)
    if lose is not delete:
        for name in ("jobs.db-wal", "jobs.db-shm"):  # a careful backup takes them along
            (path.parent / name).unlink(missing_ok=True)
    await add(journal, "new")
    assert await names(journal) == ["new"]
    assert await journal.put(ended(change)) is None


# -- the bytes -----------------------------------------------------------------------------------------


async def test_a_page_that_was_overwritten_hides_no_other(path: Path) -> None:
    """The entries before and behind it are in `readable`, with their records; the message says what to do."""
    journal = SqliteJournal(path)
    every = [f"batch {place}" for place in range(400)]
    added = await asyncio.gather(*(add(journal, name) for name in every))
    words = ((one, f"«{one.id}» " + "x" * 200) for one in added)
    await asyncio.gather(*(journal.put(one.called_off(why, Cause.REFUSED)) for one, why in words))
    before = await journal.find()
    await journal.aclose()
    overwrite(path, "«batch 200»".encode())
    with pytest.raises(JournalError, match="malformed; the file is damaged: keep it") as caught:
        await journal.find()
    assert str(path) in str(caught.value)
    readable = caught.value.readable
    assert 0 < len(before) - len(readable) <= PAGE // 200
    assert list(readable) == [change for change in before if change in readable]
    assert {"batch 0", "batch 399"} < {change.id for change in readable}
    assert await journal.records("batch 0") == await journal.records("batch 399") == decisions()
    await journal.aclose()


def overwrite(path: Path, marker: bytes) -> None:
    """Overwrite the page on which a marker stands."""
    content = path.read_bytes()
    start = content.index(marker) // PAGE * PAGE
    path.write_bytes(content[:start] + b"\xfe" * PAGE + content[start + PAGE :])


def behead(path: Path, pages: int) -> None:
    """Overwrite the first pages; what is behind them was there, and is."""
    content = path.read_bytes()
    assert len(content) > 20 * PAGE
    path.write_bytes(b"\xfe" * PAGE * pages + content[PAGE * pages :])


@pytest.mark.parametrize("pages", [1, 2])
async def test_a_file_whose_head_is_gone_is_told(journal: SqliteJournal, path: Path, pages: int) -> None:
    """With nothing to begin with nothing can be read; the file is not made a new one."""
    await journal.aclose()
    behead(path, pages)
    with pytest.raises(JournalError, match=f"{path}.*name another file"):
        await journal.find()
    behead(path, pages)


def cut_short(path: Path) -> None:
    """Take the second half away."""
    os.truncate(path, path.stat().st_size // 2 // PAGE * PAGE)


async def test_a_file_that_was_cut_short_is_told(journal: SqliteJournal, path: Path) -> None:
    """As a copy that was broken off."""
    await journal.aclose()
    cut_short(path)
    answers = await asyncio.gather(*map(journal.records, ("a", "b", "c")), return_exceptions=True)
    assert {str(error).partition(": ")[0] for error in answers if isinstance(error, JournalError)} == {
        f"journal {path}"
    }
    assert all(isinstance(answer, JournalError) or answer == decisions(300) for answer in answers)


# One statement of damage to change b each, and what is said of it.
DAMAGED: Final[list[tuple[str, tuple[object, ...], str]]] = [
    ("UPDATE jobs SET state = 'afloat' WHERE id = 'b'", (), "'afloat' is not a valid ChangeState"),
    ("UPDATE jobs SET revision = 'x' WHERE id = 'b'", (), "its revision is 'x'"),
    ("UPDATE jobs SET revision = 2.5 WHERE id = 'b'", (), "its revision is 2.5"),
    ("UPDATE jobs SET revision = ? WHERE id = 'b'", (b"\x01",), "some of it is no text"),
    ("UPDATE jobs SET status = NULL WHERE id = 'b'", (), "it is ended, without a status"),
    ("UPDATE jobs SET state = 'broken off', status = NULL WHERE id = 'b'", (), "it is broken off, without"),
    ("UPDATE jobs SET found = '[\"x\",[],[]]' WHERE id = 'b'", (), "its status cannot be read"),
    ("UPDATE jobs SET cause = 'why' WHERE id = 'b'", (), "'why' is not a valid Cause"),
    ("UPDATE jobs SET kind = 'DROP' WHERE id = 'b'", (), "'DROP' is not a valid JobKind"),
    ("UPDATE jobs SET status = '{\"state\":' WHERE id = 'b'", (), "its status cannot be read"),
    ("UPDATE jobs SET status = '[]' WHERE id = 'b'", (), "its status cannot be read"),
    ("UPDATE jobs SET submitted_at = 'noon' WHERE id = 'b'", (), "Invalid isoformat string: 'noon'"),
    ("UPDATE jobs SET changed_at = 'noon' WHERE id = 'b'", (), "'str'"),
    ("UPDATE jobs SET changed_at = 9e99 WHERE id = 'b'", (), "range"),
    ("UPDATE jobs SET reason = CAST(? AS TEXT) WHERE id = 'b'", (b"\xff\xfe",), "some of it is no text"),
    ("UPDATE jobs SET reference = CAST(? AS TEXT) WHERE id = 'b'", (b"\xff",), "some of it is no text"),
]


@pytest.mark.parametrize(("statement", "facts", "said"), DAMAGED)
async def test_a_damaged_entry_is_named_and_hides_no_other(
    journal: SqliteJournal, path: Path, statement: str, facts: tuple[object, ...], said: str
) -> None:
    """The others are in `readable`, also where only open ones were asked for: it might have been one."""
    await journal.aclose()
    damage(path, statement, *facts)
    with pytest.raises(JournalError, match=f"journal {path}: change b is damaged: .*{said}") as caught:
        await journal.find()
    assert [change.id for change in caught.value.readable] == ["a", "c"]
    assert all(isinstance(change, Change) for change in caught.value.readable)
    assert "change b is damaged" in str(caught.value)
    assert await names(journal, Query(ids=["c"])) == ["c"]
    assert await journal.records("b") == decisions(300)
    await add(journal, "another's", gstin="27AAACQ3770E1ZJ")
    assert (await claim(journal, "another's", since=0)).taken


async def test_a_change_of_an_unknown_state_is_told_whatever_state_is_asked_for(
    journal: SqliteJournal, path: Path
) -> None:
    """It might have been one of those."""
    await journal.aclose()
    damage(path, "UPDATE jobs SET state = 'afloat' WHERE id = 'b'")
    with pytest.raises(JournalError, match="change b is damaged"):
        await journal.find(Query(states=[ChangeState.QUEUED]))
    assert await journal.vacuum(keep=dt.timedelta(0)) == 0  # nor is it known to have ended
    assert await journal.records("b") == decisions(300)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE jobs SET submitted_at = 'noon' WHERE id = 'a'",
        "UPDATE jobs SET state = 'afloat' WHERE id = 'a'",
        "UPDATE jobs SET state = x'00' WHERE id = 'a'",
    ],
)
async def test_a_claim_that_meets_a_damaged_change_is_refused(
    journal: SqliteJournal, path: Path, statement: str
) -> None:
    """Whoever holds the turn, it is not known to be free."""
    await move(journal, "a", lost)
    await journal.aclose()
    damage(path, statement)
    with pytest.raises(JournalError, match="change a is damaged"):
        await claim(journal, "c")
    assert (await stands(journal, "c")).state is ChangeState.QUEUED


async def test_a_claim_since_a_revision_is_refused_where_one_cannot_be_read(
    journal: SqliteJournal, path: Path
) -> None:
    """It is not known whether that change has moved; without `since` it does not matter."""
    last = (await journal.now()).revision
    await journal.aclose()
    damage(path, "UPDATE jobs SET revision = 'x' WHERE id = 'b'")
    with pytest.raises(JournalError, match="change b is damaged: its revision is 'x'"):
        await claim(journal, "c", since=last)
    assert (await stands(journal, "c")).state is ChangeState.QUEUED
    assert (await claim(journal, "c")).taken


async def test_a_change_whose_own_row_is_damaged_is_neither_claimed_nor_overwritten(
    journal: SqliteJournal, path: Path
) -> None:
    """A put writes nothing, since it is not at that revision any more; a claim says what is the matter."""
    queued = await stands(journal, "c")
    await journal.aclose()
    damage(path, "UPDATE jobs SET revision = 'x' WHERE id = 'c'")
    assert await journal.put(lost(queued)) is None
    with pytest.raises(JournalError, match="change c is damaged"):
        await journal.claim(queued.claimed(queued.token))
    with pytest.raises(JournalError, match="change c is damaged"):
        await journal.add(queued, decisions(300))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE jobs SET gsp = 'x' WHERE id = 'c'",
        "UPDATE jobs SET host = 'x' WHERE id = 'c'",
        "UPDATE jobs SET gstin = 'x' WHERE id = 'c'",
    ],
)
@pytest.mark.parametrize("others", ["in flight", "all ended"])
async def test_a_change_that_has_lost_its_taxpayer_is_not_claimed(
    journal: SqliteJournal, path: Path, statement: str, others: str
) -> None:
    """Neither beside one that is in flight, nor so that the next claim would not find it."""
    queued = await stands(journal, "c")
    await move(journal, "a", lost if others == "in flight" else ended)
    await journal.aclose()
    damage(path, statement)
    with pytest.raises(JournalError, match="change c is damaged: it has another taxpayer"):
        await journal.claim(queued.claimed(queued.token))
    assert (await stands(journal, "c")).state is ChangeState.QUEUED


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM revisions",
        "UPDATE revisions SET last = 'x'",
        "UPDATE revisions SET last = x'01'",
        "UPDATE revisions SET last = 2.5",
    ],
)
async def test_without_the_last_revision_nothing_is_written_and_all_is_read(
    journal: SqliteJournal, path: Path, statement: str
) -> None:
    """Another one would be given twice: what was read before would be taken for what stands there."""
    before = await journal.find()
    await journal.aclose()
    damage(path, statement)
    queued = before[0]
    for call in (
        add(journal, "new"),
        journal.put(lost(queued)),
        journal.claim(queued.claimed(queued.token)),
        journal.now(),
    ):
        with pytest.raises(JournalError, match=f"journal {path}: its number of the last revision is damaged"):
            await call
    assert await journal.find() == before
    for change in before:
        assert await journal.records(change.id) == decisions(300)


@pytest.mark.parametrize(
    ("statement", "facts", "said"),
    [
        (
            "UPDATE parts SET rows = ? WHERE job = 'b' AND part = 1",
            (b"[]",),
            "part 1 .* damaged",
        ),
        ("UPDATE parts SET rows = 'text' WHERE job = 'b' AND part = 0", (), "part 0 .* damaged"),
        ("UPDATE parts SET checksum = 1 WHERE job = 'b' AND part = 0", (), "part 0 .* damaged"),
        ("DELETE FROM parts WHERE job = 'b' AND part = 0", (), "part 0 of its records is damaged"),
        ("DELETE FROM parts WHERE job = 'b' AND part = 1", (), "250 of its 300 records are there"),
        ("UPDATE jobs SET submitted = 299 WHERE id = 'b'", (), "300 of its 299 records are there"),
    ],
)
async def test_damaged_records_are_never_handed_out(
    journal: SqliteJournal, path: Path, statement: str, facts: tuple[Any, ...], said: str
) -> None:
    """Half a batch would be taken for a whole one; other batches are whole."""
    await journal.aclose()
    damage(path, statement, *facts)
    with pytest.raises(JournalError, match=f"journal {path}: change b: .*{said}"):
        await journal.records("b")
    assert await journal.records("a") == await journal.records("c") == decisions(300)
    assert await names(journal) == ["a", "b", "c"]


async def test_one_wrong_byte_among_the_records_is_noticed(journal: SqliteJournal, path: Path) -> None:
    """A digit of an amount is as good JSON as the right one: the checksum tells."""
    odd = [attrs.evolve(decisions()[0].invoice, number="UNIQUE/1")]
    await journal.add(Change(id="d", token=token()), odd)
    await journal.aclose()
    swap(path, b"UNIQUE/1", b"UNIQUE/2")
    with pytest.raises(JournalError, match="part 0 of its records is damaged"):
        await journal.records("d")
