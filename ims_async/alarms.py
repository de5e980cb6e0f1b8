"""One timer for thousands of alarms; what falls due at one moment rings a few at a time.

asyncio compares its timers one by one in Python and runs all that are due in one turn of the loop: with
10,000 polls due at once that turn is a third of a second long.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections.abc import Callable
from typing import Final

AT_ONCE: Final = 32
"""So many ring in one turn of the loop: with each a poll begins."""


class Alarm:
    """Something to do at some time, unless it is cancelled before."""

    __slots__ = ("_alarms", "ring")

    def __init__(self, alarms: Alarms, ring: Callable[[], None]) -> None:
        self._alarms = alarms
        self.ring: Callable[[], None] | None = ring

    def cancel(self) -> None:
        """Let it never ring. Of no effect once it rang."""
        if self.ring is not None:
            self.ring = None
            self._alarms.drop()


class Alarms:
    """The alarms of one event loop, by time, and among equals in the order in which they were set."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Alarm]] = []
        self._serial = itertools.count()
        self._dropped = 0  # cancelled, and still in the heap
        self._timer: asyncio.Handle | None = None
        self._wakes_at = math.inf

    def __len__(self) -> int:
        """How many will ring."""
        return len(self._heap) - self._dropped

    def set(self, moment: float, ring: Callable[[], None]) -> Alarm:
        """Ring at this time of the loop's clock, in seconds; in its next turn where that is over."""
        alarm = Alarm(self, ring)
        heapq.heappush(self._heap, (moment, next(self._serial), alarm))
        self._wake_at(self._heap[0][0])
        return alarm

    def drop(self) -> None:
        """Count one that was cancelled; those in the heap never outnumber the others for long."""
        self._dropped += 1
        if self._dropped > AT_ONCE and 2 * self._dropped > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].ring is not None]
            heapq.heapify(self._heap)
            self._dropped = 0
        if not len(self):
            self._wake_at(math.inf)

    def _wake_at(self, moment: float) -> None:
        if self._timer is not None:
            if self._wakes_at <= moment < math.inf:
                return
            self._timer.cancel()
            self._timer = None
        self._wakes_at = moment
        if moment < math.inf:
            self._timer = asyncio.get_running_loop().call_at(moment, self._wake)

    def _wake(self) -> None:
        now = max(asyncio.get_running_loop().time(), self._wakes_at)  # a timer may be early by its resolution
        self._timer = None
        try:
            for _ in range(AT_ONCE):
                if not self._heap or self._heap[0][0] > now:
                    break
                alarm = heapq.heappop(self._heap)[2]
                ring, alarm.ring = alarm.ring, None
                if ring is None:
                    self._dropped -= 1
                else:
                    ring()
        finally:
            if len(self):
                self._wake_at(self._heap[0][0])
