"""What a client keeps of one GSTIN: all while something is under way, then what must not be lost."""

from __future__ import annotations

from collections.abc import Collection

import attrs

from ..net.auth import TaxpayerCredential
from ..net.credentials import Credentials
from .context import Services
from .downloads import Downloads
from .recovery import Recovery
from .registry import JobRegistry
from .submission import Changes


@attrs.frozen(eq=False, repr=False)
class Remembered:
    """What remains of a taxpayer that was let go: its session, and the references that it was given."""

    session: TaxpayerCredential
    references: Collection[str]


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
        return Remembered(self.session, self.jobs.references or ())  # an empty set takes 200 bytes
