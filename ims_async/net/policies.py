"""The settings of polls, retries, budgets and time limits, and the schedules of the first two.

Only this module imports backoff, when a delay is first needed, and only its wait generators and jitters: its
decorators return the unfinished value when they give up, and keep every waiting frame alive.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, Final

import attrs

from ..errors import InvalidInput
from ..model.status import PReading

_MOST_DELAYS: Final = 1000  # that differ; a factor of 1 has all alike
_SHORTEST: Final = 0.001  # seconds; a shorter delay counts as none
_SPREAD: Final = 0.1  # jitter adds at most this share of a delay, and never shortens it
_TICKS: Final = 64  # a second; see `end_of`


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _check(good: Callable[[Any], bool], must_be: str) -> Callable[[object, attrs.Attribute[Any], Any], None]:
    """Return a validator whose error names the setting and its value."""

    def check(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        if not good(value):
            raise InvalidInput(f"{attribute.name} {value!r} must be {must_be}")

    return check


_POSITIVE: Final = _check(lambda value: _is_number(value) and value > 0, "more than 0 seconds")
_NOT_NEGATIVE: Final = _check(lambda value: _is_number(value) and value >= 0, "0 seconds or more")
_FACTOR: Final = _check(lambda value: _is_number(value) and value >= 1, "at least 1")
_COUNT: Final = _check(_is_count, "a whole number, at least 1")
_REQUESTS: Final = _check(_is_count, "a whole number of requests, at least 1")
_FLAG: Final = _check(lambda value: isinstance(value, bool), "True or False")
_SCHEDULE: Final = _check(
    lambda value: value is None or callable(value), "a function that returns seconds: lambda: iter([5, 10])"
)
_READING: Final = _check(
    lambda value: isinstance(value, PReading),
    "one of: " + ", ".join(f"PReading.{reading.name}" for reading in PReading),
)


@attrs.frozen(kw_only=True)
class PollPolicy:
    """Set when a job is polled, in seconds. Each poll is one billed request and is not retried.

    The first poll comes after `initial_delay`, later ones `factor` times further apart, up to
    `max_interval`, each with a jitter that only lengthens. Once eight jobs of a kind have ended, the client
    polls the next ones when it pays by how long those took: one more poll is worth `poll_worth` seconds of
    earlier news; `learn=False` keeps to the delays. `deadline` counts from the first poll of this process.
    `p_means` fixes the meaning of status code P. `schedule` replaces all delays: a function that returns an
    iterator of seconds, such as `backoff.fibo`; when that ends, its last delay repeats.
    """

    initial_delay: float = attrs.field(default=2.0, validator=_NOT_NEGATIVE)
    factor: float = attrs.field(default=2.0, validator=_FACTOR)
    max_interval: float = attrs.field(default=60.0, validator=_POSITIVE)
    deadline: float = attrs.field(default=1800.0, validator=_POSITIVE)
    p_means: PReading = attrs.field(default=PReading.EVIDENCE, validator=_READING)
    schedule: Callable[[], Iterator[float | None]] | None = attrs.field(default=None, validator=_SCHEDULE)
    learn: bool = attrs.field(default=True, validator=_FLAG)
    poll_worth: float = attrs.field(default=2.0, validator=_POSITIVE)
    _growing: tuple[float, ...] = attrs.field(default=(), init=False, eq=False, repr=False)
    """The delays after the first, once one is asked for."""

    def delays(self) -> Iterator[float]:
        """Yield the delay before each poll, for ever."""
        if self.schedule is not None:
            return _for_ever(self.schedule(), self.max_interval)
        return map(self.delay, itertools.count())

    def delay(self, polls: int) -> float:
        """Return the delay before the next poll, after so many; without `schedule`."""
        if not polls:
            return self.initial_delay
        if not self._growing:
            # `initial_delay=0` is for the first poll only, since each poll is billed.
            base = self.initial_delay if self.initial_delay >= _SHORTEST else 1.0
            growing = _growing(base * self.factor, self.factor, self.max_interval)
            object.__setattr__(self, "_growing", growing)
        return lengthened(self._growing[min(polls, len(self._growing)) - 1])


def _growing(first: float, factor: float, longest: float) -> tuple[float, ...]:
    """Return delays that grow to the longest; shared by all jobs, of which each would have a generator."""
    few = itertools.islice(_expo(factor, first, longest), _MOST_DELAYS)
    growing = itertools.takewhile(lambda delay: delay < longest, few)
    delays = tuple(growing)
    return delays if len(delays) == _MOST_DELAYS else (*delays, longest)


def _expo(base: float, factor: float, longest: float) -> Iterator[float]:
    import backoff

    expo: Iterator[float] = backoff.expo(base, factor, longest)
    next(expo)  # backoff's generators are primed once
    return expo


def _for_ever(delays: Iterator[float | None], otherwise: float) -> Iterator[float]:
    last = otherwise
    for delay in delays:
        if delay is None:
            continue  # backoff's generators yield None once, to be primed
        if not (_is_number(delay) and delay >= 0):
            raise InvalidInput(f"the schedule gave {delay!r}: it must give seconds, none negative")
        last = delay
        yield delay
    while True:
        yield last


def lengthened(delay: float, spread_over: float | None = None) -> float:
    """Return the delay with jitter added, so that many waiters spread out and none comes early.

    It is at most a tenth of the delay, or of `spread_over` if that is shorter.
    """
    import backoff

    most = delay if spread_over is None else min(delay, spread_over)
    return delay + backoff.full_jitter(most * _SPREAD)


def end_of(delay: float, now: float) -> float:
    """Return when a delay ends that begins now: if it is a second or more, at the next tick after that.

    Polls that are due at one tick begin in one turn of the event loop, which costs as much as a poll.
    """
    ends_at = now + delay
    return math.ceil(ends_at * _TICKS) / _TICKS if 1 <= delay < math.inf else ends_at


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """Set how a read, or a change that was provably not sent, is retried, in seconds.

    `max_tries` includes the first; `max_time` bounds all tries together. A delay that the gateway asks for
    comes on top, up to `max_hint`; a longer one is raised as `RateLimited`.
    """

    max_tries: int = attrs.field(default=3, validator=_COUNT)
    max_time: float = attrs.field(default=20.0, validator=_POSITIVE)
    initial: float = attrs.field(default=0.5, validator=_NOT_NEGATIVE)
    max_interval: float = attrs.field(default=8.0, validator=_POSITIVE)
    max_hint: float = attrs.field(default=120.0, validator=_NOT_NEGATIVE)

    def delays(self) -> Iterator[float]:
        """Yield the delay before each further try, `max_tries - 1` of them."""
        expo = _expo(2, self.initial, self.max_interval)
        for _, delay in zip(range(self.max_tries - 1), expo, strict=False):
            yield lengthened(delay)


@attrs.frozen
class RateLimit:
    """A budget of requests per minute, for the account and, if given, for each GSTIN."""

    per_minute: int = attrs.field(validator=_REQUESTS)
    per_gstin: int | None = attrs.field(default=None, validator=attrs.validators.optional(_REQUESTS))


@attrs.frozen(kw_only=True)
class Timeouts:
    """Set limits on single steps, in seconds. There is no limit in total: a large answer may take long.

    `connect` is for resolving the host and connecting to it, proxy and TLS included. `read` is the longest
    time without progress: while a body is sent, before the answer begins, and between two parts of it.
    """

    connect: float = attrs.field(default=10.0, validator=_POSITIVE)
    read: float = attrs.field(default=60.0, validator=_POSITIVE)
