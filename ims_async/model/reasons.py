"""Read the code and the message of a refusal, in every documented shape and at any depth, for all GSPs.

The documents use several names (`error_cd` and `message`, `err_cd` and `err_msg`, `error-code`,
`error_msg`), and public clients read them from an object, from a list of objects, and from plain text.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any, Final

import attrs

# Names of members without case, underscores and dashes; the first one with a value is used.
_CODES: Final = ("errorcd", "errcd", "errorcode", "errcode", "code")
_WORDS: Final = (
    *("errormsg", "errmsg", "errormessage", "errmessage", "message", "msg"),
    *("errordesc", "errordescription", "errdesc", "description", "desc", "detail", "reason"),
)
_WITHIN: Final = ("error", "errors", "errorreport", "errordetails", "details", "gstnerr")
_MOST: Final = 5  # reasons of a list that are read
_DEEPEST: Final = 4


@attrs.frozen
class Reason:
    """The code and the message of a refusal; an empty text where the gateway gave none."""

    code: str = ""
    words: str = ""

    def __bool__(self) -> bool:
        return bool(self.code or self.words)

    def __str__(self) -> str:
        return f"{self.code}: {self.words}" if self.code and self.words else self.code or self.words


def read_reason(answer: object, *, depth: int = 0) -> Reason:
    """Read the code and the message of a refusal from an object, a list, or text; None gives an empty one.

    From a list the first code is used; the messages of the others follow that of the first.
    """
    if isinstance(answer, dict) and depth < _DEEPEST:
        return _of_object(answer, depth)
    if isinstance(answer, list) and depth < _DEEPEST:
        found = [read_reason(one, depth=depth + 1) for one in answer[:_MOST]]
        return together(found)
    return Reason(words=_plain(answer))


def says_a_reason(names: Iterable[str]) -> bool:
    """Return whether one of these names is that of a code, of a message, or of an object with them."""
    return any(_role(name) for name in names)


def _of_object(answer: dict[str, Any], depth: int) -> Reason:
    """Read the object's own code and message; a missing one is taken from the objects nested in it."""
    members = sorted(
        ((role, value) for name, value in answer.items() if (role := _role(name))),
        key=lambda member: member[0],
    )
    code = words = ""
    for (kind, _), value in members:
        if kind == _CODE:
            code = code or _scalar(value)
        elif kind == _SAYS:
            words = words or _scalar(value)
    if code and words:
        return Reason(code, words)
    for (kind, _), value in members:
        holds = kind == _HOLDS and type(value) is not bool  # `"error": false` is no reason
        if holds or (kind == _SAYS and isinstance(value, dict | list)):
            inner = read_reason(value, depth=depth + 1)
            code, words = code or inner.code, words or inner.words
    return Reason(code, words)


def together(reasons: Iterable[Reason]) -> Reason:
    """Join several reasons: the first code, the first one's message, then the others, each once."""
    first, *others = [one for one in dict.fromkeys(reasons) if one] or [Reason()]
    code = next((one.code for one in (first, *others) if one.code), "")
    rest = (one.words if one.code == code and one.words else str(one) for one in others)
    return Reason(
        code, "; ".join(dict.fromkeys(part for part in (first.words, *rest) if part and part != code))
    )


def completed(reason: Reason, other: Reason) -> Reason:
    """Merge two reasons for the same refusal; no code or message is lost."""
    if reason.code and other.code and reason.code != other.code:
        return together((reason, other))
    words = dict.fromkeys(part for part in (reason.words, other.words) if part)
    return Reason(reason.code or other.code, "; ".join(words))


_CODE, _SAYS, _HOLDS = 1, 2, 3
_ROLES: Final = {
    name: (kind, rank)
    for kind, names in ((_CODE, _CODES), (_SAYS, _WORDS), (_HOLDS, _WITHIN))
    for rank, name in enumerate(names)
}


@functools.lru_cache(maxsize=256)  # an error report has the same few names a hundred thousand times
def _role(name: str) -> tuple[int, int] | None:
    return _ROLES.get(name.replace("_", "").replace("-", "").lower())


def _scalar(value: object) -> str:
    """Return text or a whole number as text; an object, a flag or null gives an empty text."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if type(value) is int else ""


def _plain(value: object) -> str:
    if value is None or isinstance(value, str):
        return _scalar(value)
    try:
        return f"{value!r:.500}"
    except RecursionError:
        return "a value of too many levels"
