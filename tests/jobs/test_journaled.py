"""A change and its row: no move is lost or written twice, whatever fails, is cancelled, or comes between."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final

import attrs
import pytest

from ims_async import JobState, JobStatus, JournalError
from ims_async.jobs.journaled import JournaledChange, Move, new_id
from ims_async.journal import Cause, Change, ChangeState, Claim, MemoryJournal, Query
from ims_async.journal.base import EVERYTHING
from ims_async.model.records import Record
from ims_async.model.status import Found

from ..support.journals import decisions, token

pytestmark = pytest.mark.looptime

NAMED: Final = token(reference_id="R-1")
PROCESSING: Final = JobStatus(state=JobState.PROCESSING, raw_code="IP", polled_at=1.0)
SUCCEEDED: Final = JobStatus(state=JobState.SUCCEEDED, raw_code="P", polled_at=2.0)
BROKE_OFF: Final = JobStatus(state=JobState.FAILED, raw_code="failed", carrier_failed=True, polled_at=3.0)
IN_PLACE: Final = JobStatus(state=JobState.SUCCEEDED, processed=1, found=Found(applied=1))


def accepted(change: Change) -> Change:
    """It was accepted."""
    return change.accepted(NAMED)


def heard(status: JobStatus) -> Move:
    """The gateway said how it stands."""
    return lambda change: change.heard(status)


class Slow(MemoryJournal):
    """Suspends before and after each step, and fails after as many writes as a test wants."""

    def __init__(self) -> None:
        super().__init__(clock=lambda: 0.0)
        self.fails_after_writing = 0

    async def _step(self, work: Awaitable[Any]) -> Any:
        try:
            await asyncio.sleep(0)
        except BaseException:
            work.close()  # type: ignore[attr-defined] # a coroutine
            raise
        result = await work
        await asyncio.sleep(0)
        return result

    async def _write(self, work: Awaitable[Any]) -> Any:
        result = await self._step(work)
        if self.fails_after_writing:
            self.fails_after_writing -= 1
            raise JournalError("disk I/O error")
        return result

    async def add(self, change: Change, records: Sequence[Record]) -> Change:
        """Store a change."""
        stored: Change = await self._write(super().add(change, records))
        return stored

    async def claim(self, change: Change, *, since: int | None = None) -> Claim:
        """Store a claim."""
        claim: Claim = await self._write(super().claim(change, since=since))
        return claim

    async def put(self, change: Change) -> Change | None:
        """Store a change."""
        stored: Change | None = await self._write(super().put(change))
        return stored

    async def find(self, query: Query = EVERYTHING) -> list[Change]:
        """Return changes."""
        found: list[Change] = await self._step(super().find(query))
        return found


@pytest.fixture
def journal() -> Slow:
    """The one journal."""
    return Slow()


async def handed_in(journal: Slow) -> JournaledChange:
    """Return a change that waits for its turn."""
    journaled = JournaledChange(journal, Change(id="a", token=token()))
    await journaled.add(decisions())
    return journaled


async def sending(journal: Slow) -> JournaledChange:
    """Return a change that is being sent."""
    journaled = await handed_in(journal)
    assert (await journaled.claim(token(), None)).taken
    return journaled


async def row(journal: Slow) -> Change:
    """Return what is stored."""
    (change,) = await journal.find()
    return change


async def seen_by_another(journal: Slow) -> JournaledChange:
    """Return the change as another process has read it."""
    return JournaledChange(journal, await row(journal))


# -- a write that fails though it took place ------------------------------------------------------------


async def test_moves_whose_write_failed_though_it_took_place_are_not_made_twice(journal: Slow) -> None:
    """They are found written, and nothing is written again: not that it runs, after it broke off."""
    journaled = await sending(journal)
    journaled.owe(accepted)
    journal.fails_after_writing = 1
    assert (await journaled.apply(heard(BROKE_OFF))).state is ChangeState.BROKEN_OFF
    assert journaled.trouble is not None
    written = await row(journal)
    assert (written.state, written.status, written.token.reference_id) == (
        ChangeState.BROKEN_OFF, BROKE_OFF, "R-1",
    )  # fmt: skip
    await journaled.write()
    assert await row(journal) == written == journaled.change
    assert not journaled.behind
    assert journaled.trouble is None


@pytest.mark.parametrize("meanwhile", [lambda c: c.looked_at(IN_PLACE), Change.abandoned])
async def test_what_another_process_made_of_it_after_a_write_that_failed_stays(
    journal: Slow, meanwhile: Move
) -> None:
    """The write took place, and another process acted on it before this one looked again."""
    journaled = await sending(journal)
    journaled.owe(accepted)
    journal.fails_after_writing = 1
    await journaled.apply(heard(BROKE_OFF))
    theirs = await (await seen_by_another(journal)).apply(meanwhile)
    assert await journaled.write() == theirs == await row(journal)
    assert not journaled.behind


async def test_a_put_back_that_failed_though_it_took_place_does_not_undo_a_taking_over(
    journal: Slow,
) -> None:
    """Another process has made sure meanwhile that it is sent by nobody."""
    journaled = await sending(journal)
    journal.fails_after_writing = 1
    await journaled.apply(lambda change: change.put_back("busy"))
    theirs = await (await seen_by_another(journal)).apply(lambda change: change.taken_over("looks"))
    assert await journaled.write() == theirs == await row(journal)
    assert theirs.state is ChangeState.CALLED_OFF


async def test_all_that_could_not_be_written_is_written_in_its_order(
    journal: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing journal loses no move, and the last one is not the only one that counts."""
    journaled = await sending(journal)

    async def full(_: Change) -> None:
        raise JournalError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(journal, "put", full)
        for move in (accepted, Change.abandoned, heard(PROCESSING)):
            await journaled.apply(move)
        assert (await row(journal)).state is ChangeState.SENDING
    assert journaled.change.state is ChangeState.ABANDONED
    await journaled.write()
    now = await row(journal)
    assert (now.state, now.token.reference_id, now.status) == (ChangeState.ABANDONED, "R-1", PROCESSING)


