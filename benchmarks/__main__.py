"""Run all benchmarks, or those named with --only, each in a process of its own, and write a page of results.

With --against each is run again with the package of another checkout in place of this one.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs

from .measure import Row, Table
from .results import Result, load, page

ROOT: Final = Path(__file__).resolve().parents[1]
OUT: Final = Path(__file__).parent / "RESULTS.md"


@attrs.frozen(kw_only=True)
class Sizes:
    """Arguments of a benchmark beside its defaults: for tiny sizes, and for those that take minutes."""

    quick: str = ""
    full: str = ""
    on_disk: bool = False
    """Whether it takes the folder in which journals are made."""


BENCHMARKS: Final[Mapping[str, Sizes]] = {
    "codec": Sizes(quick="--records 20 --rounds 1"),
    "growth": Sizes(quick="--sizes 10 20 --rounds 1", full="--sizes 1000 10000 100000 1000000"),
    "csv_check": Sizes(quick="--records 20 --rounds 1"),
    "startup": Sizes(quick="--rounds 1"),
    "one_request": Sizes(quick="--requests 2 --rounds 1"),
    "jobs": Sizes(quick="--jobs 20 --rounds 1"),
    "polls": Sizes(quick="--clients 1"),
    "pages": Sizes(quick="--pages 1"),
    "pacing": Sizes(quick="--waiters 20 --rounds 1"),
    "journal": Sizes(quick="--callers 2 --rounds 1 --writes 2 --records 20", on_disk=True),
    "bulk": Sizes(quick="--quick 200 --only paced fairness", full="--full", on_disk=True),
}


def main(arguments: list[str] | None = None) -> int:
    """Run, print and write; return 1 if a benchmark failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that everything runs")
    parser.add_argument("--full", action="store_true", help="a million records and decisions too: minutes")
    parser.add_argument("--out", type=Path, help=f"where the page is written; of a whole run: {OUT.name}")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="of this project, to compare with")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on whose disk journals are made")
    chosen = parser.parse_args(arguments)
    results, began = [], load()
    for name in chosen.only or BENCHMARKS:
        given = _arguments(name, chosen)
        print(f"\n== {name} {' '.join(given)}".rstrip(), flush=True)
        results.append(_result(name, given, chosen.against, quick=chosen.quick))
    words = [word for word in ("--quick", "--full") if getattr(chosen, word[2:])]
    names = ["--only", *chosen.only] if chosen.only else []
    command = " ".join(["python -m benchmarks", *names, *words])
    text = page(results, command=command, against=chosen.against is not None, quick=chosen.quick, began=began)
    whole = not chosen.only and not chosen.quick
    if out := chosen.out or (OUT if whole else None):
        out.write_text(text, encoding="utf-8")
        print(f"\nwritten: {out}")
    return int(any(result.error for result in results))


def _arguments(name: str, chosen: argparse.Namespace) -> list[str]:
    sizes = BENCHMARKS[name]
    given = (sizes.quick if chosen.quick else sizes.full if chosen.full else "").split()
    return [*given, "--folder", str(chosen.folder.resolve())] if sizes.on_disk else given


def _result(name: str, given: Sequence[str], against: Path | None, *, quick: bool) -> Result:
    about = " ".join((importlib.import_module(f"benchmarks.{name}").__doc__ or "").partition("\n")[0].split())
    begun = time.perf_counter()
    tables, error = run(ROOT, name, given, quick=quick)
    seconds = time.perf_counter() - begun
    if error or against is None:
        return Result(name=name, about=about, seconds=seconds, tables=tables, error=error)
    print(f"\n== {name} with the other code", flush=True)
    before, failed = run(against, name, given, quick=quick)
    return Result(name=name, about=about, seconds=seconds, tables=tables, before=before, error_before=failed)


def run(checkout: Path, name: str, given: Sequence[str], *, quick: bool) -> tuple[list[Table], str]:
    """Run a benchmark of this checkout with the package of any; return its tables, or why there are none."""
    with tempfile.TemporaryDirectory() as folder:
        place = ROOT  # where the package and these benchmarks are side by side
        if checkout.resolve() != ROOT:
            place = Path(folder)
            for source in (checkout / "ims_async", ROOT / "benchmarks"):
                (place / source.name).symlink_to(source.resolve(), target_is_directory=True)
        found = Path(folder) / "tables.json"
        inherited = os.environ.get("PYTHONPATH")
        path = os.pathsep.join(filter(None, (str(place), inherited)))
        ended = subprocess.run(  # noqa: S603 # this very interpreter
            [sys.executable, "-m", "benchmarks.worker", str(found), name, *given],
            cwd=place,
            env={**os.environ, "PYTHONPATH": path} | ({"IMS_BENCH_QUICK": "1"} if quick else {}),
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if ended.returncode:
            print(ended.stderr, file=sys.stderr)
            return [], ended.stderr.strip().rpartition("\n")[2].replace(str(place), ".")
        return [_read(table) for table in json.loads(found.read_text(encoding="utf-8"))], ""


def _read(table: dict[str, object]) -> Table:
    rows = table["rows"]
    assert isinstance(rows, list)
    return Table(str(table["title"]), [Row(**row) for row in rows])


if __name__ == "__main__":
    raise SystemExit(main())
