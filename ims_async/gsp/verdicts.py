"""What all GSPs share in reading answers: verdicts by HTTP status, and the values of an envelope."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any, Final, TypeVar

import attrs

from ..errors import (
    ON_THE_WAY,
    DownloadQueued,
    GatewayError,
    GatewayUnavailable,
    ImsError,
    PayloadTooLarge,
    QuotaExhausted,
    RateLimited,
    SessionExpired,
    UnexpectedAnswer,
)
from ..lazy import pattern
from ..model import reasons
from ..model.reasons import Reason, read_reason
from ..model.secret import Secret
from .base import FINE, Conversation, Needs, Request, Response, Verdict, VerdictKind
from .codec.json import DEEPEST, LARGE, Pause, check_depth
from .codec.values import member
from .gstn import FILE_PENDING, NOTHING_CHANGED, or_empty
from .http import epoch_seconds, read_retry_at

T = TypeVar("T")

# An envelope that reports a failure has a few hundred bytes; a longer body usually has rows, which the
# conversation reads as a stream: to parse it here too would read them twice.
LONGEST_REFUSAL: Final = 16_384
# The members that mark a refusal, in the envelopes of both GSPs and of GSTN. A quote inside a text is
# escaped, so that no text looks like a member.
_MARK: Final = pattern(
    rb'"status(?:_cd)?"\s*:\s*"?0"?\s*[,}]|"errors?"\s*:\s*[\[{"]|"code"\s*:\s*[45][0-9][0-9]\b'
)


def is_rows(response: Response) -> bool:
    """Return whether a body is long, without a mark of a refusal at its beginning or end: do not parse it."""
    body = response.body
    return len(body) > LONGEST_REFUSAL and not (
        _MARK.search(body, 0, LONGEST_REFUSAL) or _MARK.search(body[-LONGEST_REFUSAL:])
    )


def json_of(response: Response) -> Any:
    """Return the body as JSON. Raises `UnexpectedAnswer` for anything else, or for too many levels."""
    value = response.json()
    if not response.shallow:
        body = response.body
        if body.count(b"{") + body.count(b"[") > DEEPEST:
            try:
                check_depth(value)
            except ValueError as error:
                raise UnexpectedAnswer(problems=[f"$: {error}"], body=body) from None
        response.shallow = True
    return value


def envelope_of(response: Response) -> dict[str, Any]:
    """Return the body as an object, or an empty one; the conversation reports what cannot be read."""
    try:
        envelope = json_of(response)
    except UnexpectedAnswer:
        return {}
    return envelope if isinstance(envelope, dict) else {}


# Statuses with which a request is rejected before it takes effect, by the GSP or by the API gateway in front
# of it, which answers with a body of its own.
_TURNED_AWAY: Final = frozenset({401, 403, 413, 429})
_TIMED_OUT: Final = frozenset({408, 499})  # the sender of these did not wait for the end


def completed(verdict: Verdict, response: Response, *, own: bool, status: int) -> Verdict:
    """Return the verdict on a failure with what it proves, and with the time to wait that it asks for.

    It proves that a change had no effect if it refuses in the GSP's own envelope (`own`; `status` is the
    envelope's), or has a status that rejects the request. A redirect, a timeout, an outage and the answer of
    a proxy prove nothing: the gateway may have acted before.
    """
    timed_out = not _TIMED_OUT.isdisjoint((status, response.status))
    refused = own and not timed_out and not 300 <= response.status < 400
    done_nothing = refused and verdict.kind is not VerdictKind.UNAVAILABLE
    asked = response.status >= 300 and "retry-after" in response.headers  # as a 503 may
    return attrs.evolve(
        verdict,
        nothing_done=done_nothing or response.status in _TURNED_AWAY,
        not_before=read_retry_at(response) if asked or verdict.kind is VerdictKind.THROTTLED else None,
    )


_LAYERS: Final = 3


def _layers(envelope: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return an envelope, its `data`, and the `data` in that, as far as they are objects."""
    layers: list[Mapping[str, Any]] = [envelope]
    while isinstance(part := layers[-1].get("data"), dict) and len(layers) < _LAYERS:
        layers.append(part)
    return layers


