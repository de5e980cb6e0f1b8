"""What was handed in, what the simulator made of it, and what nobody may say of it. It asks no client."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from ims_async import Decision, ImsError, ImsJob, Invoice, JobKind, JobReport
from ims_async.jobs.reconcile import Reconciliation
from ims_async.journal import Change, ChangeState
from ims_async.model.records import Record
from ims_async.model.vocabulary import Action
from ims_async.simulator import Effect, LoggedRequest, SimJob, Simulator

from .job_statements import Statements

Key = tuple[str, str, str, str]
_PROVED = {401, 403, 429}


def key_of(record: Record) -> Key:
    """Return what names a record, as the simulator spells it."""
    return (str(record.section).lower(), record.supplier, record.number, record.return_period)


def key_of_effect(effect: Effect) -> Key:
    """Return what names the record of an effect."""
    return (effect.section, effect.supplier, effect.number, effect.period)


def _document(record: Record) -> Invoice:
    return record.invoice if isinstance(record, Decision) else record


def _wanted(record: Record) -> str:
    return str(record.action if isinstance(record, Decision) else Action.NO_ACTION)


class _Edit(NamedTuple):
    at: float
    gstin: str
    key: Key
    effects_before: int
    taxable: Decimal


@dataclass(eq=False)
class Batch:
    """One decision to send: what a program handed to `save`, `reset` or `retry` once."""

    number: int
    gstin: str
    parent: Batch | None = None
    """Whose report was retried."""
    records: tuple[Record, ...] = ()
    changes: list[str] = field(default_factory=list)
    """The names under which it is in the journal."""
    jobs: list[SimJob] = field(default_factory=list)
    end: str = "pending"
    """How the call ended: with a "job", as "unknown", with "nothing" sent, "cancelled" or "killed".

    One that is "cancelled again" leaves while its calling-off is being written: it may be queued until then.
    """
    error: ImsError | None = None
    doubtful: bool = False
    """It was sent in a way that may have had an effect, for all its sender knows."""
    first_sent: float | None = None
    let_go: bool = False
    settled: bool = False
    edited: bool = False
    unwritten: bool = False
    """The journal has failed to write down some of it."""
    decided: bool = False
    """Somebody else had decided on it since it was read: a look may take that for this batch's effect."""
    """The supplier edits its first record when it is written down, before it arrives."""
    edits_before: int = 0
    """How many edits there were when its records were last looked at, if it is a retry."""
    denied: set[Key] = field(default_factory=set)
    """The records of which it was said that nothing was and will be done."""
    told: dict[Key, str] = field(default_factory=dict)
    """What its reports said of each record."""
    period: str = ""
    """Of a GSTR-2B that is to be computed anew, for which other laws hold."""
    doubtful_statement: bool = False
    """The gateway has begun to compute it."""

    def __repr__(self) -> str:
        return f"<batch {self.number}: {self.end}, {len(self.records)} records, {len(self.jobs)} jobs>"


