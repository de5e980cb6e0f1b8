"""A store for tokens in a file, which any number of processes may share."""

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
from typing import IO, Any, Final, TypeVar

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
_CHANGES: Final = 65_536  # bytes; rewritten once more than these plus the length of the first line were added
_TICK: Final = 2.0  # seconds; the resolution of the coarsest file systems
_DECODER: Final = json.JSONDecoder()
_SPACE: Final = re.compile(r"\s*")


@attrs.define(eq=False)
class _Change:
    """A token to be written, or None to remove it."""

    name: str
    token: Token | None
    written: bool = False


@attrs.frozen(eq=False)
class _Reading:
    """The content of a file, and the file's identity. Not shown: it has tokens."""

    which: tuple[int, ...]
    entries: dict[str, Any] = attrs.field(repr=False)


@attrs.define(eq=False)
class _InOneLoop:
    """The locks for reading and writing in one event loop. Not shown: it has tokens."""

    loop: asyncio.AbstractEventLoop
    reading: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    writing: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    readings: int = 0  # the number begun so far
    last: _Reading | None = None  # the last one, if it ended


async def _in_a_thread(work: Callable[[], T]) -> T:
    """Run a function in a thread, and wait for its end even if this task is cancelled: it holds a lock."""
    doing = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(doing)
    finally:
        while not doing.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([doing])


class FileCredentialStore:
    """Keep tokens in a file that only its owner can read (0600); any number of processes may share it.

    Each save adds a line, a JSON object of the changes. Once there are too many, the file is replaced, in one
    step, by one line with all tokens. Processes write in turn, with a lock on an empty file beside it; saves
    at the same time are written together, in a thread. Raises `InvalidInput` for a file that others can read
    or that has another format.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._pending: dict[_Change, None] = {}  # in order
        self._here: _InOneLoop | None = None
        self._last_read: _Reading | None = None
        self._sound = False  # whether the file was read without error; only then lines are added

    async def load(self, account: str, gstin: str) -> Token | None:
        """Return the stored token, or None."""
        return self._token(await self._reading(), f"{account}/{gstin}")

    async def save(self, account: str, gstin: str, token: Token | None) -> None:
        """Store a new token; None removes it."""
        change = _Change(f"{account}/{gstin}", token)
        self._pending[change] = None
        try:
            await asyncio.sleep(0)  # saves in the same iteration of the event loop are written together
            async with self._in_this_loop().writing:
                if change.written:  # by another save, which wrote all pending changes
                    return
                async with self._turn():
                    # One that could not be written with others is written alone.
                    changes = [*self._pending] if change in self._pending else [change, *self._pending]
                    self._pending.clear()
                    await _in_a_thread(lambda: self._write(changes))
        finally:
            self._pending.pop(change, None)

    async def _reading(self) -> _Reading:
        """Return the content of the file; callers that wait before a reading begins share it.

        If thousands read a file that was just written one after the other, the last would wait for too long.
        """
        here = self._in_this_loop()
        begun = here.readings
        async with here.reading:
            if here.readings == begun or here.last is None:
                here.readings, here.last = here.readings + 1, None
                here.last = await _in_a_thread(self._read)
            return here.last

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Lock the file, so that no other process writes between our reading and our writing."""
        followed = files.followed(self._path)  # one lock for the file, through any link to it
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
            # Releases the lock. The file stays, otherwise two processes could each lock one of their own.
            os.close(handle)

    async def _locked(self, handle: int) -> None:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + _LOCK_MAY_TAKE
        while True:
            try:
                return _lock(handle)
            except (BlockingIOError, PermissionError):  # the lock is held by another process
                if loop.time() >= ends_at:
                    busy = f"credential file {self._path} is locked by another process for too long"
                    raise InvalidInput(busy) from None
            except OSError:
                return None  # this file system has no locks
            await asyncio.sleep(_LOOK_AGAIN)

    def _in_this_loop(self) -> _InOneLoop:
        """Return the locks of this event loop; between event loops the lock on the file is enough."""
        loop = asyncio.get_running_loop()
        if self._here is None or self._here.loop is not loop:
            self._here = _InOneLoop(loop)
        return self._here

    # -- functions with tokens as plain text: their frames must not be in an error ---------------------------

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
        """Append a line; return False if the file has to be rewritten."""
        try:
            with self._path.open("rb") as file:
                size = self._facts(file).st_size
                first = len(file.readline())
                file.seek(max(size - 1, 0))
                # Not after an incomplete line, whose writing was interrupted.
                if file.read() != b"\n" or size > 2 * first + _CHANGES:
                    return False
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0))
            try:
                _write_out(handle, line, size)
            finally:
                os.close(handle)
        except FileNotFoundError:
            return False
        except OSError as error:  # for example a full disk
            raise InvalidInput(f"credential file {files.unwritable(self._path, error)}") from None
        return True

    def _replace(self, entries: dict[str, Any]) -> None:
        try:
            with files.replacing(self._path, owner_only=True) as file:
                file.write(f"{json.dumps(entries)}\n")
        except InvalidInput as error:
            raise InvalidInput(f"credential file {error}") from None
        except OSError as error:  # a disk that becomes full while the file is written
            raise InvalidInput(f"credential file {files.unwritable(self._path, error)}") from None

    @without_frames
    def _read(self) -> _Reading:
        """Return the content of the file; it is not read again if it has not changed."""
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
            raise self._damaged() from None  # without the parser's message, which may quote the file
        self._sound = True
        # A file that was just written may change again without a change of its modification time.
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
    """Merge the JSON objects in a file. Raises `ValueError` for anything else.

    An incomplete last line is ignored: its writing was interrupted, and the save did not return.
    """
    entries: dict[str, Any] = {}
    place, end = 0, len(text.rstrip())
    while place < end or not place:  # there is at least one
        try:
            found, after = _DECODER.raw_decode(text, place)
        except ValueError:
            if not place or text.find("\n", place) >= 0:
                raise
            break
        if not isinstance(found, dict):
            raise ValueError("not an object")  # noqa: TRY004 # as the parser says of everything else
        entries.update(found)
        place = _SPACE.match(text, after).end()  # type: ignore[union-attr] # it matches anywhere
    return entries


def _write_out(handle: int, line: bytes, size: int) -> None:
    """Append a line to a file of this size and flush it to the disk; on an error restore the file."""
    try:
        written = 0
        while written < len(line):
            written += os.write(handle, line[written:])
        os.fsync(handle)
    except BaseException:
        with contextlib.suppress(OSError):
            os.ftruncate(handle, size)
        raise
