"""Checks that a journal does what `Journal` promises: for authors of journals, with pytest or without.

Call each of `CHECKS` with an empty journal as two processes see it: two objects, or twice the same one if it
cannot be opened twice. A check that fails raises `AssertionError`, which says what was expected.

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    async def test_my_journal(check, tmp_path):
        one, other = MyJournal(tmp_path / "jobs"), MyJournal(tmp_path / "jobs")
        async with contextlib.aclosing(one), contextlib.aclosing(other):
            await check(one, other)
"""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
import itertools
from collections.abc import Callable, Coroutine
from typing import Any, Final

import attrs

from ..model.moves import HOLDING_THE_TURN, Cause, ChangeState
from ..model.records import Decision
from ..model.status import JobKind, JobState
from .base import Journal, Query
from .testing_samples import (
    HALF,
    HANDED_IN,
    IN_PLACE,
    LOOKED_AT,
    OTHER_GSTIN,
    SENT,
    WORDS,
    a_change,
    cancelled,
    expect,
    ids,
    in_every_state,
    in_state,
    invoices,
    put,
    refused,
    stands,
    unusual,
)

__all__ = ["CHECKS", "Check"]

Check = Callable[[Journal, Journal], Coroutine[Any, Any, None]]
"""Takes one empty journal, as two processes see it."""

# -- adding and finding ----------------------------------------------------------------------------------


async def an_added_change_is_found(one: Journal, other: Journal) -> None:
    """Every field is there, the records of every section are equal to the digit, and none is missing."""
    batch = unusual()
    facts: dict[str, Any] = {"kind": JobKind.REGENERATE, "results_until": SENT, "route": "tåsk"}
    change = a_change("it", run="night", submitted=len(batch), **facts)
    before, stored, after = await one.now(), await one.add(change, batch), await one.now()
    batch.clear()  # it is the caller's
    expect(attrs.evolve(stored, revision=0, changed_at=None), change, "what add returns")
    if stored.changed_at is None or not before.at <= stored.changed_at <= after.at:
        raise AssertionError(f"changed_at: expected the journal's time, found {stored.changed_at!r}")
    expect(list(await other.find()), [stored], "find")
    found = [*await other.records("it")]
    expect(found, unusual(), "records")
    expect(repr(found), repr(unusual()), "records, with the types and digits of all values")
    plain = [record.invoice if isinstance(record, Decision) else record for record in found]
    read = [invoice.read_from_gateway for invoice in plain]
    expect(read, [False, True, False, True, True] * 8, "read_from_gateway")
    for count in (0, 1, 250, 251, 1001):
        await one.add(a_change(f"{count}", submitted=count), invoices(count))
        expect([*await other.records(f"{count}")], invoices(count), f"{count} records")


async def a_change_is_added_once(one: Journal, other: Journal) -> None:
    """The same one again, while it waits, is returned; any other of that id is refused."""
    stored = await one.add(a_change("it", run="night"), invoices())
    expect(await other.add(a_change("it", run="night"), invoices()), stored, "add of the same change")
    for different in (a_change("it", gstin=OTHER_GSTIN, run="night"), a_change("it", run="day")):
        await refused(other.add(different, invoices()), "add of another change with that id")
    expect([*await one.find()], [stored], "find after that")
    await put(one, stored.called_off("", Cause.CANCELLED))
    await refused(other.add(a_change("it", run="night"), invoices()), "add of a change that no longer waits")
    expect([*await one.records("it")], invoices(), "its records after that")


async def what_is_not_there_is_said(one: Journal, other: Journal) -> None:
    """A claim or the records of an unknown id are errors, a put returns None, and nothing is found."""
    await one.add(a_change("there"), invoices())
    gone = attrs.evolve(a_change("gone"), revision=1)
    await refused(other.claim(gone.claimed(gone.token)), "claim of an unknown id")
    await refused(other.records("gone"), "records of an unknown id")
    expect(await other.put(gone.called_off("", Cause.REFUSED)), None, "put of an unknown id")
    expect([*await other.find(Query(ids=["gone"]))], [], "find of an unknown id")


async def every_field_comes_back_in_every_state(one: Journal, other: Journal) -> None:
    """Reference, times, route, status with its report, what a look found, reason, cause and mark."""
    stored = await one.add(a_change("it", run="night"), invoices())
    for change in in_every_state(stored):
        stored = await put(one, attrs.evolve(change, revision=stored.revision))
        expected = attrs.evolve(change, revision=stored.revision, changed_at=stored.changed_at)
        expect(stored, expected, "what put returns")
        expect(await stands(other, "it"), expected, "find after put")
    await put(one, attrs.evolve(a_change("it").called_off(HALF, Cause.REFUSED), revision=stored.revision))
    reason = (await stands(other, "it")).reason
    expect(reason.startswith(WORDS), True, f"a reason with half a character is readable ({reason!r})")


