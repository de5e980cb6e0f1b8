"""Bulk runs in bad weather: lost answers are looked at, outages waited out, sessions kept alive."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import pytest

from ims_async import (
    ImsClient,
    InvalidInput,
    Invoice,
    OtpRequired,
    OutcomeUnknown,
    PollPolicy,
    RecordFailure,
    Section,
    SessionExpired,
    Taxpayer,
    bulk,
)
from ims_async.bulk import EventKind
from ims_async.journal import Query
from ims_async.simulator import Fault, Simulator

from ..conftest import dialect, make_gsp
from ..support.bulk_flows import (
    FIXTURES,
    Answer,
    Door,
    adds_up,
    applied,
    bulk_client,
    log_in,
    undecided,
    work_for,
)

pytestmark = [
    pytest.mark.looptime,
    pytest.mark.both_gsps,
    pytest.mark.sim(taxpayers=4, invoices=40, sections=["b2b"]),
]
journal, client, taxpayers = FIXTURES


# -- lost answers ----------------------------------------------------------------------------------------


async def test_a_lost_answer_is_looked_at_and_not_sent_again(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """It had been done: two minutes later its records show it, and nobody waits half an hour."""
    work = await work_for(taxpayers)
    sim.script_fault("save", Fault.drop_after())
    begun = sim.now()
    run = bulk.save_all(client, work, max_records=30)
    kinds = [event.kind async for event in run]
    assert run.report.ok
    assert kinds.count(EventKind.LOOKING) == 1
    assert set(applied(sim).values()) == {1}
    assert sim.count("save") == run.report.jobs == len(sim.jobs)
    assert sim.now() - begun < 300
    adds_up(run.report)


async def test_what_never_arrived_is_sent_again_once_it_is_certain(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """After the quiet time; the others are not held up by it."""
    work = await work_for(taxpayers)
    sim.script_fault("save", Fault.drop_before())
    begun = sim.now()
    finished: dict[str, float] = {}
    run = bulk.save_all(client, work, concurrency=1)
    async for event in run:
        if event.kind is EventKind.FINISHED:
            finished[event.gstin] = sim.now() - begun
    report = run.report
    assert report.ok
    assert set(applied(sim).values()) == {1}
    assert finished.pop(sim.gstins[0]) > 1800
    assert max(finished.values()) < 300
    assert report[sim.gstins[0]].jobs == 2
    assert report.handed_in == report.succeeded == sum(map(len, work.values()))


async def test_a_fourth_loss_is_settled_too_and_left_to_the_caller(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """It is not tried for ever: what was not applied by then is not sent, and `retry` sends it later."""
    who = taxpayers[0]
    work = {who: await undecided(who)}
    sim.script_fault("save", *[Fault.drop_before()] * 4)
    report = await bulk.save_all(client, work)
    assert report.not_sent == report.handed_in == len(work[who])
    assert isinstance(report[who.gstin].error, OutcomeUnknown)
    assert not sim.effects
    adds_up(report)
    again = await bulk.retry(client, report)
    assert again.ok
    assert set(applied(sim).values()) == {1}


async def test_an_unsettled_change_of_before_is_looked_at_first(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """It holds its taxpayer's turn; a night has time to look, and a person has not to be woken."""
    work = await work_for(taxpayers)
    who = taxpayers[0]
    sim.script_fault("save", Fault.drop_after())
    with pytest.raises(OutcomeUnknown):
        await who.save([work[who].pop()])
    report = await bulk.save_all(client, work)
    assert report.ok
    assert report.handed_in == report.succeeded == sum(map(len, work.values()))
    assert set(applied(sim).values()) == {1}
    adds_up(report)


