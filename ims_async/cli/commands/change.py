"""`push`, `reset`: everything is looked at, asked for once, sent as a run, and accounted for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import attrs

from ... import bulk
from ...bulk import BulkReport, BulkRun
from ...bulk.accounts import Accounts, accounts_of
from ...bulk.from_files import Matched, Matcher
from ...bulk.report_file import write_outcomes
from ...bulk.run import checked_name
from ...client import ImsClient
from ...jobs.job import ImsJob
from ...model.records import Decision, Invoice
from ...model.status import JobKind
from ...tables import Row
from .. import options
from ..command import command
from ..inputs.files import of_which_decided, read_all
from ..inputs.settings import Settings, confirmed, gather, journal
from ..output import outcomes
from ..output import tables as show
from ..output.console import NOT_ALL_WELL, OK, Console
from ..output.progress import match_progress
from ..output.tables import counted
from .runs import Carrier, the_same_again


@attrs.frozen(kw_only=True)
class Plan:
    """What was asked for, beside the files: the options that push and reset have in common."""

    yes: options.Yes = False
    run: options.RunName = None
    concurrency: options.Concurrency = options.AT_ONCE
    rate: options.Rate = None
    max_records: options.MaxRecords = None
    max_outage: options.MaxOutage = bulk.MAX_OUTAGE
    journal: options.JournalFile = None
    gsp: options.GspName = None
    gstin: options.OwnGstin = None
    no_check: options.NoCheck = False
    first_poll: options.FirstPoll = options.FIRST_POLL


@command(report=options.Report)
def push(console: Console, files: options.DecisionFiles, plan: Plan) -> int:
    """Send the decisions of files, wait for the gateway's word, and account for every record.

    Column 'ITC reduction' says how much input tax credit is given up on accepting a credit note: none, full,
    or rupees such as igst=10.50;cgst=0;sgst=0;cess=0. Without it the gateway refuses the note (IMSSAV0054).
    The records are pulled again first: a row whose record the supplier has edited since, or somebody else
    has acted on, is refused by name, and nothing is sent.

    The column 'GSTIN' says whose a record is: files may hold many taxpayers. What is wrong with one taxpayer
    (no session, a stale row) then skips that one, and the others go on. Every push is a run: one that was
    broken off, however that happened, goes on with the same command and the name that it printed (--run).
    """
    return _send(console, JobKind.SAVE, plan, files)


@command(report=options.Report)
def reset(console: Console, files: options.PulledFiles, plan: Plan, decided: options.Decided = False) -> int:
    """Take every record of files back to "no action", whatever their column 'action' says.

    With --decided only the rows that are decided in the files: those that a push of them sent.

    A record may stand as it was pulled or as the file decided; one that was changed otherwise since is
    refused by name, and nothing is sent. Of many taxpayers each is on its own, as with push.
    """
    return _send(console, JobKind.RESET, plan, files, only_decided=decided)


def _send(
    console: Console, kind: JobKind, plan: Plan, files: Sequence[Path], *, only_decided: bool = False
) -> int:
    """Read the files, and send what is in them as one run, of however many taxpayers."""
    console.sends, check = True, not plan.no_check
    if plan.run is not None:
        checked_name(plan.run)
    journal(plan.journal)  # before the work that it is to hold
    _, rows = read_all(console, files, kind, gstin=plan.gstin, check=check)
    if kind is JobKind.RESET:
        rows = of_which_decided(console, rows, only=only_decided)
    settings = gather(plan.gsp, plan.gstin, check=check, need_gstin=False, rate=plan.rate)
    if len(rows) == 1:
        settings = settings.of(*rows)
    console.asks(settings)
    return Change(console, settings, plan, kind).carry_out(rows)


@attrs.frozen
class Change:
    """The decisions of one taxpayer, or of many, on their way."""

    console: Console
    settings: Settings
    plan: Plan
    kind: JobKind

    def carry_out(self, rows: dict[str, list[Row]]) -> int:
        """Pull again, show, ask, send, wait, account; what is wrong with one taxpayer is that one's."""
        plan, console = self.plan, self.console
        self._announce(rows)
        matched = console.wait_for(self._match(rows))
        _say_what_else_the_run_holds(console, plan.run or "", matched)
        carrier = Carrier(
            console=console, settings=self.settings, journal=plan.journal, first_poll=plan.first_poll
        )
        standing = {gstin: len(own) for gstin, own in matched.standing.items()}
        facts = {"submitted": 0, **_whose(matched.sizes)}
        facts["skipped"] = {gstin: console.reason(gstin, one) for gstin, one in matched.skipped.items()}
        if not matched.count and not matched.earlier:
            facts["standing_count"] = sum(standing.values())
            return self._nothing_to_send(matched, carrier, facts)
        if matched.count and not self._confirmed(matched):
            console.tell("Nothing was sent.")
            console.document({"ok": False, **facts})
            return NOT_ALL_WELL
        sizes = {gstin: matched.sizes[gstin] - standing.get(gstin, 0) for gstin in matched.records}
        report = carrier.carry_out(lambda client: self._begin(client, matched), sizes)
        console.say()
        return tell_of_all(console, accounts_of(report, matched, words=console.reason), carrier)

    def _nothing_to_send(self, matched: Matched, carrier: Carrier, facts: dict[str, Any]) -> int:
        """Say why; it is well where everything stands as it was decided already."""
        console, standing = self.console, facts["standing_count"]
        accounts = accounts_of(BulkReport(run=self.plan.run or ""), matched, words=console.reason)
        if accounts.ok and standing:
            stand = "stands" if standing == 1 else "stand"
            console.say(f"There is nothing to send: {counted(standing, 'row')} {stand} already as decided.")
        written = _written(console, accounts, carrier)
        console.tell(f"Nothing was sent. {_of_rows(console, accounts)}".rstrip())
        console.document({"ok": accounts.ok, **facts, "report_file": console.report_file})
        return OK if accounts.ok and written else NOT_ALL_WELL

    def _announce(self, rows: Mapping[str, Sequence[Row]]) -> None:
        count = counted(sum(map(len, rows.values())), "row")
        whose = f" of {len(rows):,} taxpayers" if len(rows) > 1 else ""
        sections = sum(len({row.section for row in own}) for own in rows.values())
        pulling = f"pulling {counted(sections, 'section')} to see that nothing has changed since"
        self.console.tell(f"{count}{whose}; {pulling}.")
        if self.settings.token is not None and not self.settings.gstin:
            self.console.tell("IMS_TOKEN is not used: set IMS_GSTIN to say whose it is.")

    async def _match(self, rows: dict[str, list[Row]]) -> Matched:
        """Pull again and match; rows that an earlier part of a run has sent are left out."""
        plan = self.plan
        kept = journal(plan.journal) if plan.run is not None else None
        # A person who expects a long job need not wait as long for rows.
        soon = min(plan.first_poll, options.FIRST_POLL)
        async with self.settings.client(first_poll=soon, journal=kept) as client:
            self.settings.hand_in_token(client)
            with match_progress(self.console, len(rows)) as progress:
                return await Matcher(
                    client=client,
                    kind=self.kind,
                    listener=progress,
                    run=plan.run,
                    concurrency=min(plan.concurrency, options.READ_AT_ONCE),
                    check=self.settings.check,
                ).match(rows)

    def _confirmed(self, matched: Matched) -> bool:
        """Show what is to be sent, and ask once for all of it."""
        noun = "decision" if self.kind is JobKind.SAVE else "reset"
        fresh = {gstin: records for gstin, records in matched.records.items() if records}
        everything = [record for records in fresh.values() for record in records]
        if len(matched.sizes) == 1:
            (whose,), heading, found = matched.sizes, "section", show.by_section(everything)
        else:
            whose, heading = counted(len(fresh), "taxpayer"), "GSTIN"
            found = {gstin: show.by_action(records) for gstin, records in fresh.items()}
        self.console.show(show.summary_table(f"{noun}s for {whose}", heading, found))
        these = f"{'this' if matched.count == 1 else 'these'} {counted(matched.count, noun)}"
        question = f"{show.how_much(everything)}. Send {these} for {whose}?"
        return confirmed(question, yes=self.plan.yes)

    def _begin(self, client: ImsClient, matched: Matched) -> BulkRun:
        names = ("run", "concurrency", "max_records", "max_outage")
        asked: dict[str, Any] = {name: getattr(self.plan, name) for name in names}
        asked["check"] = self.settings.check
        if self.kind is JobKind.SAVE:
            return bulk.save_all(client, cast("Mapping[str, list[Decision]]", matched.records), **asked)
        return bulk.reset_all(client, cast("Mapping[str, list[Invoice]]", matched.records), **asked)


