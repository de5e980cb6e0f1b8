"""How fast: a budget of our own where one is set, and the gateway's "not before" always.

A sliding window lets the full burst through and then never more than the budget in any 60 seconds, so
that a gateway with the same budget has no reason to answer 429.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

import attrs

from .errors import InvalidInput

_WINDOW: Final = 60.0
_MARGIN: Final = 0.05  # seconds; the gateway's clock counts arrivals, ours counts departures


@attrs.frozen
class RateLimit:
    """A budget of requests per minute, for the account and, if given, for each GSTIN."""

    per_minute: int = attrs.field()
    per_gstin: int | None = attrs.field(default=None)

    @per_minute.validator
    @per_gstin.validator
    def _check(self, attribute: attrs.Attribute[int | None], value: int | None) -> None:
        if value is not None and not (isinstance(value, int) and value >= 1):
            raise InvalidInput(f"{attribute.name} {value!r} must be a whole number of requests, at least 1")


class _Window:
    """The requests of the last minute, against a limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sent: deque[float] = deque()

    def wait(self, now: float) -> float:
        while self._sent and self._sent[0] <= now - _WINDOW - _MARGIN:
            self._sent.popleft()
        if len(self._sent) < self._limit:
            return 0.0
        return self._sent[0] + _WINDOW + _MARGIN - now

    def take(self, now: float) -> None:
        self._sent.append(now)

    @property
    def idle(self) -> bool:
        return not self._sent


class Pacer:
    """Lets requests out in the order they came, as budget and gateway allow.

    `clock` is wall time (epoch seconds), which is what gateways name in their hints.
    """

    def __init__(self, rate: RateLimit | None, *, clock: Callable[[], float]) -> None:
        self._rate, self._clock = rate, clock
        self._account = _Window(rate.per_minute) if rate else None
        self._gstins: dict[str, _Window] = {}
        self._queue = asyncio.Lock()
        self._not_before = 0.0

    def not_before(self, moment: float) -> None:
        """Hold everything until this moment (epoch seconds); it only ever moves forward."""
        self._not_before = max(self._not_before, moment)

    async def turn(self, gstin: str | None) -> None:
        """Wait until one more request may leave, and count it."""
        if self._rate is None and self._not_before <= self._clock():
            return
        async with self._queue:
            own = self._own_window(gstin)
            windows = [window for window in (self._account, own) if window is not None]
            while True:
                now = self._clock()
                wait = max(self._not_before - now, *(window.wait(now) for window in windows), 0.0)
                if wait <= 0:
                    break
                await asyncio.sleep(wait)
            for window in windows:
                window.take(now)

    def _own_window(self, gstin: str | None) -> _Window | None:
        if self._rate is None or self._rate.per_gstin is None or gstin is None:
            return None
        if len(self._gstins) > 10_000:
            self._gstins = {name: window for name, window in self._gstins.items() if not window.idle}
        return self._gstins.setdefault(gstin, _Window(self._rate.per_gstin))
