"""The credential file of thousands of taxpayers: off the event loop, and written to, not written anew."""

# ruff: noqa: ASYNC240  # the file is what these tests look at

from __future__ import annotations

import asyncio
import itertools
import json
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ims_async import FileCredentialStore, InvalidInput
from ims_async.gsp.base import Token
from ims_async.model.secret import Secret
from ims_async.net import credential_file as credentials

from ..conftest import HANGS
from ..endurance.planted import leaks, looks

COUNT = 2_000
OLD = time.time() - 3600.0


def token(place: int) -> Token:
    """Return the token of a taxpayer."""
    return Token(value=Secret(f"tok_{place}_".ljust(100, "x")), expires_at=2e9)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of two thousand taxpayers, which was written an hour ago."""
    made = tmp_path / "credentials.json"
    made.touch(mode=0o600)
    entries = {
        f"account/{place}": {"token": token(place).value.reveal(), "expires_at": 2e9}
        for place in range(COUNT)
    }
    made.write_text(json.dumps(entries), encoding="utf-8")
    os.utime(made, (OLD, OLD))
    return made


class Watched:
    """Counts how often the file was read whole, and written to, and in which thread."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.threads: list[int] = []
        self.reads = self.writes = 0
        parse, sync = credentials._parsed, os.fsync

        def parsing(text: str) -> dict[str, Any]:
            self.reads += 1
            self.threads.append(threading.get_ident())
            return parse(text)

        def syncing(handle: int) -> None:
            if stat.S_ISREG(os.fstat(handle).st_mode):
                self.writes += 1
                self.threads.append(threading.get_ident())
                self.before_sync()
            sync(handle)

        self.before_sync: Callable[[], None] = lambda: None
        monkeypatch.setattr(credentials, "_parsed", parsing)
        monkeypatch.setattr(os, "fsync", syncing)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    """What the store does with its file."""
    return Watched(monkeypatch)


@pytest.mark.parametrize("small", [True, False])
async def test_the_file_is_read_and_written_beside_the_event_loop(
    small: bool, path: Path, watched: Watched
) -> None:
    """Not a byte of it in the loop's own thread, however small it is: a disk may take its time to sync."""
    if small:
        path.unlink()
    store = FileCredentialStore(path)
    assert await store.load("account", "7") == (None if small else token(7))
    for place in (-7, -8):
        await store.save("account", "7", token(place))
        assert await store.load("account", "7") == token(place)
    assert watched.writes == 2
    assert threading.get_ident() not in watched.threads


async def test_a_save_adds_to_the_file_what_it_changes(path: Path) -> None:
    """The others' tokens are not written again; once changes outweigh the rest they are taken together."""
    few = {
        name: kept for name, kept in json.loads(path.read_text(encoding="utf-8")).items() if len(name) < 11
    }
    path.write_text(json.dumps(few), encoding="utf-8")
    store = FileCredentialStore(path)
    await store.save("account", "0", token(0))  # behind what an earlier release wrote, without a line end
    sizes = [path.stat().st_size]
    for place in range(1, 800):
        await store.save("account", f"{place % 10}", token(-place))
        sizes.append(path.stat().st_size)
    added = [later - before for before, later in itertools.pairwise(sizes)]
    whole = [place for place, size in enumerate(added) if size < 0]
    assert len(whole) == 1
    assert all(0 < size < 200 for size in added[: whole[0]] + added[whole[0] + 1 :])
    assert max(sizes) < 2 * sizes[0] + 70_000
    again = FileCredentialStore(path)
    assert await again.load("account", "9") == token(-799)
    assert await again.load("account", "99") == token(99)


