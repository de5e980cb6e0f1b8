"""The states of a change, what may happen to it, and the table of moves: which event leads where."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, StrEnum
from typing import Final


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
DONE_STATES: Final = (_S.BROKEN_OFF, _S.ENDED)  # asked at every poll: quicker than a set of enum members
OPEN_STATES: Final = HOLDING_THE_TURN | {_S.QUEUED}
NOT_SENT: Final = frozenset({_S.QUEUED, _S.CALLED_OFF})
"""Of a change in one of these nothing has left, and nothing is at the gateway."""


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
    SENT_AGAIN = "sent again"
    """Only of a kind that may be repeated."""
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
    Event.SENT_AGAIN: (*[_REFUSED] * 2, _S.SENDING, *[_REFUSED] * 5),
    Event.PUT_BACK: (_STAY, _S.QUEUED, _S.QUEUED, _NEVER, _NEVER, _REFUSED, _REFUSED, _S.CALLED_OFF),
    Event.CALLED_OFF: (*[_S.CALLED_OFF] * 3, _NEVER, _NEVER, _STAY, _STAY, _S.CALLED_OFF),
    Event.ACCEPTED: (_NEVER, _S.ACCEPTED, _S.ACCEPTED, _STAY, _STAY, _NOTE, _NEVER, _NOTE),
    Event.LOST: (_NEVER, _S.LOST, _STAY, _NEVER, _NEVER, _STAY, _NEVER, _STAY),
    Event.HEARD_PROCESSING: (_NEVER, _NEVER, _S.ACCEPTED, _NOTE, _STAY, _STAY, _NEVER, _NOTE),
    Event.HEARD_ENDED: (_NEVER, _NEVER, *[_S.ENDED] * 3, _STAY, _NEVER, _S.ENDED),
    Event.HEARD_BROKE_OFF: (_NEVER, _NEVER, *[_S.BROKEN_OFF] * 2, _STAY, _STAY, _NEVER, _NOTE),
    Event.FORGOTTEN: (_NEVER, _NEVER, _STAY, _S.LOST, _STAY, _STAY, _NEVER, _STAY),
    Event.FOUND_IN_PLACE: (_REFUSED, *[_S.ENDED] * 4, _STAY, _S.ENDED, _S.ENDED),
    Event.FOUND_NOT_APPLIED: (*[_REFUSED] * 2, *[_S.ENDED] * 3, _STAY, _S.ENDED, _S.ENDED),
    Event.CANNOT_BE_SAID: (_STAY,) * 8,
    Event.TAKEN_OVER: (_S.CALLED_OFF, *[_REFUSED] * 5, _STAY, _REFUSED),
    Event.SENDER_DEAD: (_STAY, _S.LOST, *[_STAY] * 6),
    Event.ABANDONED: (_S.CALLED_OFF, *[_S.ABANDONED] * 4, *[_STAY] * 3),
    Event.RETRIED: (*[_STAY] * 5, _NOTE, _NOTE, _STAY),
}
MOVES: Final[Mapping[Event, Mapping[ChangeState, _Cell]]] = {
    event: dict(zip(ChangeState, row, strict=True)) for event, row in _ROWS.items()
}
