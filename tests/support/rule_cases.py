"""Records for the tests of the offline checks: one that has nothing against it, and one for each rule."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import attrs

from ims_async import Decision, Invoice, ItcReduction, RulePolicy, Section
from ims_async.rules import Finding, Level, check

GSTIN = "27AAPFU0939F1ZV"
OTHER = "24AAACC1206D1ZM"
GOOD = Invoice(
    section=Section.B2B,
    supplier="29AAACQ3770E1ZF",
    number="AB/0071",
    date=dt.date(2025, 11, 5),
    return_period="112025",
    value=Decimal("118.00"),
    taxable_value=Decimal(100),
    igst=Decimal(18),
    cgst=Decimal(0),
    sgst=Decimal(0),
    cess=Decimal(0),
    type="R",
    source_form="R1",
    place_of_supply="07",
    supplier_filed=True,
    pending_allowed=True,
)
AMENDED = {"original_number": "AB/0070", "original_date": dt.date(2025, 10, 5)}
NONE, FULL = ItcReduction.none(), ItcReduction.full()
WITHIN: dict[str, Any] = {"igst": Decimal(0), "cgst": Decimal(9), "sgst": Decimal(9)}


def of(section: Section, **facts: Any) -> Invoice:
    """A record of a section that has nothing against it."""
    amended = AMENDED if section.is_amendment else {}
    kind = None if section.is_ecommerce else "R"
    return attrs.evolve(GOOD, **{"section": section, "type": kind, **amended, **facts})


def good(**facts: Any) -> Invoice:
    """The good record with other facts, of any kind."""
    return attrs.evolve(GOOD, **facts)


def note(**facts: Any) -> Invoice:
    """A credit note."""
    return of(Section.B2BCN, **facts)


def decided(action: Any, invoice: Any = GOOD, **facts: Any) -> Decision:
    """A decision, of any kind."""
    return Decision(invoice=invoice, action=action, **facts)


def codes(*records: Decision | Invoice, level: Level = Level.REFUSE, **facts: Any) -> list[str]:
    """The codes of the findings of a level on a batch."""
    return [finding.code for finding in check(records, **facts) if finding.level is level]


@attrs.frozen
class Firing:
    """A batch in which a rule finds something, and a like one in which it does not."""

    code: str
    bad: Sequence[Decision | Invoice]
    fine: Sequence[Decision | Invoice]
    facts: dict[str, Any] = attrs.field(factory=dict)
    fine_facts: dict[str, Any] = attrs.field(factory=dict)
    policy: dict[str, Any] = attrs.field(factory=dict)
    in_kind: bool = False

    def found(self, level: Level | None = None) -> list[Finding]:
        """What the rule finds in the bad batch, its level set to another or not."""
        policy = RulePolicy(levels={self.code: level} if level else {}, **self.policy)
        return [f for f in check(self.bad, policy=policy, **self.facts) if f.code == self.code]

    def found_in_fine(self) -> list[Finding]:
        """What it finds in the fine one."""
        facts, policy = {**self.facts, **self.fine_facts}, RulePolicy(**self.policy)
        return [finding for finding in check(self.fine, policy=policy, **facts) if finding.code == self.code]


NOON = dt.datetime(2025, 12, 1, 12, tzinfo=dt.UTC)
LONG, LONGER = "x" * 250, "x" * 251


def _partial(**heads: Any) -> ItcReduction:
    return ItcReduction(required=True, **{head: Decimal(str(rupees)) for head, rupees in heads.items()})


FIRINGS: list[Firing] = [
    Firing("record", [decided("A", "no invoice")], [GOOD.accept()], in_kind=True),
    Firing("section", [good(section="impg").accept()], [GOOD.accept()], in_kind=True),
    Firing("previous-action", [good(action="A").accept()], [GOOD.accept()], in_kind=True),
    Firing("date", [good(date="05-11-2025").accept()], [GOOD.accept()], in_kind=True),
    Firing("amount", [good(value=Decimal("-0.01")).accept()], [good(value=Decimal("0.00")).accept()]),
    Firing("tax-heads", [good(cgst=Decimal(9), sgst=Decimal(9)).accept()], [good(**WITHIN).accept()]),
    Firing("tax-heads", [good(**WITHIN | {"sgst": Decimal("8.99")})], [good(**WITHIN)]),
    Firing("number", [good(number="0000").accept()], [good(number="0001").accept()]),
    Firing("original", [of(Section.B2BA, original_number=None)], [good(original_number=None)]),
    Firing("other-fields", [good(extra={"a": {1}})], [good(extra={"a": [1, None]})], in_kind=True),
    Firing("supplier", [good(supplier="29AAACQ3770E1ZA")], [good(supplier="29aaacq3770e1zf")]),
    Firing("own-supplier", [GOOD], [GOOD], {"gstin": GOOD.supplier.lower()}, {"gstin": GSTIN}),
    Firing(
        "recipient",
        [good(recipient=OTHER)],
        [good(recipient=GSTIN.lower())],
        {"gstin": GSTIN},
        {"gstin": GSTIN},
    ),
    Firing("return-period", [good(return_period="132025")], [good(return_period="122025")]),
    Firing("period-range", [good(return_period="062017")], [good(return_period="072017")]),
    Firing(
        "period-range",
        [GOOD],
        [GOOD],
        {"today": dt.date(2025, 10, 31)},
        {"today": dt.date(2025, 11, 1)},
    ),
    Firing("place-of-supply", [good(place_of_supply="39")], [good(place_of_supply="97")]),
    Firing("source-form", [good(source_form="GSTR1A")], [good(source_form="R1A")]),
    Firing("type", [good(type=None)], [of(Section.ECOM)]),
    Firing("action", [decided(GOOD.action)], [GOOD.accept()]),
    Firing("reset-of-no-action", [GOOD], [good(action=GOOD.accept().action)]),
    Firing("no-change", [good(action=GOOD.accept().action).accept()], [GOOD.accept()]),
    Firing("pending-blocked", [good(pending_allowed=False).keep_pending()], [GOOD.keep_pending()]),
    Firing(
        "pending-limit",
        [note(return_period="102025").keep_pending()],
        [note(return_period="102025").keep_pending()],
        {"today": dt.date(2025, 12, 21)},
        {"today": dt.date(2025, 12, 20)},
    ),
    Firing("not-filed", [good(supplier_filed=False).accept()], [good(supplier_filed=False).reject()]),
    Firing("period-closed", [GOOD], [good(return_period="122025")], policy={"filed": ["112025"]}),
    Firing("credit-note-rejected", [note().reject("x")], [note().keep_pending("x")]),
    Firing("remarks", [GOOD.reject(5)], [GOOD.reject("5")], in_kind=True),  # type: ignore[arg-type]
    Firing("remarks-control", [GOOD.reject("a\x00b")], [GOOD.reject("a\nb")]),
    Firing("remarks-garbled", [GOOD.reject("cafÃ© â‚¹500")], [GOOD.reject("café ₹500, SÃO, 100 %")]),
    Firing("remarks-too-long", [GOOD.reject(LONGER)], [GOOD.reject(LONG)]),
    Firing("remarks-blocked", [good(remarks_allowed=False).reject("x")], [GOOD.reject("x")]),
    Firing("remarks-on-accept", [GOOD.accept("x")], [note().accept("x", NONE)]),
    Firing("remarks-missing", [GOOD.reject()], [good(remarks_allowed=False).reject()]),
    Firing("remarks-missing", [note().accept(None, _partial(igst=1))], [note().accept(None, FULL)]),
    Firing("itc-reduction", [GOOD.accept(None, FULL)], [note().accept(None, FULL)]),
    Firing("itc-reduction-missing", [note().accept()], [note(return_period="092025").accept()]),
    Firing("itc-reduction-unsaid", [of(Section.B2BA).accept()], [of(Section.B2BA).accept(None, NONE)]),
    Firing(
        "itc-reduction-none",
        [note().accept("x", ItcReduction(required=False, igst=Decimal(1)))],
        [note().accept("x", _partial(igst=1))],
    ),
    Firing("itc-reduction-none", [note().accept("x", _partial(igst="0.00"))], [note().accept("x", NONE)]),
    Firing("itc-reduction-amounts", [note().accept("x", _partial(igst="18.01"))], [note().accept("x", FULL)]),
    Firing("duplicate", [GOOD.accept(), GOOD.reject()], [GOOD.accept(), good(number="2").reject()]),
    Firing(
        "amendment-order",
        [of(Section.B2BA, original_number="AB/0071", original_date=GOOD.date).accept(), GOOD.accept()],
        [of(Section.B2BA, original_number="AB/0071").accept(), GOOD.accept()],
    ),
    Firing(
        "credit-note-and-invoice",
        [note(number="C1").reject("x"), GOOD.reject("x")],
        [
            note(number="C1", igst=Decimal(9)).reject("x"),
            GOOD.reject("x"),
            note(number="C2").accept(None, FULL),
        ],
    ),
    Firing(
        "stale-read",
        [GOOD.accept()],
        [GOOD.accept()],
        {"read_at": NOON, "now": NOON + dt.timedelta(seconds=3601)},
        {"now": NOON + dt.timedelta(seconds=3600)},
    ),
    Firing(
        "recompute",
        [GOOD.accept()],
        [GOOD.accept()],
        {"today": dt.date(2025, 12, 15)},
        {"today": dt.date(2025, 12, 14)},
    ),
]
