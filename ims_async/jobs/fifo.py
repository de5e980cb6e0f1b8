"""A gate that lets one through at a time, in the order of arrival, however long each takes to get ready."""

from __future__ import annotations

import asyncio
from typing import Self


class Place:
    """One place in the queue: `with gate.join() as place:` leaves it again, whether its turn came or not."""

    def __init__(self, ahead: asyncio.Future[None] | None) -> None:
        self._ahead = ahead
        self.left: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()

    async def turn(self) -> None:
        """Wait until all ahead have left."""
        if self._ahead is not None and not self._ahead.done():
            await asyncio.wait([self._ahead])

    def _leave(self) -> None:
        """Leave, or give the place up: those behind then wait for those ahead."""
        if self._ahead is None or self._ahead.done():
            self.left.set_result(None)
        else:
            self._ahead.add_done_callback(lambda _: self.left.set_result(None))


class FifoGate:
    """A queue in front of one thing."""

    def __init__(self) -> None:
        self._last: asyncio.Future[None] | None = None

    @property
    def busy(self) -> bool:
        """True if the queue is not empty."""
        return self._last is not None and not self._last.done()

    def join(self) -> Place:
        """Take the last place."""
        place = Place(self._last if self.busy else None)
        self._last = place.left
        return place
