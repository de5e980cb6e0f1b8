"""Records of IMS and documents of a GSTR-2B, and what is said of them, by hand."""

# ruff: noqa: E501 # a case is a line

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any, Final

import pytest

from ims_async import Invoice, ItcReduction
from ims_async.decide import ComparedKind, compare, deadlines
from ims_async.model.gstr2b import Filing, Gstr2bDocument

from .books import ACME, ACME_IN_DELHI, day
from .statements import document, filed, igst, ims, statement

ANEW: Final = "compute the GSTR-2B anew"
CLOSED: Final = "GSTR-3B was filed on 19-11-2026, so it cannot be computed anew"
N_IS: Final = "It has no action, which counts as accepted"
RECALLED: Final = {"recompute_due": True}
NOT_DUE: Final = {"recompute_due": False}
FILED: Final = {"filings": [filed(gstr3b="19-11-26")]}
FULL, NONE, PART = ItcReduction.full(), ItcReduction.none(), ItcReduction.partial(igst=80)

Case = tuple[str, Invoice | None, Gstr2bDocument | None, dict[str, Any], str, str | int, int]
"""A kind, a record, a document, what is known, the reason, the credit given and the credit due: rupees of IGST."""


def filing(gstr1: str | None, **facts: Any) -> dict[str, list[Filing]]:
    """Say when the supplier filed."""
    return {"filings": [filed(ACME, **({} if gstr1 is None else {"gstr1": gstr1}), **facts)]}


