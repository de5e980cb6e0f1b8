"""Those who wait for a budget: in order within a GSTIN, the GSTINs by turns, at logarithmic cost."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections import OrderedDict
from typing import Final, Generic, Protocol, TypeVar

AT_ONCE: Final = 64
"""So many are dealt with in one turn of the event loop, so that thousands do not stop it."""


class Waiter(Protocol):
    """What waits. `leave` is done once it was let out or cancelled; one that is `ahead` goes first."""

    gstin: str
    ahead: bool
    leave: asyncio.Future[None] | None


W = TypeVar("W", bound=Waiter)


def waits(waiter: Waiter) -> bool:
    """Say whether it was neither let out nor cancelled."""
    return waiter.leave is not None and not waiter.leave.done()


class Line(Generic[W]):
    """Those who wait for one GSTIN, in order. `rank` is its place among the GSTINs: the lowest is next."""

    __slots__ = ("entry", "gstin", "rank", "waiters")

    def __init__(self, gstin: str, rank: int) -> None:
        self.gstin, self.rank = gstin, rank
        self.waiters: OrderedDict[W, None] = OrderedDict()
        self.entry: tuple[float, int, Line[W]] | None = None


_Heap = list[tuple[float, int, Line[W]]]


class FairQueue(dict[str, Line[W]]):
    """The lines of all GSTINs that wait, by name.

    Each stands in one of two heaps: by rank where the budget of its own GSTIN is open, by the time at which
    that opens where it is not; in none while an answer decides. An entry of a heap that is not `entry` of
    its line is out of date, and is dropped where it surfaces.
    """

    def __init__(self) -> None:
        super().__init__()
        self._open: _Heap[W] = []
        self._closed: _Heap[W] = []
        self._serial = itertools.count()
        self._first = self._last = 0

    def join(self, waiter: W, opens_at: float, now: float) -> None:
        """Add one to the line of its GSTIN, whose own budget opens at this time."""
        line = self.get(waiter.gstin)
        if line is None:
            self._last += 1
            line = self[waiter.gstin] = Line(waiter.gstin, self._last)
            self.place(line, opens_at, now)
        line.waiters[waiter] = None
        if waiter.ahead:
            line.waiters.move_to_end(waiter, last=False)
            self._first -= 1
            line.rank = self._first
            self.place(line, opens_at, now)

    def leave(self, waiter: W) -> None:
        """Take one out, if it is here."""
        line = self.get(waiter.gstin)
        if line is not None and waiter in line.waiters:
            del line.waiters[waiter]
            self._drop_if_empty(line)

    def next(self) -> Line[W] | None:
        """Return the line whose turn it is, as far as is known of its own budget."""
        while (line := self._head(self._open)) is not None:
            while line.waiters and not waits(next(iter(line.waiters))):
                line.waiters.popitem(last=False)
            if line.waiters:
                return line
            self._drop_if_empty(line)
        return None

    def take(self, line: Line[W]) -> W:
        """Take the first of the line whose turn it is; then it is the turn of the others."""
        waiter, _ = line.waiters.popitem(last=False)
        heapq.heappop(self._open)
        self._last += 1
        line.rank = self._last
        if line.waiters:
            self._push(self._open, line.rank, line)
        self._drop_if_empty(line)
        return waiter

    def place(self, line: Line[W], opens_at: float, now: float) -> None:
        """Put a line where it belongs, by when its own budget opens."""
        if opens_at <= now:
            self._push(self._open, line.rank, line)
        elif opens_at < math.inf:
            self._push(self._closed, opens_at, line)
        else:
            line.entry = None

    def open_up(self, now: float) -> bool:
        """Move on the lines whose own budget is open by now; False where some are left for the next turn."""
        for _ in range(AT_ONCE):
            if self.next_opening() > now:
                return True
            _, _, line = heapq.heappop(self._closed)
            self._push(self._open, line.rank, line)
        return False

    def next_opening(self) -> float:
        """Return when the next own budget opens; `inf` if none does by itself."""
        return math.inf if self._head(self._closed) is None else self._closed[0][0]

    def _push(self, heap: _Heap[W], key: float, line: Line[W]) -> None:
        if len(heap) > 2 * len(self) + AT_ONCE:  # most of it is out of date
            heap[:] = [entry for entry in heap if entry[2].entry is entry]
            heapq.heapify(heap)
        line.entry = (key, next(self._serial), line)
        heapq.heappush(heap, line.entry)

    def _drop_if_empty(self, line: Line[W]) -> None:
        if not line.waiters:
            line.entry = None
            del self[line.gstin]

    @staticmethod
    def _head(heap: _Heap[W]) -> Line[W] | None:
        while heap and heap[0][2].entry is not heap[0]:
            heapq.heappop(heap)
        return heap[0][2] if heap else None
