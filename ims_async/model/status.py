"""What is known of a job: its state, its counts and its error report."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Any, Final

import attrs

from ..errors import bounded
from .records import RecordKey
from .vocabulary import Section


class JobKind(StrEnum):
    """Which change a job makes; the values are GSTN's `reqtyp`."""

    SAVE = "SAVE"
    RESET = "RESET"


class JobState(StrEnum):
    """Where a job stands. `UNKNOWN`: it was sent and no reference came back."""

    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @property
    def final(self) -> bool:
        """True once the gateway will not change its mind."""
        return self in _FINAL


_FINAL: Final = frozenset({JobState.SUCCEEDED, JobState.PARTIAL, JobState.FAILED})


class PReading(Enum):
    """How status code `P` is read. One GSP's pages say processing here and processed there.

    GSTN's own sheet, "IMS - Get IMS Request Status", does not define it. `EVIDENCE` (the default) believes
    the counts, and the end of the task that carries a job. `PROCESSING` waits for another code whatever
    they say: with a GSP whose tasks end with P that is until the deadline.
    """

    EVIDENCE = "evidence"
    PROCESSED = "processed"
    PROCESSING = "processing"


@attrs.frozen(kw_only=True)
class ErrorEntry:
    """One record that the gateway refused, as its error report names it.

    `section` is a `Section`, or the gateway's raw key where it is none that we know. `number` is None
    where the entry names a supplier only.
    """

    section: Section | str
    supplier: str
    number: str | None
    return_period: str | None
    code: str = attrs.field(converter=bounded)
    message: str = attrs.field(converter=bounded)

    @property
    def nameless(self) -> bool:
        """True where it names neither a section nor a supplier, a number or a return period."""
        return self.names_no_record and not self.section

    @property
    def names_no_record(self) -> bool:
        """True where it names no supplier, number or return period: at most a section."""
        return not (self.supplier or self.number or self.return_period)


@attrs.frozen(kw_only=True)
class Found:
    """What reading a job's records again showed, where nobody could be asked: each record is in one of three.

    `applied` is how many took effect. `not_applied` stand as they stood before; `changed` were edited by the
    supplier, or are gone. Where an older journal did not keep it, the `date` in a key is None.
    """

    applied: int
    not_applied: tuple[RecordKey, ...] = ()
    changed: tuple[RecordKey, ...] = ()


@attrs.frozen(kw_only=True)
class JobStatus:
    """One reading of a job. `processed` and `errors` are the gateway's counts, None where it gave none.

    `polled_at` is in seconds since the epoch. Where a GSP carries the job in a task of its own,
    `carrier_done` says that the task has ended, and `carrier_failed` that it broke off: then nobody has
    heard what GSTN made of the records. `documented` is False for a code that no document explains.
    `in_the_way` says that GSTN refused the whole job since another one ran: nothing of it was done. `found`
    is what a look at the records showed; then all other facts are read off it, and the gateway told none.
    `route` is the GSP's note of how it is asked about, where that was not kept and had to be found out.
    """

    state: JobState
    raw_code: str = attrs.field(default="", converter=bounded)
    processed: int | None = None
    errors: int | None = None
    error_code: str = attrs.field(default="", converter=bounded)
    error_message: str = attrs.field(default="", converter=bounded)
    error_report: tuple[ErrorEntry, ...] = ()
    polled_at: float | None = None
    carrier_done: bool = False
    carrier_failed: bool = False
    documented: bool = True
    in_the_way: bool = attrs.field(
        default=attrs.Factory(lambda status: _was_in_the_way(status), takes_self=True)
    )
    found: Found | None = None
    route: str = attrs.field(default="", eq=False)
    raw: dict[str, Any] = attrs.field(factory=dict, repr=False, eq=False)

    @property
    def done(self) -> bool:
        """True in a final state."""
        return self.state.final


JOB_RUNNING: Final = "IMSSAV0015"
"""GSTN's code for a change that it refuses as a whole, since another job of the GSTIN is running."""


def _was_in_the_way(status: JobStatus) -> bool:
    refused = status.state is JobState.FAILED and not status.carrier_failed
    return refused and status.error_code == JOB_RUNNING
