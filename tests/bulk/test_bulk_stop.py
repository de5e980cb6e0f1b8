"""What stops a run of many taxpayers, and what does not; after it no request is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import pytest

from ims_async import (
    ImsClient,
    ImsJob,
    NotAuthorized,
    OtpRequired,
    PollPolicy,
    QuotaExhausted,
    RateLimit,
    SessionExpired,
    bulk,
    errors,
)
from ims_async.bulk.concurrency import for_each
from ims_async.bulk.outage import is_everybodys
from ims_async.gsp.base import Request, Response
from ims_async.net.transport import MemoryTransport
from ims_async.simulator import Fault, Simulator
from ims_async.simulator.http import write

from ..conftest import eas, from_gstn, make_gsp
from ..support.bulk_flows import adds_up, applied, bulk_client, log_in, work_for
from ..test_errors import ALL, INSTANCES

pytestmark = [
    pytest.mark.looptime,
    pytest.mark.both_gsps,
    pytest.mark.sim(taxpayers=12, invoices=20, sections=["b2b"]),
]

SPENT: Final = {
    "sandbox": (403, {"code": 403, "message": "Insufficient wallet credits"}),
    # No answer of Vayana's is documented to say so; a refused user concerns all of its taxpayers as well.
    "vayana": (403, eas("err-invalid-org", "Authorization")),
}
SESSION_UNDER_401: Final = {
    "sandbox": (403, {"code": 403, "message": "Access token expired"}),
    "vayana": (401, from_gstn("AUTH4033", "Invalid Session")),
}


class Wire:
    """The way to a simulator on which each request takes a while: `spent` says from when on none is paid for.

    `after` counts the requests that were begun once a refusal had come back.
    """

    def __init__(self, sim: Simulator, gsp: str, spent: Callable[[Request], bool]) -> None:
        self._inner, self._sim, self._spent = MemoryTransport(sim, clock=sim.now), sim, spent
        self._planned = SPENT[gsp]
        self.refused = self.after = 0
        self.refused_at = 0.0

    async def send(self, request: Request) -> Response:
        """Answer in the simulator's words, or with a refusal."""
        self.after += self.refused > 0
        spent = self._spent(request)
        await asyncio.sleep(0.2)
        if not spent:
            return await self._inner.send(request)
        self.refused += 1
        self.refused_at = self.refused_at or self._sim.now()
        status, content = self._planned
        return Response(status=status, headers={}, body=write(content), received_at=self._sim.now())

    async def aclose(self) -> None:
        """Nothing to close."""


# -- whose trouble it is -----------------------------------------------------------------------------------

OF_ALL: Final = {errors.QuotaExhausted, errors.ClientClosed}


@pytest.mark.only_gsp("sandbox", "it is about no gateway")
@pytest.mark.parametrize("status", [None, 200, 401, 403, 429, 502])
@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_whose_trouble_an_error_is_goes_by_its_type_and_not_by_its_status(
    kind: type[errors.ImsError], status: int | None
) -> None:
    """A taxpayer's session is that taxpayer's under any HTTP status."""
    error = kind("m", http_status=status) if issubclass(kind, errors.GatewayError) else INSTANCES[kind]
    assert is_everybodys(error) is (kind in OF_ALL)


@pytest.mark.only_gsp("sandbox", "it is about no gateway")
@pytest.mark.parametrize("status", [None, 200, 401, 403])
def test_a_refused_credential_of_the_account_is_everybodys(status: int | None) -> None:
    """The API key, its token, handle and password."""
    assert is_everybodys(NotAuthorized("m", of_account=True, http_status=status))
    assert not is_everybodys(NotAuthorized("m", http_status=status))


@pytest.mark.parametrize("operation", ["count", "save"])
async def test_a_session_that_ended_stops_its_own_taxpayer_only(
    sim: Simulator, gsp_name: str, operation: str
) -> None:
    """Also where that is said with HTTP 401, as a bad key is."""
    client = bulk_client(sim)
    taxpayers = log_in(client, sim)
    work = await work_for(taxpayers)
    for _ in range(3):
        sim.script_answer(operation, *SESSION_UNDER_401[gsp_name])
        sim.script_answer("refresh", *SESSION_UNDER_401[gsp_name])
    if operation == "save":
        report = await bulk.save_all(client, work, concurrency=1)
        errors_of = report.errors
        adds_up(report)
    else:
        errors_of = (await bulk.pull_all(client, taxpayers, concurrency=1)).errors
    assert 1 <= len(errors_of) <= 3
    assert {type(error) for error in errors_of.values()} == {SessionExpired}


@pytest.mark.only_gsp("sandbox", "the other's user token is asked for first")
async def test_a_bad_key_stops_a_pull(client: ImsClient, sim: Simulator) -> None:
    """One call tells."""
    taxpayers = log_in(client, sim)
    sim.script_answer("count", 401, {"code": 401, "message": "Unauthorized"})
    report = await bulk.pull_all(client, taxpayers, concurrency=1)
    assert len(report.errors) == len(taxpayers)
    assert sim.count("count") == 1


