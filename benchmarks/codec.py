"""Reading and writing 100,000 invoices, against the floor and against peers: `python -m benchmarks.codec`."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from ims_async import Decision, ImsClient, ImsJob, JobKind, PollPolicy, Sandbox, Section
from ims_async.gsp.codec import PackedBody, pack_body

from . import peers, workload
from .measure import (
    Row,
    can_tell_memory,
    in_fresh_process,
    longest_gap,
    resident,
    row,
    show,
    show_timings,
    take_turns,
)

ANSWER_BYTES: Final = 4_000_000  # the answer during whose decoding others want their turn
STALLS: Final = 5
COLLECTORS: Final = {
    "off": "without Python's garbage collector: our own steps",
    "frozen": "after `gc.freeze()`, as `docs/settings.md` advises after a big load",
    "on": "with each full pass of the collector over them",
}


def main(arguments: list[str] | None = None) -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.codec", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000, help="how many invoices (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="how many rounds in turns (%(default)s)")
    parser.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args(arguments)
    print(f"Python {sys.version.split()[0]}; CPU times and ratios are medians of {chosen.rounds} rounds")
    for name in peers.missing():
        print(f"skipped: {name} is not installed")
    rows = workload.rows(chosen.records, chosen.seed)
    body = workload.answer(rows)
    live = workload.as_live(rows, chosen.seed)
    check(peers.decoders(), body, rows)
    check(peers.decoders(peers.LIVE_FIELDS), workload.answer(live), live)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answer.json"
        path.write_bytes(body)
        decode(peers.decoders(), body, chosen.rounds)
        title = ", every other one with its supplier's name and remarks"
        decode(peers.decoders(peers.LIVE_FIELDS), workload.answer(live), chosen.rounds, title, goal=3.8)
        del live
        decode_one(rows, chosen.rounds)
        encode(body, rows, chosen.rounds)
        memory(path, chosen.records)
        few = max(1, chosen.records * ANSWER_BYTES // len(body))
        path.write_bytes(workload.answer((rows * (few // len(rows) + 1))[:few]))
        stalls(path, chosen.records, chosen.seed)


def check(decoders: Mapping[str, peers.Decode], body: bytes, rows: list[dict[str, Any]]) -> None:
    """See that all contenders read the same, before any of them is praised for its speed."""
    for name, read in decoders.items():
        found = read(body)
        assert len(found) == len(rows), name
        if not isinstance(found[0], dict):
            assert all(
                got.taxable_value == Decimal(str(row["txval"])) for got, row in zip(found, rows, strict=True)
            ), name
            if "remarks" in rows[-1]:
                assert [(got.supplier_name, got.remarks) for got in found] == [
                    (row.get("tradenm"), row.get("remarks")) for row in rows
                ], name


def decode(
    decoders: Mapping[str, peers.Decode], body: bytes, rounds: int, what: str = "", *, goal: float = 3.3
) -> None:
    """Time from the bytes of an answer to its rows."""
    calls = {name: _bound(read, body) for name, read in decoders.items()}
    count = len(peers.ours(body))
    show_timings(
        f"decode {count:,} invoices{what}, an answer of {len(body) / 1e6:.1f} MB",
        take_turns(calls, floor=peers.FLOOR, rounds=rounds),
        ours=peers.OURS,
        goal=goal,
    )


def decode_one(rows: list[dict[str, Any]], rounds: int) -> None:
    """Time an answer with a single row, from its bytes."""
    body = workload.answer(rows[:1])
    calls = {name: _bound(read, body) for name, read in peers.decoders().items()}
    timings = take_turns(calls, floor=peers.FLOOR, rounds=rounds, repeat=min(3000, len(rows)))
    (plain,) = (timing for name, timing in timings.items() if name.endswith(peers.PLAIN))
    show(
        f"decode an answer of one invoice, {len(body)} bytes",
        [
            Row(
                name,
                f"{timing.seconds * 1e6:,.1f} µs",
                f"{timing.ratio:.2f} ×" if timing.ratio is not None else "",
                0.9 * plain.seconds * 1e6 if name == peers.OURS else None,
                timing.seconds * 1e6,
                "µs",
            )
            for name, timing in timings.items()
        ],
    )


def _bound(read: peers.Decode, body: bytes) -> Callable[[], object]:
    return lambda: read(body)


def decisions(body: bytes) -> list[Decision]:
    """Decide on every row: every fifth is rejected."""
    return [row.accept() if place % 5 else row.reject() for place, row in enumerate(peers.ours(body))]


def pack(records: list[Decision]) -> bytes:
    """Write a save's body as the client does, at once."""
    packing = pack_body(workload.GSTIN, JobKind.SAVE, records)
    while True:
        try:
            next(packing)
        except StopIteration as stop:
            packed: PackedBody = stop.value
            return packed.content


def encode(body: bytes, rows: list[dict[str, Any]], rounds: int) -> None:
    """Time from typed decisions to the bytes of a save."""
    records, wanted = decisions(body), workload.save_rows(rows)
    ours = "ims_async, exact decimals"
    calls: dict[str, Callable[[], bytes]] = {**peers.encoders(wanted), ours: lambda: pack(records)}
    for name, call in calls.items():
        assert json.loads(call())["invdata"]["b2b"] == wanted, name
    timings = take_turns(calls, floor=peers.ENCODE_FLOOR, rounds=rounds)
    size = len(pack(records)) / 1e6
    show_timings(f"encode {len(records):,} decisions, a body of {size:.1f} MB", timings, ours=ours, goal=4.5)


