"""What holds of any matching: the order of rows says nothing, nothing is used twice, nothing is guessed."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ims_async import InvalidInput, Invoice, Section
from ims_async.decide import (
    Entry,
    MatchKind,
    Policy,
    Tolerance,
    Tolerances,
    decide,
    decide_async,
    match,
    match_async,
    testing,
)
from ims_async.decide.matching import Match, matching_steps, shelves

from ..support.growth import cpu_seconds
from ..support.sweeps import examples
from .books import ACME, ACME_IN_DELHI, OTHER, entry, record

NUMBERS = st.sampled_from(
    ["1", "01", "A-1", "A/26-27/1", "A1", "11", "1/1", "INV-101", "INV-1O1", "INV-102", "", "१"]
)
DATES = st.sampled_from(["31-03-26", "01-04-26", "05-05-26", "06-05-26", "05-09-26"])
AMOUNTS = st.sampled_from(["1000+180", "1000.5+180", "1001.5+180", "1000+90+90", "500+90", "0+0"])
SUPPLIERS = st.sampled_from([ACME, ACME, ACME.lower(), ACME_IN_DELHI, OTHER])
RECORDS = st.lists(
    st.builds(
        record, NUMBERS, DATES, AMOUNTS, supplier=SUPPLIERS,
        section=st.sampled_from([Section.B2B, Section.B2B, Section.B2BCN]),
        original_number=st.sampled_from([None, None, "1"]),
    ),
    max_size=8,
)  # fmt: skip
ENTRIES = st.lists(
    st.builds(
        entry, NUMBERS, DATES, AMOUNTS, supplier=SUPPLIERS,
        reference=st.sampled_from(["", "", "V1", "V2"]), kind=st.sampled_from(["invoice", "credit note"]),
    ),
    max_size=10,
)  # fmt: skip


def found(one: Match) -> tuple[object, ...]:
    """Return all that a match says but for its record."""
    return one.kind, one.stage, one.entries, one.differences, one.reason, one.automatic


def by_value(entries: list[Entry]) -> Counter[str]:
    """Return entries as if they had no places."""
    return Counter(map(repr, entries))


@given(RECORDS, ENTRIES, st.randoms(use_true_random=False))
@settings(max_examples=examples(400), deadline=None)
def test_the_order_of_the_rows_says_nothing(
    records: list[Invoice], entries: list[Entry], rng: random.Random
) -> None:
    """Neither that of the records nor that of the register; equal records have equal matches.

    Nor where there are more candidates than are looked at one by one: two instead of 64 here.
    """
    for many in (64, 2):
        with patch.object(shelves, "MANY", many):
            before = match(records, entries)
            order = rng.sample(range(len(records)), len(records))
            after = match([records[place] for place in order], rng.sample(entries, len(entries)))
        assert [found(before[place]) for place in order] == [*map(found, after)]
        assert by_value(before.only_in_books) == by_value(after.only_in_books)


@pytest.mark.parametrize("many", [64, 2])
@given(records=RECORDS, entries=ENTRIES)
@settings(max_examples=examples(300), deadline=None)
def test_no_entry_belongs_to_two_records(many: int, records: list[Invoice], entries: list[Entry]) -> None:
    """But as a candidate of ambiguous ones; and none is both used and left."""
    with patch.object(shelves, "MANY", many):
        matching = match(records, entries)
    places = {id(one): place for place, one in enumerate(entries)}
    used = Counter(
        places[id(one)] for each in matching if each.kind is not MatchKind.AMBIGUOUS for one in each.entries
    )
    named = {places[id(one)] for each in matching if each.kind is MatchKind.AMBIGUOUS for one in each.entries}
    left = {places[id(one)] for one in matching.only_in_books}
    assert max(used.values(), default=1) == 1
    assert not used.keys() & named
    assert used.keys() | named | left == {*places.values()}
    assert not left & (used.keys() | named)


@given(RECORDS, ENTRIES)
@settings(max_examples=100, deadline=None)
def test_every_match_has_a_sentence_and_nothing_below_stage_3_is_automatic(
    records: list[Invoice], entries: list[Entry]
) -> None:
    """With figures."""
    for one in match(records, entries):
        assert one.reason.endswith(".")
        assert "\n" not in one.reason
        assert "₹" in one.reason
        assert one.stage <= 3 or not one.automatic
        assert (one.entry is None) == (one.kind in (MatchKind.AMBIGUOUS, MatchKind.NOT_IN_BOOKS))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"policy": "firm.toml"}, r"policy: 'firm\.toml' is no Policy; Policy\.load\(path\) reads one"),
        ({"policy": {"kinds": {}}}, r"Policy\.load\(path\)"),
        ({"register": "purchases.csv"}, r"register: 'purchases\.csv' is no Entry.*read_register\(path\)"),
        ({"register": Path("purchases.csv")}, r"read_register\(path\)"),
        ({"register": [{"number": "7"}]}, r"register: {'number': '7'} is no Entry.*entries_of\(rows\)"),
        ({"register": testing.sample(records=3)}, r"sample\.register"),
        ({"invoices": testing.sample(records=3)}, r"invoices: .* is no Invoice.*sample\.invoices"),
        ({"invoices": "november.csv"}, r"invoices: 'november\.csv' is no Invoice"),
    ],
)
def test_what_is_no_register_no_policy_and_no_record_is_refused(given: dict[str, Any], said: str) -> None:
    """With the call that makes one."""
    facts: dict[str, Any] = {"invoices": [record("7")], "register": [entry("7")], **given}
    for work in (match, decide):
        with pytest.raises(InvalidInput, match=said):
            work(**facts)
    with pytest.raises(InvalidInput, match=said):
        asyncio.run(decide_async(**facts))


def test_reasons_say_what_and_how_much() -> None:
    """The number, the date and the rupees of both sides."""
    (one,) = match([record("7", amounts="100000+18000")], [entry("7", amounts="100500+18000")])
    assert one.reason == (
        f"The number agrees with 7 of 05-05-2026 from {ACME}, but taxable value is ₹100,500.00 in the books "
        "and ₹100,000.00 at the gateway."
    )
    assert one.differences == {"taxable_value": Decimal(500)}
    (twice,) = match([record("7")], [entry("7"), entry("7", "09-05-26")])
    assert twice.differences == {"taxable_value": Decimal(1000), "igst": Decimal(180)}
    assert "more than once" in twice.reason
    dated, _ = match([record("7"), record("8", "05-06-26")], [entry("7", "05-06-26")])
    assert dated.reason == (
        f"The number and the amounts agree with 7 of 05-06-2026 from {ACME}, but another record has that "
        "date and these amounts: taxable value ₹1,000.00, tax ₹180.00."
    )


def test_an_ambiguous_record_names_its_own_candidates() -> None:
    """In the order of their dates, and not those of its neighbour."""
    first, second, third = (entry("7", f"{day}-05-26") for day in ("08", "09", "12"))
    records = [record("7", "05-05-26"), record("7", "06-05-26", original_number="8")]
    for one in match(records, [third, second, first]):
        assert one.kind is MatchKind.AMBIGUOUS
        assert one.entries == (first, second, third)
        assert one.entry is None
        assert one.differences == {}


@pytest.mark.parametrize(
    ("tolerance", "books", "kind"),
    [
        (Tolerance(), "1001", "within tolerance"),
        (Tolerance(), "1001.01", "value differs"),
        (Tolerance(rupees=0), "1000", "matched"),
        (Tolerance(rupees=0), "1000.01", "value differs"),
        (Tolerance(rupees=0, percent="0.5"), "1005", "within tolerance"),
        (Tolerance(rupees=0, percent="0.5"), "1005.01", "value differs"),
        (Tolerance(rupees=10, percent="0.5"), "1010", "within tolerance"),
        (Tolerance(below=Tolerance(rupees=50)), "950", "within tolerance"),
        (Tolerance(below=Tolerance(rupees=50)), "949.99", "value differs"),
        (Tolerance(below=Tolerance(rupees=50)), "1001.01", "value differs"),
        (Tolerance(rupees=0), "1000.004", "matched"),
    ],
)
def test_a_tolerance_ends_where_it_says(tolerance: Tolerance, books: str, kind: str) -> None:
    """The larger of rupees and percent; books below the gateway may have their own."""
    policy = Policy(tolerances=Tolerances(taxable_value=tolerance))
    (one,) = match([record("7")], [entry("7", amounts=f"{books}+180")], policy)
    assert one.kind == kind


@pytest.mark.parametrize(
    ("books", "section", "kind"),
    [
        ("500+90", Section.B2BCN, "value differs"),
        ("1500+270", Section.B2BCN, "within tolerance"),
        ("500+90", Section.B2B, "within tolerance"),
        ("1500+270", Section.B2B, "value differs"),
    ],
)
def test_books_are_below_the_gateway_if_they_claim_less(books: str, section: Section, kind: str) -> None:
    """A credit note lowers the credit: the larger one of the books claims less."""
    head = Tolerance(below=Tolerance(rupees=600))
    policy = Policy(tolerances=Tolerances(taxable_value=head, igst=head))
    note = "credit note" if section is Section.B2BCN else "invoice"
    (one,) = match([record("7", section=section)], [entry("7", amounts=books, kind=note)], policy)
    assert one.kind == kind


def test_days_are_a_tolerance_too() -> None:
    """Of the register's date."""
    policy = Policy(tolerances=Tolerances(days=3))
    kinds = [match([record("7")], [entry("7", date)], policy)[0].kind for date in ("08-05-26", "09-05-26")]
    assert kinds == ["matched", "not in books"]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: entry("7", amounts="NaN"),
        lambda: Entry(ACME, "7", dt.date(2026, 5, 5), 12.5),  # type: ignore[arg-type]
        lambda: Entry(ACME, "7", "05-05-2026", 12),  # type: ignore[arg-type]
        lambda: entry("7", kind="bill"),
        lambda: entry(7),  # type: ignore[arg-type]
        lambda: entry("7", supplier=None),
        lambda: entry("7", reference=5),
        lambda: entry("7", amounts="1" + "0" * 13),
        lambda: Tolerance(rupees=-1),
        lambda: Tolerances(days=-1),
    ],
)
def test_what_is_not_exact_is_refused(wrong: object) -> None:
    """With a sentence."""
    with pytest.raises(InvalidInput, match=r"is no|is not|is unknown|is too large"):
        wrong()  # type: ignore[operator]


