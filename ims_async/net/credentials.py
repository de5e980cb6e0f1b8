"""The credentials of requests: tokens that are renewed before they expire, once for any number of callers."""

from __future__ import annotations

import abc
import asyncio
import copy
import datetime as dt
import logging
import math
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import attrs

from ..errors import ImsError, InvalidInput, NotAuthorized, SessionExpired, UnexpectedAnswer
from ..gsp.base import Conversation, Needs, Token
from ..model.secret import Secret, jwt_expiry, jwt_issued
from ..model.times import LANDING
from .credential_store import CredentialStore

if TYPE_CHECKING:
    from .exchange import Exchange

T = TypeVar("T")

_log = logging.getLogger("ims_async")

# Seconds before the expiry. A refresh is authorised by the expiring token itself, and is made on a request:
# with a request at least once an hour the session is not lost.
_RENEW_BEFORE: Final = 3600.0
_RENEW_AGAIN: Final = 30.0  # seconds after a failed renewal of a token that is still valid
_CLOCKS_MAY_DIFFER: Final = 300.0  # seconds
_STORE_MAY_TAKE: Final = 10.0  # seconds


class Credential(Protocol):
    """A credential of a request; see `Renewable`."""

    @property
    def held(self) -> Token | None: ...
    @property
    def ready(self) -> Token | None: ...
    async def current(self) -> Token: ...
    async def renew(self, refused: Token) -> Token: ...


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Credentials:
    """The credentials of one taxpayer's requests.

    `ahead` lets a request overtake those that wait for their turn, because they wait for its answer.
    `besides` are credentials that these requests do not use, and whose tokens are masked in answers too.
    """

    account: Credential | None = None
    taxpayer: Credential | None = None
    gstin: str | None = None
    ahead: bool = False
    besides: Collection[Credential] = attrs.field(default=(), eq=False, repr=False)
    by_need: dict[Needs, Credential] = attrs.field(init=False, eq=False, repr=False)

    @by_need.default
    def _by_need(self) -> dict[Needs, Credential]:
        both = {Needs.ACCOUNT: self.account, Needs.TAXPAYER: self.taxpayer}
        return {needs: credential for needs, credential in both.items() if credential is not None}


