"""A refusal's code and words: read out of every shape and spelling, by one reader."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ims_async import JobState
from ims_async.gsp.codec import read_status
from ims_async.gsp.evidence import Evidence, settle
from ims_async.model.reasons import Reason, read_reason
from ims_async.model.report import account
from tests.support import strategies

from ..model.test_report import batch

CODES = ["error_cd", "err_cd", "error-code", "error_code", "errorCode", "ERROR_CD", "code"]
WORDS = ["error_msg", "err_msg", "message", "Message", "errorMessage", "error_message", "desc", "error_desc",
         "errorDescription", "detail", "reason"]  # fmt: skip
WHY = Reason("RET191106", "why it was refused")


@pytest.mark.parametrize(("code", "words"), list(itertools.product(CODES, WORDS)))
def test_code_and_words_are_read_in_every_spelling(code: str, words: str) -> None:
    """In an object, in a list of one, and nested in what errors are usually nested in."""
    told = {code: WHY.code, words: WHY.words}
    shapes = (told, [told], {"error": told}, {"errors": [told]}, {"error_report": [told]}, [[told]])
    for shape in (
        *shapes,
        {"status_cd": 0, "error": told},
        {"message": told},
        {"error": {"details": [told]}},
    ):
        assert read_reason(shape) == WHY


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("try later", Reason("", "try later")),
        (" ", Reason()),
        (None, Reason()),
        ({}, Reason()),
        ([], Reason()),
        ({"error_cd": None, "message": ""}, Reason()),
        ({"error_cd": 5001}, Reason("5001", "")),
        ({"error": "Forbidden", "message": "not you"}, Reason("", "not you")),
        ({"error": "invalid_token"}, Reason("", "invalid_token")),
        ({"message": "outer", "error": {"error_cd": "X", "message": "inner"}}, Reason("X", "outer")),
        ([{"error_cd": "A", "message": "a"}, {"error_cd": "B", "message": "b"}, "c"],
         Reason("A", "a; B: b; c")),
        ([{"error_cd": "A", "message": "a"}] * 9, Reason("A", "a")),
        ([str(place) for place in range(9)], Reason("", "0; 1; 2; 3; 4")),
        (7.5, Reason("", "7.5")),
        ({"status-code": "0", "stin": "x"}, Reason()),
    ],
    ids=repr,
)  # fmt: skip
def test_what_says_little_is_read_for_what_it_says(told: object, reason: Reason) -> None:
    """No reason gives an empty one; of several the first code is used, and no message is lost."""
    assert read_reason(told) == reason
    assert bool(reason) is bool(reason.code or reason.words)


def test_a_reason_is_said_in_one_line() -> None:
    """The code first, where there is one."""
    assert [str(one) for one in (WHY, Reason("X"), Reason("", "w"), Reason())] == [
        "RET191106: why it was refused", "X", "w", "",
    ]  # fmt: skip


@given(strategies.json_values() | st.recursive(st.just("x"), lambda inner: st.lists(inner, min_size=1)))
def test_any_json_at_all_has_a_reason_or_none(told: Any) -> None:
    """Raise nothing, and give text."""
    reason = read_reason(told)
    assert isinstance(reason.code, str)
    assert isinstance(reason.words, str)


# -- in the status of a job ------------------------------------------------------------------------------

FLAT: dict[str, Any] = {"error_cd": WHY.code, "error_msg": WHY.words}


@pytest.mark.parametrize(
    "facts",
    [
        {"error_report": FLAT},
        {"error_report": [FLAT]},
        {"error_report": {"error": FLAT}},
        {"error_report": FLAT, "err_cd": "", "err_msg": ""},
        {"err_cd": WHY.code, "err_msg": WHY.words},
        {"error_cd": WHY.code, "error_msg": WHY.words},
        {"error": {"error_cd": WHY.code, "message": WHY.words}},
        {"err_cd": WHY.code, "error_report": WHY.words},
    ],
    ids=str,
)
def test_a_job_that_was_refused_as_a_whole_says_why(facts: dict[str, Any]) -> None:
    """With the code and words for the job and for each record, and no entry under an invented section."""
    status = read_status({"status_cd": "ER", **facts}, "data")
    assert (status.error_code, status.error_message, status.error_report) == (WHY.code, WHY.words, ())
    report = account(status, batch(2), 2)
    assert (report.error_code, report.error_message, report.unmatched) == (WHY.code, WHY.words, ())
    assert [(failure.code, failure.message) for failure in report.failed] == [(WHY.code, WHY.words)] * 2


def test_words_alone_are_a_reason_too() -> None:
    """As text in the place of the report."""
    status = read_status({"status_cd": "ER", "error_report": "try again"}, "data")
    assert (status.error_code, status.error_message) == ("", "try again")


@pytest.mark.parametrize("report", [FLAT, [FLAT], {"error": FLAT}], ids=str)
@pytest.mark.parametrize("code", ["S", "PE", "P"])
def test_a_reason_under_no_section_speaks_against_every_record(code: str, report: object) -> None:
    """It may mean any: it is reported, and no record counts as applied because of a count."""
    status = read_status({"status_cd": code, "proc_cnt": "2", "error_report": report}, "data")
    assert (status.error_code, status.error_message) == (WHY.code, WHY.words)
    (entry,) = status.error_report
    assert (entry.section, entry.code, entry.message, entry.nameless) == ("", WHY.code, WHY.words, True)
    assert account(status, batch(2), 2).unaccounted_count == 2


@pytest.mark.parametrize("code", ["ER", "PE", "S"])
def test_all_reasons_under_no_section_are_told(code: str) -> None:
    """The first with its code, the others behind its words."""
    report = [{"error_cd": "A", "error_msg": "a"}, {"error_cd": "B", "error_msg": "b"}]
    status = read_status({"status_cd": code, "proc_cnt": "2", "error_report": report}, "data")
    assert (status.error_code, status.error_message) == ("A", "a; B: b")


@pytest.mark.parametrize("code", ["S", "P"])
@pytest.mark.parametrize(
    "facts",
    [
        {"err_cd": WHY.code, "err_msg": WHY.words},
        {"error_cd": WHY.code, "error_msg": WHY.words},
        {"error": {"error_cd": WHY.code, "message": WHY.words}},
    ],
    ids=str,
)
def test_an_error_code_beside_a_success_leaves_every_record_unaccounted(
    code: str, facts: dict[str, Any]
) -> None:
    """No document shows such an answer: it proves neither that they were applied nor that they were not."""
    status = read_status({"status_cd": code, "proc_cnt": "2", "err_cnt": "0", **facts}, "data")
    status = settle(status, submitted=2, evidence=Evidence(), now=0.0)
    report = account(status, batch(2), 2)
    assert (report.state, report.succeeded, report.unaccounted_count) == (JobState.PARTIAL, (), 2)
    assert (report.error_code, report.error_message, report.ok) == (WHY.code, WHY.words, False)
    assert account(status, None, 2).unaccounted_count == 2


def test_a_success_has_no_reason() -> None:
    """The documented one has empty text in its place; other words in it are not of a refusal."""
    for facts in (
        {},
        {"err_cd": "", "err_msg": ""},
        {"message": "processed", "code": 200},
        {"error": False, "error_report": {}},
    ):
        status = read_status({"status_cd": "P", "proc_cnt": "8", **facts}, "data")
        assert (status.state, status.error_code, status.error_message) == (JobState.PROCESSING, "", "")


def test_a_reason_of_too_many_levels_is_said_to_be_one() -> None:
    """Python cannot show it."""
    value: Any = "why"
    for _ in range(5000):
        value = [value]
    assert read_reason(value) == Reason(words="a value of too many levels")
