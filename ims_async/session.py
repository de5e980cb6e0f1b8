"""Account and taxpayer credentials: OTP login, token life, single-flight renewal, and their store."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, Protocol

import attrs

from .errors import ImsError, InvalidInput, NotAuthorized, OtpRequired, SessionExpired
from .exchange import Credentials, Exchange
from .secret import Secret, jwt_expiry
from .wire import Gsp, Token

_log = logging.getLogger("ims_async")

_RENEW_BEFORE: Final = 600.0  # seconds before the end; a refresh is authorised by the dying token itself


class CredentialStore(Protocol):
    """Where tokens outlive the process. `account` names the API account, `gstin` is "" for its own token."""

    async def load(self, account: str, gstin: str) -> Token | None:
        """Return the token kept under this name, if any."""
        ...

    async def save(self, account: str, gstin: str, token: Token | None) -> None:
        """Keep a new token; None forgets it."""
        ...


class MemoryCredentialStore:
    """Tokens for as long as the process lives."""

    def __init__(self) -> None:
        self._tokens: dict[tuple[str, str], Token] = {}

    async def load(self, account: str, gstin: str) -> Token | None:
        """Return the token kept under this name, if any."""
        return self._tokens.get((account, gstin))

    async def save(self, account: str, gstin: str, token: Token | None) -> None:
        """Keep a new token; None forgets it."""
        if token is None:
            self._tokens.pop((account, gstin), None)
        else:
            self._tokens[account, gstin] = token


class FileCredentialStore:
    """Tokens in a JSON file that only its owner can read (0600), replaced in one step.

    Raises `InvalidInput` for a file that others can read or that is no such file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    async def load(self, account: str, gstin: str) -> Token | None:
        """Return the token kept under this name, if any."""
        kept = self._read().get(f"{account}/{gstin}")
        if kept is None:
            return None
        try:
            return Token(value=Secret(kept["token"]), expires_at=kept["expires_at"])
        except (KeyError, TypeError, AttributeError):
            raise InvalidInput(
                f"credential file {self._path} is damaged: delete it and log in again"
            ) from None

    async def save(self, account: str, gstin: str, token: Token | None) -> None:
        """Keep a new token; None forgets it."""
        kept = self._read()
        if token is None:
            kept.pop(f"{account}/{gstin}", None)
        else:
            kept[f"{account}/{gstin}"] = {"token": token.value.reveal(), "expires_at": token.expires_at}
        self._write(kept)

    # The file is a few hundred bytes: a thread would cost more than the write.

    def _read(self) -> dict[str, Any]:
        try:
            with self._path.open(encoding="utf-8") as file:
                if os.name == "posix" and os.fstat(file.fileno()).st_mode & 0o077:
                    raise InvalidInput(
                        f"credential file {self._path} can be read by others: chmod 600 it, or delete it"
                    )
                kept = json.load(file)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            if isinstance(error, InvalidInput):
                raise
            raise InvalidInput(f"credential file {self._path} cannot be read: {error}") from None
        if not isinstance(kept, dict):
            raise InvalidInput(f"credential file {self._path} is damaged: delete it and log in again")
        return kept

    def _write(self, kept: dict[str, Any]) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=".credentials-")  # made 0600
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump(kept, file)
                Path(name).replace(self._path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise InvalidInput(f"credential file {self._path} cannot be written: {error}") from None


@attrs.define
class _Held:
    """A token with the moment from which it is to be renewed (epoch seconds)."""

    token: Token
    renew_at: float | None

    @classmethod
    def now(cls, token: Token, now: float) -> _Held:
        if token.expires_at is None:
            return cls(token, None)
        life = max(token.expires_at - now, 0.0)
        return cls(token, token.expires_at - min(_RENEW_BEFORE, life / 4))


class _Renewable:
    """A token that is renewed once for any number of callers."""

    def __init__(
        self, exchange: Exchange, gsp: Gsp, store: CredentialStore, clock: Callable[[], float], gstin: str
    ) -> None:
        self._exchange, self._gsp, self._store, self._clock = exchange, gsp, store, clock
        self._gstin = gstin
        self._held: _Held | None = None
        self._flight: asyncio.Task[Token] | None = None
        self._dead: tuple[Secret, NotAuthorized] | None = None

    async def current(self) -> Token:
        """Return a token that has life left, renewing it ahead of its end."""
        if self._held is None and (kept := await self._store.load(self._gsp.account_id, self._gstin)):
            self._hold(kept)
        held = self._held
        if held is None:
            return await self._share(self._first)
        if held.renew_at is None or self._clock() < held.renew_at:
            return held.token
        try:
            return await self.renew(held.token)
        except NotAuthorized:
            raise
        except ImsError as error:
            if held.token.expires_at is not None and self._clock() >= held.token.expires_at:
                raise
            _log.warning("the token could not be renewed ahead of its end: %s", type(error).__name__)
            return held.token

    async def renew(self, refused: Token) -> Token:
        """Return another token than the refused one; a late refusal does not discard a newer token."""
        held = self._held
        if held is not None and held.token.value != refused.value:
            return held.token
        if self._dead is not None and self._dead[0] == refused.value:
            raise self._dead[1]
        return await self._share(lambda: self._next(refused))

    async def adopt(self, token: Token | None) -> None:
        """Take a token that came from elsewhere (a login), and tell the store."""
        self._held = None
        if token is not None:
            self._hold(token)
        await self._store.save(self._gsp.account_id, self._gstin, token)

    def hold(self, value: str) -> None:
        """Take a token that the caller handed in; its life is read off it where that can be done."""
        self._hold(Token(value=Secret(value), expires_at=jwt_expiry(value)))

    @property
    def held(self) -> Token | None:
        """The token at hand, without asking anybody."""
        return self._held.token if self._held else None

    def _hold(self, token: Token) -> None:
        self._held = _Held.now(token, self._clock())

    async def _share(self, work: Callable[[], Coroutine[Any, Any, Token]]) -> Token:
        """Join the renewal under way, or begin one; a caller that goes away does not stop it."""
        if self._flight is None:
            self._flight = asyncio.create_task(work())
            self._flight.add_done_callback(self._landed)
        return await asyncio.shield(self._flight)

    def _landed(self, flight: asyncio.Task[Token]) -> None:
        self._flight = None
        if not flight.cancelled():
            flight.exception()  # seen here even where every caller has gone

    async def _first(self) -> Token:
        raise NotImplementedError

    async def _next(self, refused: Token) -> Token:
        raise NotImplementedError

    async def _bury(self, token: Token, error: NotAuthorized) -> None:
        """Remember that this value cannot be renewed, so that nobody asks again."""
        self._dead = (token.value, error)


class AccountCredential(_Renewable):
    """The account's own token, had from key and secret whenever there is none."""

    def __init__(
        self, exchange: Exchange, gsp: Gsp, store: CredentialStore, clock: Callable[[], float]
    ) -> None:
        super().__init__(exchange, gsp, store, clock, gstin="")

    async def _first(self) -> Token:
        token = await self._exchange.run(self._gsp.authenticate(), Credentials())
        await self.adopt(token)
        return token

    async def _next(self, refused: Token) -> Token:
        try:
            return await self._first()
        except NotAuthorized as error:
            await self._bury(refused, error)
            raise


@attrs.frozen
class _Fixed:
    """A credential that is what it is: a refresh is authorised by the very token it replaces."""

    token: Token

    async def current(self) -> Token:
        return self.token

    async def renew(self, refused: Token) -> Token:
        raise SessionExpired("the taxpayer's token is no longer accepted: log in again with an OTP")


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
        self._account = account
        self._username: str | None = None

    async def request_otp(self, username: str) -> None:
        """Have GSTN send an OTP to the taxpayer's phone and mail."""
        if not isinstance(username, str) or not username.strip():
            raise InvalidInput("username is empty: it is the taxpayer's user name on the GST portal")
        self._username = username.strip()
        await self._exchange.run(
            self._gsp.request_otp(self._gstin, self._username), Credentials(account=self._account)
        )

    async def verify_otp(self, otp: str, username: str | None = None) -> None:
        """Begin the session with the OTP that the taxpayer received; digits, as text."""
        name = username or self._username
        if name is None:
            raise InvalidInput("call request_otp(username) first, or pass the username here")
        if not isinstance(otp, str) or not otp.strip().isdigit():
            raise InvalidInput("the OTP is text of digits only, for example '575757'")
        token = await self._exchange.run(
            self._gsp.verify_otp(self._gstin, name, otp.strip()), Credentials(account=self._account)
        )
        await self.adopt(token)

    async def logout(self) -> None:
        """End the session at the gateway and forget the token."""
        token = await self.current()
        await self._exchange.run(self._gsp.logout(self._gstin), Credentials(taxpayer=_Fixed(token)))
        await self.adopt(None)

    async def refresh(self) -> None:
        """Renew the token now."""
        await self.renew(await self.current())

    async def _first(self) -> Token:
        raise OtpRequired(
            f"there is no session for {self._gstin}: pass token=…, or call request_otp and verify_otp"
        )

    async def _next(self, refused: Token) -> Token:
        try:
            token = await self._exchange.run(
                self._gsp.refresh(self._gstin), Credentials(taxpayer=_Fixed(refused), gstin=self._gstin)
            )
        except NotAuthorized as error:
            await self._bury(refused, error)
            raise
        await self.adopt(token)
        return token
