"""The protocol of a journal: every test runs with the one in memory and the one in a file alike."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest

from ims_async import JobKind, JobState, JobStatus, JournalError, RecordKey, Section
from ims_async.journal import Cause, Entry, Journal, MemoryJournal, Phase, SqliteJournal
from ims_async.model.status import Found

from ..support.journals import GSTIN, SENT_AT, decisions, token

OTHER = "27AAACQ3770E1ZJ"
DONE = JobStatus(
    state=JobState.PARTIAL, raw_code="PE", processed=3, errors=1, polled_at=1.5, carrier_done=True
)
OPEN = {Phase.QUEUED, Phase.SENDING, Phase.UNKNOWN, Phase.RUNNING}
IN_FLIGHT = OPEN - {Phase.QUEUED}

# Written out once more, so that a slip in either table shows.
ALLOWED = {
    "queued": "unknown, called off, ended, let go",
    "sending": "queued, unknown, running, ended, called off, let go",
    "unknown": "unknown, running, ended, let go",
    "running": "unknown, running, ended, let go",
    "ended": "",
    "called off": "ended",
    "let go": "ended",
}


class Clock:
    """Seconds since the epoch, as a test sets them."""

    now = 1_800_000_000.1234567

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The journal's clock."""
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Journal]:
    """An empty journal of each kind."""
    if request.param == "memory":
        yield MemoryJournal(clock=clock)
    else:
        async with SqliteJournal(tmp_path / "jobs.db", clock=clock) as made:
            yield made


async def at(journal: Journal, phase: Phase, name: str = "it", gstin: str = GSTIN) -> None:
    """Bring a new batch to a phase, by the ways that there are."""
    await journal.intend(name, token(gstin=gstin), decisions())
    if phase in (Phase.SENDING, Phase.RUNNING):
        assert await journal.claim(name, token(gstin=gstin)) is None
    if phase not in (Phase.QUEUED, Phase.SENDING):
        assert await journal.advance(name, phase)


async def one(journal: Journal, name: str = "it") -> Entry:
    """Return the entry of a batch."""
    (entry,) = await journal.entries(batch_id=name)
    return entry


async def names(journal: Journal, **wanted: object) -> list[str]:
    """Return the names of the batches that a filter lets through."""
    return [entry.id for entry in await journal.entries(**wanted)]  # type: ignore[arg-type] # as named there


def test_both_are_journals(journal: Journal) -> None:
    """What the client asks of what it is given."""
    assert isinstance(journal, Journal)


async def test_what_was_handed_in_is_there_as_it_was(journal: Journal, clock: Clock) -> None:
    """Entry and records, down to the last field."""
    kept = token(submitted=3, results_until=SENT_AT + dt.timedelta(days=7), kind=JobKind.RESET)
    await journal.intend("it", kept, decisions(3))
    entry = await one(journal)
    now = dt.datetime.fromtimestamp(clock.now, dt.UTC)
    assert entry == Entry(id="it", phase=Phase.QUEUED, token=kept, changed_at=now)
    assert await journal.records("it") == decisions(3)
    assert await journal.entries() == [entry]


@pytest.mark.parametrize("to", list(Phase))
@pytest.mark.parametrize("start", list(Phase))
async def test_a_batch_moves_as_the_table_says_and_not_otherwise(
    journal: Journal, start: Phase, to: Phase
) -> None:
    """All 49 pairs; a move that may not be changes nothing at all."""
    await at(journal, start)
    before = await one(journal)
    allowed = str(to) in ALLOWED[start].split(", ")
    assert start.moves(to) is allowed
    news = token(reference_id="REF-1")
    assert await journal.advance("it", to, token=news, status=DONE, reason="because") is allowed
    moved = attrs.evolve(before, phase=to, token=news, status=DONE, reason="because")
    assert await one(journal) == (moved if allowed else before)


@pytest.mark.parametrize("start", list(Phase))
async def test_only_what_is_queued_can_be_claimed(journal: Journal, start: Phase) -> None:
    """Anything else is told as it stands, and left there."""
    await at(journal, start)
    before = await one(journal)
    in_the_way = await journal.claim("it", token())
    assert in_the_way == (None if start is Phase.QUEUED else before)
    assert (await one(journal)).phase is (Phase.SENDING if start is Phase.QUEUED else start)


@pytest.mark.parametrize("phase", list(Phase))
async def test_a_batch_in_flight_keeps_others_of_its_taxpayer_waiting(journal: Journal, phase: Phase) -> None:
    """Sending, unknown and running hold the turn; the one in the way is told whole."""
    await at(journal, phase, "first")
    await journal.intend("second", token(), decisions())
    in_the_way = await journal.claim("second", token())
    assert in_the_way == (await one(journal, "first") if phase in IN_FLIGHT else None)
    assert phase.open is (phase in OPEN)


