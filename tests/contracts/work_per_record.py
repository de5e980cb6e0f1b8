"""How much work a record takes, counted and not timed: opcodes, calls, and blocks of memory that stay.

No clock is read, so that a figure is the same on each machine, however busy it is. A figure is what the
second thousand of records takes: what is done once a batch does not count. `test_work_per_record.py` compares
with those in `work_per_record.json`. To write them anew, where a change is meant:

    python -m tests.contracts.work_per_record --write
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from unittest import mock

from benchmarks import csv_check, growth, jobs, peers, virtual_time, workload
from ims_async.jobs import poller

ROOT: Final = Path(__file__).parents[2]
TABLE: Final = Path(__file__).with_suffix(".json")
FEW, TWICE, MANY = 1_000, 2_000, 10_000
GROWTH: Final = "growth"
SEED: Final = 21

PYTHON: Final = "cpython 3.11"
"""Each version has opcodes of its own: the table is that of one."""
MARGIN: Final = 0.03
LEAST: Final = 0.05  # of what is next to nothing: a block in twenty records, say
GROWTH_MARGIN: Final = 0.1

Figures = dict[str, float]
Call = Callable[[], object]
Step = Callable[[int], Call]
"""Makes what is needed for so many records, and returns what is counted."""


# -- how work is counted ---------------------------------------------------------------------------------


def opcodes(call: Call) -> int:
    """Count the instructions of Python that a call executes."""
    count = 0

    def each(frame: Any, event: str, argument: object) -> Any:
        nonlocal count
        if event == "opcode":
            count += 1
        return each

    def entered(frame: Any, event: str, argument: object) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return each

    sys.settrace(entered)
    try:
        call()
    finally:
        sys.settrace(None)
    return count


def calls(call: Call) -> int:
    """Count the functions that a call calls, in Python and in C."""
    count = 0

    def each(frame: object, event: str, argument: object) -> None:
        nonlocal count
        if event in {"call", "c_call"}:
            count += 1

    sys.setprofile(each)
    try:
        call()
    finally:
        sys.setprofile(None)
    return count


def blocks(call: Call) -> int:
    """Count the blocks of memory that are held by what a call returns."""
    gc.collect()
    before = sys.getallocatedblocks()
    kept = call()
    gc.collect()
    after = sys.getallocatedblocks()
    del kept
    return after - before


COUNTS: Final[dict[str, Callable[[Call], int]]] = {"opcodes": opcodes, "calls": calls, "blocks": blocks}


def measured(step: Step) -> Figures:
    """Return what a record takes, and by what factor the opcodes grow with ten times the records."""
    few, twice, many = step(FEW), step(TWICE), step(MANY)
    gc.collect()
    gc.disable()
    for call in (many, twice, few):
        call()  # what is cached or built on first use is no record's
    found = {}
    for name, count in COUNTS.items():
        least, more = count(few), count(twice)
        found[name] = (more - least) / (TWICE - FEW)
        if name == "opcodes":
            once = 2 * least - more  # what a batch takes without any record
            found[GROWTH] = (count(many) - once) / (least - once)
    gc.enable()
    return found


# -- what is counted -------------------------------------------------------------------------------------


def decode(records: int) -> Call:
    """Read an answer."""
    body = _answer(records)
    return lambda: peers.ours(body)


def decode_live(records: int) -> Call:
    """Read an answer as live gateways send it: every other row has keys that no document has."""
    body = workload.answer(workload.as_live(workload.rows(records, SEED), SEED))
    return lambda: peers.ours(body)


def _answer(records: int) -> bytes:
    return workload.answer(workload.rows(records, SEED))


def decided(step: Callable[[list[Any]], object]) -> Step:
    """Do something with decisions."""

    def prepared(records: int) -> Call:
        decisions = [row.accept() for row in peers.ours(_answer(records))]
        return lambda: step(decisions)

    return prepared


def csv_row(records: int) -> Call:
    """Read and check a file of decisions."""
    path = csv_check.decided_file(_FOLDER / f"{records}.csv", records)
    return lambda: csv_check.checked(path)


def poll(polls: int) -> Call:
    """Wait for jobs of eight polls each."""
    references = [f"{number:015x}" for number in range(polls // jobs.POLLS)]

    def wait() -> None:
        random.seed(SEED)
        # How many polls share a turn of the event loop depends on how many jobs there are: here none does.
        with mock.patch.object(poller, "_CROWD", polls):
            virtual_time.run(jobs.ours(jobs.Gateway(jobs.POLLS, references), references))

    return wait


STEPS: Final[dict[str, Step]] = {
    "decode": decode,
    "decode, live keys": decode_live,
    "check": decided(growth.check),
    "encode": decided(growth.encode),
    "journal text": decided(growth.texts),
    "report": decided(growth.report_refusals),
    "CSV row": csv_row,
    "poll": poll,
}
_FOLDER: Path  # of the files that are read


def with_more(step: Step, opcodes_more: float) -> Step:
    """Do a step and so many opcodes more for each record, to see that they are found."""

    def prepared(records: int) -> Call:
        call, turns = step(records), round(opcodes_more * records / 3)

        def more() -> object:
            result = call()
            for _ in itertools.repeat(None, turns):  # three opcodes each
                pass
            return result

        return more

    return prepared


# -- the table -------------------------------------------------------------------------------------------


def figures_of(name: str, *, opcodes_more: float = 0.0) -> Figures:
    """Return what is measured of a step, in a process that nothing else has run in."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COV"))}
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    ended = subprocess.run(
        [sys.executable, "-m", __spec__.name, "--only", name, "--more", str(opcodes_more)],
        cwd=ROOT,
        env={**kept, "PYTHONPATH": path, "PYTHONHASHSEED": "0"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: Figures = json.loads(ended.stdout)
    return found


def objections(found: Figures, table: Figures) -> list[str]:
    """Return what differs from the table by more than 3 %, and growth that is not that of the records."""
    said = []
    for name, figure in table.items():
        most = max(abs(figure) * MARGIN, LEAST)
        if found[name] > figure + most:
            said.append(f"{name}: {found[name]:,.3f} a record, where the table has {figure:,.3f}")
        if found[name] < figure - most:
            said.append(f"{name}: only {found[name]:,.3f} a record, not {figure:,.3f}: write the table anew")
    if abs(found[GROWTH] - MANY / FEW) > GROWTH_MARGIN:
        said.append(f"{MANY:,} records take {found[GROWTH]:.2f} times the opcodes of {FEW:,}")
    return said


def table() -> dict[str, Figures]:
    """Return the table: the figures of each step."""
    found: dict[str, Figures] = json.loads(TABLE.read_text(encoding="utf-8"))
    return found


def python() -> str:
    """Return the version of Python that this is, as far as figures depend on it."""
    return f"{sys.implementation.name} {sys.version_info.major}.{sys.version_info.minor}"


def main(arguments: list[str] | None = None) -> None:
    """Print the figures of all steps, and write the table if asked; or print those of one step as JSON."""
    global _FOLDER
    parser = argparse.ArgumentParser(prog="python -m tests.contracts.work_per_record", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name}")
    parser.add_argument("--only", choices=STEPS, metavar="STEP", help=", ".join(STEPS))
    parser.add_argument("--more", type=float, default=0.0, help="opcodes of a record to add to a step")
    chosen = parser.parse_args(arguments)
    if chosen.only:
        with tempfile.TemporaryDirectory() as folder:
            _FOLDER = Path(folder)
            sys.stdout.write(json.dumps(measured(with_more(STEPS[chosen.only], chosen.more))))
        return
    if python() != PYTHON:
        parser.error(f"the figures are those of {PYTHON}, and this is {python()}")
    found = {name: figures_of(name) for name in STEPS}
    for name, figures in found.items():
        shown = "  ".join(f"{what} {figure:,.3f}" for what, figure in figures.items())
        sys.stdout.write(f"{name:<18}{shown}\n")
    if chosen.write:
        kept = {name: {what: figures[what] for what in COUNTS} for name, figures in found.items()}
        TABLE.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
