"""Send a change in two phases: first everything is made ready and nothing has left, then it is sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Generic, Self, TypeVar

from ..errors import ImsError, OutcomeUnknown, UnexpectedAnswer
from ..gsp.base import Conversation, Request, Response
from ..gsp.codec.json import Pause
from .credentials import Credentials
from .exchange import Delivery, Exchange, note_failure

T = TypeVar("T")


class Outgoing(Delivery, Generic[T]):
    """One change on its way out. Its conversation has one request, and returns what the answer means.

    with Outgoing(exchange, conversation, credentials) as outgoing:
        while True:
            async with outgoing.ready():    # a live token, a place in the rate limit
                ...                         # write down that it is being sent
                answer = await outgoing.send()
            if answer is not None:
                return answer
            await outgoing.try_again()      # nothing was done, or it may be repeated; raises if that is all
            await outgoing.rest()
    """

    def __init__(self, exchange: Exchange, conversation: Conversation[T], credentials: Credentials) -> None:
        super().__init__(exchange, credentials)
        self._conversation = conversation
        self._made: Request | None = None
        self._over = False
        self.left = False
        """True from the hand-over to the transport on, unless it is proved that nothing was done."""

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
        return "" if self._refusal is None else str(self._refusal[0])

    @property
    def can_be_dropped(self) -> bool:
        """True while nothing has left, and it is not over."""
        return not (self.left or self._over)

    @contextlib.asynccontextmanager
    async def ready(self) -> AsyncIterator[None]:
        """Wait for a live token and a place in the rate limit. Nothing leaves before `send`."""
        if self._made is None:
            self._made = await self._make()
        try:
            await self._take_turn(self._made)
            yield
        finally:
            self._end_turn()

    async def _make(self) -> Request:
        """Let the conversation make its request; the body of a big batch is made in many short steps."""
        step = next(self._conversation)
        while isinstance(step, Pause):
            await asyncio.sleep(0)
            step = next(self._conversation)
        return step

    async def send(self) -> T | None:
        """Send it, and return what the answer means; None if nothing was done: see `try_again`.

        Raises `OutcomeUnknown` if it may have taken effect; one that may be repeated is `in_doubt` instead.
        """
        self._exchange.check_open()
        self.left = True
        answer = self._judged(await self._send())
        if answer is not None:
            return self._value(answer)
        self.left = self.in_doubt
        return None

    def _value(self, answer: Response) -> T:
        try:
            self._conversation.send(answer)
        except StopIteration as stop:
            value: T = stop.value
            return value
        except UnexpectedAnswer as error:
            raise OutcomeUnknown(f"the gateway's answer to the change cannot be read: {error}") from error
        raise RuntimeError("a change takes one request: this is a defect of the GSP")
