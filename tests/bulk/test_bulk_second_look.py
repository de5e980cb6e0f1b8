"""What reviews of bulk runs have found, each with the test that it wanted."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from ims_async import Action, Decision, ImsClient, InvalidInput, PollPolicy, Taxpayer, bulk
from ims_async.bulk import EventKind
from ims_async.simulator import Fault, Simulator

from ..conftest import make_gsp
from ..support.bulk_flows import (
    FIXTURES,
    Door,
    adds_up,
    applied,
    bulk_client,
    log_in,
    names,
    undecided,
    work_for,
)

pytestmark = [
    pytest.mark.looptime,
    pytest.mark.both_gsps,
    pytest.mark.sim(taxpayers=4, invoices=40, sections=["b2b"]),
]
journal, client, taxpayers = FIXTURES


@pytest.mark.only_gsp("sandbox", "the other keeps its sessions alive by itself")
@pytest.mark.sim(taxpayers=4, invoices=40, sections=["b2b"], job_seconds=9000.0, token_seconds=7200.0)
async def test_a_listener_who_is_away_costs_nobody_a_session(sim: Simulator) -> None:
    """Even where there is something to tell: one session has ended."""
    reader = bulk_client(sim)
    work = {who.gstin: batch for who, batch in (await work_for(log_in(reader, sim))).items()}
    client = bulk_client(sim, poll=PollPolicy(deadline=90_000.0))
    log_in(client, sim)
    sim.end_session(sim.gstins[0])
    run = bulk.save_all(client, work, max_records=10)
    async for event in run:
        if event.kind is EventKind.SUBMITTED:
            await asyncio.sleep(3600.0)
    assert list(run.report.errors) == [sim.gstins[0]]
    assert run.report.succeeded == sum(map(len, work.values())) - len(work[sim.gstins[0]])


async def test_a_decision_that_came_twice_is_counted_once_by_the_next_process(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """What was applied stays so, though its repetition was refused."""
    decisions = await undecided(taxpayers[0])
    twice = [(taxpayers[0], decisions[:3]), (taxpayers[0], decisions[:4])]
    first = await bulk.save_all(client, twice, run="night")
    adds_up(first)
    again = await bulk.resume(client, "night")
    assert (again.handed_in, again.succeeded) == (4, 4)
    assert again.ok
    adds_up(again)


async def test_a_decision_whose_repetition_is_still_pending_is_counted_once_by_the_next_process(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """The first process ended before it heard that the repetition was refused."""
    decisions = await undecided(taxpayers[0])
    run = bulk.save_all(client, [(taxpayers[0], decisions[:count]) for count in (3, 4)], run="night")
    async with contextlib.aclosing(run.__aiter__()) as events:
        submitted = 0
        async for event in events:
            submitted += event.kind is EventKind.SUBMITTED
            if submitted == 2:
                break
    await client.aclose()
    other = bulk_client(sim, client.journal)
    log_in(other, sim)
    again = await bulk.resume(other, "night")
    assert (again.handed_in, again.succeeded, again.failed) == (4, 4, 0)
    assert again.ok
    adds_up(again)


async def test_what_came_twice_is_counted_twice_where_the_second_time_is_not_come_to(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """A portion that waits for its taxpayer's turn hides nothing of what became of the one before it."""
    who = taxpayers[0]
    first, *others = (await undecided(who))[:3]
    sim.edit(who.gstin, "b2b", first.number, supplier=first.supplier, period=first.return_period)
    run = bulk.save_all(client, [(who, [first, *others])] * 2, max_records=1)
    async with contextlib.aclosing(run.__aiter__()) as events:
        submitted = 0
        async for event in events:
            submitted += event.kind is EventKind.SUBMITTED
            if submitted == 2:
                break
    one = run.report[who.gstin]
    assert (one.handed_in, len(one.failed), one.pending_count, len(one.not_sent)) == (6, 1, 1, 4)
    adds_up(run.report)


@pytest.mark.filterwarnings("ignore:BulkRun was never awaited")  # cancelled before its first turn
@pytest.mark.parametrize("lost", [False, True])
async def test_whenever_it_is_cancelled_its_report_says_what_was_sent(sim: Simulator, lost: bool) -> None:
    """Nothing is told to be not sent that was, nor is anything left out."""
    reader = bulk_client(sim)
    who = log_in(reader, sim)[0].gstin
    decisions = await undecided(reader.taxpayer(who))
    for turns in range(0, 120, 3):
        client = bulk_client(sim)
        taxpayer = client.taxpayer(who, token=sim.token(who))
        before = len(sim.effects)
        if lost:
            sim.script_fault("save", Fault.drop_after())
        run = bulk.save_all(client, {taxpayer: decisions[:6]}, max_records=3)
        running = asyncio.ensure_future(run)
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await client.aclose()
        await asyncio.sleep(10.0)
        took_effect = {(e.supplier, e.number) for e in sim.effects[before:]}
        for one in run.report:
            assert not {(r.supplier, r.number) for r in one.not_sent} & took_effect
        adds_up(run.report)
        sim.script_fault("save")  # none is left for the next
        decisions = [one for one in decisions if (one.supplier, one.number) not in took_effect]
        if len(decisions) < 6:
            return


