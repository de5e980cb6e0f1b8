"""What the tests of a GSTR-2B that is computed anew share: the trouble that they make, and its period."""

from __future__ import annotations

from typing import Final

import pytest

from ims_async import ImsClient, ImsJob, JobKind, OutcomeUnknown, Taxpayer
from ims_async.journal import Change, ChangeState, Journal
from ims_async.simulator import Fault, Simulator

from . import journal_flows
from .journal_flows import Shelf

PERIOD: Final = "012025"
MARKS: Final = [pytest.mark.looptime, pytest.mark.sim(regenerate_unchanged=True)]
LOST: Final = Fault.drop_after()
"""The gateway has it, and its answer does not arrive."""


@pytest.fixture
def other(second: ImsClient, shelf: Shelf) -> Taxpayer:
    """The other process's taxpayer."""
    return shelf.taxpayer(second)


async def lose(acme: Taxpayer, sim: Simulator, *faults: Fault) -> ImsJob:
    """Have every answer to it lost; return the job of which nobody knows what became."""
    sim.script_fault("regenerate", *(faults or [LOST] * 3))
    with pytest.raises(OutcomeUnknown, match=r"GSTR-2B of 012025 of .*regenerate_gstr2b\(period\)") as caught:
        await acme.regenerate_gstr2b(PERIOD)
    assert caught.value.job is not None
    assert caught.value.job.change.state is ChangeState.LOST
    return caught.value.job


async def died(
    acme: Taxpayer, journal: Journal, state: ChangeState = ChangeState.SENDING, *, run: str = ""
) -> Change:
    """Write down what a process leaves that asks for it, and dies in this state."""
    token = vars(acme)["_jobs"].token(JobKind.REGENERATE, None, 0, PERIOD)
    change = await journal.add(Change(id=f"dead {state}", token=token, run=run), [])
    if state is not ChangeState.QUEUED:
        change = (await journal.claim(change.claimed(token))).change
    if state is ChangeState.LOST:
        lost = await journal.put(change.lost())
        assert lost is not None
        return lost
    return change


FIXTURES: Final = (*journal_flows.FIXTURES, other)
"""To be named in the modules that use them, in this order."""
