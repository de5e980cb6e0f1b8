"""What the tests of bulk runs share: worlds of many taxpayers, their decisions, and the truth about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from ims_async import Action, Decision, ImsClient, Invoice, ItcReduction, Section, Taxpayer
from ims_async.bulk import BulkReport, TaxpayerReport
from ims_async.journal import Journal, MemoryJournal
from ims_async.simulator import Simulator

from ..conftest import make_client

Answer = tuple[int, Mapping[str, str], bytes]


def bulk_client(sim: Simulator, journal: Journal | None = None, **settings: Any) -> ImsClient:
    """Return a client of that world with a journal of its own, in memory where none is given."""
    return make_client(sim, journal=journal or MemoryJournal(clock=sim.now), **settings)


def log_in(client: ImsClient, sim: Simulator) -> list[Taxpayer]:
    """Return all taxpayers of the world, each with a session."""
    return [client.taxpayer(gstin, token=sim.token(gstin)) for gstin in sim.gstins]


@pytest.fixture
def journal(sim: Simulator) -> MemoryJournal:
    """What all processes of a test share."""
    return MemoryJournal(clock=sim.now)


@pytest.fixture
def client(sim: Simulator, journal: MemoryJournal) -> ImsClient:
    """The first process."""
    return bulk_client(sim, journal)


@pytest.fixture
def taxpayers(client: ImsClient, sim: Simulator) -> list[Taxpayer]:
    """All of the world's, each logged in."""
    return log_in(client, sim)


FIXTURES = (journal, client, taxpayers)
"""To be named in the modules that use them, in this order."""


def decided(invoice: Invoice, action: Action = Action.ACCEPT) -> Decision:
    """Decide on a record so that the gateway takes it."""
    if action is Action.ACCEPT and invoice.section is Section.B2BCN:
        return invoice.accept(itc_reduction=ItcReduction.none())
    return Decision(invoice=invoice, action=action)


async def undecided(taxpayer: Taxpayer, section: Section | str = Section.B2B) -> list[Decision]:
    """Return decisions to accept all that stands at no action in a section."""
    return [decided(row) for row in await taxpayer.invoices(section, Action.NO_ACTION)]


async def work_for(taxpayers: Sequence[Taxpayer]) -> dict[Taxpayer, list[Decision]]:
    """Return what there is to do for each."""
    return {taxpayer: await undecided(taxpayer) for taxpayer in taxpayers}


def applied(sim: Simulator) -> Counter[tuple[str, str, str, str]]:
    """Count how often the action on each record was changed: GSTIN, supplier, number, period."""
    return Counter((e.gstin, e.supplier, e.number, e.period) for e in sim.effects)


def names(gstin: str, decisions: Sequence[Decision]) -> set[tuple[str, str, str, str]]:
    """Name these records as `applied` does."""
    return {(gstin, one.supplier, one.number, one.return_period) for one in decisions}


def adds_up(report: BulkReport) -> None:
    """Check that every decision is in exactly one pile, by taxpayer and in total."""
    for one in report:
        assert one.pending_count >= 0, one
        assert _sum(one) == one.handed_in
    piles = (report.succeeded, report.failed, report.unaccounted, report.changed, report.not_sent)
    assert sum(piles) + report.pending_count == report.handed_in


def _sum(one: TaxpayerReport) -> int:
    told = len(one.failed) + len(one.unaccounted) + len(one.changed) + len(one.not_sent)
    return one.succeeded + told + one.pending_count


class Door:
    """The simulator's in-memory door with a hand in it: `spoil` may answer, or raise, in its place."""

    def __init__(self, sim: Simulator, spoil: Callable[[str, Callable[[], Answer]], Answer | None]) -> None:
        self._sim, self._spoil = sim, spoil
        self.statuses: Counter[int] = Counter()

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Answer a request."""

        def truly() -> Answer:
            return self._sim.handle(method, path, headers, body)

        answer = self._spoil(path, truly)
        answer = truly() if answer is None else answer
        self.statuses[answer[0]] += 1
        return answer