def gstn_refusal(envelope: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the object with GSTN's refusal (`status_cd` 0): the envelope, its data, or the data in that."""
    return refusals_in(envelope)[0]


def refusals_in(envelope: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """Return GSTN's refusal, and the object that has an error in place of data and no `status_cd`.

    The second is a refusal too. Each is the first among the envelope, its data, and the data in that.
    """
    marked = unmarked = None
    part: object = envelope
    for _ in range(_LAYERS):
        if not isinstance(part, dict):
            break
        data = part.get("data")
        if "status_cd" in part:
            if marked is None and str(part["status_cd"]) == "0":
                marked = part
        elif unmarked is None and not data and (part.get("error") or part.get("errors")):
            unmarked = part
        part = data
    return marked, unmarked


def reason_in(part: Mapping[str, Any]) -> Reason:
    """Read the code and message of a refusal from an envelope and its data; its `code` is an HTTP status."""
    reason = Reason()
    for layer in _layers(part):
        own = read_reason({name: value for name, value in layer.items() if name != "code"})
        reason = reasons.completed(reason, own)
    return reason


# The whole message of an API gateway for a used-up plan; for a throttled request it is "Too Many Requests".
# https://repost.aws/knowledge-center/api-gateway-429-limit
_SPENT: Final = pattern(r"quota|credit|wallet|balance|^\W*limit exceeded\W*$", re.IGNORECASE)


# A quota per minute is available again in the next minute.
_RATE: Final = pattern(
    r"(?:\b(?:per|an?|each|every)\b|/)\W*[0-9]*\W*(?:s|sec|min|h|hr|second|minute|hour)s?\b", re.IGNORECASE
)


def is_spent(status: int, words: str) -> bool:
    """Return whether a refusal is about a used-up plan or wallet, where waiting does not help."""
    return status in (403, 429) and bool(_SPENT.search(words)) and not _RATE.search(words)


def about_the_call(status: int) -> bool:
    """Return whether an HTTP status takes precedence over the body: the request rate or size is refused.

    The remedy is the same, whichever part of the gateway refuses.
    """
    return status in (413, 429)


def judge_status(response: Response, status: int, text: str, facts: dict[str, Any]) -> Verdict:
    """Judge a failure by its HTTP status alone; `facts` are the arguments of a `GatewayError`."""
    if is_spent(status, text):
        return Verdict(kind=VerdictKind.FAILED, error=QuotaExhausted(text, **facts))
    if status == 429:
        until = read_retry_at(response)
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


def judge_gstn(request: Request, error: ImsError, *, in_session: bool, stale: Needs | None = None) -> Verdict:
    """Judge an error of GSTN's own. A session error is recoverable if the request was `in_session`."""
    if request.changes and isinstance(error, DownloadQueued):
        error = GatewayError(str(error), code=FILE_PENDING)  # for a change this code is a refusal
    if request.operation == "regenerate" and getattr(error, "code", "") == NOTHING_CHANGED:
        return FINE  # the conversation reads it: nothing is amiss
    if in_session and isinstance(error, SessionExpired):
        return Verdict(kind=VerdictKind.REFUSED, error=error, stale=stale)
    down = isinstance(error, GatewayUnavailable)
    return Verdict(kind=VerdictKind.UNAVAILABLE if down else VerdictKind.FAILED, error=error)


def with_secrets(
    request: Request, headers: Mapping[str, Secret | None], *, unsent: Iterable[Secret | None] = ()
) -> Request:
    """Return a request with further headers whose values are secrets; None leaves one out.

    `unsent` are the account's other secrets, which an answer may quote too.
    """
    signed, secrets = {**request.headers}, [*request.secrets]
    for name, value in headers.items():
        if value is not None:
            signed[name] = value.reveal()
            secrets.append(value)
    secrets += [secret for secret in unsent if secret is not None]
    # Written out: `attrs.evolve` takes three times as long, and this is done for each request.
    return Request(
        operation=request.operation,
        method=request.method,
        url=request.url,
        query=request.query,
        headers=signed,
        body=request.body,
        needs=request.needs,
        changes=request.changes,
        fresh=request.fresh,
        secrets=tuple(secrets),
        grants=request.grants,
        repeatable=request.repeatable,
    )


def epoch(moment: object) -> float | None:
    """Read a time in epoch milliseconds, as documented; some answers have it as text, or in seconds."""
    text = str(moment) if type(moment) is int else moment
    if not (isinstance(text, str) and re.fullmatch(r"[0-9]{1,15}", text)):
        return None
    return epoch_seconds(int(text))


def payload_steps(response: Response, path: str) -> Generator[Pause, Any, Any]:
    """Do what `payload` does; a large body is parsed in steps."""
    if len(response.body) > LARGE:
        yield from response.parsing()
    return payload(response, path)


def payload(response: Response, path: str) -> Any:
    """Return the value at a dotted path of the body. Raises `UnexpectedAnswer`."""
    value, above = json_of(response), ""
    for key in path.split("."):
        value, above = member(value, key, above), f"{above}.{key}" if above else key
    return value


def read(request: Request, path: str, empty: T, reader: Callable[[object], T]) -> Conversation[T]:
    """Send a read; returns what `reader` makes of the payload at `path`, or `empty` if nothing is found."""
    try:
        response = yield request
    except GatewayError as error:
        return or_empty(error, empty)
    return reader((yield from payload_steps(response, path)))


def read_or_none(request: Request, path: str, reader: Callable[[object], T | None]) -> Conversation[T | None]:
    """Send a read whose answer is not needed; returns None where the gateway refuses it."""
    try:
        return (yield from read(request, path, None, reader))
    except ON_THE_WAY:
        raise  # no answer to what was asked
    except GatewayError:
        return None


def text(value: Any, key: str, path: str) -> str:
    """Return a member that is text, not empty, and fit for a header or a URL. Raises `UnexpectedAnswer`."""
    found = member(value, key, path)
    if not isinstance(found, str) or not found.strip():
        raise UnexpectedAnswer(problems=[f"{path}.{key}: {found!r:.60} is not text"])
    if not found.strip().isprintable():  # not shown: it may be a secret
        raise UnexpectedAnswer(problems=[f"{path}.{key}: holds what is no printable text"])
    return found


_LONGEST_REFERENCE: Final = 200  # characters; the documented ones have 12 to 36


def reference(value: Any, key: str, path: str) -> str:
    """Return the reference of a job or download: plain text, short enough for a `JobToken`."""
    found = text(value, key, path)
    plain = found.isascii() and found.isprintable() and not has_dot_segments(found)
    if len(found) > _LONGEST_REFERENCE or not plain:
        raise UnexpectedAnswer(problems=[f"{path}.{key}: {found!r:.60} is not a reference"])
    return found


_MOST_ENCODINGS: Final = 5  # nested, of one path


def has_dot_segments(path: str) -> bool:
    """Return whether a path, or a part of one, has `.` or `..` as a segment, in any encoding.

    A client, a proxy or a server may resolve it, and then it can lead to any path of the host.
    """
    for _ in range(_MOST_ENCODINGS):
        # Some servers treat a backslash as a slash, and the text after a semicolon as a parameter.
        segments = path.replace("\\", "/").split("/")
        if any(segment.partition(";")[0].strip() in (".", "..") for segment in segments):
            return True
        path, before = urllib.parse.unquote(path), path
        if path == before:
            return False
    return True