async def changes_are_found_by_each_filter_and_by_all(one: Journal, other: Journal) -> None:
    """None matches all, several are met together, and the order is always that of adding."""
    added = [
        await one.add(a_change(name, run=run, **facts), invoices())
        for name, run, facts in (
            ("z", "night", {}), ("y", "", {}), ("c", "day", {"gstin": OTHER_GSTIN, "host": "test.example"}),
            ("d", "night", {"gsp": "another"}), ("a", "", {"gstin": OTHER_GSTIN}),
        )
    ]  # fmt: skip
    accepted = added[0].claimed(added[0].token).accepted(attrs.evolve(added[0].token, reference_id="R"))
    await put(one, (await put(one, added[3].called_off("", Cause.NOT_SENT))).marked_retried())
    last = await put(one, accepted)
    for query, expected in (
        (Query(), "z y c d a"), (Query(ids=["a", "gone", "z", "a"]), "z a"), (Query(ids=[]), ""),
        (Query(gsp="another"), "d"), (Query(host="gateway.example"), "z y d a"), (Query(reference="R"), "z"),
        (Query(gstin=OTHER_GSTIN), "c a"), (Query(run="night"), "z d"), (Query(run=""), "y a"),
        (Query(states=[ChangeState.ACCEPTED, ChangeState.CALLED_OFF]), "z d"), (Query(states=[]), ""),
        (Query(retried=True), "d"), (Query(retried=False), "z y c a"),
        (Query(ids=["y", "c", "d"], states=[ChangeState.QUEUED], retried=False, gsp="gsp"), "y c"),
    ):  # fmt: skip
        expect(await ids(other, query), expected.split(), f"find({query})")
    everything = await other.find()
    facts = itertools.product(
        (None, ["a", "d", "z"]), (None, "gsp"), (None, "gateway.example"), (None, OTHER_GSTIN), (None, "R"),
        (None, "", "night"), (None, [ChangeState.QUEUED]), (None, last.changed_at), (None, True, False),
        (None, added[3].revision),
    )  # fmt: skip
    for row in itertools.islice(facts, 0, None, 7):
        query = Query(**dict(zip(attrs.fields_dict(Query), row, strict=True)))  # type: ignore[arg-type] # in the same order
        expect(await ids(other, query), [it.id for it in everything if query.matches(it)], f"find({query})")


async def what_is_found_has_all_that_is_older(one: Journal, other: Journal) -> None:
    """Nothing of a lower revision comes later, though both write; and thousands of ids are found."""
    sides, seen, highest = itertools.cycle((one, other)), dict[str, int](), 0
    writes = asyncio.gather(*(next(sides).add(a_change(f"{place}"), []) for place in range(1200)))
    while not writes.done():
        await asyncio.sleep(0)  # a find may wait for nothing
        new = {it.id: it.revision for it in await one.find() if it.id not in seen}
        expect([late for late in new.values() if late <= highest], [], f"what is found after {highest}")
        seen, highest = seen | new, max([highest, *new.values()])
    every = await ids(one, Query())
    expect(await ids(other, Query(ids=every[::-1])), every, "find of 1,200 ids")


# -- claiming --------------------------------------------------------------------------------------------


async def a_free_turn_is_taken(one: Journal, other: Journal) -> None:
    """The claimed change is stored with its times, and has a new revision."""
    queued = await one.add(a_change("it", results_until=HANDED_IN), invoices())
    sending = queued.claimed(attrs.evolve(queued.token, submitted_at=SENT, results_until=None))
    claim = await one.claim(sending, since=0)
    expect((claim.taken, claim.ahead, claim.moved), (True, None, False), "claim of a free turn")
    stored = attrs.evolve(sending, revision=claim.change.revision, changed_at=claim.change.changed_at)
    expect(claim.change, stored, "what claim returns")
    expect(claim.change.revision > queued.revision, True, "a claim gives a new revision")
    expect(await stands(other, "it"), stored, "find after claim")


async def a_turn_that_is_held_is_not_taken(one: Journal, other: Journal) -> None:
    """By any state that holds it; the claim has the holder, whole, and leaves both as they were."""
    for place, state in enumerate(ChangeState):
        host = f"host {place}"
        first = await one.add(a_change(f"first {place}", host=host), invoices())
        held = await put(one, in_state(first, state))
        queued = await other.add(a_change(f"second {place}", host=host), invoices())
        holds = state in HOLDING_THE_TURN
        claim = await other.claim(queued.claimed(queued.token), since=0 if holds else held.revision)
        expected = (not holds, held if holds else None, False)
        expect((claim.taken, claim.ahead, claim.moved), expected, f"claim behind {state}")
        expect(await stands(one, first.id), held, "the change ahead after that")
        if holds:
            expect((claim.change, await stands(one, queued.id)), (queued, queued), "the change that waits")


