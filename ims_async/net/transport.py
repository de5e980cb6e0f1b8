"""Requests out, answers in: what a transport promises, and the one in memory."""

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
    """Anything that can send a request.

    A change must leave soon after it was handed over, and be given up in less than the half hour after which
    others look for its effects: see `SEND_DEADLINE` and `ANSWER_DEADLINE` of the transport over HTTP.
    Raises `NotSent` where it never left, `AnswerLost` where no whole answer came back, and
    `UnexpectedAnswer` for an answer that is refused unread. Whatever else it raises for a change, but
    `ClientClosed` and `InvalidInput`, is taken for a lost answer.
    """

    async def send(self, request: Request) -> Response: ...
    async def aclose(self) -> None: ...


@runtime_checkable
class Handler(Protocol):
    """A server without a socket: what the simulator offers."""

    def handle(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]: ...


class AnswerLost(GatewayUnavailable):
    """The request left, or may have, and no whole answer came back."""


class KeptConnectionLost(AnswerLost):
    """A connection that was used before ended before the answer began.

    Gateways end idle connections, some after each answer, and the end may cross the next request. To ask once
    more, over a fresh connection, is safe where the request may be repeated; it may have been billed though.
    """


class AnswerBody:
    """An answer's body as it comes in: unpacked in bounded steps, and refused once it is over the limit."""

    def __init__(self, encoding: str, limit: int) -> None:
        self._unpack, self._limit = unpacker(encoding), limit
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, packed: bytes) -> None:
        """Take what came."""
        for part in self._unpack(packed):
            self._size += len(part)
            if self._size > self._limit:
                raise UnexpectedAnswer(f"the answer is longer than {self._limit:,} bytes")
            self._parts.append(part)

    def whole(self) -> bytes:
        """Return all of it, now that nothing more comes."""
        if isinstance(self._unpack, Gunzip) and not self._unpack.complete:
            raise TroubleError("the packed answer is cut short")
        return b"".join(self._parts)


class MemoryTransport:
    """Sends to a handler in this process: no socket, no real time, the same bytes.

    A handler that raises `ConnectionRefusedError` was never reached (`NotSent`); with any other
    `ConnectionError`, or a `TimeoutError`, the answer is lost. `max_answer` is as for `AiohttpTransport`.
    """

    def __init__(self, handler: Handler, *, clock: Clock = time.time, max_answer: int = MAX_ANSWER) -> None:
        self._handler, self._clock, self._max_answer = handler, clock, max_answer

    async def send(self, request: Request) -> Response:
        """Hand the request over and return the answer."""
        await asyncio.sleep(0)  # a real answer never comes before others had a turn
        try:
            return self._exchange(request)
        except (ConnectionError, TimeoutError, zlib.error, TroubleError) as error:
            left = not isinstance(error, ConnectionRefusedError)
            failure = failure_of(request, reason_of(error), left=left)
        try:
            raise failure  # outside the handler, as on a socket
        finally:
            del failure

    def _exchange(self, request: Request) -> Response:
        path = "/" + request.target.split("//", 1)[1].partition("/")[2]
        headers = {name.lower(): value for name, value in request.headers.items()}
        status, told, packed = self._handler.handle(request.method, path, headers, request.body or b"")
        answer_headers = {name.lower(): value for name, value in told.items()}
        body = AnswerBody(answer_headers.get("content-encoding", ""), self._max_answer)
        body.add(packed)
        return Response(status=status, headers=answer_headers, body=body.whole(), received_at=self._clock())

    async def aclose(self) -> None:
        """Nothing to close."""


def failure_of(request: Request, reason: str, *, left: bool, dropped: bool = False) -> ImsError:
    """Say how far a request got. `dropped`: a kept connection ended before the answer began."""
    host = _host_of(request.url)
    if not left:
        return NotSent(f"{request.operation} never left this machine for {host}: {reason}")
    kind = KeptConnectionLost if dropped else AnswerLost
    return kind(f"no whole answer to {request.operation} came back from {host}: {reason}")


def _host_of(url: str) -> str:
    try:
        return urllib.parse.urlsplit(url).hostname or "an address without a host"
    except ValueError:  # brackets that are not closed, say, in an address that a gateway gave
        return "an address that is none"
