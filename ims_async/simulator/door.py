"""The one way in, whichever the face: give answers that tests planned, and remember every request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from .face import Request, Route, Script
from .records import LoggedRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .face import Answer
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


class Door:
    """Hand each request to the first face whose address it is."""

    def __init__(self, world: World, faces: Sequence[Face[Any]]) -> None:
        self.script = Script()
        self._world = world
        self._faces = faces

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Answer one HTTP request; `path` includes the query string."""
        self._world.settle()
        now = self._world.now()
        request = Request.of(method, path, headers, body)
        face = next(face for face in self._faces if face.owns(request.path))
        route = face.recognise(request)
        operation = route.operation if route else "unknown"
        planned = self.script.take(operation)
        if planned and not planned.after:
            answer = planned.answer
        else:
            answer = face.answer(route, request)
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
                headers=request.headers,
            )
        )
        return answer
