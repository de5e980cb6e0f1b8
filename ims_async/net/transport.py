"""The protocol of a transport, and a transport in memory."""

from __future__ import annotations

import asyncio
import time
import urllib.parse
import zlib
from collections.abc import Callable, Mapping
from typing import Final, Protocol, runtime_checkable

from ..errors import GatewayUnavailable, ImsError, NotSent, UnexpectedAnswer
from ..gsp.base import Request, Response
from .attempt import TroubleError, reason_of
from .gzip import Gunzip, unpacker

Clock = Callable[[], float]

MAX_ANSWER: Final = 256 * 1024 * 1024  # bytes


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


class AnswerBody:
    """The body of an answer as it arrives: decompressed in bounded steps, and refused above the limit."""

    def __init__(self, encoding: str, limit: int) -> None:
        self._unpack, self._limit = unpacker(encoding), limit
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, packed: bytes) -> None:
        """Add the next bytes."""
        for part in self._unpack(packed):
            self._size += len(part)
            if self._size > self._limit:
                raise UnexpectedAnswer(f"the answer is longer than {self._limit:,} bytes")
            self._parts.append(part)

    def whole(self) -> bytes:
        """Return the complete body."""
        if isinstance(self._unpack, Gunzip) and not self._unpack.complete:
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
