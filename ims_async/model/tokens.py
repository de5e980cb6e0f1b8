"""Tokens that resume a job or a download in any process, as text without secrets."""

from __future__ import annotations

import datetime as dt
import json
import math
from typing import Any, Final

import attrs

from ..errors import InvalidInput
from .status import JobKind
from .vocabulary import Action, Section

_TOKEN_VERSION: Final = 1
_TOKEN_LIMIT: Final = 1000  # bytes; a token must fit a database column, a queue message, a log line


@attrs.frozen(kw_only=True)
class JobToken:
    """Everything that is needed to resume a job in any process, without secrets: store it anywhere.

    `results_until` is when the gateway deletes the outcome, None if unknown: poll before then. `route` is the
    GSP's own note of how to poll the job; empty if it needs none, or is not known.
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
                results_until=_time(facts.get("until")),  # missing from tokens of the first release
                route=_text(facts, "route") if "route" in facts else "",
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            what = f"this is not a job token: {error}"
            raise InvalidInput(what, advice="pass what JobToken.dumps() gave") from None


def _facts(text: str) -> dict[str, Any]:
    """Read the fields of a token. Raises `ValueError`, `KeyError` or `TypeError` for anything else."""
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
    """Rows that the gateway is still preparing; `taxpayer.collect(download)` returns them. Has no secrets.

    `estimate` is in seconds, None if the gateway gave none; `reference` is the gateway's own name for it.
    `route` is the GSP's own note of how to fetch it; empty if it needs none, or is not known.
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
