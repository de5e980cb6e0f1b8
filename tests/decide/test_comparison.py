"""What holds of any comparison with a GSTR-2B: nothing is lost, sums are exact, the order says nothing."""

from __future__ import annotations

import asyncio
import datetime as dt
import decimal
import json
import random
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ims_async import InvalidInput, Invoice, ItcReduction
from ims_async.decide import (
    Compared,
    ComparedKind,
    Comparison,
    DocumentChangeKind,
    compare,
    compare_async,
    deadlines,
    write_comparison,
)
from ims_async.decide.comparison import ordering
from ims_async.decide.comparison.kinds import BY_RECOMPUTING, FOR_A_PERSON
from ims_async.model.gstr2b import Filing, Gstr2bDocument, TaxAmounts
from ims_async.steps import run

from ..support.growth import cpu_seconds
from .books import ACME, ACME_IN_DELHI
from .statements import FIRM, document, filed, igst, ims, statement

NUMBERS = st.sampled_from(["1", "1", "A-1", "a-1", "A 1", "A1", " a1", "२", ""])
AMOUNTS = st.sampled_from(["1000+180", "1000+180.01", "1000+90+90", "0+0", "9999999999999.99+0.1+0.2+0.3"])
SUPPLIERS = st.sampled_from([ACME, ACME, ACME.lower(), ACME_IN_DELHI])
PERIODS = st.sampled_from(["102026", "102026", "092026", "082026", "112026", "", "october"])
DATES = st.sampled_from(["05-10-26", "05-10-26", "06-10-26"])
REDUCTIONS = st.sampled_from([None, ItcReduction.none(), ItcReduction.full(), ItcReduction.partial(igst=80)])
RECORDS = st.lists(
    st.builds(
        ims, NUMBERS, st.sampled_from("ARPN"), st.sampled_from(["b2b", "b2b", "b2bcn", "b2bdna", "ecom"]),
        amounts=AMOUNTS, supplier=SUPPLIERS, return_period=PERIODS, date=DATES, itc_reduction=REDUCTIONS,
        supplier_filed=st.sampled_from([True, True, False, None]), source_form=st.sampled_from([None, "R1A"]),
    ),
    max_size=8,
)  # fmt: skip
DOCUMENTS = st.lists(
    st.builds(
        document, NUMBERS,
        st.sampled_from(["b2b", "b2b", "cdnr/C", "cdnra/D", "cdnr", "ecom", "isd/ISDC", "impg"]),
        st.sampled_from(["credit", "credit", "rejected", "reversal"]), AMOUNTS, DATES,
        supplier=SUPPLIERS, supplier_period=PERIODS, itc=st.sampled_from(["Y", "Y", "N", "T", None]),
        status=st.sampled_from([None, "A", "R", "N"]), reverse_charge=st.sampled_from([None, False, True]),
        itc_reduction=REDUCTIONS, reason=st.sampled_from(["", "P", "C", "?"]),
    ),
    max_size=8,
)  # fmt: skip
KNOWN = st.builds(
    lambda **facts: facts,
    recompute_due=st.sampled_from([None, True, False]),
    filings=st.sampled_from([[], [filed(gstr3b="19-11-26")], [filed(ACME, gstr1="20-11-26")], [filed(ACME)]]),
)


BEFORE = [
    [filed(period=period, **days)] for period in ("082026", "092026") for days in ({}, {"gstr3b": "20-10-26"})
]
"""What may be filed of a period before."""


def places(comparison: Comparison, name: str, given: list[Any]) -> list[int]:
    """Return where each record, or each document, was given."""
    where = {id(one): place for place, one in enumerate(given)}
    return sorted(where[id(its)] for one in comparison if (its := getattr(one, name)) is not None)


@given(RECORDS, DOCUMENTS, KNOWN)
@settings(max_examples=400, deadline=None)
def test_each_record_and_each_document_is_there_once(
    records: list[Invoice], documents: list[Gstr2bDocument], known: dict[str, Any]
) -> None:
    """With one kind and one sentence; nothing that is alone is also with another one."""
    found = compare(records, statement(*documents), **known)
    assert places(found, "invoice", records) == [*range(len(records))]
    assert places(found, "document", documents) == [*range(len(documents))]
    for one in found:
        assert isinstance(one.kind, ComparedKind)
        assert one.reason[-1] == "."
        assert "\n" not in one.reason
        assert "₹" in one.reason
        assert one.needs_a_person is (one.kind in FOR_A_PERSON)
        assert not one.candidates or one.kind in (ComparedKind.AMBIGUOUS, ComparedKind.DUPLICATE)
    assert sum(found.counts.values()) == len(found)
    assert [*found.findings] == [one for one in found if one.needs_a_person]
    assert all(found.of(kind) == found.of(str(kind)) for kind in ComparedKind)  # type: ignore[arg-type]
    assert sorted(found.findings, key=id) == sorted(found[: len(found.findings)], key=id)  # they come first


