"""One row of a file of decisions, and the parser of each of its cells."""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Callable, Container, Mapping, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import Any, Final, NoReturn

import attrs

from .. import rules
from ..errors import InvalidInput
from ..gsp.codec.values import parse_day
from ..model.records import Draft, ItcReduction, RecordKey
from ..model.vocabulary import Action, Section, gstin_problem, period_problem
from .columns import GSTIN_COLUMN, LONGEST_CELL, READ_COLUMNS
from .rewriting import is_scientific

AS_TEXT: Final = "format the column as text, so that the spreadsheet leaves it alone"


def where(file: str, line: int, column: str | None = None) -> str:
    """Return a place in a file as text: `FILE row 7, column action`."""
    return f"{file} row {line}" + (f", column {column}" if column else "")


def folded_hash(text: str | None) -> str | None:
    """Return a hash without blanks and case, for comparisons."""
    return "".join(text.split()).casefold() if text else None


def is_lost(text: str | None) -> bool:
    """Return True for a hash that a spreadsheet took for a number: it names no record any more."""
    return is_scientific(folded_hash(text) or "")


@attrs.frozen(kw_only=True)
class Row:
    """One row of a file of decisions. `line` counts from 1, the header; `action` None is undecided.

    `gstin` is the recipient's, None if the file has none. A row with a `hash` is read whatever its ids are:
    `doubts` says which cannot be read (a date is None then). `rewritten`: they were, and are the gateway's
    now.
    """

    file: str
    line: int
    gstin: str | None = None
    section: Section
    supplier: str
    number: str
    date: dt.date | None
    return_period: str
    action: Action | None
    pulled_action: Action
    hash: str | None = None
    remarks: str | None = None
    itc_reduction: ItcReduction | None = None
    doubts: tuple[tuple[str, str], ...] = ()
    """The column, and what is wrong with its cell, of each id that cannot be read."""
    rewritten: bool = False

    @property
    def key(self) -> RecordKey:
        """The key of the record that the row is about."""
        return RecordKey(self.section, self.supplier, self.number, self.date, self.return_period)

    @property
    def sameness(self) -> tuple[object, ...]:
        """What two rows of one record share, the taxpayer and `identity`: a flat tuple, quickly compared."""
        ids = (self.gstin, str(self.section), self.supplier, self.number, self.date, self.return_period)
        return (*ids, folded_hash(self.hash))

    @property
    def identity(self) -> tuple[RecordKey, str | None]:
        """The key and the hash: two records may look alike once a spreadsheet has rewritten their ids."""
        return self.key, folded_hash(self.hash)

    def owned_by(self, gstin: str) -> Row:
        """Return the row as one of this taxpayer."""
        # Written out: `attrs.evolve` takes twenty times as long, and this is done for each row of a file.
        draft: Any = object.__new__(_RowDraft)
        draft.file, draft.line, draft.gstin = self.file, self.line, gstin
        draft.section, draft.supplier, draft.number = self.section, self.supplier, self.number
        draft.date, draft.return_period = self.date, self.return_period
        draft.action, draft.pulled_action, draft.hash = self.action, self.pulled_action, self.hash
        draft.remarks, draft.itc_reduction = self.remarks, self.itc_reduction
        draft.doubts, draft.rewritten = self.doubts, self.rewritten
        draft.__class__ = Row
        row: Row = draft
        return row

    def where(self, column: str | None = None) -> str:
        """Return the row's place as text: `FILE row 7, column action`."""
        return where(self.file, self.line, column)


def first_of(seen: dict[object, Row], row: Row) -> Row:
    """Return the first row of this record, which is noted in `seen`: by its hash, in half the memory."""
    same = row.sameness
    first = seen.setdefault(hash(same), row)
    if first is row or first.sameness == same:
        return first
    return seen.setdefault(same, row)  # two records with one hash


class _RowDraft(Draft, Row):
    __slots__ = ()


# -- parsers of cells: each returns the value, or raises `ValueError` with a sentence ----------------------


@functools.lru_cache(maxsize=10_000)
def _supplier(text: str) -> str:
    name = text.strip()
    if problem := gstin_problem(name):
        raise ValueError(f"{problem}; check it for a typing error")
    return name.upper()


