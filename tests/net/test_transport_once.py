"""One request, one sending: whatever the session is, and nothing of it leaves once it was given up."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from ims_async.errors import NotSent
from ims_async.gsp.base import Request
from ims_async.net.aiohttp import AiohttpTransport
from ims_async.net.policies import Timeouts
from ims_async.net.transport import AnswerLost

from ..support.loops import EVERY_LOOP
from ..support.sockets import (
    Answer,
    Server,
    Skips,
    drop,
    raw,
    reply,
    serving,
    silence,
    skipping_time,
    small_socket,
    steps,
    turns,
)

pytestmark = EVERY_LOOP
LIMITS = Timeouts(connect=10.0, read=10.0)  # seconds that are skipped, not waited for
Handler = Callable[[aiohttp.ClientRequest], Any]


@pytest.fixture
async def time() -> AsyncIterator[Skips]:
    """The loop's clock, to be skipped."""
    with skipping_time() as skips:
        yield skips


def request(url: str, method: str = "POST", body: bytes | None = b"{}") -> Request:
    """Return a request; all but GET must not be repeated."""
    return Request(operation="save", method=method, url=url + "/save", body=body)


async def plain(going: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
    """A middleware that only looks on."""
    answer: aiohttp.ClientResponse = await handler(going)
    return answer


async def insistent(going: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
    """A middleware that tries three times, as aiohttp's own documents show one."""
    for _ in range(2):
        with contextlib.suppress(aiohttp.ClientError):
            answer: aiohttp.ClientResponse = await handler(going)
            if answer.status < 500:
                return answer
    return await plain(going, handler)


SESSIONS: dict[str, Callable[[], aiohttp.ClientSession | None]] = {
    "our own": lambda: None,
    "handed in": aiohttp.ClientSession,
    "with a middleware": lambda: aiohttp.ClientSession(middlewares=(plain,)),
    "with one that insists": lambda: aiohttp.ClientSession(middlewares=(plain, insistent)),
    "forced to close": lambda: aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)),
}


@contextlib.asynccontextmanager
async def way_over(kind: str) -> AsyncIterator[AiohttpTransport]:
    """A transport over one of these sessions; both are closed afterwards."""
    session = SESSIONS[kind]()
    way = AiohttpTransport(session=session, timeouts=LIMITS)
    try:
        yield way
    finally:
        await way.aclose()
        if session is not None:
            await session.close()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("kept", [True, False], ids=["kept connection", "new connection"])
@pytest.mark.parametrize("answer", [drop(), drop(b"HTTP/1.1 200 OK\r\nContent-Le")], ids=["none", "half"])
@pytest.mark.parametrize("kind", SESSIONS)
async def test_the_server_sees_a_change_once(kind: str, answer: Answer, kept: bool, method: str) -> None:
    """aiohttp repeats a PUT and a DELETE by itself, and a middleware may repeat anything."""
    async with way_over(kind) as way, serving(*[reply()] * kept, answer) as server:
        if kept:
            await way.send(request(server.url, "GET", None))
        with pytest.raises(AnswerLost):
            await way.send(request(server.url, method))
    assert [line.split()[0] for line in server.lines] == ["GET"] * kept + [method]


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_middleware_that_insists_may_do_so_for_reads_only(method: str) -> None:
    """It repeats a read after a 503; the outcome of a change is unknown."""
    outage = reply(status="503 Service Unavailable")
    async with way_over("with one that insists") as way, serving(outage, outage, reply()) as server:
        if method == "GET":
            assert (await way.send(request(server.url, method, None))).status == 200
        else:
            with pytest.raises(AnswerLost, match="a middleware of the session would have sent it again"):
                await way.send(request(server.url, method))
    assert len(server.heard) == (3 if method == "GET" else 1)


