"""Run the offline checks on a file of decisions, before any request to a gateway.

Most fields of a record are in the information columns that `pull` wrote. Where a file lacks one, or a
spreadsheet has rewritten it, the rules that need it are skipped for that row.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import Any, Final, overload

import attrs

from .. import rules
from ..gsp.codec.values import parse_day
from ..model.records import Decision, Draft, Invoice, InvoiceDraft
from ..model.vocabulary import Action, is_other_gstin
from .columns import FLAG_COLUMNS, INFORMATION_COLUMNS, MONEY_COLUMNS, field_of
from .rewriting import is_scientific
from .row import Row, folded_hash, is_lost

NO_HASH: Final = "its hash cell is empty, so it is not known whether the supplier edited it: pull again"
_MAY_BE_NONE: Final = (
    "its hash cell is empty: if the gateway shows a hash of this record, push refuses the row; pull again"
)
HASH_REWRITTEN: Final = "a spreadsheet has rewritten its hash ({}): pull into a .xlsx file"
_MONEY: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,6})?", re.ASCII)
_AMOUNTS: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,6})?(\|-?[0-9]{1,15}(\.[0-9]{1,6})?){5}", re.ASCII)
_FLAGS: Final = {"yes": True, "no": False, "": None}

# Values of fields that the file lacks: no rule reports them. Taxes are as large as an amount can be, so that
# no declared reversal is more.
_MISSING: Final[dict[str, Any]] = {
    "type": "R",
    "place_of_supply": "97",
    "source_form": "R1",  # the file has no column for it
    "value": Decimal(0),
    "taxable_value": Decimal(0),
    **dict.fromkeys(("igst", "cgst", "sgst", "cess"), rules.AMOUNT_LIMIT),
}
_pick: Final = itemgetter(*INFORMATION_COLUMNS)
_ALL: Final = frozenset(INFORMATION_COLUMNS)
_is_other_gstin: Final = functools.lru_cache(maxsize=10_000)(is_other_gstin)
_NOUGHT: Final = Decimal(0)
_NO_MEMBERS: Final[dict[str, Any]] = {}  # one for all: nothing but the rules sees these records
_ANY_DATE: Final = dt.date(2017, 7, 1)  # of a row whose date cannot be read
# Rules that would report those values all the same: they are skipped if one of these columns is missing.
_NEEDS: Final = {
    "tax-heads": frozenset({"IGST", "CGST", "SGST"}),
    "original": frozenset({"original number", "original date"}),
    "credit-note-and-invoice": frozenset({"taxable value", "IGST", "CGST", "SGST", "cess"}),
}

_COLUMN_OF_FINDING: Final = {
    **dict.fromkeys(("action", "no-change", "pending-blocked", "pending-limit"), "action"),
    **dict.fromkeys(
        ("remarks-garbled", "remarks-too-long", "remarks-blocked", "remarks-on-accept", "remarks-missing"),
        "remarks",
    ),
    "itc-reduction": "ITC reduction",
    **{f"itc-reduction-{what}": "ITC reduction" for what in ("missing", "unsaid", "none", "amounts")},
}


class Beside(Sequence[tuple[Row, dict[str, str]]]):
    """Rows with the cells beside them, each row's as one text: a third of the memory of a dict.

    It is `rows`, any of those that were kept.
    """

    def __init__(self) -> None:
        self.rows: Sequence[Row] = ()
        self._columns: dict[str, Sequence[str]] = {}
        self._cells: defaultdict[str, list[str | Sequence[str]]] = defaultdict(list)
        """Of each file by the line; a line without a row is empty."""

    def keep(self, row: Row, columns: Sequence[str], texts: Sequence[str]) -> None:
        """Keep what is beside a row."""
        self._columns[row.file] = columns
        text = "\0".join(texts)  # no text file has a NUL, but some sheets could
        cells = self._cells[row.file]
        cells += [""] * (row.line + 1 - len(cells))
        cells[row.line] = text if text.count("\0") == len(columns) - 1 else texts

    def _texts(self, row: Row) -> Sequence[str]:
        cells = self._cells[row.file][row.line]
        return cells.split("\0") if isinstance(cells, str) else cells

    def _pair(self, row: Row) -> tuple[Row, dict[str, str]]:
        return row, dict(zip(self._columns[row.file], self._texts(row), strict=True))

    def picked(self) -> Iterator[tuple[Row, Sequence[str] | None]]:
        """Yield each row with the texts of all information columns; None if its file lacks one."""
        whole = {file for file, columns in self._columns.items() if (*columns,) == INFORMATION_COLUMNS}
        for row in self.rows:
            yield row, self._texts(row) if row.file in whole else None

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[tuple[Row, dict[str, str]]]:
        return map(self._pair, self.rows)

    @overload
    def __getitem__(self, place: int) -> tuple[Row, dict[str, str]]: ...
    @overload
    def __getitem__(self, place: slice) -> list[tuple[Row, dict[str, str]]]: ...
    def __getitem__(
        self, place: int | slice
    ) -> tuple[Row, dict[str, str]] | list[tuple[Row, dict[str, str]]]:
        found = self.rows[place]
        return self._pair(found) if isinstance(found, Row) else [*map(self._pair, found)]


def check_rows(
    rows: Sequence[tuple[Row, Mapping[str, str]]],
    *,
    policy: rules.RulePolicy | None = None,
    gstin: str | None = None,
    today: dt.date | None = None,
) -> list[rules.Finding]:
    """Return the findings on the decided rows of a file, by their `place` among `rows`.

    Ids and amounts are warned about at most: what is sent later is the record as the gateway shows it then.
    So a finding has no `record`, only its key. The rows of each taxpayer are a batch of their own; `gstin` is
    the taxpayer of rows without one.
    """
    skipped: dict[int, set[str]] = {}
    checkers: dict[str | None, rules.Checker] = {}
    findings = [*_of_hashes(rows.rows if isinstance(rows, Beside) else [row for row, _ in rows], gstin)]

    def add(found: Iterable[rules.Finding]) -> None:
        findings.extend(
            attrs.evolve(one, record=None, level=_level(one, rows))
            for one in found
            if one.place is None or one.code not in skipped.get(one.place, ())
        )

    for place, (row, texts) in enumerate(_picked(rows)):
        owner = row.gstin or gstin
        if (checker := checkers.get(owner)) is None:
            checker = checkers[owner] = rules.Checker(policy=policy, gstin=owner, today=today)
        decision = _plain_decision(row, texts)
        if decision is None:
            decision, skipped[place] = _partly_shown(row, facts_of(rows[place][1]))
        add(checker.one(decision, place))
        if row.doubts and not is_lost(row.hash):
            faults = "; ".join(f"{column}: {what}" for column, what in row.doubts)
            what = f"a spreadsheet has rewritten it ({faults}); push recognises the record by its hash"
            findings.append(_of_row(place, row, "rewritten", what, rules.Level.WARN))
    for checker in checkers.values():
        add(checker.end())
    findings.sort(key=lambda one: len(rows) if one.place is None else one.place)
    return findings


def _picked(
    rows: Sequence[tuple[Row, Mapping[str, str]]],
) -> Iterator[tuple[Row, Sequence[str] | None]]:
    """Yield each row with the texts of all information columns; None if it lacks one."""
    if isinstance(rows, Beside):  # which then makes no mapping
        return rows.picked()
    return ((row, _pick(cells) if cells.keys() >= _ALL else None) for row, cells in rows)


def _partly_shown(row: Row, facts: Mapping[str, Any]) -> tuple[Decision, set[str]]:
    """Return the decision of a row, and the codes of the rules that need what it does not show."""
    skipped = {code for code, columns in _NEEDS.items() if not columns <= facts.keys()}
    if row.hash is not None and _is_other_gstin(row.supplier):
        skipped.add("supplier")
    return _decision(row, facts), skipped | {column.replace(" ", "-") for column, _ in row.doubts}


def closing_periods(
    rows: Sequence[tuple[Row, Mapping[str, str]]], *, gstin: str | None = None
) -> dict[str | None, list[str]]:
    """Return by taxpayer the periods whose GSTR-3B, once filed, closes records of these rows.

    As far as the files show. `gstin` is the taxpayer of rows without one.
    """
    owned: dict[str | None, list[Decision]] = {}
    for row, information in rows:
        owned.setdefault(row.gstin or gstin, []).append(_decision(row, facts_of(information)))
    return {owner: rules.closing_periods(own) for owner, own in owned.items()}


def column_of(code: str) -> str | None:
    """Return the column in which a person corrects a finding of a rule; None if there is no such column."""
    return _COLUMN_OF_FINDING.get(code)


def rewritten_count(rows: Sequence[tuple[Row, Mapping[str, str]]]) -> int:
    """Return how many rows a spreadsheet has visibly rewritten; their hash says which records they are."""
    return sum(
        not (row.hash is None or is_lost(row.hash))
        and (bool(row.doubts) or _lost_zero(cells.get("place of supply", "")))
        for row, cells in rows
    )


def _level(finding: rules.Finding, rows: Sequence[tuple[Row, Mapping[str, str]]]) -> rules.Level:
    """Only warn of a record that is there twice by its ids: of two hashes push says which is which."""
    place = finding.place if finding.code == "duplicate" else None
    return finding.level if place is None or rows[place][0].hash is None else rules.Level.WARN


def _of_hashes(rows: Sequence[Row], gstin: str | None) -> Iterator[rules.Finding]:
    """Yield what the rows' hashes say by themselves; `match` asks the records for the rest."""
    seen: dict[int, Row] = {}  # by Python's hash of a row's: the texts as keys would take more memory
    owners = set[str | None]()
    for place, row in enumerate(rows):
        if (text := folded_hash(row.hash)) is None:
            continue
        owners.add(owner := row.gstin or gstin)
        if is_scientific(text):  # of two that look alike nobody knows whether they were
            yield _of_row(place, row, "rewritten", HASH_REWRITTEN.format(row.hash))
            continue
        first = seen.setdefault(hash((owner, row.section, text)), row)
        if first is not row and folded_hash(first.hash) == text:
            what = f"its hash is that of {first.where()}: keep one of them, or pull again"
            yield _of_row(place, row, "twice", what)
    for place, row in enumerate(rows):  # push refuses those of whose records the gateway shows a hash
        if row.hash is None and (row.gstin or gstin) in owners:
            yield _of_row(place, row, "no-hash", _MAY_BE_NONE, rules.Level.WARN)


