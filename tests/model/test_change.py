"""A change has one state: every event in every state, every repeat, and every two that can meet."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator
from typing import Any, Final

import attrs
import pytest

from ims_async import JobInFlight
from ims_async.jobs.facts import status_of
from ims_async.model.change import Change, with_facts
from ims_async.model.moves import HOLDING_THE_TURN, MOVES, OPEN_STATES, Cause, ChangeState, Event
from ims_async.model.records import RecordKey
from ims_async.model.status import Found, JobKind, JobState, JobStatus
from ims_async.model.times import QUIET, SENDER_IS_DEAD
from ims_async.model.tokens import JobToken
from ims_async.model.vocabulary import Section

TABLE: Final = """
event                          | QUEUED     | SENDING    | LOST       | ACCEPTED   | BROKEN_OFF | ENDED   | CALLED_OFF | ABANDONED
claimed                        | SENDING    | refused    | refused    | refused    | refused    | refused | refused    | refused
sent again                     | refused    | refused    | SENDING    | refused    | refused    | refused | refused    | refused
put back                       | =          | QUEUED     | QUEUED     | never      | never      | refused | refused    | CALLED_OFF
called off                     | CALLED_OFF | CALLED_OFF | CALLED_OFF | never      | never      | =       | =          | CALLED_OFF
accepted                       | never      | ACCEPTED   | ACCEPTED   | =          | =          | = +     | never      | = +
lost                           | never      | LOST       | =          | never      | never      | =       | never      | =
heard: processing              | never      | never      | ACCEPTED   | = +        | =          | =       | never      | = +
heard: ended                   | never      | never      | ENDED      | ENDED      | ENDED      | =       | never      | ENDED
heard: broke off               | never      | never      | BROKEN_OFF | BROKEN_OFF | =          | =       | never      | = +
forgotten                      | never      | never      | =          | LOST       | =          | =       | never      | =
found, everything in place     | refused    | ENDED      | ENDED      | ENDED      | ENDED      | =       | ENDED      | ENDED
found, some not applied        | refused    | refused    | ENDED      | ENDED      | ENDED      | =       | ENDED      | ENDED
found, some cannot be said yet | =          | =          | =          | =          | =          | =       | =          | =
taken over                     | CALLED_OFF | refused    | refused    | refused    | refused    | refused | =          | refused
sender dead                    | =          | LOST       | =          | =          | =          | =       | =          | =
abandoned                      | CALLED_OFF | ABANDONED  | ABANDONED  | ABANDONED  | ABANDONED  | =       | =          | =
retried                        | =          | =          | =          | =          | =          | = +     | = +        | =
"""  # noqa: E501 # one line is one event

QUESTIONS: Final = """
state      | holds the turn | open | sent | pollable | needs a look | done | job state
QUEUED     | no             | yes  | no   | no       | no           | no   | unknown
SENDING    | yes            | yes  | yes  | no       | no           | no   | unknown
LOST       | yes            | yes  | yes  | no       | yes          | no   | unknown
ACCEPTED   | yes            | yes  | yes  | yes      | no           | no   | processing
BROKEN_OFF | yes            | yes  | yes  | no       | yes          | yes  | failed
ENDED      | no             | no   | yes  | no       | no           | yes  | succeeded
CALLED_OFF | no             | no   | no   | no       | no           | no   | unknown
"""  # what was abandoned has more than one row: see the test of its own

SENT_AT: Final = dt.datetime(2026, 11, 3, 10, tzinfo=dt.UTC)
TOKEN: Final = JobToken(
    gsp="sandbox", host="h", gstin="29AAACQ3770E1ZF", kind=JobKind.SAVE, reference_id=None, submitted=2,
    submitted_at=SENT_AT,
)  # fmt: skip
REFERENCE: Final = attrs.evolve(TOKEN, reference_id="ref-1", route="v2", submitted_at=None)
KEY: Final = RecordKey(Section.B2B, "24MAYAS0100J1JD", "I-1", dt.date(2024, 11, 1), "112024")

PROCESSING: Final = JobStatus(state=JobState.PROCESSING, raw_code="IP", polled_at=10.0)
SUCCEEDED: Final = JobStatus(state=JobState.SUCCEEDED, raw_code="S", polled_at=20.0)
BROKE_OFF: Final = JobStatus(state=JobState.FAILED, error_code="T1", carrier_failed=True, polled_at=15.0)
IN_PLACE: Final = JobStatus(state=JobState.SUCCEEDED, processed=2, found=Found(applied=2))
NOT_APPLIED: Final = JobStatus(
    state=JobState.PARTIAL, processed=1, errors=1, found=Found(applied=1, not_applied=(KEY,))
)

HAPPENS: Final[dict[Event, Callable[[Change], Change]]] = {
    Event.CLAIMED: lambda change: change.claimed(TOKEN),
    Event.SENT_AGAIN: lambda change: change.sent_again(TOKEN),
    Event.PUT_BACK: lambda change: change.put_back("an outage"),
    Event.CALLED_OFF: lambda change: change.called_off("refused", Cause.REFUSED),
    Event.ACCEPTED: lambda change: change.accepted(REFERENCE),
    Event.LOST: lambda change: change.lost(),
    Event.HEARD_PROCESSING: lambda change: change.heard(PROCESSING),
    Event.HEARD_ENDED: lambda change: change.heard(SUCCEEDED),
    Event.HEARD_BROKE_OFF: lambda change: change.heard(BROKE_OFF),
    Event.FORGOTTEN: lambda change: change.forgotten(),
    Event.FOUND_IN_PLACE: lambda change: change.looked_at(IN_PLACE),
    Event.FOUND_NOT_APPLIED: lambda change: change.looked_at(NOT_APPLIED),
    Event.CANNOT_BE_SAID: lambda change: change.looked_at(None),
    Event.TAKEN_OVER: lambda change: change.taken_over("another process"),
    Event.SENDER_DEAD: lambda change: change.sender_died(),
    Event.ABANDONED: lambda change: change.abandoned(),
    Event.RETRIED: lambda change: change.marked_retried(),
}


def _rows(text: str) -> Iterator[dict[str, str]]:
    head, *rows = ([cell.strip() for cell in line.split("|")] for line in text.strip().splitlines())
    return (dict(zip(head, row, strict=True)) for row in rows)


def _cells() -> list[tuple[Event, ChangeState, str]]:
    rows = {Event(row.pop("event")): row for row in _rows(TABLE)}
    return [(event, ChangeState[state], cell) for event, row in rows.items() for state, cell in row.items()]


def _in(state: ChangeState) -> Change:
    """Return a change that has come into a state as one does."""
    queued = Change(id="b1", token=TOKEN, run="night")
    sending = queued.claimed(TOKEN)
    accepted = sending.accepted(REFERENCE)
    ways = {
        ChangeState.QUEUED: queued,
        ChangeState.SENDING: sending,
        ChangeState.LOST: sending.lost(),
        ChangeState.ACCEPTED: accepted,
        ChangeState.BROKEN_OFF: accepted.heard(BROKE_OFF),
        ChangeState.ENDED: accepted.heard(SUCCEEDED),
        ChangeState.CALLED_OFF: queued.called_off("cancelled", Cause.CANCELLED),
        ChangeState.ABANDONED: accepted.abandoned(),
    }
    assert ways[state].state is state
    return ways[state]


def _allowed(event: Event, state: ChangeState) -> bool:
    try:
        HAPPENS[event](_in(state))
    except (JobInFlight, RuntimeError):
        return False
    return True


def test_the_table_is_whole() -> None:
    """Every event has a row, and every state a column."""
    assert [(event, state) for event, state, _ in _cells()] == list(itertools.product(Event, ChangeState))
    assert list(MOVES) == list(Event)
    assert all(list(row) == list(ChangeState) for row in MOVES.values())


@pytest.mark.parametrize(("event", "state", "cell"), _cells())
def test_each_event_in_each_state(event: Event, state: ChangeState, cell: str) -> None:
    """It leads where the table says; what is refused or cannot be leaves the change as it is."""
    before = _in(state)
    match cell:
        case "refused":
            with pytest.raises(JobInFlight, match=f"change b1 was dealt with elsewhere: it is {state}"):
                HAPPENS[event](before)
        case "never":
            with pytest.raises(RuntimeError, match="a defect"):
                HAPPENS[event](before)
        case "=":
            assert HAPPENS[event](before) is before
        case "= +":
            assert HAPPENS[event](before).state is state
        case _:
            assert HAPPENS[event](before).state is ChangeState[cell]


@pytest.mark.parametrize(("event", "state", "cell"), _cells())
def test_a_repeat_changes_nothing(event: Event, state: ChangeState, cell: str) -> None:
    """The same event once more, from another process say, notes nothing new: it is the same object then."""
    if cell in ("refused", "never"):
        return
    once = HAPPENS[event](_in(state))
    if _refused_once_more(event, once.state):
        with pytest.raises(JobInFlight):
            HAPPENS[event](once)
    else:
        assert HAPPENS[event](once) is once


def _refused_once_more(event: Event, state: ChangeState) -> bool:
    # What was put back after it was abandoned was called off: there is nothing to put back once more.
    return event in (Event.CLAIMED, Event.SENT_AGAIN) or (
        event is Event.PUT_BACK and state is ChangeState.CALLED_OFF
    )


@pytest.mark.parametrize(("event", "state", "cell"), _cells())
def test_a_move_is_to_be_written_anew(event: Event, state: ChangeState, cell: str) -> None:
    """It has no time until a journal gives it one, and keeps its revision; a mark keeps its time too."""
    if cell in ("refused", "never"):
        return
    before = attrs.evolve(_in(state), revision=7, changed_at=SENT_AT)
    after = HAPPENS[event](before)
    assert after.revision == 7
    assert after.changed_at == (SENT_AT if after is before or event is Event.RETRIED else None)
    stored = after.stored(8, SENT_AT + dt.timedelta(hours=1))
    assert attrs.evolve(stored, revision=7, changed_at=after.changed_at) == after
    assert (stored.revision, stored.changed_at) == (8, after.changed_at or SENT_AT + dt.timedelta(hours=1))


def test_news_that_say_nothing_new_leave_the_very_change() -> None:
    """A reference that is known, an answer that was read before, a second mark: nothing is to be written."""
    ended = _in(ChangeState.ENDED)
    abandoned = _in(ChangeState.ACCEPTED).abandoned().heard(BROKE_OFF)
    accepted = _in(ChangeState.ACCEPTED).heard(PROCESSING)
    assert ended.accepted(REFERENCE) is ended
    assert abandoned.accepted(REFERENCE) is abandoned
    assert abandoned.heard(attrs.evolve(BROKE_OFF, polled_at=99.0)) is abandoned
    assert accepted.heard(attrs.evolve(PROCESSING, polled_at=99.0), REFERENCE) is accepted
    assert accepted.heard(attrs.evolve(PROCESSING, processed=7, polled_at=9.0)) is accepted
    marked = ended.marked_retried()
    assert marked.marked_retried() is marked


# The process that handed a change in does these, one after the other.
SENDER: Final = {Event.CLAIMED, Event.PUT_BACK, Event.CALLED_OFF, Event.ACCEPTED, Event.LOST}
# Nobody asks before the sender has noted a reference, its last act. A fresh claim is not old.
HEARD: Final = {Event.HEARD_PROCESSING, Event.HEARD_ENDED, Event.HEARD_BROKE_OFF, Event.FORGOTTEN}
CANNOT_MEET: Final = (
    *itertools.combinations(sorted(SENDER), 2),
    *itertools.product(SENDER, HEARD),
    (Event.CLAIMED, Event.SENDER_DEAD),
    # What may be sent again has no records to look at, and was lost: nobody asks about it, nor is it old.
    *itertools.product([Event.SENT_AGAIN], [*HEARD, Event.FOUND_IN_PLACE, Event.FOUND_NOT_APPLIED]),
    (Event.SENT_AGAIN, Event.SENDER_DEAD),
)
# The first write wins and the other is refused; or the next poll decides.
RACES: Final = (
    (Event.CLAIMED, Event.TAKEN_OVER),
    (Event.CLAIMED, Event.ABANDONED),
    (Event.PUT_BACK, Event.FOUND_IN_PLACE),
    (Event.PUT_BACK, Event.FOUND_NOT_APPLIED),
    (Event.HEARD_PROCESSING, Event.FORGOTTEN),
    (Event.SENT_AGAIN, Event.LOST),  # of a sender that was slow; the answer to the later one decides
    (Event.SENT_AGAIN, Event.PUT_BACK),
)


def _pairs() -> Iterator[tuple[ChangeState, Event, Event]]:
    apart = {frozenset(pair) for pair in (*CANNOT_MEET, *RACES)}
    for state, (one, other) in itertools.product(ChangeState, itertools.combinations(Event, 2)):
        if frozenset((one, other)) not in apart and _allowed(one, state) and _allowed(other, state):
            yield state, one, other


def test_two_events_end_in_one_state_whichever_comes_first() -> None:
    """Two processes that act at once leave the same behind; what the second is refused changes nothing."""
    pairs = list(_pairs())
    for state, one, other in pairs:
        there = _after(_after(_in(state), one), other)
        back = _after(_after(_in(state), other), one)
        assert there.state is back.state, (state, one, other)
    assert len(pairs) > 200


def _after(change: Change, event: Event) -> Change:
    try:
        return HAPPENS[event](change)
    except JobInFlight:
        return change


@pytest.mark.parametrize("other", [Event.TAKEN_OVER, Event.ABANDONED])
def test_of_a_claim_and_what_would_end_the_waiting_the_first_wins(other: Event) -> None:
    """It is either sent or called off; with a claim before it, what is abandoned was sent."""
    queued = _in(ChangeState.QUEUED)
    called_off = HAPPENS[other](queued)
    assert called_off.state is ChangeState.CALLED_OFF
    with pytest.raises(JobInFlight):
        called_off.claimed(TOKEN)
    first = _after(queued.claimed(TOKEN), other)
    assert first.state is (ChangeState.SENDING if other is Event.TAKEN_OVER else ChangeState.ABANDONED)


@pytest.mark.parametrize("found", [IN_PLACE, NOT_APPLIED], ids=["in place", "not applied"])
def test_what_a_look_has_ended_is_not_put_back(found: JobStatus) -> None:
    """Its sender hears that it was dealt with, and sends nothing more."""
    with pytest.raises(JobInFlight, match="dealt with elsewhere"):
        _in(ChangeState.LOST).looked_at(found).put_back("it never left")


def test_only_a_claim_takes_the_turn() -> None:
    """No other event leads from a state without the turn to one that holds it."""
    taking = {
        event
        for event, row in MOVES.items()
        for state, cell in row.items()
        if state not in HOLDING_THE_TURN and cell in HOLDING_THE_TURN
    }
    assert taking == {Event.CLAIMED}


def test_each_state_has_its_answers() -> None:
    """But what was abandoned, whose answers depend on what is known of it: below."""
    assert [row["state"] for row in _rows(QUESTIONS)] == [state.name for state in ChangeState][:-1]


@pytest.mark.parametrize("row", list(_rows(QUESTIONS)), ids=lambda row: row["state"])
def test_each_question_is_answered_by_the_state(row: dict[str, str]) -> None:
    """Once, in one place."""
    change = _in(ChangeState[row["state"]])
    names = ("holds the turn", "open", "sent", "pollable", "needs a look", "done")
    answers = {name: getattr(change, name.replace(" ", "_")) for name in names}
    assert answers == {name: row[name] == "yes" for name in names}
    assert status_of(change).state == row["job state"]
    assert change.open is (change.state in OPEN_STATES)


@pytest.mark.parametrize(
    ("before", "pollable", "done", "state"),
    [
        (_in(ChangeState.SENDING), False, False, JobState.UNKNOWN),
        (_in(ChangeState.LOST), False, False, JobState.UNKNOWN),
        (_in(ChangeState.ACCEPTED), True, False, JobState.PROCESSING),
        (_in(ChangeState.BROKEN_OFF), False, True, JobState.FAILED),
    ],
    ids=lambda value: str(value.state) if isinstance(value, Change) else "",
)
def test_what_was_abandoned_can_be_asked_while_it_has_a_reference(
    before: Change, pollable: bool, done: bool, state: JobState
) -> None:
    """It holds nothing up, needs no look, and shows what is known of it."""
    change = before.abandoned()
    assert (change.pollable, change.done, status_of(change).state) == (pollable, done, state)
    assert (change.holds_the_turn, change.open, change.sent, change.needs_a_look) == (
        False, False, True, False,
    )  # fmt: skip


def test_a_reference_that_comes_late_is_noted() -> None:
    """After a process was taken for dead its change goes on; one that has ended keeps the name at least."""
    assert _in(ChangeState.SENDING).sender_died().accepted(REFERENCE).pollable
    for over in (_in(ChangeState.LOST).abandoned(), _in(ChangeState.LOST).looked_at(IN_PLACE)):
        late = over.accepted(REFERENCE)
        assert (late.state, late.token.reference_id, late.route) == (over.state, "ref-1", "v2")
        assert late.token.submitted_at == SENT_AT  # what the news does not say stays as it was


def test_what_was_heard_once_is_not_forgotten() -> None:
    """A reference, times and a status stay through every move that does not say otherwise."""
    until = SENT_AT + dt.timedelta(days=7)
    known = attrs.evolve(REFERENCE, results_until=until)
    heard = _in(ChangeState.SENDING).accepted(known).heard(PROCESSING)
    for later in (heard.forgotten(), heard.abandoned(), heard.heard(BROKE_OFF).abandoned()):
        assert later.status in (PROCESSING, BROKE_OFF)
        assert (later.token.reference_id, later.token.results_until, later.route) == ("ref-1", until, "v2")
        assert (later.token.submitted_at, later.run) == (SENT_AT, "night")
    assert heard.heard(SUCCEEDED, attrs.evolve(TOKEN, submitted_at=None)).token == heard.token


def test_older_news_does_not_replace_newer() -> None:
    """A slower poll's answer is dropped, and the same answer once more is no news."""
    change = _in(ChangeState.ACCEPTED).heard(PROCESSING)
    newer = attrs.evolve(PROCESSING, processed=1, polled_at=12.0)
    older = attrs.evolve(PROCESSING, processed=0, polled_at=9.0)
    assert change.heard(newer).heard(older).status == newer
    assert change.heard(attrs.evolve(PROCESSING, polled_at=13.0)) is change
    abandoned = _in(ChangeState.ACCEPTED).abandoned().heard(BROKE_OFF)
    assert abandoned.heard(attrs.evolve(PROCESSING, polled_at=99.0)).status == BROKE_OFF
    assert abandoned.heard(SUCCEEDED).state is ChangeState.ENDED