@given(RECORDS, DOCUMENTS, KNOWN)
@settings(max_examples=300, deadline=None)
def test_sums_are_those_of_the_parts(
    records: list[Invoice], documents: list[Gstr2bDocument], known: dict[str, Any]
) -> None:
    """By head: of what the GSTR-2B gives, of what it should give, and of the difference, also by kind.

    What differs needs a person; and what is as it should be gives what it should give.
    """
    gstr2b = statement(*documents)
    with decimal.localcontext() as rounding:
        rounding.prec = 5
        found = compare(records, gstr2b, **known)
        credit, expected, difference = found.credit, found.expected, found.difference
    assert credit == gstr2b.credit == sum((one.credit for one in documents), TaxAmounts())
    assert expected == sum((one.expected for one in found), TaxAmounts())
    assert difference == credit - expected
    for kind, total in found.totals.items():
        its = found.of(kind)
        assert (total.count, found.counts[kind]) == (len(its), len(its))
        assert total.credit == sum((one.credit for one in its), TaxAmounts())
        assert total.tax == sum((one.tax for one in its), TaxAmounts())
        if kind not in FOR_A_PERSON:
            assert total.credit == total.expected
            assert all(one.difference == TaxAmounts() for one in its)


def seen(one: Compared) -> tuple[object, ...]:
    """Return all that is said of one, without the place of a thing that is there twice."""
    return (
        repr(one.invoice),
        repr(one.document),
        one.kind,
        one.reason,
        one.credit,
        one.expected,
        one.candidates,
    )


@given(RECORDS, DOCUMENTS, DOCUMENTS, KNOWN, st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_the_order_says_nothing(
    records: list[Invoice],
    documents: list[Gstr2bDocument],
    earlier: list[Gstr2bDocument],
    known: dict[str, Any],
    rng: random.Random,
) -> None:
    """Neither of the records nor of the documents: the comparison has an order of its own."""
    parts = ordering._PART
    ordering._PART = rng.choice([2, parts])  # type: ignore[misc] # more parts than one
    try:
        one = compare(records, statement(*documents), before=statement(*earlier), **known)
        for those in (records, documents, earlier):
            rng.shuffle(those)
        other = compare(records, statement(*documents), before=statement(*earlier), **known)
    finally:
        ordering._PART = parts  # type: ignore[misc]
    assert [*map(seen, one)] == [*map(seen, other)]
    assert one.changes == other.changes
    assert (str(one), repr(one), one.to_dict()) == (str(other), repr(other), other.to_dict())


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=40), st.sampled_from([2, 3, 512]))
def test_sorting_in_parts_is_sorting(pairs: list[tuple[int, int]], part: int) -> None:
    """Those of one key by the second one, also in the middle."""
    whole = ordering._PART
    ordering._PART = part  # type: ignore[misc]
    try:
        found = run(ordering.sorted_steps(pairs, lambda pair: pair[0], lambda pair: pair[1]))
    finally:
        ordering._PART = whole  # type: ignore[misc]
    assert found == sorted(pairs)


@given(DOCUMENTS, DOCUMENTS)
@settings(max_examples=300, deadline=None)
def test_changes_add_up(before: list[Gstr2bDocument], now: list[Gstr2bDocument]) -> None:
    """The credit before, and that of what came, went, moved and changed, is the credit now."""
    found = compare([], statement(*now), before=statement(*before))
    assert found.credit_before == sum((one.credit for one in before), TaxAmounts())
    changed = sum((one.difference for one in found.changes), TaxAmounts())
    assert statement(*before).credit + changed == found.credit
    counts = Counter(one.kind for one in found.changes)
    came, went = counts[DocumentChangeKind.CAME], counts[DocumentChangeKind.WENT]
    assert len(before) + came - went == len(now)
    assert not compare([], statement(*now), before=statement(*now)).changes


