"""What became of the records of a job: `outcome` has the values, `accounting` derives them from a status."""

from __future__ import annotations

from .accounting import FOUND_CHANGED, FOUND_NOT_APPLIED, account, accounting_steps, applied_steps
from .outcome import CANNED, JobReport, RecordFailure

__all__ = [
    "CANNED",
    "FOUND_CHANGED",
    "FOUND_NOT_APPLIED",
    "JobReport",
    "RecordFailure",
    "account",
    "accounting_steps",
    "applied_steps",
]
