"""The report of a bulk run adds up whenever it is read: at each event, however the run goes, and after it."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Iterable
from typing import Any

import attrs
import pytest

from ims_async import Decision, ImsClient, Invoice, bulk
from ims_async.bulk import BulkReport, BulkRun, EventKind, TaxpayerReport
from ims_async.journal import MemoryJournal
from ims_async.simulator import Fault, Simulator

from ..conftest import plan_endless
from ..support.bulk_flows import adds_up, applied, bulk_client, log_in, work_for

pytestmark = [pytest.mark.looptime, pytest.mark.both_gsps]

Name = tuple[str, str, str, str]
FAULTS = (
    Fault.drop_before(),
    Fault.drop_after(),
    Fault.outage(),
    Fault.html(),
    Fault.refused(),
    Fault.throttled(),
)
OPERATIONS = ("save", "status", "invoices", "count")
KINDS = 12  # runs of each GSP
RUN = "night"
QUIET = 30.0  # seconds; longer than any job of these worlds takes


def name_of(gstin: str, record: Decision | Invoice) -> Name:
    """Name a record as the simulator's effects do."""
    return gstin, record.supplier, record.number, record.return_period


@attrs.define
class Night:
    """A world, what was decided in it, and the runs that work on it."""

    sim: Simulator
    dice: random.Random
    work: dict[str, list[Decision]]
    journal: MemoryJournal
    begun: Counter[Name] = attrs.field(factory=Counter)
    events: int = 0

    def client(self) -> ImsClient:
        """Return the client of one more process."""
        client = bulk_client(self.sim, self.journal)
        log_in(client, self.sim)
        return client

    def spoil(self) -> None:
        """Let a few things go wrong from now on."""
        for _ in range(self.dice.randrange(6)):
            self.sim.script_fault(self.dice.choice(OPERATIONS), self.dice.choice(FAULTS))
        if self.dice.random() < 0.3:
            self.sim.end_session(self.dice.choice(self.sim.gstins))
        if self.dice.random() < 0.2:
            plan_endless(self.sim)
        if self.dice.random() < 0.4:
            gstin = self.dice.choice(self.sim.gstins)
            one = self.dice.choice(self.work[gstin])
            self.sim.edit(gstin, "b2b", one.number, supplier=one.supplier, period=one.return_period)

    async def listen(self, run: BulkRun, *, until: int | None = None) -> BulkReport:
        """Follow a run, to its end or the so-manieth event, and check its report at each of them."""
        async with contextlib.aclosing(run.__aiter__()) as events:
            async for event in events:
                self.events += 1
                self.check(run.report)
                if event.kind is EventKind.FINISHED:
                    assert event.outcome is not None
                    self.check_one(event.outcome)
                if until is not None and (until := until - 1) <= 0:
                    break
        self.check(run.report)
        return run.report

    def check(self, report: BulkReport) -> None:
        """Check the sums, and each pile against the gateway's books."""
        adds_up(report)
        for one in report:
            self.check_one(one)
            if report.run == RUN:  # a retry has not sent what was applied before it, and says so
                not_sent = {name_of(one.gstin, record) for record in one.not_sent}
                assert not not_sent & set(applied(self.sim)), one

    def check_one(self, one: TaxpayerReport) -> None:
        """Check that no decision is in two piles, and none is told to be applied that is not."""
        assert one.pending_count >= 0, one
        failed = [failure.record for failure in one.failed if failure.record is not None]
        piles: Iterable[Any] = (*failed, *one.unaccounted, *one.changed, *one.not_sent)
        named = Counter(name_of(one.gstin, record) for record in piles)
        assert not named or max(named.values()) == 1, (one, named.most_common(2))
        assert one.succeeded <= sum(gstin == one.gstin for gstin, *_ in applied(self.sim)), one


async def night_of(seed: int) -> Night:
    """Begin a night in which other things go wrong than in the last one."""
    dice = random.Random(seed)  # noqa: S311 # the same each time
    sim = Simulator(seed=seed, taxpayers=4, invoices=18, sections=["b2b"], job_seconds=5.0)
    reader = bulk_client(sim)
    work = {who.gstin: batch for who, batch in (await work_for(log_in(reader, sim))).items()}
    return Night(sim, dice, work, MemoryJournal(clock=sim.now))


@pytest.mark.parametrize("seed", range(KINDS))
async def test_the_report_adds_up_at_each_event(seed: int) -> None:
    """Through lost answers, outages, dead sessions, edited records; broken off, gone on with, and retried."""
    night = await night_of(seed)
    dice = night.dice
    facts: dict[str, Any] = {"run": RUN, "quiet": QUIET, "max_records": dice.choice((2, 5, None))}
    facts["concurrency"] = dice.choice((1, 2, 100))
    for _ in range(2):
        night.spoil()
        run = bulk.save_all(night.client(), night.work, **facts)
        await night.listen(run, until=dice.randrange(1, 12))
    report = await night.listen(bulk.save_all(night.client(), night.work, **facts))
    assert report.handed_in == sum(map(len, night.work.values()))
    night.spoil()
    again = await night.listen(bulk.retry(night.client(), report, quiet=QUIET))
    assert again.handed_in == report.failed + report.unaccounted + report.not_sent
    resumed = await night.listen(bulk.resume(night.client(), RUN, quiet=QUIET))
    assert resumed.handed_in <= report.handed_in
    assert max(applied(night.sim).values(), default=1) == 1
    assert night.events > 10


@pytest.mark.parametrize("seed", range(3))
async def test_several_portions_of_a_taxpayer_add_up(seed: int) -> None:
    """Pairs may name a taxpayer more than once."""
    night = await night_of(seed)
    night.spoil()
    pairs = [(gstin, batch[place::3]) for place in range(3) for gstin, batch in night.work.items()]
    report = await night.listen(bulk.save_all(night.client(), pairs, quiet=QUIET, max_records=3))
    assert report.handed_in == sum(map(len, night.work.values()))


@pytest.mark.sim(taxpayers=3, invoices=20, sections=["b2b"])
async def test_what_waits_to_be_sent_is_pending(sim: Simulator) -> None:
    """Not "not sent": it will be."""
    client = bulk_client(sim)
    work = await work_for(log_in(client, sim))
    run = bulk.save_all(client, work, max_records=4)
    seen = 0
    async for event in run:
        one = run.report[event.gstin]
        if event.kind is EventKind.STARTED:
            seen += 1
            assert one.pending_count == one.handed_in > 0
        if event.kind is EventKind.SUBMITTED:
            assert one.pending
        assert one.not_sent == ()
    assert seen == 3
    assert run.report.ok
    assert run.report.pending_count == 0


@pytest.mark.sim(taxpayers=40, invoices=6, sections=["b2b"])
@pytest.mark.parametrize("events", [1, 5, 20, 45])
async def test_what_an_earlier_process_sent_is_never_told_to_be_not_sent(sim: Simulator, events: int) -> None:
    """Not even of those whose turn had not come when the run that was gone on with was broken off."""
    journal = MemoryJournal(clock=sim.now)
    reader = bulk_client(sim, journal)
    work = {who.gstin: batch for who, batch in (await work_for(log_in(reader, sim))).items()}
    assert (await bulk.save_all(reader, work, run=RUN)).ok
    client = bulk_client(sim, journal)
    log_in(client, sim)
    run = bulk.save_all(client, work, run=RUN)
    async with contextlib.aclosing(run.__aiter__()) as heard:
        seen = 0
        async for _ in heard:
            seen += 1
            if seen == events:
                break
    assert run.report.not_sent == 0
    adds_up(run.report)
