"""Requests out, answers in: the one place on the client's side that touches sockets or aiohttp.

No exception of aiohttp's leaves this room, not even as a cause: their texts hold URLs and headers.
"""

from __future__ import annotations

import asyncio
import functools
import io
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

import attrs

from .errors import ClientClosed, GatewayUnavailable, ImsError, InvalidInput, NotSent, UnexpectedAnswer
from .unpacking import Gunzip, unpacker
from .wire import Request, Response

if TYPE_CHECKING:
    import aiohttp

Clock = Callable[[], float]

_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@runtime_checkable
class Transport(Protocol):
    """Anything that can send a request.

    Raises `NotSent` where it never left, `AnswerLost` where no whole answer came back, and
    `UnexpectedAnswer` for an answer that is refused unread.
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


def _positive(_: object, attribute: attrs.Attribute[float], value: float) -> None:
    if not value > 0:
        raise InvalidInput(f"{attribute.name} {value!r} must be more than 0 seconds")


@attrs.frozen(kw_only=True)
class Timeouts:
    """Limits on single steps, in seconds; there is none on the whole, since a big answer may take long.

    `connect` is for finding the host and connecting to it, proxy and TLS included. `read` is the longest
    silence: while a body is sent, before the answer begins, and between two parts of it.
    """

    connect: float = attrs.field(default=10.0, validator=_positive)
    read: float = attrs.field(default=60.0, validator=_positive)


class _Attempt:
    """How far one request got, and how long its present step may take."""

    __slots__ = ("_deadline", "_loop", "_timer", "left", "limit", "timeouts")

    def __init__(self, timeouts: Timeouts) -> None:
        self.timeouts, self.left = timeouts, False
        self.limit = asyncio.timeout(None)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0

    def connecting(self) -> None:
        """Begin to connect."""
        self._allow(self.timeouts.connect)

    def leaving(self) -> None:
        """Begin to send."""
        self.left = True
        self.progress()

    def progress(self) -> None:
        """Begin the next step of sending or receiving."""
        self._allow(self.timeouts.read)

    def done(self) -> None:
        """End it."""
        if self._timer is not None:
            self._timer.cancel()

    def _allow(self, seconds: float) -> None:
        # The timer is left where it is when there is more time: setting it anew at each step would cost
        # more than all the rest of this room.
        self._deadline = self._loop.time() + seconds
        if self._timer is None or self._timer.when() > self._deadline:
            self._set_timer()

    def _set_timer(self) -> None:
        self.done()
        self._timer = self._loop.call_at(self._deadline, self._look)

    def _look(self) -> None:
        if self._loop.time() < self._deadline:
            self._set_timer()
        else:
            self.limit.reschedule(self._deadline)  # which has passed


class _TroubleError(Exception):
    """A failure in words of our own, which are safe to show."""


class AiohttpTransport:
    """Sends over HTTP with one pool of connections, opened when first used.

    `session` is the caller's own and is never closed here; its cookies are not sent. `trust_env` takes
    proxies, and nothing else, from the environment. An answer longer than `max_answer` bytes (after
    decompression) is refused.
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
        self._closed = False
        # More than this many at once only queue inside aiohttp, where they stall the loop.
        self._slots = asyncio.Semaphore(connections)

    async def send(self, request: Request) -> Response:
        """Send one request and read its answer to the end."""
        _check_headers(request)
        async with self._slots:
            if self._closed:
                raise ClientClosed("the client is closed; nothing was sent")
            attempt = _Attempt(self._timeouts)
            try:
                async with attempt.limit:
                    return await self._exchange(request, attempt)
            except ImsError:
                raise
            except Exception as error:  # noqa: BLE001 # whatever it was, what counts is how far it got
                failure = _failure(request, attempt, error)
            finally:
                attempt.done()
        try:
            raise failure  # outside the handler, so that aiohttp's error is not its context
        finally:
            del failure  # it holds this frame

    async def _exchange(self, request: Request, attempt: _Attempt) -> Response:
        import yarl

        session = self._session()
        if session.closed:
            raise ClientClosed("the session that was handed in is closed; nothing was sent")
        async with session.request(
            request.method,
            yarl.URL(request.target, encoded=True),
            # In parts, each of which is progress; a large body in one piece would also stall the loop.
            data=io.BytesIO(request.body) if request.body is not None else None,
            headers={"Accept-Encoding": "gzip", **request.headers},
            # aiohttp makes up a type for a POST without a body.
            skip_auto_headers=("Content-Type",) if request.body is None and request.method != "GET" else None,
            allow_redirects=False,  # the key and the token would travel along
            auto_decompress=False,  # it is done here, in bounded steps
            raise_for_status=False,  # whatever a caller's session does: an error's body is ours to read
            proxy=_proxy_of(request.url) if self._trust_env else None,
            trace_request_ctx=attempt,
            timeout=_no_limits(),  # `attempt` keeps the time
            # Beside the session's own, which naming any would replace.
            middlewares=(_once_without_cookies, *getattr(session, "_middlewares", ())),
        ) as answer:
            body = await self._read(answer, attempt)
            return Response(
                status=answer.status,
                headers={name.lower(): value for name, value in answer.headers.items()},
                body=body,
                received_at=self._clock(),
            )

    async def _read(self, answer: aiohttp.ClientResponse, attempt: _Attempt) -> bytes:
        unpack = unpacker(answer.headers.get("Content-Encoding", ""))
        parts: list[bytes] = []
        size = 0
        attempt.progress()
        async for packed in answer.content.iter_any():
            attempt.progress()
            for part in unpack(packed):
                size += len(part)
                if size > self._max_answer:
                    raise UnexpectedAnswer(f"the answer is longer than {self._max_answer:,} bytes")
                parts.append(part)
        if isinstance(unpack, Gunzip) and not unpack.complete:
            raise _TroubleError("the packed answer is cut short")
        return b"".join(parts)

    def _session(self) -> aiohttp.ClientSession:
        if self._given is not None:
            _watch(self._given)
            return self._given
        if self._own is None:
            http = _aiohttp()
            self._own = http.ClientSession(
                connector=http.TCPConnector(limit=self._connections),
                cookie_jar=http.DummyCookieJar(),  # a cookie would be shared between taxpayers
            )
            _watch(self._own)
        return self._own

    async def aclose(self) -> None:
        """Close our own connections; a session that was handed in stays open."""
        self._closed = True
        if self._own is not None:
            own, self._own = self._own, None
            await own.close()


