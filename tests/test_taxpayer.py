"""The main job over the simulator, in virtual time: nothing lost, nothing twice, every record told."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from decimal import Decimal

import attrs
import pytest

from ims_async import (
    Action,
    Decision,
    GatewayError,
    GoodsType,
    ImsClient,
    InvalidDecision,
    InvalidInput,
    Invoice,
    ItcReduction,
    JobFailed,
    JobInFlight,
    JobKind,
    JobState,
    JobTimeout,
    JobToken,
    NotSupported,
    OtpRequired,
    OutcomeUnknown,
    PayloadTooLarge,
    PollPolicy,
    PReading,
    RateLimit,
    RecordsRejected,
    Section,
    SourceForm,
    SupplierSection,
    Taxpayer,
)
from ims_async.gsp.base import Request, Response
from ims_async.net.transport import MemoryTransport
from ims_async.rules import Level
from ims_async.simulator import Simulator

from .conftest import LOGIN, dialect, make_client, make_gsp, plan, plan_endless, polls

pytestmark = [pytest.mark.looptime, pytest.mark.both_gsps]


@pytest.fixture
def acme(client: ImsClient, sim: Simulator) -> Taxpayer:
    """The first taxpayer, logged in."""
    return client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))


def accept(invoice: Invoice) -> Decision:
    """Accept, with the declaration that a credit note needs."""
    reduction = ItcReduction.none() if invoice.section is Section.B2BCN else None
    return invoice.accept(itc_reduction=reduction)


async def undecided(taxpayer: Taxpayer) -> list[Invoice]:
    """All records without an action, of every section."""
    return [invoice async for invoice in taxpayer.all_invoices(Action.NO_ACTION)]


def truth(sim: Simulator, gstin: str) -> dict[tuple[str, ...], str]:
    """The actions as the simulator has them."""
    return {
        (record.section, record.supplier, record.number, record.period): record.action
        for record in sim.records(gstin)
    }


def ids(record: Decision | Invoice) -> tuple[str, ...]:
    """What the simulator calls a record."""
    return (record.section, record.supplier, record.number, record.return_period)


async def test_login_by_otp_then_counts_agree_with_the_records(client: ImsClient, sim: Simulator) -> None:
    """From nothing but a key, a user name and an OTP."""
    person = sim.taxpayers[0]
    acme = client.taxpayer(person.gstin)
    with pytest.raises(OtpRequired, match="request_otp"):
        await acme.counts()
    await acme.request_otp(person.username)
    await acme.verify_otp("575757")
    counts = await acme.counts()
    assert counts.total == len(sim.records(person.gstin))
    for section in Section:
        rows = await acme.invoices(section)
        actions = [row.action for row in rows]
        assert counts[section].no_action == actions.count(Action.NO_ACTION)
        assert counts[section].pending == actions.count(Action.PENDING)
        assert counts[section].total == len(rows)


async def test_a_saved_batch_of_every_section_is_applied_and_reported(acme: Taxpayer, sim: Simulator) -> None:
    """Accepted, rejected and pending, in all eight sections; the gateway's truth agrees with the report."""
    rows = await undecided(acme)
    assert {row.section for row in rows} == set(Section)
    decisions = []
    for place, row in enumerate(rows):
        if place % 7 == 0:
            decisions.append(row.reject("not ours"))
        elif place % 5 == 0 and row.pending_allowed:
            decisions.append(row.keep_pending())
        else:
            decisions.append(accept(row))
    job = await acme.save(decisions)
    assert not job.done
    report = await job
    assert report.ok
    assert [id(record) for record in report.succeeded] == [id(decision) for decision in decisions]
    now = truth(sim, acme.gstin)
    assert all(now[ids(decision)] == decision.action for decision in decisions)
    assert len(sim.effects) == len(decisions)


async def test_reset_takes_decisions_back_also_of_records_without_one(acme: Taxpayer, sim: Simulator) -> None:
    """A reset of a record already at N is sent too."""
    rows = await acme.invoices(Section.B2B)
    await (await acme.save([row.accept() for row in rows[:2]]))
    again = await acme.invoices(Section.B2B)
    assert again[0].action is Action.ACCEPT
    report = await (await acme.reset(again))
    assert report.ok
    assert len(report.succeeded) == len(again)
    assert all(row.action is Action.NO_ACTION for row in await acme.invoices("b2b"))


async def test_records_edited_by_the_supplier_are_the_ones_that_fail(acme: Taxpayer, sim: Simulator) -> None:
    """PE: credit and debit notes come back under `cn` and `dn`, and are joined to what was sent."""
    chosen = {}
    rows = await undecided(acme)
    for section in Section:
        row = next(row for row in rows if row.section is section)
        sim.edit(acme.gstin, section, row.number, supplier=row.supplier, period=row.return_period)
        chosen[section] = row
    decisions = [accept(row) for row in rows]
    report = await (await acme.save(decisions))
    assert report.state is JobState.PARTIAL
    assert {failure.record.section for failure in report.failed if failure.record} == set(Section)
    assert {failure.code for failure in report.failed} == {"IMSSAV0010"}
    assert {failure.key for failure in report.failed} == {row.key for row in chosen.values()}
    assert len(report.succeeded) + len(report.failed) == len(decisions)
    assert not report.unaccounted
    assert not report.unmatched
    with pytest.raises(RecordsRejected, match="IMSSAV0010") as caught:
        report.raise_for_failures()
    assert caught.value.report is report


async def test_the_same_number_in_two_periods_never_collides(acme: Taxpayer, sim: Simulator) -> None:
    """One of the twins fails, the other succeeds."""
    rows = await undecided(acme)
    seen: dict[tuple[str, ...], Invoice] = {}
    twins = next(
        (seen[same], row)
        for row in rows
        if (same := (row.section, row.supplier, row.number)) in seen or seen.setdefault(same, row) is not row
    )
    assert twins[0].return_period != twins[1].return_period
    sim.edit(
        acme.gstin, twins[0].section, twins[0].number,
        supplier=twins[0].supplier, period=twins[0].return_period,
    )  # fmt: skip
    report = await (await acme.save([accept(twin) for twin in twins]))
    assert [failure.key for failure in report.failed] == [twins[0].key]
    assert [record.key for record in report.succeeded] == [twins[1].key]


async def test_a_batch_of_which_every_record_fails_is_partial_with_all_failed(
    acme: Taxpayer, sim: Simulator
) -> None:
    """PE with proc_cnt 0, as a live gateway answered; here for credit notes without the declaration."""
    notes = [row for row in await undecided(acme) if row.section is Section.B2BCN]
    report = await (await acme.save([note.accept() for note in notes]))
    assert report.state is JobState.PARTIAL
    assert report.processed_count == 0
    assert not report.succeeded
    assert {failure.code for failure in report.failed} == {"IMSSAV0054"}
    assert [
        failure.record.invoice for failure in report.failed if isinstance(failure.record, Decision)
    ] == notes


