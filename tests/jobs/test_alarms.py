"""Alarms: in order, none lost, none after it was cancelled, and few in one turn of the loop."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref
from collections import Counter
from collections.abc import Callable
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

JOB: dict[str, Any] = {"gsp": "sandbox", "host": "h", "gstin": "27AAACB1234C1Z1", "kind": JobKind.SAVE}


class Calling(Alarm):
    """An alarm that calls a function."""

    def __init__(self, alarms: Alarms, call: Callable[[], object]) -> None:
        super().__init__(alarms)
        self.call = call

    def ring(self, now: float) -> None:
        """Call it; never before the time that was set."""
        assert now <= asyncio.get_running_loop().time() + 0.01
        self.call()


MOMENTS = st.sampled_from([0.0, 0.5, 1.0, 1.0, 1.0, 7.25, 3600.0])


@settings(max_examples=300, deadline=None)
@given(
    moments=st.lists(st.lists(MOMENTS | st.none(), min_size=1, max_size=4), max_size=120),
    at_once=st.booleans(),
    at_most=st.lists(MOMENTS | st.none(), min_size=4, max_size=4),
)
def test_each_alarm_rings_once_at_the_time_last_set(
    moments: list[list[float | None]], at_once: bool, at_most: list[float | None]
) -> None:
    """By time, and among equals that were set once in order; None cancels, whatever came before."""

    async def main() -> None:
        loop, kept = asyncio.get_running_loop(), Alarms()
        rung: list[tuple[float, float, int]] = []
        alarms = [Calling(kept, lambda: None) for _ in moments]

        def set_one(place: int, moment: float | None, looked_at: float | None) -> None:
            if moment is None:
                alarms[place].cancel()
                return
            alarms[place].call = lambda: rung.append((loop.time(), moment, place))
            if looked_at is None:
                alarms[place].set(moment)
            else:
                alarms[place].set(moment, at_most=looked_at)

        steps = [(turn, place) for place, own in enumerate(moments) for turn in range(len(own))]
        for turn, place in steps if at_once else sorted(steps):
            set_one(place, moments[place][turn], at_most[turn])
        last = [(own[-1], place) for place, own in enumerate(moments) if own[-1] is not None]
        assert kept.count == len(last)
        assert [alarm.is_set for alarm in alarms] == [own[-1] is not None for own in moments]
        await asyncio.sleep(3601.0)
        assert sorted((moment, place) for _, moment, place in rung) == sorted(last)
        assert [moment for _, moment, _ in rung] == sorted(moment for _, moment, _ in rung)
        if at_most[0] is None and all(len(own) == 1 for own in moments):
            assert [(moment, place) for _, moment, place in rung] == sorted(last)
        assert all(moment <= at < moment + 0.1 for at, moment, _ in rung)
        assert kept.count == 0

    virtual_time.run(main())


async def test_an_alarm_may_set_and_cancel_others() -> None:
    """Also those that are due in the same moment; one that breaks off holds no other up."""
    kept, rung = Alarms(), []
    now = asyncio.get_running_loop().time()
    later = [Calling(kept, lambda: rung.append("never")) for _ in range(200)]
    for alarm in later:
        alarm.set(now + 0.01)

    def broken() -> None:
        raise ZeroDivisionError

    def first() -> None:
        rung.append("first")
        for alarm in later:
            alarm.cancel()
        Calling(kept, lambda: rung.append("second")).set(now)

    Calling(kept, first).set(now)
    Calling(kept, broken).set(now)
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
    Calling(kept, lambda: rung.append(1)).set(moment)
    monkeypatch.setattr(loop, "time", lambda: moment - 1e-6)
    monkeypatch.setattr(loop, "_clock_resolution", 1e-5)
    for _ in range(3):
        await asyncio.sleep(0)
    monkeypatch.undo()
    assert rung == [1]


def test_what_is_set_anew_again_and_again_leaves_few_entries() -> None:
    """As a poll does: at the deadline while it is under way, and at the time of the next one after that."""

    async def main() -> None:
        loop, kept, rung = asyncio.get_running_loop(), Alarms(), 0

        def begin() -> None:
            nonlocal rung
            rung += 1
            alarm.set(10_000.0, at_most=loop.time() + 2)
            loop.call_later(0.5, lambda: alarm.set(loop.time() + 10))
            assert len(kept._heap) == 1

        alarm = Calling(kept, begin)
        alarm.set(1.0)
        await asyncio.sleep(1000.0)
        assert rung == 96
        assert len(kept._heap) == 1

    virtual_time.run(main())


def test_each_job_is_polled_in_the_context_of_the_first_who_waits() -> None:
    """And keeps nothing of that context once that wait is over, however long others wait."""
    name: contextvars.ContextVar[object] = contextvars.ContextVar("name", default=None)

    class Kept:
        """A value of a caller's context."""

    async def main() -> None:
        kept, polled = Alarms(), []
        values = [Kept() for _ in range(3)]
        gone = [weakref.ref(value) for value in values]

        async def poll(token: JobToken) -> JobStatus:
            polled.append((token.reference_id, name.get()))
            done = token.reference_id != "stays" and len(polled) > 3
            return JobStatus(
                state=JobState.SUCCEEDED if done else JobState.PROCESSING,
                raw_code="S" if done else "IP",
                polled_at=1.0,
            )

        def job(reference: str) -> ImsJob:
            token = JobToken(**JOB, reference_id=reference)
            return ImsJob(token, poll=poll, times=PollTimes(PollPolicy()), alarms=kept)

        async def wait(job: ImsJob, value: Kept) -> None:
            name.set(value)
            await job.wait()

        jobs = {reference: job(reference) for reference in ("a", "b", "left", "stays")}
        staying = asyncio.create_task(jobs["stays"].wait())
        waits = [
            asyncio.create_task(wait(jobs[reference], value))
            for reference, value in zip(("a", "b", "left"), values, strict=True)
        ]
        also = asyncio.create_task(jobs["a"].wait())  # of no importance: it is not the first
        await asyncio.sleep(2.5)
        assert polled == [("stays", None), ("a", values[0]), ("b", values[1]), ("left", values[2])]
        waits.pop().cancel()
        await asyncio.sleep(10.0)
        assert [value for reference, value in polled[4:] if reference == "a"] == [values[0]]
        assert {reference for reference, _ in polled[4:]} == {"a", "b", "stays"}
        assert all(task.done() for task in (*waits, also))
        polled.clear()
        values.clear()
        waits.clear()
        gc.collect()
        assert [value() for value in gone] == [None] * 3
        await asyncio.sleep(100.0)
        assert {value for _, value in polled} == {None}
        staying.cancel()

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

        jobs = [
            ImsJob(
                JobToken(**JOB, reference_id=f"{place}"),
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


def times_of_polls(jobs: int, polls: int) -> list[float]:
    """Return when jobs were polled of which one begins each millisecond, each so many times."""
    begun: list[float] = []

    async def main() -> None:
        loop, kept, asked = asyncio.get_running_loop(), Alarms(), Counter[JobToken]()

        async def poll(token: JobToken) -> JobStatus:
            begun.append(loop.time())
            asked[token] += 1
            done = asked[token] == polls
            state = JobState.SUCCEEDED if done else JobState.PROCESSING
            return JobStatus(state=state, raw_code="S" if done else "IP")

        async def wait(place: int) -> None:
            await asyncio.sleep(place * 1e-3)
            token = JobToken(**JOB, reference_id=f"{place}")
            await ImsJob(token, poll=poll, times=PollTimes(PollPolicy()), alarms=kept).wait()

        await asyncio.gather(*map(wait, range(jobs)))

    virtual_time.run(main())
    return begun


def test_polls_due_at_about_one_moment_begin_in_few_turns() -> None:
    """Jobs that are begun in one second, and later polls, which jitter has spread, meet at the ticks."""
    times = Counter(times_of_polls(jobs=1000, polls=4))
    assert sum(times.values()) == 4000
    on_ticks = [time for time in times if (time * 64).is_integer()]
    assert len(on_ticks) < 64 * (1 + 1.4 + 2.2 + 3.8)
    assert sum(times[time] for time in on_ticks) > 3000  # all but those of the first, and of the last


def test_few_jobs_are_polled_each_at_its_own_time() -> None:
    """There is next to nothing to gain, and what they are waited for would end in one turn."""
    begun = times_of_polls(jobs=200, polls=1)
    assert begun == pytest.approx([2 + place * 1e-3 for place in range(200)])
