"""What a command prints, for a person or for a machine, and the exit code that it ends with."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import attrs
import typer
from rich.console import Console as Screen
from rich.console import RenderableType
from rich.table import Table

from ...errors import (
    DownloadQueued,
    GatewayError,
    ImsError,
    InvalidDecision,
    InvalidInput,
    JobInFlight,
    JobTimeout,
    NotAuthorized,
    OtpRequired,
    OutcomeUnknown,
    PayloadTooLarge,
    SessionExpired,
)
from ...files import OVERWRITE_ADVICE
from ...gsp.codec.writing import json_text
from ...gsp.gstn import how_long
from ...gsp.vayana.answers import TOO_MANY_TOKENS
from ...model.times import QUIET, in_minutes
from ...model.tokens import JobToken
from ...tables import InvalidFile, Problem, problems_of, write_problems
from ..inputs.accounts import chosen
from ..inputs.settings import Settings
from .grouping import and_more, by_kind, first_of_each
from .next_commands import Commands

T = TypeVar("T")

OK: Final = 0
NOT_ALL_WELL: Final = 1
BAD_INPUT: Final = 2
INTERRUPTED: Final = 130

_BETWEEN: Final = 2  # columns of the screen, beside each of a table
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
class Console:
    """Prints for one command: answers to stdout, progress and errors to stderr.

    With `json` the answer is one JSON document. `gsp` is what `--gsp` said. `left_behind` holds the tokens
    of jobs that run on at the gateway while nobody looks any more; `unfinished` is a whole run. `sends` is
    true of a command that makes changes, which therefore says so where it has made none.
    """

    json: bool = False
    debug: bool = False
    gsp: str | None = None
    gstin: str = ""
    journal: Path | None = None
    check: bool = True
    account: str = ""
    """Of which account at which host it is asked, in words."""
    left_behind: list[JobToken] = attrs.field(factory=list)
    sends: bool = False
    report: Path | None = None
    """The file of `--report`: what is wrong with files is written there too."""
    overwrite: bool = False
    """Whether it may take the place of another."""
    unfinished: Unfinished | None = None
    loop: asyncio.Runner = attrs.field(factory=asyncio.Runner, init=False, repr=False)

    @property
    def commands(self) -> Commands:
        """The commands that a message may name, with the options of this one."""
        return Commands(
            gsp=self.gsp,
            gstin=self.gstin,
            journal=self.journal,
            check=self.check,
            report=self.report,
            overwrite=self.overwrite,
        )

    def asks(self, settings: Settings) -> None:
        """Note whom this command asks, and for whom: messages name them."""
        self.gstin, self.check, self.account = settings.gstin, settings.check, settings.account

    def tell(self, sentence: str) -> None:
        """Print a sentence to stderr."""
        sys.stderr.write(f"{printable(sentence)}\n")
        sys.stderr.flush()

    def say(self, sentence: str = "") -> None:
        """Print a sentence of the answer, for persons."""
        if not self.json:
            self.screen().print(printable(sentence), markup=False, highlight=False, soft_wrap=True)

    def show(self, *parts: RenderableType) -> None:
        """Print tables of the answer, for persons."""
        if not self.json:
            screen = self.screen()
            for part in parts:  # what is too wide to be whole the terminal breaks
                if isinstance(part, Table):
                    least = sum((column.min_width or 0) + _BETWEEN for column in part.columns)
                    screen.width = max(screen.width, least)
            screen.print(*parts, crop=False)

    def document(self, facts: dict[str, Any]) -> None:
        """Print the answer for machines."""
        if self.json:
            sys.stdout.write(f"{json_text(facts)}\n")
            sys.stdout.flush()

    def screen(self) -> Screen:
        """Return the console of the answers."""
        console = Screen(file=sys.stdout, highlight=False, emoji=False)
        if not console.is_terminal:
            console.width = max(console.width, _PIPE_WIDTH)
        return console

    def error_screen(self) -> Screen:
        """Return the console of progress."""
        return Screen(file=sys.stderr, highlight=False, emoji=False)

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """Carry something out in the one event loop of this command, which rests while a person is asked."""
        # Not in a thread: Ctrl-C would leave it at its question, and Python aborts where one reads stdin.
        return self.loop.run(work)

    def run(self, work: Callable[[], int]) -> NoReturn:
        """Do the work and exit with its code; each error becomes one clear sentence and its own code."""
        try:
            with self.loop:
                code = work()
        except (KeyboardInterrupt, typer.Abort):
            code = INTERRUPTED
            self._explain_stop()
        except (typer.Exit, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001 # the last place: each error becomes a sentence
            code = self._explain(error)
        raise typer.Exit(code)

    def _explain(self, error: Exception) -> int:
        if self.debug:
            for line in "".join(traceback.format_exception(error)).splitlines():
                typer.echo(printable(line), err=True)
        facts: dict[str, Any] = {"type": type(error).__name__, "message": self._sentence(error)}
        if isinstance(error, InvalidInput) and len(error.problems) > 1:
            self._tell_problems(problems_of(error, "input"))
        else:
            self.tell(f"Error: {facts['message']}")
        if isinstance(error, InvalidInput):
            facts["problems"] = list(error.problems)
            facts["findings"] = [problem.facts for problem in problems_of(error, "input")]
            facts["report_file"] = self._write_problems(error)
        if isinstance(error, GatewayError):
            facts |= {"code": error.code, "http_status": error.http_status}
            facts["transaction_id"] = error.transaction_id
        self._point_to_jobs(denied=denies(error))
        self._point_to_run()
        self.document({"ok": False, "error": facts, **self._left()})
        return BAD_INPUT if isinstance(error, InvalidInput | PayloadTooLarge) else NOT_ALL_WELL

    def reason(self, gstin: str, error: Exception) -> str:
        """Put what stopped one of many taxpayers in words."""
        return reason_of(error, self.gsp, gstin)

    def _sentence(self, error: Exception) -> str:
        return sentence_of(error, self.gsp, commands=self.commands, account=self.account)

    def _tell_problems(self, problems: Sequence[Problem]) -> None:
        """Show the first of each kind; their sum, and what to do, come last."""
        count = f"{len(problems):,} problems"
        unsent = "; nothing was sent" if self.sends else ""
        self.tell(f"Error: {count}{unsent}.")
        for own, more in first_of_each(problems, lambda problem: problem.kind):
            for problem in own:
                self.tell(f"  {problem}")
            if more:
                self.tell(f"  {and_more(more)}")
        step = "Mend these rows, or pull again." if self.sends else "Mend them, and try again."
        whole = "" if self.report else " --report FILE and --json have all of them."
        self.tell(f"{count}: {by_kind(one.kind for one in problems)}. {step}{whole}")

    def _write_problems(self, error: InvalidInput) -> str | None:
        """Write what is wrong to the file of `--report`, unless it is that file that is wrong."""
        if self.report is None or not isinstance(error, InvalidFile | InvalidDecision):
            return None
        lines = (("refused", problem) for problem in problems_of(error, "input"))
        try:
            write_problems(self.report, lines, overwrite=self.overwrite)
        except InvalidInput as failure:
            self.tell(f"The report is lost: {failure}")
            return None
        self.tell(f"All of it is in {self.report}.")
        return str(self.report)

    def _explain_stop(self) -> None:
        running = [token for token in self.left_behind if token.reference_id]
        if self.unfinished is not None:
            what = f"Stopped run {self.unfinished.run}." if self.unfinished.run else "Stopped."
            self.tell(f"{what} {self.unfinished.how_far}".rstrip())
        elif not self.left_behind:
            self.tell("Stopped; no job was left running.")
        elif not running:
            self.tell(f"Stopped. {not_known(self.commands)}")
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
                self.tell(f"{stands}; do not send its records again. Go on with: {self.commands.show(token)}")


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
        return (
            f"{error.without_advice()}; Vayana does (--gsp vayana)" if error.token else error.without_advice()
        )
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
