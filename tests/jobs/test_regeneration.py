"""GSTR-2B that is computed anew: one job like others, but without records, and harmless to ask for twice."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any, Final

import pytest

from ims_async import (
    ClientClosed,
    GatewayUnavailable,
    ImsClient,
    InvalidInput,
    JobFailed,
    JobInFlight,
    JobKind,
    JobReport,
    JobToken,
    JournalError,
    NotSupported,
    OtpRequired,
    OutcomeUnknown,
    PollPolicy,
    PReading,
    RateLimited,
    RecordsRejected,
    RegenerationRefused,
    Taxpayer,
)
from ims_async.journal import Cause, Change, ChangeState
from ims_async.model.times import SENDER_IS_DEAD
from ims_async.simulator import Fault, Simulator

from ..conftest import ONE_TRY, make_client
from ..support.journal_flows import Shaky, Shelf, only, undecided
from ..support.regeneration_flows import FIXTURES, LOST, MARKS, PERIOD, died, lose

pytestmark = MARKS
shelf, journal, client, acme, second, other = FIXTURES

S: Final = ChangeState


def asked(sim: Simulator) -> list[str]:
    """Return GSTN's answer to each request that reached the portal: a reference or a code."""
    return [one.reference or one.refused for one in sim.returns.regenerations]


# -- what comes of it ------------------------------------------------------------------------------------


async def test_it_is_a_job_of_no_records(acme: Taxpayer, client: ImsClient, sim: Simulator) -> None:
    """It is known by its token and its reference, too, and its report says in a sentence what came of it."""
    job = await acme.regenerate_gstr2b(PERIOD)
    assert (job.kind, job.period, job.submitted, job.open) == (JobKind.REGENERATE, PERIOD, 0, True)
    assert [job] == await client.unfinished()
    report = await job
    assert str(report) == "GSTR-2B of 012025 was computed anew"
    assert (report.ok, report.submitted, report.gstr2b, report.unchanged) == (True, 0, PERIOD, False)
    assert JobReport.from_dict(report.to_dict()) == report
    assert JobToken.loads(job.token.dumps()) == job.token
    report.raise_for_failures()
    assert sim.count("regenerate") == 1
    by_name = acme.job(job.reference_id or "", kind=JobKind.REGENERATE, submitted=7)
    assert (await by_name).ok
    elsewhere = make_client(sim)
    elsewhere.taxpayer(acme.gstin, token=sim.token(acme.gstin))
    resumed = elsewhere.resume(job.token.dumps())
    assert str(await resumed) == str(report)
    known_by_reference = elsewhere.taxpayer(acme.gstin).job("another", kind=JobKind.REGENERATE)
    assert (known_by_reference.period, known_by_reference.submitted) == ("", 0)


def test_a_token_of_an_earlier_release_names_no_period() -> None:
    """Only this kind has one, and only then is it in the text."""
    token = JobToken(gsp="g", host="h", gstin="29AAACQ3770E1ZF", kind=JobKind.SAVE, reference_id="R")
    assert "period" not in token.dumps()
    assert JobToken.loads(token.dumps()).period == ""


