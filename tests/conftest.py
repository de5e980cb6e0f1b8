"""What the tests share: recorded vendor answers, the vendor's schemas, and a client over the simulator.

Tests that need time carry `@pytest.mark.looptime`: the event loop's clock then jumps to the next timer, and
simulator and client both follow it, so that hours pass in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from ims_async import ImsClient, PollPolicy, RetryPolicy, Sandbox
from ims_async.simulator import Simulator

HERE = Path(__file__).parent

# The same examples each time, so that no run fails by chance; HYPOTHESIS_PROFILE=random looks for new ones.
settings.register_profile("random", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", settings.get_profile("random"), derandomize=True, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_configure() -> None:
    """Say that no event loop is set: otherwise looptime makes one before each test and nobody closes it."""
    asyncio.set_event_loop(None)


def load(name: str) -> dict[str, Any]:
    """Return a recorded sample, `sandbox/count-200` say, with its numbers exact."""
    text = (HERE / "samples" / f"{name}.json").read_text(encoding="utf-8")
    sample: dict[str, Any] = json.loads(text, parse_float=Decimal)
    return sample


@pytest.fixture
def sample() -> Callable[[str], dict[str, Any]]:
    """The vendor's own examples by name."""
    return load


@pytest.fixture
def sim(request: pytest.FixtureRequest) -> Simulator:
    """A small world in memory; `@pytest.mark.sim(…)` passes other settings."""
    marker = request.node.get_closest_marker("sim")
    facts = {"seed": 7, "taxpayers": 2, "invoices": 60, "job_seconds": 5.0}
    return Simulator(**{**facts, **(marker.kwargs if marker else {})})


@pytest.fixture
def client(sim: Simulator) -> ImsClient:
    """A client of that world, with its clock; it holds no socket, so there is nothing to tear down."""
    return make_client(sim)


def make_client(sim: Simulator, **settings: Any) -> ImsClient:
    """Return a client that talks to the simulator in memory and reads the simulator's clock."""
    facts: dict[str, Any] = {"transport": sim.transport, "clock": sim.now}
    return ImsClient(Sandbox("key_test_demo", "secret_test_demo"), **{**facts, **settings})


QUICK = PollPolicy(initial_delay=0.0, max_interval=0.001)
ONE_TRY = RetryPolicy(max_tries=1)
