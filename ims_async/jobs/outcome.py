"""What awaiting jobs gives in the end: a report, or the error that says why there is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING

from ..errors import JobFailed, OutcomeUnknown
from ..journal import Phase
from ..model.report import JobReport
from ..model.status import JobState, JobStatus

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


async def as_completed(jobs: Iterable[ImsJob]) -> AsyncIterator[ImsJob]:
    """Yield jobs as they end, failed ones too: ask each for its `report` or `status`.

    A job that stops being waited for (deadline, lost session) is yielded as well, not `done`; no job's
    trouble drops a sibling.
    """
    jobs = list(dict.fromkeys(jobs))
    for job in jobs:
        job._loop_owner.check()
    waits = {asyncio.create_task(job.wait()): job for job in jobs}
    for wait in waits:
        wait.add_done_callback(_heard)
    try:
        pending = set(waits)
        while pending:
            finished, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for wait in finished:
                yield waits[wait]
                waits[wait]._loop_owner.check()
    finally:
        for wait in waits:
            wait.cancel()


def _heard(wait: asyncio.Task[JobStatus]) -> None:
    """Hear an error, also where nobody asks any more: the job itself tells what is the matter."""
    if not wait.cancelled():
        wait.exception()
