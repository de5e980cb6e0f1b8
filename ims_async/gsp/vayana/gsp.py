"""Vayana (EAS, enriched and basic API): settings, hosts, paths, headers, limits, conversations.

https://docs.enriched-api.vayana.com
"""

from __future__ import annotations

import contextlib
import urllib.parse
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, Final, Literal, TypeVar

import attrs

from ... import model
from ...errors import InvalidInput, NotSupported
from ...lazy import pattern
from ...model.records import Counts
from ...model.secret import Secret, made_without_frames
from ...model.vocabulary import GoodsType, SourceForm, SupplierSection, return_period
from .. import codec
from ..base import Conversation, Limits, Needs, Request
from ..http import check_base_url
from ..settings import NO_HEADERS, Settings, json_request, one_of, secret, whole_number
from ..verdicts import read, with_secrets
from . import answers, login, tasks
from . import downloads as rows
from . import gstr2b as statements

K = TypeVar("K", bound=StrEnum)

# https://docs.enriched-api.vayana.com (Integrating: environments; Onboarding: SSO)
_PRODUCTION: Final = "https://live.enriched-api.vayana.com"
_TEST: Final = "https://solo.enriched-api.vayana.com"
_SSO_PATH: Final = "/theodore/apis/v1"
_SSO: Final = {
    _PRODUCTION: f"https://services.vayana.com{_SSO_PATH}",
    _TEST: f"https://sandbox.services.vayananet.com{_SSO_PATH}",
}
_RESULTS_KEPT: Final = 7 * 86_400.0  # seconds (Long running tasks: data is retained for seven days)


# -- the settings: how each is read, and its check ---------------------------------------------------------


def _secret(value: str | Secret | None) -> Secret | None:
    return secret(value, "user_token and password are text")


def _laid_over(kind: type[K], defaults: Mapping[K, str], given: Mapping[Any, str]) -> dict[K, str]:
    words: dict[K, str] | None = None
    with contextlib.suppress(TypeError, ValueError):
        words = {kind(key): word for key, word in dict(given).items()}
    if words is None or not all(map(_fits_a_header, words.values())):
        known = ", ".join(str(member) for member in kind)
        raise InvalidInput(f"{given!r:.80} is no mapping of {kind.__name__} ({known}) to words")
    return {**defaults, **words}


def _goods_types(given: Mapping[Any, str]) -> Mapping[GoodsType, str]:
    return _laid_over(GoodsType, {GoodsType.OTHERS: "ALL_OTH"}, given)


def _return_types(given: Mapping[Any, str]) -> Mapping[SourceForm, str]:
    return _laid_over(SourceForm, {SourceForm.GSTR1: "R1", SourceForm.GSTR1A: "R1A"}, given)


def _headers(headers: Mapping[str, str | Secret]) -> Mapping[str, Secret]:
    if not isinstance(headers, Mapping):
        raise InvalidInput(f"extra_headers: a {type(headers).__name__} is no mapping of names to values")
    # A value that is not text becomes empty, which is refused.
    return {name: Secret(value if isinstance(value, str | Secret) else "") for name, value in headers.items()}


