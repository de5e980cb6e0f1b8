"""A client with a journal: what is written down when. With both GSPs, in memory and in a file."""

from __future__ import annotations

import asyncio

import pytest

from ims_async import (
    ClientClosed,
    GatewayError,
    ImsClient,
    InvalidDecision,
    JobInFlight,
    JobState,
    JournalError,
    Taxpayer,
)
from ims_async.journal import ChangeState
from ims_async.simulator import Fault, Simulator

from ..conftest import make_client, plan_endless
from ..support.journal_flows import FIXTURES, Shaky, Shelf, undecided

pytestmark = [pytest.mark.looptime, pytest.mark.both_gsps]
shelf, journal, client, acme, second = FIXTURES


async def test_a_batch_is_written_down_at_each_step(acme: Taxpayer, shelf: Shelf, sim: Simulator) -> None:
    """Running with its reference as soon as there is one; ended with the gateway's last word."""
    job = await acme.save(await undecided(acme))
    change = await shelf.last()
    assert (change.state, change.token, change.status) == (ChangeState.ACCEPTED, job.token, None)
    report = await job
    change = await shelf.last()
    assert (change.state, change.token, change.status) == (ChangeState.ENDED, job.token, job.status)
    assert change.status is not None
    assert change.status.raw == {}
    assert await shelf.journal().records(change.id) == list(report.succeeded)
    assert job.journal_error is None


async def test_it_is_queued_while_another_goes_ahead(acme: Taxpayer, shelf: Shelf, sim: Simulator) -> None:
    """And on the disk before its turn comes: both are, in the order of the calls."""
    one, two, three = await undecided(acme)
    first = await acme.save([one])
    behind = [asyncio.create_task(acme.save([decision])) for decision in (two, three)]
    await asyncio.sleep(1)
    assert await shelf.states() == [ChangeState.ACCEPTED, ChangeState.QUEUED, ChangeState.QUEUED]
    assert sim.count("save") == 1
    await asyncio.gather(first, *behind)
    assert (await shelf.states())[:2] == [ChangeState.ENDED, ChangeState.ENDED]
    assert sim.count("save") == 3


@pytest.mark.parametrize("at", ["add", "claim"])
async def test_what_cannot_be_written_down_is_not_sent(
    acme: Taxpayer, journal: Shaky, shelf: Shelf, sim: Simulator, at: str
) -> None:
    """The caller is told, the line goes on, and the next batch is sent once there is room again."""
    batch = await undecided(acme)
    journal.failing = {at}
    with pytest.raises(JournalError, match=f"no room for {at}; nothing was sent"):
        await acme.save(batch)
    assert sim.count("save") == 0
    assert acme.unfinished() == []
    changes = await shelf.journal().find()
    assert [(change.state, change.reason[:12]) for change in changes] == (
        [] if at == "add" else [(ChangeState.CALLED_OFF, "JournalError")]
    )
    journal.failing = set()
    assert (await (await acme.save(batch))).ok
    assert sim.count("save") == 1


async def test_trouble_after_sending_loses_neither_the_job_nor_its_name(
    acme: Taxpayer, journal: Shaky, shelf: Shelf
) -> None:
    """The job is handed back, says what is the matter, and is written down whole at the next step."""
    journal.failing = {ChangeState.ACCEPTED}
    job = await acme.save(await undecided(acme))
    assert "no room for accepted" in str(job.journal_error)
    assert (await shelf.last()).state is ChangeState.SENDING
    journal.failing = set()
    assert (await job).ok
    assert job.journal_error is None
    change = await shelf.last()
    assert (change.state, change.status) == (ChangeState.ENDED, job.status)
    assert change.token == job.token


async def test_an_end_that_could_not_be_written_is_written_when_it_is_asked_for(
    client: ImsClient, acme: Taxpayer, journal: Shaky, shelf: Shelf
) -> None:
    """Whoever waited has the report; the journal has it as soon as it can."""
    job = await acme.save(await undecided(acme))
    journal.failing = {ChangeState.ENDED}
    assert (await job).ok
    assert "no room for ended" in str(job.journal_error)
    assert await shelf.states() == [ChangeState.ACCEPTED]
    journal.failing = set()
    assert await client.unfinished() == []
    assert await shelf.states() == [ChangeState.ENDED]
    assert job.journal_error is None


