"""The simulator's clock, its rate limit, and answers planned by a test."""

from __future__ import annotations

import asyncio
import time

import pytest

from ims_async.simulator import Simulator
from tests.conftest import HANGS

from .simulator_portal import BASE, Portal, save_line

COUNT = f"{BASE}/invoices/count?type_of_goods=others"


def test_without_a_loop_the_clock_starts_now_and_moves() -> None:
    """Compare with the wall clock, then jump."""
    simulator = Simulator(invoices=0)
    before = time.time() - 1
    assert before < simulator.now() < time.time() + 1
    simulator.advance(3600)
    assert before < simulator.now() - 3600 < time.time() + 1
    with pytest.raises(ValueError, match="forward"):
        simulator.advance(-1)


def test_a_clock_of_the_callers_is_the_only_clock() -> None:
    """Read the time from the caller and refuse to move it."""
    times = [1000.0]
    simulator = Simulator(invoices=0, clock=lambda: times[0])
    _, _, content = Portal(simulator).answer("GET", COUNT)
    assert content["timestamp"] == 1_000_000
    times[0] = 2000.0
    assert simulator.now() == 2000.0
    with pytest.raises(RuntimeError, match="clock you passed"):
        simulator.advance(1)


@pytest.fixture
def outside() -> Portal:
    """Open a simulator whose jobs take two hours, where no loop runs yet."""
    return Portal(Simulator(job_seconds=7200))


@pytest.mark.looptime
async def test_hours_of_a_virtual_loop_are_hours_of_the_simulator(outside: Portal) -> None:
    """Wait for a job of two hours in a loop that does not."""
    started = time.monotonic()
    reference = outside.send("save", {"b2b": [save_line(outside.row(outside.free()), "A")]})
    await asyncio.sleep(7199)
    assert outside.status(reference)["status_cd"] == "IP"
    await asyncio.sleep(2)
    assert outside.status(reference)["status_cd"] == "P"
    assert time.monotonic() - started < HANGS


def test_without_a_limit_there_are_no_headers_about_limits() -> None:
    """Send no X-RateLimit headers."""
    _, headers, _ = Portal(Simulator()).answer("GET", COUNT)
    assert headers == {"Content-Type": "application/json"}


def test_the_window_counts_refuses_and_opens_again() -> None:
    """Use up a window of sixty seconds, on every kind of answer, and wait for the next."""
    times = [1_746_530_932.25]
    simulator = Simulator(rate_limit=3, clock=lambda: times[0])
    portal = Portal(simulator)
    paths = [COUNT, f"{BASE}/nowhere", f"{BASE}/invoices", COUNT, COUNT]
    answers = [portal.answer("GET", path) for path in paths]
    assert [status for status, _, _ in answers] == [200, 404, 400, 429, 429]
    remaining = [headers["X-RateLimit-Remaining"] for _, headers, _ in answers]
    assert remaining == ["2", "1", "0", "0", "0"]
    assert {headers["X-RateLimit-Limit"] for _, headers, _ in answers} == {"3"}
    assert {headers["X-RateLimit-Reset"] for _, headers, _ in answers} == {"1746530993"}
    assert answers[-1][2]["code"] == 429
    times[0] += 59.9
    assert portal.answer("GET", COUNT)[0] == 429
    times[0] += 0.1
    status, headers, _ = portal.answer("GET", COUNT)
    assert (status, headers["X-RateLimit-Remaining"]) == (200, "2")
    assert simulator.count("count", portal.gstin) == 5


def test_a_refused_save_does_not_take_effect() -> None:
    """Run into the limit with a save."""
    simulator = Simulator(rate_limit=1, job_seconds=0)
    portal = Portal(simulator)
    row = portal.row(portal.free())
    body = portal.body("save", {"b2b": [save_line(row, "A")]})
    assert portal.answer("POST", f"{BASE}/invoices/status/save", body)[0] == 429
    assert simulator.jobs == []


def test_planned_answers_replace_the_true_one_before_or_after_the_effect() -> None:
    """Plan a gateway timeout for two saves, one of which takes effect all the same."""
    simulator = Simulator(job_seconds=0)
    portal = Portal(simulator)
    body = portal.body("save", {"b2b": [save_line(portal.row(portal.free()), "A")]})
    simulator.script_answer("save", 504, {"code": 504, "message": "Gateway Timeout"})
    simulator.script_answer("save", 504, {"code": 504, "message": "Gateway Timeout"}, after=True)
    answers = []
    for _ in range(2):
        answers.append(portal.answer("POST", f"{BASE}/invoices/status/save", body)[0])
        answers.append(len(simulator.effects))
    assert answers == [504, 0, 504, 1]
    assert [request.status for request in simulator.requests if request.operation == "save"] == [504, 504]


def test_a_planned_answer_can_be_anything() -> None:
    """Plan a page of HTML with status 200."""
    simulator = Simulator()
    simulator.script_answer("count", 200, b"<html>", headers={"Content-Type": "text/html"})
    assert simulator.handle("GET", COUNT, {}) == (200, {"Content-Type": "text/html"}, b"<html>")
    assert simulator.handle("GET", COUNT, {})[0] == 401
