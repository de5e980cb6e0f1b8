"""What the answers of all GSPs have in common: verdicts that need no envelope, and values out of one."""

from __future__ import annotations

import re
from typing import Any, Final

from ..codec.values import member
from ..errors import (
    GatewayError,
    GatewayUnavailable,
    ImsError,
    PayloadTooLarge,
    RateLimited,
    SessionExpired,
    UnexpectedAnswer,
)
from ..wire import Needs, Response, Verdict, VerdictKind, told_to_wait_until

# An envelope that reports a failure is a few hundred bytes; a longer body holds rows, which the
# conversation reads as a stream: parsing it here too would read them twice.
LONGEST_REFUSAL: Final = 16_384


def envelope_of(response: Response) -> dict[str, Any]:
    """Return the body as an object, or an empty one: what cannot be read is for the conversation to say."""
    try:
        envelope = response.json()
    except UnexpectedAnswer:
        return {}
    return envelope if isinstance(envelope, dict) else {}


def judge_status(response: Response, status: int, text: str, facts: dict[str, Any]) -> Verdict:
    """Judge a failure by its HTTP status alone; `facts` are those of a `GatewayError`."""
    if status == 429:
        until = told_to_wait_until(response)
        wait = None if until is None else max(until - response.received_at, 0.0)
        return Verdict(kind=VerdictKind.THROTTLED, error=RateLimited(text, retry_after=wait, **facts))
    if status >= 500:
        return Verdict(kind=VerdictKind.UNAVAILABLE, error=GatewayUnavailable(text, **facts))
    if status == 413:
        too_large = PayloadTooLarge(f"the gateway refused the size: {text}")
        return Verdict(kind=VerdictKind.FAILED, error=too_large)
    if status < 400:
        text = f"the gateway redirects (HTTP {response.status}), which is not followed: check the base URL"
    return Verdict(kind=VerdictKind.FAILED, error=GatewayError(text, **facts))


def judge_gstn(error: ImsError, *, in_session: bool, stale: Needs | None = None) -> Verdict:
    """Judge an error of GSTN's own. One about the session can be mended if the request was `in_session`."""
    if in_session and isinstance(error, SessionExpired):
        return Verdict(kind=VerdictKind.REFUSED, error=error, stale=stale)
    down = isinstance(error, GatewayUnavailable)
    return Verdict(kind=VerdictKind.UNAVAILABLE if down else VerdictKind.FAILED, error=error)


def epoch(told: object) -> float | None:
    """Read a point in time: documented in milliseconds; siblings give text, and one of them seconds."""
    text = str(told) if type(told) is int else told
    if not (isinstance(text, str) and re.fullmatch(r"[0-9]{1,15}", text)):
        return None
    return int(text) / (1 if int(text) < 100_000_000_000 else 1000)


def text(value: Any, key: str, path: str) -> str:
    """Return a member that must be text, and not empty."""
    found = member(value, key, path)
    if not isinstance(found, str) or not found:
        raise UnexpectedAnswer(problems=[f"{path}.{key}: {found!r:.60} is not text"])
    return found
