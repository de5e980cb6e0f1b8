"""The job handle: one driver, virtual time, no HTTP."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import pickle
import weakref
from typing import Any

import attrs
import pytest

from ims_async import (
    ClientClosed,
    DownloadQueued,
    GatewayError,
    GatewayUnavailable,
    ImsJob,
    JobFailed,
    JobInFlight,
    JobReport,
    JobState,
    JobStatus,
    JobTimeout,
    JobToken,
    NotAuthorized,
    OutcomeUnknown,
    PollPolicy,
    QuotaExhausted,
    RateLimited,
    Section,
    UnexpectedAnswer,
    as_completed,
)
from ims_async.gsp.codec import read_invoice, read_status
from ims_async.jobs.poller import ending_in_outage
from ims_async.model.status import ErrorEntry, JobKind
from ims_async.net.poll_times import PollTimes

from ..support import loops, strategies

pytestmark = pytest.mark.looptime


class Gateway:
    """Answers polls from a script, the last answer for ever; counts them and notes when they came."""

    def __init__(self, *answers: dict[str, Any] | Exception, takes: float = 0.0) -> None:
        self.answers, self.takes = list(answers), takes
        self.at: list[float] = []

    @property
    def polls(self) -> int:
        return len(self.at)

    async def poll(self, token: JobToken) -> JobStatus:
        """Give the next scripted answer."""
        self.at.append(asyncio.get_running_loop().time())
        if self.takes:
            await asyncio.sleep(self.takes)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return read_status(answer, "data.data", polled_at=self.at[-1])


IP = {"status_cd": "IP", "transTypCd": "SAV"}
P8 = {"status_cd": "P", "proc_cnt": "8", "err_cd": "", "err_msg": "", "transTypCd": "SAV"}
PE = {"status_cd": "PE", "proc_cnt": "7", "err_cnt": "1", "transTypCd": "SAV"}
ER = {"status_cd": "ER", "err_cd": "IMSSAV005", "err_msg": "Schema validation failure", "proc_cnt": "0"}


def make_job(
    gateway: Gateway, *, policy: PollPolicy | None = None, reference: str | None = "ref-1", submitted: int = 8
) -> ImsJob:
    """A job of eight records that nobody knows any more."""
    token = JobToken(
        gsp="sandbox",
        host="api.sandbox.co.in",
        gstin="29AAACQ3770E1ZF",
        kind=JobKind.SAVE,
        reference_id=reference,
        submitted=submitted,
    )
    return ImsJob(token, poll=gateway.poll, times=PollTimes(policy or PollPolicy()))


@pytest.fixture(autouse=True, params=["tasks", *({"eager tasks"} & {*loops.HERE})])
async def _tasks(request: pytest.FixtureRequest) -> None:
    """Run all of it with eager tasks too, where Python has them: a poll may end before its task is known."""
    if request.param == "eager tasks":
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]


async def test_awaiting_a_job_returns_its_report() -> None:
    """`await job` polls until the final status and gives the report."""
    gateway = Gateway(IP, P8)
    report = await make_job(gateway)
    assert report.state is JobState.SUCCEEDED
    assert report.ok
    assert gateway.polls == 2


async def test_ten_awaits_make_the_polls_of_one() -> None:
    """All waiters share one driver, and get the same report object."""
    gateway = Gateway(IP, IP, IP, P8)
    job = make_job(gateway)
    reports = await asyncio.gather(*(job.result() for _ in range(10)))
    assert gateway.polls == 4
    assert all(report is reports[0] for report in reports)
    assert await job is reports[0]
    assert gateway.polls == 4


async def test_the_first_poll_comes_after_the_initial_delay_and_later_ones_further_apart() -> None:
    """The schedule is the policy's; jitter only lengthens."""
    gateway = Gateway(IP, IP, IP, IP, P8)
    await make_job(gateway, policy=PollPolicy(initial_delay=2, factor=2, max_interval=8))
    gaps = [b - a for a, b in zip([0.0, *gateway.at], gateway.at, strict=False)]
    assert gaps[0] == pytest.approx(2.0)
    for gap, least in zip(gaps[1:], [4, 8, 8, 8], strict=True):
        assert least <= gap <= least * 1.1 + 1e-6


