"""How much is done between two turns of the event loop while jobs and runs are carried out.

The one test with a clock compares two parts of one run.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import attrs
import pytest

from benchmarks import workload
from ims_async import (
    Decision,
    ErrorEntry,
    ImsClient,
    ImsJob,
    Invoice,
    JobFailed,
    JobReport,
    JobState,
    JobStatus,
    OutcomeUnknown,
    PollPolicy,
    Reconciliation,
    Sandbox,
    Section,
    Vayana,
    bulk,
    steps,
)
from ims_async.jobs.reconcile import Comparing
from ims_async.journal import Journal, MemoryJournal
from ims_async.model.report import accounting_steps

from ..support import turns as counting
from ..support.turns import MOST_OF_EACH, Turns

each_step_is_a_turn = counting.each_step_is_a_turn

RECORDS = 6000
MOST_CALLS = MOST_OF_EACH * RECORDS
MOST_LISTED = 9000
"""Between two turns, with 12,000 errors: less than one call for each."""


class Gateway:
    """A gateway in this process that takes every save, and answers the rest from a table."""

    def __init__(self, rows: list[dict[str, Any]], status: dict[str, Any]) -> None:
        self.answers = {"invoices": workload.answer(rows), "status": _envelope(status)}
        self.loses = False
        self._saves = 0

    def handle(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Answer at once."""
        name = path.partition("?")[0].rsplit("/", 1)[1]
        if name not in self.answers:
            if self.loses:
                raise ConnectionResetError("no answer comes back")
            self._saves += 1
            return 200, {}, _envelope({"reference_id": f"ref{self._saves}"})
        return 200, {}, self.answers[name]


def _envelope(payload: dict[str, Any]) -> bytes:
    return json.dumps({"code": 200, "data": {"status_cd": "1", "data": payload}}).encode()


ROWS = workload.rows(RECORDS, 7)
REFUSED = [
    {"stin": row["stin"], "error_cd": "E1", "inv": [{"inum": row["inum"], "rtnprd": row["rtnprd"]}]}
    for row in ROWS[::100]
]
SOME_REFUSED = {
    "status_cd": "PE",
    "proc_cnt": RECORDS - len(REFUSED),
    "err_cnt": len(REFUSED),
    "error_report": {"b2b": REFUSED},
}
ALL_REFUSED = {"status_cd": "ER", "error_report": {"error_cd": "IMSX", "error_msg": "wrong"}}


class Setting:
    """A taxpayer with many records, and a decision on each."""

    def __init__(self, gateway: Gateway, journal: Journal, invoices: list[Invoice]) -> None:
        self.gateway, self.journal, self.invoices = gateway, journal, invoices
        self.decisions: list[Decision] = [
            one.accept() if place % 5 else one.reject() for place, one in enumerate(invoices)
        ]
        self.client = self.another()
        self.taxpayer = self.client.taxpayer(workload.GSTIN)

    def another(self) -> ImsClient:
        """Return a client as another process has it."""
        client = _client_of(self.gateway, self.journal)
        client.taxpayer(workload.GSTIN, token="token_bench")  # of no gateway
        return client

    async def run(self, client: ImsClient) -> bulk.BulkReport:
        """Carry out a bulk run."""
        return await bulk.save_all(client, {workload.GSTIN: self.decisions}, run="a")

    async def lost(self) -> ImsJob:
        """Save, and have the answer lost."""
        self.gateway.loses = True
        with pytest.raises(OutcomeUnknown) as found:
            await self.taxpayer.save(self.decisions)
        self.gateway.loses = False
        assert found.value.job is not None
        return found.value.job


def _client_of(gateway: Gateway, journal: Journal) -> ImsClient:
    gsp, poll = Sandbox("key_bench", save_bytes=1_000_000_000), PollPolicy(initial_delay=0)
    return ImsClient(gsp, transport=gateway, poll=poll, journal=journal)


async def _setting(rows: list[dict[str, Any]]) -> Setting:
    """Return a taxpayer whose records were read."""
    one = Setting(Gateway(rows, SOME_REFUSED), MemoryJournal(), [])
    return Setting(one.gateway, one.journal, list(await one.taxpayer.invoices(Section.B2B)))


async def saving(one: Setting, turns: Turns) -> None:
    """A save: checks and the body."""
    await turns.during(one.taxpayer.save(one.decisions))


