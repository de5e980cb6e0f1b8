"""What a journal holds: one entry for each batch that was handed in, and where it stands."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, Protocol, runtime_checkable

import attrs

from ..model.change import Cause
from ..model.records import Record
from ..model.status import JobStatus
from ..model.tokens import JobToken


class Phase(StrEnum):
    """Where a batch stands. It moves only as `moves` allows, whoever moves it, in whichever process."""

    QUEUED = "queued"
    """Handed in and waiting for its turn: not a byte of it was sent."""
    SENDING = "sending"
    """On its way. If its process has died since, nobody knows whether it arrived."""
    UNKNOWN = "unknown"
    """It may or may not have taken effect, and nobody can be asked: only looking tells."""
    RUNNING = "running"
    """The gateway has accepted it and gave a reference."""
    ENDED = "ended"
    """What became of each record is known."""
    CALLED_OFF = "called off"
    """Nothing was done with it: it never left, or the gateway refused to take it."""
    LET_GO = "let go"
    """A person said that it need not be known."""

    @property
    def open(self) -> bool:
        """True while something remains to be done about it."""
        return self in OPEN

    @property
    def sent(self) -> bool:
        """False where nothing of it is at the gateway."""
        return self not in (Phase.QUEUED, Phase.CALLED_OFF)

    def moves(self, to: Phase) -> bool:
        """Say whether a batch may go from here to there."""
        return to in _MOVES[self]


OPEN: Final = frozenset({Phase.QUEUED, Phase.SENDING, Phase.UNKNOWN, Phase.RUNNING})
IN_FLIGHT: Final = frozenset({Phase.SENDING, Phase.UNKNOWN, Phase.RUNNING})
"""These hold the taxpayer's turn: no other batch of that GSTIN is sent meanwhile."""

# To `SENDING` only `Journal.claim` moves. A batch that was let go may still be heard of: that is told. One
# that was taken over has been called off; a look may then say how its records stand.
_MOVES: Final[Mapping[Phase, frozenset[Phase]]] = {
    Phase.QUEUED: frozenset({Phase.UNKNOWN, Phase.CALLED_OFF, Phase.ENDED, Phase.LET_GO}),
    Phase.SENDING: frozenset(Phase) - {Phase.SENDING},
    Phase.UNKNOWN: frozenset({Phase.UNKNOWN, Phase.RUNNING, Phase.ENDED, Phase.LET_GO}),
    Phase.RUNNING: frozenset({Phase.UNKNOWN, Phase.RUNNING, Phase.ENDED, Phase.LET_GO}),
    Phase.ENDED: frozenset(),
    Phase.CALLED_OFF: frozenset({Phase.ENDED}),
    Phase.LET_GO: frozenset({Phase.ENDED}),
}


@attrs.frozen(kw_only=True)
class Entry:
    """One batch. `status` is the gateway's last word; `reason` says why nothing was done, where that is so.

    `cause` is the kind of that reason; None also in a file of a release that did not keep it. `retried` says
    that what was not applied was looked at again, and sent where it still stood. `token.submitted_at` is when
    it was sent; of one with which nothing was done, when it was handed in, or its records were looked at.
    `run` is the name of the bulk run that it belongs to, if any. Holds no secret.
    """

    id: str
    phase: Phase
    token: JobToken
    status: JobStatus | None = None
    reason: str = ""
    changed_at: dt.datetime
    run: str = ""
    cause: Cause | None = None
    retried: bool = False

    @property
    def to_retry(self) -> bool:
        """True for a batch that was not sent, and that recovery proposes to send."""
        proposed = self.phase is Phase.CALLED_OFF and self.cause is not None and self.cause.to_retry
        return proposed and not self.retried


@runtime_checkable
class Journal(Protocol):
    """Keeps batches. Each method returns once what it did is as durable as this journal makes it.

    All raise `JournalError` where that cannot be done; what was kept before is intact then.
    """

    async def intend(
        self, batch_id: str, token: JobToken, records: Sequence[Record], *, run: str = ""
    ) -> None:
        """Keep a batch, records and all, as `QUEUED`. `batch_id` is the caller's own, unique name for it.

        `run` names what it is a part of, so that all parts can be found again together.
        """
        ...

    async def claim(self, batch_id: str, token: JobToken) -> Entry | None:
        """Move a batch from `QUEUED` to `SENDING`, unless another of the same taxpayer is in flight.

        Returns None where that was done. Else nothing was, and the entry in the way is returned: the other
        batch, or this one, where it is not `QUEUED` any more. In one step, so that two processes never both
        send.
        """
        ...

    async def advance(
        self,
        batch_id: str,
        to: Phase,
        *,
        only_from: Phase | None = None,
        token: JobToken | None = None,
        status: JobStatus | None = None,
        reason: str = "",
        cause: Cause | None = None,
    ) -> bool:
        """Move a batch on, if it may (`Phase.moves`) and still is where the caller thinks (`only_from`).

        Return whether it did. A `token` or `status` of None leaves what was known. `reason` is in words for a
        person, `cause` its kind.
        """
        ...

    async def entries(
        self,
        *,
        batch_id: str | None = None,
        gsp: str | None = None,
        host: str | None = None,
        gstin: str | None = None,
        reference: str | None = None,
        run: str | None = None,
        phases: Sequence[Phase] = tuple(Phase),
        since: dt.datetime | None = None,
    ) -> list[Entry]:
        """Return what is kept, in the order in which it was handed in; `since` looks at `changed_at`.

        Where some of it cannot be read, the `JournalError` says which, and has the rest in `readable`.
        """
        ...

    async def mark_retried(self, batch_id: str) -> None:
        """Mark a batch that has ended, or was called off, as retried; any other is left as it is."""
        ...

    async def records(self, batch_id: str) -> list[Record]:
        """Return the records of a batch, equal to those that were handed in."""
        ...

    async def aclose(self) -> None:
        """Free what is held open. A journal that is used again opens again."""
        ...