@pytest.mark.parametrize("reading", ["processed", "processing"])
@pytest.mark.parametrize("counting", ["successes", "all"])
async def test_both_readings_of_p_and_of_the_counts_end_in_the_same_report(
    reading: str, counting: str
) -> None:
    """Whichever of the vendor's two pages is right, a job is neither reported early nor polled for ever."""
    sim = Simulator(seed=3, invoices=40, job_seconds=300, p_means=reading, proc_cnt_counts=counting)  # type: ignore[arg-type]
    acme = make_client(sim).taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    rows = await undecided(acme)
    sim.edit(
        acme.gstin, rows[0].section, rows[0].number, supplier=rows[0].supplier, period=rows[0].return_period
    )
    started = asyncio.get_running_loop().time()
    whole = await acme.save([accept(row) for row in rows[1:]])
    assert (await whole).ok
    assert asyncio.get_running_loop().time() - started >= 300
    part = await acme.reset(rows[:1])
    report = await part
    assert [failure.key for failure in report.failed] == [rows[0].key]


async def test_p_can_be_pinned_to_processing(sim: Simulator) -> None:
    """`p_means=PROCESSING`: a P is never the end, whatever it counts."""
    policy = PollPolicy(p_means=PReading.PROCESSING, deadline=200)
    acme = make_client(sim, poll=policy).taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    job = await acme.save([accept((await undecided(acme))[0])])
    with pytest.raises(TimeoutError):
        await job


async def test_contradictory_counts_make_the_unlisted_unaccounted_and_reconcile_settles_them(
    acme: Taxpayer, sim: Simulator
) -> None:
    """Ten processed, three errors, two listed: the third is found by looking."""
    rows = [row for row in await undecided(acme) if row.section is Section.B2B][:10]
    for row in rows[:3]:
        sim.edit(acme.gstin, "b2b", row.number, supplier=row.supplier, period=row.return_period)
    listed = [
        {
            "stin": row.supplier,
            "error_cd": "IMSSAV0010",
            "error_msg": "edited",
            "inv": [{"inum": row.number, "rtnprd": row.return_period}],
        }
        for row in rows[:2]
    ]
    sim.script_status(
        None,
        {"status_cd": "IP", "transTypCd": "SAV"},
        {"status_cd": "IP", "transTypCd": "SAV"},
        {
            "status_cd": "PE", "transTypCd": "SAV", "proc_cnt": "10", "err_cnt": "3",
            "error_report": {"b2b": listed},
        },
    )  # fmt: skip
    job = await acme.save([row.accept() for row in rows])
    report = await job
    assert [failure.key for failure in report.failed] == [row.key for row in rows[:2]]
    assert [record.key for record in report.unaccounted] == [row.key for row in rows[2:]]
    assert not report.succeeded
    found = await acme.reconcile(job, report.unaccounted)
    assert [record.key for record in found.changed] == [rows[2].key]
    assert len(found.applied) == len(rows) - 3
    assert found.settled


async def test_a_job_refused_as_a_whole_gives_every_record_its_code(acme: Taxpayer, sim: Simulator) -> None:
    """ER: `JobFailed`, and the report names each record."""
    rows = (await acme.invoices(Section.B2B))[:3]
    sim.script_status(
        None,
        {"status_cd": "ER", "transTypCd": "SAV", "proc_cnt": "0", "err_cnt": "0",
         "err_cd": "IMSSAV005", "err_msg": "Schema validation failure"},
    )  # fmt: skip
    job = await acme.save([row.accept() for row in rows])
    with pytest.raises(JobFailed, match="IMSSAV005") as caught:
        await job
    assert caught.value.report is not None
    assert [failure.code for failure in caught.value.report.failed] == ["IMSSAV005"] * 3


# -- one job in flight per GSTIN -----------------------------------------------------------------------


async def test_saves_of_one_gstin_queue_in_order_and_drive_the_job_ahead(
    acme: Taxpayer, sim: Simulator
) -> None:
    """Three saves at once: three jobs, one after the other, although nobody awaits the first two."""
    rows = await undecided(acme)
    jobs = await asyncio.gather(*(acme.save([accept(row)]) for row in rows[:3]))
    assert [job.done for job in jobs] == [True, True, False]
    await jobs[2]
    assert [(job.submitted_at, job.records) for job in sim.jobs] == sorted(
        (job.submitted_at, job.records) for job in sim.jobs
    )
    assert sim.count("save") == 3
    assert all(job.code == "P" for job in sim.jobs)


async def test_without_queueing_a_second_save_is_refused_before_it_is_sent(
    acme: Taxpayer, sim: Simulator
) -> None:
    """`queue=False` raises at once, and names the job."""
    rows = await undecided(acme)
    job = await acme.save([accept(rows[0])])
    with pytest.raises(JobInFlight) as caught:
        await acme.save([accept(rows[1])], queue=False)
    assert caught.value.job is job
    assert sim.count("save") == 1


async def test_taxpayers_do_not_wait_for_each_other(client: ImsClient, sim: Simulator) -> None:
    """The turn is per GSTIN."""
    both = [client.taxpayer(gstin, token=sim.token(gstin)) for gstin in sim.gstins]
    jobs = [await taxpayer.save([accept((await undecided(taxpayer))[0])]) for taxpayer in both]
    assert not any(job.done for job in jobs)
    assert [(await job).ok for job in jobs] == [True, True]


async def test_a_job_running_elsewhere_is_waited_for(acme: Taxpayer, sim: Simulator) -> None:
    """IMSSAV0015 in the reply: refused, nothing was done, so it is asked again until it is taken."""
    rows = await undecided(acme)
    elsewhere = make_client(sim).taxpayer(acme.gstin, token=sim.token(acme.gstin))
    await elsewhere.save([accept(rows[0])])
    job = await acme.save([accept(rows[1])])
    assert sim.count("save") > 2
    assert (await job).ok
    assert len(sim.effects) == 2


async def test_a_job_running_elsewhere_raises_without_queueing(acme: Taxpayer, sim: Simulator) -> None:
    """IMSSAV0015 with `queue=False`: told at once."""
    rows = await undecided(acme)
    elsewhere = make_client(sim).taxpayer(acme.gstin, token=sim.token(acme.gstin))
    await elsewhere.save([accept(rows[0])])
    with pytest.raises(JobInFlight, match="IMSSAV0015"):
        await acme.save([accept(rows[1])], queue=False)


