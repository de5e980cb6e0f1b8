"""A journal in one SQLite file: durable, shared by any number of processes on one machine."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, Self

from ..errors import InvalidInput, JournalError
from ..model.change import Change
from ..model.moves import Cause, ChangeState
from ..model.records import Record
from ..model.status import JobKind
from ..model.tokens import JobToken
from . import schema
from .base import EVERYTHING, Claim, Now, Query
from .packing import ROWS_PER_PART, checksum, pack, pack_found, pack_status, unpack, unpack_status
from .writer import Writer

_KEEP: Final = dt.timedelta(days=400)
_LONGEST_BUSY: Final = 86_400


class SqliteJournal:
    """Stores changes in a SQLite file on a local disk, made if need be, readable by its owner only (0600).

    A file that everybody may read or write is set to 0600, with a warning in the log of `ims_async`; rights
    of a group alone are left as they are.

    A write is on the disk when its call returns (write-ahead log, synchronous FULL); concurrent calls share
    one sync. `vacuum`, which only you call, forgets changes that are no longer open `keep` after their last
    move. `busy_seconds` is how long to wait while another process writes. `clock` gives seconds since the
    epoch. Closing is optional: a file that is idle for some seconds is closed, and opens again when used.
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

    async def add(self, change: Change, records: Sequence[Record]) -> Change:
        """Store a queued change; see `Journal`."""
        parts = await self._parts(change.id, records) if records else ()
        token, at = change.token, self._time()
        row = (
            change.id, token.gsp, token.host, token.gstin, token.kind, token.reference_id, len(records),
            _text(token.submitted_at) or "", _text(token.results_until), change.run, token.route,
            token.period, at.timestamp(),
        )  # fmt: skip

        def write(connection: schema.Connection) -> tuple[Any, ...] | int:
            revision = connection.write(schema.INSERT_JOB, row)
            if not revision:
                return _job_row(connection, change.id)
            if parts:
                connection.executemany(schema.INSERT_PART, parts)
            return revision

        stored = await self._writer.run(write)
        if isinstance(stored, int):
            return change.stored(stored, at)
        known = self._change(stored)
        if known.same_handing_in(change):
            return known
        raise JournalError(f"journal {self.path}: it already holds a change {change.id}")

    async def _parts(self, change_id: str, records: Sequence[Record]) -> list[tuple[str, int, bytes, int]]:
        """Return the rows of the records."""
        if len(records) <= ROWS_PER_PART:
            return [(change_id, 0, part, checksum(part)) for part in pack(records)]
        parts = []
        async with self._turn_to_pack():
            for number, part in enumerate(pack(records)):
                if number:
                    await asyncio.sleep(0)  # a big batch is packed in many short steps
                parts.append((change_id, number, part, checksum(part)))
        return parts

    async def claim(self, change: Change, *, since: int | None = None) -> Claim:
        """Store a claimed change if it may be sent; see `Journal`."""
        at, token = self._time(), change.token
        statement = schema.CLAIM[_what_is_new(change)[1]]
        taxpayer = token.gsp, token.host, token.gstin, change.id
        facts = (*_facts(change, at), since, *taxpayer[:3])

        def write(connection: schema.Connection) -> tuple[int, Any, Any, Any]:
            if revision := connection.write(statement, facts):
                return revision, None, None, None
            own = _job_row(connection, change.id)
            ahead = connection.execute(schema.AHEAD, taxpayer).fetchone()
            if ahead or (own[1], own[-1]) != (ChangeState.QUEUED, change.revision):
                return 0, own, ahead, None
            return 0, own, None, connection.execute(schema.MOVED, (*taxpayer, since)).fetchone()

        revision, own, ahead, moved = await self._writer.run(write)
        if revision:
            return Claim(change.stored(revision, at), taken=True)
        if own[2:5] != taxpayer[:3]:
            raise JournalError(f"journal {self.path}: change {change.id} is damaged: it has another taxpayer")
        # Each is read, also one that only has `moved`: a damaged one is said so.
        others = [row and self._change(row) for row in (ahead, moved)]
        return Claim(self._change(own), False, others[0], moved=bool(moved))

    async def put(self, change: Change) -> Change | None:
        """Store a change if nobody has moved it on; see `Journal`."""
        at = self._time()
        statement = schema.PUT[_what_is_new(change)]
        # In the writer's thread: a status that names 100,000 records takes a tenth of a second to write.
        revision = await self._writer.run(lambda connection: connection.write(statement, _facts(change, at)))
        return change.stored(revision, at) if revision else None

    async def find(self, query: Query = EVERYTHING) -> list[Change]:
        """Return changes; see `Journal`."""
        rows: list[tuple[Any, ...]] = []
        problems: list[str] = []
        for where, facts in _conditions(query):
            statement = schema.SELECT.format(where)
            found, trouble = await self._writer.run(partial(_all_readable, statement, facts), writes=False)
            rows += found
            problems += [] if trouble is None else [str(self._writer.told(trouble))]
        changes: list[Change] = []
        for number, (*row, _) in enumerate(sorted(rows, key=itemgetter(-1))):  # by place
            if number % 100 == 99:
                await asyncio.sleep(0)
            try:
                changes.append(self._change(row))
            except JournalError as error:
                problems.append(str(error))
        if problems:
            raise JournalError("; ".join(problems), readable=changes)
        return changes

    async def now(self) -> Now:
        """Return the time and the highest revision; see `Journal`."""
        at = self._time()
        revision = await self._writer.run(schema.last_revision, writes=False)
        return Now(at, revision)

    async def records(self, change_id: str) -> list[Record]:
        """Return the records of a change; see `Journal`."""

        def read(connection: sqlite3.Connection) -> tuple[int, list[tuple[int, bytes, int]]]:
            submitted = _job_row(connection, change_id)[7]
            return submitted, connection.execute(schema.SELECT_PARTS, (change_id,)).fetchall()

        submitted, parts = await self._writer.run(read, writes=False)
        where = f"journal {self.path}: change {change_id}"
        records: list[Record] = []
        for place, (number, part, proof) in enumerate(parts):
            if number != place or not isinstance(part, bytes) or checksum(part) != proof:
                raise JournalError(f"{where}: part {place} of its records is damaged")
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

        Returns how many changes were forgotten. Open ones are never forgotten, however old.
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
        """Do what was asked, and close the file; it opens again when it is used again."""
        await self._writer.aclose()

    def _turn_to_pack(self) -> asyncio.Lock:
        """Return the lock to pack under: hundreds of batches at once would hold the event loop up."""
        loop = asyncio.get_running_loop()
        if self._packing is None or self._packing[0] is not loop:
            self._packing = loop, asyncio.Lock()
        return self._packing[1]

    def _time(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._clock(), dt.UTC)

    def _change(self, row: Sequence[Any]) -> Change:
        (
            change_id, state, gsp, host, gstin, kind, reference, submitted, sent_at, until, status, reason,
            at, run, retried, cause, found, route, period, revision,
        ) = row  # fmt: skip
        try:
            if any(isinstance(fact, bytes) for fact in row):
                raise ValueError("some of it is no text")
            if type(revision) is not int:
                raise ValueError(f"its revision is {revision!r:.40}")
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
                period=period,
            )
            change = Change(
                id=change_id,
                state=ChangeState(state),
                token=token,
                status=None if status is None else unpack_status(status, found),
                reason=reason,
                changed_at=dt.datetime.fromtimestamp(at, dt.UTC),
                run=run,
                cause=Cause(cause) if cause else None,
                retried=bool(retried),
                revision=revision,
            )
            if change.status is None and change.state in (ChangeState.ENDED, ChangeState.BROKEN_OFF):
                raise ValueError(f"it is {change.state}, without a status")
        except (ValueError, TypeError, OverflowError, OSError, JournalError) as error:
            raise JournalError(f"journal {self.path}: change {change_id} is damaged: {error}") from None
        return change


