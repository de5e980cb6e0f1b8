"""The ends of waits: nothing rings for nobody, deadlines hold, alarms and reports are left whole."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Sequence

import attrs
import pytest

from ims_async import (
    ErrorEntry,
    GatewayUnavailable,
    ImsJob,
    JobTimeout,
    PollPolicy,
    RateLimited,
    Section,
    steps,
)
from ims_async.gsp.codec import read_invoice
from ims_async.jobs.alarms import Alarms
from ims_async.jobs.journaled import JournaledChange
from ims_async.jobs.poller import Poll, ending_in_outage
from ims_async.journal import MemoryJournal
from ims_async.model.change import Change
from ims_async.model.records import Record
from ims_async.model.status import JobKind, JobState, JobStatus
from ims_async.model.tokens import JobToken
from ims_async.net.poll_times import PollTimes

from ..support import loops, strategies

pytestmark = pytest.mark.looptime


@pytest.fixture(autouse=True, params=["tasks", *({"eager tasks"} & {*loops.HERE})])
async def _tasks(request: pytest.FixtureRequest) -> None:
    if request.param == "eager tasks":
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]


def token(reference: str = "ref-1", submitted: int = 8) -> JobToken:
    """A job of some records."""
    return JobToken(
        gsp="sandbox",
        host="api.sandbox.co.in",
        gstin="29AAACQ3770E1ZF",
        kind=JobKind.SAVE,
        reference_id=reference,
        submitted=submitted,
    )


def running() -> JobStatus:
    """The answer that it is still at work."""
    at = asyncio.get_running_loop().time()
    return JobStatus(state=JobState.PROCESSING, raw_code="IP", polled_at=at)


def make_job(poll: Poll, alarms: Alarms, *, reference: str = "ref-1", **policy: float) -> ImsJob:
    """A job whose alarms are at hand."""
    times = PollTimes(PollPolicy(**policy))  # type: ignore[arg-type]
    return ImsJob(token(reference), poll=poll, times=times, alarms=alarms)


async def test_nothing_rings_when_the_outage_has_ended_the_last_wait() -> None:
    """The next poll is set while somebody waits only; otherwise there is no job to poll for."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, facts: complaints.append(facts))
    alarms, polls = Alarms(), 0

    async def poll(_: JobToken) -> JobStatus:
        nonlocal polls
        polls += 1
        raise GatewayUnavailable("the portal is down")

    job = make_job(poll, alarms)
    with ending_in_outage(30), pytest.raises(JobTimeout, match="no poll for 30 s"):
        await job
    assert alarms.count == 0
    before = polls
    await asyncio.sleep(4000)
    assert (polls, complaints) == (before, [])


@pytest.mark.parametrize("seconds", [0.0, 0.3, 5.0, 30.0, 100.0])
async def test_a_wait_ends_when_the_outage_has_lasted_so_long(seconds: float) -> None:
    """At the very second, with a last poll: it ended at the poll after it, up to a minute late."""
    loop, at = asyncio.get_running_loop(), list[float]()

    async def poll(_: JobToken) -> JobStatus:
        at.append(loop.time())
        raise GatewayUnavailable("the portal is down")

    job = make_job(poll, Alarms(), initial_delay=7.1)
    begun = loop.time()
    with ending_in_outage(seconds), pytest.raises(JobTimeout, match=f"no poll for {seconds:g} s") as ended:
        await job
    assert loop.time() - begun == pytest.approx(7.1 + seconds)
    assert at[-1] - at[0] == pytest.approx(seconds)
    told = f"no answer from api.sandbox.co.in for {seconds:.0f} s (the portal is down)"
    assert ended.value.__notes__ == [told]


async def test_the_last_poll_of_an_outage_may_be_answered() -> None:
    """Then it was none, and the wait goes on."""
    polls = 0

    async def poll(_: JobToken) -> JobStatus:
        nonlocal polls
        polls += 1
        if polls == 1:
            raise GatewayUnavailable("the portal is down")
        return running() if polls < 5 else JobStatus(state=JobState.SUCCEEDED, raw_code="S", processed=8)

    with ending_in_outage(0.5):
        assert (await make_job(poll, Alarms())).ok


