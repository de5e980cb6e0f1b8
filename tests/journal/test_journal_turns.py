"""One note that could not be written, one clock that is off: the next change goes its way all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from ims_async import GatewayError, ImsClient, JobReport, JournalError, OutcomeUnknown, Taxpayer
from ims_async.journal import Change, ChangeState, Claim, MemoryJournal
from ims_async.model.records import Record
from ims_async.simulator import Simulator

from ..conftest import eas, make_client, plan_endless
from ..support.journal_flows import FIXTURES, Shaky, Shelf, undecided
from .test_journal_damage import delete
from .test_journal_handles import logged_in, lost

pytestmark = [pytest.mark.looptime]
shelf, journal, client, acme, second = FIXTURES


def allow_few_claims(journal: Shaky, monkeypatch: pytest.MonkeyPatch, most: int = 20) -> None:
    """Fail where a turn is asked for over and over: without a pause that would never end."""
    inner, asked = journal.claim, 0

    async def claim(change: Change, *, since: int | None = None) -> Claim:
        nonlocal asked
        asked += 1
        assert asked <= most, "claims without end"
        return await inner(change, since=since)

    monkeypatch.setattr(journal, "claim", claim)


async def test_letting_go_that_could_not_be_written_is_written_by_the_next_save(
    acme: Taxpayer, journal: Shaky, shelf: Shelf, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal still says that the turn is taken, until then."""
    one, two, _ = await undecided(acme)
    job = await lost(acme, [one], sim)
    journal.failing = {ChangeState.ABANDONED}
    await acme.let_go(job)
    journal.failing = set()
    allow_few_claims(journal, monkeypatch)
    assert (await (await acme.save([two]))).ok
    assert await shelf.states() == [ChangeState.ABANDONED, ChangeState.ENDED]


