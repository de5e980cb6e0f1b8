"""A journal in one SQLite file: durable, shared by any number of processes on one machine."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Self

from ..errors import InvalidInput, JournalError
from ..model.change import Cause
from ..model.records import Record
from ..model.status import JobKind, JobStatus
from ..model.tokens import JobToken
from . import schema
from .entry import Entry, Phase
from .packing import checksum, pack, pack_found, pack_status, unpack, unpack_status
from .writer import Writer

_KEEP: Final = dt.timedelta(days=400)
_LONGEST_BUSY: Final = 86_400


class SqliteJournal:
    """Keeps batches in a SQLite file, which is made if need be, readable by its owner only (0600).

    One that is there and that everybody may read or write is set to 0600, with a warning in the log of
    `ims_async`; rights of a group alone are left as they are.

    Every write is on the disk when it is said to be (write-ahead log, synchronous FULL); those who wait at
    the same time share one sync. The file must lie on a local disk, not on a network drive. Entries that
    are no longer open are forgotten `keep` after their last change: by `vacuum`, which nobody calls but you.
    `busy_seconds` is how long to wait while another process writes. `clock` gives seconds since the epoch.

    Closing is optional: after a few idle seconds the file is closed by itself, and opens when it is used.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        keep: dt.timedelta = _KEEP,
        busy_seconds: float = 10.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        name = os.fspath(path)
        if not isinstance(name, str) or not name or "\0" in name or name.startswith((":memory:", "file:")):
            raise InvalidInput(f"{name!r} is no path of a journal; for one in memory there is MemoryJournal")
        _check_keep(keep)
        if not (isinstance(busy_seconds, int | float) and 0 <= busy_seconds <= _LONGEST_BUSY):
            raise InvalidInput(f"busy_seconds is {busy_seconds!r}: pass seconds, 0 to {_LONGEST_BUSY}")
        self.path, self._keep, self._clock = Path(name), keep, clock
        self._writer = Writer(self.path, busy_seconds=busy_seconds)
        self._packing: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None

    def __repr__(self) -> str:
        return f"<SqliteJournal {str(self.path)!r}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def intend(
        self, batch_id: str, token: JobToken, records: Sequence[Record], *, run: str = ""
    ) -> None:
        """Keep a batch; see `Journal`."""
        parts = []
        async with self._turn_to_pack():
            for number, part in enumerate(pack(records)):
                if number:
                    await asyncio.sleep(0)  # a big batch is written in many short breaths
                parts.append((batch_id, number, part, checksum(part)))
        job = (batch_id, token.gsp, token.host, token.gstin, token.kind, token.reference_id, len(records))
        times = (_text(token.submitted_at) or "", _text(token.results_until), self._now(), run)

        def write(connection: sqlite3.Connection) -> None:
            if connection.execute(schema.SELECT_JOB, (batch_id,)).fetchone():
                raise JournalError(f"it already holds a batch {batch_id}")
            connection.execute(schema.INSERT_JOB, job + times)
            if parts:
                connection.executemany(schema.INSERT_PART, parts)

        await self._writer.run(write)

    async def claim(self, batch_id: str, token: JobToken) -> Entry | None:
        """Begin to send, or say what is in the way; see `Journal`."""
        facts = (_text(token.submitted_at) or "", _text(token.results_until), self._now(), batch_id)

        def write(connection: sqlite3.Connection) -> tuple[Any, ...] | None:
            if connection.execute(schema.CLAIM, facts).rowcount:
                return None
            own = _job_row(connection, batch_id)
            if own[1] != Phase.QUEUED:
                return own
            other: tuple[Any, ...] = connection.execute(schema.IN_THE_WAY, (batch_id,)).fetchone()
            return other

        row = await self._writer.run(write)
        return None if row is None else self._entry(row)

    async def advance(
        self,
        batch_id: str,
        to: Phase,
        *,
        only_from: Phase | None = None,
        token: JobToken | None = None,
        status: JobStatus | None = None,
        reason: str = "",
        cause: Cause | None = None,
    ) -> bool:
        """Move a batch on, if it may; see `Journal`."""
        names: tuple[str | None, ...] = (None, None, None, None)
        if token is not None:
            times = _text(token.submitted_at), _text(token.results_until)
            names = (token.reference_id, *times, token.route or None)
        told = (None, None) if status is None else (pack_status(status), pack_found(status.found))
        # A gateway's words may hold what is no text to SQLite; they must not cost us the whole entry.
        words = reason.encode(errors="backslashreplace").decode()
        facts = (to, *names, *told, words, cause or "", self._now(), batch_id, only_from)

        def write(connection: sqlite3.Connection) -> bool:
            if connection.execute(schema.ADVANCE[to], facts).rowcount:
                return True
            _job_row(connection, batch_id)
            return False

        return await self._writer.run(write)

    async def entries(
        self,
        *,
        batch_id: str | None = None,
        gsp: str | None = None,
        host: str | None = None,
        gstin: str | None = None,
        reference: str | None = None,
        run: str | None = None,
        phases: Sequence[Phase] = tuple(Phase),
        since: dt.datetime | None = None,
    ) -> list[Entry]:
        """Return what is kept; see `Journal`."""
        asked = {"id": batch_id, "gsp": gsp, "host": host, "gstin": gstin, "reference": reference, "run": run}
        wanted = {name: value for name, value in asked.items() if value is not None}
        left_out = set(Phase) - set(phases)  # so that an entry whose phase is damaged is not left out
        where = [f"phase NOT IN ({', '.join('?' * len(left_out))})", *(f"{name} = ?" for name in wanted)]
        facts: list[Any] = [*left_out, *wanted.values()]
        if since is not None:
            where.append("changed_at >= ?")
            facts.append(since.timestamp())
        statement = schema.SELECT_ENTRIES.format(" AND ".join(where))
        rows, trouble = await self._writer.run(lambda c: _all_readable(c, statement, facts), writes=False)
        entries: list[Entry] = []
        problems = [] if trouble is None else [str(self._writer.told(trouble))]
        for place, row in enumerate(rows):
            if place % 100 == 99:
                await asyncio.sleep(0)
            try:
                entries.append(self._entry(row))
            except JournalError as error:
                problems.append(str(error))
        if problems:
            raise JournalError("; ".join(problems), readable=entries)
        return entries

    async def mark_retried(self, batch_id: str) -> None:
        """Mark a batch as retried; see `Journal`."""

        def write(connection: sqlite3.Connection) -> None:
            _job_row(connection, batch_id)
            connection.execute(schema.MARK_RETRIED, (batch_id,))

        await self._writer.run(write)

    async def records(self, batch_id: str) -> list[Record]:
        """Return the records of a batch; see `Journal`."""

        def read(connection: sqlite3.Connection) -> tuple[int, list[tuple[int, bytes, int]]]:
            submitted = _job_row(connection, batch_id)[7]
            return submitted, connection.execute(schema.SELECT_PARTS, (batch_id,)).fetchall()

        submitted, parts = await self._writer.run(read, writes=False)
        where = f"journal {self.path}: batch {batch_id}"
        for place, (number, part, proof) in enumerate(parts):
            if number != place or not isinstance(part, bytes) or checksum(part) != proof:
                raise JournalError(f"{where}: part {place} of its records is damaged")
        records: list[Record] = []
        for _, part, _ in parts:
            try:
                records += unpack([part])
            except JournalError as error:
                raise JournalError(f"{where}: {error}") from None
            await asyncio.sleep(0)
        if len(records) != submitted:
            raise JournalError(f"{where}: {len(records)} of its {submitted} records are there")
        return records

    async def vacuum(self, *, keep: dt.timedelta | None = None) -> int:
        """Forget what ended longer ago than `keep` (the journal's own if None), and shrink the file.

        Returns how many batches were forgotten. Open ones are never forgotten, however old.
        """
        keep = self._keep if keep is None else keep
        _check_keep(keep)
        before = self._clock() - keep.total_seconds()
        gone = await self._writer.run(lambda c: c.execute(schema.FORGET, (before,)).rowcount)
        await self._writer.run(
            lambda c: [c.execute(statement).fetchall() for statement in schema.CLEAN_UP], writes=False
        )
        return gone

    async def aclose(self) -> None:
        """Do what was asked, and close the file. It opens again when it is used again."""
        await self._writer.aclose()

    def _turn_to_pack(self) -> asyncio.Lock:
        """One batch at a time: or hundreds of them take their breaths in one turn of the event loop."""
        loop = asyncio.get_running_loop()
        if self._packing is None or self._packing[0] is not loop:
            self._packing = loop, asyncio.Lock()
        return self._packing[1]

    def _now(self) -> float:
        """Return seconds since the epoch as exact as a `datetime` is: `since` must not miss what it names."""
        return dt.datetime.fromtimestamp(self._clock(), dt.UTC).timestamp()

    def _entry(self, row: tuple[Any, ...]) -> Entry:
        (
            batch_id, phase, gsp, host, gstin, kind, reference, submitted, sent_at, until, status, reason, at,
            run, retried, cause, found, route,
        ) = row  # fmt: skip
        try:
            if any(isinstance(fact, bytes) for fact in row):
                raise ValueError("some of it is no text")
            token = JobToken(
                gsp=gsp,
                host=host,
                gstin=gstin,
                kind=JobKind(kind),
                reference_id=reference,
                submitted=submitted,
                submitted_at=dt.datetime.fromisoformat(sent_at) if sent_at else None,
                results_until=dt.datetime.fromisoformat(until) if until else None,
                route=route,
            )
            return Entry(
                id=batch_id,
                phase=Phase(phase),
                token=token,
                status=None if status is None else unpack_status(status, found),
                reason=reason,
                changed_at=dt.datetime.fromtimestamp(at, dt.UTC),
                run=run,
                cause=Cause(cause) if cause else None,
                retried=bool(retried),
            )
        except (ValueError, TypeError, OverflowError, OSError, JournalError) as error:
            raise JournalError(f"journal {self.path}: batch {batch_id} is damaged: {error}") from None


def _all_readable(
    connection: sqlite3.Connection, statement: str, facts: Sequence[Any]
) -> tuple[list[tuple[Any, ...]], sqlite3.Error | None]:
    """Return all rows; where a page is damaged, those before and behind it, and what is the matter."""
    rows: tuple[list[tuple[Any, ...]], ...] = ([], [])
    trouble: sqlite3.Error | None = None
    for found, order in zip(rows, ("", " DESC"), strict=True):
        try:
            found.extend(connection.execute(statement + order, facts))
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            trouble = error
        else:
            return found, None
    return rows[0] + rows[1][::-1], trouble


def _check_keep(keep: dt.timedelta) -> None:
    if not isinstance(keep, dt.timedelta) or keep < dt.timedelta(0):
        raise InvalidInput(f"keep is {keep!r}: pass how long ended jobs are kept, timedelta(days=400) say")


def _job_row(connection: sqlite3.Connection, batch_id: str) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = connection.execute(schema.SELECT_JOB, (batch_id,)).fetchone()
    if row is None:
        raise JournalError(f"it holds no batch {batch_id}")
    return row


def _text(moment: dt.datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
