"""Find the documents of the books that a record may be: by a key, and by an amount or a day near its own."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

from ...steps import Steps, free
from .documents import STEP

MANY: Final = 64  # documents that are looked at one by one; of more, only those near in amount or day
_SORTED_AT_ONCE: Final = 4096
_T = TypeVar("_T")


class Crowd(NamedTuple):
    """Very many places of a key: those that stand from one position of its shelf to another."""

    key: Hashable
    start: int
    end: int


class Shelves:
    """Places by their keys; those of one key can be narrowed down to a range of values.

    A key that has one place only, as most have, needs no list of its own.
    """

    def __init__(self, values: Callable[[int], int]) -> None:
        self._values = values
        self._shelves: dict[Hashable, int | list[int]] = {}
        self._sorted: dict[Hashable, list[int]] = {}

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

    def clear(self) -> Iterator[None]:
        """Free the memory; yield between the steps."""
        yield from free(self._shelves, self._sorted)

    def near(self, key: Hashable, least: int, most: int) -> Sequence[int] | Crowd:
        """Return the places of a key: all if they are few, else those with a value from `least` to `most`."""
        shelf = self._shelves.get(key)
        if shelf is None:
            return ()
        if not isinstance(shelf, list):
            return (shelf,)
        if len(shelf) <= MANY:
            return shelf
        values = self._sorted[key]
        start, end = bisect_left(values, least), bisect_right(values, most)
        return shelf[start:end] if end - start <= MANY else Crowd(key, start, end)

    def together(self, crowds: Mapping[int, Sequence[Crowd]]) -> Steps[dict[int, tuple[int, ...]]]:
        """Return for each record the places of its crowds, and of all that overlap with them.

        Records whose crowds overlap share one tuple: a tuple for each would be the square of them in memory.
        """
        merged = yield from _merged(crowds.values())
        same = {one: one for one in merged.values()}

        def first(one: Crowd) -> Crowd:
            while same[one] != one:
                same[one] = one = same[same[one]]
            return one

        for count, own in enumerate(crowds.values()):
            if not count % STEP:
                yield
            for other in own[1:]:
                same[first(merged[other])] = first(merged[own[0]])
        places: dict[Crowd, set[int]] = {}
        for one in same:
            yield
            key, start, end = one
            shelf = self._shelves[key]
            assert isinstance(shelf, list)  # noqa: S101 # those of a crowd are many
            places.setdefault(first(one), set()).update(shelf[start:end])
        found = {one: tuple(those) for one, those in places.items()}
        answer: dict[int, tuple[int, ...]] = {}
        for count, (record, own) in enumerate(crowds.items()):
            if not count % STEP:
                yield
            answer[record] = found[first(merged[own[0]])]
        return answer


def _merged(crowds: Iterable[Sequence[Crowd]]) -> Steps[dict[Crowd, Crowd]]:
    """Return for each crowd the one that it makes with all that overlap with it."""
    by_key: dict[Hashable, set[Crowd]] = {}
    for count, own in enumerate(crowds):
        if not count % STEP:
            yield
        for one in own:
            by_key.setdefault(one.key, set()).add(one)
    found: dict[Crowd, Crowd] = {}
    for key, those in by_key.items():
        yield
        in_order, wholes = [*those], list[Crowd]()
        yield from sort(in_order, lambda one: one.start)
        for count, one in enumerate(in_order):
            if not count % STEP:
                yield
            if wholes and one.start < wholes[-1].end:
                wholes[-1] = Crowd(key, wholes[-1].start, max(one.end, wholes[-1].end))
            else:
                wholes.append(one)
        starts = [whole.start for whole in wholes]
        for count, one in enumerate(in_order):
            if not count % STEP:
                yield
            found[one] = wholes[bisect_right(starts, one.start) - 1]
    return found


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
            yield from sort(values, int)

    def only(self, key: Hashable, least: int, most: int) -> int | None:
        """Return the value within a range if there is exactly one."""
        values = self._values.get(key, ())
        start = bisect_left(values, least)
        return values[start] if bisect_right(values, most, start) - start == 1 else None


def sort(items: list[_T], key: Callable[[_T], int]) -> Iterator[None]:
    """Sort a list; a long one in parts, of which each has a range of the keys, with a yield after each."""
    if len(items) <= _SORTED_AT_ONCE:
        items.sort(key=key)
    else:
        # Of each 128th item, each 16th key: some 2,000 items between two bounds.
        bounds = sorted(map(key, items[::128]))[16::16]
        parts: list[list[_T]] = [[] for _ in range(len(bounds) + 1)]
        for start in range(0, len(items), STEP * 4):
            yield
            for item in items[start : start + STEP * 4]:
                parts[bisect_right(bounds, key(item))].append(item)
        items.clear()
        for part in parts:
            yield
            part.sort(key=key)
            items += part
    if len(items) > STEP:
        yield
