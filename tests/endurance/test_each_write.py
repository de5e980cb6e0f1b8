"""A sample of the kills at each write: `python -m tests.endurance.each_write` has all of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs
import pytest

from ims_async.journal import Cause, Change, ChangeState
from ims_async.model.status import JobKind, JobState, JobStatus
from ims_async.simulator import Simulator

from ..support.journals import token
from ..support.sweeps import sample, stride
from .crash.death import Death
from .each_write.laws import Look, broken_end, broken_listing, broken_step
from .each_write.scenarios import PERIOD, SCENARIOS, Scenario
from .each_write.sweep import Case, Outcome, sweep

S = ChangeState
_EVERY = stride(7)


@pytest.mark.parametrize("scenario", sample(SCENARIOS, 2), ids=lambda scenario: scenario.name)
async def test_gstr2b_is_asked_for_no_more_than_it_must_be_and_never_lost(scenario: Scenario) -> None:
    """Killed before or after a write; each scenario begins at another one."""
    outcome = await sweep(scenario, every=_EVERY, first=SCENARIOS.index(scenario) // 2 % _EVERY)
    assert outcome.problems == []
    assert outcome.counts["kills"] >= 1
    assert outcome.writes >= 3


@pytest.mark.parametrize(
    ("death", "state"),
    [
        (Death(write=1, when="before"), "not handed in"),
        (Death(write=1, when="after"), S.QUEUED),
        (Death(write=2, when="before"), S.QUEUED),
        (Death(write=2, when="after"), S.SENDING),
        (Death(write=3, when="after"), S.ACCEPTED),
        (Death(write=5, when="after"), S.ENDED),
        (Death(write=6, when="before"), None),
    ],
    ids=str,
)
async def test_a_process_dies_just_before_or_just_after_a_write(death: Death, state: str | None) -> None:
    """A harness that killed nobody, or at another moment, would find nothing."""
    outcome = Outcome()
    assert await Case(SCENARIOS[0], "recover", death).run(outcome) is (state is not None)
    assert outcome.problems == []
    assert outcome.counts[f"{state} at the last kill"] == (state is not None)


async def test_the_next_process_is_killed_as_well() -> None:
    """At its own write: it has claimed what waited, and a third one asks."""
    outcome = Outcome()
    case = Case(SCENARIOS[0], "recover", Death(write=1, when="after"), Death(write=3, when="after"))
    assert await case.run(outcome)
    assert (outcome.problems, outcome.counts["kills"]) == ([], 2)
    assert outcome.counts[f"{S.SENDING} at the last kill"] == 1


# -- what the laws see -----------------------------------------------------------------------------------

DONE = JobStatus(state=JobState.SUCCEEDED, raw_code="P")


def change(state: ChangeState, name: str = "one", **facts: Any) -> Change:
    """Return a GSTR-2B to be computed anew."""
    own = token(kind=JobKind.REGENERATE, period=PERIOD, submitted=0)
    return Change(**{"id": name, "token": own, "state": state, **facts})


def look(*changes: Change, asked: int = 1) -> Look:
    """Return how things stand."""
    return Look(changes=changes, asked=asked, changed_at=0.0)


def test_the_laws_see_what_was_asked_for_without_need() -> None:
    """Of what was accepted nobody asks again; of what was lost, once."""
    accepted, lost, after = look(change(S.ACCEPTED)), look(change(S.LOST)), look(change(S.ENDED), asked=2)
    assert [*broken_step(accepted, after, may_ask=accepted.to_ask)] == [
        "asked for 1 times, while it was accepted"
    ]
    assert not [*broken_step(lost, after, may_ask=lost.to_ask)]
    assert [*broken_step(lost, look(asked=3), may_ask=lost.to_ask)] == [
        "asked for 2 times, while it was lost",
        "one is not in the journal any more",
    ]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ([change(S.ENDED, status=DONE)], ""),
        ([change(S.ENDED, status=DONE), change(S.ENDED, "two", status=DONE)], "2 changes of it were sent"),
        ([], "0 changes of it were sent"),
        ([change(S.LOST)], "not settled: ['lost']"),
        ([change(S.CALLED_OFF, cause=Cause.NOT_SENT)], "not settled: ['called off']"),
        ([change(S.CALLED_OFF, cause=Cause.REFUSED)], "it refused, and not computed"),
    ],
)
def test_the_laws_see_what_was_lost_or_is_not_settled(changes: list[Change], problem: str) -> None:
    """Whatever the portal made of it."""
    problems = [*broken_end(look(*changes), "computed", Simulator(), Counter())]
    assert problems[:1] == ([problem] if problem else [])


def test_the_laws_see_an_application_and_a_computation_that_the_portal_denies() -> None:
    """By its books."""
    done = change(S.ENDED, status=DONE)
    done = attrs.evolve(done, token=attrs.evolve(done.token, reference_id="R"))
    problems = [*broken_end(look(done), "computed", Simulator(), Counter(["a record"]))]
    assert [problem.partition(":")[0] for problem in problems] == [
        "said to be computed anew, which the portal denies",
        "applied",
        "sent",
    ]


def test_the_laws_see_what_is_listed_wrongly() -> None:
    """A job that is left out, and a GSTIN that is named as due, or is not."""
    listed: dict[str, Any] = {"jobs": [], "recompute_due": {"gstins": [], "not_counted": []}}
    one = look(change(S.LOST))
    assert [*broken_listing(one, listed, was_current=False)] == [
        "jobs list shows [], and not [('lost', 'ask for it again')]",
        "due: [], though it is not computed anew",
    ]
    listed["recompute_due"]["gstins"] = ["its GSTIN"]
    done = look(change(S.ENDED, status=DONE))
    assert [*broken_listing(done, listed, was_current=False)] == [
        "due: ['its GSTIN'], though it is computed anew"
    ]