def test_one_change_has_one_outcome() -> None:
    """The first that is written down is it."""
    ended = _in(ChangeState.ACCEPTED).heard(SUCCEEDED)
    assert ended.found is None
    assert ended.looked_at(NOT_APPLIED) is ended
    settled = _in(ChangeState.BROKEN_OFF).looked_at(NOT_APPLIED)
    assert settled.heard(SUCCEEDED) is settled
    assert settled.found == NOT_APPLIED.found


def test_a_look_that_shows_all_in_place_ends_a_change_under_way() -> None:
    """That its records changed proves that it arrived; that some did not proves nothing yet."""
    sending = _in(ChangeState.SENDING)
    assert sending.looked_at(IN_PLACE).state is ChangeState.ENDED
    with pytest.raises(JobInFlight):
        sending.looked_at(NOT_APPLIED)


def test_reasons_last_as_long_as_what_they_explain() -> None:
    """A cause belongs to what was called off, and goes with it; to retry is not what a caller cancelled."""
    queued = _in(ChangeState.SENDING).put_back("an outage")
    assert (queued.reason, queued.cause) == ("an outage", None)
    assert queued.claimed(TOKEN).reason == ""
    for cause in Cause:
        change = queued.called_off("why", cause)
        assert (change.reason, change.cause) == ("why", cause)
        assert change.to_retry is cause.to_retry
        assert not change.marked_retried().to_retry
        assert change.looked_at(NOT_APPLIED).cause is None
    assert queued.abandoned().cause is Cause.CANCELLED
    assert _in(ChangeState.LOST).abandoned().put_back("it never left").cause is Cause.CANCELLED
    assert queued.taken_over("another process").to_retry


