"""The words of IMS: every documented spelling, GSTINs, periods."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ims_async import Action, InvalidInput, Section, SupplierSection
from ims_async.model.vocabulary import (
    SECTION_ALIASES,
    gstin_checksum,
    gstin_problem,
    parse_gstin,
    period_problem,
    return_period,
)
from tests.support import strategies

# As queries, bodies and error reports of the vendors' pages spell them.
SPELLINGS = {
    Section.B2B: ["B2B", "b2b"],
    Section.B2BA: ["B2BA", "b2ba"],
    Section.B2BDN: ["DN", "dn", "b2bdn", "B2BDN"],
    Section.B2BDNA: ["DNA", "dna", "b2bdna", "B2BDNA"],
    Section.B2BCN: ["CN", "cn", "b2bcn", "B2BCN"],
    Section.B2BCNA: ["CNA", "cna", "b2bcna", "B2BCNA"],
    Section.ECOM: ["ECOM", "ecom"],
    Section.ECOMA: ["ECOMA", "ecoma"],
}


@pytest.mark.parametrize(
    ("spelling", "section"), [(word, section) for section, words in SPELLINGS.items() for word in words]
)
def test_a_section_is_understood_in_every_documented_spelling(spelling: str, section: Section) -> None:
    """Read what queries, bodies and error reports call it, with white space around it too."""
    assert Section.parse(spelling) is section
    assert Section.parse(f" {spelling} ") is section
    assert SECTION_ALIASES[spelling.lower()] is section


@pytest.mark.parametrize("word", ["", "cdnr", "impg", "isd", "b2c", "b2b,b2ba", "ＤＮ", 7, None])
def test_a_section_that_ims_does_not_have_is_refused_with_the_list(word: object) -> None:
    """Name the known spellings; supplier-side and import sections are none of the recipient's."""
    with pytest.raises(InvalidInput, match=r"use one of: b2b, b2ba, .*cn, cna, dn, dna"):
        Section.parse(word)  # type: ignore[arg-type]


def test_sections_know_what_their_records_are() -> None:
    """Recognise notes, amendments and e-commerce documents by section."""
    assert [section for section in Section if section.is_note] == ["b2bdn", "b2bdna", "b2bcn", "b2bcna"]
    assert [section for section in Section if section.is_amendment] == ["b2ba", "b2bdna", "b2bcna", "ecoma"]
    assert [section for section in Section if section.is_ecommerce] == ["ecom", "ecoma"]
    assert [str(section) for section in SupplierSection] == ["b2b", "b2ba", "cdnr", "cdnra", "ecom", "ecoma"]


@pytest.mark.parametrize(
    ("word", "action"),
    [
        ("A", Action.ACCEPT),
        ("accepted", Action.ACCEPT),
        ("r", Action.REJECT),
        ("Reject", Action.REJECT),
        ("P", Action.PENDING),
        ("keep pending", Action.PENDING),
        ("no_action_taken", Action.NO_ACTION),
        ("No Action", Action.NO_ACTION),
        ("noaction", Action.NO_ACTION),
        (" N ", Action.NO_ACTION),
    ],
)
def test_an_action_is_understood_as_letter_and_word(word: str, action: Action) -> None:
    """Read the letters of rows, the words of queries and counts, and a person's."""
    assert Action.parse(word) is action


@pytest.mark.parametrize("word", ["", "S", "processed", "approve", None])
def test_an_unknown_action_is_refused(word: object) -> None:
    """Say which letters there are."""
    with pytest.raises(InvalidInput, match=r"A \(accept\), R \(reject\), P"):
        Action.parse(word)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "gstin",
    [
        "29AAACQ3770E1ZF",
        "27AAPFU0939F1ZV",  # a GSTIN that GSTN's own guides use
        "27AAPFU0939F1ZV".lower(),
        "24MAYAS0100J1J2",  # another letter than Z in the fourteenth place
    ],
)
def test_a_right_gstin_has_no_problem(gstin: str) -> None:
    """Accept it in either case and give it back in upper case."""
    assert gstin_problem(gstin) is None
    assert parse_gstin(f" {gstin}\n") == gstin.upper()


@pytest.mark.parametrize(
    ("gstin", "right"), [("29AAACQ3770E1ZA", "F"), ("27AAPFU0939F1Z5", "V"), ("24MAYAS0100J1JD", "2")]
)
def test_a_wrong_check_digit_is_told_with_the_right_one(gstin: str, right: str) -> None:
    """Name the character that belongs there, also for the GSTINs of the vendors' examples."""
    problem = gstin_problem(gstin)
    assert problem is not None
    assert problem.endswith(f"after {gstin[:14]} the last character must be {right}")


@given(gstin=strategies.gstins(), place=st.integers(0, 14), other=st.sampled_from("0123456789ABCXYZ"))
def test_no_single_typing_error_passes(gstin: str, place: int, other: str) -> None:
    """Catch every change of one character, which is what a check digit is for."""
    typed = gstin[:place] + other + gstin[place + 1 :]
    assert (gstin_problem(typed) is None) == (typed == gstin)


@pytest.mark.parametrize(
    "text",
    [
        None, 29, "", "29AAACQ3770E1Z", "29AAACQ3770E1ZFF", "29AAACQ3770E000", "AAAACQ3770E1ZF9",
        "29AAACQ37 0E1ZF", "29AAACQ3770E1Zß", "29AAACQ３770E1ZF",
    ],
)  # fmt: skip
def test_what_has_not_the_pattern_is_no_gstin(text: object) -> None:
    """Say so for wrong lengths, wrong characters, and what is no text at all."""
    assert "GSTIN" in (gstin_problem(text) or "")
    with pytest.raises(InvalidInput, match=r"the buyer: .* check it for a typing error"):
        parse_gstin(text, what="the buyer")  # type: ignore[arg-type]


def test_letters_that_only_upper_case_makes_ascii_are_refused() -> None:
    """Turn down a dotless i and a long s, which `upper` would make an I and an S."""
    first = "27AAPFI0939S1Z"
    right = first + gstin_checksum(first)
    assert gstin_problem(right) is None
    assert gstin_problem(right.replace("I", "\u0131")) is not None
    assert gstin_problem(right.replace("S", "\u017f")) is not None


@pytest.mark.parametrize("text", ["102024", "012017", "122099"])
def test_a_return_period_is_month_and_year(text: str) -> None:
    """Accept MMYYYY."""
    assert period_problem(text) is None


@pytest.mark.parametrize(
    "text", ["", "002024", "132024", "202410", "1024", "10-2024", "１02024", 102024, None]
)
def test_an_invalid_return_period_is_reported(text: object) -> None:
    """Refuse a month that is none, a year first, a number, digits of other scripts."""
    assert "write MMYYYY" in (period_problem(text) or "")


@given(strategies.days())
def test_a_return_period_comes_from_a_year_and_a_month(day: object) -> None:
    """Write every month since GST began as MMYYYY."""
    year, month = (int(part) for part in str(day).split("-")[:2])
    assert return_period(year, month) == f"{month:02d}{year}"
    assert period_problem(return_period(year, month)) is None


@pytest.mark.parametrize(
    ("year", "month"),
    [(2024, 0), (2024, 13), (2017, 6), (2016, 12), (2100, 1), ("2024", 1), (2024, "1"), (11, 2024)],
)
def test_a_period_before_gst_or_beyond_the_calendar_is_refused(year: int, month: int) -> None:
    """Refuse months outside 1 to 12, and any before July 2017."""
    with pytest.raises(InvalidInput, match="GST began in July 2017"):
        return_period(year, month)
