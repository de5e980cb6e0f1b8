"""The journal: durable writes a second with 32 callers at once, beside aiosqlite in the same run.

Run as `python -m benchmarks.journal [--folder DIR]`; DIR should lie on the disk that a journal would. Each
contender makes the same durable row (write-ahead log, synchronous FULL), named as the client names it, and
each caller waits for its own to be on the disk. They take turns, a fresh file each time; told is the median.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import importlib
import os
import secrets
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from ims_async.journal import Change, SqliteJournal
from ims_async.journal.schema import INSERT_JOB, MIGRATIONS
from ims_async.model.status import JobKind
from ims_async.model.tokens import JobToken

from . import workload
from .codec import decisions as read_decisions
from .measure import Row, installed, row, show, spread

try:
    from ims_async.jobs.journaled import new_id
except ImportError:  # with --against: 0.1.0 gave ids without an order

    def new_id(now: float) -> str:  # noqa: ARG001 # ours takes the time
        """Return an id as that release made them."""
        return secrets.token_hex(8)


OURS: Final = "ims_async SqliteJournal"
TOKEN: Final = JobToken(
    gsp="gsp", host="gateway.example", gstin="29AAACQ3770E1ZF", kind=JobKind.SAVE,
    reference_id=None, submitted=0, submitted_at=dt.datetime(2026, 11, 21, tzinfo=dt.UTC),
)  # fmt: skip
FACTS: Final = (
    TOKEN.gsp, TOKEN.host, TOKEN.gstin, "SAVE", None, 0, "2026-11-21T00:00:00+00:00", None, "", "", "", 0.0
)  # fmt: skip
TABLES: Final = ";".join(MIGRATIONS)

Write = Callable[[str], Awaitable[None]]


async def _hammer(write: Write, callers: int, each: int) -> tuple[float, list[float]]:
    """Return writes a second, and how long each took."""
    taken: list[float] = []

    async def call() -> None:
        for _ in range(each):
            begun = time.perf_counter()
            await write(new_id(time.time()))
            taken.append(time.perf_counter() - begun)

    await write("first")
    begun = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(callers)))
    return callers * each / (time.perf_counter() - begun), taken


async def ours(folder: Path, callers: int, each: int) -> tuple[float, list[float]]:
    """A batch without records: one row, as the others make it."""
    async with SqliteJournal(folder / "ours.db") as journal:

        async def write(name: str) -> None:
            await journal.add(Change(id=name, token=TOKEN), ())

        return await _hammer(write, callers, each)


async def with_aiosqlite(folder: Path, callers: int, each: int) -> tuple[float, list[float]]:
    """One row a commit, over one connection: what its pages show."""
    aiosqlite = importlib.import_module("aiosqlite")
    async with aiosqlite.connect(folder / "aiosqlite.db", isolation_level=None) as connection:
        await connection.execute("PRAGMA journal_mode = WAL")
        await connection.execute("PRAGMA synchronous = FULL")
        await connection.executescript(TABLES)

        async def write(name: str) -> None:
            await connection.execute(INSERT_JOB, (1, name, *FACTS))

        return await _hammer(write, callers, each)


async def with_an_executor(folder: Path, callers: int, each: int) -> tuple[float, list[float]]:
    """The standard library in a thread of its own, one row a commit."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as pool:

        def connect() -> sqlite3.Connection:
            made = sqlite3.connect(folder / "executor.db", isolation_level=None)
            made.execute("PRAGMA journal_mode = WAL")
            made.execute("PRAGMA synchronous = FULL")
            made.executescript(TABLES)
            return made

        connection = await loop.run_in_executor(pool, connect)

        async def write(name: str) -> None:
            await loop.run_in_executor(
                pool, lambda: connection.execute(INSERT_JOB, (1, name, *FACTS)).close()
            )

        result = await _hammer(write, callers, each)
        await loop.run_in_executor(pool, connection.close)
        return result


async def batches(folder: Path, name: str, records: int) -> tuple[float, float]:
    """Return the CPU time per record of writing a big batch down, and of reading it back; in seconds."""
    decisions = read_decisions(workload.answer(workload.rows(records, seed=11)))
    async with SqliteJournal(folder / f"{name}.db") as journal:
        begun = time.process_time()
        await journal.add(Change(id="batch", token=TOKEN), decisions)
        written = time.process_time()
        assert await journal.records("batch") == decisions
        return (written - begun) / records, (time.process_time() - written) / records


GOAL: Final = 7.0  # times aiosqlite
AIOSQLITE: Final = "aiosqlite, one row a commit"
EXECUTOR: Final = "sqlite3 in an executor, one row a commit"


def main(given: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="where the files are made")
    parser.add_argument("--callers", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--writes", type=int, default=100, help="of each caller; ours makes ten times as many"
    )
    parser.add_argument("--records", type=int, default=20_000, help="of the big batch")
    arguments = parser.parse_args(given)
    contenders = {
        AIOSQLITE: (with_aiosqlite, arguments.writes),
        EXECUTOR: (with_an_executor, arguments.writes),
        OURS: (ours, arguments.writes * 10),
    }
    if not installed("aiosqlite"):
        print("skipped: aiosqlite is not installed; ratios are to an executor, and no goal is meant for them")
        del contenders[AIOSQLITE]
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(arguments.rounds):
        for name, (contender, each) in contenders.items():
            with tempfile.TemporaryDirectory(dir=arguments.folder, prefix=".journal-") as folder:
                rate, times = asyncio.run(contender(Path(folder), arguments.callers, each))
            rates[name].append(rate)
            taken[name] += times
    floors = rates.get(AIOSQLITE) or rates[EXECUTOR]
    rows = []
    for name, found in rates.items():
        ratio = statistics.median(a / b for a, b in zip(found, floors, strict=True))
        late = statistics.quantiles(taken[name], n=100)[98] * 1000
        goal = GOAL if name == OURS and AIOSQLITE in rates else None
        note, figure = f"{ratio:.2f} ×, p99 {late:.1f} ms", f"{statistics.median(found):,.0f}/s"
        rows.append(Row(name, figure, note, goal, ratio, spread=spread(found, 0), at_least=True))
    show(f"durable writes, {arguments.callers} callers at once ({os.cpu_count()} cores)", rows)
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix=".journal-") as folder:
        costs = [
            asyncio.run(batches(Path(folder), f"{number}", arguments.records))
            for number in range(arguments.rounds)
        ]
    written, read = ([seconds * 1e6 for seconds in found] for found in zip(*costs, strict=True))
    show(
        f"one batch of {arguments.records:,} decisions, CPU per record, medians of {arguments.rounds}",
        [row("written down", written, "µs"), row("read back", read, "µs")],
    )


if __name__ == "__main__":
    main()
