"""Sandbox by hand: what its conversations send, what they make of recorded answers, how `judge` judges."""

from __future__ import annotations

import json
import random
import re
import urllib.parse
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ims_async import (
    Action,
    Counts,
    DownloadQueued,
    GatewayError,
    GatewayUnavailable,
    GoodsType,
    ImsError,
    InvalidInput,
    Invoice,
    JobInFlight,
    JobKind,
    NotAuthorized,
    NotSupported,
    OtpRequired,
    PayloadTooLarge,
    QuotaExhausted,
    RateLimited,
    Sandbox,
    Section,
    SessionExpired,
    SourceForm,
    SupplierSection,
    UnexpectedAnswer,
)
from ims_async.gsp.base import Gsp, Needs, Part, Request, Response, Verdict, VerdictKind
from ims_async.gsp.codec.json import PAUSE, json_text
from ims_async.gsp.gstn import NO_RECORDS, gstn_error
from ims_async.gsp.http import check_base_url, read_retry_at
from ims_async.model.secret import Secret
from ims_async.model.tokens import Download
from tests.conftest import load
from tests.gsp.test_codec_rows import mutate
from tests.support import strategies
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
    jwt,
    samples,
)
from tests.support.sandbox_talk import (
    BY_NAME,
    GSP,
    GSTIN,
    INVOICE,
    TAXPAYER,
    TOKEN,
    answered,
    conversation_of,
    converse,
    recorded,
)

# -- what is sent ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "method", "target", "needs", "changes", "repeatable"),
    [
        ("authenticate", "POST", "/authenticate", Needs.NONE, False, True),
        ("otp", "POST", f"{TAXPAYER}/otp", Needs.ACCOUNT, False, False),
        ("verify", "POST", f"{TAXPAYER}/otp/verify?otp=575757", Needs.ACCOUNT, False, False),
        ("refresh", "POST", f"{TAXPAYER}/session/refresh", Needs.TAXPAYER, False, False),
        ("logout", "POST", f"{TAXPAYER}/logout", Needs.TAXPAYER, False, False),
        ("count", "GET", f"{TAXPAYER}/invoices/count?type_of_goods=others", Needs.TAXPAYER, False, True),
        ("invoices", "GET", f"{TAXPAYER}/invoices?section=B2B", Needs.TAXPAYER, False, True),
        ("save", "POST", f"{TAXPAYER}/invoices/status/save", Needs.TAXPAYER, True, False),
        ("reset", "POST", f"{TAXPAYER}/invoices/status/reset", Needs.TAXPAYER, True, False),
        (
            "status", "GET", f"{TAXPAYER}/invoices/status?reference_id=0032e479bcb644c", Needs.TAXPAYER,
            False, True,
        ),
        (
            "sales", "GET", f"{TAXPAYER}/invoices/2024/11/sales?section=b2b&return_type=gstr-1",
            Needs.TAXPAYER, False, True,
        ),
        (
            "added-back-liabilities", "GET",
            f"{TAXPAYER}/invoices/added-back-liabilities/2024/04?section=cdnr", Needs.TAXPAYER, False, True,
        ),
    ],
)  # fmt: skip
def test_a_request_goes_where_the_documents_say(
    name: str, method: str, target: str, needs: Needs, changes: bool, repeatable: bool
) -> None:
    """Send each operation to its path, with the version on every one, and mark what changes something."""
    request = first_request(BY_NAME[name]())
    assert (request.method, request.target) == (method, f"https://test-api.sandbox.co.in{target}")
    assert (request.needs, request.changes, request.repeatable) == (needs, changes, repeatable)
    assert request.headers["x-api-version"] == "1.0.0"
    assert ("content-type" in request.headers) is (request.body is not None)
    assert ("x-source" in request.headers) is (needs is Needs.ACCOUNT)


@pytest.mark.parametrize(
    ("section", "word"),
    [
        (Section.B2B, "B2B"), (Section.B2BA, "B2BA"), (Section.B2BDN, "DN"), (Section.B2BDNA, "DNA"),
        (Section.B2BCN, "CN"), (Section.B2BCNA, "CNA"), (Section.ECOM, "ECOM"), (Section.ECOMA, "ECOMA"),
    ],
)  # fmt: skip
def test_a_section_is_asked_for_by_the_querys_own_name(section: Section, word: str) -> None:
    """Say CN and DN in queries, where bodies say b2bcn and b2bdn."""
    request = first_request(GSP.invoices(GSTIN, section, None, strict=True))
    assert request.query == {"section": word}


