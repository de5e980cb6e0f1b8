"""Whatever is broken off while it waits, at any point, gives back what it held."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from ims_async import (
    ClientClosed,
    FileCredentialStore,
    ImsClient,
    ImsError,
    ImsJob,
    InvoiceList,
    PollPolicy,
    RateLimit,
    Sandbox,
    Section,
    Taxpayer,
    as_completed,
    bulk,
)
from ims_async.gsp.base import Token
from ims_async.jobs.submission import FifoGate
from ims_async.journal import Change, ChangeState, MemoryJournal, SqliteJournal
from ims_async.model.secret import Secret
from ims_async.net.rate_limit import Pacer
from ims_async.net.transport import MemoryTransport
from ims_async.simulator import Simulator

from ..conftest import LOGIN, make_client, make_gsp
from ..support.breaking_off import at_each_point, drained
from ..support.bulk_flows import decided

pytestmark = pytest.mark.looptime


class Slowly:
    """A way into a simulator that takes some seconds for each answer."""

    seconds = 1.0

    def __init__(self, sim: Simulator) -> None:
        self._way = MemoryTransport(sim.transport, clock=sim.now)

    async def send(self, request: Any) -> Any:
        """Answer, in a while."""
        answer = await self._way.send(request)
        await asyncio.sleep(self.seconds)
        return answer

    async def aclose(self) -> None:
        """Take a while to close, too."""
        await asyncio.sleep(1.0)


class Yielding(MemoryJournal):
    """A journal that lets others have a turn whenever it is asked."""

    async def add(self, *args: Any, **facts: Any) -> Change:
        """As the other, in a while."""
        await asyncio.sleep(0)
        change = await super().add(*args, **facts)
        await asyncio.sleep(0)
        return change

    async def claim(self, *args: Any, **facts: Any) -> Any:
        """As the other, in a while."""
        await asyncio.sleep(0)
        return await super().claim(*args, **facts)

    async def put(self, change: Change) -> Change | None:
        """As the other, in a while."""
        await asyncio.sleep(0)
        return await super().put(change)

    async def find(self, *args: Any) -> Any:
        """As the other, in a while."""
        await asyncio.sleep(0)
        return await super().find(*args)

    async def records(self, change_id: str) -> Any:
        """As the other, in a while."""
        await asyncio.sleep(0)
        return await super().records(change_id)

    async def aclose(self) -> None:
        """As the other, in a while."""
        await asyncio.sleep(0)


@attrs.define(kw_only=True)
class World:
    """A client, one taxpayer with a session and rows, and what was begun in the background."""

    sim: Simulator
    way: Slowly
    client: ImsClient
    acme: Taxpayer
    rows: InvoiceList
    job: ImsJob
    begun: list[asyncio.Task[Any]] = attrs.field(factory=list)

    def begin(self, work: Coroutine[Any, Any, Any]) -> None:
        """Begin something in the background."""
        self.begun.append(asyncio.create_task(work))


async def made() -> World:
    """Make a world in which a job runs for a minute."""
    sim = Simulator(seed=7, taxpayers=3, invoices=8, sections=["b2b", "b2bcn"], job_seconds=60.0)
    way = Slowly(sim)
    client = make_client(
        sim,
        gsp=make_gsp(sim, **(LOGIN if make_gsp(sim).kind == "vayana" else {})),
        transport=way,
        journal=Yielding(clock=sim.now),
        poll=PollPolicy(initial_delay=7.0),
        rate=RateLimit(1000),
    )
    acme = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    rows = await acme.invoices(Section.B2B)
    job = await acme.save([rows[0].accept()])
    return World(sim=sim, way=way, client=client, acme=acme, rows=rows, job=job)


async def goes_on(world: World) -> None:
    """Check that reads, changes and closing work, and that nothing is left behind."""
    client, acme = world.client, world.acme
    acme.use_token(world.sim.token(acme.gstin))
    assert (await acme.counts()).total
    for job in await client.unfinished():
        its = client.taxpayer(job.gstin)
        with contextlib.suppress(ImsError):
            await (job.wait() if job.reference_id else its.reconcile(job, quiet=0.0))
        await its.let_go(job)
    row = (await acme.invoices(Section.B2BCN))[0]
    report = await (await acme.save([decided(row)]))
    assert report.processed_count == 1
    await closes(world)


async def closes(world: World) -> None:
    """Check that it closes, whoever waits is answered, and nothing is left behind."""
    await world.client.aclose()
    await asyncio.gather(*world.begun, return_exceptions=True)
    for _ in range(5):
        await asyncio.sleep(0)  # what was cancelled last has its turn
    assert asyncio.all_tasks() == {asyncio.current_task()}


# -- closing -------------------------------------------------------------------------------------------


async def busy() -> World:
    """Make a world in which a job is polled, changes are sent and wait, and a session is renewed."""
    world = await made()
    client, sim = world.client, world.sim
    await world.job.refresh()
    world.begin(world.job.result())
    world.begin(world.acme.save([world.rows[1].accept()]))
    world.begin(world.acme.logout(wait=True))
    second, third = (client.taxpayer(gstin, token=sim.token(gstin)) for gstin in sim.gstins[1:])
    world.begin(second.save([decided(row) for row in await second.invoices(Section.B2B)]))
    world.begin(third.refresh())
    world.begin(third.counts())
    await asyncio.sleep(0.5)
    return world


async def left(client: ImsClient) -> None:
    """Use a client as one does."""
    async with client:
        await asyncio.sleep(0)


@pytest.mark.both_gsps
@pytest.mark.parametrize("close", [ImsClient.aclose, left], ids=["aclose", "async with"])
async def test_closing_can_be_broken_off(close: Callable[[ImsClient], Coroutine[Any, Any, None]]) -> None:
    """The second time closes."""
    assert await at_each_point(busy, lambda world: close(world.client), closes)


@pytest.mark.both_gsps
async def test_who_waits_for_a_renewal_that_closing_breaks_off_is_told_so() -> None:
    """It was not cancelled itself: what it gets is an error of ours."""
    world = await made()
    world.way.seconds = 3600.0
    world.begin(world.acme.refresh())
    await asyncio.sleep(1.0)
    await world.client.aclose()
    (outcome,) = await asyncio.gather(*world.begun, return_exceptions=True)
    assert isinstance(outcome, ClientClosed)


@pytest.mark.looptime(False)
@pytest.mark.sim(job_seconds=0.0)
async def test_connections_are_closed_however_often_closing_was_broken_off(sim: Simulator) -> None:
    """Those for reads and those for changes."""

    async def used() -> ImsClient:
        gsp = Sandbox("key_test_demo", "secret_test_demo", base_url=sim.url)
        client = ImsClient(gsp, clock=sim.now)
        acme = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
        row = (await acme.invoices(Section.B2B))[0]
        await acme.save([row.accept()])
        await acme.let_go((await client.unfinished())[0])
        transports.append(vars(client)["_services"].exchange.transport)
        return client

    async def check(client: ImsClient) -> None:
        pools = list(vars(transports[-1])["_own"].values())
        await client.aclose()
        assert all(pool.closed for pool in pools)
        assert not vars(transports[-1])["_own"]

    transports: list[Any] = []
    async with sim:
        assert await at_each_point(used, ImsClient.aclose, check)


# -- everything else that waits --------------------------------------------------------------------------


async def logs_in(world: World) -> None:
    """Begin a session."""
    other = world.client.taxpayer(world.sim.gstins[1])
    await other.request_otp(world.sim.taxpayers[1].username)
    await other.verify_otp("575757")


async def is_renewed(world: World) -> None:
    """Meet an ended token."""
    world.sim.expire_all(world.acme.gstin)
    with contextlib.suppress(ImsError):
        await world.acme.counts()


async def keeps_alive(world: World) -> None:
    """Renew a session whose end is near."""
    await world.acme.refresh()
    await world.acme.keep_alive()


async def streams(world: World) -> None:
    """Read everything, part by part."""
    assert await drained(world.acme.all_invoices())


async def is_paced(world: World) -> None:
    """Read many things at once."""
    await asyncio.gather(*(world.acme.counts() for _ in range(3)))


async def runs(world: World) -> None:
    """Save the decisions of several taxpayers."""
    await bulk.save_all(world.client, await work(world), run="a run", concurrency=1)


async def runs_by_event(world: World) -> None:
    """Follow a run."""
    await drained(bulk.save_all(world.client, await work(world), run="a run").__aiter__())


async def work(world: World) -> dict[Taxpayer, list[Any]]:
    """Return what there is to do for two taxpayers."""
    other = world.client.taxpayer(world.sim.gstins[1], token=world.sim.token(world.sim.gstins[1]))
    row = (await other.invoices(Section.B2B))[0]
    return {world.acme: [world.rows[1].accept()], other: [row.accept()]}


async def retries(world: World) -> None:
    """Send again what was not applied."""
    report = await world.job
    await world.acme.retry(attrs.evolve(report, failed=(), unaccounted=(world.rows[1].accept(),)))


OPERATIONS: Final[dict[str, Callable[[World], Coroutine[Any, Any, Any]]]] = {
    "a login": logs_in,
    "a renewal after a refusal": is_renewed,
    "a refresh": keeps_alive,
    "a logout": lambda world: world.acme.logout(wait=True),
    "a read of rows": lambda world: world.acme.invoices(Section.B2B),
    "reads at once": is_paced,
    "a save": lambda world: world.client.taxpayer(world.acme.gstin).save([world.rows[1].accept()]),
    "a reset": lambda world: world.acme.reset([world.rows[1]]),
    "a look": lambda world: world.acme.reconcile(world.job),
    "a retry": retries,
    "waiting for a job": lambda world: world.job.result(),
    "waiting for so long": lambda world: world.job.wait(timeout=3600.0),
    "listening to a job": lambda world: drained(world.job.events()),  # type: ignore[arg-type] # it is one
    "jobs as they end": lambda world: drained(as_completed([world.job])),  # type: ignore[arg-type] # as above
    "what is unfinished": lambda world: world.client.unfinished(),
    "what has finished": lambda world: drained(world.client.finished()),
    "a pull": lambda world: drained(bulk.pull_all(world.client, world.sim.gstins[:1]).__aiter__()),
}


@pytest.mark.both_gsps
@pytest.mark.parametrize("name", OPERATIONS)
async def test_whatever_is_broken_off_gives_back_what_it_held(name: str) -> None:
    """Reads, changes and closing go on as if nothing had been."""
    assert await at_each_point(made, OPERATIONS[name], goes_on)


@pytest.mark.both_gsps
@pytest.mark.only_gsp("vayana", "Sandbox answers rows at once: there is nothing to wait for")
async def test_a_stream_that_is_broken_off_gives_back_what_it_held() -> None:
    """Parts are asked for ahead of the caller, in tasks."""
    assert await at_each_point(made, streams, goes_on)


@pytest.mark.parametrize("act", [runs, runs_by_event])
async def test_a_run_that_is_broken_off_gives_back_what_it_held(
    act: Callable[[World], Coroutine[Any, Any, None]],
) -> None:
    """The taxpayers' turns, its own places, its name."""
    assert await at_each_point(made, act, goes_on)


