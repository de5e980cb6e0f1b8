"""What is true of a batch while it is handed in: between two tries, between two batches, while it waits."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import pytest

from ims_async import Decision, GatewayError, ImsClient, JobKind, RateLimited, Taxpayer, bulk
from ims_async.gsp.base import Request, Response
from ims_async.jobs.sending import Batch
from ims_async.journal import Cause, ChangeState
from ims_async.net.transport import MemoryTransport
from ims_async.simulator import Fault, Simulator
from ims_async.taxpayer import state_of

from ..conftest import LOGIN, ONE_TRY, from_gstn, make_client, make_gsp, plan
from ..support.bulk_flows import adds_up
from ..support.journal_flows import FIXTURES, Shelf, undecided

pytestmark = [pytest.mark.looptime, pytest.mark.both_gsps]
shelf, journal, client, acme, second = FIXTURES

BUSY: Final = {
    "sandbox": (200, {"code": 200, "data": {"error": {"error_cd": "IMSSAV0015"}, "status_cd": "0"}}),
    "vayana": (502, from_gstn("IMSSAV0015", "Previous request is under progress")),
}


class HeldRenewals(MemoryTransport):
    """No answer to the renewal of a session comes before it is let."""

    def __init__(self, sim: Simulator) -> None:
        super().__init__(sim.transport, clock=sim.now)
        self.begun, self.let = asyncio.Event(), asyncio.Event()

    async def send(self, request: Request) -> Response:
        """Send a request."""
        if request.operation == "refresh":
            self.begun.set()
            await self.let.wait()
        return await super().send(request)


def looking(batch: Batch) -> Callable[[], Awaitable[Batch]]:
    """Return a look that finds that all of a batch is to be sent."""

    async def look() -> Batch:
        return batch

    return look


async def handed_in(taxpayer: Taxpayer, batch: Batch) -> Any:
    """Hand a batch in, as a retry and a bulk run do."""
    return await state_of(taxpayer).changes.submit_what(looking(batch), queue=True)


async def test_a_caller_who_goes_while_the_earlier_batch_is_marked_has_the_new_one_called_off(
    shelf: Shelf, second: ImsClient, sim: Simulator
) -> None:
    """It takes the place of one that was not sent, and is written down already: no recovery may send it."""
    kept = shelf.journal()
    acme = shelf.taxpayer(make_client(sim, journal=kept, retry=ONE_TRY))
    batch = Batch(kind=JobKind.SAVE, records=await undecided(acme))
    plan(sim, "save", "throttled")
    with pytest.raises(RateLimited):
        await handed_in(acme, batch)
    marking = kept.held[ChangeState.CALLED_OFF] = asyncio.Event()
    again = asyncio.create_task(handed_in(acme, batch))
    await asyncio.sleep(0.1)
    assert await shelf.states() == [ChangeState.CALLED_OFF, ChangeState.QUEUED]
    again.cancel()
    await asyncio.sleep(0.1)
    marking.set()
    with pytest.raises(asyncio.CancelledError):
        await again
    assert await shelf.states() == [ChangeState.CALLED_OFF, ChangeState.CALLED_OFF]
    assert (await shelf.last()).cause is Cause.CANCELLED
    assert await second.unfinished() == []
    assert sim.count("save") == 1


# -- while a session is renewed after a refusal ---------------------------------------------------------


async def refused_and_renewing(
    sim: Simulator,
    shelf: Shelf,
    hand_in: Callable[[ImsClient, Taxpayer, Sequence[Decision]], Awaitable[Any]],
) -> None:
    """Begin to hand in what is refused for its session, and cancel it while that is renewed."""
    way = HeldRenewals(sim)
    gsp = make_gsp(sim, **(LOGIN if make_gsp(sim).kind == "vayana" else {}))
    client = make_client(sim, gsp=gsp, journal=shelf.journal(), transport=way)
    acme = shelf.taxpayer(client)
    decisions = await undecided(acme)
    plan(sim, "save", "stale_session")
    handing_in = asyncio.ensure_future(hand_in(client, acme, decisions))
    await asyncio.wait_for(way.begun.wait(), 60)
    assert sim.count("save") == 1
    handing_in.cancel()
    await asyncio.wait([handing_in])
    assert handing_in.cancelled()
    way.let.set()
    await asyncio.sleep(1)
    assert await shelf.states() == [ChangeState.CALLED_OFF]
    assert (sim.count("save"), sim.effects) == (1, [])


async def test_a_batch_was_not_sent_while_a_session_is_renewed_after_a_refusal(
    sim: Simulator, shelf: Shelf
) -> None:
    """The refusal proves that nothing was done: who is cancelled then sees it at once."""
    seen: list[bool] = []

    async def hand_in(_: ImsClient, taxpayer: Taxpayer, decisions: Sequence[Decision]) -> None:
        batch = Batch(kind=JobKind.SAVE, records=decisions)
        try:
            await handed_in(taxpayer, batch)
        finally:
            seen.append(batch.sent)

    await refused_and_renewing(sim, shelf, hand_in)
    assert seen == [False]


async def test_a_run_that_is_cancelled_while_a_session_is_renewed_says_that_nothing_was_sent(
    sim: Simulator, shelf: Shelf
) -> None:
    """Not that what became of it is not known."""
    runs: list[bulk.BulkRun] = []

    async def hand_in(client: ImsClient, taxpayer: Taxpayer, decisions: Sequence[Decision]) -> None:
        runs.append(bulk.save_all(client, {taxpayer: decisions}, run="night"))
        await runs[-1]

    await refused_and_renewing(sim, shelf, hand_in)
    (run,) = runs
    adds_up(run.report)
    assert (run.report.handed_in, run.report.not_sent, run.report.pending_count) == (3, 3, 0)


# -- while it waits ---------------------------------------------------------------------------------------


async def test_records_of_a_batch_that_is_looked_at_anew_are_not_kept_while_it_waits(
    acme: Taxpayer, sim: Simulator, gsp_name: str
) -> None:
    """GSTN was busy with another job. The error that says so holds no frames: they would hold the records."""

    class Records(list[Decision]):
        """Records that a weak reference can follow."""

    decisions = await undecided(acme, 1)
    seen: list[weakref.ref[Records]] = []

    async def look() -> Batch:
        records = Records(decisions)
        seen.append(weakref.ref(records))
        return Batch(kind=JobKind.SAVE, records=records)

    sim.script_answer("save", *BUSY[gsp_name])
    gc.collect()
    gc.disable()
    try:
        saving = asyncio.create_task(state_of(acme).changes.submit_what(look, queue=True))
        await asyncio.sleep(1.0)
        assert [records() for records in seen] == [None]
    finally:
        gc.enable()
    job = await saving
    assert job is not None
    assert (await job).ok
    assert len(seen) == 2


async def test_the_text_of_what_was_not_sent_does_not_say_unknown(
    acme: Taxpayer, client: ImsClient, sim: Simulator
) -> None:
    """That is the word for what may have taken effect."""
    sim.script_fault("save", Fault.refused(400))
    with pytest.raises(GatewayError):
        await acme.save(await undecided(acme, 1))
    (job,) = [job async for job in client.called_off()]
    assert repr(job) == f"<ImsJob SAVE without reference of {acme.gstin}: called off>"
