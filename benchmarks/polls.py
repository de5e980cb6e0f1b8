"""Polls against lateness: what a job costs, by the law of durations and the way of polling.

Run as `python -m benchmarks.polls`. One more poll is worth two seconds of earlier news, so a job costs twice
its polls and the seconds from its end to the poll that finds it. The floor is the best schedule for
somebody who knows the law. No clock and no network: durations are drawn, with seeds.
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
import statistics
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from ims_async import JobKind, PollPolicy
from ims_async.net.poll_times import PollTimes

from .measure import Row, show

WORTH: Final = 2.0  # seconds of earlier news, for one more poll
WARM: Final = 30  # jobs, before a schedule that learns is judged
JUDGED: Final = 60
GOAL: Final = 1.25

Law = Callable[[random.Random], float]


def lognormal(median: float, deviation: float) -> Law:
    """Return a law by its median, in seconds, and the deviation of the logarithm."""
    return lambda rng: median * math.exp(rng.gauss(0, deviation))


LAWS: Final[Mapping[str, Law]] = {
    "lognormal 60 s, 0.1": lognormal(60, 0.1),
    "lognormal 60 s, 0.5": lognormal(60, 0.5),
    "lognormal 60 s, 1.0": lognormal(60, 1.0),
    "lognormal 5 s, 0.5": lognormal(5, 0.5),
    "lognormal 600 s, 0.5": lognormal(600, 0.5),
    "uniform 30 to 90 s": lambda rng: rng.uniform(30, 90),
    "exponential 60 s": lambda rng: rng.expovariate(1 / 60) + 0.01,
    "10 s or 120 s, 0.1": lambda rng: rng.choice((10, 120)) * math.exp(rng.gauss(0, 0.1)),
    "Pareto from 20 s, 1.5, to 1800 s": lambda rng: min(1800.0, 20 * rng.paretovariate(1.5)),
    "Weibull 60 s, 2": lambda rng: rng.weibullvariate(60, 2) + 0.01,
    "always 60 s": lambda _: 60.0,
}
"""An optimal schedule of the last has one poll and no delay, which no estimate of a law can have."""


class Way:
    """A way of polling. `delay` is what it waits at an age, after so many polls; it may learn."""

    def __init__(self, delay: Callable[[float, int], float], ended: Callable[[float, float], None]) -> None:
        self._delay, self._ended = delay, ended

    def cost(self, duration: float) -> float:
        """Poll one job to its end."""
        ran_at, age, polls = 0.0, self._delay(0.0, 0), 1
        while age < duration:
            ran_at, age, polls = age, age + self._delay(age, polls), polls + 1
        self._ended(ran_at, age)
        return WORTH * polls + age - duration


def ours() -> Way:
    """Return our default policy."""
    times = PollTimes(PollPolicy(poll_worth=WORTH))
    return Way(
        lambda age, polls: times.delay(JobKind.SAVE, age, polls),
        lambda *span: times.ended(JobKind.SAVE, *span),
    )


def doubling() -> Way:
    """Return what we do before anything is learned: 2 s, 4 s, …, 60 s, with jitter."""
    policy = PollPolicy(learn=False)
    return Way(lambda _, polls: policy.delay(polls), lambda *_: None)


def every(seconds: float) -> Callable[[], Way]:
    """Poll at a fixed distance."""
    return lambda: Way(lambda *_: seconds, lambda *_: None)


def fibonacci() -> Way:
    """Wait 1, 1, 2, 3, 5, … seconds, up to a minute."""
    delays = [1.0, 1.0]
    while delays[-1] < 60:
        delays.append(min(60.0, delays[-1] + delays[-2]))
    return Way(lambda _, polls: delays[min(polls, len(delays) - 1)], lambda *_: None)


def at_the_median() -> Way:
    """Wait for the median of the last 64, then for a tenth of it each time; until eight are known, double."""
    policy, ends = PollPolicy(learn=False), list[float]()

    def delay(age: float, polls: int) -> float:
        if len(ends) < 8:
            return policy.delay(polls)
        median = statistics.median(ends[-64:])
        return median if age == 0 else median / 10

    return Way(delay, lambda ran_at, done_at: ends.append(math.sqrt((ran_at or done_at / 2) * done_at)))


OURS: Final = "ims_async, learning"
DOUBLING: Final = "doubling to 60 s"
WAYS: Final[Mapping[str, Callable[[], Way]]] = {
    OURS: ours,
    DOUBLING: doubling,
    "Fibonacci to 60 s": fibonacci,
    "every 5 s": every(5),
    "every 30 s": every(30),
    "at the median, then tenths": at_the_median,
}


def optimum(law: Law, seed: int = 9, draws: int = 4000, moments: int = 400) -> float:
    """Return what a job costs with the best schedule for a known law, by dynamic programming."""
    rng = random.Random(seed)
    drawn = sorted(law(rng) for _ in range(draws))
    ages = [0.0, *sorted({drawn[(place + 1) * draws // moments - 1] for place in range(moments)})]
    sums, ended = [0.0, *itertools.accumulate(drawn)], [bisect_right(drawn, age) for age in ages]
    costs = [0.0] * len(ages)
    for now in range(len(ages) - 2, -1, -1):
        costs[now] = min(
            WORTH * (draws - ended[now])
            + (ended[at] - ended[now]) * ages[at]
            - (sums[ended[at]] - sums[ended[now]])
            + costs[at]
            for at in range(now + 1, len(ages))
        )
    return costs[0] / draws


def costs_of(way: Callable[[], Way], law: Law, seeds: Iterable[int]) -> Iterator[float]:
    """Yield what each of the jobs costs that come after the first thirty, of several clients."""
    for seed in seeds:
        rng, its = random.Random(seed), way()
        for count in range(WARM + JUDGED):
            cost = its.cost(law(rng))
            if count >= WARM:
                yield cost


def main(arguments: list[str] | None = None) -> None:
    """Print a table for each law."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.polls", description=__doc__)
    parser.add_argument("--clients", type=int, default=40, help="how many learn by themselves (%(default)s)")
    chosen = parser.parse_args(arguments)
    for name, law in LAWS.items():
        floor = optimum(law)
        rows = [Row("best schedule of the known law (floor)", f"{floor:.1f}", "1.0 ×")]
        costs = {
            label: statistics.fmean(costs_of(way, law, range(chosen.clients))) for label, way in WAYS.items()
        }
        for label, cost in costs.items():
            goal = GOAL if label == OURS and law is not LAWS["always 60 s"] else None
            note = f"{cost / floor:.2f} ×"
            if label == OURS and goal is None:
                note += ", no goal: one poll and no delay are out of reach"
            rows.append(Row(label, f"{cost:.1f} s", note, goal, cost / floor, "×"))
            if label == OURS:
                beside = cost / costs[DOUBLING]
                rows.append(Row("  beside doubling", f"{beside:.2f} ×", goal=1.0, value=beside))
        counted = f"the delay until its end is seen, and {WORTH:g} s for each poll"
        show(f"cost of a job ({counted}), jobs {WARM + 1} to {WARM + JUDGED} of each client: {name}", rows)


if __name__ == "__main__":
    main()
