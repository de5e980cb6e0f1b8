"""What the demo shows at each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import attrs
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ...jobs.job import ImsJob
from ...model.records import Counts, Decision
from ...model.report import RecordFailure
from ...model.vocabulary import Action
from ..output import tables as show
from ..output.console import Console
from ..output.outcomes import error_facts
from .decisions import RULES, Account

_NAME: Final = 15  # characters of a job's name


def opening(console: Console, gateway: str, url: str) -> None:
    """Say what this is."""
    console.show(Text("\nims_async: every record accounted for", style="bold"))
    console.say(
        f"A simulated gateway ({gateway}) listens at {url}; all that follows goes over real HTTP to it."
    )


def step(console: Console, number: int, sentence: str) -> None:
    """Begin a step."""
    console.show(Text.assemble(("\n" + f"{number:>2}  ", "bold cyan"), (sentence, "bold")))


def _show(console: Console, table: Table) -> None:
    console.show(Padding(table, (0, 0, 0, 4), expand=False))


def counts(console: Console, accounts: Sequence[Account], found: Sequence[Counts]) -> None:
    """Show how many records stand at each action, by taxpayer."""
    rows = []
    for account, count in zip(accounts, found, strict=True):
        sections = show.counts_facts(count)["sections"].values()
        sums = [sum(section[name] for section in sections) for name in show.STANDINGS]
        rows.append((account.name, account.gstin, *sums))
    _show(console, show.table(None, ("taxpayer", "GSTIN", *show.COUNTED), rows, total="all"))


def decisions(console: Console, found: Sequence[tuple[Account, Sequence[Decision]]]) -> None:
    """Show the rules and what they came to."""
    step(console, 4, "Decisions by simple rules:")
    for rule in RULES:
        console.say(f"      · {rule}")
    actions = (Action.ACCEPT, Action.REJECT, Action.PENDING)
    rows = []
    for account, taken in found:
        by_action = show.by_action(taken)
        alone = account.records - len(taken)
        rows.append((account.name, *(by_action[action] for action in actions), len(taken), alone))
    columns = ("taxpayer", *(show.WORDS[action] for action in actions), "to be sent", "left alone")
    _show(console, show.table(None, columns, rows, total="all"))


def job_line(account: Account, job: ImsJob) -> str:
    """Say in a line how a job ended."""
    report = job.report
    if report is None:
        return f"      {account.name:<18.18} {job.reference_id}: not ended"
    name = job.reference_id or ""
    name = name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"  # a task's is too long for the line
    applied, refused, rest = len(report.succeeded), len(report.failed), report.unaccounted_count
    return (
        f"      {account.name:<18.18} {job.kind.value.lower():<5} {name} {report.submitted:>6,} "
        f"submitted = {applied:,} applied + {refused} refused + {rest} unaccounted"
    )


def refusal(account: Account, failure: RecordFailure) -> dict[str, Any]:
    """Return a refused record as plain values."""
    return {"taxpayer": account.gstin, **error_facts(failure.key, failure)}


def refused(console: Console, refusals: Sequence[dict[str, Any]]) -> None:
    """Show each refused record with its reason, and what it means."""
    step(console, 7, f"{len(refusals)} records were refused. Each is named, with the gateway's reason:")
    rows = [(r["section"], r["number"], r["supplier"], r["return_period"], r["code"]) for r in refusals]
    if not rows:
        return
    _show(console, show.table(None, ("section", "number", "supplier", "period", "code"), rows))
    for code, message in dict.fromkeys((r["code"], r["message"]) for r in refusals):
        console.say(f"      {code}: {message}.")
    console.say("      That is as it should be: the supplier edited these records after we had read them, so")
    console.say("      our decisions were about something else. The records stand untouched, and wait for a")
    console.say("      decision on what they say now.")


def ending(console: Console, gateway: str, accounts: Sequence[Account], seconds: float) -> None:
    """Show the accounting, and say whether it adds up."""
    step(console, 11, "The accounting: every record that was submitted is in exactly one column.")
    columns = ("submitted", "= applied", "+ refused", "+ unaccounted", "again", "reset", "adds up")
    rows = [_sums(account.name, [account]) for account in accounts]
    _show(console, show.table(None, ("taxpayer", *columns), rows, total=_sums("all", accounts)))
    well = all(account.balanced for account in accounts)
    records = sum(account.records for account in accounts)
    wrong = sum(account.differences for account in accounts)
    console.say(
        f"      The gateway's own books were compared for all {records:,} records: {wrong} differences."
    )
    verdict = "nothing left unexplained" if well else "NOT everything is explained"
    console.show(
        Text(f"\n    {gateway}, {seconds:.1f} s, {verdict}.", style="bold green" if well else "bold red")
    )


def _sums(name: str, accounts: Sequence[Account]) -> tuple[object, ...]:
    def summed(field: str) -> int:
        return sum(getattr(account, field) for account in accounts)

    again = f"{summed('applied_again')} of {summed('sent_again')}"
    back = f"{summed('applied_back')} of {summed('taken_back')}"
    well = "yes" if all(account.balanced for account in accounts) else "NO"
    return name, *map(summed, ("submitted", "applied", "refused", "unaccounted")), again, back, well


def facts(gsp: str, accounts: Sequence[Account], refusals: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the accounting as plain values."""
    numbers = [field.name for field in attrs.fields(Account)]
    return {
        "ok": all(account.balanced for account in accounts),
        "gsp": gsp,
        "taxpayers": [
            {**{name: getattr(account, name) for name in numbers}, "balanced": account.balanced}
            for account in accounts
        ],
        "refused": list(refusals),
    }
