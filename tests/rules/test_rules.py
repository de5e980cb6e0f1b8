"""The offline checks: each rule finds what it is about and nothing else, and never raises anything."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ims_async import Decision, InvalidDecision, Invoice, JobKind, Section
from ims_async.gsp.codec import pack_body
from ims_async.rules import RULES, Finding, Level, amount_problem, check, number_problem, refuse
from tests.support import strategies
from tests.support.rule_cases import FIRINGS, GOOD, NONE, Firing, codes, note, of

# -- every rule -----------------------------------------------------------------------------------------


def test_every_rule_has_a_record_of_its_own_in_these_tests() -> None:
    """No code is given twice, and none is left out."""
    assert len({rule.code for rule in RULES}) == len(RULES)
    assert {firing.code for firing in FIRINGS} == {rule.code for rule in RULES}


@pytest.mark.parametrize("firing", FIRINGS, ids=lambda firing: firing.code)
def test_a_rule_finds_what_it_is_about_and_not_what_is_like_it(firing: Firing) -> None:
    """Report it at the rule's default level, with the rule's source."""
    (rule,) = (rule for rule in RULES if rule.code == firing.code)
    (finding,) = firing.found()
    assert (finding.level, finding.source) == (rule.level, rule.source)
    assert finding.message
    assert firing.found_in_fine() == []


@pytest.mark.parametrize("firing", FIRINGS, ids=lambda firing: firing.code)
@pytest.mark.parametrize("level", Level)
def test_a_rules_level_can_be_changed(firing: Firing, level: Level) -> None:
    """But a value that cannot be written is refused by every policy."""
    found = [finding.level for finding in firing.found(level=level)]
    expected = Level.REFUSE if firing.in_kind else level
    assert found == ([] if expected is Level.OFF else [expected])


@pytest.mark.parametrize("section", Section)
def test_a_record_of_any_section_with_nothing_wrong_passes(section: Section) -> None:
    """Find nothing in a good decision, and nothing in a good reset, whatever is known beside it."""
    record = of(section)
    reduction = NONE if section in strategies.REDUCIBLE else None
    facts: dict[str, Any] = {"gstin": "27AAPFU0939F1ZV", "today": dt.date(2025, 12, 14)}
    why = "because" if reduction else None
    accepted = attrs.evolve(record, action=record.accept().action)
    for decided in (record.accept(why, reduction), record.reject("wrong"), record.keep_pending(), accepted):
        found = [finding.code for finding in check([decided], **facts)]
        warned = "cn" in section and decided == record.reject("wrong")
        assert found == (["credit-note-rejected"] if warned else [])


# -- what a record is made of ---------------------------------------------------------------------------

# Facts with the code of the finding; those marked with True are of a wrong type, whether typed or read.
WRONG: list[tuple[dict[str, Any], str, bool]] = [
    ({"supplier": "29AAACQ3770E1ZA"}, "supplier", False),
    ({"supplier": ""}, "supplier", False),
    ({"supplier": "29AAACQ3770E1ZF" * 9}, "supplier", False),
    ({"supplier": None}, "supplier", True),
    ({"supplier": 29}, "supplier", True),
    ({"number": ""}, "number", False),
    ({"number": "000"}, "number", False),
    ({"number": "A B"}, "number", False),
    ({"number": "=1+1"}, "number", False),
    ({"number": "1" * 17}, "number", False),
    ({"number": "x\n"}, "number", False),
    ({"number": 71}, "number", True),
    ({"number": None}, "number", True),
    ({"number": ["AB"]}, "number", True),
    ({"return_period": "132024"}, "return-period", False),
    ({"return_period": 112024}, "return-period", True),
    ({"return_period": "122016"}, "period-range", False),
    ({"place_of_supply": "7"}, "place-of-supply", False),
    ({"place_of_supply": "39"}, "place-of-supply", False),
    ({"place_of_supply": None}, "place-of-supply", False),
    ({"place_of_supply": 7}, "place-of-supply", True),
    ({"source_form": "GSTR1"}, "source-form", False),
    ({"source_form": None}, "source-form", False),
    ({"source_form": 1}, "source-form", True),
    ({"source_form": []}, "source-form", True),
    ({"type": "B2B"}, "type", False),
    ({"type": None}, "type", False),
    ({"type": 5.5}, "type", True),
    ({"type": {}}, "type", True),
    ({"date": "05-11-2024"}, "date", True),
    ({"date": dt.datetime(2024, 11, 5, tzinfo=dt.UTC)}, "date", True),
    ({"date": None}, "date", True),
    ({"action": "A"}, "previous-action", True),
    ({"action": None}, "previous-action", True),
    ({"section": "b2b"}, "section", True),
    ({"section": ["b2b"]}, "section", True),
    ({"value": Decimal(-1)}, "amount", False),
    ({"igst": Decimal("0.001")}, "amount", False),
    ({"cess": Decimal("100000000000.00")}, "amount", False),
    ({"value": Decimal("10000000000000.00")}, "amount", False),
    ({"value": Decimal("1E+999999")}, "amount", True),
    ({"value": Decimal("1E-999999")}, "amount", True),
    ({"value": Decimal("NaN")}, "amount", True),
    ({"value": Decimal("sNaN")}, "amount", True),
    ({"value": Decimal("Infinity")}, "amount", True),
    ({"value": 118.0}, "amount", True),
    ({"value": 118}, "amount", True),
    ({"value": "118"}, "amount", True),
    ({"value": None}, "amount", True),
]


@pytest.mark.parametrize(("facts", "code", "in_kind"), WRONG, ids=str)
def test_what_is_wrong_is_refused_where_a_person_wrote_it(
    facts: dict[str, Any], code: str, in_kind: bool
) -> None:
    """Refuse it in a save and in a reset; from a gateway, only what cannot be sent at all."""
    typed = attrs.evolve(GOOD, **facts)
    assert codes(typed) == codes(typed.accept()) == [code]
    read = attrs.evolve(typed, read_from_gateway=True)
    assert codes(read) == ([code] if in_kind else [])
    assert codes(read.accept(), level=Level.WARN) == ([] if in_kind else [code])


@pytest.mark.parametrize(("facts", "code", "in_kind"), WRONG, ids=str)
def test_what_is_let_through_can_be_written(facts: dict[str, Any], code: str, in_kind: bool) -> None:
    """Send what a gateway wrote as it came, where it is warned about only."""
    record = attrs.evolve(GOOD, read_from_gateway=True, **facts)
    if not codes(record):
        with pytest.raises(StopIteration) as end:
            next(pack_body("29AAACQ3770E1ZF", JobKind.SAVE, [record.accept()]))
        assert len(end.value.value.content) < 1000


@pytest.mark.parametrize("section", [section for section in Section if section.is_amendment])
@pytest.mark.parametrize(
    ("facts", "in_kind"),
    [
        ({"original_number": None}, False),
        ({"original_number": ""}, False),
        ({"original_number": "0"}, False),
        ({"original_number": 70}, True),
        ({"original_number": [70]}, True),
        ({"original_date": None}, False),
        ({"original_date": "05-10-2024"}, True),
    ],
    ids=str,
)
def test_an_amendment_names_what_it_amends(section: Section, facts: dict[str, Any], in_kind: bool) -> None:
    """Ask for the original's number and date, of their kinds."""
    typed = of(section, **facts)
    assert codes(typed) == codes(typed.keep_pending()) == ["original"]
    assert codes(attrs.evolve(typed, read_from_gateway=True)) == (["original"] if in_kind else [])
    # Elsewhere it is not sent, but kept in a journal, which could not read a date of another kind.
    assert codes(of(Section.B2B, **facts)) == (["other-fields"] if in_kind else [])


