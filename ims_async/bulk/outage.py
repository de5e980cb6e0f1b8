"""Trouble that is not one taxpayer's alone: outages are waited out, a refused account stops the run."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Final, TypeVar

from ..errors import (
    OUTAGE,
    ClientClosed,
    DownloadQueued,
    GatewayError,
    ImsError,
    JobInFlight,
    NotAuthorized,
    OtpRequired,
    QuotaExhausted,
    SessionExpired,
)
from ..jobs.context import Services
from ..jobs.facts import note_outage
from ..net.exchange import OVERSEER
from ..net.policies import RetryPolicy
from ..taxpayer import Taxpayer

_log = logging.getLogger("ims_async")

_PROBES: Final = RetryPolicy(max_tries=1000, initial=15.0, max_interval=120.0)
MOST_TRIES: Final = 3

T = TypeVar("T")


class OutageGate:
    """Lets changes pass while the gateway answers: a circuit breaker for each taxpayer, and one for all.

    A taxpayer whose request failed sends nothing until a read of its own is answered: what is sent in an
    outage may be lost, and is then not known for up to `quiet` seconds. Two taxpayers that fail, with no
    answer to anybody in between, close the gate for all, until a read of any of them is answered.
    """

    def __init__(
        self, services: Services, rest: Callable[[float], Awaitable[None]], *, max_outage: float
    ) -> None:
        self._services, self._rest, self.max_outage = services, rest, max_outage
        self._failing: set[str] = set()
        self._in_vain: dict[str, tuple[float, float]] = {}
        """Since when, and until when, the answer of a taxpayer that failed alone was waited for last."""
        self._since_an_answer: set[str] = set()
        self._probing = asyncio.Lock()
        self._delays: Iterator[float] = iter(())
        self._since = 0.0
        self._given_up: tuple[float, ImsError] | None = None
        """When an outage was found to have lasted too long, and what the gateway said then."""

    @property
    def closed(self) -> bool:
        """True while it is not only one taxpayer's requests that fail."""
        return len(self._since_an_answer) > 1

    def failed(self, taxpayer: Taxpayer) -> None:
        """Note that a request failed."""
        was_closed = self.closed
        self._failing.add(taxpayer.gstin)
        self._since_an_answer.add(taxpayer.gstin)
        if self.closed and not was_closed:
            self._delays, self._since = _PROBES.delays(), self._services.clock()
            self._given_up = None

    def answered(self, taxpayer: Taxpayer) -> None:
        """Note that a request was answered."""
        self._failing.discard(taxpayer.gstin)
        self._in_vain.pop(taxpayer.gstin, None)
        self._since_an_answer.clear()

    async def wait_for_answer(self, taxpayer: Taxpayer) -> None:
        """Return when the gateway is known to answer. Raises its error after `max_outage` seconds."""
        delays, now = _PROBES.delays(), self._services.clock()
        since, given_up = self._in_vain.get(taxpayer.gstin, (now, now))
        if now - given_up > _PROBES.max_interval:  # nobody has asked since then: it may be another outage
            since = now
        while self.closed or taxpayer.gstin in self._failing:
            if not self.closed:
                try:
                    await self._probe(taxpayer, delays, since)
                except OUTAGE:  # what is asked next waits no longer
                    self._in_vain[taxpayer.gstin] = since, self._services.clock()
                    raise
                continue
            async with self._probing:  # one after another asks for all: one of them alone may be the trouble
                if self.closed:
                    await self._probe_for_all(taxpayer)

    async def _probe_for_all(self, taxpayer: Taxpayer) -> None:
        """Probe; those that waited as well get the last error, or each would wait for one more answer."""
        if self._given_up and self._services.clock() - self._given_up[0] < _PROBES.max_interval:
            raise copy.copy(self._given_up[1])
        try:
            await self._probe(taxpayer, self._delays, self._since)
        except OUTAGE as error:
            self._given_up = self._services.clock(), copy.copy(error)
            raise

    async def _probe(self, taxpayer: Taxpayer, delays: Iterator[float], since: float) -> None:
        left = since + self.max_outage - self._services.clock()
        delay = next(delays, _PROBES.max_interval)
        await self._rest(max(min(delay, left), 0.0))
        late = delay >= left
        try:
            await taxpayer.counts()
        except OUTAGE as error:
            self.failed(taxpayer)
            _log.info("the gateway does not answer yet: %s", type(error).__name__)
            if late:
                note_outage(error, self._services.host, self._services.clock() - since)
                raise
        except GatewayError as error:
            if error.http_status is None:  # nobody was asked: it has no session, say
                raise
            self.answered(taxpayer)  # it answers; a refusal is reported when the change is sent
        else:
            self.answered(taxpayer)

    async def through(self, taxpayer: Taxpayer, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask something that may be asked again, waiting out the trouble that time may heal."""
        tries = 0
        while True:
            await self.wait_for_answer(taxpayer)
            tries += 1
            try:
                return await ask()
            except OUTAGE:
                self.failed(taxpayer)
                if tries == MOST_TRIES:
                    raise
            except JobInFlight as error:
                if error.job is not None and error.job._poller.unanswered:  # it was waited for in vain
                    self.failed(taxpayer)
                raise
            except DownloadQueued as error:
                cannot_be_had = error.token is not None and error.download is None
                if tries == MOST_TRIES or cannot_be_had:
                    raise
                await self._rest(error.estimate or _PROBES.max_interval)


def is_everybodys(error: Exception) -> bool:
    """Say whether an error would meet every taxpayer: to ask once more for each of them would only cost.

    A spent quota, a refused credential of the account, a closed client are such. A taxpayer's session is not,
    whatever the HTTP status that its end comes with.
    """
    if isinstance(error, OtpRequired | SessionExpired):
        return False
    return isinstance(error, QuotaExhausted | ClientClosed) or (
        isinstance(error, NotAuthorized) and error.of_account
    )


class Stop:
    """What has stopped a run, if anything has: after an error that would meet every taxpayer nothing is sent.

    As the `Overseer` of its requests it hears of each that failed, also of a poll that would be repeated.
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