@pytest.mark.parametrize(
    ("action", "word"),
    [(Action.ACCEPT, "accepted"), (Action.REJECT, "rejected"), (Action.PENDING, "pending"),
     (Action.NO_ACTION, "no_action_taken")],
)  # fmt: skip
def test_an_action_is_asked_for_by_the_querys_own_word(action: Action, word: str) -> None:
    """Send the word that the endpoint documents, not the letter of the rows."""
    request = first_request(GSP.invoices(GSTIN, Section.B2B, action, strict=True))
    assert request.query["status"] == word


def test_an_otp_keeps_its_leading_zeros() -> None:
    """Send the OTP as the text it is, though the document calls it an integer."""
    request = first_request(GSP.verify_otp(GSTIN, "acme.com", "007575"))
    assert urllib.parse.parse_qs(request.target.partition("?")[2]) == {"otp": ["007575"]}


def test_the_key_and_the_raw_token_are_added_on_signing() -> None:
    """Send the token without `Bearer`, and the account's secret with `authenticate` alone."""
    token = Secret("eyJ0e")
    for name, make in BY_NAME.items():
        request = first_request(make())
        signed = GSP.sign(request, None if request.needs is Needs.NONE else token)
        assert signed.headers["x-api-key"] == "key_test_demo"
        assert signed.headers.get("authorization") == (None if request.needs is Needs.NONE else "eyJ0e")
        assert ("x-api-secret" in signed.headers) is (name == "authenticate")
        assert not {"x-api-key", "authorization", "x-api-secret"} & request.headers.keys()


def test_the_spelling_of_supplier_sections_can_be_chosen() -> None:
    """Ask in lower case by default: the documents do not say."""
    upper = Sandbox("k", supplier_section_case="upper")
    request = first_request(upper.sales(GSTIN, 2024, 11, SupplierSection.CDNR, SourceForm.GSTR1A))
    assert request.query == {"section": "CDNR", "return_type": "gstr-1a"}


def test_hosts_follow_from_the_settings() -> None:
    """Talk to production, to the test host, or to where the caller says, without a closing slash."""
    assert Sandbox("k").base_url == "https://api.sandbox.co.in"
    assert Sandbox("k", test=True).base_url == "https://test-api.sandbox.co.in"
    assert Sandbox("k", base_url="http://127.0.0.1:8080/").base_url == "http://127.0.0.1:8080"
    assert Sandbox("k", base_url="http://gsp.lan", insecure=True).base_url == "http://gsp.lan"


def test_an_account_is_named_without_its_key() -> None:
    """Distinguish accounts by a digest of the key."""
    assert GSP.kind == "sandbox"
    assert GSP.account_id == Sandbox("key_test_demo", test=True).account_id
    others = {Sandbox("key_test_demo").account_id, Sandbox("other", test=True).account_id}
    assert len(others - {GSP.account_id}) == 2  # a token is for the host that gave it
    assert "key" not in GSP.account_id
    assert len(GSP.account_id) == 16
    assert isinstance(GSP, Gsp)
    assert Sandbox("k", save_bytes=5).limits.save_bytes == 5


@pytest.mark.parametrize("key", ["", "  ", None, 5])
def test_a_missing_key_is_told_at_once(key: Any) -> None:
    """Raise `InvalidInput` for an environment variable that is not set."""
    with pytest.raises(InvalidInput, match="api_key is empty"):
        Sandbox(key)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Sandbox("k", source="third"), "source 'third' is unknown"),  # type: ignore[arg-type]
        (lambda: Sandbox("k", base_url="http://gsp.lan"), "clear text"),
        (lambda: next(GSP.sales(GSTIN, 2024, 13, SupplierSection.B2B, SourceForm.GSTR1)), "month 13"),
        (lambda: next(GSP.sales(GSTIN, 2024, 1, SupplierSection.B2B, SourceForm.IFF)), "no supplier view"),
        (lambda: next(GSP.added_back_liabilities(GSTIN, 2017, 6, SupplierSection.CDNR)), "July 2017"),
    ],
)
def test_a_wrong_setting_or_question_is_told_before_anything_is_sent(
    make: Callable[[], object], problem: str
) -> None:
    """Raise `InvalidInput` instead of sending."""
    with pytest.raises(InvalidInput, match=problem):
        make()


def test_logging_in_needs_the_secret() -> None:
    """Say that the secret is missing, without asking the gateway."""
    with pytest.raises(NotAuthorized, match="needs the API secret"):
        next(Sandbox("k").authenticate())


def test_a_body_over_the_limit_is_not_sent() -> None:
    """Count bytes, say how many, and send nothing."""
    small = Sandbox("k", save_bytes=300)
    with pytest.raises(PayloadTooLarge, match="3 records make a body of") as caught:
        next(small.reset(GSTIN, [INVOICE] * 3))
    assert (caught.value.limit, caught.value.size > 300) == (300, True)
    exact = Sandbox("k", save_bytes=caught.value.size)
    assert len(first_request(exact.reset(GSTIN, [INVOICE] * 3)).body or b"") == caught.value.size


