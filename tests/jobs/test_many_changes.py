"""Thousands of small changes of one taxpayer: what each takes does not grow with how many there are.

Calls are counted, of Python functions and of C ones: they are the same on each machine. Handles are
compared by a function in Python here, so that a search through a list counts as well.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import attrs
import pytest

from benchmarks import peers, virtual_time, workload
from ims_async import Decision, ImsClient, ImsJob, JobKind, JobToken, PollPolicy, Sandbox, bulk
from ims_async.journal import Change, MemoryJournal
from ims_async.model.moves import Cause

from ..contracts.work_per_record import calls
from .test_turns import Gateway

FEW, TWICE, MANY = 50, 100, 200
AT = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
NOW = AT.timestamp() + 86_400
ROWS = workload.rows(1, 7)
DONE = {"status_cd": "PE", "proc_cnt": 1, "err_cnt": 0}
(INVOICE,) = peers.ours(workload.answer(ROWS))
TOKEN = JobToken(
    gsp="",
    host="",
    gstin=workload.GSTIN,
    kind=JobKind.SAVE,
    reference_id=None,
    submitted=1,
    submitted_at=AT,
)

Move = Callable[[Change, int], Change]


def waits(change: Change, number: int) -> Change:
    """Return it as it was handed in."""
    return change


def runs(change: Change, number: int) -> Change:
    """Return one that was accepted."""
    token = attrs.evolve(change.token, reference_id=f"ref{number}")
    return change.claimed(change.token).accepted(token)


def lost(change: Change, number: int) -> Change:
    """Return one whose answer did not come back."""
    return change.claimed(change.token).lost()


def called_off(change: Change, number: int) -> Change:
    """Return one that is to be retried."""
    return change.called_off("the gateway was away", Cause.NOT_SENT)


async def _client(changes: int, move: Move) -> ImsClient:
    """Return a client whose journal has so many changes of one record each, each of another one."""
    journal = MemoryJournal(clock=lambda: NOW)
    gateway, poll = Gateway(ROWS, DONE), PollPolicy(learn=False)  # to learn takes more than a few changes do
    client = ImsClient(Sandbox("key_bench"), transport=gateway, poll=poll, journal=journal, clock=lambda: NOW)
    client.taxpayer(workload.GSTIN, token="token_bench")  # of no gateway
    for number in range(changes):
        at = AT + dt.timedelta(seconds=number)
        token = attrs.evolve(TOKEN, gsp=client.gsp.kind, host=client.host, submitted_at=at)
        record = attrs.evolve(INVOICE, number=f"{number}").accept()
        change = await journal.add(Change(id=f"{number:06}", token=token), [record])
        if (moved := move(change, number)) is not change:
            await journal.put(moved)
    return client


async def listing(client: ImsClient) -> None:
    """Find what is not over, twice: the second time there is a handle on each."""
    found = await client.unfinished()
    assert await client.unfinished() == found


async def holding(client: ImsClient) -> None:
    """List all, and hold them."""
    kept = [job async for job in client.jobs()]
    assert [job async for job in client.jobs()] == kept


async def recovering(client: ImsClient) -> None:
    """Go on with what was not sent: a look at each shows that its record is gone."""
    report = await bulk.recover(client)
    assert report[workload.GSTIN].changed


async def one_a_request(client: ImsClient, decisions: Sequence[Decision]) -> None:
    """A run that sends each decision in a request of its own."""
    report = await bulk.save_all(client, {workload.GSTIN: decisions}, max_records=1)
    assert report[workload.GSTIN].jobs == len(decisions)


async def one_a_portion(client: ImsClient, decisions: Sequence[Decision]) -> None:
    """A run to which each decision is given by itself."""

    async def portions() -> AsyncIterator[tuple[str, Sequence[Decision]]]:
        for one in decisions:
            yield workload.GSTIN, [one]

    report = await bulk.save_all(client, portions())
    assert report[workload.GSTIN].jobs == len(decisions)


def _work(scene: Callable[[ImsClient], Awaitable[None]], changes: int, move: Move) -> int:
    """Return how many calls a scene makes, without what it begins with."""

    async def whole() -> None:
        await scene(await _client(changes, move))

    async def beginning() -> None:
        await _client(changes, move)

    return calls(lambda: virtual_time.run(whole())) - calls(lambda: virtual_time.run(beginning()))


@pytest.mark.parametrize(
    ("scene", "move"),
    [
        (listing, waits),
        (listing, runs),
        (listing, lost),
        (holding, runs),
        (holding, called_off),
        (recovering, waits),
        (recovering, called_off),
    ],
)
def test_what_a_change_takes_does_not_grow_with_how_many_there_are(
    scene: Callable[[ImsClient], Awaitable[None]], move: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred more take twice what fifty more take: it would be four times, if each went through all."""
    monkeypatch.setattr(ImsJob, "__eq__", lambda one, other: one is other)
    _work(scene, FEW, move)  # modules are imported when they are first used
    few, twice, many = (_work(scene, changes, move) for changes in (FEW, TWICE, MANY))
    assert (many - twice) / (twice - few) < 2.1


@pytest.mark.parametrize("run", [one_a_request, one_a_portion])
def test_what_a_request_of_a_run_takes_does_not_grow_with_how_many_there_are(
    run: Callable[[ImsClient, Sequence[Decision]], Awaitable[None]],
) -> None:
    """What the run has sent before is counted already: of its changes only those are read that have moved."""

    async def whole(requests: int) -> None:
        decisions = [attrs.evolve(INVOICE, number=f"{number}").accept() for number in range(requests)]
        await run(await _client(0, waits), decisions)

    virtual_time.run(whole(FEW))  # modules are imported when they are first used
    few, twice, many = (
        calls(lambda: virtual_time.run(whole(requests)))  # noqa: B023 # called at once
        for requests in (FEW, TWICE, MANY)
    )
    assert (many - twice) / (twice - few) < 2.1
