"""Bulk runs that are broken off: processes that die at a write to their journal, and what must be true."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Self, TypeVar

import attrs

from ims_async import Decision, ImsClient, JournalError, bulk
from ims_async.bulk import BulkReport, BulkRun
from ims_async.journal import Change, Claim, Journal
from ims_async.model.records import Record
from ims_async.simulator import Simulator

from ..conftest import QUICK
from .bulk_flows import adds_up, applied, bulk_client, log_in, names, work_for
from .journal_flows import Shaky, Shelf, written

T = TypeVar("T")

RUN: Final = "night"
QUIET: Final = 20.0  # seconds; longer than any job of these worlds takes
Name = tuple[str, str, str, str]


class Mortal(Shaky):
    """The journal of a process that dies at the `number`th of its writes, or of those called `at`.

    That write is done or not (`written`), and never returns; nothing is written after it.
    """

    def __init__(self, inner: Journal, number: int = 1, *, at: str = "", written: bool = True) -> None:
        super().__init__(inner)
        self._left, self._at, self._written = number, at, written
        self.died = asyncio.Event()

    async def add(self, change: Change, records: Sequence[Record]) -> Change:
        """Store a change, or die of it."""
        return await self._write("add", lambda: self.inner.add(change, records))

    async def claim(self, change: Change, *, since: int | None = None) -> Claim:
        """Begin to send, or die of it."""
        return await self._write("claim", lambda: self.inner.claim(change, since=since))

    async def put(self, change: Change) -> Change | None:
        """Store how a change stands now, or die of it."""
        return await self._write(written(change), lambda: self.inner.put(change))

    async def _write(self, what: str, write: Callable[[], Awaitable[T]]) -> T:
        if self.died.is_set():
            raise JournalError("its process is dead")
        self._left -= self._at in ("", what)
        if self._left > 0 or self._at not in ("", what):
            return await write()
        if self._written:
            await write()
        self.died.set()
        await asyncio.Event().wait()
        raise AssertionError("the dead do not wake")


async def ended_or_dead(run: BulkRun, journal: Mortal) -> BulkReport | None:
    """Carry a run out until it ends, or its process dies: then None, and nothing of it is left running."""
    others = asyncio.all_tasks()
    going = asyncio.ensure_future(run)
    death = asyncio.create_task(journal.died.wait())
    await asyncio.wait([going, death], return_when=asyncio.FIRST_COMPLETED)
    died = journal.died.is_set()
    while left := asyncio.all_tasks() - others:
        for task in left:
            task.cancel()
        await asyncio.wait(left)
    return None if died else going.result()


@attrs.frozen
class Night:
    """A world, what was decided in it, and the one journal that each process opens anew."""

    sim: Simulator
    shelf: Shelf
    work: dict[str, list[Decision]]

    @classmethod
    async def begin(cls, sim: Simulator, shelf: Shelf) -> Self:
        """Decide on all that stands at no action; in real time, where a fixture does it."""
        work = await work_for(log_in(bulk_client(sim, poll=QUICK), sim))
        return cls(sim, shelf, {who.gstin: decisions for who, decisions in work.items()})

    @property
    def wanted(self) -> set[Name]:
        """The records of all decisions."""
        return {name for gstin, decisions in self.work.items() for name in names(gstin, decisions)}

    def process(self, journal: Journal | None = None, **settings: Any) -> ImsClient:
        """Return the client of one more process, logged in."""
        client = bulk_client(self.sim, journal or self.shelf.journal(), **settings)
        log_in(client, self.sim)
        return client

    def run(self, client: ImsClient, work: Any = None, **settings: Any) -> BulkRun:
        """Return the run, to be carried out by a process."""
        facts = {"run": RUN, "quiet": QUIET, "max_records": 6, **settings}
        return bulk.save_all(client, self.work if work is None else work, **facts)

    async def cancelled_after(self, seconds: float, **settings: Any) -> bool:
        """Let a process cancel the run after so long, and close; False if the run had ended by then."""
        async with self.process() as client:
            going = asyncio.ensure_future(self.run(client, **settings))
            await asyncio.wait([going], timeout=seconds)
            return going.cancel()

    async def finished(self, **settings: Any) -> BulkReport:
        """Let one more process carry the run out."""
        async with self.process() as client:
            return await self.run(client, **settings)

    def check(self, report: BulkReport) -> None:
        """Check that each decision was applied, was sent once, and is told of."""
        wanted = Counter(self.wanted)
        adds_up(report)
        assert report.ok, (str(report), report.errors)
        assert report.handed_in == report.succeeded == wanted.total()
        assert {one.gstin: one.handed_in for one in report} == {g: len(d) for g, d in self.work.items() if d}
        assert applied(self.sim) == wanted
        assert arrived(self.sim) == wanted
        in_turn(self.sim)


def arrived(sim: Simulator) -> Counter[Name]:
    """Count how often GSTN was handed each record, whether it took it or refused it as stale."""
    refused = ((j.gstin, e.supplier, e.number, e.period) for j in sim.jobs for e in j.errors)
    return applied(sim) + Counter(refused)


def in_turn(sim: Simulator) -> None:
    """Check that no taxpayer ever had two jobs under way at once."""
    last: dict[str, float] = {}
    for job in sim.jobs:
        assert job.submitted_at >= last.get(job.gstin, 0.0)
        last[job.gstin] = job.due_at


def sent(sim: Simulator) -> Mapping[str, int]:
    """Count the records that arrived, by GSTIN."""
    found = Counter[str]()
    for job in sim.jobs:
        found[job.gstin] += job.records
    return found
