"""Write the supplier's view: its own documents, and the liability that their rejection added back."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from operator import attrgetter
from typing import Final

from ...model.sales import AddedBackLiability, SalesInvoice
from ..columns import GSTIN_COLUMN, MONEY_COLUMNS, field_of
from ..writing import Target, write_rows

AMOUNTS: Final = MONEY_COLUMNS[1:]
"""The columns of the sums of a document's rate lines."""
_REST: Final = (
    *("type", "note type", "place of supply", "original number", "original date"),
    *("supplier", "deleted", "checksum", "reverse charge"),
)
COLUMNS: Final = (*("section", "list", "recipient", "number", "date", "action", "value", *AMOUNTS, *_REST),)
"""Of a file of sales, after the taxpayer's own GSTIN."""
_rest_of = attrgetter(*map(field_of, _REST))


def write_sales(
    target: Target, sales: Iterable[SalesInvoice], *, gstin: str | None = None, overwrite: bool = True
) -> int:
    """Write supplier-view documents, with the sums of the amounts of their rate lines; return how many.

    With `gstin`, the taxpayer's own, it is the first column. An existing file is replaced, or with
    `overwrite=False` refused, as by `write_invoices`.
    """
    rows = map(_row, sales)
    if gstin is None:
        return write_rows(target, COLUMNS, rows, overwrite=overwrite)
    named = ((gstin, *row) for row in rows)
    return write_rows(target, (GSTIN_COLUMN, *COLUMNS), named, overwrite=overwrite)


def _row(sale: SalesInvoice) -> tuple[object, ...]:
    return (
        *(sale.section, sale.list_name, sale.recipient, sale.number, sale.date, sale.action, sale.value),
        *(
            sum((getattr(item, field_of(column)) for item in sale.items), Decimal(0)) if sale.items else None
            for column in AMOUNTS
        ),
        *_rest_of(sale),
    )


_ADDED_BACK_COLUMNS: Final = (
    *("section", "recipient", "recipient name", "number", "date", "value", "taxable value"),
    *("IGST", "CGST", "SGST", "cess", "supplier period", "source form", "type", "note type"),
    *("original number", "original date", "supplier", "supplier name", "remarks"),
)


def write_added_back(
    target: Target, liabilities: Iterable[AddedBackLiability], *, overwrite: bool = True
) -> int:
    """Write added-back liabilities, one line each; return how many.

    An existing file is replaced, or with `overwrite=False` refused, as by `write_invoices`.
    """
    rows = map(attrgetter(*map(field_of, _ADDED_BACK_COLUMNS)), liabilities)
    return write_rows(target, _ADDED_BACK_COLUMNS, rows, overwrite=overwrite)
