"""The commands that change something, or watch a change: `check`, `push`, `reset`, `jobs show`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated

import attrs
import typer

from .. import tables
from ..errors import InvalidInput
from ..job import ImsJob
from ..records import Invoice
from ..report import JobReport, Record
from ..status import JobToken
from ..tables import Row
from ..taxpayer import Taxpayer
from . import show
from .options import Debug, DecisionFile, FirstPoll, Gstin, Json, NoCheck, PulledFile, Report, Yes
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
    gstin: Gstin = None,
    no_check: NoCheck = False,
    first_poll: FirstPoll = 2.0,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Send the decisions of a file, wait for the gateway's word, and account for every record.

    Column 'ITC reduction' says how much input tax credit is given up on accepting a credit note: none, full,
    or rupees such as igst=10.50;cgst=0;sgst=0;cess=0. Without it the gateway refuses the note (IMSSAV0054).
    The records are pulled again first: a row whose record the supplier has edited since, or somebody else
    has acted on, is refused by name, and nothing is sent.
    """
    voice = Voice(json, debug)

    def work() -> int:
        rows = tables.read_decisions(file, check_suppliers=not no_check)
        settings = gather(gstin, check=not no_check)
        decisions = tables.match(rows, _pull_again(voice, settings, rows))
        change = _Change(settings, "decisions", decisions, lambda taxpayer: taxpayer.save(decisions), report)
        return change.carry_out(voice, yes=yes, first_poll=first_poll)

    voice.run(work)


def reset(
    file: PulledFile,
    yes: Yes = False,
    report: Report = None,
    gstin: Gstin = None,
    no_check: NoCheck = False,
    first_poll: FirstPoll = 2.0,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Take every record of a file back to "no action", whatever its column 'action' says.

    A record may stand as it was pulled or as the file decided; one that was changed otherwise since is
    refused by name, and nothing is sent.
    """
    voice = Voice(json, debug)

    def work() -> int:
        rows = tables.read_records(file, check_suppliers=not no_check)
        settings = gather(gstin, check=not no_check)
        invoices = tables.match_records(rows, _pull_again(voice, settings, rows))
        change = _Change(settings, "resets", invoices, lambda taxpayer: taxpayer.reset(invoices), report)
        return change.carry_out(voice, yes=yes, first_poll=first_poll)

    voice.run(work)


def _pull_again(voice: Voice, settings: Settings, rows: Sequence[Row]) -> list[Invoice]:
    sections = list(dict.fromkeys(row.section for row in rows))
    voice.tell(f"{len(rows):,} rows; pulling {len(sections)} sections to see that nothing has changed since.")
    found = asyncio.run(ask(settings, lambda taxpayer: fetch(taxpayer, voice, sections)))
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
        if not confirmed(f"Send these {count:,} {self.what} for {gstin}?", yes=yes):
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
        voice.show(*show.report_tables(job, report))
        if file is not None and not _written(voice, file, report):
            return NOT_ALL_WELL
    voice.say(show.ending(job))
    voice.document({**show.job_facts(job), "report_file": str(file) if file and report else None})
    return OK if report is not None and report.ok else NOT_ALL_WELL


def show_job(
    job: Annotated[
        str,
        typer.Argument(
            metavar="REFERENCE_OR_TOKEN",
            help="The job's token, in single quotes, as push printed it; or its reference id, with --gstin.",
        ),
    ],
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Wait for the gateway's final word. Example: jobs show TOKEN --wait"),
    ] = False,
    report: Report = None,
    gstin: Gstin = None,
    no_check: NoCheck = False,
    first_poll: FirstPoll = 2.0,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show how a job stands, also one that another terminal or machine has sent.

    Exit code 0 means that every record was applied; a job that still runs gives 1.
    """
    voice = Voice(json, debug)

    def work() -> int:
        token = JobToken.loads(job) if job.lstrip().startswith("{") else None
        settings = _settings_for(token, gstin, check=not no_check)
        found = asyncio.run(_look(voice, settings, token or job, wait=wait, first_poll=first_poll))
        code = tell_of(voice, found, report)
        if not found.done:
            voice.tell(f"Wait for it with: {how_to_go_on(found.token)}")
        return code

    voice.run(work)


def _settings_for(token: JobToken | None, gstin: str | None, *, check: bool) -> Settings:
    """A token names its taxpayer; IMS_TOKEN is used if it belongs to that one."""
    if token is None:
        return gather(gstin, check=check)
    settings = gather(gstin, check=False, need_gstin=False)
    own = settings.gstin in ("", token.gstin)
    return attrs.evolve(settings, gstin=token.gstin, token=settings.token if own else None)


async def _look(
    voice: Voice, settings: Settings, job: JobToken | str, *, wait: bool, first_poll: float
) -> ImsJob:
    async with settings.client(first_poll=first_poll) as client:
        taxpayer = settings.taxpayer(client)
        found = client.resume(job) if isinstance(job, JobToken) else taxpayer.job(job)
        if not wait:
            await found.refresh()
            return found
        try:
            await watch(voice, found)
        finally:
            voice.left_behind = [] if found.done else [found.token]
    return found
