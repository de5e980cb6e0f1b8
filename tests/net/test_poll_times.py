"""When to poll, learned from how long other jobs took."""

from __future__ import annotations

import math
import random
import statistics
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import polls
from ims_async import JobKind, PollPolicy
from ims_async.net.poll_times import FEWEST, KEPT, PollTimes, Span, poll_times

AGES = st.floats(0.01, 100_000)
SPANS = st.lists(st.tuples(AGES, st.floats(1.001, 10)), min_size=FEWEST, max_size=KEPT)


def taught(*durations: float, policy: PollPolicy | None = None) -> PollTimes:
    """Return what a client has learned from saves that took about so long."""
    times = PollTimes(policy or PollPolicy())
    for duration in durations:
        times.ended(JobKind.SAVE, duration * 0.95, duration * 1.05)
    return times


@given(spans=SPANS, worth=st.floats(0.01, 100))
def test_a_schedule_is_of_growing_ages_whatever_was_seen(
    spans: list[tuple[float, float]], worth: float
) -> None:
    """Finite ones, at least two: a job that runs on is polled at their last distance, and ever later."""
    times = poll_times([Span(ran_at, ran_at * share) for ran_at, share in spans], worth)
    assert len(times) >= 2
    assert times[0] > 0
    assert all(earlier < later < math.inf for earlier, later in pairwise(times))


@given(spans=SPANS, ages=st.lists(AGES, max_size=20), polls=st.integers(0, 100))
def test_a_delay_is_never_negative_and_never_endless(
    spans: list[tuple[float, float]], ages: list[float], polls: int
) -> None:
    """At any age, of jobs that took any time."""
    times = PollTimes(PollPolicy())
    for ran_at, share in spans:
        times.ended(JobKind.SAVE, ran_at, ran_at * share)
    for age in ages:
        assert 0 <= times.delay(JobKind.SAVE, age, polls) < math.inf
        assert times.delay(JobKind.SAVE, age, polls + 1) > 0


@pytest.mark.parametrize("law", [name for name in polls.LAWS if name != "always 60 s"])
def test_a_job_costs_little_more_than_with_the_best_schedule_of_its_law(law: str) -> None:
    """By a quarter at most, after thirty jobs; and never more than with doubling delays.

    Few clients are tried here, with seeds, so the limit is wider: `benchmarks.polls` has the figures.
    """
    cost = statistics.fmean(polls.costs_of(polls.ours, polls.LAWS[law], range(6)))
    doubling = statistics.fmean(polls.costs_of(polls.doubling, polls.LAWS[law], range(6)))
    floor = polls.optimum(polls.LAWS[law], draws=1000, moments=120)
    assert cost <= 1.35 * floor
    assert cost < doubling


def test_nothing_is_learned_from_fewer_than_eight() -> None:
    """The delays of the policy are kept to: seven may all be of one sort."""
    assert taught(*[60.0] * (FEWEST - 1)).delay(JobKind.SAVE, 0.0, 0) == 2.0
    assert 55 < taught(*[60.0] * FEWEST).delay(JobKind.SAVE, 0.0, 0) < 75


def test_each_kind_of_job_has_its_own_schedule() -> None:
    """A reset is not polled by what saves took."""
    assert taught(*[60.0] * KEPT).delay(JobKind.RESET, 0.0, 0) == 2.0


def test_without_learning_the_delays_are_kept_to() -> None:
    """However many have ended."""
    times = taught(*[60.0] * KEPT, policy=PollPolicy(learn=False))
    assert times.delay(JobKind.SAVE, 0.0, 0) == 2.0


def test_a_job_whose_age_is_not_known_is_polled_by_the_policy() -> None:
    """Its token may be of an earlier release; or the clock was set back."""
    times = taught(*[60.0] * KEPT)
    assert times.delay(JobKind.SAVE, None, 0) == times.delay(JobKind.SAVE, -3.0, 0) == 2.0


