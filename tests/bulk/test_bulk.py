"""Bulk runs: many taxpayers' decisions, each sent once, each accounted for, each one's trouble its own."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest

from ims_async import (
    Action,
    Decision,
    ImsClient,
    InvalidDecision,
    InvalidInput,
    JobTimeout,
    NotAuthorized,
    PollPolicy,
    QuotaExhausted,
    RecordsRejected,
    Taxpayer,
    bulk,
)
from ims_async.bulk import EventKind
from ims_async.simulator import Simulator
from ims_async.taxpayer import state_of

from ..conftest import plan_endless
from ..support.bulk_flows import FIXTURES, adds_up, applied, bulk_client, log_in, work_for

pytestmark = [
    pytest.mark.looptime,
    pytest.mark.both_gsps,
    pytest.mark.sim(taxpayers=4, invoices=40, sections=["b2b"]),
]
journal, client, taxpayers = FIXTURES


async def test_all_decisions_of_all_taxpayers_are_saved(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """Each once; the report has each taxpayer's part and the sums."""
    work = await work_for(taxpayers)
    report = await bulk.save_all(client, work)
    assert report.ok
    report.raise_for_failures()
    assert report.succeeded == report.handed_in == sum(map(len, work.values()))
    assert report.jobs == len(work) == len(report)
    assert [one.gstin for one in report] == sim.gstins
    assert set(applied(sim).values()) == {1}
    assert sum(applied(sim).values()) == report.succeeded
    assert str(report).endswith(f"{report.handed_in} decisions of 4 taxpayers: {report.handed_in} applied")
    assert report[sim.gstins[0]].succeeded == len(work[taxpayers[0]])
    adds_up(report)


@pytest.mark.parametrize("form", ["mapping", "by gstin", "pairs", "async pairs", "lazy"])
async def test_work_comes_in_many_forms(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer], form: str
) -> None:
    """A mapping, pairs, pairs as they come; taxpayers or their GSTINs; batches that can be read once only."""
    work = await work_for(taxpayers)

    async def as_they_come() -> AsyncIterator[tuple[Taxpayer, list[Decision]]]:
        for pair in work.items():
            yield pair

    forms: dict[str, Any] = {
        "mapping": work,
        "by gstin": {who.gstin: decisions for who, decisions in work.items()},
        "pairs": list(work.items()),
        "async pairs": as_they_come(),
        "lazy": {who: (one for one in decisions) for who, decisions in work.items()},
    }
    report = await bulk.save_all(client, forms[form], concurrency=2)
    assert report.ok
    assert report.succeeded == sum(map(len, work.values())) == len(sim.effects)


async def test_no_action_is_reached_by_a_reset_after_the_saves(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """A save cannot say N; each taxpayer's resets wait for its saves."""
    work: dict[Taxpayer, list[Decision]] = {}
    for who in taxpayers:
        rows = await who.invoices("b2b")
        work[who] = [
            row.reject() if row.action is Action.NO_ACTION else Decision(invoice=row, action=Action.NO_ACTION)
            for row in rows
        ]
        assert {one.action for one in work[who]} == {Action.NO_ACTION, Action.REJECT}
    report = await bulk.save_all(client, work)
    assert report.ok
    for gstin in sim.gstins:
        assert [job.kind for job in sim.jobs if job.gstin == gstin] == ["save", "reset"]
        assert {record.action for record in sim.records(gstin)} == {"N", "R"}


async def test_records_are_reset(client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]) -> None:
    """By the door of their own."""
    work = {who: await who.invoices("b2b", Action.ACCEPT) for who in taxpayers}
    report = await bulk.reset_all(client, work)
    assert report.ok
    assert {effect.after for effect in sim.effects} == {"N"}
    assert len(sim.effects) == sum(map(len, work.values()))


