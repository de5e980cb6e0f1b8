"""The door: one client for one GSP account and any number of taxpayers."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import time
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from .credentials import CredentialStore, MemoryCredentialStore
from .errors import InvalidInput, JournalError
from .exchange import Exchange
from .handles import Services
from .job import ImsJob
from .journal import Entry, Journal, Phase
from .journal.entry import OPEN
from .pacing import Pacer, RateLimit
from .retry import PollPolicy, RetryPolicy
from .rules import RulePolicy
from .secret import Secret
from .session import AccountCredential
from .status import JobToken
from .taxpayer import Taxpayer
from .taxpayer_state import Remembered, TaxpayerState
from .transport import AiohttpTransport, Handler, MemoryTransport, Timeouts, Transport
from .vocabulary import parse_gstin
from .wire import Gsp

if TYPE_CHECKING:
    import aiohttp


class ImsClient:
    """A client for one GSP account: one pool of connections, one limiter, any number of taxpayers.

    Use it as an async context manager; entering does no I/O. `session` is the caller's own
    `aiohttp.ClientSession` and is never closed here; `transport` is another way out altogether, for
    example a simulator's. `rate=None` sets no budget: only the gateway's hints are obeyed (up to the retry
    policy's `max_hint`). `rules` changes how strict the offline checks are. With a `journal`, every batch is
    written down before it is sent, and every step of its job: whatever happens to this process, `unfinished`
    and `finished` tell the next one. It is closed with the client, and opens again where another uses it.
    `credentials` is told of each new token. `trust_env` takes proxies from the environment. `clock`
    gives seconds since the epoch.
    """

    def __init__(
        self,
        gsp: Gsp,
        *,
        journal: Journal | None = None,
        poll: PollPolicy | None = None,
        retry: RetryPolicy | None = None,
        rate: RateLimit | None = None,
        rules: RulePolicy | None = None,
        credentials: CredentialStore | None = None,
        session: aiohttp.ClientSession | None = None,
        transport: Transport | Handler | None = None,
        timeouts: Timeouts | None = None,
        trust_env: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not isinstance(gsp, Gsp):
            raise InvalidInput(
                f"the first argument is of type {type(gsp).__name__}: pass a GSP, with its key and secret"
            )
        if session is not None and transport is not None:
            raise InvalidInput("pass session or transport, not both")
        way = transport or AiohttpTransport(
            session=session, timeouts=timeouts, trust_env=trust_env, clock=clock
        )
        exchange = Exchange(
            gsp,
            way if isinstance(way, Transport) else MemoryTransport(way, clock=clock),
            retry=retry or RetryPolicy(),
            pacer=Pacer(rate, clock=clock),
            clock=clock,
        )
        store = credentials or MemoryCredentialStore()
        self._services = Services(
            gsp=gsp,
            exchange=exchange,
            account=AccountCredential(exchange, gsp, store, clock),
            store=store,
            poll=poll or PollPolicy(),
            clock=clock,
            journal=None if journal is None else _checked(journal),
            rules=rules,
        )
        self._taxpayers = _Registry(self._services)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def taxpayer(self, gstin: str, *, token: str | None = None, check: bool = True) -> Taxpayer:
        """Return the taxpayer of a GSTIN, the same object each time for as long as anybody holds it. No I/O.

        `token` is a session of the taxpayer that was had elsewhere, as the GSP names it (an access token, a
        session id); without one, log in with an OTP. Raises `InvalidInput` for a GSTIN with a wrong
        checksum; test hosts use such ones: `check=False`.
        """
        given = None if token is None else Secret(token)
        del token  # what reports errors with local variables would show it
        name = parse_gstin(gstin, what="the taxpayer's GSTIN") if check else str(gstin).strip().upper()
        if not name:
            raise InvalidInput("the taxpayer's GSTIN is empty")
        taxpayer = self._taxpayers[name]
        if given is not None:
            taxpayer.use_token(given.reveal())
        return taxpayer

    @property
    def gsp(self) -> Gsp:
        """The GSP that it talks to."""
        return self._services.gsp

    @property
    def journal(self) -> Journal | None:
        """Where its batches are written down."""
        return self._services.journal

    def now(self) -> float:
        """The time by the client's clock, in seconds since the epoch."""
        return self._services.clock()

    def keep_in(self, journal: Journal) -> None:
        """Write batches down from now on, where the client has no journal yet. Raises `InvalidInput`."""
        if self._services.journal not in (None, journal):
            raise InvalidInput("the client has a journal of its own: use that one, or another client")
        self._services.journal = _checked(journal)

    async def rest(self, seconds: float) -> None:
        """Sleep for so many seconds, but not past the end of the client. Raises `ClientClosed` then."""
        await self._services.exchange.rest(seconds)
        self._services.exchange.check_open()

    def resume(self, token: JobToken | str) -> ImsJob:
        """Return a handle on the job of a token, from this process or another. No I/O.

        Raises `InvalidInput` for a token of another GSP or host.
        """
        known = token if isinstance(token, JobToken) else JobToken.loads(token)
        here = (self._services.gsp.kind, self._services.host)
        if (known.gsp, known.host) != here:
            raise InvalidInput(
                f"this job was submitted to {known.gsp} at {known.host}; "
                f"this client talks to {here[0]} at {here[1]}"
            )
        return self.taxpayer(known.gstin, check=False).resume(known)

    async def unfinished(self) -> list[ImsJob]:
        """Return the jobs of which it is not known what became, and with a journal those of the past.

        `await` those with a `reference_id`; settle the others with `taxpayer.reconcile(job)`. A batch whose
        process ended while it waited for its turn is not `sent`: reconciling it says so at once, and
        `taxpayer.retry(job.report)` sends it. Jobs of other processes that use the journal are told as well,
        those that run at this moment too: awaiting them does no harm. Raises `JournalError`, the jobs that
        could be read in its `readable`.
        """
        if self._services.journal is None:
            return self._unfinished()
        try:
            entries: Sequence[Entry] = await self._services.journal.entries(
                gsp=self._services.gsp.kind, host=self._services.host, phases=tuple(OPEN)
            )
        except JournalError as error:
            with contextlib.suppress(JournalError):  # the first is told
                await self._sync([entry for entry in error.readable if isinstance(entry, Entry)])
            raise JournalError(str(error), readable=self._unfinished()) from error
        await self._sync(entries)
        return self._unfinished()

    def _unfinished(self) -> list[ImsJob]:
        return [job for taxpayer in self._taxpayers.values() for job in taxpayer.unfinished()]

    async def _sync(self, entries: Iterable[Entry]) -> None:
        by_gstin: dict[str, list[Entry]] = {}
        for entry in entries:
            by_gstin.setdefault(entry.token.gstin, []).append(entry)
        found = [self.taxpayer(gstin, check=False) for gstin in by_gstin]  # held, or they might be let go
        for taxpayer in dict.fromkeys([*self._taxpayers.values(), *found]):
            await taxpayer.sync(by_gstin.get(taxpayer.gstin, []))

    async def batches_of(self, run: str, gstin: str | None = None) -> Sequence[Entry]:
        """Return what the journal knows of a bulk run, all or one taxpayer's, in the order of handing in.

        Raises `JournalError`, with what could be read in its `readable`.
        """
        if self._services.journal is None:
            return []
        return await self._services.journal.entries(
            gsp=self._services.gsp.kind, host=self._services.host, gstin=gstin, run=run
        )

    def knows(self, gstin: str) -> bool:
        """Say whether it has this taxpayer already."""
        return gstin in self._taxpayers

    async def finished(
        self, *, since: dt.datetime | None = None, retried: bool | None = None
    ) -> AsyncGenerator[ImsJob, None]:
        """Yield the jobs that the journal knows to have ended, each with its `report`, records and all.

        `since` leaves out what ended before that moment; `retried=False` leaves out those whose report was
        given to `taxpayer.retry`, and `True` all others. After a crash this finds the reports that nobody
        lived to read. Without a journal there are none. Raises `JournalError` for what cannot be read, when
        all the rest was told, and `InvalidInput` for a `since` without a time zone.
        """
        if since is not None and (not isinstance(since, dt.datetime) or since.tzinfo is None):
            raise InvalidInput(
                f"since={since!r} is no time with a zone: pass datetime(2026, 11, 1, tzinfo=UTC)"
            )
        if self._services.journal is None:
            return
        problems: list[str] = []
        try:
            entries: Sequence[Any] = await self._services.journal.entries(
                gsp=self._services.gsp.kind, host=self._services.host, phases=(Phase.ENDED,), since=since
            )
        except JournalError as error:
            entries = error.readable
            problems.append(str(error))
        for entry in entries:
            if retried is not None and entry.retried is not retried:
                continue
            try:
                job = await self.taxpayer(entry.token.gstin, check=False).recall(entry)
            except JournalError as error:
                problems.append(str(error))
            else:
                yield job
        if problems:
            raise JournalError("; ".join(problems))

    async def sign_out(self) -> None:
        """End the account's own token at the GSP, where it gives out only so many.

        The next call logs in again, where the GSP was given what that takes. Closing does not do it: another
        process may use the token, by way of a credential store. Raises `JobInFlight` while a job of this
        client runs or is being sent, `NotSupported` where the GSP has no such call.
        """
        for taxpayer in self._taxpayers.values():
            taxpayer.refuse_if_busy("signing out might cost a running job's outcome: wait for it first")
        await self._services.account.sign_out()

    async def aclose(self) -> None:
        """Close: waiters get `ClientClosed` with their tokens; nobody is logged out."""
        self._services.exchange.stop()
        try:
            await asyncio.gather(*(taxpayer.aclose() for taxpayer in self._taxpayers.values()))
            await self._services.account.aclose()
        finally:
            await self._services.exchange.aclose()
            if self._services.journal is not None:
                await self._services.journal.aclose()


class _Registry:
    """The taxpayers of a client, one object for each GSTIN.

    Those that nobody holds, and of which nothing is under way, are let go: of these only the session and
    the references of their jobs are kept. Each new one has two of the others looked at.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._held: weakref.WeakValueDictionary[str, Taxpayer] = weakref.WeakValueDictionary()
        self._states: dict[str, TaxpayerState] = {}
        self._looked_at: deque[str] = deque()  # the longest ago first
        self._idle: dict[str, Remembered | None] = {}

    def __contains__(self, gstin: object) -> bool:
        return gstin in self._states or gstin in self._idle

    def __getitem__(self, gstin: str) -> Taxpayer:
        taxpayer = self._held.get(gstin)
        if taxpayer is None:
            if gstin not in self._states:
                self._let_go()
                self._states[gstin] = TaxpayerState.make(gstin, self._services, self._idle.pop(gstin, None))
                self._looked_at.append(gstin)
            taxpayer = self._held[gstin] = Taxpayer(gstin, self._services, self._states[gstin])
        return taxpayer

    def values(self) -> list[Taxpayer]:
        """Return those that are held, or of which something is under way."""
        return [self[gstin] for gstin in self._states]

    def _let_go(self) -> None:
        for _ in range(min(2, len(self._looked_at))):
            gstin = self._looked_at.popleft()
            if gstin in self._held or not self._states[gstin].idle:
                self._looked_at.append(gstin)
            else:
                self._idle[gstin] = self._states.pop(gstin).remembered()


def _checked(journal: Journal) -> Journal:
    if isinstance(journal, type) or not isinstance(journal, Journal):
        raise InvalidInput(
            f"journal is of type {type(journal).__name__}: pass a journal, SqliteJournal(path) say"
        )
    return journal