CASES: Final[list[Case]] = [
    # -- accepted or without an action, and in the GSTR-2B
    ("counted", ims(), document(), {}, "It is accepted, and adds ₹180.00 to the credit.", 180, 180),
    ("counted", ims(action="N"), document(status="N"), {}, f"{N_IS}, and adds ₹180.00 to the credit.", 180, 180),
    ("counted", ims(section="b2ba"), document(section="b2ba"), {}, "It is accepted, and adds ₹180.00 to the credit.", 180, 180),
    ("counted", ims(section="b2bdn"), document(section="cdnr/D"), {}, "It is accepted, and adds ₹180.00 to the credit.", 180, 180),
    ("counted", ims(section="b2bdna"), document(section="cdnra/D"), {}, "It is accepted, and adds ₹180.00 to the credit.", 180, 180),
    ("counted", ims(section="b2bcn"), document(section="cdnr/C"), {}, "It is accepted, and takes ₹180.00 from the credit.", -180, -180),
    ("counted", ims(section="b2bcna"), document(section="cdnra/C"), {}, "It is accepted, and takes ₹180.00 from the credit.", -180, -180),
    ("counted", ims(section="ecom"), document(section="ecom"), {}, "It is accepted, and adds ₹180.00 to the credit.", 180, 180),
    ("counted", ims(section="ecoma"), document(section="ecoma", itc="T"), {}, "It is accepted, and adds ₹180.00 to the credit.", 180, 180),
    ("counted", ims(supplier=ACME.lower()), document(), {}, "It is accepted, and adds ₹180.00 to the credit.", 180, 180),
    ("counted", ims("inv 7"), document("INV7"), {}, "It is accepted, and adds ₹180.00 to the credit.", 180, 180),
    ("counted", ims(section="b2bcn", itc_reduction=PART), document(section="cdnr/C", itc_reduction=PART), {}, "It is accepted, and takes ₹80.00 from the credit.", -80, -80),
    ("counted", ims(section="b2bcn", itc_reduction=NONE), document(section="cdnr/C", itc_reduction=NONE), {}, "It is accepted, and does not change the credit.", 0, 0),
    ("counted", ims(section="b2bcn", itc_reduction=FULL), document(section="cdnr/C", itc_reduction=FULL), {}, "It is accepted, and takes ₹180.00 from the credit.", -180, -180),
    ("counted", ims(section="b2bcn"), document(section="cdnr/C", itc_reduction=NONE), {}, "It is accepted, and does not change the credit.", 0, 0),
    ("counted", ims(section="b2bcn"), document(section="cdnr/C", itc_reduction=PART), {}, "It is accepted, and takes ₹80.00 from the credit.", -80, -80),
    ("counted", ims(section="b2bcn", itc_reduction=PART), document(section="cdnr/C"), {}, "It is accepted, and takes ₹180.00 from the credit; IMS has an ITC reduction of ₹80.00, and the GSTR-2B has none.", -180, -180),
    ("counted", ims(section="b2bcn", action="N", itc_reduction=PART), document(section="cdnr/C"), {}, f"{N_IS}, and takes ₹180.00 from the credit.", -180, -180),
    ("counted", ims(section="b2ba", itc_reduction=PART), document(section="b2ba", itc_reduction=PART), {}, "It is accepted, and adds ₹180.00 to the credit.", 180, 180),
    ("counted", ims(section="b2ba", itc_reduction=PART), document(section="b2ba"), {}, "It is accepted, and adds ₹180.00 to the credit.", 180, 180),
    ("counted", ims(), document(itc_reduction=NONE), {}, "It is accepted, and adds ₹180.00 to the credit.", 180, 180),
    ("counted", ims(), document(supplier_period=None, taxable_value=None, value=None), {}, "It is accepted, and adds ₹180.00 to the credit.", 180, 180),
    # -- accepted, and not in it
    ("not filed", ims(supplier_filed=False), None, {}, "It is accepted, but its supplier has not filed: its ₹180.00 of tax are not in the GSTR-2B.", 0, 0),
    ("not filed", ims(action="N", section="ecom", supplier_filed=False), None, RECALLED, f"{N_IS}, but its supplier has not filed: its ₹180.00 of tax are not in the GSTR-2B.", 0, 0),
    ("not filed", ims(supplier_filed=None), None, filing(None, quarterly=False), "It is accepted, but its supplier has not filed: its ₹180.00 of tax are not in the GSTR-2B.", 0, 0),
    ("later period", ims(return_period="112026"), None, {}, "It is accepted, and a later GSTR-2B has its ₹180.00 of tax: it is of the return of 112026, which goes to that of 112026.", 0, 0),
    ("later period", ims(source_form="R1A"), None, RECALLED, "It is accepted, and a later GSTR-2B has its ₹180.00 of tax: it is of GSTR-1A of 102026, which goes to that of 112026.", 0, 0),
    ("later period", ims(), None, filing("12-11-26", quarterly=False), "It is accepted, and a later GSTR-2B has its ₹180.00 of tax: its supplier filed on 12-11-2026, and the last day was 11-11-2026.", 0, 0),
    ("later period", ims(), None, filing("14-11-26", quarterly=True), "It is accepted, and a later GSTR-2B has its ₹180.00 of tax: its supplier filed on 14-11-2026, and the last day was 13-11-2026.", 0, 0),
    ("later period", ims(source_form="IFF"), None, filing("14-11-26", quarterly=False), "It is accepted, and a later GSTR-2B has its ₹180.00 of tax: its supplier filed on 14-11-2026, and the last day was 13-11-2026.", 0, 0),
    ("later period", ims(section="b2bcn", action="N"), None, FILED, f"{N_IS}, and a later GSTR-2B has its ₹180.00 of tax: GSTR-3B was filed on 19-11-2026, and what IMS keeps then is of a later one.", 0, 0),
    ("earlier period", ims(return_period="092026"), None, {"filings": [filed(period="092026")]}, "It is accepted, and the GSTR-2B of 092026 may have its ₹180.00 of tax: GSTR-3B of 092026 is not filed.", 0, 0),
    ("earlier period", ims(action="N", section="b2bcn", return_period="082026", source_form="R1A"), None, {"filings": [filed(period="092026")]}, f"{N_IS}, and the GSTR-2B of 092026 may have its ₹180.00 of tax: GSTR-3B of 092026 is not filed.", 0, 0),
    ("earlier period", ims(return_period="072026"), None, {"filings": [filed(period="092026")]}, "It is accepted, and the GSTR-2B of a period from 072026 to 092026 may have its ₹180.00 of tax: GSTR-3B of 092026 is not filed.", 0, 0),
    ("earlier period", ims(return_period="072026"), None, {"filings": [filed(period="072026", gstr3b="20-08-26"), filed(period="082026")]}, "It is accepted, and the GSTR-2B of a period from 082026 to 092026 may have its ₹180.00 of tax: GSTR-3B of 082026 is not filed.", 0, 0),
    ("missing", ims(return_period="072026"), None, {**NOT_DUE, "filings": [filed(period="082026", gstr3b="20-09-26")]}, "It is accepted, but the GSTR-2B does not have its ₹180.00 of tax: the GSTR-2B of 092026 may have it; else its supplier may have filed after 13-11-2026.", 0, 180),
    ("missing", ims(return_period="072026"), None, {**NOT_DUE, "filings": [filed(period="092026", gstr3b="20-10-26"), filed(period="072026")]}, "It is accepted, but the GSTR-2B does not have its ₹180.00 of tax: its supplier may have filed after 13-11-2026.", 0, 180),
    ("missing", ims(return_period="092026"), None, {**NOT_DUE, "filings": [filed(period="092026", gstr3b="20-10-26")]}, "It is accepted, but the GSTR-2B does not have its ₹180.00 of tax: its supplier may have filed after 13-11-2026.", 0, 180),
    ("missing", ims(), None, {}, "It is accepted, but the GSTR-2B does not have its ₹180.00 of tax: its supplier filed after 13-11-2026, or its action has changed since the GSTR-2B was made.", 0, 180),
    ("recompute due", ims(), None, filing("11-11-26", quarterly=False), f"It is accepted, but the GSTR-2B does not have its ₹180.00 of tax: its supplier filed in time, on 11-11-2026, so {ANEW}.", 0, 180),
    ("recompute due", ims(), None, filing("13-11-26", quarterly=True), f"It is accepted, but the GSTR-2B does not have its ₹180.00 of tax: its supplier filed in time, on 13-11-2026, so {ANEW}.", 0, 180),
    ("missing", ims(), None, {**filing("11-11-26"), **NOT_DUE}, "It is accepted, but the GSTR-2B does not have its ₹180.00 of tax: its supplier filed in time, on 11-11-2026, and no action has changed since it was made.", 0, 180),
    ("later period", ims(action="N"), None, {"filings": [*FILED["filings"], *filing("11-11-26")["filings"]]}, f"{N_IS}, and a later GSTR-2B has its ₹180.00 of tax: GSTR-3B was filed on 19-11-2026, and what IMS keeps then is of a later one.", 0, 0),
    ("missing", ims(action="N", section="b2bcn", itc_reduction=PART), None, NOT_DUE, f"{N_IS}, but the GSTR-2B does not have its ₹180.00 of tax: its supplier may have filed after 13-11-2026.", 0, -180),
    ("missing", ims(), None, filing("12-11-26"), "It is accepted, but the GSTR-2B does not have its ₹180.00 of tax: its supplier filed after 13-11-2026, or its action has changed since the GSTR-2B was made.", 0, 180),
    ("missing", ims(supplier_filed=None, source_form="IFF"), None, filing(None, quarterly=True), "It is accepted, but the GSTR-2B does not have its ₹180.00 of tax: its supplier filed after 13-11-2026, or its action has changed since the GSTR-2B was made; whether its supplier has filed is not known.", 0, 180),
    ("missing", ims(supplier_filed=None, source_form="R1"), None, filing(None), "It is accepted, but the GSTR-2B does not have its ₹180.00 of tax: its supplier filed after 13-11-2026, or its action has changed since the GSTR-2B was made; whether its supplier has filed is not known.", 0, 180),
    ("missing", ims(supplier_filed=None, source_form="R5"), None, filing(None, quarterly=False), "It is accepted, but the GSTR-2B does not have its ₹180.00 of tax: its supplier filed after 13-11-2026, or its action has changed since the GSTR-2B was made; whether its supplier has filed is not known.", 0, 180),
    ("missing", ims(section="b2bcn", supplier_filed=None), None, {}, "It is accepted, but the GSTR-2B does not have its ₹180.00 of tax: its supplier filed after 13-11-2026, or its action has changed since the GSTR-2B was made; whether its supplier has filed is not known.", 0, -180),
    ("missing", ims(section="b2bcn", itc_reduction=PART), None, NOT_DUE, "It is accepted, but the GSTR-2B does not have its ₹180.00 of tax: its supplier may have filed after 13-11-2026.", 0, -80),
    ("recompute due", ims(), None, RECALLED, f"It is accepted, but the GSTR-2B does not have its ₹180.00 of tax: actions have changed since it was made, so {ANEW}.", 0, 180),
    ("recompute due", ims(section="b2bcn", action="N"), None, RECALLED, f"{N_IS}, but the GSTR-2B does not have its ₹180.00 of tax: actions have changed since it was made, so {ANEW}.", 0, -180),
    # -- credit that is not available
    ("credit not available", ims(), document(itc="N", reason="P"), {}, "It is accepted, but its ₹180.00 of tax are no available credit: supplier and place of supply are in one State, and the recipient in another.", 0, 0),
    ("credit not available", ims(action="N"), document(itc="N", reason="C", status="A"), {}, f"{N_IS}, but its ₹180.00 of tax are no available credit: its supplier filed after the last day for the credit of that year, section 16(4).", 0, 0),
    ("credit not available", None, document(itc="N", reason=""), {}, "It does not pass through IMS: its ₹180.00 of tax are no available credit, the GSTR-2B does not say why.", 0, 0),
    ("credit not available", None, document(section="cdnr/C", itc="N", reason="Q"), FILED, "It does not pass through IMS: its ₹180.00 of tax are no available credit, the reason is Q.", 0, 0),
    # -- rejected
    ("rejected", ims(action="R"), document(place="rejected"), {}, "It is rejected, and so it is in the rejected part of the GSTR-2B: its ₹180.00 of tax do not count.", 0, 0),
    ("rejected", ims(action="R", section="b2bcna"), document(section="cdnra/C", place="rejected", amounts="900+162"), {}, "It is rejected, and so it is in the rejected part of the GSTR-2B: its ₹180.00 of tax do not count.", 0, 0),
    ("rejected but counted", ims(action="R"), document(status="A"), {}, f"It is rejected, but the GSTR-2B counts its ₹180.00 of tax: {ANEW}.", 180, 0),
    ("rejected but counted", ims(action="R"), document(itc="N", reason="P"), {}, f"It is rejected, but in the GSTR-2B its ₹180.00 of tax are not rejected, only no available credit: {ANEW}.", 0, 0),
    ("rejected but counted", ims(action="R", section="b2bcn"), document(section="cdnr/C"), FILED, f"It is rejected, but the GSTR-2B counts its ₹180.00 of tax: {CLOSED}.", -180, 0),
    ("rejected, not listed", ims(action="R"), None, {}, "It is rejected, and the GSTR-2B has it in no part: its ₹180.00 of tax do not count.", 0, 0),
    ("rejected, not listed", ims(action="R", section="ecoma", supplier_filed=False), None, {}, "It is rejected, and the GSTR-2B has it in no part: its ₹180.00 of tax do not count.", 0, 0),
    ("accepted but rejected", ims(), document(place="rejected"), {}, f"It is accepted, but it is in the rejected part of the GSTR-2B, with ₹180.00 of tax: {ANEW}.", 0, 180),
    ("accepted but rejected", ims(section="b2bcn", itc_reduction=PART), document(section="cdnr/C", place="rejected"), {}, f"It is accepted, but it is in the rejected part of the GSTR-2B, with ₹180.00 of tax: {ANEW}.", 0, -80),
    ("accepted but rejected", ims(action="N", section="b2ba"), document(section="b2ba", place="rejected"), FILED, f"{N_IS}, but it is in the rejected part of the GSTR-2B, with ₹180.00 of tax: {CLOSED}.", 0, 180),
    # -- pending
    ("carried over", ims(action="P"), None, {}, "It is pending, and the GSTR-2B does not have it: its ₹180.00 of tax are carried over.", 0, 0),
    ("carried over", ims(action="P", section="b2bdna", supplier_filed=False), None, FILED, "It is pending, and the GSTR-2B does not have it: its ₹180.00 of tax are carried over.", 0, 0),
    ("pending but listed", ims(action="P"), document(status="N"), {}, f"It is pending, but the GSTR-2B has it, with ₹180.00 of tax: {ANEW}.", 180, 0),
    ("pending but listed", ims(action="P", section="b2bcn"), document(section="cdnr/C", place="rejected"), {}, f"It is pending, but the GSTR-2B has it in its rejected part, with ₹180.00 of tax: {ANEW}.", 0, 0),
    # -- in both, and not the same
    ("action differs", ims(), document(status="N"), {}, f"It is accepted, but the GSTR-2B was made when it was without an action; its credit of ₹180.00 stays the same: {ANEW}.", 180, 180),
    ("action differs", ims(action="N", section="b2bcn"), document(section="cdnr/C", status="A"), FILED, f"{N_IS}, but the GSTR-2B was made when it was accepted; its credit of -₹180.00 stays the same: {CLOSED}.", -180, -180),
    ("amounts differ", ims(), document(amounts="1000+170"), {}, "It is accepted, but by the GSTR-2B value is ₹1,170.00 and not ₹1,180.00, IGST is ₹170.00 and not ₹180.00.", 170, 180),
    ("amounts differ", ims(section="b2bcn", itc_reduction=PART), document(section="cdnr/C", itc_reduction=FULL), {}, "It is accepted, but by the GSTR-2B its ITC reduction is ₹180.00 (IGST ₹180.00) and not ₹80.00 (IGST ₹80.00).", -180, -80),
    ("amounts differ", ims(section="b2bdna", itc_reduction=PART), document(section="cdnra/D", itc_reduction=NONE), {}, "It is accepted, but by the GSTR-2B its ITC reduction is ₹0.00 and not ₹80.00 (IGST ₹80.00).", 180, 180),
    ("action differs", ims(amounts="1000+180"), document(amounts="1000+180.01", value=None, status="N", supplier_period="092026"), {}, f"It is accepted, but the GSTR-2B was made when it was without an action, and by it IGST is ₹180.01 and not ₹180.00, it is of its supplier's return of 092026, not of 102026: {ANEW}.", "180.01", 180),
    ("amounts differ", ims(amounts="1000+180"), document(amounts="1000+180.01", value=None, supplier_period="092026"), {}, "It is accepted, but by the GSTR-2B IGST is ₹180.01 and not ₹180.00, it is of its supplier's return of 092026, not of 102026.", "180.01", 180),
    ("period differs", ims(), document(supplier_period="092026"), {}, "It is accepted, but by the GSTR-2B it is of its supplier's return of 092026, not of 102026; its credit is ₹180.00.", 180, 180),
    ("period differs", ims(section="b2bcna"), document(section="cdnra/C", supplier_period="112026"), {}, "It is accepted, but by the GSTR-2B it is of its supplier's return of 112026, not of 102026; its credit is -₹180.00.", -180, -180),
    # -- in the GSTR-2B alone
    ("not in IMS", None, document(status="A"), {}, "The GSTR-2B has it, with ₹180.00 of tax, and IMS does not; if GSTR-3B of the period is filed, its record has left IMS.", 180, 0),
    ("not in IMS", None, document(section="ecom", place="rejected"), {}, "The GSTR-2B has it in its rejected part, with ₹180.00 of tax, and IMS does not; if GSTR-3B of the period is filed, its record has left IMS.", 0, 0),
    ("not in IMS", None, document(section="cdnr"), {}, "The GSTR-2B has it, with ₹180.00 of tax, and IMS does not: whether it is a credit note or a debit note is not said.", 180, 0),
    ("period filed", None, document(status="A"), FILED, "The GSTR-2B has it, with ₹180.00 of tax: what was accepted or rejected left IMS when GSTR-3B was filed on 19-11-2026.", 180, 180),
    ("period filed", None, document(section="cdnr/C", place="rejected"), FILED, "The GSTR-2B has it, with ₹180.00 of tax: what was accepted or rejected left IMS when GSTR-3B was filed on 19-11-2026.", 0, 0),
    ("reverse charge", None, document(reverse_charge=True), {}, "It is under reverse charge, with ₹180.00 of tax, and does not pass through IMS.", 180, 180),
    ("reverse charge", None, document(section="cdnr/C", reverse_charge=True), FILED, "It is under reverse charge, with ₹180.00 of tax, and does not pass through IMS.", -180, -180),
    ("input service distributor", None, document(section="isd/ISDI"), {}, "It is of an input service distributor, with ₹180.00 of tax: IMS has none of those.", 180, 180),
    ("input service distributor", None, document(section="isda/ISDC"), {}, "It is of an input service distributor, with ₹180.00 of tax: IMS has none of those.", -180, -180),
    ("input service distributor", None, document(section="isd/ISDI", itc="N"), {}, "It is of an input service distributor, with ₹180.00 of tax, which are no available credit: IMS has none of those.", 0, 0),
    ("import", None, document(section="impg", supplier="", port_code="INBOM4"), {}, "It is a bill of entry, with ₹180.00 of tax: no records of imports can be read.", 180, 180),
    ("import", None, document(section="impgsez", amended=True, itc=None), FILED, "It is a bill of entry, with ₹180.00 of tax: no records of imports can be read.", 180, 180),
    ("reversal", None, document(place="reversal"), {}, "₹180.00 of credit are to be reversed: the supplier's tax stays unpaid (rule 37A).", -180, -180),
    ("reversal", None, document(section="cdnr/C", place="reversal"), {}, "₹180.00 of credit come back of a credit note: the supplier's tax stays unpaid (rule 37A).", 180, 180),
    ("reversal", None, document(section="cdnra/D", place="reversal"), {}, "₹180.00 of credit are to be reversed: the supplier's tax stays unpaid (rule 37A).", -180, -180),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "record", "other", "known", "reason", "credit", "expected"), CASES)
