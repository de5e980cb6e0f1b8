"""What one request costs the client in CPU, beside bare HTTP clients: a poll of a job, over loopback.

Run as `python -m benchmarks.one_request`. The server is another process, and answers each request with the
same bytes; each contender keeps its connection, sends one request after another, and parses the answer. They
take turns in one process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from multiprocessing.connection import Connection
from typing import Any, Final

import aiohttp
import yarl

from ims_async import ImsClient, Sandbox
from ims_async.gsp.base import Request
from ims_async.net.aiohttp import AiohttpTransport

from . import peers, workload
from .bulk_http import served
from .measure import Row, Timing, show, take_turns

FLOOR: Final = "aiohttp, tuned, and json.loads (floor)"
OURS: Final = "ims_async, await job.refresh()"
GOAL: Final = 1.6
KEY: Final = "key_bench"
BODY: Final = json.dumps(
    {
        "code": 200,
        "timestamp": 1_732_000_000_000,
        "data": {"status_cd": "1", "data": {"status_cd": "IP", "transTypCd": "SAV"}},
        "transaction_id": "619ed667-3bc3-4fc2-954c-340174e52a53",
    }
).encode()
ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
)
PATH: Final = "/gst/compliance/tax-payer/invoices/status?reference_id=job1"
HEADERS: Final = {
    "Authorization": "token_bench",
    "x-api-key": KEY,
    "x-api-version": "1.0.0",
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
}

Send = Callable[[], Awaitable[object]]


# -- the server, in a process of its own -----------------------------------------------------------------


class Answering(asyncio.Protocol):
    """Answers whatever is asked; a request comes in one piece."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where answers go."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer at once."""
        assert data.endswith(b"\r\n\r\n")
        self._transport.write(ANSWER)  # type: ignore[attr-defined]


def serve(told: Connection) -> None:
    """Serve until the process is ended."""
    asyncio.run(_serve(told))


async def _serve(told: Connection) -> None:
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    told.send((f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", {}))
    await server.serve_forever()


# -- the clients -----------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def raw(url: str) -> AsyncIterator[Send]:
    """Write and read on a bare stream: no client, only what asyncio and the kernel take."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    request = f"GET {PATH} HTTP/1.1\r\nHost: {host}:{port}\r\n{head}\r\n".encode()

    async def send() -> object:
        writer.write(request)
        return json.loads((await reader.readexactly(len(ANSWER)))[-len(BODY) :])

    yield send
    writer.close()
    await writer.wait_closed()


@contextlib.asynccontextmanager
async def bare_aiohttp(url: str) -> AsyncIterator[Send]:
    """Ask one session without cookies, tracing, redirects or timeouts."""
    address = yarl.URL(url + PATH, encoded=True)
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=None)
    ) as session:

        async def send() -> object:
            async with session.get(address, headers=HEADERS, allow_redirects=False) as answer:
                return json.loads(await answer.read())

        yield send


@contextlib.asynccontextmanager
async def plain_httpx(url: str) -> AsyncIterator[Send]:
    """Ask one client of httpx without timeouts."""
    async with peers.optional("httpx").AsyncClient(timeout=None, trust_env=False) as client:

        async def send() -> object:
            return json.loads((await client.get(url + PATH, headers=HEADERS)).content)

        yield send


@contextlib.asynccontextmanager
async def ours(url: str) -> AsyncIterator[Send]:
    """Ask as a waiting job does: with retries, limits of time, a verdict and a typed status."""
    async with ImsClient(Sandbox(KEY, base_url=url)) as client:
        job = client.taxpayer(workload.GSTIN, token="token_bench").job("job1")  # noqa: S106 # of no gateway
        yield job.refresh


@contextlib.asynccontextmanager
async def our_transport(url: str) -> AsyncIterator[Send]:
    """Ask with the transport alone, which says how far a request that failed had come."""
    path, _, reference = PATH.partition("?reference_id=")
    transport = AiohttpTransport()
    request = Request(
        operation="status", method="GET", url=url + path, query={"reference_id": reference}, headers=HEADERS
    )

    async def send() -> object:
        return json.loads((await transport.send(request)).body)

    yield send
    await transport.aclose()


CLIENTS: Final[dict[str, tuple[str, Any]]] = {
    "asyncio streams and json.loads, no HTTP client": ("asyncio", raw),
    FLOOR: ("aiohttp", bare_aiohttp),
    OURS: ("ims_async", ours),
    "  of which the transport, and json.loads": ("ims_async", our_transport),
    "httpx and json.loads": ("httpx", plain_httpx),
}


def measured(url: str, requests: int, rounds: int) -> dict[str, Timing]:
    """Let the clients that are installed take turns; return the CPU time of one request."""
    with asyncio.Runner() as runner:

        async def entered() -> tuple[contextlib.AsyncExitStack, dict[str, Send]]:
            stack = contextlib.AsyncExitStack()
            return stack, {
                name: await stack.enter_async_context(client(url))
                for name, (module, client) in CLIENTS.items()
                if peers.optional(module)
            }

        async def many(send: Send) -> None:
            for _ in range(requests):
                await send()

        stack, sends = runner.run(entered())
        try:
            return take_turns(
                {name: lambda send=send: runner.run(many(send)) for name, send in sends.items()},  # type: ignore[misc]
                floor=FLOOR,
                rounds=rounds,
            )
        finally:
            runner.run(stack.aclose())


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.one_request", description=__doc__)
    parser.add_argument("--requests", type=int, default=500, help="of each client in a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=15, help="how many rounds in turns (%(default)s)")
    chosen = parser.parse_args(arguments)
    for name, (module, _) in CLIENTS.items():
        if not peers.optional(module):
            print(f"skipped: {name}: {module} is not installed")
    with served(serve) as (url, _):
        timings = measured(url, chosen.requests, chosen.rounds)
    rows = []
    for name, timing in timings.items():
        figure = f"{timing.seconds / chosen.requests * 1e6:.0f} µs"
        goal, spread = GOAL if name == OURS else None, timing.spread(1e6 / chosen.requests, 0)
        rows.append(Row(name, figure, f"{timing.ratio:.2f} ×", goal, timing.ratio, spread=spread))
    show(f"one poll over HTTP on loopback, CPU of the client, medians of {chosen.rounds}", rows)


if __name__ == "__main__":
    main()
