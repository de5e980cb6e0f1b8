"""Alarms: in order, none lost, none after it was cancelled, and few in one turn of the loop."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import virtual_time
from ims_async import JobKind, PollPolicy
from ims_async.alarms import AT_ONCE, Alarm, Alarms
from ims_async.job import ImsJob
from ims_async.status import JobState, JobStatus, JobToken

MOMENTS = st.sampled_from([0.0, 0.5, 1.0, 1.0, 1.0, 7.25, 3600.0])


@settings(max_examples=200, deadline=None)
@given(
    alarms=st.lists(st.tuples(MOMENTS, st.booleans()), max_size=300),
    at_once=st.booleans(),
)
def test_alarms_ring_by_time_and_then_in_order(alarms: list[tuple[float, bool]], at_once: bool) -> None:
    """Cancelled ones do not ring, whether they were cancelled at once or while others were set."""

    async def main() -> None:
        loop, kept = asyncio.get_running_loop(), Alarms()
        rung: list[tuple[float, float, int]] = []
        cancelled: list[Alarm] = []

        def ring(moment: float, place: int) -> None:
            rung.append((loop.time(), moment, place))

        for place, (moment, gone) in enumerate(alarms):
            alarm = kept.set(moment, lambda moment=moment, place=place: ring(moment, place))  # type: ignore[misc]
            if gone and at_once:
                alarm.cancel()
                alarm.cancel()
            elif gone:
                cancelled.append(alarm)
        for alarm in cancelled:
            alarm.cancel()
        expected = sorted((moment, place) for place, (moment, gone) in enumerate(alarms) if not gone)
        assert len(kept) == len(expected)
        await asyncio.sleep(3601.0)
        assert [(moment, place) for _, moment, place in rung] == expected
        assert all(moment <= at < moment + 0.1 for at, moment, _ in rung)
        assert len(kept) == 0

    virtual_time.run(main())


async def test_an_alarm_may_set_and_cancel_others() -> None:
    """Also those that are due in the same moment, and so many that the heap is put in order anew."""
    kept, rung = Alarms(), []
    now = asyncio.get_running_loop().time()
    later = [kept.set(now + 0.01, lambda: rung.append("never")) for _ in range(200)]

    def first() -> None:
        rung.append("first")
        for alarm in later:
            alarm.cancel()
        kept.set(now, lambda: rung.append("second"))

    def broken() -> None:
        raise ZeroDivisionError

    kept.set(now, first)
    kept.set(now, broken)
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, facts: complaints.append(facts["exception"]))
    for _ in range(20):
        await asyncio.sleep(0)
    assert rung == ["first", "second"]
    assert [type(complaint) for complaint in complaints] == [ZeroDivisionError]
    assert len(kept) == 0


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
            ImsJob(JobToken(**facts, reference_id=f"{place}"), poll=poll, policy=PollPolicy(), alarms=kept)
            for place in range(1000)
        ]
        await asyncio.gather(*(job.wait() for job in jobs))

    virtual_time.run(main())
    assert set(polls.values()) == {1}
    assert len(polls) == 1000
    assert max(begun.values()) <= AT_ONCE
