"""`gstr2b regenerate`: GSTR-2B computed anew, for one taxpayer or many, as one run."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import attrs

from .... import bulk
from ....bulk import TaxpayerReport
from ... import options
from ...command import command
from ...inputs.files import taxpayers_of
from ...inputs.filings import ask_filings
from ...inputs.runs import check_regenerated, check_run
from ...inputs.settings import Settings, confirmed, gather_for, journal, journal_if_any
from ...output import statements
from ...output import tables as show
from ...output.console import NOT_ALL_WELL, OK, Console
from ...output.tables import counted
from ..runs import Carrier, RunOptions


@attrs.frozen(kw_only=True)
class Asked(RunOptions):
    """Whose is to be computed anew, and how that is shown."""

    period: options.Period
    gstin: options.ManyGstins = None
    gstins: options.GstinsFile = None
    due: Annotated[
        bool,
        options.option(
            "--due",
            "Only those of which the journal has a save or reset since the draft, and no computation after "
            "it; without --gstin, --gstins or files all of them.",
        ),
    ] = False
    ask_filing: options.AskFiling = False
    confirm: Annotated[
        bool,
        options.option(
            "--confirm", "Read each statement before and after, and show what changed: two requests each."
        ),
    ] = False
    dry_run: Annotated[
        bool, options.option("--dry-run", "Show for whom it would be asked for, and ask for nothing.")
    ] = False
    yes: options.Yes = False
    run: options.RunName = None


@command(report=options.StatementsReport, says_due=True)
def regenerate(console: Console, asked: Asked, files: options.NamingFiles = None) -> int:
    """Have GSTR-2B of a period computed anew from the actions as they are.

    Needed for what was decided after the draft of the 14th; possible until GSTR-3B of the period is filed. A
    save or reset that is under way is waited for. Asking twice does no harm: a run that was broken off goes
    on with the same command and the name that it printed (--run).

    Exit code 0 means that each is up to date, computed anew or unchanged; 1 that one was refused, failed or
    is pending.
    """
    check_regenerated(asked.period, asked.gsp)
    check_run(console, asked.run, asked.journal, asked.period)
    journal(asked.journal)  # before the work that it is to hold
    console.sends, check = True, not asked.no_check
    given, due = asked.gstin or [], asked.due
    names = taxpayers_of(console, files or [], given, asked.gstins, check=check, may_be_none=due)
    settings = gather_for(asked.gsp, names, named=bool(given), check=check, rate=asked.rate)
    console.asks(settings)
    if due:
        found = console.wait_for(_due(settings, asked))
        names = [name for name in names if name in found] if names else sorted(found)
    filed = _filed(console, settings, names, asked) if asked.ask_filing and names else {}
    names = [name for name in names if name not in filed]
    if not names or asked.dry_run:
        return _tell_beforehand(console, names, filed, asked)
    whose = names[0] if len(names) == 1 else counted(len(names), "taxpayer")
    if not confirmed(f"Have GSTR-2B of {asked.period} computed anew for {whose}?", yes=asked.yes):
        console.tell("Nothing was asked for.")
        console.document({"ok": False, "period": asked.period, "taxpayers": {}, "filed": filed})
        return NOT_ALL_WELL
    carrier = Carrier(console, settings, asked, period=asked.period)
    limits: dict[str, Any] = {name: getattr(asked, name) for name in ("run", "concurrency", "max_outage")}
    limits |= {"check": check, "confirm": asked.confirm}
    report = carrier.carry_out(
        lambda client: bulk.regenerate_all(client, names, asked.period, **limits), dict.fromkeys(names, 0)
    )
    return _tell(carrier, report.run, list(report), filed)


async def _due(settings: Settings, asked: Asked) -> list[str]:
    """Return those for whom it is due, by the journal; without one nobody."""
    kept = journal_if_any(asked.journal)
    if kept is None:
        return []
    async with contextlib.aclosing(kept), settings.client(journal=kept) as client:
        return await bulk.recompute_due(client, asked.period)


def _filed(console: Console, settings: Settings, names: Sequence[str], asked: Asked) -> dict[str, str]:
    """Return those whose GSTR-3B is filed, with the day."""
    wanted = {gstin: [asked.period] for gstin in names}
    return ask_filings(console, settings, wanted, at_once=asked.concurrency).left_out(console, asked.period)


def _tell_beforehand(console: Console, names: Sequence[str], filed: Mapping[str, str], asked: Asked) -> int:
    """Say for whom it would be asked for; nobody is well. `--report` has them, and who is left out."""
    console.due = asked.due and bool(names)
    if names:
        title = f"GSTR-2B of {asked.period} would be computed anew for {counted(len(names), 'taxpayer')}"
        console.show(show.table(title, ("GSTIN",), [(name,) for name in names]))
    else:
        which = "due to be computed anew" if asked.due and not filed else "left to be computed anew"
        console.say(f"No GSTR-2B of {asked.period} is {which}.")
    written = _write_report(console, asked.period, [TaxpayerReport(gstin=name) for name in names], filed)
    facts = {"ok": True, "period": asked.period, "dry_run": asked.dry_run, "would_ask": list(names)}
    console.document({**facts, "taxpayers": {}, "filed": dict(filed), "report_file": console.report_file})
    return OK if written else NOT_ALL_WELL


def _write_report(
    console: Console, period: str, parts: Sequence[TaxpayerReport], filed: Mapping[str, str], jobs: int = 0
) -> bool:
    left_out = {gstin: f"GSTR-3B was filed on {day}" for gstin, day in filed.items()}
    return console.write_report(
        lambda file: statements.write_outcomes(console, file, period, parts, left_out),
        jobs=jobs,
        what="What came of each",
    )


def _tell(carrier: Carrier, run: str, parts: Sequence[TaxpayerReport], filed: Mapping[str, str]) -> int:
    """Show what came of each, and return the exit code."""
    console, period = carrier.console, carrier.period
    console.say()
    statements.tell_outcomes(console, period, parts)
    written = _write_report(console, period, parts, filed, len(carrier.batches))
    ok = all(map(statements.is_well, parts))
    facts = {"ok": ok, "run": run, "period": period, "filed": dict(filed), "report_file": console.report_file}
    facts["taxpayers"] = {one.gstin: statements.facts_of(console, one) for one in parts}
    console.document({**facts, **carrier.tell_what_is_left()})
    return OK if ok and written else NOT_ALL_WELL
