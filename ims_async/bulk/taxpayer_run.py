"""One taxpayer's part of a run: earlier jobs first, then saves, then resets, one job at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Final

from ..errors import ImsError, JobInFlight, OtpRequired, OutcomeUnknown, PayloadTooLarge, SessionExpired
from ..gsp.codec import Chunk, pack_chunks
from ..gsp.codec.json import Pause
from ..jobs.job import ImsJob
from ..jobs.sending import Batch
from ..journal import Change, ChangeState
from ..model.records import Record
from ..model.status import JobKind
from .event import EventKind
from .follow_up import JobFollower
from .inputs import Portion
from .tally import fingerprint

_log = logging.getLogger("ims_async")

_PRINTS_PER_TURN: Final = 2000


class TaxpayerRun:
    """The work for one portion of one taxpayer's decisions. What goes wrong is put down in the tally."""

    def __init__(self, follower: JobFollower, portion: Portion) -> None:
        self._follower, self._context, self._tally = follower, follower.context, follower.tally
        self._taxpayer, self._portion = follower.taxpayer, portion
        self._rest: dict[JobKind, list[Record]] = {
            JobKind.SAVE: list(portion.saves),
            JobKind.RESET: list(portion.resets),
        }
        self._aim = self._context.sizes.aim
        self._journal_is_read = False
        self._in_hand = 0
        """How many of the rest are being handed in at this moment."""
        self._cut: list[str] = []
        """The batches that were not sent as a whole, and of which not every part is sent yet."""

    async def carry_out(self) -> None:
        """Send it, and see it through. Raises nothing but what stops the whole run."""
        try:
            await self._carry_out()
        except (OtpRequired, SessionExpired) as error:
            self._stopped(error)
            await self._follower.tell(EventKind.SESSION_ENDED, error=error)
        except ImsError as error:
            self._context.stop.failed(error)
            self._stopped(error)
        except Exception as error:  # noqa: BLE001 # a defect of ours, too, is one taxpayer's trouble
            _log.exception("the part of %s in run %s broke off", self._taxpayer.gstin, self._context.run)
            self._stopped(error)
        except BaseException:
            self._broken_off()
            raise

    async def _carry_out(self) -> None:
        earlier = await self._take_up()
        if self._portion.problem is not None:
            raise self._portion.problem
        self._context.stop.check()
        await self._taxpayer.keep_alive()
        await self._finish(earlier)
        if self._portion.again:
            await self._send_again()
            return
        async with self._context.bench:
            self._tally.warned(await self._taxpayer.check(self._left()))
        while not await self._send_all():
            await self._finish(await self._take_up())
        await self._sent_in_parts()

    def _left(self) -> list[Record]:
        return [record for records in self._rest.values() for record in records]

    def _stopped(self, error: Exception) -> None:
        """Put down why it did not go on."""
        self._tally.stopped(error)
        self._broken_off()

    def _broken_off(self) -> None:
        """Put down what became of what is being handed in, and that nothing was done with the rest."""
        batch, self._follower.batch = self._follower.batch, None
        rest, in_hand = self._left(), self._in_hand
        self._rest.clear()
        if not self._journal_is_read:  # an earlier process may have sent them
            return
        if batch is None or not batch.sent:
            in_hand = 0
        elif batch.job is not None:
            self._tally.sent_again(batch.job.kind, batch.job.records or ())
            self._tally.sent(batch.job, fresh=in_hand > 0)
        else:
            self._tally.sent_again(*self._follower.again)
        self._tally.broken_off(rest[in_hand:])

    # -- sending -------------------------------------------------------------------------------------------

    async def _send_all(self) -> bool:
        """Send what is left, chunk by chunk; False where another process has sent for this run meanwhile."""
        for kind in self._rest:
            async for chunk in _Chunks(self, kind):
                try:
                    job = await self._send(kind, chunk)
                except PayloadTooLarge as error:
                    await self._refused(error, chunk.records)
                    del chunk
                    continue
                self._went_through(job)
                del chunk  # its body is not needed any more, and waiting for the job may be long
                if job is None:
                    return False
                del self._rest[kind][: job.submitted]
                await self._follower.sent(job, fresh=True)
                await self._follower.follow(job)
        return True

    async def _send(self, kind: JobKind, chunk: Chunk) -> ImsJob | None:
        """Hand a chunk in, waiting out the trouble after which nothing was done."""
        before = self._follower.batch
        batch = Batch(
            kind=kind,
            records=chunk.records,
            run=self._context.run,
            body=chunk.body,
            checked=True,
            journaled=before.journaled if before else None,
        )

        async def look() -> Batch | None:
            return batch if await self._nothing_new() else None

        async def hand_in() -> ImsJob | None:
            in_the_way: ImsJob | None = None
            while True:
                self._follower.batch, self._in_hand = batch, len(batch.records)
                try:
                    job = await self._follower.state.changes.submit_what(look, queue=True)
                except OutcomeUnknown as error:
                    return self._follower.lost(error)
                except JobInFlight as error:
                    if not await self._nothing_new():
                        return None
                    if error.job is None or error.job is in_the_way or not _can_be_settled(error.job):
                        raise
                    in_the_way = error.job
                else:
                    if job is not None:
                        self._context.gate.answered(self._taxpayer)
                    return job
                await self._follower.settle(in_the_way)

        job = await self._context.gate.through(self._taxpayer, hand_in)
        self._follower.batch, self._in_hand = None, 0
        if batch.unsent_id:  # another process carries out the same run: what of it is left is sent next
            self._cut.append(batch.unsent_id)
        return job

    async def _send_again(self) -> None:
        """Send what did not go through before, where it still is as it was decided on."""
        for kind in self._rest:
            async for chunk in _Chunks(self, kind):
                records = chunk.records
                del chunk
                self._in_hand = len(records)
                try:
                    job = await self._follower.send_again(kind, records)
                except PayloadTooLarge as error:
                    await self._refused(error, records)
                    continue
                self._in_hand = 0
                self._went_through(job)
                del self._rest[kind][: len(records)]
                if job is not None:
                    await self._follower.follow(job)
        for batch in self._portion.batches if self._follower.found_all else ():
            await self._follower.state.jobs.mark_retried(batch)
        await self._sent_in_parts()

    async def _sent_in_parts(self) -> None:
        cut, self._cut = self._cut, []
        await self._follower.sent_in_parts(cut)

    async def _refused(self, error: PayloadTooLarge, records: Sequence[Record]) -> None:
        """Aim at half of what was refused for its size."""
        self._cut.append(await self._follower.refused(error, records))
        self._aim = min(error.size, self.aim) // 2

    def _went_through(self, job: ImsJob | None) -> None:
        """Let others aim at no more than what was accepted here.

        Not where that was a single record: if all else of one taxpayer is refused, all others' requests would
        be cut to single records.
        """
        if job is not None and job.reference_id is not None and (job.submitted or 0) > 1:
            self._context.sizes.aim = self.aim

    @property
    def aim(self) -> int:
        """How many bytes a request of several records may have."""
        return min(self._aim, self._context.sizes.aim)

    def cut(self, kind: JobKind) -> Iterator[Chunk | Pause]:
        """Cut what is left into what one request takes."""
        context, records = self._context, tuple(self._rest[kind])
        gstin, limit, most = self._taxpayer.gstin, context.sizes.limit, context.max_records
        return pack_chunks(gstin, kind, records, limit=limit, aim=self.aim, most=most)

    async def next_of(self, chunks: Iterator[Chunk | Pause]) -> Chunk | None:
        """Make the next chunk, letting others have a turn meanwhile."""
        async with self._context.bench:
            for step in chunks:
                if isinstance(step, Chunk):
                    return step
                await asyncio.sleep(0)
        return None

    # -- what the journal knows of this run ----------------------------------------------------------------

    async def _nothing_new(self) -> bool:
        """Say whether all that was sent for this run is counted here: it may be carried out elsewhere too."""
        gstin = self._taxpayer.gstin
        seen = self._context.seen.get(gstin, set())
        entries = await self._context.services.find(run=self._context.run, gstin=gstin)
        return all(entry.id in seen or not entry.sent for entry in entries)

    async def _take_up(self) -> list[ImsJob]:
        """Count what other processes have sent for this run, and leave it out. Asks no gateway."""
        gstin = self._taxpayer.gstin
        seen = self._context.seen.setdefault(gstin, set())
        entries = await self._context.services.find(run=self._context.run, gstin=gstin)
        fresh = {entry.id for entry in entries} - seen
        if not fresh:
            await self._leave_out(self._context.covered.get(gstin, set()))
            self._journal_is_read = True
            return []
        found = [(entry.id, await self._job_of(entry)) for entry in entries]
        jobs = [(name, job) for name, job in found if job is not None]
        prints = [[one async for one in _prints(job.kind, job.records or ())] for _, job in jobs]
        covered = {one for of_job in prints for one in of_job}
        await self._leave_out(
            covered, then=lambda: self._tally.recount([*zip((j for _, j in jobs), prints, strict=True)])
        )
        self._context.covered[gstin] = covered
        seen |= fresh
        self._journal_is_read = True
        return [job for name, job in jobs if name in fresh]

    async def _job_of(self, entry: Change) -> ImsJob | None:
        """Return the job of a batch, or None for one with which nothing was done."""
        if entry.state is ChangeState.QUEUED:
            job = await self._follower.state.jobs.adopt(entry)
            if await job._take_over():
                return None
            if job.journal_error is not None:
                raise job.journal_error
            entry = job.change
        return (
            None if entry.state is ChangeState.CALLED_OFF else await self._follower.state.jobs.recall(entry)
        )

    async def _leave_out(self, covered: set[int], then: Callable[[], None] = lambda: None) -> None:
        """Take what is covered out of the rest, and do something else in the same breath."""
        if covered:
            left = {
                kind: [
                    record
                    for record, one in zip(records, [p async for p in _prints(kind, records)], strict=True)
                    if one not in covered
                ]
                for kind, records in self._rest.items()
            }
            self._tally.handed_in -= len(self._left()) - sum(map(len, left.values()))
            self._rest = left
        then()

    async def _finish(self, jobs: Sequence[ImsJob]) -> None:
        """See through what other processes have sent, and send again what they found to have no effect."""
        for job in jobs:
            if self._tally.is_pending(job):
                await self._follower.follow(job)
            elif job.report is not None:
                await self._follower.tell(EventKind.ENDED, job=job, report=job.report)
        for job in jobs:
            await self._follower.try_again(job)


class _Chunks:
    """The chunks of a portion, one at a time; keeps none of them, as a generator's frame would.

    What is left is cut anew where smaller ones are aimed at by then.
    """

    def __init__(self, part: TaxpayerRun, kind: JobKind) -> None:
        self._part, self._kind = part, kind
        self._chunks, self._aim = part.cut(kind), part.aim

    def __aiter__(self) -> AsyncIterator[Chunk]:
        return self

    async def __anext__(self) -> Chunk:
        if self._aim != self._part.aim:
            self._chunks, self._aim = self._part.cut(self._kind), self._part.aim
        chunk = await self._part.next_of(self._chunks)
        if chunk is None:
            raise StopAsyncIteration
        return chunk


async def _prints(kind: JobKind, records: Sequence[Record]) -> AsyncIterator[int]:
    for place, record in enumerate(records):
        if place % _PRINTS_PER_TURN == _PRINTS_PER_TURN - 1:
            await asyncio.sleep(0)
        yield hash(fingerprint(kind, record))


def _can_be_settled(job: ImsJob) -> bool:
    """Say whether a job holds the turn only since nobody knows what became of it: looking tells."""
    return job.open and not job.pollable
