"""GSTN's JSON to values and back: section-keyed `invdata`, `error_report`, counts, supplier view.

`values` holds the converter and its leaves, `rows` reads invoices as a stream, `answers` reads the small
answers, `writing` makes the bodies of save and reset, `chunking` cuts big batches by the bytes they make.
"""

from .answers import read_added_back, read_counts, read_error_report, read_sales, read_status
from .chunking import Chunk, pack_chunks
from .rows import read_invoice, read_invoices
from .values import problems_of
from .writing import PackedBody, pack_body, write_invoice

__all__ = [
    "Chunk",
    "PackedBody",
    "pack_body",
    "pack_chunks",
    "problems_of",
    "read_added_back",
    "read_counts",
    "read_error_report",
    "read_invoice",
    "read_invoices",
    "read_sales",
    "read_status",
    "write_invoice",
]
