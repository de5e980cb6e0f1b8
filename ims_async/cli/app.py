"""The commands, put together."""

from __future__ import annotations

import functools
import io
import sys
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from .. import __version__
from .commands.change import push, reset
from .commands.check import check
from .commands.deadlines import deadlines
from .commands.followup import followup
from .commands.gstr2b.compare import compare
from .commands.gstr2b.pull import pull as pull_gstr2b
from .commands.gstr2b.regenerate import regenerate
from .commands.jobs import list_jobs, show_job
from .commands.login import login
from .commands.match import match
from .commands.offline import outcome
from .commands.policy import check as check_policy
from .commands.policy import init as init_policy
from .commands.pull import pull
from .commands.reads import counts, liabilities, sales
from .commands.runs import resume_jobs
from .commands.simulate import simulate
from .demo import demo

app = typer.Typer(
    name="ims-async",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
jobs = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look after jobs that were sent.")

policy = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Write and check the policy that match decides by."
)
gstr2b = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="GSTR-2B: have it computed anew, read it, compare it with the records of IMS.",
)


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


_EXAMPLES: Final = {
    demo: "demo",
    login: "login --gstin 29AAACQ3770E1ZF --username acme.traders",
    counts: "counts --goods imports",
    pull: "pull --out acme.csv --section b2b --status no_action; "
    "of many taxpayers: ims-async pull --gstins clients.txt --out november/; "
    "again, with what you typed: ims-async pull --keep november/",
    match: "match november/ --register purchases.csv --policy firm.toml --dry-run",
    check: "check acme.csv",
    deadlines: "deadlines 102026; of a quarterly taxpayer: ims-async deadlines 092026 --quarterly --state 29",
    push: "push acme.csv --report outcome.csv; of many taxpayers: ims-async push november/ --run 2026-11",
    reset: "reset acme.csv --yes",
    outcome: "outcome upload.json --errors errors.json --report outcome.csv",
    followup: "followup november/ --register purchases.csv --out followup.csv; of customers: "
    "ims-async followup --sales sales.csv --out customers.csv",
    sales: "sales 2024 10 --out sales.csv",
    liabilities: "liabilities 2024 10 --section cdnr",
    simulate: "simulate --port 8070 --job-seconds 10",
}
for _work, _example in _EXAMPLES.items():
    app.command(epilog=f"Example: ims-async {_example}")(_work)
for _name, _work, _example in (
    ("show", show_job, "4c808f0a93d7577 --gstin 29AAACQ3770E1ZF --wait"),
    ("list", list_jobs, "--run 2026-11"),
    ("resume", resume_jobs, "2026-11 --report outcome.csv"),
):
    jobs.command(_name, epilog=f"Example: ims-async jobs {_name} {_example}")(_work)
app.add_typer(jobs, name="jobs")
for _name, _work, _example in (("init", init_policy, "firm.toml"), ("check", check_policy, "firm.toml")):
    policy.command(_name, epilog=f"Example: ims-async policy {_name} {_example}")(_work)
app.add_typer(policy, name="policy")
for _name, _work, _example in (
    (
        "regenerate",
        regenerate,
        "--period 102026 --due; of these: --gstins clients.txt --report statements.csv",
    ),
    ("compare", compare, "--period 102026 --gstins clients.txt --out compared.xlsx"),
    ("pull", pull_gstr2b, "--period 102026 --gstins clients.txt --out statements/ --format xlsx"),
):
    gstr2b.command(_name, epilog=f"Example: ims-async gstr2b {_name} {_example}")(_work)
app.add_typer(gstr2b, name="gstr2b")


@functools.cache
def parser() -> Callable[..., Any]:
    """Return what reads the command line: made once, which takes longer than reading."""
    return typer.main.get_command(app)


def run() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character shows another
    parser()(prog_name="ims-async")