@functools.lru_cache(maxsize=1000)
def own_gstin(text: str) -> str | None:
    """Return the recipient's GSTIN, or None for an empty cell."""
    return _supplier(text) if text.strip() else None


def any_gstin(text: str) -> str | None:
    """Return the recipient's GSTIN unchecked, or None for an empty cell."""
    return text.strip().upper() or None


@functools.lru_cache(maxsize=10_000)
def any_supplier(text: str) -> str:
    """Return a supplier's GSTIN unchecked: a gateway reported it, or a test host masks it."""
    return text.strip().upper() or _fail("empty: write the supplier's GSTIN")


def _number(text: str) -> str:
    if problem := rules.number_problem(_any_number(text)):
        _fail(problem)
    return text


def _any_number(text: str) -> str:
    """Return a number unchecked: one that a gateway reported goes back verbatim, stray blanks included."""
    if is_scientific(text):
        _fail(f"a spreadsheet has rewritten it: {text.strip()} was a number such as 1E5 or 100000; {AS_TEXT}")
    return text or _fail(rules.number_problem(text) or "")


# The forms in which a spreadsheet shows 05-10-2024 after it has converted the text to a date.
_REWRITTEN: Final = re.compile(
    r"[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[/.][0-9]{1,2}[/.][0-9]{2,4}"
    r"|[0-9]-[0-9]{1,2}-[0-9]{2,4}|[0-9]{2}-[0-9]-[0-9]{2,4}|[0-9]{2}-[0-9]{2}-[0-9]{2}"
    r"|[0-9]{1,2}-[A-Za-z]{3}-[0-9]{2,4}|[0-9]{5}"
)


@functools.lru_cache(maxsize=10_000)
def _date(text: str) -> dt.date:
    day = text.strip()
    if _REWRITTEN.fullmatch(day):
        _fail(f"{day!r} looks rewritten by a spreadsheet; dates are DD-MM-YYYY (05-10-2024): {AS_TEXT}")
    return parse_day(day)


@functools.lru_cache(maxsize=1000)
def _period(text: str) -> str:
    period = text.strip()
    problem = period_problem(period)
    if problem and len(period) == 5 and not period_problem(f"0{period}"):
        _fail(f"{period!r} has lost its leading zero: write 0{period}, and {AS_TEXT}")
    return _fail(problem) if problem else period


@functools.lru_cache(maxsize=1000)
def _decided(text: str) -> Action:
    action = Action.parse(text)
    if action is Action.NO_ACTION:
        _fail("N cannot be saved: to take a decision back use reset; to leave it undecided empty the cell")
    return action


@functools.lru_cache(maxsize=1000)
def any_action(text: str) -> Action | None:
    """Return the action, or None if the text is not one."""
    try:
        return Action.parse(text)
    except InvalidInput:
        return None


@functools.lru_cache(maxsize=1000)
def _pulled(text: str) -> Action:
    if (action := any_action(text)) is None:
        _fail(f"{text!r} is not what a pull writes here (A, R, P or N): pull again, edit only 'action'")
    return action


_AMOUNT: Final = re.compile(r"[0-9]{1,13}(\.[0-9]{1,2})?", re.ASCII)
_HEADS: Final = ("igst", "cgst", "sgst", "cess")
_REDUCTION_HINT: Final = "write none, full, or amounts such as igst=10.50;cgst=0;sgst=0;cess=0"


@functools.lru_cache(maxsize=1000)
def _reduction(text: str) -> ItcReduction | None:
    words = "".join(text.split()).casefold()
    if words in ("", "none", "full"):
        return {"": None, "none": ItcReduction.none(), "full": ItcReduction.full()}[words]
    amounts: dict[str, Decimal] = {}
    for part in words.strip(";").split(";"):
        head, equals, amount = part.partition("=")
        if not equals or head not in _HEADS:
            _fail(f"{text[:60]!r} is not understood: {_REDUCTION_HINT}")
        if head in amounts:
            _fail(f"{head} stands in it twice: {_REDUCTION_HINT}")
        amounts[head] = _amount(head, amount)
    return ItcReduction.partial(**amounts)


