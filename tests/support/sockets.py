"""Raw servers on loopback, which misbehave as no web framework would let them, and a clock to skip time.

A server is told its answers in advance, one for each request that arrives; the last one repeats.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

Answer = Callable[["Server", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

# Made for these tests and known to everybody; no other key vouches for it.
CERTIFICATE = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg3Aobdj3ZDstmw3lf
I1ls1tjcj1d45CTCbiUs9JCoMomhRANCAAQbpVYrzK9jcKyU2QPCf9Nt6gbTJFEG
FFJCBjWeIXr+hrmCbcS8BYZy+nmLkGjeY4IBkjolq2CgiUu9NpaNOEKx
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBnDCCAUGgAwIBAgIUE//oQKzizh3Yb+MpOfkaDmW/COkwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTExMDk1NFoYDzIxMjYxMDI4
MTEwOTU0WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQbpVYrzK9jcKyU2QPCf9Nt6gbTJFEGFFJCBjWeIXr+hrmCbcS8BYZy
+nmLkGjeY4IBkjolq2CgiUu9NpaNOEKxo28wbTAdBgNVHQ4EFgQUrGUAYa0zENKv
X5kCfjXMkuFT4cwwHwYDVR0jBBgwFoAUrGUAYa0zENKvX5kCfjXMkuFT4cwwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARhwR/AAABgglsb2NhbGhvc3QwCgYIKoZI
zj0EAwIDSQAwRgIhAKnTZIsl79phOuag0J2wcP1/Dd+VEtfQla9RlfhchBtDAiEA
vIB+tPLlbtxJ0+R1+xJY1uSeD1PHBopoBtIN1uB/2jE=
-----END CERTIFICATE-----
"""


@dataclass(frozen=True)
class Heard:
    """One request as it came off the wire, to the byte."""

    head: bytes
    body: bytes

    @property
    def line(self) -> str:
        """The request line."""
        return self.head.decode().split("\r\n")[0]

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers as they were spelled."""
        lines = self.head.decode().strip().split("\r\n")[1:]
        return [(name, value) for name, _, value in (line.partition(": ") for line in lines)]

    def header(self, name: str) -> str | None:
        """One header's value, or None where it was not sent."""
        return {key.lower(): value for key, value in self.headers}.get(name)


@dataclass
class Server:
    """What a test sees of a server."""

    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    connections: int = 0
    closed: int = 0
    """How many connections the other side has ended."""

    @property
    def lines(self) -> list[str]:
        """The request lines, in the order of arrival."""
        return [request.line for request in self.heard]


@contextlib.asynccontextmanager
async def serving(*answers: Answer, tls: bool = False, read: bool = True) -> AsyncIterator[Server]:
    """Serve on a free port. With `read=False` each connection is left to its answer from the start.

    What the system itself takes in before anybody reads is kept small.
    """
    server = Server()
    left = list(answers)
    tasks: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not writer.is_closing():
                if read and not await _hear(server, reader):
                    server.closed += 1
                    break
                await (left.pop(0) if len(left) > 1 else left[0])(server, reader, writer)
                if not read:
                    break
        except ConnectionError:
            server.closed += 1
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        task = asyncio.create_task(converse(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    door = small_socket()
    door.bind(("127.0.0.1", 0))
    listener = await asyncio.start_server(connected, sock=door, ssl=_tls() if tls else None)
    server.url = f"http{'s' if tls else ''}://127.0.0.1:{door.getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listener.wait_closed()


async def _hear(server: Server, reader: asyncio.StreamReader) -> bool:
    """Read one request; say whether there was one."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        request = Heard(head, b"")
        body = await reader.readexactly(int(request.header("content-length") or 0))
    except asyncio.IncompleteReadError:
        return False
    server.heard.append(Heard(head, body))
    return True


def small_socket(*_: object) -> socket.socket:
    """Return a socket that takes in little: what is written and not read soon holds the writer up."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        made.setsockopt(socket.SOL_SOCKET, option, 32_768)
    made.setblocking(False)
    return made


def _tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "certificate.pem")
        path.write_text(CERTIFICATE, encoding="ascii")
        context.load_cert_chain(path)
    return context


def raw(content: bytes) -> Answer:
    """Write these bytes and keep the connection."""

    async def answer(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()

    return answer


def reply(body: bytes = b"{}", *, status: str = "200 OK", headers: str = "") -> Answer:
    """Answer as a well-behaved server does; `headers` are lines that each end in CRLF."""
    return raw(f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def drop(first: bytes = b"") -> Answer:
    """Write these bytes, if any, and hang up."""

    async def answer(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        writer.close()

    return answer


def steps(*parts: bytes, before: Callable[[], None]) -> Answer:
    """Write parts one by one, with something happening before each."""

    async def answer(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            before()
            writer.write(part)
            await turns()

    return answer


def silence(then: Callable[[], None] = lambda: None) -> Answer:
    """Say nothing more, until the other side hangs up."""

    async def answer(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        then()
        await reader.read()
        server.closed += 1
        writer.close()

    return answer


async def turns(count: int = 20) -> None:
    """Let everybody else get as far as they get without time passing."""
    for _ in range(count):
        await asyncio.sleep(0)


@dataclass
class Skips:
    """The running loop's clock, which can be moved on while real sockets are being used."""

    skipped: float = 0.0

    def skip(self, seconds: float) -> Callable[[], None]:
        """Return something that lets so many seconds pass."""

        def pass_by() -> None:
            self.skipped += seconds
            loop = asyncio.get_running_loop()
            if not isinstance(loop, asyncio.BaseEventLoop):  # which looks at the clock by itself
                loop.run_due()  # type: ignore[attr-defined] # of `loops.Uvloop`

        return pass_by


@contextlib.contextmanager
def skipping_time() -> Iterator[Skips]:
    """Let time on the running loop be skipped: limits of seconds then need no waiting, and no luck."""
    loop, skips = asyncio.get_running_loop(), Skips()
    real = loop.time
    vars(loop)["time"] = lambda: real() + skips.skipped
    try:
        yield skips
    finally:
        del vars(loop)["time"]