class Renewable(abc.ABC):
    """A token that is renewed once for any number of callers, and kept in a store."""

    # A refused session stays refused until a login. An account's key and secret can always be tried again,
    # and no other process could store a new token for it.
    _buries = True

    def __init__(self, exchange: Exchange, store: CredentialStore, gstin: str) -> None:
        self._exchange, self._store, self._gstin = exchange, store, gstin
        self._gsp, self._clock = exchange.gsp, exchange.clock
        self.held: Token | None = None
        """The current token, expired or not, without I/O."""
        self._renew_at = math.inf
        self._given: Secret | None = None
        self._flight: asyncio.Task[Token] | None = None
        self._dead: tuple[Secret, NotAuthorized] | None = None
        self._warned: set[str] = set()  # accounts with a warning about a wrong clock

    @property
    def ready(self) -> Token | None:
        """The current token, or None if it has to be fetched or renewed first."""
        return None if self._clock() >= self._renew_at else self.held

    @property
    def idle(self) -> bool:
        """Whether no renewal is running."""
        return self._flight is None

    async def current(self) -> Token:
        """Return a valid token; renews it before it expires. Raises `NotAuthorized` if there is none."""
        if self.held is None:
            begun = await self._share(self._begin)
            if self.held is None:  # logged out meanwhile
                return begun
        token = self.held
        if self.ready is token:
            return token
        try:
            return await self.renew(token)
        except SessionExpired:
            raise
        except ImsError as error:  # only a refusal that ends the session is a reason to drop the token
            ends_at, now = token.expires_at, self._clock()
            if ends_at is None or now >= ends_at:
                raise
            if self.held is token:
                self._renew_at = min(now + _RENEW_AGAIN, ends_at)
            _log.warning("the token could not be renewed ahead of its end: %s", type(error).__name__)
            return token

    async def renew(self, refused: Token) -> Token:
        """Return a token other than the refused one; a late refusal does not discard a newer token."""
        # Compared by identity: a renewed session may have the same identifier.
        if self.held is not None and self.held is not refused:
            return self.held
        return await self._share(lambda: self._renewed(refused))

    async def adopt(self, token: Token | None) -> None:
        """Use a token from a login, and save it in the store; None forgets the current one."""
        self._dead = None
        token = token and self._dated(token)
        self._hold(token)
        await self._save(token)

    def hold(self, value: str) -> None:
        """Use a token that the caller passed; its expiry is read from it if possible.

        The same token passed again is ignored: it may have been renewed since.
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

    async def aclose(self) -> None:
        """Wait for a running renewal for a short time: it may have ended the old token."""
        if self._flight is not None:
            _, late = await asyncio.wait([self._flight], timeout=LANDING)
            for flight in late:
                flight.cancel()

    def _hold(self, token: Token | None) -> None:
        self.held, self._renew_at = token, renew_at(token, self._clock())

    def _dated(self, token: Token) -> Token:
        """Return a new token with a plausible expiry; log once if its own is not.

        With a wrong clock all tokens look wrong: only the first of a client is logged as a warning.
        """
        token, problem = dated(token, self._clock())
        if problem and self._gstin not in self._warned:
            # The example of a test host has a fixed expiry; that does not show a wrong clock.
            quiet = self._warned or self._gsp.limits.canned
            self._warned.add(self._gstin)
            _log.log(
                logging.DEBUG if quiet else logging.WARNING,
                "a clock is off, or a token is an old one: the one just given for %s says that it %s; it is "
                "used until it is refused. Set this computer's clock",
                self._gstin or "the account",
                problem,
            )
        return token

    async def _ask(self, conversation: Conversation[T], credentials: Credentials) -> T:
        """Run a step of the login; an unreadable answer is not shown, since it may have a token."""
        try:
            return await self._exchange.run(conversation, credentials)
        except UnexpectedAnswer as error:
            problems = [problem.partition(":")[0] for problem in error.problems]
        raise UnexpectedAnswer("the gateway's answer to the login cannot be read", problems=problems)

    async def _share(self, work: Callable[[], Coroutine[Any, Any, Token]]) -> Token:
        """Wait for the running renewal, or begin one; the cancellation of a caller does not stop it."""
        flight = self._flight
        if flight is None:
            flight = self._flight = asyncio.create_task(work())
            flight.add_done_callback(self._landed)
        await asyncio.wait([flight])
        if flight.cancelled():
            self._exchange.check_open()  # cancelled by `aclose`, and not by the caller
        return flight.result()

    def _landed(self, flight: asyncio.Task[Token]) -> None:
        self._flight = None
        if not flight.cancelled():
            flight.exception()  # retrieved here, in case no caller waits any more

    async def _begin(self) -> Token:
        """Get the stored token, or a first one."""
        kept = await self._load()
        if self.held is not None:
            return self.held  # passed meanwhile
        if kept is None:
            return await self._keep(await self._next(None))
        self._hold(kept)
        return kept

    async def _renewed(self, refused: Token) -> Token:
        """Get the token that another process stored, or a new one."""
        kept = await self._kept_instead_of(refused)
        if self.held is not None and self.held is not refused:
            return self.held  # passed while the store was read
        if kept is not None and self._outlives(kept, refused):
            return self._adopted(kept)
        try:
            if self._dead is not None and self._dead[0] == refused.value:
                raise copy.copy(self._dead[1])
            token = await self._next(refused)
        except NotAuthorized as error:
            if not self._buries or error.of_account:  # an error of the account does not end this session
                raise
            # Further requests with this value are refused at once. A copy: it keeps no frames of the callers.
            self._dead = (refused.value, copy.copy(error))
            if (found := await self._renewed_elsewhere(refused, error)) is None:
                raise
            return found
        if self.held is not refused:
            return self.held or token  # logged in or out meanwhile
        return await self._keep(token)

    async def _renewed_elsewhere(self, refused: Token, error: NotAuthorized) -> Token | None:
        """Return the token by which another process has replaced an ended session, if there is one.

        Only a refusal that ends the session is a reason to replace the current token by the stored one.
        """
        if not isinstance(error, SessionExpired):
            return None
        kept = await self._kept_instead_of(refused)
        if self.held is not refused:
            return self.held  # logged in or out meanwhile
        return None if kept is None else self._adopted(kept)

    def _adopted(self, kept: Token) -> Token:
        self._hold(kept)
        self._given = None  # the token that was passed may be passed again
        return kept

    def _outlives(self, token: Token, other: Token) -> bool:
        ends_at = token.expires_at
        return ends_at is not None and ends_at > max(other.expires_at or 0.0, self._clock())

    async def _keep(self, token: Token) -> Token:
        """Use a new token and store it; it is used even if the store fails, for example on a full disk."""
        token = self._dated(token)
        self._hold(token)
        try:
            await self._save(token)
        except Exception as error:  # noqa: BLE001 # a store may be a caller's code, and its message may have the token
            _log.warning("a token could not be stored: %s", type(error).__name__)
        return token

    async def _kept_instead_of(self, refused: Token) -> Token | None:
        try:
            kept = await self._load()
        except Exception as error:  # noqa: BLE001 # no reason to let a live session end; see `_keep`
            _log.warning("the credential store could not be asked: %s", type(error).__name__)
            return None
        return kept if kept is not None and kept.value != refused.value else None

    async def _load(self) -> Token | None:
        return await _patiently(self._store.load(self._gsp.account_id, self._gstin))

    async def _save(self, token: Token | None) -> None:
        await _patiently(self._store.save(self._gsp.account_id, self._gstin, token))

    @abc.abstractmethod
    async def _next(self, refused: Token | None) -> Token:
        """Get a token to replace one that is refused or about to expire; None for a first one."""


async def _patiently(call: Awaitable[T]) -> T:
    """Limit the time of a call to a store, which may be a caller's own code: it would block every request."""
    try:
        async with asyncio.timeout(_STORE_MAY_TAKE):
            return await call
    except TimeoutError:
        raise InvalidInput(f"the credential store did not answer within {_STORE_MAY_TAKE:g} s") from None


