"""A process dies at whatever instant; the next one leaves nothing behind, and sends nothing twice."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from ims_async import Decision, ImsClient, ImsError, JournalError, PayloadTooLarge, RateLimited, bulk
from ims_async.journal import Change, Claim, Journal, MemoryJournal, Now
from ims_async.net.transport import MemoryTransport
from ims_async.simulator import Fault, Simulator

from ..conftest import dialect, make_client, make_gsp
from ..support.bulk_flows import adds_up, applied, log_in, undecided
from ..support.sweeps import LONG, stride
from .test_bulk_sizes import Narrow

pytestmark = [pytest.mark.looptime, pytest.mark.both_gsps]


class Life:
    """So many steps that a process lives; whatever it awaits after the last never returns."""

    def __init__(self, steps: float) -> None:
        self.left, self.taken = steps, 0
        self.over = asyncio.Event()
        """The test is over: what still hangs may end."""

    async def step(self) -> None:
        """Take a step, or die."""
        self.left, self.taken = self.left - 1, self.taken + 1
        if self.left < 0:
            await self.over.wait()
            raise JournalError("the process has died")


class MortalJournal:
    """A journal as a process sees it that may die before and after each call."""

    def __init__(self, inner: Journal, life: Life) -> None:
        self._inner, self._life = inner, life

    async def _do(self, name: str, *args: Any, **facts: Any) -> Any:
        await self._life.step()
        answer = await getattr(self._inner, name)(*args, **facts)
        await self._life.step()
        return answer

    async def add(self, *args: Any, **facts: Any) -> Change:
        """Pass it on, as all of these do."""
        found: Change = await self._do("add", *args, **facts)
        return found

    async def claim(self, *args: Any, **facts: Any) -> Claim:
        found: Claim = await self._do("claim", *args, **facts)
        return found

    async def put(self, *args: Any, **facts: Any) -> Change | None:
        found: Change | None = await self._do("put", *args, **facts)
        return found

    async def find(self, *args: Any, **facts: Any) -> list[Change]:
        found: list[Change] = await self._do("find", *args, **facts)
        return found

    async def records(self, *args: Any, **facts: Any) -> list[Any]:
        found: list[Any] = await self._do("records", *args, **facts)
        return found

    async def now(self) -> Now:
        found: Now = await self._do("now")
        return found

    async def aclose(self) -> None:
        return None


class MortalWay:
    """A way into a simulator on which the process may die before a request leaves, and before its answer."""

    def __init__(self, sim: Simulator, life: Life, gateway: Any = None) -> None:
        self._way, self._life = MemoryTransport(gateway or sim.transport, clock=sim.now), life

    async def send(self, request: Any) -> Any:
        """Hand it over."""
        await self._life.step()
        answer = await self._way.send(request)
        await self._life.step()
        return answer

    async def aclose(self) -> None:
        """Nothing to close."""


def handing_in(client: ImsClient, work: dict[str, list[Decision]]) -> list[asyncio.Task[Any]]:
    """Save each decision by itself, and wait for its job."""

    async def save(gstin: str, decision: Decision) -> None:
        with contextlib.suppress(ImsError):  # its caller does nothing about it before it dies
            await (await client.taxpayer(gstin).save([decision]))

    return [asyncio.create_task(save(gstin, one)) for gstin, some in work.items() for one in some]


async def live_and_die(steps: float, kill_recovery: float = float("inf"), *, done: bool) -> tuple[int, int]:
    """Let a process hand in decisions, one of which gets no answer; then recover. Return what each lived."""
    sim = Simulator(seed=7, taxpayers=2, invoices=40, sections=["b2b"], job_seconds=3.0)
    memory = MemoryJournal(clock=sim.now)
    work = {who.gstin: (await undecided(who))[:3] for who in log_in(make_client(sim), sim)}
    sim.script_answer("save", 200, dialect().half, after=done)
    life, later = Life(steps), Life(kill_recovery)
    tasks = []
    first = make_client(sim, journal=MortalJournal(memory, life), transport=MortalWay(sim, life))
    log_in(first, sim)
    tasks += handing_in(first, work)
    await asyncio.wait(tasks, timeout=120)
    second = make_client(sim, journal=MortalJournal(memory, later), transport=MortalWay(sim, later))
    log_in(second, sim)

    async def recover() -> None:
        await bulk.recover(second)

    tasks.append(asyncio.create_task(recover()))
    await asyncio.wait(tasks[-1:], timeout=7200)
    last = make_client(sim, journal=memory)
    log_in(last, sim)
    report = await bulk.recover(last)
    adds_up(report)
    handed_in = [
        (change.token.gstin, record.number)
        for change in await memory.find()
        for record in await memory.records(change.id)
    ]
    where = f"dead after {steps} and {kill_recovery} steps: {report}"
    assert not report.errors, where
    assert {(effect.gstin, effect.number) for effect in sim.effects} == set(handed_in), where
    assert set(applied(sim).values()) <= {1}, where
    assert (await bulk.recover(last)).handed_in == 0, where
    for one in (life, later):
        one.over.set()
    await asyncio.wait(tasks)
    return life.taken, later.taken


@pytest.mark.parametrize("done", [False, True])
async def test_whenever_a_process_dies_everything_that_it_wrote_down_is_done_once(done: bool) -> None:
    """At each call of the journal, and at each request and answer."""
    steps, _ = await live_and_die(float("inf"), done=done)
    assert steps > 60
    for number in range(int(done), steps, 3 * stride(8)):
        await live_and_die(number, done=done)


async def test_whenever_a_recovery_dies_the_next_one_finishes_it() -> None:
    """After a process that lived long enough to be told that its change was in the way."""
    _, steps = await live_and_die(float("inf"), done=False)
    assert steps > 30
    for number in range(0, steps, 2 if LONG else 9):
        await live_and_die(float("inf"), number, done=False)


async def recover_in_parts(steps: float, gsp_name: str) -> int:
    """Let a recovery die whose batch is refused for its size, then let another finish it."""
    sim = Simulator(seed=7, taxpayers=1, invoices=60, sections=["b2b"], job_seconds=3.0)
    memory, life = MemoryJournal(clock=sim.now), Life(steps)
    first = make_client(sim, journal=memory)
    batch = (await undecided(log_in(first, sim)[0]))[:9]
    sim.script_fault("save", *[Fault.throttled()] * 3)
    with pytest.raises(RateLimited):
        await first.taxpayer(sim.gstins[0]).save(batch)
    sim.advance(1000)
    gateway = Narrow(sim, gsp_name, 700)
    way, gsp = MortalWay(sim, life, gateway), make_gsp(sim)
    second = make_client(sim, journal=MortalJournal(memory, life), transport=way, gsp=gsp)
    log_in(second, sim)
    dying = asyncio.ensure_future(bulk.recover(second))
    await asyncio.wait([dying], timeout=7200)
    last = make_client(sim, journal=memory, transport=gateway, gsp=gsp)
    log_in(last, sim)
    report = await bulk.recover(last)
    adds_up(report)
    where = f"dead after {steps} steps: {report}"
    assert not report.errors, where
    assert len(gateway.refused) >= 2, where
    assert (len(applied(sim)), set(applied(sim).values())) == (len(batch), {1}), where
    assert [job async for job in last.called_off(retried=False)] == [], where
    assert (await bulk.recover(last)).handed_in == 0, where
    life.over.set()
    await asyncio.wait([dying])
    return life.taken


async def test_whenever_a_recovery_in_parts_dies_no_part_is_lost(gsp_name: str) -> None:
    """A batch that was refused for its size counts as handed in again once each of its parts is."""
    steps = await recover_in_parts(float("inf"), gsp_name)
    assert steps > 60
    for number in range(0, steps, 7 * stride(3)):
        await recover_in_parts(number, gsp_name)


async def test_recovery_sends_in_parts_what_was_refused_for_its_size(sim: Simulator, gsp_name: str) -> None:
    """A single `save` of too much did nothing, and no record of it was refused; one record alone was."""
    memory, gateway = MemoryJournal(clock=sim.now), Narrow(sim, gsp_name, 1500)
    client = make_client(sim, journal=memory, transport=gateway, gsp=make_gsp(sim))
    batch = (await undecided(log_in(client, sim)[0]))[:5]
    gateway.limit = 10
    for some in (batch[:1], batch[1:]):
        with pytest.raises(PayloadTooLarge):
            await client.taxpayer(sim.gstins[0]).save(some)
    gateway.limit = 1500
    report = await bulk.recover(client)
    assert (report.ok, report.handed_in, len(applied(sim))) == (True, 4, 4)
    assert [job.records async for job in client.called_off(retried=False)] == [tuple(batch[:1])]
