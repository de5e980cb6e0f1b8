"""Pacing by what the gateway says is left of its budget: never exceeded, and never held for longer."""

from __future__ import annotations

import asyncio

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ims_async.net.rate_limit import Pacer

from ..support.sweeps import examples
from .test_pacing import EPOCH, go, now, pacer, timers
from .test_pacing_polls import nothing_is_left, send

pytestmark = pytest.mark.looptime


async def several(through: Pacer, count: int, *, takes: float = 0.0) -> list[float]:
    """Send so many at once; return when each left."""
    return await asyncio.gather(*(go(through, takes=takes) for _ in range(count)))


@pytest.mark.parametrize("per_minute", [None, 5, 100])
async def test_no_more_leave_than_the_gateway_takes(per_minute: int | None) -> None:
    """Not before it takes more; then all go on, with the budget of our own if there is one."""
    through = pacer(per_minute)
    through.note_allowance(3, EPOCH + 40.0)
    left = await several(through, 6)
    assert left == pytest.approx(
        [0.0] * 3 + [40.0] * (2 if per_minute == 5 else 3) + [60.05] * (per_minute == 5)
    )


async def test_those_who_wait_already_are_held_as_well() -> None:
    """Their turn was a matter of our own budget when they came."""
    through = pacer(2)
    await several(through, 2)
    waiting = asyncio.create_task(several(through, 2))
    await asyncio.sleep(50.0)
    through.note_allowance(1, EPOCH + 90.0)
    assert await waiting == pytest.approx([60.05, 90.0])


async def test_polls_and_what_others_wait_for_are_held_too() -> None:
    """Whatever they are, the gateway counts them."""
    through = pacer()
    through.note_allowance(0, EPOCH + 40.0)
    tasks = [send(through, kind) for kind in ("poll", "submit", "login")]
    assert await asyncio.gather(*tasks) == pytest.approx([40.0] * 3)


async def test_what_is_under_way_may_not_be_counted_yet() -> None:
    """It comes off what is left, once, whatever is left of the rest."""
    through = pacer()
    on_the_way = asyncio.create_task(several(through, 3, takes=10.0))
    await asyncio.sleep(1.0)
    through.note_allowance(5, EPOCH + 40.0)
    assert await several(through, 4) == pytest.approx([1.0, 1.0, 40.0, 40.0])
    assert await on_the_way == [0.0] * 3


@pytest.mark.parametrize("later", [(100, 40.0), (7, 40.9), (50, 39.5)])
async def test_within_one_window_it_only_tightens(later: tuple[int, float]) -> None:
    """Answers come in any order, and the end of a window is given in whole seconds."""
    through = pacer()
    through.note_allowance(2, EPOCH + 40.0)
    through.note_allowance(later[0], EPOCH + later[1])
    assert await several(through, 3) == pytest.approx([0.0, 0.0, max(40.0, later[1])])


async def test_a_tighter_word_counts_from_then_on() -> None:
    """Another process has used the rest."""
    through = pacer()
    through.note_allowance(9, EPOCH + 40.0)
    assert await several(through, 2) == [0.0] * 2
    through.note_allowance(1, EPOCH + 40.0)
    assert await several(through, 2) == pytest.approx([0.0, 40.0])


async def test_a_word_about_a_window_that_is_over_is_not_heard() -> None:
    """The answer was long on its way: nothing of the present window is known from it."""
    through = pacer()
    through.note_allowance(5, EPOCH + 100.0)
    through.note_allowance(0, EPOCH + 40.0)
    assert await several(through, 6) == pytest.approx([0.0] * 5 + [100.0])


async def test_the_next_window_begins_with_what_is_told_of_it() -> None:
    """Also where the last one ended with nothing left."""
    through = pacer()
    through.note_allowance(1, EPOCH + 40.0)
    assert await several(through, 2) == pytest.approx([0.0, 40.0])
    through.note_allowance(2, EPOCH + 100.0)
    assert await several(through, 3) == pytest.approx([40.0, 40.0, 100.0])


@pytest.mark.parametrize("left", [0, 1, 100])
@pytest.mark.parametrize("order", ["the hint first", "the hint last"])
async def test_a_not_before_is_never_lifted_by_it(order: str, left: int) -> None:
    """Whichever comes first, and however much is left."""
    through = pacer()
    if order == "the hint last":
        through.note_allowance(left, EPOCH + 20.0)
    through.not_before(EPOCH + 50.0)
    if order == "the hint first":
        through.note_allowance(left, EPOCH + 20.0)
    waiting = asyncio.create_task(several(through, 2))
    await asyncio.sleep(1.0)
    through.note_allowance(100, EPOCH + 200.0)
    assert await several(through, 2) == pytest.approx([50.0] * 2)
    assert await waiting == pytest.approx([50.0] * 2)


