"""The offline checks: the settings of a policy, rules that depend on dates, and rules on decisions."""

from __future__ import annotations

import datetime as dt
import pickle
from decimal import Decimal
from typing import Any

import attrs
import pytest

from ims_async import Action, Decision, Filing, InvalidInput, Invoice, ItcReduction, RulePolicy, Section
from ims_async.rules import RULE_CHANGES, RULES, Checker, Level, check, closing_periods, india_date
from tests.support import strategies
from tests.support.rule_cases import FULL, GOOD, GSTIN, NONE, NOON, codes, decided, good, note, of

# -- what a policy sets ---------------------------------------------------------------------------------


def test_a_policy_changes_levels_and_nothing_else() -> None:
    """By code, as text or as a level; the others keep their default."""
    policy = RulePolicy(levels={"remarks-missing": "Refuse", "not-filed": Level.OFF})
    batch = [good(supplier_filed=False).accept(), good(number="2").reject()]
    assert codes(*batch) == []
    assert codes(*batch, policy=policy) == ["remarks-missing"]
    assert codes(*batch, policy=policy, level=Level.WARN) == []
    assert codes(*batch, level=Level.WARN) == ["not-filed", "remarks-missing"]


def test_what_the_gateway_reported_is_warned_about_at_most() -> None:
    """Also by a policy that refuses: it goes back as it came."""
    read = good(number="000", supplier="x", read_from_gateway=True).accept()
    policy = RulePolicy(levels={"number": "refuse", "supplier": "off"})
    assert codes(read, policy=policy) == []
    assert codes(read, policy=policy, level=Level.WARN) == ["number"]


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"levels": {"no-such-rule": "off"}}, "the rules are: record, section,"),
        ({"levels": {"number": "severe"}}, "use one of: refuse, warn, off"),
        ({"levels": {"number": None}}, "use one of: refuse, warn, off"),
        ({"levels": {5: "off"}}, "rule 5 is unknown"),
        ({"levels": "off"}, "are not levels by code"),
        ({"filed": ["132025"]}, "not a return period"),
        ({"filed": [102025]}, "not a return period"),
        ({"filed": "102025"}, "not a list of periods"),
        ({"filed": [None]}, "not a return period"),
        ({"filed": Filing(gstin=GSTIN, period="102025")}, "or of what taxpayer.filing returned"),
        ({"filed": 5}, "not a list of periods"),
        ({"stale_after": 0}, "seconds above 0"),
        ({"stale_after": float("nan")}, "seconds above 0"),
        ({"stale_after": "1h"}, "seconds above 0"),
        ({"stale_after": True}, "seconds above 0"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(facts: dict[str, Any], says: str) -> None:
    """Name the known codes and levels."""
    with pytest.raises(InvalidInput, match=says):
        RulePolicy(**facts)


def test_a_policy_is_a_value() -> None:
    """Equal to one like it, and the same in another process."""
    policy = RulePolicy(levels={"number": "warn"}, filed=["102025"], stale_after=60)
    assert policy == RulePolicy(levels={"number": Level.WARN}, filed=("102025",), stale_after=60)
    again = pickle.loads(pickle.dumps(policy))  # noqa: S301 # our own
    assert (again, hash(again), again.level_of("number")) == (policy, hash(policy), Level.WARN)
    assert policy != RulePolicy()


@pytest.mark.parametrize(
    "facts",
    [{"now": dt.datetime(2025, 12, 1)}, {"read_at": "x"}, {"today": NOON}, {"today": "01-12-2025"}],  # noqa: DTZ001 # the point
    ids=str,
)
def test_times_that_cannot_be_compared_are_refused(facts: dict[str, Any]) -> None:
    """A moment has a time zone, a day is a date."""
    with pytest.raises(InvalidInput):
        Checker(**facts)


# -- what dates decide ----------------------------------------------------------------------------------


def test_a_day_begins_in_india_at_half_past_six_in_the_evening_utc() -> None:
    """IST is UTC+5:30."""
    assert india_date(dt.datetime(2025, 12, 14, 18, 29, 59, tzinfo=dt.UTC)) == dt.date(2025, 12, 14)
    assert india_date(dt.datetime(2025, 12, 14, 18, 30, tzinfo=dt.UTC)) == dt.date(2025, 12, 15)


@pytest.mark.parametrize(
    ("period", "form", "expected"),
    [
        ("092025", "R1", []),
        ("092025", "IFF", []),
        ("092025", "R1A", ["itc-reduction-missing"]),  # goes to the GSTR-2B of the next month
        ("102025", "R1", ["itc-reduction-missing"]),
        ("122024", "R1A", []),
        ("012026", "R1", ["itc-reduction-missing"]),
        ("x", "R1", []),
    ],
)
def test_a_credit_note_says_what_it_gives_up_from_the_gstr2b_of_october_2025_on(
    period: str, form: str, expected: list[str]
) -> None:
    """By the GSTR-2B period, as the rule change has it; earlier ones the gateway decides."""
    accepted = note(return_period=period, source_form=form, read_from_gateway=True).accept()
    assert codes(accepted) == expected
    unsaid = of(Section.B2BCNA, return_period=period, source_form=form, read_from_gateway=True).accept()
    assert ("itc-reduction-unsaid" in codes(unsaid, level=Level.WARN)) is bool(expected)


def test_the_rules_that_came_later_are_data() -> None:
    """Each names rules that there are, which know it."""
    since = {rule.code: rule.since for rule in RULES if rule.since}
    assert since == {code: change.first_period for change in RULE_CHANGES for code in change.codes}
    assert since["itc-reduction-missing"] == "102025"


def test_a_credit_note_that_takes_no_reduction_needs_none() -> None:
    """Where the gateway has blocked it."""
    blocked = note(itc_reduction_allowed=False)
    assert codes(blocked.accept()) == []
    assert codes(note(itc_reduction_allowed=True).accept()) == ["itc-reduction-missing"]
    assert codes(blocked.accept("x", FULL)) == ["itc-reduction"]


@pytest.mark.parametrize(
    ("section", "warned"), [(Section.B2BCN, True), (Section.B2BA, True), (Section.B2B, False)]
)
def test_what_lowers_credit_is_kept_pending_for_one_period(section: Section, warned: bool) -> None:
    """Others, and those of before October 2025, have no such limit here."""
    late = dt.date(2026, 3, 1)
    kept = of(section, return_period="102025").keep_pending()
    assert codes(kept, today=late, level=Level.WARN) == ["pending-limit"] * warned + ["recompute"]
    assert "pending-limit" not in codes(kept, level=Level.WARN)
    early = of(section, return_period="092025").keep_pending()
    assert codes(early, today=late, level=Level.WARN) == ["recompute"]


def test_a_filed_period_closes_all_but_pending_records() -> None:
    """They stay in IMS. By the GSTR-2B period: GSTR-1A goes to the next one."""
    policy = RulePolicy(filed=["112025"], levels={"period-closed": "refuse"})
    assert codes(GOOD.accept(), policy=policy) == codes(GOOD, policy=policy) == ["period-closed"]
    assert codes(good(action=Action.PENDING).accept(), policy=policy) == []
    assert codes(good(source_form="R1A").accept(), policy=policy) == []
    assert codes(good(source_form="R1A", return_period="102025").accept(), policy=policy) == ["period-closed"]


def filing(gstin: str, period: str = "112025", *, filed: bool = True) -> Filing:
    """What a gateway says of a taxpayer's returns."""
    return Filing(gstin=gstin, period=period, gstr3b_filed_on=dt.date(2025, 12, 18) if filed else None)


def test_what_one_taxpayer_has_filed_closes_no_record_of_another() -> None:
    """Of those that were asked; a period by itself counts for everybody, one that is not filed for none."""
    other = "24AAACC1206D1ZM"
    levels = {"period-closed": "refuse"}
    policy = RulePolicy(
        filed=[filing(GSTIN), filing(other, "102025"), filing(other, filed=False)], levels=levels
    )
    assert codes(GOOD.accept(), policy=policy, gstin=GSTIN) == ["period-closed"]
    assert codes(GOOD.accept(), policy=policy, gstin=other) == codes(GOOD.accept(), policy=policy) == []
    both = RulePolicy(filed=["112025", filing(GSTIN, "102025")], levels=levels)
    assert codes(GOOD.accept(), policy=both, gstin=other) == ["period-closed"]
    assert [sorted(both.filed_by(gstin)) for gstin in (GSTIN, other)] == [["102025", "112025"], ["112025"]]
    assert pickle.loads(pickle.dumps(policy)) == policy  # noqa: S301 # our own


def test_the_periods_that_are_to_be_asked_for_are_those_that_close_records() -> None:
    """Each once, the oldest first, without those of pending records; what is no period is left out."""
    batch: list[Decision | Invoice] = [
        *(GOOD.accept(), good(number="2").accept(), good(return_period="122024")),
        *(good(source_form="R1A").accept(), good(return_period="092025", action=Action.PENDING).accept()),
        *(good(return_period="132025").accept(), good(return_period=None).accept()),
    ]
    assert closing_periods(batch) == ["122024", "112025", "122025"]
    assert closing_periods([]) == []
    for period in closing_periods(batch):
        policy = RulePolicy(filed=[filing(GSTIN, period)])
        found = check(batch, policy=policy, gstin=GSTIN)
        assert "period-closed" in {one.code for one in found}


def test_one_reminder_names_the_periods_to_recompute() -> None:
    """Three by name, however many there are, and none that is not drafted yet."""
    periods = ["122025", "112025", "102025", "092025", "082025", "102025"]
    batch = [good(return_period=period, number=f"{place}1") for place, period in enumerate(periods)]
    accepted = [record.accept() for record in batch]
    (finding,) = check(accepted, today=dt.date(2025, 12, 15))
    assert "GSTR-2B of 082025, 092025, 102025 and 1 more period was drafted" in finding.message
    assert check(accepted, today=dt.date(2025, 12, 1))[-1].message.startswith(
        "GSTR-2B of 082025, 092025, 102025"
    )
    assert check([]) == check([], today=dt.date(2025, 12, 15)) == []


# -- what was decided -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decision", "code"),
    [
        (decided(Action.NO_ACTION), "action"),
        (decided("A"), "action"),
        (decided(None), "action"),
        (good(pending_allowed=False).keep_pending(), "pending-blocked"),
        (GOOD.reject(remarks=float("nan")), "remarks"),  # type: ignore[arg-type]
        (GOOD.accept(itc_reduction=NONE), "itc-reduction"),
        (of(Section.B2BDN).accept(itc_reduction=NONE), "itc-reduction"),
        (of(Section.ECOM).accept(itc_reduction=NONE), "itc-reduction"),
        (decided(Action.REJECT, note(), itc_reduction=FULL), "itc-reduction"),
        (decided(Action.ACCEPT, note(), itc_reduction="none"), "itc-reduction"),
        (decided(Action.ACCEPT, note(), itc_reduction=ItcReduction(required="Y")), "itc-reduction"),  # type: ignore[arg-type]
        (note().accept("x", ItcReduction.partial(igst=Decimal(-1))), "itc-reduction-amounts"),
        (note().accept("x", ItcReduction.partial(igst=Decimal("0.001"))), "itc-reduction-amounts"),
        (note().accept("x", ItcReduction.partial(igst=0.5)), "itc-reduction-amounts"),  # type: ignore[arg-type]
        (note().accept("x", ItcReduction.partial(igst=19)), "itc-reduction-amounts"),
    ],
)
def test_a_decision_that_would_be_refused_is_refused_here(decision: Decision, code: str) -> None:
    """Refuse it also on a record that was read: a person decided."""
    assert codes(decision) == [code]
    read = attrs.evolve(decision, invoice=attrs.evolve(decision.invoice, read_from_gateway=True))
    assert codes(read) == [code]


