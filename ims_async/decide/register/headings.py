"""Find the columns of a purchase register by the headings that accounting programs give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

REQUIRED: Final = ("supplier", "number", "date", "taxable_value")
TAXES: Final = ("igst", "cgst", "sgst")
OPTIONAL: Final = (*TAXES, "cess", "kind", "reference")
FIELDS: Final = (*REQUIRED, *OPTIONAL)

# In the order of preference: a register has the supplier's number and date beside those of the voucher.
# Tally Prime, Zoho Books, Busy, SAP (field names and list headings), Marg ERP, and plain words.
ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "supplier": (
        "supplier gstin", "gstin of supplier", "supplier's gstin", "party gstin/uin", "gstin/uin of supplier",
        "gstin/uin", "party gstin", "vendor gstin", "gst identification number (gstin)", "gstin/uin no",
        "gstin no", "gstin no.", "gst no", "gst no.", "gst number", "party gst no", "gstin", "stcd3",
        "tax number 3", "bp gstin", "supplier gstin/uin", "party's gstin", "gstin of party", "supplier",
    ),
    "number": (
        "supplier invoice no.", "supplier invoice no", "supplier invoice number", "supplier bill no",
        "party bill no", "party invoice no", "vendor invoice no", "vendor invoice number", "vendor bill no",
        "invoice number", "invoice no", "invoice no.", "bill number", "bill no", "bill no.", "bill#",
        "document number (supplier)", "doc no", "doc no.", "doc number", "inv no", "inv no.", "inum", "xblnr",
        "reference", "reference no.", "ref no", "note number", "number", "document number", "document no",
        "vendor credit number", "vch no", "vch no.", "voucher no.", "voucher no", "voucher number",
    ),
    "date": (
        "supplier invoice date", "supplier inv. date", "supplier bill date", "party bill date",
        "party invoice date", "vendor invoice date", "invoice date", "bill date", "doc date", "inv date",
        "bldat", "note date", "document date", "vendor credit date", "date", "vch date", "voucher date",
        "posting date", "budat",
    ),
    "taxable_value": (
        "taxable value", "taxable amount", "taxable amt", "taxable amt.", "taxable", "assessable value",
        "tax base amount", "base amount", "subtotal", "sub total", "item total", "net amount", "taxable val",
        "txval", "hwbas", "value of supplies", "basic amount", "basic value",
    ),
    "igst": (
        "igst", "igst amount", "igst amt", "igst amt.", "integrated tax", "integrated tax amount", "iamt",
        "input igst",
    ),
    "cgst": (
        "cgst", "cgst amount", "cgst amt", "cgst amt.", "central tax", "central tax amount", "camt",
        "input cgst",
    ),
    "sgst": (
        "sgst", "sgst amount", "sgst amt", "sgst amt.", "sgst/utgst", "sgst/utgst amount", "state tax",
        "state/ut tax", "state tax amount", "samt", "utgst", "input sgst", "state/ut tax amount",
    ),
    "cess": ("cess", "cess amount", "cess amt", "cess amt.", "csamt"),
    "kind": (
        "document type", "doc type", "voucher type", "vch type", "vch/bill type", "type", "transaction type",
        "kind", "blart",
    ),
    "reference": (
        "voucher no.", "voucher no", "voucher number", "vch no", "vch no.", "vch. no.", "bill id", "belnr",
        "entry no", "purchase no", "our reference",
    ),
}  # fmt: skip


def folded(heading: object) -> str:
    """Return a heading without case, spaces and signs."""
    return "".join(filter(str.isalnum, str("" if heading is None else heading).casefold()))


_FOLDED: Final = {field: [folded(name) for name in names] for field, names in ALIASES.items()}
_KNOWN: Final = frozenset(name for names in _FOLDED.values() for name in names)


def known_in(row: Sequence[object], given: Mapping[str, str]) -> int:
    """Return how many cells of a row are headings that are known, or given."""
    return len({*map(folded, row)} & {*_KNOWN, *map(folded, given.values())})


def columns_of(headings: Sequence[object], given: Mapping[str, str]) -> dict[str, int]:
    """Return the place of each field's column: as given, or by the first heading that is known.

    A column is that of one field only. Raises `ValueError` for a heading that is needed and is there twice.
    """
    places: dict[str, list[int]] = {}
    for place, heading in enumerate(headings):
        places.setdefault(folded(heading), []).append(place)
    found: dict[str, int] = {}
    for field, name in given.items():
        if those := places.get(folded(name)):
            found[field] = _only(those, headings)
    for field, names in _FOLDED.items():
        if field in found or field in given:
            continue
        taken = set(found.values())
        for name in names:
            those = [place for place in places.get(name, ()) if place not in taken]
            if those:
                found[field] = _only(those, headings)
                break
    return found


def _only(places: Sequence[int], headings: Sequence[object]) -> int:
    if len(places) > 1:
        columns = " and ".join(str(place + 1) for place in places)
        raise ValueError(
            f"the heading {str(headings[places[0]])!r} stands over columns {columns}: rename one"
        )
    return places[0]
