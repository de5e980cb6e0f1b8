"""The world of the machine: its processes, its gateway, its time, and how everything ends.

What can be done in it is in `job_rules`.
"""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, ClassVar, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from benchmarks.virtual_time import run as run_apart
from ims_async import ImsClient, ImsError, ImsJob, Invoice, JobReport, OutcomeUnknown, Sandbox, Section
from ims_async.jobs.recovery import Retry
from ims_async.journal import MemoryJournal
from ims_async.simulator import Simulator
from ims_async.simulator.http import Script

from .job_processes import Killed, Process, VirtualLoop
from .job_statements import SIMULATED, make_gsp
from .job_truth import Batch, Truth, key_of

T = TypeVar("T")

QUIET: Final = 1801.0
"""Seconds, after which a job of which nothing was heard is over."""
PATIENCE: Final = 1000
"""Turns of the loop, in which no second passes."""
SECTIONS: Final = (Section.B2B, Section.B2BDN)


def failed(job: ImsJob) -> bool:
    """Say whether a job has ended, and not as it should."""
    return job.report is not None and not job.report.ok


class JobWorld(RuleBasedStateMachine):
    """Up to two processes at a time, two taxpayers with six records each, one gateway."""

    gsp_name: ClassVar[str] = "sandbox"
    tally: ClassVar[Counter[str]] = Counter()
    """What was done, over all examples; `whole` are those that were not cut short by Hypothesis."""
    most_steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.loop.set_exception_handler(self._complain)
        self.processes: list[Process] = []
        self.calls: list[asyncio.Task[None]] = []
        self.tokens: list[str] = []
        self.rows: dict[str, list[Invoice]] = {}
        self.journal = MemoryJournal(clock=self.loop.now)
        self.steps = 0

    @initialize(
        seconds=st.sampled_from([0.0, 5.0, 90.0, 900.0]),
        conflict=st.sampled_from(["reply", "status"]),
        p_means=st.sampled_from(["processed", "processing"]),
        proc_cnt_counts=st.sampled_from(["successes", "all"]),
    )
    def begin(self, seconds: float, **rules: Any) -> None:
        """Make the world."""
        self.sim = Simulator(
            taxpayers=2, invoices=6, sections=list(map(str, SECTIONS)), clock=self.loop.now,
            job_seconds=seconds, regenerate_seconds=seconds, token_seconds=1e8, max_account_tokens=10_000,
            **SIMULATED, **rules,
        )  # fmt: skip
        self.truth = Truth(self.sim, lambda: vars(self.journal)["_changes"].values())
        for gstin in self.sim.gstins:
            self.look(gstin)

    # -- the parts of the world ------------------------------------------------------------------------

    def _complain(self, _: asyncio.AbstractEventLoop, facts: dict[str, Any]) -> None:
        self.truth.wrong.append(f"{facts['message']}: {facts.get('exception')!r}")

    def process(self, pick: int) -> Process:
        """Return one of the processes that live; there is always one."""
        self.processes = [process for process in self.processes if process.alive]
        return self.processes[pick % len(self.processes)] if self.processes else self.start()

    def start(self) -> Process:
        """Start a process, and log its taxpayers in."""
        process = Process(make_gsp(self.gsp_name, self.sim), self.truth, self.loop, self.journal)
        for gstin in self.sim.gstins:
            process.client.taxpayer(gstin, token=self.sim.token(gstin))
        self.processes.append(process)
        return process

    def gstin(self, pick: int) -> str:
        """Return one of the two."""
        return self.sim.gstins[pick % 2]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Let time pass until this is done."""
        return self.loop.run_until_complete(work)

    def look(self, gstin: str) -> None:
        """Take a look past every fault, as nobody whose request may fail."""
        planned, self.sim.transport.script = self.sim.transport.script, Script()
        client = ImsClient(Sandbox("key_test_demo"), transport=self.sim.transport, clock=self.loop.now)
        taxpayer = client.taxpayer(gstin, token=self.sim.token(gstin))

        async def rows() -> list[Invoice]:
            return [row for section in SECTIONS for row in await taxpayer.invoices(section)]

        self.rows[gstin] = run_apart(rows())
        self.sim.transport.script = planned

    def turns(self, count: int) -> None:
        """Let the loop turn, without a second passing."""

        async def turn() -> None:
            for _ in range(count):
                await asyncio.sleep(0)

        self.run(turn())

    # -- what processes do -----------------------------------------------------------------------------

    def call(
        self,
        process: Process,
        work: Callable[[], Awaitable[object]],
        batch: Batch | None = None,
        *,
        must: bool = False,
    ) -> asyncio.Task[None]:
        """Let a process begin a call. Only errors of the library's own may come of it; if it must, none."""

        async def guarded() -> None:
            try:
                await work()
            except Killed:
                pass
            except ImsError as error:
                self.truth.demand(not must, f"{batch or 'the recovery'} broke off: {error!r}")
            except Exception:  # noqa: BLE001 # whatever it is, it is told as a finding
                self.truth.wrong.append(traceback.format_exc())

        self.calls.append(process.spawn(guarded(), batch))
        return self.calls[-1]

    async def hand_in(
        self, process: Process, batch: Batch, send: Callable[[], Awaitable[ImsJob | Retry]]
    ) -> ImsJob | Retry | None:
        """Hand a batch in, and note how the call ended."""
        try:
            made = await send()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            again = task is not None and task.cancelling() > 1  # it did not wait for what was being written
            batch.end = "killed" if not process.alive else "cancelled again" if again else "cancelled"
            raise
        except Killed:
            batch.end = "killed"
            raise
        except OutcomeUnknown as error:
            batch.end = "unknown"
            self.truth.demand(error.job is not None, f"no job came with {error!r}")
            process.learn(error.job)
        except ImsError as error:
            batch.end, batch.error = "nothing", error
        else:
            job = made.job if isinstance(made, Retry) else made
            batch.end = "nothing" if job is None else "job"
            process.learn(job)
            return made
        return None

    async def wait_for(self, job: ImsJob, seconds: float | None = None) -> None:
        """Wait for a job, and hold what it tells against the truth."""
        try:
            report = await job.result(seconds)
            self.truth.demand(report is job.report, f"{job!r} gave two reports")
        finally:
            self.heard(job)

    async def look_for(self, process: Process, job: ImsJob) -> None:
        """Look what became of a job's records, and hold that against the truth."""
        found = await process.client.taxpayer(job.gstin).reconcile(job)
        batch = self.truth.of(job)
        if batch is not None:
            self.truth.check_look(batch, found)
            batch.settled |= found.settled and not job.open
        self.heard(job)

    async def send_again(self, process: Process, batch: Batch, report: JobReport) -> Retry | None:
        """Send again what a job did not apply."""
        taxpayer = process.client.taxpayer(batch.gstin)
        made = await self.hand_in(process, batch, lambda: taxpayer.retry(report))
        if not isinstance(made, Retry):
            return None
        sent = {key_of(record) for record in (made.job.records or () if made.job else ())}
        found = {key_of(record) for record in made.found.not_applied}
        self.truth.demand(sent == found, f"{batch} sent {sent}, and found {found}")
        return made

    def heard(self, job: ImsJob) -> None:
        """Hold what a job tells against the truth."""
        batch = self.truth.of(job)
        if batch is not None and job.report is not None:
            self.truth.check_report(batch, job.report, job)
        if job.reference_id is not None and (token := job.token.dumps()) not in self.tokens:
            self.tokens.append(token)

    # -- what must hold --------------------------------------------------------------------------------

    @invariant()
    def nothing_is_wrong(self) -> None:
        """Hold the laws against everything so far."""
        self.steps += 1
        for process in self.processes:
            if not process.alive:
                self.run(process.bury())
        self.truth.check(self.run(self.journal.find()))
        self._judge()

    def _judge(self) -> None:
        assert not self.truth.wrong, "\n".join(self.truth.wrong)

    def teardown(self) -> None:
        """Kill all, recover, and see that nothing is left open."""
        self._count()
        try:
            if hasattr(self, "truth") and not self.truth.wrong:
                self._recover()
        finally:
            for process in self.processes:
                self.run(process.bury())
            self.run(self.loop.shutdown_asyncgens())
            self.loop.close()

    def _count(self) -> None:
        whole = self.steps >= self.most_steps
        self.tally.update(examples=1, steps=self.steps, whole=whole)
        if hasattr(self, "truth"):
            self.tally.update(self.truth.tally())

    def _recover(self) -> None:
        for process in self.processes:
            self.run(process.bury())
        self.sim.transport.script = Script()
        self.run(asyncio.sleep(QUIET))
        process = self.start()

        for work in (self._settle_all, self._bring_all_through):
            self.run(asyncio.wait([self.call(process, partial(work, process), must=True)]))
        self.run(process.client.aclose())
        self._judge()

    async def _settle_all(self, process: Process) -> None:
        """Whatever happened: what became of each decision is found out, and stays so."""
        client = process.client
        for _ in range(3):
            for job in await client.unfinished():
                with contextlib.suppress(ImsError):
                    await (job if job.reference_id else self.look_for(process, job))
                if job.open:
                    await self.look_for(process, job)
                self.heard(job)
        left = await client.unfinished()
        self.truth.demand(not left, f"after recovery {left} are open")
        for text in self.tokens:
            job = client.resume(text)
            batch = self.truth.of(job)
            with contextlib.suppress(ImsError):
                await job
            known = job.report is not None or (batch is not None and batch.let_go)
            self.truth.demand(known, f"{text} tells of nothing")
            self.heard(job)
        changes = await process.journal.find()
        self.truth.demand(not [c for c in changes if c.open], f"changes are open: {changes}")
        self.truth.statements.check_end({change.id: change for change in changes})
        self.truth.check(changes)

    async def _bring_all_through(self, process: Process) -> None:
        """Where nothing goes wrong any more, one retry of each report is enough."""
        ended = [job async for job in process.client.finished()]
        for job in ended:
            self.heard(job)
            report = job.report
            assert report is not None
            if not failed(job):
                continue
            batch = self.truth.batch(job.gstin, parent=self.truth.of(job))
            once_more = partial(self._once_more, process, batch, report)
            await asyncio.wait([self.call(process, once_more, batch, must=True)])
        self.truth.check(await process.journal.find())

    async def _once_more(self, process: Process, batch: Batch, report: JobReport) -> None:
        made = await self.send_again(process, batch, report)
        self.tally["retries_at_the_end"] += 1
        self.truth.demand(made is not None, f"{batch} came to nothing: {batch.error!r}")
        again = None if made is None else await made
        self.truth.demand(again is None or again.ok, f"{batch} was refused: {again}")
