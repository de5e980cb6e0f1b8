"""Account tokens, taxpayer sessions and their end."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from itertools import count
from typing import Any


@dataclass(slots=True)
class Session:
    """A token and the taxpayer that it belongs to."""

    token: str
    gstin: str
    """Empty for the account's own token, which is valid for the login endpoints only."""
    expires_at: float
    """Epoch seconds."""
    ended: bool = False
    """Whether a refresh replaced it or a logout ended it."""


class Sessions:
    """All tokens that were ever issued."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._serial = count(1)
        self._asked: set[str] = set()

    def open(self, gstin: str, *, now: float, seconds: float, token: str = "") -> Session:
        """Issue a token for `gstin`, or for the account if it is empty, that is valid for `seconds`.

        It is a JWT unless the caller passes a `token` in the GSP's own format.
        """
        claims = {"sub": gstin or "account", "aud": "API", "source": "primary", "intent": "ACCESS_TOKEN"}
        token = token or make_jwt(
            {**claims, "iat": int(now), "exp": int(now + seconds), "jti": next(self._serial)}
        )
        self._sessions[token] = Session(token, gstin, now + seconds)
        return self._sessions[token]

    def find(self, token: str) -> Session | None:
        """Find the session of a token, ended or not."""
        return self._sessions.get(token)

    def renew(self, session: Session, *, now: float, seconds: float, token: str = "") -> Session:
        """Replace a session by one with a new token; the old token stops working."""
        session.ended = True
        return self.open(session.gstin, now=now, seconds=seconds, token=token)

    def expire(self, token: str, *, now: float) -> None:
        """Expire a token now."""
        session = self._sessions[token]
        session.expires_at = min(session.expires_at, now)

    def expire_all(self, gstin: str, *, now: float) -> None:
        """Expire every token of a taxpayer now."""
        for session in self._sessions.values():
            if session.gstin == gstin:
                session.expires_at = min(session.expires_at, now)

    def end_all(self, gstin: str) -> None:
        """End every session of a taxpayer."""
        for session in self._sessions.values():
            session.ended |= session.gstin == gstin

    def live(self, gstin: str, *, now: float) -> int:
        """Count the sessions of a taxpayer that are neither ended nor expired."""
        return sum(
            session.gstin == gstin and not session.ended and session.expires_at > now
            for session in self._sessions.values()
        )

    def ask_otp(self, gstin: str) -> None:
        """Note that an OTP was sent to the taxpayer."""
        self._asked.add(gstin)

    def take_otp(self, gstin: str) -> bool:
        """Use up the OTP that was sent; return whether one was."""
        if gstin not in self._asked:
            return False
        self._asked.discard(gstin)
        return True


def make_jwt(claims: dict[str, Any]) -> str:
    """Write claims as a token in the format of the real ones, without a valid signature."""
    parts = [json.dumps({"alg": "none", "typ": "JWT"}), json.dumps(claims), "unsigned"]
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)
