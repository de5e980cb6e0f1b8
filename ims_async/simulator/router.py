"""Route each request to the API of its GSP, apply the faults that a test planned, and log the request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from .http import Request, Route, Script
from .records import LoggedRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .faults import Fault
    from .http import Answer
    from .world import World

R = TypeVar("R", bound=Route)


class GspApi(Protocol[R]):
    """The API of one GSP over the simulator's world."""

    def owns(self, path: str) -> bool:
        """Return whether a path belongs to this API."""
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


class Router:
    """Pass each request to the first API that owns its path."""

    def __init__(self, world: World, apis: Sequence[GspApi[Any]]) -> None:
        self.script = Script()
        self._world = world
        self._apis = apis

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Answer one HTTP request in memory; `path` includes the query string.

        Raises `ConnectionResetError` or `TimeoutError` if a planned fault leaves no whole answer.
        """
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
        api = next(api for api in self._apis if api.owns(request.path))
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
