"""Every recorded sample of every GSP is read into what it means."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from ..conftest import load
from ..support import sandbox_talk, vayana_samples
from ..support.recorded import samples

TABLES: dict[str, Mapping[str, Callable[[str], None]]] = {
    "sandbox": sandbox_talk.EXPECTED,
    "vayana": vayana_samples.EXPECTED,
}
REQUESTS: dict[str, Callable[[object], bool]] = {
    "sandbox": lambda expected: expected is sandbox_talk.is_what_we_send,
    "vayana": lambda expected: isinstance(expected, vayana_samples.Sent),
}


@pytest.mark.parametrize(("gsp", "name"), [(gsp, name) for gsp in TABLES for name in samples(gsp)])
def test_a_recorded_sample_is_read_into_the_right_value_or_error(gsp: str, name: str) -> None:
    """Say of every recorded sample what it means; one that nobody said anything about fails."""
    assert name in TABLES[gsp], f"add what {name} is expected to be read into"
    TABLES[gsp][name](name)


@pytest.mark.parametrize("gsp", TABLES)
def test_every_expectation_has_its_sample(gsp: str) -> None:
    """Keep the table of expectations and the recorded samples the same."""
    assert sorted(TABLES[gsp]) == samples(gsp)


@pytest.mark.parametrize("gsp", TABLES)
def test_the_request_samples_are_marked_as_requests(gsp: str) -> None:
    """Tell requests from answers by what the samples hold, so that none is taken for the other."""
    for name in samples(gsp):
        sample, is_request = load(f"{gsp}/{name}"), REQUESTS[gsp](TABLES[gsp][name])
        assert ("method" in sample) is is_request
        assert not (is_request and "http_status" in sample)
