"""What was sent before and has not ended: files are set against what it leaves."""

from __future__ import annotations

import contextlib
from collections.abc import Container, Iterable, Mapping
from pathlib import Path

import attrs

from ...client import services_of
from ...errors import ImsError, JobInFlight, JobTimeout, JournalError
from ...journal import Change
from ...model.moves import OPEN_STATES
from .settings import Settings, journal_if_any


@attrs.frozen
class Ahead:
    """The saves and resets of before, by GSTIN: those that have ended now, and why others have not."""

    changes: dict[str, list[Change]] = attrs.field(factory=dict)
    """The former, as the journal has them."""
    unknown: dict[str, ImsError] = attrs.field(factory=dict)

    @classmethod
    def of(cls, changes: Iterable[Change], errors: Mapping[str, Exception]) -> Ahead:
        """Return what became of these; `errors` says of a GSTIN why it is not known."""
        found = cls()
        for change in changes:
            gstin, why = change.token.gstin, errors.get(change.token.gstin)
            if not change.open:
                found.changes.setdefault(gstin, []).append(change)
            elif isinstance(why, ImsError):
                found.unknown[gstin] = _in_the_way(why)
        return found


def _in_the_way(why: ImsError) -> ImsError:
    """Return why nothing is sent behind a job of which this is the matter."""
    if not isinstance(why, JobTimeout):
        return why
    error = JobInFlight(f"nothing was sent, a job of before runs on: {why.without_advice()}", job=why.job)
    error.__cause__ = why
    return error


async def open_before(
    settings: Settings, journal: Path | None, whose: Container[str], *, but: str | None
) -> list[Change]:
    """Return the saves and resets of these GSTINs that have not ended, without those of the run `but`."""
    kept = journal_if_any(journal)
    if kept is None:
        return []
    async with contextlib.aclosing(kept), settings.client(journal=kept) as client:
        try:
            changes = await services_of(client).find(states=OPEN_STATES)
        except JournalError as error:  # what is damaged the run itself says
            changes = error.readable
    own = [one for one in changes if one.token.gstin in whose and not one.token.kind.repeatable]
    return [one for one in own if one.sent and (but is None or one.run != but)]
