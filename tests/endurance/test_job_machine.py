"""What must hold of jobs, whatever happens to them and in whichever order; `job_machine` looks for longer."""

from __future__ import annotations

import os
import random

import pytest

from .job_machine import MACHINES, look_for_long, look_for_trouble

_NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"


@pytest.mark.parametrize("name", MACHINES)
def test_no_order_of_events_loses_a_decision_or_sends_it_twice(name: str) -> None:
    """The same examples each time; with HYPOTHESIS_PROFILE=nightly new ones, many more and longer."""
    if _NIGHTLY:
        done = look_for_long(name, examples=1000, steps=40, chosen_by=random.getrandbits(32))
    else:
        done = look_for_trouble(name, examples=40, steps=25)
    assert done["retries"], done
