"""Who is asking: credentials from the environment or a prompt, never from arguments."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import attrs
import typer

from ..client import ImsClient
from ..credentials import FileCredentialStore
from ..errors import InvalidInput
from ..retry import PollPolicy
from ..secret import Secret
from ..taxpayer import Taxpayer
from ..vocabulary import parse_gstin
from ..wire import Gsp
from . import environment as env
from .accounts import chosen


@attrs.frozen(kw_only=True)
class Settings:
    """An account and a taxpayer. `token` is a taxpayer's token that was had elsewhere."""

    gsp: Gsp
    gstin: str
    token: Secret | None = None
    check: bool = True
    own_host: bool = False
    """True if IMS_BASE_URL names the host, which is then not looked for behind a proxy."""

    def client(self, *, first_poll: float | None = None) -> ImsClient:
        """Return a client whose tokens are kept in the state directory."""
        poll = PollPolicy() if first_poll is None else PollPolicy(initial_delay=first_poll)
        store = FileCredentialStore(credential_file())
        return ImsClient(self.gsp, poll=poll, credentials=store, trust_env=not self.own_host)

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
) -> Settings:
    """Read the environment, and ask for what is missing where there is a terminal to ask at.

    Raises `InvalidInput` that names the variable.
    """
    variables = env.Variables()
    account = chosen(gsp).gsp(variables, logging_in=logging_in)
    name = gstin or variables.get("IMS_GSTIN")
    if need_gstin and not name:
        name = variables.need("IMS_GSTIN", "GSTIN", or_else="or pass --gstin")
    if check and name:
        name = parse_gstin(name, what="the taxpayer's GSTIN")
    token = variables.get("IMS_TOKEN")
    return Settings(
        gsp=account,
        gstin=name.strip().upper(),
        token=Secret(token) if token else None,
        check=check,
        own_host=bool(variables.get("IMS_BASE_URL")),
    )


def ask_otp() -> str:
    """Ask for the OTP that GSTN sent, or read it from standard input where that is no terminal."""
    if env.at_terminal():
        return str(typer.prompt("OTP", hide_input=True, err=True)).strip()
    otp = sys.stdin.readline().strip()
    if not otp:
        raise InvalidInput("no OTP came on standard input: pipe it in, or log in at a terminal")
    return otp


def ask_username(given: str | None) -> str:
    """Return the taxpayer's user name at the GST portal, asked for where it is missing."""
    return given or env.Variables().need("IMS_USERNAME", "User name", or_else="or pass --username")


def confirmed(question: str, *, yes: bool) -> bool:
    """Ask before something is sent. Raises `InvalidInput` where nobody can be asked."""
    if yes:
        return True
    if not env.at_terminal():
        raise InvalidInput(
            "nothing was sent: there is no terminal to ask at; pass --yes to send without asking"
        )
    return bool(typer.confirm(question, err=True))


def credential_file(environment: Mapping[str, str] | None = None, *, platform: str = sys.platform) -> Path:
    """Return where tokens are kept: the platform's place for a program's state."""
    found = os.environ if environment is None else environment
    if platform == "win32":
        base = found.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    else:
        base = found.get("XDG_STATE_HOME") or ""
        if not Path(base).is_absolute():  # https://specifications.freedesktop.org/basedir-spec/latest/
            base = str(Path.home() / ".local" / "state")
    return Path(base) / "ims-async" / "credentials.json"
