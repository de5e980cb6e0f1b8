"""One scenario, its process killed before and after each of its writes, and the processes that go on."""

from __future__ import annotations

import itertools
import json
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import attrs

from ims_async import Action, Decision, ImsClient
from ims_async.journal import ChangeState, SqliteJournal
from ims_async.model.records import Record
from ims_async.model.times import LOOK_MARGIN, QUIET
from ims_async.simulator import Simulator
from ims_async.simulator.http import Script

from ...support.bulk_flows import decided
from ..crash.death import Death
from ..crash.judge import copied
from ..crash.lives import exit_code
from ..crash.rounds import quiet
from ..crash.worker import POLL, Clock, journal_in, make_gsp
from .laws import Look, broken_due, broken_end, broken_listing, broken_step
from .scenarios import PERIOD, Scenario, Task, make_simulator
from .worker import Orders, work

_DEADLINE: Final = 0.3  # seconds: a process that goes on does not wait longer for one that may live
_MAY_LIVE: Final = 900.0  # seconds after a claim, at least: its process may be sending
_MOST: Final = 6  # processes that go on
_JOBS: Final = 12  # more than any case has
_HALF_AN_HOUR: Final = QUIET + 2 * LOOK_MARGIN


@attrs.define
class Outcome:
    """What a sweep showed."""

    writes: int = 0
    """Of a process that nobody kills."""
    counts: Counter[str] = attrs.field(factory=Counter)
    problems: list[str] = attrs.field(factory=list)


async def sweep(scenario: Scenario, *, every: int = 1, first: int = 0, twice: bool = False) -> Outcome:
    """Kill a process before and after each of its writes, until a run has no such write.

    With `every` at each so manieth of these moments, from the `first` on. With `twice` the next process is
    killed at each of its own writes as well.
    """
    outcome = Outcome()
    for heir in _heirs(scenario):
        for death in itertools.islice(_deaths(), first, None, every):
            if not await Case(scenario, heir, death).run(outcome):
                break
            for second in _deaths() if twice else ():
                if not await Case(scenario, heir, death, second).run(outcome):
                    break
    return outcome


def _deaths() -> Iterator[Death]:
    for number in itertools.count(1):
        yield Death(write=number, when="before")
        yield Death(write=number, when="after")


def _heirs(scenario: Scenario) -> tuple[Task, ...]:
    """Return how the next process goes on: it recovers, or carries the same run out again."""
    return ("recover",) if scenario.task == "regenerate" else ("recover", scenario.task)


