"""Run conversations: credential, rate limit, send, verdict, retry; the same for every GSP."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
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
from .policies import RetryPolicy, lengthened
from .rate_limit import Pacer, Turn
from .transport import AnswerLost, KeptConnectionLost, Transport

T = TypeVar("T")

Leaving = Callable[[bool], Awaitable[None]]

_log = logging.getLogger("ims_async")


async def _unheard(_: bool) -> None:
    """Ignore the notification."""


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
class _Tries:
    """What is left for one request: tries, time (on the loop's clock), one renewal of each credential."""

    delays: Iterator[float]
    ends_at: float
    polls: bool = False
    renewed: set[Needs] = attrs.field(factory=set)

    def next_delay(self) -> float | None:
        """Return the delay before the next try; None if there is none left."""
        delay = next(self.delays, None)
        return None if delay is None or _now() + delay > self.ends_at else delay

    def after(self, asked: float) -> float | None:
        """Return the delay that the gateway asks for: it counts as a try, and not as time."""
        delay = next(self.delays, None)
        if delay is None:
            return None
        delay = max(lengthened(asked), delay)
        self.ends_at += delay
        return delay


class Exchange:
    """Run the conversations of one GSP over one transport. `clock` is wall time in epoch seconds."""

    def __init__(
        self, gsp: Gsp, transport: Transport, *, retry: RetryPolicy, pacer: Pacer, clock: Callable[[], float]
    ) -> None:
        self._gsp, self._transport, self._retry = gsp, transport, retry
        self._pacer, self._clock = pacer, clock
        self._closed = asyncio.Event()

    async def run(
        self,
        conversation: Conversation[T],
        credentials: Credentials,
        *,
        retry: bool = True,
        leaving: Leaving = _unheard,
    ) -> T:
        """Run a conversation to its end and return its value.

        Raises the error that an answer means; for a change with an unknown outcome `OutcomeUnknown`. With
        `retry=False`, for polls, each request is sent once and has the lowest priority. `leaving` is called
        with True when a change is about to be sent, which it can prevent by raising, and with False when it
        is proved that nothing was done.
        """
        changing, overseer = False, OVERSEER.get()
        try:
            step = next(conversation)
            while True:
                if isinstance(step, Pause):
                    await asyncio.sleep(0)
                    step = conversation.send(_NOTHING)
                    continue
                try:
                    answer = await self._deliver(step, credentials, retry, leaving)
                except ImsError as error:
                    step = conversation.throw(error)
                    continue
                changing = step.changes
                step = conversation.send(answer)
        except StopIteration as stop:
            value: T = stop.value
            return value
        except UnexpectedAnswer as error:
            if not changing:
                raise
            raise OutcomeUnknown(f"the gateway's answer to the change cannot be read: {error}") from error
        except ImsError as error:
            if overseer is not None:
                overseer.failed(error)
            raise
        finally:
            conversation.close()

    async def _deliver(
        self, request: Request, credentials: Credentials, retry: bool, leaving: Leaving
    ) -> Response:
        """Send one request, with retries, and return the answer for the conversation."""
        delays = self._retry.delays() if retry else iter(())
        tries = _Tries(delays, _now() + self._retry.max_time, polls=not retry)
        while True:
            outcome = await self._attempt(request, credentials, tries, leaving)
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
        self, request: Request, credentials: Credentials, tries: _Tries, leaving: Leaving
    ) -> Response | tuple[ImsError, float | None]:
        """Send once; return the answer, or the error with the delay before the next try.

        If a reused connection closed before the answer began, a repeatable request, also a poll, is sent once
        more at its next turn. That is one request more for the rate limit and the gateway, which may have
        billed the first.
        """
        credential, waited = credentials.of(request), False
        while True:
            self.check_open()
            token = await credential.current() if credential else None
            ahead = credentials.ahead or waited
            async with self._pacer.turn(credentials.gstin, ahead=ahead, gives_way=tries.polls) as turn:
                self._check_open(turn)
                if credential is not None and not waited:
                    token = credential.ready  # it may have expired during the wait for the turn
                if credential is None or token is not None:
                    if request.changes:
                        await self._let_leave(leaving, turn)
                    behind = credentials.at_hand()
                    if token is not None:
                        behind[request.needs] = token
                    signed = self._gsp.sign(request, token.value if token else None)
                    answer = await self._send(signed)
                    if not (isinstance(answer, KeptConnectionLost) and request.repeatable) or request.fresh:
                        break
                    request = attrs.evolve(request, fresh=True)
                else:
                    turn.give_back()
            waited = True
        if isinstance(answer, Response):
            sent = (*signed.secrets, *(token.value for token in behind.values()))
            secrets = dict.fromkeys((*sent, *credentials.secrets()))
            verdict, answer = self._judge(request, answer, secrets)
            return await self._consider(request, answer, verdict, credentials, behind, tries, leaving)
        try:
            if isinstance(answer, NotSent):
                await leaving(False)
            return answer, self._after_loss(request, answer, tries)
        finally:
            del answer  # its traceback refers to this frame: a reference cycle

    def _check_open(self, turn: Turn) -> None:
        try:
            self.check_open()
        except ImsError:
            turn.give_back()
            raise

    async def _let_leave(self, leaving: Leaving, turn: Turn) -> None:
        try:
            await leaving(True)
            self.check_open()
        except BaseException:
            turn.give_back()
            raise

    async def _send(self, signed: Request) -> Response | ImsError:
        """Return the answer, or the error in its place.

        A transport may be a caller's own: after any error for a change that does not prove that it was not
        sent, the outcome is unknown.
        """
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

    def _after_loss(self, request: Request, error: ImsError, tries: _Tries) -> float | None:
        """Return the delay before the next try after a lost answer, or None."""
        if request.repeatable and self._closed.is_set():  # the closing of the client aborted the read
            raise ClientClosed(f"the client was closed while {request.operation} was under way") from error
        if isinstance(error, NotSent):
            return tries.next_delay()
        if request.changes:
            raise _unknown(error) from error
        lost = isinstance(error, GatewayUnavailable)  # otherwise it was refused unread, and would be again
        return tries.next_delay() if lost and request.repeatable else None

    async def _consider(
        self,
        request: Request,
        response: Response,
        verdict: Verdict,
        credentials: Credentials,
        behind: Mapping[Needs, Token],
        tries: _Tries,
        leaving: Leaving,
    ) -> Response | tuple[ImsError, float | None]:
        """Decide on an answer. A change has an unknown outcome unless it proves that nothing was done."""
        if verdict.not_before is not None and verdict.not_before - self._clock() <= self._retry.max_hint:
            self._pacer.not_before(verdict.not_before)
        if verdict.allowance is not None and verdict.allowance[1] - self._clock() <= self._retry.max_hint:
            self._pacer.note_allowance(*verdict.allowance)
        if verdict.kind is VerdictKind.FINE:
            return response
        error = verdict.error or GatewayUnavailable("the gateway refused without a reason")
        if request.changes:
            if not verdict.nothing_done:
                raise _unknown(error) from error
            await leaving(False)
        if verdict.kind is VerdictKind.REFUSED:
            stale = verdict.stale or request.needs
            credential = credentials.named(stale)
            if credential is None or stale in tries.renewed:
                return error, None
            tries.renewed.add(stale)  # once only: if a new token is refused too, a further one does not help
            await credential.renew(behind.get(stale) or await credential.current())
            return error, 0.0
        if verdict.kind is VerdictKind.THROTTLED:
            return error, self._as_asked(error, verdict, tries)
        repeatable = verdict.kind is VerdictKind.UNAVAILABLE and request.repeatable
        return error, self._as_asked(error, verdict, tries) if repeatable else None

    def _as_asked(self, error: ImsError, verdict: Verdict, tries: _Tries) -> float | None:
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


def _now() -> float:
    return asyncio.get_running_loop().time()


def _unknown(error: ImsError) -> OutcomeUnknown:
    return OutcomeUnknown(f"{error}; it may or may not have taken effect")


# Characters. A shorter secret may occur in an answer by chance, and rows must stay unchanged.
_IN_A_REFUSAL, _IN_ROWS = 6, 16
_NOTHING = Response(status=0, headers={}, body=b"")
