"""A gateway that takes less at once than it documents: a run cuts smaller, goes on, and reports it."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import pytest

from ims_async import ImsClient, PayloadTooLarge, bulk
from ims_async.bulk import BulkReport, EventKind
from ims_async.journal import ChangeState, Query
from ims_async.simulator import Fault, Simulator
from ims_async.simulator.http import write

from ..conftest import eas, from_gstn, make_gsp
from ..support.bulk_flows import Answer, adds_up, applied, bulk_client, log_in, undecided, work_for

pytestmark = [
    pytest.mark.looptime,
    pytest.mark.both_gsps,
    pytest.mark.sim(taxpayers=4, invoices=60, sections=["b2b"]),
]

REFUSED: Final = {
    "sandbox": (413, {"code": 413, "message": "Exceeding character limit/file size"}),
    "vayana": (413, eas("err-request-too-large", "ClientRequest")),
}
BY_GSTN: Final = {
    "sandbox": (413, {"code": 413, "data": {"status_cd": "0", "error": {"error_cd": "X9", "message": "no"}}}),
    "vayana": (413, from_gstn("X9", "too big")),
}


class Narrow:
    """A gateway that takes bodies of so many bytes; `refused` has the sizes of those that it did not take."""

    def __init__(self, sim: Simulator, gsp: str, limit: int, refused: Any = None) -> None:
        self._sim, self._answer, self.limit = sim, (refused or REFUSED)[gsp], limit
        self.refused: list[int] = []
        self.taken: list[int] = []

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Answer a request."""
        if b'"invdata"' in body:
            if len(body) > self.limit:
                self.refused.append(len(body))
                status, content = self._answer
                return status, {"Content-Type": "application/json"}, write(content)
            self.taken.append(len(body))
        return self._sim.handle(method, path, headers, body)


async def work_of_a_reader(sim: Simulator) -> dict[str, Any]:
    """Return what there is to do, by GSTIN."""
    return {who.gstin: batch for who, batch in (await work_for(log_in(bulk_client(sim), sim))).items()}


def narrow(sim: Simulator, gsp: str, limit: int, **settings: Any) -> tuple[ImsClient, Narrow]:
    """Return a client of such a gateway."""
    gateway = Narrow(sim, gsp, limit)
    client = bulk_client(sim, transport=gateway, gsp=make_gsp(sim), **settings)
    log_in(client, sim)
    return client, gateway


@pytest.mark.parametrize("limit", [700, 1500, 4000, 7000])
@pytest.mark.parametrize("concurrency", [1, 4])
async def test_a_run_cuts_smaller_until_it_goes_through(
    sim: Simulator, gsp_name: str, limit: int, concurrency: int
) -> None:
    """Every decision is applied once; each refusal is told as it happens, and reported."""
    work = await work_of_a_reader(sim)
    client, gateway = narrow(sim, gsp_name, limit)
    run = bulk.save_all(client, work, concurrency=concurrency)
    told: list[tuple[str, int]] = []
    async for event in run:
        adds_up(run.report)
        if event.kind is EventKind.CUT_SMALLER:
            assert isinstance(event.error, PayloadTooLarge)
            told.append((event.gstin, event.error.size))
    assert run.report.ok
    assert set(applied(sim).values()) == {1}
    assert sorted(run.report.refused_sizes) == sorted(gateway.refused) == sorted(size for _, size in told)
    assert Counter(told) == Counter((o.gstin, size) for o in run.report for size in o.refused_sizes)
    assert max(gateway.taken) > limit / 4  # as far as there is so much to send: it does not cut to pieces
    changes = await client.journal.find(Query(run=run.run))  # type: ignore[union-attr]
    states = Counter(change.state for change in changes)
    assert states == {ChangeState.CALLED_OFF: len(gateway.refused), ChangeState.ENDED: len(gateway.taken)}


async def test_a_size_that_gstn_refuses_is_cut_too(sim: Simulator, gsp_name: str) -> None:
    """The status says what is wrong, whoever put a reason beside it."""
    work = await work_of_a_reader(sim)
    gateway = Narrow(sim, gsp_name, 1500, BY_GSTN)
    client = bulk_client(sim, transport=gateway, gsp=make_gsp(sim))
    log_in(client, sim)
    report = await bulk.save_all(client, work)
    assert report.ok
    assert sorted(report.refused_sizes) == sorted(gateway.refused) != []


async def test_what_one_taxpayer_has_found_out_the_others_go_by(sim: Simulator, gsp_name: str) -> None:
    """The limit is the gateway's: it is found out once, by halving."""
    work = await work_of_a_reader(sim)
    client, gateway = narrow(sim, gsp_name, 1500)
    report = await bulk.save_all(client, work, concurrency=1)
    assert report.ok
    assert [bool(one.refused_sizes) for one in report] == [True, False, False, False]
    assert gateway.refused == sorted(gateway.refused, reverse=True)
    assert len(gateway.refused) <= 5


