"""Values that must stay secret: masked in every representation, and never pickled."""

from __future__ import annotations

import base64
import functools
import json
import math
import re
from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn, ParamSpec, TypeVar

from ..lazy import pattern

C = TypeVar("C")
P = ParamSpec("P")
R = TypeVar("R")


class Secret:
    """The value of a credential. Only `reveal()` returns it; `repr`, `str` and formats are masked."""

    __slots__ = ("_part", "_value")

    def __init__(self, value: str | Secret) -> None:
        text = value.reveal() if isinstance(value, Secret) else value
        self._value: str = text.strip()
        self._part: bytes | None = None  # what every way of writing it has; see `masked`

    def reveal(self) -> str:
        """Return the value."""
        return self._value

    @property
    def printable(self) -> bool:
        """Whether it fits into a header: no line breaks, no lone surrogates."""
        return self._value.isprintable()

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __repr__(self) -> str:
        return "Secret('…')"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled; hand the credential over another way")


def without_frames(function: Callable[P, R]) -> Callable[P, R]:
    """Remove the frames of a function, and those below it, from the errors that it raises.

    For functions that take credentials as plain text: error trackers record the arguments in a frame.
    """

    @functools.wraps(function)
    def called(*args: P.args, **named: P.kwargs) -> R:
        try:
            return function(*args, **named)
        except Exception as error:  # noqa: BLE001 # also a TypeError for an unknown argument
            problem = error.with_traceback(None)
            if error.__suppress_context__:
                error.__context__ = None  # raised here, `from None`: its traceback has the same frames
        del args, named
        try:
            raise problem
        finally:
            del problem  # its traceback refers to this frame: a reference cycle

    return called


def made_without_frames(cls: type[C]) -> type[C]:
    """Make the constructor of a class `without_frames`; the frame of one by attrs holds its arguments."""
    cls.__init__ = without_frames(cls.__init__)  # type: ignore[method-assign]
    return cls


def jwt_expiry(token: str) -> float | None:
    """Return the `exp` of a JWT (epoch seconds), or None if there is none. The JWT is not verified."""
    return _jwt_moment(token, "exp")


def jwt_issued(token: str) -> float | None:
    """Return the `iat` of a JWT (epoch seconds), or None if there is none. The JWT is not verified."""
    return _jwt_moment(token, "iat")


def _jwt_moment(token: str, claim: str) -> float | None:
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims: Any = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        moment = float(claims[claim])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    return moment if math.isfinite(moment) else None


# Characters that every encoding leaves unchanged; most tokens and keys have no others.
_PLAIN: Final = pattern(r"[A-Za-z0-9._~-]+")


def masked(text: bytes, secrets: Iterable[Secret], *, shortest: int) -> bytes:
    """Mask all secrets of at least `shortest` characters in a text, in every encoding a gateway may use."""
    for value, secret in {secret._value: secret for secret in secrets}.items():
        if len(value) < shortest:
            continue
        # Most answers are long and quote no secret: a search for a part of it first keeps this fast.
        if secret._part is None:
            secret._part = max(_PLAIN.findall(value), key=len, default="").encode()
        if secret._part in text:
            text = re.sub(b"".join(map(_spellings, value)), "…".encode(), text)
    return text


def _spellings(character: str) -> bytes:
    """Return a pattern for a character: plain, or encoded for JSON, a URL or HTML, once or twice.

    Repetitions are bounded, so that no crafted text makes the search slow.
    """
    from html import escape  # with a table of two thousand names

    if _PLAIN.fullmatch(character):
        return re.escape(character).encode()
    packed = character.encode(errors="replace")
    wide = character.encode("utf-16-be", errors="surrogatepass")
    units = (wide[start : start + 2].hex().encode() for start in range(0, len(wide), 2))
    ways = [
        rb"\\{0,8}" + re.escape(packed),
        b"".join(rb"\\{1,8}u" + unit for unit in units),
        b"".join(b"%%(?:25){0,4}%02x" % byte for byte in packed),
        b"&(?:amp;){0,4}(?:#%d|#x0{0,4}%x);" % (ord(character), ord(character)),
        *([b"&(?:amp;){0,4}" + named.encode()] if (named := escape(character)[1:]) else []),
        *([rb"\+"] if character == " " else []),  # form encoding
    ]
    return b"(?:(?i:" + b"|".join(ways) + b"))"
