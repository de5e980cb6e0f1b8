"""Rows of values as Arrow batches, a few thousand at a time, with the types of our columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from ...errors import InvalidInput
from ..columns import (
    DATE_COLUMNS,
    FLAG_COLUMNS,
    GSTR2B_DATE_COLUMNS,
    GSTR2B_MONEY_COLUMNS,
    MONEY_COLUMNS,
    to_text,
)

ROWS: Final = 8_192  # of a batch
DECIMALS: Final = 2
_DIGITS: Final = 18  # before the point: an amount that is read is less than 10**18
MOST_DECIMALS: Final = 38 - _DIGITS  # of a decimal128
_REPEATED: Final = frozenset((
    "GSTIN", "section", "supplier", "supplier name", "return period", "action when pulled", "type",
    "place of supply", "recipient", "recipient name", "note type", "list", "outcome", "code", "kind",
    "supplier period", "source form", "GSTR-2B section", "GSTR-2B part", "GSTR-2B supplier",
    "GSTR-2B supplier name", "GSTR-2B return period",
))  # fmt: skip
"""Columns of few distinct texts, as dictionaries. Not those that are filled in: nobody can put a text into a
dictionary that lacks it."""
_MONEY: Final = frozenset((*MONEY_COLUMNS, *GSTR2B_MONEY_COLUMNS))
_DATES: Final = frozenset((*DATE_COLUMNS, *GSTR2B_DATE_COLUMNS))


class Batches:
    """Makes batches of rows of these columns; `decimals` is how many a column of rupees holds."""

    def __init__(self, pyarrow: Any, columns: Sequence[str], decimals: int = DECIMALS) -> None:
        self._pyarrow, self._columns, self._decimals = pyarrow, columns, decimals
        self.schema = pyarrow.schema([(column, self._type(column)) for column in columns])

    def of(self, rows: Iterable[Iterable[object]]) -> Iterator[Any]:
        """Yield batches of `ROWS` rows each. Raises `InvalidInput` for a value that does not fit."""
        rest = iter(rows)
        while some := [*map(tuple, islice(rest, ROWS))]:
            yield self._batch(some)

    def _batch(self, rows: Sequence[tuple[object, ...]]) -> Any:
        arrays = []
        for column, values, field in zip(self._columns, zip(*rows, strict=True), self.schema, strict=True):
            try:
                arrays.append(self._array(values, field.type))
            except _unfit(self._pyarrow):
                fitting = [self._fitting(column, value, row) for value, row in zip(values, rows, strict=True)]
                arrays.append(self._array(fitting, field.type))
        return self._pyarrow.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _array(self, values: Sequence[object], type_: Any) -> Any:
        if not self._pyarrow.types.is_dictionary(type_):
            return self._pyarrow.array(values, type_)
        return self._pyarrow.array(values, self._pyarrow.string()).dictionary_encode()

    def _fitting(self, column: str, value: object, row: Sequence[object]) -> object:
        """Return what a column takes of a value. Raises `InvalidInput`."""
        type_ = self.schema.field(column).type
        if type_ in (self._pyarrow.string(), _dictionary(self._pyarrow)):
            return None if value is None else to_text(value).encode("utf-8", "replace").decode()
        if value is None:
            return None
        try:
            self._pyarrow.array([value], type_)
        except _unfit(self._pyarrow):
            raise InvalidInput(
                f"{self._named(row)}{column} {value!r:.40} is no {self._kind(column)}",
                advice="write a .csv file, which holds any text"
                + "; a frame takes more decimals (decimals=3)" * (column in MONEY_COLUMNS),
            ) from None
        return value

    def _named(self, row: Sequence[object]) -> str:
        facts = dict(zip(self._columns, row, strict=True))
        named = [to_text(facts[name]) for name in ("section", "number", "supplier") if facts.get(name)]
        return f"{' '.join(named)}: " if named else ""

    def _kind(self, column: str) -> str:
        if column in _MONEY:
            return f"exact amount (a Decimal) of {self._decimals} decimals at most"
        return "date" if column in _DATES else "yes, no or None"

    def _type(self, column: str) -> Any:
        pyarrow = self._pyarrow
        if column in _MONEY:
            return pyarrow.decimal128(_DIGITS + self._decimals, self._decimals)
        if column in _DATES:
            return pyarrow.date32()
        if column in FLAG_COLUMNS:
            return pyarrow.bool_()
        if column == "row":
            return pyarrow.int64()
        return _dictionary(pyarrow) if column in _REPEATED else pyarrow.string()


def _dictionary(pyarrow: Any) -> Any:
    return pyarrow.dictionary(pyarrow.int32(), pyarrow.string())


def _unfit(pyarrow: Any) -> tuple[type[Exception], ...]:
    return (pyarrow.ArrowException, TypeError, ValueError, OverflowError)
