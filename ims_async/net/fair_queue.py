"""A fair queue for a rate limit: first come, first served within a GSTIN, round robin among the GSTINs."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections import OrderedDict
from typing import Final, Generic, Protocol, TypeVar

AT_ONCE: Final = 64
"""The most that one iteration of the event loop processes, so that thousands do not block it."""


class Waiter(Protocol):
    """An entry of the queue. `leave` is done once it was released or cancelled; an `ahead` one goes first."""

    gstin: str
    ahead: bool
    leave: asyncio.Future[None] | None


W = TypeVar("W", bound=Waiter)


def waits(waiter: Waiter) -> bool:
    """Return whether it still waits: it was neither released nor cancelled."""
    return waiter.leave is not None and not waiter.leave.done()


class GstinQueue(Generic[W]):
    """The waiters of one GSTIN, in order. The GSTIN with the lowest `rank` is next."""

    __slots__ = ("entry", "gstin", "rank", "waiters")

    def __init__(self, gstin: str, rank: int) -> None:
        self.gstin, self.rank = gstin, rank
        self.waiters: OrderedDict[W, None] = OrderedDict()
        self.entry: tuple[float, int, GstinQueue[W]] | None = None


_Heap = list[tuple[float, int, GstinQueue[W]]]


class FairQueue(dict[str, GstinQueue[W]]):
    """The queues of all GSTINs with waiters, by GSTIN. Each operation has logarithmic cost.

    Each queue is in one of two heaps: by rank if the budget of its own GSTIN is open, by the opening time if
    it is not; in neither while that depends on an answer. A heap entry that is not the `entry` of its queue
    is out of date, and is dropped when it comes first.
    """

    def __init__(self) -> None:
        super().__init__()
        self._open: _Heap[W] = []
        self._closed: _Heap[W] = []
        self._serial = itertools.count()
        self._first = self._last = 0

    def join(self, waiter: W, opens_at: float, now: float) -> None:
        """Add a waiter to the queue of its GSTIN, whose own budget opens at this time."""
        queue = self.get(waiter.gstin)
        if queue is None:
            self._last += 1
            queue = self[waiter.gstin] = GstinQueue(waiter.gstin, self._last)
            self.place(queue, opens_at, now)
        queue.waiters[waiter] = None
        if waiter.ahead:
            queue.waiters.move_to_end(waiter, last=False)
            self._first -= 1
            queue.rank = self._first
            self.place(queue, opens_at, now)

    def leave(self, waiter: W) -> None:
        """Remove a waiter, if it is here."""
        queue = self.get(waiter.gstin)
        if queue is not None and waiter in queue.waiters:
            del queue.waiters[waiter]
            self._drop_if_empty(queue)

    def next(self) -> GstinQueue[W] | None:
        """Return the queue that is next, by rank, among those with an open budget of their own."""
        while (queue := self._head(self._open)) is not None:
            while queue.waiters and not waits(next(iter(queue.waiters))):
                queue.waiters.popitem(last=False)
            if queue.waiters:
                return queue
            self._drop_if_empty(queue)
        return None

    def take(self, queue: GstinQueue[W]) -> W:
        """Remove and return the first waiter of the queue that is next; the queue then ranks last."""
        waiter, _ = queue.waiters.popitem(last=False)
        heapq.heappop(self._open)
        self._last += 1
        queue.rank = self._last
        if queue.waiters:
            self._push(self._open, queue.rank, queue)
        self._drop_if_empty(queue)
        return waiter

    def place(self, queue: GstinQueue[W], opens_at: float, now: float) -> None:
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

    def _push(self, heap: _Heap[W], key: float, queue: GstinQueue[W]) -> None:
        if len(heap) > 2 * len(self) + AT_ONCE:  # most of it is out of date
            heap[:] = [entry for entry in heap if entry[2].entry is entry]
            heapq.heapify(heap)
        queue.entry = (key, next(self._serial), queue)
        heapq.heappush(heap, queue.entry)

    def _drop_if_empty(self, queue: GstinQueue[W]) -> None:
        if not queue.waiters:
            queue.entry = None
            del self[queue.gstin]

    @staticmethod
    def _head(heap: _Heap[W]) -> GstinQueue[W] | None:
        while heap and heap[0][2].entry is not heap[0]:
            heapq.heappop(heap)
        return heap[0][2] if heap else None
