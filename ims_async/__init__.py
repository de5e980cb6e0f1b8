"""Work with India's GST Invoice Management System (IMS) from asyncio: jobs you can await, every record
accounted for."""

from .client import ImsClient
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
from .session import CredentialStore, FileCredentialStore, MemoryCredentialStore
from .status import ErrorEntry, JobKind, JobState, JobStatus, JobToken
from .taxpayer import Taxpayer
from .transport import Timeouts
from .vocabulary import Action, GoodsType, Section, SourceForm, SupplierSection

__version__ = "0.1.0"

__all__ = [
    "Action",
    "AddedBackLiability",
    "ClientClosed",
    "Counts",
    "CredentialStore",
    "Decision",
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
    "RetryPolicy",
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
    "as_completed",
]