async def test_each_who_waits_has_a_patience_of_its_own() -> None:
    """The end of one wait leaves the others as they were."""
    loop, ended = asyncio.get_running_loop(), dict[float, float]()

    async def poll(_: JobToken) -> JobStatus:
        raise GatewayUnavailable("the portal is down")

    job = make_job(poll, Alarms())

    async def wait(seconds: float) -> None:
        with ending_in_outage(seconds), pytest.raises(JobTimeout, match=f"no poll for {seconds:g} s"):
            await job
        ended[seconds] = loop.time() - begun

    begun = loop.time()
    await asyncio.gather(*map(wait, (50.0, 3.0, 20.0)))
    assert ended == {seconds: pytest.approx(2.0 + seconds) for seconds in (3.0, 20.0, 50.0)}


async def test_a_gateway_that_says_when_to_ask_again_is_asked_no_sooner() -> None:
    """However short the outage may be: the wait ends in time, without a last poll."""
    loop, at, ended = asyncio.get_running_loop(), list[float](), list[float]()

    async def poll(_: JobToken) -> JobStatus:
        at.append(loop.time())
        raise RateLimited("later", retry_after=60.0)

    job = make_job(poll, Alarms(), initial_delay=2.0)
    begun = loop.time()
    for seconds in (5.0, 5.0, 0.0, 90.0):
        with ending_in_outage(seconds), pytest.raises(JobTimeout, match=f"no poll for {seconds:g} ") as error:
            await job
        ended.append(loop.time() - begun)
        told = f"no answer but 'too many requests' from api.sandbox.co.in for {seconds:.0f} s (later)"
        assert error.value.__notes__ == [told]
    assert ended == [pytest.approx(at) for at in (2 + 5, 7 + 5, 12, 12 + 90)]
    assert at[1] - at[0] >= 60
    assert len(at) == 2


@pytest.mark.parametrize("retry_after", [None, 3.0, 5.0])
async def test_one_that_says_too_many_requests_is_asked_once_more_in_time(retry_after: float | None) -> None:
    """Where it does not ask for longer; the wait ended a minute late."""
    loop, at = asyncio.get_running_loop(), list[float]()

    async def poll(_: JobToken) -> JobStatus:
        at.append(loop.time())
        raise RateLimited("later", retry_after=retry_after)

    with ending_in_outage(5), pytest.raises(JobTimeout, match="the gateway granted no poll for 5 s"):
        await make_job(poll, Alarms(), initial_delay=50.0)
    assert at[-1] - at[0] == pytest.approx(5)


async def test_what_the_gateway_says_of_a_time_holds_when_it_then_goes_down() -> None:
    """And is over once that time has come."""
    loop, at = asyncio.get_running_loop(), list[float]()

    async def poll(_: JobToken) -> JobStatus:
        at.append(loop.time())
        raise RateLimited("later", retry_after=60.0) if len(at) == 1 else GatewayUnavailable("down")

    with ending_in_outage(65), pytest.raises(JobTimeout, match="answered no poll for 65 s"):
        await make_job(poll, Alarms())
    assert [moment - at[0] for moment in at[:2]] == [0, pytest.approx(60)]
    assert at[-1] - at[0] == pytest.approx(65)


@pytest.mark.parametrize("seconds", [0.0, 5.0, 100.0])
async def test_a_wait_that_begins_in_an_outage_has_its_own_patience(seconds: float) -> None:
    """From its own begin, also if the other wait has ended meanwhile; it was told the time of the other."""
    loop, at = asyncio.get_running_loop(), list[float]()

    async def poll(_: JobToken) -> JobStatus:
        at.append(loop.time())
        raise GatewayUnavailable("the portal is down")

    job = make_job(poll, Alarms())
    other: asyncio.Task[object] = asyncio.create_task(job.result())
    await asyncio.sleep(400)
    for _ in range(2):
        begun = loop.time()
        with ending_in_outage(seconds), pytest.raises(JobTimeout, match=f"no poll for {seconds:g} ") as ended:
            await job
        assert loop.time() - begun == pytest.approx(seconds)
        assert at[-1] - begun == pytest.approx(seconds)
        told = f"no answer from api.sandbox.co.in for {seconds:.0f} s (the portal is down)"
        assert ended.value.__notes__ == [told]
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)


