"""The login of EAS's users, on a host of its own: login, refresh, logout.

https://docs.enriched-api.vayana.com
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from .answers import EasRefused, bad_parameter, read, text

if TYPE_CHECKING:
    from ..http import Request
    from ..rules import Rules
    from ..sessions import Session
    from .gsp import Vayana

_KIND = "ClientError"  # the type of a bad request here; everywhere else it is ClientRequest
_MINUTES = 20
_MOST_MINUTES = 360
_LIVES = 6  # a refresh can extend a login to six lifetimes


def log_in(eas: Vayana, request: Request) -> dict[str, Any]:
    """Issue a token for handle and password, unless the user has too many."""
    body = read(request, _KIND)
    handle, password = text(body, "handle", _KIND), text(body, "password", _KIND)
    if text(body, "handleType", _KIND) not in {"email", "mobile"}:
        raise bad_parameter("handleType", _KIND)
    seconds = _seconds(body.get("tokenDurationInMins", _MINUTES))
    if (handle, password) != (eas.rules.handle, eas.rules.password):
        # Undocumented: the status is that of an invalid token, the key is the simulator's own.
        raise EasRefused(403, "err-invalid-credentials", "Authorization")
    if eas.users.live("") >= eas.rules.max_account_tokens:
        raise EasRefused(401, "err-active-tokens-limit-exceeded", "Authorization")
    return _shown(open_token(eas, seconds), eas.rules)


def refresh(eas: Vayana, request: Request) -> dict[str, Any]:
    """Replace a valid token by a new one, which expires at the hard end of the login at the latest."""
    return _shown(eas.users.renew(_bearer(eas, request)), eas.rules)


def log_out(eas: Vayana, request: Request) -> dict[str, Any]:
    """End a token; the answer is undocumented."""
    _bearer(eas, request).ended = True
    return {}


def open_token(eas: Vayana, seconds: float) -> Session:
    """Issue a token of the user."""
    return eas.users.open("", seconds, hard_end=eas.world.now() + _LIVES * seconds)


def admit(eas: Vayana, token: str) -> Session:
    """Return the session of a user's token that is valid now; refuse any other."""
    found = eas.users.find(token)
    if found is None or found.ended:
        raise EasRefused(403, "err-invalid-token", "Authorization")
    if not found.valid(eas.world.now()):
        raise EasRefused(403, "err-expired-token", "Authorization")
    return found


def _bearer(eas: Vayana, request: Request) -> Session:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return admit(eas, token if scheme.lower() == "bearer" else "")


def _seconds(minutes: object) -> float:
    if isinstance(minutes, bool) or not isinstance(minutes, int) or minutes < 1:
        raise bad_parameter("tokenDurationInMins", _KIND)
    return min(minutes, _MOST_MINUTES) * 60.0


def _shown(token: Session, rules: Rules) -> dict[str, Any]:
    organisation = {
        "id": rules.org_id,
        "name": "Demo Traders",
        "taxIdentifier": "AAPFU0939F",
        "taxIdentifierType": "PAN",
        "country": "India",
        "services": [{"serviceCode": "flynn", "serviceName": "Enriched API Services"}],
    }
    return {
        "token": token.token,
        "userId": str(uuid.uuid5(uuid.NAMESPACE_URL, rules.handle)),
        "expiry": int(token.expires_at * 1000),
        "email": rules.handle,
        "givenName": "Demo",
        "lastName": "User",
        "state": "Active",
        "verificationStatus": "Email",
        "associatedOrgs": [
            {"organisation": organisation, "userAccessInfo": {"primary": True, "admin": True}}
        ],
        "timezone": "Asia/Kolkata",
        "locale": "en_IN",
    }
