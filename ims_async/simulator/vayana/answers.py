"""The answers of EAS: its envelope, and its errors, which are keys with arguments.

https://docs.enriched-api.vayana.com
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..http import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..http import Request
    from ..rules import GstnError


class EasRefused(Refused):
    """EAS, or GSTN through it, refuses a request: a key, a type and arguments."""

    def __init__(
        self, status: int, key: str, kind: str = "ClientRequest", args: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(status, key)
        self.error: dict[str, Any] = {"message": key, "type": kind}
        if args:
            self.error["args"] = dict(args)


def envelope(data: Any = None, error: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Build the envelope of six keys; its status is a string."""
    rest = {"info": None, "additionalInfo": None, "alert": None}
    return {"status": "0" if error else "1", "data": data, "error": error, **rest}


def from_gstn(error: GstnError) -> EasRefused:
    """Build the answer to GSTN's own error, which EAS returns with HTTP status 502."""
    words = {"status-code": "0", "error-code": error.code, "message": error.message}
    return EasRefused(502, "err-gstn-returned-error", "Gstn", {"gstn-err": words})


def bad_gstin() -> EasRefused:
    """Build the error of a GSTIN that is missing or malformed."""
    return EasRefused(400, "err-invalid-gstin-format", args={"parameter-name": "gstin"})


def bad_parameter(name: str, kind: str = "ClientRequest") -> EasRefused:
    """Build the error of a parameter; it is documented for the login, with its own type, and used for all."""
    return EasRefused(400, "err-issue-with-parameter", kind, {"parameter-name": name})


def not_found(**args: str) -> EasRefused:
    """Build the error for something that does not exist; underscores in argument names become dashes."""
    named = {name.replace("_", "-"): value for name, value in args.items()}
    return EasRefused(404, "err-resource-not-found", "ResourceNotFound", named)


def read(request: Request, kind: str = "ClientRequest") -> dict[str, Any]:
    """Read the body as a JSON object."""
    try:
        return request.json()
    except Refused:
        raise bad_parameter("body", kind) from None


def text(body: Mapping[str, Any], name: str, kind: str = "ClientRequest") -> str:
    """Return a required string of a body or a query."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise bad_parameter(name, kind)
    return value
