"""Vayana's two logins: the user's token from its SSO, and the taxpayer's session, which Vayana itself holds.

https://docs.enriched-api.vayana.com (Onboarding; GST authentication)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...errors import GatewayError, GatewayUnavailable, InvalidInput, NotAuthorized, NotSupported, RateLimited
from ...model.secret import Secret, jwt_expiry, jwt_issued
from ..base import Conversation, Needs, Request, Response, Token
from ..settings import NO_HEADERS, json_request
from ..verdicts import epoch, payload, text
from .answers import TOO_MANY_TOKENS

if TYPE_CHECKING:
    from .gsp import Vayana


# -- the user's token ------------------------------------------------------------------------------------


def authenticate(gsp: Vayana, refused: Token | None = None) -> Conversation[Token]:
    """Get a user token: the given one, a refreshed one, or a new one for handle and password.

    A refresh is refused once six times the token's lifetime have passed since the login; then a new login is
    made. Each login adds one of the ten tokens that may be valid at a time, so a refresh is tried first.
    """
    given = gsp.user_token
    if refused is None and given is not None:
        return _given(given)
    if refused is not None:
        try:
            return (yield from _refreshed(gsp, refused))
        except (GatewayUnavailable, RateLimited):
            raise
        except GatewayError as error:
            if gsp.handle:
                return (yield from _logged_in(gsp))  # the refused token may be a refresh of the given one
            if given is not None and given != refused.value:
                return _given(given)
            raise NotAuthorized(
                "the user token is not accepted and cannot be refreshed",
                advice="pass a new user_token, or handle and password",
                of_account=True,
                code=error.code,
                http_status=error.http_status,
            ) from None
    return (yield from _logged_in(gsp))


def _logged_in(gsp: Vayana) -> Conversation[Token]:
    if not gsp.handle or gsp.password is None:
        raise NotAuthorized(
            "there is no user token: pass Vayana(org_id, user_token) or Vayana(org_id, handle=…, password=…)",
            of_account=True,
        )
    login = {
        "handle": gsp.handle,
        "password": gsp.password.reveal(),
        "handleType": gsp.handle_type,
        "tokenDurationInMins": gsp.token_minutes,
    }
    request = _sso(gsp, "authenticate", "POST", "/authtokens", gsp.password, body=login, grants=True)
    del login  # an error report with local variables would show the password
    try:
        response = yield request
    except NotAuthorized as error:
        if error.code == TOO_MANY_TOKENS:
            raise
        raise NotAuthorized(
            error.message,
            advice=error.advice or "check handle and password",
            of_account=True,
            code=error.code,
            http_status=error.http_status,
        ) from None
    return _user_token(gsp, response)


def _refreshed(gsp: Vayana, token: Token) -> Conversation[Token]:
    request = _sso(
        gsp, "account_refresh", "PUT", "/authtokens", token.value, headers=_bearer(token), grants=True
    )
    return _user_token(gsp, (yield request))


def sign_out(gsp: Vayana, token: Token) -> Conversation[None]:
    """End the user's token."""
    yield _sso(gsp, "account_logout", "POST", "/logout", token.value, headers=_bearer(token))


def _bearer(token: Token) -> dict[str, str]:
    return {"authorization": f"Bearer {token.value.reveal()}"}


def _given(value: Secret) -> Token:
    return Token(value=value, expires_at=jwt_expiry(value.reveal()), issued_at=jwt_issued(value.reveal()))


def _user_token(gsp: Vayana, response: Response) -> Token:
    data = payload(response, "data")
    value = Secret(text(data, "token", "data"))
    return Token(
        value=value,
        expires_at=epoch(data.get("expiry")) or jwt_expiry(value.reveal()),
        issued_at=jwt_issued(value.reveal()),
        life=60.0 * gsp.token_minutes,  # as requested at the login
    )


def _sso(
    gsp: Vayana,
    operation: str,
    method: str,
    path: str,
    secret: Secret,
    *,
    headers: Mapping[str, str] = NO_HEADERS,
    **facts: Any,
) -> Request:
    return json_request(
        operation,
        method,
        gsp.sso_url + path,
        headers,
        needs=Needs.NONE,
        secrets=(secret,),
        repeatable=True,  # a login whose answer was lost uses one of the ten tokens until it expires
        **facts,
    )


# -- the taxpayer's session ------------------------------------------------------------------------------


def request_otp(gsp: Vayana, gstin: str, username: str) -> Conversation[str | None]:
    """Ask GSTN to send an OTP; returns the identifier of the request, which `verify_otp` needs."""
    response = yield _gst(gsp, "otp", "OTPREQUEST", gstin, {"gstin": gstin, "username": username})
    return _named(response, "otp-request-id")


def verify_otp(
    gsp: Vayana, gstin: str, username: str, otp: str, request: str | None = None
) -> Conversation[Token]:
    """Exchange the OTP for the identifier of a session, which the GSP holds."""
    digits = Secret(otp)
    del otp  # an error report with local variables would show it
    if not request:
        raise InvalidInput(
            "verifying an OTP takes the name of its request: call request_otp first, or pass what it "
            "returned: verify_otp(otp, request=…)"
        )
    body: dict[str, str | Secret] = {"otp-request-id": request, "otp": digits}
    response = yield _gst(gsp, "verify", "AUTHTOKEN", gstin, body, grants=True)
    return Token(value=Secret(_named(response, "gst-session-id")))


def refresh(gsp: Vayana, gstin: str, token: Token) -> Conversation[Token]:
    """Extend the session; its identifier may change."""
    response = yield _gst(gsp, "refresh", "REFRESHTOKEN", gstin, {"gst-session-id": token.value}, grants=True)
    return Token(value=Secret(_named(response, "gst-session-id")))


def logout(gsp: Vayana, gstin: str, token: Token) -> Conversation[None]:
    """End the session. Raises `NotSupported` if `logout_action` is None: its page is not public."""
    if gsp.logout_action is None:
        raise NotSupported("logging out is switched off: set Vayana(logout_action=…)")
    yield _gst(gsp, "logout", gsp.logout_action, gstin, {"gst-session-id": token.value})


def _gst(
    gsp: Vayana, operation: str, action: str, gstin: str, body: Mapping[str, str | Secret], **facts: Any
) -> Request:
    """Build a request with the action in a header, as in v3.0, or in the path, as in v1.0."""
    path = f"/basic/gstn/{gsp.auth_version}/taxpayerapi/{gsp.auth_gstn_api_version}/authenticate"
    in_header = gsp.auth_version != "v1.0"
    return gsp.request(
        operation,
        "POST",
        path if in_header else f"{path}/{action}",
        gstin=gstin,
        headers={"action": action} if in_header else {},
        body={name: value.reveal() if isinstance(value, Secret) else value for name, value in body.items()},
        secrets=tuple(value for value in body.values() if isinstance(value, Secret)),
        **facts,
    )


def _named(response: Response, name: str) -> str:
    """Return an identifier in `data`: in an object as in the samples, or a string as the text describes."""
    data = payload(response, "data")
    return text({name: data}, name, "data") if isinstance(data, str) else text(data, name, "data")
