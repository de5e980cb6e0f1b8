"""One change has one state: faults of an earlier design, in which several values said where it stood.

Older news that come late are in `test_journaled.py` and in `tests/model/test_change.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from ims_async import (
    GatewayUnavailable,
    ImsClient,
    JobFailed,
    JobInFlight,
    JobKind,
    JobState,
    JobStatus,
    JobTimeout,
    OutcomeUnknown,
    Reconciliation,
    Taxpayer,
    bulk,
)
from ims_async.jobs.reconcile import Comparing
from ims_async.jobs.recovery import Recovery
from ims_async.journal import Cause, Change, ChangeState
from ims_async.model.moves import HOLDING_THE_TURN
from ims_async.model.records import Record
from ims_async.model.status import Found
from ims_async.model.times import QUIET, SENDER_IS_DEAD
from ims_async.simulator import Simulator

from ..conftest import LOGIN, dialect, envelope, from_gstn, make_client, make_gsp, plan, plan_endless
from ..support.journal_flows import FIXTURES, Shaky, Shelf, only, undecided

pytestmark = [pytest.mark.looptime, pytest.mark.both_gsps]
shelf, journal, client, acme, second = FIXTURES
carried = pytest.mark.only_gsp("vayana", "only there a task carries the job")


@pytest.fixture
def other(second: ImsClient, shelf: Shelf) -> Taxpayer:
    """The other process's taxpayer."""
    return shelf.taxpayer(second)


async def begin_to_send(acme: Taxpayer, journal: Shaky, records: Sequence[Record]) -> Change:
    """Write down that a process has the turn, and is sending."""
    waiting = await journal.add(Change(id="slow", token=token_of(acme)), records)
    claim = await journal.claim(waiting.claimed(token_of(acme)))
    assert claim.taken
    return claim.change


async def send_anew(acme: Taxpayer, journal: Shaky) -> Change:
    """Let the process that seemed dead put its batch back, and claim the turn once more."""
    (change,) = await journal.find()
    waiting = await journal.put(change.put_back("busy"))
    assert waiting is not None
    claim = await journal.claim(waiting.claimed(token_of(acme)))
    assert claim.taken
    return claim.change


def token_of(acme: Taxpayer) -> Any:
    """Return the token of one record that is sent now."""
    return vars(acme)["_jobs"].token(JobKind.SAVE, None, 1)


# -- after a task that broke off --------------------------------------------------------------------------


@carried
async def test_a_look_at_a_job_whose_task_broke_off_gives_it_its_one_report(
    acme: Taxpayer, client: ImsClient, second: ImsClient, sim: Simulator
) -> None:
    """For those who have it already too, and the journal says the same."""
    batch = await undecided(acme)
    sim.script_task(None, "failed")
    job = await acme.save(batch)
    with pytest.raises(JobFailed) as caught:
        await job
    assert job.report is caught.value.report
    assert (job.needs_a_look, job.report and job.report.unaccounted) == (True, tuple(batch))
    await asyncio.sleep(60)
    await acme.reconcile(job)
    assert job.report is not None
    assert (job.report.succeeded, job.report.unaccounted, job.needs_a_look) == (tuple(batch), (), False)
    assert await job is job.report
    assert [ended.report async for ended in client.finished()] == [job.report]
    assert [ended.report async for ended in second.finished()] == [job.report]


