"""Serve the door on a loopback socket. aiohttp is imported only when a server starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

    from .door import Door

_MAX_BODY = 256 * 1024 * 1024


class Server:
    """A socket on 127.0.0.1 in front of the door."""

    def __init__(self, door: Door, port: int = 0) -> None:
        self._door = door
        self._port = port
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Listen, on a free port unless one was given, and return the address."""
        from aiohttp import web

        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        except OSError:
            await self.stop()
            raise
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Close the socket and what is connected to it."""
        runner, self._runner = self._runner, None
        if runner:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        from aiohttp import web

        body = await request.read()
        status, headers, content = self._door.handle(request.method, request.raw_path, request.headers, body)
        return web.Response(status=status, headers=headers, body=content)
