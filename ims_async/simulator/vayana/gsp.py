"""The simulated API of Vayana: addresses, the credentials that they require, envelopes.

It has the enriched and the basic API, and the login of users; the real login is on another host.
https://docs.enriched-api.vayana.com
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

from ..fields import is_gstin
from ..http import Route, Window, find, write
from ..rules import OTHER_TAXPAYER, UNAUTHORIZED, GstnError
from ..sessions import Sessions
from . import basic, invoices, login, returns, session, tasks
from .answers import EasRefused, bad_gstin, envelope, from_gstn, not_found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..http import Answer, Request
    from ..rules import Rules
    from ..world import World

    Handler = Callable[["Vayana", Request], Any]

Caller = Literal["anyone", "user", "gstin", "taxpayer", "named taxpayer"]
"""The caller of an address: a user for no GSTIN, for one, or for a taxpayer with a session.

The query has to name a "named taxpayer" as well.
"""


@dataclass(frozen=True, slots=True)
class VayanaRoute(Route):
    """An address, its handler and the caller that it requires."""

    handler: Handler
    caller: Caller = "taxpayer"
    bare: bool = False
    """Whether data and errors are outside the envelope of six keys."""


SSO = "/theodore/apis/v1"
"""The base path of the login of users."""

_THEODORE = "/theodore/"  # the name of the service that users log in to
_TASKS = r"/enriched/tasks/v1\.0"
_TASK = "(?P<task>[^/]+)"
_ENRICHED = r"/enriched/gstn/v1\.0"
_BASIC = r"/basic/gstn/v1\.0"
_IMS = f"{_BASIC}/taxpayerapi/(?P<api>[^/]+)/returns/ims"
_PUBLIC = r"/commonapi/[^/]+/returns"
_V3 = "/basic/gstn/v3.0/taxpayerapi/"


def _session_routes() -> Iterator[VayanaRoute]:
    for version, refresh in (("3", session.renew), ("1", session.extend)):
        for action, operation, handler in (
            ("OTPREQUEST", "otp", session.request_otp),
            ("AUTHTOKEN", "verify", session.verify_otp),
            ("REFRESHTOKEN", "refresh", refresh),
            ("LOGOUT", "logout", session.log_out),
        ):
            path = rf"/basic/gstn/v{version}\.0/taxpayerapi/(?P<api>[^/]+)/authenticate/{action}"
            yield VayanaRoute("POST", path, operation, handler, "gstin", bare=version == "1")


ROUTES = (
    VayanaRoute("POST", f"{SSO}/authtokens", "authenticate", login.log_in, "anyone", bare=True),
    VayanaRoute("PUT", f"{SSO}/authtokens", "account_refresh", login.refresh, "anyone", bare=True),
    VayanaRoute("POST", f"{SSO}/logout", "account_logout", login.log_out, "anyone", bare=True),
    *_session_routes(),
    VayanaRoute(
        "PUT", f"{_ENRICHED}/ims-invoice-status-update", "save", partial(invoices.submit, kind="save")
    ),
    VayanaRoute(
        "PUT", f"{_ENRICHED}/ims-invoice-status-reset", "reset", partial(invoices.submit, kind="reset")
    ),
    VayanaRoute("GET", f"{_ENRICHED}/ims-invoices", "invoices", invoices.download),
    VayanaRoute("GET", f"{_TASKS}/status/{_TASK}", "status", tasks.status, "user"),
    VayanaRoute("GET", f"{_TASKS}/result/{_TASK}", "result", tasks.result, "user"),
    VayanaRoute("GET", f"{_TASKS}/result/{_TASK}/page/(?P<page>[0-9]+)", "page", tasks.page, "user"),
    VayanaRoute("GET", f"{_IMS}/GETCNT", "count", basic.count, "named taxpayer"),
    VayanaRoute("GET", f"{_IMS}/REQSTS", "reference", basic.reference, "named taxpayer"),
    VayanaRoute("GET", f"{_IMS}/GETINV", "getinv", basic.invoices, "named taxpayer"),
    VayanaRoute("GET", f"{_IMS}/FILEDET", "filedet", basic.file_details, "named taxpayer"),
    VayanaRoute("GET", f"{_IMS}/SUPVIEW", "sales", basic.sales, "named taxpayer"),
    VayanaRoute("GET", f"{_BASIC}/taxpayerapi-doc/(?P<file>[^/]+)", "file", basic.download),
    VayanaRoute("GET", f"{_BASIC}/taxpayerapi/(?P<api>[^/]+)/returns", "gstr2b", returns.fetch),
    VayanaRoute("GET", rf"/basic/gstn/v3\.0{_PUBLIC}", "track", returns.track, "user"),
    VayanaRoute("GET", f"{_BASIC}{_PUBLIC}/(?P<named>[^/]+)", "track", returns.track_v1, "user", bare=True),
    VayanaRoute("GET", f"{_BASIC}{_PUBLIC}", "preference", returns.preference, "user"),
)
"""All addresses; for v3.0 with the header `action` as the last part of the path."""


def _undocumented(rules: Rules) -> Iterator[VayanaRoute]:
    """Return the addresses of the settings `vayana_regenerate_path` and `vayana_regeneration_path`."""
    if rules.vayana_regenerate_path:
        for method in ("PUT", "POST"):
            path = re.escape(rules.vayana_regenerate_path.partition("?")[0])
            yield VayanaRoute(method, path, "regenerate", returns.regenerate)
    if rules.vayana_regeneration_path:
        path = re.escape(rules.vayana_regeneration_path.partition("?")[0])
        yield VayanaRoute("GET", path, "regeneration", returns.status)


_JSON = {"Content-Type": "application/json"}
_WORDS = {
    400: ("err-issue-with-parameter", "ClientRequest"),
    401: ("err-active-tokens-limit-exceeded", "Authorization"),  # the only key documented with 401
    403: ("err-expired-token", "Authorization"),
    429: ("err-too-many-requests", "ClientRequest"),
}


class Vayana:
    """Answer HTTP requests as Vayana's documents describe; it has the state of Vayana's gateway (EAS)."""

    prefixes = ("/enriched/", "/basic/", _THEODORE)

    def __init__(self, world: World) -> None:
        self.world = world
        self.rules = world.rules
        self.users = Sessions(world.now)
        """The tokens of the one user."""
        self.tasks = tasks.Tasks()
        self.bundles: dict[str, basic.Bundle] = {}
        """The large answers, by token."""
        self._undocumented = tuple(_undocumented(world.rules))
        self.routes = (*ROUTES, *self._undocumented)
        self._window = Window(world.rules.rate_limit)

    def recognise(self, request: Request) -> VayanaRoute | None:
        """Return the route of a request, and set the request's GSTIN from its headers or its task."""
        path = request.path
        if path.startswith(_V3):
            path += "/" + request.headers.get("action", "")
        route = find(self._undocumented, request, path)
        if route is None or (request.method == "GET" and "int_tran_id" not in request.query):
            route = find(ROUTES, request, path)  # the status may have the address of the statement
        task = self.tasks.find(request.parts.get("task", ""))
        request.gstin = task.gstin if task else request.headers.get("x-flynn-n-gstin", "")
        return route

    def answer(self, route: VayanaRoute | None, request: Request) -> Answer:
        """Answer a request, in the envelope of six keys or bare."""
        bare = _is_bare(route, request)
        try:
            data = self._data(route, request)
        except (GstnError, EasRefused) as error:
            return _error_answer(error, bare=bare)
        if route and route.operation == "status":
            bare = self.rules.task_shape == "nested"
        return 200, dict(_JSON), write({"data": data} if bare else envelope(data))

    def refuse(self, route: VayanaRoute | None, request: Request, status: int) -> Answer:
        """Return EAS's error with this status; the keys for outages are undocumented, these are our own."""
        phrase = HTTPStatus(status).phrase.lower().replace(" ", "-")
        key, kind = _WORDS.get(status, (f"err-{phrase}", "Runtime"))
        return _error_answer(EasRefused(status, key, kind), bare=_is_bare(route, request))

    def _data(self, route: VayanaRoute | None, request: Request) -> Any:
        if not request.path.startswith(_THEODORE):
            self._count(request)
        if route is None:
            raise not_found()
        if route.caller != "anyone":
            self._admit_user(request)
        if route.caller not in {"anyone", "user"}:
            self._admit_taxpayer(route, request)
        return route.handler(self, request)

    def _count(self, request: Request) -> None:
        # This GSP documents no rate limit: the answer has no headers for it, and the key is our own.
        org_id = request.headers.get("x-flynn-n-org-id", "")
        if not self._window.take(org_id, self.world.now())[0]:
            raise EasRefused(429, "err-too-many-requests")

    def _admit_user(self, request: Request) -> None:
        headers = request.headers
        if headers.get("x-flynn-n-org-id") != self.rules.org_id:
            raise EasRefused(403, "err-invalid-org", "Authorization")
        login.admit(self, headers.get("x-flynn-n-user-token", ""))
        accepted = headers.get("accept", "").lower().split(",")
        if not any(kind.partition(";")[0].strip() == "application/json" for kind in accepted):
            wanted = {"content-type": "application/json"}
            raise EasRefused(400, "err-content-type-not-set-correctly", args=wanted)

    def _admit_taxpayer(self, route: VayanaRoute, request: Request) -> None:
        if not is_gstin(request.gstin):
            raise bad_gstin()
        version = request.parts.get("api")
        if version is not None and not re.fullmatch(r"v[0-9]+\.[0-9]+", version):
            raise EasRefused(400, "err-invalid-gst-returns-api-version", args={"version": version})
        if route.caller != "gstin" and not self.world.sessions.live(request.gstin):
            raise GstnError(*UNAUTHORIZED)
        if route.caller == "named taxpayer":
            named = request.query.get("gstin")
            if not is_gstin(named):
                raise bad_gstin()
            if named != request.gstin:
                raise GstnError(*OTHER_TAXPAYER)


def _is_bare(route: VayanaRoute | None, request: Request) -> bool:
    return request.path.startswith(_THEODORE) if route is None else route.bare


def _error_answer(error: GstnError | EasRefused, *, bare: bool) -> Answer:
    refusal = from_gstn(error) if isinstance(error, GstnError) else error
    content = {"error": refusal.error} if bare else envelope(error=refusal.error)
    return refusal.status, dict(_JSON), write(content)
