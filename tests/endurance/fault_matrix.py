"""What a caller sees of each fault at each operation, run for real, as tables in docs/reliability.md.

`python -m tests.endurance.fault_matrix --write` writes them anew.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from ims_async.simulator import Fault

from ..conftest import GSPS
from ..support.loops import LoopFactory
from . import fault_ways as ways
from .fault_runs import OPERATIONS, Cell, Operation, Row, run

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- fault matrix: begin -->", "<!-- fault matrix: end -->"
_EVERY: Final = 200  # times a fault is planned that shall be met each time


def _way(title: str, trouble: ways.Trouble, *, proved: bool = False, readable: bool = False) -> Row:
    return Row(title, trouble=trouble, proved=proved, readable=readable)


def _met(title: str, *faults: Fault, proved: bool = False, readable: bool = False, rest: float = 0.0) -> Row:
    return Row(title, faults, proved=proved, readable=readable, rest=rest)


ROWS: Final = (
    _way("the host is not found", ways.no_such_host, proved=True),
    _way("the connection is refused", ways.nobody_listens, proved=True),
    _way("the certificate is not trusted", ways.unknown_certificate, proved=True),
    _way("no TLS handshake within 10 s", ways.no_handshake, proved=True),
    _way("no free connection for 50 s", ways.busy_pool, readable=True),
    _way("hung up as soon as connected", ways.nothing_taken),
    _way("hung up with half the headers read", ways.half_a_head),
    _way("hung up with half the body read", ways.half_a_body),
    _met("hung up before anything was done", Fault.drop_before()),
    _met("done, then hung up", Fault.drop_after()),
    _met("silence, nothing done", Fault.half_open()),
    _met("done, then silence", Fault.half_open(effect=True)),
    _met("answer cut short after 20 bytes", Fault.truncate(20)),
    _met("answer after 30 s", Fault.delay(30.0), readable=True),
    _met("answer after 90 s", Fault.delay(90.0)),
    _met("answer in sips of 20 bytes each 5 s", Fault.slow(20, 5.0), readable=True),
    _met("answered twice at once", Fault.twice(), readable=True),
    _met("answered twice, 1 s apart, the next call at once", Fault.twice(1.0), readable=True),
    _met("answered twice, 1 s apart, the next call 5 s later", Fault.twice(1.0), readable=True, rest=5.0),
    _met("200 with gzip that is none", Fault.garbage_gzip()),
    _met("200 with a web page, nothing done", Fault.html()),
    _met("done, then 200 with a web page", Fault.html(effect=True)),
    _met("200 without a body, nothing done", Fault.empty()),
    _met("done, then 200 without a body", Fault.empty(effect=True)),
    *(
        _met(f"done, then {status} with a web page", Fault.html(status, effect=True))
        for status in (301, 302, 303, 307, 308, 400, 404, 405, 408, 409, 422, 423, 425, 499)
    ),
    _met("done, then 302 without a body", Fault.empty(302, effect=True)),
    _met("done, then 409 without a body", Fault.empty(409, effect=True)),
    _met("302 with a web page, nothing done", Fault.html(302)),
    _met("404 without a body, nothing done", Fault.empty(404)),
    _met("400 in the gateway's own words", Fault.refused(400), proved=True, readable=True),
    _met("401 with a web page", Fault.html(401), proved=True, readable=True),
    _met("401", Fault.refused(401), proved=True, readable=True),
    _met("403, the token has ended", Fault.refused(403), proved=True, readable=True),
    _met("429, bare", Fault.throttled(), proved=True, readable=True),
    _met("429, Retry-After: 5", Fault.throttled(5), proved=True, readable=True),
    _met("429, Retry-After: 2.5", Fault.throttled(2.5), proved=True, readable=True),
    _met("429, Retry-After: a date in 30 s", Fault.throttled(30, hint="date"), proved=True, readable=True),
    _met("429, X-RateLimit-Reset in 30 s", Fault.throttled(30, hint="reset"), proved=True, readable=True),
    _met("429, Retry-After: 1000000000", Fault.throttled(10**9), proved=True, readable=True),
    _met("429, the plan is used up", Fault.spent(), proved=True, readable=True),
    _met("503", Fault.outage(503)),
    _met("503 twice in a row", *Fault.burst(2)),
    _met("done, then 504", Fault.outage(504, effect=True)),
)

Place = tuple[str, Row, Operation]
Matrix = dict[Place, list[Cell]]
"""What came of a fault that is met once, and of one that is met each time where that is another matter."""


def collect(loop: LoopFactory = asyncio.new_event_loop) -> Matrix:
    """Run every cell, each on a loop of its own."""
    matrix: Matrix = {}
    state = random.getstate()
    for place in itertools.product(GSPS, ROWS, OPERATIONS):
        cells = [_one(loop, place)]
        if not cells[0].outcome and cells[0].tries > 1:
            cells.append(_one(loop, place, _EVERY))
        matrix[place] = cells
    random.setstate(state)
    return matrix


def _one(loop: LoopFactory, place: Place, times: int = 1) -> Cell:
    random.seed(7)  # of the jitters
    gsp, row, operation = place
    with asyncio.Runner(loop_factory=loop, debug=False) as runner:
        return runner.run(run(gsp, operation, row, times=times))


def written(matrix: Matrix) -> str:
    """Write the tables."""
    return "\n".join(line for gsp in GSPS for line in _table(gsp, matrix))


def breaches(row: Row, operation: Operation, cell: Cell) -> Iterator[str]:
    """Say what in a cell breaks the law on changes, or that a caller met an error that is not ours."""
    if cell.outcome == "Exception":
        yield "an error that is not public"
    if not operation.changes:
        return
    if cell.applied > 1:
        yield "a decision took effect more than once"
    if cell.seen > 1 and not (row.proved and row.readable):
        yield "seen again after it may have left"
    if cell.outcome != "OutcomeUnknown" and not (row.proved or row.readable):
        yield "no readable answer, and yet not told as unknown"
    if cell.outcome and cell.unfinished is not (cell.outcome == "OutcomeUnknown"):
        yield "unknown and in no list of what is unfinished, or refused and in one"
    if bool(cell.applied) is bool(cell.outcome) and cell.outcome != "OutcomeUnknown":
        yield "told as done and not applied, or applied and told as refused"


def _table(gsp: str, matrix: Matrix) -> Iterator[str]:
    yield from ("", f"### {gsp.capitalize()}", "")
    yield f"| fault | {' | '.join(operation.title for operation in OPERATIONS)} |"
    yield "|---" * (len(OPERATIONS) + 1) + "|"
    for row in ROWS:
        cells = (_words(matrix[gsp, row, operation], operation) for operation in OPERATIONS)
        yield f"| {row.title} | {' | '.join(cells)} |"


def _words(cells: list[Cell], operation: Operation) -> str:
    once, *always = (cell.words(operation) for cell in cells)
    return "; each time: ".join([once, *always])


def document(text: str, matrix: Matrix) -> str:
    """Put the tables between the two markers of a document."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{written(matrix)}\n\n{END}{after}"


def main(arguments: Sequence[str]) -> None:
    """Write the document anew, or show the tables."""
    matrix = collect()
    if arguments == ["--write"]:
        text = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(document(text, matrix), encoding="utf-8")
    else:
        sys.stdout.write(written(matrix) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
