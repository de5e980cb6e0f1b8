"""Vayana by hand: what its conversations send, what they make of recorded answers, how `judge` judges."""

from __future__ import annotations

import base64
import json
import pickle
import random
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ims_async import (
    Action,
    Counts,
    Download,
    DownloadQueued,
    GatewayError,
    GatewayUnavailable,
    GoodsType,
    ImsError,
    InvalidInput,
    Invoice,
    InvoiceList,
    JobInFlight,
    JobKind,
    JobState,
    JobStatus,
    NotAuthorized,
    NotSupported,
    OtpRequired,
    PayloadTooLarge,
    RateLimited,
    Section,
    SessionExpired,
    SourceForm,
    SupplierSection,
    UnexpectedAnswer,
    Vayana,
)
from ims_async.codec import read_invoice
from ims_async.codec.writing import json_text
from ims_async.gstn import NO_RECORDS
from ims_async.report import Evidence, account, settle
from ims_async.secret import Secret
from ims_async.wire import PAUSE, Gsp, Needs, Part, Request, Response, Token, Verdict, VerdictKind, parse_json
from tests import strategies
from tests.conftest import HERE, eas, envelope, from_gstn, load
from tests.test_codec_rows import mutate
from tests.test_sandbox_wire import HTML, NOW, answer, first_request

GSTIN = "33GSPTN0792G1Z4"
RECIPIENT = "20MAYAS0100J1ZX"
TASK = "2a51e392-529c-4b5a-bfd8-ca14d510a68d"
REFERENCE = "0032e479bcb644c"
OTP_REQUEST = "c7d5da63-c532-43ff-9c32-e6e43dd58072"
GOODS = {GoodsType.OTHERS: "ALL_OTH", GoodsType.INWARD_SUPPLIES: "INV_SUPP"}
GSP = Vayana("org-1", "user-token", test=True, goods_types=GOODS)
V1 = Vayana("org-1", "user-token", test=True, auth_version="v1.0")
BASIC = Vayana("org-1", "user-token", test=True, downloads="basic")
USER = Vayana("org-1", handle="user@example.com", password="password", test=True, token_minutes=360)
HOST = "https://solo.enriched-api.vayana.com"
SSO = "https://sandbox.services.vayananet.com/theodore/apis/v1"
AUTHENTICATE = "/basic/gstn/v3.0/taxpayerapi/v0.2/authenticate"
IMS = "/basic/gstn/v1.0/taxpayerapi/v0.3/returns/ims"
ENRICHED = "/enriched/gstn/v1.0"
TASKS = "/enriched/tasks/v1.0"
SESSION = Token(value=Secret("5ec6bafa-6ad2-4641-82ec-80511b45e30b"))
INVOICE = read_invoice(Section.B2B, strategies.documented_row(Section.B2B))
DOWNLOAD = Download(
    gsp="vayana",
    host="solo.enriched-api.vayana.com",
    gstin=GSTIN,
    section=Section.B2B,
    reference=f"task/{TASK}",
)
QUEUED = attrs.evolve(DOWNLOAD, reference="file/d3a5")
PAGE = Part(f"{TASK}/page/0")
FILE = Part("/taxpayerapi-doc/{unique-key}", Secret("Fni+ZDUy33UH55tDJsBsimNFDlZ"))

BY_NAME: dict[str, Callable[[], Any]] = {
    "authenticate": lambda: USER.authenticate(),
    "account_refresh": lambda: GSP.authenticate(Token(value=Secret("old"))),
    "account_logout": lambda: GSP.sign_out(Token(value=Secret("old"))),
    "otp": lambda: GSP.request_otp(GSTIN, "vayana.tn.2"),
    "verify": lambda: GSP.verify_otp(GSTIN, "vayana.tn.2", "123456", OTP_REQUEST),
    "refresh": lambda: GSP.refresh(GSTIN, SESSION),
    "logout": lambda: GSP.logout(GSTIN, SESSION),
    "save": lambda: GSP.save(GSTIN, [INVOICE.accept()]),
    "reset": lambda: GSP.reset(GSTIN, [INVOICE]),
    "status": lambda: GSP.status(GSTIN, TASK, JobKind.SAVE),
    "reference": lambda: GSP.status(GSTIN, REFERENCE, JobKind.RESET),
    "count": lambda: GSP.counts(GSTIN, GoodsType.OTHERS),
    "invoices": lambda: GSP.invoices(GSTIN, Section.B2BDN, Action.ACCEPT, strict=True),
    "getinv": lambda: BASIC.invoices(GSTIN, Section.B2BCNA, None, strict=True),
    "prepared": lambda: GSP.prepared(DOWNLOAD),
    "filedet": lambda: GSP.prepared(QUEUED),
    "page": lambda: GSP.part(DOWNLOAD, PAGE, strict=True),
    "file": lambda: GSP.part(QUEUED, FILE, strict=True),
    "sales": lambda: GSP.sales(GSTIN, 2024, 11, SupplierSection.B2B, SourceForm.GSTR1),
}
"""One conversation for each operation; `status` and `prepared` go on to the result of their task."""


def recorded(name: str) -> Response:
    """A recorded answer of the vendor's."""
    sample = load(f"vayana/{name}")
    return answer(sample["http_status"], sample["body"])


def drive(conversation: Any, *answers: Response, gsp: Gsp = GSP) -> tuple[Any, list[Request], int]:
    """Drive a conversation as the client does: judge each answer, hand over the fine, throw the rest.

    Returns its value, what it sent, and how many answers it did not ask for.
    """
    waiting = list(answers)
    sent: list[Request] = []
    turn: Callable[[], Any] = partial(next, conversation)
    while True:
        try:
            step = turn()
        except StopIteration as stop:
            return stop.value, sent, len(waiting)
        if step is PAUSE:
            turn = partial(conversation.send, answer())
            continue
        sent.append(step)
        assert waiting, f"no answer was planned to {step.operation}"
        response = waiting.pop(0)
        verdict = gsp.judge(step, response)
        if verdict.kind is VerdictKind.FINE:
            turn = partial(conversation.send, response)
        else:
            assert verdict.error is not None
            turn = partial(conversation.throw, verdict.error)


def converse(conversation: Any, *answers: Response, gsp: Gsp = GSP) -> tuple[Any, list[Request]]:
    """Drive a conversation that asks for each of the answers."""
    value, sent, left = drive(conversation, *answers, gsp=gsp)
    assert left == 0
    return value, sent


# -- every recorded sample -------------------------------------------------------------------------------

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


FINE, REFUSED, THROTTLED = VerdictKind.FINE, VerdictKind.REFUSED, VerdictKind.THROTTLED
UNAVAILABLE, FAILED = VerdictKind.UNAVAILABLE, VerdictKind.FAILED
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


def _inward() -> Any:
    return GSP.counts(GSTIN, GoodsType.INWARD_SUPPLIES)


def _token(value: str) -> Callable[[Any], bool]:
    return lambda token: token == Token(value=Secret(value))


