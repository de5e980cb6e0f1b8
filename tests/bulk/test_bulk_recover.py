"""The next process: everything that was ever handed in is listed, and what is not over is seen to its end."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest

import ims_async
from ims_async import (
    Action,
    Decision,
    GatewayUnavailable,
    ImsClient,
    ImsJob,
    InvalidDecision,
    InvalidInput,
    JobFailed,
    JobInFlight,
    JobKind,
    JobState,
    JobStatus,
    JournalError,
    OtpRequired,
    OutcomeUnknown,
    Taxpayer,
    bulk,
)
from ims_async.journal import Cause, Change, ChangeState
from ims_async.model.times import QUIET, SENDER_IS_DEAD
from ims_async.simulator import Fault, Simulator

from ..conftest import dialect, make_client, make_gsp, plan
from ..support.bulk_flows import adds_up, applied
from ..support.documents import program_with
from ..support.journal_flows import FIXTURES, Shaky, Shelf, undecided

pytestmark = [pytest.mark.looptime, pytest.mark.both_gsps, pytest.mark.sim(sections=["b2b"], invoices=60)]
shelf, journal, client, acme, second = FIXTURES

PROGRAM = program_with("bulk.recover")


async def listed(jobs: AsyncIterator[ImsJob]) -> list[ImsJob]:
    """Return what an iterator lists."""
    return [job async for job in jobs]


async def die_behind_a_lost_one(acme: Taxpayer, sim: Simulator, *, done: bool = False) -> list[Decision]:
    """Lose the answer to one change while another waits behind it, and do nothing about either."""
    one, two, _ = await undecided(acme)
    sim.script_answer("save", 200, dialect().half, after=done)
    told = await asyncio.gather(acme.save([one]), acme.save([two]), return_exceptions=True)
    assert [type(error) for error in told] == [OutcomeUnknown, JobInFlight]
    return [one, two]


async def run_the_documents_program(
    shelf: Shelf, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """Run it as it stands, in another process: that is, with another client on the same journal."""
    gsp = make_gsp(sim)

    def make(*_: Any, **__: Any) -> ImsClient:
        made = make_client(sim, journal=shelf.journal(), gsp=gsp)
        shelf.taxpayer(made)
        return made

    monkeypatch.setattr(ims_async, "ImsClient", make)
    body = "\n".join(f"    {line}" for line in PROGRAM.splitlines())
    names: dict[str, Any] = {"gsp": gsp}
    exec(compile(f"async def finish():\n{body}\n    return locals()", "document", "exec"), names)  # noqa: S102
    found: dict[str, Any] = await names["finish"]()
    return found


# -- the batch behind a lost one -------------------------------------------------------------------------


@pytest.mark.parametrize("done", [False, True])
async def test_the_documents_program_sends_what_waited_behind_a_lost_change(
    acme: Taxpayer, shelf: Shelf, sim: Simulator, monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    """Whether the lost one had arrived or not, each decision takes effect once; the next run does nothing."""
    one, two = await die_behind_a_lost_one(acme, sim, done=done)
    left = (await run_the_documents_program(shelf, sim, monkeypatch))["left"]
    assert left.ok, left
    assert (left.handed_in, left.succeeded) == (2, 2)
    adds_up(left)
    assert set(applied(sim).values()) == {1}
    assert {effect.number for effect in sim.effects} == {one.number, two.number}
    saves = sim.count("save")
    again = (await run_the_documents_program(shelf, sim, monkeypatch))["left"]
    assert (again.handed_in, sim.count("save")) == (0, saves)
    assert set(applied(sim).values()) == {1}


async def test_it_is_listed_with_what_is_known_and_what_may_be_done(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """Before and after the retry; no gateway is asked for it."""
    _, two = await die_behind_a_lost_one(acme, sim)
    other, requests = shelf.taxpayer(second), len(sim.requests)
    (waited,) = await listed(second.called_off(retried=False))
    assert (waited.cause, waited.open, waited.sent, waited.done) == (Cause.IN_THE_WAY, False, False, False)
    assert (waited.pollable, waited.needs_a_look, waited.retried) == (False, False, False)
    assert waited.records == (two,)
    assert "reconcile" in waited.reason
    (lost,) = await second.unfinished()
    assert (lost.needs_a_look, lost.pollable, lost.sent, lost.reason) == (True, False, True, "")
    assert await listed(second.jobs()) == [lost, waited]
    assert await listed(second.jobs(states=[ChangeState.CALLED_OFF])) == [waited]
    assert await listed(second.jobs(states=["lost"])) == [lost]
    assert len(sim.requests) == requests
    with pytest.raises(OutcomeUnknown, match=r"nothing of it was sent \(JobInFlight: .*retry\(job\)"):
        await waited
    await asyncio.sleep(QUIET + 1)
    await other.reconcile(lost)
    retried = await other.retry(waited)
    assert retried.job is not None
    assert (await retried.job).succeeded == (two,)
    assert waited.retried
    assert await listed(second.called_off(retried=False)) == []
    assert await listed(second.called_off(retried=True)) == [waited]
    assert await listed(second.jobs(retried=True)) == [waited]
    assert [job.retried for job in await listed(second.jobs())] == [False, True, False]
    assert [effect.number for effect in sim.effects] == [two.number]
    again = await other.retry(waited)
    assert (again.job, again.found.applied) == (None, (two,))


async def test_two_processes_that_recover_at_once_send_it_once(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """The journal gives the turn to one of them."""
    await die_behind_a_lost_one(acme, sim)
    third = make_client(sim, journal=shelf.journal())
    for process in (second, third):
        shelf.taxpayer(process)
    reports = await asyncio.gather(bulk.recover(second), bulk.recover(third))
    for report in reports:
        assert not report.failed
        adds_up(report)
    assert set(applied(sim).values()) == {1}
    assert len(sim.effects) == 2


# -- everything else that a process may leave behind ---------------------------------------------------------


async def test_what_runs_is_awaited_and_what_waits_is_sent_after_it(
    acme: Taxpayer, second: ImsClient, journal: Shaky, shelf: Shelf, sim: Simulator
) -> None:
    """Also where the process died so that nothing could be called off."""
    one, two, three = await undecided(acme)
    await acme.save([one])
    journal.held[ChangeState.CALLED_OFF] = asyncio.Event()
    waiting = [asyncio.create_task(acme.save([decision])) for decision in (two, three)]
    await asyncio.sleep(1)
    for task in waiting:
        task.cancel()
    await asyncio.sleep(0)
    assert await shelf.states() == [ChangeState.ACCEPTED, ChangeState.QUEUED, ChangeState.QUEUED]
    shelf.taxpayer(second)
    report = await bulk.recover(second)
    assert report.ok, report
    adds_up(report)
    assert [effect.number for effect in sim.effects] == [one.number, two.number, three.number]
    assert set(await shelf.states()) == {ChangeState.ENDED, ChangeState.CALLED_OFF}
    taken = await listed(second.called_off())
    assert [(job.cause, job.retried) for job in taken] == [(Cause.TAKEN_OVER, True)] * 2


async def test_what_waits_and_was_decided_on_anew_is_over(
    acme: Taxpayer, second: ImsClient, journal: Shaky, shelf: Shelf, sim: Simulator
) -> None:
    """It is neither sent nor left waiting: a process that lives would send it after the later decision."""
    one, two, _ = await undecided(acme)
    await acme.save([one])
    journal.held[ChangeState.CALLED_OFF] = asyncio.Event()
    later = Decision(invoice=two.invoice, action=Action.REJECT)
    waiting = [asyncio.create_task(acme.save([decision])) for decision in (two, later)]
    await asyncio.sleep(1)
    for task in waiting:
        task.cancel()
    await asyncio.sleep(0)
    shelf.taxpayer(second)
    report = await bulk.recover(second)
    assert (report.ok, report.handed_in) == (True, 2), report
    assert await second.unfinished() == []
    assert [effect.number for effect in sim.effects] == [one.number, two.number]
    assert sim.effects[-1].after == "R"
    assert await listed(second.called_off(retried=False)) == []


def another(acme: Taxpayer, journal: Shaky, sim: Simulator) -> ImsClient:
    """Return one more client of the first process."""
    made = make_client(sim, journal=journal)
    made.taxpayer(acme.gstin, token=sim.token(acme.gstin))
    return made


async def test_a_batch_of_a_run_is_not_sent_once_more_by_the_run(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, journal: Shaky, sim: Simulator
) -> None:
    """What recovery sends belongs to the run that it was handed in for."""
    batch = await undecided(acme)
    journal.failing = {"claim"}
    first = await bulk.save_all(another(acme, journal, sim), {acme.gstin: batch}, run="night")
    assert first.not_sent == len(batch)
    shelf.taxpayer(second)
    recovered = await bulk.recover(second)
    assert (recovered.ok, recovered.succeeded) == (True, len(batch))
    saves = sim.count("save")
    again = await bulk.save_all(second, {acme.gstin: batch}, run="night")
    assert (again.ok, again.succeeded, sim.count("save")) == (True, len(batch), saves)
    assert set(applied(sim).values()) == {1}


async def test_a_process_that_died_while_it_sent_is_waited_for_and_settled(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, journal: Shaky, sim: Simulator
) -> None:
    """Its batch is looked at, and sent again only when it can no longer be on its way."""
    batch = await undecided(acme)
    journal.failing = {ChangeState.ACCEPTED, ChangeState.LOST}
    sim.script_answer("save", 200, dialect().half)
    with pytest.raises(OutcomeUnknown):
        await acme.save(batch)
    assert await shelf.states() == [ChangeState.SENDING]
    shelf.taxpayer(second)
    begun = sim.now()
    report = await bulk.recover(second)
    assert report.ok
    assert sim.now() - begun > SENDER_IS_DEAD
    assert len(sim.effects) == len(batch)
    assert [job.retried for job in await listed(second.finished())] == [True, False]


@pytest.mark.only_gsp("vayana", "only there a task carries the job")
async def test_a_task_that_broke_off_is_settled_by_looking(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """Its records were applied, or are; the turn is free afterwards."""
    batch = await undecided(acme)
    sim.script_task(None, "failed")
    with pytest.raises(JobFailed):
        await (await acme.save(batch))
    shelf.taxpayer(second)
    report = await bulk.recover(second)
    assert (report.ok, report.succeeded) == (True, len(batch))
    assert await second.unfinished() == []
    (job,) = await listed(second.jobs())
    assert job.report is not None
    assert job.report.succeeded == tuple(batch)
    assert len(sim.effects) == len(batch)


@pytest.mark.parametrize("recovers", [True, False])
async def test_what_the_gateway_no_longer_tells_is_found_in_the_records(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator, recovers: bool
) -> None:
    """By a recovery, and by a run that the job is in the way of."""
    one, two, _ = await undecided(acme)
    await acme.save([one])
    sent = await shelf.last()
    kept = attrs.evolve(sent.token, results_until=dt.datetime.fromtimestamp(sim.now(), dt.UTC))
    assert await shelf.journal().put(attrs.evolve(sent, token=kept)) is not None
    await asyncio.sleep(QUIET + 1)
    sim.script_answer("status", 400, refusal())
    shelf.taxpayer(second)
    if recovers:
        assert (await bulk.recover(second)).succeeded == 1
    report = await bulk.save_all(second, {acme.gstin: [two]})
    assert report.ok, report.errors
    assert [effect.number for effect in sim.effects] == [one.number, two.number]
    assert await second.unfinished() == []


# -- what recovery leaves alone ------------------------------------------------------------------------------


async def test_what_was_cancelled_or_refused_is_listed_and_left_alone(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """Its caller knows of it; a person may retry it all the same."""
    one, two, _ = await undecided(acme)
    ahead = await acme.save([one])
    waiting = asyncio.create_task(acme.save([two]))
    await asyncio.sleep(1)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await ahead
    sim.script_answer("save", 400, refusal())
    with pytest.raises(ims_async.ImsError):
        await acme.save([two])
    saves = sim.count("save")
    other = shelf.taxpayer(second)
    assert [job.cause for job in await listed(second.called_off())] == [Cause.CANCELLED, Cause.REFUSED]
    report = await bulk.recover(second)
    assert (report.handed_in, sim.count("save")) == (0, saves)
    cancelled, _ = await listed(second.called_off(retried=False))
    assert await (await other.retry(cancelled)) is not None
    assert [effect.number for effect in sim.effects] == [one.number, two.number]


def refusal() -> dict[str, Any]:
    """Return a refusal of the gateway's, in its own words."""
    from ..conftest import from_gstn

    if dialect().results_kept is None:
        return {"code": 400, "message": "no", "transaction_id": "t"}
    return from_gstn("IMSSAV005")


