"""How often a run asks the journal: it is one file for hundreds of taxpayers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ims_async import bulk
from ims_async.journal import MemoryJournal
from ims_async.simulator import Simulator

from ..support.bulk_flows import bulk_client, log_in, undecided

pytestmark = [pytest.mark.looptime, pytest.mark.both_gsps]


class Counting(MemoryJournal):
    """A journal that counts what is asked of it; reads and writes apart."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.reads = self.writes = 0

    async def find(self, *query: Any) -> list[Any]:
        """Return changes."""
        self.reads += 1
        return await super().find(*query)

    async def now(self) -> Any:
        """Return the highest revision."""
        self.reads += 1
        return await super().now()

    async def records(self, change_id: str) -> list[Any]:
        """Return the records of a change."""
        self.reads += 1
        return await super().records(change_id)

    async def add(self, change: Any, records: Sequence[Any]) -> Any:
        """Store a change."""
        self.writes += 1
        return await super().add(change, records)

    async def claim(self, change: Any, **facts: Any) -> Any:
        """Begin to send."""
        self.writes += 1
        return await super().claim(change, **facts)

    async def put(self, change: Any) -> Any:
        """Store how it stands."""
        self.writes += 1
        return await super().put(change)


@pytest.mark.sim(taxpayers=3, invoices=60, sections=["b2b"], job_seconds=3.0)
@pytest.mark.parametrize(("jobs", "reads"), [(1, 4), (2, 7)])
async def test_the_journal_is_asked_four_times_for_a_taxpayer_with_one_job(
    sim: Simulator, jobs: int, reads: int
) -> None:
    """Once for the whole run; for a taxpayer what the run has sent, and for each job what is new since."""
    journal = Counting(clock=sim.now)
    client = bulk_client(sim, journal)
    work = {taxpayer: (await undecided(taxpayer))[:6] for taxpayer in log_in(client, sim)}
    assert all(len(decisions) == 6 for decisions in work.values())
    report = await bulk.save_all(client, work, max_records=6 // jobs)
    assert report.ok
    assert journal.reads == 1 + len(work) * reads
    assert journal.writes <= len(work) * jobs * 6