@pytest.mark.parametrize(("hint", "until"), [(50.0, 20.0), (20.0, 50.0)])
async def test_the_later_of_the_two_holds(hint: float, until: float) -> None:
    """A window with nothing left, and a "not before": all leave when both are over."""
    through = pacer()
    through.note_allowance(0, EPOCH + until)
    through.not_before(EPOCH + hint)
    assert await several(through, 2) == pytest.approx([50.0] * 2)


@pytest.mark.parametrize("until", [-1e9, -3600.0, -0.5, 0.0])
async def test_a_window_that_has_ended_delays_no_request(until: float) -> None:
    """Even if nothing was left of it."""
    through = pacer()
    through.note_allowance(0, EPOCH + until)
    assert await several(through, 3) == [0.0] * 3


async def test_one_that_waits_for_the_window_can_be_cancelled() -> None:
    """Its place goes to another, and nothing is left to wake up for."""
    through = pacer(10)
    through.note_allowance(1, EPOCH + 40.0)
    await go(through)
    tasks = [send(through, kind) for kind in ("submit", "poll")]
    await asyncio.sleep(1.0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert nothing_is_left(through)
    assert not timers()
    assert await go(through) == pytest.approx(40.0)


async def test_a_turn_that_was_given_back_uses_nothing_of_what_is_left() -> None:
    """Nothing was sent, so that the gateway did not count it; the next one goes at once."""
    through = pacer()
    through.note_allowance(1, EPOCH + 40.0)
    async with through.turn("a") as turn:
        turn.give_back()
    assert await go(through, "b") == 0.0


async def test_one_that_was_cancelled_as_it_was_called_uses_nothing_of_what_is_left() -> None:
    """Its place goes to the one behind it, which may be the last that the gateway takes."""
    through = pacer(1)
    holder = through.turn("a")
    await holder.__aenter__()
    through.note_allowance(2, EPOCH + 40.0)  # less the one under way
    called, following = send(through, "submit", "b"), send(through, "submit", "c")
    await asyncio.sleep(0)
    holder.give_back()
    through.done(holder)  # calls the one in front
    called.cancel()
    with pytest.raises(asyncio.CancelledError):
        await called
    assert await following == 0.0


@attrs.frozen
class Word:
    """What a gateway says of the window that ends at `window` minutes, half a second after `at`."""

    at: int
    window: int
    left: int
    off: float

    @property
    def until(self) -> float:
        """The end of the window as the gateway reports it, in seconds; it varies."""
        return self.window * 60.0 + self.off


words = st.builds(
    Word,
    at=st.integers(0, 240),
    window=st.integers(1, 4),
    left=st.integers(0, 12),
    off=st.sampled_from([-0.4, 0.0, 0.3]),
)


@settings(max_examples=examples(200))
@given(
    told=st.lists(words, max_size=12, unique_by=lambda word: word.at),
    requests=st.lists(st.tuples(st.integers(0, 240), st.integers(0, 50)), min_size=1, max_size=60),
)
async def test_whatever_is_told_no_more_leave_and_all_go_on(
    told: list[Word], requests: list[tuple[int, int]]
) -> None:
    """Every current hint holds to the end of its window, or to a hint of the next; none for ever."""
    through, begun = pacer(), now()
    told = sorted(told, key=lambda word: word.at)
    for word in told:
        asyncio.get_running_loop().call_at(
            begun + word.at + 0.5, through.note_allowance, word.left, EPOCH + begun + word.until
        )

    async def one(asked: int, takes: int) -> tuple[int, float, float]:
        await asyncio.sleep(asked)
        left = await go(through, takes=takes)
        return asked, left - begun, left - begun + takes

    async with asyncio.timeout(1e6):
        sent = await asyncio.gather(*(one(*request) for request in requests))
    for place, word in enumerate(told):
        no_more_leave_than(told[:place], word, told[place + 1 :], sent)
    for asked, left, _ in sent:
        in_force = [word.until for word in told if word.at < asked < word.until + 0.5]
        assert left == pytest.approx(asked) or in_force
        assert left <= max([asked, *(word.until for word in told)]) + 0.001
    assert nothing_is_left(through)


def no_more_leave_than(
    before: list[Word], word: Word, after: list[Word], sent: list[tuple[int, float, float]]
) -> None:
    """While a word is in force, no more leave than it says, less what was under way as it was said.

    A lower one of the same window is newer, and counts what has left until then.
    """
    if any(earlier.window > word.window for earlier in before):
        return  # stale
    said = word.at + 0.5
    ends = [word.window * 60.0 - 0.4, *(later.at + 0.5 for later in after if _is_newer(later, word))]
    under_way = sum(left < said < ended for _, left, ended in sent)
    assert sum(said < left < min(ends) - 0.001 for _, left, _ in sent) <= max(word.left - under_way, 0)


def _is_newer(later: Word, word: Word) -> bool:
    return later.window > word.window or (later.window == word.window and later.left < word.left)