@pytest.mark.only_gsp("sandbox", "the other keeps its sessions by itself")
async def test_a_key_that_is_refused_says_nothing_of_a_session(client: ImsClient, sim: Simulator) -> None:
    """Once the account is in order again, the session is renewed as if nothing had been."""
    who = log_in(client, sim)[0]
    sim.script_answer("refresh", 401, {"code": 401, "message": "Unauthorized"})
    with pytest.raises(NotAuthorized):
        await who.refresh()
    await who.refresh()
    assert sim.count("refresh") == 2


# -- nothing is sent after it --------------------------------------------------------------------------


def always(_: Request) -> bool:
    """Spent from the beginning."""
    return True


def at(operation: str, number: int) -> Callable[[Request], bool]:
    """Spent from the so-manieth request of an operation on."""
    seen = 0

    def spent(request: Request) -> bool:
        nonlocal seen
        seen += request.operation == operation
        return seen >= number

    return spent


async def work_of_a_reader(sim: Simulator) -> dict[str, Any]:
    """Return what there is to do, read by a client with money."""
    return {who.gstin: batch for who, batch in (await work_for(log_in(bulk_client(sim), sim))).items()}


def poor(
    sim: Simulator, gsp: str, spent: Callable[[Request], bool], **settings: Any
) -> tuple[ImsClient, Wire]:
    """Return a client whose account is empty from some moment on."""
    wire = Wire(sim, gsp, spent)
    client = bulk_client(sim, transport=wire, gsp=make_gsp(sim), **settings)
    log_in(client, sim)
    return client, wire


def stopped(report: bulk.BulkReport, gsp: str) -> None:
    """Check that every part that did not get through says why."""
    adds_up(report)
    assert not report.ok
    kind = QuotaExhausted if gsp == "sandbox" else NotAuthorized
    assert {type(error) for error in report.errors.values()} == {kind}


@pytest.mark.parametrize(
    ("operation", "number"), [("save", 1), ("save", 5), ("status", 1), ("status", 9)], ids=str
)
@pytest.mark.parametrize("concurrency", [1, 4, 100])
async def test_no_request_of_a_run_follows_the_first_refusal(
    sim: Simulator, gsp_name: str, operation: str, number: int, concurrency: int
) -> None:
    """Of none of those under way: neither a save nor a poll, and nobody waits for the next one."""
    work = await work_of_a_reader(sim)
    client, wire = poor(sim, gsp_name, at(operation, number))
    run = bulk.save_all(client, work, concurrency=concurrency, max_records=4)
    report = await run
    assert wire.refused >= 1
    assert wire.after == 0
    assert sim.now() == pytest.approx(wire.refused_at, abs=1.0)
    stopped(report, gsp_name)
    asked = [error for error in report.errors.values() if error.http_status is not None]  # type: ignore[attr-defined]
    assert len(asked) <= wire.refused
    again = await bulk.save_all(bulk_client_of(client, sim), work, run=run.run)
    assert again.ok
    assert set(applied(sim).values()) == {1}


def bulk_client_of(client: ImsClient, sim: Simulator) -> ImsClient:
    """Return a client with money and the journal of another."""
    fresh = bulk_client(sim, client.journal)
    log_in(fresh, sim)
    return fresh


async def test_those_who_wait_to_look_do_not_look_any_more(sim: Simulator, gsp_name: str) -> None:
    """A lost answer is looked at two minutes later; a wallet that is spent by then ends that wait at once."""
    work = await work_of_a_reader(sim)
    sim.script_fault("save", *[Fault.drop_after()] * 1)
    client, wire = poor(sim, gsp_name, at("status", 8))
    report = await bulk.save_all(client, work, max_records=4)
    assert wire.refused >= 1
    assert wire.after == 0
    assert sim.now() == pytest.approx(wire.refused_at, abs=1.0)
    stopped(report, gsp_name)


async def test_a_pull_asks_nothing_more(sim: Simulator, gsp_name: str) -> None:
    """Those half-way through their sections do not ask for the next one."""
    client, wire = poor(sim, gsp_name, at("count", 6))
    report = await bulk.pull_all(client, sim.gstins, concurrency=4)
    assert wire.refused >= 1
    assert wire.after == 0
    assert len(report) == len(sim.gstins)
    assert report.errors


async def test_a_retry_asks_nothing_more(sim: Simulator, gsp_name: str) -> None:
    """Its looks are paid for as well."""
    work = await work_of_a_reader(sim)
    client = bulk_client(sim)
    taxpayers = log_in(client, sim)
    for who in taxpayers:
        sim.end_session(who.gstin)
    report = await bulk.save_all(client, work)
    assert report.not_sent == report.handed_in
    poorer, wire = poor(sim, gsp_name, always)
    again = await bulk.retry(poorer, report)
    assert wire.after == 0
    stopped(again, gsp_name)


