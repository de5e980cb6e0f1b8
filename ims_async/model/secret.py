"""Values that must not be seen: masked wherever they are shown, and not to be pickled."""

from __future__ import annotations

import base64
import functools
import json
import math
import re
from collections.abc import Callable, Iterable
from html import escape
from typing import Any, Final, NoReturn, ParamSpec, TypeVar

C = TypeVar("C")
P = ParamSpec("P")
R = TypeVar("R")


class Secret:
    """A credential's value. `reveal()` is the one way to it; `repr`, `str` and formats are masked."""

    __slots__ = ("_value",)

    def __init__(self, value: str | Secret) -> None:
        text = value.reveal() if isinstance(value, Secret) else value
        self._value: str = text.strip()

    def reveal(self) -> str:
        """Return the value."""
        return self._value

    @property
    def printable(self) -> bool:
        """True where it fits into a header: no line breaks, no halves of characters."""
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
    """Let no error of a function that takes credentials as plain text carry its frame, or those below.

    Error trackers record local variables, and of a frame its arguments are some.
    """

    @functools.wraps(function)
    def called(*args: P.args, **named: P.kwargs) -> R:
        try:
            return function(*args, **named)
        except Exception as error:  # noqa: BLE001 # also Python's own, for an argument that there is not
            problem = error.with_traceback(None)
            if error.__suppress_context__:
                error.__context__ = None  # raised here, `from None`: its traceback has the same frames
        del args, named
        try:
            raise problem
        finally:
            del problem  # by its traceback it knows this frame: each would keep the other alive

    return called


def made_without_frames(cls: type[C]) -> type[C]:
    """Make the constructor of a class `without_frames`: one that attrs generates holds what it was given."""
    cls.__init__ = without_frames(cls.__init__)  # type: ignore[method-assign]
    return cls


def jwt_expiry(token: str) -> float | None:
    """Return the `exp` of a JWT (epoch seconds), or None where it is no JWT or names none. Not verified."""
    return _jwt_moment(token, "exp")


def jwt_issued(token: str) -> float | None:
    """Return the `iat` of a JWT (epoch seconds), or None where it is no JWT or names none. Not verified."""
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


# What every spelling leaves as it is: most tokens and keys.
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~-]+")


def masked(text: bytes, secrets: Iterable[Secret], *, shortest: int) -> bytes:
    """Return text without the secrets of so many characters, in whichever way a gateway would spell them."""
    for secret in secrets:
        value = secret.reveal()
        if len(value) < shortest:
            continue
        # Answers are long and quote no secret: to look for a part of it first is what keeps this fast.
        if max(_PLAIN.findall(value), key=len, default="").encode() in text:
            text = re.sub(b"".join(map(_spellings, value)), "…".encode(), text)
    return text


def _spellings(character: str) -> bytes:
    """Return the pattern of a character as it is, and as JSON, a URL or HTML write it, be it twice.

    Repetitions are bounded, or a text made for it could keep the search busy.
    """
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
        *([rb"\+"] if character == " " else []),  # as forms write it
    ]
    return b"(?:(?i:" + b"|".join(ways) + b"))"
