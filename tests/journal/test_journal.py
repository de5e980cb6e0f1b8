"""Both journals do what `Journal` promises, and the checks of that find those that do not."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Final

import attrs
import pytest

from ims_async import Invoice, JournalError
from ims_async import journal as journals
from ims_async.journal import Change, ChangeState, Claim, Journal, MemoryJournal, Now, Query, SqliteJournal
from ims_async.journal.base import EVERYTHING
from ims_async.journal.testing import CHECKS, Check
from ims_async.journal.testing_samples import SENT, in_every_state
from ims_async.model.records import Record
from ims_async.model.tokens import JobToken

from ..support.journals import add, claim, token


class Clock:
    """Seconds since the epoch, as a test sets them, or with a step at each look."""

    now = 1_800_000_000.1234567
    step = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The journal's clock."""
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
async def processes(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock
) -> AsyncIterator[tuple[Journal, Journal]]:
    """An empty journal of each kind, as two processes see it."""
    if request.param == "memory":
        yield (MemoryJournal(clock=clock),) * 2
    else:
        path = tmp_path / "jobs.db"
        async with SqliteJournal(path, clock=clock) as one, SqliteJournal(path, clock=clock) as other:
            yield one, other


@pytest.fixture
def journal(processes: tuple[Journal, Journal]) -> Journal:
    """One of them."""
    return processes[0]


def test_the_samples_of_the_checks_have_every_fact() -> None:
    """A fact that a journal forgets is found only if some sample has it."""
    queued = attrs.evolve(token(), period="102026")
    samples = in_every_state(Change(id="it", token=queued, run="night", revision=1, changed_at=SENT))
    for kind, values in ((Change, samples), (JobToken, [one.token for one in samples])):
        given = {
            field.name
            for field in attrs.fields(kind)
            if any(getattr(value, field.name) != field.default for value in values)
        }
        assert given | {"changed_at"} >= {field.name for field in attrs.fields(kind)}  # which journals give
    assert {one.state for one in samples} == set(ChangeState)


def test_both_are_journals(journal: Journal) -> None:
    """What the client asks of what it is given."""
    assert isinstance(journal, Journal)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_it_does_what_a_journal_promises(
    check: Check, processes: tuple[Journal, Journal], clock: Clock
) -> None:
    """Each check of those that any journal has to pass."""
    clock.step = 0.001
    await check(*processes)


@pytest.mark.parametrize(("old", "new"), [("Entry", Change), ("Phase", ChangeState)])
def test_the_names_of_the_release_before_are_there_and_warn(old: str, new: type) -> None:
    """With the name that takes their place; a name that never was is an error."""
    with pytest.warns(DeprecationWarning, match=rf"ims_async.journal.{old} is {new.__name__} now"):
        assert getattr(journals, old) is new
    with pytest.raises(AttributeError, match="Fase"):
        getattr(journals, "Fase")  # noqa: B009 # a type checker would find it


# -- what needs a clock that is set ----------------------------------------------------------------------


async def test_each_write_has_its_time_and_a_mark_has_none(journal: Journal, clock: Clock) -> None:
    """In UTC, to the microsecond."""
    moments = []
    change = await add(journal, "it")
    for move in (Change.sender_died, lambda one: one.claimed(token()), Change.lost, Change.abandoned):
        clock.now += 3600
        stored = await journal.put(move(change))
        assert stored is not None
        moments.append(stored.changed_at)
        change = stored
    start = dt.datetime.fromtimestamp(Clock.now, dt.UTC)
    hours = [0, 2, 3, 4]  # the first of them left it as it was
    assert moments == [start + dt.timedelta(hours=hour) for hour in hours]
    now = await journal.now()
    assert (now.at, now.revision) == (moments[-1], change.revision)


async def test_since_looks_at_the_last_change_and_includes_the_moment_itself(
    journal: Journal, clock: Clock
) -> None:
    """A clock is finer than a `datetime`: the moment that a change has must still find it."""
    for place in range(20):
        clock.now += 1.000_000_3
        await add(journal, f"{place}")
    for change in await journal.find():
        assert (await journal.find(Query(since=change.changed_at)))[0] == change
    last = (await journal.find())[-1].changed_at
    assert last is not None
    later = Query(since=last + dt.timedelta(microseconds=1))
    assert [*await journal.find(later)] == []
    clock.now += 60
    (third,) = await journal.find(Query(ids=["3"]))
    lost = await journal.put(third.claimed(token()).lost())
    assert [*await journal.find(later)] == [lost]


