"""A problem of a file is a value: it has a place and a kind, reads as a sentence, and can be pickled."""

from __future__ import annotations

import csv
import io
import pickle
from pathlib import Path
from typing import Any

import attrs
import pytest

from ims_async import Action, InvalidDecision, InvalidInput, tables
from ims_async.rules import check
from ims_async.tables import InvalidFile, Problem

from .test_tables import lines, make_invoice


def refused(source: str, now: list[Any] | None = None) -> InvalidFile:
    """Return what is raised on reading a file, or on matching its rows with what the gateway shows."""
    try:
        rows = tables.read_decisions(io.StringIO(source))
    except InvalidFile as error:
        return error
    with pytest.raises(InvalidFile) as caught:
        tables.match(rows, now or [])
    return caught.value


CASES: list[tuple[str, list[Any] | None, tuple[int | None, str | None, str]]] = [
    (lines({"date": "?", "hash": ""}), None, (2, "date", "date")),
    (lines({"return period": "?", "hash": ""}), None, (2, "return period", "return-period")),
    (lines({"ITC reduction": "half"}), None, (2, "ITC reduction", "itc-reduction")),
    (lines({}, {}), None, (3, None, "twice")),
    (lines({"action": ""}), None, (1, "action", "empty")),
    ("a,b\n1,2\n", None, (None, None, "file")),
    ("", None, (None, None, "file")),
    (lines({}) + '"', None, (3, None, "csv")),
    (lines({}), None, (2, None, "gone")),
    (lines({}), [make_invoice(hash="cd" * 32)], (2, None, "edited")),
    (lines({}), [make_invoice(action=Action.REJECT)], (2, None, "acted-on")),
    (lines({"hash": ""}), [make_invoice()], (2, None, "no-hash")),
    (lines({"action": "P"}), [make_invoice(pending_allowed=False)], (2, "action", "pending-blocked")),
]


@pytest.mark.parametrize(("source", "now", "expected"), CASES, ids=lambda case: str(case)[-30:])
def test_a_problem_says_where_it_is_and_of_which_kind(
    source: str, now: list[Any] | None, expected: tuple[int | None, str | None, str]
) -> None:
    """As values; as a string it is a sentence that begins with the place."""
    error = refused(source, now)
    (problem,) = error.problems
    assert (problem.row, problem.column, problem.kind) == expected
    assert problem.message in problem
    assert isinstance(problem, str)
    assert problem == str(error)
    if problem.row is not None:
        column = f", column {problem.column}" if problem.column else ""
        assert problem == f"the file row {problem.row}{column}: {problem.message}"


def test_all_problems_travel_with_the_error() -> None:
    """To another process, for every version of pickles that knows keyword arguments."""
    error = refused(lines(*({"number": f"A{n}", "date": "?", "hash": ""} for n in range(50))))
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301
        assert (type(again), str(again), again.problems) == (InvalidFile, str(error), error.problems)
        assert [one.facts for one in again.problems] == [one.facts for one in error.problems]
    assert error.problems[7].facts == {
        "file": "the file",
        "row": 9,
        "column": "date",
        "kind": "date",
        "message": "'?' is not a date that exists; dates are DD-MM-YYYY",
        "gstin": None,
    }


def test_what_other_errors_say_are_problems_too() -> None:
    """Findings have their code; what is mere text has the kind that is asked for."""
    record = attrs.evolve(make_invoice(), number="0", read_from_gateway=False)
    error = InvalidDecision("no", findings=check([record]))
    assert {problem.kind for problem in tables.problems_of(error)} == {"number"}
    assert tables.problems_of(InvalidInput("a month"), "input") == (Problem("a month", kind="input"),)


def test_problems_are_written_by_file_row_and_kind(tmp_path: Path) -> None:
    """A line each; no cell is a formula."""
    file = tmp_path / "problems.csv"
    one = Problem("=wrong", kind="date", file="a.csv", row=3, column="date", gstin="29AAACQ3770E1ZF")
    assert tables.write_problems(file, [("refused", one), ("warn", Problem("b", kind="batch"))]) == 2
    with file.open(encoding="utf-8-sig", newline="") as opened:
        first, second = csv.DictReader(opened)
    assert first == {
        "outcome": "refused", "GSTIN": "29AAACQ3770E1ZF", "file": "a.csv", "row": "3", "column": "date",
        "kind": "date", "message": "'=wrong",
    }  # fmt: skip
    assert (second["outcome"], second["row"], second["message"]) == ("warn", "", "b")
    assert tables.is_report(file)  # a push of its folder passes it over