def test_a_matching_is_a_sequence() -> None:
    """Of one match for each record, made when it is asked for."""
    matching = match([record("7"), record("8", "06-05-26")], iter([entry("7"), entry("9", "20-05-26")]))
    assert [one.invoice.number for one in matching] == ["7", "8"]
    assert matching[0] == matching[-2] == matching[:1][0]
    assert matching.counts[MatchKind.MATCHED] == matching.counts[MatchKind.NOT_IN_BOOKS] == 1
    assert [one.number for one in matching.only_in_books] == ["9"]
    assert "1 matched" in repr(matching)
    assert [*match([], [])] == []


# -- large registers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["CASH", "INV-{}"])
def test_very_many_rows_of_one_supplier_and_value_take_no_longer_each(number: str) -> None:
    """Of one number they are ambiguous, and all are candidates of each; the time grows as the rows do."""

    def seconds(rows: int) -> float:
        dates = [f"{1 + place % 28:02d}-05-26" for place in range(rows)]
        records = [record(number.format(place), date) for place, date in enumerate(dates)]
        books = [entry(number.format(place), date, reference=str(place)) for place, date in enumerate(dates)]
        matching = match(records, books)
        wanted = MatchKind.AMBIGUOUS if number == "CASH" else MatchKind.MATCHED
        assert matching.counts[wanted] == rows
        assert matching.only_in_books == []
        assert len(matching[0].entries) == (rows if number == "CASH" else 1)
        assert matching[0].entries is matching[-1].entries or number != "CASH"
        return cpu_seconds(lambda: match(records, books))

    seconds(100)
    assert seconds(8000) < 4 * seconds(2000) * 2.5


