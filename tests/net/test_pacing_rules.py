"""Pacing, all of it at once: whatever is asked for, takes so long and is broken off, the rules hold."""

from __future__ import annotations

import asyncio
import math

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ims_async.net.rate_limit import Pacer

from ..support.sweeps import examples
from .test_pacing import now, pacer
from .test_pacing_polls import GIVES_WAY_FOR, KINDS, SPAN, nothing_is_left

pytestmark = pytest.mark.looptime


@attrs.frozen
class Errand:
    """Something to be sent: when it is asked for, how long it takes, after how long it is broken off."""

    kind: str
    gstin: str
    at: float
    takes: float
    patience: float | None
    sends: bool


@attrs.define
class Tale:
    """What became of an errand, and when; what did not come to pass never does."""

    errand: Errand
    asked: float = math.inf
    left: float = math.inf
    ended: float = math.inf
    broken_off: float = math.inf

    def waits(self, moment: float) -> bool:
        """Say whether it is waiting for its turn at this moment, and neither before nor after."""
        return self.asked < moment < min(self.left, self.broken_off)

    def counts(self, moment: float, span: float) -> bool:
        """Say whether it takes a place of the budget at this moment."""
        return self.left <= moment < self.ended + (span if self.errand.sends else 0.0)


def times() -> st.SearchStrategy[float]:
    """Moments and durations: round ones often fall together, others hardly ever."""
    return st.integers(0, 200).map(float) | st.floats(0.0, 400.0)


errands = st.builds(
    Errand,
    kind=st.sampled_from(sorted(KINDS)),
    gstin=st.sampled_from("abc"),
    at=times(),
    takes=st.just(0.0) | times(),
    patience=st.none() | st.none() | times(),
    sends=st.sampled_from([True, True, True, False]),
)


async def live(through: Pacer, tale: Tale) -> None:
    """Send an errand when its time has come."""
    errand = tale.errand
    await asyncio.sleep(errand.at)
    tale.asked = now()
    try:
        async with through.turn(errand.gstin, **KINDS[errand.kind]) as turn:
            tale.left = now()
            try:
                if not errand.sends:
                    turn.give_back()
                await asyncio.sleep(errand.takes)
            finally:
                tale.ended = now()
    except asyncio.CancelledError:
        tale.broken_off = now()


async def all_told(through: Pacer, wanted: list[Errand]) -> list[Tale]:
    """Send all, and break off those whose patience ends; return what became of each."""
    tales = [Tale(errand) for errand in wanted]
    tasks = [asyncio.create_task(live(through, tale)) for tale in tales]
    for task, errand in zip(tasks, wanted, strict=True):
        if errand.patience is not None:
            asyncio.get_running_loop().call_later(0.001 + errand.at + errand.patience, task.cancel)
    async with asyncio.timeout(1e6):  # nothing hangs
        await asyncio.gather(*tasks)
    return tales


@settings(max_examples=examples(200))
@given(
    limit=st.integers(1, 5),
    share=st.none() | st.integers(1, 3),
    wanted=st.lists(errands, min_size=1, max_size=40),
)
async def test_whatever_comes_all_rules_hold(limit: int, share: int | None, wanted: list[Errand]) -> None:
    """The budget is kept, all requests are sent, polls come last, and nothing is left behind."""
    through = pacer(limit, share)
    tales = await all_told(through, wanted)
    sent = [tale for tale in tales if tale.left < math.inf]
    assert all(tale in sent for tale in tales if tale.errand.patience is None)
    for tale in sent:
        budget_is_kept(sent, tale, limit, share)
        order_is_kept(sent, tale)
        if tale.errand.kind == "poll" and tale.left - tale.asked < GIVES_WAY_FOR - 0.001:
            way_is_given(tales, tale, share)
            polls_are_spread(sent, tale, limit)
    assert nothing_is_left(through)


def budget_is_kept(sent: list[Tale], tale: Tale, limit: int, share: int | None) -> None:
    """No more than so many count at the moment at which this one left, itself included."""
    counting = [other for other in sent if other.counts(tale.left, 60.0)]
    assert len(counting) <= limit
    assert sum(other.errand.gstin == tale.errand.gstin for other in counting) <= (share or limit)


def order_is_kept(sent: list[Tale], tale: Tale) -> None:
    """Of its kind and GSTIN none that came later left sooner, but for those that do not queue."""
    kind, gstin = tale.errand.kind, tale.errand.gstin
    for other in sent:
        if kind != "login" and (other.errand.kind, other.errand.gstin) == (kind, gstin):
            assert not (other.asked > tale.asked and other.left < tale.left)


def way_is_given(tales: list[Tale], poll: Tale, share: int | None) -> None:
    """A request other than a poll that waited while a poll was sent was held back by its GSTIN's budget."""
    for other in tales:
        if other.errand.kind != "poll" and other.waits(poll.left):
            own = [one for one in tales if one.errand.gstin == other.errand.gstin]
            counting = sum(one.counts(poll.left, SPAN + 1e-6) for one in own)
            assert counting >= (share or math.inf)


def polls_are_spread(sent: list[Tale], poll: Tale, limit: int) -> None:
    """No poll was sent within a share of the minute before it."""
    for other in sent:
        if other.errand.kind == "poll" and other.errand.sends:
            assert not poll.left - SPAN / limit + 1e-6 < other.left < poll.left
