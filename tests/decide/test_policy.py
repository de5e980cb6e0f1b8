"""A policy in Python and in TOML, and what is decided by it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from ims_async import Action, InvalidInput, Invoice, ItcReduction, Section
from ims_async.decide import Decided, Entry, Match, MatchKind, Outcome, Policy, Tolerance, Tolerances, decide

from .books import ACME, ACME_IN_DELHI, OTHER, entry, record

PAN = ACME[2:12]
CN = {"section": Section.B2BCN}
# A record and a register for each kind.
CASES: dict[MatchKind, tuple[Invoice, list[Entry]]] = {
    MatchKind.MATCHED: (record("7"), [entry("7")]),
    MatchKind.WITHIN_TOLERANCE: (record("7"), [entry("7", amounts="1000.5+180")]),
    MatchKind.VALUE_DIFFERS: (record("7"), [entry("7", amounts="1200+216")]),
    MatchKind.TAX_HEAD_DIFFERS: (record("7"), [entry("7", amounts="1000+90+90")]),
    MatchKind.OTHER_REGISTRATION: (record("7"), [entry("7", supplier=ACME_IN_DELHI)]),
    MatchKind.PROBABLE: (record("A-12"), [entry("B-12")]),
    MatchKind.AMBIGUOUS: (record("12"), [entry("A-12"), entry("B-12")]),
    MatchKind.BOOKED_TWICE: (record("7"), [entry("7"), entry("7")]),
    MatchKind.NOT_IN_BOOKS: (record("7"), [entry("99", "20-05-26", "5+1")]),
}
FOR_A_PERSON = (MatchKind.OTHER_REGISTRATION, MatchKind.PROBABLE, MatchKind.AMBIGUOUS)


def outcome(decided: Decided) -> str:
    """Return the outcome of the only record."""
    (one,) = decided.judged
    return one.outcome


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("word", ["accept", "reject", "pending", "leave"])
def test_each_kind_has_its_outcome(kind: MatchKind, word: str) -> None:
    """What is below stage 3 is neither accepted nor rejected, whatever the policy says."""
    one, books = CASES[kind]
    decided = decide([one], Policy(kinds={kind: word}), books)
    assert decided.judged[0].match.kind is kind
    limited = kind in FOR_A_PERSON and word in ("accept", "reject")
    assert outcome(decided) == ("leave" if limited else word)
    assert limited == decided.reason(one).startswith("Only a person can")
    assert decided.left == ([one] if limited or word == "leave" else [])
    wanted = {"accept": Action.ACCEPT, "reject": Action.REJECT, "pending": Action.PENDING}
    assert [each.action for each in decided.decisions] == ([] if decided.left else [wanted[word]])


@pytest.mark.parametrize("kind", CASES)
def test_the_default_accepts_only_what_matches(kind: MatchKind) -> None:
    """And leaves the rest to a person, each with its reason."""
    one, books = CASES[kind]
    decided = decide([one], Policy(), books)
    assert outcome(decided) == ("accept" if kind in ("matched", "within tolerance") else "leave")
    assert decided.reason(one).endswith(".")


def test_a_policy_that_accepts_everything_accepts_no_guess() -> None:
    """Nor by a table for the supplier, nor where pending is not allowed."""
    everything = dict.fromkeys(MatchKind, "accept")
    for kind in FOR_A_PERSON:
        one, books = CASES[kind]
        for policy in (
            Policy(kinds=everything),
            Policy(suppliers={PAN: everything}),
            Policy(kinds={kind: "pending"}, pending_not_allowed="reject"),
        ):
            blocked = record(one.number, pending_allowed=False)
            assert decide([blocked], policy, books).decisions == []


@pytest.mark.parametrize(
    ("suppliers", "word"),
    [
        ({ACME: {"not in books": "reject"}}, "reject"),
        ({PAN: {"not_in_books": "reject"}}, "reject"),
        ({ACME.lower(): {"Not in books": "Reject"}}, "reject"),
        ({PAN: {"not in books": "reject"}, ACME: {"not in books": "pending"}}, "pending"),
        ({PAN: {"value differs": "reject"}}, "leave"),
        ({OTHER: {"not in books": "reject"}}, "leave"),
        ({"allow": [PAN], ACME: {"not in books": "reject"}}, "reject"),
        ({"allow": [ACME], PAN: {"not in books": "leave"}}, "leave"),
        ({"allow": [PAN], ACME: {"matched": "leave"}}, "accept"),
    ],
)
def test_a_supplier_has_its_own_outcomes(suppliers: dict[str, Any], word: str) -> None:
    """By GSTIN before PAN, and both before `allow`; a kind that is not named is the policy's."""
    own = dict(suppliers)
    policy = Policy(allow=own.pop("allow", []), suppliers=own)
    assert outcome(decide([record("7")], policy, [])) == word