async def test_a_job_is_not_polled_when_nobody_waits() -> None:
    """Each poll is billed: a handle that is only held costs nothing."""
    gateway = Gateway(IP)
    job = make_job(gateway)
    await asyncio.sleep(10_000)
    assert gateway.polls == 0
    assert not job.done
    assert job.status.state is JobState.PROCESSING


async def test_cancelling_the_last_waiter_stops_the_polls_and_loses_nothing() -> None:
    """After a cancelled wait the job rests; a new wait goes on where it was."""
    gateway = Gateway(IP, IP, P8)
    job = make_job(gateway)
    waiter = asyncio.create_task(job.result())
    await asyncio.sleep(3)
    assert gateway.polls == 1
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    await asyncio.sleep(5_000)
    assert gateway.polls == 1
    assert (await job).ok
    assert gateway.polls == 3


async def test_cancelling_one_of_two_waiters_leaves_the_other_waiting() -> None:
    """A waiter's cancellation is its own affair."""
    gateway = Gateway(IP, IP, P8)
    job = make_job(gateway)
    first, second = asyncio.create_task(job.result()), asyncio.create_task(job.result())
    await asyncio.sleep(3)
    first.cancel()
    assert (await second).ok
    assert first.cancelled()


async def test_a_poll_under_way_when_the_last_waiter_goes_is_not_thrown_away() -> None:
    """The answer was paid for: it is kept, and the next await needs no further poll."""
    gateway = Gateway(P8, takes=5)
    job = make_job(gateway)
    waiter = asyncio.create_task(job.result())
    await asyncio.sleep(4)
    waiter.cancel()
    await asyncio.sleep(10)
    assert job.done
    assert (await job).ok
    assert gateway.polls == 1


async def test_no_driver_is_left_behind_when_a_wait_is_given_up() -> None:
    """Cancelling the only waiter ends the background task too."""
    job = make_job(Gateway(IP))
    waiter = asyncio.create_task(job.result())
    await asyncio.sleep(3)
    waiter.cancel()
    await asyncio.sleep(0.1)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_timeout_names_the_job_and_the_job_goes_on() -> None:
    """`JobTimeout` carries reference, last status, polls and token; the same handle can be awaited again."""
    gateway = Gateway(IP, IP, IP, P8)
    job = make_job(gateway)
    with pytest.raises(JobTimeout) as caught:
        await job.result(timeout=7)
    message = str(caught.value)
    assert "ref-1" in message
    assert "IP" in message
    assert "2 polls" in message
    assert caught.value.token == job.token
    assert not job.done
    assert (await job.result(timeout=1000)).ok


async def test_a_timeout_is_a_timeout_error() -> None:
    """Code that knows asyncio only can catch it."""
    with pytest.raises(TimeoutError):
        await make_job(Gateway(IP)).wait(timeout=1)


async def test_the_deadline_is_neither_success_nor_failure() -> None:
    """After the policy's deadline every waiter gets `JobTimeout`; a new await starts a new one."""
    gateway = Gateway(IP)
    job = make_job(gateway, policy=PollPolicy(deadline=100))
    results = await asyncio.gather(job.result(), job.wait(), return_exceptions=True)
    assert [type(result) for result in results] == [JobTimeout, JobTimeout]
    assert asyncio.get_running_loop().time() == pytest.approx(102, abs=0.01)
    assert not job.done
    gateway.answers = [P8]
    assert (await job).ok


async def test_a_deadline_that_passed_unwatched_starts_anew() -> None:
    """Nobody waited when it passed: the next await is not told of a time-out."""
    gateway = Gateway(IP, P8)
    job = make_job(gateway, policy=PollPolicy(deadline=50))
    with pytest.raises(JobTimeout):
        await job.wait(timeout=3)
    await asyncio.sleep(500)
    assert (await job).ok


async def test_the_deadline_holds_while_a_poll_hangs() -> None:
    """A poll that never answers does not keep the waiters for ever."""
    gateway = Gateway(IP, takes=1e9)
    job = make_job(gateway, policy=PollPolicy(deadline=100))
    for _ in range(2):
        started = asyncio.get_running_loop().time()
        with pytest.raises(JobTimeout, match="1 polls"):
            await job
        assert asyncio.get_running_loop().time() - started <= 102.1
    await job._poller.aclose(job)


