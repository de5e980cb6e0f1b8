"""A client belongs to one event loop: any other gets one clear error, from every coroutine."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import attrs
import pytest

import ims_async
from ims_async import (
    FileCredentialStore,
    ImsClient,
    ImsError,
    ImsJob,
    MemoryCredentialStore,
    Retry,
    Sandbox,
    Taxpayer,
    WrongEventLoop,
    as_completed,
    bulk,
    journal,
)
from ims_async.journal import Change, Journal, MemoryJournal, SqliteJournal
from ims_async.loop_owner import LoopOwner
from ims_async.simulator import Simulator

from .conftest import QUICK
from .support.bulk_flows import undecided

# Runs that are refused in another loop are never begun.
pytestmark = pytest.mark.filterwarnings("ignore:(Bulk|Pull)Run was never awaited")


@attrs.frozen(kw_only=True)
class World:
    """What was used in the first loop."""

    sim: Simulator
    client: ImsClient
    taxpayer: Taxpayer
    job: ImsJob
    retry: Retry
    journal: MemoryJournal


THINGS: Final[dict[type, Callable[[World], Any]]] = {
    ImsClient: lambda world: world.client,
    Taxpayer: lambda world: world.taxpayer,
    ImsJob: lambda world: world.job,
    Retry: lambda world: world.retry,
    bulk.BulkRun: lambda world: bulk.save_all(world.client, {}),
    bulk.PullRun: lambda world: bulk.pull_all(world.client, []),
}
FUNCTIONS: Final[dict[str, Callable[[World], Any]]] = {
    "as_completed": lambda world: as_completed([world.job]),
    "recompute_due": lambda world: bulk.recompute_due(world.client, "102024"),
}
ANY_LOOP: Final = {SqliteJournal, FileCredentialStore, MemoryCredentialStore}
"""They keep nothing of a loop's between two calls; see the tests of sharing below."""
MOVABLE: Final = {MemoryJournal}


def doors() -> Iterator[tuple[str, type | None, str]]:
    """Yield every public coroutine and async iterator: class and method, or function."""
    public = [getattr(module, name) for module in (ims_async, bulk, journal) for name in module.__all__]
    for thing in dict.fromkeys(public):
        if inspect.isclass(thing) and not getattr(thing, "_is_protocol", False):
            for name, member in inspect.getmembers(thing):
                shown = not name.startswith("_") or name in (
                    "__await__",
                    "__aenter__",
                    "__aexit__",
                    "__aiter__",
                )
                if shown and (_is_async(member) or name == "__await__"):
                    yield f"{thing.__name__}.{name}", thing, name
        elif _is_async(thing):
            yield thing.__name__, None, thing.__name__


def _is_async(thing: object) -> bool:
    wrapped = inspect.unwrap(thing) if callable(thing) else thing
    if not inspect.isfunction(wrapped):
        return False
    returned = str(wrapped.__annotations__.get("return"))  # of a function that hands on an iterator
    return inspect.iscoroutinefunction(wrapped) or returned.startswith(("AsyncGenerator", "AsyncIterator"))


DOORS: Final = {label: (kind, name) for label, kind, name in doors() if kind not in ANY_LOOP | MOVABLE}


async def use(thing: Any) -> Any:
    """Await something, or take the first step of an iterator."""
    return await anext(thing) if isinstance(thing, AsyncGenerator) else await thing