async def test_a_single_record_that_is_refused_stops_its_taxpayer_only(sim: Simulator, gsp_name: str) -> None:
    """It is named, nothing is tried for ever, and the others' requests are as big as before."""
    work = await work_of_a_reader(sim)
    who, *others = work
    client, gateway = narrow(sim, gsp_name, 10**9)
    whole = gateway.handle

    def no_such_taxpayer(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        gateway.limit = 0 if who.encode() in body else 10**9
        return whole(method, path, headers, body)

    gateway.handle = no_such_taxpayer  # type: ignore[method-assign]
    report = await bulk.save_all(client, work, concurrency=1)
    error = report[who].error
    assert isinstance(error, PayloadTooLarge)
    assert work[who][0].number in str(error)
    assert len(report[who].not_sent) == len(work[who])
    assert 1 < len(gateway.refused) < 10
    assert [report[other].jobs for other in others] == [1] * len(others)
    assert all(report[other].ok for other in others)
    adds_up(report)
    assert not report.ok


async def test_a_run_that_is_gone_on_with_still_adds_up(sim: Simulator, gsp_name: str) -> None:
    """What was refused is called off, what went through is not sent again."""
    work = await work_of_a_reader(sim)
    client, _ = narrow(sim, gsp_name, 1500)
    run = bulk.save_all(client, work, run="night", concurrency=1)
    async with contextlib.aclosing(run.__aiter__()) as events:
        ended = 0
        async for event in events:
            ended += event.kind is EventKind.ENDED
            if ended == 3:
                break
    adds_up(run.report)
    again, _ = narrow(sim, gsp_name, 1500, journal=client.journal)
    report = await bulk.save_all(again, work, run="night")
    assert report.ok
    assert report.handed_in == sum(map(len, work.values()))
    assert set(applied(sim).values()) == {1}


async def test_resets_are_cut_smaller_too(sim: Simulator, gsp_name: str) -> None:
    """And what a run sends both ways shares one limit."""
    client, gateway = narrow(sim, gsp_name, 1500)
    work = {gstin: await client.taxpayer(gstin).invoices("b2b") for gstin in sim.gstins}
    decided = {gstin: [row for row in rows if row.action != "N"] for gstin, rows in work.items()}
    report = await bulk.reset_all(client, decided)
    assert report.ok
    assert report.refused_sizes
    assert {record.action for gstin in sim.gstins for record in sim.records(gstin)} == {"N"}
    assert max(gateway.taken) <= 1500


async def retried(sim: Simulator, gsp: str) -> tuple[BulkReport, Narrow]:
    """Retry what could not be sent, at a gateway that takes less than one taxpayer's decisions."""
    work = await work_of_a_reader(sim)
    wide = bulk_client(sim)
    log_in(wide, sim)
    for gstin in sim.gstins:
        sim.end_session(gstin)
    report = await bulk.save_all(wide, work)
    assert report.not_sent == report.handed_in
    client, gateway = narrow(sim, gsp, 1500, journal=wide.journal)
    return await bulk.retry(client, report, concurrency=1), gateway


async def test_a_retry_cuts_smaller_too(sim: Simulator, gsp_name: str) -> None:
    """Its records are looked at again before each try."""
    report, gateway = await retried(sim, gsp_name)
    assert report.ok
    assert list(report.refused_sizes) == gateway.refused
    assert [bool(one.refused_sizes) for one in report] == [True, False, False, False]
    assert set(applied(sim).values()) == {1}


async def test_what_was_lost_on_the_way_is_cut_smaller_when_it_is_sent_again(
    sim: Simulator, gsp_name: str
) -> None:
    """The connection is dropped first, and the size refused afterwards."""
    who = log_in(bulk_client(sim), sim)[0]
    work = {who.gstin: await undecided(who)}
    client, gateway = narrow(sim, gsp_name, 10**9)
    sim.script_fault("save", Fault.drop_before())
    run = bulk.save_all(client, work, quiet=60.0)
    async for event in run:
        if event.kind is EventKind.LOOKING:
            gateway.limit = 1500
    assert run.report.ok
    assert list(run.report.refused_sizes) == gateway.refused
    assert len(gateway.refused) >= 2
    assert set(applied(sim).values()) == {1}
    adds_up(run.report)


async def test_a_single_save_says_what_to_do(sim: Simulator, gsp_name: str) -> None:
    """By name: the setting, and the package that cuts."""
    client, gateway = narrow(sim, gsp_name, 1500)
    who = client.taxpayer(sim.gstins[0])
    decisions = await undecided(who)
    with pytest.raises(PayloadTooLarge, match=r"ims_async\.bulk .*max_bytes") as caught:
        await who.save(decisions)
    assert caught.value.size == gateway.refused[0]
    assert caught.value.limit == 0
    assert f"{len(decisions)} records in {gateway.refused[0]:,} bytes" in str(caught.value)
    assert await client.unfinished() == []
    assert not sim.effects
