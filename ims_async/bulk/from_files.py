"""The rows of files set against what the gateway shows now, before any of it is sent."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import attrs

from .. import tables
from ..client import ImsClient, services_of
from ..errors import ImsError, InvalidInput
from ..jobs.reconcile import decided, shows
from ..model.change import Change
from ..model.records import Decision, Invoice, Record
from ..model.report import applied_steps
from ..model.status import JobKind
from ..model.vocabulary import Section
from ..steps import run_async
from ..tables import Row
from ..tables.matching import without_standing
from ..tables.row import folded_hash, where
from .concurrency import for_each
from .outage import is_everybodys


class Listener(Protocol):
    """Is called with what is found while rows are matched."""

    def unreadable(self, gstin: str, section: Section, problem: str) -> None:
        """Note a row of the gateway's that cannot be read, and is left out."""

    def standing(self, gstin: str, count: int) -> None:
        """Note how many rows of a taxpayer stand already as they decide."""

    def skipped(self, gstin: str, error: ImsError) -> None:
        """Note why nothing is sent for a taxpayer."""

    def matched(self) -> None:
        """Note that the rows of one more taxpayer were looked at."""


@attrs.define(kw_only=True)
class Matched:
    """What the files say, set against the gateway: what is to be sent, and what is not."""

    records: dict[str, Sequence[Record]] = attrs.field(factory=dict)
    """By GSTIN; empty where an earlier part of the run has sent everything."""
    skipped: dict[str, ImsError] = attrs.field(factory=dict)
    """Why nothing is sent for a GSTIN."""
    left_out: dict[str, list[Row]] = attrs.field(factory=dict)
    """The rows of those."""
    standing: dict[str, list[Row]] = attrs.field(factory=dict)
    """The rows whose records stand already as they decide."""
    earlier: int = 0
    """How many rows an earlier part of the run has sent."""
    others: Mapping[str, int] = attrs.field(factory=dict)
    """How many records the run holds of GSTINs that are not in the files."""
    beside: int = 0
    """How many decisions the run holds that the files do not, of GSTINs that are in them."""
    rewritten: int = 0
    """How many rows a spreadsheet has rewritten; they are recognised by their hash."""
    sizes: dict[str, int] = attrs.field(factory=dict)
    """How many rows each GSTIN has in the files, in their order."""
    since: int = 0
    """The journal's revision before the records were read."""

    @property
    def count(self) -> int:
        """How many records are to be sent."""
        return sum(map(len, self.records.values()))


