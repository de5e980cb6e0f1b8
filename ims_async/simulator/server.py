"""Serve the router on a loopback socket. aiohttp is imported only when a server starts."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

    from .faults import Fault
    from .http import Answer, Router

_MAX_BODY = 256 * 1024 * 1024


class Server:
    """An HTTP server on 127.0.0.1 that passes requests to the router."""

    def __init__(self, router: Router, port: int = 0) -> None:
        self._router = router
        self._port = port
        self._runner: web.AppRunner | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """The address; raises `RuntimeError` for a server that does not listen."""
        if not self._url:
            raise RuntimeError(
                "The simulator listens only inside `async with`; `transport` works without it."
            )
        return self._url

    async def start(self) -> None:
        """Listen, on a free port unless one was given."""
        from aiohttp import web

        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._answer)
        # A handler is cancelled when its caller disconnects: no handler goes on waiting.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        # In a task of its own: asyncio leaks a socket if its opening is cancelled.
        opening = asyncio.create_task(self._open(self._runner))
        try:
            await asyncio.shield(opening)
        except BaseException:
            await asyncio.wait([opening])
            await self.stop()
            raise
        self._url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _open(self, runner: web.AppRunner) -> None:
        from aiohttp import web

        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self._port).start()

    async def stop(self) -> None:
        """Close the socket and its connections."""
        self._url = ""
        if self._runner:
            await self._runner.cleanup()
            self._runner = None  # only now: if this call is cancelled, the next one cleans up

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        answer, fault = self._router.receive(request.method, request.raw_path, request.headers, body)
        return _whole(answer) if fault is None else await _faulted(request, answer, fault)


def _whole(answer: Answer) -> web.Response:
    from aiohttp import web

    status, headers, content = answer
    return web.Response(status=status, headers=headers, body=content)


async def _faulted(request: web.Request, answer: Answer, fault: Fault) -> web.StreamResponse:
    """Apply a fault; the handler is cancelled if the caller disconnects."""
    if fault.way == "silence":
        await asyncio.Event().wait()
    if fault.way == "slow":
        return await _slowly(request, answer, fault)
    wire = request.transport
    if wire is None or fault.way == "drop":
        return _hung_up(wire)
    if fault.way == "truncate":
        wire.write(_written(answer, min(fault.size, len(answer[2]) - 1)))
        return _hung_up(wire)
    if fault.way == "twice":
        wire.write(_written(answer, len(answer[2])))
    if fault.seconds:
        await asyncio.sleep(fault.seconds)
    return _whole(answer)


def _hung_up(wire: asyncio.Transport | None) -> web.Response:
    if wire:
        wire.close()
    return _whole((200, {}, b""))  # never sent: the connection is closed


def _written(answer: Answer, size: int) -> bytes:
    """Return the bytes of an answer, with its full Content-Length and `size` bytes of its body."""
    status, headers, content = answer
    lines = {**headers, "Content-Length": str(len(content))}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{head}\r\n".encode() + content[: max(size, 0)]


async def _slowly(request: web.Request, answer: Answer, fault: Fault) -> web.StreamResponse:
    from aiohttp import web

    status, headers, content = answer
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = len(content)
    await response.prepare(request)
    for start in range(0, len(content), fault.size):
        if start:
            await asyncio.sleep(fault.seconds)
        await response.write(content[start : start + fault.size])
    return response
