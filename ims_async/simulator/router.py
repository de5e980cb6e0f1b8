"""The one way in, whichever the face: let happen what tests planned, and remember every request."""

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


class Face(Protocol[R]):
    """One GSP's way of talking about the world."""

    def owns(self, path: str) -> bool:
        """Say whether addresses like this one are this face's."""
        ...

    def recognise(self, request: Request) -> R | None:
        """Find the route of a request, and whose request it is."""
        ...

    def answer(self, route: R | None, request: Request) -> Answer:
        """Answer a request, the route of which is None if the address is unknown."""
        ...

    def refuse(self, route: R | None, request: Request, status: int) -> Answer:
        """Say in this GSP's words that it cannot be done: the caller is refused, or all is down."""
        ...


class Door:
    """Hand each request to the first face whose address it is."""

    def __init__(self, world: World, faces: Sequence[Face[Any]]) -> None:
        self.script = Script()
        self._world = world
        self._faces = faces

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Answer one HTTP request in memory; `path` includes the query string.

        Raises `ConnectionResetError` or `TimeoutError` where a planned fault leaves no whole answer.
        """
        answer, fault = self.receive(method, path, headers, body)
        if fault:
            fault.raise_in_memory()
        return answer

    def receive(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[Answer, Fault | None]:
        """Take in one HTTP request; return the answer, and what shall go wrong on its way back."""
        self._world.settle()
        now = self._world.now()
        request = Request.of(method, path, headers, body)
        face = next(face for face in self._faces if face.owns(request.path))
        route = face.recognise(request)
        operation = route.operation if route else "unknown"
        fault = self.script.take(operation, request.gstin)
        answer = face.answer(route, request) if fault is None or fault.effect else (0, {}, b"")
        if fault:
            answer = _replaced(face, route, request, answer, fault, now)
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
    face: Face[R], route: R | None, request: Request, answer: Answer, fault: Fault, now: float
) -> Answer:
    if not fault.answered:
        return 0, {}, b""
    if fault.status is None:
        return answer
    if fault.content is not None:
        return fault.status, fault.told(now), fault.content
    status, headers, content = face.refuse(route, request, fault.status)
    return status, {**headers, **fault.told(now)}, content
