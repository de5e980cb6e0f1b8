"""What the tests of a client with a journal share: a journal that fails at will, and several processes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ims_async import Action, Decision, ImsClient, ImsJob, JobToken, JournalError, Section, Taxpayer
from ims_async.journal import Entry, Journal, MemoryJournal, Phase
from ims_async.model.records import Record
from ims_async.simulator import Simulator

from ..conftest import make_client
from .journals import AtOnce, journal_at_once


class Shaky:
    """A journal that fails where a test wants it: at a method's name, or at the phase that is written."""

    def __init__(self, inner: Journal) -> None:
        self.inner = inner
        self.failing: set[str] = set()
        self.damaged: set[str] = set()
        """The batches that cannot be read."""
        self.held: dict[Phase, asyncio.Event] = {}
        """What has to happen before a phase is written."""

    def _try(self, what: str) -> None:
        if what in self.failing:
            raise JournalError(f"no room for {what}")

    async def intend(
        self, batch_id: str, token: JobToken, records: Sequence[Record], *, run: str = ""
    ) -> None:
        """Keep a batch."""
        self._try("intend")
        await self.inner.intend(batch_id, token, records, run=run)

    async def claim(self, batch_id: str, token: JobToken) -> Entry | None:
        """Begin to send."""
        self._try("claim")
        return await self.inner.claim(batch_id, token)

    async def advance(self, batch_id: str, to: Phase, **news: Any) -> bool:
        """Move a batch on."""
        self._try(to)
        if to in self.held:
            await self.held[to].wait()
        return await self.inner.advance(batch_id, to, **news)

    async def entries(self, **wanted: Any) -> list[Entry]:
        """Return what is kept."""
        self._try("entries")
        found = await self.inner.entries(**wanted)
        readable = [entry for entry in found if entry.id not in self.damaged]
        if len(readable) < len(found):
            raise JournalError("an entry is damaged", readable=readable)
        return found

    async def mark_retried(self, batch_id: str) -> None:
        """Mark a batch as retried."""
        self._try("mark_retried")
        await self.inner.mark_retried(batch_id)

    async def records(self, batch_id: str) -> list[Record]:
        """Return the records of a batch."""
        self._try(f"the records of {batch_id}")
        return await self.inner.records(batch_id)

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

    async def phases(self) -> list[Phase]:
        """Say where each batch stands, in the order of handing in."""
        return [entry.phase for entry in await self.journal().entries()]

    async def last(self) -> Entry:
        """Return the entry that was handed in last."""
        return (await self.journal().entries())[-1]

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
