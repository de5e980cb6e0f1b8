"""Sandbox's two logins: the account's token, and the taxpayer's.

https://developer.sandbox.co.in/guides/introduction/authentication
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...errors import NotAuthorized, NotSupported, UnexpectedAnswer
from ...model.secret import Secret, jwt_expiry, jwt_issued
from ..base import Conversation, Needs, Request, Response, Token
from ..codec.values import member
from ..verdicts import epoch, payload, text

if TYPE_CHECKING:
    from .gsp import Sandbox

TAXPAYER: Final = "/gst/compliance/tax-payer"
# https://developer.sandbox.co.in/recipes/gst/authentication/generate_tax_payer_session
_TAXPAYER_TOKEN_LIFE: Final = 21_600.0  # seconds
_ACCOUNT_TOKEN_LIFE: Final = 86_400.0  # seconds; the answer has no expiry, the guide says 24 hours


def authenticate(gsp: Sandbox, refused: Token | None = None) -> Conversation[Token]:
    """Exchange key and secret for the account's token, which is valid for 24 hours.

    https://developer.sandbox.co.in/api-reference/authenticate
    """
    if not gsp.api_secret:
        raise NotAuthorized(
            "logging in needs the API secret",
            advice="make it Sandbox(api_key, api_secret)",
            of_account=True,
        )
    response = yield gsp.request(
        "authenticate", "POST", "/authenticate", needs=Needs.NONE, repeatable=True, grants=True
    )
    value = Secret(text(payload(response, "data"), "access_token", "data"))
    return Token(
        value=value,
        expires_at=jwt_expiry(value.reveal()) or response.received_at + _ACCOUNT_TOKEN_LIFE,
        issued_at=jwt_issued(value.reveal()),
        life=_ACCOUNT_TOKEN_LIFE,
    )


def sign_out(gsp: Sandbox, token: Token) -> Conversation[None]:
    """Raise `NotSupported`: the account's token expires by itself."""
    raise NotSupported("this GSP documents no way to end the account's token: it ends within 24 hours")


def request_otp(gsp: Sandbox, gstin: str, username: str) -> Conversation[str | None]:
    """Ask GSTN to send an OTP to the taxpayer; `verify_otp` needs no identifier of this request.

    https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/authentication/generate_otp
    """
    check_done((yield _otp_request(gsp, "otp", "/otp", gstin, username)))
    return None


def verify_otp(
    gsp: Sandbox, gstin: str, username: str, otp: str, request: str | None = None
) -> Conversation[Token]:
    """Exchange the OTP for a taxpayer token, which is valid for six hours.

    https://developer.sandbox.co.in/recipes/gst/authentication/generate_tax_payer_session
    """
    # The documents declare the OTP an integer, but its leading zeros count: it is sent as text.
    digits = Secret(otp)
    del otp  # an error report with local variables would show it
    return _taxpayer_token((yield _otp_request(gsp, "verify", "/otp/verify", gstin, username, digits)))


def refresh(gsp: Sandbox, gstin: str, token: Token) -> Conversation[Token]:
    """Exchange a valid taxpayer token for a new one.

    https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/authentication/refresh_session
    """
    return _taxpayer_token((yield gsp.request("refresh", "POST", f"{TAXPAYER}/session/refresh", grants=True)))


def logout(gsp: Sandbox, gstin: str, token: Token) -> Conversation[None]:
    """End the taxpayer's session.

    https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/authentication/logout
    """
    check_done((yield gsp.request("logout", "POST", f"{TAXPAYER}/logout")))


def _otp_request(
    gsp: Sandbox, operation: str, path: str, gstin: str, username: str, otp: Secret | None = None
) -> Request:
    return gsp.request(
        operation,
        "POST",
        f"{TAXPAYER}{path}",
        headers={"x-source": gsp.source},
        query={} if otp is None else {"otp": otp.reveal()},
        body={"username": username, "gstin": gstin},
        needs=Needs.ACCOUNT,
        secrets=() if otp is None else (otp,),
        grants=otp is not None,
    )


def _taxpayer_token(response: Response) -> Token:
    data = payload(response, "data")
    value = Secret(text(data, "access_token", "data"))
    stated = (epoch(data.get("token_expiry")), epoch(data.get("session_expiry")))
    ends = [end for end in (*stated, jwt_expiry(value.reveal())) if end is not None]
    return Token(
        value=value,
        expires_at=min(ends, default=None),
        issued_at=jwt_issued(value.reveal()),
        life=_TAXPAYER_TOKEN_LIFE,
        new=True,
    )


def check_done(response: Response) -> None:
    """Raise `UnexpectedAnswer` unless an answer without further data reports success. A web page does not."""
    done = member(payload(response, "data"), "status_cd", "data")
    if str(done) != "1":
        raise UnexpectedAnswer(problems=[f"data.status_cd: {done!r:.60} is not 1"])
