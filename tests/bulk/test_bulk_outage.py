"""How long a bulk run waits for a gateway that does not answer: of one taxpayer, and of all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from ims_async import GatewayUnavailable, InvalidInput, JobTimeout, bulk
from ims_async.bulk import EventKind
from ims_async.gsp.base import Request, Response
from ims_async.model.times import QUIET
from ims_async.net.transport import MemoryTransport
from ims_async.simulator import Fault, Simulator

from ..support.bulk_flows import adds_up, bulk_client, log_in, work_for

pytestmark = [
    pytest.mark.looptime,
    pytest.mark.both_gsps,
    pytest.mark.sim(taxpayers=4, invoices=20, sections=["b2b"]),
]

LOOK = 180.0
"""Seconds until the records of a lost change are first read, and that read has failed for good."""
POLLS = 130.0
"""Seconds: two polls of a job are at most so far apart."""


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [({}, 3600.0), ({"max_outage": 600}, 600.0), ({"max_outage": 60.5}, 60.5), ({"max_outage": 0}, 0.0)],
    ids=str,
)
async def test_one_taxpayer_that_is_not_answered_holds_a_run_up_for_so_long(
    sim: Simulator, settings: dict[str, Any], seconds: float
) -> None:
    """The others end as ever; its own part says why, and that nothing is known of what it sent."""
    client = bulk_client(sim)
    work = await work_for(log_in(client, sim))
    sick = sim.gstins[1]
    sim.script_fault("any", *Fault.burst(5000), gstin=sick)
    ended: dict[str, float] = {}
    run = bulk.save_all(client, work, **settings)
    async for event in run:
        if event.kind is EventKind.FINISHED:
            ended[event.gstin] = sim.now()
    others = max(moment for gstin, moment in ended.items() if gstin != sick)
    assert seconds <= ended[sick] - others <= seconds + LOOK
    assert isinstance(run.report[sick].error, GatewayUnavailable)
    assert list(run.report.errors) == [sick]
    adds_up(run.report)


@pytest.mark.parametrize("seconds", [0.0, 60.0, 600.0])
async def test_one_taxpayer_whose_polls_are_not_answered_holds_a_run_up_for_so_long(
    sim: Simulator, seconds: float
) -> None:
    """Its job is pending and goes on at the gateway; the same run called again has its report."""
    client = bulk_client(sim)
    work = await work_for(log_in(client, sim))
    sick = sim.gstins[1]
    sim.script_fault("status", *[Fault.html(502)] * 25, gstin=sick)
    ended: dict[str, float] = {}
    run = bulk.save_all(client, work, max_outage=seconds)
    async for event in run:
        if event.kind is EventKind.FINISHED:
            ended[event.gstin] = sim.now()
    others = max(moment for gstin, moment in ended.items() if gstin != sick)
    assert seconds - POLLS <= ended[sick] - others <= seconds + POLLS
    error = run.report[sick].error
    assert isinstance(error, JobTimeout)
    assert f"the gateway answered no poll for {seconds:g} s" in str(error)
    assert error.job is not None
    assert (list(run.report[sick].pending), error.job.open) == ([error.job.token], True)
    assert list(run.report.errors) == [sick]
    adds_up(run.report)
    again = await bulk.save_all(client, work, run=run.run)
    assert again.ok, again


@pytest.mark.parametrize("seconds", [0.0, 600.0])
async def test_a_gateway_that_answers_nobody_is_given_up_after_so_long(
    sim: Simulator, seconds: float
) -> None:
    """Once for all: not one after the other."""
    client = bulk_client(sim)
    work = await work_for(log_in(client, sim))
    sim.script_fault("any", *Fault.burst(5000))
    begun = sim.now()
    report = await bulk.save_all(client, work, max_outage=seconds, concurrency=1)
    assert set(report.errors) == set(sim.gstins)
    assert sim.now() - begun <= 2 * (seconds + LOOK) + LOOK
    adds_up(report)


class Hanging:
    """A way to a gateway that, once it is `dead`, takes a minute to say that it cannot answer."""

    def __init__(self, sim: Simulator) -> None:
        self._inner, self.dead = MemoryTransport(sim, clock=sim.now), False

    async def send(self, request: Request) -> Response:
        """Answer, or do not."""
        if not self.dead:
            return await self._inner.send(request)
        await asyncio.sleep(60)
        return Response(status=504, headers={}, body=b"", received_at=0.0)

    async def aclose(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize("concurrency", [10, 60])
@pytest.mark.sim(taxpayers=60, invoices=4, sections=["b2b"])
async def test_a_gateway_that_hangs_is_given_up_once_for_all(sim: Simulator, concurrency: int) -> None:
    """One probe speaks for all that wait; sixty would last an hour more."""
    way = Hanging(sim)
    client = bulk_client(sim, transport=way)
    work = await work_for(log_in(client, sim))
    way.dead, begun = True, sim.now()
    report = await bulk.save_all(client, work, max_outage=600, concurrency=concurrency)
    assert set(report.errors) == {taxpayer.gstin for taxpayer, batch in work.items() if batch}
    assert sim.now() - begun <= 600 + LOOK
    adds_up(report)
    way.dead = False
    await asyncio.sleep(QUIET)
    again = await bulk.save_all(client, work, run=report.run)
    assert again.ok, again


@pytest.mark.only_gsp("sandbox", "nothing is sent")
@pytest.mark.parametrize("seconds", [-1, float("nan"), "60", None])
def test_what_is_no_number_of_seconds_is_refused(sim: Simulator, seconds: Any) -> None:
    """By every call that takes it."""
    client = bulk_client(sim)
    begins: tuple[Callable[[], object], ...] = (
        lambda: bulk.save_all(client, {}, max_outage=seconds),
        lambda: bulk.reset_all(client, {}, max_outage=seconds),
        lambda: bulk.resume(client, "night", max_outage=seconds),
        lambda: bulk.retry(client, bulk.BulkReport(run="night"), max_outage=seconds),
    )
    for begin in begins:
        with pytest.raises(InvalidInput, match="max_outage"):
            begin()
