"""The settings that all GSPs have, checks of single settings, and the form of their requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Literal

import attrs

from ..errors import InvalidInput
from ..model.secret import Secret
from ..model.vocabulary import SupplierSection
from .base import Request
from .http import check_base_url

NO_HEADERS: Final[Mapping[str, str]] = {}
Validator = Callable[[Any, "attrs.Attribute[Any]", Any], None]


def one_of(*allowed: str) -> Validator:
    """Check that a setting is one of these words."""

    def check(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if value not in allowed:
            raise InvalidInput(f"{field.name} {value!r} is unknown; use one of: {', '.join(allowed)}")

    return check


def whole_number(least: int, most: int | None = None) -> Validator:
    """Check that a setting is a whole number in these limits."""
    limits = f"of at least {least:,}" if most is None else f"from {least:,} to {most:,}"

    def check(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if type(value) is not int or value < least or (most is not None and value > most):
            raise InvalidInput(f"{field.name} {value!r} must be a whole number {limits}")

    return check


def secret(value: str | Secret | None, names: str) -> Secret | None:
    """Read a credential; None for one that is empty, such as an environment variable that is not set."""
    if not isinstance(value, str | Secret | None):
        raise InvalidInput(f"{names}, not {type(value).__name__}")
    return (Secret(value) or None) if value is not None else None


@attrs.frozen(eq=False, repr=False, kw_only=True)
class Settings:
    """The settings that all GSPs have. A `base_url` overrides `test`; `save_bytes` limits a save's body.

    `insecure=True` allows plain http to other hosts than loopback.
    """

    hosts: ClassVar[tuple[str, str]]
    """The base URLs of production and of the test host."""
    base_url: str = ""
    test: bool = False
    save_bytes: int = attrs.field(default=4_000_000, validator=whole_number(1))
    supplier_section_case: Literal["lower", "upper"] = attrs.field(
        default="lower", validator=one_of("lower", "upper")
    )
    insecure: bool = False

    def __attrs_post_init__(self) -> None:
        url = self.base_url or self.hosts[bool(self.test)]
        object.__setattr__(self, "base_url", check_base_url(url, insecure=self.insecure))

    def digest(self, *facts: str) -> str:
        """Return a name for the account at this host, from which no secret can be derived."""
        import hashlib

        return hashlib.sha256("\n".join((self.base_url, *facts)).encode()).hexdigest()[:16]

    def supplier_section(self, section: SupplierSection) -> str:
        """Spell a section of the supplier view."""
        return section.value.upper() if self.supplier_section_case == "upper" else section.value


def json_request(
    operation: str,
    method: str,
    url: str,
    headers: Mapping[str, str],
    *,
    body: bytes | Mapping[str, object] | None = None,
    **facts: Any,
) -> Request:
    """Return a request that asks for JSON, and may send it; `facts` are further attributes of `Request`."""
    if isinstance(body, Mapping):
        body = json.dumps(body).encode()
    form = {"accept": "application/json"} | ({} if body is None else {"content-type": "application/json"})
    return Request(
        operation=operation, method=method, url=url, headers={**form, **headers}, body=body, **facts
    )
