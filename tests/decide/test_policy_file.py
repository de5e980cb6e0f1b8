"""The file of a policy to begin with, and what a policy does in sentences."""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from ims_async.decide import MatchKind, Policy, Tolerance, Tolerances
from ims_async.decide.policy_file import TEMPLATE, sentences_of

from ..support.documents import DOCUMENTS

EXAMPLES = re.sub(r"(?m)^#(?! )", "", TEMPLATE)
"""The file with its examples in use."""


def load(tmp_path: Path, text: str) -> Policy:
    """Load a policy from a file of this text."""
    file = tmp_path / "firm.toml"
    file.write_text(text, encoding="utf-8")
    return Policy.load(file)


def test_the_file_loads_as_the_default_policy(tmp_path: Path) -> None:
    """Each key that it sets has its default."""
    assert load(tmp_path, TEMPLATE) == Policy()


def test_the_file_names_every_key(tmp_path: Path) -> None:
    """Fields, kinds and tolerances; in the examples, those that have no default to write."""
    table = tomllib.loads(EXAMPLES)
    fields = {field.name for field in attrs.fields(Policy)} - {"tolerances"} | {"tolerance"}
    assert set(table) == fields
    assert set(table["kinds"]) == set(MatchKind)
    shared = {"rupees", "percent", "below", "days"}
    assert set(table["tolerance"]) == shared | {"cess"}
    for head in ("taxable_value", "igst", "cgst", "sgst", "cess"):
        assert head in TEMPLATE


def test_its_examples_work(tmp_path: Path) -> None:
    """As they stand there."""
    policy = load(tmp_path, EXAMPLES)
    assert policy.leave_above == 500_000
    assert policy.outcome(MatchKind.VALUE_DIFFERS, "29AAACQ3770E1ZF") == "pending"
    assert policy.tolerances.igst == Tolerance(below=Tolerance(rupees=Decimal(10)))
    assert policy.tolerances.cess.rupees == 0


def test_the_page_shows_the_file_as_it_is() -> None:
    """All of it."""
    assert f"```toml\n{TEMPLATE}```\n" in DOCUMENTS["docs/decide.md"]


def test_the_default_policy_in_sentences() -> None:
    """One for each thing that it does."""
    assert sentences_of(Policy()) == [
        "Accepted: matched, within tolerance.",
        f"Left to a person: {', '.join([*MatchKind][2:])}.",
        "What would be accepted and its supplier has not filed is left to a person.",
        "What would be kept pending where the gateway does not allow that is left to a person.",
        "A credit note that is accepted reverses its whole credit.",
        "Amounts may differ by ₹1.00.",
        "A document is booked at most 60 days before or after its date.",
    ]


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (Policy(kinds={"probable": "accept"}), "Accept of what is probable has no effect: only a person can"),
        (
            Policy(suppliers={"AAACQ3770E": {"not in books": "pending"}}),
            "From AAACQ3770E, kept pending: not in books.",
        ),
        (Policy(allow=["AAACQ3770E"]), "What is not in the books is accepted from AAACQ3770E."),
        (Policy(block=["AAACQ3770E"]), "Nothing from AAACQ3770E is accepted: it is left to a person."),
        (Policy(leave_above=500_000), "A record with a value above ₹500,000.00 is left to a person."),
        (Policy(not_filed="accept"), "What the supplier has not filed is accepted like the rest."),
        (Policy(pending_not_allowed="reject"), "does not allow that is rejected."),
        (Policy(itc_reduction="none"), "A credit note that is accepted reverses no credit."),
        (Policy(itc_reduction="leave"), "Credit notes that would be accepted are left to a person"),
        (
            Policy(tolerances=Tolerances(cess=Tolerance(0, percent=2, below=Tolerance(5)))),
            "In cess, books and gateway may differ by ₹0.00 or 2 %, the larger of the two; by ₹5.00 where",
        ),
    ],
)
def test_every_key_is_said(policy: Policy, said: str) -> None:
    """A policy that sets it has a sentence on it."""
    assert [sentence for sentence in sentences_of(policy) if said in sentence]
