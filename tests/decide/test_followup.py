"""What is asked of suppliers and of customers, and about which documents."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest

from ims_async import Action
from ims_async.decide import Followup, Followups, Topic
from ims_async.model.sales import LineItem, SalesInvoice
from ims_async.model.vocabulary import SupplierSection

from .books import ACME, OTHER, day, record


def sale(number: str, action: Action, value: int = 1180, **facts: Any) -> SalesInvoice:
    """Return a document of ACME's for the customer OTHER."""
    line = LineItem(number=1, rate=Decimal(18), taxable_value=Decimal(500), igst=Decimal(90))
    its: dict[str, Any] = {"section": SupplierSection.B2B, "date": day("05-10-26"), "items": (line, line)}
    return SalesInvoice(
        recipient=OTHER, number=number, action=action, value=Decimal(value), **{**its, **facts}
    )


def asked_of_customers(*sales: SalesInvoice, above: int = 0) -> list[Followup]:
    """Return what is asked about these."""
    found = Followups()
    found.add_sales(ACME, sales, above=above)
    return found.sorted()


def test_a_customer_is_asked_by_action() -> None:
    """What it accepted is in order."""
    (found,) = asked_of_customers(
        sale("1", Action.REJECT),
        sale("2", Action.PENDING, section=SupplierSection.CDNR, note_type="C"),
        sale("3", Action.NO_ACTION),
        sale("4", Action.ACCEPT),
    )
    assert (found.gstin, found.party) == (ACME, OTHER)
    assert {topic: [one.number for one in found.of(topic)] for topic in Topic if found.of(topic)} == {
        Topic.REJECTED_BY_CUSTOMER: ["1"],
        Topic.PENDING_AT_CUSTOMER: ["2"],
        Topic.NO_ACTION: ["3"],
    }
    assert found.tax(Topic.NO_ACTION) == 180
    first, second, third = found.message.split("\n\n")
    assert "we correct them in GSTR-1A" in first
    assert first.endswith("1 of 05-10-2026 (taxable value 1,000.00, tax 180.00 rupees)")
    assert second.endswith(": credit note")
    assert third.startswith("You have taken no action in IMS")


@pytest.mark.parametrize(
    ("value", "above", "asked"), [(1180, 1180, False), (1180, 1179, True), (0, 0, False), (1, 0, True)]
)
def test_of_those_without_an_action_only_large_ones_are_asked_about(
    value: int, above: int, asked: bool
) -> None:
    """What is rejected is asked about however small it is."""
    found = asked_of_customers(sale("1", Action.NO_ACTION, value), above=above)
    assert bool(found) is asked
    assert asked_of_customers(sale("1", Action.REJECT, value), above=above)


@pytest.mark.parametrize(
    "facts", [{"deleted": True}, {"extra": {"rchrg": "Y"}}, {"deleted": True, "items": ()}]
)
def test_what_nobody_can_act_on_is_left_out(facts: dict[str, Any]) -> None:
    """Deleted, or under reverse charge."""
    assert asked_of_customers(sale("1", Action.NO_ACTION, **facts)) == []
    assert asked_of_customers(sale("1", Action.NO_ACTION, extra={"rchrg": "N"})) != []


def test_what_is_amended_is_asked_about_as_amended() -> None:
    """Also where the amendment keeps number and date; not by that of another customer, or one taken back."""
    rejected = sale("1", Action.REJECT)
    original: dict[str, Any] = {"section": SupplierSection.B2BA, "original_number": "1"}
    original["original_date"] = rejected.date
    assert asked_of_customers(rejected, sale("9", Action.ACCEPT, **original)) == []
    (found,) = asked_of_customers(rejected, sale("1", Action.REJECT, 2, **original))
    assert len(found.documents) == 1
    others = attrs.evolve(sale("9", Action.ACCEPT, **original), recipient=ACME)
    assert asked_of_customers(rejected, others) != []
    taken_back = attrs.evolve(sale("9", Action.ACCEPT, **original), deleted=True)
    assert asked_of_customers(rejected, taken_back) != []
    note = sale("9", Action.ACCEPT, **{**original, "section": SupplierSection.CDNR})
    assert asked_of_customers(rejected, note) != []


@pytest.mark.parametrize(
    ("period", "note"),
    [
        ("052026", "GSTR-1 is due on 11-06-2026, of quarterly filers on 13-06-2026"),
        ("122026", "GSTR-1 is due on 11-01-2027, of quarterly filers on 13-01-2027"),
        ("", ""),
    ],
)
def test_what_is_not_filed_names_the_day_until_which_it_is(period: str, note: str) -> None:
    """Of the record's period; a word that the gateway did not give is no word."""
    found = Followups()
    found.add_record(OTHER, record("1", supplier_filed=False, return_period=period), Action.ACCEPT)
    for filed in (None, True):
        found.add_record(OTHER, record("2", supplier_filed=filed), Action.ACCEPT)
    (asked,) = found.sorted()
    (one,) = asked.documents
    assert (one.topic, one.number, one.note) == (Topic.NOT_FILED, "1", note)
