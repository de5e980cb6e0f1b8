"""The credit of a GSTR-2B: what each document adds or takes, and sums that are exact."""

from __future__ import annotations

import decimal
from decimal import Decimal

import pytest

from ims_async import ItcReduction
from ims_async.model.gstr2b import TaxAmounts

from ..decide.statements import document, igst, statement

PART = ItcReduction.partial(igst=80, cess=1)


@pytest.mark.parametrize(
    ("section", "place", "itc", "reduction", "tax", "credit"),
    [
        ("b2b", "credit", "Y", None, 180, igst(180)),
        ("b2b", "credit", "T", None, 180, igst(180)),
        ("b2b", "credit", None, None, 180, igst(180)),
        ("b2b", "credit", "N", None, 180, igst(0)),
        ("b2b", "rejected", "Y", None, 180, igst(0)),
        ("b2b", "reversal", None, None, -180, igst(-180)),
        ("b2ba", "credit", "Y", PART, 180, igst(180)),
        ("cdnr/D", "credit", "Y", None, 180, igst(180)),
        ("cdnr/C", "credit", "Y", None, -180, igst(-180)),
        ("cdnr/C", "credit", "Y", ItcReduction.full(), -180, igst(-180)),
        ("cdnra/C", "credit", "Y", ItcReduction.none(), -180, igst(0)),
        ("cdnra/C", "credit", "Y", PART, -180, TaxAmounts(igst=Decimal(-80), cess=Decimal(-1))),
        ("cdnr/C", "rejected", "Y", PART, -180, igst(0)),
        ("cdnr/C", "reversal", None, PART, 180, igst(180)),
        ("isd/ISDC", "credit", "Y", None, -180, igst(-180)),
    ],
)
def test_what_a_document_adds(
    section: str, place: str, itc: str | None, reduction: ItcReduction | None, tax: int, credit: TaxAmounts
) -> None:
    """A credit note takes what is declared, if anything is; a reversal takes, or gives back, the whole."""
    one = document(section=section, place=place, itc=itc, itc_reduction=reduction)
    assert (one.signed_tax, one.credit) == (igst(tax), credit)
    assert statement(one, one).credit == credit + credit


def test_sums_are_exact_whatever_the_program_rounds_to() -> None:
    """Of the largest amounts there are, and of paise."""
    with decimal.localcontext() as rounding:
        rounding.prec = 3
        most, least = igst("9999999999999.99"), igst("0.01")
        assert most + least == igst("10000000000000")
        assert (most - least).total == Decimal("9999999999999.98")
        assert str(-igst(0)) == str(igst(0))
        assert str((-most).igst) == "-9999999999999.99"
