"""10,000 jobs waited for at once: memory of each, CPU of each poll; and ten waiters on one job.

Run as `python -m benchmarks.jobs`. There is no HTTP here: a poll is a coroutine that answers at once, and
what it costs by itself is taken off. Time is virtual.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import heapq
import importlib
import math
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Final

import attrs
import backoff

from ims_async import ImsJob, JobKind, JobState, JobStatus, JobToken, PollPolicy
from ims_async.jobs.alarms import Alarms
from ims_async.net.poll_times import PollTimes

from . import virtual_time
from .measure import Row, can_tell_memory, in_fresh_process, installed, resident, row, show

FLOOR: Final = "one heap and one task, nothing else (floor)"
OURS: Final = "ims_async ImsJob, one task awaiting each"
POLLS: Final = 8  # of each job, the last of which finds it done
FIRST, FACTOR, LONGEST = 2.0, 2.0, 60.0  # the schedule of our default policy, for everybody
GOAL_KILOBYTES, GOAL_MICROSECONDS = 3.5, 25.0  # of a job; of a poll
POLICY: Final = PollPolicy(initial_delay=FIRST, factor=FACTOR, max_interval=LONGEST, deadline=1e9)


class Gateway:
    """Answers polls at once; a job is done when it was asked about often enough."""

    def __init__(self, done_after: int, references: Iterable[str] = ()) -> None:
        self.polls = 0
        self._done_after = done_after
        self._asked = dict.fromkeys(references, 0)

    async def status(self, token: JobToken) -> JobStatus:
        """Answer as a client's own method does, which serves all its jobs."""
        return await self.poll(token.reference_id or "", token.kind)

    async def poll(self, reference: str, kind: JobKind) -> JobStatus:
        """Make a status as the codec makes it from an answer."""
        self.polls += 1
        asked = self._asked[reference] = self._asked.get(reference, 0) + 1
        done = asked >= self._done_after
        return JobStatus(
            state=JobState.SUCCEEDED if done else JobState.PROCESSING,
            raw_code="S" if done else "IP",
            polled_at=float(asked),
            raw={"status_cd": "IP", "transTypCd": "SAV"},
        )


Wait = Callable[[Gateway, str], Awaitable[object]]
WaitAll = Callable[[Gateway, list[str]], Coroutine[Any, Any, object]]


async def ours(gateway: Gateway, references: list[str]) -> None:
    """Await jobs that were resumed from their tokens; as in a client, timer and schedule serve them all."""
    alarms, times = Alarms(), PollTimes(POLICY)

    async def one(gateway: Gateway, reference: str) -> None:
        await _job(gateway, reference, times, alarms).wait()

    await each(one)(gateway, references)


def _job(gateway: Gateway, reference: str, times: PollTimes, alarms: Alarms | None = None) -> ImsJob:
    token = JobToken(
        gsp="bench", host="localhost", gstin="29AAACQ3770E1ZF", kind=JobKind.SAVE, reference_id=reference
    )

    return ImsJob(token, poll=gateway.status, times=times, alarms=alarms)


async def sleep_loop(gateway: Gateway, reference: str) -> None:
    """Poll in a loop with a sleep, as everyone writes it first."""
    delay = FIRST
    while True:
        await asyncio.sleep(delay)
        if (await gateway.poll(reference, JobKind.SAVE)).done:
            return
        delay = min(delay * FACTOR, LONGEST)


async def on_predicate(gateway: Gateway, reference: str) -> None:
    """Poll under backoff's decorator, with its default jitter and without its log."""

    @backoff.on_predicate(
        backoff.expo, lambda status: not status.done, factor=FIRST, max_value=LONGEST, logger=None
    )
    async def poll() -> JobStatus:
        return await gateway.poll(reference, JobKind.SAVE)

    await poll()


async def with_tenacity(gateway: Gateway, reference: str) -> None:
    """Poll under tenacity."""
    tenacity = importlib.import_module("tenacity")
    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_result(lambda status: not status.done),
        wait=tenacity.wait_random_exponential(multiplier=FIRST, max=LONGEST),
    )
    await retrying(gateway.poll, reference, JobKind.SAVE)


class NotYetError(Exception):
    """Raised for stamina, which retries on exceptions only."""


async def with_stamina(gateway: Gateway, reference: str) -> None:
    """Poll under stamina, without what it would report of each retry."""
    stamina = importlib.import_module("stamina")
    stamina.instrumentation.set_on_retry_hooks([])
    async for attempt in stamina.retry_context(
        on=NotYetError, attempts=None, timeout=None, wait_initial=FIRST, wait_max=LONGEST
    ):
        with attempt:
            if not (await gateway.poll(reference, JobKind.SAVE)).done:
                raise NotYetError


async def heap_and_worker(gateway: Gateway, references: list[str]) -> None:
    """Poll all jobs from one heap; no handle, nobody told, nothing kept: the least that can be done."""
    loop = asyncio.get_running_loop()
    heap = [(loop.time() + FIRST + n * 1e-4, FIRST, reference) for n, reference in enumerate(references)]
    heapq.heapify(heap)
    while heap:
        at, delay, reference = heap[0]
        if at > loop.time():
            await asyncio.sleep(at - loop.time())
        if (await gateway.poll(reference, JobKind.SAVE)).done:
            heapq.heappop(heap)
        else:
            heapq.heapreplace(heap, (loop.time() + delay, min(delay * FACTOR, LONGEST), reference))


