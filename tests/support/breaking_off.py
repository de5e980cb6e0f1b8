"""Cancels something at its n-th suspension, for each n until it completes."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from .sweeps import stride

W = TypeVar("W")

_LONGEST = 100_000.0  # seconds; of virtual time, or never reached


class _Cut:
    """Cancels a task at the n-th suspension, its own or that of a task that was begun meanwhile.

    With `late` what is waited for comes first: the task is cancelled before it hears of it.
    """

    def __init__(self, at: int, *, late: bool) -> None:
        self._left, self._late = at, late
        self.task: asyncio.Task[Any] | None = None
        self.reached = False

    def suspended(self, waits_for: Any) -> None:
        """Count a suspension."""
        self._left -= 1
        task = self.task
        if self._left != -1 or task is None or task.done():
            return
        self.reached = True
        if self._late and isinstance(waits_for, asyncio.Future):
            waits_for.add_done_callback(lambda _: task.cancel())
        else:
            task.cancel()

    def factory(self, loop: asyncio.AbstractEventLoop, work: Any, **facts: Any) -> asyncio.Task[Any]:
        """Make a task whose suspensions count."""
        return asyncio.Task(_Counted(work, self), loop=loop, **facts)


class _Counted(Coroutine[Any, Any, Any]):
    """A coroutine whose suspensions count."""

    def __init__(self, work: Coroutine[Any, Any, Any], cut: _Cut) -> None:
        self._work, self._cut = work, cut

    def send(self, value: Any) -> Any:
        """Go on."""
        return self._hand_on(self._work.send(value))

    def throw(self, *error: Any) -> Any:
        """Go on with an error."""
        return self._hand_on(self._work.throw(*error))

    def _hand_on(self, waits_for: Any) -> Any:
        self._cut.suspended(waits_for)
        return waits_for

    def close(self) -> None:
        """End it."""
        self._work.close()

    def __await__(self) -> Any:
        return self._work.__await__()


async def broken_off(begun: Coroutine[Any, Any, Any], *, at: int, late: bool = False) -> bool:
    """Run a coroutine and cancel it at its n-th suspension; False if it ended before."""
    loop, cut = asyncio.get_running_loop(), _Cut(at, late=late)
    loop.set_task_factory(cut.factory)
    try:
        task = cut.task = loop.create_task(begun)
        async with asyncio.timeout(_LONGEST):
            await asyncio.wait([task])
    finally:
        loop.set_task_factory(None)
    if not cut.reached:
        task.result()
        return False
    if not task.cancelled():
        task.result()  # it had ended in the same breath
    return True


async def at_each_point(
    world: Callable[[], Awaitable[W]],
    act: Callable[[W], Coroutine[Any, Any, Any]],
    check: Callable[[W], Awaitable[Any]],
) -> int:
    """Break something off at each point, in a fresh world each time, and check the world afterwards.

    Returns at how many points it was broken off. A sample takes each fourth, `late` those halfway between.
    """
    points = 0
    for late in (False, True):
        for at in itertools.count(late * (stride(4) // 2), stride(4)):
            fresh = await world()
            reached = await broken_off(act(fresh), at=at, late=late)
            try:
                async with asyncio.timeout(_LONGEST):
                    await check(fresh)
            except BaseException as error:
                error.add_note(f"after it was broken off at suspension {at}, {late=}")
                raise
            if not reached:
                break
            points += 1
    return points


async def drained(things: AsyncGenerator[Any, None]) -> list[Any]:
    """Return all that an iterator yields, and close it."""
    async with aclosing(things):
        return [thing async for thing in things]
