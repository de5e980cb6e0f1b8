"""Sandbox (sandbox.co.in): hosts, paths, headers, envelopes, codes, limits, verdicts, conversations.

Overview: https://developer.sandbox.co.in/api-reference/gst/compliance/guides/taxpayer/invoice-management-system/overview
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import attrs

from ...errors import DownloadQueued, GatewayError, InvalidInput, NotAuthorized, NotSupported
from ...model.records import AddedBackLiability, Counts, Decision, Invoice, InvoiceList, SalesInvoice
from ...model.secret import Secret, jwt_expiry, jwt_issued, made_without_frames
from ...model.status import Download, JobKind, JobStatus
from ...model.vocabulary import Action, GoodsType, Section, SourceForm, SupplierSection, return_period
from .. import codec
from ..base import (
    Accepted,
    Conversation,
    Limits,
    Needs,
    Part,
    Request,
    Response,
    Token,
    Verdict,
    check_base_url,
)
from ..codec.values import member
from ..gstn import or_empty, queued
from ..verdicts import epoch, json_of, reference, text, with_secrets
from .answers import check_done, judge, payload

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

_NOT_YET: Final = "ask again later, or for fewer rows, one action at a time: invoices(section, status)"
_NO_WAY: Final = "Sandbox documents no way to fetch it"
_INSTEAD: Final = (
    "Ask for fewer rows, one action at a time, which may come at once: invoices(section, status); or read "
    'them through Vayana(downloads="basic"), which documents one'
)
_NO_DOWNLOADS: Final = "this GSP documents no way to fetch rows that are prepared as a file"
# https://developer.sandbox.co.in/recipes/gst/authentication/generate_tax_payer_session
_TAXPAYER_TOKEN_LIFE: Final = 21_600.0  # seconds
_ACCOUNT_TOKEN_LIFE: Final = 86_400.0  # seconds; the answer names no expiry, the guide says 24 hours


def _secret(value: str | Secret | None) -> Secret | None:
    if not isinstance(value, str | Secret | None):
        raise InvalidInput(f"api_secret is text, not {type(value).__name__}")
    return None if value is None else Secret(value)


def _key(value: object) -> Secret:
    """Take a key as it comes, from an environment that may not have it: nothing is an empty key."""
    return Secret(value if isinstance(value, str | Secret) else "")


@made_without_frames
@attrs.frozen(eq=False)
class Sandbox:
    """Sandbox as a GSP: `Sandbox(api_key="…", api_secret="…")`.

    `test=True` talks to the provider's test host, which answers examples, whatever it is sent: reports are
    then `canned`. `api_secret` is needed for logging in only, not with
    a taxpayer token of one's own. `source` is the OTP endpoints' `x-source`, `primary` or `secondary`.
    The documents name no size limit for a save: `save_bytes` defaults to the 4,000,000 bytes that
    another GSP documents for the same message. How `section` is spelled in the supplier view is not
    documented either: `supplier_section_case` sets it.
    Raises `InvalidInput` for an empty key, a secret that is not text, or an unusable `base_url`.
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
        if not (self.api_key.printable and (self.api_secret is None or self.api_secret.printable)):
            raise InvalidInput("api_key or api_secret holds what is no printable text: a line break, say")
        if self.source not in ("primary", "secondary"):
            raise InvalidInput(f"source {self.source!r} is unknown; use 'primary' or 'secondary'")
        if self.supplier_section_case not in ("lower", "upper"):
            raise InvalidInput(
                f"supplier_section_case {self.supplier_section_case!r} is unknown; use 'lower' or 'upper'"
            )
        if type(self.save_bytes) is not int or self.save_bytes < 1:
            raise InvalidInput(f"save_bytes {self.save_bytes!r} must be a whole number of bytes")
        url = check_base_url(self.base_url or (TEST if self.test else PRODUCTION), insecure=self.insecure)
        object.__setattr__(self, "base_url", url)

    @property
    def kind(self) -> str:
        """The name that job tokens carry."""
        return "sandbox"

    @property
    def limits(self) -> Limits:
        """What this GSP takes.

        Its test host answers "a mock response payload":
        https://developer.sandbox.co.in/guides/developer-resources/test_environment
        """
        return Limits(save_bytes=self.save_bytes, canned=self.test)

    @property
    def account_id(self) -> str:
        """A name for the account at this host, from which the key cannot be had."""
        return hashlib.sha256(f"{self.base_url}\n{self.api_key.reveal()}".encode()).hexdigest()[:16]

    # -- credentials -------------------------------------------------------------------------------

    def sign(self, request: Request, token: Secret | None) -> Request:
        """Add the key and, raw without `Bearer`, the token.

        https://developer.sandbox.co.in/guides/introduction/authentication
        """
        added = {"x-api-key": self.api_key, "authorization": token}
        if request.operation == "authenticate":
            added["x-api-secret"] = self.api_secret
        return with_secrets(request, added, unsent=(self.api_secret,))

    def authenticate(self, refused: Token | None = None) -> Conversation[Token]:
        """Trade key and secret for the account's token, which lives 24 hours; a refused one does not help.

        https://developer.sandbox.co.in/api-reference/authenticate
        """
        if not self.api_secret:
            raise NotAuthorized(
                "logging in needs the API secret",
                advice="make it Sandbox(api_key, api_secret)",
                of_account=True,
            )
        request = self._request("authenticate", "POST", "/authenticate", needs=Needs.NONE)
        response = yield attrs.evolve(request, repeatable=True, grants=True)
        value = Secret(text(member(json_of(response), "data", ""), "access_token", "data"))
        expires_at = jwt_expiry(value.reveal()) or response.received_at + _ACCOUNT_TOKEN_LIFE
        issued_at = jwt_issued(value.reveal())
        return Token(value=value, expires_at=expires_at, issued_at=issued_at, life=_ACCOUNT_TOKEN_LIFE)

    def sign_out(self, token: Token) -> Conversation[None]:
        """Say that there is no such thing: the account's token ends by itself. Raises `NotSupported`."""
        raise NotSupported("this GSP documents no way to end the account's token: it ends within 24 hours")

    def request_otp(self, gstin: str, username: str) -> Conversation[str | None]:
        """Have GSTN send an OTP to the taxpayer.

        https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/authentication/generate_otp
        """
        response = yield self._login_request("otp", "/otp", gstin, username)
        check_done(response)
        return None  # the GSTIN and the user name are all that verifying takes

    def verify_otp(
        self, gstin: str, username: str, otp: str, request: str | None = None
    ) -> Conversation[Token]:
        """Trade the OTP for a taxpayer token, which lives six hours.

        https://developer.sandbox.co.in/recipes/gst/authentication/generate_tax_payer_session
        """
        # The OTP is declared an integer, but its leading zeros count: it is sent as the text it is.
        digits = Secret(otp)
        del otp  # what reports errors with local variables would show it
        response = yield self._login_request("verify", "/otp/verify", gstin, username, digits)
        return self._taxpayer_token(response)

    def refresh(self, gstin: str, token: Token) -> Conversation[Token]:
        """Trade a taxpayer token that still lives for a new one.

        https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/authentication/refresh_session
        """
        request = self._request("refresh", "POST", f"{_TAXPAYER}/session/refresh")
        response = yield attrs.evolve(request, grants=True)
        return self._taxpayer_token(response)

    def logout(self, gstin: str, token: Token) -> Conversation[None]:
        """End the taxpayer's session.

        https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/authentication/logout
        """
        response = yield self._request("logout", "POST", f"{_TAXPAYER}/logout")
        check_done(response)

    def _login_request(
        self, operation: str, path: str, gstin: str, username: str, otp: Secret | None = None
    ) -> Request:
        body = json.dumps({"username": username, "gstin": gstin}).encode()
        request = self._request(
            operation,
            "POST",
            f"{_TAXPAYER}{path}",
            query=None if otp is None else {"otp": otp.reveal()},
            body=body,
            needs=Needs.ACCOUNT,
        )
        return attrs.evolve(
            request,
            headers={**request.headers, "x-source": self.source},
            secrets=() if otp is None else (otp,),
            grants=otp is not None,
        )

    def _taxpayer_token(self, response: Response) -> Token:
        data = member(json_of(response), "data", "")
        value = Secret(text(data, "access_token", "data"))
        told = [epoch(data.get(key)) for key in ("token_expiry", "session_expiry")]
        ends = [at for at in (*told, jwt_expiry(value.reveal())) if at is not None]
        issued_at = jwt_issued(value.reveal())
        return Token(
            value=value,
            expires_at=min(ends, default=None),
            issued_at=issued_at,
            life=_TAXPAYER_TOKEN_LIFE,
            new=True,
        )

    # -- the seven endpoints of IMS ----------------------------------------------------------------

    def counts(self, gstin: str, goods_type: GoodsType) -> Conversation[Counts]:
        """Count documents by section and action.

        https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/invoices/invoice_count
        """
        query = {"type_of_goods": goods_type.value}
        try:
            response = yield self._request("count", "GET", f"{_INVOICES}/count", query=query)
        except GatewayError as error:
            return or_empty(error, Counts(total=0, goods_type=goods_type))
        return codec.read_counts(payload(response), goods_type, "data.data")

    def invoices(
        self, gstin: str, section: Section, status: Action | None, *, strict: bool
    ) -> Conversation[InvoiceList]:
        """Fetch one section's documents; the endpoint knows no pages.

        Of a large taxpayer GSTN gives a token and makes a file, and no page says how it is fetched here:
        `DownloadQueued` then has the `token` and no `download`.

        https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/invoices/invoices
        """
        query = {"section": _SECTION_QUERY[section]}
        if status is not None:
            query["status"] = _STATUS_QUERY[status]
        try:
            response = yield self._request("invoices", "GET", _INVOICES, query=query)
            reading = codec.read_invoices(response.body, ("data", "data"), strict=strict, recipient=gstin)
            rows = yield from reading
        except DownloadQueued as error:
            if error.token is None:
                raise queued(error, section, advice=_NOT_YET) from None
            raise queued(error, section, _NO_WAY, advice=_INSTEAD) from None
        except GatewayError as error:
            return or_empty(error, InvoiceList())
        if (
            self.test
        ):  # its example has the same rows whatever section was asked for: each would come eight times
            rows[:] = [row for row in rows if row.section is section]
        return rows

    def prepared(self, download: Download) -> Conversation[Sequence[Part] | None]:
        """Say that there is no such thing: rows come at once, or not at all. Raises `NotSupported`."""
        raise NotSupported(_NO_DOWNLOADS)

    def part(self, download: Download, part: Part, *, strict: bool) -> Conversation[InvoiceList]:
        """Say that there is no such thing, as `prepared` does. Raises `NotSupported`."""
        raise NotSupported(_NO_DOWNLOADS)

    def save(
        self, gstin: str, decisions: Sequence[Decision], *, packed: codec.PackedBody | None = None
    ) -> Conversation[Accepted]:
        """Submit decisions; returns the reference id of the job.

        https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/invoices/save
        """
        return (yield from self._submit(gstin, JobKind.SAVE, "save", decisions, packed))

    def reset(
        self, gstin: str, invoices: Sequence[Invoice], *, packed: codec.PackedBody | None = None
    ) -> Conversation[Accepted]:
        """Submit records whose action is to be taken back; returns the reference id of the job.

        https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/invoices/reset
        """
        return (yield from self._submit(gstin, JobKind.RESET, "reset", invoices, packed))

    def _submit(
        self,
        gstin: str,
        kind: JobKind,
        operation: str,
        records: Sequence[Decision | Invoice],
        packed: codec.PackedBody | None,
    ) -> Conversation[Accepted]:
        if packed is None:
            packed = yield from codec.pack_body(gstin, kind, records, limit=self.save_bytes)
        response = yield self._request(
            operation, "POST", f"{_INVOICES}/status/{operation}", body=packed.content, changes=True
        )
        return Accepted(reference(payload(response), "reference_id", "data.data"))

    def status(
        self, gstin: str, reference_id: str, kind: JobKind, route: str = ""
    ) -> Conversation[JobStatus]:
        """Read how a job stands; there is one way only.

        https://developer.sandbox.co.in/reference/check-invoice-status-api
        """
        query = {"reference_id": reference_id}
        response = yield self._request("status", "GET", f"{_INVOICES}/status", query=query)
        return codec.read_status(payload(response), "data.data", polled_at=response.received_at)

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
            return or_empty(error, [])
        return codec.read_sales(payload(response), form, "data.data")

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
            return or_empty(error, [])
        return codec.read_added_back(payload(response), "data.data")

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

    def judge(self, request: Request, response: Response) -> Verdict:
        """Say what an answer is, before a conversation sees it."""
        return judge(request, response)
