"""GSTR-2B in runs: computed anew after a taxpayer's last part, or for many at once; and where it is due."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import itertools
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Final

import attrs
import pytest

from ims_async import (
    Action,
    Gstr2b,
    ImsClient,
    InvalidInput,
    JobKind,
    JobTimeout,
    OutcomeUnknown,
    PollPolicy,
    QuotaExhausted,
    RecordsRejected,
    RegenerationRefused,
    Section,
    SessionExpired,
    TaxAmounts,
    Taxpayer,
    bulk,
)
from ims_async.bulk.gstr2b import Marks, draft_of, gstins_due, marks_of, may_have_applied, proof_of
from ims_async.bulk.recover import handed_in_again
from ims_async.journal import Cause, Change, ChangeState, MemoryJournal
from ims_async.model.moves import HOLDING_THE_TURN
from ims_async.model.records import RecordKey
from ims_async.model.status import ErrorEntry, Found, JobState, JobStatus
from ims_async.model.times import SENDER_IS_DEAD
from ims_async.model.tokens import JobToken
from ims_async.simulator import Fault, Simulator

from ..conftest import make_client
from ..support.bulk_flows import FIXTURES, adds_up, bulk_client, decided, log_in, undecided, work_for
from ..support.regeneration_flows import LOST, PERIOD, died

S: Final = ChangeState
pytestmark = [
    pytest.mark.looptime,
    pytest.mark.sim(taxpayers=3, invoices=12, sections=["b2b"], regenerate_unchanged=True),
]
journal, client, taxpayers = FIXTURES


def another(sim: Simulator, journal: MemoryJournal) -> ImsClient:
    """Return another process, logged in."""
    made = bulk_client(sim, journal)
    made.held = log_in(made, sim)  # type: ignore[attr-defined] # or they are let go, and log in anew
    return made


def asked(sim: Simulator, gstin: str | None = None) -> int:
    """Count the requests that reached the portal."""
    return sum(gstin in (None, one.gstin) for one in sim.returns.regenerations)


# -- after a taxpayer's last part ------------------------------------------------------------------------


async def test_each_part_ends_with_it_once(
    client: ImsClient, taxpayers: list[Taxpayer], sim: Simulator
) -> None:
    """After the last of its jobs, with events of its own; the report says what came of it."""
    work = await work_for(taxpayers)
    kinds: dict[str, list[str]] = {}
    run = bulk.save_all(client, work, max_records=3, regenerate=PERIOD)
    async for event in run:
        if event.job is not None:
            kinds.setdefault(event.gstin, []).append(f"{event.kind} {event.job.kind.word}")
    report = run.report
    assert report.ok, report
    adds_up(report)
    assert str(report).endswith("; GSTR-2B is up to date for 3 of 3 taxpayers")
    for one in report:
        assert str(one.gstr2b) == "GSTR-2B of 012025 was computed anew"
        assert str(one).endswith(f"applied; {one.gstr2b}")
        assert kinds[one.gstin][-2:] == ["submitted GSTR-2B", "ended GSTR-2B"]
        assert asked(sim, one.gstin) == kinds[one.gstin].count("submitted GSTR-2B") == 1
        assert bulk.TaxpayerReport.from_dict(one.to_dict()) == one
    assert report.recompute_due(PERIOD) == await bulk.recompute_due(client, PERIOD) == []
    assert sim.returns.overlaps == []


async def test_it_is_not_asked_for_where_nothing_was_applied(
    client: ImsClient, taxpayers: list[Taxpayer], sim: Simulator
) -> None:
    """Nothing to do, or all refused; of those that have something applied it is."""
    stale, none, fine = taxpayers
    work = await work_for(taxpayers)
    refused = work[stale][:1]
    record = refused[0].invoice
    sim.edit(stale.gstin, "b2b", record.number, supplier=record.supplier, period=record.return_period)
    report = await bulk.save_all(client, {stale: refused, none: [], fine: work[fine]}, regenerate=PERIOD)
    assert [asked(sim, one.gstin) for one in taxpayers] == [0, 0, 1]
    assert len(report[stale.gstin].failed) == 1
    assert report[none.gstin].gstr2b is None
    assert report.recompute_due(PERIOD) == []


@pytest.mark.parametrize("how", ["refused", "lost", "failed", "no session"])
async def test_what_is_wrong_with_it_never_hides_the_decisions(
    client: ImsClient, taxpayers: list[Taxpayer], sim: Simulator, how: str
) -> None:
    """It is told beside them, and stays due."""
    acme, *others = taxpayers
    work = await work_for(taxpayers)
    kind: type[Exception] | None = RegenerationRefused
    match how:
        case "refused":
            answer = {"error": {"error_cd": "IMS2B007", "message": "it has 3B filed"}, "status_cd": "0"}
            sim.script_answer("regenerate", 200, {"code": 200, "data": answer})
        case "lost":
            sim.script_fault("regenerate", *[LOST] * 12, gstin=acme.gstin)
            kind = OutcomeUnknown
        case "failed":
            work = {acme: work[acme]}
            await (await acme.save(work[acme][:1]))
            sim.script_status(None, {"status_cd": "S"})  # of the save, then of GSTR-2B
            sim.script_status(None, {"status_cd": "ER", "err_cd": "X", "err_msg": "no ledger"})
            kind = None
        case _:
            stale = {"code": 403, "message": "Access token expired"}
            sim.script_answer("regenerate", 403, stale)
            sim.script_answer("refresh", 403, stale)
            kind = SessionExpired
    run = bulk.save_all(client, work, regenerate=PERIOD, concurrency=1)
    ended = [event.gstin async for event in run if event.kind is bulk.EventKind.SESSION_ENDED]
    assert ended == [acme.gstin] * (how == "no session")
    report = run.report
    one = report[acme.gstin]
    adds_up(report)
    assert one.error is None
    assert (one.succeeded + len(one.failed), one.ok, report.ok) == (one.handed_in, False, False)
    if kind is None:
        assert one.gstr2b is not None
        assert (one.gstr2b.state, one.gstr2b_error) == (JobState.FAILED, None)
    else:
        assert isinstance(one.gstr2b_error, kind)
        assert report.errors == {acme.gstin: one.gstr2b_error}
        assert "GSTR-2B was not computed anew" in str(one)
    with pytest.raises(RecordsRejected):
        report.raise_for_failures()
    assert report.recompute_due(PERIOD) == await bulk.recompute_due(client, PERIOD) == [acme.gstin]
    assert report.recompute_due(PERIOD, draft=dt.date(2999, 1, 1)) == []
    if how != "failed":
        assert all(report[other.gstin].ok for other in others)


async def test_it_is_not_asked_for_where_the_part_broke_off(
    client: ImsClient, taxpayers: list[Taxpayer], sim: Simulator
) -> None:
    """The rest is to be sent first; it stays due."""
    acme = taxpayers[0]
    run = bulk.save_all(client, {acme: await undecided(acme)}, max_records=1, regenerate=PERIOD)
    async for event in run:
        if event.kind is bulk.EventKind.ENDED and not run.report.errors:
            sim.script_answer("save", 403, {"code": 403, "message": "Insufficient credits"})
    one = run.report[acme.gstin]
    assert isinstance(one.error, QuotaExhausted)
    assert one.succeeded
    assert (one.gstr2b, asked(sim)) == (None, 0)
    assert run.report.recompute_due(PERIOD) == [acme.gstin]


async def test_of_a_stream_it_comes_when_that_has_ended(
    client: ImsClient, taxpayers: list[Taxpayer], sim: Simulator
) -> None:
    """Once for each taxpayer, however many portions there were of it."""
    work = await work_for(taxpayers)

    async def portions() -> AsyncIterator[tuple[Taxpayer, list]]:  # type: ignore[type-arg]
        for place in range(3):
            for taxpayer, decisions in work.items():
                yield taxpayer, decisions[place::3]
        assert asked(sim) == 0
        yield taxpayers[0], []

    report = await bulk.save_all(client, portions(), regenerate=PERIOD)
    assert report.ok, report
    adds_up(report)
    assert [asked(sim, one.gstin) for one in taxpayers] == [1, 1, 1]
    last = {job.gstin: job.submitted_at for job in sim.jobs}
    assert all(one.asked_at > last[one.gstin] for one in sim.returns.regenerations)


async def test_a_run_that_goes_on_does_not_ask_again(
    client: ImsClient, taxpayers: list[Taxpayer], sim: Simulator, journal: MemoryJournal
) -> None:
    """It was done; but if more was applied since, it is asked for once more."""
    acme = taxpayers[0]
    work = await undecided(acme)
    for _ in range(2):
        report = await bulk.save_all(client, {acme: work[:2]}, run="night", regenerate=PERIOD)
        assert (report.ok, asked(sim)) == (True, 1)
    report = await bulk.resume(another(sim, journal), "night")
    assert (report.ok, str(report[acme.gstin].gstr2b), asked(sim)) == (
        True, "GSTR-2B of 012025 was computed anew", 1,
    )  # fmt: skip
    report = await bulk.save_all(client, {acme: work}, run="night", regenerate=PERIOD)
    assert (report.ok, asked(sim)) == (True, 2)


@pytest.mark.parametrize("state", [S.QUEUED, S.SENDING, S.LOST, S.ACCEPTED])
async def test_a_run_whose_process_died_in_it_goes_on(
    client: ImsClient, taxpayers: list[Taxpayer], sim: Simulator, journal: MemoryJournal, state: ChangeState
) -> None:
    """What was asked for is waited for; what was lost is asked for again; what never left is asked for."""
    acme = taxpayers[0]
    work = (await undecided(acme))[:2]
    assert (await bulk.save_all(client, {acme: work}, run="night")).ok
    if state is S.ACCEPTED:
        job = await acme.regenerate_gstr2b(PERIOD)
        await journal.put(attrs.evolve(job.change, run="night"))
    else:
        await died(acme, journal, state, run="night")
    second = another(sim, journal)
    report = await bulk.save_all(second, {acme.gstin: work}, run="night", regenerate=PERIOD)
    assert report.ok, report
    assert asked(sim) == 1
    assert sim.returns.overlaps == []
    assert not [change for change in await journal.find() if change.open]


async def test_a_run_that_goes_on_waits_for_what_it_asked_for_and_hands_in_no_other(
    taxpayers: list[Taxpayer], sim: Simulator, journal: MemoryJournal
) -> None:
    """Who sends it may live for longer than is waited; one more would be asked for by the next recovery."""
    gstin = taxpayers[0].gstin
    await died(taxpayers[0], journal, S.SENDING, run="night")
    second = bulk_client(sim, journal, poll=PollPolicy(deadline=SENDER_IS_DEAD / 4))
    held = log_in(second, sim)
    for goes_on in (
        bulk.regenerate_all(second, [gstin], PERIOD, run="night"),
        bulk.save_all(second, {gstin: []}, run="night", regenerate=PERIOD),
    ):
        report = await goes_on
        assert isinstance(report[gstin].gstr2b_error, JobTimeout)
        assert [one.state for one in await journal.find()] == [S.SENDING]
    await asyncio.sleep(SENDER_IS_DEAD)
    report = await bulk.regenerate_all(second, held[:1], PERIOD, run="night")
    assert report.ok, report
    assert (len(await bulk.recover(another(sim, journal))), asked(sim)) == (0, 1)


# -- for many at once ------------------------------------------------------------------------------------


async def test_it_is_computed_anew_for_many(
    client: ImsClient, taxpayers: list[Taxpayer], sim: Simulator
) -> None:
    """Each once; a GSTIN that is none is its own trouble, and a run of that name does nothing more."""
    given: list[Taxpayer | str] = [taxpayers[0], *(one.gstin for one in taxpayers[1:]), "29AAACQ3770E1ZX"]
    for _ in range(2):
        report = await bulk.regenerate_all(client, given, PERIOD, run="statements")
        assert list(report.errors) == ["29AAACQ3770E1ZX"]
        assert asked(sim) == 3
    assert str(report) == (
        "run statements: 4 taxpayers: 1 taxpayer with an error; GSTR-2B is up to date for 3 of 3 taxpayers"
    )
    assert str(report[taxpayers[1].gstin]) == f"{taxpayers[1].gstin}: GSTR-2B of 012025 was computed anew"
    again = await bulk.regenerate_all(client, iter(taxpayers), PERIOD, concurrency=1)
    assert (again.ok, asked(sim)) == (True, 6)


async def test_with_one_place_one_is_computed_at_a_time(
    client: ImsClient, taxpayers: list[Taxpayer], sim: Simulator
) -> None:
    """`concurrency` taxpayers at once."""
    assert (await bulk.regenerate_all(client, taxpayers, PERIOD, concurrency=1)).ok
    times = [(one.asked_at, one.due_at) for one in sim.returns.regenerations]
    assert all(later[0] >= earlier[1] for earlier, later in itertools.pairwise(times))


async def test_it_is_confirmed_by_what_the_statement_says_of_itself(
    client: ImsClient, taxpayers: list[Taxpayer], sim: Simulator
) -> None:
    """Another checksum, where a record of the period was rejected; the same, where nothing has changed."""
    acme, beta, _ = taxpayers
    rows = await acme.invoices("b2b")
    await (await acme.save([row.reject() for row in rows if row.action is not Action.REJECT]))
    runs = [await bulk.regenerate_all(client, [acme, beta], PERIOD, confirm=True) for _ in range(2)]
    for report, changed in zip(runs, (True, False), strict=True):
        assert report.ok, report
        proof = report[acme.gstin].gstr2b_proof
        assert proof is not None
        assert (proof.changed, proof.checksum is None) == (changed, False), str(proof)
        assert bulk.TaxpayerReport.from_dict(report[acme.gstin].to_dict()).gstr2b_proof == proof
    sim.script_fault("gstr2b", *[Fault.outage()] * 20)
    quiet = await bulk.regenerate_all(client, [acme], PERIOD, confirm=True)
    assert quiet.ok
    assert quiet[acme.gstin].gstr2b_proof == bulk.Gstr2bProof()
    assert (await bulk.regenerate_all(client, [acme], PERIOD))[acme.gstin].gstr2b_proof is None


@pytest.mark.parametrize(
    "sim",
    [
        pytest.param(
            None, marks=pytest.mark.sim(taxpayers=1, invoices=12, sections=["b2b"], gstr2b_rows=rows)
        )
        for rows in (None, 5)
    ],
    indirect=True,
    ids=["whole", "in files"],
)
async def test_what_changed_in_the_credit_is_what_the_statements_give(
    client: ImsClient, taxpayers: list[Taxpayer], sim: Simulator
) -> None:
    """By its documents; by the gateway's sums where it is split into files, so that one request is enough."""
    (acme,) = taxpayers
    before = await acme.gstr2b(PERIOD)
    decisions = [row.reject() for row in await acme.invoices("b2b") if row.action is not Action.REJECT]
    report = await bulk.save_all(client, {acme: decisions}, regenerate=PERIOD, confirm=True)
    proof, after = report[acme.gstin].gstr2b_proof, await acme.gstr2b(PERIOD)
    assert proof is not None
    assert (proof.credit_before, proof.credit) == (before.credit, after.credit)
    assert proof.credit_change == after.credit - before.credit != TaxAmounts()


