"""Decisions out of a frame, or out of rows: the way back from `frame`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from ... import rules
from ...errors import InvalidInput
from ...model.records import Decision, Invoice
from ..columns import GSTIN_COLUMN, READ_COLUMNS, folded
from ..matching import match
from ..problems import Problem, problems_of, raise_all, unusable
from ..reading import read_table
from ..row import Row, folded_hash
from ..source import Table, cell_text
from ..writing import each_record
from .cells import reason_of, rows_of
from .library import pyarrow as library

_FILLED_IN: Final = ("remarks", "ITC reduction")
_OF_THE_RECORD: Final = tuple(name for name in READ_COLUMNS if name not in ("action", "hash", *_FILLED_IN))
"""The columns that need not be there: they are those of the record that a hash names."""
_READ: Final = frozenset(map(folded, (GSTIN_COLUMN, *READ_COLUMNS)))


def decisions(
    frame: object, invoices: Iterable[Invoice], *, policy: rules.RulePolicy | None = None
) -> list[Decision]:
    """Read the decisions on these records out of a frame, in the order of its rows.

    `frame` is anything with `__arrow_c_stream__`, a pandas frame, mappings by column, or the rows of
    `read_decisions`. It needs the columns `action` (`A`, `Reject`, …; null, NaN and no text are no decision)
    and `hash`, or in its place all columns that name a record. `remarks` and `ITC reduction` (`none`, `full`,
    `igst=10.50;cgst=0`) are read if they are there; all else is the record's, whatever the frame says. In
    names of columns case, blanks and underscores do not matter.

    Raises `InvalidInput` as `read_decisions` and `match` do, with every row that is wrong; the first row is
    row 1. Arrow frames need the extra `arrow`, all others do not.
    """
    current = list(each_record(invoices))
    found = _table_of(frame)
    rows = _read(found, current) if isinstance(found, Table) else found
    return match(rows, current, policy=policy)


def _table_of(frame: Any) -> Table | list[Row]:
    if hasattr(frame, "itertuples") and hasattr(frame, "notna"):  # of pandas, with any objects in it
        header, places = _read_of("the frame", frame.columns)
        own = frame.iloc[:, places]
        cells = own.astype(object).where(own.notna(), None).itertuples(index=False, name=None)
        return Table("the frame", 0, header, cells)
    if hasattr(frame, "__arrow_c_stream__"):
        pyarrow = library("a frame", "needs")
        try:
            reader = pyarrow.RecordBatchReader.from_stream(frame)
        except Exception as error:  # noqa: BLE001 # any library's: of a query, say
            raise _broken(error) from None
        header, places = _read_of("the frame", reader.schema.names)
        return Table(
            "the frame", 0, header, rows_of(pyarrow, (batch.select(places) for batch in reader), _broken)
        )
    rows: list[Any] = [*frame] if isinstance(frame, Iterable) and not isinstance(frame, Mapping) else [None]
    if all(isinstance(row, Row) for row in rows):
        return rows
    if not all(isinstance(row, Mapping) for row in rows):
        raise InvalidInput(
            f"decisions cannot be read from {type(frame).__name__}",
            advice="pass a frame with __arrow_c_stream__ (a lazy one collected), a pandas frame, mappings by "
            "column, or the rows of read_decisions",
        )
    names = [*dict.fromkeys(name for row in rows for name in row)]
    header, places = _read_of("the list", names)
    keys = [names[place] for place in places]
    return Table("the list", 0, header, ([_present(row.get(key)) for key in keys] for row in rows))


def _read_of(what: str, columns: Iterable[object]) -> tuple[list[str], list[int]]:
    """Return the columns that are read, and their places: all others are the user's own, whatever they hold.

    Raises `InvalidFile` where one that is needed is missing, or there twice.
    """
    names = [str(name) for name in columns]
    places = [place for place, name in enumerate(names) if folded(name) in _READ]
    header = [names[place] for place in places]
    there = Counter(map(folded, header))
    unknown = [name for name in _OF_THE_RECORD if folded(name) not in there]
    if "action" not in there or ("hash" not in there and unknown):
        needed = "hash" if "action" in there else "action"
        instead = f" (nor {', '.join(unknown)} in its place)" if needed == "hash" else ""
        shown = ", ".join(name[:40] for name in names[:40]) or "none"
        raise unusable(what, f"has no column {needed}{instead}; it has: {shown}")
    if twice := [name for name in header if there[folded(name)] > 1]:
        raise unusable(what, f"has several columns of one name ({', '.join(twice)}): keep one")
    return header, places


def _broken(error: Exception) -> Exception:
    return unusable("the frame", f"cannot be read ({reason_of(error)})")


def _present(value: object) -> object:
    if isinstance(value, list | tuple | dict | set):  # in full it may be longer than any text
        return f"a {type(value).__name__}"
    try:
        return value if value == value else None  # NaN, and NaT
    except TypeError:  # of NA nobody can say whether it equals itself
        return None
    except (ValueError, ArithmeticError):  # an array; a signaling NaN
        return f"a {type(value).__name__}"


def _read(table: Table, current: Sequence[Invoice]) -> list[Row]:
    problems: list[Problem] = []
    rows: list[Row] = []
    try:
        rows = read_table(_completed(table, current, problems))
    except InvalidInput as error:
        problems += problems_of(error)
    raise_all(sorted(problems, key=lambda one: one.row or 0))
    return rows


def _completed(table: Table, current: Sequence[Invoice], problems: list[Problem]) -> Table:
    """Return the table with the columns that it lacks, those of a record from the one that its hash names.

    Rows whose hash names none, or several, become problems.
    """
    places = {folded(name): place for place, name in enumerate(table.header)}
    missing = [name for name in READ_COLUMNS if folded(name) not in places]
    unknown = [name for name in missing if name in _OF_THE_RECORD]
    if not missing:
        return table
    index = _Named(
        current, {name: places[folded(name)] for name in ("section", GSTIN_COLUMN) if folded(name) in places}
    )
    action, hash_ = places["action"], places.get("hash")

    def completed() -> Iterator[list[Any]]:
        for line, row in enumerate(table.rows, 1):
            cells = [*row]
            facts: Mapping[str, object] = {}
            if unknown and hash_ is not None and cell_text(cells[action]).strip():
                try:
                    facts = index.facts(cell_text(cells[hash_]), cells)
                except ValueError as error:
                    what, kind = error.args
                    problems.append(Problem(what, kind=kind, file=table.name, row=line, column="hash"))
                    cells[action] = None
            yield [*cells, *map(facts.get, missing)]

    return Table(table.name, table.row, [*table.header, *missing], completed())


class _Named:
    """The records by hash."""

    def __init__(self, current: Sequence[Invoice], places: Mapping[str, int]) -> None:
        self._places = places
        self._of_hash: dict[str, list[Invoice]] = {}
        for invoice in current:
            if text := folded_hash(invoice.hash):
                self._of_hash.setdefault(text, []).append(invoice)

    def facts(self, hash_: str, cells: Sequence[object]) -> Mapping[str, object]:
        """Return the columns of the one record that a hash names, of the row's section and taxpayer.

        Raises `ValueError` with a message and the kind of a problem.
        """
        if not hash_.strip():
            raise ValueError("it is empty: nothing else says which record the row is", "no-hash")
        found = self._of_hash.get(folded_hash(hash_) or "", [])
        for name, of in _OWN.items():
            if name in self._places and (wanted := cell_text(cells[self._places[name]]).strip()):
                found = [one for one in found if (of(one) or wanted).casefold() == wanted.casefold()]
        if len(found) != 1:
            which = "several records have" if found else "no record has"
            kind = "several" if found else "gone"
            raise ValueError(f"{which} the hash {hash_:.70}: read the records again, decide again", kind)
        invoice = found[0]
        return dict(zip(READ_COLUMNS[:5], invoice.key, strict=True)) | {"action when pulled": invoice.action}


_OWN: Final[Mapping[str, Callable[[Invoice], str | None]]] = {
    "section": lambda invoice: invoice.section,
    GSTIN_COLUMN: lambda invoice: invoice.recipient,
}
