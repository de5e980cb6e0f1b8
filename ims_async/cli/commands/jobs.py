"""`jobs list` and `jobs show`: what the journal holds, and how a job stands, sent here or elsewhere."""

from __future__ import annotations

import contextlib
import datetime as dt
import shlex
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import attrs
import typer
from rich.table import Table
from rich.text import Text

from ... import tables
from ...bulk.gstr2b import by_gateway, changes_since, draft_of, gstins_due
from ...bulk.recover import handed_in_again
from ...errors import OUTAGE, GatewayError, InvalidInput, JournalError, UnexpectedAnswer
from ...gsp.http import is_loopback
from ...jobs.job import ImsJob
from ...journal import Change, ChangeState, Journal, Query, SqliteJournal
from ...model.moves import OPEN_STATES
from ...model.status import JobState
from ...model.tokens import JobToken
from ...rules.periods import india_date, last_drafted
from .. import options
from ..command import command
from ..inputs.environment import Variables, at_terminal
from ..inputs.settings import Settings, Whose, checked_gstin, gather, journal_file, journal_if_any
from ..output import outcomes
from ..output import tables as show
from ..output.console import NOT_ALL_WELL, OK, Console, Unfinished, printable
from ..output.progress import watching
from ..output.statements import tell_due

_MAY_BE_LEFT: Final = (*OPEN_STATES, ChangeState.CALLED_OFF)


def last_drafted_now() -> str:
    """Return the last period whose GSTR-2B is drafted by now."""
    return last_drafted(india_date(dt.datetime.now(dt.UTC)))


def no_journal(console: Console, **facts: Any) -> int:
    """Say that there is no journal, which is well; return the exit code."""
    file = journal_file(console.commands.journal)
    console.say(f"There is no journal at {file}: nothing was sent by it yet.")
    console.document({"ok": True, "journal": str(file), **facts})
    return OK


def unknown_run(console: Console, run: str) -> InvalidInput:
    """Return the error for a run of which the journal has nothing."""
    return InvalidInput(f"the journal knows of no run {run!r} here: `{console.commands.runs()}` names them")


# -- list ----------------------------------------------------------------------------------------------


@command(says_due=True)
def list_jobs(
    console: Console,
    all_jobs: Annotated[bool, options.option("--all", "Everything that was ever handed in.")] = False,
    run: Annotated[str | None, options.option("--run NAME", "All jobs of this run.", "2026-11")] = None,
    runs: Annotated[bool, options.option("--runs", "A line for each run, with its counts.")] = False,
    journal: options.JournalFile = None,
) -> int:
    """List the jobs that have not ended or were not sent, or all.

    Needs no credentials and asks nobody. `jobs resume` finds out what became of those that are open. What
    was not sent, and neither cancelled nor refused, push sends: the same files, with the run's name.
    """
    kept = journal_if_any(journal)
    if kept is None:
        return no_journal(console, jobs=[], runs=[])
    whole = all_jobs or runs or run is not None
    found, since, trouble = console.wait_for(_entries(kept, run, whole=whole))
    if run is not None and not found and trouble is None:
        raise unknown_run(console, run)
    by_run: dict[str, list[Change]] = {}  # what was sent without a run has the empty name
    for entry in found:
        by_run.setdefault(entry.run, []).append(entry)
    which = "" if whole else " that have not ended, or were not sent"
    title = f"jobs{'' if run is None else f' of run {run}'} in {kept.path}{which}"
    none = ": none." if whole else ": none. --all lists those that have ended, too."
    console.say(f"{title}{'' if found else none}")
    if found:
        console.show(_runs_table(by_run) if runs else _jobs_table(by_run))
    facts = {"ok": trouble is None, "journal": str(kept.path), "jobs": [_facts(entry) for entry in found]}
    facts["recompute_due"] = _tell_due(console, since)
    if trouble is not None:
        console.tell(f"Error: {trouble}")
    console.document({**facts, "runs": [_run_facts(name, own) for name, own in by_run.items()]})
    return OK if trouble is None else NOT_ALL_WELL


