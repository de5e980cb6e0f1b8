"""No record takes more work than it did: opcodes, calls and blocks of memory, counted without a clock."""

from __future__ import annotations

import pytest

from .work_per_record import GROWTH, PYTHON, STEPS, figures_of, objections, python, table

pytestmark = pytest.mark.skipif(python() != PYTHON, reason=f"the figures are those of {PYTHON}")


@pytest.mark.parametrize("step", STEPS)
def test_a_record_takes_the_work_that_the_table_says(step: str) -> None:
    """And ten times the records ten times the work. `python -m tests.contracts.work_per_record --write`."""
    assert objections(figures_of(step), table()[step]) == []


def test_four_percent_more_or_less_are_found_and_two_are_not() -> None:
    """Measured is a step with four percent more opcodes, beside tables of what it might have been before."""
    figures = table()["report"]
    found = figures_of("report", opcodes_more=figures["opcodes"] * 0.04)
    for before, named in ((1.0, ["opcodes"]), (1.02, []), (1.06, []), (1.08, ["opcodes"])):
        known = {**figures, "opcodes": figures["opcodes"] * before}
        assert [said.partition(":")[0] for said in objections(found, known)] == named


@pytest.mark.parametrize("growth", [9.85, 10.15])
def test_growth_that_is_not_that_of_the_records_is_found(growth: float) -> None:
    """Beside figures that are as they were."""
    figures = table()["decode"]
    assert objections({**figures, GROWTH: 10.0}, figures) == []
    (said,) = objections({**figures, GROWTH: growth}, figures)
    assert f"{growth} times" in said


def test_each_step_is_in_the_table() -> None:
    """And no other."""
    assert list(table()) == list(STEPS)
