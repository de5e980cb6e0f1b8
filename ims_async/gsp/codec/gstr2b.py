"""Read a GSTR-2B, or one of its files, document by document: 100,000 are never in memory twice."""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import attrs

from ...errors import UnexpectedAnswer
from ...model.gstr2b import Gstr2b, Gstr2bDocument, Gstr2bPlace, Gstr2bSection, TaxAmounts
from .gstr2b_rows import FORMS, Unreadable, read_document, read_supplier, rupees
from .invoices import MOST_PROBLEMS
from .json import PAUSE, Pause, Scanner, scanned
from .values import parse_day

_ROWS_PER_TURN: Final = 100  # about 1 ms of work between two pauses
_MOST_FILES: Final = 10_000
_DEEPEST_KEPT: Final = 4  # levels of an unknown member that are read step by step
_PLACES: Final = {"docdata": Gstr2bPlace.CREDIT, "docRejdata": Gstr2bPlace.REJECTED}
_REVERSAL: Final = "itcrev"
_SECTIONS: Final = {str(section): section for section in Gstr2bSection}
_FRAME: Final = frozenset({"gstin", "rtnprd", "version", "gendt", "chksum", "fc", "itcsumm"})


@attrs.define
class _Reading:
    """What was found so far in one answer. `where` is the path of the statement."""

    where: str
    work: int = 0
    found: bool = False
    documented: bool = False
    unreadable: int = 0
    facts: dict[str, Any] = attrs.field(factory=dict)
    documents: list[Gstr2bDocument] = attrs.field(factory=list)
    problems: list[str] = attrs.field(factory=list)
    other: dict[str, Any] = attrs.field(factory=dict)

    def turn(self) -> bool:
        """Count a row; True where it is time for a pause."""
        self.work += 1
        return self.work % _ROWS_PER_TURN == 0

    def failed(self, path: str, problems: Sequence[str], *, rows: int = 1) -> None:
        """Note what is wrong with a row, or with what some rows have in common."""
        if self.unreadable < MOST_PROBLEMS:
            self.problems.extend(f"{path}{problem}" for problem in problems)
        self.unreadable += rows


def read_gstr2b(
    body: bytes, path: Sequence[str], *, gstin: str = "", period: str = "", strict: bool = True
) -> Generator[Pause, Any, Gstr2b]:
    """Read the statement at `path` of an answer, pausing every 100 rows.

    It has to be that of the `gstin` and the `period`, unless these are empty. What does not fit raises
    `UnexpectedAnswer`, whose `problems` have all of it; with `strict=False` rows that do not fit are in the
    `problems` of the statement. Sections and members that are not known are in its `other`.
    """
    reading = _Reading(".".join(path))
    yield from scanned(body, lambda scanner: _walk(scanner, reading, path))
    amiss = _amiss(reading, gstin, period)
    files = _files(reading, amiss)
    content = (reading.documented, files, "itcsumm" in reading.facts, "cpsumm" in reading.other)
    if reading.found and not any(content):
        amiss.append(f"{reading.where}.docdata: missing, and so are a summary and a number of files")
    generated_on, summary = _generated_on(reading), _summary(reading)
    version, checksum = _label(reading, "version"), _label(reading, "chksum")
    if (more := reading.unreadable - MOST_PROBLEMS) > 0:
        reading.problems.append(f"{reading.where}: {more:,} more documents that cannot be read")
    problems = amiss + reading.problems
    if amiss or (problems and strict):
        bad, all_ = reading.unreadable, reading.unreadable + len(reading.documents)
        many = f"{bad} of {all_} documents cannot be read: " if bad else "the answer does not fit: "
        raise UnexpectedAnswer(many + "; ".join(problems[:3]), problems=problems, body=body)
    return Gstr2b(
        gstin=reading.facts["gstin"],
        period=reading.facts["rtnprd"],
        documents=tuple(reading.documents),
        generated_on=generated_on,
        version=version,
        checksum=checksum,
        summary=summary,
        files=int(reading.documented) if files is None else files,
        summary_only=not reading.documented,
        problems=tuple(reading.problems),
        other=reading.other,
    )


# -- the frame -------------------------------------------------------------------------------------------