@given(RECORDS, DOCUMENTS, KNOWN)
@settings(max_examples=200, deadline=None)
def test_what_is_filed_before_matters_only_where_it_is_to_be_asked(
    records: list[Invoice], documents: list[Gstr2bDocument], known: dict[str, Any]
) -> None:
    """The one answer that is asked for settles it; where none is, no answer would change anything."""

    def compared(*more: Filing) -> Comparison:
        return compare(records, statement(*documents), **{**known, "filings": [*known["filings"], *more]})

    found = compared()
    period = found.filing_to_ask
    if period is None:
        assert all([*map(seen, compared(*more))] == [*map(seen, found)] for more in BEFORE)
        return
    not_filed, filed_then = compared(filed(period=period)), compared(filed(period=period, gstr3b="20-10-26"))
    assert (not_filed.filing_to_ask, filed_then.filing_to_ask) == (None, None)
    assert not_filed.totals != found.totals
    assert filed_then.totals == found.totals
    for answered, answer in ((not_filed, {}), (filed_then, {"gstr3b": "20-10-26"})):
        whole = [filed(period=one, **answer) for one in ("072026", "082026", "092026")]
        assert compared(*whole).totals == answered.totals


# -- an earlier GSTR-2B -------------------------------------------------------------------------------------


def test_documents_that_came_went_moved_and_changed() -> None:
    """In the order of their suppliers and numbers."""
    before = statement(
        document("1"),
        document("2"),
        document("3"),
        document("4", status="N"),
        document("5", section="cdnr/C"),
    )
    now = statement(
        document("0", amounts="100+18"),
        document("2", place="rejected"),
        document("3", amounts="1000+170"),
        document("4", status="A"),
        document("5", section="cdnr/C"),
    )
    found = compare([], now, before=before)
    assert [(one.kind, one.document.number, one.difference) for one in found.changes] == [
        ("came", "0", igst(18)),
        ("went", "1", igst(-180)),
        ("moved", "2", igst(-180)),
        ("changed", "3", igst(-10)),
        ("changed", "4", igst(0)),
    ]
    assert (found.credit_before, found.credit) == (igst(540), igst(188))
    assert [str(one) for one in found.changes[:2]] == [
        f"GSTR-2B b2b 0 of 05-10-2026 from {ACME} came: the credit changed by ₹18.00",
        f"GSTR-2B b2b 1 of 05-10-2026 from {ACME} went: the credit changed by -₹180.00",
    ]
    assert str(found).endswith(
        "The earlier one gave ₹540.00; of documents 1 came, 1 went, 1 moved, 2 changed."
    )
    assert found.changes[0].to_dict()["difference"]["igst"] == "18"
    again = compare([], now, before=now)
    assert str(again).endswith("The earlier one gave ₹188.00; no document changed.")
    assert compare([], now).credit_before is None


@pytest.mark.parametrize(
    ("now", "difference"),
    [
        (document(itc="T"), 0),
        (document(itc="N", reason="P"), -180),
        (document(supplier_period="092026"), 0),
        (document(value=Decimal(1)), 0),
        (document(remarks="not ours"), 0),
    ],
)
def test_any_fact_of_a_document_can_change(now: Gstr2bDocument, difference: int) -> None:
    """Nothing is said to be unchanged that is not."""
    (change,) = compare([], statement(now), before=statement(document())).changes
    assert (change.kind, change.difference) == (DocumentChangeKind.CHANGED, igst(difference))
    assert str(change).endswith(
        f"changed by -₹{-difference}.00" if difference else "the credit stays the same"
    )


def test_equal_numbers_are_sorted_by_all_that_differs() -> None:
    """Also by an ITC reduction, by an original and by what is not read: the order given says nothing."""
    facts: list[dict[str, Any]] = [
        {"itc_reduction": ItcReduction.none()},
        {"itc_reduction": ItcReduction.full()},
    ]
    facts += [{"original_number": "1"}, {"original_number": "2"}, {"type": "DE"}, {"extra": {"a": 1}}]
    records = [ims(section="b2bcn", **one) for one in facts]
    documents = [document(section="cdnr/C", **one) for one in facts]
    one = compare(records, statement(*documents), before=statement(*documents, document("2")))
    other = compare(
        records[::-1], statement(*documents[::-1]), before=statement(document("2"), *documents[::-1])
    )
    assert [*map(seen, one)] == [*map(seen, other)]
    gone = [
        compare([], statement(), before=statement(*those)).changes for those in (documents, documents[::-1])
    ]
    assert gone[0] == gone[1]


# -- what print and JSON say --------------------------------------------------------------------------------


