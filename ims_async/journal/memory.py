"""A journal that lasts as long as the process."""

from __future__ import annotations

import copy
import datetime as dt
import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from ..errors import JournalError
from ..loop_owner import LoopOwner, on_one_loop
from ..model.change import Change
from ..model.moves import ChangeState
from ..model.records import Record
from ..steps import Steps, run_async, sliced
from .base import EVERYTHING, Claim, Now, Query

_Key = tuple[str, str]
_COPIES_PER_STEP: Final = 200


@on_one_loop
class MemoryJournal:
    """Stores changes in this process. `clock` gives seconds since the epoch.

    Clients in several event loops may share it one after another: raises `WrongEventLoop` while another runs.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock, self._loop_owner = clock, LoopOwner("journal", movable=True)
        self._changes: dict[str, Change] = {}
        self._records: dict[str, tuple[Record, ...]] = {}
        self._places: dict[str, int] = {}  # the order in which they were added
        # Each in the order in which they were moved on last.
        self._index: defaultdict[_Key, dict[str, None]] = defaultdict(dict)
        self._revision = 0

    async def add(self, change: Change, records: Sequence[Record]) -> Change:
        """Store a queued change; see `Journal`."""
        known = self._changes.get(change.id)
        if known is not None:
            if known.same_handing_in(change):
                return known
            raise JournalError(f"the journal already holds a change {change.id}")
        self._places[change.id] = len(self._places)
        self._records[change.id] = tuple(records)
        return self._store(change)

    async def claim(self, change: Change, *, since: int | None = None) -> Claim:
        """Store a claimed change if it may be sent; see `Journal`."""
        own = self._change(change.id)
        others = [one for one in self._of_taxpayer("in flight", own) if one.id != own.id]
        waits = own.state is ChangeState.QUEUED and own.revision == change.revision
        if not waits or others:
            return Claim(own, taken=False, ahead=others[0] if others else None)
        moved = () if since is None else self._of_taxpayer("gstin", own, after=since)
        if any(one.sent and one.id != own.id for one in moved):
            return Claim(own, taken=False, moved=True)
        return Claim(self._store(change), taken=True)

    async def put(self, change: Change) -> Change | None:
        """Store a change if nobody has moved it on; see `Journal`."""
        known = self._changes.get(change.id)
        return None if known is None or known.revision != change.revision else self._store(change)

    async def find(self, query: Query = EVERYTHING) -> list[Change]:
        """Return changes; see `Journal`."""
        return [change for change in self._candidates(query) if query.matches(change)]

    async def records(self, change_id: str) -> list[Record]:
        """Return the records of a change; each time others, as a file does: two changes share none."""
        self._change(change_id)
        return await run_async(_copied(self._records[change_id]))

    async def now(self) -> Now:
        """Return the time and the highest revision; see `Journal`."""
        return Now(self._time(), self._revision)

    async def aclose(self) -> None:
        """Free nothing: what was stored stays, for another client of this process."""

    def _store(self, change: Change) -> Change:
        self._revision += 1
        before, at = self._changes.get(change.id), self._time()
        after = kept = change.stored(self._revision, at)
        if change.status is not None and change.status.raw:
            kept = change.stored(self._revision, at, raw=False)
        self._changes[change.id] = kept
        for gone, new in zip(_NO_KEYS if before is None else _keys(before), _keys(after), strict=True):
            if gone is not None:
                self._index[gone].pop(after.id)
                if not self._index[gone]:
                    del self._index[gone]
            if new is not None:
                self._index[new][after.id] = None
        return after

    def _candidates(self, query: Query) -> list[Change]:
        """Return those that the most selective of the indexes leaves, in the order of adding."""
        if query.ids is not None:
            return self._in_order(name for name in query.ids if name in self._changes)
        asked = {"gstin": query.gstin, "reference": query.reference, "run": query.run}
        choices: list[list[_Key]] = [[(name, fact)] for name, fact in asked.items() if fact]
        choices.append([("state", state) for state in set(query.states or ChangeState)])
        best = min(choices, key=lambda keys: sum(len(self._index.get(key, ())) for key in keys))
        return self._in_order(name for key in best for name in self._moved(key, query.after))

    def _moved(self, key: _Key, after: int | None) -> Iterable[str]:
        """Return those of an index, or of these the ones that have moved on after a revision."""
        names = self._index.get(key, {})
        if after is None:
            return names
        return itertools.takewhile(lambda name: self._changes[name].revision > after, reversed(names))

    def _of_taxpayer(self, name: str, own: Change, *, after: int | None = None) -> list[Change]:
        found = self._in_order(self._moved((name, own.token.gstin), after))
        owner = own.token.gsp, own.token.host
        return [one for one in found if (one.token.gsp, one.token.host) == owner]

    def _in_order(self, ids: Iterable[str]) -> list[Change]:
        return [self._changes[name] for name in sorted(set(ids), key=self._places.__getitem__)]

    def _change(self, change_id: str) -> Change:
        try:
            return self._changes[change_id]
        except KeyError:
            raise JournalError(f"the journal holds no change {change_id}") from None

    def _time(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._clock(), dt.UTC)


def _copied(records: Sequence[Record]) -> Steps[list[Record]]:
    copies: list[Record] = []
    for few in sliced(records, _COPIES_PER_STEP):
        copies += map(copy.copy, few)
        yield
    return copies


def _keys(change: Change) -> tuple[_Key | None, ...]:
    """Return the facts by which it is found; None for one that it does not have."""
    token = change.token
    return (
        ("gstin", token.gstin),
        ("state", change.state),
        ("in flight", token.gstin) if change.holds_the_turn else None,
        ("reference", token.reference_id) if token.reference_id else None,
        ("run", change.run) if change.run else None,
    )


_NO_KEYS: Final = (None,) * 5
