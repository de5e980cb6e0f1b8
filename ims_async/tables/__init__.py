"""Records, decisions and reports as CSV: written so that no cell is a formula, read with every fault named.

A file is written by `write_invoices`, its `action` column filled in by a person, read by `read_decisions`,
and set against what the gateway shows by then by `match`, before anything is sent.
"""

from __future__ import annotations

from .columns import INFORMATION_COLUMNS, READ_COLUMNS
from .matching import match, match_records
from .reading import read_decisions, read_records
from .row import Row
from .writing import (
    applied_count,
    check_writable,
    write_added_back,
    write_invoices,
    write_report,
    write_sales,
)

__all__ = [
    "INFORMATION_COLUMNS",
    "READ_COLUMNS",
    "Row",
    "applied_count",
    "check_writable",
    "match",
    "match_records",
    "read_decisions",
    "read_records",
    "write_added_back",
    "write_invoices",
    "write_report",
    "write_sales",
]
