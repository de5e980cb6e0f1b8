"""GSTN's own error codes, in one table for all GSPs, so that equal codes give equal errors.

Codes are compared as opaque text: their zero padding is irregular (IMSSAV005 beside IMSSAV0010).
The codes are those on the GSPs' pages (linked in `gsp/`); GSTN publishes no complete list.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from typing import Any, Final, TypeVar

from .. import model
from ..errors import (
    DownloadQueued,
    GatewayError,
    GatewayUnavailable,
    Gstr2bUnavailable,
    ImsError,
    JobInFlight,
    NotAuthorized,
    OtpRequired,
    RegenerationRefused,
    SessionExpired,
)
from ..lazy import pattern
from ..model.status import JOB_RUNNING, JobState, JobStatus
from ..model.vocabulary import Section

T = TypeVar("T")

# The names of sections in a query, which differ from the keys of a body.
# GST API documentation, "IMS - Get Invoice".
SECTION_QUERY: Final = {
    **{section: section.value.upper() for section in Section},
    Section.B2BDN: "DN",
    Section.B2BDNA: "DNA",
    Section.B2BCN: "CN",
    Section.B2BCNA: "CNA",
}
NO_RECORDS: Final = frozenset(
    # GSTN answers "nothing found" with an error; the caller gets an empty list.
    {"RET11416", "RET11417", "RET13508", "RET13509", "RET13510", "IMS0027", "RETWEB_04"}
)
_ERRORS: Final[dict[type[GatewayError], frozenset[str]]] = {
    SessionExpired: frozenset(
        {"AUTH4033", "AUTH4038", "AUTH158", "RET11402", "RET11407", "RET2B1010", "RT-R1R3BAV-1007"}
    ),
    OtpRequired: frozenset({"RETOTPREQUEST", "EVCREQUEST", "AUTH4034"}),
    NotAuthorized: frozenset(
        {"AUTH403", "AUTH4032", "AUTH4036", "AUTH4037", "AUTH4041", "RET11401", "RET11409"}
    ),
    GatewayUnavailable: frozenset(
        # RET12501 to RET12504 are all listed as "system failure".
        {"TEC4001", "GSPGSTDOWN", "GSPERR300", "RET13504", "RET13505", "OTP0007"}
        | {"RET12501", "RET12502", "RET12503", "RET12504"}
    ),
}
NO_REASON: Final = "GSTN refused without saying why"
FILE_PENDING: Final = "RTN_24"
STALE_ACTION: Final = "IMSSAV0010"
"""A record's previous action is not the one it has at GSTN, or its supplier has edited it."""


NOTHING_CHANGED: Final = "IMS2005"
"""A statement was not computed anew: no action has changed since it was made."""
NOT_KNOWN_YET: Final = "IMS0008"
"""A reference is unknown; shortly after the request it may be one that cannot be seen yet."""


_NO_DETAILS: Final = "RET2B1016"
"""There is a statement, and nothing in it. Codes that mean "nothing found" elsewhere do not say so."""


def or_no_details(error: GatewayError, gstin: str, period: str, file: int | None) -> model.gstr2b.Gstr2b:
    """Return an empty statement where that is what the error means; raise any other, or that of a file."""
    if error.code != _NO_DETAILS or file is not None:
        raise error
    return model.gstr2b.Gstr2b(gstin=gstin, period=period)


def nothing_changed(polled_at: float) -> JobStatus:
    """Return the status of a computation that was not needed: the statement is up to date."""
    return JobStatus(state=JobState.SUCCEEDED, raw_code=NOTHING_CHANGED, polled_at=polled_at)


def not_known_yet(error: GatewayError) -> JobStatus:
    """Return a status that is not final for an unknown reference; raise any other error."""
    if error.code != NOT_KNOWN_YET:
        raise error
    return JobStatus(
        state=JobState.PROCESSING, raw_code=error.code, error_code=error.code, error_message=error.message
    )


def or_empty(error: GatewayError, empty: T) -> T:
    """Return `empty` for an error that means "nothing found"; raise any other error."""
    if error.code in NO_RECORDS:
        return empty
    raise error


def queued(error: DownloadQueued, section: Section, limit: str = "", *, advice: str) -> DownloadQueued:
    """Return the error of rows that GSTN makes into a file: which rows, how long it takes, what to do.

    `limit` says what the GSP does not do about it.
    """
    told = f"GSTN makes the rows of {section} into a file ({error}), {how_long(error.estimate)}"
    told = f"{told}: {limit}" if limit else told
    return DownloadQueued(told, estimate=error.estimate, token=error.token, advice=advice)


def how_long(estimate: float | None) -> str:
    """Return an estimate, given in seconds, as text."""
    if estimate is None:
        return "and does not say how long that takes"
    minutes = max(1, round(estimate / 60))
    return f"which takes about {minutes:,} minute{'s' if minutes > 1 else ''}"


def gstn_error(
    code: str, message: str, *, http_status: int | None, transaction_id: str | None = None
) -> ImsError:
    """Return the typed error for a code of GSTN's. A code that is not in the table is a `GatewayError`."""
    message = message or NO_REASON
    if code == JOB_RUNNING:
        return JobInFlight(f"{code}: {message}", code=code, words=message)
    if code == FILE_PENDING:
        return DownloadQueued(f"{code}: {message}")
    kind = next((error for error, codes in _ERRORS.items() if code in codes), GatewayError)
    facts: dict[str, Any] = {"code": code, "http_status": http_status, "transaction_id": transaction_id}
    if kind is GatewayError and code.startswith(_OF_GSTR2B):
        return _of_gstr2b(code, message, facts)
    return kind(message, **facts)


# Codes of the recomputation and of the statement; GSTN publishes no list of them, so those that are unknown
# are refusals too.
_OF_GSTR2B: Final = ("IMS2B", "RET2B", "GTR2B")
_DAY: Final = pattern(r"\b([0-9]{1,2})[/-]([0-9]{1,2})[/-]([0-9]{4})\b", re.ASCII)
_ADVICE: Final = {
    "IMS2B007": "Look which it is: taxpayer.filing(period) says whether GSTR-3B is filed",
    "IMS2B009": "Ask again from that day on: before the draft there is nothing to compute anew",
    "GTR2B-001": "A quarterly (QRMP) taxpayer has one for the last month of the quarter only",
    "GTR2B-002": (
        "If GSTR-3B of the period before is not filed (taxpayer.filing), file it, "
        "then call taxpayer.regenerate_gstr2b(period)"
    ),
    "RET2B1018": "Ask again once it is made: the 14th of the month after the period",
    "RET2B1023": "Ask again from that day on",
}


def _of_gstr2b(code: str, message: str, facts: dict[str, Any]) -> GatewayError:
    """Return the error of a statement; the date in its message beats any calendar."""
    advice, day = _ADVICE.get(code, ""), _day_in(message)
    if day is None:
        advice = advice.replace("from that day on", "later")
    if code.startswith("IMS2B"):
        return RegenerationRefused(message, not_before=day, advice=advice, **facts)
    return Gstr2bUnavailable(message, ready_on=day, advice=advice, **facts)


def _day_in(message: str) -> dt.date | None:
    """Return the first date of a text, written as 14/05/2025, or None."""
    for day, month, year in _DAY.findall(message):
        with contextlib.suppress(ValueError):
            return dt.date(int(year), int(month), int(day))
    return None
