"""How records and statuses are written into a journal's rows, and read again, exactly."""

from __future__ import annotations

import datetime as dt
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from json.encoder import encode_basestring_ascii as quote
from operator import attrgetter
from typing import Any, Final

import attrs

from ..errors import JournalError
from ..gsp.codec.json import json_text
from ..gsp.codec.values import Cache
from ..model.converters import CONVERTER, UNREADABLE, in_words
from ..model.records import Decision, Invoice, ItcReduction, Record, RecordKey
from ..model.report import FOUND_CHANGED, FOUND_NOT_APPLIED
from ..model.status import ErrorEntry, Found, JobStatus
from ..model.vocabulary import Action, Section

ROWS_PER_PART: Final = 250
"""So many rows are packed without a break: some two milliseconds of the event loop."""

# A row is a list of values in this order: half the bytes and a third of the time of a JSON object. A release
# that knows more fields appends them, and raises the schema's version.
_FIELDS: Final = (
    "section", "supplier", "number", "date", "return_period",
    "value", "taxable_value", "igst", "cgst", "sgst", "cess",
    "action", "original_number", "original_date", "type", "source_form", "place_of_supply",
    "pending_allowed", "supplier_filed", "supplier_name", "remarks", "remarks_allowed",
    "itc_reduction", "itc_reduction_allowed", "hash", "extra", "read_from_gateway",
    "recipient",
)  # fmt: skip
_HEADS: Final = ("igst", "cgst", "sgst", "cess")
_DECIDED: Final = ("action", "remarks", "itc_reduction")
# Rows of 0.1.0 name no recipient. Each of the four lengths is one kind of row.
_FIELDS_BY_LENGTH: Final = {
    len(fields) + extra: fields for fields in (_FIELDS, _FIELDS[:-1]) for extra in (0, len(_DECIDED))
}
_decided: Final[Callable[[Decision], tuple[Any, ...]]] = attrgetter(*_DECIDED)
_heads: Final[Callable[[ItcReduction], tuple[Decimal | None, ...]]] = attrgetter(*_HEADS)


def _plain(value: object) -> object:
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, ItcReduction):
        return [value.required, *(None if a is None else str(a) for a in _heads(value))]
    raise TypeError(f"{value!r:.60} ({type(value).__name__}) cannot be kept in a journal")


_dumps: Final = json.JSONEncoder(default=_plain, separators=(",", ":"), check_circular=False).encode


def _row(record: Record) -> list[Any]:
    """Return the values of `_FIELDS`, of a decision those of `_DECIDED` too."""
    # Named one by one, money and date as their texts: the encoder asks Python for what is no JSON, at length.
    invoice, decided = (record.invoice, _decided(record)) if isinstance(record, Decision) else (record, ())
    return [
        invoice.section, invoice.supplier, invoice.number, invoice.date.isoformat(), invoice.return_period,
        str(invoice.value), str(invoice.taxable_value),
        str(invoice.igst), str(invoice.cgst), str(invoice.sgst), str(invoice.cess),
        invoice.action, invoice.original_number, invoice.original_date, invoice.type, invoice.source_form,
        invoice.place_of_supply,
        invoice.pending_allowed, invoice.supplier_filed, invoice.supplier_name, invoice.remarks,
        invoice.remarks_allowed,
        invoice.itc_reduction, invoice.itc_reduction_allowed, invoice.hash,
        # Exact numbers may stand anywhere in it: kept as the text of a JSON object.
        json_text(invoice.extra) if invoice.extra else {}, invoice.read_from_gateway,
        invoice.recipient,
        *decided,
    ]  # fmt: skip


def _quoted(text: str | None) -> str:
    return "null" if text is None else quote(text)


_QUOTED: Final = Cache(_quoted)  # a batch has few distinct suppliers and periods
_DAYS: Final = Cache[dt.date, str](lambda day: f'"{day.isoformat()}"')
_FLAGS: Final = {None: "null", True: "true", False: "false"}


def _form_text(facts: tuple[Any, ...]) -> str:
    action, number, day, kind, form, place, pending, filed = facts
    original = f"{_quoted(number)},{'null' if day is None else _DAYS[day]}"
    texts = f"{_quoted(kind)},{_quoted(form)},{_quoted(place)}"
    return f"{quote(action)},{original},{texts},{_FLAGS[pending]},{_FLAGS[filed]}"


_FORMS: Final = Cache(_form_text)  # of a batch, too, few are distinct: one look-up for eight texts


def _text(record: Record) -> str:
    """Write a row as `_dumps` does, in less time if its values are of the usual types."""
    i = record.invoice if isinstance(record, Decision) else record
    try:
        form = (
            i.action, i.original_number, i.original_date, i.type, i.source_form, i.place_of_supply,
            i.pending_allowed, i.supplier_filed,
        )  # fmt: skip
        return (
            f"[{_QUOTED[i.section]},{_QUOTED[i.supplier]},{quote(i.number)},{_DAYS[i.date]}"
            f',{_QUOTED[i.return_period]},"{i.value!s}","{i.taxable_value!s}"'
            f',"{i.igst!s}","{i.cgst!s}","{i.sgst!s}","{i.cess!s}"'
            f",{_FORMS[form] if form[1] is None else _form_text(form)}"
            f",{'null' if i.supplier_name is None else quote(i.supplier_name)}"
            f",{'null' if i.remarks is None else quote(i.remarks)},{_FLAGS[i.remarks_allowed]}"
            f",{'null' if i.itc_reduction is None else _dumps(i.itc_reduction)}"
            f",{_FLAGS[i.itc_reduction_allowed]},{'null' if i.hash is None else quote(i.hash)}"
            f",{quote(json_text(i.extra)) if i.extra else '{}'},{_FLAGS[i.read_from_gateway]}"
            f",{_QUOTED[i.recipient]}{_decided_text(record) if i is not record else ''}]"
        )
    except (TypeError, KeyError, AttributeError):
        return _dumps(_row(record))


