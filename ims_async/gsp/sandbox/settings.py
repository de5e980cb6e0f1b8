"""The settings of Sandbox, with a check of each, and the requests that depend on them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final, Literal

import attrs

from ...errors import InvalidInput
from ...model.secret import Secret
from ...model.vocabulary import SupplierSection
from ..base import Needs, Request
from ..http import check_base_url

# https://developer.sandbox.co.in/guides/developer-resources/environments
PRODUCTION: Final = "https://api.sandbox.co.in"
TEST: Final = "https://test-api.sandbox.co.in"

TAXPAYER: Final = "/gst/compliance/tax-payer"


def _secret(value: str | Secret | None) -> Secret | None:
    if not isinstance(value, str | Secret | None):
        raise InvalidInput(f"api_secret is text, not {type(value).__name__}")
    return None if value is None else Secret(value)


def _key(value: object) -> Secret:
    """Read a key, for example from the environment; None gives an empty key."""
    return Secret(value if isinstance(value, str | Secret) else "")


@attrs.frozen(eq=False)
class Settings:
    """The settings; see `Sandbox` for their meaning."""

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
    def account_id(self) -> str:
        """A name for the account at this host; the key cannot be derived from it."""
        return hashlib.sha256(f"{self.base_url}\n{self.api_key.reveal()}".encode()).hexdigest()[:16]

    def supplier_section(self, section: SupplierSection) -> str:
        """Spell a section of the supplier view."""
        return section.value.upper() if self.supplier_section_case == "upper" else section.value

    def request(
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
        """Return a request with the common headers."""
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
