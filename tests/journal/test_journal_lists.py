"""What a client lists is yielded as it stands at that moment: the caller may take long over each."""

from __future__ import annotations

import pytest

from ims_async import ImsClient, ImsJob, RateLimited, Taxpayer
from ims_async.journal import ChangeState
from ims_async.simulator import Simulator

from ..conftest import ONE_TRY, make_client, plan
from ..support.journal_flows import FIXTURES, Shelf, undecided

pytestmark = [pytest.mark.looptime, pytest.mark.both_gsps]
shelf, journal, client, acme, second = FIXTURES


def all_of(client: ImsClient, sim: Simulator) -> list[Taxpayer]:
    """Return all taxpayers of the world, logged in."""
    return [client.taxpayer(gstin, token=sim.token(gstin)) for gstin in sim.gstins]


async def test_a_job_that_ends_while_its_client_lists_is_yielded_as_ended(
    client: ImsClient, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """Else it would seem to run for ever: no poll is made for a list, and a logout would be refused."""
    running = [await one.save(await undecided(one, 1)) for one in all_of(client, sim)]
    theirs = all_of(second, sim)
    listed: list[tuple[str, bool, bool]] = []
    async for job in second.jobs():
        listed.append((job.gstin, job.open, job.done))
        for ending in running:
            await ending
    assert listed == [(sim.gstins[0], True, False), (sim.gstins[1], False, True)]
    assert await shelf.states() == [ChangeState.ENDED, ChangeState.ENDED]
    await theirs[1].logout()


async def test_a_batch_that_is_retried_elsewhere_while_a_client_lists_is_left_out(
    second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """So that nobody who retries what is listed has all of it looked at once more."""
    here = make_client(sim, journal=shelf.journal(), retry=ONE_TRY)
    acme = shelf.taxpayer(here)
    for decision in await undecided(acme, 2):
        plan(sim, "save", "throttled")
        with pytest.raises(RateLimited):
            await acme.save([decision])
    shelf.taxpayer(second)
    listed: list[bool] = []
    async for job in second.called_off(retried=False):
        listed.append(job.retried)
        for left in [job async for job in here.called_off(retried=False)]:
            await retried(acme, left)
    assert listed == [False]
    assert len(sim.effects) == 2


async def retried(taxpayer: Taxpayer, job: ImsJob) -> None:
    """Retry a batch that was called off, and see it through."""
    report = await (await taxpayer.retry(job))
    assert report is not None
    assert report.ok
