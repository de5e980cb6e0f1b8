"""The commands that change something: `push`, `reset`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import attrs

from ... import bulk, tables
from ...bulk.run import checked_name
from ...errors import InvalidInput
from ...jobs.job import ImsJob
from ...model.records import Invoice, Record
from ...model.report import JobReport
from ...model.status import JobKind
from ...tables import Row
from ...taxpayer import Taxpayer
from ..inputs.files import of_which_decided, rows_of
from ..inputs.journals import journal as journal_of
from ..inputs.settings import Settings, confirmed, gather
from ..options import (
    AT_ONCE,
    FIRST_POLL,
    Concurrency,
    Debug,
    Decided,
    DecisionFiles,
    FirstPoll,
    GspName,
    JournalFile,
    Json,
    MaxOutage,
    MaxRecords,
    NoCheck,
    Overwrite,
    OwnGstin,
    PulledFiles,
    Rate,
    Report,
    RunName,
    Yes,
)
from ..output import jobs as show_jobs
from ..output import tables as show
from ..output.console import NOT_ALL_WELL, OK, Voice
from ..output.progress import board
from .push_many import ManyChange, Plan
from .reads import ask, fetch


def push(
    files: DecisionFiles,
    yes: Yes = False,
    report: Report = None,
    overwrite: Overwrite = False,
    run: RunName = None,
    concurrency: Concurrency = AT_ONCE,
    rate: Rate = None,
    max_records: MaxRecords = None,
    max_outage: MaxOutage = bulk.MAX_OUTAGE,
    journal: JournalFile = None,
    gsp: GspName = None,
    gstin: OwnGstin = None,
    no_check: NoCheck = False,
    first_poll: FirstPoll = FIRST_POLL,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Send the decisions of files, wait for the gateway's word, and account for every record.

    Column 'ITC reduction' says how much input tax credit is given up on accepting a credit note: none, full,
    or rupees such as igst=10.50;cgst=0;sgst=0;cess=0. Without it the gateway refuses the note (IMSSAV0054).
    The records are pulled again first: a row whose record the supplier has edited since, or somebody else
    has acted on, is refused by name, and nothing is sent.

    The column 'GSTIN' says whose a record is: files may hold many taxpayers. What is wrong with one taxpayer
    (no session, a stale row) then skips that one, and the others go on. A run that was broken off, however
    that happened, goes on with the same command and its --run.
    """
    voice = Voice(json, debug, gsp, sends=True, report=report, overwrite=overwrite, journal=journal)
    plan = Plan(
        kind=JobKind.SAVE,
        yes=yes,
        report=report,
        first_poll=first_poll,
        run=run,
        journal=journal,
        concurrency=concurrency,
        max_records=max_records,
        max_outage=max_outage,
    )
    voice.run(lambda: _change(voice, plan, files, gstin=gstin, rate=rate, check=not no_check))