async def test_a_timeout_of_the_caller_s_own_stays_the_caller_s() -> None:
    """An `asyncio.timeout` around the await is not turned into our error."""
    job = make_job(Gateway(IP))
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(5):
            await job
    assert not isinstance(caught.value, JobTimeout)


async def test_a_refused_job_raises_its_code_and_carries_the_report() -> None:
    """ER: `result` raises `JobFailed`, `wait` does not raise."""
    job = make_job(Gateway(ER))
    with pytest.raises(JobFailed, match="IMSSAV005") as caught:
        await job
    assert caught.value.code == "IMSSAV005"
    assert caught.value.report is job.report
    assert (await job.wait()).state is JobState.FAILED


async def test_a_partly_refused_job_is_a_report_not_an_exception() -> None:
    """PE: the caller reads the report."""
    report = await make_job(Gateway(PE))
    assert report.state is JobState.PARTIAL
    assert not report.ok


@pytest.mark.parametrize(
    "trouble",
    [
        GatewayUnavailable("down", http_status=503),
        GatewayUnavailable("dropped"),
        UnexpectedAnswer(problems=["data.data: missing"]),
        RateLimited("slow down", retry_after=300.0),
        NotAuthorized("a blip", http_status=403),
        QuotaExhausted("a blip", http_status=403),
        JobInFlight("IMSSAV0015: strange as an answer to a poll"),
        DownloadQueued(),
    ],
)
async def test_one_failed_poll_does_not_fail_the_job(trouble: Exception) -> None:
    """What time may heal is absorbed; the next tick asks again."""
    gateway = Gateway(IP, trouble, P8)
    assert (await make_job(gateway)).ok
    assert gateway.polls == 3


async def test_a_rate_limited_poll_waits_as_long_as_it_was_told() -> None:
    """The gateway's hint wins over the schedule."""
    gateway = Gateway(RateLimited("slow down", retry_after=300.0), P8)
    await make_job(gateway)
    assert gateway.at[1] - gateway.at[0] >= 300


async def result_in_outage(job: ImsJob, longest: float) -> JobReport:
    """Wait as the tasks of a run do."""
    with ending_in_outage(longest):
        return await job


async def test_a_wait_in_an_outage_ends_once_no_poll_was_answered_for_so_long() -> None:
    """That wait only, as a time-out; the next one begins to count anew."""
    job = make_job(Gateway(IP, GatewayUnavailable("the portal is down")), policy=PollPolicy(deadline=1000))
    other: asyncio.Task[Any] = asyncio.create_task(job.result())
    begun = asyncio.get_running_loop().time()
    for longest in (100, 100, 0):
        with pytest.raises(JobTimeout, match=f"no poll for {longest} s, .*the portal is down") as ended:
            await result_in_outage(job, longest)
        assert (ended.value.job, job._poller.unanswered, job.open, other.done()) == (job, True, True, False)
        took = asyncio.get_running_loop().time() - begun
        assert longest <= took <= longest + 130
        if longest:
            other.cancel()
            await asyncio.gather(other, return_exceptions=True)
            await asyncio.sleep(500)
            other, begun = asyncio.create_task(asyncio.Event().wait()), asyncio.get_running_loop().time()
    other.cancel()


async def test_a_poll_that_is_answered_now_and_then_is_no_outage() -> None:
    """By an error of the gateway's own, too: only polls count that fail one after another."""
    down = GatewayUnavailable("the portal is down")
    answers: list[Any] = [down, IP, down, GatewayError("no", code="E1", http_status=400)] * 10
    job = make_job(Gateway(*answers, P8), policy=PollPolicy(initial_delay=60, deadline=10_000))
    assert (await result_in_outage(job, 90)).ok


async def test_a_hint_beyond_the_deadline_is_told_instead_of_slept_through() -> None:
    """To be asked back in thirty years is no reason for silence; the job can be awaited again."""
    gateway = Gateway(RateLimited("slow down", retry_after=1e9), P8)
    job = make_job(gateway)
    with pytest.raises(RateLimited):
        await job
    assert gateway.at[0] < 60
    assert (await job).ok


