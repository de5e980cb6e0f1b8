"""How long it takes to start: the import of a program that uses the client, and the command's own help.

Run as `python -m benchmarks.startup`. Each figure is the CPU time of a process of its own, from the start of
the interpreter to its end, with compiled modules; they take turns.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
from typing import Final

from .measure import Row, show, spread

PYTHON: Final = "python -c pass"
LIBRARIES: Final = "import attrs, cattrs.preconf.json (floor)"
OURS: Final = "from ims_async import ImsClient, Sandbox"
HELP: Final = "ims-async --help"
COMMANDS: Final = {
    PYTHON: ("-c", "pass"),
    LIBRARIES: ("-c", "import attrs, cattrs.preconf.json"),
    "import aiohttp": ("-c", "import aiohttp"),
    OURS: ("-c", OURS),
    HELP: ("-m", "ims_async", "--help"),
}
GOAL_OF_IMPORT: Final = 2.0
GOAL_OF_HELP: Final = 0.25  # seconds


def started(arguments: tuple[str, ...]) -> float:
    """Run Python with these arguments; return its CPU time in seconds."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(  # noqa: S603 # this very interpreter
        [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main(arguments: list[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="how many rounds in turns (%(default)s)")
    rounds = parser.parse_args(arguments).rounds
    for command in COMMANDS.values():
        started(command)  # compiles what was never imported
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, command in COMMANDS.items():
            taken[name].append(started(command))
    imports = [name for name in COMMANDS if name != HELP]
    show(
        f"a program that imports, CPU time of the whole process, medians of {rounds}",
        [_row(taken, name, LIBRARIES, GOAL_OF_IMPORT if name == OURS else None) for name in imports],
    )
    helps = _row(taken, HELP, PYTHON, None)
    seconds = statistics.median(taken[HELP])
    show(
        f"the command's help, CPU time of the whole process, medians of {rounds}",
        [
            _row(taken, PYTHON, PYTHON, None),
            Row(HELP, helps.figure, helps.note, GOAL_OF_HELP, seconds, "s", helps.spread),
        ],
    )


def _row(taken: dict[str, list[float]], name: str, floor: str, goal: float | None) -> Row:
    ratio = statistics.median(a / b for a, b in zip(taken[name], taken[floor], strict=True))
    milliseconds = [seconds * 1000 for seconds in taken[name]]
    figure = f"{statistics.median(milliseconds):,.0f} ms"
    return Row(name, figure, f"{ratio:.2f} ×", goal, ratio, spread=spread(milliseconds, 0))


if __name__ == "__main__":
    main()