@pytest.mark.parametrize("broke_off", [True, False])
async def test_of_a_run_that_goes_on_the_credit_is_read_after_it(
    client: ImsClient, taxpayers: list[Taxpayer], sim: Simulator, journal: MemoryJournal, broke_off: bool
) -> None:
    """What was before only the process knows that asked for it, whether or not it saw the end."""
    acme, *_ = taxpayers
    decisions = [row.reject() for row in await acme.invoices("b2b") if row.action is not Action.REJECT]
    first = bulk.save_all(client, {acme: decisions}, run="night", regenerate=PERIOD, confirm=True)
    if broke_off:
        async with contextlib.aclosing(first.__aiter__()) as events:
            async for event in events:
                if event.kind is bulk.EventKind.SUBMITTED and event.job and event.job.kind.repeatable:
                    break
        await client.aclose()
    else:
        known = (await first)[acme.gstin].gstr2b_proof
        assert known is not None
        assert known.credit_before is not None
    second = another(sim, journal)
    reads = sim.count("gstr2b")
    for report in (
        await bulk.save_all(second, {acme.gstin: decisions}, run="night", regenerate=PERIOD, confirm=True),
        await bulk.regenerate_all(second, [acme.gstin], PERIOD, run="night", confirm=True),
    ):
        assert report.ok, report
        proof, after = report[acme.gstin].gstr2b_proof, await second.taxpayer(acme.gstin).gstr2b(PERIOD)
        assert proof is not None
        assert (proof.generated_on, proof.checksum) == (after.generated_on, after.checksum)
        assert (proof.credit, proof.credit_before, proof.credit_change) == (after.credit, None, None)
        assert (proof.generated_on_before, proof.checksum_before, proof.changed) == (None, None, None)
    assert (asked(sim), sim.count("gstr2b") - reads) == (1, 4)
    quiet = await bulk.save_all(second, {acme.gstin: decisions}, run="night", regenerate=PERIOD)
    assert (quiet[acme.gstin].gstr2b_proof, sim.count("gstr2b") - reads) == (None, 4)


