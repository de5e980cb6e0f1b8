"""Pacing of polls: they have the lowest priority, but not for ever, and are spread over the minute."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ims_async.errors import ClientClosed
from ims_async.net.rate_limit import Pacer

from .test_pacing import go, now, pacer, timers

pytestmark = pytest.mark.looptime

KINDS: Final[dict[str, dict[str, bool]]] = {
    "submit": {},
    "poll": {"gives_way": True},
    "login": {"ahead": True},
}
SPAN: Final = 60.05  # seconds; a pacer's minute
GIVES_WAY_FOR: Final = 300.0  # seconds


def send(through: Pacer, kind: str, gstin: str = "", takes: float = 0.0) -> asyncio.Task[float]:
    """Begin to send something of this kind."""
    return asyncio.create_task(go(through, gstin, takes=takes, **KINDS[kind]))


async def in_order(through: Pacer, names: Sequence[str]) -> list[str]:
    """Send these at once, each named by its kind and its GSTIN; return them in the order sent."""
    order: list[str] = []

    async def one(name: str) -> None:
        kind, gstin, *_ = name.split()
        async with through.turn(gstin, **KINDS[kind]):
            order.append(name)

    await asyncio.gather(*map(one, names))
    return order


async def endlessly(what: Callable[[], Awaitable[object]], every: float) -> None:
    """Begin this again and again, and end them all when it is broken off."""
    async with asyncio.TaskGroup() as group:
        while True:
            group.create_task(_awaited(what))
            await asyncio.sleep(every)


async def _awaited(what: Callable[[], Awaitable[object]]) -> None:
    await what()


def nothing_is_left(through: Pacer) -> bool:
    """Say whether a pacer is as it was at the beginning, but for what was answered within the minute."""
    inside = vars(through)
    windows = [inside["_account"], *inside["_gstins"].values()]
    counted = [inside["_under_way"], *(vars(window)["_under_way"] for window in windows if window)]
    return not any(counted) and nobody_waits(through)


def nobody_waits(through: Pacer) -> bool:
    """Return whether no turn is queued, and no timer is set."""
    inside = vars(through)
    lines = [*inside["_lines"].values(), *inside["_polls"].values()]
    return not any(lines) and inside["_alarm"] is None


# -- whose turn it is ----------------------------------------------------------------------------------

WAITING: Final = ("poll a 1", "poll b 1", "submit a 1", "submit a 2", "login c 1")


async def test_a_poll_that_others_wait_for_gives_no_way() -> None:
    """One whose token had to be renewed meanwhile has waited for its turn once already."""
    through = pacer(2)
    await asyncio.gather(go(through), send(through, "poll", "a"))
    waiting = [send(through, "submit", "a"), send(through, "submit", "b")]
    await asyncio.sleep(1.0)
    both = asyncio.create_task(go(through, "c", ahead=True, gives_way=True))
    assert await asyncio.gather(*waiting, both) == pytest.approx([60.05, 120.1, 60.05])


@given(st.permutations(WAITING))
async def test_polls_go_last_whatever_the_order_of_arrival(names: list[str]) -> None:
    """One leaves each minute: first what others wait for, then submits, then polls, each as they came."""
    through = pacer(1)
    await go(through)
    order = await in_order(through, names)
    kinds = [name.split()[0] for name in order]
    assert kinds == ["login", "submit", "submit", "poll", "poll"]
    for kind in ("submit", "poll"):
        assert [name for name in order if kind in name] == [name for name in names if kind in name]


async def test_a_submit_overtakes_polls_that_have_waited_for_long() -> None:
    """It comes a second before they would have gone."""
    through = pacer(1)
    await go(through, "a")
    polls = [send(through, "poll", gstin) for gstin in "ab"]
    await asyncio.sleep(59.0)
    assert await send(through, "submit", "b") == pytest.approx(60.0, abs=0.1)
    assert await asyncio.gather(*polls) == pytest.approx([120.0, 180.0], abs=0.2)


async def test_polls_among_themselves_take_turns_between_gstins() -> None:
    """Those of one GSTIN keep their order, and do not make another wait for them all."""
    through = pacer(1)
    await go(through)
    names = [f"poll many {place}" for place in range(5)] + ["poll few 0", "poll few 1"]
    order = await in_order(through, names)
    assert order == [f"poll {name}" for name in (
        "many 0", "few 0", "many 1", "few 1", "many 2", "many 3", "many 4"
    )]  # fmt: skip


async def test_a_poll_goes_while_a_submit_waits_for_its_own_gstins_minute() -> None:
    """That submit could not have gone; one that could does not have to wait for the poll either."""
    through = pacer(3, per_gstin=1)
    await go(through, "busy")
    held = send(through, "submit", "busy")
    await asyncio.sleep(30.0)
    assert await send(through, "poll", "other") == 30.0
    assert await send(through, "submit", "third") == 30.0
    assert await held == pytest.approx(60.0, abs=0.1)


async def test_a_poll_of_a_gstin_over_its_own_budget_does_not_hold_up_polls_of_others() -> None:
    """It waits alone."""
    through = pacer(100, per_gstin=1)
    await go(through, "busy")
    polls = [send(through, "poll", gstin) for gstin in ("busy", "other", "third")]
    assert await asyncio.gather(*polls) == pytest.approx([60.05, 0.0, 0.6], abs=0.05)


# -- polls are spread ----------------------------------------------------------------------------------


async def test_with_a_budget_polls_are_spread_over_the_minute() -> None:
    """However many come at once; after a pause the next one goes at once."""
    through = pacer(10)
    left = await asyncio.gather(*(send(through, "poll", f"{place}") for place in range(5)))
    assert left == pytest.approx([place * SPAN / 10 for place in range(5)])
    await asyncio.sleep(100.0)
    assert await send(through, "poll") == now()


async def test_submits_go_between_polls_and_are_not_spread() -> None:
    """What holds the next poll back holds nothing else, and submits push no poll back."""
    through = pacer(10)
    polls = [send(through, "poll") for _ in range(3)]
    await asyncio.sleep(1.0)
    assert await asyncio.gather(*(send(through, "submit") for _ in range(3))) == [1.0] * 3
    assert await asyncio.gather(*polls) == pytest.approx([0.0, SPAN / 10, SPAN / 5])


async def test_without_a_budget_polls_are_not_held() -> None:
    """Not even one after the other."""
    through = pacer()
    assert await asyncio.gather(*(send(through, "poll") for _ in range(1000))) == [0.0] * 1000


# -- no starvation --------------------------------------------------------------------------------------


@pytest.mark.parametrize("gstin", ["another", "busy"])
async def test_a_poll_that_has_given_way_for_five_minutes_goes_in_its_turn(gstin: str) -> None:
    """Submits come faster than the budget lets them out; of its own GSTIN it goes behind those there are."""
    through = pacer(2)
    await asyncio.gather(go(through), go(through))
    stream = asyncio.create_task(endlessly(lambda: go(through, "busy"), 20.0))
    async with asyncio.timeout(3600.0):
        left = await send(through, "poll", gstin)
    stream.cancel()
    ahead = 1 if gstin == "another" else 7  # of the 15 of five minutes 8 have left
    assert GIVES_WAY_FOR <= left <= GIVES_WAY_FOR + SPAN * (ahead + 2) / 2
    await asyncio.gather(stream, return_exceptions=True)


async def test_a_gstin_that_is_polled_all_the_time_does_not_starve_polls_of_others() -> None:
    """Each poll that has waited for five minutes goes in its turn, whatever else polls."""
    through = pacer(2)
    await asyncio.gather(go(through), go(through))
    submits = asyncio.create_task(endlessly(lambda: go(through, "busy"), 20.0))
    polls = asyncio.create_task(endlessly(lambda: go(through, "polled", gives_way=True), 100.0))
    await asyncio.sleep(10.0)
    try:
        async with asyncio.timeout(3600.0):
            assert await send(through, "poll", "starved") <= 10.0 + GIVES_WAY_FOR + 2 * SPAN
    finally:
        submits.cancel()
        polls.cancel()
        await asyncio.gather(submits, polls, return_exceptions=True)


# -- cancelled, closed ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", ["in line", "promoted", "called", "under way"])
async def test_one_that_is_cancelled_leaves_nothing_behind(state: str, kind: str) -> None:
    """Wherever it is by then; the next one goes when it would have gone without it."""
    through = pacer(1, per_gstin=1)
    holder = through.turn("a")
    await holder.__aenter__()
    task = send(through, kind, "b", takes=1000.0)
    await asyncio.sleep(310.0 if state == "promoted" else 1.0)
    passer_by = send(through, "poll", "c")  # so that the pacer looks who has waited for long
    await asyncio.sleep(0)
    passer_by.cancel()
    await asyncio.sleep(1.0)
    if state in ("called", "under way"):
        holder.give_back()
        through.done(holder)  # calls it
    if state == "under way":
        await asyncio.sleep(1.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    if state in ("in line", "promoted"):
        holder.give_back()
        through.done(holder)
    opens_at = now() + (SPAN if state == "under way" else 0.0)  # it may have arrived
    assert nothing_is_left(through)
    assert await go(through, "d") == pytest.approx(opens_at)
    assert not timers()


async def test_closing_sends_polls_away_as_well() -> None:
    """With all others, and at once; requests under way may end."""
    through = pacer(1)
    under_way = send(through, "poll", "a", takes=5.0)
    await asyncio.sleep(0)
    waiting = [send(through, kind, gstin) for kind, gstin in itertools.product(KINDS, "ab")]
    await asyncio.sleep(1.0)
    through.close()
    assert nobody_waits(through)
    async with asyncio.timeout(1.0):
        results = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(result) for result in results} == {ClientClosed}
    assert now() == 1.0
    assert await under_way == 0.0
    assert nothing_is_left(through)


@pytest.mark.parametrize("kind", KINDS)
async def test_one_that_is_cancelled_as_the_pacer_closes_leaves_nothing_behind(kind: str) -> None:
    """Both in one iteration of the event loop: it was never sent, and does not count as answered."""
    through = pacer(1)
    await go(through)
    task = send(through, kind)
    await asyncio.sleep(0)
    through.close()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert nothing_is_left(through)
