"""Ending a run early: after an error that would meet every taxpayer nothing more is sent."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator, Iterator

from ..errors import GatewayError, ImsError
from ..jobs.context import Services
from ..net.exchange import OVERSEER
from .outage import is_everybodys


class Stop:
    """What has stopped a run, if anything has: the `Overseer` of its requests.

    It hears of each request that failed, also of a poll that would be repeated.
    """

    def __init__(self) -> None:
        self._error: ImsError | None = None
        self._limits: set[asyncio.Timeout] = set()

    @property
    def reached(self) -> bool:
        """True once nothing more is sent."""
        return self._error is not None

    def check(self) -> None:
        """Raise what has stopped the run: a copy, since one object would gather the frames of all callers."""
        if self._error is None:
            return
        error = copy.copy(self._error)
        if isinstance(error, GatewayError):
            error.http_status = None  # nobody was asked
        raise error

    def failed(self, error: ImsError) -> None:
        """Hear of an error; the first that would meet every taxpayer stops the run."""
        if self._error is None and is_everybodys(error):
            self._error = copy.copy(error)
            for limit in self._limits:
                limit.reschedule(asyncio.get_running_loop().time())

    @contextlib.contextmanager
    def overseeing(self) -> Iterator[None]:
        """Oversee the requests of this task, and of all tasks and timers that it begins."""
        before = OVERSEER.set(self)
        try:
            yield
        finally:
            OVERSEER.reset(before)

    @contextlib.asynccontextmanager
    async def ending_waits(self) -> AsyncIterator[None]:
        """Break off a wait, which must lose nothing by it, where the run is stopped; raises why."""
        self.check()
        try:
            async with asyncio.timeout(None) as limit:
                self._limits.add(limit)
                yield
        except TimeoutError:
            if limit.expired():
                self.check()
            raise
        finally:
            self._limits.discard(limit)

    async def rest(self, services: Services, seconds: float) -> None:
        """Sleep for so many seconds, but not past the end of the run or the client."""
        async with self.ending_waits():
            await services.rest(seconds)
