"""What the tests of the journal share: tokens, records, processes, and SQLite under virtual time."""

from __future__ import annotations

import asyncio
import datetime as dt
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs

from ims_async import Decision, Invoice, JobKind, JobState, JobStatus, JobToken, Section
from ims_async.journal import Change, Claim, Journal, Query, SqliteJournal
from ims_async.journal.schema import Connection
from ims_async.journal.writer import Writer, _Job

T = TypeVar("T")

GSTIN: Final = "29AAACQ3770E1ZF"
DONE: Final = JobStatus(state=JobState.SUCCEEDED, raw_code="S", processed=1)
SENT_AT: Final = dt.datetime(2026, 11, 21, 9, 30, tzinfo=dt.UTC)


def token(**facts: Any) -> JobToken:
    """Return the token of a save of one record, with other facts where they are named."""
    usual = JobToken(
        gsp="gsp",
        host="gateway.example",
        gstin=GSTIN,
        kind=JobKind.SAVE,
        reference_id=None,
        submitted=1,
        submitted_at=SENT_AT,
    )
    return attrs.evolve(usual, **facts)


def decisions(count: int = 1, first: int = 0) -> list[Decision]:
    """Return decisions on made-up invoices, numbered from `first` on."""
    invoice = Invoice(
        section=Section.B2B,
        supplier=GSTIN,
        number="",
        date=dt.date(2026, 10, 5),
        return_period="102026",
        value=Decimal("1180.10"),
        taxable_value=Decimal("1000.10"),
        igst=Decimal(180),
        cgst=Decimal(0),
        sgst=Decimal("0.00"),
        cess=Decimal(0),
    )
    return [attrs.evolve(invoice, number=f"A/{first + place}").accept() for place in range(count)]


async def add(journal: Journal, name: str, count: int = 1, run: str = "", **facts: Any) -> Change:
    """Add a change of so many decisions; return it as it was stored."""
    change = Change(id=name, token=token(submitted=count, **facts), run=run)
    return await journal.add(change, decisions(count))


async def stands(journal: Journal, name: str) -> Change:
    """Return how a change stands."""
    (change,) = await journal.find(Query(ids=[name]))
    return change


async def claim(journal: Journal, name: str, *, since: int | None = None) -> Claim:
    """Claim the turn for a change that waits."""
    change = await stands(journal, name)
    return await journal.claim(change.claimed(change.token), since=since)


async def move(journal: Journal, name: str, how: Callable[[Change], Change]) -> Change:
    """Move a change on from where it stands; return it as it was stored."""
    stored = await journal.put(how(await stands(journal, name)))
    assert stored is not None
    return stored


def lost(change: Change) -> Change:
    """Send it, and lose the answer."""
    return change.claimed(change.token).lost()


def ended(change: Change) -> Change:
    """Send it, and have all of it done."""
    return change.claimed(change.token).accepted(change.token).heard(DONE)


async def names(journal: Journal, query: Query | None = None) -> list[str]:
    """Return the ids of the changes that a query finds."""
    return [change.id for change in await journal.find(query or Query())]


class AtOnce(Writer):
    """Does it in the event loop's own thread: a loop in virtual time does not run on meanwhile."""

    _connection: Connection | None = None

    async def run(self, action: Callable[[Connection], T], *, writes: bool = True) -> T:
        """Run something with the connection, and let the others have a turn, as the thread does."""
        loop = asyncio.get_running_loop()
        job = _Job(action, writes, loop, loop.create_future())
        self._connection, outcomes = self._do([job], self._connection)
        await asyncio.sleep(0)
        ((_, result, error),) = outcomes
        if error is not None:
            raise error
        answer: T = result
        return answer

    async def aclose(self) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file, outside any loop too."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def journal_at_once(path: Path, **settings: Any) -> tuple[SqliteJournal, AtOnce]:
    """Return a SQLite journal that uses no thread, and its writer."""
    journal, writer = SqliteJournal(path, **settings), AtOnce(path, busy_seconds=0.05)
    vars(journal)["_writer"] = writer
    return journal, writer


async def ask(journal: SqliteJournal, statement: str) -> list[Any]:
    """Ask the journal's own connection; return the first value of each row."""
    rows = await journal._writer.run(lambda c: c.execute(statement).fetchall(), writes=False)
    return [row[0] for row in rows]


def connection(path: Path) -> closing[sqlite3.Connection]:
    """Open the file as another program would."""
    return closing(sqlite3.connect(path, isolation_level=None, timeout=0.05))


def files(path: Path) -> list[str]:
    """Name what lies in the folder of a file."""
    return sorted(file.name for file in path.parent.iterdir())


def mode(path: Path) -> int:
    """Say who may do what with a file."""
    return stat.S_IMODE(path.stat().st_mode)


def python(script: str, *args: object) -> subprocess.Popen[str]:
    """Start another process of this interpreter."""
    command = [sys.executable, "-c", script, *map(str, args)]
    root = Path(__file__).parents[2]
    return subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
