"""The offline checks of many records: the cache of results changes no finding."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ims_async import Action, Decision, Invoice, ItcReduction, RulePolicy, Section
from ims_async.rules import Checker, check
from ims_async.rules.cache import _PLAIN, RuleCache, _kinds_of
from ims_async.rules.catalogue import RECORD_RULES
from ims_async.rules.context import Facts, case_of
from tests.support.rule_cases import FULL, GOOD, GSTIN, NONE, codes, decided, good, of
from tests.support.sweeps import sample

FACTS: dict[str, Any] = {"gstin": GSTIN, "today": dt.date(2025, 12, 25)}
POLICY = RulePolicy(filed=["102025"])
BESIDE = Facts(**FACTS, filed=POLICY.filed_by(GSTIN))

_ACTIONS: st.SearchStrategy[Any] = st.sampled_from([*Action, "A"])
_AMOUNTS: list[Any] = [
    *map(Decimal, ("0", "0.0", "9", "9.00", "18.5", "-1", "0.001", "1E+2", "NaN", "1E+20")),
    *map(
        Decimal, ("-0", "0.00", "0.000", "0E+2", "-0.01", "99999999999.99", "99999999999.9", "100000000000")
    ),
    *map(Decimal, ("100000000000.00", "9999999999999.99", "10000000000000", "1E+1", "sNaN", "-Infinity")),
    *(None, 5, "5"),
]
_VALUES: dict[str, list[Any]] = {
    "section": [*Section, "b2b", None],
    "supplier": [GOOD.supplier, GSTIN, GSTIN.lower(), "x", "\ud800", None, ["x"]],
    "recipient": [None, GSTIN, GSTIN.lower(), "x", 5, ["x"]],
    "number": ["1", "2", "000", "", "\ud800", 5, ["x"]],
    "hash": [None, "a1", 5],
    "supplier_name": [None, "Acme", b"x"],
    "read_from_gateway": [True, False, None],
    "extra": [{}, {"a": "b"}, {"a": 1}, {"a": {1}}, {1: 2}, None, 5],
    "date": [GOOD.date, dt.date(2025, 10, 5), dt.date(2017, 7, 1), dt.date(2025, 12, 24), "x"],
    "return_period": ["092025", "102025", "122025", "012026", "062017", "x", 5],
    "source_form": ["R1", "R1A", "x", None, {}],
    "place_of_supply": ["07", "7", None],
    "type": ["R", "x", None],
    "action": [*Action, "A", None],
    "pending_allowed": [True, False, None, 0],
    "supplier_filed": [True, False, None, 0],
    "remarks": [None, "why", 5],
    "remarks_allowed": [True, False, None],
    "itc_reduction": [None, NONE, FULL, "x"],
    "itc_reduction_allowed": [True, False, None],
    "original_number": ["1", "2", "", None, 5, ["x"]],
    "original_date": [GOOD.date, None, "x"],
    **dict.fromkeys(("value", "taxable_value", "igst", "cgst", "sgst", "cess"), _AMOUNTS),
}
"""What may stand in each field of a record: what a rule tells apart is among it."""
_REMARKS: list[Any] = [
    "",
    "why",
    "क्यों",
    "à¤•à¥\x8d",
    "cafÃ©",
    "????",
    "why??",
    "\ud800",
    "\x00",
    "x" * 251,
    5,
]


@st.composite
def _records(draw: st.DrawFn) -> Decision | Invoice:
    """Records few of whose facts differ from the good one's, so that a batch holds many alike."""
    changed = draw(st.lists(st.sampled_from(sorted(_VALUES)), max_size=3, unique=True))
    plain = of(draw(st.sampled_from(list(Section))))
    invoice = attrs.evolve(plain, **{name: draw(st.sampled_from(_VALUES[name])) for name in changed})
    if draw(st.integers(0, 4)) == 0:
        return invoice
    amounts = st.sampled_from(_AMOUNTS)
    partial = ItcReduction(required=draw(st.booleans()), igst=draw(amounts), cgst=draw(amounts))
    return Decision(
        invoice=invoice,
        action=draw(_ACTIONS),
        remarks=draw(st.sampled_from([None, None, *_REMARKS])),
        itc_reduction=draw(st.sampled_from([None, None, NONE, FULL, partial, "x"])),  # type: ignore[arg-type]
    )


