"""What the answers of all GSPs have in common: verdicts that need no envelope, and values out of one."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import attrs

from ..errors import (
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
from ..model.reasons import Reason, completed, read_reason
from ..model.secret import Secret
from .base import Needs, Request, Response, Verdict, VerdictKind
from .codec.json import DEEPEST, check_depth
from .codec.values import member
from .gstn import FILE_PENDING
from .http import epoch_seconds, told_to_wait_until

# An envelope that reports a failure is a few hundred bytes; a longer body mostly holds rows, which the
# conversation reads as a stream: parsing it here too would read them twice.
LONGEST_REFUSAL: Final = 16_384
# What marks a refusal as one, in the envelopes of both GSPs and of GSTN. A quote inside a text is escaped, so
# that no text looks like a member.
_MARK: Final = re.compile(
    rb'"status(?:_cd)?"\s*:\s*"?0"?\s*[,}]|"errors?"\s*:\s*[\[{"]|"code"\s*:\s*[45][0-9][0-9]\b'
)


def is_rows(response: Response) -> bool:
    """Say whether a body is long and has no mark of a refusal at its beginning or end: it is left unread."""
    body = response.body
    return len(body) > LONGEST_REFUSAL and not (
        _MARK.search(body, 0, LONGEST_REFUSAL) or _MARK.search(body[-LONGEST_REFUSAL:])
    )


def json_of(response: Response) -> Any:
    """Return the body as JSON. Raises `UnexpectedAnswer` for what is none, or is absurdly deep."""
    value, body = response.json(), response.body
    if body.count(b"{") + body.count(b"[") > DEEPEST:
        try:
            check_depth(value)
        except ValueError as error:
            raise UnexpectedAnswer(problems=[f"$: {error}"], body=body) from None
    return value


def envelope_of(response: Response) -> dict[str, Any]:
    """Return the body as an object, or an empty one: what cannot be read is for the conversation to say."""
    try:
        envelope = json_of(response)
    except UnexpectedAnswer:
        return {}
    return envelope if isinstance(envelope, dict) else {}


# What turns a request away before anybody acts on it, in whoever's words: the GSP's, or those of the API
# gateway in front of it, which answers with a body of its own.
_TURNED_AWAY: Final = frozenset({401, 403, 413, 429})
_TIMED_OUT: Final = frozenset({408, 499})  # whoever says so did not wait for the end


def proven(verdict: Verdict, response: Response, *, own: bool, status: int) -> Verdict:
    """Return the verdict with whether the answer proves that nothing was done: of a change, only few do.

    It must refuse in the GSP's own envelope (`own`; `status` is what that says), or turn the request away.
    A redirect, a time-out, an outage, and whatever a stranger on the way says prove nothing: the gateway may
    have acted before.
    """
    timed_out = not _TIMED_OUT.isdisjoint((status, response.status))
    refused = own and not timed_out and not 300 <= response.status < 400
    done_nothing = refused and verdict.kind is not VerdictKind.UNAVAILABLE
    return attrs.evolve(verdict, nothing_done=done_nothing or response.status in _TURNED_AWAY)


def _layers(envelope: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield an envelope, its data, and the data in that, as far as they are objects."""
    part: object = envelope
    for _ in range(3):
        if not isinstance(part, Mapping):
            return
        yield part
        part = part.get("data")