# -- two at once ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("swapped", [False, True])
async def test_two_tasks_that_move_a_change_at_once_lose_nothing(journal: Slow, swapped: bool) -> None:
    """Its end and its mark: both are in the row, by one handle or by two."""
    for handles in (1, 2):
        journal = Slow()
        one = await sending(journal)
        await one.apply(accepted)
        await one.apply(heard(SUCCEEDED))
        other = one if handles == 1 else await seen_by_another(journal)
        moves: list[Awaitable[Change]] = [one.apply(Change.marked_retried), other.apply(heard(BROKE_OFF))]
        await asyncio.gather(*(reversed(moves) if swapped else moves))
        now = await row(journal)
        assert (now.state, now.status, now.retried) == (ChangeState.ENDED, SUCCEEDED, True)


@pytest.mark.parametrize("swapped", [False, True])
async def test_of_two_processes_news_at_once_the_older_reopens_nothing(journal: Slow, swapped: bool) -> None:
    """The task broke off, and a slower poll says that it is processing: it broke off, for both."""
    one = await sending(journal)
    await one.apply(accepted)
    other = await seen_by_another(journal)
    moves: list[Awaitable[Change]] = [one.apply(heard(PROCESSING)), other.apply(heard(BROKE_OFF))]
    await asyncio.gather(*(reversed(moves) if swapped else moves))
    now = await row(journal)
    assert (now.state, now.status) == (ChangeState.BROKEN_OFF, BROKE_OFF)
    await one.read()
    await other.read()
    assert one.change == other.change == now


# -- a caller that is cancelled ---------------------------------------------------------------------------


def cancelled_at(number: int, work: Coroutine[Any, Any, Any]) -> bool:
    """Step a coroutine by hand and cancel it at its n-th suspension; False if it has not so many."""
    try:
        for _ in range(number + 1):
            work.send(None)
    except StopIteration:
        return False
    try:
        work.throw(asyncio.CancelledError())
        while True:  # what it does on its way out
            work.send(None)
    except asyncio.CancelledError:
        return True