def asked(record: Decision | Invoice, place: int, first: int, facts: Facts) -> list[tuple[str, str]]:
    """Every finding on a record, without the cache and the fast test."""
    case = case_of(record, place, first, facts)
    return [(rule.code, problem.message) for rule in RECORD_RULES for problem in rule.look(case) if problem]


def compare(records: Sequence[Decision | Invoice]) -> None:
    """Check a batch, and each of its records without the cache and the fast test."""
    checker, firsts = Checker(policy=POLICY, **FACTS), dict[str, int]()
    for place, record in enumerate(records):
        found = checker.one(record, place)
        key = (record.invoice if isinstance(record, Decision) else record).key
        known = isinstance(key.section, str) and not any(isinstance(part, list) for part in key)
        first = firsts.setdefault(repr(list(map(str, key))), place) if known else place
        assert [(finding.code, finding.message) for finding in found] == asked(record, place, first, BESIDE)
    checker.end()


@pytest.mark.parametrize("name", _PLAIN)
def test_the_types_of_a_record_are_in_the_order_of_their_table(name: str) -> None:
    """Written out, they must not fall behind it."""
    mark: dict[str, Any] = {name: Mark()}
    marked = _kinds_of(attrs.evolve(GOOD, **mark))
    assert [kind is Mark for kind in marked] == [other == name for other in _PLAIN]


class Mark:
    """What stands in no field."""


@given(st.lists(_records(), min_size=1, max_size=12))
def test_the_cache_gives_the_findings_of_the_rules_themselves(
    records: list[Decision | Invoice],
) -> None:
    """Whatever stands in the records of a batch."""
    compare(records)


@pytest.mark.parametrize("name", _VALUES)
def test_a_record_that_differs_in_one_field_is_not_taken_for_another(name: str) -> None:
    """Decided alike, and checked after the usual one: a rule that reads the field reads it of each."""
    for section in Section:
        plain = of(section)
        others = [attrs.evolve(plain, **{"number": "7", name: value}) for value in _VALUES[name]]
        for action in (None, Action.ACCEPT, Action.REJECT, Action.PENDING):
            for other in others:
                compare([one if action is None else decided(action, one) for one in (plain, other)])


@pytest.mark.parametrize("remarks", _REMARKS)
def test_remarks_are_not_taken_for_those_of_a_record_that_is_decided_alike(remarks: Any) -> None:
    """What a rule reads in the text of remarks it reads in those of each record."""
    for section in (Section.B2B, Section.B2BCN):
        others = [of(section, number=number) for number in "17"]
        for action in (Action.ACCEPT, Action.REJECT):
            compare(
                [
                    decided(action, one, remarks=words)
                    for one, words in zip(others, ("why", remarks), strict=True)
                ]
            )


_FLAGS = ("pending_allowed", "supplier_filed", "remarks_allowed", "itc_reduction_allowed")
_BEFORE: list[dict[str, Any]] = [{}, {"remarks": "why"}, {"itc_reduction": NONE}]


def _postures() -> Iterator[Decision | Invoice]:
    """Every combination of what the rules on decisions look at."""
    facts = itertools.product(
        (Section.B2B, Section.B2BCN, Section.B2BCNA),
        itertools.product(("092025", "102025"), ("R1", "R1A"), Action),
        itertools.product((True, False), repeat=4),
        _BEFORE,
    )
    reductions = (None, NONE, FULL, ItcReduction.partial(igst=1))
    words = list(itertools.product((None, "", "why", "x" * 251), reductions))
    for section, (period, form, previous), flags, before in facts:
        ids = {"return_period": period, "source_form": form, "action": previous}
        record = of(section, **ids, **before, **dict(zip(_FLAGS, flags, strict=True)))
        yield record
        for action in (Action.ACCEPT, Action.REJECT, Action.PENDING):
            yield decided(action, record)
        if previous is Action.ACCEPT:
            for remarks, reduction in words[1:]:
                yield decided(Action.ACCEPT, record, remarks=remarks, itc_reduction=reduction)


