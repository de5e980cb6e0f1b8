"""Bulk saves over HTTP on loopback: what a decision costs the client in CPU, and how much memory they take.

The gateway is another process. The simulator checks every record, and takes several times as long for it as
the client does; so for the big figures there is a stand-in that counts the records of a save and remembers
nothing else of them. The simulator is asked as well, with fewer. No figure includes the making of decisions,
but for that of memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any, Final

import attrs
from aiohttp import web

from ims_async import Decision, ImsClient, PollPolicy, Sandbox, bulk
from ims_async.journal import Change, SqliteJournal
from ims_async.simulator import Simulator
from ims_async.simulator.seeding import make_taxpayers

from . import growth, journal, peers, workload
from .growth import SAVE_BYTES
from .measure import Row, can_tell_memory, in_fresh_process, resident, show, spread, take_turns

SEED: Final = 7
JOB_SECONDS: Final = 0.2
POLL: Final = PollPolicy(initial_delay=0.3, factor=1.5, max_interval=2.0)
AT_ONCE: Final = 8  # taxpayers, of a stream
ROUNDS: Final = 5
MEMORY_ROUNDS: Final = 3
TEXTS: Final = "  of which making the rows' texts"
GOAL: Final = 14.0  # microseconds of the client's CPU for a decision

Tokens = dict[str, str]


# -- gateways in processes of their own ------------------------------------------------------------------


@contextlib.contextmanager
def served(serve: Callable[..., None], *arguments: object) -> Iterator[tuple[str, Tokens]]:
    """Start a gateway; yield its address and the taxpayers' tokens; end it."""
    processes = multiprocessing.get_context("spawn")
    here, there = processes.Pipe()
    process = processes.Process(target=serve, args=(there, *arguments), daemon=True)
    process.start()
    there.close()  # so that the end of the process is the end of the pipe
    try:
        yield here.recv()
    finally:
        process.terminate()
        process.join()


def stand_in(told: Connection, taxpayers: int) -> None:
    """Take in whatever comes, and say after a while that all of it was applied."""
    people = make_taxpayers(Random(SEED), taxpayers)
    asyncio.run(_stand_in(told, {person.gstin: "token_bench" for person in people}))


