"""The public names, from the rooms that own them: what `ims_async` offers is this list."""

from .client import ImsClient
from .credentials import CredentialStore, FileCredentialStore, MemoryCredentialStore
from .errors import (
    ClientClosed,
    DownloadQueued,
    GatewayError,
    GatewayUnavailable,
    ImsError,
    InvalidDecision,
    InvalidInput,
    JobError,
    JobFailed,
    JobInFlight,
    JobTimeout,
    JournalError,
    NotAuthorized,
    NotSent,
    NotSupported,
    OtpRequired,
    OutcomeUnknown,
    PayloadTooLarge,
    QuotaExhausted,
    RateLimited,
    RecordsRejected,
    SessionExpired,
    UnexpectedAnswer,
)
from .gsp.sandbox import Sandbox
from .gsp.vayana import Vayana
from .job import ImsJob, as_completed
from .pacing import RateLimit
from .reconcile import Reconciliation
from .records import (
    AddedBackLiability,
    Counts,
    Decision,
    Invoice,
    InvoiceList,
    ItcReduction,
    LineItem,
    RecordKey,
    SalesInvoice,
    SectionCounts,
)
from .report import JobReport, PReading, RecordFailure
from .retry import PollPolicy, RetryPolicy
from .rules import RulePolicy
from .status import Download, ErrorEntry, JobKind, JobState, JobStatus, JobToken
from .taxpayer import Retry, Taxpayer
from .transport import Timeouts
from .vocabulary import Action, GoodsType, Section, SourceForm, SupplierSection

__all__ = [
    "Action",
    "AddedBackLiability",
    "ClientClosed",
    "Counts",
    "CredentialStore",
    "Decision",
    "Download",
    "DownloadQueued",
    "ErrorEntry",
    "FileCredentialStore",
    "GatewayError",
    "GatewayUnavailable",
    "GoodsType",
    "ImsClient",
    "ImsError",
    "ImsJob",
    "InvalidDecision",
    "InvalidInput",
    "Invoice",
    "InvoiceList",
    "ItcReduction",
    "JobError",
    "JobFailed",
    "JobInFlight",
    "JobKind",
    "JobReport",
    "JobState",
    "JobStatus",
    "JobTimeout",
    "JobToken",
    "JournalError",
    "LineItem",
    "MemoryCredentialStore",
    "NotAuthorized",
    "NotSent",
    "NotSupported",
    "OtpRequired",
    "OutcomeUnknown",
    "PReading",
    "PayloadTooLarge",
    "PollPolicy",
    "QuotaExhausted",
    "RateLimit",
    "RateLimited",
    "Reconciliation",
    "RecordFailure",
    "RecordKey",
    "RecordsRejected",
    "Retry",
    "RetryPolicy",
    "RulePolicy",
    "SalesInvoice",
    "Sandbox",
    "Section",
    "SectionCounts",
    "SessionExpired",
    "SourceForm",
    "SupplierSection",
    "Taxpayer",
    "Timeouts",
    "UnexpectedAnswer",
    "Vayana",
    "as_completed",
]
