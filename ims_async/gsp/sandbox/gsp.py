"""Sandbox (sandbox.co.in): settings, hosts, paths, headers, and the conversations of IMS.

Overview: https://developer.sandbox.co.in/api-reference/gst/compliance/guides/taxpayer/invoice-management-system/overview
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Literal

import attrs

from ... import model
from ...errors import DownloadQueued, GatewayError, InvalidInput, NotSupported
from ...model.records import Counts, Decision, Invoice, InvoiceList, Record
from ...model.secret import Secret, made_without_frames
from ...model.status import JobKind, JobStatus
from ...model.tokens import Download
from ...model.vocabulary import Action, GoodsType, Section, SourceForm, SupplierSection, return_period
from .. import codec
from ..base import Accepted, Conversation, Limits, Part, Request
from ..gstn import SECTION_QUERY, or_empty, queued
from ..settings import NO_HEADERS, Settings, json_request, one_of, secret
from ..verdicts import payload, payload_steps, read, reference, with_secrets
from . import answers, login
from . import gstr2b as statements

_DATA: Final = "data.data"  # where GSTN's own payload is in an answer

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


def _key(value: object) -> Secret:
    """Read a key, for example from the environment; None gives an empty key."""
    return Secret(value if isinstance(value, str | Secret) else "")


def _secret(value: str | Secret | None) -> Secret | None:
    return secret(value, "api_secret is text")


def _check_printable(_: object, field: attrs.Attribute[Any], value: Secret | None) -> None:
    if field.name == "api_key" and not value:
        raise InvalidInput("api_key is empty or not text; take it from the provider's console")
    if value is not None and not value.printable:
        raise InvalidInput(f"{field.name} holds what is no printable text: a line break, say")


@made_without_frames
@attrs.frozen(eq=False)
class Sandbox(Settings):
    """The GSP Sandbox: `Sandbox(api_key="…", api_secret="…")`.

    `test=True` uses the provider's test host, which answers every request with an example: reports are then
    `canned`. `api_secret` is needed for a login only, not with a taxpayer token of your own. `source` is the
    OTP endpoints' `x-source`, `primary` or `secondary`. The documents have no size limit for a save:
    `save_bytes` defaults to the 4,000,000 bytes that another GSP documents for the same message. The spelling
    of `section` in the supplier view is not documented either: `supplier_section_case` sets it. Whether the
    request to compute GSTR-2B anew has a body is disputed: `regenerate_body` is `none` or `keys`.
    Raises `InvalidInput` for an empty key, a secret that is not text, or an unusable `base_url`.
    """

    kind: ClassVar[str] = "sandbox"
    # https://developer.sandbox.co.in/guides/developer-resources/environments
    hosts: ClassVar[tuple[str, str]] = ("https://api.sandbox.co.in", "https://test-api.sandbox.co.in")

    api_key: Secret = attrs.field(converter=_key, validator=_check_printable)
    api_secret: Secret | None = attrs.field(default=None, converter=_secret, validator=_check_printable)
    source: Literal["primary", "secondary"] = attrs.field(
        default="primary", kw_only=True, validator=one_of("primary", "secondary")
    )
    api_version: str = attrs.field(default="1.0.0", kw_only=True)
    # The API reference has no body, the schema linked from the same page has these two keys.
    # https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/gstr-2b/regenerate_gstr_2b
    regenerate_body: Literal["none", "keys"] = attrs.field(
        default="none", kw_only=True, validator=one_of("none", "keys")
    )
    # The test host answers "a mock response payload":
    # https://developer.sandbox.co.in/guides/developer-resources/test_environment
    limits: Limits = attrs.field(
        default=attrs.Factory(
            lambda gsp: Limits(save_bytes=gsp.save_bytes, canned=gsp.test), takes_self=True
        ),
        init=False,
        repr=False,
    )

    @property
    def account_id(self) -> str:
        """A name for the account at this host; the key cannot be derived from it."""
        return self.digest(self.api_key.reveal())

    def sign(self, request: Request, token: Secret | None) -> Request:
        """Add the key and, raw without `Bearer`, the token.

        https://developer.sandbox.co.in/guides/introduction/authentication
        """
        added = {"x-api-key": self.api_key, "authorization": token}
        if request.operation == "authenticate":
            added["x-api-secret"] = self.api_secret
        return with_secrets(request, added, unsent=(self.api_secret,))

    judge = staticmethod(answers.judge)
    authenticate = login.authenticate
    sign_out = login.sign_out
    request_otp = login.request_otp
    verify_otp = login.verify_otp
    refresh = login.refresh
    logout = login.logout
    regenerate = statements.regenerate
    gstr2b = statements.gstr2b
    filings = statements.filings

    def request(
        self, operation: str, method: str, path: str, *, headers: Mapping[str, str] = NO_HEADERS, **facts: Any
    ) -> Request:
        """Return a request with the common headers; `facts` are further attributes of `Request`."""
        ours = {"x-api-version": self.api_version, **headers}
        return json_request(operation, method, self.base_url + path, ours, **facts)

    # -- the seven endpoints of IMS ----------------------------------------------------------------

    def counts(self, gstin: str, goods_type: GoodsType) -> Conversation[Counts]:
        """Count documents by section and action.

        https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/invoices/invoice_count
        """
        request = self._get("count", "/count", {"type_of_goods": goods_type.value})
        none = Counts(total=0, goods_type=goods_type)
        return read(request, _DATA, none, lambda data: codec.read_counts(data, goods_type, _DATA))

    def invoices(
        self,
        gstin: str,
        section: Section,
        status: Action | None,
        *,
        strict: bool,
        take: codec.Take | None = None,
    ) -> Conversation[InvoiceList]:
        """Fetch one section's documents; the endpoint has no pages.

        For a large taxpayer GSTN answers a token and makes a file, and no page documents how to fetch it:
        `DownloadQueued` then has the `token` and no `download`.

        https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/invoices/invoices
        """
        query = {"section": SECTION_QUERY[section]}
        if status is not None:
            query["status"] = _STATUS_QUERY[status]
        try:
            response = yield self._get("invoices", "", query)
            rows = yield from codec.read_invoices(
                response.body, _DATA.split("."), strict=strict, recipient=gstin, take=take
            )
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
        raise NotSupported("this GSP documents no way to fetch rows that are prepared as a file")

    def part(self, download: Download, part: Part, *, strict: bool) -> Conversation[InvoiceList]:
        """Raise `NotSupported`, as `prepared` does."""
        raise NotSupported("this GSP documents no way to fetch rows that are prepared as a file")

    def save(
        self, gstin: str, decisions: Sequence[Decision], *, packed: codec.PackedBody | None = None
    ) -> Conversation[Accepted]:
        """Submit decisions; returns the reference id of the job.

        https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/invoices/save
        """
        return self._submit(gstin, JobKind.SAVE, decisions, packed)

    def reset(
        self, gstin: str, invoices: Sequence[Invoice], *, packed: codec.PackedBody | None = None
    ) -> Conversation[Accepted]:
        """Submit records whose action is to be reset; returns the reference id of the job.

        https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/invoices/reset
        """
        return self._submit(gstin, JobKind.RESET, invoices, packed)

    def _submit(
        self, gstin: str, kind: JobKind, records: Sequence[Record], packed: codec.PackedBody | None
    ) -> Conversation[Accepted]:
        if packed is None:
            packed = yield from codec.pack_body(gstin, kind, records, limit=self.save_bytes)
        name = kind.value.lower()
        path = f"{login.TAXPAYER}/invoices/status/{name}"
        response = yield self.request(name, "POST", path, body=packed.content, changes=True)
        return Accepted(reference(payload(response, _DATA), "reference_id", _DATA))

    def status(
        self, gstin: str, reference_id: str, kind: JobKind, route: str = ""
    ) -> Conversation[JobStatus]:
        """Read the status of a job; there is one route for each kind only.

        https://developer.sandbox.co.in/reference/check-invoice-status-api
        """
        if kind is JobKind.REGENERATE:
            return (yield from statements.status(self, reference_id))
        response = yield self._get("status", "/status", {"reference_id": reference_id})
        data = yield from payload_steps(response, _DATA)
        return (yield from codec.status_steps(data, _DATA, polled_at=response.received_at))

    def sales(
        self, gstin: str, year: int, month: int, section: SupplierSection, form: SourceForm
    ) -> Conversation[list[model.sales.SalesInvoice]]:
        """Fetch this supplier's documents of one return period, with the actions of their recipients.

        https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/invoices/sales
        """
        return_period(year, month)  # raises `InvalidInput`
        if form not in _RETURN_TYPE:
            raise InvalidInput(f"form {form!r} has no supplier view; use SourceForm.GSTR1 or GSTR1A")
        query = {"section": self.supplier_section(section), "return_type": _RETURN_TYPE[form]}
        request = self._get("sales", f"/{year}/{month:02d}/sales", query)
        return read(request, _DATA, [], lambda data: codec.read_sales(data, form, _DATA))

    def added_back_liabilities(
        self, gstin: str, year: int, month: int, section: SupplierSection
    ) -> Conversation[list[model.sales.AddedBackLiability]]:
        """Fetch the documents whose rejection was added back to this supplier's liability.

        https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/invoices/added-back-liabilities
        """
        return_period(year, month)  # raises `InvalidInput`
        path = f"/added-back-liabilities/{year}/{month:02d}"
        request = self._get("added_back", path, {"section": self.supplier_section(section)})
        return read(request, _DATA, [], lambda data: codec.read_added_back(data, _DATA))

    def _get(self, operation: str, path: str, query: dict[str, str]) -> Request:
        return self.request(operation, "GET", f"{login.TAXPAYER}/invoices{path}", query=query)