@pytest.mark.sim(taxpayers=6, invoices=40, sections=["b2b"])
async def test_two_who_fail_do_not_hold_up_the_others(sim: Simulator) -> None:
    """The others are answered all the while: it is no outage."""
    client = bulk_client(sim)
    work = await work_for(log_in(client, sim))
    for gstin in sim.gstins[:2]:
        sim.script_fault("save", *[Fault.outage()] * 50, gstin=gstin)
        sim.script_fault("count", *[Fault.outage()] * 500, gstin=gstin)
    begun, finished = sim.now(), {}
    run = bulk.save_all(client, work, max_records=5)
    async for event in run:
        if event.kind is EventKind.FINISHED:
            finished[event.gstin] = sim.now() - begun
    assert max(finished[gstin] for gstin in sim.gstins[2:]) < 300
    adds_up(run.report)


async def test_a_taxpayer_without_a_session_does_not_end_a_storm(sim: Simulator) -> None:
    """Nobody was asked, so nobody has answered."""
    reader = bulk_client(sim)
    work = {who.gstin: batch for who, batch in (await work_for(log_in(reader, sim))).items()}
    begins = sim.now()

    def down(path: str, truly: Any) -> Any:
        lasts = sim.now() < begins + 1800.0
        return (503, {"Content-Type": "application/json"}, b'{"message":"down"}') if lasts else None

    client = bulk_client(sim, transport=Door(sim, down), gsp=make_gsp(sim))
    for gstin in sim.gstins[1:]:
        client.taxpayer(gstin, token=sim.token(gstin))
    report = await bulk.save_all(client, work, concurrency=1)
    assert list(report.errors) == [sim.gstins[0]]
    assert report.succeeded == sum(map(len, work.values())) - len(work[sim.gstins[0]])
    assert set(applied(sim).values()) == {1}


async def test_two_runs_of_one_name_at_one_client_are_refused(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """The second of them, at once; the first is not disturbed."""
    work = await work_for(taxpayers)
    first = asyncio.ensure_future(bulk.save_all(client, work, run="night"))
    await asyncio.sleep(1.0)
    with pytest.raises(InvalidInput, match="under way"):
        await bulk.save_all(client, work, run="night")
    assert (await first).ok


async def test_a_save_and_a_reset_of_one_record_are_refused_together(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """The reset would be stale by the time that it is sent."""
    rows = [row for row in await taxpayers[0].invoices("b2b") if row.action != "N"]
    both = [rows[0].reject(), Decision(invoice=rows[0], action=rows[0].action.NO_ACTION)]
    report = await bulk.save_all(client, {taxpayers[0]: both})
    assert report.not_sent == 2
    assert not sim.jobs
    assert names(taxpayers[0].gstin, both)


async def reject_elsewhere(sim: Simulator, decision: Decision) -> None:
    """Reject a record as somebody on the portal would."""
    colleague = log_in(bulk_client(sim), sim)[0]
    (shown,) = [row for row in await colleague.invoices(decision.section) if row.key == decision.key]
    assert (await (await colleague.save([shown.reject("not ours")]))).ok


async def test_a_lost_change_is_not_sent_over_a_decision_that_was_taken_elsewhere_meanwhile(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """Its request never arrived; by the time of the look a record of it is rejected."""
    first, *others = (await undecided(taxpayers[0]))[:3]
    sim.script_fault("save", Fault.drop_before())
    run = asyncio.ensure_future(bulk.save_all(client, {taxpayers[0]: [first, *others]}))
    await asyncio.sleep(30.0)
    await reject_elsewhere(sim, first)
    report = await run
    assert (report[taxpayers[0].gstin].changed, report.succeeded) == ((first,), 2)
    adds_up(report)
    (shown,) = [row for row in await taxpayers[0].invoices(first.section) if row.key == first.key]
    assert shown.action is Action.REJECT


async def test_a_retry_is_not_sent_over_a_decision_that_was_taken_elsewhere_since(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """The session had ended; a record that nobody decided on since is sent."""
    first, *others = (await undecided(taxpayers[0]))[:3]
    sim.end_session(taxpayers[0].gstin)
    report = await bulk.save_all(client, {taxpayers[0]: [first, *others]})
    assert report.not_sent == 3
    log_in(client, sim)
    await reject_elsewhere(sim, first)
    again = await bulk.retry(client, report)
    assert (again[taxpayers[0].gstin].changed, again.succeeded) == ((first,), 2)
    adds_up(again)


async def test_a_retry_of_what_was_refused_as_stale_looks_once_over_what_had_been_decided_elsewhere(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """From that look on it is known which action the record had: its sending is lost, and it is rejected."""
    first, *others = (await undecided(taxpayers[0]))[:3]
    await (await taxpayers[0].save([first.invoice.keep_pending()]))
    report = await bulk.save_all(client, {taxpayers[0]: [first, *others]})
    assert [failure.code for failure in report[taxpayers[0].gstin].failed] == ["IMSSAV0010"]
    sim.script_fault("save", Fault.drop_before())
    run = asyncio.ensure_future(bulk.retry(client, report))
    await asyncio.sleep(30.0)
    await reject_elsewhere(sim, first)
    again = await run
    assert [one.key for one in again[taxpayers[0].gstin].changed] == [first.key]
    adds_up(again)
    (shown,) = [row for row in await taxpayers[0].invoices(first.section) if row.key == first.key]
    assert shown.action is Action.REJECT