EXPECTED: dict[str, Read | Refused | Unreadable | Sent | Callable[[str], None]] = {
    "auth-token-v1-200": Read(
        lambda: V1.verify_otp(GSTIN, "u", "123456", OTP_REQUEST),
        _token("5ec6bafa-6ad2-4641-82ec-80511b45e30b"),
    ),
    "auth-token-v1-request": Sent(lambda: V1.verify_otp(GSTIN, "u", "123456", OTP_REQUEST)),
    "auth-token-v3-200": Read("verify", _token("8d7a5abc-e7ba-4ab8-8f0a-ef80456e9194")),
    "auth-token-v3-request": Sent(BY_NAME["verify"]),
    # What GSTN itself answers is no task, and followed by REQSTS.
    "basic-save-200": Read("save", lambda reference: reference == REFERENCE),
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
    "reset-submitted-200": Read("reset", lambda reference: reference == TASK),
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
SAMPLES = sorted(path.stem for path in (HERE / "samples" / "vayana").glob("*.json"))


def _is_read_as_a_row(name: str) -> None:
    """Read one row of the page by itself, as a page with that row alone is read."""
    row = load(f"vayana/{name}")["body"]
    rows, _ = converse(BY_NAME["page"](), answer(200, envelope({"b2b": [row]})))
    assert [(found.number, found.hash, found.pending_allowed) for found in rows] == [("b1", None, True)]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_recorded_sample_is_read_into_the_right_value_or_error(name: str) -> None:
    """Say of every recorded sample what it means; one that nobody said anything about fails."""
    assert name in EXPECTED, f"add what {name} is expected to be read into"
    EXPECTED[name](name)


def test_every_expectation_has_its_sample() -> None:
    """Keep the table of expectations and the recorded samples the same."""
    assert sorted(EXPECTED) == SAMPLES


def test_the_request_samples_are_marked_as_requests() -> None:
    """Tell requests from answers by what the samples hold, so that none is taken for the other."""
    for name in SAMPLES:
        assert ("method" in load(f"vayana/{name}")) is isinstance(EXPECTED[name], Sent)


def test_several_kinds_of_goods_in_one_answer_are_counted_apart() -> None:
    """Take the total of what was asked about, and keep the sections of the others."""
    counts, _ = converse(_inward(), recorded("getcnt-200"))
    assert (counts.total, counts.goods_type) == (101, GoodsType.INWARD_SUPPLIES)
    assert counts.sections["isd"].accepted == 10
    assert counts[Section.B2B].total == 15


@pytest.mark.parametrize("name", ["count", "getinv", "sales"])
def test_an_unauthorized_user_of_gstn_is_a_stale_session_and_no_outage(name: str) -> None:
    """Have the taxpayer's session renewed for 502 with that word, although the user's token was sent."""
    verdict = judge(recorded("error-gstn-ret11402-502"), first_request(BY_NAME[name]()))
    assert (verdict.kind, verdict.stale) == (REFUSED, Needs.TAXPAYER)
    assert type(verdict.error) is SessionExpired


# -- what is sent ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "method", "target", "changes", "repeatable"),
    [
        ("authenticate", "POST", f"{SSO}/authtokens", False, True),
        ("account_refresh", "PUT", f"{SSO}/authtokens", False, True),
        ("account_logout", "POST", f"{SSO}/logout", False, True),
        ("otp", "POST", HOST + AUTHENTICATE, False, False),
        ("verify", "POST", HOST + AUTHENTICATE, False, False),
        ("refresh", "POST", HOST + AUTHENTICATE, False, False),
        ("logout", "POST", HOST + AUTHENTICATE, False, False),
        ("save", "PUT", f"{HOST}{ENRICHED}/ims-invoice-status-update", True, False),
        ("reset", "PUT", f"{HOST}{ENRICHED}/ims-invoice-status-reset", True, False),
        ("status", "GET", f"{HOST}{TASKS}/status/{TASK}", False, True),
        ("reference", "GET", f"{HOST}{IMS}/REQSTS?gstin={GSTIN}&int_tran_id={REFERENCE}", False, True),
        ("count", "GET", f"{HOST}{IMS}/GETCNT?gstin={GSTIN}&goods_typ=ALL_OTH", False, True),
        ("invoices", "GET", f"{HOST}{ENRICHED}/ims-invoices?section=DN&status=A", False, True),
        ("getinv", "GET", f"{HOST}{IMS}/GETINV?gstin={GSTIN}&section=CNA", False, True),
        ("prepared", "GET", f"{HOST}{TASKS}/status/{TASK}", False, True),
        ("filedet", "GET", f"{HOST}{IMS}/FILEDET?gstin={GSTIN}&token=d3a5", False, True),
        ("page", "GET", f"{HOST}{TASKS}/result/{TASK}/page/0", False, True),
        ("file", "GET", f"{HOST}/basic/gstn/v1.0/taxpayerapi-doc/{{unique-key}}", False, True),
        (
            "sales", "GET",
            f"{HOST}{IMS}/SUPVIEW?gstin={GSTIN}&ret_period=112024&section=B2B&rtn_typ=R1", False, True,
        ),
    ],
)  # fmt: skip
def test_a_request_goes_where_the_documents_say(
    name: str, method: str, target: str, changes: bool, repeatable: bool
) -> None:
    """Send each operation to its path with the headers of its kind, and mark what changes something."""
    request = first_request(BY_NAME[name]())
    assert (request.method, request.target) == (method, target)
    assert (request.changes, request.repeatable) == (changes, repeatable)
    assert request.operation == ("status" if name == "prepared" else name)
    assert request.headers["accept"] == "application/json"
    assert request.headers.get("content-type") == (None if request.body is None else "application/json")
    ours = {name: value for name, value in request.headers.items() if name.startswith("X-FLYNN")}
    if target.startswith(SSO):
        assert (request.needs, ours) == (Needs.NONE, {})
        return
    assert request.needs is Needs.ACCOUNT
    assert ours.pop("X-FLYNN-N-FILEDET-EKEY", None) == (FILE.key.reveal() if name == "file" else None)  # type: ignore[union-attr] # a file has one
    assert ours == {
        "X-FLYNN-N-ORG-ID": "org-1",
        "X-FLYNN-N-GSTIN": GSTIN,
        "X-FLYNN-N-GSTN-GSP-CODE": "vay",
    }


@pytest.mark.parametrize(
    ("name", "action"),
    [("otp", "OTPREQUEST"), ("verify", "AUTHTOKEN"), ("refresh", "REFRESHTOKEN"), ("logout", "LOGOUT")],
)
def test_a_step_of_the_login_is_named_in_a_header_or_in_the_path(name: str, action: str) -> None:
    """Say it as the version says it, in one place only."""
    request = first_request(BY_NAME[name]())
    assert request.headers["action"] == action
    older: dict[str, Callable[[], Any]] = {
        "otp": lambda: V1.request_otp(GSTIN, "u"),
        "verify": lambda: V1.verify_otp(GSTIN, "u", "1", "r"),
        "refresh": lambda: V1.refresh(GSTIN, SESSION),
        "logout": lambda: V1.logout(GSTIN, SESSION),
    }
    request = first_request(older[name]())
    assert request.url == f"{HOST}/basic/gstn/v1.0/taxpayerapi/v0.2/authenticate/{action}"
    assert "action" not in request.headers


def test_the_session_is_ended_by_its_name() -> None:
    """Send the id of the session in the body, as its refresh is documented."""
    request = first_request(BY_NAME["logout"]())
    assert json.loads(request.body or b"") == {"gst-session-id": SESSION.value.reveal()}


@pytest.mark.parametrize("name", ["account_refresh", "account_logout"])
def test_the_users_token_travels_as_a_bearer_at_its_own_host(name: str) -> None:
    """Send it so to the SSO alone, without a body."""
    request = first_request(BY_NAME[name]())
    assert (request.headers["authorization"], request.body) == ("Bearer old", None)


def test_the_users_token_is_added_on_signing() -> None:
    """Send it in the provider's own header with every request that carries one, and never to the SSO."""
    for name, make in BY_NAME.items():
        request = first_request(make())
        signed = GSP.sign(request, None if request.needs is Needs.NONE else Secret("eyJ0e"))
        expected = None if request.needs is Needs.NONE else "eyJ0e"
        assert signed.headers.get("X-FLYNN-N-USER-TOKEN") == expected, name
        assert "X-FLYNN-N-USER-TOKEN" not in request.headers
        assert "eyJ0e" not in repr(signed)


def test_extra_headers_win_however_they_are_spelled() -> None:
    """Replace ours and add new ones, but send none to the SSO."""
    extra = {"x-flynn-n-gstn-gsp-code": "tera", "ACCEPT": "application/zip", "X-FLYNN-N-IP-USR": "10.0.0.1"}
    gsp = Vayana("org-1", handle="h", password="p", extra_headers=extra)
    request = gsp.sign(first_request(gsp.counts(GSTIN, GoodsType.OTHERS)), Secret("eyJ0e"))
    ours = {"X-FLYNN-N-ORG-ID": "org-1", "X-FLYNN-N-GSTIN": GSTIN, "X-FLYNN-N-USER-TOKEN": "eyJ0e"}
    assert request.headers == {**ours, **extra}
    assert not {*extra} & {*first_request(gsp.authenticate()).headers}
    extra["X-FLYNN-N-GSTIN"] = "changed later"
    assert "X-FLYNN-N-GSTIN" not in gsp.extra_headers


@pytest.mark.parametrize(
    ("settings", "name", "target"),
    [
        ({"gstn_api_version": "v1.0"}, "count",
         "/basic/gstn/v1.0/taxpayerapi/v1.0/returns/ims/GETCNT?gstin={g}&goods_typ=ALL_OTH"),
        ({"flynn_version": "v2.0"}, "count",
         "/basic/gstn/v2.0/taxpayerapi/v0.3/returns/ims/GETCNT?gstin={g}&goods_typ=ALL_OTH"),
        ({"flynn_version": "v2.0"}, "status", f"/enriched/tasks/v2.0/status/{TASK}"),
        ({"flynn_version": "v2.0"}, "page", f"/enriched/tasks/v2.0/result/{TASK}/page/0"),
        ({"flynn_version": "v2.0"}, "file", "/basic/gstn/v2.0/taxpayerapi-doc/{{unique-key}}"),
        ({"flynn_version": "v2.0"}, "save", "/enriched/gstn/v2.0/ims-invoice-status-update"),
        ({"flynn_version": "v2.0"}, "otp", AUTHENTICATE),
        ({"auth_gstn_api_version": "v1.0"}, "otp", "/basic/gstn/v3.0/taxpayerapi/v1.0/authenticate"),
        ({"save_path": "ims-save"}, "save", "/enriched/gstn/v1.0/ims-save"),
        ({"save_path": "ims-save"}, "reset", "/enriched/gstn/v1.0/ims-invoice-status-reset"),
        ({"section_names": "long"}, "invoices", "/enriched/gstn/v1.0/ims-invoices?section=B2BDN&status=A"),
        ({"goods_types": {GoodsType.OTHERS: "OTH"}}, "count", f"{IMS}/GETCNT?gstin={{g}}&goods_typ=OTH"),
        ({"supplier_section_case": "lower", "return_types": {SourceForm.GSTR1: "GSTR1"}}, "sales",
         f"{IMS}/SUPVIEW?gstin={{g}}&ret_period=112024&section=b2b&rtn_typ=GSTR1"),
        ({"downloads": "basic"}, "invoices", f"{IMS}/GETINV?gstin={{g}}&section=DN&status=A"),
        ({"downloads": "basic", "section_names": "long"}, "invoices",
         f"{IMS}/GETINV?gstin={{g}}&section=B2BDN&status=A"),
    ],
)  # fmt: skip
def test_a_setting_is_heeded(settings: dict[str, Any], name: str, target: str) -> None:
    """Let each thing that the documents leave open be said otherwise."""
    gsp = Vayana("org-1", "t", test=True, **settings)
    makes: dict[str, Callable[[], Any]] = {
        "count": lambda: gsp.counts(GSTIN, GoodsType.OTHERS),
        "status": lambda: gsp.status(GSTIN, TASK, JobKind.SAVE),
        "page": lambda: gsp.part(DOWNLOAD, PAGE, strict=True),
        "file": lambda: gsp.part(QUEUED, FILE, strict=True),
        "save": lambda: gsp.save(GSTIN, [INVOICE.accept()]),
        "reset": lambda: gsp.reset(GSTIN, [INVOICE]),
        "otp": lambda: gsp.request_otp(GSTIN, "u"),
        "invoices": lambda: gsp.invoices(GSTIN, Section.B2BDN, Action.ACCEPT, strict=True),
        "sales": lambda: gsp.sales(GSTIN, 2024, 11, SupplierSection.B2B, SourceForm.GSTR1),
    }
    assert first_request(makes[name]()).target == HOST + target.format(g=GSTIN)