@attrs.frozen(kw_only=True)
class Matcher:
    """Reads the records of `concurrency` taxpayers at a time again, and matches the rows of files with them.

    `run` names the run that the rows are for: what it has sent before is left out. `ahead` are jobs of
    before, by GSTIN, that had not ended when this began, and have now, as the journal has them: a row that
    decides as they did needs no sending, another is for the record as they left it; what they did not apply
    is compared like everything else. `unknown` says of which GSTINs such a job has not ended: nothing is
    sent behind it.
    """

    client: ImsClient
    kind: JobKind
    listener: Listener
    run: str | None = None
    ahead: Mapping[str, Sequence[Change]] = attrs.field(factory=dict)
    unknown: Mapping[str, ImsError] = attrs.field(factory=dict)
    concurrency: int = 16
    check: bool = True

    async def match(self, rows: dict[str, list[Row]]) -> Matched:
        """Set each taxpayer's rows against its records. What is wrong with one taxpayer skips that one.

        The rows are used up: what is to be sent has all that is needed. Raises what is wrong with all
        taxpayers: a refused account, an empty wallet, whatever it is where there is one and nothing was sent.
        """
        found = Matched(sizes={gstin: len(own) for gstin, own in rows.items()})
        found.since = (await services_of(self.client).journal.now()).revision
        if self.run is not None:
            await self._leave_out_earlier(self.run, rows, found)

        async def one(gstin: str) -> None:
            await self._match_one(gstin, rows.pop(gstin), found)
            self.listener.matched()

        await for_each(list(rows), one, at_once=self.concurrency)
        found.records = {gstin: found.records[gstin] for gstin in found.sizes if gstin in found.records}
        return found

    async def _match_one(self, gstin: str, rows: list[Row], found: Matched) -> None:
        try:
            if gstin in self.unknown:
                raise self.unknown[gstin]
            current = await self._pull(gstin, rows)
            rows = tables.recognised(rows, current)
            found.rewritten += sum(row.rewritten for row in rows)
            rows, standing = await self._after_those_ahead(gstin, rows, current)
            if self.kind is JobKind.SAVE:
                rows, more = without_standing(rows, current)
                standing += more
            if standing:
                found.standing[gstin] = standing
                self.listener.standing(gstin, len(standing))
            if rows:
                match = tables.match if self.kind is JobKind.SAVE else tables.match_records
                found.records[gstin] = match(rows, current)
        except ImsError as error:
            if is_everybodys(error) or (len(found.sizes) == 1 and not found.earlier):
                raise
            found.skipped[gstin], found.left_out[gstin] = error, rows
            self.listener.skipped(gstin, error)

    async def _pull(self, gstin: str, rows: Sequence[Row]) -> list[Invoice]:
        taxpayer = self.client.taxpayer(gstin, check=self.check)
        sections = dict.fromkeys(row.section for row in rows)
        found = await asyncio.gather(*(taxpayer.invoices(name, strict=False) for name in sections))
        for section, answer in zip(sections, found, strict=True):
            for problem in answer.problems:
                self.listener.unreadable(gstin, section, problem)
        return [invoice for answer in found for invoice in answer]

    async def _after_those_ahead(
        self, gstin: str, rows: list[Row], current: Sequence[Invoice]
    ) -> tuple[list[Row], list[Row]]:
        """Return the rows that are still to be sent, and those that a job of before has carried out.

        What such a job has applied, and the gateway still shows so, is not an act of somebody else: a row
        that decides otherwise is sent.
        """
        done: dict[object, Record] = {}
        for change in self.ahead.get(gstin, ()):
            records = await services_of(self.client).journal.records(change.id)
            for record in await run_async(applied_steps(change, records)):
                done[_folded(record.key)] = record
        if not done:
            return rows, []
        now = {_folded(one.key): one for one in current}
        times = Counter(_folded(row.key) for row in rows)
        left: list[Row] = []
        standing: list[Row] = []
        for row in rows:
            key = _folded(row.key)
            ours, invoice = done.get(key), now.get(key)
            if ours is None or invoice is None or not shows(invoice, ours):
                left.append(row)
            elif _folded(*decided(ours)) != self._decided(row):
                left.append(attrs.evolve(row, pulled_action=invoice.action))
            elif times[key] == 1 and folded_hash(row.hash) == folded_hash(invoice.hash):
                standing.append(row)
            else:  # it may be a row of another record
                left.append(row)
        return left, standing

    async def _leave_out_earlier(self, run: str, rows: dict[str, list[Row]], found: Matched) -> None:
        """Leave out what an earlier part of the run has sent: it may stand otherwise since, and should."""
        sent: dict[str, set[tuple[object, ...]]] = {}
        records: dict[str, list[Invoice]] = {}
        for change in await services_of(self.client).find(run=run):
            if self.client.journal is not None and change.sent:
                known = sent.setdefault(change.token.gstin, set())
                own = await self.client.journal.records(change.id)
                known.update(_folded(*decided(one)) for one in own)
                if change.token.gstin in rows:
                    invoices = (one.invoice if isinstance(one, Decision) else one for one in own)
                    records.setdefault(change.token.gstin, []).extend(invoices)
        found.others = {gstin: len(own) for gstin, own in sent.items() if gstin not in rows}
        for gstin in sent.keys() & rows.keys():
            rows[gstin] = tables.recognised(rows[gstin], records.pop(gstin), likely=True)
            ours = [self._decided(row) for row in rows[gstin]]
            left = [row for row, one in zip(rows[gstin], ours, strict=True) if one not in sent[gstin]]
            found.beside += len(sent[gstin].difference(ours))
            found.earlier += len(rows[gstin]) - len(left)
            rows[gstin] = left
            if not left:
                found.records[gstin] = []
                del rows[gstin]

    def _decided(self, row: Row) -> tuple[object, ...]:
        facts = (row.action, row.remarks, row.itc_reduction) if self.kind is JobKind.SAVE else ()
        return _folded(row.key, *facts)


def problems_by_row(error: ImsError | None) -> dict[str, str]:
    """Return what an error says of rows, by where they stand."""
    found: dict[str, list[str]] = {}
    for problem in tables.problems_of(error) if isinstance(error, InvalidInput) else ():
        if problem.row is not None:
            found.setdefault(where(problem.file, problem.row), []).append(problem.message)
    return {place: "; ".join(messages) for place, messages in found.items()}


def _folded(key: Any, *facts: object) -> tuple[object, ...]:
    """Return what is decided with the supplier in capitals, as a file has it; gateways need not."""
    return key._replace(supplier=key.supplier.upper()), *facts
