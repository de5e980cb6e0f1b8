"""The offline checks: refused with every reason at once, and never with anything but a finding."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ims_async import Action, Decision, InvalidDecision, Invoice, ItcReduction, JobKind, Section
from ims_async.codec import pack_body
from ims_async.rules import Finding, Level, amount_problem, check, number_problem, refuse
from tests import strategies

GOOD = Invoice(
    section=Section.B2B,
    supplier="29AAACQ3770E1ZF",
    number="AB/0071",
    date=dt.date(2024, 11, 5),
    return_period="112024",
    value=Decimal("118.00"),
    taxable_value=Decimal(100),
    igst=Decimal(18),
    cgst=Decimal(0),
    sgst=Decimal(0),
    cess=Decimal(0),
    type="R",
    source_form="R1",
    place_of_supply="07",
)
AMENDED = {"original_number": "AB/0070", "original_date": dt.date(2024, 10, 5)}


def of(section: Section, **facts: Any) -> Invoice:
    """A record of a section that has nothing against it."""
    amended = AMENDED if section.is_amendment else {}
    kind = None if section.is_ecommerce else "R"
    return attrs.evolve(GOOD, **{"section": section, "type": kind, **amended, **facts})


def codes(*records: Decision | Invoice, level: Level = Level.REFUSE) -> list[str]:
    """The codes of the findings on a batch."""
    return [finding.code for finding in check(records) if finding.level is level]


@pytest.mark.parametrize("section", Section)
def test_a_record_of_any_section_with_nothing_wrong_passes(section: Section) -> None:
    """Find nothing in a good decision or a good reset."""
    record = of(section)
    for decided in (record, record.accept(), record.reject("wrong"), record.keep_pending()):
        assert check([decided]) == []


# Facts with the code of the finding; those marked with True are wrong in kind, whoever wrote them.
WRONG: list[tuple[dict[str, Any], str, bool]] = [
    ({"supplier": "29AAACQ3770E1ZA"}, "supplier", False),
    ({"supplier": ""}, "supplier", False),
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
    ({"value": Decimal(-1)}, "amount", False),
    ({"igst": Decimal("0.001")}, "amount", False),
    ({"cess": Decimal("100000000000.00")}, "amount", False),
    ({"value": Decimal("10000000000000.00")}, "amount", False),
    ({"value": Decimal("1E+999999")}, "amount", True),
    ({"value": Decimal("1E-999999")}, "amount", True),
    ({"value": Decimal("NaN")}, "amount", True),
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
    assert codes(read, level=Level.WARN) == ([] if in_kind else [code])


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
        ({"original_date": None}, False),
        ({"original_date": "05-10-2024"}, True),
    ],
    ids=str,
)
def test_an_amendment_names_what_it_amends(section: Section, facts: dict[str, Any], in_kind: bool) -> None:
    """Ask for the original's number and date, of their kinds."""
    typed = of(section, **facts)
    assert codes(typed) == ["original"]
    assert codes(attrs.evolve(typed, read_from_gateway=True)) == (["original"] if in_kind else [])
    assert codes(of(Section.B2B, **facts)) == []


def test_every_reason_is_given_at_once() -> None:
    """List all that is wrong with a record, and with the others."""
    facts: dict[str, Any] = {"supplier": "x", "number": "", "date": "x", "value": 1, "place_of_supply": 7}
    bad = attrs.evolve(GOOD, **facts)
    found = check([GOOD, bad, attrs.evolve(GOOD, number="B2", type="?")])
    assert [(finding.place, finding.code) for finding in found] == [
        (1, "date"), (1, "amount"), (1, "supplier"), (1, "number"), (1, "place-of-supply"), (2, "type"),
    ]  # fmt: skip
    assert found[0].record is bad
    assert str(found[3]).startswith("record 2 (b2b")


def test_a_section_that_is_none_ends_the_checks_of_its_record() -> None:
    """Refuse text in the place of a `Section`, which the other checks would ask."""
    facts: dict[str, Any] = {"section": "b2b"}
    assert codes(attrs.evolve(GOOD, **facts), attrs.evolve(GOOD, number="")) == ["section", "number"]


