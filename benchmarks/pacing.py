"""How long thousands who wait for a budget stop the event loop: the longest turn of the loop, CPU time.

Run as `python -m benchmarks.pacing`. Time is virtual, so that minutes of waiting cost only their work. Where
all come in one turn of the loop, what their tasks cost without a pacer is taken off: that is measured with
as many tasks that wait for a bare future.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import math
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from ims_async import RateLimit
from ims_async.pacing import Pacer

from . import virtual_time
from .measure import Row, show

GOAL_MS: Final = 15.0  # with 10,000 who wait
EPOCH: Final = 1_746_530_932.0


class Stall:
    """The CPU time of the longest turn of the event loop since it was begun, in seconds."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._loop = asyncio.get_running_loop()
        self._begun = time.thread_time()
        run_once = self._loop._run_once  # type: ignore[attr-defined] # there is no public mark of a turn

        def measured() -> None:
            run_once()
            now = time.thread_time()
            self.longest, self._begun = max(self.longest, now - self._begun), now

        self._loop._run_once = measured  # type: ignore[attr-defined]

    def begin(self) -> None:
        """Forget what was until now."""
        self.longest = 0.0


def pacer(rate: RateLimit | None) -> Pacer:
    """Make one whose wall clock goes by the loop."""
    loop = asyncio.get_running_loop()
    return Pacer(rate, clock=lambda: EPOCH + loop.time())


async def go(through: Pacer, gstin: str, *, gives_way: bool = False) -> None:
    """Send something that is answered at once."""
    async with through.turn(gstin, gives_way=gives_way):
        pass


async def account(waiters: int, stall: Stall) -> None:
    """All wait for the budget of the account, which lets them out in one burst a minute later."""
    through = pacer(RateLimit(waiters))
    await asyncio.gather(*(go(through, f"{place}") for place in range(waiters)))
    tasks = [asyncio.create_task(go(through, f"{place}")) for place in range(waiters)]
    await asyncio.sleep(1.0)
    stall.begin()
    await asyncio.sleep(61.0)
    assert all(task.done() for task in tasks)


async def trickle(waiters: int, stall: Stall) -> None:
    """All wait for the budget of the account, a hundred a minute: what one admission costs."""
    through = pacer(RateLimit(100))
    tasks = [asyncio.create_task(go(through, f"{place}")) for place in range(waiters)]
    await asyncio.sleep(1.0)
    stall.begin()
    await asyncio.sleep(600.0)
    await _cancel(tasks, stall)


async def per_gstin(waiters: int, stall: Stall) -> None:
    """Each GSTIN's second request waits for its own minute, and all those minutes end together."""
    through = pacer(RateLimit(10 * waiters, per_gstin=1))
    await asyncio.gather(*(go(through, f"{place}") for place in range(waiters)))
    tasks = [asyncio.create_task(go(through, f"{place}")) for place in range(waiters)]
    await asyncio.sleep(1.0)
    stall.begin()
    await asyncio.sleep(61.0)
    assert all(task.done() for task in tasks)


async def held(waiters: int, stall: Stall) -> None:
    """The gateway asked all to wait, and there is no budget of our own."""
    through = pacer(None)
    through.not_before(EPOCH + asyncio.get_running_loop().time() + 30.0)
    tasks = [asyncio.create_task(go(through, f"{place}")) for place in range(waiters)]
    await asyncio.sleep(1.0)
    stall.begin()
    await asyncio.sleep(30.0)
    assert all(task.done() for task in tasks)


async def polls(waiters: int, stall: Stall) -> None:
    """All come in one turn of the loop, and are let out one by one; includes what beginning a task costs."""
    through = pacer(RateLimit(100))
    due = asyncio.Event()

    async def poll(place: int) -> None:
        await due.wait()
        await go(through, f"{place}", gives_way=True)

    tasks = [asyncio.create_task(poll(place)) for place in range(waiters)]
    await asyncio.sleep(1.0)
    stall.begin()
    due.set()
    await asyncio.sleep(600.0)  # those that have given way for five minutes are promoted in it
    await _cancel(tasks, stall)


async def arrive(waiters: int, stall: Stall) -> None:
    """The floor of that: they come in one turn of the loop and wait for a bare future."""
    loop = asyncio.get_running_loop()
    due, futures = asyncio.Event(), list[asyncio.Future[None]]()

    async def one() -> None:
        await due.wait()
        futures.append(loop.create_future())
        await futures[-1]

    tasks = [asyncio.create_task(one()) for _ in range(waiters)]
    await asyncio.sleep(1.0)
    stall.begin()
    due.set()
    await asyncio.sleep(1.0)
    await _cancel(tasks, stall)


async def _cancel(tasks: list[asyncio.Task[None]], stall: Stall) -> None:
    longest = stall.longest
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    stall.longest = longest


Case = Callable[[int, Stall], Coroutine[Any, Any, None]]

CASES: Final[dict[str, Case]] = {
    "budget of the account, let out in one burst": account,
    "budget of the account, a hundred a minute": trickle,
    "budget of each GSTIN, all open at once": per_gstin,
    "held by the gateway, no budget": held,
}


def measured(case: Case, waiters: int, rounds: int) -> float:
    """Return the longest turn of the loop, in milliseconds; the best of some rounds."""

    async def main() -> float:
        stall = Stall()
        await case(waiters, stall)
        return stall.longest * 1000

    best = math.inf
    for _ in range(rounds):
        gc.collect()
        gc.disable()  # a full collection costs as much whoever triggers it
        best = min(best, virtual_time.run(main()))
        gc.enable()
    return best


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waiters", type=int, nargs="+", default=[1_000, 4_000, 10_000])
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    for waiters in asked.waiters:
        goal = GOAL_MS if waiters >= 10_000 else None
        rows = []
        for name, case in CASES.items():
            longest = measured(case, waiters, asked.rounds)
            rows.append(Row(name, f"{longest:,.1f} ms", "", goal, longest, "ms"))
        longest, floor = (measured(case, waiters, asked.rounds) for case in (polls, arrive))
        name, note, share = "polls, all due at once", f"{longest:,.1f} in all", longest - floor
        rows.append(Row(name, f"{share:,.1f} ms", note, goal, share, "ms"))
        show(f"longest turn of the event loop, {waiters:,} who wait", rows)


if __name__ == "__main__":
    main()
