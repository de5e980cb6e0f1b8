"""Going on after a crash: every change of the journal that is not over is seen to its end."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncGenerator, Callable, Collection, Sequence

import attrs

from ..client import ImsClient
from ..errors import ImsError, JournalError, OutcomeUnknown
from ..jobs.job import ImsJob
from ..jobs.reconcile import decided
from ..journal import Change, ChangeState, Journal, Query
from ..model.records import Record, RecordKey
from ..model.report import account
from .follow_up import JobFollower
from .inputs import Portion
from .outage import is_everybodys
from .taxpayer_run import TaxpayerRun

Unsent = tuple[ImsJob, list[Record]]
"""A batch of which nothing was sent, and what of it is still to be."""


async def left_behind(
    client: ImsClient, only: Collection[str] | None, *, unsent: bool
) -> AsyncGenerator[Portion, None]:
    """Yield whose changes are not over, with `unsent` also whose were not sent.

    Raises `JournalError` for what cannot be read, when all the rest was yielded.
    """
    problems: list[JournalError] = []
    try:
        gstins = [job.gstin for job in await client.unfinished()]
    except JournalError as error:
        problems.append(error)
        gstins = [job.gstin for job in error.readable if isinstance(job, ImsJob)]
    entries, trouble = await _kept(client, (ChangeState.CALLED_OFF,)) if unsent else ([], None)
    if trouble is not None and not problems:
        problems.append(trouble)
    gstins += [entry.token.gstin for entry in entries if entry.to_retry]
    for gstin in dict.fromkeys(gstins):
        if only is None or gstin in only:
            yield Portion(gstin, client.taxpayer(gstin, check=False))
    if problems:
        raise problems[0]


async def _kept(
    client: ImsClient, states: Sequence[ChangeState] | None = None, gstin: str | None = None
) -> tuple[Sequence[Change], JournalError | None]:
    """Return what the journal holds of this gateway's, and what is the matter with the rest."""
    journal = client.journal
    if journal is None:
        return [], None
    try:
        found = await journal.find(Query(gsp=client.gsp.kind, host=client.host, gstin=gstin, states=states))
    except JournalError as error:
        return error.readable, error
    return found, None


class Recovery(TaxpayerRun):
    """One taxpayer's changes: those that were sent first, then what still stands of those that were not."""

    def __init__(self, follower: JobFollower, portion: Portion) -> None:
        super().__init__(follower, portion)
        self._journal_is_read = True  # what is in hand here was never sent
        self._unsent: list[Unsent] = []

    async def _carry_out(self) -> None:
        jobs = [job for job in self._taxpayer.unfinished() if job.sent]
        for job in jobs:
            self._tally.sent(job)
            self._tally.handed_in += job.submitted or 0
        self._unsent = await self._find_unsent()
        self._tally.handed_in += sum(len(records) for _, records in self._unsent)
        if not jobs and not self._unsent:
            return  # no session is needed for that
        self._context.stop.check()
        await self._taxpayer.keep_alive()
        for job in jobs:
            await self._see_through(job)
        while self._unsent:
            await self._send_unsent(*self._unsent.pop(0))

    def _left(self) -> list[Record]:
        return super()._left() + [record for _, records in self._unsent for record in records]

    async def _see_through(self, job: ImsJob) -> None:
        """Wait for its end, or look; what of it had no effect is sent again as a part of the same run."""
        follower = self._of_run(job.run)
        await follower.follow(job)
        dealt_with = job.without_effect and follower.found_all and self._tally.error is None
        if dealt_with and job.batch is not None:
            await self._follower.state.jobs.mark_retried(job.batch)

    async def _send_unsent(self, job: ImsJob, records: list[Record]) -> None:
        """Send what still stands of a batch that waited when its process ended, or was called off."""
        self._rest[job.kind] = records
        if job.open and not await job._take_over():
            self._rest[job.kind] = []
            self._tally.sent(job)  # its process lives, and has begun to send it
            if job.journal_error is not None:
                raise job.journal_error
            return
        self._portion.batches = () if job.batch is None else (job.batch,)
        self._of_run(job.run)
        await self._send_again()

    def _of_run(self, run: str) -> JobFollower:
        """Follow from now on as a part of the run that a batch was handed in for."""
        old = self._follower
        context = attrs.evolve(self._context, run=run)
        self._follower = JobFollower(context, old.taxpayer, old.tally, old.slot, old.tell)
        return self._follower

    async def _find_unsent(self) -> list[Unsent]:
        """Return the batches that wait or were called off, without what was decided on, or done, since."""
        journal = self._context.client.journal
        if journal is None:
            return []
        entries, trouble = await _kept(self._context.client, gstin=self._taxpayer.gstin)
        waiting = {job.batch for job in self._taxpayer.unfinished() if not job.sent}
        if trouble is not None and any(entry.id in waiting or entry.to_retry for entry in entries):
            raise trouble  # what cannot be read may be a later decision
        found: list[Unsent] = []
        for entry, still in await without_later(
            journal, entries, lambda entry: entry.id in waiting or entry.to_retry
        ):
            job = await self._follower.state.jobs.recall(entry)
            if still:
                found.append((job, still))
            elif not job.open or await job._take_over():  # or its process sent it after the later ones
                await self._follower.state.jobs.mark_retried(entry.id)
        return found


