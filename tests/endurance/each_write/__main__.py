"""Kill a process at each write to its journal, for each scenario, and print what came of it.

`python -m tests.endurance.each_write`; scenarios whose names contain a text: `--only lost`. With `--twice`
the process that goes on is killed at each of its writes, too.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time

from .scenarios import SCENARIOS, Scenario
from .sweep import Outcome, sweep


def main() -> int:
    """Sweep the scenarios, print the figures; return 1 if anything is not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance.each_write", description=__doc__)
    parser.add_argument("--only", default="", help="a part of the names of scenarios")
    parser.add_argument("--twice", action="store_true", help="kill the next process as well")
    chosen = parser.parse_args()
    wanted = [one for one in SCENARIOS if chosen.only in one.name]
    return asyncio.run(_sweep(wanted, twice=chosen.twice))


async def _sweep(scenarios: list[Scenario], *, twice: bool) -> int:
    begun, at_once = time.monotonic(), asyncio.Semaphore(os.cpu_count() or 1)

    async def swept(scenario: Scenario) -> Outcome:
        async with at_once:
            outcome = await sweep(scenario, twice=twice)
        counts = ", ".join(f"{count} {name}" for name, count in sorted(outcome.counts.items()))
        print(f"{scenario.name}: {outcome.writes} writes; {counts}")
        for problem in outcome.problems[:20]:
            print(f"  BROKEN: {problem}", file=sys.stderr)
        return outcome

    outcomes = await asyncio.gather(*map(swept, scenarios))
    kills = sum(outcome.counts["kills"] for outcome in outcomes)
    broken = sum(len(outcome.problems) for outcome in outcomes)
    print(f"{kills} kills, {broken} violations, {time.monotonic() - begun:.0f} s")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