def test_one_record_one_document_or_both(
    kind: str,
    record: Invoice | None,
    other: Gstr2bDocument | None,
    known: dict[str, Any],
    reason: str,
    credit: str | int,
    expected: int,
) -> None:
    """Have one kind, a reason with figures, and the credit that there is and should be."""
    (one,) = compare([record] if record else [], statement(*[other] if other else []), **known)
    assert (one.kind, one.reason) == (kind, reason)
    assert (one.invoice, one.document, one.candidates) == (record, other, ())
    assert (one.credit, one.expected) == (igst(credit), igst(expected))
    assert one.difference == igst(credit) - igst(expected)
    lowers = record.section in ("b2bcn", "b2bcna") if record else other and other.signed_tax.total < 0
    assert one.tax == igst(-180 if lowers else 180)


def test_each_kind_is_there_twice() -> None:
    """But for what takes several records or documents, which the tests below have."""
    counts = Counter(case[0] for case in CASES)
    several = {ComparedKind.AMBIGUOUS, ComparedKind.DUPLICATE}
    assert {kind for kind in ComparedKind if counts[kind] < 2} == several


@pytest.mark.parametrize(
    ("known", "kind", "words"),
    [
        ({}, "recompute due", f"others of the same return are there, so {ANEW}"),
        (RECALLED, "recompute due", f"others of the same return are there, so {ANEW}"),
        (NOT_DUE, "missing", "others of the same return are there, and no action has changed since"),
        (FILED, "later period", "GSTR-3B was filed on 19-11-2026, and what IMS keeps then is of a later one"),
    ],
)
def test_a_return_of_which_there_are_other_documents_was_filed_in_time(
    known: dict[str, Any], kind: str, words: str
) -> None:
    """So what is missing of it is not late."""
    found = compare([ims(), ims("S-2", supplier=ACME.lower())], statement(document()), **known)
    (one,) = [each for each in found if each.document is None]
    assert one.kind == kind
    assert words in one.reason


