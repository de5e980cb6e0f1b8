"""Closing a client: whatever is under way, and gets no answer, does not hold it up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from ims_async import ClientClosed, ImsClient, ImsError, Sandbox
from ims_async.simulator import Simulator
from ims_async.transport import MemoryTransport
from ims_async.wire import Request, Response

pytestmark = pytest.mark.looptime


class NeverAnswers:
    """The simulator, which from some moment on gives no answer until the transport is closed."""

    def __init__(self, sim: Simulator) -> None:
        self.way, self.silent, self.closed = MemoryTransport(sim.transport), False, asyncio.Event()

    async def send(self, request: Request) -> Response:
        """Send one request."""
        if self.silent:
            await self.closed.wait()
            raise ClientClosed("the connections were closed")
        return await self.way.send(request)

    async def aclose(self) -> None:
        """Break off what is under way."""
        self.closed.set()


@pytest.mark.parametrize("what", ["request_otp", "refresh", "counts", "logout"])
async def test_a_call_without_an_answer_is_broken_off_soon(what: str) -> None:
    """A renewal and a logout get ten seconds, everything else none; whoever waits gets an error of ours."""
    sim = Simulator(seed=3, taxpayers=1, invoices=2)
    transport = NeverAnswers(sim)
    client = ImsClient(Sandbox("key_test_demo", "secret_test_demo"), transport=transport)
    acme = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    await acme.counts()
    transport.silent = True
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "request_otp": lambda: acme.request_otp("acme"),
        "refresh": acme.refresh,
        "counts": acme.counts,
        "logout": acme.logout,
    }
    call: asyncio.Task[object] = asyncio.ensure_future(calls[what]())
    await asyncio.sleep(1.0)
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout(60.0):
        await client.aclose()
    assert asyncio.get_running_loop().time() - began <= 10.0
    with pytest.raises(ImsError):
        await call
