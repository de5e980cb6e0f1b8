"""Account and taxpayer credentials: OTP login, token life, single-flight renewal."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import copy
import logging
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final, TypeVar

import attrs

from ..errors import ImsError, InvalidInput, NotAuthorized, OtpRequired, SessionExpired, UnexpectedAnswer
from ..gsp.base import Conversation, Gsp, Token
from ..model.secret import Secret, jwt_expiry, jwt_issued
from ..model.times import LANDING
from .credential_store import CredentialStore
from .exchange import Credentials, Exchange
from .token_life import Held, dated

T = TypeVar("T")

_log = logging.getLogger("ims_async")

_RENEW_AGAIN: Final = 30.0  # seconds after a renewal ahead of the end that failed
_STORE_MAY_TAKE: Final = (
    10.0  # seconds; a store is anybody's code, and one that hangs would hang every caller
)


@contextlib.asynccontextmanager
async def _patience() -> AsyncIterator[None]:
    """Wait for a store, but not for ever."""
    try:
        async with asyncio.timeout(_STORE_MAY_TAKE):
            yield
    except TimeoutError:
        raise InvalidInput(f"the credential store did not answer within {_STORE_MAY_TAKE:g} s") from None


class _Renewable(abc.ABC):
    """A token that is renewed once for any number of callers."""

    # A session that is refused stays so until somebody logs in. An account's key and secret can always be
    # tried again, and nobody else could put a new token in its place.
    _buries = True

    def __init__(
        self, exchange: Exchange, gsp: Gsp, store: CredentialStore, clock: Callable[[], float], gstin: str
    ) -> None:
        self._exchange, self._gsp, self._store, self._clock = exchange, gsp, store, clock
        self._gstin = gstin
        self._held: Held | None = None
        self._given: Secret | None = None
        self._flight: asyncio.Task[Token] | None = None
        self._dead: tuple[Secret, NotAuthorized] | None = None
        self._warned: set[str] = set()  # of whom it was said that a clock is off

    async def current(self) -> Token:
        """Return a token that has life left, renewing it ahead of its end."""
        held = self._held
        if held is None:
            token = await self._share(self._begin)
            held = self._held or Held(token, None)
        if not self._due(held):
            return held.token
        try:
            return await self.renew(held.token)
        except SessionExpired:
            raise
        except ImsError as error:  # a refusal that does not say the session is over is no reason to drop it
            ends_at, now = held.token.expires_at, self._clock()
            if ends_at is None or now >= ends_at:
                raise
            held.renew_at = min(now + _RENEW_AGAIN, ends_at)
            _log.warning("the token could not be renewed ahead of its end: %s", type(error).__name__)
            return held.token

    async def renew(self, refused: Token) -> Token:
        """Return another token than the refused one; a late refusal does not discard a newer token."""
        held = self._held
        # Not by value: what a gateway gives in place of a session may have the same name.
        if held is not None and held.token is not refused:
            return held.token
        return await self._share(lambda: self._renewed(refused))

    async def adopt(self, token: Token | None) -> None:
        """Take a token that came from elsewhere (a login), and tell the store."""
        self._held = self._dead = None
        if token is not None:
            token = self._dated(token)
            self._hold(token)
        await self._save(token)

    def hold(self, value: str) -> None:
        """Take a token that the caller handed in; its life is read off it where that can be done.

        Handing in the same one again is no news: it may have been renewed since.
        """
        if not isinstance(value, str) or not value.strip():
            raise InvalidInput("the token is empty: pass the access token as text, without `Bearer`")
        given = Secret(value)
        if not given.printable:
            raise InvalidInput("the token holds what is no printable text: a line break, say")
        if given != self._given:
            self._given = given
            value = given.reveal()
            token = Token(value=given, expires_at=jwt_expiry(value), issued_at=jwt_issued(value))
            self._hold(self._dated(token))

    @property
    def held(self) -> Token | None:
        """The token at hand, without asking anybody."""
        return self._held.token if self._held else None

    @property
    def ready(self) -> Token | None:
        """The token at hand, or None where it has to be had or renewed first."""
        return None if self._held is None or self._due(self._held) else self._held.token

    def _due(self, held: Held) -> bool:
        return held.renew_at is not None and self._clock() >= held.renew_at

    def _hold(self, token: Token) -> None:
        self._held = Held.now(token, self._clock())

    def _dated(self, token: Token) -> Token:
        """Return a token that was just given, with an end that can be gone by; say once if its own cannot.

        A clock that is off makes all tokens look wrong: the first of a client is a warning, others are not.
        """
        token, problem = dated(token, self._clock())
        if problem and self._gstin not in self._warned:
            # A test host's example tells an end of its own; no clock is off.
            quiet = self._warned or self._gsp.limits.canned
            level = logging.DEBUG if quiet else logging.WARNING
            self._warned.add(self._gstin)
            _log.log(
                level,
                "a clock is off, or a token is an old one: the one just given for %s says that it %s; it is "
                "used until it is refused. Set this computer's clock",
                self._gstin or "the account",
                problem,
            )
        return token

    async def _ask(self, conversation: Conversation[T], credentials: Credentials) -> T:
        """Run a step of the login; an answer that cannot be read is not shown: it may hold a token."""
        try:
            return await self._exchange.run(conversation, credentials)
        except UnexpectedAnswer as error:
            problems = [problem.partition(":")[0] for problem in error.problems]
        raise UnexpectedAnswer("the gateway's answer to the login cannot be read", problems=problems)

    async def _share(self, work: Callable[[], Coroutine[Any, Any, Token]]) -> Token:
        """Join the renewal under way, or begin one; a caller that goes away does not stop it."""
        flight = self._flight
        if flight is None:
            flight = self._flight = asyncio.create_task(work())
            flight.add_done_callback(self._landed)
        await asyncio.wait([flight])
        if flight.cancelled():
            self._exchange.check_open()  # by `aclose`: those who wait were not cancelled themselves
        return flight.result()

    async def aclose(self) -> None:
        """Let a renewal under way land, if it does so soon: the old token may have ended for it."""
        if self._flight is not None:
            _, late = await asyncio.wait([self._flight], timeout=LANDING)
            for flight in late:
                flight.cancel()

    def _landed(self, flight: asyncio.Task[Token]) -> None:
        self._flight = None
        if not flight.cancelled():
            flight.exception()  # seen here even where every caller has gone

    async def _begin(self) -> Token:
        """Have the token that is kept, or the first one."""
        kept = await self._load()
        if self._held is not None:
            return self._held.token  # handed in meanwhile
        if kept is None:
            return await self._first()
        self._hold(kept)
        return kept

    async def _renewed(self, refused: Token) -> Token:
        """Have the token that another process put into the store, or a new one."""
        kept = await self._kept_instead_of(refused)
        if self._held is not None and self._held.token is not refused:
            return self._held.token  # handed in while the store was asked
        if kept is not None and self._outlives(kept, refused):
            return self._adopted(kept)
        try:
            if self._dead is not None and self._dead[0] == refused.value:
                raise copy.copy(self._dead[1])
            token = await self._next(refused)
        except NotAuthorized as error:
            if not self._buries or error.of_account:  # which says nothing of this session
                raise
            # Nobody need ask again with this value. A copy: frames of those who asked are not kept.
            self._dead = (refused.value, copy.copy(error))
            if (kept := await self._renewed_elsewhere(refused, error)) is None:
                raise
            return kept
        if self._held is None or self._held.token is not refused:
            return self._held.token if self._held else token  # logged in or out meanwhile
        return await self._keep(token)

    async def _load(self) -> Token | None:
        async with _patience():
            return await self._store.load(self._gsp.account_id, self._gstin)

    async def _save(self, token: Token | None) -> None:
        async with _patience():
            await self._store.save(self._gsp.account_id, self._gstin, token)

    async def _kept_instead_of(self, refused: Token) -> Token | None:
        try:
            kept = await self._load()
        except Exception as error:  # noqa: BLE001 # no reason to let a live session end; see `_keep`
            _log.warning("the credential store could not be asked: %s", type(error).__name__)
            return None
        return kept if kept is not None and kept.value != refused.value else None

    async def _renewed_elsewhere(self, refused: Token, error: NotAuthorized) -> Token | None:
        """Return what another process has made of a session that is over under its old name, if it has.

        A refusal that does not say so is no reason to give up what is held for what is kept.
        """
        if not isinstance(error, SessionExpired):
            return None
        kept = await self._kept_instead_of(refused)
        if self._held is None or self._held.token is not refused:
            return self._held.token if self._held else None  # logged in or out meanwhile
        return None if kept is None else self._adopted(kept)

    def _adopted(self, kept: Token) -> Token:
        self._hold(kept)
        self._given = None  # the one that was handed in may be handed in again
        return kept

    def _outlives(self, token: Token, other: Token) -> bool:
        ends_at = token.expires_at
        return ends_at is not None and ends_at > max(other.expires_at or 0.0, self._clock())

    async def _keep(self, token: Token) -> Token:
        """Hold a token that nobody asked for; a full disk is no reason to drop a live session."""
        token = self._dated(token)
        self._hold(token)
        try:
            await self._save(token)
        except Exception as error:  # noqa: BLE001 # a store is anybody's code, and its words may hold the token
            _log.warning("a token could not be stored: %s", type(error).__name__)
        return token

    @abc.abstractmethod
    async def _first(self) -> Token:
        """Have a token where there is none."""

    @abc.abstractmethod
    async def _next(self, refused: Token) -> Token:
        """Have another token in place of one that is refused, or soon will be."""


class AccountCredential(_Renewable):
    """The account's own token, had from key and secret whenever there is none."""

    _buries = False

    def __init__(
        self, exchange: Exchange, gsp: Gsp, store: CredentialStore, clock: Callable[[], float]
    ) -> None:
        super().__init__(exchange, gsp, store, clock, gstin="")
        # The answer to a login may quote any session: its error is raised to whoever waits for the login.
        self.of_client: weakref.WeakSet[_Renewable] = weakref.WeakSet([self])
        self._own = Credentials(ahead=True, besides=self.of_client)

    async def _first(self) -> Token:
        return await self._keep(await self._authenticate(None))

    async def _next(self, refused: Token) -> Token:
        return await self._authenticate(refused)

    async def _authenticate(self, refused: Token | None) -> Token:
        return await self._ask(self._gsp.authenticate(refused), self._own)

    async def sign_out(self) -> None:
        """End the account's token at the gateway and forget it. Raises `NotSupported` where there is no way.

        A token that had ended is no error.
        """
        if self._flight is not None:
            await asyncio.wait([self._flight])
        token = self.held or await self._load()
        if token is None:
            return
        try:
            await self._ask(self._gsp.sign_out(token), self._own)
        except NotAuthorized:
            _log.debug("the token to be ended had ended")
        if self._held is None or self._held.token is token:  # else another was had meanwhile
            await self.adopt(None)


