"""Run one benchmark and write its tables into a file: `python -m benchmarks.worker FILE NAME ARGUMENT…`.

FILE ends as JSON. With IMS_BENCH_QUICK set, no figure comes from a process of its own: starting them is most
of what a benchmark of a tiny size does.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

import attrs

from . import measure


def main(file: str, name: str, *arguments: str) -> None:
    """Run it."""
    measure.fresh_processes = not os.environ.get("IMS_BENCH_QUICK")
    importlib.import_module(f"benchmarks.{name}").main([*arguments])
    tables = [attrs.asdict(table) for table in measure.tables]
    Path(file).write_text(json.dumps(tables), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