def test_a_long_save_pauses_while_it_is_written() -> None:
    """Let others run before the one request of a save goes out."""
    steps = []
    conversation = GSP.save(GSTIN, [INVOICE.accept()] * 450)
    step = next(conversation)
    while step is PAUSE:
        steps.append(step)
        step = conversation.send(answer())
    assert len(steps) == 2
    conversation.close()


# -- what comes back -------------------------------------------------------------------------------------


def fine(**data: Any) -> dict[str, Any]:
    """The envelope of a success."""
    return {
        "code": 200,
        "data": {**data, "status_cd": "1"},
        "timestamp": 1763446641000,
        "transaction_id": "t",
    }


def refused(code: str, message: str = "m") -> dict[str, Any]:
    """The envelope of a refusal by GSTN, which comes with HTTP 200."""
    data = {"status_cd": "0", "error": {"error_cd": code, "message": message}}
    return {"code": 200, "data": data, "timestamp": 1763446641000, "transaction_id": "t"}


@pytest.mark.parametrize("code", sorted(NO_RECORDS))
@pytest.mark.parametrize(
    ("name", "nothing"), [("count", Counts(total=0)), ("invoices", []), ("sales", []),
                          ("added-back-liabilities", [])],
)  # fmt: skip
def test_no_records_is_an_empty_answer_and_no_error(name: str, nothing: object, code: str) -> None:
    """Read GSTN's "nothing found" as nothing."""
    value, _ = converse(BY_NAME[name](), answer(200, refused(code)))
    assert value == nothing


@pytest.mark.parametrize("name", ["count", "invoices", "sales", "added-back-liabilities"])
def test_any_other_refusal_of_a_read_is_raised(name: str) -> None:
    """Take no other error for "nothing found"."""
    with pytest.raises(GatewayError) as caught:
        converse(BY_NAME[name](), answer(200, refused("RET99999")))
    assert caught.value.code == "RET99999"


def test_counting_nothing_keeps_the_kind_of_goods() -> None:
    """Answer zero of what was asked about."""
    value, _ = converse(GSP.counts(GSTIN, GoodsType.IMPORTS), answer(200, refused("IMS0027")))
    assert value == Counts(total=0, goods_type=GoodsType.IMPORTS)


def test_rows_that_come_later_as_a_file_are_not_taken_for_none() -> None:
    """Raise `DownloadQueued` for a token in the place of rows, and for GSTN's "in progress".

    It says which rows, how long it takes, and what can be done.
    """
    with pytest.raises(DownloadQueued) as caught:
        converse(BY_NAME["invoices"](), answer(200, fine(data={"token": "d3a5", "est": "30"})))
    assert (caught.value.estimate, caught.value.token, caught.value.download) == (1800.0, "d3a5", None)
    said = str(caught.value)
    assert re.match(r"GSTN makes the rows of b2b\w* into a file .*, which takes about 30 minutes: ", said)
    assert "Sandbox documents no way to fetch it. Ask for fewer rows, one action at a time" in said
    with pytest.raises(DownloadQueued, match=r"rows of b2b.*RTN_24.*does not say how long.*ask again later"):
        converse(BY_NAME["invoices"](), answer(200, refused("RTN_24")))


def test_supplier_views_and_liabilities_are_read_through_the_envelope() -> None:
    """Read what the success of these two endpoints is documented to hold."""
    (party,) = [
        {"ctin": GSTIN, "inv": [{"inum": "1", "idt": "05-11-2024", "val": Decimal("1.10"), "itms": []}]}
    ]
    found, _ = converse(BY_NAME["sales"](), answer(200, fine(data={"gstr1": {"b2b": [party]}})))
    assert [(sale.number, str(sale.value)) for sale in found] == [("1", "1.10")]
    none, _ = converse(BY_NAME["added-back-liabilities"](), answer(200, fine(data={"rejInvAddBackLiab": {}})))
    assert none == []


@pytest.mark.parametrize(
    ("facts", "expires_at"),
    [
        ({"token_expiry": 1712947711000, "session_expiry": 1712947710000}, 1712947710.0),
        ({"token_expiry": 1712947711500}, 1712947711.5),
        ({"token_expiry": "1712947711000"}, 1712947711.0),
        ({"token_expiry": 1712947711}, 1712947711.0),
        ({"access_token": jwt(1712940000), "token_expiry": 1712947711000}, 1712940000.0),
        ({"access_token": jwt(1712950000), "token_expiry": 1712947711000}, 1712947711.0),
        ({"token_expiry": None, "session_expiry": "soon"}, None),
        ({"token_expiry": 10**400}, None),
        ({"token_expiry": True}, None),
        ({"token_expiry": -5}, None),
        ({}, None),
    ],
    ids=str,
)
def test_a_session_ends_at_the_earliest_stated_expiry(
    facts: dict[str, Any], expires_at: float | None
) -> None:
    """Read milliseconds, as number or text, and the token's own claim; believe the earliest."""
    for name in ("verify", "refresh"):
        value, _ = converse(BY_NAME[name](), answer(200, fine(**{"access_token": "opaque", **facts})))
        assert value.expires_at == expires_at


