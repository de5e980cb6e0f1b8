"""What can go wrong between a gateway and its callers: values, each for one request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING, Literal, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    """What happens to one request in place of a whole, true answer: `script_fault` takes these.

    Each says whether the request takes effect. On the simulator's socket it happens on the wire; in memory,
    where there is none, `handle` raises `ConnectionResetError` for a connection that is dropped and
    `TimeoutError` for silence, answers once what is answered twice, and takes no time over anything.
    """

    name: str
    effect: bool
    """Whether the gateway does what it is asked, as far as it would have without the fault."""
    way: Way = "answer"
    status: int | None = None
    """None: that of the true answer."""
    content: bytes | None = None
    """None: the true answer, or with a status the words in which this GSP says that."""
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    seconds: float = 0.0
    """How long it holds back what is written."""
    size: int = 0
    """Bytes."""
    wait: float | None = None
    """The seconds for which the caller is asked to stay away."""
    hint: Hint = "seconds"
    """How that is said."""

    @classmethod
    def drop_before(cls) -> Self:
        """The connection is dropped before the request takes effect: no answer, and nothing was done.

        The request was read off the wire, or nobody could tell which it is, but the world does not see it.
        """
        return cls("drop_before", effect=False, way="drop")

    @classmethod
    def drop_after(cls) -> Self:
        """The request takes effect, and the connection is dropped: no answer, but it was done."""
        return cls("drop_after", effect=True, way="drop")

    @classmethod
    def half_open(cls, *, effect: bool = False) -> Self:
        """The connection stays open and no answer ever comes: the caller waits until it gives up."""
        return cls("half_open", effect=effect, way="silence")

    @classmethod
    def truncate(cls, size: int) -> Self:
        """The request takes effect, and the connection is dropped after `size` bytes of its answer.

        The answer is announced at its full length, and at least its last byte is kept back.
        """
        return cls("truncate", effect=True, way="truncate", size=_at_least(0, size, "bytes"))

    @classmethod
    def delay(cls, seconds: float) -> Self:
        """The request takes effect at once, and is answered `seconds` later; in memory, at once."""
        return cls("delay", effect=True, seconds=_at_least(0.0, seconds, "seconds"))

    @classmethod
    def slow(cls, size: int = 1, seconds: float = 0.1) -> Self:
        """The true answer trickles in: `size` bytes at a time, `seconds` between; in memory, at once."""
        _at_least(1, size, "bytes")
        return cls("slow", effect=True, way="slow", size=size, seconds=_at_least(0.0, seconds, "seconds"))

    @classmethod
    def twice(cls, seconds: float = 0.0) -> Self:
        """The true answer comes, and `seconds` later the same once more, unasked; in memory, once."""
        return cls("twice", effect=True, way="twice", seconds=_at_least(0.0, seconds, "seconds"))

    @classmethod
    def garbage_gzip(cls, *, effect: bool = True) -> Self:
        """The answer is a 200 that claims to be gzip and cannot be unpacked."""
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        return cls("garbage_gzip", effect=effect, status=200, content=_NO_GZIP, headers=headers)

    @classmethod
    def html(cls, status: int = 200, *, effect: bool = False) -> Self:
        """The answer is a web page where JSON belongs: a `status` of a proxy's, or a 200."""
        headers = {"Content-Type": "text/html"}
        return cls("html", effect=effect, status=_status(status), content=_PAGE, headers=headers)

    @classmethod
    def empty(cls, status: int = 200, *, effect: bool = False) -> Self:
        """The answer has no body: a `status` of a proxy's, or a 200."""
        return cls("empty", effect=effect, status=_status(status), content=b"")

    @classmethod
    def refused(cls, status: int = 403) -> Self:
        """It is refused in the GSP's own words: 403 for a token that has ended, 401, or 400 as malformed."""
        if status not in (400, 401, 403):
            raise ValueError(f"A refusal is a 400, 401 or 403, not {status!r}.")
        return cls("refused", effect=False, status=status)

    @classmethod
    def throttled(cls, seconds: float | None = None, *, hint: Hint = "seconds") -> Self:
        """Too many requests: the answer is 429, and says to stay away for `seconds`, unless that is None.

        `hint` is how it is said: in Retry-After as "seconds" (5 and 5.0 are written as they are) or as a
        "date" (in whole seconds), or in X-RateLimit-Reset as epoch seconds ("reset").
        """
        if hint not in ("seconds", "date", "reset"):
            raise ValueError(f"A hint is 'seconds', 'date' or 'reset', not {hint!r}.")
        return cls("throttled", effect=False, status=429, wait=seconds, hint=hint)

    @classmethod
    def spent(cls) -> Self:
        """The plan is used up: the answer is 429 "Limit Exceeded", in the words of the API gateway."""
        headers = {"Content-Type": "application/json"}
        return cls("spent", effect=False, status=429, content=_PLAN_USED_UP, headers=headers)

    @classmethod
    def outage(cls, status: int = 503, *, effect: bool = False) -> Self:
        """The gateway is down: the answer is a `status` of 500 to 599 in the GSP's own words."""
        if status not in _ERRORS:
            raise ValueError(f"An outage has a status of 500 to 599, not {status!r}.")
        return cls("outage", effect=effect, status=status)

    @classmethod
    def burst(cls, count: int, status: int = 503) -> list[Self]:
        """A list of `count` outages, for as many requests: `script_fault("save", *Fault.burst(3))`."""
        return [cls.outage(status)] * _at_least(1, count, "outages")

    @property
    def answered(self) -> bool:
        """Whether any of an answer leaves the gateway."""
        return self.way not in _UNANSWERED

    def __str__(self) -> str:
        return f"{self.name}, {'with' if self.effect else 'without'} effect" if self.name else ""

    def told(self, now: float) -> dict[str, str]:
        """Return the headers of its answer, `now` being epoch seconds."""
        headers = dict(self.headers)
        if self.wait is None:
            return headers
        if self.hint == "reset":
            return {**headers, "X-RateLimit-Reset": str(int(now + self.wait))}
        written = str(self.wait) if self.hint == "seconds" else formatdate(now + self.wait, usegmt=True)
        return {**headers, "Retry-After": written}

    def raise_in_memory(self) -> None:
        """Raise what stands for it where there is no wire, if anything has to."""
        if self.way in ("drop", "truncate"):
            raise ConnectionResetError(f"Simulator: {self}.")
        if self.way == "silence":
            raise TimeoutError(f"Simulator: {self}.")


def check_faults(found: Iterable[object]) -> None:
    """Raise `TypeError` that says what to pass, where one of them is no fault."""
    for one in found:
        if not isinstance(one, Fault):
            several = isinstance(one, Iterable) and not isinstance(one, str)
            right = "*Fault.burst(3), with the star" if several else "Fault.drop_after(), say, called"
            raise TypeError(f"What is scripted are faults, not a {type(one).__name__}: pass {right}.")


def _status(status: int) -> int:
    if status not in range(200, 600):
        raise ValueError(f"An answer has a status of 200 to 599, not {status!r}.")
    return status


def _at_least(least: N, value: N, what: str) -> N:
    if not value >= least:
        raise ValueError(f"{value!r} {what} are fewer than {least!r}.")
    return value
