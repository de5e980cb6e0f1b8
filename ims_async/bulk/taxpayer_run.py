"""One taxpayer's part of a run: earlier jobs first, then saves, then resets, one job at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final

import attrs

from ..errors import JobInFlight, OutcomeUnknown, PayloadTooLarge
from ..gsp.codec import Chunk, pack_chunks
from ..gsp.codec.json import Pause
from ..jobs.context import Services
from ..jobs.job import ImsJob
from ..jobs.reconcile import Reconciliation, keys_of
from ..jobs.sending import Batch
from ..journal import Change, ChangeState
from ..model.records import Record
from ..model.status import JobKind
from ..model.times import FIRST_LOOK
from ..steps import run_async
from .gstr2b import NOT_READ
from .job_follower import JobFollower, can_be_settled, let_go, with_each
from .report import EventKind
from .tally import Tally, hashes_of, without_effect, without_frames

_MOST_AGAINS: Final = 3  # of what was lost each time


class _News:
    """What the journal has of a GSTIN that a run has not counted: its own, made elsewhere, and of others.

    `since` is the journal's revision when the records were read, or the run began.
    """

    def __init__(self, services: Services, run: str, tally: Tally, *, since: int) -> None:
        self._services, self._run, self._tally, self._since = services, run, tally, since

    async def changes(self, after: int | None = None) -> list[Change]:
        """Return what was handed in for this run, by any process, was not called off, and moved `after`."""
        changes = await self._services.find(run=self._run, gstin=self._tally.gstin, after=after)
        return [change for change in changes if change.state is not ChangeState.CALLED_OFF]

    async def moved(self) -> list[Change]:
        """Return of these the ones that may not be counted here: a run may have thousands that are."""
        moved = await self.changes(self._tally.revision or None)
        self._note(moved)
        return moved

    async def none(self) -> bool:
        """Say whether all that was sent for this run is counted here, and nothing else was sent since."""
        tally, known = self._tally, max(self._since, self._tally.known_to)
        after = min(known, tally.revision or known)
        changes = await self._services.find(gstin=tally.gstin, after=after)
        own = [change for change in changes if change.run == self._run]
        others = (one for one in changes if one.run != self._run and one.revision > known)
        tally.others_sent |= any(one.sent and not one.token.kind.repeatable for one in others)
        tally.known_to = max([known, *(change.revision for change in changes)])
        self._note(own)
        return not tally.others_sent and all(one.id in tally.seen or not one.sent for one in own)

    def _note(self, moved: Sequence[Change]) -> None:
        if all(change.id in self._tally.seen for change in moved):
            self._tally.revision = max([self._tally.revision, *(change.revision for change in moved)])


@attrs.define(kw_only=True, eq=False)
class TaxpayerRun(JobFollower):
    """One taxpayer's decisions, or a portion of them, sent and seen through."""

    journal_is_read: bool = attrs.field(init=False, default=False)
    _run: str = attrs.field(init=False)
    _found_all: bool = attrs.field(init=False, default=True)
    """False once a section could not be read to its last row."""
    _news: _News = attrs.field(init=False)
    _aim: int = attrs.field(init=False)
    _found: Reconciliation = attrs.field(init=False, factory=Reconciliation)
    """How what is being handed in stood when it was looked at last."""

    def __attrs_post_init__(self) -> None:
        self._run, self._aim = self.context.run, self.context.aim
        context = self.context
        self._news = _News(context.services, context.run, self.tally, since=context.since or 0)

    async def _carry_out(self) -> None:
        earlier = await self._take_up()
        if self.portion.problem is not None:
            raise self.portion.problem
        self.context.stop.check()
        await self.taxpayer.keep_alive()
        await self._finish(earlier)
        if not self.portion.again:
            await self._check()
        for kind in (JobKind.SAVE, JobKind.RESET):
            await self._send_all(kind, self.tally.waiting(kind), again=self.portion.again)
        await self._mark_retried(self.portion.changes)
        await self._end_with_statement()

    async def _end_with_statement(self) -> None:
        """Have GSTR-2B computed anew, if that is wanted, and this run has not asked for it already."""
        wanted, known = self.context.statement, self.tally.statement
        if wanted is None or not self.portion.last or self.tally.error is not None:
            return
        # An error of one that is awaited is put down; one more would be asked for by the next recovery.
        if self.taxpayer.gstin in wanted.filed or self.tally.awaits_statement(wanted.period):
            return
        job = known.job if known.is_current else None
        if job is not None and job.period == wanted.period:
            await self.confirm(job, NOT_READ)  # by the call that has asked for it
        elif wanted.always or known.changed.at is not None:
            await self.regenerate(wanted.period, self._run)

    async def follow(self, job: ImsJob, *, tries: int = _MOST_AGAINS) -> None:
        """Wait for the end of a job, and send again what of it turns out to have had no effect."""
        if job.kind.repeatable:
            await self.follow_statement(job)
        elif await self.see_end_of(job):
            await self._try_again(job, tries=tries)

    async def _try_again(self, job: ImsJob, *, tries: int = _MOST_AGAINS) -> None:
        """Send again, where it still stands as it stood, what is known to have had no effect."""
        records = await run_async(without_effect(self.tally, job))
        if not records:
            return
        if not tries:
            lost = f"{_MOST_AGAINS + 1} changes of {job.gstin} were lost one after another"
            self.tally.stopped(OutcomeUnknown(f"{lost}: try later", job=job))
            self.tally.not_sent(records)
            return
        if job.status.in_the_way:  # another program's job was in the way
            await self.context.rest(FIRST_LOOK)
        if stale := self.portion.stale:  # the look before it saw how they stood
            stale.difference_update(await run_async(keys_of(records)))
        await self._send_all(job.kind, records, again=True, tries=tries - 1)

    @property
    def aim(self) -> int:
        """How many bytes a request of several records may have."""
        return min(self._aim, self.context.aim)

    # -- sending -------------------------------------------------------------------------------------------

    async def _send_all(
        self, kind: JobKind, records: Sequence[Record], *, again: bool, tries: int = _MOST_AGAINS
    ) -> None:
        """Send these, each job seen to its end before the next; `again`, if they still are as decided on."""
        chunks = _Chunks(self, kind, records)
        while chunks.left:
            again = again or self.tally.others_sent
            job = await (self._look_and_send(chunks) if again else self._send(chunks))
            if job is not None:
                await self.notify(EventKind.SUBMITTED, job=job)
                await self.follow(job, tries=tries)
                done = [job]
                del job
                await let_go(done)
            elif not again:  # it was too large, or something was sent for this GSTIN meanwhile
                await self._finish(await self._take_up())
                chunks.restart(self.tally.waiting(kind))
        await self._mark_retried(chunks.unsent)

    async def _send(self, chunks: _Chunks) -> ImsJob | None:
        """Send the next chunk, if all that was sent for this run is counted here."""
        chunk = await chunks.next()
        batch = Batch(kind=chunks.kind, records=chunk.records, run=self._run, body=chunk.body, checked=True)

        async def look() -> Batch | None:
            return batch if await self._news.none() else None

        async def hand_in() -> ImsJob | None:
            sending = self._state.changes.submit_what(look, queue=True)
            return await self._sent(sending)

        return await self._hand_in(
            chunks, batch, chunk.records, lambda: self._settling(hand_in, self._news.none)
        )

    async def _look_and_send(self, chunks: _Chunks) -> ImsJob | None:
        """Look at the next chunk, and send what of it stands as it was decided on."""
        records = (await chunks.next()).records
        batch = Batch(kind=chunks.kind, run=self._run)

        def heard(found: Reconciliation) -> None:
            self._found = found

        async def look_and_send() -> ImsJob | None:
            stale = self.portion.stale
            retry = await self._state.recovery.retry_records(batch, records, stale=stale, heard=heard)
            self.context.gate.answered(self.taxpayer)
            return retry.job

        return await self._hand_in(
            chunks, batch, records, lambda: self._settling(lambda: self._sent(look_and_send()))
        )

    async def _settling(
        self,
        hand_in: Callable[[], Awaitable[ImsJob | None]],
        goes_on: Callable[[], Awaitable[bool]] | None = None,
    ) -> ImsJob | None:
        """Hand in; settle a lost change that is in the way, and do it again, unless `goes_on` says no."""
        in_the_way: ImsJob | None = None
        while True:
            try:
                return await hand_in()
            except JobInFlight as error:
                if goes_on is not None and not await goes_on():
                    return None
                if error.job is None or error.job is in_the_way or not can_be_settled(error.job):
                    raise
                in_the_way = error.job
            await self.settle(in_the_way)

    async def _hand_in(
        self,
        chunks: _Chunks,
        batch: Batch,
        records: Sequence[Record],
        hand_in: Callable[[], Awaitable[ImsJob | None]],
    ) -> ImsJob | None:
        """Hand a chunk's records in, waiting out the trouble after which nothing was done.

        Returns None if nothing was sent; the chunk is still left then, unless a look showed that nothing of
        it was to be sent.
        """
        job: ImsJob | None = None
        self._found = Reconciliation(not_applied=tuple(records))  # unless a look shows otherwise
        try:
            job = await self.context.gate.through(self.taxpayer, hand_in)
        except PayloadTooLarge as error:
            await self._refused(error, records)
        except BaseException:
            if batch.sent:
                self._count(batch.job)
            raise
        else:
            if job is not None or not self._found.not_applied:
                self._count(job)
                del chunks.left[: len(records)]
        chunks.unsent.append(batch.unsent_id)
        return job

    def _count(self, job: ImsJob | None) -> None:
        """Count what was handed in: what a look showed, and that the rest is sent."""
        found, self._found = self._found, Reconciliation()
        self.tally.looked(found)
        self._found_all = self._found_all and found.settled
        if job is None:
            self.tally.not_sent(found.not_applied, certain=False)
            return
        self.tally.sent(job, found.not_applied)
        if job.reference_id is not None and len(found.not_applied) > 1:
            # Others aim at no more than what was accepted here. Not where that was a single record: if all
            # else of one taxpayer is refused, all others' requests would be cut to single records.
            self.context.aim = self.aim

    async def _refused(self, error: PayloadTooLarge, records: Sequence[Record]) -> None:
        """Aim at half of what was refused for its size. Raises `PayloadTooLarge` for a single record."""
        if not error.limit:  # by the gateway
            self.tally.refused_sizes.append(error.size)
            self.context.gate.answered(self.taxpayer)
        if len(records) == 1:
            raise PayloadTooLarge(
                f"{records[0].key} alone is too large: {error.message}; nor was any record behind it sent",
                size=error.size,
                limit=error.limit,
            ) from error
        await self.notify(EventKind.CUT_SMALLER, error=without_frames(error))
        self._aim = min(error.size, self.aim) // 2

    async def _mark_retried(self, change_ids: Sequence[str]) -> None:
        """Mark what was not sent as a whole, once every record was handed in again, or needs not to be.

        Not sooner: until then recovery proposes the whole, and sends what no part has carried.
        """
        for change_id in filter(None, change_ids if self._found_all else ()):
            await self._state.jobs.mark_retried(change_id)

    async def _take_up(self) -> list[ImsJob]:
        """Count what other processes have sent for this run, and leave it out. Asks no gateway."""
        moved = {change.id for change in await self._news.moved()}
        changes = [] if moved <= self.tally.seen else await self._news.changes()
        fresh = {change.id for change in changes} - self.tally.seen
        jobs = [job for change in changes if fresh and (job := await self._job_of(change)) is not None]
        hashes = [await run_async(hashes_of(job.records or ())) for job in jobs]
        waiting = await run_async(hashes_of(self.tally.waiting() if fresh or self.tally.carried else ()))
        if fresh:
            await self.tally.recount([*zip(jobs, hashes, strict=True)], waiting, seen=fresh)
        elif self.tally.carried:
            await self.tally.leave_out(waiting)
        self.journal_is_read = True
        return [job for job in jobs if job.batch in fresh]

    async def _job_of(self, change: Change) -> ImsJob | None:
        """Return the job of a change, or None for one with which nothing was done."""
        if change.state is ChangeState.QUEUED:
            job = await self._state.jobs.adopt(change)
            if await job._take_over():
                return None
            if job.journal_error is not None:
                raise job.journal_error
            change = job.change
        return None if change.state is ChangeState.CALLED_OFF else await self._state.jobs.recall(change)

    async def _finish(self, jobs: list[ImsJob]) -> None:
        """See through what others have sent, and send again what had no effect. The list is used up."""
        for job in jobs:
            if self.tally.is_pending(job):
                await self.follow(job)
            elif job.report is not None:
                await self.notify(EventKind.ENDED, job=job, report=job.report)
            del job  # else the last one is held while it is dropped
        await with_each(jobs, self._try_again)


class _Chunks:
    """Cuts records into what one request takes; what is `left` is cut anew where less is aimed at by then."""

    def __init__(self, part: TaxpayerRun, kind: JobKind, records: Sequence[Record]) -> None:
        self._part, self.kind = part, kind
        self.unsent: list[str] = []
        """The changes of the journal that were not sent as a whole: their records go in others."""
        self.restart(records)

    def restart(self, records: Sequence[Record]) -> None:
        """Go on with these, which are what is left."""
        self.left = list(records)
        self._steps: Iterator[Chunk | Pause] = iter(())
        self._aim = -1

    async def next(self) -> Chunk:
        """Return the next chunk, letting others have a turn meanwhile."""
        context, aim = self._part.context, self._part.aim
        if self._aim != aim:
            self._aim, gstin = aim, self._part.taxpayer.gstin
            limit, most = context.limit, context.max_records
            self._steps = pack_chunks(gstin, self.kind, tuple(self.left), limit=limit, aim=aim, most=most)
        async with context.bench:
            for step in self._steps:
                if isinstance(step, Chunk):
                    return step
                await asyncio.sleep(0)
        raise AssertionError("nothing is left to be cut")
