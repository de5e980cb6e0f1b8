"""Work on many things at once that can be awaited, or followed event by event."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Iterator
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from ..errors import InvalidInput
from ..loop_owner import LoopOwner, on_one_loop
from .outage import Stop

E = TypeVar("E")
P = TypeVar("P")
R = TypeVar("R")
T = TypeVar("T")

_LEAST_LENT: Final = 16
_EVENTS_AHEAD: Final = 16  # each may carry a chunk's records
TO_BEGIN: Final = "`await` it for its report, or follow it with `async for`"
"""How a run is begun."""


class State(StrEnum):
    """How far a run is."""

    NOT_BEGUN = "not begun"
    UNDER_WAY = "under way"
    BROKEN_OFF = "broken off"
    ENDED = "ended"


class Slot:
    """One of a stream's places. It can be lent before the work is done: what only waits for a late moment
    must not keep others from working. As many may be lent as there are places.
    """

    def __init__(self, stream: Stream[Any, Any]) -> None:
        self._stream = stream
        self._lent = False

    def lend(self) -> None:
        """Let somebody else work at it, for good, unless too many have done so."""
        if not self._lent and self._stream._to_lend:
            self._stream._to_lend -= 1
            self._lent = True
            self._stream._free.release()

    def leave(self) -> None:
        """Give it up."""
        if self._lent:
            self._stream._to_lend += 1
        else:
            self._stream._free.release()


@on_one_loop
class Stream(abc.ABC, Generic[E, R]):
    """Await it for its result, or iterate over its events; either carries it out, once."""

    _unused = False  # of one that could not be made there is nothing to say

    def __init__(self, concurrency: int, loop_owner: LoopOwner) -> None:
        if not isinstance(concurrency, int) or isinstance(concurrency, bool) or concurrency < 1:
            raise InvalidInput(f"concurrency {concurrency!r} must be a whole number of taxpayers, at least 1")
        self._free = asyncio.Semaphore(concurrency)
        self._to_lend = max(concurrency, _LEAST_LENT)
        self._events: asyncio.Queue[E] | None = None
        self._state, self._loop_owner = State.NOT_BEGUN, loop_owner
        self._unused = True

    def __del__(self) -> None:
        """Warn, as of a coroutine, of one that was never awaited: nothing was sent."""
        if self._unused:
            said = f"{type(self).__name__} was never awaited: nothing of it was carried out"
            warnings.warn(f"{said}; {TO_BEGIN}", RuntimeWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._state}>"

    @property
    @abc.abstractmethod
    def report(self) -> R:
        """What is known so far; the result, once it was carried out."""

    @abc.abstractmethod
    async def _carry_out(self) -> None:
        """Do the work."""

    def __await__(self) -> Generator[Any, None, R]:
        return self._awaited().__await__()

    async def _awaited(self) -> R:
        with self._begun():
            await self._carry_out()
        return self.report

    async def __aiter__(self) -> AsyncGenerator[E, None]:
        """Yield events as they happen. To stop listening stops the run, at the latest when the iterator is
        closed (`contextlib.aclosing`); what was sent by then is in the journal.
        """
        with self._begun():
            events = self._events = asyncio.Queue(_EVENTS_AHEAD)
            work = asyncio.create_task(self._carry_out())
            coming: list[asyncio.Task[E]] = []
            try:
                while not (work.done() and events.empty()):
                    coming.append(asyncio.create_task(events.get()))
                    await asyncio.wait([*coming, work], return_when=asyncio.FIRST_COMPLETED)
                    if coming[0].done():
                        yield coming.pop().result()  # kept by nobody: it may carry many records
                    else:
                        break  # nothing more will come
                await work
            finally:
                await _stopped([*coming, work])

    @contextlib.contextmanager
    def _begun(self) -> Iterator[None]:
        """Begin it, which can be done once, and keep its state. Raises `InvalidInput`, `WrongEventLoop`."""
        self._unused = False  # also if it is refused, which says enough
        self._loop_owner.check()
        if self._state is not State.NOT_BEGUN:
            raise InvalidInput(
                "a run is carried out once, and its `report` has what came of it; "
                "begin another, by its name, to go on with one that broke off"
            )
        self._state = State.UNDER_WAY
        try:
            yield
        except BaseException:
            self._state = State.BROKEN_OFF
            raise
        self._state = State.ENDED

    async def _put(self, event: Callable[[], E]) -> None:
        """Pass an event to the listener, if there is one; a slow listener slows the work down."""
        if self._events is not None:
            await self._events.put(event())

    async def _work_on(
        self, things: AsyncGenerator[P, None], work: Callable[[P, Slot], Awaitable[None]]
    ) -> None:
        """Work on things, so many at a time; the next one is asked for when there is a place for it.

        Where asking fails, what is under way is finished before the error is raised.
        """
        tasks: set[asyncio.Task[None]] = set()
        failures: list[BaseException] = []

        async def one(thing: P, slot: Slot) -> None:
            try:
                await work(thing, slot)
            finally:
                slot.leave()

        def ended(task: asyncio.Task[None]) -> None:
            tasks.discard(task)
            if not task.cancelled() and (failure := task.exception()) is not None:
                failures.append(failure)

        try:
            try:
                while not failures:
                    await self._free.acquire()
                    task = asyncio.create_task(one(await anext(things), Slot(self)))
                    tasks.add(task)
                    task.add_done_callback(ended)
                    await asyncio.sleep(0)  # where places and things are at hand, nothing above has waited
            except StopAsyncIteration:
                pass
            except Exception as error:  # noqa: BLE001 # the source's: what is under way is finished first
                failures.append(error)
            while tasks:
                await asyncio.wait(tasks)
            if failures:
                raise failures[0]
        finally:
            await _stopped(tasks)
            await things.aclose()


async def _stopped(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel what still runs, and wait for it; what it raised was raised to those who awaited it."""
    running = [task for task in tasks if not task.done()]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def for_each(things: Iterable[T], work: Callable[[T], Awaitable[None]], *, at_once: int) -> None:
    """Work on all of them, so many at a time; the first error stops the others, and is raised.

    So does one that would meet every taxpayer, even where the work would get over it. For reads: what is
    under way is broken off.
    """
    left, stop = iter(things), Stop()

    async def worker() -> None:
        for thing in left:
            await work(thing)

    with stop.overseeing():
        workers = [asyncio.create_task(worker()) for _ in range(at_once)]
    try:
        async with stop.ending_waits():
            await asyncio.gather(*workers)
    finally:
        await _stopped(workers)
