"""The records of many taxpayers pulled again, and set against the rows of files before anything is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import attrs

from ... import tables
from ...bulk.outage import is_everybodys
from ...bulk.tally import Fingerprint, fingerprint
from ...client import ImsClient
from ...errors import ImsError, InvalidInput
from ...journal import Phase
from ...model.records import Invoice
from ...model.report import Record
from ...model.status import JobKind
from ...tables import Problem, Row
from ...tables.matching import without_standing
from ...tables.row import where
from ..inputs.journals import journal
from ..inputs.settings import Settings
from ..options import FIRST_POLL
from ..output import tables as show
from ..output.console import Voice, reason_of
from ..output.grouping import Grouped, kind_of
from ..output.run_progress import Tick, ticking
from .turns import by_turns

_NOT_SENT: Final = frozenset({Phase.QUEUED, Phase.CALLED_OFF})


@attrs.define(kw_only=True)
class Matched:
    """What the files say, set against the gateway: what is to be sent, and what is not."""

    records: dict[str, Sequence[Record]] = attrs.field(factory=dict)
    """By GSTIN; empty where an earlier part of the run has sent everything."""
    skipped: dict[str, str] = attrs.field(factory=dict)
    """Why nothing is sent of a GSTIN."""
    left_out: dict[str, list[Row]] = attrs.field(factory=dict)
    """The rows of those."""
    problems: dict[str, dict[str, str]] = attrs.field(factory=dict)
    """What is wrong with them, by where they stand."""
    standing: dict[str, list[Row]] = attrs.field(factory=dict)
    """The rows whose records stand already as they decide."""
    earlier: int = 0
    """How many rows an earlier part of the run has sent."""
    sizes: dict[str, int] = attrs.field(factory=dict)
    """How many rows each GSTIN has in the files, in their order."""

    @property
    def count(self) -> int:
        """How many records are to be sent."""
        return sum(map(len, self.records.values()))


@attrs.frozen(kw_only=True)
class Rematch:
    """Pulls again and matches, so many taxpayers at a time."""

    voice: Voice
    settings: Settings
    kind: JobKind
    first_poll: float
    concurrency: int
    run: str | None
    journal: Path | None

    told: Grouped = attrs.field(init=False)
    """What is said of taxpayers and rows that are left out."""

    @told.default
    def _grouped(self) -> Grouped:
        return Grouped(self.voice.tell)

    async def match(self, rows: dict[str, list[Row]]) -> Matched:
        """Set each taxpayer's rows against its records. What is wrong with one taxpayer skips that one.

        The rows are used up: what is to be sent has all that is needed. Raises what is wrong with all
        taxpayers: a refused account, an empty wallet, whatever it is where there is one and nothing was sent.
        """
        found = Matched(sizes={gstin: len(own) for gstin, own in rows.items()})
        soon = min(self.first_poll, FIRST_POLL)
        kept = journal(self.journal) if self.run is not None else None
        async with self.settings.client(first_poll=soon, journal=kept) as client:
            self.settings.hand_in_token(client)
            if self.run is not None:
                await self._leave_out_earlier(client, self.run, rows, found)
            with ticking(self.voice, "pulling again", len(rows)) as tick:
                await self._match_all(client, rows, found, tick)
        self.told.end()
        found.records = {gstin: found.records[gstin] for gstin in found.sizes if gstin in found.records}
        return found

    async def _match_all(
        self, client: ImsClient, rows: dict[str, list[Row]], found: Matched, tick: Tick
    ) -> None:
        async def one(gstin: str) -> None:
            own = rows.pop(gstin)
            try:
                current = await self._pull(client, gstin, own)
                own = self._without_standing(gstin, own, current, found)
                if own:
                    found.records[gstin] = self._matched(own, current)
            except ImsError as error:
                if is_everybodys(error) or (len(found.sizes) == 1 and not found.earlier):
                    raise
                found.skipped[gstin] = _reason(error, self.voice.gsp, gstin)
                found.left_out[gstin] = own
                if isinstance(error, InvalidInput):
                    found.problems[gstin] = _by_row(tables.problems_of(error))
                self._tell(gstin, error)
            tick()

        await by_turns(list(rows), one, at_once=self.concurrency)

    def _without_standing(
        self, gstin: str, rows: list[Row], current: Sequence[Invoice], found: Matched
    ) -> list[Row]:
        """Leave out, and count, what needs no sending."""
        if self.kind is not JobKind.SAVE:
            return rows
        left, standing = without_standing(rows, current)
        if standing:
            found.standing[gstin] = standing
            stand = "stands" if len(standing) == 1 else "stand"
            self.voice.tell(f"{gstin}: {show.counted(len(standing), 'row')} {stand} already as decided")
        return left

    def _matched(self, rows: Sequence[Row], current: Iterable[Invoice]) -> Sequence[Record]:
        if self.kind is JobKind.SAVE:
            return tables.match(rows, current)
        return tables.match_records(rows, current)

    async def _pull(self, client: ImsClient, gstin: str, rows: Sequence[Row]) -> list[Invoice]:
        taxpayer = client.taxpayer(gstin, check=self.settings.check)
        sections = dict.fromkeys(row.section for row in rows)
        found = await asyncio.gather(*(taxpayer.invoices(name, strict=False) for name in sections))
        for section, answer in zip(sections, found, strict=True):
            for problem in answer.problems:
                what = f"{gstin} {section}: a row cannot be read and is left out: {problem}"
                self.told.add(f"{section} row unreadable", what)
        return [invoice for answer in found for invoice in answer]

    def _tell(self, gstin: str, error: ImsError) -> None:
        if not isinstance(error, InvalidInput):
            what = f"{gstin} is skipped: {_reason(error, self.voice.gsp, gstin)}"
            self.told.add(f"skipped, {kind_of(error)}", what)
            return
        problems = tables.problems_of(error)
        many = len(problems) > 1
        what = f"{len(problems):,} of its rows do not match:" if many else str(error)
        self.told.add("skipped, rows do not match", f"{gstin} is skipped: {what}")
        for problem in problems if many else ():
            self.told.add(problem.kind, f"  {problem}")

    async def _leave_out_earlier(
        self, client: ImsClient, run: str, rows: dict[str, list[Row]], found: Matched
    ) -> None:
        """Leave out what an earlier part of the run has sent: it may stand otherwise since, and should."""
        sent: dict[str, set[Fingerprint]] = {}
        for entry in await client.batches_of(run):
            if client.journal is not None and entry.phase not in _NOT_SENT:
                known = sent.setdefault(entry.token.gstin, set())
                for record in await client.journal.records(entry.id):
                    known.add(_folded(fingerprint(entry.token.kind, record)))
        self._tell_of_others(run, sent, rows)
        for gstin in sent.keys() & rows.keys():
            left = [row for row in rows[gstin] if self._fingerprint(row) not in sent[gstin]]
            found.earlier += len(rows[gstin]) - len(left)
            rows[gstin] = left
            if not left:
                found.records[gstin] = []
                del rows[gstin]

    def _tell_of_others(
        self, run: str, sent: dict[str, set[Fingerprint]], rows: dict[str, list[Row]]
    ) -> None:
        """Say what the run holds besides the files: another folder may have gone by the same name."""
        others = {gstin: len(own) for gstin, own in sent.items() if gstin not in rows}
        if others:
            records = show.counted(sum(others.values()), "record")
            self.voice.tell(
                f"run {run} also holds {records} of {show.counted(len(others), 'other taxpayer')}"
            )
        beside = sum(
            len(sent[gstin] - set(map(self._fingerprint, rows[gstin]))) for gstin in sent.keys() & rows
        )
        if beside:
            self.voice.tell(
                f"run {run} also holds {show.counted(beside, 'decision')} of these taxpayers that the files "
                "do not hold"
            )

    def _fingerprint(self, row: Row) -> Fingerprint:
        decided = (row.action, row.remarks, row.itc_reduction) if self.kind is JobKind.SAVE else ()
        return _folded((self.kind, *row.key, *decided))


def _by_row(problems: Iterable[Problem]) -> dict[str, str]:
    """Sort what is wrong by where the row stands."""
    found: dict[str, list[str]] = {}
    for problem in problems:
        if problem.row is not None:
            found.setdefault(where(problem.file, problem.row), []).append(problem.message)
    return {place: "; ".join(messages) for place, messages in found.items()}


def _folded(name: Fingerprint) -> Fingerprint:
    """Write the supplier in capitals, as a file has it; gateways need not."""
    kind, section, supplier, *rest = name
    return kind, section, str(supplier).upper(), *rest


def _reason(error: ImsError, gsp: str | None, gstin: str) -> str:
    if isinstance(error, InvalidInput) and len(error.problems) > 1:
        return f"{len(error.problems):,} of its rows do not match: {error.problems[0]}; and so on"
    return reason_of(error, gsp, gstin)