def each(wait: Wait) -> WaitAll:
    """Make one waiting task per job; their beginnings are spread over a second, as real ones are."""

    async def one(gateway: Gateway, place: int, reference: str) -> None:
        await asyncio.sleep(place * 1e-4)
        await wait(gateway, reference)

    async def all_of_them(gateway: Gateway, references: list[str]) -> None:
        await asyncio.gather(*(one(gateway, place, name) for place, name in enumerate(references)))

    return all_of_them


PEERS: Final[dict[str, tuple[str, WaitAll]]] = {
    FLOOR: ("asyncio", heap_and_worker),
    OURS: ("ims_async", ours),
    "a sleep loop in a task": ("asyncio", each(sleep_loop)),
    "backoff.on_predicate in a task": ("backoff", each(on_predicate)),
    "tenacity in a task": ("tenacity", each(with_tenacity)),
    "stamina in a task": ("stamina", each(with_stamina)),
}


def main(arguments: list[str] | None = None) -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jobs", description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000, help="how many wait at once (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="how many rounds in turns (%(default)s)")
    chosen = parser.parse_args(arguments)
    print(
        f"Python {sys.version.split()[0]}; each figure from a process of its own, medians of {chosen.rounds}"
    )
    names = []
    for name, (module, _) in PEERS.items():
        if installed(module):
            names.append(name)
        else:
            print(f"skipped: {module} is not installed")
    weighed: dict[str, list[Weighed]] = {name: [] for name in names}
    for _ in range(chosen.rounds):
        for name in names:
            weighed[name].append(in_fresh_process(weigh, name, chosen.jobs))
    memory(weighed, chosen.jobs)
    cpu(weighed, chosen.jobs)
    waiters(10)


@attrs.frozen
class Weighed:
    """What waiting for many jobs cost one process: bytes per job, seconds per poll above the poll itself."""

    bytes_per_job: float
    seconds_per_poll: float


def weigh(name: str, jobs: int) -> Weighed:
    """Wait until many jobs are done; look at the memory while each has been polled a few times."""
    wait_for_all = PEERS[name][1]
    virtual_time.run(wait_for_all(Gateway(2), ["warm-up"]))
    references = [f"{number:015x}" for number in range(jobs)]

    async def run() -> tuple[int, float]:
        gateway = Gateway(POLLS, references)
        before = _held()
        begun = time.process_time()
        waiting = asyncio.create_task(wait_for_all(gateway, references))
        await asyncio.sleep(20.0)
        paused = time.process_time()
        held = _held() - before
        begun += time.process_time() - paused
        await waiting
        return held, (time.process_time() - begun) / gateway.polls

    held, seconds = virtual_time.run(run())
    return Weighed(held / jobs, seconds - virtual_time.run(cost_of_a_poll(references)))


def _held() -> int:
    gc.collect()
    return resident()[0] if can_tell_memory() else 0


async def cost_of_a_poll(references: list[str]) -> float:
    """Return what the gateway's own coroutine costs, in seconds of CPU."""
    gateway = Gateway(POLLS, references)
    begun = time.process_time()
    for _ in range(POLLS):
        for reference in references:
            await gateway.poll(reference, JobKind.SAVE)
    return (time.process_time() - begun) / gateway.polls


def memory(weighed: dict[str, list[Weighed]], jobs: int) -> None:
    """Print what a waiting job holds."""
    if not can_tell_memory():
        print("\nmemory: skipped, this system does not tell a process how much it holds")
        return
    held = {name: [w.bytes_per_job / 1000 for w in found] for name, found in weighed.items()}
    show(f"memory per waiting job, {jobs:,} of them", _rows(held, "kB", 2, GOAL_KILOBYTES))


def cpu(weighed: dict[str, list[Weighed]], jobs: int) -> None:
    """Print what a poll costs beside the poll itself."""
    taken = {name: [w.seconds_per_poll * 1e6 for w in found] for name, found in weighed.items()}
    show(
        f"CPU per poll above transport, {jobs:,} jobs of {POLLS} polls each",
        _rows(taken, "µs", 1, GOAL_MICROSECONDS),
    )


def _rows(found: dict[str, list[float]], unit: str, digits: int, goal: float) -> list[Row]:
    """Return rows whose ratios are to the floor of the same round."""
    rows = []
    for name, values in found.items():
        ratio = statistics.median(a / b if b else math.nan for a, b in zip(values, found[FLOOR], strict=True))
        own = goal if name == OURS else None
        rows.append(row(name, values, unit, digits=digits, note=f"{ratio:.1f} ×", goal=own))
    return rows


def waiters(count: int) -> None:
    """Print how many billed polls it takes when many wait for one and the same job."""

    async def together() -> int:
        gateway = Gateway(POLLS)
        job = _job(gateway, "shared", PollTimes(POLICY))
        await asyncio.gather(*(job.wait() for _ in range(count)))
        return gateway.polls

    async def apart(wait: Wait) -> int:
        gateways = [Gateway(POLLS) for _ in range(count)]
        await asyncio.gather(*(wait(gateway, "shared") for gateway in gateways))
        return sum(gateway.polls for gateway in gateways)

    one = virtual_time.run(together())
    rows = [
        Row("ims_async, all awaiting one ImsJob", f"{one} polls", f"{one / POLLS:.1f} ×", 1.0, one / POLLS)
    ]
    for name, wait in (
        ("a sleep loop in each task", sleep_loop),
        ("backoff.on_predicate in each", on_predicate),
    ):
        polls = virtual_time.run(apart(wait))
        rows.append(Row(name, f"{polls} polls", f"{polls / POLLS:.1f} ×"))
    show(f"{count} waiters on one job that is done at poll {POLLS}", rows)


if __name__ == "__main__":
    main()
