"""`push`, `reset`: everything is looked at, asked for once, sent as a run, and accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import attrs

from ... import bulk, rules
from ...bulk import BulkReport, BulkRun
from ...bulk.accounts import accounts_of
from ...bulk.from_files import Matched, Matcher
from ...client import ImsClient
from ...errors import InvalidInput
from ...model.records import Decision, Invoice
from ...model.status import JobKind
from ...rules import RulePolicy
from ...tables import Row
from ...tables.offline import OfflineSettings
from .. import options
from ..command import command
from ..inputs.ahead import Ahead, open_before
from ..inputs.files import of_which_decided, read_all
from ..inputs.filings import ask_filings
from ..inputs.runs import check_regenerated, check_run
from ..inputs.settings import Settings, confirmed, gather, journal, journal_if_any
from ..output import outcomes
from ..output import tables as show
from ..output.console import NOT_ALL_WELL, OK, Console
from ..output.grouping import Grouped
from ..output.progress import match_progress
from ..output.tables import counted
from .offline import ToPortal
from .runs import Carrier, RunOptions, whose


@attrs.frozen(kw_only=True)
class Plan(RunOptions):
    """What was asked for, beside the files: the options that push and reset have in common."""

    yes: options.Yes = False
    run: options.RunName = None
    max_records: options.MaxRecords = None
    ask_filing: options.AskFilings = False
    gstin: options.OwnGstin = None
    source: options.PortalFile = None
    to: options.UploadTo = None
    set: options.UploadSettings = None


@command(report=options.Report, says_due=True)
def push(
    console: Console, files: options.DecisionFiles, plan: Plan, regenerate: options.Regenerate = None
) -> int:
    """Send the decisions of files, and account for every record.

    Column 'ITC reduction' says how much input tax credit is given up on accepting a credit note: none, full,
    or rupees such as igst=10.50;cgst=0;sgst=0;cess=0. From period 102025 on the gateway refuses a note
    without it (IMSSAV0054).
    The records are pulled again first: a row whose record the supplier has edited since, or whose action
    is another one by now, is refused by name, and nothing is sent.

    The column 'GSTIN' says whose a record is: files may hold many taxpayers. What is wrong with one taxpayer
    (no session, a stale row) then skips that one, and the others go on. Every push is a run: one that was
    broken off, however that happened, goes on with the same command and the name that it printed (--run).
    Without that name the jobs that were sent before are waited for first, and what they did is not sent
    again; nor is what another push does meanwhile.

    Without access to an API, --to writes a file to upload at the portal, and sends nothing.
    """
    if len(regenerate or ()) > 1:
        raise InvalidInput(
            "--regenerate is given more than once: a push has GSTR-2B of one period computed anew, "
            "gstr2b regenerate that of another"
        )
    return _send(console, JobKind.SAVE, plan, files, regenerate=regenerate[0] if regenerate else None)


@command(report=options.Report, says_due=True)
def reset(console: Console, files: options.PulledFiles, plan: Plan, decided: options.Decided = False) -> int:
    """Take the records of files back to no action.

    All of them, whatever their column 'action' says; with --decided only the rows that are decided in the
    files: those that a push of them sent. A record may stand as it was pulled or as the file decided; one
    that was changed otherwise since is refused by name, and nothing is sent. Of many taxpayers each is on
    its own, as with push.
    """
    return _send(console, JobKind.RESET, plan, files, only_decided=decided)


def _send(
    console: Console,
    kind: JobKind,
    plan: Plan,
    files: Sequence[Path],
    *,
    only_decided: bool = False,
    regenerate: str | None = None,
) -> int:
    """Read the files, and send what is in them as one run, of however many taxpayers."""
    console.sends, check = True, not plan.no_check
    if regenerate is not None:
        check_regenerated(regenerate, plan.gsp)
    if plan.to is not None or plan.source is not None or plan.set:
        if regenerate is not None:
            raise InvalidInput("--to sends nothing: leave out --regenerate, and have GSTR-2B computed there")
        if plan.ask_filing:
            raise InvalidInput("--to asks no gateway: leave out --ask-filing; check --filed MMYYYY takes it")
        wanted = ToPortal(files, plan.source, plan.to, OfflineSettings.of(plan.set or ()), plan.gstin)
        return wanted.write(console, kind, only_decided=only_decided, check=check)
    check_run(console, plan.run, plan.journal, regenerate)
    journal(plan.journal)  # before the work that it is to hold
    _, rows = read_all(console, files, kind, gstin=plan.gstin, check=check)
    if kind is JobKind.RESET:
        rows = of_which_decided(console, rows, only=only_decided)
    settings = gather(plan.gsp, plan.gstin, check=check, need_gstin=False, rate=plan.rate)
    if len(rows) == 1:
        settings = settings.of(*rows)
    console.asks(settings)
    return Change(console, settings, plan, kind, regenerate, files).carry_out(rows)


@attrs.frozen
class Change:
    """The decisions of one taxpayer, or of many, on their way."""

    console: Console
    settings: Settings
    plan: Plan
    kind: JobKind
    regenerate: str | None
    """The period of the GSTR-2B that is to be computed anew, if any."""
    files: Sequence[Path]

    def carry_out(self, rows: dict[str, list[Row]]) -> int:
        """Pull again, show, ask, send, wait, account; what is wrong with one taxpayer is that one's."""
        plan, console = self.plan, self.console
        ahead = self._see_those_ahead(rows)
        _say_what_is_pulled(console, [own for gstin, own in rows.items() if gstin not in ahead.unknown])
        if self.settings.token is not None and not self.settings.gstin:
            console.tell("IMS_TOKEN is not used: set IMS_GSTIN to say whose it is.")
        matched = console.wait_for(self._match(rows, ahead))
        if matched.rewritten:
            console.tell(show.recognised(matched.rewritten))
        _say_what_else_the_run_holds(console, plan.run or "", matched)
        carrier = Carrier(console, self.settings, plan)
        carrier.period, carrier.regenerates = self.regenerate or carrier.period, bool(self.regenerate)
        carrier.standing = matched.standing
        standing = {gstin: len(own) for gstin, own in matched.standing.items()}
        more = {"itc": show.itc_by_action(_decisions(matched))} if self.kind is JobKind.SAVE else {}
        more |= self._ask_filings(matched, carrier) if plan.ask_filing else {}
        facts: dict[str, Any] = {"submitted": 0, "rewritten": matched.rewritten, **whose(matched.sizes)}
        facts |= more
        facts["skipped"] = {gstin: console.reason(gstin, one) for gstin, one in matched.skipped.items()}
        if not matched.count and not matched.earlier:
            facts["standing_count"] = sum(standing.values())
            return self._nothing_to_send(matched, carrier, facts)
        if matched.count and not self._confirmed(matched, carrier.filed):
            console.tell("Nothing was sent.")
            console.document({"ok": False, **facts})
            return NOT_ALL_WELL
        sizes = {gstin: matched.sizes[gstin] - standing.get(gstin, 0) for gstin in matched.records}
        report = carrier.carry_out(lambda client: self._begin(client, matched, carrier.filed), sizes)
        console.say()
        code = carrier.tell(accounts_of(report, matched, words=console.reason), more=more)
        if self.regenerate and console.report is not None:
            console.say(f"The credit by GSTR-2B is not in {console.report}: --json has it, of each taxpayer.")
        return code

    def _see_those_ahead(self, rows: Mapping[str, object]) -> Ahead:
        """Wait for what was sent before for these GSTINs, and look what became of lost answers; send nothing.

        Else the files would be set against what it changes, and all of them be refused as stale. The run that
        is gone on with sees to what it has sent itself.
        """
        plan, console = self.plan, self.console
        left = console.wait_for(open_before(self.settings, plan.journal, rows, but=plan.run))
        if not left:
            return Ahead()
        sizes = Counter[str]()
        for change in left:
            sizes[change.token.gstin] += change.token.submitted or 0
        those = f"{counted(len(left), 'job')} with {counted(sizes.total(), 'record')} of before"
        waited = "has not ended: it is" if len(left) == 1 else "have not ended: they are"
        console.tell(f"{those} {waited} waited for, and the files are compared then.")
        carrier = Carrier(console, self.settings, plan, only=[change.id for change in left])
        limits: dict[str, Any] = {"concurrency": plan.concurrency, "max_outage": plan.max_outage}
        limits |= {"taxpayers": [*sizes], "send": False}
        report = carrier.carry_out(lambda client: bulk.recover(client, **limits), sizes)
        return Ahead.of(carrier.batches, report.errors)

    def _nothing_to_send(self, matched: Matched, carrier: Carrier, facts: dict[str, Any]) -> int:
        """Say why; it is well where everything stands as it was decided already."""
        console, standing = self.console, facts["standing_count"]
        accounts = accounts_of(BulkReport(run=self.plan.run or ""), matched, words=console.reason)
        if accounts.ok and standing:
            stand = "stands" if standing == 1 else "stand"
            console.say(f"There is nothing to send: {counted(standing, 'row')} {stand} already as decided.")
        written = carrier.write_report(accounts)
        console.wait_for(carrier.look_what_is_due(matched.sizes))
        names = [gstin for gstin in matched.sizes if gstin not in carrier.filed]
        if self.regenerate and names and not carrier.due:
            command = console.commands.regenerate(self.regenerate, *names, files=self.files)
            console.say(f"GSTR-2B of {self.regenerate} was not asked for: `{command}` has it computed anew.")
        mend = outcomes.mend_rows(accounts, whole=console.report is not None)
        console.tell(f"Nothing was sent. {mend}".rstrip())
        facts |= carrier.tell_what_is_left()
        ok = carrier.is_well(accounts)
        console.document({"ok": ok, **facts, "report_file": console.report_file})
        return OK if ok and written else NOT_ALL_WELL

    async def _match(self, rows: dict[str, list[Row]], ahead: Ahead) -> Matched:
        """Pull again and match; rows that an earlier part of a run has sent are left out."""
        plan = self.plan
        kept = journal(plan.journal) if plan.run is not None else journal_if_any(plan.journal)
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
                    ahead=ahead.changes,
                    unknown=ahead.unknown,
                    concurrency=min(plan.concurrency, options.READ_AT_ONCE),
                    check=self.settings.check,
                ).match(rows)

    def _ask_filings(self, matched: Matched, carrier: Carrier) -> dict[str, Any]:
        """Ask what is filed, warn of the records that it closes, and return both as plain values."""
        console, said, closed = self.console, Grouped(self.console.tell), dict[str, int]()
        wanted = {gstin: [*rules.closing_periods(records)] for gstin, records in matched.records.items()}
        if self.regenerate is not None:  # also of those that stand as decided: whether it is due is said
            for gstin in [*wanted, *matched.standing]:
                own = wanted.setdefault(gstin, [])
                own += [] if self.regenerate in own else [self.regenerate]
        filings = ask_filings(console, self.settings, wanted, at_once=self.plan.concurrency)
        carrier.filed = filings.filed(carrier.period)
        if self.regenerate is not None:
            filings.left_out(console, self.regenerate)
        policy = RulePolicy(filed=[*filings.found.values()])
        for gstin, records in matched.records.items():
            found = rules.check(records, policy=policy, gstin=gstin)
            messages = Counter(one.message for one in found if one.code == "period-closed")
            for message, count in messages.items():
                said.add("period-closed", f"{gstin}, {counted(count, 'record')}: {message}")
            if messages:
                closed[gstin] = messages.total()
        said.end()
        return {"filing": {**filings.facts(console), "closed": closed}}

    def _confirmed(self, matched: Matched, filed: Collection[str]) -> bool:
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
        if self.kind is JobKind.SAVE:
            self.console.say()
            self.console.show(show.itc_table(_decisions(matched)))
        these = f"{'this' if matched.count == 1 else 'these'} {counted(matched.count, noun)}"
        regenerates = self.regenerate and not {*fresh} <= {*filed}
        computed = f", and have GSTR-2B of {self.regenerate} computed anew" if regenerates else ""
        question = f"{show.how_much(everything)}. Send {these} for {whose}{computed}?"
        return confirmed(question, yes=self.plan.yes)

    def _begin(self, client: ImsClient, matched: Matched, filed: Collection[str]) -> BulkRun:
        names = ("run", "concurrency", "max_records", "max_outage")
        asked: dict[str, Any] = {name: getattr(self.plan, name) for name in names}
        asked |= {"check": self.settings.check, "since": matched.since}
        if self.kind is JobKind.SAVE:
            asked |= {"regenerate": self.regenerate, "confirm": True, "filed": filed}
            return bulk.save_all(client, cast("Mapping[str, list[Decision]]", matched.records), **asked)
        return bulk.reset_all(client, cast("Mapping[str, list[Invoice]]", matched.records), **asked)


def _decisions(matched: Matched) -> list[Decision]:
    """Return what is to be sent, of all taxpayers."""
    return [one for own in matched.records.values() for one in own if isinstance(one, Decision)]


def _say_what_is_pulled(console: Console, rows: Sequence[Sequence[Row]]) -> None:
    """Say how much is read again; `rows` are those of each taxpayer of whom that is done."""
    if rows:
        count = counted(sum(map(len, rows)), "row")
        of_many = f" of {len(rows):,} taxpayers" if len(rows) > 1 else ""
        sections = counted(sum(len({row.section for row in own}) for own in rows), "section")
        console.tell(f"{count}{of_many}; pulling {sections} to see that nothing has changed since.")


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
        console.tell(f"{sent} went out with an earlier part of run {run}: followed up, and not sent again.")
