"""A process that carries out a bulk run, and is there to be killed; and what kills it over and over.

`python -m tests.endurance.bulk_worker --rounds 50 --seed 3 --gsp vayana` prints what came of it; with
`--round 17` of that one alone.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import pickle
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final
from unittest import mock

import attrs

from ims_async import Decision, ImsClient, PollPolicy, RetryPolicy, bulk
from ims_async.bulk import BulkReport
from ims_async.journal import ChangeState, SqliteJournal
from ims_async.model import change
from ims_async.model.moves import OPEN_STATES
from ims_async.simulator import Fault, Simulator

from ..conftest import HANGS
from ..support.bulk_breaks import arrived
from ..support.bulk_flows import applied, log_in, names, work_for
from .crash.worker import make_gsp

_POLL: Final = PollPolicy(initial_delay=0.02, factor=1.5, max_interval=0.1, deadline=HANGS)
_QUIET: Final = 2.0  # seconds from a claim; also on a busy machine it has left by then, and its job has ended
_CANCELLED: Final = 3


@attrs.frozen(kw_only=True)
class Orders:
    """What a worker is told at its start; it reads them from a file of its parent's."""

    gsp: str
    url: str
    user_token: str
    tokens: dict[str, str]
    folder: Path
    work: dict[str, list[Decision]]

    def client(self) -> ImsClient:
        """Return a client with the journal of the round, logged in."""
        gsp = make_gsp(self.gsp, self.url, self.user_token)
        journal = SqliteJournal(self.folder / "journal.db")
        client = ImsClient(gsp, journal=journal, poll=_POLL, retry=RetryPolicy(initial=0.02))
        for gstin, token in self.tokens.items():
            client.taxpayer(gstin, token=token)
        return client

    async def carry_out(self) -> BulkReport:
        """Carry the run out, or go on with it."""
        scaled = mock.patch.object(change, "SENDER_IS_DEAD", _QUIET)  # as all that takes long elsewhere
        with scaled:
            async with self.client() as client:
                return await bulk.save_all(client, self.work, run="night", quiet=_QUIET, max_records=3)


def work(folder: Path) -> int:
    """Be a worker; leave in the folder what the report says."""
    orders: Orders = pickle.loads((folder / "orders").read_bytes())  # noqa: S301 # of our own parent

    async def run() -> BulkReport:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await orders.carry_out()

    try:
        report = asyncio.run(run())
    except asyncio.CancelledError:
        return _CANCELLED
    (folder / "report").write_text(json.dumps(told(report)), encoding="utf-8")
    return 0


def told(report: BulkReport) -> dict[str, Any]:
    """Put into plain words what a report says of each taxpayer: decisions, those applied, and trouble."""
    return {one.gstin: [one.handed_in, one.succeeded, repr(one.error or "")] for one in report}


@attrs.define
class Stage:
    """A simulator on a socket, a run to be carried out against it, and the books in the end."""

    sim: Simulator
    orders: Orders

    async def start(self) -> asyncio.subprocess.Process:
        """Start a worker."""
        with (self.orders.folder / "stderr").open("ab") as stderr:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", __spec__.name, str(self.orders.folder)),
                cwd=Path(__file__).parents[2],
                stderr=stderr,
            )

    async def until(self, process: asyncio.subprocess.Process, seen: Callable[[], bool]) -> None:
        """Wait until something is seen, or the worker has ended."""
        ends_at = time.monotonic() + HANGS
        while not seen() and process.returncode is None:
            if time.monotonic() > ends_at:
                process.kill()
                raise AssertionError("a worker hangs")
            await asyncio.sleep(0.002)

    async def states(self) -> set[ChangeState]:
        """Say where batches stand while no worker lives."""
        journal = SqliteJournal(self.orders.folder / "journal.db")
        try:
            return {each.state for each in await journal.find()}
        finally:
            await journal.aclose()

    def said(self) -> dict[str, Any]:
        """Return what the report of the last worker says."""
        said: dict[str, Any] = json.loads((self.orders.folder / "report").read_text(encoding="utf-8"))
        return said

    def judge(self, said: dict[str, Any]) -> Counter[str]:
        """Hold the simulator's books and a report against what was decided."""
        wanted = {name for gstin, some in self.orders.work.items() for name in names(gstin, some)}
        effects = applied(self.sim)
        counts = Counter(
            {
                "decisions": len(wanted),
                "lost": len(wanted - effects.keys()),
                "applied twice": sum(count > 1 for count in effects.values()),
                "sent twice": sum(count > 1 for count in arrived(self.sim).values()),
                "wrong in report": len(said.keys() ^ {g for g, some in self.orders.work.items() if some}),
            }
        )
        for gstin, (handed_in, succeeded, trouble) in said.items():
            true = sum(count for name, count in effects.items() if name[0] == gstin)
            wrong = handed_in != len(self.orders.work[gstin]) or succeeded != true or trouble != "''"
            counts["wrong in report"] += wrong
        return counts


