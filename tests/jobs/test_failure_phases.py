"""How far a request got, through the whole client on real sockets: what never left, and what may have.

In front of the simulator stands a raw server, which hands requests on and spoils what comes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import aiohttp
import attrs
import pytest

from ims_async import (
    ClientClosed,
    GatewayUnavailable,
    ImsClient,
    InvalidInput,
    Invoice,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    RetryPolicy,
    Taxpayer,
    Timeouts,
)
from ims_async.gsp.base import Request, Response
from ims_async.net.aiohttp import AiohttpTransport
from ims_async.net.transport import MemoryTransport, Transport
from ims_async.simulator import Simulator

from ..conftest import ONE_TRY, QUICK, make_client, make_gsp
from ..support.loops import EVERY_LOOP
from ..support.sockets import Answer, Server, Skips, drop, serving, silence, skipping_time

pytestmark = [
    EVERY_LOOP,
    pytest.mark.both_gsps,
    pytest.mark.sim(taxpayers=1, invoices=20, sections=["b2b"], download_seconds=0.0),
]

TRIES = 3
RETRY = RetryPolicy(max_tries=TRIES, initial=0.0, max_time=1e6)
LIMITS = Timeouts(connect=10.0, read=10.0)  # seconds that are skipped, not waited for
Deed = Callable[[Taxpayer, list[Invoice]], Coroutine[Any, Any, object]]
CHANGES: dict[str, Deed] = {
    "save": lambda taxpayer, rows: taxpayer.save([row.reject() for row in rows]),
    "reset": lambda taxpayer, rows: taxpayer.reset(rows),
}
DEEDS: dict[str, Deed] = {
    **CHANGES,
    "read": lambda taxpayer, _: taxpayer.counts(),
    "logout": lambda taxpayer, _: taxpayer.logout(),
}
EACH_CHANGE = pytest.mark.parametrize("change", CHANGES)
EACH_DEED = pytest.mark.parametrize("deed", DEEDS)


class Counted(AiohttpTransport):
    """A transport that counts what it is asked to send."""

    tries = 0

    async def send(self, request: Request) -> Response:
        """Count it and send it."""
        self.tries += 1
        return await super().send(request)


@attrs.frozen
class World:
    """A simulator, clients of it over sockets, and the records that a change is about."""

    sim: Simulator
    rows: list[Invoice]
    made: list[ImsClient] = attrs.field(factory=list)
    ways: list[Counted] = attrs.field(factory=list)

    def taxpayer(self, url: str, **settings: Any) -> Taxpayer:
        """Return the taxpayer, reached at this address."""
        self.ways.append(Counted(timeouts=LIMITS, clock=self.sim.now, **settings))
        gsp = make_gsp(self.sim, base_url=url)
        self.made.append(make_client(self.sim, gsp=gsp, transport=self.ways[-1], retry=RETRY))
        gstin = self.sim.gstins[0]
        return self.made[-1].taxpayer(gstin, token=self.sim.token(gstin), check=False)


@pytest.fixture
async def world(sim: Simulator) -> AsyncIterator[World]:
    """The world, whose clients are closed afterwards."""
    gstin = sim.gstins[0]
    reader = make_client(sim, poll=QUICK).taxpayer(gstin, token=sim.token(gstin), check=False)
    made = World(sim, await reader.invoices("b2b"))
    yield made
    for client in made.made:
        await client.aclose()


@pytest.fixture
async def time() -> AsyncIterator[Skips]:
    """The loop's clock, to be skipped."""
    with skipping_time() as skips:
        yield skips


def asked(sim: Simulator, server: Server) -> bytes:
    """Hand the last request that was heard to the simulator; return its answer's body."""
    heard = server.heard[-1]
    method, path, _ = heard.line.split()
    return sim.handle(method, path, dict(heard.headers), heard.body)[2]


def spoiled(sim: Simulator, write: Callable[[bytes], bytes], *, hang_up: bool = True) -> Answer:
    """Let the request take effect, write something in place of the answer, and hang up."""

    async def answer(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(write(asked(sim, server)))
        if hang_up:
            writer.close()

    return answer


def whole(body: bytes) -> bytes:
    """Return an answer as it should be."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def chunk(body: bytes) -> bytes:
    """Return an answer's head and its only chunk, without the end that says so."""
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(body), body)


def packed(body: bytes) -> bytes:
    """Return a packed answer that ends with the connection, and lacks its last bytes."""
    content = gzip.compress(body)[:-9]
    return b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n" + content


