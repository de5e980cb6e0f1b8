"""Kill workers for real, many times, and print what was lost.

`python -m tests.endurance.crash --rounds 200 --gsp vayana --seed 3`; a round alone: `--seed 3 --round 17`.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter

from .rounds import Round, first_spans


def main() -> int:
    """Run the rounds, print the figures; return 1 if anything is not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance.crash", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--round", type=int, help="only this one")
    parser.add_argument("--gsp", choices=("sandbox", "vayana"), default="sandbox")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    numbers = range(chosen.rounds) if chosen.round is None else [chosen.round]
    return asyncio.run(_run(chosen.gsp, chosen.seed, numbers))


async def _run(gsp: str, seed: int, numbers: range | list[int]) -> int:
    spans, counts, begun = first_spans(), Counter[str](), time.monotonic()
    try:
        for number in numbers:
            outcome = await Round(gsp, seed, number, spans).run()
            counts.update(outcome.counts, rounds=1)
            counts["rounds with a violation"] += bool(outcome.problems)
            if outcome.problems:
                print(f"BROKEN: --gsp {gsp} --seed {seed} --round {number}", file=sys.stderr)
            for problem in outcome.problems[:20]:
                print(f"  {problem}", file=sys.stderr)
    finally:  # Ctrl-C shows the figures so far
        print(f"{gsp}, seed {seed}, {time.monotonic() - begun:.0f} s")
        for name, figure in sorted(counts.items()):
            print(f"  {name:50}{figure:8,}")
    return 1 if counts["rounds with a violation"] else 0


if __name__ == "__main__":
    sys.exit(main())