def _ids() -> Iterator[Decision | Invoice]:
    """Every combination of ids, right and wrong."""
    suppliers = (GOOD.supplier, GSTIN, "x")
    shared = (("092025", "012026", "x"), ("R1", "x"), ("07", "x"), ("R", None))
    for section, supplier, facts in itertools.product(
        (Section.B2B, Section.ECOM), suppliers, itertools.product(*shared)
    ):
        names = ("return_period", "source_form", "place_of_supply", "type")
        yield of(section, supplier=supplier, **dict(zip(names, facts, strict=True))).keep_pending()


@pytest.mark.parametrize("make", [_postures, _ids])
def test_what_is_remembered_tells_all_apart_that_rules_tell_apart(
    make: Callable[[], Iterator[Decision | Invoice]],
) -> None:
    """Thousands of records in one batch, forwards and backwards: no answer is another's."""
    records = sample(make(), 5 if make is _postures else 1)
    for batch in (records, records[::-1]):
        checker = Checker(policy=POLICY, **FACTS)
        for place, record in enumerate(batch):
            invoice = record.invoice if isinstance(record, Decision) else record
            other = attrs.evolve(invoice, number=f"{place}A")
            record = attrs.evolve(record, invoice=other) if isinstance(record, Decision) else other
            found = [(finding.code, finding.message) for finding in checker.one(record, place)]
            assert found == asked(record, place, place, BESIDE)


@pytest.mark.parametrize("section", Section)
def test_no_rule_is_asked_about_a_record_that_is_plainly_good(section: Section) -> None:
    """The fields that it shares with others are cached, the rest passes the fast test."""
    cache = RuleCache(Facts(**FACTS))
    record = of(section, return_period="122025", read_from_gateway=True)
    for decision in (record.keep_pending(), record.reject("why"), record.keep_pending("why")):
        asked, known = cache.suspects(decision, record)
        assert (asked, known) == cache.suspects(decision, record)
        warned = "cn" in section and decision == record.reject("why")
        assert asked == ()
        assert [rule.code for rule, _ in known] == (["credit-note-rejected"] if warned else [])


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of a million suppliers does not keep them all."""
    monkeypatch.setattr("ims_async.rules.cache._MOST_CACHED", 3)
    cache = RuleCache(Facts())
    for place in range(20):
        record = good(supplier=f"x{place}", place_of_supply=f"{place}", return_period=f"{place}")
        assert "supplier" in {rule.code for rule in cache.suspects(record, record)[0]}
    assert max(len(kept) for kept in vars(cache).values() if isinstance(kept, dict)) <= 3
    assert cache.suspects(GOOD.keep_pending(), GOOD) == ((), ())


def test_the_same_record_twice_in_a_batch_is_refused() -> None:
    """Name the first one; records that differ in any part of their key are others."""
    others = [
        good(number="AB/72"),
        good(return_period="102025"),
        good(date=dt.date(2025, 11, 6)),
        good(supplier=GSTIN),
        of(Section.B2BDN),
    ]
    assert codes(GOOD, *others) == []
    found = check([GOOD.accept(), *(other.accept() for other in others), GOOD.reject("x")])
    (finding,) = found
    assert (finding.code, finding.place) == ("duplicate", 6)
    assert finding.message == "the same record is in the batch already, as record 1"


@pytest.mark.parametrize("section", [Section.B2BCN, Section.B2BA])
def test_what_needs_all_records_is_looked_at_in_steps(section: Section) -> None:
    """An event loop goes on in between: none of 3,000 findings waits for all others."""
    invoices = [good(number=str(place)) for place in range(3000)]
    more = [
        attrs.evolve(one, section=section, original_number=one.number, original_date=one.date)
        for one in invoices
    ]
    checker = Checker(**FACTS)
    for place, record in enumerate([*invoices, *more]):
        checker.one(record.reject("x"), place)
    steps = list(checker.ending())
    assert max(map(len, steps)) == 200
    assert len(steps) >= 3000 / 200 + 6000 / 500
    assert [*itertools.chain(*steps)] == checker.end()
    assert sum(map(len, steps)) >= 3000