async def test_a_record_that_was_decided_on_anew_is_left_as_it_was_decided(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """The later decision counts: the earlier one, which was never sent, must not undo it."""
    one, two = await die_behind_a_lost_one(acme, sim)
    (lost,) = acme.unfinished()
    await asyncio.sleep(QUIET + 1)
    await acme.reconcile(lost)
    await (await acme.save([two.invoice.reject()]))
    shelf.taxpayer(second)
    saves = sim.count("save")
    report = await bulk.recover(second)
    assert (report.handed_in, sim.count("save")) == (0, saves)
    assert await listed(second.called_off(retried=False)) == []
    rows = {row.key: row.action for row in await acme.invoices("b2b")}
    assert (rows[one.key], rows[two.key]) == (Action.NO_ACTION, Action.REJECT)


async def test_the_same_decisions_in_two_changes_are_counted_twice(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """In whatever journal: the first change was lost, the second stood behind it."""
    decisions = await undecided(acme)
    sim.script_fault("save", Fault.drop_before())
    told = await asyncio.gather(*(acme.save(decisions) for _ in range(2)), return_exceptions=True)
    assert [type(error) for error in told] == [OutcomeUnknown, JobInFlight]
    shelf.taxpayer(second)
    report = await bulk.recover(second)
    assert (report.handed_in, report.succeeded) == (6, 6)
    assert set(applied(sim).values()) == {1}
    adds_up(report)


async def test_the_same_decisions_in_two_changes_are_told_of_twice(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """In whatever journal, where nothing is sent: the second still waited when its process died."""
    decisions = await undecided(acme)
    sim.script_fault("save", Fault.drop_before())
    with pytest.raises(OutcomeUnknown):
        await acme.save(decisions)
    token = vars(acme)["_jobs"].token(JobKind.SAVE, None, len(decisions))
    await shelf.journal().add(Change(id="waits", token=token), decisions)
    await asyncio.sleep(QUIET + 1)
    shelf.taxpayer(second)
    report = await bulk.recover(second, send=False)
    assert (report.handed_in, report.failed) == (6, 6)
    adds_up(report)


async def test_where_nothing_is_left_to_do_no_session_is_needed(
    acme: Taxpayer, second: ImsClient, sim: Simulator
) -> None:
    """What was called off was decided on anew since: it is marked, and nobody has to log in for that."""
    _, two = await die_behind_a_lost_one(acme, sim)
    (lost,) = acme.unfinished()
    await asyncio.sleep(QUIET + 1)
    await acme.reconcile(lost)
    await (await acme.save([two.invoice.reject()]))
    report = await bulk.recover(second)
    assert (report.handed_in, report.errors) == (0, {})
    assert await listed(second.called_off(retried=False)) == []


async def test_what_a_run_has_handed_in_again_itself_is_not_left_to_do(
    acme: Taxpayer, second: ImsClient, journal: Shaky, shelf: Shelf, sim: Simulator
) -> None:
    """Each try is a batch in the journal; the later one takes the place of the one before."""
    batch = await undecided(acme)
    for _ in range(4):
        plan(sim, "save", "throttled")
    report = await bulk.save_all(another(acme, journal, sim), {acme.gstin: batch})
    assert report.ok
    tried = await listed(second.called_off())
    assert tried
    assert {(job.cause, job.retried) for job in tried} == {(Cause.NOT_SENT, True)}
    assert (await bulk.recover(second)).handed_in == 0


# -- trouble -------------------------------------------------------------------------------------------------


async def test_without_a_session_it_says_so_and_the_next_recovery_goes_on(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """Everything is in the report; nothing is lost, and nothing was taken away."""
    await die_behind_a_lost_one(acme, sim)
    report = await bulk.recover(second)
    assert isinstance(report.errors[acme.gstin], OtpRequired)
    assert (report.handed_in, report.pending_count, report.not_sent) == (2, 1, 1)
    adds_up(report)
    shelf.taxpayer(second)
    assert (await bulk.recover(second)).ok
    assert set(applied(sim).values()) == {1}


async def test_only_those_that_are_asked_for_are_recovered(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """By GSTIN, or as taxpayers of the client."""
    await die_behind_a_lost_one(acme, sim)
    shelf.taxpayer(second)
    other = second.taxpayer(sim.gstins[1], token=sim.token(sim.gstins[1]))
    assert (await bulk.recover(second, taxpayers=[other])).handed_in == 0
    assert (await bulk.recover(second, taxpayers=[acme.gstin])).handed_in == 2


async def test_what_cannot_be_read_is_told_when_the_rest_is_done(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """Somebody else's damaged entry holds up nobody; of one's own GSTIN it might be a later decision."""
    await die_behind_a_lost_one(acme, sim)
    damaged = shelf.journal()
    other = make_client(sim)
    elsewhere = other.taxpayer(sim.gstins[1], token=sim.token(sim.gstins[1]))
    token = (await elsewhere.save((await undecided(elsewhere))[:1])).token
    await damaged.inner.add(Change(id="bad", token=token), ())
    damaged.damaged = {"bad"}
    third = make_client(sim, journal=damaged)
    shelf.taxpayer(third)
    run = bulk.recover(third)
    with pytest.raises(JournalError, match="damaged"):
        await run
    assert run.report.succeeded == 2
    with pytest.raises(JournalError, match="damaged"):
        await listed(third.jobs())


async def test_what_may_not_be_retried_is_refused(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """A job that runs, one that was let go, another taxpayer's; a state that there is not."""
    one, two, _ = await undecided(acme)
    running = await acme.save([one])
    with pytest.raises(InvalidInput, match="not known"):
        await acme.retry(running)
    report = await running
    assert (await acme.retry(running)).found == (await acme.retry(report)).found
    sim.script_answer("save", 200, dialect().half)
    with pytest.raises(OutcomeUnknown) as caught:
        await acme.save([two])
    assert caught.value.job is not None
    await acme.let_go(caught.value.job)
    with pytest.raises(InvalidInput, match="not known"):
        await acme.retry(caught.value.job)
    stranger = second.taxpayer(sim.gstins[1])
    with pytest.raises(InvalidInput, match="not of"):
        await stranger.retry(running)
    with pytest.raises(InvalidInput, match="'gone'"):
        await listed(second.jobs(states=["gone"]))
    let_go = [job for job in await listed(second.jobs()) if job.batch == caught.value.job.batch]
    assert [(job.open, job.sent, job.needs_a_look) for job in let_go] == [(False, True, False)]


@pytest.mark.parametrize(
    ("how", "cause"),
    [("down", None), ("throttled", Cause.NOT_SENT), ("invalid", None), ("closed", Cause.NOT_SENT)],
)
async def test_the_cause_is_kept_with_what_was_called_off(
    acme: Taxpayer, client: ImsClient, second: ImsClient, sim: Simulator, how: str, cause: Cause | None
) -> None:
    """Of trouble on the way; what was refused before it was written down was never handed in."""
    one, two, _ = await undecided(acme)
    if how == "closed":
        ahead = await acme.save([one])
        waiting = asyncio.create_task(acme.save([two]))
        await asyncio.sleep(1)
        await client.aclose()
        await asyncio.gather(waiting, return_exceptions=True)
        assert ahead.open
    elif how == "invalid":
        with pytest.raises(InvalidDecision):
            await acme.save([one, one])
    else:
        plan(sim, "save", how, **({"headers": {"Retry-After": "1000000"}} if how == "throttled" else {}))
        with pytest.raises((GatewayUnavailable, ims_async.RateLimited, OutcomeUnknown)):
            await acme.save([one])
    found = await listed(second.called_off())
    assert [job.cause for job in found] == ([] if cause is None else [cause])
    assert all(job.cause.to_retry for job in found if job.cause)


async def test_without_a_journal_there_is_what_this_process_knows(sim: Simulator) -> None:
    """And nothing that was called off: its caller was told."""
    bare = make_client(sim)
    acme = bare.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    sim.script_fault("save", Fault.drop_after())
    with pytest.raises(OutcomeUnknown) as caught:
        await acme.save(await undecided(acme))
    assert await listed(bare.jobs()) == [caught.value.job]
    assert await listed(bare.called_off()) == []
    report = await bulk.recover(bare, journal=False)
    assert report.ok
    assert await listed(bare.jobs()) == []


# -- the four questions --------------------------------------------------------------------------------------


def brought_to(state: ChangeState, sending: Change) -> Change:
    """Return a change that is being sent as it stands after what leads to a state."""
    accepted = sending.accepted(attrs.evolve(sending.token, reference_id="another"))
    broke_off = JobStatus(state=JobState.FAILED, raw_code="failed", carrier_failed=True)
    return {
        ChangeState.SENDING: sending,
        ChangeState.LOST: sending.lost(),
        ChangeState.ACCEPTED: accepted,
        ChangeState.BROKEN_OFF: accepted.heard(broke_off),
        ChangeState.ENDED: accepted.heard(JobStatus(state=JobState.SUCCEEDED, raw_code="P", processed=1)),
        ChangeState.CALLED_OFF: sending.called_off("because", Cause.NOT_SENT),
        ChangeState.ABANDONED: accepted.abandoned(),
    }[state]


@pytest.mark.parametrize("state", list(ChangeState))
async def test_a_job_that_is_listed_says_what_may_be_done(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator, state: ChangeState
) -> None:
    """In each state, by facts alone."""
    kept = shelf.journal().inner
    (decision, *_) = await undecided(acme)
    sent = await acme.save([decision])
    token = sent.token
    await sent
    bare = attrs.evolve(token, reference_id=None)
    queued = await kept.add(Change(id="it", token=bare), [decision])
    if state is not ChangeState.QUEUED:
        claim = await kept.claim(queued.claimed(bare))
        assert claim.taken
        assert await kept.put(brought_to(state, claim.change)) is not None
    shelf.taxpayer(second)
    (job,) = [job for job in await listed(second.jobs(states=[state])) if job.batch == "it"]
    change = await shelf.last()
    assert (job.open, job.sent, job.pollable) == (change.open, change.sent, change.pollable)
    assert job.needs_a_look is change.needs_a_look
    assert job.reason == ("because" if state is ChangeState.CALLED_OFF else "")
