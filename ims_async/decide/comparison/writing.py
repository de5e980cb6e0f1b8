"""Write a comparison to a file: a line for each record and document, with the amounts of both sides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...model.gstr2b import Gstr2bDocument, TaxAmounts
from ...model.records import Invoice
from ...tables.columns import GSTIN_COLUMN, GSTR2B_COLUMNS
from ...tables.writing import Target, write_rows
from .result import Compared, Comparison

_IMS: Final = (
    *("section", "supplier", "supplier name", "number", "date", "return period", "action"),
    *("value", "taxable value", "IGST", "CGST", "SGST", "cess", "supplier filed"),
)
COLUMNS: Final = (GSTIN_COLUMN, "kind", "needs a person", "reason", *_IMS, *GSTR2B_COLUMNS)


def write_comparison(target: Target, comparison: Comparison, *, overwrite: bool = True) -> int:
    """Write what was found, one line for each record and document; return how many.

    What needs a person comes first. The columns without `GSTR-2B` are the record's in IMS; those of `credit`
    are what the GSTR-2B gives by head, those of `expected` what it should give by the action. By its suffix
    the file is a workbook, Parquet or CSV, as of `tables.write_invoices`; an existing file is replaced, or
    with `overwrite=False` refused.
    """
    return write_rows(target, COLUMNS, comparison_rows(comparison), overwrite=overwrite)


def comparison_rows(comparison: Comparison) -> Iterator[tuple[object, ...]]:
    """Yield the values of each in these columns."""
    gstin = comparison.gstr2b.gstin
    for one in comparison:
        word = "yes" if one.needs_a_person else "no"
        yield (gstin, one.kind, word, one.reason, *_of_record(one), *_of_document(one.document), *_sums(one))


def _of_record(one: Compared) -> tuple[object, ...]:
    record = one.invoice
    if record is not None:
        return (*_ids(record), record.return_period, record.action, *_amounts(record), record.supplier_filed)
    return (None,) * len(_IMS)


def _ids(record: Invoice) -> tuple[object, ...]:
    return record.section, record.supplier, record.supplier_name, record.number, record.date


def _amounts(record: Invoice) -> tuple[object, ...]:
    return record.value, record.taxable_value, record.igst, record.cgst, record.sgst, record.cess


def _of_document(document: Gstr2bDocument | None) -> tuple[object, ...]:
    if document is None:
        return (None,) * (len(GSTR2B_COLUMNS) - 8)
    return (
        *(document.section, document.place, document.supplier, document.supplier_name, document.number),
        *(document.date, document.note_type, document.supplier_period, document.supplier_filed_on),
        *(document.itc_available, document.reason, document.ims_status),
        *(document.value, document.taxable_value, *_heads(document.tax)),
    )


def _sums(one: Compared) -> tuple[object, ...]:
    return (*_heads(one.credit), *_heads(one.expected))


def _heads(tax: TaxAmounts) -> tuple[object, ...]:
    return tax.igst, tax.cgst, tax.sgst, tax.cess
