"""A gateway that ends its connection right after each answer, and does not say so: reads go on, once more.

The end crosses the next request on its way. What must not be repeated never goes over a connection that was
used before, so that it cannot happen to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from ims_async import GatewayUnavailable, ImsClient, OutcomeUnknown, PollPolicy, Taxpayer
from ims_async.gsp.base import Request, Response
from ims_async.net.aiohttp import AiohttpTransport
from ims_async.simulator import Simulator

from ..conftest import LOGIN, ONE_TRY, QUICK, make_client, make_gsp
from ..support.loops import EVERY_LOOP
from ..support.sockets import Server, drop, reply, serving

pytestmark = [
    EVERY_LOOP,
    pytest.mark.both_gsps,
    pytest.mark.sim(taxpayers=40, invoices=2, sections=["b2b"], job_seconds=0.0, download_seconds=0.0),
]
JOBS = 40


@asynccontextmanager
async def ending(sim: Simulator) -> AsyncIterator[Server]:
    """Serve the simulator, and end each connection as soon as one answer is written."""

    async def answer(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard = server.heard[-1]
        method, path, _ = heard.line.split()
        status, headers, body = sim.handle(method, path, dict(heard.headers), heard.body)
        told = {**headers, "Content-Length": str(len(body))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        writer.write(f"HTTP/1.1 {status} OK\r\n{lines}\r\n".encode() + body)
        writer.close()

    async with serving(answer) as server:
        yield server


def client_of(sim: Simulator, server: Server, **settings: object) -> ImsClient:
    """Return a client over real sockets that tries everything once, and polls at once."""
    poll = PollPolicy(initial_delay=0.0, max_interval=0.001, deadline=20.0)
    facts = {"transport": None, "gsp": make_gsp(sim, base_url=server.url), "retry": ONE_TRY, "poll": poll}
    return make_client(sim, **{**facts, **settings})


def logged_in(sim: Simulator, client: ImsClient, gstin: str) -> Taxpayer:
    """Return a taxpayer with a token."""
    return client.taxpayer(gstin, token=sim.token(gstin), check=False)


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "in turn"])
async def test_every_job_is_read(at_once: bool, sim: Simulator) -> None:
    """Forty of forty. A poll of Vayana's is two requests, which go over one kept connection."""

    async def one(client: ImsClient, gstin: str) -> int:
        acme = logged_in(sim, client, gstin)
        report = await (await acme.save([row.accept() for row in await acme.invoices("b2b")]))
        return len(report.succeeded)

    async with ending(sim) as server, client_of(sim, server) as client:
        runs = [one(client, gstin) for gstin in sim.gstins]
        done = await asyncio.gather(*runs) if at_once else [await run for run in runs]
    assert done == [2] * JOBS
    assert len(sim.jobs) == JOBS


async def test_a_login_needs_no_second_try(sim: Simulator) -> None:
    """An OTP is asked for, and traded, once: each over a connection of its own."""
    person = sim.taxpayers[0]
    async with (
        ending(sim) as server,
        client_of(sim, server, gsp=make_gsp(sim, base_url=server.url, **_who_logs_in(sim))) as client,
    ):
        acme = client.taxpayer(person.gstin)
        for _ in range(5):
            await acme.request_otp(person.username)
            await acme.verify_otp("575757")
            await acme.counts()
            await acme.refresh()
            await acme.logout()
    asked = [request.operation for request in sim.requests]
    assert [asked.count(name) for name in ("otp", "verify", "refresh", "logout")] == [5, 5, 5, 5]
    assert len(server.heard) == len(sim.requests)


def _who_logs_in(sim: Simulator) -> dict[str, object]:
    return dict(LOGIN) if hasattr(make_gsp(sim), "user_token") else {}


@pytest.mark.parametrize("handed_in", [False, True], ids=["own session", "the caller's session"])
async def test_it_is_asked_once_more_and_no_more(handed_in: bool, sim: Simulator) -> None:
    """Where that one is not answered either, it is an answer lost as any other, and retried as one."""
    asked: list[Request] = []

    class Noted(AiohttpTransport):
        async def send(self, request: Request) -> Response:
            asked.append(request)
            return await super().send(request)

    async with aiohttp.ClientSession() as session, serving(reply(b'{"code":200}'), drop()) as server:
        way = Noted(session=session if handed_in else None)
        await way.send(Request(operation="other", method="GET", url=server.url))
        client = client_of(sim, server, transport=way)
        with pytest.raises(GatewayUnavailable, match="no whole answer"):
            await logged_in(sim, client, sim.gstins[0]).counts()
        await client.aclose()
    assert [request.fresh for request in asked] == [False, False, True]
    assert len(server.heard) == 3


@pytest.mark.parametrize("kind", ["save", "reset"])
async def test_a_change_is_never_asked_for_twice(kind: str, sim: Simulator) -> None:
    """Also over a caller's session, whose connections it does not choose."""
    acme = logged_in(sim, make_client(sim, poll=QUICK), sim.gstins[0])
    rows = await acme.invoices("b2b")
    async with aiohttp.ClientSession() as session, serving(reply(b'{"code":200}'), drop()) as server:
        way = AiohttpTransport(session=session)
        await way.send(Request(operation="other", method="GET", url=server.url))
        acme = logged_in(sim, client_of(sim, server, transport=way), sim.gstins[0])
        with pytest.raises(OutcomeUnknown) as caught:
            await (acme.save([row.reject() for row in rows]) if kind == "save" else acme.reset(rows))
        await way.aclose()
    assert caught.value.job is not None
    assert len(server.heard) == 2
