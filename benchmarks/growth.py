"""What each step costs for a record, by how many there are: decode, check, encode, journal text, report.

Run as `python -m benchmarks.growth`. The sizes take turns in one process, with the garbage collector on as
in a program: what is made by a step counts, what it is made of does not.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any, Final

from ims_async import Decision, ErrorEntry, JobKind, JobState, JobStatus, rules
from ims_async.gsp.codec import pack_chunks
from ims_async.journal.packing import checksum, pack
from ims_async.model.report import account

from . import peers, workload
from .measure import Row, show, take_turns

SAVE_BYTES: Final = 4_000_000
SEED: Final = 7
GOALS: Final = {"rules.check": 4.0, "journal: the rows' texts": 2.5}  # microseconds for a record
JUDGED: Final = 10_000  # records: the size that goals are meant for


def check(records: list[Decision]) -> object:
    """Ask every rule."""
    return rules.check(records)


def encode(records: list[Decision]) -> object:
    """Write the bodies of a save."""
    return [*pack_chunks(workload.GSTIN, JobKind.SAVE, records, limit=SAVE_BYTES)]


def texts(records: list[Decision]) -> object:
    """Write what a journal keeps of them."""
    return [checksum(part) for part in pack(records)]


def report(records: list[Decision]) -> object:
    """Join them with a final status that refuses none."""
    return account(JobStatus(state=JobState.SUCCEEDED, processed=len(records)), records, len(records))


def report_refusals(records: list[Decision]) -> object:
    """Join them with a final status that refuses one in a hundred."""
    errors = [
        ErrorEntry(
            code="E1",
            message="no",
            section=record.section,
            supplier=record.supplier,
            number=record.number,
            return_period=record.return_period,
        )
        for record in (decision.invoice for decision in records[::100])
    ]
    processed = len(records) - len(errors)
    status = JobStatus(
        state=JobState.PARTIAL, processed=processed, errors=len(errors), error_report=tuple(errors)
    )
    found = account(status, records, len(records))
    assert len(found.succeeded) == processed
    return found


STEPS: Final[Mapping[str, Callable[[list[Decision]], object]]] = {
    "rules.check": check,
    "encode into chunks": encode,
    "journal: the rows' texts": texts,
    "report, none refused": report,
    "report, one in a hundred refused": report_refusals,
}


def main(arguments: list[str] | None = None) -> None:
    """Print a table for each step."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    sizes = [1_000, 10_000, 100_000]
    parser.add_argument("--sizes", type=int, nargs="+", default=sizes, help="how many records (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="how many rounds in turns (%(default)s)")
    chosen = parser.parse_args(arguments)
    bodies = {size: workload.answer(workload.rows(size, SEED)) for size in chosen.sizes}
    grown("decode", peers.ours, bodies, chosen.rounds)
    decided = {size: [row.accept() for row in peers.ours(body)] for size, body in bodies.items()}
    for name, step in STEPS.items():
        grown(name, step, decided, chosen.rounds)


def grown(name: str, step: Callable[[Any], object], inputs: Mapping[int, Any], rounds: int) -> None:
    """Print what a step costs for a record of each size, and how that grows."""
    least = min(inputs)
    timings = take_turns(
        {f"{size:,} records": lambda of=of: step(of) for size, of in inputs.items()},  # type: ignore[misc]
        floor=f"{least:,} records",
        rounds=rounds,
    )
    rows = []
    for size, (label, timing) in zip(inputs, timings.items(), strict=True):
        each, scale = timing.seconds / size * 1e6, 1e6 / size
        assert timing.ratio is not None
        note, goal = f"{timing.ratio * least / size:.2f} ×", GOALS.get(name) if size == JUDGED else None
        rows.append(Row(label, f"{each:.2f} µs", note, goal, each, "µs", timing.spread(scale, 2)))
    show(f"{name}: CPU per record by the number of records, medians of {rounds}", rows)


if __name__ == "__main__":
    main()