@attrs.define
class Case:
    """One kill, or a second one of the next process too, and all that comes after it."""

    scenario: Scenario
    heir: Task
    death: Death
    second: Death | None = None
    _clock: Clock = attrs.field(init=False, factory=Clock)
    _known: set[str] = attrs.field(init=False, factory=set)
    """The changes of the set-up."""
    _problems: list[str] = attrs.field(init=False, factory=list)

    async def run(self, outcome: Outcome) -> bool:
        """Run it; False if there was no such write: then the process lived on, and is judged all the same."""
        with tempfile.TemporaryDirectory(prefix="each-write-") as name:
            async with make_simulator(self.scenario, self._clock) as sim:
                orders, wanted = await self._set_up(sim, Path(name))
                killed = await self._die(sim, orders, outcome)
                look = await self._look(sim, orders)
                if self.second is not None:
                    self._let_time_pass(look.records_in_doubt or look.stands is ChangeState.SENDING)
                    look, killed = await self._live(sim, orders, look, self.heir, death=self.second)
                outcome.counts[f"{look.stands or 'not handed in'} at the last kill"] += killed
                asked = look.asked + (look.to_ask or not look.handed_in)
                end = await self._go_on(sim, orders, look)
                if end.asked != asked:
                    self._problems.append(f"asked for {end.asked} times, and not {asked}")
                self._problems += broken_end(end, self.scenario.ends, sim, wanted)
        again = f", and {self.second.when} write {self.second.write} of the next" if self.second else ""
        where = f"{self.scenario.name}: {self.heir} after a death {self.death.when} write {self.death.write}"
        outcome.problems += [f"{where}{again}: {problem}" for problem in self._problems]
        outcome.counts["cases"] += 1
        outcome.counts["kills"] += killed + (self.second is not None)
        outcome.counts["with more than one request"] += end.asked > 1
        return killed

    async def _set_up(self, sim: Simulator, folder: Path) -> tuple[Orders, Counter[Any]]:
        """Save a decision, so that it is due; return the orders, and how often what is to be applied."""
        orders = Orders(
            task=self.scenario.task,
            gsp=self.scenario.gsp,
            url=sim.url,
            user_token=sim.user_token,
            gstin=sim.gstins[0],
            token=sim.token(sim.gstins[0]),
            folder=folder,
            clock=self._clock,
            deadline=self.scenario.deadline,
            death=self.death,
        )
        journal = SqliteJournal(journal_in(folder), clock=self._clock)
        async with self._client(sim, orders, journal) as client:
            acme = client.taxpayer(orders.gstin, token=sim.token(orders.gstin))
            rows = list(await acme.invoices("b2b", Action.NO_ACTION))[:3]
            first, *others = map(decided, rows)
            await (await acme.save([first]))
            if self.scenario.unchanged:
                await (await acme.regenerate_gstr2b(PERIOD))
            if self.scenario.task == "save_all":
                (saved,) = [row for row in await acme.invoices("b2b") if row.key == first.key]
                orders = attrs.evolve(
                    orders, work=(*others, Decision(invoice=saved, action=Action.NO_ACTION))
                )
            self._known = {change.id for change in await journal.find()}
        sim.returns.regenerations.clear()
        return orders, _names(orders.gstin, [first, *orders.work])

    def _client(self, sim: Simulator, orders: Orders, journal: SqliteJournal) -> ImsClient:
        gsp = make_gsp(orders.gsp, orders.url, orders.user_token)
        return ImsClient(gsp, transport=sim.transport, journal=journal, poll=POLL, clock=self._clock)

    async def _die(self, sim: Simulator, orders: Orders, outcome: Outcome) -> bool:
        self.scenario.spoil(sim)
        for _ in range(_JOBS * self.scenario.shows_work):
            sim.script_status(None, {"status_cd": "IP"})
        code = await exit_code(work, orders)
        await quiet(sim)
        sim.transport.script = Script()  # the gateway is well again
        if code == 0:
            outcome.writes = max(outcome.writes, self._said(orders)["writes"])
        elif code != -signal.SIGKILL:
            self._problems.append(f"the process ended with {code}")
        return code == -signal.SIGKILL

    # -- what comes after ------------------------------------------------------------------------------

    async def _go_on(self, sim: Simulator, orders: Orders, look: Look) -> Look:
        """Let the next process go on until all is settled; then what was never handed in is."""
        look = await self._settle(sim, orders, look, self.heir)
        if self.heir != "recover":
            return (await self._live(sim, orders, look, "recover"))[0]
        if orders.task != "regenerate" or not look.handed_in:
            look, _ = await self._live(sim, orders, look, orders.task)
            self._let_time_pass(not look.settled)
            if not look.settled:
                look = await self._settle(sim, orders, look, "recover")
        return look

    async def _settle(self, sim: Simulator, orders: Orders, look: Look, task: Task) -> Look:
        """Let one process after the other go on: the first at once, each later one half an hour after."""
        for number in range(_MOST):
            self._let_time_pass(bool(number) or look.records_in_doubt)
            look, _ = await self._live(sim, orders, look, task, at_once=not number)
            if look.settled:
                break
        return look

    def _let_time_pass(self, needed: bool) -> None:
        self._clock.ahead += _HALF_AN_HOUR * needed

    async def _live(
        self,
        sim: Simulator,
        orders: Orders,
        look: Look,
        task: Task,
        *,
        at_once: bool = False,
        death: Death | None = None,
    ) -> tuple[Look, bool]:
        """Let a process do its task, unless it dies; hold what it sees and does against how things stood.

        Returns how they stand then, and whether it was killed.
        """
        lives = look.claimed_at is not None and self._clock() - look.claimed_at < _MAY_LIVE
        may_ask = (look.to_ask and not lives) or (task != "recover" and not look.handed_in)
        deadline = _DEADLINE if self.scenario.ends == "failed" or at_once else orders.deadline
        code = await exit_code(work, attrs.evolve(orders, task=task, death=death, deadline=deadline))
        await quiet(sim)
        after, killed = await self._look(sim, orders), death is not None and code == -signal.SIGKILL
        self._problems += broken_step(look, after, may_ask=may_ask)
        if code == 0:
            said, facts = self._said(orders), {"was_current": self.scenario.unchanged}
            self._problems += broken_listing(look, said["found"], **facts)
            self._problems += broken_listing(after, said["left"], **facts)
            self._problems += broken_due(after, said["due"], **facts)
        elif not killed:
            self._problems.append(f"{task} ended with {code}")
        return after, killed

    def _said(self, orders: Orders) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(orders.said.read_text())
        return said

    async def _look(self, sim: Simulator, orders: Orders) -> Look:
        journal = SqliteJournal(copied(orders.folder) or journal_in(orders.folder))
        try:
            found = [change for change in await journal.find() if change.id not in self._known]
        finally:
            await journal.aclose()
        return Look(
            changes=found, asked=len(sim.returns.regenerations), changed_at=max(e.at for e in sim.effects)
        )


def _names(gstin: str, records: list[Record]) -> Counter[Any]:
    return Counter((gstin, one.supplier, one.number, one.return_period) for one in records)
