"""How long a bulk run waits for a gateway that does not answer: of one taxpayer, and of all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from ims_async import (
    Decision,
    GatewayUnavailable,
    ImsClient,
    InvalidInput,
    JobError,
    JobInFlight,
    JobTimeout,
    bulk,
)
from ims_async.bulk import BulkRun, EventKind
from ims_async.bulk.outage import OutageGate
from ims_async.gsp.base import Request, Response
from ims_async.journal import MemoryJournal
from ims_async.model.times import QUIET
from ims_async.net.transport import MemoryTransport
from ims_async.simulator import Fault, Simulator

from ..support.bulk_flows import adds_up, bulk_client, log_in, undecided, work_for
from ..support.regeneration_flows import PERIOD

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


Begin = Callable[[ImsClient, str, list[Decision], float], BulkRun]
BEGIN: dict[str, Begin] = {
    "save": lambda client, gstin, work, most: bulk.save_all(client, {gstin: work}, max_outage=most),
    "reset": lambda client, gstin, work, most: bulk.reset_all(
        client, {gstin: [one.invoice for one in work]}, max_outage=most
    ),
    "recover": lambda client, gstin, work, most: bulk.recover(client, max_outage=most),
    "regenerate": lambda client, gstin, work, most: bulk.regenerate_all(
        client, [gstin], PERIOD, max_outage=most
    ),
}


@pytest.mark.parametrize("kind", ["save", "reset", "recover"])
@pytest.mark.sim(taxpayers=1, invoices=20, sections=["b2b"], job_seconds=600.0)
async def test_a_job_of_before_that_is_in_the_way_holds_a_run_up_for_no_longer(
    sim: Simulator, kind: str
) -> None:
    """Its process is gone, and its polls are not answered; once they are, the run goes on."""
    await behind_one_that_is_not_heard_of(sim, BEGIN[kind], JobTimeout if kind == "recover" else JobInFlight)


@pytest.mark.only_gsp("sandbox", "Vayana has no route to it")
@pytest.mark.sim(taxpayers=1, invoices=20, sections=["b2b"], job_seconds=600.0)
async def test_nor_does_it_hold_up_a_gstr_2b_that_is_to_be_computed_anew(sim: Simulator) -> None:
    """No read goes before it, which would find out that nothing answers."""
    await behind_one_that_is_not_heard_of(sim, BEGIN["regenerate"], JobInFlight)


async def behind_one_that_is_not_heard_of(sim: Simulator, begin: Begin, kind: type[JobError]) -> None:
    """Begin a run of a taxpayer of whom a job is open, and whose polls are not answered."""
    journal = MemoryJournal(clock=sim.now)
    (acme,) = log_in(bulk_client(sim, journal), sim)
    first, *rest = await undecided(acme)
    await acme.save([first])
    client = bulk_client(sim, journal)
    held = log_in(client, sim)  # or they are let go, and log in anew
    sim.script_fault("status", *Fault.burst(25))
    begun = sim.now()
    report = await begin(client, acme.gstin, rest, 60.0)
    assert sim.now() - begun <= 60.0 + POLLS
    (error,) = report.errors.values()
    assert isinstance(error, kind)
    assert "the gateway answered no poll for 60 s" in str(error)
    assert error.job is not None
    assert error.job.open
    adds_up(report)
    again = await begin(client, held[0].gstin, rest, 3600.0)
    assert again.ok, again


@pytest.mark.only_gsp("sandbox", "Vayana has no route to it")
@pytest.mark.sim(taxpayers=1, invoices=4, sections=["b2b"])
async def test_what_is_asked_next_in_the_same_outage_waits_no_longer(sim: Simulator) -> None:
    """The statement as it was is read first: each of the two was waited for so long."""
    client = bulk_client(sim)
    (acme,) = log_in(client, sim)
    sim.script_fault("any", *Fault.burst(500))
    begun = sim.now()
    report = await bulk.regenerate_all(client, [acme], PERIOD, max_outage=300, confirm=True)
    assert 300 <= sim.now() - begun <= 300 + 20
    error = report[acme.gstin].gstr2b_error
    assert isinstance(error, GatewayUnavailable)
    assert error.__notes__[0].startswith(f"no answer from {client.host} for 30")
    assert error.outage == error.__notes__[0]


@pytest.mark.only_gsp("sandbox", "the gate asks nothing of a GSP")
@pytest.mark.parametrize("later", [2.0, 7200.0])
@pytest.mark.sim(taxpayers=1, invoices=4, sections=["b2b"])
async def test_an_outage_long_after_one_that_was_given_up_is_waited_for_anew(
    sim: Simulator, later: float
) -> None:
    """Nothing was asked meanwhile; it was given up at once, as one of two hours."""
    client = bulk_client(sim)
    (acme,) = log_in(client, sim)
    gate = OutageGate(client._services, asyncio.sleep, max_outage=600.0)
    sim.script_fault("count", *Fault.burst(500))
    gate.failed(acme)
    with pytest.raises(GatewayUnavailable) as first:
        await gate.wait_for_answer(acme)
    await asyncio.sleep(later)
    begun = sim.now()
    gate.failed(acme)  # a poll, say
    with pytest.raises(GatewayUnavailable) as second:
        await gate.wait_for_answer(acme)
    waited = 600.0 if later > 600 else 0.0
    assert waited <= sim.now() - begun <= waited + 20
    for error in (first.value, second.value):
        assert error.__notes__[0].startswith(f"no answer from {client.host} for 60")


@pytest.mark.only_gsp("sandbox", "Vayana has no route to it")
@pytest.mark.sim(taxpayers=6, invoices=4, sections=["b2b"], job_seconds=9000.0)
async def test_jobs_that_are_in_the_way_of_many_are_waited_for_in_vain_once(sim: Simulator) -> None:
    """A second taxpayer with polls that are not answered closes the gate: the others ask for no polls."""
    journal = MemoryJournal(clock=sim.now)
    before = bulk_client(sim, journal)
    for taxpayer in log_in(before, sim):
        await taxpayer.save((await undecided(taxpayer))[:1])
    client = bulk_client(sim, journal)
    held = log_in(client, sim)
    sim.script_fault("any", *Fault.burst(5000))
    begun = sim.now()
    report = await bulk.regenerate_all(client, held, PERIOD, max_outage=300, concurrency=1)
    assert set(report.errors) == set(sim.gstins)
    assert sim.now() - begun <= 2 * (300 + LOOK) + LOOK


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
