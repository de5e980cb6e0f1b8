"""What GSTN refuses is refused, whatever it leaves out of its answer; only what was in vain is sent again."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest

from ims_async import Decision, ImsClient, JobFailed, OutcomeUnknown, Taxpayer, bulk
from ims_async.model.times import QUIET
from ims_async.simulator import Fault, Simulator

from ..support.bulk_flows import adds_up, bulk_client, log_in, undecided

pytestmark = [
    pytest.mark.looptime,
    pytest.mark.both_gsps,
    pytest.mark.sim(taxpayers=1, invoices=40, sections=["b2b"]),
]
WHY: Final = "the invoice is already acted upon at the portal"


@pytest.fixture
def client(sim: Simulator) -> ImsClient:
    """A client with a journal."""
    return bulk_client(sim)


@pytest.fixture
def acme(client: ImsClient, sim: Simulator) -> Taxpayer:
    """The taxpayer, logged in."""
    return log_in(client, sim)[0]


async def stale(acme: Taxpayer) -> list[Decision]:
    """Return decisions on three records of which the first was decided on meanwhile: GSTN refuses it."""
    batch = (await undecided(acme))[:3]
    await (await acme.save([batch[0].invoice.keep_pending()]))
    return batch


def refusal(decision: Decision, **said: str) -> dict[str, Any]:
    """Return a status that refuses one of three records, with so much of a reason. Constructed."""
    entry = {
        "stin": decision.supplier,
        "inv": [{"inum": decision.number, "rtnprd": decision.return_period}],
        **said,
    }
    counts = {"proc_cnt": "2", "err_cnt": "1", "transTypCd": "SAV"}
    return {"status_cd": "PE", **counts, "error_report": {"b2b": [entry]}}


@pytest.mark.parametrize("said", [{"error_msg": WHY}, {"error_msg": WHY, "error_cd": ""}, {}])
async def test_a_refusal_without_a_code_is_sent_once_and_its_reason_is_told(
    client: ImsClient, acme: Taxpayer, sim: Simulator, said: dict[str, str]
) -> None:
    """No code is not the mark of anything."""
    batch = await stale(acme)
    saves = sim.count("save")
    sim.script_status(None, refusal(batch[0], **said))
    report = await bulk.save_all(client, {acme: batch})
    assert sim.count("save") == saves + 1
    adds_up(report)
    (failure,) = report[acme.gstin].failed
    assert (failure.record, failure.code, failure.message) == (batch[0], "", said.get("error_msg", ""))
    assert (report.succeeded, report.not_sent, report[acme.gstin].error) == (2, 0, None)


async def test_so_it_is_by_another_process_that_goes_on_with_the_run(
    client: ImsClient, acme: Taxpayer, sim: Simulator
) -> None:
    """From the journal, where it is not the mark of anything either."""
    batch = await stale(acme)
    sim.script_status(None, refusal(batch[0], error_msg=WHY))
    await bulk.save_all(client, {acme: batch}, run="november")
    saves = sim.count("save")
    other = bulk_client(sim, client.journal)
    log_in(other, sim)
    again = await bulk.save_all(other, {acme.gstin: batch}, run="november")
    assert [failure.message for failure in again[acme.gstin].failed] == [WHY]
    assert sim.count("save") == saves


async def test_a_job_that_is_refused_as_a_whole_without_a_code_is_sent_once(
    client: ImsClient, acme: Taxpayer, sim: Simulator
) -> None:
    """With its reason beside each record."""
    batch = (await undecided(acme))[:3]
    sim.script_status(None, {"status_cd": "ER", "err_msg": WHY, "transTypCd": "SAV"})
    report = await bulk.save_all(client, {acme: batch})
    assert sim.count("save") == 1
    assert [failure.message for failure in report[acme.gstin].failed] == [WHY] * 3


async def test_what_another_job_was_in_the_way_of_is_known_as_that(acme: Taxpayer, sim: Simulator) -> None:
    """By a fact of the status, and nothing of it was done."""
    batch = (await undecided(acme))[:3]
    sim.script_status(None, {"status_cd": "ER", "err_cd": "IMSSAV0015", "err_msg": "busy"})
    job = await acme.save(batch)
    with pytest.raises(JobFailed, match="IMSSAV0015"):
        await job
    assert job.status.in_the_way
    assert job.without_effect == tuple(batch)
    sim.script_status(None, {"status_cd": "ER", "err_cd": "IMSSAV0016", "err_msg": "other"})
    other = await acme.save(batch)
    assert not (await other.wait()).in_the_way
    assert other.without_effect == ()


async def test_what_a_look_found_is_a_value_of_its_own(acme: Taxpayer, sim: Simulator) -> None:
    """In the report, by all that names a record."""
    one, two, three = (await undecided(acme))[:3]
    sim.edit(acme.gstin, "b2b", two.number, supplier=two.supplier, period=two.return_period)
    sim.script_fault("save", Fault.drop_before())
    with pytest.raises(OutcomeUnknown) as caught:
        await acme.save([one, two, three])
    job = caught.value.job
    assert job is not None
    await asyncio.sleep(QUIET + 1)
    await acme.reconcile(job)
    assert job.report is not None
    found = job.report.found
    assert found is not None
    assert (found.applied, set(found.not_applied), found.changed) == (0, {one.key, three.key}, (two.key,))
    assert job.without_effect == (one, two, three)
    assert job.report.failed[1].message.startswith("changed by the supplier")