def _of_row(
    place: int, row: Row, code: str, message: str, level: rules.Level = rules.Level.REFUSE
) -> rules.Finding:
    """Return a finding that is no rule's."""
    return rules.Finding(
        code=code, level=level, message=message, source="", place=place, key=row.key, record=None
    )


class _DecisionDraft(Draft, Decision):
    __slots__ = ()


def _plain_decision(row: Row, texts: Sequence[str] | None) -> Decision | None:
    """Return the decision of a row that shows all that the rules ask for, each cell as `pull` writes it.

    None for any other row: `facts_of` reads what of it can be read.
    """
    if texts is None or row.doubts or (row.hash is not None and _is_other_gstin(row.supplier)):
        return None
    try:
        name, kind, supply, *amounts, filed, pending, number, date, remarks, reduction = texts
        flags = _FLAGS[filed], _FLAGS[pending], _FLAGS[remarks], _FLAGS[reduction]
        original_date = _day(date)
    except (KeyError, ValueError):
        return None
    if _AMOUNTS.fullmatch("|".join(amounts)) is None:
        return None
    draft: Any = object.__new__(InvoiceDraft)
    draft.section, draft.supplier, draft.number = row.section, row.supplier, row.number
    draft.date, draft.return_period, draft.hash = row.date or _ANY_DATE, row.return_period, row.hash
    rupees = [_NOUGHT if text == "0" else Decimal(text) for text in amounts]  # half of them are 0
    draft.value, draft.taxable_value, draft.igst, draft.cgst, draft.sgst, draft.cess = rupees
    draft.action, draft.source_form = row.pulled_action, _MISSING["source_form"]
    draft.original_number, draft.original_date = number.strip() or None, original_date
    draft.type, draft.place_of_supply = kind.strip() or None, _state(supply.strip())
    draft.supplier_name = name.strip() or None
    draft.supplier_filed, draft.pending_allowed = flags[0], flags[1]
    draft.remarks_allowed, draft.itc_reduction_allowed = flags[2], flags[3]
    draft.remarks = draft.itc_reduction = draft.recipient = None
    draft.extra, draft.read_from_gateway = _NO_MEMBERS, True
    draft.__class__ = Invoice
    return _decision_of(row, draft)


