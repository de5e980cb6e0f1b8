"""The lifetime of a token: when it is renewed, and what is done if its expiry is not plausible."""

from __future__ import annotations

import datetime as dt
from typing import Final

import attrs

from ..gsp.base import Token

# Seconds before the expiry. A refresh is authorised by the expiring token itself, and is made on a request:
# with a request at least once an hour the session is not lost.
_RENEW_BEFORE: Final = 3600.0
_CLOCKS_MAY_DIFFER: Final = 300.0  # seconds


@attrs.define
class Held:
    """A token with the time from which it is to be renewed (epoch seconds)."""

    token: Token
    renew_at: float | None

    @classmethod
    def now(cls, token: Token, now: float) -> Held:
        """Hold a token from now on."""
        if token.expires_at is None:
            return cls(token, None)
        life = max(token.expires_at - now, 0.0)
        return cls(token, token.expires_at - min(_RENEW_BEFORE, life / 4))


def dated(token: Token, now: float) -> tuple[Token, str]:
    """Return a token that was just issued with its expiry by our clock, and the problem of the stated expiry.

    If it has expired on arrival, or was issued in the future (a new one: at any other time than now), one of
    the clocks is wrong: by the stated expiry it would be renewed all the time, or too late. Then its lifetime
    counts from now on. If the lifetime is not known, it is used until it is refused (`expires_at=None`).
    """
    ends_at, issued_at = token.expires_at, token.issued_at
    if ends_at is not None and ends_at <= now:
        problem = f"ended at {_utc(ends_at)}"
    elif issued_at is not None and (
        issued_at > now + _CLOCKS_MAY_DIFFER or (token.new and issued_at < now - _CLOCKS_MAY_DIFFER)
    ):
        problem = f"was issued at {_utc(issued_at)}"
    else:
        return token, ""
    stated = 0.0 if ends_at is None or issued_at is None else ends_at - issued_at
    life = stated if stated > 0 else token.life
    ends_at = None if life is None else now + life
    return attrs.evolve(token, expires_at=ends_at), f"{problem}, and here it is {_utc(now)}"


def _utc(moment: float) -> str:
    try:
        return f"{dt.datetime.fromtimestamp(moment, dt.UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        return f"{moment:g} seconds since 1970"
