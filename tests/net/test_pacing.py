"""Pacing: a full burst, then never more than the budget in any minute, and no GSTIN is starved."""

from __future__ import annotations

import asyncio
import gc
import weakref
from bisect import bisect_left
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ims_async import InvalidInput, RateLimit
from ims_async.errors import ClientClosed
from ims_async.net.rate_limit import Pacer, Turn

from ..support.sweeps import examples

pytestmark = pytest.mark.looptime

EPOCH = 1_746_530_932.0


def now() -> float:
    """Seconds on the loop's clock, which starts at 0 in each test."""
    return asyncio.get_running_loop().time()


def wall() -> float:
    """The same as wall time."""
    return EPOCH + now()


def pacer(per_minute: int | None = None, per_gstin: int | None = None) -> Pacer:
    """Return a pacer with a budget, or without any."""
    return Pacer(RateLimit(per_minute, per_gstin) if per_minute else None, clock=wall)


def timers() -> list[asyncio.TimerHandle]:
    """Return what the loop would still wake up for."""
    scheduled: list[asyncio.TimerHandle] = vars(asyncio.get_running_loop())["_scheduled"]
    return [timer for timer in scheduled if not timer.cancelled()]


async def go(
    through: Pacer,
    gstin: str | None = None,
    *,
    takes: float = 0.0,
    ahead: bool = False,
    gives_way: bool = False,
) -> float:
    """Send something that takes so long to be answered; return when it left."""
    async with through.turn(gstin, ahead=ahead, gives_way=gives_way):
        left = now()
        if takes:
            await asyncio.sleep(takes)
    return left


async def test_without_a_budget_no_request_waits() -> None:
    """However many there are."""
    through = pacer()
    assert await asyncio.gather(*(go(through) for _ in range(1000))) == [0.0] * 1000


async def test_the_full_burst_goes_at_once_and_the_next_after_a_minute() -> None:
    """Five at 0 s, five when those are a minute old."""
    through = pacer(5)
    left = await asyncio.gather(*(go(through) for _ in range(12)))
    assert left == pytest.approx([0.0] * 5 + [60.0] * 5 + [120.0] * 2, abs=0.2)
    assert left[5] >= 60.0


async def test_a_burst_leaves_together_however_long_it_takes() -> None:
    """The second one as well, which comes out of the queue."""
    through = pacer(3)
    left = await asyncio.gather(*(go(through, takes=30.0) for _ in range(6)))
    assert left == pytest.approx([0.0] * 3 + [90.0] * 3, abs=0.2)


async def test_a_request_counts_until_a_minute_after_its_answer() -> None:
    """Only the gateway knows when, in between, it arrived there."""
    through = pacer(2)
    left = await asyncio.gather(go(through, takes=7.0), go(through, takes=20.0), go(through), go(through))
    assert left[2:] == pytest.approx([67.0, 80.0], abs=0.2)


async def test_a_request_that_is_still_under_way_counts() -> None:
    """There is no time at which to look again: its answer lets the next one out of the queue."""
    through = pacer(1)
    left = await asyncio.gather(go(through, takes=500.0), go(through))
    assert left[1] == pytest.approx(560.0, abs=0.2)


async def test_a_turn_that_was_given_back_does_not_count() -> None:
    """The next one has it at once."""
    through = pacer(1)

    async def nothing_to_send() -> None:
        async with through.turn(None) as turn:
            turn.give_back()

    assert (await asyncio.gather(nothing_to_send(), go(through)))[1] == 0.0


async def test_a_request_that_failed_counts() -> None:
    """It may have arrived."""
    through = pacer(1)
    with pytest.raises(ZeroDivisionError):
        async with through.turn(None):
            raise ZeroDivisionError
    assert await go(through) >= 60.0


