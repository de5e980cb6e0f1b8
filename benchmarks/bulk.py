"""Many taxpayers at once: time, requests, CPU and memory of `bulk.save_all`, beside a plain gather.

Run as `python -m benchmarks.bulk [--quick [N]] [--only PART …] [--folder DIR]`. Its parts `paced` and
`fairness` go by virtual time, against the simulator in memory: they depend on no machine, and come out the
same each time. `cpu` and `memory` go over HTTP on loopback, with the journal on the disk in DIR; seconds are
those of this machine, and rough while others use it.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import random
import statistics
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from ims_async import Decision, ImsClient, RateLimit, Sandbox, Taxpayer, bulk
from ims_async.bulk import EventKind
from ims_async.journal import MemoryJournal
from ims_async.simulator import Simulator

from . import bulk_http, virtual_time
from .measure import Row, in_fresh_process, show

PARTS: Final = ("paced", "fairness", "cpu", "memory")
SEED: Final = 7
PER_MINUTE: Final = 100
MEDIAN: Final = 60.0  # seconds that a job takes
SPREADS: Final = (0.5, 1.0)  # sigma of the lognormal distribution around it
GOAL: Final = 1.15  # times the larger of two requests a job at that rate, and the longest job
EPOCH: Final = 1_795_000_000.0  # where virtual clocks start, in epoch seconds

Work = Mapping[Taxpayer, list[Decision]]
Failures = Counter[str]
SaveAll = Callable[[ImsClient, Work], Awaitable[Failures]]


def clock() -> float:
    """Tell the virtual time in epoch seconds."""
    return EPOCH + asyncio.get_running_loop().time()


# -- how hundreds are saved ------------------------------------------------------------------------------


async def ours(client: ImsClient, work: Work) -> Failures:
    """Save all with default settings."""
    report = await bulk.save_all(client, work)
    return Counter(type(one.error).__name__ if one.error else "refused" for one in report if not one.ok)


async def gathered(_: ImsClient, work: Work) -> Failures:
    """Save all as is written first: one coroutine each, all at once."""

    async def one(taxpayer: Taxpayer, decisions: list[Decision]) -> None:
        job = await taxpayer.save(decisions)
        (await job).raise_for_failures()

    ends = await asyncio.gather(*(one(*pair) for pair in work.items()), return_exceptions=True)
    return Counter(type(end).__name__ for end in ends if end is not None)


OURS: Final = "ims_async bulk.save_all, RateLimit(100)"
CONTENDERS: Final[dict[str, tuple[SaveAll, RateLimit | None]]] = {
    OURS: (ours, RateLimit(PER_MINUTE)),
    "gather of save + await job, RateLimit(100)": (gathered, RateLimit(PER_MINUTE)),
    "gather of save + await job, no budget": (gathered, None),
}


# -- time at a given rate --------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Outcome:
    """What one contender took. Times in virtual minutes; `longest` is that of the longest single job."""

    minutes: float
    longest: float
    jobs: int
    requests: int
    throttled: int
    failures: Failures
    applied: int


def virtual_run(name: str, taxpayers: int, each: int, spread: float) -> Outcome:
    """Let a contender save everything; in virtual time, with seeded jitter."""
    random.seed(SEED)
    return virtual_time.run(_virtual_run(name, taxpayers, each, spread))


async def _virtual_run(name: str, taxpayers: int, each: int, spread: float) -> Outcome:
    save_all, rate = CONTENDERS[name]
    sim = Simulator(
        job_seconds=lambda rng: rng.lognormvariate(math.log(MEDIAN), spread),
        **_settings(taxpayers, each, rate_limit=PER_MINUTE),
    )
    async with _client(sim.transport, rate) as client:
        work = await decided(client, [sim])
        before, begun = len(sim.requests), sim.now()
        failures = await save_all(client, work)
        asked = sim.requests[before:]
        return Outcome(
            minutes=(sim.now() - begun) / 60,
            longest=max(job.due_at - job.submitted_at for job in sim.jobs) / 60,
            jobs=len(sim.jobs),
            requests=len(asked),
            throttled=sum(request.status == 429 for request in asked),
            failures=failures,
            applied=len(sim.effects),
        )


def _settings(
    taxpayers: int, each: int, *, seed: int = SEED, rate_limit: int | None = None
) -> dict[str, Any]:
    return {
        "seed": seed,
        "taxpayers": taxpayers,
        "invoices": each,
        "sections": ["b2b"],
        "clock": clock,
        "rate_limit": rate_limit,
        "token_seconds": 1e6,  # nobody's session ends in the middle
    }


def _client(transport: Any, rate: RateLimit | None) -> ImsClient:
    return ImsClient(
        Sandbox("key_test_demo", "secret_test_demo"),
        transport=transport,
        clock=clock,
        rate=rate,
        journal=MemoryJournal(clock=clock),
    )


async def decided(client: ImsClient, sims: list[Simulator]) -> Work:
    """Accept every record of these worlds, and wait until no request of the reading counts any more."""
    work: dict[Taxpayer, list[Decision]] = {}
    for sim in sims:
        async with _client(sim.transport, RateLimit(PER_MINUTE)) as reader:
            for gstin in sim.gstins:
                rows = await reader.taxpayer(gstin, token=sim.token(gstin)).invoices("b2b")
                work[client.taxpayer(gstin, token=sim.token(gstin))] = [row.accept() for row in rows]
    await asyncio.sleep(61.0)
    return work


def paced(taxpayers: int, each: int) -> None:
    """Print how long it takes at so many requests a minute."""
    for spread in SPREADS:
        outcomes = {name: in_fresh_process(virtual_run, name, taxpayers, each, spread) for name in CONTENDERS}
        two_each, longest = 2 * taxpayers / PER_MINUTE, outcomes[OURS].longest
        ideal = max(two_each, longest)
        show(
            f"virtual time of {taxpayers} GSTINs x {each} decisions, {PER_MINUTE} requests a minute, the "
            f"simulator in memory,\njobs lognormal with a median of {MEDIAN:g} s and a sigma of {spread:g}",
            [
                Row("two requests a job at that rate", f"{two_each:.2f} min", f"{two_each / ideal:.2f} ×"),
                Row("the longest job alone", f"{longest:.2f} min", f"{longest / ideal:.2f} ×"),
                *(row for name, outcome in outcomes.items() for row in _rows(name, outcome, ideal)),
            ],
        )


def _rows(name: str, outcome: Outcome, ideal: float) -> list[Row]:
    mine, failed = name == OURS, outcome.failures.total()
    times, throttled = outcome.minutes / ideal, outcome.throttled
    told = ", ".join(f"{count} {why}" for why, count in outcome.failures.items())
    return [
        Row(name, f"{outcome.minutes:.2f} min", f"{times:.2f} ×", GOAL if mine else None, times),
        Row("  answers 429", f"{throttled}", "", 0 if mine else None, throttled, "answers"),
        Row("  requests per job", f"{outcome.requests / max(outcome.jobs, 1):.3f}"),
        Row("  GSTINs that did not get through", f"{failed}", told, 0 if mine else None, failed, "GSTINs"),
        Row("  decisions applied", f"{outcome.applied:,}"),
    ]


# -- fairness --------------------------------------------------------------------------------------------


class Together:
    """Worlds of taxpayers of different sizes behind one door, told apart by the taxpayers' tokens."""

    def __init__(self, sims: list[Simulator]) -> None:
        self._sims = sims
        self._of_token: dict[str, Simulator] = {}

    def token(self, sim: Simulator, gstin: str) -> str:
        """Mint a token of a taxpayer, and remember whose world it opens."""
        token = sim.token(gstin)
        self._of_token[token] = sim
        return token

    def handle(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Let the world answer whose taxpayer asks."""
        return self._of_token[headers["authorization"]].handle(method, path, headers, body)


def finishing_times(big: int, small: int, each: int) -> dict[str, float]:
    """Return when each GSTIN's part ended, in virtual minutes; the big one is called "big"."""
    random.seed(SEED)
    return virtual_time.run(_finishing_times(big, small, each))


async def _finishing_times(big: int, small: int, each: int) -> dict[str, float]:
    worlds = [(1, big, SEED)] * bool(big) + [(small, each, SEED + 1)] * bool(small)
    sims = [
        Simulator(job_seconds=MEDIAN, **_settings(count, invoices, seed=seed))
        for count, invoices, seed in worlds
    ]
    together = Together(sims)
    async with _client(together, RateLimit(PER_MINUTE)) as client:
        work = await decided(client, sims)
        for sim in sims:
            for gstin in sim.gstins:
                client.taxpayer(gstin, token=together.token(sim, gstin))
        begun, ends = clock(), {}
        async for event in bulk.save_all(client, work):
            if event.kind is EventKind.FINISHED:
                assert event.outcome is not None
                assert event.outcome.ok
                ends[event.gstin] = (clock() - begun) / 60
        return {"big" if big and gstin == sims[0].gstins[0] else gstin: end for gstin, end in ends.items()}


def fairness(big: int, small: int, each: int) -> None:
    """Print what one big taxpayer costs many small ones, and they it."""
    beside = in_fresh_process(finishing_times, big, small, each)
    alone = in_fresh_process(finishing_times, 0, small, each)
    alone |= in_fresh_process(finishing_times, big, 0, 0)
    ends = [{name: end for name, end in found.items() if name != "big"} for found in (alone, beside)]
    rows = []
    for name, (apart, together) in {
        f"the {small}, median": tuple(statistics.median(found.values()) for found in ends),
        f"the {small}, worst": tuple(max(found.values()) for found in ends),
        "the big one": (alone["big"], beside["big"]),
    }.items():
        ratio = together / apart
        rows.append(Row(f"{name}: alone", f"{apart:.2f} min"))
        rows.append(Row(f"{name}: together", f"{together:.2f} min", f"{ratio:.2f} ×", 1.3, ratio))
    show(
        f"fairness: one GSTIN with {big:,} decisions, {small} with {each}, {PER_MINUTE} requests a minute, "
        f"jobs of {MEDIAN:g} s;\nvirtual time until each was finished, by the events of the run",
        rows,
    )


def main(arguments: list[str] | None = None) -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bulk",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument(
        "--quick",
        type=int,
        nargs="?",
        const=10,
        default=1,
        metavar="N",
        help="a tenth of the size, or an Nth: no goal is meant for it",
    )
    parser.add_argument("--full", action="store_true", help="a stream of a million decisions, too: minutes")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help="these parts")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="where journals are made")
    chosen = parser.parse_args(arguments)
    part = chosen.quick
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores; each figure from a process of its own")
    if part > 1:
        print(f"a {part}th of the size, for which the goals are not meant")
    if "paced" in chosen.only:
        paced(max(2, 500 // part), max(2, 600 // part))
    if "fairness" in chosen.only:
        fairness(100_000 // part, max(2, 50 // part), 100)
    if "cpu" in chosen.only:
        bulk_http.cpu(chosen.folder, 50, 20_000 // part, simulated=2_000 // part)
    if "memory" in chosen.only:
        portions = (20, 200) if chosen.full else (20, 40)
        bulk_http.memory(chosen.folder, 5_000 // part, portions)


if __name__ == "__main__":
    main()
