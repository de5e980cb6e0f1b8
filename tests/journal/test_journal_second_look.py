"""What a second review found: steps that are broken off, and two processes that see one batch differently."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import attrs
import pytest

from ims_async import (
    Action,
    ClientClosed,
    ImsClient,
    JobFailed,
    JobKind,
    JournalError,
    OutcomeUnknown,
    PollPolicy,
    Taxpayer,
)
from ims_async.journal import Cause, Change, ChangeState, MemoryJournal, Query
from ims_async.journal.base import EVERYTHING
from ims_async.simulator import Simulator

from ..conftest import dialect, make_client, plan_endless
from ..support.journal_flows import FIXTURES, Shaky, Shelf, only, undecided
from .test_journal_handles import logged_in, lost

pytestmark = [pytest.mark.looptime]
shelf, journal, client, acme, second = FIXTURES

BUSY: Final = {"code": 200, "data": {"error": {"error_cd": "IMSSAV0015", "message": ""}, "status_cd": "0"}}
"""GSTN says that another job of this taxpayer is running."""
TURNS: Final = 40
"""Of the event loop: more than a save takes until its bytes have left."""


@pytest.fixture
def other(second: ImsClient, shelf: Shelf) -> Taxpayer:
    """The other process's taxpayer."""
    return shelf.taxpayer(second)