def test_the_accounts_token_lives_as_long_as_it_says_or_a_day() -> None:
    """Read the expiry out of the account's token where it has one."""
    value, _ = converse(
        BY_NAME["authenticate"](), answer(200, {"code": 200, "data": {"access_token": jwt(5)}})
    )
    assert value.expires_at == 5.0


@pytest.mark.parametrize("name", sorted(BY_NAME))
@pytest.mark.parametrize(
    "body",
    [HTML, HTML * 1000, b"", b"null", b"[]", b"7", b"{}", b'{"code":200}', b'{"code":200,"data":null}',
     b'{"code":200,"data":{}}', b'{"code":200,"data":[]}', b'{"code":200,"data":{"data":nu',
     b'{"code":200,"data":{"data":5,"access_token":5,"status_cd":"2"}}', b"\xff" * 9],
    ids=lambda body: repr(body[:40]),
)  # fmt: skip
def test_a_page_that_is_no_answer_is_never_a_success(name: str, body: bytes) -> None:
    """Raise `UnexpectedAnswer` for HTML, emptiness and truncation under HTTP 200, for every operation."""
    with pytest.raises(UnexpectedAnswer) as caught:
        converse(BY_NAME[name](), answer(200, body))
    assert caught.value.problems


@pytest.mark.parametrize("reference", [None, "", 5, [], {}])
def test_a_change_without_a_reference_is_no_success(reference: object) -> None:
    """Ask for text under `reference_id`; the driver makes an unknown outcome of its absence."""
    with pytest.raises(UnexpectedAnswer, match=r"data\.data\.reference_id: .* is not text"):
        converse(BY_NAME["save"](), answer(200, fine(data={"reference_id": reference})))


def test_rows_are_read_strictly_or_with_their_problems() -> None:
    """Pass `strict` on to the reader of rows."""
    body = fine(data={"b2b": [5, strategies.documented_row(Section.B2B)]})
    with pytest.raises(UnexpectedAnswer, match="1 of 2 rows cannot be read"):
        converse(GSP.invoices(GSTIN, Section.B2B, None, strict=True), answer(200, body))
    rows, _ = converse(GSP.invoices(GSTIN, Section.B2B, None, strict=False), answer(200, body))
    assert (len(rows), rows.problems) == (1, ("data.data.b2b[0]: 5 is not an object",))


def test_a_status_says_when_it_was_read() -> None:
    """Note when the answer came, in epoch seconds."""
    value, _ = converse(BY_NAME["status"](), recorded("status-200-processed"))
    assert value.polled_at == NOW


# -- verdicts --------------------------------------------------------------------------------------------

READ = first_request(BY_NAME["count"]())
LOGIN = first_request(BY_NAME["otp"]())
AUTHENTICATE = first_request(BY_NAME["authenticate"]())


def judge(response: Response, request: Request = READ) -> Verdict:
    """Judge an answer; a verdict that is not fine has an error."""
    verdict = GSP.judge(request, response)
    assert (verdict.error is None) is (verdict.kind is VerdictKind.FINE)
    return verdict


def failure(code: int, message: str = "m") -> dict[str, Any]:
    """The envelope of the gateway's own errors."""
    return {"code": code, "message": message, "timestamp": 1687602744185, "transaction_id": "t"}


