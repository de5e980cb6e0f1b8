"""Where tokens outlive a process: a protocol for the user's own store, one in memory, one in a 0600 file."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import attrs

from . import files
from .errors import InvalidInput
from .secret import Secret
from .wire import Token

T = TypeVar("T")

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


_LOCK_MAY_TAKE: Final = 5.0  # seconds; a write takes milliseconds
_LOOK_AGAIN: Final = 0.01  # seconds
_SMALL: Final = 131_072  # bytes; some hundred taxpayers
_TICK: Final = 2.0  # seconds; of the coarsest file systems


class CredentialStore(Protocol):
    """Where tokens outlive the process. `account` names the API account, `gstin` is "" for its own token."""

    async def load(self, account: str, gstin: str) -> Token | None:
        """Return the token kept under this name, if any."""
        ...

    async def save(self, account: str, gstin: str, token: Token | None) -> None:
        """Keep a new token; None forgets it."""
        ...


class MemoryCredentialStore:
    """Tokens for as long as the process lives."""

    def __init__(self) -> None:
        self._tokens: dict[tuple[str, str], Token] = {}

    async def load(self, account: str, gstin: str) -> Token | None:
        """Return the token kept under this name, if any."""
        return self._tokens.get((account, gstin))

    async def save(self, account: str, gstin: str, token: Token | None) -> None:
        """Keep a new token; None forgets it."""
        if token is None:
            self._tokens.pop((account, gstin), None)
        else:
            self._tokens[account, gstin] = token


@attrs.define(eq=False)
class _Change:
    """A token to be written, or None to forget it."""

    name: str
    token: Token | None
    written: bool = False


@attrs.frozen(eq=False)
class _Reading:
    """What was read, and of which file. Is not shown: it holds tokens."""

    which: tuple[int, ...]
    entries: dict[str, Any] = attrs.field(repr=False)


@attrs.define(eq=False)
class _InOneLoop:
    """What orders the reading and writing of one event loop. Is not shown: it holds tokens."""

    loop: asyncio.AbstractEventLoop
    reading: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    writing: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    readings: int = 0  # begun so far
    entries: Mapping[str, Any] | None = attrs.field(default=None, repr=False)  # of the last one, if it ended


async def _in_a_thread(work: Callable[[], T]) -> T:
    """Do it beside the event loop, and wait for it even where nobody wants it any more: it holds a lock."""
    doing = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(doing)
    finally:
        while not doing.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([doing])


class FileCredentialStore:
    """Tokens in a JSON file that only its owner can read (0600), replaced in one step.

    Any number of processes may share it: they write in turn, by way of a lock on an empty file beside it.
    What is to be saved at the same time is written together. Raises `InvalidInput` for a file that others
    can read or that is no such file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._changes: dict[_Change, None] = {}  # to be written, in order
        self._here: _InOneLoop | None = None
        self._last_read: _Reading | None = None

    async def load(self, account: str, gstin: str) -> Token | None:
        """Return the token kept under this name, if any."""
        kept = (await self._entries()).get(f"{account}/{gstin}")
        if kept is None:
            return None
        try:
            value, expires_at = kept["token"], kept["expires_at"]
        except (KeyError, TypeError):
            raise self._damaged() from None
        known = isinstance(expires_at, int | float) and -1e15 < expires_at < 1e15
        if not isinstance(value, str) or not (known or expires_at is None):
            raise self._damaged()
        return Token(value=Secret(value), expires_at=expires_at)

    async def save(self, account: str, gstin: str, token: Token | None) -> None:
        """Keep a new token; None forgets it."""
        change = _Change(f"{account}/{gstin}", token)
        self._changes[change] = None
        try:
            await asyncio.sleep(
                0
            )  # what is to be saved in the same turn of the event loop is written with it
            async with self._in_this_loop().writing:
                if change.written:  # with somebody else's, who wrote all that there was to be written
                    return
                async with self._turn():
                    changes = [*self._changes] if change in self._changes else [change, *self._changes]
                    self._changes.clear()
                    if self._is_small():
                        self._write_in(changes)
                    else:
                        await _in_a_thread(lambda: self._write_in(changes))
        finally:
            self._changes.pop(change, None)

    async def _entries(self) -> Mapping[str, Any]:
        """Return what is in the file. All who ask before a reading begins share it: of a file that was just
        written each would have one of its own, and the last of thousands would wait for too long."""
        if self._is_small():
            return self._read()
        here = self._in_this_loop()
        begun = here.readings
        async with here.reading:
            if here.readings == begun or here.entries is None:
                here.readings, here.entries = here.readings + 1, None
                here.entries = await _in_a_thread(self._read)
            return here.entries

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Keep others from writing between our reading and our writing."""
        followed = files.followed(self._path)  # a lock for the file, by whatever link it is called
        place = followed.with_name(f".{followed.name}.lock")
        try:
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(place, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise InvalidInput(f"credential file {self._path} cannot be written: {error}") from None
        try:
            await self._locked(handle)
            yield
        finally:
            os.close(handle)  # gives the lock back; the file stays, or two could hold two locks

    async def _locked(self, handle: int) -> None:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + _LOCK_MAY_TAKE
        while True:
            try:
                return _lock(handle)
            except (BlockingIOError, PermissionError):  # what the systems call a lock that somebody holds
                if loop.time() >= ends_at:
                    raise InvalidInput(
                        f"credential file {self._path} is locked by another process for too long"
                    ) from None
            except OSError:
                return None  # this file system has no locks
            await asyncio.sleep(_LOOK_AGAIN)

    def _in_this_loop(self) -> _InOneLoop:
        """Return the locks of this event loop; between loops the file's own lock is enough."""
        loop = asyncio.get_running_loop()
        here = self._here
        if here is None or here.loop is not loop:
            here = self._here = _InOneLoop(loop)
        return here

    def _is_small(self) -> bool:
        """Say whether reading and writing it costs less than a thread does."""
        try:
            return self._path.stat().st_size <= _SMALL
        except OSError:
            return True  # not there, most likely; if not, reading it says what is the matter

    def _write_in(self, changes: Sequence[_Change]) -> None:
        kept = dict(self._read())
        for change in changes:
            if change.token is None:
                kept.pop(change.name, None)
            else:
                token = change.token.value.reveal()
                kept[change.name] = {"token": token, "expires_at": change.token.expires_at}
        self._write(kept)
        for change in changes:
            change.written = True

    def _read(self) -> Mapping[str, Any]:
        """Return what is in the file; not read again where it is the one that was read last."""
        try:
            with self._path.open(encoding="utf-8") as file:
                facts = os.fstat(file.fileno())
                if os.name == "posix" and facts.st_mode & 0o077:
                    raise InvalidInput(
                        f"credential file {self._path} can be read by others: chmod 600 it, or delete it"
                    )
                which = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
                if self._last_read is not None and self._last_read.which == which:
                    return self._last_read.entries
                kept = json.load(file)
        except FileNotFoundError:
            return {}
        except InvalidInput:
            raise
        except OSError as error:
            raise InvalidInput(f"credential file {self._path} cannot be read: {error}") from None
        except (ValueError, RecursionError):
            raise self._damaged() from None  # without the parser's words, which may show what it read
        if not isinstance(kept, dict):
            raise self._damaged()
        # One that was just replaced might be replaced again within the same tick of the file system's clock.
        settled = time.time() - facts.st_mtime > _TICK
        self._last_read = _Reading(which, kept) if settled else None
        return kept

    def _damaged(self) -> InvalidInput:
        return InvalidInput(f"credential file {self._path} is damaged: delete it and log in again")

    def _write(self, kept: dict[str, Any]) -> None:
        try:
            with files.replacing(self._path, owner_only=True) as file:
                json.dump(kept, file)
        except InvalidInput as error:
            raise InvalidInput(f"credential file {error}") from None
        except OSError as error:  # a disk that is full while it is written to
            raise InvalidInput(f"credential file {files.unwritable(self._path, error)}") from None