def _tell_due(console: Console, since: Sequence[Change] | None) -> dict[str, Any]:
    """Say whose GSTR-2B is due to be computed anew, by what was sent since its draft; return the facts."""
    period, counted, others = last_drafted_now(), dict[str, None](), dict[str, None]()
    if since is None:
        console.due = None
    for own in by_gateway(since or ()):
        token = own[0].token
        commands = attrs.evolve(console.commands, gsp=token.gsp)
        gstins, host = gstins_due(own, period), _elsewhere(token.host)
        # A simulator that was tried stays in the journal, and cannot be asked any more.
        tried = is_loopback(urlsplit(f"//{host}").hostname or "")
        tell_due(console, period, gstins, commands=commands, host=host, counts=not tried)
        if gstins and tried:
            console.say(f"{host} is on this machine, as simulators are: --fail-if-due does not count it.")
        (others if tried else counted).update(dict.fromkeys(gstins))
    return {"period": period, "gstins": list(counted), "not_counted": list(others)}


def _elsewhere(host: str) -> str:
    """Return the host, empty if IMS_BASE_URL names it: then the next command asks there."""
    here = Variables().get("IMS_BASE_URL").partition("://")[2].partition("/")[0]
    return "" if here.lower() == host.lower() else host


async def _entries(
    kept: SqliteJournal, run: str | None, *, whole: bool
) -> tuple[list[Change], list[Change] | None, JournalError | None]:
    """Return what can be read, of the jobs that are left or of all, and what is the matter with the rest.

    In between, what was sent since the last GSTR-2B was drafted, None if that cannot be read.
    """
    async with kept:
        try:
            query = Query(run=run, states=None if whole else _MAY_BE_LEFT)
            found, trouble = await kept.find(query), None
        except JournalError as error:
            if not error.readable:
                raise
            found, trouble = list(error.readable), error
        again = await handed_in_again(kept, [entry for entry in found if entry.to_retry])
        found = [attrs.evolve(entry, retried=True) if entry.id in again else entry for entry in found]
        if not whole:
            found = [entry for entry in found if entry.open or entry.to_retry]
        since: list[Change] | None = None
        with contextlib.suppress(JournalError):
            since = await changes_since(kept, draft_of(last_drafted_now()))
        return found, since, trouble


def _jobs_table(by_run: dict[str, list[Change]]) -> Table:
    """Show two lines for each job, below its run: so they fit 80 columns, whichever GSP's references."""
    rows: list[tuple[object, ...]] = []
    for run, entries in by_run.items():
        rows.append((Text(f"run {run}" if run else "without a run", "bold"), "", ""))
        for entry in entries:
            token = entry.token
            what = token.period if token.kind.repeatable else show.counted(token.submitted or 0, "record")
            job = f"  {token.gstin}, {token.kind.word} of {what}", f"  {token.reference_id or ''}"
            phase = _phase(entry), _local(token.submitted_at)
            rows.append((*(Text("\n".join(map(printable, pair))) for pair in (job, phase)), _next(entry)))
    return show.table(None, ("job", "phase", "next"), rows)


def _phase(entry: Change) -> str:
    """Name the phase, and how it ended, or why it was not sent."""
    if entry.cause is not None:
        return f"{entry.state}, {entry.cause}"
    if entry.state is ChangeState.ENDED and entry.status is not None:
        return f"ended, {entry.status.state}"
    return entry.state.value


def _next(entry: Change) -> str:
    """Say what may be done about it; empty where there is nothing to do."""
    unsent = entry.state is ChangeState.QUEUED or entry.to_retry
    failed = entry.status is not None and entry.status.state is not JobState.SUCCEEDED
    ended_badly = entry.state is ChangeState.ENDED and failed and not entry.retried
    if entry.token.kind.repeatable and (unsent or entry.to_send_again or ended_badly):
        return "ask for it again"
    if unsent:
        return f"push --run {shlex.quote(entry.run)}" if entry.run else "push again"
    if entry.state is ChangeState.SENDING:
        return "wait, then jobs resume"
    if entry.open:
        return "jobs resume"
    return "pull, decide again" if ended_badly else ""


def _local(moment: dt.datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone():%d-%m-%Y %H:%M}"