async def at_each_await(
    made: Callable[[Slow], Awaitable[JournaledChange]],
    act: Callable[[Slow, JournaledChange], Coroutine[Any, Any, Any]],
    check: Callable[[Slow, JournaledChange], Awaitable[None]],
) -> int:
    """Cancel something at each of its awaits, each time anew; return at how many."""
    for number in itertools.count():
        journal = Slow()
        journaled = await made(journal)
        reached = cancelled_at(number, act(journal, journaled))
        await check(journal, journaled)
        if not reached:
            return number
    raise AssertionError


async def test_a_move_that_was_cancelled_at_any_await_is_made_by_the_next_write() -> None:
    """Once, and with the one that comes after it."""

    async def check(journal: Slow, journaled: JournaledChange) -> None:
        after = await journaled.apply(heard(SUCCEEDED))
        assert after == await row(journal)
        assert (after.state, after.token.reference_id) == (ChangeState.ENDED, "R-1")
        assert not journaled.behind

    assert await at_each_await(sending, lambda _, journaled: journaled.apply(accepted), check) > 1


async def test_a_move_that_need_not_be_made_is_not_made_once_its_caller_is_gone() -> None:
    """Taking over, say: it was written, or is not; in both cases the handle says what the row says."""

    async def take_over(_: Slow, journaled: JournaledChange) -> None:
        await journaled.apply(lambda change: change.taken_over("looks"), owed=False)

    async def check(journal: Slow, journaled: JournaledChange) -> None:
        assert not journaled.behind
        await journaled.read()
        assert journaled.change == await row(journal)

    assert await at_each_await(handed_in, take_over, check) > 1


async def test_a_claim_that_was_cancelled_at_any_await_can_be_called_off() -> None:
    """Whether it took place or not: nothing has left, and the turn is free."""

    async def claim(_: Slow, journaled: JournaledChange) -> None:
        await journaled.claim(token(), None)

    async def check(journal: Slow, journaled: JournaledChange) -> None:
        await journaled.apply(lambda change: change.called_off("cancelled", Cause.CANCELLED))
        assert (await row(journal)).state is journaled.change.state is ChangeState.CALLED_OFF

    assert await at_each_await(handed_in, claim, check) > 1


async def test_a_claim_that_failed_though_it_took_place_is_called_off(journal: Slow) -> None:
    """As its caller hears that nothing was sent."""
    journaled = await handed_in(journal)
    journal.fails_after_writing = 1
    with pytest.raises(JournalError, match="nothing was sent"):
        await journaled.claim(token(), None)
    assert (await row(journal)).state is ChangeState.SENDING
    await journaled.apply(lambda change: change.called_off("no journal", Cause.NOT_SENT))
    assert (await row(journal)).state is ChangeState.CALLED_OFF


async def test_a_batch_whose_handing_in_was_cancelled_at_any_await_waits_for_nobody() -> None:
    """It is not there, or called off."""

    async def hand_in(journaled: JournaledChange) -> None:
        try:
            await journaled.add(decisions())
        except BaseException:
            await journaled.apply(lambda change: change.called_off("cancelled", Cause.CANCELLED))
            raise

    number = 0
    while True:
        journal = Slow()
        change = Change(id="a", token=attrs.evolve(token()))
        reached = cancelled_at(number, hand_in(JournaledChange(journal, change)))
        states = [one.state for one in await journal.find()]
        if not reached:
            break
        assert states in ([], [ChangeState.CALLED_OFF])
        number += 1
    assert number > 1
    assert states == [ChangeState.QUEUED]


def test_ids_sort_by_the_time_at_which_they_were_made_and_no_two_are_alike() -> None:
    """Also of one moment, and by a clock that stands before its epoch."""
    moments = [-1.0, 0.0, 0.001, 1.0, 1_795_000_000.0, 1_795_000_000.001, 4_102_444_800.0]
    ids = [new_id(moment) for moment in moments]
    assert [one[:12] for one in ids] == sorted(one[:12] for one in ids)
    assert len({one[:12] for one in ids[1:]}) == len(moments) - 1
    assert len({new_id(1_795_000_000.0) for _ in range(1000)}) == 1000
    assert {len(one) for one in ids} == {24}