def test_a_comparison_is_some_sentences() -> None:
    """What was compared, the rupees, what needs a person, and what to do."""
    records = [ims("1"), ims("2", "R"), ims("3", supplier_filed=False), ims("4", section="b2bcn")]
    documents = [document("1"), document("2"), document("4", section="cdnr/C", amounts="1000+80+100")]
    found = compare(records, statement(*documents))
    assert str(found) == (
        f"4 records of IMS and 3 documents of the GSTR-2B of {FIRM} for 102026, generated on 14-11-2026. "
        "It gives a credit of ₹180.00, and should give ₹0.00: the difference is ₹180.00 "
        "(IGST ₹360.00, CGST -₹80.00, SGST -₹100.00). "
        "2 need a person: 1 rejected but counted, 1 amounts differ. The others: 1 not filed, 1 counted. "
        "It is older than the actions: compute it anew."
    )
    assert repr(found) == (
        f"<Comparison of {FIRM} for 102026: 1 rejected but counted, 1 amounts differ, 1 not filed, 1 counted>"
    )
    fine = compare([ims("1")], statement(document("1"), generated_on=None))
    assert str(fine) == (
        f"1 record of IMS and 1 document of the GSTR-2B of {FIRM} for 102026. "
        "It gives a credit of ₹180.00, as the actions say. Nothing needs a person: 1 counted."
    )
    one = compare([ims("1", "P")], statement(document("1")))
    assert "1 needs a person: 1 pending but listed." in str(one)
    nothing = compare([], statement())
    assert str(nothing).startswith(f"0 records of IMS and 0 documents of the GSTR-2B of {FIRM}")
    assert "nothing" in repr(nothing)


def test_a_comparison_is_plain_json() -> None:
    """Exact rupees by head, and all that was found."""
    found = compare(
        [ims("1", "R"), ims("2"), ims("2")], statement(document("1"), document("2")), before=statement()
    )
    facts = json.loads(json.dumps(found.to_dict()))
    assert (facts["gstin"], facts["period"], facts["generated_on"]) == (FIRM, "102026", "2026-11-14")
    assert facts["recompute_due"] is True
    assert facts["credit"] == {"igst": "360", "cgst": "0", "sgst": "0", "cess": "0"}
    assert facts["credit_before"] == {"igst": "0", "cgst": "0", "sgst": "0", "cess": "0"}
    assert facts["kinds"]["rejected but counted"]["count"] == 1
    assert [one["kind"] for one in facts["compared"]] == ["rejected but counted"] + ["ambiguous"] * 3
    first, record, *_, last = facts["compared"]
    assert Invoice.from_dict(first["invoice"]) == ims("1", "R")
    assert Gstr2bDocument.from_dict(first["document"]) == document("1")
    assert (first["candidates"], record["candidates"], last["candidates"]) == (0, 1, 2)
    assert (record["expected"]["igst"], last["expected"]["igst"]) == ("180", "0")
    assert (record["document"], last["invoice"]) == (None, None)
    assert {one["kind"] for one in facts["changes"]} == {"came"}


@pytest.mark.parametrize(
    ("known", "action", "due"),
    [
        ({}, "R", True),
        ({}, "A", False),
        ({"recompute_due": True}, "A", True),
        ({"recompute_due": False}, "R", True),
        ({"recompute_due": True, "filings": [filed(gstr3b="19-11-26")]}, "R", False),
    ],
)
def test_whether_it_is_to_be_computed_anew(known: dict[str, Any], action: str, due: bool) -> None:
    """If somebody knows, or if it shows; not once GSTR-3B is filed."""
    assert compare([ims(action=action)], statement(document()), **known).recompute_due is due
    assert BY_RECOMPUTING < FOR_A_PERSON


# -- what is refused ----------------------------------------------------------------------------------------


NO_DOCUMENTS: Any = ({"inum": "1"},)