@pytest.mark.parametrize(
    "other", [document("OLD", place="reversal"), document("I-1", section="isd/ISDI")], ids=["reversal", "isd"]
)
def test_what_is_of_another_return_says_nothing_of_it(other: Gstr2bDocument) -> None:
    """A reversal is of a return long filed, and a distributor's GSTR-6 is no GSTR-1."""
    found = compare([ims()], statement(other))
    assert [one.invoice for one in found.of(ComparedKind.MISSING)] == [ims()]
    assert not found.recompute_due


@pytest.mark.parametrize("known", [{}, NOT_DUE])
def test_what_there_is_of_an_earlier_return_says_nothing_of_it(known: dict[str, Any]) -> None:
    """It may be of GSTR-1A of that period, whose GSTR-1 went to the GSTR-2B before; the reason names that."""
    of_september = {"date": "05-09-26", "return_period": "092026"}
    amended = document("A-1", date="05-09-26", supplier_period="092026")
    (one,) = [each for each in compare([ims(**of_september)], statement(amended), **known) if each.invoice]
    assert one.kind is ComparedKind.MISSING
    assert "the GSTR-2B of 092026 may have it; else its supplier " in one.reason


def test_a_quarter_has_the_returns_of_its_months() -> None:
    """Its statement is the first that can have them: what there is of a month was filed in time."""
    period = {"period": "122026"}
    mine: dict[str, Any] = {"filings": [filed(quarterly=True, **period)]}
    found = compare([ims()], statement(document("A-1"), **period), **mine)
    assert [one.kind for one in found if one.invoice] == [ComparedKind.RECOMPUTE_DUE]


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (document(date="06-10-26"), "b2b S-1 of 06-10-2026"),
        (document("s-1", section="cdnr/D"), "cdnr s-1 of 05-10-2026"),
        (document(date="05-10-25"), None),
        (document(place="reversal"), None),
        (document(supplier=ACME_IN_DELHI, date="06-10-26"), None),
    ],
)
def test_a_number_of_another_date_or_section_is_named(other: Gstr2bDocument, named: str | None) -> None:
    """To compute it anew would not help. Numbers begin anew each financial year."""
    (one,) = compare([ims()], statement(document("S-2"), other)).findings[:1]
    assert one.invoice == ims()
    if named is None:
        assert "may be" not in one.reason
    else:
        assert one.kind == ComparedKind.MISSING
        assert f"it may be GSTR-2B {named} from {ACME}, which IMS does not have." in one.reason