def test_a_save_may_be_sent_by_another_method_and_by_another_name() -> None:
    """Post it, if its page says so one day; it stays a change, and a GSP has its own code."""
    gsp = Vayana("org-1", "t", save_method="POST", gsp_code="abc", logout_action="BYE")
    request = first_request(gsp.save(GSTIN, [INVOICE.accept()]))
    assert (request.method, request.changes, request.repeatable) == ("POST", True, False)
    assert request.headers["X-FLYNN-N-GSTN-GSP-CODE"] == "abc"
    assert first_request(gsp.reset(GSTIN, [INVOICE])).method == "PUT"
    assert first_request(gsp.logout(GSTIN, SESSION)).headers["action"] == "BYE"


@pytest.mark.parametrize("section", Section)
def test_a_section_is_asked_for_by_the_name_that_was_chosen(section: Section) -> None:
    """Say notes in short, as siblings of this GSP do, or as the rows do."""
    short = {"b2bdn": "DN", "b2bdna": "DNA", "b2bcn": "CN", "b2bcna": "CNA"}
    asked = first_request(GSP.invoices(GSTIN, section, None, strict=True)).query
    assert asked == {"section": short.get(section.value, section.value.upper())}
    long = Vayana("org-1", "t", section_names="long")
    asked = first_request(long.invoices(GSTIN, section, None, strict=True)).query
    assert asked == {"section": section.value.upper()}


@pytest.mark.parametrize("action", Action)
def test_an_action_is_asked_for_by_its_letter(action: Action) -> None:
    """Ask as the page does, whose example is A."""
    asked = first_request(GSP.invoices(GSTIN, Section.B2B, action, strict=True)).query
    assert asked == {"section": "B2B", "status": action.value}


def test_a_body_over_the_limit_is_not_sent() -> None:
    """Count bytes of save and reset, say how many, and send nothing."""
    small = Vayana("org-1", "t", save_bytes=300)
    with pytest.raises(PayloadTooLarge, match="3 records make a body of") as caught:
        next(small.reset(GSTIN, [INVOICE] * 3))
    assert (caught.value.limit, caught.value.size > 300) == (300, True)
    exact = Vayana("org-1", "t", save_bytes=caught.value.size)
    assert len(first_request(exact.reset(GSTIN, [INVOICE] * 3)).body or b"") == caught.value.size


@pytest.mark.parametrize(
    ("reference", "operation"),
    [(REFERENCE, "reference"), ("0032e479bcb644", "reference"), ("0032E479BCB644C", "reference"),
     (TASK, "status"), (TASK.upper(), "status"), ("0032e479bcb6", "status"), ("task 7", "status")],
)  # fmt: skip
def test_a_job_is_asked_about_where_its_reference_is_from(reference: str, operation: str) -> None:
    """Ask GSTN about a reference of its own, and the gateway about any other."""
    assert first_request(GSP.status(GSTIN, reference, JobKind.SAVE)).operation == operation


def test_a_task_id_is_quoted_in_the_path() -> None:
    """Ask for no other address than the one of the task, whatever its name holds."""
    download = attrs.evolve(DOWNLOAD, reference="task/a b/../é?x")
    quoted = "a%20b%2F..%2F%C3%A9%3Fx"
    assert first_request(GSP.prepared(download)).url == f"{HOST}{TASKS}/status/{quoted}"
    (part,), sent = converse(GSP.prepared(download), task("completed"), recorded("task-result-pages-200"))
    assert sent[1].url == f"{HOST}{TASKS}/result/{quoted}"
    assert first_request(GSP.part(download, part, strict=True)).url == f"{HOST}{TASKS}/result/{quoted}/page/0"


# -- who talks to whom -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "base", "sso"),
    [
        ({}, "https://live.enriched-api.vayana.com", "https://services.vayana.com/theodore/apis/v1"),
        ({"test": True}, HOST, SSO),
        ({"base_url": "https://eas.example/"}, "https://eas.example",
         "https://eas.example/theodore/apis/v1"),
        ({"base_url": "http://127.0.0.1:8080"}, "http://127.0.0.1:8080",
         "http://127.0.0.1:8080/theodore/apis/v1"),
        ({"base_url": "https://eas.example", "sso_url": "https://sso.example/v1/"}, "https://eas.example",
         "https://sso.example/v1"),
        ({"sso_url": "http://localhost:1/v1"}, "https://live.enriched-api.vayana.com",
         "http://localhost:1/v1"),
        ({"base_url": "http://gsp.lan", "insecure": True}, "http://gsp.lan",
         "http://gsp.lan/theodore/apis/v1"),
    ],
)  # fmt: skip
def test_hosts_follow_from_the_settings(settings: dict[str, Any], base: str, sso: str) -> None:
    """Let no password go to a host that was not named, where another than the provider's was."""
    gsp = Vayana("org-1", handle="h", password="p", **settings)
    assert (gsp.base_url, gsp.sso_url) == (base, sso)
    assert first_request(gsp.authenticate()).url == f"{sso}/authtokens"
    assert first_request(gsp.counts(GSTIN, GoodsType.OTHERS)).url.startswith(base)


def test_an_account_is_named_without_its_password_or_token() -> None:
    """Tell accounts apart by organisation and user; say what the GSP takes and for how long it keeps."""
    assert (GSP.kind, isinstance(GSP, Gsp)) == ("vayana", True)
    assert (GSP.limits.save_bytes, GSP.limits.results_kept) == (4_000_000, 7 * 86_400)
    assert Vayana("o", "t", save_bytes=5).limits.save_bytes == 5
    names = {
        Vayana("org-1", "one").account_id,
        Vayana("org-1", "two").account_id,  # another user, for all that is known
        Vayana("org-1", "one", test=True).account_id,  # a token is for the hosts that gave it
        Vayana("org-1", "one", sso_url="https://elsewhere.example").account_id,
        Vayana("org-2", "one").account_id,
        Vayana("org-1", handle="a", password="p").account_id,
        Vayana("org-1", handle="a", password="q").account_id,
        Vayana("org-1", handle="b", password="p").account_id,
    }
    assert len(names) == 7
    assert all(len(name) == 16 and "org" not in name for name in names)


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ({"org_id": ""}, "org_id is empty"),
        ({"org_id": "  "}, "org_id is empty"),
        ({"org_id": None}, "org_id is empty"),
        ({"org_id": 5}, "org_id is empty"),
        ({"org_id": "org\n1"}, "org_id is empty"),
        ({"org_id": "orgé"}, "org_id is empty"),
        ({"handle": "h"}, "handle and password go together"),
        ({"password": "p"}, "handle and password go together"),
        ({"handle": "h", "password": ""}, "handle and password go together"),
        ({"handle": "", "password": "p"}, "handle and password go together"),
        ({"handle_type": "pigeon"}, "handle_type 'pigeon' is unknown; use one of: email, mobile"),
        ({"auth_version": "v2.0"}, "auth_version 'v2.0' is unknown"),
        ({"save_method": "PATCH"}, "save_method 'PATCH' is unknown"),
        ({"downloads": "fast"}, "downloads 'fast' is unknown"),
        ({"section_names": None}, "section_names None is unknown"),
        ({"supplier_section_case": "Upper"}, "supplier_section_case 'Upper' is unknown"),
        ({"token_minutes": 19}, "token_minutes 19 must be a whole number from 20 to 360"),
        ({"token_minutes": 361}, "token_minutes 361"),
        ({"token_minutes": 20.5}, "token_minutes 20.5"),
        ({"token_minutes": "20"}, "token_minutes '20'"),
        ({"save_bytes": 0}, "save_bytes 0"),
        ({"save_bytes": 4 * 1024 * 1024 + 1}, "save_bytes 4194305 must be a whole number"),
        ({"page_base": 2}, "page_base 2"),
        ({"page_base": True}, "page_base True"),
        ({"extra_headers": {"X Y": "v"}}, "extra_headers: 'X Y'"),
        ({"extra_headers": {"": "v"}}, "extra_headers: ''"),
        ({"extra_headers": {"X-Y": ""}}, "extra_headers: 'X-Y'"),
        ({"extra_headers": {"X-Y": "a\r\nb"}}, "extra_headers: 'X-Y'"),
        ({"extra_headers": {"X-Y": 5}}, "extra_headers: 'X-Y'"),
        ({"extra_headers": {5: "v"}}, "extra_headers: 5"),
        ({"extra_headers": None}, "extra_headers: a NoneType is no mapping"),
        ({"extra_headers": "X-Y: v"}, "extra_headers: a str is no mapping"),
        ({"base_url": "http://gsp.lan"}, "clear text"),
        ({"base_url": "https://eas.example", "sso_url": "http://sso.lan"}, "clear text"),
        ({"base_url": 5}, "base URL"),
        ({"sso_url": "ftp://x"}, "base URL"),
    ],
    ids=str,
)  # fmt: skip
def test_a_setting_that_is_not_usable_is_named_at_once(facts: dict[str, Any], problem: str) -> None:
    """Raise `InvalidInput` when the GSP is made, and show no header's value."""
    with pytest.raises(InvalidInput) as caught:
        Vayana(**{"org_id": "org-1", **facts})
    assert problem in str(caught.value)


