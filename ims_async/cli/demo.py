"""`demo`: the whole way of a batch of decisions, over HTTP on loopback, with nothing left unexplained."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Annotated, Any, Final

import attrs
from rich.text import Text

from ..client import ImsClient
from ..gsp.codec.values import parse_day
from ..model.records import Decision, Invoice, ItcReduction, RecordKey
from ..model.report import JobReport
from ..model.vocabulary import Action, Section
from ..net.policies import PollPolicy
from ..simulator import Simulator
from ..taxpayer import Taxpayer
from . import options
from .command import command
from .commands.simulate import OTP
from .inputs.accounts import Provider, chosen
from .inputs.environment import Variables
from .output import tables as show
from .output.console import NOT_ALL_WELL, OK, Console
from .output.outcomes import error_facts
from .output.progress import watching

LARGE: Final = Decimal(200_000)  # rupees of taxable value
SMALL: Final = Decimal(50_000)

RULES: Final = (
    "Credit notes are accepted, and say how much input tax credit is given up: none of it, or half.",
    f"Records above ₹{LARGE:,} are kept pending where the gateway allows that.",
    f"Records below ₹{SMALL:,} that the supplier has not filed are rejected.",
    "Everything else is accepted. Records that somebody has acted on already are left alone.",
)


def decide(invoice: Invoice) -> Decision | None:
    """Decide on one record by the demo's rules; None leaves it alone."""
    if invoice.action is not Action.NO_ACTION:
        return None
    if invoice.section in (Section.B2BCN, Section.B2BCNA):
        return invoice.accept(itc_reduction=_given_up(invoice))
    if invoice.taxable_value > LARGE and invoice.pending_allowed:
        return invoice.keep_pending()
    if invoice.taxable_value < SMALL and invoice.not_filed:
        return invoice.reject("Not filed, and not in our books")
    return invoice.accept()


def _given_up(note: Invoice) -> ItcReduction:
    if note.taxable_value <= SMALL:
        return ItcReduction.none()
    half = {head: round(getattr(note, head) / 2, 2) for head in ("igst", "cgst", "sgst", "cess")}
    return ItcReduction.partial(**half)


def to_be_edited(decisions: Iterable[Decision], how_many: int, seed: str) -> list[Decision]:
    """Choose the records that their suppliers will edit behind our back."""
    ours = list(decisions)
    return Random(seed).sample(ours, min(how_many, len(ours)))  # noqa: S311 # the same each time, on purpose


def decided_again(report: JobReport, current: Iterable[Invoice]) -> list[Decision]:
    """Take the same decision on the refused records as they stand now."""
    now = {invoice.key: invoice for invoice in current}
    return [
        attrs.evolve(failure.record, invoice=now[failure.key])
        for failure in report.failed
        if isinstance(failure.record, Decision) and failure.key in now
    ]


@attrs.define
class Account:
    """One taxpayer's story in numbers: what was sent, and what became of it."""

    gstin: str
    name: str
    records: int = 0
    submitted: int = 0
    applied: int = 0
    refused: int = 0
    unaccounted: int = 0
    sent_again: int = 0
    applied_again: int = 0
    taken_back: int = 0
    applied_back: int = 0
    differences: int = 0
    """How many records stand otherwise in the gateway's books than they should."""

    @property
    def facts(self) -> dict[str, Any]:
        """The numbers by name, and whether they fit."""
        return {
            name: getattr(self, name) for name in (*(one.name for one in attrs.fields(Account)), "balanced")
        }

    @property
    def balanced(self) -> bool:
        """True if every record that was sent is accounted for, and the books agree."""
        return (
            self.submitted == self.applied + self.refused
            and self.unaccounted == 0
            and self.sent_again == self.applied_again == self.refused
            and self.taken_back == self.applied_back
            and self.differences == 0
        )


def count_differences(expected: Mapping[RecordKey, Action], actual: Mapping[RecordKey, Action]) -> int:
    """Count the records that do not stand at the action they should stand at."""
    return sum(expected.get(key) != actual.get(key) for key in expected.keys() | actual.keys())


# -- the way through it ------------------------------------------------------------------------------------

_EDITED: Final = 3  # records per taxpayer that the supplier edits between our pull and our save
_TAKEN_BACK: Final = 4  # records per taxpayer whose action is taken back at the end


