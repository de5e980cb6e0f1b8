"""Vayana (EAS, enriched and basic API): hosts, paths, headers, limits, conversations.

https://docs.enriched-api.vayana.com
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from ...errors import GatewayError, GatewayUnavailable, InvalidInput, NotAuthorized, NotSupported, RateLimited
from ...model.records import AddedBackLiability, Counts, Decision, Invoice, InvoiceList, SalesInvoice
from ...model.secret import Secret, made_without_frames
from ...model.status import JobKind, JobState, JobStatus
from ...model.tokens import Download
from ...model.vocabulary import Action, GoodsType, Section, SourceForm, SupplierSection, return_period
from .. import codec
from ..base import Accepted, Conversation, Limits, Part, Request, Response, Token, Verdict
from ..gstn import or_empty
from ..verdicts import reference, with_secrets
from . import downloads as downloads
from . import login as login
from .answers import judge, payload
from .settings import KIND, Settings
from .tasks import Stage, Task, broken_off, read_broken_off, read_result, read_task

_RESULTS_KEPT: Final = 7 * 86_400.0  # seconds (Long running tasks: data is retained for seven days)
# The two routes of a job.
_TASK: Final = "task"
"""A task of the GSP carries the job."""
_GSTN: Final = "gstn"
"""The job has GSTN's own reference."""
_NO_SUCH_TASK: Final = "err-resource-not-found"


