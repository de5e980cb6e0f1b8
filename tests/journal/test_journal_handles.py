"""What a handle knows when others move its batch on, and what it holds when nobody needs it any more."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import weakref
from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from ims_async import Decision, ImsClient, ImsJob, JobInFlight, OutcomeUnknown, Taxpayer, bulk
from ims_async.journal import Change, ChangeState, Query
from ims_async.journal.base import EVERYTHING
from ims_async.simulator import Simulator

from ..conftest import dialect, envelope, make_client, plan_endless
from ..support.journal_flows import FIXTURES, Shaky, Shelf, only, undecided

pytestmark = [pytest.mark.looptime]
shelf, journal, client, acme, second = FIXTURES


def logged_in(client: ImsClient, sim: Simulator) -> Taxpayer:
    """Return the first taxpayer of a client that keeps no journal, or one of its own."""
    return client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))


async def lost(taxpayer: Taxpayer, batch: list[Decision], sim: Simulator) -> ImsJob:
    """Save a batch whose answer is cut short, and which took no effect."""
    sim.script_answer("save", 200, dialect().half)
    with pytest.raises(OutcomeUnknown) as caught:
        await taxpayer.save(batch)
    assert caught.value.job is not None
    return caught.value.job


def hold_reading(journal: Shaky, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Let what is read from now on be handed over once the event is set."""
    inner, gate = journal.find, asyncio.Event()

    async def find(query: Query = EVERYTHING) -> Sequence[Change]:
        found = await inner(query)
        await gate.wait()
        return found

    monkeypatch.setattr(journal, "find", find)
    return gate


# -- the token of a change whose outcome is unknown -----------------------------------------------------


async def test_a_resumed_change_without_reference_was_sent_although_no_journal_says_so(
    sim: Simulator,
) -> None:
    """It may be at work still: that it was not applied is not said before the quiet time."""
    first, next_one = make_client(sim), make_client(sim)
    batch = await undecided(logged_in(first, sim))
    job = await lost(logged_in(first, sim), batch, sim)
    taxpayer = logged_in(next_one, sim)
    resumed = next_one.resume(job.token.dumps())
    assert resumed.sent
    found = await taxpayer.reconcile(resumed, batch)
    assert (found.cannot_tell_yet, found.not_applied) == (tuple(batch), ())


