"""Processes that can be killed at any instant, on one journal and before one gateway, in virtual time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextvars import ContextVar, copy_context
from typing import Any, TypeVar

from ims_async import ImsClient, ImsJob, JournalError
from ims_async.gsp.base import Gsp
from ims_async.journal import Change, Claim, Journal, Now, Query
from ims_async.journal.base import EVERYTHING
from ims_async.model.records import Record

from .job_truth import Batch, Truth

T = TypeVar("T")

START = 1_760_000_000.0  # epoch seconds
_PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)
_BATCH: ContextVar[Batch | None] = ContextVar("batch", default=None)


class Killed(BaseException):
    """What a call of a dead process meets: it never comes back. Not even its `except Exception` sees it."""


class _Selector(selectors.DefaultSelector):
    """Jumps to the next timer."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("everybody waits, and nothing will ever happen")
        self.now += max(timeout, 0.0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose hours cost nothing; each task belongs to the process that began it."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)
        self.set_task_factory(_owned)

    def time(self) -> float:
        return self._virtual.now

    def now(self) -> float:
        """Return the wall clock's time, in epoch seconds."""
        return START + self.time()


def _owned(loop: asyncio.AbstractEventLoop, coro: Any, context: Any = None) -> asyncio.Future[Any]:
    task = asyncio.Task(coro, loop=loop, context=context)
    process = _PROCESS.get() if context is None else context.get(_PROCESS)
    if process is not None:
        process.tasks.add(task)
        task.add_done_callback(process.ended)
    return task


class Process:
    """One client, and all that would die with it."""

    def __init__(self, gsp: Gsp, truth: Truth, loop: VirtualLoop, journal: Journal) -> None:
        self.truth, self.loop, self.alive = truth, loop, True
        self.fuse: int | None = None
        """After so many more instants it dies."""
        self.unreachable = 0
        """So many more requests never leave."""
        self.failing = 0
        """So many more uses of the journal fail."""
        self.written = False
        """What fails is done all the same, as where a disk has it and its answer is lost."""
        self.tasks: set[asyncio.Task[Any]] = set()
        self.jobs: list[ImsJob] = []
        self.journal = Kept(journal, self)
        self.client = ImsClient(gsp, transport=Way(self), journal=self.journal, clock=loop.now)

    def instant(self) -> None:
        """Pass one of the instants at which a process can die: the world before it and after it differ."""
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse <= 0:
                self.die()
        if not self.alive:
            raise Killed

    def die(self) -> None:
        """Be killed: whatever it calls from now on comes to nothing."""
        self.truth.kills += self.alive
        self.alive = False

    def spawn(self, work: Coroutine[Any, Any, None], batch: Batch | None = None) -> asyncio.Task[None]:
        """Begin something in this process, on behalf of a batch."""
        context = copy_context()
        context.run(_PROCESS.set, self)
        context.run(_BATCH.set, batch)
        return self.loop.create_task(work, context=context)

    def ended(self, task: asyncio.Task[Any]) -> None:
        """Forget a task; what it died of is of no interest where the process was killed."""
        self.tasks.discard(task)
        if not self.alive and not task.cancelled():
            task.exception()

    def learn(self, job: ImsJob | None) -> None:
        """Keep a handle, as a program would."""
        if job is not None and job not in self.jobs:
            self.jobs.append(job)

    async def bury(self) -> None:
        """End what a kill would have ended."""
        self.die()
        while self.tasks:
            for task in list(self.tasks):
                task.cancel()
            await asyncio.wait(list(self.tasks))


class Way:
    """The way to the gateway. It notes which batch had what sent, and what the gateway made of it."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def handle(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Hand a request to the simulator, unless it does not get that far."""
        process, truth = self._process, self._process.truth
        process.instant()
        if process.unreachable:
            process.unreachable -= 1
            raise ConnectionRefusedError
        jobs, asked = len(truth.sim.jobs), len(truth.sim.returns.regenerations)
        try:
            return truth.sim.handle(method, path, headers, body)
        finally:
            made = [one.reference for one in truth.sim.returns.regenerations[asked:]]
            truth.note_request(_BATCH.get(), truth.sim.requests[-1], truth.sim.jobs[jobs:], made)
            process.instant()


class Kept:
    """A journal as one process sees it: the process may die before what it asks is done, and after it."""

    def __init__(self, journal: Journal, process: Process) -> None:
        self._journal, self._process = journal, process

    async def add(self, change: Change, records: Sequence[Record]) -> Change:
        """Note whose batch it is, and pass it on."""
        batch = _BATCH.get()
        assert batch is not None
        self._process.truth.added(batch, change.id, tuple(records))
        stored = await self._do(lambda: self._journal.add(change, records), change)
        if batch.edited:
            self._process.truth.edit(change.token.gstin, records[0])
        return stored

    async def claim(self, change: Change, *, since: int | None = None) -> Claim:
        """Pass it on."""
        return await self._do(lambda: self._journal.claim(change, since=since), change)

    async def put(self, change: Change) -> Change | None:
        """Pass it on."""
        return await self._do(lambda: self._journal.put(change), change)

    async def find(self, query: Query = EVERYTHING) -> Sequence[Change]:
        """Pass it on."""
        return await self._do(lambda: self._journal.find(query))

    async def records(self, change_id: str) -> Sequence[Record]:
        """Pass it on."""
        return await self._do(lambda: self._journal.records(change_id))

    async def now(self) -> Now:
        """Pass it on."""
        return await self._do(self._journal.now)

    async def aclose(self) -> None:
        """Pass it on."""
        await self._do(self._journal.aclose)

    async def _do(self, ask: Callable[[], Coroutine[Any, Any, T]], write: Change | None = None) -> T:
        """Ask. As with a file, what was asked is done, also when whoever asked is cancelled meanwhile."""
        process = self._process
        fails, written = process.failing > 0, process.written
        if fails:
            process.failing -= 1
            batch = None if write is None else process.truth.of_change(write.id)
            if batch is not None:
                batch.unwritten = True

        async def done() -> T:
            process.instant()
            if fails and not written:
                raise JournalError("no space is left on the device")
            return await ask()

        process.instant()
        result = await asyncio.shield(asyncio.create_task(done()))
        process.instant()
        await asyncio.sleep(0)
        if fails:
            raise JournalError("the disk does not answer")
        return result