def test_candidates_by_their_value_are_kept_once() -> None:
    """However many records there are of about each value, and however wide the tolerance is."""
    policy = Policy(tolerances=Tolerances(taxable_value=Tolerance(percent=10)))
    records = [record(f"{place}/X1", amounts=f"{1000 + place}+180") for place in range(2000)]
    books = [entry(f"{place + 2000}/Y1", amounts=f"{1000 + place}+180") for place in range(2000)]
    tracemalloc.start()
    try:
        matching = match(records, books, policy)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert matching.counts[MatchKind.AMBIGUOUS] == 2000
    assert peak < 4000 * 2000


async def test_the_event_loop_goes_on_meanwhile() -> None:
    """And the result is the same."""
    made, turns = testing.sample(seed=3, records=1500, for_supplier=1500), 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counter = asyncio.create_task(count())
    matching = await match_async(made.invoices, made.register)
    counter.cancel()
    assert turns > 5
    assert [*matching] == [*match(made.invoices, made.register)]
    decided = await decide_async(made.invoices, None, made.register)
    assert decided.judged == decide(made.invoices, None, made.register).judged


def test_a_record_that_shares_one_of_very_many_candidates_is_ambiguous_too() -> None:
    """It is one of theirs as well; what has nothing to do with them is matched."""
    books = [entry("7", reference=str(place)) for place in range(66)]
    books += [entry("7", amounts="1000.8+180"), entry("7", amounts="1100+180", reference="V")]
    records = [record("7"), record("7", amounts="1001.5+180"), record("7", amounts="1100+180")]
    first, second, third = match(records, books)
    assert [len(one.entries) for one in (first, second, third)] == [67, 1, 1]
    assert [one.kind for one in (first, second, third)] == ["ambiguous", "ambiguous", "matched"]
    assert "and 64 more" in first.reason