@pytest.mark.parametrize("empty", ["", "  ", None, Secret(""), Secret(" ")])
def test_an_empty_token_is_none(empty: Any) -> None:
    """Say that there is no token, as where an environment variable is not set, and send nothing."""
    with pytest.raises(NotAuthorized, match="there is no user token: pass Vayana"):
        next(Vayana("org-1", empty).authenticate())


@pytest.mark.parametrize(
    ("ask", "error", "problem"),
    [
        (lambda: GSP.counts(GSTIN, GoodsType.IMPORTS), NotSupported, "how imports are asked for"),
        (lambda: GSP.added_back_liabilities(GSTIN, 2024, 4, SupplierSection.CDNR), NotSupported,
         "added-back"),
        (lambda: Vayana("o", "t", logout_action=None).logout(GSTIN, SESSION), NotSupported, "logout_action"),
        (lambda: GSP.sales(GSTIN, 2024, 1, SupplierSection.B2B, SourceForm.IFF), InvalidInput,
         "no supplier view"),
        (lambda: GSP.sales(GSTIN, 2024, 13, SupplierSection.B2B, SourceForm.GSTR1), InvalidInput, "month 13"),
        (lambda: GSP.verify_otp(GSTIN, "u", "1", None), InvalidInput, "call request_otp first"),
        (lambda: GSP.verify_otp(GSTIN, "u", "1", ""), InvalidInput, "call request_otp first"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_told_before_anything_is_sent(
    ask: Callable[[], Any], error: type[ImsError], problem: str
) -> None:
    """Say what no page documents, and which setting helps where one does."""
    with pytest.raises(error, match=problem):
        converse(ask())


# -- verdicts --------------------------------------------------------------------------------------------

READ = first_request(BY_NAME["count"]())
WRITE = first_request(BY_NAME["save"]())
LOGIN = first_request(BY_NAME["otp"]())
SIGN_IN = first_request(BY_NAME["authenticate"]())
RESULT = attrs.evolve(first_request(BY_NAME["status"]()), operation="result")


def judge(response: Response, request: Request = READ) -> Verdict:
    """Judge an answer; a verdict that is not fine has an error."""
    verdict = GSP.judge(request, response)
    assert (verdict.error is None) is (verdict.kind is FINE)
    return verdict


KEY = eas("err-some-key", "ClientRequest")
BARE = {"error": {"message": "err-some-key", "type": "ClientError"}}


@pytest.mark.parametrize(
    ("status", "body", "kind", "error", "code"),
    [
        (200, envelope({}), FINE, None, None),
        (201, envelope({}), FINE, None, None),
        (200, {"data": {}}, FINE, None, None),
        (200, {"data": {}, "error": None}, FINE, None, None),
        (200, {**envelope({}), "status": 1}, FINE, None, None),
        (200, HTML, FINE, None, None),  # the conversation finds that it cannot be read
        (200, None, FINE, None, None),
        (200, b"x" * 20_000, FINE, None, None),
        (200, KEY, FAILED, GatewayError, "err-some-key"),
        (200, {**KEY, "status": 0}, FAILED, GatewayError, "err-some-key"),
        (200, BARE, FAILED, GatewayError, "err-some-key"),
        (200, {"status": "0"}, FAILED, GatewayError, "400"),
        (200, {"status": "0", "error": "text"}, FAILED, GatewayError, "400"),
        (300, None, FAILED, GatewayError, "300"),
        (302, HTML, FAILED, GatewayError, "302"),
        (400, KEY, FAILED, GatewayError, "err-some-key"),
        (400, BARE, FAILED, GatewayError, "err-some-key"),
        (400, HTML, FAILED, GatewayError, "400"),
        (400, envelope({}), FAILED, GatewayError, "400"),
        (401, KEY, FAILED, NotAuthorized, "err-some-key"),
        (403, KEY, FAILED, NotAuthorized, "err-some-key"),
        (403, HTML, FAILED, NotAuthorized, "403"),
        (404, None, FAILED, GatewayError, "404"),
        (413, KEY, FAILED, PayloadTooLarge, None),
        (429, KEY, THROTTLED, RateLimited, "err-some-key"),
        (429, HTML, THROTTLED, RateLimited, "429"),
        (500, KEY, UNAVAILABLE, GatewayUnavailable, "err-some-key"),
        (500, HTML, UNAVAILABLE, GatewayUnavailable, "500"),
        (502, HTML, UNAVAILABLE, GatewayUnavailable, "502"),
        (502, KEY, UNAVAILABLE, GatewayUnavailable, "err-some-key"),
        (503, None, UNAVAILABLE, GatewayUnavailable, "503"),
        (504, b"[" * 100_000, UNAVAILABLE, GatewayUnavailable, "504"),
        (502, from_gstn("RET99999"), FAILED, GatewayError, "RET99999"),
        (200, from_gstn("RET99999"), FAILED, GatewayError, "RET99999"),
        (502, from_gstn("TEC4001"), UNAVAILABLE, GatewayUnavailable, "TEC4001"),
    ],
)  # fmt: skip
def test_an_answer_is_judged_by_what_it_is(
    status: int, body: Any, kind: VerdictKind, error: type[ImsError] | None, code: str | None
) -> None:
    """Tell success from failure in both envelopes, and a refusal of GSTN's under 502 from an outage."""
    verdict = judge(answer(status, body))
    assert verdict.kind is kind
    assert type(verdict.error) is (error or type(None))
    if isinstance(verdict.error, GatewayError):
        assert (verdict.error.code, verdict.error.http_status) == (code, status)
        assert str(verdict.error)


@pytest.mark.parametrize("status", [200, 400, 502])
@pytest.mark.parametrize(
    "args",
    [{"details": [{"code": "RET11402"}]}, {"gstn-err": "RET11402"}, {"gstn-err": None}, {}, [], "text", None],
    ids=str,
)
@pytest.mark.parametrize("request_", [READ, WRITE], ids=["read", "write"])
def test_an_error_of_gstn_in_another_form_is_still_no_outage(
    request_: Request, args: object, status: int
) -> None:
    """Call it by the provider's own key: it is a refusal, and asking again does not help."""
    body = eas("err-gstn-returned-error", "Gstn")
    body["error"]["args"] = args
    verdict = judge(answer(status, body), request_)
    assert (verdict.kind, type(verdict.error)) == (FAILED, GatewayError)
    assert isinstance(verdict.error, GatewayError)
    assert (verdict.error.code, verdict.error.http_status) == ("err-gstn-returned-error", status)


@pytest.mark.parametrize(
    ("code", "kind", "error", "stale"),
    [
        ("AUTH4033", REFUSED, SessionExpired, Needs.TAXPAYER),
        ("AUTH4038", REFUSED, SessionExpired, Needs.TAXPAYER),
        ("AUTH158", REFUSED, SessionExpired, Needs.TAXPAYER),
        ("RET11402", REFUSED, SessionExpired, Needs.TAXPAYER),
        ("RETOTPREQUEST", FAILED, OtpRequired, None),
        ("AUTH403", FAILED, NotAuthorized, None),
        ("RET13505", UNAVAILABLE, GatewayUnavailable, None),
        ("IMSSAV0015", FAILED, JobInFlight, None),
        ("RTN_24", FAILED, DownloadQueued, None),
        ("IMS0027", FAILED, GatewayError, None),
        ("", FAILED, GatewayError, None),
    ],
)
def test_a_refusal_by_gstn_is_typed_by_its_code(
    code: str, kind: VerdictKind, error: type[ImsError], stale: Needs | None
) -> None:
    """Give equal codes equal errors; renew the session where it ended, but not while logging in."""
    verdict = judge(answer(502, from_gstn(code, "as GSTN says")))
    assert (verdict.kind, type(verdict.error), verdict.stale) == (kind, error, stale)
    assert "as GSTN says" in str(verdict.error)
    for name in ("otp", "verify", "refresh", "logout"):
        at_login = judge(answer(502, from_gstn(code)), first_request(BY_NAME[name]()))
        assert at_login.kind is (FAILED if kind is REFUSED else kind)
        assert at_login.stale is None


def test_a_refusal_without_a_reason_is_still_one() -> None:
    """Say that GSTN gave no reason."""
    verdict = judge(answer(502, eas("err-gstn-returned-error", "Gstn", **{"gstn-err": {}})))
    assert verdict.kind is FAILED
    assert "without saying why" in str(verdict.error)


@pytest.mark.parametrize("key", ["err-expired-token", "err-invalid-token"])
def test_a_token_that_ended_is_not_renewed_for_a_request_that_carries_none(key: str) -> None:
    """End there: at the SSO the token is what the request is about."""
    for name in ("authenticate", "account_refresh", "account_logout"):
        verdict = judge(answer(403, {"error": {"message": key}}), first_request(BY_NAME[name]()))
        assert (verdict.kind, type(verdict.error)) == (FAILED, NotAuthorized)


def test_a_redirect_says_that_it_is_not_followed() -> None:
    """Point at the base URL: headers with secrets would travel."""
    error = judge(answer(307, None, location="https://elsewhere.example")).error
    assert "redirects (HTTP 307), which is not followed" in str(error)
    assert "elsewhere" not in str(error)


@pytest.mark.parametrize(
    ("status", "headers", "until"),
    [
        (429, {"retry_after": "30"}, NOW + 30),
        (429, {}, None),
        (503, {"retry_after": "30"}, NOW + 30),
        (503, {"x_ratelimit_reset": "1746530992"}, None),
        (400, {"retry_after": "30"}, NOW + 30),
        (200, {"retry_after": "30"}, None),
    ],
)
def test_a_wish_to_wait_is_heard(status: int, headers: dict[str, str], until: float | None) -> None:
    """Heed `Retry-After`, which nobody documents here, wherever a failure has it."""
    verdict = judge(answer(status, KEY, **headers))
    assert verdict.not_before == until
    if isinstance(verdict.error, RateLimited):
        assert verdict.error.retry_after == (None if until is None else 30)


def test_how_a_task_ended_is_for_the_conversation_to_say() -> None:
    """Take GSTN's own word for a task's result, and all else for the call's."""
    for response in (recorded("error-gstn-ret11402-502"), answer(200, from_gstn("TEC4001"))):
        assert judge(response, RESULT).kind is FINE
    assert judge(answer(200, KEY), RESULT).kind is FAILED
    for name in ("error-expired-token-403", "error-expired-token-bare-403"):
        for status in (200, 403):
            verdict = judge(attrs.evolve(recorded(name), status=status), RESULT)
            assert (verdict.kind, verdict.stale) == (REFUSED, None)
    for name in ("error-invalid-org-403", "error-resource-not-found-404"):
        for status in (200, 404):
            assert judge(attrs.evolve(recorded(name), status=status), RESULT).kind is FAILED
    assert judge(answer(502, HTML), RESULT).kind is UNAVAILABLE


# -- what comes back: logins -----------------------------------------------------------------------------


def _jwt(expiry: int) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": expiry}).encode()).decode().rstrip("=")
    return f"e30.{claims}.sig"


@pytest.mark.parametrize(
    ("facts", "expires_at"),
    [
        ({"expiry": 1712947711000}, 1712947711.0),
        ({"expiry": 1712947711500}, 1712947711.5),
        ({"expiry": "1712947711000"}, 1712947711.0),
        ({"expiry": 1712947711}, 1712947711.0),
        ({"expiry": 1712947711000, "token": _jwt(1712940000)}, 1712947711.0),
        ({"token": _jwt(1712940000)}, 1712940000.0),
        ({"expiry": None, "token": _jwt(1712940000)}, 1712940000.0),
        ({"expiry": "soon"}, None),
        ({"expiry": 10**400}, None),
        ({"expiry": True}, None),
        ({"expiry": -5}, None),
        ({}, None),
    ],
    ids=str,
)
def test_a_users_token_lives_as_long_as_it_is_told_to(
    facts: dict[str, Any], expires_at: float | None
) -> None:
    """Read milliseconds, as number or text, or else the token's own claim, at login and refresh."""
    body = {"data": {"token": "opaque", **facts}}
    for name in ("authenticate", "account_refresh"):
        token, _ = converse(BY_NAME[name](), answer(200, body))
        assert token.expires_at == expires_at
        assert token.value.reveal() == body["data"]["token"]


def test_a_token_that_was_given_is_used_without_asking_anybody() -> None:
    """Read its life off it, where it is a JWT, and take it as it was given otherwise."""
    assert converse(GSP.authenticate())[0] == Token(value=Secret("user-token"))
    given = Vayana("org-1", Secret(f" {_jwt(5)}\n"))
    assert converse(given.authenticate())[0] == Token(value=Secret(_jwt(5)), expires_at=5.0)


EXPIRED = answer(403, {"error": {"message": "err-expired-token", "type": "Authorization"}})
OLD = Token(value=Secret("old"))


def test_a_refused_token_is_refreshed_before_a_login_is_made() -> None:
    """Each login makes one more of ten tokens; a refresh does not."""
    token, sent = converse(USER.authenticate(OLD), answer(200, {"data": {"token": "new"}}))
    assert token.value == Secret("new")
    assert [request.operation for request in sent] == ["account_refresh"]


def test_past_the_hard_end_of_a_login_another_one_is_made() -> None:
    """Send handle and password where the refresh is refused, and only then."""
    token, sent = converse(USER.authenticate(OLD), EXPIRED, answer(200, {"data": {"token": "new"}}))
    assert token.value == Secret("new")
    assert [request.operation for request in sent] == ["account_refresh", "authenticate"]
    assert json.loads(sent[1].body or b"") == {
        "handle": "user@example.com",
        "password": "password",
        "handleType": "email",
        "tokenDurationInMins": 360,
    }


def test_a_token_that_was_given_and_is_not_the_refused_one_is_fallen_back_to() -> None:
    """Use it: a store may have held an older one."""
    token, _ = converse(GSP.authenticate(OLD), EXPIRED)
    assert token.value == Secret("user-token")


def test_a_given_token_that_has_ended_asks_for_another() -> None:
    """Say what to pass, without the token."""
    with pytest.raises(NotAuthorized, match="pass a new user_token, or handle and password") as caught:
        converse(GSP.authenticate(Token(value=Secret("user-token"))), EXPIRED)
    assert (caught.value.code, caught.value.http_status) == ("err-expired-token", 403)
    assert "user-token" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_given_token_that_has_ended_gives_way_to_a_login() -> None:
    """Log in where handle and password were passed as well."""
    both = Vayana("org-1", "user-token", handle="h", password="p")
    conversation = both.authenticate(Token(value=Secret("user-token")))
    token, sent = converse(conversation, EXPIRED, answer(200, {"data": {"token": "new"}}))
    assert token.value == Secret("new")
    assert [request.operation for request in sent] == ["account_refresh", "authenticate"]


@pytest.mark.parametrize(("status", "error"), [(503, GatewayUnavailable), (429, RateLimited)])
def test_an_outage_of_the_sso_is_no_reason_to_log_in(status: int, error: type[ImsError]) -> None:
    """Raise it: the login would meet the same outage, or make a token too many."""
    with pytest.raises(error):
        converse(USER.authenticate(OLD), answer(status))


@pytest.mark.parametrize("name", ["otp", "verify", "refresh"])
def test_a_name_at_data_itself_is_read_too(name: str) -> None:
    """Take the string that the text speaks of, where the samples have an object."""
    value, _ = converse(BY_NAME[name](), answer(200, envelope("the-name")))
    assert value == ("the-name" if name == "otp" else Token(value=Secret("the-name")))


# -- what comes back: reads ------------------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted(NO_RECORDS))
@pytest.mark.parametrize(
    ("name", "nothing"), [("count", Counts(total=0)), ("invoices", []), ("getinv", []), ("sales", [])]
)
def test_no_records_is_an_empty_answer_and_no_error(name: str, nothing: object, code: str) -> None:
    """Read GSTN's "nothing found" as nothing."""
    value, _ = converse(BY_NAME[name](), answer(502, from_gstn(code)))
    assert value == nothing


def test_no_records_as_the_result_of_a_task_is_an_empty_answer_too() -> None:
    """Have no parts, whether the task is said to have gone well or not."""
    for word in ("completed", "failed"):
        status = answer(200, {"data": {"task": {"status": word}}})
        for http_status in (200, 502):
            said = attrs.evolve(recorded("error-gstn-ret11416-502"), status=http_status)
            assert converse(BY_NAME["prepared"](), status, said)[0] == []


@pytest.mark.parametrize("name", ["count", "invoices", "getinv", "sales", "filedet", "page"])
def test_any_other_refusal_of_a_read_is_raised(name: str) -> None:
    """Take no other error for "nothing found"."""
    with pytest.raises(GatewayError) as caught:
        converse(BY_NAME[name](), answer(502, from_gstn("RET99999")))
    assert caught.value.code == "RET99999"


def test_counting_nothing_keeps_the_kind_of_goods() -> None:
    """Answer zero of what was asked about."""
    value, _ = converse(_inward(), answer(502, from_gstn("IMS0027")))
    assert value == Counts(total=0, goods_type=GoodsType.INWARD_SUPPLIES)


def test_rows_that_come_later_as_files_are_waited_for() -> None:
    """Remember GSTN's token, and how long it will take, in place of rows."""
    body = envelope({"token": "d3a5", "est": "30"})
    begun, _ = converse(BY_NAME["getinv"](), answer(200, body))
    assert begun == attrs.evolve(QUEUED, section=Section.B2BCNA, estimate=1800.0)
    assert pickle.loads(pickle.dumps(begun)) == begun  # noqa: S301 # ours


@pytest.mark.parametrize("name", ["getinv", "invoices"])
def test_rows_that_are_being_made_without_a_token_are_told_so(name: str) -> None:
    """Raise, rather than wait for what has no name."""
    with pytest.raises(DownloadQueued, match="RTN_24") as caught:
        converse(BY_NAME[name](), recorded("error-gstn-rtn24-502"))
    assert caught.value.download is None


def test_files_that_are_still_being_made_are_not_ready() -> None:
    """Read GSTN's own word for it, under 502, as a wait."""
    assert converse(BY_NAME["filedet"](), recorded("error-gstn-rtn24-502"))[0] is None


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://host/taxpayerapi-doc/a1", "/taxpayerapi-doc/a1"),
        ("/taxpayerapi-doc/a1", "/taxpayerapi-doc/a1"),
        ("https://host/doc/a1?sig=x%2By&n=1", "/doc/a1?sig=x%2By&n=1"),
    ],
)
def test_a_file_is_fetched_from_the_gateway_by_its_path(url: str, path: str) -> None:
    """Send the path of the file, and its query, to the host that we know."""
    details = {"ek": "key", "urls": [{"ul": url}]}
    (part,), _ = converse(BY_NAME["filedet"](), answer(200, envelope(details)))
    request = first_request(GSP.part(QUEUED, part, strict=True))
    assert request.target == f"{HOST}/basic/gstn/v1.0{path}"
    assert "key" not in f"{part!r} {request!r}".replace("key=", "").replace("EKEY", "")


@pytest.mark.parametrize(
    ("details", "problem"),
    [
        ({"urls": []}, "data.ek"),
        ({"ek": ["planted"], "urls": []}, "data.ek"),
        ({"ek": "", "urls": []}, "data.ek"),
        ({"ek": "planted"}, "data.urls"),
        ({"ek": "planted", "urls": {}}, "data.urls"),
        ({"ek": "planted", "urls": [5]}, "data.urls[0]"),
        ({"ek": "planted", "urls": [{"ul": "/a"}, {}]}, "data.urls[1].ul"),
        ({"ek": "planted", "urls": [{"ul": "https://host"}]}, "data.urls[0].ul"),
        ({"ek": "planted", "urls": [{"ul": "https://[::1/doc"}]}, "data.urls[0].ul"),
        (None, "data"),
    ],
    ids=str,
)
def test_details_of_files_that_do_not_fit_are_named(details: Any, problem: str) -> None:
    """Raise `UnexpectedAnswer` that says where, and nothing of what was read: the key is in it."""
    with pytest.raises(UnexpectedAnswer, match="FILEDET does not fit: data") as caught:
        converse(BY_NAME["filedet"](), answer(200, envelope(details)))
    assert caught.value.problems == (problem,)
    assert "planted" not in f"{caught.value} {caught.value.body!r}"


def test_no_files_are_no_rows() -> None:
    """Have no parts where GSTN lists none."""
    assert converse(BY_NAME["filedet"](), answer(200, envelope({"ek": "k", "urls": []})))[0] == []


@pytest.mark.parametrize("name", ["page", "file"])
def test_rows_are_read_strictly_or_with_their_problems(name: str) -> None:
    """Pass `strict` on to the reader of rows, in pages, files and direct answers."""
    body = envelope({"b2b": [5, strategies.documented_row(Section.B2B)]})
    part = PAGE if name == "page" else FILE
    with pytest.raises(UnexpectedAnswer, match="1 of 2 rows cannot be read"):
        converse(GSP.part(DOWNLOAD, part, strict=True), answer(200, body))
    rows, _ = converse(GSP.part(DOWNLOAD, part, strict=False), answer(200, body))
    assert (len(rows), rows.problems) == (1, ("data.b2b[0]: 5 is not an object",))
    rows, _ = converse(BASIC.invoices(GSTIN, Section.B2B, None, strict=False), answer(200, body))
    assert (len(rows), rows.problems) == (1, ("data.b2b[0]: 5 is not an object",))


# -- what comes back: tasks ------------------------------------------------------------------------------


def task(word: object, **rest: Any) -> Response:
    """The status of a task, in the flat form."""
    return answer(200, envelope({"id": TASK, "status": word, **rest}))


@pytest.mark.parametrize(
    "word", ["queued", "Pending", "in-progress", "PROCESSED", "done", "success", "ER", "P"]
)
@pytest.mark.parametrize("shape", ["flat", "nested"])
def test_a_word_that_nobody_documents_is_not_final(word: str, shape: str) -> None:
    """Wait on, and say that nobody explains the word, rather than take it for an end."""
    said = task(word) if shape == "flat" else answer(200, {"data": {"task": {"status": word}}})
    status, sent = converse(BY_NAME["status"](), said)
    assert (status.state, status.raw_code, status.documented) == (JobState.PROCESSING, word, False)
    assert (status.carrier_done, status.polled_at, len(sent)) == (False, NOW, 1)
    assert converse(BY_NAME["prepared"](), said)[0] is None


@pytest.mark.parametrize("word", ["processing", "Processing", " PROCESSING "])
def test_the_documented_word_for_being_at_work_is_known(word: str) -> None:
    """Read it in any case."""
    status, _ = converse(BY_NAME["status"](), task(word))
    assert (status.state, status.documented) == (JobState.PROCESSING, True)


@pytest.mark.parametrize("word", ["completed", "Completed", " COMPLETED "])
def test_the_documented_word_for_the_end_is_known(word: str) -> None:
    """Read it in any case, and go on to the result."""
    status, sent = converse(BY_NAME["status"](), task(word), recorded("reset-result-200"))
    assert status.carrier_done
    assert [request.target for request in sent] == [
        f"{HOST}{TASKS}/status/{TASK}",
        f"{HOST}{TASKS}/result/{TASK}",
    ]


FAILURES = ["failed", "Failure", "FAIL", "error", " Errored ", "aborted", "cancelled", "CANCELED", "rejected",
            "expired", "terminated", "timed-out", "TIMED_OUT", "timed out", "timeout"]  # fmt: skip
FAILED_RESULT = answer(400, eas("err-task-failed", "ClientRequest"))


@pytest.mark.parametrize("word", FAILURES)
def test_a_word_of_failure_ends_a_job_of_which_nobody_knows_what_was_applied(word: str) -> None:
    """Read it in any case and spelling; every record is then unaccounted for, with the reason told."""
    status, _ = converse(BY_NAME["status"](), task(word), FAILED_RESULT)
    assert (status.state, status.raw_code, status.documented) == (JobState.FAILED, word, True)
    assert (status.carrier_done, status.carrier_failed) == (True, True)
    assert (status.error_code, status.error_message) == ("err-task-failed", "err-task-failed")
    report = account(status, [INVOICE.accept()], 1)
    assert (len(report.failed), len(report.unaccounted)) == (0, 1)


@pytest.mark.parametrize(
    ("result", "code", "failed_carrier"),
    [
        (recorded("error-gstn-ret11402-502"), "RET11402", True),
        (attrs.evolve(recorded("error-gstn-ret11402-502"), status=200), "RET11402", True),
        (answer(502, from_gstn("TEC4001")), "TEC4001", True),
        (answer(502, from_gstn("IMSSAV0015")), "IMSSAV0015", False),
        (answer(502, from_gstn("RTN_24")), "", True),
        (recorded("error-resource-not-found-404"), "err-resource-not-found", True),
        (recorded("reset-result-processed-200"), "", True),  # P is no last word where the task broke off
        (answer(200, HTML), "", True),
    ],
)
def test_the_reason_of_a_task_that_broke_off_is_told_where_there_is_one(
    result: Response, code: str, failed_carrier: bool
) -> None:
    """Fetch the result; only where GSTN said that another job runs is it known that nothing was done."""
    status, _ = converse(BY_NAME["status"](), task("failed"), result)
    assert (status.state, status.error_code) == (JobState.FAILED, code)
    assert (status.carrier_done, status.carrier_failed) == (True, failed_carrier)


def test_gstns_last_word_counts_although_the_task_broke_off() -> None:
    """Take PE, ER and S from the result: what became of the records is known."""
    status, _ = converse(BY_NAME["status"](), task("failed"), recorded("reset-result-200"))
    assert (status.state, status.carrier_failed, len(status.error_report)) == (JobState.PARTIAL, False, 2)


def test_a_task_that_completed_with_a_refusal_has_failed() -> None:
    """Never take `completed` alone for a success; what was applied is not known."""
    status, _ = converse(BY_NAME["status"](), task("completed"), recorded("error-gstn-ret11402-502"))
    assert (status.state, status.carrier_done, status.carrier_failed) == (JobState.FAILED, True, True)


def test_a_failure_under_http_200_is_of_the_call_and_asked_again() -> None:
    """Raise it, as under another status: the next poll may have the result."""
    with pytest.raises(GatewayError) as caught:
        converse(BY_NAME["status"](), task("completed"), recorded("error-invalid-gstin-format-200"))
    assert caught.value.code == "err-invalid-gstin-format"


def test_a_result_that_is_not_there_is_told() -> None:
    """Raise what the gateway says of the result of a task that completed, and poll again later."""
    with pytest.raises(GatewayError) as caught:
        converse(BY_NAME["status"](), task("completed"), recorded("error-resource-not-found-404"))
    assert caught.value.code == "err-resource-not-found"


@pytest.mark.parametrize(
    ("code", "state"),
    [("P", "processing"), ("PE", "partial"), ("ER", "failed"), ("S", "succeeded"), ("IP", "processing"),
     ("REC", "processing"), ("ZZ", "processing")],
)  # fmt: skip
def test_a_completed_task_means_what_gstn_says_of_the_job(code: str, state: str) -> None:
    """Look into the result, of one job or of a list of one: P is done, ER failed, IP is still at work."""
    data = {"status_cd": code, "proc_cnt": "1"}
    for body in (envelope(data), envelope([envelope(data)]), {"data": data}, {"data": [{"data": data}]}):
        status, _ = converse(BY_NAME["status"](), task("completed"), answer(200, body))
        assert (status.state, status.raw_code, status.documented) == (state, code, code != "ZZ")
        assert (status.carrier_done, status.carrier_failed, status.polled_at) == (True, False, NOW)
        settled = settle(status, submitted=None, evidence=Evidence(), now=0.0)
        assert settled.state == ("succeeded" if code == "P" else state)


def job(code: str, **rest: Any) -> dict[str, Any]:
    """One job's envelope in the result of a task."""
    return envelope({"status_cd": code, "transTypCd": "SAV", **rest})


ONE_WRONG = {"b2b": [{"stin": "s", "error_cd": "IMSSAV0010", "error_msg": "m", "inv": [{"inum": "1"}]}]}
BROKEN = from_gstn("RET11402")


@pytest.mark.parametrize(
    ("parts", "state", "code", "counts", "failed_carrier"),
    [
        ([job("P", proc_cnt="3"), job("P", proc_cnt=4)], "succeeded", "P", (7, 0), False),
        ([job("S", proc_cnt="3"), job("S", proc_cnt="4")], "succeeded", "S", (7, 0), False),
        ([job("S"), job("P", proc_cnt="4")], "succeeded", "P", (None, 0), False),
        ([job("S", proc_cnt="3"), job("IP")], "processing", "IP", (None, 0), False),
        ([job("REC"), job("ER")], "processing", "REC", (None, 0), False),
        ([job("ZZ"), BROKEN], "processing", "ZZ", (None, 0), True),
        ([job("P", proc_cnt="3"), job("PE", proc_cnt="1", err_cnt="1", error_report=ONE_WRONG)],
         "partial", "PE", (4, 1), False),
        ([job("P", proc_cnt="3", err_cnt="1", error_report=ONE_WRONG), job("P", proc_cnt="1")],
         "partial", "P", (4, 1), False),
        ([job("PE", proc_cnt="1", err_cnt="1"), BROKEN], "partial", "PE", (None, 1), True),
        ([job("S", proc_cnt="1"), job("ER", err_cd="E1")], "partial", "PE", (None, 0), False),
        ([job("S", proc_cnt="1"), job("ER", proc_cnt="1", err_cd="E1")], "partial", "PE", (None, 0), False),
        ([job("ER", err_cd="E1"), job("ER", err_cd="E2")], "failed", "ER", (None, 0), False),
        ([job("ER", err_cd="E1"), BROKEN], "failed", "ER", (None, 0), True),
        ([BROKEN, BROKEN], "failed", "completed", (None, 0), True),
        ([from_gstn("IMSSAV0015"), from_gstn("IMSSAV0015")], "failed", "completed", (None, 0), False),
    ],
)  # fmt: skip
def test_the_jobs_of_one_task_make_one_status(
    parts: list[Any], state: str, code: str, counts: tuple[int | None, int], failed_carrier: bool
) -> None:
    """Add up what they did, and lose no part that failed or still runs among those that went well."""
    status, _ = converse(BY_NAME["status"](), task("completed"), answer(200, envelope(parts)))
    settled = settle(status, submitted=None, evidence=Evidence(), now=0.0)
    assert (settled.state, settled.raw_code) == (state, code)
    assert (settled.processed, settled.errors, settled.carrier_failed) == (*counts, failed_carrier)
    assert len(settled.raw["parts"]) == 2
    assert settled.documented is (code != "ZZ")


def test_what_one_job_of_a_task_counted_is_no_proof_for_another_that_failed() -> None:
    """Say of no record that it was applied where a part of the task was refused, whatever the counts."""
    body = envelope([job("S", proc_cnt="1"), job("ER", proc_cnt="1", err_cd="E1", err_msg="no")])
    status, _ = converse(BY_NAME["status"](), task("completed"), answer(200, body))
    report = account(status, [INVOICE.accept()] * 2, 2)
    assert (len(report.succeeded), len(report.unaccounted)) == (0, 2)
    assert (report.error_code, report.error_message) == ("E1", "no")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (envelope(None), "data: None is not an object"),
        (envelope({}), "data.status_cd: missing"),
        (envelope({"status_cd": 5}), "data.status_cd: 5 is not text"),
        (envelope([]), "data: an empty list"),
        (envelope([5]), "data[0]: 5 is not an object"),
        (envelope([job("P"), {}]), "data[1].data: missing"),
        (envelope([job("P"), {"data": []}]), "data[1].data: [] is not an object"),
        ({"status": "1"}, "data: missing"),
        ([], "data: missing"),
    ],
    ids=str,
)
def test_a_result_that_does_not_fit_is_no_end_of_a_job(body: Any, problem: str) -> None:
    """Raise `UnexpectedAnswer` that says where; the job is polled again."""
    with pytest.raises(UnexpectedAnswer) as caught:
        converse(BY_NAME["status"](), task("completed"), answer(200, body))
    assert caught.value.problems == (problem,)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"data": {"task": {}}}, "data.task.status: missing"),
        ({"data": {"task": {"status": 5}}}, "data.task.status: 5 is not text"),
        ({"data": {"task": "completed"}}, "data.status: missing"),
        ({"data": {"status": ""}}, "data.status: '' is not text"),
        ({"data": {"status": None}}, "data.status: None is not text"),
        ({"data": None}, "data: None is not an object"),
        ({"task": {}}, "data: missing"),
        ([], "$: [] is not an object"),
    ],
    ids=str,
)
def test_a_task_without_a_word_is_not_taken_for_one_that_ended(body: Any, problem: str) -> None:
    """Raise `UnexpectedAnswer` that says where, for jobs and downloads."""
    for name in ("status", "prepared"):
        with pytest.raises(UnexpectedAnswer) as caught:
            converse(BY_NAME[name](), answer(200, body))
        assert caught.value.problems == (problem,)