@pytest.mark.parametrize("apart", [{"gstin": OTHER}, {"host": "test.example"}, {"gsp": "another"}])
async def test_taxpayers_elsewhere_do_not_wait_for_each_other(
    journal: Journal, apart: dict[str, str]
) -> None:
    """A turn is that of one GSTIN at one GSP at one host."""
    await at(journal, Phase.SENDING, "first")
    await journal.intend("second", token(**apart), decisions())
    assert await journal.claim("second", token(**apart)) is None
    assert [entry.phase for entry in await journal.entries()] == [Phase.SENDING, Phase.SENDING]


async def test_of_several_in_the_way_the_oldest_is_told(journal: Journal) -> None:
    """It is the one to wait for."""
    for name in ("a", "b", "mine"):
        await journal.intend(name, token(), decisions())
    for name in ("b", "a"):
        assert await journal.advance(name, Phase.UNKNOWN)
    in_the_way = await journal.claim("mine", token())
    assert in_the_way is not None
    assert in_the_way.id == "a"


async def test_of_fifty_who_claim_one_batch_one_has_it(journal: Journal) -> None:
    """The others are told that it is being sent."""
    await journal.intend("it", token(), decisions())
    answers = await asyncio.gather(*(journal.claim("it", token()) for _ in range(50)))
    assert answers.count(None) == 1
    assert {entry.phase for entry in answers if entry} == {Phase.SENDING}


async def test_of_fifty_batches_of_one_taxpayer_one_is_claimed(journal: Journal) -> None:
    """The others stay queued, and are told which one is in the way."""
    for place in range(50):
        await journal.intend(f"{place}", token(), decisions())
    answers = await asyncio.gather(*(journal.claim(f"{place}", token()) for place in range(50)))
    (sending,) = await names(journal, phases=[Phase.SENDING])
    assert answers[int(sending)] is None
    assert [entry.id for entry in answers if entry] == [sending] * 49
    assert len(await names(journal, phases=[Phase.QUEUED])) == 49


async def test_a_claim_says_when_it_was_sent(journal: Journal, clock: Clock) -> None:
    """The time of handing in gives way to that of sending; all else stays."""
    await journal.intend("it", token(results_until=SENT_AT), decisions())
    later = SENT_AT + dt.timedelta(hours=1)
    clock.now += 3600
    await journal.claim("it", token(submitted_at=later, results_until=None))
    entry = await one(journal)
    assert entry.token == token(submitted_at=later, results_until=None)
    assert entry.changed_at == dt.datetime.fromtimestamp(clock.now, dt.UTC)


async def test_news_without_a_fact_leave_the_fact_that_was_known(journal: Journal) -> None:
    """A reference, a time and a status, once heard, are not forgotten."""
    known = token(reference_id="REF-1", results_until=SENT_AT)
    await at(journal, Phase.SENDING)
    await journal.advance("it", Phase.RUNNING, token=known, status=DONE)
    await journal.advance("it", Phase.UNKNOWN, token=token(submitted_at=None))
    await journal.advance("it", Phase.UNKNOWN)
    entry = await one(journal)
    assert (entry.token, entry.status) == (known, DONE)


async def test_what_became_of_it_is_kept_with_the_reason(journal: Journal) -> None:
    """Also in letters that no file holds as they are: half a pair of surrogates, a zero."""
    await at(journal, Phase.QUEUED)
    assert await journal.advance("it", Phase.CALLED_OFF, reason="«ना» \x00 \ud800")
    assert (await one(journal)).reason.startswith("«ना» \x00 ")


@pytest.mark.parametrize("cause", [None, *Cause])
async def test_the_cause_of_a_batch_that_was_called_off_is_kept(
    journal: Journal, cause: Cause | None
) -> None:
    """Apart from the words for a person."""
    await at(journal, Phase.QUEUED)
    assert await journal.advance("it", Phase.CALLED_OFF, reason="retried", cause=cause)
    entry = await one(journal)
    assert (entry.cause, entry.reason, entry.retried) == (cause, "retried", False)


@pytest.mark.parametrize("phase", list(Phase))
async def test_what_has_ended_or_was_called_off_is_marked_as_retried(journal: Journal, phase: Phase) -> None:
    """Beside its reason; nothing else is."""
    await at(journal, phase)
    before = await one(journal)
    await journal.mark_retried("it")
    assert await one(journal) == attrs.evolve(before, retried=phase in (Phase.ENDED, Phase.CALLED_OFF))
    with pytest.raises(JournalError, match="no batch"):
        await journal.mark_retried("nobody")


async def test_the_route_of_a_job_is_kept(journal: Journal) -> None:
    """As the GSP told it with the reference; news without one leave it."""
    known = token(reference_id="REF-1", route="by way of a task")
    await at(journal, Phase.SENDING)
    await journal.advance("it", Phase.RUNNING, token=known)
    await journal.advance("it", Phase.RUNNING, token=token(reference_id="REF-1"), status=DONE)
    assert (await one(journal)).token == known


