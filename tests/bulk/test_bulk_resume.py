"""A bulk run that is broken off is finished by another of its name: nothing is lost, nothing sent twice."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ims_async import Action, Decision, OtpRequired, Sandbox, Vayana, bulk
from ims_async.bulk import EventKind
from ims_async.journal import ChangeState
from ims_async.model.moves import OPEN_STATES
from ims_async.simulator import Fault, Simulator

from ..support.bulk_breaks import QUIET, RUN, Mortal, Night, arrived, ended_or_dead, sent
from ..support.bulk_flows import adds_up, applied, bulk_client
from ..support.journal_flows import Shelf, shelf
from ..support.sweeps import sample, stride

__all__ = ["shelf"]

pytestmark = [
    pytest.mark.looptime,
    pytest.mark.both_gsps,
    pytest.mark.sim(taxpayers=3, invoices=24, sections=["b2b"], download_seconds=0.01),
]

LOST = {
    "none": [],
    "after": [Fault.drop_after()],
    "before": [Fault.drop_before()],
    "silence": [Fault.half_open(effect=True)],
    "several": [Fault.drop_before(), Fault.drop_after(), Fault.delay(0), Fault.half_open()],
}


@pytest.fixture
async def night(sim: Simulator, shelf: Shelf) -> Night:
    """The fixtures' world, and what was decided in it."""
    return await Night.begin(sim, shelf)


def worlds() -> Simulator:
    """Return a fresh world, smaller than the fixture's."""
    return Simulator(
        seed=7, taxpayers=2, invoices=14, sections=["b2b"], job_seconds=5.0, download_seconds=0.01
    )


# -- cancelled -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", sample([0.0, 0.5, 1.0, 2.5, 5.1, 5.9, 7.7, 12.4, 18.0], 2))
async def test_a_run_that_is_cancelled_is_finished_by_the_next(night: Night, seconds: float) -> None:
    """Whenever that is: what was sent is waited for, the rest is sent."""
    assert await night.cancelled_after(seconds)
    night.check(await night.finished())


@pytest.mark.parametrize("lost", list(LOST))
async def test_whenever_it_is_cancelled_and_whatever_answer_was_lost(lost: str) -> None:
    """Each moment of a run in steps; the answers of the first saves never came."""
    for moment in itertools.count(0, stride(3)):
        sim = worlds()
        night = await Night.begin(sim, Shelf(None, sim))
        sim.script_fault("save", *LOST[lost])
        cancelled = await night.cancelled_after(moment * 2.9)
        night.check(await night.finished())
        if not cancelled:
            break
    assert moment > 4


async def test_cancelled_again_and_again(night: Night) -> None:
    """Each goes on where the one before it ended."""
    night.sim.script_fault("save", *LOST["several"])
    times = 0
    while await night.cancelled_after(1.0 + times % 5 * 2.0):
        times += 1
        assert times < 60
    assert times > 5
    night.check(await night.finished())


# -- dead ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", [True, False])
@pytest.mark.parametrize("lost", ["none", "after", "before"])
async def test_whenever_its_process_dies(lost: str, written: bool) -> None:
    """At each write to the journal: just before it, or just after it."""
    for number in itertools.count(1, stride(7)):
        sim = worlds()
        night = await Night.begin(sim, Shelf(None, sim))
        sim.script_fault("save", *LOST[lost])
        journal = Mortal(night.shelf.journal(), number, written=written)
        report = await ended_or_dead(night.run(night.process(journal)), journal)
        night.check(await night.finished() if report is None else report)
        if report is not None:
            break
    assert number > 15


CAUGHT: dict[str, tuple[dict[str, Any], list[Fault], ChangeState | None]] = {
    "not handed in": ({"at": "add", "written": False}, [], None),
    "handed in": ({"at": "claim", "written": False}, [], ChangeState.QUEUED),
    "about to be sent": ({"at": "claim"}, [], ChangeState.SENDING),
    "sent": ({"at": ChangeState.ACCEPTED, "written": False}, [], ChangeState.SENDING),
    "lost, but applied": ({"at": ChangeState.LOST}, [Fault.drop_after()] * 9, ChangeState.LOST),
    "lost": ({"at": ChangeState.LOST}, [Fault.drop_before()] * 2, ChangeState.LOST),
    "accepted": ({"at": ChangeState.ACCEPTED}, [], ChangeState.ACCEPTED),
    "ended, not heard": ({"at": ChangeState.ENDED, "written": False}, [], ChangeState.ACCEPTED),
    "ended": ({"at": ChangeState.ENDED}, [], ChangeState.ENDED),
}


@pytest.mark.parametrize(("number", "caught"), sample(itertools.product([1, 2], CAUGHT), 2))
async def test_a_batch_is_taken_up_wherever_it_stood(night: Night, caught: str, number: int) -> None:
    """Each state in which a dead process can have left it."""
    how, faults, state = CAUGHT[caught]
    night.sim.script_fault("save", *faults)
    journal = Mortal(night.shelf.journal(), number, **how)
    assert await ended_or_dead(night.run(night.process(journal)), journal) is None
    assert state is None or state in await night.shelf.states()
    night.check(await night.finished())
    assert not OPEN_STATES & set(await night.shelf.states())