async def test_of_fifty_changes_of_one_taxpayer_one_is_claimed(processes: tuple[Journal, Journal]) -> None:
    """The others stay queued, and have the one that is in the way, in both processes."""
    one, other = processes
    for place in range(50):
        await add(one, f"{place}")
    claims = await asyncio.gather(*(claim((one, other)[n % 2], f"{n}") for n in range(50)))
    (sending,) = await one.find(Query(states=[ChangeState.SENDING]))
    assert [made.change for made in claims if made.taken] == [sending]
    assert [made.ahead for made in claims if not made.taken] == [sending] * 49
    assert len(await other.find(Query(states=[ChangeState.QUEUED]))) == 49


# -- the checks find a journal that is wrong -------------------------------------------------------------


class Wrong:
    """A journal in memory with one fault."""

    def __init__(self) -> None:
        self.inner = MemoryJournal()

    async def add(self, change: Change, records: Sequence[Record]) -> Change:
        """Store a change."""
        return await self.inner.add(change, records)

    async def claim(self, change: Change, *, since: int | None = None) -> Claim:
        """Claim the turn."""
        return await self.inner.claim(change, since=since)

    async def put(self, change: Change) -> Change | None:
        """Store how it stands."""
        return await self.inner.put(change)

    async def find(self, query: Query = EVERYTHING) -> Sequence[Change]:
        """Find changes."""
        return await self.inner.find(query)

    async def records(self, change_id: str) -> Sequence[Record]:
        """Return the records of a change."""
        return await self.inner.records(change_id)

    async def now(self) -> Now:
        """Return time and revision."""
        return await self.inner.now()

    async def aclose(self) -> None:
        """Close."""
        await self.inner.aclose()

    async def current(self, change: Change) -> Change:
        """Return a change at the revision that is stored."""
        found = await self.inner.find(Query(ids=[change.id]))
        return attrs.evolve(change, revision=found[0].revision) if found else change


class AddsAgain(Wrong):
    async def add(self, change: Change, records: Sequence[Record]) -> Change:
        for known in await self.inner.find(Query(ids=[change.id])):
            return known
        return await self.inner.add(change, records)


class RoundsAmounts(Wrong):
    async def add(self, change: Change, records: Sequence[Record]) -> Change:
        as_read = [
            attrs.evolve(record, value=record.value.normalize()) if isinstance(record, Invoice) else record
            for record in records
        ]
        return await self.inner.add(change, as_read)


class ForgetsOnlyTheRecords(Wrong):
    async def records(self, change_id: str) -> Sequence[Record]:
        try:
            return await self.inner.records(change_id)
        except JournalError:
            return []


class IgnoresTheRevision(Wrong):
    async def put(self, change: Change) -> Change | None:
        return await self.inner.put(await self.current(change))


class ClaimsWhatMovedOn(Wrong):
    async def claim(self, change: Change, *, since: int | None = None) -> Claim:
        return await self.inner.claim(await self.current(change), since=since)


class IgnoresSince(Wrong):
    async def claim(self, change: Change, *, since: int | None = None) -> Claim:
        return await self.inner.claim(change)


class ClaimsInTwoSteps(Wrong):
    async def claim(self, change: Change, *, since: int | None = None) -> Claim:
        holding = await self.inner.find(Query(states=[ChangeState.SENDING], host=change.token.host))
        await asyncio.sleep(0)
        stored = None if holding else await self.inner.put(change)
        return Claim(stored, taken=True) if stored else await self.inner.claim(change)


class IgnoresTheTurn(Wrong):
    async def claim(self, change: Change, *, since: int | None = None) -> Claim:
        stored = await self.inner.put(change)
        return Claim(stored, taken=True) if stored else await self.inner.claim(change, since=since)


class KeepsTheTimesOfHandingIn(Wrong):
    async def claim(self, change: Change, *, since: int | None = None) -> Claim:
        for known in await self.inner.find(Query(ids=[change.id])):
            change = attrs.evolve(change, token=known.token)
        return await self.inner.claim(change, since=since)


