"""What is known of a job: its state, its error report, and the token that finds it again."""

from __future__ import annotations

import datetime as dt
import json
import math
from enum import StrEnum
from typing import Any, Final

import attrs

from ..errors import InvalidInput, bounded
from .records import RecordKey
from .vocabulary import Action, Section


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


_TOKEN_VERSION: Final = 1
_TOKEN_LIMIT: Final = 1000  # bytes; a token must fit a database column, a queue message, a log line


@attrs.frozen(kw_only=True)
class JobToken:
    """All that is needed to find a job again, and no secret: keep it anywhere, resume it in any process.

    `results_until` is when the gateway forgets the outcome, None where it does not say: ask before then.
    `route` is the GSP's own note of how to ask about it, empty where it needs none, or nobody kept it.
    """

    gsp: str
    host: str
    gstin: str
    kind: JobKind
    reference_id: str | None
    submitted: int | None = None
    submitted_at: dt.datetime | None = None
    results_until: dt.datetime | None = None
    route: str = ""

    def dumps(self) -> str:
        """Return versioned JSON, under 1 kB."""
        facts = {
            "v": _TOKEN_VERSION,
            "gsp": self.gsp,
            "host": self.host,
            "gstin": self.gstin,
            "kind": str(self.kind),
            "ref": self.reference_id,
            "n": self.submitted,
            "at": self.submitted_at.isoformat() if self.submitted_at else None,
        }
        if self.results_until is not None:
            facts["until"] = self.results_until.isoformat()
        if self.route:
            facts["route"] = self.route
        return json.dumps(facts, separators=(",", ":"))

    @classmethod
    def loads(cls, text: str) -> JobToken:
        """Read what `dumps` wrote. Raises `InvalidInput` for anything else."""
        try:
            facts = _facts(text)
            submitted = facts["n"]
            if submitted is not None and not (type(submitted) is int and submitted >= 0):
                raise ValueError("its count is not a number")
            return cls(
                gsp=_text(facts, "gsp"),
                host=_text(facts, "host"),
                gstin=_text(facts, "gstin"),
                kind=JobKind(facts["kind"]),
                reference_id=None if facts["ref"] is None else _text(facts, "ref"),
                submitted=submitted,
                submitted_at=_time(facts["at"]),
                results_until=_time(facts.get("until")),  # tokens of the first release do not tell
                route=_text(facts, "route") if "route" in facts else "",
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            what = f"this is not a job token: {error}"
            raise InvalidInput(what, advice="pass what JobToken.dumps() gave") from None


def _facts(text: str) -> dict[str, Any]:
    """Read a token's facts. Raises `ValueError`, `KeyError` or `TypeError` for what is none."""
    if not isinstance(text, str):
        raise TypeError(f"it is of type {type(text).__name__}")
    if len(text) > _TOKEN_LIMIT:
        raise ValueError(f"it is {len(text)} characters long, a token has fewer than {_TOKEN_LIMIT}")
    facts: dict[str, Any] = json.loads(text)
    if facts["v"] != _TOKEN_VERSION:
        raise ValueError(f"it has version {facts['v']!r}, this release reads {_TOKEN_VERSION}")
    return facts


def _text(facts: dict[str, Any], name: str) -> str:
    value = facts[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is not text")
    return value


def _time(text: object) -> dt.datetime | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise TypeError(f"{text!r:.40} is not a time")
    return dt.datetime.fromisoformat(text)


@attrs.frozen(kw_only=True)
class Download:
    """Rows that the gateway is still preparing: `taxpayer.collect(download)` has them. Holds no secret.

    `estimate` is in seconds, None where the gateway gave none; `reference` is the gateway's own name for it.
    `route` is the GSP's own note of how to fetch it, empty where it needs none, or nobody kept it.
    """

    gsp: str
    host: str
    gstin: str
    section: Section
    status: Action | None = None
    reference: str
    estimate: float | None = None
    route: str = ""

    def dumps(self) -> str:
        """Return versioned JSON."""
        facts = {
            "v": _TOKEN_VERSION,
            "gsp": self.gsp,
            "host": self.host,
            "gstin": self.gstin,
            "section": str(self.section),
            "status": None if self.status is None else str(self.status),
            "download": self.reference,
            "estimate": self.estimate,
        }
        if self.route:
            facts["route"] = self.route
        return json.dumps(facts, separators=(",", ":"))

    @classmethod
    def loads(cls, text: str) -> Download:
        """Read what `dumps` wrote. Raises `InvalidInput` for anything else."""
        try:
            facts = _facts(text)
            estimate = facts["estimate"]
            if estimate is not None and not (type(estimate) in (int, float) and 0 <= estimate < math.inf):
                raise ValueError("its estimate is not a number of seconds")
            return cls(
                gsp=_text(facts, "gsp"),
                host=_text(facts, "host"),
                gstin=_text(facts, "gstin"),
                section=Section(facts["section"]),
                status=None if facts["status"] is None else Action(facts["status"]),
                reference=_text(facts, "download"),
                estimate=estimate,
                route=_text(facts, "route") if "route" in facts else "",
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InvalidInput(f"this is no download: {error}; pass what Download.dumps() gave") from None
