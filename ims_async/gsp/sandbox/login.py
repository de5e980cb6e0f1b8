"""Sandbox's two logins: the account's token, and the taxpayer's.

https://developer.sandbox.co.in/guides/introduction/authentication
"""

from __future__ import annotations

import json
from typing import Final

import attrs

from ...errors import NotAuthorized
from ...model.secret import Secret, jwt_expiry, jwt_issued
from ..base import Conversation, Needs, Request, Response, Token
from ..codec.values import member
from ..verdicts import epoch, json_of, text
from .answers import check_done
from .settings import TAXPAYER, Settings

# https://developer.sandbox.co.in/recipes/gst/authentication/generate_tax_payer_session
_TAXPAYER_TOKEN_LIFE: Final = 21_600.0  # seconds
_ACCOUNT_TOKEN_LIFE: Final = 86_400.0  # seconds; the answer has no expiry, the guide says 24 hours


def authenticate(gsp: Settings) -> Conversation[Token]:
    """Exchange key and secret for the account's token, which is valid for 24 hours.

    A refused token is not needed for it.

    https://developer.sandbox.co.in/api-reference/authenticate
    """
    if not gsp.api_secret:
        raise NotAuthorized(
            "logging in needs the API secret",
            advice="make it Sandbox(api_key, api_secret)",
            of_account=True,
        )
    request = gsp.request("authenticate", "POST", "/authenticate", needs=Needs.NONE)
    response = yield attrs.evolve(request, repeatable=True, grants=True)
    value = Secret(text(member(json_of(response), "data", ""), "access_token", "data"))
    expires_at = jwt_expiry(value.reveal()) or response.received_at + _ACCOUNT_TOKEN_LIFE
    issued_at = jwt_issued(value.reveal())
    return Token(value=value, expires_at=expires_at, issued_at=issued_at, life=_ACCOUNT_TOKEN_LIFE)


def request_otp(gsp: Settings, gstin: str, username: str) -> Conversation[str | None]:
    """Ask GSTN to send an OTP to the taxpayer.

    https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/authentication/generate_otp
    """
    response = yield _login_request(gsp, "otp", "/otp", gstin, username)
    check_done(response)
    return None  # `verify_otp` needs only the GSTIN and the user name


def verify_otp(gsp: Settings, gstin: str, username: str, otp: str) -> Conversation[Token]:
    """Exchange the OTP for a taxpayer token, which is valid for six hours.

    https://developer.sandbox.co.in/recipes/gst/authentication/generate_tax_payer_session
    """
    # The documents declare the OTP an integer, but its leading zeros count: it is sent as text.
    digits = Secret(otp)
    del otp  # an error report with local variables would show it
    response = yield _login_request(gsp, "verify", "/otp/verify", gstin, username, digits)
    return _taxpayer_token(response)


def refresh(gsp: Settings) -> Conversation[Token]:
    """Exchange a valid taxpayer token for a new one.

    https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/authentication/refresh_session
    """
    request = gsp.request("refresh", "POST", f"{TAXPAYER}/session/refresh")
    response = yield attrs.evolve(request, grants=True)
    return _taxpayer_token(response)


def logout(gsp: Settings) -> Conversation[None]:
    """End the taxpayer's session.

    https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/authentication/logout
    """
    response = yield gsp.request("logout", "POST", f"{TAXPAYER}/logout")
    check_done(response)


def _login_request(
    gsp: Settings, operation: str, path: str, gstin: str, username: str, otp: Secret | None = None
) -> Request:
    body = json.dumps({"username": username, "gstin": gstin}).encode()
    request = gsp.request(
        operation,
        "POST",
        f"{TAXPAYER}{path}",
        query=None if otp is None else {"otp": otp.reveal()},
        body=body,
        needs=Needs.ACCOUNT,
    )
    return attrs.evolve(
        request,
        headers={**request.headers, "x-source": gsp.source},
        secrets=() if otp is None else (otp,),
        grants=otp is not None,
    )


def _taxpayer_token(response: Response) -> Token:
    data = member(json_of(response), "data", "")
    value = Secret(text(data, "access_token", "data"))
    stated = [epoch(data.get(key)) for key in ("token_expiry", "session_expiry")]
    ends = [at for at in (*stated, jwt_expiry(value.reveal())) if at is not None]
    issued_at = jwt_issued(value.reveal())
    return Token(
        value=value,
        expires_at=min(ends, default=None),
        issued_at=issued_at,
        life=_TAXPAYER_TOKEN_LIFE,
        new=True,
    )