async def test_a_deadline_that_passes_as_polls_are_answered_is_not_put_off() -> None:
    """Alarms ring a few in a turn: all others are behind the answers of that moment."""
    loop, alarms, again = asyncio.get_running_loop(), Alarms(), asyncio.Event()
    polled, ended = set[str | None](), Counter[float]()

    async def poll(token: JobToken) -> JobStatus:
        if token.reference_id in polled:
            await again.wait()
        polled.add(token.reference_id)
        return running()

    async def wait(job: ImsJob) -> None:
        with pytest.raises(JobTimeout, match="the deadline of 10 s has passed"):
            await job
        ended[round(loop.time() - begun, 3)] += 1

    begun = loop.time()
    jobs = [
        make_job(poll, alarms, reference=f"{place}", initial_delay=2, deadline=10) for place in range(300)
    ]
    loop.call_at(begun + 12, again.set)
    await asyncio.gather(*map(wait, jobs))
    assert ended == {12.0: 300}


async def test_slow_answers_leave_few_entries_among_the_alarms() -> None:
    """However long the job runs: a poll that takes long is looked at again, but not at the deadline only."""
    alarms = Alarms()

    async def poll(_: JobToken) -> JobStatus:
        await asyncio.sleep(2.5)
        return running()

    wait = asyncio.create_task(make_job(poll, alarms, max_interval=5).wait())
    for _ in range(17):
        await asyncio.sleep(100)
        assert alarms.count == 1
        assert len(alarms._heap) <= 12  # at its deadline only, there would be two hundred
    wait.cancel()
    await asyncio.gather(wait, return_exceptions=True)
    assert (alarms.count, alarms._heap) == (0, [])


async def test_a_wait_without_a_deadline_leaves_no_alarm_behind() -> None:
    """None of infinity is counted: otherwise entries of alarms that were cancelled would never be cleared."""
    alarms, polls = Alarms(), 0

    async def poll(_: JobToken) -> JobStatus:
        nonlocal polls
        polls += 1
        await asyncio.sleep(3)
        return running() if polls < 5 else JobStatus(state=JobState.SUCCEEDED, raw_code="S", processed=8)

    assert (await make_job(poll, alarms, deadline=math.inf)).ok
    assert (polls, alarms.count, alarms._heap) == (5, 0, [])


class QuickJournal(MemoryJournal):
    """Gives the records of its one change at once."""

    def __init__(self, records: Sequence[Record]) -> None:
        super().__init__()
        self.kept = records

    async def records(self, change_id: str) -> list[Record]:
        """Give them."""
        return list(self.kept)


async def test_records_that_come_while_a_report_is_made_are_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or else are not taken: a handle never has the records, and a report that was made without them."""
    monkeypatch.setattr(steps, "_LONGEST_TURN", 0.0)
    row = read_invoice(Section.B2B, strategies.documented_row(Section.B2B))
    decisions = [attrs.evolve(row, number=f"N{place}").reject("no") for place in range(4000)]
    refused = tuple(
        ErrorEntry(
            section=one.section,
            supplier=one.supplier,
            number=one.number,
            return_period=one.return_period,
            code="E1",
            message="no",
        )
        for one in decisions
    )
    journal = QuickJournal(decisions)
    change = await journal.add(Change(id="c1", token=token(submitted=len(decisions))), decisions)
    change = (await journal.claim(change.claimed(change.token), since=None)).change
    accepted = await journal.put(change.accepted(change.token))
    assert accepted is not None
    status = JobStatus(
        state=JobState.PARTIAL, raw_code="PE", errors=4000, error_report=refused, polled_at=1.0
    )
    ended = await journal.put(accepted.heard(status))
    assert ended is not None
    job = ImsJob(JournaledChange(journal, ended), poll=never, times=PollTimes(PollPolicy()))
    report = asyncio.create_task(job.result())
    for _ in range(3):
        await asyncio.sleep(0)
    records = await job.load()
    assert records is not None
    assert [failure.record for failure in (await report).failed] == [*records]


async def never(_: JobToken) -> JobStatus:
    """It is not polled."""
    raise AssertionError