def test_what_could_not_be_read_is_not_missing_for_another_reason() -> None:
    """With `strict=False` documents may be left out: to compute it anew would not bring them."""
    gstr2b = statement(document("S-2"), problems=("data.docdata.b2b[0].inv[1].dt: missing",))
    found = compare([ims(), ims("S-2")], gstr2b, before=gstr2b)
    (one,) = found.of(ComparedKind.MISSING)
    assert one.reason.endswith("it may be in what could not be read of it (1 problem).")
    assert not found.recompute_due
    assert "Not all could be read (2 problems): what was not is in no sum." in str(found)


def test_documents_of_gstr1a_say_nothing_of_the_return() -> None:
    """It goes to a later GSTR-2B; one of an earlier month is in this one."""
    record = ims(source_form="R1A", return_period="092026")
    other = document("S-2", supplier_period="092026")
    found = compare([record], statement(other), filings=[filed(ACME, gstr1="14-11-26", period="092026")])
    assert found.of(ComparedKind.MISSING)[0].invoice == record


@pytest.mark.parametrize(
    "other",
    [
        document("S-2"),
        document(section="b2ba"),
        document(section="cdnr/C"),
        document(date="06-10-26"),
        document(supplier=ACME_IN_DELHI),
        document(place="reversal"),
    ],
)
def test_another_number_section_date_or_supplier_is_another_document(other: Gstr2bDocument) -> None:
    """So both are alone."""
    found = compare([ims()], statement(other))
    assert len(found) == 2
    assert sum(one.document is None for one in found) == 1