@pytest.mark.both_gsps
@pytest.mark.parametrize("name", ["a save", "a logout", "a refresh"])
async def test_those_who_wait_behind_it_go_on(name: str) -> None:
    """As those that were broken off never stood in line."""

    async def followed(world: World) -> None:
        world.acme.use_token(world.sim.token(world.acme.gstin))
        report = await (await world.acme.save([world.rows[2].accept()]))
        assert report.ok
        await closes(world)

    async def act(world: World) -> None:
        await OPERATIONS[name](world)

    async def waiting() -> World:
        world = await made()
        world.begin(world.acme.counts())
        return world

    assert await at_each_point(waiting, act, followed)


@pytest.mark.parametrize("later", range(6))
async def test_what_is_cancelled_twice_is_called_off_all_the_same(later: int) -> None:
    """Whatever step of its calling-off the second cancellation meets, and with nothing done afterwards."""
    world = await made()
    client = world.client
    task = asyncio.create_task(world.acme.save([world.rows[1].accept()]))
    await asyncio.sleep(1.0)  # it waits for the job ahead
    task.cancel()
    for _ in range(later):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(1.0)
    assert [job.change.state async for job in client.called_off()] == [ChangeState.CALLED_OFF]
    await client.aclose()


# -- the parts -------------------------------------------------------------------------------------------


