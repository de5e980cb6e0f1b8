"""Waiting for many jobs: each is had as soon as it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from ..model.status import JobStatus
from .job import ImsJob


async def as_completed(jobs: Iterable[ImsJob]) -> AsyncIterator[ImsJob]:
    """Yield jobs as they end, failed ones too: ask each for its `report` or `status`.

    A job that stops being waited for (deadline, lost session) is yielded as well, not `done`; no job's
    trouble drops a sibling.
    """
    jobs = list(dict.fromkeys(jobs))
    for job in jobs:
        job._loop_owner.check()
    waits = {asyncio.create_task(job.wait()): job for job in jobs}
    for wait in waits:
        wait.add_done_callback(_heard)
    try:
        pending = set(waits)
        while pending:
            finished, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for wait in finished:
                yield waits[wait]
                waits[wait]._loop_owner.check()
    finally:
        for wait in waits:
            wait.cancel()


def _heard(wait: asyncio.Task[JobStatus]) -> None:
    """Hear an error, also where nobody asks any more: the job itself tells what is the matter."""
    if not wait.cancelled():
        wait.exception()
