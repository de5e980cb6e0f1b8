"""`jobs resume`: what became of what was sent, by this machine's journal."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import attrs
import typer

from ... import bulk, tables
from ...bulk import BulkReport
from ...bulk.outage import is_everybodys
from ...bulk.run import checked_name
from ...bulk.tally import Tally
from ...client import ImsClient
from ...errors import ImsError, InvalidInput, JobFailed, JournalError, OutcomeUnknown
from ...jobs.job import ImsJob
from ...journal import Entry, SqliteJournal
from ...journal.entry import OPEN
from ...model.report import JobReport
from ...model.status import JobKind
from ...model.times import FIRST_LOOK, LOOK_MARGIN, QUIET
from ..inputs.journals import journal_file, journal_if_any
from ..inputs.settings import gather
from ..options import (
    AT_ONCE,
    FIRST_POLL,
    Concurrency,
    Debug,
    FirstPoll,
    GspName,
    JournalFile,
    Json,
    NoCheck,
    Overwrite,
    Rate,
    Report,
)
from ..output import runs as accounting
from ..output.console import OK, Unfinished, Voice, reason_of
from ..output.run_progress import Tick, ticking
from ..output.tables import counted
from .push_many import tell_of_all
from .runs import Carrier, the_same_again
from .turns import by_turns


def resume_jobs(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            help="The run's name, as push printed it; all of them otherwise.",
            show_default=False,
        ),
    ] = None,
    report: Report = None,
    overwrite: Overwrite = False,
    concurrency: Concurrency = AT_ONCE,
    rate: Rate = None,
    journal: JournalFile = None,
    gsp: GspName = None,
    no_check: NoCheck = False,
    first_poll: FirstPoll = FIRST_POLL,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Find out what became of everything that was sent and has not ended, and account for each record.

    Jobs are waited for; where the answer to a change was lost, its records are read again, until they cannot
    change by it any more. Of a RUN, what the gateway turns out never to have taken is sent again, once, as
    push does it; without RUN nothing is sent at all. What a run had not sent yet push sends, with the run's
    name.
    """
    voice = Voice(json, debug, gsp, journal=journal, check=not no_check, overwrite=overwrite)

    def work() -> int:
        if report is not None:
            tables.check_writable(report, overwrite=overwrite)
        kept = journal_if_any(journal)
        if kept is None:
            voice.say(f"There is no journal at {journal_file(journal)}: nothing was sent by it yet.")
            voice.document({"ok": True, "journal": str(journal_file(journal)), "taxpayers": {}})
            return OK
        settings = gather(gsp, None, check=not no_check, need_gstin=False, rate=rate)
        carrier = Carrier(voice=voice, settings=settings, journal=journal, first_poll=first_poll)
        if run is None:
            return _Everything(carrier, concurrency).find_out(report)
        return _resume_run(carrier, checked_name(run), concurrency, report)

    voice.run(work)


def _resume_run(carrier: Carrier, run: str, concurrency: int, file: Path | None) -> int:
    sizes: dict[str, int] = {}
    for entry in asyncio.run(_batches(carrier, run)):
        name = entry.token.gstin
        sizes[name] = sizes.get(name, 0) + (entry.token.submitted or 0)
    if not sizes:
        runs = carrier.voice.commands.runs()
        raise InvalidInput(f"the journal knows of no run {run!r} here: `{runs}` names them")
    found = carrier.carry_out(lambda client: bulk.resume(client, run, concurrency=concurrency), sizes)
    accounts = accounting.accounts_of(found, gsp=carrier.voice.gsp)
    return tell_of_all(carrier.voice, accounts, carrier, file, unsent=_the_rest(carrier, run))


def _the_rest(carrier: Carrier, run: str) -> str:
    """Say how to send what a run had not sent yet: only what was sent is in the journal."""
    resets = all(entry.token.kind is JobKind.RESET for entry in carrier.batches)
    verb = "reset" if resets and carrier.batches else "push"
    command = carrier.voice.commands.push("FILES", "--run", run, verb=verb)
    return f"What it had not sent yet only the files tell: {command}"


async def _batches(carrier: Carrier, run: str) -> Sequence[Entry]:
    async with carrier.settings.client(journal=journal_if_any(carrier.journal)) as client:
        return await client.batches_of(run)


