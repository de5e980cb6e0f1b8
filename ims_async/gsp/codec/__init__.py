"""GSTN's JSON to values and back: section-keyed `invdata`, `error_report`, counts, supplier view.

`values` has the converter and the readers of single values, `rows` reads a row, `invoices` a stream of rows,
`status` the status of a job, `answers` the other small answers. `writing` writes the bodies of save and
reset, `chunking` splits large batches by the size of their bodies.
"""

from .answers import read_added_back, read_counts, read_sales
from .chunking import Chunk, pack_chunks
from .invoices import read_invoices
from .rows import read_invoice
from .status import read_error_report, read_regeneration, read_status
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
    "read_regeneration",
    "read_sales",
    "read_status",
    "write_invoice",
]
