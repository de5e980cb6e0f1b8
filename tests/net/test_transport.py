"""The transport: how far a request got is always known, and nothing of aiohttp's or of ours gets out."""

from __future__ import annotations

import asyncio
import gc
import gzip
import socket
import subprocess
import sys
import traceback
import tracemalloc
import weakref
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest

from ims_async.errors import ClientClosed, GatewayUnavailable, InvalidInput, NotSent, UnexpectedAnswer
from ims_async.gsp.base import Request
from ims_async.net.aiohttp import AiohttpTransport
from ims_async.net.policies import Timeouts
from ims_async.net.transport import AnswerLost, Handler, KeptConnectionLost, MemoryTransport, Transport

from ..support.loops import EVERY_LOOP
from ..support.sockets import (
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

SECRETS = ("key_of_mine", "token_of_mine", "otp_of_mine")
pytestmark = EVERY_LOOP
LIMITS = Timeouts(connect=10.0, read=10.0)  # seconds that are skipped, not waited for


def request(
    server: Server | str,
    method: str = "GET",
    *,
    path: str = "/count",
    body: bytes | None = None,
    **facts: Any,
) -> Request:
    """Return a request that carries a secret wherever one can be."""
    return Request(
        operation="count",
        method=method,
        url=(server if isinstance(server, str) else server.url) + path,
        body=body,
        **{
            "query": {"otp": "otp_of_mine"},
            "headers": {"x-api-key": "key_of_mine", "authorization": "token_of_mine"},
            **facts,
        },
    )


@pytest.fixture
async def transport() -> AsyncIterator[AiohttpTransport]:
    """A transport with a pool of its own, and limits that only skipped time reaches."""
    way = AiohttpTransport(timeouts=LIMITS)
    yield way
    await way.aclose()


@pytest.fixture
async def time() -> AsyncIterator[Skips]:
    """The loop's clock, to be skipped."""
    with skipping_time() as skips:
        yield skips


async def failure(way: Transport, wanted: Request) -> Exception:
    """Return what a request raises, after looking for what must not be in it."""
    with pytest.raises((NotSent, AnswerLost, UnexpectedAnswer)) as caught:
        await way.send(wanted)
    error = caught.value
    shown = [str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)]
    assert not [secret for secret in SECRETS if any(secret in text for text in shown)]
    assert error.__cause__ is None
    assert error.__context__ is None
    return error


# -- one pool of connections ---------------------------------------------------------------------------


