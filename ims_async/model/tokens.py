"""Tokens that resume a job or a download in any process, as text without secrets."""

from __future__ import annotations

import datetime as dt
import json
from typing import ClassVar, Final, Self

import attrs

from ..errors import InvalidInput
from .status import JobKind
from .vocabulary import Action, Section

_TOKEN_VERSION: Final = 1
_TOKEN_LIMIT: Final = 1000  # bytes; a token must fit a database column, a queue message, a log line
# The keys in the text, of attributes that are called otherwise.
_KEYS: Final = {
    "reference_id": "ref", "submitted": "n", "submitted_at": "at", "results_until": "until",
    "reference": "download",
}  # fmt: skip
_OPTIONAL: Final = frozenset({"until", "route", "period"})  # missing from tokens of the first release


@attrs.frozen(kw_only=True)
class _Token:
    _not_one: ClassVar[str]
    gsp: str
    host: str
    gstin: str

    def dumps(self) -> str:
        """Return versioned JSON, under 1 kB."""
        from .converters import CONVERTER

        facts = {_KEYS.get(name, name): value for name, value in CONVERTER.unstructure(self).items()}
        written = {key: value for key, value in facts.items() if value or key not in _OPTIONAL}
        return json.dumps({"v": _TOKEN_VERSION, **written}, separators=(",", ":"))

    @classmethod
    def loads(cls, text: str) -> Self:
        """Read what `dumps` wrote. Raises `InvalidInput` for anything else."""
        from .converters import CONVERTER, UNREADABLE, in_words

        try:
            if not isinstance(text, str):
                raise TypeError(f"it is of type {type(text).__name__}")
            if len(text) > _TOKEN_LIMIT:
                raise ValueError(f"it is {len(text)} characters long, a token has fewer than {_TOKEN_LIMIT}")
            facts = json.loads(text)
            if facts["v"] != _TOKEN_VERSION:
                raise ValueError(f"it has version {facts['v']!r}, this release reads {_TOKEN_VERSION}")
            keys = {name: _KEYS.get(name, name) for name in attrs.fields_dict(cls)}
            known = {name: facts[key] for name, key in keys.items() if key in facts or key not in _OPTIONAL}
            return CONVERTER.structure(known, cls)
        except UNREADABLE as error:
            what = f"this is {cls._not_one}: {in_words(error, 'token')}"
            raise InvalidInput(what, advice=f"pass what {cls.__name__}.dumps() gave") from None


@attrs.frozen(kw_only=True)
class JobToken(_Token):
    """Everything that is needed to resume a job in any process, without secrets: store it anywhere.

    `results_until` is when the gateway deletes the outcome, None if unknown: poll before then. `route` is the
    GSP's own note of how to poll the job; empty if it needs none, or is not known. `period` is the `MMYYYY`
    of a GSTR-2B that is computed anew; empty for a save or reset, or if it is not known.
    """

    _not_one: ClassVar[str] = "not a job token"
    kind: JobKind
    reference_id: str | None
    submitted: int | None = None
    submitted_at: dt.datetime | None = None
    results_until: dt.datetime | None = None
    route: str = ""
    period: str = ""


@attrs.frozen(kw_only=True)
class Download(_Token):
    """Rows that the gateway is still preparing; `taxpayer.collect(download)` returns them. Has no secrets.

    `estimate` is in seconds, None if the gateway gave none; `reference` is the gateway's own name for it.
    `route` is the GSP's own note of how to fetch it; empty if it needs none, or is not known.
    """

    _not_one: ClassVar[str] = "no download"
    section: Section
    status: Action | None = None
    reference: str
    estimate: float | None = None
    route: str = ""
