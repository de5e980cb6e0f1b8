"""The status of a job: its state, its counts and its error report."""

from __future__ import annotations

import operator
from enum import Enum, StrEnum
from typing import Any, Final

import attrs

from ..errors import bounded
from .records import RecordKey
from .vocabulary import Section


class JobKind(StrEnum):
    """What a job does; the values are GSTN's `reqtyp`, and its `action` for the last one."""

    SAVE = "SAVE"
    RESET = "RESET"
    REGENERATE = "GEN2B"
    """It computes GSTR-2B anew from the actions as they are by then, and carries no records."""

    @property
    def repeatable(self) -> bool:
        """True if asking twice does no harm: it carries no records, and takes the actions as they are."""
        return self is JobKind.REGENERATE

    @property
    def word(self) -> str:
        """Its name in a sentence."""
        return "GSTR-2B" if self is JobKind.REGENERATE else self.value.lower()


class JobState(StrEnum):
    """The state of a job. `UNKNOWN`: it was sent and no reference came back."""

    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @property
    def final(self) -> bool:
        """Whether the gateway will not change the state any more."""
        return self in _FINAL


_FINAL: Final = frozenset({JobState.SUCCEEDED, JobState.PARTIAL, JobState.FAILED})


class PReading(Enum):
    """The reading of status code `P`. One GSP's pages say processing in one place and processed in another.

    GSTN's own sheet, "IMS - Get IMS Request Status", does not define it. `EVIDENCE` (the default) decides by
    the counts, and by the end of the task that carries a job. `PROCESSING` always waits for another code:
    with a GSP whose tasks end with P, until the deadline.
    """

    EVIDENCE = "evidence"
    PROCESSED = "processed"
    PROCESSING = "processing"


@attrs.frozen(kw_only=True)
class ErrorEntry:
    """One entry of an error report: a record that the gateway refused.

    `section` is a `Section`, or the gateway's raw key if it is unknown. `number` is None if the entry names a
    supplier only.
    """

    section: Section | str
    supplier: str
    number: str | None
    return_period: str | None
    code: str = attrs.field(converter=bounded)
    message: str = attrs.field(converter=bounded)

    @property
    def nameless(self) -> bool:
        """Whether it names neither a section nor a supplier, a number or a return period."""
        return self.names_no_record and not self.section

    @property
    def names_no_record(self) -> bool:
        """Whether it names no supplier, number or return period: at most a section."""
        return not (self.supplier or self.number or self.return_period)


@attrs.frozen(kw_only=True)
class Found:
    """The result of reading a job's records again, for a job that cannot be polled.

    `applied` is the number of records that took effect. Those in `not_applied` are as before; those in
    `changed` were edited by the supplier, or are gone. The `date` in a key is None if an older journal did
    not store it.
    """

    applied: int
    not_applied: tuple[RecordKey, ...] = ()
    changed: tuple[RecordKey, ...] = ()


@attrs.frozen(kw_only=True)
class JobStatus:
    """One status of a job. `processed` and `errors` are the gateway's counts, None if it gave none.

    `polled_at` is in epoch seconds. If a GSP carries the job in a task of its own, `carrier_done` is True
    once the task has ended, and `carrier_failed` if it broke off: then the outcome at GSTN is unknown.
    `documented` is False for an undocumented code. `in_the_way` is True if GSTN refused the whole job because
    another one ran: nothing was done. `found` is the result of reading the records again; then all other
    fields are derived from it. `route` is the GSP's note of how to poll the job, if a poll had to find out.
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
        """Whether the state is final."""
        return self.state.final

    def same_reading(self, other: JobStatus) -> bool:
        """Say whether it differs from another one in the time of the poll at most, with all that was said."""
        return _said(self) == _said(other)

    def without_raw(self) -> JobStatus:
        """Return it without the gateway's whole answer."""
        return self._copy(raw={})

    def at(self, polled_at: float | None) -> JobStatus:
        """Return it as a later poll says it again."""
        return self._copy(polled_at=polled_at)

    def _copy(self, **new: object) -> JobStatus:
        copied: JobStatus = object.__new__(JobStatus)  # without the converters, which have done their work
        put = object.__setattr__.__get__(copied)
        for name, value in zip(_FIELDS, _values(self), strict=True):
            put(name, value)
        for name, value in new.items():
            put(name, value)
        return copied


_FIELDS: Final = tuple(field.name for field in attrs.fields(JobStatus))
_values: Final = operator.attrgetter(*_FIELDS)
_said: Final = operator.attrgetter(*(name for name in _FIELDS if name != "polled_at"))
JOB_RUNNING: Final = "IMSSAV0015"
"""GSTN's code for a change that it refuses as a whole, because another job of the GSTIN is running."""


def _was_in_the_way(status: JobStatus) -> bool:
    refused = status.state is JobState.FAILED and not status.carrier_failed
    return refused and status.error_code == JOB_RUNNING