async def test_the_credit_is_counted_alike_before_and_after() -> None:
    """Documents on one side and sums on both: the sums; nothing in common: nothing is said."""
    one, two, three = (TaxAmounts(igst=Decimal(amount)) for amount in (1, 2, 3))
    both = Marks(by_documents=one, by_sums=two)
    assert proof_of(both, both).credit == one
    split = proof_of(both, Marks(by_sums=three))
    assert (split.credit_before, split.credit, split.credit_change) == (two, three, one)
    assert proof_of(Marks(by_documents=one), Marks(by_sums=two)).credit_change is None
    after = proof_of(Marks(), both)
    assert (after.credit_before, after.credit, proof_of(Marks(), Marks(by_sums=two)).credit) == (
        None,
        one,
        two,
    )
    summary = {"available": three, "reversal": one, "unavailable": two}
    read = await marks_of(Gstr2b(gstin=A, period=PERIOD, summary=summary, summary_only=True, files=2))
    assert (read.by_documents, read.by_sums) == (None, two)
    assert (await marks_of(Gstr2b(gstin=A, period=PERIOD))).by_documents == TaxAmounts()


async def test_an_outage_is_waited_out(client: ImsClient, taxpayers: list[Taxpayer], sim: Simulator) -> None:
    """Nothing is asked until a read is answered; what was lost in it is asked for again."""
    for taxpayer in taxpayers:
        sim.script_fault("regenerate", *[Fault.outage(effect=True)] * 4, gstin=taxpayer.gstin)
        sim.script_fault("count", *[Fault.outage()] * 4, gstin=taxpayer.gstin)
    report = await bulk.regenerate_all(client, taxpayers, PERIOD)
    assert report.ok, report
    assert sim.count("count") > 0
    assert sim.returns.overlaps == []


