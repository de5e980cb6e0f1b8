"""The login of EAS's users, on a host of its own: login, refresh, logout.

https://docs.enriched-api.vayana.com
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from ..sessions import make_jwt
from .answers import EasRefused, bad_parameter, read, text

if TYPE_CHECKING:
    from ..http import Request
    from .state import Eas, VayanaRules

_KIND = "ClientError"  # the type of a bad request here; everywhere else it is ClientRequest
_MINUTES = 20
_MOST_MINUTES = 360
_LIVES = 6


@dataclass(slots=True)
class UserToken:
    """A user's token; a refresh replaces it by another one of the same login."""

    token: str
    seconds: float
    """The lifetime that was requested."""
    expires_at: float
    """Epoch seconds."""
    hard_end: float
    """Epoch seconds: six lifetimes after the login; a refresh cannot extend it further."""
    ended: bool = False


class Users:
    """All tokens that were issued to the user."""

    def __init__(self) -> None:
        self._tokens: dict[str, UserToken] = {}
        self._serial = count(1)

    def open(self, *, now: float, seconds: float, hard_end: float | None = None) -> UserToken:
        """Issue a token: of a new login, or of an earlier one with its `hard_end`."""
        end = now + _LIVES * seconds if hard_end is None else hard_end
        expires_at = min(now + seconds, end)
        claims = {"sub": "user", "iat": int(now), "exp": int(expires_at), "jti": next(self._serial)}
        token = UserToken(make_jwt(claims), seconds, expires_at, end)
        self._tokens[token.token] = token
        return token

    def expire(self, token: str, now: float) -> bool:
        """Expire a token now; return whether it exists."""
        found = self._tokens.get(token)
        if found:
            found.expires_at = min(found.expires_at, now)
        return found is not None

    def live(self, now: float) -> int:
        """Count the tokens that are neither ended nor expired."""
        return sum(not token.ended and token.expires_at > now for token in self._tokens.values())

    def admit(self, token: str, now: float) -> UserToken:
        """Return a token that is valid now; refuse any other."""
        found = self._tokens.get(token)
        if found is None or found.ended:
            raise EasRefused(403, "err-invalid-token", "Authorization")
        if found.expires_at <= now:
            raise EasRefused(403, "err-expired-token", "Authorization")
        return found


def log_in(eas: Eas, request: Request) -> dict[str, Any]:
    """Issue a token for handle and password, unless the user has too many."""
    body = read(request, _KIND)
    handle, password = text(body, "handle", _KIND), text(body, "password", _KIND)
    if text(body, "handleType", _KIND) not in {"email", "mobile"}:
        raise bad_parameter("handleType", _KIND)
    seconds = _seconds(body.get("tokenDurationInMins", _MINUTES))
    if (handle, password) != (eas.rules.handle, eas.rules.password):
        # Undocumented: the status is that of an invalid token, the key is the simulator's own.
        raise EasRefused(403, "err-invalid-credentials", "Authorization")
    now = eas.world.now()
    if eas.users.live(now) >= eas.rules.max_account_tokens:
        raise EasRefused(401, "err-active-tokens-limit-exceeded", "Authorization")
    return _shown(eas.users.open(now=now, seconds=seconds), eas.rules)


def refresh(eas: Eas, request: Request) -> dict[str, Any]:
    """Replace a valid token by a new one, which expires at the hard end of the login at the latest."""
    now = eas.world.now()
    old = _bearer(eas, request)
    old.ended = True
    return _shown(eas.users.open(now=now, seconds=old.seconds, hard_end=old.hard_end), eas.rules)


def log_out(eas: Eas, request: Request) -> dict[str, Any]:
    """End a token; the answer is undocumented."""
    _bearer(eas, request).ended = True
    return {}


def _bearer(eas: Eas, request: Request) -> UserToken:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return eas.users.admit(token if scheme.lower() == "bearer" else "", eas.world.now())


def _seconds(minutes: object) -> float:
    if isinstance(minutes, bool) or not isinstance(minutes, int) or minutes < 1:
        raise bad_parameter("tokenDurationInMins", _KIND)
    return min(minutes, _MOST_MINUTES) * 60.0


def _shown(token: UserToken, rules: VayanaRules) -> dict[str, Any]:
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
