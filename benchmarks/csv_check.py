"""What `ims-async check` takes for a row of CSV, in CPU and memory, beside the standard library's readers.

Run as `python -m benchmarks.csv_check`. The file is one that `pull` wrote and a person filled in: each fifth
record rejected, the rest accepted. A check opens no connection; what the shell shows of it is left out.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import gc
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from ims_async import tables

from . import peers, workload
from .measure import Row, can_tell_memory, in_fresh_process, resident, show, take_turns

try:
    from ims_async.tables.checking import Beside
    from ims_async.tables.reading import read_keeping
except ImportError:  # with --against: 0.1.0 kept a dict beside each row
    Beside = read_keeping = None  # type: ignore[assignment, misc]

Pairs = Sequence[tuple[tables.Row, dict[str, str]]]
FLOOR: Final = "csv.reader, lists of text (floor)"
OURS: Final = "ims_async: read and checked"
TODAY: Final = dt.date(2025, 2, 1)
SEED: Final = 13
GOAL_MICROSECONDS: Final = 25.0
GOAL_KILOBYTES: Final = 1.0


def decided_file(path: Path, records: int) -> Path:
    """Write the file."""
    tables.write_invoices(path, peers.ours(workload.answer(workload.rows(records, SEED))))
    with path.open(newline="", encoding="utf-8-sig") as source:
        header, *rows = csv.reader(source)
    action = header.index("action")
    for place, row in enumerate(rows):
        row[action] = "accept" if place % 5 else "reject"
    with path.open("w", newline="", encoding="utf-8-sig") as target:
        csv.writer(target).writerows([header, *rows])
    return path


def read_lists(path: Path) -> list[list[str]]:
    """Read each row as a list of its cells."""
    with path.open(newline="", encoding="utf-8-sig") as source:
        return [*csv.reader(source)]


def read_dicts(path: Path) -> list[dict[str, str]]:
    """Read each row as a dict of its cells by their headings."""
    with path.open(newline="", encoding="utf-8-sig") as source:
        return [*csv.DictReader(source)]


def read(path: Path) -> Pairs:
    """Read decisions with what is beside them, each as its taxpayer's: as the command `check` does."""
    if Beside is None:
        pairs = tables.read_with_information(path)
        kept = {(row.file, row.line): cells for row, cells in pairs}
        return [(row, kept[row.file, row.line]) for row in _named([row for row, _ in pairs])]
    beside = Beside()
    beside.rows = _named(read_keeping(path, beside.keep))
    return beside


def _named(rows: list[tables.Row]) -> list[tables.Row]:
    named = tables.by_taxpayer(rows, otherwise=lambda: workload.GSTIN)
    return [row for own in named.values() for row in own]


def checked(path: Path) -> Any:
    """Read decisions and ask every rule; return the rows and the findings."""
    rows = read(path)
    return rows, tables.check_rows(rows, gstin=workload.GSTIN, today=TODAY)


READERS: Final[dict[str, Callable[[Path], Any]]] = {
    FLOOR: read_lists,
    "csv.DictReader, dicts of text": read_dicts,
    OURS: checked,
    "  of which reading": read,
}


def weigh(name: str, path: str) -> tuple[int, int]:
    """Return how many bytes more this process holds, and held at most, after a check."""
    reader = READERS[name]
    with tempfile.TemporaryDirectory() as folder:
        reader(decided_file(Path(folder) / "few.csv", 20))
    gc.collect()
    before, _ = resident()
    found = reader(Path(path))
    gc.collect()
    after, most = resident()
    assert found  # it is alive until here
    return after - before, most - before


def main(arguments: list[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.csv_check", description=__doc__)
    parser.add_argument("--records", type=int, default=20_000, help="rows of the file (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="how many rounds in turns (%(default)s)")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        path = decided_file(Path(folder) / "decided.csv", chosen.records)
        assert len(checked(path)[0]) == chosen.records
        cpu(path, chosen.records, chosen.rounds)
        memory(path, chosen.records)


def cpu(path: Path, records: int, rounds: int) -> None:
    """Print the CPU time of a row."""
    timings = take_turns(
        {name: lambda reader=reader: reader(path) for name, reader in READERS.items()},  # type: ignore[misc]
        floor=FLOOR,
        rounds=rounds,
    )
    rows = []
    for name, timing in timings.items():
        each, scale = timing.seconds / records * 1e6, 1e6 / records
        goal = GOAL_MICROSECONDS if name == OURS else None
        rows.append(
            Row(name, f"{each:.1f} µs", f"{timing.ratio:.1f} ×", goal, each, "µs", timing.spread(scale))
        )
    show(f"check of a file of {records:,} decisions, CPU per row of CSV, medians of {rounds}", rows)


def memory(path: Path, records: int) -> None:
    """Print what a row holds."""
    if not can_tell_memory():
        print("\nmemory: skipped, this system does not tell a process how much it holds")
        return
    rows = []
    for name in (FLOOR, OURS):
        kept, peak = (held / records / 1000 for held in in_fresh_process(weigh, name, str(path)))
        goal = GOAL_KILOBYTES if name == OURS else None
        rows.append(Row(name, f"{kept:.2f} kB", "kept"))
        rows.append(Row("", f"{peak:.2f} kB", "peak", goal, peak, "kB"))
    show(f"check of a file of {records:,} decisions, memory per row of CSV", rows)


if __name__ == "__main__":
    main()
