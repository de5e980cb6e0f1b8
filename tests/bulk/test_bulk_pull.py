"""Records of many taxpayers read at once: all of them, or taxpayer by taxpayer."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ims_async import Action, ImsClient, InvalidInput, NotAuthorized, RateLimit, Section, Taxpayer, bulk
from ims_async.simulator import Fault, Simulator

from ..conftest import make_client
from ..support.bulk_flows import log_in

pytestmark = [pytest.mark.looptime, pytest.mark.both_gsps, pytest.mark.sim(taxpayers=5, invoices=40)]


@pytest.fixture
def taxpayers(client: ImsClient, sim: Simulator) -> list[Taxpayer]:
    """All of the world's, each logged in."""
    return log_in(client, sim)


async def test_all_records_of_all_taxpayers_are_read(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """By taxpayer and section, as the gateway has them."""
    report = await bulk.pull_all(client, taxpayers)
    assert report.ok
    assert report.count == 200
    for gstin in sim.gstins:
        found = {
            (row.section.value, row.supplier, row.number, row.return_period) for row in report[gstin].invoices
        }
        assert found == {(one.section, *one.key) for one in sim.records(gstin)}
    assert sorted(one.gstin for one in report) == sorted(sim.gstins)


async def test_iterating_keeps_no_records(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """Each taxpayer's come once; the report has the counts."""
    run = bulk.pull_all(client, taxpayers, concurrency=2)
    found = {pulled.gstin: len(list(pulled.invoices)) async for pulled in run}
    assert found == dict.fromkeys(sim.gstins, 40)
    assert run.report.count == 200
    assert not [row for one in run.report for row in one.invoices]


@pytest.mark.only_gsp("sandbox", "the other has the files fetched")
@pytest.mark.sim(taxpayers=2, invoices=60, file_rows=9)
async def test_a_section_that_is_still_prepared_costs_no_other(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """It is in `queued`, the others are read; `error` is there, so that nobody takes them for all."""
    report = await bulk.pull_all(client, taxpayers)
    assert not report.ok
    assert set(report.errors) == set(sim.gstins)
    for gstin in sim.gstins:
        counts = Counter(record.section for record in sim.records(gstin))
        late = {section for section, count in counts.items() if count > 9}
        assert {section.value for section in report[gstin].queued} == late != set()
        assert report[gstin].error is next(iter(report[gstin].queued.values()))
        assert {name.value: len(rows) for name, rows in report[gstin].sections.items()} == {
            section: count for section, count in counts.items() if section not in late
        }


@pytest.mark.sim(taxpayers=2, invoices=30, sections=["b2b", "b2bcn"])
async def test_empty_sections_are_not_asked_for(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """A call that finds nothing is billed as well."""
    report = await bulk.pull_all(client, taxpayers)
    assert report.count == 60
    assert sim.count("invoices") == 4
    assert set(report[sim.gstins[0]].sections) == {Section.B2B, Section.B2BCN}


async def test_sections_and_actions_can_be_chosen(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """Only those."""
    report = await bulk.pull_all(client, taxpayers, sections=["cn", Section.B2B], status="no_action")
    rows = [row for one in report for row in one.invoices]
    assert {row.section for row in rows} == {Section.B2BCN, Section.B2B}
    assert {row.action for row in rows} == {Action.NO_ACTION}


async def test_trouble_of_one_stops_no_other(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """A dead session, a GSTIN that is none, something that is no taxpayer: each told."""
    sim.end_session(taxpayers[0].gstin)

    async def who() -> AsyncIterator[Any]:
        for one in [*taxpayers, "29AAACQ3770E1ZZ", 5]:
            yield one

    report = await bulk.pull_all(client, who())
    assert set(report.errors) == {taxpayers[0].gstin, "29AAACQ3770E1ZZ", "5"}
    assert isinstance(report[taxpayers[0].gstin].error, NotAuthorized)
    assert not report.ok
    assert report.count == 160


async def test_a_read_that_fails_for_good_is_told(
    client: ImsClient, sim: Simulator, taxpayers: list[Taxpayer]
) -> None:
    """After the retries of a read; the others are there."""
    sim.script_fault("count", *Fault.burst(3), gstin=sim.gstins[2])
    report = await bulk.pull_all(client, taxpayers)
    assert set(report.errors) == {sim.gstins[2]}


@pytest.mark.sim(taxpayers=5, invoices=40, rate_limit=20)
async def test_reads_keep_within_the_budget(sim: Simulator) -> None:
    """However many there are."""
    client = make_client(sim, rate=RateLimit(20))
    report = await bulk.pull_all(client, log_in(client, sim))
    assert report.ok
    assert not [request for request in sim.requests if request.status == 429]


@pytest.mark.parametrize("who", ["29AAACQ3770E1ZF", 5, None])
async def test_what_is_no_list_of_taxpayers_is_refused(client: ImsClient, who: Any) -> None:
    """A single GSTIN is text, and would be read letter by letter."""
    with pytest.raises(InvalidInput, match="pass"):
        await bulk.pull_all(client, who)


def test_sections_that_are_none_are_refused(client: ImsClient) -> None:
    """Before anything is read."""
    for sections in ("b2b", ["nonsense"], 5):
        with pytest.raises(InvalidInput):
            bulk.pull_all(client, [], sections=sections)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        bulk.pull_all(client, [], status="nonsense")