async def test_what_a_look_showed_is_kept_as_a_value_of_its_own(journal: Journal) -> None:
    """Which records stand as they stood, and which were changed, by all that names them."""
    key = decisions()[0].key
    other = RecordKey("of tomorrow", "S", "1", None, None)
    found = Found(applied=5, not_applied=(key,), changed=(other, key._replace(section=Section.ECOM)))
    status = JobStatus(state=JobState.PARTIAL, processed=5, errors=3, found=found)
    await at(journal, Phase.UNKNOWN)
    await journal.advance("it", Phase.ENDED, status=status)
    assert (await one(journal)).status == status


async def test_a_batch_moves_on_only_from_where_it_is_thought_to_be(journal: Journal) -> None:
    """Whoever has seen it queued does not take it from somebody who began to send it."""
    await at(journal, Phase.SENDING)
    assert not await journal.advance("it", Phase.UNKNOWN, only_from=Phase.QUEUED)
    assert (await one(journal)).phase is Phase.SENDING
    assert await journal.advance("it", Phase.UNKNOWN, only_from=Phase.SENDING)


async def test_entries_are_filtered_by_each_fact_and_by_all_together(journal: Journal) -> None:
    """A filter of None lets all through."""
    await at(journal, Phase.RUNNING, "a")
    await journal.advance("a", Phase.RUNNING, token=token(reference_id="REF-1"))
    await at(journal, Phase.ENDED, "b")
    await journal.intend("c", token(gstin=OTHER, host="test.example"), decisions())
    await journal.intend("d", token(gsp="another"), decisions())
    assert await names(journal) == ["a", "b", "c", "d"]
    assert await names(journal, batch_id="c") == ["c"]
    assert await names(journal, gsp="another") == ["d"]
    assert await names(journal, host="gateway.example") == ["a", "b", "d"]
    assert await names(journal, gstin=OTHER) == ["c"]
    assert await names(journal, reference="REF-1") == ["a"]
    assert await names(journal, phases=[Phase.QUEUED, Phase.ENDED]) == ["b", "c", "d"]
    assert await names(journal, phases=[]) == []
    assert await names(journal, gsp="gsp", host="gateway.example", gstin=GSTIN, phases=[Phase.ENDED]) == ["b"]
    assert await names(journal, gstin=OTHER, reference="REF-1") == []


async def test_entries_come_in_the_order_of_handing_in_whatever_happened_since(journal: Journal) -> None:
    """So that what was decided first is sent first."""
    for name in ("z", "a", "m"):
        await journal.intend(name, token(), decisions())
    await journal.advance("z", Phase.CALLED_OFF)
    await journal.advance("m", Phase.UNKNOWN)
    assert await names(journal) == ["z", "a", "m"]


async def test_since_looks_at_the_last_change_and_includes_the_moment_itself(
    journal: Journal, clock: Clock
) -> None:
    """A clock is finer than a `datetime`: the moment that an entry tells must still find it."""
    for place in range(20):
        clock.now += 1.000_000_3
        await journal.intend(f"{place}", token(), decisions())
    for entry in await journal.entries():
        assert (await names(journal, since=entry.changed_at))[0] == entry.id
    last = (await journal.entries())[-1].changed_at
    assert await names(journal, since=last + dt.timedelta(microseconds=1)) == []
    clock.now += 60
    await journal.advance("3", Phase.UNKNOWN)
    assert await names(journal, since=last + dt.timedelta(microseconds=1)) == ["3"]


async def test_a_batch_that_is_not_there_is_named(journal: Journal) -> None:
    """It is an error to move it, and none to look for it."""
    await journal.intend("there", token(), decisions())
    for call in (
        journal.claim("gone", token()),
        journal.advance("gone", Phase.UNKNOWN),
        journal.records("gone"),
    ):
        with pytest.raises(JournalError, match="holds no batch gone"):
            await call
    assert await journal.entries(batch_id="gone") == []


async def test_one_name_is_given_once(journal: Journal) -> None:
    """The second is refused, and the first is as it was."""
    await journal.intend("it", token(), decisions(2))
    with pytest.raises(JournalError, match="already holds a batch it"):
        await journal.intend("it", token(gstin=OTHER), decisions(1))
    assert (await one(journal)).token.gstin == GSTIN
    assert await journal.records("it") == decisions(2)


async def test_records_keep_their_number_and_order_over_many_parts(journal: Journal) -> None:
    """None, one, just one part, one more, and many; the list that was handed in may change afterwards."""
    for count in (0, 1, 250, 251, 1001):
        batch = list(decisions(count))
        await journal.intend(f"{count}", token(submitted=count), batch)
        batch.clear()
        assert await journal.records(f"{count}") == decisions(count)


async def test_a_closed_journal_opens_again_with_all_it_held(journal: Journal) -> None:
    """Closing twice does no harm, nor does closing what was never used."""
    await journal.aclose()
    await at(journal, Phase.RUNNING)
    before = await journal.entries()
    await journal.aclose()
    await journal.aclose()
    assert await journal.entries() == before
    assert await journal.advance("it", Phase.ENDED)
