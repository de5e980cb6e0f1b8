"""What a client keeps of one GSTIN: all while something is under way, then what must not be lost."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import attrs

from ..net.auth import TaxpayerCredential
from ..net.credentials import Credentials
from .context import Services
from .downloads import Downloads
from .recovery import Recovery
from .registry import JobRegistry
from .submission import Changes

T = TypeVar("T")


@attrs.frozen
class Remembered:
    """What remains of a taxpayer that was let go: its session, and the references that it was given."""

    session: TaxpayerCredential
    references: set[str]


class TaxpayerState:
    """The session, jobs, changes and downloads of one GSTIN."""

    def __init__(self, gstin: str, services: Services, remembered: Remembered | None) -> None:
        self.session = (
            TaxpayerCredential(services.exchange, services.store, gstin, services.account)
            if remembered is None
            else remembered.session
        )
        self.credentials = Credentials(account=services.account, taxpayer=self.session, gstin=gstin)
        self.jobs = JobRegistry(gstin, services, self.credentials)
        self.changes = Changes(gstin, services, self.credentials, self.jobs)
        self.downloads = Downloads(gstin, services, self.credentials)
        self.recovery = Recovery(gstin, services, self.jobs, self.changes, self.downloads)
        if remembered is not None:
            self.jobs.references.update(remembered.references)

    @property
    def idle(self) -> bool:
        """True where no job is open or held by anybody, and nothing is sent, waits or is prepared."""
        return self.jobs.idle and self.changes.idle and self.downloads.idle and self.session.idle

    async def aclose(self) -> None:
        """Let a change and a renewal under way be answered, and stop polling. Nobody is logged out."""
        await self.changes.aclose()
        await self.session.aclose()

    def remembered(self) -> Remembered | None:
        """Return what must not be lost, if there is anything."""
        if self.session.blank and not self.jobs.references:
            return None
        return Remembered(self.session, self.jobs.references)


class Taxpayers(Generic[T]):
    """The taxpayers of a client, one object for each GSTIN.

    Those that nobody holds, and of which nothing is under way, are let go: of these only the session and
    the references of their jobs are kept. Each new one has two of the others looked at.
    """

    def __init__(self, services: Services, make: Callable[[str, Services, TaxpayerState], T]) -> None:
        self._services, self._make = services, make
        self._held: weakref.WeakValueDictionary[str, T] = weakref.WeakValueDictionary()
        self._states: dict[str, TaxpayerState] = {}
        self._looked_at: deque[str] = deque()  # the longest ago first
        self._idle: dict[str, Remembered | None] = {}

    def __getitem__(self, gstin: str) -> T:
        taxpayer = self._held.get(gstin)
        if taxpayer is None:
            if gstin not in self._states:
                self._drop_idle()
                self._states[gstin] = TaxpayerState(gstin, self._services, self._idle.pop(gstin, None))
                self._looked_at.append(gstin)
            taxpayer = self._held[gstin] = self._make(gstin, self._services, self._states[gstin])
        return taxpayer

    def values(self) -> list[T]:
        """Return those that are held, or of which something is under way."""
        return [self[gstin] for gstin in self._states]

    def states(self) -> list[TaxpayerState]:
        """Return what is kept of these."""
        return list(self._states.values())

    def _drop_idle(self) -> None:
        for _ in range(min(2, len(self._looked_at))):
            gstin = self._looked_at.popleft()
            if gstin in self._held or not self._states[gstin].idle:
                self._looked_at.append(gstin)
            else:
                self._idle[gstin] = self._states.pop(gstin).remembered()
