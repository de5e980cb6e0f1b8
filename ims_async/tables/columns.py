"""The columns of a file of decisions, and how a value and a cell become each other."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Final

from ..gsp.codec.writing import money_text
from ..model.records import ItcReduction

GSTIN_COLUMN: Final = "GSTIN"
"""Whose records they are; files that hold one taxpayer's may lack it."""

READ_COLUMNS: Final = (
    "section",
    "supplier",
    "number",
    "date",
    "return period",
    "action",
    "action when pulled",
    "hash",
    "remarks",
    "ITC reduction",
)
"""What is read again; a person edits `action`, `remarks` and `ITC reduction`."""

INFORMATION_COLUMNS: Final = (
    "supplier name",
    "type",
    "place of supply",
    "value",
    "taxable value",
    "IGST",
    "CGST",
    "SGST",
    "cess",
    "supplier filed",
    "pending allowed",
    "original number",
    "original date",
)
"""What is there for the person who decides."""

LONGEST_CELL: Final = 32_767  # characters, as many as a spreadsheet takes

# A cell that begins so would be run as a formula: https://owasp.org/www-community/attacks/CSV_Injection
# Some programs read wide and small signs as the plain ones, and pass over blanks, quotes and characters of no
# width before them. Apostrophes before it count too: so taking one off again always gives what was there.
_FORMULA: Final = re.compile(
    "[\\s'\"`\u2018\u2019\u201c\u201d\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]*"
    "[=+\\-@\t\r\n\u2212\ufe62\ufe63\ufe66\ufe6b\uff1d\uff0b\uff0d\uff20]"
)


def shielded(text: str) -> str:
    """Return the text as a cell: no formula, and nothing that a CSV file cannot hold."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    text = text.replace("\0", "\ufffd")[:LONGEST_CELL]
    return f"'{text}"[:LONGEST_CELL] if _FORMULA.match(text) else text


def unshielded(cell: str) -> str:
    """Take off the apostrophe that `shielded` put on, and no other."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def to_cell(value: object) -> str:
    """Write one value: money exact, dates DD-MM-YYYY, text shielded."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return money_text(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dt.date):
        return f"{value.day:02d}-{value.month:02d}-{value.year:04d}"
    return shielded(str(value))


def reduction_cell(reduction: ItcReduction | None) -> str:
    """Write an ITC reduction as `none`, `full`, or `igst=10.50;cgst=1;sgst=1;cess=0`."""
    if reduction is None:
        return ""
    if not reduction.required:
        return "none"
    return ";".join(f"{head}={money_text(amount)}" for head, amount in reduction.amounts.items()) or "full"