@pytest.mark.parametrize(
    ("facts", "policy", "word", "reason"),
    [
        ({}, {"allow": [ACME]}, "accept", "accepted"),
        ({}, {"allow": [PAN]}, "accept", "accepted"),
        ({}, {"allow": [PAN], "block": [ACME]}, "leave", "not accepted"),
        ({}, {"allow": [PAN], "leave_above": 1179}, "leave", "above ₹1,179.00"),
        ({}, {"allow": [PAN], "leave_above": "1180"}, "accept", "accepted"),
        ({"value": Decimal(-1180), **CN}, {"allow": [PAN], "leave_above": 1179}, "leave", "above ₹1,179.00"),
        ({}, {"kinds": {"not in books": "reject"}, "block": [PAN]}, "reject", "Nothing"),
        ({"supplier_filed": False}, {"allow": [PAN]}, "leave", "has not filed"),
        ({"supplier_filed": None}, {"allow": [PAN]}, "accept", "accepted"),
        ({"supplier_filed": False}, {"allow": [PAN], "not_filed": "accept"}, "accept", "accepted"),
        ({"supplier_filed": False}, {"allow": [PAN], "not_filed": "pending"}, "pending", "has not filed"),
        (
            {"supplier_filed": False, "pending_allowed": False},
            {"allow": [PAN], "not_filed": "pending"},
            "leave",
            "does not allow pending",
        ),
        ({"pending_allowed": False}, {"kinds": {"not in books": "pending"}}, "leave", "not allow pending"),
        (
            {"pending_allowed": False},
            {"kinds": {"not in books": "pending"}, "pending_not_allowed": "reject"},
            "reject",
            "not allow pending",
        ),
        (
            {"pending_allowed": False, "supplier_filed": False},
            {"kinds": {"not in books": "pending"}, "pending_not_allowed": "accept"},
            "leave",
            "has not filed",
        ),
        (CN, {"allow": [PAN], "itc_reduction": "leave"}, "leave", "How much credit"),
    ],
)
def test_the_limits_of_a_policy_and_of_the_gateway(
    facts: dict[str, Any], policy: dict[str, Any], word: str, reason: str
) -> None:
    """Allow, block, a threshold, not filed, pending that is not allowed; the reason is one sentence."""
    one = attrs.evolve(record("7"), **facts)
    decided = decide([one], Policy(**policy), [])
    assert outcome(decided) == word
    assert reason in decided.reason(one)
    assert ". " not in decided.reason(one)


@pytest.mark.parametrize(
    ("facts", "reduction", "declared"),
    [
        (CN, "full", ItcReduction.full()),
        (CN, "none", ItcReduction.none()),
        ({**CN, "itc_reduction_allowed": False}, "full", None),
        ({}, "full", None),
    ],
)
def test_accepting_a_credit_note_declares_what_it_reverses(
    facts: dict[str, Any], reduction: Any, declared: ItcReduction | None
) -> None:
    """As the policy says, where the gateway takes it."""
    policy = Policy(allow=[PAN], itc_reduction=reduction)
    (decision,) = decide([record("7", **facts)], policy, []).decisions
    assert decision.itc_reduction == declared