@pytest.mark.parametrize("for_supplier", [50, 6000])
def test_no_step_is_long(for_supplier: int) -> None:
    """Most take no millisecond; the limit is one that a busy machine keeps too, but for the odd one."""
    made = testing.sample(seed=4, records=6000, for_supplier=for_supplier)
    steps, took = matching_steps(made.invoices, made.register), []
    while True:
        began = time.thread_time()
        try:
            next(steps)
        except StopIteration:
            break
        took.append(time.thread_time() - began)
    assert sorted(took)[len(took) * 98 // 100] < 0.015
    assert max(took) < 0.15
    assert len(took) > 100


def test_a_record_needs_little_memory() -> None:
    """100,000 of one supplier, with as many entries, less than 200 MB beside themselves."""
    made = testing.sample(seed=4, records=5000, for_supplier=5000)
    tracemalloc.start()
    try:
        match(made.invoices, made.register)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2000 * 5000


def test_without_rapidfuzz_typing_errors_are_not_found() -> None:
    """And nothing else changes."""
    script = (
        "import sys; sys.modules['rapidfuzz.distance'] = sys.modules['rapidfuzz'] = None\n"
        "from ims_async.decide import match, testing\n"
        "made = testing.sample(seed=1, records=400)\n"
        "matching = match(made.invoices, made.register)\n"
        "assert testing.score(matching, made).automatic_precision == 1\n"
        "print(matching.counts['matched'])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    made = testing.sample(seed=1, records=400)
    assert int(ran.stdout) == match(made.invoices, made.register).counts[MatchKind.MATCHED]