async def resetting(one: Setting, turns: Turns) -> None:
    """A reset of records without an action, which warns of each."""
    await turns.during(one.taxpayer.reset(one.invoices))


async def reporting(one: Setting, turns: Turns) -> None:
    """The report of a job of which some records were refused."""
    job = await one.taxpayer.save(one.decisions)
    report = await turns.during(job.result())
    assert len(report.failed) == len(REFUSED)
    assert report is job.report


async def reporting_a_refusal(one: Setting, turns: Turns) -> None:
    """The report of a job that was refused as a whole."""
    one.gateway.answers["status"] = _envelope(ALL_REFUSED)
    job = await one.taxpayer.save(one.decisions)
    with pytest.raises(JobFailed) as found:
        await turns.during(job.result())
    assert found.value.report is not None
    assert len(found.value.report.failed) == RECORDS


async def retrying(one: Setting, turns: Turns) -> None:
    """A retry of all that a refused job carried."""
    one.gateway.answers["status"] = _envelope(ALL_REFUSED)
    job = await one.taxpayer.save(one.decisions)
    with pytest.raises(JobFailed) as found:
        await job
    assert found.value.report is not None
    again = await turns.during(one.taxpayer.retry(found.value.report))
    assert len(again.job.records) == RECORDS


async def reconciling(one: Setting, turns: Turns) -> None:
    """A lost save that is settled by reading its records again."""
    job = await one.lost()
    found = await turns.during(one.taxpayer.reconcile(job, quiet=0))
    assert len(found.not_applied) == RECORDS
    assert job.report is not None


async def iterating(one: Setting, turns: Turns) -> None:
    """A loop over the records that waits for nothing."""

    async def loop() -> int:
        count = 0
        async for _ in one.taxpayer.all_invoices():
            count += 1
            if count == RECORDS:
                break
        return count

    assert await turns.during(loop()) == RECORDS


async def running(one: Setting, turns: Turns) -> None:
    """A bulk run."""
    report = await turns.during(one.run(one.client))
    assert report[workload.GSTIN].succeeded == RECORDS - len(REFUSED)


async def going_on(one: Setting, turns: Turns) -> None:
    """A run that is carried out again, which leaves out what the journal has of it."""
    await one.run(one.client)
    report = await turns.during(one.run(one.another()))
    assert report[workload.GSTIN].succeeded == RECORDS - len(REFUSED)


async def recovering(one: Setting, turns: Turns) -> None:
    """The recovery of a lost save, of which nothing was applied."""
    await one.lost()
    client = one.another()
    report = await turns.during(bulk.recover(client, quiet=0))
    assert report[workload.GSTIN].succeeded == RECORDS - len(REFUSED)


async def listing(one: Setting, turns: Turns) -> None:
    """The jobs of the journal that have ended, in another process, with their reports."""
    await (await one.taxpayer.save(one.decisions))

    async def loop() -> list[JobReport | None]:
        return [job.report async for job in one.another().finished()]

    (report,) = await turns.during(loop())
    assert len(report.failed) == len(REFUSED)


SCENES: list[Callable[[Setting, Turns], Awaitable[None]]] = [
    saving,
    resetting,
    reporting,
    reporting_a_refusal,
    retrying,
    reconciling,
    iterating,
    running,
    going_on,
    recovering,
    listing,
]


@pytest.mark.usefixtures("each_step_is_a_turn")
@pytest.mark.parametrize("scene", SCENES)
async def test_long_work_leaves_the_event_loop_to_others(
    scene: Callable[[Setting, Turns], Awaitable[None]],
) -> None:
    """Nothing goes through all records at once."""
    await saving(await _setting(ROWS[:1]), Turns())  # modules are imported when they are first used
    turns = Turns()
    await scene(await _setting(ROWS), turns)
    assert turns.all > 1.5 * MOST_CALLS  # at once, it would be more than that
    assert turns.most < MOST_CALLS


# -- a long list of errors ---------------------------------------------------------------------------------

LISTED = [{**one, "error_msg": "wrong"} for one in REFUSED for _ in range(200)]
_TASK = "2a51e392-529c-4b5a-bfd8-ca14d510a68d"


