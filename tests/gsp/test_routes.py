"""How a job is asked about is kept with it from the moment that it was taken in; its name says nothing."""

from __future__ import annotations

import asyncio
import datetime as dt
import json

import attrs
import pytest

from ims_async import ImsClient, ImsJob, InvalidInput, JobToken, Taxpayer
from ims_async.journal import Change
from ims_async.simulator import Simulator

from ..conftest import envelope, make_client
from ..support.journal_flows import FIXTURES, Shelf, undecided

pytestmark = [pytest.mark.looptime, pytest.mark.both_gsps]
shelf, journal, client, acme, second = FIXTURES
LIKE_A_TASK = "9f86d081-884c-4d63-a5e0-9ec4ff9a2d21"
LIKE_GSTNS = "0032e479bcb644c"


def asked(sim: Simulator, job: ImsJob) -> set[str]:
    """Say by which operations a job was asked about."""
    name = str(job.reference_id)
    return {
        request.operation
        for request in sim.requests
        if name in (request.path.rpartition("/")[2], *request.query.values())
    }


@pytest.mark.only_gsp("vayana", "Sandbox has one route")
@pytest.mark.parametrize("name", [LIKE_A_TASK, LIKE_GSTNS])
@pytest.mark.parametrize(("key", "operation"), [("task-id", "status"), ("reference_id", "reference")])
async def test_each_process_asks_by_the_route_that_the_answer_told(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator, name: str, key: str, operation: str
) -> None:
    """The one that sent it, one that has its token, and one that finds it in the journal."""
    sim.script_answer("save", 200, envelope({key: name}))
    sent = await acme.save(await undecided(acme))
    asked_before = len(sim.requests)
    shelf.taxpayer(second)
    (kept,) = await second.unfinished()
    elsewhere = make_client(sim)
    shelf.taxpayer(elsewhere)
    resumed = elsewhere.resume(sent.token.dumps())
    assert kept.token == resumed.token == sent.token
    assert sent.token.route
    for job in (sent, kept, resumed):
        waiting = asyncio.create_task(job.wait(30))
        await asyncio.wait([waiting])
        waiting.exception()
        assert len(sim.requests) > asked_before
        assert asked(sim, job) == {operation}
        asked_before = len(sim.requests)


@pytest.mark.only_gsp("vayana", "Sandbox has one route")
async def test_a_job_known_by_its_name_only_finds_its_route_once(acme: Taxpayer, sim: Simulator) -> None:
    """By asking; a token of it that is made then has it."""
    sent = await acme.save(await undecided(acme))
    elsewhere = shelf_of(make_client(sim), sim).job(str(sent.reference_id), submitted=3)
    assert elsewhere.token.route == ""
    await elsewhere.refresh()
    assert elsewhere.token.route == sent.token.route


@pytest.mark.only_gsp("vayana", "Sandbox has one route")
async def test_a_route_that_had_to_be_found_is_kept_in_the_journal(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """Of a batch that an earlier release wrote down, say: the next process asks by it at once."""
    sent = await acme.save(await undecided(acme))
    journal = shelf.journal()
    bare = attrs.evolve(sent.token, route="", submitted_at=dt.datetime(2026, 10, 1, tzinfo=dt.UTC))
    (own,) = await journal.find()
    await journal.put(own.abandoned())
    queued = Change(id="old", token=attrs.evolve(bare, reference_id=None))
    old = (await journal.claim((await journal.add(queued, sent.records or ())).claimed(bare))).change
    await journal.put(old.accepted(bare))
    shelf.taxpayer(second)
    (job,) = await second.unfinished()
    assert job.token.route == ""
    await job.refresh()
    assert (await shelf.last()).token == attrs.evolve(bare, route=sent.token.route)


def shelf_of(client: ImsClient, sim: Simulator) -> Taxpayer:
    """Return the first taxpayer, logged in with a client that has no journal."""
    return client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))


async def test_a_token_carries_the_route_and_those_without_one_are_read(acme: Taxpayer) -> None:
    """As the first release wrote them."""
    token = (await acme.save(await undecided(acme))).token
    known = attrs.evolve(token, route="by way of a task")
    text = known.dumps()
    assert json.loads(text)["route"] == "by way of a task"
    assert JobToken.loads(text) == known
    assert len(text) < 1000
    bare = attrs.evolve(token, route="").dumps()
    assert "route" not in json.loads(bare)
    assert JobToken.loads(bare) == attrs.evolve(token, route="")
    with pytest.raises(InvalidInput, match="route: 5 is not text"):
        JobToken.loads(json.dumps({**json.loads(bare), "route": 5}))
