"""Send a change in two phases: first everything is made ready and nothing has left, then it is sent."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Generic, Self, TypeVar

from ..errors import ImsError, OutcomeUnknown, UnexpectedAnswer
from ..gsp.base import Conversation, Request, Response
from ..gsp.codec.json import Pause
from .credentials import Credentials
from .exchange import NOTHING, Exchange, Ready, Refusal, note_failure

T = TypeVar("T")

_log = logging.getLogger("ims_async")


class Outgoing(Generic[T]):
    """One change on its way out. Its conversation has one request, and returns what the answer means.

    with Outgoing(exchange, conversation, credentials) as outgoing:
        while True:
            async with outgoing.ready():    # a live token, a place in the rate limit
                ...                         # write down that it is being sent
                answer = await outgoing.send()
            if answer is not None:
                return answer
            await outgoing.try_again()      # nothing was done; raises the error if that is all
            await outgoing.rest()
    """

    def __init__(self, exchange: Exchange, conversation: Conversation[T], credentials: Credentials) -> None:
        self._exchange, self._conversation, self._credentials = exchange, conversation, credentials
        self._tries = exchange.tries()
        self._request: Request | None = None
        self._ready: Ready | None = None
        self._refusal: Refusal | None = None
        self._delay = 0.0
        self._over = False
        self.left = False
        """True from the hand-over to the transport on, unless it is proved that nothing was done."""
        self.last_try = False
        """To be set if nobody waits for it any more: what did nothing is not tried again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        self._conversation.close()
        if isinstance(error, ImsError):
            note_failure(error)

    @property
    def refused_for(self) -> str:
        """Why nothing was done at the last try."""
        return "" if self._refusal is None else str(self._refusal.error)

    @property
    def can_be_dropped(self) -> bool:
        """True while nothing has left, and it is not over."""
        return not (self.left or self._over)

    @contextlib.asynccontextmanager
    async def ready(self) -> AsyncIterator[None]:
        """Wait for a live token and a place in the rate limit. Nothing leaves before `send`."""
        if self._request is None:
            self._request = await self._made()
        assert self._refusal is None  # noqa: S101 # `try_again` was asked first
        async with self._exchange.ready(self._request, self._credentials, self._tries) as self._ready:
            yield

    async def _made(self) -> Request:
        """Let the conversation make its request; the body of a big batch is made in many short steps."""
        step = next(self._conversation)
        while isinstance(step, Pause):
            await asyncio.sleep(0)
            step = self._conversation.send(NOTHING)
        return step

    async def send(self) -> T | None:
        """Send it, and return what the answer means; None if nothing was done: see `try_again`.

        Raises `OutcomeUnknown` if it may have taken effect.
        """
        exchange, request, ready = self._exchange, self._request, self._ready
        assert request is not None and ready is not None  # noqa: S101, PT018 # in the block of `ready`
        exchange.check_open()
        self.left = True
        outcome = exchange.judge(request, ready, await exchange.send(ready), self._credentials)
        if isinstance(outcome, Response):
            return self._value(outcome)
        self.left, self._refusal = False, outcome
        return None

    async def try_again(self) -> None:
        """Make ready for another try, or raise the error that the last one means.

        Outside of the block of `ready`: a token is renewed here, which needs a place in the rate limit too.
        """
        request, ready, refusal = self._request, self._ready, self._refusal
        assert request is not None and ready is not None and refusal is not None  # noqa: S101, PT018 # sent
        delay = await self._exchange.delay_after(request, ready, refusal, self._credentials, self._tries)
        if delay is None or self.last_try:
            self._over = True
            raise refusal.error
        _log.debug("%s: %s; again in %.1f s", request.operation, type(refusal.error).__name__, delay)
        self._refusal, self._delay = None, delay

    def _value(self, answer: Response) -> T:
        try:
            self._conversation.send(answer)
        except StopIteration as stop:
            value: T = stop.value
            return value
        except UnexpectedAnswer as error:
            raise OutcomeUnknown(f"the gateway's answer to the change cannot be read: {error}") from error
        raise RuntimeError("a change takes one request: this is a defect of the GSP")

    async def rest(self) -> None:
        """Wait for as long as the gateway or the retry policy asks."""
        await self._exchange.rest(self._delay)
