"""Decisions that another process has applied meanwhile are done: no recovery sends them over a later act."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
import pytest

from ims_async import Decision, ImsClient, JobInFlight, RateLimited, Section, bulk
from ims_async.journal import Cause, Change, Claim
from ims_async.simulator import Simulator

from ..conftest import ONE_TRY, dialect, make_client
from ..support.bulk_breaks import RUN, Mortal
from ..support.journal_flows import Shelf, shelf, undecided

__all__ = ["shelf"]

pytestmark = [
    pytest.mark.looptime,
    pytest.mark.both_gsps,
    pytest.mark.sim(taxpayers=1, invoices=24, sections=["b2b"], job_seconds=5.0, download_seconds=0.01),
]

_LATE = [1.0, 40.0]
"""Seconds: the other's job runs, or has ended, when a process asks for the turn."""


class Late(Mortal):
    """The journal of a process that is slow: its first claim comes late. It dies where `at` says."""

    late = 0.0

    async def claim(self, change: Change, *, since: int | None = None) -> Claim:
        """Begin to send, after a while."""
        late, self.late = self.late, 0.0
        await asyncio.sleep(late)
        return await super().claim(change, since=since)


def process(sim: Simulator, shelf: Shelf, *, late: float = 0.0, at: str = "never") -> tuple[ImsClient, Late]:
    """Return the client of one more process, and its journal."""
    journal = Late(shelf.journal().inner, at=at)
    journal.late = late
    client = make_client(sim, journal=journal, retry=ONE_TRY)
    shelf.taxpayer(client)
    return client, journal


async def undo(sim: Simulator, shelf: Shelf, decisions: list[Decision]) -> None:
    """Reset these records on the portal, say: no journal knows of it."""
    person = shelf.taxpayer(make_client(sim))
    keys = {decision.key for decision in decisions}
    await (await person.reset([row for row in await person.invoices(Section.B2B) if row.key in keys]))


async def nothing_is_left(sim: Simulator, shelf: Shelf, decisions: list[Decision]) -> None:
    """Check that these took effect once, and that recovery leaves what a person did since."""
    assert [effect.after for effect in sim.effects] == ["A"] * len(decisions)
    await undo(sim, shelf, decisions)
    await asyncio.sleep(600)
    saves = sim.count("save")
    client, _ = process(sim, shelf)
    assert (await bulk.recover(client)).handed_in == 0
    assert sim.count("save") == saves
    numbers = {decision.number for decision in decisions}
    assert {row.action for row in sim.records(sim.gstins[0], "b2b") if row.number in numbers} == {"N"}
    assert [job async for job in client.called_off(retried=False)] == []


async def made_before(sim: Simulator, shelf: Shelf) -> list[Decision]:
    """Return decisions that were made before any of it."""
    return await undecided(shelf.taxpayer(make_client(sim)))


@pytest.mark.parametrize("late", _LATE)
async def test_the_slower_of_two_that_carry_out_a_run_settles_what_it_handed_in(
    sim: Simulator, shelf: Shelf, late: float
) -> None:
    """Its batch was called off, and its next look finds nothing to send."""
    decisions = await made_before(sim, shelf)
    one, two = process(sim, shelf)[0], process(sim, shelf, late=late)[0]
    work = {sim.gstins[0]: decisions}
    for report in await asyncio.gather(*(bulk.save_all(who, work, run=RUN) for who in (one, two))):
        assert (report.handed_in, report.succeeded) == (3, 3)
    off = [job async for job in two.called_off()]
    assert {job.cause for job in off} <= {Cause.IN_THE_WAY, Cause.TAKEN_OVER}  # by who is sooner to look
    assert [job.retried for job in off if "_" not in job.reason] == [True] * len(off) != []
    await nothing_is_left(sim, shelf, decisions)


@pytest.mark.parametrize("way", ["run", "retry", "recover"])
@pytest.mark.parametrize("late", _LATE)
async def test_one_that_dies_before_it_looks_again_leaves_nothing_to_do(
    sim: Simulator, shelf: Shelf, late: float, way: str
) -> None:
    """Whatever it was at: the other's batch, which it stood beside, has done the same."""
    decisions = await made_before(sim, shelf)
    if way != "run":
        sim.script_answer("save", *dialect().throttled)
        with pytest.raises(RateLimited):
            await shelf.taxpayer(process(sim, shelf)[0]).save(decisions)
    one, two = process(sim, shelf), process(sim, shelf, late=late, at="called off")

    async def work(client: ImsClient) -> Any:
        if way == "run":
            return await bulk.save_all(client, {sim.gstins[0]: decisions}, run=RUN)
        if way == "recover":
            return await bulk.recover(client)
        (job,) = [job async for job in client.called_off(retried=False)]
        return await (await client.taxpayer(sim.gstins[0]).retry(job))

    first, second = (asyncio.create_task(work(client)) for client, _ in (one, two))
    await asyncio.wait_for(two[1].died.wait(), 3600)
    await first
    second.cancel()  # nothing that it writes from now on reaches the journal
    await asyncio.wait([second])
    await nothing_is_left(sim, shelf, decisions)


async def test_a_save_that_another_process_stood_in_the_way_of_with_the_same_decisions_is_done(
    sim: Simulator, shelf: Shelf
) -> None:
    """Its caller was told so, and never came back."""
    decisions = await made_before(sim, shelf)
    one, two = (shelf.taxpayer(process(sim, shelf)[0]) for _ in range(2))
    job = await one.save(decisions)
    with pytest.raises(JobInFlight):
        await two.save(decisions, queue=False)
    await job
    await nothing_is_left(sim, shelf, decisions)


@pytest.mark.parametrize("reset", [False, True], ids=["after it", "after a reset in line"])
async def test_what_was_decided_once_more_is_sent(sim: Simulator, shelf: Shelf, reset: bool) -> None:
    """The same decision on a record that was reset in between is another one."""
    decisions = await made_before(sim, shelf)
    one, two = (shelf.taxpayer(process(sim, shelf)[0]) for _ in range(2))
    job = await one.save(decisions)
    if reset:
        stand = [attrs.evolve(decision.invoice, action=decision.action) for decision in decisions]
        undone = asyncio.create_task(one.reset(stand))
        await asyncio.sleep(0.5)
        with pytest.raises(JobInFlight):
            await two.save(decisions, queue=False)
        await (await undone)
    else:
        await job
        await undo(sim, shelf, decisions)
        await asyncio.sleep(1.0)
        sim.script_answer("save", *dialect().throttled)
        with pytest.raises(RateLimited):
            await two.save(decisions)
    client, _ = process(sim, shelf)
    report = await bulk.recover(client)
    assert (report.handed_in, report.succeeded) == (3, 3)
    assert [effect.after for effect in sim.effects] == ["A"] * 3 + ["N"] * 3 + ["A"] * 3
