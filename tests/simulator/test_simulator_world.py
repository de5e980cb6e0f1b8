"""The simulator's taxpayers and records: the same for the same seed, and plausible."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal

import pytest

from ims_async.simulator import Simulator
from ims_async.simulator.fields import SHAPES
from ims_async.simulator.seeding import PERIODS, check_character

from .simulator_portal import Portal


def test_the_same_seed_makes_the_same_world() -> None:
    """Make two worlds and compare all of it, the answers' identifiers included."""
    one, two = (Simulator(seed=3, taxpayers=2, invoices=50, clock=lambda: 1.75e9) for _ in range(2))
    assert one.taxpayers == two.taxpayers
    assert [one.records(gstin) for gstin in one.gstins] == [two.records(gstin) for gstin in two.gstins]
    assert Portal(one).answer("GET", "/nowhere") == Portal(two).answer("GET", "/nowhere")


def test_worlds_of_one_seed_change_each_by_itself() -> None:
    """Edit every record of one: the other keeps its own, and so does one that is made afterwards."""
    one, two = (Simulator(seed=3, invoices=50) for _ in range(2))
    gstin, records = two.gstins[0], two.records(two.gstins[0])
    for record in records:
        one.edit(gstin, record.section, record.number, supplier=record.supplier, period=record.period)
    assert not {*one.records(gstin)} & {*records}
    assert two.records(gstin) == Simulator(seed=3, invoices=50).records(gstin) == records


def test_another_seed_makes_another_world() -> None:
    """Share no taxpayer between two seeds."""
    assert not {*Simulator(seed=1, taxpayers=5).gstins} & {*Simulator(seed=2, taxpayers=5).gstins}


def test_the_check_character_is_that_of_a_known_gstin() -> None:
    """Compute the check characters of two GSTINs that are printed in public guides."""
    assert check_character("27AAPFU0939F1Z") == "V"
    assert check_character("29AAGCB7383J1Z") == "4"


def test_every_gstin_is_valid() -> None:
    """Check the GSTINs of taxpayers and suppliers."""
    simulator = Simulator(taxpayers=3)
    suppliers = {record.supplier for gstin in simulator.gstins for record in simulator.records(gstin)}
    assert len(suppliers) > 10
    for gstin in [*simulator.gstins, *suppliers]:
        assert gstin[-1] == check_character(gstin[:14])


@pytest.mark.parametrize("invoices", [0, 1, 8, 9, 100, 1000])
def test_each_taxpayer_has_as_many_records_as_were_asked_for(invoices: int) -> None:
    """Count the records by section, supplier, number and period."""
    simulator = Simulator(taxpayers=2, invoices=invoices)
    for gstin in simulator.gstins:
        records = simulator.records(gstin)
        assert len({(record.section, *record.key) for record in records}) == len(records) == invoices
        if invoices >= 8:
            assert {record.section for record in records} == set(SHAPES)


def test_the_sections_with_records_can_be_chosen() -> None:
    """Make credit notes only."""
    simulator = Simulator(invoices=10, sections=["b2bcn"])
    assert {record.section for record in simulator.records(simulator.gstins[0])} == {"b2bcn"}
    assert Portal(simulator).rows("b2b") == []


def test_money_adds_up_and_follows_the_place_of_supply() -> None:
    """Charge IGST between states, and CGST and SGST in equal parts within one."""
    simulator = Simulator(invoices=500)
    inter, rates = Counter[bool](), set()
    for record in simulator.records(simulator.gstins[0]):
        parts = record.taxable + record.igst + record.cgst + record.sgst + record.cess
        assert record.value == parts == parts.quantize(Decimal("0.01"))
        assert record.cgst == record.sgst
        crosses = record.supplier[:2] != record.place
        assert (record.igst > 0, record.cgst > 0) == (crosses, not crosses)
        inter[crosses] += 1
        rates.add(record.rate)
    assert min(inter.values()) > 50
    assert rates == {5, 12, 18, 28}


def test_numbers_fit_the_law_and_some_start_with_zeros_or_hold_slashes() -> None:
    """Keep within sixteen characters, for the largest numbers too."""
    simulator = Simulator(invoices=3000)
    records = simulator.records(simulator.gstins[0])
    numbers = [number for record in records for number in (record.number, record.original_number) if number]
    assert all(re.fullmatch(r"[A-Z0-9/-]{1,16}", number) for number in numbers)
    assert any(number.startswith("00") for number in numbers)
    assert any("/" in number for number in numbers)


def test_the_same_number_from_one_supplier_occurs_in_two_periods() -> None:
    """Plant the pairs that a join by number alone would mix up."""
    simulator = Simulator(invoices=40)
    for gstin in simulator.gstins:
        records = simulator.records(gstin, "b2b")
        periods: dict[tuple[str, str], set[str]] = {}
        for record in records:
            periods.setdefault((record.supplier, record.number), set()).add(record.period)
        assert max(map(len, periods.values())) == 2
        assert {record.period for record in records} <= set(PERIODS)


def test_a_few_records_are_blocked_or_already_acted_on() -> None:
    """Block about one in twenty for Pending, none of which is pending, and leave most without an action."""
    simulator = Simulator(invoices=2000)
    records = simulator.records(simulator.gstins[0])
    actions = Counter(record.action for record in records)
    assert actions["N"] > 1500
    assert min(actions[action] for action in ("A", "R", "P")) > 20
    blocked = [record for record in records if record.blocked]
    assert 50 < len(blocked) < 200
    assert not any(record.action == "P" for record in blocked)


def test_a_supplier_edit_changes_amounts_and_hash_and_takes_the_action_back() -> None:
    """Edit an accepted record."""
    simulator = Simulator(job_seconds=0)
    portal = Portal(simulator)
    before = portal.free()
    portal.act(before, "A", remarks="fine")
    edited = simulator.edit(
        portal.gstin, "b2b", before.number, supplier=before.supplier, period=before.period
    )
    assert edited == simulator.record(portal.gstin, "b2b", *before.key)
    assert edited.taxable == before.taxable + 100
    assert (edited.action, edited.remarks) == ("N", None)
    assert edited.hash != before.hash
    again = simulator.edit(
        portal.gstin,
        "b2b",
        before.number,
        supplier=before.supplier,
        period=before.period,
        taxable=before.taxable,
    )
    assert again.hash == before.hash
