"""When to poll a job, learned from how long earlier jobs took.

Each poll is one billed request, and each second between the end of a job and the poll that finds it is lost.
Nobody sees when a job ends: it ran at one poll and was done at the next. From such spans the law of the
durations is estimated, and for that law the schedule is computed that costs least.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Sequence
from typing import Final, NamedTuple

import attrs

from ..model.status import JobKind
from .policies import PollPolicy, lengthened

KEPT: Final = 64  # spans of each kind of job
FEWEST: Final = 8  # spans, before anything is learned from them
_NEW: Final = 0.3  # learned anew when the share of the spans that are new is more than this
_UNSEEN: Final = 4  # the first job of a sort never seen is expected among so many, and those seen
_SHARES: Final = 120  # moments at which a poll may be, with as many jobs ending between any two
_APART: Final = 0.2  # logarithms between two of them at most, or what is rare would be polled too seldom
_MOMENTS: Final = 400  # that are looked at to find these
_ROUNDS: Final = 5  # of weighing kernels by how well they explain the spans
_ROOT_OF_2: Final = math.sqrt(2)


class Span(NamedTuple):
    """At which age, in seconds since it was sent, a job was last seen running, and then done."""

    running: float
    done: float


class _Kernel(NamedTuple):
    """A share of all jobs: the logarithms of their durations are normal, with this mean and deviation."""

    share: float
    mean: float
    deviation: float

    def longer(self, log: float) -> float:
        """Return the share of its jobs that take longer."""
        return math.erfc((log - self.mean) / self.deviation / _ROOT_OF_2) / 2


@attrs.define(eq=False, repr=False)
class PollTimes:
    """When the jobs of a client are polled: by its policy, until enough of a kind have ended."""

    policy: PollPolicy
    _spans: dict[JobKind, deque[Span]] = attrs.field(factory=dict)
    _new: Counter[JobKind] = attrs.field(factory=Counter)
    """How many of the spans nothing was learned from yet."""
    _learned: dict[JobKind, tuple[float, ...]] = attrs.field(factory=dict)

    def ended(self, kind: JobKind, ran_at: float, done_at: float) -> None:
        """Take in at which age a job was last seen running (0: never), and at which it was done."""
        if not self.policy.learn or self.policy.schedule is not None or not ran_at < done_at:
            return
        if not ran_at:
            first = self._learned[kind][0] if kind in self._learned else self.policy.initial_delay
            if done_at > 2 * first:
                return  # nobody waited for it from the start, and it may have ended long ago
            # It took at least half as long, say: then the first poll of others comes earlier, until it finds
            # them running.
            ran_at = done_at / 2
        spans = self._spans.setdefault(kind, deque(maxlen=KEPT))
        spans.append(Span(ran_at, done_at))
        self._new[kind] += 1
        enough = len(spans) >= FEWEST and self._new[kind] > _NEW * (len(spans) - self._new[kind])
        if enough:
            self._learned[kind], self._new[kind] = poll_times(spans, self.policy.poll_worth), 0

    def delay(self, kind: JobKind, age: float | None, polls: int) -> float:
        """Return in how many seconds to poll a job of this age that was polled so often."""
        if age is None or age < 0 or kind not in self._learned:
            return self.policy.delay(polls)
        times = self._learned[kind]
        if not polls and age >= times[0]:
            return 0.0  # it was resumed late: most probably it is done
        place = bisect_right(times, age)
        distance = times[min(place + 1, len(times) - 1)] - times[min(place, len(times) - 2)]
        if place < len(times):
            before = times[place] - (times[place - 1] if place else 0.0)
            wait = max(times[place] - age, min(before, distance) / 2)  # where it was polled just before that
        else:
            # It takes longer than nearly all that were seen. Half of those that are left at an age are taken
            # to end by twice that age: then this distance costs least.
            wait = distance = min(self.policy.max_interval, math.sqrt(2 * self.policy.poll_worth * age))
        # Whoever waits has one more poll before the deadline, which counts from the first.
        return lengthened(min(wait, self.policy.deadline / 2) if polls else wait, distance)


def poll_times(spans: Sequence[Span], worth: float) -> tuple[float, ...]:
    """Return at which ages to poll a job, in seconds, where others took as long as these; at least two.

    `worth` is how many seconds of earlier news one more poll is worth.
    """
    ages, left = _moments(_kernels(spans), math.log(2 * max(one.done for one in spans)))
    return _cheapest(ages, left, worth)


def _kernels(spans: Sequence[Span]) -> list[_Kernel]:
    """Estimate the law of the durations.

    One kernel for each span, as wide as it, and as the distance to the nearest few: where jobs are of two
    sorts, one width for all would blur them. Then each has the share that explains the spans best
    (expectation and maximization). A wide one stands for what was never seen.
    """
    count, logs = len(spans), [(math.log(one.running), math.log(one.done)) for one in spans]
    means = [(low + high) / 2 for low, high in logs]
    few = min(round(math.sqrt(count)), count - 1)
    kernels = []
    for (low, high), mean in zip(logs, means, strict=True):
        near = sorted(abs(mean - other) for other in means)[few]
        kernels.append(
            _Kernel(1 / count, mean, max(0.02, math.hypot(0.7 * near, (high - low) / math.sqrt(12))))
        )
    explained = [[one.longer(low) - one.longer(high) + 1e-12 for one in kernels] for low, high in logs]
    shares = [1 / count] * count
    for _ in range(_ROUNDS):
        after = [0.0] * count
        for row in explained:
            weight = 1 / count / math.fsum(map(float.__mul__, row, shares))
            for place, share in enumerate(shares):
                after[place] += row[place] * share * weight
        shares = after
    mean = math.fsum(means) / count
    deviation = math.sqrt(math.fsum((one - mean) ** 2 for one in means) / count)
    unseen = 1 / (count + _UNSEEN)
    return [
        *(one._replace(share=share * (1 - unseen)) for one, share in zip(kernels, shares, strict=True)),
        _Kernel(unseen, mean, 2.5 * max(deviation, 0.3)),
    ]


def _moments(kernels: Sequence[_Kernel], high: float) -> tuple[list[float], list[float]]:
    """Return the ages at which a poll may be, from 0 on, and the share of jobs that is left at each.

    About as many jobs end between any two. `high` is the logarithm of the last: twice as long as the longest
    job that was seen, since of longer ones nothing was learned.
    """
    low = min(one.mean - 4 * one.deviation for one in kernels[:-1])
    ages, left, latest = [0.0], [1.0], low
    for step in range(_MOMENTS + 1):
        log = low + step * (high - low) / _MOMENTS
        rest = math.fsum(one.share * one.longer(log) for one in kernels)
        if rest <= left[-1] - 1 / _SHARES or log >= latest + _APART or step == _MOMENTS:
            ages.append(math.exp(log))
            left.append(rest)
            latest = log
    return ages, left


def _cheapest(ages: Sequence[float], left: Sequence[float], worth: float) -> tuple[float, ...]:
    """Return the ages at which polls and lost seconds cost least in all, by dynamic programming."""
    last = len(ages) - 1
    ended, seconds = [0.0], [0.0]  # up to each age: the share that ended, and the sum of its durations
    for before in range(last):
        share = left[before] - left[before + 1]
        middle = math.sqrt((ages[before] or ages[1]) * ages[before + 1])
        ended.append(ended[-1] + share)
        seconds.append(seconds[-1] + share * middle)
    # What the next poll at a later age costs is a part of its own, less the share that ended before, times
    # that age; the rest is the same for all.
    own, following = [0.0] * (last + 1), [last] * (last + 1)
    own[last] = ended[last] * ages[last] - seconds[last]
    for now in range(last - 1, -1, -1):
        gone = ended[now]
        cost, following[now] = min((own[at] - gone * ages[at], at) for at in range(now + 1, last + 1))
        own[now] = worth * left[now] + cost + gone * ages[now]
    times, now = [], 0
    while now < last:
        now = following[now]
        times.append(ages[now])
    return tuple(times) if len(times) > 1 else (times[0], times[0] * 2)
