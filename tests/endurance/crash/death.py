"""A journal whose process kills itself at one of its writes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import attrs

from ims_async.journal import Change, Claim, SqliteJournal
from ims_async.model.records import Record

T = TypeVar("T")

When = Literal["before", "within", "after"]


@attrs.frozen(kw_only=True)
class Death:
    """When a process kills itself: at so manieth of its writes to the journal.

    `before` it: nothing of it is in the file. `after` it: it is on the disk, and whoever asked for it has not
    heard of it. `within`: so many `seconds` after it was begun.
    """

    write: int
    when: When = "within"
    seconds: float = 0.0


class DyingJournal(SqliteJournal):
    """Counts its writes, each `add`, `claim` and `put`, and dies at one of them."""

    def __init__(self, path: Path, *, clock: Callable[[], float], death: Death | None) -> None:
        super().__init__(path, clock=clock)
        self._death, self.writes = death, 0

    async def add(self, change: Change, records: Sequence[Record]) -> Change:
        """Store a change, or die of it."""
        add = super().add
        return await self._write(lambda: add(change, records))

    async def claim(self, change: Change, *, since: int | None = None) -> Claim:
        """Begin to send, or die of it."""
        claim = super().claim
        return await self._write(lambda: claim(change, since=since))

    async def put(self, change: Change) -> Change | None:
        """Store how a change stands, or die of it."""
        put = super().put
        return await self._write(lambda: put(change))

    async def _write(self, write: Callable[[], Awaitable[T]]) -> T:
        self.writes += 1
        death = self._death if self._death is not None and self._death.write == self.writes else None
        if death is None:
            return await write()
        if death.when == "within":
            asyncio.get_running_loop().call_later(death.seconds, _die)
        if death.when == "before":
            _die()
        written = await write()
        if death.when == "after":
            _die()
        return written


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
