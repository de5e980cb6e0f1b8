"""Who is let out, in which order and when: as the model says that walks all who wait, at each event."""

from __future__ import annotations

import asyncio
import itertools
import random
import sys
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from benchmarks.virtual_time import run
from ims_async import RateLimit
from ims_async.errors import ClientClosed
from ims_async.net.fair_queue import AT_ONCE
from ims_async.net.rate_limit import Pacer

from ..support.pacing_model import WalkingPacer
from ..support.sweeps import sample
from .test_pacing import EPOCH, wall
from .test_pacing_polls import GIVES_WAY_FOR, KINDS, nothing_is_left, send

MakePacer = Callable[..., Any]


@attrs.frozen
class Step:
    """What happens at one moment. The steps of one moment happen in order, in one turn of the event loop."""

    at: float
    what: str  # one of KINDS, or a hint for the pacer
    place: int = 0
    gstin: str | None = None
    takes: float = 0.0
    sends: bool = True
    breaks: int | None = None  # which other one is cancelled in the very moment in which this one ends
    left: int = 0
    until: float = 0.0


@attrs.frozen
class Scenario:
    """A budget, and what happens in order of time."""

    rate: RateLimit | None
    steps: list[Step]


def scenario(seed: int) -> Scenario:
    """Make one up: bursts and single requests of few GSTINs, answers that take up to ten minutes."""
    rng = random.Random(seed)  # noqa: S311 # the same each time is what is wanted
    per_minute = rng.choice([None, 1, 2, 3, 5, 8, 40])
    per_gstin = rng.choice([None, None, 1, 1, 2, 3])
    rate = None if per_minute is None else RateLimit(per_minute, per_gstin)
    gstins = [None, *"abcdefghij"][: rng.randint(1, 11)]
    kinds = rng.choice(
        [["submit"], ["poll"], ["submit", "poll"], ["submit", "submit", "poll", "poll", "login"]]
    )
    lasts = rng.choice([30.0, 300.0, 1500.0])
    steps: list[Step] = []
    place = 0
    while place < rng.choice([4, 12, 30, 50]):
        at = rng.uniform(0.0, lasts)
        for _ in range(rng.choice([1, 1, 1, 2, 5, 12])):
            takes = rng.uniform(0.0, rng.choice([0.0, 5.0, 5.0, 90.0, 600.0]))
            kind, gstin, sends = rng.choice(kinds), rng.choice(gstins), rng.random() < 0.8
            breaks = rng.randint(0, place + 10) if rng.random() < 0.1 else None
            steps.append(Step(at, kind, place, gstin, takes, sends, breaks))
            if rng.random() < 0.2:
                patience = rng.uniform(0.0, rng.choice([0.0, 90.0, 700.0]))
                steps.append(Step(at + patience, "cancel", place))
            place += 1
    for what, share in (("not before", 0.3), ("allowance", 0.3), ("allowance", 0.3), ("close", 0.1)):
        if rng.random() < share:
            at = rng.uniform(0.0, lasts)
            steps.append(Step(at, what, left=rng.randint(0, 6), until=at + rng.uniform(-5, 120)))
    return Scenario(rate, sorted(steps, key=lambda step: step.at))


def tell(through: Any, step: Step) -> None:
    """Give the pacer a hint of the gateway."""
    if step.what == "not before":
        through.not_before(EPOCH + step.until)
    elif step.what == "allowance":
        through.note_allowance(step.left, EPOCH + step.until)
    else:
        through.close()