@carried
@pytest.mark.sim(result_shape="list")
async def test_a_task_of_which_a_part_broke_off_is_not_over(
    acme: Taxpayer, client: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """Awaiting it says so, and a run that meets it looks at it, instead of leaving it in the way."""
    batch = await undecided(acme)
    part = envelope({"status_cd": "P", "transTypCd": "SAV", "proc_cnt": "1", "err_cd": "", "err_msg": ""})
    job = await acme.save(batch)
    sim.script_answer("result", 200, envelope([part, from_gstn("RET11402", "Unauthorized User")]))
    with pytest.raises(JobFailed, match="reconcile"):
        await job
    assert (job.change.state, job.open, job.needs_a_look) == (ChangeState.BROKEN_OFF, True, True)
    report = await bulk.recover(client)
    assert (report.succeeded, job.open) == (len(batch), False)
    assert await shelf.states() == [ChangeState.ENDED]


# -- taking over ------------------------------------------------------------------------------------------


async def test_a_batch_that_was_taken_over_holds_no_turn_whatever_comes_of_the_look(
    acme: Taxpayer, other: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """The look fails; nothing of it was sent, which every process knows, and it is offered for a retry."""
    one, two, three = await undecided(acme)
    plan_endless(sim)
    running = await acme.save([one])
    saving = asyncio.create_task(acme.save([two]))
    await asyncio.sleep(0.1)
    (waiting,) = [job for job in await second.unfinished() if not job.sent]
    for _ in range(20):
        plan(sim, "invoices", "down")
    with pytest.raises(GatewayUnavailable):
        await other.reconcile(waiting)
    change = (await shelf.journal().find())[1]
    assert (change.state, change.cause, change.sent) == (ChangeState.CALLED_OFF, Cause.TAKEN_OVER, False)
    in_flight = [state for state in await shelf.states() if state in HOLDING_THE_TURN]
    assert in_flight == [ChangeState.ACCEPTED]
    assert running.open
    with pytest.raises(JobInFlight):
        await saving
    await acme.let_go(running)
    third = make_client(sim, journal=shelf.journal())
    assert (await (await shelf.taxpayer(third).save([three], queue=False))).ok
    (offered,) = [job async for job in third.called_off(retried=False)]
    assert (offered.sent, offered.open, await offered.load()) == (False, False, (two,))


async def test_a_handle_on_a_batch_that_was_called_off_elsewhere_says_so(
    acme: Taxpayer, other: Taxpayer, second: ImsClient, sim: Simulator
) -> None:
    """It is not open for ever, and nobody is said to be sending it: it is looked at, and sent by a retry."""
    one, two, _ = await undecided(acme)
    running = await acme.save([one])
    saving = asyncio.create_task(acme.save([two]))
    await asyncio.sleep(0.1)
    (waiting,) = [job for job in await second.unfinished() if not job.sent]
    saving.cancel()
    await asyncio.wait([saving])
    await running
    assert await second.unfinished() == []
    assert (waiting.open, waiting.sent, waiting.cause) == (False, False, Cause.CANCELLED)
    with pytest.raises(OutcomeUnknown, match="nothing of it was sent"):
        await waiting
    retried = await other.retry(waiting)
    assert retried.job is not None
    assert (await retried.job).succeeded == (two,)


# -- what a look may end ----------------------------------------------------------------------------------


async def test_however_short_the_quiet_time_nothing_is_settled_under_a_living_sender(
    acme: Taxpayer, other: Taxpayer, second: ImsClient, shelf: Shelf
) -> None:
    """What is being sent may arrive after the look."""
    batch = await undecided(acme, 1)
    await begin_to_send(acme, shelf.journal(), batch)
    job = await only(second)
    await asyncio.sleep(SENDER_IS_DEAD - 60)
    assert await other.reconcile(job, quiet=0.0) == Reconciliation(cannot_tell_yet=tuple(batch))
    assert await shelf.states() == [ChangeState.SENDING]
    await asyncio.sleep(62)
    assert (await other.reconcile(job, quiet=0.0)).not_applied == tuple(batch)
    assert await shelf.states() == [ChangeState.ENDED]


async def test_what_another_process_is_sending_is_not_called_lost(
    acme: Taxpayer, other: Taxpayer, second: ImsClient, shelf: Shelf
) -> None:
    """No advice to let it go before its sender counts as dead; then there is."""
    one, two, _ = await undecided(acme)
    await begin_to_send(acme, shelf.journal(), [one])
    for _ in range(2):
        job = await only(second)
        assert (job.change.state, job.needs_a_look) == (ChangeState.SENDING, False)
        with pytest.raises(JobTimeout, match="another process is sending") as seen:
            await job.result(timeout=1)
        assert "let_go" not in str(seen.value)
        with pytest.raises(JobInFlight, match="began to send") as caught:
            await other.save([two], queue=False)
        assert "let_go" not in str(caught.value)
        await asyncio.sleep(SENDER_IS_DEAD / 2 + 1)
    assert (await only(second)).needs_a_look
    assert await shelf.states() == [ChangeState.LOST]
    with pytest.raises(JobInFlight, match=r"is not known.*let_go"):
        await other.save([two], queue=False)


@pytest.mark.parametrize("meanwhile", [ChangeState.SENDING, ChangeState.ACCEPTED])
async def test_a_look_ends_only_the_sending_that_it_has_judged(
    acme: Taxpayer, other: Taxpayer, second: ImsClient, shelf: Shelf, monkeypatch: pytest.MonkeyPatch,
    meanwhile: ChangeState,
) -> None:  # fmt: skip
    """Its sender was not dead: it put the batch back while the records were read, and sent it then."""
    batch = await undecided(acme, 1)
    theirs = shelf.journal()
    await begin_to_send(acme, theirs, batch)
    await asyncio.sleep(QUIET + 1)
    job = await only(second)
    assert job.change.state is ChangeState.LOST
    inner = Recovery._compared

    async def compared(self: Recovery, comparing: Comparing) -> Reconciliation:
        seen = await inner(self, comparing)
        anew = await send_anew(acme, theirs)
        if meanwhile is ChangeState.ACCEPTED:
            assert await theirs.put(anew.accepted(attrs.evolve(anew.token, reference_id="R-1")))
        return seen

    monkeypatch.setattr(Recovery, "_compared", compared)
    assert await other.reconcile(job) == Reconciliation(cannot_tell_yet=tuple(batch))
    assert await shelf.states() == [meanwhile]
    assert (job.open, job.change.state, job.report) == (True, meanwhile, None)


async def test_a_sender_counts_as_dead_by_the_claim_that_is_in_the_journal(
    acme: Taxpayer, other: Taxpayer, second: ImsClient, shelf: Shelf
) -> None:
    """The handle has an older one."""
    batch = await undecided(acme, 1)
    theirs = shelf.journal()
    await begin_to_send(acme, theirs, batch)
    job = await only(second)
    await asyncio.sleep(SENDER_IS_DEAD + 1)
    anew = await send_anew(acme, theirs)
    assert await other.reconcile(job, quiet=0.0) == Reconciliation(cannot_tell_yet=tuple(batch))
    assert await theirs.find() == [anew]


@pytest.mark.parametrize("ended", [False, True])
async def test_a_poll_that_meets_an_outcome_written_elsewhere_takes_it(
    acme: Taxpayer, shelf: Shelf, sim: Simulator, ended: bool
) -> None:
    """Whatever the gateway says: one change has one outcome, the first that was written."""
    batch = await undecided(acme)
    if not ended:
        plan_endless(sim)
    job = await acme.save(batch)
    not_applied = tuple(decision.key for decision in batch)
    found = JobStatus(
        state=JobState.PARTIAL, processed=0, errors=3, found=Found(applied=0, not_applied=not_applied)
    )
    theirs = shelf.journal()
    (change,) = await theirs.find()
    written = await theirs.put(change.looked_at(found))
    assert written is not None
    await job.refresh()
    assert (job.done, job.open, job.status) == (True, False, found)
    assert job.report is not None
    assert [failure.record for failure in job.report.failed] == batch
    assert await theirs.find() == [written]


# -- what a person let go ---------------------------------------------------------------------------------


async def test_letting_go_that_could_not_be_written_outlives_the_next_news(
    acme: Taxpayer, journal: Shaky, shelf: Shelf, sim: Simulator
) -> None:
    """A poll comes between: both are written, and the job runs no more."""
    batch = await undecided(acme)
    plan_endless(sim)
    job = await acme.save(batch)
    journal.failing = {ChangeState.ABANDONED}
    await acme.let_go(job)
    assert await shelf.states() == [ChangeState.ACCEPTED]
    journal.failing = set()
    status = await job.refresh()
    change = await shelf.last()
    assert (change.state, change.status) == (ChangeState.ABANDONED, attrs.evolve(status, raw={}))
    assert job.journal_error is None


async def test_a_job_that_was_let_go_is_the_same_to_all_who_hold_it(
    acme: Taxpayer, other: Taxpayer, second: ImsClient, sim: Simulator
) -> None:
    """Whoever awaits it hears its end, by this handle and by its token, which takes no turn."""
    one, two, _ = await undecided(acme)
    job = await acme.save([one])
    await acme.let_go(job)
    await asyncio.sleep(60)  # GSTN has ended it, and nobody has asked
    resumed = second.resume(job.token.dumps())
    assert (await (await other.save([two], queue=False))).ok
    assert await second.unfinished() == []
    assert (job.open, resumed.open, resumed.pollable) == (False, False, True)
    assert (await job).succeeded == (await resumed).succeeded == (one,)


async def test_what_was_let_go_and_what_was_called_off_is_listed(
    acme: Taxpayer, second: ImsClient, sim: Simulator
) -> None:
    """By the next process, each with its state and its reason."""
    one, two, _ = await undecided(acme)
    sim.script_answer("save", 200, dialect().half)
    with pytest.raises(OutcomeUnknown) as caught:
        await acme.save([one])
    assert caught.value.job is not None
    saving = asyncio.create_task(acme.save([two]))
    with pytest.raises(JobInFlight):
        await saving
    await acme.let_go(caught.value.job)
    states = [ChangeState.ABANDONED, ChangeState.CALLED_OFF]
    jobs = [job async for job in second.jobs(states=states)]
    assert [(job.change.state, job.open, job.records) for job in jobs] == [
        (ChangeState.ABANDONED, False, (one,)), (ChangeState.CALLED_OFF, False, (two,)),
    ]  # fmt: skip
    assert "JobInFlight" in jobs[1].reason
    assert [job async for job in second.called_off()] == jobs[1:]


@pytest.mark.parametrize("why", ["cancelled twice", "a full disk"])
async def test_calling_off_a_waiting_batch_is_written_by_the_next_save_at_the_latest(
    acme: Taxpayer, journal: Shaky, shelf: Shelf, why: str
) -> None:
    """Else a recovery would send what its caller called off."""
    one, two, three = await undecided(acme)
    await acme.save([one])
    saving = asyncio.create_task(acme.save([two]))
    await asyncio.sleep(0.5)
    if why == "a full disk":
        journal.failing = {ChangeState.CALLED_OFF}
    else:
        journal.held[ChangeState.CALLED_OFF] = asyncio.Event()
    for _ in range(2):
        saving.cancel()
        await asyncio.sleep(0.1)
    assert saving.cancelled()
    assert (await shelf.states())[1] is ChangeState.QUEUED
    while journal.held:
        journal.held.popitem()[1].set()
    journal.failing.clear()
    assert (await (await acme.save([three]))).ok
    assert await shelf.states() == [ChangeState.ENDED, ChangeState.CALLED_OFF, ChangeState.ENDED]


# -- handles ----------------------------------------------------------------------------------------------


async def test_a_handle_changes_all_at_once(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it loads its records after it heard of the end, it is as it was: open, not done, no report."""
    batch = await undecided(acme)
    job = await acme.save(batch)
    shelf.taxpayer(second)
    theirs = await only(second)
    await job
    gate, kept = asyncio.Event(), second.journal
    assert isinstance(kept, Shaky)
    inner = kept.records

    async def records(change_id: str) -> Sequence[Record]:
        await gate.wait()
        return await inner(change_id)

    monkeypatch.setattr(kept, "records", records)
    listing = asyncio.create_task(second.unfinished())
    await asyncio.sleep(1)
    assert (theirs.open, theirs.done, theirs.report, theirs.status.done) == (True, False, None, False)
    gate.set()
    assert await listing == []
    assert (theirs.open, theirs.done, theirs.status.done) == (False, True, True)
    assert theirs.report == job.report


@pytest.mark.parametrize("before", [False, True])
async def test_a_handle_whose_row_is_found_later_is_brought_up_to_date(
    acme: Taxpayer, second: ImsClient, sim: Simulator, before: bool
) -> None:
    """It was made of a token while no journal could be read, before or after the job ended elsewhere."""
    batch = await undecided(acme)
    job = await acme.save(batch)
    kept = second.journal
    assert isinstance(kept, Shaky)
    if not before:
        await job
    kept.failing = {"find"}
    resumed = second.resume(job.token.dumps())
    assert await resumed.load() is None
    kept.failing = set()
    await job
    asked = len(sim.requests)
    assert await second.unfinished() == []
    assert (resumed.open, resumed.done, resumed.batch) == (False, True, job.batch)
    assert resumed.report == job.report
    assert len(sim.requests) == asked


# -- a run ------------------------------------------------------------------------------------------------


@pytest.mark.only_gsp("vayana", "only there a result is forgotten")
async def test_a_run_looks_at_a_job_whose_result_is_forgotten_and_goes_on(
    acme: Taxpayer, shelf: Shelf, sim: Simulator
) -> None:
    """It is lost, as any other that cannot be asked about: a run need not stop for it."""
    one, two, _ = await undecided(acme)
    job = await acme.save([one])
    until = job.token.results_until
    assert until is not None
    await asyncio.sleep(until.timestamp() - sim.now() + 1)
    fresh = make_client(sim, gsp=make_gsp(sim, **LOGIN), journal=shelf.journal())
    report = await bulk.save_all(fresh, {shelf.taxpayer(fresh): [two]})
    assert (report.ok, report.succeeded) == (True, 1)
    first, *_, last = await shelf.states()
    assert first is last is ChangeState.ENDED
    assert [job async for job in fresh.called_off(retried=False)] == []
