"""Records of many taxpayers read at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence

import attrs

from ..client import ImsClient, services_of
from ..errors import DownloadQueued, InvalidInput
from ..model.records import Counts, Invoice, InvoiceList
from ..model.vocabulary import Action, Section
from ..taxpayer import Taxpayer
from .concurrency import TO_BEGIN, Slot, State, Stream
from .inputs import Who, taxpayer_of
from .outage import Stop
from .tally import without_frames


@attrs.frozen(kw_only=True)
class Pulled:
    """One taxpayer's records by section; where they could not all be read, `error` says why.

    A section whose count is zero is not asked for: each call is billed. Where GSTN is still preparing the
    rows of a section, that one is in `queued`, and the others are in `sections` all the same.
    """

    gstin: str
    sections: Mapping[Section, InvoiceList] = attrs.field(factory=dict, repr=lambda found: f"<{len(found)}>")
    error: Exception | None = None
    queued: Mapping[Section, DownloadQueued] = attrs.field(factory=dict)
    """The sections whose rows are still being prepared; `error` is the first of these errors."""
    count: int = 0
    """How many records; it stays when the records are not kept."""

    @property
    def invoices(self) -> list[Invoice]:
        """All records, section by section."""
        return [invoice for rows in self.sections.values() for invoice in rows]

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be read as a record."""
        return tuple(problem for rows in self.sections.values() for problem in rows.problems)


@attrs.frozen(kw_only=True)
class PullReport:
    """What was read, by GSTIN. Records are in it where the run was awaited, and not where it was iterated."""

    taxpayers: Mapping[str, Pulled] = attrs.field(factory=dict, repr=lambda found: f"<{len(found):,}>")
    begun: bool = True
    """False of a run that nobody has awaited or iterated over yet: nothing was read."""

    def __getitem__(self, gstin: str) -> Pulled:
        return self.taxpayers[gstin]

    def __iter__(self) -> Iterator[Pulled]:
        return iter(self.taxpayers.values())

    def __len__(self) -> int:
        return len(self.taxpayers)

    def __str__(self) -> str:
        if not self.begun:
            return f"nothing was read, the run was not begun: {TO_BEGIN}"
        failed = f", {len(self.errors):,} with an error" if self.errors else ""
        return f"{self.count:,} records of {len(self):,} taxpayers{failed}"

    @property
    def count(self) -> int:
        """How many records."""
        return sum(one.count for one in self)

    @property
    def errors(self) -> dict[str, Exception]:
        """Why a taxpayer's records could not be read, by GSTIN."""
        return {one.gstin: one.error for one in self if one.error is not None}

    @property
    def ok(self) -> bool:
        """True if the run has begun, and every record of every taxpayer was read."""
        return self.begun and not self.errors and not any(one.problems for one in self)


class PullRun(Stream[Pulled, PullReport]):
    """Many taxpayers being read. Await it for all records, or iterate to have them taxpayer by taxpayer."""

    def __init__(
        self,
        client: ImsClient,
        taxpayers: AsyncGenerator[Who, None],
        *,
        sections: Sequence[Section],
        status: Action | None,
        concurrency: int,
        check: bool,
    ) -> None:
        super().__init__(concurrency, services_of(client).loop_owner)
        self._client, self._who, self._check = client, taxpayers, check
        self._sections, self._status = sections, status
        self._found: dict[str, Pulled] = {}
        self._stop = Stop()

    @property
    def report(self) -> PullReport:
        """What was read so far."""
        return PullReport(taxpayers=dict(self._found), begun=self._state is not State.NOT_BEGUN)

    async def _carry_out(self) -> None:
        with self._stop.overseeing():
            await self._work_on(self._who, self._work)

    async def _work(self, who: Who, slot: Slot) -> None:
        pulled = await self._pull(who)
        streamed = self._events is not None
        self._found[pulled.gstin] = attrs.evolve(pulled, sections={}) if streamed else pulled
        await self._put(lambda: pulled)

    async def _pull(self, who: Who) -> Pulled:
        gstin = who.gstin if isinstance(who, Taxpayer) else str(who)
        rows: dict[Section, InvoiceList] = {}
        queued: dict[Section, DownloadQueued] = {}
        try:
            self._stop.check()
            taxpayer = taxpayer_of(self._client, who, check=self._check)
            counts = await taxpayer.counts()
            for section in self._sections:
                if _has_some(counts, section, self._status):
                    try:
                        rows[section] = await taxpayer.invoices(section, self._status, strict=False)
                    except DownloadQueued as error:
                        queued[section] = without_frames(error)
        except Exception as error:  # noqa: BLE001 # a store's, say: one taxpayer's trouble
            return Pulled(gstin=gstin, error=without_frames(error))
        return Pulled(
            gstin=taxpayer.gstin,
            sections=rows,
            error=next(iter(queued.values()), None),
            queued=queued,
            count=sum(map(len, rows.values())),
        )


def _has_some(counts: Counts, section: Section, status: Action | None) -> bool:
    """Say whether there may be such records; of a section that is not counted nobody knows."""
    if section.value not in counts.sections:
        return True
    found = counts[section]
    of_action = {
        None: found.total,
        Action.ACCEPT: found.accepted,
        Action.REJECT: found.rejected,
        Action.PENDING: found.pending,
        Action.NO_ACTION: found.no_action,
    }
    return of_action[status] > 0


def sections_of(names: Sequence[Section | str] | None) -> tuple[Section, ...]:
    """Return the sections named, all if none is. Raises `InvalidInput`."""
    if names is None:
        return tuple(Section)
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise InvalidInput(f"sections is a {type(names).__name__}: pass a list, [Section.B2B] say")
    return tuple(name if isinstance(name, Section) else Section.parse(name) for name in names)
