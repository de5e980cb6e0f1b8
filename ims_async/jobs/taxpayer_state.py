"""What a client keeps of one GSTIN: all while something is under way, then what must not be lost."""

from __future__ import annotations

from typing import Self

import attrs

from ..net.auth import SessionMemory, TaxpayerCredential
from ..net.credentials import Credentials
from .context import Services
from .downloads import Downloads
from .registry import Handles
from .submission import Changes


@attrs.frozen
class Remembered:
    """What remains of a taxpayer that was let go: its session, and the references that it was given."""

    session: SessionMemory
    references: set[str]


@attrs.frozen
class TaxpayerState:
    """The session, jobs, changes and downloads of one GSTIN."""

    session: TaxpayerCredential
    credentials: Credentials
    jobs: Handles
    changes: Changes
    downloads: Downloads

    @classmethod
    def make(cls, gstin: str, services: Services, remembered: Remembered | None) -> Self:
        """Begin with nothing, or with what remains of an earlier time."""
        session = TaxpayerCredential(
            services.exchange, services.gsp, services.store, services.clock, gstin, services.account
        )
        credentials = Credentials(account=services.account, taxpayer=session, gstin=gstin)
        jobs = Handles(gstin, services, credentials)
        if remembered is not None:
            session.remember(remembered.session)
            jobs.references.update(remembered.references)
        return cls(
            session=session,
            credentials=credentials,
            jobs=jobs,
            changes=Changes(jobs, gstin, services, credentials),
            downloads=Downloads(gstin, services.gsp, services.exchange, credentials, services.poll),
        )

    @property
    def idle(self) -> bool:
        """True where no job is open or held by anybody, and nothing is sent, waits or is prepared."""
        return self.jobs.idle and self.changes.idle and self.downloads.idle and self.session.idle

    def remembered(self) -> Remembered | None:
        """Return what must not be lost, if there is anything."""
        session = self.session.memory()
        if session is None and not self.jobs.references:
            return None
        return Remembered(session or SessionMemory(), self.jobs.references)
