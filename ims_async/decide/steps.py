"""Run what is computed in short steps: at once, or with the event loop going on in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Iterator
from typing import Any, Final, TypeVar

_LONGEST_TURN: Final = 0.001  # seconds, before other tasks of the event loop have theirs
_FREED_AT_ONCE: Final = 2048  # items
_T = TypeVar("_T")

Steps = Generator[None, None, _T]
"""A computation that yields every few milliseconds, and returns its result."""


def run(steps: Steps[_T]) -> _T:
    """Run all steps and return the result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: _T = end.value
            return result


async def run_async(steps: Steps[_T]) -> _T:
    """Run all steps and return the result; other tasks have their turn every few milliseconds."""
    began = time.monotonic()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: _T = end.value
            return result
        if time.monotonic() - began > _LONGEST_TURN:
            await asyncio.sleep(0)
            began = time.monotonic()


def free(*collections: list[Any] | dict[Any, Any]) -> Iterator[None]:
    """Free the memory of what is no longer needed in pieces: 100,000 items at once take many milliseconds."""
    for items in collections:
        while items:
            if len(items) <= _FREED_AT_ONCE:
                items.clear()
            elif isinstance(items, list):
                del items[-_FREED_AT_ONCE:]
            else:
                for _ in range(_FREED_AT_ONCE):
                    items.popitem()
            yield
