"""Who is asking: credentials from the environment or a prompt, never from arguments."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import attrs
import typer

from ... import journal as journals
from ...client import ImsClient
from ...errors import InvalidInput
from ...files import is_file, is_folder
from ...gsp.base import Gsp
from ...journal import Journal
from ...journal.location import default_file, state_directory
from ...model.secret import Secret
from ...model.vocabulary import gstin_problem, parse_gstin
from ...net.credential_file import FileCredentialStore
from ...net.policies import PollPolicy, RateLimit
from ...net.transport import Transport
from ...tables import Problem
from ...tables.problems import raise_all
from ...taxpayer import Taxpayer
from .. import options
from . import environment as env
from .accounts import PROVIDERS, chosen
from .lists import listed_gstins

if TYPE_CHECKING:
    from ...journal import SqliteJournal

T = TypeVar("T")


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

    def client(
        self,
        *,
        first_poll: float | None = None,
        journal: Journal | None = None,
        transport: Transport | None = None,
    ) -> ImsClient:
        """Return a client whose tokens are kept in the state directory."""
        poll = PollPolicy() if first_poll is None else PollPolicy(initial_delay=first_poll)
        store = FileCredentialStore(credential_file())
        return ImsClient(
            self.gsp,
            journal=journal,
            poll=poll,
            rate=self.rate,
            credentials=store,
            transport=transport,
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

    async def ask(self, question: Callable[[Taxpayer], Awaitable[T]]) -> T:
        """Ask one thing of the taxpayer, with a client of its own."""
        async with self.client() as client:
            return await question(self.taxpayer(client))


@attrs.frozen(kw_only=True)
class Whose:
    """The options that say who asks for whom."""

    gsp: options.GspName = None
    gstin: options.Gstin = None
    no_check: options.NoCheck = False

    def gather(self, *, logging_in: bool = False) -> Settings:
        """Return the settings; what is missing is asked for."""
        return gather(self.gsp, self.gstin, check=not self.no_check, logging_in=logging_in)


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


def gather_for(
    gsp: str | None, names: Sequence[str], *, named: bool, check: bool, rate: int | None
) -> Settings:
    """Return the settings for these taxpayers; `named`: they were asked for by --gstin."""
    settings = gather(gsp, None, check=check, need_gstin=False, rate=rate)
    if len(names) != 1:
        return settings
    # A token is of the one that was asked for, unless IMS_GSTIN says another.
    return attrs.evolve(settings, gstin=names[0]) if named else settings.of(names[0])


def checked_gstin(given: str | None, *, check: bool = True) -> str:
    """Return the taxpayer of `--gstin` or IMS_GSTIN, empty if neither tells. Raises `InvalidInput`."""
    name = given or env.Variables().get("IMS_GSTIN")
    return parse_gstin(name, what="the taxpayer's GSTIN") if check and name else name.strip().upper()


def ask_gstin(given: str | None, *, check: bool = True) -> str:
    """Return the taxpayer of `--gstin` or IMS_GSTIN, asked for where neither tells."""
    name = given or env.Variables().need("IMS_GSTIN", "GSTIN", or_else="or pass --gstin")
    return checked_gstin(name, check=check)


def gstins_of(given: Sequence[str], file: Path | None, *, check: bool) -> list[str]:
    """Return the GSTINs that are named, each once, in their order. Raises `InvalidInput` with every fault."""
    found: dict[str, None] = {}
    problems: list[Problem] = []
    named: list[tuple[int | None, str]] = [(None, name) for name in given]
    for row, name in [*named, *(() if file is None else listed_gstins(file))]:
        problem = gstin_problem(name.strip()) if check else None
        if not check and name.strip() and not name.strip().isalnum():
            problem = f"{name!r:.60} is not a GSTIN"  # it may become the name of a file
        if problem:
            what = f"{problem}; check it for a typing error"
            if row is None:
                problems.append(Problem(f"--gstin: {what}", kind="gstin"))
            else:
                problems.append(Problem(what, kind="gstin", file=str(file), row=row))
        elif name.strip():
            found[name.strip().upper()] = None
    raise_all(problems)
    if file is not None and not found:
        raise InvalidInput(f"{file} lists no GSTIN: write one into each line")
    return list(found)


def _rate(given: int | None, variables: env.Variables) -> RateLimit | None:
    text = variables.get("IMS_RATE")
    if given is None and text:
        if not (text.isascii() and text.isdigit() and int(text) > 0):
            raise InvalidInput(f"IMS_RATE is {text!r:.40}: set it to so many requests a minute, 300 say")
        given = int(text)
    return None if given is None else RateLimit(per_minute=given)


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


# -- the journal -----------------------------------------------------------------------------------------


def journal_file(given: Path | None) -> Path:
    """Return where the journal is: `--journal`, else IMS_JOURNAL, else the state directory."""
    named = given or env.Variables().get("IMS_JOURNAL")
    return Path(named) if named else default_file()


def journal(given: Path | None) -> SqliteJournal:
    """Return the journal, which is made when it is first used. Raises `InvalidInput`."""
    file = journal_file(given)
    if not is_folder(file.parent):
        if file.parent != default_file().parent:
            raise InvalidInput(f"journal {file}: there is no folder {file.parent}: make it, or name another")
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise InvalidInput(
                f"journal {file} cannot be made: {why}; name another place with --journal or IMS_JOURNAL"
            ) from None
    return journals.SqliteJournal(file)


def journal_if_any(given: Path | None) -> SqliteJournal | None:
    """Return the journal if its file is there; none is made."""
    file = journal_file(given)
    return journals.SqliteJournal(file) if is_file(file) else None
