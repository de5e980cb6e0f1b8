"""Going on after a crash: every change of the journal that is not over is seen to its end."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from typing import ClassVar, Final

import attrs

from ..client import ImsClient
from ..errors import ImsError, JournalError, OutcomeUnknown
from ..jobs.job import ImsJob
from ..jobs.reconcile import decided, distinct_keys
from ..journal import Change, ChangeState, Journal, Query
from ..model.records import Record, RecordKey
from ..model.report import applied_steps
from ..steps import Steps, free, free_async, run_async, sliced
from .gstr2b import LastChange, may_have_applied
from .inputs import Portion
from .job_follower import JobFollower, let_go, with_each
from .outage import is_everybodys
from .taxpayer_run import TaxpayerRun

_PER_STEP: Final = 500  # records of two microseconds each


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
    changes, trouble = await _kept(client, (ChangeState.CALLED_OFF,)) if unsent else ([], None)
    if trouble is not None and not problems:
        problems.append(trouble)
    gstins += [change.token.gstin for change in changes if change.to_retry]
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


@attrs.define(kw_only=True, eq=False)
class Recovery(TaxpayerRun):
    """One taxpayer's changes: those that were sent first, then what still stands of those that were not."""

    journal_is_read: bool = attrs.field(init=False, default=True)  # what waits here was never sent

    async def _carry_out(self) -> None:
        jobs = [job for job in self.taxpayer.unfinished() if job.sent]
        for job in jobs:
            self.tally.sent(job)
            del job  # else the last one is held while it is dropped
        unsent = await self._find_unsent()
        self.tally.hand_in(record for _, records in unsent for record in records)
        if not jobs and not unsent:
            return  # no session is needed for that
        self.context.stop.check()
        await self.taxpayer.keep_alive()
        await with_each(jobs, self._see_through)
        while unsent:
            job, records = unsent.pop(0)
            await self._send_unsent(job, records)
            held, done = list(records), [job]
            del job, records
            await let_go(done)
            await free_async(held)

    async def _see_through(self, job: ImsJob) -> None:
        """Wait for its end, or look; what of it had no effect is sent again as a part of the same run."""
        self._run, self._found_all = job.run, True
        await self.follow(job)
        failed = job.report.failed if job.change.without_effect and job.report else ()
        if self.tally.error is None and any(one.record is not None for one in failed):
            await self._mark_retried([job.batch or ""])

    async def _send_unsent(self, job: ImsJob, records: Sequence[Record]) -> None:
        """Send what still stands of a change that waited when its process ended, or was called off."""
        if job.open and not await job._take_over():
            self.tally.sent(job, records)  # its process lives, and has begun to send it
            if job.journal_error is not None:
                raise job.journal_error
            return
        self._run, self._found_all = job.run, True
        if job.kind.repeatable:
            changes, trouble = await _kept(self.context.client, gstin=self.taxpayer.gstin)
            if trouble is not None or not _is_computed(job.change, changes):
                await self.regenerate(job.period, job.run)
                self._found_all = self.tally.statement.error is None
        else:
            await self._send_all(job.kind, records, again=True)
        await self._mark_retried([job.batch or ""])

    async def _find_unsent(self) -> list[tuple[ImsJob, Sequence[Record]]]:
        """Return the changes that wait or were called off, without what was decided on, or done, since."""
        journal = self.context.client.journal
        if journal is None:
            return []
        changes, trouble = await _kept(self.context.client, gstin=self.taxpayer.gstin)
        waiting = {job.batch for job in self.taxpayer.unfinished() if not job.sent}

        def wanted(change: Change) -> bool:
            return change.id in waiting or change.to_retry

        if trouble is not None and any(map(wanted, changes)):
            raise trouble  # what cannot be read may be a later decision
        found: list[tuple[ImsJob, Sequence[Record]]] = []
        for one in await without_later(journal, changes, wanted):
            change = one.change
            job = await self._state.jobs.recall(change)
            if not one.over:
                found.append((job, one.still))
            elif not job.open or await job._take_over():  # or its process sent it after the later ones
                await self._state.jobs.mark_retried(change.id)
        return found


class Settlement(JobFollower):
    """One taxpayer's changes seen to their end, one after the other; nothing is sent."""

    sends: ClassVar[bool] = False

    async def _carry_out(self) -> None:
        jobs = self.taxpayer.unfinished()
        for job in jobs:
            self.tally.sent(job)
            del job  # else the last one is held while it is dropped
        if not jobs:
            return
        self.context.stop.check()
        await self.taxpayer.keep_alive()
        await with_each(jobs, self._settled)

    async def _settled(self, job: ImsJob) -> None:
        try:
            self._check_that_it_may_be_settled(job)
            await self.see_end_of(job)
        except ImsError as error:
            if is_everybodys(error):
                raise
            self.tally.stopped(error)

    def _check_that_it_may_be_settled(self, job: ImsJob) -> None:
        """Raise `OutcomeUnknown` for a change that a living process may be about to send."""
        sent_at = job.submitted_at.timestamp() if job.submitted_at else 0.0
        if job.open and not job.sent and self.context.services.clock() < sent_at + self.context.quiet:
            raise OutcomeUnknown(
                f"{job.submitted or 0:,} records not sent yet: another process may be about to, or has "
                "died; push with the run's name sends them",
                job=job,
            )


