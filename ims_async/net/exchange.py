"""Run conversations: credential, rate limit, send, verdict, retry; the same for every GSP."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextvars import ContextVar
from typing import Final, Protocol, TypeVar

import attrs

from ..errors import (
    ClientClosed,
    GatewayUnavailable,
    ImsError,
    InvalidInput,
    NotSent,
    OutcomeUnknown,
    PayloadTooLarge,
    RateLimited,
    UnexpectedAnswer,
)
from ..gsp.base import Conversation, Gsp, Needs, Request, Response, Token, Verdict, VerdictKind
from ..gsp.codec.json import Pause
from ..model.secret import Secret
from .credentials import Credentials
from .policies import RetryPolicy, Tries
from .rate_limit import Pacer
from .transport import AnswerLost, KeptConnectionLost, Transport

T = TypeVar("T")

_log = logging.getLogger("ims_async")


class Overseer(Protocol):
    """Decide whether the requests of one run are still to be sent. For `ims_async.bulk`."""

    def check(self) -> None:
        """Raise if no further request is to be sent. Called before each request."""
        ...

    def failed(self, error: ImsError) -> None:
        """Note a failed conversation, also one that its caller will repeat."""
        ...


OVERSEER: Final[ContextVar[Overseer | None]] = ContextVar("OVERSEER", default=None)
"""The overseer of the requests in a context; tasks and timers begun in it (polls, renewals) inherit it."""


@attrs.define
class Ready:
    """A signed request with everything that it needs. `behind` are the tokens that were in use then."""

    signed: Request
    behind: dict[Needs, Token]
    sent: bool = False


@attrs.frozen
class Refusal:
    """A request that was refused, or got no answer: the error that this means, and the verdict if any."""

    error: ImsError
    verdict: Verdict | None = None


class Exchange:
    """Run the conversations of one GSP over one transport. `clock` is wall time in epoch seconds."""

    def __init__(
        self, gsp: Gsp, transport: Transport, *, retry: RetryPolicy, pacer: Pacer, clock: Callable[[], float]
    ) -> None:
        self._gsp, self._transport, self._retry = gsp, transport, retry
        self._pacer, self._clock = pacer, clock
        self._closed = asyncio.Event()

    async def run(self, conversation: Conversation[T], credentials: Credentials, *, retry: bool = True) -> T:
        """Run a conversation that changes nothing to its end, and return its value.

        Raises the error that an answer means. With `retry=False`, for polls, each request is sent once and
        has the lowest priority.
        """
        try:
            step = next(conversation)
            while True:
                if isinstance(step, Pause):
                    await asyncio.sleep(0)
                    step = conversation.send(NOTHING)
                    continue
                try:
                    answer = await self._deliver(step, credentials, retry)
                except ImsError as error:
                    step = conversation.throw(error)
                    continue
                step = conversation.send(answer)
        except StopIteration as stop:
            value: T = stop.value
            return value
        except ImsError as error:
            note_failure(error)
            raise
        finally:
            conversation.close()

    def tries(self, *, retry: bool = True) -> Tries:
        """Return the tries that one request has."""
        return Tries(
            self._retry.delays() if retry else iter(()), _now() + self._retry.max_time, polls=not retry
        )

    async def _deliver(self, request: Request, credentials: Credentials, retry: bool) -> Response:
        """Send one request, with retries, and return the answer for the conversation."""
        tries = self.tries(retry=retry)
        while True:
            outcome = await self._attempt(request, credentials, tries)
            if isinstance(outcome, Response):
                return outcome
            error, delay = outcome
            try:
                if delay is None:
                    raise error
                _log.debug("%s: %s; again in %.1f s", request.operation, type(error).__name__, delay)
            finally:
                del error, outcome  # an error keeps frames alive for the time of the wait
            await self.rest(delay)

    async def _attempt(
        self, request: Request, credentials: Credentials, tries: Tries
    ) -> Response | tuple[ImsError, float | None]:
        """Send once; return the answer, or the error with the delay before the next try.

        If a reused connection closed before the answer began, a repeatable request, also a poll, is sent once
        more at its next turn. That is one request more for the rate limit and the gateway, which may have
        billed the first.
        """
        while True:
            async with self.ready(request, credentials, tries) as ready:
                answer = await self.send(ready)
            if not (isinstance(answer, KeptConnectionLost) and request.repeatable) or request.fresh:
                break
            request = attrs.evolve(request, fresh=True)
        try:
            outcome = self.judge(request, ready, answer, credentials)
            if isinstance(outcome, Response):
                return outcome
            return outcome.error, await self.delay_after(request, ready, outcome, credentials, tries)
        finally:
            del answer, ready  # its traceback refers to this frame: a reference cycle

    @contextlib.asynccontextmanager
    async def ready(self, request: Request, credentials: Credentials, tries: Tries) -> AsyncIterator[Ready]:
        """Wait until a request can leave at once: with a live token, and a place in the rate limit.

        Nothing has left. If nothing is sent in the block, the place is given back.
        """
        credential, waited = credentials.of(request), request.fresh
        while True:
            self.check_open()
            token = await credential.current() if credential else None
            ahead = credentials.ahead or waited
            async with self._pacer.turn(credentials.gstin, ahead=ahead, gives_way=tries.polls) as turn:
                ready: Ready | None = None
                try:
                    self.check_open()
                    if credential is not None and not waited:
                        token = credential.ready  # it may have expired during the wait for the turn
                    if credential is None or token is not None:
                        ready = self._signed(request, credentials, token)
                        yield ready
                        return
                finally:
                    if ready is None or not ready.sent:
                        turn.give_back()
            waited = True

    def _signed(self, request: Request, credentials: Credentials, token: Token | None) -> Ready:
        behind = credentials.at_hand()
        if token is not None:
            behind[request.needs] = token
        return Ready(self._gsp.sign(request, token.value if token else None), behind)

    async def send(self, ready: Ready) -> Response | ImsError:
        """Send a request that is ready; return the answer, or the error in its place.

        A transport may be a caller's own: after any error for a change that does not prove that it was not
        sent, the outcome is unknown.
        """
        signed, ready.sent = ready.signed, True
        try:
            return await self._transport.send(signed)
        except (NotSent, GatewayUnavailable, UnexpectedAnswer) as error:
            return error
        except (ClientClosed, InvalidInput):
            raise
        except Exception as error:
            if not signed.changes:
                raise
            kind = type(error).__name__
        return AnswerLost(f"no answer to {signed.operation} came back: the transport raised {kind}")

    def _judge(
        self, request: Request, response: Response, secrets: Iterable[Secret]
    ) -> tuple[Verdict, Response]:
        """Judge an answer, and mask the secrets in it: errors show a gateway's messages."""
        verdict = self._gsp.judge(request, response)
        fine = verdict.kind is VerdictKind.FINE
        if fine and request.grants:
            return verdict, response  # the new secret in it may equal the one that was sent
        clean = response.without(secrets, shortest=_IN_ROWS if fine else _IN_A_REFUSAL)
        if clean is not response and not fine:
            verdict = self._gsp.judge(request, clean)
        if isinstance(verdict.error, PayloadTooLarge):
            verdict.error.size = len(request.body or b"")
        return verdict, clean

    def judge(
        self, request: Request, ready: Ready, answer: Response | ImsError, credentials: Credentials
    ) -> Response | Refusal:
        """Decide what an answer means.

        A change has an unknown outcome, which is raised, unless the answer proves that nothing was done.
        """
        if not isinstance(answer, Response):
            if request.repeatable and self.closed:  # the closing of the client aborted the read
                raise ClientClosed(
                    f"the client was closed while {request.operation} was under way"
                ) from answer
            if request.changes and not isinstance(answer, NotSent):
                raise _unknown(answer) from answer
            return Refusal(answer)
        tokens = (token.value for token in ready.behind.values())
        secrets = dict.fromkeys((*ready.signed.secrets, *tokens, *credentials.secrets()))
        verdict, answer = self._judge(request, answer, secrets)
        self._heed(verdict)
        if verdict.kind is VerdictKind.FINE:
            return answer
        error = verdict.error or GatewayUnavailable("the gateway refused without a reason")
        if request.changes and not verdict.nothing_done:
            raise _unknown(error) from error
        return Refusal(error, verdict)

    async def delay_after(
        self, request: Request, ready: Ready, refusal: Refusal, credentials: Credentials, tries: Tries
    ) -> float | None:
        """Return the delay before the next try, None if there is none; renew what was refused as stale."""
        error, verdict = refusal.error, refusal.verdict
        if verdict is None:
            lost = isinstance(
                error, GatewayUnavailable
            )  # otherwise it was refused unread, and would be again
            again = isinstance(error, NotSent) or (lost and request.repeatable)
            return tries.next_delay() if again else None
        if verdict.kind is VerdictKind.REFUSED:
            stale = verdict.stale or request.needs
            credential = credentials.named(stale)
            if credential is None or stale in tries.renewed:
                return None
            tries.renewed.add(stale)  # once only: if a new token is refused too, a further one does not help
            await credential.renew(ready.behind.get(stale) or await credential.current())
            return 0.0
        repeatable = verdict.kind is VerdictKind.UNAVAILABLE and request.repeatable
        if verdict.kind is VerdictKind.THROTTLED or repeatable:
            return self._as_asked(error, verdict, tries)
        return None

    def _heed(self, verdict: Verdict) -> None:
        """Let the rate limiter know what the gateway says of its limits."""
        if verdict.not_before is not None and verdict.not_before - self._clock() <= self._retry.max_hint:
            self._pacer.not_before(verdict.not_before)
        if verdict.allowance is not None and verdict.allowance[1] - self._clock() <= self._retry.max_hint:
            self._pacer.note_allowance(*verdict.allowance)

    def _as_asked(self, error: ImsError, verdict: Verdict, tries: Tries) -> float | None:
        """Return the delay that the gateway asks for, if it is within `max_hint`."""
        if verdict.not_before is None:
            return tries.next_delay()
        asked = verdict.not_before - self._clock()
        if asked > self._retry.max_hint:
            if isinstance(error, RateLimited):
                error.retry_after = asked
            return None
        return tries.after(asked)

    async def rest(self, delay: float) -> None:
        """Sleep for `delay` seconds, or until the client is closed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._closed.wait()

    @property
    def closed(self) -> bool:
        """Whether no further request is sent."""
        return self._closed.is_set()

    def check_open(self) -> None:
        """Raise `ClientClosed` if the client is closed, or the error of the context's overseer."""
        if self._closed.is_set():
            raise ClientClosed("the client is closed; nothing was sent")
        if (overseer := OVERSEER.get()) is not None:
            overseer.check()

    def stop(self) -> None:
        """Send no further request: waiting and later calls raise `ClientClosed`."""
        self._closed.set()
        self._pacer.close()

    async def aclose(self) -> None:
        """Stop, and close the transport, which aborts running requests."""
        self.stop()
        await self._transport.aclose()


def note_failure(error: ImsError) -> None:
    """Let the context's overseer know of a conversation that failed."""
    if (overseer := OVERSEER.get()) is not None:
        overseer.failed(error)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _unknown(error: ImsError) -> OutcomeUnknown:
    return OutcomeUnknown(f"{error}; it may or may not have taken effect")


# Characters. A shorter secret may occur in an answer by chance, and rows must stay unchanged.
_IN_A_REFUSAL, _IN_ROWS = 6, 16
NOTHING = Response(status=0, headers={}, body=b"")
