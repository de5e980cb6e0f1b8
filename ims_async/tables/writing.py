"""Write files: invoices to decide on, of one taxpayer or of many, and the supplier's view."""

from __future__ import annotations

import csv
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import IO, Final

from .. import files
from ..errors import InvalidInput
from ..model.records import AddedBackLiability, Invoice, LineItem, SalesInvoice
from .columns import GSTIN_COLUMN, INFORMATION_COLUMNS, READ_COLUMNS, reduction_cell, to_cell

Target = str | os.PathLike[str] | IO[str]

_TEXT: Final = frozenset({"", ".csv", ".txt"})
"""Suffixes of CSV files; under another one a program would expect another format."""


def write_invoices(
    target: Target, invoices: Iterable[Invoice], *, gstin: str | None = None, overwrite: bool = True
) -> int:
    """Write invoices with an empty `action` column for a person to fill in; return how many.

    The first column, GSTIN, is the invoice's `recipient`, else `gstin`. It is left out if neither `gstin` nor
    the first invoice names a taxpayer.
    UTF-8 with a byte order mark (none into a stream, a pipe or a terminal), money exact. A file is replaced
    in one step, after all of it is written, and keeps its mode; with `overwrite=False` an existing file that
    is not empty is refused. Raises `InvalidInput` if the file cannot be written or has another format's
    suffix, or an invoice was read for another taxpayer than `gstin`.
    """
    rest = iter(invoices)
    first = list(itertools.islice(rest, 1))
    if gstin is None and not any(invoice.recipient for invoice in first):
        columns = (*READ_COLUMNS, *INFORMATION_COLUMNS)
        rows = map(_invoice_row, itertools.chain(first, rest))
        return write_rows(target, columns, rows, overwrite=overwrite)
    with writing_invoices(target, overwrite=overwrite) as add:
        return add(gstin, itertools.chain(first, rest))


@contextmanager
def writing_invoices(
    target: Target, *, overwrite: bool = True
) -> Iterator[Callable[[str | None, Iterable[Invoice]], int]]:
    """Write invoices of many taxpayers in portions: yields `add(gstin, invoices)`, which returns how many.

    With `gstin` None each invoice's `recipient` is used. Otherwise as `write_invoices`: nothing is replaced
    if the block is left by an error.
    """
    columns = (GSTIN_COLUMN, *READ_COLUMNS, *INFORMATION_COLUMNS)
    with writing_rows(target, columns, overwrite=overwrite) as write:
        yield lambda gstin, invoices: write(
            (_owner(invoice, gstin), *_invoice_row(invoice)) for invoice in invoices
        )


def _owner(invoice: Invoice, gstin: str | None) -> str | None:
    if gstin and invoice.recipient and invoice.recipient.upper() != gstin.upper():
        raise InvalidInput(
            f"{invoice.key} was read for {invoice.recipient}: it cannot be written as a record of {gstin}"
        )
    return invoice.recipient or gstin


def _invoice_row(invoice: Invoice) -> tuple[object, ...]:
    return (
        *invoice.key,
        "",
        invoice.action,
        invoice.hash,
        invoice.remarks,
        reduction_cell(invoice.itc_reduction),
        invoice.supplier_name,
        invoice.type,
        invoice.place_of_supply,
        *(invoice.value, invoice.taxable_value, invoice.igst, invoice.cgst, invoice.sgst, invoice.cess),
        invoice.supplier_filed,
        invoice.pending_allowed,
        invoice.original_number,
        invoice.original_date,
    )


_SALES_COLUMNS: Final = (
    *("section", "list", "recipient", "number", "date", "action", "value", "taxable value"),
    *("IGST", "CGST", "SGST", "cess", "type", "note type", "place of supply"),
    *("original number", "original date", "supplier", "deleted", "checksum"),
)


def write_sales(target: Target, sales: Iterable[SalesInvoice], *, overwrite: bool = True) -> int:
    """Write supplier-view documents, with the sums of the amounts of their rate lines; return how many.

    An existing file is replaced, or with `overwrite=False` refused, as by `write_invoices`.
    """
    return write_rows(target, _SALES_COLUMNS, map(_sales_row, sales), overwrite=overwrite)