def _walk(scanner: Scanner, reading: _Reading, path: Sequence[str]) -> Generator[Pause, Any, None]:
    for key in scanner.members(once=True):
        if path and key == path[0] and scanner.begins("{"):
            reading.found |= len(path) == 1
            yield from _walk(scanner, reading, path[1:])
        elif path:
            value = scanner.value()
            if len(path) == 1 and key == "chksum":  # it stands beside the statement
                reading.facts[key] = value
        elif key in _FRAME:
            reading.facts[key] = scanner.value()
        elif key in _PLACES:
            yield from _place(scanner, reading, _PLACES[key], key)
        elif key == _REVERSAL:
            yield from _place(scanner, reading, Gstr2bPlace.REVERSAL, key)
        elif key in _SECTIONS:  # before October 2024
            reading.documented |= scanner.begins("[")
            yield from _section(scanner, reading, _SECTIONS[key], Gstr2bPlace.CREDIT, key)
        else:
            reading.other[key] = yield from _kept(scanner, reading)


def _amiss(reading: _Reading, gstin: str, period: str) -> list[str]:
    """Return why it is not the statement that was asked for: no row of it is to be trusted then."""
    if not reading.found:
        return [f"{reading.where}: missing"]
    amiss = []
    for key, wanted in (("gstin", gstin), ("rtnprd", period)):
        value, path = reading.facts.get(key), f"{reading.where}.{key}"
        if not isinstance(value, str) or not value:
            amiss.append(f"{path}: missing" if value is None else f"{path}: {value!r:.60} is not text")
        elif wanted and value != wanted:
            amiss.append(f"{path}: it is {value!r:.60}, and {wanted} was asked for")
    return amiss


def _files(reading: _Reading, amiss: list[str]) -> int | None:
    """Return the number of files of a statement that is split; None where nothing is said of files."""
    value = reading.facts.get("fc")
    if value is None:
        return None
    text = str(value) if type(value) in (str, int) else ""
    if not (text.isascii() and text.isdigit() and len(text) < 9 and int(text) <= _MOST_FILES):
        amiss.append(f"{reading.where}.fc: {value!r:.60} is not a number of files")
        return None
    return int(text)


def _generated_on(reading: _Reading) -> dt.date | None:
    value = reading.facts.get("gendt")
    if value is None or value == "":
        return None
    try:
        return parse_day(value)
    except ValueError as error:
        reading.problems.append(f"{reading.where}.gendt: {error}")
        return None


def _label(reading: _Reading, key: str) -> str | None:
    value = reading.facts.get(key)
    if isinstance(value, str | int | Decimal | None):
        return None if value is None else str(value)
    reading.problems.append(f"{reading.where}.{key}: {value!r:.60} is not text")
    return None


def _kept(scanner: Scanner, reading: _Reading, depth: int = 0) -> Generator[Pause, Any, Any]:
    """Read a value that is kept as it is, step by step: it may be as long as a section."""
    if scanner.begins("[") and depth < _DEEPEST_KEPT:
        values = []
        for batch in scanner.batches():
            for value in batch:
                values.append(value)
                if reading.turn():
                    yield PAUSE
        return values
    if scanner.begins("{") and depth < _DEEPEST_KEPT:
        members = {}
        for key in scanner.members(once=True):
            members[key] = yield from _kept(scanner, reading, depth + 1)
            if reading.turn():
                yield PAUSE
        return members
    return scanner.value()


# -- documents -------------------------------------------------------------------------------------------


def _place(scanner: Scanner, reading: _Reading, place: Gstr2bPlace, name: str) -> Generator[Pause, Any, None]:
    """Read the sections of an object, or of a list of such objects; null says nothing of documents."""
    reading.documented |= scanner.begins("[") or scanner.begins("{")
    if scanner.begins("["):
        for number, _ in enumerate(scanner.steps()):
            yield from _place(scanner, reading, place, f"{name}[{number}]")
    elif scanner.begins("{"):
        for key in scanner.members(once=True):
            if key in _SECTIONS:
                yield from _section(scanner, reading, _SECTIONS[key], place, f"{name}.{key}")
            elif key == _REVERSAL and place is not Gstr2bPlace.REJECTED:
                yield from _place(scanner, reading, Gstr2bPlace.REVERSAL, f"{name}.{key}")
            else:
                reading.other[f"{name}.{key}"] = yield from _kept(scanner, reading)
    elif (value := scanner.value()) is not None:
        reading.problems.append(f"{reading.where}.{name}: {value!r:.60} is not an object")


