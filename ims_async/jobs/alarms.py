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
from collections.abc import Callable
from typing import Any, Final

import attrs

_Call = tuple[contextvars.Context, Callable[..., object], tuple[Any, ...]]
_AT_ONCE: Final = 32  # so many ring in one turn of the loop: with each a poll begins


@attrs.define(eq=False, repr=False, weakref_slot=False)
class Alarm:
    """Something to do at some time. It may be set anew, and cancelled, as often as one likes."""

    _alarms: Alarms
    _moment: float = math.inf
    _call: _Call | None = None
    queued: float = math.inf
    """Where its one entry stands in the heap: not after its time."""

    @property
    def is_set(self) -> bool:
        """True until it rings, or is cancelled."""
        return self._call is not None

    def set(self, moment: float, ring: Callable[..., object], *args: Any) -> None:
        """Call `ring` at this time of the loop's clock, in seconds, in the context of the present caller."""
        if self._call is None:
            self._alarms.count += 1
        self._moment, self._call = moment, (contextvars.copy_context(), ring, args)
        if moment < self.queued:
            self._alarms.push(moment, self)

    def cancel(self) -> None:
        """Do not ring."""
        if self._call is not None:
            self._call = None
            self._alarms.count -= 1
            self._alarms.clear_if_none()

    def due(self, now: float) -> _Call | None:
        """Return what is to be done by now, once; where it is later, stand in the heap again."""
        self.queued = math.inf
        call = self._call
        if call is None:
            return None
        if self._moment > now:
            self._alarms.push(self._moment, self)
            return None
        self._call = None
        self._alarms.count -= 1
        return call


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
        try:
            while self._heap and self._heap[0][0] <= now and rung < _AT_ONCE:
                queued, _, alarm = heapq.heappop(self._heap)
                if queued == alarm.queued and (call := alarm.due(now)) is not None:
                    context, ring, args = call
                    rung += 1
                    context.run(ring, *args)
        finally:
            self._wakes_at = math.inf
            self.clear_if_none()
            if self._heap:
                self._wake_at(self._heap[0][0])