def _runs_table(by_run: dict[str, list[Change]]) -> Table:
    rows: list[tuple[object, ...]] = []
    for name, own in by_run.items():
        facts = _run_facts(name, own)
        counts = (facts[of] for of in ("jobs", "open_jobs", "records", "open_records"))
        news = max((at for entry in own if (at := entry.changed_at)), default=None)
        rows.append((name or "(none)", len(facts["gstins"]), *counts, _local(news)))
    return show.table(None, ("run", "GSTINs", "jobs", "open", "records", "open", "last news"), rows)


def _facts(entry: Change) -> dict[str, Any]:
    token = entry.token
    return {
        "run": entry.run or None,
        "gsp": token.gsp,
        "host": token.host,
        "gstin": token.gstin,
        "kind": token.kind.value,
        "period": token.period or None,
        "reference_id": token.reference_id,
        "phase": entry.state.value,
        "open": entry.open,
        "state": None if entry.status is None else str(entry.status.state),
        "cause": entry.cause,
        "reason": entry.reason,
        "retried": entry.retried,
        "next": _next(entry),
        "records": token.submitted,
        "submitted_at": token.submitted_at.isoformat() if token.submitted_at else None,
        "changed_at": entry.changed_at.isoformat() if entry.changed_at else None,
        "token": token.dumps(),
    }


def _run_facts(name: str, own: Sequence[Change]) -> dict[str, Any]:
    return {
        "run": name or None,
        "gstins": sorted({entry.token.gstin for entry in own}),
        "jobs": len(own),
        "open_jobs": sum(entry.open for entry in own),
        "records": _records(entry for entry in own if entry.state is not ChangeState.CALLED_OFF),
        "open_records": _records(entry for entry in own if entry.open),
    }


def _records(entries: Iterable[Change]) -> int:
    return sum(entry.token.submitted or 0 for entry in entries)


# -- show ----------------------------------------------------------------------------------------------


@command(report=options.Report)
def show_job(
    console: Console,
    whose: Whose,
    job: Annotated[
        str,
        typer.Argument(
            metavar="REFERENCE_OR_TOKEN",
            help="The job's reference id (at Vayana the task's, or GSTN's own), with --gstin where no "
            "journal knows it; or its token, in single quotes, as --json prints it.",
        ),
    ],
    wait: Annotated[bool, options.option("--wait", "Wait for the gateway's final word.")] = False,
    journal: options.JournalFile = None,
    first_poll: options.FirstPoll = options.FIRST_POLL,
) -> int:
    """Show how a job stands, sent here or elsewhere.

    Where the journal knows it, its records are named. Exit code 0 means that every record was applied; a job
    that still runs gives 1.
    """
    kept = journal_if_any(journal)
    token = _token_of(job) or console.wait_for(_known(kept, job, whose.gstin))
    if token is not None:
        settings = gather(whose.gsp or token.gsp, whose.gstin, check=False, need_gstin=False).of(token.gstin)
        console.asks(settings, gsp=token.gsp)
    elif not checked_gstin(whose.gstin, check=False) and not at_terminal():
        raise InvalidInput(f"the journal knows of no job {job:.80}; pass --gstin")
    else:
        settings = whose.gather()
        console.asks(settings)
    looking = _look(console, settings, token or job, kept, wait=wait, first_poll=first_poll)
    found = console.wait_for(looking)
    report, written = found.report, True
    if report is not None:
        console.show(*outcomes.report_tables(found, report))
        facts: dict[str, Any] = {"gstin": found.gstin, "overwrite": console.overwrite}
        written = console.write_report(lambda file: tables.write_report(file, report, **facts))
    console.say(outcomes.job_ending(found, console.commands))
    file = None if report is None else console.report_file
    console.document({**outcomes.job_facts(found), "report_file": file})
    if not found.done:
        console.tell(f"Wait for it with: {console.commands.show(found.token)}")
    return OK if report is not None and report.ok and written else NOT_ALL_WELL


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
            async with watching(console, {found: f"{found.kind.word} {found.reference_id}"}):
                pass
        except GatewayError as error:
            denied = type(error) is GatewayError  # its own answer: it may know of no such job
            raise
        finally:
            nowhere = denied and isinstance(job, str)  # a name alone is no proof that there is one
            if not found.done and not nowhere:
                console.unfinished = Unfinished.job(found.token, console.commands, denied=denied)
    return found
