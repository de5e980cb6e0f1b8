"""The way of a request: read, routed to the API of its GSP, met by a fault that a test planned, logged."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from .records import LoggedRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .faults import Fault
    from .sessions import Session
    from .world import World

Answer = tuple[int, dict[str, str], bytes]
"""HTTP status, headers, body."""


class Refused(Exception):
    """The gateway refuses a request: an HTTP error with a message."""

    def __init__(self, status: int, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = status if code is None else code
        """The code in the body; in one documented case it is not the HTTP status."""


@dataclass(slots=True)
class Request:
    """A parsed request; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    session: Session | None = None
    gstin: str = ""
    """The taxpayer of the request, once it is known."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """The variable parts of the path."""

    @classmethod
    def of(cls, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Request:
        """Parse a request."""
        split = urlsplit(path)
        lowered = {name.lower(): value for name, value in headers.items()}
        query = dict(parse_qsl(split.query, keep_blank_values=True))
        return cls(method.upper(), unquote(split.path), query, lowered, body)

    def json(self) -> dict[str, Any]:
        """Read the body as a JSON object, with exact numbers; refuse anything else."""
        try:
            found = json.loads(self.body, parse_float=Decimal, parse_constant=_no_constant)
        except ValueError:
            raise Refused(400, "Request body is not readable JSON") from None
        if not isinstance(found, dict):
            raise Refused(400, "Request body is not a JSON object")
        return found

    def asked(self, name: str) -> str:
        """Return a required query parameter; refuse the request if it is missing."""
        value = self.query.get(name, "")
        if not value:
            raise Refused(400, f"Query parameter {name} is missing")
        return value


@dataclass(frozen=True, slots=True)
class Route:
    """An address; each API adds the credential that it requires."""

    method: str
    path: str
    """A pattern, to be matched in full; its named groups are the variable parts."""
    operation: str


R = TypeVar("R", bound=Route)


def find(routes: Iterable[R], request: Request, path: str) -> R | None:
    """Return the route of a request to `path`, and set the variable parts of the path in the request."""
    for route in routes:
        found = re.fullmatch(route.path, path)
        # The answer to a known address with another method is undocumented: it is treated as unknown.
        if found and route.method == request.method:
            request.parts = found.groupdict()
            return route
    return None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def write(content: Any) -> bytes:
    """Write JSON: a whole amount as an integer, any other as a decimal fraction."""
    return json.dumps(content, default=_number, separators=(",", ":")).encode()


def _number(value: object) -> float:
    if not isinstance(value, Decimal):
        raise TypeError(f"{value!r} cannot be written as JSON")
    return int(value) if value == value.to_integral_value() else float(value)


class Window:
    """Count requests per API key in fixed windows of 60 seconds; a window opens with its first request."""

    SECONDS = 60.0

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._windows: dict[str, tuple[float, int]] = {}

    def take(self, key: str, now: float) -> tuple[bool, dict[str, str]]:
        """Count one request if the limit allows it; return whether it does, and the rate limit headers.

        Without a limit there are none.
        """
        if self._limit is None:
            return True, {}
        start, used = self._windows.get(key, (now, 0))
        if now >= start + self.SECONDS:
            start, used = now, 0
        allowed = used < self._limit
        used += allowed
        self._windows[key] = (start, used)
        return allowed, {
            "X-RateLimit-Limit": str(self._limit),
            "X-RateLimit-Remaining": str(self._limit - used),
            "X-RateLimit-Reset": str(math.ceil(start + self.SECONDS)),
        }


class GspApi(Protocol[R]):
    """The API of one GSP over the simulator's world."""

    @property
    def routes(self) -> Sequence[R]:
        """All addresses."""
        ...

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The beginnings of the paths that belong to this API."""
        ...

    def recognise(self, request: Request) -> R | None:
        """Return the route of a request, and set the request's GSTIN."""
        ...

    def answer(self, route: R | None, request: Request) -> Answer:
        """Answer a request; its route is None if the address is unknown."""
        ...

    def refuse(self, route: R | None, request: Request, status: int) -> Answer:
        """Return this GSP's error with an HTTP status: a refusal of the caller, or an outage."""
        ...


ANY = "any"
"""Matches every operation."""


class Script:
    """The faults that a test planned for the next requests, in order."""

    def __init__(self) -> None:
        self._planned: list[tuple[str, str | None, Fault]] = []

    def plan(self, operation: str, fault: Fault, gstin: str | None = None) -> None:
        """Queue a fault for a request of an operation or `ANY`, and of one taxpayer or any."""
        self._planned.append((operation, gstin, fault))

    def take(self, operation: str, gstin: str) -> Fault | None:
        """Remove and return the first fault that matches such a request, or None."""
        for place, (wanted, whose, fault) in enumerate(self._planned):
            if wanted in {operation, ANY} and whose in {gstin, None}:
                del self._planned[place]
                return fault
        return None


class Router:
    """Pass each request to the first API that owns its path."""

    def __init__(self, world: World, apis: Sequence[GspApi[Any]]) -> None:
        self.script = Script()
        self.operations = sorted({route.operation for api in apis for route in api.routes} | {"unknown"})
        self._world = world
        self._apis = apis

    def check(self, operation: str) -> None:
        """Raise `ValueError` for an unknown operation; it names the known ones."""
        if operation not in self.operations:
            raise ValueError(f"No operation is called {operation!r}; there are {', '.join(self.operations)}.")

    def plan(self, operation: str, fault: Fault, gstin: str | None = None) -> None:
        """Queue a fault for the next request of an operation, or of any (`ANY`)."""
        if operation != ANY:
            self.check(operation)
        self.script.plan(operation, fault, gstin)

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Answer one HTTP request in memory, as `Simulator.handle` does."""
        answer, fault = self.receive(method, path, headers, body)
        if fault:
            fault.raise_in_memory()
        return answer

    def receive(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[Answer, Fault | None]:
        """Process one HTTP request; return the answer, and the fault to apply when it is sent."""
        self._world.settle()
        now = self._world.now()
        request = Request.of(method, path, headers, body)
        api = next(api for api in self._apis if request.path.startswith(api.prefixes))
        route = api.recognise(request)
        operation = route.operation if route else "unknown"
        fault = self.script.take(operation, request.gstin)
        answer = api.answer(route, request) if fault is None or fault.effect else (0, {}, b"")
        if fault:
            answer = _replaced(api, route, request, answer, fault, now)
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
                headers=request.headers,
                fault=str(fault or ""),
            )
        )
        return answer, fault


def _replaced(
    api: GspApi[R], route: R | None, request: Request, answer: Answer, fault: Fault, now: float
) -> Answer:
    if not fault.answered:
        return 0, {}, b""
    if fault.status is None:
        return answer
    if fault.content is not None:
        return fault.status, fault.headers_at(now), fault.content
    status, headers, content = api.refuse(route, request, fault.status)
    return status, {**headers, **fault.headers_at(now)}, content