def test_an_import_is_said_to_be_one() -> None:
    """Its sections are GSTN's, but no interface takes actions on them."""
    (finding,) = check([attrs.evolve(GOOD, section="IMPG").accept()])  # type: ignore[arg-type]
    assert "is of imports" in finding.message


def test_a_number_too_long_to_be_shown_is_reported_all_the_same() -> None:
    """Python refuses to write an int of 5,000 digits."""
    (finding,) = check([attrs.evolve(GOOD, number=10**5000).accept()])  # type: ignore[arg-type]
    assert str(finding).startswith("record 1 (whose ids cannot be shown): number of type int")


def test_every_reason_is_given_at_once() -> None:
    """List all that is wrong with a record, and with the others."""
    facts: dict[str, Any] = {"supplier": "x", "number": "", "date": "x", "value": 1, "place_of_supply": 7}
    bad = attrs.evolve(GOOD, **facts)
    found = check([GOOD.accept(), bad.accept(), attrs.evolve(GOOD, number="B2", type="?").accept()])
    assert [(finding.place, finding.code) for finding in found] == [
        (1, "date"), (1, "amount"), (1, "number"), (1, "supplier"), (1, "place-of-supply"), (2, "type"),
    ]  # fmt: skip
    assert isinstance(found[0].record, Decision)
    assert found[0].record.invoice is bad
    assert str(found[3]).startswith("record 2 (b2b")


