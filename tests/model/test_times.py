"""The time limits of a change are defined once: all that wait, look or give up use the same ones."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from ims_async import ImsClient, JobInFlight, PollPolicy, Taxpayer, bulk
from ims_async.journal import ChangeState
from ims_async.model.times import (
    ANSWER_DEADLINE,
    FIRST_LOOK,
    GATEWAY_WORKS,
    QUIET,
    SEND_DEADLINE,
    SENDER_IS_DEAD,
    in_minutes,
)
from ims_async.net.transport import MemoryTransport
from ims_async.simulator import Simulator

from ..conftest import make_client
from ..support.documents import DOCUMENTS, ROOT
from ..support.journal_flows import FIXTURES, Shelf, undecided

shelf, journal, client, acme, second = FIXTURES


class SlowSaves:
    """A way into a simulator on which a change takes `seconds` to arrive, as one of many bytes may."""

    def __init__(self, sim: Simulator, seconds: float) -> None:
        self._way, self._seconds = MemoryTransport(sim.transport, clock=sim.now), seconds

    async def send(self, request: Any) -> Any:
        """Hand it over."""
        if request.changes:
            await asyncio.sleep(self._seconds)
        return await self._way.send(request)

    async def aclose(self) -> None:
        """Nothing to close."""


def test_each_time_follows_from_those_before_it() -> None:
    """A sender is dead after the longest sending only, and a look is final when the gateway is done too."""
    assert SENDER_IS_DEAD > SEND_DEADLINE + ANSWER_DEADLINE
    assert QUIET == SENDER_IS_DEAD + GATEWAY_WORKS
    assert (SENDER_IS_DEAD, QUIET) == (1080, 1800)
    assert FIRST_LOOK < QUIET
    assert PollPolicy().deadline > SENDER_IS_DEAD  # a save that waits for a dead process sees it dead


@pytest.mark.looptime
@pytest.mark.both_gsps
async def test_no_error_advises_to_let_go_a_change_that_is_being_sent(
    shelf: Shelf, second: ImsClient, sim: Simulator
) -> None:
    """It succeeds after 400 s; 350 s after it began, each error in another process says to wait."""
    slow = shelf.taxpayer(make_client(sim, journal=shelf.journal(), transport=SlowSaves(sim, 400.0)))
    one, two, _ = await undecided(slow)
    sending = asyncio.create_task(slow.save([one]))
    await asyncio.sleep(350)
    other = shelf.taxpayer(second)
    asked = [other.save([two], queue=False)]
    told = [str(error) for error in await asyncio.gather(*asked, return_exceptions=True)]
    (job,) = await second.unfinished()
    for ask in (other.save([two], queue=False), other.logout(), other.logout(wait=True)):
        with pytest.raises(JobInFlight) as caught:
            await ask
        told.append(str(caught.value))
    assert all("wait" in words and "let_go" not in words for words in told), told
    assert [in_minutes(SENDER_IS_DEAD) in words for words in told] == [True] * 4
    assert (job.open, job.sent, job.pollable, job.needs_a_look) == (True, True, False, False)
    waiting = asyncio.create_task(job.wait())
    assert (await (await other.save([two]))).ok  # it waits, and goes its way when the first is through
    assert (await (await sending)).ok
    assert await waiting == job.status
    assert sim.count("save") == 2
    assert len(sim.effects) == 2


@pytest.mark.looptime
@pytest.mark.both_gsps
async def test_a_sender_that_is_dead_is_written_down_and_then_looked_after(
    shelf: Shelf, second: ImsClient, sim: Simulator
) -> None:
    """From then on, and not sooner, its job needs a look, in every process."""
    slow = shelf.taxpayer(make_client(sim, journal=shelf.journal(), transport=SlowSaves(sim, 1e6)))
    sending = asyncio.create_task(slow.save((await undecided(slow))[:1]))
    await asyncio.sleep(SENDER_IS_DEAD - 1)
    shelf.taxpayer(second)
    (job,) = await second.unfinished()
    assert (await shelf.last()).state is ChangeState.SENDING
    assert not job.needs_a_look
    await asyncio.sleep(2)
    assert await second.unfinished() == [job]
    assert (await shelf.last()).state is ChangeState.LOST
    assert job.needs_a_look
    sending.cancel()


# -- words ---------------------------------------------------------------------------------------------

TEXTS: Final = [
    *(ROOT / name for name in (*DOCUMENTS, "examples/service.py")),
    *sorted((ROOT / "ims_async" / "bulk").rglob("*.py")),
    *sorted((ROOT / "ims_async" / "cli").rglob("*.py")),
    *(
        ROOT / "ims_async" / name
        for name in (
            *("jobs/submission.py", "jobs/recovery.py", "jobs/facts.py", "jobs/job.py", "jobs/poller.py"),
            *("client.py", "taxpayer/__init__.py", "taxpayer/reads.py"),
        )
    ),
]
SAID: Final = {
    "half an hour": QUIET,
    "two minutes": FIRST_LOOK,
    "18 minutes": SENDER_IS_DEAD,
    "30 minutes": QUIET,
}
"""The only times in words that these texts have, but for those of other matters."""
_OTHERS: Final = re.compile(r"20 to 360 minutes|each few minutes|requests a minute|\d+ requests a minute")
_A_TIME: Final = re.compile(r"half an hour|\b(?:\w+) minutes\b")


def test_the_words_for_a_time_are_the_time() -> None:
    """Minutes that a text names are those of the constants."""
    minutes = {"half an hour": 30, "two minutes": 2, "18 minutes": 18, "30 minutes": 30}
    assert {words: SAID[words] / 60 for words in SAID} == minutes
    assert in_minutes(QUIET) == "30 minutes"


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.name)
def test_no_text_names_another_time(text: Path) -> None:
    """Five minutes, say, after which a sender was once dead."""
    words = _OTHERS.sub("", " ".join(text.read_text(encoding="utf-8").split()))
    assert set(_A_TIME.findall(words)) <= set(SAID)


def test_the_example_service_waits_as_long() -> None:
    """Its own number would be another one some day."""
    text = (ROOT / "examples" / "service.py").read_text(encoding="utf-8")
    assert "1800" not in text


@pytest.mark.parametrize(
    "call", [bulk.save_all, bulk.reset_all, bulk.retry, bulk.resume, bulk.recover, Taxpayer.reconcile]
)
def test_the_default_is_the_quiet_time(call: Callable[..., object]) -> None:
    """Of each call that takes one."""
    assert inspect.signature(call).parameters["quiet"].default == QUIET


@pytest.mark.parametrize(
    "text", sorted((ROOT / "ims_async" / "cli").rglob("*.py")), ids=lambda path: path.name
)
def test_no_text_of_the_shell_repeats_a_time(text: Path) -> None:
    """It is put in words where it is said: `in_minutes(QUIET)`."""
    assert _A_TIME.findall(_OTHERS.sub("", text.read_text(encoding="utf-8"))) == []