def _amount(head: str, text: str) -> Decimal:
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text, re.ASCII) or len(text) > 40:
        _fail(f"{head} {text[:40]!r} is not an amount: write rupees such as 1250.50, without commas")
    amount = Decimal(text)
    if problem := rules.amount_problem(head, amount):
        _fail(problem)
    if not _AMOUNT.fullmatch(text):
        _fail(f"{head} {text} has more than two decimals; round it to paise")
    return amount


def _fail(message: str) -> NoReturn:
    raise ValueError(message)


PARSERS: Final[dict[str, Callable[[str], Any]]] = {
    "section": functools.lru_cache(maxsize=100)(Section.parse),
    "supplier": _supplier,
    "number": _number,
    "date": _date,
    "return period": _period,
    "action": _decided,
    "action when pulled": _pulled,
    "hash": lambda text: text.strip() or None,
    "remarks": lambda text: text if text.strip() else None,
    "ITC reduction": _reduction,
}


def parsers_of(
    columns: Container[str], *, deciding: bool, check_suppliers: bool
) -> dict[str, Callable[[str], Any]]:
    """Return the parsers of the cells of a row without a hash, by column."""
    parsers = dict(PARSERS)
    if GSTIN_COLUMN in columns:
        parsers = {GSTIN_COLUMN: own_gstin if check_suppliers else any_gstin, **parsers}
    if not check_suppliers:
        parsers["supplier"] = any_supplier
    if not deciding:
        parsers |= {"action": any_action, "ITC reduction": lambda _: None, "remarks": lambda _: None}
    return parsers


_Parsers = Mapping[str, Callable[[str], Any]]


def plain_rows(
    columns: Mapping[str, int], typed: _Parsers, reported: _Parsers
) -> Callable[[str, int, Sequence[str]], Row | None]:
    """Return a reader of rows of text; it takes a file's name, a line and its cells.

    `reported` are the parsers of a row with a hash. It returns None for a row to be read cell by cell: one
    that names no record, or has a fault, a long cell, too few cells, or an apostrophe (it may be a shield).
    """
    read = (GSTIN_COLUMN, *READ_COLUMNS)
    # Of a file without the column GSTIN some other cell is taken, and nothing made of it.
    places = [columns.get(column, 0) for column in read]
    by_hash = [[one.get(column, lambda _: None) for column in read] for one in (typed, reported)]
    width, pick, own_hash = max(places) + 1, itemgetter(*places), read.index("hash")

    def plain_row(file: str, line: int, cells: Sequence[str]) -> Row | None:
        if len(cells) < width:
            return None
        texts = pick(cells)
        if "'" in (together := "".join(texts)) or len(together) > LONGEST_CELL:
            return None
        try:
            parses = by_hash[texts[own_hash].strip() != ""]
            values = [parse(text) for parse, text in zip(parses, texts, strict=True)]
        except ValueError:
            return None
        draft: Any = object.__new__(_RowDraft)
        draft.gstin, draft.section, draft.supplier, draft.number, draft.date, draft.return_period, *rest = (
            values
        )
        draft.action, draft.pulled_action, draft.hash, draft.remarks, draft.itc_reduction = rest
        if draft.itc_reduction is not None and draft.action is not Action.ACCEPT:
            return None
        draft.file, draft.line, draft.doubts, draft.rewritten = file, line, (), False
        draft.__class__ = Row
        row: Row = draft
        return row

    return plain_row


def unread_id(column: str, text: str) -> Any:
    """Return what is left of an id that cannot be read."""
    return IDS[column](text.strip())


IDS: Final[dict[str, Callable[[str], Any]]] = {
    "supplier": str.upper,
    "number": str,
    "date": lambda _: None,
    "return period": lambda text: f"0{text}" if len(text) == 5 and not period_problem(f"0{text}") else text,
}

REPORTED: Final[dict[str, Callable[[str], Any]]] = {"supplier": any_supplier, "number": _any_number}
"""Parsers of the ids of a row with a hash: a gateway reported them, so they are not checked."""
