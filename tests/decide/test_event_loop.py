"""How much matching, deciding and comparing do between two turns of the event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ims_async.decide import compare_async, decide_async, match_async, testing

from ..support import turns as counting
from ..support.turns import MOST_OF_EACH, Turns
from .statements import document, ims, statement

each_step_is_a_turn = counting.each_step_is_a_turn

RECORDS = 6000


def matching(for_supplier: int) -> Callable[[int], Awaitable[Any]]:
    """Return the matching of so many records with the purchase register."""

    def begin(records: int) -> Awaitable[Any]:
        made = testing.sample(seed=3, records=records, for_supplier=for_supplier)
        return match_async(made.invoices, made.register)

    return begin


def deciding(records: int) -> Awaitable[Any]:
    """Return what decides on the records of as many suppliers."""
    made = testing.sample(seed=3, records=records, for_supplier=50)
    return decide_async(made.invoices, None, made.register)


def comparing(records: int) -> Awaitable[Any]:
    """Return the comparison of records with a GSTR-2B, and with the one before."""
    gstr2b = statement(*(document(f"{place}") for place in range(records // 2, records * 3 // 2)))
    return compare_async([ims(f"{place}") for place in range(records)], gstr2b, before=gstr2b)


@pytest.mark.usefixtures("each_step_is_a_turn")
@pytest.mark.parametrize(
    "work",
    [matching(50), matching(RECORDS), deciding, comparing],
    ids=["matching", "matching of one supplier", "deciding", "comparing"],
)
async def test_long_work_leaves_the_event_loop_to_others(work: Callable[[int], Awaitable[Any]]) -> None:
    """Nothing goes through all records at once."""
    await work(20)  # modules are imported when they are first used
    turns = Turns()
    await turns.during(work(RECORDS))
    assert turns.all > 1.5 * MOST_OF_EACH * RECORDS  # at once, it would be more than that
    assert turns.most < MOST_OF_EACH * RECORDS