@settings(max_examples=examples(60))
@given(
    limit=st.integers(1, 6),
    requests=st.lists(st.tuples(st.floats(0, 200), st.floats(0, 90)), min_size=1, max_size=40),
    share=st.none() | st.integers(1, 3),
)
async def test_never_more_than_the_budget_arrives_in_any_minute(
    limit: int, requests: list[tuple[float, float]], share: int | None
) -> None:
    """Whenever they are asked for, however long each takes, and wherever in that time it arrives."""
    arrivals: list[tuple[float, str]] = []

    async def one(through: Pacer, place: int, asked_at: float, takes: float) -> None:
        await asyncio.sleep(asked_at)
        gstin = f"taxpayer {place % 3}"
        async with through.turn(gstin):
            on_the_way = takes * (place % 4) / 3
            await asyncio.sleep(on_the_way)
            arrivals.append((now(), gstin))
            await asyncio.sleep(takes - on_the_way)

    through = pacer(limit, share)
    await asyncio.gather(*(one(through, place, *facts) for place, facts in enumerate(requests)))
    assert len(arrivals) == len(requests)
    assert busiest_minute([at for at, _ in arrivals]) <= limit
    for gstin in {gstin for _, gstin in arrivals}:
        assert busiest_minute([at for at, name in arrivals if name == gstin]) <= (share or limit)


def busiest_minute(times: list[float]) -> int:
    """Return the most that happened within any 60 seconds."""
    times = sorted(times)
    return max(bisect_left(times, start + 60.0) - place for place, start in enumerate(times))


async def test_one_gstin_over_its_own_budget_does_not_hold_up_the_others() -> None:
    """Its requests wait; a budget for each GSTIN is no budget for all."""
    through = pacer(100, per_gstin=2)
    busy = [go(through, "busy") for _ in range(5)]
    left = await asyncio.gather(*busy, go(through, "other"), go(through, None))
    assert left == pytest.approx([0, 0, 60, 60, 120, 0, 0], abs=0.3)


async def test_each_gstin_is_let_out_when_its_own_minute_is_over() -> None:
    """Whichever stands first in the queue."""
    through = pacer(100, per_gstin=1)
    await go(through, "early")
    await asyncio.sleep(30.0)
    await go(through, "late")
    left = await asyncio.gather(go(through, "early"), go(through, "late"))
    assert left == pytest.approx([60.0, 90.0], abs=0.2)


async def test_gstins_take_turns() -> None:
    """One with a hundred queued requests does not make another wait for them all."""
    through = pacer(2)
    order: list[str] = []

    async def one(gstin: str) -> None:
        await go(through, gstin)
        order.append(gstin)

    names = ["many"] * 8 + ["few"] * 2
    await asyncio.gather(*map(one, names))
    assert order == ["many", "many", "many", "few", "many", "few", "many", "many", "many", "many"]


async def test_requests_of_one_gstin_keep_their_order() -> None:
    """First come, first served."""
    through = pacer(3, per_gstin=2)
    order: list[int] = []

    async def one(place: int) -> None:
        await go(through, "same")
        order.append(place)

    await asyncio.gather(*(one(place) for place in range(9)))
    assert order == list(range(9))


async def test_what_others_wait_for_goes_ahead() -> None:
    """A renewal of a token overtakes the queue of its own taxpayer and those of the others."""
    through = pacer(1)
    order: list[str] = []

    async def one(name: str, *, ahead: bool = False) -> None:
        await go(through, name.split()[0], ahead=ahead)
        order.append(name)

    names = ["a 1", "b 1", "a 2", "c 1"]
    await asyncio.gather(*map(one, names), one("c renewal", ahead=True))
    assert order == ["a 1", "c renewal", "b 1", "a 2", "c 1"]


async def test_not_before_holds_everybody_even_without_a_budget() -> None:
    """The gateway asked for it."""
    through = pacer()
    through.not_before(EPOCH + 30.0)
    assert await asyncio.gather(go(through, "a"), go(through, None)) == pytest.approx([30.0, 30.0], abs=0.01)
    assert await go(through) == pytest.approx(30.0, abs=0.01)


