"""Write the bodies of save and reset as text: exact money, exactly the documented properties.

The standard library's encoder cannot write a `Decimal` as a number, so a row is built from its known keys;
that is also faster.
GST API documentation, "IMS - Save IMS Action", "IMS - Reset IMS Action".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Sequence
from json.encoder import encode_basestring_ascii as quote
from typing import Any, Final

import attrs

from ...errors import PayloadTooLarge
from ...model.plain import money_text
from ...model.records import Decision, Invoice, ItcReduction, Record
from ...model.status import JobKind
from ...model.vocabulary import Action, Section
from .json import PAUSE, Pause, json_text
from .rows import DECLARED, wire_names
from .values import Cache, day_text

ROWS_PER_TURN: Final = 200
_DAY_TEXTS: Final = Cache(day_text)
_QUOTED: Final = Cache[str, str](quote)  # a batch has few distinct suppliers and periods


def _amounts(invoice: Invoice) -> str:
    return (
        f',"val":{money_text(invoice.value)},"txval":{money_text(invoice.taxable_value)}'
        f',"iamt":{money_text(invoice.igst)},"camt":{money_text(invoice.cgst)}'
        f',"samt":{money_text(invoice.sgst)},"cess":{money_text(invoice.cess)}'
    )


def _form(facts: tuple[str | None, str | None, str | None]) -> str:
    named = zip(("srcform", "pos", "inv_typ"), facts, strict=True)
    return "".join(f',"{key}":{quote(text)}' for key, text in named if text is not None)


_FORMS: Final = Cache(_form)  # of a batch, too, few are distinct: one look-up for three texts


def _ids_and_amounts(section: Section, invoice: Invoice) -> str:
    number, day, amended, typed = _KEYS[section]
    amounts = (
        f',"val":{invoice.value!s},"txval":{invoice.taxable_value!s},"iamt":{invoice.igst!s}'
        f',"camt":{invoice.cgst!s},"samt":{invoice.sgst!s},"cess":{invoice.cess!s}'
    )
    if "E" in amounts:  # hardly ever: a Decimal may also show 1000 as 1E+3
        amounts = _amounts(invoice)
    form = invoice.source_form, invoice.place_of_supply, invoice.type if typed else None
    return (
        f'{{"stin":{_QUOTED[invoice.supplier]},"rtnprd":{_QUOTED[invoice.return_period]}'
        f',"{number}":{quote(invoice.number)},"{day}":{_DAY_TEXTS[invoice.date]}{amounts}{_FORMS[form]}'
        f"{_original(invoice) if amended else ''}"
    )


def _original(invoice: Invoice) -> str:
    names = wire_names(invoice.section)
    number, day = names["original_number"], names["original_date"]
    text = "" if invoice.original_number is None else f',"{number}":{quote(invoice.original_number)}'
    return text if invoice.original_date is None else f'{text},"{day}":{_DAY_TEXTS[invoice.original_date]}'


def _keys(section: Section) -> tuple[str, str, bool, bool]:
    names = wire_names(section)
    return names["number"], names["date"], section.is_amendment, not section.is_ecommerce


_KEYS: Final = {section: _keys(section) for section in Section}


def _reduction_text(reduction: ItcReduction) -> str:
    declared = "".join(
        f',"{DECLARED[head]}":{money_text(amount)}' for head, amount in reduction.amounts.items()
    )
    return f',"itcRedReq":"{"Y" if reduction.required else "N"}"{declared}'


_DECIDED: Final = Cache[Action, str](lambda action: f',"action":"{action}"')
_LAST_READ: Final = Cache[Action, str](lambda action: f',"prev_status":"{action}"')


def write_row(record: Record) -> tuple[Section, str]:
    """Write the row of a decision in a save, or of an invoice in a reset; returns its section too.

    The action last read is sent as `prev_status`.
    """
    if not isinstance(record, Decision):
        section = record.section
        return section, f"{_ids_and_amounts(section, record)}{_LAST_READ[record.action]}}}"
    invoice = record.invoice
    section = invoice.section
    text = f"{_ids_and_amounts(section, invoice)}{_DECIDED[record.action]}{_LAST_READ[invoice.action]}"
    # Remarks and the ITC reduction are in the vendor's newest example, not in its schema: sent only if set.
    if record.remarks is not None:
        text += f',"remarks":{quote(record.remarks)}'
    if record.itc_reduction is not None:
        text += _reduction_text(record.itc_reduction)
    return section, text + "}"


def write_invoice(invoice: Invoice) -> str:
    """Write an invoice as the row that it was read from, without loss: `read_invoice` reads it again."""
    text = f'{_ids_and_amounts(invoice.section, invoice)},"action":"{invoice.action.value}"'
    if not invoice.section.is_amendment:
        text += _original(invoice)
    facts: dict[str, Any] = {
        "hash": invoice.hash,
        "tradenm": invoice.supplier_name,
        "remarks": invoice.remarks,
        "ispendactblocked": _blocked(invoice.pending_allowed),
        "isRemarksBlocked": _blocked(invoice.remarks_allowed),
        "isItcRedReqBlocked": _blocked(invoice.itc_reduction_allowed),
        "srcfilstatus": {True: "Filed", False: "Not Filed", None: None}[invoice.supplier_filed],
    }
    given = {key: value for key, value in facts.items() if value is not None} | invoice.extra
    text += "".join(f",{quote(key)}:{json_text(value)}" for key, value in given.items())
    if invoice.itc_reduction is not None:
        text += _reduction_text(invoice.itc_reduction)
    return text + "}"


def _blocked(allowed: bool | None) -> str | None:
    return None if allowed is None else ("N" if allowed else "Y")


@attrs.frozen
class PackedBody:
    """A body ready to be sent, and the number of its records."""

    content: bytes = attrs.field(repr=lambda content: f"<{len(content):,} bytes>")
    records: int


class OpenBody:
    """A body that is being filled: `{rtin, reqtyp, invdata}`, with the rows of each section in their order.

    `settle` encodes the rows that were added since: to encode all at the end would block the event loop.
    """

    def __init__(self, gstin: str, kind: JobKind) -> None:
        self.head = f'{{"rtin":{quote(gstin)},"reqtyp":"{kind}","invdata":{{'.encode("ascii")
        self.rows: dict[Section, list[str]] = defaultdict(list)
        self.settled: dict[Section, list[bytes]] = {}

    def settle(self) -> None:
        """Encode the last rows."""
        for section, rows in self.rows.items():
            self.settled.setdefault(section, []).append(",".join(rows).encode("ascii"))
        self.rows.clear()

    def content(self) -> bytes:
        """Return the whole body, joined in one copy: each further one of 50 MB takes many milliseconds."""
        self.settle()
        parts = [self.head]
        for place, (section, rows) in enumerate(self.settled.items()):
            parts.append(b'%b"%b":[' % (b"," if place else b"", section.encode()))
            parts += [part for row in rows for part in (row, b",")]
            parts[-1] = b"]"
        return b"".join((*parts, TAIL))


TAIL: Final = b"}}"


def pack_body(
    gstin: str, kind: JobKind, records: Sequence[Record], *, limit: int | None = None
) -> Generator[Pause, Any, PackedBody]:
    """Write the body of a save or reset; yields `PAUSE`.

    Raises `PayloadTooLarge` for a body of more than `limit` bytes.
    """
    body = OpenBody(gstin, kind)
    rows = body.rows
    for start in range(0, len(records), ROWS_PER_TURN):
        for record in records[start : start + ROWS_PER_TURN]:
            section, row = write_row(record)
            rows[section].append(row)
        body.settle()
        if start + ROWS_PER_TURN <= len(records):
            yield PAUSE
    content = body.content()
    if limit is not None and len(content) > limit:
        raise PayloadTooLarge(
            f"{len(records)} records make a body of {len(content):,} bytes, over the limit of "
            f"{limit:,}; nothing was sent: submit them in smaller batches",
            size=len(content),
            limit=limit,
        )
    return PackedBody(content, len(records))
