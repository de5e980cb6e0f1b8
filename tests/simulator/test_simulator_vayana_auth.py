"""The simulator's Vayana API: the login of users, the session with GSTN, and refused callers."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from ims_async.simulator import Simulator

from .simulator_portal_vayana import ENRICHED, SSO, TASKS, UNAUTHORIZED, V1, V3, VayanaPortal

LOGIN = {"handle": "demo@example.com", "password": "password_test_demo", "handleType": "email"}
SIX_HOURS = {**LOGIN, "tokenDurationInMins": 360}


@pytest.fixture
def portal() -> VayanaPortal:
    """Open a simulator, with a user's token and without a session."""
    return VayanaPortal(Simulator(), session=False)


def _sso(
    portal: VayanaPortal, method: str, path: str, body: object = None, token: str | None = None
) -> tuple[int, Any]:
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    status, received, content = portal.simulator.handle(method, SSO + path, headers, raw)
    assert received == {"Content-Type": "application/json"}
    found = json.loads(content)
    assert list(found) == (["data"] if status == 200 else ["error"])
    return status, found.get("data") or found.get("error")


def _log_in(portal: VayanaPortal, **settings: object) -> dict[str, Any]:
    status, data = _sso(portal, "POST", "/authtokens", {**LOGIN, **settings})
    assert status == 200
    assert isinstance(data, dict)
    return data


def _person(portal: VayanaPortal) -> dict[str, str]:
    person = portal.simulator.taxpayers[0]
    return {"gstin": person.gstin, "username": person.username}


def _is_in_session(portal: VayanaPortal) -> bool:
    status, _, content = portal.answer("GET", f"{ENRICHED}/ims-invoices?section=B2B")
    assert status == 200 or content["error"]["args"]["gstn-err"]["error-code"] == "RET11402"
    return status == 200


# -- users -------------------------------------------------------------------------------------------------


def test_a_login_gives_a_token_for_twenty_minutes_and_names_the_organisation(portal: VayanaPortal) -> None:
    """Read the documented answer, and use what is in it."""
    data = _log_in(portal)
    assert data["expiry"] == pytest.approx((portal.simulator.now() + 1200) * 1000, abs=1000)
    assert (data["email"], data["associatedOrgs"][0]["organisation"]["id"]) == (LOGIN["handle"], "org-demo")
    part = data["token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    assert claims["exp"] == data["expiry"] // 1000
    portal.user_token = data["token"]
    assert portal.error("GET", f"{TASKS}/status/none")[0] == 404
    portal.simulator.advance(1200)
    assert portal.error("GET", f"{TASKS}/status/none")[:3] == (403, "err-expired-token", "Authorization")


@pytest.mark.parametrize(("asked", "given"), [(1, 1), (360, 360), (361, 360), (100_000, 360)])
def test_a_token_lives_as_long_as_asked_but_at_most_six_hours(
    portal: VayanaPortal, asked: int, given: int
) -> None:
    """Have a longer life clamped without a word."""
    expiry = _log_in(portal, tokenDurationInMins=asked)["expiry"]
    assert expiry == pytest.approx((portal.simulator.now() + given * 60) * 1000, abs=1000)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({**LOGIN, "handle": None}, "handle"),
        ({**LOGIN, "password": ""}, "password"),
        ({**LOGIN, "handleType": "pigeon"}, "handleType"),
        ({**LOGIN, "tokenDurationInMins": "20"}, "tokenDurationInMins"),
        ({**LOGIN, "tokenDurationInMins": True}, "tokenDurationInMins"),
        ({**LOGIN, "tokenDurationInMins": 0}, "tokenDurationInMins"),
        (b"{", "body"),
    ],
)
def test_a_login_with_a_bad_parameter_names_it(portal: VayanaPortal, body: object, name: str) -> None:
    """Get 400 of the type that only this service uses."""
    expected = {
        "message": "err-issue-with-parameter",
        "type": "ClientError",
        "args": {"parameter-name": name},
    }
    assert _sso(portal, "POST", "/authtokens", body) == (400, expected)


@pytest.mark.parametrize("wrong", [{"handle": "other@example.com"}, {"password": "other"}])
def test_a_wrong_password_is_forbidden(portal: VayanaPortal, wrong: dict[str, str]) -> None:
    """Be refused with the wrong half of the pair."""
    status, error = _sso(portal, "POST", "/authtokens", LOGIN | wrong)
    assert (status, error) == (403, {"message": "err-invalid-credentials", "type": "Authorization"})