@pytest.mark.parametrize(
    ("pages", "base", "numbers"),
    [(1, 0, [0]), (3, 0, [0, 1, 2]), (3, 1, [1, 2, 3]), ("2", 0, [0, 1]), (0, 0, []), ("0", 1, []),
     (100_000, 0, range(100_000))],
)  # fmt: skip
def test_pages_are_numbered_from_the_base_that_was_chosen(
    pages: object, base: int, numbers: Iterable[int]
) -> None:
    """Ask for as many as there are, from 0 or from 1, in a list of one envelope too."""
    gsp = Vayana("org-1", "t", page_base=base)
    for body in (envelope({"pages": pages}), envelope([envelope({"pages": pages})])):
        parts, _ = converse(gsp.prepared(DOWNLOAD), task("completed"), answer(200, body))
        assert [part.place for part in parts] == [f"{TASK}/page/{number}" for number in numbers]


NO_PAGES: list[Any] = [None, -1, "-1", True, Decimal("1.5"), "one", "", "١", 100_001, 10**30, "9" * 5000, []]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({}, "data.pages: missing"),
        (None, "data: None is not an object"),
        *[({"pages": pages}, f"data.pages: {pages!r:.60} is not a number of pages") for pages in NO_PAGES],
        ([], "data: 0 envelopes, where a download has one"),
        ([envelope({"pages": 1})] * 2, "data: 2 envelopes, where a download has one"),
        ([5], "data[0]: 5 is not an object"),
    ],
    ids=lambda part: repr(part)[:30],
)
def test_a_number_of_pages_that_cannot_be_is_refused(data: Any, problem: str) -> None:
    """Raise `UnexpectedAnswer`, before a million requests are made."""
    with pytest.raises(UnexpectedAnswer) as caught:
        converse(BY_NAME["prepared"](), task("completed"), answer(200, envelope(data)))
    assert caught.value.problems == (problem,)


