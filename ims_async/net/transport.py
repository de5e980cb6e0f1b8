"""The protocol of a transport, what all transports share, and a transport in memory."""

from __future__ import annotations

import asyncio
import time
import urllib.parse
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol, runtime_checkable

from ..errors import GatewayUnavailable, ImsError, NotSent, UnexpectedAnswer
from ..gsp.base import Request, Response
from .attempt import TroubleError, reason_of

Clock = Callable[[], float]

MAX_ANSWER: Final = 256 * 1024 * 1024  # bytes
_AT_ONCE: Final = 1024 * 1024  # bytes; the most that one step decompresses
_TAKEN: Final = 64 * 1024  # bytes of input per step; zlib copies the rest after each of many small members
_IDLE: Final = 64 * 1024  # bytes of input that may give little output; beyond them it must save space


@runtime_checkable
class Transport(Protocol):
    """A transport sends requests.

    A change must be sent soon after the hand-over, and be given up in less than the half hour after which
    others look for its effects: see `SEND_DEADLINE` and `ANSWER_DEADLINE` of the transport over HTTP.
    Raises `NotSent` if the request never left, `AnswerLost` if no whole answer came back, and
    `UnexpectedAnswer` for an answer that is refused unread. For a change every other error, except
    `ClientClosed` and `InvalidInput`, counts as a lost answer.
    """

    async def send(self, request: Request) -> Response: ...
    async def aclose(self) -> None: ...


@runtime_checkable
class Handler(Protocol):
    """A server without a socket, such as the simulator."""

    def handle(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]: ...


class AnswerLost(GatewayUnavailable):
    """The request was sent, or may have been, and no whole answer came back."""


class KeptConnectionLost(AnswerLost):
    """A connection that was used before closed before the answer began.

    Gateways close idle connections, some after each answer, and this may happen while the next request is
    sent. A repeatable request can be sent again over a fresh connection; the first may have been billed.
    """


class Gunzip:
    """Decompress gzip as it arrives, in pieces of bounded size: a few kilobytes can hold gigabytes.

    https://www.rfc-editor.org/rfc/rfc1952
    """

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._taken = self._given = 0

    def __call__(self, data: bytes) -> Iterator[bytes]:
        """Decompress the next bytes. Raises `UnexpectedAnswer` for gzip with almost no content."""
        for start in range(0, len(data), _TAKEN):
            packed = data[start : start + _TAKEN]
            for part in self._unpack(packed):
                self._given += len(part)
                if part:
                    yield part
            self._taken += len(packed)
            if self._taken > _IDLE + 2 * self._given:
                raise UnexpectedAnswer("the packed answer is larger than what is in it")

    def _unpack(self, data: bytes) -> Iterator[bytes]:
        while data:
            yield self._member.decompress(data, _AT_ONCE)
            data = self._member.unconsumed_tail
            if self._member.eof and self._member.unused_data:
                data = self._member.unused_data
                self._member = zlib.decompressobj(wbits=31)

    @property
    def complete(self) -> bool:
        """Whether nothing is missing; zlib itself does not report a truncated stream."""
        return self._member.eof or not self._taken


class AnswerBody:
    """The body of an answer as it arrives: decompressed in bounded steps, and refused above the limit.

    Raises `UnexpectedAnswer` for an unknown `Content-Encoding`.
    """

    def __init__(self, encoding: str, limit: int) -> None:
        name = encoding.strip().lower()
        if name not in ("", "identity", "gzip", "x-gzip"):
            raise UnexpectedAnswer(f"the answer is packed as {name[:20]!r}, which was not asked for")
        self._unpack = Gunzip() if name.endswith("gzip") else None
        self._limit, self._size = limit, 0
        self._parts: list[bytes] = []

    def add(self, packed: bytes) -> None:
        """Add the next bytes."""
        for part in self._unpack(packed) if self._unpack else (packed,):
            self._size += len(part)
            if self._size > self._limit:
                raise UnexpectedAnswer(f"the answer is longer than {self._limit:,} bytes")
            self._parts.append(part)

    def whole(self) -> bytes:
        """Return the complete body."""
        if self._unpack and not self._unpack.complete:
            raise TroubleError("the packed answer is cut short")
        return b"".join(self._parts)


class MemoryTransport:
    """Send requests to a handler in this process: the same bytes, without a socket or real time.

    If the handler raises `ConnectionRefusedError`, the request was never sent (`NotSent`); for any other
    `ConnectionError`, or a `TimeoutError`, the answer is lost. `max_answer` is as for `AiohttpTransport`.
    """

    def __init__(self, handler: Handler, *, clock: Clock = time.time, max_answer: int = MAX_ANSWER) -> None:
        self._handler, self._clock, self._max_answer = handler, clock, max_answer

    async def send(self, request: Request) -> Response:
        """Pass the request to the handler and return the answer."""
        await asyncio.sleep(0)  # other tasks run before a real answer comes
        try:
            return self._exchange(request)
        except (ConnectionError, TimeoutError, zlib.error, TroubleError) as error:
            left = not isinstance(error, ConnectionRefusedError)
            failure = failure_of(request, reason_of(error), left=left)
        try:
            raise failure  # outside the `except`, so that it has no context, as on a socket
        finally:
            del failure

    def _exchange(self, request: Request) -> Response:
        path = "/" + request.target.split("//", 1)[1].partition("/")[2]
        headers = {name.lower(): value for name, value in request.headers.items()}
        status, received, packed = self._handler.handle(request.method, path, headers, request.body or b"")
        answer_headers = {name.lower(): value for name, value in received.items()}
        body = AnswerBody(answer_headers.get("content-encoding", ""), self._max_answer)
        body.add(packed)
        return Response(status=status, headers=answer_headers, body=body.whole(), received_at=self._clock())

    async def aclose(self) -> None:
        """Nothing to close."""


def failure_of(request: Request, reason: str, *, left: bool, dropped: bool = False) -> ImsError:
    """Return the error for how far a request got. `dropped`: a reused connection closed before the answer."""
    host = _host_of(request.url)
    if not left:
        return NotSent(f"{request.operation} never left this machine for {host}: {reason}")
    kind = KeptConnectionLost if dropped else AnswerLost
    return kind(f"no whole answer to {request.operation} came back from {host}: {reason}")


def _host_of(url: str) -> str:
    try:
        return urllib.parse.urlsplit(url).hostname or "an address without a host"
    except ValueError:  # for example an unclosed bracket in an address that a gateway gave
        return "an address that is none"
