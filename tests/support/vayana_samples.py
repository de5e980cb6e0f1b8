"""What every recorded sample of Vayana's is expected to be read into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from ims_async import (
    Action,
    DownloadQueued,
    GatewayError,
    ImsError,
    InvoiceList,
    JobState,
    JobStatus,
    NotAuthorized,
    Section,
    SessionExpired,
    UnexpectedAnswer,
)
from ims_async.gsp.base import Accepted, Needs, Part, Token, VerdictKind
from ims_async.gsp.codec import read_invoice
from ims_async.gsp.codec.json import parse_json
from ims_async.gsp.evidence import Evidence, settle
from ims_async.model.report import account
from ims_async.model.secret import Secret
from tests.conftest import envelope, load
from tests.support.recorded import FAILED, REFUSED, answer, first_request
from tests.support.vayana_talk import (
    BY_NAME,
    DOWNLOAD,
    GSP,
    GSTIN,
    HOST,
    INVOICE,
    OTP_REQUEST,
    PAGE,
    REFERENCE,
    SESSION,
    SSO,
    TASK,
    V1,
    converse,
    recorded,
)

COMPLETED = "task-status-nested-completed-200"


@attrs.frozen
class Read:
    """An answer that an operation reads, after those that come before it."""

    operation: str | Callable[[], Any]
    check: Callable[[Any], bool]
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    def conversation(self) -> Any:
        """A conversation that is given the sample."""
        return BY_NAME[self.operation]() if isinstance(self.operation, str) else self.operation()

    def __call__(self, name: str) -> None:
        """See that the value is the right one."""
        answers = [recorded(other) for other in (*self.before, name, *self.after)]
        value, sent = converse(self.conversation(), *answers)
        assert self.check(value), value
        assert len(sent) == len(answers)


@attrs.frozen
class Refused:
    """An answer that is an error, whichever way it is judged."""

    operation: str
    kind: type[ImsError]
    code: str
    verdict: VerdictKind
    before: tuple[str, ...] = ()
    stale: Needs | None = None
    says: str = ""

    def conversation(self) -> Any:
        """A conversation that is given the sample."""
        return BY_NAME[self.operation]()

    def __call__(self, name: str) -> None:
        """See that the error is the right one, and the same where the HTTP status tells of no failure."""
        response = recorded(name)
        for http_status in dict.fromkeys((response.status, 200)):
            said = attrs.evolve(response, status=http_status)
            with pytest.raises(ImsError) as caught:
                converse(self.conversation(), *map(recorded, self.before), said)
            error = caught.value
            assert type(error) is self.kind
            assert self.says in str(error)
            if isinstance(error, GatewayError):
                assert (error.code, error.http_status) == (self.code, http_status)
            verdict = GSP.judge(first_request(BY_NAME[self.operation]()), said)
            assert (verdict.kind, verdict.stale) == (self.verdict, self.stale)


@attrs.frozen
class Unreadable:
    """An answer that an operation must not take for what it asked for."""

    operation: str
    problem: str
    before: tuple[str, ...] = ()

    def conversation(self) -> Any:
        """A conversation that is given the sample."""
        return BY_NAME[self.operation]()

    def __call__(self, name: str) -> None:
        """See that the place is named where it does not fit."""
        with pytest.raises(UnexpectedAnswer) as caught:
            converse(self.conversation(), *map(recorded, (*self.before, name)))
        assert self.problem in "; ".join(caught.value.problems)


@attrs.frozen
class Sent:
    """A request as the pages show it."""

    make: Callable[[], Any]

    def __call__(self, name: str) -> None:
        """See that it is what we send."""
        sample, request = load(f"vayana/{name}"), first_request(self.make())
        assert request.method == sample["method"]
        assert (
            request.target
            == f"{SSO if 'authtokens' in request.url else HOST + '/'}".removesuffix(
                "/theodore/apis/v1"
            ).removesuffix("/")
            + sample["path"]
        )
        assert {name: request.headers[name] for name in sample.get("headers", {})} == sample.get(
            "headers", {}
        )
        assert ("action" in request.headers) is ("action" in sample.get("headers", {}))
        assert parse_json(request.body or b"") == sample["body"]


NOT_SET = "err-content-type-not-set-correctly"


def _two_refused(status: JobStatus) -> bool:
    found = [(e.section, e.supplier, e.number, e.return_period, e.code) for e in status.error_report]
    return (status.state, status.raw_code, status.processed, status.errors, found) == (
        JobState.PARTIAL,
        "PE",
        10,
        3,
        [
            (Section.B2B, "32TAAOA2947A1Z7", "invoice-b2b", "042023", "IMSSAV0010"),
            (Section.B2BDN, "32TAAOA2947A1Z7", "invoice-dn", "042023", "IMSSAV0010"),
        ],
    )


def _done_by_its_task(status: JobStatus) -> bool:
    """P is no final word by itself: that the task has ended is what makes it one."""
    settled = settle(status, submitted=None, evidence=Evidence(), now=0.0)
    alone = settle(attrs.evolve(status, carrier_done=False), submitted=None, evidence=Evidence(), now=0.0)
    return (
        (status.state, status.raw_code, status.processed, status.carrier_done)
        == (JobState.PROCESSING, "P", 8, True)
        and settled.state is JobState.SUCCEEDED
        and alone.state is JobState.PROCESSING
    )


def _half_broken_off(status: JobStatus) -> bool:
    """One of two jobs of a task went well: of ten records nobody knows which those were."""
    report = account(status, [INVOICE.accept()] * 10, 10)
    return (
        (status.state, status.carrier_done, status.carrier_failed) == (JobState.PARTIAL, True, True)
        and status.error_code == "RET11402"
        and (len(report.succeeded), len(report.failed), len(report.unaccounted)) == (0, 0, 10)
        and not report.ok
    )


def _documented_rows(rows: Any) -> bool:
    return (
        isinstance(rows, InvoiceList)
        and [(row.section, row.number, str(row.value), row.supplier_filed) for row in rows]
        == [
            (Section.B2B, "b1", "1000", False),
            (Section.B2BA, "b1a", "1000", False),
            (Section.B2BDN, "dn2", "1000.1", True),
        ]
        and all(row.pending_allowed and row.action is Action.ACCEPT and not row.extra for row in rows)
        and rows[1].original_number == "ab2"
        and (rows.problems, rows.other) == ((), {})
    )


def _reset_of_the_page() -> Any:
    """A reset of the records that the page resets, as they were read: their action is `prev_status`."""
    body = load("vayana/reset-request")["body"]
    records = [
        read_invoice(Section.parse(key), {**{k: v for k, v in row.items() if k != "prev_status"},
                                          "action": row["prev_status"]})
        for key, rows in body["invdata"].items()
        for row in rows
    ]  # fmt: skip
    return GSP.reset(body["rtin"], records)


def _token(value: str) -> Callable[[Any], bool]:
    return lambda token: token == Token(value=Secret(value))


def _is_read_as_a_row(name: str) -> None:
    """Read one row of the page by itself, as a page with that row alone is read."""
    row = load(f"vayana/{name}")["body"]
    rows, _ = converse(BY_NAME["page"](), answer(200, envelope({"b2b": [row]})))
    assert [(found.number, found.hash, found.pending_allowed) for found in rows] == [("b1", None, True)]


EXPECTED: dict[str, Read | Refused | Unreadable | Sent | Callable[[str], None]] = {
    "auth-token-v1-200": Read(
        lambda: V1.verify_otp(GSTIN, "u", "123456", OTP_REQUEST),
        _token("5ec6bafa-6ad2-4641-82ec-80511b45e30b"),
    ),
    "auth-token-v1-request": Sent(lambda: V1.verify_otp(GSTIN, "u", "123456", OTP_REQUEST)),
    "auth-token-v3-200": Read("verify", _token("8d7a5abc-e7ba-4ab8-8f0a-ef80456e9194")),
    "auth-token-v3-request": Sent(BY_NAME["verify"]),
    # What GSTN itself answers is no task, and followed by REQSTS.
    "basic-save-200": Read("save", lambda accepted: accepted == Accepted(REFERENCE, "gstn")),
    "download-submitted-200": Read(
        "invoices",
        lambda begun: (
            begun
            == attrs.evolve(DOWNLOAD, section=Section.B2BDN, status=Action.ACCEPT)
        ),
    ),
    "error-active-tokens-limit-exceeded-401": Refused(
        "authenticate", NotAuthorized, "err-active-tokens-limit-exceeded", FAILED, says="ten tokens"
    ),
    "error-aes-decryption-failed-500": Refused("count", GatewayError, "err-aes-decryption-failed", FAILED),
    "error-content-type-400": Refused("page", GatewayError, NOT_SET, FAILED, says="application/json"),
    "error-content-type-bare-400": Refused("page", GatewayError, NOT_SET, FAILED),
    "error-expired-token-403": Refused("count", NotAuthorized, "err-expired-token", REFUSED),
    "error-expired-token-bare-403": Refused("status", NotAuthorized, "err-expired-token", REFUSED),
    "error-gstn-ret11402-502": Refused(
        "count", SessionExpired, "RET11402", REFUSED, stale=Needs.TAXPAYER, says="Unauthorized User"
    ),
    "error-gstn-ret11416-502": Read("sales", lambda found: found == []),
    "error-gstn-rtn24-502": Refused("count", DownloadQueued, "RTN_24", FAILED, says="RTN_24"),
    "error-invalid-gst-returns-api-version-400": Refused(
        "count", GatewayError, "err-invalid-gst-returns-api-version", FAILED, says="version v8.0"
    ),
    "error-invalid-gstin-format-200": Refused("count", GatewayError, "err-invalid-gstin-format", FAILED),
    "error-invalid-gstin-format-400": Refused(
        "reference", GatewayError, "err-invalid-gstin-format", FAILED, says="parameter-name gstin"
    ),
    "error-invalid-org-403": Refused(
        "count", NotAuthorized, "err-invalid-org", FAILED, says="check org_id"
    ),
    "error-invalid-token-403": Refused("invoices", NotAuthorized, "err-invalid-token", REFUSED),
    "error-resource-not-found-404": Refused(
        "status", GatewayError, "err-resource-not-found", FAILED, says=f"seven days: task-id {TASK}"
    ),
    "error-resource-not-found-bare-404": Refused("page", GatewayError, "err-resource-not-found", FAILED),
    "error-unable-to-decrypt-500": Refused(
        "count", GatewayError, "err-unable-to-decrypt-message-with-key", FAILED
    ),
    "filedet-200": Read(
        "filedet",
        lambda parts: (
            parts
            == [
                Part(
                    "/taxpayerapi-doc/{unique-key}",
                    Secret("Fni+ZDUy33UH55tDJsBsimNFDlZ/Vph2hgtpAasHczY="),
                )
            ]
        ),
    ),
    "filedownload-200": Read("file", _documented_rows),
    # Its section has the name of one of ours, its rows are of another return.
    "filedownload-gstr1-200": Unreadable("file", "data.b2b[0].stin: missing"),
    "getcnt-200": Read(
        "count",
        lambda counts: (
            (counts.total, counts[Section.B2B].no_action, counts[Section.B2BCN].accepted)
            == (52, 13, 1)
        ),
    ),
    "getinv-200": Read("getinv", _documented_rows),
    "getinv-row": lambda name: _is_read_as_a_row(name),
    "gstr2b-200": Read("gstr2b", lambda found: (len(found.documents), found.summary_only) == (13, False)),
    "regenerate-200": Read("regenerate", lambda accepted: accepted == Accepted("0123456789abcde")),
    "regeneration-200": Read(
        "regeneration", lambda status: (status.state, status.raw_code) == (JobState.SUCCEEDED, "P")
    ),
    "track-200": Read(
        "filings", lambda filing: str(filing.gstr3b_filed_on) == "2026-11-19", after=("preference-200",)
    ),
    "preference-200": Read("filings", lambda filing: filing.quarterly is True, before=("track-200",)),
    "otp-v1-200": Read(lambda: V1.request_otp(GSTIN, "vayana.tn.2"), lambda name: name == OTP_REQUEST),
    "otp-v1-request": Sent(lambda: V1.request_otp(GSTIN, "vayana.tn.2")),
    "otp-v3-200": Read("otp", lambda name: name == "bda3b490-fd37-4a6a-9d62-05cdb4b5ccbb"),
    "otp-v3-request": Sent(BY_NAME["otp"]),
    "refresh-v1-200": Read(
        lambda: V1.refresh(GSTIN, SESSION), _token("5ec6bafa-6ad2-4641-82ec-80511b45e30b")
    ),
    "refresh-v1-request": Sent(lambda: V1.refresh(GSTIN, SESSION)),
    # Another id than was sent: the answer's is the one that counts.
    "refresh-v3-200": Read("refresh", _token("8d7a5abc-e7ba-4ab8-8f0a-ef80456e9194")),
    "refresh-v3-request": Sent(BY_NAME["refresh"]),
    "reqsts-200": Read("reference", lambda status: _two_refused(status) and not status.carrier_done),
    "reqsts-sheet-values-200": Read(
        "reference",
        lambda status: (
            (status.state, status.processed, status.errors, status.error_code, status.error_message)
            == (JobState.PARTIAL, 10, 3, "GEN5001", "Missing Mandatory Params")
        ),
    ),
    "reset-request": Sent(_reset_of_the_page),
    "reset-result-200": Read(
        "status", lambda status: _two_refused(status) and status.carrier_done, before=(COMPLETED,)
    ),
    "reset-result-processed-200": Read("status", _done_by_its_task, before=(COMPLETED,)),
    "reset-submitted-200": Read("reset", lambda accepted: accepted == Accepted(TASK, "task")),
    "sso-error-400": Refused(
        "authenticate", GatewayError, "err-issue-with-parameter", FAILED, says="parameter-name some-parameter"
    ),
    "sso-login-200": Read(
        "authenticate",
        lambda token: (
            token
            == Token(
                value=Secret("eyJhbGciOiJIUzI1NiJ9.placeholder.placeholder"), expires_at=1_750_709_259.809
            )
        ),
    ),
    "sso-login-request": Sent(BY_NAME["authenticate"]),
    "supview-200": Read(
        "sales",
        lambda found: (
            [(sale.number, str(sale.value), sale.recipient, len(sale.items)) for sale in found]
            == [("S008400", "729248.16", "01AABCE2207R1Z5", 1)]
        ),
    ),
    "task-result-list-200": Read("status", _half_broken_off, before=(COMPLETED,)),
    # The result of quite another task: no status of ours is in it, and so it is no success of ours.
    "task-result-list-gcs-200": Unreadable("status", "data[0].data.status_cd: missing", before=(COMPLETED,)),
    "task-result-pages-200": Read("prepared", lambda parts: parts == [PAGE], before=(COMPLETED,)),
    "task-status-flat-completed-200": Read(
        "status", _two_refused, after=("reset-result-200",)
    ),
    "task-status-flat-processing-200": Read(
        "status",
        lambda status: (
            (status.state, status.raw_code, status.documented, status.raw["jobs"])
            == (JobState.PROCESSING, "processing", True, {"total": 1, "pending": 1})
        ),
    ),
    COMPLETED: Read("prepared", lambda parts: parts == [PAGE], after=("task-result-pages-200",)),
    "task-status-nested-processing-200": Read("prepared", lambda parts: parts is None),
}  # fmt: skip