@attrs.define(kw_only=True)
class Person(Account):
    """A taxpayer on the way through the demo, and how each of its records should stand."""

    taxpayer: Taxpayer
    username: str
    decisions: list[Decision] = attrs.field(factory=list)
    expected: dict[RecordKey, Action] = attrs.field(factory=dict)

    async def log_in(self) -> None:
        """Ask for an OTP and begin the session with it."""
        await self.taxpayer.request_otp(self.username)
        await self.taxpayer.verify_otp(OTP)

    async def pull(self) -> None:
        """Read the records of every section, and decide on them."""
        invoices = [invoice async for invoice in self.taxpayer.all_invoices()]
        self.expected = {invoice.key: invoice.action for invoice in invoices}
        self.decisions = [decision for decision in map(decide, invoices) if decision is not None]
        self.records, self.submitted = len(invoices), len(self.decisions)

    async def reread(self, keys: Iterable[RecordKey]) -> list[Invoice]:
        """Read these records as they stand now."""
        wanted = set(keys)
        sections = dict.fromkeys(Section.parse(key.section) for key in wanted)
        answers = await asyncio.gather(*map(self.taxpayer.invoices, sections))
        return [invoice for rows in answers for invoice in rows if invoice.key in wanted]


@attrs.define
class Story:
    """All that the demo does and shows."""

    console: Console
    simulator: Simulator
    people: list[Person]
    steps: int = 0
    refusals: list[dict[str, Any]] = attrs.field(factory=list)

    async def carry_out(self) -> None:
        """Take every step of it."""
        self._step(f"{len(self.people)} taxpayers log in at once, each with an OTP.")
        await asyncio.gather(*(person.log_in() for person in self.people))
        self._step("How do their records stand? One call each.")
        await self._count()
        pulling = time.monotonic()
        await asyncio.gather(*(person.pull() for person in self.people))
        records, seconds = sum(one.records for one in self.people), time.monotonic() - pulling
        self._step(f"All eight sections are pulled: {records:,} records, {seconds:.1f} s.")
        self._step("Decisions by simple rules:")
        for rule in RULES:
            self.console.say(f"    · {rule}")
        decided = show.by_action(decision for person in self.people for decision in person.decisions)
        said = (f"{words} {decided[action]:,}" for action, words in show.WORDS.items() if decided[action])
        self.console.say(f"    {', '.join(said)}.")
        self._step(f"Meanwhile suppliers edit {self._edit()} of these records.")
        self._step("All decisions are saved, one job per taxpayer; each job is awaited.")
        await self._save()
        self._step("Second thoughts: a few rejections are taken back to no action.")
        await self._take_back()
        self._step("How do the records stand now?")
        await self._count()
        for person in self.people:
            person.differences = count_differences(person.expected, self._truth(person.gstin))
        await asyncio.gather(*(person.taxpayer.logout() for person in self.people))

    def _step(self, sentence: str) -> None:
        self.steps += 1
        self.console.show(Text(f"\n{self.steps:>2}  {sentence}", "bold"))

    async def _count(self) -> None:
        """Count every taxpayer's records, and show the counts."""
        rows = []
        counts = await asyncio.gather(*(person.taxpayer.counts() for person in self.people))
        for person, count in zip(self.people, counts, strict=True):
            sections = count.sections.values()
            sums = [sum(getattr(section, name) for section in sections) for name in show.STANDINGS]
            rows.append((person.name, person.gstin, *sums))
        self.console.show(show.table(None, ("taxpayer", "GSTIN", *show.COUNTED), rows, total="all"))

    def _edit(self) -> int:
        """Let suppliers edit what we have just read; return how many records."""
        edited = [
            (person.gstin, decision.invoice)
            for person in self.people
            for decision in to_be_edited(person.decisions, _EDITED, person.gstin)
        ]
        for gstin, one in edited:
            section, period = one.section.value, one.return_period
            self.simulator.edit(gstin, section, one.number, supplier=one.supplier, period=period)
        return len(edited)

    async def _save(self) -> None:
        """Save everything; save again what was refused."""
        reports = await self._run([person.decisions for person in self.people])
        for person, report in reports:
            person.applied, person.refused = len(report.succeeded), len(report.failed)
            person.unaccounted = report.unaccounted_count
            self.refusals += (
                {"taxpayer": person.gstin, **error_facts(failure.key, failure)} for failure in report.failed
            )
        self._step(f"{len(self.refusals)} records were refused. Each is named, with the gateway's reason:")
        if not self.refusals:
            return
        names = ("section", "number", "supplier", "return_period", "code")
        rows = [[refusal[name] for name in names] for refusal in self.refusals]
        self.console.show(show.table(None, ("section", "number", "supplier", "period", "code"), rows))
        for code, message in dict.fromkeys((one["code"], one["message"]) for one in self.refusals):
            self.console.say(f"    {code}: {message}.")
        self.console.say("    Rightly so: the supplier has edited these records since we read them.")
        self._step("The refused records are read again, decided again, and saved again.")
        batches = [
            decided_again(report, await person.reread(failure.key for failure in report.failed))
            for person, report in reports
        ]
        for person, batch in zip(self.people, batches, strict=True):
            person.sent_again = len(batch)
        for person, report in await self._run(batches):
            person.applied_again = len(report.succeeded)

    async def _take_back(self) -> None:
        """Reset a few rejections."""
        batches: list[list[Invoice]] = []
        for person in self.people:
            rejected = [key for key, action in person.expected.items() if action is Action.REJECT]
            batches.append(await person.reread(rejected[:_TAKEN_BACK]))
            person.taken_back = len(batches[-1])
        for person, report in await self._run(batches, reset=True):
            person.applied_back = len(report.succeeded)

    async def _run(
        self, batches: Sequence[Sequence[Any]], *, reset: bool = False
    ) -> list[tuple[Person, JobReport]]:
        """Send each taxpayer's batch, watch the jobs to their end, and note how the records should stand."""
        sent = [(person, batch) for person, batch in zip(self.people, batches, strict=True) if batch]
        send = Taxpayer.reset if reset else Taxpayer.save
        jobs = await asyncio.gather(*(send(person.taxpayer, batch) for person, batch in sent))
        people = [person for person, _ in sent]
        labels = [f"{person.name:<18.18} {person.gstin}" for person in people]
        async with watching(self.console, dict(zip(jobs, labels, strict=True))):
            pass
        reports = [(person, await job) for person, job in zip(people, jobs, strict=True)]
        for person, report in reports:
            for record in report.succeeded:
                action = record.action if isinstance(record, Decision) else Action.NO_ACTION
                person.expected[record.key] = action
        return reports

    def _truth(self, gstin: str) -> dict[RecordKey, Action]:
        return {
            RecordKey(Section(r.section), r.supplier, r.number, parse_day(r.date), r.period): Action(r.action)
            for r in self.simulator.records(gstin)
        }

    @property
    def balanced(self) -> bool:
        """True if nothing is left unexplained."""
        return all(person.balanced for person in self.people)

    def show_accounts(self) -> None:
        """Show the accounting."""
        self._step("The accounting: every record that was submitted is in exactly one column.")
        numbers = ("submitted", "applied", "refused", "unaccounted", "sent_again", "taken_back")
        rows = [
            (one.name, *(getattr(one, name) for name in numbers), "yes" if one.balanced else "NO")
            for one in self.people
        ]
        columns = ("taxpayer", "submitted", "= applied", "+ refused", "+ unaccounted", "again", "reset")
        self.console.show(show.table(None, (*columns, "adds up"), rows, total="all"))
        records, wrong = (sum(getattr(p, name) for p in self.people) for name in ("records", "differences"))
        books = "    The gateway's own books were compared for"
        self.console.say(f"{books} all {records:,} records: {wrong} differences.")