@pytest.mark.sim(conflict="status")
async def test_a_job_running_elsewhere_told_as_er_is_a_failed_job(acme: Taxpayer, sim: Simulator) -> None:
    """The documents do not say where IMSSAV0015 comes: as ER it is the job's own failure."""
    rows = await undecided(acme)
    elsewhere = make_client(sim).taxpayer(acme.gstin, token=sim.token(acme.gstin))
    await elsewhere.save([accept(rows[0])])
    with pytest.raises(JobFailed, match="IMSSAV0015"):
        await (await acme.save([accept(rows[1])]))


# -- lost answers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [b"", b"<html>502</html>", None], ids=["nothing", "a page", "a half"])
async def test_a_change_whose_answer_cannot_be_read_is_unknown_and_reconciled(
    acme: Taxpayer, sim: Simulator, answer: bytes | None
) -> None:
    """It took effect; we look, and never send it again. The GSTIN's turn is held meanwhile."""
    rows = await undecided(acme)
    sim.script_answer("save", 200, dialect().half if answer is None else answer, after=True)
    with pytest.raises(OutcomeUnknown, match="reconcile") as caught:
        await acme.save([accept(row) for row in rows[:4]])
    job = caught.value.job
    assert job is not None
    assert job.status.state is JobState.UNKNOWN
    assert sim.count("save") == 1
    with pytest.raises(JobInFlight, match="reconcile"):
        await acme.save([accept(rows[5])])
    early = await acme.reconcile(job)
    assert len(early.cannot_tell_yet) == 4
    await asyncio.sleep(60)
    found = await acme.reconcile(job)
    assert len(found.applied) == 4
    assert job.done
    report = job.report
    assert report is not None
    assert report.ok
    assert (await (await acme.save([accept(rows[5])]))).ok
    assert sim.count("save") == 2


async def test_a_change_that_was_not_applied_is_said_so_only_after_the_quiet_period(
    acme: Taxpayer, sim: Simulator
) -> None:
    """Before it, the gateway may still be working on it."""
    rows = await undecided(acme)
    plan(sim, "save", "down")
    with pytest.raises(OutcomeUnknown) as caught:
        await acme.save([accept(row) for row in rows[:3]])
    job = caught.value.job
    assert job is not None
    await asyncio.sleep(1700)
    assert len((await acme.reconcile(job)).cannot_tell_yet) == 3
    assert len((await acme.reconcile(job, quiet=600)).not_applied) == 3
    assert job.done
    assert job.report is not None
    assert len(job.report.failed) == 3
    assert not job.report.unaccounted
    assert sim.count("save") == 1


async def test_without_queueing_a_change_whose_outcome_is_not_known_is_named_as_such(
    acme: Taxpayer, sim: Simulator
) -> None:
    """Not as one that runs: waiting would not help, looking does."""
    rows = await acme.invoices(Section.B2B)
    sim.script_answer("save", 200, dialect().half, after=True)
    with pytest.raises(OutcomeUnknown) as lost:
        await acme.save([rows[0].accept()])
    with pytest.raises(JobInFlight, match=r"is not known: call taxpayer\.reconcile") as caught:
        await acme.save([rows[1].accept()], queue=False)
    assert caught.value.job is lost.value.job
    assert sim.count("save") == 1


async def test_a_caller_cancelled_while_sending_loses_neither_the_job_nor_the_turn(
    client: ImsClient, acme: Taxpayer, sim: Simulator
) -> None:
    """The reply is read all the same, and the job stands in `unfinished`."""
    rows = await undecided(acme)
    saving = asyncio.create_task(acme.save([accept(rows[0])]))
    while not sim.count("save"):
        await asyncio.sleep(0)
    saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving
    second = await acme.save([accept(rows[1])])
    assert (await second).ok
    assert sim.count("save") == 2
    assert len(sim.effects) == 2


async def test_a_cancelled_save_stands_in_unfinished(
    client: ImsClient, acme: Taxpayer, sim: Simulator
) -> None:
    """Nothing that was handed to the gateway is forgotten."""
    rows = await undecided(acme)
    saving = asyncio.create_task(acme.save([accept(rows[0])]))
    while not sim.count("save"):
        await asyncio.sleep(0)
    saving.cancel()
    await asyncio.sleep(1)
    (job,) = await client.unfinished()
    assert sim.job(str(job.reference_id)) is sim.jobs[0]
    assert (await job).ok
    assert await client.unfinished() == []


class SlowTransport(MemoryTransport):
    """Answers take five seconds; the gateway has them at once."""

    async def send(self, request: Request) -> Response:
        answer = await super().send(request)
        await asyncio.sleep(5)
        return answer


async def test_the_next_save_waits_for_the_reply_to_one_whose_caller_is_gone(sim: Simulator) -> None:
    """The reply is still on its way: its job is the one ahead."""
    client = make_client(sim, transport=SlowTransport(sim.transport, clock=sim.now))
    acme = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    rows = await acme.invoices(Section.B2B)
    saving = asyncio.create_task(acme.save([rows[0].accept()]))
    await asyncio.sleep(1)
    saving.cancel()
    second = await acme.save([rows[1].accept()])
    assert (await second).ok
    assert [job.code for job in sim.jobs] == ["P", "P"]
    assert sim.count("save") == 2


async def test_closing_lets_a_change_under_way_be_answered(sim: Simulator) -> None:
    """The reference is on its way: it is read, so that the job can be resumed."""
    client = make_client(sim, transport=SlowTransport(sim.transport, clock=sim.now))
    acme = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    rows = await acme.invoices(Section.B2B)
    saving = asyncio.create_task(acme.save([rows[0].accept()]))
    await asyncio.sleep(1)
    await client.aclose()
    job = await saving
    assert sim.job(str(job.reference_id)) is sim.jobs[0]
    assert await client.unfinished() == [job]


async def test_a_job_ahead_that_does_not_end_keeps_the_next_one_from_being_sent(sim: Simulator) -> None:
    """After the deadline the second save says why; nothing was sent."""
    slow = Simulator(invoices=20, job_seconds=1e6)
    acme = make_client(slow, poll=PollPolicy(deadline=60)).taxpayer(
        slow.gstins[0], token=slow.token(slow.gstins[0])
    )
    rows = await acme.invoices(Section.B2B)
    first = await acme.save([rows[0].accept()])
    with pytest.raises(JobInFlight, match="nothing was sent") as caught:
        await acme.save([rows[1].accept()])
    assert caught.value.job is first
    assert slow.count("save") == 1


async def test_a_big_batch_is_checked_and_sent_whole() -> None:
    """Checks and packing pause on the way; no record is lost between two slices."""
    world = Simulator(invoices=1300, sections=["b2b"], job_seconds=60)
    acme = make_client(world).taxpayer(world.gstins[0], token=world.token(world.gstins[0]))
    rows = [row for row in await acme.invoices(Section.B2B) if row.action is not Action.REJECT]
    report = await (await acme.save([row.reject() for row in rows]))
    assert report.ok
    assert len(report.succeeded) == len(rows) == len(world.effects)


