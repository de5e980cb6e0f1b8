"""`demo`: the whole way of a batch of decisions, over HTTP on loopback, with nothing left unexplained."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Annotated, Any, Final

import attrs

from ...client import ImsClient
from ...gsp.codec.values import parse_day
from ...jobs.job import as_completed
from ...model.records import Decision, Invoice, RecordKey
from ...model.report import JobReport
from ...model.vocabulary import Action, Section
from ...net.policies import PollPolicy
from ...simulator import Simulator
from ...taxpayer import Taxpayer
from .. import options
from ..command import command
from ..commands.simulate import OTP
from ..inputs.accounts import Provider, chosen
from ..inputs.environment import Variables
from ..output.console import NOT_ALL_WELL, OK, Console
from ..output.progress import watching
from . import output as demo_show
from .decisions import Account, count_differences, decide, decided_again, to_be_edited

_EDITED: Final = 3  # records per taxpayer that the supplier edits between our pull and our save
_TAKEN_BACK: Final = 4  # records per taxpayer whose action is taken back at the end


@attrs.define(kw_only=True)
class Person(Account):
    """A taxpayer on the way through the demo."""

    taxpayer: Taxpayer
    username: str
    invoices: list[Invoice] = attrs.field(factory=list)
    decisions: list[Decision] = attrs.field(factory=list)
    expected: dict[RecordKey, Action] = attrs.field(factory=dict)

    async def log_in(self) -> None:
        """Ask for an OTP and begin the session with it."""
        await self.taxpayer.request_otp(self.username)
        await self.taxpayer.verify_otp(OTP)

    async def pull(self) -> None:
        """Read the records of every section."""
        self.invoices = [invoice async for invoice in self.taxpayer.all_invoices()]
        self.expected = {invoice.key: invoice.action for invoice in self.invoices}
        self.records = len(self.invoices)

    def decide(self) -> None:
        """Decide on what was read."""
        found = (decide(invoice) for invoice in self.invoices)
        self.decisions = [decision for decision in found if decision is not None]
        self.submitted = len(self.decisions)

    async def reread(self, keys: Iterable[RecordKey]) -> list[Invoice]:
        """Read these records as they stand now."""
        wanted = set(keys)
        sections = dict.fromkeys(Section.parse(key.section) for key in wanted)
        answers = await asyncio.gather(*map(self.taxpayer.invoices, sections))
        return [invoice for rows in answers for invoice in rows if invoice.key in wanted]

    async def redecide(self, report: JobReport) -> list[Decision]:
        """Decide again on the records that were refused, as they stand now."""
        return decided_again(report, await self.reread(failure.key for failure in report.failed))

    @property
    def rejected(self) -> list[RecordKey]:
        """The records that should stand at "rejected" now."""
        return [key for key, action in self.expected.items() if action is Action.REJECT]

    def book(self, report: JobReport) -> None:
        """Note how the records that were applied should stand now."""
        for record in report.succeeded:
            decided = record.action if isinstance(record, Decision) else Action.NO_ACTION
            self.expected[record.key] = decided


@attrs.define
class Story:
    """All that the demo has to tell."""

    console: Console
    simulator: Simulator
    people: list[Person]
    began: float = attrs.field(factory=time.monotonic)
    refusals: list[dict[str, Any]] = attrs.field(factory=list)

    async def begin(self) -> None:
        """Log in, count, pull."""
        demo_show.step(self.console, 1, f"{len(self.people)} taxpayers log in at once, each with an OTP.")
        await asyncio.gather(*(person.log_in() for person in self.people))
        demo_show.step(self.console, 2, "How do their records stand? One call each.")
        await self.count()
        pulling = time.monotonic()
        await asyncio.gather(*(person.pull() for person in self.people))
        records = sum(account.records for account in self.people)
        seconds = time.monotonic() - pulling
        demo_show.step(
            self.console, 3, f"All eight sections are pulled: {records:,} records, {seconds:.1f} s."
        )

    async def count(self) -> None:
        """Count every taxpayer's records, and show the counts."""
        counts = await asyncio.gather(*(person.taxpayer.counts() for person in self.people))
        demo_show.counts(self.console, self.people, counts)

    def decide(self) -> None:
        """Decide by rules; then some suppliers edit what we have just read."""
        for person in self.people:
            person.decide()
        demo_show.decisions(self.console, [(person, person.decisions) for person in self.people])
        edited = 0
        for person in self.people:
            gstin = person.gstin
            for one in to_be_edited(person.decisions, _EDITED, gstin):
                period = one.invoice.return_period
                self.simulator.edit(
                    gstin, one.section.value, one.number, supplier=one.supplier, period=period
                )
                edited += 1
        demo_show.step(self.console, 5, f"Meanwhile suppliers edit {edited} of these records.")
        self.console.say("      What we decided on is no longer what stands there.")

    async def save(self) -> None:
        """Save everything; take each job as it ends; save again what was refused."""
        demo_show.step(self.console, 6, "All decisions are saved, one job per taxpayer.")
        self.console.say(
            "      The gateway accepts a job at once and applies it later, so each job is awaited."
        )
        reports = await self._run([(person, person.decisions) for person in self.people])
        for person, report in reports:
            person.take(report)
            self.refusals += [demo_show.refusal(person, failure) for failure in report.failed]
        demo_show.refused(self.console, self.refusals)
        if refused := [(person, report) for person, report in reports if report.failed]:
            await self._save_again(refused)

    async def _save_again(self, refused: list[tuple[Person, JobReport]]) -> None:
        demo_show.step(self.console, 8, "The refused records are read again, decided again, and saved again.")
        people = [person for person, _ in refused]
        batches = await asyncio.gather(*(person.redecide(report) for person, report in refused))
        for person, batch in zip(people, batches, strict=True):
            person.sent_again = len(batch)
        for person, report in await self._run(zip(people, batches, strict=True)):
            person.applied_again = len(report.succeeded)

    async def take_back(self) -> None:
        """Reset a few rejections."""
        demo_show.step(self.console, 9, "Second thoughts: a few rejections are taken back to no action.")
        rejected = (person.reread(person.rejected[:_TAKEN_BACK]) for person in self.people)
        batches = await asyncio.gather(*rejected)
        for person, batch in zip(self.people, batches, strict=True):
            person.taken_back = len(batch)
        for person, report in await self._run(zip(self.people, batches, strict=True), reset=True):
            person.applied_back = len(report.succeeded)

    async def _run(
        self, batches: Iterable[tuple[Person, list[Any]]], *, reset: bool = False
    ) -> list[tuple[Person, JobReport]]:
        """Submit all at once, watch, tell of each job as it ends, and book what was applied."""
        sent = [(person, batch) for person, batch in batches if batch]
        jobs = await asyncio.gather(
            *(
                person.taxpayer.reset(batch) if reset else person.taxpayer.save(batch)
                for person, batch in sent
            )
        )
        people = {job: person for (person, _), job in zip(sent, jobs, strict=True)}
        labels = {job: f"{person.name:<18.18} {person.gstin}" for job, person in people.items()}
        async with watching(self.console, labels):
            ended = [job async for job in as_completed(jobs)]
        for job in ended:  # shown when the live lines are gone, in the order in which they ended
            self.console.say(demo_show.job_line(people[job], job))
        reports = [(person, await job) for job, person in people.items()]
        for person, report in reports:
            person.book(report)
        return reports

    async def end(self) -> None:
        """Count again, set our books against the gateway's, log out."""
        demo_show.step(self.console, 10, "How do the records stand now?")
        await self.count()
        for person in self.people:
            person.differences = count_differences(person.expected, self._truth(person.gstin))
        await asyncio.gather(*(person.taxpayer.logout() for person in self.people))

    def _truth(self, gstin: str) -> dict[RecordKey, Action]:
        return {
            RecordKey(Section(r.section), r.supplier, r.number, parse_day(r.date), r.period): Action(r.action)
            for r in self.simulator.records(gstin)
        }