SPOILED: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "half a head": lambda body: whole(body)[:20],
    "all but a byte": lambda body: whole(body)[:-1],
    "all but the last chunk": chunk,
    "packed and cut": packed,
}


# -- what never left -----------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def nobody(how: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    """Yield an address at which no request can arrive."""
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # a handshake that broke, on its side
    if how == "not found":

        async def unknown(*_: object, **__: object) -> list[object]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
        yield Server("https://gateway.invalid")
    elif how == "refused":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            yield Server(f"http://127.0.0.1:{free.getsockname()[1]}")
    elif how == "unknown certificate":
        async with serving(drop(), tls=True) as server:
            yield server
    else:
        hello = b"" if how == "handshake cut" else b"HTTP/1.1 400 Bad Request\r\n\r\n"
        async with serving(drop(hello), read=False) as server:
            server.url = server.url.replace("http:", "https:")
            yield server


@EACH_DEED
@pytest.mark.parametrize(
    "how", ["not found", "refused", "unknown certificate", "no TLS at all", "handshake cut"]
)
async def test_what_never_left_is_tried_again_and_then_said_not_to_have_been_sent(
    how: str, deed: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changes too: not one byte of the request was written. Nothing is left over of them."""
    async with nobody(how, monkeypatch) as server:
        taxpayer = world.taxpayer(server.url)
        with pytest.raises(NotSent, match="never left this machine"):
            await DEEDS[deed](taxpayer, world.rows)
    assert server.heard == []
    assert world.ways[-1].tries == TRIES
    assert taxpayer.unfinished() == []


@EACH_CHANGE
async def test_a_change_that_did_not_leave_at_first_arrives_once(
    change: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host is found at the third look; nothing of the first two tries comes after it."""
    loop, looks = asyncio.get_running_loop(), 0
    real = loop.getaddrinfo

    async def late(*asked: Any, **facts: Any) -> Any:
        nonlocal looks
        looks += asked[0] == "localhost"  # uvloop looks up the address as well
        if looks < TRIES:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return await real(*asked, **facts)

    monkeypatch.setattr(loop, "getaddrinfo", late)
    async with serving(spoiled(world.sim, whole, hang_up=False)) as server:
        taxpayer = world.taxpayer(server.url.replace("127.0.0.1", "localhost"))
        await CHANGES[change](taxpayer, world.rows)
    assert (looks, len(server.heard), len(world.sim.jobs)) == (TRIES, 1, 1)


@EACH_CHANGE
async def test_a_change_that_waits_in_a_pool_that_is_closed_was_not_sent(change: str, world: World) -> None:
    """aiohttp ends such a wait as if the task were cancelled, which would look like a change that left."""
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(connector=connector) as session, serving(silence()) as server:
        taxpayer = world.taxpayer(server.url, session=session)
        holding = asyncio.create_task(session.post(server.url))
        while not server.heard:
            await asyncio.sleep(0)
        sending = asyncio.create_task(CHANGES[change](taxpayer, world.rows))
        while not vars(connector)["_waiters"]:
            await asyncio.sleep(0)
        await session.close()
        with pytest.raises(ClientClosed, match="nothing was sent"):
            await sending
        with pytest.raises(aiohttp.ClientError):
            await holding
    assert len(server.heard) == 1
    assert taxpayer.unfinished() == []


@EACH_CHANGE
async def test_a_change_whose_caller_leaves_while_it_waits_for_a_slot_is_not_lost(
    change: str, world: World
) -> None:
    """It is sent once, when the slot is free, and is found where changes without a caller are."""
    free = asyncio.Event()

    async def held(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await free.wait()
        writer.write(whole(asked(world.sim, server)))

    async with serving(held) as server:
        taxpayer = world.taxpayer(server.url, connections=1)
        reading = asyncio.create_task(taxpayer.counts())
        while not server.heard:
            await asyncio.sleep(0)
        sending = asyncio.create_task(CHANGES[change](taxpayer, world.rows))
        while not vars(taxpayer)["_changes"]._sender.busy:
            await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        free.set()
        await reading
        while not taxpayer.unfinished():
            await asyncio.sleep(0)
    assert len(server.heard) == 2
    assert [job.reference_id is not None for job in taxpayer.unfinished()] == [True]


# -- what may have left --------------------------------------------------------------------------------


async def lost(deed: str, taxpayer: Taxpayer, world: World) -> None:
    """Do it, and see that it is told as what it is."""
    if deed in CHANGES:
        with pytest.raises(OutcomeUnknown, match="may or may not have taken effect") as caught:
            await DEEDS[deed](taxpayer, world.rows)
        assert caught.value.job is not None
        assert taxpayer.unfinished() == [caught.value.job]
    else:
        with pytest.raises(GatewayUnavailable, match="no whole answer"):
            await DEEDS[deed](taxpayer, world.rows)


@EACH_DEED
@pytest.mark.parametrize("kept", [True, False], ids=["kept connection", "new connection"])
@pytest.mark.parametrize("how", [*SPOILED, "before it took effect", "silence"])
async def test_what_arrived_and_was_not_answered_whole_is_sent_once_unless_it_is_a_read(
    how: str, kept: bool, deed: str, world: World, time: Skips
) -> None:
    """The gateway may have done it: the client says that it cannot tell, and asks again for reads only."""
    outcomes = {
        **{name: spoiled(world.sim, write) for name, write in SPOILED.items()},
        "before it took effect": drop(),
        "silence": silence(time.skip(11.0)),
    }
    first = [spoiled(world.sim, whole, hang_up=False)] * kept
    async with serving(*first, outcomes[how]) as server:
        taxpayer = world.taxpayer(server.url)
        if kept:
            await taxpayer.counts()
        await lost(deed, taxpayer, world)
    times = TRIES if deed == "read" else 1
    # Where a kept connection ended unanswered, the read is asked once more, which is no retry.
    again = deed == "read" and kept and how in ("nothing", "before it took effect")
    assert len(server.heard) - kept == times + again
    # What must not be repeated has a connection of its own.
    assert server.connections == times + again + (kept and deed != "read")
    assert len(world.sim.jobs) == (how in SPOILED and deed in CHANGES)


# -- a body on its way ---------------------------------------------------------------------------------

BEGUN = b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"'


def torn(after: int, first: bytes = b"") -> Answer:
    """Read so many bytes, begin to answer, and end the connection the hard way."""

    async def answer(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(after)
        if first:
            writer.write(first)
            await asyncio.sleep(0.01)  # or the reset would take it back
        writer.transport.abort()

    return answer


@EACH_CHANGE
@pytest.mark.parametrize(
    "answer",
    [torn(20), torn(700), torn(700, BEGUN)],
    ids=["in the head", "in the body", "when the answer had begun"],
)
async def test_a_change_that_was_torn_off_halfway_is_unknown_and_not_sent_again(
    answer: Answer, change: str, world: World
) -> None:
    """A gateway need not read to the end to act; whether this one did is not known here."""
    async with serving(answer, read=False) as server:
        await lost(change, world.taxpayer(server.url), world)
    assert server.connections == 1


# -- a transport of somebody else's --------------------------------------------------------------------


@attrs.frozen
class Foreign:
    """A transport that does what it is asked, and then raises something for a change."""

    way: Transport
    raised: Exception

    async def send(self, request: Request) -> Response:
        """Send it, and fail where it is a change."""
        answer = await self.way.send(request)
        if request.changes:
            raise self.raised
        return answer

    async def aclose(self) -> None:
        """Nothing to close."""


def foreign(world: World, raised: Exception) -> Taxpayer:
    """Return a taxpayer whose changes fail so."""
    way = Foreign(MemoryTransport(world.sim.transport, clock=world.sim.now), raised)
    gstin = world.sim.gstins[0]
    client = make_client(world.sim, transport=way, retry=ONE_TRY)
    return client.taxpayer(gstin, token=world.sim.token(gstin), check=False)


@EACH_CHANGE
@pytest.mark.parametrize(
    "raised",
    [
        ValueError("negative file descriptor"),
        RuntimeError(),
        KeyError(1),
        OSError(5, "x"),
        RateLimited("429"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_whatever_a_transport_raises_for_a_change_leaves_it_unknown(
    raised: Exception, change: str, world: World
) -> None:
    """It may be a defect, or another library's error: it took effect here, and is said to be unknown."""
    taxpayer = foreign(world, raised)
    await lost(change, taxpayer, world)
    assert len(world.sim.jobs) == 1


@EACH_CHANGE
@pytest.mark.parametrize(
    "raised", [NotSent("x"), ClientClosed("x"), InvalidInput("x")], ids=lambda error: type(error).__name__
)
async def test_unless_it_says_that_nothing_was_sent(raised: Exception, change: str, world: World) -> None:
    """These three are what a transport says it with."""
    taxpayer = foreign(world, raised)
    with pytest.raises(type(raised)):
        await CHANGES[change](taxpayer, world.rows)
    assert taxpayer.unfinished() == []
