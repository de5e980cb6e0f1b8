"""What a step of the matching may do, in figures that are the same on each machine."""

from __future__ import annotations

import gc
import random
import sys
from collections.abc import Iterator
from itertools import chain

import pytest

from ims_async.decide import Matching, matching_steps, testing
from ims_async.decide.matching.shelves import sort


@pytest.mark.parametrize("for_supplier", [50, 10_000])
def test_memory_is_freed_in_pieces(for_supplier: int) -> None:
    """A step frees a few thousand blocks of memory: 100,000 at once hold an event loop up for 70 ms."""
    made = testing.sample(seed=4, records=10_000, for_supplier=for_supplier)
    kept: list[Matching] = []

    def steps() -> Iterator[None]:
        kept.append((yield from matching_steps(made.invoices, made.register)))

    freed, held = list[int](), sys.getallocatedblocks()
    for _ in chain(steps(), [None]):
        freed.append(held - sys.getallocatedblocks())
        held = sys.getallocatedblocks()
    assert len(kept[0]) == 10_000
    assert sum(one > 0 for one in freed) > 10
    assert max(freed) < 15_000


@pytest.mark.parametrize(("for_supplier", "most"), [(50, 6), (10_000, 25)])
def test_a_pass_of_the_collector_of_garbage_visits_little(for_supplier: int, most: int) -> None:
    """Beside the records and the entries: what 100,000 need is visited within few milliseconds."""
    made = testing.sample(seed=4, records=10_000, for_supplier=for_supplier)
    gc.collect()
    gc.freeze()  # for good: `unfreeze` would let go of all the collected tests too (tests/conftest.py)
    visited = 0
    for count, _ in enumerate(matching_steps(made.invoices, made.register)):
        if not count % 100:
            gc.collect(1)  # tuples of plain values are visited once
            visited = max(visited, sum(map(len, map(gc.get_referents, gc.get_objects()))))
    assert 2 * 10_000 < visited < most * 10_000


@pytest.mark.parametrize("values", [20_000, 50, 1])
@pytest.mark.parametrize("order", ["any", "rising", "falling"])
def test_a_long_list_is_sorted_in_short_steps(values: int, order: str) -> None:
    """With equal keys in the order in which they stood; only what is all one key is one step."""
    keys = random.Random(1).choices(range(values), k=20_000)  # noqa: S311 # no secret
    if order != "any":
        keys.sort(reverse=order == "falling")
    items, calls, most, before = [*enumerate(keys)], 0, 0, 0

    def key(item: tuple[int, int]) -> int:
        nonlocal calls
        calls += 1
        return item[1]

    wanted = sorted(items, key=lambda item: item[1])
    for _ in sort(items, key):
        most, before = max(most, calls - before), calls
    assert items == wanted
    assert most < 5000 or values == 1
    assert calls < 2.5 * len(items)