@pytest.mark.sim(job_seconds=60.0)
async def test_the_quiet_time_counts_from_the_sending_not_from_the_waiting(
    journal: Shaky, other: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """It was listed while it waited; when it is sent long after, the gateway may still be at work."""
    acme = shelf.taxpayer(make_client(sim, journal=journal, poll=PollPolicy(deadline=36000.0)))
    one, two, _ = await undecided(acme)
    plan_endless(sim)
    ahead = await acme.save([one])
    saving = asyncio.create_task(acme.save([two]))
    await asyncio.sleep(0.1)
    assert [job.sent for job in await second.unfinished()] == [True, False]
    await asyncio.sleep(2000)
    sim.script_answer("save", 200, dialect().half, after=True)
    await acme.reconcile(ahead)
    with pytest.raises(OutcomeUnknown):
        await saving
    (job,) = [job for job in await second.unfinished() if job.reference_id is None]
    found = await other.reconcile(job)
    assert (found.cannot_tell_yet, found.not_applied) == ((two,), ())


@pytest.mark.parametrize("to", [ChangeState.CALLED_OFF, ChangeState.QUEUED])
async def test_a_batch_that_was_listed_while_it_was_sent_is_waited_for(
    acme: Taxpayer, other: Taxpayer, second: ImsClient, shelf: Shelf, to: ChangeState
) -> None:
    """It may come to nothing, or go back into the line; there it is in nobody's way, and listed once."""
    one, two, _ = await undecided(acme)
    theirs = shelf.journal()
    token = acme._jobs.token(JobKind.SAVE, None, 1)
    slow = await theirs.add(Change(id="slow", token=token), [one])
    claim = await theirs.claim(slow.claimed(token))
    assert claim.taken
    assert (await only(second)).sent
    saving = asyncio.create_task(other.save([two]))
    await asyncio.sleep(5)
    assert not saving.done()
    put_back = claim.change.put_back("IMSSAV0015")
    back = to is ChangeState.QUEUED
    assert await theirs.put(put_back if back else claim.change.called_off("IMSSAV0015", Cause.IN_THE_WAY))
    job = await saving
    found = await second.unfinished()
    assert len(found) == len(set(map(id, found))) == (2 if back else 1)
    assert (await job).ok


async def test_a_job_that_was_settled_elsewhere_is_not_in_the_way_of_who_will_not_wait(
    acme: Taxpayer, other: Taxpayer, second: ImsClient, sim: Simulator
) -> None:
    """`queue=False` asks the journal too."""
    one, two, _ = await undecided(acme)
    job = await lost(acme, [one], sim)
    await only(second)
    await asyncio.sleep(1801)
    await acme.reconcile(job)
    assert (await (await other.save([two], queue=False))).ok


@pytest.mark.parametrize("way", ["let go", "settled"])
async def test_a_running_job_that_another_process_is_done_with_holds_nobody_up(
    acme: Taxpayer, other: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator, way: str
) -> None:
    """The gateway tells of it no more, and would be asked until the deadline."""
    one, two, _ = await undecided(acme)
    plan_endless(sim)
    job = await acme.save([one])
    await only(second)
    if way == "let go":
        await acme.let_go(job)
    else:
        await asyncio.sleep(1801)
        await acme.reconcile(job)
    begun = sim.now()
    await other.save([two])
    assert sim.now() - begun < 60
    assert (await shelf.states())[0] is (ChangeState.ABANDONED if way == "let go" else ChangeState.ENDED)


async def test_who_looks_after_another_has_settled_it_has_the_same_report(
    acme: Taxpayer, other: Taxpayer, second: ImsClient
) -> None:
    """The gateway refused this reset: the record stood so before, which a look takes for applied."""
    (decision,) = await undecided(acme, 1)
    job = await acme.reset([attrs.evolve(decision.invoice, action=Action.REJECT)])
    theirs = await only(second)
    report = await job
    assert len(report.failed) == 1
    await asyncio.sleep(1801)
    await other.reconcile(theirs)
    assert theirs.report == report


async def test_a_batch_that_left_while_the_list_was_read_was_sent(
    acme: Taxpayer, client: ImsClient, journal: Shaky, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list was read too early; what is known here counts."""
    one, two, _ = await undecided(acme)
    inner, gate = journal.find, asyncio.Event()

    async def find(query: Query = EVERYTHING) -> Sequence[Change]:
        found = await inner(query)
        if query.ids is None and query.gstin is None:
            await gate.wait()
        return found

    await acme.save([one])
    saving = asyncio.create_task(acme.save([two]))
    await asyncio.sleep(0.1)
    monkeypatch.setattr(journal, "find", find)
    listing = asyncio.create_task(client.unfinished())
    await asyncio.sleep(0.1)
    sim.script_answer("save", 200, dialect().half, after=True)
    with pytest.raises(OutcomeUnknown) as caught:
        await saving
    gate.set()
    (job,) = await listing
    assert (job, job.sent) == (caught.value.job, True)


@pytest.mark.parametrize("written", [True, False])
async def test_a_caller_who_is_cancelled_on_the_way_back_into_the_line_has_it_called_off(
    acme: Taxpayer, journal: Shaky, shelf: Shelf, sim: Simulator, written: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """GSTN was busy; whether or not `QUEUED` is on the disk when the caller goes, nobody is to send it."""
    one, two, _ = await undecided(acme)
    sim.script_answer("save", 200, BUSY)
    inner, gate = journal.put, asyncio.Event()

    async def put(change: Change) -> Change | None:
        if change.state is ChangeState.QUEUED and not written:
            await gate.wait()
        moved = await inner(change)
        if change.state is ChangeState.QUEUED:
            await gate.wait()
        return moved

    monkeypatch.setattr(journal, "put", put)
    saving = asyncio.create_task(acme.save([one]))
    await asyncio.sleep(0.1)
    assert await shelf.states() == [ChangeState.QUEUED if written else ChangeState.SENDING]
    saving.cancel()
    await asyncio.sleep(0.1)
    assert not saving.done()  # its last write is let finish
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await saving
    assert (await (await acme.save([two]))).ok
    assert await shelf.states() == [ChangeState.CALLED_OFF, ChangeState.ENDED]


async def test_a_program_that_stops_while_a_name_is_looked_up_keeps_the_name(
    acme: Taxpayer, journal: Shaky, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway has taken the job: the next process can ask for it."""
    inner = journal.find

    async def find(query: Query = EVERYTHING) -> Sequence[Change]:
        if query.reference:
            await asyncio.Event().wait()
        return await inner(query)

    batch = await undecided(acme)
    monkeypatch.setattr(journal, "find", find)
    before = asyncio.all_tasks()
    saving = asyncio.create_task(acme.save(batch))
    await asyncio.sleep(0.5)
    for task in asyncio.all_tasks() - before:  # as `asyncio.run` does at its end
        task.cancel()
    await asyncio.wait([saving])
    await asyncio.sleep(0.1)
    change = await shelf.last()
    assert (change.state, bool(change.token.reference_id)) == (ChangeState.ACCEPTED, True)


async def test_an_end_that_was_overtaken_by_a_slower_poll_is_written_by_the_next_save(
    acme: Taxpayer, journal: Shaky, shelf: Shelf, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two polls at once: the end could not be written, and the older news were, after it."""
    one, two, _ = await undecided(acme)
    job = await acme.save([one])
    sim.script_status(None, {"status_cd": "IP", "transTypCd": "SAV"})
    inner = journal.put

    async def put(change: Change) -> Change | None:
        if change.state is ChangeState.ENDED:
            raise JournalError("busy")
        await asyncio.sleep(20)
        return await inner(change)

    with monkeypatch.context() as patch:
        patch.setattr(journal, "put", put)
        first = asyncio.create_task(job.refresh())
        await asyncio.sleep(10)
        assert (await job.refresh()).done
        await first
    assert job.journal_error is not None
    assert await shelf.states() == [ChangeState.ACCEPTED]
    assert (await (await acme.save([two]))).ok
    assert await shelf.states() == [ChangeState.ENDED, ChangeState.ENDED]


async def test_a_settling_that_was_broken_off_is_written_by_the_next_save(
    acme: Taxpayer, journal: Shaky, shelf: Shelf, sim: Simulator
) -> None:
    """The records were looked at, and the caller went while that was being written."""
    one, two, _ = await undecided(acme)
    job = await lost(acme, [one], sim)
    await asyncio.sleep(1801)
    journal.held[ChangeState.ENDED] = asyncio.Event()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(acme.reconcile(job), 5)
    journal.held.clear()
    assert await shelf.states() == [ChangeState.LOST]
    assert (await (await acme.save([two]))).ok
    assert await shelf.states() == [ChangeState.ENDED, ChangeState.ENDED]


def late(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Return a call that takes some turns of the loop, and is done even if the asker is cancelled."""

    async def done(*facts: Any, **news: Any) -> Any:
        await asyncio.sleep(0)
        result = await call(*facts, **news)
        await asyncio.sleep(0)
        return result

    return lambda *facts, **news: asyncio.shield(asyncio.create_task(done(*facts, **news)))


@pytest.mark.parametrize("end", ["cancelled", "closed"])
@pytest.mark.parametrize(
    ("how", "end_of_it"),
    [("taken", ChangeState.ACCEPTED), ("busy", ChangeState.CALLED_OFF), ("lost", ChangeState.LOST)],
)
async def test_a_save_that_is_stopped_at_any_turn_of_the_loop_is_never_left_halfway(
    how: str, end_of_it: ChangeState, end: str
) -> None:
    """It is called off, or runs, or is unknown: not queued or being sent with nobody there to do it."""
    states: set[ChangeState] = set()
    for turns in range(TURNS):
        sim = Simulator(seed=7, taxpayers=1, invoices=12, job_seconds=5.0)
        memory = MemoryJournal(clock=sim.now)
        client = make_client(sim, journal=(slow := Shaky(memory)))
        for name in ("add", "claim", "put", "find"):
            setattr(slow, name, late(getattr(memory, name)))
        acme = logged_in(client, sim)
        batch = await undecided(acme)
        if how != "taken":
            sim.script_answer("save", 200, BUSY if how == "busy" else dialect().half)
        saving = asyncio.create_task(acme.save(batch))
        for _ in range(turns):
            await asyncio.sleep(0)
        if end == "cancelled":
            saving.cancel()
        else:
            await asyncio.wait_for(client.aclose(), 60)
        await asyncio.wait([saving])
        await asyncio.sleep(300)
        states |= {change.state for change in await memory.find()}
        await asyncio.wait_for(client.aclose(), 60)
    assert states == {ChangeState.CALLED_OFF, end_of_it}


async def test_a_client_that_closes_while_another_processs_job_is_taken_in_waits_for_no_poll() -> None:
    """Whichever turn of the loop it closes at: the submitter is told at once."""
    for turns in range(TURNS):
        sim = Simulator(seed=7, taxpayers=1, invoices=12, job_seconds=900.0)
        memory = MemoryJournal(clock=sim.now)
        first, second = (make_client(sim, journal=memory) for _ in range(2))
        batch = await undecided(logged_in(first, sim))
        await logged_in(first, sim).save(batch)
        saving = asyncio.create_task(logged_in(second, sim).save(batch))
        for _ in range(turns):
            await asyncio.sleep(0)
        begun = sim.now()
        await second.aclose()
        assert sim.now() - begun < 0.5
        with pytest.raises(ClientClosed):
            await saving


@pytest.mark.parametrize("known_by", ["its token", "its name"])
async def test_the_name_of_a_job_from_elsewhere_is_not_a_new_ones(sim: Simulator, known_by: str) -> None:
    """No journal is there to tell, and yet the batch is unknown, not applied with the other's report."""
    acme = logged_in(make_client(sim), sim)
    one, two, _ = await undecided(acme)
    job = await acme.save([one])
    await job
    here = logged_in(make_client(sim), sim)
    handle = here.resume(job.token) if known_by == "its token" else here.job(str(job.reference_id))
    named = {"data": {"reference_id": handle.reference_id}, "status_cd": "1"}
    sim.script_answer("save", 200, {"code": 200, "data": named})
    with pytest.raises(OutcomeUnknown, match="earlier job"):
        await here.save([two])


async def test_a_damaged_change_of_the_past_does_not_stop_a_retry(
    acme: Taxpayer, journal: Shaky, shelf: Shelf, sim: Simulator
) -> None:
    """It was neither sent meanwhile nor can it be."""
    one, two, _ = await undecided(acme)
    await (await acme.save([one]))
    old = (await shelf.last()).id
    sim.script_status(None, {"status_cd": "ER", "error_cd": "X", "error_msg": "no"})
    with pytest.raises(JobFailed) as caught:
        await (await acme.save([two]))
    journal.damaged = {old}
    assert caught.value.report is not None
    assert (await acme.retry(caught.value.report)).found.settled
