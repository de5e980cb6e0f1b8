"""A client polls its jobs when it pays, by how long earlier ones took."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import statistics
from collections.abc import Awaitable, Iterator
from typing import Any

import pytest

from ims_async import ImsClient, ImsJob, Invoice, JobTimeout, JobToken, PollPolicy, Section
from ims_async.simulator import Fault, Simulator

from ..conftest import make_client

pytestmark = pytest.mark.looptime

JOBS = 30
TAKES = 60.0


@pytest.fixture
def sim() -> Simulator:
    """A taxpayer whose jobs take a minute."""
    return Simulator(invoices=JOBS, sections=["b2b"], job_seconds=TAKES)


MANY = 12


@pytest.fixture
def crowd() -> Simulator:
    """Many taxpayers, whose jobs run at the same time."""
    return Simulator(invoices=JOBS, taxpayers=MANY, sections=["b2b"], job_seconds=TAKES)


async def one_of_each(client: ImsClient, sim: Simulator, place: int) -> list[ImsJob]:
    """Save a row of every taxpayer, the one at this place."""
    jobs = []
    for gstin in sim.gstins:
        taxpayer = client.taxpayer(gstin, token=sim.token(gstin))
        jobs.append(await taxpayer.save([list(await taxpayer.invoices(Section.B2B))[place].accept()]))
    return jobs


async def seconds_of(job: Awaitable[object]) -> float:
    """Wait for it; return for how long."""
    began = asyncio.get_running_loop().time()
    await job
    return asyncio.get_running_loop().time() - began


async def rows_of(client: ImsClient, sim: Simulator) -> list[Invoice]:
    """Read the rows of the first taxpayer."""
    acme = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    return list(await acme.invoices(Section.B2B))


async def costs(client: ImsClient, sim: Simulator, jobs: int = JOBS) -> list[tuple[int, float]]:
    """Save one after another; return the polls of each, and how many seconds late its end was seen."""
    found = []
    for row in (await rows_of(client, sim))[:jobs]:
        job = await client.taxpayer(sim.gstins[0]).save([row.accept()])
        sent_at, before = asyncio.get_running_loop().time(), polls(sim)
        await job
        found.append((polls(sim) - before, asyncio.get_running_loop().time() - sent_at - TAKES))
    return found


def polls(sim: Simulator) -> int:
    """Count the polls so far."""
    return sum(request.operation == "status" for request in sim.requests)


async def test_jobs_of_a_minute_are_soon_polled_after_a_minute(sim: Simulator) -> None:
    """At 2, 6, 14, 30, 62 … seconds until eight have ended; then about once, and hardly late."""
    found = await costs(make_client(sim), sim)
    before, after = found[:8], found[-10:]
    assert all(count >= 5 for count, _ in before)
    assert statistics.fmean(count for count, _ in after) < 2.5
    assert 0 <= statistics.fmean(late for _, late in after) < 5


@pytest.mark.parametrize("settings", [{"learn": False}, {"schedule": lambda: iter([7.0])}])
async def test_who_does_not_want_that_has_the_delays_of_the_policy(
    sim: Simulator, settings: dict[str, Any]
) -> None:
    """With `learn=False`, and with a schedule of one's own."""
    found = await costs(make_client(sim, poll=PollPolicy(**settings)), sim, 12)
    assert all(count >= 5 for count, _ in found)


async def test_jobs_whose_p_stands_still_are_not_waited_for_longer_and_longer(sim: Simulator) -> None:
    """Such a job ends a minute after it says so first: it is the first time that others are polled by."""
    client = make_client(sim)
    rows = await rows_of(client, sim)
    took = []
    for row in rows:
        counts = {"status_cd": "P", "transTypCd": "SAV", "proc_cnt": "1", "err_cnt": "0"}
        sim.script_status(None, *[counts] * 12)
        job = await client.taxpayer(sim.gstins[0]).save([row.accept(), *rows_not(rows, row)])
        began = asyncio.get_running_loop().time()
        await job
        took.append(asyncio.get_running_loop().time() - began)
    assert max(took[8:]) <= 1.5 * max(took[:8])


def rows_not(rows: list[Invoice], row: Invoice) -> Iterator[Any]:
    """Decide on one more row, so that one processed record does not account for all."""
    return iter([next(other for other in rows if other is not row).accept()])