def _aiohttp() -> Any:
    import aiohttp  # a third of a second to import: only whoever sends pays it

    return aiohttp


@functools.cache
def _no_limits() -> aiohttp.ClientTimeout:
    limits: aiohttp.ClientTimeout = _aiohttp().ClientTimeout(total=None)
    return limits


def _check_headers(request: Request) -> None:
    if not _CONTROL.search(" ".join(request.headers.values())):
        return
    (name, *_) = (name for name, value in request.headers.items() if _CONTROL.search(value))
    raise InvalidInput(
        f"header {name} of {request.operation} holds a line break or another control character: "
        "check the key and the token; nothing was sent"
    )


def _proxy_of(url: str) -> str | None:
    """Return the proxy that the environment names for a URL.

    aiohttp's own `trust_env` would also send what ~/.netrc holds for the host, in place of the token.
    """
    parts = urllib.parse.urlsplit(url)
    proxy = urllib.request.getproxies_environment().get(parts.scheme)
    return None if proxy is None or urllib.request.proxy_bypass(parts.netloc) else proxy


def _watch(session: aiohttp.ClientSession) -> None:
    """Note each step of a request: until its headers are about to leave, sending again is safe.

    aiohttp's own limits leave out looking up the host and sending the body, and count queueing in.
    """
    if any(getattr(trace, "ims_async", False) for trace in session.trace_configs):
        return

    def on(note: Callable[[_Attempt], None]) -> Callable[[object, Any, object], Awaitable[None]]:
        async def step(_: object, context: Any, __: object) -> None:
            attempt = context.trace_request_ctx
            if isinstance(attempt, _Attempt):  # else one of the caller's own requests
                note(attempt)

        return step

    trace = _aiohttp().TraceConfig()
    trace.ims_async = True
    trace.on_connection_create_start.append(on(_Attempt.connecting))
    trace.on_request_headers_sent.append(on(_Attempt.leaving))
    trace.on_request_chunk_sent.append(on(_Attempt.progress))
    trace.freeze()
    session.trace_configs.append(trace)


async def _once_without_cookies(
    request: aiohttp.ClientRequest, handler: Callable[[Any], Awaitable[aiohttp.ClientResponse]]
) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating a PUT whose connection was dropped: the first may have taken effect.

    And leave out cookies, which a caller's own session may have and would share between taxpayers.
    """
    http = _aiohttp()
    request.headers.popall("Cookie", None)
    try:
        return await handler(request)
    except http.ClientConnectorError:
        raise  # never connected, and never repeated by aiohttp
    except (http.ClientOSError, http.ServerDisconnectedError) as error:
        reason = type(error).__name__
    raise _TroubleError(reason)


def _failure(request: Request, attempt: _Attempt, error: Exception) -> ImsError:
    """Say how far a request got, in words that hold no URL and no header."""
    cause = getattr(error, "os_error", None)
    if attempt.limit.expired():
        limits = attempt.timeouts
        reason = (
            f"silence for {limits.read:g} s" if attempt.left else f"no connection within {limits.connect:g} s"
        )
    elif isinstance(error, _TroubleError):
        reason = str(error)
    elif isinstance(cause, OSError) and cause.strerror:
        reason = f"{type(error).__name__} ({cause.strerror})"
    else:
        reason = type(error).__name__
    host = urllib.parse.urlsplit(request.url).hostname
    if not attempt.left:
        return NotSent(f"{request.operation} never left this machine for {host}: {reason}")
    return AnswerLost(f"no whole answer to {request.operation} came back from {host}: {reason}")