async def test_a_place_in_a_line_is_given_up() -> None:
    """Whoever is behind waits for those ahead, and not for who has gone."""

    async def two_ahead() -> tuple[FifoGate, list[asyncio.Task[None]]]:
        line = FifoGate()
        ahead = [asyncio.create_task(stand(line, 5.0)) for _ in range(2)]
        await asyncio.sleep(0)
        return line, ahead

    async def stand(line: FifoGate, seconds: float = 0.0) -> None:
        with line.join() as turn:
            await turn()
            await asyncio.sleep(seconds)

    async def check(world: tuple[FifoGate, list[asyncio.Task[None]]]) -> None:
        line, ahead = world
        await stand(line)
        assert all(task.done() for task in ahead)
        assert not line.busy

    assert await at_each_point(two_ahead, lambda world: stand(world[0], 1.0), check)


async def test_a_turn_of_the_pacer_is_given_back() -> None:
    """One that was let go in the same breath does not count."""

    async def full() -> tuple[Pacer, asyncio.Task[None]]:
        through = Pacer(RateLimit(1), clock=asyncio.get_running_loop().time)
        ahead = asyncio.create_task(go(through))
        await asyncio.sleep(0)
        return through, ahead

    async def go(through: Pacer) -> None:
        async with through.turn("A"):
            await asyncio.sleep(1.0)

    async def check(world: tuple[Pacer, asyncio.Task[None]]) -> None:
        through, ahead = world
        began = asyncio.get_running_loop().time()
        await asyncio.gather(ahead, go(through))
        assert asyncio.get_running_loop().time() - began < 130.0

    assert await at_each_point(full, lambda world: go(world[0]), check)


