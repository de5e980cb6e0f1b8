"""Each benchmark runs: with tiny sizes, of which no figure means anything."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from ..support.sweeps import LONG

# Without processes of their own for each figure: most of the time would go into starting them.
PROGRAM = """
import sys
from benchmarks import measure
measure.in_fresh_process = lambda function, *arguments: function(*arguments)
import importlib
importlib.import_module(f"benchmarks.{sys.argv[1]}").main(sys.argv[2:])
"""
TINY = {
    "codec": ["--records 20 --rounds 1"],
    "jobs": ["--jobs 20 --rounds 1"],
    "pages": ["--pages 1"],
    "pacing": ["--waiters 20 --rounds 1"],
    "polls": ["--clients 1"],
    "journal": ["--callers 2 --rounds 1 --writes 2 --records 20 --folder {folder}"],
    "bulk": ["--quick 200 --only paced", "--quick 200 --only fairness"],
}
if LONG:  # these wait for jobs of real seconds, over HTTP
    TINY["bulk"] += [f"--quick 200 --only {part} --folder {{folder}}" for part in ("cpu", "memory")]


def titles_of(name: str, arguments: str) -> list[str]:
    """Run a benchmark; return the titles of its tables."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, name, *arguments.split()],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    return [title for title, row in pairwise(ended.stdout.splitlines()) if title and row.startswith("  ")]


@pytest.mark.parametrize(("name", "given"), [(name, given) for name in TINY for given in TINY[name]])
def test_a_benchmark_runs_and_prints_its_tables(name: str, given: str, tmp_path: Path) -> None:
    """`make bench` runs them all: one that has fallen behind the code fails here."""
    assert [title for title in titles_of(name, given.format(folder=tmp_path)) if not title.startswith(" ")]


def test_make_bench_runs_every_one_that_is_tried_here() -> None:
    """And no other."""
    makefile = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")
    recipe = makefile.partition("\nbench:")[2].partition("\n\n")[0]
    run = [line.rpartition(".")[2] for line in recipe.splitlines() if "-m benchmarks." in line]
    assert sorted(run) == sorted(TINY)