def _decision(row: Row, facts: Mapping[str, Any]) -> Decision:
    invoice = Invoice(
        section=row.section,
        supplier=row.supplier,
        number=row.number,
        date=row.date or _ANY_DATE,
        return_period=row.return_period,
        action=row.pulled_action,
        hash=row.hash,
        read_from_gateway=True,
        **{**_MISSING, **{field_of(column): value for column, value in facts.items()}},
    )
    return _decision_of(row, invoice)


def _decision_of(row: Row, invoice: Invoice) -> Decision:
    draft: Any = object.__new__(_DecisionDraft)
    draft.invoice, draft.action = invoice, row.action or Action.NO_ACTION
    draft.remarks, draft.itc_reduction = row.remarks, row.itc_reduction
    draft.__class__ = Decision
    decision: Decision = draft
    return decision


def facts_of(information: Mapping[str, str]) -> dict[str, Any]:
    """Read the information cells, by column; one that cannot be read is left out."""
    facts: dict[str, Any] = {}
    for column in INFORMATION_COLUMNS:
        if column in information:
            try:
                facts[column] = _PARSERS.get(column, _text)(information[column].strip())
            except (KeyError, ValueError):  # a spreadsheet has rewritten it
                continue
    return facts


def _money(text: str) -> Decimal:
    if not _MONEY.fullmatch(text):
        raise ValueError(text)
    return Decimal(text)


def _lost_zero(text: str) -> bool:
    """Return True for a place of supply such as 8, which was 08."""
    return len(text) == 1 and text.isdigit()


def _state(text: str) -> str | None:
    return f"0{text}" if _lost_zero(text) else text or None


def _text(text: str) -> str | None:
    return text or None


def _flag(text: str) -> bool | None:
    return _FLAGS[text.casefold()]


@functools.lru_cache(maxsize=1000)
def _day(text: str) -> dt.date | None:
    return parse_day(text) if text else None


_PARSERS: Final[dict[str, Callable[[str], Any]]] = {
    **dict.fromkeys(MONEY_COLUMNS, _money),
    **dict.fromkeys(FLAG_COLUMNS, _flag),
    "original date": _day,
    "place of supply": _state,
}
"""The parsers of the information columns; what is not here is text."""
