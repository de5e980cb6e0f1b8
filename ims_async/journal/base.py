"""The journal of changes: the protocol, and the values that its methods take and return."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Protocol, runtime_checkable

import attrs

from ..model.change import Change
from ..model.moves import ChangeState
from ..model.records import Record


@attrs.frozen(kw_only=True)
class Query:
    """Which changes to return. None matches all.

    `since` compares `changed_at`, inclusive. `run` is the name of a bulk run. `after` is a revision: those
    that have moved on since.
    """

    ids: Collection[str] | None = None
    gsp: str | None = None
    host: str | None = None
    gstin: str | None = None
    reference: str | None = None
    run: str | None = None
    states: Collection[ChangeState] | None = None
    since: dt.datetime | None = None
    retried: bool | None = None
    after: int | None = None

    def matches(self, change: Change) -> bool:
        """Say whether a change is asked for."""
        token = change.token
        pairs = (
            (self.gsp, token.gsp),
            (self.host, token.host),
            (self.gstin, token.gstin),
            (self.reference, token.reference_id),
            (self.run, change.run),
            (self.retried, change.retried),
        )
        return (
            all(wanted is None or wanted == fact for wanted, fact in pairs)
            and (self.ids is None or change.id in self.ids)
            and (self.states is None or change.state in self.states)
            and (self.since is None or change.changed_at is None or change.changed_at >= self.since)
            and (self.after is None or change.revision > self.after)
        )


EVERYTHING = Query()


@attrs.frozen
class Claim:
    """The result of a claim. `change` is the claimed one as it stands now.

    If it was not `taken`, nothing was written: `ahead` holds the turn (the one that was handed in first), or
    another change of the taxpayer has `moved` since the revision that was passed, or `change` was dealt with
    elsewhere.
    """

    change: Change
    taken: bool
    ahead: Change | None = None
    moved: bool = False


@attrs.frozen
class Now:
    """The journal's clock, which stamps `changed_at`, and its highest revision so far."""

    at: dt.datetime
    revision: int


@runtime_checkable
class Journal(Protocol):
    """Stores changes. Each method returns once what it did is as durable as this journal makes it.

    A call whose caller is cancelled has taken place, or never will, before any later call of this process.

    Writes are seen in the order of their revisions: who has found one finds all that have a lower revision.

    All raise `JournalError` if that cannot be done; what was stored before is intact then, and whether the
    write took place is not known: the change is to be found again. `ims_async.journal.testing` checks an
    implementation. A journal compares revisions; which moves are allowed is decided by `Change` alone.
    """

    async def add(self, change: Change, records: Sequence[Record]) -> Change:
        """Store a queued change with its records, in one step. Return it with its revision and time.

        A change that is there already is returned if it is the same one and still queued; any other with
        that id raises `JournalError`.
        """
        ...

    async def claim(self, change: Change, *, since: int | None = None) -> Claim:
        """Store a change that was `claimed`, in one step for all processes, if it may be sent.

        That is: it is queued, at the revision that is passed; no other change of the same GSP, host and GSTIN
        holds the turn; and with `since`, none of those that was sent has a later revision. Raises
        `JournalError` for an unknown id.
        """
        ...

    async def put(self, change: Change) -> Change | None:
        """Store a change if its revision is still the stored one. Return it with its new revision and time.

        `change.stored(revision, at)` is that. None if it has moved on, or is not stored here any more: then
        nothing is written.
        """
        ...

    async def find(self, query: Query = EVERYTHING) -> Sequence[Change]:
        """Return changes, in the order in which they were added.

        If some cannot be read, the `JournalError` says which, and has the rest in `readable`.
        """
        ...

    async def records(self, change_id: str) -> Sequence[Record]:
        """Return the records of a change, equal to those that were added, in their order.

        Raises `JournalError` for an unknown id.
        """
        ...

    async def now(self) -> Now:
        """Return the time by the journal's clock, and its highest revision."""
        ...

    async def aclose(self) -> None:
        """Free what is held open. A journal that is used again opens again."""
        ...


class NoJournal:
    """The journal of a client that keeps none: every write succeeds, and nothing is stored.

    One process alone keeps its changes in order by itself, so that no revision is counted.
    """

    async def add(self, change: Change, records: Sequence[Record]) -> Change:
        """Return it."""
        return change

    async def claim(self, change: Change, *, since: int | None = None) -> Claim:
        """Let it be sent."""
        return Claim(change, taken=True)

    async def put(self, change: Change) -> Change | None:
        """Return it."""
        return change

    async def find(self, query: Query = EVERYTHING) -> Sequence[Change]:
        """Return nothing."""
        return []

    async def records(self, change_id: str) -> Sequence[Record]:
        """Return nothing."""
        return []

    async def now(self) -> Now:
        """Return a time at which nothing was stored."""
        return Now(dt.datetime.fromtimestamp(0, dt.UTC), 0)

    async def aclose(self) -> None:
        """Free nothing."""


NO_JOURNAL = NoJournal()
