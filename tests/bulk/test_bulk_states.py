"""A bulk report is ok only if the state of each job allows it: a count is not believed against the code."""

from __future__ import annotations

import sys
from typing import Any

import attrs
import pytest

from ims_async import ImsClient, JobReport, JobState, bulk
from ims_async.bulk.tally import Tally
from ims_async.simulator import Simulator

from ..support.bulk_flows import adds_up, bulk_client, log_in, work_for
from ..support.journals import decisions

pytestmark = [
    pytest.mark.looptime,
    pytest.mark.both_gsps,
    pytest.mark.sim(taxpayers=1, invoices=20, sections=["b2b"]),
]


@pytest.fixture
def client(sim: Simulator) -> ImsClient:
    """A client with a journal."""
    return bulk_client(sim)


@pytest.mark.parametrize("counts", [{}, {"err_cnt": "0"}], ids=["no error count", "no errors"])
async def test_errors_of_which_none_is_named_are_not_well(
    client: ImsClient, sim: Simulator, counts: dict[str, Any]
) -> None:
    """PE, as many processed as were sent, and no list: in the run, and when it is resumed."""
    (who,) = log_in(client, sim)
    work = await work_for([who])
    sent = len(work[who])
    sim.script_status(None, {"status_cd": "PE", "proc_cnt": str(sent), "transTypCd": "SAV", **counts})
    report = await bulk.save_all(client, work, run="night")
    resumed = await bulk.resume(client, "night")
    for one in (report, resumed):
        assert not one.ok
        assert not one[who.gstin].ok
        assert one.succeeded + one.unaccounted == one.handed_in == sent
        adds_up(one)


@pytest.mark.parametrize("state", [state for state in JobState if state.name != "PROCESSING"])
async def test_ok_asks_the_state_of_each_job(client: ImsClient, sim: Simulator, state: JobState) -> None:
    """A report that counts every record as applied, and ends in a state that says otherwise."""
    (who,) = log_in(client, sim)
    decided = (await work_for([who]))[who]
    job = await who.save(decided)
    told = attrs.evolve(await job, state=state)
    assert isinstance(told, JobReport)
    assert len(told.succeeded) == len(decided)
    tally = Tally(who.gstin)
    tally.sent(job, tally.hand_in(decided))
    tally.ended(job, told)
    one = tally.report()
    assert one.ok is (state is JobState.SUCCEEDED)
    whole = bulk.BulkReport(run="night", taxpayers={who.gstin: one})
    assert whole.ok is one.ok
    assert ("errors that are not named" in str(whole)) is not one.ok


async def test_what_is_counted_of_a_taxpayer_takes_no_memory_for_each_decision(
    client: ImsClient, sim: Simulator
) -> None:
    """A stream has thousands of taxpayers: what waited for one must not leave its table behind."""
    (who,) = log_in(client, sim)
    tally, job = Tally(who.gstin), await who.save((await work_for([who]))[who])
    tally.sent(job, tally.hand_in(decisions(5000)))
    sizes = {name: sys.getsizeof(kept) for name, kept in vars(tally).items() if isinstance(kept, dict | set)}
    assert tally.handed_in == 5000
    assert max(sizes.values()) < 1000, sizes
