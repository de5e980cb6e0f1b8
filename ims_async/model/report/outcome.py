"""The outcome of each record of a job, as values."""

from __future__ import annotations

from typing import Final

import attrs

from ...errors import RecordsRejected, bounded
from ..plain import Plain, counted
from ..records import Record, RecordKey
from ..status import ErrorEntry, Found, JobState

_MOST_REASONS: Final = 3
CANNED: Final = "the test host's figures are canned: they say nothing of what was sent"


@attrs.frozen(kw_only=True)
class RecordFailure:
    """A record that was not applied. `record` is the very object that was submitted, None if unknown here."""

    record: Record | None
    key: RecordKey
    code: str = attrs.field(converter=bounded)
    message: str = attrs.field(converter=bounded)

    def __str__(self) -> str:
        return f"{self.key}: {self.code} {self.message}".rstrip()


def _how_many(things: tuple[object, ...]) -> str:
    return f"<{len(things):,}>"


@attrs.frozen(kw_only=True)
class JobReport(Plain):
    """The outcome of each record of a finished job: `succeeded + failed + unaccounted` is what was sent.

    `unaccounted` has the records whose outcome does not follow from the gateway's counts;
    `taxpayer.reconcile(job)` reads them again. `unmatched` has error entries that match no record that was
    sent. For a job resumed without its records `succeeded` is empty; `submitted` and `unaccounted_count`
    have the numbers.
    """

    state: JobState
    submitted: int | None
    # Shown as counts: otherwise a report of 100,000 records would be 65 MB of text.
    succeeded: tuple[Record, ...] = attrs.field(default=(), repr=_how_many)
    failed: tuple[RecordFailure, ...] = attrs.field(default=(), repr=_how_many)
    unaccounted: tuple[Record, ...] = attrs.field(default=(), repr=_how_many)
    unmatched: tuple[ErrorEntry, ...] = attrs.field(default=(), repr=_how_many)
    unaccounted_count: int = 0
    processed_count: int | None = None
    error_count: int | None = None
    error_code: str = ""
    error_message: str = ""
    batch: str | None = attrs.field(default=None, eq=False, repr=False)
    """The id of the batch in the journal, if there is one."""
    canned: bool = False
    """True for a test host that answers examples: its counts do not refer to what was sent."""
    found: Found | None = attrs.field(default=None, repr=False)
    """The result of reading the records again, for a job that could not be polled: `failed` then has the
    records that were not applied, or changed, without codes. None if the gateway reported the outcome."""
    gstr2b: str | None = None
    """The period (`MMYYYY`) of a GSTR-2B that was to be computed anew, empty if unknown; None for records."""
    unchanged: bool = False
    """True if it was not, since no action had changed since it was made."""

    @property
    def ok(self) -> bool:
        """Whether every record is known to be applied; never for a job of unknown size or a canned report."""
        return (
            not self.canned
            and self.state is JobState.SUCCEEDED
            and self.submitted is not None
            and not self.failed
            and not self.unmatched
            and not self.unaccounted_count
        )

    @property
    def failed_count(self) -> int:
        """How many records were not applied, also where `failed` cannot name them."""
        whole = self.state is JobState.FAILED and not self.unaccounted_count
        return self.submitted if whole and self.submitted is not None else len(self.failed)

    @property
    def applied_count(self) -> int | None:
        """How many records were applied, also where `succeeded` cannot name them; None if unknown."""
        if self.submitted is None:
            return None
        return max(self.submitted - self.failed_count - self.unaccounted_count, 0)

    def __str__(self) -> str:
        if self.gstr2b is not None:
            return self._of_gstr2b
        numbers = self.applied_count, self.failed_count, self.unaccounted_count
        counts = zip(numbers, ("applied", "refused", "unaccounted for"), strict=True)
        facts = [", ".join(f"{count:,} {what}" for count, what in counts if count)]
        if self.found is not None:
            facts.append("as a second look showed")
        if self.unmatched:
            facts.append(
                counted(len(self.unmatched), "error that fits no record", "errors that fit no record")
            )
        if not self.ok:
            facts += [f"{self.error_code} {self.reason}".strip(), *([CANNED] if self.canned else [])]
        size = "a job of unknown size" if self.submitted is None else counted(self.submitted, "record")
        return bounded(f"{size}: {'; '.join(filter(None, facts)) or self.state}")

    @property
    def _of_gstr2b(self) -> str:
        said = f"was not computed anew: {self.error_code} {self.reason}".rstrip(": ")
        if self.state is JobState.SUCCEEDED:
            said = "is up to date: nothing changed" if self.unchanged else "was computed anew"
        return bounded(f"GSTR-2B {f'of {self.gstr2b} ' if self.gstr2b else ''}{said}")

    @property
    def reason(self) -> str:
        """The gateway's reason for the whole job; if there is none, the reasons of single records."""
        if self.error_message:
            return self.error_message
        of_records: dict[str, None] = {}
        for failure in self.failed:
            if failure.message:
                of_records[failure.message] = None
                if len(of_records) == _MOST_REASONS:
                    break
        return "; ".join(of_records)

    def raise_for_failures(self) -> None:
        """Raise `RecordsRejected` unless `ok`."""
        if self.ok:
            return
        if self.gstr2b is not None:
            raise RecordsRejected(str(self), report=self)
        shown = "; ".join([*map(str, self.failed[:3]), *([CANNED] if self.canned else [])])
        raise RecordsRejected(
            f"{len(self.failed)} of {self.submitted if self.submitted is not None else '?'} records failed, "
            f"{self.unaccounted_count} unaccounted for: {shown or 'see report'}",
            report=self,
        )
