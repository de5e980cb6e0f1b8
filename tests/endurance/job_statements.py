"""What must hold of GSTR-2B that is computed anew, whatever happens. It asks no client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ims_async import ImsJob, JobKind
from ims_async.gsp.base import Gsp
from ims_async.journal import Change, ChangeState

from ..conftest import GSPS, LOGIN

if TYPE_CHECKING:
    from ims_async.simulator import Simulator

    from .job_truth import Batch, Truth

PERIODS: Final = ("122024", "012025")
_ASK, _STATUS = "gstr2b-anew", "gstr2b-anew-status"
SIMULATED: Final[dict[str, Any]] = {
    "regenerate_unchanged": True,
    "vayana_regenerate_path": f"/enriched/gstn/v1.0/{_ASK}",
    "vayana_regeneration_path": f"/enriched/gstn/v1.0/{_STATUS}",
}
"""Settings of the simulator."""


def make_gsp(name: str, sim: Simulator) -> Gsp:
    """Return a GSP with which it can be done: one documents no route to it."""
    routes = {"regenerate_path": _ASK, "regenerate_status_path": _STATUS}
    return GSPS[name](sim, **({**LOGIN, **routes} if name == "vayana" else {}))


class Statements:
    """The laws: never beside a save or reset; once it has a reference never again; never lost."""

    def __init__(self, truth: Truth, changes: Callable[[], Iterable[Change]]) -> None:
        self._truth, self._changes = truth, changes
        self._owners: dict[str, Batch] = {}  # by the gateway's references
        self._known: dict[str, str] = {}  # references in the journal, by change
        self._seen = 0  # overlaps
        self.asked = self.arrived = 0

    def note_request(self, gstin: str, made: Sequence[str]) -> None:
        """Note a request that was sent, with the references that it was given: it has the turn."""
        truth = self._truth
        sending = [
            change
            for change in self._changes()
            if change.token.gstin == gstin
            and change.token.kind is JobKind.REGENERATE
            and change.state is ChangeState.SENDING
        ]
        truth.demand(len(sending) == 1, f"GSTR-2B of {gstin} is asked for by {sending}")
        self.asked += 1
        for change in sending:
            batch = truth.of_change(change.id)
            truth.demand(batch is not None, f"nobody has handed {change.id} in")
            if batch is not None:
                truth.demand(not batch.let_go, f"{batch} is asked for after it was let go")
                batch.doubtful_statement |= bool(made)
                self._owners.update(dict.fromkeys(made, batch))
            truth.demand(change.id not in self._known, f"{batch} is asked for again: it has a reference")
        self.arrived += len(made)

    def note_overlaps(self) -> None:
        """A save or reset, and a computation, are never at the gateway at once, unless one was let go."""
        truth = self._truth
        for overlap in truth.sim.returns.overlaps[self._seen :]:
            jobs = [job for job in truth.sim.jobs if job.reference == overlap.running]
            ahead = [batch for batch in truth.batches if any(job in batch.jobs for job in jobs)]
            ahead += [self._owners[overlap.running]] if overlap.running in self._owners else []
            allowed = any(batch.let_go or batch.decided for batch in ahead)
            truth.demand(allowed, f"{overlap} while {ahead} was in flight")
        self._seen = len(truth.sim.returns.overlaps)

    def of(self, job: ImsJob) -> Batch | None:
        """Return the batch that a handle is about."""
        return self._owners.get(job.reference_id or "") or self._truth.of_change(job.change.id)

    def check_report(self, batch: Batch, job: ImsJob) -> None:
        """What is said to be computed anew is, by the job that is named."""
        done = self._truth.sim.returns.asked(job.reference_id or "")
        well = job.report is not None and job.report.ok and done is not None and done.done
        self._truth.demand(well, f"{batch}: {job.report}, and the gateway says {done}")

    def check(self, kept: Mapping[str, Change]) -> None:
        """Hold the laws against the journal."""
        demand = self._truth.demand
        for batch in self._truth.batches:
            for name in batch.changes if batch.period else ():
                if name not in kept:
                    continue
                change = kept[name]
                reference = change.token.reference_id
                known = self._known.setdefault(name, reference) if reference else self._known.get(name)
                demand(reference == known, f"{batch} has the reference {reference}, and had {known}")
                off = change.state is ChangeState.CALLED_OFF
                demand(not (off and batch.doubtful_statement), f"{batch} was sent, and is called off")
                if batch.end == "job" and not batch.unwritten:
                    demand(change.sent, f"{batch} was sent and is {change.state} in the journal")

    def check_end(self, kept: Mapping[str, Change]) -> None:
        """After recovery each has ended well, but what never left, and what was let go."""
        for batch in self._truth.batches:
            for name in batch.changes if batch.period else ():
                if name not in kept:
                    continue  # its process died before it was written down
                state = kept[name].state
                over = state is ChangeState.CALLED_OFF or batch.let_go
                self._truth.demand(over or state is ChangeState.ENDED, f"{batch} is {state} in the end")
