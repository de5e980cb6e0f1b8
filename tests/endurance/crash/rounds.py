"""One round: a bulk save that is killed, recoveries that are killed, a last one, and the judgement."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Final

import attrs

from ims_async import ImsClient, ImsError
from ims_async.journal import ChangeState
from ims_async.simulator import Fault, Simulator

from .judge import Seen, Verdict, judge, look
from .lives import Kill, Span, live
from .plan import Batch, Plan, make_plan, make_simulator, statement, where
from .worker import POLL, Clock, Orders, make_gsp

QUIET: Final = 1801.0  # seconds, after which a look may say "not applied"
_TWO_WORKERS, _BESIDE, _AT_ONCE = 0.35, 0.5, 0.5  # how often
_SLOW, _LOST = 0.7, 0.3
_SLOW_ANSWERS: Final = 40
_MOST_LEFT_ALONE: Final = 6  # recoveries


@attrs.define
class Outcome:
    """What one round showed. `counts` are added up over the rounds."""

    counts: Counter[str] = attrs.field(factory=Counter)
    problems: list[str] = attrs.field(factory=list)
    seconds: float = 0.0


@attrs.define
class Round:
    """A round, the same each time for the same `seed` and `number`, but for the timing of processes."""

    gsp: str
    seed: int
    number: int
    spans: dict[str, Span]
    """By what workers do: how long they live when nobody kills them."""
    most_killed: int = 3
    """Recoveries that are killed at most."""
    _chance: random.Random = attrs.field(init=False)
    _clock: Clock = attrs.field(init=False, factory=Clock)
    _outcome: Outcome = attrs.field(init=False, factory=Outcome)
    _has_killed: bool = attrs.field(init=False, default=False)
    _references: dict[str, str] = attrs.field(init=False, factory=dict)
    """By change: what has a reference is never asked for again, or it would have another one."""
    _caught: set[tuple[str, str]] = attrs.field(init=False, factory=set)
    """Batches, and how a kill has found them."""

    def __attrs_post_init__(self) -> None:
        self._chance = random.Random(f"{self.seed}/{self.number}")  # noqa: S311 # the same each time

    async def run(self) -> Outcome:
        """Run it; raises nothing that the SDK did wrong: that is in the outcome's `problems`."""
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="crash-") as name:
            async with make_simulator(self._chance, self._clock) as sim:
                try:
                    await self._run(sim, Path(name))
                except ImsError as error:  # the journal could not be read, say
                    self._outcome.problems.append(f"{type(error).__name__}: {error}")
        self._outcome.seconds = time.monotonic() - begun
        return self._outcome

    async def _run(self, sim: Simulator, folder: Path) -> None:
        here = make_gsp(self.gsp, sim.url, sim.user_token)
        async with ImsClient(here, transport=sim.transport, poll=POLL) as client:
            plan = await make_plan(client, sim, self._chance)
        self._plan_faults(sim)
        orders = Orders(
            gsp=self.gsp,
            url=sim.url,
            user_token=sim.user_token,
            tokens={gstin: sim.token(gstin) for gstin in sim.gstins},
            folder=folder,
            clock=self._clock,
            batches=plan.batches,
        )
        await self._bulk_save(sim, orders, plan)
        seen = await self._recover(sim, orders, plan)
        self._note(judge(seen, plan, sim), seen)

    def _plan_faults(self, sim: Simulator) -> None:
        """Make answers slow, so that many batches are killed while they are being sent; lose a few."""
        slow, lost = self._chance.random() < _SLOW, self._chance.random() < _LOST
        for operation in ("save", "reset", "invoices", "page", "regenerate"):
            faults = [Fault.delay(self._chance.uniform(0.0, 0.08)) for _ in range(_SLOW_ANSWERS * slow)]
            if lost and operation in ("save", "regenerate"):
                faults += [Fault.drop_after(), Fault.drop_before(), Fault.truncate(20)]
            self._chance.shuffle(faults)
            sim.script_fault(operation, *faults)

    # -- lives and deaths ------------------------------------------------------------------------------

    async def _bulk_save(self, sim: Simulator, orders: Orders, plan: Plan) -> None:
        """Let one worker or two hand everything in, and kill it, or them; or one beside a living one."""
        count = 2 if self._chance.random() < _TWO_WORKERS else 1
        beside = count == 2 and self._chance.random() < _BESIDE
        workers = [attrs.evolve(orders, batches=share) for share in plan.shares(count)]
        kills = [Kill.draw(self._chance) for _ in workers]
        self._outcome.counts["rounds with two workers"] += count == 2
        self._outcome.counts["rounds with a recovery beside a living worker"] += beside
        if beside:
            heir = attrs.evolve(orders, recover=True, hand_in=False)
            await asyncio.gather(
                self._live(sim, workers[0], kills[0], then=heir), self._live(sim, workers[1], None)
            )
        else:
            await asyncio.gather(*(self._live(sim, *each) for each in zip(workers, kills, strict=True)))

    async def _live(
        self, sim: Simulator, orders: Orders, kill: Kill | None, then: Orders | None = None
    ) -> None:
        kind = "recoveries" if orders.recover else "savers"
        end = await live(
            orders, kill, self.spans[kind], lambda: len(sim.jobs) + len(sim.returns.regenerations)
        )
        counts = self._outcome.counts
        counts[f"{kind} started"] += 1
        if end.killed and kill is not None:
            self._has_killed = True
            counts[f"{kind} killed"] += 1
            counts[f"killed by the {kill.way}"] += 1
        if end.problem:
            self._outcome.problems.append(end.problem)
        if then is not None:
            await self._live(sim, then, None)

    async def _recover(self, sim: Simulator, orders: Orders, plan: Plan) -> Seen:
        """Start one recovery after the other, at once or half an hour later; kill the first few."""
        seen = await self._look(sim, orders, plan)
        to_kill = self._chance.randint(0, self.most_killed)
        for number in range(to_kill + _MOST_LEFT_ALONE):
            if number and not seen.left(plan):
                break
            if number >= to_kill or self._chance.random() >= _AT_ONCE:
                await quiet(sim)
                self._clock.ahead += QUIET
            known = {*seen.words(), *seen.computed()}
            await asyncio.gather(
                *(
                    self._live(sim, heir, Kill.draw(self._chance) if number < to_kill else None)
                    for heir in self._heirs(orders, [b for b in plan.batches if b.without(known)])
                )
            )
            seen = await self._look(sim, orders, plan)
        return seen

    def _heirs(self, orders: Orders, left: list[Batch]) -> list[Orders]:
        """Have one recovery do everything, or two at once, each for half of the taxpayers."""
        count = 2 if self._chance.random() < _TWO_WORKERS else 1
        gstins = list(orders.tokens)
        return [
            attrs.evolve(
                orders,
                recover=True,
                tokens={gstin: orders.tokens[gstin] for gstin in gstins[place::count]},
                changes=max(1, len(left) // count),
            )
            for place in range(count)
        ]

    async def _look(self, sim: Simulator, orders: Orders, plan: Plan) -> Seen:
        """Look at the journal while no worker lives; count how a kill has caught batches, each way once."""
        seen = await look(orders.folder, make_gsp(self.gsp, sim.url, sim.user_token), sim)
        self._outcome.problems += seen.problems
        for change in seen.changes:
            if (reference := change.token.reference_id) is not None:
                known = self._references.setdefault(change.id, reference)
                if known != reference:
                    self._outcome.problems.append(f"{change.id} is job {reference}, and was {known}")
        if self._has_killed:
            self._has_killed = False
            now = {(change.id, change.state.value) for change in seen.changes}
            handed_in = seen.handed_in()
            now |= {
                (str(number), "not handed in yet")
                for number, batch in enumerate(plan.batches)
                if not any(where(batch.gstin, record) in handed_in for record in batch.records)
                and statement(batch.gstin, batch.period) not in handed_in
            }
            self._outcome.counts.update(f"batches caught {state}" for _, state in now - self._caught)
            self._caught |= now
        return seen

    # -- what came of it -------------------------------------------------------------------------------

    def _note(self, verdict: Verdict, seen: Seen) -> None:
        handed = seen.handed_in()
        looked = self._looked_at(seen)
        self._outcome.problems += verdict.problems
        self._outcome.counts.update(
            {
                "decisions handed in": len(handed),
                "applied": verdict.applied,
                "refused by GSTN": verdict.refused,
                "found changed by the supplier": verdict.changed,
                "outcome lost, settled by looking: applied": looked["applied"],
                "outcome lost, settled by looking: not applied": looked["not applied"],
                "handed in again": sum(count > 1 for count in handed.values()),
                "GSTR-2B computed anew": verdict.computed,
                "GSTR-2B asked for again": verdict.asked_again,
                "lost": verdict.lost,
                "not settled": verdict.not_settled,
                "applied twice": verdict.applied_twice,
                "sent twice": verdict.sent_twice,
            }
        )

    def _looked_at(self, seen: Seen) -> Counter[str]:
        """Count what was settled by looking, of the batches that a kill left being sent or lost."""
        found: Counter[str] = Counter()
        for change in seen.changes:
            unanswered = {(change.id, state.value) for state in (ChangeState.SENDING, ChangeState.LOST)}
            caught = unanswered & self._caught
            if caught and change.token.reference_id is None and change.id in seen.reports:
                found["applied"] += len(seen.reports[change.id].succeeded)
                found["not applied"] += len(seen.reports[change.id].failed)
        return found


async def quiet(sim: Simulator) -> None:
    """Read what dead workers sent, until nothing more has come for 30 ms: then half an hour may be skipped.

    No worker lives: not a byte of theirs is on its way after this, as none would be after half an hour. The
    clock is the simulator's too, and its jobs end as it goes on.
    """
    before = -1
    while before != len(sim.requests):
        before = len(sim.requests)
        await asyncio.sleep(0.03)


def first_spans() -> dict[str, Span]:
    """Return what is known at first of how long workers live."""
    return {"savers": Span(), "recoveries": Span()}