@pytest.mark.parametrize(
    ("said", "kind", "reason"),
    [
        (from_gstn("RTN_24", "not yet"), GatewayError, "broke off (RTN_24: not yet)"),
        (from_gstn("IMSSAV0015", "busy"), GatewayError, "broke off (IMSSAV0015: busy)"),
        (from_gstn("TEC4001", "down"), GatewayError, "broke off (TEC4001: down)"),
        (from_gstn("RET11402", "Unauthorized User"), SessionExpired, "Unauthorized User"),
    ],
)
def test_what_gstn_said_of_a_download_that_has_ended_is_no_word_to_wait_on(
    said: Any, kind: type[ImsError], reason: str
) -> None:
    """Say that it broke off, whatever the word means where GSTN is asked itself."""
    with pytest.raises(GatewayError) as caught:
        converse(BY_NAME["prepared"](), task("completed"), answer(502, said))
    assert type(caught.value) is kind
    assert reason in str(caught.value)


@pytest.mark.parametrize("outage", [answer(503, HTML), answer(429, KEY), answer(502, HTML)])
def test_an_outage_is_not_the_reason_of_a_task_that_broke_off(outage: Response) -> None:
    """Raise it, after one request: the next poll asks again for the reason."""
    with pytest.raises((GatewayUnavailable, RateLimited)):
        converse(BY_NAME["status"](), task("failed"), outage)


