"""What programs do, what happens to them, and what happens at the gateway: one rule for each."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from ims_async import Action, Decision, ImsError, ImsJob, Invoice, JobToken
from ims_async.model.records import Record
from ims_async.simulator import Fault

from .job_processes import Process
from .job_statements import PERIODS
from .job_world import PATIENCE, QUIET, JobWorld, failed

PICK = st.integers(0, 5)
THEN = st.one_of(st.integers(0, 25), st.sampled_from([2.0, 40.0, 400.0, 2.0, 40.0]))
"""What follows a step: so many turns of the loop, without a second passing, or so many seconds."""
_FAULTS: Final = (
    Fault.drop_before(), Fault.drop_after(), Fault.half_open(), Fault.half_open(effect=True),
    Fault.truncate(20), Fault.garbage_gzip(), Fault.html(), Fault.html(effect=True), Fault.empty(effect=True),
    Fault.refused(401), Fault.refused(403), Fault.throttled(), Fault.throttled(30), Fault.throttled(900),
    Fault.outage(), Fault.outage(effect=True),
)  # fmt: skip
FAULTS: Final = {f"{fault} {fault.status or ''} {fault.wait or ''}".strip(): fault for fault in _FAULTS}
"""By name, so that a falsifying example can be read."""
_MEETS = st.one_of(st.just(""), st.just(""), st.sampled_from(list(FAULTS)))


def _knows_a_job(machine: JobMachine) -> bool:
    return any(process.jobs for process in machine.processes if process.alive)


def _knows_a_failure(machine: JobMachine) -> bool:
    alive = (process for process in machine.processes if process.alive)
    return any(failed(job) for process in alive for job in process.jobs)


class JobMachine(JobWorld):
    """Does all that can be done to jobs, in any order."""

    # -- what programs do ------------------------------------------------------------------------------

    @rule(
        who=PICK, gstin=PICK, places=st.sets(PICK, min_size=1, max_size=3), waits=st.booleans(),
        how=st.sampled_from(["accept", "reject", "keep_pending", "reset"]), fresh=st.booleans(), then=THEN,
        meets=_MEETS, queue=st.booleans(), spoilt=st.sampled_from(["", "", "edited", "decided"]),
    )  # fmt: skip
    def submit(
        self, who: int, gstin: int, places: set[int], how: str, queue: bool,
        meets: str, waits: bool, fresh: bool, spoilt: str, then: float,
    ) -> None:  # fmt: skip
        """Hand a batch in, of records as they are or as they were; it may meet a fault."""
        process, name = self.process(who), self.gstin(gstin)
        if fresh:
            self.look(name)
        self._plan("reset" if how == "reset" else "save", meets, name)
        records = self._decide(name, places, how, decided=spoilt == "decided")
        batch = self.truth.batch(name, records)
        batch.edited, batch.decided = spoilt == "edited", spoilt == "decided"
        taxpayer = process.client.taxpayer(name)
        change: Callable[..., Awaitable[ImsJob]] = taxpayer.reset if how == "reset" else taxpayer.save

        async def work() -> None:
            job = await self.hand_in(process, batch, lambda: change(records, queue=queue))
            if isinstance(job, ImsJob) and waits:
                await self.wait_for(job)

        self.call(process, work, batch)
        self._let_pass(then)

    submit_another = submit_one_more = submit  # drawn three times as often as any other

    @rule(
        who=PICK, gstin=PICK, period=st.sampled_from(PERIODS), waits=st.booleans(), queue=st.booleans(),
        meets=st.one_of(st.just(""), _MEETS), then=THEN,
    )  # fmt: skip
    def regenerate(
        self, who: int, gstin: int, period: str, meets: str, waits: bool, queue: bool, then: float
    ) -> None:
        """Have GSTR-2B computed anew; it may meet a fault."""
        process, name = self.process(who), self.gstin(gstin)
        self._plan("regenerate", meets, name)
        batch = self.truth.batch(name)
        batch.period = period
        taxpayer = process.client.taxpayer(name)

        async def work() -> None:
            job = await self.hand_in(process, batch, lambda: taxpayer.regenerate_gstr2b(period, queue=queue))
            if isinstance(job, ImsJob) and waits:
                await self.wait_for(job)

        self.call(process, work, batch)
        self._let_pass(then)

    regenerate_again = regenerate

    @rule(
        who=PICK, gstin=PICK, places=st.sets(PICK, min_size=1, max_size=3), recover=st.booleans(),
        how=st.sampled_from(["accept", "reject"]), spoilt=st.sampled_from(["edited", "decided", "decided"]),
    )  # fmt: skip
    def refused(self, who: int, gstin: int, places: set[int], how: str, spoilt: str, recover: bool) -> None:
        """Hand in what the gateway will refuse in part, and hear of it, if nothing is in the way."""
        self.log_in(who, gstin)
        if recover:
            self.unfinished(who, True, QUIET, 400.0)
        self.submit(who, gstin, places, how, True, "", True, True, spoilt, 1000.0)

    refused_again = refused

    def _decide(self, gstin: str, places: set[int], how: str, *, decided: bool) -> list[Record]:
        """Decide on records; `decided`: and somebody else did since the first of them was read."""
        rows = [self.rows[gstin][place % len(self.rows[gstin])] for place in sorted(places)]
        if decided:
            other = Action.ACCEPT if rows[0].action is Action.REJECT else Action.REJECT
            rows[0] = attrs.evolve(rows[0], action=other)
        return list(rows) if how == "reset" else [_decision(row, how) for row in rows]

    def _plan(self, operation: str, fault: str, gstin: str | None = None) -> None:
        if fault:
            self.sim.script_fault(operation, FAULTS[fault], gstin=gstin)

    def _on_job(
        self, who: int, which: int, then: float, work: Callable[[Process, ImsJob], Awaitable[None]]
    ) -> None:
        """Do something with a handle that a process has, if it has any."""
        process = self.process(who)
        if process.jobs:
            job = process.jobs[-1 - which % len(process.jobs)]
            self.call(process, partial(work, process, job))
            self._let_pass(then)

    @precondition(_knows_a_job)
    @rule(who=PICK, which=PICK, timeout=st.sampled_from([None, None, 0.0, 1.0, 20.0]), then=THEN)
    def wait(self, who: int, which: int, timeout: float | None, then: float) -> None:
        """Wait for a job."""
        self._on_job(who, which, then, lambda _, job: self.wait_for(job, timeout))

    @precondition(_knows_a_job)
    @rule(who=PICK, which=PICK, then=THEN)
    def refresh(self, who: int, which: int, then: float) -> None:
        """Poll a job once."""

        async def work(_: Process, job: ImsJob) -> None:
            await job.refresh()
            self.heard(job)

        self._on_job(who, which, then, work)

    @precondition(_knows_a_job)
    @rule(who=PICK, which=PICK, then=THEN)
    def reconcile(self, who: int, which: int, then: float) -> None:
        """Look what became of a job's records."""
        self._on_job(who, which, then, self.look_for)

    @precondition(_knows_a_failure)
    @rule(
        who=PICK, which=PICK, both=st.booleans(), edited=st.sampled_from([False, False, True]),
        meets=st.one_of(st.just(""), _MEETS), then=THEN,
        dies=st.one_of(st.none(), st.none(), st.integers(1, 12)),
    )  # fmt: skip
    def retry(
        self, who: int, which: int, both: bool, edited: bool, meets: str, dies: int | None, then: float
    ) -> None:
        """Send again what a job did not apply; another process may do the same."""
        process = self.process(who)
        known = [job for job in process.jobs if failed(job)]
        if not known:
            return
        job = known[-1 - which % len(known)]
        report = job.report
        assert report is not None
        self._plan("any", meets, job.gstin)
        for sender in (process, self._other(process)) if both else (process,):
            batch = self.truth.batch(job.gstin, parent=self.truth.of(job))
            batch.edited = edited
            self.call(sender, partial(self.send_again, sender, batch, report), batch)
        process.fuse = process.fuse or dies
        self._let_pass(then)

    retry_once_more = retry_again = retry

    @precondition(_knows_a_job)
    @rule(who=PICK, which=PICK, sure=st.integers(0, 3), then=THEN)
    def let_go(self, who: int, which: int, sure: int, then: float) -> None:
        """Let a job go, which nobody does lightly."""

        async def work(process: Process, job: ImsJob) -> None:
            batch = self.truth.of(job)
            if batch is not None:
                batch.let_go = True
            await process.client.taxpayer(job.gstin).let_go(job)

        if not sure:
            self._on_job(who, which, then, work)

    @precondition(lambda self: bool(self.tokens))
    @rule(who=PICK, which=PICK)
    def resume(self, who: int, which: int) -> None:
        """Resume a token that was kept."""
        process = self.process(who)
        if self.tokens:
            text = self.tokens[-1 - which % len(self.tokens)]
            job = process.client.resume(text)
            self.truth.demand(JobToken.loads(job.token.dumps()) == job.token, f"{text} is read otherwise")
            process.learn(job)

    @rule(who=PICK, settle=st.booleans(), later=st.sampled_from([0.0, 0.0, QUIET]), then=THEN)
    def unfinished(self, who: int, settle: bool, later: float, then: float) -> None:
        """Ask what is left to do, and perhaps do it."""
        process = self.process(who)

        async def work() -> None:
            for job in await process.client.unfinished():
                process.learn(job)
                if settle:
                    with contextlib.suppress(ImsError):
                        await (self.wait_for(job) if job.reference_id else self.look_for(process, job))

        self._let_pass(later)
        self.call(process, work)
        self._let_pass(then)

    @rule(who=PICK, then=THEN)
    def finished(self, who: int, then: float) -> None:
        """Ask what has ended, with reports."""
        process = self.process(who)

        async def work() -> None:
            async with contextlib.aclosing(process.client.finished()) as ended:
                async for job in ended:
                    self.heard(job)
                    process.learn(job)

        self.call(process, work)
        self._let_pass(then)

    # -- what happens to programs ----------------------------------------------------------------------

    @precondition(lambda self: any(not call.done() for call in self.calls))
    @rule(which=PICK)
    def cancel(self, which: int) -> None:
        """Cancel a call that is under way: a submitter, a waiter, whoever."""
        self.calls = [call for call in self.calls if not call.done()]
        if self.calls:
            self.calls[-1 - which % len(self.calls)].cancel()

    @rule()
    def another_process(self) -> None:
        """Start another process on the same journal."""
        self._other(self.process(0))

    def _other(self, process: Process) -> Process:
        """Return the other of the two processes."""
        others = [other for other in self.processes if other.alive and other is not process]
        return others[0] if others else self.start()

    @rule(who=PICK, instants=st.integers(0, 12), look=st.booleans(), then=THEN)
    def kill(self, who: int, instants: int, look: bool, then: float) -> None:
        """Kill a process, now or at one of its next instants; another may ask what is left to do."""
        process = self.process(who)
        process.fuse = instants
        if not instants:
            self.run(process.bury())
            if look:
                self.unfinished(0, False, 0.0, then)

    @rule(who=PICK)
    def close(self, who: int) -> None:
        """End a program as it should be ended: at once, and nothing of it is left at work."""
        process = self.process(who)
        self.call(process, process.client.aclose)
        for _ in range(PATIENCE):
            if not process.tasks:
                break
            self.turns(1)
        else:
            self.truth.wrong.append(f"closing a client does not come to an end: {process.tasks}")
        process.alive = False

    @rule(who=PICK, count=st.integers(1, 4))
    def unreachable(self, who: int, count: int) -> None:
        """Let a process's next requests never leave."""
        self.process(who).unreachable = count

    @rule(who=PICK, count=st.integers(1, 6), written=st.booleans())
    def journal_fails(self, who: int, count: int, written: bool) -> None:
        """Let a process's next uses of its journal fail, of what is written too."""
        process = self.process(who)
        process.failing, process.written = count, written

    # -- what happens at the gateway -------------------------------------------------------------------

    @rule(
        fault=st.sampled_from(list(FAULTS)),
        operation=st.sampled_from(["save", "reset", "save", "status", "any", "regenerate", "regeneration"]),
    )
    def fault(self, fault: str, operation: str) -> None:
        """Plan what goes wrong with the next request."""
        self._plan(operation, fault)

    @rule(gstin=PICK, place=PICK)
    def edit(self, gstin: int, place: int) -> None:
        """Let a supplier edit a record."""
        rows = self.rows[self.gstin(gstin)]
        self.truth.edit(self.gstin(gstin), rows[place % len(rows)])

    @rule(gstin=PICK, ended=st.booleans())
    def session_ends(self, gstin: int, ended: bool) -> None:
        """End a taxpayer's sessions."""
        (self.sim.end_session if ended else self.sim.expire_all)(self.gstin(gstin))

    @rule(who=PICK, gstin=PICK)
    def log_in(self, who: int, gstin: int) -> None:
        """Log in again."""
        name = self.gstin(gstin)
        self.process(who).client.taxpayer(name).use_token(self.sim.token(name))

    # -- time ------------------------------------------------------------------------------------------

    def _let_pass(self, then: float) -> None:
        if isinstance(then, float):
            self.run(asyncio.sleep(then))
        else:
            self.turns(then)

    @rule(seconds=st.sampled_from([0.5, 10.0, 310.0, 1000.0, QUIET]))
    def time_passes(self, seconds: float) -> None:
        """Let time pass."""
        self.run(asyncio.sleep(seconds))


def _decision(row: Invoice, how: str) -> Decision:
    made: Any = getattr(row, how)()
    assert isinstance(made, Decision)
    return made