async def test_what_was_found_not_applied_is_sent_by_the_next_if_nobody_lived_to_do_it(night: Night) -> None:
    """Death between the look that settled it and the sending again: the gateway has refused nothing."""
    night.sim.script_fault("save", Fault.drop_before(), gstin=night.sim.gstins[0])
    work = {night.sim.gstins[0]: night.work[night.sim.gstins[0]]}
    journal = Mortal(night.shelf.journal(), at=ChangeState.ENDED)
    assert await ended_or_dead(night.run(night.process(journal), work), journal) is None
    assert await night.shelf.states() == [ChangeState.ENDED]
    assert not night.sim.jobs
    night.check(await night.finished())


@pytest.mark.parametrize("step", [1, 2, 3, 4])
async def test_what_is_sent_again_is_not_lost_in_its_turn(night: Night, step: int) -> None:
    """Death at each write of the sending again."""
    night.sim.script_fault("save", *[Fault.drop_before()] * 3)
    first = Mortal(night.shelf.journal(), 3, at=ChangeState.LOST)
    assert await ended_or_dead(night.run(night.process(first)), first) is None
    second = Mortal(night.shelf.journal(), 3 + step)
    assert await ended_or_dead(night.run(night.process(second)), second) is None
    night.check(await night.finished())


@pytest.mark.sim(taxpayers=2, invoices=14, sections=["b2b"], download_seconds=0.01, conflict="status")
async def test_what_another_program_was_in_the_way_of_is_sent_by_the_next(night: Night) -> None:
    """IMSSAV0015 in a job's status: nothing was done, and the run was cancelled before it tried again."""
    gstin, sim = night.sim.gstins[0], night.sim
    foreign, night.work[gstin][:] = night.work[gstin][:1], night.work[gstin][1:]
    other = night.process(Shelf(None, sim).journal())
    await other.taxpayer(gstin).save(foreign)
    assert await night.cancelled_after(60.0)
    assert [job.failure and job.failure[0] for job in sim.jobs if job.gstin == gstin][1] == "IMSSAV0015"
    report = await night.finished()
    night.work[gstin] += foreign
    assert report.ok, (str(report), report.errors)
    assert applied(sim).keys() == night.wanted


# -- finding out only ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.5, 7.7, 12.4])
async def test_resuming_sends_nothing_new(night: Night, seconds: float) -> None:
    """It reports what was sent; the decisions that were not are where they came from."""
    assert await night.cancelled_after(seconds, max_records=3)
    before, counted = sent(night.sim), night.sim.count("save")
    assert 0 < sum(before.values()) < len(night.wanted)
    async with night.process() as client:
        report = await bulk.resume(client, RUN, quiet=QUIET)
    adds_up(report)
    assert {one.gstin: one.succeeded for one in report} == before
    assert report.ok
    assert (sent(night.sim), night.sim.count("save")) == (before, counted)
    night.check(await night.finished())


async def test_resuming_sends_again_what_was_proved_not_applied(night: Night) -> None:
    """That only, and once; what was applied in secret is told as such."""
    gone, done, fine = night.sim.gstins
    night.sim.script_fault("save", Fault.drop_before(), gstin=gone)
    night.sim.script_fault("save", Fault.drop_after(), gstin=done)
    assert await night.cancelled_after(2.0)
    async with night.process() as client:
        report = await bulk.resume(client, RUN, quiet=QUIET)
    assert report.ok
    assert {one.gstin: one.handed_in for one in report} == dict.fromkeys(night.sim.gstins, 6)
    assert sent(night.sim) == dict.fromkeys(night.sim.gstins, 6)
    assert {name: night.sim.count("save", name) for name in night.sim.gstins} == {gone: 2, done: 1, fine: 1}


async def test_there_is_nothing_to_resume_of_an_unknown_run(night: Night) -> None:
    """And nothing is asked."""
    asked = len(night.sim.requests)
    async with night.process() as client:
        report = await bulk.resume(client, "another night")
    assert report.ok
    assert len(report) == 0
    assert len(night.sim.requests) == asked


# -- with other decisions ------------------------------------------------------------------------------


async def test_decisions_that_were_added_are_sent(night: Night) -> None:
    """Those of before are not."""
    more, night.work[night.sim.gstins[0]][4:] = night.work[night.sim.gstins[0]][4:], []
    assert await night.cancelled_after(7.0)
    night.work[night.sim.gstins[0]][2:2] = more
    night.check(await night.finished())


async def test_decisions_that_were_taken_out_are_still_told_of(night: Night) -> None:
    """They were sent, and what became of them belongs into the report; of a whole taxpayer too."""
    gone, *others = night.sim.gstins
    assert await night.cancelled_after(0.5)
    assert len(night.sim.jobs) == 3
    report = await night.finished(work={name: night.work[name][6:] for name in others})
    night.work[gone] = night.work[gone][:6]
    night.check(report)


