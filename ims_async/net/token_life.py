"""How long a token is to be used: when it is renewed, and what is done where its end cannot be believed."""

from __future__ import annotations

import datetime as dt
from typing import Final

import attrs

from ..gsp.base import Token

# Seconds before the end. A refresh is authorised by the dying token itself, and is made when somebody asks:
# whoever does so at least once an hour does not lose the session.
_RENEW_BEFORE: Final = 3600.0
_CLOCKS_MAY_DIFFER: Final = 300.0  # seconds


@attrs.define
class Held:
    """A token with the moment from which it is to be renewed (epoch seconds)."""

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
    """Return a token that was just given, its end by our clock, and what is wrong with the end that it tells.

    One that has ended on arrival, or was issued in the future (a new one: at any other time than now), tells
    of a clock that is off, not of its life: going by it, it would be renewed all the time, or too late.
    What counts then is how long it lives from now on. Where nobody knows that, it is used until it is refused
    (`expires_at=None`).
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
    told = 0.0 if ends_at is None or issued_at is None else ends_at - issued_at
    life = told if told > 0 else token.life
    ends_at = None if life is None else now + life
    return attrs.evolve(token, expires_at=ends_at), f"{problem}, and here it is {_utc(now)}"


def _utc(moment: float) -> str:
    try:
        return f"{dt.datetime.fromtimestamp(moment, dt.UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        return f"{moment:g} seconds since 1970"
