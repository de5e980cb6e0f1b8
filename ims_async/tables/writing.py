"""Write files: invoices to decide on, of one taxpayer or of many, and rows of anything."""

from __future__ import annotations

import csv
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from operator import attrgetter
from pathlib import Path
from typing import IO, Final

from .. import files
from ..errors import InvalidInput
from ..model.records import Invoice
from .columns import GSTIN_COLUMN, INFORMATION_COLUMNS, READ_COLUMNS, field_of, to_cell
from .formats import NAMES, Write, format_of

Target = str | os.PathLike[str] | IO[str]

_CSV: Final = frozenset({"", ".csv", ".txt"})


def write_invoices(
    target: Target, invoices: Iterable[Invoice], *, gstin: str | None = None, overwrite: bool = True
) -> int:
    """Write invoices with an empty `action` column for a person to fill in; return how many.

    The first column, GSTIN, is the invoice's `recipient`, else `gstin`. It is left out if neither `gstin` nor
    the first invoice names a taxpayer.
    With the suffix `.xlsx` it is a workbook, which needs the extra `xlsx`: ids as text, real dates, lists to
    choose from. With `.parquet` (extra `arrow`) it has the columns and types of `frame`. Otherwise it is CSV:
    UTF-8 with a byte order mark (none into a stream, a pipe or a terminal), money exact. A file is replaced
    in one step, after all of it is written, and keeps its mode; with `overwrite=False` an existing file that
    is not empty is refused. Raises `InvalidInput` if the file cannot be written or has another format's
    suffix, or an invoice was read for another taxpayer than `gstin`; of Parquet also for an amount with more
    than two decimals.
    """
    rest = each_record(invoices)
    first = list(itertools.islice(rest, 1))
    if gstin is None and not any(invoice.recipient for invoice in first):
        rows = (invoice_row(invoice, None)[1:] for invoice in itertools.chain(first, rest))
        return write_rows(target, INVOICE_COLUMNS[1:], rows, overwrite=overwrite)
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
    with writing_rows(target, INVOICE_COLUMNS, overwrite=overwrite) as write:
        yield lambda gstin, invoices: write(invoice_row(invoice, gstin) for invoice in invoices)


def _owner(invoice: Invoice, gstin: str | None) -> str | None:
    if gstin and invoice.recipient and invoice.recipient.upper() != gstin.upper():
        raise InvalidInput(
            f"{invoice.key} was read for {invoice.recipient}: it cannot be written as a record of {gstin}"
        )
    return invoice.recipient or gstin


_information: Final = attrgetter(*map(field_of, INFORMATION_COLUMNS))


INVOICE_COLUMNS: Final = (GSTIN_COLUMN, *READ_COLUMNS, *INFORMATION_COLUMNS)


def invoice_row(invoice: Invoice, gstin: str | None) -> tuple[object, ...]:
    """Return the values of an invoice in these columns; `gstin` is the taxpayer of one that names none.

    Raises `InvalidInput` for an invoice that was read for another taxpayer, and for anything else.
    """
    invoice = _record(invoice)
    facts = (*invoice.key, None, invoice.action, invoice.hash, invoice.remarks, invoice.itc_reduction)
    return (_owner(invoice, gstin), *facts, *_information(invoice))


def each_record(invoices: Iterable[Invoice]) -> Iterator[Invoice]:
    """Yield records. Raises `InvalidInput` for anything else among them; at once for what is no iterable."""
    if not isinstance(invoices, Iterable):
        raise InvalidInput(
            f"records are needed, not {type(invoices).__name__}",
            advice="collect an async iterator first: [row async for row in acme.all_invoices()]",
        )
    return map(_record, invoices)


def _record(one: object) -> Invoice:
    if not isinstance(one, Invoice):
        raise InvalidInput(f"records (Invoice) are needed, not {type(one).__name__}")
    return one


def cells_of(invoice: Invoice) -> dict[str, object]:
    """Return the values of a record that `write_invoices` writes, by column."""
    return dict(zip(INVOICE_COLUMNS[1:], invoice_row(invoice, None)[1:], strict=True))


def write_rows(
    target: Target, columns: Sequence[str], rows: Iterable[Iterable[object]], *, overwrite: bool = True
) -> int:
    """Write a file of rows under their columns; return how many. Raises `InvalidInput`."""
    with writing_rows(target, columns, overwrite=overwrite) as write:
        return write(rows)


@contextmanager
def writing_rows(target: Target, columns: Sequence[str], *, overwrite: bool = True) -> Iterator[Write]:
    """Open a file for rows in portions; it is replaced in one step at the end of the block."""
    if (packed := format_of(target)) is not None:
        with packed.writing_rows(target, columns, overwrite=overwrite) as write_cells:
            yield write_cells
        return
    opened: AbstractContextManager[IO[str]]
    if isinstance(target, str | os.PathLike):
        _check_format(target)
        # Excel needs the byte order mark; a pipe or a terminal does not.
        encoding = "utf-8" if files.is_stream(target) else "utf-8-sig"
        opened = files.replacing(target, overwrite=overwrite, encoding=encoding)
    else:
        opened = nullcontext(target)
    with opened as file:
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

    Without `overwrite`, an existing file that is not empty is refused. So is a suffix of no
    format, and a format whose extra is not installed.
    """
    if isinstance(target, str | os.PathLike):
        _check_format(target)
        files.check_writable(target, overwrite=overwrite)


def _check_format(target: str | os.PathLike[str]) -> None:
    suffix = Path(target).suffix.lower()
    if (packed := format_of(target)) is not None:
        packed.check(target)
    elif suffix not in _CSV and not files.is_stream(target):
        what = f"{suffix} files are not supported, name a {NAMES} file"
        raise InvalidInput(f"{target} cannot be written: {what}")
