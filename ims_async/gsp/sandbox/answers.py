"""Sandbox's answers: the envelopes, the verdict on each, and the values in them.

https://developer.sandbox.co.in/guides/developer-resources/request_response_structure
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import attrs

from ...errors import NotAuthorized, QuotaExhausted, SessionExpired
from ...lazy import pattern
from .. import verdicts
from ..base import FINE, Needs, Request, Response, Verdict, VerdictKind
from ..gstn import gstn_error
from ..http import read_retry_at
from ..verdicts import envelope_of, gstn_refusal, reason_in

_COUNT: Final = pattern("[0-9]{1,9}")


def judge(request: Request, response: Response) -> Verdict:
    """Distinguish a success from the four forms of failure, two of which come with HTTP 200.

    https://developer.sandbox.co.in/guides/developer-resources/errors
    """
    verdict = _judge_body(request, response)
    left = response.headers.get("x-ratelimit-remaining", "").strip()
    if left == "0":
        return attrs.evolve(verdict, not_before=read_retry_at(response))
    until = read_retry_at(response) if _COUNT.fullmatch(left) else None
    if until is None or verdict.not_before is not None:
        return verdict
    return attrs.evolve(verdict, allowance=(int(left), until))


def _judge_body(request: Request, response: Response) -> Verdict:
    if response.status < 300 and verdicts.is_rows(response):
        return FINE
    envelope = envelope_of(response)
    code, data = envelope.get("code"), envelope.get("data")
    refusal, unmarked = verdicts.refusals_in(envelope)
    # Documented: HTTP 500 with a body that says 422. The status in a body without data takes precedence.
    bare = not data or refusal is not None
    status = code if isinstance(code, int) and code >= 400 and bare else response.status
    if refusal is None and status < 300:
        refusal = unmarked
    reason = None if refusal is None else reason_in(refusal)
    if reason is not None and (status < 300 or reason.code) and not verdicts.about_the_call(status):
        error = gstn_error(
            reason.code,
            reason.words,
            http_status=response.status,
            transaction_id=_transaction_id(envelope),
        )
        verdict = verdicts.judge_gstn(request, error, in_session=request.needs is Needs.TAXPAYER)
    elif status >= 300:
        verdict = _judge_http(request, response, status, envelope)
    else:
        return FINE
    return verdicts.completed(verdict, response, own=_is_own(envelope, response.status), status=status)


_REFUSALS: Final = frozenset({400, 401, 403, 404, 413, 422, 429})  # those on the vendor's page


def _is_own(envelope: Mapping[str, Any], http_status: int) -> bool:
    """Return whether an answer is a refusal in Sandbox's own envelope, or one of GSTN's with a code.

    Proxies may use `code` and `message` too: a code that is not on the vendor's page, or that is not the HTTP
    status, counts only with the rest of the envelope.
    """
    refusal = gstn_refusal(envelope)
    if refusal is not None:
        return bool(reason_in(refusal).code) or type(envelope.get("code")) is int
    code, data = envelope.get("code"), envelope.get("data")
    if type(code) is not int or code < 400 or data or not isinstance(envelope.get("message"), str):
        return False
    return _transaction_id(envelope) is not None or (code in _REFUSALS and code == http_status)


def _judge_http(request: Request, response: Response, status: int, envelope: Mapping[str, Any]) -> Verdict:
    reason = reason_in(envelope)
    facts: dict[str, Any] = {
        "code": reason.code or str(status),
        "http_status": response.status,
        "transaction_id": _transaction_id(envelope),
    }
    text = reason.words or f"HTTP {response.status} from the gateway"
    if status == 403:
        return _judge_forbidden(request, text, facts)
    if status == 401:
        what = "API key and secret" if request.operation == "authenticate" else "API key"
        return Verdict(
            kind=VerdictKind.FAILED,
            error=NotAuthorized(text, advice=f"check the {what}", of_account=True, **facts),
        )
    without_body = request.operation == "regenerate" and request.body is None
    if without_body and status in (400, 422) and _WANTS_A_BODY.search(text):
        facts["advice"] = 'Nothing was done: try Sandbox(regenerate_body="keys")'
    return verdicts.judge_status(response, status, text, facts)


_WANTS_A_BODY: Final = pattern(r"\b(body|rtin|itcprd)\b", re.IGNORECASE)
# https://developer.sandbox.co.in/guides/developer-resources/errors has the reasons, not the messages.
_STALE: Final = pattern(r"token|session|expired", re.IGNORECASE)
# An expired API key or plan is not a token. "Missing Authentication Token" is the message of the vendor's
# gateway product for an unknown path. A privilege that a token lacks, a renewed one lacks too.
_NOT_STALE: Final = pattern(
    r"\bkeys?\b|plan\b|subscription|licen[cs]e|missing|privilege|permission", re.IGNORECASE
)


def _judge_forbidden(request: Request, message: str, facts: dict[str, Any]) -> Verdict:
    """Distinguish a stale token from an empty wallet: both are 403, and only the message differs.

    For a 403 with another message the token is not renewed: that would be a loop.
    """
    if verdicts.is_spent(403, message):
        return Verdict(kind=VerdictKind.FAILED, error=QuotaExhausted(message, **facts))
    stale = bool(_STALE.search(message)) and not _NOT_STALE.search(message)
    of_session = request.needs is Needs.TAXPAYER
    if stale and of_session:
        return Verdict(kind=VerdictKind.REFUSED, error=SessionExpired(message, **facts))
    # For other messages ("insufficient privilege", "access revoked") no page says which credential is meant.
    error = NotAuthorized(message, of_account=not of_session, **facts)
    return Verdict(kind=VerdictKind.REFUSED if stale else VerdictKind.FAILED, error=error)


def _transaction_id(envelope: Mapping[str, Any]) -> str | None:
    found = envelope.get("transaction_id")
    return str(found) if found else None
