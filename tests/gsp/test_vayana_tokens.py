"""The tokens of Vayana's users and its taxpayers' sessions, by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ims_async import GatewayUnavailable, ImsError, NotAuthorized, RateLimited, Vayana
from ims_async.gsp.base import Token
from ims_async.model.secret import Secret
from tests.conftest import envelope
from tests.support.recorded import answer, jwt
from tests.support.vayana_talk import BY_NAME, GSP, USER, converse


@pytest.mark.parametrize(
    ("facts", "expires_at"),
    [
        ({"expiry": 1712947711000}, 1712947711.0),
        ({"expiry": 1712947711500}, 1712947711.5),
        ({"expiry": "1712947711000"}, 1712947711.0),
        ({"expiry": 1712947711}, 1712947711.0),
        ({"expiry": 1712947711000, "token": jwt(1712940000)}, 1712947711.0),
        ({"token": jwt(1712940000)}, 1712940000.0),
        ({"expiry": None, "token": jwt(1712940000)}, 1712940000.0),
        ({"expiry": "soon"}, None),
        ({"expiry": 10**400}, None),
        ({"expiry": True}, None),
        ({"expiry": -5}, None),
        ({}, None),
    ],
    ids=str,
)
def test_a_users_token_lives_as_long_as_it_is_told_to(
    facts: dict[str, Any], expires_at: float | None
) -> None:
    """Read milliseconds, as number or text, or else the token's own claim, at login and refresh."""
    body = {"data": {"token": "opaque", **facts}}
    for name in ("authenticate", "account_refresh"):
        token, _ = converse(BY_NAME[name](), answer(200, body))
        assert token.expires_at == expires_at
        assert token.value.reveal() == body["data"]["token"]


def test_a_token_that_was_given_is_used_without_a_request() -> None:
    """Read its expiry from it if it is a JWT, and use it as given otherwise."""
    assert converse(GSP.authenticate())[0] == Token(value=Secret("user-token"))
    given = Vayana("org-1", Secret(f" {jwt(5)}\n"))
    assert converse(given.authenticate())[0] == Token(value=Secret(jwt(5)), expires_at=5.0)


EXPIRED = answer(403, {"error": {"message": "err-expired-token", "type": "Authorization"}})
OLD = Token(value=Secret("old"))


def test_a_refused_token_is_refreshed_before_a_login_is_made() -> None:
    """Each login makes one more of ten tokens; a refresh does not."""
    token, sent = converse(USER.authenticate(OLD), answer(200, {"data": {"token": "new"}}))
    assert token.value == Secret("new")
    assert [request.operation for request in sent] == ["account_refresh"]


def test_past_the_hard_end_of_a_login_another_one_is_made() -> None:
    """Send handle and password where the refresh is refused, and only then."""
    token, sent = converse(USER.authenticate(OLD), EXPIRED, answer(200, {"data": {"token": "new"}}))
    assert token.value == Secret("new")
    assert [request.operation for request in sent] == ["account_refresh", "authenticate"]
    assert json.loads(sent[1].body or b"") == {
        "handle": "user@example.com",
        "password": "password",
        "handleType": "email",
        "tokenDurationInMins": 360,
    }


def test_a_token_that_was_given_and_is_not_the_refused_one_is_fallen_back_to() -> None:
    """Use it: a store may have held an older one."""
    token, _ = converse(GSP.authenticate(OLD), EXPIRED)
    assert token.value == Secret("user-token")


def test_a_given_token_that_has_ended_asks_for_another() -> None:
    """Say what to pass, without the token."""
    with pytest.raises(NotAuthorized, match="pass a new user_token, or handle and password") as caught:
        converse(GSP.authenticate(Token(value=Secret("user-token"))), EXPIRED)
    assert (caught.value.code, caught.value.http_status) == ("err-expired-token", 403)
    assert "user-token" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_given_token_that_has_ended_gives_way_to_a_login() -> None:
    """Log in where handle and password were passed as well."""
    both = Vayana("org-1", "user-token", handle="h", password="p")
    conversation = both.authenticate(Token(value=Secret("user-token")))
    token, sent = converse(conversation, EXPIRED, answer(200, {"data": {"token": "new"}}))
    assert token.value == Secret("new")
    assert [request.operation for request in sent] == ["account_refresh", "authenticate"]


@pytest.mark.parametrize(("status", "error"), [(503, GatewayUnavailable), (429, RateLimited)])
def test_an_outage_of_the_sso_is_no_reason_to_log_in(status: int, error: type[ImsError]) -> None:
    """Raise it: the login would meet the same outage, or make a token too many."""
    with pytest.raises(error):
        converse(USER.authenticate(OLD), answer(status))


@pytest.mark.parametrize("name", ["otp", "verify", "refresh"])
def test_a_name_at_data_itself_is_read_too(name: str) -> None:
    """Take the string that the text speaks of, where the samples have an object."""
    value, _ = converse(BY_NAME[name](), answer(200, envelope("the-name")))
    assert value == ("the-name" if name == "otp" else Token(value=Secret("the-name")))
