"""A run carried out and accounted for, or broken off with the command that goes on with it; `jobs resume`."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import attrs
import typer

from ... import bulk
from ...bulk import BulkReport, BulkRun, EventKind
from ...bulk.accounts import Accounts, accounts_of, write_outcomes
from ...bulk.run import checked_name
from ...client import ImsClient, services_of
from ...errors import JournalError
from ...jobs.job import ImsJob
from ...journal import Change, Query, SqliteJournal
from ...model.moves import OPEN_STATES
from ...model.status import JobKind
from ...model.tokens import JobToken
from .. import options
from ..command import command
from ..inputs.settings import Settings, gather, journal, journal_if_any
from ..output import outcomes, statements
from ..output.board import Answers, run_board
from ..output.console import NOT_ALL_WELL, OK, Console, Unfinished
from ..output.progress import words_of_status
from ..output.tables import counted
from .jobs import last_drafted_now, no_journal, unknown_run

_GROUPS: Final = ("jobs", "gstr2b")
"""The first words of commands of two."""


@attrs.frozen(kw_only=True)
class RunOptions:
    """The options of every command that carries out a run."""

    concurrency: options.Concurrency = options.AT_ONCE
    rate: options.Rate = None
    max_outage: options.MaxOutage = bulk.MAX_OUTAGE
    journal: options.JournalFile = None
    gsp: options.GspName = None
    no_check: options.NoCheck = False
    first_poll: options.FirstPoll = options.FIRST_POLL


@attrs.define
class Carrier:
    """Carries a run out, and accounts for it. `batches` is what the journal knows of it in the end.

    Of one taxpayer each job is named as it is sent; `ended` keeps those that have ended, by their reference.
    """

    console: Console
    settings: Settings
    asked: RunOptions
    batches: Sequence[Change] = ()
    only: Sequence[str] | None = None
    """The batches that it is about, where it goes on with what any run has left."""
    ended: dict[str | None, ImsJob] = attrs.field(factory=dict)
    period: str = attrs.field(factory=last_drafted_now)
    """The GSTR-2B that may be due to be computed anew: `due` are those of whom it is."""
    due: Sequence[str] = ()
    standing: Collection[str] = ()
    regenerates: bool = False
    """Of whom that is said though nothing is sent; and whether all is not well while it is due."""
    filed: Collection[str] = ()
    """Those of whom it is known that GSTR-3B of the period is filed: nothing is due for them."""

    def carry_out(self, begin: Callable[[ImsClient], BulkRun], sizes: Mapping[str, int]) -> BulkReport:
        """Begin it, and watch it to its end; `sizes` says how many decisions each GSTIN has."""
        return self.console.wait_for(self._carry_out(begin, sizes))

    async def _carry_out(self, begin: Callable[[ImsClient], BulkRun], sizes: Mapping[str, int]) -> BulkReport:
        kept = journal(self.asked.journal)
        answers = Answers(self.settings.gsp, trust_env=not self.settings.own_host)
        client = self.settings.client(first_poll=self.asked.first_poll, journal=kept, transport=answers)
        run = begin(client)
        name = run.run if self.only is None else ""
        command = _the_same_again(name)
        self.console.unfinished = Unfinished(run=name, command=command)
        if name:
            self.console.tell(f"This is run {name}. If it breaks off, go on with:")
            self.console.tell(f"  {command}")
        try:
            async with client:
                self.settings.hand_in_token(client)
                async with (
                    run_board(self.console, sizes, answers, self.asked.max_outage) as board,
                    contextlib.aclosing(run.__aiter__()) as events,
                ):
                    async for event in events:
                        board.hear(event)
                        if len(sizes) == 1 and event.job is not None:
                            self._hear_of_job(event.kind, event.job)
        except JournalError as error:
            if self.only is None:
                raise
            self.console.tell(f"Some of the journal cannot be read: {error}")  # all the rest is done
        finally:  # after the client has closed: a change that was being sent has its answer by then
            try:
                self.batches = await self._batches(client, kept, run.run)
                await self._note_due(client, run.report.taxpayers)
            except JournalError:
                self.console.due = None
            await kept.aclose()
            report = attrs.evolve(run.report, run=name)
            self.console.unfinished = self._how_far(report, command, sizes)
        if not any(entry.open for entry in self.batches):
            self.console.unfinished = None
        return report

    async def _batches(self, client: ImsClient, kept: SqliteJournal, run: str) -> Sequence[Change]:
        if self.only is None:
            return await services_of(client).find(run=run)
        return await kept.find(Query(ids=self.only))

    async def _note_due(self, client: ImsClient, whose: Container[str]) -> None:
        due = await bulk.recompute_due(client, self.period, filed=self.filed)
        self.due = [gstin for gstin in due if gstin in whose or gstin in self.standing]

    async def look_what_is_due(self, whose: Container[str]) -> None:
        """Look in the journal whose GSTR-2B is due, where nothing is carried out."""
        kept = journal_if_any(self.asked.journal)
        if kept is None:
            return
        async with contextlib.aclosing(kept), self.settings.client(journal=kept) as client:
            try:
                await self._note_due(client, whose)
            except JournalError:
                self.console.due = None

    def _hear_of_job(self, kind: EventKind, job: ImsJob) -> None:
        name = job.reference_id
        if kind is EventKind.SUBMITTED and name is not None:
            self.console.tell(f"Submitted as job {name}. If this terminal is lost, go on with:")
            self.console.tell(f"  {self.console.commands.show(job.token)}")
        elif kind is EventKind.ENDED:
            self.console.tell(
                f"{job.kind.word} {name or 'without a reference'}: {words_of_status(job.status)}"
            )
            self.ended[name] = job

    def _how_far(self, report: BulkReport, command: str, sizes: Mapping[str, int]) -> Unfinished:
        total = max(sum(sizes.values()), report.handed_in)
        known = report.handed_in - report.pending_count - report.not_sent
        left = [entry.token for entry in self.batches if entry.open]
        running = [token for token in left if token.reference_id]
        said = f"It is known what became of {known:,} of {counted(total, 'decision')}."
        if not total:
            done = sum(one.gstr2b is not None or one.gstr2b_error is not None for one in report)
            said = f"Of {done:,} of {counted(len(sizes), 'taxpayer')} it is known what came of GSTR-2B."
        if running:
            records = _records_of(running)
            with_them = f" with {counted(records, 'record')}" if records else ""
            go = "runs" if len(running) == 1 else "run"
            said += f" {counted(len(running), 'job').capitalize()}{with_them} {go} on at the gateway."
        if unknown := len(left) - len(running):
            said += f" Of {counted(unknown, 'job')} it is not known whether the gateway took it."
        if known + _records_of(left) < total:
            said += " The rest was not sent."
        return Unfinished(run=report.run, command=command, how_far=said, jobs=left)

    def tell(self, accounts: Accounts, *, unsent: str = "", more: Mapping[str, Any] | None = None) -> int:
        """Show what became of everything, and return the exit code: 0 only if every decision was applied.

        `unsent` is what to say of decisions that were perhaps never sent, where only what was sent is known;
        `more` are further facts for `--json`.
        """
        console, job = self.console, self._only_job(accounts)
        asked = [part.report for part in accounts.parts.values() if statements.asked_for(part.report)]
        if len(asked) < len(accounts.parts) or any(accounts.totals):
            self._tell_records(accounts, job, unsent)
        if asked:
            statements.tell_outcomes(console, self.period_asked_for, asked)
        whole = console.report is not None
        for sentence in (outcomes.mend_rows(accounts, whole=whole), outcomes.refused_sizes(accounts)):
            if sentence:
                console.say(sentence)
        written = self.write_report(accounts)
        facts = {**(more or {}), **(whose(accounts.parts) if job is None else outcomes.job_facts(job))}
        facts |= {**outcomes.accounts_facts(accounts), "report_file": console.report_file}
        for one in asked:
            facts["taxpayers"][one.gstin]["gstr2b"] = statements.facts_of(console, one)
        facts |= {**self.tell_what_is_left(), "ok": self.is_well(accounts)}
        console.document({**facts, "only_what_was_sent": bool(unsent)})
        return OK if facts["ok"] and written else NOT_ALL_WELL

    def is_well(self, accounts: Accounts) -> bool:
        """Say whether every decision was applied, and each GSTR-2B that was asked for is up to date."""
        return accounts.ok and not (self.regenerates and self.due)

    def _tell_records(self, accounts: Accounts, job: ImsJob | None, unsent: str) -> None:
        console = self.console
        console.show(outcomes.accounts_table(accounts))
        if problems := outcomes.problems_table(accounts):
            console.say()
            console.show(*problems)
            console.say()
        if job is None or unsent:
            console.say(outcomes.run_ending(accounts, unsent=unsent))
        else:
            console.say(outcomes.job_ending(job, console.commands))

    @property
    def period_asked_for(self) -> str:
        """The period of the GSTR-2B that were to be computed anew."""
        return next((one.token.period for one in self.batches if one.token.kind.repeatable), self.period)

    def tell_what_is_left(self) -> dict[str, Any]:
        """Say how to go on, and whose GSTR-2B is due to be computed anew; return both as plain values."""
        console, command = self.console, None
        if (left := console.unfinished) is not None:
            command = _the_same_again(left.run, report=console.report)
            console.tell("Not everything is known yet. Go on with:")
            console.tell(f"  {command}")
            console.unfinished = None
        due = statements.tell_due(console, self.period, self.due)
        return {"go_on_with": command, "recompute_due": due}

    def _only_job(self, accounts: Accounts) -> ImsJob | None:
        """Return the job that all that was decided went in, if there is just one: it has more to say."""
        parts = list(accounts.parts.values())
        if len(parts) != 1 or len(self.ended) != 1:
            return None
        (part,), (job,) = parts, self.ended.values()
        whole = job.report is not None and job.submitted == part.report.handed_in
        return job if whole and not part.standing and not part.left_out and not part.reason else None

    def write_report(self, accounts: Accounts) -> bool:
        """Write the file of `--report`, if there is to be one; return whether it is not lost."""

        async def write(file: Path) -> None:
            async with journal(self.asked.journal) as kept:
                await write_outcomes(file, accounts, self.batches, kept, overwrite=self.console.overwrite)

        return self.console.write_report(
            lambda file: self.console.wait_for(write(file)), jobs=len(self.batches)
        )


def whose(gstins: Collection[str]) -> dict[str, Any]:
    """Name the taxpayer, if it is only one."""
    return {"gstin": next(iter(gstins))} if len(gstins) == 1 else {}


def _records_of(tokens: Iterable[JobToken]) -> int:
    return sum(token.submitted or 0 for token in tokens)


def _the_same_again(run: str = "", *, report: Path | None = None) -> str:
    """Return the command that this process was called by, naming its run, as a shell takes it.

    A `report` that was written by now is replaced by it.
    """
    command, *rest = sys.argv[1:] or [""]
    if command in _GROUPS and rest:
        command, *rest = f"{command} {rest[0]}", *rest[1:]
    named = any(word == "--run" or word.startswith("--run=") for word in rest)
    if run and not named and not command.startswith("jobs"):
        rest = ["--run", run, *rest]
    options = [word.partition("=")[0] for word in rest]
    if report is not None and "--report" in options and "--overwrite" not in rest:
        rest.insert(options.index("--report"), "--overwrite")
    return shlex.join(["ims-async", *command.split(" "), *rest])


@command(report=options.Report, says_due=True)
def resume_jobs(
    console: Console,
    asked: RunOptions,
    run: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="The run's name, as push printed it; all of them otherwise."),
    ] = None,
) -> int:
    """Find out what became of what was sent and has not ended.

    Jobs are waited for; where the answer to a change was lost, its records are read again, until they cannot
    change by it any more. Of a RUN, what the gateway turns out never to have taken is sent again, once, as
    push does it; without RUN nothing is sent at all. What a run had not sent yet push sends, with the run's
    name.
    """
    if journal_if_any(asked.journal) is None:
        return no_journal(console, taxpayers={})
    settings = gather(asked.gsp, None, check=not asked.no_check, need_gstin=False, rate=asked.rate)
    carrier = Carrier(console, settings, asked)
    entries = console.wait_for(_entries(carrier, None if run is None else checked_name(run)))
    if not entries:
        if run is not None:
            raise unknown_run(console, run)
        console.say("Nothing is unfinished here.")
        console.document({"ok": True, "taxpayers": {}})
        return OK
    sizes: Counter[str] = Counter()
    for entry in entries:
        sizes[entry.token.gstin] += entry.token.submitted or 0
    limits: dict[str, Any] = {"concurrency": asked.concurrency, "max_outage": asked.max_outage}
    if run is not None:
        found = carrier.carry_out(lambda client: bulk.resume(client, run, **limits), sizes)
        unsent = _the_rest(carrier, run)
    else:
        jobs, records = counted(len(entries), "job"), counted(sizes.total(), "record")
        console.tell(f"{jobs} with {records} to look after.")
        carrier.only = [entry.id for entry in entries]
        found = carrier.carry_out(lambda client: bulk.recover(client, send=False, **limits), sizes)
        unsent = "What was never sent is not looked at."
    return carrier.tell(accounts_of(found, words=console.reason), unsent=unsent)


def _the_rest(carrier: Carrier, run: str) -> str:
    """Say how to send what a run had not sent yet: only what was sent is in the journal."""
    if carrier.batches and all(entry.token.kind.repeatable for entry in carrier.batches):
        return "If it had not come to all of its taxpayers, the command that began it does."
    resets = all(entry.token.kind is JobKind.RESET for entry in carrier.batches)
    verb = "reset" if resets and carrier.batches else "push"
    computed = [entry.token.period for entry in carrier.batches if entry.token.kind.repeatable]
    more = ("--regenerate", computed[-1]) if computed else ()
    command = carrier.console.commands.push("FILES", "--run", run, *more, verb=verb)
    return f"If its files hold decisions that it had not sent yet, this sends them: {command}"


async def _entries(carrier: Carrier, run: str | None) -> Sequence[Change]:
    """Return what a run has sent here; or what has not ended, telling of what is not looked after."""
    console, kept = carrier.console, journal(carrier.asked.journal)
    async with carrier.settings.client(journal=kept) as client:
        if run is not None:
            return await services_of(client).find(run=run)
        trouble: JournalError | None = None
        try:
            found = await kept.find(Query(states=OPEN_STATES))
        except JournalError as error:
            found, trouble = list(error.readable), error
        here = client.gsp.kind, client.host
    own = [entry for entry in found if (entry.token.gsp, entry.token.host) == here]
    others = [entry.token for entry in found if (entry.token.gsp, entry.token.host) != here]
    if trouble is not None and not own:  # where there are some here, the run itself says it
        console.tell(f"Some of the journal cannot be read: {trouble}")
    if others:
        where = ", ".join(sorted({f"{token.gsp} at {token.host}" for token in others}))
        sent = f"{counted(len(others), 'job')} in the journal, of {where}"
        console.tell(f"Not looked after: {sent} (--gsp and IMS_BASE_URL choose the gateway).")
    return own
