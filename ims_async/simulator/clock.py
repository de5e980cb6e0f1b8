"""The simulator's clock: real, virtual with the event loop, or the caller's own."""

from __future__ import annotations

import asyncio
import time
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    """Give the time in epoch seconds.

    Without a `source` it starts at the wall clock's time and advances with the running event loop, so that
    it follows a loop with virtual time; without a running loop it advances with `time.monotonic`. A change
    from one to another takes no time.
    """

    def __init__(self, source: Callable[[], float] | None = None) -> None:
        self._source = source
        self._now = time.time()
        self._loop: weakref.ref[Any] | None = None
        self._last = time.monotonic()

    def now(self) -> float:
        """Return the time in epoch seconds."""
        if self._source:
            return self._source()
        try:
            loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        reading = loop.time() if loop else time.monotonic()
        if (self._loop() if self._loop else None) is loop:
            self._now += max(0.0, reading - self._last)
        else:
            self._loop = weakref.ref(loop) if loop else None
        self._last = reading
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock forward; raises `RuntimeError` if the caller passed a clock."""
        if self._source:
            raise RuntimeError("This simulator runs on the clock you passed: advance that one.")
        if seconds < 0:
            raise ValueError("A clock only moves forward.")
        self._now = self.now() + seconds
