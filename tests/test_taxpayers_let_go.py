"""A client of thousands of taxpayers keeps those that are held or busy; of the others nothing is lost."""

from __future__ import annotations

import asyncio
import gc
import logging
import tracemalloc

import pytest

from ims_async import ImsClient, OtpRequired, PollPolicy, RateLimited, Section, SessionExpired
from ims_async.journal import ChangeState, MemoryJournal
from ims_async.simulator import Simulator

from .conftest import ONE_TRY, make_client, plan
from .net.test_pacing_gateway import Slow
from .support.journal_flows import Shaky

pytestmark = [pytest.mark.looptime, pytest.mark.both_gsps]


def others(client: ImsClient, count: int = 200) -> None:
    """Ask for so many other taxpayers, and hold none: whoever is idle is let go by it."""
    gc.collect()
    for place in range(count):
        client.taxpayer(f"other {place}", check=False)


def state_of(client: ImsClient, gstin: str) -> object:
    """Return all that is kept of a taxpayer while it is in use, or None."""
    return vars(vars(client)["_taxpayers"])["_states"].get(gstin)


@pytest.mark.parametrize(("held", "limit"), [(False, 850), (True, 5_000)])
async def test_taxpayers_take_little_memory(sim: Simulator, held: bool, limit: int) -> None:
    """Some hundred bytes for each of thousands that are idle; 4.3 kB for one that is held, as a run does."""
    client = make_client(sim)
    others(client, 100)
    kept: list[object] = []
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for place in range(2_000):
            taxpayer = client.taxpayer(f"{place:015d}", token=f"token {place}", check=False)
            kept += [taxpayer] * held
        del taxpayer
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / 2_000 < limit
    known = {*vars(client._taxpayers)["_states"], *vars(client._taxpayers)["_idle"]}
    assert all(f"{place:015d}" in known for place in range(2_000))


async def test_a_taxpayer_is_one_object_for_as_long_as_it_is_held(sim: Simulator) -> None:
    """However many others come."""
    client = make_client(sim)
    held = client.taxpayer(sim.gstins[0], check=False)
    others(client)
    assert client.taxpayer(sim.gstins[0], check=False) is held


async def test_a_token_that_was_handed_in_outlives_the_taxpayer(sim: Simulator) -> None:
    """With the store in memory, which was not told of it; handing it in again is no news."""
    client, gstin = make_client(sim), sim.gstins[0]
    token = sim.token(gstin)
    client.taxpayer(gstin, token=token, check=False)
    others(client)
    assert state_of(client, gstin) is None
    await client.taxpayer(gstin, check=False).counts()
    await client.taxpayer(gstin, check=False).refresh()
    others(client)
    await client.taxpayer(gstin, token=token, check=False).counts()  # not the old one again
    assert {request.status for request in sim.requests} == {200}


async def test_a_login_goes_on_with_another_object(sim: Simulator) -> None:
    """The name and the request of the OTP are known, and the session after it."""
    client, person = make_client(sim), sim.taxpayers[0]
    await client.taxpayer(person.gstin, check=False).request_otp(person.username)
    others(client)
    assert state_of(client, person.gstin) is None
    await client.taxpayer(person.gstin, check=False).verify_otp("575757")
    others(client)
    await client.taxpayer(person.gstin, check=False).counts()
    with pytest.raises(OtpRequired):
        await client.taxpayer(sim.gstins[1], check=False).counts()


async def test_a_session_that_is_over_is_not_asked_for_again(sim: Simulator) -> None:
    """Its refusal is remembered with it: each try would be billed."""
    client, gstin = make_client(sim), sim.gstins[0]
    client.taxpayer(gstin, token=sim.token(gstin), check=False)
    sim.expire_all(gstin)
    for _ in range(2):
        with pytest.raises(SessionExpired):
            await client.taxpayer(gstin, check=False).refresh()
        asked = len(sim.requests)
        others(client)
        assert state_of(client, gstin) is None
    with pytest.raises(SessionExpired):
        await client.taxpayer(gstin, check=False).refresh()
    assert len(sim.requests) == asked