def test_what_is_put_back_has_the_times_of_its_handing_in() -> None:
    """It was not sent: its age counts from when it is sent in the end."""
    claim = attrs.evolve(TOKEN, submitted_at=SENT_AT + dt.timedelta(hours=1))
    sending = _in(ChangeState.QUEUED).claimed(claim)
    assert sending.token == claim
    assert sending.put_back("an outage", TOKEN).token == TOKEN


def test_a_sender_may_be_at_it_for_as_long_as_a_sending_may_take() -> None:
    """By its age only, and only where it has begun to."""
    began = SENT_AT.timestamp()
    for state in ChangeState:
        change = _in(state)
        assert change.may_be_leaving(began + SENDER_IS_DEAD - 1) is (state is ChangeState.SENDING)
        assert not change.may_be_leaving(began + SENDER_IS_DEAD)


def test_not_applied_is_said_once_nothing_can_arrive_any_more() -> None:
    """Never under a living sender, however short the time that the caller waits; at once where it is over."""
    began = SENT_AT.timestamp()
    at_once = {ChangeState.ENDED, ChangeState.CALLED_OFF}
    moving = {ChangeState.QUEUED, ChangeState.SENDING}
    for state in ChangeState:
        change = _in(state)
        assert change.may_say_not_applied(began, QUIET) is (state in at_once)
        assert change.may_say_not_applied(began + QUIET, QUIET) is (state not in moving)
        assert change.may_say_not_applied(began, 0.0) is (state not in moving)


