"""Errors in words for a person at a terminal, with what to do there."""

from __future__ import annotations

from typing import Final

from ...errors import (
    DownloadQueued,
    GatewayError,
    ImsError,
    InvalidInput,
    JobInFlight,
    JobTimeout,
    NotAuthorized,
    OtpRequired,
    OutcomeUnknown,
    SessionExpired,
)
from ...files import OVERWRITE_ADVICE
from ...gsp.gstn import how_long
from ...gsp.vayana.answers import TOO_MANY_TOKENS
from ...model.times import QUIET, in_minutes
from ...tables import InvalidFile
from ..inputs.accounts import chosen
from .next_commands import Commands


def not_known(commands: Commands) -> str:
    """Say what to do where an answer to a change was lost."""
    return (
        "It is not known whether the gateway took it. Do not push the file again. Run "
        f"`{commands.resume()}`, which looks what became of it; or wait {in_minutes(QUIET)}, then pull "
        "into a new file: what took effect shows in its column 'action when pulled'."
    )


def denies(error: Exception) -> bool:
    """Tell whether the gateway answered with an error of its own: asked about a job, it may know of none."""
    return type(error) is GatewayError


_ONES_OWN: Final = ", or set IMS_TOKEN"


def sentence_of(
    error: BaseException, gsp: str | None = None, *, commands: Commands | None = None, account: str = ""
) -> str:
    """Put an error in words for a person at a terminal, with what to do there; `gsp` as `--gsp` said it.

    `commands` are those that it may name; `account` says who was asked, in words.
    """
    commands = commands or Commands(gsp=gsp)
    if isinstance(error, OutcomeUnknown):
        cause = error.__cause__ or error
        return f"{cause.without_advice() if isinstance(cause, ImsError) else cause}. {not_known(commands)}"
    if isinstance(error, NotAuthorized):
        return _unauthorized(error, gsp, commands, account)
    if isinstance(error, JobInFlight):
        return _in_flight(error, commands)
    if isinstance(error, DownloadQueued):
        return _queued(error)
    if isinstance(error, JobTimeout):
        return "we stopped waiting; the job runs on at the gateway"
    if isinstance(error, InvalidInput):
        return words_of(error)
    if isinstance(error, ImsError):
        return error.without_advice()
    return f"unexpected {type(error).__name__}: {error}; run it again with --debug and report what it shows"


def words_of(error: InvalidInput) -> str:
    """Return what an error says, with the option of the command line in its advice."""
    advice = "choose another name, or pass --overwrite" if error.advice == OVERWRITE_ADVICE else error.advice
    return f"{error.without_advice()}: {advice}" if advice else str(error)


def _queued(error: DownloadQueued) -> str:
    if error.download is None:
        instead = "Vayana does (--gsp vayana)" if error.token else "try again later"
        return f"{error.without_advice()}; {instead}"
    takes = "" if error.estimate is None else f", {how_long(error.estimate)}"
    return f"the gateway is still preparing the rows of {error.download.section}{takes}: try again later"


def reason_of(error: BaseException, gsp: str | None, gstin: str) -> str:
    """Put what stopped one of many taxpayers in words; what to do about all of them is said once."""
    if isinstance(error, OutcomeUnknown):
        return error.without_advice()
    if isinstance(error, InvalidFile) and len(error.problems) > 1:
        return f"{len(error.problems):,} of its rows do not match: {error.problems[0]}; and so on"
    commands = Commands(gsp=gsp)
    advice = sentence_of(error, gsp, commands=commands).replace(_ONES_OWN, "")  # which is one taxpayer's only
    login = commands.login()
    return advice.replace(f"`{login}`", f"`{login} --gstin {gstin}`")


def _unauthorized(error: NotAuthorized, gsp: str | None, commands: Commands, account: str) -> str:
    login = f"run `{commands.login()}`"
    if isinstance(error, OtpRequired) and not error.code:
        whose = f"{commands.gstin} with the {account}" if commands.gstin and account else "this taxpayer"
        return f"there is no session for {whose}: {login}{_ONES_OWN if chosen(gsp).takes_token else ''}"
    if isinstance(error, SessionExpired):
        return f"{error.without_advice()}; the session has ended: {login}"
    if isinstance(error, OtpRequired):  # an OTP that was not accepted
        return f"{error.without_advice()}; {login} again for a new one"
    if error.code == "AUTH4032":
        return f"{error}; check the user name: --username, or IMS_USERNAME"
    if error.code == TOO_MANY_TOKENS:
        too_many = f"{error.code}: this user has as many live tokens as may live"
        return f"{too_many}: set IMS_USER_TOKEN to one of them, or wait until one ends"
    return f"{error.without_advice()}; check {chosen(gsp).credentials}, or {login}"


def _in_flight(error: JobInFlight, commands: Commands) -> str:
    if not error.advice:
        return str(error)
    return f"{error.without_advice()}: run `{commands.resume()}`, which looks"