def _section(
    scanner: Scanner, reading: _Reading, section: Gstr2bSection, place: Gstr2bPlace, name: str
) -> Generator[Pause, Any, None]:
    form, where = FORMS[section], f"{reading.where}.{name}"
    if not scanner.begins("["):
        if (value := scanner.value()) is not None:
            reading.problems.append(f"{where}: {value!r:.60} is not an array")
        return
    for number, _ in enumerate(scanner.steps()):
        if form.documents:
            yield from _supplier(scanner, reading, section, place, f"{where}[{number}]")
        else:
            _document(reading, section, place, scanner.value(), {}, f"{where}[{number}]")
        if reading.turn():
            yield PAUSE


def _supplier(
    scanner: Scanner, reading: _Reading, section: Gstr2bSection, place: Gstr2bPlace, path: str
) -> Generator[Pause, Any, None]:
    """Read one supplier's documents; what they have in common may stand before or behind them."""
    facts: dict[str, Any] = {}
    rows: list[Any] | None = None
    listed = FORMS[section].documents
    if not scanner.begins("{"):
        reading.failed(path, [f": {scanner.value()!r:.60} is not an object"])
        return
    for key in scanner.members(once=True):
        if key == listed and scanner.begins("["):
            rows = [] if rows is None else rows
            for batch in scanner.batches():
                for row in batch:
                    rows.append(row)
                    if reading.turn():
                        yield PAUSE
        else:
            facts[key] = scanner.value()
    if rows is None:
        reading.failed(path, [f".{listed}: missing, or not an array"])
        return
    try:
        supplier = read_supplier(facts)
    except Unreadable as error:
        reading.failed(path, error.problems, rows=len(rows))
        return
    for number, row in enumerate(rows):
        rows[number] = None  # read: it is not kept beside its document
        _document(reading, section, place, row, supplier, f"{path}.{listed}[{number}]")
        if reading.turn():
            yield PAUSE


def _document(
    reading: _Reading,
    section: Gstr2bSection,
    place: Gstr2bPlace,
    row: object,
    supplier: Mapping[str, Any],
    path: str,
) -> None:
    try:
        reading.documents.append(read_document(section, place, row, supplier))
    except Unreadable as error:
        reading.failed(path, error.problems)


# -- the summary -----------------------------------------------------------------------------------------

_PARTS: Final = {
    "itcavl": "available", "itcunavl": "unavailable", "itcrev": "reversal", "itcRejected": "rejected",
}  # fmt: skip
# The last holds credit notes, by which the credit of the others is reduced.
_SIGNS: Final = {"nonrevsup": 1, "isdsup": 1, "revsup": 1, "imports": 1, "othersup": -1}
_HEADS: Final = ("igst", "cgst", "sgst", "cess")


def _summary(reading: _Reading) -> dict[str, TaxAmounts]:
    """Return the credit of each part, but for one with a group of which the sign is not known.

    The summary by group is kept as it is.
    """
    summary: dict[str, TaxAmounts] = {}
    content, where = reading.facts.get("itcsumm"), f"{reading.where}.itcsumm"
    if not isinstance(content, dict | None):
        reading.problems.append(f"{where}: {content!r:.60} is not an object")
        content = None
    if content is not None:
        reading.other["itcsumm"] = content
    for key, part in (content or {}).items():
        groups = part.keys() - {*_HEADS, "txval"} if isinstance(part, dict) else {""}
        if key not in _PARTS or not groups <= _SIGNS.keys():
            continue
        try:
            summary[_PARTS[key]] = _total(part, groups, f"{where}.{key}")
        except Unreadable as error:
            reading.problems.extend(error.problems)
    return summary


def _total(part: dict[str, Any], groups: Iterable[str], path: str) -> TaxAmounts:
    if not groups:
        return _amounts(part, path)
    total = TaxAmounts()
    for group in groups:
        amounts = _amounts(part[group], f"{path}.{group}")
        total = total + amounts if _SIGNS[group] > 0 else total - amounts
    return total


def _amounts(level: object, path: str) -> TaxAmounts:
    """Return the amounts of a level of the summary: its own, or the sum of those below."""
    if not isinstance(level, dict):
        raise Unreadable([f"{path}: {level!r:.60} is not an object"])
    own: dict[str, Decimal] = {}
    for head in _HEADS:
        if level.get(head) is not None:
            try:
                own[head] = rupees(level[head])
            except (TypeError, ValueError) as error:
                raise Unreadable([f"{path}.{head}: {error}"]) from None
    if own:
        return TaxAmounts(**own)
    below = (_amounts(inner, f"{path}.{key}") for key, inner in level.items() if isinstance(inner, dict))
    return sum(below, TaxAmounts())
