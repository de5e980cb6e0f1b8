"""How things are measured: in turns, in fresh processes, and printed as a plain table."""

from __future__ import annotations

import asyncio
import gc
import importlib
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

import attrs

T = TypeVar("T")


@attrs.frozen
class Timing:
    """The median of all rounds, in seconds of CPU, and the median ratio to the floor of the same round."""

    seconds: float
    ratio: float | None


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


def in_fresh_process(function: Callable[..., T], *arguments: object) -> T:
    """Call an importable function where nothing was allocated before it."""
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
    """One line of a table. `value` is what `goal` (an upper limit) is compared with."""

    name: str
    figure: str
    note: str = ""
    goal: float | None = None
    value: float | None = None
    unit: str = "×"

    def __str__(self) -> str:
        line = f"  {self.name:<58}{self.figure:>12}   {self.note:<16}"
        if self.goal is not None and self.value is not None:
            met = "met" if self.value <= self.goal else "MISSED"
            line += f"goal ≤ {self.goal:g} {self.unit}: {met}"
        return line.rstrip()


def show(title: str, rows: Iterable[Row]) -> None:
    """Print a table."""
    print(f"\n{title}")
    for row in rows:
        print(row, flush=True)


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
            )
            for name, timing in timings.items()
        ],
    )