def test_jobs_that_were_resumed_late_teach_nothing() -> None:
    """That it took a day at most says nothing: new ones are not left alone for half a day."""
    times = PollTimes(PollPolicy())
    for _ in range(FEWEST):
        times.ended(JobKind.SAVE, 0.0, 86_400.0)
    assert times.delay(JobKind.SAVE, 0.0, 0) == 2.0
    times = taught(*[60.0] * KEPT)
    for _ in range(KEPT):
        times.ended(JobKind.SAVE, 0.0, 86_400.0)
    assert times.delay(JobKind.SAVE, 0.0, 0) < 75


def test_a_job_that_takes_longer_than_any_is_polled_at_the_longest_interval() -> None:
    """However old it is, and of however many sorts the others were."""
    times = taught(*[10.0, 3000.0] * (KEPT // 2))
    for age in (10_000.0, 1e6, 2e9):
        assert 30 < times.delay(JobKind.SAVE, age, 9) <= 66


def test_one_slow_job_among_fast_ones_is_not_polled_all_the_time() -> None:
    """Of a minute, where the others take a fifth of a second: a dozen polls, not dozens."""
    times = taught(*[0.2] * KEPT)
    age, polls = times.delay(JobKind.SAVE, 0.0, 0), 1
    while age < 60.0:
        age, polls = age + times.delay(JobKind.SAVE, age, polls), polls + 1
    assert polls <= 12


def test_what_takes_longer_than_most_is_not_polled_ever_more_seldom() -> None:
    """One in twenty takes ten times as long: it is found after some more of its time, not after all again."""
    times = poll_times([*[Span(57, 63)] * 60, *[Span(570, 630)] * 3], 2.0)
    assert all(later <= max(1.3 * earlier, earlier + 60) for earlier, later in pairwise(times))


def test_one_who_waits_has_a_further_poll_before_the_deadline() -> None:
    """It counts from the first poll: the next may not come after it, however long the others took."""
    times = taught(*[12.0, 120.0] * (KEPT // 2), policy=PollPolicy(deadline=60.0))
    assert times.delay(JobKind.SAVE, 14.0, 1) <= 33
    assert taught(*[120.0] * KEPT).delay(JobKind.SAVE, 0.0, 0) > 100


def test_a_poll_that_came_somewhat_early_is_not_repeated_at_once() -> None:
    """By its own clock a job may be a millisecond too young; and somebody may have polled it by hand."""
    times = taught(*[60.0 * 1.1**place for place in range(-5, 6)] * 5)
    first, second, *_ = times._learned[JobKind.SAVE]
    assert times.delay(JobKind.SAVE, first - 0.001, 1) >= (second - first) / 2


def test_a_job_resumed_late_is_polled_at_once() -> None:
    """Most probably it is done; after that poll it is waited for as others are."""
    times = taught(*[60.0] * KEPT)
    assert times.delay(JobKind.SAVE, 86_400.0, 0) == 0.0
    assert 0 < times.delay(JobKind.SAVE, 86_400.0, 1) <= 66.0


def test_news_that_is_worth_less_is_polled_for_less_often() -> None:
    """`poll_worth` is what one more poll is worth, in seconds of earlier news."""
    rng = random.Random(5)  # noqa: S311 # no secret
    spans = [Span(one * 0.9, one * 1.1) for one in (60 * math.exp(rng.gauss(0, 0.5)) for _ in range(KEPT))]
    counts = [len(poll_times(spans, worth)) for worth in (0.2, 2.0, 20.0)]
    assert counts[0] > 1.5 * counts[1] > 1.5 * 1.5 * counts[2]


def test_what_took_long_once_is_forgotten_in_the_end() -> None:
    """The last 64 count: a gateway that has become faster is polled earlier."""
    times = taught(*[600.0] * KEPT, *[5.0] * KEPT * 2)
    assert times.delay(JobKind.SAVE, 0.0, 0) < 10


def test_the_schedule_follows_jobs_that_have_become_faster() -> None:
    """The first poll finds them done each time: it comes earlier and earlier, until it finds one running."""
    times = taught(*[600.0] * KEPT)
    firsts = []
    for _ in range(200):
        firsts.append(times.delay(JobKind.SAVE, 0.0, 0))
        times.ended(JobKind.SAVE, 0.0, firsts[-1])
    assert firsts[0] > 500
    assert min(firsts) < 30
