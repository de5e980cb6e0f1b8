"""What bulk runs ask of the packages below: a client's journal and rules, a taxpayer's checks and session."""

from __future__ import annotations

import logging

import pytest

from ims_async import ImsClient, InvalidDecision, InvalidInput, JobKind, OtpRequired, RulePolicy, Taxpayer
from ims_async.client import services_of
from ims_async.jobs.sending import Batch
from ims_async.journal import MemoryJournal
from ims_async.simulator import Simulator
from ims_async.taxpayer import state_of

from ..conftest import make_client
from ..support.bulk_flows import undecided

pytestmark = [pytest.mark.looptime, pytest.mark.both_gsps]


def test_a_client_takes_a_journal_later_and_no_other_after_it(sim: Simulator) -> None:
    """Batches of one client are written down in one place."""
    client, first = make_client(sim), MemoryJournal()
    assert client.journal is None
    services_of(client).keep_in(first)
    services_of(client).keep_in(first)
    assert client.journal is first
    with pytest.raises(InvalidInput, match="a journal of its own"):
        services_of(client).keep_in(MemoryJournal())
    with pytest.raises(InvalidInput, match="pass a journal"):
        services_of(make_client(sim)).keep_in(MemoryJournal)
    assert client.gsp.kind


async def test_batches_are_found_by_the_name_of_their_run(sim: Simulator) -> None:
    """In the order of handing in; another's are not among them, nor is what belongs to no run."""
    client = make_client(sim, journal=MemoryJournal(clock=sim.now))
    acme, other = (client.taxpayer(gstin, token=sim.token(gstin)) for gstin in sim.gstins)
    for taxpayer, run in ((acme, "november"), (other, "november"), (acme, "december"), (other, "")):
        await hand_in(taxpayer, run)
    found = await services_of(client).find(run="november")
    assert [entry.token.gstin for entry in found] == sim.gstins
    assert {entry.run for entry in found} == {"november"}
    assert await services_of(client).find(run="january") == []
    assert await services_of(make_client(sim)).find(run="november") == []


async def hand_in(taxpayer: Taxpayer, run: str) -> None:
    """Save two decisions as a part of a run."""
    decisions = (await undecided(taxpayer))[:2]

    async def look() -> Batch:
        return Batch(kind=JobKind.SAVE, records=decisions, run=run)

    job = await state_of(taxpayer).changes.submit_what(look, queue=True)
    assert job is not None
    await job


async def test_the_rules_of_a_client_are_those_of_its_saves(
    sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning can be made a refusal; what only warns is counted in the log."""
    gstin = sim.gstins[0]
    acme = make_client(sim).taxpayer(gstin, token=sim.token(gstin))
    decisions = [one.invoice.reject() for one in await undecided(acme)]
    with caplog.at_level(logging.INFO, logger="ims_async"):
        await acme.check(decisions)
    assert "remarks-missing" in caplog.text
    strict = make_client(sim, rules=RulePolicy(levels={"remarks-missing": "refuse"}))
    strictly = strict.taxpayer(gstin, token=sim.token(gstin))
    with pytest.raises(InvalidDecision) as refused:
        await strictly.save(decisions)
    assert len([f for f in refused.value.findings if f.code == "remarks-missing"]) == len(decisions)
    assert not sim.jobs


async def test_a_session_is_kept_alive_or_its_end_is_told(sim: Simulator, client: ImsClient) -> None:
    """Nothing is asked for one that has life left."""
    acme = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    before = len(sim.requests)
    await acme.keep_alive()
    assert len(sim.requests) == before
    with pytest.raises(OtpRequired):
        await client.taxpayer(sim.gstins[1]).keep_alive()


async def test_a_client_rests_no_longer_than_it_lives(sim: Simulator, client: ImsClient) -> None:
    """By its own clock."""
    begun = services_of(client).clock()
    await services_of(client).rest(90.0)
    assert services_of(client).clock() - begun == pytest.approx(90.0, abs=1.0)