@pytest.mark.looptime(False)
@pytest.mark.parametrize("what", ["write", "close"])
async def test_a_journal_is_closed_however_often_closing_was_broken_off(tmp_path: Path, what: str) -> None:
    """When closing returns its file is closed; what was asked is on the disk."""
    numbers = iter(range(1000))

    async def written() -> SqliteJournal:
        kept = SqliteJournal(tmp_path / f"journal-{next(numbers)}.db")
        await write(kept, "a")
        return kept

    async def write(kept: SqliteJournal, name: str) -> None:
        token = make_client(Simulator(invoices=0)).taxpayer("29AAACQ3770E1ZF").job("R1").token
        change = await kept.add(Change(id=name, token=token), [])
        await kept.claim(change.claimed(token))

    async def both(kept: SqliteJournal) -> None:
        await write(kept, "b")
        await kept.aclose()

    async def check(kept: SqliteJournal) -> None:
        await kept.aclose()
        assert not os.path.exists(f"{kept.path}-wal")  # noqa: ASYNC240,PTH110 # SQLite removes it in closing
        assert {change.id for change in await kept.find()} in ({"a"}, {"a", "b"})
        await kept.aclose()

    acts: dict[str, Callable[[SqliteJournal], Coroutine[Any, Any, None]]] = {
        "write": both,
        "close": lambda kept: kept.aclose(),
    }
    assert await at_each_point(written, acts[what], check)


@pytest.mark.looptime(False)
async def test_a_credential_file_is_whole_and_free_wherever_saving_was_broken_off(tmp_path: Path) -> None:
    """It holds the old token or the new one, and nobody keeps it locked."""
    old, new, newest = (Token(value=Secret(f"tok_{number}")) for number in range(3))

    async def kept() -> FileCredentialStore:
        store = FileCredentialStore(tmp_path / "tokens.json")
        await store.save("account", "", old)
        return store

    async def check(store: FileCredentialStore) -> None:
        assert await store.load("account", "") in (old, new)
        await FileCredentialStore(tmp_path / "tokens.json").save("account", "", newest)
        assert await store.load("account", "") == newest

    await at_each_point(kept, lambda store: store.save("account", "", new), check)


@pytest.mark.looptime(False)
async def test_the_simulators_server_stops_however_often_that_was_broken_off() -> None:
    """And gives its port back; so does one whose start was broken off."""

    ports: list[int] = []

    async def world() -> Simulator:
        return Simulator(invoices=0)

    async def use(sim: Simulator) -> None:
        async with sim:
            ports.append(int(sim.url.rpartition(":")[2]))
            await asyncio.sleep(0)

    async def check(sim: Simulator) -> None:
        await sim.__aexit__(None, None, None)
        for port in ports:
            with pytest.raises(OSError, match=r"refused|Connect call failed"):
                await asyncio.open_connection("127.0.0.1", port)
        ports.clear()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    assert await at_each_point(world, use, check)