def test_a_token_that_has_ended_is_not_the_reason_of_a_task_that_broke_off() -> None:
    """Raise it: the job is polled again with another one."""
    for name in ("error-expired-token-403", "error-invalid-org-403"):
        with pytest.raises(NotAuthorized):
            converse(BY_NAME["status"](), task("failed"), recorded(name))


def test_a_download_that_failed_says_why() -> None:
    """Raise the reason where the result gives one, and the task's own word where it gives none."""
    for word, result, code in (
        ("failed", FAILED_RESULT, "err-task-failed"),
        ("failed", recorded("error-gstn-ret11402-502"), "RET11402"),
        ("completed", recorded("error-gstn-ret11402-502"), "RET11402"),
        ("completed", answer(200, KEY), "err-some-key"),
        ("failed", recorded("task-result-pages-200"), "failed"),
    ):
        with pytest.raises(GatewayError) as caught:
            converse(BY_NAME["prepared"](), task(word), result)
        assert caught.value.code == code


# -- broken answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted({*BY_NAME} - {"account_logout", "logout"}))
@pytest.mark.parametrize(
    "body",
    [HTML, HTML * 1000, b"", b"null", b"[]", b"7", b"{}", b'{"status":"1"}', b'{"status":"1","data":null}',
     b'{"data":[]}', b'{"status":"1","data":{"task-id":"x', b"\xff" * 9],
    ids=lambda body: repr(body[:40]),
)  # fmt: skip
def test_a_page_that_is_no_answer_is_never_a_success(name: str, body: bytes) -> None:
    """Raise `UnexpectedAnswer` for HTML, emptiness and truncation under HTTP 200, for every operation."""
    with pytest.raises(UnexpectedAnswer) as caught:
        converse(BY_NAME[name](), answer(200, body))
    assert caught.value.problems


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("authenticate", "data.token: missing"),
        ("account_refresh", "data.token: missing"),
        ("otp", "data.otp-request-id: missing"),
        ("verify", "data.gst-session-id: missing"),
        ("refresh", "data.gst-session-id: missing"),
        ("save", "data.task-id: missing"),
        ("reset", "data.task-id: missing"),
        ("invoices", "data.task-id: missing"),
        ("status", "data.status: missing"),
        ("prepared", "data.status: missing"),
        ("reference", "data.status_cd: missing"),
        ("count", "data.all_oth: missing"),
        ("filedet", "data.ek"),
        ("sales", "data.gstr1: missing"),
    ],
)
def test_an_answer_without_what_was_asked_for_names_the_place(name: str, problem: str) -> None:
    """Raise `UnexpectedAnswer` for a success that holds nothing, or something else."""
    for data in ({}, {"other": 5}):
        with pytest.raises(UnexpectedAnswer) as caught:
            converse(BY_NAME[name](), answer(200, envelope(data)))
        assert caught.value.problems == (problem,)