@command()
def demo(
    console: Console,
    taxpayers: options.Taxpayers = 5,
    invoices: Annotated[int, options.option("--invoices", "Records per taxpayer.", "2000", min=10)] = 400,
    seed: options.Seed = 7,
    job_seconds: options.JobSeconds = 2.0,
    gsp: options.GspName = None,
) -> int:
    """Show every step on a simulated gateway.

    It logs in, pulls, decides, saves, and accounts for every record. Needs no credentials and reaches no
    other machine. Exit code 0 means that nothing was left unexplained.
    """
    provider = chosen(gsp)
    simulator = Simulator(
        seed=seed,
        taxpayers=taxpayers,
        invoices=invoices,
        job_seconds=lambda rng: job_seconds * rng.uniform(0.6, 1.4),
        download_seconds=job_seconds / 5,
    )
    poll = PollPolicy(initial_delay=min(job_seconds / 4, 0.5), factor=1.5, max_interval=1.0)
    began = time.monotonic()
    story = console.wait_for(_carry_out(console, provider, simulator, poll))
    story.show_accounts()
    verdict = "nothing left unexplained" if story.balanced else "NOT everything is explained"
    style = "bold green" if story.balanced else "bold red"
    seconds = time.monotonic() - began
    console.show(Text(f"\n    {provider.title}, {seconds:.1f} s, {verdict}.", style))
    facts = {"ok": story.balanced, "gsp": provider.name, "taxpayers": [one.facts for one in story.people]}
    console.document({**facts, "refused": story.refusals})
    return OK if story.balanced else NOT_ALL_WELL


async def _carry_out(console: Console, provider: Provider, simulator: Simulator, poll: PollPolicy) -> Story:
    async with simulator:
        # The account that the simulator lets in, whatever the environment says.
        account = provider.gsp(Variables(provider.simulated(simulator)), True)
        async with ImsClient(account, poll=poll) as client:
            people = []
            for one in simulator.taxpayers:
                facts: dict[str, Any] = {"gstin": one.gstin, "name": one.name, "username": one.username}
                people.append(Person(taxpayer=client.taxpayer(one.gstin), **facts))
            console.show(Text("\nims_async: every record accounted for", style="bold"))
            console.say(f"A simulated gateway ({provider.title}) listens at {simulator.url}.")
            story = Story(console, simulator, people)
            await story.carry_out()
            return story
