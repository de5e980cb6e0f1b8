"""A short run of the crash harness: `python -m tests.endurance.crash --rounds 200` is the long one."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest

from ims_async import Decision, ImsClient
from ims_async.simulator import Simulator
from ims_async.simulator.gstr2b.generations import Overlap

from .crash.judge import Seen, judge
from .crash.lives import WAYS, End, Kill, Span, Way, live
from .crash.plan import Plan, make_plan, make_simulator
from .crash.rounds import Round, first_spans
from .crash.worker import POLL, Clock, Orders, make_gsp


@pytest.mark.parametrize(("gsp", "number"), [("sandbox", 4), ("sandbox", 7), ("vayana", 2)])
async def test_no_decision_is_lost_or_sent_twice_however_processes_are_killed(gsp: str, number: int) -> None:
    """Kill those who save and those who recover; in the end everything is as it was decided."""
    outcome = await Round(gsp, 7, number, first_spans(), most_killed=1).run()
    assert outcome.problems == []
    assert outcome.counts["savers killed"] >= 1
    computed = outcome.counts["GSTR-2B computed anew"]
    assert computed > 10
    assert outcome.counts["decisions handed in"] == 240 + computed
    assert outcome.counts["applied"] > 200


World = tuple[Simulator, ImsClient, Plan]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A simulator on a socket, a client that goes past it, and a plan of which nothing is done yet."""
    chance = random.Random(3)  # noqa: S311 # the same each time
    async with make_simulator(chance, Clock()) as sim:
        gsp = make_gsp("sandbox", sim.url, sim.user_token)
        async with ImsClient(gsp, transport=sim.transport, poll=POLL) as client:
            yield sim, client, await make_plan(client, sim, chance)


@pytest.mark.parametrize("way", [None, *WAYS])
async def test_a_worker_dies_in_each_way_and_lives_otherwise(
    world: World, tmp_path: Path, way: Way | None
) -> None:
    """A harness that killed nobody would find nothing."""
    sim, _, plan = world
    orders = Orders(
        gsp="sandbox",
        url=sim.url,
        user_token="",
        tokens={gstin: sim.token(gstin) for gstin in sim.gstins},
        folder=tmp_path,
        clock=Clock(),
        batches=plan.batches[:10],
    )
    kill = way and Kill(way=way, share=0.2, seconds=0.0)
    end = await live(orders, kill, Span(seconds=0.05), lambda: len(sim.jobs))
    assert end == End(killed=way is not None)
    assert (len(sim.jobs) == 10) is (way is None)


async def test_the_judge_sees_what_was_lost(world: World) -> None:
    """A journal that knows nothing, and a gateway that has done nothing."""
    sim, _, plan = world
    verdict = judge(Seen([], {}, {}, []), plan, sim)
    assert verdict.lost == len(plan.decisions) == 240
    assert verdict.not_settled == 240 + len(plan.statements) > 250
    assert len(verdict.problems) == verdict.lost + verdict.not_settled


async def test_the_judge_sees_a_batch_that_arrived_twice(world: World) -> None:
    """The second time GSTN refuses it, so that its effects alone would not show it."""
    sim, client, plan = world
    batch = next(
        batch
        for batch in plan.batches
        if all(isinstance(record, Decision) for record in batch.records)
        and attrs.evolve(batch, after=0.0) == batch.without(set(plan.refused))
    )
    for _ in range(2):
        await (
            await client.taxpayer(batch.gstin).save(
                record for record in batch.records if isinstance(record, Decision)
            )
        )
    verdict = judge(Seen([], {}, {}, []), plan, sim)
    assert (verdict.sent_twice, verdict.applied_twice) == (len(batch.records), 0)


async def test_the_judge_sees_a_statement_that_is_sent_twice_or_beside_a_save(world: World) -> None:
    """By two changes, neither of which was called off; and whichever of them came first."""
    sim, client, plan = world
    gstin = sim.gstins[0]
    jobs = [await client.taxpayer(gstin).regenerate_gstr2b("012025")]
    await jobs[0]
    jobs.append(await client.taxpayer(gstin).regenerate_gstr2b("012025"))
    seen = Seen(
        [attrs.evolve(job.change, id=f"{at}") for at, job in enumerate(jobs)], {"0": [], "1": []}, {}, []
    )
    problems = judge(seen, plan, sim).problems
    assert f"sent by two changes: {(gstin, 'gstr2b', '', '', '012025')}" in problems
    assert not [problem for problem in problems if "in flight" in problem]
    sim.returns.overlaps.append(Overlap(0.0, gstin, "save", "the reference of a lost request"))
    assert judge(seen, plan, sim).problems == problems
    sim.returns.overlaps.append(Overlap(0.0, gstin, "save", jobs[0].reference_id or ""))
    sim.returns.regenerate(gstin, "012025")
    verdict = judge(seen, plan, sim)
    assert [problem for problem in verdict.problems if problem.startswith("in flight at once")]
    assert verdict.asked_again == 1