def other(one: Any, **facts: Any) -> Any:
    """Return a record or a document with values that no type checker lets pass."""
    return attrs.evolve(one, **facts)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"invoices": "november.csv"}, r"invoices: 'november\.csv' is no Invoice"),
        ({"invoices": [ims(), {"number": "2"}]}, r"invoices: \{'number': '2'\} is no Invoice"),
        ({"gstr2b": {"docdata": {}}}, r"gstr2b: .* is no Gstr2b.*taxpayer\.gstr2b"),
        ({"gstr2b": None}, r"gstr2b: None is no Gstr2b"),
        ({"before": [document()]}, r"before: .* is no Gstr2b"),
        ({"gstr2b": statement(summary_only=True)}, r"gstr2b: .* 102026 is a summary, without documents"),
        ({"before": statement(summary_only=True)}, r"before: .* is a summary"),
        ({"before": statement(period="092026")}, r"before: it is of \S+ for 092026, and .* for 102026"),
        ({"before": statement(gstin=ACME)}, rf"before: it is of {ACME} for"),
        ({"gstr2b": attrs.evolve(statement(), documents=NO_DOCUMENTS)}, r"gstr2b\.documents: \{.* is no Gst"),
        ({"gstr2b": statement(period="032024")}, r"period 032024 is before IMS"),
        ({"gstr2b": statement(period="1026")}, r"'1026' is not a return period"),
        ({"dates": "2026"}, r"dates: '2026' is no Deadlines; decide\.deadlines"),
        ({"dates": deadlines("092026")}, r"dates: they are of 092026, and the GSTR-2B is of 102026"),
        ({"filings": filed()}, r"filings: Filing.* is no Filing, nor a list.*taxpayer\.filing"),
        ({"filings": [filed(None)]}, r"filings: that of None for '102026' needs a GSTIN and a period"),
        ({"filings": [filed(period="1026")]}, r"for '1026' needs a GSTIN and a period MMYYYY"),
        ({"filings": [filed(ACME, gstr1_filed_on="10-11-2026")]}, r"'10-11-2026' is no date"),
        ({"filings": [filed(gstr3b_filed_on=dt.datetime(2026, 11, 19, tzinfo=dt.UTC))]}, r"is no date"),
        ({"invoices": [other(ims(), return_period=["102026"])]}, r"return period \['102026'\] is no text"),
        ({"gstr2b": statement(document(supplier_period=102026))}, r"return period 102026 is no text"),
        ({"invoices": [ims(recipient=ACME)]}, rf"S-1 .* was read for {ACME}, and the GSTR-2B is of {FIRM}"),
        ({"invoices": [other(ims(), igst=1.5)]}, r"IMS b2b S-1 .*: 1\.5 is no exact.*Decimal"),
        ({"invoices": [other(ims(), cess=Decimal("NaN"))]}, r"Decimal\('NaN'\) is no exact amount"),
        ({"invoices": [other(ims(), value=Decimal("sNaN"))]}, r"Decimal\('sNaN'\) is no exact amount"),
        ({"invoices": [other(ims(), value=Decimal("1E+999999"))]}, r"Decimal\('1E\+999999'\) is no"),
        ({"invoices": [other(ims(), igst=Decimal("1E-900"))]}, r"Decimal\('1E-900'\) is no exact amount"),
        ({"invoices": [other(ims(), igst=Decimal("1." + "0" * 99 + "1"))]}, r"is no exact amount"),
        ({"invoices": [other(ims(), date="05-10-2026")]}, r"of \? from .*'05-10-2026' is no date"),
        ({"invoices": [other(ims(), date=dt.datetime(2026, 10, 5, tzinfo=dt.UTC))]}, r"is no date"),
        ({"invoices": [other(ims(), number=7)]}, r"number 7 is no text"),
        ({"invoices": [other(ims(), supplier=None)]}, r"supplier None is no text"),
        ({"invoices": [other(ims(), action="A")]}, r"section .* and action 'A' are no Section and no"),
        ({"invoices": [other(ims(), section="cdnr")]}, r"section 'cdnr' and action"),
        ({"gstr2b": statement(document(supplier=None))}, r"GSTR-2B b2b S-1 .*: supplier None is no text"),
        ({"gstr2b": statement(document(value=Decimal("Infinity")))}, r"Decimal\('Infinity'\) is no exact"),
        ({"gstr2b": statement(other(document(), tax=None))}, r"S-1 .*: None is no TaxAmounts"),
        ({"gstr2b": statement(other(document(), section="x"))}, r"section 'x', place .* are none"),
        ({"before": statement(other(document(), number=None))}, r"b2b None .*: number None is no text"),
    ],
)  # fmt: skip
def test_what_is_no_record_no_statement_and_no_amount_is_refused(wrong: dict[str, Any], said: str) -> None:
    """With its name, and before anything is said of the rest."""
    facts: dict[str, Any] = {"invoices": [ims("0")], "gstr2b": statement(document("0")), **wrong}
    records, gstr2b = facts.pop("invoices"), facts.pop("gstr2b")
    with pytest.raises(InvalidInput, match=said):
        compare(records, gstr2b, **facts)
    with pytest.raises(InvalidInput, match=said):
        asyncio.run(compare_async(records, gstr2b, **facts))