def test_an_eleventh_live_token_is_refused(portal: VayanaPortal) -> None:
    """Reach the limit; a refresh frees no place, a logout and an expiry do."""
    tokens = [_log_in(portal)["token"] for _ in range(9)]  # the portal's own token is the tenth
    full = (401, {"message": "err-active-tokens-limit-exceeded", "type": "Authorization"})
    assert _sso(portal, "POST", "/authtokens", LOGIN) == full
    assert _sso(portal, "PUT", "/authtokens", token=tokens[0])[0] == 200
    assert _sso(portal, "POST", "/authtokens", LOGIN) == full
    assert portal.simulator.handle("POST", f"{SSO}/logout", {"authorization": f"bearer {tokens[1]}"}) == (
        200,
        {"Content-Type": "application/json"},
        b'{"data":{}}',
    )
    assert _sso(portal, "POST", "/authtokens", LOGIN)[0] == 200
    assert _sso(portal, "POST", "/authtokens", LOGIN) == full
    portal.simulator.advance(1200)
    assert _sso(portal, "POST", "/authtokens", LOGIN)[0] == 200


def test_a_refresh_gives_a_new_token_and_ends_the_old_one(portal: VayanaPortal) -> None:
    """Refresh halfway through and be refused with the old token."""
    old = _log_in(portal)["token"]
    portal.simulator.advance(600)
    status, data = _sso(portal, "PUT", "/authtokens", token=old)
    assert status == 200
    assert data["token"] != old
    assert data["expiry"] == pytest.approx((portal.simulator.now() + 1200) * 1000, abs=1000)
    for method, path in (("PUT", "/authtokens"), ("POST", "/logout")):
        status, error = _sso(portal, method, path, token=old)
        assert (status, error["message"]) == (403, "err-invalid-token")
    assert _sso(portal, "POST", "/logout", token=data["token"])[0] == 200
    assert _sso(portal, "PUT", "/authtokens", token=data["token"])[0] == 403


def test_no_refresh_gets_past_the_hard_end(portal: VayanaPortal) -> None:
    """Refresh a token of six hours until the six lives of its login are over."""
    start = portal.simulator.now()
    data = _log_in(portal, **SIX_HOURS)
    refreshes = 0
    status = 200
    while status == 200:
        portal.simulator.advance(5 * 3600)
        status, answer = _sso(portal, "PUT", "/authtokens", token=data["token"])
        if status == 200:
            refreshes += 1
            data = answer
            assert data["expiry"] <= (start + 36 * 3600 + 1) * 1000
    assert (refreshes, status, answer["message"]) == (7, 403, "err-expired-token")


@pytest.mark.parametrize("scheme", ["", "Basic "])
def test_the_login_wants_a_bearer_token(portal: VayanaPortal, scheme: str) -> None:
    """Send the raw token, and one under another scheme."""
    headers = {"Authorization": scheme + portal.user_token}
    status, _, content = portal.simulator.handle("PUT", f"{SSO}/authtokens", headers)
    assert (status, json.loads(content)["error"]["message"]) == (403, "err-invalid-token")


def test_the_minted_token_is_one_token_and_can_be_made_to_expire(portal: VayanaPortal) -> None:
    """Look twice, let it expire, and leave other tokens alone."""
    assert portal.simulator.user_token == portal.user_token
    assert portal.error("GET", f"{TASKS}/status/none")[0] == 404
    portal.simulator.expire(portal.user_token)
    assert portal.error("GET", f"{TASKS}/status/none")[:2] == (403, "err-expired-token")
    assert portal.simulator.user_token == portal.user_token
    portal.user_token = _log_in(portal)["token"]
    portal.simulator.expire(portal.simulator.token(portal.gstin))
    assert portal.error("GET", f"{TASKS}/status/none")[0] == 404
    assert not _is_in_session(portal)


# -- admission ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x_flynn_n_org_id": None}, (403, "err-invalid-org", "Authorization", None)),
        ({"x_flynn_n_org_id": "other"}, (403, "err-invalid-org", "Authorization", None)),
        ({"x_flynn_n_user_token": None}, (403, "err-invalid-token", "Authorization", None)),
        ({"x_flynn_n_user_token": "other"}, (403, "err-invalid-token", "Authorization", None)),
        *(
            (
                {"accept": accept},
                (
                    400,
                    "err-content-type-not-set-correctly",
                    "ClientRequest",
                    {"content-type": "application/json"},
                ),
            )
            for accept in (None, "*/*", "application/zip", "application/jsonl")
        ),
        *(
            (
                {"x_flynn_n_gstin": gstin},
                (400, "err-invalid-gstin-format", "ClientRequest", {"parameter-name": "gstin"}),
            )
            for gstin in (None, "29AAACQ3770E000")
        ),
    ],
)
def test_calls_without_their_headers_are_refused(
    portal: VayanaPortal, headers: dict[str, str | None], expected: tuple[Any, ...]
) -> None:
    """Leave out or spoil each header in turn; a task asks for all of them but the GSTIN."""
    assert portal.error("GET", f"{ENRICHED}/ims-invoices?section=B2B", **headers) == expected
    found = portal.error("GET", f"{TASKS}/status/none", **headers)
    assert found[0] == 404 if "x_flynn_n_gstin" in headers else found == expected


