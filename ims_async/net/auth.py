"""The credential of the account, and that of a taxpayer: login with key and secret, or with an OTP."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref

import attrs

from ..errors import InvalidInput, NotAuthorized, OtpRequired, SessionExpired
from ..gsp.base import Token
from ..model.secret import Secret
from .credential_store import CredentialStore
from .credentials import Credentials, Renewable
from .exchange import Exchange

_log = logging.getLogger("ims_async")


class AccountCredential(Renewable):
    """The account's own token; a login with key and secret replaces a missing or refused one."""

    _buries = False

    def __init__(self, exchange: Exchange, store: CredentialStore) -> None:
        super().__init__(exchange, store, gstin="")
        # The answer to a login may quote any session: its error is raised in every task that waits for it.
        self.of_client: weakref.WeakSet[Renewable] = weakref.WeakSet([self])
        self._own = Credentials(ahead=True, besides=self.of_client)

    async def _next(self, refused: Token | None) -> Token:
        return await self._ask(self._gsp.authenticate(refused), self._own)

    async def sign_out(self) -> None:
        """End the account's token at the gateway and forget it; a token that has ended is not an error.

        Raises `NotSupported` if there is no route.
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
        if self.held is None or self.held is token:  # otherwise it was replaced meanwhile
            await self.adopt(None)


@attrs.frozen(eq=False, repr=False)
class _Fixed:
    """A credential with one fixed token: a refresh is authorised by the token that it replaces."""

    held: Token

    @property
    def ready(self) -> Token:
        return self.held

    async def current(self) -> Token:
        return self.held

    async def renew(self, refused: Token) -> Token:
        raise SessionExpired("the taxpayer's token is no longer accepted")


class TaxpayerCredential(Renewable):
    """One taxpayer's session: begun with an OTP (or a token that was passed), renewed until GSTN ends it."""

    def __init__(
        self, exchange: Exchange, store: CredentialStore, gstin: str, account: AccountCredential
    ) -> None:
        super().__init__(exchange, store, gstin)
        self._warned = account._warned  # one set for all credentials of a client
        account.of_client.add(self)
        self._account = account
        self._username: str | None = None
        self._request: str | None = None

    @property
    def blank(self) -> bool:
        """Whether nothing is known of the session but what the store has."""
        return not (self.held or self._given or self._dead or self._username or self._request)

    async def request_otp(self, username: str) -> str | None:
        """Ask GSTN to send an OTP to the taxpayer's phone and mail; return the request's id, if any."""
        self._username = _checked_username(username)
        self._request = await self._ask(self._gsp.request_otp(self._gstin, self._username), self._own())
        return self._request

    async def verify_otp(self, otp: str, username: str | None = None, request: str | None = None) -> None:
        """Begin the session with the OTP that the taxpayer received; digits, as text."""
        digits = Secret(otp if isinstance(otp, str) else "")
        del otp  # an error report with local variables would show it
        name = self._username if username is None else _checked_username(username)
        if name is None:
            raise InvalidInput("call request_otp(username) first, or pass the username here")
        if not (digits.reveal().isascii() and digits.reveal().isdigit()):
            raise InvalidInput("the OTP is text of the digits 0 to 9 only, for example '575757'")
        try:
            conversation = self._gsp.verify_otp(self._gstin, name, digits.reveal(), request or self._request)
            token = await self._ask(conversation, self._own())
        except SessionExpired as error:  # at this step GSTN's "invalid session" means a wrong OTP
            refusal = f"the OTP was not accepted ({error.message}): it is wrong or has expired"
            raise _said_anew(OtpRequired, error, refusal, "ask for a new one") from None
        await self.adopt(token)

    async def logout(self) -> None:
        """End the session at the gateway and forget the token; an ended session is not an error."""
        if self._flight is not None:
            await asyncio.wait([self._flight])  # otherwise the renewal would restore the session
        token = self.held or await self.current()
        try:
            await self._ask(self._gsp.logout(self._gstin, token), self._own(token))
        except SessionExpired:
            _log.debug("the session to log out of had ended")
            renewed = await self._kept_instead_of(token)  # by another process, with another identifier
            if renewed is not None:
                with contextlib.suppress(SessionExpired):
                    await self._ask(self._gsp.logout(self._gstin, renewed), self._own(renewed))
        await self.adopt(None)

    async def refresh(self) -> None:
        """Renew the token now."""
        await self.renew(await self.current())

    def _own(self, token: Token | None = None) -> Credentials:
        taxpayer = None if token is None else _Fixed(token)
        return Credentials(
            account=self._account, taxpayer=taxpayer, gstin=self._gstin, ahead=True, besides=(self,)
        )

    async def _next(self, refused: Token | None) -> Token:
        if refused is None:
            raise OtpRequired(
                f"there is no session for {self._gstin}: pass token=…, or call request_otp and verify_otp"
            )
        try:
            return await self._ask(self._gsp.refresh(self._gstin, refused), self._own(refused))
        except SessionExpired as error:
            advice = "the session has ended: log in again with an OTP"
            raise _said_anew(SessionExpired, error, error.message, advice) from None


def _said_anew(kind: type[NotAuthorized], error: NotAuthorized, message: str, advice: str) -> NotAuthorized:
    """Return an error with other words, and what the gateway said in this one."""
    status, transaction = error.http_status, error.transaction_id
    return kind(message, advice=advice, code=error.code, http_status=status, transaction_id=transaction)


def _checked_username(username: object) -> str:
    if not isinstance(username, str) or not username.strip() or not username.isprintable():
        raise InvalidInput(
            "username is empty or no printable text: it is the taxpayer's user name on the GST portal"
        )
    return username.strip()
