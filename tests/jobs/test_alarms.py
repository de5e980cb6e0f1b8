"""Alarms: in order, none lost, none after it was cancelled, and few in one turn of the loop."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import virtual_time
from ims_async import JobKind, PollPolicy
from ims_async.jobs.alarms import Alarm, Alarms
from ims_async.jobs.job import ImsJob
from ims_async.model.status import JobState, JobStatus
from ims_async.model.tokens import JobToken
from ims_async.net.poll_times import PollTimes

MOMENTS = st.sampled_from([0.0, 0.5, 1.0, 1.0, 1.0, 7.25, 3600.0])


@settings(max_examples=300, deadline=None)
@given(
    moments=st.lists(st.lists(MOMENTS | st.none(), min_size=1, max_size=4), max_size=120),
    at_once=st.booleans(),
)
def test_each_alarm_rings_once_at_the_time_last_set(moments: list[list[float | None]], at_once: bool) -> None:
    """By time, and among equals that were set once in order; None cancels, whatever came before."""

    async def main() -> None:
        loop, kept = asyncio.get_running_loop(), Alarms()
        rung: list[tuple[float, float, int]] = []
        alarms = [Alarm(kept) for _ in moments]

        def set_one(place: int, moment: float | None) -> None:
            if moment is None:
                alarms[place].cancel()
            else:
                alarms[place].set(moment, lambda: rung.append((loop.time(), moment, place)))

        steps = [(turn, place) for place, own in enumerate(moments) for turn in range(len(own))]
        for turn, place in steps if at_once else sorted(steps):
            set_one(place, moments[place][turn])
        last = [(own[-1], place) for place, own in enumerate(moments) if own[-1] is not None]
        assert kept.count == len(last)
        assert [alarm.is_set for alarm in alarms] == [own[-1] is not None for own in moments]
        await asyncio.sleep(3601.0)
        assert sorted((moment, place) for _, moment, place in rung) == sorted(last)
        assert [moment for _, moment, _ in rung] == sorted(moment for _, moment, _ in rung)
        if all(len(own) == 1 for own in moments):
            assert [(moment, place) for _, moment, place in rung] == sorted(last)
        assert all(moment <= at < moment + 0.1 for at, moment, _ in rung)
        assert kept.count == 0

    virtual_time.run(main())


async def test_an_alarm_may_set_and_cancel_others() -> None:
    """Also those that are due in the same moment; one that breaks off holds no other up."""
    kept, rung = Alarms(), []
    now = asyncio.get_running_loop().time()
    later = [Alarm(kept) for _ in range(200)]
    for alarm in later:
        alarm.set(now + 0.01, lambda: rung.append("never"))

    def broken() -> None:
        raise ZeroDivisionError

    def first() -> None:
        rung.append("first")
        for alarm in later:
            alarm.cancel()
        Alarm(kept).set(now, lambda: rung.append("second"))

    Alarm(kept).set(now, first)
    Alarm(kept).set(now, broken)
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, facts: complaints.append(facts["exception"]))
    for _ in range(20):
        await asyncio.sleep(0)
    assert rung == ["first", "second"]
    assert [type(complaint) for complaint in complaints] == [ZeroDivisionError]
    assert kept.count == 0


async def test_a_timer_that_is_early_by_the_clocks_resolution_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A loop may call it a little before its time; then it rings, and does not spin until then."""
    loop, kept, rung = asyncio.get_running_loop(), Alarms(), []
    moment = loop.time() + 0.005
    Alarm(kept).set(moment, lambda: rung.append(1))
    monkeypatch.setattr(loop, "time", lambda: moment - 1e-6)
    monkeypatch.setattr(loop, "_clock_resolution", 1e-5)
    for _ in range(3):
        await asyncio.sleep(0)
    monkeypatch.undo()
    assert rung == [1]


def test_each_alarm_rings_in_the_context_in_which_it_was_set() -> None:
    """And keeps nothing of that context once it has rung or is cancelled, however long others wait."""
    name: contextvars.ContextVar[object] = contextvars.ContextVar("name", default=None)

    class Kept:
        """A value of a caller's context."""

    async def main() -> None:
        kept, rung = Alarms(), []
        values, gone = [Kept() for _ in range(3)], []

        def set_in(value: Kept, moment: float) -> Alarm:
            context = contextvars.copy_context()
            context.run(name.set, value)
            alarm = Alarm(kept)
            context.run(alarm.set, moment, lambda: rung.append(name.get()))
            gone.append(weakref.ref(value))
            return alarm

        alarms = [set_in(value, moment) for value, moment in zip(values, (1.0, 2.0, 3.0), strict=True)]
        Alarm(kept).set(100.0, lambda: rung.append(name.get()))
        alarms[2].cancel()
        await asyncio.sleep(10.0)
        assert rung == values[:2]
        rung.clear()
        values.clear()
        gc.collect()
        assert [value() for value in gone] == [None] * 3
        await asyncio.sleep(100.0)
        assert rung == [None]

    virtual_time.run(main())


def test_polls_due_at_one_moment_begin_a_few_at_a_time() -> None:
    """However many jobs are waited for; each is polled once, and none is forgotten."""
    polls, begun, turn = Counter[str](), Counter[int](), 0

    async def main() -> None:
        loop, kept = asyncio.get_running_loop(), Alarms()
        run_once = loop._run_once  # type: ignore[attr-defined] # there is no public mark of a turn

        def counted() -> None:
            nonlocal turn
            turn += 1
            run_once()

        loop._run_once = counted  # type: ignore[attr-defined]

        async def poll(token: JobToken) -> JobStatus:
            polls[token.reference_id or ""] += 1
            begun[turn] += 1
            return JobStatus(state=JobState.SUCCEEDED, raw_code="S", polled_at=1.0)

        facts: dict[str, Any] = {
            "gsp": "sandbox",
            "host": "h",
            "gstin": "27AAACB1234C1Z1",
            "kind": JobKind.SAVE,
        }
        jobs = [
            ImsJob(
                JobToken(**facts, reference_id=f"{place}"),
                poll=poll,
                times=PollTimes(PollPolicy()),
                alarms=kept,
            )
            for place in range(1000)
        ]
        await asyncio.gather(*(job.wait() for job in jobs))

    virtual_time.run(main())
    assert set(polls.values()) == {1}
    assert len(polls) == 1000
    assert 1 < max(begun.values()) <= 64
