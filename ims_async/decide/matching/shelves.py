"""Find the documents of the books that a record may be: by a key, and by an amount or a day near its own."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Final

from .documents import STEP

MANY: Final = 64  # documents that are looked at one by one; of more, only those near in amount or day
_SORTED_AT_ONCE: Final = 4096


class Shelves:
    """Places by their keys; those of one key can be narrowed down to a range of values.

    A key that has one place only, as most have, needs no list of its own.
    """

    def __init__(self, values: Callable[[int], int]) -> None:
        self._values = values
        self._shelves: dict[Hashable, int | list[int]] = {}
        self._sorted: dict[Hashable, list[int]] = {}
        self._crowds: dict[tuple[Hashable, int, int], tuple[int, ...]] = {}

    def put(self, key: Hashable, place: int) -> None:
        """Add a place."""
        there = self._shelves.setdefault(key, place)
        if isinstance(there, list):
            there.append(place)
        elif there != place:
            self._shelves[key] = [there, place]

    def ready(self) -> Iterator[None]:
        """Sort what has too many places to be looked at one by one; yield between the steps."""
        for count, (key, shelf) in enumerate(self._shelves.items()):
            if not count % (STEP * 16):
                yield
            if isinstance(shelf, list) and len(shelf) > MANY:
                yield from sort(shelf, self._values)
                self._sorted[key] = [*map(self._values, shelf)]
                yield

    def near(self, key: Hashable, least: int, most: int) -> Sequence[int]:
        """Return the places of a key: all if they are few, else those with a value from `least` to `most`.

        If these too are many, it is one tuple, the same for all who ask for them.
        """
        shelf = self._shelves.get(key)
        if shelf is None:
            return ()
        if not isinstance(shelf, list):
            return (shelf,)
        if len(shelf) <= MANY:
            return shelf
        values = self._sorted[key]
        start, end = bisect_left(values, least), bisect_right(values, most)
        if end - start <= MANY:
            return shelf[start:end]
        crowd = self._crowds.get((key, start, end))
        if crowd is None:
            crowd = self._crowds[key, start, end] = tuple(shelf[start:end])
        return crowd


class Values:
    """How many documents of a key have a value within a range."""

    def __init__(self) -> None:
        self._values: dict[Hashable, list[int]] = {}

    def put(self, key: Hashable, value: int) -> None:
        """Add a value."""
        self._values.setdefault(key, []).append(value)

    def ready(self) -> Iterator[None]:
        """Sort the values of each key; yield between the steps."""
        for count, values in enumerate(self._values.values()):
            if not count % STEP:
                yield
            yield from sort(values)

    def only(self, key: Hashable, least: int, most: int) -> int | None:
        """Return the value within a range if there is exactly one."""
        values = self._values.get(key, ())
        start = bisect_left(values, least)
        return values[start] if bisect_right(values, most, start) - start == 1 else None


def sort(items: list[int], key: Callable[[int], int] | None = None) -> Iterator[None]:
    """Sort a list; a long one in parts, which are merged quickly, with a yield after each."""
    if len(items) > _SORTED_AT_ONCE:
        for start in range(0, len(items), _SORTED_AT_ONCE):
            items[start : start + _SORTED_AT_ONCE] = sorted(items[start : start + _SORTED_AT_ONCE], key=key)
            yield
    items.sort(key=key)
    if len(items) > STEP:
        yield