_HEADER_NAME: Final = pattern(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PATH: Final = pattern(r"[A-Za-z0-9/._~-]+")


def _fits_a_header(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable() and value.isascii()


def _check_headers(_: object, __: object, headers: Mapping[str, Secret]) -> None:
    for header, value in headers.items():
        if str(header).lower() == "x-flynn-n-user-token":
            raise InvalidInput(f"extra_headers: {header} is what user_token is for")
        named = isinstance(header, str) and _HEADER_NAME.fullmatch(header)
        if not (named and _fits_a_header(value.reveal())):
            raise InvalidInput(f"extra_headers: {header!r} or its value is not fit for a header")


def _check_path(_: object, field: attrs.Attribute[Any], text: str) -> None:
    whole = _fits_a_header(text) and _PATH.fullmatch(text)
    if not whole or {"", ".", ".."} & {*text.strip("/").split("/")}:
        raise InvalidInput(f"{field.name} {text!r:.60} is not usable: it is part of a path or a header")


def _check_action(_: object, __: object, action: str | None) -> None:
    if action is not None and not _fits_a_header(action):
        raise InvalidInput(f"logout_action {action!r:.60} is no word: pass one, or None")


def _check_account(gsp: Vayana, _: object, __: str) -> None:
    if not _fits_a_header(gsp.org_id):
        raise InvalidInput(
            "org_id is empty or not text: it is data.associatedOrgs[].organisation.id of the SSO login"
        )
    if gsp.user_token is not None and not gsp.user_token.printable:
        raise InvalidInput("user_token holds what is no printable text: a line break, say")
    if not isinstance(gsp.handle, str | None) or not (gsp.handle or "").isprintable():
        raise InvalidInput(f"handle is text, an e-mail address or a mobile number, not {gsp.handle!r:.60}")
    if bool(gsp.handle) != (gsp.password is not None):
        raise InvalidInput("handle and password go together: pass both, or a user_token")


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
    `gstn_api_version`, `auth_gstn_api_version` (the IMS pages say v0.3, those of the login v0.2),
    `gstr2b_api_version` (its page says v3.0), `common_api_version` (of filed returns);
    `auth_version` (v3.0 has the action in a header, v1.0 in the path);
    `logout_action` (its page is not public: the default is GSTN's name);
    `save_method`, `save_path` (only the name of the save is public: the defaults are those of the reset);
    `regenerate_path`, `regenerate_status_path`, `regenerate_method` (no page computes a GSTR-2B anew: without
    the two paths it is refused);
    `page_base` (number of a download's first page); `downloads` (`basic` asks GSTN directly, without a task);
    `section_names` (`short` writes the note sections DN, DNA, CN, CNA, `long` B2BDN and so on);
    `goods_types` (GETCNT's value for each; only ALL_OTH is public); `supplier_section_case` and
    `return_types` (SUPVIEW's values).
    Raises `InvalidInput` for an empty `org_id`, half a login, or an unusable setting.
    """

    kind: ClassVar[str] = "vayana"
    hosts: ClassVar[tuple[str, str]] = (_PRODUCTION, _TEST)

    org_id: str = attrs.field(validator=_check_account)
    user_token: Secret | None = attrs.field(default=None, converter=_secret)
    handle: str | None = attrs.field(default=None, kw_only=True)
    password: Secret | None = attrs.field(default=None, kw_only=True, converter=_secret)
    handle_type: Literal["email", "mobile"] = attrs.field(
        default="email", kw_only=True, validator=one_of("email", "mobile")
    )
    sso_url: str = attrs.field(default="", kw_only=True)
    extra_headers: Mapping[str, Secret] = attrs.field(
        factory=dict,
        kw_only=True,
        converter=_headers,
        validator=_check_headers,
        repr=lambda headers: repr(sorted(headers)),
    )
    gsp_code: str = attrs.field(default="vay", kw_only=True, validator=_check_path)
    token_minutes: int = attrs.field(default=20, kw_only=True, validator=whole_number(20, 360))
    flynn_version: str = attrs.field(default="v1.0", kw_only=True, validator=_check_path)
    gstn_api_version: str = attrs.field(default="v0.3", kw_only=True, validator=_check_path)
    auth_version: Literal["v3.0", "v1.0"] = attrs.field(
        default="v3.0", kw_only=True, validator=one_of("v3.0", "v1.0")
    )
    auth_gstn_api_version: str = attrs.field(default="v0.2", kw_only=True, validator=_check_path)
    logout_action: str | None = attrs.field(default="LOGOUT", kw_only=True, validator=_check_action)
    save_method: Literal["PUT", "POST"] = attrs.field(
        default="PUT", kw_only=True, validator=one_of("PUT", "POST")
    )
    save_path: str = attrs.field(default="ims-invoice-status-update", kw_only=True, validator=_check_path)
    # No public page, of the basic or the enriched API, computes a GSTR-2B anew. The method is GSTN's.
    regenerate_path: str | None = attrs.field(
        default=None, kw_only=True, validator=attrs.validators.optional(_check_path)
    )
    regenerate_status_path: str | None = attrs.field(
        default=None, kw_only=True, validator=attrs.validators.optional(_check_path)
    )
    # The page of GSTR-2B shows v3.0, other pages of the same API v0.3.
    gstr2b_api_version: str = attrs.field(default="v3.0", kw_only=True, validator=_check_path)
    # The pages have v0.3 as an example, as those of every API; another GSP's has v1.0 for the same action.
    # https://gsthelp.charteredinfo.com/ucl/track_return.htm
    common_api_version: str = attrs.field(default="v1.0", kw_only=True, validator=_check_path)
    regenerate_method: Literal["PUT", "POST"] = attrs.field(
        default="PUT", kw_only=True, validator=one_of("PUT", "POST")
    )
    # Documented as "4MB": the default is the smaller meaning.
    save_bytes: int = attrs.field(default=4_000_000, kw_only=True, validator=whole_number(1, 4 * 1024 * 1024))
    page_base: int = attrs.field(default=0, kw_only=True, validator=whole_number(0, 1))
    downloads: Literal["enriched", "basic"] = attrs.field(
        default="enriched", kw_only=True, validator=one_of("enriched", "basic")
    )
    section_names: Literal["short", "long"] = attrs.field(
        default="short", kw_only=True, validator=one_of("short", "long")
    )
    goods_types: Mapping[GoodsType, str] = attrs.field(factory=dict, kw_only=True, converter=_goods_types)
    supplier_section_case: Literal["lower", "upper"] = attrs.field(
        default="upper", kw_only=True, validator=one_of("lower", "upper")
    )
    return_types: Mapping[SourceForm, str] = attrs.field(factory=dict, kw_only=True, converter=_return_types)
    limits: Limits = attrs.field(
        default=attrs.Factory(
            lambda gsp: Limits(save_bytes=gsp.save_bytes, results_kept=_RESULTS_KEPT), takes_self=True
        ),
        init=False,
        repr=False,
    )

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if (self.regenerate_path is None) != (self.regenerate_status_path is None):
            raise InvalidInput("regenerate_path and regenerate_status_path go together: set both, or neither")
        # The vendor's own hosts have a login host each; another host is assumed to have both.
        sso = self.sso_url or _SSO.get(self.base_url, f"{self.base_url}{_SSO_PATH}")
        object.__setattr__(self, "sso_url", check_base_url(sso, insecure=self.insecure))

    @property
    def account_id(self) -> str:
        """A name for the account at these hosts; no token can be derived from it."""
        who = self.handle or (self.user_token.reveal() if self.user_token else "")
        return self.digest(self.sso_url, self.org_id, who)

    def sign(self, request: Request, token: Secret | None) -> Request:
        """Add the user's token.

        https://docs.enriched-api.vayana.com (Integrating: headers)
        """
        # A short value of an extra header may be a word or a GSTIN, as in rows: it is not masked.
        extra = (value for value in self.extra_headers.values() if len(value.reveal()) > 15)
        own = (self.user_token, self.password, *extra)
        return with_secrets(request, {"X-FLYNN-N-USER-TOKEN": token}, unsent=own)

    # -- requests ----------------------------------------------------------------------------------------

    def enriched(self, path: str) -> str:
        """Return the path of an enriched call; a path with a leading slash is returned unchanged."""
        return path if path.startswith("/") else f"/enriched/gstn/{self.flynn_version}/{path}"

    def task_request(self, what: str, task_id: str, gstin: str) -> Request:
        """Return the request for the status or the result of a task. Raises `InvalidInput`."""
        if task_id in ("", ".", ".."):  # quoting does not change these, and they change the path
            raise InvalidInput(f"{task_id!r} is no task's name: pass the reference that the change returned")
        path = f"/enriched/tasks/{self.flynn_version}/{what}/{urllib.parse.quote(task_id, safe='')}"
        return self.request(what, "GET", path, gstin=gstin)

    def basic_request(self, operation: str, action: str, gstin: str, **query: str) -> Request:
        """Return the request for an action of GSTN's in the basic API."""
        path = f"/basic/gstn/{self.flynn_version}/taxpayerapi/{self.gstn_api_version}/returns/ims/{action}"
        return self.request(operation, "GET", path, gstin=gstin, query={"gstin": gstin, **query})

    def request(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        gstin: str,
        headers: Mapping[str, str] = NO_HEADERS,
        **facts: Any,
    ) -> Request:
        """Return a request with the headers of all requests except those to the SSO.

        The names of the last two are those that public clients of this API send: their page is not public.
        """
        ours = {
            "X-FLYNN-N-ORG-ID": self.org_id,
            "X-FLYNN-N-GSTIN": gstin,
            "X-FLYNN-N-GSTN-GSP-CODE": self.gsp_code,
            **headers,
        }
        facts = {"needs": Needs.ACCOUNT, **facts}
        request = json_request(operation, method, self.base_url + path, ours, **facts)
        theirs = {name: value.reveal() for name, value in self.extra_headers.items()}
        overridden = {name.lower() for name in theirs}
        kept = {name: value for name, value in request.headers.items() if name.lower() not in overridden}
        return attrs.evolve(request, headers={**kept, **theirs})

    # -- conversations -----------------------------------------------------------------------------------

    judge = staticmethod(answers.judge)
    authenticate = login.authenticate
    sign_out = login.sign_out
    request_otp = login.request_otp
    verify_otp = login.verify_otp
    refresh = login.refresh
    logout = login.logout
    save = tasks.save
    reset = tasks.reset
    status = tasks.status
    invoices = rows.begin
    prepared = rows.prepared
    part = rows.part
    regenerate = statements.regenerate
    gstr2b = statements.gstr2b
    filings = statements.filings

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
        request = self.basic_request("count", "GETCNT", gstin, goods_typ=word)
        none = Counts(total=0, goods_type=goods_type)
        return read(request, "data", none, lambda data: codec.read_counts(data, goods_type, "data"))

    def sales(
        self, gstin: str, year: int, month: int, section: SupplierSection, form: SourceForm
    ) -> Conversation[list[model.sales.SalesInvoice]]:
        """Fetch this supplier's documents of one return period, with the actions of their recipients.

        GST API documentation, "IMS - Get Supplier Invoices API" (action SUPVIEW)
        """
        word = self.return_types.get(form)
        if word is None:
            raise InvalidInput(f"form {form!r} has no supplier view; use SourceForm.GSTR1 or GSTR1A")
        period, name = return_period(year, month), self.supplier_section(section)
        request = self.basic_request("sales", "SUPVIEW", gstin, ret_period=period, section=name, rtn_typ=word)
        return read(request, "data", [], lambda data: codec.read_sales(data, form, "data"))

    def added_back_liabilities(
        self, gstin: str, year: int, month: int, section: SupplierSection
    ) -> Conversation[list[model.sales.AddedBackLiability]]:
        """Raise `NotSupported`: no page documents this."""
        raise NotSupported("this GSP documents no route to added-back liabilities; Sandbox does")