async def test_the_end_is_on_the_disk_before_anybody_hears_of_it(
    acme: Taxpayer, journal: Shaky, shelf: Shelf
) -> None:
    """However long that takes: a waiter and a listener who hear it can rely on it."""
    job = await acme.save(await undecided(acme))
    written = journal.held[ChangeState.ENDED] = asyncio.Event()

    async def listen() -> list[JobState]:
        return [status.state async for status in job.events()]

    waiter, listener = asyncio.ensure_future(job.result()), asyncio.create_task(listen())
    await asyncio.sleep(600)
    assert not waiter.done()
    assert not job.done
    assert not listener.done()
    written.set()
    assert (await waiter).ok
    assert (await listener)[-1] is JobState.SUCCEEDED
    assert await shelf.states() == [ChangeState.ENDED]


async def test_an_end_that_is_being_written_is_shown_by_no_list(
    client: ImsClient, acme: Taxpayer, journal: Shaky, shelf: Shelf
) -> None:
    """Who asks for what is unfinished waits until it is written; the handle stays as it was."""
    job = await acme.save(await undecided(acme))
    written = journal.held[ChangeState.ENDED] = asyncio.Event()
    waiter = asyncio.ensure_future(job.result())
    await asyncio.sleep(100)
    listing = asyncio.create_task(client.unfinished())
    await asyncio.sleep(100)
    assert (job.done, job.open, waiter.done(), listing.done()) == (False, True, False, False)
    assert acme.unfinished() == [job]
    assert await shelf.states() == [ChangeState.ACCEPTED]
    written.set()
    assert await listing == []
    assert (await waiter).ok
    assert await shelf.states() == [ChangeState.ENDED]


async def test_the_gateways_own_answer_is_with_the_status(acme: Taxpayer, shelf: Shelf) -> None:
    """Whatever keeps the journal; that does not keep the answer."""
    job = await acme.save(await undecided(acme))
    await job
    assert job.status.raw
    change = await shelf.last()
    assert change.status is not None
    assert not change.status.raw


async def test_a_batch_that_is_refused_offline_leaves_no_trace(acme: Taxpayer, shelf: Shelf) -> None:
    """It is not to be recovered by anybody."""
    (decision,) = await undecided(acme, 1)
    with pytest.raises(InvalidDecision):
        await acme.save([decision, decision])
    assert await shelf.states() == []


async def test_a_batch_that_the_gateway_refuses_is_called_off_with_its_reason(
    acme: Taxpayer, shelf: Shelf, sim: Simulator
) -> None:
    """The caller has the error, the journal the reason."""
    batch = await undecided(acme)
    sim.script_fault("save", Fault.refused(400))
    with pytest.raises(GatewayError) as caught:
        await acme.save(batch)
    change = await shelf.last()
    assert change.state is ChangeState.CALLED_OFF
    assert str(caught.value) in change.reason


async def test_a_gateway_that_is_busy_with_another_job_sends_it_back_into_the_line(
    acme: Taxpayer, shelf: Shelf, sim: Simulator
) -> None:
    """IMSSAV0015: nothing was done. It is queued, with the reason, until its turn comes again."""
    one, two, _ = await undecided(acme)
    elsewhere = shelf.taxpayer(make_client(sim))
    await elsewhere.save([one])
    saving = asyncio.create_task(acme.save([two]))
    await asyncio.sleep(0.5)
    change = await shelf.last()
    assert (change.state, "IMSSAV0015" in change.reason) == (ChangeState.QUEUED, True)
    assert (await (await saving)).ok
    assert (await shelf.last()).state is ChangeState.ENDED
    assert len(sim.effects) == 2


async def test_a_caller_who_is_cancelled_in_line_has_it_called_off(
    acme: Taxpayer, shelf: Shelf, sim: Simulator
) -> None:
    """It is sent by nobody, neither here nor after a crash."""
    one, two, _ = await undecided(acme)
    await acme.save([one])
    behind = asyncio.create_task(acme.save([two]))
    await asyncio.sleep(1)
    behind.cancel()
    with pytest.raises(asyncio.CancelledError):
        await behind
    change = await shelf.last()
    assert (change.state, change.reason) == (ChangeState.CALLED_OFF, "CancelledError")
    assert sim.count("save") == 1


