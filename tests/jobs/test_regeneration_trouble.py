"""GSTR-2B that is computed anew, in trouble of several kinds at once: what is said, and what is written."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest

from ims_async import (
    ClientClosed,
    ImsClient,
    ImsJob,
    JobFailed,
    JournalError,
    OutcomeUnknown,
    RegenerationRefused,
    Sandbox,
    Taxpayer,
)
from ims_async.gsp.base import Request, Response
from ims_async.journal import Change, ChangeState
from ims_async.model.times import QUIET
from ims_async.net.transport import AnswerLost, MemoryTransport
from ims_async.simulator import Simulator

from ..support.journal_flows import Shaky, Shelf, only, undecided
from ..support.regeneration_flows import FIXTURES, LOST, MARKS, PERIOD, lose

pytestmark = MARKS
shelf, journal, client, acme, second, other = FIXTURES

S: Final = ChangeState


class Unplugged:
    """A way to the simulator whose next answer to a computation is lost late, at a time of the test's."""

    def __init__(self, sim: Simulator) -> None:
        self.way, self.lost = MemoryTransport(sim.transport, clock=sim.now), asyncio.Event()

    async def send(self, request: Request) -> Response:
        """Send one request."""
        answer = await self.way.send(request)
        if request.operation == "regenerate":
            await self.lost.wait()
            raise AnswerLost("no whole answer came back")
        return answer

    async def aclose(self) -> None:
        """Nothing to close."""


async def test_what_is_lost_while_the_client_is_closed_keeps_the_turn(
    sim: Simulator, journal: Shaky, shelf: Shelf
) -> None:
    """It may be computed: neither is it said that nothing was done, nor does a save go beside it."""
    transport = Unplugged(sim)
    client = ImsClient(Sandbox("key_test_demo", "secret_test_demo"), transport=transport, journal=journal)
    task = asyncio.create_task(shelf.taxpayer(client).regenerate_gstr2b(PERIOD))
    while not sim.returns.regenerations:
        await asyncio.sleep(0)
    closing = asyncio.create_task(client.aclose())
    await asyncio.sleep(1)
    transport.lost.set()
    await closing
    with pytest.raises(OutcomeUnknown, match=r"regenerate_gstr2b\(period\)"):
        await task
    assert await shelf.states() == [S.LOST]


@pytest.mark.parametrize("how", ["error", "cancelled"])
async def test_a_claim_that_is_written_and_not_known_of_holds_nothing_up(
    acme: Taxpayer, journal: Shaky, sim: Simulator, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The journal has written that it is sent again, and says that it could not."""
    job = await lose(acme, sim)
    put, waiting = journal.inner.put, asyncio.Event()

    async def written(change: Change) -> Change | None:
        stored = await put(change)
        if change.state is S.SENDING:
            monkeypatch.undo()
            if how == "error":
                raise JournalError("the disk is gone")
            waiting.set()
            await asyncio.sleep(1e6)
        return stored

    monkeypatch.setattr(journal.inner, "put", written)
    task = asyncio.create_task(acme.regenerate_gstr2b(PERIOD))
    if how == "cancelled":
        await waiting.wait()
        task.cancel()
    await asyncio.wait([task])
    assert await shelf.states() == [S.LOST]
    assert len(sim.returns.regenerations) == 3
    before = sim.now()
    assert await acme.regenerate_gstr2b(PERIOD) is job
    assert (await job).ok
    assert sim.now() - before < 60


async def test_what_another_process_sends_between_two_tries_is_waited_for(
    acme: Taxpayer, other: Taxpayer, second: ImsClient, sim: Simulator, shelf: Shelf
) -> None:
    """It was sent, and is computed: nobody hears that nothing was."""
    sim.script_fault("regenerate", LOST)
    task = asyncio.create_task(acme.regenerate_gstr2b(PERIOD))
    while await shelf.states() != [S.LOST]:
        await asyncio.sleep(0)
    await other.reconcile(await only(second))
    job = await task
    assert (await job).ok
    assert len(sim.returns.regenerations) == 2


async def test_what_another_process_is_sending_between_two_tries_is_left_to_it(
    acme: Taxpayer, sim: Simulator, shelf: Shelf
) -> None:
    """Its reference is not known yet; the change stays as that process has written it."""
    sim.script_fault("regenerate", LOST)
    task = asyncio.create_task(acme.regenerate_gstr2b(PERIOD))
    while await shelf.states() != [S.LOST]:
        await asyncio.sleep(0)
    lost = await shelf.last()
    await shelf.journal().put(lost.sent_again(lost.token))
    with pytest.raises(
        OutcomeUnknown, match=r"asked for GSTR-2B of 012025 .* again: it is sending"
    ) as caught:
        await task
    assert isinstance(caught.value.job, ImsJob)
    assert caught.value.job.open
    assert await shelf.states() == [S.SENDING]
    assert len(sim.returns.regenerations) == 1


async def test_what_could_not_be_written_between_two_tries_is_said_as_it_is(
    acme: Taxpayer, journal: Shaky, sim: Simulator
) -> None:
    """It was sent once; that is not hidden behind what the journal is missing."""
    journal.failing = {S.LOST}
    sim.script_fault("regenerate", LOST)
    with pytest.raises(OutcomeUnknown) as caught:
        await acme.regenerate_gstr2b(PERIOD)
    assert "nothing was sent" not in str(caught.value)
    assert "not sent again" in str(caught.value)


async def test_what_is_refused_when_it_is_sent_again_and_cannot_be_written_holds_nothing_up(
    acme: Taxpayer, journal: Shaky, sim: Simulator, shelf: Shelf
) -> None:
    """It is written with the next change, which does not wait for this process to be dead."""
    decisions = await undecided(acme, 1)
    await lose(acme, sim)
    sim.returns.file_gstr3b(acme.gstin, PERIOD)
    journal.failing = {S.CALLED_OFF}
    with pytest.raises(RegenerationRefused):
        await acme.regenerate_gstr2b(PERIOD)
    journal.failing = set()
    before = sim.now()
    assert (await (await acme.save(decisions))).ok
    assert sim.now() - before < 60
    assert await shelf.states() == [S.CALLED_OFF, S.ENDED]


@pytest.mark.sim(regenerate_unchanged=True, regenerate_hidden_seconds=1e9)
async def test_a_reference_that_never_appears_does_not_hold_up_a_save(
    acme: Taxpayer, sim: Simulator, shelf: Shelf
) -> None:
    """After half an hour that is its end: it is not asked for again by itself, and a save goes."""
    decisions = await undecided(acme, 1)
    job = await acme.regenerate_gstr2b(PERIOD)
    await job.refresh()
    await asyncio.sleep(QUIET)
    assert (await (await acme.save(decisions))).ok
    assert (len(sim.returns.regenerations), job.open) == (1, False)
    assert await shelf.states() == [S.ENDED, S.ENDED]
    with pytest.raises(JobFailed, match="IMS0008 30 minutes after"):
        await job
    assert "30 minutes after it was asked for the gateway knows no such job" in str(job.report)
    assert (await acme.retry(job)).job is not None


@pytest.mark.parametrize("closed", [False, True])
async def test_a_closed_client_sends_nothing_again(
    acme: Taxpayer, client: ImsClient, sim: Simulator, shelf: Shelf, closed: bool
) -> None:
    """What was lost stays so."""
    job = await lose(acme, sim)
    if closed:
        await client.aclose()
        with pytest.raises(ClientClosed):
            await acme.reconcile(job)
    assert await shelf.states() == [S.LOST]
