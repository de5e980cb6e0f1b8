"""A run: many taxpayers' decisions, so many taxpayers at a time, each one's trouble its own."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import functools
import logging
import secrets
from collections.abc import AsyncGenerator, Collection, Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

from ..client import ImsClient
from ..errors import InvalidInput, JournalError, NotAuthorized
from ..jobs.poller import ending_in_outage
from ..journal.location import default_journal
from ..steps import free_async
from ..taxpayer import Taxpayer
from .concurrency import Slot, State, Stream
from .inputs import Portion, Source
from .job_follower import JobFollower, RunContext
from .outage import is_everybodys
from .report import BulkEvent, BulkReport, EventKind, Progress
from .tally import Tally
from .taxpayer_run import TaxpayerRun

_log = logging.getLogger("ims_async")

_AT_ONCE: Final = 1000
_AT_ONCE_OF_A_STREAM: Final = 100
_KEEP_ALIVE_EVERY: Final = 120.0  # seconds
_LONGEST_NAME: Final = 100
_NAMED: Final = 3  # GSTINs
_UNDER_WAY: Final[WeakKeyDictionary[ImsClient, set[str]]] = WeakKeyDictionary()
"""The names of the runs that each client carries out now."""


class BulkRun(Stream[BulkEvent, BulkReport]):
    """Many taxpayers' decisions under way. Await it for its `BulkReport`, or iterate over its events.

    `run` is its name: another call with the same name and the same decisions goes on where this one ended,
    however it ended. Cancelling loses nothing: what was sent is in the journal, and `report` says how far it
    came.
    """

    def __init__(
        self,
        context: RunContext,
        source: Source,
        concurrency: int | None,
        part: type[JobFollower] = TaxpayerRun,
    ) -> None:
        usual = _AT_ONCE_OF_A_STREAM if source.endless else _AT_ONCE
        super().__init__(usual if concurrency is None else concurrency, context.services.loop_owner)
        self._context, self._source, self._part = context, source, part
        self._tallies: dict[str, Tally] = {}
        self._taxpayers: dict[str, Taxpayer] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._before: Collection[str] = ()
        """The GSTINs of which the run has sent something before."""
        self._all_known = True
        """False where some of the journal cannot be read: there may be others."""
        self._finished: set[str] = set()
        self._counted: dict[str, tuple[int, int]] = {}
        self._handed_in = self._known = 0
        self._sessions_reported: set[str] = set()
        self._reporting: set[asyncio.Task[None]] = set()

    @property
    def run(self) -> str:
        """The name of the run."""
        return self._context.run

    @property
    def report(self) -> BulkReport:
        """What became of each decision, as far as it is known; it adds up at any moment."""
        parts = {gstin: tally.report() for gstin, tally in self._tallies.items()}
        return BulkReport(run=self.run, taxpayers=parts, begun=self._state is not State.NOT_BEGUN)

    def __repr__(self) -> str:
        asked = (who.gstin if isinstance(who, Taxpayer) else str(who) for who in self._source.asked)
        gstins = list(dict.fromkeys([*asked, *self._tallies]))
        more = f" and {len(gstins) - _NAMED:,} more" if len(gstins) > _NAMED else ""
        named = f"{', '.join(gstins[:_NAMED])}{more}"
        finished = f", {len(self._finished):,} finished" if self._state is State.UNDER_WAY else ""
        return f"<BulkRun {self.run} of {named or 'no GSTIN yet'}: {self._state}{finished}>"

    async def _carry_out(self) -> None:
        context = self._context
        under_way = _UNDER_WAY.setdefault(context.client, set())
        if self.run in under_way:
            raise InvalidInput(f"run {self.run} is under way with this client: wait for it, or name another")
        if context.journal:
            context.services.keep_in(context.journal)
        elif context.journal is None and context.client.journal is None:
            context.services.keep_in(default_journal())
        under_way.add(self.run)
        try:
            with context.stop.overseeing(), ending_in_outage(context.max_outage):
                await self._work_on_all()
        finally:
            under_way.discard(self.run)

    async def _work_on_all(self) -> None:
        keeper = asyncio.create_task(self._keep_sessions_alive())
        try:
            await self._work_on(self._portions(), self._work)
            await asyncio.gather(*self._reporting)
        finally:
            for task in (keeper, *self._reporting):
                task.cancel()
            await asyncio.gather(keeper, *self._reporting, return_exceptions=True)

    async def _portions(self) -> AsyncGenerator[Portion, None]:
        """Yield what is asked for, then what the journal knows of besides."""
        before = self._before = await self._in_the_journal()
        async with contextlib.aclosing(self._source.portions) as portions:
            async for portion in portions:
                yield portion
                del portion
                if self._context.stop.reached and self._source.endless:
                    break  # all others are reported as not sent
        for gstin in before:
            if gstin not in self._tallies:
                yield Portion(gstin, self._context.client.taxpayer(gstin, check=False), last=True)
        wanted = self._context.statement
        if self._source.endless and wanted is not None and not wanted.always:
            for gstin, taxpayer in list(self._taxpayers.items()):  # of which nobody knew what would come
                yield Portion(gstin, taxpayer, last=True)

    async def _in_the_journal(self) -> Collection[str]:
        """Return whose decisions were sent before; what cannot be read is reported by its taxpayer's part."""
        context = self._context
        try:
            now = (await context.services.journal.now()).revision
            context.since = now if context.since is None else min(context.since, now)  # it may be another's
            changes: Sequence[Any] = await context.services.find(run=self.run) if context.named else ()
        except JournalError as error:
            changes, self._all_known = error.readable, False
        return dict.fromkeys(change.token.gstin for change in changes)

    async def _work(self, portion: Portion, slot: Slot) -> None:
        tally = self._tallies.setdefault(portion.gstin, Tally(portion.gstin))
        begun, records = False, None
        try:
            async with self._turns.setdefault(portion.gstin, asyncio.Lock()):
                self._finished.discard(portion.gstin)
                records = portion.records = tally.hand_in(portion.records)
                await self._notify(tally, EventKind.STARTED)
                if portion.taxpayer is not None:
                    self._taxpayers[portion.gstin], begun = portion.taxpayer, True
                    part = self._part(
                        context=self._context,
                        taxpayer=portion.taxpayer,
                        portion=portion,
                        tally=tally,
                        slot=slot,
                        notify=functools.partial(self._notify, tally),
                    )
                    await part.carry_out()
        finally:
            if not begun:
                may_be_sent = portion.gstin in self._before or not self._all_known
                if records is None:  # its turn has not come
                    records = tally.hand_in(portion.records)
                tally.stopped(portion.problem)
                tally.not_sent(records, certain=portion.taxpayer is None or not may_be_sent)
        self._finished.add(portion.gstin)
        await self._notify(tally, EventKind.FINISHED, error=tally.error)
        await free_async(records)  # this run's own list: what a stream has given may be held by nobody else

    # -- events ---------------------------------------------------------------------------------------------

    async def _keep_sessions_alive(self) -> None:
        """Renew the sessions that come near their end, as long as the run goes on; report each that ended.

        A refresh is authorised by the dying session itself: one that was let die needs a person with a phone.
        They are all of a mapping's, of a stream those that came by.
        """
        while True:
            for taxpayer in {*self._source.known(), *self._taxpayers.values()}:
                try:
                    await taxpayer.keep_alive()
                except Exception as error:  # noqa: BLE001 # one's store, say, must not cost the others theirs
                    if is_everybodys(error):
                        return
                    if isinstance(error, NotAuthorized):
                        self._session_ended(taxpayer, error)
                    else:
                        _log.warning("a session could not be renewed yet: %s", type(error).__name__)
            await self._context.services.rest(_KEEP_ALIVE_EVERY)

    def _session_ended(self, taxpayer: Taxpayer, error: NotAuthorized) -> None:
        """Report it in a task of its own: a slow listener must not cost the others their sessions."""
        if taxpayer.gstin not in self._sessions_reported:
            tally = self._tallies.get(taxpayer.gstin) or Tally(taxpayer.gstin)
            task = asyncio.create_task(self._notify(tally, EventKind.SESSION_ENDED, error=error))
            self._reporting.add(task)
            task.add_done_callback(self._reporting.discard)

    async def _notify(self, tally: Tally, kind: EventKind, **facts: Any) -> None:
        """Report an event; the end of a session once."""
        if kind is EventKind.SESSION_ENDED:
            if tally.gstin in self._sessions_reported:
                return
            self._sessions_reported.add(tally.gstin)

        def event() -> BulkEvent:
            outcome = tally.report() if kind is EventKind.FINISHED else None
            progress = self._progress(tally)
            return BulkEvent(kind=kind, gstin=tally.gstin, progress=progress, outcome=outcome, **facts)

        await self._put(event)

    def _progress(self, tally: Tally) -> Progress:
        """Return how far it all is, of which this one has moved on."""
        handed_in, known = self._counted.get(tally.gstin, (0, 0))
        self._counted[tally.gstin] = tally.handed_in, tally.known
        self._handed_in += tally.handed_in - handed_in
        self._known += tally.known - known
        return Progress(
            taxpayers=len(self._tallies),
            finished=len(self._finished),
            handed_in=self._handed_in,
            known=self._known,
            total_taxpayers=self._source.taxpayers,
            total_decisions=self._source.decisions,
        )


def new_name(now: float) -> str:
    """Return a name for a run that begins now (epoch seconds): its time in UTC, and some letters."""
    moment = dt.datetime.fromtimestamp(now, dt.UTC)
    return f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def checked_name(run: str) -> str:
    """Return the name of a run. Raises `InvalidInput` for what is no name."""
    if not isinstance(run, str) or not run.strip() or not run.isprintable() or len(run) > _LONGEST_NAME:
        raise InvalidInput(f"run {run!r:.120} is no name: pass a text of 1 to {_LONGEST_NAME} characters")
    return run
