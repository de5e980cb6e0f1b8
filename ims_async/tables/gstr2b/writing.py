"""Write a GSTR-2B to a file: a line for each document, or all of it as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ... import files
from ...model.gstr2b import Gstr2b, Gstr2bDocument, TaxAmounts
from ..columns import GSTIN_COLUMN
from ..formats import NAMES
from ..writing import check_writable, write_rows

JSON: Final = ".json"
FORMATS: Final = f"{NAMES.replace(' or', ',')} or {JSON}"
"""The suffixes of such a file, in words."""
_HEADS: Final = ("IGST", "CGST", "SGST", "cess")
COLUMNS: Final = (
    *(GSTIN_COLUMN, "period", "section", "part", "supplier", "supplier name", "number", "date"),
    *("note type", "return period", "filed on", "type", "place of supply", "reverse charge"),
    *("ITC", "ITC reason", "IMS action", "value", "taxable value", *_HEADS),
    *(f"credit {head}" for head in _HEADS),
    *("original number", "original date", "port code", "amended", "IRN", "remarks"),
)


def write_gstr2b(target: str | os.PathLike[str], gstr2b: Gstr2b, *, overwrite: bool = True) -> int:
    """Write a statement to a file by its suffix; return how many documents it has.

    `.json` has all of it, as `gstr2b.to_dict()` returns it, for `read_gstr2b`. `.csv`, `.xlsx` and `.parquet`
    have a line for each document; the columns of `credit` are what it adds to the credit, by head, in rupees.
    An existing file is replaced, or with `overwrite=False` refused. Raises `InvalidInput`.
    """
    if not is_json(target):
        return write_rows(target, COLUMNS, gstr2b_rows(gstr2b), overwrite=overwrite)
    with files.replacing(target, overwrite=overwrite) as out:
        json.dump(gstr2b.to_dict(), out)  # in ASCII: half a character that a gateway sent is kept
        out.write("\n")
    return len(gstr2b.documents)


def is_json(target: str | os.PathLike[str]) -> bool:
    """Say whether a file is to have all of a statement."""
    return Path(target).suffix.lower() == JSON


def check_gstr2b_target(target: str | os.PathLike[str], *, overwrite: bool = True) -> None:
    """Raise `InvalidInput` if a statement could not be written there, before the work."""
    if is_json(target):
        files.check_writable(target, overwrite=overwrite)
    else:
        check_writable(target, overwrite=overwrite)


def gstr2b_rows(gstr2b: Gstr2b) -> Iterator[tuple[object, ...]]:
    """Yield the values of each document in these columns."""
    for document in gstr2b.documents:
        yield (gstr2b.gstin, gstr2b.period, *_row(document))


def _row(one: Gstr2bDocument) -> tuple[object, ...]:
    return (
        *(one.section, one.place, one.supplier, one.supplier_name, one.number, one.date),
        *(one.note_type, one.supplier_period, one.supplier_filed_on, one.type, one.place_of_supply),
        *(one.reverse_charge, one.itc_available, one.reason, one.ims_status, one.value, one.taxable_value),
        *(*_heads(one.tax), *_heads(one.credit)),
        *(one.original_number, one.original_date, one.port_code, one.amended, one.irn, one.remarks),
    )


def _heads(tax: TaxAmounts) -> tuple[object, ...]:
    return tax.igst, tax.cgst, tax.sgst, tax.cess
