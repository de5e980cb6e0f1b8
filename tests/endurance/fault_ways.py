"""What the fault matrix needs beside the simulator: time that hurries, and trouble on the way to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import attrs

from ims_async.gsp.base import Needs, Request, Response
from ims_async.net.aiohttp import AiohttpTransport
from ims_async.net.transport import Transport

from ..support.loops import due, idle
from ..support.sockets import Answer, Server, Skips, drop, reply, serving, silence, skipping_time


@contextlib.asynccontextmanager
async def hurrying() -> AsyncIterator[None]:
    """Let time jump to the next timer whenever nobody on this loop has anything left to do before it.

    Both ends of every socket must be on this loop, so that nothing is under way where the loop is idle.
    """
    with skipping_time() as time:
        jumping = asyncio.create_task(_jump(time))
        try:
            yield
        finally:
            jumping.cancel()
            await asyncio.wait([jumping])


async def _jump(time: Skips) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await idle(loop)
        next_due = due(loop)
        if next_due is not None and next_due > loop.time():
            time.skip(next_due - loop.time())()


class Detour:
    """A transport that leads requests of one operation elsewhere, as long as there are any left to lead."""

    def __init__(self, way: Transport) -> None:
        self._way = way
        self._operation, self._url, self._left = "", "", 0
        self.taken = 0

    def lead(self, operation: str, url: str, count: int) -> None:
        """Send the next so many requests of an operation to another server."""
        self._operation, self._url, self._left = operation, url, count

    async def send(self, request: Request) -> Response:
        """Send, elsewhere or not."""
        if self._left and request.operation == self._operation:
            self._left, self.taken = self._left - 1, self.taken + 1
            request = attrs.evolve(request, url=self._url + urlsplit(request.url).path)
        return await self._way.send(request)

    async def aclose(self) -> None:
        """Close the way behind it."""
        await self._way.aclose()


@dataclass
class Seen:
    """How many requests began to arrive at a server that never answers one."""

    count: int = 0


Trouble = Callable[[Seen, Transport], contextlib.AbstractAsyncContextManager[str]]
"""Something that goes wrong on the way: entered, it is the address to lead requests to; "" leaves them."""


@contextlib.asynccontextmanager
async def no_such_host(seen: Seen, way: Transport) -> AsyncIterator[str]:
    """The resolver does not know the host."""

    loop = asyncio.get_running_loop()
    real = loop.getaddrinfo

    async def look_up(host: str, *asked: Any, **facts: Any) -> Any:
        if host == "gateway.invalid":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return await real(host, *asked, **facts)

    vars(loop)["getaddrinfo"] = look_up
    try:
        yield "http://gateway.invalid"
    finally:
        del vars(loop)["getaddrinfo"]


@contextlib.asynccontextmanager
async def nobody_listens(seen: Seen, way: Transport) -> AsyncIterator[str]:
    """The port is closed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{free.getsockname()[1]}"


@contextlib.asynccontextmanager
async def unknown_certificate(seen: Seen, way: Transport) -> AsyncIterator[str]:
    """The server's certificate is vouched for by nobody."""
    # The server's side of the broken handshake, which may be told late: this loop is one cell's alone.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    async with serving(reply(), tls=True) as server:
        yield server.url
        seen.count += len(server.heard)


@contextlib.asynccontextmanager
async def no_handshake(seen: Seen, way: Transport) -> AsyncIterator[str]:
    """The server takes the connection and never says hello."""
    async with serving(silence(), read=False) as server:
        yield server.url.replace("http:", "https:")


@contextlib.asynccontextmanager
async def busy_pool(seen: Seen, way: Transport) -> AsyncIterator[str]:
    """The only connection is taken, for most of the time that a request may be silent."""

    async def late(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(50.0)
        await reply()(server, reader, writer)

    async with serving(late) as server:
        first = asyncio.create_task(
            way.send(Request(operation="other", method="GET", url=server.url, needs=Needs.NONE))
        )
        while not server.heard:
            await asyncio.sleep(0)
        yield ""
        await first


def _taking(answer: Callable[[Seen], Answer]) -> Trouble:
    @contextlib.asynccontextmanager
    async def trouble(seen: Seen, way: Transport) -> AsyncIterator[str]:
        async with serving(answer(seen), read=False) as server:
            yield server.url

    return trouble


def _nothing(seen: Seen) -> Answer:
    return drop()


def _half_a_head(seen: Seen) -> Answer:
    async def answer(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(40)
        seen.count += 1
        writer.transport.abort()

    return answer


def _half_a_body(seen: Seen) -> Answer:
    async def answer(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"content-length:")[2].split()
        await reader.readexactly(int(length[0]) // 2 if length else 0)
        seen.count += 1
        writer.transport.abort()

    return answer


nothing_taken, half_a_head, half_a_body = map(_taking, (_nothing, _half_a_head, _half_a_body))


def one_connection(clock: Callable[[], float]) -> AiohttpTransport:
    """Return a transport over real sockets that uses one connection at a time."""
    return AiohttpTransport(connections=1, clock=clock)
