"""A pytest plugin: the fixture `ims_simulator`, set up by the marker of the same name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .simulator import Simulator


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers", "ims_simulator(**options): how to make the simulator of the fixture ims_simulator"
    )


@pytest.fixture
def ims_simulator(request: pytest.FixtureRequest) -> Simulator:
    """Make a simulator with two taxpayers of forty records; jobs, downloads, regenerations take no time.

    Pass options of `Simulator` to the marker: `@pytest.mark.ims_simulator(invoices=500, job_seconds=30)`.
    """
    # Imported here: most test runs that load the plugin never use it.
    from .simulator import Simulator

    options: dict[str, object] = {
        "seed": 7,
        "taxpayers": 2,
        "invoices": 40,
        "job_seconds": 0,
        "regenerate_seconds": 0,
        "download_seconds": 0,
    }
    # The closest marker wins, option by option.
    for marker in reversed(list(request.node.iter_markers("ims_simulator"))):
        options |= marker.kwargs
    return Simulator(**options)  # type: ignore[arg-type]  # the marker's options are the caller's to get right
