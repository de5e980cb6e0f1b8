"""Errors in words for a person at a terminal, with what to do there."""

from __future__ import annotations

from typing import Final

from ... import errors
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


def sentence_of(error: BaseException, commands: Commands, account: str = "") -> str:
    """Put an error in words for a person at a terminal, with what to do there.

    `commands` are those that it may name; `account` says who was asked, in words.
    """
    if outage := _outage(error):
        return outage
    match error:
        case errors.OutcomeUnknown():
            cause = error.__cause__ or error
            what = cause.without_advice() if isinstance(cause, errors.ImsError) else cause
            return f"{what}. {not_known(commands)}"
        case errors.NotAuthorized():
            return _unauthorized(error, commands, account)
        case errors.JobInFlight(advice=advice) if advice:
            return f"{error.without_advice()}: run `{commands.resume()}`, which looks"
        case errors.DownloadQueued():
            return _queued(error)
        case errors.JobTimeout():
            return "we stopped waiting; the job runs on at the gateway"
        case errors.InvalidInput():
            return words_of(error)
        case errors.NotSent() | errors.GatewayUnavailable(http_status=None):
            return f"{error.without_advice()}; check the connection, or IMS_BASE_URL"
        case errors.GatewayUnavailable():
            asked = f" ({account})" if account else ""
            return f"{error.without_advice()}{asked}; try again later"
        case errors.Gstr2bUnavailable() | errors.RegenerationRefused():
            return _of_gstr2b(error)
        case errors.ImsError():
            return error.without_advice()
    what = f"unexpected {type(error).__name__}: {error}"
    return f"{what}; run it again with --debug and report what it shows"


def _outage(error: BaseException) -> str:
    """Say who did not answer, for how long, and what to do; empty if that is not what happened."""
    if isinstance(error, errors.JobInFlight) and isinstance(error.__cause__, errors.JobTimeout):
        ahead = _outage(error.__cause__)
        return ahead and f"nothing was sent, a job of before is in the way: {ahead}"
    if not isinstance(error, errors.ImsError) or not error.outage:
        return ""
    left = "we stopped waiting, the job may run on there; " if isinstance(error, errors.JobTimeout) else ""
    return f"{error.outage}; {left}go on once it answers"


def words_of(error: errors.InvalidInput) -> str:
    """Return what an error says, with the option of the command line in its advice."""
    advice = "choose another name, or pass --overwrite" if error.advice == OVERWRITE_ADVICE else error.advice
    return f"{error.without_advice()}: {advice}" if advice else str(error)


def _of_gstr2b(error: errors.GatewayError) -> str:
    """Say what to do in the words of the command line, where the advice is for programs."""
    advice = _ADVICE.get(error.code, error.advice)
    what = error.without_advice().rstrip(".")
    return f"{what}; {advice[0].lower()}{advice[1:]}" if advice else what


_ADVICE: Final = {
    "IMS2B007": "",  # `statements.tell_outcomes` names the command, whole
    "IMS2B009": "",  # the gateway names the day
    "GTR2B-002": "if GSTR-3B of the period before is not filed, file it, then have GSTR-2B computed anew",
}


def _queued(error: errors.DownloadQueued) -> str:
    if error.download is None:
        instead = "Vayana does (--gsp vayana)" if error.token else "try again later"
        return f"{error.without_advice()}; {instead}"
    takes = "" if error.estimate is None else f", {how_long(error.estimate)}"
    return f"the gateway is still preparing the rows of {error.download.section}{takes}: try again later"


def reason_of(error: BaseException, gsp: str | None, gstin: str) -> str:
    """Put what stopped one of many taxpayers in words; what to do about all of them is said once."""
    if outage := _outage(error):
        return outage
    if isinstance(error, errors.OutcomeUnknown | errors.NotSent | errors.GatewayUnavailable):
        return error.without_advice()
    if isinstance(error, InvalidFile) and len(error.problems) > 1:
        return f"{len(error.problems):,} of its rows do not match: {error.problems[0]}; and so on"
    commands = Commands(gsp=gsp)
    advice = sentence_of(error, commands).replace(_ONES_OWN, "")  # which is one taxpayer's only
    login = commands.login()
    return advice.replace(f"`{login}`", f"`{login} --gstin {gstin}`")


_ONES_OWN: Final = ", or set IMS_TOKEN"


def _unauthorized(error: errors.NotAuthorized, commands: Commands, account: str) -> str:
    login, what = f"run `{commands.login()}`", error.without_advice()
    if isinstance(error, errors.OtpRequired) and not error.code:
        whose = f"{commands.gstin} with {account}" if commands.gstin and account else "this taxpayer"
        or_token = _ONES_OWN if chosen(commands.gsp).takes_token else ""
        return f"there is no session for {whose}: {login}{or_token}"
    if isinstance(error, errors.SessionExpired):
        ended = what if "session" in what.lower() else f"the session has ended ({what})"
        return f"{ended}: {login}"
    if isinstance(error, errors.OtpRequired):  # an OTP that was not accepted
        return f"{what}; {login} again for a new one"
    if error.code == "AUTH4032":
        return f"{error}; check the user name: --username, or IMS_USERNAME"
    if error.code == TOO_MANY_TOKENS:
        too_many = f"{error.code}: this user has as many live tokens as may live"
        return f"{too_many}: set IMS_USER_TOKEN to one of them, or wait until one ends"
    return f"{what}; check {chosen(commands.gsp).credentials}, or {login}"
