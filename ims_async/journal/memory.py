"""A journal that lasts as long as the process: for tests, and as the plainest example of the protocol."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence

import attrs

from ..errors import JournalError
from ..loop_owner import LoopOwner, on_one_loop
from ..report import Record
from ..status import JobStatus, JobToken
from .entry import IN_FLIGHT, Cause, Entry, Phase


@on_one_loop
class MemoryJournal:
    """Keeps batches in this process. `clock` gives seconds since the epoch.

    Clients in several event loops may share it one after another: raises `WrongEventLoop` while another runs.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock, self._loop_owner = clock, LoopOwner("journal", movable=True)
        self._entries: dict[str, Entry] = {}
        self._records: dict[str, tuple[Record, ...]] = {}

    async def intend(
        self, batch_id: str, token: JobToken, records: Sequence[Record], *, run: str = ""
    ) -> None:
        """Keep a batch; see `Journal`."""
        if batch_id in self._entries:
            raise JournalError(f"the journal already holds a batch {batch_id}")
        self._entries[batch_id] = Entry(
            id=batch_id, phase=Phase.QUEUED, token=token, changed_at=self._now(), run=run
        )
        self._records[batch_id] = tuple(records)

    async def claim(self, batch_id: str, token: JobToken) -> Entry | None:
        """Begin to send, or say what is in the way; see `Journal`."""
        own = self._entry(batch_id)
        if own.phase is not Phase.QUEUED:
            return own
        for other in self._entries.values():
            if other.phase in IN_FLIGHT and _owner(other.token) == _owner(own.token):
                return other
        sent = attrs.evolve(own.token, submitted_at=token.submitted_at, results_until=token.results_until)
        self._entries[batch_id] = attrs.evolve(own, phase=Phase.SENDING, token=sent, changed_at=self._now())
        return None

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
        """Move a batch on, if it may; see `Journal`."""
        entry = self._entry(batch_id)
        if not entry.phase.moves(to) or only_from not in (None, entry.phase):
            return False
        self._entries[batch_id] = attrs.evolve(
            entry,
            phase=to,
            token=entry.token if token is None else _with(entry.token, token),
            status=entry.status if status is None else attrs.evolve(status, raw={}),
            reason=reason,
            cause=cause,
            changed_at=self._now(),
        )
        return True

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
        """Return what is kept; see `Journal`."""
        asked = {"gsp": gsp, "host": host, "gstin": gstin, "reference_id": reference}
        wanted = {name: value for name, value in asked.items() if value is not None}
        return [
            entry
            for entry in self._entries.values()
            if entry.phase in phases
            and batch_id in (None, entry.id)
            and run in (None, entry.run)
            and all(getattr(entry.token, name) == value for name, value in wanted.items())
            and (since is None or entry.changed_at >= since)
        ]

    async def mark_retried(self, batch_id: str) -> None:
        """Mark a batch as retried; see `Journal`."""
        entry = self._entry(batch_id)
        if entry.phase in (Phase.ENDED, Phase.CALLED_OFF):
            self._entries[batch_id] = attrs.evolve(entry, retried=True)

    async def records(self, batch_id: str) -> list[Record]:
        """Return the very records of a batch."""
        self._entry(batch_id)
        return list(self._records[batch_id])

    async def aclose(self) -> None:
        """Nothing to free: what was kept stays, for another client of this process."""

    def _entry(self, batch_id: str) -> Entry:
        try:
            return self._entries[batch_id]
        except KeyError:
            raise JournalError(f"the journal holds no batch {batch_id}") from None

    def _now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._clock(), dt.UTC)


def _with(known: JobToken, news: JobToken) -> JobToken:
    names = ("reference_id", "submitted_at", "results_until", "route")
    facts = {name: value for name in names if (value := getattr(news, name)) not in (None, "")}
    return attrs.evolve(known, **facts)


def _owner(token: JobToken) -> tuple[str, str, str]:
    return token.gsp, token.host, token.gstin
