"""The values of the world: records, what happened to them, jobs, and the log of requests."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal

    from .fields import Kind

Action = Literal["N", "A", "R", "P"]
"""No action, accepted, rejected, pending."""

Key = tuple[str, str, str]
"""What tells records of one section apart: supplier, number, return period."""


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
    """Percent; not on the wire."""
    value: Decimal
    taxable: Decimal
    igst: Decimal
    cgst: Decimal
    sgst: Decimal
    cess: Decimal
    original_number: str = ""
    original_date: str = ""
    filed: bool = True
    blocked: bool = False
    """Whether Pending is refused."""
    action: Action = "N"
    hash: str = ""
    """64 hex digits over what the supplier reported; an action does not change it."""
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
    """Return the record with the hash that belongs to its content."""
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
    """A save or a reset on its way: a live object, which changes when the job becomes due."""

    reference: str
    gstin: str
    kind: Kind
    submitted_at: float
    """Epoch seconds."""
    due_at: float
    """Epoch seconds: when it takes effect."""
    records: int
    """How many it names."""
    rows: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict, repr=False)
    """The rows by section; emptied when done."""
    failure: tuple[str, str] | None = None
    """Code and message of a failure of the whole job."""
    problems: list[str] = field(default_factory=list)
    """What the field table holds against the body; a gateway does not tell."""
    code: str = ""
    """Empty while it runs; then the code on the wire."""
    succeeded: int = 0
    succeeded_in: dict[str, int] = field(default_factory=dict)
    """The same by section."""
    errors: list[RecordError] = field(default_factory=list)
    scripted: list[dict[str, Any]] = field(default_factory=list, repr=False)
    is_scripted: bool = False
    """Whether a test ever chose what its status is said to be."""

    @property
    def done(self) -> bool:
        """Whether it has taken effect or failed."""
        return self.code != ""

    def script(self, statuses: Iterable[dict[str, Any]]) -> None:
        """Let the next polls be answered with these raw statuses."""
        self.scripted.extend(statuses)
        self.is_scripted = True


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A request as it arrived, and what it got."""

    at: float
    """Epoch seconds."""
    method: str
    path: str
    query: Mapping[str, str]
    gstin: str
    """Of the session, the headers, the task or the body of a login; empty if none of them names one."""
    status: int
    """The HTTP status; 0 where nothing was answered."""
    body_size: int
    """Bytes."""
    operation: str
    """`unknown` for an address that is none of the API's."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Their names in lower case; secrets are in here too."""
    fault: str = ""
    """Which planned fault it met, and whether it took effect; empty for none."""