async def test_a_job_that_was_let_go_runs_no_more_whatever_is_heard_of_it(
    acme: Taxpayer, journal: Shaky, shelf: Shelf, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody still waits for it and polls; that must not take the turn back."""
    one, two, _ = await undecided(acme)
    plan_endless(sim)
    job = await acme.save([one])
    waiting = asyncio.create_task(job.wait())
    await asyncio.sleep(0)
    await acme.let_go(job)
    await asyncio.sleep(10)
    assert await shelf.states() == [ChangeState.ABANDONED]
    allow_few_claims(journal, monkeypatch)
    assert (await (await acme.save([two]))).ok
    waiting.cancel()


async def test_calling_off_that_could_not_be_written_is_written_by_the_next_save(
    acme: Taxpayer, journal: Shaky, shelf: Shelf, sim: Simulator
) -> None:
    """That one need not wait until the journal's row looks like that of a dead process."""
    one, two, _ = await undecided(acme)
    journal.failing = {ChangeState.CALLED_OFF}
    sim.script_answer("save", 422, {"code": 422, "message": "no"})
    with pytest.raises(GatewayError, match="422"):
        await acme.save([one])
    journal.failing = set()
    begun = sim.now()
    assert (await (await acme.save([two]))).ok
    assert sim.now() - begun < 30
    assert await shelf.states() == [ChangeState.CALLED_OFF, ChangeState.ENDED]


async def test_a_batch_that_was_written_although_the_journal_failed_is_called_off(
    acme: Taxpayer, journal: Shaky, second: ImsClient, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller was told that nothing was sent, and nobody finds it waiting."""
    inner = journal.inner.add

    async def add(change: Change, records: Sequence[Record]) -> Change:
        await inner(change, records)
        raise JournalError("disk I/O error")

    batch = await undecided(acme)
    monkeypatch.setattr(journal.inner, "add", add)
    with pytest.raises(JournalError, match="nothing was sent"):
        await acme.save(batch)
    assert await shelf.states() == [ChangeState.CALLED_OFF]
    assert await second.unfinished() == []


async def test_a_waiting_batch_that_cannot_be_taken_over_is_the_journals_trouble(
    acme: Taxpayer, client: ImsClient, journal: Shaky, second: ImsClient, shelf: Shelf
) -> None:
    """And not that somebody has begun to send it, who has not."""
    one, two, _ = await undecided(acme)
    other = shelf.taxpayer(second)
    await other.save([one])
    saving = asyncio.create_task(other.save([two]))
    await asyncio.sleep(0.1)
    (waiting,) = [job for job in await client.unfinished() if not job.sent]
    journal.failing = {ChangeState.CALLED_OFF}
    with pytest.raises(JournalError, match="no room for called off"):
        await acme.reconcile(waiting)
    assert (await (await saving)).ok


async def lost_and_settled(taxpayer: Taxpayer, sim: Simulator) -> JobReport:
    """Return the report of a batch of which a look has shown that nothing was applied."""
    job = await lost(taxpayer, await undecided(taxpayer), sim)
    await asyncio.sleep(1801)
    await taxpayer.reconcile(job)
    assert job.report is not None
    return job.report


async def test_a_job_whose_journal_was_deleted_says_so_and_keeps_its_name(
    tmp_path: Path, sim: Simulator
) -> None:
    """Its caller has the report all the same, and the next change is in the file that is there then."""
    shelf = Shelf(tmp_path / "jobs.db", sim)
    acme = shelf.taxpayer(make_client(sim, journal=shelf.journal()))
    one, two, _ = await undecided(acme)
    job = await acme.save([one])
    batch = job.batch
    assert batch
    delete(tmp_path / "jobs.db")
    for _ in range(2):
        assert (await job).ok
        assert f"holds no change {batch}" in str(job.journal_error)
        assert job.batch == batch
        await acme.invoices("b2b")
    later = await acme.save([two])
    assert (await later).ok
    assert later.journal_error is None
    assert [change.id for change in await shelf.journal().find()] == [later.batch]
    assert job.journal_error is not None
    shelf.close()


@pytest.mark.parametrize("ahead", [3600.0, 0.0])
async def test_a_retry_ends_whatever_the_journals_clock_says(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    """Ahead, or the same to the last digit: what ended before it looked is not taken for something new."""
    kept = Shaky(MemoryJournal(clock=lambda: sim.now() + ahead))
    acme = logged_in(make_client(sim, journal=kept), sim)
    report = await lost_and_settled(acme, sim)
    allow_few_claims(kept, monkeypatch, most=2)
    again = await (await acme.retry(report))
    assert again is not None
    assert again.ok


@pytest.mark.parametrize("ahead", [0.0, -3600.0])
async def test_of_two_processes_that_retry_one_sends_whatever_the_journals_clock_says(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    """Behind, or the same: what the other has sent since is noticed."""
    kept = Shaky(MemoryJournal(clock=lambda: sim.now() + ahead))
    here, there = (logged_in(make_client(sim, journal=kept), sim) for _ in range(2))
    report = await lost_and_settled(here, sim)
    allow_few_claims(kept, monkeypatch)
    both = await asyncio.gather(here.retry(report), there.retry(report))
    assert sorted(retried.job is None for retried in both) == [False, True]
    assert sim.count("save") == 2
    assert len(sim.effects) == 3


@pytest.mark.both_gsps
@pytest.mark.only_gsp("vayana", "its envelope")
async def test_trouble_of_the_gsps_own_under_a_success_leaves_a_change_unknown(
    acme: Taxpayer, shelf: Shelf, sim: Simulator
) -> None:
    """GSTN may have taken it: no document says that it did not."""
    sim.script_answer("save", 200, eas("err-gateway-timed-out", "Runtime"), after=True)
    with pytest.raises(OutcomeUnknown) as caught:
        await acme.save(await undecided(acme))
    assert await shelf.states() == [ChangeState.LOST]
    await asyncio.sleep(20)
    assert caught.value.job is not None
    assert len((await acme.reconcile(caught.value.job)).applied) == 3


async def test_a_batch_that_went_back_into_the_line_unwritten_and_was_given_up_waits_no_more(
    acme: Taxpayer, journal: Shaky, shelf: Shelf, sim: Simulator
) -> None:
    """GSTN was busy, the way back could not be written, and the retry looked anew: nobody sends that one."""
    report = await lost_and_settled(acme, sim)
    busy = {"error": {"error_cd": "IMSSAV0015", "message": "in progress"}, "status_cd": "0"}
    sim.script_answer("save", 200, {"code": 200, "data": busy})
    journal.failing = {ChangeState.QUEUED}
    retrying = asyncio.create_task(acme.retry(report))
    await asyncio.sleep(0.5)
    journal.failing = set()
    await (await retrying)
    assert await shelf.states() == [ChangeState.ENDED, ChangeState.CALLED_OFF, ChangeState.ENDED]
