"""What can go wrong between a gateway and its callers: values, each for one request."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING, Literal, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

Way = Literal["answer", "drop", "silence", "truncate", "twice", "slow"]
Hint = Literal["seconds", "date", "reset"]
N = TypeVar("N", int, float)

_PAGE = b"<!DOCTYPE html>\n<html><body><h1>The service is being maintained</h1></body></html>\n"
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
        """Hang up before anything is done.

        The request was read off the wire, or nobody could tell which it is, but the world does not see it.
        """
        return cls("drop_before", effect=False, way="drop")

    @classmethod
    def drop_after(cls) -> Self:
        """Do what is asked, and hang up in place of an answer."""
        return cls("drop_after", effect=True, way="drop")

    @classmethod
    def half_open(cls, *, effect: bool = False) -> Self:
        """Keep the connection and say nothing, until the caller hangs up."""
        return cls("half_open", effect=effect, way="silence")

    @classmethod
    def truncate(cls, size: int) -> Self:
        """Announce the true answer at its full length, write so many bytes of it, and hang up.

        At least its last byte is kept back.
        """
        return cls("truncate", effect=True, way="truncate", size=_at_least(0, size, "bytes"))

    @classmethod
    def delay(cls, seconds: float) -> Self:
        """Do what is asked at once, and answer so many seconds later; in memory the answer comes at once."""
        return cls("delay", effect=True, seconds=_at_least(0.0, seconds, "seconds"))

    @classmethod
    def slow(cls, size: int = 1, seconds: float = 0.1) -> Self:
        """Write the true answer so many bytes at a time, with so many seconds between; in memory, at once."""
        _at_least(1, size, "bytes")
        return cls("slow", effect=True, way="slow", size=size, seconds=_at_least(0.0, seconds, "seconds"))

    @classmethod
    def twice(cls, seconds: float = 0.0) -> Self:
        """Write the true answer, and so many seconds later the same once more, unasked; in memory, once."""
        return cls("twice", effect=True, way="twice", seconds=_at_least(0.0, seconds, "seconds"))

    @classmethod
    def garbage_gzip(cls, *, effect: bool = True) -> Self:
        """Answer 200 with what is said to be gzip and is not."""
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        return cls("garbage_gzip", effect=effect, status=200, content=_NO_GZIP, headers=headers)

    @classmethod
    def html(cls, *, effect: bool = False) -> Self:
        """Answer 200 with a web page."""
        return cls("html", effect=effect, status=200, content=_PAGE, headers={"Content-Type": "text/html"})

    @classmethod
    def empty(cls, *, effect: bool = False) -> Self:
        """Answer 200 without a body."""
        return cls("empty", effect=effect, status=200, content=b"")

    @classmethod
    def refused(cls, status: int = 403) -> Self:
        """Refuse the caller's credential in the GSP's own words: 403 for a token that ended, or 401."""
        if status not in (401, 403):
            raise ValueError(f"A credential is refused with 401 or 403, not {status!r}.")
        return cls("refused", effect=False, status=status)

    @classmethod
    def throttled(cls, seconds: float | None = None, *, hint: Hint = "seconds") -> Self:
        """Answer 429, and say for how many seconds not to come back; None says nothing of it.

        `hint` is how it is said: in Retry-After as "seconds" (5 and 5.0 are written as they are) or as a
        "date" (in whole seconds), or in X-RateLimit-Reset as epoch seconds ("reset").
        """
        if hint not in ("seconds", "date", "reset"):
            raise ValueError(f"A hint is 'seconds', 'date' or 'reset', not {hint!r}.")
        return cls("throttled", effect=False, status=429, wait=seconds, hint=hint)

    @classmethod
    def outage(cls, status: int = 503, *, effect: bool = False) -> Self:
        """Answer with a status of 500 to 599 in the GSP's own words."""
        if status not in _ERRORS:
            raise ValueError(f"An outage has a status of 500 to 599, not {status!r}.")
        return cls("outage", effect=effect, status=status)

    @classmethod
    def burst(cls, count: int, status: int = 503) -> list[Self]:
        """Return so many outages without effect: `script_fault(operation, *Fault.burst(3))`."""
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


def _at_least(least: N, value: N, what: str) -> N:
    if not value >= least:
        raise ValueError(f"{value!r} {what} are fewer than {least!r}.")
    return value