async def outcome(make: MakePacer, plan: Scenario) -> list[tuple[float, int, str]]:
    """Go through a scenario with a pacer; return who left, was cancelled or sent away, in order, and when."""
    through, loop = make(plan.rate, clock=wall), asyncio.get_running_loop()
    log: list[tuple[float, int, str]] = []
    tasks: dict[int, asyncio.Task[None]] = {}
    apart = itertools.count()  # no two answers come in one moment: timers of one moment ring in any order

    async def one(step: Step) -> None:
        async with through.turn(step.gstin, **KINDS[step.what]) as turn:
            log.append((round(loop.time(), 6), step.place, "left"))
            if not step.sends:
                turn.give_back()
            if step.takes:
                await asyncio.sleep(step.takes + next(apart) * 1e-7)
        if step.takes and step.breaks in tasks:  # at a time at which no request comes
            tasks[step.breaks].cancel()

    async def noted(step: Step) -> None:
        try:
            await one(step)
        except (asyncio.CancelledError, ClientClosed) as error:
            log.append((round(loop.time(), 6), step.place, type(error).__name__))

    for step in plan.steps:
        if step.at > loop.time():
            await asyncio.sleep(step.at - loop.time())
        if step.what == "cancel":
            tasks[step.place].cancel()
        elif step.what in KINDS:
            tasks[step.place] = asyncio.create_task(noted(step))
        else:
            tell(through, step)
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    assert not isinstance(through, Pacer) or nothing_is_left(through)
    # In which order those are sent away who wait at the end is no promise.
    return sorted(log, key=lambda fact: (fact[0], fact[2] == "ClientClosed" and fact[1]))


@pytest.mark.parametrize("block", sample(range(10), 3))
def test_it_lets_out_whom_the_model_lets_out_and_at_the_same_time(block: int) -> None:
    """In two thousand made-up scenarios, or some of them, with cancelling and closing at any moment."""
    for seed in range(block * 200, block * 200 + 200):
        plan = scenario(seed)
        expected = run(outcome(WalkingPacer, plan))
        assert run(outcome(Pacer, plan)) == expected, f"seed {seed}"


# -- thousands at once: part by part, so that the event loop does other things in between -----------------


async def let_out(through: Any, names: list[tuple[str, str]]) -> tuple[list[int], int]:
    """Let all go through in the order given; return in which order they left, and the most in one turn."""
    order: list[int] = []
    turns: list[int] = [0]
    loop = asyncio.get_running_loop()

    async def one(place: int, kind: str, gstin: str) -> None:
        async with through.turn(gstin, **KINDS[kind]):
            order.append(place)
            turns[-1] += 1
            if turns[-1] == 1:
                loop.call_soon(turns.append, 0)

    await asyncio.gather(*(one(place, *name) for place, name in enumerate(names)))
    return order, max(turns)


MANY = 400


@pytest.mark.parametrize("kinds", [["submit"], ["poll"], ["submit", "poll"]])
@pytest.mark.parametrize("gstins", [1, 7, MANY])
@pytest.mark.parametrize("rate", [None, RateLimit(2 * MANY), RateLimit(2 * MANY, 2 * MANY)])
def test_thousands_that_may_go_at_once_leave_in_order_and_part_by_part(
    rate: RateLimit | None, gstins: int, kinds: list[str]
) -> None:
    """After the gateway asked all to wait; no turn of the event loop lets out more than twice `AT_ONCE`."""
    names = [(kinds[place % len(kinds)], f"taxpayer {place % gstins}") for place in range(MANY)]

    async def held(make: MakePacer) -> tuple[list[int], int]:
        through = make(rate, clock=wall)
        through.not_before(EPOCH + 30.0)
        return await let_out(through, names)

    (order, most), (expected, at_once) = run(held(Pacer)), run(held(WalkingPacer))
    assert order == expected
    assert most <= 2 * AT_ONCE
    if "poll" not in kinds or rate is None:
        assert at_once == MANY  # what this is about


@pytest.mark.parametrize("kind", ["submit", "poll"])
def test_thousands_whose_own_minute_is_over_at_once_leave_in_order_and_part_by_part(kind: str) -> None:
    """Each GSTIN has sent one, and all those have become a minute old."""
    names = [(kind, f"taxpayer {place * 7 % MANY}") for place in range(MANY)]

    async def held(make: MakePacer) -> tuple[list[int], int]:
        through = make(RateLimit(100 * MANY, per_gstin=1), clock=wall)
        await let_out(through, [("submit", name) for _, name in names])
        return await let_out(through, names)

    (order, most), (expected, _) = run(held(Pacer)), run(held(WalkingPacer))
    assert order == expected
    assert most <= 2 * AT_ONCE