async def test_a_resumed_change_without_reference_finds_its_own_row(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """And not the latest of its taxpayer, which waits in another process."""
    one, two, _ = await undecided(acme)
    job = await lost(acme, [one], sim)
    assert job.submitted_at is not None
    later = attrs.evolve(job.token, submitted_at=job.submitted_at + dt.timedelta(seconds=1))
    await shelf.journal().add(Change(id="waits", token=later), [two])
    other = shelf.taxpayer(second)
    resumed = second.resume(job.token.dumps())
    assert await resumed.load() == (one,)
    await asyncio.sleep(1801)
    assert (await other.reconcile(resumed)).not_applied == (one,)
    assert await shelf.states() == [ChangeState.ENDED, ChangeState.QUEUED]


async def test_a_lost_change_that_was_resumed_is_listed_once(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """By the handle that its token gave, with its records; a recovery counts it once."""
    batch = await undecided(acme)
    job = await lost(acme, batch, sim)
    resumed = second.resume(job.token.dumps())
    taxpayer = shelf.taxpayer(second)
    assert await second.unfinished() == await second.unfinished() == [resumed]
    assert [listed async for listed in second.jobs()] == [resumed]
    assert (await resumed.load(), resumed.batch) == (tuple(batch), job.batch)
    report = await bulk.recover(second)
    assert (report.handed_in, report.succeeded) == (len(batch), len(batch))
    assert await second.unfinished() == taxpayer.unfinished() == []


@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize("instead", ["others", "the other way", "one twice"])
async def test_a_look_at_other_decisions_than_a_jobs_own_ends_nothing(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator, instead: str, resumed: bool
) -> None:
    """It shows that those are applied, and tells nothing of the job's, none of which is."""
    one, two, three, four = await undecided(acme, 4)
    job = await lost(acme, [one, two], sim)
    taxpayer = acme
    if resumed:
        taxpayer, job = shelf.taxpayer(second), second.resume(job.token.dumps())
    given = {
        "others": [three, four],
        "the other way": [one.invoice.reject(), two.invoice.reject()],
        "one twice": [one.invoice.reject()] * 2,
    }[instead]
    colleague = shelf.taxpayer(make_client(sim))
    assert (await (await colleague.save(dict.fromkeys(given)))).ok
    await asyncio.sleep(1801)
    assert len((await taxpayer.reconcile(job, given)).applied) == 2
    assert (job.open, job.report) == (True, None)
    found = await taxpayer.reconcile(job, [attrs.evolve(two), attrs.evolve(one)])
    assert found.settled
    assert job.report is not None
    assert job.report.succeeded == ()


async def test_decisions_that_were_handed_to_reconcile_can_be_retried(sim: Simulator) -> None:
    """The report has them, as if the job had been submitted here."""
    first, next_one = make_client(sim), make_client(sim)
    batch = await undecided(logged_in(first, sim))
    job = await lost(logged_in(first, sim), batch, sim)
    taxpayer = logged_in(next_one, sim)
    resumed = next_one.resume(job.token)
    await asyncio.sleep(1801)
    assert (await taxpayer.reconcile(resumed, batch)).not_applied == tuple(batch)
    assert resumed.report is not None
    report = await (await taxpayer.retry(resumed.report))
    assert report is not None
    assert report.ok


# -- what others do meanwhile ---------------------------------------------------------------------------


async def test_a_handle_learns_the_reference_that_came_later(
    acme: Taxpayer, second: ImsClient, journal: Shaky, shelf: Shelf
) -> None:
    """Listed while it was being sent; it can be awaited then, and holds nothing up once it has ended."""
    one, two, _ = await undecided(acme)
    other = shelf.taxpayer(second)
    journal.held[ChangeState.ACCEPTED] = asyncio.Event()
    saving = asyncio.create_task(acme.save([one]))
    await asyncio.sleep(0.1)
    seen = await only(second)
    assert seen.reference_id is None
    journal.held[ChangeState.ACCEPTED].set()
    job = await saving
    assert await only(second) is seen
    assert seen.reference_id == job.reference_id
    await job
    assert (await (await other.save([two]))).ok


async def test_a_handle_on_a_waiting_batch_learns_that_it_was_sent(
    acme: Taxpayer, second: ImsClient, shelf: Shelf
) -> None:
    """It is listed once, and can be awaited."""
    one, two, _ = await undecided(acme)
    await acme.save([one])
    saving = asyncio.create_task(acme.save([two]))
    await asyncio.sleep(0.1)
    shelf.taxpayer(second)
    (seen,) = [job for job in await second.unfinished() if not job.sent]
    await saving
    assert await only(second) is seen
    assert seen.sent
    assert (await seen).succeeded == (two,)


async def test_a_job_that_ended_while_the_list_was_read_is_not_in_it(
    acme: Taxpayer, client: ImsClient, second: ImsClient, journal: Shaky, shelf: Shelf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Else it would hold the turn, for ever: nobody would ask for it again."""
    one, two, _ = await undecided(acme)
    other = shelf.taxpayer(second)
    job = await other.save([one])
    with monkeypatch.context() as patch:
        gate = hold_reading(journal, patch)
        listing = asyncio.create_task(client.unfinished())
        await asyncio.sleep(0.1)
    await job
    gate.set()
    assert await listing == []
    assert (await (await acme.save([two], queue=False))).ok


async def test_two_who_list_at_once_have_the_same_handles(
    acme: Taxpayer, second: ImsClient, shelf: Shelf
) -> None:
    """One job and one batch that waits, each told once."""
    one, two, _ = await undecided(acme)
    await acme.save([one])
    saving = asyncio.create_task(acme.save([two]))
    await asyncio.sleep(0.1)
    shelf.taxpayer(second)
    mine, yours = await asyncio.gather(second.unfinished(), second.unfinished())
    assert len(mine) == 2
    assert mine == yours
    await saving


async def test_a_change_that_was_settled_elsewhere_lets_the_next_one_go(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """The journal is asked before it is refused."""
    one, two, _ = await undecided(acme)
    job = await lost(acme, [one], sim)
    other = shelf.taxpayer(second)
    await only(second)
    with pytest.raises(JobInFlight, match="is not known"):
        await other.save([two])
    await asyncio.sleep(1801)
    await acme.reconcile(job)
    assert (await (await other.save([two]))).ok


async def test_a_running_job_that_was_settled_by_looking_has_its_report(
    acme: Taxpayer, shelf: Shelf, sim: Simulator
) -> None:
    """Here as in the next process, and who waits for it is told."""
    batch = await undecided(acme)
    plan_endless(sim)
    job = await acme.save(batch)
    waiting = asyncio.create_task(job.result())
    await asyncio.sleep(1801)
    assert (await acme.reconcile(job)).applied == tuple(batch)
    assert job.report is not None
    assert job.report.succeeded == tuple(batch)
    assert await waiting is job.report
    assert await shelf.states() == [ChangeState.ENDED]


# -- looking for the row of a token ---------------------------------------------------------------------


async def test_a_search_that_was_cancelled_is_made_again(
    acme: Taxpayer, client: ImsClient, second: ImsClient, journal: Shaky, shelf: Shelf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Else the end would never be written down."""
    sent = await shelf.taxpayer(second).save(await undecided(acme))
    resumed = client.resume(sent.token)
    with monkeypatch.context() as patch:
        hold_reading(journal, patch)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(resumed.refresh(), 0.01)
    assert (await resumed).ok
    assert await shelf.states() == [ChangeState.ENDED]


async def test_two_who_load_at_once_both_have_the_records(
    acme: Taxpayer, client: ImsClient, second: ImsClient, journal: Shaky, shelf: Shelf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The second does not go on with a made-up name."""
    batch = await undecided(acme)
    sent = await shelf.taxpayer(second).save(batch)
    resumed = client.resume(sent.token)
    gate = hold_reading(journal, monkeypatch)
    loads = [asyncio.create_task(resumed.load()) for _ in range(2)]
    await asyncio.sleep(0.1)
    gate.set()
    assert await asyncio.gather(*loads) == [tuple(batch)] * 2


# -- memory, and names that come twice ------------------------------------------------------------------


async def test_an_ended_job_and_its_records_live_no_longer_than_whoever_holds_them(
    sim: Simulator,
) -> None:
    """A client of thousands of taxpayers would else keep the last batch of each."""
    client = make_client(sim)
    acme = logged_in(client, sim)
    job = await acme.save(await undecided(acme))
    await job
    there = weakref.ref(job)
    del job
    gc.collect()
    assert there() is None


@pytest.mark.both_gsps
@pytest.mark.parametrize("process", ["same", "next"])
async def test_the_name_of_a_job_that_nobody_holds_any_more_is_not_a_new_ones(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator, gsp_name: str, process: str
) -> None:
    """An answer that names an earlier job tells nothing of this batch: it is unknown, not applied."""
    one, two, _ = await undecided(acme)
    job = await acme.save([one])
    await job
    name = job.reference_id
    del job
    gc.collect()
    taxpayer = acme if process == "same" else shelf.taxpayer(second)
    answer: dict[str, Any] = {"code": 200, "data": {"data": {"reference_id": name}, "status_cd": "1"}}
    if gsp_name == "vayana":
        answer = envelope({"task-id": name})
    sim.script_answer("save", 200, answer)
    with pytest.raises(OutcomeUnknown, match="earlier job"):
        await taxpayer.save([two])
    assert await shelf.states() == [ChangeState.ENDED, ChangeState.LOST]
