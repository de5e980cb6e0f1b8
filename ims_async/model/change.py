"""Where a change stands: one state, one table of moves, and each question about it answered once.

A change is one batch of decisions (a save) or of invoices (a reset) that goes out in one request, or the
request to compute GSTR-2B anew. Pure values: no I/O and no clock. Journals store this value, job handles
hold it, everything else asks it.
"""

from __future__ import annotations

import datetime as dt

import attrs

from ..errors import JobInFlight
from .moves import (
    DONE_STATES,
    HOLDING_THE_TURN,
    MOVES,
    NOT_SENT,
    OPEN_STATES,
    Answer,
    Cause,
    ChangeState,
    Event,
)
from .status import Found, JobState, JobStatus
from .times import SENDER_IS_DEAD
from .tokens import JobToken


def is_news(status: JobStatus, last: JobStatus) -> bool:
    """Say whether a reading is a different one to a listener."""
    return status is not last and _facts_of(status) != _facts_of(last)


def _facts_of(status: JobStatus) -> tuple[object, ...]:
    return status.state, status.raw_code, status.processed, status.errors, status.error_code


def with_facts(known: JobToken, news: JobToken | None) -> JobToken:
    """Return what is known of a change, with what became known since: its reference, times and route."""
    if news is None or news is known:
        return known
    # Written out: `attrs.evolve` takes four times as long, and this is done at each step of each job.
    after = JobToken(
        gsp=known.gsp,
        host=known.host,
        gstin=known.gstin,
        kind=known.kind,
        reference_id=news.reference_id or known.reference_id,
        submitted=known.submitted,
        submitted_at=news.submitted_at or known.submitted_at,
        results_until=news.results_until or known.results_until,
        route=news.route or known.route,
        period=known.period,
    )
    return known if after == known else after


