"""Records as values: frozen, exact, and decisions made from them."""

from __future__ import annotations

import datetime as dt
import pickle
from decimal import Decimal

import attrs
import pytest
from hypothesis import given, settings

from ims_async import Action, Counts, GoodsType, Invoice, InvoiceList, ItcReduction, Section, SectionCounts
from tests.support import strategies


@settings(max_examples=50)
@given(strategies.records())
def test_a_record_is_frozen_hashable_and_picklable(invoice: Invoice) -> None:
    """Use a record as a key of a dict, and pickle it; it stays equal to itself."""
    back = pickle.loads(pickle.dumps(invoice))  # noqa: S301 # our own bytes
    assert back == invoice
    assert hash(back) == hash(invoice)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        invoice.number = "other"  # type: ignore[misc]


@settings(max_examples=50)
@given(strategies.records())
def test_a_decision_exposes_its_record(invoice: Invoice) -> None:
    """Expose the record's ids, and the record itself, on each of the three decisions."""
    made = [
        (invoice.accept("ok", ItcReduction.none()), Action.ACCEPT, "ok"),
        (invoice.reject("wrong"), Action.REJECT, "wrong"),
        (invoice.keep_pending(), Action.PENDING, None),
    ]
    for decision, action, remarks in made:
        assert decision.invoice is invoice
        assert (decision.action, decision.remarks) == (action, remarks)
        assert decision.key == invoice.key
        assert tuple(decision.key) == (
            decision.section,
            decision.supplier,
            decision.number,
            decision.date,
            decision.return_period,
        )
    assert made[0][0].itc_reduction == ItcReduction.none()


def test_decisions_never_raise() -> None:
    """Decide what is not allowed without a word: checking is for `save`."""
    invoice = Invoice(
        section=Section.B2BCN,
        supplier="29AAACQ3770E1ZF",
        number="CN/1",
        date=dt.date(2024, 11, 5),
        return_period="112024",
        value=Decimal(1),
        taxable_value=Decimal(1),
        igst=Decimal(0),
        cgst=Decimal(0),
        sgst=Decimal(0),
        cess=Decimal(0),
        pending_allowed=False,
    )
    assert invoice.keep_pending("x" * 999).action is Action.PENDING
    assert invoice.accept().itc_reduction is None


def test_whether_a_record_was_read_does_not_tell_it_from_another() -> None:
    """Compare records by what they say, not by where they came from."""
    read = attrs.evolve(_plain(), read_from_gateway=True)
    assert read == _plain()
    assert "read_from_gateway" not in repr(read)


def _plain() -> Invoice:
    return Invoice(
        section=Section.B2B,
        supplier="29AAACQ3770E1ZF",
        number="1",
        date=dt.date(2024, 11, 5),
        return_period="112024",
        value=Decimal(1),
        taxable_value=Decimal(1),
        igst=Decimal(0),
        cgst=Decimal(0),
        sgst=Decimal(0),
        cess=Decimal(0),
    )


def test_an_itc_reduction_is_none_full_or_partial() -> None:
    """Declare amounts for a partial reduction only, exact, with zero for the heads not named."""
    assert ItcReduction.none() == ItcReduction(required=False)
    assert ItcReduction.full() == ItcReduction(required=True)
    assert ItcReduction.none().amounts == ItcReduction.full().amounts == {}
    partial = ItcReduction.partial(igst=Decimal("10.50"), cess=3)
    assert partial.required
    assert partial.amounts == {
        "igst": Decimal("10.50"),
        "cgst": Decimal(0),
        "sgst": Decimal(0),
        "cess": Decimal(3),
    }


def test_a_list_of_invoices_keeps_what_could_not_be_read() -> None:
    """Be a list, with problems and unknown sections beside the rows, also after a pickle."""
    rows = InvoiceList([_plain()], problems=("data.data.b2b[1].idt: missing",), other={"impg": [1]})
    back = pickle.loads(pickle.dumps(rows))  # noqa: S301 # our own bytes
    assert back == rows == [_plain()]
    assert (back.problems, back.other) == (rows.problems, {"impg": [1]})
    assert repr(rows) == "<InvoiceList of 1 rows, 1 problems>"
    assert InvoiceList() == []
    assert InvoiceList().other == {}
    assert InvoiceList().problems == ()


def test_counts_are_asked_by_section_in_any_case_and_are_zero_where_absent() -> None:
    """Count by `Section` or by GSTN's own key, for goods that have no section here."""
    counts = Counts(
        total=3,
        goods_type=GoodsType.IMPORTS,
        sections={"impg": SectionCounts(no_action=1, accepted=2), "b2b": SectionCounts(pending=1)},
    )
    assert counts["IMPG"].total == 3
    assert counts[Section.B2B].pending == 1
    assert counts[Section.ECOM] == SectionCounts()
    assert counts["isd"].total == 0
