"""Bind an object to one event loop: the first that uses it.

Futures, locks and sockets of one event loop cannot be awaited in another. asyncio detects some of that, with
a bare `RuntimeError`, and hangs on the rest; so it is checked before every call.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

from .errors import WrongEventLoop

C = TypeVar("C")
F = TypeVar("F", bound=Callable[..., Any])

_BINDING: Final = threading.Lock()
_DUNDERS: Final = frozenset({"__aenter__", "__aexit__", "__aiter__"})
_BY_THEMSELVES: Final[set[Callable[..., Any]]] = set()


class LoopOwner:
    """The event loop that owns an object; `loop` sets it in advance.

    With `movable` another loop may take over once the owner has stopped running: for an object that keeps no
    futures of a loop, and that two loops must not use at the same time.
    """

    def __init__(
        self, what: str, *, loop: asyncio.AbstractEventLoop | None = None, movable: bool = False
    ) -> None:
        self._what, self._loop, self._movable = what, loop, movable

    @property
    def runs(self) -> bool:
        """Whether the running event loop is the owner."""
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def check(self) -> None:
        """Make the running loop the owner if there is none yet. Raises `WrongEventLoop` in any other loop."""
        running = asyncio.get_running_loop()
        if self._loop is running:
            return
        with _BINDING:
            owner = self._loop
            if owner is None or (self._movable and not owner.is_running()):
                self._loop = running
                return
        if owner.is_closed():
            how = "was used in another event loop, which has ended: `asyncio.run` makes a new one each time"
        elif owner.is_running():
            how = "is in use in another event loop, which runs in another thread"
        else:
            how = "was used in another event loop before"
        raise WrongEventLoop(
            f"this {self._what} {how}. Each belongs to one event loop: run all of it in one "
            f"(`with asyncio.Runner() as runner: runner.run(…)`), or make one {self._what} for each loop. "
            "Nothing was done."
        )


def checks_by_itself(method: F) -> F:
    """Leave a coroutine of an `on_one_loop` class without the check, which it makes itself.

    For one in which very many callers wait at a time: the check would hold one more frame for each.
    """
    _BY_THEMSELVES.add(method)
    return method


def on_one_loop(cls: type[C]) -> type[C]:
    """Make all public coroutines and async iterators of a class check its `_loop_owner` first."""
    for name, member in list(vars(cls).items()):
        if name.startswith("_") and name not in _DUNDERS:
            continue
        if inspect.iscoroutinefunction(member):
            if member not in _BY_THEMSELVES:
                setattr(cls, name, _checked(member))
        elif inspect.isasyncgenfunction(member):
            setattr(cls, name, _checked_at_each_step(member))
    return cls


def _checked(method: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(method)
    async def checked(self: Any, *args: Any, **named: Any) -> Any:
        try:
            self._loop_owner.check()
            begun = method(self, *args, **named)
        finally:  # also if an argument is wrong
            del args, named  # an error report with local variables would show an OTP
        return await begun

    return checked


def _checked_at_each_step(method: Callable[..., Any]) -> Callable[..., AsyncGenerator[Any, Any]]:
    @functools.wraps(method)
    def checked(self: Any, *args: Any, **named: Any) -> AsyncGenerator[Any, Any]:
        return _Steps(method(self, *args, **named), self._loop_owner)

    return checked


class _Steps(AsyncGenerator[Any, Any]):
    """An async generator that checks the owner at each step."""

    def __init__(self, generator: AsyncGenerator[Any, Any], owner: LoopOwner) -> None:
        self._generator, self._owner = generator, owner

    def __anext__(self) -> Coroutine[Any, Any, Any]:
        # There may be very many steps: in its own loop a step makes no further coroutine.
        return self._generator.__anext__() if self._owner.runs else self.asend(None)

    async def asend(self, value: Any) -> Any:
        self._owner.check()
        return await self._generator.asend(value)

    async def athrow(self, *error: Any) -> Any:
        self._owner.check()
        return await self._generator.athrow(*error)

    async def aclose(self) -> None:
        self._owner.check()
        await self._generator.aclose()