async def test_a_job_resumed_hours_later_is_polled_at_once_and_teaches_nothing(sim: Simulator) -> None:
    """It may have ended long ago: its age says nothing of how long it took."""
    client = make_client(sim)
    rows = await rows_of(client, sim)
    acme = client.taxpayer(sim.gstins[0])
    for row in rows[:8]:
        await (await acme.save([row.accept()]))
    job = await acme.save([rows[8].accept()])
    sim.advance(10_000.0)
    before = asyncio.get_running_loop().time()
    await client.resume(JobToken.loads(job.token.dumps()))
    assert asyncio.get_running_loop().time() - before < 1.0
    later = await acme.save([rows[9].accept()])
    before = asyncio.get_running_loop().time()
    await later
    assert asyncio.get_running_loop().time() - before < 2 * TAKES


async def test_jobs_that_were_resumed_hours_later_teach_a_new_client_nothing(crowd: Simulator) -> None:
    """After twelve of them, new ones are polled soon, not after hours."""
    tokens = [job.token for job in await one_of_each(make_client(crowd), crowd, 0)]
    crowd.advance(10_000.0)
    client = make_client(crowd)
    await one_of_each(client, crowd, 1)  # which logs in
    for token in tokens:
        assert await seconds_of(client.resume(JobToken.loads(token.dumps()))) < 5
    for job in await one_of_each(client, crowd, 2):
        assert await seconds_of(job) < 2 * TAKES


async def test_a_poll_that_fails_is_soon_made_again() -> None:
    """The job may be done: when others were polled next, which had been running, says nothing of it."""
    takes = itertools.cycle((10.0, 600.0))
    sim = Simulator(invoices=JOBS, sections=["b2b"], job_seconds=lambda _: next(takes))
    client = make_client(sim)
    await costs(client, sim, 24)
    sim.script_fault("status", *[Fault.outage()] * 3)
    job = await client.taxpayer(sim.gstins[0]).save([(await rows_of(client, sim))[24].accept()])
    assert await seconds_of(job) < 60


@pytest.mark.parametrize("step", [-40.0, 10_000.0])
async def test_a_clock_that_is_set_neither_delays_polls_nor_teaches(crowd: Simulator, step: float) -> None:
    """While jobs run: their ages are counted by the event loop, from when they were awaited."""
    offset = 0.0
    client = make_client(crowd, clock=lambda: crowd.now() + offset)
    await asyncio.gather(*await one_of_each(client, crowd, 0))
    waits = [asyncio.create_task(seconds_of(job)) for job in await one_of_each(client, crowd, 1)]
    await asyncio.sleep(30)
    offset = step
    waited = await asyncio.gather(*waits)
    assert max(waited) < TAKES + 15, waited
    later = await asyncio.gather(*map(seconds_of, await one_of_each(client, crowd, 2)))
    assert max(later) < TAKES + 15, later


async def test_jobs_whose_end_fell_into_an_outage_teach_nothing(crowd: Simulator) -> None:
    """They ended between the last poll before it and the first one after."""
    client = make_client(crowd)
    await asyncio.gather(*await one_of_each(client, crowd, 0))
    jobs = await one_of_each(client, crowd, 1)
    crowd.script_fault("status", *[Fault.outage()] * MANY * 8)
    assert max(await asyncio.gather(*map(seconds_of, jobs))) > 3 * TAKES
    later = await asyncio.gather(*map(seconds_of, await one_of_each(client, crowd, 2)))
    assert max(later) < TAKES + 15, later


async def test_the_deadline_counts_from_a_first_poll_that_is_later_than_it() -> None:
    """Others took a minute, and this one takes an hour: it is given up half a minute after the first poll."""
    takes = itertools.chain([TAKES] * 15, itertools.repeat(3600.0))
    sim = Simulator(invoices=JOBS, sections=["b2b"], job_seconds=lambda _: next(takes))
    client = make_client(sim, poll=PollPolicy(deadline=30.0, max_interval=20.0))
    for row in (await rows_of(client, sim))[:15]:
        job = await client.taxpayer(sim.gstins[0]).save([row.accept()])
        while not job.done:
            with contextlib.suppress(JobTimeout):
                await job
    job = await client.taxpayer(sim.gstins[0]).save([(await rows_of(client, sim))[15].accept()])
    began, before = asyncio.get_running_loop().time(), polls(sim)
    with pytest.raises(JobTimeout):
        await job
    assert 32 < asyncio.get_running_loop().time() - began - 30.0 < 75
    assert polls(sim) - before >= 2