@attrs.frozen
class Unsent:
    """A change that was not sent, with what of it is still to be done: nothing, if it is `over`."""

    change: Change
    still: Sequence[Record]
    over: bool


async def without_later(
    journal: Journal, changes: Sequence[Change], wanted: Callable[[Change], bool]
) -> list[Unsent]:
    """Return the changes that are wanted of one taxpayer's, each without what others make needless.

    The later decision on a record counts, whatever became of it: an earlier one must not undo it. And what
    the change before applied, as it was decided on here, after this one was handed in, is done: to do it
    again would undo what was done since. So is a GSTR-2B that was computed anew from what was asked for after
    that. `changes` are in the order of handing in. Raises `JournalError`.
    """
    since = min(
        (at for change in changes if wanted(change) and (at := change.token.submitted_at)), default=None
    )
    matter = (wanted(change) or (since and _ended_since(change, since)) for change in changes)
    first = next((place for place, matters in enumerate(matter) if matters), len(changes))
    found: list[tuple[int, Change, list[Record]]] = []
    last: dict[RecordKey | str, int] = {}  # by record, and of GSTR-2B by period
    applied: _Applied = {}
    for place, change in enumerate(changes[first:]):
        records = await journal.records(change.id)
        if wanted(change):
            found.append((place, change, await run_async(_not_done(records, change, applied))))
        await run_async(_note_place(last, records, place))
        if change.token.kind.repeatable:
            last[change.token.period] = place
        await run_async(_note_applied(applied, change, records))
        held = list(records)
        del records
        await free_async(held)
    unsent: list[Unsent] = []
    for place, change, records in found:
        still = await run_async(_still(records, last, place))
        repeated = change.token.kind.repeatable and last[change.token.period] == place
        asked_for = repeated and not _is_computed(change, changes)
        unsent.append(Unsent(change, still, over=not still and not asked_for))
    await free_async(last, applied)
    return unsent


async def handed_in_again(journal: Journal, unsent: Sequence[Change]) -> set[str]:
    """Return which of these are over: later changes hold all of their records. What is damaged is not."""
    again: set[str] = set()
    for gsp, host, gstin in {(one.token.gsp, one.token.host, one.token.gstin) for one in unsent}:
        with contextlib.suppress(JournalError):
            changes = await journal.find(Query(gsp=gsp, host=host, gstin=gstin))
            left = await without_later(journal, changes, lambda change: change.to_retry)
            again.update(one.change.id for one in left if one.over)
    return again


_Applied = dict[RecordKey, tuple[object, dt.datetime | None]]
"""What was decided last on a record, where that was applied, and when the change that did so had ended."""


def _ended_since(change: Change, since: dt.datetime) -> bool:
    return change.state is ChangeState.ENDED and change.changed_at is not None and change.changed_at >= since


def _note_place(last: dict[RecordKey | str, int], records: Sequence[Record], place: int) -> Steps[None]:
    for few in sliced(records, _PER_STEP):
        last.update((record.key, place) for record in few)
        yield


def _not_done(records: Sequence[Record], change: Change, applied: _Applied) -> Steps[list[Record]]:
    left: list[Record] = []
    for few in sliced(records, _PER_STEP):
        left += [one for one in few if not _is_done(one, change, applied)]
        yield
    return left


def _still(records: Sequence[Record], last: Mapping[RecordKey | str, int], place: int) -> Steps[list[Record]]:
    left: list[Record] = []
    for few in sliced(records, _PER_STEP):
        left += [one for one in few if last[one.key] == place]
        yield
    return left


def _is_done(record: Record, change: Change, applied: _Applied) -> bool:
    what, at = applied.get(record.key, (None, None))
    handed_in = change.token.submitted_at
    return at is not None and handed_in is not None and at >= handed_in and what == decided(record)


def _is_computed(change: Change, changes: Iterable[Change]) -> bool:
    """Say whether GSTR-2B was computed anew, asked for after this was handed in and all that was applied."""
    handed_in, period, last = change.token.submitted_at, change.token.period, LastChange()
    computed: list[Change] = []
    for one in changes:
        if may_have_applied(one):
            last = last.then(one)
        elif one.token.kind.repeatable and one.token.period == period:
            computed.append(one)
    return handed_in is not None and any(
        last.is_in(one) and one.token.submitted_at is not None and one.token.submitted_at >= handed_in
        for one in computed
    )


def _note_applied(applied: _Applied, change: Change, records: Sequence[Record]) -> Steps[None]:
    succeeded = yield from distinct_keys((yield from applied_steps(change, records)))
    for few in sliced(records, _PER_STEP):
        for record in few:
            key = record.key
            if key in succeeded:
                applied[key] = decided(record), change.changed_at
            elif key in applied and applied[key][0] != decided(record):
                del applied[key]
        yield
    yield from free(succeeded)
