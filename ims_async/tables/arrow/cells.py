"""Arrow batches as rows of Python values: nothing for null and for what is not a number (NaN)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any


def rows_of(
    pyarrow: Any, batches: Iterable[Any], broken: Callable[[Exception], Exception]
) -> Iterator[tuple[Any, ...]]:
    """Yield rows; a point in time is its date. What cannot be read raises what `broken` returns."""
    try:
        for batch in batches:
            yield from zip(*(_values(pyarrow, column) for column in batch.columns), strict=True)
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        raise broken(error) from None


def reason_of(error: Exception) -> str:
    """Return what an error of pyarrow says, in one short line."""
    return str(error).partition("\n")[0][:200]


def _values(pyarrow: Any, column: Any) -> Any:
    if pyarrow.types.is_timestamp(column.type):
        column = column.cast(pyarrow.date32(), safe=False)
    if pyarrow.types.is_dictionary(column.type):  # each text once, for all rows of the batch
        texts = _values(pyarrow, column.dictionary)
        return [None if place is None else texts[place] for place in column.indices.to_pylist()]
    try:
        values = column.to_pylist()
    except (ValueError, OverflowError):  # Python has no such moment: a year 10000, or nanoseconds
        values = column.cast(pyarrow.string()).to_pylist()
    if pyarrow.types.is_floating(column.type):
        return [None if value != value else value for value in values]  # NaN
    return values