async def test_those_in_line_when_the_client_closes_are_called_off(
    client: ImsClient, acme: Taxpayer, shelf: Shelf, sim: Simulator
) -> None:
    """Their callers hear it; the one that runs is found by the next process."""
    one, two, three = await undecided(acme)
    await acme.save([one])
    behind = [asyncio.create_task(acme.save([decision])) for decision in (two, three)]
    await asyncio.sleep(1)
    await client.aclose()
    answers = await asyncio.gather(*behind, return_exceptions=True)
    assert [type(answer) for answer in answers] in ([ClientClosed] * 2, [JobInFlight] * 2)
    assert await shelf.states() == [ChangeState.ACCEPTED, ChangeState.CALLED_OFF, ChangeState.CALLED_OFF]
    assert sim.count("save") == 1


# -- a journal in trouble -------------------------------------------------------------------------------


async def test_a_refusal_that_cannot_be_written_down_is_the_callers_all_the_same(
    acme: Taxpayer, journal: Shaky, shelf: Shelf, sim: Simulator
) -> None:
    """The gateway's error, and not the journal's; what the journal says is on the safe side."""
    batch = await undecided(acme)
    journal.failing = {ChangeState.CALLED_OFF}
    sim.script_fault("save", Fault.refused(400))
    with pytest.raises(GatewayError):
        await acme.save(batch)
    assert await shelf.states() == [ChangeState.SENDING]


async def test_a_batch_sent_back_into_the_line_is_sent_although_that_could_not_be_written(
    acme: Taxpayer, journal: Shaky, shelf: Shelf, sim: Simulator
) -> None:
    """IMSSAV0015, and no room at that moment: nothing was done with it, so it waits for its turn."""
    one, two, _ = await undecided(acme)
    await shelf.taxpayer(make_client(sim)).save([one])
    journal.failing = {ChangeState.QUEUED}
    saving = asyncio.create_task(acme.save([two]))
    await asyncio.sleep(0.5)
    journal.failing = set()
    assert (await (await saving)).ok
    assert await shelf.states() == [ChangeState.ENDED]


async def test_the_jobs_of_this_process_are_told_where_the_journal_cannot_be_read(
    client: ImsClient, acme: Taxpayer, journal: Shaky, sim: Simulator
) -> None:
    """`readable` has them: they can be awaited all the same."""
    batch = await undecided(acme)
    plan_endless(sim)
    job = await acme.save(batch)
    journal.failing = {"find"}
    with pytest.raises(JournalError, match="no room for find") as caught:
        await client.unfinished()
    assert caught.value.readable == (job,)


async def test_a_damaged_change_hides_no_other_job(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """The next process has the others in `readable`, to be awaited."""
    gstin = sim.gstins[1]
    other = second.taxpayer(gstin, token=sim.token(gstin))
    mine = shelf.taxpayer(second)
    jobs = [await taxpayer.save(await undecided(taxpayer)) for taxpayer in (acme, other)]
    damaged = shelf.journal()
    damaged.damaged = {(await shelf.last()).id}
    third = make_client(sim, journal=damaged)
    shelf.taxpayer(third)
    with pytest.raises(JournalError, match="a change is damaged") as caught:
        await third.unfinished()
    (readable,) = caught.value.readable
    assert readable.token == jobs[0].token
    assert (await readable).ok
    assert mine.gstin == acme.gstin


@pytest.mark.parametrize("what", ["change", "records"])
async def test_one_damaged_report_hides_no_other(
    acme: Taxpayer, shelf: Shelf, sim: Simulator, what: str
) -> None:
    """Those that can be read are told first, then what is the matter with the rest."""
    batch = await undecided(acme)
    reports = [await (await acme.save([decision])) for decision in batch]
    damaged = shelf.journal()
    first = (await damaged.find())[0].id
    damaged.damaged = {first} if what == "change" else set()
    damaged.failing = {f"the records of {first}"} if what == "records" else set()
    told: list[object] = []

    async def listen() -> None:
        async for job in make_client(sim, journal=damaged).finished():
            told.append(job.report)  # noqa: PERF401 # what came before the error counts

    with pytest.raises(JournalError):
        await listen()
    assert told == reports[1:]
