"""A process that is there to be killed: it saves its batches, or goes on where killed ones left off."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import attrs

from ims_async import (
    Decision,
    ImsClient,
    ImsError,
    ImsJob,
    JobInFlight,
    JobKind,
    JobReport,
    JobTimeout,
    OutcomeUnknown,
    PollPolicy,
    RecordFailure,
    RetryPolicy,
    Sandbox,
    Taxpayer,
    Vayana,
)
from ims_async.gsp.base import Gsp
from ims_async.journal import Change
from ims_async.model.records import Record

from .death import Death, DyingJournal
from .notes import Notes
from .plan import REGENERATE_PATH, REGENERATION_PATH, Batch, Where, statement, where

# `deadline` bounds the wait for a job from elsewhere as well: one of a process that was killed never ends.
POLL: Final = PollPolicy(initial_delay=0.02, factor=1.5, max_interval=0.1, deadline=1.5)
_RETRY: Final = RetryPolicy(initial=0.02)
_GSPS: Final[dict[str, Callable[[str, str], Gsp]]] = {
    "sandbox": lambda url, _: Sandbox("key_test_demo", "secret_test_demo", base_url=url),
    "sandbox, keys": lambda url, _: Sandbox(
        "key_test_demo", "secret_test_demo", base_url=url, regenerate_body="keys"
    ),
    "vayana": lambda url, token: Vayana(
        "org-demo",
        token,
        base_url=url,
        regenerate_path=REGENERATE_PATH,
        regenerate_status_path=REGENERATION_PATH,
    ),
}
_LEFT_OPEN: Final = (OutcomeUnknown, JobInFlight, JobTimeout)
"""What a caller may be told in such a world; any other error is a defect, and ends the process."""


@attrs.define
class Clock:
    """The machine's, some seconds ahead: what the simulator and each worker read."""

    ahead: float = 0.0

    def __call__(self) -> float:
        """Return the time in epoch seconds."""
        return time.time() + self.ahead


@attrs.frozen(kw_only=True)
class Orders:
    """What a worker is told at its start."""

    gsp: str
    url: str
    user_token: str
    tokens: dict[str, str]
    folder: Path
    clock: Clock
    batches: tuple[Batch, ...]
    recover: bool = False
    hand_in: bool = True
    """For a recovery: whether to hand in what never was. Not while another process still does."""
    changes: int = 0
    """About how many it will send; 0 for one with each batch."""
    death: Death | None = None


def journal_in(folder: Path) -> Path:
    """Return where the journal of a round is."""
    return folder / "journal.sqlite"


def make_gsp(name: str, url: str, user_token: str) -> Gsp:
    """Return the GSP of a round."""
    return _GSPS[name](url, user_token)


class Watched(DyingJournal):
    """A journal that notes what it has promised."""

    def __init__(self, orders: Orders, notes: Notes) -> None:
        super().__init__(journal_in(orders.folder), clock=orders.clock, death=orders.death)
        self._notes = notes

    async def add(self, change: Change, records: Sequence[Record]) -> Change:
        """Note each batch that is said to be written down."""
        stored = await super().add(change, records)
        self._notes.write("handed", change.id)
        return stored


def work(orders: Orders) -> None:
    """Run a worker to its end, if it lives to see it."""
    asyncio.run(_work(orders))


async def _work(orders: Orders) -> None:
    notes = Notes(orders.folder)
    notes.write("begun")
    client = ImsClient(
        make_gsp(orders.gsp, orders.url, orders.user_token),
        journal=Watched(orders, notes),
        poll=POLL,
        retry=_RETRY,
        clock=orders.clock,
    )
    async with client:
        for gstin, token in orders.tokens.items():
            client.taxpayer(gstin, token=token)
        if orders.recover:
            await _recover(client, orders, notes)
        else:
            await asyncio.gather(*(_hand_in(client, batch, notes) for batch in orders.batches))
    notes.write("ended")


async def _hand_in(client: ImsClient, batch: Batch, notes: Notes) -> None:
    await asyncio.sleep(batch.after)
    acme = client.taxpayer(batch.gstin)
    try:
        if batch.kind is JobKind.REGENERATE:
            job = await acme.regenerate_gstr2b(batch.period)
        elif batch.kind is JobKind.SAVE:
            job = await acme.save(record for record in batch.records if isinstance(record, Decision))
        else:
            job = await acme.reset(record for record in batch.records if not isinstance(record, Decision))
        await _see_through(job, notes)
    except _LEFT_OPEN as error:
        notes.trouble(error)


