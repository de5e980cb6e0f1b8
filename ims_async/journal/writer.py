"""One thread that owns one SQLite connection: all that waits is written in one transaction, with one sync."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import queue
import sqlite3
import stat
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from ..errors import JournalError
from ..files import OWNER_ONLY
from .schema import MIGRATIONS, Connection, prepare

_log = logging.getLogger("ims_async")

T = TypeVar("T")

Action = Callable[[Connection], Any]

_AT_ONCE: Final = 1000
_EVERYBODY: Final = 0o007
_IDLE_SECONDS: Final = 5.0
"""After so long without work the file is closed; the next call opens it again."""


class _Job(NamedTuple):
    action: Action
    writes: bool
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Any]
    last: bool = False


Outcome = tuple[_Job, Any, Exception | None]


class Writer:
    """Runs actions on one file, in the order of the calls; waits `busy_seconds` while others write to it."""

    def __init__(self, path: Path, *, busy_seconds: float, migrations: Sequence[str] = MIGRATIONS) -> None:
        self.path, self._busy_seconds, self._migrations = path, busy_seconds, migrations
        self._lock = threading.Lock()
        self._asked: deque[_Job] = deque()
        self._wakes: queue.SimpleQueue[None] | None = None  # of the thread, while there is one
        self._waking: set[asyncio.AbstractEventLoop] = set()
        """The loops that will wake the thread at the end of their turn."""
        self._process = os.getpid()
        self._file: tuple[int, int] | None = None  # which file it is, whatever it is called by now

    async def run(self, action: Callable[[Connection], T], *, writes: bool = True) -> T:
        """Run an action with the connection; what it wrote is on the disk when this returns.

        It is run even if the caller is cancelled, and a second time if the first was rolled back. Raises
        `JournalError`.
        """
        loop = asyncio.get_running_loop()
        job = _Job(action, writes, loop, loop.create_future())
        with self._lock:
            wakes = self._begin()
            self._asked.append(job)
            if loop not in self._waking:
                # Not at once: the thread would begin with the first few of many, and sync to the disk twice.
                self._waking.add(loop)
                loop.call_soon(wakes.put, None)
        answer: T = await job.answer
        return answer

    async def aclose(self) -> None:
        """Run what waits, and close the file; the next call opens it again."""
        loop = asyncio.get_running_loop()
        last = _Job(_nothing, False, loop, loop.create_future(), last=True)
        with self._lock:
            if self._wakes is None or self._is_forked():
                return
            # `_wakes` stays: if this call is cancelled, the next one can wait for the closing.
            self._asked.append(last)
            self._wakes.put(None)
        await last.answer

    def _begin(self) -> queue.SimpleQueue[None]:
        if self._wakes is None:
            wakes: queue.SimpleQueue[None] = queue.SimpleQueue()
            thread = threading.Thread(target=self._work, args=(wakes,), name=f"journal {self.path}")
            thread.daemon = True  # a program that forgets to close must still be able to end
            try:
                thread.start()
            except RuntimeError as error:  # too many of them, or the program is ending
                raise JournalError(f"journal {self.path}: {error}") from None
            self._wakes, self._process = wakes, os.getpid()
        elif self._is_forked():
            raise JournalError(
                f"journal {self.path}: this process was forked while it was open, and SQLite does not bear "
                "that: close it before, or start processes by spawn"
            )
        return self._wakes

    def _is_forked(self) -> bool:
        return self._process != os.getpid()

    # -- in the thread -------------------------------------------------------------------------------------

    def _work(self, wakes: queue.SimpleQueue[None]) -> None:
        connection: Connection | None = None
        while True:
            batch = self._next(wakes)
            ends = not batch
            outcomes: list[Outcome] = []
            if any(not job.last for job in batch):
                connection, outcomes = self._do([job for job in batch if not job.last], connection)
            if not batch or batch[-1].last:
                if connection is not None:
                    connection.close()
                    connection = None
                ends = ends or self._ends()
            _tell([*outcomes, *((job, None, None) for job in batch if job.last)])
            if ends:
                return
            del batch, outcomes  # a batch of 100,000 records is not kept until the next one comes

    def _next(self, wakes: queue.SimpleQueue[None]) -> list[_Job]:
        """Return all that waits by now, one that closes last; nothing if it is time to stop."""
        while True:
            try:
                wakes.get(timeout=_IDLE_SECONDS)
            except queue.Empty:
                if self._ends():
                    return []
                # A loop that was stopped in the middle of its turn has woken nobody.
            if batch := self._taken(wakes):
                return batch

    def _taken(self, wakes: queue.SimpleQueue[None]) -> list[_Job]:
        batch: list[_Job] = []
        with self._lock:
            self._waking.clear()
            while self._asked and len(batch) < _AT_ONCE and not (batch and batch[-1].last):
                batch.append(self._asked.popleft())
            if self._asked:
                wakes.put(None)
        return batch

    def _ends(self) -> bool:
        """Take no more jobs, so that the next one begins a new thread; False if there are some already."""
        with self._lock:
            if self._asked:
                return False
            self._wakes = None
            return True

    def _do(
        self, batch: Sequence[_Job], connection: Connection | None
    ) -> tuple[Connection | None, list[Outcome]]:
        try:
            ready = self._checked(connection) if connection else self._open()
        except Exception as error:  # noqa: BLE001 # whatever it was, the callers get it
            told = self.told(error)
            return None, [(job, None, told) for job in batch]
        writes = [job for job in batch if job.writes]
        outcomes = list(self._write(ready, writes)) if writes else []
        outcomes += [self._read(ready, job) for job in batch if not job.writes]
        return ready, outcomes

    def _checked(self, connection: Connection) -> Connection:
        """Make sure that the file is where it was: SQLite would go on writing one that was deleted."""
        try:
            there = _which(self.path)
        except OSError:
            connection.close()
            raise
        if there != self._file:
            connection.close()
            raise JournalError("it was moved, deleted or replaced while in use; the next call opens it anew")
        return connection

    def _open(self) -> Connection:
        # Made here, so that only its owner can ever read it; SQLite makes the two files beside it alike. An
        # existing one is not opened: to close it would drop the locks that other connections of this process
        # hold on it (https://sqlite.org/howtocorrupt.html, 2.2).
        with contextlib.suppress(FileExistsError):
            os.close(os.open(os.path.realpath(self.path), os.O_RDWR | os.O_CREAT | os.O_EXCL, OWNER_ONLY))
        connection = sqlite3.connect(
            self.path,
            timeout=self._busy_seconds,
            isolation_level=None,
            check_same_thread=True,
            factory=Connection,
        )
        try:
            prepare(connection, self._migrations)
            _keep_from_others(Path(os.path.realpath(self.path)))  # it is known by now to be a journal
            self._file = _which(self.path)
        except BaseException:
            connection.close()
            raise
        connection.text_factory = _text
        return connection

    def _write(self, connection: Connection, jobs: Sequence[_Job]) -> Iterator[Outcome]:
        """Run all in one transaction; if one of them fails, each in a transaction of its own."""
        try:
            connection.begin()
        except sqlite3.Error as error:  # no job's fault: to wait once more for each would take too long
            yield from [(job, None, self.told(error)) for job in jobs]
            return
        try:
            done = [(job, job.action(connection), None) for job in jobs]
            connection.commit()
        except Exception as error:  # noqa: BLE001 # whatever it was, the callers get it
            _roll_back(connection)
            if len(jobs) == 1:
                yield jobs[0], None, self.told(error)
                return
        else:
            yield from done
            return
        for job in jobs:
            yield from self._write(connection, [job])

    def _read(self, connection: Connection, job: _Job) -> Outcome:
        try:
            return job, job.action(connection), None
        except Exception as error:  # noqa: BLE001 # whatever it was, the caller gets it
            return job, None, self.told(error)

    def told(self, error: Exception) -> Exception:
        """Return the error with our own words for what is wrong with the file, and what to do."""
        if isinstance(error, JournalError):
            return JournalError(f"journal {self.path}: {error}")
        if isinstance(error, sqlite3.Error):
            code = getattr(error, "sqlite_errorname", "").split("_")
            hint = next((_HINTS[name] for name in code if name in _HINTS), "")
            return JournalError(f"journal {self.path}: {error}{hint}")
        if isinstance(error, OSError):
            return JournalError(f"journal {self.path}: {error.strerror or error}{_HINTS['CANTOPEN']}")
        return JournalError(f"journal {self.path}: {type(error).__name__}: {error}")


_HINTS: Final = {
    "FULL": "; make room, what was written before is intact",
    "BUSY": "; another process holds it: is a program stopped in the middle of a write?",
    "LOCKED": "; another process holds it",
    "READONLY": "; the file or its folder may not be written, or it was moved or deleted while in use",
    "CANTOPEN": "; does its folder exist, and may it be written? (SQLite makes two more files beside it)",
    "CORRUPT": "; the file is damaged: keep it (`sqlite3 FILE .recover` saves rows) and name a new one",
    "NOTADB": "; name another file",
    "IOERR": "; is the disk full or gone? Network drives cannot hold a journal",
}


def _keep_from_others(path: Path) -> None:
    """Remove everybody's rights to a journal, which holds business records; those of a group may stay."""
    if os.name != "posix":
        return
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        try:
            mode = stat.S_IMODE(file.stat().st_mode)
            if mode & _EVERYBODY and file.is_file():
                file.chmod(OWNER_ONLY)  # by name: to open and close it would drop locks, see `_open`
                _log.warning("journal %s could be read by everybody (mode %03o): it is 0600 now", file, mode)
        except FileNotFoundError:
            continue
        except OSError as error:
            _log.warning("journal %s can be read by others, and its mode cannot be changed: %s", file, error)


def _which(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _text(raw: bytes) -> str | bytes:
    """Return text; or bytes that are none, so that one damaged row does not hide the others."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _nothing(_: Connection) -> None:
    return None


def _roll_back(connection: sqlite3.Connection) -> None:
    with contextlib.suppress(sqlite3.Error):
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _tell(outcomes: Sequence[Outcome]) -> None:
    """Wake those who wait, all of one event loop at once."""
    loops: dict[asyncio.AbstractEventLoop, list[Outcome]] = {}
    for outcome in outcomes:
        loops.setdefault(outcome[0].loop, []).append(outcome)
    for loop, own in loops.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(_answer, own)


def _answer(outcomes: Sequence[Outcome]) -> None:
    for job, result, error in outcomes:
        if job.answer.done():
            continue  # the caller was cancelled
        if error is None:
            job.answer.set_result(result)
        else:
            job.answer.set_exception(error)