def _say_what_else_the_run_holds(console: Console, run: str, matched: Matched) -> None:
    """Say what the run holds besides the files: another folder may have gone by the same name."""
    if matched.others:
        records = counted(sum(matched.others.values()), "record")
        others = counted(len(matched.others), "other taxpayer")
        console.tell(f"run {run} also holds {records} of {others}")
    if matched.beside:
        decisions = counted(matched.beside, "decision")
        console.tell(f"run {run} also holds {decisions} of these taxpayers that the files do not hold")
    if matched.earlier:
        sent = counted(matched.earlier, "row")
        console.tell(f"{sent} were sent by an earlier part of run {run}: they are looked after.")


def tell_of_all(console: Console, accounts: Accounts, carrier: Carrier, *, unsent: str = "") -> int:
    """Show what became of everything, and return the exit code: 0 only if every decision was applied.

    `unsent` is what to say of decisions that were perhaps never sent, where only what was sent is known.
    """
    console.show(outcomes.accounts_table(accounts))
    if problems := outcomes.problems_table(accounts):
        console.say()
        console.show(*problems)
        console.say()
    job = _only_job(accounts, carrier)
    if job is None or unsent:
        console.say(outcomes.run_ending(accounts, unsent=unsent))
    else:
        console.say(outcomes.job_ending(job, console.commands))
    for sentence in filter(None, (_of_rows(console, accounts), outcomes.refused_sizes(accounts))):
        console.say(sentence)
    written = _written(console, accounts, carrier)
    left, command = console.unfinished, None
    if left is not None:
        command = the_same_again(left.run, report=console.report)
        console.tell("Not everything is known yet. Go on with:")
        console.tell(f"  {command}")
        console.unfinished = None
    of_one = _whose(accounts.parts) if job is None else outcomes.job_facts(job)
    facts = {**of_one, **outcomes.accounts_facts(accounts), "report_file": console.report_file}
    console.document({**facts, "go_on_with": command, "only_what_was_sent": bool(unsent)})
    return OK if accounts.ok and written else NOT_ALL_WELL