@pytest.mark.parametrize(
    ("records", "documents", "kind", "words"),
    [
        (
            [ims(), ims(return_period="092026")],
            [document()],
            "ambiguous",
            {
                (
                    "IMS has it 2 times, and the GSTR-2B has it once: which belong together is not known "
                    "(in the GSTR-2B S-1 of the return of 102026, part credit, tax ₹180.00)."
                ),
                (
                    "IMS has it 2 times, and the GSTR-2B has it once: which belong together is not known "
                    "(in IMS S-1 of the return of 092026, accepted, tax ₹180.00; "
                    "in IMS S-1 of the return of 102026, accepted, tax ₹180.00)."
                ),
            },
        ),
        (
            [ims(section="b2bcn")],
            [document(section="cdnr/C"), document(section="cdnr/C", place="rejected", amounts="500+90")],
            "ambiguous",
            {
                (
                    "IMS has it once, and the GSTR-2B has it 2 times: which belong together is not known "
                    "(in IMS S-1 of the return of 102026, accepted, tax ₹180.00)."
                ),
                (
                    "IMS has it once, and the GSTR-2B has it 2 times: which belong together is not known "
                    "(in the GSTR-2B S-1 of the return of 102026, part credit, tax ₹180.00; "
                    "in the GSTR-2B S-1 of the return of 102026, part rejected, tax ₹90.00)."
                ),
            },
        ),
        (
            [ims("s 1"), ims("S1")],
            [document("s1")],
            "ambiguous",
            {
                (
                    "IMS has it 2 times, and the GSTR-2B has it once: which belong together is not known "
                    "(in the GSTR-2B s1 of the return of 102026, part credit, tax ₹180.00)."
                ),
                (
                    "IMS has it 2 times, and the GSTR-2B has it once: which belong together is not known "
                    "(in IMS S1 of the return of 102026, accepted, tax ₹180.00; "
                    "in IMS s 1 of the return of 102026, accepted, tax ₹180.00)."
                ),
            },
        ),
        (
            [],
            [document(), document()],
            "duplicate",
            {
                (
                    "The GSTR-2B has it 2 times, and IMS does not "
                    "(in the GSTR-2B S-1 of the return of 102026, part credit, tax ₹180.00; "
                    "in the GSTR-2B S-1 of the return of 102026, part credit, tax ₹180.00)."
                )
            },
        ),
        (
            [ims(action="R"), ims(action="R", return_period="092026")],
            [],
            "duplicate",
            {
                (
                    "IMS has it 2 times, and the GSTR-2B does not "
                    "(in IMS S-1 of the return of 092026, rejected, tax ₹180.00; "
                    "in IMS S-1 of the return of 102026, rejected, tax ₹180.00)."
                )
            },
        ),
        (
            [],
            [document(section="impg", supplier="", port_code="INBOM4", supplier_period=None)] * 5,
            "duplicate",
            {
                "The GSTR-2B has it 5 times ("
                + "in the GSTR-2B S-1, part credit, tax ₹180.00; " * 3
                + "and 2 more)."
            },
        ),
    ],
)
def test_what_there_is_several_times_is_named_and_not_chosen(
    records: list[Invoice], documents: list[Gstr2bDocument], kind: str, words: set[str]
) -> None:
    """By the number exactly; and where that fits nothing, without case and blanks."""
    found = compare(records, statement(*documents))
    assert len(found) == len(records) + len(documents)
    assert {str(one.kind) for one in found} == {kind}
    assert {one.reason for one in found} == words
    for one in found:
        assert one.needs_a_person
        assert (one.invoice is None) != (one.document is None)
        assert len(one.candidates) == len(documents if one.document is None else records)