async def test_a_save_cancelled_before_it_leaves_is_called_off(sim: Simulator) -> None:
    """It waits for the budget of requests; whoever gives up meanwhile has sent nothing."""
    token = sim.token(sim.gstins[0])
    rows = await undecided(make_client(sim).taxpayer(sim.gstins[0], token=token))
    acme = make_client(sim, rate=RateLimit(8)).taxpayer(sim.gstins[0], token=token)
    for _ in range(8):  # the budget of this minute
        await acme.counts()
    saving = asyncio.create_task(acme.save([accept(rows[0])]))
    await asyncio.sleep(1)
    saving.cancel()
    await asyncio.sleep(1000)
    assert sim.count("save") == 0
    assert acme.unfinished() == []
    assert (await (await acme.save([accept(rows[0])]))).ok


async def test_a_resumed_job_of_unknown_outcome_holds_the_turn_in_the_next_process(sim: Simulator) -> None:
    """The same decisions are not sent again before somebody has looked."""
    gstin = sim.gstins[0]
    acme = make_client(sim).taxpayer(gstin, token=sim.token(gstin))
    rows = await acme.invoices(Section.B2B)
    sim.script_answer("save", 200, b"", after=True)
    with pytest.raises(OutcomeUnknown) as caught:
        await acme.save([rows[0].accept()])
    assert caught.value.token is not None
    later = make_client(sim)
    again = later.taxpayer(gstin, token=sim.token(gstin))
    job = later.resume(caught.value.token.dumps())
    assert await later.unfinished() == [job]
    with pytest.raises(JobInFlight, match="reconcile"):
        await again.save([rows[0].accept()])
    await asyncio.sleep(60)
    assert len((await again.reconcile(job, [rows[0].accept()])).applied) == 1
    assert await later.unfinished() == []
    assert sim.count("save") == 1


async def test_a_resumed_job_is_driven_before_the_next_save(sim: Simulator) -> None:
    """It is known to run: the next body is not posted against it again and again."""
    gstin = sim.gstins[0]
    acme = make_client(sim).taxpayer(gstin, token=sim.token(gstin))
    rows = await acme.invoices(Section.B2B)
    token = (await acme.save([rows[0].accept()])).token
    later = make_client(sim)
    again = later.taxpayer(gstin, token=sim.token(gstin))
    job = later.resume(token)
    with pytest.raises(JobInFlight, match="wait=True"):
        await again.logout()
    assert (await (await again.save([rows[1].accept()]))).ok
    assert job.done
    assert sim.count("save") == 2


async def test_nobody_is_logged_out_while_a_change_is_being_sent(sim: Simulator) -> None:
    """Its reply is still on its way; `wait=True` waits for reply and job."""
    client = make_client(sim, transport=SlowTransport(sim.transport, clock=sim.now))
    acme = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    rows = await acme.invoices(Section.B2B)
    saving = asyncio.create_task(acme.save([rows[0].accept()]))
    await asyncio.sleep(1)
    with pytest.raises(JobInFlight):
        await acme.logout()
    await acme.logout(wait=True)
    assert (await saving).done
    assert sim.count("logout") == 1


async def test_reconcile_of_a_job_of_unknown_age_does_not_say_not_applied(
    acme: Taxpayer, sim: Simulator
) -> None:
    """It may have been submitted a moment ago."""
    rows = await acme.invoices(Section.B2B)
    job = await acme.save([rows[0].accept()])
    assert job.reference_id is not None
    other = make_client(sim).taxpayer(acme.gstin, token=sim.token(acme.gstin))
    found = await other.reconcile(other.job(job.reference_id), [rows[0].accept()])
    assert len(found.cannot_tell_yet) == 1
    assert (
        len((await other.reconcile(other.job(job.reference_id), [rows[0].accept()], quiet=0)).not_applied)
        == 1
    )


class SlowReads(MemoryTransport):
    """Rows are told as they were a hundred seconds ago."""

    async def send(self, request: Request) -> Response:
        answer = await super().send(request)
        await asyncio.sleep(100 if request.operation == "invoices" else 0)
        return answer


@pytest.mark.sim(job_seconds=1750.0)
async def test_the_age_of_a_change_is_that_at_the_look_not_at_its_end(sim: Simulator) -> None:
    """Looked at before the quiet time was over, applied a moment later: nothing can be said of it yet."""
    client = make_client(sim, transport=SlowReads(sim.transport, clock=sim.now))
    acme = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    rows = await acme.invoices(Section.B2B)
    sim.script_answer("save", 200, b"", after=True)
    with pytest.raises(OutcomeUnknown) as caught:
        await acme.save([rows[0].accept()])
    job = caught.value.job
    assert job is not None
    await asyncio.sleep(1720)
    found = await acme.reconcile(job)
    assert sim.effects
    assert not found.not_applied
    assert len(found.cannot_tell_yet) == 1
    assert len((await acme.reconcile(job)).applied) == 1


async def test_a_job_that_ends_during_the_look_was_still_running_when_it_began(sim: Simulator) -> None:
    """The rows are older than the end of the job: they do not show what it did."""
    client = make_client(sim, transport=SlowReads(sim.transport, clock=sim.now))
    acme = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    rows = await acme.invoices(Section.B2B)
    job = await acme.save([rows[0].accept()])
    report, found = await asyncio.gather(job, acme.reconcile(job))
    assert report.ok
    assert not found.not_applied
    assert len((await acme.reconcile(job)).applied) == 1


@pytest.mark.parametrize("refusal", ["throttled", "stale_token", "stale_session"])
async def test_a_save_cancelled_after_it_was_refused_is_called_off(
    acme: Taxpayer, sim: Simulator, refusal: str
) -> None:
    """A refusal proves that nothing was done: who gives up then has sent nothing."""
    rows = await acme.invoices(Section.B2B)
    plan(sim, "save", refusal, headers={"Retry-After": "100"})
    plan(sim, "save", "throttled", headers={"Retry-After": "100"})
    saving = asyncio.create_task(acme.save([rows[0].accept()]))
    await asyncio.sleep(5)
    saving.cancel()
    await asyncio.sleep(1000)
    assert sim.count("save") >= 1
    assert sim.effects == []
    assert acme.unfinished() == []


async def test_saves_keep_their_order_however_long_their_checks_take() -> None:
    """Six hundred records, then one of them again: the later decision wins, as it was given later."""
    world = Simulator(invoices=700, sections=["b2b"], job_seconds=5)
    acme = make_client(world).taxpayer(world.gstins[0], token=world.token(world.gstins[0]))
    rows = await acme.invoices(Section.B2B)
    await asyncio.gather(acme.save([row.accept() for row in rows]), acme.save([rows[0].reject()]))
    assert [job.records for job in world.jobs] == [len(rows), 1]


