"""Who is asking: credentials from the environment or a prompt, never from arguments."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import attrs
import typer

from ...client import ImsClient
from ...errors import InvalidInput
from ...gsp.base import Gsp
from ...journal import Journal
from ...model.secret import Secret
from ...model.vocabulary import parse_gstin
from ...net.credential_store import FileCredentialStore
from ...net.policies import PollPolicy, RateLimit
from ...paths import state_directory
from ...taxpayer import Taxpayer
from . import environment as env
from .accounts import PROVIDERS, chosen


@attrs.frozen(kw_only=True)
class Settings:
    """An account and a taxpayer. `token` is a taxpayer's token that was had elsewhere."""

    gsp: Gsp
    gstin: str
    token: Secret | None = None
    check: bool = True
    own_host: bool = False
    """True if IMS_BASE_URL names the host, which is then not looked for behind a proxy."""
    rate: RateLimit | None = None

    @property
    def account(self) -> str:
        """Who asks, in words: which account of which GSP, at which host."""
        return f"{PROVIDERS[self.gsp.kind].account(self.gsp)} at {urlsplit(self.gsp.base_url).netloc}"

    def client(self, *, first_poll: float | None = None, journal: Journal | None = None) -> ImsClient:
        """Return a client whose tokens are kept in the state directory."""
        poll = PollPolicy() if first_poll is None else PollPolicy(initial_delay=first_poll)
        store = FileCredentialStore(credential_file())
        return ImsClient(
            self.gsp,
            journal=journal,
            poll=poll,
            rate=self.rate,
            credentials=store,
            trust_env=not self.own_host,
        )

    def of(self, gstin: str) -> Settings:
        """Return them for one taxpayer; the token stays if it is that one's, or of nobody in particular."""
        return attrs.evolve(self, gstin=gstin, token=self.token if self.gstin in ("", gstin) else None)

    def hand_in_token(self, client: ImsClient) -> None:
        """Let a client of many taxpayers know the token of the one that it belongs to."""
        if self.token is not None and self.gstin:
            self.taxpayer(client)

    def taxpayer(self, client: ImsClient) -> Taxpayer:
        """Return the taxpayer; without a token of our own, the one that `login` kept is used."""
        return client.taxpayer(
            self.gstin, token=self.token.reveal() if self.token else None, check=self.check
        )


def gather(
    gsp: str | None,
    gstin: str | None,
    *,
    check: bool = True,
    logging_in: bool = False,
    need_gstin: bool = True,
    rate: int | None = None,
) -> Settings:
    """Read the environment, and ask for what is missing where there is a terminal to ask at.

    `rate` is in requests per minute. Raises `InvalidInput` that names the variable.
    """
    variables = env.Variables()
    account = chosen(gsp).gsp(variables, logging_in)
    name = ask_gstin(gstin, check=check) if need_gstin else checked_gstin(gstin, check=check)
    token = variables.get("IMS_TOKEN")
    return Settings(
        gsp=account,
        gstin=name,
        token=Secret(token) if token else None,
        check=check,
        own_host=bool(variables.get("IMS_BASE_URL")),
        rate=_rate(rate, variables),
    )


def checked_gstin(given: str | None, *, check: bool = True) -> str:
    """Return the taxpayer of `--gstin` or IMS_GSTIN, empty if neither tells. Raises `InvalidInput`."""
    name = given or env.Variables().get("IMS_GSTIN")
    return parse_gstin(name, what="the taxpayer's GSTIN") if check and name else name.strip().upper()


def ask_gstin(given: str | None, *, check: bool = True) -> str:
    """Return the taxpayer of `--gstin` or IMS_GSTIN, asked for where neither tells."""
    name = given or env.Variables().need("IMS_GSTIN", "GSTIN", or_else="or pass --gstin")
    return checked_gstin(name, check=check)


def _rate(given: int | None, variables: env.Variables) -> RateLimit | None:
    if given is not None:
        return RateLimit(per_minute=given)
    rate = variables.get("IMS_RATE")
    if not rate:
        return None
    if not (rate.isascii() and rate.isdigit() and int(rate) > 0):
        raise InvalidInput(f"IMS_RATE is {rate!r:.40}: set it to so many requests a minute, 300 say")
    return RateLimit(per_minute=int(rate))


def ask_otp() -> str:
    """Ask for the OTP that GSTN sent, or read a line of standard input where that is no terminal."""
    if env.at_terminal():
        return str(typer.prompt("OTP", hide_input=True, err=True)).strip()
    return sys.stdin.readline().strip()


def otp_problem(otp: str) -> str | None:
    """Say what is wrong with an OTP before it is sent, or None; the digits themselves are not repeated."""
    if re.fullmatch("[0-9]{6}", otp, re.ASCII):
        return None
    return "this is no OTP: it has six digits"


def ask_username(given: str | None) -> str:
    """Return the taxpayer's user name at the GST portal, asked for where it is missing."""
    return given or env.ask("IMS_USERNAME", "User name", or_else="or pass --username")


def confirmed(question: str, *, yes: bool) -> bool:
    """Ask before something is sent. Raises `InvalidInput` where nobody can be asked."""
    if yes:
        return True
    if not env.at_terminal():
        raise InvalidInput(
            "nothing was sent: there is no terminal to ask at; pass --yes to send without asking"
        )
    env.forget_typed_ahead()
    return bool(typer.confirm(question, err=True))


def credential_file(environment: Mapping[str, str] | None = None, *, platform: str = sys.platform) -> Path:
    """Return where tokens are kept: the platform's place for a program's state."""
    return state_directory(environment, platform=platform) / "credentials.json"
