"""Schedules: the first delay is exact, jitter only lengthens, and all is bounded."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import attrs
import backoff
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ims_async import InvalidInput, PollPolicy, RetryPolicy
from ims_async.model.status import PReading
from ims_async.net.policies import end_of, lengthened

SECONDS = st.floats(0, 1000)


def first(count: int, delays: Iterator[float]) -> list[float]:
    """Return the first delays of a schedule."""
    return list(itertools.islice(delays, count))


@given(delay=SECONDS)
def test_jitter_only_lengthens(delay: float) -> None:
    """By a tenth at most: no delay is shorter, and none is much longer."""
    assert delay <= lengthened(delay) <= delay * 1.1


@given(delay=st.floats(1, 1000), now=st.floats(0, 1e6))
def test_a_delay_that_ends_on_a_tick_is_no_shorter_and_not_much_longer(delay: float, now: float) -> None:
    """By a 64th of a second at most, which is enough for many to meet."""
    ends_at = end_of(delay, now)
    assert ends_at * 64 % 1 == 0
    assert delay - 1e-9 <= ends_at - now <= delay + 1 / 64 + 1e-9


@given(delay=st.floats(0, 1, exclude_max=True) | st.just(math.inf))
def test_a_short_delay_ends_at_its_own_time(delay: float) -> None:
    """A job that is resumed late is polled at once; one that is never to be polled is not."""
    assert end_of(delay, 10.001) == 10.001 + delay


def test_jitter_spreads_those_who_wait() -> None:
    """A thousand with the same delay do not come back in one moment."""
    assert len({lengthened(10.0) for _ in range(1000)}) > 900


@given(initial=SECONDS, factor=st.floats(1, 10), longest=st.floats(0.01, 1000))
def test_polls_start_exactly_and_grow_up_to_a_limit(initial: float, factor: float, longest: float) -> None:
    """Each delay is at least the plain one of its place, and a tenth longer at most."""
    policy = PollPolicy(initial_delay=initial, factor=factor, max_interval=longest)
    delays = first(30, policy.delays())
    assert delays[0] == initial
    plain = [min((initial if initial >= 0.001 else 1.0) * factor**place, longest) for place in range(1, 30)]
    for delay, least in zip(delays[1:], plain, strict=True):
        assert least * 0.999 <= delay <= least * 1.101


def test_polls_double_by_default_from_two_seconds_to_a_minute() -> None:
    """The numbers of docs/settings.md."""
    plain = [2, 4, 8, 16, 32, 60, 60]
    for delay, least in zip(PollPolicy().delays(), plain, strict=False):
        assert least <= delay <= least * 1.1


def test_a_schedule_of_ones_own_is_kept_to_the_second() -> None:
    """Without jitter, and its last delay repeats."""
    policy = PollPolicy(schedule=lambda: iter([1.0, 5, 2.5]))
    assert first(6, policy.delays()) == [1.0, 5, 2.5, 2.5, 2.5, 2.5]
    assert first(2, policy.delays()) == [1.0, 5]  # each job begins it anew


def test_an_empty_schedule_means_the_longest_interval() -> None:
    """Never none at all: that would be a poll without pause."""
    assert first(2, PollPolicy(schedule=lambda: iter(()), max_interval=7.0).delays()) == [7.0, 7.0]


def test_a_generator_of_backoffs_is_a_schedule() -> None:
    """Those say None once, before the first delay."""
    assert first(5, PollPolicy(schedule=backoff.fibo).delays()) == [1, 1, 2, 3, 5]


@pytest.mark.parametrize("delay", [-1.0, float("nan"), "2", True])
def test_a_schedule_of_nonsense_is_named(delay: Any) -> None:
    """A delay that is none would make billed polls without pause."""
    with pytest.raises(InvalidInput, match="the schedule gave"):
        first(1, PollPolicy(schedule=lambda: iter([delay])).delays())


@given(tries=st.integers(1, 20), initial=SECONDS, longest=st.floats(0.01, 1000))
def test_retries_are_as_many_as_allowed_and_double(tries: int, initial: float, longest: float) -> None:
    """`max_tries` counts the first, which has no delay."""
    delays = list(RetryPolicy(max_tries=tries, initial=initial, max_interval=longest).delays())
    assert len(delays) == tries - 1
    for place, delay in enumerate(delays):
        least = min(initial * 2**place, longest)
        assert least <= delay <= least * 1.1


WRONG: list[tuple[type, str, Any]] = [
    *((PollPolicy, "initial_delay", value) for value in (-0.1, float("nan"), "2", None, True)),
    *((PollPolicy, "factor", value) for value in (0.5, float("nan"), "2")),
    *((PollPolicy, "max_interval", value) for value in (0, -1, "60")),
    *((PollPolicy, "deadline", value) for value in (0, float("nan"), None)),
    (PollPolicy, "p_means", "processed"),
    (PollPolicy, "schedule", [5, 1, 1]),
    *((PollPolicy, "learn", value) for value in (None, 1, "no")),
    *((PollPolicy, "poll_worth", value) for value in (0, -1.0, float("nan"), None)),
    *((RetryPolicy, "max_tries", value) for value in (0, 2.5, True, "3")),
    *((RetryPolicy, "max_time", value) for value in (0, "20")),
    *((RetryPolicy, "initial", value) for value in (-1, None)),
    *((RetryPolicy, "max_interval", value) for value in (0, "8")),
    *((RetryPolicy, "max_hint", value) for value in (-1, "120")),
]


@pytest.mark.parametrize(("policy", "name", "value"), WRONG)
def test_a_setting_that_makes_no_sense_is_named(policy: type, name: str, value: Any) -> None:
    """With its value, when it is set and not when it is used."""
    with pytest.raises(InvalidInput, match=name) as caught:
        policy(**{name: value})
    assert repr(value) in str(caught.value)


def test_settings_that_make_sense_are_taken() -> None:
    """Whole seconds, none at all, and no end."""
    policy = PollPolicy(initial_delay=0, factor=1, deadline=float("inf"), p_means=PReading.PROCESSED)
    assert attrs.evolve(policy, max_interval=3).max_interval == 3
    assert RetryPolicy(max_tries=1, initial=0, max_hint=0).max_tries == 1
