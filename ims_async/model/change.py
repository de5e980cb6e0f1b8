"""Where a change stands: one state, one table of moves, and each question about it answered once.

A change is one batch of decisions (a save) or of invoices (a reset) that was handed in and goes out in one
request. Pure values: no I/O and no clock, so that every move can be tried in a test.

Not in use yet, but for `Cause`, `facts_of` and `with_facts`: journals and jobs still go by `journal.Phase`
and `jobs.facts`. What is changed there is to be changed here too, until this takes their place.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from enum import Enum, StrEnum
from typing import Any, Final

import attrs

from ..errors import JobInFlight
from .status import Found, JobState, JobStatus
from .times import SENDER_IS_DEAD
from .tokens import JobToken


class ChangeState(StrEnum):
    """What may happen next to a change, and who may act. What became of its records is its outcome."""

    QUEUED = "queued"
    """Handed in and written down: not a byte of it has left."""
    SENDING = "sending"
    """It has the turn of its GSTIN, and may be leaving at this moment."""
    LOST = "lost"
    """It may have taken effect, and the gateway cannot be asked."""
    ACCEPTED = "accepted"
    """The gateway gave a reference, and works on it."""
    BROKEN_OFF = "broken off"
    """The GSP's task that carried it ended without GSTN's answer, or with a part of it."""
    ENDED = "ended"
    """What became of the records is known: GSTN's final word, or what a look found."""
    CALLED_OFF = "called off"
    """Nothing was done with it and nothing will be: it never left, or it was refused."""
    ABANDONED = "abandoned"
    """A person said that its outcome need not be known."""


_S: Final = ChangeState
HOLDING_THE_TURN: Final = frozenset({_S.SENDING, _S.LOST, _S.ACCEPTED, _S.BROKEN_OFF})
OPEN_STATES: Final = HOLDING_THE_TURN | {_S.QUEUED}


class Cause(StrEnum):
    """Why nothing was done with a batch that was called off."""

    CANCELLED = "cancelled"
    """By its caller."""
    REFUSED = "refused"
    """By the gateway, by GSTN, or by the offline checks."""
    NOT_SENT = "not sent"
    """Trouble on the way: an outage, an ended session, a journal that cannot be written, a closed client.

    Or more records than one request may carry: they go in several.
    """
    IN_THE_WAY = "in the way"
    """Another change of the GSTIN held the turn."""
    TAKEN_OVER = "taken over"
    """Another process took it over while it waited, so that nobody sends it by mistake."""

    @property
    def to_retry(self) -> bool:
        """True where recovery proposes to send it: not what a caller cancelled, or what was refused."""
        return self in (Cause.NOT_SENT, Cause.IN_THE_WAY, Cause.TAKEN_OVER)


class Event(StrEnum):
    """What may happen to a change."""

    CLAIMED = "claimed"
    PUT_BACK = "put back"
    """Nothing was done, and it will be tried again."""
    CALLED_OFF = "called off"
    """Nothing was done, and it is over."""
    ACCEPTED = "accepted"
    LOST = "lost"
    """No answer came that can be believed."""
    HEARD_PROCESSING = "heard: processing"
    HEARD_ENDED = "heard: ended"
    HEARD_BROKE_OFF = "heard: broke off"
    FORGOTTEN = "forgotten"
    """The gateway no longer keeps the result."""
    FOUND_IN_PLACE = "found, everything in place"
    FOUND_NOT_APPLIED = "found, some not applied"
    CANNOT_BE_SAID = "found, some cannot be said yet"
    TAKEN_OVER = "taken over"
    SENDER_DEAD = "sender dead"
    ABANDONED = "abandoned"
    RETRIED = "retried"


class Answer(Enum):
    """What the table of moves says where an event leads to no other state."""

    STAYS = "="
    NOTED = "= +"
    """It stays, and the new fact (a reference, newer status, a mark) is kept."""
    REFUSED = "refused"
    """The caller hears that the change was dealt with elsewhere."""
    NEVER = "never"
    """It cannot happen: a defect of ours."""