@pytest.mark.sim(regenerate_unchanged=False)
async def test_where_nothing_changed_it_has_ended_at_once(
    acme: Taxpayer, client: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """Without a reference or a poll; the journal has its end, and the turn is free."""
    job = await acme.regenerate_gstr2b(PERIOD)
    assert (job.open, job.done, job.reference_id) == (False, True, None)
    assert str(await job) == "GSTR-2B of 012025 is up to date: nothing changed"
    assert job.report is not None
    assert (job.report.ok, job.report.unchanged) == (True, True)
    assert (await shelf.states(), await client.unfinished()) == ([S.ENDED], [])
    assert [str(one.report) async for one in client.finished()] == [str(job.report)]
    assert sim.count("regeneration") == 0


@pytest.mark.parametrize("reading", PReading)
@pytest.mark.sim(regenerate_unchanged=True, regenerate_running="REC")
async def test_code_p_is_the_end_however_it_is_read_of_a_save(
    acme: Taxpayer, sim: Simulator, reading: PReading
) -> None:
    """No count and no evidence is waited for."""
    client = make_client(sim, poll=PollPolicy(p_means=reading))
    job = await client.taxpayer(acme.gstin, token=sim.token(acme.gstin)).regenerate_gstr2b(PERIOD)
    report = await job
    assert (report.ok, job.status.raw_code) == (True, "P")
    assert sim.count("regeneration") == 2


@pytest.mark.parametrize("code", ["P", "PE", "ER"])
async def test_an_error_is_a_failure(acme: Taxpayer, sim: Simulator, code: str) -> None:
    """Both texts are kept; the turn is free; asking again is the caller's, with the job."""
    sim.script_status(None, {"status_cd": code, "err_cd": "X1", "err_msg": "no ledger"})
    job = await acme.regenerate_gstr2b(PERIOD)
    with pytest.raises(JobFailed, match="X1 no ledger") as caught:
        await job
    report = caught.value.report
    assert report is job.report
    assert str(report) == "GSTR-2B of 012025 was not computed anew: X1 no ledger"
    assert isinstance(report, JobReport)
    with pytest.raises(RecordsRejected, match="was not computed anew: X1"):
        report.raise_for_failures()
    with pytest.raises(InvalidInput, match="pass its job"):
        await acme.retry(report)
    again = await acme.retry(job)
    assert again.job is not None
    assert (await again.job).ok
    assert job.retried
    assert (await acme.retry(again.job)).job is None
    assert sim.count("regenerate") == 2


async def test_an_unknown_code_is_polled_on(acme: Taxpayer, sim: Simulator) -> None:
    """No word that is not documented ends it."""
    sim.script_status(None, *[{"status_cd": "C"}] * 3)
    job = await acme.regenerate_gstr2b(PERIOD)
    assert (await job.refresh()).documented is False
    assert (await job).ok


async def test_what_is_refused_is_called_off(acme: Taxpayer, shelf: Shelf, sim: Simulator) -> None:
    """Nothing was done, nothing is in the way, and recovery does not propose it."""
    sim.returns.file_gstr3b(acme.gstin, PERIOD)
    with pytest.raises(RegenerationRefused, match="IMS2B007"):
        await acme.regenerate_gstr2b(PERIOD)
    change = await shelf.last()
    assert (change.state, change.cause, change.to_retry) == (S.CALLED_OFF, Cause.REFUSED, False)
    later = f"{dt.datetime.fromtimestamp(sim.now(), dt.UTC).year + 1:04d}"
    with pytest.raises(RegenerationRefused, match="IMS2B009") as caught:
        await acme.regenerate_gstr2b(f"01{later}")
    assert caught.value.not_before == dt.date(int(later), 2, 14)


@pytest.mark.parametrize("period", ["", "2025-01", "132025", "012010", "092024", None, 12025])
async def test_what_is_no_period_is_said_before_anything_is_written(
    acme: Taxpayer, shelf: Shelf, period: Any
) -> None:
    """MMYYYY."""
    with pytest.raises(InvalidInput):
        await acme.regenerate_gstr2b(period)
    assert await shelf.states() == []


@pytest.mark.both_gsps
@pytest.mark.only_gsp("vayana", "only its documents have no route")
async def test_a_gsp_without_a_route_says_so(acme: Taxpayer, shelf: Shelf, sim: Simulator) -> None:
    """Nothing is sent, and it is not proposed again."""
    before = len(sim.requests)
    with pytest.raises(NotSupported, match="regenerate_path"):
        await acme.regenerate_gstr2b(PERIOD)
    assert len(sim.requests) == before
    assert (await shelf.last()).cause is Cause.REFUSED


# -- one change at a time --------------------------------------------------------------------------------


async def test_it_waits_for_a_save_and_a_save_for_it(acme: Taxpayer, sim: Simulator) -> None:
    """However they are handed in, the gateway never has both."""
    one, two, _ = await undecided(acme)
    handed_in = [acme.save([one]), acme.regenerate_gstr2b(PERIOD), acme.save([two])]
    jobs = await asyncio.gather(*handed_in)
    assert [report.ok for report in await asyncio.gather(*jobs)] == [True] * 3
    assert sim.returns.overlaps == []
    times = [sim.jobs[0].submitted_at, sim.returns.regenerations[0].asked_at, sim.jobs[1].submitted_at]
    assert times == sorted(times)


async def test_without_queue_it_is_refused_beside_a_save(acme: Taxpayer, sim: Simulator) -> None:
    """And a save beside it."""
    decisions = await undecided(acme, 1)
    saved = await acme.save(decisions)
    with pytest.raises(JobInFlight):
        await acme.regenerate_gstr2b(PERIOD, queue=False)
    await saved
    job = await acme.regenerate_gstr2b(PERIOD, queue=False)
    with pytest.raises(JobInFlight):
        await acme.save(decisions, queue=False)
    await job
    assert sim.returns.overlaps == []


async def test_a_logout_waits_for_it(acme: Taxpayer, sim: Simulator) -> None:
    """Its status can be asked in the session only."""
    job = await acme.regenerate_gstr2b(PERIOD)
    with pytest.raises(JobInFlight):
        await acme.logout()
    await acme.logout(wait=True)
    assert job.done
    assert sim.count("logout") == 1


async def test_two_processes_take_turns(acme: Taxpayer, other: Taxpayer, sim: Simulator) -> None:
    """Through the journal."""
    one, two, _ = await undecided(acme)
    jobs = await asyncio.gather(
        acme.save([one]), other.regenerate_gstr2b(PERIOD), acme.regenerate_gstr2b(PERIOD), other.save([two])
    )
    await asyncio.gather(*jobs)
    assert sim.returns.overlaps == []
    assert len(asked(sim)) == 2


# -- lost answers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [LOST, Fault.outage(effect=True), Fault.half_open(effect=True)])
async def test_a_lost_answer_has_it_asked_for_again_at_once(
    acme: Taxpayer, journal: Shaky, sim: Simulator, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps the turn in between: no other process may send, at any moment."""
    states: list[ChangeState] = []
    put = journal.inner.put

    async def noted(change: Change) -> Change | None:
        states.append(change.state)
        return await put(change)

    monkeypatch.setattr(journal.inner, "put", noted)
    sim.script_fault("regenerate", fault)
    job = await acme.regenerate_gstr2b(PERIOD)
    assert (await job).ok
    assert list(dict.fromkeys(states)) == [S.LOST, S.SENDING, S.ACCEPTED, S.ENDED]
    assert (len(asked(sim)), job.reference_id) == (2, asked(sim)[1])


async def test_what_never_left_is_put_back(acme: Taxpayer, sim: Simulator) -> None:
    """As a save: nothing of it is in doubt."""
    sim.script_fault("regenerate", Fault.drop_before())
    assert (await (await acme.regenerate_gstr2b(PERIOD))).ok
    client = make_client(sim, retry=ONE_TRY)
    sim.script_answer("regenerate", 429, {"code": 429, "message": "Too Many Requests"})
    with pytest.raises(Exception, match="Too Many"):
        await client.taxpayer(acme.gstin, token=sim.token(acme.gstin)).regenerate_gstr2b(PERIOD)
    assert await client.unfinished() == []


@pytest.mark.parametrize("how", ["regenerate", "save", "reset", "reconcile", "retry of another"])
async def test_what_was_lost_is_sent_again_by_the_next_call(
    acme: Taxpayer, sim: Simulator, shelf: Shelf, how: str
) -> None:
    """No look is needed, and nobody is asked to reconcile it; its end is waited for."""
    decisions = await undecided(acme)
    job = await lose(acme, sim)
    assert (job.needs_a_look, job.open, job.pollable) == (False, True, False)
    with pytest.raises(OutcomeUnknown, match="regenerate_gstr2b"):
        await job
    match how:
        case "regenerate":
            assert await acme.regenerate_gstr2b(PERIOD) is job
            assert job.reference_id == asked(sim)[-1]
        case "save":
            await (await acme.save(decisions))
        case "reset":
            await (await acme.reset([one.invoice for one in decisions]))
        case "reconcile":
            assert (await acme.reconcile(job)).settled
        case _:
            await (await acme.regenerate_gstr2b("122024"))
    assert (await job).ok
    assert len(asked(sim)) == 4 + (how == "retry of another")
    assert (await shelf.states())[0] is S.ENDED
    assert sim.returns.overlaps == []


async def test_what_was_lost_does_not_hold_up_what_comes_once_the_period_is_closed(
    acme: Taxpayer, sim: Simulator, shelf: Shelf
) -> None:
    """It is refused by its code then, and is called off."""
    decisions = await undecided(acme, 1)
    job = await lose(acme, sim, *[Fault.outage()] * 3)
    sim.returns.file_gstr3b(acme.gstin, PERIOD)
    await (await acme.save(decisions))
    assert await shelf.states() == [S.CALLED_OFF, S.ENDED]
    assert (job.open, job.cause) == (False, Cause.REFUSED)
    assert (await acme.reconcile(job)).settled
    with pytest.raises(RegenerationRefused):
        await acme.retry(job)


async def test_a_save_is_told_what_is_in_the_way_while_it_is_lost_again_and_again(
    acme: Taxpayer, sim: Simulator, shelf: Shelf
) -> None:
    """Nothing was sent of the save, and letting go frees the turn."""
    decisions = await undecided(acme, 1)
    job = await lose(acme, sim)
    sim.script_fault("regenerate", *[LOST] * 3)
    with pytest.raises(JobInFlight, match=r"nothing was sent: .*reconcile\(error.job\)") as caught:
        await acme.save(decisions)
    assert caught.value.job is job
    with pytest.raises(JobInFlight, match="asked for again"):
        await acme.save(decisions, queue=False)
    await acme.let_go(job)
    await asyncio.sleep(60)
    await (await acme.save(decisions))
    assert await shelf.states() == [S.ABANDONED, S.CALLED_OFF, S.ENDED]
    assert sim.returns.overlaps == []


@pytest.mark.parametrize("trouble", ["no session", "outage", "closed"])
async def test_what_was_lost_stays_so_where_it_cannot_be_sent_again(
    acme: Taxpayer, client: ImsClient, sim: Simulator, shelf: Shelf, trouble: str
) -> None:
    """The caller hears of the trouble on the way; it is not called off, and the next call sends it."""
    job = await lose(acme, sim)
    match trouble:
        case "no session":
            sim.end_session(acme.gstin)
            error: type[Exception] = Exception
        case "outage":
            sim.script_fault("regenerate", *[Fault.throttled()] * 3)
            error = RateLimited
        case _:
            await client.aclose()
            error = ClientClosed
    with pytest.raises(error):
        await acme.regenerate_gstr2b(PERIOD)
    assert (await shelf.states(), job.open) == ([S.LOST], True)
    if trouble != "closed":
        acme.use_token(sim.token(acme.gstin))
        assert (await (await acme.regenerate_gstr2b(PERIOD))).ok


async def test_without_a_session_nothing_is_lost(acme: Taxpayer, second: ImsClient, shelf: Shelf) -> None:
    """It is called off, and recovery proposes it."""
    with pytest.raises(OtpRequired):
        await second.taxpayer(acme.gstin).regenerate_gstr2b(PERIOD)
    assert (await shelf.last()).to_retry


async def test_an_answer_that_names_an_earlier_job_is_no_answer(acme: Taxpayer, sim: Simulator) -> None:
    """It may be an old one out of a cache: it is asked for again."""
    first = await acme.regenerate_gstr2b(PERIOD)
    await first
    envelope = {"code": 200, "data": {"data": {"reference_id": first.reference_id}, "status_cd": "1"}}
    sim.script_answer("regenerate", 200, envelope)
    with pytest.raises(OutcomeUnknown, match="the name of an earlier job"):
        await acme.regenerate_gstr2b(PERIOD)
    again = await acme.regenerate_gstr2b(PERIOD)
    assert (await again).ok
    assert again.reference_id != first.reference_id


@pytest.mark.parametrize("late", [False, True])
async def test_a_caller_who_gives_up_leaves_it_as_it_is_known(
    acme: Taxpayer, client: ImsClient, sim: Simulator, shelf: Shelf, late: bool
) -> None:
    """Lost, if it is between two tries; otherwise its answer is still heard."""
    sim.script_fault("regenerate", LOST)
    task = asyncio.create_task(acme.regenerate_gstr2b(PERIOD))
    while not asked(sim):
        await asyncio.sleep(0)
    if late:
        await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(60)
    job = await only(client)
    assert (await shelf.last()).state in (S.LOST, S.ACCEPTED)
    await acme.reconcile(job)
    assert (job.report is not None, sim.returns.overlaps) == (True, [])


@pytest.mark.parametrize("kept", [True, False])
async def test_a_token_of_what_was_lost_is_enough_to_send_it_again(
    acme: Taxpayer, second: ImsClient, sim: Simulator, kept: bool
) -> None:
    """In another process, with the journal or without."""
    text = (await lose(acme, sim)).token.dumps()
    elsewhere = second if kept else make_client(sim)
    other = elsewhere.taxpayer(acme.gstin, token=sim.token(acme.gstin))
    job = other.resume(JobToken.loads(text))
    assert (job.period, job.reference_id, job.open) == (PERIOD, None, True)
    assert await other.regenerate_gstr2b(PERIOD) is job
    assert (await job).ok
    assert len(asked(sim)) == 4


# -- a reference that is not known yet -------------------------------------------------------------------


@pytest.mark.sim(regenerate_unchanged=True, regenerate_hidden_seconds=300.0)
async def test_a_reference_that_cannot_be_seen_yet_is_polled_on(acme: Taxpayer, sim: Simulator) -> None:
    """More than five denials do not end what was sent from here, or is known by its token."""
    job = await acme.regenerate_gstr2b(PERIOD)
    elsewhere = make_client(sim)
    elsewhere.taxpayer(acme.gstin, token=sim.token(acme.gstin))
    resumed = elsewhere.resume(job.token.dumps())
    assert (await job.refresh()).raw_code == "IMS0008"
    assert (await job).ok
    assert (await resumed).ok
    assert sim.count("regenerate") == 1


async def test_with_a_reference_known_it_is_never_sent_again(
    acme: Taxpayer, other: Taxpayer, second: ImsClient, sim: Simulator
) -> None:
    """Whatever the polls meet, and whoever asks."""
    job = await acme.regenerate_gstr2b(PERIOD)
    sim.script_fault("regeneration", *[Fault.outage()] * 4)
    with pytest.raises(GatewayUnavailable):
        await job.refresh()
    (found,) = await second.unfinished()
    assert found.reference_id == job.reference_id
    await other.reconcile(found)
    await acme.reconcile(job)
    assert (await job).ok
    assert sim.count("regenerate") == 1


# -- after a crash ---------------------------------------------------------------------------------------


async def test_what_a_dead_process_was_sending_is_sent_again_once_it_counts_as_dead(
    acme: Taxpayer, journal: Shaky, sim: Simulator, other: Taxpayer
) -> None:
    """By the first save that finds it, in any process; not sooner."""
    decisions = await undecided(acme, 1)
    await died(acme, journal)
    task = asyncio.create_task(other.save(decisions))
    await asyncio.sleep(SENDER_IS_DEAD - 60)
    assert asked(sim) == []
    assert (await (await task)).ok
    assert len(asked(sim)) == 1
    assert sim.returns.overlaps == []


@pytest.mark.parametrize("looked", [True, False])
async def test_a_call_in_another_process_takes_up_what_was_lost_if_that_has_looked_into_the_journal(
    journal: Shaky, sim: Simulator, acme: Taxpayer, other: Taxpayer, second: ImsClient, *, looked: bool
) -> None:
    """Otherwise it finds the lost one in the way, which is asked for again before its own."""
    await died(acme, journal, S.LOST)
    found = await second.unfinished() if looked else []
    job = await other.regenerate_gstr2b(PERIOD)
    assert (await job).ok
    assert (job in found, len(asked(sim))) == (looked, 1 if looked else 2)


async def test_of_two_processes_one_sends_it_again(
    acme: Taxpayer, other: Taxpayer, journal: Shaky, client: ImsClient, second: ImsClient, sim: Simulator
) -> None:
    """The other finds that it has moved on, and waits."""
    await died(acme, journal, S.LOST)
    here, there = await only(client), await only(second)
    await asyncio.gather(acme.reconcile(here), other.reconcile(there))
    assert (await here).ok
    assert (await there).ok
    assert len(asked(sim)) == 1


async def test_what_another_process_has_computed_meanwhile_is_no_answer_to_a_later_request(
    acme: Taxpayer, other: Taxpayer, second: ImsClient, sim: Simulator
) -> None:
    """A save may have come in between: it is asked for anew."""
    job = await lose(acme, sim)
    await other.reconcile(await only(second))
    await (await other.save(await undecided(other, 1)))
    later = await acme.regenerate_gstr2b(PERIOD)
    assert later is not job
    assert (await later).ok
    assert sim.returns.regenerations[-1].asked_at > sim.jobs[-1].submitted_at
    assert (await job).ok


async def test_what_waited_in_a_dead_process_is_taken_over_and_retried(
    acme: Taxpayer, journal: Shaky, client: ImsClient, sim: Simulator, shelf: Shelf
) -> None:
    """Nothing of it was sent: `reconcile` makes sure of that, and `retry` sends it."""
    await died(acme, journal, S.QUEUED)
    job = await only(client)
    assert (await acme.reconcile(job)).settled
    assert (job.change.state, asked(sim)) == (S.CALLED_OFF, [])
    retry = await acme.retry(job)
    assert retry.job is not None
    assert (await retry.job).ok
    assert job.retried
    assert await shelf.states() == [S.CALLED_OFF, S.ENDED]


async def test_a_journal_that_fails_does_not_lose_it(
    acme: Taxpayer, journal: Shaky, client: ImsClient, sim: Simulator, shelf: Shelf
) -> None:
    """Before it leaves, nothing is sent; after that, what is owed is written with the next step."""
    journal.failing = {"claim"}
    with pytest.raises(JournalError, match="nothing was sent"):
        await acme.regenerate_gstr2b(PERIOD)
    assert asked(sim) == []
    journal.failing = {S.LOST}
    sim.script_fault("regenerate", LOST)
    with pytest.raises((JournalError, OutcomeUnknown)):
        await acme.regenerate_gstr2b(PERIOD)
    job = await only(client)
    assert job.change.to_send_again
    journal.failing = set()
    assert await acme.regenerate_gstr2b(PERIOD) is job
    assert (await job).ok
    assert (await shelf.states())[-1] is S.ENDED
