"""Awaiting a job that another process is sending: until it moves on, or its sender is dead."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import attrs
import pytest

from ims_async import (
    ClientClosed,
    Decision,
    ImsClient,
    ImsJob,
    JobState,
    JobTimeout,
    JournalError,
    OutcomeUnknown,
    PollPolicy,
    Taxpayer,
    as_completed,
)
from ims_async.journal import Cause, Change, ChangeState
from ims_async.model.records import Record
from ims_async.model.status import JobKind
from ims_async.model.times import SENDER_IS_DEAD
from ims_async.model.tokens import JobToken
from ims_async.simulator import Simulator

from ..conftest import make_client, plan_endless
from ..support.journal_flows import FIXTURES, Shaky, Shelf, only, undecided

pytestmark = [pytest.mark.looptime, pytest.mark.both_gsps]
shelf, journal, client, acme, second = FIXTURES


class Sending:
    """Another process that has begun to send, and what it writes down next."""

    def __init__(self, journal: Shaky, change: Change) -> None:
        self.journal, self.change = journal, change

    @classmethod
    async def begin(cls, acme: Taxpayer, journal: Shaky, records: Sequence[Record]) -> Sending:
        """Write down that it has the turn."""
        token: JobToken = vars(acme)["_jobs"].token(JobKind.SAVE, None, len(records))
        waiting = await journal.add(Change(id="theirs", token=token), records)
        claim = await journal.claim(waiting.claimed(token))
        assert claim.taken
        return cls(journal, claim.change)

    async def write(self, change: Change) -> None:
        """Write down how the change stands now."""
        stored = await self.journal.put(change)
        assert stored is not None
        self.change = stored


async def begin(acme: Taxpayer, shelf: Shelf, second: ImsClient) -> tuple[Sending, ImsJob]:
    """Return a process that is sending three records, and the handle that this process has on that."""
    theirs = await Sending.begin(acme, shelf.journal(), await undecided(acme))
    shelf.taxpayer(second)
    return theirs, await only(second)


async def test_a_job_is_awaited_until_its_sender_has_the_answer_and_then_polled(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """No poll is made, and billed, before there is a reference to ask about."""
    theirs, job = await begin(acme, shelf, second)
    requests, waiting = len(sim.requests), asyncio.create_task(job.result())
    decisions = [record for record in await job.load() or () if isinstance(record, Decision)]
    await asyncio.sleep(400)
    assert (waiting.done(), job.open, len(sim.requests)) == (False, True, requests)
    sent = await shelf.taxpayer(make_client(sim)).save(decisions)
    accepted = attrs.evolve(theirs.change.token, reference_id=sent.reference_id, route=sent.token.route)
    await theirs.write(theirs.change.accepted(accepted))
    report = await waiting
    assert (report.ok, report.succeeded, job.reference_id) == (True, job.records, sent.reference_id)


async def test_when_the_sender_is_dead_that_is_written_and_said(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """Not sooner; then a look is advised."""
    theirs, job = await begin(acme, shelf, second)
    assert theirs.change.token.submitted_at is not None
    begun, requests = theirs.change.token.submitted_at.timestamp(), len(sim.requests)
    with pytest.raises(OutcomeUnknown, match="reconcile"):
        await job
    assert SENDER_IS_DEAD <= sim.now() - begun < SENDER_IS_DEAD + 70
    assert (await shelf.states(), job.needs_a_look) == ([ChangeState.LOST], True)
    assert len(sim.requests) == requests


async def test_what_its_sender_calls_off_was_not_sent(
    acme: Taxpayer, shelf: Shelf, second: ImsClient
) -> None:
    """The waiter hears why."""
    theirs, job = await begin(acme, shelf, second)
    waiting = asyncio.create_task(job.wait())
    await asyncio.sleep(100)
    await theirs.write(theirs.change.called_off("the plan is used up", Cause.NOT_SENT))
    with pytest.raises(OutcomeUnknown, match=r"nothing of it was sent \(the plan is used up\)"):
        await waiting
    assert (job.open, job.sent) == (False, False)


async def test_a_sender_that_puts_it_back_is_not_said_to_have_ended(
    acme: Taxpayer, second: ImsClient, shelf: Shelf
) -> None:
    """It may be waiting for a place in the rate limit: only its own process knows."""
    theirs, job = await begin(acme, shelf, second)
    waiting = asyncio.create_task(job.wait())
    await asyncio.sleep(10)
    await theirs.write(theirs.change.put_back("busy"))
    with pytest.raises(OutcomeUnknown, match=r"waits in another process.*if it has ended.*reconcile"):
        await waiting
    assert (job.open, job.sent) == (True, False)


async def test_a_sender_that_claims_anew_is_waited_for_anew(
    acme: Taxpayer, shelf: Shelf, second: ImsClient
) -> None:
    """It put the change back for a moment, between two readings of the journal."""
    theirs, job = await begin(acme, shelf, second)
    waiting = asyncio.create_task(job.wait())
    await asyncio.sleep(SENDER_IS_DEAD - 480)
    await theirs.write(theirs.change.put_back("busy"))
    token = attrs.evolve(theirs.change.token, submitted_at=(await theirs.journal.now()).at)
    claim = await theirs.journal.claim(theirs.change.claimed(token))
    assert claim.taken
    await asyncio.sleep(SENDER_IS_DEAD - 60)
    assert not waiting.done()
    with pytest.raises(OutcomeUnknown, match="reconcile"):
        await waiting


async def test_a_wait_of_limited_time_ends_sooner(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """With an error that says what is waited for, and no advice to let it go."""
    _, job = await begin(acme, shelf, second)
    hasty = make_client(sim, journal=shelf.journal(), poll=PollPolicy(deadline=60))
    shelf.taxpayer(hasty)
    begun = sim.now()
    for wait in (job.result(timeout=60), (await only(hasty)).result()):
        with pytest.raises(JobTimeout, match="job which another process is sending") as caught:
            await wait
        assert "let_go" not in str(caught.value)
    assert sim.now() - begun < 150
    assert await shelf.states() == [ChangeState.SENDING]


async def test_a_journal_that_cannot_be_read_for_a_while_ends_no_wait(
    acme: Taxpayer, shelf: Shelf, second: ImsClient
) -> None:
    """It is read again, as a poll that failed is made again."""
    theirs, job = await begin(acme, shelf, second)
    mine: Shaky = vars(second)["_services"].journal
    mine.failing = {"find"}
    waiting = asyncio.create_task(job.wait())
    await asyncio.sleep(300)
    with pytest.raises(JournalError):
        await job.refresh()
    mine.failing = set()
    await theirs.write(theirs.change.called_off("refused", Cause.REFUSED))
    with pytest.raises(OutcomeUnknown, match="nothing of it was sent"):
        await waiting


async def test_asking_once_reads_the_journal_and_sends_nothing(
    acme: Taxpayer, shelf: Shelf, second: ImsClient, sim: Simulator
) -> None:
    """`refresh` shows what the other process has written."""
    theirs, job = await begin(acme, shelf, second)
    requests = len(sim.requests)
    assert (await job.refresh()).state is JobState.UNKNOWN
    await theirs.write(theirs.change.lost())
    with pytest.raises(OutcomeUnknown, match="reconcile"):
        await job.refresh()
    assert (job.needs_a_look, len(sim.requests)) == (True, requests)


@pytest.mark.parametrize("called_off", [False, True], ids=["put back", "called off"])
async def test_asking_once_about_what_was_not_sent_says_so(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, called_off: bool
) -> None:
    """Whenever it is asked: the gateway was not, and so has forgotten nothing."""
    theirs, job = await begin(acme, shelf, second)
    change = theirs.change
    await theirs.write(change.called_off("busy", Cause.NOT_SENT) if called_off else change.put_back("busy"))
    for _ in range(2):
        with pytest.raises(OutcomeUnknown, match="nothing of it was sent"):
            await job.refresh()
    assert await shelf.states() == [ChangeState.CALLED_OFF if called_off else ChangeState.QUEUED]


async def test_a_job_whose_reference_came_while_it_was_awaited_is_polled_once_for_all(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """By its token and by its reference there is the one handle on it."""
    theirs, job = await begin(acme, shelf, second)
    waiting = asyncio.create_task(job.wait())
    decisions = await undecided(acme)
    plan_endless(sim)
    sent = await shelf.taxpayer(make_client(sim)).save(decisions)
    accepted = attrs.evolve(theirs.change.token, reference_id=sent.reference_id, route=sent.token.route)
    await theirs.write(theirs.change.accepted(accepted))
    await asyncio.sleep(120)
    assert (waiting.done(), job.reference_id) == (False, sent.reference_id)
    assert second.resume(job.token) is job
    assert shelf.taxpayer(second).job(str(sent.reference_id)) is job
    waiting.cancel()


async def test_waiters_that_are_cancelled_and_clients_that_close_harm_nothing(
    acme: Taxpayer, second: ImsClient, shelf: Shelf
) -> None:
    """The other process goes on sending."""
    _, job = await begin(acme, shelf, second)
    cancelled = asyncio.create_task(job.wait())
    await asyncio.sleep(10)
    cancelled.cancel()
    waiting = asyncio.ensure_future(anext(as_completed([job])))
    await asyncio.sleep(10)
    assert not waiting.done()
    asking = asyncio.create_task(job.wait())
    await asyncio.sleep(10)
    await second.aclose()
    with pytest.raises(ClientClosed):
        await asking
    assert await waiting is job
    assert await shelf.states() == [ChangeState.SENDING]
