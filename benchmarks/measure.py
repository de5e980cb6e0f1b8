"""How things are measured: in turns, in fresh processes, and shown as tables of rows with goals."""

from __future__ import annotations

import asyncio
import gc
import importlib
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

import attrs

T = TypeVar("T")


@attrs.frozen
class Timing:
    """The median of all rounds, in seconds of CPU, and the median ratio to the floor of the same round."""

    seconds: float
    ratio: float | None
    rounds: Sequence[float] = ()

    def spread(self, scale: float, digits: int = 1) -> str:
        """Return the least and the most of all rounds, in seconds times `scale`."""
        return spread([seconds * scale for seconds in self.rounds], digits)


def take_turns(
    contenders: Mapping[str, Callable[[], object]], *, floor: str, rounds: int, repeat: int = 1
) -> dict[str, Timing]:
    """Run every contender once a round and compare; `repeat` calls make one measurement of short ones."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for call in contenders.values():
        call()  # caches and lazily built tables belong to nobody's first round
    gc.collect()
    gc.freeze()  # the workload is not the contenders' garbage
    for _ in range(rounds):
        for name, call in contenders.items():
            gc.collect()
            begun = time.process_time()
            for _ in range(repeat):
                call()
            taken[name].append((time.process_time() - begun) / repeat)
    gc.unfreeze()
    floors = taken.get(floor)
    return {
        name: Timing(
            statistics.median(times),
            statistics.median(a / b for a, b in zip(times, floors, strict=True)) if floors else None,
            times,
        )
        for name, times in taken.items()
    }


def installed(module: str) -> bool:
    """Say whether a module can be imported."""
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


fresh_processes = True
"""Whether there are any; without them a figure of memory or of a first call means nothing."""


def in_fresh_process(function: Callable[..., T], *arguments: object) -> T:
    """Call an importable function where nothing was allocated before it."""
    if not fresh_processes:
        return function(*arguments)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def resident() -> tuple[int, int]:
    """Return the memory that this process holds, and the most that it ever held; in bytes. Linux only."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    facts = dict(line.split(":", 1) for line in lines)
    return int(facts["VmRSS"].split()[0]) * 1024, int(facts["VmHWM"].split()[0]) * 1024


def can_tell_memory() -> bool:
    """Say whether this system tells a process how much memory it holds."""
    return Path("/proc/self/status").exists()


async def longest_gap(work: Callable[[], Awaitable[object]]) -> float:
    """Run `work` beside a ticker of 1 ms and return the longest time between two ticks, in seconds."""
    longest, last = 0.0, time.perf_counter()

    async def tick() -> None:
        nonlocal longest, last
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    ticker = asyncio.create_task(tick())
    await asyncio.sleep(0.01)
    longest = 0.0
    kept = await work()
    await asyncio.sleep(0.005)
    ticker.cancel()
    del kept
    return longest


@attrs.frozen
class Row:
    """One line of a table. `value` is what `goal` is compared with: a limit from above, or from below."""

    name: str
    figure: str
    note: str = ""
    goal: float | None = None
    value: float | None = None
    unit: str = "×"
    spread: str = ""
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the goal was met; None without one."""
        if self.goal is None or self.value is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    @property
    def verdict(self) -> str:
        """The goal, and whether it was met; "" without one."""
        if self.met is None:
            return ""
        return (
            f"{'≥' if self.at_least else '≤'} {self.goal:.3g} {self.unit}: {'met' if self.met else 'MISSED'}"
        )

    def __str__(self) -> str:
        goal = (
            f"goal {self.verdict}" if self.verdict and fresh_processes else ""
        )  # of tiny sizes it says nothing
        return f"  {self.name:<58}{self.figure:>12}   {self.spread:<15} {self.note:<16} {goal}".rstrip()


def row(
    name: str,
    values: Sequence[float],
    unit: str,
    *,
    digits: int = 1,
    note: str = "",
    goal: float | None = None,
) -> Row:
    """Return a row of repeated measurements: their median, least and most. `goal` is one of the median."""
    median = statistics.median(values)
    figure = f"{median:,.{digits}f} {unit}"
    return Row(name, figure, note, goal, median, unit, spread(values, digits))


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Return the least and the most of several values; "" of one."""
    return f"{min(values):,.{digits}f}–{max(values):,.{digits}f}" if len(values) > 1 else ""


@attrs.frozen
class Table:
    """What a benchmark found out about one thing."""

    title: str
    rows: Sequence[Row]


tables: Final[list[Table]] = []
"""All that were shown by this process."""


def show(title: str, rows: Iterable[Row]) -> None:
    """Print a table, and add it to `tables`."""
    table = Table(title, [*rows])
    tables.append(table)
    print(f"\n{title}", *table.rows, sep="\n", flush=True)


def show_timings(
    title: str, timings: Mapping[str, Timing], *, ours: str, goal: float, scale: float = 1.0, unit: str = "s"
) -> None:
    """Print CPU times with their ratios to the floor; `goal` is the ratio that ours must keep to."""
    show(
        title,
        [
            Row(
                name,
                f"{timing.seconds * scale:,.3f} {unit}",
                f"{timing.ratio:.2f} ×" if timing.ratio is not None else "",
                goal if name == ours else None,
                timing.ratio,
                spread=timing.spread(scale, 3),
            )
            for name, timing in timings.items()
        ],
    )
