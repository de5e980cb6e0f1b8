"""The headings that accounting programs give the columns of a purchase register."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

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
