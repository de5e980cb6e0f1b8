"""One run carried out by two processes at once: nothing is sent twice, neither waits for ever."""

from __future__ import annotations

import asyncio
import random

import pytest

from ims_async import bulk
from ims_async.bulk import BulkReport
from ims_async.model import times
from ims_async.simulator import Fault, Simulator

from ..support.bulk_breaks import QUIET, RUN, Mortal, Night, arrived, ended_or_dead, in_turn
from ..support.bulk_flows import adds_up, applied
from ..support.journal_flows import Shelf, shelf
from ..support.sweeps import sample

__all__ = ["shelf"]

pytestmark = [
    pytest.mark.looptime,
    pytest.mark.both_gsps,
    pytest.mark.sim(taxpayers=3, invoices=24, sections=["b2b"], download_seconds=0.01),
]


@pytest.fixture
async def night(sim: Simulator, shelf: Shelf) -> Night:
    """The fixtures' world, and what was decided in it."""
    return await Night.begin(sim, shelf)


async def both(night: Night, late: float, **settings: object) -> tuple[BulkReport, BulkReport]:
    """Let two processes carry out the run, the second so many seconds later; neither may take a day."""

    async def second() -> BulkReport:
        await asyncio.sleep(late)
        return await night.finished(**settings)

    async with asyncio.timeout(86400.0):
        reports = await asyncio.gather(night.finished(**settings), second())
    return reports[0], reports[1]


@pytest.mark.parametrize("late", sample([0.0, 0.01, 0.5, 3.0, 5.1, 7.0, 11.3, 16.0, 40.0], 3))
async def test_what_one_has_sent_the_other_does_not(night: Night, late: float) -> None:
    """Whenever the second begins: each decision reaches GSTN once, and each report says what is true."""
    for report in await both(night, late, max_records=4):
        adds_up(report)
        assert report.handed_in == len(night.wanted)
        assert report.failed == 0
    assert set(applied(night.sim).values()) == {1}
    assert applied(night.sim).keys() == night.wanted
    assert set(arrived(night.sim).values()) == {1}
    in_turn(night.sim)


@pytest.mark.parametrize("late", [0.0, 3.0, 7.0])
async def test_what_two_have_left_a_third_finishes(night: Night, late: float) -> None:
    """Whatever they told: afterwards it is known of each decision that it was applied."""
    night.sim.script_fault("save", Fault.drop_after(), Fault.drop_before())
    for report in await both(night, late):
        adds_up(report)
    night.check(await night.finished())


@pytest.mark.parametrize("quiet", [QUIET, times.QUIET])
async def test_what_a_process_was_sending_when_it_died_is_settled_once_it_is_dead(
    night: Night, quiet: float
) -> None:
    """Not sooner, however short the quiet time is: for all that others know it may live."""
    night.sim.script_fault("save", Fault.drop_before())
    journal = Mortal(night.shelf.journal(), at="lost", written=False)
    assert await ended_or_dead(night.run(night.process(journal)), journal) is None
    begun = night.sim.now()
    night.check(await night.finished(quiet=quiet))
    assert times.SENDER_IS_DEAD - 60 < night.sim.now() - begun < max(quiet, times.SENDER_IS_DEAD) + 300


async def test_who_only_looks_after_a_run_does_not_disturb_it(night: Night) -> None:
    """A run that another process carries out at this moment is waited for."""

    async def look() -> BulkReport:
        await asyncio.sleep(3.0)
        async with night.process() as client:
            return await bulk.resume(client, RUN, quiet=QUIET)

    report, seen = await asyncio.gather(night.finished(), look())
    night.check(report)
    adds_up(seen)
    assert seen.ok
    assert 0 < seen.handed_in <= report.handed_in


async def test_runs_of_two_names_wait_for_each_other(night: Night) -> None:
    """Of one taxpayer one job at a time, whichever run it is of."""
    halves = [{g: d[place::2] for g, d in night.work.items()} for place in (0, 1)]

    async def one(number: int) -> BulkReport:
        async with night.process() as client:
            return await night.run(client, halves[number], run=f"night {number}", max_records=3)

    first, second = await asyncio.gather(one(0), one(1))
    assert first.ok
    assert second.ok
    assert first.succeeded + second.succeeded == len(night.wanted)
    assert set(arrived(night.sim).values()) == {1}
    in_turn(night.sim)


# -- whatever happens ----------------------------------------------------------------------------------

_FAULTS = (
    Fault.drop_before(),
    Fault.drop_after(),
    Fault.delay(0),
    Fault.delay(0),
    Fault.half_open(effect=True),
)


async def one_life(night: Night, chance: random.Random, *, begins_in: float) -> None:
    """Let a process carry the run out until it ends, dies at a write to the journal, or is cancelled."""
    last = chance.choice([chance.randint(1, 25), 1_000_000])
    journal = Mortal(night.shelf.journal(), last, written=chance.random() < 0.5)
    client = night.process(journal)
    await asyncio.sleep(begins_in)
    going = asyncio.ensure_future(night.run(client))
    death = asyncio.create_task(journal.died.wait())
    limit = chance.choice([chance.uniform(0.0, 60.0), None])
    done, _ = await asyncio.wait([going, death], return_when=asyncio.FIRST_COMPLETED, timeout=limit)
    death.cancel()
    going.cancel()
    await asyncio.gather(going, return_exceptions=True)
    if not journal.died.is_set():
        await client.aclose()
    if going in done:
        adds_up(going.result())


async def lives(night: Night, chance: random.Random) -> None:
    """Let processes live and die, one after the other or several at once; none may take a day."""
    others = asyncio.all_tasks()
    async with asyncio.timeout(86400.0):
        for _ in range(chance.randint(1, 3)):
            begins = [0.0] + [chance.uniform(0.0, 30.0) for _ in range(chance.choice([0, 0, 1, 2]))]
            await asyncio.gather(*(one_life(night, chance, begins_in=begin) for begin in begins))
            for task in asyncio.all_tasks() - others:  # what the dead have left
                task.cancel()


@pytest.mark.parametrize("seed", sample(range(4), 2))
async def test_whatever_becomes_of_several_processes(seed: int) -> None:
    """Rivals, deaths, lost answers, by chance; two more runs finish it: one gives up where much is lost."""
    for number in range(15):
        chance = random.Random(f"{seed}/{number}")  # noqa: S311 # the same each time
        sim = Simulator(
            seed=number, taxpayers=2, invoices=14, sections=["b2b"], job_seconds=5.0, download_seconds=0.01
        )
        night = await Night.begin(sim, Shelf(None, sim))
        sim.script_fault("save", *chance.choices(_FAULTS, k=chance.choice([0, 6])))
        await lives(night, chance)
        adds_up(await night.finished())
        night.check(await night.finished())