async def test_an_invalid_batch_gives_its_place_in_the_line_up_at_once(
    acme: Taxpayer, sim: Simulator
) -> None:
    """It is told without waiting for those ahead; those behind wait on."""
    rows = await acme.invoices(Section.B2B)
    first = asyncio.create_task(acme.save([rows[0].accept()]))
    second = asyncio.create_task(acme.save([rows[1].accept()]))
    bad = asyncio.create_task(acme.save([changed(rows[2], number="A" * 17).accept()]))
    third = asyncio.create_task(acme.save([rows[3].accept()]))
    with pytest.raises(InvalidDecision):
        await bad
    assert not second.done()
    jobs = [await first, await second, await third]
    assert (await jobs[2]).ok
    assert [sim.job(str(job.reference_id)) for job in jobs] == sim.jobs


async def test_without_queueing_a_reply_on_its_way_counts_as_busy(sim: Simulator) -> None:
    """Its caller is gone, the change is not."""
    client = make_client(sim, transport=SlowTransport(sim.transport, clock=sim.now))
    acme = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    rows = await acme.invoices(Section.B2B)
    saving = asyncio.create_task(acme.save([rows[0].accept()]))
    await asyncio.sleep(1)
    saving.cancel()
    started = asyncio.get_running_loop().time()
    with pytest.raises(JobInFlight) as caught:
        await acme.save([rows[1].accept()], queue=False)
    assert caught.value.job is None
    assert asyncio.get_running_loop().time() - started < 1


async def test_reconcile_frees_the_turn_of_a_job_that_never_ends(sim: Simulator) -> None:
    """All that it should do is done, as a look shows: after the quiet time the next save need not wait."""
    acme = make_client(sim, poll=PollPolicy(deadline=60)).taxpayer(
        sim.gstins[0], token=sim.token(sim.gstins[0])
    )
    rows = await acme.invoices(Section.B2B)
    plan_endless(sim)
    job = await acme.save([rows[0].accept()])
    with pytest.raises(JobInFlight):
        await acme.save([rows[1].accept()])
    assert (await acme.reconcile(job)).settled
    assert job.open  # somebody else may have done it, and the job itself be at work still
    await asyncio.sleep(1800)
    assert (await acme.reconcile(job)).settled
    second = await acme.save([rows[1].accept()])
    assert sim.job(str(second.reference_id)) is sim.jobs[1]


async def test_a_job_of_another_taxpayer_is_refused(client: ImsClient, sim: Simulator) -> None:
    """Its records would not be found, and its turn would be freed."""
    one, two = (client.taxpayer(gstin, token=sim.token(gstin)) for gstin in sim.gstins)
    job = await one.save([(await one.invoices(Section.B2B))[0].accept()])
    with pytest.raises(InvalidInput, match="not of"):
        await two.reconcile(job)
    with pytest.raises(InvalidInput, match="not of"):
        two.resume(job.token)


async def test_a_record_read_for_one_taxpayer_is_not_saved_or_reset_under_another(
    client: ImsClient, sim: Simulator
) -> None:
    """GSTN would take the request, bill it, and refuse each record as edited by its supplier."""
    one, two = (client.taxpayer(gstin, token=sim.token(gstin)) for gstin in sim.gstins)
    rows = await one.invoices(Section.B2B)
    assert {row.recipient for row in rows} == {one.gstin}
    assert {row.recipient async for row in one.all_invoices()} == {one.gstin}
    for change in (two.save([rows[0].accept()]), two.reset(rows[:1])):
        with pytest.raises(InvalidDecision, match=f"read for {one.gstin}, and this is {two.gstin}") as caught:
            await change
        refused = [finding for finding in caught.value.findings if finding.level is Level.REFUSE]
        assert [finding.code for finding in refused] == ["recipient"]
    assert sim.count("save") == sim.count("reset") == 0
    made = attrs.evolve(rows[0], recipient=None)
    assert await two.check([made.accept()]) is not None


async def test_a_recipient_written_by_hand_is_compared_as_a_save_compares_it(
    client: ImsClient, sim: Simulator
) -> None:
    """In whatever case: what a save takes, a retry takes."""
    one = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    row = attrs.evolve((await one.invoices(Section.B2B))[0], recipient=one.gstin.lower())
    sim.edit(one.gstin, "b2b", row.number, supplier=row.supplier, period=row.return_period)
    report = await (await one.save([row.accept()]))
    assert len((await one.retry(report)).found.changed) == 1


async def test_a_report_of_another_taxpayer_is_not_sent_again(client: ImsClient, sim: Simulator) -> None:
    """Its records would be looked for among the wrong ones, and be called gone."""
    one, two = (client.taxpayer(gstin, token=sim.token(gstin)) for gstin in sim.gstins)
    rows = await one.invoices(Section.B2B)
    edited = rows[0]
    sim.edit(one.gstin, "b2b", edited.number, supplier=edited.supplier, period=edited.return_period)
    report = await (await one.save([rows[0].accept()]))
    assert report.failed
    sent = len(sim.requests)
    with pytest.raises(InvalidInput, match=f"records of {one.gstin}, not of {two.gstin}"):
        await two.retry(report)
    assert len(sim.requests) == sent


async def test_a_sending_that_the_whole_program_cancels_leaves_an_unknown_job(sim: Simulator) -> None:
    """The loop is torn down while the reply is on its way: the records stand in `unfinished`."""
    client = make_client(sim, transport=SlowTransport(sim.transport, clock=sim.now))
    acme = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    rows = await acme.invoices(Section.B2B)
    saving = asyncio.create_task(acme.save([rows[0].accept()]))
    await asyncio.sleep(1)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving
    await asyncio.sleep(1)
    (job,) = acme.unfinished()
    assert job.status.state is JobState.UNKNOWN
    assert job.submitted == 1


async def test_a_handle_learns_what_a_token_knows_more(acme: Taxpayer, sim: Simulator) -> None:
    """First by its reference alone, then from its token: the count decides what P means."""
    rows = await acme.invoices(Section.B2B)
    job = await acme.reset(rows)
    other = make_client(sim)
    taxpayer = other.taxpayer(acme.gstin, token=sim.token(acme.gstin))
    poor = taxpayer.job(str(job.reference_id))
    assert other.resume(job.token) is poor
    assert (poor.kind, poor.submitted) == (JobKind.RESET, len(rows))
    assert (await poor).ok


