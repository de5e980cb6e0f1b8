"""A change and how it is stored: each move is applied to what the journal has, and written."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from typing import Final

import attrs

from ..errors import JobInFlight, JournalError
from ..journal.base import NO_JOURNAL, Claim, Journal, NoJournal, Query
from ..model.change import Change
from ..model.moves import ChangeState
from ..model.records import Record
from ..model.tokens import JobToken

_log = logging.getLogger("ims_async")

Move = Callable[[Change], Change]
"""What happened, as a pure function of how the change stood: `lambda change: change.lost()`."""

_MOST_TRIES: Final = 10


def new_id(now: float) -> str:
    """Return an id for a change that is handed in now (epoch seconds): no two alike, later ones sort later.

    So a journal's index grows at its end. Ids without an order are each on another page of it, and a sync has
    all of these to write.
    """
    return f"{max(int(now * 1000), 0):012x}{os.urandom(6).hex()}"


class JournaledChange:
    """One change, as this process knows it, and where it is stored.

    Until the change may have left, an error of the journal is raised. From then on it is logged and kept in
    `trouble`, and the moves are owed: they are written with the next one. No answer of a gateway is lost
    because a journal cannot be written.
    """

    __slots__ = ("_journal", "_lock", "_owed", "_stale", "_stored", "_writers", "trouble", "unsought")

    def __init__(self, journal: Journal, change: Change) -> None:
        """Take a change as a journal returned it, one to `add`, or one known by its token (`of_token`)."""
        self._journal, self._stored = journal, change
        self.unsought = not change.id
        """True while it is not known whether the journal has it."""
        self._owed: tuple[Move, ...] = ()
        self._stale = False  # a write was broken off, and may have taken place
        # Most jobs only wait, and there may be very many: the lock is there while it is used.
        self._lock: asyncio.Lock | None = None
        self._writers = 0
        self.trouble: JournalError | None = None

    @property
    def change(self) -> Change:
        """How it stands, with what could not be written down."""
        change = self._stored
        for move in self._owed:
            try:
                change = move(change)
            except JobInFlight:
                continue  # it was dealt with elsewhere: that counts
            except RuntimeError:
                self._drop(move)  # a defect is raised once
                raise
        return change

    @property
    def behind(self) -> bool:
        """True if the journal does not say what is known here."""
        return bool(self._owed)

    @property
    def name(self) -> str | None:
        """The journal's name for it; None if no journal is known to have it."""
        return None if self.unsought or isinstance(self._journal, NoJournal) else self._stored.id

    # -- writing -----------------------------------------------------------------------------------------

    async def add(self, records: Sequence[Record]) -> None:
        """Write down what was handed in. Raises `JournalError`: then nothing may be sent."""
        try:
            self._stored = await self._journal.add(self._stored, records)
        except JournalError as error:
            raise JournalError(f"{error}; nothing was sent") from error

    async def apply(self, move: Move, *, owed: bool = True) -> Change:
        """Apply a move to the change as it stands now, and write it; return how it stands then.

        A move that the table does not allow changes nothing. One that cannot be written is owed, unless
        `owed` is False.
        """
        self.owe(move)
        try:
            return await self.write()
        finally:
            if not owed:
                self._drop(move)

    def owe(self, move: Move) -> None:
        """Note a move that is still to be written: `change` shows it already."""
        self._owed += (move,)

    def _drop(self, *moves: Move) -> None:
        self._owed = tuple(move for move in self._owed if move not in moves)

    async def write(self) -> Change:
        """Write what is owed, if anything; return how it stands then."""
        if self.unsought:
            await self.find()
            if self.unsought:
                return self.change  # where it is stored could not be found out
        self._lock = self._lock or asyncio.Lock()
        self._writers += 1
        try:
            async with self._lock:
                try:
                    await self._write()
                except JournalError as error:
                    self.failed(error, f"change {self._stored.id} could not be written down")
                else:
                    self.trouble = None
                return self.change
        finally:
            self._writers -= 1
            if not self._writers:
                self._lock = None

    async def _write(self) -> None:
        for _ in range(_MOST_TRIES):
            if not self._owed:
                return
            if self._stale:
                await self._read_again()
            moves = self._owed
            after = self.change
            if after is not self._stored:
                stored = await self._journal.put(after)
                if stored is None:  # it has moved on, or an earlier write took place that seemed to fail
                    await self._read_again()
                    continue
                if stored.revision >= self._stored.revision:  # a later one may have been read meanwhile
                    self._stored = stored
            self._drop(*moves)
        raise JournalError(f"it was moved on by others {_MOST_TRIES} times in a row")

    async def _read_again(self) -> None:
        found = await self._journal.find(Query(ids=[self._stored.id]))
        self._stale = False
        if found:
            self._stored = found[0]
        elif self._stored.revision:
            raise JournalError(f"the journal holds no change {self._stored.id} any more")
        else:
            self._journal = NO_JOURNAL  # it was never stored

    async def claim(self, token: JobToken, since: int | None) -> Claim:
        """Take the turn to send it. Raises `JournalError`: then nothing may be sent.

        One that was lost, and may be repeated, holds the turn: of those who send it again one writes it so.
        """
        try:
            if self._owed or self.trouble:
                await self.write()
                if self.trouble is not None:
                    raise self.trouble
            if self._stored.to_send_again:
                return await self._claim_again(token)
            if self._stored.state is not ChangeState.QUEUED:  # dealt with elsewhere, while it was put back
                return Claim(self._stored, taken=False)
            claim = await self._journal.claim(self._stored.claimed(token), since=since)
        except JournalError as error:
            what = "it was not sent again" if self.change.sent else "nothing was sent"
            raise JournalError(f"{error}; {what}") from error
        self._stored = claim.change
        return claim

    async def _claim_again(self, token: JobToken) -> Claim:
        self._stale = True  # by an error, or where the caller is cancelled
        stored = await self._journal.put(self._stored.sent_again(token))
        self._stale = False
        if stored is None:
            await self._read_again()
            return Claim(self._stored, taken=False)
        self._stored = stored
        return Claim(stored, taken=True)

    def failed(self, error: JournalError, what: str) -> None:
        """Keep and log trouble that must not stop what is under way."""
        self.trouble = error
        _log.warning("%s: %s", what, error)

    # -- reading -----------------------------------------------------------------------------------------

    async def find(self) -> bool:
        """Look in the journal for a change that is known by its token only; True if it is found now."""
        token = self._stored.token
        if not self.unsought:
            return False
        query = Query(gsp=token.gsp, host=token.host, gstin=token.gstin, reference=token.reference_id)
        try:
            found = await self._journal.find(query)
        except JournalError as error:
            self.failed(error, f"job {token.reference_id} could not be looked for")
            return False
        if token.reference_id is None:
            found = [change for change in found if change.token == token]
        # A test host gives every job the same reference: the time of sending tells them apart.
        found = [change for change in found if change.token.submitted_at == token.submitted_at] or found
        if not self.unsought:  # another task found it meanwhile
            return False
        self.unsought = False
        if not found:
            self._journal = NO_JOURNAL  # it is of another journal, or of none
            return False
        self._stored = found[-1]
        return True

    async def read(self) -> None:
        """Take how it stands in the journal now, if a journal has it. Raises `JournalError`."""
        await self.find()
        for change in await self._journal.find(Query(ids=[self._stored.id])) if self.name else ():
            self.take(change)

    def take(self, change: Change) -> None:
        """Take what was read in the journal, unless something newer is known."""
        if self.unsought or change.revision > self._stored.revision:
            self._stored, self.unsought = change, False

    def found_late(self, journal: Journal, change: Change) -> None:
        """Go on with what is stored: it was not there yet when it was looked for by its token.

        What became known of it since is owed to the journal.
        """
        known = self._stored
        self._journal, self._stored, self.unsought = journal, change, False
        self._owed = (lambda change: _with_what_is_known(change, known), *self._owed)

    def learn(self, token: JobToken) -> None:
        """Take the facts of a token that knows more than is known here. Nothing is written."""
        known = self._stored.token
        facts = {
            name: value
            for name in ("submitted", "submitted_at", "results_until", "route", "period")
            if getattr(known, name) in (None, "") and (value := getattr(token, name)) not in (None, "")
        }
        if facts:
            facts["kind"] = token.kind
            self._stored = attrs.evolve(self._stored, token=attrs.evolve(known, **facts))

    async def records(self) -> tuple[Record, ...] | None:
        """Return the records, if a journal has them. Raises `JournalError`."""
        await self.find()
        return None if self.name is None else tuple(await self._journal.records(self._stored.id))


def _with_what_is_known(change: Change, known: Change) -> Change:
    """Return a stored change after what another reading of it, made of its token only, went through."""
    if known.found is not None:
        change = change.looked_at(known.status)
    elif known.status is not None:
        change = change.heard(known.status, known.token)
    return change.abandoned() if known.state is ChangeState.ABANDONED else change