async def test_another_action_on_a_record_is_another_decision(night: Night) -> None:
    """It is sent, on the record as it stands now."""
    report = await night.finished()
    gstin = night.sim.gstins[0]
    async with night.process() as client:
        rows = await client.taxpayer(gstin).invoices("b2b", Action.ACCEPT)
        mine = {(row.supplier, row.number) for row in (one.invoice for one in night.work[gstin])}
        turned = [row.reject() for row in rows if (row.supplier, row.number) in mine]
        again = await night.run(client, {**night.work, gstin: turned[:3] + night.work[gstin][3:]})
    assert again.ok
    assert again.handed_in == report.handed_in + 3
    changes = [(e.before, e.after) for e in night.sim.effects if e.before != "N"]
    assert changes == [("A", "R")] * 3
    assert len(arrived(night.sim)) == sum(arrived(night.sim).values()) - 3


@pytest.mark.parametrize(("size", "seconds"), sample(itertools.product([4, 5], [0.5, 7.7, 12.4]), 2))
async def test_portions_of_one_taxpayer_as_they_come(night: Night, seconds: float, size: int) -> None:
    """A stream that is read again, in portions of other sizes too."""

    async def portions(most: int) -> AsyncIterator[tuple[str, list[Decision]]]:
        for start in range(0, 24, most):
            for gstin, decisions in night.work.items():
                yield gstin, decisions[start : start + most]

    assert await night.cancelled_after(seconds, work=portions(4), concurrency=2)
    night.check(await night.finished(work=portions(size), concurrency=2))


async def test_resets_are_finished_too(night: Night) -> None:
    """Saves first, then resets, over a break between them."""
    async with night.process() as client:
        for gstin in night.work:
            rows = await client.taxpayer(gstin).invoices("b2b", Action.ACCEPT)
            night.work[gstin] += [Decision(invoice=row, action=Action.NO_ACTION) for row in rows]
    kinds: set[frozenset[str]] = set()
    for _ in range(40):
        going = await night.cancelled_after(4.0)
        kinds.add(frozenset(job.kind for job in night.sim.jobs if not job.done))
        if not going:
            break
    assert {frozenset({"save"}), frozenset({"reset"})} <= kinds
    night.check(await night.finished())


# -- what is told --------------------------------------------------------------------------------------


async def test_events_of_a_resumed_run(night: Night) -> None:
    """Jobs of before end without being submitted anew; in the end all is known."""
    night.sim.script_fault("save", Fault.drop_after(), gstin=night.sim.gstins[0])
    assert await night.cancelled_after(7.0)
    kinds: dict[str, list[EventKind]] = {gstin: [] for gstin in night.work}
    async with night.process() as client:
        run = night.run(client)
        async for event in run:
            kinds[event.gstin].append(event.kind)
            progress = event.progress
    for gstin, told in kinds.items():
        assert told[0] is EventKind.STARTED
        assert told[-1] is EventKind.FINISHED
        assert (EventKind.LOOKING in told) is (gstin == night.sim.gstins[0])
        assert (
            told.count(EventKind.SUBMITTED) < told.count(EventKind.ENDED) == -(-len(night.work[gstin]) // 6)
        )
    assert progress.finished == progress.taxpayers == progress.total_taxpayers == 3
    assert progress.known == progress.handed_in == progress.total_decisions == len(night.wanted)
    night.check(run.report)


async def test_who_cannot_log_in_again_is_not_told_that_nothing_was_sent(night: Night) -> None:
    """The journal knows that it was applied, session or not."""
    night.check(await night.finished())
    report = await night.run(bulk_client(night.sim, night.shelf.journal()))
    adds_up(report)
    assert all(isinstance(error, OtpRequired) for error in report.errors.values())
    assert (report.handed_in, report.not_sent) == (len(night.wanted), 0)
    assert report.succeeded == len(night.wanted)


async def test_a_batch_that_cannot_be_used_now_does_not_count_twice(night: Night) -> None:
    """What was sent stands in the journal; the strange thing stops what is new only."""
    night.check(await night.finished())
    gstin = night.sim.gstins[0]
    report = await night.finished(work={**night.work, gstin: [*night.work[gstin], "no decision"]})
    adds_up(report)
    assert report.handed_in == report.succeeded == len(night.wanted)
    assert list(report.errors) == [gstin]


async def test_a_run_that_has_ended_is_told_again(night: Night) -> None:
    """Handed in once more, it asks nobody anything."""
    first = await night.finished()
    asked = len(night.sim.requests)
    again = await night.finished()
    night.check(again)
    assert again.jobs == first.jobs
    assert len(night.sim.requests) == asked


async def test_runs_of_one_name_at_two_gateways_are_two(night: Night) -> None:
    """The journal holds both; each is finished by its own."""
    report = await night.finished()
    others = [
        Vayana("org-demo", night.sim.user_token),
        Sandbox("key_test_demo", "secret_test_demo"),
        Sandbox("key_test_demo", "secret_test_demo", base_url="https://elsewhere.example"),
    ]
    told = [(await bulk.resume(night.process(gsp=gsp), RUN)).handed_in for gsp in others]
    assert sorted(told) == [0, 0, report.handed_in]