def _what_is_new(change: Change) -> tuple[bool, bool]:
    """Return whether the state, and the reference, may be others than those that are stored."""
    before = change.moved_from
    if before is None or before.revision != change.revision:
        return True, True
    return before.state is not change.state, before.token.reference_id != change.token.reference_id


def _facts(change: Change, at: dt.datetime) -> tuple[Any, ...]:
    """Return the parameters of `schema.PUT`, after the first."""
    token, status = change.token, change.status
    # A gateway's words may hold what is no text to SQLite; they must not cost us the whole change.
    reason = change.reason.encode(errors="backslashreplace").decode() if change.reason else ""
    return (
        change.state,
        token.reference_id,
        _text(token.submitted_at) or "",
        _text(token.results_until),
        token.route,
        None if status is None else pack_status(status),
        None if status is None else pack_found(status.found),
        reason,
        change.cause or "",
        int(change.retried),
        (change.changed_at or at).timestamp(),
        change.id,
        change.revision,
    )


_COMPARED: Final = {"changed_at": ">=", "revision": ">"}
_IDS_AT_ONCE: Final = 500  # SQLite takes so many parameters and more


def _conditions(query: Query) -> Iterator[tuple[str, list[Any]]]:
    """Yield the conditions of the statements that find what is asked for, with their parameters."""
    asked = {
        "gsp": query.gsp, "host": query.host, "gstin": query.gstin, "reference": query.reference,
        "run": query.run, "revision": query.after,
        "retried": None if query.retried is None else int(query.retried),
        "changed_at": None if query.since is None else query.since.timestamp(),
    }  # fmt: skip
    wanted = {name: fact for name, fact in asked.items() if fact is not None}
    # A change whose state is damaged is not left out.
    left_out = [] if query.states is None else [state for state in ChangeState if state not in query.states]
    where = [f"state NOT IN ({', '.join('?' * len(left_out))})"]
    where += [f"{name} {_COMPARED.get(name, '=')} ?" for name in wanted]
    if query.run and (query.after is None or query.gstin is None):  # else one of a GSTIN finds the few
        where.append(schema.OF_A_RUN)
    facts: list[Any] = [*left_out, *wanted.values()]
    if query.ids is None:
        yield " AND ".join(where), facts
        return
    ids = list(dict.fromkeys(query.ids))
    for first in range(0, len(ids), _IDS_AT_ONCE):
        some = ids[first : first + _IDS_AT_ONCE]
        yield " AND ".join([*where, f"id IN ({', '.join('?' * len(some))})"]), [*facts, *some]


def _all_readable(
    statement: str, facts: Sequence[Any], connection: sqlite3.Connection
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


def _job_row(connection: sqlite3.Connection, change_id: str) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = connection.execute(schema.SELECT_JOB, (change_id,)).fetchone()
    if row is None:
        raise JournalError(f"it holds no change {change_id}")
    return row


def _text(moment: dt.datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
