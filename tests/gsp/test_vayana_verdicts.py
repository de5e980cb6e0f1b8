"""Vayana's answers: `judge` distinguishes success from failure, and GSTN's refusal from an outage."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from ims_async import (
    DownloadQueued,
    GatewayError,
    GatewayUnavailable,
    ImsError,
    JobInFlight,
    NotAuthorized,
    OtpRequired,
    PayloadTooLarge,
    RateLimited,
    SessionExpired,
)
from ims_async.gsp.base import Needs, Request, VerdictKind
from ims_async.gsp.codec.json import json_text
from ims_async.gsp.verdicts import LONGEST_REFUSAL
from tests.conftest import eas, envelope, from_gstn
from tests.support.recorded import (
    FAILED,
    FINE,
    HTML,
    NOW,
    REFUSED,
    THROTTLED,
    UNAVAILABLE,
    answer,
    first_request,
)
from tests.support.vayana_talk import BARE, BY_NAME, KEY, READ, judge, recorded

WRITE = first_request(BY_NAME["save"]())
RESULT = attrs.evolve(first_request(BY_NAME["status"]()), operation="result")


@pytest.mark.parametrize("name", ["count", "getinv", "sales"])
def test_an_unauthorized_user_of_gstn_is_a_stale_session_and_no_outage(name: str) -> None:
    """Have the taxpayer's session renewed for 502 with that word, although the user's token was sent."""
    verdict = judge(recorded("error-gstn-ret11402-502"), first_request(BY_NAME[name]()))
    assert (verdict.kind, verdict.stale) == (REFUSED, Needs.TAXPAYER)
    assert type(verdict.error) is SessionExpired


@pytest.mark.parametrize(
    ("status", "body", "kind", "error", "code"),
    [
        (200, envelope({}), FINE, None, None),
        (201, envelope({}), FINE, None, None),
        (200, {"data": {}}, FINE, None, None),
        (200, {"data": {}, "error": None}, FINE, None, None),
        (200, {**envelope({}), "status": 1}, FINE, None, None),
        (200, HTML, FINE, None, None),  # the conversation finds that it cannot be read
        (200, None, FINE, None, None),
        (200, b"x" * 20_000, FINE, None, None),
        (200, KEY, FAILED, GatewayError, "err-some-key"),
        (200, {**KEY, "status": 0}, FAILED, GatewayError, "err-some-key"),
        (200, BARE, FAILED, GatewayError, "err-some-key"),
        (200, {"status": "0"}, FAILED, GatewayError, "400"),
        (200, {"status": "0", "error": "text"}, FAILED, GatewayError, "400"),
        (300, None, FAILED, GatewayError, "300"),
        (302, HTML, FAILED, GatewayError, "302"),
        (400, KEY, FAILED, GatewayError, "err-some-key"),
        (400, BARE, FAILED, GatewayError, "err-some-key"),
        (400, HTML, FAILED, GatewayError, "400"),
        (400, envelope({}), FAILED, GatewayError, "400"),
        (401, KEY, FAILED, NotAuthorized, "err-some-key"),
        (403, KEY, FAILED, NotAuthorized, "err-some-key"),
        (403, HTML, FAILED, NotAuthorized, "403"),
        (404, None, FAILED, GatewayError, "404"),
        (413, KEY, FAILED, PayloadTooLarge, None),
        (429, KEY, THROTTLED, RateLimited, "err-some-key"),
        (429, HTML, THROTTLED, RateLimited, "429"),
        (500, KEY, UNAVAILABLE, GatewayUnavailable, "err-some-key"),
        (500, HTML, UNAVAILABLE, GatewayUnavailable, "500"),
        (502, HTML, UNAVAILABLE, GatewayUnavailable, "502"),
        (502, KEY, UNAVAILABLE, GatewayUnavailable, "err-some-key"),
        (503, None, UNAVAILABLE, GatewayUnavailable, "503"),
        (504, b"[" * 100_000, UNAVAILABLE, GatewayUnavailable, "504"),
        (502, from_gstn("RET99999"), FAILED, GatewayError, "RET99999"),
        (200, from_gstn("RET99999"), FAILED, GatewayError, "RET99999"),
        (502, from_gstn("TEC4001"), UNAVAILABLE, GatewayUnavailable, "TEC4001"),
    ],
)  # fmt: skip
def test_an_answer_is_judged_by_what_it_is(
    status: int, body: Any, kind: VerdictKind, error: type[ImsError] | None, code: str | None
) -> None:
    """Distinguish success from failure in both envelopes, and GSTN's refusal under 502 from an outage."""
    verdict = judge(answer(status, body))
    assert verdict.kind is kind
    assert type(verdict.error) is (error or type(None))
    if isinstance(verdict.error, GatewayError):
        assert (verdict.error.code, verdict.error.http_status) == (code, status)
        assert str(verdict.error)