def test_what_may_go_again_without_a_person() -> None:
    """Where another job was in the way, or a look showed how the records stand; not what GSTN refused."""
    accepted = _in(ChangeState.ACCEPTED)
    in_the_way = JobStatus(state=JobState.FAILED, raw_code="ER", error_code="IMSSAV0015")
    refused = JobStatus(state=JobState.FAILED, raw_code="ER", error_code="IMSSAV0001")
    assert accepted.heard(in_the_way).without_effect
    assert accepted.looked_at(NOT_APPLIED).without_effect
    assert not accepted.heard(refused).without_effect
    assert not accepted.heard(attrs.evolve(in_the_way, carrier_failed=True, in_the_way=False)).without_effect
    assert not accepted.without_effect


def test_a_copy_keeps_every_fact() -> None:
    """Of a change and its token, whatever fields they get: the copies name each."""
    status = JobStatus(state=JobState.PROCESSING, raw_code="IP", processed=3, route="way", raw={"a": 1})
    facts: dict[str, Any] = {
        "gsp": "gsp", "host": "host", "gstin": "gstin", "kind": JobKind.RESET, "reference_id": "R",
        "submitted": 7, "submitted_at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        "results_until": dt.datetime(2026, 2, 1, tzinfo=dt.UTC), "route": "way", "period": "102026",
    }  # fmt: skip
    assert set(facts) == {field.name for field in attrs.fields(JobToken)}
    for name in ("reference_id", "submitted_at", "results_until", "route"):
        known = JobToken(**{**facts, name: "before"})
        assert with_facts(known, JobToken(**facts)) == JobToken(**facts)
        assert with_facts(JobToken(**facts), JobToken(**{**facts, name: None})) == JobToken(**facts)
    of_change: dict[str, Any] = {
        "id": "it", "token": JobToken(**facts), "state": ChangeState.ACCEPTED, "run": "night",
        "status": status, "reason": "why", "cause": Cause.REFUSED, "retried": True, "revision": 4,
        "changed_at": dt.datetime(2026, 3, 1, tzinfo=dt.UTC), "moved_from": None,
    }  # fmt: skip
    assert set(of_change) == {field.name for field in attrs.fields(Change)}
    change = Change(**of_change)
    assert change.stored(4, None) == change
    assert change.stored(4, None, raw=False) == change
    assert change.stored(4, None, raw=False).status == attrs.evolve(status, raw={})
    assert status.without_raw().raw == {}
    assert status.without_raw().route == "way"
    assert status.raw == {"a": 1}
    ended = change.heard(attrs.evolve(status, processed=4))
    assert ended.moved_from is change
    assert ended.forgotten().moved_from is change
    assert attrs.evolve(ended, status=status, changed_at=change.changed_at) == change
    assert ended.stored(5, None).moved_from is None


