"""Two processes that live at the same time, and share one journal."""

from __future__ import annotations

import asyncio
import datetime as dt

import attrs
import pytest

from ims_async import ImsClient, JobInFlight, OutcomeUnknown, PollPolicy, RateLimit, Taxpayer
from ims_async.journal import Change, ChangeState, Journal, MemoryJournal
from ims_async.model.moves import Cause
from ims_async.model.records import Record
from ims_async.model.status import JobState, JobStatus
from ims_async.model.times import QUIET, SENDER_IS_DEAD
from ims_async.model.tokens import JobToken
from ims_async.simulator import Fault, Simulator

from ..conftest import dialect, make_client, plan_endless
from ..support.journal_flows import FIXTURES, Shaky, Shelf, undecided

pytestmark = [pytest.mark.looptime, pytest.mark.both_gsps]
shelf, journal, client, acme, second = FIXTURES


def now(sim: Simulator) -> dt.datetime:
    """The simulator's time."""
    return dt.datetime.fromtimestamp(sim.now(), dt.UTC)


async def sending(journal: Journal, change_id: str, token: JobToken, record: Record) -> Change:
    """Let another process, of which nothing else is known, begin to send."""
    change = await journal.add(Change(id=change_id, token=token), [record])
    claim = await journal.claim(change.claimed(token))
    assert claim.taken
    return claim.change


