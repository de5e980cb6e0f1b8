"""Every status a gateway can give, read and accounted for: no report says more than the answer proves.

The product of codes, counts, reports, an error code for the whole job, readings of P and ways of being
carried, each through the codec, `settle` and `account`; and beside it what must come of it, written from the
rules alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import pytest

from ims_async import Decision, PReading, Section
from ims_async.gsp.codec import read_status
from ims_async.gsp.evidence import Evidence, settle
from ims_async.model.report import account

from ..model.test_report import SUPPLIER, invoice
from ..support.sweeps import sample

SENT: Final = 3
RECORDS: Final[list[Decision]] = [
    invoice("n0").accept(),
    invoice("n1", return_period="052023").accept(),
    invoice("n1", Section.B2BCN, supplier="27AAPFU0939F1ZV").reject(),
]
MISSING: Final = object()

# -- what may be said ------------------------------------------------------------------------------------

CODES: Final = ("S", "PE", "ER", "P", " p ", "IP", "REC", "rec", "XX", "")
COUNTS: Final[Mapping[str, tuple[object, int | None]]] = {
    "missing": (MISSING, None), "empty": ("", None), "0": ("0", 0), "1": (1, 1), "2": ("2", 2),
    "3": ("3", 3), "4": (4, 4), "none": ("many", None),
}  # fmt: skip


def named(place: int, *, without: tuple[str, ...] = (), reason: str = "edited") -> dict[str, Any]:
    """One error of the report, which names a record by all its ids, or by some."""
    record = RECORDS[place]
    ids = {"inum": record.number, "rtnprd": record.return_period}
    told = {"stin": record.supplier, "error_cd": "IMSSAV0010", "error_msg": reason, "inv": [ids]}
    for name in without:
        told.pop(name, ids.pop(name, None))
    return told


class Told(NamedTuple):
    """A report as it comes, the records that it names for sure, and whether it says anything else."""

    report: object
    failed: frozenset[int] = frozenset()
    stray: bool = False

    @property
    def errors(self) -> bool:
        """Whether it says that something failed."""
        return bool(self.failed) or self.stray


REPORTS: Final[Mapping[str, Told]] = {
    "missing": Told(MISSING),
    "empty": Told({}),
    "null": Told(None),
    "one": Told({"b2b": [named(0)]}, frozenset({0})),
    "another": Told({"b2b": [named(1)]}, frozenset({1})),
    "a note under its short name": Told({"cn": [named(2)]}, frozenset({2})),
    "two": Told({"b2b": [named(0), named(1)]}, frozenset({0, 1})),
    "all": Told({"b2b": [named(0), named(1)], "b2bcn": [named(2)]}, frozenset({0, 1, 2})),
    "one, twice": Told({"b2b": [named(0), named(0, reason="frozen")]}, frozenset({0})),
    "one without its period": Told({"b2b": [named(0, without=("rtnprd",))]}, frozenset({0})),
    "one under no section": Told([named(0, without=("rtnprd",))], frozenset({0})),
    "one of two under no section": Told([named(2, without=("rtnprd", "stin"))], stray=True),
    "one without its supplier": Told({"b2b": [named(1, without=("stin",))]}, frozenset({1})),
    "the only one of a section": Told({"cn": [named(2, without=("rtnprd", "stin", "inv"))]}, frozenset({2})),
    "one of a supplier of two": Told({"b2b": [named(0, without=("inv",))]}, stray=True),
    "one that was not sent": Told({"b2b": [{**named(0), "stin": "x"}]}, stray=True),
    "one, and one that was not sent": Told(
        {"b2b": [named(0)], "ecom": [named(1)]}, frozenset({0}), stray=True
    ),
    "an object": Told({"error_cd": "RET191106", "error_msg": "why"}, stray=True),
    "a list": Told([{"error_cd": "RET191106", "error_msg": "why"}], stray=True),
    "text": Told("why", stray=True),
    "nonsense": Told({"b2b": 7}, stray=True),
}


class Answer(NamedTuple):
    """One of the product."""

    code: str
    processed: str
    errors: str
    report: str
    carried: bool
    stood_still: bool
    coded: bool

    def data(self) -> dict[str, Any]:
        """The answer as it comes."""
        facts = {
            "status_cd": self.code,
            "proc_cnt": COUNTS[self.processed][0],
            "err_cnt": COUNTS[self.errors][0],
            "err_cd": "GEN5001" if self.coded else "",
            "error_report": REPORTS[self.report].report,
        }
        return {name: value for name, value in facts.items() if value is not MISSING}


STOOD_STILL_CODED: Final = ((False, False), (True, False), (False, True))
ANSWERS: Final = [
    Answer(code, processed, errors, report, carried, stood_still, coded)
    for code, processed, errors, report, carried, (stood_still, coded) in itertools.product(
        CODES, COUNTS, COUNTS, REPORTS, (False, True), STOOD_STILL_CODED
    )
]


def is_p(answer: Answer) -> bool:
    """Whether its code is P, however it is written."""
    return answer.code.strip().upper() == "P"


# -- what must come of it --------------------------------------------------------------------------------


class Fate(NamedTuple):
    """What the rules make of an answer: the state, and who failed; `rest` is what became of the others."""

    state: str
    failed: frozenset[int] = frozenset()
    rest: str = ""


def fate(answer: Answer, p_means: PReading) -> Fate:
    """Say it by the table in the words of the specification."""
    processed, errors = COUNTS[answer.processed][1], COUNTS[answer.errors][1]
    told, code = REPORTS[answer.report], answer.code.upper()
    some_failed = told.errors or bool(errors) or answer.coded
    if code == "ER":
        return Fate("failed", frozenset(range(SENT)))
    if is_p(answer):
        counted = processed is not None and processed + (errors or 0) >= SENT
        seen = bool(processed or errors or told.errors)
        ended = answer.carried or counted or (answer.stood_still and seen)
        if p_means is PReading.PROCESSING or (p_means is PReading.EVIDENCE and not ended):
            return Fate("processing")
    elif code not in ("S", "PE"):
        return Fate("processing")
    partial = code == "PE" or some_failed
    return Fate("partial" if partial else "succeeded", told.failed, _rest(answer, partial=partial))


def _rest(answer: Answer, *, partial: bool) -> str:
    """Say what is known of the records that are not listed: that they succeeded, or nothing."""
    processed, errors = COUNTS[answer.processed][1], COUNTS[answer.errors][1]
    told, listed = REPORTS[answer.report], len(REPORTS[answer.report].failed)
    if told.stray or (partial and not listed):
        return "unaccounted"
    if not partial and processed is None:
        return "succeeded"  # nothing speaks against the code
    if processed is None or (errors is not None and errors != listed):
        return "unaccounted"
    whole = processed + listed == SENT or (errors is not None and processed == SENT)
    return "succeeded" if whole else "unaccounted"


def standing(answer: Answer) -> Evidence:
    """The evidence after three polls of it within two minutes, or after one."""
    evidence = Evidence()
    status = read_status(answer.data(), "data")
    for now in (0.0, 60.0, 120.0) if answer.stood_still else (120.0,):
        evidence = evidence.with_poll(status, now)
    return evidence


def lies(answer: Answer, p_means: PReading) -> list[str]:
    """Say in what the library differs from the rules."""
    status = settle(
        read_status(answer.data(), "data", carrier_done=answer.carried),
        submitted=SENT,
        evidence=standing(answer),
        now=120.0,
        p_means=p_means,
    )
    due = fate(answer, p_means)
    if status.state != due.state:
        return [f"{answer}, {p_means}: {status.state}, not {due.state}"]
    if not status.done:
        return []
    report = account(status, RECORDS, SENT)
    others = [record for place, record in enumerate(RECORDS) if place not in due.failed]
    found = (
        {id(failure.record) for failure in report.failed},
        [id(record) for record in report.succeeded],
        [id(record) for record in report.unaccounted],
    )
    right = (
        {id(RECORDS[place]) for place in due.failed},
        [id(record) for record in others if due.rest == "succeeded"],
        [id(record) for record in others if due.rest == "unaccounted"],
    )
    wrong = [] if found == right else [f"{answer}, {p_means}: {report}"]
    if report.ok is not (due.state == "succeeded" and due.rest == "succeeded"):
        wrong.append(f"{answer}, {p_means}: ok is {report.ok}")
    return wrong


@pytest.mark.parametrize("p_means", PReading)
def test_no_report_says_more_than_the_answer_proves(p_means: PReading) -> None:
    """80,640 answers under the reading by evidence; those with code P under the two others.

    `make test` takes each fifth: no number of values of one fact is a multiple of it but that of the codes.
    """
    asked = [answer for answer in ANSWERS if p_means is PReading.EVIDENCE or is_p(answer)]
    told = [lie for answer in sample(asked, 5) for lie in lies(answer, p_means)]
    assert told[:5] == []
    assert not told


def test_the_answers_are_as_many_as_they_should_be() -> None:
    """More than the 62,400 that an earlier product had, all of them different."""
    pinned = [answer for answer in ANSWERS if is_p(answer)]
    assert len({*ANSWERS}) == len(ANSWERS)
    assert len(ANSWERS) + 2 * len(pinned) >= 62_400


def test_every_fate_comes_about() -> None:
    """The rules are not so strict that nothing ever succeeds, nor so lax that all does."""
    fates = {
        (due.state, due.rest)
        for answer in ANSWERS
        if not answer.stood_still
        for due in [fate(answer, PReading.EVIDENCE)]
    }
    assert fates == {
        ("processing", ""), ("failed", ""), ("succeeded", "succeeded"), ("succeeded", "unaccounted"),
        ("partial", "succeeded"), ("partial", "unaccounted"),
    }  # fmt: skip


def test_the_records_that_are_sent_can_be_told_apart() -> None:
    """By all four ids together, and not by the number alone."""
    assert len({record.key for record in RECORDS}) == SENT
    assert [record.supplier for record in RECORDS].count(SUPPLIER) == 2
