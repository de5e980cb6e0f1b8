"""Faults between a gateway and its callers, as values; each applies to one request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Literal, Self, TypeVar

Way = Literal["answer", "drop", "silence", "truncate", "twice", "slow"]
Hint = Literal["seconds", "date", "reset"]
N = TypeVar("N", int, float)

_PAGE = b"<!DOCTYPE html>\n<html><body><h1>The service is being maintained</h1></body></html>\n"
_PLAN_USED_UP = b'{"message":"Limit Exceeded"}'
_NO_GZIP = b"\x1f\x8b\x08\x00this was gzip once"
_UNANSWERED: tuple[Way, ...] = ("drop", "silence")
_ERRORS = range(500, 600)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of one request, to pass to `script_fault`.

    Each fault defines whether the request takes effect. On the simulator's socket it happens on the
    connection. In memory, `handle` raises `ConnectionResetError` for a dropped connection and `TimeoutError`
    for a missing answer, gives an answer that comes twice once, and never waits.
    """

    name: str
    effect: bool
    """Whether the request takes effect, as far as it would have without the fault."""
    way: Way = "answer"
    status: int | None = None
    """The HTTP status; None keeps that of the true answer."""
    content: bytes | None = None
    """The body; None keeps that of the true answer, or with a `status` is this GSP's error body."""
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    seconds: float = 0.0
    """The delay of each write."""
    size: int = 0
    """Bytes."""
    wait: float | None = None
    """The seconds that the caller is asked to wait."""
    hint: Hint = "seconds"
    """The form of that request: Retry-After in seconds or as a date, or X-RateLimit-Reset."""

    @classmethod
    def drop_before(cls) -> Self:
        """Drop the connection before the request takes effect: no answer, and nothing was done.

        The request is received and logged, and changes nothing.
        """
        return cls("drop_before", effect=False, way="drop")

    @classmethod
    def drop_after(cls) -> Self:
        """Drop the connection after the request takes effect: no answer, but it was done."""
        return cls("drop_after", effect=True, way="drop")

    @classmethod
    def half_open(cls, *, effect: bool = False) -> Self:
        """Keep the connection open and never answer: the caller waits until its timeout."""
        return cls("half_open", effect=effect, way="silence")

    @classmethod
    def truncate(cls, size: int) -> Self:
        """Drop the connection after `size` bytes of the answer; the request takes effect.

        Content-Length is that of the whole answer, and at least its last byte is missing.
        """
        return cls("truncate", effect=True, way="truncate", size=_at_least(0, size, "bytes"))

    @classmethod
    def delay(cls, seconds: float) -> Self:
        """Answer `seconds` later, though the request takes effect at once; in memory there is no delay."""
        return cls("delay", effect=True, seconds=_at_least(0.0, seconds, "seconds"))

    @classmethod
    def slow(cls, size: int = 1, seconds: float = 0.1) -> Self:
        """Send the true answer slowly: `size` bytes every `seconds`; in memory there is no delay."""
        _at_least(1, size, "bytes")
        return cls("slow", effect=True, way="slow", size=size, seconds=_at_least(0.0, seconds, "seconds"))

    @classmethod
    def twice(cls, seconds: float = 0.0) -> Self:
        """Send the true answer, and `seconds` later the same answer again; in memory, once."""
        return cls("twice", effect=True, way="twice", seconds=_at_least(0.0, seconds, "seconds"))

    @classmethod
    def garbage_gzip(cls, *, effect: bool = True) -> Self:
        """Answer 200 with Content-Encoding gzip and a body that cannot be decompressed."""
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        return cls("garbage_gzip", effect=effect, status=200, content=_NO_GZIP, headers=headers)

    @classmethod
    def html(cls, status: int = 200, *, effect: bool = False) -> Self:
        """Answer an HTML page in place of JSON, with a proxy's `status` or with 200."""
        headers = {"Content-Type": "text/html"}
        return cls("html", effect=effect, status=_status(status), content=_PAGE, headers=headers)

    @classmethod
    def empty(cls, status: int = 200, *, effect: bool = False) -> Self:
        """Answer without a body, with a proxy's `status` or with 200."""
        return cls("empty", effect=effect, status=_status(status), content=b"")

    @classmethod
    def refused(cls, status: int = 403) -> Self:
        """Refuse with the GSP's own error: 403 for an expired token, 401, or 400 for a malformed request."""
        if status not in (400, 401, 403):
            raise ValueError(f"A refusal is a 400, 401 or 403, not {status!r}.")
        return cls("refused", effect=False, status=status)

    @classmethod
    def throttled(cls, seconds: float | None = None, *, hint: Hint = "seconds") -> Self:
        """Answer 429 Too Many Requests, and ask the caller to wait for `seconds`, unless that is None.

        `hint` chooses the header: Retry-After as "seconds" (5 and 5.0 are written as given) or as a "date"
        (in whole seconds), or X-RateLimit-Reset as epoch seconds ("reset").
        """
        if hint not in ("seconds", "date", "reset"):
            raise ValueError(f"A hint is 'seconds', 'date' or 'reset', not {hint!r}.")
        return cls("throttled", effect=False, status=429, wait=seconds, hint=hint)

    @classmethod
    def spent(cls) -> Self:
        """Answer 429 "Limit Exceeded", the API gateway's own answer when the plan is used up."""
        headers = {"Content-Type": "application/json"}
        return cls("spent", effect=False, status=429, content=_PLAN_USED_UP, headers=headers)

    @classmethod
    def outage(cls, status: int = 503, *, effect: bool = False) -> Self:
        """Answer the GSP's own error with a `status` of 500 to 599: the gateway is down."""
        if status not in _ERRORS:
            raise ValueError(f"An outage has a status of 500 to 599, not {status!r}.")
        return cls("outage", effect=effect, status=status)

    @classmethod
    def burst(cls, count: int, status: int = 503) -> list[Self]:
        """Return a list of `count` outages, one per request: `script_fault("save", *Fault.burst(3))`."""
        return [cls.outage(status)] * _at_least(1, count, "outages")

    @property
    def answered(self) -> bool:
        """Whether any part of an answer is sent."""
        return self.way not in _UNANSWERED

    def __str__(self) -> str:
        return f"{self.name}, {'with' if self.effect else 'without'} effect" if self.name else ""

    def headers_at(self, now: float) -> dict[str, str]:
        """Return the headers of the answer; `now` is in epoch seconds."""
        headers = dict(self.headers)
        if self.wait is None:
            return headers
        if self.hint == "reset":
            return {**headers, "X-RateLimit-Reset": str(int(now + self.wait))}
        written = str(self.wait) if self.hint == "seconds" else formatdate(now + self.wait, usegmt=True)
        return {**headers, "Retry-After": written}

    def raise_in_memory(self) -> None:
        """Raise the exception that stands for this fault in memory, if there is one."""
        if self.way in ("drop", "truncate"):
            raise ConnectionResetError(f"Simulator: {self}.")
        if self.way == "silence":
            raise TimeoutError(f"Simulator: {self}.")


def check_faults(found: Iterable[object]) -> None:
    """Raise `TypeError`, which says what to pass, if an object is not a `Fault`."""
    for one in found:
        if not isinstance(one, Fault):
            several = isinstance(one, Iterable) and not isinstance(one, str)
            right = "*Fault.burst(3), with the star" if several else "Fault.drop_after(), with parentheses"
            raise TypeError(f"script_fault takes faults, not a {type(one).__name__}: pass {right}.")


def _status(status: int) -> int:
    if status not in range(200, 600):
        raise ValueError(f"An answer has a status of 200 to 599, not {status!r}.")
    return status


def _at_least(least: N, value: N, what: str) -> N:
    if not value >= least:
        raise ValueError(f"{value!r} {what} are fewer than {least!r}.")
    return value
