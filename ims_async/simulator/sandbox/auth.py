"""Sandbox's five endpoints of the login: the account's token, the OTP, the taxpayer's session.

https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/authentication/generate_otp
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..fields import is_gstin
from ..http import Refused
from ..rules import INVALID_SESSION, GstnError

if TYPE_CHECKING:
    from ..http import Request
    from ..sessions import Session
    from ..world import World


def authenticate(world: World, request: Request) -> dict[str, Any]:
    """Issue the account's token for key and secret."""
    if request.headers.get("x-api-secret") != world.rules.api_secret:
        raise Refused(401, "Unauthorized")
    return {"access_token": world.sessions.open("", world.rules.account_token_seconds).token}


def send_otp(world: World, request: Request) -> dict[str, Any]:
    """Send an OTP to a taxpayer."""
    gstin, username = _person(request, status=422)
    world.send_otp(gstin, username, gstin)
    return {"status_cd": "1"}


def verify_otp(world: World, request: Request) -> dict[str, Any]:
    """Open a taxpayer's session for the OTP that was sent."""
    # Documented: the HTTP status is 500 while the code in the body is 422.
    gstin, username = _person(request, status=500)
    otp = request.asked("otp")
    if not world.knows(gstin, username):
        raise GstnError(*INVALID_SESSION)
    world.use_otp(gstin, otp, gstin)
    return _opened(world.open_session(gstin))


def refresh(world: World, request: Request) -> dict[str, Any]:
    """Replace a live token by a new one."""
    return _opened(world.sessions.renew(_session(request)))


def logout(world: World, request: Request) -> dict[str, Any]:  # noqa: ARG001  # every handler is called alike
    """End a session."""
    _session(request).ended = True
    return {"status_cd": "1"}


def _session(request: Request) -> Session:
    if request.session is None:
        raise Refused(403, "Invalid access token")
    return request.session


def _opened(session: Session) -> dict[str, Any]:
    expiry = int(session.expires_at * 1000)
    times = {"token_expiry": expiry, "session_expiry": expiry}
    return {"access_token": session.token, **times, "status_cd": "1"}


def _person(request: Request, *, status: int) -> tuple[str, str]:
    """Read GSTIN and user name; a malformed GSTIN is refused with an HTTP status."""
    body = request.json()
    gstin, username = body.get("gstin"), body.get("username")
    if not isinstance(gstin, str) or not isinstance(username, str):
        raise Refused(400, "username and gstin are required")
    if not is_gstin(gstin):
        raise Refused(status, "Invalid GSTIN pattern", code=422)
    request.gstin = gstin
    return gstin, username