def test_remarks_say_why_without_the_figures_of_the_books() -> None:
    """The supplier reads them; where the gateway takes none there are none."""
    policy = Policy(kinds={"value differs": "reject", "not in books": "pending"})
    records = [
        record("7"),
        record("8", "06-05-26", "5+1"),
        record("9", "07-05-26", "6+1", remarks_allowed=False),
    ]
    decisions = decide(records, policy, [entry("7", amounts="1200+216")]).decisions
    assert [one.remarks for one in decisions] == [
        "The value differs from our books.", "Not in our books.", None,
    ]  # fmt: skip


def test_without_a_register_nothing_is_rejected() -> None:
    """It would be everything; only `allow` and the function decide."""
    policy = Policy(kinds={"not in books": "reject"}, allow=[OTHER])
    decided = decide([record("7"), record("8", supplier=OTHER)], policy)
    assert [one.outcome for one in decided.judged] == ["leave", "accept"]
    assert all("here is no purchase register" in decided.reason(one.invoice) for one in decided.judged)


def test_a_function_goes_before_the_policy() -> None:
    """None leaves it to the policy; another word is refused; the gateway's limits stay."""

    def by_number(one: Match) -> Outcome | str | None:
        return {"7": "accept", "8": Outcome.REJECT, "9": "pending"}.get(one.invoice.number)

    records = [record(number, pending_allowed=False) for number in ("7", "8", "9", "10")]
    decided = decide(records, Policy(), [entry("10", amounts="7+1")], by_number)
    assert [one.outcome for one in decided.judged] == ["accept", "reject", "leave", "leave"]
    assert decided.reason(records[0]).startswith("Your function says accept; ")
    with pytest.raises(InvalidInput, match="function: 'perhaps' is unknown"):
        decide(records, function=lambda _: "perhaps")


def test_the_summary_adds_up() -> None:
    """Counts and rupees by outcome, section and supplier; all records are in it."""
    records = [
        record("1"), record("2", "06-05-26", "500+45+45"), record("3", "07-05-26", "70+7", **CN),
        record("4", "08-05-26", "20+2", supplier=OTHER),
    ]  # fmt: skip
    decided = decide(records, Policy(), [entry("1"), entry("2", "06-05-26", "500+45+45")])
    summary = decided.summary()
    accepted = summary[Outcome.ACCEPT, Section.B2B, ACME]
    assert (accepted.count, accepted.taxable_value, accepted.tax) == (2, Decimal(1500), Decimal(270))
    assert {key: total.count for key, total in summary.items()} == {
        ("accept", "b2b", ACME): 2, ("leave", "b2bcn", ACME): 1, ("leave", "b2b", OTHER): 1,
    }  # fmt: skip
    assert len(decided.decisions) + len(decided.left) == sum(total.count for total in summary.values()) == 4
    assert repr(decided) == "<Decided on 4 records: 2 accept, 0 reject, 0 pending, 2 leave>"
    with pytest.raises(KeyError):
        decided.reason(record("5"))


def test_records_of_one_key_keep_their_own_reasons() -> None:
    """A gateway may show two versions of a record."""
    records = [record("7"), record("7", amounts="1200+216")]
    decided = decide(records, Policy(), [entry("7")])
    assert [decided.reason(one)[:11] for one in records] == ["The number ", "Nothing in "]


# -- TOML ---------------------------------------------------------------------------------------------------