STATEMENT: Final = attrs.evolve(TOKEN, kind=JobKind.REGENERATE, period="102026", submitted=0)


def test_what_may_be_repeated_is_sent_again_and_keeps_the_turn() -> None:
    """No look is needed, or possible: it has no records. A later claim is the one that counts."""
    later = attrs.evolve(STATEMENT, submitted_at=SENT_AT + dt.timedelta(hours=1))
    lost = Change(id="b1", token=STATEMENT).claimed(STATEMENT).lost()
    assert (lost.to_send_again, lost.needs_a_look, lost.holds_the_turn) == (True, False, True)
    again = lost.sent_again(later)
    assert (again.state, again.token, again.to_send_again) == (ChangeState.SENDING, later, False)
    assert not _in(ChangeState.LOST).to_send_again
    accepted = again.accepted(attrs.evolve(later, reference_id="ref-1"))
    assert accepted.forgotten().to_send_again
    assert (
        accepted.heard(BROKE_OFF).state is ChangeState.ENDED
    )  # by whatever it ended: asking again is harmless


@pytest.mark.parametrize("event", [Event.ACCEPTED, Event.LOST])
@pytest.mark.parametrize("state", [ChangeState.QUEUED, ChangeState.CALLED_OFF])
def test_a_late_answer_to_what_was_sent_twice_is_no_defect(event: Event, state: ChangeState) -> None:
    """Another process has sent it again meanwhile, and was refused: that counts."""
    before = attrs.evolve(_in(state), token=STATEMENT)
    with pytest.raises(JobInFlight, match="dealt with elsewhere"):
        HAPPENS[event](before)