async def test_what_would_meet_everybody_stops_all(
    client: ImsClient, taxpayers: list[Taxpayer], sim: Simulator
) -> None:
    """No further credit is spent."""
    sim.script_answer("regenerate", 403, {"code": 403, "message": "Insufficient credits"})
    report = await bulk.regenerate_all(client, taxpayers, PERIOD, concurrency=1)
    assert asked(sim) == 0
    assert {type(error) for error in report.errors.values()} == {QuotaExhausted}
    assert len(report.errors) == 3


async def test_a_save_whose_answer_was_lost_is_settled_first(
    client: ImsClient, taxpayers: list[Taxpayer], sim: Simulator
) -> None:
    """It holds the turn: the records are looked at, and then GSTR-2B is asked for."""
    acme = taxpayers[0]
    sim.script_fault("save", LOST)
    with pytest.raises(OutcomeUnknown):
        await acme.save((await undecided(acme))[:1])
    report = await bulk.regenerate_all(client, [acme], PERIOD)
    assert report.ok, report
    assert (asked(sim), sim.returns.overlaps, len(sim.effects)) == (1, [], 1)


async def test_whose_gstr_3b_is_known_to_be_filed_is_not_asked_for(
    client: ImsClient, taxpayers: list[Taxpayer], sim: Simulator
) -> None:
    """Its decisions are sent all the same."""
    acme, beta, *_ = taxpayers
    sim.returns.file_gstr3b(acme.gstin, PERIOD)
    work = {one: (await undecided(one))[:1] for one in (acme, beta)}
    report = await bulk.save_all(client, work, regenerate=PERIOD, filed=[acme.gstin])
    assert report.ok, report
    assert (asked(sim, acme.gstin), asked(sim, beta.gstin), len(sim.effects)) == (0, 1, 2)
    assert (report[acme.gstin].gstr2b, report[acme.gstin].gstr2b_error) == (None, None)
    due = await bulk.recompute_due(client, PERIOD, filed=[acme.gstin])
    assert (due, report.recompute_due(PERIOD)) == ([], [acme.gstin])


