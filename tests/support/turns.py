"""How much is done between two turns of the event loop, in figures that are the same on each machine.

Calls are counted, of Python functions and of C ones: what goes through all records without a pause makes as
many as there are records.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable
from types import FrameType
from typing import Any, Final

import pytest

from ims_async import steps

MOST_OF_EACH: Final = 4
"""Calls between two turns for each record: to look at its type is no harm, and what is longer makes more."""


class Turns:
    """Counts the calls between two turns of a loop, while `work` goes on."""

    def __init__(self) -> None:
        self.most = self.all = self._since = 0

    async def during(self, work: Awaitable[Any]) -> Any:
        """Await it, with all that others are given to do in between; return what it returns."""
        ticker = asyncio.create_task(self._tick())
        await asyncio.sleep(0)
        sys.setprofile(self._count)
        try:
            return await work
        finally:
            sys.setprofile(None)
            self._turn()
            ticker.cancel()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(0)
            self._turn()

    def _turn(self) -> None:
        self.most, self._since = max(self.most, self._since), 0

    def _count(self, frame: FrameType, event: str, argument: Any) -> None:
        if event in ("call", "c_call"):
            self._since += 1
            self.all += 1


@pytest.fixture
def each_step_is_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """However fast the machine is: else a turn has as many steps as fit into a millisecond."""
    monkeypatch.setattr(steps, "_LONGEST_TURN", 0.0)
