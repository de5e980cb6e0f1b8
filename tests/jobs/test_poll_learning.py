"""A client polls its jobs when it pays, by how long earlier ones took."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Iterator
from typing import Any

import pytest

from ims_async import ImsClient, Invoice, JobToken, PollPolicy, Section
from ims_async.simulator import Simulator

from ..conftest import make_client

pytestmark = pytest.mark.looptime

JOBS = 30
TAKES = 60.0


@pytest.fixture
def sim() -> Simulator:
    """A taxpayer whose jobs take a minute."""
    return Simulator(invoices=JOBS, sections=["b2b"], job_seconds=TAKES)


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
    assert statistics.fmean(count for count, _ in after) < 3.5  # 1.1 to 3.0, by the jitter
    assert 0 <= statistics.fmean(late for _, late in after) < 8


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