async def _stand_in(told: Connection, tokens: Tokens) -> None:
    jobs: dict[str, tuple[float, int]] = {}

    async def save(request: web.Request) -> web.Response:
        body = await request.read()
        reference = f"{len(jobs) + 1:015x}"
        jobs[reference] = time.monotonic() + JOB_SECONDS, body.count(b'{"stin":')
        return _answer({"reference_id": reference})

    async def status(request: web.Request) -> web.Response:
        due_at, records = jobs[request.query["reference_id"]]
        if time.monotonic() < due_at:
            return _answer({"status_cd": "IP"})
        return _answer({"status_cd": "P", "proc_cnt": str(records)})

    app = web.Application(client_max_size=2 * SAVE_BYTES)
    invoices = "/gst/compliance/tax-payer/invoices/status"
    app.add_routes([web.post(f"{invoices}/save", save), web.get(invoices, status)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    told.send((f"http://127.0.0.1:{runner.addresses[0][1]}", tokens))
    await asyncio.Event().wait()


def _answer(payload: dict[str, Any]) -> web.Response:
    return web.json_response({"code": 200, "data": {"status_cd": "1", "data": payload}})


def simulator(told: Connection, taxpayers: int, invoices: int) -> None:
    """Serve the simulator."""
    asyncio.run(_simulator(told, taxpayers, invoices))


async def _simulator(told: Connection, taxpayers: int, invoices: int) -> None:
    sim = Simulator(
        seed=SEED, taxpayers=taxpayers, invoices=invoices, sections=["b2b"], job_seconds=JOB_SECONDS
    )
    async with sim:
        told.send((sim.url, {gstin: sim.token(gstin) for gstin in sim.gstins}))
        await asyncio.Event().wait()


# -- the client ------------------------------------------------------------------------------------------


class Portions:
    """Makes decisions by reading an answer, as the client does: no two share a value."""

    def __init__(self, count: int) -> None:
        self._body = workload.answer(workload.rows(count, SEED))

    def decisions(self, portion: int) -> list[Decision]:
        """Return a portion that differs from all others in its numbers."""
        body = self._body.replace(b"INV/24-25/", b"%05d/25/A" % portion)
        return [
            row.accept() if place % 5 else row.reject(remarks="not ours")
            for place, row in enumerate(peers.ours(body))
        ]


@attrs.frozen(kw_only=True)
class Cost:
    """What a run cost the client's process: seconds, and the bytes that it held before and at most."""

    decisions: int
    cpu: float
    seconds: float
    before: int
    peak: int


def _client(url: str, folder: str) -> ImsClient:
    gsp = Sandbox("key_test_demo", "secret_test_demo", base_url=url, save_bytes=SAVE_BYTES)
    return ImsClient(gsp, journal=SqliteJournal(Path(folder) / "journal.db"), poll=POLL)


async def _measured(run: bulk.BulkRun) -> Cost:
    """Carry out a run. CPU is that of the whole process, with the journal's thread."""
    gc.collect()
    held = _memory()[0]
    begun, begun_cpu = time.perf_counter(), time.process_time()
    report = await run
    cpu, seconds = time.process_time() - begun_cpu, time.perf_counter() - begun
    assert report.ok, report
    return Cost(decisions=report.succeeded, cpu=cpu, seconds=seconds, before=held, peak=_memory()[1])


def _memory() -> tuple[int, int]:
    return resident() if can_tell_memory() else (0, 0)


def save_a_mapping(url: str, tokens: Tokens, folder: str, each: int, read: bool) -> Cost:
    """Save what is at hand, all taxpayers at once; `read` it from the gateway before, or make it up."""

    async def run() -> Cost:
        async with _client(url, folder) as client:
            portions, work = Portions(each), {}
            for number, (gstin, token) in enumerate(tokens.items()):
                taxpayer = client.taxpayer(gstin, token=token)
                rows = await taxpayer.invoices("b2b") if read else ()
                work[taxpayer] = [row.accept() for row in rows] if read else portions.decisions(number)
            gc.collect()
            gc.freeze()  # what the caller holds is not the run's garbage
            return await _measured(bulk.save_all(client, work))

    return asyncio.run(run())


def save_a_stream(url: str, tokens: Tokens, folder: str, each: int) -> Cost:
    """Save portions as they come, one taxpayer each; the making of them is in the figures."""

    async def run() -> Cost:
        async with _client(url, folder) as client:
            portions = Portions(each)

            async def stream() -> AsyncIterator[tuple[str, list[Decision]]]:
                for number, gstin in enumerate(tokens):
                    yield gstin, portions.decisions(number)

            for gstin, token in tokens.items():
                client.taxpayer(gstin, token=token)
            return await _measured(bulk.save_all(client, stream(), concurrency=AT_ONCE))

    return asyncio.run(run())


def pieces(count: int, folder: str) -> dict[str, float]:
    """Return what the parts of a save cost by themselves, in seconds of CPU per decision."""
    records = Portions(count).decisions(0)
    numbers = itertools.count()

    async def write_down() -> None:
        async with SqliteJournal(Path(folder) / "pieces.db") as kept:
            await kept.add(Change(id=f"batch-{next(numbers)}", token=journal.TOKEN), records)

    calls: Mapping[str, Callable[[], object]] = {
        "rules.check": lambda: growth.check(records),
        "codec.pack_chunks": lambda: growth.encode(records),
        "journal.add": lambda: asyncio.run(write_down()),
        TEXTS: lambda: growth.texts(records),
        "report.account": lambda: growth.report(records),
    }
    timings = take_turns(calls, floor="", rounds=ROUNDS)
    return {name: timing.seconds / count for name, timing in timings.items()}


# -- the tables ------------------------------------------------------------------------------------------


def cpu(folder: Path, taxpayers: int, each: int, *, simulated: int) -> None:
    """Print what a decision costs the client."""
    with _folder(folder) as place, served(stand_in, taxpayers) as (url, tokens):
        cost = in_fresh_process(save_a_mapping, url, tokens, place, each, False)
    _show_cost(f"{taxpayers} GSTINs x {each:,} decisions, a stand-in for the gateway", cost, goal=GOAL)
    with _folder(folder) as place:
        _show_pieces(in_fresh_process(pieces, each, place), cost.cpu / cost.decisions)
    with _folder(folder) as place, served(simulator, taxpayers, simulated) as (url, tokens):
        cost = in_fresh_process(save_a_mapping, url, tokens, place, simulated, True)
    _show_cost(f"{taxpayers} GSTINs x {simulated:,} decisions, the simulator", cost, goal=None)


def _show_cost(title: str, cost: Cost, *, goal: float | None) -> None:
    each = cost.cpu / cost.decisions * 1e6
    rows = [
        Row("CPU of the client for a decision", f"{each:.1f} µs", f"{1e6 / each:,.0f}/s", goal, each, "µs"),
        Row("decisions a second", f"{cost.decisions / cost.seconds:,.0f}", f"{cost.seconds:.1f} s"),
    ]
    if cost.peak:
        grown = (cost.peak - cost.before) / 1e6
        rows.append(Row("memory before, with all decisions at hand", f"{cost.before / 1e6:,.0f} MB"))
        rows.append(Row("peak memory", f"{cost.peak / 1e6:,.0f} MB", f"{grown:+,.0f} MB"))
    show(f"{title} in another process;\nHTTP on loopback, journal on the disk, no budget, real time", rows)


def _show_pieces(found: dict[str, float], measured: float) -> None:
    rest = measured - sum(seconds for name, seconds in found.items() if name != TEXTS)
    show(
        f"where that goes: the pieces by themselves, CPU per decision, medians of {ROUNDS}",
        [
            Row(name, f"{seconds * 1e6:.2f} µs", f"{seconds / measured:.0%}")
            for name, seconds in {**found, "all else: HTTP, taking in, handing on": rest}.items()
        ],
    )


def memory(folder: Path, each: int, portions: Sequence[int]) -> None:
    """Print what streams of so many portions take, and that this does not grow with their length."""
    if not can_tell_memory():
        print("\nmemory of a stream: skipped, this system does not tell a process how much it holds")
        return
    costs: list[list[Cost]] = [[] for _ in portions]
    for _ in range(MEMORY_ROUNDS):  # in turns: a peak is where several GSTINs are at their largest at once
        for taxpayers, found in zip(portions, costs, strict=True):
            with _folder(folder) as place, served(stand_in, taxpayers) as (url, tokens):
                found.append(in_fresh_process(save_a_stream, url, tokens, place, each))
    rows = []
    for found in costs:
        ratio = statistics.median(one.peak / least.peak for one, least in zip(found, costs[0], strict=True))
        goal = 1.05 if found is costs[-1] else None
        peaks, grown = (
            [size / 1e6 for size in sizes] for sizes in zip(*map(_peak_and_growth, found), strict=True)
        )
        middle, more = statistics.median(peaks), statistics.median(grown)
        what = f"{found[0].decisions:,} decisions"
        rows.append(Row(what, f"{middle:,.1f} MB", f"{ratio:.2f} ×", goal, ratio, spread=spread(peaks, 1)))
        rows.append(Row("  of which the run's", f"{more:,.1f} MB", spread=spread(grown, 1)))
    show(
        f"peak memory of a stream, portions of {each:,} decisions, {AT_ONCE} GSTINs at once, "
        f"medians of {MEMORY_ROUNDS};\na stand-in for the gateway in another process, journal on the disk",
        rows,
    )


def _peak_and_growth(cost: Cost) -> tuple[int, int]:
    return cost.peak, cost.peak - cost.before


@contextlib.contextmanager
def _folder(where: Path) -> Iterator[str]:
    with tempfile.TemporaryDirectory(dir=where, prefix=".bulk-") as name:
        yield name
