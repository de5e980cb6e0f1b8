"""Run conversations: credential, rate limit, send, verdict, retry; the same for every GSP."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
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
from ..gsp.codec.json import LARGE, Pause
from ..gsp.verdicts import is_rows
from ..steps import run_async
from .credentials import Credentials
from .policies import RetryPolicy, lengthened
from .rate_limit import Pacer, Turn
from .transport import AnswerLost, KeptConnectionLost, Transport

T = TypeVar("T")

_log = logging.getLogger("ims_async")

# Characters. A shorter secret may occur in an answer by chance, and rows must stay unchanged.
_IN_A_REFUSAL, _IN_ROWS = 6, 16


class Overseer(Protocol):
    """Decide whether the requests of one run are still to be sent. For `ims_async.bulk`."""

    def check(self) -> None:
        """Raise if no further request is to be sent. Called before each request."""

    def failed(self, error: ImsError) -> None:
        """Note a failed conversation, also one that its caller will repeat."""


OVERSEER: Final[ContextVar[Overseer | None]] = ContextVar("OVERSEER", default=None)
"""The overseer of the requests in a context; tasks and timers begun in it (polls, renewals) inherit it."""


def note_failure(error: ImsError) -> None:
    """Let the context's overseer know of a conversation that failed."""
    if (overseer := OVERSEER.get()) is not None:
        overseer.failed(error)


@attrs.frozen(eq=False, repr=False)
class Exchange:
    """Run the conversations of one GSP over one transport. `clock` is wall time in epoch seconds."""

    gsp: Gsp
    transport: Transport
    retry: RetryPolicy = attrs.field(kw_only=True)
    pacer: Pacer = attrs.field(kw_only=True)
    clock: Callable[[], float] = attrs.field(kw_only=True)
    _closed: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

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
                    step = next(conversation)
                    continue
                try:
                    answer = await Delivery(self, credentials, polls=not retry).answer(step)
                except ImsError as error:
                    step = conversation.throw(error)
                else:
                    step = conversation.send(answer)
        except StopIteration as stop:
            value: T = stop.value
            return value
        except ImsError as error:
            note_failure(error)
            raise
        finally:
            conversation.close()

    async def send(self, signed: Request) -> Response | ImsError:
        """Send a signed request once; return the answer, or the error in its place.

        A transport may be a caller's own: after any error for a change that does not prove that it was not
        sent, the outcome is unknown.
        """
        try:
            return await self.transport.send(signed)
        except (NotSent, GatewayUnavailable, UnexpectedAnswer) as error:
            return error
        except (ClientClosed, InvalidInput):
            raise
        except Exception as error:
            if not signed.changes:
                raise
            kind = type(error).__name__
        return AnswerLost(f"no answer to {signed.operation} came back: the transport raised {kind}")

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
        self.pacer.close()

    async def aclose(self) -> None:
        """Stop, and close the transport, which aborts running requests."""
        self.stop()
        await self.transport.aclose()