async def enter(world: World, label: str) -> Any:
    """Call something; what it is given does not matter, since it is not looked at."""
    kind, name = DOORS[label]
    if kind is None:
        return await use(FUNCTIONS[name](world))
    thing = THINGS[kind](world)
    if name == "__await__":
        return await thing
    method = getattr(thing, name)
    needed = [p for p in inspect.signature(method).parameters.values() if p.default is p.empty]
    places = [None for p in needed if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    named = {p.name: None for p in needed if p.kind is p.KEYWORD_ONLY}
    return await use(method(*places, **named))


async def used(sim: Simulator, **settings: Any) -> World:
    """Make a client and use it: from now on it belongs to this loop."""
    kept = MemoryJournal(clock=sim.now)
    facts: dict[str, Any] = {"transport": sim.transport, "clock": sim.now, "journal": kept, "poll": QUICK}
    client = ImsClient(**{"gsp": Sandbox("key_test_demo", "secret_test_demo"), **facts, **settings})
    taxpayer = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    job = await taxpayer.save(await undecided(taxpayer))
    await job
    report = job.report
    assert report is not None
    return World(
        sim=sim,
        client=client,
        taxpayer=taxpayer,
        job=job,
        retry=attrs.evolve(await taxpayer.retry(report), job=job),
        journal=kept,
    )


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Let go of the runs that an error's frames hold: another test's filters do not ignore their warning."""
    yield
    gc.collect()


@pytest.fixture
def sim() -> Simulator:
    """A small world."""
    return Simulator(seed=7, taxpayers=2, invoices=8, job_seconds=0.0)


@pytest.fixture
def first() -> Iterator[asyncio.Runner]:
    """The loop that is there first, and stays."""
    with asyncio.Runner() as runner:
        yield runner


def in_another(begin: Callable[[], Awaitable[Any]]) -> Any:
    """Do something in an event loop of its own."""

    async def main() -> Any:
        return await begin()

    return asyncio.run(main())


def refused(begin: Callable[[], Awaitable[Any]]) -> WrongEventLoop:
    """Return the error that another loop gets."""
    with pytest.raises(WrongEventLoop) as caught:
        in_another(begin)
    return caught.value


def test_every_class_with_coroutines_is_looked_at() -> None:
    """A new one has to be named here, with what its instances are."""
    assert {kind for kind, _ in DOORS.values() if kind is not None} == set(THINGS)
    assert {name for kind, name in DOORS.values() if kind is None} == set(FUNCTIONS)
    assert len(DOORS) > 35


def test_every_coroutine_is_refused_in_another_loop(first: asyncio.Runner, sim: Simulator) -> None:
    """With the simulator in memory as with sockets; nothing is sent, and the first loop goes on."""
    world = first.run(used(sim))
    asked = len(sim.requests)
    for label in DOORS:
        error = refused(functools.partial(enter, world, label))
        assert "asyncio.Runner" in str(error), label
        assert "for each loop" in str(error), label
    assert len(sim.requests) == asked
    assert first.run(world.taxpayer.counts()).total
    first.run(world.client.aclose())


def test_over_http_it_is_the_same(first: asyncio.Runner, sim: Simulator) -> None:
    """A pool of connections changes nothing about it."""

    async def begin() -> World:
        await sim.__aenter__()
        gsp = Sandbox("key_test_demo", "secret_test_demo", base_url=sim.url)
        return await used(sim, gsp=gsp, transport=None)

    world = first.run(begin())
    for label in DOORS:
        refused(functools.partial(enter, world, label))
    assert first.run(world.taxpayer.counts()).total
    first.run(world.client.aclose())
    first.run(sim.__aexit__(None, None, None))


async def test_a_second_thread_is_refused_and_does_not_hang(sim: Simulator) -> None:
    """While the first loop runs, and holds the line of the taxpayer."""
    world = await used(sim)
    for label in DOORS:
        with pytest.raises(WrongEventLoop, match="in another thread"):
            await asyncio.to_thread(in_another, functools.partial(enter, world, label))
    await world.client.aclose()


def test_a_client_of_a_module_and_asyncio_run_for_each_call(sim: Simulator) -> None:
    """The error says what happened; it is ours, a `RuntimeError`, and none that is tried again."""
    client = ImsClient(Sandbox("key_test_demo"), transport=sim.transport, clock=sim.now)
    acme = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    assert asyncio.run(use(acme.counts())).total
    with pytest.raises(
        WrongEventLoop,
        match=r"client was used in another event loop, which has ended: .*asyncio\.run.*one client for each",
    ):
        asyncio.run(use(acme.counts()))
    assert issubclass(WrongEventLoop, ImsError)
    assert issubclass(WrongEventLoop, RuntimeError)


def test_a_runner_keeps_one_loop_for_all_calls(first: asyncio.Runner, sim: Simulator) -> None:
    """What the error advises works."""
    client = ImsClient(Sandbox("key_test_demo"), transport=sim.transport, clock=sim.now)
    acme = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    assert first.run(acme.counts()) == first.run(acme.counts())
    first.run(client.aclose())


def test_the_error_shows_no_otp(first: asyncio.Runner, sim: Simulator) -> None:
    """What reports errors with local variables finds none in the frames of this library."""
    world = first.run(used(sim))
    error = refused(functools.partial(world.taxpayer.verify_otp, "135790"))
    assert_no_otp(error)
    first.run(world.client.aclose())


async def test_nor_does_that_of_a_wrong_call(sim: Simulator) -> None:
    """The check stands between the caller and the method that refuses an argument."""
    world = await used(sim)
    with pytest.raises(TypeError) as caught:
        await world.taxpayer.verify_otp("135790", "a name")  # type: ignore[call-arg] # on purpose
    assert_no_otp(caught.value)
    await world.client.aclose()


def assert_no_otp(error: BaseException) -> None:
    """Look at the local variables of this library's frames."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours = [frame for frame in frames if "ims_async" in frame.f_globals["__name__"]]
    assert ours
    assert not [frame for frame in ours if "135790" in repr(frame.f_locals)]


def test_a_session_that_was_handed_in_brings_its_loop(first: asyncio.Runner, sim: Simulator) -> None:
    """Its sockets are of the loop that it was made in, whichever uses the client first."""

    async def made() -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    session = first.run(made())
    client = ImsClient(Sandbox("key_test_demo"), session=session)
    acme = client.taxpayer(sim.gstins[0], token="mine")
    refused(acme.counts)
    first.run(client.aclose())
    first.run(session.close())


def test_an_iterator_does_not_move_to_another_loop(first: asyncio.Runner, sim: Simulator) -> None:
    """Begun in one, it is refused in the next."""
    world = first.run(used(sim))
    iterators: list[AsyncGenerator[Any, None]] = [
        world.taxpayer.all_invoices(),
        world.client.finished(),
        world.job.events(),  # type: ignore[list-item] # it is one
        bulk.pull_all(world.client, sim.gstins).__aiter__(),
        as_completed([world.job]),  # type: ignore[list-item] # it is one
    ]
    for iterator in iterators:
        first.run(use(iterator))
        refused(functools.partial(use, iterator))
        first.run(iterator.aclose())
    first.run(world.client.aclose())


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_journal_is_shared_by_clients_one_after_another(sim: Simulator, tmp_path: Path, kind: str) -> None:
    """Each in a loop of its own, also where the one before was never closed."""
    kept: Journal = (
        MemoryJournal(clock=sim.now) if kind == "memory" else SqliteJournal(tmp_path / "journal.db")
    )
    for gstin in sim.gstins:

        async def once(gstin: str = gstin) -> int:
            client = ImsClient(Sandbox("key_test_demo"), transport=sim.transport, journal=kept, clock=sim.now)
            acme = client.taxpayer(gstin, token=sim.token(gstin))
            await acme.save(await undecided(acme))
            return len(await client.unfinished())

        asyncio.run(once())
    assert len(asyncio.run(use(kept.find()))) == len(sim.gstins)
    asyncio.run(use(kept.aclose()))


async def test_a_journal_in_memory_is_refused_to_a_second_loop_at_the_same_time() -> None:
    """It is no place for two threads at once."""
    kept = MemoryJournal()
    await kept.find()
    for name, member in inspect.getmembers(MemoryJournal, inspect.iscoroutinefunction):
        needed = [p for p in inspect.signature(member).parameters.values() if p.default is p.empty][1:]
        with pytest.raises(WrongEventLoop, match="this journal is in use in another event loop"):
            await asyncio.to_thread(in_another, functools.partial(getattr(kept, name), *needed))


async def test_a_journal_in_a_file_serves_two_threads_at_once(tmp_path: Path, sim: Simulator) -> None:
    """A thread of its own does all the writing, and answers each loop in that loop."""
    kept = SqliteJournal(tmp_path / "journal.db")
    taxpayer = ImsClient(Sandbox("key_test_demo"), transport=sim.transport).taxpayer(sim.gstins[0])
    token = taxpayer.job("R1").token

    async def write(prefix: str) -> None:
        changes = [Change(id=f"{prefix}{n}", token=token) for n in range(25)]
        await asyncio.gather(*(kept.add(change, []) for change in changes))

    await asyncio.gather(
        *(asyncio.to_thread(in_another, functools.partial(write, prefix)) for prefix in ("a", "b")),
        write("c"),
    )
    assert len(await kept.find()) == 75
    await kept.aclose()


async def test_credential_stores_serve_any_loop(tmp_path: Path) -> None:
    """One after another and two at once: they keep nothing of a loop's."""
    for store in (MemoryCredentialStore(), FileCredentialStore(tmp_path / "tokens.json")):

        async def write(name: str, store: Any = store) -> None:
            for place in range(10):
                await store.save("account", f"{name}{place}", None)
                assert await store.load("account", f"{name}{place}") is None

        await asyncio.gather(asyncio.to_thread(in_another, functools.partial(write, "a")), write("b"))
        await asyncio.to_thread(in_another, functools.partial(write, "c"))


def test_two_threads_that_begin_at_once_find_one_owner() -> None:
    """Whichever comes first; the other is refused."""
    owner, outcomes = LoopOwner("client"), []

    async def begin() -> None:
        try:
            owner.check()
        except WrongEventLoop:
            outcomes.append("refused")
        else:
            outcomes.append("taken")

    async def main() -> None:
        await asyncio.gather(*(asyncio.to_thread(in_another, begin) for _ in range(8)))

    asyncio.run(main())
    assert sorted(outcomes) == ["refused"] * 7 + ["taken"]
