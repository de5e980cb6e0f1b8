"""A push or a reset: everything is looked at, asked for once, sent as a run, and accounted for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import attrs

from ... import bulk, tables
from ...bulk import BulkReport, BulkRun
from ...bulk.accounts import Accounts, accounts_of
from ...bulk.from_files import Matched, Matcher
from ...bulk.report_file import write_outcomes
from ...bulk.run import checked_name
from ...client import ImsClient
from ...errors import InvalidInput
from ...jobs.job import ImsJob
from ...model.records import Decision, Invoice
from ...model.report import CANNED
from ...model.status import JobKind
from ...tables import Row
from ..inputs.files import of_which_decided, rows_of
from ..inputs.journals import journal
from ..inputs.settings import Settings, confirmed, gather
from ..options import (
    AT_ONCE,
    FIRST_POLL,
    READ_AT_ONCE,
    Concurrency,
    FirstPoll,
    GspName,
    JournalFile,
    MaxOutage,
    MaxRecords,
    NoCheck,
    Overwrite,
    OwnGstin,
    Rate,
    Report,
    RunName,
    Yes,
)
from ..output import jobs as show_jobs
from ..output import runs as accounting
from ..output import tables as show
from ..output.console import NOT_ALL_WELL, OK, Console
from ..output.errors import words_of
from ..output.matching import match_progress, say_what_else_the_run_holds
from .runs import Carrier, the_same_again


@attrs.frozen(kw_only=True)
class Plan:
    """What was asked for, beside the files: the options that push and reset have in common."""

    yes: Yes = False
    report: Report = None
    overwrite: Overwrite = False
    run: RunName = None
    concurrency: Concurrency = AT_ONCE
    rate: Rate = None
    max_records: MaxRecords = None
    max_outage: MaxOutage = bulk.MAX_OUTAGE
    journal: JournalFile = None
    gsp: GspName = None
    gstin: OwnGstin = None
    no_check: NoCheck = False
    first_poll: FirstPoll = FIRST_POLL


def send(
    console: Console, kind: JobKind, plan: Plan, files: Sequence[Path], *, only_decided: bool = False
) -> int:
    """Read the files, and send what is in them as one run, of however many taxpayers."""
    console.sends, check = True, not plan.no_check
    if plan.run is not None:
        checked_name(plan.run)
    if plan.report is not None:
        tables.check_writable(plan.report, overwrite=plan.overwrite)
    journal(plan.journal)  # before the work that it is to hold
    rows = rows_of(console, files, kind, gstin=plan.gstin, check=check)
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
        say_what_else_the_run_holds(console, plan.run or "", matched)
        if not matched.count and not matched.earlier:
            return self._nothing_to_send(matched)
        if not self._confirmed(matched):
            console.tell("Nothing was sent.")
            console.document(
                {"ok": False, **_whose(matched.sizes), "submitted": 0, "skipped": self._skipped(matched)}
            )
            return NOT_ALL_WELL
        carrier = self._carrier()
        standing = {gstin: len(own) for gstin, own in matched.standing.items()}
        sizes = {gstin: matched.sizes[gstin] - standing.get(gstin, 0) for gstin in matched.records}
        report = carrier.carry_out(lambda client: self._begin(client, matched), sizes)
        console.say()
        return tell_of_all(console, self._accounts(report, matched), carrier, plan.report)

    def _carrier(self) -> Carrier:
        plan = self.plan
        return Carrier(
            console=self.console, settings=self.settings, journal=plan.journal, first_poll=plan.first_poll
        )

    def _accounts(self, report: BulkReport, matched: Matched) -> Accounts:
        return accounts_of(report, matched, words=self.console.reason)

    def _nothing_to_send(self, matched: Matched) -> int:
        """Say why; it is well where everything stands as it was decided already."""
        console, file = self.console, self.plan.report
        accounts = self._accounts(BulkReport(run=self.plan.run or ""), matched)
        standing = sum(map(len, matched.standing.values()))
        if accounts.ok and standing:
            stand = "stands" if standing == 1 else "stand"
            console.say(
                f"There is nothing to send: {show.counted(standing, 'row')} {stand} already as decided."
            )
        written = file is None or _written(console, accounts, self._carrier(), file)
        console.tell(f"Nothing was sent. {_of_rows(accounts, file)}".rstrip())
        facts = {"submitted": 0, "skipped": self._skipped(matched), "standing_count": standing}
        facts |= _whose(matched.sizes)
        console.document({"ok": accounts.ok, **facts, "report_file": str(file) if file and written else None})
        return OK if accounts.ok and written else NOT_ALL_WELL

    def _skipped(self, matched: Matched) -> dict[str, str]:
        return {gstin: self.console.reason(gstin, error) for gstin, error in matched.skipped.items()}

    def _announce(self, rows: Mapping[str, Sequence[Row]]) -> None:
        count = show.counted(sum(map(len, rows.values())), "row")
        whose = f" of {len(rows):,} taxpayers" if len(rows) > 1 else ""
        sections = sum(len({row.section for row in own}) for own in rows.values())
        pulling = f"pulling {show.counted(sections, 'section')} to see that nothing has changed since"
        self.console.tell(f"{count}{whose}; {pulling}.")
        if self.settings.token is not None and not self.settings.gstin:
            self.console.tell("IMS_TOKEN is not used: set IMS_GSTIN to say whose it is.")

    async def _match(self, rows: dict[str, list[Row]]) -> Matched:
        """Pull again and match; rows that an earlier part of a run has sent are left out."""
        plan = self.plan
        kept = journal(plan.journal) if plan.run is not None else None
        # A person who expects a long job need not wait as long for rows.
        soon = min(plan.first_poll, FIRST_POLL)
        async with self.settings.client(first_poll=soon, journal=kept) as client:
            self.settings.hand_in_token(client)
            with match_progress(self.console, len(rows)) as progress:
                return await Matcher(
                    client=client,
                    kind=self.kind,
                    listener=progress,
                    run=plan.run,
                    concurrency=min(plan.concurrency, READ_AT_ONCE),
                    check=self.settings.check,
                ).match(rows)

    def _confirmed(self, matched: Matched) -> bool:
        """Show what is to be sent, and ask once for all of it."""
        console, noun = self.console, "decision" if self.kind is JobKind.SAVE else "reset"
        if not matched.count:
            return True
        fresh = {gstin: records for gstin, records in matched.records.items() if records}
        everything = [record for records in fresh.values() for record in records]
        if len(matched.sizes) == 1:
            (whose,) = matched.sizes
            console.show(show.summary_table(f"{noun}s for {whose}", show.summary(everything)))
        else:
            whose = show.counted(len(fresh), "taxpayer")
            console.show(accounting.summary_table(f"{noun}s for {whose}", fresh))
        these = f"{'this' if matched.count == 1 else 'these'} {show.counted(matched.count, noun)}"
        question = f"{show.how_much(everything)}. Send {these} for {whose}?"
        return confirmed(question, yes=self.plan.yes)

    def _begin(self, client: ImsClient, matched: Matched) -> BulkRun:
        plan = self.plan
        options: dict[str, Any] = {
            "run": plan.run,
            "concurrency": plan.concurrency,
            "max_records": plan.max_records,
            "max_outage": plan.max_outage,
            "check": self.settings.check,
        }
        if self.kind is JobKind.SAVE:
            return bulk.save_all(client, cast("Mapping[str, list[Decision]]", matched.records), **options)
        return bulk.reset_all(client, cast("Mapping[str, list[Invoice]]", matched.records), **options)


def tell_of_all(
    console: Console, accounts: Accounts, carrier: Carrier, file: Path | None, *, unsent: str = ""
) -> int:
    """Show what became of everything, and return the exit code: 0 only if every decision was applied.

    `unsent` is what to say of decisions that were perhaps never sent, where only what was sent is known.
    """
    console.show(accounting.accounts_table(accounts))
    problems = accounting.problems_table(accounts)
    if problems is not None:
        console.say()
        console.show(problems)
        console.say()
    job = _only_job(accounts, carrier)
    if unsent:
        said = f"{_all_sent(accounts) if accounts.ok else _ending(accounts)} {unsent}"
    else:
        said = _ending(accounts) if job is None else show_jobs.ending(job, console.commands)
    console.say(said)
    if rows := _of_rows(accounts, file):
        console.say(rows)
    sizes = [size for part in accounts.parts.values() for size in part.report.refused_sizes]
    if sizes:
        console.say(_of_sizes(sizes))
    written = file is None or _written(console, accounts, carrier, file)
    left, command = console.unfinished, None
    if left is not None:
        command = the_same_again(left.run, report=file if written else None)
        console.tell("Not everything is known yet. Go on with:")
        console.tell(f"  {command}")
        console.unfinished = None
    facts: dict[str, Any] = {"report_file": str(file) if file and written else None}
    facts["go_on_with"] = command
    facts["only_what_was_sent"] = bool(unsent)
    of_one = _whose(accounts.parts) if job is None else show_jobs.job_facts(job)
    console.document({**of_one, **accounting.accounts_facts(accounts), **facts})
    return OK if accounts.ok and written else NOT_ALL_WELL


def _whose(gstins: Collection[str]) -> dict[str, str]:
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


def _of_rows(accounts: Accounts, file: Path | None) -> str:
    """Say what to do about rows that do not match, where there are any."""
    if not any(part.problems for part in accounts.parts.values()):
        return ""
    whole = "" if file else "; --report FILE has all that is wrong with them"
    return f"Mend the rows that do not match, or pull again{whole}."


def _of_sizes(refused: Sequence[int]) -> str:
    """Say that the gateway takes less at once than it documents; sizes are in bytes."""
    requests = show.counted(len(refused), "request")
    return (
        f"The gateway refused {requests} for the size, the smallest of {min(refused):,} bytes; records went "
        "in smaller ones where there were several. --max-records sends fewer at once from the beginning."
    )


def _all_sent(accounts: Accounts) -> str:
    """Say that all is well with what was sent."""
    sent = f"run {accounts.run} has sent" if accounts.run else "was sent and had not ended"
    records = show.counted(accounts.totals[0], "record")
    return f"Everything that {sent} is applied: {records} of {show.counted(len(accounts.parts), 'taxpayer')}."


def _ending(accounts: Accounts) -> str:
    if accounts.ok:
        return _all_well(accounts)
    said = [f"{accounts}.".capitalize()]
    codes = {failure.code for part in accounts.parts.values() for failure in part.report.failed}
    if codes:
        said.append("The refused records stand as they stood before; pull again and decide again.")
    if "IMSSAV0054" in codes:
        said.append("IMSSAV0054: to accept a credit note, fill in its column 'ITC reduction'.")
    if any(part.report.doubtful_jobs for part in accounts.parts.values()):
        said.append("The gateway counts errors without naming them: pull again to see.")
    if any(part.report.unaccounted for part in accounts.parts.values()):
        said.append("Of the unaccounted records the gateway did not tell: pull again to see how they stand.")
    if any(part.report.canned for part in accounts.parts.values()):
        said.append(f"Mind that {CANNED}.")
    return " ".join(said)


def _all_well(accounts: Accounts) -> str:
    """Say that all was applied, and how much needed not even that."""
    standing = sum(len(part.standing) for part in accounts.parts.values())
    sent = sum(part.report.handed_in > 0 or not part.standing for part in accounts.parts.values())
    applied = f"Every record of {show.counted(sent, 'taxpayer')} was applied."
    return f"{applied} {show.counted(standing, 'row')} stood already as decided." if standing else applied


def _written(console: Console, accounts: Accounts, carrier: Carrier, file: Path) -> bool:
    """Write the report; where that fails the jobs are done all the same, and are not to be sent again."""

    async def write() -> None:
        async with journal(carrier.journal) as kept:
            await write_outcomes(file, accounts, carrier.batches, kept, overwrite=console.overwrite)

    try:
        console.wait_for(write())
    except InvalidInput as error:
        lost = f"the report is lost: {words_of(error)}"
        if len(carrier.batches) > 1:
            lost = f"The jobs are done, do not send them again; but {lost}"
        elif carrier.batches:
            lost = f"The job is done, do not send it again; but {lost}"
        console.tell(lost)
        return False
    console.say(f"What became of each record is in {file}.")
    return True