class Truth:
    """The simulator's side of the story. Whatever contradicts it is put into `wrong`."""

    def __init__(self, sim: Simulator, changes: Callable[[], Iterable[Change]]) -> None:
        self.sim, self.statements = sim, Statements(self, changes)
        self.batches: list[Batch] = []
        self.edits: list[_Edit] = []
        self.wrong: list[str] = []
        self.kills = 0
        self._by_change: dict[str, Batch] = {}
        self._checked = 0  # effects
        self._at_first = {
            (gstin, (record.section, *record.key)): record.taxable
            for gstin in sim.gstins
            for record in sim.records(gstin)
        }

    def batch(self, gstin: str, records: Sequence[Record] = (), parent: Batch | None = None) -> Batch:
        """Begin the story of a batch."""
        batch = Batch(len(self.batches), gstin, parent, tuple(records))
        self.batches.append(batch)
        return batch

    def demand(self, holds: bool, what: str) -> None:
        """Note what does not hold."""
        if not holds:
            self.wrong.append(what)

    def added(self, batch: Batch, change_id: str, records: tuple[Record, ...]) -> None:
        """Note under which name a batch is written down."""
        batch.changes.append(change_id)
        batch.records, batch.edits_before = records, self._edits_before_reading(batch.gstin)
        self._by_change[change_id] = batch

    def _edits_before_reading(self, gstin: str) -> int:
        """Count the edits that the latest reading shows; prepared rows are as they were when asked for."""
        asked_at = (
            request.at
            for request in reversed(self.sim.requests)
            if request.operation == "invoices"
            and request.gstin == gstin
            and request.path.startswith("/enriched/")
        )
        seen_at = next(asked_at, math.inf)  # at the other GSP rows come at once
        return sum(edit.at < seen_at for edit in self.edits)

    def of_change(self, change_id: str) -> Batch | None:
        """Return the batch that was written down under a name."""
        return self._by_change.get(change_id)

    def of(self, job: ImsJob) -> Batch | None:
        """Return the batch that a handle is about."""
        if job.kind is JobKind.REGENERATE:
            return self.statements.of(job)
        if job.reference_id is not None:
            sent = self.sim.job(job.reference_id)
            return next((batch for batch in self.batches if sent in batch.jobs), None)
        return self.of_change(job.change.id)

    # -- as it happens ---------------------------------------------------------------------------------

    def note_request(
        self, batch: Batch | None, request: LoggedRequest, made: Sequence[SimJob], asked: Sequence[str]
    ) -> None:
        """Note what a request of a batch did. Only a change may do anything, and only once.

        `asked` are the references of GSTR-2B that are computed anew by it.
        """
        self.statements.note_overlaps()
        if request.operation == "regenerate":
            self.statements.note_request(request.gstin, asked)
        if request.operation not in ("save", "reset"):
            return
        assert batch is not None
        name = f"{request.operation} of {batch}"
        self.demand(not batch.doubtful, f"{name} was sent again after it may have had an effect")
        self.demand(not batch.settled, f"{name} was sent after it was settled")
        self.demand(
            batch.end in ("pending", "cancelled", "cancelled again"),
            f"{name} was sent after its caller was answered",
        )
        batch.first_sent = batch.first_sent or request.at
        batch.doubtful = bool(made) or not (request.status in _PROVED or not request.fault)
        for job in made:
            same = job.records == len(batch.records) and job.gstin == batch.gstin
            self.demand(same, f"{name} carries {job.records} records")
        batch.jobs += made
        others = [job for job in self.sim.jobs if job.gstin == batch.gstin and not job.done]
        in_flight = [job for job in others if job not in made]
        if request.fault and not made:
            return
        for job in in_flight:
            ahead = next(each for each in self.batches if job in each.jobs)
            self.demand(ahead.let_go or ahead.decided, f"{name} was sent while {ahead} was in flight")

    def edit(self, gstin: str, record: Record) -> None:
        """Let the supplier edit a record."""
        key, effects = key_of(record), len(self.sim.effects)
        edited = self.sim.edit(gstin, key[0], record.number, supplier=key[1], period=key[3])
        self.edits.append(_Edit(self.sim.now(), gstin, key, effects, edited.taxable))

    # -- what the simulator knows ----------------------------------------------------------------------

    def effects(self, batch: Batch) -> dict[Key, Effect]:
        """Return what was applied by the jobs of a batch."""
        names = {job.reference for job in batch.jobs}
        found: dict[Key, Effect] = {}
        for effect in self.sim.effects:
            if effect.job in names:
                key = key_of_effect(effect)
                self.demand(key not in found, f"{batch} had two effects on {key}")
                found[key] = effect
        return found

    def meddled(self, batch: Batch, key: Key) -> bool:
        """Say whether anybody else changed a record since this batch was sent or, if not, at any time."""
        since = batch.first_sent or 0.0
        names = {job.reference for job in batch.jobs}
        return any(edit.at >= since for edit in self._edits(batch.gstin, key)) or any(
            key_of_effect(effect) == key and effect.at >= since and effect.job not in names
            for effect in self.sim.effects
            if effect.gstin == batch.gstin
        )

    def _edits(self, gstin: str, key: Key) -> list[_Edit]:
        return [edit for edit in self.edits if (edit.gstin, edit.key) == (gstin, key)]

    def _stands(self, batch: Batch, record: Record) -> bool:
        """Say whether a record stands as a batch wanted it."""
        return self.sim.record(batch.gstin, *key_of(record)).action == _wanted(record)

    # -- what is said ----------------------------------------------------------------------------------

    def check_report(self, batch: Batch, report: JobReport, job: ImsJob) -> None:
        """Hold a report against the truth, and against whatever was said of the batch before."""
        if batch.period:
            self.statements.check_report(batch, job)
            return
        if job.records is None:
            return
        failed = [failure.record for failure in report.failed]
        pieces = [*report.succeeded, *failed, *report.unaccounted]
        whole = sorted(map(repr, pieces)) == sorted(map(repr, batch.records))
        self.demand(whole, f"the report of {batch} has other records: {report}")
        if not whole:
            return
        effects, looked = self.effects(batch), job.status.polled_at is None
        for word, records in (("applied", report.succeeded), ("failed", failed)):
            for record in records:
                assert record is not None
                key = key_of(record)
                before = batch.told.setdefault(key, word)
                if looked and self.meddled(batch, key):
                    continue
                self.demand(before == word, f"{batch}: {key} is {word}, and was {before}")
                if looked and self._stands(batch, record):
                    continue  # whoever did it: a look sees the record, not the doer
                self.demand((key in effects) == (word == "applied"), f"{batch}: {key} is not {word}")

    def check_look(self, batch: Batch, found: Reconciliation) -> None:
        """Hold what a second look found against the truth."""
        piles = [*found.applied, *found.not_applied, *found.changed, *found.cannot_tell_yet]
        whole = sorted(map(repr, piles)) == sorted(map(repr, batch.records))
        self.demand(whole, f"the look at {batch} found other records")
        effects = self.effects(batch)
        for record in found.applied:
            key = key_of(record)
            true = key in effects or self.meddled(batch, key) or self._stands(batch, record)
            self.demand(true, f"{batch}: {key} was not applied, though a look says so")
        for record in found.not_applied:
            key = key_of(record)
            true = key not in effects or self.meddled(batch, key)
            self.demand(true, f"{batch}: {key} was applied, though a look says that it was not")
            if key not in effects:
                batch.denied.add(key)
        for record in found.changed:
            edited = bool(self._edits(batch.gstin, key_of(record)))
            self.demand(edited, f"{batch}: nobody changed {key_of(record)}")

    def tally(self) -> Counter[str]:
        """Count what happened."""
        again = [batch for batch in self.batches if batch.parent is not None]
        return Counter(
            batches=len(self.batches), jobs=sum(len(batch.jobs) for batch in self.batches),
            retries=len(again), retries_sent=sum(len(batch.jobs) for batch in again),
            edited_between=sum(batch.edited and bool(batch.changes) for batch in again),
            statements=self.statements.asked, statements_arrived=self.statements.arrived,
            edits=len(self.edits), kills=self.kills, unwritten=sum(batch.unwritten for batch in self.batches),
            **Counter(batch.end for batch in self.batches),
        )  # fmt: skip

    # -- at any moment ---------------------------------------------------------------------------------

    def check(self, changes: Iterable[Change] | None) -> None:
        """Hold the laws against everything so far; `changes` is the whole journal."""
        for batch in self.batches:
            self.demand(len(batch.jobs) <= 1, f"{batch} was sent twice")
            effects = self.effects(batch)
            self.demand(not batch.denied & set(effects), f"{batch} took effect though that was denied")
            if batch.end == "nothing":
                self.demand(not batch.doubtful, f"{batch} was sent, yet its caller got {batch.error!r}")
            if batch.parent is not None:
                self._check_refusals(batch)
        self._check_effects()
        if changes is not None:
            self._check_journal({change.id: change for change in changes})

    def _check_refusals(self, batch: Batch) -> None:
        """A retry sends what it has just seen: only what changes in that moment can be refused."""
        if any(other.let_go for other in self.batches if other.gstin == batch.gstin):
            return
        since = {edit.key for edit in self.edits[batch.edits_before :] if edit.gstin == batch.gstin}
        for error in (error for job in batch.jobs for error in job.errors):
            key = (error.section, error.supplier, error.number, error.period)
            self.demand(key in since, f"{batch} sent {key} as it was, and not as it is: {error.code}")

    def _check_effects(self) -> None:
        """Each decision takes effect on the document that was decided on; a retry, where it had not yet."""
        effects = self.sim.effects
        owners = {job.reference: batch for batch in self.batches for job in batch.jobs}
        for place in range(self._checked, len(effects)):
            effect, key = effects[place], key_of_effect(effects[place])
            batch, taxable = owners[effect.job], self._at_first[effect.gstin, key]
            for edit in self._edits(effect.gstin, key):
                taxable = edit.taxable if edit.effects_before <= place else taxable
            if batch.parent is not None:
                again = effect.before == effect.after
                self.demand(not again, f"{batch} did again what had been done: {key}")
            decided_on: Batch | None = batch
            while decided_on is not None:
                seen = next(_document(r).taxable_value for r in decided_on.records if key_of(r) == key)
                self.demand(seen == taxable, f"{batch} changed {key}, which the supplier had edited")
                decided_on = decided_on.parent
        self._checked = len(effects)

    def _check_journal(self, kept: dict[str, Change]) -> None:
        allowed = {
            "job": set(ChangeState) - {ChangeState.QUEUED, ChangeState.SENDING, ChangeState.CALLED_OFF},
            "unknown": {ChangeState.LOST, ChangeState.ENDED, ChangeState.ABANDONED},
            # Another process may take over what waits for its turn in this one, and look at its records.
            "nothing": {ChangeState.CALLED_OFF, ChangeState.ENDED},
            "cancelled": set(ChangeState) - {ChangeState.QUEUED},
        }
        self.statements.check(kept)
        for batch in self.batches:
            if batch.period:
                continue
            states = [kept[name].state for name in batch.changes if name in kept]
            gone = [state for state in states[:-1] if state is not ChangeState.CALLED_OFF]
            self.demand(batch.unwritten or not gone, f"{batch} is written down twice: {states}")
            if batch.doubtful and states and batch.end != "pending":
                known = states[-1] not in (ChangeState.QUEUED, ChangeState.CALLED_OFF)
                self.demand(known, f"{batch} was sent and is {states[-1]} in the journal")
            if batch.unwritten:
                continue
            if batch.end in ("job", "unknown"):
                self.demand(bool(states), f"{batch} was sent, and no change tells of it")
            if batch.end in allowed and states:
                self.demand(states[-1] in allowed[batch.end], f"{batch} is {states[-1]} in the journal")
        holding = Counter(change.token.gstin for change in kept.values() if change.holds_the_turn)
        self.demand(not holding or max(holding.values()) == 1, f"several changes hold a turn: {holding}")
