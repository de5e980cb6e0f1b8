"""What must hold of jobs, whatever happens to them and in whichever order; `job_machine` looks for longer."""

from __future__ import annotations

import pytest

from ..support.sweeps import stride
from .job_machine import MACHINES, look_for_trouble


@pytest.mark.parametrize("name", MACHINES)
def test_no_order_of_events_loses_a_decision_or_sends_it_twice(name: str) -> None:
    """The same examples each time."""
    done = look_for_trouble(name, examples=40 // stride(2), steps=25)
    assert done["retries"], done
    assert done["statements_arrived"], done
