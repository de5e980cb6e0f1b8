"""Jobs that a task of the GSP's carries: a word of its own for how far it is, an end that is not GSTN's."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest

from ims_async import (
    ImsClient,
    InvalidInput,
    JobFailed,
    JobInFlight,
    JobState,
    OutcomeUnknown,
    Section,
    Taxpayer,
)
from ims_async.journal import ChangeState
from ims_async.simulator import Simulator

from ..conftest import LOGIN, eas, envelope, from_gstn, make_client, make_gsp, plan, polls
from ..test_taxpayer import accept, undecided

pytestmark = [pytest.mark.looptime, pytest.mark.both_gsps]
carried = pytest.mark.only_gsp("vayana", "Sandbox has no task that carries a job")


@pytest.fixture
def acme(client: ImsClient, sim: Simulator) -> Taxpayer:
    """The first taxpayer, logged in."""
    return client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))


@carried
async def test_a_word_that_nobody_documents_is_polled_on_and_seen(
    acme: Taxpayer, sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """A listener sees it as `raw_code`; it is told once in the log, and is never the end."""
    rows = await acme.invoices(Section.B2B)
    sim.script_task(None, "processing", "Awaiting GSTN", "Awaiting GSTN", "Dispatched")
    job = await acme.save([row.accept() for row in rows])
    seen = [(status.raw_code, status.documented) async for status in job.events()]
    assert seen == [
        ("", True), ("processing", True), ("Awaiting GSTN", False), ("Dispatched", False), ("P", True),
    ]  # fmt: skip
    assert (await job).ok
    assert [record.getMessage() for record in caplog.records if "documented" in record.getMessage()] == [
        f"job {job.reference_id}: status code {word!r} is not documented; polling on"
        for word in ("Awaiting GSTN", "Dispatched")
    ]


@carried
@pytest.mark.parametrize("word", ["failed", "ERROR", "Timed out", "cancelled", "timed_out"])
async def test_a_word_of_failure_ends_the_job_with_every_record_unaccounted(
    acme: Taxpayer, sim: Simulator, word: str
) -> None:
    """The task broke off, and what GSTN made of the records nobody has heard: it is looked at."""
    rows = await acme.invoices(Section.B2B)
    sim.script_task(None, "processing", word)
    decisions = [row.accept() for row in rows]
    job = await acme.save(decisions)
    with pytest.raises(JobFailed, match=r"broke off.*reconcile") as caught:
        await job
    report = caught.value.report
    assert report is not None
    assert list(report.unaccounted) == decisions
    assert (report.succeeded, report.failed, report.ok) == ((), (), False)
    assert job.status.raw_code == word
    assert caught.value.job is job
    found = await acme.reconcile(job)
    assert list(found.applied) == decisions
    assert found.settled


@carried
@pytest.mark.sim(job_seconds=3600.0)
async def test_after_a_task_that_broke_off_not_applied_is_said_only_after_the_quiet_time(
    acme: Taxpayer, sim: Simulator
) -> None:
    """GSTN may be at work still: the end of the task is not the end of the job."""
    rows = await acme.invoices(Section.B2B)
    sim.script_task(None, "failed")
    job = await acme.save([rows[0].accept()])
    with pytest.raises(JobFailed):
        await job
    early = await acme.reconcile(job)
    assert len(early.cannot_tell_yet) == 1
    assert not early.settled
    await asyncio.sleep(1800)
    assert len((await acme.reconcile(job)).not_applied) == 1
    await asyncio.sleep(1800)
    assert len((await acme.reconcile(job)).applied) == 1


@carried
@pytest.mark.parametrize("logged_out", [False, True])
async def test_a_session_that_ends_during_a_task_ends_the_task_and_the_change_applies_all_the_same(
    acme: Taxpayer, sim: Simulator, logged_out: bool
) -> None:
    """At the portal, or from another program: the job fails without a word about its records."""
    rows = await acme.invoices(Section.B2B)
    decisions = [row.accept() for row in rows]
    job = await acme.save(decisions)
    if logged_out:
        await make_client(sim).taxpayer(acme.gstin, token=sim.token(acme.gstin)).logout()
    else:
        sim.end_session(acme.gstin)
    with pytest.raises(JobFailed, match="broke off") as caught:
        await job
    report = caught.value.report
    assert report is not None
    assert list(report.unaccounted) == decisions
    acme.use_token(sim.token(acme.gstin))
    await asyncio.sleep(10)
    found = await acme.reconcile(job)
    assert list(found.applied) == decisions
    assert len(sim.effects) == len(decisions)


@carried
async def test_a_task_that_broke_off_because_another_job_runs_made_nothing_of_this_one(
    acme: Taxpayer, sim: Simulator
) -> None:
    """GSTN refused it as a whole, and said so: every record failed by that."""
    rows = await acme.invoices(Section.B2B)
    sim.script_task(None, "failed")
    sim.script_answer("result", 502, from_gstn("IMSSAV0015", "Previous request is under progress"))
    job = await acme.save([row.accept() for row in rows])
    with pytest.raises(JobFailed, match="refused job") as caught:
        await job
    report = caught.value.report
    assert report is not None
    assert {failure.code for failure in report.failed} == {"IMSSAV0015"}
    assert len(report.failed) == len(rows)


@carried
@pytest.mark.sim(result_shape="list")
@pytest.mark.parametrize("part", [0, 1])
async def test_one_part_of_a_list_of_results_that_broke_off_leaves_the_rest_unaccounted(
    acme: Taxpayer, sim: Simulator, part: int
) -> None:
    """Of two envelopes one says that GSTN refused the session: which records it was about, nobody says."""
    rows = await undecided(acme)
    results: list[object] = [
        envelope({"status_cd": "P", "transTypCd": "SAV", "proc_cnt": "8", "err_cd": "", "err_msg": ""}),
    ]
    results.insert(part, from_gstn("RET11402", "Unauthorized User"))
    job = await acme.save([accept(row) for row in rows])
    sim.script_answer("result", 200, envelope(results))
    status = await job.wait()
    assert status.carrier_failed
    assert status.error_code == "RET11402"
    report = job.report
    assert report is not None
    assert len(report.unaccounted) == len(rows)
    assert len((await acme.reconcile(job)).applied) == len(rows)


@carried
@pytest.mark.sim(result_shape="list")
async def test_what_one_part_counts_beside_an_error_code_proves_no_record(
    acme: Taxpayer, sim: Simulator
) -> None:
    """The counts of both fit the one failure that is listed; which records the code is about, nobody says."""
    rows = (await undecided(acme))[:4]
    first = rows[0]
    named = {"stin": first.supplier, "error_cd": "IMSSAV0010", "error_msg": "edited"}
    inv = [{"inum": first.number, "rtnprd": first.return_period}]
    results = [
        envelope({"status_cd": "PE", "proc_cnt": "0", "err_cnt": "1",
                  "error_report": {first.section: [{**named, "inv": inv}]}}),
        envelope({"status_cd": "P", "proc_cnt": "3", "err_cd": "GEN5001", "err_msg": "Missing"}),
    ]  # fmt: skip
    job = await acme.save([accept(row) for row in rows])
    sim.script_answer("result", 200, envelope(results))
    report = await job
    assert (report.error_code, report.error_message) == ("GEN5001", "Missing")
    assert [failure.key for failure in report.failed] == [first.key]
    assert (report.succeeded, len(report.unaccounted)) == ((), 3)


@carried
@pytest.mark.parametrize("shape", [{"result_shape": "list"}, {"task_shape": "flat"}], ids=str)
async def test_the_other_shapes_that_the_documents_show_end_in_the_same_report(
    shape: dict[str, str],
) -> None:
    """A result that is a list of envelopes, one per section; a task whose status stands flat."""
    world = Simulator(invoices=60, job_seconds=5, **shape)  # type: ignore[arg-type]
    acme = make_client(world).taxpayer(world.gstins[0], token=world.token(world.gstins[0]))
    rows = await undecided(acme)
    decisions = [accept(row) for row in rows]
    assert (await (await acme.save(decisions[1:]))).ok
    world.edit(
        acme.gstin, rows[0].section, rows[0].number, supplier=rows[0].supplier, period=rows[0].return_period
    )
    again = [row async for row in acme.all_invoices() if row.key != rows[0].key]
    report = await (await acme.reset([rows[0], *again]))
    assert report.state is JobState.PARTIAL
    assert [failure.key for failure in report.failed] == [rows[0].key]
    assert len(report.succeeded) == len(again)
    assert not report.unaccounted


@carried
async def test_a_result_asked_for_after_seven_days_is_unknown_and_names_the_day(sim: Simulator) -> None:
    """The gateway has forgotten it: told as such, not as a failure, and found out by looking."""
    gstin = sim.gstins[0]
    client = make_client(sim, gsp=make_gsp(sim, **LOGIN))
    acme = client.taxpayer(gstin, token=sim.token(gstin))
    rows = await acme.invoices(Section.B2B)
    job = await acme.save([row.accept() for row in rows])
    text = job.token.dumps()
    until = job.token.results_until
    assert until is not None
    await asyncio.sleep((until - dt.datetime.fromtimestamp(sim.now(), dt.UTC)).total_seconds())
    names_the_day = f"until {until:%Y-%m-%d %H:%M} UTC.*reconcile"
    for late in (job, make_client(sim, gsp=make_gsp(sim, **LOGIN)).resume(text)):
        for billed in (1, 0):  # once it is known, nobody is asked any more
            asked = sim.count("status")
            with pytest.raises(OutcomeUnknown, match=names_the_day) as caught:
                await late
            assert caught.value.job is late
            assert sim.count("status") - asked == billed
            assert (late.done, late.open, late.change.state) == (False, True, ChangeState.LOST)
    acme.use_token(sim.token(gstin))
    assert len((await acme.reconcile(job)).applied) == len(rows)
    assert acme.unfinished() == []


@carried
async def test_a_task_that_is_not_there_before_its_time_is_polled_on(acme: Taxpayer, sim: Simulator) -> None:
    """Within the seven days a 404 is a stumble of the gateway, not the end of the outcome."""
    job = await acme.save([(await acme.invoices(Section.B2B))[0].accept()])
    sim.script_answer("status", 404, eas("err-resource-not-found", "ResourceNotFound"))
    assert (await job).ok
    assert polls(sim, job) == 2


@carried
@pytest.mark.parametrize("how", ["down", "throttled"])
async def test_a_result_that_cannot_be_had_just_now_is_asked_for_again(
    acme: Taxpayer, sim: Simulator, how: str
) -> None:
    """The task has ended, the poll has not: it is absorbed as any other."""
    job = await acme.save([(await acme.invoices(Section.B2B))[0].accept()])
    plan(sim, "result", how)
    assert (await job).ok


# -- a task that broke off holds the turn --------------------------------------------------------------


@carried
async def test_a_job_without_records_whose_task_broke_off_can_be_let_go(
    acme: Taxpayer, sim: Simulator
) -> None:
    """Whoever has only its token cannot reconcile; the turn is not lost for it."""
    rows = await acme.invoices(Section.B2B)
    sim.script_task(None, "failed")
    sent = await acme.save([rows[0].accept()])
    later = make_client(sim)
    again = later.taxpayer(acme.gstin, token=sim.token(acme.gstin))
    job = later.resume(sent.token)
    with pytest.raises(JobFailed):
        await job
    decision = rows[1].accept()
    with pytest.raises(JobInFlight, match=r"reconcile\(error\.job, decisions\) first, or let_go"):
        await again.save([decision])
    with pytest.raises(InvalidInput, match="not of"):
        await later.taxpayer(sim.gstins[1]).let_go(job)
    await again.let_go(job)
    assert again.unfinished() == []
    await asyncio.sleep(10)
    assert (await (await again.save([decision])).result()).ok


@carried
async def test_a_task_that_broke_off_holds_the_turn_until_somebody_has_looked(
    client: ImsClient, acme: Taxpayer, sim: Simulator
) -> None:
    """No save, no logout and no signing out before `reconcile` has settled it; then all of them go."""
    rows = await acme.invoices(Section.B2B)
    sim.script_task(None, "failed")
    job = await acme.save([rows[0].accept()])
    with pytest.raises(
        JobFailed, match=r"broke off, and what was applied is not known: .*: call .*reconcile"
    ):
        await job
    assert acme.unfinished() == await client.unfinished() == [job]
    for ask in (
        lambda: acme.save([rows[1].accept()]),
        lambda: acme.save([rows[1].accept()], queue=False),
        lambda: acme.reset([rows[1]]),
        lambda: acme.logout(),
        lambda: acme.logout(wait=True),
        lambda: client.sign_out(),
    ):
        with pytest.raises(JobInFlight, match=r"not known: call taxpayer\.reconcile") as caught:
            await ask()
        assert caught.value.job is job
    assert [sim.count(name) for name in ("save", "reset", "logout", "account_logout")] == [1, 0, 0, 0]
    await asyncio.sleep(10)
    assert (await acme.reconcile(job)).settled
    assert acme.unfinished() == []
    assert client.resume(job.token) is job
    assert acme.unfinished() == []  # what became of it is known, whoever names it again
    assert (await (await acme.save([rows[1].accept()]))).ok
    await acme.logout()
    await client.sign_out()


@carried
@pytest.mark.parametrize("resumed", [False, True])
async def test_a_task_that_breaks_off_while_others_wait_for_their_turn_holds_it_too(
    acme: Taxpayer, sim: Simulator, resumed: bool
) -> None:
    """A save in the line and a logout in it are refused as those that come later."""
    rows = await acme.invoices(Section.B2B)
    sim.script_task(None, "processing", "failed")
    job = await acme.save([rows[0].accept()])
    if resumed:
        later = make_client(sim)
        acme = later.taxpayer(acme.gstin, token=sim.token(acme.gstin))
        job = later.resume(job.token)
    behind = await asyncio.gather(
        acme.save([rows[1].accept()]), acme.logout(wait=True), return_exceptions=True
    )
    assert [type(error) for error in behind] == [JobInFlight, JobInFlight]
    assert job.status.carrier_failed
    assert (sim.count("save"), sim.count("logout")) == (1, 0)
    assert acme.unfinished() == [job]
    await asyncio.sleep(10)
    assert (await acme.reconcile(job, [rows[0].accept()])).settled
    assert (await (await acme.save([rows[1].accept()]))).ok
