"""The supplier's side: documents that this taxpayer reported, and what recipients did about them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import attrs

from .plain import Plain
from .vocabulary import Action, SupplierSection


@attrs.frozen(kw_only=True, weakref_slot=False)
class LineItem:
    """One rate line of a supplier-view document, in rupees; `rate` is a percentage."""

    number: int
    rate: Decimal
    taxable_value: Decimal
    igst: Decimal = Decimal(0)
    cgst: Decimal = Decimal(0)
    sgst: Decimal = Decimal(0)
    cess: Decimal = Decimal(0)
    extra: dict[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True, weakref_slot=False)
class SalesInvoice(Plain):
    """A document that this taxpayer reported, with its recipient's action.

    `action` is `NO_ACTION` if the gateway names none; `deleted` items (flag D) may lack amounts.
    Fields: GST API documentation, "IMS - Get Supplier Invoices API".
    """

    section: SupplierSection
    recipient: str
    number: str
    date: dt.date
    action: Action = Action.NO_ACTION
    value: Decimal | None = None
    supplier: str | None = None
    list_name: str | None = None
    original_number: str | None = None
    original_date: dt.date | None = None
    type: str | None = None
    note_type: str | None = None
    place_of_supply: str | None = None
    items: tuple[LineItem, ...] = ()
    deleted: bool = False
    flag: str | None = None
    checksum: str | None = None
    extra: dict[str, Any] = attrs.field(factory=dict, hash=False)

    @property
    def reverse_charge(self) -> bool | None:
        """Whether its recipient owes the tax (`rchrg`): such a document does not go through IMS."""
        return {"Y": True, "N": False}.get(str(self.extra.get("rchrg")))


@attrs.frozen(kw_only=True, weakref_slot=False)
class AddedBackLiability(Plain):
    """A document whose rejection by the recipient was added back to this supplier's liability; rupees.

    Fields: GST API documentation, "IMS - Get Added Back Liability Records".
    """

    section: SupplierSection
    recipient: str
    number: str
    date: dt.date
    value: Decimal
    taxable_value: Decimal
    igst: Decimal
    cgst: Decimal
    sgst: Decimal
    cess: Decimal
    supplier_period: str
    source_form: str
    recipient_name: str | None = None
    supplier: str | None = None
    supplier_name: str | None = None
    original_number: str | None = None
    original_date: dt.date | None = None
    type: str | None = None
    note_type: str | None = None
    remarks: str | None = None
    extra: dict[str, Any] = attrs.field(factory=dict, hash=False)
