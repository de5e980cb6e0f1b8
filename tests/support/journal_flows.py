"""What the tests of a client with a journal share: a journal that fails at will, and several processes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ims_async import Action, Decision, ImsClient, ImsJob, JournalError, Section, Taxpayer
from ims_async.journal import Change, ChangeState, Claim, Journal, MemoryJournal, Now, Query
from ims_async.journal.base import EVERYTHING
from ims_async.model.records import Record
from ims_async.simulator import Simulator

from ..conftest import make_client
from .journals import AtOnce, journal_at_once


def written(change: Change) -> str:
    """Name what is written: the state that is new, or the mark."""
    return "retried" if change.changed_at is not None else change.state


class Shaky:
    """A journal that fails where a test wants it: at a method's name, or at the state that is written."""

    def __init__(self, inner: Journal) -> None:
        self.inner = inner
        self.failing: set[str] = set()
        self.damaged: set[str] = set()
        """The changes that cannot be read."""
        self.held: dict[ChangeState, asyncio.Event] = {}
        """What has to happen before a state is written."""

    def _try(self, what: str) -> None:
        if what in self.failing:
            raise JournalError(f"no room for {what}")

    async def add(self, change: Change, records: Sequence[Record]) -> Change:
        """Store a change."""
        self._try("add")
        return await self.inner.add(change, records)

    async def claim(self, change: Change, *, since: int | None = None) -> Claim:
        """Begin to send."""
        self._try("claim")
        return await self.inner.claim(change, since=since)

    async def put(self, change: Change) -> Change | None:
        """Store how a change stands now."""
        self._try(written(change))
        if change.state in self.held:
            await self.held[change.state].wait()
        return await self.inner.put(change)

    async def find(self, query: Query = EVERYTHING) -> Sequence[Change]:
        """Return what is stored."""
        self._try("find")
        found = await self.inner.find(query)
        readable = [change for change in found if change.id not in self.damaged]
        if len(readable) < len(found):
            raise JournalError("a change is damaged", readable=readable)
        return found

    async def now(self) -> Now:
        """Return the time and the highest revision."""
        self._try("now")
        return await self.inner.now()

    async def records(self, change_id: str) -> Sequence[Record]:
        """Return the records of a change."""
        self._try(f"the records of {change_id}")
        return await self.inner.records(change_id)

    async def aclose(self) -> None:
        """Free what is held open."""
        await self.inner.aclose()


class Shelf:
    """Where the processes of a test keep their one journal: in memory, or in a file that each opens anew."""

    def __init__(self, path: Path | None, sim: Simulator) -> None:
        self._path, self._sim = path, sim
        self._memory = MemoryJournal(clock=sim.now)
        self._writers: list[AtOnce] = []

    def journal(self) -> Shaky:
        """Return the journal, as one more process sees it."""
        if self._path is None:
            return Shaky(self._memory)
        journal, writer = journal_at_once(self._path, clock=self._sim.now)
        self._writers.append(writer)
        return Shaky(journal)

    def taxpayer(self, client: ImsClient) -> Taxpayer:
        """Return the first taxpayer of a client, logged in."""
        gstin = self._sim.gstins[0]
        return client.taxpayer(gstin, token=self._sim.token(gstin))

    async def states(self) -> list[ChangeState]:
        """Say where each change stands, in the order of handing in."""
        return [change.state for change in await self.journal().find()]

    async def last(self) -> Change:
        """Return the change that was handed in last."""
        return (await self.journal().find())[-1]

    def close(self) -> None:
        """Close the files."""
        for writer in self._writers:
            writer.close()


@pytest.fixture(params=["memory", "sqlite"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path, sim: Simulator) -> Iterator[Shelf]:
    """Where this test's processes keep their journal."""
    made = Shelf(tmp_path / "jobs.db" if request.param == "sqlite" else None, sim)
    yield made
    made.close()


@pytest.fixture
def journal(shelf: Shelf) -> Shaky:
    """The first process's view of it."""
    return shelf.journal()


@pytest.fixture
def client(sim: Simulator, journal: Shaky) -> ImsClient:
    """The first process."""
    return make_client(sim, journal=journal)


@pytest.fixture
def acme(client: ImsClient, shelf: Shelf) -> Taxpayer:
    """Its taxpayer."""
    return shelf.taxpayer(client)


@pytest.fixture
def second(sim: Simulator, shelf: Shelf) -> ImsClient:
    """Another process."""
    return make_client(sim, journal=shelf.journal())


async def undecided(taxpayer: Taxpayer, count: int = 3) -> list[Decision]:
    """Return decisions on some records."""
    rows = await taxpayer.invoices(Section.B2B, Action.NO_ACTION)
    return [row.accept() for row in rows[:count]]


async def only(client: ImsClient) -> ImsJob:
    """Return the one job of which a client does not know what became."""
    (job,) = await client.unfinished()
    return job


FIXTURES = (shelf, journal, client, acme, second)
"""To be named in the modules that use them, in this order."""
