"""GSTN's own error codes, in one table for all GSPs, so that equal codes give equal errors.

Codes are compared as opaque text: their zero padding is irregular (IMSSAV005 beside IMSSAV0010).
The codes are those on the GSPs' pages (linked in `gsp/`); GSTN publishes no complete list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

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
from ..model.status import JOB_RUNNING as JOB_RUNNING

if TYPE_CHECKING:
    from ..model.vocabulary import Section

T = TypeVar("T")

NO_RECORDS: Final = frozenset(
    # GSTN answers "nothing found" with an error; the caller gets an empty list.
    {"RET11416", "RET11417", "RET13508", "RET13509", "RET13510", "IMS0027", "RETWEB_04"}
)
_SESSION_ENDED: Final = frozenset(
    {"AUTH4033", "AUTH4038", "AUTH158", "RET11402", "RET11407", "RET2B1010", "RT-R1R3BAV-1007"}
)
_OTP_NEEDED: Final = frozenset({"RETOTPREQUEST", "EVCREQUEST", "AUTH4034"})
_NOT_AUTHORIZED: Final = frozenset(
    {"AUTH403", "AUTH4032", "AUTH4036", "AUTH4037", "AUTH4041", "RET11401", "RET11409"}
)
_DOWN: Final = frozenset(
    # RET12501 to RET12504 are all listed as "system failure".
    {"TEC4001", "GSPGSTDOWN", "GSPERR300", "RET13504", "RET13505", "OTP0007"}
    | {"RET12501", "RET12502", "RET12503", "RET12504"}
)
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


def gstn_error(code: str, message: str, *, http_status: int | None, transaction_id: str | None) -> ImsError:
    """Return the typed error for a code of GSTN's. A code that is not in the table is a `GatewayError`."""
    if code == JOB_RUNNING:
        return JobInFlight(f"{code}: {message}", code=code, words=message)
    if code == FILE_PENDING:
        return DownloadQueued(f"{code}: {message}")
    kind: type[GatewayError] = GatewayError
    for codes, error in (
        (_SESSION_ENDED, SessionExpired),
        (_OTP_NEEDED, OtpRequired),
        (_NOT_AUTHORIZED, NotAuthorized),
        (_DOWN, GatewayUnavailable),
    ):
        if code in codes:
            kind = error
    return kind(message, code=code, http_status=http_status, transaction_id=transaction_id)
