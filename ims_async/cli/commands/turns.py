"""Many things worked on, so many at a time; the first error stops all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from ...bulk.stop import Stop

T = TypeVar("T")


async def by_turns(things: Iterable[T], work: Callable[[T], Awaitable[None]], *, at_once: int) -> None:
    """Work on all of them; the first error stops the others, and is raised.

    So does one that would meet every taxpayer, even where the work would get over it. For reads: what is
    under way is broken off.
    """
    left, stop = iter(things), Stop()

    async def worker() -> None:
        for thing in left:
            await work(thing)

    with stop.overseeing():
        workers = [asyncio.create_task(worker()) for _ in range(at_once)]
    try:
        async with stop.ending_waits():
            await asyncio.gather(*workers)
    finally:
        for one in workers:
            one.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