def test_thousands_of_polls_that_have_given_way_for_long_enough_keep_their_order() -> None:
    """They come before a submit that arrives later, although no answer came in between."""
    names = [("poll", f"taxpayer {place % 150}") for place in range(MANY)]

    async def held(make: MakePacer) -> list[int]:
        through = make(RateLimit(1), clock=wall)
        order: list[int] = []
        holder = through.turn("holder")
        await holder.__aenter__()

        async def one(place: int, kind: str, gstin: str) -> None:
            async with through.turn(gstin, **KINDS[kind]) as turn:
                turn.give_back()
                order.append(place)

        tasks = [asyncio.create_task(one(place, *name)) for place, name in enumerate(names)]
        await asyncio.sleep(GIVES_WAY_FOR + 1.0)
        tasks.append(asyncio.create_task(one(MANY, "submit", "another")))
        await asyncio.sleep(1.0)
        through.done(holder)
        await asyncio.gather(*tasks)
        return order

    assert run(held(Pacer)) == run(held(WalkingPacer))


def test_a_poll_that_has_given_way_for_long_enough_goes_before_a_later_submit() -> None:
    """Although the whole budget is under way, so that there was nothing to do for the pacer in between."""

    async def held() -> tuple[float, float]:
        through = Pacer(RateLimit(1), clock=wall)
        holder = through.turn("holder")
        await holder.__aenter__()
        poll = send(through, "poll", "a")
        await asyncio.sleep(GIVES_WAY_FOR + 1.0)
        submit = send(through, "submit", "b")
        await asyncio.sleep(1.0)
        holder.give_back()
        through.done(holder)
        return await poll, await submit

    poll, submit = run(held())
    assert poll < submit


def test_a_submit_that_comes_with_hundreds_of_polls_goes_at_once() -> None:
    """They wait for their share of the minute, and it does not."""

    async def held() -> float:
        through = Pacer(RateLimit(100), clock=wall)
        polls = [send(through, "poll", f"{place}") for place in range(5 * AT_ONCE)]
        left = await send(through, "submit", "another")
        for task in polls:
            task.cancel()
        await asyncio.gather(*polls, return_exceptions=True)
        assert nothing_is_left(through)
        return left

    assert run(held()) == 0.0


def test_waiters_that_come_and_go_leave_nothing_behind() -> None:
    """A gateway that holds everybody for an hour, and callers who do not wait so long."""

    async def held() -> None:
        through = Pacer(RateLimit(1, per_gstin=1), clock=wall)
        await send(through, "submit", "a")
        through.not_before(EPOCH + 3600.0)
        stays = [send(through, kind, gstin) for kind in ("submit", "poll") for gstin in "ab"]
        for place in range(1000):
            passers_by = [send(through, kind, gstin) for kind in KINDS for gstin in ("a", f"{place}")]
            await asyncio.sleep(0.5)
            for task in passers_by:
                task.cancel()
            await asyncio.gather(*passers_by, return_exceptions=True)
        for queue in (vars(through)["_lines"], vars(through)["_polls"]):
            assert all(len(heap) < 500 for heap in (vars(queue)["_open"], vars(queue)["_closed"]))
        assert len(vars(through)["_oldest_polls"]) < 3000
        await asyncio.gather(*stays)

    run(held())


def calls_of(waiters: int) -> int:
    """Return how many calls it takes to let so many through, each of which waits for its own minute."""
    calls = 0

    def counted(_: object, event: str, __: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    async def held() -> None:
        through = Pacer(RateLimit(10 * waiters, per_gstin=1), clock=wall)
        names = [("submit", f"taxpayer {place}") for place in range(waiters)]
        for _ in range(3):
            await let_out(through, names)

    sys.setprofile(counted)
    try:
        run(held())
    finally:
        sys.setprofile(None)
    return calls


def test_four_times_as_many_waiters_take_hardly_more_than_four_times_the_work() -> None:
    """Counted in calls, which no other program on the machine changes; looking at all took sixteen times."""
    assert calls_of(1200) < 5 * calls_of(300)