def test_findings_come_in_the_order_of_the_batch_and_those_on_the_batch_last() -> None:
    """Also where a rule reports only at the end."""
    amendment = of(Section.B2BA, original_number=GOOD.number, original_date=GOOD.date)
    batch = [amendment.accept("x", NONE), GOOD.reject(), note().accept()]
    found = check(batch, today=dt.date(2026, 1, 1))
    assert [(finding.place, finding.code) for finding in found] == [
        (0, "amendment-order"), (1, "remarks-missing"), (2, "itc-reduction-missing"), (None, "recompute"),
    ]  # fmt: skip
    assert (found[0].record, found[0].key) == (batch[0], amendment.key)
    assert (found[-1].record, found[-1].key) == (None, None)
    assert str(found[-1]).startswith("the batch: GSTR-2B of 112025 was drafted")


def test_refusing_says_the_first_reasons_and_keeps_all() -> None:
    """Raise with every finding, warnings too; warnings alone raise nothing."""
    warned = attrs.evolve(GOOD, number="00", read_from_gateway=True).accept()
    refuse(check([warned]))
    refuse([])
    bad = [attrs.evolve(GOOD, number=f"={place}").accept() for place in range(5)]
    with pytest.raises(InvalidDecision) as caught:
        refuse(check([warned, *bad]))
    assert str(caught.value).startswith("nothing was sent: record 2 (b2b =0")
    assert str(caught.value).endswith("; and 2 more (see .findings)")
    assert len(caught.value.findings) == 6
    assert len(caught.value.problems) == 5  # what refuses them
    with pytest.raises(InvalidDecision) as few:
        refuse(check(bad[:1]))
    assert "more" not in str(few.value)


@pytest.mark.parametrize(
    "amount",
    ["0", "0.00", "0.10", "10883.91", "99999999999.99", "1E+3", "1.000", "5." + "0" * 40],
)  # fmt: skip
def test_an_amount_with_paise_at_most_is_one(amount: str) -> None:
    """Accept zeros behind the paise, and figures longer than the arithmetic's precision."""
    assert amount_problem("igst", Decimal(amount)) is None


@pytest.mark.parametrize(
    ("amount", "problem"),
    [
        ("-0.01", "is negative"),
        ("0.005", "has more than two decimals"),
        ("100000000000", "is more than the 99999999999.99"),
        ("99999999999999999999999999999999999.123", "is more than"),
        ("sNaN", "is not an amount"),
        ("-Infinity", "is not an amount"),
    ],
)
def test_an_amount_that_the_gateway_would_not_take_is_reported(amount: str, problem: str) -> None:
    """Say what is wrong with it, for every finite and infinite decimal."""
    assert problem in (amount_problem("igst", Decimal(amount)) or "")


@given(strategies.numbers())
def test_every_number_of_the_vendors_pattern_passes(number: str) -> None:
    """Take letters, digits, - and /, up to 16 of them."""
    assert number_problem(number) is None


_anything = st.sampled_from(
    [*strategies.ODD_VALUES, 1.5, float("nan"), Decimal("NaN"), Decimal("sNaN"), Decimal("1E-999999"),
     dt.date(1, 1, 1), b"x", object(), 10**5000, "x" * 1000]
)  # fmt: skip


@given(
    st.dictionaries(st.sampled_from([field.name for field in attrs.fields(Invoice)]), _anything),
    _anything,
    _anything,
    _anything,
)
def test_a_record_full_of_nonsense_gives_findings_and_no_other_error(
    facts: dict[str, Any], remarks: Any, reduction: Any, action: Any
) -> None:
    """Check any record a program can build, and be able to write whatever is let through."""
    decision = attrs.evolve(GOOD, **facts).accept(remarks=remarks)
    odd = Decision(invoice=decision.invoice, action=action, itc_reduction=reduction)
    found = check([decision, decision, odd, decision.invoice, action], today=dt.date(2025, 12, 1))
    assert all(isinstance(finding, Finding) and finding.message and str(finding) for finding in found)
    if not codes(decision):
        with pytest.raises(StopIteration):
            next(pack_body("29AAACQ3770E1ZF", JobKind.SAVE, [decision]))