class Settlement(TaxpayerRun):
    """One taxpayer's changes seen to their end, one after the other; nothing is sent."""

    def __init__(self, follower: JobFollower, portion: Portion) -> None:
        super().__init__(follower, portion)
        self._journal_is_read = True

    async def _carry_out(self) -> None:
        jobs = self._taxpayer.unfinished()
        for job in jobs:
            self._tally.sent(job)
            self._tally.handed_in += job.submitted or 0
        if not jobs:
            return
        self._context.stop.check()
        await self._taxpayer.keep_alive()
        for job in jobs:
            try:
                self._check_that_it_may_be_settled(job)
                await self._follower.see_end_of(job)
            except ImsError as error:
                if is_everybodys(error):
                    raise
                self._tally.stopped(error)

    def _check_that_it_may_be_settled(self, job: ImsJob) -> None:
        """Raise `OutcomeUnknown` for a batch that a living process may be about to send."""
        sent_at = job.submitted_at.timestamp() if job.submitted_at else 0.0
        if job.open and not job.sent and self._context.services.clock() < sent_at + self._context.quiet:
            raise OutcomeUnknown(
                f"{job.submitted or 0:,} records not sent yet: another process may be about to, or has "
                "died; push with the run's name sends them",
                job=job,
            )


async def without_later(
    journal: Journal, entries: Sequence[Change], wanted: Callable[[Change], bool]
) -> list[tuple[Change, list[Record]]]:
    """Return the batches that are wanted of one taxpayer's, each without what others make needless.

    The later decision on a record counts, whatever became of it: an earlier one must not undo it. And what
    the batch before applied, as it was decided on here, after this one was handed in, is done: to do it again
    would undo what was done since. `entries` are in the order of handing in. Raises `JournalError`.
    """
    since = min((at for entry in entries if wanted(entry) and (at := entry.token.submitted_at)), default=None)
    matter = (wanted(entry) or (since and _ended_since(entry, since)) for entry in entries)
    first = next((place for place, matters in enumerate(matter) if matters), len(entries))
    found: list[tuple[int, Change, list[Record]]] = []
    last: dict[RecordKey, int] = {}
    applied: _Applied = {}
    for place, entry in enumerate(entries[first:]):
        records = await journal.records(entry.id)
        if wanted(entry):
            found.append((place, entry, [one for one in records if not _is_done(one, entry, applied)]))
        last.update((record.key, place) for record in records)
        _note_applied(applied, entry, records)
    return [(entry, [one for one in records if last[one.key] == place]) for place, entry, records in found]


async def handed_in_again(journal: Journal, unsent: Sequence[Change]) -> set[str]:
    """Return which of these are over: later batches hold all of their records. What is damaged is not."""
    again: set[str] = set()
    for gsp, host, gstin in {(one.token.gsp, one.token.host, one.token.gstin) for one in unsent}:
        with contextlib.suppress(JournalError):
            entries = await journal.find(Query(gsp=gsp, host=host, gstin=gstin))
            left = await without_later(journal, entries, lambda entry: entry.to_retry)
            again.update(entry.id for entry, still in left if not still)
    return again


_Applied = dict[RecordKey, tuple[object, dt.datetime | None]]
"""What was decided last on each record, and when a batch that applied just that had ended."""


def _ended_since(entry: Change, since: dt.datetime) -> bool:
    return entry.state is ChangeState.ENDED and entry.changed_at is not None and entry.changed_at >= since


def _is_done(record: Record, entry: Change, applied: _Applied) -> bool:
    what, at = applied.get(record.key, (None, None))
    handed_in = entry.token.submitted_at
    return at is not None and handed_in is not None and at >= handed_in and what == decided(record)


def _note_applied(applied: _Applied, entry: Change, records: Sequence[Record]) -> None:
    succeeded: set[RecordKey] = set()
    if entry.state is ChangeState.ENDED and entry.status is not None:
        report = account(entry.status, records, entry.token.submitted)
        succeeded = {record.key for record in report.succeeded}
    for record in records:
        what = decided(record)
        before, at = applied.get(record.key, (what, None))
        if record.key in succeeded:
            at = entry.changed_at
        elif before != what:
            at = None
        applied[record.key] = what, at
