"""A fair queue for a rate limit: first come, first served within a GSTIN, round robin among the GSTINs."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .rate_limit import Turn

AT_ONCE: Final = 64
"""The most that one iteration of the event loop processes, so that thousands do not block it."""


class GstinQueue:
    """The waiters of one GSTIN, in order. The GSTIN with the lowest `rank` is next."""

    __slots__ = ("entry", "gstin", "rank", "waiters")

    def __init__(self, gstin: str, rank: int) -> None:
        self.gstin, self.rank = gstin, rank
        self.waiters: OrderedDict[Turn, None] = OrderedDict()
        self.entry: tuple[float, int, GstinQueue] | None = None


_Heap = list[tuple[float, int, GstinQueue]]


class FairQueue(dict[str, GstinQueue]):
    """The queues of all GSTINs with waiters, by GSTIN. Each operation has logarithmic cost.

    Each queue is in one of two heaps: by rank if the budget of its own GSTIN is open, by the opening time if
    it is not; in neither while that depends on an answer. A heap entry that is not the `entry` of its queue
    is out of date, and is dropped when it comes first.
    """

    def __init__(self) -> None:
        super().__init__()
        self._open: _Heap = []
        self._closed: _Heap = []
        self._serial = itertools.count()
        self._first = self._last = 0

    def join(self, turn: Turn, opens_at: float, now: float) -> None:
        """Add a waiter to the queue of its GSTIN, whose own budget opens at this time."""
        queue = self.get(turn.gstin)
        if queue is None:
            self._last += 1
            queue = self[turn.gstin] = GstinQueue(turn.gstin, self._last)
            self.place(queue, opens_at, now)
        queue.waiters[turn] = None
        if turn.ahead:
            queue.waiters.move_to_end(turn, last=False)
            self._first -= 1
            queue.rank = self._first
            self.place(queue, opens_at, now)

    def leave(self, turn: Turn) -> None:
        """Remove a waiter, if it is here."""
        queue = self.get(turn.gstin)
        if queue is not None and turn in queue.waiters:
            del queue.waiters[turn]
            self._drop_if_empty(queue)

    def next(self) -> GstinQueue | None:
        """Return the queue that is next, by rank, among those with an open budget of their own."""
        while (queue := self._head(self._open)) is not None:
            while queue.waiters and not next(iter(queue.waiters)).waits:
                queue.waiters.popitem(last=False)
            if queue.waiters:
                return queue
            self._drop_if_empty(queue)
        return None

    def take(self, queue: GstinQueue) -> Turn:
        """Remove and return the first waiter of the queue that is next; the queue then ranks last."""
        turn, _ = queue.waiters.popitem(last=False)
        heapq.heappop(self._open)
        self._last += 1
        queue.rank = self._last
        if queue.waiters:
            self._push(self._open, queue.rank, queue)
        self._drop_if_empty(queue)
        return turn

    def place(self, queue: GstinQueue, opens_at: float, now: float) -> None:
        """Put a queue into its heap, by the time at which its own budget opens."""
        if opens_at <= now:
            self._push(self._open, queue.rank, queue)
        elif opens_at < math.inf:
            self._push(self._closed, opens_at, queue)
        else:
            queue.entry = None

    def open_up(self, now: float) -> bool:
        """Move the queues whose budget is open by now; False if some are left for the next iteration."""
        for _ in range(AT_ONCE):
            if self.next_opening() > now:
                return True
            _, _, queue = heapq.heappop(self._closed)
            self._push(self._open, queue.rank, queue)
        return False

    def next_opening(self) -> float:
        """Return when the next budget of a GSTIN opens; `inf` if none opens by itself."""
        return math.inf if self._head(self._closed) is None else self._closed[0][0]

    def _push(self, heap: _Heap, key: float, queue: GstinQueue) -> None:
        if len(heap) > 2 * len(self) + AT_ONCE:  # most of it is out of date
            heap[:] = [entry for entry in heap if entry[2].entry is entry]
            heapq.heapify(heap)
        queue.entry = (key, next(self._serial), queue)
        heapq.heappush(heap, queue.entry)

    def _drop_if_empty(self, queue: GstinQueue) -> None:
        if not queue.waiters:
            queue.entry = None
            del self[queue.gstin]

    @staticmethod
    def _head(heap: _Heap) -> GstinQueue | None:
        while heap and heap[0][2].entry is not heap[0]:
            heapq.heappop(heap)
        return heap[0][2] if heap else None
