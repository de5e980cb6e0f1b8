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

from ...errors import GatewayError, InvalidDecision, InvalidInput, PayloadTooLarge
from ...gsp.codec.json import json_text
from ...model.tokens import JobToken
from ...tables import InvalidFile, Problem, problems_of, write_problems
from ..inputs.settings import Settings
from .errors import not_known, reason_of, sentence_of, words_of
from .grouping import and_more, by_kind, first_of_each
from .next_commands import Commands

T = TypeVar("T")

OK: Final = 0
NOT_ALL_WELL: Final = 1
BAD_INPUT: Final = 2
DUE: Final = 3
INTERRUPTED: Final = 130

_BETWEEN: Final = 2  # columns of the screen, beside each of a table
_PIPE_WIDTH: Final = 140  # columns, where there is no terminal: wide enough that no cell is cut


def printable(text: object) -> str:
    """Return text from elsewhere without control characters: no stranger steers the terminal."""
    return "".join(c if c.isprintable() else " " for c in str(text))


@attrs.frozen(kw_only=True)
class Unfinished:
    """A job or a run that was left before its end: how far it is, and the command that goes on with it."""

    command: str
    run: str = ""
    how_far: str = ""
    jobs: Sequence[JobToken] = ()

    @classmethod
    def job(cls, token: JobToken, commands: Commands, *, denied: bool = False) -> Unfinished:
        """Return a job that is not waited for any more; `denied`: the gateway may not know of it."""
        name = token.reference_id
        if name is None:
            return cls(command=commands.resume(), how_far=not_known(commands), jobs=[token])
        stands = f"What became of job {name} is not known" if denied else f"Job {name} runs on at the gateway"
        again = "do not send its records again"
        return cls(command=commands.show(token), how_far=f"{stands}; {again}.", jobs=[token])


@attrs.define
class Console:
    """Prints for one command: answers to stdout, progress and errors to stderr.

    With `json` the answer is one JSON document. `commands` are those that a message may name. `unfinished`
    is what runs on at the gateway if the command ends now. `sends` is true of a command that makes changes,
    which therefore says so where it has made none.
    """

    json: bool = False
    debug: bool = False
    commands: Commands = attrs.field(factory=Commands)
    account: str = ""
    """Of which account at which host it is asked, in words."""
    sends: bool = False
    unfinished: Unfinished | None = None
    due: bool | None = False
    """Whether a GSTR-2B was said to be due to be computed anew; None if the journal could not tell."""
    takes_report: bool = False
    """Whether the command has the option `--report`, which a message may then name."""
    loop: asyncio.Runner = attrs.field(factory=asyncio.Runner, init=False, repr=False)

    def asks(self, settings: Settings, *, gsp: str | None = None) -> None:
        """Note whom this command asks, and for whom, as messages name them; `gsp` where no --gsp says it."""
        self.account = settings.account
        gsp = self.commands.gsp or gsp
        self.commands = attrs.evolve(self.commands, gsp=gsp, gstin=settings.gstin, check=settings.check)

    @property
    def report(self) -> Path | None:
        """The file of `--report`: what is wrong with files is written there too. None once it is lost."""
        return self.commands.report

    @property
    def report_file(self) -> str | None:
        """Its name."""
        return None if self.report is None else str(self.report)

    @property
    def overwrite(self) -> bool:
        """Whether files may take the place of others."""
        return self.commands.overwrite

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

    def write_report(
        self, write: Callable[[Path], object], *, jobs: int = 1, what: str = "What became of each record"
    ) -> bool:
        """Write the file of `--report`, if there is to be one; return whether it is not lost.

        Where that fails the jobs are done all the same, and are not to be sent again.
        """
        if self.report is None:
            return True
        try:
            write(self.report)
        except InvalidInput as error:
            those = "The job is done, do not send it" if jobs == 1 else "The jobs are done, do not send them"
            self.tell(f"{f'{those} again; but ' if jobs else ''}the report is lost: {words_of(error)}")
            self.commands = attrs.evolve(self.commands, report=None)
            return False
        self.say(f"{what} is in {self.report}.")
        return True

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
        facts: dict[str, Any] = {"type": type(error).__name__, "message": self.sentence(error)}
        if isinstance(error, InvalidInput) and len(error.problems) > 1:
            self._tell_problems(problems_of(error, "input"))
        else:
            self.tell(f"Error: {facts['message']}")
        if isinstance(error, InvalidInput):
            if error.advice:
                error = InvalidInput(words_of(error))  # in JSON, too, with the option of the command line
            facts["problems"] = list(error.problems)
            facts["findings"] = [problem.facts for problem in problems_of(error, "input")]
            facts["report_file"] = self._write_problems(error)
        if isinstance(error, GatewayError):
            facts |= {"code": error.code, "http_status": error.http_status}
            facts["transaction_id"] = error.transaction_id
        if self.unfinished is not None and self.unfinished.how_far:
            self.tell(self.unfinished.how_far)
        self._end_early(facts)
        return BAD_INPUT if isinstance(error, InvalidInput | PayloadTooLarge) else NOT_ALL_WELL

    def reason(self, gstin: str, error: Exception) -> str:
        """Put what stopped one of many taxpayers in words."""
        return reason_of(error, self.commands.gsp, gstin)

    def sentence(self, error: Exception) -> str:
        """Put an error in words, with what to do about it."""
        return sentence_of(error, self.commands, self.account)

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
        whole = "--report FILE and --json have" if self.takes_report else "--json has"
        whole = "" if self.report else f" {whole} all of them."
        self.tell(f"{count}: {by_kind(one.kind for one in problems)}. {step}{whole}")

    def _write_problems(self, error: InvalidInput) -> str | None:
        """Write what is wrong to the file of `--report`, unless it is that file that is wrong."""
        if self.report is None or not isinstance(error, InvalidFile | InvalidDecision):
            return None
        lines = (("refused", problem) for problem in problems_of(error, "input"))
        try:
            write_problems(self.report, lines, overwrite=self.overwrite)
        except InvalidInput as failure:
            self.tell(f"The report is lost: {words_of(failure)}")
            return None
        self.tell(f"All of it is in {self.report}.")
        return str(self.report)

    def _explain_stop(self) -> None:
        left = self.unfinished
        if left is None:
            self.tell("Stopped; no job was left running.")
        else:
            self.tell(f"Stopped{f' run {left.run}' if left.run else ''}. {left.how_far}".rstrip())
        self._end_early({"type": "Interrupted", "message": "stopped"})

    def _end_early(self, error: dict[str, Any]) -> None:
        """Say how to go on with what is left, for persons and machines."""
        left, facts = self.unfinished, {"ok": False, "error": error, "jobs": []}
        if left is not None:
            self.tell("Go on with:")
            self.tell(f"  {left.command}")
            facts["jobs"] = [token.dumps() for token in left.jobs]
            facts |= {"run": left.run or None, "go_on_with": left.command}
        self.document(facts)
