"""The transport over HTTP: the only module of the client that uses sockets or aiohttp.

No exception of aiohttp leaves it, not even as a cause: their texts have URLs and headers.
"""

from __future__ import annotations

import asyncio
import functools
import io
import time
import weakref
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from ..errors import ClientClosed, ImsError, InvalidInput
from ..gsp.base import Request, Response
from ..lazy import pattern
from .attempt import Attempt, HungUpError, TroubleError, reason_of
from .policies import Timeouts
from .transport import MAX_ANSWER, AnswerBody, Clock, failure_of

if TYPE_CHECKING:
    import aiohttp  # takes a third of a second: imported by the first request

_CONTROL: Final = pattern(r"[\x00-\x08\x0a-\x1f\x7f]")
_WATCHED: Final[weakref.WeakSet[aiohttp.ClientSession]] = weakref.WeakSet()


class AiohttpTransport:
    """Send requests over HTTP with one pool of connections, opened on first use.

    `session` is the caller's own and is never closed here; its cookies are not sent, and its middlewares
    cannot repeat a request that must not be repeated. With `trust_env` proxies, and nothing else, are read
    from the environment. An answer longer than `max_answer` bytes (decompressed) is refused.
    """

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession | None = None,
        timeouts: Timeouts | None = None,
        connections: int = 64,
        max_answer: int = MAX_ANSWER,
        trust_env: bool = False,
        clock: Clock = time.time,
    ) -> None:
        self._given = session
        self._own: dict[bool, aiohttp.ClientSession] = {}
        self._timeouts = timeouts or Timeouts()
        self._connections, self._max_answer = connections, max_answer
        self._trust_env, self._clock = trust_env, clock
        self._closed = False
        self._attempts: set[Attempt] = set()
        # More requests at once would only queue inside aiohttp, where they block the event loop.
        self._slots = asyncio.Semaphore(connections)

    async def send(self, request: Request) -> Response:
        """Send one request and read its answer to the end."""
        _check_headers(request)
        attempt = Attempt(request, self._timeouts, self._clock)
        async with self._slots:
            if self._closed:
                raise ClientClosed("the client is closed; nothing was sent")
            try:
                try:
                    async with attempt.limit:
                        self._attempts.add(attempt)
                        return await self._exchange(request, attempt)
                finally:
                    self._attempts.discard(attempt)
                    attempt.done()
            except BaseException as error:  # noqa: BLE001 # what counts is how far it got
                ending = _ending(request, attempt, error)
        try:
            raise ending  # outside the `except`, so that aiohttp's error is not its context
        finally:
            del ending  # its traceback refers to this frame

    async def _exchange(self, request: Request, attempt: Attempt) -> Response:
        import yarl

        session = self._session(fresh=request.fresh or not request.repeatable)
        if session.closed:
            raise ClientClosed("the session that was handed in is closed; nothing was sent")
        async with session.request(
            request.method,
            yarl.URL(request.target, encoded=True),
            data=_upload()(request.body, attempt) if request.body is not None else None,
            headers={"Accept-Encoding": "gzip", **request.headers},
            # aiohttp adds a content type to a POST without a body.
            skip_auto_headers=("Content-Type",) if request.body is None and request.method != "GET" else None,
            allow_redirects=False,  # the key and the token would be sent along
            auto_decompress=False,  # done here, in bounded steps
            raise_for_status=False,  # overrides the session's setting: the body of an error is needed
            proxy=_proxy_of(request.url) if self._trust_env else None,
            trace_request_ctx=attempt,
            timeout=_no_timeout(),
            # Added to the session's own middlewares, which this argument would replace.
            middlewares=(_once_without_cookies, *getattr(session, "_middlewares", ())),
        ) as answer:
            body = AnswerBody(answer.headers.get("Content-Encoding", ""), self._max_answer)
            attempt.progress()
            async for packed in answer.content.iter_any():
                attempt.progress()
                body.add(packed)
            whole = body.whole()
            attempt.answered = True
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return Response(status=answer.status, headers=headers, body=whole, received_at=self._clock())

    def _session(self, *, fresh: bool) -> aiohttp.ClientSession:
        """Return the session with a new connection for each request, or the one with kept connections.

        A kept connection may close just as it is used again. The outcome of a change would then be unknown,
        and another request that must not be repeated, such as a login, would fail for nothing.
        """
        if self._given is not None:
            _watch(self._given)
            return self._given
        session = self._own.get(fresh)
        if session is None:
            import aiohttp

            session = self._own[fresh] = aiohttp.ClientSession(
                connector=_connector()(limit=self._connections, force_close=fresh),
                cookie_jar=aiohttp.DummyCookieJar(),  # cookies would be shared between taxpayers
            )
            _watch(session)
        return session

    async def aclose(self) -> None:
        """Abort running requests and close our own connections; the caller's session stays open."""
        self._closed = True
        for attempt in self._attempts:  # aiohttp would leave some of them waiting for their timeout
            attempt.cut()
            if self._given is None:
                attempt.drop()
        for session in list(self._own.values()):
            await session.close()
        self._own.clear()  # only now: if this call is cancelled, the next one closes them


