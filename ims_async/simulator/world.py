"""The state behind the APIs of all GSPs: taxpayers, records, the clock, jobs that end when due. No HTTP."""

from __future__ import annotations

import asyncio
import heapq
import time
import uuid
import weakref
from collections import deque
from dataclasses import replace
from decimal import Decimal
from itertools import chain, count
from random import Random
from typing import TYPE_CHECKING, Any

from .fields import SHAPES, Kind, problems
from .gstr2b.periods import day_at
from .gstr2b.returns import Returns
from .records import Effect, LoggedRequest, Record, RecordError, SimJob
from .rules import (
    BUSY,
    INVALID_SESSION,
    INVALID_USER,
    SCHEMA_FAILURE,
    STALE,
    TOO_MANY_SESSIONS,
    UNKNOWN_REFERENCE,
    WRONG_RECIPIENT,
    GstnError,
    changed,
    objection,
)
from .seeding import make_book, make_taxpayers, revalued
from .sessions import Session, Sessions
from .supplier_view import Outward

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from .records import Taxpayer
    from .rules import Rules

_MOST_NAMED = 10  # taxpayers, in an error


class Clock:
    """Give the time in epoch seconds.

    Without a `source` it starts at `start`, or at the wall clock's time, and advances with the running event
    loop, so that it follows a loop with virtual time; without a running loop it advances with
    `time.monotonic`. A change from one to another takes no time.
    """

    def __init__(self, source: Callable[[], float] | None = None, start: float | None = None) -> None:
        self._source = source
        self._now = time.time() if start is None else start
        self._loop: weakref.ref[Any] | None = None
        self._last = time.monotonic()

    def now(self) -> float:
        """Return the time in epoch seconds."""
        if self._source:
            return self._source()
        try:
            loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        reading = loop.time() if loop else time.monotonic()
        if (self._loop() if self._loop else None) is loop:
            self._now += max(0.0, reading - self._last)
        else:
            self._loop = weakref.ref(loop) if loop else None
        self._last = reading
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock forward; raises `RuntimeError` if the caller passed a clock."""
        if self._source:
            raise RuntimeError("This simulator runs on the clock you passed: advance that one.")
        if seconds < 0:
            raise ValueError("A clock only moves forward.")
        self._now = self.now() + seconds


class World:
    """The state of the GST portal. The same seed makes the same world."""

    def __init__(
        self,
        rules: Rules,
        clock: Callable[[], float] | None,
        *,
        seed: int,
        taxpayers: int,
        invoices: int,
        sections: Sequence[str] | None = None,
        start: float | None = None,
    ) -> None:
        self.rules = rules
        self.clock = Clock(clock, start)
        self.seeded = invoices > 0
        self.sessions = Sessions(self.now)
        made = make_taxpayers(Random(f"{seed}/taxpayers"), taxpayers)
        self.taxpayers: dict[str, Taxpayer] = {taxpayer.gstin: taxpayer for taxpayer in made}
        self.outward = {taxpayer.gstin: Outward(seed, taxpayer) for taxpayer in made}
        self.jobs: dict[str, SimJob] = {}
        self.effects: list[Effect] = []
        self.requests: list[LoggedRequest] = []
        self._otps: dict[str, str] = {}  # the taxpayers to whom an OTP was sent, by the name of the request
        self._books = {
            taxpayer.gstin: make_book(str(seed), taxpayer, invoices, sections) for taxpayer in made
        }
        self._ids = Random(f"{seed}/ids")
        self._durations = Random(f"{seed}/durations")
        self._due: list[tuple[float, int, SimJob]] = []
        self._serial = count()
        self._turn: dict[str, SimJob] = {}
        self._scripts: deque[list[dict[str, Any]]] = deque()
        self.returns = Returns(self, seed)

    def now(self) -> float:
        """Return the time in epoch seconds."""
        return self.clock.now()

    def draw_uuid(self) -> str:
        """Draw an identifier, for example of an answer or a task."""
        return str(uuid.UUID(int=self._ids.getrandbits(128), version=4))

    def require(self, gstin: str) -> None:
        """Raise `LookupError` if no taxpayer has this GSTIN."""
        if gstin not in self.taxpayers:
            named = ", ".join(list(self.taxpayers)[:_MOST_NAMED]) or "it has none"
            others = len(self.taxpayers) - _MOST_NAMED
            more = f" and {others} more" if others > 0 else ""
            raise LookupError(f"{gstin!r} is none of this simulator's taxpayers: {named}{more}.")

    def knows(self, gstin: str, username: str) -> bool:
        """Return whether this is the user name of this taxpayer."""
        taxpayer = self.taxpayers.get(gstin)
        return taxpayer is not None and taxpayer.username == username

    def send_otp(self, gstin: str, username: str, request: str = "") -> str:
        """Send an OTP, which is always the setting `otp`; return the name of the request, or draw one."""
        if not self.knows(gstin, username):
            raise GstnError(*INVALID_USER)
        limit = self.rules.max_sessions
        if limit is not None and self.sessions.live(gstin) >= limit:
            raise GstnError(*TOO_MANY_SESSIONS)
        request = request or self.draw_uuid()
        self._otps[request] = gstin
        return request

    def use_otp(self, gstin: str, otp: str, request: str) -> None:
        """Use up the OTP that was sent to a taxpayer on a request."""
        if otp != self.rules.otp or self._otps.get(request) != gstin:
            raise GstnError(*INVALID_SESSION)
        del self._otps[request]

    def open_session(self, gstin: str, token: str = "") -> Session:
        """Open a taxpayer's session, with a token of the GSP's own or a drawn one."""
        self.require(gstin)
        return self.sessions.open(gstin, self.rules.token_seconds, token=token)

    def records(self, gstin: str, section: str | None = None) -> list[Record]:
        """Return the records of a taxpayer, of one section or of all, as they are now."""
        self.require(gstin)
        self.settle()
        chosen = SHAPES if section is None else (section,)
        return [record for name in chosen for record in self._books[gstin][name].values()]

    def record(self, gstin: str, section: str, supplier: str, number: str, period: str) -> Record:
        """Return one record as it is now."""
        self.require(gstin)
        self.settle()
        return self._books[gstin][section][supplier, number, period]

    def find(self, gstin: str, section: str, number: str, supplier: str | None, period: str | None) -> Record:
        """Find the one record with this number; pass supplier and period if several records have it.

        Raises `LookupError` for none or several.
        """
        found = [
            record
            for record in self.records(gstin, section)
            if record.number == number
            and supplier in {None, record.supplier}
            and period in {None, record.period}
        ]
        if len(found) != 1:
            raise LookupError(
                f"{len(found)} records of {section} have the number {number!r}"
                + (": pass supplier= and period= as well." if found else " and match what else was said.")
            )
        return found[0]

    def edit(self, gstin: str, record: Record, taxable: Decimal | None = None) -> Record:
        """Change the amounts of a record as its supplier; this removes the recipient's action."""
        edited = revalued(record, record.taxable + 100 if taxable is None else Decimal(taxable))
        return self._put(gstin, changed(edited, {}, "reset"))

    def block_pending(self, gstin: str, record: Record) -> Record:
        """Block Pending for a record; an action already taken stays."""
        return self._put(gstin, replace(record, blocked=True))

    def file_document(self, gstin: str, record: Record) -> Record:
        """File a record now, as its supplier."""
        return self._put(gstin, replace(record, filed=True, filed_on=day_at(self.now())))

    def _put(self, gstin: str, record: Record) -> Record:
        self.returns.catch_up(gstin, self.now())
        self._books[gstin][record.section][record.key] = record
        return record

    def remove(self, gstin: str, records: Iterable[Record]) -> None:
        """Remove records from IMS, except those that are pending now."""
        for record in records:
            book = self._books[gstin][record.section]
            if record.key in book and book[record.key].action != "P":
                del book[record.key]

    def book(self, gstin: str) -> Iterator[Record]:
        """Iterate over the records of a taxpayer."""
        return chain.from_iterable(section.values() for section in self._books[gstin].values())

    def running(self, gstin: str) -> SimJob | None:
        """Return the save or reset of a taxpayer that is running."""
        return self._turn.get(gstin)

    def draw_reference(self) -> str:
        """Draw GSTN's reference of a request."""
        return f"{self._ids.getrandbits(60):015x}"

    def scripted_next(self) -> list[dict[str, Any]]:
        """Remove and return the statuses that a test scripted for the request accepted now."""
        return self._scripts.popleft() if self._scripts else []

    def script_next(self, statuses: Sequence[dict[str, Any]]) -> None:
        """Queue raw statuses for the job that is submitted next."""
        self._scripts.append(list(statuses))

    def submit(self, gstin: str, kind: Kind, body: Mapping[str, Any]) -> SimJob:
        """Accept a save or reset; one that is not well-formed fails once it is due."""
        if isinstance(body.get("rtin"), str) and body["rtin"] != gstin:
            raise GstnError(*WRONG_RECIPIENT)
        self.settle()
        now = self.now()
        busy = gstin in self._turn
        if busy and self.rules.conflict == "reply":
            raise GstnError(*BUSY)
        self.returns.submitted(gstin, kind, now)
        wrong = problems(body, kind=kind)
        rows = {} if wrong else body["invdata"]
        seconds = self.rules.job_seconds
        job = SimJob(
            reference=self.draw_reference(),
            gstin=gstin,
            kind=kind,
            submitted_at=now,
            due_at=now + (seconds(self._durations) if callable(seconds) else seconds),
            records=_size(body),
            rows=rows,
            succeeded_in=dict.fromkeys(rows, 0),
            failure=BUSY if busy else SCHEMA_FAILURE if wrong else None,
            problems=wrong,
        )
        statuses = self.scripted_next()
        if statuses:
            job.script(statuses)
        if not busy:
            self._turn[gstin] = job
        self.jobs[job.reference] = job
        heapq.heappush(self._due, (job.due_at, next(self._serial), job))
        self.settle()
        return job

    def job(self, gstin: str, reference: str) -> SimJob:
        """Return a taxpayer's job by GSTN's reference."""
        job = self.jobs.get(reference)
        if job is None or job.gstin != gstin:
            raise GstnError(*UNKNOWN_REFERENCE)
        return job

    def settle(self) -> None:
        """Apply every job that is due by now, in the order in which they became due."""
        now = self.now()
        while self._due and self._due[0][0] <= now:
            job = heapq.heappop(self._due)[2]
            self._finish(job)
            if self._turn.get(job.gstin) is job:
                del self._turn[job.gstin]
        self.returns.settle(now)

    def _finish(self, job: SimJob) -> None:
        if job.rows:
            self.returns.catch_up(job.gstin, job.due_at)
        for section, rows in job.rows.items() if not job.failure else ():
            for row in rows:
                self._apply(job, section, row)
        job.rows = {}
        if job.failure:
            job.code = "ER"
        elif job.errors:
            job.code = "PE"
        else:
            job.code = self.rules.success

    def _apply(self, job: SimJob, section: str, row: Mapping[str, Any]) -> None:
        key = (row["stin"], row[SHAPES[section].number], row["rtnprd"])
        book = self._books[job.gstin][section]
        record = book.get(key)
        refusal = objection(record, section, row, job.kind, self.rules) if record else None
        if record is None or refusal:
            job.errors.append(RecordError(section, *key, *(refusal or STALE)))
            return
        book[key] = after = changed(record, row, job.kind)
        job.succeeded += 1
        job.succeeded_in[section] += 1
        self.effects.append(
            Effect(job.due_at, job.reference, job.gstin, section, *key, record.action, after.action)
        )


def _size(body: Mapping[str, Any]) -> int:
    sections = body.get("invdata")
    if not isinstance(sections, dict):
        return 0
    return sum(len(rows) for rows in sections.values() if isinstance(rows, list))