_Cell = ChangeState | Answer
_STAY, _NOTE, _REFUSED, _NEVER = Answer.STAYS, Answer.NOTED, Answer.REFUSED, Answer.NEVER

# One row for each event, one cell for each state, in the order of `ChangeState`. Nothing but a claim leads
# from a state that does not hold the turn to one that does: so one GSTIN never has two changes in flight.
_ROWS: Final[Mapping[Event, tuple[_Cell, ...]]] = {
    # event:       queued, sending, lost, accepted, broken off, ended, called off, abandoned
    Event.CLAIMED: (_S.SENDING, *[_REFUSED] * 7),
    Event.PUT_BACK: (_STAY, _S.QUEUED, _S.QUEUED, _NEVER, _NEVER, _REFUSED, _REFUSED, _S.CALLED_OFF),
    Event.CALLED_OFF: (*[_S.CALLED_OFF] * 3, _NEVER, _NEVER, _STAY, _STAY, _S.CALLED_OFF),
    Event.ACCEPTED: (_NEVER, _S.ACCEPTED, _S.ACCEPTED, _STAY, _NEVER, _NOTE, _NEVER, _NOTE),
    Event.LOST: (_NEVER, _S.LOST, _STAY, _NEVER, _NEVER, _STAY, _NEVER, _STAY),
    Event.HEARD_PROCESSING: (_NEVER, _NEVER, _S.ACCEPTED, _NOTE, _STAY, _STAY, _NEVER, _NOTE),
    Event.HEARD_ENDED: (_NEVER, _NEVER, *[_S.ENDED] * 3, _STAY, _NEVER, _S.ENDED),
    Event.HEARD_BROKE_OFF: (_NEVER, _NEVER, *[_S.BROKEN_OFF] * 2, _STAY, _STAY, _NEVER, _NOTE),
    Event.FORGOTTEN: (_NEVER, _NEVER, _STAY, _S.LOST, _STAY, _STAY, _NEVER, _STAY),
    Event.FOUND_IN_PLACE: (_NEVER, *[_S.ENDED] * 4, _STAY, _S.ENDED, _S.ENDED),
    Event.FOUND_NOT_APPLIED: (_NEVER, _REFUSED, *[_S.ENDED] * 3, _STAY, _S.ENDED, _S.ENDED),
    Event.CANNOT_BE_SAID: (_STAY,) * 8,
    Event.TAKEN_OVER: (_S.CALLED_OFF, *[_REFUSED] * 5, _STAY, _REFUSED),
    Event.SENDER_DEAD: (_STAY, _S.LOST, *[_STAY] * 6),
    Event.ABANDONED: (_S.CALLED_OFF, *[_S.ABANDONED] * 4, *[_STAY] * 3),
    Event.RETRIED: (*[_STAY] * 5, _NOTE, _NOTE, _STAY),
}
MOVES: Final[Mapping[Event, Mapping[ChangeState, _Cell]]] = {
    event: dict(zip(ChangeState, row, strict=True)) for event, row in _ROWS.items()
}


def facts_of(status: JobStatus) -> tuple[object, ...]:
    """Return what makes two readings different to a listener."""
    return status.state, status.raw_code, status.processed, status.errors, status.error_code


def with_facts(known: JobToken, news: JobToken | None) -> JobToken:
    """Return what is known of a change, with what became known since: its reference, times and route."""
    names = ("reference_id", "submitted_at", "results_until", "route")
    facts = {name: value for name in names if (value := getattr(news, name, None)) not in (None, "")}
    return attrs.evolve(known, **facts) if facts else known