async def test_a_save_waits_for_the_running_job_of_another_process(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """The gateway need not refuse it: it is asked once for each, one after the other."""
    one, two, _ = await undecided(acme)
    first = await acme.save([one])
    with pytest.raises(JobInFlight, match="nothing was sent"):
        await shelf.taxpayer(second).save([two], queue=False)
    saving = asyncio.create_task(shelf.taxpayer(second).save([two]))
    await asyncio.sleep(1)
    assert sim.count("save") == 1
    assert (await shelf.last()).state is ChangeState.QUEUED
    assert (await (await saving)).ok
    assert (await first).ok
    assert sim.count("save") == 2
    assert await shelf.states() == [ChangeState.ENDED, ChangeState.CALLED_OFF, ChangeState.ENDED]


async def test_another_process_that_is_sending_is_waited_for(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """It may be slow. Called off, it lets the next one go; with `queue=False` that one is told at once."""
    one, two, _ = await undecided(acme)
    journal = shelf.journal()
    sent = await acme.save([one])
    await sent
    token = attrs.evolve(sent.token, reference_id=None, submitted_at=now(sim))
    slow = await sending(journal, "slow", token, two)
    other = shelf.taxpayer(second)
    with pytest.raises(JobInFlight):
        await other.save([two], queue=False)
    saving = asyncio.create_task(other.save([two]))
    await asyncio.sleep(100)
    assert sim.count("save") == 1
    assert await journal.put(slow.called_off("refused", Cause.REFUSED))
    assert (await (await saving)).ok
    assert sim.count("save") == 2


async def test_another_process_that_has_been_sending_for_too_long_is_dead(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """Nobody knows what became of its batch, which is there to be reconciled; nothing is sent meanwhile."""
    one, two, _ = await undecided(acme)
    journal = shelf.journal()
    sent = await acme.save([one])
    await sent
    token = attrs.evolve(sent.token, reference_id=None, submitted_at=now(sim))
    await sending(journal, "dead", token, two)
    other = shelf.taxpayer(second)
    begun = sim.now()
    with pytest.raises(JobInFlight, match="reconcile") as caught:
        await other.save([two])
    assert SENDER_IS_DEAD <= sim.now() - begun < SENDER_IS_DEAD + 100
    assert await shelf.states() == [ChangeState.ENDED, ChangeState.LOST, ChangeState.CALLED_OFF]
    job = caught.value.job
    assert job is not None
    assert await second.unfinished() == [job]
    await asyncio.sleep(1800)
    assert (await other.reconcile(job)).not_applied == (two,)
    assert (await (await other.save([two]))).ok
    assert sim.count("save") == 2


async def test_a_sender_that_dies_after_its_change_was_listed_is_dead_all_the_same(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """A look with the handle of then says once the quiet time is over that nothing was applied."""
    one, two, _ = await undecided(acme)
    sent = await acme.save([one])
    await sent
    token = attrs.evolve(sent.token, reference_id=None, submitted_at=now(sim))
    await sending(shelf.journal(), "dead", token, two)
    (job,) = await second.unfinished()
    other = shelf.taxpayer(second)
    await asyncio.sleep(SENDER_IS_DEAD - 1)
    assert (await other.reconcile(job, quiet=60)).cannot_tell_yet == (two,)
    await asyncio.sleep(QUIET - SENDER_IS_DEAD + 2)
    assert (await other.reconcile(job)).not_applied == (two,)
    assert await shelf.states() == [ChangeState.ENDED, ChangeState.ENDED]


@pytest.mark.parametrize("ahead", [-90 * 86400.0, 90 * 86400.0])
async def test_whatever_clock_the_journal_has_the_clients_says_whether_a_sender_is_dead(
    sim: Simulator, ahead: float
) -> None:
    """A save and a list say the same of it, and the message names the one time."""
    journal = MemoryJournal(clock=lambda: sim.now() + ahead)
    gstin = sim.gstins[0]
    acme, other = (make_client(sim, journal=journal).taxpayer(gstin, token=sim.token(gstin)) for _ in "ab")
    one, two, _ = await undecided(acme)
    sent = await acme.save([one])
    await sent
    begun = now(sim)
    token = attrs.evolve(sent.token, reference_id=None, submitted_at=begun)
    await sending(journal, "dead", token, two)
    with pytest.raises(JobInFlight, match=f"began to send for {gstin} at {begun:%H:%M:%S} UTC") as caught:
        await other.save([two], queue=False)
    assert caught.value.job is None
    await asyncio.sleep(SENDER_IS_DEAD + 1)
    with pytest.raises(JobInFlight) as caught:
        await other.save([two], queue=False)
    assert caught.value.job is not None
    assert caught.value.job.needs_a_look


async def test_a_waiting_batch_that_another_process_took_over_is_not_sent_by_its_own(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """Said to be not applied, it must not be applied after all."""
    one, two, _ = await undecided(acme)
    await acme.save([one])
    saving = asyncio.create_task(acme.save([two]))
    await asyncio.sleep(1)
    other = shelf.taxpayer(second)
    _, waiting = await second.unfinished()
    assert (await other.reconcile(waiting)).not_applied == (two,)
    with pytest.raises(JobInFlight, match="nothing was sent: another process has dealt with change"):
        await saving
    await asyncio.sleep(600)
    assert sim.count("save") == 1
    assert [effect.number for effect in sim.effects] == [one.number]


async def test_a_waiting_batch_that_is_on_its_way_by_now_cannot_be_taken_over(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """Seen waiting, it was sent before it was reconciled: its own process sees to it."""
    one, two, _ = await undecided(acme)
    await acme.save([one])
    saving = asyncio.create_task(acme.save([two]))
    await asyncio.sleep(1)
    other = shelf.taxpayer(second)
    _, waiting = await second.unfinished()
    job = await saving
    with pytest.raises(JobInFlight, match="begun to send"):
        await other.reconcile(waiting)
    assert (await job).ok
    assert len(sim.effects) == 2


async def test_a_change_that_is_let_go_while_it_is_put_back_is_not_tried_again(
    acme: Taxpayer, second: ImsClient, journal: Shaky, shelf: Shelf, sim: Simulator
) -> None:
    """Its caller hears at once that another process has dealt with it."""
    journal.held[ChangeState.QUEUED] = asyncio.Event()
    sim.script_fault("save", Fault.throttled(5))
    saving = asyncio.create_task(acme.save(await undecided(acme)))
    await asyncio.sleep(1)
    (job,) = await second.unfinished()
    await shelf.taxpayer(second).let_go(job)
    journal.held[ChangeState.QUEUED].set()
    begun = sim.now()
    with pytest.raises(JobInFlight, match="nothing was sent: another process has dealt with change"):
        await saving
    assert sim.now() - begun < 60
    assert await shelf.states() == [ChangeState.CALLED_OFF]
    assert sim.count("save") == 1


@pytest.mark.parametrize("then", [ChangeState.QUEUED, ChangeState.CALLED_OFF])
async def test_a_change_that_was_put_back_since_it_was_listed_is_not_ended_by_a_look(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator, then: ChangeState
) -> None:
    """It waits again, or was called off, whatever its records look like: its process sees to it."""
    one, two, _ = await undecided(acme)
    sent = await acme.save([two])
    await sent
    token = attrs.evolve(sent.token, reference_id=None, submitted_at=now(sim))
    slow = await sending(shelf.journal(), "slow", token, one)
    (job,) = await second.unfinished()
    waits = await shelf.journal().put(slow.put_back("to be tried again", token))
    assert waits is not None
    if then is ChangeState.CALLED_OFF:
        assert await shelf.journal().put(waits.called_off("cancelled", Cause.CANCELLED))
    await (await shelf.taxpayer(make_client(sim)).save([one]))
    found = await shelf.taxpayer(second).reconcile(job)
    assert (found.cannot_tell_yet == (one,)) is (then is ChangeState.QUEUED)
    assert ((await shelf.last()).state, job.report) == (then, None)


async def test_its_own_waiting_batches_are_no_business_of_recovery(
    client: ImsClient, acme: Taxpayer, sim: Simulator
) -> None:
    """A client that recovers while it saves does not take its own batches for those of the dead."""
    one, two, _ = await undecided(acme)
    first = await acme.save([one])
    saving = asyncio.create_task(acme.save([two]))
    await asyncio.sleep(1)
    assert await client.unfinished() == [first]
    assert (await (await saving)).ok
    assert await client.unfinished() == []


async def test_a_job_that_was_let_go_is_let_go_for_all(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """Another process sees it no more, and its changes go ahead."""
    one, two, _ = await undecided(acme)
    sim.script_answer("save", 200, dialect().half)
    with pytest.raises(OutcomeUnknown) as caught:
        await acme.save([one])
    assert caught.value.job is not None
    await acme.let_go(caught.value.job)
    assert await shelf.states() == [ChangeState.ABANDONED]
    assert await second.unfinished() == []
    assert (await (await shelf.taxpayer(second).save([two]))).ok


@pytest.mark.parametrize("state", [ChangeState.SENDING, ChangeState.ACCEPTED])
async def test_nobody_waits_for_another_process_beyond_the_deadline(
    acme: Taxpayer, shelf: Shelf, sim: Simulator, state: ChangeState
) -> None:
    """Nothing was sent, and the next save may find the way free."""
    one, two, _ = await undecided(acme)
    plan_endless(sim)
    token = (await acme.save([one])).token
    if state is ChangeState.SENDING:
        ended = (await shelf.last()).heard(JobStatus(state=JobState.SUCCEEDED))
        assert await shelf.journal().put(ended)
        await sending(shelf.journal(), "slow", attrs.evolve(token, submitted_at=now(sim)), two)
    hasty = make_client(sim, journal=shelf.journal(), poll=PollPolicy(deadline=60))
    begun = sim.now()
    with pytest.raises(JobInFlight, match="nothing was"):
        await shelf.taxpayer(hasty).save([two])
    assert sim.now() - begun < 90
    assert sim.count("save") == 1
    assert (await shelf.last()).state is ChangeState.CALLED_OFF


async def test_a_batch_that_waits_for_the_callers_budget_is_not_taken_for_one_of_the_dead(
    second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """Said by another process to be not applied, and sent again from there, it must not leave after all."""
    other = shelf.taxpayer(second)
    batch = await undecided(other, 1)
    slow = shelf.taxpayer(make_client(sim, journal=shelf.journal(), rate=RateLimit(per_minute=1)))
    calls = [asyncio.create_task(slow.counts()) for _ in range(40)]
    await asyncio.sleep(1)
    saving = asyncio.create_task(slow.save(batch))
    await asyncio.sleep(1860)
    for job in await second.unfinished():
        found = await other.reconcile(job)
        if found.settled and job.report is not None:
            await (await other.retry(job.report))
    await asyncio.gather(*calls, saving, return_exceptions=True)
    assert sim.count("save") == 1
    assert len(sim.effects) == 1