def test_a_policy_is_read_from_a_file(tmp_path: Path) -> None:
    """Every key of it."""
    path = tmp_path / "firm.toml"
    path.write_text(
        f"""
leave_above = 50000.50
not_filed = "pending"
pending_not_allowed = "reject"
itc_reduction = "none"
allow = ["{PAN}"]
block = ["{OTHER}"]
[kinds]
"value differs" = "pending"
not_in_books = "reject"
[suppliers.{ACME}]
"booked twice" = "accept"
[tolerance]
rupees = 2
percent = 0.1
days = 45
below = {{rupees = 100}}
[tolerance.cess]
rupees = 0.5
""",
        encoding="utf-8",
    )
    policy = Policy.load(path)
    assert policy.outcome(MatchKind.NOT_IN_BOOKS, ACME) is Outcome.REJECT
    assert policy.outcome(MatchKind.BOOKED_TWICE, ACME) is Outcome.ACCEPT
    assert policy.outcome(MatchKind.BOOKED_TWICE, OTHER) is Outcome.LEAVE
    assert policy.leave_above == Decimal("50000.50")
    assert policy.tolerances.days == 45
    below = Tolerance(rupees=100)
    assert policy.tolerances.igst == Tolerance(rupees=2, percent="0.1", below=below)
    assert policy.tolerances.cess == Tolerance(rupees="0.5", percent="0.1", below=below)
    assert policy.allows(ACME_IN_DELHI)
    assert policy.blocks(OTHER)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('colour = "red"', "'colour' is unknown; the keys are: allow, block"),
        ('[kinds]\nmatched = "acept"', "kinds, matched: 'acept' is unknown; use one of: accept"),
        ('[kinds]\nmached = "accept"', "kinds: kind 'mached' is unknown; the kinds are: matched"),
        ('kinds = "accept"', "kinds: write outcomes by kind"),
        ('[suppliers.29]\nmatched = "leave"', "suppliers: '29' is neither a GSTIN"),
        (f'[suppliers.{PAN}]\nmatched = "x"', f"suppliers, {PAN}, matched: 'x' is unknown"),
        ('suppliers = ["29"]', "suppliers: write a table"),
        ('allow = "29"', "allow: '29' is not a list"),
        ("block = [1]", "block: 1 is neither a GSTIN"),
        ('leave_above = "much"', "leave_above: 'much' is not an amount"),
        ('not_filed = "wait"', "not_filed: 'wait' is unknown"),
        ('pending_not_allowed = "pending"', "pending_not_allowed: pending is what is not allowed"),
        ('itc_reduction = "half"', "itc_reduction: 'half' is unknown"),
        ("tolerance = 1", "tolerance: write a table"),
        ("[tolerance]\nrupee = 1", "tolerance: 'rupee' is unknown"),
        ("[tolerance]\ndays = 1.5", "tolerance: days 1.5 is not a whole number"),
        ("[tolerance.igst]\nrupees = -1", "tolerance, igst: -1 is not an amount"),
        ("[tolerance.igst]\ndays = 1", "tolerance, igst: 'days' is unknown"),
        ("[tolerance]\nbelow = {days = 1}", "below: 'days' is unknown"),
        ("kinds =", "is not TOML"),
        pytest.param(f"leave_above = {'9' * 5000}", "is not TOML", id="a number of 5,000 digits"),
        pytest.param(f"allow = {'[' * 5000}", "is not TOML", id="5,000 levels"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    """With the file and the key."""
    path = tmp_path / "firm.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput) as caught:
        Policy.load(path)
    assert "firm.toml" in str(caught.value)
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """As any other."""
    with pytest.raises(InvalidInput, match=r"none\.toml cannot be read"):
        Policy.load(tmp_path / "none.toml")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Policy(allow=["x"]),
        lambda: Policy(kinds={"odd": "leave"}),
        lambda: Policy(kinds={"not in books": "leave", "not_in_books": "reject"}),
        lambda: Policy(suppliers={ACME: {}, ACME.lower(): {"matched": "leave"}}),
        lambda: Policy(not_filed="odd"),
        lambda: Policy(tolerances=5),  # type: ignore[arg-type]
        lambda: Policy(tolerances=Tolerances(igst=5)),  # type: ignore[arg-type]
        lambda: Policy(tolerances=Tolerances(igst=Tolerance(below=5))),  # type: ignore[arg-type]
    ],
)
def test_python_is_checked_as_a_file_is(make: Callable[[], Policy]) -> None:
    """By the same words."""
    with pytest.raises(InvalidInput):
        make()
