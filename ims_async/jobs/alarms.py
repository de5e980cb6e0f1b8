"""One timer for thousands of alarms; what falls due at one moment rings a few at a time.

asyncio compares its timers one by one in Python and runs all that are due in one turn of the loop: with
10,000 polls due at once that turn is a third of a second long.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
import math
from typing import Final

import attrs

_AT_ONCE: Final = 32  # so many ring in one turn of the loop: with each a poll begins
_LOOKED_AT: Final = 256  # so many are looked at in one turn
_LOOKED_AT_AGAIN: Final = 75.0  # seconds, longer than most polls are apart; see `Alarm.due`


@attrs.define(eq=False, repr=False, weakref_slot=False)
class Alarm:
    """Something to do at some time, by `ring`. It may be set anew, and cancelled, as often as one likes."""

    _alarms: Alarms
    _moment: float = attrs.field(default=math.inf, init=False)
    queued: float = attrs.field(default=math.inf, init=False)
    """Where its one entry stands in the heap: not after its time."""

    @property
    def is_set(self) -> bool:
        """True until it rings, or is cancelled."""
        return self._moment < math.inf

    def set(self, moment: float, *, at_most: float = math.inf) -> None:
        """Ring at this time of the loop's clock, in seconds.

        One that most probably is set to a sooner time before long is put into the heap at `at_most`: at its
        own time each of these would leave one more entry there. One that is set to infinity never rings.
        """
        if moment == math.inf:
            self.cancel()
            return
        if self._moment == math.inf:
            self._alarms.count += 1
        self._moment = moment
        if (at := min(moment, at_most)) < self.queued:
            self._alarms.push(at, self)

    def cancel(self) -> None:
        """Do not ring."""
        if self._moment < math.inf:
            self._moment = math.inf
            self._alarms.count -= 1
            self._alarms.clear_if_none()

    def due(self, now: float) -> bool:
        """Ring if it is time; where it is later, stand in the heap again.

        But not at a time far off: one that may be set to a sooner time any number of times before that would
        leave an entry there each time.
        """
        self.queued = math.inf
        if self._moment > now:
            if self._moment < math.inf:
                self._alarms.push(min(self._moment, now + _LOOKED_AT_AGAIN), self)
            return False
        self._moment = math.inf
        self._alarms.count -= 1
        self.ring(now)
        return True

    def ring(self, now: float) -> None:
        """Do what is to be done at this time: not before the one that was set. For subclasses."""
        raise NotImplementedError


class Alarms:
    """The alarms of one event loop, by time, and among equals in the order in which they were set.

    A cancelled alarm leaves its entry in the heap: most are set anew for a time that is not earlier.
    """

    def __init__(self) -> None:
        self.count = 0
        """How many will ring."""
        self._heap: list[tuple[float, int, Alarm]] = []
        self._serial = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = math.inf

    def push(self, moment: float, alarm: Alarm) -> None:
        """Let an alarm be looked at then, and no more at a later time."""
        alarm.queued = moment
        heapq.heappush(self._heap, (moment, next(self._serial), alarm))
        if moment < self._wakes_at:
            self._wake_at(moment)

    def clear_if_none(self) -> None:
        """Forget the entries of cancelled alarms, where there are no others."""
        if self.count:
            return
        for _, _, alarm in self._heap:
            alarm.queued = math.inf
        self._heap.clear()
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._wakes_at = None, math.inf

    def _wake_at(self, moment: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # In an empty context: that of a caller would be kept, and be that of all who ring.
        context = contextvars.Context()
        self._timer = asyncio.get_running_loop().call_at(moment, self._wake, moment, context=context)
        self._wakes_at = moment

    def _wake(self, moment: float) -> None:
        now = max(asyncio.get_running_loop().time(), moment)  # a timer may be early by the clock's resolution
        self._timer, self._wakes_at, rung = None, -math.inf, 0  # what is set meanwhile is looked at below
        heap = self._heap
        try:
            for _ in range(_LOOKED_AT):
                if not heap or heap[0][0] > now or rung == _AT_ONCE:
                    break
                queued, _, alarm = heapq.heappop(heap)
                if queued == alarm.queued:
                    rung += alarm.due(now)
        finally:
            self._wakes_at = math.inf
            self.clear_if_none()
            if heap:
                self._wake_at(heap[0][0])
