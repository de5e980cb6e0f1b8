"""What must hold of GSTR-2B after each kill, and in the end; by the simulator's books and the journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from ims_async import JobKind, JobState
from ims_async.journal import Cause, Change, ChangeState
from ims_async.simulator import Simulator

from ...support.bulk_breaks import arrived
from ...support.bulk_flows import applied
from .scenarios import Ending

S = ChangeState
_NEXT: Final = {
    S.QUEUED: "ask for it again",
    S.SENDING: "wait, then jobs resume",
    S.LOST: "ask for it again",
    S.ACCEPTED: "jobs resume",
}
"""What `jobs list` says of a GSTR-2B that is open."""


@attrs.frozen(kw_only=True)
class Look:
    """How things stand while no process lives. `changes` are those since the set-up."""

    changes: Sequence[Change]
    asked: int
    """How many requests to compute it anew the portal has seen."""
    changed_at: float
    """When a record was last changed at the portal, in epoch seconds."""

    @property
    def statements(self) -> list[Change]:
        """Each change that is to have it computed anew."""
        return [change for change in self.changes if change.token.kind is JobKind.REGENERATE]

    @property
    def stands(self) -> ChangeState | None:
        """How the last of them stands; None if nobody has handed one in."""
        return self.statements[-1].state if self.statements else None

    @property
    def claimed_at(self) -> float | None:
        """When the last of them was claimed, in epoch seconds, if it is being sent since."""
        sending = [one.token.submitted_at for one in self.statements[-1:] if one.state is S.SENDING]
        return next((at.timestamp() for at in sending if at is not None), None)

    @property
    def left(self) -> list[Change]:
        """Those that are open, and one that was not sent and that no later one takes the place of."""
        found = self.statements
        return [one for one in found if one.open or (one.to_retry and one is found[-1])]

    @property
    def settled(self) -> bool:
        """Whether what became of everything is known, as far as it was sent."""
        return not self.left and not any(change.open for change in self.changes)

    @property
    def records_in_doubt(self) -> bool:
        """Whether a save or reset may be leaving, or was lost: a look at its records waits half an hour."""
        states = {change.state for change in self.changes if change not in self.statements}
        return bool(states & {S.SENDING, S.LOST})

    @property
    def handed_in(self) -> bool:
        """Whether any was, and was not called off on the way."""
        return bool(self.left) or any(one.sent or one.cause is Cause.REFUSED for one in self.statements)

    @property
    def to_ask(self) -> bool:
        """Whether the next process has to ask: it never left, or no reference is known of what was sent."""
        return any(one.state is not S.ACCEPTED for one in self.left)

    @property
    def current(self) -> bool:
        """Whether the journal knows that it was computed anew, after all that the portal has applied."""
        return any(
            one.state is S.ENDED
            and one.status is not None
            and one.status.state is JobState.SUCCEEDED
            and one.token.submitted_at is not None
            and one.token.submitted_at.timestamp() >= self.changed_at
            for one in self.statements
        )


def broken_listing(look: Look, listed: Mapping[str, Any], *, was_current: bool) -> Iterator[str]:
    """Say what `jobs list` has wrong."""
    kind = JobKind.REGENERATE.value
    shown = {one["token"]: (one["phase"], one["next"]) for one in listed["jobs"] if one["kind"] == kind}
    wanted = {
        one.token.dumps(): (one.state.value, _NEXT.get(one.state, "ask for it again")) for one in look.left
    }
    if shown != wanted:
        yield f"jobs list shows {sorted(shown.values())}, and not {sorted(wanted.values())}"
    due = listed["recompute_due"]
    named = [*due["gstins"], *due["not_counted"]]  # of a simulator, which is tried here
    yield from broken_due(look, named, was_current=was_current)


def broken_due(look: Look, due: Sequence[str], *, was_current: bool) -> Iterator[str]:
    """Say whether it is named as due while it is not, or the reverse. A save in flight may have applied."""
    current = look.current or was_current
    if bool(due) == current and not look.records_in_doubt:
        yield f"due: {due}, though it is {'' if current else 'not '}computed anew"


def broken_step(before: Look, after: Look, *, may_ask: bool) -> Iterator[str]:
    """Say whether a process asked for it without need, or its reference was forgotten."""
    if after.asked > before.asked + may_ask:
        yield f"asked for {after.asked - before.asked} times, while it was {before.stands}"
    later = {one.id: one for one in after.changes}
    for one in before.changes:
        if one.id not in later:
            yield f"{one.id} is not in the journal any more"
        elif one.token.reference_id not in (None, later[one.id].token.reference_id):
            yield f"{one.id} has another reference"


def broken_end(look: Look, ends: Ending, sim: Simulator, work: Counter[Any]) -> Iterator[str]:
    """Say what is not as it must be when all is over."""
    unsent = [one for one in look.changes if one.to_retry and one not in look.statements]
    if unsent or not look.settled:
        yield f"not settled: {[str(one.state) for one in look.changes]}"
    live = [one for one in look.statements if one.sent or one.cause is Cause.REFUSED]
    if len(live) != 1:
        yield f"{len(live)} changes of it were sent"
    for one in live:
        found: Ending = "refused" if one.cause is Cause.REFUSED else "failed"
        if one.status is not None and one.status.state is JobState.SUCCEEDED:
            found = "computed"
        done = sim.returns.asked(one.token.reference_id or "")
        if found != ends:
            yield f"it {found}, and not {ends}"
        if found == "computed" and one.token.reference_id and not (done and done.done):
            yield "said to be computed anew, which the portal denies"
    if sim.returns.overlaps:
        yield f"in flight at once: {sim.returns.overlaps}"
    for what, found_records in (("applied", applied(sim)), ("sent", arrived(sim))):
        if found_records != work:
            yield f"{what}: {found_records - work} too often, {work - found_records} not"