async def save(client: ImsClient, sim: Simulator) -> None:
    """Save something, and hold neither job nor taxpayer."""
    taxpayer = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]), check=False)
    (invoice, *_) = await taxpayer.invoices(Section.B2B)
    await taxpayer.save([invoice.accept()])


async def test_one_with_an_open_job_is_kept(sim: Simulator) -> None:
    """It is in `unfinished`, with its records, and holds the turn."""
    client = make_client(sim)
    await save(client, sim)
    others(client)
    (job,) = await client.unfinished()
    assert job.records is not None
    assert (await job).ok
    assert await client.unfinished() == []
    del job
    others(client)
    assert state_of(client, sim.gstins[0]) is None


async def test_one_with_a_job_that_somebody_holds_is_kept(sim: Simulator) -> None:
    """So that there is one handle, and one report, of each job."""
    client = make_client(sim)
    await save(client, sim)
    (job,) = await client.unfinished()
    await job
    others(client)
    assert client.resume(job.token) is job


async def test_one_whose_changes_were_written_late_is_let_go(
    sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """The journal failed while a job was sent, and while a batch was called off; then it worked again."""
    caplog.set_level(logging.CRITICAL, logger="ims_async")  # what is captured holds errors, with their frames
    journal = Shaky(MemoryJournal(clock=sim.now))
    client = make_client(sim, journal=journal, retry=ONE_TRY)
    journal.failing = {ChangeState.ACCEPTED, ChangeState.CALLED_OFF}
    await save(client, sim)
    plan(sim, "save", "throttled")
    with pytest.raises(RateLimited):
        await save(client, sim)
    journal.failing = set()
    await save(client, sim)
    for job in await client.unfinished():
        await job
    del job
    states = [change.state for change in await journal.find()]
    assert states == [ChangeState.ENDED, ChangeState.CALLED_OFF, ChangeState.ENDED]
    others(client)
    assert state_of(client, sim.gstins[0]) is None


async def test_one_that_sends_or_waits_is_kept(sim: Simulator) -> None:
    """The second save waits for the first one's job; nobody holds the taxpayer but the calls."""
    client = make_client(sim, poll=PollPolicy(initial_delay=1.0))
    tasks = [asyncio.create_task(save(client, sim)) for _ in range(2)]
    await asyncio.sleep(0.5)
    others(client)
    await asyncio.gather(*tasks)
    assert sim.count("save") == 2
    assert {request.status for request in sim.requests} == {200}


async def test_one_whose_caller_was_broken_off_is_kept(sim: Simulator) -> None:
    """The save is at the gateway, and nobody waits for its answer: it is a job all the same."""
    client = make_client(sim, transport=Slow(sim))
    saving = asyncio.create_task(save(client, sim))
    while not sim.count("save"):
        await asyncio.sleep(0.01)
    saving.cancel()
    await asyncio.gather(saving, return_exceptions=True)
    del saving
    others(client)
    await asyncio.sleep(2.0)
    (job,) = await client.unfinished()
    assert (await job).ok


async def test_references_are_remembered_without_a_journal(sim: Simulator) -> None:
    """An answer that names an earlier job is not taken for a new one's, whoever was let go meanwhile."""
    client = make_client(sim)
    await save(client, sim)
    (job,) = await client.unfinished()
    await job
    reference = job.reference_id
    del job
    others(client)
    assert state_of(client, sim.gstins[0]) is None
    client.taxpayer(sim.gstins[0], check=False)
    assert await state_of(client, sim.gstins[0]).jobs.knows(reference)  # type: ignore[attr-defined]


@pytest.mark.sim(taxpayers=12)
async def test_all_that_a_journal_holds_open_is_listed(sim: Simulator) -> None:
    """Of more taxpayers than are looked at for each new one: none is let go before its jobs are taken up."""
    journal = MemoryJournal(clock=sim.now)
    client = make_client(sim, journal=journal)
    for gstin in sim.gstins:
        taxpayer = client.taxpayer(gstin, token=sim.token(gstin), check=False)
        (invoice, *_) = await taxpayer.invoices(Section.B2B)
        await taxpayer.save([invoice.accept()])
    found = await make_client(sim, journal=journal).unfinished()
    assert [job.gstin for job in found] == sim.gstins