async def test_a_job_whose_size_is_told_beside_its_reference_can_be_fine(
    acme: Taxpayer, sim: Simulator
) -> None:
    """Without it nobody can say that every record was applied."""
    rows = await acme.invoices(Section.B2B)
    job = await acme.save([row.reject() for row in rows])
    assert job.reference_id is not None
    token = sim.token(acme.gstin)
    known = make_client(sim).taxpayer(acme.gstin, token=token).job(job.reference_id, submitted=len(rows))
    unknown = make_client(sim).taxpayer(acme.gstin, token=token).job(job.reference_id)
    assert (await known).ok
    report = await unknown
    assert report.state is JobState.SUCCEEDED
    assert not report.ok


async def test_a_job_known_by_its_reference_does_not_say_how_long_it_is_kept(acme: Taxpayer) -> None:
    """Nobody here knows when it was submitted."""
    token = acme.job("ref").token
    assert (token.submitted_at, token.results_until) == (None, None)


async def test_a_reference_that_the_gateway_denies_is_told_so_soon(acme: Taxpayer, sim: Simulator) -> None:
    """A mistyped one costs five polls and a minute, not half an hour."""
    started = asyncio.get_running_loop().time()
    job = acme.job("no-such-job")
    with pytest.raises(GatewayError) as caught:
        await job
    assert type(caught.value) is GatewayError
    assert polls(sim, job) == 5
    assert asyncio.get_running_loop().time() - started < 100


async def test_a_job_ahead_that_the_gateway_denies_is_named_and_can_be_let_go(
    client: ImsClient, acme: Taxpayer, sim: Simulator
) -> None:
    """A mistyped token that was resumed holds the turn: the save says so, and is not itself refused."""
    sent = await acme.save([accept((await undecided(acme))[0])])
    await sent
    job = client.resume(attrs.evolve(sent.token, reference_id="no-such-job"))
    with pytest.raises(JobInFlight, match="nothing was sent; what became of the job ahead") as caught:
        await acme.save([accept((await undecided(acme))[0])])
    assert caught.value.job is job
    await acme.let_go(job)
    assert (await (await acme.save([accept((await undecided(acme))[0])]))).ok


async def test_a_handle_had_by_its_reference_learns_when_it_was_sent(
    client: ImsClient, acme: Taxpayer, sim: Simulator
) -> None:
    """The token that is resumed later knows more: its time counts for reconciling."""
    sent = await acme.save([accept((await undecided(acme))[0])])
    other = make_client(sim)
    again = other.taxpayer(acme.gstin, token=sim.token(acme.gstin))
    assert sent.reference_id is not None
    job = again.job(sent.reference_id, submitted=1)
    assert other.resume(sent.token) is job
    assert (job.submitted_at, job.submitted, job.token) == (sent.submitted_at, 1, sent.token)


async def test_ten_awaits_of_one_job_are_the_polls_of_one_at_the_gateway(
    acme: Taxpayer, sim: Simulator
) -> None:
    """As the simulator counts them."""
    job = await acme.save([(await acme.invoices(Section.B2B))[0].accept()])
    reports = await asyncio.gather(*(job.result() for _ in range(10)))
    assert polls(sim, job) == 2
    assert all(report is reports[0] for report in reports)


async def test_a_wait_over_the_gateway_times_out_and_goes_on(acme: Taxpayer, sim: Simulator) -> None:
    """The error names the job; the same handle brings the report later."""
    job = await acme.save([(await acme.invoices(Section.B2B))[0].accept()])
    with pytest.raises(JobTimeout, match=str(job.reference_id)):
        await job.result(timeout=3)
    assert (await job).ok


async def test_reconcile_needs_the_records(acme: Taxpayer, sim: Simulator) -> None:
    """A job known by its reference only does not carry them."""
    with pytest.raises(InvalidInput, match="reconcile"):
        await acme.reconcile(acme.job("ref"))


# -- bad input: refused before anything is sent ----------------------------------------------------------


def changed(invoice: Invoice, **facts: object) -> Invoice:
    """A record as a person might have typed it."""
    return attrs.evolve(invoice, read_from_gateway=False, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"supplier": "29AAACQ3770E1ZA"}, "checksum"),
        ({"supplier": "29AAACQ"}, "15 characters"),
        ({"return_period": "132024"}, "MMYYYY"),
        ({"date": "31-02-2024"}, "datetime.date"),
        ({"igst": Decimal(-1)}, "negative"),
        ({"value": Decimal("10.123")}, "two decimals"),
        ({"value": 10.5}, "Decimal"),
        ({"cess": Decimal("NaN")}, "not an amount"),
        ({"number": "A" * 17}, "17 characters"),
        ({"number": "000"}, "zeros"),
        ({"place_of_supply": "7"}, "two-digit"),
        ({"section": "b2b"}, "Section"),
    ],
)
async def test_a_bad_record_is_refused_before_sending(
    acme: Taxpayer, sim: Simulator, facts: dict[str, object], says: str
) -> None:
    """The finding names the record and what is wrong with it."""
    rows = await acme.invoices(Section.B2B)
    with pytest.raises(InvalidDecision, match=says) as caught:
        await acme.save([rows[0].accept(), changed(rows[1], **facts).accept()])
    refused = [finding for finding in caught.value.findings if finding.level is Level.REFUSE]
    assert [finding.place for finding in refused] == [1]
    assert sim.count("save") == 0


async def test_all_findings_of_a_batch_are_told_at_once(acme: Taxpayer, sim: Simulator) -> None:
    """Not the first only."""
    rows = await acme.invoices(Section.B2B)
    blocked = attrs.evolve(rows[0], pending_allowed=False)
    batch = [
        blocked.keep_pending(),
        Decision(invoice=rows[1], action=Action.NO_ACTION),
        rows[2].accept(),
        rows[2].reject("paid twice"),
        rows[3].accept(itc_reduction=ItcReduction.full()),
    ]
    with pytest.raises(InvalidDecision) as caught:
        await acme.save(batch)
    refused = [finding for finding in caught.value.findings if finding.level is Level.REFUSE]
    assert [finding.code for finding in refused] == [
        "pending-blocked",
        "action",
        "duplicate",
        "itc-reduction",
    ]
    assert "use reset" in str(refused[1])
    assert len(caught.value.problems) == 4
    assert sim.count("save") == 0


@pytest.mark.parametrize("batch", [[], [1], ["x"], 5, None])
async def test_what_is_no_batch_of_decisions_is_refused(acme: Taxpayer, batch: object) -> None:
    """An empty batch, or something else than decisions."""
    with pytest.raises(InvalidInput):
        await acme.save(batch)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        await acme.reset(batch)  # type: ignore[arg-type]


