"""The fault matrix: what it shows is what the document shows, and no cell breaks the law on changes."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from ..conftest import GSPS
from ..support import loops
from ..support.sweeps import sample
from .fault_matrix import DOCUMENT, ROWS, Matrix, breaches, collect, document
from .fault_runs import OPERATIONS, Cell


@pytest.fixture(scope="module", params=sample(loops.HERE, 9))
def matrix(request: pytest.FixtureRequest) -> Matrix:
    """Every fault at every operation through each GSP; on each event loop, or on asyncio's only."""
    return collect(loops.HERE[request.param])


def test_the_document_shows_what_the_run_gives(matrix: Matrix) -> None:
    """Where they differ on purpose: python -m tests.endurance.fault_matrix --write."""
    text = DOCUMENT.read_text(encoding="utf-8")
    assert document(text, matrix) == text


def test_no_cell_is_empty(matrix: Matrix) -> None:
    """Each has at least what is seen of a fault that comes once."""
    assert [*matrix] == [*itertools.product(GSPS, ROWS, OPERATIONS)]
    for (_, _, operation), cells in matrix.items():
        assert cells
        assert all(cell.tries and cell.words(operation) for cell in cells)


def test_no_cell_breaks_the_law(matrix: Matrix) -> None:
    """A change is seen once after it may have left, told as unknown where it is, and applied at most once."""
    broken = [
        f"{gsp}, {row.title}, {operation.title}: {breach}"
        for (gsp, row, operation), cells in matrix.items()
        for cell in cells
        for breach in breaches(row, operation, cell)
    ]
    assert broken == []


# -- the law itself ----------------------------------------------------------------------------------------

BY_TITLE = {row.title: row for row in ROWS}
SAVE = next(operation for operation in OPERATIONS if operation.name == "save")
FINE = Cell("", tries=1, seen=1, applied=1)
UNKNOWN = Cell("OutcomeUnknown", tries=1, seen=1, applied=1, unfinished=True)


@pytest.mark.parametrize(
    ("title", "cell"),
    [
        ("done, then hung up", replace(UNKNOWN, seen=2)),
        ("done, then hung up", replace(UNKNOWN, applied=2)),
        ("done, then hung up", FINE),
        ("hung up before anything was done", Cell("GatewayUnavailable", tries=1, seen=1)),
        ("503", Cell("NotSent", tries=1)),
        ("401", Cell("NotAuthorized", tries=1, seen=1, applied=1)),
        ("429, bare", replace(FINE, seen=2, applied=2)),
        ("answer after 30 s", replace(FINE, seen=2)),
        ("answer after 30 s", replace(FINE, applied=0)),
        ("the connection is refused", Cell("NotSent", tries=3, seen=2)),
        ("the connection is refused", Cell("Exception", tries=1)),
        ("done, then 302 with a web page", Cell("GatewayError", tries=1, seen=1, applied=1)),
        ("404 without a body, nothing done", Cell("GatewayError", tries=1, seen=1)),
        ("done, then hung up", replace(UNKNOWN, unfinished=False)),
        ("401", Cell("NotAuthorized", tries=1, seen=1, unfinished=True)),
    ],
)
def test_a_cell_that_breaks_the_law_is_found(title: str, cell: Cell) -> None:
    """One way of breaking it each."""
    assert [*breaches(BY_TITLE[title], SAVE, cell)]


@pytest.mark.parametrize(
    ("title", "cell"),
    [
        ("done, then hung up", UNKNOWN),
        ("hung up before anything was done", replace(UNKNOWN, applied=0)),
        ("429, bare", replace(FINE, seen=2)),
        ("401", Cell("NotAuthorized", tries=1, seen=1)),
        ("the connection is refused", Cell("NotSent", tries=3)),
        ("answer after 30 s", FINE),
    ],
)
def test_a_cell_that_keeps_the_law_is_let_be(title: str, cell: Cell) -> None:
    """What was proved not to be done may be sent again."""
    assert [*breaches(BY_TITLE[title], SAVE, cell)] == []


def test_what_stands_around_the_tables_is_left_alone(matrix: Matrix) -> None:
    """Before the first marker and after the last; written twice is written once."""
    text = "before\n<!-- fault matrix: begin -->\nold\n<!-- fault matrix: end -->\nafter\n"
    once = document(text, matrix)
    assert once.startswith("before\n<!--")
    assert once.endswith("-->\nafter\n")
    assert "old" not in once
    assert document(once, matrix) == once