@attrs.frozen
class _Fixed:
    """A credential that is what it is: a refresh is authorised by the very token it replaces."""

    token: Token

    async def current(self) -> Token:
        return self.token

    @property
    def ready(self) -> Token:
        return self.token

    @property
    def held(self) -> Token:
        return self.token

    async def renew(self, refused: Token) -> Token:
        raise SessionExpired("the taxpayer's token is no longer accepted")


@attrs.frozen
class SessionMemory:
    """What is known of a session and not in the store: a token that was handed in, say, or refused."""

    held: Held | None = None
    given: Secret | None = None
    dead: tuple[Secret, NotAuthorized] | None = None
    username: str | None = None
    request: str | None = None


class TaxpayerCredential(_Renewable):
    """One taxpayer's session: begun with an OTP (or a token handed in), then renewed until GSTN ends it."""

    def __init__(
        self,
        exchange: Exchange,
        gsp: Gsp,
        store: CredentialStore,
        clock: Callable[[], float],
        gstin: str,
        account: AccountCredential,
    ) -> None:
        super().__init__(exchange, gsp, store, clock, gstin)
        self._warned = account._warned  # one set for all of a client
        account.of_client.add(self)
        self._account = Credentials(account=account, gstin=gstin, ahead=True, besides=(self,))
        self._username: str | None = None
        self._request: str | None = None

    @property
    def idle(self) -> bool:
        """True where no renewal is under way."""
        return self._flight is None

    def memory(self) -> SessionMemory | None:
        """Return what another credential has to `remember` in place of this one; None for nothing."""
        memory = SessionMemory(self._held, self._given, self._dead, self._username, self._request)
        return None if memory == SessionMemory() else memory

    def remember(self, memory: SessionMemory) -> None:
        """Go on where another credential of this taxpayer ended."""
        self._held, self._given, self._dead = memory.held, memory.given, memory.dead
        self._username, self._request = memory.username, memory.request

    async def request_otp(self, username: str) -> str | None:
        """Have GSTN send an OTP to the taxpayer's phone and mail; return the request's name, if any."""
        self._username = _checked_username(username)
        self._request = await self._ask(self._gsp.request_otp(self._gstin, self._username), self._account)
        return self._request

    async def verify_otp(self, otp: str, username: str | None = None, request: str | None = None) -> None:
        """Begin the session with the OTP that the taxpayer received; digits, as text."""
        digits = Secret(otp if isinstance(otp, str) else "")
        del otp  # what reports errors with local variables would show it
        name = self._username if username is None else _checked_username(username)
        if name is None:
            raise InvalidInput("call request_otp(username) first, or pass the username here")
        if not (digits.reveal().isascii() and digits.reveal().isdigit()):
            raise InvalidInput("the OTP is text of the digits 0 to 9 only, for example '575757'")
        try:
            conversation = self._gsp.verify_otp(self._gstin, name, digits.reveal(), request or self._request)
            token = await self._ask(conversation, self._account)
        except SessionExpired as error:  # what GSTN calls an invalid session is, at this step, a wrong OTP
            raise OtpRequired(
                f"the OTP was not accepted ({error.message}): it is wrong or has expired",
                advice="ask for a new one",
                code=error.code,
                http_status=error.http_status,
                transaction_id=error.transaction_id,
            ) from None
        await self.adopt(token)

    async def logout(self) -> None:
        """End the session at the gateway and forget the token; a session that has ended is no error."""
        if self._flight is not None:
            await asyncio.wait([self._flight])  # or it would bring the session back
        token = self.held or await self.current()
        try:
            await self._ask(self._gsp.logout(self._gstin, token), self._own(token))
        except SessionExpired:
            _log.debug("the session to log out of had ended")
            renewed = await self._kept_instead_of(token)  # by another process, under another name
            if renewed is not None:
                with contextlib.suppress(SessionExpired):
                    await self._ask(self._gsp.logout(self._gstin, renewed), self._own(renewed))
        await self.adopt(None)

    async def refresh(self) -> None:
        """Renew the token now."""
        await self.renew(await self.current())

    def _own(self, token: Token) -> Credentials:
        return attrs.evolve(self._account, taxpayer=_Fixed(token))

    async def _first(self) -> Token:
        raise OtpRequired(
            f"there is no session for {self._gstin}: pass token=…, or call request_otp and verify_otp"
        )

    async def _next(self, refused: Token) -> Token:
        try:
            return await self._ask(self._gsp.refresh(self._gstin, refused), self._own(refused))
        except SessionExpired as error:
            raise SessionExpired(
                f"{error.message}: the session has ended",
                advice="log in again with an OTP",
                code=error.code,
                http_status=error.http_status,
                transaction_id=error.transaction_id,
            ) from None


def _checked_username(username: object) -> str:
    if not isinstance(username, str) or not username.strip() or not username.isprintable():
        raise InvalidInput(
            "username is empty or no printable text: it is the taxpayer's user name on the GST portal"
        )
    return username.strip()