async def test_an_invoice_is_not_a_decision_and_a_decision_no_invoice(acme: Taxpayer) -> None:
    """Each error says which method is meant."""
    row = (await acme.invoices(Section.B2B))[0]
    with pytest.raises(InvalidInput, match="accept"):
        await acme.save([row])  # type: ignore[list-item]
    with pytest.raises(InvalidInput, match="pass a list"):
        await acme.save(row.accept())  # type: ignore[arg-type]
    with pytest.raises(InvalidDecision, match="ItcReduction"):
        await acme.save([row.accept(itc_reduction="none")])  # type: ignore[arg-type]
    with pytest.raises(InvalidDecision, match="Decimal"):
        await acme.save([row.accept(itc_reduction=ItcReduction.partial(igst=0.5))])  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="reset takes invoices"):
        await acme.reset([row.accept()])  # type: ignore[list-item]


async def test_a_body_over_the_limit_is_not_sent(sim: Simulator) -> None:
    """The error says how big it is, what the limit is, and what to do."""
    client = make_client(sim, gsp=make_gsp(sim, save_bytes=2_000))
    acme = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    rows = await undecided(acme)
    with pytest.raises(PayloadTooLarge, match="smaller batches") as caught:
        await acme.save([accept(row) for row in rows])
    assert caught.value.limit == 2_000 < caught.value.size
    assert sim.count("save") == 0
    assert (await (await acme.save([accept(rows[0])]))).ok


# -- the rest ----------------------------------------------------------------------------------------------


async def test_the_supplier_view_tells_what_recipients_did(acme: Taxpayer) -> None:
    """Every section, both forms; nothing found is an empty list, not an error."""
    for section in SupplierSection:
        for form in (SourceForm.GSTR1, SourceForm.GSTR1A):
            sales = await acme.sales(2024, 10, section, form=form)
            assert sales
            assert {sale.section for sale in sales} == {section}
    ecom = await acme.sales(2024, 10, "ecom")
    assert {sale.deleted for sale in ecom} == {True, False}
    assert await acme.sales(2020, 1, SupplierSection.B2B) == []


@pytest.mark.only_gsp("sandbox", "only Sandbox documents a route to added-back liabilities")
async def test_added_back_liabilities_are_read_in_their_four_sections(acme: Taxpayer) -> None:
    """Nothing found is an empty list; a section that has none is refused."""
    for section in ("cdnr", "cdnra", "b2ba", "ecoma"):
        assert await acme.added_back_liabilities(2024, 10, section)
        assert await acme.added_back_liabilities(2020, 1, section) == []
    with pytest.raises(InvalidInput, match="cdnr"):
        await acme.added_back_liabilities(2024, 10, "b2b")


@pytest.mark.parametrize(("year", "month"), [(2024, 13), (2024, 0), (1999, 1)])
async def test_a_period_that_does_not_exist_is_refused(acme: Taxpayer, year: int, month: int) -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidInput, match="return period"):
        await acme.sales(year, month, SupplierSection.B2B)


async def test_a_section_that_the_supplier_view_does_not_have_is_refused(acme: Taxpayer) -> None:
    """`cn` is a recipient's word: the supplier's notes stand in cdnr."""
    with pytest.raises(InvalidInput, match="cdnr"):
        await acme.sales(2024, 10, "cn")


async def test_a_session_can_be_renewed_by_hand(acme: Taxpayer, sim: Simulator) -> None:
    """Before a long pause, say."""
    await acme.refresh()
    assert sim.count("refresh") == 1
    assert (await acme.counts()).total > 0


@pytest.mark.only_gsp("sandbox", "only Sandbox names the three goods types; for Vayana ALL_OTH is public")
async def test_counts_of_all_three_goods_types(acme: Taxpayer) -> None:
    """Imports and inward supplies have sections of their own."""
    assert (await acme.counts(GoodsType.IMPORTS))["impg"].total == 0
    assert (await acme.counts(GoodsType.INWARD_SUPPLIES))["isd"].total == 0


async def test_a_job_can_be_followed_by_its_reference_alone(acme: Taxpayer, sim: Simulator) -> None:
    """In the same process it is the same handle; elsewhere the report has keys and no records."""
    rows = await undecided(acme)
    sim.edit(
        acme.gstin, rows[0].section, rows[0].number, supplier=rows[0].supplier, period=rows[0].return_period
    )
    job = await acme.save([accept(row) for row in rows[:5]])
    assert job.reference_id is not None
    assert acme.job(job.reference_id) is job
    other = make_client(sim).taxpayer(acme.gstin, token=sim.token(acme.gstin)).job(job.reference_id)
    report = await other
    assert report.succeeded == ()
    assert report.submitted is None
    assert [failure.record for failure in report.failed] == [None]
    assert report.failed[0].key[:3] == rows[0].key[:3]
    with pytest.raises(InvalidInput, match="reference_id"):
        acme.job(" ")


async def test_a_reset_job_knows_its_kind_and_time(acme: Taxpayer, sim: Simulator) -> None:
    """Facts of the handle, without I/O."""
    rows = await acme.invoices(Section.B2B)
    job = await acme.reset(rows)
    assert job.kind is JobKind.RESET
    assert job.submitted == len(rows)
    assert job.submitted_at == dt.datetime.fromtimestamp(sim.now(), dt.UTC)
    assert job.gstin == acme.gstin
    assert repr(job) == f"<ImsJob RESET {job.reference_id} of {acme.gstin}: processing>"


async def test_nobody_is_logged_out_while_a_job_runs(acme: Taxpayer, sim: Simulator) -> None:
    """Refused, or waited for where that was asked."""
    job = await acme.save([accept((await undecided(acme))[0])])
    with pytest.raises(JobInFlight, match="wait=True"):
        await acme.logout()
    await acme.logout(wait=True)
    assert job.done
    with pytest.raises(OtpRequired):
        await acme.counts()


@pytest.mark.only_gsp("sandbox", "Vayana keeps the taxpayer's session on its side: nobody tells when it ends")
async def test_a_session_that_would_expire_during_a_long_job_is_renewed_ahead() -> None:
    """Tokens of an hour, a job of five: the poll loop never notices."""
    slow = Simulator(seed=7, invoices=20, job_seconds=5 * 3600, token_seconds=3600)
    client = make_client(slow, poll=PollPolicy(max_interval=300, deadline=6 * 3600))
    acme = client.taxpayer(slow.gstins[0], token=slow.token(slow.gstins[0]))
    assert (await (await acme.save([accept((await undecided(acme))[0])]))).ok
    assert slow.count("refresh") >= 4
    assert all(request.status == 200 for request in slow.requests)


async def test_a_token_refused_in_the_middle_of_polling_is_renewed_once(
    acme: Taxpayer, sim: Simulator
) -> None:
    """403 for a stale token, which is the taxpayer's or the user's: renewed, asked again, no poll lost."""
    job = await acme.save([accept((await undecided(acme))[0])])
    plan(sim, "status", "stale_token")
    assert (await job).ok
    assert sim.count(dialect().renewal) == 1
    assert polls(sim, job) == 3


