"""A retry and a reconciliation see rows in passing: few are in memory at a time, none is counted twice."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs
import pytest

from benchmarks import workload
from ims_async import (
    Decision,
    ImsClient,
    ImsJob,
    Invoice,
    OutcomeUnknown,
    PollPolicy,
    Sandbox,
    Section,
    Taxpayer,
    UnexpectedAnswer,
    Vayana,
)

ROWS = workload.rows(2000, 7)
APPLIED = [{**row, "action": "A"} for row in ROWS]
PAGE = 100
MOST_ALIVE = 4 * PAGE  # one that is looked at, one that is read, and two that wait

Answer = tuple[int, Mapping[str, str], bytes]
TASK = "00000000-0000-4000-8000-000000000000"


class Gateway:
    """A gateway in this process: it shows these rows, and takes saves or loses the answer to them."""

    rows = ROWS
    loses = False
    whole = True
    """False: an answer breaks off in the middle."""

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer at once."""
        if method != "GET":
            if self.loses:
                raise ConnectionResetError("no answer comes back")
            return self.taken()
        return self.shown(path)

    def taken(self) -> Answer:
        """Take a save."""
        raise NotImplementedError

    def shown(self, path: str) -> Answer:
        """Show rows."""
        raise NotImplementedError


class OneAnswer(Gateway):
    """All rows of a section in one answer."""

    gsp = Sandbox("key_test")

    def taken(self) -> Answer:
        """Name a job."""
        return _sent({"code": 200, "data": {"status_cd": "1", "data": {"reference_id": "ref"}}})

    def shown(self, path: str) -> Answer:
        """Show all rows, or half of the answer."""
        content = workload.answer(self.rows)
        return 200, {}, content if self.whole else content[: len(content) // 2]


class Pages(Gateway):
    """Rows page by page."""

    gsp = Vayana("org-1", "user-token", test=True)

    def taken(self) -> Answer:
        """Name a job, and the task that carries it."""
        return _sent({"status": "1", "data": {"task-id": TASK, "data": {"reference_id": "ref"}}})

    def shown(self, path: str) -> Answer:
        """Show a page; a task is done at once."""
        page = re.search(r"/page/(\d+)", path)
        if page is None:
            word = {
                "task": {"id": TASK, "status": "completed"},
                "task-id": TASK,
                "pages": len(self.rows) // PAGE,
            }
            return _sent({"status": "1", "data": word})
        number = int(page[1])
        if number > 7 and not self.whole:
            return 200, {}, b'{"status":"1","data":{"b2b":[{'
        return _sent({"status": "1", "data": {"b2b": self.rows[number * PAGE : (number + 1) * PAGE]}})


def _sent(body: dict[str, Any]) -> Answer:
    return 200, {}, json.dumps(body).encode()


class Scene:
    """A save of decisions on all rows whose answer was lost."""

    gateway: Gateway
    acme: Taxpayer
    decisions: list[Decision]
    job: ImsJob

    async def begin(self, gateway: OneAnswer | Pages) -> Scene:
        """Read, decide and save."""
        self.gateway = gateway
        client = ImsClient(gateway.gsp, transport=gateway, poll=PollPolicy(initial_delay=0))
        self.acme = client.taxpayer(workload.GSTIN, token="token_test")
        self.decisions = [row.accept() for row in await self.acme.invoices(Section.B2B)]
        gateway.loses = True
        with pytest.raises(OutcomeUnknown) as lost:
            await self.acme.save(self.decisions)
        gateway.loses = False
        assert lost.value.job is not None
        self.job = lost.value.job
        return self


Begin = Callable[[], Awaitable[Scene]]


@pytest.fixture(params=[OneAnswer, Pages])
def begin(request: pytest.FixtureRequest) -> Begin:
    """What begins the scene at a GSP that has one answer, or pages."""
    return lambda: Scene().begin(request.param())


def _alive() -> int:
    return sum(type(thing) is Invoice for thing in gc.get_objects())


async def most_alive(work: Awaitable[Any]) -> tuple[int, Any]:
    """Return the most invoices more than before, at any turn of the loop, and what the work returns."""
    before = most = _alive()

    async def look_on() -> None:
        nonlocal most
        while True:
            await asyncio.sleep(0)
            most = max(most, _alive())

    looking = asyncio.create_task(look_on())
    found = await work
    looking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await looking
    return max(most, _alive()) - before, found


@pytest.mark.parametrize("rows", [ROWS, APPLIED], ids=["not applied", "applied"])
async def test_a_reconciliation_holds_few_rows_at_a_time(begin: Begin, rows: list[dict[str, Any]]) -> None:
    """Whatever came of the records."""
    scene = await begin()
    scene.gateway.rows = rows
    most, found = await most_alive(scene.acme.reconcile(scene.job, quiet=0))
    assert (found.applied or found.not_applied) == tuple(scene.decisions)
    assert most <= MOST_ALIVE


async def test_a_retry_holds_few_rows_at_a_time(begin: Begin) -> None:
    """What stands as it was read is sent as it is: there is no new decision, nor a new invoice."""
    scene = await begin()
    await scene.acme.reconcile(scene.job, quiet=0)
    most, again = await most_alive(scene.acme.retry(scene.job))
    assert most <= MOST_ALIVE
    assert list(map(id, again.job.records)) == list(map(id, scene.decisions))


async def test_a_retry_sends_what_is_new_of_a_row(begin: Begin) -> None:
    """Every tenth has its supplier's name meanwhile: these are kept, and no others."""
    scene = await begin()
    await scene.acme.reconcile(scene.job, quiet=0)
    scene.gateway.rows = [{**row, "tradenm": "A"} if n % 10 == 3 else row for n, row in enumerate(ROWS)]
    most, again = await most_alive(scene.acme.retry(scene.job))
    assert most <= MOST_ALIVE + len(ROWS) / 10
    for place, (sent, decision) in enumerate(zip(again.job.records, scene.decisions, strict=True)):
        assert (sent is decision) is (place % 10 != 3)
        assert sent == attrs.evolve(
            decision, invoice=attrs.evolve(decision.invoice, supplier_name=None if sent is decision else "A")
        )


async def test_an_answer_that_breaks_off_counts_for_nothing(begin: Begin) -> None:
    """What was seen of it settles nothing, and is not counted when all is read again."""
    scene = await begin()
    scene.gateway.rows, scene.gateway.whole = APPLIED, False
    with pytest.raises(UnexpectedAnswer):
        await scene.acme.reconcile(scene.job, quiet=0)
    assert scene.job.open
    assert scene.job.report is None
    scene.gateway.rows, scene.gateway.whole = ROWS, True
    found = await scene.acme.reconcile(scene.job, quiet=0)
    assert (found.applied, found.not_applied) == ((), tuple(scene.decisions))
