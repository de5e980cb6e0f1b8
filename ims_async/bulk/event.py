"""What happens during a run, as its listeners hear of it."""

from __future__ import annotations

from enum import StrEnum

import attrs

from ..jobs.job import ImsJob
from ..model.report import JobReport
from .report import TaxpayerReport


class EventKind(StrEnum):
    """What has happened: one of `STARTED SUBMITTED CUT_SMALLER LOOKING ENDED SESSION_ENDED FINISHED`.

    A taxpayer's work starts and finishes; in between each of its jobs is submitted and ends. `LOOKING`: the
    answer to a change was lost, and its records are read again. `SESSION_ENDED`: there is no session, or it
    cannot be kept alive.
    """

    STARTED = "started"
    """Work for a taxpayer has begun."""
    SUBMITTED = "submitted"
    """The gateway has accepted a `job`."""
    CUT_SMALLER = "cut smaller"
    """A request was refused for its size (see `error`): its records are sent in smaller ones."""
    LOOKING = "looking"
    """The answer to a change was lost: its records are read again until it is known what became of it."""
    ENDED = "ended"
    """A `job` has ended; its `report` says what became of each of its records."""
    SESSION_ENDED = "session ended"
    """A taxpayer's session cannot be kept alive: a person has to log in with an OTP (see `error`)."""
    FINISHED = "finished"
    """Work for a taxpayer has ended; `outcome` accounts for each of its decisions."""


@attrs.frozen(kw_only=True)
class Progress:
    """How far a run is. Of an async iterable nobody knows the totals before its end: they are None."""

    taxpayers: int
    """Begun so far."""
    finished: int
    handed_in: int
    """Decisions taken in so far."""
    known: int
    """Decisions of which it is known what became of them, also those that were not sent."""
    total_taxpayers: int | None = None
    total_decisions: int | None = None


@attrs.frozen(kw_only=True)
class BulkEvent:
    """Something that has happened to one taxpayer, and how far the whole run is.

    `job` comes with `SUBMITTED`, `LOOKING` and `ENDED`, `report` with `ENDED`, `outcome` with `FINISHED`;
    `error` with `CUT_SMALLER` and `SESSION_ENDED`, and with `FINISHED` where something stopped the work.
    """

    kind: EventKind
    gstin: str
    progress: Progress
    job: ImsJob | None = None
    report: JobReport | None = None
    outcome: TaxpayerReport | None = None
    error: Exception | None = None
