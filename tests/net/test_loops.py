"""The event loops that the tests of the wire run on are those that they are called."""

from __future__ import annotations

import asyncio

import pytest

from ..support import loops
from ..support.sockets import skipping_time, turns

KINDS = {"asyncio": "asyncio.", "uvloop": "tests.support.loops", "eager tasks": "asyncio."}


@pytest.mark.parametrize("name", loops.ALL)
def test_each_loop_is_run_or_it_is_said_why_not(name: str) -> None:
    """A loop that is missing here is missing from every test that is marked `every_loop`."""
    if name in loops.MISSING:
        pytest.skip(loops.MISSING[name])

    async def look() -> tuple[str, bool]:
        begun: list[bool] = []

        async def begin() -> None:
            begun.append(True)

        task = asyncio.create_task(begin())
        eager = bool(begun)
        await task
        return type(asyncio.get_running_loop()).__module__, eager

    with asyncio.Runner(loop_factory=loops.ALL[name]) as runner:
        module, eager = runner.run(look())
    assert module.startswith(KINDS[name])
    assert eager is (name == "eager tasks")


@pytest.mark.parametrize("name", loops.HERE)
def test_a_timer_is_due_when_time_is_skipped_to_it(name: str) -> None:
    """An hour from now, at once; one that was cancelled never."""

    async def look() -> list[str]:
        rung: list[str] = []
        with skipping_time() as time:
            loop = asyncio.get_running_loop()
            loop.call_later(3600.0, rung.append, "hour")
            loop.call_later(3599.0, rung.append, "cancelled").cancel()
            await loops.idle(loop)
            due = loops.due(loop)
            assert due is not None
            assert abs(due - loop.time() - 3600.0) < 0.9
            time.skip(3600.0)()
            await turns()
        return rung

    with asyncio.Runner(loop_factory=loops.HERE[name]) as runner:
        assert runner.run(look()) == ["hour"]