def _whose(gstins: Collection[str]) -> dict[str, Any]:
    """Name the taxpayer, if it is only one."""
    return {"gstin": next(iter(gstins))} if len(gstins) == 1 else {}


def _only_job(accounts: Accounts, carrier: Carrier) -> ImsJob | None:
    """Return the job that all that was decided went in, if there is just one: it has more to say."""
    parts = list(accounts.parts.values())
    if len(parts) != 1 or len(carrier.ended) != 1:
        return None
    (part,), (job,) = parts, carrier.ended.values()
    whole = job.report is not None and job.submitted == part.report.handed_in
    return job if whole and not part.standing and not part.left_out and not part.reason else None


def _of_rows(console: Console, accounts: Accounts) -> str:
    """Say what to do about rows that do not match, where there are any."""
    if not any(part.problems for part in accounts.parts.values()):
        return ""
    whole = "" if console.report else "; --report FILE has all that is wrong with them"
    return f"Mend the rows that do not match, or pull again{whole}."


def _written(console: Console, accounts: Accounts, carrier: Carrier) -> bool:
    async def write(file: Path) -> None:
        async with journal(carrier.journal) as kept:
            await write_outcomes(file, accounts, carrier.batches, kept, overwrite=console.overwrite)

    return console.write_report(lambda file: console.wait_for(write(file)), jobs=len(carrier.batches))