@pytest.mark.parametrize(
    ("cgst", "sgst", "refused"), [("5", "5", False), ("5", "4.99", True), ("5", None, True)]
)
def test_cgst_and_sgst_are_reversed_in_equal_parts(cgst: str, sgst: str | None, refused: bool) -> None:
    """Refuse another split, or one head alone."""
    record = note(igst=Decimal(0), cgst=Decimal(9), sgst=Decimal(9))
    parts = ItcReduction(required=True, cgst=Decimal(cgst), sgst=None if sgst is None else Decimal(sgst))
    assert codes(record.accept("x", parts)) == ["itc-reduction-amounts"] * refused


@pytest.mark.parametrize("section", sorted(strategies.REDUCIBLE))
def test_an_itc_reduction_goes_with_accepting_what_can_lower_credit(section: Section) -> None:
    """Let it through in the sections where the vendor's example has it."""
    for reduction in (NONE, FULL, ItcReduction.partial(igst=18)):
        assert codes(of(section).accept("why", reduction)) == []


def test_a_decision_with_new_words_changes_something() -> None:
    """Warn only where action, remarks and ITC reduction all stay."""
    stands = note(action=Action.ACCEPT, remarks="old", itc_reduction=NONE)
    for same in (stands.accept(), stands.accept("old"), stands.accept("old", NONE)):
        assert "no-change" in codes(same, level=Level.WARN)
    strange = ItcReduction(required=True, igst=Decimal("sNaN"))
    for other in (stands.accept("new"), stands.accept("old", FULL), stands.accept("old", strange)):
        assert "no-change" not in codes(other, level=Level.WARN)


def test_resetting_is_held_to_the_rules_on_records_only() -> None:
    """Nothing is decided, so nothing is said of decisions."""
    record = note(action=Action.ACCEPT, supplier_filed=False, pending_allowed=False)
    assert check([record], today=dt.date(2025, 12, 1)) == []
