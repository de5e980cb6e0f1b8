"""The face of Sandbox over the world: addresses, who may call them, envelopes and errors.

https://developer.sandbox.co.in/api-reference/gst/compliance/guides/taxpayer/invoice-management-system/overview
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from . import sandbox_auth as auth
from . import sandbox_invoices as invoices
from .face import Refused, Request, Script, Window, write
from .records import LoggedRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .face import Answer
    from .world import World


Caller = Literal["anyone", "account", "taxpayer"]
"""Whose token an address asks for."""


@dataclass(frozen=True, slots=True)
class Route:
    """An address and what it takes to call it."""

    method: str
    path: re.Pattern[str]
    operation: str
    handler: Callable[[World, Request], dict[str, Any]]
    caller: Caller = "taxpayer"
    versioned: bool = False
    """Whether `x-api-version` must be there."""


_BASE = "/gst/compliance/tax-payer"
_MONTH = r"(?P<year>[^/]+)/(?P<month>[^/]+)"


def _route(
    method: str,
    path: str,
    operation: str,
    handler: Callable[[World, Request], dict[str, Any]],
    caller: Caller = "taxpayer",
    *,
    versioned: bool = False,
) -> Route:
    return Route(method, re.compile(path), operation, handler, caller, versioned)


ROUTES = (
    _route("POST", "/authenticate", "authenticate", auth.authenticate, "anyone"),
    _route("POST", f"{_BASE}/otp", "otp", auth.send_otp, "account"),
    _route("POST", f"{_BASE}/otp/verify", "verify", auth.verify_otp, "account"),
    _route("POST", f"{_BASE}/session/refresh", "refresh", auth.refresh),
    _route("POST", f"{_BASE}/logout", "logout", auth.logout),
    _route("GET", f"{_BASE}/invoices/count", "count", invoices.count),
    _route("GET", f"{_BASE}/invoices", "invoices", invoices.listing),
    _route("POST", f"{_BASE}/invoices/status/save", "save", invoices.save),
    _route("POST", f"{_BASE}/invoices/status/reset", "reset", invoices.reset),
    _route("GET", f"{_BASE}/invoices/status", "status", invoices.status),
    _route(
        "GET",
        f"{_BASE}/invoices/added-back-liabilities/{_MONTH}",
        "added_back",
        invoices.added_back,
        versioned=True,
    ),
    _route("GET", f"{_BASE}/invoices/{_MONTH}/sales", "sales", invoices.sales, versioned=True),
)
"""The twelve addresses."""


class Sandbox:
    """Answer HTTP requests as Sandbox documents it."""

    def __init__(self, world: World) -> None:
        self.script = Script()
        self._world = world
        limit = world.rules.rate_limit
        self._window = Window(limit) if limit is not None else None

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Answer one HTTP request; `path` includes the query string."""
        self._world.settle()
        now = self._world.now()
        request = Request.of(method, path, headers, body)
        # The raw token: with a `Bearer` in front it is another string, and unknown.
        request.session = self._world.sessions.find(request.headers.get("authorization", ""))
        request.gstin = request.session.gstin if request.session else ""
        route = _find(request)
        operation = route.operation if route else "unknown"
        planned = self.script.take(operation)
        if planned and not planned.after:
            answer = planned.answer
        else:
            answer = self._answer(route, request, now)
            answer = planned.answer if planned else answer
        self._world.requests.append(
            LoggedRequest(
                at=now,
                method=request.method,
                path=request.path,
                query=request.query,
                gstin=request.gstin,
                status=answer[0],
                body_size=len(body),
                operation=operation,
            )
        )
        return answer

    def _answer(self, route: Route | None, request: Request, now: float) -> Answer:
        headers = {"Content-Type": "application/json"}
        try:
            if self._window:
                allowed, told = self._window.take(request.headers.get("x-api-key", ""), now)
                headers |= told
                if not allowed:
                    raise Refused(429, "Too Many Requests")
            content: dict[str, Any] = {"code": 200, "data": self._data(route, request)}
            status = 200
        except Refused as refusal:
            content = {"code": refusal.code, "message": refusal.message}
            status = refusal.status
        content |= {"timestamp": int(now * 1000), "transaction_id": self._world.transaction_id()}
        return status, headers, write(content)

    def _data(self, route: Route | None, request: Request) -> dict[str, Any]:
        if route is None:
            raise Refused(404, "Not Found")
        self._admit(route, request)
        return route.handler(self._world, request)

    def _admit(self, route: Route, request: Request) -> None:
        if request.headers.get("x-api-key") != self._world.rules.api_key:
            raise Refused(401, "Unauthorized")
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


def _find(request: Request) -> Route | None:
    for route in ROUTES:
        found = route.path.fullmatch(request.path)
        # A known address with another method is undocumented; it is as unknown as any.
        if found and route.method == request.method:
            request.parts = found.groupdict()
            return route
    return None
