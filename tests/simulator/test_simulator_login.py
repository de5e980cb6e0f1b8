"""The simulator's login: account token, OTP, session, refresh, logout, and refused callers."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from ims_async.simulator import Simulator

from .simulator_portal import BASE, Portal

COUNT = f"{BASE}/invoices/count?type_of_goods=others"


@pytest.fixture
def simulator() -> Simulator:
    """Make a simulator on a clock of its own."""
    return Simulator(max_sessions=None)


def _account(simulator: Simulator) -> Portal:
    portal = Portal(simulator)
    _, _, content = portal.answer(
        "POST", "/authenticate", authorization=None, x_api_secret="secret_test_demo"
    )
    portal.token = content["data"]["access_token"]
    return portal


def _person(simulator: Simulator) -> dict[str, str]:
    (person,) = simulator.taxpayers
    return {"username": person.username, "gstin": person.gstin}


def _log_in(simulator: Simulator) -> tuple[Portal, dict[str, Any]]:
    portal = _account(simulator)
    portal.data("POST", f"{BASE}/otp", _person(simulator))
    data = portal.data("POST", f"{BASE}/otp/verify?otp=575757", _person(simulator))
    portal.token = data["access_token"]
    return portal, data


def test_the_whole_login_opens_the_invoices(simulator: Simulator) -> None:
    """Go from key and secret to a count, and leave."""
    portal, data = _log_in(simulator)
    assert data["status_cd"] == "1"
    assert data["token_expiry"] == pytest.approx((simulator.now() + 21600) * 1000, abs=1000)
    assert portal.payload("GET", COUNT)["all_oth"]["ttl_cnt"] == 100
    assert portal.data("POST", f"{BASE}/logout") == {"status_cd": "1"}
    assert portal.answer("GET", COUNT)[0] == 403
    operations = [request.operation for request in simulator.requests]
    assert operations == ["authenticate", "otp", "verify", "count", "logout", "count"]
    assert [simulator.count(name) for name in ("count", "logout", "save")] == [2, 1, 0]


def test_tokens_are_jwts_with_their_expiry(simulator: Simulator) -> None:
    """Read the expiry, in seconds, out of a token."""
    part = simulator.token(simulator.gstins[0]).split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    assert claims["sub"] == simulator.gstins[0]
    assert claims["exp"] == pytest.approx(simulator.now() + 21600, abs=2)


@pytest.mark.parametrize("headers", [{"x_api_key": "key_live_other"}, {"x_api_secret": "wrong"}, {}])
def test_a_wrong_key_or_secret_is_unauthorized(simulator: Simulator, headers: dict[str, str]) -> None:
    """Answer 401 with the gateway's envelope."""
    status, _, content = Portal(simulator).answer("POST", "/authenticate", **headers)
    assert status == 401
    assert (content["code"], content["message"]) == (401, "Unauthorized")
    assert {*content} == {"code", "message", "timestamp", "transaction_id"}


def test_every_endpoint_wants_the_key(simulator: Simulator) -> None:
    """Answer 401 without a key, whatever the token."""
    assert Portal(simulator).answer("GET", COUNT, x_api_key=None)[0] == 401


@pytest.mark.parametrize("spoil", ["", "Bearer ", "x"])
def test_only_the_raw_token_is_taken(simulator: Simulator, spoil: str) -> None:
    """Answer 403 to no token, to a Bearer token and to an unknown one."""
    portal = Portal(simulator)
    token = spoil + portal.token if spoil else None
    status, _, content = portal.answer("GET", COUNT, authorization=token)
    assert (status, content["message"]) == (403, "Invalid access token")


def test_an_expired_token_is_forbidden_not_unauthorized(simulator: Simulator) -> None:
    """Let tokens expire by hand, by taxpayer and by the clock."""
    portal = Portal(simulator)
    simulator.expire(portal.token)
    status, _, content = portal.answer("GET", COUNT)
    assert (status, content["message"]) == (403, "Access token expired")
    portal = Portal(simulator)
    simulator.expire_all(portal.gstin)
    assert portal.answer("GET", COUNT)[0] == 403
    portal = Portal(simulator)
    simulator.advance(21600)
    assert portal.answer("GET", COUNT)[0] == 403
    assert Portal(simulator).answer("GET", COUNT)[0] == 200


