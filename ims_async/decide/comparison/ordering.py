"""An order of records and documents that is not that in which they were given."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any, Final, TypeVar

from ...model.gstr2b import Gstr2bDocument
from ...model.records import Invoice
from ...steps import Steps
from .pairing import STEP

_PART: Final = 2 * STEP  # sorted at once
_T = TypeVar("_T")


def order_of_record(record: Invoice) -> tuple[Any, ...]:
    """Return the key by which records are sorted."""
    return (
        record.supplier, record.number, record.date.toordinal(), record.section, str(record.return_period),
        record.action, record.value, record.taxable_value, record.igst, record.cgst, record.sgst, record.cess,
        str(record.hash), str(record.source_form), str(record.supplier_filed), str(record.remarks),
        str(record.itc_reduction), str(record.original_number), str(record.original_date), str(record.type),
        str(record.extra),
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
        str(document.remarks), str(document.itc_reduction), str(document.original_number),
        str(document.original_date), str(document.type), str(document.extra),
    )  # fmt: skip


def sorted_steps(
    items: Sequence[_T], key: Callable[[_T], Any], then: Callable[[_T], Any] | None = None
) -> Steps[list[_T]]:
    """Sort in short steps, part by part and then merged; those of one key by `then`, if it is given."""
    parts: list[Iterator[tuple[Any, _T]]] = []
    for start in range(0, len(items), _PART):
        some = [(key(one), one) for one in items[start : start + _PART]]
        some.sort(key=itemgetter(0), reverse=True)
        parts.append(_taken(some))
        yield
    found: list[_T] = []
    same: list[_T] = []
    last: Any = None
    for count, (its, one) in enumerate(heapq.merge(*parts, key=itemgetter(0))):
        if not count % STEP:
            yield
        if same and its != last:
            found += same if len(same) == 1 or then is None else (yield from sorted_steps(same, then))
            same = []
        same.append(one)
        last = its
    found += same if len(same) < 2 or then is None else (yield from sorted_steps(same, then))
    return found


def _taken(items: list[tuple[Any, _T]]) -> Iterator[tuple[Any, _T]]:
    """Yield from the end, and let go: to free all at once would take long."""
    while items:
        yield items.pop()
