"""What became of the decisions of a run, with those that were never sent: by taxpayer, and as a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs

from .. import tables
from ..errors import JournalError
from ..jobs.reconcile import decided
from ..journal import Journal
from ..model.change import Change
from ..model.moves import ChangeState
from ..model.records import Record
from ..model.tokens import JobToken
from ..tables import Outcome, Row
from ..tables.reports import decided_action, not_by_name, unmatched
from .from_files import Matched, problems_by_row
from .report import BulkReport, TaxpayerReport, counts_in_words

COLUMNS: Final = ("applied", "refused", "unaccounted", "changed", "not sent", "pending")
COUNTS: Final = (
    "applied",
    *(f"{name}_count" for name in ("failed", "unaccounted", "changed", "not_sent", "pending")),
)

STANDING: Final = "it stood already as decided, and was not sent again"
CHANGED: Final = "changed by the supplier, or gone: pull again, decide again"


@attrs.frozen(kw_only=True)
class Part:
    """One taxpayer's part: what its run reports, and the rows that did not get so far, with the reason."""

    gstin: str
    report: TaxpayerReport
    left_out: Sequence[Row] = ()
    standing: Sequence[Row] = ()
    """The rows that stood already as they were decided, and were not sent again."""
    reason: str = ""
    problems: Mapping[str, str] = attrs.field(factory=dict)
    """What is wrong with a row that was left out, by where it stands."""

    @property
    def counts(self) -> tuple[int, ...]:
        """How many were applied, refused, unaccounted for, changed, not sent, and are pending."""
        *counts, not_sent, pending = self.report.counts
        return *counts, not_sent + len(self.left_out), pending

    @property
    def ok(self) -> bool:
        """True if every decision was applied."""
        return self.report.ok and not self.left_out and not self.reason


@attrs.frozen(kw_only=True)
class Accounts:
    """All parts of a run, by GSTIN."""

    run: str
    parts: Mapping[str, Part]
    rewritten: int = 0
    """How many rows a spreadsheet has rewritten; they were recognised by their hash."""

    @property
    def ok(self) -> bool:
        """True if every decision of every taxpayer was applied."""
        return all(part.ok for part in self.parts.values())

    @property
    def totals(self) -> tuple[int, ...]:
        """The sums of the parts' counts."""
        return tuple(map(sum, zip(*(part.counts for part in self.parts.values()), strict=True))) or (0,) * 6

    @property
    def pending(self) -> list[JobToken]:
        """The jobs that had not ended."""
        return [token for part in self.parts.values() for token in part.report.pending]

    @property
    def failed_jobs(self) -> list[JobToken]:
        """The jobs that the gateway refused as a whole."""
        return [token for part in self.parts.values() for token in part.report.failed_jobs]

    def __str__(self) -> str:
        return counts_in_words(self.totals) or "nothing to do"


def accounts_of(
    report: BulkReport, matched: Matched | None = None, *, words: Callable[[str, Exception], str]
) -> Accounts:
    """Put together what a run reports and what never got so far, as far as may be in the order of the files.

    `words` says of a GSTIN what an error means.
    """
    matched = matched or Matched()
    parts: dict[str, Part] = {}
    known = dict.fromkeys((*report.taxpayers, *matched.skipped, *matched.standing))
    for gstin in dict.fromkeys((*(name for name in matched.sizes if name in known), *known)):
        one = report.taxpayers.get(gstin) or TaxpayerReport(gstin=gstin)
        skipped = matched.skipped.get(gstin)
        reasons = [words(gstin, error) for error in (skipped, one.error) if error is not None]
        parts[gstin] = Part(
            gstin=gstin,
            report=one,
            left_out=matched.left_out.get(gstin, ()),
            standing=matched.standing.get(gstin, ()),
            reason="; ".join(dict.fromkeys(reasons)),
            problems=problems_by_row(skipped),
        )
    return Accounts(run=report.run, parts=parts, rewritten=matched.rewritten)


# -- the report file -----------------------------------------------------------------------------------------


async def write_outcomes(
    file: Path, accounts: Accounts, changes: Sequence[Change], journal: Journal, *, overwrite: bool
) -> None:
    """Write a line for each record; the names of those that were applied are in the journal.

    One change's records are in memory at a time. Raises `InvalidInput` where it cannot be written.
    """
    sent: dict[str, list[Change]] = {}
    for change in changes:
        if change.sent:
            sent.setdefault(change.token.gstin, []).append(change)
    with tables.writing_outcomes(file, overwrite=overwrite) as add:
        for gstin, part in accounts.parts.items():
            named = {decided(record) for record in _named(part.report)}
            add(gstin, _lines(part))
            rest = {"applied": part.report.succeeded, "pending": part.report.pending_count}
            for change in sent.get(gstin, ()):
                lines = await _lines_of(change, journal, named)
                add(gstin, lines)
                for line in lines:
                    rest[line.outcome] -= 1
            nameless = (Outcome(outcome=what, message=not_by_name(n)) for what, n in rest.items() if n > 0)
            add(gstin, nameless)


def _named(one: TaxpayerReport) -> Iterator[Record]:
    """Yield the records that the run itself names."""
    yield from (failure.record for failure in one.failed if failure.record is not None)
    yield from (*one.unaccounted, *one.changed, *one.not_sent)


def _lines(part: Part) -> Iterator[Outcome]:
    one = part.report
    for failure in one.failed:
        yield Outcome(
            outcome="failed",
            key=failure.key,
            action=decided_action(failure.record),
            code=failure.code,
            message=failure.message,
        )
    yield from map(unmatched, one.unmatched)
    for outcome, records, message in (
        ("unaccounted", one.unaccounted, ""),
        ("changed", one.changed, CHANGED),
        ("not sent", one.not_sent, part.reason),
    ):
        for record in records:
            yield Outcome(outcome=outcome, key=record.key, action=decided_action(record), message=message)
    for row in part.left_out:
        why = part.problems.get(row.where(), part.reason)
        yield Outcome(outcome="not sent", key=row.key, action=row.action or "", message=why)
    for row in part.standing:
        yield Outcome(outcome="unchanged", key=row.key, action=row.action or "", message=STANDING)


async def _lines_of(change: Change, journal: Journal, named: set[tuple[object, ...]]) -> list[Outcome]:
    """Return the lines of those of a change's records that have none yet."""
    if change.state is ChangeState.ABANDONED:
        return []
    try:
        records = await journal.records(change.id)
    except JournalError:
        return []  # how many they are is known all the same
    outcome, message = "applied", ""
    if change.open:
        outcome, message = "pending", f"job {change.token.reference_id or 'without a reference'}"
    lines: list[Outcome] = []
    for record in records:
        if (what := decided(record)) not in named:
            named.add(what)
            action = decided_action(record)
            lines.append(Outcome(outcome=outcome, key=record.key, action=action, message=message))
    return lines