def test_an_account_token_opens_the_login_only(simulator: Simulator) -> None:
    """Tell the two kinds of token apart."""
    portal = _account(simulator)
    assert portal.answer("GET", COUNT)[2]["message"] == "Insufficient privilege"
    assert Portal(simulator).answer("POST", f"{BASE}/otp", _person(simulator))[0] == 403
    simulator.advance(86400)
    assert portal.answer("POST", f"{BASE}/otp", _person(simulator))[2]["message"] == "Access token expired"


def test_a_refresh_gives_a_new_token_and_ends_the_old_one(simulator: Simulator) -> None:
    """Refresh, and be refused with the old token, which was the one that authorised it."""
    portal, _ = _log_in(simulator)
    old = portal.token
    simulator.advance(3600)
    data = portal.data("POST", f"{BASE}/session/refresh")
    assert data["access_token"] != old
    assert data["token_expiry"] == pytest.approx((simulator.now() + 21600) * 1000, abs=1000)
    assert portal.answer("GET", COUNT)[0] == 403
    assert portal.answer("POST", f"{BASE}/session/refresh")[0] == 403
    portal.token = data["access_token"]
    assert portal.answer("GET", COUNT)[0] == 200


def test_an_expired_token_cannot_be_refreshed(simulator: Simulator) -> None:
    """Come too late."""
    portal = Portal(simulator)
    simulator.expire(portal.token)
    assert portal.answer("POST", f"{BASE}/session/refresh")[0] == 403


def test_a_wrong_otp_is_an_invalid_session_with_http_200(simulator: Simulator) -> None:
    """Say no in the data of a success, for a wrong OTP and for one that was never sent."""
    portal = _account(simulator)
    expected = {"status_cd": "0", "error": {"error_cd": "AUTH4033", "message": "Invalid Session"}}
    assert portal.data("POST", f"{BASE}/otp/verify?otp=575757", _person(simulator)) == expected
    portal.data("POST", f"{BASE}/otp", _person(simulator))
    assert portal.data("POST", f"{BASE}/otp/verify?otp=000000", _person(simulator)) == expected
    unknown = {**_person(simulator), "username": "someone.else"}
    assert portal.data("POST", f"{BASE}/otp/verify?otp=575757", unknown) == expected
    assert "access_token" in portal.data("POST", f"{BASE}/otp/verify?otp=575757", _person(simulator))


def test_a_gstin_of_the_wrong_pattern_is_422_and_on_verify_inside_a_500(simulator: Simulator) -> None:
    """Keep the documented difference between HTTP status and code."""
    portal = _account(simulator)
    wrong = {"username": "acme.com", "gstin": "29AAACQ3770E000"}
    status, _, content = portal.answer("POST", f"{BASE}/otp", wrong)
    assert (status, content["code"], content["message"]) == (422, 422, "Invalid GSTIN pattern")
    status, _, content = portal.answer("POST", f"{BASE}/otp/verify?otp=1", wrong)
    assert (status, content["code"], content["message"]) == (500, 422, "Invalid GSTIN pattern")


def test_a_login_without_its_fields_is_400(simulator: Simulator) -> None:
    """Miss the user name, the OTP, the whole body."""
    portal = _account(simulator)
    assert portal.answer("POST", f"{BASE}/otp", {"gstin": simulator.gstins[0]})[0] == 400
    assert portal.answer("POST", f"{BASE}/otp/verify", _person(simulator))[0] == 400
    assert portal.answer("POST", f"{BASE}/otp", b"{")[0] == 400
    assert portal.answer("POST", f"{BASE}/otp", [])[0] == 400


def test_an_unknown_user_and_a_session_too_many_get_no_otp() -> None:
    """Refuse a user who is not the taxpayer's, and a session too many."""
    simulator = Simulator(max_sessions=1)
    portal = _account(simulator)  # mints one session of the taxpayer on its way
    unknown = {**_person(simulator), "username": "someone.else"}
    assert portal.data("POST", f"{BASE}/otp", unknown)["error"]["error_cd"] == "AUTH4032"
    assert portal.data("POST", f"{BASE}/otp", _person(simulator))["error"]["error_cd"] == "AUTH403"
    simulator.expire_all(simulator.gstins[0])
    assert portal.data("POST", f"{BASE}/otp", _person(simulator)) == {"status_cd": "1"}