@attrs.frozen(kw_only=True)
class Change:
    """One change, as it stands. `status` is the gateway's last word, or what a look found. Holds no secret.

    `id` is the journal's name for it, empty for one that is known by its token only. `run` is the bulk run
    that it belongs to. `reason` says in words for a person why nothing was done, `cause` of what kind that
    is. `retried` marks one whose records were looked at again, and sent where they still stood. `revision`
    and `changed_at` are the journal's: with each write it gives new ones.
    """

    id: str
    token: JobToken
    state: ChangeState = ChangeState.QUEUED
    run: str = ""
    status: JobStatus | None = None
    reason: str = ""
    cause: Cause | None = None
    retried: bool = False
    revision: int = 0
    changed_at: dt.datetime | None = None

    # -- what is asked of it -----------------------------------------------------------------------------

    @property
    def found(self) -> Found | None:
        """What a look at the records showed, where one has ended it."""
        return None if self.status is None else self.status.found

    @property
    def route(self) -> str:
        """The GSP's own note of how to ask about it."""
        return self.token.route

    @property
    def holds_the_turn(self) -> bool:
        """True while no other change of the same GSTIN may be sent."""
        return self.state in HOLDING_THE_TURN

    @property
    def open(self) -> bool:
        """True until what became of the records is known, or need not be."""
        return self.state in OPEN_STATES

    @property
    def sent(self) -> bool:
        """True if some of it may have left."""
        return self.state not in (ChangeState.QUEUED, ChangeState.CALLED_OFF)

    @property
    def done(self) -> bool:
        """True once the gateway has given its last word, or a look has ended it."""
        if self.state is ChangeState.ABANDONED:
            return self.status is not None and self.status.done
        return self.state in (ChangeState.BROKEN_OFF, ChangeState.ENDED)

    @property
    def pollable(self) -> bool:
        """True if the gateway can be asked how it stands, and has not given its final word."""
        if self.state is ChangeState.ABANDONED:
            return self.token.reference_id is not None and not self.done
        return self.state is ChangeState.ACCEPTED

    @property
    def needs_a_look(self) -> bool:
        """True if what became of it is not known, and nobody can be asked."""
        return self.state in (ChangeState.LOST, ChangeState.BROKEN_OFF)

    @property
    def job_state(self) -> JobState:
        """How it is shown to whoever holds the job."""
        if self.done and self.status is not None:
            return self.status.state
        return JobState.PROCESSING if self.pollable else JobState.UNKNOWN

    @property
    def to_retry(self) -> bool:
        """True for a change that was not sent, and that recovery proposes to send."""
        proposed = self.cause is not None and self.cause.to_retry
        return self.state is ChangeState.CALLED_OFF and proposed and not self.retried

    @property
    def without_effect(self) -> bool:
        """True if its records that did not succeed are known to stand as they did, or to be changed.

        So it is where another job was in the way, and where a look ended it: they may go again without a
        person, who need be asked about none but the changed ones.
        """
        status = self.status
        if self.state is not ChangeState.ENDED or status is None:
            return False
        return status.in_the_way or status.found is not None

    def may_be_leaving(self, now: float) -> bool:
        """Say whether a process may be sending it at this moment; `now` in seconds since the epoch.

        One that began longer ago than any sending takes was not slow: its process died. Both times are of the
        clients' clock: a journal may have another.
        """
        at = self.token.submitted_at
        alive = at is not None and now - at.timestamp() < SENDER_IS_DEAD
        return self.state is ChangeState.SENDING and alive

    def may_say_not_applied(self, now: float, quiet: float) -> bool:
        """Say whether a record that stands as it stood will stay so, as far as this change goes.

        What may still arrive, or be worked on, has `quiet` seconds for it, from when it was sent.
        """
        if self.state in (ChangeState.CALLED_OFF, ChangeState.ENDED):
            return True
        moving = self.state in (ChangeState.QUEUED, ChangeState.SENDING)
        at = self.token.submitted_at
        age = 0.0 if at is None else now - at.timestamp()
        return not moving and age >= quiet

    # -- what happens to it ------------------------------------------------------------------------------

    def claimed(self, token: JobToken) -> Change:
        """Take the turn, and begin to send; `token` has the times of it."""
        sent = attrs.evolve(self.token, submitted_at=token.submitted_at, results_until=token.results_until)
        return self._after(Event.CLAIMED, token=sent)

    def put_back(self, reason: str, handed_in: JobToken | None = None) -> Change:
        """Wait again: nothing was done. `handed_in` has the times of the handing in."""
        over = self.state is ChangeState.ABANDONED  # whoever abandoned it does not want it to be sent
        cause = Cause.CANCELLED if over else None
        token = with_facts(self.token, handed_in)
        return self._after(Event.PUT_BACK, reason=reason, cause=cause, token=token)

    def called_off(self, reason: str, cause: Cause, handed_in: JobToken | None = None) -> Change:
        """Note that nothing was done with it, and nothing will be."""
        token = with_facts(self.token, handed_in)
        return self._after(Event.CALLED_OFF, reason=reason, cause=cause, token=token)

    def accepted(self, token: JobToken) -> Change:
        """Note the reference that the gateway gave, its times and route."""
        return self._after(Event.ACCEPTED, token=with_facts(self.token, token))

    def lost(self, token: JobToken | None = None) -> Change:
        """Note that it may have left, and that no answer came that can be believed."""
        return self._after(Event.LOST, token=with_facts(self.token, token))

    def heard(self, status: JobStatus, token: JobToken | None = None) -> Change:
        """Take the gateway's answer; `token` has what had to be found out to ask it."""
        status = attrs.evolve(status, raw={})
        if not status.done:
            event = Event.HEARD_PROCESSING
        else:
            event = Event.HEARD_BROKE_OFF if status.carrier_failed else Event.HEARD_ENDED
        known = self.status
        if known is not None and MOVES[event][self.state] is Answer.NOTED:
            older = (status.polled_at or 0.0) < (known.polled_at or 0.0)
            if older or (known.done and not status.done) or facts_of(status) == facts_of(known):
                status = known
        return self._after(event, status=status, token=with_facts(self.token, token))

    def forgotten(self) -> Change:
        """Note that the gateway denies the job, whose result it no longer keeps."""
        return self._after(Event.FORGOTTEN)

    def looked_at(self, status: JobStatus | None) -> Change:
        """Take what a look at every record showed; None where some cannot be said yet."""
        if status is None:
            return self._after(Event.CANNOT_BE_SAID)
        in_place = status.state is JobState.SUCCEEDED
        event = Event.FOUND_IN_PLACE if in_place else Event.FOUND_NOT_APPLIED
        return self._after(event, status=status)

    def taken_over(self, reason: str) -> Change:
        """Make sure that a change that waits for its turn is sent by nobody."""
        return self._after(Event.TAKEN_OVER, reason=reason, cause=Cause.TAKEN_OVER)

    def sender_died(self) -> Change:
        """Note that whoever was sending it did not live to say what came of it (see `may_be_leaving`)."""
        return self._after(Event.SENDER_DEAD)

    def abandoned(self) -> Change:
        """Note that its outcome need not be known."""
        waits = self.state is ChangeState.QUEUED  # what was never sent is known
        return self._after(Event.ABANDONED, cause=Cause.CANCELLED if waits else None)

    def marked_retried(self) -> Change:
        """Mark it as retried."""
        return self._after(Event.RETRIED, retried=True)

    def _after(self, event: Event, **news: Any) -> Change:
        cell = MOVES[event][self.state]
        match cell:
            case Answer.STAYS:
                return self
            case Answer.NOTED:
                return attrs.evolve(self, **news)
            case Answer.REFUSED:
                raise JobInFlight(
                    f"batch {self.id or self.token.reference_id} was dealt with elsewhere: it is {self.state}"
                )
            case Answer.NEVER:
                raise RuntimeError(f"a change that is {self.state} cannot be {event}: this is a defect")
        return attrs.evolve(self, **{"state": cell, "reason": "", "cause": None, **news})