async def test_it_is_noted_that_a_request_leaves_before_its_first_byte_does() -> None:
    """Else one that was cut off there would be said never to have left. aiohttp keeps this order."""
    arrived = asyncio.Event()
    early: list[bool] = []

    async def first_byte(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        arrived.set()

    async def look(*_: object) -> None:
        await turns(50)
        early.append(arrived.is_set())

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(look)
    async with (
        aiohttp.ClientSession(trace_configs=[trace]) as session,
        serving(first_byte, read=False) as server,
    ):
        with pytest.raises(AnswerLost):
            await AiohttpTransport(session=session).send(request(server.url))
    assert early == [False]
    assert arrived.is_set()


# -- given up is given up ------------------------------------------------------------------------------

BEGUN = b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"'


@pytest.mark.parametrize("first", [b"", BEGUN], ids=["unanswered", "when the answer had begun"])
@pytest.mark.parametrize("how", ["silence", "cancelled", "closed"])
@pytest.mark.parametrize("kind", ["our own", "handed in"])
async def test_nothing_more_of_a_change_leaves_once_it_was_given_up(
    kind: str, how: str, first: bytes, time: Skips
) -> None:
    """asyncio and the system would send the rest as soon as the gateway reads on, be it an hour later."""
    reading_on, ended = asyncio.Event(), asyncio.Event()
    end: list[object] = []
    size = 200_000  # more than the server's side takes in unread, less than ours does

    async def stalled(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        await reading_on.wait()
        end.extend(await asyncio.gather(reader.readexactly(size), return_exceptions=True))
        ended.set()

    async with serving(stalled, read=False) as server, way_over(kind) as way:
        sending = asyncio.create_task(way.send(request(server.url, body=bytes(size))))
        while not server.connections:
            await asyncio.sleep(0)
        await turns(100)  # until all that lies between is full
        if how == "silence":
            time.skip(11.0)()
        elif how == "cancelled":
            sending.cancel()
        else:
            await way.aclose()
        with pytest.raises(asyncio.CancelledError if how == "cancelled" else AnswerLost):
            await sending
        reading_on.set()
        await ended.wait()
    assert [type(error) for error in end] == [ConnectionResetError]


async def test_a_connection_that_was_given_up_is_closed_at_once(time: Skips) -> None:
    """asyncio would keep it, and what is unsent, until the other side reads on or goes away."""
    made: list[socket.socket] = []

    def making(*_: object) -> socket.socket:
        made.append(small_socket())
        return made[-1]

    async def deaf(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await turns(100)
        time.skip(11.0)()
        await asyncio.Event().wait()

    connector = aiohttp.TCPConnector(socket_factory=making)
    async with aiohttp.ClientSession(connector=connector) as session, serving(deaf, read=False) as server:
        with pytest.raises(AnswerLost, match="silence for 10 s"):
            await AiohttpTransport(session=session, timeouts=LIMITS).send(
                request(server.url, body=bytes(4_000_000))
            )
        await turns()
        assert [sock.fileno() for sock in made] == [-1]


async def test_a_kept_connection_outlives_an_answer_that_is_refused() -> None:
    """It was read to its end: another request may use the connection by then."""
    body = gzip.compress(b"{}")[:-9]
    cut = raw(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    async with way_over("our own") as way, serving(cut, reply()) as server:
        with pytest.raises(AnswerLost, match="cut short"):
            await way.send(request(server.url, "GET", None))
        assert (await way.send(request(server.url, "GET", None))).status == 200
    assert server.connections == 1


# -- a client or a pool that is closed meanwhile -------------------------------------------------------


@pytest.mark.parametrize("kind", ["our own", "handed in"])
@pytest.mark.parametrize("phase", ["handshake", "answer"])
async def test_closing_breaks_off_what_is_under_way(phase: str, kind: str) -> None:
    """Not when its time runs out, ten seconds later."""
    began = asyncio.Event()

    async def slow(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(BEGUN if phase == "answer" else b"")
        await reader.read(1)
        began.set()
        await asyncio.Event().wait()

    async with way_over(kind) as way, serving(slow, read=False) as server:
        url = server.url if phase == "answer" else server.url.replace("http:", "https:")
        sending = asyncio.create_task(way.send(request(url, "GET", None)))
        await began.wait()
        await turns()
        await way.aclose()
        await turns()
        assert sending.done()
        with pytest.raises(AnswerLost if phase == "answer" else NotSent, match="the client was closed"):
            await sending


@pytest.mark.parametrize("kind", ["our own", "handed in"])
async def test_a_pool_that_is_closed_during_a_look_up_cancels_no_task(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiohttp raises `CancelledError` in a task that was not cancelled, whose owner would not learn of it."""
    asked = asyncio.Event()

    async def hang(*_: object, **__: object) -> list[object]:
        asked.set()
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", hang)
    async with way_over(kind) as way:
        sending = asyncio.create_task(way.send(request("http://gateway.invalid")))
        await asked.wait()
        (session,) = [vars(way)["_given"]] if kind == "handed in" else vars(way)["_own"].values()
        await session.close()
        with pytest.raises(NotSent, match="the connections were closed"):
            await sending


async def test_a_request_that_is_cancelled_in_the_pool_is_cancelled() -> None:
    """By its own caller: that is reported as such."""
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(connector=connector) as session, serving(silence()) as server:
        way = AiohttpTransport(session=session)
        tasks = [asyncio.create_task(way.send(request(server.url))) for _ in range(2)]
        while not (server.heard and vars(connector)["_waiters"]):
            await asyncio.sleep(0)
        for task in reversed(tasks):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    assert len(server.heard) == 1


async def test_an_unrequested_answer_is_not_taken_for_the_next_one() -> None:
    """It stays on a kept connection until another request, perhaps of another taxpayer, would read it."""
    second = asyncio.Event()

    async def answers_twice(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reply(b"first")(server, reader, writer)
        await second.wait()
        await reply(b"first, again")(server, reader, writer)

    transport = AiohttpTransport(timeouts=LIMITS)
    async with serving(answers_twice, reply(b"second")) as server:
        assert (await transport.send(request(server.url))).body == b"first"
        second.set()
        await turns()
        assert (await transport.send(request(server.url))).body == b"second"
        assert server.connections == 2
        await transport.aclose()


def change(url: str) -> Request:
    """Return a save."""
    return Request(operation="save", method="PUT", url=url + "/save", body=b"{}", changes=True)


async def test_each_change_has_a_connection_of_its_own() -> None:
    """A kept one may be dropped just as it is used, which would leave the change unknown for nothing."""
    transport = AiohttpTransport(timeouts=LIMITS)
    async with serving(reply(b"{}")) as server:
        await transport.send(request(server.url, "GET", None))
        await transport.send(change(server.url))
        await transport.send(change(server.url))
        await transport.send(request(server.url, "GET", None))
        assert server.connections == 3
        await transport.aclose()


async def test_a_change_whose_turn_comes_too_late_does_not_leave() -> None:
    """It must not take effect after a look for its effects half an hour after the claim."""
    now, hold = 1000.0, asyncio.Event()

    async def held(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hold.wait()
        await reply(b"{}")(server, reader, writer)

    transport = AiohttpTransport(timeouts=LIMITS, connections=1, clock=lambda: now)
    async with serving(held, reply(b"{}")) as server:
        ahead = asyncio.create_task(transport.send(request(server.url, "GET", None)))
        await turns()
        late = asyncio.create_task(transport.send(change(server.url)))
        await turns()
        now += 151.0
        hold.set()
        await ahead
        with pytest.raises(NotSent, match="later than 150 s"):
            await late
        assert len(server.heard) == 1
        await transport.aclose()


async def test_a_change_is_not_waited_for_without_end(time: Skips) -> None:
    """However steadily its answer drips in, and reads may take as long as they need."""
    parts = [b"x"] * 100
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
    transport = AiohttpTransport(timeouts=LIMITS)
    drip = steps(head, *parts, before=time.skip(9.5))
    async with serving(drip) as server:
        assert (await transport.send(request(server.url, "GET", None))).body == b"x" * 100
        with pytest.raises(AnswerLost, match="not answered within 900 s"):
            await transport.send(change(server.url))
        await transport.aclose()
