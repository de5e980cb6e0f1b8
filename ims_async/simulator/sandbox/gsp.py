"""The simulated API of Sandbox: addresses, the credentials that they require, envelopes and errors.

https://developer.sandbox.co.in/api-reference/gst/compliance/guides/taxpayer/invoice-management-system/overview
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

from ..http import Refused, Route, Window, find, write
from ..rules import GstnError
from . import auth, canned, invoices, returns

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..http import Answer, Request
    from ..world import World


Caller = Literal["anyone", "account", "taxpayer"]
"""The token that an address requires."""


@dataclass(frozen=True, slots=True)
class SandboxRoute(Route):
    """An address, its handler and the credential that it requires."""

    handler: Callable[[World, Request], dict[str, Any]]
    caller: Caller = "taxpayer"
    versioned: bool = False
    """Whether the header `x-api-version` is required."""
    text_stamp: bool = False
    """Whether the timestamp of the answer is text, as in the one example of it."""


_BASE = "/gst/compliance/tax-payer"
_LIABILITIES = f"{_BASE}/invoices/added-back-liabilities"
_GSTRS = f"{_BASE}/gstrs"
_GSTR2B = f"{_GSTRS}/gstr-2b"
_MONTH = r"(?P<year>[^/]+)/(?P<month>[^/]+)"


ROUTES = (
    SandboxRoute("POST", "/authenticate", "authenticate", auth.authenticate, "anyone"),
    SandboxRoute("POST", f"{_BASE}/otp", "otp", auth.send_otp, "account"),
    SandboxRoute("POST", f"{_BASE}/otp/verify", "verify", auth.verify_otp, "account"),
    SandboxRoute("POST", f"{_BASE}/session/refresh", "refresh", auth.refresh),
    SandboxRoute("POST", f"{_BASE}/logout", "logout", auth.logout),
    SandboxRoute("GET", f"{_BASE}/invoices/count", "count", invoices.count),
    SandboxRoute("GET", f"{_BASE}/invoices", "invoices", invoices.listing),
    SandboxRoute("POST", f"{_BASE}/invoices/status/save", "save", partial(invoices.submit, kind="save")),
    SandboxRoute("POST", f"{_BASE}/invoices/status/reset", "reset", partial(invoices.submit, kind="reset")),
    SandboxRoute("GET", f"{_BASE}/invoices/status", "status", invoices.status),
    SandboxRoute("GET", f"{_LIABILITIES}/{_MONTH}", "added_back", invoices.added_back, versioned=True),
    SandboxRoute("GET", f"{_BASE}/invoices/{_MONTH}/sales", "sales", invoices.sales, versioned=True),
    SandboxRoute("POST", f"{_GSTR2B}/{_MONTH}/regenerate", "regenerate", returns.regenerate),
    SandboxRoute("GET", f"{_GSTR2B}/regenerate", "regeneration", returns.status),
    SandboxRoute("GET", f"{_GSTR2B}/{_MONTH}", "gstr2b", returns.fetch),
    SandboxRoute("GET", f"{_GSTRS}/{_MONTH}/track", "track", returns.track),
    SandboxRoute("GET", f"{_GSTRS}/preference", "preference", returns.preference, text_stamp=True),
)
"""All addresses."""

_WORDS = {403: "Access token expired", 504: "Endpoint request timed out"}


class Sandbox:
    """Answer HTTP requests as Sandbox's documents describe."""

    routes = ROUTES
    prefixes = ("",)  # every path that no other API owns belongs to this one

    def __init__(self, world: World) -> None:
        self._world = world
        self._window = Window(world.rules.rate_limit)

    def recognise(self, request: Request) -> SandboxRoute | None:
        """Return the route of a request, and set the request's session and GSTIN."""
        # The header is the raw token: with a `Bearer` prefix the token is unknown.
        request.session = self._world.sessions.find(request.headers.get("authorization", ""))
        request.gstin = request.session.gstin if request.session else ""
        return find(ROUTES, request, request.path)

    def answer(self, route: SandboxRoute | None, request: Request) -> Answer:
        """Answer a request in the gateway's envelope."""
        headers: dict[str, str] = {}
        try:
            allowed, headers = self._window.take(request.headers.get("x-api-key", ""), self._world.now())
            if not allowed:
                raise Refused(429, "Too Many Requests")
            text = route is not None and route.text_stamp
            content = {"code": 200, "data": self._data(route, request)}
            return self._envelope(200, content, headers, text_stamp=text)
        except GstnError as error:
            data = {"status_cd": "0", "error": {"error_cd": error.code, "message": error.message}}
            return self._envelope(200, {"code": 200, "data": data}, headers)
        except Refused as refusal:
            content = {"code": refusal.code, "message": refusal.message}
            return self._envelope(refusal.status, content, headers)

    def refuse(self, route: SandboxRoute | None, request: Request, status: int) -> Answer:
        """Return the gateway's error with this status."""
        words = _WORDS.get(status) or HTTPStatus(status).phrase
        return self._envelope(status, {"code": status, "message": words}, {})

    def _envelope(
        self, status: int, content: dict[str, Any], headers: dict[str, str], *, text_stamp: bool = False
    ) -> Answer:
        milliseconds = int(self._world.now() * 1000)
        stamp = {"timestamp": str(milliseconds) if text_stamp else milliseconds}
        stamp |= {"transaction_id": self._world.draw_uuid()}
        return status, {"Content-Type": "application/json", **headers}, write({**content, **stamp})

    def _data(self, route: SandboxRoute | None, request: Request) -> dict[str, Any]:
        if route is None:
            raise Refused(404, "Not Found")
        self._admit(route, request)
        if self._world.rules.canned:
            return canned.data(route.operation, request)
        return route.handler(self._world, request)

    def _admit(self, route: SandboxRoute, request: Request) -> None:
        if request.headers.get("x-api-key") != self._world.rules.api_key:
            raise Refused(401, "Unauthorized")
        if self._world.rules.canned:
            return  # every token is accepted
        if route.caller != "anyone":
            session = request.session
            if session is None or session.ended:
                raise Refused(403, "Invalid access token")
            if session.expires_at <= self._world.now():
                raise Refused(403, "Access token expired")
            if (route.caller == "taxpayer") != bool(session.gstin):
                raise Refused(403, "Insufficient privilege")
        if route.versioned and not request.headers.get("x-api-version"):
            raise Refused(400, "Header x-api-version is missing")
