"""The columns of a file of decisions, and the conversion between values and cells."""

from __future__ import annotations

import datetime as dt
import functools
import re
from decimal import Decimal
from typing import Final

from ..model.plain import money_text
from ..model.records import ItcReduction

GSTIN_COLUMN: Final = "GSTIN"
"""The taxpayer of a record; a file of one taxpayer may lack this column."""

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
"""The columns that are read back; a person edits `action`, `remarks` and `ITC reduction`."""

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
    "remarks allowed",
    "ITC reduction allowed",
)
"""The columns that are there for the person who decides; no cell of them is sent."""

FLAG_COLUMNS: Final = ("supplier filed", "pending allowed", "remarks allowed", "ITC reduction allowed")
"""Those that hold yes, no, or nothing."""

MONEY_COLUMNS: Final = ("value", "taxable value", "IGST", "CGST", "SGST", "cess")
"""Those that hold rupees."""

DATE_COLUMNS: Final = ("date", "original date")


_HEADS: Final = MONEY_COLUMNS[2:]
GSTR2B_MONEY_COLUMNS: Final = (
    *(f"GSTR-2B {column}" for column in MONEY_COLUMNS),
    *(f"credit {head}" for head in _HEADS),
    *(f"expected {head}" for head in _HEADS),
)
GSTR2B_DATE_COLUMNS: Final = ("GSTR-2B date", "GSTR-2B filed on", "filed on")
GSTR2B_COLUMNS: Final = (
    *("GSTR-2B section", "GSTR-2B part", "GSTR-2B supplier", "GSTR-2B supplier name", "GSTR-2B number"),
    *("GSTR-2B date", "GSTR-2B note type", "GSTR-2B return period", "GSTR-2B filed on"),
    *("GSTR-2B ITC", "GSTR-2B ITC reason", "GSTR-2B action", *GSTR2B_MONEY_COLUMNS),
)
"""The columns of a document of a GSTR-2B, beside those of a record."""

MATCH_COLUMNS: Final = ("match", "reason", "book entry", "difference")
"""The columns that `match` adds."""

CHANGE_COLUMNS: Final = ("change", "earlier action")
"""The columns that a further pull adds: what became of the record, and the action typed before that."""

GONE: Final = "gone"
"""The change of a record that the gateway no longer shows: its row is no record any more."""

OUR_COLUMNS: Final = (GSTIN_COLUMN, *READ_COLUMNS, *INFORMATION_COLUMNS, *MATCH_COLUMNS, *CHANGE_COLUMNS)
"""All columns of a file of decisions that are written by a command; others are the user's own."""


@functools.lru_cache(maxsize=1000)
def folded(heading: str) -> str:
    """Return a heading without case, spaces and underscores, for comparisons."""
    return "".join(heading.replace("_", " ").split()).casefold()


def field_of(column: str) -> str:
    """Return the name of the attribute that a column shows."""
    return column.replace(" ", "_").lower()


LONGEST_CELL: Final = 32_767  # characters, as many as a spreadsheet takes

# A cell that begins so would be run as a formula: https://owasp.org/www-community/attacks/CSV_Injection
# Some programs treat full-width and small signs like the plain ones, and skip blanks, quotes and zero-width
# characters before them. Apostrophes are matched too, so that `unshielded` always restores the original text.
_FORMULA: Final = re.compile(
    "[\\s'\"`\u2018\u2019\u201c\u201d\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]*"
    "[=+\\-@\t\r\n\u2212\ufe62\ufe63\ufe66\ufe6b\uff1d\uff0b\uff0d\uff20]"
)


def shielded(text: str) -> str:
    """Return the text as a cell that is no formula, without characters that a CSV file cannot hold."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    text = text.replace("\0", "\ufffd")[:LONGEST_CELL]
    return f"'{text}"[:LONGEST_CELL] if _FORMULA.match(text) else text


def unshielded(cell: str) -> str:
    """Remove the apostrophe that `shielded` added, and no other."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def to_cell(value: object) -> str:
    """Write one value as `to_text` does; text is shielded."""
    return to_text(value) if isinstance(value, _NO_TEXT) else shielded(str(value))


def to_text(value: object) -> str:
    """Write one value: money exact, dates DD-MM-YYYY.

    An ITC reduction is `none`, `full`, or `igst=10.50;cgst=1;sgst=1;cess=0`.
    """
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return money_text(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dt.date):
        return f"{value.day:02d}-{value.month:02d}-{value.year:04d}"
    if isinstance(value, ItcReduction):
        if not value.required:  # whatever amounts a gateway shows beside it
            return "none"
        return ";".join(f"{head}={money_text(amount)}" for head, amount in value.amounts.items()) or "full"
    return str(value)


_NO_TEXT: Final = (type(None), Decimal, bool, dt.date, ItcReduction)
