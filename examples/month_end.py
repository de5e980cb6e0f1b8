"""The end of one taxpayer's month, with GSTR-2B: decide, the draft of the 14th, decide late, have it computed
anew, compare, file GSTR-3B.

    python examples/month_end.py     # a made-up gateway in this process, on a clock of its own; no account

Each day's work is a function of a `Taxpayer`: with a real gateway it is the same.
"""

import asyncio
import datetime as dt
from decimal import Decimal

from ims_async import (
    Action,
    Gstr2b,
    ImsClient,
    Invoice,
    MemoryJournal,
    PollPolicy,
    RegenerationRefused,
    Sandbox,
    Taxpayer,
    bulk,
    decide,
)
from ims_async.simulator import Simulator

PERIOD = "102024"
INDIA = dt.timezone(dt.timedelta(hours=5, minutes=30))
BEGIN = dt.datetime(2024, 11, 12, 9, tzinfo=INDIA)  # the suppliers have filed until the 11th


class Calendar:
    """The simulator's clock, and what is said on each day of it."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim

    @property
    def now(self) -> dt.datetime:
        """The time in India."""
        return dt.datetime.fromtimestamp(self._sim.now(), INDIA)

    async def day(self, day: int, taxpayer: Taxpayer, username: str) -> None:
        """Go to ten o'clock of a day in November, and log in: a session does not last from day to day."""
        self._sim.advance((BEGIN.replace(day=day, hour=10) - self.now).total_seconds())
        await taxpayer.request_otp(username)
        await taxpayer.verify_otp("575757")

    def say(self, text: object) -> None:
        """Print a line with the date."""
        print(f"{self.now:%d %b}  {text}")


async def of_the_period(taxpayer: Taxpayer) -> list[Invoice]:
    """Read the records that go to this GSTR-2B."""
    return [one async for one in taxpayer.all_invoices() if one.return_period == PERIOD]


async def decide_what_is_clear(taxpayer: Taxpayer) -> str:
    """Accept what is small and filed, reject what is not ours; the rest waits, and counts as accepted."""
    records = await of_the_period(taxpayer)
    waiting = [one for one in records if one.action is Action.NO_ACTION]
    small = [one.accept() for one in waiting if one.value < Decimal(100_000) and not one.not_filed]
    report = await (await taxpayer.save(small))
    return f"{len(records)} records arrived, {len(waiting)} wait: {report}"


async def decide_late(taxpayer: Taxpayer) -> str:
    """Goods came back: reject the largest that was accepted or left, and keep another one pending."""
    kept = (Action.ACCEPT, Action.NO_ACTION)
    found = [one for one in await of_the_period(taxpayer) if one.action in kept and not one.not_filed]
    largest, second, *_ = sorted(found, key=lambda one: one.value, reverse=True)
    report = await (await taxpayer.save([largest.reject("goods returned"), second.keep_pending()]))
    return f"{largest.number} is rejected, {second.number} kept pending: {report}"


async def compare(taxpayer: Taxpayer, statement: Gstr2b, before: Gstr2b | None = None) -> decide.Comparison:
    """Compare all records of IMS with a statement."""
    records = [one async for one in taxpayer.all_invoices()]
    return await decide.compare_async(records, statement, before=before)


async def month(sim: Simulator) -> None:
    """Go through it, day by day."""
    person, calendar, journal = sim.taxpayers[0], Calendar(sim), MemoryJournal(clock=sim.now)
    gateway, poll = Sandbox("key_test_demo", "secret_test_demo"), PollPolicy(initial_delay=0)
    async with ImsClient(
        gateway, transport=sim.transport, clock=sim.now, poll=poll, journal=journal
    ) as client:
        acme, say = client.taxpayer(person.gstin), calendar.say
        await calendar.day(12, acme, person.username)
        say(f"GSTR-2B of {PERIOD} is drafted on {decide.deadlines(PERIOD).draft.date:%d %b}.")
        say(await decide_what_is_clear(acme))

        await calendar.day(14, acme, person.username)
        draft = await acme.gstr2b(PERIOD)
        say(f"The draft: {draft}")

        await calendar.day(16, acme, person.username)
        say(await decide_late(acme))
        say(f"GSTR-2B is due to be computed anew: {await bulk.recompute_due(client, PERIOD)}")
        found = await compare(acme, draft)
        for one in found.findings:
            say(f"  {one.kind}: {one.reason}")
        say(f"  it gives ₹{found.difference.total:,} too much")

        report = await (await acme.regenerate_gstr2b(PERIOD))
        say(f"{report}.")
        statement = await acme.gstr2b(PERIOD)
        say(await compare(acme, statement, before=draft))

        await calendar.day(18, acme, person.username)
        sim.returns.file_gstr3b(acme.gstin, PERIOD)  # on the portal, by a person
        filing = await acme.filing(PERIOD)
        credit = f"with a credit of ₹{statement.credit.total:,}"
        say(f"GSTR-3B is filed on {filing.gstr3b_filed_on:%d %b}, {credit}.")
        try:
            await acme.regenerate_gstr2b(PERIOD)
        except RegenerationRefused as error:
            say(f"It is final: {error.message}.")
        say(f"{len(await of_the_period(acme))} records of {PERIOD} are left in IMS, for the next month.")


def simulator() -> Simulator:
    """Make the gateway: jobs take no time, and the clock begins in November 2024."""
    return Simulator(
        seed=7,
        taxpayers=1,
        invoices=60,
        sections=["b2b"],
        start=BEGIN.timestamp(),
        job_seconds=0.0,
        regenerate_seconds=0.0,
    )


if __name__ == "__main__":
    asyncio.run(month(simulator()))
