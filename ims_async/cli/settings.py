"""Who is asking: credentials from the environment or a prompt, never from arguments."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs
import typer

from ..client import ImsClient
from ..credentials import FileCredentialStore
from ..errors import InvalidInput
from ..gsp.sandbox import Sandbox
from ..retry import PollPolicy
from ..secret import Secret
from ..taxpayer import Taxpayer
from ..vocabulary import parse_gstin

_YES: Final = frozenset({"1", "true", "yes", "on"})
_NO: Final = frozenset({"", "0", "false", "no", "off"})


@attrs.frozen(kw_only=True)
class Settings:
    """An account and a taxpayer. `token` is a taxpayer's token that was had elsewhere."""

    api_key: Secret
    api_secret: Secret | None = None
    gstin: str
    token: Secret | None = None
    base_url: str = ""
    test: bool = False
    check: bool = True

    def client(self, *, first_poll: float | None = None) -> ImsClient:
        """Return a client whose tokens are kept in the state directory."""
        gsp = Sandbox(
            self.api_key.reveal(),
            None if self.api_secret is None else self.api_secret.reveal(),
            base_url=self.base_url,
            test=self.test,
        )
        poll = PollPolicy() if first_poll is None else PollPolicy(initial_delay=first_poll)
        return ImsClient(
            gsp, poll=poll, credentials=FileCredentialStore(credential_file()), trust_env=not self.base_url
        )

    def taxpayer(self, client: ImsClient) -> Taxpayer:
        """Return the taxpayer; without a token of our own, the one that `login` kept is used."""
        return client.taxpayer(
            self.gstin, token=self.token.reveal() if self.token else None, check=self.check
        )


def gather(
    gstin: str | None, *, check: bool = True, logging_in: bool = False, need_gstin: bool = True
) -> Settings:
    """Read the environment, and ask for what is missing where there is a terminal to ask at.

    Raises `InvalidInput` that names the variable. The API secret is only asked for when logging in.
    """
    key = _variable("IMS_API_KEY") or _ask("IMS_API_KEY", "API key", hidden=True)
    secret = _variable("IMS_API_SECRET")
    if logging_in and not secret:
        secret = _ask("IMS_API_SECRET", "API secret", hidden=True)
    name = gstin or _variable("IMS_GSTIN")
    if need_gstin and not name:
        name = _ask("IMS_GSTIN", "GSTIN", or_else="or pass --gstin")
    if check and name:
        name = parse_gstin(name, what="the taxpayer's GSTIN")
    token = _variable("IMS_TOKEN")
    return Settings(
        api_key=Secret(key),
        api_secret=Secret(secret) if secret else None,
        gstin=name.strip().upper(),
        token=Secret(token) if token else None,
        base_url=_variable("IMS_BASE_URL"),
        test=_flag("IMS_TEST"),
        check=check,
    )


def ask_otp() -> str:
    """Ask for the OTP that GSTN sent, or read it from standard input where that is no terminal."""
    if _at_terminal():
        return str(typer.prompt("OTP", hide_input=True, err=True)).strip()
    otp = sys.stdin.readline().strip()
    if not otp:
        raise InvalidInput("no OTP came on standard input: pipe it in, or log in at a terminal")
    return otp


def ask_username(given: str | None) -> str:
    """Return the taxpayer's user name at the GST portal, asked for where it is missing."""
    return (
        given or _variable("IMS_USERNAME") or _ask("IMS_USERNAME", "User name", or_else="or pass --username")
    )


def confirmed(question: str, *, yes: bool) -> bool:
    """Ask before something is sent. Raises `InvalidInput` where nobody can be asked."""
    if yes:
        return True
    if not _at_terminal():
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


def _variable(name: str) -> str:
    return os.environ.get(name, "").strip()


def _flag(name: str) -> bool:
    value = _variable(name).lower()
    if value not in _YES | _NO:
        raise InvalidInput(f"{name} is {value!r}: set it to 1 for the test host, or leave it unset")
    return value in _YES


def _at_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _ask(name: str, what: str, *, hidden: bool = False, or_else: str = "") -> str:
    if not _at_terminal():
        hint = f" {or_else}" if or_else else ""
        raise InvalidInput(f"{what}: {name} is not set, and there is no terminal to ask at; set it{hint}")
    return str(typer.prompt(what, hide_input=hidden, err=True)).strip()
