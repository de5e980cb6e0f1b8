"""GSTN's own error codes, in one table for all GSPs, so that equal codes give equal errors.

Codes are compared as opaque text: their zero padding is irregular (IMSSAV005 beside IMSSAV0010).
The codes are those on the GSPs' pages (linked in `gsp/`); GSTN publishes no complete list.
"""

from __future__ import annotations

from typing import Final, TypeVar

from ..errors import (
    DownloadQueued,
    GatewayError,
    GatewayUnavailable,
    ImsError,
    JobInFlight,
    NotAuthorized,
    OtpRequired,
    SessionExpired,
)
from ..model.status import JOB_RUNNING
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
    return kind(message, code=code, http_status=http_status, transaction_id=transaction_id)
