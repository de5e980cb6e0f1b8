"""Read and write records, decisions and reports as CSV, XLSX, Parquet and Arrow frames.

`write_invoices` writes a file, a person fills in its `action` column, `read_decisions` reads it, and `match`
compares it with the records that the gateway shows by then, before a request is sent. No cell that is
written is a formula. Every fault of a file is reported, by row and column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import names_of

if TYPE_CHECKING:
    from .arrow.deciding import decisions
    from .arrow.frame import Frame, frame
    from .checking import check_rows, column_of, rewritten_count
    from .columns import GSTIN_COLUMN, INFORMATION_COLUMNS, READ_COLUMNS
    from .grouping import by_taxpayer
    from .gstr2b.reading import read_gstr2b
    from .gstr2b.writing import write_gstr2b
    from .matching import match, match_records, recognised
    from .problems import InvalidFile, Problem, problems_of
    from .reading import is_report, read_decisions, read_records, read_with_information
    from .reports import Outcome, applied_count, write_problems, write_report, writing_outcomes
    from .row import Row
    from .sheets import Sheet, SheetRow, read_sheet
    from .supplier_view.reading import read_sales
    from .supplier_view.writing import write_added_back, write_sales
    from .writing import check_writable, write_invoices, writing_invoices
else:
    __getattr__ = names_of(
        __name__,
        {
            "arrow.deciding": "decisions",
            "arrow.frame": "Frame frame",
            "checking": "check_rows column_of rewritten_count",
            "columns": "GSTIN_COLUMN INFORMATION_COLUMNS READ_COLUMNS",
            "grouping": "by_taxpayer",
            "gstr2b.reading": "read_gstr2b",
            "gstr2b.writing": "write_gstr2b",
            "matching": "match match_records recognised",
            "problems": "InvalidFile Problem problems_of",
            "reading": "is_report read_decisions read_records read_with_information",
            "reports": "Outcome applied_count write_problems write_report writing_outcomes",
            "row": "Row",
            "sheets": "Sheet SheetRow read_sheet",
            "supplier_view.reading": "read_sales",
            "supplier_view.writing": "write_added_back write_sales",
            "writing": "check_writable write_invoices writing_invoices",
        },
    )

__all__ = [
    "GSTIN_COLUMN",
    "INFORMATION_COLUMNS",
    "READ_COLUMNS",
    "Frame",
    "InvalidFile",
    "Outcome",
    "Problem",
    "Row",
    "Sheet",
    "SheetRow",
    "applied_count",
    "by_taxpayer",
    "check_rows",
    "check_writable",
    "column_of",
    "decisions",
    "frame",
    "is_report",
    "match",
    "match_records",
    "problems_of",
    "read_decisions",
    "read_gstr2b",
    "read_records",
    "read_sales",
    "read_sheet",
    "read_with_information",
    "recognised",
    "rewritten_count",
    "write_added_back",
    "write_gstr2b",
    "write_invoices",
    "write_problems",
    "write_report",
    "write_sales",
    "writing_invoices",
    "writing_outcomes",
]