class WaitsForEverybody(Wrong):
    async def claim(self, change: Change, *, since: int | None = None) -> Claim:
        made = await self.inner.claim(change, since=since)
        own = change.token.gstin
        others = [one for one in await self.inner.find() if one.holds_the_turn and one.token.gstin != own]
        return Claim(made.change, taken=False, ahead=others[0]) if others else made


class NamesTheLastAhead(Wrong):
    async def claim(self, change: Change, *, since: int | None = None) -> Claim:
        made = await self.inner.claim(change, since=since)
        holding = [one for one in await self.inner.find() if one.holds_the_turn and one.id != change.id]
        return attrs.evolve(made, ahead=holding[-1]) if made.ahead else made


class ForgetsTheRoute(Wrong):
    async def put(self, change: Change) -> Change | None:
        return await self.inner.put(attrs.evolve(change, token=attrs.evolve(change.token, route="")))


class TakesAMarkForAMove(Wrong):
    async def put(self, change: Change) -> Change | None:
        return await self.inner.put(attrs.evolve(change, changed_at=None))


class HasAClockOfItsOwn(Wrong):
    async def now(self) -> Now:
        return attrs.evolve(await self.inner.now(), at=dt.datetime.fromtimestamp(0, dt.UTC))


class DoesNotCountItsRevisions(Wrong):
    async def now(self) -> Now:
        return attrs.evolve(await self.inner.now(), revision=0)


class SortsByName(Wrong):
    async def find(self, query: Query = EVERYTHING) -> Sequence[Change]:
        return sorted(await self.inner.find(query), key=lambda change: change.id)


class IgnoresTheHost(Wrong):
    async def find(self, query: Query = EVERYTHING) -> Sequence[Change]:
        return await self.inner.find(attrs.evolve(query, host=None))


class ShowsTheNewestFirst(Wrong):
    async def find(self, query: Query = EVERYTHING) -> Sequence[Change]:
        found = await self.inner.find(query)
        return found if len(found) < 300 else found[100:]


class WritesInHalves(Wrong):
    async def add(self, change: Change, records: Sequence[Record]) -> Change:
        stored = await self.inner.add(change, records[:300])
        await asyncio.sleep(0)
        self.inner._records[change.id] = tuple(records)
        return stored


class EmptiesWhenClosed(Wrong):
    async def aclose(self) -> None:
        self.inner = MemoryJournal()


FAULTS: Final[dict[type[Wrong], str]] = {
    AddsAgain: "a_change_is_added_once",
    RoundsAmounts: "an_added_change_is_found",
    ForgetsOnlyTheRecords: "what_is_not_there_is_said",
    IgnoresTheRevision: "only_the_current_revision_is_written",
    ClaimsWhatMovedOn: "what_is_not_queued_is_not_claimed",
    IgnoresSince: "a_claim_since_a_revision_sees_what_was_sent",
    ClaimsInTwoSteps: "of_claims_at_once_one_is_taken",
    IgnoresTheTurn: "a_turn_that_is_held_is_not_taken",
    KeepsTheTimesOfHandingIn: "a_free_turn_is_taken",
    WaitsForEverybody: "other_taxpayers_do_not_wait",
    NamesTheLastAhead: "the_first_that_was_added_is_ahead",
    ForgetsTheRoute: "every_field_comes_back_in_every_state",
    TakesAMarkForAMove: "times_are_the_journals",
    HasAClockOfItsOwn: "an_added_change_is_found",
    DoesNotCountItsRevisions: "revisions_grow_over_all_changes",
    SortsByName: "changes_are_found_by_each_filter_and_by_all",
    IgnoresTheHost: "changes_are_found_by_each_filter_and_by_all",
    ShowsTheNewestFirst: "what_is_found_has_all_that_is_older",
    WritesInHalves: "a_cancelled_caller_leaves_nothing_half_done",
    EmptiesWhenClosed: "a_closed_journal_opens_again",
}


def test_each_check_finds_a_fault() -> None:
    """One that finds none says nothing of a journal."""
    assert set(FAULTS.values()) == {check.__name__ for check in CHECKS}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_each_fault_is_found_by_its_check(fault: Callable[[], Wrong]) -> None:
    """With words that say what was expected; a journal without a fault passes this check."""
    (check,) = (check for check in CHECKS if check.__name__ == FAULTS[fault])  # type: ignore[index]
    sound = Wrong()
    await check(sound, sound)
    wrong = fault()
    with pytest.raises(AssertionError, match="expected"):
        await check(wrong, wrong)