@pytest.mark.parametrize("status", [200, 400, 502])
@pytest.mark.parametrize(
    "args",
    [{"details": [{"code": "RET11402"}]}, {"gstn-err": "RET11402"}, {"gstn-err": None}, {}, [], "text", None],
    ids=str,
)
@pytest.mark.parametrize("request_", [READ, WRITE], ids=["read", "write"])
def test_an_error_of_gstn_in_another_form_is_still_no_outage(
    request_: Request, args: object, status: int
) -> None:
    """Call it by the provider's own key: it is a refusal, and asking again does not help."""
    body = eas("err-gstn-returned-error", "Gstn")
    body["error"]["args"] = args
    verdict = judge(answer(status, body), request_)
    assert (verdict.kind, type(verdict.error)) == (FAILED, GatewayError)
    assert isinstance(verdict.error, GatewayError)
    assert (verdict.error.code, verdict.error.http_status) == ("err-gstn-returned-error", status)


@pytest.mark.parametrize(
    ("code", "kind", "error", "stale"),
    [
        ("AUTH4033", REFUSED, SessionExpired, Needs.TAXPAYER),
        ("AUTH4038", REFUSED, SessionExpired, Needs.TAXPAYER),
        ("AUTH158", REFUSED, SessionExpired, Needs.TAXPAYER),
        ("RET2B1010", REFUSED, SessionExpired, Needs.TAXPAYER),
        ("RET11402", REFUSED, SessionExpired, Needs.TAXPAYER),
        ("RETOTPREQUEST", FAILED, OtpRequired, None),
        ("AUTH403", FAILED, NotAuthorized, None),
        ("RET13505", UNAVAILABLE, GatewayUnavailable, None),
        ("IMSSAV0015", FAILED, JobInFlight, None),
        ("RTN_24", FAILED, DownloadQueued, None),
        ("IMS0027", FAILED, GatewayError, None),
        ("", FAILED, GatewayError, None),
    ],
)
def test_a_refusal_by_gstn_is_typed_by_its_code(
    code: str, kind: VerdictKind, error: type[ImsError], stale: Needs | None
) -> None:
    """Give equal codes equal errors; renew the session where it ended, but not while logging in."""
    verdict = judge(answer(502, from_gstn(code, "as GSTN says")))
    assert (verdict.kind, type(verdict.error), verdict.stale) == (kind, error, stale)
    assert "as GSTN says" in str(verdict.error)
    for name in ("otp", "verify", "refresh", "logout"):
        at_login = judge(answer(502, from_gstn(code)), first_request(BY_NAME[name]()))
        assert at_login.kind is (FAILED if kind is REFUSED else kind)
        assert at_login.stale is None


def test_a_refusal_without_a_reason_is_still_one() -> None:
    """Say that GSTN gave no reason."""
    verdict = judge(answer(502, eas("err-gstn-returned-error", "Gstn", **{"gstn-err": {}})))
    assert verdict.kind is FAILED
    assert "without saying why" in str(verdict.error)


@pytest.mark.parametrize("key", ["err-expired-token", "err-invalid-token"])
def test_a_token_that_ended_is_not_renewed_for_a_request_that_carries_none(key: str) -> None:
    """End there: at the SSO the token is what the request is about."""
    for name in ("authenticate", "account_refresh", "account_logout"):
        verdict = judge(answer(403, {"error": {"message": key}}), first_request(BY_NAME[name]()))
        assert (verdict.kind, type(verdict.error)) == (FAILED, NotAuthorized)