@command()
def demo(
    console: Console,
    taxpayers: options.Taxpayers = 5,
    invoices: Annotated[int, options.option("--invoices", "Records per taxpayer.", "2000", min=10)] = 400,
    seed: options.Seed = 7,
    job_seconds: options.JobSeconds = 2.0,
    gsp: options.GspName = None,
) -> int:
    """Show the whole way on a simulated gateway: log in, pull, decide, save, account for every record.

    Needs no credentials and reaches no other machine. Exit code 0 means that nothing was left unexplained.
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
    story = console.wait_for(_carry_out(console, provider, simulator, poll))
    demo_show.ending(console, provider.title, story.people, time.monotonic() - story.began)
    console.document(demo_show.facts(provider.name, story.people, story.refusals))
    return OK if all(account.balanced for account in story.people) else NOT_ALL_WELL


async def _carry_out(console: Console, provider: Provider, simulator: Simulator, poll: PollPolicy) -> Story:
    async with simulator:
        # The account that the simulator lets in, whatever the environment says.
        account = provider.gsp(Variables(provider.simulated(simulator)), True)
        async with ImsClient(account, poll=poll) as client:
            people = [
                Person(
                    gstin=one.gstin,
                    name=one.name,
                    taxpayer=client.taxpayer(one.gstin),
                    username=one.username,
                )
                for one in simulator.taxpayers
            ]
            story = Story(console, simulator, people)
            demo_show.opening(console, provider.title, simulator.url)
            await story.begin()
            story.decide()
            await story.save()
            await story.take_back()
            await story.end()
            return story