@pytest.mark.parametrize(
    ("status", "body", "kind", "error", "code"),
    [
        (200, fine(data={}), FINE, None, None),
        (201, fine(data={}), FINE, None, None),
        (200, HTML, FINE, None, None),  # the conversation finds that it cannot be read
        (200, None, FINE, None, None),
        (200, failure(400), FAILED, GatewayError, "400"),
        (200, failure(401), FAILED, NotAuthorized, "401"),
        (200, failure(422), FAILED, GatewayError, "422"),
        (200, failure(429), THROTTLED, RateLimited, "429"),
        (200, failure(503), UNAVAILABLE, GatewayUnavailable, "503"),
        (200, {**failure(422), "data": None}, FAILED, GatewayError, "422"),
        (200, {**failure(422), "data": {}}, FAILED, GatewayError, "422"),
        (200, {**fine(data={}), "code": 422}, FINE, None, None),
        (300, None, FAILED, GatewayError, "300"),
        (301, None, FAILED, GatewayError, "301"),
        (302, HTML, FAILED, GatewayError, "302"),
        (400, failure(400), FAILED, GatewayError, "400"),
        (400, HTML, FAILED, GatewayError, "400"),
        (401, failure(401, "Unauthorized"), FAILED, NotAuthorized, "401"),
        (404, None, FAILED, GatewayError, "404"),
        (413, failure(413), FAILED, PayloadTooLarge, None),
        (413, HTML, FAILED, PayloadTooLarge, None),
        (422, failure(422), FAILED, GatewayError, "422"),
        (429, failure(429), THROTTLED, RateLimited, "429"),
        (429, HTML, THROTTLED, RateLimited, "429"),
        (500, failure(500), UNAVAILABLE, GatewayUnavailable, "500"),
        (500, failure(422, "Invalid GSTIN pattern"), FAILED, GatewayError, "422"),
        (500, HTML, UNAVAILABLE, GatewayUnavailable, "500"),
        (500, failure(200), UNAVAILABLE, GatewayUnavailable, "500"),
        (502, HTML, UNAVAILABLE, GatewayUnavailable, "502"),
        (503, None, UNAVAILABLE, GatewayUnavailable, "503"),
        (504, {"message": "Endpoint request timed out"}, UNAVAILABLE, GatewayUnavailable, "504"),
        (500, b"[" * 100_000, UNAVAILABLE, GatewayUnavailable, "500"),
        (500, b'"text"', UNAVAILABLE, GatewayUnavailable, "500"),
        (500, {"code": "422", "message": None}, UNAVAILABLE, GatewayUnavailable, "500"),
    ],
)
def test_an_answer_is_judged_by_what_it_is(
    status: int, body: Any, kind: VerdictKind, error: type[ImsError] | None, code: str | None
) -> None:
    """Distinguish success from every documented form of failure, two of which come with HTTP 200."""
    verdict = judge(answer(status, body))
    assert verdict.kind is kind
    assert type(verdict.error) is (error or type(None))
    if isinstance(verdict.error, GatewayError):
        assert verdict.error.code == code
        assert verdict.error.http_status == status
        named = isinstance(body, dict) and body.get("transaction_id")
        assert verdict.error.transaction_id == (named or None)
        assert str(verdict.error)


def test_a_redirect_says_that_it_is_not_followed() -> None:
    """Point at the base URL: custom headers with secrets would travel."""
    error = judge(answer(307, None, location="https://elsewhere.example")).error
    assert "redirects (HTTP 307), which is not followed" in str(error)
    assert "elsewhere" not in str(error)
    assert "redirects" not in str(judge(answer(400, None)).error)


def test_a_refused_size_is_told_as_such() -> None:
    """Say that the gateway refused the size of what was sent."""
    assert "the gateway refused the size: too long" in str(judge(answer(413, failure(413, "too long"))).error)


@pytest.mark.parametrize(
    ("message", "request_", "kind", "error"),
    [
        ("Access token expired", READ, REFUSED, SessionExpired),
        ("Invalid access token", READ, REFUSED, SessionExpired),
        ("EXPIRED ACCESS TOKEN", READ, REFUSED, SessionExpired),
        ("Session expired", READ, REFUSED, SessionExpired),
        ("Expired", READ, REFUSED, SessionExpired),
        ("Access token expired", LOGIN, REFUSED, NotAuthorized),
        ("Insufficient privilege", READ, FAILED, NotAuthorized),
        ("Insufficient privileges for this token", READ, FAILED, NotAuthorized),
        ("Insufficient credits", READ, FAILED, QuotaExhausted),
        ("Insufficient wallet balance", READ, FAILED, QuotaExhausted),
        ("Usage quota exhausted", READ, FAILED, QuotaExhausted),
        ("Quota of this token exhausted", READ, FAILED, QuotaExhausted),
        ("Access revoked", READ, FAILED, NotAuthorized),
        ("API key expired", READ, FAILED, NotAuthorized),
        ("Your subscription has expired", READ, FAILED, NotAuthorized),
        ("Missing Authentication Token", READ, FAILED, NotAuthorized),
        ("Bad Credentials", AUTHENTICATE, FAILED, NotAuthorized),
        ("Forbidden", READ, FAILED, NotAuthorized),
        ("", READ, FAILED, NotAuthorized),
    ],
)
def test_only_a_stale_token_is_worth_renewing(
    message: str, request_: Request, kind: VerdictKind, error: type[ImsError]
) -> None:
    """Distinguish a stale token from an empty wallet and all else: each is 403 with another message."""
    verdict = judge(answer(403, failure(403, message)), request_)
    assert verdict.kind is kind
    assert type(verdict.error) is error


@given(st.text())
def test_a_403_that_names_no_token_is_never_renewed(message: str) -> None:
    """Renew for words about a token, a session or an expiry, and never for any others."""
    verdict = judge(answer(403, failure(403, message)))
    words = message.lower()
    if not any(word in words for word in ("token", "session", "expired")):
        assert verdict.kind is FAILED