class Delivery:
    """The tries of one request. Each waits until the request can leave, sends it, and judges the answer."""

    _delays: Iterator[float] | None = None  # of the tries that are left, made when the first has failed
    _renewed: frozenset[Needs] = frozenset()
    _behind: dict[Needs, Token]  # the tokens that were in use when it was signed
    _turn: Turn | None = None  # while it has one
    _refusal: tuple[ImsError, Verdict | None] | None = None
    _delay, _fresh = 0.0, False  # of the next try
    last_try = False
    """To be set if nobody waits for it any more: what did nothing is not tried again."""
    in_doubt = False
    """True if the last try was a change that may have taken effect, and may be repeated."""

    def __init__(self, exchange: Exchange, credentials: Credentials, *, polls: bool = False) -> None:
        self._exchange, self._credentials, self._polls = exchange, credentials, polls
        self._ends_at = _now() + exchange.retry.max_time  # on the loop's clock

    async def answer(self, request: Request) -> Response:
        """Send a request that changes nothing, and return the first answer that is fine."""
        while True:
            try:
                await self._take_turn(request)
                answer = await self._send()
            finally:
                self._end_turn()
            if isinstance(answer, Response) and len(answer.body) > LARGE and not is_rows(answer):
                await run_async(answer.parsing())  # it is judged by what is in it
            found = self._judged(answer)
            del answer  # an error keeps frames alive for the time of the wait
            if found is not None:
                return found
            await self.try_again()
            await self.rest()

    async def _take_turn(self, request: Request) -> None:
        """Wait until a request can leave at once: with a live token, and a place in the rate limit.

        Nothing has left. Call `_end_turn` whatever comes of it: if nothing was sent, the place is given back.
        """
        exchange, credentials, pacer = self._exchange, self._credentials, self._exchange.pacer
        if self._fresh:
            request, self._fresh = attrs.evolve(request, fresh=True), False
        needs, credential, waited = request.needs, credentials.by_need.get(request.needs), request.fresh
        if credential is None and needs is not Needs.NONE:
            raise RuntimeError(f"no {needs.name.lower()} credential was given for {request.operation}")
        self._request = request
        while True:
            exchange.check_open()
            token = await credential.current() if credential else None
            turn = pacer.turn(credentials.gstin, ahead=credentials.ahead or waited, gives_way=self._polls)
            self._turn = await pacer.wait(turn)
            turn.used = False  # until it is sent
            exchange.check_open()
            if credential is not None and not waited and turn.leave is not None:
                token = credential.ready  # it may have expired during the wait for the turn
            if credential is None or token is not None:
                self._sign(token)
                return
            self._end_turn()
            waited = True

    def _end_turn(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            self._exchange.pacer.done(turn)

    def _sign(self, token: Token | None) -> None:
        by_need = self._credentials.by_need
        self._behind = {needs: one.held for needs, one in by_need.items() if one.held is not None}
        if token is not None:
            self._behind[self._request.needs] = token
        self._signed = self._exchange.gsp.sign(self._request, token.value if token else None)

    async def _send(self) -> Response | ImsError:
        assert self._turn is not None  # noqa: S101 # between `_take_turn` and `_end_turn`
        self._turn.used = True
        return await self._exchange.send(self._signed)

    def _judged(self, answer: Response | ImsError) -> Response | None:
        """Return an answer that is fine, with the secrets in it masked; None for any other: see `try_again`.

        Raises `OutcomeUnknown` for a change, unless the answer proves that nothing was done, or it may be
        repeated: then it is `in_doubt`.
        """
        request, verdict = self._request, None
        if isinstance(answer, Response):
            verdict, answer = self._verdict_on(answer)
            self._heed(verdict)
            if verdict.kind is VerdictKind.FINE:
                return answer
            nothing_done = verdict.nothing_done
            error = verdict.error or GatewayUnavailable("the gateway refused without a reason")
        else:
            if request.repeatable and not request.changes and self._exchange.closed:  # that aborted it
                raise ClientClosed(
                    f"the client was closed while {request.operation} was under way"
                ) from answer
            nothing_done, error = isinstance(answer, NotSent), answer
        self.in_doubt = request.changes and not nothing_done
        if self.in_doubt and not request.repeatable:
            raise OutcomeUnknown(f"{error}; it may or may not have taken effect") from error
        self._refusal = error, verdict
        return None

    def _verdict_on(self, answer: Response) -> tuple[Verdict, Response]:
        """Judge an answer, and mask the secrets in it: errors show a gateway's messages."""
        gsp, request = self._exchange.gsp, self._request
        verdict = gsp.judge(request, answer)
        fine = verdict.kind is VerdictKind.FINE
        if fine and request.grants:
            return verdict, answer  # the new secret in it may equal the one that was sent
        credentials = self._credentials
        held = [one.held for one in (*credentials.by_need.values(), *credentials.besides)]
        tokens = [token.value for token in (*self._behind.values(), *held) if token is not None]
        clean = answer.without((*self._signed.secrets, *tokens), shortest=_IN_ROWS if fine else _IN_A_REFUSAL)
        if clean is not answer and not fine:
            verdict = gsp.judge(request, clean)
        if isinstance(verdict.error, PayloadTooLarge):
            verdict.error.size = len(request.body or b"")
        return verdict, clean

    def _heed(self, verdict: Verdict) -> None:
        """Let the rate limiter know what the gateway says of its limits."""
        exchange, longest = self._exchange, self._exchange.retry.max_hint
        if verdict.not_before is not None and verdict.not_before - exchange.clock() <= longest:
            exchange.pacer.not_before(verdict.not_before)
        if verdict.allowance is not None and verdict.allowance[1] - exchange.clock() <= longest:
            if self._turn is not None:
                self._turn.noted = True
            exchange.pacer.note_allowance(*verdict.allowance)

    async def try_again(self) -> None:
        """Make ready for another try, or raise the error that the last one means.

        Outside of the wait for a place: a token is renewed here, which needs a place in the rate limit too.
        """
        assert self._refusal is not None  # noqa: S101 # asked after an answer that was not fine
        (error, verdict), self._refusal = self._refusal, None
        try:
            delay = await self._next_delay(error, verdict)
            if delay is None or self.last_try:
                raise error
            _log.debug("%s: %s; again in %.1f s", self._request.operation, type(error).__name__, delay)
            self._delay = delay
        finally:
            del error, verdict  # the traceback refers to this frame: a reference cycle

    async def rest(self) -> None:
        """Wait for as long as the gateway or the retry policy asks."""
        await self._exchange.rest(self._delay)

    async def _next_delay(self, error: ImsError, verdict: Verdict | None) -> float | None:
        """Return the delay before the next try, None if there is none; renew what was refused as stale."""
        request = self._request
        if verdict is None:
            if isinstance(error, KeptConnectionLost) and request.repeatable and not request.fresh:
                # One request more for the rate limit and the gateway, which may have billed the first.
                self._fresh = True
                return 0.0
            if isinstance(error, UnexpectedAnswer):
                return None  # it was refused unread, and would be again
            return self._own_delay() if request.repeatable or isinstance(error, NotSent) else None
        if verdict.kind is VerdictKind.REFUSED:
            return await self._renew(verdict.stale or request.needs)
        repeatable = verdict.kind is VerdictKind.UNAVAILABLE and request.repeatable
        if not repeatable and verdict.kind is not VerdictKind.THROTTLED:
            return None
        return self._own_delay() if verdict.not_before is None else self._as_asked(error, verdict.not_before)

    async def _renew(self, stale: Needs) -> float | None:
        credential = self._credentials.by_need.get(stale)
        if credential is None or stale in self._renewed:
            return None
        self._renewed |= {stale}  # once only: if a new token is refused too, a further one does not help
        await credential.renew(self._behind.get(stale) or await credential.current())
        return 0.0

    def _own_delay(self) -> float | None:
        """Return the delay of the retry policy; None if no try or no time is left."""
        delay = self._next_of_policy()
        return None if delay is None or _now() + delay > self._ends_at else delay

    def _next_of_policy(self) -> float | None:
        self._delays = self._delays or (iter(()) if self._polls else self._exchange.retry.delays())
        return next(self._delays, None)

    def _as_asked(self, error: ImsError, not_before: float) -> float | None:
        """Return the delay that the gateway asks for, up to `max_hint`: it counts as a try, not as time."""
        asked = not_before - self._exchange.clock()
        if asked > self._exchange.retry.max_hint:
            if isinstance(error, RateLimited):
                error.retry_after = asked
            return None
        if (delay := self._next_of_policy()) is None:
            return None
        delay = max(lengthened(asked), delay)
        self._ends_at += delay
        return delay


def _now() -> float:
    return asyncio.get_running_loop().time()
