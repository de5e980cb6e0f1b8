"""Files out: invoices to decide on, the supplier's view, and what became of a job's records."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import IO, Final

from ..errors import InvalidInput
from ..records import AddedBackLiability, Decision, Invoice, LineItem, SalesInvoice
from ..report import JobReport
from ..status import JobState
from .columns import INFORMATION_COLUMNS, READ_COLUMNS, reduction_cell, to_cell

Target = str | os.PathLike[str] | IO[str]


def write_invoices(target: Target, invoices: Iterable[Invoice]) -> int:
    """Write invoices with an empty `action` column for a person to fill in; return how many.

    UTF-8 without BOM, money exact. A file is replaced in one step, when all of it is written.
    Raises `InvalidInput` where it cannot be written.
    """
    return _write(target, (*READ_COLUMNS, *INFORMATION_COLUMNS), map(_invoice_row, invoices))


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


def write_sales(target: Target, sales: Iterable[SalesInvoice]) -> int:
    """Write supplier-view documents, the amounts of their rate lines added up; return how many."""
    return _write(target, _SALES_COLUMNS, map(_sales_row, sales))


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


def write_added_back(target: Target, liabilities: Iterable[AddedBackLiability]) -> int:
    """Write added-back liabilities, one line each; return how many."""
    return _write(target, _ADDED_BACK_COLUMNS, map(_added_back_row, liabilities))


def _added_back_row(debt: AddedBackLiability) -> tuple[object, ...]:
    return (
        *(debt.section, debt.recipient, debt.recipient_name, debt.number, debt.date),
        *(debt.value, debt.taxable_value, debt.igst, debt.cgst, debt.sgst, debt.cess),
        *(debt.supplier_period, debt.source_form, debt.type, debt.note_type),
        *(debt.original_number, debt.original_date, debt.supplier, debt.supplier_name, debt.remarks),
    )


_REPORT_COLUMNS: Final = (
    *("outcome", "section", "supplier", "number", "date", "return period", "action", "code", "message"),
)


def write_report(target: Target, report: JobReport) -> int:
    """Write what became of each record of a job, one line each; return how many lines.

    `outcome` is `failed`, `unmatched` (an error that fits nothing that was sent), `unaccounted` or
    `applied`. Records of which no more than their number is known share a line that says so.
    """
    return _write(target, _REPORT_COLUMNS, _report_rows(report))


def _report_rows(report: JobReport) -> Iterator[tuple[object, ...]]:
    for failure in report.failed:
        yield ("failed", *failure.key, _decided(failure.record), failure.code, failure.message)
    for entry in report.unmatched:
        ids = (entry.section, entry.supplier, entry.number, None, entry.return_period)
        yield ("unmatched", *ids, "", entry.code, entry.message)
    for outcome, records in (("unaccounted", report.unaccounted), ("applied", report.succeeded)):
        for record in records:
            yield (outcome, *record.key, _decided(record), "", "")
    nameless = (
        ("failed", failed_count(report), len(report.failed)),
        ("unaccounted", report.unaccounted_count, len(report.unaccounted)),
        ("applied", applied_count(report), len(report.succeeded)),
    )
    for outcome, known, named in nameless:
        if (rest := (known or 0) - named) > 0:
            yield (outcome, *[""] * 6, report.error_code, f"{rest} records, not known here by name")


def _decided(record: object) -> object:
    return record.action if isinstance(record, Decision) else ""


def failed_count(report: JobReport) -> int:
    """Return how many records were not applied, also where the report cannot name them."""
    whole = report.state is JobState.FAILED and not report.unaccounted_count
    return report.submitted if whole and report.submitted is not None else len(report.failed)


def applied_count(report: JobReport) -> int | None:
    """Return how many records were applied, also where the report cannot name them; None if unknown."""
    if report.submitted is None:
        return None
    return max(report.submitted - failed_count(report) - report.unaccounted_count, 0)


def _write(target: Target, columns: Sequence[str], rows: Iterable[Iterable[object]]) -> int:
    with _opened_for_writing(target) as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        lines = 0
        for row in rows:
            writer.writerow([to_cell(value) for value in row])
            lines += 1
    return lines


def check_writable(target: Target) -> None:
    """Raise `InvalidInput` if a file could not be written, before the work whose outcome it is to hold."""
    if not isinstance(target, str | os.PathLike):
        return
    path = Path(target).resolve()
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise InvalidInput(f"{target} cannot be written: is there such a folder, and may you write into it?")


@contextmanager
def _opened_for_writing(target: Target) -> Iterator[IO[str]]:
    if not isinstance(target, str | os.PathLike):
        yield target
        return
    path = Path(target).resolve()
    in_place = path.exists() and not path.is_file()  # a terminal or a pipe is written to, not replaced
    part = path if in_place else path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("w" if in_place else "x", encoding="utf-8", newline="") as file:
            yield file
        if not in_place:
            part.replace(path)
    except OSError as error:
        raise InvalidInput(f"{target} cannot be written: {_reason(error)}") from None
    finally:
        if not in_place:
            part.unlink(missing_ok=True)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