async def test_a_resume_asks_nothing_more(sim: Simulator, gsp_name: str) -> None:
    """What is pending stays pending, by its name."""
    work = await work_of_a_reader(sim)
    client = bulk_client(sim, poll=PollPolicy(initial_delay=1.0, deadline=1.0))
    log_in(client, sim)
    report = await bulk.save_all(client, work, run="night")
    assert report.pending_count == report.handed_in
    poorer, wire = poor(sim, gsp_name, always, journal=client.journal)
    again = await bulk.resume(poorer, "night")
    assert wire.after == 0
    assert again.pending_count == report.handed_in
    stopped(again, gsp_name)


@pytest.mark.parametrize("concurrency", [1, 4, 100])
async def test_a_recovery_asks_nothing_more(sim: Simulator, gsp_name: str, concurrency: int) -> None:
    """And tells of what every taxpayer has left, also of those whose turn never came."""
    work = await work_of_a_reader(sim)
    client = bulk_client(sim)
    for place, (gstin, batch) in enumerate(work.items()):
        acme = client.taxpayer(gstin, token=sim.token(gstin))
        if place % 2:
            await acme.save(batch)
            continue
        sim.end_session(gstin)
        with pytest.raises((SessionExpired, OtpRequired)):
            await acme.save(batch)
    poorer, wire = poor(sim, gsp_name, always, journal=client.journal)
    report = await bulk.recover(poorer, concurrency=concurrency)
    assert wire.after == 0
    assert {one.gstin: one.handed_in for one in report} == {who: len(batch) for who, batch in work.items()}
    assert bool(report.not_sent)
    assert bool(report.pending_count)
    stopped(report, gsp_name)
    assert (await bulk.recover(bulk_client_of(client, sim))).ok


async def test_work_by_turns_asks_nothing_more(sim: Simulator, gsp_name: str) -> None:
    """Of those whose jobs the shell waits for: a poll that is refused would be repeated."""
    client, wire = poor(sim, gsp_name, at("status", 3))
    work = await work_of_a_reader(sim)
    jobs = [await client.taxpayer(gstin).save(batch) for gstin, batch in work.items()]
    left = client.taxpayer(sim.gstins[0])
    begun = sim.now()

    async def wait_for(job: ImsJob) -> None:
        await job

    with pytest.raises(QuotaExhausted if gsp_name == "sandbox" else NotAuthorized):
        await for_each(jobs, wait_for, at_once=5)
    assert wire.after == 0
    assert sim.now() - begun < 10
    assert left.unfinished()


@pytest.mark.sim(taxpayers=30, invoices=10, sections=["b2b"])
async def test_those_in_line_for_the_budget_are_not_let_out(sim: Simulator, gsp_name: str) -> None:
    """Nor do they use it up one after the other: the first that may go sends all others away."""
    work = await work_of_a_reader(sim)
    client, wire = poor(sim, gsp_name, at("save", 3), rate=RateLimit(4))
    report = await bulk.save_all(client, work)
    assert wire.after == 0
    assert sim.now() - wire.refused_at <= 61
    stopped(report, gsp_name)


async def test_resets_stop_too(sim: Simulator, gsp_name: str) -> None:
    """As saves do."""
    reader = bulk_client(sim)
    work = {who.gstin: await who.invoices("b2b", "accept") for who in log_in(reader, sim)}
    client, wire = poor(sim, gsp_name, at("reset", 2))
    report = await bulk.reset_all(client, work, max_records=2)
    assert wire.after == 0
    stopped(report, gsp_name)


@pytest.mark.only_gsp("sandbox", "the other keeps its sessions by itself")
@pytest.mark.sim(taxpayers=12, invoices=20, sections=["b2b"], job_seconds=900.0, token_seconds=600.0)
async def test_sessions_are_not_renewed_any_more(sim: Simulator, gsp_name: str) -> None:
    """A renewal is a request as well; the first that is refused ends the run."""
    work = await work_of_a_reader(sim)
    client, wire = poor(sim, gsp_name, at("refresh", 3))
    report = await bulk.save_all(client, work, max_records=4)
    assert wire.refused >= 1
    assert wire.after == 0
    assert sim.now() == pytest.approx(wire.refused_at, abs=1.0)
    stopped(report, gsp_name)


async def test_a_run_that_stopped_leaves_the_client_to_others(sim: Simulator, gsp_name: str) -> None:
    """Once the account is topped up, the same client goes on."""
    work = await work_of_a_reader(sim)
    empty = True
    client, _ = poor(sim, gsp_name, lambda _: empty)
    report = await bulk.save_all(client, work)
    stopped(report, gsp_name)
    empty = False
    assert (await bulk.save_all(client, work)).ok
