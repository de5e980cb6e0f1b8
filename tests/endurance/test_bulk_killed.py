"""Processes that carry out a bulk run and are killed for real; the simulator's books say what came of it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ims_async.journal import ChangeState
from ims_async.simulator import Fault

from ..conftest import HANGS
from ..support.sweeps import sample
from .bulk_worker import BROKEN, Stage, one_round, staged, told


@pytest.fixture
async def stage(tmp_path: Path, gsp_name: str) -> AsyncIterator[Stage]:
    """A world on a socket, and a night's work."""
    async with staged(tmp_path, gsp=gsp_name) as ready:
        yield ready


def is_well(stage: Stage, said: dict[str, list[object]]) -> None:
    """Check that each decision was applied once, and that the report accounts for each."""
    counts = stage.judge(said)
    assert counts["decisions"] > 40
    assert {name: counts[name] for name in BROKEN} == dict.fromkeys(BROKEN, 0)


MOMENTS = ("before the answer", "at the answer", "status")
CASES = [("sandbox", moment, 3) for moment in MOMENTS] + [("vayana", "at the answer", 3)]


@pytest.mark.parametrize(("gsp_name", "moment", "number"), sample(CASES, 3), indirect=["gsp_name"])
async def test_the_next_process_finishes_what_a_killed_one_began(
    stage: Stage, moment: str, number: int
) -> None:
    """Killed when the gateway has heard its save or its question, before or while it answers."""
    sim, operation = stage.sim, "status" if moment == "status" else "save"
    # Answers to later saves are held back, so that the run cannot end before the kill.
    quick = {"before the answer": number - 1, "at the answer": number}.get(moment, 8)
    sim.script_fault("save", *[Fault.delay(0.0)] * quick, *[Fault.delay(1.0)] * 4)
    process = await stage.start()
    await stage.until(process, lambda: sim.count(operation) >= number)
    process.kill()
    assert await process.wait() == -signal.SIGKILL
    if moment == "before the answer":
        assert ChangeState.SENDING in await stage.states()
    assert stage.judge({})["lost"] > 0
    is_well(stage, told(await stage.orders.carry_out()))


async def test_a_second_process_of_the_kind_finishes_it(stage: Stage) -> None:
    """The very same program, started again."""
    stage.sim.script_fault("save", *[Fault.delay(0.2)] * 12)
    for _ in range(2):
        count = stage.sim.count("save")
        process = await stage.start()
        await stage.until(process, lambda: stage.sim.count("save") > count + 2)  # noqa: B023 # waited for
        process.kill()
        await process.wait()
    process = await stage.start()
    assert await process.wait() == 0
    is_well(stage, stage.said())


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_a_process_that_is_told_to_stop_waits_for_its_answers(stage: Stage, how: int) -> None:
    """It ends, leaves nothing unknown, and the next one goes on."""
    stage.sim.script_fault("save", *[Fault.delay(0.3)] * 8)
    process = await stage.start()
    await stage.until(process, lambda: stage.sim.count("save") >= 3)
    process.send_signal(how)
    assert await asyncio.wait_for(process.wait(), HANGS) != 0
    assert await stage.states() <= {ChangeState.ACCEPTED, ChangeState.ENDED, ChangeState.CALLED_OFF}
    assert stage.judge({})["lost"] > 0
    is_well(stage, told(await stage.orders.carry_out()))


@pytest.mark.parametrize("gsp_name", sample(["vayana", "sandbox"], 2), indirect=True)
async def test_killed_over_and_over(gsp_name: str) -> None:
    """A round of the harness: `python -m tests.endurance.bulk_worker --rounds 50` is the long one."""
    counts = await one_round(gsp_name, 5, 4)
    assert counts["killed"] > 0
    assert {name: counts[name] for name in BROKEN} == dict.fromkeys(BROKEN, 0)