@pytest.mark.parametrize("period", ["2025-01", "", None])
async def test_a_period_that_is_none_is_refused_at_once(client: ImsClient, period: str) -> None:
    """Before anything is read."""
    with pytest.raises(InvalidInput):
        bulk.regenerate_all(client, [], period)
    with pytest.raises(InvalidInput):
        await bulk.recompute_due(client, period)
    if period is not None:
        with pytest.raises(InvalidInput):
            bulk.save_all(client, {}, regenerate=period)


async def test_nobody_s_is_due_of_a_period_before_ims_and_none_is_asked_for(
    client: ImsClient, taxpayers: list[Taxpayer], sim: Simulator
) -> None:
    """It could only be refused, and that once the decisions are sent: it is refused at once."""
    acme = taxpayers[0]
    with pytest.raises(InvalidInput, match="period 092024 is before IMS"):
        bulk.regenerate_all(client, [acme], "092024")
    with pytest.raises(InvalidInput, match="period 092024 is before IMS"):
        bulk.save_all(client, {acme: []}, regenerate="092024")
    report = await bulk.save_all(client, {acme: (await undecided(acme))[:1]})
    assert report.recompute_due("092024") == await bulk.recompute_due(client, "092024") == []
    assert report.recompute_due(PERIOD) == await bulk.recompute_due(client, PERIOD) == [acme.gstin]
    assert asked(sim) == 0


# -- recovery --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [S.QUEUED, S.SENDING, S.LOST])
async def test_recovery_sees_it_through(
    taxpayers: list[Taxpayer], sim: Simulator, journal: MemoryJournal, state: ChangeState
) -> None:
    """Whatever its process died in, it is asked for once; nothing is left open for the next one."""
    acme = taxpayers[0]
    await died(acme, journal, state)
    second = another(sim, journal)
    before = sim.now()
    report = await bulk.recover(second)
    assert report.ok, report
    assert str(report[acme.gstin].gstr2b) == "GSTR-2B of 012025 was computed anew"
    assert (sim.now() - before > SENDER_IS_DEAD) is (state is S.SENDING)
    assert asked(sim) == 1
    again = await bulk.recover(another(sim, journal))
    assert (len(again), asked(sim)) == (0, 1)
    assert not [change for change in await journal.find() if change.open or change.to_retry]


@pytest.mark.parametrize("state", [S.QUEUED, S.SENDING, S.LOST, S.ACCEPTED])
async def test_recovery_that_sends_nothing_says_what_is_left(
    client: ImsClient, taxpayers: list[Taxpayer], sim: Simulator, journal: MemoryJournal, state: ChangeState
) -> None:
    """One with a reference is waited for."""
    acme = taxpayers[0]
    if state is S.ACCEPTED:
        await acme.regenerate_gstr2b(PERIOD)
    else:
        await died(acme, journal, state)
    report = await bulk.recover(another(sim, journal), send=False)
    assert asked(sim) == (state is S.ACCEPTED)
    assert report.ok is (state is S.ACCEPTED)
    if state is not S.ACCEPTED:
        assert isinstance(report[acme.gstin].error, OutcomeUnknown)


async def test_what_was_asked_for_twice_is_recovered_once(
    taxpayers: list[Taxpayer], sim: Simulator, journal: MemoryJournal
) -> None:
    """The later request of the same period counts; the earlier one is over."""
    acme = taxpayers[0]
    token = vars(acme)["_jobs"].token(JobKind.REGENERATE, None, 0, PERIOD)
    for name, period in (("one", PERIOD), ("two", "122024"), ("three", PERIOD)):
        own = attrs.evolve(token, period=period)
        change = await journal.add(Change(id=name, token=own), [])
        await journal.put(change.called_off("an outage", Cause.NOT_SENT))
    assert await handed_in_again(journal, await journal.find()) == {"one"}
    report = await bulk.recover(another(sim, journal))
    assert report.ok, report
    assert [one.period for one in sim.returns.regenerations] == ["122024", PERIOD]
    assert not [change for change in await journal.find() if change.to_retry]