def renew_at(token: Token | None, now: float) -> float:
    """Return when a token that is held from now on is to be renewed (epoch seconds); `inf` for never."""
    if token is None or token.expires_at is None:
        return math.inf
    life = max(token.expires_at - now, 0.0)
    return token.expires_at - min(_RENEW_BEFORE, life / 4)


def dated(token: Token, now: float) -> tuple[Token, str]:
    """Return a token that was just issued with its expiry by our clock, and the problem of the stated expiry.

    If it has expired on arrival, or was issued in the future (a new one: at any other time than now), one of
    the clocks is wrong: by the stated expiry it would be renewed all the time, or too late. Then its lifetime
    counts from now on. If the lifetime is not known, it is used until it is refused (`expires_at=None`).
    """
    ends_at, issued_at = token.expires_at, token.issued_at
    if ends_at is not None and ends_at <= now:
        problem = f"ended at {_utc(ends_at)}"
    elif issued_at is not None and (
        issued_at > now + _CLOCKS_MAY_DIFFER or (token.new and issued_at < now - _CLOCKS_MAY_DIFFER)
    ):
        problem = f"was issued at {_utc(issued_at)}"
    else:
        return token, ""
    stated = 0.0 if ends_at is None or issued_at is None else ends_at - issued_at
    life = stated if stated > 0 else token.life
    ends_at = None if life is None else now + life
    return attrs.evolve(token, expires_at=ends_at), f"{problem}, and here it is {_utc(now)}"


def _utc(moment: float) -> str:
    try:
        return f"{dt.datetime.fromtimestamp(moment, dt.UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        return f"{moment:g} seconds since 1970"