@pytest.mark.parametrize("accept", ["application/json; charset=UTF-8", "text/plain, Application/JSON"])
def test_accept_may_have_parameters_and_alternatives(portal: VayanaPortal, accept: str) -> None:
    """Accept JSON among other things."""
    assert portal.error("GET", f"{TASKS}/status/none", accept=accept)[0] == 404


@pytest.mark.parametrize("version", ["0.3", "v3", "latest", "v1.0b"])
def test_a_version_of_the_wrong_pattern_is_refused(portal: VayanaPortal, version: str) -> None:
    """Ask GSTN for a version that cannot be one."""
    expected = (400, "err-invalid-gst-returns-api-version", "ClientRequest", {"version": version})
    path = f"/basic/gstn/v1.0/taxpayerapi/{version}/returns/ims/GETCNT"
    assert portal.error("GET", path) == expected


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/enriched/nowhere"),
        ("POST", "/enriched/gstn/v1.0/ims-invoices"),
        ("GET", "/enriched/gstn/v9.0/ims-invoices"),
        ("POST", V3),
        ("POST", f"{V3}/OTPREQUEST"),
        ("POST", V1),
    ],
)
def test_an_unknown_address_is_404_in_the_envelope(portal: VayanaPortal, method: str, path: str) -> None:
    """Miss the path, the method, the version and the action."""
    assert portal.error(method, path) == (404, "err-resource-not-found", "ResourceNotFound", None)
    assert portal.simulator.requests[-1].operation == "unknown"


def test_an_unknown_address_of_the_login_is_404_without_envelope(portal: VayanaPortal) -> None:
    """Get a bare error."""
    assert _sso(portal, "GET", "/nowhere")[0] == 404


def test_the_limit_is_per_organisation_and_has_no_headers() -> None:
    """Reach it with three calls; the login and the other GSP's API do not count."""
    portal = VayanaPortal(Simulator(rate_limit=2), session=False)
    _log_in(portal)
    statuses = [portal.answer("GET", f"{TASKS}/status/none") for _ in range(3)]
    assert [status for status, _, _ in statuses] == [404, 404, 429]
    assert statuses[-1][1] == {"Content-Type": "application/json"}
    assert portal.error("GET", "/enriched/x")[:2] == (429, "err-too-many-requests")
    assert portal.error("GET", "/enriched/x", x_flynn_n_org_id="other")[0] == 404
    _log_in(portal)
    portal.simulator.advance(60)
    assert portal.error("GET", "/enriched/x")[0] == 404


# -- the session with GSTN ---------------------------------------------------------------------------------


def test_the_whole_session_of_v3(portal: VayanaPortal) -> None:
    """Ask for an OTP, open a session, refresh it to another identifier, and leave."""
    assert portal.gstn_error("GET", f"{ENRICHED}/ims-invoices?section=B2B") == UNAUTHORIZED
    asked = portal.data("POST", V3, _person(portal), action="OTPREQUEST")
    assert list(asked) == ["otp-request-id"]
    opened = portal.data("POST", V3, {**asked, "otp": "575757"}, action="AUTHTOKEN")
    assert list(opened) == ["gst-session-id"]
    assert _is_in_session(portal)
    portal.simulator.advance(21000)
    refreshed = portal.data("POST", V3, opened, action="REFRESHTOKEN")
    assert list(refreshed) == ["gst-session-id"]
    assert refreshed != opened
    assert portal.gstn_error("POST", V3, opened, action="REFRESHTOKEN") == UNAUTHORIZED
    portal.simulator.advance(599)
    portal.user_token = _log_in(portal)["token"]
    portal.simulator.advance(1)
    assert _is_in_session(portal)
    assert portal.data("POST", V3, refreshed, action="LOGOUT") == {}
    assert not _is_in_session(portal)
    operations = [request.operation for request in portal.simulator.requests]
    assert [name for name in operations if name not in {"invoices", "authenticate"}] == [
        *("otp", "verify", "refresh", "refresh", "logout"),
    ]
    assert portal.simulator.count("otp", portal.gstin) == 1


def test_the_whole_session_of_v1(portal: VayanaPortal) -> None:
    """Do the same without an envelope; a refresh keeps the identifier."""

    def call(action: str, body: object) -> Any:
        status, _, content = portal.answer("POST", f"{V1}/{action}", body)
        assert status == 200
        assert list(content) == ["data"]
        return content["data"]

    asked = call("OTPREQUEST", _person(portal))
    opened = call("AUTHTOKEN", {**asked, "otp": "575757"})
    portal.simulator.advance(21000)
    assert call("REFRESHTOKEN", opened) == opened
    portal.simulator.advance(21000)
    portal.user_token = _log_in(portal)["token"]
    assert _is_in_session(portal)
    assert call("LOGOUT", opened) == {}
    status, _, content = portal.answer("POST", f"{V1}/LOGOUT", opened)
    assert status == 502
    assert list(content) == ["error"]
    assert content["error"]["message"] == "err-gstn-returned-error"


