"""Where tokens outlive a process: a protocol for the user's own store, one in memory, one in a 0600 file."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, Protocol

from . import files
from .errors import InvalidInput
from .secret import Secret
from .wire import Token

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


class FileCredentialStore:
    """Tokens in a JSON file that only its owner can read (0600), replaced in one step.

    Any number of processes may share it: they write in turn, by way of a lock on an empty file beside it.
    Raises `InvalidInput` for a file that others can read or that is no such file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    async def load(self, account: str, gstin: str) -> Token | None:
        """Return the token kept under this name, if any."""
        kept = self._read().get(f"{account}/{gstin}")
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
        async with self._turn():
            kept = self._read()
            if token is None:
                kept.pop(f"{account}/{gstin}", None)
            else:
                kept[f"{account}/{gstin}"] = {"token": token.value.reveal(), "expires_at": token.expires_at}
            self._write(kept)

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

    # The file is a few hundred bytes: a thread would cost more than the write.

    def _read(self) -> dict[str, Any]:
        try:
            with self._path.open(encoding="utf-8") as file:
                if os.name == "posix" and os.fstat(file.fileno()).st_mode & 0o077:
                    raise InvalidInput(
                        f"credential file {self._path} can be read by others: chmod 600 it, or delete it"
                    )
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
