"""How a command speaks and ends: to a person or to a machine, and with which exit code."""

from __future__ import annotations

import re
import shlex
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

import attrs
import typer
from rich.console import Console, RenderableType

from ..codec.writing import json_text
from ..errors import (
    DownloadQueued,
    GatewayError,
    ImsError,
    InvalidInput,
    JobInFlight,
    JobTimeout,
    NotAuthorized,
    OtpRequired,
    OutcomeUnknown,
    PayloadTooLarge,
    SessionExpired,
)
from ..gsp.vayana_answers import TOO_MANY_TOKENS
from ..status import JobToken
from .accounts import chosen

OK: Final = 0
NOT_ALL_WELL: Final = 1
BAD_INPUT: Final = 2
INTERRUPTED: Final = 130

_PIPE_WIDTH: Final = 140  # columns, where there is no terminal: wide enough that no cell is cut


def printable(text: object) -> str:
    """Return text from elsewhere without control characters: no stranger steers the terminal."""
    return "".join(c if c.isprintable() else " " for c in str(text))


@attrs.frozen(kw_only=True)
class Unfinished:
    """A run that was broken off: how far it is, and the command that goes on with it."""

    run: str
    command: str
    how_far: str = ""
    jobs: Sequence[JobToken] = ()


@attrs.define
class Voice:
    """One command's way of speaking: answers to stdout, progress and errors to stderr.

    With `json` the answer is one JSON document. `gsp` is what `--gsp` said. `left_behind` holds the tokens
    of jobs that run on at the gateway while nobody looks any more; `unfinished` is a whole run. `sends` is
    true of a command that makes changes, which therefore says so where it has made none.
    """

    json: bool = False
    debug: bool = False
    gsp: str | None = None
    left_behind: list[JobToken] = attrs.field(factory=list)
    sends: bool = False
    unfinished: Unfinished | None = None

    @property
    def same_gsp(self) -> str:
        """What to add to the next command, so that it goes to the same gateway."""
        return f" --gsp {self.gsp}" if self.gsp else ""

    def tell(self, sentence: str) -> None:
        """Print a sentence to stderr."""
        sys.stderr.write(f"{printable(sentence)}\n")
        sys.stderr.flush()

    def say(self, sentence: str = "") -> None:
        """Print a sentence of the answer, for persons."""
        if not self.json:
            self.console().print(printable(sentence), markup=False, highlight=False, soft_wrap=True)

    def show(self, *parts: RenderableType) -> None:
        """Print tables of the answer, for persons."""
        if not self.json:
            self.console().print(*parts)

    def document(self, facts: dict[str, Any]) -> None:
        """Print the answer for machines."""
        if self.json:
            sys.stdout.write(f"{json_text(facts)}\n")
            sys.stdout.flush()

    def console(self) -> Console:
        """Return the console of the answers."""
        console = Console(file=sys.stdout, highlight=False, emoji=False)
        if not console.is_terminal:
            console.width = max(console.width, _PIPE_WIDTH)
        return console

    def error_console(self) -> Console:
        """Return the console of progress."""
        return Console(file=sys.stderr, highlight=False, emoji=False)

    def run(self, work: Callable[[], int]) -> NoReturn:
        """Do the work and exit with its code; each error becomes one clear sentence and its own code."""
        try:
            code = work()
        except (KeyboardInterrupt, typer.Abort):
            code = INTERRUPTED
            self._explain_stop()
        except (typer.Exit, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001 # the last door: what is told here is told in a sentence
            code = self._explain(error)
        raise typer.Exit(code)

    def _explain(self, error: Exception) -> int:
        if self.debug:
            for line in "".join(traceback.format_exception(error)).splitlines():
                typer.echo(printable(line), err=True)
        facts: dict[str, Any] = {"type": type(error).__name__, "message": sentence_of(error, self.gsp)}
        if isinstance(error, InvalidInput) and len(error.problems) > 1:
            unsent = "; nothing was sent" if self.sends else ""
            self.tell(f"Error: {len(error.problems)} problems{unsent}.")
            for problem in error.problems:
                self.tell(f"  {problem}")
        else:
            self.tell(f"Error: {facts['message']}")
        if isinstance(error, InvalidInput):
            facts["problems"] = list(error.problems)
        if isinstance(error, GatewayError):
            facts |= {"code": error.code, "http_status": error.http_status}
            facts["transaction_id"] = error.transaction_id
        self._point_to_jobs(denied=denies(error))
        self._point_to_run()
        self.document({"ok": False, "error": facts, **self._left()})
        return BAD_INPUT if isinstance(error, InvalidInput | PayloadTooLarge) else NOT_ALL_WELL

    def _explain_stop(self) -> None:
        running = [token for token in self.left_behind if token.reference_id]
        if self.unfinished is not None:
            what = f"Stopped run {self.unfinished.run}." if self.unfinished.run else "Stopped."
            self.tell(f"{what} {self.unfinished.how_far}".rstrip())
        elif not self.left_behind:
            self.tell("Stopped; no job was left running.")
        elif not running:
            self.tell(f"Stopped. {UNKNOWN}")
        else:
            self.tell("Stopped.")
        self._point_to_jobs()
        self._point_to_run()
        self.document({"ok": False, "error": {"type": "Interrupted", "message": "stopped"}, **self._left()})

    def _left(self) -> dict[str, Any]:
        """Return the jobs that were left behind, and the run that they are of, as plain values."""
        run = self.unfinished
        tokens = [token.dumps() for token in (*self.left_behind, *(run.jobs if run else ()))]
        return {"jobs": tokens} | ({"run": run.run or None, "go_on_with": run.command} if run else {})

    def _point_to_run(self) -> None:
        if self.unfinished is not None:
            self.tell("Go on with:")
            self.tell(f"  {self.unfinished.command}")

    def _point_to_jobs(self, *, denied: bool = False) -> None:
        for token in self.left_behind:
            if token.reference_id:
                name = token.reference_id
                stands = (
                    f"What became of job {name} is not known"
                    if denied
                    else f"Job {name} runs on at the gateway"
                )
                self.tell(f"{stands}; do not send its records again. Go on with: {how_to_go_on(token)}")


UNKNOWN: Final = (
    "It is not known whether the gateway took it. Do not push the file again. Run `ims-async jobs resume`, "
    "which looks what became of it; or wait 30 minutes, then pull into a new file: what took effect shows in "
    "its column 'action when pulled'."
)


def denies(error: Exception) -> bool:
    """Tell whether the gateway answered with an error of its own: asked about a job, it may know of none."""
    return type(error) is GatewayError


def how_to_go_on(token: JobToken) -> str:
    """Return the command that waits for a job from any terminal."""
    return f"ims-async jobs show {shlex.quote(token.dumps())} --wait"


# What the library advises a programmer, before or after the fact: here each has its own words in its place.
_ADVICE: Final = re.compile(
    r"\b(?:check org_id|log in again): "
    r"|: check (?:the API key(?: and secret)?|handle and password)$"
    r"|: the session has ended, log in again with an OTP$"
    r"|: pass a new user_token, or handle and password$"
    r"|: Sandbox\(api_key, api_secret\)$"
    r"|[:;] call taxpayer\.reconcile\(.*$"
)


_ONES_OWN: Final = ", or set IMS_TOKEN"


def _without_advice(error: BaseException) -> str:
    return _ADVICE.sub("", str(error))


def sentence_of(error: BaseException, gsp: str | None = None) -> str:
    """Put an error in words for a person at a terminal, with what to do there; `gsp` as `--gsp` said it."""
    if isinstance(error, OutcomeUnknown):
        return f"{error.__cause__ or error}. {UNKNOWN}"
    if isinstance(error, NotAuthorized):
        return _unauthorized(error, gsp)
    if isinstance(error, JobInFlight):
        return _in_flight(error)
    if isinstance(error, PayloadTooLarge):
        return f"{error}; split the file, or pass --max-records"
    if isinstance(error, DownloadQueued) and error.download is not None:
        return f"the gateway is still preparing the rows of {error.download.section}: try again later"
    if isinstance(error, JobTimeout):
        return "we stopped waiting; the job runs on at the gateway"
    if isinstance(error, ImsError):
        return str(error)
    return f"unexpected {type(error).__name__}: {error}; run it again with --debug and report what it shows"


def reason_of(error: BaseException, gsp: str | None, gstin: str) -> str:
    """Put what stopped one of many taxpayers in words; what to do about all of them is said once."""
    if isinstance(error, OutcomeUnknown):
        return _without_advice(error)
    advice = sentence_of(error, gsp).replace(_ONES_OWN, "")  # which is one taxpayer's only
    return advice.replace("`ims-async login`", f"`ims-async login --gstin {gstin}`")


def _unauthorized(error: NotAuthorized, gsp: str | None) -> str:
    if isinstance(error, OtpRequired) and not error.code:
        return f"there is no session for this taxpayer: {chosen(gsp).no_session}"
    if isinstance(error, SessionExpired):
        return f"{_without_advice(error)}; the session has ended: run `ims-async login`"
    if isinstance(error, OtpRequired):
        return str(error)  # an OTP that was not accepted
    if error.code == "AUTH4032":
        return f"{error}; check the user name: --username, or IMS_USERNAME"
    if error.code == TOO_MANY_TOKENS:
        too_many = f"{error.code}: this user has as many live tokens as may live"
        return f"{too_many}: set IMS_USER_TOKEN to one of them, or wait until one ends"
    return f"{_without_advice(error)}; check {chosen(gsp).credentials}, or run `ims-async login`"


def _in_flight(error: JobInFlight) -> str:
    if _ADVICE.search(str(error)) is None:
        return str(error)
    return f"{_without_advice(error)}: run `ims-async jobs resume`, which looks"