@pytest.mark.sim(job_seconds=60.0)
async def test_nobody_is_logged_out_while_a_job_known_by_its_reference_is_waited_for(
    acme: Taxpayer, sim: Simulator
) -> None:
    """It holds no turn, and still logging out might fail it; once nobody waits it counts no more."""
    sent = await acme.save([(await acme.invoices(Section.B2B))[0].accept()])
    other = make_client(sim).taxpayer(acme.gstin, token=sim.token(acme.gstin))
    job = other.job(str(sent.reference_id), submitted=1)
    waiting = asyncio.create_task(job.result())
    await asyncio.sleep(1)
    with pytest.raises(JobInFlight, match="wait=True") as caught:
        await other.logout()
    assert caught.value.job is job
    assert sim.count("logout") == 0
    await other.logout(wait=True)
    assert job.done
    assert (await waiting).ok
    assert sim.requests[-1].operation == "logout"


@pytest.mark.sim(job_seconds=60.0)
async def test_a_job_known_by_its_reference_that_nobody_waits_for_keeps_nobody_logged_in(
    acme: Taxpayer, sim: Simulator
) -> None:
    """Whoever gave up waiting does not hold up the others."""
    sent = await acme.save([(await acme.invoices(Section.B2B))[0].accept()])
    other = make_client(sim).taxpayer(acme.gstin, token=sim.token(acme.gstin))
    job = other.job(str(sent.reference_id))
    with pytest.raises(JobTimeout):
        await job.wait(timeout=5)
    await other.logout()
    assert sim.count("logout") == 1
    assert not job.done


async def test_a_session_refused_in_the_middle_is_renewed_once_for_all_who_ask(
    acme: Taxpayer, sim: Simulator
) -> None:
    """Ten reads are refused at the same time: one refresh, and each is asked once more."""
    for _ in range(10):
        plan(sim, "count", "stale_session")
    counts = await asyncio.gather(*(acme.counts() for _ in range(10)))
    assert {count.total for count in counts} == {60}
    assert sim.count("refresh") == 1
    assert sim.count("count") == 20


# -- the outcome of a job, for as long as the gateway keeps it -----------------------------------------


async def test_the_token_of_a_job_says_until_when_its_outcome_can_be_had(
    acme: Taxpayer, sim: Simulator
) -> None:
    """Where the GSP tells; it survives being written down, and tokens that do not tell are read as well."""
    job = await acme.save([(await acme.invoices(Section.B2B))[0].accept()])
    kept, sent = dialect().results_kept, job.token.submitted_at
    assert sent is not None
    assert job.token.results_until == (None if kept is None else sent + kept)
    assert JobToken.loads(job.token.dumps()) == job.token
    facts = json.loads(job.token.dumps())
    facts.pop("until", None)
    old = JobToken.loads(json.dumps(facts))
    assert old == attrs.evolve(job.token, results_until=None)
    later = make_client(sim)
    later.taxpayer(acme.gstin, token=sim.token(acme.gstin))
    assert (await later.resume(old)).ok


# -- what only one GSP has --------------------------------------------------------------------------------


@pytest.mark.only_gsp("vayana", "a reference of Sandbox is GSTN's own already")
async def test_a_job_is_followed_by_gstns_own_reference_through_reqsts(
    acme: Taxpayer, sim: Simulator
) -> None:
    """Another program's job, of which only GSTN's reference is known; a session refused is refreshed."""
    rows = await acme.invoices(Section.B2B)
    sent = await acme.save([row.accept() for row in rows])
    reference = sim.jobs[0].reference
    assert reference != sent.reference_id
    other = make_client(sim).taxpayer(acme.gstin, token=sim.token(acme.gstin))
    plan(sim, "reference", "stale_session")
    job = other.job(reference, submitted=len(rows))
    report = await job
    assert report.ok
    assert job.reference_id == reference
    # Whose name it is, is found out by asking once; `reference` includes the poll that was refused.
    assert (polls(sim, job), sim.count("reference"), sim.count("refresh")) == (1, 3, 1)
    assert job.token.route


@pytest.mark.only_gsp("vayana", "Sandbox polls with the taxpayer's token, not the account's")
async def test_a_user_token_refused_is_renewed_once_for_all_who_poll(sim: Simulator) -> None:
    """Two taxpayers' jobs and a read are refused at one time: one refresh, and one login where that fails."""
    client = make_client(sim, gsp=make_gsp(sim, **LOGIN))
    both = [client.taxpayer(gstin, token=sim.token(gstin)) for gstin in sim.gstins]
    jobs = [await taxpayer.save([(await taxpayer.invoices(Section.B2B))[0].accept()]) for taxpayer in both]
    before = len(sim.requests)
    sim.expire(sim.requests[-1].headers["x-flynn-n-user-token"])
    await asyncio.gather(jobs[0].refresh(), jobs[1].refresh(), both[0].counts())
    told = [(request.operation, request.status) for request in sim.requests[before:]]
    assert sorted(told[:3]) == [("count", 403), ("status", 403), ("status", 403)]
    assert told[3:5] == [("account_refresh", 403), ("authenticate", 200)]
    assert sorted(told[5:]) == [("count", 200), ("status", 200), ("status", 200)]
    assert [(await job).ok for job in jobs] == [True, True]


@pytest.mark.only_gsp("vayana", "Sandbox polls with the taxpayer's token, not the account's")
async def test_a_long_job_outlives_many_user_tokens() -> None:
    """Tokens of 20 minutes, a job of five hours: refreshed ahead, and logged in anew past six lives."""
    slow = Simulator(invoices=20, job_seconds=5 * 3600)
    client = make_client(
        slow,
        gsp=make_gsp(slow, **LOGIN, token_minutes=20),
        poll=PollPolicy(max_interval=120, deadline=6 * 3600),
    )
    acme = client.taxpayer(slow.gstins[0], token=slow.token(slow.gstins[0]))
    assert (await (await acme.save([(await acme.invoices(Section.B2B))[0].accept()]))).ok
    assert slow.count("authenticate") == 3
    assert slow.count("account_refresh") > 12


@pytest.mark.only_gsp("vayana", "Sandbox documents both")
async def test_added_back_liabilities_and_other_goods_are_not_asked_for(
    acme: Taxpayer, sim: Simulator
) -> None:
    """No page documents them: told so, and nothing is sent."""
    with pytest.raises(NotSupported, match="added-back"):
        await acme.added_back_liabilities(2024, 10, "cdnr")
    for goods in (GoodsType.IMPORTS, GoodsType.INWARD_SUPPLIES):
        with pytest.raises(NotSupported, match="goods_types="):
            await acme.counts(goods)
    assert sim.requests == []