async def test_polls_that_go_on_failing_end_in_a_timeout_that_says_why() -> None:
    """The last poll's trouble is in the message."""
    job = make_job(Gateway(GatewayUnavailable("the portal is down")), policy=PollPolicy(deadline=300))
    with pytest.raises(JobTimeout, match="the portal is down"):
        await job


async def test_a_job_that_is_denied_five_times_in_a_row_is_given_up() -> None:
    """A reference that was mistyped is not worth half an hour; the handle can be awaited again."""
    gateway = Gateway(GatewayError("no such job", code="404"))
    job = make_job(gateway)
    with pytest.raises(GatewayError, match="no such job") as caught:
        await job
    assert type(caught.value) is GatewayError
    assert gateway.polls == 5
    assert gateway.at[-1] < 100
    gateway.answers = [P8]
    assert (await job).ok


async def test_a_job_that_was_sent_from_here_is_not_given_up() -> None:
    """A gateway may take a while to know what it has just taken."""
    gateway = Gateway(*[GatewayError("no such job")] * 8, P8)
    record = read_invoice(Section.B2B, strategies.documented_row(Section.B2B)).accept()
    job = ImsJob(
        make_job(gateway).token, poll=gateway.poll, times=PollTimes(PollPolicy()), records=[record] * 8
    )
    assert (await job).ok
    assert gateway.polls == 9


async def test_a_job_that_was_told_of_once_is_polled_on_however_often_it_is_denied() -> None:
    """It is there: a denial is a stumble of the gateway."""
    gateway = Gateway(IP, *[GatewayError("no such job")] * 20, P8)
    assert (await make_job(gateway)).ok
    assert gateway.polls == 22


