"""What awaiting a job gives in the end: its report, or the error that says why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import JobFailed, OutcomeUnknown
from ..journal import Phase
from ..model.report import JobReport
from ..model.status import JobState

if TYPE_CHECKING:
    from .job import ImsJob


def report_of(job: ImsJob) -> JobReport:
    """Return the report of a job that has ended. Raises `JobFailed` where it failed as a whole."""
    status, report = job.status, job.report
    assert report is not None  # noqa: S101 # a final status makes the report
    if status.state is not JobState.FAILED:
        return report
    code = report.error_code or status.raw_code
    reason = f"{code} {report.reason}".rstrip()
    what = (
        f"the task that carried job {job.reference_id} broke off, and what was applied is not known "
        f"(call taxpayer.reconcile(job)): {reason}"
        if status.carrier_failed
        else f"the gateway refused job {job.reference_id} as a whole: {reason}"
    )
    raise JobFailed(what, code=code, words=report.reason, report=report, job=job)


def without_reference(job: ImsJob, stands: Phase) -> OutcomeUnknown:
    """Return the error of a job that the gateway gave no name; `stands` is how far it got."""
    what = "the change was sent and no reference came back: call taxpayer.reconcile(job)"
    match stands:
        case Phase.QUEUED:
            what = (
                "its process ended while it waited for its turn, and nothing of it was sent: call "
                "taxpayer.reconcile(job), then taxpayer.retry(job.report)"
            )
        case Phase.CALLED_OFF:
            why = job.reason or "called off"
            what = f"nothing of it was sent ({why}): taxpayer.retry(job) sends what still stands"
        case Phase.SENDING:
            what = (
                "another process was sending it when the journal was read: ask client.unfinished() again "
                "later; taxpayer.reconcile(job) looks what took effect"
            )
    return OutcomeUnknown(what, job=job)