def test_aiohttp_is_not_imported_before_sending() -> None:
    """Importing the library, making a client and a transport import no aiohttp."""
    code = (
        "import sys; from ims_async import ImsClient, Sandbox;"
        "from ims_async.net.aiohttp import AiohttpTransport;"
        "ImsClient(Sandbox('k', 's')); AiohttpTransport(); sys.exit('aiohttp' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_one_session_is_made_when_the_first_request_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many go, at once or in turn; and none is made by closing."""
    made: list[aiohttp.ClientSession] = []
    real = aiohttp.ClientSession

    def counting(**facts: Any) -> aiohttp.ClientSession:
        made.append(real(**facts))
        return made[-1]

    monkeypatch.setattr(aiohttp, "ClientSession", counting)
    unused = AiohttpTransport()
    await unused.aclose()
    assert not made
    way = AiohttpTransport()
    async with serving(reply()) as server:
        await asyncio.gather(*(way.send(request(server)) for _ in range(3)))
        await way.send(request(server))
        await way.aclose()
    assert len(made) == 1
    assert made[0].closed


async def test_connections_are_kept_and_then_closed() -> None:
    """Requests in turn share one connection, which closing ends; closing twice is fine."""
    way = AiohttpTransport()
    async with serving(reply()) as server:
        for _ in range(3):
            await way.send(request(server))
        assert server.connections == 1
        await way.aclose()
        await way.aclose()
        while not server.closed:
            await asyncio.sleep(0)
    assert isinstance(way, Transport)


async def test_a_closed_transport_opens_nothing_again() -> None:
    """Neither for a new request nor for one that was waiting for a slot when it closed."""
    way = AiohttpTransport(connections=1)
    async with serving(silence()) as server:
        under_way = asyncio.create_task(way.send(request(server)))
        waiting = asyncio.create_task(way.send(request(server)))
        while not server.heard:
            await asyncio.sleep(0)
        await way.aclose()
        with pytest.raises(AnswerLost):
            await under_way
        with pytest.raises(ClientClosed):
            await waiting
        with pytest.raises(ClientClosed):
            await way.send(request(server))
    assert server.connections == 1


async def test_a_session_that_was_handed_in_stays_open() -> None:
    """It is used, and closing the transport leaves it to its owner."""
    async with aiohttp.ClientSession() as session, serving(reply()) as server:
        way = AiohttpTransport(session=session)
        assert (await way.send(request(server))).status == 200
        await way.aclose()
        assert not session.closed
        async with session.get(server.url) as answer:
            assert answer.status == 200
    assert server.connections == 1


async def test_a_session_that_its_owner_closed_is_said_to_be_closed() -> None:
    """In words of ours, not as aiohttp's RuntimeError."""
    session = aiohttp.ClientSession()
    await session.close()
    with pytest.raises(ClientClosed, match="handed in is closed"):
        await AiohttpTransport(session=session).send(request("http://127.0.0.1:9"))


async def test_the_habits_of_a_handed_in_session_do_not_matter() -> None:
    """It may raise on errors, unpack by itself and time out: the answer is read our way all the same."""
    body = gzip.compress(b'{"code":403}')
    answer = reply(body, status="403 Forbidden", headers="Content-Encoding: gzip\r\n")
    async with (
        aiohttp.ClientSession(raise_for_status=True, timeout=aiohttp.ClientTimeout(total=1e-9)) as session,
        serving(answer) as server,
    ):
        response = await AiohttpTransport(session=session).send(request(server))
    assert (response.status, response.body) == (403, b'{"code":403}')


async def test_a_handed_in_session_keeps_its_own_middlewares() -> None:
    """Ours stands in front of them, and two transports over one session do not add up."""
    seen: list[str] = []

    async def middleware(
        going: aiohttp.ClientRequest, handler: Callable[[Any], Any]
    ) -> aiohttp.ClientResponse:
        seen.append(going.method)
        answer: aiohttp.ClientResponse = await handler(going)
        return answer

    async with aiohttp.ClientSession(middlewares=(middleware,)) as session, serving(reply()) as server:
        for _ in range(2):
            await AiohttpTransport(session=session).send(request(server))
        assert len(session.trace_configs) == 1
    assert seen == ["GET", "GET"]


# -- what goes out and what comes in -------------------------------------------------------------------


async def test_the_request_arrives_to_the_byte(transport: AiohttpTransport) -> None:
    """The query as it was encoded, the headers as they were spelled, the token without `Bearer`."""
    wanted = request(
        "",
        "POST",
        path="/a%2Fb/status/save",
        query={"otp": "007", "number": "A/1 &é"},
        headers={"x-api-key": "K", "Authorization": "raw.token", "X-Api-Version": "1.0.0"},
        body=b'{"v":1.10}',
    )
    async with serving(reply()) as server:
        await transport.send(
            Request(
                operation="save",
                method=wanted.method,
                url=server.url + wanted.url,
                query=wanted.query,
                headers=wanted.headers,
                body=wanted.body,
            )
        )
    (heard,) = server.heard
    assert heard.line == "POST /a%2Fb/status/save?otp=007&number=A%2F1+%26%C3%A9 HTTP/1.1"
    assert {("x-api-key", "K"), ("Authorization", "raw.token"), ("X-Api-Version", "1.0.0")} <= {
        *heard.headers
    }
    assert heard.body == b'{"v":1.10}'


async def test_the_answer_is_handed_over_whole(transport: AiohttpTransport) -> None:
    """Status, header names in lower case, body, and the time at which it was there."""
    way = AiohttpTransport(clock=lambda: 1746530932.0)
    async with serving(reply(b"[1]", status="422 No", headers="X-RateLimit-Reset: 7\r\n")) as server:
        response = await way.send(request(server))
        await way.aclose()
    assert (response.status, response.body, response.received_at) == (422, b"[1]", 1746530932.0)
    assert response.headers["x-ratelimit-reset"] == "7"


async def test_a_request_without_body_says_nothing_about_its_type(transport: AiohttpTransport) -> None:
    """A gateway that checks the type would refuse the one that aiohttp makes up."""
    async with serving(reply()) as server:
        await transport.send(request(server, "POST"))
    assert server.heard[0].header("content-type") is None


async def test_a_save_of_megabytes_arrives_whole_and_without_a_warning(transport: AiohttpTransport) -> None:
    """aiohttp warns of large bodies handed over in one piece; they stall the loop."""
    body = bytes(range(256)) * 16_000
    async with serving(reply()) as server:
        await transport.send(request(server, "POST", body=body))
    assert server.heard[0].body == body
    assert server.heard[0].header("content-length") == str(len(body))


async def test_an_answer_that_comes_before_the_body_is_sent_is_taken(transport: AiohttpTransport) -> None:
    """A gateway may refuse a size as soon as it has seen the headers."""

    async def early(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}")
        await asyncio.Event().wait()

    async with serving(early, read=False) as server:
        response = await transport.send(request(server, "POST", body=b"x" * 10_000_000))
    assert (response.status, response.body) == (413, b"{}")


async def test_redirects_are_not_followed(transport: AiohttpTransport) -> None:
    """The key and the token would travel along."""
    async with serving(reply()) as other:
        moved = reply(status="307 Moved", headers=f"Location: {other.url}/elsewhere\r\n")
        async with serving(moved) as server:
            assert (await transport.send(request(server))).status == 307
    assert not other.heard


async def test_no_cookie_is_sent_back(transport: AiohttpTransport) -> None:
    """One taxpayer's cookie would go out with another's request."""
    async with serving(reply(headers="Set-Cookie: who=taxpayer1; Path=/\r\n")) as server:
        for _ in range(2):
            await transport.send(request(server.url.replace("127.0.0.1", "localhost")))
    assert [heard.header("cookie") for heard in server.heard] == [None, None]
    assert not list(vars(transport)["_own"][False].cookie_jar)


async def test_the_cookies_of_a_handed_in_session_are_not_sent() -> None:
    """Though its owner's own requests have them."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with (
        aiohttp.ClientSession(cookie_jar=jar, cookies={"mine": "1"}) as session,
        serving(reply(headers="Set-Cookie: who=taxpayer1; Path=/\r\n")) as server,
    ):
        way = AiohttpTransport(session=session)
        await way.send(request(server))
        await way.send(request(server))
        async with session.get(server.url):
            pass
    cookies = [heard.header("cookie") for heard in server.heard]
    assert cookies[:2] == [None, None]
    assert "mine=1" in (cookies[2] or "")


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_proxy_of_the_environment_is_used_when_it_is_trusted(
    trusted: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And only then; what ~/.netrc has for the host never takes the token's place."""
    for name in ("NO_PROXY", "no_proxy", "http_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password else\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    async with serving(reply()) as proxy, serving(reply()) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("//", "//me:pass@"))
        way = AiohttpTransport(trust_env=trusted)
        await way.send(request(server))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        await way.send(request(server))
        await way.aclose()
    assert len(proxy.heard) == trusted
    if trusted:
        assert proxy.heard[0].line == f"GET {server.url}/count?otp=otp_of_mine HTTP/1.1"
        assert proxy.heard[0].header("proxy-authorization") is not None
    for heard in (*proxy.heard, *server.heard):
        assert heard.header("authorization") == "token_of_mine"


# -- limits on single steps, none on the whole ---------------------------------------------------------


async def test_a_slow_but_steady_answer_may_take_longer_than_the_limit(
    transport: AiohttpTransport, time: Skips
) -> None:
    """Ten parts, six seconds apart, under a limit of ten seconds."""
    parts = [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", *(b"%d" % digit for digit in range(9))]
    async with serving(steps(*parts, before=time.skip(6.0))) as server:
        assert (await transport.send(request(server))).body == b"012345678"


async def test_a_slow_but_steady_upload_may_take_longer_than_the_limit(time: Skips) -> None:
    """The server takes the body in sips, six seconds apart."""

    async def sip(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(4):
            await reader.readexactly(1_000_000)
            time.skip(6.0)()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=small_socket)) as session,
        serving(sip, read=False) as server,
    ):
        way = AiohttpTransport(session=session, timeouts=LIMITS)
        response = await way.send(request(server, "POST", body=b"x" * 4_000_000))
    assert response.status == 200


async def test_silence_before_the_answer_has_a_limit() -> None:
    """In real time, once: a tenth of a second."""
    way = AiohttpTransport(timeouts=Timeouts(read=0.1))
    async with serving(silence()) as server:
        assert str(await failure(way, request(server))) == (
            "no whole answer to count came back from 127.0.0.1: silence for 0.1 s"
        )
        while not server.closed:  # the connection is not used again
            await asyncio.sleep(0)
        await way.aclose()


async def test_silence_in_the_middle_of_an_answer_has_a_limit(
    transport: AiohttpTransport, time: Skips
) -> None:
    """Half an answer is none."""

    async def half(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
        await turns()
        await silence(time.skip(11.0))(server, reader, writer)

    async with serving(half) as server:
        assert isinstance(await failure(transport, request(server)), AnswerLost)


async def test_a_server_that_stops_reading_is_given_up(transport: AiohttpTransport, time: Skips) -> None:
    """aiohttp alone would wait for ever while a body is being sent."""

    async def stalled(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(50):  # until all that lies between is full, and then for longer than the limit
            await turns()
            time.skip(1.0)()
        await asyncio.Event().wait()

    async with serving(stalled, read=False) as server:
        error = await failure(transport, request(server, "POST", body=b"x" * 30_000_000))
    assert isinstance(error, AnswerLost)


async def test_connecting_has_a_limit_with_tls_and_all(transport: AiohttpTransport, time: Skips) -> None:
    """The server takes the connection and never says hello."""
    async with serving(silence(time.skip(11.0)), read=False) as server:
        error = await failure(transport, request(server.url.replace("http:", "https:")))
    assert isinstance(error, NotSent)
    assert "no connection within 10 s" in str(error)


async def test_looking_up_the_host_has_a_limit(
    transport: AiohttpTransport, time: Skips, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resolver that does not answer is part of connecting."""

    async def hang(*_: object, **__: object) -> list[object]:
        time.skip(11.0)()
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", hang)
    error = await failure(transport, request("http://gateway.invalid"))
    assert isinstance(error, NotSent)


async def test_queueing_for_a_slot_does_not_eat_the_time_of_a_request(time: Skips) -> None:
    """One slot, answers of six seconds, a limit of ten: the fourth queues for eighteen."""
    way = AiohttpTransport(connections=1, timeouts=LIMITS)
    slowly = steps(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", before=time.skip(6.0))
    async with serving(slowly) as server:
        answers = await asyncio.gather(*(way.send(request(server)) for _ in range(4)))
        await way.aclose()
    assert [answer.status for answer in answers] == [200] * 4


async def test_nor_does_queueing_in_the_pool_of_a_handed_in_session(time: Skips) -> None:
    """Its connector may allow less than we would use."""
    slowly = steps(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", before=time.skip(6.0))
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session,
        serving(slowly) as server,
    ):
        way = AiohttpTransport(session=session, timeouts=LIMITS)
        answers = await asyncio.gather(*(way.send(request(server)) for _ in range(4)))
    assert [answer.status for answer in answers] == [200] * 4


@pytest.mark.parametrize("facts", [{"connect": 0.0}, {"read": -1.0}, {"read": float("nan")}])
def test_a_limit_that_cannot_be_kept_is_refused(facts: dict[str, float]) -> None:
    """Zero would mean "none" to some and "at once" to others."""
    with pytest.raises(InvalidInput, match="more than 0 seconds"):
        Timeouts(**facts)


# -- the size of answers -------------------------------------------------------------------------------


def packed(body: bytes, encoding: str = "gzip") -> bytes:
    """Return an answer whose body is packed already."""
    return (
        f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


async def test_an_answer_over_the_limit_is_refused() -> None:
    """One of exactly the limit is not; the next request gets another connection."""
    way = AiohttpTransport(max_answer=1000)
    async with serving(reply(b"x" * 1001), reply(b"x" * 1000)) as server:
        assert "longer than 1,000 bytes" in str(await failure(way, request(server)))
        assert len((await way.send(request(server))).body) == 1000
        await way.aclose()


async def test_a_packed_answer_is_unpacked(transport: AiohttpTransport) -> None:
    """Also one of several members, as a gateway may join them; and what is not packed stays as it is."""
    text = b'{"n":1}' * 500_000
    members = gzip.compress(text[:9]) + gzip.compress(text[9:])
    answers = (packed(members), packed(text, "identity"), packed(b""))
    async with serving(*map(raw, answers)) as server:
        bodies = [(await transport.send(request(server))).body for _ in answers]
    assert bodies == [text, text, b""]
    assert server.heard[0].header("accept-encoding") == "gzip"


async def test_a_bomb_is_refused_without_going_off() -> None:
    """A quarter of a gigabyte in 256 kB: refused at one megabyte, with a few more in memory."""
    pump = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join([*(pump.compress(bytes(1 << 20)) for _ in range(256)), pump.flush()])
    assert len(bomb) < 300_000
    way = AiohttpTransport(max_answer=1_000_000)
    async with serving(raw(packed(bomb))) as server:
        tracemalloc.start()
        try:
            error = await failure(way, request(server))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        await way.aclose()
    assert isinstance(error, UnexpectedAnswer)
    assert peak < 8_000_000


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (packed(gzip.compress(b'{"n":1}')[:-9]), AnswerLost),
        (packed(b"this is not gzip"), AnswerLost),
        (packed(b"...", "br"), UnexpectedAnswer),
    ],
    ids=["cut short", "not gzip", "not asked for"],
)
async def test_a_packed_answer_that_cannot_be_unpacked_is_no_answer(
    content: bytes, kind: type[Exception], transport: AiohttpTransport
) -> None:
    """zlib itself does not mind an end in the middle, and neither does aiohttp."""
    async with serving(raw(content)) as server:
        assert type(await failure(transport, request(server))) is kind


@pytest.mark.parametrize(
    ("begin", "line"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-More: %s\r\n" % (b"x" * 1000)),
        (b"HTTP/1.1 200 OK\r\nX-One: ", b"x" * 1000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-More: %s\r\n" % (b"x" * 1000)),
    ],
    ids=["headers", "one header", "trailers"],
)
async def test_a_head_without_end_is_refused(begin: bytes, line: bytes, transport: AiohttpTransport) -> None:
    """Within a megabyte, of the 64 that this server would send: releases before 3.13.4 took any number."""
    written = 0

    async def endless(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(begin)
        while written < 64_000_000 and not writer.is_closing():
            writer.write(line * 10)
            written += len(line) * 10
            await writer.drain()
        writer.close()

    async with serving(endless) as server:
        assert isinstance(await failure(transport, request(server)), AnswerLost)
        await turns()
    assert written < 1_000_000


# -- how far a request got -----------------------------------------------------------------------------


async def test_a_host_that_is_not_found_means_not_sent(
    transport: AiohttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error has the failure and the host, not the path."""

    async def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    error = await failure(transport, request("http://gateway.invalid", path="/gst/otp_of_mine"))
    assert isinstance(error, NotSent)
    assert "Name or service not known" in str(error)
    assert "for gateway.invalid" in str(error)
    assert "otp_of_mine" not in str(error)


async def test_a_refused_connection_means_not_sent(transport: AiohttpTransport) -> None:
    """No server listens there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    error = await failure(transport, request(f"http://127.0.0.1:{port}"))
    assert isinstance(error, NotSent)
    assert "never left this machine" in str(error)


async def test_an_untrusted_certificate_means_not_sent(transport: AiohttpTransport) -> None:
    """TLS is verified: the server sees no request."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)  # the server's side of the broken handshake
    async with serving(reply(), tls=True) as server:
        assert isinstance(await failure(transport, request(server)), NotSent)
    assert not server.heard


async def test_a_server_without_tls_means_not_sent(transport: AiohttpTransport) -> None:
    """It answers the handshake with something else."""
    async with serving(drop(b"HTTP/1.1 400 Bad Request\r\n\r\n"), read=False) as server:
        error = await failure(transport, request(server.url.replace("http:", "https:")))
    assert isinstance(error, NotSent)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1\ud800", "http://127.0.0.1:99999/x", "http://[::1/x", "http:///x", "x"],
    ids=["not text", "no such port", "not closed", "no host", "no URL"],
)
async def test_an_address_that_is_none_means_not_sent(url: str, transport: AiohttpTransport) -> None:
    """Whatever is raised on the way: it had not left."""
    assert isinstance(await failure(transport, request(url, path="")), NotSent)


@pytest.mark.parametrize(
    "answer",
    [
        drop(),
        drop(b"HTTP/1.1 200 OK\r\nContent-Le"),
        drop(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"),
        drop(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"),
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{"),
        raw(b"220 mail.example ESMTP otp_of_mine\r\n\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nX: " + b"token_of_mine" * 10_000 + b"\r\n\r\n"),
    ],
    ids=["nothing", "half a head", "half a body", "half a chunk", "bad chunk", "not HTTP", "endless header"],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
async def test_a_request_that_left_without_a_whole_answer_means_the_answer_is_lost(
    answer: Any, method: str, transport: AiohttpTransport
) -> None:
    """It may have taken effect: that is not for the transport to say."""
    async with serving(answer) as server:
        error = await failure(transport, request(server, method, body=b"{}" if method != "GET" else None))
    assert isinstance(error, AnswerLost)
    assert isinstance(error, GatewayUnavailable)
    assert len(server.heard) == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
@pytest.mark.parametrize("handed_in", [True, False])
async def test_a_request_whose_kept_connection_is_dropped_is_seen_once(method: str, handed_in: bool) -> None:
    """aiohttp would send it again by itself; whether to is ours to decide.

    Where the pool is ours, only what may be repeated goes over a connection that was used before.
    """
    async with aiohttp.ClientSession() as session, serving(reply(), drop(), reply()) as server:
        way = AiohttpTransport(session=session if handed_in else None)
        body = b"{}" if method != "GET" else None
        assert (await way.send(request(server))).status == 200
        reused = handed_in or method == "GET"
        lost = await failure(way, request(server, method, body=body))
        assert type(lost) is (KeptConnectionLost if reused else AnswerLost)
        assert server.connections == (1 if reused else 2)
        assert [line.split()[0] for line in server.lines] == ["GET", method]
        assert (await way.send(request(server))).status == 200
        await way.aclose()


async def test_a_line_break_in_a_header_is_named_and_not_sent(transport: AiohttpTransport) -> None:
    """A token that was pasted badly; its value is not shown."""
    async with serving(reply()) as server:
        with pytest.raises(InvalidInput, match="header authorization of count holds a line break") as caught:
            await transport.send(request(server, headers={"authorization": "token_of_mine\r\nx: y"}))
    assert "token_of_mine" not in str(caught.value)
    assert not server.connections


async def test_a_cancelled_request_gives_up_its_slot_and_connection(time: Skips) -> None:
    """The next one is not held up."""
    way = AiohttpTransport(connections=1, timeouts=LIMITS)
    async with serving(silence(), reply()) as server:
        sending = asyncio.create_task(way.send(request(server)))
        while not server.heard:
            await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert (await way.send(request(server))).status == 200
        await way.aclose()


async def test_a_failure_dies_with_its_last_reader(transport: AiohttpTransport) -> None:
    """No ring of references keeps its frames, and the body in them, until the collector comes by."""
    async with serving(drop()) as server:
        await failure(transport, request(server))
        gc.collect()
        gc.disable()
        try:
            try:
                await transport.send(request(server))
            except AnswerLost as error:
                left = weakref.ref(error)
            assert left() is None
        finally:
            gc.enable()


# -- in memory -----------------------------------------------------------------------------------------


class Echo:
    """A handler that answers with the request."""

    def handle(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Answer with the question."""
        return 200, {"X-Asked": f"{method} {path} {sorted(headers)}"}, body


async def test_memory_takes_the_same_bytes_as_a_socket() -> None:
    """Path and query as on the wire, header names in lower case both ways, no body as an empty one."""
    handler = Echo()
    assert isinstance(handler, Handler)
    way = MemoryTransport(handler, clock=lambda: 12.0)
    assert isinstance(way, Transport)
    response = await way.send(request("https://gateway.example", headers={"X-Api-Key": "k"}))
    assert response.headers == {"x-asked": "GET /count?otp=otp_of_mine ['x-api-key']"}
    assert (response.body, response.received_at) == (b"", 12.0)
    await way.aclose()


async def test_memory_answers_after_others_had_a_turn() -> None:
    """As a socket does: code that counts on an answer at once would fail with one."""
    order: list[str] = []

    async def sending() -> None:
        order.append("asked")
        await MemoryTransport(Echo()).send(request("https://gateway.example"))
        order.append("answered")

    await asyncio.gather(sending(), sending())
    assert order == ["asked", "asked", "answered", "answered"]


@attrs.frozen
class Behaves:
    """A handler that raises, or answers, what a test sets."""

    outcome: Exception | tuple[int, dict[str, str], bytes]

    def handle(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Do so."""
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


async def failure_of(handler: Handler, **facts: Any) -> Exception:
    """Return what a request to a handler raises."""
    return await failure(MemoryTransport(handler, **facts), request("https://gateway.example", "POST"))


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (ConnectionRefusedError(111, "token_of_mine"), NotSent),
        (ConnectionResetError("otp_of_mine"), AnswerLost),
        (ConnectionAbortedError(), AnswerLost),
        (BrokenPipeError(), AnswerLost),
        (TimeoutError("otp_of_mine"), AnswerLost),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_memory_loses_a_connection_as_a_socket_does(raised: Exception, kind: type[Exception]) -> None:
    """Only a refused connection did not reach the handler."""
    error = await failure_of(Behaves(raised))
    assert type(error) is kind
    assert str(error) == (
        f"count never left this machine for gateway.example: {type(raised).__name__}"
        if kind is NotSent
        else f"no whole answer to count came back from gateway.example: {type(raised).__name__}"
    )


async def test_a_mistake_in_a_handler_is_no_lost_connection() -> None:
    """It is raised as it is, or a test over a broken handler would pass."""
    with pytest.raises(KeyError, match="a mistake"):
        await MemoryTransport(Behaves(KeyError("a mistake"))).send(request("https://gateway.example"))


@pytest.mark.parametrize("name", ["Content-Encoding", "content-encoding"])
async def test_memory_unpacks_an_answer(name: str) -> None:
    """Up to exactly the limit, which counts what is unpacked."""
    way = MemoryTransport(Behaves((200, {name: "gzip"}, gzip.compress(bytes(1000)))), max_answer=1000)
    assert (await way.send(request("https://gateway.example"))).body == bytes(1000)


@pytest.mark.parametrize(
    ("body", "encoding", "kind"),
    [
        (gzip.compress(bytes(1001)), "gzip", UnexpectedAnswer),
        (bytes(1001), "identity", UnexpectedAnswer),
        (gzip.compress(b"{}")[:-9], "gzip", AnswerLost),
        (b"this is not gzip", "gzip", AnswerLost),
        (b"...", "br", UnexpectedAnswer),
    ],
    ids=["bomb", "long", "cut short", "not gzip", "not asked for"],
)
async def test_memory_refuses_an_answer_as_a_socket_does(
    body: bytes, encoding: str, kind: type[Exception]
) -> None:
    """The same bytes, the same error."""
    handler = Behaves((200, {"Content-Encoding": encoding}, body))
    assert type(await failure_of(handler, max_answer=1000)) is kind
