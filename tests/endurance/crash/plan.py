"""What one round is to do: one decision for each record, in batches, and what must become of each."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import attrs

from ims_async import Action, Decision, ImsClient, Invoice, ItcReduction, JobKind, Section
from ims_async.model.records import Record
from ims_async.simulator import Simulator

TAXPAYERS: Final = 20
SECTIONS: Final = (Section.B2B, Section.B2BCN)
_INVOICES: Final = 12  # of each taxpayer
_AT_ONCE: Final = 4  # records in a batch at most
_EDITED, _UNDECLARED = 0.05, 0.3
_STATEMENT: Final = 0.3
"""How often a taxpayer has GSTR-2B computed anew for each of these."""
PERIODS: Final = ("102024", "112024", "122024", "012025")
_LATEST: Final = 0.3  # seconds

REGENERATE_PATH, REGENERATION_PATH = "gstr2b-anew", "gstr2b-anew-status"
"""Of Vayana, whose documents have none."""

Where = tuple[str, str, str, str, str]
"""One record: GSTIN, section, supplier, number, return period."""


def statement(gstin: str, period: str) -> Where:
    """Return the name of a GSTR-2B among those of records."""
    return gstin, "gstr2b", "", "", period


def where(gstin: str, record: Record) -> Where:
    """Return which record a decision is about."""
    return gstin, str(record.section), record.supplier, record.number, record.return_period


def action(record: Record) -> str:
    """Return what the gateway shows once the decision has been applied."""
    return str((record.action if isinstance(record, Decision) else Action.NO_ACTION).value)


@attrs.frozen(kw_only=True)
class Batch:
    """Records that are handed in together, `after` seconds from the start of the run.

    One without records has GSTR-2B of its `period` computed anew, which no other of the taxpayer's has.
    """

    gstin: str
    records: tuple[Record, ...]
    after: float
    period: str = ""

    @property
    def kind(self) -> JobKind:
        """Save, reset, or GSTR-2B."""
        if self.period:
            return JobKind.REGENERATE
        return JobKind.SAVE if isinstance(self.records[0], Decision) else JobKind.RESET

    def without(self, known: set[Where]) -> Batch | None:
        """Return what is left of it once those records are left out, to be handed in at once."""
        if self.period:
            return None if statement(self.gstin, self.period) in known else attrs.evolve(self, after=0.0)
        left = tuple(record for record in self.records if where(self.gstin, record) not in known)
        return attrs.evolve(self, records=left, after=0.0) if left else None


@attrs.frozen(kw_only=True)
class Plan:
    """A round's batches. All of it shall be applied, but for what GSTN refuses."""

    batches: tuple[Batch, ...]
    undeclared: frozenset[Where]
    """Credit notes accepted without a word on the tax credit: refused with IMSSAV0054."""
    edited: frozenset[Where]
    """What the supplier edited since it was read: refused with IMSSAV0010, or seen to be changed."""

    @property
    def refused(self) -> frozenset[Where]:
        """What shall not be applied."""
        return self.undeclared | self.edited

    @property
    def decisions(self) -> dict[Where, Record]:
        """Every decision by its record; each record has one."""
        return {where(batch.gstin, record): record for batch in self.batches for record in batch.records}

    @property
    def statements(self) -> set[Where]:
        """Every GSTR-2B that is to be computed anew."""
        return {statement(batch.gstin, batch.period) for batch in self.batches if batch.period}

    def shares(self, count: int) -> list[tuple[Batch, ...]]:
        """Deal the batches out to so many workers, so that all of them meet at each GSTIN."""
        return [self.batches[place::count] for place in range(count)]


async def make_plan(client: ImsClient, sim: Simulator, chance: random.Random) -> Plan:
    """Read every taxpayer's records and decide on each; let suppliers edit some of them afterwards."""
    batches: list[Batch] = []
    undeclared: set[Where] = set()
    edited: set[Where] = set()
    for gstin in sim.gstins:
        acme = client.taxpayer(gstin, token=sim.token(gstin))
        rows = [row for section in SECTIONS for row in await acme.invoices(section)]
        changes = [_decide(row, chance) for row in rows]
        for records in (
            [change for change in changes if isinstance(change, Decision)],
            [change for change in changes if isinstance(change, Invoice)],
        ):
            for some in _parts(records, chance):
                after = chance.choice((0.0, chance.uniform(0.0, _LATEST)))
                batches.append(Batch(gstin=gstin, records=tuple(some), after=after))
        for period in PERIODS:
            if chance.random() < _STATEMENT:
                after = chance.choice((0.0, chance.uniform(0.0, _LATEST)))
                batches.append(Batch(gstin=gstin, records=(), after=after, period=period))
        undeclared |= {where(gstin, change) for change in changes if _undeclared(change)}
        for row in rows:
            if chance.random() < _EDITED:
                sim.edit(gstin, row.section, row.number, supplier=row.supplier, period=row.return_period)
                edited.add(where(gstin, row))
    chance.shuffle(batches)
    return Plan(batches=tuple(batches), undeclared=frozenset(undeclared), edited=frozenset(edited))


def make_simulator(chance: random.Random, clock: Callable[[], float]) -> Simulator:
    """Return a world of quick jobs, or of less quick ones; its sessions outlive the hours skipped."""
    longest = chance.choice((0.05, 0.1, 0.4))  # seconds
    return Simulator(
        seed=chance.randrange(1 << 30),
        clock=clock,
        taxpayers=TAXPAYERS,
        invoices=_INVOICES,
        sections=[str(section) for section in SECTIONS],
        job_seconds=lambda draw: draw.uniform(0.0, longest),
        token_seconds=864_000.0,
        account_token_seconds=864_000.0,
        download_seconds=0.01,
        itc_reduction_required=True,
        regenerate_unchanged=True,
        regenerate_seconds=lambda draw: draw.uniform(0.0, longest),
        regenerate_hidden_seconds=chance.choice((0.0, 0.0, 0.05)),
        vayana_regenerate_path=f"/enriched/gstn/v1.0/{REGENERATE_PATH}",
        vayana_regeneration_path=f"/enriched/gstn/v1.0/{REGENERATION_PATH}",
    )


def _decide(row: Invoice, chance: random.Random) -> Record:
    """Decide on something else than what it has, so that an action that was applied can be seen."""
    if row.action is not Action.NO_ACTION and chance.random() < 0.7:
        return row  # to be reset
    choices = [Action.ACCEPT, Action.REJECT] + [Action.PENDING] * (row.pending_allowed is not False)
    wanted = chance.choice([choice for choice in choices if choice is not row.action])
    if wanted is Action.ACCEPT:
        declared = row.section is Section.B2BCN and chance.random() >= _UNDECLARED
        return row.accept(itc_reduction=ItcReduction.none() if declared else None)
    return row.reject() if wanted is Action.REJECT else row.keep_pending()


def _undeclared(change: Record) -> bool:
    """Say whether GSTN refuses it: a credit note accepted without a word on the tax credit (IMSSAV0054)."""
    return (
        isinstance(change, Decision)
        and change.section is Section.B2BCN
        and change.action is Action.ACCEPT
        and change.itc_reduction is None
    )


def _parts(records: Sequence[Record], chance: random.Random) -> Iterator[Sequence[Record]]:
    start = 0
    while start < len(records):
        end = start + chance.randint(2, _AT_ONCE)
        yield records[start:end]
        start = end
