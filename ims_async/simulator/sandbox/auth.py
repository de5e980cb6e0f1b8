"""Sandbox's five endpoints of the login: the account's token, the OTP, the taxpayer's session.

https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/authentication/generate_otp
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..fields import GSTIN
from ..http import Refused
from ..rules import INVALID_SESSION, INVALID_USER, TOO_MANY_SESSIONS

if TYPE_CHECKING:
    from ..http import Request
    from ..sessions import Session
    from ..world import World


def failure(code: str, message: str) -> dict[str, Any]:
    """Build the data of a refusal with HTTP status 200."""
    return {"status_cd": "0", "error": {"error_cd": code, "message": message}}


def authenticate(world: World, request: Request) -> dict[str, Any]:
    """Issue the account's token for key and secret."""
    if request.headers.get("x-api-secret") != world.rules.api_secret:
        raise Refused(401, "Unauthorized")
    session = world.sessions.open("", now=world.now(), seconds=world.rules.account_token_seconds)
    return {"access_token": session.token}


def send_otp(world: World, request: Request) -> dict[str, Any]:
    """Send an OTP to a taxpayer; it is always the `otp` of the simulator."""
    gstin = _gstin(request, status=422)
    if not _known(world, request):
        return failure(*INVALID_USER)
    limit = world.rules.max_sessions
    if limit is not None and world.sessions.live(gstin, now=world.now()) >= limit:
        return failure(*TOO_MANY_SESSIONS)
    world.sessions.ask_otp(gstin)
    return {"status_cd": "1"}


def verify_otp(world: World, request: Request) -> dict[str, Any]:
    """Open a taxpayer's session for the OTP that was sent."""
    # Documented: the HTTP status is 500 while the code in the body is 422.
    gstin = _gstin(request, status=500)
    otp = request.asked("otp")
    if not _known(world, request) or otp != world.rules.otp or not world.sessions.take_otp(gstin):
        return failure(*INVALID_SESSION)
    return _opened(world.sessions.open(gstin, now=world.now(), seconds=world.rules.token_seconds))


def refresh(world: World, request: Request) -> dict[str, Any]:
    """Replace a live token by a new one."""
    session = _session(request)
    return _opened(world.sessions.renew(session, now=world.now(), seconds=world.rules.token_seconds))


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
    return {
        "access_token": session.token,
        "token_expiry": expiry,
        "session_expiry": expiry,
        "status_cd": "1",
    }


def _gstin(request: Request, *, status: int) -> str:
    body = request.json()
    gstin, username = body.get("gstin"), body.get("username")
    if not isinstance(gstin, str) or not isinstance(username, str):
        raise Refused(400, "username and gstin are required")
    if not re.fullmatch(GSTIN, gstin):
        raise Refused(status, "Invalid GSTIN pattern", code=422)
    request.gstin = gstin
    return gstin


def _known(world: World, request: Request) -> bool:
    return world.knows(request.gstin, request.json()["username"])