async def test_big_batches_go_in_several_jobs_one_at_a_time(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """In order; the gateway never has two of one taxpayer."""
    work = await work_for(taxpayers)
    report = await bulk.save_all(client, work, max_records=7)
    assert report.ok
    for who, decisions in work.items():
        sizes = [job.records for job in sim.jobs if job.gstin == who.gstin]
        assert sizes == [7] * (len(decisions) // 7) + ([len(decisions) % 7] if len(decisions) % 7 else [])
    jobs = sorted((job.gstin, job.submitted_at, job.due_at) for job in sim.jobs)
    for (gstin, _, due), (other, begun, _) in itertools.pairwise(jobs):
        assert gstin != other or begun >= due
    assert report.jobs == len(sim.jobs)


async def test_chunks_go_by_bytes(client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]) -> None:
    """As many as fit; a record that alone is too big stops its taxpayer only."""
    work = await work_for(taxpayers)
    work[taxpayers[1]] = [attrs.evolve(work[taxpayers[1]][0], remarks="x" * 240), *work[taxpayers[1]][1:]]
    report = await bulk.save_all(client, work, max_bytes=540)
    sizes = [request.body_size for request in sim.requests if request.operation == "save"]
    assert max(sizes) <= 540
    assert list(report.errors) == [taxpayers[1].gstin]
    assert len(report[taxpayers[1].gstin].not_sent) == len(work[taxpayers[1]])
    assert report.succeeded == sum(map(len, work.values())) - len(work[taxpayers[1]])
    adds_up(report)


# -- each one's trouble is its own -----------------------------------------------------------------------


async def test_trouble_of_one_stops_no_other(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """No session, a refused decision, things that are no decisions, a GSTIN that is none: each named."""
    work: dict[Any, Any] = dict(await work_for(taxpayers))
    refused, strange, dead, good = taxpayers
    fine = work[refused][1:]
    work[refused] = [attrs.evolve(work[refused][0], action="accept"), *fine]
    work[strange] = [*work[strange], "no decision"]
    work["29AAACQ3770E1ZZ"] = fine
    sim.end_session(dead.gstin)
    report = await bulk.save_all(client, work)
    assert report.succeeded == len(work[good])
    assert isinstance(report[refused.gstin].error, InvalidDecision)
    assert report[refused.gstin].not_sent == tuple(work[refused])
    assert "item" in str(report[strange.gstin].error)
    assert isinstance(report[dead.gstin].error, NotAuthorized)
    assert len(report[dead.gstin].not_sent) == len(work[dead])
    assert isinstance(report["29AAACQ3770E1ZZ"].error, InvalidInput)
    assert set(report.errors) == {refused.gstin, strange.gstin, dead.gstin, "29AAACQ3770E1ZZ"}
    assert not report.ok
    with pytest.raises(RecordsRejected) as rejected:
        report.raise_for_failures()
    assert rejected.value.report is report
    assert "4 taxpayers with an error" in str(rejected.value)
    assert "finding" in str(rejected.value) or "action" in str(rejected.value)
    assert {job.gstin for job in sim.jobs} == {good.gstin}


async def test_what_the_gateway_refuses_stands_with_its_taxpayer(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """Stale records are failures with their reason, the very objects that were handed in."""
    work = await work_for(taxpayers)
    stale = work[taxpayers[2]][3]
    sim.edit(taxpayers[2].gstin, "b2b", stale.number, supplier=stale.supplier, period=stale.return_period)
    report = await bulk.save_all(client, work)
    (failure,) = report[taxpayers[2].gstin].failed
    assert failure.record is stale
    assert failure.code == "IMSSAV0010"
    assert (report.failed, report.succeeded) == (1, report.handed_in - 1)
    adds_up(report)


async def test_an_empty_wallet_stops_the_run_before_it_costs_more(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """Each further request would be billed, or refused, for nothing."""
    work = await work_for(taxpayers)
    if client.gsp.kind != "sandbox":
        pytest.skip("this GSP documents no such answer")
    sim.script_answer("save", 403, {"code": 403, "message": "Insufficient wallet credits"})
    report = await bulk.save_all(client, work, concurrency=1)
    assert {type(error) for error in report.errors.values()} == {QuotaExhausted}
    assert report.not_sent == report.handed_in
    assert sim.count("save") == 1


async def test_a_job_that_does_not_end_in_time_is_pending(
    sim: Simulator, taxpayers: list[Taxpayer], client: ImsClient
) -> None:
    """It is named, for an alert; what was behind it is not sent; the others are done."""
    slow = bulk_client(sim, poll=PollPolicy(deadline=300.0))
    who, *others = log_in(slow, sim)
    work = await work_for([who, *others])
    plan_endless(sim)
    report = await bulk.save_all(slow, work, max_records=5, concurrency=1)
    one = report[who.gstin]
    assert isinstance(one.error, JobTimeout)
    assert [token.gstin for token in report.pending] == [who.gstin]
    assert one.pending_count == 5
    assert one.not_sent == tuple(work[who][5:])
    assert report.succeeded == sum(len(work[other]) for other in others)
    adds_up(report)


async def test_a_defect_of_ours_is_one_taxpayers_trouble_too(
    client: ImsClient,
    taxpayers: list[Taxpayer],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is told, logged, and stops no other."""
    work = await work_for(taxpayers)

    async def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(state_of(taxpayers[0]).changes, "submit_what", broken)
    report = await bulk.save_all(client, work)
    assert isinstance(report[taxpayers[0].gstin].error, ZeroDivisionError)
    assert report.errors.keys() == {taxpayers[0].gstin}
    assert "broke off" in caplog.text


# -- following it --------------------------------------------------------------------------------------


async def test_events_tell_what_happens_as_it_happens(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """In order for each taxpayer, with how far it all is."""
    work = await work_for(taxpayers)
    run = bulk.save_all(client, work, max_records=20)
    kinds: dict[str, list[EventKind]] = {}
    last = None
    async for event in run:
        kinds.setdefault(event.gstin, []).append(event.kind)
        if event.kind is EventKind.ENDED:
            assert event.report is not None
            assert event.report.ok
            assert event.job is not None
            assert event.job.done
        last = event
    for who, decisions in work.items():
        jobs = -(-len(decisions) // 20)
        sent = [EventKind.SUBMITTED, EventKind.ENDED] * jobs
        assert kinds[who.gstin] == [EventKind.STARTED, *sent, EventKind.FINISHED]
    assert last is not None
    progress = last.progress
    assert (progress.finished, progress.total_taxpayers) == (4, 4)
    assert progress.known == progress.handed_in == progress.total_decisions == run.report.succeeded
    assert last.outcome == run.report[last.gstin]
    assert last.error is None


async def test_a_run_is_carried_out_once(client: ImsClient, taxpayers: list[Taxpayer]) -> None:
    """A second await is a mistake: nothing is done twice."""
    run = bulk.save_all(client, await work_for(taxpayers))
    report = await run
    assert run.report == report
    with pytest.raises(InvalidInput, match="once"):
        await run
    with pytest.raises(InvalidInput, match="once"):
        await anext(aiter(run))


async def test_whoever_stops_listening_stops_the_run(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """What was sent is in the journal; another run of that name finishes it."""
    work = await work_for(taxpayers)
    run = bulk.save_all(client, work, concurrency=1, run="night")
    events = aiter(run)
    async for event in events:
        if event.kind is EventKind.SUBMITTED:
            break
    await events.aclose()
    assert len(sim.jobs) == 1
    assert run.report.pending_count == len(work[taxpayers[0]])
    report = await bulk.save_all(client, work, run="night")
    assert report.ok
    assert set(applied(sim).values()) == {1}
    assert report.succeeded == report.handed_in == sum(map(len, work.values()))


async def test_the_source_is_read_as_places_come_free(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """Never more than so many portions are in memory; of one taxpayer several may come."""
    work = await work_for(taxpayers)
    under_way = most = 0

    async def portions() -> AsyncIterator[tuple[Taxpayer, list[Decision]]]:
        nonlocal under_way, most
        for who, decisions in work.items():
            for start in range(0, len(decisions), 10):
                under_way += 1
                most = max(most, under_way)
                yield who, decisions[start : start + 10]

    async for event in bulk.save_all(client, portions(), concurrency=3):
        under_way -= event.kind is EventKind.FINISHED
        assert event.progress.total_decisions is None
    assert most <= 3 + 1  # one whose end was not heard of yet
    assert set(applied(sim).values()) == {1}
    assert sum(applied(sim).values()) == sum(map(len, work.values()))


async def test_a_source_that_fails_lets_what_is_under_way_end(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """Its error is raised then, and the report says what was done."""
    work = await work_for(taxpayers)

    async def portions() -> AsyncIterator[tuple[Taxpayer, list[Decision]]]:
        yield taxpayers[0], work[taxpayers[0]]
        raise OSError("the database is gone")

    run = bulk.save_all(client, portions())
    with pytest.raises(OSError, match="the database is gone"):
        await run
    assert run.report.ok
    assert run.report.succeeded == len(work[taxpayers[0]]) == len(sim.effects)


@pytest.mark.parametrize("work", [5, "29AAACQ3770E1ZF", [5], [("a", "b", "c")], None])
async def test_what_is_no_work_is_refused(client: ImsClient, work: Any) -> None:
    """With what to pass instead."""
    with pytest.raises(InvalidInput, match="pass"):
        await bulk.save_all(client, work)


@pytest.mark.parametrize(
    "settings",
    [{"concurrency": 0}, {"concurrency": 1.5}, {"max_bytes": 0}, {"max_records": True}, {"quiet": -1},
     {"run": ""}, {"run": "x" * 101}, {"run": "a\nb"}, {"since": -1}, {"since": "7"}, {"since": True}],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(client: ImsClient, settings: dict[str, Any]) -> None:
    """At once, not in the night."""
    with pytest.raises(InvalidInput):
        bulk.save_all(client, {}, **settings)


def test_a_run_that_is_not_awaited_is_warned_of(client: ImsClient) -> None:
    """As of a coroutine: to forget it would leave the decisions to be accepted by default."""
    with pytest.warns(RuntimeWarning, match="BulkRun was never awaited: nothing of it was carried out"):
        bulk.save_all(client, {})


def test_the_warning_and_the_report_say_how_a_run_is_begun(
    client: ImsClient, taxpayers: list[Taxpayer]
) -> None:
    """A report of nothing is no success, of a read neither."""
    for run in (bulk.save_all(client, {taxpayers[0]: []}), bulk.pull_all(client, taxpayers)):
        report: bulk.BulkReport | bulk.PullReport = run.report
        assert (report.ok, report.begun, len(report)) == (False, False, 0)
        assert "was not begun: `await` it for its report, or follow it with `async for`" in str(report)
        with pytest.warns(RuntimeWarning, match="carried out; `await` it for its report, or follow it with"):
            run.__del__()
        run._unused = False  # which says it once
    with pytest.raises(RecordsRejected, match="run r was not begun"):
        bulk.BulkReport(run="r", begun=False).raise_for_failures()
    with pytest.raises(InvalidInput, match=r"run r was not begun: .* nothing of it can be retried"):
        bulk.retry(client, bulk.BulkReport(run="r", begun=False))


async def test_a_run_shows_its_name_its_taxpayers_and_how_far_it_is(
    client: ImsClient, taxpayers: list[Taxpayer]
) -> None:
    """Three GSTINs of a mapping, of a stream those that came by."""
    first, second, third, *others = (taxpayer.gstin for taxpayer in taxpayers)
    whose = f"{first}, {second}, {third} and {len(others)} more"
    run = bulk.save_all(client, {taxpayer: [] for taxpayer in taxpayers}, run="night", concurrency=1)
    assert repr(run) == f"<BulkRun night of {whose}: not begun>"
    events = aiter(run)
    async with contextlib.aclosing(events):
        await anext(events)
        assert repr(run) == f"<BulkRun night of {whose}: under way, 3 finished>"
    assert repr(run) == f"<BulkRun night of {whose}: broken off>"
    again = bulk.save_all(client, ((who.gstin, []) for who in taxpayers[:1]), run="night", concurrency=1)
    assert repr(again) == "<BulkRun night of no GSTIN yet: not begun>"
    assert (await again).ok
    assert repr(again) == f"<BulkRun night of {first}: ended>"
    retried = bulk.retry(client, bulk.BulkReport(run="x"), run="y")
    statements = bulk.regenerate_all(client, [first], "102026", run="z")
    reading = bulk.pull_all(client, [first])
    assert repr(statements) == f"<BulkRun z of {first}: not begun>"
    assert repr(retried) == "<BulkRun y of no GSTIN yet: not begun>"
    assert repr(reading) == "<PullRun: not begun>"
    for one in (retried, statements, reading):
        one._unused = False


async def test_a_run_with_nothing_to_do_is_fine(client: ImsClient, taxpayers: list[Taxpayer]) -> None:
    """It says so."""
    report = await bulk.save_all(client, {taxpayers[0]: []})
    assert report.ok
    assert report.handed_in == 0
    assert bool(report)
    assert "nothing to do" in str(report)
    assert len(await bulk.save_all(client, {})) == 0