@pytest.mark.parametrize(
    "trouble",
    [
        GatewayUnavailable("down", http_status=503),
        RateLimited("slow down"),
        UnexpectedAnswer(problems=["data: missing"]),
        JobInFlight("strange as an answer to a poll"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_is_no_denial_is_not_counted_as_one(trouble: Exception) -> None:
    """Four denials and any number of outages are polled on until the deadline."""
    gateway = Gateway(*[GatewayError("no such job")] * 4, trouble)
    with pytest.raises(JobTimeout):
        await make_job(gateway)
    assert gateway.polls > 30


async def test_a_missing_session_is_told_at_the_first_poll() -> None:
    """No credential here: waiting does not make one."""
    gateway = Gateway(NotAuthorized("log in"))
    with pytest.raises(NotAuthorized, match="log in"):
        await make_job(gateway)
    assert gateway.polls == 1


async def test_a_session_refused_twice_running_is_told() -> None:
    """Once may be a blip; twice needs a person. The job itself is unharmed."""
    gateway = Gateway(NotAuthorized("expired", http_status=403))
    job = make_job(gateway)
    with pytest.raises(NotAuthorized):
        await job
    assert gateway.polls == 2
    gateway.answers = [P8]
    assert (await job).ok


async def test_a_defect_in_a_poll_reaches_the_waiters() -> None:
    """An unforeseen exception is not swallowed, and does not hang anybody."""
    with pytest.raises(ZeroDivisionError):
        await make_job(Gateway(ZeroDivisionError("a defect")))


async def test_events_tell_each_change_also_to_a_late_listener() -> None:
    """From the first status on, each once, whenever one begins to listen."""
    job = make_job(Gateway(IP, IP, {"status_cd": "REC"}, P8))
    early = [status.raw_code async for status in job.events()]
    late = [status.raw_code async for status in job.events()]
    assert early == late == ["", "IP", "REC", "P"]


async def test_listening_drives_the_job_and_leaving_stops_it() -> None:
    """An event loop that is broken out of does not go on polling."""
    gateway = Gateway(IP)
    job = make_job(gateway)
    async for status in job.events():
        if status.raw_code == "IP":
            break
    await asyncio.sleep(5_000)
    assert gateway.polls == 1


async def test_refresh_polls_once_and_raises_what_the_poll_raises() -> None:
    """One request, no patience."""
    gateway = Gateway(IP, GatewayUnavailable("down"), P8)
    job = make_job(gateway)
    assert (await job.refresh()).raw_code == "IP"
    with pytest.raises(GatewayUnavailable):
        await job.refresh()
    assert (await job.refresh()).done
    await job.refresh()
    assert gateway.polls == 3


@pytest.mark.parametrize("again", [IP, {"status_cd": "XX"}], ids=["nothing new", "news"])
async def test_what_was_refreshed_is_not_polled_before_its_next_time(again: dict[str, str]) -> None:
    """Each poll is billed: one that was just made takes the place of the one that was due."""
    gateway = Gateway(IP, again, IP, P8)
    job = make_job(gateway, policy=PollPolicy(schedule=lambda: itertools.repeat(60.0)))
    began = asyncio.get_running_loop().time()
    waiting = asyncio.create_task(job.wait())
    await asyncio.sleep(110.0)
    await job.refresh()
    await waiting
    assert [round(at - began) for at in gateway.at] == [60, 110, 170, 230]


async def test_an_unknown_code_is_not_final_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Never success, never failure: polled on, and visible as `raw_code`."""
    job = make_job(Gateway({"status_cd": "XX"}, {"status_cd": "XX"}, {"status_cd": "XX"}, P8))
    with caplog.at_level(logging.WARNING, "ims_async"):
        seen = [status.raw_code async for status in job.events()]
    assert seen == ["", "XX", "P"]
    assert [record.message for record in caplog.records].count(
        "job ref-1: status code 'XX' is not documented; polling on"
    ) == 1


async def test_p_without_counts_is_polled_on() -> None:
    """Evidence decides: a bare P says nothing."""
    gateway = Gateway({"status_cd": "P"}, {"status_cd": "P"}, P8)
    assert (await make_job(gateway)).ok
    assert gateway.polls == 3


async def test_p_whose_count_stands_still_ends_with_the_rest_unaccounted() -> None:
    """Three polls and 60 s without change: done, and honest about the four that nobody counted."""
    half = {**P8, "proc_cnt": "4"}
    gateway = Gateway(half)
    report = await make_job(gateway)
    assert gateway.polls >= 3
    assert gateway.at[-1] - gateway.at[0] >= 60
    assert report.unaccounted_count == 8
    assert not report.ok


async def test_a_job_without_a_reference_says_what_to_do() -> None:
    """Nothing to poll: reconcile looks."""
    gateway = Gateway(IP)
    job = make_job(gateway, reference=None)
    assert job.status.state is JobState.UNKNOWN
    for ask in (job.result, job.wait, job.refresh):
        with pytest.raises(OutcomeUnknown, match="reconcile"):
            await ask()
    assert gateway.polls == 0


async def test_closing_wakes_the_waiters_with_the_token() -> None:
    """`ClientClosed` carries what resumes the job elsewhere; polling ends."""
    gateway = Gateway(IP)
    job = make_job(gateway)
    waiter = asyncio.create_task(job.result())
    await asyncio.sleep(3)
    await job._poller.aclose(job)
    with pytest.raises(ClientClosed) as caught:
        await waiter
    assert caught.value.token == job.token
    with pytest.raises(ClientClosed):
        await job
    await asyncio.sleep(1_000)
    assert gateway.polls == 1


async def test_a_poll_that_meets_a_closed_client_hands_out_the_token() -> None:
    """Whoever waits for it, or asks for one, can resume the job elsewhere."""
    job = make_job(Gateway(ClientClosed("closed; nothing was sent")))
    for ask in (job.result, job.refresh):
        with pytest.raises(ClientClosed) as caught:
            await ask()
        assert caught.value.token == job.token


async def test_as_completed_yields_each_job_once_as_it_ends() -> None:
    """The quick one first; a failed one and one that times out drop no sibling."""
    slow = make_job(Gateway(IP, IP, IP, P8), reference="slow")
    quick = make_job(Gateway(P8), reference="quick")
    refused = make_job(Gateway(IP, ER), reference="refused")
    endless = make_job(Gateway(IP), reference="endless", policy=PollPolicy(deadline=500))
    order = [job.reference_id async for job in as_completed([slow, quick, refused, endless, quick])]
    assert order == ["quick", "refused", "slow", "endless"]
    assert refused.status.state is JobState.FAILED
    assert not endless.done


async def test_leaving_as_completed_early_stops_waiting_for_the_rest() -> None:
    """No task is left behind."""
    jobs = [make_job(Gateway(P8), reference="a"), make_job(Gateway(IP), reference="b")]
    finished = as_completed(jobs)
    async for _ in finished:
        break
    await finished.aclose()  # type: ignore[attr-defined] # it is an async generator
    await asyncio.sleep(0.1)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_job_is_forgotten_when_nobody_holds_it() -> None:
    """Finished or given up, a handle leaves no cycle that only the collector could free."""
    gc.disable()
    try:
        before = sum(isinstance(thing, ImsJob) for thing in gc.get_objects())
        job: ImsJob | None = make_job(Gateway(P8))
        assert job is not None
        await job
        await asyncio.sleep(0.1)
        job = None
        assert sum(isinstance(thing, ImsJob) for thing in gc.get_objects()) == before
    finally:
        gc.enable()


async def test_a_timeout_can_be_sent_to_another_process() -> None:
    """The error is pickled without the job, with the token."""
    job = make_job(Gateway(IP))
    with pytest.raises(JobTimeout) as caught:
        await job.result(timeout=1)
    again: JobTimeout = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 # our own bytes
    assert again.job is None
    assert again.token == job.token
    assert str(again) == str(caught.value)


# -- the last reading ----------------------------------------------------------------------------------

MORE = {**IP, "more": "of it"}


async def test_the_last_reading_is_that_of_the_last_poll_though_it_says_the_same() -> None:
    """With its time and its whole answer, for `status`, `wait` and a late listener."""
    answers = [IP, IP, MORE, MORE, P8]
    gateway = Gateway(*answers)
    job = make_job(gateway)
    for answer in answers[:-1]:
        assert await job.refresh() is job.status
        assert (job.status.polled_at, job.status.raw) == (gateway.at[-1], answer)
        listener = job.events()
        assert (await anext(listener)).polled_at is None
        assert await anext(listener) is job.status
        await asyncio.sleep(1)
    seen = [status async for status in job.events()]
    assert [(status.raw_code, status.polled_at) for status in seen] == [
        ("", None),
        ("IP", gateway.at[3]),
        ("P", gateway.at[4]),
    ]
    assert await job.wait() is job.status is seen[-1]


async def test_of_polls_that_say_the_same_one_reading_is_kept() -> None:
    """There may be thousands that wait, and answers are many times as long as what is read from them."""
    answers: list[weakref.ref[JobStatus]] = []

    async def poll(token: JobToken) -> JobStatus:
        gc.collect()
        assert sum(answer() is not None for answer in answers) <= 1
        status = read_status(IP, "data.data", polled_at=asyncio.get_running_loop().time())
        answers.append(weakref.ref(status))
        return status

    job = ImsJob(make_job(Gateway(IP)).token, poll=poll, times=PollTimes(PollPolicy()))
    with pytest.raises(JobTimeout):
        await job.wait(timeout=500)
    assert len(answers) > 5


@pytest.mark.parametrize(
    "fact",
    [
        {"error_message": "slow"},
        {"carrier_done": True},
        {"documented": False},
        {"raw": MORE},
        {
            "error_report": (
                ErrorEntry(section="", supplier="", number=None, return_period=None, code="", message=""),
            )
        },
    ],
    ids=lambda fact: next(iter(fact)),
)
async def test_whatever_a_poll_says_anew_is_shown(fact: dict[str, Any]) -> None:
    """Also where it is no news to a listener."""
    first = JobStatus(state=JobState.PROCESSING, raw_code="IP", polled_at=1.0)
    answers = [first, attrs.evolve(first, polled_at=2.0, **fact), attrs.evolve(first, polled_at=3.0)]
    later = iter(answers)

    async def poll(token: JobToken) -> JobStatus:
        return next(later)

    job = ImsJob(make_job(Gateway(IP)).token, poll=poll, times=PollTimes(PollPolicy()))
    for answer in answers:
        status = await job.refresh()
        assert (status, status.raw, status.polled_at) == (answer, answer.raw, answer.polled_at)