class Carrier:
    """A gateway of either GSP in this process, whose jobs have this status."""

    def __init__(self, status: dict[str, Any], *, parts: int = 0) -> None:
        part = {"status": "1", "data": status}
        self.result = json.dumps({"status": "1", "data": [part] * parts} if parts else part).encode()
        self.status = _envelope(status)

    def handle(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Answer at once."""
        if "/tasks/" in path:
            return (
                200,
                {},
                self.result if "/result/" in path else b'{"status":"1","data":{"status":"completed"}}',
            )
        return 200, {}, self.status if method == "GET" else json.dumps(_TAKEN).encode()


_TAKEN = {"status": "1", "data": {"task-id": _TASK, "data": {"reference_id": "ref"}}}  # each reads its own


async def _job_of(gsp: Sandbox | Vayana, gateway: Carrier) -> ImsJob:
    """Return a job of one record, whose status lists very many errors."""
    client = ImsClient(gsp, transport=gateway, poll=PollPolicy(initial_delay=0))
    taxpayer = client.taxpayer(workload.GSTIN, token="token_bench")  # of no gateway
    (one,) = (await _setting(ROWS[:1])).invoices
    return await taxpayer.save([one.accept()])


@pytest.mark.usefixtures("each_step_is_a_turn")
@pytest.mark.parametrize("parts", [None, 0, 2], ids=["sandbox", "vayana", "vayana, two parts"])
@pytest.mark.parametrize("mark", [{}, {"errors": [{"note": "E1"}]}], ids=["plain", "like a refusal"])
async def test_a_long_list_of_errors_leaves_the_event_loop_to_others(
    parts: int | None, mark: dict[str, Any]
) -> None:
    """Nothing goes through all errors at once: also where the answer has what marks a refusal."""
    status = {**mark, "status_cd": "PE", "proc_cnt": 0, "error_report": {"b2b": LISTED}}
    gsp = Sandbox("key_bench") if parts is None else Vayana("org-1", "user-token", test=True)
    job = await _job_of(gsp, Carrier(status, parts=parts or 0))
    turns = Turns()
    await turns.during(job.result())
    assert len(job.status.error_report) == (parts or 1) * len(LISTED)
    assert turns.all > 1.5 * MOST_CALLS
    assert turns.most < MOST_LISTED


@pytest.mark.usefixtures("each_step_is_a_turn")
async def test_a_list_of_errors_that_is_said_again_is_compared_in_steps() -> None:
    """Code P has to be said several times, with the same list."""
    status = {"status_cd": "P", "error_report": {"b2b": LISTED}}
    job = await _job_of(Sandbox("key_bench"), Carrier(status))
    first = (await job.refresh()).error_report
    turns = Turns()
    again = (await turns.during(job.refresh())).error_report
    assert len(again) == len(LISTED)
    assert again == first
    assert turns.most < MOST_LISTED


def _comparing(records: list[Decision]) -> steps.Steps[Reconciliation]:
    """Compare records with rows that show nothing of what was decided."""
    comparing = Comparing(records, quiet=True, resending=True)
    yield from comparing.begin()
    for few in steps.sliced(records, 100):
        comparing.take([record.invoice for record in few])
        yield
    found = yield from comparing.found(())
    yield from comparing.as_they_stand()
    return found


async def _longest_turn(work: Awaitable[Any]) -> tuple[float, float]:
    """Return the CPU time of the longest turn of `work`, and of all of it, in seconds."""
    began = last = time.thread_time()
    longest = 0.0

    async def tick() -> None:
        nonlocal longest, last
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            longest, last = max(longest, now - last), now

    ticker = asyncio.create_task(tick())
    kept = await work
    now = time.thread_time()
    ticker.cancel()
    del kept
    return max(longest, now - last), now - began


@pytest.fixture
def without_collector() -> Iterator[None]:
    """A pass of the garbage collector visits all that the tests of this process hold."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
async def test_a_turn_of_100_000_records_is_a_small_part_of_all_the_work() -> None:
    """With a clock, and as it is set: in CPU time, which a busy machine does not lengthen."""
    (first,) = workload.rows(1, 7)
    one = (await _setting([first])).invoices[0]
    records = [attrs.evolve(one, number=str(number)).accept() for number in range(100_000)]
    refused = tuple(
        ErrorEntry(
            section=Section.B2B,
            supplier=one.supplier,
            number=str(number),
            return_period=one.return_period,
            code="E1",
            message="no",
        )
        for number in range(0, 100_000, 100)
    )
    status = JobStatus(state=JobState.PARTIAL, processed=99_000, errors=1000, error_report=refused)
    for work in (accounting_steps(status, records, None), _comparing(records)):
        longest, all_of_it = await _longest_turn(steps.run_async(work))
        assert longest < all_of_it / 4
