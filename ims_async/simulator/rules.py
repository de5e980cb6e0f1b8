"""The portal's checks of a change of one record, and the settings that a test can choose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from .fields import DECLARED, reported
from .gstr2b.periods import months

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from .fields import Kind
    from .records import Record

SCHEMA_FAILURE = ("IMSSAV005", "Schema validation failure")
STALE = ("IMSSAV0010", "Either previous action is incorrect/ invoice might have edited by supplier")
BUSY = (
    "IMSSAV0015",
    "Previous Save or Reset request is already under progress. Please try after some time.",
)
UNAUTHORIZED = ("RET11402", "Unauthorized User")
INVALID_USER = ("AUTH4032", "Invalid User")
INVALID_SESSION = ("AUTH4033", "Invalid Session")
TOO_MANY_SESSIONS = ("AUTH403", "Maximum session allowed for user with this GSP account exceeded.")
FILE_QUEUED = ("RTN_24", "File Generation is in progress, please try after sometime.")
NO_SALES = (
    "RET11416",
    (
        "No document found in selected financial year. Either this document exists in a different financial"
        " year or the document number is incorrect."
    ),
)
NO_LIABILITY = ("IMS0027", "No added back liability records available for the selected input criteria")
ITC_MISSING = ("IMSSAV0054", "Error! Please enter value for the column itcRedReq.")
FILED_OR_WRONG_PERIOD = ("IMS2B007", "Either the entered ITC period is incorrect or it has 3B filed")
NOTHING_CHANGED = ("IMS2005", "GSTR-2B cannot be generated as there are no changes")
UNKNOWN_TRANSACTION = ("IMS0008", "No records found for requested internal transaction Id")
QUARTERLY = ("GTR2B-001", "GSTR-2B is not applicable for the selected period")
NO_STATEMENT = (
    "GTR2B-002",
    (
        "Either there is no record for the period, or GSTR-2B was not generated as GSTR-3B of the previous"
        " period was not filed by the cut-off date of this period. Please generate it on demand."
    ),
)
NOTHING_IN_STATEMENT = ("RET2B1016", "For current tax period, no details are available to view")
TOO_EARLY = ("RET2B1018", "GSTR-2B cannot be requested before the cut-off date of the period")
NOTHING_FILED = ("RET13510", "No Record found for the provided Inputs")
# No document has a code for these. They are the simulator's own, and look different from the portal's.
PENDING_BLOCKED = ("IMSSIM001", "Simulator: Pending is not allowed for this record.")
WRONG_RECIPIENT = ("IMSSIM002", "Simulator: rtin is not the GSTIN of the session.")
UNKNOWN_REFERENCE = ("IMSSIM003", "Simulator: no request with this reference_id.")
OTHER_TAXPAYER = ("IMSSIM004", "Simulator: gstin is not the GSTIN in the headers.")
UNKNOWN_FILE = ("IMSSIM005", "Simulator: no file with this token.")
UNKNOWN_PART = ("IMSSIM006", "Simulator: the statement has no file with this number.")


def not_before(day: str) -> tuple[str, str]:
    """Return the refusal to regenerate a statement before a day DD/MM/YYYY."""
    return "IMS2B009", f"Kindly generate 2b after {day}"


def being_drafted(day: str) -> tuple[str, str]:
    """Return the refusal to show a statement that is being made on a day DD/MM/YYYY."""
    words = "Either there are no records for the period or it is still in progress."
    return "RET2B1023", f"GSTR-2B is being generated and should be available by {day}. {words}"


class GstnError(Exception):
    """GSTN refuses a request with one of these codes and messages; each GSP words it in its own way."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


class Settings(TypedDict, total=False):
    """The settings of the simulator beside its data, as keyword arguments; `Rules` has their defaults."""

    job_seconds: float | Callable[[Random], float]
    p_means: Literal["processed", "processing"]
    conflict: Literal["reply", "status"]
    proc_cnt_counts: Literal["successes", "all"]
    itc_reduction_required: bool | str
    rate_limit: int | None
    token_seconds: float
    account_token_seconds: float
    max_sessions: int | None
    api_key: str
    api_secret: str
    otp: str
    canned: bool
    file_rows: int | None
    file_seconds: float
    draft_day: int
    draft_seconds: float
    draft_needs_gstr3b: bool
    regenerate_seconds: float | Callable[[Random], float]
    regenerate_hidden_seconds: float
    regenerate_running: str
    regenerate_unchanged: bool
    regenerate_body: Literal["any", "keys"]
    gstr2b_extras: bool
    gstr2b_rows: int | None
    gstr2b_file_rows: int
    gstr2b_file_chksum: Literal["same", "own", "none"]
    gstr2b_summary_status: Literal["1", "3"]
    gstr2b_layout: Literal["new", "old"]
    gstr2b_wrapped: bool
    vayana_regenerate_path: str | None
    vayana_regeneration_path: str | None
    org_id: str
    handle: str
    password: str
    max_account_tokens: int
    download_seconds: float
    page_rows: int
    page_base: Literal[0, 1]
    section_names: Literal["any", "short", "long"]
    task_shape: Literal["nested", "flat"]
    result_shape: Literal["object", "list"]