@pytest.mark.parametrize("state", [S.QUEUED, S.CALLED_OFF])
async def test_what_waited_behind_one_that_was_lost_is_done_with_it(
    taxpayers: list[Taxpayer], sim: Simulator, journal: MemoryJournal, state: ChangeState
) -> None:
    """The lost one is asked for again, later than the other was handed in."""
    await died(taxpayers[0], journal, S.LOST)
    await waited(taxpayers[0], journal, state)
    report = await bulk.recover(another(sim, journal))
    assert report.ok, report
    assert asked(sim) == 1
    assert not [change for change in await journal.find() if change.open or change.to_retry]


async def test_what_another_process_has_had_computed_since_is_not_to_be_asked_for(
    client: ImsClient, taxpayers: list[Taxpayer], sim: Simulator, journal: MemoryJournal
) -> None:
    """But it is where that was asked for earlier, is of another period, or a save was applied since."""
    acme = taxpayers[0]
    await (await acme.regenerate_gstr2b(PERIOD))
    await died(acme, journal, S.LOST)
    await asyncio.sleep(1)
    await waited(acme, journal, S.CALLED_OFF)

    async def over() -> set[str]:
        return await handed_in_again(journal, await journal.find())

    assert await over() == set()
    (lost,) = await client.unfinished()
    await acme.reconcile(lost)
    assert await over() == {"waited"}
    await (await acme.save((await undecided(acme))[:1]))
    assert await over() == set()
    await (await acme.regenerate_gstr2b("122024"))
    assert await over() == set()
    before = asked(sim)
    assert (await bulk.recover(another(sim, journal))).ok
    assert (asked(sim), await over()) == (before + 1, set())


async def waited(acme: Taxpayer, journal: MemoryJournal, state: ChangeState) -> None:
    """Leave a change that was never sent."""
    token = vars(acme)["_jobs"].token(JobKind.REGENERATE, None, 0, PERIOD)
    change = await journal.add(Change(id="waited", token=token), [])
    if state is S.CALLED_OFF:
        await journal.put(change.called_off("another change had the turn", Cause.IN_THE_WAY))


# -- where it is due -------------------------------------------------------------------------------------

DRAFT: Final = dt.datetime(2025, 2, 13, 18, 30, tzinfo=dt.UTC)
A, B = "29AAACQ3770E1ZF", "27AAACQ3770E1ZJ"
DONE: Final = JobStatus(state=JobState.SUCCEEDED, raw_code="P", processed=2)


def change(
    kind: JobKind,
    hours: float,
    status: JobStatus | None = DONE,
    *,
    gstin: str = A,
    state: ChangeState = S.ENDED,
) -> Change:
    """Return a change that was sent so many hours after the draft began."""
    at = DRAFT + dt.timedelta(hours=hours)
    token = JobToken(
        gsp="g", host="h", gstin=gstin, kind=kind, reference_id="R", submitted=2, submitted_at=at,
        period=PERIOD if kind is JobKind.REGENERATE else "",
    )  # fmt: skip
    return Change(id=f"{kind} {hours}", token=token, state=state, status=status)


def test_the_draft_is_made_on_the_14th_in_india() -> None:
    """Or on the day that the gateway named."""
    assert draft_of(PERIOD) == DRAFT
    assert draft_of("122024") == dt.datetime(2025, 1, 13, 18, 30, tzinfo=dt.UTC)
    assert draft_of(PERIOD, dt.date(2025, 2, 16)) == DRAFT + dt.timedelta(days=2)
    for wrong in ("2025-02-16", dt.datetime(2025, 2, 16, tzinfo=dt.UTC)):
        with pytest.raises(InvalidInput, match="draft="):
            draft_of(PERIOD, wrong)  # type: ignore[arg-type]


REFUSED: Final = JobStatus(state=JobState.FAILED, raw_code="ER", error_code="X")
PARTIAL: Final = JobStatus(
    state=JobState.PARTIAL, processed=0, errors=2, found=Found(applied=0, not_applied=())
)
UNCHANGED: Final = JobStatus(state=JobState.SUCCEEDED, raw_code="IMS2005")
SAVE, RESET, REGENERATE = JobKind.SAVE, JobKind.RESET, JobKind.REGENERATE


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        ([], False),
        ([change(SAVE, -1)], False),
        ([change(SAVE, 0)], True),
        ([change(RESET, 0.1)], True),
        ([change(SAVE, 1, REFUSED)], False),
        ([change(SAVE, 1, attrs.evolve(DONE, state=JobState.PARTIAL, processed=1, errors=1))], True),
        ([change(SAVE, 1, None, state=S.CALLED_OFF)], False),
        ([change(SAVE, 1, None, state=S.QUEUED)], False),
        *(([change(SAVE, 1, None, state=state)], True) for state in sorted(HOLDING_THE_TURN)),
        ([change(SAVE, 1, None, state=S.ABANDONED)], True),
        ([change(SAVE, 1), change(REGENERATE, 2)], False),
        ([change(SAVE, 1), change(REGENERATE, 2, UNCHANGED)], False),
        ([change(SAVE, 1), change(REGENERATE, 2, REFUSED)], True),
        ([change(SAVE, 1), change(REGENERATE, 2, None, state=S.ACCEPTED)], True),
        ([change(SAVE, 1), change(REGENERATE, 2, None, state=S.LOST)], True),
        ([change(SAVE, 1), change(REGENERATE, 2, None, state=S.CALLED_OFF)], True),
        ([change(REGENERATE, 0.5), change(SAVE, 1)], True),
        ([change(SAVE, 1), change(REGENERATE, 2), change(SAVE, 3)], True),
        ([change(SAVE, 1), change(REGENERATE, 2, gstin=B)], True),
        ([change(SAVE, -1), change(SAVE, 1, gstin=B)], False),
    ],
)
def test_it_is_due_after_what_was_applied_since_the_draft(changes: list[Change], due: bool) -> None:
    """Or may have been; until it was computed anew from a request that was sent after that."""
    assert (A in gstins_due(changes, PERIOD)) is due
    assert gstins_due(changes, PERIOD, filed=[A, B]) == []
    at_work = any(one.state is S.ACCEPTED and one.token.kind is not REGENERATE for one in changes)
    assert (A in gstins_due(changes, PERIOD, draft=dt.date(2025, 2, 20))) is at_work