async def _see_through(job: ImsJob, notes: Notes) -> None:
    notes.write("ticket", job.reference_id or "")
    await job
    notes.write("told", job.reference_id or "")


# -- after a crash: as the documentation tells a program to go on ----------------------------------------


async def _recover(client: ImsClient, orders: Orders, notes: Notes) -> None:
    open_jobs: dict[str, list[ImsJob]] = {gstin: [] for gstin in orders.tokens}
    for job in await client.unfinished():
        if job.gstin in open_jobs:
            open_jobs[job.gstin].append(job)
    settled = await asyncio.gather(
        *(_settle(client.taxpayer(gstin), jobs, notes) for gstin, jobs in open_jobs.items())
    )
    free = {gstin for gstin, is_settled in zip(open_jobs, settled, strict=True) if is_settled}
    again, known = await _left_to_do(client)
    for job in [job async for job in client.called_off(retried=False)]:
        names = {where(job.gstin, record) for record in job.records or ()}
        if job.kind is JobKind.REGENERATE:
            names = {statement(job.gstin, job.period)}
        if job.cause is not None and job.cause.to_retry and not names & known:
            again.setdefault(job.gstin, []).append(job)
            known |= names
    await asyncio.gather(
        *(_retry(client.taxpayer(gstin), again.get(gstin, []), notes) for gstin in free),
        *(_hand_in(client, batch, notes) for batch in _never_handed_in(orders, free, known)),
    )


async def _settle(acme: Taxpayer, jobs: Sequence[ImsJob], notes: Notes) -> bool:
    """Find out what became of each; return whether that is known of all."""
    settled = True
    for job in jobs:
        try:
            if job.pollable:
                await job
                notes.write("told", job.reference_id or "")
            else:
                found = await acme.reconcile(job)
                notes.write("looked", "settled" if found.settled else "cannot tell yet")
                settled &= found.settled
        except _LEFT_OPEN as error:
            notes.trouble(error)
            settled = False
    return settled


async def _left_to_do(client: ImsClient) -> tuple[dict[str, list[JobReport | ImsJob]], set[Where]]:
    """Return by GSTIN what was looked for and not found applied, and of which records anything is known.

    The last report on a record counts: an earlier one was tried again.
    """
    last: dict[Where, tuple[JobReport, RecordFailure | None]] = {}
    async for job in client.finished():
        report = job.report
        assert report is not None
        if job.kind is JobKind.REGENERATE and report.ok:
            last[statement(job.gstin, job.period)] = report, None
        for record in report.succeeded:
            last[where(job.gstin, record)] = report, None
        for refused in report.failed:
            assert refused.record is not None
            last[where(job.gstin, refused.record)] = report, refused
        if report.unaccounted_count:
            raise ImsError(f"{job!r} leaves {report.unaccounted_count} records unaccounted")
    failures: dict[str, dict[int, tuple[JobReport, list[RecordFailure]]]] = {}
    for (gstin, *_), (report, failure) in last.items():
        if failure is not None and report.found is not None:  # not what GSTN refused
            failures.setdefault(gstin, {}).setdefault(id(report), (report, []))[1].append(failure)
    reports: dict[str, list[JobReport | ImsJob]] = {
        gstin: [attrs.evolve(report, failed=tuple(some)) for report, some in found.values()]
        for gstin, found in failures.items()
    }
    return reports, set(last)


def _never_handed_in(orders: Orders, free: set[str], known: set[Where]) -> list[Batch]:
    """Return what nothing is known of: it was never written down, or called off before it left."""
    wanted = [batch for batch in orders.batches if batch.gstin in free] if orders.hand_in else []
    return [left for batch in wanted if (left := batch.without(known)) is not None]


async def _retry(acme: Taxpayer, left: Sequence[JobReport | ImsJob], notes: Notes) -> None:
    for one in left:
        try:
            retry = await acme.retry(one)
            if retry.job is not None:
                await _see_through(retry.job, notes)
        except _LEFT_OPEN as error:
            notes.trouble(error)