@pytest.mark.parametrize(
    ("decision", "code"),
    [
        (Decision(invoice=GOOD, action=Action.NO_ACTION), "action"),
        (Decision(invoice=GOOD, action="A"), "action"),  # type: ignore[arg-type]
        (attrs.evolve(GOOD, pending_allowed=False).keep_pending(), "pending-blocked"),
        (GOOD.accept(remarks=5), "remarks"),  # type: ignore[arg-type]
        (GOOD.reject(remarks=float("nan")), "remarks"),  # type: ignore[arg-type]
        (GOOD.accept(itc_reduction=ItcReduction.none()), "itc-reduction"),
        (of(Section.B2BDN).accept(itc_reduction=ItcReduction.none()), "itc-reduction"),
        (of(Section.ECOM).accept(itc_reduction=ItcReduction.none()), "itc-reduction"),
        (
            of(Section.B2BCN, itc_reduction_allowed=False).accept(itc_reduction=ItcReduction.full()),
            "itc-reduction",
        ),
        (
            Decision(invoice=of(Section.B2BCN), action=Action.REJECT, itc_reduction=ItcReduction.full()),
            "itc-reduction",
        ),
        (
            of(Section.B2BCN).accept(itc_reduction=ItcReduction.partial(igst=Decimal(-1))),
            "itc-reduction",
        ),
        (
            of(Section.B2BCN).accept(itc_reduction=ItcReduction.partial(igst=Decimal("0.001"))),
            "itc-reduction",
        ),
    ],
)
def test_a_decision_that_would_be_refused_is_refused_here(decision: Decision, code: str) -> None:
    """Refuse it also on a record that was read: a person decided."""
    assert codes(decision) == [code]
    read = attrs.evolve(decision, invoice=attrs.evolve(decision.invoice, read_from_gateway=True))
    assert codes(read) == [code]


@pytest.mark.parametrize("section", sorted(strategies.REDUCIBLE))
def test_an_itc_reduction_goes_with_accepting_what_can_lower_credit(section: Section) -> None:
    """Let it through in the sections where the vendor's example has it."""
    for reduction in (ItcReduction.none(), ItcReduction.full(), ItcReduction.partial(cgst=1, sgst=1)):
        assert codes(of(section).accept("why", reduction)) == []


def test_pending_is_refused_only_where_the_gateway_said_so() -> None:
    """Allow it where nobody told whether it is allowed."""
    for allowed in (None, True):
        assert codes(attrs.evolve(GOOD, pending_allowed=allowed).keep_pending()) == []
    assert codes(attrs.evolve(GOOD, pending_allowed=False).accept()) == []


def test_the_same_record_twice_in_a_batch_is_refused() -> None:
    """Name the first one; records that differ in any part of their key are others."""
    others = [
        attrs.evolve(GOOD, number="AB/72"),
        attrs.evolve(GOOD, return_period="102024"),
        attrs.evolve(GOOD, date=dt.date(2024, 11, 6)),
        attrs.evolve(GOOD, supplier="27AAPFU0939F1ZV"),
        of(Section.B2BDN),
    ]
    assert codes(GOOD, *others) == []
    (finding,) = check([GOOD.accept(), *others, GOOD.reject()])
    assert (finding.code, finding.place) == ("duplicate", 6)
    assert finding.message == "the same record is in the batch already, as record 1"


def test_refusing_says_the_first_reasons_and_keeps_all() -> None:
    """Raise with every finding, warnings too; warnings alone raise nothing."""
    warned = attrs.evolve(GOOD, number="00", read_from_gateway=True)
    refuse(check([warned]))
    refuse([])
    bad = [attrs.evolve(GOOD, number=f"={place}") for place in range(5)]
    with pytest.raises(InvalidDecision) as caught:
        refuse(check([warned, *bad]))
    assert str(caught.value).startswith("nothing was sent: record 2 (b2b =0")
    assert str(caught.value).endswith("; and 2 more (see .findings)")
    assert len(caught.value.findings) == len(caught.value.problems) == 6
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
def test_an_amount_that_the_gateway_would_not_take_is_told(amount: str, problem: str) -> None:
    """Say what is wrong with it, for every finite and infinite decimal."""
    assert problem in (amount_problem("igst", Decimal(amount)) or "")


@given(strategies.numbers())
def test_every_number_of_the_vendors_pattern_passes(number: str) -> None:
    """Take letters, digits, - and /, up to 16 of them."""
    assert number_problem(number) is None


_anything = st.sampled_from(
    [*strategies.ODD_VALUES, 1.5, float("nan"), Decimal("NaN"), Decimal("1E-999999"), dt.date(1, 1, 1),
     b"x", object()]
)  # fmt: skip


@given(
    st.dictionaries(st.sampled_from([field.name for field in attrs.fields(Invoice)]), _anything), _anything
)
def test_a_record_full_of_nonsense_gives_findings_and_no_other_error(
    facts: dict[str, Any], remarks: Any
) -> None:
    """Check any record a program can build, and be able to write whatever is let through."""
    facts.pop("extra", None)
    decision = attrs.evolve(GOOD, **facts).accept(remarks=remarks)
    found = check([decision, decision])
    assert all(isinstance(finding, Finding) and finding.message for finding in found)
    if not codes(decision):
        with pytest.raises(StopIteration):
            next(pack_body("29AAACQ3770E1ZF", JobKind.SAVE, [decision]))
