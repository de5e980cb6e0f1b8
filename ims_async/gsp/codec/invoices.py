"""Read the invoices of an answer row by row, so that 100,000 rows are never in memory twice."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Generator, Sequence
from decimal import Decimal
from typing import Any, Final

import attrs

from ...errors import DownloadQueued, UnexpectedAnswer
from ...model.records import Invoice, InvoiceList
from ...model.vocabulary import SECTION_ALIASES, Section
from .json import PAUSE, Cursor, Pause, Scanner, parse_small, scanned
from .readers import problems_of
from .rows import quick_reader, wire_names

_ROWS_PER_TURN: Final = 100  # about 1 ms of work between two pauses
MOST_PROBLEMS: Final = 1000  # unreadable rows with a problem each; further ones are only counted

Take = Callable[[Sequence[Invoice]], None]
"""Looks at the rows that were read since it was called last; the list is emptied then."""


@attrs.define
class _Reading:
    """The rows and problems found so far in one answer."""

    path: tuple[str, ...]
    recipient: str | None = None
    take: Take | None = None
    found: bool = False
    sections: bool = False
    unreadable: int = 0
    taken: int = 0
    rows: InvoiceList = attrs.field(factory=InvoiceList)
    problems: list[str] = attrs.field(factory=list)

    @property
    def where(self) -> str:
        return ".".join(self.path)

    @property
    def good(self) -> int:
        return self.taken + len(self.rows)

    def hand_over(self) -> None:
        """Have the rows taken, where somebody takes them."""
        if self.take is not None:
            self.taken += len(self.rows)
            self.take(self.rows)
            self.rows.clear()


def read_invoices(
    body: bytes,
    path: Sequence[str],
    *,
    strict: bool = True,
    recipient: str | None = None,
    take: Take | None = None,
) -> Generator[Pause, Any, InvoiceList]:
    """Read the section-keyed rows at `path` of an answer to `recipient`, pausing every 100 rows.

    Rows that do not fit raise `UnexpectedAnswer`, whose `problems` have all of them; with `strict=False` they
    are in the `problems` of the list, beside the good rows. Unknown sections are kept, unread, in the list's
    `other`. `take` gets the rows at each pause, so that few are in memory, and the list has the last ones;
    what it got before an error counts for nothing. If GSTN writes the rows to a file, and a `token` is in
    their place, `DownloadQueued` is raised: this is not an empty answer.
    """
    reading = _Reading(tuple(path), recipient, take)
    if (whole := parse_small(body, reading.path)) is not None:
        steps = _read_sections(whole, reading)
    else:
        steps = scanned(body, lambda scanner: _walk(scanner, reading))
    for pause in steps:
        reading.hand_over()  # here: within a step an error of `take` would be one of the answer
        yield pause
    rows, problems, other = reading.rows, reading.problems, reading.rows.other
    token, prepared = other.get("token"), "token" in other and not reading.good
    if not reading.found:
        problems.append(f"{reading.where}: missing")
    elif other and not reading.sections and "token" not in other:
        # It may be another answer altogether, and must not be read as "no rows".
        problems.append(f"{reading.where}: no section that is known, but {', '.join(other)}"[:200])
    if (more := reading.unreadable - MOST_PROBLEMS) > 0:
        problems.append(f"{reading.where}: {more:,} more rows that cannot be read")
    if prepared and not (isinstance(token, str) and token.strip()):
        problems.append(f"{reading.where}.token: {token!r:.60} is not text")
    rows.problems = tuple(problems)
    if problems and (strict or not reading.found):
        bad, good = reading.unreadable, reading.good
        many = f"{bad} of {good + bad} rows cannot be read: " if bad else "the answer does not fit: "
        raise UnexpectedAnswer(many + "; ".join(problems[:3]), problems=problems, body=body)
    if prepared:
        raise DownloadQueued(
            "a token came in place of rows", estimate=_seconds(other.get("est")), token=token
        )
    return rows


def _seconds(minutes: object) -> float | None:
    """Read the estimate that comes with a download token; it is in minutes, as text or as a number."""
    try:
        estimate = float(minutes) * 60 if isinstance(minutes, str | int | Decimal) else math.nan
    except (ValueError, OverflowError):
        return None
    return estimate if 0 <= estimate < math.inf else None


def _walk(scanner: Scanner, reading: _Reading) -> Generator[Pause, Any, None]:
    for _ in scanner.objects(reading.path):
        yield from _read_sections(scanner, reading)


def _read_sections(cursor: Cursor, reading: _Reading) -> Generator[Pause, Any, None]:
    reading.found = True
    for key in cursor.members():
        section = SECTION_ALIASES.get(key.lower())
        reading.sections |= section is not None
        if section and cursor.begins("["):
            yield from _read_section(cursor, reading, section, key)
        elif (value := cursor.value()) is not None or section is None:
            reading.rows.other[key] = value
            if section is not None:
                reading.problems.append(f"{reading.where}.{key}: {value!r:.60} is not an array")


def _read_section(
    cursor: Cursor, reading: _Reading, section: Section, key: str
) -> Generator[Pause, Any, None]:
    read, rows, recipient = quick_reader(section), reading.rows, reading.recipient
    place, uncounted = 0, reading.unreadable < MOST_PROBLEMS
    for batch in cursor.batches():
        for row in batch:
            try:
                # To find all problems of a row that is none takes fifty times as long as to read one.
                if uncounted or (isinstance(row, dict) and needed_keys(section) <= row.keys()):
                    rows.append(read(row, None, recipient))
                else:
                    reading.unreadable += 1
            except Exception as error:  # noqa: BLE001 # any error of one row is a problem, and costs no other row
                reading.unreadable += 1
                if uncounted:
                    where = f"{reading.where}.{key}[{place}]"
                    reading.problems.extend(problems_of(error, wire_names(section), where))
                    uncounted = reading.unreadable < MOST_PROBLEMS
            place += 1
            if place % _ROWS_PER_TURN == 0:
                yield PAUSE


@functools.cache
def needed_keys(section: Section) -> frozenset[str]:
    """Return the keys that each row of a section has."""
    names = wire_names(section)
    required = {field.name for field in attrs.fields(Invoice) if field.default is attrs.NOTHING}
    return frozenset(key for name, key in names.items() if name in required | {"action"})
