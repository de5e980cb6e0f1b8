"""A process that asks for GSTR-2B to be computed anew, or goes on where a killed one left off."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
from pathlib import Path
from typing import Any, Final
from unittest import mock

import attrs
import typer

from ims_async import (
    ImsClient,
    ImsError,
    JobFailed,
    JobInFlight,
    JobTimeout,
    OutcomeUnknown,
    PollPolicy,
    RegenerationRefused,
    RetryPolicy,
    bulk,
)
from ims_async.bulk import BulkReport
from ims_async.cli.commands import jobs
from ims_async.model.records import Record

from ..crash.death import Death, DyingJournal
from ..crash.worker import Clock, journal_in, make_gsp
from .scenarios import PERIOD, RUN, Task

_TOLD: Final = (JobFailed, JobInFlight, JobTimeout, OutcomeUnknown, RegenerationRefused)
"""What a caller may be told in such a world; any other error is a defect, and ends the process."""


@attrs.frozen(kw_only=True)
class Orders:
    """What a process is told at its start."""

    task: Task
    gsp: str
    url: str
    user_token: str
    gstin: str
    token: str
    folder: Path
    clock: Clock
    deadline: float
    work: tuple[Record, ...] = ()
    """For `save_all`."""
    death: Death | None = None

    @property
    def said(self) -> Path:
        """Where a process leaves what it has to say."""
        return self.folder / "said.json"


def work(orders: Orders) -> None:
    """Run a process to its end, if it lives to see it."""
    orders.said.unlink(missing_ok=True)
    logging.getLogger("ims_async").addHandler(logging.NullHandler())  # it says that it waits, and for whom
    found = list_jobs(orders)
    said = asyncio.run(_work(orders))
    orders.said.write_text(json.dumps({"found": found, "left": list_jobs(orders), **said}))


def list_jobs(orders: Orders) -> dict[str, Any]:
    """Return what `ims-async jobs list --json` prints."""
    options = {"all_jobs": False, "run": None, "runs": False, "journal": journal_in(orders.folder)}
    printed = io.StringIO()
    with (
        mock.patch.object(jobs, "last_drafted_now", return_value=PERIOD),
        contextlib.redirect_stdout(printed),
        contextlib.suppress(typer.Exit),
    ):
        jobs.list_jobs(json=True, debug=False, **options)
    found: dict[str, Any] = json.loads(printed.getvalue())
    return found


async def _work(orders: Orders) -> dict[str, Any]:
    journal = DyingJournal(journal_in(orders.folder), clock=orders.clock, death=orders.death)
    client = ImsClient(
        make_gsp(orders.gsp, orders.url, orders.user_token),
        journal=journal,
        poll=PollPolicy(initial_delay=0.01, factor=1.5, max_interval=0.1, deadline=orders.deadline),
        retry=RetryPolicy(initial=0.01),
        clock=orders.clock,
    )
    async with client:
        client.taxpayer(orders.gstin, token=orders.token)
        trouble = await _carry_out(client, orders)
        due = await bulk.recompute_due(client, PERIOD)
    return {"trouble": trouble, "due": due, "writes": journal.writes}


async def _carry_out(client: ImsClient, orders: Orders) -> list[str]:
    """Do what was ordered; return the names of the errors that the caller was told."""
    match orders.task:
        case "recover":
            return _trouble_of(await bulk.recover(client))
        case "save_all":
            work = {orders.gstin: orders.work}
            return _trouble_of(
                await bulk.save_all(client, work, run=RUN, max_records=2, regenerate=PERIOD)  # type: ignore[arg-type]
            )
        case "regenerate_all":
            return _trouble_of(await bulk.regenerate_all(client, [orders.gstin], PERIOD, run=RUN))
        case "regenerate":
            try:
                await (await client.taxpayer(orders.gstin).regenerate_gstr2b(PERIOD))
            except _TOLD as error:
                return [type(error).__name__]
            return []


def _trouble_of(report: BulkReport) -> list[str]:
    errors: list[Exception] = list(report.errors.values())
    for error in errors:
        if not isinstance(error, ImsError):
            raise error
    return [type(error).__name__ for error in errors]