@attrs.frozen
class _Everything:
    """All jobs of the journal that have not ended, whatever run they are of."""

    carrier: Carrier
    concurrency: int
    tallies: dict[str, Tally] = attrs.field(factory=dict)

    def find_out(self, file: Path | None) -> int:
        """Wait for them, or look; tell what became of each record."""
        voice = self.carrier.voice
        asyncio.run(self._find_out())
        if not self.tallies:
            voice.say("Nothing is unfinished here.")
            voice.document({"ok": True, "taxpayers": {}})
            return OK
        found = BulkReport(run="", taxpayers={gstin: one.report() for gstin, one in self.tallies.items()})
        accounts = accounting.accounts_of(found, gsp=voice.gsp)
        return tell_of_all(voice, accounts, self.carrier, file, unsent="What was never sent it cannot tell.")

    async def _find_out(self) -> None:
        carrier, kept = self.carrier, journal_if_any(self.carrier.journal)
        if kept is None:
            return
        client = carrier.settings.client(first_poll=carrier.first_poll, journal=kept)
        entries: Sequence[Entry] = ()
        try:
            async with client:
                carrier.settings.hand_in_token(client)
                jobs = await self._unfinished(client)
                entries = await self._entries_of(jobs, kept)
                await self._follow_all(client, jobs)
        finally:
            with contextlib.suppress(JournalError):
                carrier.batches = [one for old in entries for one in await kept.entries(batch_id=old.id)]
            await kept.aclose()
            self._note_what_is_left()

    async def _unfinished(self, client: ImsClient) -> list[ImsJob]:
        try:
            return await client.unfinished()
        except JournalError as error:
            self.carrier.voice.tell(f"Some of the journal cannot be read: {error}")
            return [job for job in error.readable if isinstance(job, ImsJob)]

    async def _entries_of(self, jobs: Sequence[ImsJob], kept: SqliteJournal) -> list[Entry]:
        """Return the journal's entries of these jobs, and tell of those that belong to other gateways."""
        here = {(job.token.gsp, job.token.host) for job in jobs}
        try:
            found = await kept.entries(phases=tuple(OPEN))
        except JournalError as error:
            found = [entry for entry in error.readable if isinstance(entry, Entry)]
        others = [entry.token for entry in found if (entry.token.gsp, entry.token.host) not in here]
        if others:
            where = ", ".join(sorted({f"{token.gsp} at {token.host}" for token in others}))
            sent = f"{counted(len(others), 'job')} in the journal, of {where}"
            self.carrier.voice.tell(f"Not looked after: {sent} (--gsp and IMS_BASE_URL choose the gateway).")
        return [entry for entry in found if entry.token not in others]

    def _note_what_is_left(self) -> None:
        left = [entry.token for entry in self.carrier.batches if entry.phase.open]
        if left:
            told = f"{counted(len(left), 'job')} have not ended." if len(left) > 1 else "1 job has not ended."
            self.carrier.voice.unfinished = Unfinished(
                run="", command=the_same_again(), how_far=told, jobs=left
            )

    async def _follow_all(self, client: ImsClient, jobs: Sequence[ImsJob]) -> None:
        by_gstin: dict[str, list[ImsJob]] = {}
        for job in jobs:
            by_gstin.setdefault(job.gstin, []).append(job)
        with ticking(self.carrier.voice, "ended", len(jobs), "job") as tick:
            await by_turns(
                by_gstin.values(),
                lambda own: self._follow(client, own, tick),
                at_once=min(self.concurrency, len(by_gstin)),
            )

    async def _follow(self, client: ImsClient, jobs: Sequence[ImsJob], tick: Tick) -> None:
        """See one taxpayer's jobs through, one after the other."""
        tally = self.tallies.setdefault(jobs[0].gstin, Tally(jobs[0].gstin))
        for job in jobs:
            tally.sent(job)
            tally.handed_in += job.submitted or 0
        for job in jobs:
            try:
                tally.ended(job, await self._end_of(client, job))
            except ImsError as error:
                if is_everybodys(error):
                    raise
                tally.stopped(error, [])
                self.carrier.voice.tell(f"{job.gstin}: {reason_of(error, self.carrier.voice.gsp, job.gstin)}")
            tick()

    async def _end_of(self, client: ImsClient, job: ImsJob) -> JobReport:
        if job.pollable:
            try:
                return await job
            except JobFailed as error:
                if not job.open and error.report is not None:
                    return error.report
            except OutcomeUnknown:
                pass  # the gateway has forgotten it
        return await self._look(client, job)

    async def _look(self, client: ImsClient, job: ImsJob) -> JobReport:
        """Read its records again until it is known: `QUIET` seconds after it was sent at the latest."""
        sent_at = job.submitted_at.timestamp() if job.submitted_at else 0.0
        if not job.sent and client.now() < sent_at + QUIET:
            raise OutcomeUnknown(
                f"{counted(job.submitted or 0, 'record')} not sent yet: another process may be about to, or "
                "has died; push with the run's name sends them",
                job=job,
            )
        taxpayer = client.taxpayer(job.gstin, check=False)
        for age in (FIRST_LOOK, QUIET):
            wait = sent_at + age + LOOK_MARGIN - client.now()
            if job.sent and wait > 0:
                self.carrier.voice.tell(f"{job.gstin}: its records are read again in {wait:,.0f} s.")
                await client.rest(wait)
            await taxpayer.reconcile(job, quiet=QUIET)
            if job.report is not None and not job.open:
                return job.report
        raise OutcomeUnknown(
            f"what became of {counted(job.submitted or 0, 'record')} cannot be told from their rows: pull "
            "again to see how they stand",
            job=job,
        )
