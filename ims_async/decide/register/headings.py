"""The headings that accounting programs give the columns of a purchase register."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

REQUIRED: Final = ("supplier", "number", "date", "taxable_value")
TAXES: Final = ("igst", "cgst", "sgst")
OPTIONAL: Final = (*TAXES, "cess", "kind", "reference")
FIELDS: Final = (*REQUIRED, *OPTIONAL)

# In the order of preference: a register has the supplier's number and date beside those of the voucher, and
# Zoho Books repeats a bill's subtotal in each of its lines. A voucher's number is not taken for the
# document's, since another document may have it, nor a net amount for that without the tax.
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
        "document number (supplier)", "voucher ref. no.", "doc no", "doc no.", "doc number",
        "inv no", "inv no.", "inum", "xblnr",
        "reference", "reference no.", "ref no", "note number", "number", "document number", "document no",
        "vendor credit number",
    ),
    "date": (
        "supplier invoice date", "supplier inv. date", "supplier bill date", "party bill date",
        "party invoice date", "vendor invoice date", "voucher ref. date", "invoice date", "bill date",
        "doc date", "inv date",
        "bldat", "note date", "document date", "vendor credit date", "date", "vch date", "voucher date",
        "posting date", "budat",
    ),
    "taxable_value": (
        "taxable value", "taxable amount", "taxable amt", "taxable amt.", "taxable", "assessable value",
        "tax base amount", "base amount", "item total", "subtotal", "sub total", "taxable val",
        "txval", "hwbas", "value of supplies", "basic amount", "basic value",
    ),
    "igst": (
        "igst", "igst amount", "igst amt", "igst amt.", "integrated tax", "integrated tax amount", "iamt",
        "input igst", "integrated tax paid",
    ),
    "cgst": (
        "cgst", "cgst amount", "cgst amt", "cgst amt.", "central tax", "central tax amount", "camt",
        "input cgst", "central tax paid",
    ),
    "sgst": (
        "sgst", "sgst amount", "sgst amt", "sgst amt.", "sgst/utgst", "sgst/utgst amount", "state tax",
        "state/ut tax", "state tax amount", "samt", "utgst", "input sgst", "state/ut tax amount",
        "state/ut tax paid",
    ),
    "cess": ("cess", "cess amount", "cess amt", "cess amt.", "csamt", "cess paid"),
    "kind": (
        "document type", "doc type", "voucher type", "vch type", "vch/bill type", "type", "transaction type",
        "kind", "blart",
    ),
    "reference": (
        "voucher no.", "voucher no", "voucher number", "vch no", "vch no.", "vch. no.", "bill id", "belnr",
        "entry no", "purchase no", "our reference",
    ),
}  # fmt: skip

TAX_SIGNS: Final[Mapping[str, tuple[str, ...]]] = {
    "igst": ("igst", "integratedtax"),
    "cgst": ("cgst", "centraltax"),
    "sgst": ("sgst", "utgst", "statetax", "uttax"),
}
"""What the heading of a tax column has in it, known or not."""


def folded(heading: object) -> str:
    """Return a heading without case, spaces and signs; but `IGST %` is not `IGST`."""
    text = str("" if heading is None else heading).casefold()
    return "".join(one for one in text if one.isalnum() or one == "%")


FOLDED: Final = {field: [folded(name) for name in names] for field, names in ALIASES.items()}
KNOWN: Final = frozenset(name for names in FOLDED.values() for name in names)


def suggested_for(
    missing: Collection[str], headings: Sequence[object], taken: Collection[int]
) -> dict[str, list[str]]:
    """Return, of the fields that are missing, the headings that may be meant: a tax by rates has several."""
    found: dict[str, list[str]] = {}
    for place, heading in enumerate(headings):
        field = _field_like(str(heading or ""))
        if place not in taken and field in missing:
            found.setdefault(field, []).append(str(heading).strip())
    for field, names in found.items():  # a total beside its parts would be added to them
        parts = [name for name in names if "total" not in name.casefold()]
        found[field] = [*dict.fromkeys(parts or names[:1])]
    return {field: found[field] for field in FIELDS if field in found}


def _field_like(heading: str) -> str:
    """Return the amount that a heading which is not known may stand for, or an empty text."""
    text = folded(heading)
    by_rate = re.search(r"\d%", text) is not None
    if re.search(r"\brate\b", heading, re.IGNORECASE) or ("%" in text and not by_rate):
        return ""  # a rate is no amount
    if "input" not in text and ("purchase" in text or "taxable" in text):
        return "taxable_value" if by_rate else ""
    heads = [field for field, signs in TAX_SIGNS.items() if any(sign in text for sign in signs)]
    return heads[0] if len(heads) == 1 else ""


def one_or_all(names: Sequence[str]) -> Any:
    """Return the only name, or the list of them: as a map of columns is written."""
    return names[0] if len(names) == 1 else list(names)
