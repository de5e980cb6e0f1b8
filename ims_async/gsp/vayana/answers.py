"""Vayana's answers: its two envelopes, and the verdict on each.

https://docs.enriched-api.vayana.com (Error payloads)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ...errors import GatewayError, GatewayUnavailable, ImsError, NotAuthorized
from ...model.reasons import Reason, read_reason
from .. import verdicts
from ..base import FINE, Needs, Request, Response, Verdict, VerdictKind
from ..gstn import NO_REASON, gstn_error
from ..verdicts import envelope_of, gstn_refusal, reason_in

# Steps of the login: if GSTN refuses one, there is no session to renew.
LOGIN: Final = frozenset({"otp", "verify", "refresh", "logout"})
_STALE_TOKEN: Final = frozenset({"err-expired-token", "err-invalid-token"})
_GSTN_SAID: Final = "err-gstn-returned-error"
TOO_MANY_TOKENS: Final = "err-active-tokens-limit-exceeded"
_NOT_ALLOWED: Final = frozenset({"err-invalid-org", TOO_MANY_TOKENS})
# Answered with 500 or 502, but not an outage: two are about encrypted headers, which the sender must correct,
# and the last is GSTN's refusal, in a form without a code of GSTN's.
_NO_OUTAGE: Final = frozenset(
    {"err-unable-to-decrypt-message-with-key", "err-aes-decryption-failed", _GSTN_SAID}
)
# What the GSP's keys mean, and what to do.
_WORDS: Final = {
    TOO_MANY_TOKENS: (
        "ten tokens of this user are alive",
        (
            "share one between programs (user_token=…, or a credential store), or end some with "
            "client.sign_out()"
        ),
    ),
    "err-invalid-org": ("the organisation is not known, or not this user's", "check org_id"),
    "err-invalid-token": ("the user token is not known", "log in again"),
    "err-expired-token": ("the user token has ended", ""),
    "err-resource-not-found": ("there is no such task or page; results are kept for seven days", ""),
}
# The vendor's own errors have a key for a message, and one of these types (Error payloads).
_KEY: Final = "err-"
_TYPES: Final = frozenset(
    {"Authorization", "Runtime", "ResourceNotFound", "ClientRequest", "ClientError", "Gstn"}
)


def judge(request: Request, response: Response) -> Verdict:
    """Distinguish a success from a failure, also with HTTP 200, and GSTN's refusal from an outage."""
    if response.status < 300 and verdicts.is_rows(response):
        return FINE
    envelope = envelope_of(response)
    if response.status < 300 and not failed(envelope):
        return FINE
    error, said = _error_in(envelope), _gstn_reason(envelope)
    by_gstn = said is not None or error.get("message") == _GSTN_SAID
    if request.operation == "result" and by_gstn and response.status != 429:
        return FINE  # this is the result of the task: the request itself succeeded
    verdict = _judge_failure(request, response, envelope, said)
    key = error.get("message")
    own = isinstance(key, str) and (key.startswith(_KEY) or str(error.get("type")) in _TYPES)
    done = str(envelope.get("status")) == "1"  # this contradicts an error beside it
    own = (own and not done) or bool(said and said.code)
    return verdicts.completed(verdict, response, own=own, status=response.status)


def _judge_failure(
    request: Request, response: Response, envelope: dict[str, Any], said: Reason | None
) -> Verdict:
    status = response.status
    if said is not None and (status < 300 or said.code) and not verdicts.about_the_call(status):
        error = error_of(envelope, response)
        in_session = request.operation not in LOGIN
        return verdicts.judge_gstn(request, error, in_session=in_session, stale=Needs.TAXPAYER)
    own = _own_error(envelope, response)
    if request.changes and status < 300 and _error_in(envelope).get("type") == "Runtime":
        # An error of the GSP's own with a status of success: no document says that nothing was done.
        unavailable = GatewayUnavailable(own.message, code=own.code, http_status=status)
        return Verdict(kind=VerdictKind.UNAVAILABLE, error=unavailable)
    if said is not None:
        own = GatewayError(said.words or NO_REASON, code=said.code or own.code, http_status=status)
    return _judge_own(request, response, own)


def _judge_own(request: Request, response: Response, error: GatewayError) -> Verdict:
    """Judge an error of the GSP's own."""
    status = response.status if response.status >= 300 else 400  # a failure with HTTP 200
    facts: dict[str, Any] = {"code": error.code or str(status), "http_status": response.status}
    of_user = error.code in _STALE_TOKEN | _NOT_ALLOWED
    if not of_user and (verdicts.about_the_call(status) or verdicts.is_spent(status, error.message)):
        return verdicts.judge_status(response, status, error.message, facts)
    if error.code in _NO_OUTAGE:
        return Verdict(kind=VerdictKind.FAILED, error=error)
    if of_user or status in (401, 403):
        stale = error.code in _STALE_TOKEN and request.needs is not Needs.NONE
        # These are about the user; for another 403 no page says which credential is meant (Error payloads).
        of_account = of_user or status == 401
        refused = NotAuthorized(error.message, advice=error.advice, of_account=of_account, **facts)
        return Verdict(kind=VerdictKind.REFUSED if stale else VerdictKind.FAILED, error=refused)
    text = error.message
    if request.changes and status in (404, 405):
        text = f"{text}: the gateway knows no such route for a {request.operation}"
        if request.operation == "save":
            text += "; it is not public: set save_method and save_path"
    return verdicts.judge_status(response, status, text, facts)


def failed(envelope: Mapping[str, Any]) -> bool:
    """Return True for an envelope that reports a failure. `status` is text; the older envelope has none.

    GSTN's own mark of a refusal counts too, although this GSP usually removes it.
    """
    status = envelope.get("status")
    reported = bool(envelope.get("error")) if status is None else str(status) == "0"
    return reported or verdicts.refusals_in(envelope) != (None, None)


def _error_in(envelope: Mapping[str, Any]) -> dict[str, Any]:
    error = envelope.get("error")
    return error if isinstance(error, dict) else {}


def _gstn_reason(envelope: Mapping[str, Any]) -> Reason | None:
    """Return GSTN's own reason, if there is one."""
    args = _error_in(envelope).get("args")
    facts = args.get("gstn-err") if isinstance(args, dict) else None
    if isinstance(facts, dict):
        return read_reason(facts)
    refusal = gstn_refusal(envelope)
    return None if refusal is None else reason_in(refusal)


def error_of(envelope: Mapping[str, Any], response: Response) -> ImsError:
    """Return the typed error of an envelope: GSTN's own if there is one, else by the GSP's key."""
    reason = _gstn_reason(envelope)
    if reason is None:
        return _own_error(envelope, response)
    return gstn_error(reason.code, reason.words, http_status=response.status)


def _own_error(envelope: Mapping[str, Any], response: Response) -> GatewayError:
    error, reason = _error_in(envelope), reason_in(envelope)
    args = error.get("args")
    details = (
        ", ".join(f"{name} {value}" for name, value in args.items())
        if isinstance(args, dict)
        else read_reason(args).words
    )
    key = str(error.get("message") or "")
    what, advice = _WORDS.get(key, ("", ""))
    if key == _GSTN_SAID:
        what = "GSTN refused" if details else NO_REASON
    text = ": ".join(part for part in (what, details) if part)
    # A text in another member of the envelope of six is not a key, but better than no message.
    words = reason.words or read_reason([envelope.get(name) for name in ("alert", "info")]).words
    text = text or words or f"HTTP {response.status} from the gateway"
    return GatewayError(text, advice=advice, code=reason.code or key, http_status=response.status)