@pytest.mark.parametrize("rest", [b'{"account/7": {"tok', b'{"account/7": nul', b"{", b"\0" * 100])
async def test_a_line_whose_writing_was_broken_off_is_left_out(rest: bytes, path: Path) -> None:
    """As a crash leaves it: the save had not returned. What is saved next is not lost with it."""
    store = FileCredentialStore(path)
    await store.save("account", "8", token(-8))
    with path.open("ab") as file:
        file.write(rest)
    assert await store.load("account", "7") == token(7)
    await store.save("account", "9", token(-9))
    again = FileCredentialStore(path)
    kept = [await again.load("account", f"{place}") for place in (7, 8, 9)]
    assert kept == [token(7), token(-8), token(-9)]


@pytest.mark.parametrize("wrong", ["", "{", "[]", "7", '{"a": 1}\n7\n', '{"a": 1}\n{"b\n{"c": 1}\n', "\0"])
async def test_a_file_that_is_damaged_is_not_written_to(wrong: str, path: Path) -> None:
    """The error shows nothing of what is in it."""
    path.write_text(f"{wrong}", encoding="utf-8")
    store = FileCredentialStore(path)
    with pytest.raises(InvalidInput, match="is damaged: delete it and log in again"):
        await store.save("account", "7", token(7))
    with pytest.raises(InvalidInput, match="is damaged: delete it and log in again"):
        await store.load("account", "7")
    assert path.read_text(encoding="utf-8") == wrong


async def test_no_error_of_the_file_holds_a_token_in_its_frames(path: Path, watched: Watched) -> None:
    """What was read, what is written, and what is damaged: error trackers record local variables."""
    store = FileCredentialStore(path)

    def full() -> None:
        raise OSError(28, "No space left on device")

    watched.before_sync = full
    calls = [store.save("account", "7", token(-7))]
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    calls += [store.save("account", "7", token(-7))]
    for call in calls:
        with pytest.raises(InvalidInput, match="no space left") as caught:
            await call
        assert not leaks(["tok_"], looks(caught.value))
    path.write_text('{"account/7": {"token": "tok_7", "expires_at": "soon"}}', encoding="utf-8")
    with pytest.raises(InvalidInput, match="damaged") as caught:
        await store.load("account", "7")
    assert not leaks(["tok_"], looks(caught.value))


async def test_all_who_ask_at_once_share_one_reading(path: Path, watched: Watched) -> None:
    """Also of a file that was just written, which is not believed to be the one that was read before."""
    store = FileCredentialStore(path)
    os.utime(path)
    loads = asyncio.gather(*(store.load("account", f"{place}") for place in range(COUNT)))
    assert await loads == list(map(token, range(COUNT)))
    assert watched.reads <= 2


async def test_who_asks_while_it_is_read_gets_what_was_written_since(path: Path, watched: Watched) -> None:
    """A reading is shared by those only who asked before it began."""
    store = FileCredentialStore(path)
    os.utime(path)
    first = asyncio.ensure_future(store.load("account", "7"))
    await asyncio.sleep(0)
    other = FileCredentialStore(path)
    await other.save("account", "7", token(-7))
    assert await asyncio.gather(*(store.load("account", "7") for _ in range(5))) == [token(-7)] * 5
    assert await first in (token(7), token(-7))


async def test_a_reading_that_is_broken_off_is_not_shared(path: Path) -> None:
    """Those who asked with it have one of their own."""
    store = FileCredentialStore(path)
    os.utime(path)
    first, *others = (asyncio.ensure_future(store.load("account", "7")) for _ in range(3))
    await asyncio.sleep(0)
    first.cancel()
    assert await asyncio.gather(*others) == [token(7)] * 2


@pytest.mark.parametrize("small", [True, False])
async def test_what_is_saved_at_once_is_written_together(small: bool, path: Path, watched: Watched) -> None:
    """Hundreds of logins cost a few writes; all are there when their own save has returned."""
    if small:
        path.unlink()
    store = FileCredentialStore(path)

    async def login(place: int) -> None:
        await store.save("account", f"new {place}", token(place))
        assert f"new {place}" in path.read_text(encoding="utf-8")

    await asyncio.gather(*map(login, range(300)))
    assert watched.writes <= 3
    again = FileCredentialStore(path)
    assert [await again.load("account", f"new {place}") for place in range(300)] == list(
        map(token, range(300))
    )
    assert await again.load("account", "7") == (None if small else token(7))


