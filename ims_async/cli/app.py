"""The commands, put together; the module of each is imported when it is invoked."""

from __future__ import annotations

import functools
import io
import sys
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from .. import __version__


class Listed(NamedTuple):
    """What a list of commands shows of one: the beginning of its docstring, where it is, an example of it."""

    summary: str
    place: str
    example: str = ""


COMMANDS: Final = {
    "demo": Listed("Show every step on a simulated gateway.", "demo:demo"),
    "login": Listed(
        "Begin a taxpayer's session with an OTP.",
        "commands.login:login",
        "--gstin 29AAACQ3770E1ZF --username acme.traders",
    ),
    "counts": Listed(
        "Count a taxpayer's records by section and action.", "commands.reads:counts", "--goods imports"
    ),
    "pull": Listed(
        "Write records to a CSV, an XLSX or a Parquet file, to be decided on.",
        "commands.pull:pull",
        "--out acme.csv --section b2b --status no_action; "
        "of many taxpayers: ims-async pull --gstins clients.txt --out november/; "
        "again, with what you typed: ims-async pull --keep november/",
    ),
    "match": Listed(
        "Match the records of files with the purchase register, and fill in what a policy decides.",
        "commands.match:match",
        "november/ --register purchases.csv --policy firm.toml --dry-run",
    ),
    "check": Listed(
        "Check files of decisions offline: nothing is sent, and only with --ask-filing a gateway is asked.",
        "commands.check:check",
        "acme.csv",
    ),
    "deadlines": Listed(
        "Show the dates of a return period: when GSTR-2B is drafted, and until when an action counts.",
        "commands.deadlines:deadlines",
        "102026; of a quarterly taxpayer: ims-async deadlines 092026 --quarterly --state 29",
    ),
    "push": Listed(
        "Send the decisions of files, and account for every record.",
        "commands.change:push",
        "acme.csv --report outcome.csv; of many taxpayers: ims-async push november/ --run 2026-11",
    ),
    "reset": Listed(
        "Take the records of files back to no action.", "commands.change:reset", "acme.csv --yes"
    ),
    "outcome": Listed(
        "Show what became of an upload at the portal, record by record.",
        "commands.offline:outcome",
        "upload.json --errors errors.json --report outcome.csv",
    ),
    "followup": Listed(
        "Write what is to be asked of each supplier: rejected, pending, different, not filed, only in books.",
        "commands.followup:followup",
        "november/ --register purchases.csv --out followup.csv; of customers: "
        "ims-async followup --sales sales.csv --out customers.csv",
    ),
    "sales": Listed(
        "Show what recipients did about the taxpayer's own documents.",
        "commands.reads:sales",
        "2024 10 --out sales.csv",
    ),
    "liabilities": Listed(
        "Show the liability that rejections by recipients added back.",
        "commands.reads:liabilities",
        "2024 10 --section cdnr",
    ),
    "simulate": Listed(
        "Run a fake gateway on this machine until Ctrl-C.",
        "commands.simulate:simulate",
        "--port 8070 --job-seconds 10",
    ),
    "jobs show": Listed(
        "Show how a job stands, sent here or elsewhere.",
        "commands.jobs:show_job",
        "4c808f0a93d7577 --gstin 29AAACQ3770E1ZF --wait",
    ),
    "jobs list": Listed(
        "List the jobs that have not ended or were not sent, or all.",
        "commands.jobs:list_jobs",
        "--run 2026-11",
    ),
    "jobs resume": Listed(
        "Find out what became of what was sent and has not ended.",
        "commands.runs:resume_jobs",
        "2026-11 --report outcome.csv",
    ),
    "policy init": Listed(
        "Write a policy with every key and its default, explained: edit it, check it, match with it.",
        "commands.policy:init",
        "firm.toml",
    ),
    "policy check": Listed(
        "Say what a policy would do, or what is wrong with its file (exit code 2).",
        "commands.policy:check",
        "firm.toml",
    ),
    "gstr2b regenerate": Listed(
        "Have GSTR-2B of a period computed anew from the actions as they are.",
        "commands.gstr2b.regenerate:regenerate",
        "--period 102026 --due; of these: --gstins clients.txt --report statements.csv",
    ),
    "gstr2b compare": Listed(
        "Compare the records of IMS with the GSTR-2B of a period, and say what differs, in rupees.",
        "commands.gstr2b.compare:compare",
        "--period 102026 --gstins clients.txt --out compared.xlsx",
    ),
    "gstr2b pull": Listed(
        "Write the GSTR-2B of a period to files: a line for each document, or all of it as JSON.",
        "commands.gstr2b.pull:pull",
        "--period 102026 --gstins clients.txt --out statements/ --format xlsx",
    ),
}
_GROUPS: Final = {
    "jobs": "Look after jobs that were sent.",
    "policy": "Write and check the policy that match decides by.",
    "gstr2b": "GSTR-2B: have it computed anew, read it, compare it with the records of IMS.",
}
_SETTINGS: Final[dict[str, Any]] = {
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
}
app = typer.Typer(name="ims-async", no_args_is_help=True, **_SETTINGS)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ims-async {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Work with India's GST Invoice Management System: pull, decide, push, and account for every record.

    IMS_GSP or --gsp chooses the gateway: sandbox (the default) or vayana. Credentials come from the
    environment or a prompt, never from arguments. The account's: for Sandbox IMS_API_KEY and IMS_API_SECRET,
    for Vayana IMS_ORG_ID with IMS_USER_TOKEN or with IMS_HANDLE and IMS_PASSWORD. The taxpayer's: IMS_GSTIN,
    IMS_USERNAME (at the GST portal), and IMS_TOKEN (of a session begun elsewhere: it comes before the one
    that login keeps, which is used once IMS_TOKEN is refused or near its end). IMS_TEST=1 talks to the test
    host, IMS_BASE_URL to another one (Vayana's login: IMS_SSO_URL).

    Many taxpayers at once: pull --gstins clients.txt --out november/, decide, push november/. IMS_RATE is how
    many requests a minute may leave. IMS_JOURNAL names the file in which all that is sent is written down
    before it leaves; otherwise it is journal.db in ~/.local/state/ims-async.

    Exit codes: 0 every record is accounted for and none failed, 1 some failed or the gateway did, 2 bad
    input, 3 with --fail-if-due a GSTR-2B is due to be computed anew, 130 stopped.
    """


_HOW: Final = frozenset({"first_poll", "rate", "concurrency", "max_records", "max_outage"})
"""Numbers that say how something is done, and not what."""


def _refuse_twice(context: Any, words: list[str]) -> None:
    """Fail, with exit code 2, where an option that has one value is given twice: the parser takes the last.

    But of the numbers of `_HOW` the last one may take the place of that in an alias or a printed command.
    """
    _, _, given = context.command.make_parser(context).parse_args(args=words)  # with an item for each time
    for one, times in Counter(given).items():
        single = isinstance(one, TyperOption) and not one.multiple and not one.is_flag
        if times > 1 and single and one.name not in _HOW:
            context.fail(f"{one.opts[0]} is given more than once: it has one value, leave out the others")


class _Later(TyperCommand):
    """A command in a list. Its module is imported when it is invoked, or its own help is asked for."""

    def __init__(self, path: str, listed: Listed) -> None:
        super().__init__(path.split()[-1], help=listed.summary)
        self._path, self._listed = path, listed

    def make_context(self, info_name: Any, args: list[str], *more: Any, **named: Any) -> Any:
        """Return a context of the command itself, which then is what is invoked."""
        context = self._itself().make_context(info_name, [*args], *more, **named)
        _refuse_twice(context, [*args])
        return context

    def _itself(self) -> Any:
        module, _, function = self._listed.place.partition(":")
        try:
            work = getattr(import_module(f".{module}", __package__), function)
        except KeyboardInterrupt:
            sys.exit(130)  # nothing was done yet
        alone = typer.Typer(**_SETTINGS)
        example = f"{self._path} {self._listed.example}".rstrip()
        alone.command(self.name, epilog=f"Example: ims-async {example}")(work)
        return typer.main.get_command(alone)


@functools.cache
def parser() -> Callable[..., Any]:
    """Return what reads the command line: made once, which takes longer than reading."""
    whole: Any = typer.main.get_command(app)
    groups: dict[str, Any] = {"": whole}
    for name, summary in _GROUPS.items():
        groups[name] = TyperGroup(name=name, help=summary, no_args_is_help=True, rich_markup_mode=None)
    for path, listed in COMMANDS.items():
        group, _, name = path.rpartition(" ")
        groups[group].add_command(_Later(path, listed), name)
    for name in _GROUPS:
        whole.add_command(groups[name])
    return whole  # type: ignore[no-any-return] # typer's own parser and that of click are two types


def run() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character shows another
    parser()(prog_name="ims-async")
