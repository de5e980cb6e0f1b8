"""How long thousands who wait for a budget stop the event loop: the longest turn of the loop, CPU time.

Run as `python -m benchmarks.pacing`. Time is virtual, so that minutes of waiting cost only their work. Where
all come in one turn of the loop, what their tasks cost without a pacer is taken off: that is measured with
as many tasks that wait for a bare future.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import attrs

from ims_async import ImsClient, PollPolicy, RateLimit, Sandbox
from ims_async.gsp.base import Request, Response
from ims_async.net.rate_limit import Pacer

from . import virtual_time
from .measure import Row, show, spread

T = TypeVar("T")

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


async def go(through: Pacer, gstin: str) -> None:
    """Send something that is answered at once."""
    async with through.turn(gstin):
        pass


@attrs.frozen(kw_only=True)
class Case:
    """What all wait for. `before`: each GSTIN has just sent one, which counts."""

    rate: Callable[[int], RateLimit | None]
    before: bool = False
    held: bool = False
    gives_way: bool = False


CASES: Final[dict[str, Case]] = {
    "budget of the account, open for all at once": Case(rate=RateLimit, before=True),
    "budget of the account, a hundred a minute": Case(rate=lambda _: RateLimit(100)),
    "budget of each GSTIN, open for all at once": Case(rate=lambda n: RateLimit(10 * n, 1), before=True),
    "held by the gateway, no budget of our own": Case(rate=lambda _: None, held=True),
    "polls, a hundred a minute": Case(rate=lambda _: RateLimit(100), gives_way=True),
}


async def waited(case: Case, waiters: int) -> tuple[float, float]:
    """All come in one turn of the loop; return its length, and that of the longest later on; in seconds."""
    through, stall, due = pacer(case.rate(waiters)), Stall(), asyncio.Event()
    if case.before:
        await asyncio.gather(*(go(through, f"{place}") for place in range(waiters)))
    if case.held:
        through.not_before(EPOCH + asyncio.get_running_loop().time() + 30.0)

    async def one(place: int) -> None:
        await due.wait()
        async with through.turn(f"{place}", gives_way=case.gives_way):
            pass

    tasks = [asyncio.create_task(one(place)) for place in range(waiters)]
    coming = await _coming(due, stall)
    await asyncio.sleep(600.0)  # those that have given way for five minutes are promoted in it
    leaving = stall.longest
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return coming, leaving


async def floor(waiters: int) -> float:
    """Return how long the turn is in which as many tasks begin to wait for a bare future; in seconds."""
    loop, stall, due = asyncio.get_running_loop(), Stall(), asyncio.Event()
    futures: list[asyncio.Future[None]] = []

    async def one() -> None:
        await due.wait()
        futures.append(loop.create_future())
        await futures[-1]

    tasks = [asyncio.create_task(one()) for _ in range(waiters)]
    coming = await _coming(due, stall)
    for future in futures:
        future.set_result(None)
    await asyncio.gather(*tasks)
    return coming


class Working:
    """A gateway that says of each job that it is still at work."""

    async def send(self, request: Request) -> Response:
        """Answer at once."""
        return Response(status=200, headers={}, body=_IN_PROGRESS)

    async def aclose(self) -> None:
        """Nothing is open."""


_IN_PROGRESS: Final = b'{"code": 200, "data": {"status_cd": "1", "data": {"status_cd": "IP"}}}'


async def polled(jobs: int) -> float:
    """Wait for so many jobs at once, whose polls all fall due at one moment; return the longest turn."""
    loop = asyncio.get_running_loop()
    policy = PollPolicy(schedule=lambda: itertools.repeat(60.0))
    client = ImsClient(
        Sandbox("key_test_demo"), transport=Working(), poll=policy, clock=lambda: EPOCH + loop.time()
    )
    acme = client.taxpayer("27AAACB1234C1Z1", token="token", check=False)  # noqa: S106 # any will do
    waits = [asyncio.ensure_future(acme.job(f"job {place}").wait()) for place in range(jobs)]
    await asyncio.sleep(30.0)
    stall = Stall()
    await asyncio.sleep(60.0)
    longest = stall.longest
    await client.aclose()
    await asyncio.gather(*waits, return_exceptions=True)
    return longest


async def _coming(due: asyncio.Event, stall: Stall) -> float:
    await asyncio.sleep(1.0)
    stall.begin()
    due.set()
    await asyncio.sleep(0.5)
    coming = stall.longest
    stall.begin()
    return coming


def without_collector(main: Coroutine[Any, Any, T]) -> T:
    """Run in virtual time; a full collection costs as much whoever happens to trigger it."""
    gc.collect()
    gc.disable()
    try:
        return virtual_time.run(main)
    finally:
        gc.enable()


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print tables; the best of some rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waiters", type=int, nargs="+", default=[1_000, 4_000, 10_000])
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args(arguments)
    for waiters in asked.waiters:
        rows, rounds = [], range(asked.rounds)
        tasks = min(without_collector(floor(waiters)) for _ in rounds) * 1000
        for name, case in CASES.items():
            figures = [without_collector(waited(case, waiters)) for _ in rounds]
            both = [(coming * 1000 - tasks, leaving * 1000) for coming, leaving in figures]
            coming, leaving = (min(found) for found in zip(*both, strict=True))
            note = f"coming {coming:,.1f}, leaving {leaving:,.1f}"
            rows.append(_row(name, [*map(max, both)], note, max(coming, leaving), waiters))
        turns = [without_collector(polled(waiters)) * 1000 for _ in rounds]
        rows.append(_row("polls due at one moment, all that a poll costs", turns, "", min(turns), waiters))
        rows.append(Row("the tasks of those who wait, taken off the turn they come in", f"{tasks:,.1f} ms"))
        show(
            f"longest turn of the event loop with {waiters:,} who wait, CPU, the least of {asked.rounds}",
            rows,
        )


def _row(name: str, turns: list[float], note: str, own: float, waiters: int) -> Row:
    goal = GOAL_MS if waiters >= 10_000 else None
    return Row(name, f"{own:,.1f} ms", note, goal, own, "ms", spread(turns))


if __name__ == "__main__":
    main()
