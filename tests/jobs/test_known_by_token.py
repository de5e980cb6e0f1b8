"""Jobs that are known by their token or reference: what the journal has of them counts once it is found."""

from __future__ import annotations

import asyncio

import pytest

from ims_async import ImsClient, Taxpayer
from ims_async.journal import ChangeState
from ims_async.simulator import Simulator

from ..conftest import plan, polls
from ..support.journal_flows import FIXTURES, Shaky, Shelf, undecided

pytestmark = [pytest.mark.looptime, pytest.mark.both_gsps]
shelf, journal, client, acme, second = FIXTURES


@pytest.mark.parametrize("answered", [True, False])
async def test_a_look_at_a_job_that_is_known_by_its_reference_ends_it_in_the_journal(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator, answered: bool
) -> None:
    """At the first look, without any quiet time, whether or not the gateway answers the poll before it."""
    decisions = await undecided(acme, 1)
    sent = await acme.save(decisions)
    assert sent.reference_id is not None
    await asyncio.sleep(3000)
    other = shelf.taxpayer(second)
    job = other.job(sent.reference_id)
    if not answered:
        plan(sim, "status", "down")
    for _ in range(2):
        found = await other.reconcile(job, decisions, quiet=0.0)
        assert (found.applied, found.settled) == (tuple(decisions), True)
        assert (job.open, job.done) == (False, True)
        assert await shelf.states() == [ChangeState.ENDED]


@pytest.mark.parametrize("heard", ["the end", "that it runs"])
async def test_what_was_heard_of_a_token_is_written_once_its_change_is_found(
    acme: Taxpayer, journal: Shaky, second: ImsClient, shelf: Shelf, sim: Simulator, heard: str
) -> None:
    """The token was here before its reference was in the journal; the process that sent it writes no more.

    The next save writes the end for it, and is not kept from being sent.
    """
    one, two, _ = await undecided(acme)
    journal.failing = {ChangeState.ACCEPTED}
    sent = await acme.save([one])
    other = shelf.taxpayer(second)
    resumed = second.resume(sent.token.dumps())
    await resumed.refresh()  # it is looked for in the journal now, and is not there
    assert resumed.batch is None
    journal.failing = set()
    await sent._write()
    assert await shelf.states() == [ChangeState.ACCEPTED]
    if heard == "the end":
        assert (await resumed).ok
        assert await shelf.states() == [ChangeState.ACCEPTED]
    begun, asked = sim.now(), polls(sim, sent)
    saved = await asyncio.wait_for(other.save([two]), 300)
    assert sim.now() - begun < 60
    if heard == "the end":
        assert polls(sim, sent) == asked
    assert (resumed.open, resumed.done, resumed.batch) == (False, True, sent.batch)
    assert (await shelf.states())[0] is ChangeState.ENDED
    assert (await saved).ok
    assert await second.unfinished() == []


async def test_what_was_let_go_before_its_change_was_found_does_not_hold_the_turn(
    acme: Taxpayer, journal: Shaky, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """A person said so, and is not asked again."""
    one, two, _ = await undecided(acme)
    journal.failing = {ChangeState.ACCEPTED}
    sent = await acme.save([one])
    other = shelf.taxpayer(second)
    resumed = second.resume(sent.token.dumps())
    await resumed.refresh()  # it is looked for in the journal now, and is not there
    await other.let_go(resumed)
    journal.failing = set()
    await sent._write()
    begun = sim.now()
    await asyncio.wait_for(other.save([two]), 300)
    assert sim.now() - begun < 60
    assert (resumed.open, resumed.batch) == (False, sent.batch)
    assert (await shelf.states())[0] is ChangeState.ABANDONED
