"""Requests out, answers in: the one place on the client's side that touches sockets or aiohttp.

No exception of aiohttp's leaves this room, not even as a cause: their texts hold URLs and headers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import attrs

from .errors import GatewayUnavailable, ImsError, NotSent
from .wire import Request, Response

if TYPE_CHECKING:
    import aiohttp

Clock = Callable[[], float]


@runtime_checkable
class Transport(Protocol):
    """Anything that can send a request. Raises `NotSent` where it never left, else `AnswerLost`."""

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


class MemoryTransport:
    """Sends to a handler in this process: no socket, no real time, the same bytes."""

    def __init__(self, handler: Handler, *, clock: Clock = time.time) -> None:
        self._handler, self._clock = handler, clock

    async def send(self, request: Request) -> Response:
        """Hand the request over and return the answer."""
        await asyncio.sleep(0)  # a real answer never comes before others had a turn
        path = "/" + request.target.split("//", 1)[1].partition("/")[2]
        headers = {name.lower(): value for name, value in request.headers.items()}
        status, answer_headers, body = self._handler.handle(
            request.method, path, headers, request.body or b""
        )
        return Response(
            status=status,
            headers={name.lower(): value for name, value in answer_headers.items()},
            body=body,
            received_at=self._clock(),
        )

    async def aclose(self) -> None:
        """Nothing to close."""


@attrs.frozen(kw_only=True)
class Timeouts:
    """Limits on single steps, in seconds; there is none on the whole, since a big answer may take long."""

    connect: float = 10.0
    read: float = 60.0


@attrs.define
class _Attempt:
    """How far one request got."""

    left: bool = False


class AiohttpTransport:
    """Sends over HTTP with one pool of connections, opened when first used.

    `session` is the caller's own and is never closed here. `trust_env` takes proxies from the
    environment. An answer longer than `max_answer` bytes (after decompression) is refused.
    """

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession | None = None,
        timeouts: Timeouts | None = None,
        connections: int = 64,
        max_answer: int = 256 * 1024 * 1024,
        trust_env: bool = False,
        clock: Clock = time.time,
    ) -> None:
        self._given = session
        self._own: aiohttp.ClientSession | None = None
        self._timeouts = timeouts or Timeouts()
        self._connections, self._max_answer = connections, max_answer
        self._trust_env, self._clock = trust_env, clock
        # More than this many at once only queue inside aiohttp, where they stall the loop.
        self._slots = asyncio.Semaphore(connections)

    async def send(self, request: Request) -> Response:
        """Send one request and read its answer to the end."""
        async with self._slots:
            attempt = _Attempt()
            failure: ImsError
            try:
                return await self._exchange(request, attempt)
            except (OSError, _aiohttp().ClientError, _DroppedError, ValueError) as error:
                failure = _failure(request, attempt, error)
        raise failure  # outside the handler, so that aiohttp's error is not its context

    async def _exchange(self, request: Request, attempt: _Attempt) -> Response:
        import yarl

        session = self._session()
        if session.closed:
            raise ValueError("the session that was handed in is closed")
        async with session.request(
            request.method,
            yarl.URL(request.target, encoded=True),
            data=request.body,
            headers=dict(request.headers),
            allow_redirects=False,  # the key and the token would travel along
            trace_request_ctx=attempt,
            timeout=self._timeout(),
            # Beside the session's own, which naming any would replace.
            middlewares=(_never_twice, *getattr(session, "_middlewares", ())),
        ) as answer:
            body = await self._read(answer)
            return Response(
                status=answer.status,
                headers={name.lower(): value for name, value in answer.headers.items()},
                body=body,
                received_at=self._clock(),
            )

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for part in answer.content.iter_any():
            size += len(part)
            if size > self._max_answer:
                answer.close()
                raise ValueError(f"the answer is longer than {self._max_answer:,} bytes")
            parts.append(part)
        return b"".join(parts)

    def _timeout(self) -> aiohttp.ClientTimeout:
        limits = self._timeouts
        timeout: aiohttp.ClientTimeout = _aiohttp().ClientTimeout(
            total=None, connect=None, sock_connect=limits.connect, sock_read=limits.read
        )
        return timeout

    def _session(self) -> aiohttp.ClientSession:
        if self._given is not None:
            _watch(self._given)
            return self._given
        if self._own is None:
            http = _aiohttp()
            self._own = http.ClientSession(
                connector=http.TCPConnector(limit=self._connections),
                cookie_jar=http.DummyCookieJar(),  # a cookie would be shared between taxpayers
                trust_env=self._trust_env,
            )
            _watch(self._own)
        return self._own

    async def aclose(self) -> None:
        """Close our own connections; a session that was handed in stays open."""
        if self._own is not None:
            own, self._own = self._own, None
            await own.close()


def _aiohttp() -> Any:
    import aiohttp  # a third of a second to import: only whoever sends pays it

    return aiohttp


def _watch(session: aiohttp.ClientSession) -> None:
    """Note when a request's headers are about to leave; before that, sending again is safe."""
    if any(getattr(trace, "ims_async", False) for trace in session.trace_configs):
        return

    async def leaving(_: object, context: Any, __: object) -> None:
        attempt = context.trace_request_ctx
        if isinstance(attempt, _Attempt):
            attempt.left = True

    trace = _aiohttp().TraceConfig()
    trace.ims_async = True
    trace.on_request_headers_sent.append(leaving)
    trace.freeze()
    session.trace_configs.append(trace)


class _DroppedError(Exception):
    """The server dropped the connection; in this form aiohttp does not send the request again by itself."""


async def _never_twice(
    request: aiohttp.ClientRequest, handler: Callable[[Any], Awaitable[aiohttp.ClientResponse]]
) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating a PUT whose connection was dropped: the first may have taken effect."""
    http = _aiohttp()
    try:
        return await handler(request)
    except http.ClientConnectorError:
        raise  # never connected, and never repeated by aiohttp
    except (http.ClientOSError, http.ServerDisconnectedError) as error:
        reason = type(error).__name__
    raise _DroppedError(reason)


def _failure(request: Request, attempt: _Attempt, error: Exception) -> ImsError:
    """Say how far a request got, in words that hold no URL and no header."""
    reason = str(error) if type(error) in (_DroppedError, ValueError) else type(error).__name__
    cause = getattr(error, "os_error", None)
    detail = f" ({cause.strerror})" if isinstance(cause, OSError) and cause.strerror else ""
    if not attempt.left:
        return NotSent(f"{request.operation} never left this machine: {reason}{detail}")
    return AnswerLost(f"no whole answer to {request.operation} came back: {reason}{detail}")
