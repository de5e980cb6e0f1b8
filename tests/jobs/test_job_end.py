"""When a job has ended: a first error is no end, and nothing is sent into a job that runs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ims_async import ImsClient, Invoice, JobState, JobTimeout, PollPolicy, PReading, Section
from ims_async.simulator import Simulator

from ..conftest import make_client

pytestmark = pytest.mark.looptime

SENT = 60
POLLS = PollPolicy(initial_delay=1.0, factor=1.0, max_interval=10.0, deadline=600.0)


def said(code: str, processed: int, *failed: Invoice) -> dict[str, Any]:
    """A status that counts, and lists these as failed."""
    listed = [
        {"stin": row.supplier, "error_cd": "IMSSAV0010", "error_msg": "edited",
         "inv": [{"inum": row.number, "rtnprd": row.return_period}]}
        for row in failed
    ]  # fmt: skip
    counts = {"proc_cnt": str(processed), "err_cnt": str(len(failed))}
    report = {"error_report": {"b2b": listed}} if listed else {}
    return {"status_cd": code, "transTypCd": "SAV", **counts, **report}


async def sixty(client: ImsClient, sim: Simulator) -> list[Invoice]:
    """Rows of the first taxpayer."""
    acme = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    return list(await acme.invoices(Section.B2B))[:SENT]


@pytest.fixture
def sim() -> Simulator:
    """A taxpayer with enough invoices, whose jobs take a minute."""
    return Simulator(invoices=SENT, sections=["b2b"], job_seconds=60.0)


async def test_a_first_error_is_no_end_and_nothing_is_sent_into_the_running_job(sim: Simulator) -> None:
    """Sixty are sent; three are processed and one failed at the first poll: the job runs on."""
    client = make_client(sim, poll=POLLS)
    rows = await sixty(client, sim)
    acme = client.taxpayer(sim.gstins[0])
    first, last = said("P", 3, rows[0]), said("P", SENT - 1, rows[0])
    sim.script_status(None, first, said("P", 9, rows[0]), said("P", 30, rows[0]), last)
    job = await acme.save([row.reject("not ours") for row in rows])
    await job.refresh()
    assert (job.done, job.status.state, job.report) == (False, JobState.PROCESSING, None)
    behind = asyncio.create_task(acme.save([rows[0].accept()]))
    report = await job
    assert not behind.done()
    assert (report.state, len(report.succeeded), report.unaccounted_count) == (JobState.PARTIAL, SENT - 1, 0)
    assert [failure.record for failure in report.failed] == [job.records[0] if job.records else None]
    sim.advance(60.0)
    await (await behind)
    at = [request.at for request in sim.requests if request.operation == "save"]
    assert at[1] - at[0] >= 3.0


async def test_counts_seen_while_it_was_at_work_do_not_end_it(sim: Simulator) -> None:
    """Two minutes of the same counts under IP, then P with them: three polls and a minute more."""
    client = make_client(sim, poll=POLLS)
    rows = await sixty(client, sim)
    acme = client.taxpayer(sim.gstins[0])
    busy, told = said("IP", 3, rows[0]), said("P", 3, rows[0])
    sim.script_status(None, *[busy] * 120, *[told] * 100)
    job = await acme.save([row.reject("not ours") for row in rows])
    report = await job
    polls = [request.at for request in sim.requests if request.operation == "status"]
    assert polls[-1] - polls[120] >= 60.0
    assert (report.state, len(report.failed), report.unaccounted_count) == (JobState.PARTIAL, 1, SENT - 1)


@pytest.mark.parametrize("p_means", PReading)
async def test_p_with_errors_can_be_pinned_either_way(sim: Simulator, p_means: PReading) -> None:
    """The end at once, never the end, or what the evidence says: a minute of the same."""
    client = make_client(sim, poll=PollPolicy(initial_delay=1.0, factor=1.0, deadline=300.0, p_means=p_means))
    rows = await sixty(client, sim)
    acme = client.taxpayer(sim.gstins[0])
    sim.script_status(None, *[said("P", 3, rows[0])] * 400)
    job = await acme.save([row.reject("not ours") for row in rows])
    begun = asyncio.get_running_loop().time()
    if p_means is PReading.PROCESSING:
        with pytest.raises(JobTimeout):
            await job
        return
    report = await job
    took = asyncio.get_running_loop().time() - begun
    assert took < 2.0 if p_means is PReading.PROCESSED else 60.0 <= took < 70.0
    assert (report.state, report.unaccounted_count) == (JobState.PARTIAL, SENT - 1)
