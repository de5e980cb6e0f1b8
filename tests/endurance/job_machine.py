"""A machine that does to jobs all that can be done to them, in any order, and knows what must hold.

`python -m tests.endurance.job_machine --examples 2000 --steps 40` looks for longer than the tests do; what it
counts goes over all examples of both GSPs.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time
from collections import Counter
from typing import ClassVar, Final

from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from .job_rules import JobMachine


class SandboxMachine(JobMachine):
    """Through Sandbox."""

    gsp_name = "sandbox"
    tally: ClassVar[Counter[str]] = Counter()


class VayanaMachine(JobMachine):
    """Through Vayana."""

    gsp_name = "vayana"
    tally: ClassVar[Counter[str]] = Counter()


MACHINES: Final[dict[str, type[JobMachine]]] = {"sandbox": SandboxMachine, "vayana": VayanaMachine}


def look_for_trouble(name: str, *, examples: int, steps: int, chosen_by: int | None = None) -> Counter[str]:
    """Run a machine and return what it did. A seed chooses the examples; None means the same each time."""
    machine = MACHINES[name]
    machine.most_steps = steps
    whole = settings(
        deadline=None,
        suppress_health_check=list(HealthCheck),
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=chosen_by is None,
        database=None,
        print_blob=False,
    )
    if chosen_by is not None:
        seed(chosen_by)(machine)
    run_state_machine_as_test(machine, settings=whole)
    return machine.tally


def look_for_long(name: str, *, examples: int, steps: int, chosen_by: int) -> Counter[str]:
    """Run a machine until so many examples had all their steps; Hypothesis makes shorter ones too."""
    tally = MACHINES[name].tally
    while (missing := examples - tally["whole"]) > 0:
        look_for_trouble(name, examples=max(missing, 50), steps=steps, chosen_by=chosen_by)
        chosen_by += 1
    return tally


def main() -> int:
    """Look for trouble for as long as somebody likes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=2000, help="of all machines together")
    parser.add_argument("--steps", type=int, default=40, help="in each example")
    parser.add_argument("--machine", choices=[*MACHINES, "all"], default="all")
    parser.add_argument("--seed", type=int, default=random.getrandbits(32))
    asked = parser.parse_args()
    logging.disable()  # the library says each time what it waits for
    names = [name for name in MACHINES if asked.machine in (name, "all")]
    for name in names:
        begun = time.monotonic()
        try:
            share = -(-asked.examples // len(names))
            look_for_long(name, examples=share, steps=asked.steps, chosen_by=asked.seed)
        finally:
            took = time.monotonic() - begun
            counts = ", ".join(f"{count} {what}" for what, count in MACHINES[name].tally.items())
            sys.stdout.write(f"{name}, seed {asked.seed}, {took:.0f} s: {counts}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