@pytest.mark.parametrize("reference", [None, "", 5, [], {}])
def test_a_change_without_a_task_is_no_success(reference: object) -> None:
    """Ask for text under `task-id`; the driver makes an unknown outcome of its absence."""
    for name in ("save", "reset", "invoices"):
        with pytest.raises(UnexpectedAnswer, match=r"data\.task-id: .* is not text"):
            converse(BY_NAME[name](), answer(200, envelope({"task-id": reference})))


@pytest.mark.parametrize("name", ["page", "file", "getinv"])
def test_an_answer_without_any_section_is_not_taken_for_no_rows(name: str) -> None:
    """It may be another answer altogether; an empty one, or an empty section, says "no rows"."""
    with pytest.raises(UnexpectedAnswer, match="no section that is known, but pages"):
        converse(BY_NAME[name](), answer(200, envelope({"pages": 1})))
    nothing: list[dict[str, Any]] = [{}, {"b2bdn": []}, {"b2bdn": None, "chksum": "x"}]
    for empty in nothing:
        assert list(converse(BY_NAME[name](), answer(200, envelope(empty)))[0]) == []


# -- fuzz ------------------------------------------------------------------------------------------------


def _answers() -> list[str]:
    return [name for name in SAMPLES if isinstance(EXPECTED[name], Read | Refused | Unreadable)]


def _around(name: str) -> tuple[Any, tuple[str, ...]]:
    expected = EXPECTED[name]
    assert isinstance(expected, Read | Refused | Unreadable)
    return expected.conversation(), expected.before


@pytest.mark.parametrize("name", _answers())
def test_mutated_answers_raise_nothing_but_our_errors(name: str) -> None:
    """Change bytes of every recorded answer 200 times: a value or `ImsError` comes out."""
    chance = random.Random(20241105)  # noqa: S311 # the same each time
    sample = load(f"vayana/{name}")
    body, status = json_text(sample["body"]).encode(), sample["http_status"]
    for _ in range(200):
        said = answer(
            chance.choice([status, status, status, 200, 403, 429, 502]),
            mutate(body, chance),
            retry_after=mutate(b"30", chance).decode("latin-1"),
        )
        conversation, before = _around(name)
        try:
            drive(conversation, *map(recorded, before), said, *[recorded("reset-result-200")] * 2)
        except ImsError as error:
            assert str(error)


@given(strategies.json_values(), st.sampled_from(sorted(BY_NAME)), st.sampled_from([200, 302, 403, 429, 502]))
def test_any_json_at_all_is_a_value_or_one_of_our_errors(value: Any, name: str, status: int) -> None:
    """Answer every operation with any JSON under any HTTP status, at each depth and in each place."""
    error = {"message": value, "type": value, "args": value}
    for body in (
        value,
        envelope(value),
        envelope([value]),
        {"data": {"task": value}},
        {**envelope(value), "status": value, "error": error},
        {"error": {"message": "err-gstn-returned-error", "args": {"gstn-err": value}}},
        envelope({"ek": "k", "urls": [{"ul": value}], "pages": value, "status": value, "status_cd": value}),
    ):
        said = answer(status, body)
        try:
            drive(BY_NAME[name](), said, said, said)
        except ImsError as raised:
            assert str(raised)


@given(st.text())
def test_any_address_of_a_file_is_a_path_or_one_of_our_errors(url: str) -> None:
    """Read whatever may be an address."""
    try:
        converse(BY_NAME["filedet"](), answer(200, envelope({"ek": "k", "urls": [{"ul": url}]})))
    except UnexpectedAnswer as error:
        assert error.problems == ("data.urls[0].ul",)


def test_an_invoice_that_was_read_is_sent_back_verbatim() -> None:
    """Send the ids and amounts of the page's rows as they came."""
    rows, _ = converse(BY_NAME["getinv"](), recorded("getinv-200"))
    assert all(isinstance(row, Invoice) for row in rows)
    request = first_request(GSP.save(RECIPIENT, [row.reject() for row in rows]))
    sent = json.loads(request.body or b"", parse_float=str, parse_int=str)
    plain = json.loads(json_text(load("vayana/getinv-200")["body"]), parse_float=str, parse_int=str)
    assert (sent["rtin"], sent["reqtyp"]) == (RECIPIENT, "SAVE")
    read_only = ("hash", "ispendactnallwd", "srcfilstatus")
    for key, originals in plain["data"].items():
        (row,), (original,) = sent["invdata"][key], originals
        kept = {name: value for name, value in original.items() if name not in read_only}
        assert row == {**kept, "action": "R", "prev_status": original["action"]}
