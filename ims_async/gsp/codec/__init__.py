"""GSTN's JSON to values and back: section-keyed `invdata`, `error_report`, counts, supplier view.

`values` has the readers of single values, `readers` the converter and the readers of records, `rows` reads a
row, `invoices` a stream of rows, `gstr2b` a GSTR-2B (`gstr2b_rows` its documents), `status` the status of a
job, `answers` the other small answers. `writing` writes the bodies of save and reset, `chunking` splits large
batches by the size of their bodies. `stepwise` parses any large answer in short steps.
Each is imported with the first answer that it reads.
"""

from typing import TYPE_CHECKING

from ...lazy import names_of

if TYPE_CHECKING:
    from .answers import read_added_back, read_counts, read_filed, read_quarterly, read_sales
    from .chunking import Chunk, pack_chunks
    from .gstr2b import read_gstr2b
    from .invoices import Take, read_invoices
    from .readers import problems_of
    from .rows import read_invoice
    from .status import read_error_report, read_regeneration, read_status, status_steps
    from .writing import PackedBody, pack_body, write_invoice
else:
    __getattr__ = names_of(
        __name__,
        {
            "answers": "read_added_back read_counts read_filed read_quarterly read_sales",
            "chunking": "Chunk pack_chunks",
            "gstr2b": "read_gstr2b",
            "invoices": "Take read_invoices",
            "readers": "problems_of",
            "rows": "read_invoice",
            "status": "read_error_report read_regeneration read_status status_steps",
            "writing": "PackedBody pack_body write_invoice",
        },
    )

__all__ = [
    "Chunk",
    "PackedBody",
    "Take",
    "pack_body",
    "pack_chunks",
    "problems_of",
    "read_added_back",
    "read_counts",
    "read_error_report",
    "read_filed",
    "read_gstr2b",
    "read_invoice",
    "read_invoices",
    "read_quarterly",
    "read_regeneration",
    "read_sales",
    "read_status",
    "status_steps",
    "write_invoice",
]
