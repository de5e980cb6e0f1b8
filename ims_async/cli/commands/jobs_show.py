"""`jobs show`: how a job stands that was sent here, from another terminal or another machine."""

from __future__ import annotations

import contextlib
import shlex
from typing import Annotated, Any

import typer

from ... import tables
from ...errors import OUTAGE, GatewayError, InvalidInput, JournalError, UnexpectedAnswer
from ...jobs.job import ImsJob
from ...journal import Journal, Query
from ...model.tokens import JobToken
from .. import options
from ..command import command
from ..inputs.environment import at_terminal
from ..inputs.settings import Settings, checked_gstin, gather, journal_if_any
from ..output import outcomes
from ..output.console import NOT_ALL_WELL, OK, Console, Unfinished
from ..output.errors import denies
from ..output.progress import watching


@command(report=options.Report)
def show_job(
    console: Console,
    job: Annotated[
        str,
        typer.Argument(
            metavar="REFERENCE_OR_TOKEN",
            help="The job's reference id (at Vayana the task's, or GSTN's own), with --gstin where no "
            "journal knows it; or its token, in single quotes, as --json prints it.",
        ),
    ],
    wait: Annotated[
        bool,
        options.option("--wait", "Wait for the gateway's final word."),
    ] = False,
    journal: options.JournalFile = None,
    gsp: options.GspName = None,
    gstin: options.Gstin = None,
    no_check: options.NoCheck = False,
    first_poll: options.FirstPoll = options.FIRST_POLL,
) -> int:
    """Show how a job stands, also one that another terminal or machine has sent.

    Where the journal knows it, its records are named. Exit code 0 means that every record was applied; a job
    that still runs gives 1.
    """
    kept = journal_if_any(journal)
    token = _token_of(job) or console.wait_for(_known(kept, job, gstin))
    console.gsp = gsp or (token.gsp if token else None)
    if token is not None:
        settings = gather(console.gsp, gstin, check=False, need_gstin=False).of(token.gstin)
    elif not checked_gstin(gstin, check=False) and not at_terminal():
        raise InvalidInput(f"the journal knows of no job {job:.80}; pass --gstin")
    else:
        settings = gather(console.gsp, gstin, check=not no_check)
    console.asks(settings)
    looking = _look(console, settings, token or job, kept, wait=wait, first_poll=first_poll)
    found = console.wait_for(looking)
    code = _tell_of(console, found)
    if not found.done:
        console.tell(f"Wait for it with: {console.commands.show(found.token)}")
    return code


def _token_of(argument: str) -> JobToken | None:
    """Return None for a reference; none begins like a token, or with a quote that the shell passed on."""
    if not argument.lstrip().startswith(("{", "'", '"')):
        return None
    try:
        return JobToken.loads(argument)
    except InvalidInput as error:
        what = error.without_advice()
        raise InvalidInput(f"{what}; pass it whole, from {{ to }}, as push printed it") from None


async def _known(kept: Journal | None, reference: str, gstin: str | None) -> JobToken | None:
    """Return the token that the journal has for a reference, if it is the only one."""
    if kept is None:
        return None
    try:
        found = await kept.find(Query(reference=reference.strip(), gstin=gstin))
        run = [] if found else await kept.find(Query(run=reference.strip() or "?"))
    except JournalError:
        return None  # the gateway may know it all the same
    finally:
        await kept.aclose()
    if run:
        command = f"ims-async jobs list --run {shlex.quote(reference)}"
        raise InvalidInput(f"{reference} is a run: {command}")
    return found[0].token if len(found) == 1 else None


async def _look(
    console: Console,
    settings: Settings,
    job: JobToken | str,
    kept: Journal | None,
    *,
    wait: bool,
    first_poll: float,
) -> ImsJob:
    async with settings.client(first_poll=first_poll, journal=kept) as client:
        taxpayer = settings.taxpayer(client)
        found = client.resume(job) if isinstance(job, JobToken) else taxpayer.job(job)
        if not wait:
            await found.refresh()
            return found
        denied = False
        try:
            with contextlib.suppress(*OUTAGE, UnexpectedAnswer):
                await found.refresh()  # at once: an unknown job is reported without a wait
            async with watching(console, {found: f"{found.kind.value.lower()} {found.reference_id}"}):
                pass
        except GatewayError as error:
            denied = denies(error)
            raise
        finally:
            nowhere = denied and isinstance(job, str)  # a name alone is no proof that there is one
            if not found.done and not nowhere:
                console.unfinished = Unfinished.job(found.token, console.commands, denied=denied)
    return found


def _tell_of(console: Console, job: ImsJob) -> int:
    """Show what became of a job, and return the exit code: 0 only if every record was applied."""
    report, written = job.report, True
    facts: dict[str, Any] = {"gstin": job.gstin, "overwrite": console.overwrite}
    if report is not None:
        console.show(*outcomes.report_tables(job, report))
        written = console.write_report(lambda file: tables.write_report(file, report, **facts))
    console.say(outcomes.job_ending(job, console.commands))
    file = None if report is None else console.report_file
    console.document({**outcomes.job_facts(job), "report_file": file})
    return OK if report is not None and report.ok and written else NOT_ALL_WELL