def test_strange_numbers_stay_in_one_line() -> None:
    """And cannot be a formula of a spreadsheet."""
    number = "=1\n2\u2028" + "9" * 500
    found = compare([ims(number), ims(number)], statement(document(number), document("\0")))
    assert all("\n" not in one.reason and "\u2028" not in one.reason for one in found)
    assert all(len(one.reason) < 400 for one in found)


# -- many ---------------------------------------------------------------------------------------------------


async def test_the_event_loop_goes_on_meanwhile() -> None:
    """And the result is the same."""
    records = [ims(f"{place}", "ARPN"[place % 4]) for place in range(4000)]
    documents = [document(f"{place}", amounts=f"{place}+{place}") for place in range(2000, 6000)]
    gstr2b, turns = statement(*documents), 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    found = await compare_async(iter(records), gstr2b, before=gstr2b)
    counting.cancel()
    assert turns > 10
    assert [*map(seen, found)] == [*map(seen, compare(records, gstr2b))]


@pytest.mark.parametrize("make", [lambda place: "CASH", lambda place: f"INV-{place}"], ids=["one", "each"])
def test_very_many_take_no_longer_each(make: Callable[[int], str]) -> None:
    """Of one number they are ambiguous, and each has the same candidates, which are kept once."""

    def seconds(rows: int) -> float:
        records = [ims(make(place)) for place in range(rows)]
        gstr2b = statement(*(document(make(place)) for place in range(rows)))
        found = compare(records, gstr2b, before=gstr2b)
        candidates = {id(one.candidates) for one in found if one.candidates}
        assert len(candidates) == (2 if make(0) == make(1) else 0)
        return cpu_seconds(lambda: compare(records, gstr2b, before=gstr2b))

    seconds(100)
    assert seconds(4000) < 4 * seconds(1000) * 2.5


# -- files --------------------------------------------------------------------------------------------------

FOUND = [ims("1", "R"), ims("=2", supplier_filed=False), ims("3", section="b2bcn", date="06-10-26")]
STATED = [document("1"), document("3", section="cdnr/C", date="06-10-26"), document("4", section="isd/ISDI")]


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "parquet"])
def test_a_file_has_a_line_for_each_with_the_amounts_of_both_sides(tmp_path: Path, suffix: str) -> None:
    """What needs a person first; the rupees of each head as numbers."""
    for library in {"csv": (), "xlsx": ("xlsxwriter", "python_calamine"), "parquet": ("pyarrow",)}[suffix]:
        pytest.importorskip(library, reason=f"the extra for .{suffix} is not installed")
    from ims_async.tables import formats, source

    file = tmp_path / f"comparison.{suffix}"
    found = compare(FOUND, statement(*STATED))
    assert write_comparison(file, found) == 4
    if suffix == "csv":
        import csv

        header, *lines = csv.reader(file.read_text(encoding="utf-8-sig").splitlines())
    else:
        kind = formats.format_of(file)
        assert kind is not None
        (sheet,) = kind.sheets(file)
        assert isinstance(sheet, source.Sheet)
        header, *lines = ([*row] for row in sheet.rows)
    rows = [dict(zip(header, line, strict=True)) for line in lines]
    assert len(header) == len(set(header)) == 44
    assert [row["kind"] for row in rows] == [*map(str, (one.kind for one in found))]
    assert [row["needs a person"] for row in rows] == ["yes", "no", "no", "no"]
    assert [row["reason"] for row in rows] == [one.reason for one in found]
    first, unfiled, note, isd = rows
    number = (lambda text: text) if suffix == "csv" else Decimal
    assert {number(one["GSTR-2B IGST"]) for one in (first, note, isd)} == {number("180")}
    assert (number(first["credit IGST"]), number(first["expected IGST"])) == (number("180"), number("0"))
    assert number(note["credit IGST"]) == number("-180")
    assert unfiled["number"] == ("'=2" if suffix == "csv" else "=2")
    assert not unfiled["GSTR-2B number"]
    assert not isd["number"]
    assert {"csv": "06-10-2026"}.get(suffix, dt.date(2026, 10, 6)) in (note["date"], note["GSTR-2B date"])
    with pytest.raises(InvalidInput, match="is there already"):
        write_comparison(file, found, overwrite=False)
