"""Looking again: what became of a job that nobody can be asked about, and sending what still stands."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from typing import Any

import attrs

from ..errors import (
    GatewayError,
    InvalidInput,
    JobInFlight,
    JournalError,
    NotSent,
    OutcomeUnknown,
    UnexpectedAnswer,
)
from ..gsp.gstn import STALE_ACTION
from ..model.change import Change
from ..model.records import Decision, Invoice, Record, RecordKey
from ..model.report import JobReport, RecordFailure
from ..model.status import Found, JobKind, JobState, JobStatus
from ..steps import Steps, run_async, sliced
from .context import Services
from .downloads import Downloads
from .job import ImsJob
from .reconcile import Comparing, Reconciliation, change_something, covers, distinct_keys, keys_of
from .registry import JobRegistry
from .sending import Batch
from .submission import Changes


@attrs.frozen(kw_only=True)
class Retry:
    """What a retry did: `job` is the one that was submitted, None where there was nothing to send.

    `found` says how each record stood just before: what was `not_applied` is what the job carries; what is
    `changed` is for a person to decide on. Await it for the report of its job, or None.
    """

    job: ImsJob | None
    found: Reconciliation

    def __await__(self) -> Generator[Any, None, JobReport | None]:
        return self._result().__await__()

    async def _result(self) -> JobReport | None:
        return None if self.job is None else await self.job


class Recovery:
    """One GSTIN's jobs whose outcome is not known, or was not what was wanted."""

    def __init__(
        self, gstin: str, services: Services, jobs: JobRegistry, changes: Changes, downloads: Downloads
    ) -> None:
        self._gstin, self._services = gstin, services
        self._jobs, self._changes, self._downloads = jobs, changes, downloads

    async def reconcile(
        self, job: ImsJob, decisions: Iterable[Record] | None, *, quiet: float
    ) -> Reconciliation:
        """Re-read the records of a job and say which of them took effect; see `Taxpayer.reconcile`."""
        self._jobs.check(job.token)
        if job.kind.repeatable:
            await _make_sure_of(job)
            await self._ask_again(job)
            return Reconciliation()
        records = list(decisions) if decisions is not None else list(await job.load() or ())
        if not records:
            raise InvalidInput("the job does not carry its records: pass them as reconcile(job, decisions)")
        await _make_sure_of(job)
        await job._note_dead_sender()
        if job.pollable:  # the gateway's word counts before what a look shows
            with contextlib.suppress(GatewayError, NotSent, OutcomeUnknown, UnexpectedAnswer):
                await job.refresh()
        change = job.change
        # As it is now: rows that take long to come are as they were when they were asked for.
        conclusive = change.may_say_not_applied(self._services.clock(), quiet)
        found = await self._compared(Comparing(records, quiet=conclusive))
        # A job that can be polled is polled. Records that stood so before prove nothing: a job that is still
        # at work looks the same, so it keeps the turn.
        if not conclusive and not job.pollable:
            conclusive = await run_async(change_something(found.applied))
        if conclusive and found.settled and (decisions is None or await _all_of(job, records)):
            job._keep(records)
            if not await _ended(job, change, await run_async(_status_of(found))):
                return Reconciliation(cannot_tell_yet=tuple(records))
        return found

    async def regenerate(self, batch: Batch, *, queue: bool) -> ImsJob:
        """Have GSTR-2B of `batch.period` computed anew, as `submit`; what was lost of it is sent again."""
        for job in self._jobs.unfinished():
            lost = job.change.to_send_again and job.period == batch.period
            if lost and await self._changes.send_again(job):  # or it may be of before the last save
                return job
        return await self._changes.submit(batch, queue=queue)

    async def _ask_again(self, job: ImsJob) -> None:
        """See the computation of a GSTR-2B to its end; what was lost of it is asked for again."""
        if job.sent:
            await self._changes.send_again(job)
        if job.open:
            await job.wait()

    async def _compared(self, comparing: Comparing) -> Reconciliation:
        """Read the sections of the records to be compared, and say how they stand."""
        sections = await run_async(comparing.begin())
        unread = await self._downloads.hand_over(sections, comparing.take)
        return await run_async(comparing.found(unread))

    async def retry(self, report: JobReport | ImsJob, *, queue: bool) -> Retry:
        """Send again what a finished job did not apply, once; see `Taxpayer.retry`."""
        if isinstance(report, ImsJob):
            job = report
            self._jobs.check(job.token)
            if job.open or (job.sent and job.report is None):
                raise InvalidInput(
                    "what became of this job is not known, so that none of it can be sent again: await it, "
                    "or call taxpayer.reconcile(job), first"
                )
            if job.kind.repeatable:
                return await self._regenerate_again(job, queue=queue)
            if job.report is None:  # it was called off
                records = await job.load()
                if not records:
                    raise InvalidInput(
                        "this job does not carry its records: read the invoices again, and save decisions"
                    )
                return await self._retry(Batch(kind=job.kind, run=job.run), records, job.batch, queue=queue)
            report = job.report
        if report.gstr2b is not None:
            raise InvalidInput(f"{report}: it has no records; pass its job in place of the report")
        again = _not_applied(report)
        recipients = await run_async(_recipients(again))
        if others := sorted(other for other in recipients if other and other.upper() != self._gstin.upper()):
            raise InvalidInput(f"this report is about records of {others[0]}, not of {self._gstin}")
        kind = JobKind.RESET if again and isinstance(again[0], Invoice) else JobKind.SAVE
        stale = await run_async(refused_as_stale(report.failed))
        return await self._retry(Batch(kind=kind), again, report.batch, queue=queue, stale=stale)

    async def _regenerate_again(self, job: ImsJob, *, queue: bool) -> Retry:
        """Have the GSTR-2B of a job computed anew, unless it was."""
        if job.report is not None and job.report.ok:
            return Retry(job=None, found=Reconciliation())
        if not job.period:
            raise InvalidInput("the period of this job is not known: call taxpayer.regenerate_gstr2b(…)")
        again = await self.regenerate(Batch(kind=job.kind, period=job.period, run=job.run), queue=queue)
        if job.batch is not None:
            await self._jobs.mark_retried(job.batch)
        return Retry(job=again, found=Reconciliation())

    async def _retry(
        self,
        batch: Batch,
        again: Sequence[Record],
        name: str | None,
        *,
        queue: bool,
        stale: Collection[RecordKey] = (),
    ) -> Retry:
        """Retry records, and mark the change of that name, where every record was looked at."""
        retry = await self.retry_records(batch, again, queue=queue, stale=stale)
        if name is not None and retry.found.settled:
            await self._jobs.mark_retried(name)
        return retry

    async def retry_records(
        self,
        batch: Batch,
        again: Sequence[Record],
        *,
        queue: bool = True,
        stale: Collection[RecordKey] = (),
        heard: Callable[[Reconciliation], None] = lambda _: None,
    ) -> Retry:
        """Send these again where they still are as they were decided on; as `retry`, for `ims_async.bulk`.

        `batch` gets those records. One that has a third action by now is not sent (see `compare`), unless
        GSTN refused it as `stale`. `heard` is called with what was found, before anything is sent.
        """
        found = Reconciliation()

        async def look() -> Batch:
            nonlocal found
            comparing = Comparing(again, quiet=True, as_read=lambda key: key not in stale, resending=True)
            found = await self._compared(comparing)
            heard(found)
            batch.records = await run_async(comparing.as_they_stand())
            return batch

        job = await self._changes.submit_what(look, queue=queue) if again else None
        if batch.unsent_id and found.settled:  # by a later look nothing of it was to be sent any more
            await self._jobs.mark_retried(batch.unsent_id)
        return Retry(job=job, found=found)


