"""The event loops that the tests of the wire run on: those that users run.

On each of them time can be skipped. No loop says in public when its next timer is due, and whether it is
idle: `due` and `idle` do.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import importlib.util
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING or importlib.util.find_spec("uvloop"):
    import uvloop

    class Uvloop(uvloop.Loop):
        """uvloop, whose own timers are out of reach of a test: here they are in a heap."""

        def __init__(self) -> None:
            super().__init__()
            self._heap: list[tuple[float, int, _Timer]] = []
            self._count: Iterator[int] = itertools.count()
            self.calls = self.looking_up = 0

        def call_soon(  # type: ignore[override] # as its own stubs have it
            self, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
        ) -> asyncio.Handle:
            """Call at the next turn of the loop, and count it."""
            self.calls += 1
            return super().call_soon(callback, *args, context=context)

        async def getaddrinfo(self, *asked: Any, **facts: Any) -> Any:
            """Look up a host: in a thread, which no turn of the loop waits for, even for an address."""
            self.looking_up += 1
            try:
                return await super().getaddrinfo(*asked, **facts)
            finally:
                self.looking_up -= 1

        def call_later(  # type: ignore[override]
            self,
            delay: float,
            callback: Callable[..., Any],
            *args: Any,
            context: contextvars.Context | None = None,
        ) -> asyncio.TimerHandle:
            """Call in so many seconds."""
            return self.call_at(self.time() + delay, callback, *args, context=context)

        def call_at(  # type: ignore[override]
            self,
            when: float,
            callback: Callable[..., Any],
            *args: Any,
            context: contextvars.Context | None = None,
        ) -> asyncio.TimerHandle:
            """Call at this time of the loop's clock, which may be skipped to."""
            timer = _Timer(when, callback, args, self, context)
            heapq.heappush(self._heap, (when, next(self._count), timer))
            super().call_later(max(when - self.time(), 0.0), self.run_due)
            return timer

        def run_due(self) -> None:
            """Run the timers whose time has come."""
            while self._heap and self._heap[0][0] <= self.time() + 0.001:  # uvloop counts milliseconds
                timer = heapq.heappop(self._heap)[2]
                self.call_soon(timer.run)

        def due(self) -> float | None:
            """Return when the next timer is due."""
            return min((when for when, _, timer in self._heap if not timer.cancelled()), default=None)


class _Timer(asyncio.TimerHandle):
    def cancel(self) -> None:
        asyncio.Handle.cancel(self)  # uvloop does not keep count of those that were cancelled

    def run(self) -> None:
        if not self.cancelled():
            self._run()  # in its context, and its errors told to the loop


def due(loop: asyncio.AbstractEventLoop) -> float | None:
    """Return when the next timer of a loop is due, by the loop's clock."""
    if isinstance(loop, asyncio.BaseEventLoop):
        scheduled: list[asyncio.TimerHandle] = vars(loop)["_scheduled"]
        return min((timer.when() for timer in scheduled if not timer.cancelled()), default=None)
    found: float | None = loop.due()  # type: ignore[attr-defined]
    return found


_IDLE: Final = 10  # turns of the loop in which nobody else has anything to do


async def idle(loop: asyncio.AbstractEventLoop) -> None:
    """Wait until nobody else on this loop, which both ends of every socket are on, has anything to do."""
    count, last = 0, -1
    while count < _IDLE:
        await asyncio.sleep(0)
        if isinstance(loop, asyncio.BaseEventLoop):
            busy = bool(vars(loop)["_ready"])
        else:
            calls, looking_up = loop.calls, loop.looking_up  # type: ignore[attr-defined] # of `Uvloop`
            busy, last = bool(looking_up) or calls != last + 1, calls  # one lets this task go on
        count = 0 if busy else count + 1


def _eager() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore] # 3.12+
    return loop


LoopFactory = Callable[[], asyncio.AbstractEventLoop]
MISSING: Final[Mapping[str, str]] = {
    **({} if importlib.util.find_spec("uvloop") else {"uvloop": "uvloop is not to be had on this platform"}),
    **({} if sys.version_info >= (3, 12) else {"eager tasks": "eager tasks came with Python 3.12"}),
}
"""Why some cannot be run here."""
ALL: Final[Mapping[str, LoopFactory]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": lambda: Uvloop(),
    "eager tasks": _eager,
}
HERE: Final = {name: factory for name, factory in ALL.items() if name not in MISSING}
EVERY_LOOP: Final = pytest.mark.every_loop