@contextlib.asynccontextmanager
async def staged(
    folder: Path, *, gsp: str = "sandbox", seed: int = 7, seconds: Any = 0.1
) -> AsyncIterator[Stage]:
    """Set up a world on a socket and a night's work; `seconds` is how long a job takes."""
    world = Simulator(
        seed=seed, taxpayers=4, invoices=16, sections=["b2b"], job_seconds=seconds, download_seconds=0.01
    )
    async with world as sim:
        reader = ImsClient(make_gsp(gsp, sim.url, sim.user_token), transport=sim.transport, poll=_POLL)
        decided = await work_for(log_in(reader, sim))
        orders = Orders(
            gsp=gsp,
            url=sim.url,
            user_token=sim.user_token,
            tokens={gstin: sim.token(gstin) for gstin in sim.gstins},
            folder=folder,
            work={who.gstin: decisions for who, decisions in decided.items()},
        )
        (folder / "orders").write_bytes(pickle.dumps(orders))
        yield Stage(sim, orders)


# -- over and over -------------------------------------------------------------------------------------


async def one_round(gsp: str, seed: int, number: int) -> Counter[str]:
    """Kill some workers, let the last one live, and count."""
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 # the same each time
    longest = chance.choice((0.05, 0.25))
    counts = Counter[str](rounds=1)
    with tempfile.TemporaryDirectory(prefix="bulk-") as name:
        begun = staged(Path(name), gsp=gsp, seed=number, seconds=lambda dice: dice.uniform(0.0, longest))
        async with begun as stage:
            stage.sim.script_fault("save", *(Fault.delay(chance.uniform(0.0, 0.06)) for _ in range(40)))
            for _ in range(chance.randint(1, 4)):
                counts["killed"] += await _live_and_die(stage, chance)
            caught = await stage.states()
            counts.update(f"rounds in which a change was left {state}" for state in caught & OPEN_STATES)
            last = await stage.start()
            await stage.until(last, lambda: False)
            counts["without a report"] += last.returncode != 0
            counts += stage.judge(stage.said() if last.returncode == 0 else {})
    return counts


async def _live_and_die(stage: Stage, chance: random.Random) -> bool:
    """Kill a worker when the gateway has heard so much of it, or at some moment; True if it still lived."""
    sim, process = stage.sim, await stage.start()
    what = chance.choice(("save", "status", "clock"))
    if what == "clock":
        ends_at = time.monotonic() + chance.uniform(0.2, 2.2)
        await stage.until(process, lambda: time.monotonic() >= ends_at)
    else:
        wanted = sim.count(what) + chance.randint(1, 9)
        await stage.until(process, lambda: sim.count(what) >= wanted)
        await asyncio.sleep(chance.choice((0.0, chance.uniform(0.0, 0.06))))
    lived = process.returncode is None
    if lived:
        process.kill()
    return await process.wait() == -signal.SIGKILL


BROKEN: Final = ("lost", "applied twice", "sent twice", "wrong in report", "without a report")


async def _rounds(gsp: str, seed: int, numbers: list[int]) -> int:
    counts, begun = Counter[str](dict.fromkeys(BROKEN, 0)), time.monotonic()
    for number in numbers:
        found = await one_round(gsp, seed, number)
        broken = {name: found[name] for name in BROKEN if found[name]}
        if broken:
            print(f"BROKEN: --gsp {gsp} --seed {seed} --round {number}: {broken}", file=sys.stderr)
        counts.update(found)
        counts["rounds with a violation"] += bool(broken)
    print(f"{gsp}, seed {seed}, {time.monotonic() - begun:.0f} s")
    for name, figure in sorted(counts.items()):
        print(f"  {name:50}{figure:8,}")
    return 1 if counts["rounds with a violation"] else 0


def main() -> int:
    """Be a worker where a folder is named; else run the rounds, and return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance.bulk_worker", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--round", type=int, help="only this one")
    parser.add_argument("--gsp", choices=("sandbox", "vayana"), default="sandbox")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    if chosen.folder is not None:
        return work(chosen.folder)
    numbers = list(range(chosen.rounds)) if chosen.round is None else [chosen.round]
    return asyncio.run(_rounds(chosen.gsp, chosen.seed, numbers))


if __name__ == "__main__":
    sys.exit(main())
