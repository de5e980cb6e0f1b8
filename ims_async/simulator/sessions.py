"""The tokens of accounts, taxpayers and users, and their end."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True)
class Session:
    """A token and its life. Times in epoch seconds."""

    token: str
    gstin: str
    """Empty for an account's or a user's token, which belongs to no taxpayer."""
    seconds: float
    """The lifetime that it was opened with."""
    expires_at: float
    hard_end: float
    """A renewal cannot extend it further."""
    ended: bool = False
    """Whether a renewal replaced it or a logout ended it."""

    def expire(self, now: float) -> None:
        """Expire it now, unless it has expired."""
        self.expires_at = min(self.expires_at, now)

    def valid(self, now: float) -> bool:
        """Return whether it has neither ended nor expired."""
        return not self.ended and self.expires_at > now


class Sessions:
    """All tokens of one GSP or portal that were ever issued; `now` gives the time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._sessions: dict[str, Session] = {}
        self._serial = count(1)

    def open(self, gstin: str, seconds: float, *, token: str = "", hard_end: float = math.inf) -> Session:
        """Issue a token for a taxpayer, or for nobody if `gstin` is empty, that is valid for `seconds`.

        It is in the format of a JWT unless the caller passes a `token` in the GSP's own format.
        """
        now = self._now()
        expires_at = min(now + seconds, hard_end)
        token = token or self._jwt(gstin, now, expires_at)
        self._sessions[token] = Session(token, gstin, seconds, expires_at, hard_end)
        return self._sessions[token]

    def _jwt(self, gstin: str, now: float, expires_at: float) -> str:
        """Write a token in the format of the real ones, without a valid signature."""
        claims = {"sub": gstin or "account", "aud": "API", "source": "primary", "intent": "ACCESS_TOKEN"}
        times = {"iat": int(now), "exp": int(expires_at), "jti": next(self._serial)}
        parts = [json.dumps({"alg": "none", "typ": "JWT"}), json.dumps({**claims, **times}), "unsigned"]
        return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)

    def renew(self, session: Session, *, token: str = "") -> Session:
        """Replace a session by one with a new token; the old token stops working."""
        session.ended = True
        return self.open(session.gstin, session.seconds, token=token, hard_end=session.hard_end)

    def find(self, token: str) -> Session | None:
        """Find the session of a token, ended or not."""
        return self._sessions.get(token)

    def of(self, gstin: str) -> list[Session]:
        """Return all sessions of a taxpayer, ended or not."""
        return [session for session in self._sessions.values() if session.gstin == gstin]

    def live(self, gstin: str) -> int:
        """Count the valid sessions of a taxpayer."""
        now = self._now()
        return sum(session.valid(now) for session in self.of(gstin))