@functools.cache
def _connector() -> type[aiohttp.TCPConnector]:
    import aiohttp

    class Connector(aiohttp.TCPConnector):
        """A connector that does not reuse a connection on which an unrequested answer arrived.

        aiohttp would return it for the next request, perhaps of another taxpayer, and every later answer for
        the request after that (https://github.com/aio-libs/aiohttp/issues/13656).
        """

        def __init__(self, **facts: Any) -> None:
            super().__init__(**facts)
            self._used: weakref.WeakSet[Any] = weakref.WeakSet()

        async def connect(self, *args: Any, **facts: Any) -> aiohttp.connector.Connection:
            while True:
                connection: aiohttp.connector.Connection = await super().connect(*args, **facts)
                protocol: Any = connection.protocol
                if protocol not in self._used:
                    # Also if an answer has begun: a gateway may refuse before it reads the body.
                    self._used.add(protocol)
                    return connection
                if not protocol.should_close:
                    return connection
                connection.close()

    return Connector


@functools.cache
def _no_timeout() -> aiohttp.ClientTimeout:
    import aiohttp

    return aiohttp.ClientTimeout(total=None)  # an `Attempt` has the limits


@functools.cache
def _upload() -> Callable[[bytes, Attempt], aiohttp.BytesIOPayload]:
    import aiohttp

    # In parts, each of which is progress; a large body in one piece would also block the event loop.
    class Upload(aiohttp.BytesIOPayload):
        def __init__(self, body: bytes, attempt: Attempt) -> None:
            super().__init__(io.BytesIO(body))
            self._attempt = attempt

        async def write_with_length(self, writer: Any, content_length: int | None) -> None:
            self._attempt.upload(writer.transport)
            await super().write_with_length(writer, content_length)

    return Upload


def _check_headers(request: Request) -> None:
    if not _CONTROL.search("".join(request.headers.values())):
        return
    for name, value in request.headers.items():
        if _CONTROL.search(value):
            raise InvalidInput(
                f"header {name} of {request.operation} holds a line break or another control character: "
                "check the key and the token; nothing was sent"
            )


def _proxy_of(url: str) -> str | None:
    """Return the proxy for a URL from the environment.

    aiohttp's own `trust_env` would also send the host's credentials from ~/.netrc in place of the token.
    """
    import urllib.request  # which brings half of the standard library's HTTP

    parts = urllib.parse.urlsplit(url)
    proxy = urllib.request.getproxies_environment().get(parts.scheme)
    return None if proxy is None or urllib.request.proxy_bypass(parts.netloc) else proxy


def _watch(session: aiohttp.ClientSession) -> None:
    """Trace each step of a request: until its headers are about to be sent, sending again is safe.

    aiohttp's own timeouts do not include name resolution and sending the body, and include queueing.
    """
    import aiohttp

    if session in _WATCHED:
        return
    _WATCHED.add(session)

    def on(note: Callable[[Attempt], None]) -> Callable[[object, Any, object], Awaitable[None]]:
        async def step(_: object, context: Any, __: object) -> None:
            attempt = context.trace_request_ctx
            if isinstance(attempt, Attempt):  # otherwise it is one of the caller's own requests
                note(attempt)

        return step

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_start.append(on(Attempt.connecting))
    trace.on_connection_reuseconn.append(on(Attempt.reusing))
    trace.on_request_headers_sent.append(on(Attempt.leaving))
    trace.on_request_chunk_sent.append(on(Attempt.progress))
    trace.freeze()
    session.trace_configs.append(trace)


async def _once_without_cookies(
    request: aiohttp.ClientRequest, handler: Callable[[Any], Awaitable[aiohttp.ClientResponse]]
) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating a PUT whose connection was dropped: the first may have taken effect.

    Remove cookies too: a caller's own session may have some, and would share them between taxpayers.
    """
    import aiohttp

    request.headers.popall("Cookie", None)
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise  # never connected; aiohttp does not repeat it
    except aiohttp.ClientConnectionError as error:
        reason = type(error).__name__
        begun = not isinstance(getattr(error, "message", ""), str)  # otherwise a part of the head came
    raise (TroubleError if begun else HungUpError)(reason)


def _ending(request: Request, attempt: Attempt, error: BaseException) -> BaseException:
    """Return the error to raise in place of aiohttp's, without its frames.

    Error reports collect the local variables of frames, and those of aiohttp have the URL and the headers.
    """
    if isinstance(error, asyncio.CancelledError):  # also raised by aiohttp, if its pool is closed
        task = asyncio.current_task()
        lost = task is not None and not task.cancelling()
    else:
        lost = isinstance(error, Exception) and not isinstance(error, ImsError)
    if not lost:
        error.__traceback__ = error.__cause__ = error.__context__ = None
        return error
    reason = attempt.overrun or reason_of(error)
    dropped = isinstance(error, HungUpError) and attempt.reused
    return failure_of(request, reason, left=attempt.left, dropped=dropped)