def test_a_computation_of_another_period_does_not_count() -> None:
    """Each has a statement of its own."""
    other = change(REGENERATE, 2)
    other = attrs.evolve(other, token=attrs.evolve(other.token, period="122024"))
    assert gstins_due([change(SAVE, 1), other], PERIOD) == [A]


def test_what_a_look_found_not_applied_changed_nothing() -> None:
    """As what GSTN refused."""
    keys = [RecordKey(Section.B2B, B, f"{place}", dt.date(2025, 1, 1), PERIOD) for place in range(2)]
    status = attrs.evolve(PARTIAL, found=Found(applied=0, not_applied=tuple(keys)))
    assert not may_have_applied(change(SAVE, 1, status))
    assert may_have_applied(change(SAVE, 1, attrs.evolve(status, found=Found(applied=1, changed=(keys[0],)))))


async def test_without_a_journal_nobody_knows(sim: Simulator) -> None:
    """That is said, in place of an empty list."""
    with pytest.raises(InvalidInput, match="keeps no journal"):
        await bulk.recompute_due(make_client(sim), PERIOD)


async def test_it_is_due_by_the_journal_until_it_is_done(
    client: ImsClient, taxpayers: list[Taxpayer], sim: Simulator
) -> None:
    """Whatever handed the decisions in; what the gateway was asked for last, and did, ends it."""
    acme, beta, _ = taxpayers
    await (await acme.save((await undecided(acme))[:1]))
    await (await beta.reset([one.invoice for one in (await undecided(beta))[:1]]))
    rows = await beta.invoices("b2b", Action.NO_ACTION)
    await (await beta.save([decided(rows[0])]))
    assert await bulk.recompute_due(client, PERIOD) == [acme.gstin, beta.gstin]
    assert await bulk.recompute_due(client, PERIOD, filed=[beta.gstin]) == [acme.gstin]
    report = await bulk.regenerate_all(client, await bulk.recompute_due(client, PERIOD), PERIOD)
    assert (report.ok, len(report)) == (True, 2)
    assert await bulk.recompute_due(client, PERIOD) == []
    await asyncio.sleep(1)


# -- what must not be said --------------------------------------------------------------------------------


async def test_what_comes_in_a_stream_is_asked_for_once(
    client: ImsClient, taxpayers: list[Taxpayer], sim: Simulator
) -> None:
    """Also where it is refused: the end of the stream does not ask for it again."""
    sim.returns.file_gstr3b(taxpayers[0].gstin, PERIOD)
    report = await bulk.regenerate_all(client, iter(taxpayers), PERIOD)
    assert [asked(sim, one.gstin) for one in taxpayers] == [1, 1, 1]
    assert isinstance(report[taxpayers[0].gstin].gstr2b_error, RegenerationRefused)


async def test_one_that_a_person_lets_go_is_said(
    client: ImsClient, taxpayers: list[Taxpayer], sim: Simulator
) -> None:
    """Nobody waits for it any more: what became of it is not known, and stays due."""
    acme = taxpayers[0]
    sim.script_fault("regenerate", *[LOST] * 3)
    run = bulk.save_all(client, {acme: (await undecided(acme))[:1]}, regenerate=PERIOD)
    async for event in run:
        if event.kind is bulk.EventKind.SUBMITTED and event.job and event.job.kind is REGENERATE:
            await acme.let_go(event.job)
    one = run.report[acme.gstin]
    assert isinstance(one.gstr2b_error, OutcomeUnknown)
    assert (one.ok, one.gstr2b) == (False, None)
    assert "let go" in str(one)
    assert run.report.recompute_due(PERIOD) == [acme.gstin]


async def test_the_statement_of_another_period_stays_due(
    client: ImsClient, taxpayers: list[Taxpayer], sim: Simulator
) -> None:
    """The run had one period's computed: its changes are in the other one's too."""
    acme = taxpayers[0]
    report = await bulk.save_all(client, {acme: (await undecided(acme))[:1]}, regenerate=PERIOD)
    assert report.ok
    for due in (report.recompute_due("122024"), await bulk.recompute_due(client, "122024")):
        assert due == [acme.gstin]
    assert report.recompute_due(PERIOD) == await bulk.recompute_due(client, PERIOD) == []


