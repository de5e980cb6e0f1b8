"""A taxpayer's session with GSTN, which EAS holds: OTP, session, refresh, logout.

Two versions are active: v3.0 names the action in a header, v1.0 in the path.
https://docs.enriched-api.vayana.com
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..fields import is_gstin
from ..rules import OTHER_TAXPAYER, UNAUTHORIZED, GstnError
from .answers import bad_gstin, read, text

if TYPE_CHECKING:
    from ..http import Request
    from ..sessions import Session
    from .gsp import Vayana


def request_otp(eas: Vayana, request: Request) -> dict[str, Any]:
    """Send an OTP to a taxpayer."""
    body = read(request)
    gstin, username = text(body, "gstin"), text(body, "username")
    if not is_gstin(gstin):
        raise bad_gstin()
    if gstin != request.gstin:
        raise GstnError(*OTHER_TAXPAYER)
    return {"otp-request-id": eas.world.send_otp(gstin, username)}


def verify_otp(eas: Vayana, request: Request) -> dict[str, Any]:
    """Open a taxpayer's session for the OTP that was sent."""
    body, world = read(request), eas.world
    identifier, otp = text(body, "otp-request-id"), text(body, "otp")
    world.use_otp(request.gstin, otp, identifier)
    return {"gst-session-id": world.open_session(request.gstin, world.draw_uuid()).token}


def renew(eas: Vayana, request: Request) -> dict[str, Any]:
    """Refresh a session as v3.0 does: the documented sample answers a new identifier."""
    session = _session(eas, request)
    return {"gst-session-id": eas.world.sessions.renew(session, token=eas.world.draw_uuid()).token}


def extend(eas: Vayana, request: Request) -> dict[str, Any]:
    """Refresh a session as v1.0 does: the documented sample answers the same identifier."""
    session = _session(eas, request)
    session.expires_at = eas.world.now() + session.seconds
    return {"gst-session-id": session.token}


def log_out(eas: Vayana, request: Request) -> dict[str, Any]:
    """End a session. Documented: the taxpayer's tasks that are not yet complete fail.

    Request and answer are undocumented: the body is that of a refresh.
    """
    _session(eas, request).ended = True
    eas.tasks.fail(request.gstin, eas.world.now())
    return {}


def _session(eas: Vayana, request: Request) -> Session:
    session = eas.world.sessions.find(text(read(request), "gst-session-id"))
    if session is None or session.gstin != request.gstin or not session.valid(eas.world.now()):
        raise GstnError(*UNAUTHORIZED)
    return session
