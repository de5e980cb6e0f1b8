"""The commands that change something, and the check before: `check`, `push`, `reset`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import attrs

from .. import tables
from ..errors import InvalidInput
from ..job import ImsJob
from ..records import Invoice
from ..report import JobReport, Record
from ..tables import Row
from ..taxpayer import Taxpayer
from . import show, show_jobs
from .options import (
    FIRST_POLL,
    Debug,
    DecisionFile,
    FirstPoll,
    GspName,
    Gstin,
    Json,
    NoCheck,
    PulledFile,
    Report,
    Yes,
)
from .progress import board
from .reads import ask, fetch
from .settings import Settings, confirmed, gather
from .voice import NOT_ALL_WELL, OK, Voice, how_to_go_on


def check(file: DecisionFile, no_check: NoCheck = False, json: Json = False, debug: Debug = False) -> None:
    """Check a file of decisions without sending anything or logging in."""
    voice = Voice(json, debug)

    def work() -> int:
        rows = tables.read_decisions(file, check_suppliers=not no_check)
        found = show.summary_of_rows(rows)
        voice.show(show.summary_table(f"decisions in {file}", found))
        voice.say(
            "No fault was found in the file. Whether its records are still as they were, push looks up."
        )
        voice.document({"ok": True, "file": str(file), "decisions": show.summary_facts(found)})
        return OK

    voice.run(work)


def push(
    file: DecisionFile,
    yes: Yes = False,
    report: Report = None,
    gsp: GspName = None,
    gstin: Gstin = None,
    no_check: NoCheck = False,
    first_poll: FirstPoll = FIRST_POLL,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Send the decisions of a file, wait for the gateway's word, and account for every record.

    Column 'ITC reduction' says how much input tax credit is given up on accepting a credit note: none, full,
    or rupees such as igst=10.50;cgst=0;sgst=0;cess=0. Without it the gateway refuses the note (IMSSAV0054).
    The records are pulled again first: a row whose record the supplier has edited since, or somebody else
    has acted on, is refused by name, and nothing is sent.
    """
    voice = Voice(json, debug, gsp, sends=True)

    def work() -> int:
        rows = tables.read_decisions(file, check_suppliers=not no_check)
        settings = gather(gsp, gstin, check=not no_check)
        decisions = tables.match(rows, _pull_again(voice, settings, rows, first_poll))
        change = _Change(settings, "decisions", decisions, lambda taxpayer: taxpayer.save(decisions), report)
        return change.carry_out(voice, yes=yes, first_poll=first_poll)

    voice.run(work)


def reset(
    file: PulledFile,
    yes: Yes = False,
    report: Report = None,
    gsp: GspName = None,
    gstin: Gstin = None,
    no_check: NoCheck = False,
    first_poll: FirstPoll = FIRST_POLL,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Take every record of a file back to "no action", whatever its column 'action' says.

    A record may stand as it was pulled or as the file decided; one that was changed otherwise since is
    refused by name, and nothing is sent.
    """
    voice = Voice(json, debug, gsp, sends=True)

    def work() -> int:
        rows = tables.read_records(file, check_suppliers=not no_check)
        settings = gather(gsp, gstin, check=not no_check)
        invoices = tables.match_records(rows, _pull_again(voice, settings, rows, first_poll))
        change = _Change(settings, "resets", invoices, lambda taxpayer: taxpayer.reset(invoices), report)
        return change.carry_out(voice, yes=yes, first_poll=first_poll)

    voice.run(work)


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
    report: Path | None

    def carry_out(self, voice: Voice, *, yes: bool, first_poll: float) -> int:
        """Show, ask, send, wait, account."""
        gstin, count = self.settings.gstin, len(self.records)
        if self.report is not None:
            tables.check_writable(self.report)
        voice.show(show.summary_table(f"{self.what} for {gstin}", show.summary(self.records)))
        these = f"{'this' if count == 1 else 'these'} {show.counted(count, self.what.removesuffix('s'))}"
        if not confirmed(f"Send {these} for {gstin}?", yes=yes):
            voice.tell("Nothing was sent.")
            voice.document({"ok": False, "gstin": gstin, "submitted": 0})
            return NOT_ALL_WELL
        job = asyncio.run(self._send(voice, first_poll))
        return tell_of(voice, job, self.report)

    async def _send(self, voice: Voice, first_poll: float) -> ImsJob:
        client = self.settings.client(first_poll=first_poll)
        taxpayer = self.settings.taxpayer(client)
        try:
            async with client:
                job = await self.submit(taxpayer)
                voice.tell(f"Submitted as job {job.reference_id}. If this terminal is lost, go on with:")
                voice.tell(f"  {how_to_go_on(job.token)}")
                await watch(voice, job)
        finally:  # after the client has closed: a change that was being sent has its answer by then
            voice.left_behind = [left.token for left in taxpayer.unfinished()]
        return job


def _written(voice: Voice, file: Path, report: JobReport) -> bool:
    """Write the report; where that fails the job is done all the same, and is not to be sent again."""
    try:
        tables.write_report(file, report)
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
        if file is not None and not _written(voice, file, report):
            return NOT_ALL_WELL
    voice.say(show_jobs.ending(job))
    voice.document({**show_jobs.job_facts(job), "report_file": str(file) if file and report else None})
    return OK if report is not None and report.ok else NOT_ALL_WELL