async def test_what_cannot_be_told_is_pending(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the job in the error, and what was behind it not sent."""
    who = taxpayers[0]
    work = {who: await undecided(who)}
    sim.script_fault("save", Fault.drop_before())

    async def half_of_it(sections: set[Section], take: Callable[[Sequence[Invoice]], None]) -> set[Section]:
        take((await who.invoices("b2b"))[::2])
        return sections

    monkeypatch.setattr(who._recovery._downloads, "hand_over", half_of_it)
    report = await bulk.save_all(client, work, max_records=30)
    one = report[who.gstin]
    assert isinstance(one.error, OutcomeUnknown)
    assert one.error.job is not None
    assert one.pending == (one.error.job.token,)
    assert one.pending_count == 30
    assert len(one.not_sent) == len(work[who]) - 30
    adds_up(report)


@pytest.mark.sim(taxpayers=2, invoices=40, sections=["b2b"], conflict="status")
async def test_a_job_that_met_another_programs_is_sent_again(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """Where the gateway says so only in the job's status: nothing was done with it."""
    work = await work_for(taxpayers)
    elsewhere = bulk_client(sim).taxpayer(taxpayers[0].gstin, token=sim.token(taxpayers[0].gstin))
    moved = work[taxpayers[0]].pop()
    other = await elsewhere.save([moved.invoice.reject()])
    report = await bulk.save_all(client, work)
    assert report.ok
    assert report[taxpayers[0].gstin].jobs == 2
    assert len(report.failed_jobs) == 1
    assert (await other).ok
    assert set(applied(sim).values()) == {1}
    adds_up(report)


# -- outages -----------------------------------------------------------------------------------------------


def outage(sim: Simulator, seconds: float) -> Callable[[str, Callable[[], Answer]], Answer | None]:
    """Answer nothing but 503 for a while, from now on."""
    begins = sim.now()

    def spoil(path: str, truly: Callable[[], Answer]) -> Answer | None:
        down = begins <= sim.now() < begins + seconds
        return (503, {"Content-Type": "application/json"}, b'{"message":"down"}') if down else None

    return spoil


async def test_an_outage_costs_two_changes_and_not_all(sim: Simulator) -> None:
    """After those nothing is sent until a read has been answered; one alone may be its taxpayer's trouble."""
    reader = bulk_client(sim)
    work = {who.gstin: decisions for who, decisions in (await work_for(log_in(reader, sim))).items()}
    door = Door(sim, outage(sim, 600.0))
    client = bulk_client(sim, transport=door, gsp=make_gsp(sim))
    log_in(client, sim)
    looked = 0
    run = bulk.save_all(client, work, concurrency=1)
    async for event in run:
        looked += event.kind is EventKind.LOOKING
    assert run.report.ok
    assert set(applied(sim).values()) == {1}
    assert looked <= 2


async def test_a_gateway_that_stays_away_is_given_up_in_the_end(sim: Simulator) -> None:
    """After an hour each taxpayer's part says why; nothing was sent, and nothing is lost."""
    reader = bulk_client(sim)
    work = {who.gstin: decisions for who, decisions in (await work_for(log_in(reader, sim))).items()}
    door = Door(sim, outage(sim, 1e9))
    client = bulk_client(sim, transport=door, gsp=make_gsp(sim))
    log_in(client, sim)
    report = await bulk.save_all(client, work, concurrency=1)
    assert len(report.errors) == len(work)
    assert report.not_sent + report.pending_count == report.handed_in
    assert not sim.effects
    adds_up(report)


# -- sessions ------------------------------------------------------------------------------------------------


@pytest.mark.only_gsp("sandbox", "the other keeps its sessions alive by itself")
@pytest.mark.sim(taxpayers=6, invoices=40, sections=["b2b"], job_seconds=4000.0, token_seconds=7200.0)
async def test_sessions_of_those_who_wait_are_kept_alive(sim: Simulator) -> None:
    """A session that ends while others are worked on would need a person with a phone."""
    client = bulk_client(sim)
    work = await work_for(log_in(client, sim))
    begun = sim.now()
    patient = bulk_client(sim, poll=PollPolicy(deadline=10_000.0))
    work = {patient.taxpayer(who.gstin, token=sim.token(who.gstin)): batch for who, batch in work.items()}
    report = await bulk.save_all(patient, work, concurrency=1)
    assert sim.now() - begun > 20_000
    assert report.ok
    assert sim.count("refresh") >= 6


async def test_a_session_that_ended_is_told_and_its_taxpayer_skipped(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """Once, early, while somebody may still be there to ask for an OTP."""
    work = {who.gstin: decisions for who, decisions in (await work_for(taxpayers)).items()}
    fresh = bulk_client(sim)
    for gstin in sim.gstins[:-1]:
        fresh.taxpayer(gstin, token=sim.token(gstin))
    told: list[tuple[str, int]] = []
    run = bulk.save_all(fresh, work, concurrency=1)
    async for event in run:
        if event.kind is EventKind.SESSION_ENDED:
            told.append((event.gstin, len(sim.effects)))
            assert isinstance(event.error, OtpRequired | SessionExpired)
    assert told == [(sim.gstins[-1], 0)]
    assert len(run.report[sim.gstins[-1]].not_sent) == len(work[sim.gstins[-1]])
    assert run.report.succeeded == sum(map(len, work.values())) - len(work[sim.gstins[-1]])


# -- sending again -----------------------------------------------------------------------------------------


async def test_what_was_refused_is_looked_at_and_sent_again_where_it_still_stands(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """What the supplier edited is for a person; what was taken meanwhile is left alone."""
    work = await work_for(taxpayers)
    edited, moved = taxpayers[0], taxpayers[1]
    one = work[edited][0]
    sim.edit(edited.gstin, "b2b", one.number, supplier=one.supplier, period=one.return_period)
    other = work[moved][0]
    await (await moved.save([other.invoice.keep_pending()]))  # so that the run's own is refused as stale
    report = await bulk.save_all(client, work)
    assert report.failed == 2
    again = await bulk.retry(client, report)
    assert again.handed_in == 2
    assert again[edited.gstin].changed == (one,)
    assert again[moved.gstin].succeeded == 1
    assert not again.errors
    adds_up(again)
    changes = await client.journal.find(Query(run=report.run))  # type: ignore[union-attr]
    assert {change.token.gstin for change in changes if change.retried} == {edited.gstin, moved.gstin}


async def test_what_was_not_sent_is_sent_by_a_retry(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """Once its taxpayer has logged in again."""
    work = await work_for(taxpayers)
    sim.end_session(taxpayers[1].gstin)
    report = await bulk.save_all(client, work)
    assert report.not_sent == len(work[taxpayers[1]])
    taxpayers[1].use_token(sim.token(taxpayers[1].gstin))
    again = await bulk.retry(client, report, max_records=9)
    assert again.ok
    assert again.succeeded == report.not_sent
    assert again.jobs == -(-report.not_sent // 9)
    assert set(applied(sim).values()) == {1}
    assert again.run != report.run


async def test_resets_are_sent_again_as_resets(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """Each as what it was."""
    who = taxpayers[0]
    rows = [row for row in await who.invoices("b2b") if row.action != "N"]
    sim.end_session(who.gstin)
    report = await bulk.reset_all(client, {who: rows})
    assert report.not_sent == len(rows)
    who.use_token(sim.token(who.gstin))
    again = await bulk.retry(client, report)
    assert again.ok
    assert {job.kind for job in sim.jobs} == {"reset"}


async def test_a_report_with_nothing_to_do_again_is_fine(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """No request is made for it."""
    report = await bulk.save_all(client, await work_for(taxpayers))
    before = len(sim.requests)
    again = await bulk.retry(client, report)
    assert again.ok
    assert len(again) == 0
    assert len(sim.requests) == before


async def test_a_report_without_its_records_is_refused(client: ImsClient, taxpayers: list[Taxpayer]) -> None:
    """Only the keys are known: nothing can be sent from those."""
    decisions = await undecided(taxpayers[0])
    gstin = taxpayers[0].gstin
    report = await bulk.save_all(client, {gstin: decisions})

    lost = RecordFailure(record=None, key=decisions[0].key, code="IMSSAV0010", message="")
    parts = {gstin: attrs.evolve(report[gstin], failed=(lost,))}
    with pytest.raises(InvalidInput, match="does not carry its records"):
        bulk.retry(client, attrs.evolve(report, taxpayers=parts))


async def test_the_gateways_words_for_a_dead_session_are_understood(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """A refusal at the save itself, in the words of either GSP."""
    work = await work_for(taxpayers)
    for _ in range(3):
        sim.script_answer("save", *dialect().stale_session)
        sim.script_answer("refresh", *dialect().stale_session)
    report = await bulk.save_all(client, work, concurrency=1)
    assert report.succeeded + report.not_sent == report.handed_in
    assert report.not_sent
    adds_up(report)