def _sales_row(sale: SalesInvoice) -> tuple[object, ...]:
    return (
        *(sale.section, sale.list_name, sale.recipient, sale.number, sale.date, sale.action, sale.value),
        *(
            _sum_of(sale.items, amount_of)
            for amount_of in (
                lambda item: item.taxable_value,
                lambda item: item.igst,
                lambda item: item.cgst,
                lambda item: item.sgst,
                lambda item: item.cess,
            )
        ),
        *(sale.type, sale.note_type, sale.place_of_supply, sale.original_number, sale.original_date),
        *(sale.supplier, sale.deleted, sale.checksum),
    )


def _sum_of(items: Sequence[LineItem], amount_of: Callable[[LineItem], Decimal]) -> Decimal | None:
    return sum(map(amount_of, items), Decimal(0)) if items else None


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
    rows = map(_added_back_row, liabilities)
    return write_rows(target, _ADDED_BACK_COLUMNS, rows, overwrite=overwrite)


def _added_back_row(debt: AddedBackLiability) -> tuple[object, ...]:
    return (
        *(debt.section, debt.recipient, debt.recipient_name, debt.number, debt.date),
        *(debt.value, debt.taxable_value, debt.igst, debt.cgst, debt.sgst, debt.cess),
        *(debt.supplier_period, debt.source_form, debt.type, debt.note_type),
        *(debt.original_number, debt.original_date, debt.supplier, debt.supplier_name, debt.remarks),
    )


def write_rows(
    target: Target, columns: Sequence[str], rows: Iterable[Iterable[object]], *, overwrite: bool = True
) -> int:
    """Write a file of rows under their columns; return how many. Raises `InvalidInput`."""
    with writing_rows(target, columns, overwrite=overwrite) as write:
        return write(rows)


@contextmanager
def writing_rows(
    target: Target, columns: Sequence[str], *, overwrite: bool = True
) -> Iterator[Callable[[Iterable[Iterable[object]]], int]]:
    """Open a file for rows in portions; it is replaced in one step at the end of the block."""
    with _opened_for_writing(target, overwrite=overwrite) as file:
        writer = csv.writer(file)
        writer.writerow(columns)

        def write(rows: Iterable[Iterable[object]]) -> int:
            lines = 0
            for row in rows:
                cells = [to_cell(value) for value in row]
                try:
                    writer.writerow(cells)
                except OSError as error:  # of this file; an error of the iterable `rows` is not caught
                    name = target if isinstance(target, str | os.PathLike) else "the file"
                    raise files.unwritable(name, error) from None
                lines += 1
            return lines

        yield write


def check_writable(target: Target, *, overwrite: bool = True) -> None:
    """Raise `InvalidInput` if a file could not be written; call it before long work whose result goes there.

    Without `overwrite`, an existing file that is not empty is refused. So is any format other than CSV.
    """
    if isinstance(target, str | os.PathLike):
        _check_format(target)
        files.check_writable(target, overwrite=overwrite)


@contextmanager
def _opened_for_writing(target: Target, *, overwrite: bool) -> Iterator[IO[str]]:
    if not isinstance(target, str | os.PathLike):
        yield target
        return
    _check_format(target)
    with files.replacing(target, overwrite=overwrite, encoding=_encoding_of(target)) as file:
        yield file


def _check_format(target: str | os.PathLike[str]) -> None:
    suffix = Path(target).suffix.lower()
    if suffix not in _TEXT and not files.is_stream(target):
        raise InvalidInput(f"{target} cannot be written: {suffix} files are not supported, name a .csv file")


def _encoding_of(target: str | os.PathLike[str]) -> str:
    """Return UTF-8 with a byte order mark, which Excel needs; without one for a pipe or a terminal."""
    return "utf-8" if files.is_stream(target) else "utf-8-sig"