@dataclass(frozen=True, slots=True)
class Rules:
    """The behaviour of portal and GSPs where the documents are ambiguous, and their secrets.

    Times in seconds. The docstring of `Simulator` explains each.
    """

    job_seconds: float | Callable[[Random], float] = 3.0
    p_means: Literal["processed", "processing"] = "processed"
    conflict: Literal["reply", "status"] = "reply"
    proc_cnt_counts: Literal["successes", "all"] = "successes"
    itc_reduction_required: bool | str = "102025"
    rate_limit: int | None = None
    token_seconds: float = 21600.0
    account_token_seconds: float = 86400.0
    max_sessions: int | None = None
    api_key: str = "key_test_demo"
    api_secret: str = "secret_test_demo"  # noqa: S105  # a made-up secret of a made-up gateway
    otp: str = "575757"
    canned: bool = False
    file_rows: int | None = None
    file_seconds: float = 60.0
    # of GSTR-2B; the docstring of `Returns` explains them
    draft_day: int = 14
    draft_seconds: float = 0.0
    draft_needs_gstr3b: bool = False
    regenerate_seconds: float | Callable[[Random], float] = 3.0
    regenerate_hidden_seconds: float = 0.0
    regenerate_running: str = "IP"
    regenerate_unchanged: bool = False
    regenerate_body: Literal["any", "keys"] = "any"
    gstr2b_extras: bool = True
    gstr2b_rows: int | None = None
    gstr2b_file_rows: int = 500
    gstr2b_file_chksum: Literal["same", "own", "none"] = "same"
    gstr2b_summary_status: Literal["1", "3"] = "1"
    gstr2b_layout: Literal["new", "old"] = "new"
    gstr2b_wrapped: bool = False
    vayana_regenerate_path: str | None = None
    vayana_regeneration_path: str | None = None
    # of Vayana only
    org_id: str = "org-demo"
    handle: str = "demo@example.com"
    password: str = "password_test_demo"  # noqa: S105  # a made-up secret of a made-up user
    max_account_tokens: int = 10
    download_seconds: float = 1.0
    page_rows: int = 500
    page_base: Literal[0, 1] = 0
    section_names: Literal["any", "short", "long"] = "any"
    task_shape: Literal["nested", "flat"] = "nested"
    result_shape: Literal["object", "list"] = "object"

    def as_file(self, rows: int) -> bool:
        """Return whether a list of so many rows is served as a file."""
        return self.file_rows is not None and rows > self.file_rows

    @property
    def success(self) -> str:
        """The status code of a job that changed all its records."""
        return "P" if self.p_means == "processed" else "S"


def objection(
    record: Record, section: str, row: Mapping[str, Any], kind: Kind, rules: Rules
) -> tuple[str, str] | None:
    """Return the code and message with which the portal refuses this change, or None."""
    if row["prev_status"] != record.action:
        return STALE
    if any(row[name] != getattr(record, attribute) for name, attribute in reported(section).items()):
        return STALE
    if kind == "reset":
        return None
    if row["action"] == "P" and record.blocked:
        return PENDING_BLOCKED
    # Seen on a live portal in April 2026, for original credit notes.
    silent = section == "b2bcn" and row["action"] == "A" and "itcRedReq" not in row
    return ITC_MISSING if silent and _reduces(record, rules.itc_reduction_required) else None


def _reduces(record: Record, required: bool | str) -> bool:
    """Return whether a credit note must say how much credit it reduces; see `itc_reduction_required`.

    A record of GSTR-1A belongs to the GSTR-2B of the next month. GSTN FAQ of 17-10-2025.
    """
    if isinstance(required, bool):
        return required
    return months(record.period) + (record.form == "R1A") >= months(required)


def changed(record: Record, row: Mapping[str, Any], kind: Kind) -> Record:
    """Return the record as it is after the change; a reset removes the remarks and declarations too."""
    if kind == "reset":
        row = {"action": "N"}
    declared: dict[str, Any] = {attribute: _exact(row.get(name)) for name, attribute in DECLARED.items()}
    return replace(
        record,
        action=row["action"],
        remarks=row.get("remarks"),
        itc_reduction=row.get("itcRedReq"),
        **declared,
    )


def _exact(amount: int | Decimal | None) -> Decimal | None:
    return None if amount is None else Decimal(amount)