# -- memory ----------------------------------------------------------------------------------------------


def memory(path: Path, records: int) -> None:
    """Weigh what each way to read keeps, and the most that it held; each in a process of its own."""
    if not can_tell_memory():
        print("\nmemory: skipped, this system does not tell a process how much it holds")
        return
    lines = []
    for name in peers.decoders():
        kept, peak = (in_fresh_process(weigh, name, str(path))[place] / records / 1000 for place in (0, 1))
        ours = name == peers.OURS
        lines.append(Row(name, f"{kept:.2f} kB", "kept", 1.0 if ours else None, kept, "kB"))
        lines.append(Row("", f"{peak:.2f} kB", "peak", 1.3 if ours else None, peak, "kB"))
    show("memory per decoded record, beside the answer's own bytes", lines)


def weigh(name: str, path: str) -> tuple[int, int]:
    """Return how many bytes more this process holds, and held at most, after reading an answer."""
    read = peers.decoders()[name]
    body = Path(path).read_bytes()
    read(workload.answer(workload.rows(3, seed=1)))
    gc.collect()
    before, _ = resident()
    rows = read(body)
    gc.collect()
    after, most = resident()
    assert rows  # both are alive until here
    assert body
    return after - before, most - before


# -- the event loop --------------------------------------------------------------------------------------


def stalls(path: Path, records: int, seed: int) -> None:
    """Look how long others wait for a turn while an answer is read, and while decisions are saved."""
    size = path.stat().st_size / 1e6
    lines = []
    for name in peers.decoders():
        gap = in_fresh_process(stall_of_reading, name, str(path)) * 1000
        lines.append(Row(name, f"{gap:.1f} ms", "", 10.0 if name == peers.OURS else None, gap, "ms"))
    show(f"longest gap of a 1 ms ticker while an answer of {size:.1f} MB is read (median of {STALLS})", lines)
    for collector, so in COLLECTORS.items():
        runs = [in_fresh_process(stalls_of_saving, records, seed, collector) for _ in range(3)]
        goal = None if collector == "on" else 25.0
        steps = [row(step, [one[step] * 1000 for one in runs], "ms", goal=goal) for step in runs[0]]
        show(f"the same while {records:,} decisions are saved, {so}, medians of 3", steps)


class Gateway:
    """A server in memory that answers from a table, by the last word of the path."""

    def __init__(self, answers: Mapping[str, bytes]) -> None:
        self._answers = answers

    def handle(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Answer at once."""
        return (
            200,
            {"content-type": "application/json"},
            self._answers[path.partition("?")[0].rsplit("/", 1)[1]],
        )


def _client(answers: Mapping[str, bytes]) -> ImsClient:
    gateway = Sandbox("key_bench", save_bytes=1_000_000_000)
    return ImsClient(gateway, transport=Gateway(answers), poll=PollPolicy(initial_delay=0))


def stall_of_reading(name: str, path: str) -> float:
    """Return the median of the longest gaps while an answer is read; ours goes through the whole client."""
    body = Path(path).read_bytes()
    client = _client({"invoices": body})
    taxpayer = client.taxpayer(workload.GSTIN, token="token_bench")  # noqa: S106 # of no gateway
    read = peers.decoders()[name]

    async def work() -> object:
        return await taxpayer.invoices(Section.B2B) if name == peers.OURS else read(body)

    async def gaps() -> list[float]:
        await work()
        return [await longest_gap(work) for _ in range(STALLS)]

    return statistics.median(asyncio.run(gaps()))


def stalls_of_saving(records: int, seed: int, collector: str) -> dict[str, float]:
    """Return the longest gaps of a save, its report and its retry, with one record in a hundred refused."""
    rows = workload.rows(records, seed)
    answer = workload.answer(rows)
    wanted = decisions(answer)
    errors = [
        {
            "stin": r["stin"],
            "error_cd": "E1",
            "error_msg": "no",
            "inv": [{"inum": r["inum"], "rtnprd": r["rtnprd"]}],
        }
        for r in rows[::100]
    ]
    status = {"status_cd": "PE", "proc_cnt": records - len(errors), "err_cnt": len(errors)}
    del rows

    if collector == "frozen":
        gc.collect()
        gc.freeze()
    elif collector == "off":
        gc.disable()

    async def run() -> dict[str, float]:
        answers = {
            "save": _envelope({"reference_id": "ref1"}),
            "status": _envelope({**status, "error_report": {"b2b": errors}}),
            "invoices": answer,
        }
        client = _client(answers)
        taxpayer = client.taxpayer(workload.GSTIN, token="token_bench")  # noqa: S106
        jobs: list[ImsJob] = []

        async def save() -> None:
            jobs.append(await taxpayer.save(wanted))

        gaps = {
            "checks and encoding: await taxpayer.save(…)": await longest_gap(save),
            "status and joins: await job": await longest_gap(lambda: jobs[0].result()),
        }
        answers["save"] = _envelope({"reference_id": "ref2"})
        retry = "read again and compared: await taxpayer.retry(job)"
        return {**gaps, retry: await longest_gap(lambda: taxpayer.retry(jobs[0]))}

    return asyncio.run(run())


def _envelope(payload: dict[str, Any]) -> bytes:
    return json.dumps({"code": 200, "data": {"status_cd": "1", "data": payload}}).encode()


if __name__ == "__main__":
    main()