async def the_first_that_was_added_is_ahead(one: Journal, other: Journal) -> None:
    """Of several that hold the turn, whichever was written last."""
    first, second, mine = [await one.add(a_change(name), invoices()) for name in ("z", "a", "mine")]
    for change in (second, first):
        await put(one, change.claimed(change.token).lost())
    claim = await other.claim(mine.claimed(mine.token))
    expect((claim.taken, claim.ahead and claim.ahead.id), (False, "z"), "the change ahead")


async def what_is_not_queued_is_not_claimed(one: Journal, other: Journal) -> None:
    """Nor what has moved on and waits again; the claim has the change as it stands, and writes nothing."""
    for place in range(len(in_every_state(a_change("")))):
        queued = await one.add(a_change(f"{place}", host=f"host {place}"), invoices())
        ended = await one.add(a_change(f"ended {place}", host=f"host {place}"), invoices())
        await put(other, ended.claimed(ended.token).looked_at(IN_PLACE))
        moved = await put(other, in_every_state(queued)[place])
        for revision in {queued.revision, queued.revision if moved.state == "queued" else moved.revision}:
            claim = await one.claim(attrs.evolve(queued.claimed(queued.token), revision=revision), since=0)
            found = (claim.taken, claim.change, claim.ahead, claim.moved)
            expect(found, (False, moved, None, False), f"claim of what is {moved.state} by now")
        expect(await stands(other, queued.id), moved, f"what was {moved.state}, after a claim")


async def other_taxpayers_do_not_wait(one: Journal, other: Journal) -> None:
    """A turn is that of one GSTIN at one GSP at one host."""
    places: list[dict[str, str]] = [{}, {"gstin": OTHER_GSTIN}, {"host": "test.example"}, {"gsp": "another"}]
    for number, place in enumerate(places):
        since = (await one.now()).revision - 1
        queued = await one.add(a_change(f"{number}", **place), invoices())
        claim = await other.claim(queued.claimed(queued.token), since=since)
        expect((claim.taken, claim.moved), (True, False), f"claim of a taxpayer with {place}")


async def of_claims_at_once_one_is_taken(one: Journal, other: Journal) -> None:
    """Many of one change, and of many changes of one taxpayer."""
    queued = await one.add(a_change("it", host="one"), invoices())
    sides = [one, other] * 10
    claims = await asyncio.gather(*(side.claim(queued.claimed(queued.token)) for side in sides))
    expect(sum(claim.taken for claim in claims), 1, "claims of one change that were taken")
    expect({claim.change.revision for claim in claims}, {(await stands(one, "it")).revision}, "its revisions")
    waiting = [await one.add(a_change(f"{place}"), invoices()) for place in range(len(sides))]
    calls = (side.claim(own.claimed(own.token)) for side, own in zip(sides, waiting, strict=True))
    claims = await asyncio.gather(*calls)
    taken = [claim.change for claim in claims if claim.taken]
    ahead = [claim.ahead for claim in claims if not claim.taken]
    expect((len(taken), ahead), (1, taken * 19), "claims that were taken, and what is ahead of the others")


async def a_claim_since_a_revision_sees_what_was_sent(one: Journal, other: Journal) -> None:
    """Another change of the taxpayer that was sent and moved since; what never left does not count."""
    for place, state in enumerate(state for state in ChangeState if state not in HOLDING_THE_TURN):
        host = f"host {place}"
        early = await one.add(a_change(f"early {place}", host=host), invoices())
        elsewhere = await one.add(a_change(f"elsewhere {place}", host="elsewhere"), invoices())
        moving = in_state(early, state)
        mine = await one.add(a_change(f"mine {place}", host=host), invoices())
        since = (await other.now()).revision
        moved = await put(one, moving)
        await put(one, elsewhere.claimed(elsewhere.token).abandoned())
        if moving.sent:
            claim = await other.claim(mine.claimed(mine.token), since=since)
            expect((claim.taken, claim.moved), (False, True), f"claim since, another is {state}")
            expect((claim.change, await stands(one, mine.id)), (mine, mine), "the change that waits")
            since = moved.revision
        claim = await other.claim(mine.claimed(mine.token), since=since)
        expect((claim.taken, claim.moved), (True, False), f"claim since {since}, another is {state}")


# -- writing ---------------------------------------------------------------------------------------------


