"""Records as a frame: whatever reads Arrow streams reads it, batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ...errors import InvalidInput
from ...model.records import Invoice
from ..writing import INVOICE_COLUMNS, each_record, invoice_row
from .batches import DECIMALS, MOST_DECIMALS, Batches
from .library import pyarrow as library


class Frame:
    """A stream of records with the columns of a pull, which polars, pandas, DuckDB and pyarrow read.

    It holds the records that it was made of, and no others: batches are made as they are asked for. Of an
    iterator it can be read once, of a list any number of times.
    """

    def __init__(self, invoices: Iterable[Invoice], gstin: str | None, decimals: int) -> None:
        self._pyarrow = library("a frame", "needs")
        self._batches = Batches(self._pyarrow, INVOICE_COLUMNS, decimals)
        self._invoices, self._gstin = invoices, gstin
        self._read_once = False

    @property
    def schema(self) -> Any:
        """The names and types of its columns, a `pyarrow.Schema`."""
        return self._batches.schema

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return the stream. https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html"""
        reader = self._pyarrow.RecordBatchReader.from_batches(self.schema, self._stream())
        return reader.__arrow_c_stream__(requested_schema)

    def _stream(self) -> Iterator[Any]:
        if isinstance(self._invoices, Iterator):
            if self._read_once:
                raise InvalidInput(
                    "the records of this frame came from an iterator, which has been read",
                    advice="make the frame of a list to read it more than once",
                )
            self._read_once = True
        yield from self._batches.of(invoice_row(invoice, self._gstin) for invoice in self._invoices)

    def __repr__(self) -> str:
        return f"<Frame of {len(self.schema)} columns: {', '.join(self.schema.names)}>"


def frame(invoices: Iterable[Invoice], *, gstin: str | None = None, decimals: int = DECIMALS) -> Frame:
    """Return records as a frame with the columns of `write_invoices`, and an empty `action`.

    Rupees are decimals of `decimals` places, dates are dates, texts that repeat are dictionaries. `GSTIN` is
    the `recipient` of each record, else `gstin`. Set `action` (and `remarks`, `ITC reduction`) with any
    library, and hand its frame to `decisions`. Needs the extra `arrow`.

    Raises `InvalidInput` where pyarrow is not installed, for an async iterator, and unless `decimals` is 0 to
    20. An amount with more decimals, or a float, is refused when its batch is read: the library's error then
    has our sentence.
    """
    each_record(invoices)
    if type(decimals) is not int or not 0 <= decimals <= MOST_DECIMALS:
        raise InvalidInput(f"decimals={decimals!r:.40} is no number of decimals from 0 to {MOST_DECIMALS}")
    return Frame(invoices, gstin, decimals)