@attrs.frozen(kw_only=True)
class Change:
    """One change, as it stands. `status` is the gateway's last word, or what a look found. Holds no secret.

    `id` is the journal's name for it, empty for one that is known by its token only. `run` is the bulk run
    that it belongs to. `reason` says in words for a person why nothing was done, `cause` of what kind that
    is. `retried` marks one whose records were looked at again, and sent where they still stood.
    `token.submitted_at` is when it was claimed; before that, and if nothing was done with it, when it was
    handed in. `revision` and `changed_at` are the journal's: each write gives a new revision, and a new time
    unless all that is new is the mark. `moved_from` is what a journal stored at this revision; None where
    this is it, or none has stored it.

    Each move returns the change as it stands after it: this one, where the table of moves says that it stays.
    It raises `JobInFlight` where the change was dealt with elsewhere, and `RuntimeError` for what cannot
    happen, a defect.
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
    moved_from: Change | None = attrs.field(default=None, eq=False, repr=False)

    @classmethod
    def of_token(cls, token: JobToken) -> Change:
        """Return a change that is known by its token only, and is not found in a journal yet."""
        lost = token.reference_id is None
        return cls(id="", token=token, state=ChangeState.LOST if lost else ChangeState.ACCEPTED)

    def stored(self, revision: int, at: dt.datetime | None, *, raw: bool = True) -> Change:
        """Return it as a journal has stored it, at `at`; a mark (`retried`) keeps the time. For journals.

        With `raw=False` it is without the gateway's whole answer, which no journal keeps.
        """
        status = self.status if raw or self.status is None else self.status.without_raw()
        return Change(
            id=self.id,
            token=self.token,
            state=self.state,
            run=self.run,
            status=status,
            reason=self.reason,
            cause=self.cause,
            retried=self.retried,
            revision=revision,
            changed_at=self.changed_at or at,
        )

    def same_handing_in(self, other: Change) -> bool:
        """Say whether another is this one, handed in twice, and still waiting. For journals."""
        waits = self.state is other.state is ChangeState.QUEUED
        return waits and (self.id, self.token, self.run) == (other.id, other.token, other.run)

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
        return self.state not in NOT_SENT

    @property
    def done(self) -> bool:
        """True once the gateway has given its last word, or a look has ended it."""
        if self.state in DONE_STATES:
            return True
        return self.state is ChangeState.ABANDONED and self.status is not None and self.status.done

    @property
    def pollable(self) -> bool:
        """True if the gateway can be asked how it stands, and has not given its final word."""
        if self.state is ChangeState.ACCEPTED:
            return True
        return self.state is ChangeState.ABANDONED and self.token.reference_id is not None and not self.done

    @property
    def needs_a_look(self) -> bool:
        """True if what became of it is not known, and only a look at its records can tell."""
        return self.state in (ChangeState.LOST, ChangeState.BROKEN_OFF) and not self.token.kind.repeatable

    @property
    def to_send_again(self) -> bool:
        """True if what became of it is not known, and it may be sent again: it carries no records."""
        return self.state is ChangeState.LOST and self.token.kind.repeatable

    @property
    def to_retry(self) -> bool:
        """True if it was not sent, and recovery proposes to send it."""
        proposed = self.cause is not None and self.cause.to_retry
        return self.state is ChangeState.CALLED_OFF and proposed and not self.retried

    @property
    def without_effect(self) -> bool:
        """True if its records that did not succeed are known to stand as they did, or to be changed.

        Another job was in the way, or a look ended it: all but the changed may go again without a person.
        """
        status = self.status
        if self.state is not ChangeState.ENDED or status is None:
            return False
        return status.in_the_way or status.found is not None

    def may_be_leaving(self, now: float) -> bool:
        """Say whether a process may be sending it at this moment; `now` in seconds since the epoch.

        If it began longer ago than any sending takes, its process died. Both times are by the clients' clock,
        not the journal's.
        """
        at = self.token.submitted_at
        alive = at is not None and now - at.timestamp() < SENDER_IS_DEAD
        return self.state is ChangeState.SENDING and alive

    def may_say_not_applied(self, now: float, quiet: float) -> bool:
        """Say whether a record that is as it was before will not be changed by this any more.

        What may still arrive, or be worked on, is given `quiet` seconds from when it was sent.
        """
        if self.state in (ChangeState.CALLED_OFF, ChangeState.ENDED):
            return True
        at = self.token.submitted_at
        age = 0.0 if at is None else now - at.timestamp()
        return age >= quiet and self.state not in (ChangeState.QUEUED, ChangeState.SENDING)

    # -- what happens to it ------------------------------------------------------------------------------

    def claimed(self, token: JobToken) -> Change:
        """Take the turn, and begin to send; `token` is its own, with the times of the sending."""
        return self._after(Event.CLAIMED, token=token)

    def sent_again(self, token: JobToken) -> Change:
        """Send once more what was lost and may be repeated; it keeps the turn. `token` is that of a claim."""
        return self._after(Event.SENT_AGAIN, token=token)

    def put_back(self, reason: str, handed_in: JobToken | None = None) -> Change:
        """Wait again: nothing was done. `handed_in` has the times of the handing in."""
        # A person who gave it up does not want it to be sent.
        cause = Cause.CANCELLED if self.state is ChangeState.ABANDONED else None
        token = with_facts(self.token, handed_in)
        return self._after(Event.PUT_BACK, reason=reason, cause=cause, token=token)

    def called_off(self, reason: str, cause: Cause, handed_in: JobToken | None = None) -> Change:
        """Note that nothing was done with it, and nothing will be."""
        return self._after(
            Event.CALLED_OFF, reason=reason, cause=cause, token=with_facts(self.token, handed_in)
        )

    def accepted(self, token: JobToken) -> Change:
        """Note the reference that the gateway gave, its times and route."""
        return self._after(Event.ACCEPTED, token=with_facts(self.token, token))

    def lost(self, token: JobToken | None = None) -> Change:
        """Note that it may have left, and that no answer came that can be believed."""
        return self._after(Event.LOST, token=with_facts(self.token, token))

    def heard(self, status: JobStatus, token: JobToken | None = None) -> Change:
        """Take the gateway's answer; `token` has what had to be found out to ask it."""
        broke_off = status.carrier_failed and not self.token.kind.repeatable  # no records to look at
        end = Event.HEARD_BROKE_OFF if broke_off else Event.HEARD_ENDED
        event = end if status.done else Event.HEARD_PROCESSING
        known = self.status
        if known is not None and MOVES[event][self.state] is Answer.NOTED:
            older = (status.polled_at or 0.0) < (known.polled_at or 0.0)
            if older or (known.done and not status.done) or not is_news(status, known):
                status = known
        return self._after(event, status=status, token=with_facts(self.token, token))

    def forgotten(self) -> Change:
        """Note that the gateway denies the job, whose result it no longer keeps."""
        return self._after(Event.FORGOTTEN)

    def looked_at(self, status: JobStatus | None) -> Change:
        """Take what a look at every record showed; None where some cannot be said yet."""
        if status is None:
            return self._after(Event.CANNOT_BE_SAID)
        event = Event.FOUND_IN_PLACE if status.state is JobState.SUCCEEDED else Event.FOUND_NOT_APPLIED
        return self._after(event, status=status)

    def taken_over(self, reason: str) -> Change:
        """Make sure that a change that waits for its turn is sent by nobody."""
        return self._after(Event.TAKEN_OVER, reason=reason, cause=Cause.TAKEN_OVER)

    def sender_died(self) -> Change:
        """Note that the process that was sending it died before it wrote an answer (`may_be_leaving`)."""
        return self._after(Event.SENDER_DEAD)

    def abandoned(self) -> Change:
        """Note that its outcome need not be known; of what was never sent it is."""
        return self._after(Event.ABANDONED, cause=None if self.sent else Cause.CANCELLED)

    def marked_retried(self) -> Change:
        """Mark it as retried."""
        return self._after(Event.RETRIED, retried=True)

    def _after(
        self,
        event: Event,
        *,
        token: JobToken | None = None,
        status: JobStatus | None = None,
        reason: str = "",
        cause: Cause | None = None,
        retried: bool = False,
    ) -> Change:
        cell = MOVES[event][self.state]
        token, status = token or self.token, status or self.status
        if not isinstance(cell, ChangeState):
            if _stays(self, cell, event) or self._is_known(token, status, retried=retried):
                return self
            cell, reason, cause = self.state, self.reason, self.cause
        return Change(
            id=self.id,
            token=token,
            state=cell,
            run=self.run,
            status=status,
            reason=reason,
            cause=cause,
            retried=retried or self.retried,
            revision=self.revision,
            changed_at=self.changed_at if retried else None,  # a mark keeps the time
            moved_from=self.moved_from or (self if self.revision else None),
        )

    def _is_known(self, token: JobToken, status: JobStatus | None, *, retried: bool) -> bool:
        same = status is self.status or status == self.status
        return same and token == self.token and (self.retried or not retried)


def _stays(change: Change, answer: Answer, event: Event) -> bool:
    """Say whether nothing changes, not even what is noted."""
    # Two processes may have sent what may be repeated, and a late answer to one finds it ended by the other.
    twice = answer is Answer.NEVER and change.token.kind.repeatable
    if answer is Answer.REFUSED or twice:
        name = change.id or change.token.reference_id
        raise JobInFlight(f"change {name} was dealt with elsewhere: it is {change.state}")
    if answer is Answer.NEVER:
        raise RuntimeError(f"a change that is {change.state} cannot be {event}: this is a defect")
    return answer is Answer.STAYS
