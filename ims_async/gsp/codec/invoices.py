"""Read the invoices of an answer row by row, so that 100,000 rows are never in memory twice."""

from __future__ import annotations

import functools
import math
from collections.abc import Generator, Sequence
from decimal import Decimal
from typing import Any, Final

import attrs

from ...errors import DownloadQueued, UnexpectedAnswer
from ...model.records import Invoice, InvoiceList
from ...model.vocabulary import SECTION_ALIASES, Section
from .json import PAUSE, Pause, Scanner, scanned
from .readers import problems_of
from .rows import quick_reader, wire_names

_ROWS_PER_TURN: Final = 100  # about 1 ms of work between two pauses
MOST_PROBLEMS: Final = 1000  # unreadable rows with a problem each; further ones are only counted


@attrs.define
class _Reading:
    """The rows and problems found so far in one answer."""

    path: tuple[str, ...]
    recipient: str | None = None
    found: bool = False
    sections: bool = False
    unreadable: int = 0
    rows: InvoiceList = attrs.field(factory=InvoiceList)
    problems: list[str] = attrs.field(factory=list)

    @property
    def where(self) -> str:
        return ".".join(self.path)


def read_invoices(
    body: bytes, path: Sequence[str], *, strict: bool = True, recipient: str | None = None
) -> Generator[Pause, Any, InvoiceList]:
    """Read the section-keyed rows at `path` of an answer to `recipient`, pausing every 100 rows.

    Rows that do not fit raise `UnexpectedAnswer`, whose `problems` have all of them; with `strict=False` they
    are in the `problems` of the list, beside the good rows. Unknown sections are kept, unread, in the list's
    `other`. If GSTN writes the rows to a file, and a `token` is in their place, `DownloadQueued` is raised:
    this is not an empty answer.
    """
    reading = _Reading(tuple(path), recipient)
    yield from scanned(body, lambda scanner: _walk(scanner, reading, 0))
    rows, problems, other = reading.rows, reading.problems, reading.rows.other
    token, prepared = other.get("token"), "token" in other and not reading.rows
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
        bad, good = reading.unreadable, len(rows)
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


def _walk(scanner: Scanner, reading: _Reading, depth: int) -> Generator[Pause, Any, None]:
    for key in scanner.members():
        if depth < len(reading.path):
            if key == reading.path[depth] and scanner.begins("{"):
                reading.found |= depth + 1 == len(reading.path)
                yield from _walk(scanner, reading, depth + 1)
            else:
                scanner.value()
            continue
        section = SECTION_ALIASES.get(key.lower())
        reading.sections |= section is not None
        if section and scanner.begins("["):
            yield from _read_section(scanner, reading, section, f"{reading.where}.{key}")
        elif (value := scanner.value()) is not None or section is None:
            reading.rows.other[key] = value
            if section is not None:
                reading.problems.append(f"{reading.where}.{key}: {value!r:.60} is not an array")


def _read_section(
    scanner: Scanner, reading: _Reading, section: Section, path: str
) -> Generator[Pause, Any, None]:
    read, rows, needed = quick_reader(section), reading.rows, needed_keys(section)
    for place, row in enumerate(scanner.elements()):
        try:
            if reading.unreadable >= MOST_PROBLEMS and not (isinstance(row, dict) and needed <= row.keys()):
                reading.unreadable += 1  # to find all its problems would take fifty times as long
            else:
                rows.append(read(row, None, reading.recipient))
        except Exception as error:  # noqa: BLE001 # any error of one row is a problem, and costs no other row
            reading.unreadable += 1
            if reading.unreadable <= MOST_PROBLEMS:
                reading.problems.extend(problems_of(error, wire_names(section), f"{path}[{place}]"))
        if place % _ROWS_PER_TURN == _ROWS_PER_TURN - 1:
            yield PAUSE


@functools.cache
def needed_keys(section: Section) -> frozenset[str]:
    """Return the keys that each row of a section has."""
    names = wire_names(section)
    required = {field.name for field in attrs.fields(Invoice) if field.default is attrs.NOTHING}
    return frozenset(key for name, key in names.items() if name in required | {"action"})
