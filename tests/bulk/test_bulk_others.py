"""Other changes of the same records: before a run has its turn, or since its records were read."""

from __future__ import annotations

import asyncio

import pytest

from ims_async import ImsClient, Taxpayer, bulk
from ims_async.journal import MemoryJournal
from ims_async.simulator import Simulator

from ..support import bulk_flows
from ..support.bulk_flows import adds_up, applied, bulk_client, log_in, names, work_for

journal, client, taxpayers = bulk_flows.FIXTURES

pytestmark = [
    pytest.mark.looptime,
    pytest.mark.both_gsps,
    pytest.mark.sim(taxpayers=2, invoices=12, sections=["b2b"], job_seconds=9.0),
]


@pytest.mark.parametrize("since", [None, 1_000_000])
async def test_two_processes_with_the_same_decisions_send_them_once(
    sim: Simulator, client: ImsClient, journal: MemoryJournal, taxpayers: list[Taxpayer], since: int | None
) -> None:
    """Neither named its run: the one that comes second finds what the first has done.

    A revision that the journal has not reached is another journal's, and hides nothing.
    """
    other = bulk_client(sim, journal)
    log_in(other, sim)
    work = await work_for(taxpayers)
    again = {taxpayer.gstin: decisions for taxpayer, decisions in work.items()}
    runs = bulk.save_all(client, work, since=since), bulk.save_all(other, again, since=since)
    reports = await asyncio.gather(*runs)
    for report in reports:
        adds_up(report)
        assert report.ok, report
    assert len(sim.jobs) == len(taxpayers)
    assert set(applied(sim).values()) == {1}


async def test_what_was_saved_since_the_records_were_read_is_not_sent(
    sim: Simulator, client: ImsClient, journal: MemoryJournal, taxpayers: list[Taxpayer]
) -> None:
    """By a save that has ended before the run begins; the caller says when the records were read."""
    work, read = await work_for(taxpayers), (await journal.now()).revision
    other = bulk_client(sim, journal)
    first, second = log_in(other, sim)
    await (await first.save(work[taxpayers[0]]))
    report = await bulk.save_all(client, work, since=read)
    assert report.ok, report
    assert len(sim.jobs) == len(taxpayers)
    assert set(applied(sim).values()) == {1}
    assert (report[first.gstin].jobs, report[second.gstin].jobs) == (0, 1)


async def test_what_others_have_decided_since_is_not_overwritten(
    sim: Simulator, client: ImsClient, journal: MemoryJournal, taxpayers: list[Taxpayer]
) -> None:
    """A record that was rejected meanwhile is for a person; all others are sent."""
    work, read = await work_for(taxpayers), (await journal.now()).revision
    acme, _ = taxpayers
    rejected = work[acme][0].invoice
    other = bulk_client(sim, journal)
    theirs, _ = log_in(other, sim)
    await (await theirs.save([rejected.reject(remarks="not ours")]))
    report = await bulk.save_all(client, work, since=read)
    adds_up(report)
    assert [one.key for one in report[acme.gstin].changed] == [rejected.key]
    assert report[acme.gstin].succeeded == len(work[acme]) - 1
    assert applied(sim)[next(iter(names(acme.gstin, work[acme][:1])))] == 1
    assert not report.failed


async def test_a_save_that_is_ahead_is_waited_for_and_then_looked_behind(
    sim: Simulator, client: ImsClient, journal: MemoryJournal, taxpayers: list[Taxpayer]
) -> None:
    """It was sent before the run began, and ends while that waits for its turn: in several requests, too."""
    work = await work_for(taxpayers)
    other = bulk_client(sim, journal)
    theirs, _ = log_in(other, sim)
    await theirs.save(work[taxpayers[0]][:5])
    report = await bulk.save_all(client, work, max_records=4)
    adds_up(report)
    assert report.ok, report
    assert set(applied(sim).values()) == {1}


async def test_nothing_is_read_where_nothing_else_was_sent(
    sim: Simulator, client: ImsClient, taxpayers: list[Taxpayer]
) -> None:
    """A run's own requests are no reason to look."""
    work = await work_for(taxpayers)
    before = len(sim.requests)
    assert (await bulk.save_all(client, work, max_records=2)).ok
    reading = {request.operation for request in sim.requests[:before]} - {"status", "result"}
    assert reading
    assert reading.isdisjoint(request.operation for request in sim.requests[before:])
