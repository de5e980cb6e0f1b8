"""Parse a large answer in short steps, so that it does not hold up the event loop."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

from .json import DEEPEST, PAUSE, Pause, Scanner

_STEP: Final = 4096  # characters between two pauses, where values are read one by one


class _Steps(Scanner):
    """A scanner that says when a pause is due."""

    paused = 0

    def due(self) -> bool:
        """Return whether enough was read since the last pause."""
        if self.at - self.paused < _STEP:
            return False
        self.paused = self.at
        return True


def parsing(body: bytes) -> Generator[Pause, Any, Any]:
    """Return what `parse_json` returns, in short steps; of two equal keys the last one counts here too.

    Raises any error of `SCAN`, or `RuntimeError`, for what is not JSON or may have too many levels: ask
    `parse_json` and `check_depth` then.
    """
    scanner = _Steps(body.decode("utf-8-sig"))
    scanner.levels = DEEPEST - 1
    (found,) = scanner.short_value() or ((yield from _long_value(scanner, 0)),)
    scanner.end()
    return found


def _long_value(scanner: _Steps, depth: int) -> Generator[Pause, Any, Any]:
    """Read an object member by member, an array by slices; it is so many levels below the whole."""
    if depth >= DEEPEST - 2:
        raise ValueError("there may be too many levels")
    within = DEEPEST - depth - 2  # one less than there may be: a scanner allows one more
    if scanner.begins("{"):
        facts: dict[str, Any] = {}
        for key in scanner.members():
            scanner.levels = within
            (facts[key],) = scanner.short_value() or ((yield from _long_value(scanner, depth + 1)),)
            if scanner.due():
                yield PAUSE
        return facts
    elements: list[Any] = []
    scanner.levels = within
    for found in scanner.slices():
        elements += found or scanner.short_value() or ((yield from _long_value(scanner, depth + 1)),)
        scanner.levels = within
        if scanner.due():
            yield PAUSE
    return elements