def refused_as_stale(failed: Sequence[RecordFailure]) -> Steps[set[RecordKey]]:
    """Return the records that GSTN refused as stale: which action they had then, no report says."""
    stale: set[RecordKey] = set()
    for few in sliced(failed):
        stale.update(one.key for one in few if STALE_ACTION in f"{one.code} {one.message}")
        yield
    return stale


def _recipients(records: Sequence[Record]) -> Steps[set[str | None]]:
    found: set[str | None] = set()
    for few in sliced(records):
        found.update((record.invoice if isinstance(record, Decision) else record).recipient for record in few)
        yield
    return found


def _not_applied(report: JobReport) -> list[Record]:
    """Return the records that failed or are unaccounted for. Raises `InvalidInput` if they are not known."""
    records = [failure.record for failure in report.failed] + list(report.unaccounted)
    known = [record for record in records if record is not None]
    if len(known) < len(records) or len(report.unaccounted) < report.unaccounted_count:
        raise InvalidInput(
            "this report does not carry its records, since its job was resumed without them: read the "
            "invoices again, and save decisions on them"
        )
    return known


async def _make_sure_of(job: ImsJob) -> None:
    """Make sure that nobody sends a batch that waits for its turn in another process."""
    if job.sent or await job._take_over():
        return
    if job.journal_error is not None:
        raise job.journal_error
    raise JobInFlight("another process has begun to send this batch: see client.unfinished()", job=job)


async def _ended(job: ImsJob, judged: Change, status: JobStatus) -> bool:
    """End a job by what a look showed of the change as it was `judged`; False if it was put back since."""

    def looked_at(change: Change) -> Change:
        same = (change.sent, change.token.submitted_at) == (judged.sent, judged.token.submitted_at)
        return change.looked_at(status if same else None)

    await job._apply(looked_at)
    return not job.open


async def _all_of(job: ImsJob, records: Sequence[Record]) -> bool:
    """Say whether these are all of the records that a job carries, as far as that is known."""
    with contextlib.suppress(JournalError):
        await job.load()
    if job.records is not None:
        return await run_async(covers(records, job.records))
    return job.submitted is None or len(await run_async(distinct_keys(records))) >= job.submitted


def _status_of(found: Reconciliation) -> Steps[JobStatus]:
    """Return the status of a job that a look has ended."""
    not_applied = tuple((yield from keys_of(found.not_applied)))
    changed = tuple((yield from keys_of(found.changed)))
    return JobStatus(
        state=JobState.PARTIAL if not_applied or changed else JobState.SUCCEEDED,
        processed=len(found.applied),
        errors=len(not_applied) + len(changed),
        found=Found(applied=len(found.applied), not_applied=not_applied, changed=changed),
    )
