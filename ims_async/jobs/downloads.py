"""Rows that come at once, in parts, or only after a wait: one taxpayer's reading of its documents."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import deque
from collections.abc import AsyncGenerator, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from ..errors import (
    ON_THE_WAY,
    OUTAGE,
    ClientClosed,
    DownloadQueued,
    GatewayError,
    InvalidInput,
    JobInFlight,
    RateLimited,
    SessionExpired,
    UnexpectedAnswer,
)
from ..gsp.base import Conversation, Part, PreparedUnreadably
from ..gsp.gstn import how_long
from ..model.records import Invoice, InvoiceList
from ..model.tokens import Download
from ..model.vocabulary import Action, Section
from ..net.credentials import Credentials
from ..steps import STEP, Steps, free_async, run_async, sliced
from .context import Services

if TYPE_CHECKING:
    from ..gsp.codec import Take

_log = logging.getLogger("ims_async")

T = TypeVar("T")

# Parts asked for while the caller works on one. Each is some hundred rows: this is what bounds the memory.
_PARTS_AHEAD: Final = 2
_TAKEN_AT_ONCE: Final = 200  # rows of some five microseconds each


class Downloads:
    """The reading of one taxpayer's documents. Waiting follows the poll policy."""

    def __init__(self, gstin: str, services: Services, credentials: Credentials) -> None:
        self._gstin, self._services, self._credentials = gstin, services, credentials
        self._gsp, self._exchange, self._policy = services.gsp, services.exchange, services.poll
        self._open: dict[str, _Begun] = {}
        self._asking = 0
        # While a logout lasts: when all that is asked for is answered, and when more may be begun.
        self._answered: asyncio.Event | None = None
        self._gate: asyncio.Event | None = None

    @contextlib.asynccontextmanager
    async def none_under_way(self, *, wait: bool) -> AsyncGenerator[None, None]:
        """Begin nothing more for a while, and see that nothing is being prepared.

        Raises `JobInFlight` where something is, or with `wait=True` waits for it, and then raises
        `DownloadQueued` past the poll policy's deadline.
        """
        self._answered, self._gate = answered, gate = asyncio.Event(), asyncio.Event()
        try:
            if self._asking:
                await answered.wait()
            if not wait and (begun := self._still_open()):
                sections = ", ".join(dict.fromkeys(download.section for download in begun))
                raise JobInFlight(
                    f"rows of {sections} of {self._gstin} are being prepared; logging out might fail that: "
                    "pass wait=True"
                )
            for download in self._still_open():
                try:
                    await self._ready(download, wait=True)
                except (GatewayError, PreparedUnreadably) as error:
                    if download.reference in self._open:
                        raise
                    _log.debug("a download broke off: %s", type(error).__name__)
            yield
        finally:
            self._gate = None
            gate.set()

    @property
    def idle(self) -> bool:
        """True where nothing is asked for, or is being prepared."""
        return not (self._asking or self._open)

    def _still_open(self) -> list[Download]:
        """Return what is, for all that is known, being prepared: nothing is so long as results are kept."""
        kept = self._services.limits.results_kept or math.inf
        self._open = {name: begun for name, begun in self._open.items() if _now() - begun.seen_at < kept}
        return [begun.download for begun in self._open.values()]

    async def begin(
        self, section: Section, status: Action | None, *, strict: bool, take: Take | None = None
    ) -> InvoiceList | Download:
        """Ask for a section: its rows, or what to wait for. Of rows that come at once `take` may get most."""
        if self._gate is not None:
            await self._gate.wait()
        self._asking += 1
        try:
            conversation = self._gsp.invoices(self._gstin, section, status, strict=strict, take=take)
            begun = await self._exchange.run(conversation, self._credentials)
            if isinstance(begun, Download):
                self._open[begun.reference] = _Begun(begun, _now(), _now())
            return begun
        finally:
            self._asking -= 1
            if self._answered is not None and not self._asking:
                self._answered.set()

    async def hand_over(self, sections: Iterable[Section], take: Take) -> set[Section]:
        """Hand all rows of some sections to `take`, few at a time; return of which some cannot be read.

        The sections are begun one after another and then waited for. What was taken before an error counts
        for nothing.
        """
        begun = {section: await self.begin(section, None, strict=False, take=take) for section in sections}
        unread: set[Section] = set()
        for section, one in begun.items():
            async with contextlib.aclosing(self.parts(one, strict=False, wait=True)) as parts:
                async for part in parts:
                    if part.problems:
                        unread.add(section)
                    await run_async(_taken(part, take))
                    await free_async(part)
                    del part  # as in `parts`
        return unread

    async def parts(
        self, begun: InvoiceList | Download, *, strict: bool, wait: bool
    ) -> AsyncGenerator[InvoiceList, None]:
        """Yield the rows part by part, a few parts ahead of the caller. Raises `DownloadQueued`."""
        if isinstance(begun, InvoiceList):
            yield begun
            return
        waiting = deque(await self._ready(begun, wait=wait))
        under_way: deque[asyncio.Task[InvoiceList]] = deque()
        try:
            while waiting or under_way:
                while waiting and len(under_way) <= _PARTS_AHEAD:
                    under_way.append(asyncio.create_task(self._part(begun, waiting.popleft(), strict)))
                rows = await under_way[0]
                under_way.popleft()
                yield rows
                del rows  # the caller is done with it: it is not kept while the next is waited for
        finally:
            await _end(under_way)

    async def collect(self, download: Download, *, strict: bool, wait: bool) -> InvoiceList:
        """Return the rows of a download that was begun before, also by another process."""
        if not isinstance(download, Download):
            kind = type(download).__name__
            raise InvalidInput(f"a {kind} is no download: pass error.download of a DownloadQueued")
        here = (self._services.kind, self._services.host, self._gstin)
        there = (download.gsp, download.host, download.gstin)
        if here != there:
            raise InvalidInput(f"this download is of {' '.join(there)}, not of {' '.join(here)}")
        return await self.whole(download, strict=strict, wait=wait)

    async def whole(self, begun: InvoiceList | Download, *, strict: bool, wait: bool) -> InvoiceList:
        """Return all rows of a section in one list, with the problems and other members of every part."""
        if isinstance(begun, InvoiceList):
            return begun
        rows = InvoiceList()
        async with contextlib.aclosing(self.parts(begun, strict=strict, wait=wait)) as parts:
            place = 0
            async for part in parts:
                place += 1
                rows += part
                rows.problems += tuple(f"part {place}: {problem}" for problem in part.problems)
                rows.other.update(part.other)
        return rows

    async def every(self, status: Action | None, *, strict: bool) -> AsyncGenerator[Invoice, None]:
        """Yield the documents of every section. What has to be prepared is begun all at once."""
        first, *rest = Section
        begun = {first: await self.begin(first, status, strict=strict)}
        if isinstance(begun[first], Download):
            tasks = [asyncio.create_task(self.begin(section, status, strict=strict)) for section in rest]
            try:
                begun.update(zip(rest, await asyncio.gather(*tasks), strict=True))
            finally:
                await _end(tasks)
            del tasks  # rows that came at once are not kept twice
        for section in Section:
            known = section in begun
            ready = begun.pop(section) if known else await self.begin(section, status, strict=strict)
            async with contextlib.aclosing(self.parts(ready, strict=strict, wait=True)) as parts:
                del ready
                async for part in parts:
                    part.reverse()
                    while part:  # used up, so that 100,000 are not freed at once
                        yield part.pop()
                        if len(part) % STEP == 0:
                            await asyncio.sleep(0)  # the caller's loop may wait for nothing
                    del part  # as in `parts`

    async def _part(self, download: Download, part: Part, strict: bool) -> InvoiceList:
        return await self._run(download, self._gsp.part(download, part, strict=strict))

    async def _ready(self, download: Download, *, wait: bool) -> Sequence[Part]:
        """Return where the rows lie, once they do.

        A poll that fails or cannot be read is absorbed, as a job's is; what ended unreadably is not.
        """
        if not wait:
            parts = await self._ask(download, retry=True)
            if parts is None:
                told = "" if download.estimate is None else f", {how_long(download.estimate)} in all"
                raise _queued(download, f"are still being prepared{told}")
            return parts
        deadline, delays, trouble = self._policy.deadline, self._policy.delays(), ""
        begun = self._open.get(download.reference)
        age = _now() - begun.at if begun else math.inf  # another process's: as old as may be
        left = (download.estimate or 0.0) - age
        if left > deadline:
            raise _queued(download, f"will take {left:.0f} s, over the deadline of {deadline:g} s")
        ends_at, delay = math.inf, max(next(delays) - age, left, 0.0)
        while True:
            await self._exchange.rest(delay)
            asked = 0.0
            try:
                parts = await self._ask(download, retry=False)
            except PreparedUnreadably:
                raise
            except (*OUTAGE, UnexpectedAnswer) as error:
                parts, trouble = None, f"; the last poll failed: {error}"
                asked = (error.retry_after or 0.0) if isinstance(error, RateLimited) else 0.0
            if parts is not None:
                return parts
            delay, ends_at = max(next(delays), asked), min(ends_at, _now() + deadline)
            if _now() + delay > ends_at:
                raise _queued(download, f"were not ready within {deadline:g} s{trouble}")

    async def _ask(self, download: Download, *, retry: bool) -> Sequence[Part] | None:
        """Ask once whether a download is ready, and note where it is not any longer being prepared."""
        self._open.setdefault(download.reference, _Begun(download, -math.inf, _now()))
        try:
            parts = await self._run(download, self._gsp.prepared(download), retry=retry)
        except (GatewayError, PreparedUnreadably) as error:
            # It broke off, is known no more, or ended unreadably; or logging out can fail it no more.
            if isinstance(error, SessionExpired) or not isinstance(error, ON_THE_WAY):
                self._open.pop(download.reference, None)
            raise
        if parts is not None:
            self._open.pop(download.reference, None)
        return parts

    async def _run(self, download: Download, conversation: Conversation[T], *, retry: bool = True) -> T:
        try:
            return await self._exchange.run(conversation, self._credentials, retry=retry)
        except ClientClosed:
            raise ClientClosed(
                f"the client was closed; the rows of {download.section} can be had by another: "
                "taxpayer.collect(error.download)",
                download=download,
            ) from None


@attrs.frozen(eq=False, repr=False)
class _Begun:
    """A download under way; when it was asked for and first seen here, in seconds of the loop's clock."""

    download: Download
    at: float
    seen_at: float


def _taken(rows: InvoiceList, take: Take) -> Steps[None]:
    for few in sliced(rows, _TAKEN_AT_ONCE):
        take(few)
        yield


async def _end(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Leave none of these tasks behind, nor an error of theirs that nobody has heard."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _queued(download: Download, how: str) -> DownloadQueued:
    return DownloadQueued(
        f"the rows of {download.section} {how}",
        advice="taxpayer.collect(error.download) has them when they are",
        estimate=download.estimate,
        download=download,
    )
