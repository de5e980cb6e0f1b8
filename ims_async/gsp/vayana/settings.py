"""The settings of Vayana, with a check of each, and the headers that depend on them.

https://docs.enriched-api.vayana.com (Integrating; Onboarding)
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import urllib.parse
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, Literal, TypeVar

import attrs

from ...errors import InvalidInput
from ...model.secret import Secret
from ...model.vocabulary import GoodsType, SourceForm
from ..base import Needs, Request
from ..http import check_base_url

K = TypeVar("K", bound=StrEnum)

KIND: Final = "vayana"  # the name of this GSP in job tokens

# https://docs.enriched-api.vayana.com (Integrating: environments; Onboarding: SSO)
PRODUCTION: Final = "https://live.enriched-api.vayana.com"
TEST: Final = "https://solo.enriched-api.vayana.com"
SSO_PRODUCTION: Final = "https://services.vayana.com/theodore/apis/v1"
SSO_TEST: Final = "https://sandbox.services.vayananet.com/theodore/apis/v1"
_SSO_PATH: Final = "/theodore/apis/v1"


def _secret(value: str | Secret | None) -> Secret | None:
    if not isinstance(value, str | Secret | None):
        raise InvalidInput(f"user_token and password are text, not {type(value).__name__}")
    return (Secret(value) or None) if value is not None else None


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


@attrs.frozen(eq=False)
class Settings:
    """The settings; see `Vayana` for their meaning."""

    org_id: str
    user_token: Secret | None = attrs.field(default=None, converter=_secret)
    handle: str | None = attrs.field(default=None, kw_only=True)
    password: Secret | None = attrs.field(default=None, kw_only=True, converter=_secret)
    handle_type: Literal["email", "mobile"] = attrs.field(default="email", kw_only=True)
    base_url: str = attrs.field(default="", kw_only=True)
    sso_url: str = attrs.field(default="", kw_only=True)
    test: bool = attrs.field(default=False, kw_only=True)
    extra_headers: Mapping[str, Secret] = attrs.field(
        factory=dict, kw_only=True, converter=_headers, repr=lambda headers: repr(sorted(headers))
    )
    gsp_code: str = attrs.field(default="vay", kw_only=True)
    token_minutes: int = attrs.field(default=20, kw_only=True)
    flynn_version: str = attrs.field(default="v1.0", kw_only=True)
    gstn_api_version: str = attrs.field(default="v0.3", kw_only=True)
    auth_version: Literal["v3.0", "v1.0"] = attrs.field(default="v3.0", kw_only=True)
    auth_gstn_api_version: str = attrs.field(default="v0.2", kw_only=True)
    logout_action: str | None = attrs.field(default="LOGOUT", kw_only=True)
    save_method: Literal["PUT", "POST"] = attrs.field(default="PUT", kw_only=True)
    save_path: str = attrs.field(default="ims-invoice-status-update", kw_only=True)
    save_bytes: int = attrs.field(default=4_000_000, kw_only=True)
    page_base: int = attrs.field(default=0, kw_only=True)
    downloads: Literal["enriched", "basic"] = attrs.field(default="enriched", kw_only=True)
    section_names: Literal["short", "long"] = attrs.field(default="short", kw_only=True)
    goods_types: Mapping[GoodsType, str] = attrs.field(factory=dict, kw_only=True, converter=_goods_types)
    supplier_section_case: Literal["lower", "upper"] = attrs.field(default="upper", kw_only=True)
    return_types: Mapping[SourceForm, str] = attrs.field(
        factory=dict,
        kw_only=True,
        converter=_return_types,
    )
    insecure: bool = attrs.field(default=False, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if not _fits_a_header(self.org_id):
            raise InvalidInput(
                "org_id is empty or not text: it is data.associatedOrgs[].organisation.id of the SSO login"
            )
        if self.user_token is not None and not self.user_token.printable:
            raise InvalidInput("user_token holds what is no printable text: a line break, say")
        if not isinstance(self.handle, str | None) or not (self.handle or "").isprintable():
            raise InvalidInput(
                f"handle is text, an e-mail address or a mobile number, not {self.handle!r:.60}"
            )
        if bool(self.handle) != (self.password is not None):
            raise InvalidInput("handle and password go together: pass both, or a user_token")
        _check_settings(self)
        base = check_base_url(self.base_url or (TEST if self.test else PRODUCTION), insecure=self.insecure)
        # The vendor's own hosts have a login host each; another host is assumed to have both.
        sso = self.sso_url or {PRODUCTION: SSO_PRODUCTION, TEST: SSO_TEST}.get(base, f"{base}{_SSO_PATH}")
        object.__setattr__(self, "base_url", base)
        object.__setattr__(self, "sso_url", check_base_url(sso, insecure=self.insecure))

    @property
    def account_id(self) -> str:
        """A name for the account at these hosts; no token can be derived from it."""
        who = self.handle or (self.user_token.reveal() if self.user_token else "")
        facts = f"{self.base_url}\n{self.sso_url}\n{self.org_id}\n{who}"
        return hashlib.sha256(facts.encode()).hexdigest()[:16]

    def enriched(self, path: str) -> str:
        """Return the path of an enriched call; a path with a leading slash is returned unchanged."""
        if path.startswith("/"):
            return path
        return f"/enriched/gstn/{self.flynn_version}/{path}"

    def basic(self, action: str) -> str:
        """Return the path of an action of GSTN's in the basic API."""
        return f"/basic/gstn/{self.flynn_version}/taxpayerapi/{self.gstn_api_version}/returns/ims/{action}"

    def task_request(self, operation: str, what: str, task_id: str, gstin: str) -> Request:
        """Return the request for the status, the result or a page of a task. Raises `InvalidInput`."""
        if task_id in ("", ".", ".."):  # quoting does not change these, and they change the path
            raise InvalidInput(f"{task_id!r} is no task's name: pass the reference that the change returned")
        path = f"/enriched/tasks/{self.flynn_version}/{what}/{urllib.parse.quote(task_id, safe='')}"
        return self.request(operation, "GET", path, gstin=gstin)

    def request(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        gstin: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Request:
        """Return a request with the headers of all requests except those to the SSO.

        The names of the last two are those that public clients of this API send: their page is not public.
        """
        ours = {
            "accept": "application/json",
            "X-FLYNN-N-ORG-ID": self.org_id,
            "X-FLYNN-N-GSTIN": gstin,
            "X-FLYNN-N-GSTN-GSP-CODE": self.gsp_code,
            **(headers or {}),
        }
        if body is not None:
            ours["content-type"] = "application/json"
        theirs = {name.lower() for name in self.extra_headers}
        kept = {name: value for name, value in ours.items() if name.lower() not in theirs}
        return Request(
            operation=operation,
            method=method,
            url=self.base_url + path,
            query=query or {},
            headers={**kept, **{name: value.reveal() for name, value in self.extra_headers.items()}},
            body=body,
            needs=Needs.ACCOUNT,
        )

    @property
    def secret_headers(self) -> tuple[Secret, ...]:
        """The long values of the extra headers; a short one may be a word or a GSTIN, as in rows."""
        return tuple(value for value in self.extra_headers.values() if len(value.reveal()) > 15)


_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "handle_type": ("email", "mobile"),
    "auth_version": ("v3.0", "v1.0"),
    "save_method": ("PUT", "POST"),
    "downloads": ("enriched", "basic"),
    "section_names": ("short", "long"),
    "supplier_section_case": ("lower", "upper"),
}
_PATH: Final = re.compile(r"[A-Za-z0-9/._~-]+")
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def _check_settings(gsp: Settings) -> None:
    for name, allowed in _CHOICES.items():
        if getattr(gsp, name) not in allowed:
            raise InvalidInput(f"{name} {getattr(gsp, name)!r} is unknown; use one of: {', '.join(allowed)}")
    for name, least, most in (
        ("token_minutes", 20, 360),
        ("save_bytes", 1, 4 * 1024 * 1024),  # documented as "4MB": the default is the smaller meaning
        ("page_base", 0, 1),
    ):
        value = getattr(gsp, name)
        if type(value) is not int or not least <= value <= most:
            raise InvalidInput(f"{name} {value!r} must be a whole number from {least:,} to {most:,}")
    for name in ("gsp_code", "flynn_version", "gstn_api_version", "auth_gstn_api_version", "save_path"):
        text = getattr(gsp, name)
        whole = _fits_a_header(text) and _PATH.fullmatch(text)
        if not whole or {"", ".", ".."} & {*text.strip("/").split("/")}:
            raise InvalidInput(f"{name} {text!r:.60} is not usable: it is part of a path or a header")
    if gsp.logout_action is not None and not _fits_a_header(gsp.logout_action):
        raise InvalidInput(f"logout_action {gsp.logout_action!r:.60} is no word: pass one, or None")
    for header, value in gsp.extra_headers.items():
        if str(header).lower() == "x-flynn-n-user-token":
            raise InvalidInput(f"extra_headers: {header} is what user_token is for")
        if not (
            isinstance(header, str) and _HEADER_NAME.fullmatch(header) and _fits_a_header(value.reveal())
        ):
            raise InvalidInput(f"extra_headers: {header!r} or its value is not fit for a header")


def _fits_a_header(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable() and value.isascii()
