"""Closing a client: whatever is under way, and gets no answer, does not hold it up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ims_async import ClientClosed, ImsClient, ImsError, ImsJob, Sandbox
from ims_async.gsp.base import Request, Response
from ims_async.journal import MemoryJournal
from ims_async.net.transport import MemoryTransport
from ims_async.simulator import Simulator

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


_TURNS = 20  # of the loop


class SlowJournal:
    """A journal whose answers take some turns of the loop, as those of a file do."""

    def __init__(self, journal: MemoryJournal) -> None:
        self._journal = journal

    def __getattr__(self, name: str) -> Any:
        ask = getattr(self._journal, name)

        async def answered(*args: Any, **facts: Any) -> Any:
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            return await ask(*args, **facts)

        return answered


@pytest.mark.parametrize(
    ("how", "turns"),
    [
        *(("unfinished", turns) for turns in range(0, 60, 5)),
        *(("job", turns) for turns in (0, 5, 10, 15)),
        ("resume", 0),
    ],
)
async def test_a_job_found_while_the_client_closes_is_not_waited_for(how: str, turns: int) -> None:
    """Its handle is made after all others were told: whoever awaits it then is told at once, too."""
    sim = Simulator(seed=3, taxpayers=1, invoices=2, job_seconds=900)
    gstin, journal = sim.gstins[0], MemoryJournal()
    way = MemoryTransport(sim.transport)
    async with ImsClient(Sandbox("key_test_demo"), transport=way, journal=journal) as before:
        acme = before.taxpayer(gstin, token=sim.token(gstin))
        sent = await acme.save([row.accept() for row in await acme.invoices("B2B")])
    client = ImsClient(Sandbox("key_test_demo"), transport=way, journal=SlowJournal(journal))
    acme = client.taxpayer(gstin, token=sim.token(gstin))

    async def recover() -> None:
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        jobs: dict[str, Callable[[], Awaitable[list[ImsJob]]]] = {
            "unfinished": client.unfinished,
            "job": lambda: _ready(acme.job(sent.token.reference_id or "")),
            "resume": lambda: _ready(client.resume(sent.token)),
        }
        for job in await jobs[how]():
            await job

    recovery = asyncio.create_task(recover())
    for _ in range(turns):
        await asyncio.sleep(0)
    began = asyncio.get_running_loop().time()
    await client.aclose()
    with pytest.raises(ClientClosed) as caught:
        await recovery
    assert caught.value.token is not None
    assert asyncio.get_running_loop().time() == began


async def _ready(job: ImsJob) -> list[ImsJob]:
    return [job]
