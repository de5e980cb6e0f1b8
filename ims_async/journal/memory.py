"""A journal that lasts as long as the process: for tests, and where nothing has to survive it."""

from __future__ import annotations

import datetime as dt
import itertools
import time
from collections.abc import Callable, Iterator, Sequence

import attrs

from ..errors import JournalError
from ..loop_owner import LoopOwner, on_one_loop
from ..model.change import Cause, with_facts
from ..model.records import Record
from ..model.status import JobStatus
from ..model.tokens import JobToken
from .entry import IN_FLIGHT, Entry, Phase

_Key = tuple[str, str]


@on_one_loop
class MemoryJournal:
    """Keeps batches in this process. `clock` gives seconds since the epoch.

    Clients in several event loops may share it one after another: raises `WrongEventLoop` while another runs.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock, self._loop_owner = clock, LoopOwner("journal", movable=True)
        self._entries: dict[str, Entry] = {}
        self._records: dict[str, tuple[Record, ...]] = {}
        self._places: dict[str, int] = {}  # the order of handing in
        self._index: dict[_Key, set[str]] = {}

    async def intend(
        self, batch_id: str, token: JobToken, records: Sequence[Record], *, run: str = ""
    ) -> None:
        """Keep a batch; see `Journal`."""
        if batch_id in self._entries:
            raise JournalError(f"the journal already holds a batch {batch_id}")
        self._places[batch_id] = len(self._places)
        self._put(Entry(id=batch_id, phase=Phase.QUEUED, token=token, changed_at=self._now(), run=run))
        self._records[batch_id] = tuple(records)

    async def claim(self, batch_id: str, token: JobToken) -> Entry | None:
        """Begin to send, or say what is in the way; see `Journal`."""
        own = self._entry(batch_id)
        if own.phase is not Phase.QUEUED:
            return own
        for other in self._found([("in flight", own.token.gstin)]):
            if _owner(other.token) == _owner(own.token):
                return other
        sent = attrs.evolve(own.token, submitted_at=token.submitted_at, results_until=token.results_until)
        self._put(attrs.evolve(own, phase=Phase.SENDING, token=sent, changed_at=self._now()))
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
        moved = attrs.evolve(
            entry,
            phase=to,
            token=with_facts(entry.token, token),
            status=entry.status if status is None else attrs.evolve(status, raw={}),
            reason=reason,
            cause=cause,
            changed_at=self._now(),
        )
        self._put(moved)
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
            for entry in self._candidates(batch_id, gstin, reference, run, phases)
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
            self._put(attrs.evolve(entry, retried=True))

    async def records(self, batch_id: str) -> list[Record]:
        """Return the very records of a batch."""
        self._entry(batch_id)
        return list(self._records[batch_id])

    async def aclose(self) -> None:
        """Nothing to free: what was kept stays, for another client of this process."""

    def _put(self, entry: Entry) -> None:
        before = self._entries.get(entry.id)
        for key in () if before is None else _keys(before):
            self._index[key].discard(entry.id)
            if not self._index[key]:
                del self._index[key]
        self._entries[entry.id] = entry
        for key in _keys(entry):
            self._index.setdefault(key, set()).add(entry.id)

    def _candidates(
        self,
        batch_id: str | None,
        gstin: str | None,
        reference: str | None,
        run: str | None,
        phases: Sequence[Phase],
    ) -> list[Entry]:
        """Return those that the most telling of these facts leaves, in the order of handing in."""
        if batch_id is not None:
            return [self._entries[batch_id]] if batch_id in self._entries else []
        asked = {"gstin": gstin, "reference": reference, "run": run or None}
        choices: list[list[_Key]] = [[(name, fact)] for name, fact in asked.items() if fact is not None]
        choices.append([("phase", phase) for phase in dict.fromkeys(phases)])
        return self._found(min(choices, key=self._count))

    def _count(self, keys: Sequence[_Key]) -> int:
        return sum(len(self._index.get(key, ())) for key in keys)

    def _found(self, keys: Sequence[_Key]) -> list[Entry]:
        ids = itertools.chain.from_iterable(self._index.get(key, ()) for key in keys)
        return [self._entries[name] for name in sorted(ids, key=self._places.__getitem__)]

    def _entry(self, batch_id: str) -> Entry:
        try:
            return self._entries[batch_id]
        except KeyError:
            raise JournalError(f"the journal holds no batch {batch_id}") from None

    def _now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._clock(), dt.UTC)


def _keys(entry: Entry) -> Iterator[_Key]:
    """Yield the facts by which it is found."""
    yield "gstin", entry.token.gstin
    yield "phase", entry.phase
    if entry.phase in IN_FLIGHT:
        yield "in flight", entry.token.gstin
    if entry.token.reference_id is not None:
        yield "reference", entry.token.reference_id
    if entry.run:
        yield "run", entry.run


def _owner(token: JobToken) -> tuple[str, str, str]:
    return token.gsp, token.host, token.gstin