@pytest.mark.parametrize(
    ("record", "due"), [(ims(), 180), (ims(supplier_filed=False), 0), (ims(action="R"), 0)]
)
def test_records_that_are_there_twice_count_by_their_action(record: Invoice, due: int) -> None:
    """But for those whose supplier has not filed."""
    found = compare([record, record], statement())
    assert {one.kind for one in found} == {ComparedKind.DUPLICATE}
    assert [one.expected for one in found] == [igst(due), igst(due)]


def test_the_exact_number_goes_first() -> None:
    """The other one is another document."""
    found = compare([ims("S1"), ims("s1")], statement(document("s1"), document("S 1")))
    assert {(one.invoice and one.invoice.number, one.document and one.document.number) for one in found} == {
        ("s1", "s1"),
        ("S1", "S 1"),
    }


def test_bills_of_two_ports_are_two() -> None:
    """And so is an amended one."""
    facts: dict[str, Any] = {"section": "impg", "supplier": ""}
    found = compare([], statement(*(document(port_code=port, **facts) for port in ("INBOM4", "INDEL4")),
        document(port_code="INBOM4", amended=True, **facts)))  # fmt: skip
    assert {one.kind for one in found} == {ComparedKind.IMPORT}


def test_the_cut_off_can_be_moved() -> None:
    """By a notification."""
    moved = deadlines("102026", moved={"gstr1": day("15-11-26"), "gstr1_quarterly": day("15-11-26")})
    known: dict[str, Any] = filing("14-11-26", quarterly=False)
    (late,) = compare([ims()], statement(), **known)
    (in_time,) = compare([ims()], statement(), **known, dates=moved)
    (unknown,) = compare([ims()], statement(), dates=moved)
    assert (late.kind, in_time.kind) == (ComparedKind.LATER_PERIOD, ComparedKind.RECOMPUTE_DUE)
    assert "after 15-11-2026" in unknown.reason


@pytest.mark.parametrize(("quarterly", "kind"), [(True, "missing"), (False, "earlier period")])
def test_a_quarter_is_one_period_of_a_quarterly_taxpayer(quarterly: bool, kind: str) -> None:
    """Its first two months have no GSTR-3B that could be filed."""
    own = [filed(period=period, quarterly=quarterly) for period in ("102026", "112026", "122026")]
    (one,) = compare([ims(return_period="112026")], statement(period="122026"), filings=own)
    assert one.kind == kind
    (before,) = compare(
        [ims()], statement(period="032027"), filings=[*own, filed(period="032027", quarterly=quarterly)]
    )
    assert before.kind == ComparedKind.EARLIER_PERIOD
    assert f"of {'122026' if quarterly else 'a period from 102026 to 022027'} may have" in before.reason


