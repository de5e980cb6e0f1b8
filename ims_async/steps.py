"""Run what is computed in short steps: at once, or with the event loop going on in between."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Sequence
from typing import Any, Final, TypeVar

STEP: Final = 1000
"""So many items of a microsecond each are one step."""
_LONGEST_TURN: Final = 0.001  # seconds, before other tasks of the event loop have theirs
_FREED_AT_ONCE: Final = 2048  # items
_T = TypeVar("_T")

Steps = Generator[None, None, _T]
"""A computation that yields after each millisecond or so, and returns its result."""


def run(steps: Generator[object, None, _T]) -> _T:
    """Run all steps and return the result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: _T = end.value
            return result


async def run_async(steps: Generator[object, None, _T]) -> _T:
    """Run all steps and return the result; other tasks have their turn every few milliseconds.

    What takes one step only is done at once, whatever time that took: the order of calls is kept.
    """
    began: float | None = None
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: _T = end.value
            return result
        if began is None:
            began = time.monotonic()
        elif time.monotonic() - began > _LONGEST_TURN:
            await _NEXT_TURN
            began = time.monotonic()


class _NextTurn:
    """Awaited, it does what `asyncio.sleep(0)` does: modules that only compute need not import asyncio."""

    def __await__(self) -> Generator[None, None, None]:
        yield


_NEXT_TURN: Final = _NextTurn()


def sliced(items: Sequence[_T], size: int = STEP) -> Iterable[Sequence[_T]]:
    """Return the items in slices of so many, each made when it is its turn."""
    if len(items) <= size:
        return (items,) if items else ()
    return (items[start : start + size] for start in range(0, len(items), size))


def free(*collections: list[Any] | dict[Any, Any] | set[Any]) -> Iterable[None]:
    """Free the memory of what is no longer needed in pieces: 100,000 items at once take many milliseconds."""
    if sum(map(len, collections)) > _FREED_AT_ONCE:
        return _freed(collections)
    for items in collections:
        items.clear()
    return ()


def _freed(collections: Iterable[list[Any] | dict[Any, Any] | set[Any]]) -> Steps[None]:
    for items in collections:
        while items:
            if len(items) <= _FREED_AT_ONCE:
                items.clear()
            elif isinstance(items, list):
                del items[-_FREED_AT_ONCE:]
            elif isinstance(items, dict):
                for _ in range(_FREED_AT_ONCE):
                    items.popitem()
            else:
                for _ in range(_FREED_AT_ONCE):
                    items.pop()
            yield


async def free_async(*collections: list[Any] | dict[Any, Any] | set[Any]) -> None:
    """Do what `free` does; other tasks have their turn in between."""
    await run_async(_freed(collections))
