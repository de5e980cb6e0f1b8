"""Processes that live until they end or are killed, and the ways to kill them."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import multiprocessing.process
import random
import signal
import time
from collections.abc import Callable, Iterator
from typing import Final, Literal, TypeVar

import attrs

from ...conftest import HANGS
from .death import Death
from .worker import Orders, work

Given = TypeVar("Given")

Way = Literal["clock", "arrival", "write"]
WAYS: Final[tuple[Way, ...]] = ("clock", "arrival", "write")
_STEP: Final = 0.002

# Each worker is a fresh fork of a process that has done nothing but import: a start costs milliseconds.
# Otherwise each imports what the module that was started needs, and aiohttp with its first request.
_processes: Final = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([work.__module__, "tests.endurance.each_write.sweep", "aiohttp"])


@contextlib.contextmanager
def begun(program: Callable[[Given], None], orders: Given) -> Iterator[multiprocessing.process.BaseProcess]:
    """Start a process; none is left behind."""
    process = _processes.Process(target=program, args=(orders,))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()
        process.close()


async def exit_code(program: Callable[[Given], None], orders: Given) -> int | None:
    """Let a process live until it ends, or kills itself; None if it hangs."""
    ends_at = time.monotonic() + HANGS
    with begun(program, orders) as process:
        while process.is_alive() and time.monotonic() < ends_at:
            await asyncio.sleep(_STEP)
        return process.exitcode


@attrs.frozen(kw_only=True)
class Kill:
    """How to kill a worker.

    `clock`: at a moment drawn evenly from the time that such a worker lives. `arrival`: so many seconds after
    the gateway has received some number of its changes. `write`: so many seconds into one of its writes to
    the journal.
    """

    way: Way
    share: float
    """Of the worker's life, in time, in changes, or in writes."""
    seconds: float

    @classmethod
    def draw(cls, chance: random.Random) -> Kill:
        """Choose one."""
        way = chance.choice(WAYS)
        longest = {"clock": 0.0, "arrival": 0.06, "write": 0.004}[way]
        return cls(way=way, share=chance.random(), seconds=chance.uniform(0.0, longest))


@attrs.define
class Span:
    """How long a worker lives that is let live, in seconds: what kills by the clock are drawn from."""

    seconds: float = 1.0

    def learn(self, seconds: float) -> None:
        """Take in how long one has lived: machines differ, and are busy at times."""
        self.seconds = 0.7 * self.seconds + 0.3 * seconds


@attrs.frozen(kw_only=True)
class End:
    """How a worker ended."""

    killed: bool
    problem: str = ""


async def live(orders: Orders, kill: Kill | None, span: Span, arrived: Callable[[], int]) -> End:
    """Let a worker live until it ends, or is killed. `arrived` tells how many changes the gateway has."""
    changes = orders.changes or len(orders.batches)
    if kill is not None and kill.way == "write":
        # Most changes take four writes: handed in, being sent, accepted, ended.
        orders = attrs.evolve(
            orders, death=Death(write=1 + int(kill.share * 3 * changes), seconds=kill.seconds)
        )
    born, before = time.monotonic(), arrived()
    at = None if kill is None or kill.way != "clock" else born + 1.1 * kill.share * span.seconds
    wanted = None if kill is None or kill.way != "arrival" else before + 1 + int(kill.share * changes)
    with begun(work, orders) as process:
        while process.is_alive() and time.monotonic() < born + HANGS:
            if wanted is not None and kill is not None and arrived() >= wanted:
                at, wanted = time.monotonic() + kill.seconds, None
            if at is not None and time.monotonic() >= at:
                process.kill()
                at = None
            await asyncio.sleep(_STEP)
        code = process.exitcode
        if code == 0:
            span.learn(time.monotonic() - born)
    if code == 0 or (code == -signal.SIGKILL and kill is not None):
        return End(killed=code != 0)
    return End(killed=False, problem="a worker hangs" if code is None else f"a worker ended with {code}")
