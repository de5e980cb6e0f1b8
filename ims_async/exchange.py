"""Drives a conversation: credential, pace, send, verdict, retry. It knows no GSP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import attrs

from .errors import (
    ClientClosed,
    GatewayUnavailable,
    ImsError,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    UnexpectedAnswer,
)
from .pacing import Pacer
from .retry import RetryPolicy
from .transport import Transport
from .wire import (
    Conversation,
    Credential,
    Gsp,
    Needs,
    Pause,
    Request,
    Response,
    Token,
    Verdict,
    VerdictKind,
)

T = TypeVar("T")

_log = logging.getLogger("ims_async")


@attrs.frozen(kw_only=True)
class Credentials:
    """Where the credentials of one taxpayer's requests come from."""

    account: Credential | None = None
    taxpayer: Credential | None = None
    gstin: str | None = None

    def of(self, request: Request) -> Credential | None:
        """Return the credential that a request needs."""
        if request.needs is Needs.NONE:
            return None
        return self.account if request.needs is Needs.ACCOUNT else self.taxpayer


@attrs.define
class _Tries:
    """What one request may still cost: tries, time, and one renewal of its credential."""

    delays: Iterator[float]
    ends_at: float
    renewed: bool = False


class Exchange:
    """One GSP over one transport. `clock` is wall time in seconds since the epoch."""

    def __init__(
        self, gsp: Gsp, transport: Transport, *, retry: RetryPolicy, pacer: Pacer, clock: Callable[[], float]
    ) -> None:
        self._gsp, self._transport, self._retry, self._pacer, self._clock = (
            gsp,
            transport,
            retry,
            pacer,
            clock,
        )
        self._closed = False

    async def run(self, conversation: Conversation[T], credentials: Credentials, *, retry: bool = True) -> T:
        """Drive a conversation to its end and return its value.

        Raises what the answers mean. A change whose outcome nobody can tell is `OutcomeUnknown`;
        `retry=False` sends each request once, for polls.
        """
        changing = False
        try:
            step = next(conversation)
            while True:
                if isinstance(step, Pause):
                    await asyncio.sleep(0)
                    step = conversation.send(_NOTHING)
                    continue
                try:
                    answer = await self._deliver(step, credentials, retry=retry)
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
        finally:
            conversation.close()

    async def _deliver(self, request: Request, credentials: Credentials, *, retry: bool) -> Response:
        """Send one request until it has an answer that the conversation may see."""
        tries = _Tries(
            iter(self._retry.delays()) if retry else iter(()), self._clock() + self._retry.max_time
        )
        while True:
            failure = await self._attempt(request, credentials, tries)
            if isinstance(failure, Response):
                return failure
            error, delay = failure
            if delay is None:
                raise error
            _log.debug("%s: %s; again in %.1f s", request.operation, type(error).__name__, delay)
            await asyncio.sleep(delay)

    async def _attempt(
        self, request: Request, credentials: Credentials, tries: _Tries
    ) -> Response | tuple[ImsError, float | None]:
        """Send once; return the answer, or the error with the delay after which to try again."""
        if self._closed:
            raise ClientClosed("the client is closed; nothing was sent")
        credential = credentials.of(request)
        if credential is None and request.needs is not Needs.NONE:
            raise RuntimeError(
                f"no {request.needs.name.lower()} credential was given for {request.operation}"
            )
        token = await credential.current() if credential else None
        await self._pacer.turn(credentials.gstin)
        try:
            response = await self._transport.send(self._gsp.sign(request, token.value if token else None))
        except NotSent as error:
            return error, self._next_delay(tries)
        except GatewayUnavailable as error:
            if request.changes:
                raise OutcomeUnknown(f"{error}; it may or may not have taken effect") from error
            return error, self._next_delay(tries) if request.repeatable else None
        verdict = self._gsp.judge(request, response)
        if verdict.not_before is not None and verdict.not_before - self._clock() <= self._retry.max_hint:
            self._pacer.not_before(verdict.not_before)
        if verdict.kind is VerdictKind.FINE:
            return response
        return await self._consider(request, verdict, credential, token, tries)

    async def _consider(
        self,
        request: Request,
        verdict: Verdict,
        credential: Credential | None,
        token: Token | None,
        tries: _Tries,
    ) -> tuple[ImsError, float | None]:
        """Decide on an answer that is not fine; all but an outage are proof that nothing was done."""
        error = verdict.error or GatewayUnavailable("the gateway refused without a reason")
        if verdict.kind is VerdictKind.REFUSED and credential and token and not tries.renewed:
            tries.renewed = True  # once: a fresh token that is refused too will not get better
            await credential.renew(token)
            return error, 0.0
        if verdict.kind is VerdictKind.THROTTLED:
            return error, self._throttled(error, verdict, tries)
        if verdict.kind is VerdictKind.UNAVAILABLE:
            if request.changes:
                raise OutcomeUnknown(f"{error}; it may or may not have taken effect") from error
            return error, self._next_delay(tries) if request.repeatable else None
        return error, None

    def _next_delay(self, tries: _Tries) -> float | None:
        delay = next(tries.delays, None)
        return None if delay is None or self._clock() + delay > tries.ends_at else delay

    def _throttled(self, error: ImsError, verdict: Verdict, tries: _Tries) -> float | None:
        """Wait as long as the gateway asks, if that is bearable; its wish costs a try, not our time."""
        delay = next(tries.delays, None)
        if delay is None or verdict.not_before is None:
            return delay
        asked = verdict.not_before - self._clock()
        if asked > self._retry.max_hint:
            if isinstance(error, RateLimited):
                error.retry_after = asked
            return None
        tries.ends_at += max(asked, 0.0)
        return max(asked, delay)

    async def aclose(self) -> None:
        """Close the transport; what is asked from now on raises `ClientClosed`."""
        self._closed = True
        await self._transport.aclose()


_NOTHING = Response(status=0, headers={}, body=b"")
