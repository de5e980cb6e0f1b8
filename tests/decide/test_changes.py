"""Two reads of a taxpayer's records, and what happened in between."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from ims_async import Action, Invoice
from ims_async.decide import ChangeKind, changes

from .books import record


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        ({}, ChangeKind.UNCHANGED),
        ({"amounts": "1200+216"}, ChangeKind.AMENDED),
        ({"hash": "b"}, ChangeKind.AMENDED),
        ({"hash": None}, ChangeKind.UNCHANGED),
        ({"place_of_supply": "07"}, ChangeKind.AMENDED),
        ({"amounts": "1200+216", "action": Action.ACCEPT, "supplier_filed": True}, ChangeKind.AMENDED),
        ({"supplier_filed": True}, ChangeKind.NOW_FILED),
        ({"action": Action.ACCEPT}, ChangeKind.ACTION_CHANGED),
        ({"remarks": "late"}, ChangeKind.UNCHANGED),
    ],
)
def test_a_record_that_is_in_both_reads(facts: dict[str, Any], kind: ChangeKind) -> None:
    """Amended by its hash or an amount; then filed; then acted on."""
    old = record("7", hash="a", supplier_filed=False)
    now = record("7", **{"hash": "a", "supplier_filed": False, **facts})
    (one,) = changes([old], [now])
    assert (one.kind, one.before, one.now, one.invoice) == (kind, old, now, now)


def test_new_and_gone_records() -> None:
    """The later read's order, then what is gone."""
    found = changes([record("1"), record("2")], iter([record("3"), record("2")]))
    assert [(one.kind, one.invoice.number) for one in found if one.invoice] == [
        ("new", "3"), ("unchanged", "2"), ("gone", "1"),
    ]  # fmt: skip
    assert len(found) == 3
    assert found.counts == {kind: int(kind in ("new", "unchanged", "gone")) for kind in ChangeKind}
    assert [one.before for one in found.of(ChangeKind.GONE)] == [record("1")]


def test_a_record_with_another_date_is_amended() -> None:
    """Where its number is the only one left of that supplier and period; else one is new and one is gone."""
    old, now = record("7", hash="a"), record("7", "09-05-26", hash="b")
    assert old.date != now.date
    (one,) = changes([old], [now])
    assert (one.kind, one.before, one.now) == ("amended", old, now)
    (one,) = changes([attrs.evolve(old, hash=None)], [now])
    assert one.kind == "amended"
    third = record("7", "11-05-26", hash="c")
    assert [one.kind for one in changes([old], [now, third])] == ["new", "new", "gone"]
    assert [one.kind for one in changes([old, third], [now])] == ["new", "gone", "gone"]
    assert [one.kind for one in changes([old], [old, now])] == ["unchanged", "new"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_versions_of_one_record_are_told_apart_by_their_hash(order: tuple[int, int]) -> None:
    """In whatever order they come."""
    old = [record("7", hash=text) for text in "ab"]
    now: list[Invoice] = [attrs.evolve(old[1]), record("7", hash="c")]
    found = changes(old, [now[place] for place in order])
    assert {(one.now.hash, one.kind) for one in found if one.now} == {("b", "unchanged"), ("c", "amended")}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_versions_without_a_hash_are_told_apart_by_their_amounts(order: tuple[int, int]) -> None:
    """In whatever order they come."""
    old = [record("7"), record("7", amounts="1200+216")]
    assert {one.kind for one in changes(old, [old[place] for place in order])} == {"unchanged"}