async def only_the_current_revision_is_written(one: Journal, other: Journal) -> None:
    """An old one changes nothing; of several at once one is written."""
    queued = await one.add(a_change("it"), invoices())
    lost = await put(other, queued.claimed(queued.token).lost())
    for change in (queued.called_off("", Cause.CANCELLED), attrs.evolve(lost, revision=lost.revision + 99)):
        expect(await one.put(change), None, f"put at revision {change.revision} of {lost.revision}")
    expect(await stands(one, "it"), lost, "find after that")
    moves = [lost.abandoned(), lost.looked_at(LOOKED_AT)] * 5
    sides = [one, other] * 5
    answers = await asyncio.gather(*(side.put(move) for side, move in zip(sides, moves, strict=True)))
    written = [answer for answer in answers if answer is not None]
    expect(written, [await stands(one, "it")], "of ten puts at once, those that were written")


async def revisions_grow_over_all_changes(one: Journal, other: Journal) -> None:
    """With every write, of either process; `now` has the highest."""
    last = (await one.now()).revision
    sides = itertools.cycle((one, other))
    for place in range(3):
        change = await next(sides).add(a_change(f"{place}", host=f"host {place}"), invoices())
        claimed = (await next(sides).claim(change.claimed(change.token))).change
        ended = await put(next(sides), claimed.looked_at(attrs.evolve(LOOKED_AT, state=JobState.SUCCEEDED)))
        for stored in (change, claimed, ended, await put(next(sides), ended.marked_retried())):
            expect(stored.revision > last, True, f"revision {stored.revision} after {last} is higher")
            last = stored.revision
        expect([(await side.now()).revision for side in (one, other)], [last] * 2, "now().revision")


async def times_are_the_journals(one: Journal, other: Journal) -> None:
    """Each write has the time of its clock, a mark keeps it, and `since` finds exactly that moment."""
    stored = await one.add(a_change("it"), invoices())
    for _ in range(2):
        move = stored.looked_at(IN_PLACE) if stored.sent else stored.claimed(stored.token)
        before, stored, after = await other.now(), await put(one, move), await other.now()
        at = stored.changed_at
        expect(at is not None and before.at <= at <= after.at, True, f"{at} is in {before.at} … {after.at}")
    marked = await put(other, stored.marked_retried())
    expect(marked.changed_at, stored.changed_at, "changed_at after a mark")
    found = await stands(one, "it")
    expect((found.changed_at, found.retried), (stored.changed_at, True), "find after a mark")
    later = (found.changed_at or before.at) + dt.timedelta(microseconds=1)
    expect(await ids(one, Query(since=found.changed_at)), ["it"], "find since changed_at")
    expect(await ids(one, Query(since=later)), [], "find since a microsecond later")


# -- cancelling and closing ------------------------------------------------------------------------------


async def a_cancelled_caller_leaves_nothing_half_done(one: Journal, other: Journal) -> None:
    """The write took place wholly or not at all, and the change goes on from how it stands then."""
    batch = invoices(600)
    for name, turns in zip("abcdefgh", range(8), strict=True):
        queued = a_change(name, host=f"host {turns}", submitted=600)
        await cancelled(one.add(queued, batch), turns)
        for _ in await other.find(Query(ids=[name])):
            expect([*await other.records(name)], batch, "records after a cancelled add")
        stored = await one.add(queued, batch)
        expect([*await other.records(name)], batch, "records after a cancelled add, and another")
        sending = stored.claimed(attrs.evolve(stored.token, submitted_at=SENT))
        await cancelled(one.claim(sending), turns)
        claimed = (await one.claim(sending)).change
        expect(claimed.state, sending.state, "a claim, after a cancelled one, finds it claimed")
        lost = claimed.lost()
        await cancelled(one.put(lost), turns)
        again = await one.put(lost)
        found = await stands(other, name)
        expect(found.state, lost.state, "find after a cancelled put, and another")
        expect(again in (None, found), True, "the other put was written, or the first one was")


async def a_closed_journal_opens_again(one: Journal, other: Journal) -> None:
    """With all that it held. Closing twice does no harm, nor does closing what was never used."""
    await one.aclose()
    queued = await one.add(a_change("it"), invoices())
    claimed = (await one.claim(queued.claimed(queued.token))).change
    await asyncio.gather(one.aclose(), one.aclose(), other.aclose())
    expect([*await one.find()], [claimed], "find after closing")
    expect([*await other.records("it")], invoices(), "records after closing")
    await one.aclose()
    lost = await put(one, claimed.lost())
    expect([*await other.find()], [lost], "find after closing and writing")


CHECKS: Final[tuple[Check, ...]] = tuple(
    thing
    for thing in tuple(globals().values())
    if inspect.iscoroutinefunction(thing) and thing.__module__ == __name__
)
"""Every check of this module, in its order."""