def test_a_later_period_of_a_quarterly_taxpayer_is_a_quarter() -> None:
    """It has no GSTR-2B of January."""
    own = [filed(period="122026", quarterly=True)]
    records = [ims(return_period="122026", source_form="R1A"), ims("S-2", return_period="012027")]
    found = compare(records, statement(period="122026"), filings=own)
    assert {one.kind for one in found} == {ComparedKind.LATER_PERIOD}
    assert all("which goes to that of 032027." in one.reason for one in found)


def test_a_taxpayer_is_quarterly_by_any_of_its_filings() -> None:
    """There is no GSTR-2B of its first months, whose filing may be the only one that is passed."""
    (one,) = compare(
        [ims()], statement(period="122026"), filings=[filed(quarterly=True)], recompute_due=False
    )
    assert one.kind == ComparedKind.MISSING
    monthly = [filed(quarterly=True), filed(period="122026", quarterly=False)]
    (one,) = compare([ims()], statement(period="122026"), filings=monthly)
    assert one.kind == ComparedKind.EARLIER_PERIOD


SEPTEMBER: Final[dict[str, Any]] = {"return_period": "092026"}
LEFT: Final = {ComparedKind.MISSING, ComparedKind.RECOMPUTE_DUE}


@pytest.mark.parametrize(
    ("record", "documents", "filings", "period"),
    [
        (ims(**SEPTEMBER), [], [], "092026"),
        (ims(return_period="072026"), [], [filed()], "092026"),
        (ims(return_period="082026", source_form="R1A"), [], [], "092026"),
        (ims(return_period="072026"), [], [filed(period="082026", gstr3b="20-09-26")], "092026"),
        (ims(**SEPTEMBER), [document(date="06-10-26")], [], "092026"),
        (ims(**SEPTEMBER), [], [filed(ACME, gstr1="10-11-26", period="092026")], "092026"),
        (ims(**SEPTEMBER), [], [filed(period="092026", gstr3b="20-10-26")], None),
        (ims(**SEPTEMBER), [], [filed(period="092026")], None),
        (ims(**SEPTEMBER), [], [filed(gstr3b="19-11-26")], None),
        (ims(**SEPTEMBER), [document()], [], None),
        (ims(**SEPTEMBER, action="P"), [], [], None),
        (ims(**SEPTEMBER, action="R"), [], [], None),
        (ims(**SEPTEMBER, supplier_filed=False), [], [], None),
        (ims(), [], [], None),
        (ims(return_period="1026"), [], [], None),
    ],
)
def test_an_earlier_period_is_to_be_asked_about_only_if_a_record_depends_on_it(
    record: Invoice, documents: list[Gstr2bDocument], filings: list[Filing], period: str | None
) -> None:
    """What is filed of the last one decides for all before it. Once it is known, there is nothing to ask."""
    found = compare([record], statement(*documents), filings=filings)
    assert found.filing_to_ask == found.to_dict()["filing_to_ask"] == period
    if period is not None:
        for gstr3b, kinds in (({}, {ComparedKind.EARLIER_PERIOD}), ({"gstr3b": "20-10-26"}, LEFT)):
            known = compare(
                [record], statement(*documents), filings=[*filings, filed(period=period, **gstr3b)]
            )
            assert {one.kind for one in known if one.invoice} <= kinds
            assert known.filing_to_ask is None


def test_of_a_quarterly_taxpayer_the_quarter_before_is_to_be_asked_about() -> None:
    """Its first two months have no GSTR-3B."""
    quarterly = filed(period="032027", quarterly=True)
    found = compare([ims()], statement(period="032027"), filings=[quarterly])
    assert found.filing_to_ask == "122026"
    (known,) = compare([ims()], statement(period="032027"), filings=[quarterly, filed(period="122026")])
    assert known.kind == ComparedKind.EARLIER_PERIOD


def test_the_credit_of_a_duplicate_depends_on_an_earlier_period_too() -> None:
    """It stays for a person; what it should give does not."""
    twice = [ims(**SEPTEMBER), ims(**SEPTEMBER, taxable_value=Decimal(900))]
    found = compare(twice, statement())
    assert (found.filing_to_ask, found.expected) == ("092026", igst(360))
    known = compare(twice, statement(), filings=[filed(period="092026")])
    assert (known.filing_to_ask, known.expected) == (None, igst(0))
    rejected = [ims(**SEPTEMBER, action="R"), ims(**SEPTEMBER, action="P")]
    assert compare(rejected, statement()).filing_to_ask is None