@made_without_frames
@attrs.frozen(eq=False)
class Vayana(Settings):
    """The GSP Vayana: `Vayana("org-id", "user-token")`, or `Vayana("org-id", handle="…", password="…")`.

    `test=True` uses the provider's test hosts. With a `base_url` of your own, such as a simulator's,
    `sso_url` defaults to the same host: no password goes to a host that you did not name. `extra_headers`
    are sent with every request except those to the SSO, and override ours: their page is not public.

    `handle_type` is `email` or `mobile`. A `user_token` is used before handle and password; a `base_url`
    overrides `test`. `save_bytes` limits the body of a save or reset ("4MB": read as 4,000,000 bytes).
    `insecure=True` allows plain http to other hosts than loopback.

    Where the documents are silent or disagree, there is a setting:
    `token_minutes` (lifetime requested at the login, 20 to 360; at most ten tokens are valid at a time, so a
    short one is safe);
    `gsp_code` (public callers send `vay`); `flynn_version` (v1.0 on all pages of IMS);
    `gstn_api_version`, `auth_gstn_api_version` (the IMS pages say v0.3, those of the login v0.2);
    `auth_version` (v3.0 has the action in a header, v1.0 in the path);
    `logout_action` (its page is not public: the default is GSTN's name);
    `save_method`, `save_path` (only the name of the save is public: the defaults are those of the reset);
    `page_base` (number of a download's first page); `downloads` (`basic` asks GSTN directly, without a task);
    `section_names` (`short` writes the note sections DN, DNA, CN, CNA, `long` B2BDN and so on);
    `goods_types` (GETCNT's value for each; only ALL_OTH is public); `supplier_section_case` and
    `return_types` (SUPVIEW's values).
    Raises `InvalidInput` for an empty `org_id`, half a login, or an unusable setting.
    """

    @property
    def kind(self) -> str:
        """The name of this GSP in job tokens."""
        return KIND

    @property
    def limits(self) -> Limits:
        """The limits of this GSP, and how long it keeps the result of a task."""
        return Limits(save_bytes=self.save_bytes, results_kept=_RESULTS_KEPT)

    def judge(self, request: Request, response: Response) -> Verdict:
        """Judge an answer before a conversation gets it."""
        return judge(request, response)

    # -- credentials ----------------------------------------------------------------------------------

    def sign(self, request: Request, token: Secret | None) -> Request:
        """Add the user's token.

        https://docs.enriched-api.vayana.com (Integrating: headers)
        """
        own = (self.user_token, self.password, *self.secret_headers)
        return with_secrets(request, {"X-FLYNN-N-USER-TOKEN": token}, unsent=own)

    def authenticate(self, refused: Token | None = None) -> Conversation[Token]:
        """Get a user token; see `login.authenticate`."""
        return login.authenticate(self, refused)

    def sign_out(self, token: Token) -> Conversation[None]:
        """End the user's token."""
        return login.sign_out(self, token)

    def request_otp(self, gstin: str, username: str) -> Conversation[str | None]:
        """Ask GSTN to send an OTP to the taxpayer."""
        return login.request_otp(self, gstin, username)

    def verify_otp(
        self, gstin: str, username: str, otp: str, request: str | None = None
    ) -> Conversation[Token]:
        """Begin the taxpayer's session."""
        return login.verify_otp(self, gstin, otp, request)

    def refresh(self, gstin: str, token: Token) -> Conversation[Token]:
        """Extend the taxpayer's session."""
        return login.refresh(self, gstin, token)

    def logout(self, gstin: str, token: Token) -> Conversation[None]:
        """End the taxpayer's session."""
        return login.logout(self, gstin, token)

    # -- changes: a task that carries a save or reset ---------------------------------------------------

    def save(
        self, gstin: str, decisions: Sequence[Decision], *, packed: codec.PackedBody | None = None
    ) -> Conversation[Accepted]:
        """Submit decisions; returns the task's id. Only the name of this operation is public."""
        return self._submit(gstin, JobKind.SAVE, self.save_method, self.save_path, decisions, packed)

    def reset(
        self, gstin: str, invoices: Sequence[Invoice], *, packed: codec.PackedBody | None = None
    ) -> Conversation[Accepted]:
        """Submit records whose action is to be reset; returns the task's id.

        https://docs.enriched-api.vayana.com (IMS Invoice Status Reset)
        """
        return self._submit(gstin, JobKind.RESET, "PUT", "ims-invoice-status-reset", invoices, packed)

    def _submit(
        self,
        gstin: str,
        kind: JobKind,
        method: str,
        path: str,
        records: Sequence[Decision | Invoice],
        packed: codec.PackedBody | None,
    ) -> Conversation[Accepted]:
        if packed is None:
            packed = yield from codec.pack_body(gstin, kind, records, limit=self.save_bytes)
        response = yield attrs.evolve(
            self.request(kind.value.lower(), method, self.enriched(path), gstin=gstin, body=packed.content),
            changes=True,
        )
        answer = payload(response)
        # The page of the save is not public: if it answers with GSTN's own reference, that one is polled.
        gstns_own = isinstance(answer, dict) and "task-id" not in answer and "reference_id" in answer
        if gstns_own:
            return Accepted(reference(answer, "reference_id", "data"), _GSTN)
        return Accepted(reference(answer, "task-id", "data"), _TASK)

    def status(
        self, gstin: str, reference_id: str, kind: JobKind, route: str = ""
    ) -> Conversation[JobStatus]:
        """Read the status of a job: by its task, or for a reference of GSTN's own by REQSTS.

        If the route is not known, the reference is tried as a task first, then as one of GSTN's.
        https://docs.enriched-api.vayana.com (Long running tasks; IMS Get Request Status)
        """
        if route == _GSTN:
            return (yield from self._status_of_reference(gstin, reference_id))
        if route == _TASK:
            return (yield from self._status_of_task(gstin, reference_id))
        try:
            return attrs.evolve((yield from self._status_of_task(gstin, reference_id)), route=_TASK)
        except GatewayError as error:
            if error.code != _NO_SUCH_TASK:
                raise
            no_task = error
        try:
            return attrs.evolve((yield from self._status_of_reference(gstin, reference_id)), route=_GSTN)
        except (GatewayUnavailable, NotAuthorized, RateLimited):
            raise
        except GatewayError:
            raise no_task from None  # both are unknown, and most jobs are tasks

    def _status_of_reference(self, gstin: str, reference_id: str) -> Conversation[JobStatus]:
        query = {"gstin": gstin, "int_tran_id": reference_id}
        response = yield self.request("reference", "GET", self.basic("REQSTS"), gstin=gstin, query=query)
        return codec.read_status(payload(response), "data", polled_at=response.received_at)

    def _status_of_task(self, gstin: str, reference_id: str) -> Conversation[JobStatus]:
        response = yield self.task_request("status", "status", reference_id, gstin)
        task = read_task(response)
        if task.stage is Stage.RUNNING:
            return JobStatus(
                state=JobState.PROCESSING,
                raw_code=task.word,
                documented=task.documented,
                polled_at=response.received_at,
                raw=task.raw,
            )
        return (yield from self._outcome(gstin, reference_id, task))

    def _outcome(self, gstin: str, task_id: str, task: Task) -> Conversation[JobStatus]:
        """Fetch the result of a task; for one that broke off it may have the reason."""
        request = self.task_request("result", "result", task_id, gstin)
        if task.stage is Stage.COMPLETED:
            return read_result((yield request), task.word)
        try:
            response = yield request
        except (GatewayUnavailable, NotAuthorized, RateLimited):
            raise  # this does not show how the task ended: the next poll tries again
        except GatewayError as error:
            return broken_off(task.word, error, polled_at=None)
        return read_broken_off(response, task)

    # -- reads -----------------------------------------------------------------------------------------

    def counts(self, gstin: str, goods_type: GoodsType) -> Conversation[Counts]:
        """Count documents by section and action. Raises `NotSupported` for goods that are on no page.

        https://docs.enriched-api.vayana.com (IMS Get Invoice Count)
        """
        word = self.goods_types.get(goods_type)
        if word is None:
            raise NotSupported(
                f"Vayana's public documents do not say how {goods_type} are asked for: if you know the "
                f"goods_typ, set Vayana(goods_types={{'{goods_type}': '…'}})"
            )
        query = {"gstin": gstin, "goods_typ": word}
        try:
            response = yield self.request("count", "GET", self.basic("GETCNT"), gstin=gstin, query=query)
        except GatewayError as error:
            return or_empty(error, Counts(total=0, goods_type=goods_type))
        return codec.read_counts(payload(response), goods_type, "data")

    def invoices(
        self, gstin: str, section: Section, status: Action | None, *, strict: bool
    ) -> Conversation[InvoiceList | Download]:
        """Request one section's documents, which are prepared first."""
        return downloads.begin(self, gstin, section, status, strict=strict)

    def prepared(self, download: Download) -> Conversation[Sequence[Part] | None]:
        """Return the pages or files of the prepared rows, or None while they are being prepared."""
        return downloads.prepared(self, download)

    def part(self, download: Download, part: Part, *, strict: bool) -> Conversation[InvoiceList]:
        """Fetch one page or file."""
        return downloads.part(self, download, part, strict=strict)

    def sales(
        self, gstin: str, year: int, month: int, section: SupplierSection, form: SourceForm
    ) -> Conversation[list[SalesInvoice]]:
        """Fetch this supplier's documents of one return period, with the actions of their recipients.

        GST API documentation, "IMS - Get Supplier Invoices API" (action SUPVIEW)
        """
        word = self.return_types.get(form)
        if word is None:
            raise InvalidInput(f"form {form!r} has no supplier view; use SourceForm.GSTR1 or GSTR1A")
        name = section.value.upper() if self.supplier_section_case == "upper" else section.value
        query = {"gstin": gstin, "ret_period": return_period(year, month), "section": name, "rtn_typ": word}
        try:
            response = yield self.request("sales", "GET", self.basic("SUPVIEW"), gstin=gstin, query=query)
        except GatewayError as error:
            return or_empty(error, [])
        return codec.read_sales(payload(response), form, "data")

    def added_back_liabilities(
        self, gstin: str, year: int, month: int, section: SupplierSection
    ) -> Conversation[list[AddedBackLiability]]:
        """Raise `NotSupported`: no page documents this."""
        raise NotSupported("this GSP documents no route to added-back liabilities")
