"""The values of the world: taxpayers, records, changes of them, jobs, and the log of requests."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

from .fields import Kind

Action = Literal["N", "A", "R", "P"]
"""No action, accepted, rejected, pending."""

Key = tuple[str, str, str]
"""The key of a record within its section: supplier, number, return period."""


@dataclass(frozen=True, slots=True)
class Taxpayer:
    """A recipient of supplies, who acts on them in IMS."""

    gstin: str
    username: str
    """The user name at the GST portal, which the OTP request contains."""
    name: str

    @property
    def state(self) -> str:
        """The two-digit code of the state of registration."""
        return self.gstin[:2]


@dataclass(frozen=True, slots=True)
class Record:
    """One document in a taxpayer's IMS: a snapshot, which no later change alters. Money in rupees."""

    section: str
    supplier: str
    number: str
    date: str
    """DD-MM-YYYY."""
    period: str
    """MMYYYY."""
    form: str
    type: str
    """Empty in the e-commerce sections."""
    place: str
    rate: int
    """Percent; not sent."""
    value: Decimal
    taxable: Decimal
    igst: Decimal
    cgst: Decimal
    sgst: Decimal
    cess: Decimal
    original_number: str = ""
    original_date: str = ""
    filed: bool = True
    filed_on: dt.date | None = None
    """The day on which its supplier filed it, if that was in the simulation; else it was filed in time."""
    blocked: bool = False
    """Whether Pending is refused."""
    action: Action = "N"
    hash: str = ""
    """64 hex digits of the fields that the supplier reported; an action does not change it."""
    remarks: str | None = None
    itc_reduction: str | None = None
    declared_igst: Decimal | None = None
    declared_cgst: Decimal | None = None
    declared_sgst: Decimal | None = None
    declared_cess: Decimal | None = None

    @property
    def key(self) -> Key:
        """Supplier, number and return period."""
        return (self.supplier, self.number, self.period)


def hashed(record: Record) -> Record:
    """Return the record with the hash of its content."""
    money = (record.value, record.taxable, record.igst, record.cgst, record.sgst, record.cess)
    content = (
        record.section,
        *record.key,
        record.date,
        record.form,
        record.type,
        record.place,
        record.original_number,
        record.original_date,
        *(f"{amount:.2f}" for amount in money),
    )
    return replace(record, hash=hashlib.sha256("|".join(content).encode()).hexdigest())


@dataclass(frozen=True, slots=True)
class Effect:
    """One action applied to one record; `before` and `after` are equal where a save repeated the action."""

    at: float
    """Epoch seconds."""
    job: str
    gstin: str
    section: str
    supplier: str
    number: str
    period: str
    before: Action
    after: Action


@dataclass(frozen=True, slots=True)
class RecordError:
    """Why one record of a job was not changed."""

    section: str
    supplier: str
    number: str
    period: str
    code: str
    message: str


@dataclass(slots=True)
class SimJob:
    """A save or a reset: a live object, which changes when the job becomes due."""

    reference: str
    gstin: str
    kind: Kind
    submitted_at: float
    """Epoch seconds."""
    due_at: float
    """Epoch seconds: when it takes effect."""
    records: int
    """The number of records in the request."""
    rows: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict, repr=False)
    """The rows by section; emptied when done."""
    failure: tuple[str, str] | None = None
    """Code and message of a failure of the whole job."""
    problems: list[str] = field(default_factory=list)
    """The faults of the body by the table of fields; a gateway does not report them."""
    code: str = ""
    """Empty while it runs; then the status code that polls return."""
    succeeded: int = 0
    succeeded_in: dict[str, int] = field(default_factory=dict)
    """The number of records that were changed, by section."""
    errors: list[RecordError] = field(default_factory=list)
    scripted: list[dict[str, Any]] = field(default_factory=list, repr=False)
    is_scripted: bool = False
    """Whether a test has scripted a status."""

    @property
    def done(self) -> bool:
        """Whether it has taken effect or failed."""
        return self.code != ""

    def script(self, statuses: Iterable[dict[str, Any]]) -> None:
        """Answer the next polls with these raw statuses."""
        self.scripted.extend(statuses)
        self.is_scripted = True


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A request as it arrived, and the status of its answer."""

    at: float
    """Epoch seconds."""
    method: str
    path: str
    query: Mapping[str, str]
    gstin: str
    """From the session, the headers, the task or the body of a login; empty if none of them has one."""
    status: int
    """The HTTP status; 0 if there was no answer."""
    body_size: int
    """Bytes."""
    operation: str
    """The name of the operation; `unknown` for an unknown address."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The headers, with names in lower case; they include secrets."""
    fault: str = ""
    """The planned fault, and whether the request took effect; empty for none."""
