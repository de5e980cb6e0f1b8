"""Sandbox (sandbox.co.in): hosts, paths, headers, envelopes, codes, limits, verdicts, conversations.

Overview: https://developer.sandbox.co.in/api-reference/gst/compliance/guides/taxpayer/invoice-management-system/overview
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from ...errors import DownloadQueued, GatewayError, InvalidInput, NotSupported
from ...model.records import AddedBackLiability, Counts, Decision, Invoice, InvoiceList, SalesInvoice
from ...model.secret import Secret, made_without_frames
from ...model.status import JobKind, JobStatus
from ...model.tokens import Download
from ...model.vocabulary import Action, GoodsType, Section, SourceForm, SupplierSection, return_period
from .. import codec
from ..base import Accepted, Conversation, Limits, Part, Request, Response, Token, Verdict
from ..gstn import or_empty, queued
from ..verdicts import reference, with_secrets
from . import login as login
from .answers import judge, payload
from .settings import TAXPAYER, Settings

_INVOICES: Final = f"{TAXPAYER}/invoices"

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


@made_without_frames
@attrs.frozen(eq=False)
class Sandbox(Settings):
    """The GSP Sandbox: `Sandbox(api_key="…", api_secret="…")`.

    `test=True` uses the provider's test host, which answers every request with an example: reports are then
    `canned`. `api_secret` is needed for a login only, not with a taxpayer token of your own. `source` is the
    OTP endpoints' `x-source`, `primary` or `secondary`. The documents have no size limit for a save:
    `save_bytes` defaults to the 4,000,000 bytes that another GSP documents for the same message. The spelling
    of `section` in the supplier view is not documented either: `supplier_section_case` sets it.
    Raises `InvalidInput` for an empty key, a secret that is not text, or an unusable `base_url`.
    """

    @property
    def kind(self) -> str:
        """The name of this GSP in job tokens."""
        return "sandbox"

    @property
    def limits(self) -> Limits:
        """The limits of this GSP.

        Its test host answers "a mock response payload":
        https://developer.sandbox.co.in/guides/developer-resources/test_environment
        """
        return Limits(save_bytes=self.save_bytes, canned=self.test)

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
        """Exchange key and secret for the account's token; see `login.authenticate`."""
        return login.authenticate(self)

    def sign_out(self, token: Token) -> Conversation[None]:
        """Raise `NotSupported`: the account's token expires by itself."""
        raise NotSupported("this GSP documents no way to end the account's token: it ends within 24 hours")

    def request_otp(self, gstin: str, username: str) -> Conversation[str | None]:
        """Ask GSTN to send an OTP to the taxpayer."""
        return login.request_otp(self, gstin, username)

    def verify_otp(
        self, gstin: str, username: str, otp: str, request: str | None = None
    ) -> Conversation[Token]:
        """Exchange the OTP for a taxpayer token, which is valid for six hours."""
        return login.verify_otp(self, gstin, username, otp)

    def refresh(self, gstin: str, token: Token) -> Conversation[Token]:
        """Exchange a valid taxpayer token for a new one."""
        return login.refresh(self)

    def logout(self, gstin: str, token: Token) -> Conversation[None]:
        """End the taxpayer's session."""
        return login.logout(self)

    # -- the seven endpoints of IMS ----------------------------------------------------------------

    def counts(self, gstin: str, goods_type: GoodsType) -> Conversation[Counts]:
        """Count documents by section and action.

        https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/invoices/invoice_count
        """
        query = {"type_of_goods": goods_type.value}
        try:
            response = yield self.request("count", "GET", f"{_INVOICES}/count", query=query)
        except GatewayError as error:
            return or_empty(error, Counts(total=0, goods_type=goods_type))
        return codec.read_counts(payload(response), goods_type, "data.data")

    def invoices(
        self, gstin: str, section: Section, status: Action | None, *, strict: bool
    ) -> Conversation[InvoiceList]:
        """Fetch one section's documents; the endpoint has no pages.

        For a large taxpayer GSTN answers a token and makes a file, and no page documents how to fetch it:
        `DownloadQueued` then has the `token` and no `download`.

        https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/invoices/invoices
        """
        query = {"section": _SECTION_QUERY[section]}
        if status is not None:
            query["status"] = _STATUS_QUERY[status]
        try:
            response = yield self.request("invoices", "GET", _INVOICES, query=query)
            reading = codec.read_invoices(response.body, ("data", "data"), strict=strict, recipient=gstin)
            rows = yield from reading
        except DownloadQueued as error:
            if error.token is None:
                raise queued(error, section, advice=_NOT_YET) from None
            raise queued(error, section, _NO_WAY, advice=_INSTEAD) from None
        except GatewayError as error:
            return or_empty(error, InvoiceList())
        if self.test:  # the example has the same rows for every section: each would come eight times
            rows[:] = [row for row in rows if row.section is section]
        return rows

    def prepared(self, download: Download) -> Conversation[Sequence[Part] | None]:
        """Raise `NotSupported`: rows come at once or not at all."""
        raise NotSupported(_NO_DOWNLOADS)

    def part(self, download: Download, part: Part, *, strict: bool) -> Conversation[InvoiceList]:
        """Raise `NotSupported`, as `prepared` does."""
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
        """Submit records whose action is to be reset; returns the reference id of the job.

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
        response = yield self.request(
            operation, "POST", f"{_INVOICES}/status/{operation}", body=packed.content, changes=True
        )
        return Accepted(reference(payload(response), "reference_id", "data.data"))

    def status(
        self, gstin: str, reference_id: str, kind: JobKind, route: str = ""
    ) -> Conversation[JobStatus]:
        """Read the status of a job; there is one route only.

        https://developer.sandbox.co.in/reference/check-invoice-status-api
        """
        query = {"reference_id": reference_id}
        response = yield self.request("status", "GET", f"{_INVOICES}/status", query=query)
        return codec.read_status(payload(response), "data.data", polled_at=response.received_at)

    def sales(
        self, gstin: str, year: int, month: int, section: SupplierSection, form: SourceForm
    ) -> Conversation[list[SalesInvoice]]:
        """Fetch this supplier's documents of one return period, with the actions of their recipients.

        https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/invoices/sales
        """
        return_period(year, month)
        if form not in _RETURN_TYPE:
            raise InvalidInput(f"form {form!r} has no supplier view; use SourceForm.GSTR1 or GSTR1A")
        query = {"section": self.supplier_section(section), "return_type": _RETURN_TYPE[form]}
        path = f"{_INVOICES}/{year}/{month:02d}/sales"
        try:
            response = yield self.request("sales", "GET", path, query=query)
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
        query = {"section": self.supplier_section(section)}
        try:
            response = yield self.request("added_back", "GET", path, query=query)
        except GatewayError as error:
            return or_empty(error, [])
        return codec.read_added_back(payload(response), "data.data")

    def judge(self, request: Request, response: Response) -> Verdict:
        """Judge an answer before a conversation gets it."""
        return judge(request, response)
