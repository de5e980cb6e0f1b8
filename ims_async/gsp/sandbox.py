"""Sandbox (sandbox.co.in): hosts, paths, headers, envelopes, codes, limits, verdicts, conversations.

Overview: https://developer.sandbox.co.in/api-reference/gst/compliance/guides/taxpayer/invoice-management-system/overview
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import attrs

from .. import codec
from ..errors import (
    GatewayError,
    GatewayUnavailable,
    ImsError,
    InvalidInput,
    NotAuthorized,
    PayloadTooLarge,
    QuotaExhausted,
    RateLimited,
    SessionExpired,
    UnexpectedAnswer,
)
from ..gstn import NO_RECORDS, gstn_error
from ..records import AddedBackLiability, Counts, Decision, Invoice, InvoiceList, SalesInvoice
from ..secret import Secret, jwt_expiry
from ..status import JobKind, JobStatus
from ..vocabulary import Action, GoodsType, Section, SourceForm, SupplierSection, return_period
from ..wire import (
    Conversation,
    Limits,
    Needs,
    Request,
    Response,
    Token,
    Verdict,
    VerdictKind,
    check_base_url,
    told_to_wait_until,
)

# https://developer.sandbox.co.in/guides/developer-resources/environments
PRODUCTION: Final = "https://api.sandbox.co.in"
TEST: Final = "https://test-api.sandbox.co.in"

_TAXPAYER: Final = "/gst/compliance/tax-payer"
_INVOICES: Final = f"{_TAXPAYER}/invoices"

# The query's section names differ from the bodies' keys.
# https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/invoices/invoices
_SECTION_QUERY: Final = {
    Section.B2B: "B2B",
    Section.B2BA: "B2BA",
    Section.B2BDN: "DN",
    Section.B2BDNA: "DNA",
    Section.B2BCN: "CN",
    Section.B2BCNA: "CNA",
    Section.ECOM: "ECOM",
    Section.ECOMA: "ECOMA",
}
_STATUS_QUERY: Final = {
    Action.ACCEPT: "accepted",
    Action.REJECT: "rejected",
    Action.PENDING: "pending",
    Action.NO_ACTION: "no_action_taken",
}
# Only `gstr-1` is shown in an example; `gstr-1a` follows from the answer's keys.
# https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/invoices/sales
_RETURN_TYPE: Final = {SourceForm.GSTR1: "gstr-1", SourceForm.GSTR1A: "gstr-1a"}

# An envelope that reports a failure is a few hundred bytes; a longer body holds rows, which the
# conversation reads as a stream: parsing it here too would read them twice.
_LONGEST_REFUSAL: Final = 16_384
_ACCOUNT_TOKEN_LIFE: Final = 86_400.0  # seconds; the answer names no expiry, the guide says 24 hours


def _secret(value: str | Secret | None) -> Secret | None:
    return None if value is None else Secret(value)


def _key(value: object) -> Secret:
    """Take a key as it comes, from an environment that may not have it: nothing is an empty key."""
    return Secret(value if isinstance(value, str | Secret) else "")


@attrs.frozen(eq=False)
class Sandbox:
    """Sandbox as a GSP: `Sandbox(api_key="…", api_secret="…")`.

    `test=True` talks to the provider's test host. `api_secret` is needed for logging in only, not with
    a taxpayer token of one's own. `source` is the OTP endpoints' `x-source`, `primary` or `secondary`.
    The documents name no size limit for a save: `save_bytes` defaults to the 4,000,000 bytes that
    another GSP documents for the same message. How `section` is spelled in the supplier view is not
    documented either: `supplier_section_case` sets it.
    Raises `InvalidInput` for an empty key or an unusable `base_url`.
    """

    api_key: Secret = attrs.field(converter=_key)
    api_secret: Secret | None = attrs.field(default=None, converter=_secret)
    base_url: str = attrs.field(default="", kw_only=True)
    test: bool = attrs.field(default=False, kw_only=True)
    source: Literal["primary", "secondary"] = attrs.field(default="primary", kw_only=True)
    api_version: str = attrs.field(default="1.0.0", kw_only=True)
    save_bytes: int = attrs.field(default=4_000_000, kw_only=True)
    supplier_section_case: Literal["lower", "upper"] = attrs.field(default="lower", kw_only=True)
    insecure: bool = attrs.field(default=False, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if not self.api_key:
            raise InvalidInput("api_key is empty or not text; take it from the provider's console")
        if self.source not in ("primary", "secondary"):
            raise InvalidInput(f"source {self.source!r} is unknown; use 'primary' or 'secondary'")
        url = check_base_url(self.base_url or (TEST if self.test else PRODUCTION), insecure=self.insecure)
        object.__setattr__(self, "base_url", url)

    @property
    def kind(self) -> str:
        """The name that job tokens carry."""
        return "sandbox"

    @property
    def limits(self) -> Limits:
        """What this GSP takes."""
        return Limits(save_bytes=self.save_bytes)

    @property
    def account_id(self) -> str:
        """A name for the account behind the key, from which the key cannot be had."""
        return hashlib.sha256(self.api_key.reveal().encode()).hexdigest()[:16]

    # -- credentials -------------------------------------------------------------------------------

    def sign(self, request: Request, token: Secret | None) -> Request:
        """Add the key and, raw without `Bearer`, the token.

        https://developer.sandbox.co.in/guides/introduction/authentication
        """
        headers = {**request.headers, "x-api-key": self.api_key.reveal()}
        if token is not None:
            headers["authorization"] = token.reveal()
        if request.operation == "authenticate" and self.api_secret is not None:
            headers["x-api-secret"] = self.api_secret.reveal()
        return attrs.evolve(request, headers=headers)

    def authenticate(self) -> Conversation[Token]:
        """Trade key and secret for the account's token, which lives 24 hours.

        https://developer.sandbox.co.in/api-reference/authenticate
        """
        if not self.api_secret:
            raise NotAuthorized("logging in needs the API secret: Sandbox(api_key, api_secret)")
        request = self._request("authenticate", "POST", "/authenticate", needs=Needs.NONE)
        response = yield attrs.evolve(request, repeatable=True)
        value = Secret(_text(_member(response.json(), "data"), "access_token", "data"))
        expires_at = jwt_expiry(value.reveal()) or response.received_at + _ACCOUNT_TOKEN_LIFE
        return Token(value=value, expires_at=expires_at)

    def request_otp(self, gstin: str, username: str) -> Conversation[None]:
        """Have GSTN send an OTP to the taxpayer.

        https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/authentication/generate_otp
        """
        response = yield self._login_request("otp", "/otp", gstin, username)
        _done(response)

    def verify_otp(self, gstin: str, username: str, otp: str) -> Conversation[Token]:
        """Trade the OTP for a taxpayer token, which lives six hours.

        https://developer.sandbox.co.in/recipes/gst/authentication/generate_tax_payer_session
        """
        # The OTP is declared an integer, but its leading zeros count: it is sent as the text it is.
        response = yield self._login_request("verify", "/otp/verify", gstin, username, {"otp": otp})
        return self._taxpayer_token(response)

    def refresh(self, gstin: str) -> Conversation[Token]:
        """Trade a taxpayer token that still lives for a new one.

        https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/authentication/refresh_session
        """
        response = yield self._request("refresh", "POST", f"{_TAXPAYER}/session/refresh")
        return self._taxpayer_token(response)

    def logout(self, gstin: str) -> Conversation[None]:
        """End the taxpayer's session.

        https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/authentication/logout
        """
        response = yield self._request("logout", "POST", f"{_TAXPAYER}/logout")
        _done(response)

    def _login_request(
        self, operation: str, path: str, gstin: str, username: str, query: Mapping[str, str] | None = None
    ) -> Request:
        body = json.dumps({"username": username, "gstin": gstin}).encode()
        request = self._request(
            operation, "POST", f"{_TAXPAYER}{path}", query=query, body=body, needs=Needs.ACCOUNT
        )
        return attrs.evolve(request, headers={**request.headers, "x-source": self.source})

    def _taxpayer_token(self, response: Response) -> Token:
        data = _member(response.json(), "data")
        value = Secret(_text(data, "access_token", "data"))
        told = [_epoch(data.get(key)) for key in ("token_expiry", "session_expiry")]
        ends = [at for at in (*told, jwt_expiry(value.reveal())) if at is not None]
        return Token(value=value, expires_at=min(ends, default=None))

    # -- the seven endpoints of IMS ----------------------------------------------------------------

    def counts(self, gstin: str, goods_type: GoodsType) -> Conversation[Counts]:
        """Count documents by section and action.

        https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/invoices/invoice_count
        """
        query = {"type_of_goods": goods_type.value}
        try:
            response = yield self._request("count", "GET", f"{_INVOICES}/count", query=query)
        except GatewayError as error:
            if error.code in NO_RECORDS:
                return Counts(total=0, goods_type=goods_type)
            raise
        return codec.read_counts(_payload(response), goods_type, "data.data")

    def invoices(
        self, gstin: str, section: Section, status: Action | None, *, strict: bool
    ) -> Conversation[InvoiceList]:
        """Fetch one section's documents; the endpoint knows no pages.

        https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/invoices/invoices
        """
        query = {"section": _SECTION_QUERY[section]}
        if status is not None:
            query["status"] = _STATUS_QUERY[status]
        try:
            response = yield self._request("invoices", "GET", _INVOICES, query=query)
        except GatewayError as error:
            if error.code in NO_RECORDS:
                return InvoiceList()
            raise
        return (yield from codec.read_invoices(response.body, ("data", "data"), strict=strict))

    def save(self, gstin: str, decisions: Sequence[Decision]) -> Conversation[str]:
        """Submit decisions; returns the reference id of the job.

        https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/invoices/save
        """
        return (yield from self._submit(gstin, JobKind.SAVE, "save", decisions))

    def reset(self, gstin: str, invoices: Sequence[Invoice]) -> Conversation[str]:
        """Submit records whose action is to be taken back; returns the reference id of the job.

        https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/invoices/reset
        """
        return (yield from self._submit(gstin, JobKind.RESET, "reset", invoices))

    def _submit(
        self, gstin: str, kind: JobKind, operation: str, records: Sequence[Decision | Invoice]
    ) -> Conversation[str]:
        packed = yield from codec.pack_body(gstin, kind, records)
        if len(packed.content) > self.save_bytes:
            raise PayloadTooLarge(
                f"{packed.records} records make a body of {len(packed.content):,} bytes, over the limit of "
                f"{self.save_bytes:,}; nothing was sent: submit them in smaller batches",
                size=len(packed.content),
                limit=self.save_bytes,
            )
        response = yield self._request(
            operation, "POST", f"{_INVOICES}/status/{operation}", body=packed.content, changes=True
        )
        return _text(_payload(response), "reference_id", "data.data")

    def status(self, gstin: str, reference_id: str, kind: JobKind) -> Conversation[JobStatus]:
        """Read how a job stands.

        https://developer.sandbox.co.in/reference/check-invoice-status-api
        """
        query = {"reference_id": reference_id}
        response = yield self._request("status", "GET", f"{_INVOICES}/status", query=query)
        return codec.read_status(_payload(response), "data.data", polled_at=response.received_at)

    def sales(
        self, gstin: str, year: int, month: int, section: SupplierSection, form: SourceForm
    ) -> Conversation[list[SalesInvoice]]:
        """Fetch what recipients did about this supplier's documents of one return period.

        https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/invoices/sales
        """
        return_period(year, month)
        if form not in _RETURN_TYPE:
            raise InvalidInput(f"form {form!r} has no supplier view; use SourceForm.GSTR1 or GSTR1A")
        query = {"section": self._supplier_section(section), "return_type": _RETURN_TYPE[form]}
        path = f"{_INVOICES}/{year}/{month:02d}/sales"
        try:
            response = yield self._request("sales", "GET", path, query=query)
        except GatewayError as error:
            if error.code in NO_RECORDS:
                return []
            raise
        return codec.read_sales(_payload(response), form, "data.data")

    def added_back_liabilities(
        self, gstin: str, year: int, month: int, section: SupplierSection
    ) -> Conversation[list[AddedBackLiability]]:
        """Fetch the documents whose rejection was added back to this supplier's liability.

        https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/invoices/added-back-liabilities
        """
        return_period(year, month)
        path = f"{_INVOICES}/added-back-liabilities/{year}/{month:02d}"
        query = {"section": self._supplier_section(section)}
        try:
            response = yield self._request("added_back", "GET", path, query=query)
        except GatewayError as error:
            if error.code in NO_RECORDS:
                return []
            raise
        return codec.read_added_back(_payload(response), "data.data")

    def _supplier_section(self, section: SupplierSection) -> str:
        return section.value.upper() if self.supplier_section_case == "upper" else section.value

    def _request(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        needs: Needs = Needs.TAXPAYER,
        changes: bool = False,
    ) -> Request:
        headers = {"accept": "application/json", "x-api-version": self.api_version}
        if body is not None:
            headers["content-type"] = "application/json"
        return Request(
            operation=operation,
            method=method,
            url=self.base_url + path,
            query=query or {},
            headers=headers,
            body=body,
            needs=needs,
            changes=changes,
        )

    # -- verdicts ----------------------------------------------------------------------------------

    def judge(self, request: Request, response: Response) -> Verdict:
        """Tell a success from the four shapes of failure, two of which come with HTTP 200.

        https://developer.sandbox.co.in/guides/developer-resources/errors
        """
        verdict = self._judge_body(request, response)
        spent = response.headers.get("x-ratelimit-remaining", "").strip() == "0"
        asked = response.status >= 300 and "retry-after" in response.headers  # as a 503 may
        if spent or asked or verdict.kind is VerdictKind.THROTTLED:
            return attrs.evolve(verdict, not_before=told_to_wait_until(response))
        return verdict

    def _judge_body(self, request: Request, response: Response) -> Verdict:
        if response.status < 300 and len(response.body) > _LONGEST_REFUSAL:
            return Verdict(kind=VerdictKind.FINE)
        envelope = _envelope(response)
        code, data = envelope.get("code"), envelope.get("data")
        # Documented: HTTP 500 whose body says 422. A body without data is believed on what it is.
        status = code if isinstance(code, int) and code >= 400 and not data else response.status
        if status >= 300:
            return self._judge_http(request, response, status, str(envelope.get("message") or ""))
        if isinstance(data, dict) and str(data.get("status_cd", "1")) == "0":
            return _judge_gstn(request, response, data, _transaction_id(envelope))
        return Verdict(kind=VerdictKind.FINE)

    def _judge_http(self, request: Request, response: Response, status: int, message: str) -> Verdict:
        facts: dict[str, Any] = {
            "code": str(status),
            "http_status": response.status,
            "transaction_id": _transaction_id(_envelope(response)),
        }
        text = message or f"HTTP {response.status} from the gateway"
        if status == 429:
            until = told_to_wait_until(response)
            wait = None if until is None else max(until - response.received_at, 0.0)
            error: ImsError = RateLimited(text, retry_after=wait, **facts)
            return Verdict(kind=VerdictKind.THROTTLED, error=error)
        if status >= 500:
            return Verdict(kind=VerdictKind.UNAVAILABLE, error=GatewayUnavailable(text, **facts))
        if status == 403:
            return _judge_forbidden(request, text, facts)
        if status == 401:
            return Verdict(
                kind=VerdictKind.FAILED, error=NotAuthorized(f"{text}: check the API key", **facts)
            )
        if status == 413:
            return Verdict(
                kind=VerdictKind.FAILED, error=PayloadTooLarge(f"the gateway refused the size: {text}")
            )
        if status < 400:
            text = (
                f"the gateway redirects (HTTP {response.status}), which is not followed: check the base URL"
            )
        return Verdict(kind=VerdictKind.FAILED, error=GatewayError(text, **facts))


# https://developer.sandbox.co.in/guides/developer-resources/errors gives the reasons, not the wording.
_SPENT: Final = re.compile(r"quota|credit|wallet|balance", re.IGNORECASE)
_STALE: Final = re.compile(r"token|session|expired", re.IGNORECASE)
# An API key or a plan that expired is no token; "Missing Authentication Token" is what the vendor's
# gateway product says of a path that does not exist; a privilege that a token lacks, its successor lacks.
_NOT_STALE: Final = re.compile(
    r"\bkeys?\b|plan\b|subscription|licen[cs]e|missing|privilege|permission", re.IGNORECASE
)


def _judge_forbidden(request: Request, message: str, facts: dict[str, Any]) -> Verdict:
    """Tell a stale token from an empty wallet: both are 403, and only the message differs.

    A 403 that says neither is not answered by renewing the token: that would be a loop.
    """
    if _SPENT.search(message):
        return Verdict(kind=VerdictKind.FAILED, error=QuotaExhausted(message, **facts))
    if _STALE.search(message) and not _NOT_STALE.search(message):
        error = SessionExpired if request.needs is Needs.TAXPAYER else NotAuthorized
        return Verdict(kind=VerdictKind.REFUSED, error=error(message, **facts))
    return Verdict(kind=VerdictKind.FAILED, error=NotAuthorized(message, **facts))


def _judge_gstn(
    request: Request,
    response: Response,
    data: dict[str, Any],
    transaction_id: str | None,
) -> Verdict:
    told = data.get("error")
    facts = told if isinstance(told, dict) else {"message": told}
    error = gstn_error(
        str(facts.get("error_cd") or ""),
        str(facts.get("message") or "GSTN refused without saying why (status_cd 0)"),
        http_status=response.status,
        transaction_id=transaction_id,
    )
    stale = isinstance(error, SessionExpired) and request.needs is Needs.TAXPAYER
    down = isinstance(error, GatewayUnavailable)
    kind = VerdictKind.REFUSED if stale else VerdictKind.UNAVAILABLE if down else VerdictKind.FAILED
    return Verdict(kind=kind, error=error)


def _transaction_id(envelope: Mapping[str, Any]) -> str | None:
    told = envelope.get("transaction_id")
    return str(told) if told else None


def _envelope(response: Response) -> dict[str, Any]:
    """Return the body as an object, or an empty one: what cannot be read is for the conversation to say."""
    try:
        envelope = response.json()
    except UnexpectedAnswer:
        return {}
    return envelope if isinstance(envelope, dict) else {}


def _done(response: Response) -> None:
    """Check that an answer which carries nothing else says that it was done. A web page does not."""
    data = _member(response.json(), "data")
    if str(_member(data, "status_cd", "data.")) != "1":
        raise UnexpectedAnswer(problems=[f"data.status_cd: {data['status_cd']!r:.60} is not 1"])


def _epoch(told: object) -> float | None:
    """Read a point in time: documented in milliseconds; siblings give text, and one of them seconds."""
    text = str(told) if type(told) is int else told
    if not (isinstance(text, str) and re.fullmatch(r"[0-9]{1,15}", text)):
        return None
    return int(text) / (1 if int(text) < 100_000_000_000 else 1000)


def _payload(response: Response) -> Any:
    """Return GSTN's own payload, which the envelope holds at `data.data`."""
    return _member(_member(response.json(), "data"), "data", "data.")


def _member(value: Any, key: str, path: str = "") -> Any:
    if not isinstance(value, dict) or key not in value:
        raise UnexpectedAnswer(problems=[f"{path}{key}: missing"])
    return value[key]


def _text(value: Any, key: str, path: str) -> str:
    found = _member(value, key, f"{path}.")
    if not isinstance(found, str) or not found:
        raise UnexpectedAnswer(problems=[f"{path}.{key}: {found!r:.60} is not text"])
    return found
