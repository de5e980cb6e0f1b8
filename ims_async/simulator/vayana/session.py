"""A taxpayer's session with GSTN, which EAS holds: OTP, session, refresh, logout.

Two versions are active: v3.0 names the action in a header, v1.0 in the path.
https://docs.enriched-api.vayana.com
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..fields import GSTIN
from ..rules import INVALID_SESSION, INVALID_USER, OTHER_TAXPAYER, TOO_MANY_SESSIONS, UNAUTHORIZED
from .answers import bad_gstin, gstn_error, read, text

if TYPE_CHECKING:
    from ..http import Request
    from ..sessions import Session
    from .state import Eas


def request_otp(eas: Eas, request: Request) -> dict[str, Any]:
    """Send an OTP to a taxpayer; it is always the `otp` of the simulator."""
    body = read(request)
    gstin, username = text(body, "gstin"), text(body, "username")
    if not re.fullmatch(GSTIN, gstin):
        raise bad_gstin()
    if gstin != request.gstin:
        raise gstn_error(*OTHER_TAXPAYER)
    world = eas.world
    if not world.knows(gstin, username):
        raise gstn_error(*INVALID_USER)
    limit = world.rules.max_sessions
    if limit is not None and world.sessions.live(gstin, now=world.now()) >= limit:
        raise gstn_error(*TOO_MANY_SESSIONS)
    identifier = world.draw_uuid()
    eas.otp_requests[identifier] = gstin
    return {"otp-request-id": identifier}


def verify_otp(eas: Eas, request: Request) -> dict[str, Any]:
    """Open a taxpayer's session for the OTP that was sent."""
    body = read(request)
    identifier, otp = text(body, "otp-request-id"), text(body, "otp")
    world = eas.world
    if eas.otp_requests.get(identifier) != request.gstin or otp != world.rules.otp:
        raise gstn_error(*INVALID_SESSION)
    del eas.otp_requests[identifier]
    seconds = world.rules.token_seconds
    session = world.sessions.open(request.gstin, now=world.now(), seconds=seconds, token=world.draw_uuid())
    return {"gst-session-id": session.token}


def renew(eas: Eas, request: Request) -> dict[str, Any]:
    """Refresh a session as v3.0 does: the documented sample answers a new identifier."""
    session, world = _session(eas, request), eas.world
    seconds = world.rules.token_seconds
    renewed = world.sessions.renew(session, now=world.now(), seconds=seconds, token=world.draw_uuid())
    return {"gst-session-id": renewed.token}


def extend(eas: Eas, request: Request) -> dict[str, Any]:
    """Refresh a session as v1.0 does: the documented sample answers the same identifier."""
    session = _session(eas, request)
    session.expires_at = eas.world.now() + eas.world.rules.token_seconds
    return {"gst-session-id": session.token}


def log_out(eas: Eas, request: Request) -> dict[str, Any]:
    """End a session. Documented: the taxpayer's tasks that are not yet complete fail.

    Request and answer are undocumented: the body is that of a refresh.
    """
    _session(eas, request).ended = True
    eas.tasks.fail(request.gstin, eas.world.now())
    return {}


def _session(eas: Eas, request: Request) -> Session:
    session = eas.world.sessions.find(text(read(request), "gst-session-id"))
    if session is None or session.gstin != request.gstin:
        raise gstn_error(*UNAUTHORIZED)
    if session.ended or session.expires_at <= eas.world.now():
        raise gstn_error(*UNAUTHORIZED)
    return session
