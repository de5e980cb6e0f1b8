"""A night in which much goes wrong: the report accounts for every decision, and so do the gateway's books."""

from __future__ import annotations

import math
import random

import pytest

from ims_async import OtpRequired, RateLimit, SessionExpired, bulk
from ims_async.simulator import Simulator

from ..conftest import make_gsp
from ..support.bulk_flows import Answer, Door, adds_up, applied, bulk_client, log_in, names, work_for

pytestmark = [pytest.mark.looptime, pytest.mark.both_gsps]

DOWN = (503, {"Content-Type": "application/json"}, b'{"code":503,"message":"Service Unavailable"}')


class Outage:
    """Two minutes in which nothing is answered; half of what arrives takes effect all the same."""

    def __init__(self, sim: Simulator, begins_in: float, seconds: float = 120.0) -> None:
        self._now, self._from = sim.now, sim.now() + begins_in
        self._until = self._from + seconds
        self._dice = random.Random(3)  # noqa: S311 # the same each time
        self.met = 0

    def __call__(self, path: str, truly: object) -> Answer | None:
        """Answer in the gateway's place while it lasts."""
        if not self._from <= self._now() < self._until:
            return None
        self.met += 1
        if self._dice.random() < 0.5:
            truly()  # type: ignore[operator]
        return DOWN


@pytest.mark.sim(
    taxpayers=60,
    invoices=60,
    sections=["b2b"],
    job_seconds=lambda dice: dice.lognormvariate(math.log(60), 0.8),
)
async def test_every_decision_is_accounted_for(sim: Simulator) -> None:
    """A tenth of the sessions dead, a twentieth of the records stale, and two minutes of outage."""
    reader = bulk_client(sim)
    work = {who.gstin: decisions for who, decisions in (await work_for(log_in(reader, sim))).items()}
    dice = random.Random(11)  # noqa: S311 # the same each time
    dead = set(sim.gstins[::10])
    stale = {
        (gstin, d.supplier, d.number, d.return_period)
        for gstin, decisions in work.items()
        for d in decisions
        if dice.random() < 0.05
    }
    for gstin, supplier, number, period in sorted(stale):
        sim.edit(gstin, "b2b", number, supplier=supplier, period=period)
    sim.advance(3600)  # the reader's requests are long past
    before = applied(sim)
    outage = Outage(sim, begins_in=70)
    door = Door(sim, outage)
    client = bulk_client(sim, transport=door, rate=RateLimit(100), gsp=make_gsp(sim))
    for gstin in work:
        client.taxpayer(gstin, token=sim.token(gstin))
        if gstin in dead:
            sim.end_session(gstin)

    report = await bulk.save_all(client, work, concurrency=20)

    adds_up(report)
    assert report.handed_in == sum(map(len, work.values()))
    assert outage.met > 0
    assert 429 not in door.statuses
    changes = applied(sim) - before
    assert set(changes.values()) == {1}
    for gstin, decisions in work.items():
        one, wanted = report[gstin], names(gstin, decisions)
        if gstin in dead:
            assert isinstance(one.error, OtpRequired | SessionExpired)
            assert one.not_sent == tuple(decisions)
            continue
        took_effect = wanted & set(changes)
        assert one.succeeded == len(took_effect) == len(wanted - stale)
        refused = {(gstin, f.key.supplier, f.key.number, f.key.return_period) for f in one.failed}
        refused |= names(gstin, list(one.changed))  # type: ignore[arg-type]
        assert refused == wanted & stale
        assert one.error is None
    assert report.pending == ()
