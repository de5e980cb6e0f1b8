"""Where tokens outlive a process: a protocol for the user's own store, one in memory, one in a 0600 file."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import IO, Any, Final, Protocol, TypeVar

import attrs

from .. import files
from ..errors import InvalidInput
from ..gsp.base import Token
from ..model.secret import Secret, without_frames

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
_CHANGES: Final = 65_536  # bytes; so many may be added, and as many as the first line has, before a rewrite
_TICK: Final = 2.0  # seconds; of the coarsest file systems
_DECODER: Final = json.JSONDecoder()
_SPACE: Final = re.compile(r"\s*")


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
    last: _Reading | None = None  # if it ended


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
    """Tokens in a file that only its owner can read (0600).

    Each save adds a line, a JSON object of what changed; once the changes outweigh what they change, the file
    is replaced, in one step, by one line that holds everything. Files of earlier releases are such a line.
    Any number of processes may share it: they write in turn, by way of a lock on an empty file beside it.
    What is to be saved at the same time is written together. Reading and writing is done beside the event
    loop. Raises `InvalidInput` for a file that others can read or that is no such file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._changes: dict[_Change, None] = {}  # to be written, in order
        self._here: _InOneLoop | None = None
        self._last_read: _Reading | None = None
        self._sound = False  # as far as is known; lines are added to no other file

    async def load(self, account: str, gstin: str) -> Token | None:
        """Return the token kept under this name, if any."""
        return self._token((await self._reading()), f"{account}/{gstin}")

    async def save(self, account: str, gstin: str, token: Token | None) -> None:
        """Keep a new token; None forgets it."""
        change = _Change(f"{account}/{gstin}", token)
        self._changes[change] = None
        try:
            # What is to be saved in the same turn of the event loop is written with it.
            await asyncio.sleep(0)
            async with self._in_this_loop().writing:
                if change.written:  # with somebody else's, who wrote all that there was to be written
                    return
                async with self._turn():
                    changes = [*self._changes] if change in self._changes else [change, *self._changes]
                    self._changes.clear()
                    await _in_a_thread(lambda: self._write(changes))
        finally:
            self._changes.pop(change, None)

    async def _reading(self) -> _Reading:
        """Return what is in the file. All who ask before a reading begins share it: of a file that was just
        written each would have one of its own, and the last of thousands would wait for too long."""
        here = self._in_this_loop()
        begun = here.readings
        async with here.reading:
            if here.readings == begun or here.last is None:
                here.readings, here.last = here.readings + 1, None
                here.last = await _in_a_thread(self._read)
            return here.last

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

    # -- what holds tokens as plain text: none of its frames may be in an error ------------------------------

    @without_frames
    def _token(self, reading: _Reading, name: str) -> Token | None:
        kept = reading.entries.get(name)
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

    @without_frames
    def _write(self, changes: Sequence[_Change]) -> None:
        changed = {change.name: _plain(change.token) for change in changes}
        if not self._sound:
            self._read()
        if not self._added(f"{json.dumps(changed)}\n".encode()):
            everything = {**self._read().entries, **changed}
            self._replace({name: kept for name, kept in everything.items() if kept is not None})
        for change in changes:
            change.written = True

    def _added(self, line: bytes) -> bool:
        """Write a line behind the others; False where the file has to be written anew."""
        try:
            with self._path.open("rb") as file:
                size = self._facts(file).st_size
                first = len(file.readline())
                file.seek(max(size - 1, 0))
                # Not behind a line whose writing was broken off: it has no end.
                if file.read() != b"\n" or size > 2 * first + _CHANGES:
                    return False
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0))
            try:
                _write_out(handle, line, size)
            finally:
                os.close(handle)
        except FileNotFoundError:
            return False
        except OSError as error:  # a disk that is full, say
            raise InvalidInput(f"credential file {files.unwritable(self._path, error)}") from None
        return True

    def _replace(self, entries: dict[str, Any]) -> None:
        try:
            with files.replacing(self._path, owner_only=True) as file:
                file.write(f"{json.dumps(entries)}\n")
        except InvalidInput as error:
            raise InvalidInput(f"credential file {error}") from None
        except OSError as error:  # a disk that is full while it is written to
            raise InvalidInput(f"credential file {files.unwritable(self._path, error)}") from None

    @without_frames
    def _read(self) -> _Reading:
        """Return what is in the file; not read again where it is the one that was read last."""
        try:
            with self._path.open("rb") as file:
                facts = self._facts(file)
                which = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
                if self._last_read is not None and self._last_read.which == which:
                    return self._last_read
                reading = _Reading(which, _parsed(file.read().decode()))
        except FileNotFoundError:
            return _Reading((), {})
        except OSError as error:
            raise InvalidInput(f"credential file {self._path} cannot be read: {error}") from None
        except InvalidInput:
            raise
        except (ValueError, RecursionError):
            raise self._damaged() from None  # without the parser's words, which may show what it read
        self._sound = True
        # One that was just written might be written again within the same tick of the file system's clock.
        settled = time.time() - facts.st_mtime > _TICK
        self._last_read = reading if settled else None
        return reading

    def _facts(self, file: IO[bytes]) -> os.stat_result:
        facts = os.fstat(file.fileno())
        if os.name == "posix" and facts.st_mode & 0o077:
            raise InvalidInput(
                f"credential file {self._path} can be read by others: chmod 600 it, or delete it"
            )
        return facts

    def _damaged(self) -> InvalidInput:
        return InvalidInput(f"credential file {self._path} is damaged: delete it and log in again")


def _plain(token: Token | None) -> dict[str, Any] | None:
    return None if token is None else {"token": token.value.reveal(), "expires_at": token.expires_at}


def _parsed(text: str) -> dict[str, Any]:
    """Return what the objects in a file add up to. Raises `ValueError` for anything else.

    But not for a last line without an end, whose writing was broken off: nobody was told that it is kept.
    """
    entries: dict[str, Any] | None = None
    place, end = 0, len(text.rstrip())
    while place < end or entries is None:
        try:
            found, after = _DECODER.raw_decode(text, place)
        except ValueError:
            if entries is None or text.find("\n", place) >= 0:
                raise
            break
        if not isinstance(found, dict):
            raise ValueError("not an object")  # noqa: TRY004 # as the parser says of everything else
        if entries is None:
            entries = found
        else:
            entries.update(found)
        place = _SPACE.match(text, after).end()  # type: ignore[union-attr] # it matches anywhere
    return entries


def _write_out(handle: int, line: bytes, size: int) -> None:
    """Write a line to the end of a file of this size, and to the disk; or leave the file as it was."""
    try:
        written = 0
        while written < len(line):
            written += os.write(handle, line[written:])
        os.fsync(handle)
    except BaseException:
        with contextlib.suppress(OSError):
            os.ftruncate(handle, size)
        raise
