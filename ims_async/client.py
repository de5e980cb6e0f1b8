"""The client: one for each GSP account, with any number of taxpayers."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import time
from collections.abc import AsyncGenerator, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Self

from . import rules as checks
from .errors import InvalidInput, JournalError
from .gsp.base import Gsp
from .jobs.context import Services
from .jobs.job import ImsJob
from .journal import Journal
from .lazy import module
from .loop_owner import LoopOwner, on_one_loop
from .model.change import Change
from .model.moves import OPEN_STATES, ChangeState
from .model.report import CANNED
from .model.secret import without_frames
from .model.tokens import JobToken
from .model.vocabulary import parse_gstin
from .net.aiohttp import AiohttpTransport
from .net.auth import AccountCredential
from .net.credential_store import CredentialStore, MemoryCredentialStore
from .net.exchange import Exchange
from .net.policies import PollPolicy, RateLimit, RetryPolicy, Timeouts
from .net.rate_limit import Pacer
from .net.transport import Clock, Handler, MemoryTransport, Transport
from .taxpayer import Taxpayer, Taxpayers, state_of

if TYPE_CHECKING:
    import aiohttp
else:  # what annotations name is imported by the first request only
    aiohttp = module("aiohttp")

_log = logging.getLogger("ims_async")


@on_one_loop
class ImsClient:
    """A client for one GSP account: one pool of connections, one limiter, any number of taxpayers.

    Use it as an async context manager; entering does no I/O. `session` is the caller's own
    `aiohttp.ClientSession` and is never closed here; `transport` is another way out altogether, for
    example a simulator's. `rate=None` sets no budget: only the gateway's hints are obeyed (up to the retry
    policy's `max_hint`). `rules` changes how strict the offline checks are. With a `journal`, every batch is
    written down before it is sent, and every step of its job: whatever happens to this process, `unfinished`
    and `finished` tell the next one. It is closed with the client, and opens again where another uses it.
    `credentials` stores each new token. `trust_env` takes proxies from the environment. `clock`
    gives seconds since the epoch.

    It belongs to the event loop that first uses it (or that of `session`), and so do its taxpayers, jobs and
    runs: whatever is awaited in another loop or thread raises `WrongEventLoop`.
    """

    def __init__(
        self,
        gsp: Gsp,
        *,
        journal: Journal | None = None,
        poll: PollPolicy | None = None,
        retry: RetryPolicy | None = None,
        rate: RateLimit | None = None,
        rules: checks.RulePolicy | None = None,
        credentials: CredentialStore | None = None,
        session: aiohttp.ClientSession | None = None,
        transport: Transport | Handler | None = None,
        timeouts: Timeouts | None = None,
        trust_env: bool = False,
        clock: Clock = time.time,
    ) -> None:
        if not isinstance(gsp, Gsp):
            kind = type(gsp).__name__
            del gsp  # it may be a key: what reports errors with local variables would show it
            raise InvalidInput(f"the first argument is of type {kind}: pass a GSP, with its key and secret")
        if session is not None and transport is not None:
            raise InvalidInput("pass session or transport, not both")
        way = transport or AiohttpTransport(
            session=session, timeouts=timeouts, trust_env=trust_env, clock=clock
        )
        exchange = _exchange(gsp, way, retry, rate, clock)
        store = credentials or MemoryCredentialStore()
        # Of a session that was handed in the sockets belong to its own loop, whichever comes first.
        self._loop_owner = LoopOwner("client", loop=getattr(session, "_loop", None))
        self._services = Services(
            gsp=gsp,
            exchange=exchange,
            account=AccountCredential(exchange, store),
            store=store,
            poll=poll or PollPolicy(),
            clock=clock,
            loop_owner=self._loop_owner,
            policy=rules,
        )
        if journal is not None:
            self._services.keep_in(journal)
        self._taxpayers = Taxpayers(self._services)
        if gsp.limits.canned:
            _log.warning("%s: %s", self._services.host, CANNED)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @without_frames
    def taxpayer(self, gstin: str, *, token: str | None = None, check: bool = True) -> Taxpayer:
        """Return the taxpayer of a GSTIN, the same object each time for as long as anybody holds it. No I/O.

        `token` is a session of the taxpayer that was had elsewhere, as the GSP names it (an access token, a
        session id); without one, log in with an OTP. Raises `InvalidInput` for a GSTIN with a wrong
        checksum; test hosts use such ones: `check=False`.
        """
        name = parse_gstin(gstin, what="the taxpayer's GSTIN") if check else str(gstin).strip().upper()
        if not (name and name.isascii() and name.isprintable()):
            raise InvalidInput("the taxpayer's GSTIN is empty, or holds what no GSTIN does")
        taxpayer = self._taxpayers[name]
        if token is not None:
            taxpayer.use_token(token)
        return taxpayer

    @property
    def gsp(self) -> Gsp:
        """The GSP that it talks to."""
        return self._services.gsp

    @property
    def host(self) -> str:
        """Where the GSP is, as job tokens name it."""
        return self._services.host

    @property
    def journal(self) -> Journal | None:
        """Where its batches are written down."""
        return self._services.journal if self._services.keeps else None

    def resume(self, token: JobToken | str) -> ImsJob:
        """Return a handle on the job of a token, from this process or another. No I/O.

        Raises `InvalidInput` for a token of another GSP or host.
        """
        known = token if isinstance(token, JobToken) else JobToken.loads(token)
        here = (self._services.kind, self._services.host)
        if (known.gsp, known.host) != here:
            raise InvalidInput(
                f"this job was submitted to {known.gsp} at {known.host}; "
                f"this client talks to {here[0]} at {here[1]}"
            )
        return self.taxpayer(known.gstin, check=False).resume(known)

    async def unfinished(self) -> list[ImsJob]:
        """Return the jobs of which it is not known what became, and with a journal those of the past.

        `await` those with a `reference_id`; settle the others with `taxpayer.reconcile(job)`; `bulk.recover`
        does both. A batch whose process ended while it waited for its turn is not `sent`: reconciling it says
        so at once, and `taxpayer.retry(job.report)` sends it. Jobs of other processes that use the journal
        are listed as well, those that run at this moment too: awaiting them does no harm. Raises
        `JournalError`, the jobs that could be read in its `readable`.
        """
        try:
            found = await self._services.find(states=OPEN_STATES)
        except JournalError as error:
            with contextlib.suppress(JournalError):  # the first is raised
                await self._sync(error.readable)
            raise JournalError(str(error), readable=self._unfinished()) from error
        await self._sync(found)
        return self._unfinished()

    def _unfinished(self) -> list[ImsJob]:
        return [job for taxpayer in self._taxpayers.values() for job in taxpayer.unfinished()]

    async def _sync(self, changes: Iterable[Change]) -> None:
        by_gstin: dict[str, list[Change]] = {}
        for change in changes:
            by_gstin.setdefault(change.token.gstin, []).append(change)
        found = [self.taxpayer(gstin, check=False) for gstin in by_gstin]  # held, or they might be let go
        for taxpayer in dict.fromkeys([*self._taxpayers.values(), *found]):
            state = state_of(taxpayer)
            open_ones = by_gstin.get(taxpayer.gstin, ())
            await state.jobs.sync([one for one in open_ones if not state.changes.is_own(one)])

    def finished(
        self, *, since: dt.datetime | None = None, retried: bool | None = None
    ) -> AsyncGenerator[ImsJob, None]:
        """Yield the jobs that the journal knows to have ended, each with its `report`, records and all.

        `since` leaves out what ended before that moment; `retried=False` leaves out those whose report was
        given to `taxpayer.retry`, and `True` all others. After a crash this finds the reports that nobody
        lived to read. Without a journal there are none. Raises `JournalError` for what cannot be read, when
        all the rest was yielded, and `InvalidInput` for a `since` without a time zone.
        """
        return self.jobs(states=(ChangeState.ENDED,), since=since, retried=retried)

    def called_off(
        self, *, since: dt.datetime | None = None, retried: bool | None = None
    ) -> AsyncGenerator[ImsJob, None]:
        """Yield the batches of the journal that were handed in and not sent, each with its records.

        `job.reason` says why, `job.cause` of what kind that is: what its caller cancelled, or what was
        refused, is best left alone; the rest (`job.cause.to_retry`) is for `taxpayer.retry(job)`, which sends
        what still stands. Otherwise as `finished`.
        """
        return self.jobs(states=(ChangeState.CALLED_OFF,), since=since, retried=retried)

    async def jobs(
        self,
        *,
        states: Collection[ChangeState | str] | None = None,
        since: dt.datetime | None = None,
        retried: bool | None = None,
    ) -> AsyncGenerator[ImsJob, None]:
        """Yield everything that was ever handed in and is in the journal, in that order; asks no gateway.

        Each job says what is known of it, and what may be done: `open`, `sent`, `pollable` (await it),
        `needs_a_look` (`taxpayer.reconcile(job)`), `reason`, `cause`, `report`, `retried`. `states` are those
        of `ims_async.journal.ChangeState` that are wanted, or their values. What this process is handing in
        now is left out. Without a journal these are the unfinished ones. Otherwise as `finished`.
        """
        try:
            wanted = tuple(ChangeState(state) for state in (ChangeState if states is None else states))
        except ValueError as error:
            raise InvalidInput(f"{error}; use any of {', '.join(ChangeState)}") from None
        if self.journal is None and states is None:
            for job in self._unfinished():
                yield job
        async with contextlib.aclosing(self._listed(wanted, since, retried)) as jobs:
            async for job in jobs:
                yield job

    async def _listed(
        self, states: Sequence[ChangeState], since: dt.datetime | None, retried: bool | None
    ) -> AsyncGenerator[ImsJob, None]:
        _check_since(since)
        wanted = {"states": states, "since": since, "retried": retried}
        problems: list[str] = []
        try:
            changes = await self._services.find(**wanted)
        except JournalError as error:
            changes = error.readable
            problems.append(str(error))
        for number, change in enumerate(changes):
            taxpayer = self._taxpayers[change.token.gstin]  # held, or it might be let go meanwhile
            state = state_of(taxpayer)
            if state.changes.is_own(change):
                continue
            try:
                if number:  # the caller may have taken long over those before
                    found = await self._services.find(ids=[change.id], **wanted)
                    if not found:
                        continue  # it is no longer what was asked for
                    change = found[0]
                # One that is not over is listed, whether its records can be read or not, as in `unfinished`.
                job = await (state.jobs.adopt if change.open else state.jobs.recall)(change)
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
            why = f"{taxpayer.gstin}: signing out might cost a running job's outcome: wait for it first"
            state_of(taxpayer).changes.refuse_if_busy(why, watched=True)
        await self._services.account.sign_out()

    async def aclose(self) -> None:
        """Close: waiters get `ClientClosed` with their tokens; nobody is logged out."""
        self._services.exchange.stop()
        try:
            await asyncio.gather(*(state.aclose() for state in self._taxpayers.states()))
            await self._services.account.aclose()
        finally:
            await self._services.exchange.aclose()
            await self._services.journal.aclose()


def _check_since(since: object) -> None:
    if since is not None and (not isinstance(since, dt.datetime) or since.tzinfo is None):
        raise InvalidInput(f"since={since!r} is no time with a zone: pass datetime(2026, 11, 1, tzinfo=UTC)")


def services_of(client: ImsClient) -> Services:
    """Return what a client's taxpayers share. For the packages above this one."""
    return client._services


def _exchange(
    gsp: Gsp, way: Transport | Handler, retry: RetryPolicy | None, rate: RateLimit | None, clock: Clock
) -> Exchange:
    return Exchange(
        gsp,
        way if isinstance(way, Transport) else MemoryTransport(way, clock=clock),
        retry=retry or RetryPolicy(),
        pacer=Pacer(rate, clock=clock),
        clock=clock,
    )