async def test_not_before_only_moves_forward() -> None:
    """An earlier time that comes later changes nothing; a later one holds those that wait already."""
    through = pacer()
    through.not_before(EPOCH + 30.0)
    waiting = asyncio.create_task(go(through))
    await asyncio.sleep(10.0)
    through.not_before(EPOCH + 45.0)
    through.not_before(EPOCH + 35.0)
    assert await waiting == pytest.approx(45.0, abs=0.01)


async def test_setting_the_wall_clock_back_delays_no_request() -> None:
    """The minute goes by the loop's clock; only what the gateway names is wall time."""
    offset = 0.0
    through = Pacer(RateLimit(1), clock=lambda: wall() + offset)
    through.not_before(EPOCH + 2.0)
    assert await go(through) == pytest.approx(2.0, abs=0.01)
    offset = -86_400.0
    assert await go(through) == pytest.approx(62.0, abs=0.2)


async def test_a_cancelled_waiter_gives_up_its_place() -> None:
    """First in the queue or not; the others lose nothing, and no timer stays set."""
    through = pacer(1)
    await go(through)
    waiting = [asyncio.create_task(go(through, name)) for name in "abcd"]
    await asyncio.sleep(1.0)
    waiting[0].cancel()
    waiting[2].cancel()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert [isinstance(left, asyncio.CancelledError) for left in done] == [True, False, True, False]
    assert [done[1], done[3]] == pytest.approx([60.0, 120.0], abs=0.3)


async def test_cancelling_all_waiters_leaves_no_timer() -> None:
    """The loop has nothing left to do."""
    through = pacer(1)
    await go(through)
    waiting = [asyncio.create_task(go(through, name)) for name in "aab"]
    await asyncio.sleep(1.0)
    for task in reversed(waiting):
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert not timers()


async def test_a_waiter_cancelled_as_it_was_called_uses_nothing() -> None:
    """Its turn goes to the next one in the queue at once."""
    through = pacer(1)
    first = Turn(through, "", ahead=False, gives_way=False)
    await first.__aenter__()
    called = asyncio.create_task(go(through))
    following = asyncio.create_task(go(through))
    await asyncio.sleep(0)
    first.give_back()
    through.done(first)  # calls the one in front
    called.cancel()
    with pytest.raises(asyncio.CancelledError):
        await called
    assert await following == 0.0


async def test_closing_sends_all_waiters_away() -> None:
    """They get the error at once, not when their turn would have come."""
    through = pacer(1)
    await go(through)
    waiting = [asyncio.create_task(go(through, name)) for name in "aab"]
    await asyncio.sleep(0)
    waiting[1].cancel()
    await asyncio.sleep(0)
    through.close()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [ClientClosed, asyncio.CancelledError, ClientClosed]
    assert now() == 0.0
    assert not timers()


async def test_a_waiter_cancelled_while_the_pacer_closes_just_ends() -> None:
    """Both in one iteration of the event loop: asyncio logs no unhandled error."""
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, facts: complaints.append(facts))
    through = pacer(1)
    await go(through)
    waiting = asyncio.create_task(go(through))
    await asyncio.sleep(0)
    through.close()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    del waiting
    gc.collect()
    assert not complaints


async def test_gstins_that_have_been_idle_for_a_minute_are_forgotten() -> None:
    """A client that sees many taxpayers does not remember them all."""
    through = pacer(100_000, per_gstin=1)
    await asyncio.gather(*(go(through, f"taxpayer {n}") for n in range(100)))
    windows = [weakref.ref(window) for window in vars(through)["_gstins"].values()]
    await asyncio.sleep(61.0)
    await go(through, "another")
    gc.collect()
    assert len(windows) == 100
    assert not [window for window in windows if window()]


@pytest.mark.parametrize("facts", [(0,), (-1,), (1.5,), (None,), (True,), (10, 0), (10, "5")])
def test_a_budget_that_is_no_whole_number_is_refused(facts: tuple[Any, ...]) -> None:
    """At least one request a minute, or nothing would ever go."""
    with pytest.raises(InvalidInput, match="whole number of requests, at least 1"):
        RateLimit(*facts)