@pytest.mark.parametrize("small", [True, False])
async def test_of_two_tokens_of_one_taxpayer_the_later_stays(small: bool, path: Path) -> None:
    """Also where it is to be forgotten."""
    if small:
        path.unlink()
    store = FileCredentialStore(path)
    await asyncio.gather(*(store.save("account", "7", token(place)) for place in range(50)))
    assert await store.load("account", "7") == token(49)
    await asyncio.gather(store.save("account", "7", token(1)), store.save("account", "7", None))
    assert await store.load("account", "7") is None


async def test_a_write_that_fails_raises_for_each_save_and_is_tried_for_each(
    path: Path, watched: Watched
) -> None:
    """None counts as saved by the write of another, and none is left to be written later."""
    store, failing = FileCredentialStore(path), True

    def full() -> None:
        if failing:
            raise OSError(28, "No space left on device")

    watched.before_sync = full
    results = await asyncio.gather(
        *(store.save("account", f"new {place}", token(place)) for place in range(5)), return_exceptions=True
    )
    assert [type(result) for result in results] == [InvalidInput] * 5
    failing = False
    await store.save("account", "another", token(1))
    assert [await store.load("account", f"new {place}") for place in range(5)] == [None] * 5
    assert await store.load("account", "another") == token(1)


async def test_a_save_that_is_broken_off_while_it_is_written_keeps_its_lock(
    path: Path, watched: Watched
) -> None:
    """The thread goes on: no other process writes meanwhile, and nothing is lost."""
    store, other = FileCredentialStore(path), FileCredentialStore(path)
    begun, go_on, at_once = threading.Event(), threading.Event(), []

    def slowly() -> None:
        at_once.append(1)
        begun.set()
        assert go_on.wait(HANGS)
        assert len(at_once) == 1
        at_once.pop()

    watched.before_sync = slowly
    broken_off = asyncio.create_task(store.save("account", "7", token(-7)))
    await asyncio.to_thread(begun.wait, HANGS)
    broken_off.cancel()
    following = asyncio.create_task(other.save("account", "8", token(-8)))
    for _ in range(10):
        await asyncio.sleep(0)
    broken_off.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await broken_off
    await following
    assert await store.load("account", "7") == token(-7)
    assert await store.load("account", "8") == token(-8)


async def test_a_file_that_did_not_change_is_not_read_again(path: Path, watched: Watched) -> None:
    """Thousands of sessions are begun with one reading; what another process writes is seen at once."""
    store = FileCredentialStore(path)
    kept = await asyncio.gather(*(store.load("account", f"{place}") for place in range(100)))
    assert (kept, watched.reads) == ([token(place) for place in range(100)], 1)
    other = FileCredentialStore(path)
    await other.save("account", "7", token(8))  # as long as the one before
    os.utime(path, (OLD + 60.0, OLD + 60.0))
    assert await store.load("account", "7") == token(8)
    path.chmod(0o644)
    if os.name == "posix":
        with pytest.raises(InvalidInput, match="can be read by others"):
            await store.load("account", "7")


async def test_what_was_read_is_not_shown(path: Path) -> None:
    """Whatever reports errors with local variables."""
    store = FileCredentialStore(path)
    await store.load("account", "7")
    assert "tok_" not in f"{store!r} {vars(store)!r}"


def test_one_store_serves_one_event_loop_after_another(path: Path) -> None:
    """As a script does that calls `asyncio.run` several times."""
    store = FileCredentialStore(path)

    async def several(first: int) -> None:
        names = range(first, first + 20)
        await asyncio.gather(*(store.save("account", f"{place}", token(-place)) for place in names))
        await asyncio.gather(*(store.load("account", f"{place}") for place in names))

    for first in (0, 20):
        asyncio.run(several(first))
    assert asyncio.run(store.load("account", "39")) == token(-39)