def _decided_text(decision: Any) -> str:
    remarks, reduction = decision.remarks, decision.itc_reduction
    return (
        f",{_QUOTED[decision.action]},{'null' if remarks is None else quote(remarks)}"
        f",{'null' if reduction is None else _dumps(reduction)}"
    )


def pack(records: Sequence[Record]) -> Iterator[bytes]:
    """Write records as parts of a few rows each."""
    for start in range(0, len(records), ROWS_PER_PART):
        rows = ",".join([_text(record) for record in records[start : start + ROWS_PER_PART]])
        yield f"[{rows}]".encode("ascii")


def checksum(part: bytes) -> int:
    """Return the checksum that shows whether a part was damaged."""
    return zlib.crc32(part)


def unpack(parts: Iterable[bytes]) -> list[Record]:
    """Read records back. Raises `JournalError` for rows that `pack` did not write."""
    try:
        return [_record(row) for part in parts for row in json.loads(part)]
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise JournalError(f"its records cannot be read: {error}") from None


def _record(row: list[Any]) -> Record:
    fields = _FIELDS_BY_LENGTH.get(len(row))
    if fields is None:
        raise ValueError(f"a row of {len(row)} values")
    facts = dict(zip(fields, row, strict=False))
    for name in ("value", "taxable_value", *_HEADS):
        facts[name] = Decimal(facts[name])
    invoice = Invoice(
        **{
            **facts,
            "section": Section(facts["section"]),
            "date": dt.date.fromisoformat(facts["date"]),
            "action": Action(facts["action"]),
            "original_date": _day(facts["original_date"]),
            "itc_reduction": _reduction(facts["itc_reduction"]),
            "extra": json.loads(facts["extra"], parse_float=Decimal) if facts["extra"] else {},
        }
    )
    if len(row) == len(fields):
        return invoice
    action, remarks, reduction = row[len(fields) :]
    return Decision(
        invoice=invoice, action=Action(action), remarks=remarks, itc_reduction=_reduction(reduction)
    )


def _day(text: str | None) -> dt.date | None:
    return None if text is None else dt.date.fromisoformat(text)


def _reduction(values: list[Any] | None) -> ItcReduction | None:
    if values is None:
        return None
    required, *amounts = values
    heads = (None if amount is None else Decimal(amount) for amount in amounts)
    return ItcReduction(required=required, **dict(zip(_HEADS, heads, strict=True)))


# -- statuses ------------------------------------------------------------------------------------------

_READING: Final = (
    "state", "raw_code", "processed", "errors", "error_code", "error_message", "polled_at",
    "carrier_done", "carrier_failed", "documented", "in_the_way",
)  # fmt: skip
_REFUSAL: Final = ("section", "supplier", "number", "return_period", "code", "message")
_FOUND: Final = ("applied", "not_applied", "changed")
_reading: Final[Callable[[JobStatus], tuple[Any, ...]]] = attrgetter(*_READING)
_refusal: Final[Callable[[ErrorEntry], tuple[Any, ...]]] = attrgetter(*_REFUSAL)


def pack_status(status: JobStatus) -> str:
    """Write the fields of a status that may be kept: all but the gateway's raw answer."""
    facts = dict(zip(_READING, _reading(status), strict=True))
    return _dumps({**facts, "error_report": [_refusal(entry) for entry in status.error_report]})


def pack_found(found: Found | None) -> str | None:
    """Write what a look showed."""
    return None if found is None else _dumps([found.applied, found.not_applied, found.changed])


def unpack_status(text: str, found: str | None = None) -> JobStatus:
    """Read a status back, with what a look showed. Raises `JournalError` for what was not written so."""
    try:
        facts = json.loads(text)
        facts["error_report"] = [dict(zip(_REFUSAL, row, strict=True)) for row in facts["error_report"]]
        facts["found"] = found and dict(zip(_FOUND, json.loads(found), strict=True))
        status = CONVERTER.structure(facts, JobStatus)
        # Without `in_the_way` it was written by the first release, which had no `found` either.
        shown = status.found if "in_the_way" in facts else _found_before(status)
        return status if shown is None else attrs.evolve(status, found=shown, error_report=())
    except UNREADABLE as error:
        raise JournalError(f"its status cannot be read: {in_words(error, 'status')}") from None


def _found_before(status: JobStatus) -> Found | None:
    """Return what a look showed, as the first release wrote it: as a status without a code."""
    if status.raw_code or status.carrier_failed or not status.done:
        return None
    piles: dict[str, list[RecordKey]] = {FOUND_NOT_APPLIED: [], FOUND_CHANGED: []}
    for entry in status.error_report:
        key = RecordKey(entry.section, entry.supplier, entry.number or "", None, entry.return_period)
        piles[entry.message].append(key)  # a `KeyError` with another message: it is damaged
    not_applied, changed = (tuple(pile) for pile in piles.values())
    return Found(applied=status.processed or 0, not_applied=not_applied, changed=changed)
