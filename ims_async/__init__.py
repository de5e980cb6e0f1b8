"""Work with India's GST Invoice Management System (IMS) from asyncio: jobs you can await, every record
accounted for."""

from typing import TYPE_CHECKING

from .lazy import names_of

if TYPE_CHECKING:
    from .bulk import BulkReport
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
    from .gsp.vayana.gsp import Vayana
    from .jobs.job import ImsJob, as_completed
    from .jobs.reconcile import Reconciliation
    from .jobs.recovery import Retry
    from .journal import Journal, MemoryJournal, SqliteJournal
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
        Counts,
        Decision,
        Invoice,
        InvoiceList,
        ItcReduction,
        Record,
        RecordKey,
        SectionCounts,
    )
    from .model.report import JobReport, RecordFailure
    from .model.sales import AddedBackLiability, LineItem, SalesInvoice
    from .model.status import ErrorEntry, Found, JobKind, JobState, JobStatus, PReading
    from .model.tokens import Download, JobToken
    from .model.vocabulary import Action, GoodsType, Section, SourceForm, SupplierSection
    from .net.credential_file import FileCredentialStore
    from .net.credential_store import CredentialStore, MemoryCredentialStore
    from .net.policies import PollPolicy, RateLimit, RetryPolicy, Timeouts
    from .net.transport import Transport
    from .rules import Finding, RulePolicy
    from .taxpayer import Taxpayer
else:
    # pytest imports this package at start-up, for its plugin, in every project that has it installed: those
    # that do not use it there should not pay for it.
    __getattr__ = names_of(
        __name__,
        {
            "bulk": "BulkReport",
            "client": "ImsClient",
            "errors": "ClientClosed DownloadQueued GatewayError GatewayUnavailable Gstr2bUnavailable "
            "ImsError InvalidDecision InvalidInput JobError JobFailed JobInFlight JobTimeout "
            "JournalError NotAuthorized NotSent NotSupported OtpRequired OutcomeUnknown "
            "PayloadTooLarge QuotaExhausted RateLimited RecordsRejected RegenerationRefused "
            "SessionExpired UnexpectedAnswer WrongEventLoop",
            "gsp.base": "Gsp",
            "gsp.sandbox.gsp": "Sandbox",
            "gsp.vayana.gsp": "Vayana",
            "jobs.job": "ImsJob as_completed",
            "jobs.reconcile": "Reconciliation",
            "jobs.recovery": "Retry",
            "journal": "Journal MemoryJournal SqliteJournal",
            "model.gstr2b": "Filing Gstr2b Gstr2bDocument Gstr2bPlace Gstr2bSection ItcAvailable TaxAmounts",
            "model.records": "Counts Decision Invoice InvoiceList ItcReduction Record RecordKey "
            "SectionCounts",
            "model.report": "JobReport RecordFailure",
            "model.sales": "AddedBackLiability LineItem SalesInvoice",
            "model.status": "ErrorEntry Found JobKind JobState JobStatus PReading",
            "model.tokens": "Download JobToken",
            "model.vocabulary": "Action GoodsType Section SourceForm SupplierSection",
            "net.credential_file": "FileCredentialStore",
            "net.credential_store": "CredentialStore MemoryCredentialStore",
            "net.policies": "PollPolicy RateLimit RetryPolicy Timeouts",
            "net.transport": "Transport",
            "rules": "Finding RulePolicy",
            "taxpayer": "Taxpayer",
            # Packages with names of their own.
            "decide": "",
            "simulator": "",
            "tables": "",
        },
    )

__version__ = "0.1.0"
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


def __dir__() -> list[str]:
    packages = ["bulk", "decide", "journal", "rules", "simulator", "tables"]
    return sorted([*__all__, *packages, *(name for name in globals() if name.startswith("__"))])