def test_a_redirect_says_that_it_is_not_followed() -> None:
    """Point at the base URL: headers with secrets would travel."""
    error = judge(answer(307, None, location="https://elsewhere.example")).error
    assert "redirects (HTTP 307), which is not followed" in str(error)
    assert "elsewhere" not in str(error)


@pytest.mark.parametrize(
    ("status", "headers", "until"),
    [
        (429, {"retry_after": "30"}, NOW + 30),
        (429, {}, None),
        (503, {"retry_after": "30"}, NOW + 30),
        (503, {"x_ratelimit_reset": "1746530992"}, None),
        (400, {"retry_after": "30"}, NOW + 30),
        (200, {"retry_after": "30"}, None),
    ],
)
def test_a_wish_to_wait_is_heard(status: int, headers: dict[str, str], until: float | None) -> None:
    """Heed `Retry-After`, which is undocumented here, on every failure that has it."""
    verdict = judge(answer(status, KEY, **headers))
    assert verdict.not_before == until
    if isinstance(verdict.error, RateLimited):
        assert verdict.error.retry_after == (None if until is None else 30)


def test_gstns_own_refusal_may_say_until_when() -> None:
    """Heed `Retry-After` on that as on every failure."""
    assert judge(answer(502, from_gstn("TEC4001"), retry_after="30")).not_before == NOW + 30


def test_how_a_task_ended_is_for_the_conversation_to_say() -> None:
    """Take GSTN's own word for a task's result, and all else for the call's."""
    for response in (recorded("error-gstn-ret11402-502"), answer(200, from_gstn("TEC4001"))):
        assert judge(response, RESULT).kind is FINE
    assert judge(answer(200, KEY), RESULT).kind is FAILED
    assert judge(answer(502, eas("err-gstn-returned-error", "Gstn", details=[])), RESULT).kind is FINE
    for name in ("error-expired-token-403", "error-expired-token-bare-403"):
        for status in (200, 403):
            verdict = judge(attrs.evolve(recorded(name), status=status), RESULT)
            assert (verdict.kind, verdict.stale) == (REFUSED, None)
    for name in ("error-invalid-org-403", "error-resource-not-found-404"):
        for status in (200, 404):
            assert judge(attrs.evolve(recorded(name), status=status), RESULT).kind is FAILED
    assert judge(answer(502, HTML), RESULT).kind is UNAVAILABLE


@pytest.mark.parametrize("status", [404, 405])
@pytest.mark.parametrize("body", [HTML, None, KEY, BARE])
def test_a_save_that_goes_to_no_route_says_what_to_set(status: int, body: Any) -> None:
    """Name the two settings for a save, whose page is not public, and not for what is documented."""
    error = judge(answer(status, body), WRITE).error
    assert "no such route for a save; it is not public: set save_method and save_path" in str(error)
    reset = str(judge(answer(status, body), first_request(BY_NAME["reset"]())).error)
    assert ("no such route for a reset" in reset, "save_path" in reset) == (True, False)
    assert "no such route" not in str(judge(answer(status, body), READ).error)
    assert "no such route" not in str(judge(answer(400, body), WRITE).error)


def test_rows_are_not_parsed_twice() -> None:
    """Leave a long answer to the conversation, which reads it as a stream, and read a refusal to its end."""
    bare, spaces = json_text(KEY).encode(), b" " * LONGEST_REFUSAL
    assert judge(answer(200, b"[" + spaces)).kind is FINE
    for http_status in (200, 300, 400, 502):
        for body in (bare + spaces, spaces + bare):
            refusal = judge(answer(http_status, body)).error
            assert isinstance(refusal, GatewayError)
            assert refusal.code == "err-some-key"


def test_a_long_answer_is_not_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where the judge parses what may be a hundred thousand rows."""

    def parse(body: bytes) -> Any:
        raise AssertionError(f"{len(body)} bytes were parsed")

    monkeypatch.setattr("ims_async.gsp.base.parse_json", parse)
    rows = json_text(envelope({"b2b": ["x" * LONGEST_REFUSAL]})).encode()
    assert judge(answer(200, rows)).kind is FINE
    with pytest.raises(AssertionError, match="bytes were parsed"):
        judge(answer(200, rows[:100]))