def test_a_wrong_otp_is_an_invalid_session(portal: VayanaPortal) -> None:
    """Refuse a wrong OTP and an identifier that was never issued, then accept the right pair once."""
    asked = portal.data("POST", V3, _person(portal), action="OTPREQUEST")
    invalid = ("AUTH4033", "Invalid Session")
    for wrong in ({"otp": "000000"}, {"otp": "575757", "otp-request-id": "none"}):
        assert portal.gstn_error("POST", V3, {**asked, **wrong}, action="AUTHTOKEN") == invalid
    right = {**asked, "otp": "575757"}
    portal.data("POST", V3, right, action="AUTHTOKEN")
    assert portal.gstn_error("POST", V3, right, action="AUTHTOKEN") == invalid


def test_an_unknown_user_and_a_session_too_many_get_no_otp() -> None:
    """Refuse another's GSTIN, a user who is not the taxpayer's, and a session too many."""
    portal = VayanaPortal(Simulator(max_sessions=1, taxpayers=2), session=False)
    person = _person(portal)

    def refused(**change: str) -> str:
        return portal.gstn_error("POST", V3, {**person, **change}, action="OTPREQUEST")[0]

    assert refused(gstin=portal.simulator.gstins[1]) == "IMSSIM004"
    assert refused(username="someone.else") == "AUTH4032"
    portal.simulator.token(portal.gstin)
    assert refused() == "AUTH403"
    portal.simulator.end_session(portal.gstin)
    assert "otp-request-id" in portal.data("POST", V3, person, action="OTPREQUEST")


def test_a_body_without_its_fields_is_400(portal: VayanaPortal) -> None:
    """Miss each field, and send a GSTIN that is none."""
    person = _person(portal)
    for action, body, name in (
        ("OTPREQUEST", {"username": "x"}, "gstin"),
        ("OTPREQUEST", {**person, "username": 7}, "username"),
        ("AUTHTOKEN", {"otp": "1"}, "otp-request-id"),
        ("AUTHTOKEN", {"otp-request-id": "1"}, "otp"),
        ("REFRESHTOKEN", {}, "gst-session-id"),
        ("LOGOUT", [], "body"),
    ):
        expected = (400, "err-issue-with-parameter", "ClientRequest", {"parameter-name": name})
        assert portal.error("POST", V3, body, action=action) == expected
    wrong = {**person, "gstin": "29AAACQ3770E000"}
    assert portal.error("POST", V3, wrong, action="OTPREQUEST")[1] == "err-invalid-gstin-format"


def test_a_session_opens_its_own_taxpayer_only() -> None:
    """Be refused with the session of another taxpayer, and with an expired one."""
    simulator = Simulator(taxpayers=2)
    portal, other = VayanaPortal(simulator), VayanaPortal(simulator, simulator.gstins[1], session=False)
    assert not _is_in_session(other)
    assert _is_in_session(portal)
    stolen = {"gst-session-id": portal.session}
    assert other.gstn_error("POST", V3, stolen, action="REFRESHTOKEN") == UNAUTHORIZED
    simulator.expire(portal.session)
    assert portal.gstn_error("POST", V3, stolen, action="REFRESHTOKEN") == UNAUTHORIZED
    assert not _is_in_session(portal)


def test_a_minted_session_can_be_refreshed_and_ended_by_the_portal(portal: VayanaPortal) -> None:
    """Use the identifier that `token` returns; several sessions end together."""
    minted = {"gst-session-id": portal.simulator.token(portal.gstin)}
    portal.data("POST", V3, minted, action="REFRESHTOKEN")
    portal.simulator.token(portal.gstin)
    assert _is_in_session(portal)
    portal.simulator.end_session(portal.gstin)
    assert not _is_in_session(portal)
    portal.simulator.token(portal.gstin)
    portal.simulator.expire_all(portal.gstin)
    assert not _is_in_session(portal)


def test_planned_answers_and_the_log_serve_this_api_as_well(portal: VayanaPortal) -> None:
    """Plan a failure of an operation, and see what was sent, but not in the log's representation."""
    portal.simulator.script_answer("otp", 504, {"message": "Endpoint request timed out"}, after=True)
    assert portal.answer("POST", V3, _person(portal), action="OTPREQUEST")[0] == 504
    (request,) = portal.simulator.requests
    assert (request.operation, request.gstin, request.status) == ("otp", portal.gstin, 504)
    assert request.headers["x-flynn-n-user-token"] == portal.user_token
    assert portal.user_token not in repr(request)