def gstn_refusal(envelope: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return where GSTN refuses (`status_cd` 0): in the envelope, in its data, or in the data in that."""
    return next((part for part in _layers(envelope) if str(part.get("status_cd")) == "0"), None)


def error_for_data(envelope: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return where an error stands in place of data, without a mark: a refusal all the same."""
    unmarked = (part for part in _layers(envelope) if "status_cd" not in part and not part.get("data"))
    return next((part for part in unmarked if part.get("error") or part.get("errors")), None)


def reason_in(part: Mapping[str, Any]) -> Reason:
    """Read a refusal's code and words out of an envelope, whose `code` is an HTTP status, and its data."""
    told = Reason()
    for layer in _layers(part):
        told = completed(told, read_reason({name: value for name, value in layer.items() if name != "code"}))
    return told


# An API gateway's whole message where a plan is used up; a throttled request is "Too Many Requests" there.
# https://repost.aws/knowledge-center/api-gateway-429-limit
_SPENT: Final = re.compile(r"quota|credit|wallet|balance|^\W*limit exceeded\W*$", re.IGNORECASE)


# What is used up in a minute is there again in the next one.
_RATE: Final = re.compile(
    r"(?:\b(?:per|an?|each|every)\b|/)\W*[0-9]*\W*(?:s|sec|min|h|hr|second|minute|hour)s?\b", re.IGNORECASE
)


def is_spent(status: int, words: str) -> bool:
    """Say whether a refusal is about a plan or wallet that is used up: waiting does not help."""
    return status in (403, 429) and bool(_SPENT.search(words)) and not _RATE.search(words)


def about_the_call(status: int) -> bool:
    """Say whether an HTTP status is believed before all that the body says: it is about the call as such.

    One call too many, or one too large, whoever found it so; what to do about it is the same.
    """
    return status in (413, 429)


def judge_status(response: Response, status: int, text: str, facts: dict[str, Any]) -> Verdict:
    """Judge a failure by its HTTP status alone; `facts` are those of a `GatewayError`."""
    if is_spent(status, text):
        return Verdict(kind=VerdictKind.FAILED, error=QuotaExhausted(text, **facts))
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


def judge_gstn(request: Request, error: ImsError, *, in_session: bool, stale: Needs | None = None) -> Verdict:
    """Judge an error of GSTN's own. One about the session can be mended if the request was `in_session`."""
    if request.changes and isinstance(error, DownloadQueued):
        error = GatewayError(str(error), code=FILE_PENDING)  # a change is refused, whatever the words
    if in_session and isinstance(error, SessionExpired):
        return Verdict(kind=VerdictKind.REFUSED, error=error, stale=stale)
    down = isinstance(error, GatewayUnavailable)
    return Verdict(kind=VerdictKind.UNAVAILABLE if down else VerdictKind.FAILED, error=error)


def with_secrets(
    request: Request, headers: Mapping[str, Secret | None], *, unsent: Iterable[Secret | None] = ()
) -> Request:
    """Return a request with further headers, those that there are, which are secrets.

    `unsent` are the account's other secrets: an answer may quote these, too.
    """
    there = {name: value for name, value in headers.items() if value is not None}
    return attrs.evolve(
        request,
        headers={**request.headers, **{name: value.reveal() for name, value in there.items()}},
        secrets=(*request.secrets, *there.values(), *(secret for secret in unsent if secret is not None)),
    )


def epoch(told: object) -> float | None:
    """Read a point in time: documented in milliseconds; siblings give text, and one of them seconds."""
    text = str(told) if type(told) is int else told
    if not (isinstance(text, str) and re.fullmatch(r"[0-9]{1,15}", text)):
        return None
    return epoch_seconds(int(text))


def text(value: Any, key: str, path: str) -> str:
    """Return a member that must be text, not empty, and fit for a header or a URL."""
    found = member(value, key, path)
    if not isinstance(found, str) or not found.strip():
        raise UnexpectedAnswer(problems=[f"{path}.{key}: {found!r:.60} is not text"])
    if not found.strip().isprintable():  # it may be a secret: it is not shown
        raise UnexpectedAnswer(problems=[f"{path}.{key}: holds what is no printable text"])
    return found


_LONGEST_REFERENCE: Final = 200  # characters; those that are documented have 12 to 36


def reference(value: Any, key: str, path: str) -> str:
    """Return the name of a job or download: plain text, and short enough for a token of ours."""
    found = text(value, key, path)
    plain = found.isascii() and found.isprintable() and not has_dot_segments(found)
    if len(found) > _LONGEST_REFERENCE or not plain:
        raise UnexpectedAnswer(problems=[f"{path}.{key}: {found!r:.60} is not a reference"])
    return found


_MOST_ENCODINGS: Final = 5  # of one path, one over the other


def has_dot_segments(path: str) -> bool:
    """Say whether a path, or a piece of one, holds `.` or `..` as a segment, however it is encoded.

    A client, a proxy or a server on the way may resolve it, and then it leads to any path of the host.
    """
    for _ in range(_MOST_ENCODINGS):
        # Some servers take a backslash for a slash, and what follows a semicolon for a parameter.
        segments = path.replace("\\", "/").split("/")
        if any(segment.partition(";")[0].strip() in (".", "..") for segment in segments):
            return True
        path, before = urllib.parse.unquote(path), path
        if path == before:
            return False
    return True