def reset(
    files: PulledFiles,
    yes: Yes = False,
    decided: Decided = False,
    report: Report = None,
    overwrite: Overwrite = False,
    run: RunName = None,
    concurrency: Concurrency = AT_ONCE,
    rate: Rate = None,
    max_records: MaxRecords = None,
    max_outage: MaxOutage = bulk.MAX_OUTAGE,
    journal: JournalFile = None,
    gsp: GspName = None,
    gstin: OwnGstin = None,
    no_check: NoCheck = False,
    first_poll: FirstPoll = FIRST_POLL,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Take every record of files back to "no action", whatever their column 'action' says.

    With --decided only the rows that are decided in the files: those that a push of them sent.

    A record may stand as it was pulled or as the file decided; one that was changed otherwise since is
    refused by name, and nothing is sent. Of many taxpayers each is on its own, as with push.
    """
    voice = Voice(json, debug, gsp, sends=True, report=report, overwrite=overwrite, journal=journal)
    plan = Plan(
        kind=JobKind.RESET,
        decided=decided,
        yes=yes,
        report=report,
        first_poll=first_poll,
        run=run,
        journal=journal,
        concurrency=concurrency,
        max_records=max_records,
        max_outage=max_outage,
    )
    voice.run(lambda: _change(voice, plan, files, gstin=gstin, rate=rate, check=not no_check))


def _change(
    voice: Voice, plan: Plan, files: Sequence[Path], *, gstin: str | None, rate: int | None, check: bool
) -> int:
    """One taxpayer's files become one job; many taxpayers', or what is named or cut up, a run."""
    if plan.run is not None:
        checked_name(plan.run)
    if plan.report is not None:
        tables.check_writable(plan.report, overwrite=voice.overwrite)
    journal_of(plan.journal)  # before the work that it is to hold
    rows = rows_of(voice, files, plan.kind, gstin=gstin, check=check)
    if plan.kind is JobKind.RESET:
        rows = of_which_decided(voice, rows, only=plan.decided)
    settings = gather(voice.gsp, gstin, check=check, need_gstin=False, rate=rate)
    if len(rows) == 1:
        settings = settings.of(*rows)
    voice.asks(settings)
    if len(rows) > 1 or plan.run is not None or plan.max_records is not None:
        return ManyChange(voice, settings, plan).carry_out(rows)
    return _change_one(voice, settings, plan, rows)


def _change_one(voice: Voice, settings: Settings, plan: Plan, rows: Mapping[str, Sequence[Row]]) -> int:
    own = rows[settings.gstin]
    current = _pull_again(voice, settings, own, plan.first_poll)
    if plan.kind is JobKind.SAVE:
        decisions = tables.match(own, current)
        change = _Change(settings, "decisions", decisions, lambda taxpayer: taxpayer.save(decisions), plan)
    else:
        invoices = tables.match_records(own, current)
        change = _Change(settings, "resets", invoices, lambda taxpayer: taxpayer.reset(invoices), plan)
    return change.carry_out(voice)


def _pull_again(voice: Voice, settings: Settings, rows: Sequence[Row], first_poll: float) -> list[Invoice]:
    sections = list(dict.fromkeys(row.section for row in rows))
    pulling = f"pulling {show.counted(len(sections), 'section')} to see that nothing has changed since"
    voice.tell(f"{show.counted(len(rows), 'row')}; {pulling}.")
    soon = min(first_poll, FIRST_POLL)  # who expects a long job need not wait for rows as long
    reading = ask(settings, lambda taxpayer: fetch(taxpayer, voice, sections), first_poll=soon)
    found = asyncio.run(reading)
    return [invoice for invoices in found.values() for invoice in invoices]


@attrs.frozen
class _Change:
    """What is about to be sent, and how."""

    settings: Settings
    what: str
    records: Sequence[Record]
    submit: Callable[[Taxpayer], Awaitable[ImsJob]]
    plan: Plan

    def carry_out(self, voice: Voice) -> int:
        """Show, ask, send, wait, account."""
        gstin, count, report = self.settings.gstin, len(self.records), self.plan.report
        voice.show(show.summary_table(f"{self.what} for {gstin}", show.summary(self.records)))
        these = f"{'this' if count == 1 else 'these'} {show.counted(count, self.what.removesuffix('s'))}"
        question = f"{show.how_much(self.records)}. Send {these} for {gstin}?"
        if not confirmed(question, yes=self.plan.yes):
            voice.tell("Nothing was sent.")
            voice.document({"ok": False, "gstin": gstin, "submitted": 0})
            return NOT_ALL_WELL
        job = asyncio.run(self._send(voice))
        return tell_of(voice, job, report)

    async def _send(self, voice: Voice) -> ImsJob:
        kept = journal_of(self.plan.journal)
        client = self.settings.client(first_poll=self.plan.first_poll, journal=kept)
        taxpayer = self.settings.taxpayer(client)
        try:
            async with client:
                job = await self.submit(taxpayer)
                voice.tell(f"Submitted as job {job.reference_id}. If this terminal is lost, go on with:")
                voice.tell(f"  {voice.commands.show(job.token)}")
                await watch(voice, job)
        finally:  # after the client has closed: a change that was being sent has its answer by then
            voice.left_behind = [left.token for left in taxpayer.unfinished()]
        return job


def _written(voice: Voice, file: Path, report: JobReport, gstin: str) -> bool:
    """Write the report; where that fails the job is done all the same, and is not to be sent again."""
    try:
        tables.write_report(file, report, gstin=gstin, overwrite=voice.overwrite)
    except InvalidInput as error:
        voice.tell(f"The job is done, do not send it again; but the report is lost: {error}")
        return False
    voice.say(f"What became of each record is in {file}.")
    return True


async def watch(voice: Voice, job: ImsJob) -> None:
    """Show a job until the gateway's final word."""
    with board(voice) as shown:
        await shown.follow(job, f"{job.kind.value.lower()} {job.reference_id}")


def tell_of(voice: Voice, job: ImsJob, file: Path | None) -> int:
    """Show what became of a job, and return the exit code: 0 only if every record was applied."""
    report = job.report
    if report is not None:
        voice.show(*show_jobs.report_tables(job, report))
        if file is not None and not _written(voice, file, report, job.gstin):
            return NOT_ALL_WELL
    voice.say(show_jobs.ending(job, voice.commands))
    voice.document({**show_jobs.job_facts(job), "report_file": str(file) if file and report else None})
    return OK if report is not None and report.ok else NOT_ALL_WELL
