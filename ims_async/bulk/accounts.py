"""What became of the decisions of a run, with those that were never sent: counts by taxpayer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import attrs

from ..model.tokens import JobToken
from ..tables import Row
from .from_files import Matched, problems_by_row
from .report import BulkReport, TaxpayerReport, counts_in_words

COLUMNS: Final = ("applied", "refused", "unaccounted", "changed", "not sent", "pending")
COUNTS: Final = (
    "applied",
    *(f"{name}_count" for name in ("failed", "unaccounted", "changed", "not_sent", "pending")),
)

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
    return Accounts(run=report.run, parts=parts)
