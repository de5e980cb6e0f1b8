"""One change's page of the journal: written at each step, so that a crash at any of them loses nothing."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import secrets
from collections.abc import Sequence
from typing import Final, NamedTuple

from ..errors import JournalError
from ..journal import Cause, Entry, Journal, Phase
from ..model.records import Record
from ..model.status import JobStatus
from ..model.times import SENDER_IS_DEAD
from ..model.tokens import JobToken

_log = logging.getLogger("ims_async")

_MAY_HAVE_CHANGED: Final = (Phase.UNKNOWN, Phase.RUNNING, Phase.ENDED, Phase.LET_GO)


class _Note(NamedTuple):
    to: Phase
    token: JobToken | None
    status: JobStatus | None
    reason: str
    cause: Cause | None


class Page:
    """One change's page. Without a journal it is blank, and nothing is written.

    Until the change may have left, trouble with the journal is raised. From then on it is logged and kept
    in `trouble`, and the next step writes again: no answer of a gateway is lost for the sake of a note.
    """

    __slots__ = (
        "_due", "_handed_in", "_journal", "_sought", "cause", "id", "phase", "reason", "retried", "run",
        "trouble",
    )  # fmt: skip

    def __init__(
        self, journal: Journal | None = None, entry: Entry | None = None, *, of: JobToken | None = None
    ) -> None:
        """Begin a page, or take up that of an entry, or of the job of a token, which is looked for later."""
        self._journal, self._sought = journal, of
        self.id = secrets.token_hex(8) if entry is None else entry.id
        self.phase = Phase.QUEUED
        if of is not None:
            self.phase = Phase.UNKNOWN if of.reference_id is None else Phase.RUNNING
        self.reason, self.run = "", ""
        self.cause: Cause | None = None
        self.retried = False
        if entry is not None:
            self._take(entry)
        self.trouble: JournalError | None = None
        self._due: _Note | None = None
        self._handed_in: JobToken | None = None  # as it is while it waits

    @property
    def name(self) -> str | None:
        """What the journal calls it, where it is known to hold it."""
        return self.id if self._journal is not None and self._sought is None else None

    @property
    def stands(self) -> Phase:
        """Where it stands, also where that could not be written down."""
        return self._due.to if self._due else self.phase

    def _take(self, entry: Entry) -> None:
        self.phase, self.reason, self.cause = entry.phase, entry.reason, entry.cause
        self.retried, self.run = entry.retried, entry.run

    async def intend(self, token: JobToken, records: Sequence[Record], *, run: str = "") -> None:
        """Write down a batch that was handed in. Raises `JournalError`: then nothing may be sent."""
        self.run, self._handed_in = run, token
        if self._journal is None:
            return
        try:
            await self._journal.intend(self.id, token, records, run=run)
        except JournalError as error:
            journal, self._journal = self._journal, None  # there is nothing to note any more, most likely
            with contextlib.suppress(JournalError):
                why = "it could not be written down"
                await journal.advance(self.id, Phase.CALLED_OFF, reason=why, cause=Cause.NOT_SENT)
            raise JournalError(f"{error}; nothing was sent") from error
        except BaseException:
            journal, self._journal = self._journal, None
            with contextlib.suppress(JournalError):  # it may have been written all the same
                why = "called off before it left"
                await journal.advance(self.id, Phase.CALLED_OFF, reason=why, cause=Cause.CANCELLED)
            raise

    async def claim(self, token: JobToken) -> Entry | None:
        """Take the turn; return the entry that has it instead, or our own if others have settled it.

        Raises `JournalError`: then nothing may be sent.
        """
        try:
            in_the_way = None if self._journal is None else await self._journal.claim(self.id, token)
        except JournalError as error:
            raise JournalError(f"{error}; nothing was sent") from error
        if in_the_way is None:
            self.phase = Phase.SENDING
        return in_the_way

    async def others(self, token: JobToken, since: dt.datetime) -> frozenset[tuple[str, dt.datetime]]:
        """Return which batches of this taxpayer have moved since then, and when: equal while none does.

        Raises `JournalError`: then nothing may be sent.
        """
        if self._journal is None:
            return frozenset()
        try:
            sent = await self._journal.entries(
                gsp=token.gsp, host=token.host, gstin=token.gstin, phases=_MAY_HAVE_CHANGED, since=since
            )
        except JournalError as error:
            if not error.readable:
                raise JournalError(f"{error}; nothing was sent") from error
            # What cannot be read is missing from both of the answers that are compared.
            sent = [entry for entry in error.readable if isinstance(entry, Entry)]
        return frozenset((entry.id, entry.changed_at) for entry in sent)

    async def ticketed(self, token: JobToken) -> None:
        """The gateway accepted it and gave a reference."""
        await self._note(Phase.RUNNING, token=token)

    async def unknown(self, token: JobToken) -> None:
        """It may have left, and no readable answer came."""
        await self._note(Phase.UNKNOWN, token=token)

    async def wait_again(self, reason: str) -> bool:
        """Nothing was done with it so far, and it will be tried again; False if that is not written down."""
        return await self._note(Phase.QUEUED, reason=reason, token=self._handed_in)

    async def call_off(self, reason: str, cause: Cause) -> bool:
        """Nothing was done with it, and nothing will be; False if somebody else has moved it on."""
        return await self._note(Phase.CALLED_OFF, reason=reason, cause=cause, token=self._handed_in)

    async def take_over(self) -> bool:
        """Make sure that a batch that waits for its turn, if it still does, is sent by nobody."""
        why = "taken over by another process while it waited for its turn"
        return await self._note(Phase.CALLED_OFF, only_from=Phase.QUEUED, reason=why, cause=Cause.TAKEN_OVER)

    async def sender_died(self) -> None:
        """It has been on its way for longer than any sending takes: nobody knows whether it arrived."""
        await self._note(Phase.UNKNOWN, only_from=Phase.SENDING)

    async def heard(self, status: JobStatus, token: JobToken | None = None) -> None:
        """The gateway told something new; `token` has what had to be found out to ask it."""
        to = Phase.RUNNING
        if status.done:
            to = Phase.UNKNOWN if status.carrier_failed else Phase.ENDED
        await self._note(to, token=token, status=status)

    async def settled(self, status: JobStatus) -> bool:
        """A look at the records told what became of each; False if somebody else has settled it before."""
        return await self._note(Phase.ENDED, status=status) or self.trouble is not None

    async def let_go(self) -> None:
        """A person said that it need not be known."""
        await self._note(Phase.LET_GO)

    async def entry(self) -> Entry | None:
        """Return how it stands now, whoever moved it. Raises `JournalError`."""
        await self.find()
        found = [] if self._journal is None else await self._journal.entries(batch_id=self.id)
        return found[0] if found else None

    async def find(self) -> Entry | None:
        """Find the page of a job that is known by its token only; return its entry, the first time."""
        token = self._sought
        if self._journal is None or token is None:
            return None
        try:
            found = await self._journal.entries(
                gsp=token.gsp, host=token.host, gstin=token.gstin, reference=token.reference_id
            )
        except JournalError as error:
            self.failed(error, f"job {token.reference_id} could not be looked for")
            return None
        if token.reference_id is None:
            found = [entry for entry in found if entry.token == token]
        # A test host gives every job the same reference: the time of sending tells them apart.
        found = [entry for entry in found if entry.token.submitted_at == token.submitted_at] or found
        if self._sought is None:  # somebody else found it meanwhile
            return None
        self._sought = None
        if not found:
            self._journal = None  # it is of another journal, or of none
            return None
        self.id = found[-1].id
        self._take(found[-1])
        return found[-1]

    def catch_up(self, entry: Entry) -> None:
        """Take the phase that somebody else has moved it to; what was listed too early is no news."""
        stale = entry.phase is Phase.QUEUED and self.phase not in (Phase.QUEUED, Phase.SENDING)
        if self._due is None and not stale:
            self._take(entry)

    async def records(self) -> tuple[Record, ...] | None:
        """Return the batch, if it is written down. Raises `JournalError`."""
        await self.find()
        return None if self._journal is None else tuple(await self._journal.records(self.id))

    def failed(self, error: JournalError, what: str) -> None:
        """Keep and log trouble that must not stop what is under way."""
        self.trouble = error
        _log.warning("%s: %s", what, error)

    async def _note(
        self,
        to: Phase,
        *,
        only_from: Phase | None = None,
        token: JobToken | None = None,
        status: JobStatus | None = None,
        reason: str = "",
        cause: Cause | None = None,
    ) -> bool:
        await self.find()
        if self._journal is None:
            self.phase, self.reason, self.cause = to, reason, cause
            return True
        token = token or (self._due.token if self._due else None)
        note = _Note(to, token, status, reason, cause)
        if only_from is None:
            self._due = note  # also where the writing is broken off
        try:
            moved = await self._journal.advance(
                self.id,
                to,
                only_from=only_from,
                token=token,
                status=status,
                reason=reason,
                cause=cause,
            )
        except JournalError as error:
            self.failed(error, f"batch {self.id} is {to}, which could not be written down")
            return False
        if self._due is note:
            self._due = None
        if self._due is None:
            self.trouble = None
        if moved:
            self.phase, self.reason, self.cause = to, reason, cause
        return moved

    async def write_again(self) -> None:
        """Write the last note once more, if it could not be written."""
        if self._due is not None:
            due = self._due
            await self._note(due.to, token=due.token, status=due.status, reason=due.reason, cause=due.cause)


def may_be_leaving(phase: Phase, token: JobToken, now: float) -> bool:
    """Say whether another process may be sending it at this moment; `now` in seconds since the epoch.

    One that began longer ago than any sending takes was not slow: its process died. Both times are of the
    clients' clock: a journal may have another.
    """
    at = token.submitted_at
    return phase is Phase.SENDING and at is not None and now - at.timestamp() < SENDER_IS_DEAD
