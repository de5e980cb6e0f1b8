"""The public names, from the modules that own them: what `ims_async` offers is this list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .client import ImsClient
from .errors import (
    ClientClosed,
    DownloadQueued,
    GatewayError,
    GatewayUnavailable,
    Gstr2bUnavailable,
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
    RegenerationRefused,
    SessionExpired,
    UnexpectedAnswer,
    WrongEventLoop,
)
from .gsp.base import Gsp
from .gsp.sandbox.gsp import Sandbox
from .jobs.job import ImsJob, as_completed
from .jobs.reconcile import Reconciliation
from .jobs.recovery import Retry
from .journal import Journal, MemoryJournal
from .lazy import names_of
from .model.gstr2b import (
    Filing,
    Gstr2b,
    Gstr2bDocument,
    Gstr2bPlace,
    Gstr2bSection,
    ItcAvailable,
    TaxAmounts,
)
from .model.records import (
    AddedBackLiability,
    Counts,
    Decision,
    Invoice,
    InvoiceList,
    ItcReduction,
    LineItem,
    Record,
    RecordKey,
    SalesInvoice,
    SectionCounts,
)
from .model.report import JobReport, RecordFailure
from .model.status import ErrorEntry, Found, JobKind, JobState, JobStatus, PReading
from .model.tokens import Download, JobToken
from .model.vocabulary import Action, GoodsType, Section, SourceForm, SupplierSection
from .net.credential_store import CredentialStore, MemoryCredentialStore
from .net.policies import PollPolicy, RateLimit, RetryPolicy, Timeouts
from .net.transport import Transport
from .rules import Finding
from .taxpayer import Taxpayer

if TYPE_CHECKING:
    from .bulk import BulkReport
    from .gsp.vayana.gsp import Vayana
    from .journal import SqliteJournal
    from .net.credential_file import FileCredentialStore
    from .rules import RulePolicy
else:
    # Who keeps no such journal pays for no database, who has one taxpayer for no bulk runs, and so on.
    __getattr__ = names_of(
        __package__,
        {
            "bulk": "BulkReport",
            "gsp.vayana.gsp": "Vayana",
            "journal": "SqliteJournal",
            "net.credential_file": "FileCredentialStore",
            "rules": "RulePolicy",
        },
    )

__all__ = [
    "Action",
    "AddedBackLiability",
    "BulkReport",
    "ClientClosed",
    "Counts",
    "CredentialStore",
    "Decision",
    "Download",
    "DownloadQueued",
    "ErrorEntry",
    "FileCredentialStore",
    "Filing",
    "Finding",
    "Found",
    "GatewayError",
    "GatewayUnavailable",
    "GoodsType",
    "Gsp",
    "Gstr2b",
    "Gstr2bDocument",
    "Gstr2bPlace",
    "Gstr2bSection",
    "Gstr2bUnavailable",
    "ImsClient",
    "ImsError",
    "ImsJob",
    "InvalidDecision",
    "InvalidInput",
    "Invoice",
    "InvoiceList",
    "ItcAvailable",
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
    "Journal",
    "JournalError",
    "LineItem",
    "MemoryCredentialStore",
    "MemoryJournal",
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
    "Record",
    "RecordFailure",
    "RecordKey",
    "RecordsRejected",
    "RegenerationRefused",
    "Retry",
    "RetryPolicy",
    "RulePolicy",
    "SalesInvoice",
    "Sandbox",
    "Section",
    "SectionCounts",
    "SessionExpired",
    "SourceForm",
    "SqliteJournal",
    "SupplierSection",
    "TaxAmounts",
    "Taxpayer",
    "Timeouts",
    "Transport",
    "UnexpectedAnswer",
    "Vayana",
    "WrongEventLoop",
    "as_completed",
]