def test_what_was_not_read_before_or_after_proves_no_change() -> None:
    """It is not known then."""
    day = dt.date(2025, 2, 14)
    proof = bulk.Gstr2bProof(generated_on_before=day, checksum_before="a", generated_on=day, checksum="a")
    assert proof.changed is False
    assert attrs.evolve(proof, checksum="b").changed is True
    assert attrs.evolve(proof, generated_on=None, checksum=None).changed is None
    assert attrs.evolve(proof, generated_on_before=None, checksum_before=None).changed is None


def known(one: Change, hours: float, revision: int = 0) -> Change:
    """Return it as a journal has it, whose last news came so many hours after the draft."""
    return attrs.evolve(one, changed_at=DRAFT + dt.timedelta(hours=hours), revision=revision)


ABANDONED: Final = change(SAVE, 1, None, state=S.ABANDONED)


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        # sent before the draft, and ended, or perhaps applied, after it
        ([known(change(SAVE, -0.1), 0.1)], True),
        ([known(change(SAVE, -0.2), -0.1)], False),
        ([known(change(SAVE, -0.1, None, state=S.LOST), -0.1)], True),
        ([known(change(SAVE, -1, None, state=S.LOST), -1)], False),
        ([known(change(SAVE, -9, None, state=S.ACCEPTED), -9)], True),
        # asked for before it had ended
        ([known(change(SAVE, 1), 1.2), change(REGENERATE, 1.1)], True),
        ([known(change(SAVE, 1), 1.2), change(REGENERATE, 1.2)], False),
        # let go, and perhaps applied after it was asked for
        ([ABANDONED, change(REGENERATE, 1.1)], True),
        ([ABANDONED, change(REGENERATE, 1.5)], False),
        # of two clocks one is fast: the order in the journal shows which was sent first
        ([known(change(REGENERATE, 2), 2, 5), known(change(SAVE, 1.9), 1.95, 9)], True),
        ([known(change(SAVE, 1.9), 1.95, 5), known(change(REGENERATE, 2), 2, 9)], False),
        # the last one sent is not the last one that was applied
        ([known(change(SAVE, 1), 4, 5), change(SAVE, 2), change(REGENERATE, 3)], True),
    ],
)
def test_it_is_due_by_when_a_change_may_have_been_applied(changes: list[Change], due: bool) -> None:
    """Not by when it was sent alone."""
    assert (A in gstins_due(changes, PERIOD)) is due


def test_a_list_of_errors_that_fits_no_record_does_not_hide_what_was_applied() -> None:
    """One of two is refused, and an error names a third: the other one may have been applied."""
    entries = tuple(
        ErrorEntry(section=Section.B2B, supplier=B, number=number, return_period=PERIOD, code="X", message="")
        for number in ("1", "3")
    )
    status = JobStatus(state=JobState.PARTIAL, raw_code="PE", processed=1, errors=1, error_report=entries)
    assert may_have_applied(change(SAVE, 1, status))
    assert may_have_applied(change(SAVE, 1, attrs.evolve(status, processed=2, errors=1)))
    assert may_have_applied(change(SAVE, 1, attrs.evolve(status, processed=None, errors=2)))
    assert may_have_applied(
        change(SAVE, 1, attrs.evolve(status, processed=0))
    )  # of the other nothing is said
    assert may_have_applied(change(SAVE, 1, attrs.evolve(status, processed=0, errors=2, carrier_failed=True)))
    assert not may_have_applied(change(SAVE, 1, attrs.evolve(status, processed=0, errors=2)))
    assert not may_have_applied(change(SAVE, 1, attrs.evolve(status, processed=2, errors=2)))


async def test_a_mark_does_not_make_it_later_than_it_was(
    client: ImsClient, taxpayers: list[Taxpayer], journal: MemoryJournal
) -> None:
    """A look at what was computed well writes nothing: the order in the journal says what came first."""
    acme = taxpayers[0]
    first, then = (await undecided(acme))[:2]
    await (await acme.save([first]))
    job = await acme.regenerate_gstr2b(PERIOD)
    await job
    await (await acme.save([then]))
    before = (await journal.now()).revision
    assert (await acme.retry(job)).job is None
    assert (await journal.now()).revision == before


async def test_what_was_sent_before_the_draft_and_not_heard_of_since_is_found(
    client: ImsClient, taxpayers: list[Taxpayer], journal: MemoryJournal, sim: Simulator
) -> None:
    """The journal is asked for it too: it may have been applied after the draft."""
    acme = taxpayers[0]
    job = await acme.save((await undecided(acme))[:1])
    assert job.pollable
    tomorrow = dt.datetime.fromtimestamp(sim.now(), dt.UTC).date() + dt.timedelta(days=2)
    assert await bulk.recompute_due(client, PERIOD, draft=tomorrow) == [acme.gstin]
