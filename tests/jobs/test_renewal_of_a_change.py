"""A change whose token the gateway refuses: it is renewed outside of the change's place in the rate limit."""

from __future__ import annotations

import asyncio

import pytest

from ims_async import Action, ImsClient, RateLimit, Section, SessionExpired, Taxpayer
from ims_async.simulator import Simulator

from ..conftest import make_client

pytestmark = [pytest.mark.looptime, pytest.mark.both_gsps]


@pytest.mark.parametrize("per_minute", [1, 2])
async def test_renewals_find_a_place_in_a_full_rate_limit(sim: Simulator, per_minute: int) -> None:
    """Else as many refused changes as the limit has places would wait for each other for ever."""
    reader, client = make_client(sim), make_client(sim, rate=RateLimit(per_minute=per_minute))

    async def save(gstin: str) -> None:
        rows = await log_in(reader, sim, gstin).invoices(Section.B2B, Action.NO_ACTION)
        taxpayer = log_in(client, sim, gstin)
        sim.expire_all(gstin)
        with pytest.raises(SessionExpired):
            await taxpayer.save([rows[0].accept()])

    async with asyncio.timeout(300):
        await asyncio.gather(*map(save, sim.gstins[:per_minute]))
    assert sim.count("refresh") == per_minute


def log_in(client: ImsClient, sim: Simulator, gstin: str) -> Taxpayer:
    """Return a taxpayer of a client, logged in."""
    return client.taxpayer(gstin, token=sim.token(gstin))