@pytest.mark.parametrize(
    ("headers", "until"),
    [
        ({"retry_after": "30"}, NOW + 30),
        ({"retry_after": "2.5"}, NOW + 2.5),
        ({"retry_after": " 7 "}, NOW + 7),
        ({"retry_after": "-5"}, NOW),
        ({"retry_after": "0"}, NOW),
        ({"retry_after": "Tue, 06 May 2025 11:29:52 GMT"}, NOW + 60),
        ({"retry_after": "Tue, 06 May 2025 11:29:52 -0000"}, NOW + 60),
        ({"retry_after": "Tue, 06 May 2025 16:59:52 +0530"}, NOW + 60),
        ({"x_ratelimit_reset": "1746530992"}, NOW + 60),
        ({"x_ratelimit_reset": "1746530992.5"}, NOW + 60.5),
        ({"retry_after": "30", "x_ratelimit_reset": "1746530992"}, NOW + 30),
        ({"retry_after": "soon", "x_ratelimit_reset": "1746530992"}, NOW + 60),
        ({"retry_after": "nan", "x_ratelimit_reset": "1746530992"}, NOW + 60),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "inf"}, None),
        ({"retry_after": "1e400"}, None),
        ({"retry_after": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}, None),
        ({"retry_after": "Mon, 99 Jan 2024 00:00:00 GMT"}, None),
        ({"retry_after": ""}, None),
        ({"x_ratelimit_reset": "nan"}, None),
        ({"x_ratelimit_reset": "soon"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_a_throttled_answer_says_until_when(headers: dict[str, str], until: float | None) -> None:
    """Read each form of hint, and no hint out of what is none."""
    response = answer(429, failure(429), **headers)
    assert read_retry_at(response) == until
    verdict = judge(response)
    assert (verdict.kind, verdict.not_before) == (THROTTLED, until)
    assert isinstance(verdict.error, RateLimited)
    assert verdict.error.retry_after == (None if until is None else until - NOW)


def test_a_date_in_the_past_asks_for_no_wait() -> None:
    """Give no negative time to wait."""
    error = judge(answer(429, failure(429), retry_after="Tue, 06 May 2025 11:00:00 GMT")).error
    assert isinstance(error, RateLimited)
    assert error.retry_after == 0.0


@pytest.mark.parametrize(
    ("status", "body"), [(200, fine(data={})), (200, b"x" * 20_000), (200, refused("RET11402")),
                         (400, failure(400)), (403, failure(403)), (500, None)],
)  # fmt: skip
def test_a_spent_budget_is_told_with_whatever_answer_spends_it(status: int, body: Any) -> None:
    """Wait for the reset after the last request of a window, and only after the last."""
    spent = {"x_ratelimit_remaining": "0", "x_ratelimit_reset": "1746530992"}
    assert judge(answer(status, body, **spent)).not_before == NOW + 60
    left = {**spent, "x_ratelimit_remaining": "1"}
    assert judge(answer(status, body, **left)).not_before is None


def test_an_outage_may_say_until_when() -> None:
    """Heed `Retry-After` of a 503; a rate limit that is not spent means nothing there."""
    assert judge(answer(503, None, retry_after="30", x_ratelimit_reset="1")).not_before == NOW + 30
    assert judge(answer(503, None, x_ratelimit_reset="1746530992")).not_before is None


def test_the_documented_rate_headers_do_not_hold_anything_back() -> None:
    """Go on after the documented answers, which have 119 and 118 requests left."""
    for name in ("save-200", "reset-200"):
        assert judge(recorded(name)).not_before is None


@pytest.mark.parametrize(
    ("code", "kind", "error"),
    [
        ("AUTH4033", REFUSED, SessionExpired),
        ("AUTH4038", REFUSED, SessionExpired),
        ("RET11407", REFUSED, SessionExpired),
        ("RETOTPREQUEST", FAILED, OtpRequired),
        ("AUTH4034", FAILED, OtpRequired),
        ("AUTH403", FAILED, NotAuthorized),
        ("AUTH4037", FAILED, NotAuthorized),
        ("TEC4001", UNAVAILABLE, GatewayUnavailable),
        ("RET12501", UNAVAILABLE, GatewayUnavailable),
        ("RET12504", UNAVAILABLE, GatewayUnavailable),
        ("RET12505", FAILED, GatewayError),
        ("RET13505", UNAVAILABLE, GatewayUnavailable),
        ("IMSSAV0015", FAILED, JobInFlight),
        ("IMSSAV015", FAILED, GatewayError),  # padding counts: codes are opaque
        ("RTN_24", FAILED, DownloadQueued),
        ("IMS0027", FAILED, GatewayError),
        ("", FAILED, GatewayError),
        ("auth4033", FAILED, GatewayError),
    ],
)
def test_a_refusal_by_gstn_is_typed_by_its_code(code: str, kind: VerdictKind, error: type[ImsError]) -> None:
    """Give equal codes equal errors, whatever HTTP says; renew only where the taxpayer's session ended."""
    verdict = judge(answer(200, refused(code, "as GSTN says")))
    assert verdict.kind is kind
    assert type(verdict.error) is error
    assert "as GSTN says" in str(verdict.error)
    if isinstance(verdict.error, GatewayError):
        assert (verdict.error.code, verdict.error.http_status, verdict.error.transaction_id) == (
            code,
            200,
            "t",
        )
    at_login = judge(answer(200, refused(code)), LOGIN)
    assert at_login.kind is (FAILED if kind is REFUSED else kind)


@pytest.mark.parametrize("told", [None, [], {}, {"error_cd": None, "message": None}, {"message": ""}])
def test_a_refusal_without_a_reason_is_still_one(told: object) -> None:
    """Say that GSTN gave no reason; status_cd 0 is no success, as number or as text."""
    for letter in ("0", 0):
        verdict = judge(answer(200, {"code": 200, "data": {"status_cd": letter, "error": told}}))
        assert verdict.kind is FAILED
        assert "without saying why" in str(verdict.error)


def test_a_reason_that_is_plain_text_is_told() -> None:
    """Lose no reason to its shape."""
    verdict = judge(answer(200, {"code": 200, "data": {"status_cd": "0", "error": "try later"}}))
    assert "try later" in str(verdict.error)


def test_a_transaction_id_is_text_whatever_came() -> None:
    """Make text of it, so that it can be searched for and pickled."""
    error = judge(answer(400, {"code": 400, "message": "m", "transaction_id": 5})).error
    assert isinstance(error, GatewayError)
    assert error.transaction_id == "5"


def test_rows_are_not_parsed_twice() -> None:
    """Leave a long success unread; a long refusal with an HTTP error is read."""
    response = answer(200, b"[" + b" " * 20_000)
    assert judge(response).kind is FINE
    assert judge(answer(400, {**failure(400, "long"), "x": "y" * 20_000})).kind is FAILED


def test_an_unknown_code_is_a_plain_error_with_all_facts() -> None:
    """Guess nothing from a code that is not in the register."""
    error = gstn_error("X", "m", http_status=502, transaction_id="t")
    assert type(error) is GatewayError
    assert vars(error) == {
        "message": "m", "advice": "", "code": "X", "http_status": 502, "transaction_id": "t",
    }  # fmt: skip


# -- odds and ends of the wire ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://api.sandbox.co.in", "https://api.sandbox.co.in"),
        ("https://api.sandbox.co.in/", "https://api.sandbox.co.in"),
        ("https://proxy.example/ims/", "https://proxy.example/ims"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_a_base_url_is_https_or_loopback(url: str, clean: str) -> None:
    """Take https anywhere and plain http on this machine."""
    assert check_base_url(url) == clean


@pytest.mark.parametrize(
    "url",
    ["", "api.sandbox.co.in", "ftp://host", "https://", "https://host?x=1", "https://host?", "https://host#x",
     "https://host#", "https://ho st", "https://host\n", "https://host:port", "https://[::1", "http://host",
     "http://127.0.0.1.example.com", "http://localhost.example.com", "http://10.0.0.1", None, 5],
)  # fmt: skip
def test_a_base_url_that_is_none_is_refused(url: Any) -> None:
    """Refuse other schemes, queries, spaces, and clear text that leaves this machine."""
    with pytest.raises(InvalidInput, match="base URL"):
        check_base_url(url)


@pytest.mark.parametrize("url", ["https://me:planted@host", "https://:planted@host", "http://planted@host"])
def test_a_password_in_a_base_url_is_refused_and_not_shown(url: str) -> None:
    """Keep what may be a password out of the message, and out of later ones."""
    with pytest.raises(InvalidInput) as caught:
        check_base_url(url)
    assert "planted" not in str(caught.value)


def test_clear_text_is_allowed_where_it_is_asked_for() -> None:
    """Let `insecure` send credentials in clear text."""
    assert check_base_url("http://gsp.lan", insecure=True) == "http://gsp.lan"


def test_a_query_is_quoted_on_the_wire() -> None:
    """Quote what a reference id may hold."""
    request = first_request(GSP.status(GSTIN, "a b&c=é", JobKind.RESET))
    assert request.target.endswith("/status?reference_id=a+b%26c%3D%C3%A9")


def test_an_answer_is_parsed_once() -> None:
    """Hand out the same value each time."""
    response = answer(200, {"a": Decimal("1.10")})
    assert response.json() is response.json()
    assert str(response.json()["a"]) == "1.10"


# -- fuzz ------------------------------------------------------------------------------------------------


def _bodies() -> Iterable[tuple[str, int, bytes]]:
    for name in samples("sandbox"):
        sample = load(f"sandbox/{name}")
        if "http_status" in sample:
            yield name, sample["http_status"], json_text(sample["body"]).encode()


@pytest.mark.parametrize(("name", "status", "body"), list(_bodies()), ids=lambda part: str(part)[:30])
def test_mutated_answers_raise_nothing_but_our_errors(name: str, status: int, body: bytes) -> None:
    """Change bytes of every recorded answer 300 times: a value or `ImsError` comes out."""
    chance = random.Random(20241105)  # noqa: S311 # the same each time
    statuses = [status, status, status, 200, 403, 429, 500]
    for _ in range(300):
        response = answer(
            chance.choice(statuses),
            mutate(body, chance),
            retry_after=mutate(b"30", chance).decode("latin-1"),
        )
        try:
            answered(conversation_of(name), response)
        except ImsError as error:
            assert str(error)


@given(strategies.json_values(), st.sampled_from(sorted(BY_NAME)), st.sampled_from([200, 302, 403, 429, 503]))
def test_any_json_at_all_is_a_value_or_one_of_our_errors(value: Any, name: str, status: int) -> None:
    """Answer every operation with any JSON under any HTTP status, at each of the three depths."""
    for body in (value, {"code": 200, "data": value}, fine(data=value)):
        try:
            answered(BY_NAME[name](), answer(status, body))
        except ImsError as error:
            assert str(error)


def test_an_invoice_that_was_read_is_sent_back_verbatim() -> None:
    """Send a gateway's own ids as they came, even where they break the published pattern."""
    rows, _ = converse(BY_NAME["invoices"](), recorded("invoices-200-b2b"))
    assert all(isinstance(row, Invoice) for row in rows)
    request = first_request(GSP.save(GSTIN, [row.accept() for row in rows]))
    sent = json.loads(request.body or b"", parse_float=str, parse_int=str)["invdata"]["b2b"]
    plain = json.loads(json_text(load("sandbox/invoices-200-b2b")["body"]), parse_float=str, parse_int=str)
    for row, original in zip(sent, plain["data"]["data"]["b2b"], strict=True):
        expected = {
            k: v for k, v in original.items() if k not in ("hash", "ispendactblocked", "srcfilstatus")
        }
        assert row == {**expected, "action": "A", "prev_status": original["action"]}


def test_what_is_not_documented_is_not_supported() -> None:
    """Rows come at once here, and the account's token ends by itself."""
    download = Download(
        gsp="sandbox", host="test-api.sandbox.co.in", gstin=GSTIN, section=Section.B2B, reference="x"
    )
    for ask in (
        lambda: GSP.prepared(download),
        lambda: GSP.part(download, Part("x"), strict=True),
        lambda: GSP.sign_out(TOKEN),
    ):
        with pytest.raises(NotSupported, match="this GSP documents no way"):
            ask()


@pytest.mark.parametrize("reference", ["", " ", "\ud800", "a\nb", "x" * 201])
@pytest.mark.parametrize("name", ["save", "reset"])
def test_a_reference_that_nothing_could_be_asked_with_is_none(name: str, reference: str) -> None:
    """Refuse what fits neither a URL nor a token of ours: a change whose answer says so is unknown."""
    with pytest.raises(UnexpectedAnswer) as caught:
        converse(BY_NAME[name](), answer(200, {"code": 200, "data": {"data": {"reference_id": reference}}}))
    assert caught.value.problems[0].startswith("data.data.reference_id: ")


@pytest.mark.parametrize("name", ["authenticate", "verify", "refresh"])
@pytest.mark.parametrize("value", [" ", "secret-token\r\nx: 1", "secret-token\ud800"])
def test_a_token_that_fits_no_header_is_none_and_is_not_shown(name: str, value: str) -> None:
    """Refuse an empty token and one that no request could carry; say nothing of what is in it."""
    with pytest.raises(UnexpectedAnswer) as caught:
        converse(BY_NAME[name](), answer(200, {"code": 200, "data": {"access_token": value}}))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["save", "reset"])
def test_a_change_is_refused_whatever_the_words(name: str) -> None:
    """Have GSTN's word about files, in answer to a change, be a refusal and no download."""
    told = {"status_cd": "0", "error": {"error_cd": "RTN_24", "message": "File Generation is in progress"}}
    with pytest.raises(GatewayError) as caught:
        converse(BY_NAME[name](), answer(200, {"code": 200, "data": told}))
    assert (caught.value.code, str(caught.value)) == ("RTN_24", "RTN_24: File Generation is in progress")
