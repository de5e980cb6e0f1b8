"""An order of records and documents that is not that in which they were given."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final, TypeVar

from ...model.gstr2b import Gstr2bDocument
from ...model.records import Invoice
from ..steps import Steps
from .pairing import STEP

_PART: Final = 2 * STEP  # sorted at once
_T = TypeVar("_T")


def order_of_record(record: Invoice) -> tuple[Any, ...]:
    """Return the key by which records are sorted."""
    return (
        record.supplier, record.number, record.date.toordinal(), record.section, str(record.return_period),
        record.action, record.value, record.taxable_value, record.igst, record.cgst, record.sgst, record.cess,
        str(record.hash), str(record.source_form), str(record.supplier_filed), str(record.remarks),
    )  # fmt: skip


def order_of_document(document: Gstr2bDocument) -> tuple[Any, ...]:
    """Return the key by which documents are sorted."""
    tax = document.tax
    return (
        document.supplier, document.number, document.date.toordinal(), document.section,
        str(document.supplier_period), document.place, str(document.note_type), str(document.port_code),
        document.amended, str(document.itc_available), str(document.ims_status), str(document.value),
        str(document.taxable_value), tax.igst, tax.cgst, tax.sgst, tax.cess, str(document.reason),
        str(document.reverse_charge), str(document.supplier_filed_on), str(document.irn),
        str(document.remarks),
    )  # fmt: skip


def sorted_steps(items: Sequence[_T], key: Callable[[_T], Any]) -> Steps[list[_T]]:
    """Sort in short steps: part by part, then all parts merged."""
    parts: list[list[tuple[Any, _T]]] = []
    for start in range(0, len(items), _PART):
        parts.append(sorted(((key(one), one) for one in items[start : start + _PART]), key=itemgetter(0)))
        yield
    if len(parts) == 1:
        return [one for _, one in parts[0]]
    found: list[_T] = []
    for count, (_, one) in enumerate(heapq.merge(*parts, key=itemgetter(0))):
        if not count % STEP:
            yield
        found.append(one)
    return found
